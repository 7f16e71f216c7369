"""An index of which most is in the base: what was changed lately is in memory, over leaves.

    current   equal, ordered     entries added since the last checkpoint began
              gone, removed      entries removed since then that may stand below
    frozen    the same four      while a checkpoint writes them into the leaves
    leaves    in the base        read through a cache (leaf_cache.py)

What the index holds is (leaves - frozen.removed + frozen.ordered) - removed + ordered; `equal` and `gone` say the
same by equality key.  An entry is never both added and removed in one layer.

A checkpoint:

    begin_checkpoint     the current layer becomes the frozen one; at the moment of the checkpoint's snapshot
    checkpoint_blocks    slices of blocks that make the leaves hold it; others read and change the index meanwhile
    end_checkpoint       the frozen layer goes (the base has it now), or is folded back (it has not)
    release_some         its memory is given back, some at a time

Entries are always rechecked against the visible row.  The base may have entries for versions that did not outlive a
restart: those that an unfinished commit had installed, or a snapshot kept.  They are met as candidates, and go with
the next checkpoint (`forget`).

An index has no leaves before its first checkpoint.  One without changes has nothing for a checkpoint to do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final

from skerry_engine.storage.heap import Row
from skerry_engine.storage.index import NO_KEY, Index, add_equal, equal_ids, remove_equal
from skerry_engine.storage.leaf_cache import IndexLeaves, LeafCache
from skerry_engine.storage.leaf_merge import Block, drop_blocks, merge_blocks
from skerry_engine.storage.trees import KeyTree, entry_key

if TYPE_CHECKING:
    from skerry_engine.abc import Blocks
    from skerry_engine.values.keys import KeyCodec

ENTRY_BYTES: Final = 150
"""About what an entry takes in a layer, in the dict and in the tree, its own bytes left out."""

ANY_ROW: Final = 1 << 62
"""Above every row id."""

FOLD_BATCH: Final = 1000


class Layer:
    """Changes to an index: entries added and entries removed, each by equality key and in order."""

    __slots__ = ("equal", "ordered", "gone", "removed", "size_bytes")

    def __init__(
        self,
        equal: dict[object, object],
        ordered: KeyTree,
        gone: dict[object, object],
        removed: KeyTree,
        size_bytes: int,
    ) -> None:
        self.equal: dict[object, object] = equal
        self.ordered: KeyTree = ordered
        self.gone: dict[object, object] = gone
        self.removed: KeyTree = removed
        self.size_bytes: int = size_bytes

    def is_empty(self) -> bool:
        """Whether nothing was changed."""
        return self.ordered.is_empty() and self.removed.is_empty()

    def drop_some(self, limit: int) -> None:
        """Forget up to `limit` entries of each kind; the layer is not used any more."""
        self.ordered.drop_some(limit)
        self.removed.drop_some(limit)
        for entered in (self.equal, self.gone):
            for _ in range(min(limit, len(entered))):
                entered.popitem()


class PagedIndex(Index):
    """An index over leaves in the base.  Reading and checkpoints may raise DatabaseDamaged."""

    __slots__ = (
        "leaf_id",
        "replaced",
        "leaves",
        "frozen",
        "gone",
        "removed",
        "delta_bytes",
        "_blocks",
        "_cache",
        "_top_row_id",
        "_rows_below",
        "_released",
    )

    def __init__(
        self,
        index_id: int,
        extract: Callable[[Row], Row | None],
        codec: KeyCodec,
        unique: bool,
        nulls_distinct: bool,
        positions: tuple[int, ...] | None,
        blocks: Blocks,
        cache: LeafCache,
        storage_id: int = 0,
    ) -> None:
        super().__init__(index_id, extract, codec, unique, nulls_distinct, positions)
        self.is_paged = True
        self.leaf_id: int = storage_id << 32 | index_id
        """The number that its leaves have: generations of a table have indexes of the same OIDs, each its own."""
        self.replaced: PagedIndex | None = None
        """While this index is being built anew: the one that still stands in the base, and is to be written."""
        self.leaves: IndexLeaves | None = None
        self.frozen: Layer | None = None
        self.gone: dict[object, object] = {}
        self.removed: KeyTree = KeyTree()
        self.delta_bytes: int = 0
        """About how much memory the current layer takes."""
        self._blocks: Blocks = blocks
        self._cache: LeafCache = cache
        self._top_row_id: int = -1  # of the entries added to the current layer
        self._rows_below: int = 0  # the leaves and the frozen layer have only row ids less than this
        self._released: Layer | None = None

    def open_leaves(self, rows_below: int = ANY_ROW) -> None:
        """The base has this index: to be called at open, before anything else.

        `rows_below` is above every row id that its entries have, as the table's next row id was at the checkpoint.
        Raises DatabaseDamaged when the base does not have it.
        """
        self.leaves = IndexLeaves(self.leaf_id, self.codec, self._blocks, self._cache)
        self.leaves.find(b"")
        self._rows_below = rows_below

    def stand(self) -> None:
        """What it replaced is gone for good."""
        self.replaced = None

    def standing(self) -> PagedIndex:
        """The index that a checkpoint writes: this one, once its building can't be undone any more."""
        return self if self.replaced is None else self.replaced

    def close(self) -> None:
        """Give back what the cache keeps: the index was dropped.  Its blocks go with `drop_blocks`.

        Whoever still reads it gets what there is, or, when the blocks are gone, DatabaseDamaged.
        """
        if self.leaves is not None:
            self.leaves.close()

    # --- changing -------------------------------------------------------------------------------------------

    def add(self, row: Row, row_id: int) -> None:
        """Add the entries of a version of `row_id`; adding twice is harmless."""
        values = self.values(row)
        if values is None:
            return
        key = self.codec.equality_key(values)
        entry = entry_key(self.codec.order_key(values), row_id)
        add_equal(self.equal, key, row_id)
        self.ordered.insert(entry)
        self.delta_bytes += ENTRY_BYTES + len(entry)
        if row_id > self._top_row_id:
            self._top_row_id = row_id
        if self.gone:
            remove_equal(self.gone, key, row_id)
        if not self.removed.is_empty():
            self.removed.discard(entry)

    def remove(self, row: Row, row_id: int) -> None:
        """Remove the entries of a version of `row_id`, if they are there."""
        values = self.values(row)
        if values is None:
            return
        key = self.codec.equality_key(values)
        entry = entry_key(self.codec.order_key(values), row_id)
        remove_equal(self.equal, key, row_id)
        self.ordered.discard(entry)
        if row_id < self._rows_below:
            add_equal(self.gone, key, row_id)
            self.removed.insert(entry)
            self.delta_bytes += ENTRY_BYTES + len(entry)

    def clear(self) -> None:
        """Forget all entries that are in memory."""
        super().clear()
        self.gone = {}
        self.removed = KeyTree()
        self.delta_bytes = 0

    # --- reading --------------------------------------------------------------------------------------------

    def candidates(self, key: object) -> list[int]:
        """The row ids entered under equality key `key`, ascending; each needs the recheck."""
        if key is NO_KEY:
            return []
        leaves = self.leaves
        ids = [] if leaves is None else leaves.ids(key)
        frozen = self.frozen
        if frozen is not None:
            ids = _laid_over(frozen.equal, frozen.gone, key, ids)
        return _laid_over(self.equal, self.gone, key, ids)

    def holds(self, key: object) -> bool:
        """Whether a row id is entered under equality key `key`."""
        return key in self.equal or len(self.candidates(key)) > 0

    def count(self, key: object, limit: int) -> int:
        """How many row ids are entered under equality key `key`, or more; counting may stop beyond `limit`."""
        if key is NO_KEY:
            return 0
        total = _count(self.equal, key)
        if self.frozen is not None:
            total += _count(self.frozen.equal, key)
        if self.leaves is not None and total <= limit:
            total += self.leaves.count(key, limit)
        return total

    def loads(self) -> int:
        """How many leaves were read from the base so far, perhaps for others: what reading has cost."""
        return self._cache.loads

    def entries(
        self, low: bytes | None, high: bytes | None, after: bytes | None, limit: int, descending: bool
    ) -> tuple[list[bytes], bytes | None]:
        """Up to `limit` entries e in order (falling if `descending`), low <= e < high and beyond `after`,
        and where to go on, None at the end.  There may be few of them, or none, before the end."""
        leaves = self.leaves
        found: list[bytes] = []
        if leaves is not None:
            if descending:
                found = leaves.descending(low, high, after, limit)
            else:
                found = leaves.ascending(low, high, after, limit)
        frozen = self.frozen
        older: list[bytes] = (
            [] if frozen is None else _some(frozen.ordered, low, high, after, limit, descending)
        )
        newer = _some(self.ordered, low, high, after, limit, descending)
        if older or newer:
            found = sorted({*found, *older, *newer}, reverse=descending)
            del found[limit:]
        place = found[-1] if len(found) >= limit else None
        if frozen is not None and not frozen.removed.is_empty():
            found = _without(found, frozen.removed, newer)
        if not self.removed.is_empty():
            found = _without(found, self.removed, newer)
        return found, place

    def forget(self, entry: bytes) -> None:
        """Have the next checkpoint remove an entry of the leaves of which no version is left that has its key."""
        if not self.ordered.holds(entry) and not self.removed.holds(entry):
            self.removed.insert(entry)
            self.delta_bytes += ENTRY_BYTES + len(entry)

    # --- checkpoints ----------------------------------------------------------------------------------------

    def begin_checkpoint(self) -> bool:
        """Freeze the current layer.  False: there is nothing to write, and no checkpoint has begun here."""
        assert self.frozen is None
        if self.leaves is not None and self.ordered.is_empty() and self.removed.is_empty():
            return False
        self.frozen = Layer(self.equal, self.ordered, self.gone, self.removed, self.delta_bytes)
        self._rows_below = max(self._rows_below, self._top_row_id + 1)
        self._top_row_id = -1
        self.clear()
        return True

    def checkpoint_blocks(self) -> Iterator[list[Block]]:
        """What makes the base hold the frozen layer, in slices, to be applied in this order."""
        frozen = self.frozen
        assert frozen is not None
        if self.leaves is None:
            # Those of an index of the same number whose definition did not outlive a restart.
            yield from drop_blocks(self._blocks, self.leaf_id)
        yield from merge_blocks(self.leaf_id, self.leaves, frozen.ordered, frozen.removed)

    def end_checkpoint(self, committed: bool) -> None:
        """The base holds the frozen layer now, and `Blocks` shows that; or it does not, and it is current again."""
        frozen = self.frozen
        assert frozen is not None
        self.frozen = None
        if self.leaves is not None:
            self.leaves.switch()
        if not committed:
            self._fold_back(frozen)
            return
        if self.leaves is None:
            self.leaves = IndexLeaves(self.leaf_id, self.codec, self._blocks, self._cache)
        self._released = frozen

    def _fold_back(self, frozen: Layer) -> None:
        """Make the frozen layer with the current one's changes the current one."""
        newer = Layer(self.equal, self.ordered, self.gone, self.removed, self.delta_bytes)
        for entry in _all(newer.ordered):
            frozen.removed.discard(entry)
            frozen.ordered.insert(entry)
        for entry in _all(newer.removed):
            frozen.ordered.discard(entry)
            frozen.removed.insert(entry)
        _move(newer.equal, frozen.equal, frozen.gone)
        _move(newer.gone, frozen.gone, frozen.equal)
        self.equal = frozen.equal
        self.ordered = frozen.ordered
        self.gone = frozen.gone
        self.removed = frozen.removed
        self.delta_bytes = frozen.size_bytes + newer.size_bytes

    def release_some(self, limit: int) -> bool:
        """Give back the memory of up to `limit` entries that a checkpoint is done with; is some left?"""
        layer = self._released
        if layer is None:
            return False
        layer.drop_some(limit)
        if layer.is_empty() and not layer.equal and not layer.gone:
            self._released = None
        return self._released is not None

    def memory_bytes(self) -> int:
        """About how much memory the layers take: what a checkpoint would give back."""
        return self.delta_bytes + (0 if self.frozen is None else self.frozen.size_bytes)


