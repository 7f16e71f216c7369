"""The durable log: commits wait here, installed, until their group is on the disk.

    append ──> [ buffer, pending ] ──take──> Flush ──write──> disk ──finish──> publish in epoch order, wake waiters
               under the mutex               mutex   no mutex          mutex

The engine does no I/O of its own: whoever hosts it does, when `on_pending` says that somebody waits.  A server
flushes once at the end of a turn of its loop, an embedded engine in the thread that commits; commits that are
appended meanwhile share the next group's one sync.  Flushes follow one another: `take` comes after `finish`.

A commit with synchronous_commit = off is published at once, unless an earlier one still waits; its record goes with
the next group, at the latest when `on_lazy`'s host gets round to it.

If writing or syncing fails nobody can tell what is on the disk.  The log takes nothing any more, commits that
wait are told so (DurabilityLost), and only opening the database again shows what survived.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from skerry_engine.errors import DurabilityLost, disk_error
from skerry_engine.log.writer import Group, LogWriter
from skerry_engine.session.steps import Waiting
from skerry_engine.storage.row_codec import pack
from skerry_engine.storage.shapes import ShapeJournal
from skerry_engine.txn.log import ChunkRows, CommitLog
from skerry_engine.txn.records import (
    ABANDON,
    CHUNK,
    COMMIT,
    PREPARE,
    ROLLBACK,
    SHAPES,
    pack_commit,
    pack_shapes,
    states_before,
    table_changes,
)
from skerry_engine.txn.waiting import Gate

if TYPE_CHECKING:
    from skerry_engine.txn.transaction import Transaction
    from skerry_engine.txn.two_phase import PreparedTransaction

MAX_BUFFER_BYTES: Final = 1 << 20
"""A large transaction's records are written before its commit when so many bytes of them have gathered."""

ROW_COST: Final = 48
"""Replaying a row takes about as long as reading so many bytes."""


def replay_cost(size_bytes: int, rows: int) -> int:
    """What replaying records of that size, with so many rows, takes: in bytes that could be read meanwhile."""
    return size_bytes + ROW_COST * rows


CatalogEncoder = Callable[[object], "bytes | None"]
PreparedEncoder = Callable[["PreparedTransaction"], bytes]
SequenceStates = Callable[[list[int]], list[tuple[int, int, bool]]]


def _nothing() -> None:
    """Nobody is told."""


class Flush:
    """What one write and sync covers: a group (None: only commits without records), and how many of the waiting
    commits and of the notes it makes durable.  `epoch` is that of its last commit's record."""

    __slots__ = ("group", "commits", "notes", "gate", "epoch")

    def __init__(self, group: Group | None, commits: int, notes: int, gate: Gate, epoch: int) -> None:
        self.group: Group | None = group
        self.commits: int = commits
        self.notes: int = notes
        self.gate: Gate = gate
        self.epoch: int = epoch


