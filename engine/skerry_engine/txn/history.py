"""How long the past stays readable: the time line of commits and the oldest epoch that is kept.

    commits        e90    e91    e92   e93          e94  e95                    now
    time line     ──┼──────┼──────┼─────┼────────────┼────┼──────────────────────┼──
                                        │<────────────── retention ─────────────>│
                                     floor: the state that was current when the retention began

The *floor* is the oldest epoch that AS OF may ask for.  The state at an epoch is whole as long as nothing that it
sees was collected, so garbage collection takes the floor for one more snapshot: old versions, their index entries,
dropped tables, dropped indexes and old catalogs stay.  With a retention of 0 the floor is what is published.

Rules:
- The floor only rises: with time, when what is kept beyond need grows over `limit_bytes`, and to the newest
  published epoch when retention ends.
- Every commit since the floor has its time here, to the microsecond and never falling, so that "the last commit at
  or before t" is exact: 16 bytes a commit, next to a version of some 200.
- Bytes are an estimate of what the versions superseded since the floor take: the rows they held, and a constant.

What it does not do: keep rows.  It tells others what not to throw away.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from typing import TYPE_CHECKING, Final

from skerry_engine.storage.heap import Row
from skerry_engine.values.clock import wall_clock

if TYPE_CHECKING:
    from skerry_engine.storage.heap import Version
    from skerry_engine.storage.table import TableStorage

DEFAULT_LIMIT_BYTES: Final = 256 << 20

VERSION_BYTES: Final = 160
"""What a version costs beside the row in it: the object, its place in the collector's queue."""

CHUNK_COMMITS: Final = 4096
MICROSECONDS: Final = 1_000_000


class _Chunk:
    """Consecutive epochs with the times and the sizes of their commits, and all sizes together."""

    __slots__ = ("first", "times", "sizes", "size")

    def __init__(self, first: int) -> None:
        self.first: int = first
        self.times: array[int] = array("q")
        self.sizes: array[int] = array("q")
        self.size: int = 0