def _laid_over(
    equal: dict[object, object], gone: dict[object, object], key: object, ids: list[int]
) -> list[int]:
    """The row ids under a key with a layer's changes."""
    if ids and gone and key in gone:
        without = equal_ids(gone, key)
        ids = [row_id for row_id in ids if row_id not in without]
    if key not in equal:
        return ids
    added = equal_ids(equal, key)
    return sorted({*ids, *added}) if ids else added


def _count(equal: dict[object, object], key: object) -> int:
    found = equal.get(key)
    if found is None:
        return 0
    return len(found) if isinstance(found, set) else 1


def _some(
    tree: KeyTree, low: bytes | None, high: bytes | None, after: bytes | None, limit: int, descending: bool
) -> list[bytes]:
    if tree.is_empty():
        return []
    if descending:
        return tree.descending(low, high, after, limit)
    return tree.ascending(low, high, after, limit)


def _without(entries: list[bytes], removed: KeyTree, added: list[bytes]) -> list[bytes]:
    """The entries that are not in `removed`, or were added after they were removed."""
    again = set(added)
    return [entry for entry in entries if entry in again or not removed.holds(entry)]


def _all(tree: KeyTree) -> Iterator[bytes]:
    """All entries of a tree that does not change meanwhile."""
    after: bytes | None = None
    while True:
        entries = tree.ascending(None, None, after, FOLD_BATCH)
        yield from entries
        if len(entries) < FOLD_BATCH:
            return
        after = entries[-1]


def _move(source: dict[object, object], into: dict[object, object], out_of: dict[object, object]) -> None:
    """Enter a layer's row ids in the one below, and take them out of its opposite."""
    for key in source:
        for row_id in equal_ids(source, key):
            add_equal(into, key, row_id)
            remove_equal(out_of, key, row_id)
