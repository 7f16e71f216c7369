"""A table's storage: installing, collecting, building indexes, columns added later."""

from __future__ import annotations

import pytest

from skerry_engine.storage.heap import INFINITY, CommitStamp, Row, Version, newest_epoch, visible_row
from skerry_engine.storage.index import NO_KEY, Index
from skerry_engine.storage.reader import TableReader
from skerry_engine.storage.table import TableStorage
from skerry_engine.values import oids
from skerry_engine.values.keys import KeyCodec, KeyColumn


def int_index(index_id: int, position: int) -> Index:
    return Index(
        index_id, lambda row: (row[position],), KeyCodec((KeyColumn(oids.INT4),)), positions=(position,)
    )


@pytest.fixture
def storage() -> TableStorage:
    storage = TableStorage(1, 2)
    storage.indexes[1] = int_index(1, 0)
    return storage


def entries(index: Index) -> set[tuple[object, int]]:
    found = {(key, row_id) for key in index.equal for row_id in index.candidates(key)}
    assert len(found) == len(index.ordered)
    return found


def read(storage: TableStorage, epoch: int) -> list[Row]:
    reader = TableReader(storage, epoch, None, 1)
    rows, last = reader.scan_batch(-1, 100_000)
    assert last == -1
    return rows


def test_versions_are_seen_by_epoch(storage: TableStorage) -> None:
    storage.allocate(1)
    assert storage.install(1, (1, 1), CommitStamp(5)) == 1
    assert storage.install(1, (2, 2), CommitStamp(7)) == 0
    assert storage.install(1, None, CommitStamp(9)) == -1
    assert [read(storage, epoch) for epoch in (4, 5, 6, 7, 8, 9)] == [
        [], [(1, 1)], [(1, 1)], [(2, 2)], [(2, 2)], []
    ]  # fmt: skip
    assert newest_epoch(storage.heap.slot(1)) == 9
    assert entries(storage.indexes[1]) == {(1, 1), (2, 1)}


def test_uncommitted_versions_are_seen_by_nobody_until_their_stamp_is_set(storage: TableStorage) -> None:
    storage.allocate(1)
    storage.install_frozen(1, (1, 1))
    stamp = CommitStamp()
    storage.install(1, (2, 2), stamp)
    assert read(storage, INFINITY - 1) == [(1, 1)]
    assert newest_epoch(storage.heap.slot(1)) == 0
    stamp.epoch = 6
    assert read(storage, 5) == [(1, 1)] and read(storage, 6) == [(2, 2)]


def test_uninstalling_takes_back_slot_and_entries(storage: TableStorage) -> None:
    storage.allocate(2)
    storage.install_frozen(1, (1, 1))
    stamp = CommitStamp()
    storage.install(1, (2, 2), stamp)
    storage.install(2, (3, 3), stamp)
    for row_id in (1, 2):
        storage.uninstall(row_id, stamp)
        storage.uninstall(row_id, stamp)
    assert storage.heap.slot(1) == (1, 1) and storage.heap.slot(2) is None
    assert entries(storage.indexes[1]) == {(1, 1)}


def test_collecting_keeps_what_the_horizon_sees(storage: TableStorage) -> None:
    storage.allocate(1)
    for epoch, key in ((3, 30), (5, 50), (7, 30)):
        storage.install(1, (key, epoch), CommitStamp(epoch))
    storage.collect(1, 5)
    assert read(storage, 5) == [(50, 5)] and read(storage, 7) == [(30, 7)]
    assert entries(storage.indexes[1]) == {(50, 1), (30, 1)}
    storage.collect(1, 7)
    assert storage.heap.slot(1) == (30, 7)
    assert entries(storage.indexes[1]) == {(30, 1)}
    storage.install(1, None, CommitStamp(9))
    storage.collect(1, 8)
    assert read(storage, 8) == [(30, 7)]
    storage.collect(1, 9)
    assert storage.heap.slot(1) is None and entries(storage.indexes[1]) == set()
    assert storage.heap.pages == [None], "an empty page is given up"


def test_collecting_leaves_uncommitted_versions_alone(storage: TableStorage) -> None:
    storage.allocate(1)
    storage.install(1, (1, 1), CommitStamp(3))
    stamp = CommitStamp()
    storage.install(1, (2, 2), stamp)
    storage.collect(1, 10)
    slot = storage.heap.slot(1)
    assert isinstance(slot, Version) and slot.stamp is stamp and visible_row(slot, 10) == (1, 1)
    storage.uninstall(1, stamp)
    assert storage.heap.slot(1) == (1, 1), "what was collected below is frozen: nobody will look at it again"


