"""psycopg 3 as its users have it: both formats, pipelines, COPY, cursors on the server, two-phase commit, notifications,
and the same through asyncio."""

from __future__ import annotations

import asyncio
import datetime
import decimal
import json
import threading
import time
import uuid
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.rows import dict_row, namedtuple_row
from psycopg.types.json import Jsonb
from support.postgres_server import Address

BIG = 20_000


def _dsn(server: Address) -> str:
    return f"host={server.host} port={server.port} user={server.user} dbname={server.database}"


@pytest.fixture
def connection(server: Address) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(_dsn(server)) as made:
        yield made
        made.rollback()


@pytest.fixture
def table(connection: psycopg.Connection[Any]) -> psycopg.Connection[Any]:
    connection.execute("create temp table items (id int primary key, name text, price numeric)")
    connection.execute("insert into items select n, 'item ' || n, n * 1.5 from generate_series(1, 100) n")
    connection.commit()
    return connection


VALUES = [
    True,
    -7,
    2**40,
    1.5,
    decimal.Decimal("12345.678900"),
    decimal.Decimal("NaN"),
    "naïve 𝄞",
    b"\x00\xff",
    datetime.date(2020, 2, 29),
    datetime.time(1, 2, 3, 456789),
    datetime.datetime(1999, 12, 31, 23, 59, 59, 999999),
    datetime.datetime(2024, 6, 1, 12, tzinfo=datetime.UTC),
    datetime.timedelta(days=40, seconds=3, microseconds=5),
    uuid.UUID(int=2**127 + 5),
    [1, 2, None],
    Jsonb({"a": [1, None, "x"]}),
]


@pytest.mark.parametrize("binary", [False, True])
def test_values_come_back_in_both_formats(connection: psycopg.Connection[Any], binary: bool) -> None:
    cursor = connection.cursor(binary=binary)
    mark = "%b" if binary else "%t"
    for value in VALUES:
        row = cursor.execute(f"select {mark}", [value]).fetchone()
        assert row is not None
        expected = value.obj if isinstance(value, Jsonb) else value
        assert row[0] == expected or str(row[0]) == str(expected) == "NaN"
        assert row[0].__class__ is expected.__class__


def test_rows_of_every_shape(table: psycopg.Connection[Any]) -> None:
    found = table.cursor(row_factory=dict_row).execute("select id, name from items where id = %s", [3])
    assert found.fetchone() == {"id": 3, "name": "item 3"}
    named = table.cursor(row_factory=namedtuple_row).execute("select id, price from items where id = 2")
    assert named.fetchall() == [(2, decimal.Decimal("3.0"))]


def test_composed_statements(table: psycopg.Connection[Any]) -> None:
    statement = sql.SQL("select count(*) from {} where {} > {}").format(
        sql.Identifier("items"), sql.Identifier("id"), sql.Literal(90)
    )
    assert table.execute(statement).fetchone() == (10,)


def test_statements_are_prepared_after_a_few_uses(table: psycopg.Connection[Any]) -> None:
    for number in range(1, 9):
        row = table.execute("select name from items where id = %s", [number]).fetchone()
        assert row == (f"item {number}",)
    named = table.execute("select count(*) from pg_prepared_statements where not from_sql").fetchone()
    assert named == (1,)


def test_executemany_with_returning(table: psycopg.Connection[Any]) -> None:
    cursor = table.cursor()
    cursor.executemany(
        "insert into items values (%s, %s, 0) returning id",
        [(n, "new") for n in range(201, 206)],
        returning=True,
    )
    found = []
    while True:
        found += cursor.fetchall()
        if not cursor.nextset():
            break
    assert found == [(n,) for n in range(201, 206)]


def test_transactions_nest_as_savepoints(table: psycopg.Connection[Any]) -> None:
    with table.transaction():
        table.execute("delete from items where id <= 10")
        with pytest.raises(psycopg.errors.UniqueViolation) as caught, table.transaction():
            table.execute("insert into items values (50, 'again', 0)")
        assert caught.value.diag.constraint_name == "items_pkey"
        assert caught.value.diag.table_name == "items"
    assert table.execute("select count(*) from items").fetchone() == (90,)


def test_cursor_on_the_server(table: psycopg.Connection[Any]) -> None:
    with table.cursor("names") as cursor:
        cursor.execute("select id from items where id > %s order by id", [40])
        assert cursor.description is not None and cursor.description[0].name == "id"
        assert cursor.fetchone() == (41,)
        assert cursor.fetchmany(3) == [(42,), (43,), (44,)]
        cursor.itersize = 7
        assert [row[0] for row in cursor] == list(range(45, 101))


