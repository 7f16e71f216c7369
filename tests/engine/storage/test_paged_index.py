"""An index over leaves in the base against a plain model: whatever is added, removed, written, lost or evicted."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.base_writing import CLUSTER, checkpoint
from support.builds import this_builds
from support.memory_blocks import MemoryBlocks

from skerry_engine.base.blocks import leaf_prefix
from skerry_engine.base.environment import Base
from skerry_engine.errors import DatabaseDamaged
from skerry_engine.plan.runtime import KEYS_AT_ONCE, MATCHES, index_matches
from skerry_engine.storage.checkpointing import StorageCheckpoint
from skerry_engine.storage.heap import CommitStamp, Row
from skerry_engine.storage.index import NO_KEY
from skerry_engine.storage.leaf_cache import LeafCache
from skerry_engine.storage.leaf_merge import SIZES, Block, check_leaves
from skerry_engine.storage.page_cache import PageCache
from skerry_engine.storage.paged_index import PagedIndex
from skerry_engine.storage.paging import Paging
from skerry_engine.storage.pending import PendingTable
from skerry_engine.storage.reader import BATCH_LOADS, TableReader
from skerry_engine.storage.table import TableStorage
from skerry_engine.storage.trees import entry_key
from skerry_engine.values import interval, oids
from skerry_engine.values.keys import KeyCodec, KeyColumn

LONG = "one long beginning " * 28

VALUES: dict[int, list[Any]] = {
    oids.INT4: [None, -(2**31), -1, 0, 1, 2, 255, 256, 2**31 - 1],
    oids.INT8: [*range(100, 130), 2**63 - 1],
    oids.BOOL: [None, False, True],
    oids.TEXT: [None, "", "a", "ab", "b", LONG, LONG + "a", LONG + "a" * 60, LONG + "b", "ÿ\U0010ffff"],
    oids.BPCHAR: [None, "", "  ", "a", "a  ", "ab"],
    oids.BYTEA: [b"", b"\0", b"\0\xff", b"\xff" * 600, b"\xff" * 600 + b"\0", b"a"],
    oids.FLOAT8: [None, 0.0, -0.0, 1.5, float("nan"), float("inf"), float("-inf")],
    oids.NUMERIC: [None, Decimal("1.0"), Decimal("1.00"), Decimal("-0"), Decimal("NaN"), Decimal("1e40")],
    oids.UUID: [bytes(16), b"\xff" * 16, bytes(range(16))],
    oids.INTERVAL: [None, interval.pack(1, 0, 0), interval.pack(0, 30, 0), interval.pack(0, 0, 5)],
    oids.TIMETZ: [struct.pack(">qi", 5, 0), struct.pack(">qi", 5, 3600)],
    oids.JSONB: ["null", "[]", "{}", '{"a": 1.0}', '{"a": 1.00}', '"a"', None],
    oids.INT4_ARRAY: [None, (), (1,), (1, None), ((1, 2), (3, 4))],
}

columns = st.lists(
    st.builds(KeyColumn, st.sampled_from(sorted(VALUES)), st.booleans(), st.booleans()),
    min_size=1,
    max_size=2,
)
changes = st.tuples(st.sampled_from(["add", "add", "remove"]), st.integers(0, 10_000), st.integers(0, 40))
bulks = st.tuples(st.just("bulk"), st.integers(0, 10_000), st.integers(0, 40))
others = st.sampled_from(["begin", "slice", "commit", "abort", "evict", "reopen", "release", "release"])
steps = st.lists(st.one_of(changes, bulks, others.map(lambda name: (name, 0, 0))), max_size=60)


@pytest.fixture(autouse=True)
def small_leaves() -> Iterator[None]:
    before = SIZES.full_bytes, SIZES.full_entries, SIZES.slice_entries
    SIZES.full_bytes, SIZES.full_entries, SIZES.slice_entries = 150, 6, 4
    yield
    SIZES.full_bytes, SIZES.full_entries, SIZES.slice_entries = before


class FileBlocks:
    """A base in a file, written by `apply`."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.base = Base(str(directory), CLUSTER, map_bytes=1 << 26)
        self.get = self.base.get
        self.at_or_before = self.base.at_or_before
        self.after = self.base.after

    def apply(self, changes: list[Block]) -> None:
        checkpoint(self.base, self.base.epoch + 1, changes)


