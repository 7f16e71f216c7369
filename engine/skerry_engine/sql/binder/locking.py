"""Binding FOR UPDATE and its kin: which ranges' rows a SELECT locks, and where it may not lock at all."""

from __future__ import annotations

from sqlglot import exp

from skerry_engine import errors
from skerry_engine.algebra import expressions as ex
from skerry_engine.algebra import queries as q
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


def bind_locks(node: Node, scope: Scope, relation: q.Relation) -> tuple[q.RowLock, ...]:
    """The locking clauses of a SELECT over `relation`,
    which are of no effect on ranges without rows of tables."""
    locks: list[q.RowLock] = []
    for lock in node.args.get("locks") or []:
        check(lock)
        names = {table.this.this: table for table in lock.expressions or []}
        for name, table in names.items():
            if not any(item.alias == name for item in scope.ranges):
                raise errors.UndefinedTable(
                    f'relation "{name}" in {lock_name(lock)} clause not found in FROM clause',
                    position=position_of(table),
                )
        chosen: list[Range] = []
        for item in scope.ranges:
            if names and item.alias not in names:
                continue
            named = names.get(item.alias)
            if item.has_row_ids:
                chosen.append(item)
            else:
                _check_other(item, relation, lock, None if named is None else position_of(named))
        wait = {None: "block", "NOWAIT": "nowait", "SKIP LOCKED": "skip locked"}[lock.args.get("wait")]
        strength = lock.args["strength"].lower()
        locks.append(q.RowLock(strength, wait, tuple(item.range_id for item in chosen)))
    return tuple(lock for lock in locks if lock.range_ids)


def _check_other(item: Range, relation: q.Relation, lock: Node, position: int | None) -> None:
    """A range that has no rows of its own: a subquery is refused, the rest only if it was named."""
    source = _source(relation, item.range_id)
    if isinstance(source, q.Derived):
        raise errors.NotSupportedError(
            f"{lock_name(lock)} of a subquery or view in FROM is not supported",
            hint=f"Put {lock_name(lock)} into the subquery.",
            position=position,
        )
    if position is None:
        return
    kinds = {q.FunctionScan: "a function", q.Values: "VALUES", q.CteScan: "a WITH query"}
    shown = kinds.get(type(source), "this kind of relation")
    raise errors.NotSupportedError(f"{lock_name(lock)} cannot be applied to {shown}", position=position)


def _source(relation: q.Relation, range_id: int) -> q.Relation | None:
    """The node of a FROM clause that makes the range."""
    match relation:
        case q.Join():
            return _source(relation.left, range_id) or _source(relation.right, range_id)
        case q.Filter():
            return _source(relation.input, range_id)
        case q.Scan() | q.Values() | q.FunctionScan() | q.Derived() | q.CteScan():
            return relation if relation.range_id == range_id else None
    return None


def lock_name(lock: Node) -> str:
    """The clause as it was written: FOR UPDATE, FOR KEY SHARE ..."""
    return f"FOR {lock.args['strength']}"
