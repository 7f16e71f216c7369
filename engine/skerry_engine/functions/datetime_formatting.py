"""to_char of dates, times and intervals: a template's patterns replaced by fields.

A template is cut once into items: a pattern with its modifiers (FM: no padding; TH: ordinal ending), or a
literal.  Names of months and days are English, as in locale C.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import tzinfo
from functools import lru_cache

from skerry_engine.abc import FunctionContext
from skerry_engine.errors import InvalidDatetimeFormat
from skerry_engine.functions.dates import to_local
from skerry_engine.functions.intervals import unpack
from skerry_engine.functions.number_formatting import ordinal_ending, roman_numeral
from skerry_engine.functions.registry import define
from skerry_engine.values.calendar import (
    JULIAN_EPOCH,
    MICROSECONDS_PER_DAY,
    civil_from_days,
    day_of_week,
    day_of_year,
    is_finite_timestamp,
    iso_week,
)
from skerry_engine.values.timezones import abbreviation_at, offset_at

MONTHS = (
    *("January", "February", "March", "April", "May", "June", "July"),
    *("August", "September", "October", "November", "December"),
)
DAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")

_UPPER_PATTERNS = (
    *("SSSSS", "SSSS", "SS", "Y,YYY", "YYYY", "YYY", "YY", "Y", "IYYY", "IYY", "IY", "IDDD", "IW", "ID", "I"),
    *("MONTH", "MON", "MI", "MM", "MS", "HH24", "HH12", "HH", "DAY", "DDD", "DD", "DY", "D"),
    *("US", "FF1", "FF2", "FF3", "FF4", "FF5", "FF6", "WW", "W", "CC", "J", "Q", "RM"),
    *("B.C.", "BC", "A.D.", "AD", "A.M.", "AM", "P.M.", "PM", "TZH", "TZM", "TZ", "OF"),
)
_CAPITALISED = ("Month", "Mon", "Day", "Dy")
PATTERNS = tuple(
    sorted(
        {*_UPPER_PATTERNS, *(name.lower() for name in _UPPER_PATTERNS), *_CAPITALISED}, key=len, reverse=True
    )
)
_ITEM = re.compile(
    r"(?P<prefix>(?:FM|fm|TM|tm|FX|fx)*)(?P<pattern>"
    + "|".join(map(re.escape, PATTERNS))
    + r")(?P<suffix>TH|th|SP)?"
    r'|(?P<alone>FM|fm|TM|tm|FX|fx)|"(?P<quoted>(?:[^"\\]|\\.)*)"?|\\(?P<escaped>.)|(?P<literal>.)',
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Item:
    """A piece of a template: a pattern, or a literal when `pattern` is ''."""

    pattern: str
    literal: str = ""
    fill_mode: bool = False
    ordinal: str = ""
    quoted: bool = False


@lru_cache(maxsize=256)
def parse_items(template: str) -> tuple[Item, ...]:
    """The template's items."""
    items = []
    for match in _ITEM.finditer(template):
        if match["pattern"] is not None:
            prefix, pattern = match["prefix"].upper(), match["pattern"].upper()
            fill_mode = "FM" in prefix or ("TM" in prefix and pattern in ("MONTH", "DAY"))
            ordinal = match["suffix"] if match["suffix"] in ("TH", "th") else ""
            items.append(Item(match["pattern"], fill_mode=fill_mode, ordinal=ordinal))
        elif match["alone"] is None:
            quoted = match["quoted"]
            text = (
                re.sub(r"\\(.)", r"\1", quoted)
                if quoted is not None
                else match["escaped"] or match["literal"]
            )
            items.append(Item("", text, quoted=match["literal"] is None))
    return tuple(items)


# --- the fields ---------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Fields:
    """What a template can ask for.  For an interval `days` is None and the calendar fields
    are the interval's counters."""

    year: int
    month: int
    day: int
    time_us: int
    days: int | None
    zone: str = ""
    offset_s: int = 0

    @property
    def hour(self) -> int:
        return _quotient(self.time_us, 3_600_000_000)

    @property
    def minute(self) -> int:
        return _remainder(_quotient(self.time_us, 60_000_000), 60)

    @property
    def second(self) -> int:
        return _remainder(_quotient(self.time_us, 1_000_000), 60)

    @property
    def microsecond(self) -> int:
        return _remainder(self.time_us, 1_000_000)

    @property
    def day_of_year(self) -> int:
        if self.days is None:
            return (self.year * 12 + self.month) * 30 + self.day
        return day_of_year(self.days)

    @property
    def shown_year(self) -> int:
        """The year as written beside an era."""
        if self.days is None:
            return self.year
        return self.year if self.year > 0 else 1 - self.year


def _quotient(value: int, unit: int) -> int:
    return value // unit if value >= 0 else -(-value // unit)


def _remainder(value: int, unit: int) -> int:
    return value - _quotient(value, unit) * unit


