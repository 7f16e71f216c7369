"""Aggregates that can be taken back: what a group remembers of an aggregate's inputs, and the result of that.

An input comes with a multiplicity, below 0 where rows have gone.  A memory is a tuple of atoms; `add` gives the next.
The result is what the executor's own aggregate gives for the inputs that are left, to the last digit:

    count           how many
    sum, integers   how many, and the exact total
    sum, numeric    the exact total of finite inputs, how many have which scale (the result has the largest), how
                    many are NaN, Infinity, -Infinity
    avg             as sum, divided as the executor divides
    bool_and, -or   how many are true, how many are false

NULLs are no input here.  min and max need order, and DISTINCT needs to know what is there already: `operators.Group`
keeps their inputs, counted, in its state.

What is not here: sums of floats, which depend on the order of inputs, so that no memory could give what the executor
gives; aggregates that gather their inputs (array_agg, string_agg).
"""

from __future__ import annotations

from decimal import ROUND_DOWN, Decimal
from typing import Any, Protocol, cast

from skerry_engine.algebra import expressions as ex
from skerry_engine.functions.aggregates import checked_bigint, integer_average
from skerry_engine.functions.numerics import QUIET, numeric_quotient
from skerry_engine.storage.heap import Row
from skerry_engine.values import oids
from skerry_engine.values.numeric import EXACT, INFINITY, NAN, NEGATIVE_INFINITY, ZERO, scale_of, unit


class Accumulator(Protocol):
    """How one aggregate is kept."""

    @property
    def empty(self) -> Row:
        """The memory of no input."""
        ...

    def add(self, memory: Row, value: Any, count: int) -> Row:
        """The memory after `count` more (or fewer) inputs of a value."""
        ...

    def result(self, memory: Row) -> object:
        """The aggregate's result.  Raises what the aggregate raises."""
        ...


class Count:
    """count: inputs that are not NULL; of rows for count(*)."""

    empty: Row = (0,)

    def add(self, memory: Row, value: Any, count: int) -> Row:
        return (cast(int, memory[0]) + count,)

    def result(self, memory: Row) -> object:
        return memory[0]


class IntegerSum:
    """sum over integers; `is_wide` over bigint, whose sums are numeric."""

    empty: Row = (0, 0)

    def __init__(self, is_wide: bool) -> None:
        self._is_wide = is_wide

    def add(self, memory: Row, value: Any, count: int) -> Row:
        return (cast(int, memory[0]) + count, cast(int, memory[1]) + value * count)

    def result(self, memory: Row) -> object:
        total = cast(int, memory[1])
        if not memory[0]:
            return None
        return Decimal(total) if self._is_wide else checked_bigint(total)


class IntegerAverage(IntegerSum):
    """avg over integers."""

    def __init__(self) -> None:
        super().__init__(True)

    def result(self, memory: Row) -> object:
        count, total = cast("tuple[int, int]", memory)
        return integer_average(total, count) if count else None


class NumericSum:
    """sum over numerics, and what avg needs: (inputs, finite total, NaNs, infinities, negative ones, scales)."""

    empty: Row = (0, ZERO, 0, 0, 0, ())

    def add(self, memory: Row, value: Any, count: int) -> Row:
        inputs, total, nans, above, below, scales = cast(
            "tuple[int, Decimal, int, int, int, tuple[int, ...]]", memory
        )
        inputs += count
        if value != value:
            nans += count
        elif not value.is_finite():
            if value > 0:
                above += count
            else:
                below += count
        else:
            total = QUIET.add(total, QUIET.multiply(value, Decimal(count)))
            scales = _counted(scales, scale_of(value), count)
        return inputs, total, nans, above, below, scales

    def result(self, memory: Row) -> object:
        return _total(memory) if memory[0] else None


class NumericAverage(NumericSum):
    """avg over numerics."""

    def result(self, memory: Row) -> object:
        count = cast(int, memory[0])
        return numeric_quotient(_total(memory), Decimal(count)) if count else None


def _counted(scales: tuple[int, ...], scale: int, count: int) -> tuple[int, ...]:
    """(scale, how many, scale, how many, ...) with `count` more of one."""
    if scales[:1] == (scale,) and len(scales) == 2 and scales[1] + count:
        return (scale, scales[1] + count)
    found = dict(zip(scales[::2], scales[1::2], strict=True))
    found[scale] = found.get(scale, 0) + count
    return tuple(each for pair in sorted(found.items()) if pair[1] for each in pair)


def _total(memory: Row) -> Decimal:
    _, total, nans, above, below, scales = cast("tuple[int, Decimal, int, int, int, tuple[int, ...]]", memory)
    if nans or (above and below):
        return NAN
    if above or below:
        return INFINITY if above else NEGATIVE_INFINITY
    return total.quantize(unit(scales[-2]), ROUND_DOWN, EXACT) if scales else ZERO


class Truth:
    """bool_and (`wants` True) and bool_or (False)."""

    empty: Row = (0, 0)

    def __init__(self, wants: bool) -> None:
        self._wants = wants

    def add(self, memory: Row, value: Any, count: int) -> Row:
        true, false = cast("tuple[int, int]", memory)
        return (true + count, false) if value else (true, false + count)

    def result(self, memory: Row) -> object:
        true, false = cast("tuple[int, int]", memory)
        if not true and not false:
            return None
        return not false if self._wants else true > 0


EXTREMES = ("min", "max")


def accumulator(aggregate: ex.Aggregate) -> Accumulator | None:
    """What keeps an aggregate; None where nothing does.  min and max are counted, and need none: `Count` stands in."""
    name, types = aggregate.function.name, tuple(arg.type.oid for arg in aggregate.args)
    if name == "count" or (name in EXTREMES and len(types) == 1):
        return Count()
    if len(types) != 1:
        return None
    (type_oid,) = types
    if name in ("sum", "avg") and type_oid in (oids.INT2, oids.INT4, oids.INT8):
        return IntegerSum(type_oid == oids.INT8) if name == "sum" else IntegerAverage()
    if name in ("sum", "avg") and type_oid == oids.NUMERIC:
        return NumericSum() if name == "sum" else NumericAverage()
    if name in ("bool_and", "every", "bool_or"):
        return Truth(name != "bool_or")
    return None
