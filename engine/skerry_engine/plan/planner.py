"""From logical relations to physical ones: where conditions go, in which order and how tables are joined.

Conditions sink: each conjunct of WHERE and of inner joins' ON goes down to the first place where all its
ranges are at hand.  Inner joins are taken apart into items and conditions and put together again greedily,
the smallest item first, always preferring an item that an equality connects.  Outer joins keep their sides.

A join is by row id when the joined table is asked for rows by their ids; by index when it has an index on the
joined columns and few rows ask for it; else by hash table when an equality connects; else a nested loop.

Rows of graphs' elements are found by their ids, by label, by property, and edges by the nodes at their ends; from a
node to its edges is a nested loop over index look-ups, since that is what most traversals do, a node at a time.

Row counts are exact; selectivities are rules of thumb until statistics are kept.  How many edges a node has is their
number divided by that of the nodes.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import Protocol, TypeVar

from skerry_engine.algebra import expressions as ex
from skerry_engine.algebra import queries as q
from skerry_engine.algebra.labels import AllOf, AnyOf, Label, LabelFormula
from skerry_engine.algebra.traversal import conjuncts, free_ranges, relation_ranges, used_ranges, walk_all
from skerry_engine.plan import physical as ph
from skerry_engine.plan.dynamic_keys import can_meet, hash_keys, is_exact, row_id_of, without_tag
from skerry_engine.plan.keys import same_key_class
from skerry_engine.values.graphs import UNTAGGED
from skerry_engine.values.oids import BOOL
from skerry_engine.values.types import SqlType, type_info

PATHS_FROM = 100.0
PATHS_BETWEEN = 2.0
"""How many matches a path search is taken to find from a node, and between two."""
EQUALITY_SELECTIVITY = 0.02
RANGE_SELECTIVITY = 0.3
OTHER_SELECTIVITY = 0.25
PROPERTY_SELECTIVITY = 0.001
LOOKUP_COST = 4.0
"""An index look-up costs about as much as reading this many rows into a hash table."""
EXPAND_COST = 2.0
"""Likewise going from a node to its edges, besides what the edges cost."""
MOST_OF_A_TABLE = 0.3
"""The share of elements with a label from which on reading all of them is cheaper than their index entries."""
FEW_ELEMENTS = 1000
"""Below so many elements a plan is made for more."""


@dataclass(frozen=True, slots=True)
class IndexInfo:
    """What the planner needs of an index: key column positions (None for an expression), and their order.

    An index of `properties` has the rows of elements with the label `label` ('': of all) that have them all; its keys
    are of type ANYVALUE.
    """

    oid: int
    name: str
    positions: tuple[int | None, ...]
    descending: tuple[bool, ...]
    nulls_first: tuple[bool, ...]
    unique: bool
    label: str = ""
    properties: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ElementInfo:
    """An element table: its graph's name, and its indexes by shape, source and target (0 for those of nodes)."""

    graph: str
    is_edges: bool
    nodes_oid: int
    by_shape: int
    by_source: int = 0
    by_target: int = 0


class Statistics(Protocol):
    """What the planner knows of stored tables."""

    def row_count(self, table_oid: int) -> int:
        """Rows in the table now."""
        ...

    def indexes(self, table_oid: int) -> list[IndexInfo]:
        """Complete (not partial) indexes of the table, and those of properties."""
        ...

    def element_info(self, table_oid: int) -> ElementInfo | None:
        """What there is to know of an element table; None for other tables."""
        ...

    def label_count(self, table_oid: int, labels: LabelFormula) -> int:
        """About how many rows of an element table have labels that fit."""
        ...


