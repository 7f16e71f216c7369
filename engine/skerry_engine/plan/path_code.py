"""Code for path searches: functions for a pattern's segments, and the call that searches with them.

A segment becomes a query of its own over the nodes that the search has come to, a few hundred at a time:

    SELECT f.1, e.id, e.target FROM bindings f JOIN edges e ON e.source = f.1           forward
    SELECT f.1, e.id, e.source FROM bindings f JOIN edges e ON e.target = f.1           backward

planned and compiled like any other.  A segment that is one edge of a native graph, with labels at most, needs none:
its edges come straight from the index of their ends (`EdgeHop`).

    for b4 in paths1.run(ctx, (id1,), None, None, lambda: tools1(
            (hop1(rd0, (ix0, 2), None, fits1, labels1),), (None,), (), (), ())):
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from skerry_engine.algebra import expressions as ex
from skerry_engine.algebra import paths as pt
from skerry_engine.algebra import queries as q
from skerry_engine.algebra.labels import LabelFormula
from skerry_engine.algebra.traversal import conjuncts, free_ranges
from skerry_engine.functions.resolve import resolve_operator
from skerry_engine.plan import elements
from skerry_engine.plan import physical as ph
from skerry_engine.plan.path_program import Program
from skerry_engine.plan.path_steps import EdgeHop, OutputPlan, PathPlan, Tools
from skerry_engine.storage.ways import way_kind
from skerry_engine.values import oids
from skerry_engine.values.types import SqlType

if TYPE_CHECKING:
    from skerry_engine.plan.relations import RelationWriter

INT8, BOOL = SqlType(oids.INT8), SqlType(oids.BOOL)

FIRST_NUMBER = 1_000_000
"""Bindings of path searches have numbers from here on, those of a program's stages smaller ones."""

NUMBERS_PER_SEARCH = 10_000
FIRST_RANGE = 1 << 30
"""The ranges of bindings that are made here."""


