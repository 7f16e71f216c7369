"""Reading dates and times as people write them.

The text is cut into tokens, each token fills fields, and a field may be filled once:

    "Sat Jan 5 2020 10:30 PM PST"  ->  word word number number time word word
    "2020-01-05T10:30:00.5+02"     ->  date(three numbers) word(T) time zone

Which of bare numbers is year, month or day follows from what is known already and from DateStyle's order.
The fast paths for ISO forms are in `datetimes.py`; this is for everything else,
and so decides what is an error and which.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable
from dataclasses import dataclass

from skerry_engine.errors import (
    DatabaseError,
    DatetimeFieldOverflow,
    InvalidDatetimeFormat,
    InvalidParameterValue,
    InvalidTimeZone,
)
from skerry_engine.values import calendar, timezones
from skerry_engine.values.calendar import MICROSECONDS_PER_DAY, MICROSECONDS_PER_SECOND
from skerry_engine.values.zone_abbreviations import ZONE_ABBREVIATIONS

YEAR, MONTH, DAY, TIME, ZONE, WEEKDAY, ERA, HALF, ISO_TIME = (1 << bit for bit in range(9))
DATE = YEAR | MONTH | DAY

_MONTHS = ("january february march april may june july august september october november december").split()
_MONTH_WORDS: dict[str, int] = {
    **{name: i + 1 for i, name in enumerate(_MONTHS)},
    **{name[:3]: i + 1 for i, name in enumerate(_MONTHS)},
    "sept": 9,
}
_WEEKDAY_WORDS = frozenset(
    "sunday monday tuesday wednesday thursday friday saturday sun mon tue tues wed weds thu thur thurs fri sat".split()
)
_IGNORED_WORDS = frozenset(("at", "on"))

_TOKEN = re.compile(
    r"""
      (?P<blank>[\s,;]+)
    | (?P<time>\d+:[\d:.]*)
    | (?P<date>\d+(?P<mark>[-/.])(?:\d+(?P=mark)[\d\-/.]*|[A-Za-z][A-Za-z0-9\-/.]*) | \d+[-/]\d+)
    | (?P<number>\d+(?:\.\d*)?|\.\d+)
    | (?P<zone>[+-]\s*\d[\d:]*)
    | (?P<special>[+-]\s*[A-Za-z]+)
    | (?P<word>[A-Za-z]{3,}\d+[A-Za-z]+ | [A-Za-z]{3,}[+]\d[\d:]* | [A-Za-z]+(?:[-/.][A-Za-z0-9+\-/_.:]*)?)
    """,
    re.VERBOSE | re.ASCII,
)


@dataclass(frozen=True, slots=True)
class InputContext:
    """What reading depends on: the session's zone, DateStyle's order of fields,
    and the transaction's time."""

    zone: datetime.tzinfo
    order: str  # 'MDY', 'DMY', 'YMD'
    now: Callable[[], int]  # microseconds since 2000-01-01 UTC


class BadFormat(Exception):
    """The text is no date or time."""


class BadField(Exception):
    """A field is out of range; `hint` when another order of month and day might have been meant."""

    def __init__(self, hint: bool = False) -> None:
        self.hint = hint


class BadZoneOffset(Exception):
    """The zone's offset is out of range."""


