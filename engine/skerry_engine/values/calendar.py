"""Calendar arithmetic: the proleptic Gregorian calendar over the whole range of PostgreSQL's dates.

Python's datetime covers the years 1 to 9999 only, so the arithmetic here is on integers: days since
2000-01-01 (a Saturday) and astronomical years, where year 0 is 1 BC.
"""

from __future__ import annotations

import datetime

MICROSECONDS_PER_SECOND = 1_000_000
MICROSECONDS_PER_DAY = 86_400_000_000

EPOCH_ORDINAL = 730120  # date(2000, 1, 1).toordinal()
UNIX_EPOCH_DAYS = 10957  # days from 1970-01-01 to 2000-01-01
JULIAN_EPOCH = 2451545  # the Julian day number of 2000-01-01
EPOCH = datetime.datetime(2000, 1, 1)

DATE_INFINITY = 2**31 - 1
DATE_NEGATIVE_INFINITY = -(2**31)
TIMESTAMP_INFINITY = 2**63 - 1
TIMESTAMP_NEGATIVE_INFINITY = -(2**63)

MIN_DATE = -JULIAN_EPOCH  # 4714-11-24 BC, Julian day 0
MAX_DATE = 2145031948  # 5874897-12-31
MIN_TIMESTAMP = MIN_DATE * MICROSECONDS_PER_DAY
MAX_TIMESTAMP = 106_751_983 * MICROSECONDS_PER_DAY - 1  # the last microsecond of the year 294276

# Between these, datetime can be used: the years 1 to 9999, less a margin for time zones.
FIRST_PYTHON_DAY = 1 - EPOCH_ORDINAL
LAST_PYTHON_DAY = datetime.date.max.toordinal() - EPOCH_ORDINAL

_DAYS_BEFORE_MONTH = (0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334)
_DAYS_IN_MONTH = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_DAYS_PER_400_YEARS = 146097


def is_leap_year(year: int) -> bool:
    """Whether the astronomical year has a 29 February."""
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


def days_in_month(year: int, month: int) -> int:
    """28 to 31."""
    return 29 if month == 2 and is_leap_year(year) else _DAYS_IN_MONTH[month - 1]


def days_from_civil(year: int, month: int, day: int) -> int:
    """Days since 2000-01-01 of a date; `day` may lie outside the month."""
    before = year - 1
    leap_days = before // 4 - before // 100 + before // 400
    within = _DAYS_BEFORE_MONTH[month - 1] + day
    if month > 2 and is_leap_year(year):
        within += 1
    return before * 365 + leap_days + within - EPOCH_ORDINAL


def civil_from_days(days: int) -> tuple[int, int, int]:
    """(astronomical year, month, day) of days since 2000-01-01."""
    if FIRST_PYTHON_DAY <= days <= LAST_PYTHON_DAY:
        date = datetime.date.fromordinal(days + EPOCH_ORDINAL)
        return date.year, date.month, date.day
    cycles, rest = divmod(days, _DAYS_PER_400_YEARS)
    date = datetime.date.fromordinal(rest + EPOCH_ORDINAL)
    return date.year + 400 * cycles, date.month, date.day


def day_of_week(days: int) -> int:
    """0 for Sunday to 6 for Saturday."""
    return (days + 6) % 7


def day_of_year(days: int) -> int:
    """1 to 366."""
    year, _, _ = civil_from_days(days)
    return days - days_from_civil(year, 1, 1) + 1


def add_months(days: int, months: int) -> int:
    """The same day of the month `months` later, the month's last day when it is too short."""
    year, month, day = civil_from_days(days)
    total = year * 12 + month - 1 + months
    year, month = total // 12, total % 12 + 1
    return days_from_civil(year, month, min(day, days_in_month(year, month)))


def iso_week(days: int) -> tuple[int, int]:
    """(ISO year, ISO week number)."""
    thursday = days - (day_of_week(days) + 6) % 7 + 3
    year, _, _ = civil_from_days(thursday)
    return year, (thursday - days_from_civil(year, 1, 1)) // 7 + 1


def is_finite_date(days: int) -> bool:
    """Whether a date atom is neither infinity."""
    return DATE_NEGATIVE_INFINITY < days < DATE_INFINITY


def is_finite_timestamp(microseconds: int) -> bool:
    """Whether a timestamp atom is neither infinity."""
    return TIMESTAMP_NEGATIVE_INFINITY < microseconds < TIMESTAMP_INFINITY
