"""The base's layout: what stands in its file, under which keys, and how damage shows.

The base is one LMDB environment of three B-trees:

    root     "base" -> RootRecord: format version, cluster id, epoch of the checkpoint     one record
    blocks   key -> the block's bytes
    sums     key -> CRC-32 of key and block                                                in step with `blocks`

and its keys are

    "m" name                                    metadata: the catalog, the list of storages, ...
    "p" storage id (8) page number (8)          64 slots of a table's rows
    "i" storage id (4) index id (4) low fence   a leaf of an index

numbers big-endian, so that key order is numeric order.

Why checksums stand apart.  LMDB has none, and a flipped bit may turn a pointer between its pages to a page that is
free but still holds what was right some checkpoints ago: a block with its own checksum beside it would pass (2 of
4,000 flips in page headers did; apart, none of 11,000).  A block and its sum are reached on two paths that share
nothing but the page of the root record, which names the epoch; the log knows the epoch, too, and says so to `Base`.

What it does not do: know what is in a block.
"""

from __future__ import annotations

import struct
import zlib
from typing import Final

FORMAT_VERSION: Final = 2
"""The base's format; it changes with every change of what this module draws, or of what blocks hold."""

META: Final = b"m"
PAGE: Final = b"p"
LEAF: Final = b"i"

MAX_KEY_BYTES: Final = 511
ROOT_KEY: Final = b"base"

_ROOT = struct.Struct(">8sII16sQ")
_ROOT_MAGIC: Final = b"skerryBS"


class RootRecord:
    """What a base is: its format, whose it is, and the epoch whose state it holds (0: nothing yet)."""

    __slots__ = ("format_version", "cluster_id", "epoch")

    def __init__(self, format_version: int, cluster_id: bytes, epoch: int) -> None:
        self.format_version: int = format_version
        self.cluster_id: bytes = cluster_id
        self.epoch: int = epoch

    def pack(self) -> bytes:
        """Its bytes, with their checksum."""
        data = _ROOT.pack(_ROOT_MAGIC, self.format_version, 0, self.cluster_id, self.epoch)
        return data[:12] + _root_sum(data).to_bytes(4, "big") + data[16:]


def _root_sum(data: bytes) -> int:
    """The checksum of all that is not the checksum."""
    return zlib.crc32(data[16:], zlib.crc32(data[:12]))


def unpack_root(data: bytes) -> RootRecord:
    """The record that `pack` made; of a newer format only `format_version` need be right.

    Raises ValueError for anything else.
    """
    if len(data) < _ROOT.size:
        raise ValueError("its root record is too short")
    magic, version, checksum, cluster_id, epoch = _ROOT.unpack(data[: _ROOT.size])
    if checksum != _root_sum(data):
        raise ValueError("its root record does not fit its checksum")
    if magic != _ROOT_MAGIC:
        raise ValueError("it is not a base of Skerry")
    return RootRecord(version, cluster_id, epoch)


def meta_key(name: str) -> bytes:
    """The key of a piece of metadata."""
    return META + name.encode("utf-8")


def page_key(storage_id: int, number: int) -> bytes:
    """The key of a page of rows."""
    return PAGE + storage_id.to_bytes(8, "big") + number.to_bytes(8, "big")


def page_prefix(storage_id: int) -> bytes:
    """What the keys of a storage's pages begin with."""
    return PAGE + storage_id.to_bytes(8, "big")


def leaf_prefix(leaf_id: int) -> bytes:
    """What the keys of an index's leaves begin with; the id is the storage's and the index's (32 bits each)."""
    return LEAF + leaf_id.to_bytes(8, "big")


def block_sum(key: bytes, block: bytes) -> bytes:
    """The checksum of a block under its key."""
    return zlib.crc32(block, zlib.crc32(key)).to_bytes(4, "big")


def describe_key(key: bytes) -> str:
    """A key in words."""
    kind, rest = key[:1], key[1:]
    if kind == META:
        return f"metadata {rest.decode('utf-8', 'replace')!r}"
    if kind == PAGE and len(rest) == 16:
        return f"page {int.from_bytes(rest[8:], 'big')} of storage {int.from_bytes(rest[:8], 'big')}"
    if kind == LEAF and len(rest) >= 8:
        return f"the leaf at {rest[8:].hex() or 'the start'} of index {int.from_bytes(rest[4:8], 'big')}"
    return f"the block {key.hex()}"
