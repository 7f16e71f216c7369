"""Functions of date, timestamp and timestamptz: comparison, arithmetic with intervals,
conversion between them.

    date       days                         infinity is 2**31 - 1, -infinity is -2**31
    timestamp  microseconds, local          infinity is 2**63 - 1, -infinity is -2**63
    timestamptz microseconds, UTC           "

Adding an interval adds its months (keeping to the month's last day), then its days, then its time.  For a
timestamptz, months and days count on the clock of the session's time zone, the time counts in UTC.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import tzinfo
from typing import Any

from skerry_engine.abc import FunctionContext
from skerry_engine.errors import DatetimeFieldOverflow, InvalidParameterValue
from skerry_engine.functions.comparisons import SYMBOLS, define_comparisons, define_extremes, define_three_way
from skerry_engine.functions.intervals import USECS_PER_SECOND, justify_hours, pack_interval, unpack
from skerry_engine.functions.namespace import helper
from skerry_engine.functions.registry import define
from skerry_engine.values.calendar import (
    DATE_INFINITY,
    DATE_NEGATIVE_INFINITY,
    MAX_DATE,
    MAX_TIMESTAMP,
    MICROSECONDS_PER_DAY,
    MIN_DATE,
    MIN_TIMESTAMP,
    TIMESTAMP_INFINITY,
    TIMESTAMP_NEGATIVE_INFINITY,
    UNIX_EPOCH_DAYS,
    add_months,
    days_from_civil,
    days_in_month,
    is_finite_date,
    is_finite_timestamp,
)
from skerry_engine.values.datetimes import round_microseconds
from skerry_engine.values.interval import write_postgres
from skerry_engine.values.timezones import local_to_utc, utc_to_local, zone_of_argument

# --- checks -------------------------------------------------------------------------------------------------


@helper
def date_overflow() -> int:
    """Refuse a result that date can't hold."""
    raise DatetimeFieldOverflow("date out of range")


def checked_timestamp(microseconds: int) -> int:
    """The timestamp, which must be within range.  Raises DatetimeFieldOverflow."""
    if not MIN_TIMESTAMP <= microseconds <= MAX_TIMESTAMP:
        raise DatetimeFieldOverflow("timestamp out of range")
    return microseconds


# --- comparison ---------------------------------------------------------------------------------------------


@helper
def date_moment(days: int) -> int:
    """A date as microseconds, for comparison with timestamps: infinities as theirs."""
    if days == DATE_INFINITY:
        return TIMESTAMP_INFINITY
    if days == DATE_NEGATIVE_INFINITY:
        return TIMESTAMP_NEGATIVE_INFINITY
    return days * MICROSECONDS_PER_DAY


def _local_moment(context: FunctionContext, microseconds: int) -> int:
    """A timestamp as an instant in the session's zone."""
    return (
        local_to_utc(context.time_zone, microseconds) if is_finite_timestamp(microseconds) else microseconds
    )


def _date_instant(context: FunctionContext, days: int) -> int:
    """A date's midnight as an instant in the session's zone."""
    return _local_moment(context, date_moment(days))


_COMPARE: dict[str, Callable[[int, int], object]] = {
    "eq": lambda first, second: first == second,
    "ne": lambda first, second: first != second,
    "lt": lambda first, second: first < second,
    "le": lambda first, second: first <= second,
    "gt": lambda first, second: first > second,
    "ge": lambda first, second: first >= second,
    "cmp": lambda first, second: (first > second) - (first < second),
}


def _define_zoned(
    left: str, right: str, convert: Callable[[FunctionContext, int], int], converts_left: bool
) -> None:
    """Comparisons that depend on the time zone: one operand is brought to an instant first."""
    for name, compare in _COMPARE.items():

        def compared(
            context: FunctionContext,
            first: int,
            second: int,
            compare: Callable[[int, int], object] = compare,
        ) -> object:
            if converts_left:
                return compare(convert(context, first), second)
            return compare(first, convert(context, second))

        define(f"{left}_{name}_{right}", compared, needs_context=True)


define_comparisons("date_")
define_extremes("date_larger", "date_smaller")
define_three_way("date_cmp")
define_comparisons("timestamp_")
define_extremes("timestamp_larger", "timestamp_smaller")
define_three_way("timestamp_cmp")
for _name, _symbol in SYMBOLS.items():
    define(f"date_{_name}_timestamp", template=f"date_moment({{0}}) {_symbol} {{1}}")
    define(f"timestamp_{_name}_date", template=f"{{0}} {_symbol} date_moment({{1}})")
