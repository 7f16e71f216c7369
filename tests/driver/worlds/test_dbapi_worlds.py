"""PEP 249 and what goes beyond it, in all four worlds."""

from __future__ import annotations

import asyncio
import datetime
import enum
import io
import ipaddress
import threading
import uuid
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

import skerry
from skerry.pep249 import Xid

from .conftest import World

EVIL = "'; DROP TABLE t; -- %s $1 \\ \" \u00e9 \U0001f40b"


class Colour(enum.Enum):
    """Neither str nor int: its names count."""

    RED = object()


class Level(enum.IntEnum):
    """Its values count."""

    HIGH = 3


async def one(connection: Any, statement: str, parameters: Any = None) -> Any:
    """The only value of the only row."""
    ((value,),) = await (await connection.execute(statement, parameters)).fetchall()
    return value


VALUES = [
    (1, 1, "int"),
    (2**40, 2**40, "bigint"),
    (True, True, "bool"),
    (Decimal("1.50"), Decimal("1.50"), "numeric"),
    (1.5, 1.5, "float8"),
    (EVIL, EVIL, "text"),
    (b"\0\xff\\", b"\0\xff\\", "bytea"),
    (datetime.date(2024, 2, 29), datetime.date(2024, 2, 29), "date"),
    (datetime.time(1, 2, 3, 4), datetime.time(1, 2, 3, 4), "time"),
    (datetime.datetime(2024, 2, 29, 1), datetime.datetime(2024, 2, 29, 1), "timestamp"),
    (datetime.timedelta(days=1, microseconds=5), datetime.timedelta(days=1, microseconds=5), "interval"),
    (skerry.Interval(14, 3, 5), skerry.Interval(14, 3, 5), "interval"),
    (uuid.UUID(int=5), uuid.UUID(int=5), "uuid"),
    ([1, None, 3], [1, None, 3], "int[]"),
    ([["a"], [EVIL]], [["a"], [EVIL]], "text[]"),
    ({"a": [1, None, {"b": EVIL}]}, {"a": [1, None, {"b": EVIL}]}, "jsonb"),
    (None, None, "int"),
    (Colour.RED, "RED", "text"),
    (Level.HIGH, 3, "int"),
    (ipaddress.ip_address("10.0.0.1"), "10.0.0.1", "text"),
]


async def test_values_go_and_come_back(world: World) -> None:
    connection = await world.connect()
    for value, expected, type_name in VALUES:
        found = await one(connection, f"SELECT %s::{type_name}", (value,))
        assert (found, type(found)) == (expected, type(expected))
        if value is not None and not isinstance(value, dict):
            assert await one(connection, f"SELECT %(x)s::{type_name} IS NOT NULL AND true", {"x": value})


async def test_parameters_that_no_type_stands_for_are_named(world: World) -> None:
    connection = await world.connect()
    for statement, parameters, name in [
        ("SELECT %s, %s", (1, object()), "parameter 2"),
        ("SELECT %(a)s, %(b)s", {"a": 1, "b": [object()]}, 'parameter "b"'),
    ]:
        with pytest.raises(skerry.NotSupportedError, match=name):
            await connection.execute(statement, parameters)
    for statement, parameters, name in [
        ("SELECT %s, %s", (1,), "none for parameter 2"),
        ("SELECT %s", (1, 2), "no placeholder for parameter 2"),
        ("SELECT %(a)s", {"b": 1}, "parameter a"),
    ]:
        with pytest.raises(skerry.InterfaceError, match=name):
            await connection.execute(statement, parameters)
    assert await one(connection, "SELECT 1") == 1


async def test_adapters(world: World) -> None:
    class Money:
        def __init__(self, cents: int) -> None:
            self.cents = cents

    skerry.register_adapter(Money, lambda money: Decimal(money.cents).scaleb(-2))
    connection = await world.connect()
    assert await one(connection, "SELECT %s::numeric", (Money(1234),)) == Decimal("12.34")
    assert await one(connection, "SELECT %s::numeric[]", ([Money(1), 2],)) == [Decimal("0.01"), Decimal(2)]


