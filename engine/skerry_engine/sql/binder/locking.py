"""Binding FOR UPDATE and its kin: which ranges' rows a SELECT locks, and where it may not lock at all."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from sqlglot import exp

from skerry_engine import errors
from skerry_engine.algebra import expressions as ex
from skerry_engine.algebra import queries as q
from skerry_engine.algebra.traversal import relation_ranges, rewrite_all, walk_all
from skerry_engine.sql.binder.scope import Range, Scope
from skerry_engine.sql.binder.whitelist import check
from skerry_engine.sql.bridge import position_of

Node = exp.Expression


def check_lockable(node: Node, parts: list[ex.Expr]) -> None:
    """Refuse locks on a SELECT whose rows are no rows of tables.  `parts` are its outputs, before grouping.

    Raises NotSupportedError.
    """
    locks = node.args.get("locks")
    if not locks:
        return
    found = [inner for part in parts for inner in ex.walk(part)]
    obstacle = ""
    if node.args.get("distinct"):
        obstacle = "DISTINCT clause"
    elif node.args.get("group"):
        obstacle = "GROUP BY clause"
    elif node.args.get("having"):
        obstacle = "HAVING clause"
    elif any(isinstance(inner, ex.Aggregate) for inner in found):
        obstacle = "aggregate functions"
    elif any(isinstance(inner, ex.WindowCall) for inner in found):
        obstacle = "window functions"
    elif any(isinstance(inner, ex.Call) and inner.function.returns_set for inner in found):
        obstacle = "set-returning functions in the target list"
    if obstacle:
        raise errors.NotSupportedError(f"{lock_name(locks[0])} is not allowed with {obstacle}")


def lock_rows(select: q.Select, node: Node, scope: Scope) -> q.Select:
    """The SELECT with its locking clauses.

    A subquery or view is locked by locking the tables behind it.  One that merely selects and joins becomes part of
    this SELECT, so that only rows that come through all of it are locked; another one gets the clause itself.
    Clauses are of no effect on ranges without rows of tables.
    """
    clauses = [_clause(lock, scope, select.input) for lock in node.args.get("locks") or []]
    return _lock(select, clauses) if clauses else select


@dataclass(frozen=True, slots=True)
class Clause:
    """A locking clause; `range_ids` are ranges of the SELECT, subqueries among them."""

    name: str
    strength: str
    wait: str
    range_ids: tuple[int, ...]


def _clause(lock: Node, scope: Scope, relation: q.Relation) -> Clause:
    check(lock)
    chosen: list[int] = []
    names = _names(lock, scope)
    for item in scope.ranges:
        if names and item.alias not in names:
            continue
        if item.is_sequence:
            raise errors.WrongObjectType(f'cannot lock rows in sequence "{item.alias}"')
        if item.is_materialized:
            raise errors.WrongObjectType(f'cannot lock rows in materialized view "{item.alias}"')
        source = find_source(relation, item.range_id)
        if item.has_row_ids or (isinstance(source, q.Derived) and not item.is_join):
            chosen.append(item.range_id)
        elif item.alias in names:
            _refuse(item, source, lock, position_of(names[item.alias]))
        elif isinstance(source, q.Derived):
            chosen.append(item.range_id)
    _check_not_nullable(relation, set(chosen), lock)
    wait = {None: "block", "NOWAIT": "nowait", "SKIP LOCKED": "skip locked"}[lock.args.get("wait")]
    return Clause(lock_name(lock), lock.args["strength"].lower(), wait, tuple(chosen))


def _names(lock: Node, scope: Scope) -> dict[str, Node]:
    """The tables behind OF, by alias."""
    names: dict[str, Node] = {}
    for table in lock.expressions or []:
        if table.args.get("db") is not None:
            raise errors.SyntaxError(
                f"{lock_name(lock)} must specify unqualified relation names", position=position_of(table)
            )
        name = table.this.this
        names[name] = table
        if not any(item.alias == name for item in scope.ranges):
            raise errors.UndefinedTable(
                f'relation "{name}" in {lock_name(lock)} clause not found in FROM clause',
                position=position_of(table),
            )
    return names


def _refuse(item: Range, source: q.Relation | None, lock: Node, position: int | None) -> None:
    """A range without rows of its own was named.  System catalogs are of no effect, as they are unnamed."""
    if isinstance(source, q.Scan):
        return
    kinds = {q.FunctionScan: "a function", q.Values: "VALUES", q.CteScan: "a WITH query", q.Derived: "a join"}
    shown = kinds.get(type(source), "this kind of relation")
    raise errors.NotSupportedError(f"{lock_name(lock)} cannot be applied to {shown}", position=position)


def _check_not_nullable(relation: q.Relation, chosen: set[int], lock: Node) -> None:
    """Refuse ranges for whose rows an outer join may have put NULLs."""
    for join in walk_joins(relation):
        nullable: set[int] = set()
        if join.kind in ("left", "full"):
            nullable |= relation_ranges(join.right).keys()
        if join.kind in ("right", "full"):
            nullable |= relation_ranges(join.left).keys()
        if nullable & chosen:
            raise errors.NotSupportedError(
                f"{lock_name(lock)} cannot be applied to the nullable side of an outer join"
            )


def walk_joins(relation: q.Relation) -> Iterator[q.Join]:
    """The joins of a FROM clause, those in subqueries left out."""
    if isinstance(relation, q.Filter):
        yield from walk_joins(relation.input)
    elif isinstance(relation, q.Join):
        yield relation
        yield from walk_joins(relation.left)
        yield from walk_joins(relation.right)


# --- subqueries and views ----------------------------------------


def _lock(select: q.Select, clauses: list[Clause]) -> q.Select:
    merged: dict[int, tuple[int, ...]] = {}
    for clause in clauses:
        pending = list(clause.range_ids)
        tables: list[int] = []
        while pending:
            range_id = pending.pop(0)
            source = find_source(select.input, range_id)
            if range_id in merged:
                pending[:0] = merged[range_id]
            elif isinstance(source, q.Scan) and not source.is_virtual:
                tables.append(range_id)
            elif isinstance(source, q.Derived):
                select, merged[range_id] = _lock_subquery(select, source, clause)
                pending[:0] = merged[range_id]
        if tables:
            lock = q.RowLock(clause.strength, clause.wait, tuple(tables))
            select = replace(select, locks=(*select.locks, lock))
    return select


def _lock_subquery(select: q.Select, derived: q.Derived, clause: Clause) -> tuple[q.Select, tuple[int, ...]]:
    """The SELECT with the subquery merged into it, and the ranges that it brought; or with it locked inside."""
    query = derived.query
    _check_lockable_query(query, clause.name)
    if isinstance(query, q.Select) and _is_mergeable(query):
        return _merged(select, derived, query), tuple(relation_ranges(query.input))
    inner = query.body if isinstance(query, q.With) else query
    assert isinstance(inner, q.Select), "set operations were refused"
    locked: q.Query = _lock(inner, [replace(clause, range_ids=tuple(relation_ranges(inner.input)))])
    if isinstance(query, q.With):
        locked = replace(query, body=locked)
    put = replace(derived, query=locked)
    return rewrite_all(select, lambda node: put if node is derived else None), ()


def _check_lockable_query(query: q.Query, name: str) -> None:
    """As `check_lockable`, for a subquery that is bound already."""
    body = query.body if isinstance(query, q.With) else query
    obstacle = ""
    if isinstance(body, q.SetOperation):
        obstacle = "UNION/INTERSECT/EXCEPT"
    elif isinstance(body, q.Select):
        if body.distinct or body.distinct_on:
            obstacle = "DISTINCT clause"
        else:
            obstacle = next((o for o in map(_obstacle, _layers(body.input)) if o), "")
    if obstacle:
        raise errors.NotSupportedError(f"{name} is not allowed with {obstacle}")


def _layers(relation: q.Relation) -> Iterator[q.Relation]:
    """What stands over a SELECT's FROM clause, from the outside in."""
    while isinstance(relation, (q.Filter, q.Window, q.ProjectSet, q.Aggregation)):
        yield relation
        relation = relation.input


