"""Engines: URLs, pools, modes of transactions, sessions that are gone, streams, two-phase commit, GQL."""

from __future__ import annotations

import asyncio
import importlib
import itertools
import uuid
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import QueuePool
from support.engines import ENTRY_POINTS

import skerry
from skerry.sqlalchemy import SkerryDialect, gql

LEVELS = {
    "READ UNCOMMITTED": "read uncommitted",
    "READ COMMITTED": "read committed",
    "SNAPSHOT": "repeatable read",
    "REPEATABLE READ": "repeatable read",
    "SERIALIZABLE": "serializable",
}
SETTINGS = ("transaction_isolation", "transaction_read_only", "transaction_deferrable")

META = sa.MetaData()
ACCOUNT = sa.Table(
    "account", META, sa.Column("id", sa.Integer, primary_key=True), sa.Column("balance", sa.Integer)
)


@pytest.fixture
def accounts(engine: sa.Engine) -> sa.Engine:
    """Two accounts with 100 each."""
    META.create_all(engine)
    with engine.begin() as connection:
        connection.execute(ACCOUNT.insert(), [{"id": 1, "balance": 100}, {"id": 2, "balance": 100}])
    return engine


def modes(connection: sa.Connection) -> tuple[str, ...]:
    """Level, read-only and deferrable of a connection's transaction."""
    return tuple([str(connection.scalar(sa.text(f"SHOW {name}"))) for name in SETTINGS])


def set_balance(connection: sa.Connection, number: int, balance: int) -> None:
    connection.execute(sa.update(ACCOUNT).where(ACCOUNT.c.id == number).values(balance=balance))


# --- URLs ---------------------------------------------------------------------------------------------------------------


def test_entry_points_name_dialects_by_what_a_url_says() -> None:
    for name, place in ENTRY_POINTS.items():
        module, _, attribute = place.partition(":")
        dialect = getattr(importlib.import_module(module), attribute)
        assert issubclass(dialect, SkerryDialect)
        assert dialect.driver == (name.partition(".")[2] or "network")
        assert sa.make_url(name.replace(".", "+") + "://").get_dialect() is dialect


@pytest.mark.parametrize(
    ("url", "target", "keywords"),
    [
        ("skerry://", "skerry://", {}),
        ("skerry://ann:p%40ss%3A@db:7000/shop", "skerry://ann:p%40ss%3A@db:7000/shop", {}),
        ("skerry://[::1]:7000/shop", "skerry://[::1]:7000/shop", {}),
        ("skerry://db/shop?timeout=2.5", "skerry://db/shop", {"timeout": 2.5}),
        ("skerry://db?search_path=a,b", "skerry://db", {"options": {"search_path": "a,b"}}),
        (
            "skerry://db/shop?sslmode=require&timeout=1",
            "skerry://db/shop?sslmode=require",
            {"timeout": 1.0},
        ),
        ("skerry://ann@/shop?host=one:1&host=two:2", "skerry://ann@one:1,two:2/shop", {}),
        ("skerry://?options=-c%20work_mem%3D1MB", "skerry://?options=-c%20work_mem%3D1MB", {}),
        ("skerry+embedded://", ":memory:", {}),
        ("skerry+embedded:///:memory:", ":memory:", {}),
        ("skerry+embedded:///data/shop", "data/shop", {}),
        ("skerry+async_embedded:////srv/shop?retention=60", "/srv/shop", {"retention": 60.0}),
        (
            "skerry+embedded:///shop?memory_limit=1000&database=x",
            "shop",
            {"memory_limit": 1000, "database": "x"},
        ),
    ],
)
def test_a_url_says_what_connect_gets(url: str, target: str, keywords: dict[str, object]) -> None:
    made = sa.make_url(url)
    assert made.get_dialect()().create_connect_args(made) == ([target], keywords)


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("skerry+embedded://db:7000/shop", "no host"),
        ("skerry://db?timeout=soon", "timeout in the URL is not a number"),
        ("skerry://db?isolation_level=snapshot", "isolation_level is an argument of create_engine"),
        ("skerry://db?host=other", "names servers twice"),
        ("skerry://db?timeout=1&timeout=2", "more than once"),
    ],
)
def test_a_url_without_a_meaning_is_refused(url: str, says: str) -> None:
    made = sa.make_url(url)
    with pytest.raises(sa.exc.ArgumentError, match=says):
        made.get_dialect()().create_connect_args(made)


def test_options_that_would_do_nothing_are_refused() -> None:
    with pytest.raises(sa.exc.ArgumentError):
        sa.Index("i", ACCOUNT.c.id, skerry_where=ACCOUNT.c.balance > 0)


