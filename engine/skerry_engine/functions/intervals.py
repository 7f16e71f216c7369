"""Functions of interval: three counters (months, days, microseconds) packed into 16 bytes.

Comparison takes a month as 30 days and a day as 24 hours, so '1 month' equals '30 days'.
Arithmetic keeps the counters apart.
"""

from __future__ import annotations

import math
import struct

from skerry_engine.errors import DatetimeFieldOverflow, DivisionByZero
from skerry_engine.functions.comparisons import define_comparisons, define_extremes, define_three_way
from skerry_engine.functions.namespace import helper
from skerry_engine.functions.registry import define

_LAYOUT = struct.Struct(">iiq")
USECS_PER_SECOND = 1_000_000
USECS_PER_DAY = 86_400 * USECS_PER_SECOND
USECS_PER_MONTH = 30 * USECS_PER_DAY
MONTHS_PER_YEAR = 12

unpack = _LAYOUT.unpack


@helper
def interval_value(value: bytes) -> int:
    """What intervals are compared by: microseconds, months of 30 days, days of 24 hours."""
    months, days, microseconds = _LAYOUT.unpack(value)
    result: int = (months * 30 + days) * USECS_PER_DAY + microseconds
    return result


@helper
def pack_interval(months: int, days: int, microseconds: int) -> bytes:
    """The interval of three counters.  Raises DatetimeFieldOverflow when one does not fit."""
    try:
        return _LAYOUT.pack(months, days, microseconds)
    except struct.error:
        raise DatetimeFieldOverflow("interval out of range") from None


@helper
def interval_sum(first: bytes, second: bytes) -> bytes:
    """first + second, counter by counter."""
    months, days, microseconds = _LAYOUT.unpack(first)
    more_months, more_days, more_microseconds = _LAYOUT.unpack(second)
    return pack_interval(months + more_months, days + more_days, microseconds + more_microseconds)


@helper
def interval_difference(first: bytes, second: bytes) -> bytes:
    """first - second, counter by counter."""
    months, days, microseconds = _LAYOUT.unpack(first)
    less_months, less_days, less_microseconds = _LAYOUT.unpack(second)
    return pack_interval(months - less_months, days - less_days, microseconds - less_microseconds)


@helper
def negated_interval(value: bytes) -> bytes:
    """-value."""
    months, days, microseconds = _LAYOUT.unpack(value)
    return pack_interval(-months, -days, -microseconds)


define_comparisons("interval_", key="interval_value({})")
define_extremes("interval_larger", "interval_smaller", key="interval_value({})")
define_three_way("interval_cmp", key="interval_value({})")
define("interval_pl", template="interval_sum({0}, {1})")
define("interval_mi", template="interval_difference({0}, {1})")
define("interval_um", template="negated_interval({0})")


# --- multiplication -----------------------------------------------------------------------------------------


def _rounded_part(value: float) -> float:
    """A fraction rounded to microseconds, as PostgreSQL tames it before spreading it over smaller units."""
    return round(value * 1_000_000) / 1_000_000


def _spread(months: float, days: float, microseconds: float) -> bytes:
    """An interval from scaled counters: fractions of months spill into days,
    fractions of days into microseconds."""
    for counter, limit in ((months, 2**31), (days, 2**31), (microseconds, 2**63)):
        if not -limit <= counter < limit:
            raise DatetimeFieldOverflow("interval out of range")
    whole_months, whole_days = math.trunc(months), math.trunc(days)
    month_days = _rounded_part((months - whole_months) * 30)
    seconds = _rounded_part((days - whole_days + month_days - math.trunc(month_days)) * 86_400)
    extra_days = math.trunc(month_days)
    if abs(seconds) >= 86_400:
        extra_days += math.trunc(seconds / 86_400)
        seconds -= math.trunc(seconds / 86_400) * 86_400
    total = round(microseconds + seconds * USECS_PER_SECOND)
    return pack_interval(whole_months, whole_days + extra_days, total)


@helper
def interval_product(value: bytes, factor: float) -> bytes:
    """value * factor."""
    if not math.isfinite(factor):
        raise DatetimeFieldOverflow("interval out of range")
    months, days, microseconds = _LAYOUT.unpack(value)
    return _spread(months * factor, days * factor, microseconds * factor)


@helper
def interval_quotient(value: bytes, divisor: float) -> bytes:
    """value / divisor.  Raises DivisionByZero."""
    if divisor == 0.0:
        raise DivisionByZero("division by zero")
    months, days, microseconds = _LAYOUT.unpack(value)
    return _spread(months / divisor, days / divisor, microseconds / divisor)


define("interval_mul", template="interval_product({0}, {1})")
define("mul_d_interval", template="interval_product({1}, {0})")
define("interval_div", template="interval_quotient({0}, {1})")


# --- justification ------------------------------------------------------------------------------------------


def _carry(value: int, size: int) -> tuple[int, int]:
    """(whole units, rest), both rounded towards zero."""
    units = abs(value) // size
    return (units, value - units * size) if value >= 0 else (-units, value + units * size)


def justify_hours(value: bytes) -> bytes:
    """Whole days out of the microseconds; signs of days and time made alike."""
    months, days, microseconds = unpack(value)
    more, microseconds = _carry(microseconds, USECS_PER_DAY)
    days += more
    if days > 0 > microseconds:
        days, microseconds = days - 1, microseconds + USECS_PER_DAY
    elif days < 0 < microseconds:
        days, microseconds = days + 1, microseconds - USECS_PER_DAY
    return pack_interval(months, days, microseconds)


def justify_days(value: bytes) -> bytes:
    """Whole months (30 days) out of the days; signs of months and days made alike."""
    months, days, microseconds = unpack(value)
    more, days = _carry(days, 30)
    months += more
    if months > 0 > days:
        months, days = months - 1, days + 30
    elif months < 0 < days:
        months, days = months + 1, days - 30
    return pack_interval(months, days, microseconds)


def justify_interval(value: bytes) -> bytes:
    """Both, with one sign throughout."""
    months, days, microseconds = unpack(value)
    more, microseconds = _carry(microseconds, USECS_PER_DAY)
    days += more
    more, days = _carry(days, 30)
    months += more
    if months > 0 and (days < 0 or (days == 0 and microseconds < 0)):
        months, days = months - 1, days + 30
    elif months < 0 and (days > 0 or (days == 0 and microseconds > 0)):
        months, days = months + 1, days - 30
    if days > 0 > microseconds:
        days, microseconds = days - 1, microseconds + USECS_PER_DAY
    elif days < 0 < microseconds:
        days, microseconds = days + 1, microseconds - USECS_PER_DAY
    return pack_interval(months, days, microseconds)


define("interval_justify_hours", justify_hours)
define("interval_justify_days", justify_days)
define("interval_justify_interval", justify_interval)
define("interval_finite", template="True")


# --- making -------------------------------------------------------------------------------------------------


def _make_interval(
    years: int = 0,
    months: int = 0,
    weeks: int = 0,
    days: int = 0,
    hours: int = 0,
    minutes: int = 0,
    seconds: float = 0.0,
) -> bytes:
    if not math.isfinite(seconds):
        raise DatetimeFieldOverflow("interval out of range")
    microseconds = round(seconds * USECS_PER_SECOND) + (hours * 60 + minutes) * 60 * USECS_PER_SECOND
    return pack_interval(years * MONTHS_PER_YEAR + months, weeks * 7 + days, microseconds)


define("make_interval", _make_interval)
