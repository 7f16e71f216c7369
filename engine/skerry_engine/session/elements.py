"""Labels and properties of element values, for text, for clients and for functions that ask by name.

An element value holds a row whose meaning its graph knows.  Values may outlive the statement that made them (a client
converts them afterwards, one batch after the other) and even their graph, so what was once known of a table is kept:
OIDs are never given out twice, and shapes never change.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from skerry_engine import errors
from skerry_engine.catalog.catalog import Database
from skerry_engine.catalog.graphs import ElementTable
from skerry_engine.storage.shapes import Shape, ShapeRegistry

if TYPE_CHECKING:
    from skerry_engine.session.state import SessionState


class SessionElements:
    """ElementResolver over whatever the session's current statement sees."""

    def __init__(self, session: SessionState) -> None:
        self._session = session
        self._database: Database | None = None
        self._seen: set[int] = set()
        self._registries: dict[int, ShapeRegistry] = {}
        self._labels: dict[tuple[int, int], tuple[str, ...]] = {}

    def element_id(self, graph_oid: int, table_oid: int, row_id: int) -> int | str:
        """A native element's id is its row's."""
        return row_id

    def labels(self, graph_oid: int, table_oid: int, row: tuple[object, ...]) -> Sequence[str]:
        """The shape's labels."""
        shape = self._shape(table_oid, row)
        key = (self._registries[table_oid].storage_id, shape.id)
        found = self._labels.get(key)
        if found is None:
            found = self._labels[key] = tuple(sorted(shape.labels))
        return found

    def properties(
        self, graph_oid: int, table_oid: int, row: tuple[object, ...]
    ) -> Sequence[tuple[str, int, object]]:
        """The shape's names and types with the row's values."""
        shape = self._shape(table_oid, row)
        values = row[self._registries[table_oid].first_position :]
        return list(zip(shape.names, shape.types, values, strict=True))

    def _shape(self, table_oid: int, row: tuple[object, ...]) -> Shape:
        return self._registry(table_oid).by_id(row[0])

    def _registry(self, table_oid: int) -> ShapeRegistry:
        database = self._session.statement_catalog().database
        if database is not self._database:
            self._database = database
            self._seen.clear()
        if table_oid not in self._seen:
            self._seen.add(table_oid)
            self._look_up(database, table_oid)
        return self._registries[table_oid]

    def _look_up(self, database: Database, table_oid: int) -> None:
        table = database.relations.get(table_oid)
        if isinstance(table, ElementTable):
            storage = self._session.engine.stores.find(table.storage_id)
            if storage is not None and storage.shapes is not None:
                self._registries[table_oid] = storage.shapes
        if table_oid not in self._registries:
            self._seen.discard(table_oid)
            raise errors.NotSupportedError("describing elements of this graph is not supported")
