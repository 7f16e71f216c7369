"""Parts of dates and times: extract, date_part, date_trunc, date_bin, age.

`extract` gives numeric and `date_part` the same as double precision.  A part of an infinite value is infinite
where it grows with time (year, epoch) and NULL where it goes round (month, hour).
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from datetime import tzinfo
from decimal import Decimal

from skerry_engine.abc import FunctionContext
from skerry_engine.errors import DatetimeFieldOverflow, InvalidParameterValue, NotSupportedError
from skerry_engine.functions.dates import checked_timestamp, date_to_timestamp, to_instant, to_local
from skerry_engine.functions.intervals import MONTHS_PER_YEAR, USECS_PER_DAY, pack_interval, unpack
from skerry_engine.functions.numerics import numeric_quotient
from skerry_engine.functions.registry import define
from skerry_engine.values import interval as interval_values
from skerry_engine.values.calendar import (
    JULIAN_EPOCH,
    MICROSECONDS_PER_DAY,
    UNIX_EPOCH_DAYS,
    civil_from_days,
    day_of_week,
    day_of_year,
    days_from_civil,
    days_in_month,
    is_finite_date,
    is_finite_timestamp,
    iso_week,
)
from skerry_engine.values.numeric import INFINITY, NEGATIVE_INFINITY
from skerry_engine.values.timezones import offset_at, zone_of_argument

# --- units --------------------------------------------------------------------------------------------------

_SPELLINGS = {
    "microseconds": "us usec usecs useconds usecond microsecon microsecond microseconds",
    "milliseconds": "ms msec msecs msecond mseconds millisecon millisecond milliseconds",
    "second": "s sec secs second seconds",
    "minute": "m min mins minute minutes",
    "hour": "h hr hrs hour hours",
    "day": "d day days",
    "week": "w week weeks",
    "month": "mon mons month months",
    "quarter": "qtr quarter",
    "year": "y yr yrs year years",
    "decade": "dec decs decade decades",
    "century": "c cent century centuries",
    "millennium": "mil mils millennia millennium",
    "timezone": "timezone",
    "timezone_hour": "timezone_h timezone_hour",
    "timezone_minute": "timezone_m timezone_minute",
    "epoch": "epoch",
    "julian": "j jd julian",
    "dow": "dow",
    "isodow": "isodow",
    "doy": "doy",
    "isoyear": "isoyear",
}
_UNITS = {spelling: unit for unit, spellings in _SPELLINGS.items() for spelling in spellings.split()}

_DATE, _TIME, _TIMETZ = "date", "time without time zone", "time with time zone"
_TIMESTAMP, _TIMESTAMPTZ = "timestamp without time zone", "timestamp with time zone"

_GROWING = frozenset(("year", "decade", "century", "millennium", "julian", "isoyear", "epoch"))
_ZONE_UNITS = frozenset(("timezone", "timezone_hour", "timezone_minute"))
_CLOCK_UNITS = ("microseconds", "milliseconds", "second", "minute", "hour")
_DATE_UNITS = frozenset(
    "day month quarter week year decade century millennium julian isoyear dow isodow doy epoch".split()
)


def _unit(text: str, type_name: str) -> str:
    unit = _UNITS.get(text.lower())
    if unit is None:
        raise InvalidParameterValue(f'unit "{text.lower()}" not recognized for type {type_name}')
    return unit


def _truncation_unit(text: str, type_name: str) -> str:
    unit = _unit(text, type_name)
    if unit in _NEVER_TRUNCATED:
        raise InvalidParameterValue(f'unit "{text.lower()}" not recognized for type {type_name}')
    return unit


_NEVER_TRUNCATED = frozenset(("epoch", "julian", "dow", "isodow", "doy", "isoyear"))


def _unsupported(text: str, type_name: str, detail: str | None = None) -> NotSupportedError:
    return NotSupportedError(f'unit "{text.lower()}" not supported for type {type_name}', detail=detail)


# --- parts of a day and of the clock ------------------------------------------------------------------------


def _scaled(value: int, scale: int) -> Decimal:
    return Decimal(value).scaleb(-scale)


def _quotient(value: int, unit: int) -> int:
    """Division that truncates towards zero, as C's."""
    return value // unit if value >= 0 else -(-value // unit)