async def test_fetching_and_scrolling(world: World) -> None:
    connection = await world.connect()
    for is_stream in (False, True):
        cursor = connection.cursor(stream=is_stream, itersize=3)
        await cursor.execute("SELECT x FROM generate_series(0, 9) AS g(x) ORDER BY x")
        assert cursor.rownumber == 0
        assert await cursor.fetchone() == (0,)
        assert await cursor.fetchmany(4) == [(1,), (2,), (3,), (4,)]
        assert await cursor.fetchmany() == [(5,)]
        await cursor.scroll(1)
        assert cursor.rownumber == 7
        assert await cursor.next() == (7,)
        assert [row async for row in cursor] == [(8,), (9,)]
        with pytest.raises(StopIteration if world.is_blocking else StopAsyncIteration):
            try:
                await cursor.next()
            except RuntimeError as problem:  # a coroutine can't raise StopIteration as such
                assert problem.__cause__ is not None
                raise problem.__cause__ from None
        assert (await cursor.fetchone(), await cursor.fetchall(), await cursor.fetchmany(2)) == (None, [], [])
        assert (cursor.rowcount, cursor.statusmessage) == (10, "SELECT 10")
        if is_stream:
            with pytest.raises(skerry.NotSupportedError):
                await cursor.scroll(-5)
        else:
            await cursor.scroll(2, "absolute")
            assert await cursor.fetchone() == (2,)
            with pytest.raises(IndexError):
                await cursor.scroll(-4)
        with pytest.raises(IndexError):
            await cursor.scroll(100, "absolute")
        with pytest.raises(skerry.ProgrammingError):
            await cursor.scroll(0, "sideways")


async def test_several_results(world: World) -> None:
    connection = await world.connect()
    cursor = await connection.execute("SELECT 1; CREATE TABLE t (x int); SELECT 2 AS b; SELECT 3")
    assert await cursor.fetchall() == [(1,)]
    assert await cursor.nextset() is True
    assert (cursor.description[0][0], await cursor.fetchall()) == ("b", [(2,)])
    assert (await cursor.nextset(), await cursor.fetchall()) == (True, [(3,)])
    assert await cursor.nextset() is None


async def test_executemany(world: World) -> None:
    connection = await world.connect()
    cursor = await connection.execute("CREATE TABLE t (a bigint PRIMARY KEY, b text)")
    await cursor.executemany(
        "INSERT INTO t VALUES (%s, %s)", ((n, None if n % 3 else EVIL) for n in range(3000))
    )
    assert (cursor.rowcount, cursor.description) == (3000, None)
    await cursor.executemany(
        "INSERT INTO t VALUES (%(a)s, %(b)s)", [{"a": 2**40, "b": 1}, {"a": -1, "b": "x"}]
    )
    await cursor.executemany("INSERT INTO t VALUES (%s)", [])
    assert cursor.rowcount == 0
    assert await one(connection, "SELECT count(*) FROM t WHERE b = %s", (EVIL,)) == 1000
    await cursor.executemany(
        "UPDATE t SET b = %s WHERE a = %s RETURNING b", [("p", 1), ("q", 2)], returning=True
    )
    assert await cursor.fetchall() == [("p",)]
    assert (await cursor.nextset(), await cursor.fetchall(), await cursor.nextset()) == (True, [("q",)], None)
    await connection.commit()
    with pytest.raises(skerry.IntegrityError):
        await cursor.executemany("INSERT INTO t VALUES (%s)", [(n,) for n in range(5000, 0, -1)])
    await connection.rollback()
    with pytest.raises(skerry.NotSupportedError):
        await cursor.executemany("INSERT INTO t VALUES (%s)", [(10**6,), (object(),)])
    await connection.rollback()
    assert await one(connection, "SELECT count(*) FROM t") == 3002


async def test_executemany_is_one_transaction_under_autocommit(world: World) -> None:
    connection = await world.connect(autocommit=True)
    cursor = await connection.execute("CREATE TABLE t (a int PRIMARY KEY)")
    with pytest.raises(skerry.IntegrityError):
        await cursor.executemany("INSERT INTO t VALUES (%s)", [(1,), (2,), (1,)])
    assert not connection.in_transaction
    assert await one(connection, "SELECT count(*) FROM t") == 0
    await cursor.executemany("INSERT INTO t VALUES (%s)", [(1,), (2,)])
    assert not connection.in_transaction
    assert await one(connection, "SELECT count(*) FROM t") == 2


