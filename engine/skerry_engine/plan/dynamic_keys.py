"""Equalities between values of different types as keys: GQL's, where 1 equals 1.0 and types may be known only later.

SQL brings both sides of an equality to one type; GQL compares them as they are (functions/graph_resolution.py).  Their
keys as ANYVALUE are equal exactly when they are (values/dynamic_keys.py), but for one case: two lists or records
with a NULL in the same place are one key and yet not known to be equal.  Where that can be, the equality is looked at
again for what the keys have brought together.
"""

from __future__ import annotations

from skerry_engine.algebra import expressions as ex
from skerry_engine.functions import dynamic
from skerry_engine.functions.registry import scalar_function
from skerry_engine.plan.keys import same_key_class
from skerry_engine.values import oids
from skerry_engine.values.dynamic_keys import LIST, RECORD, comparable, kind_of
from skerry_engine.values.types import SqlType

ANYVALUE = SqlType(oids.ANYVALUE)

_EQUALITIES = frozenset(
    table["="] for table in (dynamic.ANY_COMPARISONS, dynamic.NUMBER_COMPARISONS, dynamic.DECIMAL_COMPARISONS)
)


def hash_keys(equality: ex.Call) -> tuple[ex.Expr, ex.Expr, bool] | None:
    """(left key, right key, whether equal keys are enough) for a hash table; None where none can serve."""
    left, right = equality.args
    if equality.function.oid in _EQUALITIES:
        return as_any(left), as_any(right), is_exact(left.type.oid, right.type.oid)
    return (left, right, True) if same_key_class(left.type.oid, right.type.oid) else None


def as_any(expr: ex.Expr) -> ex.Expr:
    """The expression as one of type ANYVALUE."""
    if expr.type.oid == oids.ANYVALUE:
        return expr
    return ex.Cast(ANYVALUE, expr, dynamic.to_any(expr.type.oid), False)


def without_tag(expr: ex.Expr) -> ex.Expr:
    """The expression without casts that change its label only, or make it an ANYVALUE."""
    while isinstance(expr, ex.Cast) and (expr.function is None or expr.function.oid == dynamic.TO_ANY):
        expr = expr.arg
    return expr


def is_exact(first: int, second: int) -> bool:
    """Whether equal keys of the two types are always equal values: no NULL hides in one of them."""
    return not (_may_hide_null(first) and _may_hide_null(second))


def _may_hide_null(type_oid: int) -> bool:
    return type_oid == oids.ANYVALUE or kind_of(type_oid) in (LIST, RECORD)


def can_meet(first: int, second: int) -> bool:
    """Whether values of the two types can be equal by their keys as ANYVALUE."""
    return same_key_class(first, second) or comparable(first, second)


def row_id_of(expr: ex.Expr) -> ex.Expr | None:
    """What a row id is said to equal, as a row id; None for a type that no number is of.  NULL stands for values that
    are no whole numbers."""
    if same_key_class(oids.INT8, expr.type.oid):
        return expr
    if expr.type.oid == oids.ANYVALUE:
        return ex.Cast(SqlType(oids.INT8), expr, scalar_function(dynamic.ROW_ID_OF_ANY), False)
    return None
