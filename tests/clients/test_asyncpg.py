"""asyncpg as its users have it: everything in binary, prepared statements, cursors, COPY, notifications, transactions,
pools."""

from __future__ import annotations

import asyncio
import datetime
import decimal
import io
import json
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest
from support.postgres_server import Address

VALUES: list[tuple[str, Any]] = [
    ("bool", True),
    ("int2", -7),
    ("int8", 2**60),
    ("float4", 1.5),
    ("float8", 1e300),
    ("numeric", decimal.Decimal("-12345.678900")),
    ("text", "naïve 𝄞"),
    ("varchar", "short"),
    ("bytea", b"\x00\xff"),
    ("date", datetime.date(2020, 2, 29)),
    ("time", datetime.time(1, 2, 3, 456789)),
    ("timestamp", datetime.datetime(1999, 12, 31, 23, 59, 59, 999999)),
    ("timestamptz", datetime.datetime(2024, 6, 1, 12, tzinfo=datetime.UTC)),
    ("interval", datetime.timedelta(days=40, seconds=3, microseconds=5)),
    ("uuid", uuid.UUID(int=2**127 + 5)),
    ("int4[]", [1, None, 3]),
    ("text[]", ["a", 'q"uote', None]),
    ("numeric[]", [decimal.Decimal("1.50")]),
    ("jsonb", '{"a": [1, null]}'),
    ("json", '{"b":  2}'),
]


def run(server: Address, talk: Callable[[Any], Awaitable[None]]) -> None:
    """A conversation on a connection of its own."""

    async def whole() -> None:
        async with connected(server) as connection:
            await talk(connection)

    asyncio.run(whole())


@asynccontextmanager
async def connected(server: Address) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(
        host=server.host, port=server.port, user=server.user, database=server.database
    )
    try:
        yield connection
    finally:
        await connection.close()


def test_values_come_back(server: Address) -> None:
    async def talk(connection: Any) -> None:
        for name, value in VALUES:
            assert await connection.fetchval(f"select $1::{name}", value) == value
            assert await connection.fetchval(f"select $1::{name}", None) is None

    run(server, talk)


def test_records_and_attributes(server: Address) -> None:
    async def talk(connection: Any) -> None:
        statement = await connection.prepare("select $1::int as one, $2::text as two, now() as three")
        assert [each.type.name for each in statement.get_parameters.__self__.get_attributes()] == [
            "int4",
            "text",
            "timestamptz",
        ]
        assert [each.name for each in statement.get_parameters()] == ["int4", "text"]
        record = await statement.fetchrow(7, "seven")
        assert (record["one"], record[1], record["three"].tzinfo) == (7, "seven", datetime.UTC)

    run(server, talk)


def test_cursors(server: Address) -> None:
    async def talk(connection: Any) -> None:
        query = "select n from generate_series(1, $1::int) n"
        async with connection.transaction():
            assert [row["n"] async for row in connection.cursor(query, 120, prefetch=50)] == list(
                range(1, 121)
            )
            cursor = await connection.cursor(query, 30)
            assert await cursor.forward(10) == 10
            assert (await cursor.fetchrow())["n"] == 11
            assert [row["n"] for row in await cursor.fetch(3)] == [12, 13, 14]
            assert len(await cursor.fetch(100)) == 16
            assert await cursor.fetchrow() is None

    run(server, talk)


def test_transactions_nest(server: Address) -> None:
    async def talk(connection: Any) -> None:
        await connection.execute("create temp table t (a int primary key)")
        async with connection.transaction(isolation="serializable"):
            await connection.execute("insert into t values (1)")
            with pytest.raises(asyncpg.UniqueViolationError) as caught:
                async with connection.transaction():
                    await connection.execute("insert into t values (2); insert into t values (1)")
            assert caught.value.constraint_name == "t_pkey"
        assert await connection.fetch("select a from t") == [(1,)]
        with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
            async with connection.transaction(readonly=True):
                await connection.execute("create table u (a int)")

    run(server, talk)


def test_executemany(server: Address) -> None:
    async def talk(connection: Any) -> None:
        await connection.execute("create temp table t (a int primary key, b text)")
        await connection.executemany("insert into t values ($1, $2)", [(n, str(n)) for n in range(1000)])
        assert await connection.fetchval("select count(*) from t where b = a::text") == 1000
        with pytest.raises(asyncpg.UniqueViolationError):
            await connection.executemany("insert into t values ($1, 'x')", [(2000,), (1,), (2001,)])
        assert await connection.fetchval("select count(*) from t") == 1000

    run(server, talk)


