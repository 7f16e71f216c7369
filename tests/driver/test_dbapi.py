"""PEP 249, embedded and over the network."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

import skerry


def test_module_globals() -> None:
    assert skerry.apilevel == "2.0"
    assert skerry.paramstyle == "pyformat"
    assert skerry.threadsafety == 2


def test_select_and_fetch(connection: skerry.Connection) -> None:
    cursor = connection.cursor()
    cursor.execute("SELECT x, x * 2 AS doubled FROM generate_series(1, 5) AS g(x) ORDER BY x")
    assert cursor.rowcount == 5
    assert cursor.fetchone() == (1, 2)
    assert cursor.fetchmany(2) == [(2, 4), (3, 6)]
    assert cursor.rownumber == 3
    assert cursor.fetchall() == [(4, 8), (5, 10)]
    assert cursor.fetchone() is None
    assert cursor.fetchall() == []


def test_cursor_iterates_and_arraysize(connection: skerry.Connection) -> None:
    cursor = connection.execute("VALUES (1), (2), (3)")
    assert cursor.fetchmany() == [(1,)]
    assert list(cursor) == [(2,), (3,)]


def test_description(connection: skerry.Connection) -> None:
    cursor = connection.execute(
        "SELECT 1 AS n, 'a'::varchar(7) AS v, 1.5::numeric(6, 2) AS d, now() AS t, ''::bytea AS b"
    )
    assert cursor.description is not None
    names = [column[0] for column in cursor.description]
    types = [column[1] for column in cursor.description]
    assert names == ["n", "v", "d", "t", "b"]
    assert types[0] == skerry.NUMBER
    assert types[1] == skerry.STRING
    assert types[2] == skerry.NUMBER
    assert types[3] == skerry.DATETIME
    assert types[4] == skerry.BINARY
    assert types[0] != skerry.STRING
    assert cursor.description[1][4] == 7
    assert cursor.description[2][4:6] == (6, 2)
    assert all(len(column) == 7 for column in cursor.description)


def test_no_rows_to_fetch(connection: skerry.Connection) -> None:
    cursor = connection.cursor()
    with pytest.raises(skerry.Error):
        cursor.fetchone()
    cursor.execute("CREATE TABLE t (x int)")
    assert cursor.description is None
    assert cursor.rowcount == -1
    with pytest.raises(skerry.Error):
        cursor.fetchall()


def test_rowcount_and_status(connection: skerry.Connection) -> None:
    cursor = connection.cursor()
    cursor.execute("CREATE TABLE t (x int)")
    assert cursor.statusmessage == "CREATE TABLE"
    cursor.execute("INSERT INTO t VALUES (1), (2), (3)")
    assert (cursor.rowcount, cursor.statusmessage) == (3, "INSERT 0 3")
    cursor.execute("UPDATE t SET x = x + 1 WHERE x > 1 RETURNING x")
    assert cursor.rowcount == 2
    assert sorted(cursor.fetchall()) == [(3,), (4,)]
    cursor.execute("DELETE FROM t")
    assert cursor.rowcount == 3


def test_positional_and_named_parameters(connection: skerry.Connection) -> None:
    assert connection.execute("SELECT %s + %s", (1, 2)).fetchone() == (3,)
    assert connection.execute("SELECT %(a)s + %(b)s * %(a)s", {"a": 3, "b": 4}).fetchone() == (15,)
    assert connection.execute("SELECT 7 %% %s", (4,)).fetchone() == (3,)
    assert connection.execute("SELECT 7 % 4").fetchone() == (3,)
    assert connection.execute("SELECT %s || 'x'", ("it's; -- $1 'quoted'",)).fetchone() == (
        "it's; -- $1 'quoted'x",
    )


@pytest.mark.parametrize(
    ("statement", "parameters"),
    [
        ("SELECT %s", ()),
        ("SELECT %s", (1, 2)),
        ("SELECT %s", {"a": 1}),
        ("SELECT %(a)s", (1,)),
        ("SELECT %(a)s", {"b": 1}),
        ("SELECT %(a)s, %s", (1,)),
        ("SELECT %d", (1,)),
        ("SELECT %s", "x"),
    ],
)
def test_wrong_parameters(connection: skerry.Connection, statement: str, parameters: object) -> None:
    with pytest.raises(skerry.InterfaceError):
        connection.execute(statement, parameters)  # type: ignore[arg-type]
    assert connection.execute("SELECT 1").fetchone() == (1,)


def test_executemany(connection: skerry.Connection) -> None:
    cursor = connection.cursor()
    cursor.execute("CREATE TABLE t (a int, b text)")
    cursor.executemany("INSERT INTO t VALUES (%s, %s)", [(n, f"row {n}") for n in range(20)])
    assert cursor.rowcount == 20
    assert connection.execute("SELECT count(*), min(b) FROM t").fetchone() == (20, "row 0")


def test_nothing_is_kept_without_commit(
    connection: skerry.Connection, another: Callable[..., skerry.Connection]
) -> None:
    connection.execute("CREATE TABLE t (x int)")
    connection.commit()
    connection.execute("INSERT INTO t VALUES (1)")
    assert connection.in_transaction
    other = another()
    assert other.execute("SELECT count(*) FROM t").fetchone() == (0,)
    other.rollback()
    connection.rollback()
    assert not connection.in_transaction
    assert connection.execute("SELECT count(*) FROM t").fetchone() == (0,)
    connection.rollback()
    connection.execute("INSERT INTO t VALUES (2)")
    connection.commit()
    assert other.execute("SELECT x FROM t").fetchall() == [(2,)]


def test_autocommit(database: skerry.Database, another: Callable[..., skerry.Connection]) -> None:
    connection = another(autocommit=True)
    connection.execute("CREATE TABLE t (x int)")
    connection.execute("INSERT INTO t VALUES (1)")
    assert not connection.in_transaction
    assert another().execute("SELECT x FROM t").fetchall() == [(1,)]
    connection.execute("BEGIN")
    connection.execute("INSERT INTO t VALUES (2)")
    with pytest.raises(skerry.InvalidTransactionState):
        connection.autocommit = False
    connection.execute("ROLLBACK")
    connection.autocommit = False
    assert connection.execute("SELECT count(*) FROM t").fetchone() == (1,)
    assert connection.in_transaction


def test_closing_rolls_back(database: skerry.Database) -> None:
    connection = database.connect()
    connection.execute("CREATE TABLE t (x int)")
    connection.close()
    connection.close()
    assert connection.closed
    with pytest.raises(skerry.InterfaceError):
        connection.cursor()
    with pytest.raises(skerry.ProgrammingError):
        database.execute("SELECT * FROM t")


def test_context_manager(database: skerry.Database) -> None:
    with database.connect() as connection:
        connection.execute("CREATE TABLE t (x int)")
    with pytest.raises(ZeroDivisionError), database.connect() as connection:
        connection.execute("INSERT INTO t VALUES (1)")
        raise ZeroDivisionError
    assert database.execute("SELECT count(*) FROM t").scalar() == 0


def test_error_classes(connection: skerry.Connection) -> None:
    connection.execute("CREATE TABLE t (x int PRIMARY KEY, y text NOT NULL, CHECK (x < 100))")
    connection.execute("INSERT INTO t VALUES (1, 'a')")
    connection.commit()
    cases = [
        ("INSERT INTO t VALUES (1, 'b')", skerry.errors.UniqueViolation, "23505"),
        ("INSERT INTO t VALUES (2, NULL)", skerry.errors.NotNullViolation, "23502"),
        ("INSERT INTO t VALUES (200, 'b')", skerry.errors.CheckViolation, "23514"),
        ("SELECT nope FROM t", skerry.errors.UndefinedColumn, "42703"),
        ("SELECT * FROM nope", skerry.errors.UndefinedTable, "42P01"),
        ("SELEC 1", skerry.errors.SyntaxError, "42601"),
        ("SELECT 1 / 0", skerry.errors.DivisionByZero, "22012"),
        ("SELECT 'x'::int", skerry.errors.InvalidTextRepresentation, "22P02"),
    ]
    for statement, cls, sqlstate in cases:
        with pytest.raises(cls) as caught:
            connection.execute(statement)
        assert caught.value.sqlstate == sqlstate
        with pytest.raises(skerry.errors.InFailedTransaction):
            connection.execute("SELECT 1")
        connection.rollback()


def test_error_fields(connection: skerry.Connection) -> None:
    connection.execute("CREATE TABLE t (x int PRIMARY KEY)")
    connection.execute("INSERT INTO t VALUES (1)")
    connection.commit()
    with pytest.raises(skerry.IntegrityError) as caught:
        connection.execute("INSERT INTO t VALUES (1)")
    assert caught.value.message == 'duplicate key value violates unique constraint "t_pkey"'
    assert caught.value.detail == "Key (x)=(1) already exists."
    assert caught.value.constraint == "t_pkey"
    assert caught.value.table == "t"
    connection.rollback()
    with pytest.raises(skerry.ProgrammingError) as wrong:
        connection.execute("SELECT upper(5, 6)")
    assert wrong.value.position == 8
    assert wrong.value.hint is not None


def test_commit_of_a_failed_transaction(connection: skerry.Connection) -> None:
    with pytest.raises(skerry.DataError):
        connection.execute("SELECT 1/0")
    with pytest.raises(skerry.errors.InFailedTransaction):
        connection.commit()
    assert not connection.in_transaction
    assert connection.execute("SELECT 1").fetchone() == (1,)


def test_read_only_connection(database: skerry.Database, another: Callable[..., skerry.Connection]) -> None:
    database.execute("CREATE TABLE t (x int)")
    reader = another(read_only=True)
    assert reader.execute("SELECT count(*) FROM t").fetchone() == (0,)
    with pytest.raises(skerry.ReadOnlyViolation) as caught:
        reader.execute("INSERT INTO t VALUES (1)")
    assert caught.value.code == "T003"
    assert not caught.value.is_retryable


def test_isolation_level_keyword(
    database: skerry.Database, another: Callable[..., skerry.Connection]
) -> None:
    levels = [
        another(isolation_level=name).execute("SHOW transaction_isolation").fetchone()
        for name in ("read_committed", "snapshot", "serializable")
    ]
    assert levels == [("read committed",), ("repeatable read",), ("serializable",)]
    assert another().execute("SHOW transaction_isolation").fetchone() == ("read committed",)
    with pytest.raises(skerry.InterfaceError):
        another(isolation_level="chaos")


def test_several_statements_without_parameters(connection: skerry.Connection) -> None:
    cursor = connection.execute("CREATE TABLE t (x int); INSERT INTO t VALUES (1), (2); SELECT sum(x) FROM t")
    assert cursor.fetchall() == [(3,)]


def test_notices(connection: skerry.Connection) -> None:
    connection.execute("DROP TABLE IF EXISTS nothing_here")
    assert connection.notices == ['NOTICE:  table "nothing_here" does not exist, skipping']


def test_cancel_from_another_thread(connection: skerry.Connection) -> None:
    timer = threading.Timer(0.3, connection.cancel)
    timer.start()
    started_s = time.monotonic()
    with pytest.raises(skerry.errors.QueryCanceled) as caught:
        connection.execute("SELECT count(*) FROM generate_series(1, 100000) a, generate_series(1, 100000) b")
    assert caught.value.sqlstate == "57014"
    assert time.monotonic() - started_s < 5
    timer.join()
    connection.rollback()
    assert connection.execute("SELECT 1").fetchone() == (1,)


def test_an_update_waits_for_the_other(
    database: skerry.Database, another: Callable[..., skerry.Connection]
) -> None:
    database.execute("CREATE TABLE t (id int PRIMARY KEY, n int)")
    database.execute("INSERT INTO t VALUES (1, 0)")
    first, second = another(), another()
    first.execute("UPDATE t SET n = n + 1 WHERE id = 1")
    done = threading.Event()

    def wait_and_commit() -> None:
        second.execute("UPDATE t SET n = n + 10 WHERE id = 1")
        second.commit()
        done.set()

    thread = threading.Thread(target=wait_and_commit)
    thread.start()
    assert not done.wait(0.2)
    first.commit()
    assert done.wait(5)
    thread.join()
    assert database.execute("SELECT n FROM t").scalar() == 11


def test_deadlock(database: skerry.Database, another: Callable[..., skerry.Connection]) -> None:
    database.execute("CREATE TABLE t (id int PRIMARY KEY, n int)")
    database.execute("INSERT INTO t VALUES (1, 0), (2, 0)")
    first, second = another(), another()
    first.execute("UPDATE t SET n = 1 WHERE id = 1")
    second.execute("UPDATE t SET n = 2 WHERE id = 2")
    failures: list[skerry.Error] = []

    def cross(connection: skerry.Connection, row: int) -> None:
        try:
            connection.execute("UPDATE t SET n = 9 WHERE id = %s", (row,))
            connection.commit()
        except skerry.Error as problem:
            failures.append(problem)
            connection.rollback()

    threads = [threading.Thread(target=cross, args=pair) for pair in ((first, 2), (second, 1))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert [type(problem) for problem in failures] == [skerry.DeadlockDetected]
    assert isinstance(failures[0], skerry.DeadlockDetected)
    assert (failures[0].sqlstate, failures[0].code, failures[0].is_retryable) == ("40P01", "T006", True)


def test_no_lost_update(database: skerry.Database, another: Callable[..., skerry.Connection]) -> None:
    database.execute("CREATE TABLE t (id int PRIMARY KEY, n int)")
    database.execute("INSERT INTO t VALUES (1, 0)")

    def increment(connection: skerry.Connection) -> None:
        for _ in range(50):
            connection.execute("UPDATE t SET n = n + 1 WHERE id = 1")
            connection.commit()

    threads = [threading.Thread(target=increment, args=(another(),)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert database.execute("SELECT n FROM t").scalar() == 200