def _clock_part(unit: str, microseconds: int) -> Decimal | None:
    """A part of a time of day or of an interval's time; None for other units.  Signs go with the value."""
    hours = _quotient(microseconds, 3_600_000_000)
    rest = microseconds - hours * 3_600_000_000
    minutes = _quotient(rest, 60_000_000)
    seconds = rest - minutes * 60_000_000
    if unit == "microseconds":
        return Decimal(seconds)
    if unit == "milliseconds":
        return _scaled(seconds, 3)
    if unit == "second":
        return _scaled(seconds, 6)
    if unit == "minute":
        return Decimal(minutes)
    return Decimal(hours) if unit == "hour" else None


def _millennium(year: int) -> int:
    return (year + 999) // 1000 if year > 0 else -((1000 - year) // 1000)


def _century(year: int) -> int:
    return (year + 99) // 100 if year > 0 else -((100 - year) // 100)


def _decade(year: int) -> int:
    return year // 10 if year >= 0 else -((9 - year) // 10)


_DAY_PARTS: dict[str, Callable[[int, int, int, int], int]] = {
    "day": lambda days, year, month, day: day,
    "month": lambda days, year, month, day: month,
    "quarter": lambda days, year, month, day: (month - 1) // 3 + 1,
    "year": lambda days, year, month, day: year if year > 0 else year - 1,
    "decade": lambda days, year, month, day: _decade(year),
    "century": lambda days, year, month, day: _century(year),
    "millennium": lambda days, year, month, day: _millennium(year),
    "week": lambda days, year, month, day: iso_week(days)[1],
    "isoyear": lambda days, year, month, day: (
        iso_week(days)[0] if iso_week(days)[0] > 0 else iso_week(days)[0] - 1
    ),
    "dow": lambda days, year, month, day: day_of_week(days),
    "isodow": lambda days, year, month, day: day_of_week(days) or 7,
    "doy": lambda days, year, month, day: day_of_year(days),
    "julian": lambda days, year, month, day: days + JULIAN_EPOCH,
}


def _infinite_part(unit: str, is_positive: bool) -> Decimal | None:
    if unit not in _GROWING:
        return None
    return INFINITY if is_positive else NEGATIVE_INFINITY


# --- extract ------------------------------------------------------------------------------------------------


def _extract_date(text: str, days: int) -> Decimal | None:
    unit = _unit(text, _DATE)
    if unit not in _DATE_UNITS:
        raise _unsupported(text, _DATE)
    if not is_finite_date(days):
        return _infinite_part(unit, days > 0)
    if unit == "epoch":
        return Decimal((days + UNIX_EPOCH_DAYS) * 86_400)
    return Decimal(_DAY_PARTS[unit](days, *civil_from_days(days)))


def _local_part(unit: str, local: int) -> Decimal:
    """A part of a finite local timestamp; not epoch, not the zone's."""
    days, time = divmod(local, MICROSECONDS_PER_DAY)
    of_clock = _clock_part(unit, time)
    if of_clock is not None:
        return of_clock
    part = Decimal(_DAY_PARTS[unit](days, *civil_from_days(days)))
    if unit == "julian":
        return part + numeric_quotient(Decimal(time), Decimal(MICROSECONDS_PER_DAY))
    return part


def _epoch(moment: int) -> Decimal:
    return _scaled(moment + UNIX_EPOCH_DAYS * MICROSECONDS_PER_DAY, 6)


def _extract_timestamp(text: str, local: int) -> Decimal | None:
    unit = _unit(text, _TIMESTAMP)
    if unit in _ZONE_UNITS:
        raise _unsupported(text, _TIMESTAMP)
    if not is_finite_timestamp(local):
        return _infinite_part(unit, local > 0)
    return _epoch(local) if unit == "epoch" else _local_part(unit, local)


