"""One table as a flow branch sees it: the snapshot at the branch's epoch, the branch's own writes laid over.

    get(key) ──> own write?  ──yes──> it, or None where it was removed
                     └─no──> what the table's row with that key is at the epoch

A key is an equality key of `index`: for most tables the primary key's value.  A table without a key is addressed by
row id.  Whoever gives several columns makes the key with `index.codec.equality_key`.

Writing.  The row that has the key keeps its row id; a new one gets an id of its own at once, which it keeps when
it is merged.  A second write of a row replaces the first in place: a branch has no savepoints, so a state that is
written a million times takes the room of one.  `unmerged` are the row ids that the parent has not got yet.

A key that is removed while no row has it leaves no row behind, but it is a write all the same: `removed` has it, and
`touched` as long as it is not merged, so that a sibling that writes the key is told.

Nothing here is shared: a branch that is forgotten is gone.
"""

from __future__ import annotations

from typing import Final

from skerry_engine.errors import NullValueNotAllowed, OutOfMemory
from skerry_engine.storage.heap import Row, visible_row
from skerry_engine.storage.index import NO_KEY, Index
from skerry_engine.storage.pending import NEWEST, PendingTable
from skerry_engine.storage.reader import TableReader
from skerry_engine.storage.table import TableStorage
from skerry_engine.txn.serializable import SerializableState
from skerry_engine.txn.target import WriteTarget
from skerry_engine.txn.tracking import TrackingReader

OWN_STATEMENT: Final = 1
"""The statement number of all of a branch's writes: it sees each of them at once."""


