"""The native interface: results, transactions as objects, their states and savepoints."""

from __future__ import annotations

import contextlib
import gc
import threading
import time

import pytest

import skerry
from skerry import TransactionState, errors


@pytest.fixture
def table(database: skerry.Database) -> skerry.Database:
    """`database` with a table `t (id int PRIMARY KEY, v text)` of two rows."""
    database.execute("CREATE TABLE t (id int PRIMARY KEY, v text)")
    database.execute("INSERT INTO t VALUES (1, 'one'), (2, 'two')")
    return database


def ids(database: skerry.Database) -> list[object]:
    return [row[0] for row in database.execute("SELECT id FROM t ORDER BY id")]


def test_result(table: skerry.Database) -> None:
    result = table.execute("SELECT id, v FROM t ORDER BY id")
    assert [column.name for column in result.columns] == ["id", "v"]
    assert result.rowcount == 2
    assert list(result) == [(1, "one"), (2, "two")]
    assert table.execute("SELECT v FROM t WHERE id = 1").one() == ("one",)
    assert table.execute("SELECT max(id) FROM t").scalar() == 2
    assert table.execute("SELECT id FROM t WHERE false").scalar() is None
    with pytest.raises(skerry.InterfaceError):
        table.execute("SELECT id FROM t").one()
    changed = table.execute("UPDATE t SET v = 'x'")
    assert (changed.rowcount, changed.columns, changed.tag) == (2, (), "UPDATE 2")


def test_parameters_by_number_and_name(table: skerry.Database) -> None:
    assert table.execute("SELECT v FROM t WHERE id = $1", (2,)).scalar() == "two"
    assert table.execute("SELECT v FROM t WHERE id = $id AND v = $v", {"id": 2, "v": "two"}).scalar() == "two"
    assert table.execute("SELECT $a + $a, '$a', $$ $a $$, $tag$ $a $tag$", {"a": 2}).one() == (
        4,
        "$a",
        " $a ",
        " $a ",
    )
    with pytest.raises(skerry.InterfaceError):
        table.execute("SELECT $a", {"b": 1})
    with pytest.raises(skerry.Error):
        table.execute("SELECT $1 + $2", (1,))


def test_a_statement_commits_by_itself(table: skerry.Database) -> None:
    table.execute("INSERT INTO t VALUES (3, 'three')")
    other = table.connect()
    assert other.execute("SELECT count(*) FROM t").fetchone() == (3,)
    other.close()


def test_open_begin_is_refused(table: skerry.Database) -> None:
    with pytest.raises(skerry.InvalidTransactionState):
        table.execute("BEGIN")
    table.execute("BEGIN; INSERT INTO t VALUES (3, 'x'); COMMIT")
    assert ids(table) == [1, 2, 3]


def test_commit(table: skerry.Database) -> None:
    with table.begin_transaction() as transaction:
        transaction.execute("INSERT INTO t VALUES (3, 'three')")
        assert ids(table) == [1, 2]
        assert transaction.state is TransactionState.ACTIVE
        transaction.commit()
    assert transaction.state is TransactionState.COMMITTED
    assert ids(table) == [1, 2, 3]


def test_block_without_commit_rolls_back(table: skerry.Database) -> None:
    with table.begin_transaction() as transaction:
        transaction.execute("DELETE FROM t")
    assert transaction.state is TransactionState.ABORTED
    assert ids(table) == [1, 2]


def test_block_left_by_an_exception_rolls_back(table: skerry.Database) -> None:
    with pytest.raises(ZeroDivisionError), table.begin_transaction() as transaction:
        transaction.execute("DELETE FROM t")
        raise ZeroDivisionError
    assert ids(table) == [1, 2]


def test_dropped_transaction_gives_up_its_locks(table: skerry.Database) -> None:
    transaction = table.begin_transaction(isolation_level="read committed")
    transaction.execute("UPDATE t SET v = 'dropped' WHERE id = 1")
    del transaction
    gc.collect()
    table.execute("UPDATE t SET v = 'after' WHERE id = 1")
    assert table.execute("SELECT v FROM t WHERE id = 1").scalar() == "after"


