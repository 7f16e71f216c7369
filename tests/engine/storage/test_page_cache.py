"""The page cache: what stays in memory, what goes, and what it counts."""

from __future__ import annotations

import gc
import tracemalloc
from decimal import Decimal

import pytest
from support.base_writing import BlocksInMemory
from support.paged_tables import write_at_once

from skerry_engine.base.blocks import page_key
from skerry_engine.errors import DatabaseDamaged
from skerry_engine.storage.checkpointing import StorageCheckpoint, storage_of_base
from skerry_engine.storage.heap import EVICTED, PAGE_ROWS, CommitStamp, Row
from skerry_engine.storage.page_cache import NO_LIMIT, PageCache
from skerry_engine.storage.paging import Paging
from skerry_engine.storage.reader import TableReader
from skerry_engine.storage.row_codec import pack_rows, unpack_rows
from skerry_engine.storage.table import TableStorage

PAGES = 100


def row_of(row_id: int) -> Row:
    return (row_id, f"row {row_id}", row_id * 7)


def filled(paging: Paging, pages: int = PAGES) -> TableStorage:
    """A table of full pages, all in the base and none in memory."""
    blocks = paging.blocks
    assert isinstance(blocks, BlocksInMemory)
    storage = TableStorage(1, 3, False, paging)
    storage.allocate(pages * PAGE_ROWS - 1)
    for row_id in range(1, pages * PAGE_ROWS):
        storage.row_count += storage.install_frozen(row_id, row_of(row_id))
    state = write_at_once(storage, 1, blocks)
    del storage
    paging.cache.make_room(1 << 30)
    assert paging.cache.used_bytes == 0
    return storage_of_base(state, 3, paging)


@pytest.fixture
def paging() -> Paging:
    return Paging(BlocksInMemory(), PageCache())


def in_memory(storage: TableStorage) -> int:
    return sum(place is not None and place is not EVICTED for place in storage.heap.pages)


def scan(storage: TableStorage, epoch: int = 1) -> int:
    reader = TableReader(storage, epoch, None, 1)
    rows, after = 0, -1
    while True:
        batch, after = reader.scan_batch(after, 1000)
        rows += len(batch)
        if after == -1:
            return rows


def test_a_table_of_many_times_the_budget_is_read_within_it(paging: Paging) -> None:
    storage = filled(paging)
    storage.heap.slot(1)
    page_bytes = paging.cache.clean_bytes
    paging.cache.budget_bytes = 10 * page_bytes
    for _ in range(3):
        assert scan(storage) == storage.row_count == PAGES * PAGE_ROWS - 1
        assert paging.cache.used_bytes <= 11 * page_bytes
        assert 5 <= in_memory(storage) <= 12
    reader = TableReader(storage, 1, None, 1)
    for row_id in range(PAGES * PAGE_ROWS - 1, 0, -37):
        assert reader.get(row_id) == row_of(row_id)
        assert paging.cache.used_bytes <= 11 * page_bytes


def test_what_is_read_again_and_again_survives_a_scan(paging: Paging) -> None:
    storage = filled(paging)
    reader = TableReader(storage, 1, None, 1)
    hot = range(1, 5 * PAGE_ROWS, 9)
    reader.get(1)
    paging.cache.budget_bytes = 20 * paging.cache.clean_bytes
    after = -1
    reread = []
    for _ in range(200):
        before = paging.cache.loads
        for row_id in hot:
            assert reader.get(row_id) == row_of(row_id)
        reread.append(paging.cache.loads - before)
        _, after = reader.scan_batch(after, 5 * PAGE_ROWS)
    assert paging.cache.evictions > 500
    assert sum(reread[1:]) <= 10, "hot pages are loaded once"


def test_reading_what_is_in_memory_changes_nothing_in_the_cache(paging: Paging) -> None:
    storage = filled(paging)
    reader = TableReader(storage, 1, None, 1)
    for row_id in (5, 6):
        reader.get(row_id)
    page = storage.heap.pages[0]
    assert isinstance(page, list)
    loads = paging.cache.loads
    for row_id in range(1, PAGE_ROWS):
        reader.get(row_id)
    assert storage.heap.pages[0] is page and paging.cache.loads == loads == 1


def test_what_was_written_stays_until_a_checkpoint_has_it(paging: Paging) -> None:
    storage = filled(paging)
    blocks = paging.blocks
    assert isinstance(blocks, BlocksInMemory)
    cache = paging.cache
    cache.budget_bytes = 0
    cache.make_room(1 << 30)
    assert cache.used_bytes == 0
    storage.install_frozen(70, (70, "new", 0))
    storage.install(200, (200, "newer", 0), CommitStamp(2))
    assert not cache.make_room(1 << 30) and cache.clean_bytes == 0 and cache.dirty_bytes > 0
    assert in_memory(storage) == 2
    part = StorageCheckpoint(storage, 2)
    assert part.page_count() == 2
    for some in part.collect():
        blocks.blocks.update(some)
    assert not cache.make_room(1 << 30) and in_memory(storage) == 2
    for _ in part.settle():
        pass
    cache.make_room(100)
    assert in_memory(storage) == 1, "a page with a chain stays although it is clean"
    assert cache.dirty_bytes == 0
    storage.collect(200, 2)
    assert cache.make_room(100)
    assert in_memory(storage) == 0 and cache.used_bytes == 0
    assert storage.heap.slot(70) == (70, "new", 0) and storage.heap.slot(200) == (200, "newer", 0)


