"""The log's reading end: open, check, read on.

Opening verifies all that is needed and changes nothing (log/walk.py); what is damaged is refused.  Then
`LogContents.records` gives the records, and `LogContents.writer` goes on behind them:
- What nobody claims is written again and synced before anything depends on it: after a process was killed it may be in
  the system's memory only, and after a failed sync the system may hold it for written.
- A torn tail stays where it is: the next group begins a new segment, which cuts it off.  Were it overwritten, the
  remains of one group could come to stand behind a new one that happens to end where they begin.

What it does not do: know what records mean, or mend damage.
"""

from __future__ import annotations

from collections.abc import Iterator

from skerry_engine.abc import Disk
from skerry_engine.errors import DatabaseError, HistoryNotRetained
from skerry_engine.log.format import (
    GROUP_HEADER_BYTES,
    LOG_DIRECTORY,
    SEGMENT_HEADER_BYTES,
    Record,
    SegmentHeader,
    body_fits,
    cluster_seed,
    group_at,
    records_between,
    seal_behind,
    segment_name,
    spare_number,
    unpack_segment_header,
)
from skerry_engine.log.segment_files import segment_size
from skerry_engine.log.walk import Finding, Walk, file_size, read_file, segment_numbers
from skerry_engine.log.writer import MAX_SPARES, SEGMENT_BYTES, LogEnd, LogWriter, Spare


class LogContents:
    """A log that has been verified.

    From `first_epoch` on every record is there; `last_epoch` is the largest.  `is_sealed`: it was stopped cleanly.
    `torn`: where a write was under way that nobody was promised, if there are traces of it.
    """

    def __init__(self, walk: Walk) -> None:
        self._disk = walk.disk
        self._cluster_id = walk.cluster_id
        self._segments = walk.segments
        self._end = walk.end
        self._unclaimed = walk.unclaimed[0][1] if walk.unclaimed else walk.end
        self._last_group = walk.expected - 1
        self.first_epoch: int = walk.segments[0].epoch_before + 1
        self.last_epoch: int = walk.last_epoch
        self.is_sealed: bool = walk.is_sealed
        self.torn: Finding | None = walk.torn

    def records(self, after: int) -> Iterator[Record]:
        """The records of epochs above `after`, in the order appended, read as they are asked for.

        Raises HistoryNotRetained for what is before `first_epoch`, DatabaseDamaged and OSError.
        """
        return read_records(self._disk, self._cluster_id, after, self._last_group)

    def writer(self, segment_bytes: int = SEGMENT_BYTES) -> LogWriter:
        """Go on behind the last record.  Raises OSError."""
        disk = self._disk
        spares = _spares(disk, segment_size(segment_bytes))
        last = self._segments[-1]
        file = disk.open(segment_name(last.number))
        try:
            if self._unclaimed < self._end:
                file.write(self._unclaimed, file.read(self._unclaimed, self._end - self._unclaimed))
            file.sync()
            disk.sync_directory(LOG_DIRECTORY)
        except OSError:
            file.close()
            raise
        offset = self._end if self.torn is None else last.size
        end = LogEnd(offset, self._last_group, self.last_epoch, self.is_sealed)
        return LogWriter(disk, self._cluster_id, segment_bytes, self._segments, spares, file, end)


def open_log(disk: Disk, cluster_id: bytes, from_epoch: int) -> LogContents:
    """Verify the log of a database whose base holds everything through `from_epoch`.  Changes nothing.

    Segments in which all is older are not looked into: they are verified when they are read.  Raises DatabaseDamaged
    for the first damage, IncompatibleFormat and OSError.
    """
    walk = Walk(disk, cluster_id, from_epoch).run()
    if walk.damage:
        raise walk.damage[0].as_error()
    first, last = walk.segments[0], walk.segments[-1]
    if first.epoch_before > from_epoch:
        name = segment_name(first.number - 1)
        raise Finding(name, 0, from_epoch + 1, "missing, and the base does not hold it", True).as_error()
    if walk.last_epoch < from_epoch:
        problem = f"the log ends with epoch {walk.last_epoch}, though the base holds epoch {from_epoch}"
        raise Finding(segment_name(last.number), walk.end, walk.last_epoch + 1, problem, True).as_error()
    return LogContents(walk)