class Planner:
    """Plans the relations of one statement."""

    def __init__(self, statistics: Statistics) -> None:
        self.statistics = statistics
        self.frontiers: set[int] = set()
        """Ranges of bindings that are few at a time: places from which a path search goes on."""

    # --- entry ----------------------------------------

    def plan(self, relation: q.Relation, conditions: list[ex.Expr], outer: set[int]) -> ph.Physical:
        """A plan for `relation` with all `conditions` checked; `outer` are the ranges already at hand."""
        match relation:
            case q.Filter():
                return self.plan(relation.input, conditions + conjuncts(relation.condition), outer)
            case q.Join(kind="inner"):
                return self._inner_joins(relation, conditions, outer)
            case q.Join(kind="left"):
                return self._left_join(relation, conditions, outer)
            case q.Join(kind="right"):
                mirrored = q.Join("left", relation.right, relation.left, relation.condition)
                return self._left_join(mirrored, conditions, outer)
            case q.Join(kind="full"):
                return self._filtered(self._full_join(relation, outer), conditions)
            case q.Join(kind="semi" | "anti"):
                return self._semi_join(relation, conditions, outer)
        subquery_joins, plain = _take_subquery_joins(relation, conditions)
        planned = self._leaf(relation, plain, outer)
        return self._with_subquery_joins(planned, subquery_joins, outer)

    def _leaf(self, relation: q.Relation, conditions: list[ex.Expr], outer: set[int]) -> ph.Physical:
        match relation:
            case q.OneRow():
                return self._filtered(ph.OneRow(), conditions)
            case q.Scan() if relation.is_virtual:
                return ph.VirtualScan(relation, conditions, rows=300.0)
            case q.Scan():
                return self._scan(relation, conditions, outer)
            case q.Values():
                return ph.ValuesRows(relation, conditions, rows=float(max(len(relation.rows), 1)))
            case q.FunctionScan():
                return ph.FunctionRows(relation, conditions, rows=100.0)
            case q.Derived():
                return ph.SubqueryRows(relation, conditions, rows=200.0)
            case q.CteScan():
                return ph.CteRows(relation, conditions, rows=200.0)
            case q.Bindings():
                few = relation.range_id in self.frontiers
                return ph.BindingRows(relation, conditions, rows=1.0 if few else 200.0)
            case q.PathSearch():
                return self._paths(relation, conditions, outer)
            case q.GraphProcedure():
                nodes = float(max(self.statistics.row_count(relation.nodes.table_oid), 1))
                return ph.ProcedureRows(relation, conditions, rows=nodes)
            case q.EdgeWays():
                return self._ways(relation, conditions, outer)
            case q.Aggregation():
                return self._aggregation(relation, conditions, outer)
            case q.Window():
                return ph.WindowRows(relation, self.plan(relation.input, [], outer), conditions, rows=1000.0)
            case q.ProjectSet():
                return ph.SetFunctions(
                    relation, self.plan(relation.input, [], outer), conditions, rows=1000.0
                )
        raise AssertionError(f"no plan for {type(relation).__name__}")

    def _filtered(self, node: ph.Physical, conditions: list[ex.Expr]) -> ph.Physical:
        if not conditions:
            return node
        return ph.Filtered(node, conditions, rows=node.rows * OTHER_SELECTIVITY)

    def _aggregation(
        self, relation: q.Aggregation, conditions: list[ex.Expr], outer: set[int]
    ) -> ph.Physical:
        source = self.plan(relation.input, [], outer)
        rows = max(1.0, source.rows / 10) if relation.keys else 1.0
        return ph.Aggregate(relation, source, conditions, rows=rows)

    # --- tables ----------------------------------------

    def _scan(self, scan: q.Scan, conditions: list[ex.Expr], outer: set[int]) -> ph.Physical:
        element = self.statistics.element_info(scan.table_oid)
        by_id = _row_id_key(scan.range_id, conditions, outer)
        if by_id is not None:
            return _of(element, ph.RowLookup(scan, by_id[0], by_id[1], rows=1.0))
        total = float(max(self.statistics.row_count(scan.table_oid), 1))
        lookup = self._index_lookup(scan, conditions, outer, total)
        if lookup is not None and (lookup.unique or total > 16 or element is not None):
            return lookup
        listed = self._index_keys(scan, conditions, outer, total)
        if listed is not None and total > 16:
            return listed
        bounded = self._index_range(scan, conditions, outer, total)
        if bounded is not None and total > 64:
            return bounded
        if element is not None:
            return self._element_scan(scan, element, conditions, total)
        return ph.SeqScan(scan, conditions, rows=total * _selectivity(conditions))

    def _element_scan(
        self, scan: q.Scan, element: ElementInfo, conditions: list[ex.Expr], total: float
    ) -> ph.Physical:
        """Elements by their labels, or all of them.  A plan outlives what it was made for: while elements are few,
        which of the two is better is left to its execution."""
        for condition in conditions:
            if isinstance(condition, ex.HasLabels) and condition.range_id == scan.range_id:
                rows = float(self.statistics.label_count(scan.table_oid, condition.labels))
                if rows > MOST_OF_A_TABLE * total and total > FEW_ELEMENTS:
                    break
                filters = [c for c in conditions if c is not condition]
                rows = max(1.0, rows * _selectivity(filters))
                return _of(
                    element, ph.LabelScan(scan, element.by_shape, condition.labels, filters, rows=rows)
                )
        rows = total * self._selectivity_of(scan, conditions, total)
        return _of(element, ph.SeqScan(scan, conditions, rows=rows))

    def _selectivity_of(self, scan: q.Scan, conditions: list[ex.Expr], total: float) -> float:
        """As `_selectivity`; for conditions on the scan's labels it is known."""
        result = 1.0
        for condition in conditions:
            if isinstance(condition, ex.HasLabels) and condition.range_id == scan.range_id:
                result *= self.statistics.label_count(scan.table_oid, condition.labels) / total
            else:
                result *= _selectivity([condition])
        return result

    def _ways(self, ways: q.EdgeWays, conditions: list[ex.Expr], outer: set[int]) -> ph.Physical:
        scan = ways.scan
        element = self.statistics.element_info(scan.table_oid)
        assert element is not None and element.is_edges, "other tables have no ways"
        total = float(max(self.statistics.row_count(scan.table_oid), 1))
        equalities = _equalities(ways.ends, conditions, outer)
        for position in (0, 1):
            if position not in equalities:
                continue
            key, spent = equalities[position]
            filters = [c for c in conditions if c is not spent]
            rows = max(1.0, 2 * self._degree(element, total) * self._selectivity_of(scan, filters, total))
            found = ph.WaysLookup(
                ways, element.by_source, element.by_target, key, position == 0, filters, rows=rows
            )
            return _of(element, found)
        rows = 2 * total * self._selectivity_of(scan, conditions, total)
        return _of(element, ph.WaysScan(ways, conditions, rows=rows))

    def _paths(self, search: q.PathSearch, conditions: list[ex.Expr], outer: set[int]) -> ph.PathRows:
        """A search from the end that is known, or from both.  Where none is, `rows` is infinite: no plan to use."""
        equalities = _equalities(search.range_id, conditions, outer)
        found: dict[str, list[ex.Expr]] = {"start": [], "end": []}
        used: list[ex.Expr] = []
        for kind, known in found.items():
            places = [n for n, output in enumerate(search.outputs) if output.kind == kind]
            if places and all(place in equalities for place in places):
                known += [equalities[place][0] for place in places]
                used += [equalities[place][1] for place in places]
        filters = [c for c in conditions if not any(c is u for u in used)]
        start, end = found["start"], found["end"]
        rows = PATHS_BETWEEN if start and end else PATHS_FROM if start or end else inf
        return ph.PathRows(search, start, end, not start, filters, rows=rows)

    def _degree(self, element: ElementInfo, edges: float) -> float:
        """About how many edges begin at a node."""
        return edges / max(self.statistics.row_count(element.nodes_oid), 1)

    def _index_lookup(
        self, scan: q.Scan, conditions: list[ex.Expr], outer: set[int], total: float
    ) -> ph.IndexLookup | None:
        equalities = _equalities(scan.range_id, conditions, outer)
        element = self.statistics.element_info(scan.table_oid)
        best: ph.IndexLookup | None = None
        for index in self.statistics.indexes(scan.table_oid):
            if index.properties:
                by_property = _property_lookup(index, scan, conditions, outer)
                if by_property is not None:
                    by_property.rows = 1.0 if index.unique else max(1.0, total * PROPERTY_SELECTIVITY)
                    best = _better(best, _of(element, by_property))
                continue
            if not all(p is not None and p in equalities for p in index.positions):
                continue
            used = [equalities[p] for p in index.positions if p is not None]
            keys = [key for key, _ in used]
            spent = [condition for _, condition in used]
            filters = [c for c in conditions if not any(c is s for s in spent)]
            selectivity = EQUALITY_SELECTIVITY ** len(keys)
            rows = 1.0 if index.unique else max(1.0, total * selectivity)
            if element is not None and index.oid in (element.by_source, element.by_target):
                rows = max(1.0, self._degree(element, total) * self._selectivity_of(scan, filters, total))
            found = ph.IndexLookup(scan, index.oid, index.name, keys, index.unique, filters, rows=rows)
            if element is not None:
                found.way = {element.by_source: "out", element.by_target: "in"}.get(index.oid, "")
            best = _better(best, _of(element, found))
        return best

    def _index_keys(
        self, scan: q.Scan, conditions: list[ex.Expr], outer: set[int], total: float
    ) -> ph.IndexKeys | None:
        element = self.statistics.element_info(scan.table_oid)
        for index in self.statistics.indexes(scan.table_oid):
            if len(index.positions) != 1:
                continue
            labels = _label_conditions(index, scan.range_id, conditions)
            for condition in conditions if labels is not None else ():
                if _is_listed(condition, scan.range_id, index, outer):
                    assert isinstance(condition, ex.AnyAll)
                    filters = [c for c in conditions if not any(c is s for s in (condition, *(labels or ())))]
                    share = PROPERTY_SELECTIVITY if index.properties else EQUALITY_SELECTIVITY
                    rows = 10.0 if index.unique else max(1.0, total * share)
                    found = ph.IndexKeys(scan, index.oid, index.name, condition.array, filters, rows=rows)
                    return _of(element, found)
        return None

    def _index_range(
        self, scan: q.Scan, conditions: list[ex.Expr], outer: set[int], total: float
    ) -> ph.IndexRange | None:
        equalities = _equalities(scan.range_id, conditions, outer)
        element = self.statistics.element_info(scan.table_oid)
        best: ph.IndexRange | None = None
        for index in self.statistics.indexes(scan.table_oid):
            if index.properties:
                found = _property_range(index, scan, conditions, outer)
            else:
                found = _range_on(index, scan, conditions, equalities, outer)
            if found is None:
                continue
            _of(element, found)
            found.rows = max(1.0, total * _selectivity(conditions))
            if best is None or len(found.equal) > len(best.equal):
                best = found
        return best

    # --- joins ----------------------------------------

    def _inner_joins(self, join: q.Join, conditions: list[ex.Expr], outer: set[int]) -> ph.Physical:
        items: list[q.Relation] = []
        pool = list(conditions)
        _take_apart(join, items, pool)
        subquery_joins, pool = _take_subquery_joins(join, pool)
        planned = self._ordered(items, pool, outer)
        return self._with_subquery_joins(planned, subquery_joins, outer)

    def _ordered(self, items: list[q.Relation], pool: list[ex.Expr], outer: set[int]) -> ph.Physical:
        """Items joined in a greedy order, with every condition of `pool` placed."""
        ranges = [set(relation_ranges(item)) for item in items]
        everything = set().union(*ranges)
        needs = [free_ranges(item) & (everything - ranges[n]) for n, item in enumerate(items)]
        local = [[c for c in pool if _inside(c, ranges[n], everything)] for n in range(len(items))]
        rest = [c for c in pool if not any(any(c is d for d in part) for part in local)]
        waiting = list(range(len(items)))
        current: ph.Physical | None = None
        here: set[int] = set()
        while waiting:
            number = self._next_item(items, ranges, needs, local, rest, waiting, here, outer)
            waiting.remove(number)
            after = here | ranges[number]
            ready = [c for c in rest if used_ranges_in(c, everything) <= after]
            rest = [c for c in rest if not any(c is d for d in ready)]
            if current is None:
                current = self._filtered(self.plan(items[number], local[number], outer), ready)
            else:
                dependent = bool(needs[number])
                current = self._join(
                    "inner", current, items[number], local[number], ready, here, outer, dependent
                )
            here = after
        assert current is not None
        return self._filtered(current, rest)

    def _next_item(
        self,
        items: list[q.Relation],
        ranges: list[set[int]],
        needs: list[set[int]],
        local: list[list[ex.Expr]],
        rest: list[ex.Expr],
        waiting: list[int],
        here: set[int],
        outer: set[int],
    ) -> int:
        possible = [n for n in waiting if needs[n] <= here]
        ends = self._ends_of_paths(items, ranges, local, rest, possible, here, outer) if here else set()
        assert possible, "a lateral item that depends on itself"

        def cost(number: int) -> tuple[bool, float, int]:
            if number in ends:
                return (False, 0.0, number)
            connected = any(
                used_ranges(c) & ranges[number] and used_ranges(c) & here and _is_equality(c) for c in rest
            )
            rows = self._estimate(items[number], local[number], outer)
            if connected:
                rows = min(rows, self._rows_of_look_up(items[number], local[number], rest, here, outer))
            if rows == inf and isinstance(items[number], q.PathSearch):
                connected = False  # it is, but by neither of its ends: these have to come first
            return (bool(here) and not connected, rows, number)

        return min(possible, key=cost)

    def _ends_of_paths(
        self,
        items: list[q.Relation],
        ranges: list[set[int]],
        local: list[list[ex.Expr]],
        rest: list[ex.Expr],
        possible: list[int],
        here: set[int],
        outer: set[int],
    ) -> set[int]:
        """Items that are pinned down by an equality, and at which a path search next to come ends: what a selector
        chooses among is then sought between two nodes, rather than from one to everywhere.

        A plan outlives what it was made for, so it is not asked how many rows there are now.
        """
        found: set[int] = set()
        for number in possible:
            search = items[number]
            if not isinstance(search, q.PathSearch) or search.selector is None:
                continue
            found_path = self._paths(search, local[number] + rest, outer | here)
            if not used_ranges(tuple(found_path.start + found_path.end)) & here:
                continue
            both = self._paths(search, local[number] + rest, outer | here | set().union(*ranges))
            missing = used_ranges(tuple(both.start + both.end)) - here - outer
            for other in possible:
                if other != number and ranges[other] & missing:
                    if any(_pins(c, ranges[other], outer | here) for c in local[other]):
                        found.add(other)
        return found

    def _estimate(self, item: q.Relation, conditions: list[ex.Expr], outer: set[int]) -> float:
        return self.plan(item, conditions, outer).rows

    def _rows_of_look_up(
        self, item: q.Relation, local: list[ex.Expr], rest: list[ex.Expr], here: set[int], outer: set[int]
    ) -> float:
        """About how many rows of the item each row at hand leads to, where that is sure to be few; else infinity."""
        conditions, at_hand = local + rest, outer | here
        if isinstance(item, q.EdgeWays):
            return self._ways(item, conditions, at_hand).rows
        if isinstance(item, q.PathSearch):
            return self._paths(item, conditions, at_hand).rows
        if not isinstance(item, q.Scan) or item.is_virtual:
            return inf
        if _row_id_key(item.range_id, conditions, at_hand) is not None:
            return 2.0
        element = self.statistics.element_info(item.table_oid)
        total = float(max(self.statistics.row_count(item.table_oid), 1)) if element is not None else 1.0
        found = self._index_lookup(item, conditions, at_hand, total)
        if found is None:
            return inf
        return 2.0 if found.unique else found.rows if element is not None and element.is_edges else inf

    def _join(
        self,
        kind: str,
        left: ph.Physical,
        right: q.Relation,
        right_local: list[ex.Expr],
        conditions: list[ex.Expr],
        here: set[int],
        outer: set[int],
        dependent: bool,
    ) -> ph.Physical:
        """Join a planned left side with one more item."""
        if isinstance(right, q.PathSearch):
            found = self._paths(right, right_local + conditions, outer | here)
            if dependent or used_ranges(tuple(found.start + found.end)) & here:
                return ph.NestedLoop(kind, left, found, [], True, rows=left.rows * max(found.rows, 1.0))
        if dependent:
            inner = self.plan(right, right_local, outer | here)
            return ph.NestedLoop(kind, left, inner, conditions, True, rows=left.rows * max(inner.rows, 1.0))
        by_id = self._row_join(kind, left, right, right_local, conditions, here, outer)
        if by_id is not None:
            return by_id
        by_edge = self._edge_join(kind, left, right, right_local, conditions, here, outer)
        if by_edge is not None:
            return by_edge
        by_index = self._index_join(kind, left, right, right_local, conditions, here, outer)
        if by_index is not None:
            return by_index
        per_row = self._per_row_join(kind, left, right, right_local, conditions, here, outer)
        if per_row is not None:
            return per_row
        inner = self.plan(right, right_local, outer)
        keys = [_key_sides(c, here, set(relation_ranges(right))) for c in conditions]
        pairs = [k for k in keys if k is not None]
        residual = [c for c, k in zip(conditions, keys, strict=True) if k is None or not k[2]]
        if not pairs:
            rows = left.rows * inner.rows * _selectivity(conditions)
            return ph.NestedLoop(kind, left, inner, conditions, False, rows=max(rows, 1.0))
        left_keys, right_keys = [a for a, _, _ in pairs], [b for _, b, _ in pairs]
        rows = max(left.rows, inner.rows) * _selectivity(residual)
        if kind == "inner" and inner.rows > 2 * left.rows:
            return ph.HashJoin(kind, inner, left, right_keys, left_keys, residual, rows=rows)
        return ph.HashJoin(kind, left, inner, left_keys, right_keys, residual, rows=rows)

    def _index_join(
        self,
        kind: str,
        left: ph.Physical,
        right: q.Relation,
        right_local: list[ex.Expr],
        conditions: list[ex.Expr],
        here: set[int],
        outer: set[int],
    ) -> ph.Physical | None:
        if not isinstance(right, q.Scan) or right.is_virtual or kind == "full":
            return None
        total = float(max(self.statistics.row_count(right.table_oid), 1))
        found = self._index_lookup(right, right_local + conditions, outer | here, total)
        if found is None or not any(used_ranges(key) & here for key in found.keys):
            return None
        per_row = 1.0 if found.unique else found.rows
        if left.rows * (LOOKUP_COST + per_row) > total:
            return None
        rows = max(1.0, left.rows * per_row * _selectivity(found.filters))
        made = ph.IndexJoin(
            kind,
            left,
            right,
            found.index_oid,
            found.index_name,
            found.keys,
            found.filters,
            found.way,
            rows=rows,
        )
        return _of(self.statistics.element_info(right.table_oid), made)

    def _row_join(
        self,
        kind: str,
        left: ph.Physical,
        right: q.Relation,
        right_local: list[ex.Expr],
        conditions: list[ex.Expr],
        here: set[int],
        outer: set[int],
    ) -> ph.Physical | None:
        """A join in which each left row names the right row by its id."""
        if not isinstance(right, q.Scan) or right.is_virtual or kind == "full":
            return None
        found = _row_id_key(right.range_id, right_local + conditions, outer | here)
        if found is None or not used_ranges(found[0]) & here:
            return None
        total = float(max(self.statistics.row_count(right.table_oid), 1))
        rows = max(1.0, left.rows * self._selectivity_of(right, found[1], total))
        made = ph.RowJoin(kind, left, right, found[0], found[1], rows=rows)
        return _of(self.statistics.element_info(right.table_oid), made)

    def _edge_join(
        self,
        kind: str,
        left: ph.Physical,
        right: q.Relation,
        right_local: list[ex.Expr],
        conditions: list[ex.Expr],
        here: set[int],
        outer: set[int],
    ) -> ph.Physical | None:
        """From nodes to their edges, a node at a time, unless most edges would be met."""
        if kind != "inner" or not isinstance(right, (q.Scan, q.EdgeWays)):
            return None
        scan = right.scan if isinstance(right, q.EdgeWays) else right
        element = None if scan.is_virtual else self.statistics.element_info(scan.table_oid)
        if element is None or not element.is_edges:
            return None
        total = float(max(self.statistics.row_count(scan.table_oid), 1))
        inner: ph.Physical | None
        if isinstance(right, q.EdgeWays):
            inner = self._ways(right, right_local + conditions, outer | here)
            keys = [inner.key] if isinstance(inner, ph.WaysLookup) else []
        else:
            inner = self._index_lookup(right, right_local + conditions, outer | here, total)
            keys = [] if inner is None else inner.keys
        if inner is None or not any(used_ranges(key) & here for key in keys):
            return None
        if isinstance(right, q.Scan) and total > FEW_ELEMENTS:
            if left.rows * (EXPAND_COST + self._degree(element, total) / 2) > total:
                return None
        return ph.NestedLoop(kind, left, inner, [], True, rows=max(1.0, left.rows * inner.rows))

    def _per_row_join(
        self,
        kind: str,
        left: ph.Physical,
        right: q.Relation,
        right_local: list[ex.Expr],
        conditions: list[ex.Expr],
        here: set[int],
        outer: set[int],
    ) -> ph.Physical | None:
        """OPTIONAL and EXISTS of several elements: matched for each left row, where that is less work than to match
        them all once."""
        if kind not in ("left", "semi", "anti") or not self._reads_elements(right):
            return None
        if any(has_subquery(c) for c in conditions):
            return None
        inner = self.plan(right, right_local + conditions, outer | here)
        whole = self.plan(right, right_local, outer)
        if left.rows * (EXPAND_COST + _work(inner)) > _work(whole):
            return None
        return ph.NestedLoop(kind, left, inner, [], True, rows=max(left.rows * inner.rows, 1.0))

    def _reads_elements(self, relation: q.Relation) -> bool:
        return any(
            isinstance(node, q.Scan)
            and not node.is_virtual
            and self.statistics.element_info(node.table_oid) is not None
            for node in walk_all(relation)
        )

    def _left_join(self, join: q.Join, conditions: list[ex.Expr], outer: set[int]) -> ph.Physical:
        left_ranges, right_ranges = set(relation_ranges(join.left)), set(relation_ranges(join.right))
        everything = left_ranges | right_ranges
        sinking = [c for c in conditions if _inside(c, left_ranges, everything) and not has_subquery(c)]
        above = [c for c in conditions if not any(c is s for s in sinking)]
        on = conjuncts(join.condition)
        right_local = [c for c in on if _inside(c, right_ranges, everything) and not has_subquery(c)]
        connecting = [c for c in on if not any(c is r for r in right_local)]
        left = self.plan(join.left, sinking, outer)
        dependent = bool(free_ranges(join.right) & left_ranges)
        joined = self._join("left", left, join.right, right_local, connecting, left_ranges, outer, dependent)
        joined.rows = max(joined.rows, left.rows)
        subquery_joins, above = _take_subquery_joins(join, above)
        return self._with_subquery_joins(self._filtered(joined, above), subquery_joins, outer)

    def _full_join(self, join: q.Join, outer: set[int]) -> ph.Physical:
        left, right = self.plan(join.left, [], outer), self.plan(join.right, [], outer)
        here, there = set(relation_ranges(join.left)), set(relation_ranges(join.right))
        on = conjuncts(join.condition)
        keys = [_key_sides(c, here, there) for c in on]
        pairs = [k for k in keys if k is not None]
        residual = [c for c, k in zip(on, keys, strict=True) if k is None or not k[2]]
        rows = left.rows + right.rows
        if not pairs:
            return ph.NestedLoop("full", left, right, on, False, rows=rows)
        return ph.HashJoin(
            "full", left, right, [a for a, _, _ in pairs], [b for _, b, _ in pairs], residual, rows=rows
        )

    def _semi_join(self, join: q.Join, conditions: list[ex.Expr], outer: set[int]) -> ph.Physical:
        left = self.plan(join.left, conditions, outer)
        return self._attach_semi(join.kind, left, join.right, conjuncts(join.condition), outer)

    def _attach_semi(
        self, kind: str, left: ph.Physical, right: q.Relation, on: list[ex.Expr], outer: set[int]
    ) -> ph.Physical:
        here, there = set(ph.ranges_of(left)), set(relation_ranges(right))
        right_local = [c for c in on if _inside(c, there, here | there)]
        connecting = [c for c in on if not any(c is r for r in right_local)]
        joined = self._join(kind, left, right, right_local, connecting, here, outer, False)
        joined.rows = max(1.0, left.rows * 0.5)
        return joined

    def _with_subquery_joins(
        self, left: ph.Physical, joins: list[tuple[str, q.Relation, list[ex.Expr]]], outer: set[int]
    ) -> ph.Physical:
        for kind, right, on in joins:
            left = self._attach_semi(kind, left, right, on, outer)
        return left


