"""What COMMIT does for SNAPSHOT: take the locks that its statements did not take,
then see whether it still holds.

First committer wins: a written row whose newest version is newer than the snapshot is T001.  With the locks
in hand (keys before rows, tables and rows in a fixed order) nothing can change any more, so what is found is
final: unique keys, a child's parents (KEY SHARE taken now), a deleted parent's children.

Most transactions write a few rows and leave their unique keys alone.  For few rows the same is done in one go,
without generators, and what follows from a changed key only where one changed.

May raise LockWait at any lock; running it again from the start is harmless and quick, since what is held
stays held.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Final, cast

from skerry_engine.storage.heap import Row, newest_epoch, newest_row
from skerry_engine.storage.index import NO_KEY, Index
from skerry_engine.storage.pending import PendingTable
from skerry_engine.storage.table import TableStorage
from skerry_engine.txn.checks import UniqueCheck, refuse_changed_key
from skerry_engine.txn.endpoints import (
    SOURCE,
    TARGET,
    Endpoints,
    KindCheck,
    changes_kind,
    check_types,
    refuse_edges,
    require_node,
)
from skerry_engine.txn.foreign_keys import refuse_children, require_parent
from skerry_engine.txn.merges import validate_names
from skerry_engine.txn.modes import BULK_KEYS, ROW_NO_KEY_UPDATE, ROW_UPDATE
from skerry_engine.txn.overlay import Overlay
from skerry_engine.txn.target import UniqueKey, WriteTarget

if TYPE_CHECKING:
    from skerry_engine.txn.transaction import Transaction

SLICE_ROWS: Final = 1000
"""Rows handled between two yields."""


def validate_snapshot_writes(transaction: Transaction, overlay: Overlay) -> Iterable[None]:
    """Lock and validate everything in the overlay, yielding between slices; a small one right at the call.

    Raises LockWait, WriteConflict (T001), UniqueViolation, ForeignKeyViolation.
    """
    if transaction.merged:
        validate_names(transaction, transaction.merged)
    if overlay.rows < BULK_KEYS:
        _validate_few(transaction, overlay)
        return ()
    return _validate_in_slices(transaction, overlay)


def _validate_in_slices(transaction: Transaction, overlay: Overlay) -> Iterator[None]:
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
            if target.ends is not None:
                yield from _check_ends(transaction, table, target.ends)
            if target.incident is not None:
                yield from _check_incident(transaction, table, target.incident)


# --- few rows ---------------------------------------------------------------------------------------------------------


def _validate_few(transaction: Transaction, overlay: Overlay) -> None:
    """The same in one unit."""
    tables = list(overlay.tables.values())
    if len(tables) > 1:
        tables.sort(key=_storage_id)
    rekeyed = [_find_rekeyed(transaction, table, _target(transaction, table)) for table in tables]
    for number, table in enumerate(tables):
        _lock_few(transaction, table, _target(transaction, table), rekeyed[number])
    for number, table in enumerate(tables):
        target = _target(transaction, table)
        if target is not None:
            _check_few(transaction, table, target, rekeyed[number])


def _storage_id(table: PendingTable) -> int:
    return table.storage.storage_id


def _target(transaction: Transaction, table: PendingTable) -> WriteTarget | None:
    targets = transaction.targets
    return None if targets is None else targets.get(table.storage.storage_id)


def _find_rekeyed(
    transaction: Transaction, table: PendingTable, target: WriteTarget | None
) -> list[tuple[int, Row | None]]:
    """The written rows (id, new state) that are new, deleted, or have another unique key than before.

    Raises T001 if a written row has a version newer than the snapshot.
    """
    storage = table.storage
    heap = storage.heap
    snapshot = transaction.snapshot
    found: list[tuple[int, Row | None]] = []
    for row_id, entry in table.entries.items():
        slot = heap.slot(row_id)
        newest = newest_epoch(slot)
        if newest > snapshot and not transaction.has_seen(storage, row_id, newest):
            raise transaction.lose(table.storage, row_id)
        before = newest_row(slot)
        row = entry.row
        if not _keeps_keys(target, storage, before, row):
            found.append((row_id, row))
    if table.segments:
        for row_id, row in table.final_rows():
            if row_id not in table.entries:
                found.append((row_id, row))
    return found


def _keeps_keys(
    target: WriteTarget | None, storage: TableStorage, before: Row | None, row: Row | None
) -> bool:
    """Whether a change from `before` to `row` (None: absent) is an update that leaves all unique keys alone."""
    if target is None or before is None or row is None:
        return False
    old = storage.padded(before)
    full = storage.padded(row)
    if changes_kind(target.incident, old, full):
        return False
    for key in target.unique_keys:  # noqa: SIM110 - `all` would cost a generator
        if not key.index.same_key(old, full):
            return False
    return True


def _lock_few(
    transaction: Transaction,
    table: PendingTable,
    target: WriteTarget | None,
    rekeyed: list[tuple[int, Row | None]],
) -> None:
    storage = table.storage
    changed: set[int] = set()
    if rekeyed:
        for key in target.unique_keys if target is not None else ():
            for row_id, row in rekeyed:
                _hold_changed_keys(transaction, storage, key, row_id, row)
        changed.update([row_id for row_id, _ in rekeyed])
    entries = table.entries
    for row_id in entries if len(entries) == 1 else sorted(entries):
        if storage.heap.slot(row_id) is not None:
            transaction.hold_row(storage, row_id, ROW_UPDATE if row_id in changed else ROW_NO_KEY_UPDATE)


def _check_few(
    transaction: Transaction,
    table: PendingTable,
    target: WriteTarget,
    rekeyed: list[tuple[int, Row | None]],
) -> None:
    if rekeyed:
        for key in target.unique_keys:
            for row_id, row in rekeyed:
                _check_key(transaction, table.storage, key, row_id, row)
    if target.foreign_keys:
        for _ in _check_children(transaction, table, target):
            pass
    if target.referenced_by:
        for _ in _check_parents(transaction, table, target):
            pass
    if target.ends is not None:
        for _ in _check_ends(transaction, table, target.ends):
            pass
    if target.incident is not None:
        for _ in _check_incident(transaction, table, target.incident):
            pass


# --- many rows --------------------------------------------------------------------------------------------------------


def refuse_newer_rows(transaction: Transaction, table: PendingTable) -> None:
    """Raise T001 if a written row has a version newer than the snapshot."""
    heap = table.storage.heap
    snapshot = transaction.snapshot
    for row_id in table.entries:
        newest = newest_epoch(heap.slot(row_id))
        if newest > snapshot and not transaction.has_seen(table.storage, row_id, newest):
            raise transaction.lose(table.storage, row_id)


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
            _hold_changed_keys(transaction, storage, key, row_id, row)


def _hold_changed_keys(
    transaction: Transaction, storage: TableStorage, key: UniqueKey, row_id: int, row: Row | None
) -> None:
    """Lock the old and the new value of a unique key, unless they are the same."""
    index = key.index
    before = newest_row(storage.heap.slot(row_id))
    if before is not None:
        old = storage.padded(before)
        if row is not None and index.same_key(old, storage.padded(row)):
            return
        old_key = index.unique_key(old)
        if old_key is not NO_KEY:
            transaction.hold_key(index.index_id, old_key)
    if row is not None:
        new_key = index.unique_key(storage.padded(row))
        if new_key is not NO_KEY:
            transaction.hold_key(index.index_id, new_key)


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
        keeps_keys = _keeps_keys(target, storage, before, table.entries[row_id].row)
        transaction.hold_row(storage, row_id, ROW_NO_KEY_UPDATE if keeps_keys else ROW_UPDATE)
        newest = newest_epoch(slot)
        if newest > snapshot and not transaction.has_seen(storage, row_id, newest):
            raise transaction.lose(table.storage, row_id)


def _check_unique(transaction: Transaction, table: PendingTable, target: WriteTarget) -> Iterator[None]:
    """A written key that somebody else committed meanwhile is T001, also if it is gone again."""
    storage = table.storage
    for key in target.unique_keys:
        for count, (row_id, row) in enumerate(table.final_rows(), 1):
            if count % SLICE_ROWS == 0:
                yield
            _check_key(transaction, storage, key, row_id, row)


def _check_key(
    transaction: Transaction, storage: TableStorage, key: UniqueKey, row_id: int, row: Row | None
) -> None:
    """Look for another row with the unique key that this row got."""
    if row is None:
        return
    before = newest_row(storage.heap.slot(row_id))
    if before is None or not key.index.same_key(storage.padded(before), storage.padded(row)):
        UniqueCheck(storage, key, row_id).run(transaction)
        _refuse_changed_keys(transaction, storage, key.index, storage.padded(row), row_id)


def _refuse_changed_keys(
    transaction: Transaction, storage: TableStorage, index: Index, row: Row, row_id: int
) -> None:
    atom = index.unique_key(row)
    if atom is NO_KEY:
        return
    for other in index.candidates(atom):
        if other != row_id:
            refuse_changed_key(transaction, storage, index, atom, other)


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
                if transaction.serial is not None:
                    # with another parent in its place children are allowed, but the deletion has told of none
                    foreign_key.find_children(transaction.reader(foreign_key.child.storage), values, 1)


def _check_ends(transaction: Transaction, table: PendingTable, endpoints: Endpoints) -> Iterator[None]:
    """Every new edge has its ends, which can't go any more."""
    known: set[int] = set()
    for count, (row_id, row) in enumerate(table.final_rows(), 1):
        if count % SLICE_ROWS == 0:
            yield
        if row is None:
            continue
        if table.storage.heap.slot(row_id) is not None:
            if endpoints.types is not None:
                check_types(transaction, endpoints, row)
            continue  # the ends of an edge that was there before have not changed
        for position in (SOURCE, TARGET):
            node_id = cast(int, row[position])
            if node_id not in known:
                require_node(transaction, endpoints, node_id, True)
                known.add(node_id)
        if endpoints.types is not None:
            check_types(transaction, endpoints, row)


def _check_incident(transaction: Transaction, table: PendingTable, endpoints: Endpoints) -> Iterator[None]:
    """No edge is left of a node that went, nor one that does not fit a node's new labels."""
    for count, (row_id, entry) in enumerate(table.entries.items(), 1):
        if count % SLICE_ROWS == 0:
            yield
        before = newest_row(table.storage.heap.slot(row_id))
        if before is None:
            continue
        if entry.row is None:
            refuse_edges(transaction, endpoints, row_id)
        elif changes_kind(endpoints, before, entry.row):
            KindCheck(endpoints, row_id).run(transaction)
