"""A transaction's pending changes as rows: what PREPARE COMMIT counts and skerry.pending_changes() lists.

Rows of different tables have different columns, so a change carries its columns' names and types beside the
values, and the values in their text form, written as with default settings: whoever reads them needs to know
nothing of the session's DateStyle.

Changes of tables that the transaction itself has dropped, truncated or rewritten since are not listed: what
they were made to will not be committed.  Definitions are counted, not listed.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from typing import TYPE_CHECKING

from skerry_engine.catalog.objects import Column, Table
from skerry_engine.session.steps import PAUSE, Step
from skerry_engine.storage.heap import Row
from skerry_engine.txn.preview import DEFINITION, DELETE, INSERT, UPDATE, pending_changes
from skerry_engine.values.io import IoContext, text_encoder

if TYPE_CHECKING:
    from skerry_engine.catalog.catalog import Database
    from skerry_engine.session.session import Session
    from skerry_engine.session.state import SessionState

CHANGES_PER_UNIT = 1000
KINDS = (INSERT, UPDATE, DELETE)


class TableTexts:
    """Writes one table's rows as texts."""

    def __init__(self, database: Database, table: Table, io: IoContext) -> None:
        columns = table.live_columns
        self.schema_name = database.schema_of(table).name
        self.table_name = table.name
        self.column_names = tuple(column.name for column in columns)
        self.column_types = tuple(column.type.oid for column in columns)
        key = table.primary_key
        self.key_columns = () if key is None else table.column_names(key.columns)
        self._writers = [_writer(column, io) for column in columns]

    def row(self, kind: str, before: Row | None, after: Row | None) -> tuple[object, ...]:
        """A row of skerry.pending_changes()."""
        return (
            self.schema_name,
            self.table_name,
            kind,
            self.key_columns,
            self.column_names,
            self.column_types,
            self._texts(before),
            self._texts(after),
        )

    def _texts(self, row: Row | None) -> tuple[str | None, ...] | None:
        return None if row is None else tuple(write(row) for write in self._writers)


def _writer(column: Column, io: IoContext) -> Callable[[Row], str | None]:
    encode = text_encoder(column.type, io)
    position = column.position

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
            writer = writers[storage_id] = TableTexts(database, table, io)
        yield writer.row(change.kind, change.before, change.after)


def pending_counts(session: Session) -> Generator[Step, None, list[tuple[object, ...]]]:
    """The rows of PREPARE COMMIT: (schema, table, kind, count), and one without names for definitions."""
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
                rows.append((database.schema_of(table).name, table.name, kind, count))
    rows.sort(key=lambda row: (row[0], row[1]))
    if transaction.changes:
        rows.append((None, None, DEFINITION, len(transaction.changes)))
    return rows


def _tables_by_storage(database: Database) -> dict[int, Table]:
    return {table.storage_id: table for table in database.tables()}
