"""docs/file-format.md is right about the base: a real one, read by the page alone."""

from __future__ import annotations

import re
import zlib
from decimal import Decimal
from pathlib import Path

import lmdb
import msgpack  # type: ignore[import-untyped,unused-ignore]
from support.base_writing import CLUSTER, checkpoint

from skerry_engine.base.environment import Base
from skerry_engine.storage.checkpointing import StorageCheckpoint
from skerry_engine.storage.leaf_cache import LeafCache
from skerry_engine.storage.page_cache import PageCache
from skerry_engine.storage.paged_index import PagedIndex
from skerry_engine.storage.paging import Paging
from skerry_engine.storage.table import TableStorage
from skerry_engine.values import oids
from skerry_engine.values.keys import KeyCodec, KeyColumn

PAGE = (Path(__file__).parents[3] / "docs" / "file-format.md").read_text(encoding="utf-8")

ROWS = {
    64: (1, "größe", None, True),
    70: (-(2**63), 1.5, b"\x00\xff", ("a", None)),
    200: (2**70, Decimal("-1.50"), -(2**80), Decimal("NaN")),
}


def fields(data: bytes) -> dict[str, bytes]:
    """The root record's fields by what the page says of them; it must leave no byte out."""
    table = PAGE.split("<!-- layout: base -->\n")[1].split("\n\n")[0]
    rows = re.findall(r"^\| (\d+) \| (\d+) \| (.*) \|$", table, re.MULTILINE)
    found = {}
    end = 0
    for offset, size, meaning in rows:
        assert int(offset) == end
        end += int(size)
        found[meaning] = data[int(offset) : end]
    assert end == len(data)
    return found


def extension(code: int, data: bytes) -> object:
    """The table of values, its last two lines."""
    assert "extension type 1: its digits in ASCII" in PAGE
    assert "extension type 2: two's complement, big-endian" in PAGE
    return Decimal(data.decode("ascii")) if code == 1 else int.from_bytes(data, "big", signed=True)


def test_a_base_reads_as_the_page_says(tmp_path: Path) -> None:
    base = Base(str(tmp_path / "base"), CLUSTER)
    storage = TableStorage(7, 4, False, Paging(base, PageCache()))
    storage.restore_rows(list(ROWS), list(ROWS.values()))
    part = StorageCheckpoint(storage, 12)
    blocks = [block for some in part.collect() for block in some]
    checkpoint(base, 12, list(blocks), [("name", b"anything")])
    base.close()
    with lmdb.open(str(tmp_path / "base"), readonly=True, max_dbs=2) as environment:
        trees = [environment.open_db(name, create=False) for name in (b"blocks", b"sums")]
        with environment.begin() as transaction:
            root = transaction.get(b"base")
            blocks_there, sums = [dict(transaction.cursor(db=tree)) for tree in trees]
    assert root is not None
    found = fields(root)
    assert found["magic: `skerryBS`"] == b"skerryBS"
    assert found["format version: 2"] == b"\0\0\0\x02"
    assert found["cluster id"] == CLUSTER
    assert found["CRC-32 of all other bytes of the record"] == zlib.crc32(root[:12] + root[16:]).to_bytes(
        4, "big"
    )
    (epoch,) = [value for meaning, value in found.items() if meaning.startswith("the epoch")]
    assert int.from_bytes(epoch, "big") == 12
    assert sums == {key: zlib.crc32(key + block).to_bytes(4, "big") for key, block in blocks_there.items()}
    assert blocks_there.pop(b"mname") == b"anything"
    rows = {}
    for number in range(4):
        block = blocks_there.pop(b"p" + (7).to_bytes(8, "big") + number.to_bytes(8, "big"))
        assert number != 2 or block == b""
        slots = msgpack.unpackb(block, use_list=False, ext_hook=extension) if block else ()
        rows |= {64 * number + slot: row for slot, row in enumerate(slots) if row is not None}
    assert not blocks_there
    assert str(rows) == str(ROWS)  # as text, for NaN


def test_leaves_read_as_the_page_says(tmp_path: Path) -> None:
    """Keys of one length and of many, in more than one leaf: fences that join, and every entry."""
    base = Base(str(tmp_path / "base"), CLUSTER)
    expected: dict[int, list[bytes]] = {}
    blocks: list[tuple[bytes, bytes | None]] = []
    for number, type_oid, values in (
        (21, oids.INT8, list(range(5000))),
        (22, oids.TEXT, ["x" * (n % 700) + str(n) for n in range(900)]),
        (23, oids.INT8, []),
    ):
        codec = KeyCodec([KeyColumn(type_oid)])
        index = PagedIndex(number, lambda row: row, codec, False, True, None, base, LeafCache(0))
        for row_id, value in enumerate(values):
            index.add((value,), row_id)
        expected[number] = sorted(
            codec.order_key((value,)) + row_id.to_bytes(8, "big") for row_id, value in enumerate(values)
        )
        assert index.begin_checkpoint()
        blocks += [block for part in index.checkpoint_blocks() for block in part]
    checkpoint(base, 1, blocks)
    base.close()
    with lmdb.open(str(tmp_path / "base"), readonly=True, max_dbs=2) as environment:
        tree = environment.open_db(b"blocks", create=False)
        with environment.begin() as transaction:
            there = list(transaction.cursor(db=tree))
    for number, entries in expected.items():
        prefix = b"i" + number.to_bytes(8, "big")
        fence: bytes | None = b""
        found: list[bytes] = []
        for key, block in there:
            if key.startswith(prefix):
                low, high, shared, size, rest = msgpack.unpackb(block)
                assert key == prefix + low and low == fence and len(low) <= 502
                suffixes = [rest[at : at + size] for at in range(0, len(rest), size)] if size else rest
                inside = [shared + suffix for suffix in suffixes]
                assert all(low <= entry and (high is None or entry < high) for entry in inside)
                found += inside
                fence = high
        assert fence is None and found == entries
