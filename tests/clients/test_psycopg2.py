"""psycopg2 against a real server: what differs from psycopg 3, which has the longer test."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import psycopg2
import pytest
from psycopg2 import extras
from support.postgres_server import Address


@pytest.fixture
def connection(server: Address) -> Iterator[Any]:
    made = psycopg2.connect(host=server.host, port=server.port, user=server.user, dbname=server.database)
    with made.cursor() as cursor:
        cursor.execute("create temp table items (id int primary key, name text, data jsonb)")
    made.commit()
    yield made
    made.close()


def test_values_and_rows(connection: Any) -> None:
    with connection, connection.cursor(cursor_factory=extras.RealDictCursor) as cursor:
        rows = [(n, f"it's {n}", extras.Json({"n": n})) for n in range(50)]
        extras.execute_values(cursor, "insert into items values %s", rows)
        cursor.execute("select * from items where id = any(%s) order by id", ([3, 4],))
        assert [dict(row) for row in cursor] == [
            {"id": n, "name": f"it's {n}", "data": {"n": n}} for n in (3, 4)
        ]


def test_named_cursors(connection: Any) -> None:
    with connection, connection.cursor() as cursor:
        cursor.execute("insert into items select n, 'x' from generate_series(1, 500) n")
    named = connection.cursor("named", withhold=True, scrollable=True)
    named.itersize = 100
    named.execute("select id from items order by id")
    connection.commit()
    assert [row[0] for row in named] == list(range(1, 501))
    named.scroll(-2)
    assert named.fetchone() == (500,)
    named.close()


def test_copy(connection: Any) -> None:
    with connection, connection.cursor() as cursor:
        cursor.copy_from(io.StringIO("1\tone\n2\t\\N\n"), "items", columns=("id", "name"))
        out = io.StringIO()
        cursor.copy_expert("copy (select id, name from items order by id) to stdout csv header", out)
        assert out.getvalue() == "id,name\n1,one\n2,\n"
        with pytest.raises(psycopg2.errors.UniqueViolation):
            cursor.copy_from(io.StringIO("1\tagain\n"), "items", columns=("id", "name"))
    connection.rollback()


def test_two_phase_commit_and_levels(connection: Any) -> None:
    connection.set_session(isolation_level="SERIALIZABLE")
    assert connection.isolation_level == psycopg2.extensions.ISOLATION_LEVEL_SERIALIZABLE
    with connection.cursor() as cursor:
        cursor.execute("create table phases (id int)")
        connection.commit()
        connection.tpc_begin("a transaction")
        cursor.execute("insert into phases values (1)")
        connection.tpc_prepare()
        connection.tpc_commit()
        cursor.execute("select id from phases")
        assert cursor.fetchall() == [(1,)]
        cursor.execute("drop table phases")
    connection.commit()


def test_notifications(connection: Any) -> None:
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute("listen news")
        cursor.execute("notify news, 'hello'")
    connection.poll()
    assert [(each.channel, each.payload) for each in connection.notifies] == [("news", "hello")]
