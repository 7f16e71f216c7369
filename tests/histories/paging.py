"""Indexes over leaves while histories run: at random moments a checkpoint begins, goes on, ends well or badly.

The tables' rows stay in memory.  The base is one in memory, too; what is in it shows in histories only when an index
forgets, repeats or invents an entry.
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

from support.memory_blocks import MemoryBlocks

from skerry_engine.storage.index import Index
from skerry_engine.storage.leaf_cache import LeafCache
from skerry_engine.storage.leaf_merge import SIZES, Block, check_leaves
from skerry_engine.storage.paged_index import PagedIndex
from skerry_engine.storage.table import TableStorage

BUDGET_BYTES = 20_000


class IndexPaging:
    """The base of one world's indexes, and its checkpoints."""

    def __init__(self) -> None:
        self.blocks = MemoryBlocks()
        self.cache = LeafCache(BUDGET_BYTES)
        self._random = Random(0)
        self._taking_part: list[PagedIndex] = []
        self._slices: Iterator[list[Block]] | None = None
        self._written: list[Block] = []

    def reset(self, seed: object, storages: list[TableStorage]) -> None:
        """Empty the base and the indexes; what happens from now on depends on `seed`."""
        self._random = Random(repr(seed))
        self._slices = None
        self._taking_part = []
        for storage in storages:
            for index in storage.indexes.values():
                if isinstance(index, PagedIndex):
                    index.close()
                    index.leaves = index.frozen = None
                    index.clear()
        self.blocks.__init__()  # type: ignore[misc]

    def between_units(self, storages: list[TableStorage]) -> None:
        """Perhaps do a part of a checkpoint."""
        random = self._random
        if random.random() < 0.4:
            return
        if random.random() < 0.1:
            self.cache.set_budget(0)
            self.cache.set_budget(BUDGET_BYTES)
        if self._slices is None:
            self._begin(storages)
        elif random.random() < 0.5:
            self._written += next(self._slices, [])
        else:
            self._end(storages, random.random() < 0.9)

    def finish(self, storages: list[TableStorage]) -> None:
        """Let all entries be in the base."""
        if self._slices is not None:
            self._end(storages, True)
        self._begin(storages)
        self._end(storages, True)

    def _begin(self, storages: list[TableStorage]) -> None:
        indexes = [index for storage in storages for index in storage.indexes.values()]
        self._taking_part = [
            index for index in indexes if isinstance(index, PagedIndex) and index.begin_checkpoint()
        ]
        self._slices = (part for index in self._taking_part for part in index.checkpoint_blocks())
        self._written = []

    def _end(self, storages: list[TableStorage], is_committed: bool) -> None:
        assert self._slices is not None
        if is_committed:
            before = SIZES.full_bytes, SIZES.full_entries, SIZES.slice_entries
            SIZES.full_bytes, SIZES.full_entries, SIZES.slice_entries = 150, 6, 4
            for part in self._slices:
                self._written += part
            SIZES.full_bytes, SIZES.full_entries, SIZES.slice_entries = before
            self.blocks.apply(self._written)
        for index in self._taking_part:
            index.end_checkpoint(is_committed)
        self._slices = None


def entries_of(index: Index) -> list[bytes]:
    """All entries of an index."""
    found: list[bytes] = []
    after: bytes | None = None
    while True:
        some, after = index.entries(None, None, after, 1000, False)
        found += some
        if after is None:
            return found


def leaves_differ(index: Index, blocks: MemoryBlocks) -> bool:
    """Whether the base holds other entries than an index that has just been written."""
    held = [entry for part in check_leaves(blocks, index.index_id) for entry in part]
    return held != entries_of(index)
