"""The batch interface: own writes laid over a snapshot, batches that bear change between them."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from skerry_engine.storage.heap import PAGE_ROWS, CommitStamp, Row
from skerry_engine.storage.index import Index
from skerry_engine.storage.pending import PendingTable
from skerry_engine.storage.reader import TableReader
from skerry_engine.storage.table import TableStorage
from skerry_engine.values import oids
from skerry_engine.values.keys import KeyCodec, KeyColumn

CODEC = KeyCodec((KeyColumn(oids.INT4), KeyColumn(oids.TEXT, descending=True)))


def make() -> tuple[TableStorage, Index]:
    storage = TableStorage(1, 2)
    index = Index(1, lambda row: row, CODEC, positions=(0, 1))
    storage.indexes[1] = index
    return storage, index


def scan(reader: TableReader, n: int) -> list[tuple[int, Row]]:
    found: list[tuple[int, Row]] = []
    after = -1
    while True:
        ids, rows, after = reader.scan_ids_batch(after, n)
        assert len(ids) <= n + PAGE_ROWS
        found += zip(ids, rows, strict=True)
        if after == -1:
            return found


def walk(
    reader: TableReader, index: Index, low: bytes | None, high: bytes | None, n: int, down: bool
) -> list[int]:
    found: list[int] = []
    after: bytes | None = None
    while True:
        ids, rows, after = reader.index_batch(index, low, high, after, n, down)
        assert len(ids) <= n and len(rows) == len(ids)
        found += ids
        if after is None:
            return found


rows = st.tuples(st.integers(0, 4), st.sampled_from(["a", "b", "c"]))
committed = st.lists(st.one_of(st.none(), rows), max_size=12)
later = st.lists(st.tuples(st.integers(0, 150), st.one_of(st.none(), rows), st.integers(2, 4)), max_size=12)
own = st.lists(st.tuples(st.integers(0, 150), st.one_of(st.none(), rows), st.integers(1, 3)), max_size=12)


@settings(max_examples=300, deadline=None)
@given(committed, later, own, st.integers(0, 3), st.integers(1, 4), st.integers(1, 4), st.integers(1, 5))
def test_every_way_of_reading_gives_snapshot_and_own_writes(
    first: list[Row | None],
    changes: list[tuple[int, Row | None, int]],
    writes: list[tuple[int, Row | None, int]],
    segment: int,
    epoch: int,
    statement: int,
    n: int,
) -> None:
    storage, index = make()
    storage.allocate(151 + segment)
    model: dict[int, Row] = {}
    for number, row in enumerate(first):
        if row is not None:
            storage.install_frozen(number * 11, row)
            model[number * 11] = row
    for row_id, row, at in sorted(changes, key=lambda change: change[2]):
        if row is None and storage.heap.slot(row_id) is None:
            continue
        storage.install(row_id, row, CommitStamp(at))
        if at <= epoch:
            model[row_id] = row  # type: ignore[assignment]
    pending = PendingTable(storage)
    if segment:
        pending.record_segment(151, [(number, "s") for number in range(segment)], 1)
        for number in range(segment):
            if statement > 1:
                model[151 + number] = (number, "s")
    for row_id, row, at in sorted(writes, key=lambda write: write[2]):
        pending.record(row_id, row, at)
        if at < statement:
            model[row_id] = row  # type: ignore[assignment]
    seen = {row_id: row for row_id, row in sorted(model.items()) if row is not None}
    reader = TableReader(storage, epoch, pending, statement)
    check_reader(reader, index, seen, n)
    if not writes and not segment:
        check_reader(TableReader(storage, epoch, None, statement), index, seen, n)


def check_reader(reader: TableReader, index: Index, seen: dict[int, Row], n: int) -> None:
    assert scan(reader, n) == list(seen.items())
    assert scan(reader, 1000) == list(seen.items())
    everything = list(range(200))
    assert reader.get_many(everything) == list(seen.values())
    assert {i: reader.get(i) for i in everything if reader.get(i) is not None} == seen
    order = sorted(seen, key=lambda i: (CODEC.order_key(seen[i]), i))
    assert walk(reader, index, None, None, n, False) == order
    assert walk(reader, index, None, None, n, True) == order[::-1]
    low, high = CODEC.prefix((1,)), CODEC.prefix((3,))
    inner = [i for i in order if 1 <= int(str(seen[i][0])) < 3]
    assert walk(reader, index, low, high, n, False) == inner
    assert walk(reader, index, low, high, n, True) == inner[::-1]
    for number in range(5):
        for letter in "abc":
            key = CODEC.equality_key((number, letter))
            ids = [i for i, row in seen.items() if row == (number, letter)]
            assert reader.lookup_ids(index, key) == (ids, [seen[i] for i in ids])
            assert reader.lookup_all(index, key) == [seen[i] for i in ids]
            assert reader.lookup_id(index, key) == (ids[0] if ids else -1)
            assert reader.lookup(index, key) == (seen[ids[0]] if ids else None)
    keys = [CODEC.equality_key((0, "a")), CODEC.equality_key((1, "b"))]
    assert reader.lookup_many(index, keys) == [reader.lookup_all(index, key) for key in keys]


def test_change_between_batches_neither_repeats_nor_skips_rows() -> None:
    storage, index = make()
    storage.allocate(400)
    for row_id in range(200):
        storage.install_frozen(row_id, (row_id, "a"))
    reader = TableReader(storage, 1, None, 1)
    after: bytes | None = None
    seen: list[int] = []
    epoch = 1
    while True:
        ids, _, after = reader.index_batch(index, None, None, after, 10)
        seen += ids
        if after is None:
            break
        epoch += 1
        for row_id in (seen[-1], seen[-1] + 5, 150):
            storage.install(row_id, (1000 + epoch, "x") if row_id % 2 else None, CommitStamp(epoch))
        storage.install(200 + epoch, (seen[-1] + 1, "z"), CommitStamp(epoch))
    assert seen == list(range(200))


def test_a_batch_examines_a_bounded_number_of_slots() -> None:
    storage, _ = make()
    storage.allocate(100_000)
    storage.install_frozen(99_999, (1, "a"))
    reader = TableReader(storage, 1, None, 1)
    rows_found, after = reader.scan_batch(-1, 10)
    assert rows_found == [] and after == 10 * PAGE_ROWS - 1
