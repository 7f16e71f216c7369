"""What COMMIT does for SNAPSHOT: take the locks that its statements did not take,
then see whether it still holds.

First committer wins: a written row whose newest version is newer than the snapshot is T001.  With the locks
in hand (keys before rows, tables and rows in a fixed order) nothing can change any more, so what is found is
final: unique keys, a child's parents (KEY SHARE taken now), a deleted parent's children.

May raise LockWait at any lock; running it again from the start is harmless and quick, since what is held
stays held.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from skerry_engine.storage.heap import newest_epoch, newest_row
from skerry_engine.storage.index import NO_KEY
from skerry_engine.storage.pending import PendingTable
from skerry_engine.txn.checks import UniqueCheck
from skerry_engine.txn.conflicts import write_conflict
from skerry_engine.txn.foreign_keys import refuse_children, require_parent
from skerry_engine.txn.modes import BULK_KEYS, ROW_NO_KEY_UPDATE, ROW_UPDATE
from skerry_engine.txn.overlay import Overlay
from skerry_engine.txn.target import WriteTarget

if TYPE_CHECKING:
    from skerry_engine.txn.transaction import Transaction

SLICE_ROWS: Final = 1000
"""Rows handled between two yields."""


def validate_snapshot_writes(transaction: Transaction, overlay: Overlay) -> Iterator[None]:
    """Lock and validate everything in the overlay, yielding between slices.

    Raises LockWait, WriteConflict (T001), UniqueViolation, ForeignKeyViolation.
    """
    targets = transaction.targets or {}
    tables = [overlay.tables[storage_id] for storage_id in sorted(overlay.tables)]
    for table in tables:
        refuse_newer_rows(transaction, table)
    for table in tables:
        target = targets.get(table.storage.storage_id)
        if target is not None:
            yield from _lock_keys(transaction, table, target)
        yield from _lock_rows(transaction, table, target)
    for table in tables:
        target = targets.get(table.storage.storage_id)
        if target is not None:
            yield from _check_unique(transaction, table, target)
            yield from _check_children(transaction, table, target)
            yield from _check_parents(transaction, table, target)


def refuse_newer_rows(transaction: Transaction, table: PendingTable) -> None:
    """Raise T001 if a written row has a version newer than the snapshot."""
    heap = table.storage.heap
    snapshot = transaction.snapshot
    for row_id in table.entries:
        slot = heap.slot(row_id)
        if newest_epoch(slot) > snapshot:
            raise write_conflict(newest_row(slot) is None)


def _lock_keys(transaction: Transaction, table: PendingTable, target: WriteTarget) -> Iterator[None]:
    """Lock every unique key that was written, old and new."""
    storage = table.storage
    count_of_rows = table.count()
    for key in target.unique_keys:
        index = key.index
        if count_of_rows >= BULK_KEYS and transaction.hold_keys_in_bulk(index.index_id):
            continue
        for count, (row_id, row) in enumerate(table.final_rows(), 1):
            if count % SLICE_ROWS == 0:
                yield
            before = newest_row(storage.heap.slot(row_id))
            if (
                before is not None
                and row is not None
                and index.same_key(storage.padded(before), storage.padded(row))
            ):
                continue
            for state in (before, row):
                key_of_state = NO_KEY if state is None else index.unique_key(storage.padded(state))
                if key_of_state is not NO_KEY:
                    transaction.hold_key(index.index_id, key_of_state)


def _lock_rows(transaction: Transaction, table: PendingTable, target: WriteTarget | None) -> Iterator[None]:
    """Lock every row that existed before, in row-id order; what the wait brought is T001."""
    storage = table.storage
    snapshot = transaction.snapshot
    for count, row_id in enumerate(sorted(table.entries), 1):
        if count % SLICE_ROWS == 0:
            yield
        slot = storage.heap.slot(row_id)
        before = newest_row(slot)
        if before is None and slot is None:
            continue
        row = table.entries[row_id].row
        mode = ROW_UPDATE
        if row is not None and before is not None and target is not None:
            full = storage.padded(row)
            old = storage.padded(before)
            if all(key.index.same_key(old, full) for key in target.unique_keys):
                mode = ROW_NO_KEY_UPDATE
        transaction.hold_row(storage, row_id, mode)
        if newest_epoch(slot) > snapshot:
            raise write_conflict(newest_row(slot) is None)


def _check_unique(transaction: Transaction, table: PendingTable, target: WriteTarget) -> Iterator[None]:
    """A written key that somebody else committed meanwhile is T001."""
    storage = table.storage
    for key in target.unique_keys:
        for count, (row_id, row) in enumerate(table.final_rows(), 1):
            if count % SLICE_ROWS == 0:
                yield
            if row is None:
                continue
            before = newest_row(storage.heap.slot(row_id))
            if before is None or not key.index.same_key(storage.padded(before), storage.padded(row)):
                UniqueCheck(storage, key, row_id).run(transaction)


def _check_children(transaction: Transaction, table: PendingTable, target: WriteTarget) -> Iterator[None]:
    """Every written child has its parent, which can't go any more."""
    storage = table.storage
    for foreign_key in target.foreign_keys:
        known: set[object] = set()
        for count, (row_id, row) in enumerate(table.final_rows(), 1):
            if count % SLICE_ROWS == 0:
                yield
            if row is None:
                continue
            values = foreign_key.child_values(storage.padded(row))
            before = newest_row(storage.heap.slot(row_id))
            if before is not None and foreign_key.child_values(storage.padded(before)) == values:
                continue
            if values not in known:
                require_parent(transaction, foreign_key, values, take_lock=True)
                known.add(values)


def _check_parents(transaction: Transaction, table: PendingTable, target: WriteTarget) -> Iterator[None]:
    """No child is left of a parent that went or changed its key."""
    storage = table.storage
    for foreign_key in target.referenced_by:
        for count, row_id in enumerate(table.entries, 1):
            if count % SLICE_ROWS == 0:
                yield
            before = newest_row(storage.heap.slot(row_id))
            if before is None:
                continue
            values = foreign_key.parent_values(storage.padded(before))
            row = table.entries[row_id].row
            if row is not None and foreign_key.parent_values(storage.padded(row)) == values:
                continue
            if None not in values:
                refuse_children(transaction, foreign_key, values)
