"""generate_series: a range for integers, a lazy iterator for the rest,
so that a huge series costs nothing until it is read."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from skerry_engine.abc import FunctionContext
from skerry_engine.errors import InvalidParameterValue
from skerry_engine.functions.dates import instant_plus, timestamp_plus
from skerry_engine.functions.intervals import interval_value
from skerry_engine.functions.registry import define
from skerry_engine.values.calendar import is_finite_timestamp
from skerry_engine.values.numeric import EXACT


def _no_zero_step() -> InvalidParameterValue:
    return InvalidParameterValue("step size cannot equal zero")


def _integers(start: int, stop: int, step: int = 1) -> range:
    if step == 0:
        raise _no_zero_step()
    return range(start, stop + (1 if step > 0 else -1), step)


def _numerics(start: Decimal, stop: Decimal, step: Decimal = Decimal(1)) -> Iterator[Decimal]:
    for name, value in (("start", start), ("stop", stop), ("step", step)):
        if not value.is_finite():
            what = "NaN" if value.is_nan() else "infinity"
            subject = "step size" if name == "step" else f"{name} value"
            raise InvalidParameterValue(f"{subject} cannot be {what}")
    if not step:
        raise _no_zero_step()
    return _count_numerics(start, stop, step)


def _count_numerics(current: Decimal, stop: Decimal, step: Decimal) -> Iterator[Decimal]:
    while (current <= stop) if step > 0 else (current >= stop):
        yield current
        current = EXACT.add(current, step)


def _check_moments(start: int, stop: int, step: bytes) -> int:
    """The step's direction: its value.  Raises InvalidParameterValue."""
    direction = interval_value(step)
    if direction == 0:
        raise _no_zero_step()
    if not is_finite_timestamp(start):
        raise InvalidParameterValue("start value cannot be infinity")
    return direction


def _timestamps(start: int, stop: int, step: bytes) -> Iterator[int]:
    direction = _check_moments(start, stop, step)
    return _count_timestamps(start, stop, step, direction)


def _count_timestamps(current: int, stop: int, step: bytes, direction: int) -> Iterator[int]:
    while (current <= stop) if direction > 0 else (current >= stop):
        yield current
        current = timestamp_plus(current, step)


def _instants(context: FunctionContext, start: int, stop: int, step: bytes) -> Iterator[int]:
    direction = _check_moments(start, stop, step)
    return _count_instants(context, start, stop, step, direction)


def _count_instants(
    context: FunctionContext, current: int, stop: int, step: bytes, direction: int
) -> Iterator[int]:
    zone = context.time_zone
    while (current <= stop) if direction > 0 else (current >= stop):
        yield current
        current = instant_plus(zone, current, step)


for _width in ("int4", "int8"):
    define(f"generate_series_{_width}", _integers)
    define(f"generate_series_step_{_width}", _integers)
define("generate_series_numeric", _numerics)
define("generate_series_step_numeric", _numerics)
define("generate_series_timestamp", _timestamps)
define("generate_series_timestamptz", _instants, needs_context=True)