def _number(width: int, get: Callable[[Fields], int]) -> Callable[[Fields, Item], str]:
    """A number padded with zeros to `width` (a sign takes one place more) unless FM."""

    def write(fields: Fields, item: Item) -> str:
        value = get(fields)
        if item.fill_mode:
            return str(value)
        return f"{value:0{width + (value < 0)}d}"

    return write


def _narrow(width: int, get: Callable[[Fields], int]) -> Callable[[Fields, Item], str]:
    """A number padded with zeros to `width`, its sign included, unless FM."""
    return lambda fields, item: str(get(fields)) if item.fill_mode else f"{get(fields):0{width}d}"


def _hour_of_twelve(fields: Fields, item: Item) -> str:
    hour = fields.hour
    shown = 12 if hour % 12 == 0 else _remainder(hour, 12)
    return str(shown) if item.fill_mode else f"{shown:0{2 + (hour < 0)}d}"


def _fraction(digits: int) -> Callable[[Fields, Item], str]:
    return lambda fields, item: f"{fields.microsecond:06d}"[:digits]


def _era(fields: Fields) -> str:
    return "BC" if fields.year <= 0 else "AD"


def _meridiem(fields: Fields) -> str:
    return "PM" if _remainder(fields.hour, 24) >= 12 else "AM"


def _dotted(text: str) -> str:
    return f"{text[0]}.{text[1]}."


def _last_digits(count: int, get: Callable[[Fields], int]) -> Callable[[Fields, Item], str]:
    def write(fields: Fields, item: Item) -> str:
        value = _remainder(get(fields), 10**count)
        return str(value) if item.fill_mode else f"{value:0{count + (value < 0)}d}"

    return write


def _iso_year(fields: Fields) -> int:
    if fields.days is None:
        return fields.year
    year = iso_week(fields.days)[0]
    return year if year > 0 else 1 - year


def _iso_day_of_year(fields: Fields) -> int:
    assert fields.days is not None
    return (iso_week(fields.days)[1] - 1) * 7 + (day_of_week(fields.days) or 7)


def _year_with_comma(fields: Fields, item: Item) -> str:
    thousands, rest = divmod(fields.shown_year, 1000)
    return f"{thousands},{rest:03d}"


def _century(fields: Fields) -> int:
    year = fields.year
    if fields.days is None:
        return _quotient(year, 100)
    return (year + 99) // 100 if year > 0 else -((100 - year) // 100)


def _offset(fields: Fields, item: Item) -> str:
    sign = "-" if fields.offset_s < 0 else "+"
    hours, rest = divmod(abs(fields.offset_s), 3600)
    text = f"{sign}{hours}" if item.fill_mode else f"{sign}{hours:02d}"
    return f"{text}:{rest // 60:02d}" if rest // 60 else text


def _zone_hours(fields: Fields, item: Item) -> str:
    return f"{'-' if fields.offset_s < 0 else '+'}{abs(fields.offset_s) // 3600:02d}"


def _name(
    names: tuple[str, ...], get: Callable[[Fields], int], length: int | None
) -> Callable[[Fields, Item], str]:
    """A name in the pattern's case; full names padded to 9 unless FM."""

    def write(fields: Fields, item: Item) -> str:
        name = names[get(fields)]
        name = name[:length] if length else name
        pattern = item.pattern
        if pattern.isupper():
            name = name.upper()
        elif pattern.islower():
            name = name.lower()
        return name if length or item.fill_mode else name.ljust(9)

    return write


def _weekday(fields: Fields) -> int:
    assert fields.days is not None
    return day_of_week(fields.days)


def _roman_month(fields: Fields, item: Item) -> str:
    month = fields.month
    if not month:  # of an interval: as PostgreSQL has it
        if not fields.year:
            return ""
        month = 12 if fields.year > 0 else 1
    text = roman_numeral(month if month > 0 else 13 + month)
    text = text if item.pattern.isupper() else text.lower()
    return text if item.fill_mode else text.ljust(4)


