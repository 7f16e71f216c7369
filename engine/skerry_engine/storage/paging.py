"""Pages in and out of memory: how a heap's pages are kept in the base, and fetched from it.

A page's block is the MessagePack array of its slots (row_codec.py), rows as they are, unpadded, without the empty
slots at its end; a page that holds nothing is an empty block.  Every page below a storage's page count has a block, so
that a missing one is damage.

`Paging` is what the storages of one database share; a storage made with it is written by checkpoints
(checkpointing.py), and keeps its clean pages in memory only while there is room (page_cache.py).
"""

from __future__ import annotations

from sys import getsizeof
from typing import TYPE_CHECKING, Final

from skerry_engine.base.blocks import page_key
from skerry_engine.errors import DatabaseDamaged
from skerry_engine.storage.heap import EVICTED, PAGE_ROWS, CachedPage, Heap, Pager, Row, Version
from skerry_engine.storage.page_cache import PageCache
from skerry_engine.storage.row_codec import pack_rows, unpack_rows

if TYPE_CHECKING:
    from skerry_engine.abc import Blocks

PAGE_OVERHEAD_BYTES: Final = 850
"""A page without rows: the list, its entry in the cache, their places in dicts."""

ROW_OVERHEAD_BYTES: Final = 64
"""A tuple without values, as the allocator rounds it, with its place in the page."""

VERSION_BYTES: Final = 64
"""What a version takes beside its row."""

NEW_PAGE_BYTES: Final = 8_000
"""What a page is taken for before any page of its storage was measured."""

SAMPLE_SLOTS: Final = 16
"""So many slots of a page are measured where there is no block to go by."""


class Paging:
    """The base and the cache behind the storages of one database."""

    __slots__ = ("blocks", "cache")

    def __init__(self, blocks: Blocks, cache: PageCache) -> None:
        self.blocks: Blocks = blocks
        self.cache: PageCache = cache

    def heap(self, storage_id: int, page_count: int = 0) -> Heap:
        """A heap whose first `page_count` pages are in the base and whose others don't exist yet."""
        pager = BasePager(storage_id, self.blocks, self.cache)
        pager.pages.extend([EVICTED] * page_count)
        return Heap(pager, self.cache.lease(pager))


class BasePager(Pager):
    """Fetches pages from the base, as clean pages of the cache.

    `mean_bytes` is about the size of a page in memory.  A page that is new counts for that much until the next one is
    begun; then it is measured (`_begun`, -1 for none).
    """

    __slots__ = ("storage_id", "blocks", "cache", "mean_bytes", "_begun")

    def __init__(self, storage_id: int, blocks: Blocks, cache: PageCache) -> None:
        super().__init__()
        self.storage_id: int = storage_id
        self.blocks: Blocks = blocks
        self.cache: PageCache = cache
        self.mean_bytes: int = NEW_PAGE_BYTES
        self._begun: int = -1

    def fetch(self, number: int) -> list[object] | None:
        """Put a page that is not in memory, or about to be evicted, into `pages`, and return it; None when it is empty.

        Raises DatabaseDamaged.
        """
        place = self.pages[number]
        if isinstance(place, CachedPage):
            page = place.page
            assert page is not None
            self.pages[number] = page
            place.page = None
            self.cache.revive(place)
            return page
        block = self.blocks.get(page_key(self.storage_id, number))
        if not block:
            self.pages[number] = None
            return None
        page = self._unpacked(number, block)
        entry = CachedPage(self, number, self.measured(page, len(block)))
        entry.page = page
        self.cached[number] = entry
        self.pages[number] = entry
        self.cache.admit(entry)
        return page

    def loads(self) -> int:
        """How many pages were fetched so far, of all heaps with the same cache: what reading has cost."""
        return self.cache.loads

    def _unpacked(self, number: int, block: bytes) -> list[object]:
        try:
            page: list[object] = list(unpack_rows(block))
        except ValueError as error:
            problem = str(error)
        else:
            if len(page) <= PAGE_ROWS:
                page.extend([None] * (PAGE_ROWS - len(page)))
                return page
            problem = f"it holds {len(page)} rows"
        raise DatabaseDamaged(
            f"the base is damaged at page {number} of storage {self.storage_id}: {problem}",
            hint='Run "skerry check" to see all of it, and restore a backup.',
        )

    def measured(self, page: list[object], block_bytes: int) -> int:
        """About how many bytes of memory a page takes whose block has `block_bytes`."""
        rows = PAGE_ROWS - page.count(None)
        fixed = 0
        for slot in page:
            if isinstance(slot, tuple):
                fixed = fixed_bytes(slot)
                break
        size = PAGE_OVERHEAD_BYTES + rows * fixed + block_bytes
        self.mean_bytes = (7 * self.mean_bytes + size) >> 3
        return size

    def touch(self, number: int) -> None:
        """Note that a page becomes dirty, which stands in its place by now."""
        entry = self.cached.pop(number, None)
        if entry is not None:
            size = entry.size_bytes
            self.cache.remove(entry)
            entry.page = None
        elif number in self.writing:  # counted there until the checkpoint is over
            size = 0
        else:
            if self._begun >= 0:
                self._measure_begun(self._begun)
            self._begun = number
            size = self.mean_bytes
        self.dirty[number] = size
        self.cache.add_dirty(size)

    def _measure_begun(self, number: int) -> None:
        """Put right what a new page counts for."""
        page = self.pages[number]
        if number not in self.dirty or number in self.writing or not isinstance(page, list):
            return
        size = sampled_bytes(page)
        self.mean_bytes = (7 * self.mean_bytes + size) >> 3
        self.cache.dirty_bytes += size - self.dirty[number]
        self.dirty[number] = size


def sampled_bytes(page: list[object]) -> int:
    """About how many bytes of memory a page takes, by some of its slots."""
    size = 0
    for position in range(0, PAGE_ROWS, PAGE_ROWS // SAMPLE_SLOTS):
        slot = page[position]
        while isinstance(slot, Version):
            size += VERSION_BYTES
            if slot.row is not None:
                size += row_bytes(slot.row)
            slot = slot.older
        if isinstance(slot, tuple):
            size += row_bytes(slot)
    return PAGE_OVERHEAD_BYTES + size * (PAGE_ROWS // SAMPLE_SLOTS)


def row_bytes(row: Row) -> int:
    """What a row takes in memory."""
    size = ROW_OVERHEAD_BYTES + 8 * len(row)
    for value in row:
        if value is not None and not isinstance(value, bool):
            size += getsizeof(value) + 4
    return size


def fixed_bytes(row: Row) -> int:
    """What a row takes in memory beyond the bytes of its texts."""
    size = ROW_OVERHEAD_BYTES + 8 * len(row)
    for value in row:
        if isinstance(value, (str, bytes)):
            size += 56
        elif value is not None and not isinstance(value, bool):
            size += getsizeof(value) + 4
    return size


def pack_page(rows: list[Row | None]) -> bytes:
    """The block of a page with these rows in its slots."""
    while rows and rows[-1] is None:
        rows.pop()
    return pack_rows(rows) if rows else b""