# --- conditions ----------------------------------------


def used_ranges_in(expr: ex.Expr, among: set[int]) -> set[int]:
    """The ranges of `among` that the expression reads, its subqueries' insides included."""
    return used_ranges(expr) & among


def has_subquery(expr: ex.Expr) -> bool:
    """Whether a subquery stands anywhere in the expression."""
    return any(isinstance(node, ex.SubqueryExpr) for node in ex.walk(expr))


def _inside(expr: ex.Expr, ranges: set[int], everything: set[int]) -> bool:
    """Whether the expression reads no range of `everything` but those of `ranges` (and at least one
    of them)."""
    used = used_ranges(expr) & everything
    return bool(used) and used <= ranges


def _is_equality(expr: ex.Expr) -> bool:
    return isinstance(expr, ex.Call) and expr.operator == "=" and len(expr.args) == 2


def _key_sides(expr: ex.Expr, left: set[int], right: set[int]) -> tuple[ex.Expr, ex.Expr, bool] | None:
    """(left key, right key, whether equal keys are enough) if the condition is an equality between the two sides
    that a hash table can serve."""
    if not isinstance(expr, ex.Call) or expr.operator != "=" or len(expr.args) != 2 or has_subquery(expr):
        return None
    found = hash_keys(expr)
    if found is None:
        return None
    a, b, is_enough = found
    both = left | right
    a_used, b_used = used_ranges(a) & both, used_ranges(b) & both
    if not a_used or not b_used:
        return None
    if a_used <= left and b_used <= right:
        return a, b, is_enough
    if a_used <= right and b_used <= left:
        return b, a, is_enough
    return None