class World:
    """An index, its base, and what it ought to hold."""

    def __init__(self, codec: KeyCodec, budget_bytes: int, blocks: MemoryBlocks | FileBlocks) -> None:
        self.codec = codec
        self.blocks = blocks
        self.budget_bytes = budget_bytes
        self.cache = LeafCache(budget_bytes)
        self.index = self.make()
        self.model: set[tuple[bytes, int]] = set()
        self.frozen: set[tuple[bytes, int]] = set()
        self.base: set[tuple[bytes, int]] | None = None
        self.slices: Iterator[list[Block]] | None = None
        self.written: list[Block] = []

    def make(self) -> PagedIndex:
        return PagedIndex(9, lambda row: row, self.codec, False, True, None, self.blocks, self.cache)

    def add(self, row: Row, row_id: int) -> None:
        self.index.add(row, row_id)
        self.model.add((self.codec.order_key(row), row_id))

    def remove(self, row: Row, row_id: int) -> None:
        self.index.remove(row, row_id)
        self.model.discard((self.codec.order_key(row), row_id))

    def begin(self) -> None:
        if self.slices is None and self.index.begin_checkpoint():
            self.slices = self.index.checkpoint_blocks()
            self.written = []
            self.frozen = set(self.model)

    def slice(self) -> None:
        for part in self.slices or ():
            self.written += part
            return

    def commit(self) -> None:
        if self.slices is not None:
            for part in self.slices:
                self.written += part
            self.blocks.apply(self.written)
            self.index.end_checkpoint(True)
            self.slices = None
            self.base = self.frozen

    def abort(self) -> None:
        if self.slices is not None:
            self.index.end_checkpoint(False)
            self.slices = None

    def evict(self) -> None:
        self.cache.set_budget(0)
        assert self.cache.used_bytes == 0
        self.cache.set_budget(self.budget_bytes)

    def release(self) -> None:
        self.index.release_some(3)

    def reopen(self) -> None:
        self.cache = LeafCache(self.budget_bytes)
        self.index = self.make()
        self.slices = None
        self.model = set(self.base or ())
        if self.base is not None:
            self.index.open_leaves(max([row_id for _, row_id in self.base], default=-1) + 1)

    def check(self, rows: list[Row], limit: int) -> None:
        """Compare with the model, every key of `rows`, and all of it both ways in batches of `limit`."""
        index = self.index
        by_key: dict[bytes, list[int]] = {}
        for order_key, row_id in sorted(self.model):
            by_key.setdefault(order_key, []).append(row_id)
        for row in rows:
            key = self.codec.equality_key(row)
            expected = by_key.get(self.codec.order_key(row), [])
            assert index.candidates(key) == expected
            assert index.holds(key) == bool(expected)
            assert index.count(key, 1000) >= len(expected)
            assert index.count(key, 2) >= min(3, len(expected))
        assert index.candidates(NO_KEY) == [] and index.count(NO_KEY, 5) == 0
        low, high = (self.codec.order_key(row) for row in (rows[0], rows[-1]))
        for bounds in ((None, None), (low, high), (high, low), (low, None), (None, high)):
            expected_entries = [
                entry_key(*entry)
                for entry in sorted(self.model)
                if (bounds[0] is None or entry[0] >= bounds[0])
                and (bounds[1] is None or entry[0] < bounds[1])
            ]
            assert scan(index, bounds[0], bounds[1], limit, False) == expected_entries
            assert scan(index, bounds[0], bounds[1], limit, True) == expected_entries[::-1]
        assert self.cache.used_bytes <= self.cache.budget_bytes
        assert index.memory_bytes() >= 0


class NumberWorld(World):
    """An index of one bigint column, its base in memory."""

    blocks: MemoryBlocks

    def __init__(self, budget_bytes: int) -> None:
        super().__init__(KeyCodec([KeyColumn(oids.INT8)]), budget_bytes, MemoryBlocks())


def scan(
    index: PagedIndex, low: bytes | None, high: bytes | None, limit: int, descending: bool
) -> list[bytes]:
    found: list[bytes] = []
    after: bytes | None = None
    while True:
        entries, after = index.entries(low, high, after, limit, descending)
        assert len(entries) <= limit
        found += entries
        if after is None:
            return found


