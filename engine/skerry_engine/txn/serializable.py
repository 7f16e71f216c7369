"""SERIALIZABLE: what serializable snapshot isolation (SSI) knows of each transaction, and whom it refuses.

Snapshots alone allow cycles of read-write dependencies.  Of any such cycle between transactions R -> W ("R
read what W then changed, or would have read what W then added") this much is true (Fekete et al. 2005; Ports
and Grittner 2012, section 3):

    T1 ──rw──> T2 ──rw──> T3     with T3 the first of the three to commit (T1 and T3 may be one);
                                 if T1 only reads, T3 committed before T1's snapshot

Whoever would complete such a *dangerous structure* is refused with T005.  Cycles that are none are refused
too now and then; no cycle is missed.

What others write stays in their overlays until they commit.  So an edge R -> W is found at one of two moments,
and each time W has its place in the order of commits already:

    R reads         a version newer than its snapshot stands in the row (whether or not it matches any more)
    W commits       R's *SIREAD* covers what W wrote: a row, a key or a range of an index that the row's old or new
                    state falls into, or the whole table.  SIREADs block nobody.

Hence a transaction needs to remember one number only, `earliest_out`: the smallest commit epoch among those it
has an edge to.  The tests are

    T2 commits      some T1 has a SIREAD on what T2 wrote, T2.earliest_out is set, and T1 had not committed before that
    T1 reads        the newer version is T2's, which committed with its earliest_out set

and since T3 is the first to commit in both cases, no other order has to be looked at.  The victim is always the
one that asks: a committed or prepared transaction stays, and a retry meets the same one only once.

Prepared transactions (PREPARE TRANSACTION) can't be refused any more.  They count as committed at `prepared_at`
when others have edges to them, as still running when they have edges to others; and they remember who has edges
to them (`in_conflicts`), so that a later T3 can see that it would make them a pivot.  Their versions, like those of
large commits, stand in the heap under a stamp that is not committed; a reader finds them there (`stamp.writer`).

Memory is bounded.  SIREADs on many rows or keys of a table become one on the table.  A committed transaction's
SIREADs and commit record stay only while a transaction runs that was concurrent with it; beyond `MAX_RETAINED` of
the former and `MAX_RECORDS` of the latter the oldest are folded into one, pessimistically.

Readers that need none of it: a READ ONLY transaction whose concurrent writers have all ended, none of them with an
edge to somebody who committed before its snapshot, has a *safe* snapshot and stops tracking.  DEFERRABLE waits for
such a one.

What this module does not do: it does not read tables (tracking.py notes the reads) and knows nothing of locks; the
guarantee holds among SERIALIZABLE transactions only, others never come here.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import Final

from skerry_engine.errors import SerializationFailure
from skerry_engine.storage.heap import INFINITY, CommitStamp, Row, Version, newest_epoch, newest_row
from skerry_engine.storage.index import Index
from skerry_engine.storage.table import TableStorage
from skerry_engine.txn.waiting import Gate

MAX_ROWS: Final = 512
"""Rows of one table that one transaction's SIREADs name; more become the table."""

MAX_KEYS: Final = 1024
"""Index keys of one table, likewise."""

MAX_RANGES: Final = 64
"""Index ranges of one table, likewise."""

MAX_RETAINED: Final = 1000
"""Committed transactions whose SIREADs are kept apart; older ones are folded together."""

MAX_RECORDS: Final = 200_000
"""Commit records kept apart; the older half is folded into one when there are more."""

Change = tuple[int, Row | None, Row | None, int]
"""A row id with the row's old and new state at full width (None: absent), and the epoch at which a SERIALIZABLE
transaction made the old one (0: nobody, or not known)."""

RUNNING: Final = 0
PREPARED: Final = 1
COMMITTED: Final = 2
ABORTED: Final = 3


class Limits:
    """The bounds above, as an engine uses them (tests make them small)."""

    __slots__ = ("rows", "keys", "ranges", "retained", "records")

    def __init__(self) -> None:
        self.rows: int = MAX_ROWS
        self.keys: int = MAX_KEYS
        self.ranges: int = MAX_RANGES
        self.retained: int = MAX_RETAINED
        self.records: int = MAX_RECORDS


