"""`read_only=True` of `open` and `connect`, embedded and over the network; and the other modes beside it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from support.postgres_server import Address

import skerry

Another = Callable[..., skerry.Connection]


@pytest.fixture
def table(database: skerry.Database) -> skerry.Database:
    database.execute("CREATE TABLE t (id int PRIMARY KEY)")
    return database


def refused(connection: skerry.Connection, statement: str = "INSERT INTO t VALUES (1)") -> None:
    with pytest.raises(skerry.ReadOnlyViolation) as caught:
        connection.execute(statement)
    assert (caught.value.code, caught.value.sqlstate) == ("T003", "25006")
    connection.rollback()


@pytest.mark.parametrize("autocommit", [False, True])
def test_a_read_only_connection(table: skerry.Database, another: Another, autocommit: bool) -> None:
    connection = another(read_only=True, autocommit=autocommit)
    refused(connection)
    refused(connection, "CREATE TABLE u (x int)")
    connection.execute("BEGIN")
    refused(connection)
    assert connection.execute("SELECT count(*) FROM t").fetchone() == (0,)


def test_it_holds_from_the_next_transaction_on(table: skerry.Database, another: Another) -> None:
    connection = another(autocommit=True)
    connection.execute("INSERT INTO t VALUES (1)")
    connection.read_only = True
    refused(connection, "INSERT INTO t VALUES (2)")
    connection.read_only = False
    connection.execute("INSERT INTO t VALUES (2)")
    assert connection.execute("SELECT count(*) FROM t").fetchone() == (2,)


def test_a_level_holds_for_autocommitted_statements_too(table: skerry.Database, another: Another) -> None:
    connection = another(autocommit=True, isolation_level="serializable", deferrable=True)
    shown = "SELECT current_setting('transaction_isolation'), current_setting('transaction_deferrable')"
    assert connection.execute(shown).fetchone() == ("serializable", "on")
    connection.isolation_level, connection.deferrable = None, False
    assert connection.execute(shown).fetchone() == ("read committed", "off")


@pytest.mark.parametrize("place", ["embedded", "network"])
def test_a_read_only_database(request: pytest.FixtureRequest, place: str) -> None:
    target = ":memory:"
    if place == "network":
        address: Address = request.getfixturevalue("skerry_server")
        target = f"skerry://{address.user}@{address.host}:{address.port}/postgres"
    with skerry.open(target, read_only=True) as database:
        for statement in (
            "CREATE TABLE u (x int)",
            "BEGIN READ WRITE",
            "SET default_transaction_read_only = off",
        ):
            with pytest.raises(skerry.ReadOnlyViolation):
                database.execute(statement)
        with database.begin_transaction() as transaction, pytest.raises(skerry.ReadOnlyViolation):
            transaction.execute("CREATE TABLE u (x int)")
        connection = database.connect()
        refused(connection, "CREATE TABLE u (x int)")
        connection.close()
        assert database.execute("SELECT 1").scalar() == 1
