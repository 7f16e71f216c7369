"""Flipped bits in every byte of every segment: noticed, or provably harmless; never a wrong record.

Harmless is what hits what nobody reads: the unused rest of a segment, and the seal.  In a log that was not sealed, damage
to what was written last can't be told from a torn tail; it is cut off whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random

import pytest
from support.builds import this_builds
from support.crash_disk import CrashDisk

from skerry_engine.errors import DatabaseDamaged, DatabaseError
from skerry_engine.log.format import SEGMENT_HEADER_BYTES, Record
from skerry_engine.log.reader import check_log, open_log
from skerry_engine.log.writer import LogWriter

CLUSTER = bytes(range(16))
SEGMENT = 2560


@dataclass
class Written:
    """A log's files, what stands where, and its records by group."""

    files: dict[str, bytes]
    places: list[tuple[str, int, int]] = field(default_factory=list)
    groups: list[list[Record]] = field(default_factory=list)

    def place_of(self, name: str, offset: int) -> int | None:
        """Which group (a seal is one) has a byte; -1 for a segment's header, None for unused bytes."""
        if offset < SEGMENT_HEADER_BYTES:
            return -1
        for number, (file, start, end) in enumerate(self.places):
            if file == name and start <= offset < end:
                return number
        return None

    def reported(self, place: int) -> int:
        """The offset that damage to it is reported at: a seal is missed where the group before it ends."""
        if place < 0:
            return 0
        return self.places[place][1] - (0 if self.groups[place] else 512)

    def records(self, groups: int) -> list[Record]:
        return [record for group in self.groups[:groups] for record in group]


def write_log(kind: str) -> Written:
    """`sealed`, `open` (all groups synced), `unsynced` (the last two are not), `sealed unsynced`, `recycled` (and
    open), `continued` (sealed, then written on)."""
    disk = CrashDisk()
    random = Random(0)
    log = LogWriter.create(disk, CLUSTER, SEGMENT)
    written = Written({})
    epoch = 0

    def write(sync: bool) -> None:
        nonlocal epoch
        epoch += 1
        records = [Record(n, epoch, random.randbytes(random.choice([0, 30, 350]))) for n in range(2)]
        for record in records:
            log.append(*record)
        group = log.take()
        assert group is not None
        log.write(group, sync)
        name = f"log/{group.segment:08d}.log"
        written.places.append((name, group.offset, group.offset + 64 + len(group.body)))
        written.groups.append(records)

    def seal() -> None:
        segment, offset = log.position
        log.seal()
        written.places.append((f"log/{segment:08d}.log", offset + 512, offset + 576))
        written.groups.append([])

    for _ in range(40 if kind == "recycled" else 9):
        write(True)
        if kind == "recycled":
            log.release_through(epoch - 6)
    if kind == "continued":
        seal()
        log = open_log(disk, CLUSTER, 0).writer(SEGMENT)
        write(True)
    if "unsynced" in kind:
        write(False)
        write(False)
    if kind.startswith("sealed"):
        seal()
    log.close()
    written.files = {name: data for name, data in disk.files.items() if name.endswith(".log")}
    assert len(written.files) >= 3
    return written


def opened(files: dict[str, bytes], after: int) -> list[Record] | DatabaseError:
    disk = CrashDisk(files)
    try:
        return list(open_log(disk, CLUSTER, after).records(after))
    except DatabaseError as error:
        return error


def flip(written: Written, name: str, bit: int) -> dict[str, bytes]:
    data = bytearray(written.files[name])
    data[bit // 8] ^= 1 << bit % 8
    return {**written.files, name: bytes(data)}


def bits(written: Written, name: str) -> Sequence[int]:
    """One bit of every byte that is used, of every tenth that is not, and all bits of the first group's header."""
    size = len(written.files[name])
    random = Random(name)
    some = [offset for offset in range(size) if offset % 10 == 0 or written.files[name][offset]]
    return sorted({8 * offset + random.randrange(8) for offset in some} | set(range(8 * 512, 8 * 576)))


@pytest.mark.parametrize(
    "kind", this_builds(["sealed", "open", "unsynced", "sealed unsynced", "recycled", "continued"])
)
def test_no_flipped_bit_gives_a_wrong_record(kind: str) -> None:
    written = write_log(kind)
    first = min(number for number, place in enumerate(written.places) if place[0] in written.files)
    after = written.groups[first][0].epoch - 1 if kind == "recycled" else 0
    # The groups that something behind them vouches for.
    vouched = len(written.groups) - (2 if kind == "unsynced" else 1)
    wanted = [record for record in written.records(len(written.groups)) if record.epoch > after]
    assert opened(written.files, after) == wanted
    detected = 0
    for name in written.files:
        for bit in bits(written, name):
            place = written.place_of(name, bit // 8)
            files = flip(written, name, bit)
            found = opened(files, after)
            if place is None:
                assert found == wanted
            elif place < vouched:
                assert isinstance(found, DatabaseDamaged)
                assert f"{name} is damaged at offset" in found.message
                damage = check_log(CrashDisk(files), CLUSTER)[0]
                assert (damage.file, damage.offset) == (name, written.reported(place))
                if place >= 0 and written.groups[place]:
                    assert damage.epoch == written.groups[place][0].epoch
                detected += 1
            else:
                assert found == [record for record in written.records(place) if record.epoch > after]
    assert detected > 500


def test_sealed_logs_lose_nothing_to_a_damaged_seal() -> None:
    written = write_log("sealed")
    name, start, _ = written.places[-1]
    contents = open_log(CrashDisk(flip(written, name, 8 * start + 70)), CLUSTER, 0)
    assert not contents.is_sealed
    assert contents.torn is not None
    assert (contents.torn.file, contents.torn.offset) == (name, start - 512)
    assert list(contents.records(0)) == written.records(len(written.groups))


def test_exchanged_and_repeated_pieces_are_noticed() -> None:
    """Sectors that were written to the wrong place, or not at all."""
    written = write_log("sealed")
    wanted = written.records(len(written.groups))
    random = Random(0)
    noticed = 0
    for _ in range(2000):
        source, target = random.choice(list(written.files)), random.choice(list(written.files))
        start, end = 512 * random.randrange(5), 512 * random.randrange(5)
        piece = random.choice([written.files[source][start : start + 512], bytes(512), b"\xff" * 512])
        data = bytearray(written.files[target])
        data[end : end + 512] = piece
        found = opened({**written.files, target: bytes(data)}, 0)
        if isinstance(found, DatabaseDamaged):
            noticed += 1
        else:
            assert found == wanted
    assert noticed > 1000


def test_what_users_store_is_never_taken_for_a_group() -> None:
    """A record whose body is another log's groups, byte for byte, at the offsets where they would be looked for."""
    other = CrashDisk()
    log = LogWriter.create(other, bytes(16), SEGMENT)
    for epoch in range(1, 30):
        log.append(1, epoch, b"not yours")
        group = log.take()
        assert group is not None
        log.write(group, True)
    log.close()
    body = other.files["log/00000001.log"][512 + 77 :]
    disk = CrashDisk()
    log = LogWriter.create(disk, CLUSTER, 2 * SEGMENT)
    log.append(1, 1, body)
    group = log.take()
    assert group is not None
    log.write(group, True)
    log.close()
    data = bytearray(disk.files["log/00000001.log"])
    data[512] ^= 1
    contents = open_log(CrashDisk({"log/00000001.log": bytes(data)}), CLUSTER, 0)
    assert list(contents.records(0)) == []
    assert contents.torn is not None
