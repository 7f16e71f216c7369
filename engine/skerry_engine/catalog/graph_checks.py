"""What a graph's type and its constraints say of elements, as functions to be called when elements are written.

    shape     of all elements with one label set and the same properties: asked once for each shape
                  closed graphs: is there such a type, are these its properties, of their types, none missing?
                  constraints: is no property missing that must be there?
    ends      of an edge between nodes of two shapes (closed graphs only): asked once for each three shapes
    property  of a shape that is about to be made (closed graphs only): can its properties be of any type at all?

So an element costs nothing but the look-up of its shape.  What `shape` and `ends` forbid may be passed through within
a statement (txn/shape_rules.py); `property` is asked before anything is written, so that a closed graph's properties
never have other types than it declares.  Unique constraints are not here: they are unique indexes over properties
(`graphs.PropertyIndex`), which the kernel keeps as it does SQL's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import cast

from skerry_engine.catalog.catalog import Database
from skerry_engine.catalog.graphs import (
    EdgeType,
    ElementConstraint,
    ElementTable,
    ElementTypes,
    NodeType,
    PropertyType,
    graph_of,
)
from skerry_engine.catalog.objects import Constraint
from skerry_engine.errors import GraphTypeViolation, NotNullViolation
from skerry_engine.storage.shapes import Shape
from skerry_engine.values import oids
from skerry_engine.values.graphs import widened
from skerry_engine.values.types import find_type, format_type

ShapeCheck = Callable[[Shape], None]
"""Raises GraphTypeViolation, NotNullViolation."""

PropertyCheck = Callable[[tuple[str, ...], tuple[int, ...]], None]
"""Of properties' names and types.  Raises GraphTypeViolation."""

DeclaredType = Callable[[frozenset[str], str], tuple[int, int] | None]
"""(type OID, modifier) that a graph's type declares for a property of elements with these labels; None where it
declares none, or several."""

EndsCheck = Callable[[Shape, Shape, Shape], None]
"""Of an edge, its source and its target.  Raises GraphTypeViolation."""


@dataclass(frozen=True, slots=True)
class GraphChecks:
    """The checks of one graph, None where everything goes."""

    nodes: ShapeCheck | None
    edges: ShapeCheck | None
    ends: EndsCheck | None
    elements: ElementTypes | None
    name: str

    def shape(self, of_edges: bool) -> ShapeCheck | None:
        """The check of nodes' or edges' shapes."""
        return self.edges if of_edges else self.nodes

    def properties(self, of_edges: bool) -> PropertyCheck:
        """The check that each property may be had, with its type, by nodes or edges of some type."""
        types = () if self.elements is None else self.elements.types(of_edges)
        what = "edges" if of_edges else "nodes"

        def check(names: tuple[str, ...], oids: tuple[int, ...]) -> None:
            for name, type_oid in zip(names, oids, strict=True):
                declared = [each for of in types if (each := of.property_named(name)) is not None]
                if not any(accepts(each, type_oid) for each in declared):
                    raise self._refused(what, name, type_oid, declared)

        return check if self.elements is not None else _everything

    def declared_type(self, of_edges: bool) -> DeclaredType | None:
        """What nodes' or edges' properties are declared as; None in an open graph."""
        elements = self.elements
        if elements is None:
            return None

        def declared(labels: frozenset[str], name: str) -> tuple[int, int] | None:
            found = elements.property_types(name, of_edges, lambda others: others == labels)
            found = found or elements.property_types(name, of_edges)
            if len(found) != 1:
                return None
            (wanted,) = found
            return wanted.oid, wanted.typmod

        return declared

    def _refused(
        self, what: str, name: str, type_oid: int, declared: list[PropertyType]
    ) -> GraphTypeViolation:
        if not declared:
            return GraphTypeViolation(
                f'{what} of graph "{self.name}" have no property "{name}"', table=self.name, column=name
            )
        wanted = " or ".join(dict.fromkeys(format_type(each.type.oid) for each in declared))
        return GraphTypeViolation(
            f'property "{name}" of {what} of graph "{self.name}" is of type {wanted}, '
            f"not {format_type(type_oid)}",
            table=self.name,
            column=name,
        )


def _everything(_names: tuple[str, ...], _types: tuple[int, ...]) -> None:
    """Any properties."""


def graph_checks(database: Database, table: ElementTable) -> GraphChecks:
    """The checks of the graph whose elements are in the table."""
    graph = graph_of(database, table)
    nodes, edges = graph.nodes(database), graph.edges(database)
    found = database.cached("graph checks", dict[int, GraphChecks])
    checks = found.get(graph.oid)
    if checks is None:
        checks = checks_of(graph.elements, nodes.constraints, edges.constraints, graph.name)
        found[graph.oid] = checks
    return checks