def _stripped(expr: ex.Expr) -> ex.Expr:
    """The expression without casts that only relabel."""
    while isinstance(expr, ex.Cast) and expr.function is None:
        expr = expr.arg
    return expr


def _column_of(expr: ex.Expr, range_id: int) -> int | None:
    bare = _stripped(expr)
    return bare.position if isinstance(bare, ex.Column) and bare.range_id == range_id else None


def _available(expr: ex.Expr, range_id: int, outer: set[int]) -> bool:
    """Whether the expression can be computed before the range's rows are read."""
    return used_ranges(expr) <= outer and not has_subquery(expr) and not _is_volatile(expr)


def _is_volatile(expr: ex.Expr) -> bool:
    return any(isinstance(n, ex.Call) and n.function.volatility == "v" for n in ex.walk(expr))


def _equalities(
    range_id: int, conditions: list[ex.Expr], outer: set[int]
) -> dict[int, tuple[ex.Expr, ex.Expr]]:
    """column position -> (what it equals, the condition), for conditions that an index look-up can serve."""
    found: dict[int, tuple[ex.Expr, ex.Expr]] = {}
    for condition in conditions:
        if not isinstance(condition, ex.Call) or condition.operator != "=" or len(condition.args) != 2:
            continue
        for column, other in (condition.args, condition.args[::-1]):
            position = _column_of(column, range_id)
            if position is None or position in found or not _available(other, range_id, outer):
                continue
            if same_key_class(_stripped(column).type.oid, other.type.oid):
                found[position] = (other, condition)
                break
    return found


