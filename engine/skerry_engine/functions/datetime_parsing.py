"""to_date and to_timestamp: text read by a template.

Fields that the text leaves out, or gives as 0, take their least value.  A numeric pattern takes as many
digits as it finds, or, when another numeric pattern follows at once, just its own width.  Separators in the
template stand for any separators, or none.
"""

from __future__ import annotations

import re
from datetime import tzinfo

from skerry_engine.abc import FunctionContext
from skerry_engine.errors import DatetimeFieldOverflow, InvalidDatetimeFormat, NotSupportedError
from skerry_engine.functions.dates import checked_timestamp, to_instant
from skerry_engine.functions.datetime_formatting import DAYS, MONTHS, Item, parse_items
from skerry_engine.functions.number_formatting import roman_numeral
from skerry_engine.functions.registry import define
from skerry_engine.values.calendar import (
    JULIAN_EPOCH,
    MAX_DATE,
    MICROSECONDS_PER_DAY,
    MIN_DATE,
    day_of_week,
    days_from_civil,
    days_in_month,
)

_WIDTHS = {
    **{
        "YYYY": 4,
        "YYY": 3,
        "YY": 2,
        "Y": 1,
        "IYYY": 4,
        "IYY": 3,
        "IY": 2,
        "I": 1,
        "MM": 2,
        "DD": 2,
        "DDD": 3,
    },
    **{"IDDD": 3, "D": 1, "ID": 1, "WW": 2, "W": 1, "IW": 2, "CC": 2, "J": 7, "Q": 1, "HH24": 2, "HH12": 2},
    **{"HH": 2, "MI": 2, "SS": 2, "MS": 3, "US": 6, "SSSS": 5, "SSSSS": 5, "TZH": 3, "TZM": 2},
    **{f"FF{digits}": digits for digits in range(1, 7)},
}
_GREGORIAN = frozenset(
    ("YYYY", "YYY", "YY", "Y", "Y,YYY", "MM", "MONTH", "MON", "RM", "DD", "DDD", "WW", "W", "CC")
)
_ISO = frozenset(("IYYY", "IYY", "IY", "I", "IW", "ID", "IDDD"))
_INTEGER = re.compile(r"\s*[+-]?[0-9]+")
_YEAR_DIGITS = {"YYYY": 4, "YYY": 3, "YY": 2, "Y": 1, "IYYY": 4, "IYY": 3, "IY": 2, "I": 1}


def _is_separator(character: str) -> bool:
    return character.isascii() and character.isprintable() and not character.isalnum()


def _out_of_range(text: str) -> DatetimeFieldOverflow:
    return DatetimeFieldOverflow(f'date/time field value out of range: "{text}"')


