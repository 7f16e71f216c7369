"""The log's bytes: segments, groups, records.

    log/00000007.log                      one segment: a file of fixed size, made before it is needed
    ┌──────────────┬─────────┬─────────┬─────────┬ ─ ─ ─ ─ ─ ─ ─ ─ ┐
    │header, 512   │ group 41│ group 42│ group 43│ unused            the rest: zeros, or what stood in the file
    └──────────────┴─────────┴─────────┴─────────┴ ─ ─ ─ ─ ─ ─ ─ ─ ┘   when it was another segment ("recycled")

    group = what one write and one sync bring to the disk: the commits of that moment
    ┌──────────┬────────┬────────┬────────┐
    │header, 64│ record │ record │ record │      record = 4 bytes length, 1 kind, 8 epoch, body
    └──────────┴────────┴────────┴────────┘

All integers are unsigned and big-endian; checksums are CRC-32 as zlib has it.

Segment header                                       Group header
     0   8  magic "skerryLG"                              0   4  magic F1 53 6B 47
     8   4  format version                                4   4  CRC-32 of cluster id and bytes 8 to 63
    12   4  CRC-32 of bytes 0 to 11 and 16 to 511         8   8  number of its segment
    16  16  cluster id                                   16   8  its offset in the segment
    32   8  number of the segment                        24   8  number of the group
    40   8  size of the file                             32   8  number of the last group known to be durable
    48   8  number of the first group                    40   8  largest epoch of the log through this group
    56   8  largest epoch of all earlier segments        48   8  length of the body
    64   4  flags: 1 = recycled                          56   4  CRC-32 of the body
    68 444  zeros                                        60   4  flags: 1 = seal

A seal is a group without records: the mark of a clean stop.  It does not follow the last group at once but within 8192
bytes, so that one bad sector (or page) can't take both the group and what vouches for it.  What is between is unused.

What makes a group valid: magic, checksum, its own place (segment and offset), the number that follows the one before,
and the body's checksum.  Cluster and place are under the checksum, so that what another cluster wrote, or this one
when the file was another segment, is never taken for a group, whatever users have stored.

What proves that a group was durable, so that its absence is damage and no torn tail:
- a valid header of a later group that says so.  It is written with what was known at that moment;
- a segment after it.  A segment is begun only after everything before it was synced, and gets its name only when its
  header is synced too.

What it does not do: know what kinds and bodies mean.  That is the business of whoever appends.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator
from typing import Final, NamedTuple

from skerry_engine.errors import IncompatibleFormat

FORMAT_VERSION: Final = 2
LOG_DIRECTORY: Final = "log"

SEGMENT_MAGIC: Final = b"skerryLG"
SEGMENT_HEADER: Final = struct.Struct(">8sII16sQQQQI")
SEGMENT_HEADER_BYTES: Final = 512
RECYCLED: Final = 1
# What a disk writes whole or not at all.  Sizes of segments are multiples of it.
SECTOR_BYTES: Final = 512

GROUP_MAGIC: Final = b"\xf1SkG"
GROUP_HEADER: Final = struct.Struct(">4sIQQQQQQII")
GROUP_HEADER_BYTES: Final = 64
# The part of a group's header that its checksum covers.
GROUP_CLAIMS: Final = struct.Struct(">QQQQQQII")
SEAL: Final = 1
# How far behind the last group a seal begins at most.
SEAL_REACH_BYTES: Final = 8192

RECORD_HEADER: Final = struct.Struct(">IBQ")
RECORD_HEADER_BYTES: Final = 13

_SEGMENT_NAME: Final = re.compile(r"(\d{8,})\.log")
_SPARE_NAME: Final = re.compile(r"(\d{8,})\.(?:spare|new)")


class Record(NamedTuple):
    """What was appended."""

    kind: int
    epoch: int
    body: bytes


class SegmentHeader(NamedTuple):
    """The head of a segment's file.  `epoch_before`: the largest epoch of all earlier segments."""

    cluster_id: bytes
    number: int
    size: int
    first_group: int
    epoch_before: int
    flags: int


class GroupHeader(NamedTuple):
    """The head of a group.  `durable` is the number of the last group that was known to be durable."""

    segment: int
    offset: int
    number: int
    durable: int
    last_epoch: int
    size: int
    checksum: int
    flags: int


def segment_name(number: int) -> str:
    """The segment's file, relative to the database's directory."""
    return f"{LOG_DIRECTORY}/{number:08d}.log"


def spare_name(number: int) -> str:
    """A file that waits to become a segment."""
    return f"{LOG_DIRECTORY}/{number:08d}.spare"


def unfinished_name(number: int) -> str:
    """A spare file while it is filled with zeros."""
    return f"{LOG_DIRECTORY}/{number:08d}.new"


