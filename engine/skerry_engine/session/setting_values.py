"""Values of settings: read from text, checked, and printed again, with PostgreSQL's messages."""

from __future__ import annotations

import re
import struct
from typing import Final

from skerry_engine.catalog.quoting import quote_identifier
from skerry_engine.errors import InvalidName, InvalidParameterValue, NotSupportedError
from skerry_engine.session.setting_table import SettingDefinition
from skerry_engine.values import timezones
from skerry_engine.values.interval_input import read_interval

SettingValue = bool | int | float | str

_NUMBER = re.compile(r"\s*([+-]?(?:0[xX][0-9a-fA-F]+|(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?))\s*([a-zA-Z]*)\s*")
_MAX_INT: Final = 2147483647
# Factors to the base unit: kB for memory, ms for time.
_MEMORY_UNITS: Final = {"TB": 1 << 30, "GB": 1 << 20, "MB": 1 << 10, "kB": 1.0, "B": 1 / 1024}
_TIME_UNITS: Final = {"d": 86400000.0, "h": 3600000.0, "min": 60000.0, "s": 1000.0, "ms": 1.0, "us": 0.001}
_BASE_FACTORS: Final = {"kB": 1.0, "8kB": 8.0, "ms": 1.0, "s": 1000.0}
_MEMORY_HINT: Final = 'Valid units for this parameter are "B", "kB", "MB", "GB", and "TB".'
_TIME_HINT: Final = 'Valid units for this parameter are "us", "ms", "s", "min", "h", and "d".'
_BOOLEAN_WORDS: Final = ("true", "false", "yes", "no", "on", "off", "1", "0")
_TRUE_WORDS: Final = frozenset(("true", "yes", "on", "1"))
_UTF8_NAMES: Final = frozenset(("utf8", "unicode"))
_OTHER_ENCODINGS: Final = frozenset(
    """sqlascii latin1 latin2 latin3 latin4 latin5 latin6 latin7 latin8 latin9 latin10 iso88591 iso885915
    win1250 win1251 win1252 win1253 win1254 win1255 win1256 win1257 win1258 win866 win874 koi8r koi8u eucjp
    euccn euckr euctw sjis big5 gbk gb18030 uhc johab shiftjis2004""".split()
)


def read_value(definition: SettingDefinition, text: str, given_name: str) -> SettingValue:
    """The value that `text` means for a setting (which the client called `given_name`).

    Raises InvalidParameterValue for text that is no such value, NotSupportedError for a value that Skerry
    refuses.
    """
    value = _read(definition, text, given_name)
    if definition.fixed and value != _read(definition, definition.default, definition.name):
        shown = print_value(definition, value)
        raise NotSupportedError(f'setting "{definition.name}" to "{shown}" is not supported')
    return value


def print_value(definition: SettingDefinition, value: SettingValue) -> str:
    """A value as SHOW prints it, with the largest unit that fits."""
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, int) and definition.unit:
        return _with_unit(value, definition.unit)
    if isinstance(value, float):
        return f"{value:g}"
    return str(value)


def print_base_value(value: SettingValue) -> str:
    """A value as pg_settings has it: in its base unit."""
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _read(definition: SettingDefinition, text: str, given_name: str) -> SettingValue:
    if definition.kind == "bool":
        return _read_bool(text, given_name)
    if definition.kind == "enum":
        return _read_choice(definition, text, given_name)
    if definition.kind == "integer":
        return _read_integer(definition, text, given_name)
    if definition.kind == "real":
        return _read_real(definition, text, given_name)
    return _read_string(definition, text)


def _invalid(
    name: str, text: str, hint: str | None = None, detail: str | None = None
) -> InvalidParameterValue:
    return InvalidParameterValue(f'invalid value for parameter "{name}": "{text}"', hint=hint, detail=detail)


def _read_bool(text: str, name: str) -> bool:
    word = text.strip().lower()
    matches = [full for full in _BOOLEAN_WORDS if word and full.startswith(word)]
    if not matches or (len(matches) > 1 and word not in matches):
        raise InvalidParameterValue(f'parameter "{name}" requires a Boolean value')
    return matches[0] in _TRUE_WORDS


