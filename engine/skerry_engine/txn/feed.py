"""The change feed's lower half: committed changes by row, kept in the order of commits for who has still to read them.

    _install ── capture ──> [ e7: t/3 old -> new, ... ][ e8: ... ][ e9: ... ]  ──> read(after, limit)
                before the versions go in                  ^          ^
                                              a subscriber has read to e7   published

A *change* is a row's full state before and after, by storage and row id; what these mean is for the catalogs of their
epoch to say (session/changes.py).  Changes are recorded only while there is history, or somebody subscribes: other
commits pay one test.

`ChangeSource` is the seam.  `MemoryChanges` keeps the changes of this process' commits, sharing rows with the
heap; a log on a disk may stand behind it instead.

Rules:
- Commits are read whole, in order, without gaps, and only once published and durable: who has read one can go on from
  there after a crash.  What was forgotten is an error (HistoryNotRetained), never a gap.
- A commit is kept as long as history reaches back to it or a subscriber has not read it, but never beyond
  `limit_bytes` for all of them: then the oldest go, and who has not read them finds out.
- Catalogs and dropped tables that kept commits speak of are kept with them.

A storage that was filled directly (CREATE TABLE AS) has its rows among the inserts.  One that was built from the
rows of another (ALTER TABLE ... TYPE) is a *copy*: its rows are no changes, nor is what the same transaction
does to it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from skerry_engine.errors import HistoryNotRetained
from skerry_engine.storage.heap import Row, newest_row
from skerry_engine.storage.table import TableStorage
from skerry_engine.txn.history import row_bytes
from skerry_engine.txn.overlay import Overlay
from skerry_engine.txn.waiting import Gate

if TYPE_CHECKING:
    from collections.abc import Callable

CHANGE_BYTES: Final = 160
"""What a change costs beside its old row."""

CAPTURED_PER_SLICE: Final = 1000


class RowChange(NamedTuple):
    """A row before and after a commit: None is no row."""

    storage_id: int
    row_id: int
    old: Row | None
    new: Row | None


class Commit:
    """What one commit changed.  `copies` are the storages in it that were built from others' rows."""

    __slots__ = ("epoch", "time_us", "changes", "copies", "size_bytes")

    def __init__(
        self, epoch: int, time_us: int, changes: Sequence[RowChange], copies: frozenset[int]
    ) -> None:
        self.epoch: int = epoch
        self.time_us: int = time_us
        self.changes: Sequence[RowChange] = changes
        self.copies: frozenset[int] = copies
        size = CHANGE_BYTES
        for change in changes:
            size += CHANGE_BYTES
            if change.old is not None:
                size += row_bytes(change.old)
        self.size_bytes: int = size


class ChangeSource(Protocol):
    """Where committed changes are read."""

    @property
    def floor(self) -> int:
        """The epoch after which every commit can be read."""
        ...

    def read(self, after: int, until: int, limit: int) -> list[Commit]:
        """The commits with epochs above `after`, up to `until`, as many as have `limit` changes between them and at
        least one.  Raises HistoryNotRetained if some of them are gone."""
        ...


class MemoryChanges:
    """The commits of this process that somebody may still read (it implements `ChangeSource`)."""

    __slots__ = ("floor", "size_bytes", "_commits", "_gone")

    def __init__(self) -> None:
        self.floor: int = 0
        self.size_bytes: int = 0
        self._commits: list[Commit] = []
        self._gone: int = 0  # commits at the head of the list that were forgotten

    def begin(self, epoch: int) -> None:
        """Keep every commit from now on; `epoch` is the last one that was made."""
        self._commits = []
        self._gone = 0
        self.size_bytes = 0
        self.floor = epoch

    @property
    def last_epoch(self) -> int:
        """The last commit that was added, or the one before the first."""
        return self.floor + len(self._commits) - self._gone

    def add(self, commit: Commit) -> None:
        """Keep the next commit."""
        assert commit.epoch == self.last_epoch + 1, "commits are kept without gaps"
        self._commits.append(commit)
        self.size_bytes += commit.size_bytes

    def read(self, after: int, until: int, limit: int) -> list[Commit]:
        """As `ChangeSource.read`."""
        if after < self.floor:
            raise changes_gone(after, self.floor)
        found: list[Commit] = []
        position = self._gone + after - self.floor
        while limit > 0 and position < len(self._commits) and self._commits[position].epoch <= until:
            found.append(self._commits[position])
            limit -= len(self._commits[position].changes)
            position += 1
        return found

    def forget(self, epoch: int, limit_bytes: int) -> None:
        """Forget the commits up to an epoch, and beyond it as many as are too much."""
        commits = self._commits
        gone = self._gone
        while gone < len(commits) and (self.floor < epoch or self.size_bytes > limit_bytes):
            self.size_bytes -= commits[gone].size_bytes
            self.floor = commits[gone].epoch
            gone += 1
        if gone * 2 > len(commits):
            del commits[:gone]
            gone = 0
        self._gone = gone