async def test_streams_stand_beside_each_other(world: World) -> None:
    connection = await world.connect()
    first, second = (connection.cursor(stream=True, itersize=2) for _ in range(2))
    await first.execute("SELECT x, 'a' FROM generate_series(1, 5) AS g(x)")
    await second.execute("SELECT x::text FROM generate_series(%s::int, 5) AS g(x)", (3,))
    found = [
        await first.fetchone(),
        await second.fetchone(),
        await first.fetchmany(3),
        await second.fetchall(),
    ]
    assert found == [(1, "a"), ("3",), [(2, "a"), (3, "a"), (4, "a")], [("4",), ("5",)]]
    assert await one(connection, "SELECT 7") == 7
    await first.close()
    await connection.rollback()
    with pytest.raises(skerry.errors.DivisionByZero):
        failing = await connection.cursor(stream=True, itersize=2).execute(
            "SELECT 1 / (5 - x) FROM generate_series(1, 9) AS g(x)"
        )
        await failing.fetchall()
    await connection.rollback()
    stream = await connection.cursor(stream=True).execute("CREATE TABLE t (x int)")
    assert (stream.description, stream.statusmessage) == (None, "CREATE TABLE")


async def test_a_stream_under_autocommit_has_the_connection_to_itself(world: World) -> None:
    connection = await world.connect(autocommit=True)
    for is_read in (True, False):
        stream = connection.cursor(stream=True, itersize=2)
        await stream.execute("SELECT x FROM generate_series(1, 5) AS g(x)")
        with pytest.raises(skerry.InterfaceError, match="busy"):
            await connection.execute("SELECT 1")
        if is_read:
            assert len(await stream.fetchall()) == 5
        else:
            await stream.close()
        assert not connection.in_transaction
        assert await one(connection, "SELECT 1") == 1


async def test_transaction_blocks(world: World) -> None:
    connection = await world.connect()
    await connection.execute("CREATE TABLE t (x text)")
    await connection.commit()
    async with connection.transaction(isolation_level="serializable", read_only=False):
        assert await one(connection, "SHOW transaction_isolation") == "serializable"
        await connection.execute("INSERT INTO t VALUES ('kept')")
        with pytest.raises(skerry.errors.DivisionByZero):
            async with connection.transaction():
                await connection.execute("INSERT INTO t VALUES ('lost')")
                await connection.execute("SELECT 1 / 0")
        async with connection.transaction() as middle:
            await connection.execute("INSERT INTO t VALUES ('left')")
            async with connection.transaction():
                await connection.execute("INSERT INTO t VALUES ('left, too')")
                raise skerry.Rollback(middle._inner if world.is_blocking else middle)
        async with connection.transaction():
            await connection.execute("INSERT INTO t VALUES ('released')")
            raise_inside = connection.transaction()
            async with raise_inside:
                raise skerry.Rollback
        for wrong in (connection.commit, connection.rollback):
            with pytest.raises(skerry.InvalidTransactionState):
                await wrong()
        with pytest.raises(skerry.InvalidTransactionState):
            async with connection.transaction(read_only=True):
                pass
    assert not connection.in_transaction
    cursor = await connection.execute("SELECT x FROM t ORDER BY x")
    assert await cursor.fetchall() == [("kept",), ("released",)]
    await connection.rollback()
    async with connection.transaction(read_only=True, isolation_level="snapshot"):
        with pytest.raises(skerry.ReadOnlyViolation):
            async with connection.transaction():
                await connection.execute("DELETE FROM t")
    with pytest.raises(ZeroDivisionError):
        async with connection.transaction():
            await connection.execute("DELETE FROM t")
            raise ZeroDivisionError
    with pytest.raises(skerry.errors.InFailedTransaction):
        async with connection.transaction():
            with pytest.raises(skerry.DataError):
                await connection.execute("SELECT 1 / 0")
    assert await one(connection, "SELECT count(*) FROM t") == 2


