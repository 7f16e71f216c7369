"""A transaction's pending changes as rows: what PREPARE COMMIT counts and skerry.pending_changes() lists.

Rows of different tables have different columns, so a change carries its columns' names and types beside the
values, and the values in their text form, written as with default settings: whoever reads them needs to know
nothing of the session's DateStyle.

Changes of tables that the transaction itself has dropped, truncated or rewritten since are not listed: what
they were made to will not be committed.  Definitions are counted, not listed.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from skerry_engine.catalog.flow_state import StateTable
from skerry_engine.catalog.graphs import ElementTable
from skerry_engine.catalog.objects import Column, Table, ViewState
from skerry_engine.session.element_rows import ElementColumn, ElementRows
from skerry_engine.session.steps import PAUSE, Step
from skerry_engine.storage.heap import Row
from skerry_engine.txn.preview import DEFINITION, DELETE, INSERT, UPDATE, pending_changes
from skerry_engine.values.io import IoContext, text_encoder
from skerry_engine.values.types import SqlType

if TYPE_CHECKING:
    from skerry_engine.catalog.catalog import Database
    from skerry_engine.session.session import Session
    from skerry_engine.session.state import SessionState
    from skerry_engine.session.stores import Stores

CHANGES_PER_UNIT = 1000
KINDS = (INSERT, UPDATE, DELETE)


class TableTexts:
    """Writes one table's rows as texts; those of elements of graphs with their labels and properties."""

    def __init__(self, database: Database, table: Table, stores: Stores, io: IoContext) -> None:
        self._elements = ElementRows(table, stores) if isinstance(table, ElementTable) else None
        columns: Sequence[Column | ElementColumn] = table.live_columns
        if self._elements is not None:
            columns = self._elements.columns
            io = replace(io, typed_json=True)
        self.schema_name = database.schema_of(table).name
        self.table_name = table.name
        self.column_names = tuple(column.name for column in columns)
        self.column_types = tuple(column.type.oid for column in columns)
        key = table.primary_key
        self.key_columns = () if key is None else table.column_names(key.columns)
        if self._elements is not None:
            self.key_columns = ("id",)
        places = [
            position if isinstance(column, ElementColumn) else column.position
            for position, column in enumerate(columns)
        ]
        self._writers = [
            _writer(column.type, place, io) for column, place in zip(columns, places, strict=True)
        ]

    def row(self, kind: str, row_id: int, before: Row | None, after: Row | None) -> tuple[object, ...]:
        """A row of skerry.pending_changes()."""
        return (
            self.schema_name,
            self.table_name,
            kind,
            self.key_columns,
            self.column_names,
            self.column_types,
            self._texts(row_id, before),
            self._texts(row_id, after),
        )

    def _texts(self, row_id: int, row: Row | None) -> tuple[str | None, ...] | None:
        if row is None:
            return None
        if self._elements is not None:
            row = self._elements.values(row_id, row)
        return tuple(write(row) for write in self._writers)


def _writer(sql_type: SqlType, position: int, io: IoContext) -> Callable[[Row], str | None]:
    encode = text_encoder(sql_type, io)

    def write(row: Row) -> str | None:
        value = row[position]
        return None if value is None else encode(value)

    return write


def pending_change_rows(session: SessionState) -> Iterator[tuple[object, ...]]:
    """The rows of skerry.pending_changes(): what statements before this one have changed."""
    transaction = session.transaction
    if transaction is None or transaction.overlay is None:
        return
    database = session.statement_catalog().database
    tables = _tables_by_storage(database)
    io = IoContext(names=session.io.names)
    writers: dict[int, TableTexts] = {}
    for change in pending_changes(transaction, transaction.statement_number):
        storage_id = change.storage.storage_id
        writer = writers.get(storage_id)
        if writer is None:
            table = tables.get(storage_id)
            if table is None:
                continue
            writer = writers[storage_id] = TableTexts(database, table, session.engine.stores, io)
        yield writer.row(change.kind, change.row_id, change.before, change.after)


def pending_counts(session: Session) -> Generator[Step, None, list[tuple[object, ...]]]:
    """The rows of PREPARE COMMIT: (schema, table, kind, count, element), and one without names for definitions.

    `element` is 'node' or 'edge' where the table holds those of a graph, else None."""
    transaction = session.need_transaction()
    counts: dict[int, dict[str, int]] = {}
    for number, change in enumerate(pending_changes(transaction), 1):
        of_table = counts.setdefault(change.storage.storage_id, dict.fromkeys(KINDS, 0))
        of_table[change.kind] += 1
        if number % CHANGES_PER_UNIT == 0:
            yield PAUSE
    database = session.statement_catalog().database
    rows: list[tuple[object, ...]] = []
    for table in _tables_by_storage(database).values() if counts else ():
        for kind, count in counts.get(table.storage_id, {}).items():
            if count:
                rows.append((database.schema_of(table).name, table.name, kind, count, _element_of(table)))
    rows.sort(key=lambda row: (row[0], row[1]))
    if transaction.changes:
        rows.append((None, None, DEFINITION, len(transaction.changes), None))
    return rows


def _element_of(table: Table) -> str | None:
    if not isinstance(table, ElementTable):
        return None
    return "edge" if table.is_edges else "node"


def _tables_by_storage(database: Database) -> dict[int, Table]:
    tables = (table for table in database.tables() if not isinstance(table, (StateTable, ViewState)))
    return {table.storage_id: table for table in tables}
