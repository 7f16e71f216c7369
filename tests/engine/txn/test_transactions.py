"""Transactions beyond the goldenscripts: states, catalogs, hooks, bulk and large commits,
what is left behind."""

from __future__ import annotations

import gc
from typing import Any

import pytest
from kernel_script import KernelDatabase, KernelTable

from skerry_engine.errors import (
    DuplicateTable,
    InvalidParameterValue,
    InvalidTransactionState,
    OutOfMemory,
    ReadOnlyViolation,
    UniqueViolation,
    WriteConflict,
)
from skerry_engine.session.steps import Wait
from skerry_engine.storage.heap import Row, Version
from skerry_engine.txn.locks import LockWait
from skerry_engine.txn.target import UniqueKey
from skerry_engine.txn.transaction import Transaction


@pytest.fixture
def database() -> KernelDatabase:
    database = KernelDatabase()
    database.create_table(["t", "id", "v", "index", "v"])
    return database


@pytest.fixture
def table(database: KernelDatabase) -> KernelTable:
    return database.tables["t"]


def begin(database: KernelDatabase, level: str = "read committed", **options: Any) -> Transaction:
    transaction = database.manager.begin(level, **options)
    transaction.start_statement()
    return transaction


def insert(database: KernelDatabase, *rows: Row) -> None:
    transaction = begin(database)
    transaction.writer(database.tables["t"].target).insert_many(list(rows))
    transaction.finish_statement()
    finish(transaction)


def finish(transaction: Transaction) -> int:
    """Commit; returns how many units it took."""
    if transaction.commit_fast():
        return 1
    units = 1
    for step in transaction.commit():
        assert not isinstance(step, Wait)
        units += 1
    return units


def all_rows(database: KernelDatabase) -> list[Row]:
    transaction = begin(database)
    reader = transaction.reader(database.tables["t"].storage)
    rows: list[Row] = []
    after = -1
    while True:
        batch, after = reader.scan_batch(after, 100)
        rows += batch
        if after == -1:
            transaction.rollback()
            return rows


# --- states -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", ["commit_fast", "rollback"])
def test_a_finished_transaction_is_t004(database: KernelDatabase, table: KernelTable, end: str) -> None:
    transaction = begin(database)
    getattr(transaction, end)()
    assert transaction.state == ("committed" if end == "commit_fast" else "aborted")
    for use in (
        transaction.start_statement,
        transaction.rollback,
        transaction.commit_fast,
        lambda: list(transaction.commit()),
        lambda: transaction.savepoint("s"),
        lambda: transaction.rollback_to("s"),
        lambda: transaction.release("s"),
        lambda: transaction.writer(table.target),
        lambda: transaction.reader(table.storage),
        lambda: transaction.set_catalog_change(lambda catalog: catalog),
    ):
        with pytest.raises(InvalidTransactionState) as caught:
            use()
        assert caught.value.code == "T004"
    transaction.close()


def test_isolation_levels_by_name(database: KernelDatabase) -> None:
    begin_ = database.manager.begin
    assert begin_("READ UNCOMMITTED").isolation == "read committed"
    assert begin_("repeatable_read").isolation == "snapshot"
    assert begin_("Serializable").isolation == "serializable"
    with pytest.raises(InvalidParameterValue):
        begin_("chaos")


def test_read_only_refuses_writes_and_definitions(database: KernelDatabase, table: KernelTable) -> None:
    transaction = begin(database, read_only=True)
    with pytest.raises(ReadOnlyViolation):
        transaction.writer(table.target)
    with pytest.raises(ReadOnlyViolation):
        transaction.set_catalog_change(lambda catalog: catalog)


def test_native_savepoints_are_unique(database: KernelDatabase) -> None:
    transaction = begin(database)
    transaction.savepoint("s", unique=True)
    with pytest.raises(InvalidTransactionState):
        transaction.savepoint("s", unique=True)
    transaction.savepoint("s")


def test_the_overlay_is_bounded(database: KernelDatabase, table: KernelTable) -> None:
    database.manager.overlay_limit_rows = 10
    transaction = begin(database)
    mark = transaction.mark()
    writer = transaction.writer(table.target)
    writer.insert_many([(number, 0) for number in range(8)])
    with pytest.raises(OutOfMemory):
        writer.insert_many([(number, 0) for number in range(10, 13)])
    transaction.abandon_statement(mark)
    transaction.start_statement()
    writer.insert_many([(number, 0) for number in range(10)])