def checks_of(
    elements: ElementTypes | None,
    of_nodes: Iterable[Constraint],
    of_edges: Iterable[Constraint],
    graph: str,
) -> GraphChecks:
    """The checks of a graph with this type and these constraints; `graph` is its name."""
    ends = None if elements is None else _EndsCheck(elements, graph)
    nodes = _ShapeCheck(None if elements is None else elements.nodes, of_nodes, graph, "node")
    edges = _ShapeCheck(None if elements is None else elements.edges, of_edges, graph, "edge")
    return GraphChecks(nodes.if_needed(), edges.if_needed(), ends, elements, graph)


# --- shapes -----------------------------------------------------------------------------------------------------


class _ShapeCheck:
    """The check of nodes or of edges.  `types` None: any labels with any properties."""

    def __init__(
        self,
        types: tuple[NodeType | EdgeType, ...] | None,
        constraints: Iterable[Constraint],
        graph: str,
        what: str,
    ) -> None:
        self._types = types
        self._required = [
            each for each in constraints if isinstance(each, ElementConstraint) and each.kind in ("n", "k")
        ]
        self._graph = graph
        self._what = what

    def if_needed(self) -> ShapeCheck | None:
        """The check, None if it never says anything."""
        return self if self._types is not None or self._required else None

    def __call__(self, shape: Shape) -> None:
        if self._types is not None:
            self._check_type(shape, self._types)
        for constraint in self._required:
            if constraint.label and constraint.label not in shape.labels:
                continue
            for name in constraint.properties:
                if name not in shape.positions:
                    raise NotNullViolation(
                        f'null value in property "{name}" of {self._what} {shown(shape.labels)} '
                        f'violates constraint "{constraint.name}"',
                        table=self._graph,
                        column=name,
                        constraint=constraint.name,
                    )

    def _check_type(self, shape: Shape, types: tuple[NodeType | EdgeType, ...]) -> None:
        """Raise what is wrong by the types with the shape's labels; if there are several, by the first."""
        found = [each for each in types if frozenset(each.labels) == shape.labels]
        found = [
            each for each in found if isinstance(each, NodeType) or each.is_directed == shape.is_directed
        ]
        if not found:
            what = self._what if shape.is_directed else f"undirected {self._what}"
            raise GraphTypeViolation(
                f'graph "{self._graph}" has no {what} type {shown(shape.labels)}', table=self._graph
            )
        failures = [_misfit(each, shape, self._what, self._graph) for each in found]
        if all(failures):
            raise cast(Exception, failures[0])


def _misfit(
    of: NodeType | EdgeType, shape: Shape, what: str, graph: str
) -> GraphTypeViolation | NotNullViolation | None:
    """What keeps elements of a shape from being of a type that has its labels."""
    shown_type = f"{what} type {shown(shape.labels)}"
    for name, type_oid in zip(shape.names, shape.types, strict=True):
        declared = of.property_named(name)
        if declared is None:
            return GraphTypeViolation(f'{shown_type} has no property "{name}"', table=graph, column=name)
        if not accepts(declared, type_oid):
            return GraphTypeViolation(
                f'property "{name}" of {shown_type} is of type {format_type(declared.type.oid)}, '
                f"not {format_type(type_oid)}",
                table=graph,
                column=name,
            )
    for each in of.properties:
        if each.not_null and each.name not in shape.positions:
            return NotNullViolation(
                f'null value in property "{each.name}" of {shown_type}, which must have it',
                table=graph,
                column=each.name,
            )
    return None


def accepts(declared: PropertyType, type_oid: int) -> bool:
    """Whether a property of the declared type may be stored as that type."""
    wanted = widened(declared.type.oid)
    if wanted == oids.ANYVALUE_ARRAY:
        info = find_type(type_oid)
        return info is not None and info.element_oid != 0
    return wanted in (type_oid, oids.ANYVALUE)


# --- ends -------------------------------------------------------------------------------------------------------


class _EndsCheck:
    """The check of an edge's ends."""

    def __init__(self, elements: ElementTypes, graph: str) -> None:
        self._elements = elements
        self._graph = graph

    def __call__(self, edge: Shape, source: Shape, target: Shape) -> None:
        nodes = self._elements.nodes
        wanted = (source.labels, target.labels)
        for each in self._elements.edge_types(edge.labels):
            ends = (frozenset(nodes[each.source].labels), frozenset(nodes[each.target].labels))
            if (
                each.is_directed == edge.is_directed
                and (wanted == ends or (not edge.is_directed and wanted == ends[::-1]))
                and _misfit(each, edge, "edge", self._graph) is None
            ):
                return
        kind, links = ("edge", "from nodes {} to nodes {}")
        if not edge.is_directed:
            kind, links = ("undirected edge", "between nodes {} and nodes {}")
        between = links.format(shown(source.labels), shown(target.labels))
        raise GraphTypeViolation(
            f'graph "{self._graph}" has no {kind} type {shown(edge.labels)} {between}', table=self._graph
        )


def shown(labels: Iterable[str]) -> str:
    """Labels as messages have them: `:Capital&City`, or words where there are none."""
    found = "&".join(sorted(labels))
    return f":{found}" if found else "without labels"
