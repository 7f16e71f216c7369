"""Statistical aggregates: variance and standard deviation, correlation and regression, percentiles and mode.

Over numeric and integers the sums are exact and one division (and root) at the end rounds, as in PostgreSQL;
over floats the sums of squares are updated by the method of Youngs and Cramer, which is PostgreSQL's too,
so that last digits agree.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

from skerry_engine.errors import NumericValueOutOfRange
from skerry_engine.functions.intervals import interval_difference, interval_product, interval_sum
from skerry_engine.functions.namespace import helper
from skerry_engine.functions.numerics import quotient_at, quotient_scale, root_at
from skerry_engine.functions.ordering import sort_key_of
from skerry_engine.functions.registry import Implementation, define_aggregate
from skerry_engine.values import oids
from skerry_engine.values.numeric import EXACT, NAN, ZERO

# --- variance of exact numbers ------------------------------------------------------------------------------


@helper
def exact_variance(
    count: int, total: Decimal | int, squares: Decimal | int, sample: bool, root: bool
) -> Decimal | None:
    """Variance, or its root, of `count` numbers with this sum and sum of squares;
    NULL for too few of them."""
    if count < (2 if sample else 1):
        return None
    total, squares = Decimal(total), Decimal(squares)
    if not (total.is_finite() and squares.is_finite()):
        return NAN
    spread = EXACT.subtract(EXACT.multiply(squares, Decimal(count)), EXACT.multiply(total, total))
    if spread <= ZERO:
        return ZERO
    divisor = Decimal(count * (count - 1 if sample else count))
    scale = quotient_scale(spread, divisor)
    result = quotient_at(spread, divisor, scale)
    return root_at(result, scale) if root else result


_FORMS = (
    ("variance", True, False),
    ("var_samp", True, False),
    ("var_pop", False, False),
    ("stddev", True, True),
    ("stddev_samp", True, True),
    ("stddev_pop", False, True),
)

for _name, _sample, _root in _FORMS:
    for _type in (oids.INT2, oids.INT4, oids.INT8):
        define_aggregate(
            f"{_name} {_type}",
            initial=("0", "0", "0"),
            step="{s0} += 1\n{s1} += {0}\n{s2} += {0} * {0}",
            final=f"exact_variance({{s0}}, {{s1}}, {{s2}}, {_sample}, {_root})",
        )
    define_aggregate(
        f"{_name} {oids.NUMERIC}",
        initial=("0", "ZERO", "ZERO"),
        step="{s0} += 1\n{s1} = numeric_sum({s1}, {0})\n{s2} = numeric_sum({s2}, numeric_product({0}, {0}))",
        final=f"exact_variance({{s0}}, {{s1}}, {{s2}}, {_sample}, {_root})",
    )


# --- variance of floats -------------------------------------------------------------------------------------


@helper
def spread_update(count: int, value: float, total: float, spread: float) -> float:
    """The sum of squared deviations after `value`, the `count`th one, has gone into `total`."""
    if count == 1:
        return math.nan if math.isinf(value) or math.isnan(value) else 0.0
    deviation = value * count - total
    spread += deviation * deviation / (count * (count - 1))
    if math.isinf(total) or math.isinf(spread):
        return math.nan
    return spread


@helper
def float_variance(count: int, spread: float, sample: bool, root: bool) -> float | None:
    """Variance, or its root, from a sum of squared deviations; NULL for too few values."""
    if count < (2 if sample else 1):
        return None
    variance = spread / (count - 1 if sample else count)
    return math.sqrt(variance) if root else variance


for _name, _sample, _root in _FORMS:
    for _type in (oids.FLOAT4, oids.FLOAT8):
        define_aggregate(
            f"{_name} {_type}",
            initial=("0", "0.0", "0.0"),
            step="{s0} += 1\n{s1} += {0}\n{s2} = spread_update({s0}, {0}, {s1}, {s2})",
            final=f"float_variance({{s0}}, {{s2}}, {_sample}, {_root})",
        )


# --- pairs (Y, X) -------------------------------------------------------------------------------------------


class PairSums:
    """What regression needs to know of pairs (y, x): counts, sums,
    sums of squared deviations and of products."""

    __slots__ = ("count", "sum_x", "sum_xx", "sum_xy", "sum_y", "sum_yy")

    def __init__(self) -> None:
        self.count = 0
        self.sum_x = 0.0
        self.sum_xx = 0.0
        self.sum_y = 0.0
        self.sum_yy = 0.0
        self.sum_xy = 0.0

    def add(self, y: float, x: float) -> None:
        """Take in one pair."""
        self.count += 1
        self.sum_x += x
        self.sum_y += y
        if self.count == 1:
            if not (math.isfinite(x) and math.isfinite(y)):
                self.sum_xx = self.sum_yy = self.sum_xy = math.nan
            return
        x_deviation = x * self.count - self.sum_x
        y_deviation = y * self.count - self.sum_y
        scale = 1.0 / (self.count * (self.count - 1))
        self.sum_xx += x_deviation * x_deviation * scale
        self.sum_yy += y_deviation * y_deviation * scale
        self.sum_xy += x_deviation * y_deviation * scale


def _slope(sums: PairSums) -> float | None:
    return None if sums.sum_xx == 0.0 else sums.sum_xy / sums.sum_xx


def _intercept(sums: PairSums) -> float | None:
    if sums.sum_xx == 0.0:
        return None
    return (sums.sum_y - sums.sum_x * sums.sum_xy / sums.sum_xx) / sums.count


def _correlation(sums: PairSums) -> float | None:
    if sums.sum_xx == 0.0 or sums.sum_yy == 0.0:
        return None
    return sums.sum_xy / math.sqrt(sums.sum_xx * sums.sum_yy)


def _determination(sums: PairSums) -> float | None:
    if sums.sum_xx == 0.0:
        return None
    if sums.sum_yy == 0.0:
        return 1.0
    return (sums.sum_xy * sums.sum_xy) / (sums.sum_xx * sums.sum_yy)


_PAIR_RESULTS: dict[str, tuple[int, Callable[[PairSums], float | int | None]]] = {
    "corr": (1, _correlation),
    "covar_pop": (1, lambda sums: sums.sum_xy / sums.count),
    "covar_samp": (2, lambda sums: sums.sum_xy / (sums.count - 1)),
    "regr_avgx": (1, lambda sums: sums.sum_x / sums.count),
    "regr_avgy": (1, lambda sums: sums.sum_y / sums.count),
    "regr_count": (0, lambda sums: sums.count),
    "regr_intercept": (1, _intercept),
    "regr_r2": (1, _determination),
    "regr_slope": (1, _slope),
    "regr_sxx": (1, lambda sums: sums.sum_xx),
    "regr_sxy": (1, lambda sums: sums.sum_xy),
    "regr_syy": (1, lambda sums: sums.sum_yy),
}


def _pair_finish(least: int, result: Callable[[PairSums], float | int | None]) -> Implementation:
    def finish(inputs: list[tuple[float, float]]) -> float | int | None:
        sums = PairSums()
        for y, x in inputs:
            sums.add(y, x)
        return None if sums.count < least else result(sums)

    return finish


for _name, (_least, _result) in _PAIR_RESULTS.items():
    define_aggregate(f"{_name} {oids.FLOAT8} {oids.FLOAT8}", finish=_pair_finish(_least, _result))


# --- percentiles and mode -----------------------------------------------------------------------------------


def _checked(fraction: float) -> float:
    if not 0.0 <= fraction <= 1.0:
        raise NumericValueOutOfRange(f"percentile value {fraction:g} is not between 0 and 1")
    return fraction


def discrete_percentile(fraction: float, inputs: Sequence[Any]) -> object:
    """The first of the sorted inputs that has at least that fraction of them up to itself."""
    return inputs[max(math.ceil(_checked(fraction) * len(inputs)), 1) - 1]


def _between_floats(low: float, high: float, part: float) -> float:
    return low + part * (high - low)


def _between_intervals(low: bytes, high: bytes, part: float) -> bytes:
    return interval_sum(interval_product(interval_difference(high, low), part), low)


def _continuous(interpolate: Callable[[Any, Any, float], object]) -> Callable[[float, Sequence[Any]], object]:
    def percentile(fraction: float, inputs: Sequence[Any]) -> object:
        place = _checked(fraction) * (len(inputs) - 1)
        first, second = math.floor(place), math.ceil(place)
        if first == second:
            return inputs[first]
        return interpolate(inputs[first], inputs[second], place - first)

    return percentile


def _for_one(percentile: Callable[[float, Sequence[Any]], object]) -> Implementation:
    def finish(direct: tuple[float | None], inputs: Sequence[Any]) -> object:
        fraction = direct[0]
        if fraction is None:
            return None
        _checked(fraction)
        return percentile(fraction, inputs) if inputs else None

    return finish


def _for_many(percentile: Callable[[float, Sequence[Any]], object]) -> Implementation:
    def finish(direct: tuple[tuple[Any, ...] | None], inputs: Sequence[Any]) -> object:
        fractions = direct[0]
        if fractions is None or not inputs:
            return None

        def of(fraction: Any) -> object:
            if isinstance(fraction, tuple):
                return tuple([of(item) for item in fraction])
            return None if fraction is None else percentile(fraction, inputs)

        return of(fractions)

    return finish


def _mode(arg_types: tuple[int, ...], _return_type: int) -> Implementation:
    key = sort_key_of(arg_types[-1])

    def finish(_direct: tuple[object, ...], inputs: Sequence[Any]) -> object:
        best: object = None
        best_count = count = 0
        previous: object = None
        for value in inputs:
            current = value if key is None else key(value)
            count = count + 1 if count and current == previous else 1
            previous = current
            if count > best_count:
                best, best_count = value, count
        return best

    return finish


def continuous_percentile(type_oid: int) -> Callable[[float, Sequence[Any]], object]:
    """(fraction, sorted inputs) -> the value at that fraction of the way through them, between two if need be."""
    return _continuous(_between_floats if type_oid == oids.FLOAT8 else _between_intervals)


for _type in (oids.FLOAT8, oids.INTERVAL):
    _percentile = continuous_percentile(_type)
    define_aggregate(f"percentile_cont {oids.FLOAT8} {_type}", finish=_for_one(_percentile))
    define_aggregate(f"percentile_cont {oids.FLOAT8_ARRAY} {_type}", finish=_for_many(_percentile))
define_aggregate(f"percentile_disc {oids.FLOAT8} {oids.ANYELEMENT}", finish=_for_one(discrete_percentile))
define_aggregate(
    f"percentile_disc {oids.FLOAT8_ARRAY} {oids.ANYELEMENT}", finish=_for_many(discrete_percentile)
)
define_aggregate(f"mode {oids.ANYELEMENT}", factory=_mode)
