"""Rewriting queries before they are planned: nodes that nobody looks at.

    MATCH (a)-[e]->(b) WHERE a.name = 'Ada' RETURN count(*)

    Scan a ⋈ Scan e ⋈ Scan b      RowId(a) = e.source, RowId(b) = e.target
    Scan a ⋈ Scan e               b is there because e is: an edge keeps its ends alive

A node that is asked for nothing but its id is its edge's end, so it need not be fetched: `RowId(b)` becomes
`e.target` wherever it stands, and the scan goes.  Where two edges meet in such a node, what is left is an equality
between their ends.

The ends of path searches are such ends, too: but only of one whose other end is a node that is read, or one outside,
for a search has to begin somewhere.

This holds for native graphs only: nothing keeps a table's rows alive whose keys other tables name.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from skerry_engine.algebra import expressions as ex
from skerry_engine.algebra import queries as q
from skerry_engine.algebra.traversal import ROW_READERS, conjuncts, relation_ranges, rewrite_all, walk_all
from skerry_engine.plan.planner import Statistics
from skerry_engine.values.oids import BOOL
from skerry_engine.values.types import SqlType


def without_unread_nodes(query: q.Query, statistics: Statistics) -> q.Query:
    """The query without the scans of nodes of which it only wants the ids, and has them from edges."""
    nodes = _scans_of_nodes(query, statistics)
    if not nodes:
        return query
    unread = nodes.keys() - _read_otherwise(query)
    if not unread:
        return query
    found = _Found(statistics, {range_id: nodes[range_id] for range_id in unread})
    made = rewrite_all(query, found.rewritten)
    return rewrite_all(made, found.with_ends) if found.ends else query


def _scans_of_nodes(query: q.Query, statistics: Statistics) -> dict[int, int]:
    """range id -> table OID of all scans of native graphs' nodes."""
    found: dict[int, int] = {}
    for node in walk_all(query):
        if isinstance(node, q.Scan) and not node.is_virtual:
            element = statistics.element_info(node.table_oid)
            if element is not None and not element.is_edges:
                found[node.range_id] = node.table_oid
    return found


def _read_otherwise(query: q.Query) -> set[int]:
    """The ranges of which more is read than row ids."""
    return {
        node.range_id
        for node in walk_all(query)
        if isinstance(node, ROW_READERS) and not isinstance(node, ex.RowId)
    }


@dataclass(slots=True)
class _Region:
    """Inner joins and filters taken apart; its own nodes may go, and its own edges say which they are."""

    items: list[q.Relation] = field(default_factory=list)
    conditions: list[ex.Expr] = field(default_factory=list)

    def take(self, relation: q.Relation) -> None:
        if isinstance(relation, q.Join) and relation.kind == "inner":
            self.take(relation.left)
            self.take(relation.right)
            self.conditions.extend(conjuncts(relation.condition))
        elif isinstance(relation, q.Filter):
            self.take(relation.input)
            self.conditions.extend(conjuncts(relation.condition))
        else:
            self.items.append(relation)

    def relation(self) -> q.Relation:
        """Put together again."""
        made = self.items[0]
        for item in self.items[1:]:
            made = q.Join("inner", made, item, None, True)
        if not self.conditions:
            return made
        if len(self.conditions) == 1:
            return q.Filter(made, self.conditions[0])
        return q.Filter(made, ex.And(SqlType(BOOL), tuple(self.conditions)))