class TimeLine:
    """When each of a run of consecutive epochs was committed, and how many bytes it superseded."""

    __slots__ = ("_chunks", "last_us")

    def __init__(self) -> None:
        self._chunks: list[_Chunk] = []
        self.last_us: int = 0

    def add(self, epoch: int, time_us: int, size_bytes: int) -> None:
        """The next epoch; those that were left out come with it.  Times do not fall: a clock that was set back
        stands still here."""
        chunks = self._chunks
        self.last_us = max(self.last_us, time_us)
        following = chunks[-1].first + len(chunks[-1].times) if chunks else epoch
        assert epoch >= following, "epochs are noted in order"
        while following <= epoch:
            if not chunks or len(chunks[-1].times) >= CHUNK_COMMITS:
                chunks.append(_Chunk(following))
            chunks[-1].times.append(self.last_us)
            chunks[-1].sizes.append(0)
            following += 1
        self.add_size(size_bytes)

    def add_size(self, size_bytes: int) -> None:
        """Add to the size of the last epoch."""
        last = self._chunks[-1]
        last.sizes[-1] += size_bytes
        last.size += size_bytes

    def epoch_at(self, time_us: int) -> int:
        """The last epoch committed at or before a time; 0 when that was before the first."""
        chunks = self._chunks
        low, high = 0, len(chunks)
        while low < high:
            middle = (low + high) // 2
            if chunks[middle].times[0] <= time_us:
                low = middle + 1
            else:
                high = middle
        if low == 0:
            return 0
        chunk = chunks[low - 1]
        return chunk.first + bisect_right(chunk.times, time_us) - 1

    def time_of(self, epoch: int) -> int:
        """When an epoch on the line was committed."""
        chunk = self._chunk(epoch)
        return chunk.times[epoch - chunk.first]

    def size_between(self, after: int, until: int) -> int:
        """The bytes that the epochs above `after`, up to `until`, superseded."""
        size = 0
        for chunk in self._chunks:
            if chunk.first > until:
                break
            count = len(chunk.sizes)
            begin, end = max(after + 1 - chunk.first, 0), min(until + 1 - chunk.first, count)
            if begin == 0 and end == count:
                size += chunk.size
            elif begin < end:
                size += sum(chunk.sizes[begin:end])
        return size

    def _chunk(self, epoch: int) -> _Chunk:
        first = self._chunks[0]
        if epoch < first.first + len(first.times):
            return first
        return self._chunks[1 + (epoch - first.first - len(first.times)) // CHUNK_COMMITS]

    def forget_before(self, epoch: int) -> None:
        """Drop what lies before an epoch, in whole chunks."""
        chunks = self._chunks
        gone = 0
        while gone + 1 < len(chunks) and chunks[gone + 1].first <= epoch:
            gone += 1
        del chunks[:gone]

    def clear(self) -> None:
        """Drop everything."""
        self._chunks.clear()


class History:
    """What is kept of the past, and how far back.

    `retention_us` 0: nothing.  `floor` is the oldest epoch that may be read while `is_on`; `size_bytes` estimates
    what was superseded since.
    """

    __slots__ = ("retention_us", "limit_bytes", "is_on", "floor", "size_bytes", "line")

    def __init__(self) -> None:
        self.retention_us: int = 0
        self.limit_bytes: int = DEFAULT_LIMIT_BYTES
        self.is_on: bool = False
        self.floor: int = 0
        self.size_bytes: int = 0
        self.line: TimeLine = TimeLine()

    def keep(self, retention_us: int, limit_bytes: int, published: int) -> None:
        """Keep history for so long, and so much of it, from now on; `published` is the newest epoch."""
        was_on = self.is_on
        self.retention_us = retention_us
        self.limit_bytes = limit_bytes
        self.is_on = retention_us > 0
        if self.is_on and not was_on:
            self.begin(published, wall_clock())
        elif was_on and not self.is_on:
            self.line.clear()
            self.size_bytes = 0
        self.advance(published)

    def begin(self, epoch: int, time_us: int) -> None:
        """The past begins with an epoch, which was committed at a time (or current then)."""
        self.line.clear()
        self.line.add(epoch, time_us, 0)
        self.floor = epoch
        self.size_bytes = 0

    def restore(self, epoch: int, time_us: int) -> None:
        """Recovery: as `begin`, for a past that is about to be made again, whose times are older than the present."""
        self.line = TimeLine()
        self.begin(epoch, time_us)

    def next_time(self) -> int:
        """The time of the commit that is being installed: after whatever time was asked for (`settle_time`)."""
        return max(wall_clock(), self.line.last_us)

    def settle_time(self, time_us: int) -> int:
        """The last epoch committed at or before a time that is not in the future, published or not; 0: before the
        floor.  No later commit will get a time at or before it."""
        self.line.last_us = max(self.line.last_us, time_us + 1)
        epoch = self.line.epoch_at(time_us)
        return epoch if epoch >= self.floor else 0

    def note(self, epoch: int, time_us: int, size_bytes: int) -> None:
        """A commit was installed; it superseded rows of so many bytes."""
        self.line.add(epoch, time_us, size_bytes)
        self.size_bytes += size_bytes

    def note_dropped(self, size_bytes: int) -> None:
        """The last commit has dropped so many bytes besides: whole tables."""
        if self.is_on:
            self.line.add_size(size_bytes)
            self.size_bytes += size_bytes

    def advance(self, published: int) -> int:
        """Let the floor rise as far as time and bytes have it, at most to `published`; gives the oldest epoch
        that may be read."""
        if not self.is_on:
            return published
        due = min(self.line.epoch_at(wall_clock() - self.retention_us), published)
        if due > self.floor:
            self._rise(due)
        while self.size_bytes > self.limit_bytes and self.floor < published:
            self._rise(self.floor + 1)
        return self.floor

    def _rise(self, floor: int) -> None:
        self.size_bytes -= self.line.size_between(self.floor, floor)
        self.floor = floor
        self.line.forget_before(floor)


class KeptVersions:
    """The versions that one commit has installed, for the collector, with an estimate of what they superseded."""

    __slots__ = ("tables", "size_bytes")

    def __init__(self) -> None:
        self.tables: dict[int, KeptTable] = {}
        self.size_bytes: int = 0

    def add(self, storage: TableStorage, row_id: int, version: Version, before: Row | None) -> None:
        """A version was installed on top of a row, or (None) where there was none."""
        table = self.tables.get(storage.storage_id)
        if table is None:
            table = KeptTable(storage)
            self.tables[storage.storage_id] = table
        table.row_ids.append(row_id)
        table.versions.append(version)
        self.size_bytes += VERSION_BYTES if before is None else VERSION_BYTES + row_bytes(before)


class KeptTable:
    """The part of `KeptVersions` in one table: `versions[i]` was installed under `row_ids[i]`."""

    __slots__ = ("storage", "row_ids", "versions")

    def __init__(self, storage: TableStorage) -> None:
        self.storage: TableStorage = storage
        self.row_ids: list[int] = []
        self.versions: list[Version] = []


def row_bytes(row: Row) -> int:
    """What a row takes in memory, roughly."""
    size = 56 + 8 * len(row)
    for value in row:
        if isinstance(value, str):
            size += 56 + len(value)
        elif isinstance(value, bytes):
            size += 40 + len(value)
        elif isinstance(value, tuple):
            size += row_bytes(value)
        elif value is not None and not isinstance(value, bool):
            size += 32
    return size