class DateTimeReader:
    """Fills the fields of a date and time from text.  Use `read`, then the fields or the methods below it.

    After `read`: `infinity` is 1 or -1 for an infinity; otherwise `days` and `microseconds` (of the day; may
    be a whole day for 24:00) are set as `known` says, and `instant` when the text fixed one (`now`, `epoch`).
    """

    def __init__(self, context: InputContext, needs_date: bool) -> None:
        self.context = context
        self.needs_date = needs_date
        self.known = 0
        self.year = 0
        self.month = 0
        self.day = 0
        self.microseconds = 0
        self.offset_s: int | None = None
        self.named_zone: datetime.tzinfo | None = None
        self.infinity = 0
        self.instant: int | None = None
        self._day_of_year = 0
        self._short_year = False
        self._text_month = False
        self._before_christ = False
        self._half = ""
        self._julian = False

    # --- the tokens ---

    def read(self, text: str) -> None:
        """Take in the whole text.  Raises BadFormat, BadField, BadZoneOffset,
        InvalidParameterValue (zone)."""
        position = 0
        end = len(text)
        found = 0
        while position < end:
            match = _TOKEN.match(text, position)
            if match is None:
                raise BadFormat
            position = match.end()
            kind = match.lastgroup or ""
            if kind == "mark":
                kind = "date"
            if kind != "blank":
                found += 1
                self._take(
                    kind, match.group().replace(" ", "") if kind in ("zone", "special") else match.group()
                )
        if found == 0 or ((self.infinity or self.instant is not None) and found > 1):
            raise BadFormat
        self._finish()

    def _take(self, kind: str, token: str) -> None:
        if kind == "time":
            self._claim(TIME)
            self.microseconds = read_clock(token)
        elif kind == "date":
            self._take_date(token)
        elif kind == "number":
            self._take_number(token)
        elif kind == "zone":
            self._take_zone(token)
        elif kind == "special":
            self._take_special(token.lower())
        else:
            self._take_word(token)

    def _claim(self, fields: int) -> None:
        if self.known & fields:
            raise BadFormat
        self.known |= fields

    # --- dates ---

    def _take_date(self, token: str) -> None:
        if self.known & ~ZONE:
            raise BadFormat
        parts = [part for part in re.split(r"[^A-Za-z0-9]+", token) if part]
        pieces: list[str] = []
        for part in parts:
            pieces.extend(re.findall(r"[0-9]+|[A-Za-z]+", part))
        for piece in pieces:
            if piece.isalpha():
                self._take_month(piece.lower())
        for piece in pieces:
            if not piece.isalpha():
                self._take_date_number(piece)
        if self.known & DATE != DATE:
            raise BadFormat

    def _take_month(self, word: str) -> None:
        month = _MONTH_WORDS.get(word)
        if month is None:
            raise BadFormat
        if self.known & MONTH and not self._text_month and not self.known & DAY and self.month <= 31:
            self.day = self.month  # "5 Jan": the number was the day
            self.known = (self.known & ~MONTH) | DAY
        self._claim(MONTH)
        self.month = month
        self._text_month = True

    def _take_date_number(self, digits: str) -> None:
        """A number of a date: year, month or day by what is known already and by DateStyle's order."""
        value = int(digits[:9])
        length = len(digits)
        known = self.known & DATE
        year_first = length >= 3 or self.context.order == "YMD"
        if length == 3 and known == YEAR and 1 <= value <= 366:
            self._claim(MONTH | DAY)
            self._day_of_year = value
        elif known == 0:
            self._set(YEAR if year_first else DAY if self.context.order == "DMY" else MONTH, value, length)
        elif known == YEAR or known == DAY:
            self._set(MONTH, value, length)
        elif known == MONTH and self._text_month:
            self._set(YEAR if year_first else DAY, value, length)
        elif known == MONTH or known == YEAR | MONTH:
            self._set_day(value, length)
        elif known == MONTH | DAY:
            self._set(YEAR, value, length)
        else:
            raise BadFormat

    def _set_day(self, value: int, length: int) -> None:
        if self._text_month and length >= 3 and self._short_year:
            self.day, self.year = self.year, value  # "05-Jan-2020" in YMD order: the year was the day
            self.known |= DAY
            self._short_year = False
            return
        self._set(DAY, value, length)

    def _set(self, field: int, value: int, length: int) -> None:
        self._claim(field)
        if field == YEAR:
            self.year = value
            self._short_year = length <= 2
        elif field == MONTH:
            self.month = value
        else:
            self.day = value

    # --- numbers ---

    def _take_number(self, token: str) -> None:
        digits, point, fraction = token.partition(".")
        if self._julian:
            self._take_julian(token)
        elif self.known & ISO_TIME and not self.known & TIME:
            self._take_packed(digits, point + fraction)
        elif point and not self.known & DATE:
            self._take_date_with_point(digits, fraction)
        elif not point and self._only_the_year_is_missing():
            self._take_date_number(digits)
        elif (point and len(digits) > 2) or (len(digits) >= 6 and self.known & (DATE | TIME) != DATE | TIME):
            self._take_packed(digits, point + fraction)
        elif point:
            raise BadFormat
        elif self.known & DATE == DATE:
            self._take_packed(digits, "")
        else:
            self._take_date_number(digits)

    def _only_the_year_is_missing(self) -> bool:
        """`Sat Jan 01 00:00:00 100000`: after a named month, a day and a time six digits are no clock."""
        return self._text_month and self.known & (DATE | TIME) == MONTH | DAY | TIME

    def _take_date_with_point(self, digits: str, fraction: str) -> None:
        """`2020.005`: a year and a day of the year."""
        if not digits or not fraction:
            raise BadFormat
        self._take_date_number(digits)
        self._take_date_number(fraction)
        if self.known & DATE != DATE:
            raise BadFormat

    def _take_packed(self, digits: str, fraction: str) -> None:
        """Digits without separators: YYYYMMDD, YYMMDD, HHMMSS, HHMM."""
        if not self.known & DATE and len(digits) >= 6 and not fraction:
            self._claim(DATE)
            self.year, self.month, self.day = int(digits[:-4]), int(digits[-4:-2]), int(digits[-2:])
            self._short_year = len(digits) == 6
        elif len(digits) == 6 or (len(digits) == 4 and not fraction):
            self._claim(TIME)
            clock = f"{digits[:2]}:{digits[2:4]}:{digits[4:6] or '00'}{fraction}"
            self.microseconds = read_clock(clock)
        else:
            raise BadFormat

    def _take_julian(self, token: str) -> None:
        digits, _, fraction = token.partition(".")
        self._claim(DATE)
        self._julian = False
        days = int(digits[:12]) - calendar.JULIAN_EPOCH
        if days > calendar.MAX_DATE:
            raise BadField
        self.year, self.month, self.day = calendar.civil_from_days(days)
        if self.year <= 0:
            self._before_christ = True
            self.year = 1 - self.year
        if fraction:
            self._claim(TIME)
            self.microseconds = round(float("0." + fraction) * MICROSECONDS_PER_DAY)

    # --- words ---

    def _take_special(self, word: str) -> None:
        if word != "-infinity":
            raise BadFormat
        self._claim(DATE | TIME | ZONE)
        self.infinity = -1

    def _take_word(self, token: str) -> None:
        word = token.lower()
        if word in _MONTH_WORDS:
            self._take_month(word)
        elif word in _WEEKDAY_WORDS:
            self._claim(WEEKDAY)
        elif word in ("am", "pm"):
            self._claim(HALF)
            self._half = word
        elif word in ("bc", "ad"):
            self._claim(ERA)
            self._before_christ = word == "bc"
        elif word in ("j", "jd", "julian"):
            self._julian = True
        elif word == "t":
            self._take_t()
        elif word not in _IGNORED_WORDS and not self._take_moment(word):
            self._take_zone_or_date(token)

    def _take_t(self) -> None:
        """ISO 8601's mark between date and time."""
        if self.known & DATE != DATE or self.known & ISO_TIME:
            raise BadFormat
        self.known |= ISO_TIME

    def _take_moment(self, word: str) -> bool:
        """Words that stand for a date or an instant; False for other words."""
        if word == "now":
            self._claim(DATE | TIME | ZONE)
            self.instant = self.context.now()
        elif word == "epoch":
            self._claim(DATE | TIME | ZONE)
            self.instant = -calendar.UNIX_EPOCH_DAYS * MICROSECONDS_PER_DAY
        elif word == "infinity":
            self._claim(DATE | TIME | ZONE)
            self.infinity = 1
        elif word in ("today", "tomorrow", "yesterday"):
            self._claim(DATE)
            self._set_today({"today": 0, "tomorrow": 1, "yesterday": -1}[word])
        elif word == "allballs":
            self._claim(TIME | ZONE)
            self.offset_s = 0
        else:
            return False
        return True

    def _set_today(self, shift_days: int) -> None:
        local = timezones.utc_to_local(self.context.zone, self.context.now())
        self.year, self.month, self.day = calendar.civil_from_days(local // MICROSECONDS_PER_DAY + shift_days)

    # --- zones ---

    def _take_zone_or_date(self, token: str) -> None:
        separated = not token.isalpha()
        if separated and not self.known & (MONTH | DAY) and token[-1].isalnum() and "_" not in token:
            self._take_date(token)
            return
        offset_s = ZONE_ABBREVIATIONS.get(token.lower())
        if offset_s is not None:
            self._claim(ZONE)
            self.offset_s = offset_s
            return
        zone = timezones.find_zone(token)
        if zone is None and separated:
            raise InvalidParameterValue(f'time zone "{token.lower()}" not recognized')
        if zone is None:
            raise BadFormat
        self._claim(ZONE)
        self.named_zone = zone

    def _take_zone(self, token: str) -> None:
        """`+02`, `-03:30`, `+0530`, after a time or a date; after a zone's name (`UTC+3`) it refines it."""
        self._claim(ZONE)
        self.offset_s = read_offset(token)

    # --- the end ---

    def _finish(self) -> None:
        if self._julian or (self.known & ISO_TIME and not self.known & TIME):
            raise BadFormat
        if self.infinity or self.instant is not None:
            return
        if self.known & DATE == DATE or (self.known & DATE and self.needs_date):
            self._finish_date()
        if self._half:
            self._finish_half()
        if self.microseconds > MICROSECONDS_PER_DAY:
            raise BadField

    def _finish_date(self) -> None:
        if self.known & YEAR:
            self._finish_year()
        if self._day_of_year:
            days = calendar.days_from_civil(self.year, 1, self._day_of_year)
            self.year, self.month, self.day = calendar.civil_from_days(days)
        if self.known & MONTH and not 1 <= self.month <= 12:
            raise BadField(hint=True)
        if self.known & DAY and not 1 <= self.day <= 31:
            raise BadField(hint=True)
        if self.known & DATE == DATE and self.day > calendar.days_in_month(self.year, self.month):
            raise BadField

    def _finish_year(self) -> None:
        """From the year as written to the astronomical one."""
        if self._before_christ:
            if self.year <= 0:
                raise BadField
            self.year = 1 - self.year
        elif self._short_year:
            self.year += 2000 if self.year < 70 else 1900
        elif self.year <= 0:
            raise BadField

    def _finish_half(self) -> None:
        hour = 3600 * MICROSECONDS_PER_SECOND
        if self.microseconds >= 13 * hour:
            raise BadField
        noon = self.microseconds >= 12 * hour
        if self._half == "pm" and not noon:
            self.microseconds += 12 * hour
        elif self._half == "am" and noon:
            self.microseconds -= 12 * hour

    @property
    def days(self) -> int:
        """The date, as days since 2000-01-01."""
        return calendar.days_from_civil(self.year, self.month, self.day)


_CLOCK = re.compile(r"(\d+):(\d+)(?::(\d+)(\.\d*)?|(\.\d*))?", re.ASCII)


def read_clock(token: str) -> int:
    """Microseconds of `hh:mm[:ss[.fraction]]`, also `mm:ss.fraction`.  Raises BadFormat, BadField."""
    match = _CLOCK.fullmatch(token)
    if match is None:
        raise BadFormat
    first, second, third, fraction, short_fraction = match.groups()
    if short_fraction is not None:
        hours, minutes, seconds, fraction = 0, int(first), int(second), short_fraction
    else:
        hours, minutes, seconds = int(first[:9]), int(second[:9]), int((third or "0")[:9])
    microseconds = fraction_microseconds(fraction)
    if hours > 24 or minutes > 59 or seconds > 60:
        raise BadField
    total = ((hours * 60 + minutes) * 60 + seconds) * MICROSECONDS_PER_SECOND + microseconds
    if total > MICROSECONDS_PER_DAY:
        raise BadField
    return total


def fraction_microseconds(fraction: str | None) -> int:
    """Microseconds of `.123456789`, rounded half to even."""
    if not fraction or fraction == ".":
        return 0
    digits = fraction[1:]
    if len(digits) <= 6:
        return int(digits.ljust(6, "0"))
    return round(float("0." + digits) * MICROSECONDS_PER_SECOND)


_OFFSET = re.compile(r"([+-])(\d+)(?::(\d+))?(?::(\d+))?", re.ASCII)


def read_offset(token: str) -> int:
    """Seconds east of Greenwich of `+hh[:mm[:ss]]` or `+hhmm`.  Raises BadFormat, BadZoneOffset."""
    match = _OFFSET.fullmatch(token)
    if match is None:
        raise BadFormat
    sign, hour_digits, minute_digits, second_digits = match.groups()
    hours, minutes, seconds = (
        int(hour_digits[:9]),
        int((minute_digits or "0")[:9]),
        int((second_digits or "0")[:9]),
    )
    if minute_digits is None and len(hour_digits) > 2:
        hours, minutes = divmod(hours, 100)
    if hours > 15 or minutes > 59 or seconds > 59:
        raise BadZoneOffset
    offset_s = hours * 3600 + minutes * 60 + seconds
    return -offset_s if sign == "-" else offset_s


def read_fields(
    text: str, type_name: str, context: InputContext, relevant: str | None = None
) -> DateTimeReader:
    """The fields that `text` gives; for a time of day, `relevant` is the part of the text to read.

    Raises InvalidDatetimeFormat, DatetimeFieldOverflow, InvalidTimeZone or InvalidParameterValue as
    PostgreSQL does for `type_name`.
    """
    reader = DateTimeReader(context, needs_date=relevant is None)
    try:
        reader.read(text if relevant is None else relevant)
    except BadFormat:
        raise invalid_syntax(text, type_name) from None
    except BadField as problem:
        raise field_overflow(text, problem.hint) from None
    except BadZoneOffset:
        raise InvalidTimeZone(f'time zone displacement out of range: "{text}"') from None
    return reader


def invalid_syntax(text: str, type_name: str) -> DatabaseError:
    """The error for text that is no value of the type."""
    return InvalidDatetimeFormat(f'invalid input syntax for type {type_name}: "{text}"')


def field_overflow(text: str, hint: bool = False) -> DatabaseError:
    """The error for a field out of range."""
    return DatetimeFieldOverflow(
        f'date/time field value out of range: "{text}"',
        hint='Perhaps you need a different "datestyle" setting.' if hint else None,
    )
