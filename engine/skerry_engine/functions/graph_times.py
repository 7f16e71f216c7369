"""Dates, times and durations as GQL makes them: from records of fields, from text, from the clock.

    date({year: 2024, month: 2, day: 29})    date({year: 2024, week: 9, dayOfWeek: 4})    date({year: 2024, ordinalDay: 60})
    local_time({hour: 12, minute: 30})       zoned_time({hour: 12, timezone: '+01:00'})
    local_datetime({year: 2024, hour: 12})   zoned_datetime({year: 2024, timezone: 'Europe/Berlin'})
    duration({days: 1, hours: 12})           duration_between(a, b)

A record without a year is refused; other fields have the least value they can have.  Field names are compared
without case.  Text is read as the types' input functions read it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from skerry_engine.abc import FunctionContext
from skerry_engine.errors import (
    DataError,
    InvalidDatetimeField,
    InvalidDatetimeValue,
    InvalidDurationField,
    InvalidValueType,
)
from skerry_engine.functions.casts import find_coercion
from skerry_engine.functions.dates import date_to_timestamp, timestamp_plus, timestamp_to_date, to_instant
from skerry_engine.functions.iso_times import (
    duration_of,
    duration_text,
    extended,
    local_text,
    offset_text,
    packed,
    read_duration,
    zoned_time_text,
)
from skerry_engine.functions.registry import Factory, Implementation, define
from skerry_engine.values import calendar, interval, oids
from skerry_engine.values.datetimes import pack_timetz, unpack_timetz
from skerry_engine.values.graphs import GraphRecord
from skerry_engine.values.timezones import fixed_zone, offset_at, zone_of_argument
from skerry_engine.values.types import SqlType, graph_type_name

if TYPE_CHECKING:
    from skerry_engine.values.io import IoContext

_OFFSET = re.compile(r"([+-])(\d\d):?(\d\d)?:?(\d\d)?")
_DAY_US = calendar.MICROSECONDS_PER_DAY
_DATE_FIELDS = frozenset(
    ("year", "quarter", "month", "week", "day", "dayofweek", "ordinalday", "dayofquarter")
)
_TIME_FIELDS = frozenset(("hour", "minute", "second", "millisecond", "microsecond", "nanosecond"))
_DURATION_FIELDS = frozenset(
    ("years", "quarters", "months", "weeks", "days", "hours", "minutes", "seconds")
    + ("milliseconds", "microseconds", "nanoseconds")
)


# --- fields -------------------------------------------------------------------------------------------------


def _fields(record: GraphRecord, allowed: frozenset[str], error: type[DataError]) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for name, value in record:
        folded = name.lower()
        if folded not in allowed:
            raise error(f'there is no field "{name}" of this type')
        if value is None:
            raise InvalidDatetimeValue(f'field "{name}" must not be null')
        fields[folded] = value
    return fields


def _whole(fields: Mapping[str, Any], name: str, default: int, low: int, high: int) -> int:
    value = fields.get(name, default)
    if type(value) is not int or not low <= value <= high:
        raise InvalidDatetimeValue(f'field "{name}" must be a whole number from {low} to {high}')
    return value


def days_of(fields: Mapping[str, Any]) -> int:
    """The date of calendar, week, ordinal or quarter fields.  Raises InvalidDatetimeValue."""
    if "year" not in fields:
        raise InvalidDatetimeValue('field "year" is missing')
    year = _whole(fields, "year", 0, -4713, 5_874_897)
    first = calendar.days_from_civil(year, 1, 1)
    if "week" in fields:
        return _week_date(fields, year)
    if "ordinalday" in fields:
        return first + _whole(fields, "ordinalday", 1, 1, 365 + calendar.is_leap_year(year)) - 1
    if "quarter" in fields:
        month = 3 * _whole(fields, "quarter", 1, 1, 4) - 2
        length = sum(calendar.days_in_month(year, month + number) for number in range(3))
        start = calendar.days_from_civil(year, month, 1)
        return start + _whole(fields, "dayofquarter", 1, 1, length) - 1
    month = _whole(fields, "month", 1, 1, 12)
    day = _whole(fields, "day", 1, 1, calendar.days_in_month(year, month))
    return calendar.days_from_civil(year, month, day)


def _week_date(fields: Mapping[str, Any], year: int) -> int:
    """ISO 8601: week 1 has January 4 in it, and weeks begin on Monday."""
    fourth = calendar.days_from_civil(year, 1, 4)
    monday = fourth - (calendar.day_of_week(fourth) + 6) % 7
    week = _whole(fields, "week", 1, 1, 53)
    found = monday + 7 * (week - 1)
    if calendar.iso_week(found) != (year, week):
        raise InvalidDatetimeValue(f"there is no week {week} in {year}")
    return found + _whole(fields, "dayofweek", 1, 1, 7) - 1


def _clock(fields: Mapping[str, Any]) -> int:
    """Microseconds since midnight."""
    hour, minute = _whole(fields, "hour", 0, 0, 23), _whole(fields, "minute", 0, 0, 59)
    second = _whole(fields, "second", 0, 0, 59)
    fraction = _whole(fields, "millisecond", 0, 0, 999) * 1000 + _whole(fields, "microsecond", 0, 0, 999_999)
    fraction += _whole(fields, "nanosecond", 0, 0, 999_999_999) // 1000
    if fraction > 999_999:
        raise InvalidDatetimeValue("the fraction of a second must be below 1")
    return ((hour * 60 + minute) * 60 + second) * 1_000_000 + fraction


def _zone(context: FunctionContext, fields: Mapping[str, Any]) -> Any:
    name = fields.get("timezone")
    if name is None:
        return context.time_zone
    if not isinstance(name, str):
        raise InvalidDatetimeValue('field "timezone" must be a string')
    offset = _OFFSET.fullmatch(name)
    if offset is None:
        return zone_of_argument(name)
    sign, hours, minutes, seconds = offset.groups()
    offset_s = (
        int(hours) * 3600 + int(minutes or 0) * 60 + int(seconds or 0)
    )  # east of Greenwich, as ISO 8601 has it
    return fixed_zone(-offset_s if sign == "-" else offset_s, name)


# --- constructors -------------------------------------------------------------------------------------------


def _date_of_record(record: GraphRecord) -> int:
    return days_of(_fields(record, _DATE_FIELDS, InvalidDatetimeField))


def _time_of_record(record: GraphRecord) -> int:
    return _clock(_fields(record, _TIME_FIELDS, InvalidDatetimeField))


def _zoned_time_of_record(context: FunctionContext, record: GraphRecord) -> bytes:
    fields = _fields(record, _TIME_FIELDS | {"timezone"}, InvalidDatetimeField)
    zone = _zone(context, fields)
    return pack_timetz(_clock(fields), -offset_at(zone, context.transaction_timestamp))


def _local_of_fields(fields: Mapping[str, Any]) -> int:
    return date_to_timestamp(days_of(fields)) + _clock(fields)


def _datetime_of_record(record: GraphRecord) -> int:
    return _local_of_fields(_fields(record, _DATE_FIELDS | _TIME_FIELDS, InvalidDatetimeField))


def _zoned_datetime_of_record(context: FunctionContext, record: GraphRecord) -> int:
    fields = _fields(record, _DATE_FIELDS | _TIME_FIELDS | {"timezone"}, InvalidDatetimeField)
    return to_instant(_zone(context, fields), _local_of_fields(fields))


def _duration_of_record(record: GraphRecord) -> bytes:
    fields = _fields(record, _DURATION_FIELDS, InvalidDurationField)
    for name, value in fields.items():
        if isinstance(value, bool) or not isinstance(value, (int, float, Decimal)):
            raise InvalidDatetimeValue(f'field "{name}" must be a number')
    return duration_of(fields)


def read_text(type_oid: int, text: str, io: IoContext) -> Any:
    """A date, time or duration from text: ISO 8601 in all forms, else what the type's input function reads."""
    from skerry_engine.values.io import text_decoder

    if type_oid == oids.INTERVAL:
        found = read_duration(text)
        if found is not None:
            return found
    return text_decoder(SqlType(type_oid), io)(extended(type_oid, text))


