"""Constraint checks that wait for the end of the statement, or of the transaction.

A check reads the newest installed state with all own writes laid over it, never the snapshot.  It may meet a
lock: it raises LockWait, and running it again later is harmless.

For SERIALIZABLE the two must agree.  A check that passes (or fails) only because of what others committed after
the snapshot would put the transaction behind them, its reads put it before them: `refuse_foresight` is T005.
What a violation tells a transaction is noted as read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from skerry_engine.errors import SerializationFailure
from skerry_engine.storage.heap import INFINITY, Row, Version, newest_epoch
from skerry_engine.storage.index import NO_KEY, Index
from skerry_engine.storage.table import TableStorage
from skerry_engine.txn.conflicts import write_conflict
from skerry_engine.txn.serializable import serialization_failure
from skerry_engine.txn.target import UniqueKey

if TYPE_CHECKING:
    from skerry_engine.txn.transaction import Transaction


class Check:
    """A check to be run later.  The constraint's name and deferrability decide when."""

    __slots__ = ("constraint_name", "deferrable", "initially_deferred")

    def __init__(
        self, constraint_name: str, deferrable: bool = False, initially_deferred: bool = False
    ) -> None:
        self.constraint_name: str = constraint_name
        self.deferrable: bool = deferrable
        self.initially_deferred: bool = initially_deferred

    def run(self, transaction: Transaction) -> None:
        """Raise what the constraint has to say, or LockWait."""
        raise NotImplementedError


class UniqueCheck(Check):
    """A row met another with its key when it was written: is that still so?"""

    __slots__ = ("storage", "key", "row_id")

    def __init__(self, storage: TableStorage, key: UniqueKey, row_id: int) -> None:
        super().__init__(key.constraint_name, key.deferrable, key.initially_deferred)
        self.storage: TableStorage = storage
        self.key: UniqueKey = key
        self.row_id: int = row_id

    def run(self, transaction: Transaction) -> None:
        """Raise UniqueViolation, or WriteConflict when the other row is newer than SNAPSHOT's snapshot."""
        index = self.key.index
        reader = transaction.newest_reader(self.storage)
        row = reader.get(self.row_id)
        if row is None:
            return
        atom = index.unique_key(row)
        if atom is NO_KEY:
            return
        others = [row_id for row_id in reader.lookup_ids(index, atom)[0] if row_id != self.row_id]
        if not others:
            refuse_foresight(transaction, self.storage, index, atom, False, self.row_id)
        for row_id in sorted(others, key=lambda other: is_hidden(transaction, self.storage, other)):
            raise_duplicate(transaction, self.storage, self.key, row, row_id)


def raise_duplicate(
    transaction: Transaction, storage: TableStorage, key: UniqueKey, row: Row, row_id: int
) -> None:
    """Raise UniqueViolation because `row_id` has `row`'s key, or T001 when SNAPSHOT can't see that row."""
    if transaction.is_snapshot and is_hidden(transaction, storage, row_id):
        raise write_conflict()
    if transaction.serial is not None:
        transaction.reader(storage).lookup_id(key.index, key.index.unique_key(row))
    raise key.violation(row)


def refuse_foresight(
    transaction: Transaction,
    storage: TableStorage,
    index: Index,
    key: object,
    is_there: bool,
    except_row_id: int = -1,
) -> None:
    """Raise T005 if SERIALIZABLE's snapshot, own writes laid over, disagrees with the newest state on `is_there`:
    whether a row (other than `except_row_id`) has the key."""
    if transaction.serial is None:
        return
    ids, _ = transaction.seen_reader(storage).lookup_ids(index, key)
    if any(row_id != except_row_id for row_id in ids) != is_there:
        raise foresight()


def foresight() -> SerializationFailure:
    """T005 for a constraint check that depends on what was committed after the snapshot."""
    return serialization_failure("Canceled on a constraint check that saw a later commit.")


def is_hidden(transaction: Transaction, storage: TableStorage, row_id: int) -> bool:
    """Whether the newest state of the row is another transaction's, newer than the snapshot."""
    overlay = transaction.overlay
    pending = None if overlay is None else overlay.tables.get(storage.storage_id)
    if pending is not None and pending.statement_of(row_id) >= 0:
        return False
    return newest_epoch(storage.heap.slot(row_id)) > transaction.snapshot


def refuse_changed_key(
    transaction: Transaction, storage: TableStorage, index: Index, key: object, row_id: int
) -> None:
    """Raise T001 if others gave `key` to the row or took it from there after the snapshot.

    First committer wins holds for keys as it does for rows: a key that was deleted, or inserted and deleted,
    since the snapshot is not free for those who still see the state before.
    """
    pending = transaction.own_overlay().table(storage)
    snapshot = transaction.snapshot
    slot = storage.heap.slot(row_id)
    if newest_epoch(slot) <= snapshot or pending.statement_of(row_id) >= 0:
        return
    while isinstance(slot, Version):
        epoch = slot.stamp.epoch
        if epoch < INFINITY and slot.row is not None and index.matches(storage.padded(slot.row), key):
            raise write_conflict(is_deletion=True)
        if epoch <= snapshot:
            return
        slot = slot.older
    if isinstance(slot, tuple) and index.matches(storage.padded(slot), key):
        raise write_conflict(is_deletion=True)
