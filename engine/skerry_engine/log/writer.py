"""The log's writing end.

Three steps, so that the middle of a commit does no I/O and the I/O needs no engine:

    append(kind, epoch, body)   under the engine's mutex; into memory, about a microsecond
    take() -> Group             under the engine's mutex; what was appended so far becomes one group with a place
    write(group, sync)          anywhere, one at a time, in the order taken; the only one that touches the disk

What always holds:
- Places are given by `take`: a group lies wholly in one segment, and `write` only carries out.  What is filled in last,
  by `write`, is the number of the last group that was durable at that moment: the claim by which a reader tells a torn
  tail from damage (log/format.py).
- A segment's file is filled with zeros and synced before a group is put there, so that a sync has data to write and no
  metadata, and finds no disk full.  A file made for one group that is larger than segments are is the exception.
- A new segment gets its name after everything before it, and its own header, are synced.
- After a failed write or sync nothing is known of what the disk holds, and a sync that is tried again may succeed
  without having written anything.  So the writer refuses everything from there on (DurabilityLost).
- Segments go oldest first, and each is gone for good before the next goes, so that a crash leaves no gap.

Who may call what at the same time: one thread under the engine's mutex (`append`, `take`, `fits`), one that writes
(`write`, `sync`, `seal`, `close`), one that keeps house (`prepare`, `release_through`).

What it does not do: decide when to sync, publish, or know what records mean.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple
from zlib import crc32

from skerry_engine.abc import Disk, File
from skerry_engine.errors import DurabilityLost
from skerry_engine.log.format import (
    GROUP_HEADER_BYTES,
    LOG_DIRECTORY,
    RECORD_HEADER,
    RECORD_HEADER_BYTES,
    RECYCLED,
    SEAL,
    SECTOR_BYTES,
    SEGMENT_HEADER_BYTES,
    GroupHeader,
    SegmentHeader,
    cluster_seed,
    pack_group_header,
    segment_name,
    spare_name,
    spare_number,
    unfinished_name,
    whole_sectors,
)
from skerry_engine.log.segment_files import (
    clear_interrupted_creation,
    fill,
    lengthen,
    name_segment,
    segment_size,
)

SEGMENT_BYTES: Final = 16 << 20
# A new database begins small: most stay so.
FIRST_SEGMENT_BYTES: Final = 1 << 20
# How many files wait to be segments again; more are removed.
MAX_SPARES: Final = 8
# Up to here header and body of a group are joined for one write; beyond it, copying costs more than a second call.
ONE_WRITE_BYTES: Final = 256 << 10
# How far behind the last group a seal stands: in another page, or at least in another sector of a small segment.
SEAL_DISTANCE_BYTES: Final = 4096
SMALL_SEAL_DISTANCE_BYTES: Final = SECTOR_BYTES
SMALL_SEGMENT_BYTES: Final = 64 << 10


class Group:
    """What one write brings to the disk.  `last_epoch` is the largest epoch appended when it was taken."""

    __slots__ = (
        "body",
        "checksum",
        "epoch_before",
        "flags",
        "last_epoch",
        "number",
        "offset",
        "segment",
        "segment_bytes",
    )

    def __init__(
        self,
        number: int,
        body: bytes,
        epoch_before: int,
        last_epoch: int,
        flags: int,
        segment: int,
        offset: int,
        segment_bytes: int,
    ) -> None:
        self.number: int = number
        self.body: bytes = body
        self.checksum: int = crc32(body)
        self.epoch_before: int = epoch_before
        self.last_epoch: int = last_epoch
        self.flags: int = flags
        self.segment: int = segment
        self.offset: int = offset
        self.segment_bytes: int = segment_bytes


class Segment(NamedTuple):
    """A segment that is there.  `epoch_before`: the largest epoch of all earlier ones."""

    number: int
    size: int
    epoch_before: int


class Spare(NamedTuple):
    """A file that may become a segment.  `is_recycled`: it holds what it held when it was one."""

    name: str
    size: int
    is_recycled: bool


class LogEnd(NamedTuple):
    """Where a log ends, and a writer goes on.  `offset` is the segment's end when nothing more may stand there."""

    offset: int
    group: int
    last_epoch: int
    is_sealed: bool


