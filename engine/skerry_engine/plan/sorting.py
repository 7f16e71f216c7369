"""Sort keys as Python values whose natural order is the SQL order.

Each ORDER BY item becomes one or two components: numbers count downward negated, text downward as
complemented bytes, NULL and NaN as flags before the value.  So a whole key compares in C,
and sorted runs can be merged.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from skerry_engine.algebra import expressions as ex
from skerry_engine.plan import runtime
from skerry_engine.plan.keys import key_class
from skerry_engine.values import oids
from skerry_engine.values.keys import KeyCodec, KeyColumn

if TYPE_CHECKING:
    from skerry_engine.plan.expressions import ExpressionWriter

_NUMBERS = frozenset({oids.DATE, oids.TIME, oids.TIMESTAMP, oids.TIMESTAMPTZ, oids.BOOL})


def sort_key_text(
    keys: tuple[ex.SortKey, ...], scalars: ExpressionWriter, hash_atom: Callable[[str, int], str]
) -> str:
    """Python text of the whole key: a bare value for one component, else a tuple."""
    parts: list[str] = []
    for key in keys:
        parts.extend(_components(key, scalars))
    return parts[0] if len(parts) == 1 else f"({', '.join(parts)})"


def _components(key: ex.SortKey, scalars: ExpressionWriter) -> list[str]:
    text = scalars.value(key.expr)
    if not scalars.nullable(key.expr):
        if not text.isidentifier():
            name = scalars.temporary()
            return _with_assignment(_of_value(key, name, scalars), name, text)
        return _of_value(key, text, scalars)
    name = scalars.temporary()
    flag = f"({name} := {text}) is {'not ' if key.nulls_first else ''}None"
    return [flag, *[f"(0 if {name} is None else {part})" for part in _of_value(key, name, scalars)]]


def _with_assignment(parts: list[str], name: str, text: str) -> list[str]:
    """The first component computes the value, the others reuse it."""
    if parts[0] == name:
        first = f"({name} := {text})" if len(parts) > 1 else text
        return [first, *parts[1:]]
    return [f"({parts[0]} if (({name} := {text}),) else 0)", *parts[1:]]


def _of_value(key: ex.SortKey, name: str, scalars: ExpressionWriter) -> list[str]:
    """Components of a non-null value held in `name`."""
    oid = key.expr.type.oid
    family = key_class(oid)
    if family == "integer" or oid in _NUMBERS:
        return [f"-{name}" if key.descending else name]
    if family == "float" or oid == oids.NUMERIC:
        test = "==" if key.descending else "!="
        number = f"-{name}" if key.descending else name
        return [f"{name} {test} {name}", f"(0 if {name} != {name} else {number})"]
    if family == "text":
        return [f"{scalars.module.bind('rt', runtime.descending_text)}({name})" if key.descending else name]
    codec = KeyCodec((KeyColumn(oid, descending=key.descending),))
    return [f"{scalars.module.bind('ord', codec.order_key)}(({name},))"]