def _zone_part(unit: str, offset_s: int) -> Decimal:
    if unit == "timezone":
        return Decimal(offset_s)
    if unit == "timezone_hour":
        return Decimal(_quotient(offset_s, 3600))
    return Decimal(_quotient(offset_s - _quotient(offset_s, 3600) * 3600, 60))


def _extract_timestamptz(context: FunctionContext, text: str, instant: int) -> Decimal | None:
    unit = _unit(text, _TIMESTAMPTZ)
    if not is_finite_timestamp(instant):
        return _infinite_part(unit, instant > 0)
    if unit == "epoch":
        return _epoch(instant)
    if unit in _ZONE_UNITS:
        return _zone_part(unit, offset_at(context.time_zone, instant))
    return _local_part(unit, to_local(context.time_zone, instant))


def _extract_time(text: str, time: int) -> Decimal:
    unit = _unit(text, _TIME)
    if unit == "epoch":
        return _scaled(time, 6)
    part = _clock_part(unit, time)
    if part is None:
        raise _unsupported(text, _TIME)
    return part


def _extract_timetz(text: str, value: bytes) -> Decimal:
    unit = _unit(text, _TIMETZ)
    microseconds, west = struct.unpack(">qi", value)
    if unit == "epoch":
        return _scaled(microseconds + west * 1_000_000, 6)
    if unit in _ZONE_UNITS:
        return _zone_part(unit, -west)
    part = _clock_part(unit, microseconds)
    if part is None:
        raise _unsupported(text, _TIMETZ)
    return part


_INTERVAL_PARTS: dict[str, Callable[[int, int], int]] = {
    "day": lambda months, days: days,
    "month": lambda months, days: months - _quotient(months, 12) * 12,
    "quarter": lambda months, days: _quotient(months - _quotient(months, 12) * 12, 3) + 1,
    "year": lambda months, days: _quotient(months, 12),
    "decade": lambda months, days: _quotient(months, 120),
    "century": lambda months, days: _quotient(months, 1200),
    "millennium": lambda months, days: _quotient(months, 12000),
}


def _extract_interval(text: str, value: bytes) -> Decimal:
    unit = _unit(text, "interval")
    months, days, microseconds = unpack(value)
    if unit == "epoch":
        years = _quotient(months, MONTHS_PER_YEAR)
        seconds = years * 31_557_600 + (months - years * MONTHS_PER_YEAR) * 30 * 86_400 + days * 86_400
        return _scaled(seconds * 1_000_000 + microseconds, 6)
    of_clock = _clock_part(unit, microseconds)
    if of_clock is not None:
        return of_clock
    part = _INTERVAL_PARTS.get(unit)
    if part is None:
        raise _unsupported(text, "interval")
    return Decimal(part(months, days))


# date_part reckons in double precision throughout, which can differ from the exact value in the last digit.


def _clock_as_float(unit: str, microseconds: int) -> float | None:
    """A part of the clock that has decimals; None for other units."""
    minutes = _quotient(microseconds, 60_000_000)
    seconds = _quotient(microseconds - minutes * 60_000_000, 1_000_000)
    rest = microseconds - minutes * 60_000_000 - seconds * 1_000_000
    if unit == "second":
        return seconds + rest / 1e6
    return seconds * 1000.0 + rest / 1000.0 if unit == "milliseconds" else None