_define_zoned("date", "timestamptz", _date_instant, True)
_define_zoned("timestamptz", "date", _date_instant, False)
_define_zoned("timestamp", "timestamptz", _local_moment, True)
_define_zoned("timestamptz", "timestamp", _local_moment, False)
define("date_cmp_timestamp", lambda date, moment: (date_moment(date) > moment) - (date_moment(date) < moment))
define("timestamp_cmp_date", lambda moment, date: (moment > date_moment(date)) - (moment < date_moment(date)))
define("date_finite", is_finite_date)
define("timestamp_finite", is_finite_timestamp)


# --- conversion ---------------------------------------------------------------------------------------------


def date_to_timestamp(days: int) -> int:
    """Midnight of the date.  Raises DatetimeFieldOverflow."""
    moment = date_moment(days)
    if moment > MAX_TIMESTAMP and days != DATE_INFINITY:
        raise DatetimeFieldOverflow("date out of range for timestamp")
    return moment


def timestamp_to_date(microseconds: int) -> int:
    """The day of the timestamp."""
    if microseconds == TIMESTAMP_INFINITY:
        return DATE_INFINITY
    if microseconds == TIMESTAMP_NEGATIVE_INFINITY:
        return DATE_NEGATIVE_INFINITY
    return microseconds // MICROSECONDS_PER_DAY


def to_instant(zone: tzinfo, local: int) -> int:
    """The instant at which the zone's clock shows `local`."""
    return checked_timestamp(local_to_utc(zone, local)) if is_finite_timestamp(local) else local


def to_local(zone: tzinfo, instant: int) -> int:
    """What the zone's clock shows at `instant`."""
    return checked_timestamp(utc_to_local(zone, instant)) if is_finite_timestamp(instant) else instant


def _timestamptz_to_time(context: FunctionContext, instant: int) -> int | None:
    if not is_finite_timestamp(instant):
        return None
    return to_local(context.time_zone, instant) % MICROSECONDS_PER_DAY


def _combined(days: int, time: int) -> int:
    return date_moment(days) + time if is_finite_date(days) else date_moment(days)


def _with_zone(days: int, timetz: bytes) -> int:
    microseconds = int.from_bytes(timetz[:8], "big", signed=True)
    west = int.from_bytes(timetz[8:], "big", signed=True)
    if not is_finite_date(days):
        return date_moment(days)
    return checked_timestamp(date_to_timestamp(days) + microseconds + west * USECS_PER_SECOND)


def _rounded(value: int, typmod: int) -> int:
    if typmod < 0 or not is_finite_timestamp(value):
        return value
    return round_microseconds(value, typmod)


define("date_timestamp", date_to_timestamp)
define(
    "date_timestamptz",
    lambda context, days: to_instant(context.time_zone, date_to_timestamp(days)),
    needs_context=True,
)
define("timestamp_date", timestamp_to_date)
define(
    "timestamptz_date",
    lambda context, instant: timestamp_to_date(to_local(context.time_zone, instant)),
    needs_context=True,
)
define(
    "timestamp_timestamptz", lambda context, local: to_instant(context.time_zone, local), needs_context=True
)
define(
    "timestamptz_timestamp", lambda context, instant: to_local(context.time_zone, instant), needs_context=True
)
define("timestamp_time", lambda local: local % MICROSECONDS_PER_DAY if is_finite_timestamp(local) else None)
define("timestamptz_time", _timestamptz_to_time, needs_context=True)
define("datetime_timestamp", _combined)
define("timedate_pl_time_date", lambda time, days: _combined(days, time))
define("datetimetz_timestamptz", _with_zone)
define("timetzdate_pl_timetz_date", lambda timetz, days: _with_zone(days, timetz))
define(
    "timestamptz_date_time",
    lambda context, days, time: to_instant(context.time_zone, _combined(days, time)),
    needs_context=True,
)
define("timestamp_scale", _rounded)
define("timestamptz_scale", _rounded)


# --- arithmetic ---------------------------------------------------------------------------------------------


def _moved_date(days: int, by: int) -> int:
    if not is_finite_date(days):
        return days
    result = days + by
    return result if MIN_DATE <= result <= MAX_DATE else date_overflow()


def _days_between(first: int, second: int) -> int:
    if not (is_finite_date(first) and is_finite_date(second)):
        raise DatetimeFieldOverflow("cannot subtract infinite dates")
    return first - second


def timestamp_plus(local: int, interval: bytes) -> int:
    """The timestamp an interval later.  Raises DatetimeFieldOverflow."""
    if not is_finite_timestamp(local):
        return local
    months, days, microseconds = unpack(interval)
    date, time = divmod(local, MICROSECONDS_PER_DAY)
    if months:
        date = add_months(date, months)
    return checked_timestamp((date + days) * MICROSECONDS_PER_DAY + time + microseconds)