def _is_listed(condition: ex.Expr, range_id: int, index: IndexInfo, outer: set[int]) -> bool:
    """Whether the condition is `key = ANY (array)` of a one-column index, with an array known before the rows are
    read."""
    if not isinstance(condition, ex.AnyAll) or condition.is_all or condition.operator != "=":
        return False
    left = _stripped(condition.left)
    if index.properties:
        if not _is_property(left, range_id, index.properties[0]) or left.type.oid not in UNTAGGED:
            return False
    elif index.positions[0] is None or _column_of(left, range_id) != index.positions[0]:
        return False
    if not _available(condition.array, range_id, outer):
        return False
    element = type_info(condition.array.type.oid).element_oid
    return same_key_class(left.type.oid, element)


def _work(node: ph.Physical) -> float:
    """About how many rows a plan looks at."""
    match node:
        case ph.NestedLoop() if node.dependent:
            return _work(node.left) + node.left.rows * (EXPAND_COST + _work(node.right))
        case ph.NestedLoop():
            return _work(node.left) + _work(node.right) + node.left.rows * node.right.rows
        case ph.HashJoin():
            return _work(node.left) + 2 * _work(node.right) + node.rows
        case ph.RowJoin() | ph.IndexJoin():
            return _work(node.left) + 2 * node.left.rows + node.rows
        case ph.Filtered() | ph.Aggregate() | ph.WindowRows() | ph.SetFunctions():
            return _work(node.input) + node.input.rows
        case ph.SeqScan():
            return node.rows / max(_selectivity(node.filters), 1e-6)
    return node.rows


