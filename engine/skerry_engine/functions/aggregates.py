"""The usual aggregates: count, sum, avg, min, max, booleans, bits, strings and arrays.

Inline forms (see AggregateFunction): a slot holds None until the first input, where the result for no rows is
NULL.  Sums of integers are exact Python integers until the end, so no overflow can happen on the way.
"""

from __future__ import annotations

import math
from decimal import Decimal

from skerry_engine.errors import NumericValueOutOfRange
from skerry_engine.functions.arrays import array_of_arrays
from skerry_engine.functions.floats import COMPARISONS as FLOAT_COMPARISONS
from skerry_engine.functions.namespace import helper
from skerry_engine.functions.numerics import numeric_quotient
from skerry_engine.functions.polymorphism import element_type
from skerry_engine.functions.registry import AggregateFactory, Implementation, define_aggregate
from skerry_engine.values import oids

# --- count, sum, avg ----------------------------------------------------------------------------------------

define_aggregate("count", strict=False, initial=("0",), step="{s0} += 1", final="{s0}")
define_aggregate("count 2276", initial=("0",), step="{s0} += 1", final="{s0}")


@helper
def checked_bigint(value: int) -> int:
    """A sum that must fit int8."""
    if not -(2**63) <= value < 2**63:
        raise NumericValueOutOfRange("bigint out of range")
    return value


@helper
def integer_average(total: int, count: int) -> Decimal:
    """The average of integers, as numeric."""
    return numeric_quotient(Decimal(total), Decimal(count))


@helper
def float_total(total: float, saw_infinity: bool) -> float:
    """A sum of floats.  Raises NumericValueOutOfRange when finite inputs overflowed."""
    if math.isinf(total) and not saw_infinity:
        raise NumericValueOutOfRange("value out of range: overflow")
    return total


_ADD = "{s0} = {0} if {s0} is None else {s0} + {0}"
_COUNTED_SUM = "{s0} += {0}\n{s1} += 1"
_FLOAT_SUM = "{s0} += {0}\n{s1} += 1\nif {0} - {0} != 0.0: {s2} = True"
_NUMERIC_SUM = "{s0} = numeric_sum({s0}, {0})\n{s1} += 1"

for _type in (oids.INT2, oids.INT4):
    define_aggregate(
        f"sum {_type}", initial=("None",), step=_ADD, final="None if {s0} is None else checked_bigint({s0})"
    )
define_aggregate(
    f"sum {oids.INT8}", initial=("None",), step=_ADD, final="None if {s0} is None else Decimal({s0})"
)
for _type in (oids.INT2, oids.INT4, oids.INT8):
    define_aggregate(
        f"avg {_type}",
        initial=("0", "0"),
        step=_COUNTED_SUM,
        final="integer_average({s0}, {s1}) if {s1} else None",
    )
define_aggregate(
    f"sum {oids.NUMERIC}", initial=("ZERO", "0"), step=_NUMERIC_SUM, final="{s0} if {s1} else None"
)
define_aggregate(
    f"avg {oids.NUMERIC}",
    initial=("ZERO", "0"),
    step=_NUMERIC_SUM,
    final="numeric_quotient({s0}, Decimal({s1})) if {s1} else None",
)
define_aggregate(
    f"sum {oids.FLOAT8}",
    initial=("0.0", "0", "False"),
    step=_FLOAT_SUM,
    final="float_total({s0}, {s2}) if {s1} else None",
)
define_aggregate(
    f"sum {oids.FLOAT4}",
    initial=("0.0", "0", "False"),
    step="{s0} = single({s0} + {0}) if {0} - {0} == 0.0 else {s0} + {0}\n{s1} += 1\nif {0} - {0} != 0.0: {s2} = True",
    final="float_total({s0}, {s2}) if {s1} else None",
)
for _type in (oids.FLOAT4, oids.FLOAT8):
    define_aggregate(
        f"avg {_type}",
        initial=("0.0", "0", "False"),
        step=_FLOAT_SUM,
        final="float_total({s0}, {s2}) / {s1} if {s1} else None",
    )
for _name in ("sum", "avg"):
    define_aggregate(
        f"{_name} {oids.INTERVAL}",
        initial=("None", "0"),
        step="{s0} = {0} if {s0} is None else interval_sum({s0}, {0})\n{s1} += 1",
        final="{s0}" if _name == "sum" else "None if {s0} is None else interval_quotient({s0}, float({s1}))",
    )


