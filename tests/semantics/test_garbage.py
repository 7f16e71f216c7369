"""Row t18 of the transaction semantics: old versions go when no snapshot sees them, every so many commits and
by `gc()`; long readers hold them back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from support.postgres_server import Address
from support.skerry_process import skerry_process

import skerry
from skerry import errors
from skerry.embedded import EmbeddedSource

NEVER = 1_000_000


@contextmanager
def database_with(place: str, gc_interval: int) -> Iterator[skerry.Database]:
    """A database of its own that collects garbage every so many commits; `t` has one row."""
    if place == "embedded":
        with skerry.open(gc_interval=gc_interval) as database:
            yield prepared(database)
        return
    with (
        skerry_process(("--gc-interval", str(gc_interval))) as address,
        skerry.open(url(address)) as database,
    ):
        yield prepared(database)


def url(address: Address) -> str:
    return f"skerry://{address.user}@{address.host}:{address.port}/{address.database}"


def prepared(database: skerry.Database) -> skerry.Database:
    database.execute("CREATE TABLE t (id int PRIMARY KEY, v int)")
    database.execute("INSERT INTO t VALUES (1, 0)")
    database.gc()
    return database


def commit_beside_a_reader(database: skerry.Database, times: int) -> None:
    """Commit so often, with a snapshot active that sees the state before, and gone afterwards."""
    for _ in range(times):
        with database.begin_transaction(read_only=True):
            database.execute("UPDATE t SET v = v + 1")


@pytest.mark.parametrize("place", ["embedded", "network"])
def test_t18_by_gc(place: str) -> None:
    with database_with(place, NEVER) as database:
        commit_beside_a_reader(database, 250)
        assert database.gc() == 250
        assert database.gc() == 0
        assert database.execute("SELECT v FROM t").scalar() == 250


@pytest.mark.parametrize("place", ["embedded", "network"])
def test_t18_every_n_commits(place: str) -> None:
    with database_with(place, 10) as database:
        commit_beside_a_reader(database, 250)
        assert database.gc() <= 10
        assert database.execute("SELECT v FROM t").scalar() == 250


def test_t18_every_100_commits_by_default(database: skerry.Database) -> None:
    prepared(database)
    commit_beside_a_reader(database, 1000)
    assert database.gc() <= 100


def test_t18_long_readers_hold_it_back(database: skerry.Database) -> None:
    """Above READ COMMITTED: a snapshot keeps every version that it sees, and what is newer."""
    prepared(database)
    with database.begin_transaction(read_only=True) as reader:
        for _ in range(300):
            database.execute("UPDATE t SET v = v + 1")
        assert database.gc() == 0
        assert reader.execute("SELECT v FROM t").scalar() == 0
    assert database.gc() >= 300
    with database.begin_transaction(isolation_level="read committed") as reader:
        assert reader.execute("SELECT v FROM t").scalar() == 300
        for _ in range(3):
            commit_beside_a_reader(database, 1)
            assert database.gc() > 0
        assert reader.execute("SELECT v FROM t").scalar() == 303


def test_t18_long_readers_are_seen(database: skerry.Database) -> None:
    """Who holds back how much, and since when."""
    prepared(database)
    reader = database.begin_transaction(isolation_level="serializable", read_only=True)
    pid = reader.execute("SELECT pg_backend_pid()").scalar()
    for _ in range(30):
        database.execute("UPDATE t SET v = v + 1")
    young = database.begin_transaction()
    query = (
        "SELECT isolation_level, is_read_only, retained_versions, age >= interval '0', snapshot"
        " FROM skerry.transactions WHERE pid = $1"
    )
    *seen, snapshot = database.execute(query, (pid,)).one()
    assert seen == ["serializable", True, 30, True]
    other = young.execute("SELECT pg_backend_pid()").scalar()
    assert database.execute(query, (other,)).one()[2] == 0
    assert (
        database.execute(
            "SELECT min(oldest_snapshot) FROM skerry.transactions WHERE database = current_database()"
        ).scalar()
        == snapshot
    )
    reader.rollback()
    young.rollback()
    assert database.execute(query, (pid,)).fetchall() == []
    assert database.gc() >= 30


def test_t18_deleted_rows_go_with_their_index_entries(database: skerry.Database) -> None:
    prepared(database)
    database.execute("INSERT INTO t SELECT g, g FROM generate_series(2, 3000) g")
    with database.begin_transaction(read_only=True):
        database.execute("DELETE FROM t WHERE id > 1")
    assert database.gc() >= 2999
    assert database.execute("SELECT count(*) FROM t WHERE id > 1").scalar() == 0
    database.execute("INSERT INTO t SELECT g, g FROM generate_series(2, 3000) g")
    assert database.execute("SELECT count(*) FROM t WHERE id > 1").scalar() == 2999


def test_t18_what_was_rolled_back_leaves_nothing(database: skerry.Database) -> None:
    prepared(database)
    with database.begin_transaction(read_only=True):
        for _ in range(20):
            with database.begin_transaction() as writer:
                writer.execute("UPDATE t SET v = v + 1")
    assert database.gc() == 0


@pytest.mark.parametrize("gc_interval", [0, -1])
def test_t18_an_interval_is_at_least_one(gc_interval: int) -> None:
    with pytest.raises(errors.InvalidParameterValue):
        skerry.open(gc_interval=gc_interval)


def test_t18_a_servers_interval_is_its_own(database: skerry.Database) -> None:
    if isinstance(database._source, EmbeddedSource):
        assert database._source.engine.manager.gc_interval_commits == 100
        return
    with pytest.raises(skerry.InterfaceError, match="--gc-interval"):
        skerry.open("skerry://127.0.0.1:1/x", gc_interval=5)
