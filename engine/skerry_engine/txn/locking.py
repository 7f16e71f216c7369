"""The part of a transaction that holds locks: tables, rows, unique keys, names.

What all of it shares: a lock that is free is taken and journalled with the transaction's holder; one that is
not is queued for, and LockWait raised, with nothing else changed, so that the same call can be made again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from skerry_engine.errors import LockNotAvailable, WriteConflict
from skerry_engine.storage.heap import newest_epoch, newest_row
from skerry_engine.storage.table import TableStorage
from skerry_engine.txn.conflicts import RestartStatement, write_conflict
from skerry_engine.txn.locks import INDEX, KEY, NAME, ROW, TABLE, Holder, Owner
from skerry_engine.txn.modes import BULK, EXCLUSIVE, INTENT, ROW_KEY_SHARE

if TYPE_CHECKING:
    from skerry_engine.txn.manager import TransactionManager

READ_COMMITTED: Final = "read committed"
SNAPSHOT: Final = "snapshot"
SERIALIZABLE: Final = "serializable"

NO_SNAPSHOT: Final = -1


def row_resource(storage_id: int, row_id: int) -> int:
    """The lock table's name for a row: one number, cheap to hash."""
    return storage_id << 40 | row_id


class LockingTransaction:
    """Identity, snapshot and locks of a transaction.

    `is_snapshot` holds for every level that reads one snapshot throughout: SNAPSHOT and SERIALIZABLE.
    """

    __slots__ = ("manager", "id", "isolation", "is_snapshot", "owner", "holder", "snapshot")

    def __init__(
        self, manager: TransactionManager, transaction_id: int, isolation: str, owner: Owner
    ) -> None:
        self.manager: TransactionManager = manager
        self.id: int = transaction_id
        self.isolation: str = isolation
        self.is_snapshot: bool = isolation != READ_COMMITTED
        self.owner: Owner = owner
        holder = owner.spare
        if holder is None:
            holder = Holder(owner)
        else:
            owner.spare = None
        holder.transaction_id = transaction_id
        self.holder: Holder = holder
        self.snapshot: int = NO_SNAPSHOT

    def lock_table(self, oid: int, mode: int, nowait: bool = False, name: str = "") -> None:
        """Lock a table (modes.ACCESS_SHARE …).

        `nowait`: LockNotAvailable, naming the table, instead of LockWait.
        """
        locks = self.manager.locks
        if nowait:
            if not locks.try_acquire(locks.tables, TABLE, oid, mode, self.holder):
                raise LockNotAvailable(f'could not obtain lock on relation "{name or oid}"')
        else:
            locks.acquire(locks.tables, TABLE, oid, mode, self.holder)

    def lock_row(
        self,
        storage: TableStorage,
        row_id: int,
        mode: int,
        nowait: bool = False,
        skip_locked: bool = False,
        in_place: bool = False,
        table_name: str = "",
    ) -> bool:
        """Lock a visible row (modes.ROW_KEY_SHARE … ROW_UPDATE), for SELECT FOR ….

        False: skipped (`skip_locked`).  Raises LockNotAvailable (`nowait`), LockWait, RestartStatement when
        READ COMMITTED finds the row newer than its snapshot (unless `in_place`: then recheck
        `newest_reader(...)`), WriteConflict (T001) when SNAPSHOT does.
        """
        if self.is_snapshot:
            self._check_lockable(storage, row_id, mode)
        if storage.heap.slot(row_id) is None:
            return True
        locks = self.manager.locks
        resource = row_resource(storage.storage_id, row_id)
        if nowait or skip_locked:
            if not locks.try_acquire(locks.rows, ROW, resource, mode, self.holder):
                if skip_locked:
                    return False
                raise LockNotAvailable(f'could not obtain lock on row in relation "{table_name}"')
        else:
            locks.acquire(locks.rows, ROW, resource, mode, self.holder)
        if self.is_snapshot:
            self._check_lockable(storage, row_id, mode)
        elif not in_place:
            self.check_not_newer(storage, row_id)
        return True

    def _check_lockable(self, storage: TableStorage, row_id: int, mode: int) -> None:
        """Raise T001 if the row is newer than the snapshot; KEY SHARE minds only a deletion or another key."""
        if mode != ROW_KEY_SHARE or not storage.keeps_keys_since(row_id, self.snapshot):
            self.check_not_newer(storage, row_id)

    def hold_row(self, storage: TableStorage, row_id: int, mode: int) -> None:
        """Lock a row, whatever its versions.  Raises LockWait."""
        locks = self.manager.locks
        locks.acquire(locks.rows, ROW, row_resource(storage.storage_id, row_id), mode, self.holder)

    def check_not_newer(self, storage: TableStorage, row_id: int) -> None:
        """Raise RestartStatement or WriteConflict if the row's newest version is newer than the snapshot."""
        slot = storage.heap.slot(row_id)
        if newest_epoch(slot) > self.snapshot:
            if self.is_snapshot:
                raise self.lose(storage, row_id)
            raise RestartStatement(storage.storage_id, row_id)

    def lose(self, storage: TableStorage, row_id: int) -> WriteConflict:
        """The error (T001) of one who was not the first to commit a change of the row.

        The session remembers the row: its next transaction gets into line for it.
        """
        self.owner.contended = row_resource(storage.storage_id, row_id)
        return write_conflict(newest_row(storage.heap.slot(row_id)) is None)

    def hold_key(self, index_id: int, key: object) -> None:
        """Lock a unique key exclusively, unless the whole index is held in bulk.  Raises LockWait."""
        locks = self.manager.locks
        holder = self.holder
        lock = locks.indexes.get(index_id)
        if lock is not None and lock.mask_of(holder) >> BULK & 1:
            return
        locks.acquire(locks.indexes, INDEX, index_id, INTENT, holder)
        locks.acquire(locks.keys, KEY, (index_id, key), EXCLUSIVE, holder)

    def hold_keys_in_bulk(self, index_id: int) -> bool:
        """Lock all keys of an index at once if nobody else writes keys there; says whether it did."""
        locks = self.manager.locks
        return locks.try_acquire(locks.indexes, INDEX, index_id, BULK, self.holder)

    def release_since(self, length: int) -> None:
        """Let the locks go that were taken since the journal of locks had `length` entries."""
        self.manager.locks.unwind(self.holder, length)

    def lock_name(self, name: object, mode: int = EXCLUSIVE) -> None:
        """Lock any hashable name (a name about to be created, MERGE's match values).  Raises LockWait."""
        locks = self.manager.locks
        locks.acquire(locks.names, NAME, name, mode, self.holder)