# --- min, max -----------------------------------------------------------------------------------------------


def _define_extreme(type_oid: int, greater: str, less: str) -> None:
    """min and max over one type; `greater` and `less` compare {0} with the slot {1}."""
    for name, wins in (("max", greater), ("min", less)):
        condition = wins.replace("{1}", "{s0}")
        define_aggregate(
            f"{name} {type_oid}",
            initial=("None",),
            step=f"if {{s0}} is None or ({condition}): {{s0}} = {{0}}",
            final="{s0}",
        )


_PLAIN_ORDER = (
    *(oids.INT2, oids.INT4, oids.INT8, oids.OID, oids.TEXT, oids.BPCHAR, oids.DATE, oids.TIME),
    *(oids.TIMESTAMP, oids.TIMESTAMPTZ, oids.PG_LSN, oids.XID8, oids.ANYENUM),
    *(oids.INET, oids.MONEY),
)
for _type in _PLAIN_ORDER:
    _define_extreme(_type, "{0} > {1}", "{0} < {1}")
for _type in (oids.FLOAT4, oids.FLOAT8):
    _define_extreme(_type, FLOAT_COMPARISONS["gt"], FLOAT_COMPARISONS["lt"])
_define_extreme(oids.NUMERIC, "numeric_less({1}, {0})", "numeric_less({0}, {1})")
_define_extreme(oids.TIMETZ, "timetz_key({0}) > timetz_key({1})", "timetz_key({0}) < timetz_key({1})")
_define_extreme(
    oids.INTERVAL, "interval_value({0}) > interval_value({1})", "interval_value({0}) < interval_value({1})"
)


def _array_extreme(greatest: bool) -> AggregateFactory:
    def make(arg_types: tuple[int, ...], _return_type: int) -> Implementation:
        from skerry_engine.functions.arrays import array_sort_key

        key = array_sort_key(arg_types[0])

        def finish(inputs: list[object]) -> object:
            if not inputs:
                return None
            return max(inputs, key=key) if greatest else min(inputs, key=key)

        return finish

    return make


define_aggregate(f"max {oids.ANYARRAY}", factory=_array_extreme(True))
define_aggregate(f"min {oids.ANYARRAY}", factory=_array_extreme(False))


# --- booleans and bits --------------------------------------------------------------------------------------

for _name, _symbol in (("bool_and", "and"), ("every", "and"), ("bool_or", "or")):
    define_aggregate(
        f"{_name} {oids.BOOL}",
        initial=("None",),
        step=f"{{s0}} = {{0}} if {{s0}} is None else {{s0}} {_symbol} {{0}}",
        final="{s0}",
    )
for _name, _symbol in (("bit_and", "&"), ("bit_or", "|"), ("bit_xor", "^")):
    for _type in (oids.INT2, oids.INT4, oids.INT8):
        define_aggregate(
            f"{_name} {_type}",
            initial=("None",),
            step=f"{{s0}} = {{0}} if {{s0}} is None else {{s0}} {_symbol} {{0}}",
            final="{s0}",
        )


# --- strings and arrays -------------------------------------------------------------------------------------


def _joined(inputs: list[tuple[object, object]], empty: str | bytes) -> object:
    """string_agg: NULL values are skipped, a delimiter stands before each value but the first,
    NULL ones as nothing."""
    parts: list[object] = []
    for value, delimiter in inputs:
        if value is None:
            continue
        if parts:
            parts.append(empty if delimiter is None else delimiter)
        parts.append(value)
    return empty.join(parts) if parts else None  # type: ignore[arg-type]


define_aggregate(
    f"string_agg {oids.TEXT} {oids.TEXT}", strict=False, finish=lambda inputs: _joined(inputs, "")
)
define_aggregate(
    f"string_agg {oids.BYTEA} {oids.BYTEA}", strict=False, finish=lambda inputs: _joined(inputs, b"")
)


def _array_collector(arg_types: tuple[int, ...], _return_type: int) -> Implementation:
    if element_type(arg_types[0]):
        return lambda inputs: array_of_arrays(inputs) if inputs else None
    return lambda inputs: tuple(inputs) if inputs else None


define_aggregate(f"array_agg {oids.ANYNONARRAY}", strict=False, factory=_array_collector)
define_aggregate(f"array_agg {oids.ANYARRAY}", strict=False, factory=_array_collector)