class LogWriter:
    """The end of a log that grows.  Read the module's head for who may call what."""

    __slots__ = (
        "_cluster_id",
        "_disk",
        "_epoch_taken",
        "_file",
        "_is_sealed",
        "_latch",
        "_next_offset",
        "_next_segment",
        "_next_segment_bytes",
        "_number_of_spares_made",
        "_parts",
        "_pending",
        "_refusal",
        "_reserve",
        "_seal_distance",
        "_seed",
        "_segments",
        "_spares",
        "_taken",
        "durable_epoch",
        "durable_group",
        "last_epoch",
        "on_wants_spare",
        "segment_bytes",
        "written_epoch",
        "written_group",
    )

    def __init__(
        self,
        disk: Disk,
        cluster_id: bytes,
        segment_bytes: int,
        segments: Sequence[Segment],
        spares: Sequence[Spare],
        file: File,
        end: LogEnd,
    ) -> None:
        """Go on at the end of the last of `segments`, which is open as `file` and synced."""
        self._disk: Disk = disk
        self._cluster_id: bytes = cluster_id
        self._seed: int = cluster_seed(cluster_id)
        self.segment_bytes: int = segment_size(segment_bytes)
        self._seal_distance: int = SEAL_DISTANCE_BYTES
        if self.segment_bytes <= SMALL_SEGMENT_BYTES:
            self._seal_distance = SMALL_SEAL_DISTANCE_BYTES
        # What a group leaves free behind it, so that a clean stop needs no new segment.
        self._reserve: int = self._seal_distance + GROUP_HEADER_BYTES
        # `append` and `take`
        self._parts: list[bytes] = []
        self._pending: int = 0
        self.last_epoch: int = end.last_epoch
        self._epoch_taken: int = end.last_epoch
        self._taken: int = end.group
        self._next_segment: int = segments[-1].number
        self._next_segment_bytes: int = segments[-1].size
        self._next_offset: int = end.offset
        # `write`
        self._file: File = file
        self._is_sealed: bool = end.is_sealed
        self.written_group: int = end.group
        self.written_epoch: int = end.last_epoch
        self.durable_group: int = end.group
        self.durable_epoch: int = end.last_epoch
        # Called after a write that leaves `wants_spare` true; set by who keeps house.
        self.on_wants_spare: Callable[[], None] | None = None
        # `write` and housekeeping, behind the latch, which is never held during I/O
        self._latch: threading.Lock = threading.Lock()
        self._segments: list[Segment] = list(segments)
        self._spares: list[Spare] = list(spares)
        self._number_of_spares_made: int = max((_number_of(spare) for spare in spares), default=0)
        self._refusal: str | None = None

    @classmethod
    def create(
        cls, disk: Disk, cluster_id: bytes, segment_bytes: int = SEGMENT_BYTES, last_epoch: int = 0
    ) -> LogWriter:
        """The log of a new database, whose base ends at `last_epoch`.

        The remains of a creation that a crash cut short are replaced.  Raises DatabaseDamaged when a log with
        anything in it is there, and OSError.
        """
        disk.make_directory(LOG_DIRECTORY)
        disk.sync_directory("")
        clear_interrupted_creation(disk)
        size = min(segment_size(segment_bytes), FIRST_SEGMENT_BYTES)
        header = SegmentHeader(cluster_id, 1, size, 1, last_epoch, 0)
        name = unfinished_name(1)
        fill(disk, name, size, False)
        file = name_segment(disk, name, header)
        end = LogEnd(SEGMENT_HEADER_BYTES, 0, last_epoch, False)
        return cls(disk, cluster_id, segment_bytes, [Segment(1, size, last_epoch)], [], file, end)

    # --- under the engine's mutex -----------------------------------------------------------------------------

    def append(self, kind: int, epoch: int, body: bytes) -> None:
        """Put a record into the group that is open.  Raises DurabilityLost."""
        if self._refusal is not None:
            raise self._refused()
        size = len(body)
        parts = self._parts
        parts.append(RECORD_HEADER.pack(size, kind, epoch))
        parts.append(body)
        self._pending += RECORD_HEADER_BYTES + size
        if epoch > self.last_epoch:
            self.last_epoch = epoch

    @property
    def has_pending(self) -> bool:
        """Whether there is something to take."""
        return self._pending > 0

    @property
    def pending_bytes(self) -> int:
        """What was appended and not yet taken."""
        return self._pending

    def fits(self, size: int) -> bool:
        """Whether a record with a body of that many bytes, appended now, can be written without a new file.

        If not, `prepare(size)` makes one, or tells that the disk is full while nothing depends on it yet.
        """
        need = self._pending + RECORD_HEADER_BYTES + size + GROUP_HEADER_BYTES + self._reserve
        if self._next_offset + need <= self._next_segment_bytes:
            return True
        with self._latch:
            ahead = self._next_segment - self._segments[-1].number
            fitting = sum(1 for spare in self._spares if SEGMENT_HEADER_BYTES + need <= spare.size)
        return fitting > ahead

    def take(self) -> Group | None:
        """What was appended since the last `take`, as a group to write; None when that is nothing.

        Raises DurabilityLost.
        """
        if self._refusal is not None:
            raise self._refused()
        if not self._pending:
            return None
        body = b"".join(self._parts)
        self._parts = []
        self._pending = 0
        size = GROUP_HEADER_BYTES + len(body)
        if self._next_offset + size + self._reserve > self._next_segment_bytes:
            self._next_segment += 1
            self._next_offset = SEGMENT_HEADER_BYTES
            self._next_segment_bytes = self._bytes_for(size)
        return self._place(body, 0)

    def _place(self, body: bytes, flags: int) -> Group:
        self._taken += 1
        group = Group(
            self._taken,
            body,
            self._epoch_taken,
            self.last_epoch,
            flags,
            self._next_segment,
            self._next_offset,
            self._next_segment_bytes,
        )
        self._next_offset += GROUP_HEADER_BYTES + len(body)
        self._epoch_taken = self.last_epoch
        return group

    def _bytes_for(self, size: int) -> int:
        """How large a segment to begin for a group of that size."""
        return max(self.segment_bytes, whole_sectors(SEGMENT_HEADER_BYTES + size + self._reserve))

    # --- on the thread that writes ----------------------------------------------------------------------------

    def write(self, group: Group, sync: bool) -> None:
        """Write a group, and with `sync` have it and all groups before it survive a power cut.

        Raises OSError, once; from then on everything raises DurabilityLost.
        """
        if self._refusal is not None:
            raise self._refused()
        if group.number != self.written_group + 1:
            raise ValueError(f"group {group.number} does not follow group {self.written_group}")
        try:
            self._write(group)
            if sync:
                self._sync()
        except OSError as error:
            self._refuse(error)
            raise
        if self.on_wants_spare is not None and self.wants_spare:
            self.on_wants_spare()

    def _write(self, group: Group) -> None:
        if group.segment != self._segments[-1].number:
            self._begin_segment(group)
        body = group.body
        header = pack_group_header(
            GroupHeader(
                group.segment,
                group.offset,
                group.number,
                self.durable_group,
                group.last_epoch,
                len(body),
                group.checksum,
                group.flags,
            ),
            self._seed,
        )
        if len(body) <= ONE_WRITE_BYTES:
            self._file.write(group.offset, header + body)
        else:
            self._file.write(group.offset, header)
            self._file.write(group.offset + GROUP_HEADER_BYTES, body)
        self._is_sealed = bool(group.flags & SEAL)
        self.written_group = group.number
        self.written_epoch = group.last_epoch

    def _sync(self) -> None:
        self._file.sync()
        self.durable_group = self.written_group
        self.durable_epoch = self.written_epoch

    def sync(self) -> None:
        """Have what was written without `sync` survive a power cut.  Raises as `write` does."""
        if self._refusal is not None:
            raise self._refused()
        if self.durable_group == self.written_group:
            return
        try:
            self._sync()
        except OSError as error:
            self._refuse(error)
            raise

    def _begin_segment(self, group: Group) -> None:
        """Make the segment that a group is the first of."""
        if self.durable_group != self.written_group:
            self._sync()
        self._file.close()
        spare = self._take_spare(group.segment_bytes)
        if spare is None:
            spare = self._make_file(group.segment_bytes, is_filled=group.segment_bytes <= self.segment_bytes)
        flags = RECYCLED if spare.is_recycled else 0
        header = SegmentHeader(
            self._cluster_id, group.segment, spare.size, group.number, group.epoch_before, flags
        )
        self._file = name_segment(self._disk, spare.name, header)
        with self._latch:
            self._segments.append(Segment(group.segment, spare.size, group.epoch_before))

    def _take_spare(self, size: int) -> Spare | None:
        """The smallest that is large enough."""
        with self._latch:
            fitting = [spare for spare in self._spares if spare.size >= size]
            if not fitting:
                return None
            best = min(fitting, key=_spare_size)
            self._spares.remove(best)
            return best

    def seal(self) -> None:
        """A clean stop: write what is pending and the mark that nothing was under way, sync, and close.

        Raises OSError and DurabilityLost.
        """
        group = self.take()
        if group is not None:
            self.write(group, True)
        # The seal claims what is durable when it is written: that is to be everything.
        self.sync()
        # Without room for it nothing was written since a torn tail was found: that will be found again.
        if not self._is_sealed and self._next_offset + self._reserve <= self._next_segment_bytes:
            self._next_offset += self._seal_distance
            self.write(self._place(b"", SEAL), True)
        self.close()

    def close(self) -> None:
        """Give back the file, as it is.  What was not synced may be lost."""
        if self._refusal is None:
            self._refusal = "the log is closed"
        self._file.close()

    def _refuse(self, error: OSError) -> None:
        self._refusal = f"the log could not be written: {error}"

    def _refused(self) -> DurabilityLost:
        return DurabilityLost(
            self._refusal or "",
            hint="Mend the disk, then restart: what of the last commits survived is known then.",
        )

    @property
    def position(self) -> tuple[int, int]:
        """Segment and offset at which the next group will stand, unless it needs a new segment."""
        return self._next_segment, self._next_offset

    # --- housekeeping -----------------------------------------------------------------------------------------

    @property
    def has_spare(self) -> bool:
        """Whether a file for the next segment is there."""
        with self._latch:
            return len(self._spares) > 0

    @property
    def wants_spare(self) -> bool:
        """Whether the segment is half full and there is no file for the next one.

        Then `prepare`, called where nobody waits for it, saves a commit from waiting until a file is made.
        """
        return 2 * self._next_offset > self._next_segment_bytes and not self.has_spare

    def prepare(self, size: int = 0, is_gentle: bool = False) -> None:
        """Have a file ready for the next segment, large enough for a record of `size` bytes in the open group.

        `is_gentle`: piece by piece, so that commits meanwhile don't wait for all of it to reach the disk.  Raises
        OSError (the disk is full), which leaves everything as it was, and DurabilityLost.
        """
        if self._refusal is not None:
            raise self._refused()
        need = self._bytes_for(self._pending + RECORD_HEADER_BYTES + size + GROUP_HEADER_BYTES)
        with self._latch:
            if any(spare.size >= need for spare in self._spares):
                return
        made = self._make_file(need, is_filled=True, is_gentle=is_gentle)
        with self._latch:
            self._spares.append(made)

    def _make_file(self, size: int, is_filled: bool, is_gentle: bool = False) -> Spare:
        number = self._next_spare_number()
        unfinished, name = unfinished_name(number), spare_name(number)
        if is_filled:
            fill(self._disk, unfinished, size, is_gentle)
        else:
            lengthen(self._disk, unfinished, size)
        self._disk.rename(unfinished, name)
        return Spare(name, size, False)

    def _next_spare_number(self) -> int:
        with self._latch:
            self._number_of_spares_made += 1
            return self._number_of_spares_made

    def oldest_epoch(self) -> int:
        """The first epoch from which on every record is still there."""
        with self._latch:
            return self._segments[0].epoch_before + 1

    def release_through(self, epoch: int) -> None:
        """Give up the segments whose records all belong to epochs up to this one; the last segment stays.

        Raises OSError when one can't be given up, and DurabilityLost.  Only when a removal can't be synced does
        the writer refuse everything from there on: another removal could leave a gap.
        """
        while True:
            if self._refusal is not None:
                raise self._refused()
            with self._latch:
                if len(self._segments) < 2 or self._segments[1].epoch_before > epoch:
                    return
                oldest = self._segments[0]
                recycled = oldest.size == self.segment_bytes and len(self._spares) < MAX_SPARES
            self._retire(oldest, recycled)

    def _retire(self, segment: Segment, is_recycled: bool) -> None:
        name = segment_name(segment.number)
        spare = Spare(spare_name(self._next_spare_number()), segment.size, True)
        if is_recycled:
            self._disk.rename(name, spare.name)
        else:
            self._disk.remove(name)
        try:
            # Before the next one goes, and before the file is written to under another number.
            self._disk.sync_directory(LOG_DIRECTORY)
        except OSError as error:
            self._refuse(error)
            raise
        with self._latch:
            del self._segments[0]
            if is_recycled:
                self._spares.append(spare)


def _spare_size(spare: Spare) -> int:
    return spare.size


def _number_of(spare: Spare) -> int:
    return spare_number(spare.name.rpartition("/")[2]) or 0
