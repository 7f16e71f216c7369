"""Calls of GQL's functions and operators without parser, binder and plan: values in, values out.

A value is (type OID, run-time value).  `static` resolves by the types, as a binder does that knows them; `dynamic` makes
an anyvalue of every argument and resolves by ANYVALUE alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC
from types import SimpleNamespace
from typing import Any

from skerry_engine.functions.casts import find_coercion
from skerry_engine.functions.graph_resolution import resolve_graph_function, resolve_graph_operator
from skerry_engine.functions.namespace import NAMESPACE
from skerry_engine.functions.registry import AggregateFunction, Function
from skerry_engine.values import oids
from skerry_engine.values.graphs import UNTAGGED
from skerry_engine.values.graphs import dynamic as as_any
from support.elements import PLAIN

Typed = tuple[int, Any]
NOON = 800_000_000_000_000

CONTEXT: Any = SimpleNamespace(
    io=PLAIN,
    time_zone=UTC,
    transaction_timestamp=NOON,
    statement_timestamp=NOON,
    session_user="alix",
    current_user="alix",
)


def static(name: str, *args: Typed) -> Typed:
    """The result of a function or operator for arguments of known types."""
    return _run(*_resolved(name, [type_oid for type_oid, _ in args]), list(args))


def dynamic(name: str, *args: Typed) -> Typed:
    """The result where nothing is known of the arguments' types."""
    return static(name, *[(oids.ANYVALUE, as_any(type_oid, value)) for type_oid, value in args])


def aggregate(name: str, rows: Sequence[tuple[Any, ...]], *types: int) -> Typed:
    """An aggregate's result over rows of arguments of these types; rows with a NULL are left out."""
    function, wanted, result = resolve_graph_function(name, types)
    assert isinstance(function, AggregateFunction)
    inputs = [
        tuple(
            [
                _coerced((given, value), target)[1]
                for given, value, target in zip(types, row, wanted, strict=True)
            ]
        )
        for row in rows
        if not (function.strict and None in row)
    ]
    if function.finish is not None:
        return result, function.finish([row[0] for row in inputs] if len(wanted) == 1 else inputs)
    return result, _inline(function, inputs)


def _inline(function: AggregateFunction, inputs: list[tuple[Any, ...]]) -> Any:
    assert function.initial is not None and function.step is not None and function.final is not None
    scope: dict[str, Any] = dict(NAMESPACE)
    slots = {f"s{number}": f"s{number}" for number in range(len(function.initial))}
    for number, text in enumerate(function.initial):
        scope[f"s{number}"] = eval(text, scope)
    for row in inputs:
        scope.update({f"a{number}": value for number, value in enumerate(row)})
        exec(function.step.format(*[f"a{number}" for number in range(len(row))], **slots), scope)
    return eval(function.final.format("a0", **slots), scope)


def _resolved(name: str, types: Sequence[int]) -> tuple[Function, tuple[int, ...], int]:
    if not name[0].isalpha() or name in ("in", "starts with", "ends with", "like"):
        return resolve_graph_operator(name, types[0] if len(types) == 2 else None, types[-1])
    function, wanted, result = resolve_graph_function(name, types)
    assert isinstance(function, Function)
    return function, wanted, result


def _run(function: Function, wanted: tuple[int, ...], result: int, args: list[Typed]) -> Typed:
    values = [_coerced(arg, target)[1] for arg, target in zip(args, wanted, strict=True)]
    if function.strict and None in values:
        return result, None
    assert function.implementation is not None, function.name
    if function.needs_context:
        values.insert(0, CONTEXT)
    return result, function.implementation(*values)


def _coerced(arg: Typed, target: int) -> Typed:
    type_oid, value = arg
    if (
        type_oid in (target, oids.UNKNOWN)
        or value is None
        or (type_oid == oids.ANYVALUE and target in UNTAGGED)
    ):
        return target, value
    coercion = find_coercion(type_oid, target, "i") or find_coercion(type_oid, target, "e")
    assert coercion is not None, (type_oid, target)
    function = coercion.function
    if function is None:
        return target, value
    assert function.implementation is not None
    extra = (-1, False)[: len(function.arg_types) - 1]
    context = (CONTEXT,) if function.needs_context else ()
    return target, function.implementation(*context, value, *extra)
