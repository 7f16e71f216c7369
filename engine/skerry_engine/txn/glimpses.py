"""SERIALIZABLE: what a write has told that does not last.

A write that succeeds says that its constraints held: the key was free, the parent was there, nothing referred
to the row.  For a state that is committed COMMIT makes sure of all that once more.  A state that goes before
that, by ROLLBACK TO or by a later write of the same transaction, has told it all the same:

    SAVEPOINT s;  INSERT INTO t VALUES (1);  ROLLBACK TO s;         "key 1 is free"

So when such a state goes, what its checks looked at is read: through the transaction's own reader, which
notes it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from skerry_engine.storage.heap import Row
from skerry_engine.storage.index import NO_KEY
from skerry_engine.storage.pending import Entry, PendingTable
from skerry_engine.storage.reader import TableReader
from skerry_engine.storage.table import TableStorage
from skerry_engine.txn.endpoints import SOURCE, TARGET
from skerry_engine.txn.overlay import Overlay
from skerry_engine.txn.target import WriteTarget
from skerry_engine.txn.tracking import TrackingReader

if TYPE_CHECKING:
    from skerry_engine.txn.transaction import Transaction


def note_undone(transaction: Transaction, overlay: Overlay, length: int) -> None:
    """Read what the writes since the journal had `length` entries have told; before they are unwound.

    Raises SerializationFailure (T005).
    """
    for item, table in zip(overlay.journal[length:], overlay.homes[length:], strict=True):
        target = (transaction.targets or {}).get(table.storage.storage_id)
        if target is None or not _has_constraints(target):
            continue
        if isinstance(item, Entry):
            note_overwritten(transaction, target, item.row_id, item.row, _restored(transaction, table, item))
        else:
            for offset, row in enumerate(item.rows):
                note_overwritten(transaction, target, item.first_row_id + offset, row, None)


def _reader(transaction: Transaction, storage: TableStorage) -> TableReader:
    serial = transaction.serial
    if serial is not None and serial.is_tracking:
        return TrackingReader(storage, transaction.snapshot, None, 0, serial)
    return TableReader(storage, transaction.snapshot, None, 0)


def _has_constraints(target: WriteTarget) -> bool:
    return bool(target.unique_keys or target.foreign_keys or target.referenced_by) or _is_of_graph(target)


def _is_of_graph(target: WriteTarget) -> bool:
    return target.ends is not None or target.incident is not None


def _restored(transaction: Transaction, table: PendingTable, entry: Entry) -> Row | None:
    """The state of the row that unwinding `entry` brings back."""
    if entry.older is not None:
        return entry.older.row
    return TableReader(table.storage, transaction.snapshot, table, entry.statement).get(entry.row_id)


def note_overwritten(
    transaction: Transaction, target: WriteTarget, row_id: int, gone: Row | None, stays: Row | None
) -> None:
    """Read what the checks of a pending state `gone` of a row looked at (None: no such row).

    Not what `stays`, which takes its place, makes checks look at as well, nor what the snapshot has.
    Raises SerializationFailure (T005).
    """
    storage = target.storage
    before = TableReader(storage, transaction.snapshot, None, 0).get(row_id)
    kept = [storage.padded(row) for row in (before, stays) if row is not None]
    if gone is not None:
        _note_keys(transaction, target, storage.padded(gone), kept)
        _note_parents(transaction, target, storage.padded(gone), kept)
    if _is_of_graph(target):
        _note_tied(transaction, target, row_id, before, gone, stays)
    if before is not None and stays is not None and target.referenced_by:
        full = None if gone is None else storage.padded(gone)
        _note_children(transaction, target, storage.padded(before), full)


def _note_keys(transaction: Transaction, target: WriteTarget, gone: Row, kept: list[Row]) -> None:
    reader = _reader(transaction, target.storage)
    for key in target.unique_keys:
        atom = key.index.unique_key(gone)
        if atom is not NO_KEY and not any(key.index.same_key(row, gone) for row in kept):
            reader.lookup_id(key.index, atom)


def _note_parents(transaction: Transaction, target: WriteTarget, gone: Row, kept: list[Row]) -> None:
    for foreign_key in target.foreign_keys:
        values = foreign_key.child_values(gone)
        if None in values or any(foreign_key.child_values(row) == values for row in kept):
            continue
        reader = _reader(transaction, foreign_key.parent.storage)
        reader.lookup_id(foreign_key.parent_index, foreign_key.parent_key(values))


def _note_tied(
    transaction: Transaction,
    target: WriteTarget,
    row_id: int,
    before: Row | None,
    gone: Row | None,
    stays: Row | None,
) -> None:
    """An edge had been inserted: its ends were there.  A node had been deleted: it had no edges."""
    if target.ends is not None and gone is not None and before is None and stays is None:
        reader = _reader(transaction, target.ends.nodes.storage)
        for position in (SOURCE, TARGET):
            reader.get(cast(int, gone[position]))
    if target.incident is not None and gone is None and stays is not None:
        target.incident.edges_of(_reader(transaction, target.incident.edges.storage), row_id)


def _note_children(transaction: Transaction, target: WriteTarget, before: Row, gone: Row | None) -> None:
    """A parent had been deleted, or its key changed: there were no children."""
    for foreign_key in target.referenced_by:
        values = foreign_key.parent_values(before)
        if None not in values and (gone is None or foreign_key.parent_values(gone) != values):
            foreign_key.find_children(_reader(transaction, foreign_key.child.storage), values, 1)
