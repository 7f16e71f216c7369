"""Reading intervals: `1 year 2 mons`, `-3 days +04:05`, `1-2`, `3 4:05:06`, `@ 5 minutes ago`, `P1Y2MT3H`.

A unit may occur once.  A number without one means days before a clock time, else what the type's last field
says, else seconds.  Fractions go down to the next unit: of a year to whole months, of a month to days and
time (30 days a month), of days and below to time.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from fractions import Fraction

from skerry_engine.errors import IntervalFieldOverflow, InvalidDatetimeFormat
from skerry_engine.values import interval, types
from skerry_engine.values.calendar import MICROSECONDS_PER_DAY

_TOKEN = re.compile(
    r"""
      (?P<blank>[\s,@]+)
    | (?P<clock>[+-]?\s*\d+:[\d:.]+)
    | (?P<months>[+-]?\s*\d+-\d+(?![\d.:]))
    | (?P<number>[+-]?\s*(?:\d+(?:\.\d*)?|\.\d+))
    | (?P<word>[A-Za-z]+)
    """,
    re.VERBOSE | re.ASCII,
)
_CLOCK = re.compile(r"([+-]?)\s*(\d+):(\d+)(?::(\d+))?(\.\d*)?", re.ASCII)

# unit -> (part it counts in, how many of them)
_MONTHS, _DAYS, _MICROSECONDS = "months", "days", "microseconds"
_UNITS: dict[str, tuple[str, int]] = {
    "microsecond": (_MICROSECONDS, 1),
    "millisecond": (_MICROSECONDS, 1000),
    "second": (_MICROSECONDS, 1_000_000),
    "minute": (_MICROSECONDS, 60_000_000),
    "hour": (_MICROSECONDS, 3_600_000_000),
    "day": (_DAYS, 1),
    "week": (_DAYS, 7),
    "month": (_MONTHS, 1),
    "year": (_MONTHS, 12),
    "decade": (_MONTHS, 120),
    "century": (_MONTHS, 1200),
    "millennium": (_MONTHS, 12000),
}
_SPELLINGS: dict[str, str] = {
    spelling: unit
    for unit, spellings in {
        "microsecond": "microsecond microseconds microsecon us usec usecs usecond useconds",
        "millisecond": "millisecond milliseconds ms msec msecs msecond mseconds",
        "second": "second seconds s sec secs",
        "minute": "minute minutes m min mins",
        "hour": "hour hours h hr hrs",
        "day": "day days d",
        "week": "week weeks w",
        "month": "month months mon mons",
        "year": "year years y yr yrs",
        "decade": "decade decades dec decs",
        "century": "century centuries c cent",
        "millennium": "millennium millennia mil mils",
    }.items()
    for spelling in spellings.split()
}

_DEFAULT_UNITS: dict[int, str] = {
    types.INTERVAL_YEAR: "year",
    types.INTERVAL_MONTH: "month",
    types.INTERVAL_YEAR | types.INTERVAL_MONTH: "month",
    types.INTERVAL_DAY: "day",
    types.INTERVAL_HOUR: "hour",
    types.INTERVAL_DAY | types.INTERVAL_HOUR: "hour",
    types.INTERVAL_MINUTE: "minute",
    types.INTERVAL_HOUR | types.INTERVAL_MINUTE: "minute",
    types.INTERVAL_DAY | types.INTERVAL_HOUR | types.INTERVAL_MINUTE: "minute",
}


class BadInterval(Exception):
    """The text is no interval."""


class _Sum:
    """The interval read so far; `add` puts one quantity in, its fraction going down to finer parts."""

    def __init__(self) -> None:
        self.years = 0
        self.months = 0
        self.days = 0
        self.microseconds = Fraction(0)
        self.seen: set[str] = set()

    def add(self, unit: str, amount: Fraction) -> None:
        if unit in self.seen:
            raise BadInterval
        self.seen.add(unit)
        part, factor = _UNITS[unit]
        if part == _MICROSECONDS:
            self.microseconds += amount * factor
        elif part == _DAYS:
            self._add_days(amount * factor)
        elif factor == 1:
            whole = _whole(amount)
            self.months += whole
            self._add_days((amount - whole) * 30)
        else:
            self.years += _whole(amount) * (factor // 12)
            self.months += round((amount - _whole(amount)) * factor)

    def _add_days(self, amount: Fraction) -> None:
        whole = _whole(amount)
        self.days += whole
        self.microseconds += (amount - whole) * MICROSECONDS_PER_DAY

    def negate(self) -> None:
        self.years, self.months = -self.years, -self.months
        self.days, self.microseconds = -self.days, -self.microseconds


def _whole(amount: Fraction) -> int:
    """The integral part, toward zero."""
    return int(amount)


def read_interval(text: str, fields: int = types.INTERVAL_FULL_RANGE, style: str = "postgres") -> bytes:
    """interval from text; `fields` is the type's mask of fields.

    Raises InvalidDatetimeFormat, IntervalFieldOverflow.
    """
    try:
        total = _read_iso(text) if text.lstrip().startswith("P") else _read_words(text, fields, style)
    except BadInterval:
        raise InvalidDatetimeFormat(f'invalid input syntax for type interval: "{text}"') from None
    microseconds = round(total.microseconds)
    if not all(_fits(part, 31) for part in (total.years, total.months, total.days)) or not _fits(
        microseconds, 63
    ):
        raise _field_overflow(text)
    return interval.pack(total.years * 12 + total.months, total.days, microseconds)


def _field_overflow(text: str) -> IntervalFieldOverflow:
    return IntervalFieldOverflow(f'interval field value out of range: "{text}"')


def _fits(value: int, bits: int) -> bool:
    return -(1 << bits) <= value < 1 << bits


def interval_reader(typmod: int, style: str) -> Callable[[str], bytes]:
    """The reader of interval with a modifier, for an IntervalStyle."""
    fields = typmod >> 16 & 0x7FFF if typmod >= 0 else types.INTERVAL_FULL_RANGE

    def read(text: str) -> bytes:
        return interval.apply_typmod(read_interval(text, fields, style), typmod)

    return read


# --- words --------------------------------------------------------------------------------------------------


def _tokens(text: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise BadInterval
        position = match.end()
        kind = match.lastgroup or ""
        if kind != "blank":
            found.append((kind, match.group()))
    return found


def _read_words(text: str, fields: int, style: str) -> _Sum:
    tokens = _tokens(text)
    ago = bool(tokens) and tokens[-1] == ("word", tokens[-1][1]) and tokens[-1][1].lower() == "ago"
    if ago:
        tokens.pop()
    if not tokens:
        raise BadInterval
    spread = style == "sql_standard" and _has_leading_minus_only(tokens)
    if ago and (not tokens or tokens[-1][0] == "number"):
        raise BadInterval
    total = _Sum()
    position = 0
    while position < len(tokens):
        kind, token = tokens[position]
        if spread:
            token = token.lstrip("-")
        following = tokens[position + 1] if position + 1 < len(tokens) else ("", "")
        position += 1
        if kind == "clock":
            _add_clock(total, token, fields)
        elif kind == "months":
            _add_year_month(total, token)
        elif kind == "number" and _counts_hours(tokens, position, fields):
            total.add("day", Fraction("".join(token.split())))
        elif kind == "number":
            position += _add_number(total, token, following, fields)
        else:
            raise BadInterval
    if ago or spread:
        total.negate()
    return total


def _has_leading_minus_only(tokens: list[tuple[str, str]]) -> bool:
    """Whether, as SQL's standard has it, one leading minus governs all fields."""
    return tokens[0][1].startswith("-") and not any(token[0] in "+-" for _, token in tokens[1:])