def instant_plus(zone: tzinfo, instant: int, interval: bytes) -> int:
    """The instant an interval later, months and days by the zone's clock.  Raises DatetimeFieldOverflow."""
    if not is_finite_timestamp(instant):
        return instant
    months, days, microseconds = unpack(interval)
    if months or days:
        local = timestamp_plus(to_local(zone, instant), pack_interval(months, days, 0))
        instant = to_instant(zone, local)
    return checked_timestamp(instant + microseconds)


def negative(interval: bytes) -> bytes:
    """The interval with the opposite sign."""
    months, days, microseconds = unpack(interval)
    return pack_interval(-months, -days, -microseconds)


def _time_between(first: int, second: int) -> bytes:
    if not (is_finite_timestamp(first) and is_finite_timestamp(second)):
        raise DatetimeFieldOverflow("cannot subtract infinite timestamps")
    return justify_hours(pack_interval(0, 0, first - second))


define("date_pli", _moved_date)
define("integer_pl_date_int4_date", lambda by, days: _moved_date(days, by))
define("date_mii", lambda days, by: _moved_date(days, -by))
define("date_mi", _days_between)
define("date_pl_interval", lambda days, interval: timestamp_plus(date_to_timestamp(days), interval))
define(
    "interval_pl_date_interval_date", lambda interval, days: timestamp_plus(date_to_timestamp(days), interval)
)
define("date_mi_interval", lambda days, interval: timestamp_plus(date_to_timestamp(days), negative(interval)))
define("timestamp_pl_interval", timestamp_plus)
define("interval_pl_timestamp_interval_timestamp", lambda interval, local: timestamp_plus(local, interval))
define("timestamp_mi_interval", lambda local, interval: timestamp_plus(local, negative(interval)))
define("timestamp_mi", _time_between)
define(
    "timestamptz_pl_interval",
    lambda context, instant, interval: instant_plus(context.time_zone, instant, interval),
    needs_context=True,
)
define(
    "interval_pl_timestamptz_interval_timestamptz",
    lambda context, interval, instant: instant_plus(context.time_zone, instant, interval),
    needs_context=True,
)
define(
    "timestamptz_mi_interval",
    lambda context, instant, interval: instant_plus(context.time_zone, instant, negative(interval)),
    needs_context=True,
)


# --- AT TIME ZONE -------------------------------------------------------------------------------------------


def interval_offset_us(interval: bytes) -> int:
    """Microseconds east that an interval as a time zone means.
    Raises InvalidParameterValue for months or days."""
    months, days, microseconds = unpack(interval)
    if months or days:
        shown = write_postgres(interval)
        raise InvalidParameterValue(f'interval time zone "{shown}" must not include months or days')
    return int(microseconds)


def _by_offset(moment: int, offset_us: int) -> int:
    return checked_timestamp(moment + offset_us) if is_finite_timestamp(moment) else moment


define("timestamp_zone", lambda zone, local: to_instant(zone_of_argument(zone), local))
define("timestamptz_zone", lambda zone, instant: to_local(zone_of_argument(zone), instant))
define("timestamp_izone", lambda interval, local: _by_offset(local, -interval_offset_us(interval)))
define("timestamptz_izone", lambda interval, instant: _by_offset(instant, interval_offset_us(interval)))


# --- now ----------------------------------------------------------------------------------------------------

define("now", lambda context: context.transaction_timestamp, needs_context=True)
define("statement_timestamp", lambda context: context.statement_timestamp, needs_context=True)
define("clock_timestamp", lambda context: context.clock_timestamp(), needs_context=True)


# --- making -------------------------------------------------------------------------------------------------


def _make_date(year: int, month: int, day: int) -> int:
    text = f"{year}-{month:02d}-{day:02d}"
    if year == 0:
        raise DatetimeFieldOverflow(f"date field value out of range: {text}")
    astronomical = year if year > 0 else year + 1
    if not 1 <= month <= 12 or not 1 <= day <= days_in_month(astronomical, month):
        raise DatetimeFieldOverflow(f"date field value out of range: {text}")
    result = days_from_civil(astronomical, month, day)
    if not MIN_DATE <= result <= MAX_DATE:
        raise DatetimeFieldOverflow(f"date out of range: {text}")
    return result