def changes_gone(after: int, floor: int) -> HistoryNotRetained:
    """The error for changes that are asked for too late."""
    return HistoryNotRetained(
        f"the changes since epoch {after} are not retained",
        detail=f"Changes since epoch {floor} are.",
        hint="Take what the tables hold AS OF an epoch, and go on from there; see skerry.retention.",
    )


class Subscription:
    """Somebody who reads the feed: what comes after `position` is kept for him, within the limit."""

    __slots__ = ("position",)

    def __init__(self, position: int) -> None:
        self.position: int = position


class Feed:
    """What is recorded, for whom, and who is to be told.

    `on_commit` is called with each commit that can be read from now on, while changes are recorded.
    """

    __slots__ = ("is_recording", "memory", "on_commit", "_subscriptions", "_gates", "_told")

    def __init__(self) -> None:
        self.is_recording: bool = False
        self.memory: MemoryChanges = MemoryChanges()
        self.on_commit: Callable[[Commit], None] | None = None
        self._subscriptions: dict[Subscription, None] = {}
        self._gates: list[Gate] = []
        self._told: int = 0

    @property
    def source(self) -> ChangeSource:
        """Where to read."""
        return self.memory

    def has_subscribers(self) -> bool:
        """Whether anybody has said that he will read."""
        return len(self._subscriptions) > 0

    def subscribe(self, position: int) -> Subscription:
        """Keep what comes after `position` from now on."""
        made = Subscription(position)
        self._subscriptions[made] = None
        return made

    def unsubscribe(self, subscription: Subscription) -> None:
        """Nobody will ask on behalf of this subscription any more."""
        self._subscriptions.pop(subscription, None)

    def record(self, is_wanted: bool, last_epoch: int) -> None:
        """Begin or end to record, with the commit after `last_epoch`."""
        if is_wanted != self.is_recording:
            self.memory.begin(last_epoch)
            self._told = last_epoch
        self.is_recording = is_wanted

    def add(self, commit: Commit, limit_bytes: int) -> None:
        """Keep a commit that is being installed."""
        memory = self.memory
        memory.add(commit)
        if memory.size_bytes > limit_bytes:
            memory.forget(memory.floor, limit_bytes)

    def forget(self, epoch: int, limit_bytes: int) -> None:
        """History reaches back to `epoch`: forget what nobody has still to read before it."""
        for subscription in self._subscriptions:
            epoch = min(epoch, subscription.position)
        self.memory.forget(epoch, limit_bytes)

    def advance(self, epoch: int) -> None:
        """Commits through `epoch` are published, and durable: wake who waits, and tell of them."""
        if epoch <= self._told:
            return
        after, self._told = max(self._told, self.memory.floor), epoch
        gates, self._gates = self._gates, []
        for gate in gates:
            gate.end()
        if self.on_commit is not None:
            while after < epoch:
                for commit in self.memory.read(after, after + 1, 1):
                    self.on_commit(commit)
                after += 1

    def wake(self, gate: Gate) -> None:
        """End `gate` with the next commit that can be read."""
        self._gates = [each for each in self._gates if not each.is_over()]
        self._gates.append(gate)


def capture(
    overlay: Overlay | None, filled: Sequence[TableStorage], copies: frozenset[int], into: list[RowChange]
) -> Iterator[None]:
    """Note the changes that a transaction is about to commit, all locks being held, in slices.

    Its versions may stand in the heap already, uncommitted.  `filled` are storages that it has made.
    """
    due = CAPTURED_PER_SLICE
    for storage in filled:
        if storage.is_temporary or not storage.is_watched or storage.storage_id in copies:
            continue
        for row_id in range(1, storage.next_row_id):
            row = newest_row(storage.heap.slot(row_id))
            if row is not None:
                into.append(RowChange(storage.storage_id, row_id, None, storage.padded(row)))
            if row_id % CAPTURED_PER_SLICE == 0:
                yield
    for table in [] if overlay is None else list(overlay.tables.values()):
        storage = table.storage
        if storage.is_temporary or not storage.is_watched or storage.storage_id in copies:
            continue
        for row_id, new in table.final_rows():
            old = newest_row(storage.heap.slot(row_id))
            if old is None and new is None:
                continue
            before = None if old is None else storage.padded(old)
            after = None if new is None else storage.padded(new)
            into.append(RowChange(storage.storage_id, row_id, before, after))
            due -= 1
            if due == 0:
                due = CAPTURED_PER_SLICE
                yield
