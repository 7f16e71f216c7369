"""Element values of property graphs over tables: what stands in them, and what it means.

Where a native element's value has its table, that of a graph over tables has the OID of its `GraphElement`, since a
table may stand in several places of a graph.  Its row holds the values of the element's properties, in the order of
`property_graphs.properties_of`: they are expressions over the table's row, worked out where a value is made.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from skerry_engine.algebra.labels import LabelFormula, holds
from skerry_engine.catalog import property_graphs as pg
from skerry_engine.catalog.catalog import Database
from skerry_engine.catalog.graphs import GraphElement, PropertyGraph
from skerry_engine.values import oids
from skerry_engine.values.graphs import dynamic

Row = tuple[object, ...]


@dataclass(frozen=True)
class MappedElement:
    """An element of a graph over tables, with what its values are read by."""

    graph: PropertyGraph
    element: GraphElement
    labels: tuple[str, ...]
    """Sorted."""
    properties: tuple[tuple[str, int], ...]
    """Name and type OID, in the order of a value's row."""

    @property
    def stands_alone(self) -> bool:
        """Whether all nodes, or all edges, of its graph are of this table: then row ids tell them apart."""
        return len(self.graph.vertices if self.element.source is None else self.graph.edges) == 1

    def element_id(self, row_id: int) -> int | str:
        """What users see as the id of one of its rows."""
        return row_id if self.stands_alone else f"{self.element.alias}:{row_id}"

    def property_of(self, name: str, type_oid: int) -> Callable[[Row], object]:
        """A function from a value's row to a property, None where there is none; ANYVALUE: as its type is."""
        for position, (found, found_oid) in enumerate(self.properties):
            if found != name:
                continue
            if type_oid != oids.ANYVALUE:
                return lambda row, at=position: row[at]  # type: ignore[misc]
            return lambda row, at=position, oid=found_oid: dynamic(oid, row[at])  # type: ignore[misc]
        return lambda row: None

    def has_labels(self, labels: LabelFormula) -> bool:
        """Whether its labels fit: the same for all of its rows."""
        return holds(labels, frozenset(self.labels))

    def values_of(self, row: Row) -> list[tuple[str, int, object]]:
        """The properties that a value's row has: name, type OID, value."""
        pairs = zip(self.properties, row, strict=True)
        return [(name, type_oid, value) for (name, type_oid), value in pairs if value is not None]


def mapped_elements(database: Database) -> Mapping[int, MappedElement]:
    """The elements of all graphs over tables, by OID."""
    return database.cached("mapped elements", lambda: _mapped_elements(database))


def _mapped_elements(database: Database) -> dict[int, MappedElement]:
    return {
        element.oid: MappedElement(
            graph,
            element,
            tuple(sorted(label.name for label in element.labels)),
            tuple((name, each.expression.expr.type.oid) for name, each in pg.properties_of(element).items()),
        )
        for graph in database.of_type(PropertyGraph)
        for element in pg.elements(graph)
    }