@pytest.mark.parametrize("end", ["commit", "rollback"])
def test_finished_transaction_is_t004(table: skerry.Database, end: str) -> None:
    transaction = table.begin_transaction()
    getattr(transaction, end)()
    for use in (
        lambda: transaction.execute("SELECT 1"),
        transaction.commit,
        transaction.rollback,
        lambda: transaction.savepoint("s"),
        lambda: transaction.rollback_to_savepoint("s"),
        lambda: transaction.release_savepoint("s"),
    ):
        with pytest.raises(skerry.InvalidTransactionState) as caught:
            use()
        assert caught.value.code == "T004"
        assert not caught.value.is_retryable


def test_commit_written_as_sql(table: skerry.Database) -> None:
    transaction = table.begin_transaction()
    transaction.execute("INSERT INTO t VALUES (3, 'x')")
    transaction.execute("COMMIT")
    assert transaction.state is TransactionState.COMMITTED
    other = table.begin_transaction()
    other.execute("ROLLBACK")
    assert other.state is TransactionState.ABORTED
    assert ids(table) == [1, 2, 3]


def test_commit_after_a_failed_statement(table: skerry.Database) -> None:
    transaction = table.begin_transaction()
    transaction.execute("INSERT INTO t VALUES (3, 'x')")
    with pytest.raises(skerry.DataError):
        transaction.execute("SELECT 1/0")
    with pytest.raises(skerry.errors.InFailedTransaction):
        transaction.commit()
    assert transaction.state is TransactionState.ABORTED
    assert ids(table) == [1, 2]


def test_savepoints_by_method(table: skerry.Database) -> None:
    with table.begin_transaction() as transaction:
        transaction.savepoint("a")
        transaction.execute("INSERT INTO t VALUES (3, 'x')")
        transaction.savepoint("b")
        transaction.execute("INSERT INTO t VALUES (4, 'x')")
        transaction.rollback_to_savepoint("b")
        transaction.execute("INSERT INTO t VALUES (5, 'x')")
        transaction.rollback_to_savepoint("a")
        transaction.execute("INSERT INTO t VALUES (6, 'x')")
        transaction.savepoint("b")
        transaction.execute("INSERT INTO t VALUES (7, 'x')")
        transaction.release_savepoint("b")
        transaction.commit()
    assert ids(table) == [1, 2, 6, 7]


def test_rolling_back_releases_later_savepoints(table: skerry.Database) -> None:
    with table.begin_transaction() as transaction:
        transaction.savepoint("a")
        transaction.savepoint("b")
        transaction.rollback_to_savepoint("a")
        with pytest.raises(skerry.InvalidTransactionState) as caught:
            transaction.rollback_to_savepoint("b")
        assert caught.value.sqlstate == "3B001"


def test_savepoint_names_are_unique(table: skerry.Database) -> None:
    with table.begin_transaction() as transaction:
        transaction.savepoint("a")
        with pytest.raises(skerry.InvalidTransactionState) as caught:
            transaction.savepoint("a")
        assert caught.value.code == "T004"
        transaction.execute("SAVEPOINT a")
        transaction.execute("INSERT INTO t VALUES (3, 'x')")
        transaction.rollback_to_savepoint("a")
        transaction.release_savepoint("a")
        transaction.rollback_to_savepoint("a")
        transaction.release_savepoint("a")
        transaction.savepoint("a")
        transaction.savepoint('odd "name"')
        transaction.commit()


def test_savepoints_recover_from_errors(table: skerry.Database) -> None:
    with table.begin_transaction() as transaction:
        transaction.execute("INSERT INTO t VALUES (3, 'x')")
        transaction.savepoint("s")
        with pytest.raises(skerry.IntegrityError):
            transaction.execute("INSERT INTO t VALUES (1, 'dup')")
        transaction.rollback_to_savepoint("s")
        transaction.commit()
    assert ids(table) == [1, 2, 3]


