"""The leaves of an index: how its entries stand in the base, one block to a leaf.

An entry is an order key and a row id (see trees.py).  The leaves of one index tile the whole key space:

    fences     ""            "c"            "fa"
    leaves     |  a.. b.. b.. |  c.. d..     |  fb.. g.. x..  |  (no end)

A leaf holds every entry e with low <= e < high, so one leaf proves that an entry is absent.  `low` is part of the
block's key, `high` is the next leaf's low; both stand in the block, too.  So a leaf that is missing, or that is
an older one of the same name, shows: by a gap between two leaves, or by a search that ends in a leaf that does
not hold what is searched.

    block key    "i"  index id (8 bytes, big-endian)  low fence
    block        MessagePack: [low fence, high fence or nil, prefix, size, entries]
    entries      what follows the prefix that all entries share: with `size` > 0 bytes, `size` to an entry,
                 with `size` 0 an array of bytes

A fence is no entry but the shortest bytes that part two: above the last entry on its left, not above the first on
its right.  It has at most FENCE_BYTES, since the base's keys have a limit.  Entries that no such fence can part (one
long key many times) stay in one leaf, however large.

What this module does not do: it reads no blocks (paged_index.py) and decides nothing about sizes (leaf_merge.py).
"""

from __future__ import annotations

from bisect import bisect_left
from typing import Final

from skerry_engine.base.blocks import leaf_prefix
from skerry_engine.errors import DatabaseDamaged
from skerry_engine.storage.row_codec import pack, unpack

PREFIX_BYTES: Final = 9
"""How much of a leaf's key stands before its fence."""

FENCE_BYTES: Final = 502
"""What the base's keys (MAX_KEY_BYTES) have room for behind that."""

FOREVER: Final = 1 << 60
"""The generation that a leaf is valid below as long as no checkpoint replaces it."""

_OVERHEAD_BYTES: Final = 500
"""About what a decoded leaf takes beside its entries."""

_ENTRY_OVERHEAD_BYTES: Final = 41
"""What Python adds to an entry that is an object of its own, with the pointer to it."""


def separator(left: bytes, right: bytes) -> bytes:
    """The shortest bytes above `left` and not above `right`, where `left` < `right`."""
    return right[: common_bytes(left, right) + 1]


def common_bytes(left: bytes, right: bytes) -> int:
    """How many bytes two byte strings share at their beginning."""
    shared = min(len(left), len(right))
    if left[:shared] == right[:shared]:
        return shared
    low = 0
    high = shared  # left[:low] == right[:low], left[:high] != right[:high]
    while high - low > 1:
        middle = (low + high) // 2
        if left[low:middle] == right[low:middle]:
            low = middle
        else:
            high = middle
    return low


def fence_below(fence: bytes) -> bytes:
    """The largest bytes of at most FENCE_BYTES below `fence`, which is not empty."""
    last = fence[-1]
    if last == 0:
        return fence[:-1]
    return fence[:-1] + bytes((last - 1,)) + b"\xff" * (FENCE_BYTES - len(fence))


