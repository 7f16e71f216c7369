"""Binding ON CONFLICT: which unique indexes are meant, and what DO UPDATE assigns."""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from typing import TYPE_CHECKING, Any

from sqlglot import exp

from skerry_engine import errors
from skerry_engine.algebra import expressions as ex
from skerry_engine.algebra import queries as q
from skerry_engine.algebra.traversal import conjuncts
from skerry_engine.catalog.objects import Column, IndexDef, Table
from skerry_engine.catalog.privileges import UPDATE
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
        arbiters, guards = self._arbiters(clause)
        excluded = self.context.new_range()
        if clause.args["action"] != "UPDATE":
            return q.OnConflict(arbiters, excluded, (), None, False, guards)
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
        self.context.note_write(self.range_id, self.table.oid, UPDATE, updates)
        where = clause.args.get("where")
        condition = None
        if where is not None:
            binder = be.ExpressionBinder(self.changes.queries, scope, be.WHERE)
            condition = binder.condition(where.this, "WHERE")
        return q.OnConflict(arbiters, excluded, tuple(updates.items()), condition, True, guards)

    def _current(self, column: Column) -> ex.Expr:
        return ex.Column(column.type, self.range_id, column.position, column.name, not column.not_null)

    def _arbiters(self, clause: Node) -> tuple[tuple[int, ...], tuple[ex.Expr, ...]]:
        """The indexes, and what parameters must be for them to be those described."""
        constraint = clause.args.get("constraint")
        if constraint is not None:
            found = self.table.constraint_named(constraint.this)
            if found is None or not found.index_oid or found.kind == "f":
                raise errors.UndefinedObject(
                    f'constraint "{constraint.this}" for table "{self.table.name}" does not exist'
                )
            return (found.index_oid,), ()
        keys = clause.args.get("conflict_keys")
        if not keys:
            return (), ()
        attnums, exprs = self._keys(clause, keys)
        given = self._predicate(clause.args.get("index_predicate"))
        over_keys = [i for i in self.table.indexes if _is_over_keys(i, attnums, exprs)]
        matching = [i.oid for i in over_keys if _missing_guards(i, given) == []]
        if matching:
            return tuple(matching), ()
        for index in over_keys:
            missing = _missing_guards(index, given)
            if missing is not None:
                return (index.oid,), tuple(self._equal(*pair) for pair in missing)
        raise errors.InvalidColumnReference(
            "there is no unique or exclusion constraint matching the ON CONFLICT specification"
        )

    def _equal(self, given: ex.Expr, wanted: ex.Expr) -> ex.Expr:
        binder = be.ExpressionBinder(self.changes.queries, Scope(), be.WHERE)
        return binder.operator("=", given, wanted, None)

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


def _is_over_keys(index: IndexDef, attnums: set[int], exprs: list[ex.Expr]) -> bool:
    """Whether the index is unique over just these keys."""
    if not index.unique:
        return False
    expressions = [_plain(key.expression.expr) for key in index.keys if key.expression is not None]
    if {key.attnum for key in index.keys if key.attnum} != attnums:
        return False
    return all(expr in exprs for expr in expressions) and all(expr in expressions for expr in exprs)


def _missing_guards(index: IndexDef, given: list[ex.Expr]) -> list[tuple[ex.Expr, ex.Expr]] | None:
    """What of the given conditions must equal which constant for the index to hold the rows that they describe; None
    if it does not."""
    found: list[tuple[ex.Expr, ex.Expr]] = []
    for part in () if index.predicate is None else conjuncts(index.predicate.expr):
        wanted = _plain(part)
        if wanted in given:
            continue
        guards = next((g for g in (_differences(each, wanted) for each in given) if g is not None), None)
        if guards is None:
            return None
        found += guards
    return found


def _differences(given: Any, wanted: Any) -> list[tuple[ex.Expr, ex.Expr]] | None:
    """Pairs of what parameters make in `given` and the constants that `wanted` has there; None if they differ in
    anything else."""
    if given == wanted:
        return []
    if isinstance(wanted, ex.Const) and isinstance(given, ex.Expr) and given.type.oid == wanted.type.oid:
        nodes = list(ex.walk(given))
        is_of_parameters = any(isinstance(node, ex.Param) for node in nodes)
        if is_of_parameters and not any(isinstance(node, ex.Column) for node in nodes):
            return [(given, wanted)]
    if type(given) is not type(wanted):
        return None
    if isinstance(given, tuple):
        pairs = list(zip(given, wanted, strict=False)) if len(given) == len(wanted) else [(0, 1)]
    elif is_dataclass(given) and isinstance(given, ex.Expr):
        pairs = [(getattr(given, f.name), getattr(wanted, f.name)) for f in fields(given)]
    else:
        return None
    found: list[tuple[ex.Expr, ex.Expr]] = []
    for pair in pairs:
        inner = _differences(*pair)
        if inner is None:
            return None
        found += inner
    return found


def _plain(expr: ex.Expr) -> ex.Expr:
    """The expression without what may differ between two bindings of the same text."""

    def change(node: ex.Expr) -> ex.Expr | None:
        return replace(node, name="", nullable=True) if isinstance(node, ex.Column) else None

    return ex.transform(expr, change)
