"""A transaction: a snapshot, pending writes laid over it, the locks it holds,
and how all that becomes a commit.

    begin ── statement ── statement ── … ── commit: prepare ─ install ─ publish
               │  start_statement() -> mark            │         │         └ new snapshots see it; locks go
               │  reader(), writer(), lock_…()         │         └ take the epoch, versions into heap and indexes
               └─ finish_statement()                   └ deferred checks; SNAPSHOT: take locks, validate

Statements.  Each has a number; a reader sees pending writes with smaller numbers only.  READ COMMITTED takes
a snapshot per statement and gives it back at its end, SNAPSHOT keeps its first.  A statement that fails is
unwound to its mark (`abandon_statement`); one that met a newer row is unwound and run again, keeping its
locks (`restart_statement`).

Waiting.  Whatever may meet a lock raises `LockWait` after queueing for it, having changed nothing: wait for
the request and make the same call again.  The kernel itself never blocks.

Commit.  No yield happens between taking the epoch and publishing it, so nobody sees half a commit.  Up to
`SLICE_ROWS` rows are installed in that one unit.  More are installed before the epoch is taken, slice by
slice, under a commit stamp that says "not committed"; one assignment then commits them all.  All locks are
held meanwhile. Invariant: a row whose lock is free has no version newer than `published`, because locks go
last.

Failure to commit (T001, a violated deferred constraint) rolls the transaction back before it is raised.

Two-phase commit stops between the last thing that may fail and the epoch; see two_phase.py.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from typing import TYPE_CHECKING, Final

from skerry_engine.errors import (
    InvalidTransactionState,
    LockTimeout,
    ReadOnlyViolation,
    SerializationFailure,
)
from skerry_engine.session.steps import PAUSE, Step, Wait
from skerry_engine.storage.heap import CommitStamp
from skerry_engine.storage.pending import NEWEST, PendingTable
from skerry_engine.storage.reader import TableReader
from skerry_engine.storage.table import TableStorage
from skerry_engine.txn.branches import Branches
from skerry_engine.txn.checks import Check, foresight
from skerry_engine.txn.commit import (
    SLICE_ROWS,
    find_readers,
    install,
    install_ahead,
    prepare_pages,
    settle_tables,
    take_back,
)
from skerry_engine.txn.conflicts import NEWEST_EPOCH, write_conflict
from skerry_engine.txn.feed import Commit, RowChange, capture
from skerry_engine.txn.glimpses import note_undone
from skerry_engine.txn.history import KeptVersions
from skerry_engine.txn.locking import NO_SNAPSHOT, READ_COMMITTED, SERIALIZABLE, LockingTransaction
from skerry_engine.txn.locks import LINE, LockWait, Owner
from skerry_engine.txn.marks import Mark, Savepoint, find_savepoint
from skerry_engine.txn.merges import Name
from skerry_engine.txn.modes import EXCLUSIVE
from skerry_engine.txn.overlay import Overlay
from skerry_engine.txn.serializable import COMMITTED as SERIAL_COMMITTED
from skerry_engine.txn.serializable import RUNNING, SerializableState
from skerry_engine.txn.target import WriteTarget
from skerry_engine.txn.tracking import TrackingReader
from skerry_engine.txn.validation import validate_snapshot_writes
from skerry_engine.txn.waiting import Gate
from skerry_engine.txn.writer import TableWriter

if TYPE_CHECKING:
    from skerry_engine.txn.manager import TransactionManager

ACTIVE: Final = "active"
PREPARED: Final = "prepared"
COMMITTING: Final = "committing"
COMMITTED: Final = "committed"
ABORTED: Final = "aborted"


class Transaction(LockingTransaction):
    """One transaction.  Made by `TransactionManager.begin`.

    `isolation` is 'read committed', 'snapshot' or 'serializable'; `state` is 'active', 'prepared' (by PREPARE
    TRANSACTION), 'committing' (installed, and waiting for the log), 'committed' or 'aborted'; `snapshot` is -1 while
    none is taken.  `serial` is what SSI knows of a SERIALIZABLE transaction that has its snapshot, `refusal` what
    its COMMIT will say.  An `is_historic` one reads at an epoch of its own choice (AS OF): without locks, since what
    it sees never changes, and read-only, temporary tables included.  `commit_time_us` is when it got its epoch (0
    where nobody asks: nothing is kept).  `is_synchronous`: the commit waits until it is durable; `has_noted`: the log
    has taken something of the transaction's that no rollback takes back; `gid` is its name once it is prepared.
    `merged` are the names of what its MERGEs have made, `branches` what it knows of its flow branches.

    Every method raises InvalidTransactionState (T004) once the transaction is finished.
    """

    __slots__ = (
        "read_only",
        "state",
        "statement_number",
        "snapshot_statement",
        "commit_epoch",
        "overlay",
        "targets",
        "checks",
        "deferred",
        "constraint_modes",
        "changes",
        "commit_hooks",
        "rollback_hooks",
        "savepoints",
        "held_snapshots",
        "deferrable",
        "serial",
        "refusal",
        "replaced_storages",
        "_line_of_row",
        "_base_catalog",
        "_own_catalog",
        "_stamp",
        "_is_session",
        "_lets_go_in_slices",
        "is_historic",
        "commit_time_us",
        "_kept",
        "made",
        "_captured",
        "is_synchronous",
        "gid",
        "sequences",
        "has_noted",
        "merged",
        "branches",
    )

    def __init__(
        self,
        manager: TransactionManager,
        transaction_id: int,
        isolation: str,
        read_only: bool,
        owner: Owner,
        is_session: bool,
    ) -> None:
        super().__init__(manager, transaction_id, isolation, owner)
        self.read_only: bool = read_only
        self._is_session: bool = is_session
        self.state: str = ACTIVE
        self.statement_number: int = 0
        self.snapshot_statement: int = 0
        self.commit_epoch: int = 0
        self.overlay: Overlay | None = None
        self.targets: dict[int, WriteTarget] | None = None
        self.checks: list[Check] | None = None
        self.deferred: list[Check] | None = None
        self.constraint_modes: dict[str, bool] | None = None
        self.changes: list[Callable[[object], object]] | None = None
        self.commit_hooks: list[Callable[[], None]] | None = None
        self.rollback_hooks: list[Callable[[], None]] | None = None
        self.savepoints: list[Savepoint] | None = None
        self.held_snapshots: list[int] | None = None
        self.deferrable: bool = False
        self.serial: SerializableState | None = None
        self.refusal: SerializationFailure | None = None
        self.replaced_storages: list[int] | None = None
        self._line_of_row: int = 0
        self._base_catalog: object = None
        self._own_catalog: object = None
        self._stamp: CommitStamp | None = None
        self._lets_go_in_slices: bool = False
        self.is_historic: bool = False
        self.commit_time_us: int = 0
        self._kept: KeptVersions | None = None
        self.made: dict[TableStorage, bool] | None = None
        self._captured: list[RowChange] | None = None
        self.is_synchronous: bool = True
        self.gid: str | None = None
        self.sequences: list[int] | None = None
        self.has_noted: bool = False
        self.merged: list[Name] | None = None
        self.branches: Branches | None = None

    def _check_active(self) -> None:
        if self.state != ACTIVE:
            raise InvalidTransactionState(f"the transaction is {self.state}", hint="Begin a new transaction.")

    # --- snapshots ------------------------------------------------------------------------------------------

    def take_snapshot(self) -> None:
        """See what is published now."""
        manager = self.manager
        self.snapshot = manager.published
        self.snapshot_statement = self.statement_number
        manager.readers[self.id] = self
        if self.isolation == SERIALIZABLE:
            self.serial = manager.serializable.begin(self.id, self.snapshot, self.only_reads())

    def see(self, epoch: int) -> None:
        """See the state at an epoch that is published and retained, and do nothing but read."""
        self.is_historic = True
        self.snapshot = epoch
        self.manager.readers[self.id] = self

    def read_at(self, epoch: int) -> None:
        """Keep what `epoch` sees from being collected, and see it: a checkpoint's reader, of an epoch that need not
        be published yet."""
        self.snapshot = epoch
        self.manager.readers[self.id] = self

    def retake_snapshot(self) -> None:
        """See what is published now, in the statement that took the snapshot and has read nothing yet."""
        assert self.is_untouched(), "a transaction that has read keeps its snapshot"
        if self.serial is not None:
            self._end_serializable(self.serial, ABORTED)
            self.serial = None
        self.take_snapshot()

    def is_untouched(self) -> bool:
        """Whether this statement took the snapshot, and nothing has been written."""
        is_own = self.snapshot_statement == self.statement_number
        return is_own and self.overlay is None and not self.changes

    def may_have_to_wait(self) -> bool:
        """Whether the first statement has to `wait_for_snapshot`."""
        if self.snapshot != NO_SNAPSHOT or not self.is_snapshot:
            return False
        return self.owner.contended != 0 or self._needs_safe_snapshot()

    def wait_for_snapshot(self) -> Generator[Step, None, None]:
        """Wait until it makes sense to take the snapshot: for a safe one, or in the line for a contended row."""
        if self._needs_safe_snapshot():
            yield from self._wait_for_safe_snapshot()
        elif self.owner.contended != 0:
            yield from self._line_up()

    def _line_up(self) -> Generator[Step, None, None]:
        """Wait, within limits, until others that have lost the same row are through with their next attempt.

        Statements of one snapshot do not wait for rows, so under contention all but one would do their work in
        vain, again and again.  Who has just lost gets into line before its new snapshot is taken.  It is a courtesy,
        not a promise: after `conflict_wait_ms`, or where it would be a deadlock, the transaction goes on.
        """
        owner = self.owner
        row, owner.contended = owner.contended, 0
        if self.read_only or not owner.conflict_wait_ms:
            return
        locks = self.manager.locks
        deadline = time.monotonic() + owner.conflict_wait_ms / 1000
        try:
            while True:
                try:
                    locks.acquire(locks.lines, LINE, row, EXCLUSIVE, self.holder)
                    self._line_of_row = row
                    return
                except LockWait as wait:
                    request = wait.request
                if request.deadline is None or request.deadline > deadline:
                    request.deadline = deadline
                yield Wait(request)
                self._check_active()
        except LockTimeout:
            return

    def _stay_in_line(self) -> None:
        """Having won: if others wait for the same row, the session's next transaction gets behind them."""
        locks = self.manager.locks
        lock = locks.lines.get(self._line_of_row)
        if lock is not None and lock.queue:
            self.owner.contended = self._line_of_row

    def _wait_for_safe_snapshot(self) -> Generator[Step, None, None]:
        """For SERIALIZABLE READ ONLY DEFERRABLE: take a snapshot at which nothing read can matter to others.

        Waits until the writers that run beside it have ended; if one of them makes it unsafe, takes another.
        """
        while self._needs_safe_snapshot():
            self.take_snapshot()
            serial = self.serial
            assert serial is not None
            while serial.is_tracking and not serial.is_unsafe:
                serial.gate = Gate()
                yield Wait(serial.gate)
                self._check_active()
            if serial.is_tracking:
                self._end_serializable(serial, ABORTED)
                self.serial = None
                self._drop_snapshot()
                yield PAUSE

    def _needs_safe_snapshot(self) -> bool:
        return (
            self.deferrable
            and self.only_reads()
            and self.isolation == SERIALIZABLE
            and self.snapshot == NO_SNAPSHOT
        )

    def only_reads(self) -> bool:
        """Whether it is read-only to its end, not just to that of a savepoint."""
        return self.read_only and (not self.savepoints or self.savepoints[0].read_only)

    def sees_newest_catalog(self) -> bool:
        """Whether no definition is newer than the snapshot."""
        manager = self.manager
        epoch = self.snapshot
        return epoch == NO_SNAPSHOT or manager.catalog_at(epoch) is manager.newest_catalog()

    def can_read_at_once(self) -> bool:
        """Whether a transaction of one snapshot may begin a statement without a wait and a check of its tables."""
        return not self.is_historic and not self.may_have_to_wait() and self.sees_newest_catalog()

    def set_isolation(self, level: str) -> None:
        """Change the level (as `manager.isolation_level` gives it)
        of a transaction that has run no statement yet."""
        assert self.statement_number == 0, "the level is fixed once a statement has run"
        self.isolation = level
        self.is_snapshot = level != READ_COMMITTED

    def _drop_snapshot(self) -> None:
        self.snapshot = NO_SNAPSHOT
        if not self.held_snapshots:
            self.manager.readers.pop(self.id, None)

    def hold_snapshot(self) -> int:
        """Keep the current snapshot readable beyond the statement (a cursor's, a portal's);
        returns its epoch."""
        if self.held_snapshots is None:
            self.held_snapshots = []
        self.held_snapshots.append(self.snapshot)
        return self.snapshot

    def release_snapshot(self, epoch: int) -> None:
        """Give back a held snapshot."""
        if self.held_snapshots is not None and epoch in self.held_snapshots:
            self.held_snapshots.remove(epoch)
            if not self.held_snapshots and self.snapshot == NO_SNAPSHOT:
                self.manager.readers.pop(self.id, None)

    def oldest_snapshot(self) -> int:
        """The oldest epoch that this transaction still reads at."""
        oldest = self.snapshot
        for epoch in self.held_snapshots or []:
            if oldest == NO_SNAPSHOT or epoch < oldest:
                oldest = epoch
        return self.manager.published if oldest == NO_SNAPSHOT else oldest

    def has_written(self) -> bool:
        """Whether it would leave anything behind: what PostgreSQL gives a transaction its number for."""
        return not self._nothing_to_install()

    def oldest_held_snapshot(self) -> int | None:
        """As `oldest_snapshot`, its branches' among them; None while it reads at none."""
        held = self.oldest_snapshot() if self.id in self.manager.readers else None
        if self.branches is not None:
            for pin in self.branches.pins.values():
                held = pin.snapshot if held is None else min(held, pin.snapshot)
        return held

    # --- statements -----------------------------------------------------------------------------------------

    def next_stage(self) -> None:
        """Within a statement: what it has written so far is visible to readers that are made from now on."""
        self.statement_number += 1

    def mark(self) -> Mark:
        """Where the journals stand now."""
        overlay = self.overlay
        deferred = self.deferred
        changes = self.changes
        commit_hooks = self.commit_hooks
        rollback_hooks = self.rollback_hooks
        return Mark(
            0 if overlay is None else len(overlay.journal),
            0 if deferred is None else len(deferred),
            0 if changes is None else len(changes),
            0 if commit_hooks is None else len(commit_hooks),
            0 if rollback_hooks is None else len(rollback_hooks),
            len(self.holder.locks),
            self.constraint_modes,
            0 if self.merged is None else len(self.merged),
        )

    def start_statement(self) -> Mark:
        """Begin a statement: a new number, for READ COMMITTED a new snapshot.

        Returns the mark to unwind to.
        """
        self._check_active()
        self.statement_number += 1
        if self.snapshot == NO_SNAPSHOT or not self.is_snapshot:
            self.take_snapshot()
        return self.mark()

    def finish_statement(self) -> None:
        """End a statement: run the checks due at its end, give READ COMMITTED's snapshot back.

        Raises LockWait (call again), or what a constraint has to say: then abandon the statement.
        """
        if self.checks is not None:
            self._run_checks(self.checks)
            self.checks = None
        if not self.is_snapshot:
            self._drop_snapshot()

    def finish_statement_slice(self, checks: int) -> bool:
        """As `finish_statement`, for at most `checks` checks; False:
        call again (after others had their turn)."""
        if self.checks is not None and not self._run_checks(self.checks, checks):
            return False
        self.finish_statement()
        return True

    def _run_checks(self, checks: list[Check], limit: int = NEWEST) -> bool:
        """Run checks in order, taking each off when it has passed; they may add more.

        False: the limit was reached.
        """
        position = 0
        try:
            while position < len(checks):
                if position == limit:
                    return False
                checks[position].run(self)
                position += 1
            return True
        finally:
            del checks[:position]

    def abandon_statement(self, mark: Mark) -> None:
        """Undo a statement that failed, with the locks it took."""
        self.manager.locks.abandon_wait(self.owner)
        self._unwind(mark)
        self.manager.locks.unwind(self.holder, mark.locks)
        if not self.is_snapshot:
            self._drop_snapshot()

    def restart_statement(self, mark: Mark) -> None:
        """Undo a statement in order to run it again; its locks stay.
        READ COMMITTED takes a fresh snapshot."""
        self._unwind(mark)
        if not self.is_snapshot:
            self.take_snapshot()

    def _unwind(self, mark: Mark) -> None:
        if self.overlay is not None:
            if self.serial is not None:
                self._note_undone(self.overlay, mark.writes)
            self.overlay.unwind(mark.writes)
        self.checks = None
        self.constraint_modes = mark.constraint_modes
        if self.merged is not None:
            del self.merged[mark.merged :]
        if self.deferred is not None:
            del self.deferred[mark.deferred :]
        if self.changes is not None and len(self.changes) > mark.changes:
            del self.changes[mark.changes :]
            self._base_catalog = None
        if self.commit_hooks is not None:
            del self.commit_hooks[mark.commit_hooks :]
        self._run_rollback_hooks(mark.rollback_hooks)

    def _note_undone(self, overlay: Overlay, length: int) -> None:
        """Undoing can't fail: what refuses the transaction now is raised when it commits."""
        try:
            note_undone(self, overlay, length)
        except SerializationFailure as refusal:
            self.refusal = refusal

    def _run_rollback_hooks(self, length: int) -> None:
        hooks = self.rollback_hooks
        while hooks is not None and len(hooks) > length:
            hooks.pop()()

    # --- savepoints -----------------------------------------------------------------------------------------

    def savepoint(self, name: str, unique: bool = False) -> None:
        """Set a savepoint.

        A reused name shadows the older one (SQL), or is T004 when `unique` (the native API).
        """
        self._check_active()
        if self.savepoints is None:
            self.savepoints = []
        if unique and any(each.name == name for each in self.savepoints):
            raise InvalidTransactionState(f'savepoint "{name}" already exists')
        self.savepoints.append(Savepoint(name, self.mark(), self.read_only))

    def rollback_to(self, name: str) -> None:
        """Undo everything since the savepoint; it stays, those after it go."""
        self._check_active()
        savepoints = self.savepoints
        position = find_savepoint(self.savepoints, name)
        assert savepoints is not None
        del savepoints[position + 1 :]
        self.read_only = savepoints[position].read_only
        mark = savepoints[position].mark
        self.abandon_statement(mark)

    def release(self, name: str) -> None:
        """Forget the savepoint and those after it; what was done since stays."""
        self._check_active()
        position = find_savepoint(self.savepoints, name)
        assert self.savepoints is not None
        self.read_only = self.savepoints[position].read_only
        del self.savepoints[position:]

    # --- flow branches --------------------------------------------------------------------------------------

    def own_branches(self) -> Branches:
        """What it knows of its flow branches, made when first asked for."""
        self._check_active()
        branches = self.branches
        if branches is None:
            branches = Branches()
            self.branches = branches
        return branches

    def has_seen(self, storage: TableStorage, row_id: int, epoch: int) -> bool:
        """Whether a written row's newest version, of an epoch above the snapshot, was seen by the branch that has
        written it: one that reads at a newer epoch than its parent."""
        branches = self.branches
        if branches is None or branches.newest_epoch < epoch or self.overlay is None:
            return False
        return branches.base_of(self.overlay.table(storage), row_id) >= epoch

    # --- reading and writing --------------------------------------------------------------------------------

    def reader(self, storage: TableStorage, include_current_statement: bool = False) -> TableReader:
        """A reader at the statement's snapshot with own writes of earlier statements (or this one too)
        laid over."""
        if self.snapshot == NO_SNAPSHOT:
            self._check_active()
            raise InvalidTransactionState("no statement is running: call start_statement() first")
        number = self.statement_number
        if include_current_statement:
            pending: PendingTable | None = self.own_overlay().table(storage)
            number += 1
        else:
            overlay = self.overlay
            pending = None if overlay is None else overlay.tables.get(storage.storage_id)
        serial = self.serial
        if serial is not None and serial.is_tracking:
            return TrackingReader(storage, self.snapshot, pending, number, serial)
        return TableReader(storage, self.snapshot, pending, number)

    def newest_reader(self, storage: TableStorage) -> TableReader:
        """A reader of the newest installed state with all own writes laid over: what constraints look at."""
        overlay = self.overlay
        pending = None if overlay is None else overlay.tables.get(storage.storage_id)
        return TableReader(storage, NEWEST_EPOCH, pending, NEWEST)

    def seen_reader(self, storage: TableStorage) -> TableReader:
        """A reader at the snapshot with all own writes laid over, which notes nothing."""
        overlay = self.overlay
        pending = None if overlay is None else overlay.tables.get(storage.storage_id)
        return TableReader(storage, self.snapshot, pending, NEWEST)

    def note_replaced(self, storage: TableStorage) -> None:
        """A storage goes with this transaction's commit, whatever was in it (TRUNCATE, DROP, rewriting).

        That writes every row of it: WriteConflict (T001) if SNAPSHOT can't see them all.
        """
        if self.is_snapshot and storage.changed_epoch > self.snapshot:
            raise write_conflict()
        if self.replaced_storages is None:
            self.replaced_storages = []
        self.replaced_storages.append(storage.storage_id)

    def note_validated(self, storage: TableStorage) -> None:
        """A definition looks at every row of a storage in its newest state.

        SERIALIZABLE has read the table then; SerializationFailure (T005) if it could not see that state.
        """
        if self.serial is not None:
            self.serial.reads_of(storage).promote()
            if storage.changed_epoch > self.snapshot:
                raise foresight()

    def own_overlay(self) -> Overlay:
        """The overlay, made when first asked for."""
        overlay = self.overlay
        if overlay is None:
            overlay = Overlay(self.manager.overlay_limit_rows)
            self.overlay = overlay
        return overlay

    def writer(self, target: WriteTarget) -> TableWriter:
        """A writer for the table.  Raises ReadOnlyViolation (T003) in a read-only transaction."""
        self._check_active()
        if self.read_only and (self.is_historic or not target.is_temporary):
            raise ReadOnlyViolation("cannot execute a write in a read-only transaction")
        if self.is_snapshot:  # commit validates what statements did not lock
            if self.targets is None:
                self.targets = {}
            self.targets[target.storage.storage_id] = target
        return TableWriter(self, target)

    def add_check(self, check: Check) -> None:
        """Have `check` run at the end of the statement, or at commit when its constraint is deferred."""
        if self.is_deferred(check.constraint_name, check.deferrable, check.initially_deferred):
            if self.deferred is None:
                self.deferred = []
            self.deferred.append(check)
        else:
            if self.checks is None:
                self.checks = []
            self.checks.append(check)

    def is_deferred(self, constraint_name: str, deferrable: bool, initially_deferred: bool) -> bool:
        """Whether a constraint is checked at commit, by its definition and SET CONSTRAINTS."""
        if not deferrable:
            return False
        modes = self.constraint_modes
        if modes is None:
            return initially_deferred
        return modes.get(constraint_name, modes.get("", initially_deferred))

    def set_constraints(self, names: list[str] | None, deferred: bool) -> None:
        """SET CONSTRAINTS names (None: ALL).

        Making them immediate runs what is due: may raise LockWait (call again).  Checks that pass stay due
        while there is a savepoint: rolling back to it may undo what made them pass.
        """
        self._check_active()
        if names is None:
            self.constraint_modes = {"": deferred}
        else:
            modes = dict(self.constraint_modes or {})
            for name in names:
                modes[name] = deferred
            self.constraint_modes = modes
        if not deferred and self.deferred is not None:
            due = [
                c
                for c in self.deferred
                if not self.is_deferred(c.constraint_name, True, c.initially_deferred)
            ]
            for check in due:
                check.run(self)
                if not self.savepoints:
                    self.deferred.remove(check)

    # --- catalog and hooks ----------------------------------------------------------------------------------

    @property
    def catalog(self) -> object:
        """The catalog that this transaction sees: its snapshot's, with its own changes."""
        manager = self.manager
        epoch = self.snapshot
        base = manager.catalog_at(manager.published if epoch == NO_SNAPSHOT else epoch)
        if not self.changes:
            return base
        if base is not self._base_catalog:
            self._own_catalog = self.replayed(base)
            self._base_catalog = base
        return self._own_catalog

    def set_catalog_change(self, apply: Callable[[object], object]) -> None:
        """Make a change to the private catalog; it is made again to the newest one at commit.

        `apply` is a pure function from catalog to catalog; what it raises now changes nothing.
        """
        self._check_active()
        if self.read_only:
            raise ReadOnlyViolation("cannot execute a definition in a read-only transaction")
        base = self.manager.catalog_at(
            self.manager.published if self.snapshot == NO_SNAPSHOT else self.snapshot
        )
        changed = apply(self.catalog)
        if self.changes is None:
            self.changes = []
        self.changes.append(apply)
        self._own_catalog = changed
        self._base_catalog = base

    def replayed(self, catalog: object) -> object:
        """The catalog with this transaction's changes made to it."""
        for apply in self.changes or []:
            catalog = apply(catalog)
        return catalog

    def note_sequence(self, oid: int) -> None:
        """A definition has set a sequence: the commit record is to hold its state."""
        if self.sequences is None:
            self.sequences = []
        self.sequences.append(oid)

    def on_commit(self, hook: Callable[[], None]) -> None:
        """Have `hook` called when the transaction is published, before its locks go."""
        if self.commit_hooks is None:
            self.commit_hooks = []
        self.commit_hooks.append(hook)

    def on_rollback(self, hook: Callable[[], None]) -> None:
        """Have `hook` called when what was done so far is undone, wholly,
        to a savepoint or with its statement."""
        if self.rollback_hooks is None:
            self.rollback_hooks = []
        self.rollback_hooks.append(hook)

    # --- the end --------------------------------------------------------------------------------------------

    def commit_fast(self) -> bool:
        """Commit if nothing needs waiting and the work fits one unit; False: `commit()` goes on from here.

        Raises as `commit`.
        """
        if self.state == COMMITTING:
            return False
        self._check_active()
        overlay = self.overlay
        if overlay is not None and overlay.rows > SLICE_ROWS:
            return False
        if self.made is not None and self.manager.feed.is_recording and self._is_large():
            return False
        if overlay is not None or self.deferred or self.changes or self.has_noted:
            try:
                if self._needs_preparing():
                    for _ in self._prepare():
                        pass
                self._install()
            except LockWait:
                return False
            except BaseException:
                self.close()
                raise
        else:
            self._end(COMMITTED)
        return self.state == COMMITTED

    def commit(self) -> Generator[Step, None, None]:
        """Commit, in as many units as it takes.

        Raises WriteConflict (T001), DeadlockDetected (T006), LockTimeout, or what a deferred constraint has
        to say; then, and when the generator is closed early, the transaction is rolled back.  Once installed it
        can't be rolled back: closed early, it is published when it is durable.  Raises DurabilityLost when
        nobody can tell whether it ever will be.
        """
        try:
            if self.state != COMMITTING:
                self._check_active()
                yield from self._prepare_patiently()
                if self.overlay is not None and self.overlay.rows > SLICE_ROWS:
                    yield from self._install_ahead()
                    self._lets_go_in_slices = True
                if self.manager.feed.is_recording and self._is_large():
                    yield from self._capture_patiently()
                self._install()
            yield from self._until_published()
            while self._let_go(SLICE_ROWS):
                yield PAUSE
        finally:
            if self.state == ACTIVE:
                self.rollback()
            self._leave_to_log()
        while self.manager.collector.rows_waiting >= SLICE_ROWS and self.manager.gc(SLICE_ROWS):
            yield PAUSE

    def _is_large(self) -> bool:
        """Whether what it has changed is more than one unit's work."""
        rows = 0 if self.overlay is None else self.overlay.rows
        return rows + sum([storage.row_count for storage in self.made or ()]) > SLICE_ROWS

    def _until_published(self) -> Generator[Step, None, None]:
        """Wait for the log: nothing can end this wait but the log itself."""
        while self.state == COMMITTING:
            yield Wait(self.manager.log.progress())

    def _leave_to_log(self) -> None:
        """Nobody steps the commit any more: what is left is done here, or when it is published."""
        if self.state == COMMITTING:
            self._lets_go_in_slices = False
        else:
            self._let_go(NEWEST)

    def _prepare_patiently(self) -> Generator[Step, None, None]:
        """`_prepare`, run again after each wait for a lock."""
        while True:
            try:
                for _ in self._prepare():
                    yield PAUSE
                    self._check_active()
                return
            except LockWait as wait:
                request = wait.request
            yield Wait(request)
            self._check_active()

    def _install_ahead(self, is_logged: bool = True) -> Generator[Step, None, None]:
        """Put the versions into the heap under a stamp that is not committed."""
        assert self.overlay is not None
        self._stamp = CommitStamp(writer=self.serial)
        self._kept = KeptVersions() if self.manager.history.is_on else None
        for chunk in install_ahead(self.overlay, self._stamp, self.serial, self._kept):
            if is_logged:
                self.manager.log.append_chunk(self, chunk)
            yield PAUSE
            self._check_active()

    # --- two-phase commit -----------------------------------------------------------------------------------

    def prepare(self, owner: Owner) -> Generator[Step, None, None]:
        """PREPARE TRANSACTION: do all that may fail; from then on `owner` has the locks.

        Raises as `commit`; then, and when the generator is closed early, the transaction is rolled back.
        """
        self._check_active()
        try:
            yield from self._prepare_patiently()
            if self.overlay is not None:
                yield from self._install_ahead(is_logged=False)  # PREPARE's own record holds the rows
            if self.serial is not None:
                self._check_serializable(self.serial, self.manager.last_epoch + 1)
                self.manager.serializable.prepare(self.serial, self.manager.last_epoch + 1)
            self._leave_session(owner)
        finally:
            if self.state == ACTIVE:
                self.rollback()

    def restore_as_prepared(self, storages: list[TableStorage]) -> None:
        """Recovery: it was prepared before the restart, and its pending writes and locks are here again."""
        assert self.overlay is not None
        if self.isolation == SERIALIZABLE:
            self.serial = self.manager.serializable.restore_prepared(self.id, storages)
        self._stamp = CommitStamp(writer=self.serial)
        self._kept = KeptVersions() if self.manager.history.is_on else None
        for _ in install_ahead(self.overlay, self._stamp, None, self._kept):
            pass
        self._leave_session(self.owner)

    def _leave_session(self, owner: Owner) -> None:
        manager = self.manager
        self.state = PREPARED
        if self.branches is not None:
            self.branches.end()
        self.owner = owner
        self.holder.owner = owner
        self._is_session = False
        manager.readers.pop(self.id, None)
        self.held_snapshots = None

    def finish_prepared(self, commit: bool) -> Generator[Step, None, None]:
        """COMMIT PREPARED or ROLLBACK PREPARED, as many units as it takes.

        Raises DiskFull, DurabilityLost when the log can't take a commit: the transaction stays prepared.
        """
        assert self.state == PREPARED, "only what is prepared is finished"
        if not commit:
            self.take_back_prepared()
            return
        self._lets_go_in_slices = self.overlay is not None and self.overlay.rows > SLICE_ROWS
        self._install()
        try:
            yield from self._until_published()
            while self._let_go(SLICE_ROWS):
                yield PAUSE
        finally:
            self._leave_to_log()

    def take_back_prepared(self) -> None:
        """Roll back what is prepared."""
        assert self.state == PREPARED, "only what is prepared is taken back here"
        self._take_all_back()

    def _needs_preparing(self) -> bool:
        return self.is_snapshot or self.deferred is not None or self.checks is not None

    def _prepare(self) -> Iterator[None]:
        """Everything that may fail or wait: deferred checks, SNAPSHOT's locks and validation.

        A generator of slices.  After LockWait it is run again from the start: what is held stays held.
        """
        if self.refusal is not None:
            raise self.refusal
        for due in (self.checks, self.deferred):
            while due is not None and not self._run_checks(due, SLICE_ROWS):
                yield
        if self.is_snapshot and self.overlay is not None:
            yield from validate_snapshot_writes(self, self.overlay)

    def _install(self) -> None:
        """The atomic step: epoch, versions, catalog, log.

        Publishes at once when the log is durable at once; else the transaction is COMMITTING until then.
        """
        overlay = self.overlay
        manager = self.manager
        if self._nothing_to_install():
            self._end(COMMITTED)
            return
        catalog = self.replayed(manager.newest_catalog()) if self.changes else None
        if overlay is not None and self._stamp is None:
            prepare_pages(overlay)
        epoch = manager.last_epoch + 1
        history = manager.history
        if manager.feed.is_recording or not manager.log.is_instant:
            self.commit_time_us = history.next_time()
        record = manager.log.encode(self, catalog)
        if self.serial is not None:
            self._check_serializable(self.serial, epoch)
        if manager.feed.is_recording:
            self._record_changes(epoch)
        manager.last_epoch = epoch
        self.commit_epoch = epoch
        if self._stamp is not None:
            self._stamp.epoch = epoch
            self._stamp.writer = None
        elif overlay is not None:
            self._kept = KeptVersions() if history.is_on else None
            self._stamp = install(overlay, epoch, manager.is_alone(self), self._kept)
        kept = self._kept
        if overlay is not None:
            collector = manager.collector if self._stamp is not None else None
            settle_tables(overlay, epoch, collector, kept)
        if history.is_on:
            history.note(epoch, self.commit_time_us, 0 if kept is None else kept.size_bytes)
        if catalog is not None:
            manager.install_catalog(epoch, catalog)
        if self.merged:
            manager.merges.note(self.merged, epoch, manager)
        if self.serial is not None:
            manager.serializable.commit(self.serial, epoch, wrote=True)
        self.state = COMMITTING
        manager.log.append(epoch, record, self)

    def is_installed_ahead(self) -> bool:
        """Whether the versions stand in the heap already, under a stamp that is not committed."""
        return self._stamp is not None

    def _record_changes(self, epoch: int) -> None:
        """Give the feed what is about to be installed."""
        captured = self._captured
        if captured is None:
            captured = []
            for _ in self._capture(captured):
                pass
        copies = frozenset(self.copies())
        self.manager.feed.add(
            Commit(epoch, self.commit_time_us, captured, copies), self.manager.history.limit_bytes
        )
        self._captured = None

    def _capture(self, into: list[RowChange]) -> Iterator[None]:
        return capture(self.overlay, list(self.made or ()), frozenset(self.copies()), into)

    def copies(self) -> list[int]:
        """The storages that were built from the rows of others."""
        return [storage.storage_id for storage, is_copy in (self.made or {}).items() if is_copy]

    def _capture_patiently(self) -> Generator[Step, None, None]:
        """Note what a large transaction has changed, for the feed, before it is installed in one unit."""
        captured: list[RowChange] = []
        for _ in self._capture(captured):
            yield PAUSE
            self._check_active()
        self._captured = captured

    def note_made(self, storage: TableStorage, copy_of: TableStorage | None = None) -> None:
        """A storage of this transaction's own; `copy_of`: its rows are made of that one's."""
        if self.made is None:
            self.made = {}
        # Of what is not committed yet nobody knows: its copy is as new as itself.
        self.made[storage] = copy_of is not None and self.made.get(copy_of, True)

    def _check_serializable(self, serial: SerializableState, epoch: int) -> None:
        """The last test before the epoch is taken.  Raises SerializationFailure (T005)."""
        if serial.status != RUNNING:
            return
        self._find_readers(serial)
        serial.check(epoch)

    def _find_readers(self, serial: SerializableState) -> None:
        if self._stamp is None and self.overlay is not None:
            find_readers(self.overlay, serial)
        for storage_id in self.replaced_storages or []:
            serial.find_all_readers(storage_id)

    def try_commit(self) -> None:
        """The part of COMMIT's checks that is left when locks are taken and constraints hold: whether the
        definitions can be made in the newest catalog, and (T005) whether SERIALIZABLE refuses it now.

        Nothing comes of it but what is raised.
        """
        self._check_active()
        if self.changes:
            self.replayed(self.manager.newest_catalog())
        serial = self.serial
        if serial is not None and serial.status == RUNNING and not self._nothing_to_install():
            self._find_readers(serial)
            serial.refuse(self.manager.last_epoch + 1)

    def _nothing_to_install(self) -> bool:
        """The end of what is prepared is always told to the log, and so are values that were given out."""
        overlay = self.overlay
        is_noted = self.has_noted or self.gid is not None
        return not self.changes and not is_noted and (overlay is None or not overlay.journal)

    def publish(self, epoch: int) -> None:
        """The second step, called by the log when the commit record is durable: let others see it,
        let locks go."""
        manager = self.manager
        assert epoch == manager.published + 1, "epochs are published in order"
        manager.published = epoch
        self._end(COMMITTED)
        if manager.feed.is_recording:
            manager.feed.advance(manager.newest_change())
        manager.after_commit()

    def rollback(self) -> None:
        """Undo everything; locks go, waiters wake.  Raises InvalidTransactionState (T004) when finished."""
        self._check_active()
        self._take_all_back()

    def _take_all_back(self) -> None:
        if self._stamp is not None and self.overlay is not None:
            take_back(self.overlay, self._stamp)
        self._run_rollback_hooks(0)
        self.manager.log.abandon(self)
        self._end(ABORTED)

    def close(self) -> None:
        """Roll back if the transaction is still active: a session's end."""
        if self.state == ACTIVE:
            self.rollback()

    def _end(self, state: str) -> None:
        """Release snapshot, overlay and locks (after a large commit, `_let_go` releases the latter two)."""
        manager = self.manager
        owner = self.owner
        self.state = state
        manager.readers.pop(self.id, None)
        self.snapshot = NO_SNAPSHOT
        if self.branches is not None:
            self.branches.end()
        if self.serial is not None:
            self._end_serializable(self.serial, state)
        if self._line_of_row and state == COMMITTED:
            self._stay_in_line()
        if state == COMMITTED and self.commit_hooks is not None:
            for hook in self.commit_hooks:
                hook()
        if owner.request is not None:
            manager.locks.abandon_wait(owner)
        manager.active.pop(self.id, None)
        if not self._lets_go_in_slices:
            self.overlay = None
            manager.locks.release_all(self.holder)
            if self._is_session:
                owner.spare = self.holder

    def _end_serializable(self, serial: SerializableState, state: str) -> None:
        registry = self.manager.serializable
        if state == ABORTED:
            registry.abort(serial)
        elif serial.status != SERIAL_COMMITTED:  # it wrote nothing
            registry.commit(serial, self.manager.last_epoch, wrote=False)
        registry.settle(self.manager.published)

    def _let_go(self, limit: int) -> bool:
        """After a large commit: release up to `limit` locks, then forget so many pending writes.  False:
        all gone."""
        if not self._lets_go_in_slices or self.state == ACTIVE:
            return False
        if self.manager.locks.release_some(self.holder, limit):
            return True
        if self.overlay is not None and self.overlay.forget_some(limit):
            return True
        self.overlay = None
        self._lets_go_in_slices = False
        return False