def _cast_to(target: int) -> Factory:
    """date(x) of anything that CAST makes a date of."""

    def make(arg_types: tuple[int, ...], _return_type: int) -> Implementation:
        from skerry_engine.functions.dynamic import cast_between

        if arg_types[0] in oids.STRINGS:
            return lambda context, text: read_text(target, text, context.io)
        if arg_types[0] != target and find_coercion(arg_types[0], target, "e") is None:
            raise InvalidValueType(
                f"cannot make {graph_type_name(target)} of {graph_type_name(arg_types[0])}"
            )
        return cast_between(arg_types[0], target)

    return make


for _name, _oid in (
    ("date", oids.DATE),
    ("local_time", oids.TIME),
    ("zoned_time", oids.TIMETZ),
    ("local_datetime", oids.TIMESTAMP),
    ("zoned_datetime", oids.TIMESTAMPTZ),
    ("duration", oids.INTERVAL),
):
    define(f"skerry_{_name}_of", factory=_cast_to(_oid), needs_context=True)
define("skerry_date_of_record", _date_of_record)
define("skerry_local_time_of_record", _time_of_record)
define("skerry_zoned_time_of_record", _zoned_time_of_record, needs_context=True)
define("skerry_local_datetime_of_record", _datetime_of_record)
define("skerry_zoned_datetime_of_record", _zoned_datetime_of_record, needs_context=True)
define("skerry_duration_of_record", _duration_of_record)


