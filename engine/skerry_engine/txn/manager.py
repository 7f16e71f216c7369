"""The transaction manager: epochs, active transactions, catalogs by epoch, garbage collection.

    last_epoch   the last epoch taken by a commit          published <= last_epoch
    published    the last epoch that new snapshots see     (equal while the log is the memory log)

`readers` are the transactions with a snapshot; the smallest of their snapshots is the horizon behind which
old versions are garbage, unless history (history.py) keeps them longer.  A READ COMMITTED transaction between two
statements has none and holds nothing back.

The catalog is an opaque immutable value.  `catalogs` keeps each (epoch, catalog) that a snapshot may still
ask for.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final

from skerry_engine.errors import HistoryNotRetained, InvalidParameterValue
from skerry_engine.txn.collector import Collector
from skerry_engine.txn.feed import Feed, Subscription, changes_gone
from skerry_engine.txn.history import History
from skerry_engine.txn.locking import READ_COMMITTED, SERIALIZABLE, SNAPSHOT
from skerry_engine.txn.locks import LockTable, Owner
from skerry_engine.txn.log import CommitLog, MemoryLog
from skerry_engine.txn.merges import Merges
from skerry_engine.txn.overlay import DEFAULT_LIMIT_ROWS
from skerry_engine.txn.serializable import SerializableRegistry
from skerry_engine.txn.transaction import Transaction
from skerry_engine.txn.two_phase import PreparedTransactions
from skerry_engine.txn.waiting import Gate
from skerry_engine.values import oids
from skerry_engine.values.clock import wall_clock
from skerry_engine.values.io import IoContext, text_encoder
from skerry_engine.values.types import SqlType

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


def _shown(time_us: int) -> str:
    """A time as messages have it."""
    return text_encoder(SqlType(oids.TIMESTAMPTZ), IoContext())(time_us)


class TransactionManager:
    """Begins transactions and keeps what they share."""

    __slots__ = (
        "last_epoch",
        "published",
        "locks",
        "merges",
        "log",
        "collector",
        "history",
        "feed",
        "serializable",
        "prepared",
        "active",
        "readers",
        "gc_interval_commits",
        "overlay_limit_rows",
        "_commits_since_gc",
        "_next_transaction_id",
        "_last_hold",
        "is_congested",
        "_held_back",
        "_catalog",
        "_catalog_epoch",
        "_old_catalogs",
        "_retired",
    )

    def __init__(self, catalog: object, gc_interval_commits: int = GC_INTERVAL_COMMITS) -> None:
        self.last_epoch: int = 1
        self.published: int = 1
        self.locks: LockTable = LockTable()
        self.merges: Merges = Merges()
        self.log: CommitLog = MemoryLog()
        self.collector: Collector = Collector()
        self.history: History = History()
        self.feed: Feed = Feed()
        self.serializable: SerializableRegistry = SerializableRegistry()
        self.prepared: PreparedTransactions = PreparedTransactions()
        self.active: dict[int, Transaction] = {}
        self.readers: dict[int, Transaction] = {}
        self.gc_interval_commits: int = gc_interval_commits
        self.overlay_limit_rows: int = DEFAULT_LIMIT_ROWS
        self._commits_since_gc: int = 0
        self._next_transaction_id: int = 1
        self._last_hold: int = 0
        self.is_congested: bool = False
        self._held_back: list[Gate] = []
        self._catalog: object = catalog
        self._catalog_epoch: int = 0
        self._old_catalogs: list[tuple[int, object]] = []
        self._retired: deque[tuple[int, Callable[[], None]]] = deque()

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

    def begin_as_of(self, epoch: int, owner: Owner, is_session: bool) -> Transaction:
        """Begin a read-only transaction that sees the state at an epoch.

        `is_session` False: it runs for a single statement beside the owner's own transaction.  Raises
        InvalidParameterValue for an epoch that is still to come, HistoryNotRetained for one that is gone.
        """
        self.check_readable(epoch)
        number = self._next_transaction_id
        self._next_transaction_id = number + 1
        transaction = Transaction(self, number, SNAPSHOT, True, owner, is_session)
        self.active[number] = transaction
        transaction.see(epoch)
        return transaction

    def hold(self, epoch: int) -> Transaction:
        """Keep what `epoch` sees, which need not be published yet, until the result is closed.

        For the engine's own readers: nobody sees them among the transactions, and they have no number.
        """
        self._last_hold -= 1
        holder = Transaction(self, self._last_hold, SNAPSHOT, True, Owner(), False)
        holder.read_at(epoch)
        return holder

    # --- congestion -------------------------------------------------------------------------------------------

    def hold_back_writers(self) -> None:
        """Memory has no room for more changes now: statements that make some wait (`Execution.lock_tables`)."""
        self.is_congested = True

    def let_writers_go_on(self) -> None:
        """There may be room again."""
        self.is_congested = False
        gates, self._held_back = self._held_back, []
        for gate in gates:
            gate.end()

    def room_for_changes(self) -> Gate:
        """What is over when there may be room again."""
        gate = Gate()
        self._held_back.append(gate)
        return gate

    # --- epochs ---------------------------------------------------------------------------------------------

    def min_active(self) -> int:
        """The oldest epoch that an active snapshot sees; `published` when there is none."""
        oldest = self.published
        for reader in self.readers.values():
            oldest = min(oldest, reader.oldest_snapshot())
        return oldest

    def catalog_horizon(self) -> int:
        """The oldest epoch whose catalog, and tables, anybody may ask for: history's, or that before a change."""
        oldest = self.horizon()
        return min(oldest, self.feed.source.floor) if self.feed.is_recording else oldest

    def horizon(self) -> int:
        """The oldest epoch that anybody reads at or may yet ask for: what only older ones see is garbage."""
        oldest = self.min_active()
        if self.history.is_on:
            oldest = min(oldest, self.history.advance(self.published))
        return oldest

    def oldest_retained_epoch(self) -> int:
        """The oldest epoch that AS OF may ask for."""
        return self.history.advance(self.published)

    # --- history and changes --------------------------------------------------------------------------------

    def keep_history(self, retention_us: int, limit_bytes: int) -> None:
        """Keep the past readable for so long, as long as it takes no more than so many bytes."""
        self.history.keep(retention_us, limit_bytes, self.published)
        self._record_changes()

    def subscribe(self, since: int | None) -> Subscription:
        """Keep the changes of commits after `since` (None: from now on) until they are read, within the limit in
        bytes.  Raises HistoryNotRetained, InvalidParameterValue."""
        if since is None:
            since = self.last_epoch
        elif since > self.published:
            raise InvalidParameterValue(
                f"epoch {since} is in the future", detail=f"The newest epoch is {self.published}."
            )
        if since < self.oldest_change():
            raise changes_gone(since, self.oldest_change())
        subscription = self.feed.subscribe(since)
        self._record_changes()
        return subscription

    def unsubscribe(self, subscription: Subscription) -> None:
        """The changes are not wanted any more."""
        self.feed.unsubscribe(subscription)
        self._record_changes()

    def newest_change(self) -> int:
        """The last epoch whose changes can be read: published, and not to be lost by a crash."""
        return min(self.published, self.log.durable_epoch())

    def oldest_change(self) -> int:
        """The epoch after which every commit's changes can be read."""
        self._forget_changes()
        return self.feed.source.floor if self.feed.is_recording else self.last_epoch

    def _record_changes(self) -> None:
        self.feed.record(self.history.is_on or self.feed.has_subscribers(), self.last_epoch)

    def _forget_changes(self) -> None:
        if self.feed.is_recording:
            self.feed.forget(self.history.advance(self.published), self.history.limit_bytes)

    def check_readable(self, epoch: int) -> None:
        """Raise what forbids reading the state at an epoch: InvalidParameterValue, HistoryNotRetained."""
        if epoch > self.published:
            raise InvalidParameterValue(
                f"epoch {epoch} is in the future", detail=f"The newest epoch is {self.published}."
            )
        if epoch < self.oldest_retained_epoch():
            raise self._not_retained(f"the state at epoch {epoch} is not retained")

    def epoch_at(self, time_us: int) -> int:
        """The last epoch committed at or before a time; it may be one that is not published yet.

        Raises InvalidParameterValue for a time to come, HistoryNotRetained for one that is too long ago.
        """
        if time_us > wall_clock():
            raise InvalidParameterValue(f"{_shown(time_us)} is in the future")
        self.oldest_retained_epoch()
        epoch = self.history.settle_time(time_us) if self.history.is_on else 0
        if epoch == 0:
            raise self._not_retained(f"the state at {_shown(time_us)} is not retained")
        return epoch

    def _not_retained(self, message: str) -> HistoryNotRetained:
        history = self.history
        if not history.is_on:
            return HistoryNotRetained(
                message,
                detail="No history is kept; the only epoch that can be read is " + f"{self.published}.",
                hint="Set a retention time: see skerry.retention.",
            )
        since = _shown(history.line.time_of(history.floor))
        return HistoryNotRetained(
            message,
            detail=f"The oldest epoch retained is {history.floor}, the state since {since}.",
            hint="How long history is kept is set by skerry.retention and skerry.retention_bytes.",
        )

    def is_alone(self, transaction: Transaction) -> bool:
        """Whether no other transaction has a snapshot,
        now or before what is about to be committed is published, and no history is kept."""
        if self.history.is_on:
            return False
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

    def kept_catalogs(self) -> list[object]:
        """The catalogs that somebody may ask for, oldest first."""
        return [*[catalog for _, catalog in self._old_catalogs], self._catalog]

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

    def retire(self, forget: Callable[[], None]) -> None:
        """Call `forget` as soon as no snapshot is left, and none can be asked for, that sees what the commit just
        published has removed from the catalog."""
        self._retired.append((self.published, forget))
        self._forget_retired(self.catalog_horizon())

    def _forget_retired(self, horizon: int) -> None:
        retired = self._retired
        while retired and retired[0][0] <= horizon:
            retired.popleft()[1]()

    # --- garbage --------------------------------------------------------------------------------------------

    def after_commit(self) -> None:
        """Count a commit, and collect a slice when it is time or when work was left over."""
        self._commits_since_gc += 1
        if self._commits_since_gc >= self.gc_interval_commits:
            if self.gc(GC_SLICE_ROWS) < GC_SLICE_ROWS:
                self._commits_since_gc = 0

    def gc(self, limit_rows: int = NO_LIMIT) -> int:
        """Collect up to `limit_rows` rows' garbage now; returns how many rows were handled."""
        horizon = self.horizon()
        self._forget_changes()
        catalog_horizon = self.catalog_horizon()
        self._forget_catalogs(catalog_horizon)
        self._forget_retired(catalog_horizon)
        return self.collector.collect(horizon, limit_rows)
