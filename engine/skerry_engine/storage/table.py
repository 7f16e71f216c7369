"""A table's storage: its heap and the indexes over it, kept in step.

A storage is one generation of a table: what changes every value (ALTER COLUMN TYPE) and TRUNCATE build a new
one and swap it in at commit.  ADD COLUMN does not: old rows stay short and are *padded* by whoever reads
them, with the constant default that the column had when it was added (`pad`, by position).

Two ways to install a committed row, chosen by the committing transaction:

    install         puts a version on the chain; index entries are only added; the collector cleans up later
    install_frozen  replaces the slot by a bare tuple and the index entries by the new ones, at once; right only when
                    no snapshot is active that could still want the older state
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, cast

from skerry_engine.errors import DatabaseError
from skerry_engine.storage.heap import (
    INFINITY,
    PAGE_BITS,
    PAGE_ROWS,
    CommitStamp,
    Heap,
    Row,
    Version,
    newest_row,
    retained_rows,
    visible_row,
)
from skerry_engine.storage.index import Index
from skerry_engine.storage.shapes import ShapeRegistry
from skerry_engine.storage.ways import WaysKept

if TYPE_CHECKING:
    from skerry_engine.storage.paging import Paging


class TableStorage:
    """One generation of a table's rows.

    `width` is the number of column positions of a full row; `pad` holds, by position, what a shorter row
    lacks. `row_count` is the exact number of committed live rows, `changed_epoch` the last commit that wrote
    here.  `is_temporary`: it goes with its session, and nothing of it is logged.  With `paging` checkpoints write the
    table into the base, and `page_count` of its pages are there already.  Rows of graphs' elements have `shapes`, and
    are as long as theirs says; `ways` is what is kept of where edges lead.  Of one that is not `is_watched` the change
    feed does not tell.
    """

    __slots__ = (
        "storage_id",
        "width",
        "pad",
        "heap",
        "indexes",
        "next_row_id",
        "row_count",
        "changed_epoch",
        "is_temporary",
        "shapes",
        "ways",
        "is_watched",
    )

    def __init__(
        self,
        storage_id: int,
        width: int,
        is_temporary: bool = False,
        paging: Paging | None = None,
        page_count: int = 0,
    ) -> None:
        self.storage_id: int = storage_id
        self.width: int = width
        self.pad: Row = ()
        self.heap: Heap = Heap() if paging is None else paging.heap(storage_id, page_count)
        self.indexes: dict[int, Index] = {}
        self.next_row_id: int = 1
        self.row_count: int = 0
        self.changed_epoch: int = 0
        self.is_temporary: bool = is_temporary
        self.shapes: ShapeRegistry | None = None
        self.ways: WaysKept = WaysKept()
        self.is_watched: bool = True

    def allocate(self, count: int) -> int:
        """Give out `count` contiguous row ids and return the first; they are never given out again."""
        first = self.next_row_id
        self.next_row_id = first + count
        return first

    # --- columns added later --------------------------------------------------------------------------------

    def add_column(self, default: object) -> None:
        """Widen rows by one position; rows without it read as `default`.  Caller holds ACCESS EXCLUSIVE."""
        pad = self.pad if self.pad else (None,) * self.width
        self.pad = (*pad, default)
        self.width += 1

    def remove_last_column(self) -> None:
        """Undo `add_column` (its transaction rolled back, so no row has the position)."""
        self.width -= 1
        self.pad = self.pad[: self.width]

    def padded(self, row: Row) -> Row:
        """The row at full width."""
        missing = len(row)
        if missing < len(self.pad):
            return row + self.pad[missing:]
        return row

    # --- installing -----------------------------------------------------------------------------------------

    def install(self, row_id: int, row: Row | None, stamp: CommitStamp) -> int:
        """Put a version on top of the chain.  Returns by how much the number of live rows changes."""
        heap = self.heap
        slot = heap.slot(row_id)
        before = newest_row(slot)
        if slot is None and row is None:
            return 0
        heap.put(row_id, Version(stamp, row, slot))
        if row is None:
            return 0 if before is None else -1
        full = self.padded(row)
        if before is None:
            for index in self.indexes.values():
                index.add(full, row_id)
            return 1
        before = self.padded(before)
        for index in self.indexes.values():
            if not index.same_key(before, full):
                index.add(full, row_id)
        return 0

    def install_frozen(self, row_id: int, row: Row | None) -> int:
        """Make `row` the only state of the row (None: no state).  No snapshot may need an older one.

        Returns by how much the number of live rows changes.
        """
        slot = self.heap.slot(row_id)
        if isinstance(slot, Version):
            before = newest_row(slot)
            self._leave_all(row_id, slot)
            self.heap.clear(row_id)
            added = 0 if row is None else self._insert_frozen(row_id, row)
            return added if before is None else added - 1
        if row is None:
            if slot is not None:
                self._leave_all(row_id, slot)
                self.heap.clear(row_id)
                return -1
            return 0
        if slot is None:
            return self._insert_frozen(row_id, row)
        full = self.padded(row)
        old = self.padded(cast("Row", slot))
        for index in self.indexes.values():
            index.replace(old, full, row_id)
        self.heap.put(row_id, row)
        return 0

    def restore_rows(self, row_ids: Sequence[int], rows: Sequence[Row | None]) -> None:
        """Recovery: bring rows to the states that a record gives, with all that is counted."""
        for row_id, row in zip(row_ids, rows, strict=True):
            self.row_count += self.install_frozen(row_id, row)
            if row_id >= self.next_row_id:
                self.next_row_id = row_id + 1

    def _insert_frozen(self, row_id: int, row: Row) -> int:
        self.heap.put(row_id, row)
        full = self.padded(row)
        for index in self.indexes.values():
            index.add(full, row_id)
        return 1

    def _leave_all(self, row_id: int, slot: object) -> None:
        """Remove the index entries of every version in `slot`, and take the chain apart: nothing is below its
        versions any more, if they are still to be collected."""
        rows = retained_rows(slot)
        for index in self.indexes.values():
            for full in self._with_keys(index, rows):
                index.remove(full, row_id)
        while isinstance(slot, Version):
            older = slot.older
            slot.older = None
            slot = older

    def uninstall(self, row_id: int, stamp: CommitStamp) -> None:
        """Take back what `install` did under `stamp`, which never committed; the row's lock is still held."""
        slot = self.heap.resident_slot(row_id)
        if not isinstance(slot, Version) or slot.stamp is not stamp:
            return
        rest = slot.older
        if slot.row is not None:
            self._remove_unshared(row_id, [slot.row], retained_rows(rest))
        self.heap.settle(row_id, rest)

    def keeps_keys_since(self, row_id: int, snapshot: int) -> bool:
        """Whether the row that `snapshot` sees still stands with the same unique keys."""
        slot = self.heap.slot(row_id)
        seen, newest = visible_row(slot, snapshot), newest_row(slot)
        if seen is None or newest is None:
            return False
        before, now = self.padded(seen), self.padded(newest)
        return all(index.same_key(before, now) for index in self.indexes.values() if index.unique)

    # --- collecting -----------------------------------------------------------------------------------------

    def collect(self, row_id: int, horizon: int) -> None:
        """Drop versions that no snapshot >= `horizon` sees, with their index entries; freeze what can be.

        Each committed version is collected once, perhaps below one that is not committed and will be taken back:
        so it is frozen where it stands.
        """
        slot = self.heap.resident_slot(row_id)
        if not isinstance(slot, Version):
            return
        newer: Version | None = None
        keeper: Version = slot
        while keeper.stamp.epoch > horizon:
            older = keeper.older
            if not isinstance(older, Version):
                return
            newer = keeper
            keeper = older
        dropped = retained_rows(keeper.older)
        keeper.older = None
        if dropped:
            self._remove_unshared(row_id, dropped, retained_rows(slot))
        if newer is None:
            self._freeze(row_id, slot)
        else:
            newer.older = keeper.row

    def collect_below(self, row_id: int, version: Version) -> None:
        """As `collect`, for a version that every snapshot sees or sees newer ones of: what is below it goes.

        Versions are collected in the order of their commits, so that one row, at most a few, is below.
        """
        slot = self.heap.resident_slot(row_id)
        if not isinstance(slot, Version):
            return
        older = version.older
        if older is not None:
            version.older = None
            dropped = retained_rows(older)
            if dropped and not self._has_same_keys(dropped, version.row):
                self._remove_unshared(row_id, dropped, retained_rows(slot))
        if slot is version:
            self._freeze(row_id, version)

    def _has_same_keys(self, rows: list[Row], other: Row | None) -> bool:
        """Whether another row has the keys of all of `rows`, in every index."""
        if other is None:
            return False
        full = self.padded(other)
        for row in rows:
            before = self.padded(row)
            for index in self.indexes.values():
                if index.positions is None and not (has_key(index, before) and has_key(index, full)):
                    return False
                if not index.same_key(before, full):
                    return False
        return True

    def _freeze(self, row_id: int, version: Version) -> None:
        assert version.stamp.epoch < INFINITY
        self.heap.settle(row_id, version.row)

    def _remove_unshared(self, row_id: int, dropped: list[Row], retained: list[Row]) -> None:
        """Remove the dropped versions' index entries, then make sure of the retained ones'."""
        for index in self.indexes.values():
            kept = self._with_keys(index, retained)
            for full in self._with_keys(index, dropped):
                if any(index.same_key(full, keeper) for keeper in kept):
                    continue
                index.remove(full, row_id)
                # Keys that Python holds unequal may still be one key (NaN): enter the retained ones again.
                for keeper in kept:
                    index.add(keeper, row_id)

    def _with_keys(self, index: Index, rows: list[Row]) -> list[Row]:
        """Those of `rows`, at full width, whose key in the index can be computed: others have no entries.

        An index over expressions may be younger than versions that it could not be made for.
        """
        full = [self.padded(row) for row in rows]
        return full if index.positions is not None else [row for row in full if has_key(index, row)]

    # --- indexes --------------------------------------------------------------------------------------------

    def build_index(self, index: Index, slice_rows: int = 1000) -> Iterator[int]:
        """Enter every retained version into `index` and keep it in step from now on.

        Older versions whose key can't be computed are left out: whoever sees them does not know the index.

        A generator: each step handles about `slice_rows` row ids and gives the last of them.  The caller
        holds a lock that keeps writers out (SHARE or stronger).
        """
        self.indexes[index.index_id] = index
        row_id = 0
        while row_id < self.next_row_id:
            stop = min(row_id + slice_rows, self.next_row_id)
            for each in range(row_id, stop):
                slot = self.heap.slot(each)
                newest = newest_row(slot)
                for row in retained_rows(slot):
                    full = self.padded(row)
                    if row is newest or index.positions is not None or has_key(index, full):
                        index.add(full, each)
            row_id = stop
            yield row_id - 1

    def remove_index(self, index_id: int) -> None:
        """Forget an index."""
        index = self.indexes.pop(index_id, None)
        if index is not None:
            index.close()

    def page_limit(self) -> int:
        """One more than the number of the last page that a row id can lie on."""
        return (self.next_row_id + PAGE_ROWS - 1) >> PAGE_BITS


def has_key(index: Index, row: Row) -> bool:
    """Whether the row's key in the index can be computed."""
    try:
        index.key(row)
    except DatabaseError:
        return False
    return True
