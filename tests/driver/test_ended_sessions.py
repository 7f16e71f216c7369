"""Sessions and transactions that are ended from outside, as the interfaces show it, embedded and over the network."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

import skerry
from skerry import errors

Another = Callable[..., skerry.Connection]


@pytest.fixture
def table(database: skerry.Database) -> skerry.Database:
    database.execute("CREATE TABLE t (id int PRIMARY KEY, v int)")
    database.execute("INSERT INTO t VALUES (1, 1)")
    return database


def value(database: skerry.Database) -> object:
    return database.execute("SELECT v FROM t").scalar()


def pid(connection: skerry.Connection) -> object:
    row = connection.execute("SELECT pg_backend_pid()").fetchone()
    assert row is not None
    return row[0]


def test_commit_after_a_transaction_timeout(table: skerry.Database, connection: skerry.Connection) -> None:
    connection.execute("SET LOCAL transaction_timeout = '60ms'")
    connection.execute("UPDATE t SET v = 2")
    time.sleep(0.15)
    with pytest.raises(skerry.TransactionTimeout) as caught:
        connection.commit()
    assert (caught.value.code, caught.value.sqlstate, caught.value.is_retryable) == ("T002", "25P04", True)
    assert isinstance(caught.value, errors.TotalTransactionTimeout)
    assert value(table) == 1


def test_a_statement_after_an_idle_timeout(table: skerry.Database, connection: skerry.Connection) -> None:
    connection.execute("SET LOCAL idle_in_transaction_session_timeout = '60ms'")
    connection.execute("UPDATE t SET v = 2")
    time.sleep(0.15)
    with pytest.raises(errors.IdleInTransactionTimeout):
        connection.execute("SELECT 1")
    assert value(table) == 1


def test_a_native_transaction_is_aborted_by_its_timeout(table: skerry.Database) -> None:
    transaction = table.begin_transaction()
    transaction.execute("SET LOCAL transaction_timeout = '60ms'")
    transaction.execute("UPDATE t SET v = 2")
    time.sleep(0.15)
    with pytest.raises(skerry.TransactionTimeout):
        transaction.commit()
    assert transaction.state == skerry.TransactionState.ABORTED
    with pytest.raises(skerry.InvalidTransactionState):
        transaction.execute("SELECT 1")
    assert value(table) == 1


def test_what_a_terminated_session_did_is_not_taken_for_committed(
    table: skerry.Database, connection: skerry.Connection
) -> None:
    connection.execute("UPDATE t SET v = 2")
    table.execute("SELECT pg_terminate_backend($1, 5000)", [pid(connection)])
    with pytest.raises(errors.AdminShutdown):
        connection.commit()
    assert value(table) == 1
    assert connection.closed
    with pytest.raises((errors.AdminShutdown, errors.InterfaceError)):
        connection.execute("SELECT 1")


def test_the_database_goes_on_with_other_sessions(table: skerry.Database, another: Another) -> None:
    transaction = table.begin_transaction()
    transaction.execute("UPDATE t SET v = 2")
    ended = transaction.execute("SELECT pg_backend_pid()").scalar()
    connection = another()
    connection.execute("SELECT pg_terminate_backend(%s, 5000)", [ended])
    connection.rollback()
    with pytest.raises(errors.AdminShutdown):
        transaction.execute("SELECT 1")
    assert transaction.state == skerry.TransactionState.ABORTED
    assert [table.execute("SELECT v FROM t").scalar() for _ in range(3)] == [1, 1, 1]


def test_a_statement_can_be_cancelled_by_its_process(table: skerry.Database, another: Another) -> None:
    connection = another()
    with pytest.raises(errors.QueryCanceled):
        connection.execute("SELECT pg_cancel_backend(pg_backend_pid())")
    connection.rollback()
    assert connection.execute("SELECT v FROM t").fetchall() == [(1,)]