class Leaf:
    """A leaf as read: its fences and its entries, as they stand in the block.

    Entries are numbered in order.  `is_hot` and `valid_below` belong to whoever keeps the leaf in memory.
    """

    __slots__ = (
        "low",
        "high",
        "prefix",
        "size",
        "blob",
        "suffixes",
        "count",
        "weight",
        "is_hot",
        "valid_below",
    )

    def __init__(
        self,
        low: bytes,
        high: bytes | None,
        prefix: bytes,
        size: int,
        blob: bytes,
        suffixes: tuple[bytes, ...],
    ) -> None:
        self.low: bytes = low
        self.high: bytes | None = high
        self.prefix: bytes = prefix
        self.size: int = size
        self.blob: bytes = blob
        self.suffixes: tuple[bytes, ...] = suffixes
        self.count: int = len(blob) // size if size > 0 else len(suffixes)
        weight = _OVERHEAD_BYTES + len(low) + len(prefix) + len(blob)
        for suffix in suffixes:
            weight += _ENTRY_OVERHEAD_BYTES + len(suffix)
        self.weight: int = weight if high is None else weight + len(high)
        """About how many bytes of memory the leaf takes."""
        self.is_hot: bool = False
        self.valid_below: int = FOREVER

    def covers(self, bound: bytes) -> bool:
        """Whether the bytes lie between the fences."""
        return self.low <= bound and (self.high is None or bound < self.high)

    def position(self, bound: bytes) -> int:
        """How many entries are below `bound`."""
        prefix = self.prefix
        shared = len(prefix)
        start = bound[:shared]
        if start != prefix:
            return 0 if start < prefix else self.count
        rest = bound[shared:]
        size = self.size
        if size == 0:
            return bisect_left(self.suffixes, rest)
        blob = self.blob
        low = 0
        high = self.count
        while low < high:
            middle = (low + high) >> 1
            if blob[middle * size : middle * size + size] < rest:
                low = middle + 1
            else:
                high = middle
        return low

    def at(self, number: int) -> bytes:
        """One entry."""
        size = self.size
        if size == 0:
            return self.prefix + self.suffixes[number]
        return self.prefix + self.blob[number * size : number * size + size]

    def slice(self, start: int, stop: int) -> list[bytes]:
        """The entries from number `start` up to but not including number `stop`."""
        prefix = self.prefix
        size = self.size
        if size == 0:
            return [prefix + suffix for suffix in self.suffixes[start:stop]]
        blob = self.blob
        return [prefix + blob[at : at + size] for at in range(start * size, stop * size, size)]


def encode_leaf(low: bytes, high: bytes | None, entries: list[bytes]) -> bytes:
    """The block of a leaf with these entries, which are in order and each there once."""
    if not entries:
        return pack((low, high, b"", 0, ()))
    first = entries[0]
    shared = min(common_bytes(first, entries[-1]), len(first) - 1)
    size = len(first)
    for entry in entries:
        if len(entry) != size:
            return pack((low, high, first[:shared], 0, [entry[shared:] for entry in entries]))
    blob = b"".join([entry[shared:] for entry in entries])
    return pack((low, high, first[:shared], size - shared, blob))


def decode_leaf(index_id: int, key: bytes, block: bytes) -> Leaf:
    """The leaf in a block.  Raises DatabaseDamaged for one that does not belong under `key`."""
    try:
        return _decode(leaf_prefix(index_id), key, block)
    except (ValueError, TypeError) as error:
        raise damaged_index(index_id, f"its leaf at {_shown(key[PREFIX_BYTES:])} {error}") from error


def _decode(prefix: bytes, key: bytes, block: bytes) -> Leaf:
    low, high, shared, size, entries = unpack(block)
    if size > 0:
        leaf = Leaf(low, high, shared, size, entries, ())
    else:
        leaf = Leaf(low, high, shared, 0, b"", entries)
    if key != prefix + leaf.low:
        raise ValueError("is another one")
    if leaf.count > 0:
        first = leaf.at(0)
        last = leaf.at(leaf.count - 1)
        if first > last or not leaf.covers(first) or not leaf.covers(last):
            raise ValueError("has entries beyond its fences")
    return leaf


def damaged_index(index_id: int, what: str) -> DatabaseDamaged:
    """The error for an index whose leaves do not fit together."""
    return DatabaseDamaged(f"index {index_id & 0xFFFFFFFF} is damaged in the base: {what}")


def missing_leaf(index_id: int, bound: bytes) -> DatabaseDamaged:
    """The error for a key that no leaf covers."""
    return damaged_index(index_id, f"no leaf covers {_shown(bound)}")


def _shown(bound: bytes) -> str:
    """Some bytes of a key, for a message."""
    return "its beginning" if not bound else f"key {bound[:40].hex()}"
