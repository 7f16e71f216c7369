"""Binding SET clauses and INSERT's column lists, where a target may be a column or a part of it: an element of an
array, an attribute of a composite type.

    SET a[1] = x, a[2:3] = y        a = array_assign(array_assign(a, x, 1), y, 2, 3)
    SET c.p.b = x                   c = put(c, p, put((c).p, b, x))

Several parts of one column may be assigned in one statement, each on top of the others;
a column itself only once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from sqlglot import exp

from skerry_engine import errors
from skerry_engine.algebra import expressions as ex
from skerry_engine.algebra import queries as q
from skerry_engine.catalog.objects import Column, Table
from skerry_engine.functions.array_assignment import ASSIGN_ELEMENT, ASSIGN_JSONB, ASSIGN_SLICE
from skerry_engine.functions.casts import attribute_setter
from skerry_engine.sql.binder import expressions as be
from skerry_engine.sql.binder.coercion import INT4
from skerry_engine.sql.binder.scope import Scope
from skerry_engine.sql.bridge import position_of, start_of
from skerry_engine.values import oids
from skerry_engine.values.io import IoContext
from skerry_engine.values.types import SqlType, format_type, type_info
from skerry_engine.values.user_types import Field, is_composite

if TYPE_CHECKING:
    from skerry_engine.sql.binder.changes import ChangeBinder

Node = exp.Expression


class AssignmentBinder:
    """Binds the SET clauses of one UPDATE (or ON CONFLICT DO UPDATE) over `scope`.

    `current` gives a column's value before the assignments.
    """

    def __init__(
        self, changes: ChangeBinder, table: Table, scope: Scope, current: Callable[[Column], ex.Expr]
    ) -> None:
        self.changes = changes
        self.coercer = changes.coercer
        self.table = table
        self.binder = be.ExpressionBinder(changes.queries, scope, be.UPDATE_SET)
        self.current = current
        self.updates: dict[int, ex.Expr] = {}
        self._in_parts: set[int] = set()

    def bind(self, nodes: list[Node]) -> dict[int, ex.Expr]:
        """The clauses as {position: value}."""
        for node in nodes:
            if isinstance(node.this, exp.Tuple):
                self._multiple(node)
            else:
                self._one(node.this, node.expression)
        return self.updates

    def _one(self, target: Node, value: Node) -> None:
        column = self._column(target)
        if is_default(value):
            if isinstance(target, (exp.Bracket, exp.Dot)):
                what = "an array element" if isinstance(target, exp.Bracket) else "a subfield"
                raise errors.NotSupportedError(f"cannot set {what} to DEFAULT", position=position_of(target))
            self._store(column, self.changes.default(self.table, column))
            return
        self._assign(target, column, self.binder.bind(value), start_of(value))

    def _assign(self, target: Node, column: Column, value: ex.Expr, position: int | None) -> None:
        refuse_value(column)
        if isinstance(target, (exp.Bracket, exp.Dot)):
            before = self.updates.get(column.position, self.current(column))
            self._store(column, assign_part(self.binder, before, column, target, value), is_part=True)
        else:
            self._store(column, self.coercer.assign(value, column.type, column.name, position))

    def _store(self, column: Column, value: ex.Expr, is_part: bool = False) -> None:
        if column.position in self.updates and not (is_part and column.position in self._in_parts):
            raise errors.SyntaxError(f'multiple assignments to same column "{column.name}"')
        if is_part:
            self._in_parts.add(column.position)
        self.updates[column.position] = value

    def _column(self, target: Node) -> Column:
        return target_column(self.changes, self.table, target)

    def _multiple(self, node: Node) -> None:
        """SET (a, b) = (x, y) or = (SELECT ...)."""
        names, value = node.this.expressions, node.expression
        if isinstance(value, exp.Tuple):
            if len(value.expressions) != len(names):
                raise errors.SyntaxError(
                    "number of columns does not match number of values", position=position_of(value)
                )
            for name, cell in zip(names, value.expressions, strict=True):
                self._one(name, cell)
            return
        if not isinstance(value, exp.Subquery):
            raise errors.NotSupportedError(
                "source for a multiple-column UPDATE item must be a sub-SELECT or ROW() expression",
                position=position_of(value),
            )
        queries = self.changes.queries
        query = queries.subquery(value, self.binder.scope)
        if len(query.columns) != len(names):
            raise errors.SyntaxError(
                "number of columns does not match number of values", position=position_of(value)
            )
        for n, name in enumerate(names):
            single = self._single_output(query, n)
            expr = ex.SubqueryExpr(single.columns[0].type, "scalar", single)
            self._assign(name, self._column(name), expr, position_of(value))

    def _single_output(self, query: q.Query, n: int) -> q.Query:
        range_id = self.changes.context.new_range()
        column = query.columns[n]
        read = ex.Column(column.type, range_id, n, column.name)
        return q.Select((column,), q.Derived(range_id, query), (read,))


def refuse_value(column: Column) -> None:
    """Raise GeneratedAlways for a column whose values nobody but the database gives."""
    if column.generated or column.identity == "a":
        kind = "a generated column" if column.generated else "an identity column defined as GENERATED ALWAYS"
        raise errors.GeneratedAlways(
            f'column "{column.name}" can only be updated to DEFAULT',
            detail=f'Column "{column.name}" is {kind}.',
        )


def target_column(changes: ChangeBinder, table: Table, target: Node) -> Column:
    """The column that an assignment's target is, or is a part of.  Raises UndefinedColumn."""
    position = position_of(target)
    inner = target
    while isinstance(inner, (exp.Bracket, exp.Dot)):
        inner = inner.this
    return changes.column_named(table, inner.this.this, position)