def test_cursor_on_the_server_scrolls_in_binary(table: psycopg.Connection[Any]) -> None:
    with table.cursor("names", binary=True, scrollable=True) as cursor:
        cursor.execute("select id, price from items order by id")
        cursor.scroll(98)
        assert cursor.fetchall() == [(99, decimal.Decimal("148.5")), (100, decimal.Decimal("150.0"))]
        cursor.scroll(0, mode="absolute")
        assert cursor.fetchone() == (1, decimal.Decimal("1.5"))


def test_cursor_on_the_server_outlives_the_commit(table: psycopg.Connection[Any]) -> None:
    cursor = table.cursor("held", withhold=True)
    cursor.execute("select id from items order by id")
    assert cursor.fetchone() == (1,)
    table.commit()
    table.execute("truncate items")
    table.commit()
    assert len(cursor.fetchall()) == 99
    cursor.close()


def test_two_cursors_on_the_server_at_once(table: psycopg.Connection[Any]) -> None:
    with table.cursor("one") as one, table.cursor("two") as two:
        one.execute("select id from items order by id")
        two.execute("select id from items order by id desc")
        pairs = [(one.fetchone(), two.fetchone()) for _ in range(3)]
    assert pairs == [((1,), (100,)), ((2,), (99,)), ((3,), (98,))]


def test_rows_stream(connection: psycopg.Connection[Any]) -> None:
    seen = 0
    for row in connection.cursor().stream("select n, repeat('x', 50) from generate_series(1, %s) n", [BIG]):
        seen += 1
        assert row[0] == seen
    assert seen == BIG


def test_a_pipeline(table: psycopg.Connection[Any]) -> None:
    with table.pipeline() as pipeline:
        first = table.execute("select count(*) from items")
        for number in range(300, 350):
            table.execute("insert into items values (%s, 'piped', 0)", [number])
        last = table.execute("select count(*) from items")
        pipeline.sync()
        assert (first.fetchone(), last.fetchone()) == ((100,), (150,))


def test_an_error_skips_the_rest_of_a_pipeline(table: psycopg.Connection[Any]) -> None:
    with pytest.raises(psycopg.errors.DivisionByZero), table.pipeline():
        table.execute("insert into items values (301, 'lost', 0)")
        table.execute("select 1 / 0")
        skipped = table.execute("insert into items values (302, 'skipped', 0)")
    assert skipped.rowcount == -1
    table.rollback()
    assert table.execute("select count(*) from items where id > 300").fetchone() == (0,)


def test_copy_of_rows(connection: psycopg.Connection[Any]) -> None:
    connection.execute("create temp table copied (id int, name text, at timestamptz, data jsonb)")
    at = datetime.datetime(2024, 1, 2, tzinfo=datetime.UTC)
    rows = [(n, f"tab\t{n}" if n % 3 else None, at, Jsonb({"n": n})) for n in range(500)]
    cursor = connection.cursor()
    with cursor.copy("copy copied from stdin") as copy:
        for row in rows:
            copy.write_row(row)
    assert cursor.rowcount == 500
    with cursor.copy("copy (select * from copied order by id) to stdout") as copy:
        copy.set_types(["int4", "text", "timestamptz", "jsonb"])
        found = list(copy.rows())
    assert found == [(n, name, at, data.obj) for n, name, _, data in rows]


def test_copy_in_binary(connection: psycopg.Connection[Any]) -> None:
    names = [
        "bool",
        "int2",
        "int8",
        "float8",
        "numeric",
        "text",
        "bytea",
        "date",
        "timestamptz",
        "uuid",
        "jsonb",
        "int4[]",
    ]
    columns = ", ".join(f"c{number} {name}" for number, name in enumerate(names))
    connection.execute(f"create temp table copied ({columns})")
    row = (
        True,
        -2,
        2**60,
        1e300,
        decimal.Decimal("-1234.5678"),
        "naïve",
        b"\x00\x01",
        datetime.date(1999, 1, 1),
        datetime.datetime(2024, 1, 2, tzinfo=datetime.UTC),
        uuid.UUID(int=7),
        Jsonb([1]),
        [1, None, 3],
    )
    cursor = connection.cursor()
    with cursor.copy("copy copied from stdin (format binary)") as copy:
        copy.set_types(names)
        copy.write_row(row)
        copy.write_row([None] * len(row))
    with cursor.copy("copy copied to stdout (format binary)") as copy:
        copy.set_types(names)
        found = list(copy.rows())
    assert found == [tuple(v.obj if isinstance(v, Jsonb) else v for v in row), (None,) * len(row)]


def test_copy_given_up_by_the_client(table: psycopg.Connection[Any]) -> None:
    with pytest.raises(ValueError), table.cursor().copy("copy items from stdin") as copy:
        copy.write_row((900, "x", 1))
        raise ValueError
    table.rollback()
    assert table.execute("select count(*) from items").fetchone() == (100,)


