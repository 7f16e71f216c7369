"""Small functions of the binder's own: what is read out of element values, and lists by position.

They have no names in the catalog: no text can call them, and no view keeps them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from skerry_engine.algebra import expressions as ex
from skerry_engine.errors import DataError
from skerry_engine.functions.casts import length_coercion
from skerry_engine.functions.graph_types import narrowing
from skerry_engine.functions.registry import Function
from skerry_engine.functions.resolve import resolve_function
from skerry_engine.gql import tree
from skerry_engine.gql.binder.context import BOOL, INT8
from skerry_engine.gql.binder.operations import Operations
from skerry_engine.gql.binder.value_types import has_least_length, narrow_type
from skerry_engine.values import oids
from skerry_engine.values.graphs import (
    ROW_ID,
    SOURCE,
    SOURCE_TABLE,
    TABLE,
    TARGET,
    TARGET_TABLE,
    atom_of,
    type_of,
    widened,
)
from skerry_engine.values.types import SqlType, type_info


def _part(name: str, position: int) -> Function:
    return Function(
        0, name, (oids.ANYELEMENT,), oids.INT8, lambda value: value[position], f"{{0}}[{position}]"
    )


_ROW_ID = _part("element row id", ROW_ID)
_TABLE = _part("element table", TABLE)
_SOURCE = _part("edge source", SOURCE)
_SOURCE_TABLE = _part("edge source table", SOURCE_TABLE)
_TARGET = _part("edge target", TARGET)
_TARGET_TABLE = _part("edge target table", TARGET_TABLE)


def _read(function: Function, value: ex.Expr) -> ex.Expr:
    return ex.Call(INT8, function, (value,))


def row_id(value: ex.Expr) -> ex.Expr:
    """The row id of an element value."""
    return value.row_id if isinstance(value, ex.ElementValue) else _read(_ROW_ID, value)


def table(value: ex.Expr) -> ex.Expr:
    """The OID of an element value's table."""
    return value.table if isinstance(value, ex.ElementValue) else _read(_TABLE, value)


def source(value: ex.Expr) -> tuple[ex.Expr, ex.Expr]:
    """Table and row id of the node at which an edge value begins."""
    if isinstance(value, ex.ElementValue):
        return value.endpoints[0], value.endpoints[1]
    return _read(_SOURCE_TABLE, value), _read(_SOURCE, value)


def target(value: ex.Expr) -> tuple[ex.Expr, ex.Expr]:
    """Table and row id of the node at which an edge value ends."""
    if isinstance(value, ex.ElementValue):
        return value.endpoints[2], value.endpoints[3]
    return _read(_TARGET_TABLE, value), _read(_TARGET, value)


# --- lists ----------------------------------------


def list_item(operations: Operations, arg: ex.Expr, index: ex.Expr, position: int) -> ex.Expr:
    """list[index], counted from 0."""
    return _list_call(operations, "list_item", position, arg, index)


def list_slice(
    operations: Operations, arg: ex.Expr, lower: ex.Expr | None, upper: ex.Expr | None, position: int
) -> ex.Expr:
    """list[lower..upper], the upper end excluded."""
    if lower is not None and upper is not None:
        return _list_call(operations, "list_slice", position, arg, lower, upper)
    if lower is not None:
        return _list_call(operations, "list_slice_from", position, arg, lower)
    return arg if upper is None else _list_call(operations, "list_slice_to", position, arg, upper)


def _list_call(operations: Operations, name: str, position: int, *args: ex.Expr) -> ex.Expr:
    bounds = [operations.integer(arg, "an index", position) for arg in args[1:]]
    given = [args[0].type.oid, *(oids.INT8 for _ in bounds)]
    function, _, result = resolve_function(name, given, "skerry", position)
    assert isinstance(function, Function)
    return ex.Call(SqlType(result), function, (args[0], *bounds))


# --- types ----------------------------------------


def is_typed(arg: ex.Expr, wanted: tree.ValueType) -> ex.Expr:
    """arg IS TYPED wanted: TRUE for NULL unless the type is NOT NULL."""
    test = type_test(wanted)
    own = arg.type.oid
    function = Function(
        0, f"is typed {wanted}", (own,), oids.BOOL, lambda value: test(value, own), None, strict=False
    )
    return ex.Call(BOOL, function, (arg,))