_WRITERS: dict[str, Callable[[Fields, Item], str]] = {
    "HH24": _number(2, lambda fields: fields.hour),
    "HH12": _hour_of_twelve,
    "HH": _hour_of_twelve,
    "MI": _number(2, lambda fields: fields.minute),
    "SS": _number(2, lambda fields: fields.second),
    "MS": lambda fields, item: f"{_quotient(fields.microsecond, 1000):03d}",
    "US": lambda fields, item: f"{fields.microsecond:06d}",
    "SSSS": _narrow(1, lambda fields: _quotient(fields.time_us, 1_000_000)),
    "SSSSS": _narrow(1, lambda fields: _quotient(fields.time_us, 1_000_000)),
    "Y,YYY": _year_with_comma,
    "YYYY": _number(4, lambda fields: fields.shown_year),
    "YYY": _last_digits(3, lambda fields: fields.shown_year),
    "YY": _last_digits(2, lambda fields: fields.shown_year),
    "Y": _last_digits(1, lambda fields: fields.shown_year),
    "IYYY": _number(4, _iso_year),
    "IYY": _last_digits(3, _iso_year),
    "IY": _last_digits(2, _iso_year),
    "I": _last_digits(1, _iso_year),
    "MM": _number(2, lambda fields: fields.month),
    "DD": _narrow(2, lambda fields: fields.day),
    "DDD": _narrow(3, lambda fields: fields.day_of_year),
    "IDDD": _number(3, _iso_day_of_year),
    "D": _number(1, lambda fields: _weekday(fields) + 1),
    "ID": _number(1, lambda fields: _weekday(fields) or 7),
    "WW": _narrow(2, lambda fields: _quotient(fields.day_of_year - 1, 7) + 1),
    "W": _narrow(1, lambda fields: _quotient(fields.day - 1, 7) + 1),
    "IW": _number(2, lambda fields: iso_week(fields.days or 0)[1]),
    "Q": lambda fields, item: str(_quotient(fields.month - 1, 3) + 1) if fields.month else "",
    "CC": _number(2, _century),
    "J": _number(1, lambda fields: (fields.days or 0) + JULIAN_EPOCH),
    "RM": _roman_month,
    "MONTH": _name(MONTHS, lambda fields: fields.month - 1, None),
    "MON": _name(MONTHS, lambda fields: fields.month - 1, 3),
    "DAY": _name(DAYS, _weekday, None),
    "DY": _name(DAYS, _weekday, 3),
    "OF": _offset,
    "TZH": _zone_hours,
    "TZM": lambda fields, item: f"{abs(fields.offset_s) % 3600 // 60:02d}",
    "TZ": lambda fields, item: fields.zone if item.pattern.isupper() else fields.zone.lower(),
    **{f"FF{digits}": _fraction(digits) for digits in range(1, 7)},
}
_WORDS: dict[str, Callable[[Fields], str]] = {
    "BC": _era,
    "AD": _era,
    "B.C.": lambda fields: _dotted(_era(fields)),
    "A.D.": lambda fields: _dotted(_era(fields)),
    "AM": _meridiem,
    "PM": _meridiem,
    "A.M.": lambda fields: _dotted(_meridiem(fields)),
    "P.M.": lambda fields: _dotted(_meridiem(fields)),
}
_NOT_FOR_INTERVALS = frozenset(
    ("MONTH", "MON", "DAY", "DY", "D", "ID", "BC", "AD", "B.C.", "A.D.", "TZ", "TZH", "TZM", "OF", "IDDD")
)


def _written(fields: Fields, item: Item) -> str:
    pattern = item.pattern.upper()
    if fields.days is None and pattern in _NOT_FOR_INTERVALS:
        raise InvalidDatetimeFormat(
            "invalid format specification for an interval value",
            hint="Intervals are not tied to specific calendar dates.",
        )
    word = _WORDS.get(pattern)
    if word is not None:
        return word(fields) if item.pattern.isupper() else word(fields).lower()
    text = _WRITERS[pattern](fields, item)
    if item.ordinal and text.lstrip("-").isdigit():
        ending = ordinal_ending(int(text.lstrip("-")))
        text += ending.upper() if item.ordinal == "TH" else ending
    return text


def _formatted(fields: Fields, template: str) -> str:
    return "".join(
        [_written(fields, item) if item.pattern else item.literal for item in parse_items(template)]
    )


def _timestamp_fields(local: int) -> Fields:
    days, time_us = divmod(local, MICROSECONDS_PER_DAY)
    return Fields(*civil_from_days(days), time_us, days)


def _timestamp_to_char(local: int, template: str) -> str | None:
    if not template or not is_finite_timestamp(local):
        return None
    return _formatted(_timestamp_fields(local), template)


def format_instant(zone: tzinfo, instant: int, template: str) -> str | None:
    """to_char of a timestamptz on a zone's clock."""
    if not template or not is_finite_timestamp(instant):
        return None
    fields = _timestamp_fields(to_local(zone, instant))
    fields.zone = abbreviation_at(zone, instant)
    fields.offset_s = offset_at(zone, instant)
    return _formatted(fields, template)


def _timestamptz_to_char(context: FunctionContext, instant: int, template: str) -> str | None:
    return format_instant(context.time_zone, instant, template)


def _interval_to_char(value: bytes, template: str) -> str | None:
    if not template:
        return None
    months, days, time_us = unpack(value)
    return _formatted(Fields(_quotient(months, 12), _remainder(months, 12), days, time_us, None), template)


define("timestamp_to_char", _timestamp_to_char)
define("timestamptz_to_char", _timestamptz_to_char, needs_context=True)
define("interval_to_char", _interval_to_char)