class KeyRange:
    """Order keys k of an index with low <= k < high (None: no end)."""

    __slots__ = ("low", "high")

    def __init__(self, low: bytes, high: bytes | None) -> None:
        self.low: bytes = low
        self.high: bytes | None = high

    def holds(self, key: bytes) -> bool:
        """Whether the key lies in the range."""
        return self.low <= key and (self.high is None or key < self.high)

    def touches(self, low: bytes, high: bytes | None) -> bool:
        """Whether there is no gap between this range and another."""
        return (self.high is None or low <= self.high) and (high is None or self.low <= high)

    def widen(self, low: bytes, high: bytes | None) -> None:
        """Take in another range that this one touches."""
        self.low = min(self.low, low)
        self.high = None if self.high is None or high is None else max(self.high, high)


class Reads:
    """One transaction's SIREADs on one table."""

    __slots__ = ("storage", "whole", "rows", "keys", "key_count", "ranges", "range_count")

    def __init__(self, storage: TableStorage) -> None:
        self.storage: TableStorage = storage
        self.whole: bool = False
        self.rows: set[int] = set()
        self.keys: dict[int, set[object]] = {}
        self.key_count: int = 0
        self.ranges: dict[int, list[KeyRange]] = {}
        self.range_count: int = 0

    def promote(self) -> None:
        """Let the whole table stand for everything finer."""
        self.whole = True
        self.rows = set()
        self.keys = {}
        self.ranges = {}

    def add_row(self, row_id: int, limits: Limits) -> None:
        """A row was read by its id."""
        if not self.whole:
            self.rows.add(row_id)
            if len(self.rows) > limits.rows:
                self.promote()

    def add_key(self, index_id: int, key: object, limits: Limits) -> None:
        """All rows under an equality key were read, or their absence."""
        if self.whole:
            return
        keys = self.keys.get(index_id)
        if keys is None:
            keys = set()
            self.keys[index_id] = keys
        if key not in keys:
            keys.add(key)
            self.key_count += 1
            if self.key_count > limits.keys:
                self.promote()

    def add_range(self, index_id: int, low: bytes, high: bytes | None, limits: Limits) -> None:
        """All rows with order keys in [low, high) were read, or their absence."""
        if self.whole:
            return
        ranges = self.ranges.get(index_id)
        if ranges is None:
            ranges = []
            self.ranges[index_id] = ranges
        for found in reversed(ranges):  # a scan goes on where its last batch ended
            if found.touches(low, high):
                found.widen(low, high)
                return
        ranges.append(KeyRange(low, high))
        self.range_count += 1
        if self.range_count > limits.ranges:
            self.promote()

    def absorb(self, other: Reads, limits: Limits) -> None:
        """Cover what `other` covers as well."""
        if other.whole:
            self.promote()
        for row_id in other.rows:
            self.add_row(row_id, limits)
        for index_id, keys in other.keys.items():
            for key in keys:
                self.add_key(index_id, key, limits)
        for index_id, ranges in other.ranges.items():
            for each in ranges:
                self.add_range(index_id, each.low, each.high, limits)

    def cover(self, row_id: int, before: Row | None, after: Row | None) -> bool:
        """Whether changing the row from `before` to `after` (full width; None: absent) changes what was read."""
        if self.whole or row_id in self.rows:
            return True
        indexes = self.storage.indexes
        for index_id, keys in self.keys.items():
            index = indexes.get(index_id)
            if index is None or _has_key(index, keys, before) or _has_key(index, keys, after):
                return True
        for index_id, ranges in self.ranges.items():
            index = indexes.get(index_id)
            if index is None or _in_ranges(index, ranges, before) or _in_ranges(index, ranges, after):
                return True
        return False

    def cover_any(self, changes: list[Change], snapshot: int) -> bool:
        """Whether one of the changes is the next after what was read at `snapshot`.

        If the state that is replaced is newer than that, and was itself covered, its maker came first: the edge
        goes there, and from there on the order of writes says it all.
        """
        for row_id, before, after, made_at in changes:
            if made_at > snapshot and self.cover(row_id, before, None):
                continue
            if self.cover(row_id, before, after):
                return True
        return False

    def describe(self) -> list[tuple[str, object]]:
        """The SIREADs as (granularity, what): 'relation', 'tuple', 'key' or 'range', for pg_locks."""
        if self.whole:
            return [("relation", None)]
        found: list[tuple[str, object]] = [("tuple", row_id) for row_id in sorted(self.rows)]
        found.extend(("key", index_id) for index_id, keys in self.keys.items() for _ in keys)
        found.extend(("range", index_id) for index_id, ranges in self.ranges.items() for _ in ranges)
        return found


