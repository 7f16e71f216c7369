"""in_range: whether a value lies within a window frame of RANGE offset PRECEDING or FOLLOWING.

    in_range(value, base, offset, subtract, less)  =  value <= base +- offset  where `less`, else value >=
                                                                               base +- offset

The planner finds the function by the types of the ordering column and of the offset, as PostgreSQL does; a
pair of types without one can't have such a frame.  A sum that leaves its type's range counts as infinitely
large or small, not as an error.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from skerry_engine.abc import FunctionContext
from skerry_engine.errors import DatetimeFieldOverflow, InvalidPrecedingOrFollowingSize
from skerry_engine.functions.clocks import timetz_key
from skerry_engine.functions.dates import date_to_timestamp, instant_plus, negative, timestamp_plus
from skerry_engine.functions.intervals import interval_difference, interval_sum, interval_value, unpack
from skerry_engine.functions.numerics import QUIET, numeric_less_equal
from skerry_engine.functions.registry import define


def _invalid_size() -> InvalidPrecedingOrFollowingSize:
    return InvalidPrecedingOrFollowingSize("invalid preceding or following size in window function")


def _within(value: Any, bound: Any, less: bool) -> bool:
    return bool(value <= bound) if less else bool(value >= bound)


def _integers(value: int, base: int, offset: int, subtract: bool, less: bool) -> bool:
    if offset < 0:
        raise _invalid_size()
    return _within(value, base - offset if subtract else base + offset, less)


def _floats(value: float, base: float, offset: float, subtract: bool, less: bool) -> bool:
    if math.isnan(offset) or offset < 0:
        raise _invalid_size()
    if math.isnan(value) or math.isnan(base):
        return _nan_within(math.isnan(value), math.isnan(base), less)
    if math.isinf(offset) and math.isinf(base) and (base > 0) == subtract:
        return True  # infinity less infinity: everything from -infinity to infinity is as near
    return _within(value, base - offset if subtract else base + offset, less)


def _nan_within(value_is_nan: bool, base_is_nan: bool, less: bool) -> bool:
    """NaN is in range of NaN only, and after every number."""
    if value_is_nan:
        return base_is_nan or not less
    return less


def _numerics(value: Decimal, base: Decimal, offset: Decimal, subtract: bool, less: bool) -> bool:
    if offset.is_nan() or offset < 0:
        raise _invalid_size()
    if value.is_nan() or base.is_nan():
        return _nan_within(value.is_nan(), base.is_nan(), less)
    if offset.is_infinite() and base.is_infinite() and (base > 0) == subtract:
        return True
    bound = QUIET.subtract(base, offset) if subtract else QUIET.add(base, offset)
    return numeric_less_equal(value, bound) if less else numeric_less_equal(bound, value)


def _check(offset: bytes) -> None:
    if interval_value(offset) < 0:
        raise _invalid_size()


def _moved(plus: Callable[[bytes], int], offset: bytes, subtract: bool) -> float | int:
    """The moment an offset away; infinite where it leaves the calendar."""
    try:
        return plus(negative(offset) if subtract else offset)
    except DatetimeFieldOverflow:
        return -math.inf if subtract else math.inf


def _timestamps(value: int, base: int, offset: bytes, subtract: bool, less: bool) -> bool:
    _check(offset)
    return _within(value, _moved(lambda by: timestamp_plus(base, by), offset, subtract), less)


def _instants(
    context: FunctionContext, value: int, base: int, offset: bytes, subtract: bool, less: bool
) -> bool:
    _check(offset)
    zone = context.time_zone
    return _within(value, _moved(lambda by: instant_plus(zone, base, by), offset, subtract), less)


def _dates(value: int, base: int, offset: bytes, subtract: bool, less: bool) -> bool:
    return _timestamps(date_to_timestamp(value), date_to_timestamp(base), offset, subtract, less)


def _times(value: int, base: int, offset: bytes, subtract: bool, less: bool) -> bool:
    microseconds: int = unpack(offset)[2]
    if microseconds < 0:
        raise _invalid_size()
    return _within(value, base - microseconds if subtract else base + microseconds, less)


def _zoned_times(value: bytes, base: bytes, offset: bytes, subtract: bool, less: bool) -> bool:
    microseconds: int = unpack(offset)[2]
    if microseconds < 0:
        raise _invalid_size()
    moment, west = timetz_key(base)
    return _within(
        timetz_key(value), (moment - microseconds if subtract else moment + microseconds, west), less
    )


def _intervals(value: bytes, base: bytes, offset: bytes, subtract: bool, less: bool) -> bool:
    _check(offset)
    bound = interval_difference(base, offset) if subtract else interval_sum(base, offset)
    return _within(interval_value(value), interval_value(bound), less)


for _pair in (
    *("int2_int2", "int2_int4", "int2_int8", "int4_int2", "int4_int4", "int4_int8"),
    *("int8_int2", "int8_int4", "int8_int8"),
):
    define(f"in_range_{_pair}", _integers)
define("in_range_float8_float8", _floats)
define("in_range_float4_float8", _floats)
define("in_range_numeric_numeric", _numerics)
define("in_range_timestamp_interval", _timestamps)
define("in_range_timestamptz_interval", _instants, needs_context=True)
define("in_range_date_interval", _dates)
define("in_range_time_interval", _times)
define("in_range_timetz_interval", _zoned_times)
define("in_range_interval_interval", _intervals)
