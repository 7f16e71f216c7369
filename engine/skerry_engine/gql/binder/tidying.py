"""What binding patterns over tables leaves behind, tidied up once the query is whole.

Joins of a table with itself by row id say nothing, and one of the two scans is taken away:

    Scan person a, Scan person b, RowId(a) = RowId(b)          Scan person a, and a wherever b stood

Within one group of inner joins both ranges stand for the same row in every result, so either will do.  Ranges have
numbers of their own in a statement, so that one may take another's place in all of the query at once.

An element of several tables has all properties of all of them for columns.  Those that nobody reads are not worked out.
"""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass, field, replace

from skerry_engine.algebra import expressions as ex
from skerry_engine.algebra import queries as q
from skerry_engine.algebra.traversal import conjuncts, free_ranges, relation_ranges, rewrite_all, walk_all
from skerry_engine.gql.binder.operations import conjunction


def tidied(query: q.Query, united: Set[int]) -> q.Query:
    """The query without scans that repeat another, and without columns of the ranges `united` that nobody reads."""
    return _without_unread(_without_repeats(query), united) if united else _without_repeats(query)


def _without_unread(query: q.Query, united: Set[int]) -> q.Query:
    read: dict[int, set[int]] = {range_id: set() for range_id in united}
    for node in walk_all(query):
        if isinstance(node, ex.Column) and node.range_id in united:
            read[node.range_id].add(node.position)

    def change(node: object) -> object | None:
        if isinstance(node, q.Derived) and node.range_id in united:
            return replace(node, query=_reading(node.query, read[node.range_id]))
        return None

    return rewrite_all(query, change)


def _reading(query: q.Query, read: Set[int]) -> q.Query:
    """A union of tables with NULL for what is not read."""
    if isinstance(query, q.SetOperation):
        return replace(query, left=_reading(query.left, read), right=_reading(query.right, read))
    assert isinstance(query, q.Select), "it is made of these"
    outputs = tuple(
        output if number in read else ex.Const(output.type, None)
        for number, output in enumerate(query.outputs)
    )
    return replace(query, outputs=outputs)


def _without_repeats(query: q.Query) -> q.Query:
    taken: dict[int, int] = {}
    changed = rewrite_all(query, lambda node: _joined(node, taken))
    if not taken:
        return query
    return rewrite_all(changed, lambda node: _renamed(node, taken))


@dataclass
class _Group:
    """Inner joins flattened: what is joined, in order, and all conditions."""

    leaves: list[q.Relation] = field(default_factory=list)
    conditions: list[ex.Expr] = field(default_factory=list)

    def take(self, relation: q.Relation) -> None:
        if isinstance(relation, q.Filter):
            self.take(relation.input)
            self.conditions += conjuncts(relation.condition)
        elif isinstance(relation, q.Join) and relation.kind == "inner":
            self.take(relation.left)
            self.take(relation.right)
            self.conditions += conjuncts(relation.condition)
        else:
            self.leaves.append(relation)


def _joined(node: object, taken: dict[int, int]) -> object | None:
    """A group of inner joins without the scans that repeat others of it; None for anything else."""
    if not isinstance(node, q.Filter) and not (isinstance(node, q.Join) and node.kind == "inner"):
        return None
    group = _Group()
    group.take(node)
    scans = {leaf.range_id: leaf for leaf in group.leaves if isinstance(leaf, q.Scan)}
    order = list(scans)
    before = len(taken)
    for condition in group.conditions:
        pair = _row_ids(condition)
        if pair is None or pair[0] not in scans or pair[1] not in scans:
            continue
        one, other = (_kept(range_id, taken) for range_id in pair)
        if one != other and scans[one].table_oid == scans[other].table_oid:
            first, second = sorted((one, other), key=order.index)
            taken[second] = first
    if len(taken) == before:
        return None
    leaves = [leaf for leaf in group.leaves if not isinstance(leaf, q.Scan) or leaf.range_id not in taken]
    conditions = [each for each in group.conditions if not _says_nothing(each, taken)]
    return _rebuilt(
        [rewrite_all(leaf, lambda inner: _joined(inner, taken)) for leaf in leaves], conditions, taken
    )


def _rebuilt(leaves: list[q.Relation], conditions: list[ex.Expr], taken: dict[int, int]) -> q.Relation:
    leaves = [rewrite_all(leaf, lambda node: _renamed(node, taken)) for leaf in leaves]
    relation = leaves[0]
    for leaf in leaves[1:]:
        is_lateral = bool(free_ranges(leaf) & set(relation_ranges(relation)))
        relation = q.Join("inner", relation, leaf, None, is_lateral)
    return q.Filter(relation, conjunction(conditions)) if conditions else relation


def _row_ids(condition: ex.Expr) -> tuple[int, int] | None:
    """The ranges whose row ids a condition compares."""
    if not isinstance(condition, ex.Call) or condition.operator != "=":
        return None
    left, right = condition.args
    if isinstance(left, ex.RowId) and isinstance(right, ex.RowId):
        return left.range_id, right.range_id
    return None


def _says_nothing(condition: ex.Expr, taken: dict[int, int]) -> bool:
    pair = _row_ids(condition)
    return pair is not None and _kept(pair[0], taken) == _kept(pair[1], taken)


def _kept(range_id: int, taken: dict[int, int]) -> int:
    while range_id in taken:
        range_id = taken[range_id]
    return range_id


def _renamed(node: object, taken: dict[int, int]) -> object | None:
    """A node that reads a range which is gone, reading the one that stayed."""
    if (
        not isinstance(node, (ex.Column, ex.RowId, ex.WholeRow, ex.SystemColumn))
        or node.range_id not in taken
    ):
        return None
    return replace(node, range_id=_kept(node.range_id, taken))