def _zoned_text(context: FunctionContext, instant: int) -> str:
    if not calendar.is_finite_timestamp(instant):
        return local_text(instant)
    east_s = offset_at(context.time_zone, instant)
    return local_text(instant + east_s * 1_000_000) + offset_text(east_s)


define("skerry_duration_text", duration_text)
define("skerry_local_text", local_text)
define("skerry_zoned_text", _zoned_text, needs_context=True)
define("skerry_zoned_time_text", zoned_time_text)


# --- the clock ----------------------------------------------------------------------------------------------


def _local_now(context: FunctionContext) -> int:
    now = context.transaction_timestamp
    return now + offset_at(context.time_zone, now) * 1_000_000


def _zoned_time_now(context: FunctionContext) -> bytes:
    offset_s = offset_at(context.time_zone, context.transaction_timestamp)
    return pack_timetz(_local_now(context) % _DAY_US, -offset_s)


define("skerry_current_date", lambda context: _local_now(context) // _DAY_US, needs_context=True)
define("skerry_current_time", _zoned_time_now, needs_context=True)
define("skerry_current_timestamp", lambda context: context.transaction_timestamp, needs_context=True)
define("skerry_local_time", lambda context: _local_now(context) % _DAY_US, needs_context=True)
define("skerry_local_timestamp", _local_now, needs_context=True)


# --- arithmetic ---------------------------------------------------------------------------------------------


def _date_plus(days: int, duration: bytes) -> int:
    """A date stays a date: what the duration has beyond whole days is cut off."""
    months, more_days, microseconds = interval.unpack(duration)
    whole = microseconds // _DAY_US if microseconds >= 0 else -(-microseconds // _DAY_US)
    moved = packed(months, more_days + whole, 0)
    return timestamp_to_date(timestamp_plus(date_to_timestamp(days), moved))


def _negative(duration: bytes) -> bytes:
    months, days, microseconds = interval.unpack(duration)
    return packed(-months, -days, -microseconds)


def _days_and_time(microseconds: int) -> bytes:
    """A span as whole days and the rest, both with its sign."""
    days, rest = divmod(abs(microseconds), _DAY_US)
    sign = -1 if microseconds < 0 else 1
    return packed(0, sign * days, sign * rest)


def _months_between(first: int, second: int) -> bytes:
    """Whole years and months from one local moment to another."""
    if first > second:
        months = interval.unpack(_months_between(second, first))[0]
        return packed(-months, 0, 0)
    year, month, _ = calendar.civil_from_days(first // _DAY_US)
    later_year, later_month, _ = calendar.civil_from_days(second // _DAY_US)
    months = (later_year - year) * 12 + later_month - month
    if timestamp_plus(first, interval.pack(months, 0, 0)) > second:
        months -= 1
    return packed(months, 0, 0)


def _is_year_to_month(qualifier: str) -> bool:
    folded = " ".join(qualifier.lower().split())
    if folded not in ("year to month", "day to second"):
        raise InvalidDatetimeValue(f'durations are "year to month" or "day to second", not "{qualifier}"')
    return folded == "year to month"


def _between_dates(first: int, second: int, qualifier: str = "day to second") -> bytes:
    if _is_year_to_month(qualifier):
        return _months_between(date_to_timestamp(first), date_to_timestamp(second))
    return packed(0, second - first, 0)


def _between_moments(first: int, second: int, qualifier: str = "day to second") -> bytes:
    if _is_year_to_month(qualifier):
        return _months_between(first, second)
    return _days_and_time(second - first)


def _between_times(first: int, second: int, qualifier: str = "day to second") -> bytes:
    return packed(0, 0, 0 if _is_year_to_month(qualifier) else second - first)


def _between_zoned_times(first: bytes, second: bytes, qualifier: str = "day to second") -> bytes:
    instants = [time + west_s * 1_000_000 for time, west_s in (unpack_timetz(first), unpack_timetz(second))]
    return _between_times(instants[0], instants[1], qualifier)


def _absolute(duration: bytes) -> bytes:
    months, days, microseconds = interval.unpack(duration)
    return packed(abs(months), abs(days), abs(microseconds))


define("skerry_date_plus", _date_plus)
define("skerry_plus_date", lambda duration, days: _date_plus(days, duration))
define("skerry_date_minus", lambda days, duration: _date_plus(days, _negative(duration)))
define("skerry_between_dates", _between_dates)
define("skerry_between_moments", _between_moments)
define("skerry_between_times", _between_times)
define("skerry_between_zoned_times", _between_zoned_times)
define("skerry_abs_duration", _absolute)
