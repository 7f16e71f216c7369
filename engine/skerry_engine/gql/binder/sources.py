"""What graphs are made of: how an element pattern becomes a relation, and an element's parts expressions over it.

The one place that tells kinds of graphs apart.  A *placed* element is a relation in which its row is current, with
expressions for what can be asked of it; everything above speaks of these only.

    native       nodes and edges are one table each; an element's reference is its row id, an edge's ends are columns
    over tables  table_source.py: a placed element may be a union of tables, a reference says of which one, and a row id
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Protocol

from skerry_engine import errors
from skerry_engine.algebra import expressions as ex
from skerry_engine.algebra import labels as lb
from skerry_engine.algebra import paths as pt
from skerry_engine.algebra import queries as q
from skerry_engine.catalog.graphs import ElementTable, ElementTypes, Graph
from skerry_engine.gql.binder.context import ANYVALUE, BOOL, EDGE, INT8, NODE, AnyGraph, GqlContext
from skerry_engine.gql.binder.operations import conjunction, equal
from skerry_engine.storage.shapes import UNDIRECTED
from skerry_engine.values import oids
from skerry_engine.values.types import SqlType

Reference = tuple[ex.Expr, ...]


class Placed(Protocol):
    """An element in a relation.  `reference` tells it from all other nodes, or edges, of its graph."""

    @property
    def is_edge(self) -> bool: ...

    @property
    def relation(self) -> q.Relation: ...

    @property
    def reference(self) -> Reference: ...

    def value(self) -> ex.Expr:
        """The element as a value of type NODE or EDGE."""
        ...

    def has_labels(self, labels: lb.LabelFormula) -> ex.Expr:
        """Whether its labels fit."""
        ...

    def knowing(self, labels: lb.LabelFormula) -> Placed:
        """The same element where its labels are known to fit: what that says of its properties' types is used."""
        ...

    def property(self, name: str, position: int | None) -> ex.Expr:
        """A property.  Raises UndefinedColumn where a closed graph has none of that name."""
        ...


class PlacedEdge(Placed, Protocol):
    """An edge, with the references of the nodes that it is walked from and to."""

    @property
    def start(self) -> Reference: ...

    @property
    def end(self) -> Reference: ...


class ElementSource(Protocol):
    """A graph as the binder of patterns sees it."""

    @property
    def graph(self) -> AnyGraph: ...

    def has_undirected(self) -> bool:
        """Whether some of its edges may be undirected, so that a pattern has to ask."""
        ...

    def check_labels(self, labels: lb.LabelFormula, is_edge: bool, position: int | None) -> None:
        """Raise UndefinedObject for a label that a closed graph does not have."""
        ...

    def node(self, labels: lb.LabelFormula | None, name: str = "") -> Placed:
        """Nodes; `labels` will be asked of them, by a condition of its own.  `name` is the variable's, for EXPLAIN."""
        ...

    def edge(self, labels: lb.LabelFormula | None, direction: str, name: str = "") -> PlacedEdge | None:
        """Edges as a pattern of that direction ('left', 'right', 'both') walks them; None where there can't be any."""
        ...

    def look_up(self, is_edge: bool) -> tuple[pt.PathLookup, ...]:
        """How references become values."""
        ...

    def value_property(
        self, value: ex.Expr, labels: lb.LabelFormula | None, name: str, position: int | None
    ) -> ex.Expr:
        """A property of a value of type NODE or EDGE of this graph."""
        ...

    def value_reference(self, parts: tuple[ex.Expr, ex.Expr], is_edge: bool) -> Reference:
        """The reference that a value's parts make: its table and its row id, or those of one of an edge's ends."""
        ...

    def reference_width(self, is_edge: bool) -> int:
        """How many parts references to nodes, or to edges, have."""
        ...


def source_of(graph: AnyGraph, context: GqlContext) -> ElementSource:
    """What the graph's elements are."""
    if isinstance(graph, Graph):
        return NativeSource(graph, context)
    from skerry_engine.gql.binder.table_source import TableSource

    return TableSource(graph, context)