# --- databases in this process ------------------------------------------------------------------------------------------


def test_a_database_in_memory_is_its_engines_own_and_lives_as_long() -> None:
    engine, other = sa.create_engine("skerry+embedded://"), sa.create_engine("skerry+embedded://")
    assert isinstance(engine.pool, QueuePool)
    META.create_all(engine)
    with engine.connect() as first, engine.connect() as second:
        set_balance(first, 1, 5)
        first.execute(ACCOUNT.insert(), {"id": 1, "balance": 100})
        assert second.scalars(sa.select(ACCOUNT.c.id)).all() == []
        first.commit()
        assert second.scalars(sa.select(ACCOUNT.c.id)).all() == [1]
    engine.dispose()
    with engine.connect() as connection:
        assert connection.scalars(sa.select(ACCOUNT.c.id)).all() == [1]
    assert not sa.inspect(other).has_table("account")


def test_a_directory_is_free_when_its_engine_is_disposed_of(tmp_path: Path) -> None:
    engine = sa.create_engine(f"skerry+embedded:///{tmp_path}/shop")
    META.create_all(engine)
    engine.dispose()
    (tmp_path / "shop").rename(tmp_path / "moved")
    with skerry.connect(tmp_path / "moved") as connection:
        assert connection.execute("SELECT count(*) FROM account").fetchone() == (0,)


# --- modes --------------------------------------------------------------------------------------------------------------


def test_levels_by_engine_and_by_execution(url: sa.URL) -> None:
    engine = sa.create_engine(url, isolation_level="SERIALIZABLE", pool_size=1, max_overflow=0)
    with engine.connect() as connection:
        assert connection.get_isolation_level() == "SERIALIZABLE"
        assert modes(connection)[0] == "serializable"
    for level, shown in LEVELS.items():
        with engine.connect().execution_options(isolation_level=level) as connection:  # type: ignore[call-overload]
            assert (connection.get_isolation_level(), modes(connection)[0]) == (level, shown)
    with engine.connect() as connection:
        assert modes(connection)[0] == "serializable"
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(sa.text("CREATE TABLE kept (a int)"))
        assert connection.get_isolation_level() == "AUTOCOMMIT"
    assert sa.inspect(engine).has_table("kept")
    with pytest.raises(sa.exc.ArgumentError, match="SNAPSHOT"), engine.connect() as connection:
        connection.execution_options(isolation_level="CHAOS")  # type: ignore[call-overload]
    engine.dispose()


@pytest.mark.parametrize(
    "prefix", ["skerry_read_only skerry_deferrable", "postgresql_readonly postgresql_deferrable"]
)
def test_access_modes_are_of_one_use_of_a_connection(accounts: sa.Engine, prefix: str) -> None:
    read_only, deferrable = prefix.split()
    options: dict[str, Any] = {"isolation_level": "SERIALIZABLE", read_only: True, deferrable: True}
    with accounts.connect().execution_options(**options) as connection:
        assert modes(connection) == ("serializable", "on", "on")
        with pytest.raises(sa.exc.InternalError) as caught:
            set_balance(connection, 1, 0)
        assert isinstance(caught.value.orig, skerry.ReadOnlyViolation)
    with accounts.connect() as connection:
        assert modes(connection) == ("read committed", "off", "off")
    with accounts.execution_options(**options).connect() as connection:
        assert modes(connection) == ("serializable", "on", "on")


def test_a_snapshot_that_would_lose_an_update_fails_retryably(accounts: sa.Engine) -> None:
    with (
        accounts.connect().execution_options(isolation_level="SNAPSHOT") as first,  # type: ignore[call-overload]
        accounts.connect() as second,
    ):
        assert first.scalar(sa.select(ACCOUNT.c.balance).where(ACCOUNT.c.id == 1)) == 100
        set_balance(second, 1, 70)
        second.commit()
        assert first.scalar(sa.select(ACCOUNT.c.balance).where(ACCOUNT.c.id == 1)) == 100
        with pytest.raises(sa.exc.OperationalError) as caught:
            set_balance(first, 1, 50)
        assert isinstance(caught.value.orig, skerry.WriteConflict)
        assert caught.value.orig.sqlstate == "40001"
        first.rollback()
        assert first.scalar(sa.select(ACCOUNT.c.balance).where(ACCOUNT.c.id == 1)) == 70