class _Found:
    """The ends of edges that stand for nodes, found region by region."""

    def __init__(self, statistics: Statistics, unread: dict[int, int]) -> None:
        self.statistics = statistics
        self.unread = unread
        self.ends: dict[int, ex.Expr] = {}

    def rewritten(self, node: object) -> object | None:
        """For a region of inner joins, the region without the nodes that its edges stand for."""
        is_region = isinstance(node, q.Filter) or (isinstance(node, q.Join) and node.kind == "inner")
        if not is_region:
            return None
        region = _Region()
        region.take(node)  # type: ignore[arg-type]
        tables = self._edge_tables(region)
        kept: list[q.Relation] = []
        for item in region.items:
            end = self._end_of(item, region, tables)
            if end is None:
                kept.append(rewrite_all(item, self.rewritten))
            else:
                assert isinstance(item, q.Scan)
                self.ends[item.range_id] = end
        conditions = [rewrite_all(condition, self.rewritten) for condition in region.conditions]
        return replace(region, items=kept, conditions=conditions).relation()

    def _edge_tables(self, region: _Region) -> dict[int, tuple[int, tuple[int, ...]]]:
        """range id -> (the OID of the table of nodes, the positions of their row ids), of the region's edges."""
        found: dict[int, tuple[int, tuple[int, ...]]] = {}
        for item in region.items:
            scan = item.scan if isinstance(item, q.EdgeWays) else item
            if not isinstance(scan, q.Scan) or scan.is_virtual:
                continue
            element = self.statistics.element_info(scan.table_oid)
            if element is not None and element.is_edges:
                found[scan.range_id] = (element.nodes_oid, (1, 2))
                if isinstance(item, q.EdgeWays):
                    found[item.ends] = (element.nodes_oid, (0, 1))
        for item in region.items:
            if isinstance(item, q.PathSearch):
                nodes_oid = self._nodes_of(item.pattern)
                if nodes_oid is not None:
                    found[item.range_id] = (nodes_oid, self._free_end(item, region))
        return found

    def _nodes_of(self, pattern: object) -> int | None:
        """The table of nodes that the pattern's edges are between, if that is a native graph's."""
        for node in walk_all(pattern):
            if isinstance(node, q.Scan) and not node.is_virtual:
                element = self.statistics.element_info(node.table_oid)
                if element is not None and element.is_edges:
                    return element.nodes_oid
        return None

    def _free_end(self, search: q.PathSearch, region: _Region) -> tuple[int, ...]:
        """The column of the search's end that may stand for a node: the other one leads to a node that stays."""
        ends = {n for n, output in enumerate(search.outputs) if output.kind in ("start", "end")}
        if len(ends) != 2:
            return ()
        inside = {range_id for item in region.items for range_id in relation_ranges(item)}
        for end in sorted(ends):
            for condition in region.conditions:
                other = _equal_to(condition, search.range_id, end)
                if other is None or other.range_id in self.unread:
                    continue
                if other.range_id not in inside or isinstance(other, ex.RowId):
                    return tuple(ends - {end})
        return ()

    def _end_of(
        self, item: q.Relation, region: _Region, edges: dict[int, tuple[int, tuple[int, ...]]]
    ) -> ex.Expr | None:
        """The end of an edge that the item, a node, is; the condition that says so leaves the region."""
        if not isinstance(item, q.Scan) or item.range_id not in self.unread:
            return None
        for condition in region.conditions:
            if not isinstance(condition, ex.Call) or condition.operator != "=" or len(condition.args) != 2:
                continue
            for row_id, end in (condition.args, condition.args[::-1]):
                if not isinstance(row_id, ex.RowId) or row_id.range_id != item.range_id:
                    continue
                if isinstance(end, ex.Column) and end.range_id in edges:
                    nodes_oid, positions = edges[end.range_id]
                    if end.position in positions and nodes_oid == item.table_oid:
                        region.conditions.remove(condition)
                        return end
        return None

    def with_ends(self, node: object) -> object | None:
        """For the id of a node that has gone, the end that stands for it."""
        return self.ends.get(node.range_id) if isinstance(node, ex.RowId) else None


def _equal_to(condition: ex.Expr, range_id: int, position: int) -> ex.RowId | ex.Column | None:
    """The id that a column is said to equal."""
    if not isinstance(condition, ex.Call) or condition.operator != "=" or len(condition.args) != 2:
        return None
    for column, other in (condition.args, condition.args[::-1]):
        is_column = isinstance(column, ex.Column) and (column.range_id, column.position) == (
            range_id,
            position,
        )
        if is_column and isinstance(other, (ex.RowId, ex.Column)):
            return other
    return None