class PathWriter:
    """Writes path searches into one generated function."""

    def __init__(self, relations: RelationWriter) -> None:
        self.relations = relations
        self.module = relations.module
        self.queries = relations.queries

    def call(self, node: ph.PathRows, is_counted: bool) -> str:
        """Python text of a generator of batches: the search's rows; empty ones where they are only counted."""
        search = node.search
        plan = self._plan(node, is_counted)
        tools = self._tools(search, plan, bool(node.start and node.end))
        known, other = (node.end, node.start) if node.backward else (node.start, node.end)
        assert known, "a search needs a node to begin at"
        count = "None" if search.selector is None else self.relations.scalars.value(search.selector.count)
        name = self.module.bind("paths", plan)
        return f"{name}.run(ctx, {self._tuple(known)}, {self._tuple(other)}, {count}, lambda: {tools})"

    def _tuple(self, exprs: list[ex.Expr]) -> str:
        if not exprs:
            return "None"
        return f"({', '.join(self.relations.scalars.value(each) for each in exprs)},)"

    def _plan(self, node: ph.PathRows, is_counted: bool) -> PathPlan:
        search = node.search
        program = Program(search.pattern, search.mode, search.joined, node.backward)
        node_parts, edge_parts = _parts(program)
        groups = [[_output(each) for each in group.outputs] for group in program.conditions]
        selector = search.selector
        return PathPlan(
            program,
            [] if is_counted else [_output(each) for each in search.outputs],
            groups,
            _edge_variables(search.pattern),
            node_parts,
            edge_parts,
            selector is not None,
            selector is not None and selector.by_length,
            self.queries.next_search(NUMBERS_PER_SEARCH) + FIRST_NUMBER,
            not free_ranges(search.pattern),
        )

    # --- tools ----------------------------------------

    def _tools(self, search: q.PathSearch, plan: PathPlan, has_both_ends: bool) -> str:
        program = plan.program
        number = plan.number
        ways = [program.backward]
        if plan.selects and program.step is not None and has_both_ends:
            ways.append(not program.backward)
        hops: list[str] = []
        segments: list[str] = []
        for backward in ways:
            for segment in program.segments:
                hops.append(self._hop(segment, backward))
                query = (
                    None if hops[-1] != "None" else _segment_query(segment, backward, *self._bound(number))
                )
                segments.append("None" if query is None else self._function(query))
                number += 1
        checks = []
        for group in program.conditions:
            checks.append(self._function(_check_query(group, number)))
            number += 1
        lookups: list[list[str]] = [[], []]
        for position, wanted in enumerate((search.nodes, search.edges)):
            for lookup in wanted:
                lookups[position].append(self._function(_lookup_query(lookup, *self._bound(number))))
                number += 1
        assert number < plan.number + NUMBERS_PER_SEARCH
        made = ", ".join(_tuple_text(each) for each in (hops, segments, checks, *lookups))
        return f"{self.module.bind('tools', Tools)}({made})"

    def _bound(self, number: int) -> tuple[int, int]:
        """(number, range) of bindings that hold a few references."""
        range_id = FIRST_RANGE + number
        self.queries.planner.frontiers.add(range_id)
        return number, range_id

    def _function(self, query: q.Select) -> str:
        return f"lambda: {self.queries.own_query_call(query, self.relations.scalars)}"

    def _hop(self, segment: pt.PathSegment, backward: bool) -> str:
        """Python text of an `EdgeHop` that walks the segment, or None."""
        if len(segment.elements) != 3 or any(len(each.reference) != 1 for each in segment.elements):
            return "None"
        conditions: list[ex.Expr] = []
        source = segment.source
        while isinstance(source, q.Filter):
            conditions += conjuncts(source.condition)
            source = source.input
        first, edge, last = [each.reference[0] for each in segment.elements]
        both = isinstance(source, q.EdgeWays)
        scan = source.scan if isinstance(source, q.EdgeWays) else source
        if not isinstance(scan, q.Scan) or scan.is_virtual:
            return "None"
        info = self.queries.inputs.element_info(scan.table_oid)
        if info is None or not info.is_edges or edge != ex.RowId(edge.type, scan.range_id):
            return "None"
        ends = (source.ends, 0, 1) if isinstance(source, q.EdgeWays) else (scan.range_id, 1, 2)
        if not (_is_column(first, ends[0]) and _is_column(last, ends[0])):
            return "None"
        assert isinstance(first, ex.Column) and isinstance(last, ex.Column)
        if {first.position, last.position} != {ends[1], ends[2]}:
            return "None"
        fits = self._labels(scan, conditions)
        if fits is None:
            return "None"
        relations = self.relations
        reader = relations.reader(scan.range_id, scan.table_oid)
        out = f"({relations.index(scan.range_id, scan.table_oid, info.by_source)}, 2)"
        into = f"({relations.index(scan.range_id, scan.table_oid, info.by_target)}, 1)"
        leaves_source = (first.position == ends[1]) is not backward
        sides = (out, into) if both else (out, "None") if leaves_source else ("None", into)
        asked = conditions[0].labels if conditions and isinstance(conditions[0], ex.HasLabels) else None
        kinds = self.module.keep("kinds", asked, lambda: _way_kinds(asked))
        return f"{self.module.bind('hop', EdgeHop)}({reader}, {sides[0]}, {sides[1]}, {fits}, {kinds})"

    def _labels(self, scan: q.Scan, conditions: list[ex.Expr]) -> str | None:
        """What tells by a row's shape whether the conditions hold; None where they are about more."""
        if not conditions:
            return "None"
        condition = conditions[0]
        if len(conditions) > 1 or not isinstance(condition, ex.HasLabels):
            return None
        if condition.range_id != scan.range_id:
            return None
        registry = self.queries.shapes(scan.table_oid)
        labels = condition.labels
        return self.module.keep("fits", (scan.table_oid, labels), lambda: elements.fitting(registry, labels))