class DurableLog(CommitLog):
    """A log on a disk.

    `chunks_of` says for commits that history keeps where their chunks begin: after which epoch.

    `encode_catalog` gives what a new catalog changes in the newest one, None for nothing that is to be kept;
    `sequence_states` the states of those sequences among the given that definitions have set.  `replay_cost`
    sums up what replaying the records will take.  `on_pending` is called when a commit begins to wait and no flush is
    due yet, `on_lazy` when something stands in the buffer for which nobody waits, `on_failure` when the log has
    failed: commits that it has taken keep their locks for ever then, so that others wait in vain.
    """

    __slots__ = (
        "writer",
        "on_failure",
        "on_pending",
        "on_lazy",
        "_encode_catalog",
        "_encode_prepared",
        "_sequence_states",
        "_last_epoch",
        "replay_cost",
        "_pending",
        "_gate",
        "_is_asked",
        "_is_lazily_asked",
        "_in_flight",
        "_chunked",
        "chunks_of",
        "on_durable",
        "_recorded_epoch",
        "_durable_epoch",
        "_shapes",
    )

    def __init__(
        self,
        writer: LogWriter,
        last_epoch: int,
        encode_catalog: CatalogEncoder,
        encode_prepared: PreparedEncoder,
        sequence_states: SequenceStates,
        shapes: ShapeJournal,
    ) -> None:
        super().__init__(False)
        self._shapes: ShapeJournal = shapes
        self.writer: LogWriter = writer
        self.on_failure: Callable[[], None] = _nothing
        self.on_pending: Callable[[], None] = _nothing
        self.on_lazy: Callable[[], None] = _nothing
        self._encode_catalog: CatalogEncoder = encode_catalog
        self._encode_prepared: PreparedEncoder = encode_prepared
        self._sequence_states: SequenceStates = sequence_states
        self._last_epoch: int = last_epoch
        self.replay_cost: int = 0
        self._pending: deque[Transaction] = deque()
        self._gate: Gate = Gate()
        self._is_asked: bool = False
        self._is_lazily_asked: bool = False
        self._in_flight: bool = False
        self._chunked: dict[int, int] = {}
        self.chunks_of: dict[int, int] = {}
        self._recorded_epoch: int = last_epoch
        self._durable_epoch: int = last_epoch
        self.on_durable: Callable[[], None] = _nothing

    # --- what the commit step asks ----------------------------------------------------------------------------

    def encode(self, transaction: Transaction, catalog: object) -> bytes | None:
        """The record of a commit about to be installed.  Raises DurabilityLost."""
        self.check()
        delta = None if catalog is None else self._encode_catalog(catalog)
        source: int | str | None = transaction.gid
        chunks_after = 0
        if source is None and transaction.id in self._chunked:
            source = transaction.id
            chunks_after = self._chunked[source]
        overlay = transaction.overlay
        is_kept = transaction.manager.feed.is_recording
        changes: list[object] = []
        if overlay is not None and not transaction.is_installed_ahead():
            changes = table_changes(overlay, is_kept)
        elif overlay is not None and is_kept and transaction.gid is not None:
            changes = table_changes(overlay, True)  # PREPARE's record has no old states
        if source is None and delta is None and not changes and not transaction.has_noted:
            if not is_kept:
                return None
            transaction.is_synchronous = False  # nothing is lost with it but its number
        sequences = [] if transaction.sequences is None else self._sequence_states(transaction.sequences)
        copies = transaction.copies()
        time_us = transaction.commit_time_us
        record = pack_commit(time_us, source, delta, changes, sequences, chunks_after, copies)
        self._make_room(len(record))
        self._put_shapes()
        return record

    def append(self, epoch: int, record: bytes | None, transaction: Transaction) -> None:
        """Take an installed commit's record; publish it at once if nobody has to wait for it."""
        self._last_epoch = epoch
        if record is not None:
            self.writer.append(COMMIT, epoch, record)
            self._recorded_epoch = epoch
            overlay = transaction.overlay
            rows = 0 if overlay is None or transaction.is_installed_ahead() else overlay.rows
            self.replay_cost += replay_cost(len(record), rows)
            began = self._chunked.pop(transaction.id, None)
            if began is not None and transaction.manager.feed.is_recording:
                self.chunks_of[epoch] = began
        if not self._pending and (record is None or not transaction.is_synchronous):
            transaction.publish(epoch)
            if record is not None:
                self._ask_lazily()
            return
        self._pending.append(transaction)
        self._ask()

    def append_chunk(self, transaction: Transaction, rows: ChunkRows) -> None:
        """Take rows of a large transaction ahead of its commit.  Raises DurabilityLost."""
        self.check()
        if rows.storage.is_temporary:
            return
        self._chunked.setdefault(transaction.id, self._last_epoch)
        is_kept = transaction.manager.feed.is_recording
        befores = states_before(rows.storage, rows.row_ids) if is_kept else None
        change = (rows.storage.storage_id, rows.row_ids, rows.rows, befores)
        self._put_shapes()
        self._put(CHUNK, pack((transaction.id, (change,))), len(rows.rows))
        if self.writer.pending_bytes > MAX_BUFFER_BYTES:
            self._ask()

    def abandon(self, transaction: Transaction) -> None:
        """The transaction was rolled back."""
        if transaction.id in self._chunked:
            del self._chunked[transaction.id]
            if self.failure is None:
                self._put(ABANDON, pack(transaction.id))

    def append_prepare(self, prepared: PreparedTransaction) -> None:
        """Take a prepared transaction.  Raises DurabilityLost, DiskFull."""
        self._put_shapes()
        self.note(PREPARE, self._encode_prepared(prepared))
        self.abandon(prepared.transaction)

    def append_rollback(self, gid: str) -> None:
        """A prepared transaction is about to be rolled back.  Raises DurabilityLost, DiskFull."""
        self.note(ROLLBACK, pack(gid))

    def note(self, kind: int, body: bytes) -> None:
        """Take a record that is no commit.  Raises DurabilityLost, DiskFull."""
        self.check()
        self.notes += 1
        self._put(kind, body)

    def _put(self, kind: int, body: bytes, rows: int = 0) -> None:
        """Records that are no commits belong to the time after the last one: a base at its epoch lacks them."""
        self._make_room(len(body))
        self.writer.append(kind, self._last_epoch + 1, body)
        self.replay_cost += replay_cost(len(body), rows)
        self._ask_lazily()

    def _put_shapes(self) -> None:
        """Take the shapes that rows of the next record may have.  Raises DiskFull."""
        pending = self._shapes.pending
        if pending:
            self._put(SHAPES, pack_shapes(pending))
            pending.clear()

    def _make_room(self, size: int) -> None:
        """See that a record of that size can be written: while nothing depends on it, a full disk is no disaster.

        Raises DiskFull, or what else keeps the log from growing.
        """
        if self.writer.fits(size):
            return
        try:
            self.writer.prepare(size)
        except OSError as error:
            raise disk_error("could not extend the log", error) from error

    def keeps_from(self) -> int:
        """The epoch after which the log must be kept for transactions that are not finished."""
        return min([self._last_epoch + 1, *self._chunked.values()]) - 1

    def durable_epoch(self) -> int:
        """The last commit whose record is on the disk."""
        return self._durable_epoch

    def keeps_for_history(self, floor: int) -> int:
        """The epoch after which the log must be kept so that every commit after `floor` is there as a whole."""
        for epoch in [epoch for epoch in self.chunks_of if epoch <= floor]:
            del self.chunks_of[epoch]
        return min([floor, *[began - 1 for began in self.chunks_of.values()]])

    def progress(self) -> Waiting:
        """Over when the group that is being gathered is durable, or has failed.  Raises DurabilityLost."""
        self.check()
        self._ask()
        return self._gate

    def check(self) -> None:
        """Raise what made the log fail, if it has."""
        if self.failure is not None:
            raise DurabilityLost(self.failure.message, detail=self.failure.detail, hint=self.failure.hint)

    def _ask(self) -> None:
        if not self._is_asked:
            self._is_asked = True
            self.on_pending()

    def _ask_lazily(self) -> None:
        if not self._is_lazily_asked:
            self._is_lazily_asked = True
            self.on_lazy()

    # --- what the host does -----------------------------------------------------------------------------------

    def is_full(self) -> bool:
        """Whether so much has gathered that it must be written before there is more."""
        return self.writer.pending_bytes > 4 * MAX_BUFFER_BYTES

    def is_waited_for(self) -> bool:
        """Whether somebody waits for a flush."""
        return self._is_asked

    def take(self) -> Flush | None:
        """Begin a flush, under the mutex; None where there is nothing to do, or one is under way."""
        if self._in_flight or self.failure is not None:
            return None
        group = self.writer.take()
        if group is None and not self._is_asked:
            return None
        flush = Flush(group, len(self._pending), self.notes, self._gate, self._recorded_epoch)
        self._gate = Gate()
        self._is_asked = False
        self._is_lazily_asked = False
        self._in_flight = True
        return flush

    def write(self, flush: Flush) -> None:
        """Write and sync, without the mutex: touches no engine state.  Raises OSError, DatabaseError."""
        if flush.group is not None:
            self.writer.write(flush.group, True)

    def finish(self, flush: Flush, error: BaseException | None = None) -> None:
        """End a flush, under the mutex: publish its commits, or (`error`) never any more."""
        self._in_flight = False
        if error is None:
            self.durable_notes = flush.notes
            self._durable_epoch = flush.epoch
            for _ in range(flush.commits):
                transaction = self._pending.popleft()
                transaction.publish(transaction.commit_epoch)
            self.on_durable()
        else:
            self._fail(error)
        flush.gate.end()

    def _fail(self, error: BaseException) -> None:
        self.failure = DurabilityLost(
            f"could not write the log: {error}",
            detail="Whether commits that were under way survive is known when the database is opened again.",
            hint="Mend the disk, then restart.",
        )
        gate, self._gate = self._gate, Gate()
        gate.end()
        self.on_failure()