def _moment_as_float(unit: str, moment: int, local: int) -> float | None:
    """A part of a timestamp that has decimals; None for other units."""
    days, time = divmod(local, MICROSECONDS_PER_DAY)
    if unit == "epoch":
        return (moment + UNIX_EPOCH_DAYS * MICROSECONDS_PER_DAY) / 1e6
    if unit == "julian":
        return days + JULIAN_EPOCH + (time // 1_000_000 + time % 1_000_000 / 1e6) / 86_400.0
    return _clock_as_float(unit, time)


def _float_or_none(value: Decimal | None) -> float | None:
    return None if value is None else float(value)


def _timestamp_part(text: str, local: int) -> float | None:
    unit = _UNITS.get(text.lower(), "")
    part = _moment_as_float(unit, local, local) if is_finite_timestamp(local) else None
    return _float_or_none(_extract_timestamp(text, local)) if part is None else part


def _timestamptz_part(context: FunctionContext, text: str, instant: int) -> float | None:
    unit = _UNITS.get(text.lower(), "")
    part = None
    if is_finite_timestamp(instant):
        part = _moment_as_float(unit, instant, to_local(context.time_zone, instant))
    return _float_or_none(_extract_timestamptz(context, text, instant)) if part is None else part


def _time_part(text: str, time: int) -> float:
    part = _clock_as_float(_UNITS.get(text.lower(), ""), time)
    return float(_extract_time(text, time)) if part is None else part


def _timetz_part(text: str, value: bytes) -> float:
    part = _clock_as_float(_UNITS.get(text.lower(), ""), struct.unpack(">qi", value)[0])
    return float(_extract_timetz(text, value)) if part is None else part


def _interval_part(text: str, value: bytes) -> float:
    part = _clock_as_float(_UNITS.get(text.lower(), ""), unpack(value)[2])
    return float(_extract_interval(text, value)) if part is None else part


def _part_of_date(text: str, days: int) -> float | None:
    """date_part of a date: it is taken as a timestamp, so the clock's parts are there too."""
    return _timestamp_part(text, date_to_timestamp(days))


define("extract_date", _extract_date)
define("extract_timestamp", _extract_timestamp)
define("extract_timestamptz", _extract_timestamptz, needs_context=True)
define("extract_time", _extract_time)
define("extract_timetz", _extract_timetz)
define("extract_interval", _extract_interval)
define("date_part_text_date", _part_of_date)
define("timestamp_part", _timestamp_part)
define("timestamptz_part", _timestamptz_part, needs_context=True)
define("time_part", _time_part)
define("timetz_part", _timetz_part)
define("interval_part", _interval_part)


# --- date_trunc ---------------------------------------------------------------------------------------------

_CLOCK_SIZES = {
    "microseconds": 1,
    "milliseconds": 1_000,
    "second": 1_000_000,
    "minute": 60_000_000,
    "hour": 3_600_000_000,
    "day": MICROSECONDS_PER_DAY,
}


def _truncated(unit: str, local: int) -> int | None:
    """A finite local timestamp cut to the unit; None if the unit is none to cut to."""
    size = _CLOCK_SIZES.get(unit)
    if size is not None:
        return local // size * size
    days = local // MICROSECONDS_PER_DAY
    if unit == "week":
        return (days - (day_of_week(days) + 6) % 7) * MICROSECONDS_PER_DAY
    year, month, _day = civil_from_days(days)
    if unit == "quarter":
        month = (month - 1) // 3 * 3 + 1
    elif unit in ("year", "decade", "century", "millennium"):
        year, month = _first_year(unit, year), 1
    elif unit != "month":
        return None
    return checked_timestamp(days_from_civil(year, month, 1) * MICROSECONDS_PER_DAY)


def _first_year(unit: str, year: int) -> int:
    if unit == "decade":
        return _decade(year) * 10
    if unit == "century":
        return _century(year) * 100 + (-99 if year > 0 else 1)
    if unit == "millennium":
        return _millennium(year) * 1000 + (-999 if year > 0 else 1)
    return year


def _trunc_timestamp(text: str, local: int) -> int:
    unit = _truncation_unit(text, _TIMESTAMP)
    if not is_finite_timestamp(local):
        return local
    result = _truncated(unit, local)
    if result is None:
        raise _unsupported(text, _TIMESTAMP)
    return result


def _trunc_in_zone(text: str, instant: int, zone: tzinfo) -> int:
    unit = _truncation_unit(text, _TIMESTAMPTZ)
    if not is_finite_timestamp(instant):
        return instant
    local = to_local(zone, instant)
    result = _truncated(unit, local)
    if result is None:
        raise _unsupported(text, _TIMESTAMPTZ)
    if unit in _CLOCK_UNITS:
        return instant - (local - result)
    return to_instant(zone, result)


_MONTH_SIZES = {"month": 1, "quarter": 3, "year": 12, "decade": 120, "century": 1200, "millennium": 12000}


def _trunc_interval(text: str, value: bytes) -> bytes:
    unit = _truncation_unit(text, "interval")
    months, days, microseconds = unpack(value)
    size = _MONTH_SIZES.get(unit)
    if size is not None:
        return pack_interval(_quotient(months, size) * size, 0, 0)
    if unit == "day":
        return pack_interval(months, days, 0)
    if unit in _CLOCK_UNITS:
        size = _CLOCK_SIZES[unit]
        return pack_interval(months, days, _quotient(microseconds, size) * size)
    detail = "Months usually have fractional weeks." if unit == "week" else None
    raise _unsupported(text, "interval", detail)


define("timestamp_trunc", _trunc_timestamp)
define(
    "timestamptz_trunc",
    lambda context, text, instant: _trunc_in_zone(text, instant, context.time_zone),
    needs_context=True,
)
define(
    "timestamptz_trunc_zone",
    lambda text, instant, zone: _trunc_in_zone(text, instant, zone_of_argument(zone)),
)
define("interval_trunc", _trunc_interval)
define("interval_scale", interval_values.apply_typmod)


# --- date_bin -----------------------------------------------------------------------------------------------


def _bin(stride: bytes, moment: int, origin: int) -> int:
    if not is_finite_timestamp(moment):
        return moment
    if not is_finite_timestamp(origin):
        raise DatetimeFieldOverflow("origin out of range")
    months, days, microseconds = unpack(stride)
    if months:
        raise NotSupportedError("timestamps cannot be binned into intervals containing months or years")
    size = days * USECS_PER_DAY + microseconds
    if size <= 0:
        raise DatetimeFieldOverflow("stride must be greater than zero")
    return checked_timestamp(origin + (moment - origin) // size * size)


define("timestamp_bin", _bin)
define("timestamptz_bin", _bin)


# --- age ----------------------------------------------------------------------------------------------------


def _age(first: int, second: int) -> bytes:
    """The calendar difference: years and months, then days, then time, all of one sign."""
    if not (is_finite_timestamp(first) and is_finite_timestamp(second)):
        raise DatetimeFieldOverflow("timestamp out of range")
    sign = 1 if first >= second else -1
    later, earlier = (first, second) if sign > 0 else (second, first)
    later_days, later_time = divmod(later, MICROSECONDS_PER_DAY)
    earlier_days, earlier_time = divmod(earlier, MICROSECONDS_PER_DAY)
    year, month, day = civil_from_days(later_days)
    other_year, other_month, other_day = civil_from_days(earlier_days)
    months = (year - other_year) * 12 + month - other_month
    days, time = day - other_day, later_time - earlier_time
    if time < 0:
        days, time = days - 1, time + MICROSECONDS_PER_DAY
    while days < 0:
        days += days_in_month(other_year, other_month)
        months -= 1
    return pack_interval(sign * months, sign * days, sign * time)


def _midnight(context: FunctionContext) -> int:
    """Today's midnight on the session's clock, as a local timestamp."""
    local = to_local(context.time_zone, context.transaction_timestamp)
    return local // MICROSECONDS_PER_DAY * MICROSECONDS_PER_DAY


define("timestamp_age", _age)
define(
    "timestamptz_age",
    lambda context, first, second: _age(
        to_local(context.time_zone, first), to_local(context.time_zone, second)
    ),
    needs_context=True,
)
define("age_timestamp", lambda context, local: _age(_midnight(context), local), needs_context=True)
define(
    "age_timestamptz",
    lambda context, instant: _age(_midnight(context), to_local(context.time_zone, instant)),
    needs_context=True,
)