def _has_key(index: Index, keys: set[object], row: Row | None) -> bool:
    return row is not None and index.key(row) in keys


def _in_ranges(index: Index, ranges: list[KeyRange], row: Row | None) -> bool:
    values = None if row is None else index.values(row)
    if values is None:
        return False
    key = index.codec.order_key(values)
    return any(each.holds(key) for each in ranges)


class SerializableState:
    """What SSI knows of one transaction, from its snapshot until nobody concurrent runs any more.

    `earliest_out` is INFINITY while there is no edge to anybody.  `commit_epoch` is INFINITY while it runs;
    of a transaction that wrote nothing it is the epoch that was newest when it ended.  `in_conflicts` are
    those found to have an edge to it ahead of its commit.
    """

    __slots__ = (
        "registry",
        "transaction_id",
        "snapshot",
        "read_only",
        "status",
        "wrote",
        "commit_epoch",
        "prepared_at",
        "earliest_out",
        "in_conflicts",
        "reads",
        "is_tracking",
        "is_unsafe",
        "writers",
        "watchers",
        "gate",
    )

    def __init__(
        self, registry: SerializableRegistry, transaction_id: int, snapshot: int, read_only: bool
    ) -> None:
        self.registry: SerializableRegistry = registry
        self.transaction_id: int = transaction_id
        self.snapshot: int = snapshot
        self.read_only: bool = read_only
        self.status: int = RUNNING
        self.wrote: bool = False
        self.commit_epoch: int = INFINITY
        self.prepared_at: int = INFINITY
        self.earliest_out: int = INFINITY
        self.in_conflicts: set[SerializableState] = set()
        self.reads: dict[int, Reads] = {}
        self.is_tracking: bool = True
        self.is_unsafe: bool = False
        self.writers: set[SerializableState] | None = None
        self.watchers: list[SerializableState] | None = None
        self.gate: Gate | None = None

    # --- reading --------------------------------------------------------------------------------------------

    def reads_of(self, storage: TableStorage) -> Reads:
        """The SIREADs on a table, entered with the registry when the first is asked for."""
        reads = self.reads.get(storage.storage_id)
        if reads is None:
            reads = Reads(storage)
            self.reads[storage.storage_id] = reads
            self.registry.enter(self, reads)
        return reads

    def note_newer(self, slot: Version) -> None:
        """Take note of an edge to everyone whose version in `slot` is newer than the snapshot.

        Raises SerializationFailure (T005) when that completes a dangerous structure.
        """
        if not self.is_tracking or self.status != RUNNING:
            return
        version: object = slot
        while isinstance(version, Version):
            stamp = version.stamp
            epoch = stamp.epoch
            if epoch <= self.snapshot:
                return
            if epoch < INFINITY:
                self._edge_to_committed(epoch)
            else:
                self._edge_to_installing(stamp)
            version = version.older

    def _edge_to_committed(self, epoch: int) -> None:
        record = self.registry.records.earliest_out(epoch)
        if record < 0:
            return  # not SERIALIZABLE
        if self.is_threatened(record):
            raise serialization_failure("Canceled on conflict out to an old pivot.")
        if epoch < self.earliest_out:
            self.earliest_out = epoch

    def _edge_to_installing(self, stamp: CommitStamp) -> None:
        """An edge to a transaction that has put its versions into the heap but is not committed."""
        writer = stamp.writer
        if not isinstance(writer, SerializableState) or writer is self or writer.status > PREPARED:
            return
        if writer.status == PREPARED:
            if self.is_threatened(writer.earliest_out):
                raise serialization_failure("Canceled on conflict out to a prepared pivot.")
            self.earliest_out = min(self.earliest_out, writer.prepared_at)
        writer.in_conflicts.add(self)

    def is_threatened(self, third: int) -> bool:
        """Whether this transaction can be the T1 of a dangerous structure whose T3 committed at `third`."""
        if third == INFINITY or third > self.commit_epoch:
            return False
        only_reads = self.read_only or (self.status == COMMITTED and not self.wrote)
        return not only_reads or third <= self.snapshot

    # --- committing -----------------------------------------------------------------------------------------

    def has_other_readers(self, storage_id: int) -> bool:
        """Whether anybody else has SIREADs on a table."""
        readers = self.registry.readers.get(storage_id)
        return readers is not None and (len(readers) > 1 or self not in readers)

    def find_readers(self, storage: TableStorage, rows: Sequence[tuple[int, Row | None]]) -> None:
        """Find who has read what installing `rows` (row id, new state) will change.

        To be called before they are installed, in the same unit.
        """
        changes: list[Change] | None = None
        for reader in self._possible_readers(storage.storage_id):
            if reader is self or reader in self.in_conflicts or not reader.can_matter(self):
                continue
            if changes is None:
                changes = self._changes(storage, rows)
            if reader.reads[storage.storage_id].cover_any(changes, reader.snapshot):
                self.in_conflicts.add(reader)

    def _changes(self, storage: TableStorage, rows: Sequence[tuple[int, Row | None]]) -> list[Change]:
        heap = storage.heap
        records = self.registry.records
        found: list[Change] = []
        for row_id, row in rows:
            slot = heap.slot(row_id)
            before = newest_row(slot)
            epoch = newest_epoch(slot)
            found.append(
                (
                    row_id,
                    None if before is None else storage.padded(before),
                    None if row is None else storage.padded(row),
                    epoch if epoch and records.has(epoch) else 0,
                )
            )
        return found

    def _possible_readers(self, storage_id: int) -> list[SerializableState]:
        """Those with SIREADs on a table who can matter: while there is no edge from here to anybody, the running."""
        readers = self.registry.readers.get(storage_id)
        if readers is None:
            return []
        running = self.registry.running
        if self.earliest_out == INFINITY and len(running) < len(readers):
            return [state for state in running.values() if state in readers]
        return list(readers)

    def find_all_readers(self, storage_id: int) -> None:
        """As `find_readers`, for a table that is replaced as a whole."""
        for reader in self.registry.readers.get(storage_id, {}):
            if reader is not self and reader.can_matter(self):
                self.in_conflicts.add(reader)

    def can_matter(self, writer: SerializableState) -> bool:
        """Whether an edge from here to `writer`, about to commit, could ever be part of a dangerous structure.

        A running reader that may write gets an edge.  Others have committed, or only read: then they can
        only be a T1, and T3 must have committed already.
        """
        if self.status <= PREPARED and not self.read_only:
            return True
        return self.is_threatened(writer.earliest_out)

    def check(self, epoch: int) -> None:
        """The test of a transaction that is about to commit (or be prepared) at `epoch`.

        Raises SerializationFailure (T005); afterwards nothing can refuse it.  Each T1 learns of its edge.
        """
        self.refuse(epoch)
        for reader in self.in_conflicts:
            if reader.status <= PREPARED and epoch < reader.earliest_out:
                reader.earliest_out = epoch

    def refuse(self, epoch: int) -> None:
        """The test alone.  Raises SerializationFailure (T005)."""
        for reader in self.in_conflicts:
            if reader.status == ABORTED:
                continue
            if reader.is_threatened(self.earliest_out):
                raise serialization_failure("Canceled on identification as a pivot, during commit attempt.")
            if reader.status == PREPARED and reader.would_be_pivot(epoch):
                raise serialization_failure("Canceled on conflict in from a prepared pivot.")

    def would_be_pivot(self, third: int) -> bool:
        """Whether an edge from this prepared transaction to one committing at `third` is dangerous."""
        return any(each.status != ABORTED and each.is_threatened(third) for each in self.in_conflicts)


