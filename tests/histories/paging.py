"""A base under histories: at random moments a checkpoint begins, goes on, ends well or badly, and memory is given up.

Rows and index entries go to blocks, come back when they are wanted, and are met while they are on the way.  The base
is one in memory; what is wrong with it shows in histories only when something is forgotten, repeated or invented.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from random import Random
from typing import TYPE_CHECKING

from support.memory_blocks import MemoryBlocks

from skerry_engine.storage.checkpointing import StorageCheckpoint
from skerry_engine.storage.index import Index
from skerry_engine.storage.leaf_cache import LeafCache
from skerry_engine.storage.leaf_merge import SIZES, Block, check_leaves
from skerry_engine.storage.page_cache import PageCache
from skerry_engine.storage.paged_index import PagedIndex
from skerry_engine.storage.paging import Paging
from skerry_engine.storage.table import TableStorage

if TYPE_CHECKING:
    from skerry_engine.txn.manager import TransactionManager
    from skerry_engine.txn.transaction import Transaction

BUDGET_BYTES = 20_000


class BaseBeneath:
    """The base of one world, and its checkpoints."""

    def __init__(self) -> None:
        self.blocks = MemoryBlocks()
        self.leaf_cache = LeafCache(BUDGET_BYTES)
        self.page_cache = PageCache(BUDGET_BYTES)
        self._random = Random(0)
        self._checkpoint: Checkpoint | None = None

    def reset(self, seed: object, storages: Iterable[TableStorage]) -> None:
        """Empty the base, the storages and their indexes; what happens from now on depends on `seed`."""
        self._random = Random(repr(seed))
        if self._checkpoint is not None:
            self._checkpoint.leave()
            self._checkpoint = None
        self.blocks.clear()
        paging = Paging(self.blocks, self.page_cache)
        for storage in storages:
            storage.heap = paging.heap(storage.storage_id)
            for index in storage.indexes.values():
                assert isinstance(index, PagedIndex)
                index.close()
                index.leaves = index.frozen = None
                index.clear()

    def between_units(self, manager: TransactionManager, storages: Iterable[TableStorage]) -> None:
        """Perhaps do a part of a checkpoint, or give up memory."""
        random = self._random
        if random.random() < 0.1:
            self.evict()
        if random.random() < 0.4:
            return
        if self._checkpoint is None:
            self._checkpoint = Checkpoint(self.blocks, manager, storages)
        elif random.random() < 0.5:
            self._checkpoint.go_on()
        else:
            self._end(random.random() < 0.9)

    def come_to_rest(self, manager: TransactionManager, storages: Iterable[TableStorage]) -> None:
        """Let everything be in the base, and nothing in memory that need not be."""
        if self._checkpoint is not None:
            self._end(True)
        manager.gc()
        self._checkpoint = Checkpoint(self.blocks, manager, storages)
        self._end(True)
        self.evict()

    def evict(self) -> None:
        """Give up what is clean."""
        self.leaf_cache.set_budget(0)
        self.leaf_cache.set_budget(BUDGET_BYTES)
        self.page_cache.budget_bytes = 0
        self.page_cache.make_room(1000)
        self.page_cache.budget_bytes = BUDGET_BYTES

    def _end(self, is_committed: bool) -> None:
        assert self._checkpoint is not None
        if is_committed:
            self._checkpoint.commit()
        else:
            self._checkpoint.fail()
        self._checkpoint = None


class Checkpoint:
    """One checkpoint, of those storages and indexes that have a base."""

    def __init__(
        self, blocks: MemoryBlocks, manager: TransactionManager, storages: Iterable[TableStorage]
    ) -> None:
        self.blocks = blocks
        self.reader: Transaction = manager.begin("snapshot", read_only=True, take_snapshot=True)
        assert self.reader.snapshot == manager.last_epoch
        self.parts: list[StorageCheckpoint] = []
        self.indexes: list[PagedIndex] = []
        for storage in storages:
            if storage.heap.pager is not None:
                self.parts.append(StorageCheckpoint(storage, manager.last_epoch))
            for index in storage.indexes.values():
                if isinstance(index, PagedIndex) and index.begin_checkpoint():
                    self.indexes.append(index)
        self.slices: Iterator[list[Block]] = chain(
            *[part.collect() for part in self.parts], *[index.checkpoint_blocks() for index in self.indexes]
        )
        self.written: list[Block] = []

    def go_on(self) -> None:
        """Collect one slice, of small leaves."""
        before = SIZES.full_bytes, SIZES.full_entries, SIZES.slice_entries
        SIZES.full_bytes, SIZES.full_entries, SIZES.slice_entries = 150, 6, 4
        self.written += next(self.slices, [])
        SIZES.full_bytes, SIZES.full_entries, SIZES.slice_entries = before

    def commit(self) -> None:
        """Collect the rest, and make it the base."""
        for blocks in self.slices:
            self.written += blocks
        self.blocks.apply(self.written)
        for index in self.indexes:
            index.end_checkpoint(True)
        for part in self.parts:
            for _ in part.settle():
                pass
        self.leave()

    def fail(self) -> None:
        """The base stays what it was."""
        for index in self.indexes:
            index.end_checkpoint(False)
        for part in self.parts:
            part.give_back()
        self.leave()

    def leave(self) -> None:
        """Give up the snapshot."""
        self.reader.rollback()


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
    assert isinstance(index, PagedIndex)
    held = [entry for part in check_leaves(blocks, index.leaf_id) for entry in part]
    return held != entries_of(index)