def _way_kinds(labels: LabelFormula | None) -> tuple[int, int, int]:
    """The numbers of the ways along edges with labels: forward, backward, backward without loops."""
    return way_kind(2, False, labels), way_kind(1, False, labels), way_kind(1, True, labels)


# --- queries ----------------------------------------


def _segment_query(segment: pt.PathSegment, backward: bool, number: int, range_id: int) -> q.Select:
    """The rows of a segment that begin (backward: end) at one of some nodes: that node, then all that comes after."""
    walked = segment.elements[::-1] if backward else segment.elements
    first = walked[0].reference
    outputs = [part for element in walked for part in element.reference]
    return _joined(segment.source, first, tuple(outputs), number, range_id)


def _lookup_query(lookup: pt.PathLookup, number: int, range_id: int) -> q.Select:
    """The values of some references, each behind its reference."""
    return _joined(lookup.source, lookup.reference, (*lookup.reference, lookup.value), number, range_id)


def _joined(
    source: q.Relation,
    reference: tuple[ex.Expr, ...],
    outputs: tuple[ex.Expr, ...],
    number: int,
    range_id: int,
) -> q.Select:
    """`outputs` of the rows of `source` whose reference is one of those bound under `number`."""
    asked = q.Bindings(range_id, number, len(reference))
    conditions = tuple(
        _equal(part, ex.Column(part.type, range_id, position, "", False))
        for position, part in enumerate(reference)
    )
    condition = conditions[0] if len(conditions) == 1 else ex.And(BOOL, conditions)
    joined = q.Join("inner", asked, source, condition)
    return q.Select(_columns(outputs), joined, outputs)


def _check_query(group: pt.PathGroup, number: int) -> q.Select:
    """The numbers of those of some matches of a group for which its condition is true."""
    assert group.condition is not None
    width = len(group.outputs)
    asked = q.Bindings(group.range_id, number, width + 1)
    outputs: tuple[ex.Expr, ...] = (ex.Column(INT8, group.range_id, width, "", False),)
    return q.Select(_columns(outputs), q.Filter(asked, group.condition), outputs)


def _columns(outputs: tuple[ex.Expr, ...]) -> tuple[q.OutputColumn, ...]:
    return tuple(q.OutputColumn("", each.type) for each in outputs)


def _equal(left: ex.Expr, right: ex.Expr) -> ex.Expr:
    found, _, result = resolve_operator("=", left.type.oid, right.type.oid)
    return ex.Call(SqlType(result), found.function, (left, right), "=")


# --- small things ----------------------------------------


def _output(output: pt.PathOutput) -> OutputPlan:
    part = -1 if output.kind == "edges" else output.part
    return OutputPlan(output.kind, output.variable, part, output.last)


def _parts(program: Program) -> tuple[int, int]:
    """Of how many parts references of nodes and of edges are."""
    nodes, edges = 1, 1
    for segment in program.segments:
        for element in segment.elements:
            if element.is_edge:
                edges = len(element.reference)
            else:
                nodes = len(element.reference)
    return nodes, edges


def _edge_variables(pattern: pt.PathPart) -> set[int]:
    found: set[int] = set()
    if isinstance(pattern, pt.PathSegment):
        found.update(v for each in pattern.elements if each.is_edge for v in each.variables)
    elif isinstance(pattern, (pt.PathSequence, pt.PathChoice)):
        found.update(*map(_edge_variables, pattern.parts))
    elif isinstance(pattern, (pt.PathRepeat, pt.PathGroup)):
        found = _edge_variables(pattern.part)
    return found


def _is_column(expr: ex.Expr, range_id: int) -> bool:
    return isinstance(expr, ex.Column) and expr.range_id == range_id


def _tuple_text(items: list[str]) -> str:
    return f"({', '.join(items)},)" if items else "()"
