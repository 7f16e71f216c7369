"""A walk over the log: what is there, what is torn, what is damaged.

The walk goes group by group (log/format.py says what makes one valid) and segment by segment.  Where it meets something
that is no valid group, there are four cases:

    the next segment begins with the group that is expected    the rest of this segment is unused
    the next segment begins with a later one                   damage: it was begun when all before was durable
    a header behind, in the last segment, claims the group     damage: it was durable
    nobody claims it                                           the end; if something stands there, a torn tail

A claim counts whether or not the body of the group that makes it is whole.  What can't be told: damage to the last
group of a log that was not sealed looks like a torn tail, since nothing later vouches for it.

After damage the walk goes on with the next group that can be recognised, so that all damage is found.

What it does not do: change anything, or read records.
"""

from __future__ import annotations

from collections import deque
from typing import Final, NamedTuple

from skerry_engine.abc import Disk
from skerry_engine.errors import DatabaseDamaged
from skerry_engine.log.format import (
    GROUP_HEADER_BYTES,
    LOG_DIRECTORY,
    RECYCLED,
    SEAL,
    SEGMENT_HEADER_BYTES,
    SegmentHeader,
    body_fits,
    cluster_seed,
    group_at,
    next_group,
    seal_behind,
    segment_name,
    segment_number,
    unpack_segment_header,
)
from skerry_engine.log.segment_files import ZEROS
from skerry_engine.log.writer import Segment

UNKNOWN: Final = 0


class Finding(NamedTuple):
    """Something that is not as it was written.  `epoch` is the first that may be missing because of it.

    A torn tail is found too, though it is no damage (`is_damage`).
    """

    file: str
    offset: int
    epoch: int
    problem: str
    is_damage: bool

    def __str__(self) -> str:
        return f"{self.file}, offset {self.offset}, epoch {self.epoch} and later: {self.problem}"

    def as_error(self) -> DatabaseDamaged:
        """The error that refuses to open the database."""
        return DatabaseDamaged(
            f"{self.file} is damaged at offset {self.offset}: {self.problem}; "
            f"commits from epoch {self.epoch} on may be missing",
            hint="`skerry check` reports all damage.  Restore a backup.",
        )


def read_file(disk: Disk, name: str, size: int | None = None) -> bytes:
    """A file's first bytes, or all of them."""
    file = disk.open(name)
    try:
        return file.read(0, file.size() if size is None else size)
    finally:
        file.close()


def file_size(disk: Disk, name: str) -> int:
    """A file's length in bytes."""
    file = disk.open(name)
    try:
        return file.size()
    finally:
        file.close()


def segment_numbers(disk: Disk) -> list[int]:
    """The segments that are there, in order."""
    found = (segment_number(name) for name in disk.list(LOG_DIRECTORY))
    return sorted(number for number in found if number is not None)


def is_zero(data: bytes) -> bool:
    """Whether there is nothing in it but zeros."""
    step = len(ZEROS)
    return all(ZEROS.startswith(data[start : start + step]) for start in range(0, len(data), step))