def test_copy(server: Address) -> None:
    async def talk(connection: Any) -> None:
        await connection.execute("create temp table t (a int, b text, c timestamptz)")
        at = datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC)
        rows = [(n, f"row {n}" if n % 2 else None, at) for n in range(3000)]
        assert await connection.copy_records_to_table("t", records=rows) == "COPY 3000"
        found = io.BytesIO()
        await connection.copy_from_query(
            "select a, b from t where a < $1 order by a", 3, output=found, format="csv"
        )
        assert found.getvalue() == b"0,\n1,row 1\n2,\n"
        await connection.copy_from_table("t", output=(whole := io.BytesIO()), format="binary")
        whole.seek(0)
        await connection.execute("truncate t")
        await connection.copy_to_table("t", source=whole, format="binary")
        assert await connection.fetch("select * from t order by a") == rows
        await connection.copy_to_table("t", source=io.BytesIO(b"4000\tx\t\\N\n"), columns=["a", "b", "c"])
        assert await connection.fetchval("select count(*) from t") == 3001

    run(server, talk)


def test_notifications(server: Address) -> None:
    async def talk(connection: Any) -> None:
        heard: asyncio.Queue[tuple[str, str]] = asyncio.Queue()
        await connection.add_listener(
            "news", lambda _c, _pid, channel, payload: heard.put_nowait((channel, payload))
        )
        async with connected(server) as other:
            await other.execute("select pg_notify('news', 'hello')")
        assert await asyncio.wait_for(heard.get(), 5) == ("news", "hello")

    run(server, talk)


def test_timeouts_cancel(server: Address) -> None:
    async def talk(connection: Any) -> None:
        with pytest.raises(asyncio.TimeoutError):
            await connection.fetch("select pg_sleep(20)", timeout=0.1)
        assert await connection.fetchval("select 1") == 1

    run(server, talk)


def test_a_pool_resets_its_connections(server: Address) -> None:
    async def talk() -> None:
        async with asyncpg.create_pool(
            host=server.host,
            port=server.port,
            user=server.user,
            database=server.database,
            min_size=1,
            max_size=3,
        ) as pool:
            async with pool.acquire() as connection:
                await connection.execute(
                    "set statement_timeout = '5s'; listen news; select pg_advisory_lock(5)"
                )
            async with pool.acquire() as connection:
                assert await connection.fetchval("show statement_timeout") == "0"
                assert (
                    await connection.fetchval("select count(*) from pg_locks where locktype = 'advisory'")
                    == 0
                )
            assert sum(await asyncio.gather(*[pool.fetchval("select $1::int", n) for n in range(20)])) == 190

    asyncio.run(talk())


def test_a_changed_table_is_planned_again(server: Address) -> None:
    async def talk(connection: Any) -> None:
        await connection.execute("create temp table t (a int); insert into t values (1)")
        assert await connection.fetch("select * from t") == [(1,)]
        await connection.execute("alter table t add b text default 'new'")
        assert await connection.fetch("select * from t") == [(1, "new")]

    run(server, talk)


def test_graphs_are_readable(server: Address) -> None:
    async def talk(connection: Any) -> None:
        await connection.execute("create graph people")
        await connection.execute(
            "use people insert (:Person {name: 'Ann'})-[:KNOWS {since: 2020}]->(:Person {name: 'Bo'})"
        )
        record = await connection.fetchrow(
            "use people match p = (a:Person)-[k:KNOWS]->(b) where a.name = $1 return a, k, p, b.name as name",
            "Ann",
        )
        node, edge, path = (json.loads(each) for each in tuple(record)[:3])
        assert node["properties"] == {"name": "Ann"} and edge["properties"] == {"since": 2020}
        assert len(path) >= 1
        assert record["name"] == "Bo"
        lists = await connection.fetchrow(
            "use people match (a) return collect_list(a) as nodes, collect_list(a.name) as names, {one: 1} as record"
        )
        assert sorted(json.loads(each)["properties"]["name"] for each in lists["nodes"]) == ["Ann", "Bo"]
        assert sorted(lists["names"]) == ["Ann", "Bo"] and json.loads(lists["record"]) == {"one": 1}
        await connection.execute("drop graph people")

    run(server, talk)