def _obstacle(layer: q.Relation) -> str:
    if isinstance(layer, q.Aggregation):
        return "GROUP BY clause" if layer.keys or layer.grouping_sets else "aggregate functions"
    if isinstance(layer, q.Window):
        return "window functions"
    return "set-returning functions in the target list" if isinstance(layer, q.ProjectSet) else ""


def _is_mergeable(query: q.Select) -> bool:
    """Whether reading its input in its place means the same."""
    if query.limit is not None or query.offset is not None or query.locks:
        return False
    return not any(
        isinstance(node, ex.Call) and node.function.volatility == "v" for node in walk_all(query.outputs)
    )


def _merged(select: q.Select, derived: q.Derived, query: q.Select) -> q.Select:
    def change(node: object) -> object | None:
        if node is derived:
            return query.input
        if isinstance(node, ex.Column) and node.range_id == derived.range_id:
            return query.outputs[node.position]
        return None

    changed = rewrite_all(select, change)
    return changed if changed.order_by or not query.order_by else replace(changed, order_by=query.order_by)


def find_source(relation: q.Relation, range_id: int) -> q.Relation | None:
    """The node of a FROM clause that makes the range."""
    match relation:
        case q.Join():
            return find_source(relation.left, range_id) or find_source(relation.right, range_id)
        case q.Filter():
            return find_source(relation.input, range_id)
        case q.Scan() | q.Values() | q.FunctionScan() | q.Derived() | q.CteScan():
            return relation if relation.range_id == range_id else None
    return None


def lock_name(lock: Node) -> str:
    """The clause as it was written: FOR UPDATE, FOR KEY SHARE ..."""
    return f"FOR {lock.args['strength']}"


def check_no_locks(side: Node) -> None:
    """Refuse a locking clause on a side of a set operation."""
    inner = side.this if isinstance(side, exp.Subquery) else side
    if inner.args.get("locks"):
        name = lock_name(inner.args["locks"][0])
        raise errors.NotSupportedError(f"{name} is not allowed with UNION/INTERSECT/EXCEPT")