def test_a_finished_transaction_leaves_no_reference_cycles(
    database: KernelDatabase, table: KernelTable
) -> None:
    insert(database, (1, 1), (2, 2))
    gc.collect()
    gc.disable()
    try:
        for _ in range(5):
            transaction = begin(database)
            reader = transaction.reader(table.storage)
            ids, rows = reader.lookup_ids(table.primary, 1)
            transaction.writer(table.target).update(ids[0], rows[0], (1, 5))
            transaction.finish_statement()
            transaction.commit_fast()
        del transaction, reader
        assert gc.collect() == 0
    finally:
        gc.enable()


# --- catalogs and hooks -------------------------------------------------------------------------------------


def add(name: str) -> Any:
    def apply(catalog: object) -> object:
        assert isinstance(catalog, tuple)
        if name in catalog:
            raise DuplicateTable(f'relation "{name}" already exists')
        return (*catalog, name)

    return apply


@pytest.fixture
def ddl() -> KernelDatabase:
    database = KernelDatabase()
    database.manager.install_catalog(1, ())
    return database


def test_catalog_changes_are_private_until_commit_and_versioned_by_epoch(ddl: KernelDatabase) -> None:
    old = begin(ddl, "snapshot")
    transaction = begin(ddl)
    transaction.set_catalog_change(add("a"))
    assert transaction.catalog == ("a",)
    assert old.catalog == () and begin(ddl).catalog == ()
    transaction.commit_fast()
    assert old.catalog == () and begin(ddl).catalog == ("a",)
    ddl.manager.gc()
    assert old.catalog == ()


def test_catalog_changes_are_replayed_on_the_newest_catalog(ddl: KernelDatabase) -> None:
    one, two, three = begin(ddl), begin(ddl, "snapshot"), begin(ddl)
    one.set_catalog_change(add("a"))
    two.set_catalog_change(add("b"))
    three.set_catalog_change(add("a"))
    one.commit_fast()
    two.commit_fast()
    assert ddl.manager.newest_catalog() == ("a", "b")
    with pytest.raises(DuplicateTable):
        three.commit_fast()
    assert three.state == "aborted"
    assert ddl.manager.newest_catalog() == ("a", "b")


def test_a_failed_change_changes_nothing(ddl: KernelDatabase) -> None:
    transaction = begin(ddl)
    transaction.set_catalog_change(add("a"))
    with pytest.raises(DuplicateTable):
        transaction.set_catalog_change(add("a"))
    assert transaction.catalog == ("a",)


def test_savepoints_cover_catalog_changes_and_hooks(ddl: KernelDatabase) -> None:
    told: list[str] = []
    transaction = begin(ddl)
    transaction.set_catalog_change(add("a"))
    transaction.on_commit(lambda: told.append("commit a"))
    transaction.on_rollback(lambda: told.append("undo a"))
    transaction.savepoint("s")
    transaction.set_catalog_change(add("b"))
    transaction.on_commit(lambda: told.append("commit b"))
    transaction.on_rollback(lambda: told.append("undo b1"))
    transaction.on_rollback(lambda: told.append("undo b2"))
    transaction.rollback_to("s")
    assert transaction.catalog == ("a",) and told == ["undo b2", "undo b1"]
    transaction.commit_fast()
    assert told == ["undo b2", "undo b1", "commit a"]
    other = begin(ddl)
    other.on_rollback(lambda: told.append("undone"))
    other.close()
    assert told[-1] == "undone"


# --- bulk and large transactions ----------------------------------------------------------------------------


@pytest.mark.parametrize("level", ["read committed", "snapshot"])
def test_a_large_commit_takes_several_units_and_shows_all_or_nothing(
    database: KernelDatabase, table: KernelTable, level: str
) -> None:
    insert(database, (-1, 0))
    transaction = begin(database, level)
    writer = transaction.writer(table.target)
    for start in range(0, 5000, 1000):
        writer.insert_many([(number, number % 7) for number in range(start, start + 1000)])
    ids, rows = transaction.reader(table.storage).lookup_ids(table.primary, -1)
    writer.delete(ids[0], rows[0])
    transaction.finish_statement()
    assert not transaction.commit_fast()
    seen = set()
    units = 0
    for _ in transaction.commit():
        units += 1
        seen.add(len(all_rows(database)))
        assert table.storage.row_count in (1, 5000)
    assert units >= 5 and seen == {1, 5000}
    database.manager.gc()
    assert not any(isinstance(slot, Version) for page in table.storage.heap.pages for slot in page or [])
    assert len(table.primary.equal) == len(table.primary.ordered) == 5000


