"""Binding ON CONFLICT: which unique indexes are meant, and what DO UPDATE assigns."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from sqlglot import exp

from skerry_engine import errors
from skerry_engine.algebra import expressions as ex
from skerry_engine.algebra import queries as q
from skerry_engine.algebra.traversal import conjuncts
from skerry_engine.catalog.objects import Column, IndexDef, Table
from skerry_engine.sql.binder import expressions as be
from skerry_engine.sql.binder.assignments import AssignmentBinder
from skerry_engine.sql.binder.hints import missing_column
from skerry_engine.sql.binder.scope import Scope
from skerry_engine.sql.binder.whitelist import check
from skerry_engine.sql.bridge import position_of

if TYPE_CHECKING:
    from skerry_engine.sql.binder.changes import ChangeBinder

Node = exp.Expression


class ConflictBinder:
    """Binds the ON CONFLICT clause of one INSERT."""

    def __init__(self, changes: ChangeBinder, table: Table, insert: Node, range_id: int) -> None:
        self.changes = changes
        self.context = changes.context
        self.table = table
        self.insert = insert
        self.range_id = range_id

    def bind(self, clause: Node) -> q.OnConflict:
        """The clause."""
        check(clause)
        arbiters = self._arbiters(clause)
        excluded = self.context.new_range()
        if clause.args["action"] != "UPDATE":
            return q.OnConflict(arbiters, excluded, (), None, False)
        if not arbiters:
            raise errors.SyntaxError(
                "ON CONFLICT DO UPDATE requires inference specification or constraint name",
                hint="For example, ON CONFLICT (column_name).",
                position=position_of(clause),
            )
        target_range = self.changes.range_of(self.table, self.insert.this, self.range_id)
        excluded_range = self.changes.range_of(self.table, self.insert.this, excluded)
        excluded_range.alias, excluded_range.schema = "excluded", None
        scope = Scope(None, [target_range, excluded_range])
        updates = AssignmentBinder(self.changes, self.table, scope, self._current).bind(clause.expressions)
        where = clause.args.get("where")
        condition = None
        if where is not None:
            binder = be.ExpressionBinder(self.changes.queries, scope, be.WHERE)
            condition = binder.condition(where.this, "WHERE")
        return q.OnConflict(arbiters, excluded, tuple(updates.items()), condition, True)

    def _current(self, column: Column) -> ex.Expr:
        return ex.Column(column.type, self.range_id, column.position, column.name, not column.not_null)

    def _arbiters(self, clause: Node) -> tuple[int, ...]:
        constraint = clause.args.get("constraint")
        if constraint is not None:
            found = self.table.constraint_named(constraint.this)
            if found is None or not found.index_oid or found.kind == "f":
                raise errors.UndefinedObject(
                    f'constraint "{constraint.this}" for table "{self.table.name}" does not exist'
                )
            return (found.index_oid,)
        keys = clause.args.get("conflict_keys")
        if not keys:
            return ()
        attnums, exprs = self._keys(clause, keys)
        given = self._predicate(clause.args.get("index_predicate"))
        matching = [i.oid for i in self.table.indexes if _is_arbiter(i, attnums, exprs, given)]
        if not matching:
            raise errors.InvalidColumnReference(
                "there is no unique or exclusion constraint matching the ON CONFLICT specification"
            )
        return tuple(matching)

    def _keys(self, clause: Node, keys: list[Node]) -> tuple[set[int], list[ex.Expr]]:
        """The columns, by number, and the expressions that an index must have as keys."""
        scope = Scope(None, [self.changes.range_of(self.table, self.insert.this, 0)])
        attnums: set[int] = set()
        exprs: list[ex.Expr] = []
        for key in keys:
            bare = key.this if isinstance(key, exp.Collate) else key
            if isinstance(bare, exp.Column) and bare.args.get("table") is None:
                column = self.table.column_named(bare.this.this)
                if column is None:
                    place = clause.meta.get("target", position_of(bare))
                    raise missing_column(scope, None, bare.this.this, place)
                attnums.add(column.attnum)
            else:
                binder = be.ExpressionBinder(self.changes.queries, scope, be.Place("index expressions"))
                exprs.append(_plain(binder.bind(bare)))
        return attnums, exprs

    def _predicate(self, node: Node | None) -> list[ex.Expr]:
        """The conditions that are given to hold."""
        if node is None:
            return []
        scope = Scope(None, [self.changes.range_of(self.table, self.insert.this, 0)])
        binder = be.ExpressionBinder(self.changes.queries, scope, be.Place("index predicates"))
        return [_plain(part) for part in conjuncts(binder.condition(node, "WHERE"))]


def _is_arbiter(index: IndexDef, attnums: set[int], exprs: list[ex.Expr], given: list[ex.Expr]) -> bool:
    """Whether the index is unique over just these keys, for the rows that the given conditions describe."""
    if not index.unique:
        return False
    expressions = [_plain(key.expression.expr) for key in index.keys if key.expression is not None]
    if {key.attnum for key in index.keys if key.attnum} != attnums:
        return False
    if any(expr not in exprs for expr in expressions) or any(expr not in expressions for expr in exprs):
        return False
    if index.predicate is None:
        return True
    return all(_plain(part) in given for part in conjuncts(index.predicate.expr))


def _plain(expr: ex.Expr) -> ex.Expr:
    """The expression without what may differ between two bindings of the same text."""

    def change(node: ex.Expr) -> ex.Expr | None:
        return replace(node, name="", nullable=True) if isinstance(node, ex.Column) else None

    return ex.transform(expr, change)