class BranchTable:
    """A table in a branch.  Made by `FlowTransaction.table`.

    `index` is the unique index that keys are of, None for a table addressed by row id.  `version` is the catalog's
    version of the table that the branch knows, 0 where nobody can change its definition.
    """

    __slots__ = (
        "target",
        "storage",
        "index",
        "version",
        "pending",
        "reader",
        "unmerged",
        "touched",
        "removed",
        "moved",
        "limit_rows",
        "reads",
        "writes",
        "removes",
    )

    def __init__(self, target: WriteTarget, index: Index | None, version: int, limit_rows: int) -> None:
        self.target: WriteTarget = target
        self.storage: TableStorage = target.storage
        self.index: Index | None = index
        self.version: int = version
        self.pending: PendingTable = PendingTable(target.storage)
        self.reader: TableReader = TableReader(target.storage, 0, self.pending, NEWEST)
        self.unmerged: dict[int, None] = {}
        self.touched: dict[object, None] = {}
        self.removed: dict[object, None] = {}
        self.moved: dict[int, int] = {}
        self.limit_rows: int = limit_rows
        self.reads: int = 0
        self.writes: int = 0
        self.removes: int = 0
        if index is not None:
            self.pending.index(index)

    def read_at(self, epoch: int, serial: SerializableState | None) -> None:
        """See the snapshot at an epoch from now on; `serial` takes note of what is read."""
        if self.index is not None and (self.pending.entries or self.removed):
            self._rebind(self.index, epoch)
        if serial is not None and serial.is_tracking:
            self.reader = TrackingReader(self.storage, epoch, self.pending, NEWEST, serial)
        else:
            self.reader = TableReader(self.storage, epoch, self.pending, NEWEST)

    def _rebind(self, index: Index, epoch: int) -> None:
        """Own writes are of keys, and another row may have a key at another epoch: move them there."""
        before = TableReader(self.storage, self.reader.snapshot_epoch, None, NEWEST)
        after = TableReader(self.storage, epoch, None, NEWEST)
        pending = self.pending
        for row_id, entry in list(pending.entries.items()):
            row = entry.row if entry.row is not None else before.get(row_id)
            key = NO_KEY if row is None else index.unique_key(self.storage.padded(row))
            other = -1 if key is NO_KEY else after.lookup_id(index, key)
            if other < 0 and entry.row is None and key is not NO_KEY:
                self.removed[key] = None  # there is nothing to be removed any more
                if row_id in self.unmerged:
                    del pending.entries[row_id]
                    del self.unmerged[row_id]
                    self.touched[key] = None
            if other < 0 or other == row_id or other in pending.entries:
                continue
            pending.record(other, entry.row, OWN_STATEMENT)
            del pending.entries[row_id]
            self.moved[row_id] = other
            self.moved.pop(other, None)
            if row_id in self.unmerged:
                del self.unmerged[row_id]
                self.unmerged[other] = None
        for key in self.removed:
            other = after.lookup_id(index, key)
            if other >= 0 and other not in pending.entries:
                pending.record(other, None, OWN_STATEMENT)
                if key in self.touched:
                    self.unmerged[other] = None

    # --- by key ---------------------------------------------------------------------------------------------

    def get(self, key: object) -> Row | None:
        """The row with a key, or None."""
        self.reads += 1
        return self.reader.lookup(self._keyed(), key)

    def find(self, key: object) -> int:
        """The id of the row with a key; -1 where there is none."""
        return self.reader.lookup_id(self._keyed(), key)

    def set(self, row: Row) -> int:
        """Write a row of full width under its own key; the row's id.

        Raises NullValueNotAllowed for a row without a key, OutOfMemory.
        """
        index = self._keyed()
        key = index.unique_key(row)
        if key is NO_KEY:
            raise NullValueNotAllowed(f'the key of a row of "{self.target.table_name}" has a NULL')
        row_id = self.reader.lookup_id(index, key)
        if row_id < 0:
            row_id = self.storage.allocate(1)
        if self.removed and key in self.removed:
            del self.removed[key]
            self.touched.pop(key, None)
        self.put(row_id, row)
        return row_id

    def remove(self, key: object) -> bool:
        """Remove the row with a key; whether there was one."""
        row_id = self.reader.lookup_id(self._keyed(), key)
        if row_id < 0:
            self.removes += 1
            self.touched[key] = self.removed[key] = None
            return False
        self.drop(row_id)
        if visible_row(self.storage.heap.slot(row_id), self.reader.snapshot_epoch) is None:
            self.touched[key] = self.removed[key] = None  # its own insertion, of which nothing is left
        return True

    def _keyed(self) -> Index:
        index = self.index
        assert index is not None, "a table without a key is addressed by row id"
        return index

    # --- by row id ------------------------------------------------------------------------------------------

    def get_row(self, row_id: int) -> Row | None:
        """The row with an id, or None."""
        self.reads += 1
        return self.reader.get(row_id)

    def insert(self, row: Row) -> int:
        """Write a new row of full width; its id.  Raises OutOfMemory."""
        row_id = self.storage.allocate(1)
        self.put(row_id, row)
        return row_id

    def put(self, row_id: int, row: Row) -> None:
        """Write the row that has an id, or is to have it.  Raises OutOfMemory."""
        self.writes += 1
        pending = self.pending
        entry = pending.entries.get(row_id)
        if entry is None:
            self._check_room()
            pending.record(row_id, row, OWN_STATEMENT)
        else:
            entry.row = row
            full = self.storage.padded(row)
            for index in pending.indexes.values():
                index.add(full, row_id)
        self.unmerged[row_id] = None

    def drop(self, row_id: int) -> None:
        """Remove the row that has an id.  Raises OutOfMemory."""
        self.removes += 1
        pending = self.pending
        entry = pending.entries.get(row_id)
        if entry is None:
            self._check_room()
            pending.record(row_id, None, OWN_STATEMENT)
        else:
            entry.row = None
        self.unmerged[row_id] = None

    def _check_room(self) -> None:
        if len(self.pending.entries) >= self.limit_rows:
            raise OutOfMemory(
                "out of memory",
                detail=f"A branch can have at most {self.limit_rows} pending row changes in a table.",
                hint="Split the work into smaller branches, merged and committed one after the other.",
            )

    # --- in order -------------------------------------------------------------------------------------------

    def batch(
        self, low: bytes | None, high: bytes | None, after: bytes | None, n: int, descending: bool = False
    ) -> tuple[list[Row], bytes | None]:
        """Up to about `n` rows whose order key k has low <= k < high, in key order, and where to go on (None: the end).

        `after` is None for the first batch, then what the batch before gave.  What is written in between is seen.
        """
        _, rows, place = self.reader.index_batch(self._keyed(), low, high, after, n, descending)
        self.reads += len(rows)
        return rows, place

    def batch_by_id(self, after: int, n: int) -> tuple[list[int], list[Row], int]:
        """Ids and rows in the order of ids, above `after` (-1: from the start), and the last id looked at, -1 at the
        end."""
        ids, rows, last = self.reader.scan_ids_batch(after, n)
        self.reads += len(rows)
        return ids, rows, last

    # --- merging --------------------------------------------------------------------------------------------

    def has_unmerged(self) -> bool:
        """Whether the parent has not got everything yet."""
        return bool(self.unmerged) or bool(self.touched)

    def key_of(self, row_id: int) -> object:
        """The key of a row that the branch has written; NO_KEY of one that is nowhere to be seen any more."""
        row = self.pending.entries[row_id].row
        if row is None:
            row = TableReader(self.storage, self.reader.snapshot_epoch, None, NEWEST).get(row_id)
        return NO_KEY if row is None else self._keyed().unique_key(self.storage.padded(row))

    def unmark(self, row_ids: dict[int, None], keys: dict[object, None]) -> None:
        """What was merged is not any more; some of it may have moved to other rows since."""
        for row_id in row_ids:
            while row_id in self.moved:
                row_id = self.moved[row_id]
            self.unmerged[row_id] = None
        self.touched.update(keys)
        snapshot = TableReader(self.storage, self.reader.snapshot_epoch, None, NEWEST)
        for key in keys:
            row_id = snapshot.lookup_id(self._keyed(), key)
            if row_id in self.pending.entries:
                self.unmerged[row_id] = None

    def own_row(self, row_id: int) -> Row | None:
        """What the branch has written, at full width; None where it has removed the row."""
        row = self.pending.entries[row_id].row
        return None if row is None else self.storage.padded(row)