def _counts_hours(tokens: list[tuple[str, str]], position: int, fields: int) -> bool:
    """Whether a number of hours stands there: then a bare number before it counts days, as in '1 2:00'."""
    if position >= len(tokens) or tokens[position][0] != "number":
        return False
    if position + 1 == len(tokens):
        return _DEFAULT_UNITS.get(fields, "second") == "hour"
    kind, word = tokens[position + 1]
    return kind == "word" and _SPELLINGS.get(word.lower()) == "hour"


def _add_number(total: _Sum, token: str, following: tuple[str, str], fields: int) -> int:
    """Take in a number; the number of further tokens used, 1 when its unit followed."""
    amount = Fraction("".join(token.split()))
    if following[0] == "word":
        unit = _SPELLINGS.get(following[1].lower())
        if unit is None:
            raise BadInterval
        total.add(unit, amount)
        return 1
    if following[0] == "clock":
        total.add("day", amount)
        return 0
    if following[0]:
        raise BadInterval
    total.add(_DEFAULT_UNITS.get(fields, "second"), amount)
    return 0


def _add_clock(total: _Sum, token: str, fields: int) -> None:
    match = _CLOCK.fullmatch(token)
    if match is None or {"hour", "minute", "second"} & total.seen:
        raise BadInterval
    sign, first, second, third, fraction = match.groups()
    if third is None and (fraction is not None or fields == types.INTERVAL_MINUTE | types.INTERVAL_SECOND):
        hours, minutes, seconds = 0, int(first), int(second)
    else:
        hours, minutes, seconds = int(first), int(second), int(third or "0")
    if minutes > 59 or seconds > 60:
        raise IntervalFieldOverflow(f'interval field value out of range: "{token}"')
    microseconds = Fraction((hours * 3600 + minutes * 60 + seconds) * 1_000_000)
    if fraction is not None and fraction != ".":
        microseconds += round(Fraction("0" + fraction) * 1_000_000)
    total.seen.update(("hour", "minute", "second"))
    total.microseconds += -microseconds if sign == "-" else microseconds