def part_type(io: IoContext, column: Column, target: Node) -> SqlType:
    """What is assigned to a part of a column: an attribute, an element, or for a slice an array."""
    steps = _attribute_steps(target)
    found = column.type
    for step in steps:
        found = _type_of(_field(io, column, found, step))
    if not isinstance(target, exp.Bracket) or found.oid == oids.JSONB:
        return found
    if any(isinstance(item, exp.Slice) for item in target.expressions):
        return found
    return SqlType(type_info(found.oid).element_oid or oids.TEXT)


def _attribute_steps(target: Node) -> list[Node]:
    """The attributes that a target names, outermost first.  Raises NotSupportedError for one within an array."""
    steps: list[Node] = []
    node = target.this if isinstance(target, exp.Bracket) else target
    while isinstance(node, exp.Dot):
        steps.append(node)
        node = node.this
    if isinstance(node, exp.Bracket):
        raise errors.NotSupportedError(
            "assigning to an attribute of an array's element is not supported", position=position_of(target)
        )
    return steps[::-1]


def _field(io: IoContext, column: Column, of: SqlType, step: Node) -> Field:
    name = step.expression.name
    if not is_composite(of.oid):
        raise errors.DatatypeMismatch(
            f'cannot assign to field "{name}" of column "{column.name}"'
            f" because its type {format_type(of.oid)} is not a composite type",
            position=position_of(step),
        )
    for field in io.types.composite(of.oid).fields:
        if field.name == name:
            return field
    raise errors.UndefinedColumn(
        f'cannot assign to field "{name}" of column "{column.name}"'
        f" because there is no such column in data type {format_type(of.oid)}",
        position=position_of(step),
    )


def _type_of(field: Field) -> SqlType:
    return SqlType(field.type_oid, field.typmod)


def assign_part(
    binder: be.ExpressionBinder, before: ex.Expr, column: Column, target: Node, value: ex.Expr
) -> ex.Expr:
    """`before`, a column's value, with `value` put in where `target` says."""
    io = binder.queries.io
    befores = [before]
    fields: list[Field] = []
    for step in _attribute_steps(target):
        fields.append(_field(io, column, befores[-1].type, step))
        befores.append(be.attribute_of(befores[-1], fields[-1]))
    inner = replace(column, type=befores[-1].type)
    if isinstance(target, exp.Bracket):
        made = _assign_element(binder, befores[-1], inner, target, value)
    else:
        typed = binder.coercer.coerce(value, inner.type, "a")
        if typed is None:
            raise errors.DatatypeMismatch(
                f'subfield "{fields[-1].name}" is of type {format_type(inner.type.oid)}'
                f" but expression is of type {format_type(value.type.oid)}",
                hint="You will need to rewrite or cast the expression.",
                position=position_of(target),
            )
        made = typed
    for field in fields[::-1]:
        befores.pop()
        outer = befores[-1]
        put = attribute_setter(outer.type.oid, field.number, io.types.composite(outer.type.oid).types)
        made = ex.Call(SqlType(outer.type.oid), put, (outer, made))
    return made


def _assign_element(
    binder: be.ExpressionBinder, before: ex.Expr, column: Column, target: Node, value: ex.Expr
) -> ex.Expr:
    """`before`, an array, with `value` put in at the subscripts of `target`."""
    element = type_info(column.type.oid).element_oid
    position = position_of(target)
    if column.type.oid == oids.JSONB:
        return _assign_json(binder, before, column, target, value)
    if not element:
        raise errors.DatatypeMismatch(
            f"cannot subscript type {format_type(column.type.oid)} because it does not support subscripting",
            position=position,
        )
    items = target.expressions
    is_slice = any(isinstance(item, exp.Slice) for item in items)
    if is_slice and len(items) > 1:
        raise errors.NotSupportedError(
            "assigning to a slice of several dimensions is not supported", position=position
        )
    wanted = column.type if is_slice else SqlType(element, column.type.typmod)
    typed = binder.coercer.coerce(value, wanted, "a")
    if typed is None:
        raise _wrong_part(column, wanted.oid, value, position)
    subscripts = [items[0].this, items[0].args.get("expression")] if is_slice else items
    bounds = [
        ex.Const(INT4, None) if item is None else binder.coercer.implicit(binder.bind(item), oids.INT4)
        for item in subscripts
    ]
    given = [ex.Const(SqlType(oids.BOOL), item is not None) for item in subscripts] if is_slice else []
    function = ASSIGN_SLICE if is_slice else ASSIGN_ELEMENT
    return ex.Call(SqlType(column.type.oid), function, (before, typed, *bounds, *given))


def _assign_json(
    binder: be.ExpressionBinder, before: ex.Expr, column: Column, target: Node, value: ex.Expr
) -> ex.Expr:
    steps = tuple(binder.json_subscript(item) for item in target.expressions)
    jsonb = SqlType(oids.JSONB)
    typed = binder.coercer.coerce(value, jsonb, "a")
    if typed is None:
        raise _wrong_part(column, oids.JSONB, value, position_of(target))
    return ex.Call(jsonb, ASSIGN_JSONB, (before, typed, *steps))


def _wrong_part(column: Column, wanted: int, value: ex.Expr, position: int | None) -> errors.DatatypeMismatch:
    return errors.DatatypeMismatch(
        f'subscripted assignment to "{column.name}" requires type {format_type(wanted)}'
        f" but expression is of type {format_type(value.type.oid)}",
        hint="You will need to rewrite or cast the expression.",
        position=position,
    )


def is_default(node: Node) -> bool:
    """Whether a value is the word DEFAULT."""
    return isinstance(node, exp.Var) and str(node.this).upper() == "DEFAULT"