def serialization_failure(reason: str) -> SerializationFailure:
    """T005, in PostgreSQL's words."""
    return SerializationFailure(
        "could not serialize access due to read/write dependencies among transactions",
        detail=f"Reason code: {reason}",
        hint="The transaction might succeed if retried.",
    )


class CommitRecords:
    """For each SERIALIZABLE commit that may still matter: its epoch and its `earliest_out`.

    Epochs rise.  The oldest are folded into one record when there are too many: then every epoch up to
    `folded_epoch` counts as a commit with the smallest `earliest_out` of them all.
    """

    __slots__ = ("epochs", "outs", "folded_epoch", "folded_out")

    def __init__(self) -> None:
        self.epochs: list[int] = []
        self.outs: list[int] = []
        self.folded_epoch: int = 0
        self.folded_out: int = INFINITY

    def add(self, epoch: int, earliest_out: int, limit: int) -> None:
        """Enter a commit."""
        assert not self.epochs or self.epochs[-1] < epoch, "commits are recorded in order"
        self.epochs.append(epoch)
        self.outs.append(earliest_out)
        if len(self.epochs) > limit:
            self._fold(len(self.epochs) // 2)

    def earliest_out(self, epoch: int) -> int:
        """The `earliest_out` of the commit at `epoch`; -1 when it was not SERIALIZABLE."""
        if epoch <= self.folded_epoch:
            return self.folded_out
        return self.outs[bisect_left(self.epochs, epoch)] if self.has(epoch) else -1

    def has(self, epoch: int) -> bool:
        """Whether the commit at `epoch` is known to have been SERIALIZABLE."""
        position = bisect_left(self.epochs, epoch)
        return position < len(self.epochs) and self.epochs[position] == epoch

    def has_pivot_beside(self, snapshot: int) -> bool:
        """Whether one that `snapshot` does not see has an edge to one that it sees."""
        if self.folded_epoch > snapshot and self.folded_out <= snapshot:
            return True
        first = bisect_left(self.epochs, snapshot + 1)
        return any(out <= snapshot for out in self.outs[first:])

    def forget(self, horizon: int) -> None:
        """Drop the commits up to `horizon`, which every running transaction sees."""
        epochs = self.epochs
        if epochs and epochs[0] <= horizon:
            count = bisect_left(epochs, horizon + 1)
            del epochs[:count]
            del self.outs[:count]
        if self.folded_epoch and self.folded_epoch <= horizon:
            self.folded_epoch = 0
            self.folded_out = INFINITY

    def _fold(self, count: int) -> None:
        self.folded_epoch = self.epochs[count - 1]
        self.folded_out = min([self.folded_out, *self.outs[:count]])
        del self.epochs[:count]
        del self.outs[:count]


class SerializableRegistry:
    """All SERIALIZABLE transactions that matter: running, prepared, and committed ones not yet forgotten.

    `readers` gives for each storage who has SIREADs on it; `running` includes the prepared; `retained` are the
    committed in the order in which they ended, the first perhaps a fold of several.  Below the horizon `forget_at`
    none of them can be forgotten.
    """

    __slots__ = ("limits", "running", "retained", "forget_at", "readers", "records")

    def __init__(self) -> None:
        self.limits: Limits = Limits()
        self.running: dict[int, SerializableState] = {}
        self.retained: list[SerializableState] = []
        self.forget_at: int = INFINITY
        self.readers: dict[int, dict[SerializableState, Reads]] = {}
        self.records: CommitRecords = CommitRecords()

    # --- beginning ------------------------------------------------------------------------------------------

    def begin(self, transaction_id: int, snapshot: int, read_only: bool) -> SerializableState:
        """Enter a transaction that has just taken its snapshot."""
        state = SerializableState(self, transaction_id, snapshot, read_only)
        self.running[transaction_id] = state
        if read_only:
            self._watch_writers(state)
        return state

    def _watch_writers(self, state: SerializableState) -> None:
        """Let a reader know when every writer that runs beside its snapshot has ended."""
        state.is_unsafe = self.records.has_pivot_beside(state.snapshot)
        writers = {other for other in self.running.values() if not other.read_only}
        if not writers:
            if not state.is_unsafe:
                self._stop_tracking(state)
            return
        state.writers = writers
        for writer in writers:
            if writer.watchers is None:
                writer.watchers = []
            writer.watchers.append(state)

    def enter(self, state: SerializableState, reads: Reads) -> None:
        """Make a transaction's SIREADs on a table known to those who write it."""
        if not state.is_tracking or state.status != RUNNING:
            return
        storage_id = reads.storage.storage_id
        readers = self.readers.get(storage_id)
        if readers is None:
            readers = {}
            self.readers[storage_id] = readers
        readers[state] = reads

    # --- ending ---------------------------------------------------------------------------------------------

    def prepare(self, state: SerializableState, epoch: int) -> None:
        """PREPARE TRANSACTION: the last moment at which the transaction can be refused (T005)."""
        state.check(epoch)
        state.status = PREPARED
        state.prepared_at = epoch
        state.wrote = True

    def restore_prepared(self, transaction_id: int, storages: list[TableStorage]) -> SerializableState:
        """Recovery: a prepared transaction of which nothing else is known any more.

        It is taken to have read every table, to have an edge to somebody who committed before everybody, and to
        have one from somebody who still runs.
        """
        unknown = SerializableState(self, 0, 0, False)
        state = SerializableState(self, transaction_id, 0, False)
        state.earliest_out = 0
        self.running[transaction_id] = state
        for storage in storages:
            reads = state.reads_of(storage)
            reads.promote()
            self.enter(state, reads)
        state.in_conflicts.add(unknown)
        state.status = PREPARED
        state.prepared_at = 0
        state.wrote = True
        return state

    def commit(self, state: SerializableState, epoch: int, wrote: bool) -> None:
        """The transaction has committed at `epoch` (checked before), or has ended having written nothing."""
        state.status = COMMITTED
        state.commit_epoch = epoch
        state.wrote = wrote
        if wrote:
            self.records.add(epoch, state.earliest_out, self.limits.records)
        self._leave_running(state)
        if state.is_tracking and state.reads:
            self.retained.append(state)
            self.forget_at = min(self.forget_at, _last_concurrent(state))
        else:
            self._drop_reads(state)

    def abort(self, state: SerializableState) -> None:
        """The transaction was rolled back: nothing of it matters any more."""
        state.status = ABORTED
        self._leave_running(state)
        self._drop_reads(state)

    def settle(self, published: int) -> None:
        """Forget what no running transaction is concurrent with any more; fold what is too much."""
        if not self.retained and not self.records.epochs:
            return
        horizon = published
        writers_horizon = published
        for state in self.running.values():
            horizon = min(horizon, state.snapshot)
            if not state.read_only:
                writers_horizon = min(writers_horizon, state.snapshot)
        self.records.forget(horizon)
        if self.retained:
            if self.forget_at <= writers_horizon:
                self._forget_readers(writers_horizon)
            if len(self.retained) > self.limits.retained:
                self._fold_oldest()

    def _leave_running(self, state: SerializableState) -> None:
        self.running.pop(state.transaction_id, None)
        state.in_conflicts = set()
        watchers, state.watchers = state.watchers, None
        for reader in watchers or []:
            self._tell(reader, state)
        if state.writers is not None:
            for writer in state.writers:
                if writer.watchers is not None and state in writer.watchers:
                    writer.watchers.remove(state)
            state.writers = None

    def _tell(self, reader: SerializableState, writer: SerializableState) -> None:
        """A writer that a reader watches has ended."""
        writers = reader.writers
        if writers is None:
            return
        writers.discard(writer)
        if writer.status == COMMITTED and writer.wrote and writer.earliest_out <= reader.snapshot:
            reader.is_unsafe = True
        if not writers and not reader.is_unsafe:
            self._stop_tracking(reader)
        if (not writers or reader.is_unsafe) and reader.gate is not None:
            reader.gate.end()

    def _stop_tracking(self, reader: SerializableState) -> None:
        """The reader's snapshot is safe: nothing that it reads can matter."""
        reader.is_tracking = False
        self.running.pop(reader.transaction_id, None)
        self._drop_reads(reader)

    def _forget_readers(self, horizon: int) -> None:
        kept: list[SerializableState] = []
        forget_at = INFINITY
        for state in self.retained:
            last_concurrent = _last_concurrent(state)
            if last_concurrent <= horizon:
                self._drop_reads(state)
            else:
                kept.append(state)
                forget_at = min(forget_at, last_concurrent)
        self.retained = kept
        self.forget_at = forget_at

    def _drop_reads(self, state: SerializableState) -> None:
        for storage_id in state.reads:
            readers = self.readers.get(storage_id)
            if readers is not None:
                readers.pop(state, None)
                if not readers:
                    del self.readers[storage_id]
        state.reads = {}

    def _fold_oldest(self) -> None:
        """Let one state stand for the older half: pessimistic in its epochs, exact in its reads."""
        count = len(self.retained) // 2
        folded = SerializableState(self, 0, 0, False)
        last_epoch = 0
        for state in self.retained[:count]:
            last_epoch = max(last_epoch, state.commit_epoch)
            folded.snapshot = max(folded.snapshot, state.snapshot)
            for reads in list(state.reads.values()):
                folded.reads_of(reads.storage).absorb(reads, self.limits)
            self._drop_reads(state)
        folded.status = COMMITTED
        folded.commit_epoch = last_epoch
        folded.wrote = True
        self.retained[:count] = [folded]


def _last_concurrent(state: SerializableState) -> int:
    """A writer with this snapshot or a later one can't be the T2 behind a committed reader."""
    return state.commit_epoch if state.wrote else state.snapshot
