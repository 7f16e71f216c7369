"""Walking whole queries: which ranges a query binds, which it takes from outside, what it reads."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TypeVar

from skerry_engine.algebra import expressions as ex
from skerry_engine.algebra import paths as pt
from skerry_engine.algebra import queries as q

Node = ex.Expr | q.Query | q.Relation
_N = TypeVar("_N")
_NODES = (ex.Expr, q.Query, q.Relation)
_CARRIERS = (
    ex.SortKey,
    ex.Frame,
    q.Cte,
    q.Target,
    q.OnConflict,
    q.RowTemplate,
    q.NewElement,
    q.ElementChange,
    pt.PathPart,
    pt.PathElement,
    pt.PathLookup,
    pt.PathOutput,
    pt.PathSelector,
)


_is_node: dict[type, bool | None] = {}
"""By class: whether `walk_all` gives such a thing out; None where there is nothing in it."""


def _learn(kind: type) -> bool | None:
    verdict = True if issubclass(kind, _NODES) else False if issubclass(kind, (*_CARRIERS, tuple)) else None
    _is_node[kind] = verdict
    return verdict


def walk_all(node: object) -> Iterator[Node]:
    """Every expression, relation and query in `node`, parents first, subqueries entered.

    Planning walks trees many times, and a list of values may have thousands of nodes: so this is one loop, and what
    there is to know of a class is found once.
    """
    pending = [node]
    while pending:
        item = pending.pop()
        kind = item.__class__
        is_node = _is_node[kind] if kind in _is_node else _learn(kind)
        if is_node is None:
            continue
        if isinstance(item, tuple):
            pending.extend(reversed(item))
            continue
        if is_node:
            yield item  # type: ignore[misc]
        for name in reversed(ex.field_names(kind)):
            pending.append(getattr(item, name))


def rewrite_all(node: _N, change: Callable[[object], object | None]) -> _N:
    """A copy of `node`, subqueries entered, with `change` applied top-down:
    what it returns stands unvisited."""
    return _rewrite(node, change)  # type: ignore[return-value]


def _rewrite(node: object, change: Callable[[object], object | None]) -> object:
    if isinstance(node, tuple):
        items = tuple(_rewrite(item, change) for item in node)
        return items if any(a is not b for a, b in zip(items, node, strict=True)) else node
    if not isinstance(node, _NODES + _CARRIERS):
        return node
    changed = change(node)
    if changed is not None:
        return changed
    updates: dict[str, object] = {}
    for name in ex.field_names(type(node)):
        value = getattr(node, name)
        if isinstance(value, (tuple, *_NODES, *_CARRIERS)):
            new = _rewrite(value, change)
            if new is not value:
                updates[name] = new
    return replace(node, **updates) if updates else node  # type: ignore[arg-type]


def bound_ranges(node: object) -> set[int]:
    """The ranges that `node` and everything in it bind."""
    found: set[int] = set()
    for item in walk_all(node):
        if isinstance(
            item,
            (
                q.Scan,
                q.Values,
                q.FunctionScan,
                q.Derived,
                q.GraphTable,
                q.CteScan,
                q.Bindings,
                q.Aggregation,
                q.Window,
                q.ProjectSet,
                q.PathSearch,
                q.GraphProcedure,
                q.SetOperation,
            ),
        ):
            found.add(item.range_id)
            if isinstance(item, q.PathSearch):
                found.update(_group_ranges(item.pattern))
            if isinstance(item, q.Values):
                found.update(template.data_range for template in item.templates)
        elif isinstance(item, q.EdgeWays):
            found.add(item.ends)
        elif isinstance(item, (q.Insert, q.Update, q.Delete)):
            found.add(item.target.range_id)
            if isinstance(item, q.Insert) and item.conflict is not None:
                found.add(item.conflict.excluded_range)
        elif isinstance(item, q.GraphInsert):
            found.update(element.into.range_id for element in item.elements)
        elif isinstance(item, q.GraphMerge):
            found.add(item.range_id)
            found.update(element.into.range_id for element in item.elements)
        elif isinstance(item, ex.Case) and item.test is not None:
            found.add(item.test_range)
    return found


ROW_READERS = (ex.Column, ex.SystemColumn, ex.RowId, ex.WholeRow, ex.Property, ex.HasLabels)
"""The expressions that read a range's row."""


def _group_ranges(part: pt.PathPart) -> Iterator[int]:
    """The ranges under which conditions of groups see what these have matched."""
    match part:
        case pt.PathSequence() | pt.PathChoice():
            for each in part.parts:
                yield from _group_ranges(each)
        case pt.PathRepeat():
            yield from _group_ranges(part.part)
        case pt.PathGroup():
            if part.condition is not None:
                yield part.range_id
            yield from _group_ranges(part.part)


def written_tables(node: object) -> set[int]:
    """The OIDs of the tables that `node`, anywhere in it, may write: empty for what only reads."""
    found: set[int] = set()
    for item in walk_all(node):
        if isinstance(item, (q.Insert, q.Update, q.Delete)):
            found.add(item.target.table_oid)
        elif isinstance(item, (q.GraphChange, q.GraphDelete)):
            found.update(item.tables)
        elif isinstance(item, (q.GraphInsert, q.GraphMerge)):
            found.update(element.into.table_oid for element in item.elements)
            if isinstance(item, q.GraphMerge):
                found.update(change.table_oid for change in (*item.on_create, *item.on_match))
    return found


def used_ranges(node: object) -> set[int]:
    """The ranges whose rows are read anywhere in `node`."""
    return {item.range_id for item in walk_all(node) if isinstance(item, ROW_READERS)}


def free_ranges(node: object) -> set[int]:
    """The ranges that `node` reads but does not bind: what makes a query correlated."""
    return used_ranges(node) - bound_ranges(node)


def relation_ranges(relation: q.Relation) -> dict[int, int]:
    """The ranges that a relation offers to expressions above it, with their widths."""
    match relation:
        case q.Scan() | q.CteScan() | q.Bindings():
            return {relation.range_id: relation.width}
        case q.Values():
            return {relation.range_id: len(relation.types)}
        case q.FunctionScan():
            return {relation.range_id: sum(relation.column_counts) + relation.ordinality}
        case q.Derived():
            return {relation.range_id: len(relation.query.columns)}
        case q.GraphTable():
            return {relation.range_id: len(relation.columns)}
        case q.Join():
            left = relation_ranges(relation.left)
            return left if relation.kind in ("semi", "anti") else left | relation_ranges(relation.right)
        case q.Filter():
            return relation_ranges(relation.input)
        case q.Aggregation():
            extra = 1 if relation.grouping_sets else 0
            return {relation.range_id: len(relation.keys) + len(relation.aggregates) + extra}
        case q.EdgeWays():
            return {relation.scan.range_id: relation.scan.width, relation.ends: 2}
        case q.GraphProcedure():
            return {relation.range_id: len(relation.types)}
        case q.PathSearch():
            return {relation.range_id: len(relation.outputs)}
        case q.Window() | q.ProjectSet():
            return relation_ranges(relation.input) | {relation.range_id: len(relation.calls)}
    return {}


def conjuncts(condition: ex.Expr | None) -> list[ex.Expr]:
    """The parts of a condition that must all be true."""
    if condition is None:
        return []
    if isinstance(condition, ex.And):
        return [part for arg in condition.args for part in conjuncts(arg)]
    return [condition]
