"""docs/file-format.md is right: real files, read by its tables alone."""

from __future__ import annotations

import re
import zlib
from pathlib import Path

import pytest

from skerry_engine.log.control import Control, write_control
from skerry_engine.log.disk import OsDisk
from skerry_engine.log.writer import LogWriter

PAGE = (Path(__file__).parents[3] / "docs" / "file-format.md").read_text(encoding="utf-8")
CLUSTER = bytes(range(16))


def layout(name: str) -> list[tuple[int, int, str]]:
    """Offset, length and meaning of each field of a table."""
    table = PAGE.split(f"<!-- layout: {name} -->\n")[1].split("\n\n")[0]
    rows = re.findall(r"^\| (\d+) \| (\d+) \| (.*) \|$", table, re.MULTILINE)
    assert rows
    return [(int(offset), int(size), meaning) for offset, size, meaning in rows]


def fields(name: str, data: bytes) -> dict[str, bytes]:
    return {meaning: data[offset : offset + size] for offset, size, meaning in layout(name)}


def number(found: dict[str, bytes], beginning: str) -> int:
    (value,) = [value for meaning, value in found.items() if meaning.startswith(beginning)]
    return int.from_bytes(value, "big")


@pytest.mark.parametrize(("name", "size"), [("control", 64), ("segment", 512), ("group", 64), ("record", 13)])
def test_a_table_leaves_no_byte_out(name: str, size: int) -> None:
    end = 0
    for offset, length, _ in layout(name):
        assert offset == end
        end += length
    assert end == size


def test_the_control_file(tmp_path: Path) -> None:
    write_control(OsDisk(tmp_path), Control(CLUSTER, 123456789))
    data = (tmp_path / "control").read_bytes()
    found = fields("control", data)
    assert found["magic: `skerryCT`"] == b"skerryCT"
    assert number(found, "format version: 2") == 2
    assert number(found, "CRC-32") == zlib.crc32(data[:12] + data[16:])
    assert found["cluster id: a random UUID (version 4)"] == CLUSTER
    assert number(found, "when the database was made") == 123456789
    assert not number(found, "zeros")
    assert len(data) == 64


def test_segments_groups_and_records(tmp_path: Path) -> None:
    disk = OsDisk(tmp_path)
    log = LogWriter.create(disk, CLUSTER, 4096, last_epoch=99)
    for epoch in range(100, 104):
        log.append(7, epoch, b"first")
        log.append(8, epoch, b"x" * 1000)
        group = log.take()
        assert group is not None
        log.write(group, True)
    log.seal()
    expected, epoch, seals = 1, 99, 0
    for place, path in enumerate(sorted((tmp_path / "log").glob("*.log")), 1):
        data = path.read_bytes()
        head = fields("segment", data)
        assert head["magic: `skerryLG`"] == b"skerryLG"
        assert number(head, "CRC-32") == zlib.crc32(data[:12] + data[16:512])
        assert head["cluster id"] == CLUSTER
        assert number(head, "number of the segment") == place == int(path.stem)
        assert number(head, "size") == len(data)
        assert number(head, "number of the first group") == expected
        assert number(head, "the largest epoch") == epoch
        assert number(head, "zeros") == number(head, "flags") == 0
        offset = 512
        while True:
            # Only a seal may stand later than where the group before it ends.
            start = data.find(b"\xf1\x53\x6b\x47", offset, offset + 8192)
            if start < 0:
                break
            found = fields("group", data[start : start + 64])
            assert number(found, "CRC-32 of the cluster") == zlib.crc32(
                CLUSTER + data[start + 8 : start + 64]
            )
            assert number(found, "number of the segment") == place
            assert number(found, "its offset") == start
            assert number(found, "number of the group") == expected
            assert number(found, "number of the last") == expected - 1
            is_seal = number(found, "flags")
            assert is_seal or start == offset
            seals += is_seal
            epoch += not is_seal
            assert number(found, "the largest epoch") == epoch
            body = data[start + 64 :][: number(found, "length")]
            assert number(found, "CRC-32 of the body") == zlib.crc32(body)
            assert records(body) == ([] if is_seal else [(7, epoch, b"first"), (8, epoch, b"x" * 1000)])
            offset = start + 64 + len(body)
            expected += 1
    assert (expected, epoch, seals) == (6, 103, 1)


def records(body: bytes) -> list[tuple[int, int, bytes]]:
    found = []
    while body:
        head = fields("record", body)
        size = number(head, "length")
        found.append((number(head, "kind"), number(head, "epoch"), body[13 : 13 + size]))
        body = body[13 + size :]
    return found
