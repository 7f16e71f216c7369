"""`begin_transaction(timeout=)` (t1, t19): the whole transaction, idle or not; T002 afterwards, rolled back,
locks gone."""

from __future__ import annotations

import time

import pytest
from support.beside import Beside, until, wait_for_waiters

import skerry
from skerry import errors

LEVELS = ["read committed", "snapshot", "serializable"]


@pytest.fixture
def table(database: skerry.Database) -> skerry.Database:
    """`database` with `t (id int PRIMARY KEY, v int)` of two rows."""
    database.execute("CREATE TABLE t (id int PRIMARY KEY, v int)")
    database.execute("INSERT INTO t VALUES (1, 1), (2, 2)")
    with database.begin_transaction() as transaction:  # plans are made, so that times below are enough
        transaction.execute("SELECT * FROM t WHERE id = 1 FOR UPDATE")
        transaction.execute("UPDATE t SET v = 100 WHERE id = 1")
        transaction.execute("UPDATE t SET v = 100")
        transaction.savepoint("before")
    return database


def is_locked(database: skerry.Database) -> bool:
    return not database.execute("SELECT id FROM t WHERE id = 1 FOR UPDATE SKIP LOCKED").fetchall()


def check(caught: pytest.ExceptionInfo[skerry.TransactionTimeout], transaction: skerry.Transaction) -> None:
    """The error is the transaction's timeout, and nothing is left of the transaction."""
    assert isinstance(caught.value, errors.TotalTransactionTimeout)
    assert (caught.value.code, caught.value.sqlstate, caught.value.is_retryable) == ("T002", "25P04", True)
    assert transaction.state == "aborted"
    with pytest.raises(skerry.InvalidTransactionState):
        transaction.execute("SELECT 1")


@pytest.mark.parametrize("level", LEVELS)
def test_t19_locks_go_while_it_idles(table: skerry.Database, level: str) -> None:
    transaction = table.begin_transaction(isolation_level=level, timeout=0.5)
    transaction.execute("SELECT * FROM t WHERE id = 1 FOR UPDATE")
    transaction.execute("UPDATE t SET v = 100 WHERE id = 1")
    assert is_locked(table)
    until(lambda: not is_locked(table), "unlocking")
    assert table.execute("SELECT v FROM t WHERE id = 1").scalar() == 1
    with pytest.raises(skerry.TransactionTimeout) as caught:
        transaction.commit()
    check(caught, transaction)


def test_t19_who_waits_for_it_goes_on(table: skerry.Database) -> None:
    transaction = table.begin_transaction(isolation_level="read committed", timeout=0.5)
    transaction.execute("UPDATE t SET v = 100 WHERE id = 1")
    beside = Beside(lambda: table.execute("UPDATE t SET v = v + 1 WHERE id = 1 RETURNING v").scalar())
    wait_for_waiters(table)
    assert beside.result() == 2


USES = {
    "execute": lambda transaction: transaction.execute("SELECT 1"),
    "commit": lambda transaction: transaction.commit(),
    "prepare_commit": lambda transaction: transaction.prepare_commit(),
    "savepoint": lambda transaction: transaction.savepoint("s"),
    "rollback_to_savepoint": lambda transaction: transaction.rollback_to_savepoint("before"),
}


@pytest.mark.parametrize("use", USES)
def test_t19_what_is_done_next_raises(table: skerry.Database, use: str) -> None:
    transaction = table.begin_transaction(timeout=0.4)
    transaction.execute("UPDATE t SET v = 100")
    transaction.savepoint("before")
    time.sleep(0.5)
    with pytest.raises(skerry.TransactionTimeout) as caught:
        USES[use](transaction)
    check(caught, transaction)
    assert table.execute("SELECT v FROM t ORDER BY id").fetchall() == [(1,), (2,)]


def test_t19_rolling_back_afterwards_is_allowed(table: skerry.Database) -> None:
    with table.begin_transaction(timeout=0.4) as transaction:
        transaction.execute("UPDATE t SET v = 100")
        time.sleep(0.5)
    assert transaction.state == "aborted"
    assert table.execute("SELECT v FROM t ORDER BY id").fetchall() == [(1,), (2,)]


