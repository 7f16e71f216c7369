"""Rows of graphs' element tables as rows of columns, for those who read changes: pending ones and the change feed.

    nodes    id · labels · properties
    edges    id · labels · source · target · directed · properties

The table is the graph's name and `nodes` or `edges`; id is the element's, source and target are ids of nodes.
`directed` is for those who make the same edges elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from skerry_engine.catalog.graphs import ElementTable
from skerry_engine.storage.shapes import SOURCE_POSITION, TARGET_POSITION, ShapeRegistry
from skerry_engine.values import oids
from skerry_engine.values.graphs import GraphRecord, dynamic
from skerry_engine.values.types import SqlType

if TYPE_CHECKING:
    from skerry_engine.session.stores import Stores
    from skerry_engine.storage.heap import Row

_NODE_COLUMNS = (("id", oids.INT8), ("labels", oids.TEXT_ARRAY), ("properties", oids.GRAPHRECORD))
_EDGE_COLUMNS = (
    *_NODE_COLUMNS[:2],
    ("source", oids.INT8),
    ("target", oids.INT8),
    ("directed", oids.BOOL),
    _NODE_COLUMNS[2],
)


@dataclass(frozen=True, slots=True)
class ElementColumn:
    """A column that an element table does not have, but shows."""

    name: str
    type: SqlType


class ElementRows:
    """Shows the rows of one element table."""

    def __init__(self, table: ElementTable, stores: Stores) -> None:
        self.is_edges = table.is_edges
        columns = _EDGE_COLUMNS if table.is_edges else _NODE_COLUMNS
        self.columns = tuple(ElementColumn(name, SqlType(oid)) for name, oid in columns)
        self._registry: ShapeRegistry = stores.shapes(table)

    def values(self, row_id: int, row: Row) -> Row:
        """The columns' values; labels in alphabetical order, properties in the shape's."""
        shape = self._registry.by_id(row[0])
        labels = tuple(sorted(shape.labels))
        properties: GraphRecord = tuple(
            [
                (name, dynamic(type_oid, row[shape.positions[name]]))
                for name, type_oid in zip(shape.names, shape.types, strict=True)
            ]
        )
        if self.is_edges:
            return row_id, labels, row[SOURCE_POSITION], row[TARGET_POSITION], shape.is_directed, properties
        return row_id, labels, properties
