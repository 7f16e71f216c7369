"""Labels and properties of element values, for text, for clients and for functions that ask by name.

An element value holds a row whose meaning its graph knows: a native graph's row names its shape, one of a graph over
tables has the values of the properties that its definition gives (catalog/mapped_elements.py).

Values may outlive the statement that made them (a client converts them afterwards, one batch after the other) and even
their graph, so what was once known of a table is kept: OIDs are never given out twice, and shapes never change.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from skerry_engine import errors
from skerry_engine.catalog.catalog import Database
from skerry_engine.catalog.graphs import ElementTable
from skerry_engine.catalog.mapped_elements import MappedElement, mapped_elements
from skerry_engine.storage.shapes import DELETED, ShapeRegistry

if TYPE_CHECKING:
    from skerry_engine.session.state import SessionState

Row = tuple[object, ...]


class _Described(Protocol):
    """What is known of one table of elements."""

    def element_id(self, row_id: int) -> int | str: ...

    def labels_of(self, row: Row) -> Sequence[str]: ...

    def values_of(self, row: Row) -> Sequence[tuple[str, int, object]]: ...

    def check_readable(self, row: Row) -> None: ...

    def is_directed(self, row: Row) -> bool: ...


def _as_it_was(row: Row) -> Row:
    """A native element's row; a deleted one's before that."""
    return row[1:] if row[0] == DELETED else row


class _Shaped:
    """A native graph's nodes or edges."""

    def __init__(self, registry: ShapeRegistry) -> None:
        self._registry = registry
        self._labels: dict[int, tuple[str, ...]] = {}

    def element_id(self, row_id: int) -> int | str:
        return row_id

    def check_readable(self, row: Row) -> None:
        self._registry.by_id(row[0])

    def labels_of(self, row: Row) -> Sequence[str]:
        shape = self._registry.by_id(_as_it_was(row)[0])
        found = self._labels.get(shape.id)
        if found is None:
            found = self._labels[shape.id] = tuple(sorted(shape.labels))
        return found

    def values_of(self, row: Row) -> Sequence[tuple[str, int, object]]:
        row = _as_it_was(row)
        shape = self._registry.by_id(row[0])
        return list(zip(shape.names, shape.types, row[self._registry.first_position :], strict=True))

    def is_directed(self, row: Row) -> bool:
        return self._registry.by_id(_as_it_was(row)[0]).is_directed


class _Mapped:
    """A table's rows as nodes or edges."""

    def __init__(self, element: MappedElement) -> None:
        self._element = element
        self.element_id = element.element_id
        self.values_of = element.values_of

    def labels_of(self, row: Row) -> Sequence[str]:
        return self._element.labels

    def check_readable(self, row: Row) -> None:
        """No statement over tables goes on behind a deletion."""

    def is_directed(self, row: Row) -> bool:
        return True


class SessionElements:
    """ElementResolver over whatever the session's current statement sees."""

    def __init__(self, session: SessionState) -> None:
        self._session = session
        self._database: Database | None = None
        self._seen: set[int] = set()
        self._known: dict[int, _Described] = {}

    def element_id(self, graph_oid: int, table_oid: int, row_id: int) -> int | str:
        """A row's id, with its table's alias where that does not tell it apart."""
        return self._described(table_oid).element_id(row_id)

    def labels(self, graph_oid: int, table_oid: int, row: Row) -> Sequence[str]:
        """Sorted."""
        return self._described(table_oid).labels_of(row)

    def properties(self, graph_oid: int, table_oid: int, row: Row) -> Sequence[tuple[str, int, object]]:
        """Those that are not NULL."""
        return self._described(table_oid).values_of(row)

    def check_readable(self, table_oid: int, row: Row) -> None:
        """Raise ElementDeleted."""
        self._described(table_oid).check_readable(row)

    def is_directed(self, graph_oid: int, table_oid: int, row: Row) -> bool:
        """Of an edge."""
        return self._described(table_oid).is_directed(row)

    def _described(self, table_oid: int) -> _Described:
        database = self._session.statement_catalog().database
        if database is not self._database:
            self._database = database
            self._seen.clear()
        if table_oid not in self._seen:
            self._look_up(database, table_oid)
            self._seen.add(table_oid)
        return self._known[table_oid]

    def _look_up(self, database: Database, table_oid: int) -> None:
        table = database.relations.get(table_oid)
        if isinstance(table, ElementTable):
            storage = self._session.engine.stores.find(table.storage_id)
            if storage is not None and storage.shapes is not None:
                self._known[table_oid] = _Shaped(storage.shapes)
        mapped = mapped_elements(database).get(table_oid)
        if mapped is not None:
            self._known[table_oid] = _Mapped(mapped)
        if table_oid not in self._known:
            raise errors.NotSupportedError("describing elements of a graph that is gone is not supported")
