"""Aggregates as GQL has them: what SQL's lack, and all of them over values whose types are known only when they come.

    sum(INT8)             an INT8 again (SQL gives numeric)
    collect_list(x)       a list without the NULLs, empty where there is nothing
    percentile_cont(x, p), percentile_disc(x, p)      with the fraction as an argument of every row
    min, max              of any type, in the order of values/dynamic_keys.py

Over ANYVALUE, an aggregate is the one of the type that all inputs have, or of the widest number type among them; a
single input of another type is an error, as it would be with static types.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

from skerry_engine.errors import AmbiguousFunction, InvalidParameterValue, InvalidValueType, UndefinedFunction
from skerry_engine.functions.namespace import NAMESPACE
from skerry_engine.functions.ordering import sort_key_of
from skerry_engine.functions.registry import (
    AggregateFunction,
    Implementation,
    define_aggregate,
)
from skerry_engine.functions.statistics import continuous_percentile, discrete_percentile
from skerry_engine.values import dynamic_keys, oids
from skerry_engine.values.graphs import AnyValue, atom_of, dynamic, type_of
from skerry_engine.values.types import graph_type_name

define_aggregate(
    f"skerry.sum {oids.INT8}",
    initial=("None",),
    step="{s0} = {0} if {s0} is None else {s0} + {0}",
    final="None if {s0} is None else checked_bigint({s0})",
)
define_aggregate(f"skerry.collect_list {oids.ANYNONARRAY}", finish=tuple)


def _extreme(greatest: bool) -> Callable[[tuple[int, ...], int], Implementation]:
    def make(arg_types: tuple[int, ...], _return_type: int) -> Implementation:
        type_oid = arg_types[0]
        key = dynamic_keys.any_body if type_oid == oids.ANYVALUE else sort_key_of(type_oid)
        choose = max if greatest else min
        return lambda inputs: choose(inputs, key=key) if inputs else None

    return make


define_aggregate(f"skerry.min {oids.ANYELEMENT}", factory=_extreme(False))
define_aggregate(f"skerry.max {oids.ANYELEMENT}", factory=_extreme(True))


# --- percentiles --------------------------------------------------------------------------------------------


def _fraction_of(inputs: Sequence[tuple[Any, float]]) -> float:
    """The fraction, which is one for all rows.  Raises InvalidParameterValue."""
    fractions = {fraction for _, fraction in inputs}
    if len(fractions) > 1:
        raise InvalidParameterValue("the fraction of a percentile must be the same for all rows")
    return fractions.pop()


def _percentile(
    type_oid: int, percentile: Callable[[float, Sequence[Any]], object]
) -> Callable[[list[tuple[Any, float]]], object]:
    key = sort_key_of(type_oid)

    def finish(inputs: list[tuple[Any, float]]) -> object:
        if not inputs:
            return None
        return percentile(_fraction_of(inputs), sorted([value for value, _ in inputs], key=key))

    return finish


def _discrete(arg_types: tuple[int, ...], _return_type: int) -> Implementation:
    return _percentile(arg_types[0], discrete_percentile)


for _type in (oids.FLOAT8, oids.INTERVAL):
    define_aggregate(
        f"skerry.percentile_cont {_type} {oids.FLOAT8}",
        finish=_percentile(_type, continuous_percentile(_type)),
    )
define_aggregate(f"skerry.percentile_disc {oids.ANYELEMENT} {oids.FLOAT8}", factory=_discrete)


# --- dynamic types ------------------------------------------------------------------------------------------

_NUMBER_RANKS = {oids.INT8: 0, oids.NUMERIC: 1, oids.FLOAT8: 2}


def _dynamic(name: str, has_fraction: bool = False) -> Implementation:
    def finish(inputs: list[Any]) -> AnyValue:
        if not inputs:
            return None
        values = [value for value, _ in inputs] if has_fraction else inputs
        type_oid = _type_of_all(name, values)
        finisher, wanted, result = _static(name, (type_oid, oids.FLOAT8)[: 1 + has_fraction])
        atoms = [_converted(value, wanted) for value in values]
        if has_fraction:
            atoms = [(atom, fraction) for atom, (_, fraction) in zip(atoms, inputs, strict=True)]
        return dynamic(result, finisher(atoms))

    return finish


def _type_of_all(name: str, values: Sequence[AnyValue]) -> int:
    types = {type_of(value) for value in values}
    if types <= _NUMBER_RANKS.keys():
        return max(types, key=_NUMBER_RANKS.__getitem__)
    if len(types) > 1:
        listed = ", ".join(sorted(graph_type_name(type_oid) for type_oid in types))
        raise InvalidValueType(f"aggregate {name} does not take values of different types: {listed}")
    return types.pop()


@lru_cache(maxsize=256)
def _static(name: str, types: tuple[int, ...]) -> tuple[Callable[[list[Any]], object], int, int]:
    """The aggregate's function over all inputs, the type that it wants them in, and that of its result."""
    from skerry_engine.functions.graph_resolution import resolve_graph_function

    try:
        function, wanted, result = resolve_graph_function(name, types)
    except (UndefinedFunction, AmbiguousFunction) as error:
        raise InvalidValueType(f"aggregate {name} does not take {graph_type_name(types[0])}") from error
    assert isinstance(function, AggregateFunction), name
    return over_all(function), wanted[0], result


def _converted(value: AnyValue, type_oid: int) -> Any:
    atom = atom_of(value)
    if type_oid == oids.FLOAT8:
        return float(atom)
    if type_oid == oids.NUMERIC and type(atom) is int:
        from decimal import Decimal

        return Decimal(atom)
    return atom


def over_all(function: AggregateFunction) -> Callable[[list[Any]], object]:
    """An aggregate of one argument as a function of all its inputs, NULLs left out."""
    if function.finish is not None:
        return function.finish
    assert function.initial is not None and function.step is not None and function.final is not None
    slots = {f"s{number}": f"s{number}" for number in range(len(function.initial))}
    lines = ["def finish(inputs):"]
    lines += [f"    s{number} = {text}" for number, text in enumerate(function.initial)]
    lines += ["    for a0 in inputs:"]
    lines += [f"        {line}" for line in function.step.format("a0", **slots).splitlines()]
    lines += [f"    return {function.final.format('a0', **slots)}"]
    names = dict(NAMESPACE)
    exec("\n".join(lines), names)
    made: Callable[[list[Any]], object] = names["finish"]  # type: ignore[assignment]
    return made


for _name in ("sum", "avg", "stddev_samp", "stddev_pop"):
    define_aggregate(f"skerry.{_name} {oids.ANYVALUE}", finish=_dynamic(_name))
define_aggregate(
    f"skerry.percentile_cont {oids.ANYVALUE} {oids.FLOAT8}", finish=_dynamic("percentile_cont", True)
)