def same_element(one: Reference, other: Reference) -> ex.Expr:
    """Whether two references, both of nodes or both of edges, are of one element."""
    parts: list[ex.Expr] = []
    for a, b in zip(one, other, strict=True):
        if isinstance(a, ex.Const) and isinstance(b, ex.Const):
            if a != b:
                return ex.Const(BOOL, False)
        else:
            parts.append(equal(a, b))
    return conjunction(parts)


# --- native graphs ----------------------------------------


@dataclass(frozen=True)
class NativeElement:
    """A row of a native graph's nodes or edges.  `labels` is what is known to fit."""

    source: NativeSource
    table: ElementTable
    range_id: int
    relation: q.Relation
    start: Reference = ()
    end: Reference = ()
    labels: lb.LabelFormula | None = None

    @property
    def is_edge(self) -> bool:
        return self.table.is_edges

    @property
    def reference(self) -> Reference:
        return (ex.RowId(INT8, self.range_id),)

    def value(self) -> ex.Expr:
        table = ex.Const(INT8, self.table.oid)
        row = ex.WholeRow(SqlType(oids.RECORD), self.range_id)
        if not self.is_edge:
            return ex.ElementValue(NODE, self.source.graph.oid, table, self.reference[0], row)
        nodes = ex.Const(INT8, self.source.nodes.oid)
        ends = (nodes, self._column(1), nodes, self._column(2))
        return ex.ElementValue(EDGE, self.source.graph.oid, table, self.reference[0], row, ends)

    def _column(self, position: int) -> ex.Expr:
        return ex.Column(INT8, self.range_id, position, self.table.columns[position].name, False)

    def has_labels(self, labels: lb.LabelFormula) -> ex.Expr:
        return ex.HasLabels(BOOL, self.range_id, self.table.oid, labels)

    def knowing(self, labels: lb.LabelFormula) -> NativeElement:
        known = labels if self.labels is None else lb.AllOf((self.labels, labels))
        return replace(self, labels=known)

    def property(self, name: str, position: int | None) -> ex.Expr:
        found = self.source.property_type(self.table, self.labels, name, position)
        if found is None:
            return ex.Const(ANYVALUE, None)
        read = ex.Property(found.type, self.range_id, self.table.oid, name)
        if not found.needs_labels:
            return read
        assert self.labels is not None
        return ex.Case(found.type, ((self.has_labels(self.labels), read),), None)


@dataclass(frozen=True, slots=True)
class PropertyFact:
    """A property's type; `needs_labels` where elements with other labels have it with another type."""

    type: SqlType
    needs_labels: bool = False