@pytest.mark.parametrize("stop_after", [1, 3, 5])
def test_a_large_commit_that_is_broken_off_leaves_nothing(
    database: KernelDatabase, table: KernelTable, stop_after: int
) -> None:
    insert(database, *[(number, 0) for number in range(10)])
    transaction = begin(database)
    writer = transaction.writer(table.target)
    for start in range(100, 6100, 1000):
        writer.insert_many([(number, 1) for number in range(start, start + 1000)])
    ids, rows, _ = transaction.reader(table.storage).scan_ids_batch(-1, 100)
    for row_id, row in zip(ids, rows, strict=True):
        writer.update(row_id, row, (row[0], 99))
    transaction.finish_statement()
    commit = transaction.commit()
    for _ in range(stop_after):
        next(commit)
    commit.close()
    assert transaction.state == "aborted"
    assert sorted(all_rows(database)) == [(number, 0) for number in range(10)]
    for index in table.indexes.values():
        assert len(index.ordered) == 10
    assert not any(isinstance(slot, Version) for page in table.storage.heap.pages for slot in page or [])
    insert(database, (100, 0))


def test_a_large_update_releases_its_locks_in_slices(database: KernelDatabase, table: KernelTable) -> None:
    insert(database, *[(number, 0) for number in range(3000)])
    transaction = begin(database)
    writer = transaction.writer(table.target)
    ids, rows, _ = transaction.reader(table.storage).scan_ids_batch(-1, 4000)
    for row_id, row in zip(ids, rows, strict=True):
        writer.update(row_id, row, (row[0], 1))
    transaction.finish_statement()
    held = set()
    for _ in transaction.commit():
        held.add(len(transaction.holder.locks))
    assert {3000, 2000, 1000, 0} <= held
    assert not list(database.manager.locks.all_locks()) and transaction.overlay is None
    transaction = begin(database)
    for row_id, row in zip(*transaction.reader(table.storage).scan_ids_batch(-1, 4000)[:2], strict=True):
        transaction.writer(table.target).delete(row_id, row)
    transaction.finish_statement()
    commit = transaction.commit()
    while transaction.state == "active":
        next(commit)
    commit.close()
    assert transaction.state == "committed" and not list(database.manager.locks.all_locks())
    assert all_rows(database) == []


def test_a_bulk_insert_holds_one_lock_for_its_keys(database: KernelDatabase, table: KernelTable) -> None:
    transaction = begin(database)
    transaction.writer(table.target).insert_many([(number, 0) for number in range(500)])
    assert len(transaction.holder.locks) == 1
    other = begin(database)
    with pytest.raises(LockWait):
        other.writer(table.target).insert((9999, 0))
    transaction.commit_fast()
    other.writer(table.target).insert((9999, 0))


def test_a_bulk_insert_beside_another_writer_locks_its_keys(
    database: KernelDatabase, table: KernelTable
) -> None:
    other = begin(database)
    other.writer(table.target).insert((5, 0))
    transaction = begin(database)
    writer = transaction.writer(table.target)
    with pytest.raises(LockWait):
        writer.insert_many([(4, 0), (5, 0), (6, 0)])
    assert table.storage.next_row_id == 2, "nothing was done yet"
    other.rollback()
    writer.insert_many([(4, 0), (5, 0), (6, 0)])
    finish(transaction)
    assert len(all_rows(database)) == 3


def test_bulk_rows_can_be_changed_and_unwound(database: KernelDatabase, table: KernelTable) -> None:
    transaction = begin(database)
    transaction.writer(table.target).insert_many([(number, 0) for number in range(100)])
    transaction.finish_statement()
    transaction.savepoint("s")
    transaction.start_statement()
    reader = transaction.reader(table.storage)
    ids, rows = reader.lookup_ids(table.primary, 50)
    writer = transaction.writer(table.target)
    writer.update(ids[0], rows[0], (500, 1))
    writer.delete(*next(zip(*reader.lookup_ids(table.primary, 51), strict=True)))
    transaction.finish_statement()
    transaction.start_statement()
    reader = transaction.reader(table.storage)
    assert reader.lookup(table.primary, 50) is None and reader.lookup(table.primary, 500) == (500, 1)
    assert reader.lookup(table.primary, 51) is None
    assert sum(len(reader.scan_batch(after, 64)[0]) for after in (-1, 63)) == 99
    transaction.rollback_to("s")
    transaction.start_statement()
    assert transaction.reader(table.storage).lookup(table.primary, 50) == (50, 0)
    finish(transaction)
    assert table.storage.row_count == 100


def test_a_duplicate_within_a_bulk_insert(database: KernelDatabase, table: KernelTable) -> None:
    transaction = begin(database)
    writer = transaction.writer(table.target)
    with pytest.raises(UniqueViolation) as caught:
        writer.insert_many([(1, 0), (2, 0), (1, 0)])
    assert caught.value.detail == "Key (id)=(1) already exists."
    writer.insert_many([(1, 0), (2, 0)])
    with pytest.raises(UniqueViolation):
        writer.insert_many([(3, 0), (2, 0)])


# --- statements ---------------------------------------------------------------------------------------------