_E = TypeVar("_E", bound=ph.OfElements)


def _of(element: ElementInfo | None, node: _E) -> _E:
    """The node, told whose elements it reads."""
    if element is not None:
        node.graph, node.is_edges = element.graph, element.is_edges
    return node


def _pins(condition: ex.Expr, ranges: set[int], outer: set[int]) -> bool:
    """Whether the condition says what something of these ranges is equal to."""
    if not _is_equality(condition):
        return False
    assert isinstance(condition, ex.Call)
    left, right = (used_ranges(arg) for arg in condition.args)
    return (bool(left & ranges) and right <= outer) or (bool(right & ranges) and left <= outer)


def _row_id_key(
    range_id: int, conditions: list[ex.Expr], outer: set[int]
) -> tuple[ex.Expr, list[ex.Expr]] | None:
    """(what the row's id equals, the other conditions), if a condition says so."""
    for condition in conditions:
        if not _is_equality(condition):
            continue
        assert isinstance(condition, ex.Call)
        for row_id, other in (condition.args, condition.args[::-1]):
            if isinstance(row_id, ex.RowId) and row_id.range_id == range_id:
                key = row_id_of(other) if _available(other, range_id, outer) else None
                if key is not None:
                    return key, [c for c in conditions if c is not condition]
    return None