def type_test(wanted: tree.ValueType) -> Callable[[Any, int], bool]:
    """(value, its static type) -> whether it is of the type."""
    is_nothing = isinstance(wanted, tree.SimpleType) and wanted.name == "nothing"
    allows_null = not (wanted.not_null or is_nothing)  # type: ignore[attr-defined]
    inside = _value_test(wanted)

    def test(value: Any, own: int) -> bool:
        if value is None:
            return allows_null
        if own == oids.ANYVALUE:
            return inside(atom_of(value), type_of(value))
        return inside(value, own)

    return test


def _value_test(wanted: tree.ValueType) -> Callable[[Any, int], bool]:
    if isinstance(wanted, tree.UnionType):
        tests = [_value_test(each) for each in wanted.alternatives]
        return lambda value, own: any(test(value, own) for test in tests)
    if isinstance(wanted, tree.ListType):
        return _list_test(wanted)
    if isinstance(wanted, tree.RecordType):
        return _record_test(wanted)
    assert isinstance(wanted, tree.SimpleType)
    if wanted.name == "nothing":
        return lambda value, own: False
    if has_least_length(wanted):
        longest = _value_test(replace(wanted, parameters=wanted.parameters[-1:]))
        return lambda value, own: longest(value, own) and len(value) >= wanted.parameters[0]
    narrow = narrow_type(wanted)
    oid = widened(narrow.oid)
    if oid == oids.ANYVALUE:
        if wanted.name in ("property value", "any property value"):
            return lambda value, own: own not in oids.REFERENCES
        return lambda value, own: True
    family = _FAMILIES.get(oid, frozenset((oid,)))
    if narrow.typmod < 0:
        return lambda value, own: own in family
    return _narrow_test(narrow, family)


def _narrow_test(narrow: SqlType, family: frozenset[int]) -> Callable[[Any, int], bool]:
    """Whether a value is one of the type as it stands: a cast by assignment leaves it alone."""
    function = narrowing(narrow.oid) if narrow.oid == oids.INTERVAL else length_coercion(narrow.oid)
    assert function is not None and function.implementation is not None
    fitted, arguments = function.implementation, (narrow.typmod, False)[: len(function.arg_types) - 1]

    def test(value: Any, own: int) -> bool:
        if own not in family:
            return False
        try:
            return bool(fitted(value, *arguments) == value)
        except DataError:
            return False

    return test


_FAMILIES: dict[int, frozenset[int]] = {
    oids.INT8: frozenset((oids.INT2, oids.INT4, oids.INT8)),
    oids.FLOAT8: frozenset((oids.FLOAT4, oids.FLOAT8)),
    oids.TEXT: frozenset((oids.TEXT, oids.VARCHAR, oids.BPCHAR, oids.NAME)),
}


def _list_test(wanted: tree.ListType) -> Callable[[Any, int], bool]:
    item = None if wanted.element is None else type_test(wanted.element)
    longest = wanted.max_length

    def test(value: Any, own: int) -> bool:
        info = type_info(own)
        if not info.is_array or (longest is not None and len(value) > longest):
            return False
        return item is None or all(item(each, info.element_oid) for each in value)

    return test


def _record_test(wanted: tree.RecordType) -> Callable[[Any, int], bool]:
    if wanted.fields is None:
        return lambda value, own: own == oids.GRAPHRECORD
    fields = {field.name: type_test(field.type) for field in wanted.fields}

    def test(value: Any, own: int) -> bool:
        if own != oids.GRAPHRECORD:
            return False
        found = dict(value)
        return found.keys() == fields.keys() and all(
            check(found[name], oids.ANYVALUE) for name, check in fields.items()
        )

    return test


# --- references ----------------------------------------

_CONTAINS = Function(
    0,
    "edges contain",
    (oids.ANYARRAY, oids.ANYELEMENT),
    oids.BOOL,
    lambda items, item: item in items,
    "{1} in {0}",
)
_OVERLAP = Function(
    0,
    "edges overlap",
    (oids.ANYARRAY, oids.ANYARRAY),
    oids.BOOL,
    lambda one, other: not frozenset(one).isdisjoint(other),
)


def contains(listed: ex.Expr, reference: ex.Expr) -> ex.Expr:
    """Whether an array of references holds one."""
    return ex.Call(BOOL, _CONTAINS, (listed, reference))


def overlap(one: ex.Expr, other: ex.Expr) -> ex.Expr:
    """Whether two arrays of references have one in common."""
    return ex.Call(BOOL, _OVERLAP, (one, other))


def items_of(listed: ex.Expr, element: SqlType) -> ex.Expr:
    """The items of a list, one row each."""
    function = Function(
        0,
        "items of list",
        (listed.type.oid,),
        element.oid,
        lambda items: items,
        returns_set=True,
    )
    return ex.Call(element, function, (listed,))
