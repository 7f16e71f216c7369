"""Two-phase commit: transactions that have promised to commit, and wait to be told.

    PREPARE TRANSACTION 'gid'     all that may fail or wait is done now: checks, validation, locks, SSI; the
                                  versions stand in the heap under a stamp that is not committed
    COMMIT PREPARED 'gid'         takes the epoch and sets the stamp: nothing can refuse it
    ROLLBACK PREPARED 'gid'       takes the versions back

A prepared transaction belongs to no session: its locks have an owner of their own, so that they bind the session
that prepared it like any other.  It keeps them, and its SIREADs, until it is finished.  With a durable log it is
prepared only when its record is durable, and survives restarts (durability/prepared.py).
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Final

from skerry_engine.errors import DuplicateObject, InvalidParameterValue, OutOfMemory, UndefinedObject
from skerry_engine.session.steps import Step, Wait
from skerry_engine.txn.locks import Owner

if TYPE_CHECKING:
    from skerry_engine.txn.log import CommitLog
    from skerry_engine.txn.transaction import Transaction

MAX_GID_BYTES: Final = 200
"""A gid is shorter than this, as in PostgreSQL (GIDSIZE)."""

MAX_PREPARED: Final = 1000
"""So many may be prepared at once (max_prepared_transactions)."""


class PreparedTransaction:
    """A prepared transaction under its global identifier; `prepared_at_us` counts from 2000-01-01 UTC."""

    __slots__ = ("gid", "transaction", "prepared_at_us", "role_oid", "database_oid")

    def __init__(
        self, gid: str, transaction: Transaction, prepared_at_us: int, role_oid: int, database_oid: int
    ) -> None:
        self.gid: str = gid
        self.transaction: Transaction = transaction
        self.prepared_at_us: int = prepared_at_us
        self.role_oid: int = role_oid
        self.database_oid: int = database_oid


class PreparedTransactions:
    """All prepared transactions of an engine, by gid."""

    __slots__ = ("_by_gid", "_reserved")

    def __init__(self) -> None:
        self._by_gid: dict[str, PreparedTransaction] = {}
        self._reserved: set[str] = set()

    def all(self) -> list[PreparedTransaction]:
        """The prepared transactions, oldest first."""
        return list(self._by_gid.values())

    def find(self, gid: str) -> PreparedTransaction:
        """The prepared transaction with that gid.  Raises UndefinedObject."""
        found = self._by_gid.get(gid)
        if found is None:
            raise UndefinedObject(f'prepared transaction with identifier "{gid}" does not exist')
        return found

    def prepare(
        self, gid: str, transaction: Transaction, now_us: int, role_oid: int, database_oid: int
    ) -> Generator[Step, None, None]:
        """Prepare a transaction and take it away from its session.

        Raises InvalidParameterValue (gid too long), DuplicateObject (in use), OutOfMemory (too many), and
        whatever committing would raise; the transaction is rolled back then.
        """
        self._reserve(gid)
        try:
            yield from transaction.prepare(Owner(database_oid=database_oid))
        finally:
            self._reserved.discard(gid)
        prepared = PreparedTransaction(gid, transaction, now_us, role_oid, database_oid)
        transaction.gid = gid
        transaction.is_synchronous = True  # whatever the setting: who has been told may forget the gid
        log = transaction.manager.log
        try:
            log.append_prepare(prepared)
        except BaseException:
            transaction.take_back_prepared()
            raise
        self._by_gid[gid] = prepared
        yield from until_durable(log)

    def restore(self, prepared: PreparedTransaction) -> None:
        """Recovery: enter one that was prepared before the restart."""
        prepared.transaction.gid = prepared.gid
        self._by_gid[prepared.gid] = prepared

    def _reserve(self, gid: str) -> None:
        if len(gid.encode()) >= MAX_GID_BYTES:
            raise InvalidParameterValue(f'transaction identifier "{gid}" is too long')
        if gid in self._by_gid or gid in self._reserved:
            raise DuplicateObject(f'transaction identifier "{gid}" is already in use')
        if len(self._by_gid) + len(self._reserved) >= MAX_PREPARED:
            raise OutOfMemory(
                "maximum number of prepared transactions reached",
                hint=f"Finish some of them: there can be {MAX_PREPARED} (max_prepared_transactions).",
            )
        self._reserved.add(gid)

    def finish(self, gid: str, commit: bool) -> Generator[Step, None, None]:
        """COMMIT PREPARED or ROLLBACK PREPARED.  Raises UndefinedObject."""
        prepared = self.find(gid)
        transaction = prepared.transaction
        log = transaction.manager.log
        if not commit:
            log.append_rollback(gid)
        del self._by_gid[gid]
        try:
            yield from transaction.finish_prepared(commit)
        finally:
            if transaction.state == "prepared":  # the log could not take its commit
                self._by_gid[gid] = prepared
        if not commit:
            yield from until_durable(log)


def until_durable(log: CommitLog) -> Generator[Step, None, None]:
    """Wait until what the log has taken so far is durable.  Raises DurabilityLost."""
    progress = log.progress()
    while not progress.is_over():
        yield Wait(progress)
    log.check()