def segment_number(file_name: str) -> int | None:
    """The number in a name within the log's directory; None when it is no segment's."""
    match = _SEGMENT_NAME.fullmatch(file_name)
    return None if match is None else int(match[1])


def spare_number(file_name: str) -> int | None:
    """The number in the name of a spare or unfinished file; None when it is neither."""
    match = _SPARE_NAME.fullmatch(file_name)
    return None if match is None else int(match[1])


def cluster_seed(cluster_id: bytes) -> int:
    """What the checksums of a cluster's group headers begin with."""
    return zlib.crc32(cluster_id)


def whole_sectors(size: int) -> int:
    """The size, rounded up to whole sectors."""
    return -(-size // SECTOR_BYTES) * SECTOR_BYTES


def pack_segment_header(header: SegmentHeader) -> bytes:
    """512 bytes."""
    cluster_id, number, size, first_group, epoch_before, flags = header

    def packed(checksum: int) -> bytes:
        return SEGMENT_HEADER.pack(
            SEGMENT_MAGIC,
            FORMAT_VERSION,
            checksum,
            cluster_id,
            number,
            size,
            first_group,
            epoch_before,
            flags,
        ).ljust(SEGMENT_HEADER_BYTES, b"\0")

    return packed(_without_checksum(packed(0)))


def _without_checksum(head: bytes) -> int:
    """CRC-32 of a file's head without the four bytes that hold it."""
    return zlib.crc32(head[16:], zlib.crc32(head[:12]))


def unpack_segment_header(head: bytes, name: str) -> SegmentHeader:
    """Raises ValueError, saying what is wrong, and IncompatibleFormat for a newer version's."""
    if len(head) < SEGMENT_HEADER_BYTES:
        raise ValueError("the file is cut short within its header")
    head = head[:SEGMENT_HEADER_BYTES]
    magic, version, checksum, *fields = SEGMENT_HEADER.unpack_from(head)
    if magic != SEGMENT_MAGIC:
        raise ValueError("it does not begin as a log segment does")
    if checksum != _without_checksum(head):
        raise ValueError("the checksum of its header does not fit")
    if version != FORMAT_VERSION:
        raise IncompatibleFormat(
            f"{name} has format version {version}, and this version of Skerry knows {FORMAT_VERSION}",
            hint="Upgrade Skerry.",
        )
    return SegmentHeader(*fields)


def pack_group_header(header: GroupHeader, seed: int) -> bytes:
    """64 bytes."""
    claims = GROUP_CLAIMS.pack(*header)
    return GROUP_MAGIC + zlib.crc32(claims, seed).to_bytes(4, "big") + claims


def group_at(data: bytes, offset: int, segment: int, seed: int) -> GroupHeader | None:
    """The header at an offset of a segment's bytes; None unless it is one that was written for this place."""
    if data[offset : offset + 4] != GROUP_MAGIC or offset + GROUP_HEADER_BYTES > len(data):
        return None
    checksum = int.from_bytes(data[offset + 4 : offset + 8], "big")
    if checksum != zlib.crc32(data[offset + 8 : offset + GROUP_HEADER_BYTES], seed):
        return None
    header = GroupHeader(*GROUP_CLAIMS.unpack_from(data, offset + 8))
    return header if header.segment == segment and header.offset == offset else None


def next_group(
    data: bytes, offset: int, segment: int, seed: int, reach: int | None = None
) -> GroupHeader | None:
    """The first header at or after an offset of a segment's bytes, or within `reach` of it; None if there is none."""
    end = len(data) if reach is None else offset + reach
    while True:
        offset = data.find(GROUP_MAGIC, offset, end)
        if offset < 0:
            return None
        header = group_at(data, offset, segment, seed)
        if header is not None:
            return header
        offset += 1


def seal_behind(data: bytes, offset: int, segment: int, seed: int) -> GroupHeader | None:
    """The seal that belongs to the group which ends at an offset; None when the first group behind is none."""
    header = next_group(data, offset, segment, seed, SEAL_REACH_BYTES)
    return header if header is not None and header.flags & SEAL else None


def body_fits(data: bytes, header: GroupHeader) -> bool:
    """Whether the body that belongs to a header is there, whole, in its segment's bytes."""
    start = header.offset + GROUP_HEADER_BYTES
    if start + header.size > len(data):
        return False
    return zlib.crc32(memoryview(data)[start : start + header.size]) == header.checksum


def records_between(data: bytes, start: int, end: int) -> Iterator[Record]:
    """The records of a body.  Raises ValueError when it is no sequence of records."""
    while start < end:
        if start + RECORD_HEADER_BYTES > end:
            raise ValueError("a record's header is cut short")
        size, kind, epoch = RECORD_HEADER.unpack_from(data, start)
        start += RECORD_HEADER_BYTES
        if start + size > end:
            raise ValueError("a record is cut short")
        yield Record(kind, epoch, data[start : start + size])
        start += size
