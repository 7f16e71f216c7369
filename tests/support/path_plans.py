"""Patterns of `graph_matcher` as path searches over a graph's tables."""

from __future__ import annotations

from random import Random

from skerry_engine.algebra import expressions as ex
from skerry_engine.algebra import paths as pt
from skerry_engine.algebra import queries as q
from skerry_engine.values import oids
from skerry_engine.values.types import SqlType
from support.graph_matcher import Compare, Edge, Graph, Node, Paren, Part, variables
from support.graph_plans import (
    EDGES,
    GRAPH,
    NODES,
    GraphTables,
    column,
    edges,
    joined,
    labelled,
    nodes,
    number,
    row_id,
    same,
    ways,
)
from support.path_patterns import BOOL, INT8, Translator

NODE, EDGE, PATH = SqlType(oids.NODE), SqlType(oids.EDGE), SqlType(oids.PATH)
SEARCH = 1
"""The range of the search's outputs: start, end, path, then a list for each variable, by name."""


def stored(graph: Graph) -> tuple[GraphTables, dict[int, int], dict[int, int]]:
    """The graph in tables, and the row ids of its nodes and its edges."""
    tables = GraphTables()
    node_ids = {n: tables.node(*sorted(graph.labels[n]), **graph.properties[n]) for n in graph.labels}
    edge_ids = {
        n: tables.edge(node_ids[e.source], node_ids[e.target], *sorted(e.labels), **e.properties)
        for n, e in graph.edges.items()
    }
    return tables, node_ids, edge_ids


class SearchMaker(Translator):
    """Makes a search of a pattern."""

    def __init__(self, random: Random, whole: Part) -> None:
        super().__init__(random, whole)
        self.ranges = 10

    def search(self, whole: Part, mode: str, selector: pt.PathSelector | None = None) -> q.PathSearch:
        """The search, with outputs as of `SEARCH`."""
        pattern = self.part(whole)
        outputs = [pt.PathOutput("start", INT8), pt.PathOutput("end", INT8), pt.PathOutput("path", PATH)]
        for name in sorted(variables(whole)):
            outputs.append(pt.PathOutput("list", NODE, self.numbers[name]))
        node = pt.PathLookup(nodes(2), (row_id(2),), node_value(2))
        edge = pt.PathLookup(edges(3), (row_id(3),), edge_value(3))
        joined_variables = self.joined(whole)
        return q.PathSearch(
            SEARCH, pattern, tuple(outputs), mode, selector, joined_variables, (node,), (edge,)
        )

    def _range(self) -> int:
        self.ranges += 1
        return self.ranges

    def _elements(self, run: list[Node | Edge]) -> pt.PathPart:
        return self._segment(run, False)

    def _segment(self, run: list[Node | Edge], no_loops: bool) -> pt.PathSegment:
        """A join of scans; nodes that nobody looks at are left to a rule to take out."""
        items: list[q.Relation] = []
        conditions: list[ex.Expr] = []
        elements: list[pt.PathElement] = []
        pending: list[Edge | None] = [None]

        def node_range() -> int:
            range_id = self._range()
            items.append(nodes(range_id))
            elements.append(pt.PathElement(False, (row_id(range_id),)))
            if pending[0] is not None:
                self._add_edge(pending[0], range_id, items, conditions, elements)
                pending[0] = None
            return range_id

        open_range = -1
        for each in run:
            if open_range < 0:
                open_range = node_range()
            if isinstance(each, Node):
                conditions += self._conditions(each, open_range, NODES)
                elements[-1] = self._noted(elements[-1], each)
            else:
                pending[0] = each
                open_range = -1
        if open_range < 0:
            node_range()
        source = joined(*items)
        if conditions:
            source = q.Filter(
                source, conditions[0] if len(conditions) == 1 else ex.And(BOOL, tuple(conditions))
            )
        return pt.PathSegment(source, tuple(elements))

    def _add_edge(
        self,
        edge: Edge,
        right: int,
        items: list[q.Relation],
        conditions: list[ex.Expr],
        elements: list[pt.PathElement],
    ) -> None:
        """The edge before the node that has just come."""
        left = elements[-2].reference[0]
        range_id = self._range()
        if edge.direction == "-":
            ends = self._range()
            items.append(ways(range_id, ends))
            conditions += [same(left, column(ends, 0)), same(row_id(right), column(ends, 1))]
        else:
            items.append(edges(range_id))
            sides = (1, 2) if edge.direction == "->" else (2, 1)
            conditions += [
                same(left, column(range_id, sides[0])),
                same(column(range_id, sides[1]), row_id(right)),
            ]
        conditions += self._conditions(edge, range_id, EDGES)
        elements.insert(-1, self._noted(pt.PathElement(True, (row_id(range_id),)), edge))

    def _noted(self, element: pt.PathElement, each: Node | Edge) -> pt.PathElement:
        if each.variable is None:
            return element
        noted = (*element.variables, self.numbers[each.variable])
        return pt.PathElement(element.is_edge, element.reference, noted)

    def _conditions(self, each: Node | Edge, range_id: int, table_oid: int) -> list[ex.Expr]:
        found: list[ex.Expr] = []
        if each.label is not None:
            found.append(labelled(range_id, each.label, table_oid))
        if each.where is not None:
            read = ex.Property(INT8, range_id, table_oid, each.where.key)
            found.append(same(read, number(each.where.constant), each.where.operator))
        return found

    def _group(self, part: Paren) -> pt.PathPart:
        made = super()._group(part)
        if not isinstance(made, pt.PathGroup) or part.where is None:
            return made
        names = [name for name in (part.where.variable, part.where.other) if name is not None]
        range_id = self._range()
        outputs = tuple(pt.PathOutput("element", NODE, self.numbers[name]) for name in names)
        condition = self._condition(part.where, range_id)
        return pt.PathGroup(made.part, made.mode, made.joined, condition, range_id, outputs)

    def _condition(self, where: Compare, range_id: int) -> ex.Expr:
        sides: list[ex.Expr] = [
            ex.ValueProperty(INT8, ex.Column(NODE, range_id, position, "x"), where.key)
            for position in range(1 if where.other is None else 2)
        ]
        if where.other is None:
            sides.append(number(where.constant))
        return same(sides[0], sides[1], where.operator)


def node_value(range_id: int) -> ex.ElementValue:
    """A node as a value."""
    row = ex.WholeRow(SqlType(oids.RECORD), range_id)
    return ex.ElementValue(NODE, GRAPH, number(NODES), row_id(range_id), row)


def edge_value(range_id: int) -> ex.ElementValue:
    """An edge as a value."""
    row = ex.WholeRow(SqlType(oids.RECORD), range_id)
    ends = (number(NODES), column(range_id, 1), number(NODES), column(range_id, 2))
    return ex.ElementValue(EDGE, GRAPH, number(EDGES), row_id(range_id), row, ends)
