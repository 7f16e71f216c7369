"""Binding INSERT, UPDATE and DELETE.

Whatever the statement mentions, a change is bound to the full new row: given values, defaults, identity,
NULL.  CHECK constraints are bound over the new row's range; RETURNING over the row after (DELETE: before)
the change.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sqlglot import exp

from skerry_engine import errors
from skerry_engine.algebra import expressions as ex
from skerry_engine.algebra import queries as q
from skerry_engine.catalog.objects import Column, MaterializedView, SystemTable, Table, View
from skerry_engine.catalog.privileges import DELETE, INSERT, UPDATE
from skerry_engine.functions.resolve import resolve_function
from skerry_engine.sql.binder import expressions as be
from skerry_engine.sql.binder.assignments import (
    AssignmentBinder,
    assign_part,
    is_default,
    part_type,
    target_column,
)
from skerry_engine.sql.binder.conflicts import ConflictBinder
from skerry_engine.sql.binder.from_clause import FromBinder
from skerry_engine.sql.binder.queries import output_position
from skerry_engine.sql.binder.scope import Range, Scope, ScopeColumn
from skerry_engine.sql.binder.whitelist import check
from skerry_engine.sql.bridge import position_of, start_of
from skerry_engine.values import oids
from skerry_engine.values.types import SqlType

if TYPE_CHECKING:
    from skerry_engine.sql.binder.queries import Item, QueryBinder

Node = exp.Expression


@dataclass(frozen=True, slots=True)
class InsertTarget:
    """A column that INSERT names, or with `part` (a Bracket or Dot node) a part of it."""

    column: Column
    part: Node | None
    position: int | None


class ChangeBinder:
    """Binds one data-modifying statement."""

    def __init__(self, queries: QueryBinder) -> None:
        self.queries = queries
        self.context = queries.context
        self.coercer = queries.coercer

    def change(self, node: Node) -> q.Query:
        """INSERT, UPDATE or DELETE, without its WITH clause (which the caller has bound)."""
        match node:
            case exp.Insert():
                return self._insert(node)
            case exp.Update():
                return self._update(node)
            case exp.Delete():
                return self._delete(node)
        raise AssertionError(type(node).__name__)

    # --- targets ----------------------------------------

    def _table(self, node: Node, verb: str) -> Table:
        check(node)
        name = node.this.this
        schema = None if node.args.get("db") is None else node.args["db"].this
        position = position_of(node)
        found = self.context.relation(name, schema, position)
        if isinstance(found, View):
            raise errors.NotSupportedError(
                f'cannot {verb} view "{name}"', detail="Views that are written through are not supported."
            )
        if isinstance(found, SystemTable):
            raise errors.InsufficientPrivilege(f"permission denied for table {found.name}")
        if isinstance(found, MaterializedView):
            raise errors.WrongObjectType(f'cannot change materialized view "{found.name}"')
        if not isinstance(found, Table):
            raise errors.WrongObjectType(f'cannot {verb.split()[0]} "{name}"', position=position)
        return found

    def target(self, table: Table, range_id: int) -> q.Target:
        """The table as what is written, with its constraints over the new row."""
        names = [""] * table.width
        for column in table.columns:
            names[column.position] = column.name
        checks = tuple(
            (c.name, ex.over_range(c.check.expr, range_id))
            for c in sorted(table.checks, key=lambda c: c.name)
            if c.check
        )
        return q.Target(
            table.oid,
            table.name,
            self.context.database.schema_of(table).name,
            range_id,
            table.width,
            tuple(names),
            tuple(c.position for c in table.live_columns if c.not_null),
            checks,
            # what is generated is computed before it is known that no NULL is where none may be
            tuple(
                (position, ex.over_range(expr, range_id, may_be_null=True))
                for position, expr in table.generated
            ),
        )

    def range_of(self, table: Table, node: Node, range_id: int) -> Range:
        """The changed table, named as `node` names it, as a range."""
        alias = node.args.get("alias")
        name = table.name if alias is None else alias.this.this
        columns = [
            ScopeColumn(c.name, c.type, c.position, not c.not_null, c.attnum) for c in table.live_columns
        ]
        schema = None if alias is not None else self.context.database.schema_of(table).name
        return Range(name, range_id, columns, table.oid, schema, has_row_ids=True)

    def _returning(self, node: Node, scope: Scope) -> tuple[tuple[ex.Expr, ...], tuple[q.OutputColumn, ...]]:
        returning = node.args.get("returning")
        if returning is None:
            return (), ()
        check(returning)
        items = self.queries.returning(returning.expressions, scope)
        columns = tuple(self._output_column(item, scope) for item in items)
        return tuple(item.expr for item in items), columns

    def _output_column(self, item: Item, scope: Scope) -> q.OutputColumn:
        return self.queries._output_column(item, item.expr, scope)

    def default(self, table: Table, column: Column) -> ex.Expr:
        """The value a column gets when none is given; a generated one gets its own once the row is made."""
        if column.identity:
            return self._identity_value(table, column)
        if column.generated:
            return ex.Const(column.type, None)
        default = column.default or self.context.domain_default(column.type)
        if default is None and not column.type.domain:
            return ex.Const(column.type, None)
        value = ex.Const(SqlType(oids.UNKNOWN), None) if default is None else default.expr
        return self.coercer.assign(value, column.type, column.name, None)

    def _identity_value(self, table: Table, column: Column) -> ex.Expr:
        sequence = self.context.database.owned_sequence(table.oid, column.attnum)
        assert sequence is not None, "an identity column owns a sequence"
        function, types, result = resolve_function("nextval", [oids.REGCLASS])
        call = ex.Call(SqlType(result), function, (ex.Const(SqlType(types[0]), sequence.oid),))  # type: ignore[arg-type]
        return self.coercer.assign(call, column.type, column.name, None)

    def column_named(self, table: Table, name: str, position: int | None) -> Column:
        """The column of that name.  Raises UndefinedColumn."""
        column = table.column_named(name)
        if column is None:
            raise errors.UndefinedColumn(
                f'column "{name}" of relation "{table.name}" does not exist', position=position
            )
        return column

    # --- INSERT ----------------------------------------

    def _insert(self, node: Node) -> q.Query:
        table = self._table(node.this, "insert into")
        targets = self._insert_targets(node, table)
        overriding = node.args.get("overriding")
        source, values = self._source(node, table, targets)
        range_id = self.context.new_range()
        written = [] if node.args.get("expression") is None else [t.column.position for t in targets]
        self.context.note_write(range_id, table.oid, INSERT, written[: len(values)])
        row: list[ex.Expr] = [ex.Const(SqlType(oids.UNKNOWN), None)] * table.width
        for column in table.live_columns:
            row[column.position] = self._inserted(table, column, targets, values, overriding)
        target = self.target(table, range_id)
        scope = Scope(None, [self.range_of(table, node.this, range_id)])
        clause = node.args.get("conflict")
        conflict = None if clause is None else ConflictBinder(self, table, node, range_id).bind(clause)
        returning, columns = self._returning(node, scope)
        return q.Insert(columns, target, source, tuple(row), returning, conflict)

    def _inserted(
        self,
        table: Table,
        column: Column,
        targets: list[InsertTarget],
        values: list[ex.Expr | None],
        overriding: str | None,
    ) -> ex.Expr:
        """A column's value in the new row: what is given for it or for parts of it, else its default."""
        given = [(t, v) for t, v in zip(targets, values, strict=False) if t.column == column]
        if not given:
            return self.default(table, column)
        value: ex.Expr | None = ex.Const(column.type, None)
        binder = be.ExpressionBinder(self.queries, Scope(), be.VALUES)
        for target, new in given:
            if target.part is None:
                value = new
            elif new is None or value is None:
                raise errors.NotSupportedError("cannot set an array element to DEFAULT")
            else:
                value = assign_part(binder, value, column, target.part, new)
        if column.generated and value is not None:
            raise errors.GeneratedAlways(
                f'cannot insert a non-DEFAULT value into column "{column.name}"',
                detail=f'Column "{column.name}" is a generated column.',
            )
        if column.identity and value is not None:
            value = self._identity_given(column, value, overriding)
        return self.default(table, column) if value is None else value

    def _identity_given(self, column: Column, value: ex.Expr, overriding: str | None) -> ex.Expr | None:
        if overriding == "USER":
            return None
        if column.identity == "a" and overriding != "SYSTEM":
            raise errors.GeneratedAlways(
                f'cannot insert a non-DEFAULT value into column "{column.name}"',
                detail=f'Column "{column.name}" is an identity column defined as GENERATED ALWAYS.',
                hint="Use OVERRIDING SYSTEM VALUE to override.",
            )
        return value

    def _insert_targets(self, node: Node, table: Table) -> list[InsertTarget]:
        if not node.args.get("columns"):
            return [InsertTarget(column, None, None) for column in table.live_columns]
        found: list[InsertTarget] = []
        for item in node.args["columns"]:
            column = target_column(self, table, item)
            part = item if isinstance(item, (exp.Bracket, exp.Dot)) else None
            if any(t.column == column and (t.part is None or part is None) for t in found):
                raise errors.DuplicateColumn(
                    f'column "{column.name}" specified more than once', position=position_of(item)
                )
            found.append(InsertTarget(column, part, position_of(item)))
        return found

    def _source(
        self, node: Node, table: Table, targets: list[InsertTarget]
    ) -> tuple[q.Relation, list[ex.Expr | None]]:
        """(where rows come from, the value of each target; None for DEFAULT)."""
        query = node.args.get("expression")
        if query is None:
            return q.OneRow(), [None] * len(targets)
        if isinstance(query, exp.Values) and not any(
            query.args.get(p) for p in ("with_", "order", "limit", "offset")
        ):
            return self._values(query, table, targets, node)
        bound = self.queries.query(query, None, final=False)
        places = [output_position(query, n) for n in range(len(bound.columns))]
        self._check_count(places, targets, node)
        given = targets[: len(bound.columns)]
        for output, target, place in zip(bound.columns, given, places, strict=True):
            if output.type.oid != oids.UNKNOWN and target.part is None:
                probe = ex.Column(output.type, 0, 0, output.name)
                self.coercer.assign(probe, target.column.type, target.column.name, place)
        wanted = [t.column.type if t.part is None else self._part_type(t) for t in given]
        bound = self.queries.with_types(bound, wanted, "a")
        range_id = self.context.new_range()
        return q.Derived(range_id, bound), [
            ex.Column(c.type, range_id, n, c.name) for n, c in enumerate(bound.columns)
        ]

    def _part_type(self, target: InsertTarget) -> SqlType:
        """What is assigned to a part of a column."""
        assert target.part is not None
        return part_type(self.queries.io, target.column, target.part)

    def _check_count(self, places: list[int | None], targets: list[InsertTarget], node: Node) -> None:
        """As many values as targets, or fewer where no targets are written.  `places` are the values'."""
        if len(places) > len(targets):
            raise errors.SyntaxError(
                "INSERT has more expressions than target columns", position=places[len(targets)]
            )
        if node.args.get("columns") and len(places) < len(targets):
            raise errors.SyntaxError(
                "INSERT has more target columns than expressions",
                hint=_row_hint(node, len(targets)),
                position=targets[len(places)].position,
            )

    def _values(
        self, node: Node, table: Table, targets: list[InsertTarget], insert: Node
    ) -> tuple[q.Relation, list[ex.Expr | None]]:
        first = node.expressions[0]
        self._check_count([start_of(cell) for cell in first.expressions], targets, insert)
        targets = targets[: len(first.expressions)]
        if len(node.expressions) == 1 and node.args.get("row_list") is None:
            return q.OneRow(), self._single_row(first, targets)
        if any(t.part is not None for t in targets):
            raise errors.NotSupportedError("assigning to a part of a column in several rows is not supported")
        given = [t.column for t in targets]
        node = self._with_defaults(node)
        wanted: list[SqlType | None] = [c.type for c in given]
        values, _ = self.queries.values(node, None, wanted)
        values = self._assigned(values, table, given, node)
        return values, [
            None if all(defaults) else ex.Column(c.type, values.range_id, n, c.name)
            for n, (c, defaults) in enumerate(zip(given, zip(*self._defaults, strict=True), strict=True))
        ]

    def _single_row(self, row: Node, targets: list[InsertTarget]) -> list[ex.Expr | None]:
        binder = be.ExpressionBinder(self.queries, Scope(), be.VALUES)
        values: list[ex.Expr | None] = []
        for cell, target in zip(row.expressions, targets, strict=False):
            if is_default(cell):
                values.append(None)
            elif target.part is not None:
                values.append(binder.bind(cell))
            else:
                column = target.column
                values.append(
                    self.coercer.assign(binder.bind(cell), column.type, column.name, start_of(cell))
                )
        return values

    def _with_defaults(self, node: Node) -> Node:
        """DEFAULT inside a longer VALUES list stands for a NULL literal that `_assigned` replaces."""
        self._defaults = [[is_default(cell) for cell in row.expressions] for row in node.expressions]
        for row in node.expressions:
            row.set("expressions", [exp.Null() if is_default(cell) else cell for cell in row.expressions])
        return node

    def _assigned(self, values: q.Values, table: Table, given: list[Column], node: Node) -> q.Values:
        def assign(cells: tuple[ex.Expr, ...], row: Node, defaults: list[bool]) -> tuple[ex.Expr, ...]:
            made: list[ex.Expr] = []
            parts = zip(cells, row.expressions, given, defaults, strict=False)
            for number, (cell, cell_node, column, default) in enumerate(parts):
                if number in unread:
                    made.append(ex.Const(column.type, None))
                elif default:
                    made.append(self.default(table, column))
                else:
                    made.append(self.coercer.assign(cell, column.type, column.name, start_of(cell_node)))
            return tuple(made)

        unread = {n for n, defaults in enumerate(zip(*self._defaults, strict=True)) if all(defaults)}
        types = tuple(c.type for c in given)
        shapes = zip(node.expressions, self._defaults, strict=True)
        if values.templates:
            templates = tuple(
                replace(t, exprs=assign(t.exprs, row, d))
                for t, (row, d) in zip(values.templates, shapes, strict=True)
            )
            return replace(values, templates=templates, types=types)
        rows = tuple(assign(r, row, d) for r, (row, d) in zip(values.rows, shapes, strict=True))
        return replace(values, rows=rows, types=types)

    # --- UPDATE and DELETE ----------------------------------------

    def _update(self, node: Node) -> q.Query:
        table = self._table(node.this, "update")
        scan_range, new_range = self.context.new_range(), self.context.new_range()
        old = self.range_of(table, node.this, scan_range)
        scope = Scope(None, [old])
        self.context.note_write(new_range, table.oid, 0)
        source: q.Relation = q.Scan(scan_range, table.oid, table.width, table.name)
        others = Scope()
        if node.args.get("from_") is not None:
            from_scope = Scope(None)
            joined = FromBinder(self.queries, from_scope).from_clause(node.args["from_"])
            source = q.Join("inner", source, joined, None)
            others = from_scope
            for item in others.ranges:
                scope.add(item)
            scope.merged = from_scope.merged
        if node.args.get("where") is not None:
            binder = be.ExpressionBinder(self.queries, scope, be.WHERE)
            source = q.Filter(source, binder.condition(node.args["where"].this, "WHERE"))

        def kept(column: Column) -> ex.Expr:
            return ex.Column(column.type, scan_range, column.position, column.name, not column.not_null)

        updates = AssignmentBinder(self, table, scope, kept).bind(node.expressions)
        self.context.note_write(scan_range, table.oid, UPDATE, updates)
        row: list[ex.Expr] = [ex.Const(SqlType(oids.UNKNOWN), None)] * table.width
        for column in table.live_columns:
            row[column.position] = updates.get(column.position, kept(column))
        returning_scope = Scope()
        for item in (self.range_of(table, node.this, new_range), *others.ranges):
            returning_scope.add(item)
        returning_scope.merged = others.merged
        returning_scope.outputs[len(table.live_columns) :] = others.outputs
        returning, columns = self._returning(node, returning_scope)
        target = self.target(table, new_range)
        return q.Update(columns, target, scan_range, source, tuple(row), tuple(updates), returning)

    def _delete(self, node: Node) -> q.Query:
        table = self._table(node.this, "delete from")
        range_id = self.context.new_range()
        scope = Scope()
        self.context.note_write(range_id, table.oid, DELETE)
        scope.add(self.range_of(table, node.this, range_id))
        source: q.Relation = q.Scan(range_id, table.oid, table.width, table.name)
        if node.args.get("using") is not None:
            from_scope = Scope(None)
            joined = FromBinder(self.queries, from_scope).from_clause(node.args["using"])
            source = q.Join("inner", source, joined, None)
            for item in from_scope.ranges:
                scope.add(item)
            scope.merged = from_scope.merged
            scope.outputs[len(table.live_columns) :] = from_scope.outputs
        if node.args.get("where") is not None:
            binder = be.ExpressionBinder(self.queries, scope, be.WHERE)
            source = q.Filter(source, binder.condition(node.args["where"].this, "WHERE"))
        returning, columns = self._returning(node, scope)
        return q.Delete(columns, self.target(table, range_id), source, returning)


def _row_hint(insert: Node, count: int) -> str | None:
    """VALUES ((a, b)) where two values are wanted."""
    rows = insert.args["expression"].expressions
    row = rows[0] if isinstance(insert.args["expression"], exp.Values) and rows else None
    if row is None or len(row.expressions) != 1 or not isinstance(row.expressions[0], exp.Tuple):
        return None
    if len(row.expressions[0].expressions) != count:
        return None
    return (
        "The insertion source is a row expression containing the same number of columns expected by the INSERT."
        " Did you accidentally use extra parentheses?"
    )