def test_a_statement_does_not_see_its_own_writes(database: KernelDatabase, table: KernelTable) -> None:
    insert(database, (1, 1))
    transaction = begin(database)
    writer = transaction.writer(table.target)
    reader = transaction.reader(table.storage)
    writer.insert((2, 2))
    assert reader.scan_batch(-1, 10)[0] == [(1, 1)]
    assert reader.lookup(table.primary, 2) is None
    returning = transaction.reader(table.storage, include_current_statement=True)
    assert returning.lookup(table.primary, 2) == (2, 2)
    row_id = returning.lookup_id(table.primary, 1)
    assert writer.update(row_id, (1, 1), (1, 5))
    assert not writer.update(row_id, (1, 1), (1, 6)), "a row is written once in a statement"
    assert not writer.delete(row_id, (1, 1))
    assert writer.written_by_statement(row_id)
    transaction.finish_statement()
    transaction.start_statement()
    assert sorted(transaction.reader(table.storage).scan_batch(-1, 10)[0]) == [(1, 5), (2, 2)]


def test_a_held_snapshot_outlives_its_statement(database: KernelDatabase, table: KernelTable) -> None:
    insert(database, (1, 1))
    transaction = begin(database)
    reader = transaction.reader(table.storage)
    epoch = transaction.hold_snapshot()
    transaction.finish_statement()
    for value in (2, 3):
        other = begin(database)
        ids, rows = other.reader(table.storage).lookup_ids(table.primary, 1)
        other.writer(table.target).update(ids[0], rows[0], (1, value))
        other.finish_statement()
        finish(other)
        database.manager.gc()
    assert reader.lookup(table.primary, 1) == (1, 1)
    transaction.release_snapshot(epoch)
    assert database.manager.min_active() == database.manager.published
    database.manager.gc()
    assert table.storage.heap.slot(1) == (1, 3)


def test_a_deferred_unique_key_is_checked_at_commit(database: KernelDatabase, table: KernelTable) -> None:
    key = table.target.unique_keys[0]
    deferred = UniqueKey(
        key.index, key.constraint_name, "t", ("id",), (str,), deferrable=True, initially_deferred=True
    )
    table.target.unique_keys = (deferred,)
    insert(database, (1, 1))
    transaction = begin(database)
    writer = transaction.writer(table.target)
    writer.insert((1, 2))
    transaction.finish_statement()
    with pytest.raises(UniqueViolation):
        transaction.commit_fast()
    transaction = begin(database)
    writer = transaction.writer(table.target)
    writer.insert((1, 2))
    transaction.finish_statement()
    transaction.start_statement()
    ids, rows = transaction.reader(table.storage).lookup_ids(table.primary, 1)
    transaction.writer(table.target).delete(ids[0], rows[0])
    transaction.finish_statement()
    transaction.commit_fast()
    assert all_rows(database) == [(1, 2)]
    transaction = begin(database)
    transaction.set_constraints(None, False)
    transaction.writer(table.target).insert((1, 3))
    with pytest.raises(UniqueViolation):
        transaction.finish_statement()


def test_snapshot_is_taken_at_the_first_statement_or_at_begin(database: KernelDatabase) -> None:
    late = database.manager.begin("snapshot")
    early = database.manager.begin("snapshot", take_snapshot=True)
    insert(database, (1, 1))
    for transaction in (late, early):
        transaction.start_statement()
    table = database.tables["t"]
    assert late.reader(table.storage).scan_batch(-1, 9)[0] == [(1, 1)]
    assert early.reader(table.storage).scan_batch(-1, 9)[0] == []


def test_a_failed_commit_releases_everything(database: KernelDatabase, table: KernelTable) -> None:
    insert(database, (1, 1))
    loser, winner = begin(database, "snapshot"), begin(database)
    for transaction in (loser, winner):
        ids, rows = transaction.reader(table.storage).lookup_ids(table.primary, 1)
        transaction.writer(table.target).update(ids[0], rows[0], (1, 2))
        transaction.finish_statement()
    finish(winner)
    with pytest.raises(WriteConflict) as caught:
        loser.commit_fast()
    assert caught.value.is_retryable and loser.state == "aborted"
    assert not list(database.manager.locks.all_locks()) and not database.manager.active


def test_a_snapshot_statement_can_be_restarted_after_a_wait(
    database: KernelDatabase, table: KernelTable
) -> None:
    transaction = begin(database, "snapshot")
    mark = transaction.mark()
    transaction.writer(table.target).insert((1, 1))
    snapshot = transaction.snapshot
    insert(database, (2, 2))
    transaction.restart_statement(mark)
    assert transaction.snapshot == snapshot
    transaction.writer(table.target).insert((1, 1))
    transaction.finish_statement()
    finish(transaction)
    assert sorted(all_rows(database)) == [(1, 1), (2, 2)]
