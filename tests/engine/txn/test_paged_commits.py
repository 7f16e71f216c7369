"""Commits to tables whose pages are in the base: whole or not at all, whatever the base gives."""

from __future__ import annotations

import pytest
from kernel_script import KernelDatabase
from support.base_writing import BlocksInMemory
from support.paged_tables import write_at_once

from skerry_engine.base.blocks import page_key
from skerry_engine.errors import DatabaseDamaged
from skerry_engine.storage.heap import PAGE_ROWS
from skerry_engine.storage.page_cache import PageCache
from skerry_engine.storage.paging import Paging
from skerry_engine.txn.transaction import Transaction


def changing(database: KernelDatabase, row_ids: list[int], level: str) -> Transaction:
    """A transaction that has written rows, each to the negative of its value, and is about to commit."""
    target = database.tables["t"].target
    transaction = database.manager.begin(level)
    transaction.start_statement()
    writer = transaction.writer(target)
    reader = transaction.reader(target.storage)
    for row_id in row_ids:
        row = reader.get(row_id)
        assert row is not None
        writer.update(row_id, row, (row[0], -(row_id * 10)))
    transaction.finish_statement()
    return transaction


@pytest.mark.parametrize("level", ["read committed", "snapshot", "serializable"])
@pytest.mark.parametrize("with_reader", [False, True])
def test_a_page_that_is_damaged_when_its_row_is_committed_leaves_no_half_commit(
    level: str, with_reader: bool
) -> None:
    blocks, cache = BlocksInMemory(), PageCache(0)
    database = KernelDatabase(paging=Paging(blocks, cache))
    database.create_table(["t", "id", "v"])
    storage = database.tables["t"].storage
    manager = database.manager
    first = manager.begin()
    first.start_statement()
    first.writer(database.tables["t"].target).insert_many([(number, number * 10) for number in range(1, 150)])
    first.finish_statement()
    assert first.commit_fast()
    manager.gc()
    write_at_once(storage, manager.last_epoch, blocks)
    if with_reader:  # then versions are installed, else frozen rows
        manager.begin("snapshot", take_snapshot=True)
    transaction = changing(database, [1, 100], level)
    while not cache.make_room(1):
        pass
    whole = blocks.blocks.pop(page_key(storage.storage_id, 100 // PAGE_ROWS))
    epoch = manager.last_epoch
    with pytest.raises(DatabaseDamaged):
        transaction.commit_fast()
    assert transaction.state == "aborted" and manager.last_epoch == manager.published == epoch
    assert not list(manager.locks.all_locks())
    assert storage.heap.slot(1) == (1, 10)
    blocks.blocks[page_key(storage.storage_id, 100 // PAGE_ROWS)] = whole
    assert storage.heap.slot(100) == (100, 1000)
    again = changing(database, [1, 100], level)
    assert again.commit_fast()
    reader = manager.begin("snapshot", take_snapshot=True).reader(storage)
    assert (reader.get(1), reader.get(100)) == ((1, -10), (100, -1000))
