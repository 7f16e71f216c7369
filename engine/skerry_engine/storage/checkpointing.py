"""What a checkpoint writes of a table: its dirty pages as of one epoch, in slices.

    in one unit, for all storages        E is the last epoch taken; no commit is half installed
        StorageCheckpoint(storage, E)    takes over the dirty pages, notes the numbers of rows and pages
    in slices, once E is durable
        collect()                        blocks of the pages as E sees them
    in slices, once the base has them, and has been adopted
        settle()                         the pages are clean
    or, if it failed
        give_back()                      the pages are dirty as before

Until the end the caller keeps a snapshot at E, so that what E sees is not collected as garbage.

A page may be clean when the newest content of each of its slots is what E sees.  So a page stays dirty if it is
written after the checkpoint has begun (it gets into `dirty` again), or holds a version newer than E when it is
collected (one that was not committed at the beginning).  Until `settle` the page counts as being written and is
not evicted: the base that is read is still the old one.

What the collector and ROLLBACK do meanwhile matters to nobody: neither changes what E sees, nor the newest content.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from skerry_engine.base.blocks import page_key
from skerry_engine.storage.heap import CachedPage, Row, Version, visible_row
from skerry_engine.storage.paging import BasePager, Paging, pack_page
from skerry_engine.storage.table import TableStorage

SLICE_PAGES: Final = 16
"""Pages packed in one unit: less than a millisecond for rows of common size."""

SLICE_BYTES: Final = 1 << 18
"""A slice ends when its blocks have so many bytes."""

SETTLE_PAGES: Final = 256


class StorageState:
    """What the base's metadata says of a storage; with the base's blocks it is all there is to know of its rows."""

    __slots__ = ("storage_id", "page_count", "row_count", "next_row_id")

    def __init__(self, storage_id: int, page_count: int, row_count: int, next_row_id: int) -> None:
        self.storage_id: int = storage_id
        self.page_count: int = page_count
        self.row_count: int = row_count
        self.next_row_id: int = next_row_id


class StorageCheckpoint:
    """One storage's part in the checkpoint at `epoch`.

    Make it in the unit in which `epoch` is the last epoch taken, after the storage's last checkpoint has ended.
    `state` is the storage's as of `epoch`.
    """

    __slots__ = ("storage", "epoch", "state", "_pager", "_sizes")

    def __init__(self, storage: TableStorage, epoch: int) -> None:
        pager = storage.heap.pager
        assert isinstance(pager, BasePager), "a storage without paging is not written"
        assert not pager.writing, "the last checkpoint has not ended"
        self.storage: TableStorage = storage
        self.epoch: int = epoch
        self.state: StorageState = StorageState(
            storage.storage_id, len(pager.pages), storage.row_count, storage.next_row_id
        )
        self._pager: BasePager = pager
        self._sizes: dict[int, int] = {}
        pager.writing = pager.dirty
        pager.dirty = {}

    def page_count(self) -> int:
        """How many pages there are to write."""
        return len(self._pager.writing)

    def collect(self) -> Iterator[list[tuple[bytes, bytes]]]:
        """The blocks of the pages, slice by slice, in the order of their keys."""
        storage_id = self.storage.storage_id
        blocks: list[tuple[bytes, bytes]] = []
        size = 0
        for number in sorted(self._pager.writing):
            block = self._block(number)
            blocks.append((page_key(storage_id, number), block))
            size += len(block)
            if len(blocks) >= SLICE_PAGES or size >= SLICE_BYTES:
                yield blocks
                blocks = []
                size = 0
        if blocks:
            yield blocks

    def _block(self, number: int) -> bytes:
        """The block of a page, which stays dirty if it has something newer than the epoch."""
        pager = self._pager
        page = pager.pages[number]
        if not isinstance(page, list):
            assert page is None, "a page that is being written stays in memory"
            return b""
        epoch = self.epoch
        rows: list[Row | None] = []
        is_newer = False
        for slot in page:
            if isinstance(slot, Version):
                is_newer = is_newer or slot.stamp.epoch > epoch
                rows.append(visible_row(slot, epoch))
            else:
                rows.append(slot)
        if is_newer and number not in pager.dirty:
            pager.touch(number)
        block = pack_page(rows)
        self._sizes[number] = pager.measured(page, len(block))
        return block

    def settle(self) -> Iterator[None]:
        """Make the pages clean, slice by slice: the base that is read from now on has them."""
        pager = self._pager
        done = 0
        while pager.writing:
            self._settle_page(*pager.writing.popitem())
            done += 1
            if done % SETTLE_PAGES == 0:
                yield

    def _settle_page(self, number: int, size: int) -> None:
        pager = self._pager
        if number in pager.dirty:
            pager.dirty[number] += size
            return
        pager.cache.dirty_bytes -= size
        if pager.pages[number] is not None:
            entry = CachedPage(pager, number, self._sizes[number])
            pager.cached[number] = entry
            pager.cache.keep(entry)

    def give_back(self) -> None:
        """The checkpoint has failed: the base is what it was."""
        pager = self._pager
        # A page that was written meanwhile counts nothing in `dirty`, its size stands in `writing`.
        pager.dirty.update(pager.writing)
        pager.writing = {}


def storage_of_base(state: StorageState, width: int, paging: Paging) -> TableStorage:
    """The storage of which the base knows `state`, all of it in the base."""
    storage = TableStorage(state.storage_id, width, False, paging, state.page_count)
    storage.row_count = state.row_count
    storage.next_row_id = state.next_row_id
    return storage