def make_time(hour: int, minute: int, second: float) -> int:
    """Microseconds since midnight.  Raises DatetimeFieldOverflow."""
    valid = 0 <= hour <= 24 and 0 <= minute < 60 and second == second and 0 <= second <= 60
    microseconds = round(second * USECS_PER_SECOND) if valid else 0
    total = (hour * 60 + minute) * 60 * USECS_PER_SECOND + microseconds
    if not valid or total > MICROSECONDS_PER_DAY:
        shown = f"{hour}:{minute:02d}:{_two_digits(second)}"
        raise DatetimeFieldOverflow(f"time field value out of range: {shown}")
    return total


def _two_digits(second: float) -> str:
    text = f"{second:g}"
    return f"0{text}" if 0 <= second < 10 else text


def _make_timestamp(year: int, month: int, day: int, hour: int, minute: int, second: float) -> int:
    days = _make_date(year, month, day)
    return checked_timestamp(days * MICROSECONDS_PER_DAY + make_time(hour, minute, second))


def _make_timestamptz(
    context: FunctionContext,
    year: int,
    month: int,
    day: int,
    hour: int,
    minute: int,
    second: float,
    zone: str | None = None,
) -> int:
    local = _make_timestamp(year, month, day, hour, minute, second)
    return to_instant(context.time_zone if zone is None else zone_of_argument(zone), local)


def _from_unix(seconds: float) -> int:
    if math.isnan(seconds):
        raise DatetimeFieldOverflow("timestamp cannot be NaN")
    if math.isinf(seconds):
        return TIMESTAMP_INFINITY if seconds > 0 else TIMESTAMP_NEGATIVE_INFINITY
    result = round((seconds - UNIX_EPOCH_DAYS * 86_400) * USECS_PER_SECOND)
    if not MIN_TIMESTAMP <= result <= MAX_TIMESTAMP:
        raise DatetimeFieldOverflow(f'timestamp out of range: "{seconds:g}"')
    return result


define("make_date", _make_date)
define("make_time", make_time)
define("make_timestamp", _make_timestamp)
define("make_timestamptz", _make_timestamptz, needs_context=True)
define("make_timestamptz_at_timezone", _make_timestamptz, needs_context=True)
define("float8_timestamptz", _from_unix)


# --- OVERLAPS -----------------------------------------------------------------------------------------------


def overlaps(
    start: int | None, end: int | None, other_start: int | None, other_end: int | None
) -> bool | None:
    """SQL's OVERLAPS of two periods, whose ends may be NULL and in either order."""
    start, end = _ordered(start, end)
    other_start, other_end = _ordered(other_start, other_end)
    if start is None or other_start is None:
        return None
    if start == other_start:
        return True if end is not None and other_end is not None else None
    if start > other_start:
        start, end, other_start, other_end = other_start, other_end, start, end
    if end is None:
        return None
    if other_start < end:
        return True
    return False if other_end is not None else None


def _ordered(start: int | None, end: int | None) -> tuple[int | None, int | None]:
    if start is None or (end is not None and start > end):
        return end, start
    return start, end


def _plus(moment: int | None, interval: bytes | None) -> int | None:
    return None if moment is None or interval is None else timestamp_plus(moment, interval)


def _zoned_overlaps(first_has_interval: bool, second_has_interval: bool) -> Callable[..., bool | None]:
    """OVERLAPS of timestamptz periods, of which either may be given by its length."""

    def overlap(
        context: FunctionContext, start: int | None, end: Any, other_start: int | None, other_end: Any
    ) -> bool | None:
        zone = context.time_zone
        if first_has_interval:
            end = None if start is None or end is None else instant_plus(zone, start, end)
        if second_has_interval:
            other_end = (
                None
                if other_start is None or other_end is None
                else instant_plus(zone, other_start, other_end)
            )
        return overlaps(start, end, other_start, other_end)

    return overlap


for _first, _second in ((False, True), (True, False), (True, True)):
    _signature = "_".join(
        [
            "timestamptz",
            "interval" if _first else "timestamptz",
            "timestamptz",
            "interval" if _second else "timestamptz",
        ]
    )
    define(f"overlaps_{_signature}", _zoned_overlaps(_first, _second), needs_context=True)
define("overlaps_timestamp", overlaps)
define(
    "overlaps_timestamp_timestamp_timestamp_interval",
    lambda s, e, t, i: overlaps(s, e, t, _plus(t, i)),
)
define(
    "overlaps_timestamp_interval_timestamp_timestamp",
    lambda s, i, t, f: overlaps(s, _plus(s, i), t, f),
)
define(
    "overlaps_timestamp_interval_timestamp_interval",
    lambda s, i, t, j: overlaps(s, _plus(s, i), t, _plus(t, j)),
)
