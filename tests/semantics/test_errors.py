"""Row t19 of the transaction semantics: each transaction error has its class, Skerry code, SQLSTATE and
`is_retryable`, natively and by DB-API, embedded and over the network."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

import pytest
from support.beside import Beside, until, wait_for_waiters

import skerry
from skerry import errors


class Client(Protocol):
    """A session with a transaction in it, by either interface."""

    def execute(self, statement: str) -> Iterable[skerry.abc.Row]: ...
    def commit(self) -> None: ...
    def rollback(self) -> None: ...


Open = Callable[..., Client]


@pytest.fixture
def table(database: skerry.Database) -> skerry.Database:
    """`database` with `t (id int PRIMARY KEY, v int)` of two rows."""
    database.execute("CREATE TABLE t (id int PRIMARY KEY, v int)")
    database.execute("INSERT INTO t VALUES (1, 1), (2, 2)")
    return database


@pytest.fixture(params=["native", "dbapi"])
def begin(request: pytest.FixtureRequest, table: skerry.Database) -> Iterator[Open]:
    """Begins a transaction, READ COMMITTED unless asked otherwise, by one interface or the other."""
    transactions: list[skerry.Transaction] = []
    connections: list[skerry.Connection] = []

    def native(isolation_level: str = "read committed", **modes: bool) -> Client:
        transactions.append(table.begin_transaction(isolation_level=isolation_level, **modes))
        return transactions[-1]

    def dbapi(isolation_level: str = "read committed", **modes: bool) -> Client:
        connections.append(table.connect(isolation_level=isolation_level, **modes))
        connections[-1].execute("SELECT 1")
        return connections[-1]

    yield native if request.param == "native" else dbapi
    for transaction in transactions:
        if transaction.state == "active":
            transaction.rollback()
    for connection in connections:
        connection.close()


def write_conflict_at_commit(begin: Open) -> None:
    first, second = begin("snapshot"), begin("snapshot")
    for client in (first, second):
        client.execute("UPDATE t SET v = v + 1 WHERE id = 1")
    first.commit()
    second.commit()


def write_conflict_in_a_statement(begin: Open) -> None:
    first, second = begin(), begin("snapshot")
    second.execute("SELECT * FROM t")
    first.execute("UPDATE t SET v = v + 1 WHERE id = 1")
    first.commit()
    second.execute("DELETE FROM t WHERE id = 1")


def statement_timeout(begin: Open) -> None:
    client = begin()
    client.execute("SET LOCAL statement_timeout = '50ms'")
    client.execute("SELECT pg_sleep(10)")


def statement_timeout_in_a_wait(begin: Open) -> None:
    holder, client = begin(), begin()
    holder.execute("UPDATE t SET v = 0")
    client.execute("SET LOCAL statement_timeout = '50ms'")
    in_thread(lambda: client.execute("UPDATE t SET v = 1"))


def lock_timeout(begin: Open) -> None:
    holder, client = begin(), begin()
    holder.execute("UPDATE t SET v = 0")
    client.execute("SET LOCAL lock_timeout = '50ms'")
    in_thread(lambda: client.execute("UPDATE t SET v = 1"))


def read_only_change(begin: Open) -> None:
    begin(read_only=True).execute("UPDATE t SET v = 1")


def read_only_definition(begin: Open) -> None:
    begin(read_only=True).execute("CREATE TABLE made (x int)")


def statement_after_a_failure(begin: Open) -> None:
    client = begin()
    with pytest.raises(skerry.DataError):
        client.execute("SELECT 1 / 0")
    client.execute("SELECT 1")


def commit_after_a_failure(begin: Open) -> None:
    client = begin()
    with pytest.raises(skerry.DataError):
        client.execute("SELECT 1 / 0")
    client.commit()


def unknown_savepoint(begin: Open) -> None:
    begin().execute("ROLLBACK TO nothing")


def level_after_a_query(begin: Open) -> None:
    begin().execute("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE")


def outside_only(begin: Open) -> None:
    begin().execute("VACUUM")


def write_skew(begin: Open) -> None:
    both = [begin("serializable"), begin("serializable")]
    for number, client in enumerate(both, 1):
        client.execute("SELECT sum(v) FROM t")
        client.execute(f"UPDATE t SET v = 0 WHERE id = {number}")
    for client in both:
        client.commit()


WAITING = (
    "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
)


def deadlock(begin: Open) -> None:
    first, second = begin(), begin()
    first.execute("UPDATE t SET v = 0 WHERE id = 1")
    second.execute("UPDATE t SET v = 0 WHERE id = 2")
    beside = Beside(lambda: first.execute("UPDATE t SET v = 0 WHERE id = 2"))
    watcher = begin()
    until(lambda: list(watcher.execute(WAITING)) == [(1,)], "waiting")
    try:
        in_thread(lambda: second.execute("UPDATE t SET v = 0 WHERE id = 1"))
    finally:
        second.rollback()
        beside.result()


def no_wait(begin: Open) -> None:
    holder, client = begin(), begin()
    holder.execute("UPDATE t SET v = 0")
    client.execute("SELECT * FROM t FOR UPDATE NOWAIT")


def unique_key(begin: Open) -> None:
    begin("serializable").execute("INSERT INTO t VALUES (1, 1)")


def division_by_zero(begin: Open) -> None:
    begin().execute("SELECT 1 / 0")


def in_thread(work: Callable[[], object]) -> None:
    """In a thread of its own: embedded, a thread that waits for itself is a deadlock, found at once."""
    Beside(work).result()


T001, T002, T003, T004, T005, T006 = "T001", "T002", "T003", "T004", "T005", "T006"

GRID: list[tuple[Callable[[Open], None], type[skerry.Error], type[skerry.Error], str | None, str, bool]] = [
    (write_conflict_at_commit, skerry.WriteConflict, skerry.OperationalError, T001, "40001", True),
    (write_conflict_in_a_statement, skerry.WriteConflict, skerry.OperationalError, T001, "40001", True),
    (statement_timeout, skerry.TransactionTimeout, skerry.OperationalError, T002, "57014", True),
    (statement_timeout_in_a_wait, skerry.TransactionTimeout, skerry.OperationalError, T002, "57014", True),
    (lock_timeout, errors.LockTimeout, skerry.TransactionTimeout, T002, "55P03", True),
    (read_only_change, skerry.ReadOnlyViolation, skerry.InternalError, T003, "25006", False),
    (read_only_definition, skerry.ReadOnlyViolation, skerry.InternalError, T003, "25006", False),
    (
        statement_after_a_failure,
        errors.InFailedTransaction,
        skerry.InvalidTransactionState,
        T004,
        "25P02",
        False,
    ),
    (commit_after_a_failure, errors.InFailedTransaction, skerry.InternalError, T004, "25P02", False),
    (unknown_savepoint, errors.UndefinedSavepoint, skerry.InvalidTransactionState, T004, "3B001", False),
    (level_after_a_query, errors.ActiveTransaction, skerry.InvalidTransactionState, T004, "25001", False),
    (outside_only, errors.ActiveTransaction, skerry.InvalidTransactionState, T004, "25001", False),
    (write_skew, skerry.SerializationFailure, skerry.OperationalError, T005, "40001", True),
    (deadlock, skerry.DeadlockDetected, skerry.OperationalError, T006, "40P01", True),
    (no_wait, errors.LockNotAvailable, skerry.OperationalError, None, "55P03", True),
    (unique_key, errors.UniqueViolation, skerry.IntegrityError, None, "23505", False),
    (division_by_zero, errors.DivisionByZero, skerry.DataError, None, "22012", False),
]


@pytest.mark.parametrize(
    ("provoke", "cls", "base", "code", "sqlstate", "is_retryable"),
    GRID,
    ids=lambda item: getattr(item, "__name__", None),
)
def test_t19_errors(
    begin: Open,
    provoke: Callable[[Open], None],
    cls: type[skerry.Error],
    base: type[skerry.Error],
    code: str | None,
    sqlstate: str,
    is_retryable: bool,
) -> None:
    with pytest.raises(cls) as caught:
        provoke(begin)
    problem = caught.value
    assert type(problem) is cls
    assert isinstance(problem, base)
    assert (problem.code, problem.sqlstate, problem.is_retryable) == (code, sqlstate, is_retryable)


def test_t19_a_finished_transaction_natively(table: skerry.Database) -> None:
    transaction = table.begin_transaction()
    transaction.commit()
    with pytest.raises(skerry.InvalidTransactionState) as caught:
        transaction.commit()
    assert (caught.value.code, caught.value.sqlstate, caught.value.is_retryable) == (T004, "25000", False)


def test_t19_a_cancelled_statement_is_no_timeout(table: skerry.Database) -> None:
    holder, client = table.connect(), table.connect()
    holder.execute("UPDATE t SET v = 0")
    beside = Beside(lambda: client.execute("UPDATE t SET v = 1"))
    wait_for_waiters(table)
    client.cancel()
    with pytest.raises(errors.QueryCanceled) as caught:
        beside.result()
    assert (caught.value.code, caught.value.sqlstate, caught.value.is_retryable) == (None, "57014", False)
    assert not isinstance(caught.value, skerry.TransactionTimeout)
    holder.close()
    client.close()


def test_t19_every_error_can_be_asked(table: skerry.Database) -> None:
    """Also those that are the driver's own: a retry loop may catch skerry.Error."""
    with pytest.raises(skerry.InterfaceError) as caught:
        table.execute("SELECT $a", {"b": 1})
    assert (caught.value.code, caught.value.sqlstate, caught.value.is_retryable) == (None, None, False)


def test_t19_the_grid_is_complete() -> None:
    """Every class with a Skerry code is in the grid, is in the table above it, or is named here."""
    elsewhere = {
        skerry.InvalidTransactionState,  # a finished transaction, above
        errors.NoActiveTransaction,  # SAVEPOINT outside a block: test_lifecycle
        errors.IdleInTransactionTimeout,  # test_timeouts
        errors.TotalTransactionTimeout,
        *(errors.FlowError, errors.WorkflowError, errors.ConcurrentUse),  # tests/flows
    }
    coded = {cls for cls in vars(errors).values() if isinstance(cls, type) and getattr(cls, "code", None)}
    assert coded == {row[1] for row in GRID if row[3]} | elsewhere
    assert {row[3] for row in GRID} == {T001, T002, T003, T004, T005, T006, None}