def test_two_phase_commit(server: Address, connection: psycopg.Connection[Any]) -> None:
    connection.execute("create table phases (id int)")
    connection.commit()
    for number, end in enumerate((connection.tpc_commit, connection.tpc_rollback)):
        connection.tpc_begin(connection.xid(42, f"global {number}", "branch"))
        connection.execute("insert into phases values (%s)", [number])
        connection.tpc_prepare()
        end()
    with psycopg.connect(_dsn(server)) as gone:
        gone.tpc_begin(gone.xid(42, "left behind", "branch"))
        gone.execute("insert into phases values (7)")
        gone.tpc_prepare()
        gone.close()
    (left,) = connection.tpc_recover()
    assert (left.format_id, left.gtrid, left.bqual) == (42, "left behind", "branch")
    connection.tpc_commit(left)
    assert connection.execute("select id from phases order by id").fetchall() == [(0,), (7,)]
    connection.execute("drop table phases")
    connection.commit()


def test_notifications(server: Address) -> None:
    with psycopg.connect(_dsn(server), autocommit=True) as listener, psycopg.connect(_dsn(server)) as other:
        listener.execute("listen news")
        other.execute("select pg_notify('news', 'one')")
        other.commit()
        other.execute("notify news, 'two'")
        other.commit()
        found = [(each.channel, each.payload) for each in listener.notifies(timeout=5, stop_after=2)]
    assert found == [("news", "one"), ("news", "two")]


def test_cancel(connection: psycopg.Connection[Any]) -> None:
    def later() -> None:
        time.sleep(0.1)
        connection.cancel_safe()

    thread = threading.Thread(target=later)
    thread.start()
    with pytest.raises(psycopg.errors.QueryCanceled):
        connection.execute("select pg_sleep(20)")
    thread.join()


def test_settings_at_the_start(server: Address) -> None:
    options = "-c statement_timeout=7s -c search_path=a,b"
    with psycopg.connect(_dsn(server), options=options, application_name="me") as made:
        shown = [
            made.execute(f"show {name}").fetchone()
            for name in ("statement_timeout", "search_path", "application_name")
        ]
        assert shown == [("7s",), ("a,b",), ("me",)]
        assert made.info.parameter_status("application_name") == "me"
        assert made.info.server_version // 10000 == 15


def test_notices_reach_their_handler(connection: psycopg.Connection[Any]) -> None:
    heard: list[str | None] = []
    connection.add_notice_handler(lambda diagnostic: heard.append(diagnostic.message_primary))
    connection.execute("drop table if exists nowhere")
    assert heard == ['table "nowhere" does not exist, skipping']


def test_graphs_are_readable(connection: psycopg.Connection[Any]) -> None:
    connection.execute("create graph people")
    connection.execute(
        "use people insert (:Person {name: 'Ann'})-[:KNOWS {since: 2020}]->(:Person {name: 'Bo'})"
    )
    found = connection.execute(
        "use people match p = (a:Person)-[k:KNOWS]->(b) where a.name = %s return a, k, p, b.name", ["Ann"]
    ).fetchone()
    assert found is not None
    node, edge, path = (json.loads(each) if isinstance(each, str) else each for each in found[:3])
    assert node["properties"] == {"name": "Ann"} and node["labels"] == ["Person"]
    assert edge["properties"] == {"since": 2020}
    assert len(path) == 3 or len(path["nodes"]) == 2
    assert found[3] == "Bo"


def test_the_same_through_asyncio(server: Address) -> None:
    async def talk() -> None:
        async with await psycopg.AsyncConnection.connect(_dsn(server)) as connection:
            await connection.execute("create temp table items (id int primary key, name text)")
            async with connection.cursor() as cursor:
                async with cursor.copy("copy items from stdin") as copy:
                    for number in range(50):
                        await copy.write_row((number, f"item {number}"))
                await cursor.execute("select count(*) from items where name like %s", ["item 4%"])
                assert await cursor.fetchone() == (11,)
            async with connection.pipeline():
                found = await connection.execute("select max(id) from items")
                await connection.execute("delete from items where id < 10")
                assert await found.fetchone() == (49,)
            async with connection.cursor("held") as named:
                await named.execute("select id from items order by id")
                assert [row[0] async for row in named] == list(range(10, 50))
            with pytest.raises(psycopg.errors.QueryCanceled):
                task = asyncio.create_task(connection.execute("select pg_sleep(20)"))
                await asyncio.sleep(0.1)
                await connection.cancel_safe()
                await task

    asyncio.run(talk())