def test_snapshot_repeats_its_reads(table: skerry.Database) -> None:
    with table.begin_transaction() as transaction:
        table.execute("INSERT INTO t VALUES (3, 'later')")
        table.execute("UPDATE t SET v = 'changed' WHERE id = 1")
        assert transaction.execute("SELECT id, v FROM t ORDER BY id").fetchall() == [(1, "one"), (2, "two")]
        assert transaction.execute("SELECT count(*) FROM t").scalar() == 2
        assert transaction.execute("SELECT v FROM t WHERE id = 3").scalar() is None


def test_read_committed_sees_what_others_commit(table: skerry.Database) -> None:
    with table.begin_transaction(isolation_level="read committed") as transaction:
        assert transaction.execute("SELECT count(*) FROM t").scalar() == 2
        table.execute("INSERT INTO t VALUES (3, 'later')")
        assert transaction.execute("SELECT count(*) FROM t").scalar() == 3


def test_first_committer_wins(table: skerry.Database) -> None:
    first, second = table.begin_transaction(), table.begin_transaction()
    first.execute("UPDATE t SET v = 'first' WHERE id = 1")
    second.execute("UPDATE t SET v = 'second' WHERE id = 1")
    first.commit()
    with pytest.raises(skerry.WriteConflict) as caught:
        second.commit()
    assert (caught.value.code, caught.value.sqlstate, caught.value.is_retryable) == ("T001", "40001", True)
    assert second.state is TransactionState.ABORTED
    assert table.execute("SELECT v FROM t WHERE id = 1").scalar() == "first"


def test_second_commits_when_first_rolls_back(table: skerry.Database) -> None:
    first, second = table.begin_transaction(), table.begin_transaction()
    first.execute("UPDATE t SET v = 'first' WHERE id = 1")
    second.execute("UPDATE t SET v = 'second' WHERE id = 1")
    first.rollback()
    second.commit()
    assert table.execute("SELECT v FROM t WHERE id = 1").scalar() == "second"


def test_snapshot_allows_write_skew(database: skerry.Database) -> None:
    database.execute("CREATE TABLE account (name text PRIMARY KEY, balance int)")
    database.execute("INSERT INTO account VALUES ('a', 50), ('b', 50)")
    both = [database.begin_transaction(), database.begin_transaction()]
    for transaction, name in zip(both, "ab", strict=True):
        assert transaction.execute("SELECT sum(balance) FROM account").scalar() == 100
        transaction.execute("UPDATE account SET balance = balance - 100 WHERE name = $1", (name,))
    for transaction in both:
        transaction.commit()
    assert database.execute("SELECT balance FROM account").fetchall() == [(-50,), (-50,)]


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO t VALUES (9, 'x')",
        "UPDATE t SET v = 'x'",
        "DELETE FROM t",
        "CREATE TABLE other (x int)",
        "TRUNCATE t",
        "DROP TABLE t",
        "CREATE INDEX ON t (v)",
        "ALTER TABLE t ADD COLUMN y int",
    ],
)
def test_read_only_refuses_mutations(table: skerry.Database, statement: str) -> None:
    with (
        table.begin_transaction(read_only=True) as transaction,
        pytest.raises(skerry.ReadOnlyViolation) as caught,
    ):
        transaction.execute(statement)
    assert (caught.value.code, caught.value.sqlstate) == ("T003", "25006")
    assert ids(table) == [1, 2]


def test_transaction_timeout(table: skerry.Database) -> None:
    blocker = table.begin_transaction(isolation_level="read committed")
    blocker.execute("UPDATE t SET v = 'held' WHERE id = 1")
    waiter = table.begin_transaction(isolation_level="read committed", timeout=0.3)
    with pytest.raises(skerry.TransactionTimeout) as caught:
        # In a thread of its own: one thread that waits for itself is a deadlock, found at once.
        _in_thread(lambda: waiter.execute("UPDATE t SET v = 'wanted' WHERE id = 1"))
    assert caught.value.code == "T002"
    assert caught.value.is_retryable
    assert waiter.state is TransactionState.ABORTED
    blocker.rollback()


