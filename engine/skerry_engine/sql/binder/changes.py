"""Binding INSERT, UPDATE and DELETE.

Whatever the statement mentions, a change is bound to the full new row: given values, defaults, identity, NULL.  CHECK
constraints are bound over the new row's range; RETURNING over the row after (DELETE: before) the change.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from sqlglot import exp

from skerry_engine import errors
from skerry_engine.algebra import expressions as ex
from skerry_engine.algebra import queries as q
from skerry_engine.catalog.objects import Column, IndexDef, SystemTable, Table, View
from skerry_engine.functions.resolve import resolve_function
from skerry_engine.sql.binder import expressions as be
from skerry_engine.sql.binder.from_clause import FromBinder
from skerry_engine.sql.binder.scope import Range, Scope, ScopeColumn
from skerry_engine.sql.binder.whitelist import check
from skerry_engine.sql.bridge import position_of, start_of
from skerry_engine.values import oids
from skerry_engine.values.types import SqlType

if TYPE_CHECKING:
    from skerry_engine.sql.binder.queries import Item, QueryBinder

Node = exp.Expression


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
            into = {"insert into": "insert into", "update": "update", "delete from": "delete from"}[verb]
            raise errors.ObjectNotInPrerequisiteState(
                f'cannot {into} view "{name}"', detail="Views that are written through are not supported."
            )
        if isinstance(found, SystemTable):
            raise errors.InsufficientPrivilege(f"permission denied for table {found.name}")
        if not isinstance(found, Table):
            raise errors.WrongObjectType(f'cannot {verb.split()[0]} "{name}"', position=position)
        return found

    def _target(self, table: Table, range_id: int) -> q.Target:
        names = [""] * table.width
        for column in table.columns:
            names[column.position] = column.name
        checks = tuple(
            (c.name, over_range(c.check.expr, range_id))
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
        )

    def _range(self, table: Table, node: Node, range_id: int) -> Range:
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
        """The value a column gets when none is given."""
        if column.identity:
            return self._identity_value(table, column)
        if column.default is None:
            return ex.Const(column.type, None)
        return column.default.expr

    def _identity_value(self, table: Table, column: Column) -> ex.Expr:
        sequence = self.context.database.owned_sequence(table.oid, column.attnum)
        assert sequence is not None, "an identity column owns a sequence"
        function, types, result = resolve_function("nextval", [oids.REGCLASS])
        call = ex.Call(SqlType(result), function, (ex.Const(SqlType(types[0]), sequence.oid),))  # type: ignore[arg-type]
        return self.coercer.assign(call, column.type, column.name, None)

    def _column_named(self, table: Table, name: str, position: int | None) -> Column:
        column = table.column_named(name)
        if column is None:
            raise errors.UndefinedColumn(
                f'column "{name}" of relation "{table.name}" does not exist', position=position
            )
        return column

    # --- INSERT ----------------------------------------

    def _insert(self, node: Node) -> q.Query:
        table = self._table(node.this, "insert into")
        given = self._insert_columns(node, table)
        overriding = node.args.get("overriding")
        source, values = self._source(node, table, given)
        range_id = self.context.new_range()
        row: list[ex.Expr] = [ex.Const(SqlType(oids.UNKNOWN), None)] * table.width
        for column in table.live_columns:
            if column in given and given.index(column) < len(values):
                value = values[given.index(column)]
                if column.identity and value is not None:
                    value = self._identity_given(column, value, overriding)
                row[column.position] = self.default(table, column) if value is None else value
            else:
                row[column.position] = self.default(table, column)
        target = self._target(table, range_id)
        scope = Scope(None, [self._range(table, node.this, range_id)])
        conflict = self._conflict(node, table, range_id)
        returning, columns = self._returning(node, scope)
        return q.Insert(columns, target, source, tuple(row), returning, conflict)

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

    def _insert_columns(self, node: Node, table: Table) -> list[Column]:
        if not node.args.get("columns"):
            return list(table.live_columns)
        found: list[Column] = []
        for item in node.args["columns"]:
            if not isinstance(item, exp.Column):
                raise errors.NotSupportedError("assigning to a part of a column is not supported")
            column = self._column_named(table, item.this.this, position_of(item))
            if column in found:
                raise errors.DuplicateColumn(
                    f'column "{column.name}" specified more than once', position=position_of(item)
                )
            found.append(column)
        return found

    def _source(
        self, node: Node, table: Table, given: list[Column]
    ) -> tuple[q.Relation, list[ex.Expr | None]]:
        """(where rows come from, the value of each given column; None for DEFAULT)."""
        query = node.args.get("expression")
        if query is None:
            return q.OneRow(), [None] * len(given)
        if isinstance(query, exp.Values) and not any(
            query.args.get(p) for p in ("with_", "order", "limit", "offset")
        ):
            return self._values(query, table, given, node)
        bound = self.queries.query(query, None, final=False)
        if len(bound.columns) > len(given):
            self._wrong_count(True, node)
        if node.args.get("columns") and len(bound.columns) < len(given):
            self._wrong_count(False, node)
        types = [c.type for c in given[: len(bound.columns)]]
        self._check_assignable(bound, given, node)
        bound = self.queries.with_types(bound, types, "a")
        range_id = self.context.new_range()
        values: list[ex.Expr | None] = [
            ex.Column(c.type, range_id, n, c.name) for n, c in enumerate(bound.columns)
        ]
        return q.Derived(range_id, bound), values

    def _check_assignable(self, bound: q.Query, given: list[Column], node: Node) -> None:
        for output, column in zip(bound.columns, given, strict=False):
            probe = ex.Column(output.type, 0, 0, output.name)
            if output.type.oid != oids.UNKNOWN:
                self.coercer.assign(probe, column.type, column.name, position_of(node))

    def _wrong_count(self, too_many: bool, node: Node) -> None:
        raise errors.SyntaxError(
            "INSERT has more expressions than target columns"
            if too_many
            else "INSERT has more target columns than expressions",
            position=position_of(node),
        )

    def _values(
        self, node: Node, table: Table, given: list[Column], insert: Node
    ) -> tuple[q.Relation, list[ex.Expr | None]]:
        first = node.expressions[0]
        if len(first.expressions) > len(given):
            self._wrong_count(True, insert)
        if insert.args.get("columns") and len(first.expressions) < len(given):
            self._wrong_count(False, insert)
        given = given[: len(first.expressions)]
        if len(node.expressions) == 1 and node.args.get("row_list") is None:
            return q.OneRow(), self._single_row(first, given)
        node = self._with_defaults(node, table, given)
        wanted: list[SqlType | None] = [c.type for c in given]
        values, _ = self.queries.values(node, None, wanted)
        values = self._assigned(values, table, given, node)
        return values, [ex.Column(c.type, values.range_id, n, c.name) for n, c in enumerate(given)]

    def _single_row(self, row: Node, given: list[Column]) -> list[ex.Expr | None]:
        binder = be.ExpressionBinder(self.queries, Scope(), be.VALUES)
        values: list[ex.Expr | None] = []
        for cell, column in zip(row.expressions, given, strict=False):
            if _is_default(cell):
                values.append(None)
            else:
                values.append(
                    self.coercer.assign(binder.bind(cell), column.type, column.name, start_of(cell))
                )
        return values

    def _with_defaults(self, node: Node, table: Table, given: list[Column]) -> Node:
        """DEFAULT inside a longer VALUES list stands for a NULL literal that `_assigned` replaces."""
        self._defaults = [[_is_default(cell) for cell in row.expressions] for row in node.expressions]
        for row in node.expressions:
            row.set("expressions", [exp.Null() if _is_default(cell) else cell for cell in row.expressions])
        return node

    def _assigned(self, values: q.Values, table: Table, given: list[Column], node: Node) -> q.Values:
        def assign(cells: tuple[ex.Expr, ...], defaults: list[bool]) -> tuple[ex.Expr, ...]:
            made: list[ex.Expr] = []
            for cell, column, is_default in zip(cells, given, defaults, strict=False):
                if is_default:
                    made.append(self.default(table, column))
                else:
                    made.append(self.coercer.assign(cell, column.type, column.name, position_of(node)))
            return tuple(made)

        types = tuple(c.type for c in given)
        if values.templates:
            templates = tuple(
                replace(t, exprs=assign(t.exprs, d))
                for t, d in zip(values.templates, self._defaults, strict=True)
            )
            return replace(values, templates=templates, types=types)
        rows = tuple(assign(row, d) for row, d in zip(values.rows, self._defaults, strict=True))
        return replace(values, rows=rows, types=types)

    # --- ON CONFLICT ----------------------------------------

    def _conflict(self, node: Node, table: Table, range_id: int) -> q.OnConflict | None:
        clause = node.args.get("conflict")
        if clause is None:
            return None
        check(clause)
        arbiters = self._arbiters(clause, table)
        excluded = self.context.new_range()
        do_update = clause.args["action"] == "UPDATE"
        if not do_update:
            return q.OnConflict(arbiters, excluded, (), None, False)
        if not arbiters:
            raise errors.SyntaxError(
                "ON CONFLICT DO UPDATE requires inference specification or constraint name",
                hint="For example, ON CONFLICT (column_name).",
                position=position_of(clause),
            )
        target_range = self._range(table, node.this, range_id)
        excluded_range = self._range(table, node.this, excluded)
        excluded_range.alias = "excluded"
        scope = Scope(None, [target_range, excluded_range])
        unqualified = Scope(None, [target_range])
        updates = self._assignments(clause.expressions, table, scope, unqualified)
        where = clause.args.get("where")
        condition = None
        if where is not None:
            condition = be.ExpressionBinder(self.queries, scope, be.WHERE).condition(where.this, "WHERE")
        return q.OnConflict(arbiters, excluded, tuple(updates.items()), condition, True)

    def _arbiters(self, clause: Node, table: Table) -> tuple[int, ...]:
        constraint = clause.args.get("constraint")
        if constraint is not None:
            found = table.constraint_named(constraint.this)
            if found is None or not found.index_oid or found.kind == "f":
                raise errors.UndefinedObject(
                    f'constraint "{constraint.this}" for table "{table.name}" does not exist',
                    position=position_of(clause),
                )
            return (found.index_oid,)
        keys = clause.args.get("conflict_keys")
        if not keys:
            return ()
        if clause.args.get("index_predicate") is not None:
            raise errors.NotSupportedError("ON CONFLICT with an index predicate is not supported")
        wanted: set[int] = set()
        for key in keys:
            bare = key.this if isinstance(key, exp.Collate) else key
            if not isinstance(bare, exp.Column):
                raise errors.NotSupportedError(
                    "ON CONFLICT on an expression is not supported", position=position_of(key)
                )
            wanted.add(self._column_named(table, bare.this.this, position_of(bare)).attnum)
        matching = [i.oid for i in table.indexes if _is_arbiter(i, wanted)]
        if not matching:
            raise errors.InvalidColumnReference(
                "there is no unique or exclusion constraint matching the ON CONFLICT specification",
                position=None,
            )
        return tuple(matching)

    # --- UPDATE and DELETE ----------------------------------------

    def _update(self, node: Node) -> q.Query:
        table = self._table(node.this, "update")
        scan_range, new_range = self.context.new_range(), self.context.new_range()
        old = self._range(table, node.this, scan_range)
        scope = Scope(None, [old])
        source: q.Relation = q.Scan(scan_range, table.oid, table.width, table.name)
        others: list[Range] = []
        if node.args.get("from_") is not None:
            from_scope = Scope(None)
            joined = FromBinder(self.queries, from_scope).from_clause(node.args["from_"])
            source = q.Join("inner", source, joined, None)
            others = from_scope.ranges
            for item in others:
                scope.add(item)
            scope.merged = from_scope.merged
        if node.args.get("where") is not None:
            binder = be.ExpressionBinder(self.queries, scope, be.WHERE)
            source = q.Filter(source, binder.condition(node.args["where"].this, "WHERE"))
        updates = self._assignments(node.expressions, table, scope, scope)
        row: list[ex.Expr] = [ex.Const(SqlType(oids.UNKNOWN), None)] * table.width
        for column in table.live_columns:
            kept = ex.Column(column.type, scan_range, column.position, column.name, not column.not_null)
            row[column.position] = updates.get(column.position, kept)
        returning_scope = Scope(None, [self._range(table, node.this, new_range), *others])
        returning, columns = self._returning(node, returning_scope)
        target = self._target(table, new_range)
        return q.Update(columns, target, scan_range, source, tuple(row), tuple(updates), returning)

    def _assignments(
        self, nodes: list[Node], table: Table, scope: Scope, _unqualified: Scope
    ) -> dict[int, ex.Expr]:
        """SET clauses as {position: value}."""
        binder = be.ExpressionBinder(self.queries, scope, be.UPDATE_SET)
        updates: dict[int, ex.Expr] = {}
        for node in nodes:
            if isinstance(node.this, exp.Tuple):
                self._multiple(node, table, binder, updates)
                continue
            if not isinstance(node.this, exp.Column):
                raise errors.NotSupportedError("assigning to a part of a column is not supported")
            self._assign_one(node.this, node.expression, table, binder, updates)
        return updates

    def _assign_one(
        self, name: Node, value: Node, table: Table, binder: be.ExpressionBinder, updates: dict[int, ex.Expr]
    ) -> None:
        column = self._assigned_column(name, table, updates)
        if _is_default(value):
            updates[column.position] = self.default(table, column)
            return
        if column.identity == "a":
            raise errors.GeneratedAlways(
                f'column "{column.name}" can only be updated to DEFAULT',
                detail=f'Column "{column.name}" is an identity column defined as GENERATED ALWAYS.',
            )
        updates[column.position] = self.coercer.assign(
            binder.bind(value), column.type, column.name, start_of(value)
        )

    def _assigned_column(self, name: Node, table: Table, updates: dict[int, ex.Expr]) -> Column:
        if name.args.get("table") is not None:
            raise errors.UndefinedColumn(
                f'column "{name.args["table"].this}" of relation "{table.name}" does not exist',
                position=position_of(name),
            )
        column = self._column_named(table, name.this.this, position_of(name))
        if column.position in updates:
            raise errors.SyntaxError(
                f'multiple assignments to same column "{column.name}"', position=position_of(name)
            )
        return column

    def _multiple(
        self, node: Node, table: Table, binder: be.ExpressionBinder, updates: dict[int, ex.Expr]
    ) -> None:
        """SET (a, b) = (x, y) or = (SELECT ...)."""
        names, value = node.this.expressions, node.expression
        if isinstance(value, exp.Tuple):
            if len(value.expressions) != len(names):
                raise errors.SyntaxError(
                    "number of columns does not match number of values", position=position_of(node)
                )
            for name, cell in zip(names, value.expressions, strict=True):
                self._assign_one(name, cell, table, binder, updates)
            return
        if not isinstance(value, exp.Subquery):
            raise errors.NotSupportedError(
                "source for a multiple-column UPDATE item must be a sub-SELECT or ROW() expression",
                position=position_of(value),
            )
        query = self.queries.subquery(value, binder.scope)
        if len(query.columns) != len(names):
            raise errors.SyntaxError(
                "number of columns does not match number of values", position=position_of(node)
            )
        for n, name in enumerate(names):
            column = self._assigned_column(name, table, updates)
            single = self._single_output(query, n)
            expr = ex.SubqueryExpr(single.columns[0].type, "scalar", single)
            updates[column.position] = self.coercer.assign(expr, column.type, column.name, start_of(value))

    def _single_output(self, query: q.Query, n: int) -> q.Query:
        range_id = self.context.new_range()
        column = query.columns[n]
        read = ex.Column(column.type, range_id, n, column.name)
        return q.Select((column,), q.Derived(range_id, query), (read,))

    def _delete(self, node: Node) -> q.Query:
        table = self._table(node.this, "delete from")
        range_id = self.context.new_range()
        scope = Scope(None, [self._range(table, node.this, range_id)])
        source: q.Relation = q.Scan(range_id, table.oid, table.width, table.name)
        if node.args.get("using") is not None:
            from_scope = Scope(None)
            joined = FromBinder(self.queries, from_scope).from_clause(node.args["using"])
            source = q.Join("inner", source, joined, None)
            for item in from_scope.ranges:
                scope.add(item)
        if node.args.get("where") is not None:
            binder = be.ExpressionBinder(self.queries, scope, be.WHERE)
            source = q.Filter(source, binder.condition(node.args["where"].this, "WHERE"))
        returning, columns = self._returning(node, scope)
        return q.Delete(columns, self._target(table, range_id), source, returning)


def over_range(expr: ex.Expr, range_id: int) -> ex.Expr:
    """A stored expression (over range 0) as one over `range_id`."""

    def change(node: ex.Expr) -> ex.Expr | None:
        if isinstance(node, ex.Column) and node.range_id == 0:
            return replace(node, range_id=range_id)
        return None

    return ex.transform(expr, change)


def _is_default(node: Node) -> bool:
    return isinstance(node, exp.Var) and str(node.this).upper() == "DEFAULT"


def _is_arbiter(index: IndexDef, attnums: set[int]) -> bool:
    return (
        index.unique
        and index.predicate is None
        and len(index.keys) == len(attnums)
        and {key.attnum for key in index.keys} == attnums
    )