def test_t19_a_running_statement_is_stopped(table: skerry.Database) -> None:
    transaction = table.begin_transaction(timeout=0.2)
    with pytest.raises(skerry.TransactionTimeout) as caught:
        transaction.execute("SELECT count(*) FROM generate_series(1, 100000) a, generate_series(1, 100000) b")
    check(caught, transaction)


def test_t19_a_wait_is_ended(table: skerry.Database) -> None:
    holder = table.begin_transaction(isolation_level="read committed")
    holder.execute("UPDATE t SET v = 0 WHERE id = 1")
    transaction = table.begin_transaction(isolation_level="read committed", timeout=0.2)
    transaction.execute("UPDATE t SET v = 0 WHERE id = 2")
    with pytest.raises(skerry.TransactionTimeout) as caught:
        Beside(lambda: transaction.execute("UPDATE t SET v = 1 WHERE id = 1")).result()
    check(caught, transaction)
    table.execute("UPDATE t SET v = 3 WHERE id = 2")
    holder.rollback()


def test_t19_a_commit_that_waits_is_ended(table: skerry.Database) -> None:
    holder = table.begin_transaction(isolation_level="read committed")
    holder.execute("UPDATE t SET v = 0 WHERE id = 1")
    transaction = table.begin_transaction(timeout=0.2)
    transaction.execute("UPDATE t SET v = 1 WHERE id = 1")
    with pytest.raises(skerry.TransactionTimeout) as caught:
        Beside(transaction.commit).result()
    check(caught, transaction)
    holder.rollback()


def test_t19_a_deferrable_begin_is_ended(table: skerry.Database) -> None:
    """It waits for a safe snapshot no longer than that."""
    writer = table.begin_transaction(isolation_level="serializable")
    writer.execute("SELECT * FROM t")
    with pytest.raises(skerry.TransactionTimeout):
        table.begin_transaction(isolation_level="serializable", read_only=True, deferrable=True, timeout=0.1)
    writer.rollback()


def test_t01_in_time(table: skerry.Database) -> None:
    with table.begin_transaction(timeout=60) as transaction:
        transaction.execute("UPDATE t SET v = 100 WHERE id = 1")
        transaction.prepare_commit()
        transaction.commit()
    assert table.execute("SELECT v FROM t WHERE id = 1").scalar() == 100
    assert table.execute("SHOW transaction_timeout").scalar() == "0"
    assert table.execute("SELECT pg_sleep(0.1)").rowcount == 1, "it holds for one transaction only"


@pytest.mark.parametrize("timeout", [0, -1, float("nan")])
def test_t01_a_timeout_is_above_zero(table: skerry.Database, timeout: float) -> None:
    with pytest.raises(skerry.InterfaceError, match="above 0"):
        table.begin_transaction(timeout=timeout)
    with pytest.raises(skerry.InterfaceError, match="above 0"):
        skerry.connect(timeout=timeout)


def test_t19_an_idle_timeout_ends_it_too(table: skerry.Database) -> None:
    transaction = table.begin_transaction()
    transaction.execute("SET LOCAL idle_in_transaction_session_timeout = '50ms'")
    transaction.execute("UPDATE t SET v = 100")
    until(lambda: not is_locked(table), "unlocking")
    time.sleep(0.5)
    with pytest.raises(errors.IdleInTransactionTimeout) as caught:
        transaction.execute("SELECT 1")
    assert (caught.value.code, caught.value.sqlstate, caught.value.is_retryable) == ("T002", "25P03", True)
    assert transaction.state == "aborted"


def test_t19_db_api(table: skerry.Database) -> None:
    """There `timeout=` bounds each statement; the whole transaction is bounded by a setting."""
    connection = table.connect()
    connection.execute("SET transaction_timeout = '100ms'")
    connection.commit()
    connection.execute("UPDATE t SET v = 100")
    time.sleep(0.2)
    with pytest.raises(errors.TotalTransactionTimeout):
        connection.commit()
    connection.close()
    assert table.execute("SELECT v FROM t WHERE id = 1").scalar() == 1