async def test_copy_in(world: World) -> None:
    connection = await world.connect()
    cursor = await connection.execute("CREATE TABLE t (a int, b text, c numeric[])")
    await connection.commit()
    rows = [(1, EVIL, [Decimal("1.5"), None]), (2, None, None), (3, "tab\tline\n\\N\\.", [])]
    for options in ("", " WITH (FORMAT csv)"):
        async with cursor.copy(f"COPY t FROM STDIN{options}") as copy:
            await copy.write_row(rows[0])
            await copy.write_rows(rows[1:])
            with pytest.raises(skerry.ProgrammingError):
                await copy.read()
            with pytest.raises(skerry.InterfaceError, match="COPY"):
                await connection.execute("SELECT 1")
        assert (cursor.rowcount, cursor.statusmessage) == (3, "COPY 3")
        found = await (await connection.execute("SELECT a, b, c FROM t ORDER BY a")).fetchall()
        assert found == rows
        await connection.execute("TRUNCATE t")
    await connection.commit()
    async with cursor.copy("COPY t (a, b) FROM STDIN") as copy:
        await copy.write_from(io.StringIO("".join(f"{n}\t{'x' * 100}\n" for n in range(5000))))
    assert cursor.rowcount == 5000
    await connection.rollback()
    with pytest.raises(ZeroDivisionError):
        async with cursor.copy("COPY t FROM STDIN") as copy:
            await copy.write_row(rows[0])
            raise ZeroDivisionError
    await connection.rollback()
    with pytest.raises(skerry.DataError):
        async with cursor.copy("COPY t (a) FROM STDIN") as copy:
            for _ in range(30000):
                await copy.write(b"not a number\n")
    await connection.rollback()
    for statement in ("SELECT 1", "CREATE TABLE u (x int)"):
        with pytest.raises(skerry.ProgrammingError):
            async with cursor.copy(statement):
                pass
        await connection.rollback()
    assert await one(connection, "SELECT count(*) FROM t") == 0
    with pytest.raises(skerry.Error):
        await connection.execute("COPY t FROM STDIN")


async def test_copy_out(world: World) -> None:
    connection = await world.connect()
    cursor = await connection.execute("SELECT 1::int, ''::text, now()")
    types = [column[1] for column in cursor.description]
    query = "SELECT x, CASE WHEN x % 2 = 0 THEN E'a\\tb\\\\' END, 'epoch'::timestamptz FROM generate_series(1, 3) g(x)"
    epoch = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
    async with cursor.copy(f"COPY ({query}) TO STDOUT") as copy:
        copy.set_types(types)
        assert [row async for row in copy.rows()] == [
            (1, None, epoch),
            (2, "a\tb\\", epoch),
            (3, None, epoch),
        ]
        with pytest.raises(skerry.ProgrammingError):
            await copy.write(b"")
    file = io.BytesIO()
    async with cursor.copy("COPY (SELECT 1, 'x,y') TO STDOUT (FORMAT csv)") as copy:
        await copy.read_into(file)
    assert file.getvalue() == b'1,"x,y"\n'
    async with cursor.copy("COPY (SELECT x FROM generate_series(1, 100000) g(x)) TO STDOUT") as copy:
        assert await copy.read() == b"1\n"
    assert cursor.rowcount == 100000
    with pytest.raises(ZeroDivisionError):
        async with cursor.copy("COPY (SELECT x FROM generate_series(1, 1000000) g(x)) TO STDOUT") as copy:
            await copy.read()
            raise ZeroDivisionError
    await connection.rollback()
    assert await one(connection, "SELECT 1") == 1


async def test_two_phase_commit(world: World) -> None:
    connection = await world.connect()
    await connection.execute("CREATE TABLE t (x text)")
    await connection.commit()
    name = connection.xid(42, "global", "branch")
    assert tuple(name) == (42, "global", "branch")
    for ending, is_prepared in [("commit", True), ("commit", False), ("rollback", True), ("rollback", False)]:
        await connection.tpc_begin(name)
        await connection.execute("INSERT INTO t VALUES (%s)", (f"{ending} {is_prepared}",))
        for wrong in (connection.commit, connection.rollback):
            with pytest.raises(skerry.ProgrammingError):
                await wrong()
        if is_prepared:
            await connection.tpc_prepare()
            with pytest.raises(skerry.ProgrammingError):
                await connection.execute("SELECT 1")
        await (connection.tpc_commit() if ending == "commit" else connection.tpc_rollback())
    cursor = await connection.execute("SELECT x FROM t ORDER BY x")
    assert await cursor.fetchall() == [("commit False",), ("commit True",)]
    await connection.rollback()
    await connection.tpc_begin(name)
    await connection.execute("DELETE FROM t")
    await connection.tpc_prepare()
    other = await world.connect()
    (found,) = [each for each in await other.tpc_recover() if tuple(each) == (42, "global", "branch")]
    assert (found.database, found.owner is not None) == (other.info.database, True)
    await other.tpc_rollback(found)
    assert await other.tpc_recover() == []
    with pytest.raises(skerry.ProgrammingError):
        await other.tpc_commit()
    with pytest.raises(skerry.ProgrammingError):
        await other.tpc_commit(name)