def test_errors_are_sqlalchemys_with_the_drivers_inside(accounts: sa.Engine) -> None:
    cases: list[tuple[str, type[sa.exc.DBAPIError], type[skerry.Error]]] = [
        ("INSERT INTO account VALUES (1, 1)", sa.exc.IntegrityError, skerry.errors.UniqueViolation),
        ("SELECT * FROM nowhere", sa.exc.ProgrammingError, skerry.errors.UndefinedTable),
        ("SELECT 1 / 0", sa.exc.DataError, skerry.errors.DivisionByZero),
        ("SELEC", sa.exc.ProgrammingError, skerry.errors.SyntaxError),
    ]
    for statement, expected, inside in cases:
        with accounts.connect() as connection, pytest.raises(expected) as caught:
            connection.execute(sa.text(statement))
        assert isinstance(caught.value.orig, inside)
        assert not caught.value.connection_invalidated
    with accounts.connect() as connection, pytest.raises(sa.exc.InterfaceError):
        connection.exec_driver_sql("SELECT %s, %s", (1,))


def test_parameters_are_data(accounts: sa.Engine) -> None:
    for hostile in ("'; DROP TABLE account; --", "100%", "%s", "%(x)s", ":x", "$1", "\\", "\U0001f600", ""):
        with accounts.connect() as connection:
            assert connection.scalar(sa.select(sa.literal(hostile))) == hostile
            assert (
                connection.scalar(sa.text("SELECT CAST(:x AS text) || '%'"), {"x": hostile}) == hostile + "%"
            )
            assert connection.scalar(sa.select(sa.literal_column("'50%'"))) == "50%"


# --- sessions that are gone ---------------------------------------------------------------------------------------------


def end_session(engine: sa.Engine, pid: int) -> None:
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(sa.text("SELECT pg_terminate_backend(:pid)"), {"pid": pid})


def test_a_session_that_was_ended_is_told_apart_and_replaced(accounts: sa.Engine) -> None:
    own_pid = sa.text("SELECT pg_backend_pid()")
    with accounts.connect(), accounts.connect() as connection:
        pid = connection.scalar(own_pid)
        assert pid is not None
        end_session(accounts, pid)
        with pytest.raises(sa.exc.DBAPIError) as caught:
            connection.scalar(own_pid)
        assert caught.value.connection_invalidated
        connection.rollback()
        assert connection.scalar(own_pid) != pid


def test_a_ping_finds_sessions_that_were_ended_in_the_pool(url: sa.URL) -> None:
    engine = sa.create_engine(url, pool_pre_ping=True, pool_size=1)
    own_pid = sa.text("SELECT pg_backend_pid()")
    with engine.connect() as connection:
        pid = connection.scalar(own_pid)
    assert pid is not None
    with engine.connect() as connection:
        assert connection.scalar(own_pid) == pid
        assert not connection.connection.dbapi_connection.autocommit  # type: ignore[union-attr]
    other = sa.create_engine(url)
    end_session(other, pid)
    with engine.connect() as connection:
        assert connection.scalar(own_pid) != pid
    for each in (engine, other):
        each.dispose()


# --- streams, two-phase commit, savepoints ------------------------------------------------------------------------------


def test_rows_come_as_a_stream_beside_other_statements(accounts: sa.Engine) -> None:
    numbers = sa.select(sa.func.generate_series(1, 3000).label("n"))
    with accounts.connect() as connection:
        result = connection.execution_options(yield_per=250).execute(numbers)
        assert result.cursor is not None
        read = 0
        for part in itertools.islice(result.partitions(), 4):
            read += len(part)
            assert connection.scalar(sa.select(sa.func.count()).select_from(ACCOUNT)) == 2
        assert read == 1000
        result.close()
        with connection.execution_options(stream_results=True).execute(numbers) as stream:
            assert stream.scalars().all() == list(range(1, 3001))
        connection.rollback()
    with accounts.connect().execution_options(
        isolation_level="AUTOCOMMIT", stream_results=True
    ) as connection:
        with connection.execute(numbers) as stream:
            assert stream.fetchmany(2) == [(1,), (2,)]
        assert connection.scalar(sa.select(sa.literal(1))) == 1


def test_two_phase_commit_and_recovery(accounts: sa.Engine) -> None:
    with accounts.connect() as connection:
        transaction = connection.begin_twophase()
        set_balance(connection, 1, 1)
        transaction.prepare()
        transaction.commit()
        transaction = connection.begin_twophase()
        set_balance(connection, 2, 2)
        transaction.rollback()
    lost, found = f"it's {uuid.uuid4()}", str(uuid.uuid4())
    for xid, number in ((lost, 1), (found, 2)):
        with accounts.connect() as connection:
            transaction = connection.begin_twophase(xid=xid)
            set_balance(connection, number, 55)
            transaction.prepare()
            connection.invalidate()
    with accounts.connect() as connection:
        assert sorted(connection.recover_twophase()) == sorted([lost, found])
        connection.rollback_prepared(lost, recover=True)
        connection.commit_prepared(found, recover=True)
        assert connection.recover_twophase() == []
        assert connection.execute(sa.select(ACCOUNT).order_by(ACCOUNT.c.id)).all() == [(1, 1), (2, 55)]


