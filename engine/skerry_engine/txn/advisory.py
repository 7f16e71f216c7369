"""Advisory locks: pg_advisory_lock and kin.

A transaction's advisory locks go with the transaction, like all its locks (`lock_in_transaction`).  A
session's stay until they are unlocked as often as they were locked, or the session ends; they outlive
rollbacks.  Both count as one owner's, so a session never waits for itself.

A key is any hashable value; sessions use (database OID, class, object, sub-object), as pg_locks shows it.
"""

from __future__ import annotations

from skerry_engine.txn.locks import ADVISORY, Holder, LockTable, Owner
from skerry_engine.txn.modes import EXCLUSIVE, SHARED


def advisory_key(database_oid: int, key: tuple[int, ...]) -> tuple[int, int, int, int]:
    """The lock table's key: one bigint stands in halves with sub-object 1, two integers with sub-object 2."""
    unsigned = 0xFFFFFFFF
    if len(key) == 1:
        return database_oid, key[0] >> 32 & unsigned, key[0] & unsigned, 1
    return database_oid, key[0] & unsigned, key[1] & unsigned, 2


def lock_in_transaction(locks: LockTable, holder: Holder, key: object, shared: bool = False) -> None:
    """pg_advisory_xact_lock.  Raises LockWait (call again)."""
    locks.acquire(locks.advisory, ADVISORY, key, SHARED if shared else EXCLUSIVE, holder)


def try_lock_in_transaction(locks: LockTable, holder: Holder, key: object, shared: bool = False) -> bool:
    """pg_try_advisory_xact_lock."""
    return locks.try_acquire(locks.advisory, ADVISORY, key, SHARED if shared else EXCLUSIVE, holder)


class SessionAdvisoryLocks:
    """The advisory locks of one session, with how often each was taken."""

    __slots__ = ("_locks", "_holder", "_counts")

    def __init__(self, locks: LockTable, owner: Owner) -> None:
        self._locks: LockTable = locks
        self._holder: Holder = Holder(owner)
        self._counts: dict[tuple[object, int], int] = {}

    def lock(self, key: object, shared: bool = False) -> None:
        """pg_advisory_lock.  Raises LockWait (call again)."""
        mode = SHARED if shared else EXCLUSIVE
        self._locks.acquire(self._locks.advisory, ADVISORY, key, mode, self._holder)
        self._count(key, mode)

    def try_lock(self, key: object, shared: bool = False) -> bool:
        """pg_try_advisory_lock."""
        mode = SHARED if shared else EXCLUSIVE
        if not self._locks.try_acquire(self._locks.advisory, ADVISORY, key, mode, self._holder):
            return False
        self._count(key, mode)
        return True

    def _count(self, key: object, mode: int) -> None:
        # Asking for SHARED under EXCLUSIVE adds no mode to the lock; hold it in its own right,
        # for its own unlock.
        self._locks.hold_mode(self._locks.advisory, key, mode, self._holder)
        self._counts[(key, mode)] = self._counts.get((key, mode), 0) + 1

    def unlock(self, key: object, shared: bool = False) -> bool:
        """pg_advisory_unlock; False when the session does not hold the lock (PostgreSQL warns)."""
        mode = SHARED if shared else EXCLUSIVE
        count = self._counts.get((key, mode), 0)
        if not count:
            return False
        if count > 1:
            self._counts[(key, mode)] = count - 1
            return True
        del self._counts[(key, mode)]
        return self._locks.release_one(self._holder, self._locks.advisory, key, mode)

    def unlock_all(self) -> None:
        """pg_advisory_unlock_all, and the session's end."""
        self._counts.clear()
        self._locks.release_all(self._holder)