def check_log(disk: Disk, cluster_id: bytes | None) -> list[Finding]:
    """Everything that is wrong with a log, in order, and a torn tail.  Changes nothing.

    None for a database whose control file does not tell: then the first segment that can be read does.  Raises
    IncompatibleFormat and OSError.
    """
    if cluster_id is None:
        headers = (_header(disk, number) for number in segment_numbers(disk))
        cluster_id = next((header.cluster_id for header in headers if header is not None), bytes(16))
    return Walk(disk, cluster_id).run().findings


def read_records(disk: Disk, cluster_id: bytes, after: int, through_group: int) -> Iterator[Record]:
    """The records of epochs above `after` up to a group that is durable, in the order appended.

    A writer may go on meanwhile, and give up segments.  Raises HistoryNotRetained when what is asked for is gone or
    goes, DatabaseDamaged and OSError.
    """
    seed = cluster_seed(cluster_id)
    number, group = _segment_after(disk, after)
    while group <= through_group:
        name = segment_name(number)
        try:
            data = read_file(disk, name)
        except FileNotFoundError as problem:
            raise _gone(disk, number, 0, after, "missing") from problem
        offset = SEGMENT_HEADER_BYTES
        while group <= through_group:
            header = group_at(data, offset, number, seed) or seal_behind(data, offset, number, seed)
            if header is None or header.number != group or not body_fits(data, header):
                break
            offset = header.offset + GROUP_HEADER_BYTES
            try:
                for record in records_between(data, offset, offset + header.size):
                    if record.epoch > after:
                        yield record
            except ValueError as problem:
                raise _gone(disk, number, offset, after, str(problem)) from problem
            offset += header.size
            group += 1
        if group <= through_group and _first_group(disk, number + 1) != group:
            raise _gone(disk, number, offset, after, f"group {group} was durable there, and is not")
        number += 1


def _header(disk: Disk, number: int) -> SegmentHeader | None:
    """A segment's header; None when it is not there or damaged."""
    name = segment_name(number)
    try:
        return unpack_segment_header(read_file(disk, name, SEGMENT_HEADER_BYTES), name)
    except (FileNotFoundError, ValueError):
        return None


def _first_group(disk: Disk, number: int) -> int | None:
    header = _header(disk, number)
    return None if header is None else header.first_group


def _segment_after(disk: Disk, epoch: int) -> tuple[int, int]:
    """The segment with the first record above an epoch, and its first group."""
    for number in reversed(segment_numbers(disk)):
        header = _header(disk, number)
        if header is not None and header.epoch_before <= epoch:
            return number, header.first_group
    raise _not_retained(epoch)


def _not_retained(epoch: int) -> HistoryNotRetained:
    return HistoryNotRetained(f"what was committed after epoch {epoch} is not retained any more")


def _gone(disk: Disk, number: int, offset: int, after: int, problem: str) -> DatabaseError:
    """Why a segment can't be read: it was given up meanwhile, or it is damaged."""
    numbers = segment_numbers(disk)
    if numbers and number < numbers[0]:
        return _not_retained(after)
    return Finding(segment_name(number), offset, after + 1, problem, True).as_error()


def _spares(disk: Disk, size: int) -> list[Spare]:
    """The files that wait to be segments; those of no use are removed."""
    spares: list[Spare] = []
    for file_name in disk.list(LOG_DIRECTORY):
        if spare_number(file_name) is None:
            continue
        name = f"{LOG_DIRECTORY}/{file_name}"
        if name.endswith(".spare") and file_size(disk, name) == size and len(spares) < MAX_SPARES:
            spares.append(Spare(name, size, True))
        else:
            disk.remove(name)
    return spares
