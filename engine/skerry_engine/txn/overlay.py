"""A transaction's overlay: its pending writes to all tables, and the journal that unwinds them.

    tables    storage id -> PendingTable
    journal   entries and bulk segments in the order of writing, and beside it (`homes`) the table of each

A savepoint, and the mark that a statement starts with, is a length of the journal: unwinding pops to that
length and puts back what each popped entry replaced.  Nothing of this is shared: rolling back is forgetting
the overlay.

The overlay is bounded: beyond `limit_rows` pending rows a write fails with 53200 instead of filling memory.
"""

from __future__ import annotations

from typing import Final

from skerry_engine.errors import OutOfMemory
from skerry_engine.storage.heap import Row
from skerry_engine.storage.pending import Entry, PendingTable, Segment
from skerry_engine.storage.table import TableStorage

DEFAULT_LIMIT_ROWS: Final = 8_000_000


class Overlay:
    """The pending writes of one transaction."""

    __slots__ = ("tables", "journal", "homes", "rows", "limit_rows")

    def __init__(self, limit_rows: int) -> None:
        self.tables: dict[int, PendingTable] = {}
        self.journal: list[Entry | Segment] = []
        self.homes: list[PendingTable] = []
        self.rows: int = 0
        self.limit_rows: int = limit_rows

    def table(self, storage: TableStorage) -> PendingTable:
        """The pending writes to `storage`, made when first asked for."""
        found = self.tables.get(storage.storage_id)
        if found is None:
            found = PendingTable(storage)
            self.tables[storage.storage_id] = found
        return found

    def write(self, table: PendingTable, row_id: int, row: Row | None, statement: int) -> None:
        """Set a row's pending state (None deletes it)."""
        self._count(1)
        self.journal.append(table.record(row_id, row, statement))
        self.homes.append(table)

    def write_segment(self, table: PendingTable, first_row_id: int, rows: list[Row], statement: int) -> None:
        """Insert rows in bulk; a statement's consecutive calls share one segment."""
        self._count(len(rows))
        last = self.journal[-1] if self.journal else None
        if (
            isinstance(last, Segment)
            and self.homes[-1] is table
            and last.statement == statement
            and last.first_row_id + len(last.rows) == first_row_id
        ):
            table.extend_segment(last, rows)
        else:
            self.journal.append(table.record_segment(first_row_id, rows, statement))
            self.homes.append(table)

    def _count(self, rows: int) -> None:
        self.rows += rows
        if self.rows > self.limit_rows:
            self.rows -= rows
            raise OutOfMemory(
                "out of memory",
                detail=f"A transaction can have at most {self.limit_rows} pending row changes.",
                hint="Split the work into smaller transactions.",
            )

    def forget_some(self, limit: int) -> bool:
        """Drop up to `limit` journal items and as many entries, of an overlay that is done with;
        are some left?"""
        del self.journal[-limit:]
        del self.homes[-limit:]
        for table in self.tables.values():
            if table.forget_some(limit):
                return True
        return len(self.journal) > 0

    def unwind(self, length: int) -> None:
        """Take back every write since the journal had `length` entries."""
        journal = self.journal
        while len(journal) > length:
            item = journal.pop()
            table = self.homes.pop()
            if isinstance(item, Entry):
                table.unwind_entry(item)
                self.rows -= 1
            else:
                self.rows -= len(item.rows)
                table.unwind_segment()