def test_names_of_two_phase_transactions() -> None:
    name = Xid.make(7, "a_b", "")
    assert Xid.parse(str(name)) == name
    assert str(name) == "7_YV9i_"
    assert tuple(Xid.parse("it's mine")) == (None, "it's mine", "")
    for wrong in [(-1, "", ""), (0, "x" * 65, ""), (0, "", "\n")]:
        with pytest.raises(skerry.InterfaceError):
            Xid.make(*wrong)


async def test_closed_things(world: World) -> None:
    connection = await world.connect()
    cursor = await connection.execute("SELECT 1")
    await cursor.close()
    await cursor.close()
    assert cursor.closed
    for use in (cursor.fetchone, cursor.fetchall, lambda: cursor.execute("SELECT 1"), cursor.nextset):
        with pytest.raises(skerry.InterfaceError):
            await use()
    open_cursor = await connection.execute("SELECT 1")
    await connection.close()
    await connection.close()
    assert connection.closed and not connection.is_alive()
    uses: list[Callable[[], Any]] = [open_cursor.fetchone, connection.commit, connection.rollback]
    uses += [lambda: connection.execute("SELECT 1"), connection.cancel, connection.tpc_recover]
    for use in uses:
        with pytest.raises(skerry.InterfaceError):
            await use()


async def test_what_a_connection_tells(world: World) -> None:
    connection = await world.connect()
    info = connection.info
    assert info.settings["TimeZone"] == await one(connection, "SHOW timezone")
    assert info.server_version == await one(connection, "SHOW server_version")
    assert info.backend_pid == await one(connection, "SELECT pg_backend_pid()")
    assert info.database == await one(connection, "SELECT current_database()")
    assert (info.port > 0) is world.is_network
    cursor = connection.cursor()
    await cursor.execute("DROP TABLE IF EXISTS nothing")
    assert [kind for kind, _ in cursor.messages] == [skerry.Warning]
    assert cursor.lastrowid is None
    assert list(await cursor.callproc("lower", ("FOO",))) == ["FOO"]
    assert await cursor.fetchall() == [("foo",)]
    seen: list[type] = []
    cursor.errorhandler = lambda _connection, _cursor, kind, _error: seen.append(kind)
    await cursor.execute("SELECT 1 / 0")
    assert seen == [skerry.errors.DivisionByZero]


async def test_errors_tell_everything(world: World) -> None:
    connection = await world.connect()
    await connection.execute("CREATE TABLE t (x int CONSTRAINT small CHECK (x < 5))")
    await connection.commit()
    with pytest.raises(skerry.IntegrityError) as caught:
        await connection.execute("INSERT INTO t VALUES (9)")
    error = caught.value
    assert (error.sqlstate, error.code, error.is_retryable) == ("23514", None, False)
    assert (error.schema, error.table, error.constraint) == ("public", "t", "small")
    await connection.rollback()
    with pytest.raises(skerry.errors.UndefinedColumn) as wrong:
        await connection.execute("SELECT %s, nope FROM t", (1,))
    assert wrong.value.position == 12


async def test_notifications(world: World) -> None:
    listener, speaker = await world.connect(autocommit=True), await world.connect(autocommit=True)
    await listener.execute("LISTEN news")
    assert await listener.wait_for_notifications(0.01) == []
    await speaker.execute("NOTIFY news, 'hello'")
    found = await listener.wait_for_notifications(10)
    assert [(each.channel, each.payload) for each in found] == [("news", "hello")]


async def test_cancelling(world: World) -> None:
    connection = await world.connect()
    if world.is_blocking:
        timer = threading.Timer(0.3, connection._inner.cancel)
        timer.start()
        with pytest.raises(skerry.errors.QueryCanceled):
            await connection.execute("SELECT pg_sleep(30)")
        timer.join()
        await connection.rollback()
    else:
        with pytest.raises(TimeoutError):
            async with connection.transaction():
                await connection.execute("CREATE TABLE t (x int)")
                await asyncio.wait_for(connection.execute("SELECT pg_sleep(30)"), 0.3)
        assert not connection.in_transaction
        task = asyncio.create_task(connection.execute("SELECT pg_sleep(30)"))
        await asyncio.sleep(0.2)
        await connection.cancel()
        with pytest.raises(skerry.errors.QueryCanceled):
            await task
        await connection.rollback()
    assert await one(connection, "SELECT 1") == 1