class _Input:
    """Reads the text item by item; `values` holds what was read, by the pattern's name."""

    def __init__(self, text: str, items: tuple[Item, ...]) -> None:
        self.text = text
        self.items = items
        self.position = 0
        self.values: dict[str, int] = {}

    def read(self) -> dict[str, int]:
        self._check_conventions()
        for index, item in enumerate(self.items):
            if not item.pattern:
                self._literal(item, self._zone_follows(index))
                continue
            self._skip_blanks()
            if self.position >= len(self.text):
                break
            self._field(item, index)
        return self.values

    def _check_conventions(self) -> None:
        used = {item.pattern.upper() for item in self.items}
        if used & _GREGORIAN and used & _ISO:
            raise InvalidDatetimeFormat(
                "invalid combination of date conventions",
                hint="Do not mix Gregorian and ISO week date conventions in a formatting template.",
            )

    def _skip_blanks(self) -> None:
        while self.text[self.position : self.position + 1].isspace():
            self.position += 1

    def _literal(self, item: Item, keeps_sign: bool) -> None:
        for character in item.literal:
            if item.quoted or not (_is_separator(character) or character.isspace()):
                self.position += 1
            else:
                self._skip_blanks()
                if self.position < len(self.text) and self._may_skip(keeps_sign):
                    self.position += 1
                self._skip_blanks()

    def _may_skip(self, keeps_sign: bool) -> bool:
        """Whether the next character is a separator; the sign of a time zone's hours is none."""
        character = self.text[self.position]
        return _is_separator(character) and not (keeps_sign and character in "+-")

    def _zone_follows(self, index: int) -> bool:
        following = self.items[index + 1] if index + 1 < len(self.items) else None
        return following is not None and following.pattern.upper() == "TZH"

    def _field(self, item: Item, index: int) -> None:
        pattern = item.pattern.upper()
        if pattern in ("TZ", "OF"):
            raise NotSupportedError(f'formatting field "{item.pattern}" is only supported in to_char')
        if pattern in _NAMED:
            self._word(item, pattern)
        elif pattern == "Y,YYY":
            self._year_with_comma()
        else:
            self._number(item, pattern, index)

    def _word(self, item: Item, pattern: str) -> None:
        words = _NAMED[pattern]
        rest = self.text[self.position :].lower()
        for word, value in words:
            if rest.startswith(word.lower()):
                self.values[_FIELD_OF[pattern]] = value
                self.position += len(word)
                return
        shown = re.split(r"[\s]", self.text[self.position :], maxsplit=1)[0]
        raise InvalidDatetimeFormat(
            f'invalid value "{shown}" for "{item.pattern}"',
            detail="The given value did not match any of the allowed values for this field.",
        )

    def _year_with_comma(self) -> None:
        match = re.match(r"(\d+),(\d{3})", self.text[self.position :])
        if match is None:
            raise InvalidDatetimeFormat('invalid input string for "Y,YYY"')
        self.values["YEAR"] = int(match[1]) * 1000 + int(match[2])
        self.position += match.end()

    def _number(self, item: Item, pattern: str, index: int) -> None:
        strict = self._numeric_follows(index) and not item.fill_mode
        width = _WIDTHS[pattern]
        source = self.text[self.position : self.position + width] if strict else self.text[self.position :]
        if pattern in ("MS", "US") or pattern.startswith("FF"):
            source = source[:width]
        match = _INTEGER.match(source)
        if match is None:
            shown = self.text[self.position : self.position + width]
            raise InvalidDatetimeFormat(
                f'invalid value "{shown}" for "{item.pattern}"', detail="Value must be an integer."
            )
        value = int(match[0])
        self.position += len(source) if strict else match.end()
        if item.ordinal:
            self.position += 2
        self._store(pattern, value, len(match[0].strip().lstrip("+-")))

    def _numeric_follows(self, index: int) -> bool:
        following = self.items[index + 1] if index + 1 < len(self.items) else None
        if following is None or self.items[index].ordinal:
            return False
        if following.pattern:
            return following.pattern.upper() in _WIDTHS
        return following.literal[:1].isdigit()

    def _store(self, pattern: str, value: int, digits: int) -> None:
        if pattern in _YEAR_DIGITS:
            self.values["IYEAR" if pattern.startswith("I") else "YEAR"] = _full_year(value, digits, pattern)
            self.values["YEAR_DIGITS"] = _YEAR_DIGITS[pattern]
        elif pattern in ("MS", "US") or pattern.startswith("FF"):
            self.values["US"] = value * 10 ** (6 - min(digits, 6))
        else:
            self.values[_FIELD_OF.get(pattern, pattern)] = value


def _full_year(value: int, digits: int, pattern: str) -> int:
    """A year of fewer than four digits completed to the one nearest to 2020."""
    if _YEAR_DIGITS[pattern] == 4 or digits >= 4:
        return value
    if value < 70:
        return value + 2000
    if value < 100:
        return value + 1900
    if value < 520:
        return value + 2000
    return value + 1000 if value < 1000 else value


_FIELD_OF = {
    **{"MM": "MONTH_NUMBER", "MONTH": "MONTH_NUMBER", "MON": "MONTH_NUMBER", "RM": "MONTH_NUMBER"},
    **{"DAY": "WEEKDAY", "DY": "WEEKDAY", "D": "WEEKDAY", "HH": "HH12", "SSSS": "SSSSS"},
    **{"BC": "ERA", "AD": "ERA", "B.C.": "ERA", "A.D.": "ERA"},
    **{"AM": "MERIDIEM", "PM": "MERIDIEM", "A.M.": "MERIDIEM", "P.M.": "MERIDIEM"},
}
_MONTH_WORDS = tuple((name, number) for number, name in enumerate(MONTHS, 1))
_DAY_WORDS = tuple((name, number) for number, name in enumerate(DAYS, 1))
_ROMAN_MONTHS = tuple((roman_numeral(number), number) for number in (8, 7, 12, 3, 11, 6, 4, 9, 2, 5, 10, 1))
_ERAS = (("BC", 1), ("AD", 0))
_DOTTED_ERAS = (("B.C.", 1), ("A.D.", 0))
_MERIDIEMS = (("AM", 0), ("PM", 1))
_DOTTED_MERIDIEMS = (("A.M.", 0), ("P.M.", 1))
_NAMED: dict[str, tuple[tuple[str, int], ...]] = {
    "MONTH": _MONTH_WORDS,
    "MON": tuple((name[:3], number) for name, number in _MONTH_WORDS),
    "DAY": _DAY_WORDS,
    "DY": tuple((name[:3], number) for name, number in _DAY_WORDS),
    "RM": _ROMAN_MONTHS,
    **dict.fromkeys(("BC", "AD"), _ERAS),
    **dict.fromkeys(("B.C.", "A.D."), _DOTTED_ERAS),
    **dict.fromkeys(("AM", "PM"), _MERIDIEMS),
    **dict.fromkeys(("A.M.", "P.M."), _DOTTED_MERIDIEMS),
}