def test_savepoints_undo_a_part(accounts: sa.Engine) -> None:
    with accounts.begin() as connection:
        set_balance(connection, 1, 10)
        with pytest.raises(sa.exc.IntegrityError), connection.begin_nested():
            connection.execute(ACCOUNT.insert(), {"id": 1, "balance": 0})
        with connection.begin_nested() as inner:
            set_balance(connection, 2, 20)
            inner.rollback()
    with accounts.connect() as connection:
        assert connection.execute(sa.select(ACCOUNT).order_by(ACCOUNT.c.id)).all() == [(1, 10), (2, 100)]


# --- GQL ----------------------------------------------------------------------------------------------------------------


def test_gql_gives_nodes_edges_and_paths(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        connection.execute(gql("CREATE GRAPH friends"))
        connection.execute(gql("SESSION SET GRAPH friends"))
        connection.execute(
            gql(
                "INSERT (:Person {name: $one, note: ':x $y'})-[:KNOWS {since: $since}]->(:Person {name: $two})"
            ),
            {"one": "Ann", "two": "Bob", "since": 2020},
        )
        ways = gql("MATCH p = (a:Person {name: $name})-[k:KNOWS]->(b) RETURN a, k, b.name AS b, p")
        row = connection.execute(ways, {"name": "Ann"}).one()
        assert isinstance(row.a, skerry.Node) and row.a["name"] == "Ann" and row.a["note"] == ":x $y"
        assert isinstance(row.k, skerry.Edge) and row.k["since"] == 2020
        assert row.b == "Bob"
        assert isinstance(row.p, skerry.Path)
        plain = sa.text(r"MATCH (a\:Person)-[\:KNOWS]->(b) WHERE b.name = :name RETURN a.name")
        assert connection.scalars(plain, {"name": "Bob"}).all() == ["Ann"]


# --- asyncio ------------------------------------------------------------------------------------------------------------


def test_asyncio(async_url: sa.URL) -> None:
    async def use() -> None:
        engine = create_async_engine(async_url, pool_pre_ping=True)
        try:
            async with engine.begin() as connection:
                await connection.run_sync(META.create_all)
                rows = [{"id": number, "balance": number} for number in range(1, 1001)]
                await connection.execute(ACCOUNT.insert(), rows)
            async with engine.connect() as connection:
                connection = await connection.execution_options(
                    isolation_level="SNAPSHOT",  # type: ignore[call-overload]
                    skerry_read_only=True,
                )
                assert await connection.get_isolation_level() == "SNAPSHOT"
                seen = 0
                async with connection.stream(sa.select(ACCOUNT).execution_options(yield_per=100)) as result:
                    async for row in result:
                        seen += row.balance
                assert seen == 500500
                with pytest.raises(sa.exc.InternalError):
                    await connection.execute(sa.delete(ACCOUNT))
                assert isinstance(
                    (await connection.get_raw_connection()).driver_connection, skerry.AsyncConnection
                )

            async def balance(number: int) -> object:
                async with engine.connect() as connection:
                    return await connection.scalar(sa.select(ACCOUNT.c.balance).where(ACCOUNT.c.id == number))

            assert await asyncio.gather(*map(balance, range(1, 31))) == list(range(1, 31))
        finally:
            await engine.dispose()

    asyncio.run(use())


def test_asyncio_cancels_what_a_task_waits_for(async_url: sa.URL) -> None:
    async def use() -> None:
        engine = create_async_engine(async_url)
        try:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.2):
                    async with engine.connect() as connection:
                        await connection.execute(sa.text("SELECT pg_sleep(60)"))
            async with engine.connect() as connection:
                assert await connection.scalar(sa.select(sa.literal(1))) == 1
        finally:
            await engine.dispose()

    asyncio.run(use())


def test_asyncio_in_memory_is_one_database() -> None:
    async def use() -> None:
        engine = create_async_engine("skerry+async_embedded://")
        async with engine.begin() as connection:
            await connection.run_sync(META.create_all)
        async with engine.connect() as first, engine.connect() as second:
            for each in (first, second):
                assert await each.scalar(sa.select(sa.func.count()).select_from(ACCOUNT)) == 0
        await engine.dispose()

    asyncio.run(use())