def _label_conditions(index: IndexInfo, range_id: int, conditions: list[ex.Expr]) -> list[ex.Expr] | None:
    """The conditions that the index's label makes true; None if the conditions don't imply the label, so that the
    index may lack rows."""
    if not index.label:
        return []
    implying = [c for c in conditions if _implies_label(c, range_id, index.label)]
    if not implying:
        return None
    return [c for c in implying if isinstance(c, ex.HasLabels) and c.labels == Label(index.label)]


def _is_property(expr: ex.Expr, range_id: int, name: str) -> bool:
    return isinstance(expr, ex.Property) and expr.range_id == range_id and expr.name == name


def _property_lookup(
    index: IndexInfo, scan: q.Scan, conditions: list[ex.Expr], outer: set[int]
) -> ph.IndexLookup | None:
    """A look-up in an index of properties, if the conditions fix them all and imply the index's label."""
    spent = _label_conditions(index, scan.range_id, conditions)
    if spent is None:
        return None
    keys: list[ex.Expr] = []
    for name in index.properties:
        found = _property_equality(name, scan.range_id, conditions, outer)
        if found is None:
            return None
        keys.append(found[0])
        if found[2]:
            spent.append(found[1])
    filters = [c for c in conditions if not any(c is s for s in spent)]
    return ph.IndexLookup(scan, index.oid, index.name, keys, index.unique, filters, is_dynamic=True)


def _property_range(
    index: IndexInfo, scan: q.Scan, conditions: list[ex.Expr], outer: set[int]
) -> ph.IndexRange | None:
    """A range of an index of properties.  Its order is that of all values, whatever their types; the conditions say
    themselves which of those between the bounds they mean.  All of its properties must be asked for: the index lacks
    what lacks one of them."""
    spent = _label_conditions(index, scan.range_id, conditions)
    if spent is None:
        return None
    equal: list[ex.Expr] = []
    for name in index.properties:
        found = _property_equality(name, scan.range_id, conditions, outer)
        if found is None:
            break
        equal.append(found[0])
        if found[2]:
            spent.append(found[1])
    if len(equal) + 1 != len(index.properties):
        return None
    low: ph.Bound | None = None
    high: ph.Bound | None = None
    for condition in conditions:
        bound = _property_bound(condition, scan.range_id, index.properties[-1], outer)
        if bound is not None and bound[0] and low is None:
            low = bound[1]
        elif bound is not None and not bound[0] and high is None:
            high = bound[1]
    if low is None and high is None:
        return None
    descending = index.descending[-1]
    filters = [c for c in conditions if not any(c is s for s in spent)]
    return ph.IndexRange(
        scan, index.oid, index.name, equal, low, high, descending, False, filters, is_dynamic=True
    )


def _property_bound(
    condition: ex.Expr, range_id: int, name: str, outer: set[int]
) -> tuple[bool, ph.Bound] | None:
    if not isinstance(condition, ex.Call) or condition.operator not in _RANGE_OPERATORS:
        return None
    if len(condition.args) != 2:
        return None
    left, right = map(without_tag, condition.args)
    operator = condition.operator
    if not _is_property(left, range_id, name):
        left, right, operator = right, left, _MIRRORED[operator]
    if not _is_property(left, range_id, name) or not _available(right, range_id, outer):
        return None
    if not can_meet(left.type.oid, right.type.oid):
        return None
    is_low, inclusive = _RANGE_OPERATORS[operator]
    return is_low, ph.Bound(right, inclusive)


def _implies_label(condition: ex.Expr, range_id: int, label: str) -> bool:
    return (
        isinstance(condition, ex.HasLabels)
        and condition.range_id == range_id
        and _formula_implies(condition.labels, label)
    )


def _formula_implies(labels: LabelFormula, label: str) -> bool:
    match labels:
        case Label():
            return labels.name == label
        case AllOf():
            return any(_formula_implies(part, label) for part in labels.parts)
        case AnyOf():
            return all(_formula_implies(part, label) for part in labels.parts)
    return False


def _property_equality(
    name: str, range_id: int, conditions: list[ex.Expr], outer: set[int]
) -> tuple[ex.Expr, ex.Expr, bool] | None:
    """(what the property equals, the condition, whether equal keys are enough for it)."""
    for condition in conditions:
        if not _is_equality(condition):
            continue
        assert isinstance(condition, ex.Call)
        for side, other in (condition.args, condition.args[::-1]):
            bare = without_tag(side)
            if isinstance(bare, ex.Property) and bare.range_id == range_id and bare.name == name:
                if _available(other, range_id, outer) and can_meet(bare.type.oid, other.type.oid):
                    return other, condition, is_exact(bare.type.oid, other.type.oid)
    return None