def _add_year_month(total: _Sum, token: str) -> None:
    """SQL's `years-months`."""
    sign = -1 if token.startswith("-") else 1
    years, _, months = token.lstrip("+- ").partition("-")
    if int(months) > 11:
        raise IntervalFieldOverflow(f'interval field value out of range: "{token}"')
    if {"year", "month"} & total.seen:
        raise BadInterval
    total.seen.update(("year", "month"))
    total.years += sign * int(years)
    total.months += sign * int(months)


# --- ISO 8601 -----------------------------------------------------------------------------------------------

_ISO_PART = re.compile(r"([+-]?(?:\d+(?:\.\d*)?|\.\d+))([A-Za-z])", re.ASCII)
_ISO_BASIC = re.compile(
    r"P([+-]?\d{1,4})-([+-]?\d{1,2})(?:-([+-]?\d{1,2}))?(?:T([+-]?\d+):([+-]?\d+)(?::([+-]?\d+(?:\.\d*)?))?)?",
    re.ASCII,
)
_DATE_UNITS = {"Y": "year", "M": "month", "W": "week", "D": "day"}
_TIME_UNITS = {"H": "hour", "M": "minute", "S": "second"}


def _read_iso(text: str) -> _Sum:
    body = text.strip()
    total = _Sum()
    match = _ISO_BASIC.fullmatch(body)
    if match is not None:
        units = ("year", "month", "day", "hour", "minute", "second")
        for unit, amount in zip(units, match.groups(), strict=True):
            total.add(unit, Fraction(amount or "0"))
        return total
    dates, mark, times = body[1:].partition("T")
    if not dates and not mark:
        raise BadInterval
    _add_iso_parts(total, dates, _DATE_UNITS)
    _add_iso_parts(total, times, _TIME_UNITS)
    return total


def _add_iso_parts(total: _Sum, text: str, units: dict[str, str]) -> None:
    position = 0
    while position < len(text):
        match = _ISO_PART.match(text, position)
        if match is None or match.group(2) not in units:
            raise BadInterval
        total.add(units[match.group(2)], Fraction(match.group(1)))
        position = match.end()