# --- from fields to days and time ---------------------------------------------------------------------------


def _days(values: dict[str, int], text: str) -> int:
    if "J" in values:
        return values["J"] - JULIAN_EPOCH
    if "IYEAR" in values:
        return _iso_days(values)
    year = _year(values)
    if values.get("DDD"):
        return _day_of_year(year, values["DDD"], text)
    if values.get("WW"):
        return days_from_civil(year, 1, 1) + (values["WW"] - 1) * 7
    month = values.get("MONTH_NUMBER", 0) or 1
    day = values.get("DD", 0) or ((values["W"] - 1) * 7 + 1 if values.get("W") else 1)
    if not 1 <= month <= 12 or not 1 <= day <= days_in_month(year, month):
        raise _out_of_range(text)
    return days_from_civil(year, month, day)


def _day_of_year(year: int, day: int, text: str) -> int:
    first, next_first = days_from_civil(year, 1, 1), days_from_civil(year + 1, 1, 1)
    if not 1 <= day <= next_first - first:
        raise _out_of_range(text)
    return first + day - 1


def _year(values: dict[str, int]) -> int:
    """The astronomical year; year 0 when none is given."""
    if "YEAR" not in values:
        century = values.get("CC", 0)
        if not century:
            return 0
        return (century - 1) * 100 + 1 if century > 0 else century * 100 + 1
    year = values["YEAR"]
    if values.get("CC") and values.get("YEAR_DIGITS", 4) <= 2:
        year = year % 100 + (values["CC"] - (year % 100 != 0)) * 100
    if values.get("ERA"):
        return 1 - year
    return year if year > 0 else year + (year < 0)


def _iso_days(values: dict[str, int]) -> int:
    year = values["IYEAR"]
    fourth = days_from_civil(year, 1, 4)
    monday = fourth - (day_of_week(fourth) + 6) % 7
    if "IDDD" in values:
        return monday + values["IDDD"] - 1
    weekday = values.get("ID") or ((values.get("WEEKDAY", 2) + 5) % 7 + 1)
    return monday + (values.get("IW", 1) - 1) * 7 + weekday - 1


def _time(values: dict[str, int], text: str) -> int:
    if "SSSSS" in values:
        seconds = values["SSSSS"]
        if not 0 <= seconds < 86_400:
            raise _out_of_range(text)
        return seconds * 1_000_000 + values.get("US", 0)
    hour = values.get("HH24", 0)
    if "HH12" in values:
        hour = _of_twelve(values["HH12"], values.get("MERIDIEM"))
    minute, second = values.get("MI", 0), values.get("SS", 0)
    if not (0 <= hour < 24 and 0 <= minute < 60 and 0 <= second < 60):
        raise _out_of_range(text)
    return ((hour * 60 + minute) * 60 + second) * 1_000_000 + values.get("US", 0)


def _of_twelve(hour: int, meridiem: int | None) -> int:
    if not 1 <= hour <= 12:
        raise InvalidDatetimeFormat(
            f'hour "{hour}" is invalid for the 12-hour clock',
            hint="Use the 24-hour clock, or give an hour between 1 and 12.",
        )
    if meridiem is None:
        return hour
    return hour % 12 + 12 * meridiem


def _parse(text: str, template: str) -> tuple[int, int, int | None]:
    """(days, microseconds, zone's seconds east or None)."""
    values = _Input(text, parse_items(template)).read()
    days, time = _days(values, text), _time(values, text)
    if not MIN_DATE <= days <= MAX_DATE:
        raise DatetimeFieldOverflow(f'date out of range: "{text}"')
    if "TZH" not in values:
        return days, time, None
    hours = values["TZH"]
    sign = -1 if hours < 0 else 1
    return days, time, sign * (abs(hours) * 3600 + values.get("TZM", 0) * 60)


def _to_date(text: str, template: str) -> int:
    return _parse(text, template)[0]


def parse_instant(zone: tzinfo, text: str, template: str) -> int:
    """to_timestamp: the instant on the zone's clock, or in the zone that the text gives."""
    days, time, offset_s = _parse(text, template)
    local = checked_timestamp(days * MICROSECONDS_PER_DAY + time)
    if offset_s is None:
        return to_instant(zone, local)
    return checked_timestamp(local - offset_s * 1_000_000)


def _to_timestamp(context: FunctionContext, text: str, template: str) -> int:
    return parse_instant(context.time_zone, text, template)


define("to_date", _to_date)
define("to_timestamp", _to_timestamp, needs_context=True)