@dataclass
class NativeSource:
    """A native graph."""

    graph: Graph
    context: GqlContext
    nodes: ElementTable = field(init=False)
    edges: ElementTable = field(init=False)

    def __post_init__(self) -> None:
        self.nodes = self.graph.nodes(self.context.database)
        self.edges = self.graph.edges(self.context.database)

    @property
    def types(self) -> ElementTypes | None:
        return self.graph.elements

    def has_undirected(self) -> bool:
        if self.types is not None:
            return any(not each.is_directed for each in self.types.edges)
        self.context.rely_on(self.edges.oid, UNDIRECTED)
        return self.context.makes_undirected or self.context.registry(self.edges.oid).has_undirected

    def check_labels(self, labels: lb.LabelFormula, is_edge: bool, position: int | None) -> None:
        types = self.types
        if types is None:
            return
        known = {label for each in (types.edges if is_edge else types.nodes) for label in each.labels}
        for name in lb.names_in(labels):
            if name not in known:
                kind = "edges" if is_edge else "nodes"
                raise errors.UndefinedObject(
                    f'no {kind} of graph "{self.graph.name}" have the label "{name}"', position=position
                )

    def _scan(self, table: ElementTable, name: str) -> q.Scan:
        return q.Scan(self.context.new_range(), table.oid, table.width, name.strip())

    def node(self, labels: lb.LabelFormula | None, name: str = "") -> NativeElement:
        scan = self._scan(self.nodes, name)
        return NativeElement(self, self.nodes, scan.range_id, scan)

    def edge(self, labels: lb.LabelFormula | None, direction: str, name: str = "") -> NativeElement:
        scan = self._scan(self.edges, name)
        if direction == "both":
            ends = self.context.new_range()
            start: ex.Expr = ex.Column(INT8, ends, 0, "from", False)
            end: ex.Expr = ex.Column(INT8, ends, 1, "to", False)
            relation: q.Relation = q.EdgeWays(scan, ends)
        else:
            columns = [ex.Column(INT8, scan.range_id, n, self.edges.columns[n].name, False) for n in (1, 2)]
            start, end = columns if direction == "right" else columns[::-1]
            relation = scan
        return NativeElement(self, self.edges, scan.range_id, relation, (start,), (end,))

    def look_up(self, is_edge: bool) -> tuple[pt.PathLookup, ...]:
        placed = self.edge(None, "right") if is_edge else self.node(None)
        return (pt.PathLookup(placed.relation, placed.reference, placed.value()),)

    def property_type(
        self, table: ElementTable, labels: lb.LabelFormula | None, name: str, position: int | None
    ) -> PropertyFact | None:
        """What type a property has; None where nothing has it yet.  Raises UndefinedColumn in a closed graph."""
        if self.types is not None:
            self._check_property(table, labels, name, position)
        registry = self.context.registry(table.oid)
        self.context.rely_on(table.oid, name)
        written = self.context.types_written(table.oid, name)
        everywhere = registry.property_types(name) | written
        if len(everywhere) <= 1:
            return (
                PropertyFact(SqlType(next(iter(everywhere)))) if everywhere else self._declared(table, name)
            )
        if labels is not None:
            fitting = registry.property_types(name, lambda found: lb.holds(labels, found)) | written
            if len(fitting) == 1:
                return PropertyFact(SqlType(next(iter(fitting))), True)
        return PropertyFact(ANYVALUE)

    def _declared(self, table: ElementTable, name: str) -> PropertyFact | None:
        """The type that a closed graph gives a property which no element has yet."""
        if self.types is None:
            return None
        declared = {SqlType(each.oid) for each in self.types.property_types(name, table.is_edges)}
        return PropertyFact(next(iter(declared)) if len(declared) == 1 else ANYVALUE)

    def _check_property(
        self, table: ElementTable, labels: lb.LabelFormula | None, name: str, position: int | None
    ) -> None:
        assert self.types is not None
        kinds = self.types.edges if table.is_edges else self.types.nodes
        fitting = [kind for kind in kinds if labels is None or lb.holds(labels, frozenset(kind.labels))]
        if any(kind.property_named(name) is not None for kind in fitting):
            return
        of = "edges" if table.is_edges else "nodes"
        shown = f'{of} of graph "{self.graph.name}"'
        if labels is not None and fitting:
            shown = f'{of} with the labels {lb.label_text(labels)} of graph "{self.graph.name}"'
        raise errors.UndefinedColumn(f'{shown} have no property "{name}"', position=position)

    def value_reference(self, parts: tuple[ex.Expr, ex.Expr], is_edge: bool) -> Reference:
        return (parts[1],)

    def reference_width(self, is_edge: bool) -> int:
        return 1

    def value_property(
        self, value: ex.Expr, labels: lb.LabelFormula | None, name: str, position: int | None
    ) -> ex.Expr:
        table = self.edges if value.type.oid == oids.EDGE else self.nodes
        found = self.property_type(table, labels, name, position)
        if found is None:
            return ex.Const(ANYVALUE, None)
        return ex.ValueProperty(ANYVALUE if found.needs_labels else found.type, value, name)