def _read_choice(definition: SettingDefinition, text: str, name: str) -> str:
    for choice in definition.choices:
        if choice == text.lower():
            return choice
    raise _invalid(name, text, hint=f"Available values: {', '.join(definition.choices)}.")


def _read_number(definition: SettingDefinition, text: str, name: str) -> float:
    """A number in the setting's base unit."""
    match = _NUMBER.fullmatch(text)
    if match is None:
        raise _invalid(name, text)
    digits, unit = match.groups()
    number = float(int(digits, 16)) if "x" in digits.lower() else float(digits)
    if not unit:
        return number
    if not definition.unit:
        raise _invalid(name, text)
    is_memory = definition.unit.endswith("B")
    factor = (_MEMORY_UNITS if is_memory else _TIME_UNITS).get(unit)
    if factor is None:
        raise _invalid(name, text, hint=_MEMORY_HINT if is_memory else _TIME_HINT)
    return number * factor / _BASE_FACTORS[definition.unit]


def _read_integer(definition: SettingDefinition, text: str, name: str) -> int:
    number = _read_number(definition, text, name)
    if abs(number) > _MAX_INT + 1:
        raise _invalid(name, text, hint="Value exceeds integer range.")
    value = round(number)
    if not definition.minimum <= value <= definition.maximum:
        unit = f" {definition.unit}" if definition.unit else ""
        raise InvalidParameterValue(
            f'{value}{unit} is outside the valid range for parameter "{name}" '
            f"({definition.minimum:.0f} .. {definition.maximum:.0f})"
        )
    return value


def _read_real(definition: SettingDefinition, text: str, name: str) -> float:
    value = _read_number(definition, text, name)
    if not definition.minimum <= value <= definition.maximum:
        raise InvalidParameterValue(
            f'{value:g} is outside the valid range for parameter "{name}" '
            f"({definition.minimum:g} .. {definition.maximum:g})"
        )
    return value


def _with_unit(value: int, unit: str) -> str:
    """The number with the largest unit that divides it."""
    if value <= 0:
        return str(value)
    units = _MEMORY_UNITS if unit.endswith("B") else _TIME_UNITS
    base = value * _BASE_FACTORS[unit]
    for name, factor in units.items():
        if factor >= 1 and base % factor == 0:
            return f"{base / factor:.0f}{name}"
    return str(value)


# --- strings with a grammar of their own ----------------------------------------------------------


def _read_string(definition: SettingDefinition, text: str) -> str:
    if definition.name == "client_encoding":
        return _read_encoding(text)
    if definition.name == "TimeZone":
        return read_time_zone(text)
    if definition.name == "application_name":
        return "".join(
            character if " " <= character <= "~" else "?" * len(character.encode()) for character in text
        )[:63]
    if definition.name == "search_path":
        split_identifiers(definition.name, text)
    return text


def _read_encoding(text: str) -> str:
    name = "".join(character for character in text.lower() if character.isalnum())
    if name in _UTF8_NAMES:
        return "UTF8"
    if name in _OTHER_ENCODINGS:
        raise NotSupportedError(f'client_encoding "{text}" is not supported', hint="Skerry speaks UTF8.")
    raise _invalid("client_encoding", text)


def read_time_zone(text: str) -> str:
    """A zone's canonical name; hours east of Greenwich become the POSIX name that PostgreSQL shows.

    `INTERVAL '-08:00'` is what the front parser makes of SET TIME ZONE INTERVAL.
    """
    if text.startswith("INTERVAL '"):
        return _read_zone_interval(text)
    try:
        hours = float(text)
    except ValueError:
        if timezones.find_zone(text) is None:
            raise _invalid("TimeZone", text) from None
        return timezones.canonical_zone_name(text)
    if abs(hours) >= 168:
        raise _invalid("TimeZone", text)
    return posix_zone(round(hours * 3600))