class Walk:
    """One walk over a log.  With `from_epoch`, segments that hold nothing later are not looked into."""

    def __init__(self, disk: Disk, cluster_id: bytes, from_epoch: int | None = None) -> None:
        self.disk = disk
        self.cluster_id = cluster_id
        self.seed = cluster_seed(cluster_id)
        self.from_epoch = from_epoch
        self.findings: list[Finding] = []
        self.segments: list[Segment] = []
        # The number that the next group must have.
        self.expected = UNKNOWN
        self.last_epoch = 0
        # In the segment at hand: where groups end, whether the last one is a seal, and which nobody claims.
        self.end = SEGMENT_HEADER_BYTES
        self.is_sealed = False
        self.unclaimed: deque[tuple[int, int]] = deque()

    def run(self) -> Walk:
        """Walk; the outcome is in the attributes.  Raises IncompatibleFormat and OSError."""
        numbers = segment_numbers(self.disk)
        if not numbers:
            self._damage(LOG_DIRECTORY, 0, "there is no log segment")
        headers = {number: self._header(number) for number in numbers}
        for number in numbers:
            if self.segments and number != self.segments[-1].number + 1:
                missing = segment_name(self.segments[-1].number + 1)
                self._damage(missing, 0, f"missing, though {segment_name(number)} is there")
                self.expected = UNKNOWN
            self._segment(number, headers[number], headers.get(number + 1), number == numbers[-1])
        return self

    @property
    def damage(self) -> list[Finding]:
        """What was found, without a torn tail."""
        return [finding for finding in self.findings if finding.is_damage]

    @property
    def torn(self) -> Finding | None:
        """The torn tail, if there is one."""
        return next((finding for finding in self.findings if not finding.is_damage), None)

    def _damage(self, file: str, offset: int, problem: str) -> None:
        self.findings.append(Finding(file, offset, self.last_epoch + 1, problem, True))

    def _header(self, number: int) -> SegmentHeader | str:
        """A segment's header, or what is wrong with it.  Raises IncompatibleFormat."""
        name = segment_name(number)
        try:
            header = unpack_segment_header(read_file(self.disk, name, SEGMENT_HEADER_BYTES), name)
        except ValueError as problem:
            return str(problem)
        if header.cluster_id != self.cluster_id:
            return "it belongs to another database"
        if header.number != number:
            return f"it is segment {header.number} under another name"
        size = file_size(self.disk, name)
        return header if size == header.size else f"the file has {size} bytes instead of {header.size}"

    def _segment(
        self, number: int, header: SegmentHeader | str, following: SegmentHeader | str | None, is_last: bool
    ) -> None:
        name = segment_name(number)
        if isinstance(header, SegmentHeader):
            self._begin(name, header)
        else:
            self._damage(name, 0, header)
        self.segments.append(Segment(number, file_size(self.disk, name), self.last_epoch))
        self.end, self.is_sealed = SEGMENT_HEADER_BYTES, False
        self.unclaimed.clear()
        if isinstance(following, SegmentHeader):
            if isinstance(header, SegmentHeader) and self._is_settled(following):
                self.expected, self.last_epoch = following.first_group, following.epoch_before
            else:
                self._groups_up_to(following.first_group, number, read_file(self.disk, name))
            return
        data = read_file(self.disk, name)
        self._groups_as_claimed(number, data)
        if is_last:
            self._note_torn(name, data, isinstance(header, SegmentHeader) and header.flags & RECYCLED != 0)

    def _begin(self, name: str, header: SegmentHeader) -> None:
        """Go on from the end of the segment before."""
        if self.expected != UNKNOWN and header.first_group != self.expected:
            self._damage(name, 0, f"it begins with group {header.first_group} instead of {self.expected}")
        self.expected = header.first_group
        self.last_epoch = max(self.last_epoch, header.epoch_before)

    def _is_settled(self, following: SegmentHeader) -> bool:
        return self.from_epoch is not None and following.epoch_before <= self.from_epoch

    def _groups_up_to(self, stop: int, number: int, data: bytes) -> None:
        """Walk over a segment that another one follows, which begins with group `stop`."""
        offset = SEGMENT_HEADER_BYTES
        while True:
            offset = self._run_of_groups(number, data, offset)
            if self.expected == stop:
                return
            offset = self._resume(number, data, offset)
            if offset < 0:
                self.expected = stop
                return

    def _groups_as_claimed(self, number: int, data: bytes) -> None:
        """Walk over the last segment, or one whose successor tells nothing."""
        offset = SEGMENT_HEADER_BYTES
        while True:
            offset = self._run_of_groups(number, data, offset)
            self.end = offset
            if self._largest_claim(number, data, offset) < max(self.expected, 1):
                return
            offset = self._resume(number, data, offset)
            if offset < 0:
                return

    def _run_of_groups(self, number: int, data: bytes, offset: int) -> int:
        """Walk over groups that are as they should be, up to the first place where none is."""
        while True:
            header = group_at(data, offset, number, self.seed) or seal_behind(data, offset, number, self.seed)
            if header is None or self.expected not in (header.number, UNKNOWN) or not body_fits(data, header):
                return offset
            while self.unclaimed and self.unclaimed[0][0] <= header.durable:
                self.unclaimed.popleft()
            offset = header.offset
            self.unclaimed.append((header.number, offset))
            self.expected = header.number + 1
            self.last_epoch = max(self.last_epoch, header.last_epoch)
            self.is_sealed = header.flags & SEAL != 0
            offset += GROUP_HEADER_BYTES + header.size

    def _largest_claim(self, number: int, data: bytes, offset: int) -> int:
        """The last group that anything behind an offset says was durable; 0 when nothing is there."""
        largest = 0
        while True:
            header = next_group(data, offset, number, self.seed)
            if header is None:
                return largest
            largest = max(largest, header.durable)
            offset = header.offset + 1

    def _resume(self, number: int, data: bytes, offset: int) -> int:
        """Note damage, and find the group to go on with; -1 when there is none."""
        group = "a group" if self.expected == UNKNOWN else f"group {self.expected}"
        self._damage(segment_name(number), offset, f"{group} was durable there, and is not")
        header = next_group(data, offset + 1, number, self.seed)
        if header is None:
            return -1
        self.expected = header.number
        return header.offset

    def _note_torn(self, name: str, data: bytes, is_recycled: bool) -> None:
        """A torn tail that shows: in a recycled file what stands behind the end may be older."""
        number = self.segments[-1].number
        shows = next_group(data, self.end, number, self.seed) is not None
        if shows or not (is_recycled or is_zero(data[self.end :])):
            problem = "a torn tail: what was written last, and promised to nobody"
            self.findings.append(Finding(name, self.end, self.last_epoch + 1, problem, False))