def test_the_collector_brings_nothing_into_memory(paging: Paging) -> None:
    storage = filled(paging)
    for row_id in range(1, PAGES * PAGE_ROWS, 50):
        storage.collect(row_id, 1)
        storage.uninstall(row_id, CommitStamp())
    assert in_memory(storage) == 0 and paging.cache.loads == 0


def test_a_table_that_is_gone_leaves_the_cache(paging: Paging) -> None:
    storage, other = filled(paging), TableStorage(2, 3, False, paging)
    scan(storage)
    storage.install_frozen(70, (70, "new", 0))
    other.install_frozen(1, (1, "kept", 0))
    assert in_memory(storage) == PAGES
    del storage
    gc.collect()
    assert paging.cache.clean_bytes > 0, "nothing happens where the last reference goes"
    for _ in range(PAGES):
        paging.cache.make_room(1)
    assert paging.cache.clean_bytes == 0
    assert paging.cache.dirty_bytes == sum(other.heap.pager.dirty.values())  # type: ignore[union-attr]
    assert not paging.cache._active and not paging.cache._inactive and len(paging.cache._leases) == 1


def test_pages_that_hold_nothing_take_no_room_and_need_no_base(paging: Paging) -> None:
    blocks = paging.blocks
    assert isinstance(blocks, BlocksInMemory)
    storage = TableStorage(1, 3, False, paging)
    storage.allocate(1000)
    storage.restore_rows([700, 990, 990], [row_of(700), row_of(990), None])
    state = write_at_once(storage, 1, blocks)
    assert (state.page_count, state.row_count, state.next_row_id) == (16, 1, 1001)
    assert sorted(blocks.blocks) == [page_key(1, number) for number in range(16)]
    assert [number for number in range(16) if blocks.get(page_key(1, number))] == [10]
    again = storage_of_base(state, 3, paging)
    assert again.heap.slot(990) is None and again.heap.slot(700) == row_of(700)
    assert scan(again) == 1 and in_memory(again) == 1
    assert again.allocate(1) == 1001


@pytest.mark.parametrize(
    ("block", "problem"),
    [
        (None, "is missing"),
        (b"\xc1", "not packed rows"),
        (pack_rows([(1,)] * 65), "it holds 65 rows"),
        (pack_rows([(1,)])[:-1], "incomplete"),
    ],
)
def test_a_block_that_is_no_page_is_damage(block: bytes | None, problem: str, paging: Paging) -> None:
    storage = filled(paging, 3)
    blocks = paging.blocks
    assert isinstance(blocks, BlocksInMemory)
    whole = blocks.blocks.pop(page_key(1, 1))
    if block is not None:
        blocks.blocks[page_key(1, 1)] = block
    for _ in range(2):
        with pytest.raises(DatabaseDamaged, match=f"page 1 of storage 1.*{problem}"):
            scan(storage)
        with pytest.raises(DatabaseDamaged):
            storage.heap.slot(100)
        with pytest.raises(DatabaseDamaged):
            storage.heap.prepare(100)
    assert storage.heap.slot(1) == row_of(1) and storage.heap.slot(2 * PAGE_ROWS) == row_of(2 * PAGE_ROWS)
    blocks.blocks[page_key(1, 1)] = whole
    assert scan(storage) == storage.row_count


SHAPES = pytest.mark.parametrize(
    "row",
    [
        (1000, 2000, 3000),
        (10**12, "a text of some length, as they are", None, True),
        (5, "x" * 500, 1.5),
        tuple(range(10**6, 10**6 + 20)),
        (10**9, Decimal("123456.789"), b"bytes" * 10),
    ],
)


@SHAPES
def test_the_size_of_new_pages_is_about_what_they_take(row: Row, paging: Paging) -> None:
    storage = TableStorage(1, len(row), False, paging)
    packed = pack_rows([row])
    gc.collect()
    tracemalloc.start()
    try:
        for row_id in range(100 * PAGE_ROWS):
            (copy,) = unpack_rows(packed)  # its values are its own
            storage.install_frozen(row_id, copy)
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert 0.8 * taken < paging.cache.used_bytes < 1.6 * taken


@SHAPES
def test_the_size_of_pages_is_about_what_they_take(row: Row, paging: Paging) -> None:
    blocks = paging.blocks
    assert isinstance(blocks, BlocksInMemory)
    pages = 100
    storage = TableStorage(1, len(row), False, paging)
    for row_id in range(pages * PAGE_ROWS):
        storage.install_frozen(row_id, row)
    storage = storage_of_base(write_at_once(storage, 1, blocks), len(row), paging)
    paging.cache.make_room(1 << 30)
    gc.collect()  # empties the free lists, whose tuples would not count
    tracemalloc.start()
    try:
        for number in range(pages):
            storage.heap.slot(number * PAGE_ROWS)
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert 0.8 * taken < paging.cache.used_bytes < 1.6 * taken


def test_without_a_limit_nothing_is_evicted(paging: Paging) -> None:
    storage = filled(paging)
    assert paging.cache.budget_bytes == NO_LIMIT
    scan(storage)
    scan(storage)
    assert (paging.cache.loads, paging.cache.evictions) == (PAGES, 0)