def _better(best: ph.IndexLookup | None, found: ph.IndexLookup) -> ph.IndexLookup:
    """The look-up that gives fewer rows, as far as that is known without counting."""
    if best is None:
        return found
    if best.unique is not found.unique:
        return found if found.unique else best
    if best.is_dynamic or found.is_dynamic:
        return found if found.rows < best.rows else best
    return found if len(found.keys) > len(best.keys) else best


_RANGE_OPERATORS = {"<": (False, False), "<=": (False, True), ">": (True, False), ">=": (True, True)}
_MIRRORED = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}


def _range_on(
    index: IndexInfo,
    scan: q.Scan,
    conditions: list[ex.Expr],
    equalities: dict[int, tuple[ex.Expr, ex.Expr]],
    outer: set[int],
) -> ph.IndexRange | None:
    equal: list[ex.Expr] = []
    spent: list[ex.Expr] = []
    for position in index.positions:
        if position is None or position not in equalities:
            break
        equal.append(equalities[position][0])
        spent.append(equalities[position][1])
    low: ph.Bound | None = None
    high: ph.Bound | None = None
    descending = False
    if len(equal) < len(index.positions) and (column := index.positions[len(equal)]) is not None:
        descending = index.descending[len(equal)]
        for condition in conditions:
            bound = _bound(condition, scan.range_id, column, outer)
            if bound is None:
                continue
            is_low, limit = bound
            if is_low and low is None:
                low = limit
                spent.append(condition)
            elif not is_low and high is None:
                high = limit
                spent.append(condition)
    if not equal and low is None and high is None:
        return None
    filters = [c for c in conditions if not any(c is s for s in spent)]
    return ph.IndexRange(scan, index.oid, index.name, equal, low, high, descending, False, filters)


def _bound(condition: ex.Expr, range_id: int, column: int, outer: set[int]) -> tuple[bool, ph.Bound] | None:
    if (
        not isinstance(condition, ex.Call)
        or condition.operator not in _RANGE_OPERATORS
        or len(condition.args) != 2
    ):
        return None
    left, right = condition.args
    operator = condition.operator
    if _column_of(left, range_id) != column:
        left, right, operator = right, left, _MIRRORED[operator]
    if _column_of(left, range_id) != column or not _available(right, range_id, outer):
        return None
    if not same_key_class(_stripped(left).type.oid, right.type.oid):
        return None
    is_low, inclusive = _RANGE_OPERATORS[operator]
    return is_low, ph.Bound(right, inclusive)


def _selectivity(conditions: list[ex.Expr]) -> float:
    result = 1.0
    for condition in conditions:
        operator = condition.operator if isinstance(condition, ex.Call) else None
        if operator == "=":
            result *= EQUALITY_SELECTIVITY
        elif operator in _RANGE_OPERATORS:
            result *= RANGE_SELECTIVITY
        else:
            result *= OTHER_SELECTIVITY
    return result


# --- joins taken apart ----------------------------------------


def _take_apart(relation: q.Relation, items: list[q.Relation], pool: list[ex.Expr]) -> None:
    if isinstance(relation, q.Join) and relation.kind == "inner":
        _take_apart(relation.left, items, pool)
        _take_apart(relation.right, items, pool)
        pool.extend(conjuncts(relation.condition))
    elif isinstance(relation, q.Filter):
        _take_apart(relation.input, items, pool)
        pool.extend(conjuncts(relation.condition))
    else:
        items.append(relation)


def _take_subquery_joins(
    relation: q.Relation, conditions: list[ex.Expr]
) -> tuple[list[tuple[str, q.Relation, list[ex.Expr]]], list[ex.Expr]]:
    """Split off the correlated EXISTS and IN conditions that are semi or anti joins in disguise."""
    here = set(relation_ranges(relation))
    joins: list[tuple[str, q.Relation, list[ex.Expr]]] = []
    plain: list[ex.Expr] = []
    for condition in conditions:
        join = _as_subquery_join(condition, here)
        if join is None:
            plain.append(condition)
        else:
            joins.append(join)
    return joins, plain


def _as_subquery_join(condition: ex.Expr, here: set[int]) -> tuple[str, q.Relation, list[ex.Expr]] | None:
    negated = isinstance(condition, ex.Not)
    inner = condition.arg if isinstance(condition, ex.Not) else condition
    if not isinstance(inner, ex.SubqueryExpr) or not free_ranges(inner.query) & here:
        return None
    query = inner.query
    if not isinstance(query, q.Select) or not _is_plain_block(query):
        return None
    if inner.kind == "any" and (negated or inner.operator != "="):
        return None
    if inner.kind not in ("exists", "any"):
        return None
    on: list[ex.Expr] = []
    source = query.input
    while isinstance(source, q.Filter):
        on.extend(conjuncts(source.condition))
        source = source.input
    if isinstance(source, q.OneRow) or free_ranges(source) & here:
        return None
    if any(isinstance(node, q.PathSearch) for node in walk_all(source)):
        return None  # a search needs a node to begin at
    if any(has_subquery(c) for c in on):
        return None
    if inner.kind == "any":
        for left, output, function in zip(inner.lefts, query.outputs, inner.comparisons, strict=True):
            if has_subquery(left) or has_subquery(output):
                return None
            on.append(ex.Call(_BOOL_TYPE, function, (left, output), "="))
    return ("anti" if negated else "semi"), source, on


def _is_plain_block(query: q.Select) -> bool:
    """No part of the block changes how many rows there are, so that only WHERE decides."""
    if query.limit is not None or query.offset is not None or query.locks or query.distinct_on:
        return False
    source = query.input
    while isinstance(source, q.Filter):
        source = source.input
    return not isinstance(source, (q.Aggregation, q.Window, q.ProjectSet))


_BOOL_TYPE = SqlType(BOOL)