def pool(key_columns: list[KeyColumn]) -> list[Row]:
    rows: list[Row] = [()]
    for column in key_columns:
        rows = [(*row, value) for row in rows for value in VALUES[column.type_oid]]
    return rows


@settings(max_examples=250, deadline=None)
@given(columns, steps, st.sampled_from([0, 2000, 1 << 20]), st.integers(1, 9))
def test_an_index_holds_what_was_added_and_not_removed(
    key_columns: list[KeyColumn], script: list[tuple[str, int, int]], budget_bytes: int, limit: int
) -> None:
    world = World(KeyCodec(key_columns), budget_bytes, MemoryBlocks())
    rows = pool(key_columns)
    probes = rows[:: max(1, len(rows) // 12)]
    for name, number, row_id in script:
        row = rows[number % len(rows)]
        if name == "add":
            world.add(row, row_id)
        elif name == "remove":
            world.remove(row, row_id)
        elif name == "bulk":
            for offset in range(12):
                world.add(rows[(number + offset) % len(rows)], row_id + offset % 5)
        else:
            getattr(world, name)()
        world.check([row, *probes], limit)
    world.begin()
    world.commit()
    world.check(rows[:50], limit)
    if world.base is not None:
        held = [entry for part in check_leaves(world.blocks, 9) for entry in part]
        assert held == [entry_key(*entry) for entry in sorted(world.base)]
        world.reopen()
        world.check(rows[:50], limit)


SHAPES = [
    [KeyColumn(oids.INT8)],
    [KeyColumn(oids.INT4, True, True), KeyColumn(oids.INT8)],
    [KeyColumn(oids.TEXT)],
    [KeyColumn(oids.TEXT, True), KeyColumn(oids.TEXT)],
    [KeyColumn(oids.BYTEA), KeyColumn(oids.BOOL)],
]


@pytest.mark.parametrize("seed", this_builds(range(20)))
def test_long_lives(seed: int) -> None:
    live(seed, MemoryBlocks())


@pytest.mark.parametrize("seed", range(100, 105))
def test_long_lives_in_a_file(seed: int, tmp_path: Path) -> None:
    blocks = FileBlocks(tmp_path / "base")
    live(seed, blocks)
    blocks.base.close()


def live(seed: int, blocks: MemoryBlocks | FileBlocks) -> None:
    random = Random(seed)
    codec = KeyCodec(SHAPES[seed % len(SHAPES)])
    world = World(codec, random.choice([0, 1500, 5000, 1 << 20]), blocks)
    rows = pool(SHAPES[seed % len(SHAPES)])
    spread = random.choice([10, 300, 5000])
    for step in range(250):
        name = random.choices(
            ["some", "few", "none", "begin", "slice", "commit", "abort", "evict", "release", "reopen"],
            [8, 8, 6, 8, 10, 8, 1, 1, 4, 1],
        )[0]
        if name in ("some", "few", "none"):
            for _ in range(30 if name == "some" else 4):
                world.add(random.choice(rows), random.randrange(spread))
            gone = sorted(world.model) if name == "none" else []
            for order_key, row_id in random.sample(gone, len(gone) * random.choice([1, 5, 9]) // 10):
                world.remove(next(row for row in rows if codec.order_key(row) == order_key), row_id)
        else:
            getattr(world, name)()
        if step % 4 == 0:
            world.check(random.sample(rows, min(8, len(rows))), random.choice([1, 7, 1000]))
    world.commit()
    world.begin()
    world.commit()
    world.reopen()
    world.check(random.sample(rows, min(20, len(rows))), 50)


def test_a_hot_key_reads_no_block_and_no_leaf_is_read_twice() -> None:
    world = NumberWorld(1 << 20)
    for number in range(200):
        world.add((number,), number)
    world.begin()
    world.commit()
    leaves = len(world.blocks.keys)
    world.blocks.reads = 0
    for _ in range(3):
        for number in range(200):
            assert world.index.candidates(number) == [number]
            assert world.index.candidates(1000 + number) == []
    assert world.blocks.reads == leaves


def test_keys_kept_in_memory_follow_a_checkpoint() -> None:
    world = NumberWorld(1 << 14)
    for number in range(200):
        world.add((number,), number)
    world.begin()
    world.commit()
    for _ in range(2):
        assert [world.index.candidates(number) for number in range(100)] == [[n] for n in range(100)]
    for number in range(100):
        world.add((number,), 500 + number)
    world.begin()
    world.commit()
    assert [world.index.candidates(number) for number in range(100)] == [[n, 500 + n] for n in range(100)]


def test_a_range_reads_only_the_leaves_that_it_touches() -> None:
    world = NumberWorld(0)
    for number in range(200):
        world.add((number,), number)
    world.begin()
    world.commit()
    found = next(part for part in check_leaves(world.blocks, 9) if len(part) > 3)
    world.blocks.reads = 0
    low, high = found[0][:-8], found[-1][:-8]
    assert scan(world.index, low, high + b"\0", 100, False) == found[:-1]
    assert world.blocks.reads == 1
    assert scan(world.index, low, high, 100, True) == found[-2::-1]
    assert world.blocks.reads == 2


def test_removed_rows_that_the_base_never_had_are_not_remembered() -> None:
    world = NumberWorld(1 << 20)
    world.add((1,), 1)
    world.begin()
    world.commit()
    for number in range(2, 50):
        world.add((number,), number)
        world.remove((number,), number)
    assert world.index.removed.is_empty() and not world.index.gone
    world.remove((1,), 1)
    assert not world.index.removed.is_empty()


def test_a_checkpoint_gives_back_the_memory_of_what_it_wrote() -> None:
    world = NumberWorld(1 << 20)
    for number in range(100):
        world.add((number,), number)
    before = world.index.memory_bytes()
    assert before > 100 * 100
    world.begin()
    world.add((500,), 500)
    assert world.index.memory_bytes() > before
    world.commit()
    assert world.index.memory_bytes() < 1000
    assert world.index.release_some(40) and world.index.release_some(40)
    assert not world.index.release_some(40)


def test_an_index_without_changes_has_nothing_to_write() -> None:
    world = NumberWorld(1 << 20)
    assert world.index.begin_checkpoint()  # its first, empty leaf
    world.blocks.apply([block for part in world.index.checkpoint_blocks() for block in part])
    world.index.end_checkpoint(True)
    assert world.blocks.keys == [leaf_prefix(9)]
    assert not world.index.begin_checkpoint()
    world.add((1,), 1)
    assert world.index.begin_checkpoint()


def test_leaves_left_behind_by_an_index_of_the_same_number_are_replaced() -> None:
    world = NumberWorld(1 << 20)
    for number in range(100):
        world.add((number,), number)
    world.begin()
    world.commit()
    world.index = world.make()
    world.model = set()
    world.add((7,), 3)
    world.begin()
    world.commit()
    world.check([(7,), (8,)], 5)
    assert [len(part) for part in check_leaves(world.blocks, 9)] == [1]


def test_an_index_that_the_base_lacks_is_damage_at_open() -> None:
    world = NumberWorld(1 << 20)
    with pytest.raises(DatabaseDamaged, match="index 9"):
        world.index.open_leaves()


def test_a_closed_index_leaves_nothing_in_the_cache() -> None:
    world = NumberWorld(1 << 20)
    for number in range(100):
        world.add((number,), number)
    world.begin()
    world.commit()
    world.check([(1,)], 9)
    assert world.cache.used_bytes > 0
    world.index.close()
    assert world.cache.used_bytes == 0


def test_entries_that_outlived_their_rows_are_passed_over_and_go_with_the_next_checkpoint() -> None:
    world = NumberWorld(1 << 20)
    storage = TableStorage(1, 2)
    storage.allocate(100)
    storage.indexes[9] = world.index
    for row_id in range(10):
        storage.install_frozen(row_id, (row_id % 3,))
    storage.install(3, (7,), CommitStamp(5))
    world.begin()
    world.commit()
    # A restart: the heap has the newest versions only, one row is gone, and the base has all entries.
    world.reopen()
    fresh = TableStorage(1, 2)
    fresh.allocate(100)
    for row_id in range(1, 10):
        fresh.heap.put(row_id, (7,) if row_id == 3 else (row_id % 3,))
    world.index.open_leaves()
    fresh.indexes[9] = world.index
    reader = TableReader(fresh, 9, None, 0)
    assert world.index.candidates(0) == [0, 3, 6, 9]
    assert reader.lookup_ids(world.index, 0)[0] == [6, 9]
    assert reader.index_batch(world.index, None, None, None, 50)[0] == [6, 9, 1, 4, 7, 2, 5, 8, 3]
    world.begin()
    world.commit()
    assert sum(len(part) for part in check_leaves(world.blocks, 9)) == 9
    assert world.index.candidates(0) == [6, 9]


rows_of_two = st.tuples(st.integers(0, 4), st.sampled_from(["a", "b", "c"]))
committed = st.lists(st.one_of(st.none(), rows_of_two), max_size=25)
later = st.lists(
    st.tuples(st.integers(0, 50), st.one_of(st.none(), rows_of_two), st.integers(2, 4)), max_size=12
)
own = st.lists(
    st.tuples(st.integers(0, 50), st.one_of(st.none(), rows_of_two), st.integers(1, 3)), max_size=12
)


@settings(max_examples=200, deadline=None)
@given(committed, later, own, st.integers(1, 4), st.integers(1, 4), st.integers(1, 5), st.integers(0, 30))
def test_readers_over_a_paged_index_see_snapshot_and_own_writes(
    first: list[Row | None],
    changes: list[tuple[int, Row | None, int]],
    writes: list[tuple[int, Row | None, int]],
    epoch: int,
    statement: int,
    n: int,
    moment: int,
) -> None:
    codec = KeyCodec((KeyColumn(oids.INT4), KeyColumn(oids.TEXT, descending=True)))
    world = World(codec, 2000, MemoryBlocks())
    index = world.index
    storage = TableStorage(1, 2)
    storage.allocate(51)
    storage.indexes[9] = index
    model: dict[int, Row | None] = {}
    for number, row in enumerate(first):
        if row is not None:
            storage.install_frozen(number * 2, row)
            model[number * 2] = row
        if number == moment:
            world.begin()
    world.commit()
    for row_id, row, at in sorted(changes, key=lambda change: change[2]):
        if row is None and storage.heap.slot(row_id) is None:
            continue
        storage.install(row_id, row, CommitStamp(at))
        if at <= epoch:
            model[row_id] = row
    world.begin()
    world.slice()
    if moment % 2:
        for row_id, _, _ in changes:
            storage.collect(row_id, epoch)
    if moment % 3:
        world.commit()
    pending = PendingTable(storage) if writes else None
    for row_id, row, at in sorted(writes, key=lambda write: write[2]):
        assert pending is not None
        pending.record(row_id, row, at)
        if at < statement:
            model[row_id] = row
    seen = {row_id: row for row_id, row in sorted(model.items()) if row is not None}
    reader = TableReader(storage, epoch, pending, statement)
    for key in {codec.equality_key(row) for row in seen.values()} | {(0, "a"), (4, "c")}:
        having = [row_id for row_id, row in seen.items() if codec.equality_key(row) == key]
        assert reader.lookup_ids(index, key) == (having, [seen[row_id] for row_id in having])
        assert reader.lookup_id(index, key) == (having[0] if having else -1)
        assert reader.lookup(index, key) == (seen[having[0]] if having else None)
    order = sorted(seen, key=lambda i: (codec.order_key(seen[i]), i))
    for down in (False, True):
        found: list[int] = []
        after: bytes | None = None
        while True:
            ids, rows, after = reader.index_batch(index, None, None, after, n, down)
            assert len(ids) <= n and rows == [seen[row_id] for row_id in ids]
            found += ids
            if after is None:
                break
        assert found == (order[::-1] if down else order)


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("n", [1, 2, 3, 5, 50])
def test_own_entries_wait_for_shared_ones_behind_removed_ones(n: int, descending: bool) -> None:
    world = NumberWorld(1 << 20)
    storage = TableStorage(1, 1)
    storage.allocate(100)
    storage.indexes[9] = world.index
    for row_id in range(20):
        storage.install_frozen(row_id, (row_id,))
    world.begin()
    world.commit()
    for row_id in [*range(2, 9), *range(11, 18)]:
        storage.install_frozen(row_id, None)
    pending = PendingTable(storage)
    pending.record(50, (30,), 1)
    pending.record(51, (-30,), 1)
    pending.record(52, (10,), 1)
    reader = TableReader(storage, 5, pending, 2)
    found: list[int] = []
    after: bytes | None = None
    while True:
        ids, _, after = reader.index_batch(world.index, None, None, after, n, descending)
        found += ids
        if after is None:
            break
    expected = [51, 0, 1, 9, 10, 52, 18, 19, 50]
    assert found == (expected[::-1] if descending else expected)


def evicted(rows: list[Row]) -> tuple[NumberWorld, TableStorage]:
    """A table of one indexed column, all of it in the base and nothing in memory, its pages in no order."""
    world = NumberWorld(0)
    cache = PageCache()
    storage = TableStorage(1, 1, False, Paging(world.blocks, cache))
    row_ids = list(range(64 * len(rows)))
    storage.allocate(len(row_ids))
    storage.indexes[9] = world.index
    for row, page in zip(rows, Random(4).sample(range(len(rows)), len(rows)), strict=True):
        storage.install_frozen(64 * page, row)
    part = StorageCheckpoint(storage, 1)
    world.begin()
    for blocks in part.collect():
        world.blocks.apply(list(blocks))
    world.commit()
    for _ in part.settle():
        pass
    cache.budget_bytes = 0
    cache.make_room(10_000)
    assert cache.clean_bytes == cache.dirty_bytes == 0
    return world, storage


@pytest.mark.parametrize("descending", [False, True])
def test_a_batch_in_key_order_reads_few_blocks(descending: bool) -> None:
    world, storage = evicted([(number,) for number in range(200)])
    reader = TableReader(storage, 9, None, 0)
    found: list[Row] = []
    after: bytes | None = None
    batches = 0
    while True:
        world.blocks.reads = 0
        _, rows, after = reader.index_batch(world.index, None, None, after, 512, descending)
        batches += 1
        found += rows
        if after is None:
            break
        # the pages, and the leaves that a whole batch would have had entries in
        assert world.blocks.reads <= BATCH_LOADS + 200 // 3
    assert found == sorted(found, reverse=descending) and len(found) == 200
    assert batches > 5


def test_many_look_ups_stop_in_between_when_they_read_much() -> None:
    world, storage = evicted([(number // 2,) for number in range(200)])
    reader = TableReader(storage, 9, None, 0)
    numbers = list(range(120))
    Random(7).shuffle(numbers)
    keys: list[object] = [NO_KEY if number % 10 == 0 else number for number in numbers]
    batch: list[Any] = [(number,) for number in numbers]
    for with_ids in (False, True):
        found: list[tuple[Any, Any]] = []
        groups = 0
        for pairs in index_matches(reader, world.index, batch, keys, with_ids):
            found += pairs
            groups += 1
        assert groups >= 120 // KEYS_AT_ONCE // 2
        assert [row for row, _ in found] == batch
        for (row, matches), key in zip(found, keys, strict=True):
            expected = [] if key is NO_KEY or row[0] >= 100 else [row, row]
            assert [match[0] for match in matches] == expected if with_ids else matches == expected


def test_many_look_ups_in_memory_are_done_at_once() -> None:
    world = NumberWorld(1 << 20)
    storage = TableStorage(1, 1)
    storage.indexes[9] = world.index
    storage.allocate(500)
    for row_id in range(500):
        storage.install_frozen(row_id, (row_id,))
    reader = TableReader(storage, 9, None, 0)
    keys: list[object] = list(range(500))
    batch: list[Any] = [(number,) for number in range(500)]
    (pairs,) = index_matches(reader, world.index, batch, keys, False)
    assert list(pairs) == [(row, [row]) for row in batch]
    assert list(index_matches(reader, world.index, [], [], False)) == []


def test_keys_with_very_many_rows_are_met_one_at_a_time() -> None:
    world = NumberWorld(1 << 20)
    storage = TableStorage(1, 1)
    storage.indexes[9] = world.index
    storage.allocate(6000)
    for row_id in range(6000):
        storage.install_frozen(row_id, (row_id // 1500,))
    reader = TableReader(storage, 9, None, 0)
    groups = [
        list(pairs) for pairs in index_matches(reader, world.index, [0, 1, 2, 3, 4], [0, 1, 2, 3, 4], False)
    ]
    assert [len(matches) for group in groups for _, matches in group] == [1500] * 4 + [0]
    assert max(sum(len(matches) for _, matches in group) for group in groups) <= MATCHES