def test_collecting_a_deletion_below_an_uncommitted_version(storage: TableStorage) -> None:
    storage.allocate(1)
    storage.install(1, (1, 1), CommitStamp(3))
    storage.install(1, None, CommitStamp(4))
    stamp = CommitStamp()
    storage.install(1, (2, 2), stamp)
    storage.collect(1, 10)
    storage.uninstall(1, stamp)
    assert storage.heap.slot(1) is None and entries(storage.indexes[1]) == set()


def test_not_a_number_is_one_key() -> None:
    storage = TableStorage(1, 1)
    codec = KeyCodec((KeyColumn(oids.FLOAT8),))
    index = Index(1, lambda row: (row[0],), codec, positions=(0,))
    storage.indexes[1] = index
    storage.allocate(1)
    for epoch in (3, 4):
        storage.install(1, (float("nan"),), CommitStamp(epoch))
    storage.collect(1, 4)
    key = codec.equality_key((float("nan"),))
    assert TableReader(storage, 4, None, 1).lookup(index, key) is not None
    assert len(index.ordered) == 1
    storage.install_frozen(1, (float("nan"),))
    assert len(index.ordered) == 1 and index.candidates(key) == [1]


def test_building_an_index_takes_in_every_retained_version(storage: TableStorage) -> None:
    storage.allocate(300)
    for row_id in range(1, 300):
        storage.install_frozen(row_id, (row_id, row_id % 3))
    storage.install(7, (7, 50), CommitStamp(5))
    index = int_index(2, 1)
    steps = list(storage.build_index(index, 100))
    assert len(steps) == 4 and storage.indexes[2] is index
    old, new = TableReader(storage, 4, None, 1), TableReader(storage, 5, None, 1)
    assert len(old.lookup_all(index, 1)) == 100 and len(new.lookup_all(index, 1)) == 99
    assert new.lookup(index, 50) == (7, 50) and old.lookup(index, 50) is None
    storage.remove_index(2)
    assert 2 not in storage.indexes


def test_partial_and_expression_indexes() -> None:
    storage = TableStorage(1, 2)
    codec = KeyCodec((KeyColumn(oids.INT4), KeyColumn(oids.TEXT)))
    index = Index(1, lambda row: (row[0], str(row[1])) if row[1] else None, codec, unique=True)
    storage.indexes[1] = index
    storage.allocate(3)
    storage.install_frozen(0, (1, 0))
    storage.install_frozen(1, (1, 5))
    storage.install_frozen(2, (None, 5))
    assert index.unique_key((1, 0)) is NO_KEY and index.unique_key((None, 5)) is NO_KEY
    reader = TableReader(storage, 1, None, 1)
    assert reader.lookup_all(index, codec.equality_key((1, "5"))) == [(1, 5)]
    assert reader.index_batch(index, None, None, None, 10)[1] == [(1, 5), (None, 5)]
    storage.install_frozen(1, (1, 0))
    assert len(index.ordered) == 1


def test_columns_added_later_are_padded(storage: TableStorage) -> None:
    storage.allocate(3)
    storage.install_frozen(1, (1, 10))
    storage.add_column("x")
    storage.add_column(None)
    storage.install_frozen(2, (2, 20, "y", 3))
    text_index = Index(9, lambda row: (row[2],), KeyCodec((KeyColumn(oids.TEXT),)), positions=(2,))
    list(storage.build_index(text_index))
    reader = TableReader(storage, 1, None, 1)
    assert reader.scan_batch(-1, 100)[0] == [(1, 10, "x", None), (2, 20, "y", 3)]
    assert reader.get(1) == (1, 10, "x", None)
    assert reader.lookup(text_index, "x") == (1, 10, "x", None)
    assert reader.index_batch(text_index, None, None, None, 9)[1][0] == (1, 10, "x", None)
    storage.install(1, (1, 11, "z", 4), CommitStamp(5))
    storage.collect(1, 5)
    assert reader.lookup(text_index, "x") is None
    storage.remove_index(9)
    storage.remove_last_column()
    storage.remove_last_column()
    assert storage.width == 2 and storage.padded((1, 10)) == (1, 10)
