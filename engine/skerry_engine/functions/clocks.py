"""Functions of time and timetz.

A timetz is bytes, struct '>qi': microseconds since midnight and the zone in seconds west of Greenwich.  It
compares by its UTC time first, then by the zone.
"""

from __future__ import annotations

import struct

from skerry_engine.abc import FunctionContext
from skerry_engine.functions.comparisons import define_comparisons, define_extremes, define_three_way
from skerry_engine.functions.dates import interval_offset_us, overlaps, to_local
from skerry_engine.functions.intervals import USECS_PER_SECOND, pack_interval, unpack
from skerry_engine.functions.namespace import helper
from skerry_engine.functions.registry import define
from skerry_engine.values.calendar import MICROSECONDS_PER_DAY, is_finite_timestamp
from skerry_engine.values.datetimes import round_microseconds, round_timetz
from skerry_engine.values.timezones import offset_at, zone_of_argument

_LAYOUT = struct.Struct(">qi")


@helper
def timetz_key(value: bytes) -> tuple[int, int]:
    """What timetz values are compared by."""
    microseconds, west = _LAYOUT.unpack(value)
    return microseconds + west * USECS_PER_SECOND, west


define_comparisons("time_")
define_extremes("time_larger", "time_smaller")
define_three_way("time_cmp")
define_comparisons("timetz_", key="timetz_key({})")
define_extremes("timetz_larger", "timetz_smaller", key="timetz_key({})")
define_three_way("timetz_cmp", key="timetz_key({})")


# --- arithmetic ---------------------------------------------------------------------------------------------


def _time_plus(time: int, interval: bytes, sign: int = 1) -> int:
    microseconds: int = unpack(interval)[2]
    return (time + sign * microseconds) % MICROSECONDS_PER_DAY


def _timetz_plus(value: bytes, interval: bytes, sign: int = 1) -> bytes:
    microseconds, west = _LAYOUT.unpack(value)
    return _LAYOUT.pack(_time_plus(microseconds, interval, sign), west)


define("time_pl_interval", _time_plus)
define("interval_pl_time_interval_time", lambda interval, time: _time_plus(time, interval))
define("time_mi_interval", lambda time, interval: _time_plus(time, interval, -1))
define("time_mi_time", lambda first, second: pack_interval(0, 0, first - second))
define("timetz_pl_interval", _timetz_plus)
define("interval_pl_timetz_interval_timetz", lambda interval, value: _timetz_plus(value, interval))
define("timetz_mi_interval", lambda value, interval: _timetz_plus(value, interval, -1))


# --- conversion ---------------------------------------------------------------------------------------------


def _with_session_zone(context: FunctionContext, time: int) -> bytes:
    return _LAYOUT.pack(time, -offset_at(context.time_zone, context.transaction_timestamp))


def _of_instant(context: FunctionContext, instant: int) -> bytes | None:
    if not is_finite_timestamp(instant):
        return None
    local = to_local(context.time_zone, instant)
    return _LAYOUT.pack(local % MICROSECONDS_PER_DAY, -offset_at(context.time_zone, instant))


def _in_zone(value: bytes, west: int) -> bytes:
    microseconds, old_west = _LAYOUT.unpack(value)
    moved = (microseconds + (old_west - west) * USECS_PER_SECOND) % MICROSECONDS_PER_DAY
    return _LAYOUT.pack(moved, west)


def _at_zone(context: FunctionContext, zone: str, value: bytes) -> bytes:
    return _in_zone(value, -offset_at(zone_of_argument(zone), context.transaction_timestamp))


define("time_scale", lambda value, typmod: round_microseconds(value, typmod) if typmod >= 0 else value)
define("timetz_scale", lambda value, typmod: round_timetz(value, typmod) if typmod >= 0 else value)
define("time_interval", lambda time: pack_interval(0, 0, time))
define("interval_time", lambda interval: unpack(interval)[2] % MICROSECONDS_PER_DAY)
define("timetz_time", lambda value: _LAYOUT.unpack(value)[0])
define("time_timetz", _with_session_zone, needs_context=True)
define("timestamptz_timetz", _of_instant, needs_context=True)
define("timetz_zone", _at_zone, needs_context=True)
define(
    "timetz_izone", lambda interval, value: _in_zone(value, -interval_offset_us(interval) // USECS_PER_SECOND)
)


# --- OVERLAPS -----------------------------------------------------------------------------------------------


def _end(start: int | None, interval: bytes | None) -> int | None:
    return None if start is None or interval is None else _time_plus(start, interval)


def _timetz_overlaps(*ends: bytes | None) -> bool | None:
    """Moments of timetz as plain numbers; equal ones may differ in zone, which no period notices."""
    return overlaps(*[None if end is None else timetz_key(end)[0] for end in ends])


define("overlaps_time", overlaps)
define("overlaps_time_time_time_interval", lambda s, e, t, i: overlaps(s, e, t, _end(t, i)))
define("overlaps_time_interval_time_time", lambda s, i, t, e: overlaps(s, _end(s, i), t, e))
define("overlaps_time_interval_time_interval", lambda s, i, t, j: overlaps(s, _end(s, i), t, _end(t, j)))
define("overlaps_timetz", _timetz_overlaps)
