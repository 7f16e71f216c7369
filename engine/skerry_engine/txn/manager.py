"""The transaction manager: epochs, active transactions, catalogs by epoch, garbage collection.

    last_epoch   the last epoch taken by a commit          published <= last_epoch
    published    the last epoch that new snapshots see     (equal while the log is the memory log)

`readers` are the transactions with a snapshot; the smallest of their snapshots is the horizon behind which
old versions are garbage.  A READ COMMITTED transaction between two statements has none and holds nothing
back.

The catalog is an opaque immutable value.  `catalogs` keeps each (epoch, catalog) that a snapshot may still
ask for.
"""

from __future__ import annotations

from typing import Final

from skerry_engine.errors import InvalidParameterValue
from skerry_engine.txn.collector import Collector
from skerry_engine.txn.locking import READ_COMMITTED, SERIALIZABLE, SNAPSHOT
from skerry_engine.txn.locks import LockTable, Owner
from skerry_engine.txn.log import CommitLog, MemoryLog
from skerry_engine.txn.overlay import DEFAULT_LIMIT_ROWS
from skerry_engine.txn.serializable import SerializableRegistry
from skerry_engine.txn.transaction import Transaction
from skerry_engine.txn.two_phase import PreparedTransactions

NO_LIMIT: Final = 1 << 60

GC_INTERVAL_COMMITS: Final = 100
"""Commits between two collections, unless asked otherwise."""

GC_SLICE_ROWS: Final = 1000
"""Rows collected in one unit."""

_LEVELS: dict[str, str] = {
    "read uncommitted": READ_COMMITTED,
    "read committed": READ_COMMITTED,
    "repeatable read": SNAPSHOT,
    "snapshot": SNAPSHOT,
    "serializable": SERIALIZABLE,
}


def isolation_level(name: str) -> str:
    """The level that a name stands for: 'read committed', 'snapshot' or 'serializable'.

    Raises InvalidParameterValue for what is no level.
    """
    level = _LEVELS.get(name.lower().replace("_", " "))
    if level is None:
        raise InvalidParameterValue(f'invalid value for parameter "transaction_isolation": "{name}"')
    return level


def shown_isolation(level: str) -> str:
    """A level as SQL names it."""
    return "repeatable read" if level == SNAPSHOT else level


class TransactionManager:
    """Begins transactions and keeps what they share."""

    __slots__ = (
        "last_epoch",
        "published",
        "locks",
        "log",
        "collector",
        "serializable",
        "prepared",
        "active",
        "readers",
        "gc_interval_commits",
        "overlay_limit_rows",
        "_commits_since_gc",
        "_next_transaction_id",
        "_catalog",
        "_catalog_epoch",
        "_old_catalogs",
    )

    def __init__(self, catalog: object, gc_interval_commits: int = GC_INTERVAL_COMMITS) -> None:
        self.last_epoch: int = 1
        self.published: int = 1
        self.locks: LockTable = LockTable()
        self.log: CommitLog = MemoryLog()
        self.collector: Collector = Collector()
        self.serializable: SerializableRegistry = SerializableRegistry()
        self.prepared: PreparedTransactions = PreparedTransactions()
        self.active: dict[int, Transaction] = {}
        self.readers: dict[int, Transaction] = {}
        self.gc_interval_commits: int = gc_interval_commits
        self.overlay_limit_rows: int = DEFAULT_LIMIT_ROWS
        self._commits_since_gc: int = 0
        self._next_transaction_id: int = 1
        self._catalog: object = catalog
        self._catalog_epoch: int = 0
        self._old_catalogs: list[tuple[int, object]] = []

    # --- beginning ------------------------------------------------------------------------------------------

    def begin(
        self,
        isolation: str = READ_COMMITTED,
        read_only: bool = False,
        owner: Owner | None = None,
        take_snapshot: bool = False,
    ) -> Transaction:
        """Begin a transaction.

        `owner` is the session; one owner has one transaction at a time.  `take_snapshot` takes SNAPSHOT's
        snapshot now instead of at the first statement.  Raises InvalidParameterValue for what is no level.
        """
        level = isolation
        if level != READ_COMMITTED and level != SNAPSHOT:
            level = isolation_level(isolation)
        number = self._next_transaction_id
        self._next_transaction_id = number + 1
        is_session = owner is not None
        transaction = Transaction(self, number, level, read_only, owner or Owner(), is_session)
        self.active[number] = transaction
        if take_snapshot:
            transaction.take_snapshot()
        return transaction

    # --- epochs ---------------------------------------------------------------------------------------------

    def min_active(self) -> int:
        """The oldest epoch that an active snapshot sees; `published` when there is none."""
        oldest = self.published
        for reader in self.readers.values():
            oldest = min(oldest, reader.oldest_snapshot())
        return oldest

    def is_alone(self, transaction: Transaction) -> bool:
        """Whether no other transaction has a snapshot,
        now or before what is about to be committed is published."""
        others = len(self.readers)
        if others and transaction.id in self.readers:
            others -= 1
        return others == 0 and self.log.is_instant

    # --- catalogs -------------------------------------------------------------------------------------------

    def newest_catalog(self) -> object:
        """The catalog of the last commit."""
        return self._catalog

    def catalog_at(self, epoch: int) -> object:
        """The catalog that a snapshot at `epoch` sees."""
        if epoch >= self._catalog_epoch:
            return self._catalog
        for since, catalog in reversed(self._old_catalogs):
            if since <= epoch:
                return catalog
        raise AssertionError(f"no catalog is kept for epoch {epoch}")

    def install_catalog(self, epoch: int, catalog: object) -> None:
        """Make `catalog` the one from `epoch` on (called by the commit step)."""
        self._old_catalogs.append((self._catalog_epoch, self._catalog))
        self._catalog = catalog
        self._catalog_epoch = epoch

    def restore_catalog(self, epoch: int, catalog: object) -> None:
        """Make `catalog` the only one, from `epoch` on: recovery, when no snapshot can ask for an older one."""
        self._old_catalogs.clear()
        self._catalog = catalog
        self._catalog_epoch = epoch

    def restore_epoch(self, epoch: int) -> None:
        """The last commit was at `epoch`: recovery."""
        assert epoch >= self.last_epoch, "commits are replayed in order"
        self.last_epoch = epoch
        self.published = epoch

    def _forget_catalogs(self, horizon: int) -> None:
        old = self._old_catalogs
        if horizon >= self._catalog_epoch:
            old.clear()
        while len(old) > 1 and old[1][0] <= horizon:
            old.pop(0)

    # --- garbage --------------------------------------------------------------------------------------------

    def after_commit(self) -> None:
        """Count a commit, and collect a slice when it is time or when work was left over."""
        self._commits_since_gc += 1
        if self._commits_since_gc >= self.gc_interval_commits:
            if self.gc(GC_SLICE_ROWS) < GC_SLICE_ROWS:
                self._commits_since_gc = 0

    def gc(self, limit_rows: int = NO_LIMIT) -> int:
        """Collect up to `limit_rows` rows' garbage now; returns how many rows were handled."""
        horizon = self.min_active()
        self._forget_catalogs(horizon)
        return self.collector.collect(horizon, limit_rows)
