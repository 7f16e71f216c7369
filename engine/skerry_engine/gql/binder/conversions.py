"""Values brought to types that are more than a stored type with a modifier: CAST, and LET VALUE with a type.

    RECORD {a INT, b STRING}      the same fields, each converted              22G0U where the fields are others
    LIST<T>[3]                    items converted; no more than 3              22G0B
    INT | STRING                  what is one of them already, as it stands    22G03
    T NOT NULL                    no NULL                                      22004
    DURATION(YEAR TO MONTH)       no days, no time; DAY TO SECOND no months    22G03 (CAST leaves them out)

CAST converts; LET takes what is of the type, and numbers where nothing is lost.  A type without such parts is the
business of casts as SQL has them (`ExpressionBinder._cast`), which plans can look into.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from skerry_engine import errors
from skerry_engine.abc import FunctionContext
from skerry_engine.algebra import expressions as ex
from skerry_engine.functions.dynamic import cast_between
from skerry_engine.functions.graph_types import fitted, narrowing
from skerry_engine.functions.registry import Function
from skerry_engine.gql import tree
from skerry_engine.gql.binder import native_reads as native
from skerry_engine.gql.binder.value_types import has_least_length, narrow_type, sql_type
from skerry_engine.values import oids
from skerry_engine.values.graphs import AnyValue, atom_of, dynamic, type_of
from skerry_engine.values.types import SqlType, graph_type_name, type_info

Converter = Callable[[FunctionContext, AnyValue], AnyValue]


def is_plain(value_type: tree.ValueType) -> bool:
    """Whether a type is a stored type with a modifier, and NULL one of its values."""
    if value_type.not_null:  # type: ignore[attr-defined]
        return False
    if isinstance(value_type, tree.SimpleType):
        return not value_type.name.startswith("duration (") and not has_least_length(value_type)
    if isinstance(value_type, tree.ListType):
        return value_type.max_length is None and (value_type.element is None or is_plain(value_type.element))
    return isinstance(value_type, tree.RecordType) and value_type.fields is None


def converted(value: ex.Expr, value_type: tree.ValueType, *, is_cast: bool) -> ex.Expr:
    """A value of type ANYVALUE as one of the type, which is not plain.

    Raises NotSupportedError, UndefinedObject for types that there are not; what does not fit shows when it runs.
    """
    convert = _converter(value_type, is_cast)
    result = sql_type(value_type).oid

    def implementation(context: FunctionContext, given: AnyValue) -> Any:
        made = convert(context, given)
        return made if result == oids.ANYVALUE else atom_of(made)

    name = f"{'cast' if is_cast else 'assigned'} to {value_type}"
    function = Function(
        0, name, (oids.ANYVALUE,), result, implementation, strict=False, volatility="s", needs_context=True
    )
    return ex.Call(SqlType(result), function, (value,))


def _converter(value_type: tree.ValueType, is_cast: bool) -> Converter:
    inside = _of_present(value_type, is_cast)
    refuses_null = value_type.not_null  # type: ignore[attr-defined]

    def convert(context: FunctionContext, value: AnyValue) -> AnyValue:
        if value is not None:
            return inside(context, value)
        if refuses_null:
            raise errors.NullValueNotAllowed("a null value is of no type that is NOT NULL")
        return None

    return convert


def _of_present(value_type: tree.ValueType, is_cast: bool) -> Converter:
    if isinstance(value_type, tree.UnionType):
        return _alternative(value_type)
    if isinstance(value_type, tree.RecordType):
        return _record(value_type, is_cast)
    if isinstance(value_type, tree.ListType):
        return _list(value_type, is_cast)
    assert isinstance(value_type, tree.SimpleType)
    if has_least_length(value_type):
        return _long_enough(value_type, is_cast)
    return _atom(narrow_type(value_type), is_cast)


def _long_enough(value_type: tree.SimpleType, is_cast: bool) -> Converter:
    convert = _atom(narrow_type(replace(value_type, parameters=value_type.parameters[1:])), is_cast)
    least = value_type.parameters[0]

    def checked(context: FunctionContext, value: AnyValue) -> AnyValue:
        made = convert(context, value)
        if len(atom_of(made)) < least:
            raise errors.InvalidValueType(f"the value is shorter than {least}, the least length of its type")
        return made

    return checked


def _atom(wanted: SqlType, is_cast: bool) -> Converter:
    narrow = narrowing(wanted.oid) if wanted.typmod >= 0 else None
    oid = oids.TEXT if wanted.oid in oids.STRINGS else wanted.oid

    def convert(context: FunctionContext, value: AnyValue) -> AnyValue:
        if oid == oids.ANYVALUE:
            return value
        if not is_cast:
            value = fitted(value, oid, -1)
        found, atom = type_of(value), atom_of(value)
        if found != oid:
            if not is_cast:
                raise _not_of(oid, found)
            atom = cast_between(found, oid)(context, atom)
        if narrow is not None:
            assert narrow.implementation is not None
            atom = narrow.implementation(atom, *(wanted.typmod, is_cast)[: len(narrow.arg_types) - 1])
        return dynamic(oid, atom)

    return convert


def _not_of(wanted: int, found: int) -> errors.InvalidValueType:
    return errors.InvalidValueType(
        f"a value of type {graph_type_name(found)} is none of type {graph_type_name(wanted)}"
    )


def _alternative(value_type: tree.UnionType) -> Converter:
    tests = [native.type_test(each) for each in value_type.alternatives]

    def convert(_context: FunctionContext, value: AnyValue) -> AnyValue:
        if not any(test(value, oids.ANYVALUE) for test in tests):
            raise errors.InvalidValueType(
                f"a value of type {graph_type_name(type_of(value))} is none of the types wanted"
            )
        return value

    return convert


def _list(value_type: tree.ListType, is_cast: bool) -> Converter:
    wanted = sql_type(value_type).oid
    element = type_info(wanted).element_oid
    item = None if value_type.element is None else _converter(value_type.element, is_cast)
    longest = value_type.max_length

    def convert(context: FunctionContext, value: AnyValue) -> AnyValue:
        found = type_info(type_of(value))
        if not found.is_array:
            raise _not_of(wanted, found.oid)
        items = [dynamic(found.element_oid, each) for each in atom_of(value)]
        if longest is not None and len(items) > longest:
            raise errors.ListRightTruncation(f"a list of {len(items)} items has more than {longest}")
        if item is not None:
            items = [item(context, each) for each in items]
        return dynamic(wanted, tuple(items if element == oids.ANYVALUE else map(atom_of, items)))

    return convert


def _record(value_type: tree.RecordType, is_cast: bool) -> Converter:
    declared = value_type.fields
    fields = {field.name: _converter(field.type, is_cast) for field in declared or ()}

    def convert(context: FunctionContext, value: AnyValue) -> AnyValue:
        if type_of(value) != oids.GRAPHRECORD:
            raise _not_of(oids.GRAPHRECORD, type_of(value))
        if declared is None:
            return value
        given = dict(atom_of(value))
        if given.keys() != fields.keys():
            raise errors.RecordFieldsDiffer(
                f"a record with the fields {', '.join(given) or '(none)'} is none with the fields"
                f" {', '.join(fields) or '(none)'}"
            )
        made = tuple([(name, field(context, given[name])) for name, field in fields.items()])
        return (oids.GRAPHRECORD, made)

    return convert
