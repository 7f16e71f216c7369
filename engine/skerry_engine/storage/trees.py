"""A sorted set of byte strings: the boundary to the `BTrees` package.

BTrees has no type stubs, so this is the one place that touches it.  Two rules of use come from measurement:

- No iterator is kept.  Every call seeks anew from a key, so that changes between two calls neither repeat nor
  skip keys.
- Descending order is by repeated `maxKey`, because stepping back in a B-tree of this package walks its leaves
  from the first one.  Keys end in an 8-byte row id, so "below key k" is "not above k with its row id less
  one".
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import Any, Final

from BTrees.OOBTree import OOBTree, OOTreeSet  # type: ignore[import-untyped,unused-ignore]

ROW_ID_BYTES: Final = 8


def entry_key(order_key: bytes, row_id: int) -> bytes:
    """The tree's entry for a row: its order key, then its row id,
    so that equal keys stand in row-id order."""
    return order_key + row_id.to_bytes(8, "big")


def entry_row_id(entry: bytes) -> int:
    """The row id in an entry."""
    return int.from_bytes(entry[-8:], "big")


def entry_order_key(entry: bytes) -> bytes:
    """The order key in an entry."""
    return entry[:-8]


class KeyTree:
    """A sorted set of entries."""

    __slots__ = ("_tree", "_insert")

    def __init__(self) -> None:
        self._tree: Any = OOTreeSet()
        self._insert: Any = self._tree.insert

    def __len__(self) -> int:
        return len(self._tree)

    def insert(self, entry: bytes) -> None:
        """Add an entry; adding it twice is harmless."""
        self._insert(entry)

    def insert_many(self, entries: Iterable[bytes]) -> None:
        """Add entries."""
        self._tree.update(entries)

    def discard(self, entry: bytes) -> None:
        """Remove an entry if it is there."""
        try:
            self._tree.remove(entry)
        except KeyError:
            return

    def is_empty(self) -> bool:
        """Whether there is no entry."""
        return not self._tree

    def holds(self, entry: bytes) -> bool:
        """Whether the entry is there."""
        found: bool = entry in self._tree
        return found

    def drop_some(self, limit: int) -> None:
        """Remove up to `limit` entries."""
        for entry in self.ascending(None, None, None, limit):
            self._tree.remove(entry)

    def ascending(
        self, low: bytes | None, high: bytes | None, after: bytes | None, limit: int
    ) -> list[bytes]:
        """Up to `limit` entries e in order, low <= e < high and e > after; None bounds nothing."""
        if after is not None and (low is None or after >= low):
            found = self._tree.keys(after, high, True, high is not None)
        else:
            found = self._tree.keys(low, high, False, high is not None)
        return list(islice(found, limit))

    def descending(
        self, low: bytes | None, high: bytes | None, after: bytes | None, limit: int
    ) -> list[bytes]:
        """Up to `limit` entries e in falling order, low <= e < high and e < after; None bounds nothing."""
        found: list[bytes] = []
        entry = self._below(after if after is not None else high, high)
        while entry is not None and len(found) < limit:
            if low is not None and entry < low:
                break
            found.append(entry)
            entry = self._below(entry, high)
        return found

    def _below(self, bound: bytes | None, high: bytes | None) -> bytes | None:
        """The largest entry strictly below `bound` (and `high`)."""
        tree = self._tree
        if not tree:
            return None
        if bound is None:
            entry: bytes = tree.maxKey()
            return entry
        if high is not None and high < bound:
            bound = high
        try:
            entry = tree.maxKey(bound)
            if entry == bound:
                entry = tree.maxKey(_predecessor(bound))
        except ValueError:  # nothing that small
            return None
        return entry


def _predecessor(entry: bytes) -> bytes:
    """A byte string below `entry` with no entry between the two:
    entries of one order key differ in their row ids."""
    row_id = entry_row_id(entry)
    if row_id == 0:
        return entry[:-8]
    return entry[:-8] + (row_id - 1).to_bytes(8, "big")


class KeyMap:
    """Values by byte strings, sorted."""

    __slots__ = ("_tree",)

    def __init__(self) -> None:
        self._tree: Any = OOBTree()

    def __len__(self) -> int:
        return len(self._tree)

    def get(self, key: bytes, default: object = None) -> Any:
        """The value, or `default`."""
        return self._tree.get(key, default)

    def set(self, key: bytes, value: object) -> None:
        """Keep a value in place of what there was."""
        self._tree[key] = value

    def remove(self, key: bytes) -> None:
        """Forget a key, if it is there."""
        self._tree.pop(key, None)

    def entries(self, low: bytes | None, high: bytes | None, limit: int) -> list[tuple[bytes, Any]]:
        """The first `limit` entries with low <= key < high, ascending."""
        return list(islice(self._tree.items(low, high, False, high is not None), limit))