def _read_zone_interval(text: str) -> str:
    months, days, microseconds = struct.unpack(">iiq", read_interval(text[len("INTERVAL '") : -1]))
    if months or days:
        unit = "months" if months else "days"
        raise _invalid("TimeZone", text, detail=f"Cannot specify {unit} in time zone interval.")
    return posix_zone(microseconds // 1_000_000)


def posix_zone(east_s: int) -> str:
    """`<+05:30>-05:30`: a zone so many seconds east of Greenwich, in POSIX's notation (which counts west)."""
    hours, rest = divmod(abs(east_s), 3600)
    minutes, seconds = divmod(rest, 60)
    clock = f"{hours:02d}"
    if minutes or seconds:
        clock += f":{minutes:02d}"
    if seconds:
        clock += f":{seconds:02d}"
    return f"<{'-' if east_s < 0 else '+'}{clock}>{'+' if east_s < 0 else '-'}{clock}"


def read_date_style(text: str, current: str) -> str:
    """A DateStyle such as `ISO, DMY`: what `text` leaves open stays as in `current`."""
    style, order = current.split(", ")
    seen_style = ""
    seen_order = ""
    for item in text.split(","):
        word = item.strip().strip('"').lower()
        new_style = _DATE_STYLES.get(word, "Postgres" if word.startswith("postgres") else "")
        new_order = _date_order(word)
        if word == "default":
            new_style, new_order = (seen_style or "ISO"), (seen_order or "MDY")
        if not new_style and not new_order:
            raise _invalid("DateStyle", text, detail=f'Unrecognized key word: "{item.strip().lower()}".')
        if (new_style and seen_style and new_style != seen_style) or (
            new_order and seen_order and new_order != seen_order
        ):
            raise _invalid("DateStyle", text, detail='Conflicting "datestyle" specifications.')
        seen_style = new_style or seen_style
        seen_order = new_order or seen_order
    if seen_style == "German" and not seen_order:
        seen_order = "DMY"
    return f"{seen_style or style}, {seen_order or order}"


_DATE_STYLES: Final = {"iso": "ISO", "sql": "SQL", "german": "German"}


def _date_order(word: str) -> str:
    if word == "ymd":
        return "YMD"
    if word == "dmy" or word.startswith("euro"):
        return "DMY"
    if word in ("mdy", "us") or word.startswith("noneuro"):
        return "MDY"
    return ""


def split_identifiers(name: str, text: str) -> tuple[str, ...]:
    """The identifiers in a list such as search_path's.  Raises InvalidParameterValue for malformed lists."""
    found: list[str] = []
    position = 0
    stripped = text.strip()
    if not stripped:
        return ()
    while True:
        match = _LIST_ITEM.match(stripped, position)
        if match is None:
            raise _invalid(name, text, detail="List syntax is invalid.")
        quoted, plain = match.groups()
        found.append(plain.lower() if plain is not None else quoted.replace('""', '"'))
        position = match.end()
        if position == len(stripped):
            return tuple(found)
        if stripped[position] != ",":
            raise _invalid(name, text, detail="List syntax is invalid.")
        position += 1


_LIST_ITEM = re.compile(r'\s*(?:"((?:[^"]|"")*)"|([^\s",]+))\s*')


def join_values(definition: SettingDefinition, values: tuple[str, ...], given_name: str) -> str:
    """SET's items as one text: items of a list setting are quoted where they need it."""
    if len(values) > 1 and not definition.is_list:
        raise InvalidParameterValue(f"SET {given_name} takes only one argument")
    if definition.name == "search_path":
        return ", ".join(
            value if _PLAIN_NUMBER.fullmatch(value) else quote_identifier(value) for value in values
        )
    return ", ".join(values)


_PLAIN_NUMBER = re.compile(r"[+-]?[0-9.]+")


def check_custom_name(name: str) -> None:
    """Check that a setting which nobody defined may be made.  Raises InvalidName."""
    parts = name.split(".")
    if len(parts) < 2 or not all(_CUSTOM_PART.fullmatch(part) for part in parts):
        raise InvalidName(
            f'invalid configuration parameter name "{name}"',
            detail="Custom parameter names must be two or more simple identifiers separated by dots.",
        )


_CUSTOM_PART = re.compile(r"[A-Za-z_\u0080-\U0010ffff][A-Za-z0-9_$\u0080-\U0010ffff]*")