def test_transaction_timeout_between_statements(table: skerry.Database) -> None:
    transaction = table.begin_transaction(timeout=0.1)
    transaction.execute("INSERT INTO t VALUES (3, 'x')")
    time.sleep(0.15)
    with pytest.raises(skerry.TransactionTimeout):
        transaction.commit()
    assert transaction.state is TransactionState.ABORTED
    assert ids(table) == [1, 2]


def test_waiting_for_oneself_is_a_deadlock(table: skerry.Database, request: pytest.FixtureRequest) -> None:
    if "network" in request.node.name:
        pytest.skip("over the network the server can't know that one thread holds both ends")
    holder = table.begin_transaction(isolation_level="read committed")
    holder.execute("UPDATE t SET v = 'held' WHERE id = 1")
    with pytest.raises(skerry.DeadlockDetected):
        table.execute("UPDATE t SET v = 'wanted' WHERE id = 1")
    holder.rollback()


def test_a_dead_threads_locks_are_not_its_successors(table: skerry.Database) -> None:
    """Python gives a dead thread's ident to the next one: waiting there is no waiting for oneself."""
    for _ in range(20):
        if _waits_for_a_dead_thread(table):
            return
    pytest.skip("Python gave no new thread the ident of a dead one")


def _waits_for_a_dead_thread(table: skerry.Database) -> bool:
    """False: no thread got the ident of the one that holds the lock."""
    holder = table.begin_transaction(isolation_level="read committed")
    idents: list[int] = []

    def hold() -> None:
        holder.execute("UPDATE t SET v = 'held' WHERE id = 1")
        idents.append(threading.get_ident())

    def wait() -> None:
        idents.append(threading.get_ident())
        if idents[-1] == idents[0]:
            table.execute("UPDATE t SET v = v || '+' WHERE id = 1")

    _in_thread(hold)
    for _ in range(20):
        waiter = threading.Thread(target=wait)
        waiter.start()
        waiter.join(0.3)
        if idents[-1] == idents[0]:
            break
    else:
        holder.rollback()
        return False
    assert waiter.is_alive()
    holder.commit()
    waiter.join(10)
    assert table.execute("SELECT v FROM t WHERE id = 1").scalar() == "held+"
    return True


def test_ddl_rolls_back(table: skerry.Database) -> None:
    with table.begin_transaction() as transaction:
        transaction.execute("CREATE TABLE made (x int)")
        transaction.execute("INSERT INTO made VALUES (1)")
        transaction.execute("ALTER TABLE t ADD COLUMN extra int DEFAULT 5")
        assert transaction.execute("SELECT extra FROM t LIMIT 1").scalar() == 5
    with pytest.raises(skerry.ProgrammingError):
        table.execute("SELECT * FROM made")
    assert [column.name for column in table.execute("SELECT * FROM t").columns] == ["id", "v"]


def test_closing_the_database(database: skerry.Database) -> None:
    database.close()
    database.close()
    with pytest.raises(skerry.InterfaceError):
        database.execute("SELECT 1")


def _in_thread(work: object) -> None:
    problems: list[BaseException] = []

    def run() -> None:
        try:
            work()  # type: ignore[operator]
        except BaseException as problem:  # noqa: BLE001 - handed to the caller below
            problems.append(problem)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(10)
    if problems:
        raise problems[0]


@pytest.mark.parametrize(
    "statement",
    ["SELECT 1/0", "SELEC", "MATCH (n RETURN n", "MATCH (n) RETURN 1/0 AS x", "SELECT * FROM nothing"],
)
def test_an_error_keeps_no_transaction_alive(database: skerry.Database, statement: str) -> None:
    """Without the collector: an exception must not be part of a cycle that holds the session."""
    database.execute("CREATE TABLE held (i int)")
    gc.collect()
    gc.disable()
    try:
        transaction = database.begin_transaction()
        transaction.execute("INSERT INTO held VALUES (1)")
        with contextlib.suppress(errors.Error):
            transaction.execute(statement)
        del transaction
        database.execute("SET lock_timeout = '2s'; DROP TABLE held")
    finally:
        gc.enable()
