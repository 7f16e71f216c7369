"""Rows t1, t2 and t10 to t17 of the transaction semantics: how transactions begin, go on and end.

Every test runs embedded and over the network.  What the rows say about nodes, edges, labels and properties, and about
GQL, is in test_graph_lifecycle.py.
"""

from __future__ import annotations

import gc
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest
from support.beside import Beside, until, wait_for_waiters, waiting_sessions
from support.postgres_server import Address
from support.wire_client import WireClient

import skerry
from skerry import TransactionState
from skerry.embedded import EmbeddedSource

LEVELS = ["read committed", "snapshot", "serializable"]


@pytest.fixture
def table(database: skerry.Database) -> skerry.Database:
    """`database` with `t (id int PRIMARY KEY, v text)` of three rows."""
    database.execute("CREATE TABLE t (id int PRIMARY KEY, v text)")
    database.execute("INSERT INTO t VALUES (1, 'one'), (2, 'two'), (3, 'three')")
    return database


def ids(database: skerry.Database) -> list[object]:
    return [row[0] for row in database.execute("SELECT id FROM t ORDER BY id")]


def is_locked(database: skerry.Database) -> bool:
    """Whether somebody holds the lock of row 1."""
    return not database.execute("SELECT id FROM t WHERE id = 1 FOR UPDATE SKIP LOCKED").fetchall()


# --- t1, t2 -------------------------------------------------------------------------------------------------


def test_t01_begin_transaction_gives_a_transaction(table: skerry.Database) -> None:
    transaction = table.begin_transaction()
    for name in (
        "execute",
        "commit",
        "rollback",
        "savepoint",
        "rollback_to_savepoint",
        "release_savepoint",
        "prepare_commit",
    ):
        assert callable(getattr(transaction, name))
    assert transaction.state == "active"
    transaction.rollback()


@pytest.mark.parametrize(
    ("level", "shown"),
    [
        (None, "repeatable read"),
        ("read committed", "read committed"),
        ("READ_COMMITTED", "read committed"),
        ("read uncommitted", "read uncommitted"),
        ("snapshot", "repeatable read"),
        ("repeatable read", "repeatable read"),
        ("serializable", "serializable"),
    ],
)
@pytest.mark.parametrize("read_only", [False, True])
def test_t01_modes(table: skerry.Database, level: str | None, shown: str, read_only: bool) -> None:
    modes = {} if level is None else {"isolation_level": level}
    with table.begin_transaction(**modes, read_only=read_only) as transaction:
        assert transaction.execute("SHOW transaction_isolation").scalar() == shown
        assert transaction.execute("SHOW transaction_read_only").scalar() == ("on" if read_only else "off")
        assert transaction.execute("SHOW transaction_deferrable").scalar() == "off"
    assert table.execute("SHOW transaction_isolation").scalar() == "read committed"


def test_t01_deferrable(table: skerry.Database) -> None:
    with table.begin_transaction(
        isolation_level="serializable", read_only=True, deferrable=True
    ) as transaction:
        assert transaction.execute("SHOW transaction_deferrable").scalar() == "on"
        assert transaction.execute("SELECT count(*) FROM t").scalar() == 3


@pytest.mark.parametrize("level", ["chaos", "", "snapshot isolation"])
def test_t01_an_unknown_level(table: skerry.Database, level: str) -> None:
    with pytest.raises(skerry.InterfaceError, match="unknown isolation level"):
        table.begin_transaction(isolation_level=level)
    with pytest.raises(skerry.InterfaceError, match="unknown isolation level"):
        table.connect(isolation_level=level)
    assert ids(table) == [1, 2, 3]


@pytest.mark.parametrize("level", LEVELS)
def test_t01_a_block_without_commit_rolls_back(table: skerry.Database, level: str) -> None:
    with table.begin_transaction(isolation_level=level) as transaction:
        transaction.execute("DELETE FROM t")
        assert transaction.execute("SELECT count(*) FROM t").scalar() == 0
    assert transaction.state == "aborted"
    assert ids(table) == [1, 2, 3]
    assert not is_locked(table)


@pytest.mark.parametrize("level", LEVELS)
def test_t01_a_block_left_by_an_exception_rolls_back(table: skerry.Database, level: str) -> None:
    with pytest.raises(ZeroDivisionError), table.begin_transaction(isolation_level=level) as transaction:
        transaction.execute("DELETE FROM t")
        1 / 0
    assert transaction.state == "aborted"
    assert ids(table) == [1, 2, 3]
    assert not is_locked(table)


def test_t01_a_failed_statement_in_a_block(table: skerry.Database) -> None:
    with pytest.raises(skerry.IntegrityError), table.begin_transaction() as transaction:
        transaction.execute("INSERT INTO t VALUES (4, 'x')")
        transaction.execute("INSERT INTO t VALUES (1, 'x')")
    assert transaction.state == "aborted"
    assert ids(table) == [1, 2, 3]


def test_t01_what_was_committed_stays_when_the_block_fails_later(table: skerry.Database) -> None:
    with pytest.raises(ZeroDivisionError), table.begin_transaction() as transaction:
        transaction.execute("INSERT INTO t VALUES (4, 'x')")
        transaction.commit()
        1 / 0
    assert transaction.state == "committed"
    assert ids(table) == [1, 2, 3, 4]


def test_t02_execute_outside_a_transaction_commits_by_itself(table: skerry.Database) -> None:
    table.execute("INSERT INTO t VALUES (4, 'x')")
    other = table.connect()
    assert other.execute("SELECT count(*) FROM t").fetchone() == (4,)
    other.close()


def test_t02_a_statement_that_fails_leaves_nothing(table: skerry.Database) -> None:
    with pytest.raises(skerry.IntegrityError):
        table.execute("INSERT INTO t VALUES (4, 'x'), (5, 'x'), (1, 'again')")
    assert ids(table) == [1, 2, 3]
    assert not is_locked(table)


def test_t02_several_statements_in_one_text_are_one_transaction(table: skerry.Database) -> None:
    with pytest.raises(skerry.IntegrityError):
        table.execute(
            "INSERT INTO t VALUES (4, 'x'); CREATE TABLE made (x int); INSERT INTO t VALUES (1, 'again')"
        )
    assert ids(table) == [1, 2, 3]
    with pytest.raises(skerry.errors.UndefinedTable):
        table.execute("SELECT * FROM made")


def test_t02_db_api_in_autocommit(table: skerry.Database) -> None:
    connection = table.connect(autocommit=True)
    connection.execute("INSERT INTO t VALUES (4, 'x')")
    assert not connection.in_transaction
    assert ids(table) == [1, 2, 3, 4]
    connection.close()


# --- t10 ----------------------------------------------------------------------------------------------------

MUTATIONS = [
    "INSERT INTO t VALUES (9, 'x')",
    "INSERT INTO t SELECT 9, 'x' WHERE false",
    "UPDATE t SET v = 'x'",
    "UPDATE t SET v = 'x' WHERE false",
    "DELETE FROM t",
    "WITH gone AS (DELETE FROM t RETURNING id) SELECT * FROM gone",
    "INSERT INTO t VALUES (1, 'x') ON CONFLICT DO NOTHING",
    "SELECT * FROM t FOR UPDATE",
    "SELECT * FROM t FOR KEY SHARE",
    "SELECT nextval('counter')",
    "SELECT setval('counter', 7)",
    "TRUNCATE t",
    "CREATE TABLE made (x int)",
    "CREATE TABLE made AS SELECT 1 AS x",
    "CREATE INDEX ON t (v)",
    "CREATE VIEW made AS SELECT 1",
    "CREATE SEQUENCE made",
    "CREATE SCHEMA made",
    "CREATE ROLE made",
    "ALTER TABLE t ADD COLUMN made int",
    "ALTER TABLE t RENAME TO made",
    "ALTER SEQUENCE counter INCREMENT 2",
    "COMMENT ON TABLE t IS 'made'",
    "GRANT SELECT ON t TO PUBLIC",
    "DROP TABLE t",
    "DROP SEQUENCE counter",
    "DROP TABLE IF EXISTS nothing",
]


@pytest.fixture
def with_sequence(table: skerry.Database) -> skerry.Database:
    """`table` with a sequence."""
    table.execute("CREATE SEQUENCE counter")
    return table


@pytest.mark.parametrize("statement", MUTATIONS)
def test_t10_read_only_refuses(with_sequence: skerry.Database, statement: str) -> None:
    """Natively, by DB-API, and by SQL's own words."""
    database = with_sequence
    connection = database.connect(read_only=True)
    native = database.begin_transaction(read_only=True)
    by_sql = database.begin_transaction(isolation_level="read committed")
    by_sql.execute("SET TRANSACTION READ ONLY")
    for run in (native.execute, connection.execute, by_sql.execute):
        with pytest.raises(skerry.ReadOnlyViolation) as caught:
            run(statement)
        assert (caught.value.code, caught.value.sqlstate) == ("T003", "25006")
        assert not caught.value.is_retryable
    connection.close()
    for transaction in (native, by_sql):
        transaction.rollback()
    assert ids(database) == [1, 2, 3]
    assert database.execute("SELECT nextval('counter')").scalar() == 1


@pytest.mark.parametrize("level", LEVELS)
def test_t10_read_only_reads(with_sequence: skerry.Database, level: str) -> None:
    with with_sequence.begin_transaction(isolation_level=level, read_only=True) as transaction:
        assert transaction.execute("SELECT count(*) FROM t").scalar() == 3
        assert transaction.execute("SELECT last_value FROM counter").scalar() == 1
        assert transaction.execute("EXPLAIN SELECT * FROM t").rowcount != 0
        transaction.execute("SET LOCAL work_mem = '1MB'")
        transaction.commit()


def test_t10_the_default_may_be_read_only(table: skerry.Database) -> None:
    connection = table.connect()
    connection.execute("SET default_transaction_read_only = on")
    connection.commit()
    with pytest.raises(skerry.ReadOnlyViolation):
        connection.execute("DELETE FROM t")
    connection.rollback()
    connection.execute("BEGIN READ WRITE")
    connection.execute("DELETE FROM t WHERE id = 3")
    connection.commit()
    connection.close()
    assert ids(table) == [1, 2]


# --- t11 ----------------------------------------------------------------------------------------------------

WORLD = """
    CREATE TABLE parent (id int PRIMARY KEY, note text DEFAULT 'none', made timestamp);
    CREATE TABLE child (id serial PRIMARY KEY, parent_id int REFERENCES parent ON DELETE CASCADE, v int CHECK (v > 0));
    CREATE INDEX child_v ON child (v);
    CREATE VIEW both_of_them AS SELECT p.id, c.v FROM parent p JOIN child c ON c.parent_id = p.id;
    CREATE SEQUENCE counter START 10 INCREMENT 5;
    COMMENT ON TABLE parent IS 'parents';
    INSERT INTO parent VALUES (1, 'a', '2024-01-01'), (2, 'b', NULL), (3, NULL, NULL);
    INSERT INTO child (parent_id, v) VALUES (1, 10), (1, 11), (2, 20);
"""

STATE = [
    "SELECT * FROM parent ORDER BY id",
    "SELECT * FROM child ORDER BY id",
    "SELECT * FROM both_of_them ORDER BY 1, 2",
    "SELECT id FROM child WHERE v BETWEEN 1 AND 15 ORDER BY v",
    "SELECT relname, relkind, relnatts, relacl::text FROM pg_class"
    " WHERE relnamespace = 'public'::regnamespace ORDER BY 1",
    "SELECT c.relname, attname, format_type(atttypid, atttypmod), attnotnull, atthasdef FROM pg_attribute a"
    " JOIN pg_class c ON c.oid = attrelid WHERE c.relnamespace = 'public'::regnamespace AND attnum > 0"
    " ORDER BY 1, attnum",
    "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint ORDER BY 1",
    "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1",
    "SELECT pg_get_expr(adbin, adrelid) FROM pg_attrdef ORDER BY 1",
    "SELECT sequencename, data_type::text, start_value, min_value, max_value, increment_by, cycle, cache_size"
    " FROM pg_sequences ORDER BY 1",
    "SELECT viewname, definition FROM pg_views WHERE schemaname = 'public' ORDER BY 1",
    "SELECT nspname FROM pg_namespace ORDER BY 1",
    "SELECT rolname FROM pg_roles ORDER BY 1",
    "SELECT description, objsubid FROM pg_description WHERE objoid >= 16384 ORDER BY 1",
]

UNDONE = [
    "UPDATE parent SET note = 'changed' WHERE id = 1",
    "UPDATE parent SET made = now() WHERE made IS NULL",
    "UPDATE parent SET note = NULL",
    "UPDATE parent SET id = id + 100 WHERE id = 3",
    "INSERT INTO parent VALUES (4)",
    "INSERT INTO parent SELECT g FROM generate_series(10, 1500) g",
    "INSERT INTO parent VALUES (1) ON CONFLICT (id) DO UPDATE SET note = 'again'",
    "DELETE FROM child",
    "DELETE FROM parent WHERE id = 1",
    "DELETE FROM parent WHERE id = 3; INSERT INTO parent VALUES (3, 'another')",
    "TRUNCATE child",
    "TRUNCATE parent, child RESTART IDENTITY",
    "TRUNCATE child; INSERT INTO child (parent_id, v) VALUES (2, 99)",
    "CREATE TABLE made (x int); INSERT INTO made VALUES (1)",
    "CREATE TABLE made AS SELECT * FROM parent",
    "CREATE UNIQUE INDEX made ON child (v)",
    "DROP INDEX child_v",
    "CREATE VIEW made AS SELECT * FROM child",
    "CREATE OR REPLACE VIEW both_of_them AS SELECT p.id, c.v FROM parent p LEFT JOIN child c ON c.parent_id = p.id",
    "DROP VIEW both_of_them",
    "DROP TABLE child CASCADE",
    "DROP TABLE parent CASCADE",
    "DROP TABLE child CASCADE; CREATE TABLE child (other text); INSERT INTO child VALUES ('x')",
    "ALTER TABLE parent ADD COLUMN extra int DEFAULT 5; UPDATE parent SET extra = 6",
    "DROP VIEW both_of_them; ALTER TABLE child DROP COLUMN v",
    "DROP VIEW both_of_them; ALTER TABLE child ALTER COLUMN v TYPE bigint; UPDATE child SET v = 1::bigint << 40",
    "ALTER TABLE child DROP CONSTRAINT child_v_check; UPDATE child SET v = -v",
    "ALTER TABLE parent ALTER COLUMN note SET DEFAULT 'some'; INSERT INTO parent (id) VALUES (9)",
    "ALTER TABLE parent RENAME TO renamed; ALTER TABLE renamed RENAME COLUMN note TO text",
    "ALTER SEQUENCE counter INCREMENT 7 MAXVALUE 1000",
    "CREATE SEQUENCE made",
    "DROP SEQUENCE counter",
    "CREATE SCHEMA made; CREATE TABLE made.t (x int)",
    "CREATE ROLE made",
    "COMMENT ON TABLE parent IS 'changed'",
]


@pytest.fixture
def world(database: skerry.Database) -> Iterator[skerry.Database]:
    """`database` with tables, a view, an index and sequences in it."""
    database.execute(WORLD)
    yield database
    with suppress(skerry.Error):
        database.execute("DROP ROLE IF EXISTS made")


def state_of(database: skerry.Database | skerry.Transaction) -> list[list[skerry.abc.Row]]:
    return [database.execute(query).fetchall() for query in STATE]


@pytest.mark.parametrize("change", UNDONE)
def test_t11_rollback_undoes(world: skerry.Database, change: str) -> None:
    """Wholly, under SNAPSHOT, and to a savepoint, under READ COMMITTED."""
    before = state_of(world)
    with world.begin_transaction(isolation_level="snapshot") as transaction:
        transaction.execute(change)
        transaction.rollback()
    assert state_of(world) == before
    with world.begin_transaction(isolation_level="read committed") as transaction:
        transaction.execute("INSERT INTO parent VALUES (5, 'kept')")
        within = state_of(transaction)
        transaction.savepoint("s")
        for _ in range(2):
            transaction.execute(change)
            transaction.rollback_to_savepoint("s")
            assert state_of(transaction) == within
        transaction.commit()
    assert state_of(world) == within


@pytest.mark.parametrize("database", ["embedded"], indirect=True)
@pytest.mark.parametrize("change", UNDONE)
def test_t11_what_is_undone_is_something(world: skerry.Database, change: str) -> None:
    """Committed, each of the changes is seen: the test above compares what it should."""
    before = state_of(world)
    world.execute(change)
    try:
        assert state_of(world) != before
    except skerry.Error:
        return  # what the state is read from is gone


def test_t11_sequences_values_are_not_undone(world: skerry.Database) -> None:
    with world.begin_transaction() as transaction:
        assert transaction.execute("SELECT nextval('counter')").scalar() == 10
    assert world.execute("SELECT nextval('counter')").scalar() == 15


# --- t12, t13 -----------------------------------------------------------------------------------------------


class ByMethod:
    """Savepoints by the transaction's methods."""

    def __init__(self, transaction: skerry.Transaction) -> None:
        self.transaction = transaction
        self.savepoint = transaction.savepoint
        self.rollback_to = transaction.rollback_to_savepoint
        self.release = transaction.release_savepoint


class ByStatement:
    """Savepoints by SQL; with and without the words that may be left out."""

    def __init__(self, transaction: skerry.Transaction) -> None:
        self.transaction = transaction
        self._count = 0

    def savepoint(self, name: str) -> None:
        self.transaction.execute(f"SAVEPOINT {name}")

    def rollback_to(self, name: str) -> None:
        self._count += 1
        self.transaction.execute(f"ROLLBACK TO {'SAVEPOINT ' * (self._count % 2)}{name}")

    def release(self, name: str) -> None:
        self._count += 1
        self.transaction.execute(f"RELEASE {'SAVEPOINT ' * (self._count % 2)}{name}")


@pytest.fixture(params=[ByMethod, ByStatement], ids=["by_method", "by_statement"])
def how(request: pytest.FixtureRequest) -> Callable[[skerry.Transaction], ByMethod | ByStatement]:
    """A way to write savepoints."""
    return request.param  # type: ignore[no-any-return]


How = Callable[[skerry.Transaction], ByMethod | ByStatement]


def insert(transaction: skerry.Transaction, *numbers: int) -> None:
    for number in numbers:
        transaction.execute("INSERT INTO t VALUES ($1, 'new')", (number,))


@pytest.mark.parametrize("level", LEVELS)
def test_t12_savepoints(table: skerry.Database, how: How, level: str) -> None:
    with table.begin_transaction(isolation_level=level) as transaction:
        marks = how(transaction)
        insert(transaction, 10)
        marks.savepoint("a")
        insert(transaction, 11)
        marks.savepoint("b")
        insert(transaction, 12)
        marks.rollback_to("b")
        insert(transaction, 13)
        marks.rollback_to("b")
        insert(transaction, 14)
        marks.release("b")
        marks.savepoint("c")
        insert(transaction, 15)
        marks.rollback_to("a")
        insert(transaction, 16)
        transaction.commit()
    assert ids(table) == [1, 2, 3, 10, 16]


def test_t12_rolling_back_releases_later_ones_and_keeps_the_one_named(
    table: skerry.Database, how: How
) -> None:
    with table.begin_transaction() as transaction:
        marks = how(transaction)
        for name in ("a", "b", "c"):
            marks.savepoint(name)
        marks.rollback_to("b")
        marks.rollback_to("b")
        with pytest.raises(skerry.InvalidTransactionState) as caught:
            marks.rollback_to("c")
        assert (caught.value.code, caught.value.sqlstate) == ("T004", "3B001")
        marks.rollback_to("b")
        marks.release("b")
        with pytest.raises(skerry.InvalidTransactionState):
            marks.release("b")
        marks.rollback_to("a")
        transaction.commit()


def test_t12_release_keeps_changes_and_releases_later_ones(table: skerry.Database, how: How) -> None:
    with table.begin_transaction() as transaction:
        marks = how(transaction)
        marks.savepoint("a")
        insert(transaction, 10)
        marks.savepoint("b")
        insert(transaction, 11)
        marks.release("a")
        with pytest.raises(skerry.InvalidTransactionState):
            marks.rollback_to("b")
        transaction.rollback()
    with table.begin_transaction() as transaction:
        marks = how(transaction)
        marks.savepoint("a")
        insert(transaction, 10)
        marks.release("a")
        transaction.commit()
    assert ids(table) == [1, 2, 3, 10]


def test_t12_a_savepoint_recovers_a_failed_transaction(table: skerry.Database, how: How) -> None:
    with table.begin_transaction() as transaction:
        marks = how(transaction)
        insert(transaction, 10)
        marks.savepoint("a")
        with pytest.raises(skerry.IntegrityError):
            insert(transaction, 11, 1)
        with pytest.raises(skerry.errors.InFailedTransaction) as caught:
            transaction.execute("SELECT 1")
        assert (caught.value.code, caught.value.sqlstate) == ("T004", "25P02")
        marks.rollback_to("a")
        insert(transaction, 12)
        transaction.commit()
    assert ids(table) == [1, 2, 3, 10, 12]


def test_t12_rolling_back_gives_locks_back(table: skerry.Database, how: How) -> None:
    with table.begin_transaction(isolation_level="read committed") as transaction:
        marks = how(transaction)
        marks.savepoint("a")
        transaction.execute("UPDATE t SET v = 'x' WHERE id = 1")
        assert is_locked(table)
        marks.rollback_to("a")
        assert not is_locked(table)


def test_t12_settings_go_with_the_savepoint(table: skerry.Database, how: How) -> None:
    with table.begin_transaction() as transaction:
        marks = how(transaction)
        marks.savepoint("a")
        transaction.execute("SET LOCAL work_mem = '3MB'")
        marks.rollback_to("a")
        assert transaction.execute("SHOW work_mem").scalar() != "3MB"


def test_t13_names_are_unique_by_method(table: skerry.Database) -> None:
    with table.begin_transaction() as transaction:
        transaction.savepoint("a")
        insert(transaction, 10)
        with pytest.raises(skerry.InvalidTransactionState) as caught:
            transaction.savepoint("a")
        assert caught.value.code == "T004"
        assert transaction.state == "active"
        insert(transaction, 11)  # the refusal did not hurt
        transaction.savepoint("b")
        transaction.rollback_to_savepoint("a")
        transaction.savepoint("b")  # gone, so free again
        transaction.release_savepoint("a")
        transaction.savepoint("a")
        insert(transaction, 12)
        transaction.commit()
    assert ids(table) == [1, 2, 3, 12]
    with table.begin_transaction() as transaction:
        transaction.savepoint("a")  # unique within a transaction only


def test_t13_a_name_used_again_in_sql_shadows_the_older(table: skerry.Database) -> None:
    with table.begin_transaction() as transaction:
        transaction.execute("SAVEPOINT a")
        insert(transaction, 10)
        transaction.execute("SAVEPOINT a")
        insert(transaction, 11)
        with pytest.raises(skerry.InvalidTransactionState):
            transaction.savepoint("a")
        transaction.execute("ROLLBACK TO a")
        assert transaction.execute("SELECT max(id) FROM t").scalar() == 10
        transaction.execute("RELEASE a")
        transaction.execute("ROLLBACK TO a")
        assert transaction.execute("SELECT max(id) FROM t").scalar() == 3
        transaction.commit()


# --- t14 ----------------------------------------------------------------------------------------------------

USES: list[Callable[[skerry.Transaction], object]] = [
    lambda transaction: transaction.execute("SELECT 1"),
    lambda transaction: transaction.commit(),
    lambda transaction: transaction.rollback(),
    lambda transaction: transaction.savepoint("s"),
    lambda transaction: transaction.rollback_to_savepoint("s"),
    lambda transaction: transaction.release_savepoint("s"),
    lambda transaction: transaction.prepare_commit(),
    lambda transaction: transaction.__enter__(),
]

ENDS: dict[str, tuple[Callable[[skerry.Transaction], object], str]] = {
    "commit": (lambda transaction: transaction.commit(), "committed"),
    "rollback": (lambda transaction: transaction.rollback(), "aborted"),
    "COMMIT": (lambda transaction: transaction.execute("COMMIT"), "committed"),
    "END": (lambda transaction: transaction.execute("end work"), "committed"),
    "ROLLBACK": (lambda transaction: transaction.execute("ROLLBACK"), "aborted"),
    "commit of the prepared": (lambda transaction: transaction.prepare_commit().commit(), "committed"),
    "rollback of the prepared": (lambda transaction: transaction.prepare_commit().rollback(), "aborted"),
    "PREPARE TRANSACTION": (lambda transaction: transaction.execute("PREPARE TRANSACTION 't14'"), "prepared"),
}


@pytest.mark.parametrize("end", ENDS)
def test_t14_a_finished_transaction(table: skerry.Database, end: str) -> None:
    transaction = table.begin_transaction()
    assert transaction.state is TransactionState.ACTIVE
    finish, state = ENDS[end]
    finish(transaction)
    assert transaction.state == state
    for use in USES:
        with pytest.raises(skerry.InvalidTransactionState) as caught:
            use(transaction)
        assert (caught.value.code, caught.value.sqlstate) == ("T004", "25000")
        assert not caught.value.is_retryable
        assert transaction.state == state
    with suppress(skerry.errors.UndefinedObject):
        table.execute("ROLLBACK PREPARED 't14'")


def test_t14_a_commit_that_fails_aborts(table: skerry.Database) -> None:
    transaction = table.begin_transaction()
    transaction.execute("UPDATE t SET v = 'x' WHERE id = 1")
    table.execute("UPDATE t SET v = 'y' WHERE id = 1")
    with pytest.raises(skerry.WriteConflict):
        transaction.commit()
    assert transaction.state == "aborted"
    with pytest.raises(skerry.InvalidTransactionState):
        transaction.commit()


def test_t14_commit_of_a_failed_transaction_is_an_error(table: skerry.Database) -> None:
    transaction = table.begin_transaction()
    with pytest.raises(skerry.DataError):
        transaction.execute("SELECT 1 / 0")
    assert transaction.state == "active", "a savepoint might save it"
    with pytest.raises(skerry.errors.InFailedTransaction) as caught:
        transaction.commit()
    assert caught.value.code == "T004"
    assert transaction.state == "aborted"


def test_t14_commit_and_chain_goes_on(table: skerry.Database) -> None:
    """A new transaction with the same modes: what was committed stays, savepoints' names are free."""
    with table.begin_transaction(isolation_level="serializable") as transaction:
        transaction.savepoint("s")
        insert(transaction, 10)
        transaction.execute("COMMIT AND CHAIN")
        assert transaction.state == "active"
        assert transaction.execute("SHOW transaction_isolation").scalar() == "serializable"
        transaction.savepoint("s")
        insert(transaction, 11)
    assert ids(table) == [1, 2, 3, 10]


def test_t14_a_second_begin_changes_nothing(table: skerry.Database) -> None:
    with table.begin_transaction() as transaction:
        insert(transaction, 10)
        transaction.execute("START TRANSACTION")
        assert transaction.state == "active"
        insert(transaction, 11)
        transaction.commit()
    assert ids(table) == [1, 2, 3, 10, 11]


# --- t15 ----------------------------------------------------------------------------------------------------


def lose_the_object(database: skerry.Database) -> None:
    transaction = database.begin_transaction(isolation_level="read committed")
    transaction.execute("UPDATE t SET v = 'lost' WHERE id = 1")
    assert is_locked(database)


def lose_it_in_a_cycle(database: skerry.Database) -> None:
    cycle: list[object] = [database.begin_transaction(isolation_level="read committed")]
    cycle[0].execute("UPDATE t SET v = 'lost' WHERE id = 1")  # type: ignore[attr-defined]
    cycle.append(cycle)
    del cycle
    gc.collect()


def lose_it_in_an_exception(database: skerry.Database) -> None:
    def fail() -> None:
        transaction = database.begin_transaction(isolation_level="read committed")
        transaction.execute("UPDATE t SET v = 'lost' WHERE id = 1")
        raise ZeroDivisionError

    with suppress(ZeroDivisionError):
        fail()
    gc.collect()


def lose_its_thread(database: skerry.Database) -> None:
    Beside(lambda: lose_the_object(database)).result()


def lose_a_connection(database: skerry.Database) -> None:
    connection = database.connect()
    connection.execute("UPDATE t SET v = 'lost' WHERE id = 1")
    assert is_locked(database)


def lose_its_cursor_last(database: skerry.Database) -> None:
    cursor = database.connect().cursor()
    cursor.execute("UPDATE t SET v = 'lost' WHERE id = 1")


def close_a_connection(database: skerry.Database) -> None:
    connection = database.connect()
    connection.execute("UPDATE t SET v = 'lost' WHERE id = 1")
    connection.close()


def leave_a_connections_block(database: skerry.Database) -> None:
    with pytest.raises(ZeroDivisionError), database.connect() as connection:
        connection.execute("UPDATE t SET v = 'lost' WHERE id = 1")
        1 / 0


def lose_a_failed_one(database: skerry.Database) -> None:
    transaction = database.begin_transaction(isolation_level="read committed")
    transaction.savepoint("s")
    transaction.execute("UPDATE t SET v = 'lost' WHERE id = 1")
    transaction.savepoint("later")
    with suppress(skerry.DataError):
        transaction.execute("SELECT 1 / 0")


DROPS = [
    lose_the_object,
    lose_it_in_a_cycle,
    lose_it_in_an_exception,
    lose_its_thread,
    lose_a_connection,
    lose_its_cursor_last,
    close_a_connection,
    leave_a_connections_block,
    lose_a_failed_one,
]


@pytest.mark.parametrize("drop", DROPS, ids=lambda drop: drop.__name__)
def test_t15_a_lost_transaction_rolls_back(
    table: skerry.Database, drop: Callable[[skerry.Database], None]
) -> None:
    """At once: without help from the collector of cycles, unless it is in one."""
    gc.collect()
    gc.disable()
    try:
        drop(table)
        until(lambda: not is_locked(table), "unlocking")
    finally:
        gc.enable()
    assert table.execute("SELECT v FROM t WHERE id = 1").scalar() == "one"


def test_t15_who_waits_for_a_lost_transaction_goes_on(table: skerry.Database) -> None:
    holding = [table.begin_transaction(isolation_level="read committed")]
    holding[0].execute("UPDATE t SET v = 'lost' WHERE id = 1")
    beside = Beside(lambda: table.execute("UPDATE t SET v = v || '+' WHERE id = 1 RETURNING v").scalar())
    wait_for_waiters(table)
    holding.clear()
    assert beside.result() == "one+"


@pytest.mark.parametrize("database", ["embedded"], indirect=True)
def test_t15_lost_in_the_middle_of_anothers_step(table: skerry.Database) -> None:
    """Embedded, a finaliser can run while its own thread is inside the engine: it must neither wait nor
    forget, even when nobody but a sleeping waiter comes to the engine afterwards."""
    source = table._source
    assert isinstance(source, EmbeddedSource)
    holding = [table.begin_transaction(isolation_level="read committed")]
    holding[0].execute("UPDATE t SET v = 'lost' WHERE id = 1")
    beside = Beside(lambda: table.execute("UPDATE t SET v = v || '+' WHERE id = 1 RETURNING v").scalar())
    wait_for_waiters(table)

    def lose(*_: object) -> None:
        if holding and source.mutex.locked():
            holding.clear()

    sys.setprofile(lose)  # called at every call of an interpreted function, of this thread
    try:
        table.execute("SELECT 'a text that was never parsed before'")
    finally:
        sys.setprofile(None)
    assert not holding, "lost inside a step"
    assert beside.result() == "one+"


def test_t15_a_connection_without_goodbye(skerry_server: Address) -> None:
    admin = WireClient(skerry_server)
    admin.query("DROP TABLE IF EXISTS t15")
    admin.query("CREATE TABLE t15 (id int PRIMARY KEY, v int)")
    admin.query("INSERT INTO t15 VALUES (1, 1)")
    for leave in (WireClient.reset, WireClient.close):
        client = WireClient(skerry_server)
        client.query("BEGIN")
        assert client.query("UPDATE t15 SET v = 2").tags == ["UPDATE 1"]
        leave(client)
        client.close()
        until(lambda: admin.query("SELECT v FROM t15 FOR UPDATE SKIP LOCKED").rows == [("1",)], "unlocking")
    admin.query("DROP TABLE t15")
    admin.close()


CLIENT = """
import sys
import skerry
database = skerry.open(sys.argv[1])
with database.begin_transaction(isolation_level="read committed") as transaction:
    transaction.execute("UPDATE t SET v = 'lost' WHERE id = 1")
    print("ready", flush=True)
    transaction.execute(sys.argv[2])
"""


@pytest.mark.parametrize("database", ["network"], indirect=True)
@pytest.mark.parametrize("doing", ["SELECT pg_sleep(60)", "UPDATE t SET v = 'lost' WHERE id = 2"])
def test_t15_a_killed_client(table: skerry.Database, skerry_server: Address, doing: str) -> None:
    """Also while its statement runs, or waits for another's lock."""
    name = table.execute("SELECT current_database()").scalar()
    holder = table.begin_transaction(isolation_level="read committed")
    holder.execute("UPDATE t SET v = 'held' WHERE id = 2")
    target = f"skerry://{skerry_server.user}@{skerry_server.host}:{skerry_server.port}/{name}"
    process = subprocess.Popen(
        [sys.executable, "-c", CLIENT, target, doing], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    assert is_locked(table)
    if doing.startswith("UPDATE"):
        wait_for_waiters(table)
    process.kill()
    process.wait()
    process.stdout.close()
    until(lambda: not is_locked(table), "unlocking")
    assert waiting_sessions(table) == 0
    holder.rollback()
    assert table.execute("SELECT v FROM t ORDER BY id LIMIT 2").fetchall() == [("one",), ("two",)]


def test_t15_closing_the_database_under_a_transaction(table: skerry.Database) -> None:
    transaction = table.begin_transaction()
    transaction.execute("DELETE FROM t")
    table.close()
    if isinstance(table._source, EmbeddedSource):
        with pytest.raises(skerry.Error):
            transaction.execute("SELECT 1")
        assert transaction.state == "aborted"
    else:
        transaction.rollback()


# --- t16 ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("level", LEVELS)
def test_t16_prepare_commit_tells_what_would_be_committed(table: skerry.Database, level: str) -> None:
    table.execute("CREATE TABLE other (x int)")
    with table.begin_transaction(isolation_level=level) as transaction:
        transaction.execute("INSERT INTO t VALUES (4, 'four'), (5, NULL)")
        transaction.execute("UPDATE t SET v = 'ONE' WHERE id = 1")
        transaction.execute("UPDATE t SET id = 30 WHERE id = 3")
        transaction.execute("DELETE FROM t WHERE id = 2")
        transaction.execute("INSERT INTO other SELECT generate_series(1, 3)")
        transaction.execute("CREATE INDEX ON other (x)")
        pending = transaction.prepare_commit()
        assert pending.tables == {
            "public.t": skerry.TableChanges(inserted=2, updated=2, deleted=1),
            "public.other": skerry.TableChanges(inserted=3),
        }
        assert (pending.inserted, pending.updated, pending.deleted) == (5, 2, 1)
        assert (pending.nodes, pending.edges) == (0, 0)
        assert pending.definitions == 1
        changes = {(change.table, change.kind, str(change.key)): change for change in pending.changes}
        assert len(pending.changes) == len(changes) + 2, "rows of a table without a key look alike"
        updated = changes[("t", "update", "{'id': 1}")]
        assert (updated.schema, updated.old, updated.new) == (
            "public",
            {"id": 1, "v": "one"},
            {"id": 1, "v": "ONE"},
        )
        moved = changes[("t", "update", "{'id': 3}")]
        assert (moved.old, moved.new) == ({"id": 3, "v": "three"}, {"id": 30, "v": "three"})
        deleted = changes[("t", "delete", "{'id': 2}")]
        assert (deleted.old, deleted.new) == ({"id": 2, "v": "two"}, None)
        inserted = changes[("t", "insert", "{'id': 5}")]
        assert (inserted.old, inserted.new) == (None, {"id": 5, "v": None})
        assert [change.new for change in pending.changes if change.table == "other"] == [
            {"x": 1},
            {"x": 2},
            {"x": 3},
        ]
        assert ids(table) == [1, 2, 3], "nothing is committed yet"
        pending.commit()
    assert transaction.state == "committed"
    assert ids(table) == [1, 4, 5, 30]
    with pytest.raises(skerry.InvalidTransactionState):
        pending.commit()
    assert len(pending.changes) == 8, "what was fetched stays"


def test_t16_changes_are_fetched_before_the_end(table: skerry.Database) -> None:
    transaction = table.begin_transaction()
    transaction.execute("DELETE FROM t")
    pending = transaction.prepare_commit()
    pending.rollback()
    assert pending.deleted == 3
    with pytest.raises(skerry.InvalidTransactionState):
        pending.changes
    assert ids(table) == [1, 2, 3]


def test_t16_nothing_pending(table: skerry.Database) -> None:
    with table.begin_transaction(read_only=True) as transaction:
        pending = transaction.prepare_commit()
        assert (pending.tables, pending.definitions, pending.changes) == ({}, 0, [])
        pending.commit()


def test_t16_values_are_python_values(database: skerry.Database) -> None:
    """The same as a query gives."""
    database.execute("SET TimeZone = 'Asia/Tokyo'; SET DateStyle = 'German'")
    database.execute(
        "CREATE TABLE many (b bool, s smallint, i int, l bigint, o oid, f float8, g float4, n numeric(9, 2), t text,"
        " c char(4), w varchar(9), y bytea, d date, m time, z timestamptz, p timestamp, r interval, u uuid, j jsonb,"
        " k json, a int[], q text[], h date[], e name)"
    )
    with database.begin_transaction() as transaction:
        transaction.execute(
            "INSERT INTO many VALUES (true, 1, -2, 9007199254740993, 7, 0.1, 0.1, 12.50, 'it''s', 'x', 'y', '\\x00ff',"
            " '2024-02-29', '12:34:56.5', '2024-01-01 00:00Z', '2024-01-01 10:00', '1 mon 3 days',"
            " 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '{\"a\": [1, null]}', '[true]', '{1,NULL}', '{\"a b\",\"\"}',"
            " '{2024-03-01}', 'name')"
        )
        transaction.execute("INSERT INTO many DEFAULT VALUES")
        transaction.execute("SET LOCAL DateStyle = 'ISO'")
        rows = transaction.execute("SELECT * FROM many").fetchall()
        changes = transaction.prepare_commit().changes
    assert [tuple((change.new or {}).values()) for change in changes] == rows
    assert [[type(value) for value in (change.new or {}).values()] for change in changes] == [
        [type(value) for value in row] for row in rows
    ]


def test_t16_prepare_commit_raises_what_commit_would(table: skerry.Database) -> None:
    transaction = table.begin_transaction()
    transaction.execute("UPDATE t SET v = 'x' WHERE id = 1")
    table.execute("UPDATE t SET v = 'y' WHERE id = 1")
    with pytest.raises(skerry.WriteConflict) as caught:
        transaction.prepare_commit()
    assert caught.value.code == "T001"
    assert transaction.state == "aborted"
    assert table.execute("SELECT v FROM t WHERE id = 1").scalar() == "y"


def test_t16_write_skew_is_found_ahead(table: skerry.Database) -> None:
    first, second = (table.begin_transaction(isolation_level="serializable") for _ in range(2))
    for transaction, number in ((first, 1), (second, 2)):
        assert transaction.execute("SELECT count(*) FROM t WHERE v = 'x'").scalar() == 0
        transaction.execute("UPDATE t SET v = 'x' WHERE id = $1", (number,))
    first.commit()
    with pytest.raises(skerry.SerializationFailure) as caught:
        second.prepare_commit()
    assert caught.value.code == "T005"
    assert second.state == "aborted"


def test_t16_a_deferred_constraint_is_checked_and_may_be_mended(table: skerry.Database) -> None:
    table.execute("CREATE TABLE child (id int, t int REFERENCES t DEFERRABLE INITIALLY DEFERRED)")
    transaction = table.begin_transaction()
    transaction.execute("INSERT INTO child VALUES (1, 9)")
    with pytest.raises(skerry.IntegrityError):
        transaction.prepare_commit()
    assert transaction.state == "aborted"
    with table.begin_transaction() as transaction:
        transaction.execute("INSERT INTO child VALUES (1, 9)")
        transaction.savepoint("before")
        with pytest.raises(skerry.IntegrityError):
            transaction.prepare_commit()
        assert transaction.state == "active"
        transaction.rollback_to_savepoint("before")
        transaction.execute("INSERT INTO t VALUES (9, 'parent')")
        transaction.prepare_commit().commit()
    assert ids(table) == [1, 2, 3, 9]


@pytest.mark.parametrize("level", ["read committed", "snapshot"])
def test_t16_nobody_can_make_a_prepared_commit_fail(table: skerry.Database, level: str) -> None:
    transaction = table.begin_transaction(isolation_level=level)
    transaction.execute("UPDATE t SET v = 'prepared' WHERE id = 1")
    transaction.execute("INSERT INTO t VALUES (4, 'prepared')")
    pending = transaction.prepare_commit()
    update = Beside(lambda: table.execute("UPDATE t SET v = v || '+' WHERE id = 1"))
    insertion = Beside(lambda: table.execute("INSERT INTO t VALUES (4, 'other')"))
    snapshot = Beside(lambda: conflicting(table))
    wait_for_waiters(table, 3)
    pending.commit()
    update.result()
    with pytest.raises(skerry.IntegrityError):
        insertion.result()
    with pytest.raises(skerry.WriteConflict):
        snapshot.result()
    assert table.execute("SELECT v FROM t WHERE id IN (1, 4) ORDER BY id").fetchall() == [
        ("prepared+",),
        ("prepared",),
    ]


def conflicting(database: skerry.Database) -> None:
    with database.begin_transaction() as transaction:
        transaction.execute("UPDATE t SET v = 'other' WHERE id = 1")
        transaction.commit()


def test_t16_a_prepared_transaction_may_go_on(table: skerry.Database) -> None:
    with table.begin_transaction() as transaction:
        insert(transaction, 10)
        assert transaction.prepare_commit().inserted == 1
        insert(transaction, 11)
        assert transaction.prepare_commit().inserted == 2
        transaction.commit()
    assert ids(table) == [1, 2, 3, 10, 11]


def test_t16_prepare_transaction(table: skerry.Database) -> None:
    """Two-phase commit outlives the session that prepared; surviving a crash comes with the log."""
    transaction = table.begin_transaction()
    insert(transaction, 10)
    transaction.execute("UPDATE t SET v = 'x' WHERE id = 1")
    transaction.execute("PREPARE TRANSACTION 'one'")
    assert transaction.state == "prepared"
    del transaction
    gc.collect()
    assert ids(table) == [1, 2, 3]
    assert is_locked(table)
    assert table.execute(
        "SELECT gid FROM pg_prepared_xacts WHERE database = current_database()"
    ).fetchall() == [("one",)]
    with pytest.raises(skerry.errors.DuplicateObject), table.begin_transaction() as again:
        insert(again, 12)
        again.execute("PREPARE TRANSACTION 'one'")
    table.execute("COMMIT PREPARED 'one'")
    assert ids(table) == [1, 2, 3, 10]
    assert not is_locked(table)
    other = table.begin_transaction()
    insert(other, 11)
    other.execute("PREPARE TRANSACTION 'two'")
    table.execute("ROLLBACK PREPARED 'two'")
    assert ids(table) == [1, 2, 3, 10]
    for finish in ("COMMIT", "ROLLBACK"):
        with pytest.raises(skerry.errors.UndefinedObject):
            table.execute(f"{finish} PREPARED 'two'")


# --- t17 ----------------------------------------------------------------------------------------------------


@pytest.fixture
def wire(skerry_server: Address) -> Iterator[WireClient]:
    """A bare client, with a table `t17`."""
    client = WireClient(skerry_server)
    client.query("DROP TABLE IF EXISTS t17")
    client.query("CREATE TABLE t17 (x int)")
    yield client
    client.query("ROLLBACK")
    client.query("DROP TABLE t17")
    client.close()


@pytest.mark.parametrize(
    ("modes", "isolation", "read_only"),
    [
        ("", "read committed", "off"),
        ("READ ONLY", "read committed", "on"),
        ("READ WRITE", "read committed", "off"),
        ("ISOLATION LEVEL REPEATABLE READ", "repeatable read", "off"),
        ("READ ONLY, ISOLATION LEVEL SERIALIZABLE", "serializable", "on"),
        ("ISOLATION LEVEL SERIALIZABLE READ WRITE, NOT DEFERRABLE", "serializable", "off"),
    ],
)
@pytest.mark.parametrize("words", ["START TRANSACTION", "BEGIN", "BEGIN WORK"])
def test_t17_statements(wire: WireClient, words: str, modes: str, isolation: str, read_only: str) -> None:
    begun = wire.query(f"{words} {modes}")
    assert (begun.tags, begun.status) == ([words.split(" WORK")[0]], "T")
    assert wire.query("SHOW transaction_isolation").rows == [(isolation,)]
    assert wire.query("SHOW transaction_read_only").rows == [(read_only,)]
    inserted = wire.query("INSERT INTO t17 VALUES (1)")
    if read_only == "on":
        assert inserted.error is not None
        assert (inserted.error["C"], inserted.error["R"], inserted.status) == ("25006", "T003", "E")
        assert wire.query("ROLLBACK").tags == ["ROLLBACK"]
    else:
        assert wire.query("SAVEPOINT s").tags == ["SAVEPOINT"]
        wire.query("INSERT INTO t17 VALUES (2)")
        assert wire.query("ROLLBACK TO SAVEPOINT s").tags == ["ROLLBACK"]
        assert wire.query("RELEASE SAVEPOINT s").tags == ["RELEASE"]
        ended = wire.query("COMMIT")
        assert (ended.tags, ended.status) == (["COMMIT"], "I")
    assert wire.query("SELECT count(*) FROM t17").rows == [("0" if read_only == "on" else "1",)]


def test_t17_a_nested_begin_loses_nothing(wire: WireClient) -> None:
    wire.query("START TRANSACTION")
    wire.query("INSERT INTO t17 VALUES (1)")
    nested = wire.query("START TRANSACTION")
    assert [(notice["S"], notice["C"]) for notice in nested.notices] == [("WARNING", "25001")]
    wire.query("INSERT INTO t17 VALUES (2)")
    assert wire.query("COMMIT").tags == ["COMMIT"]
    assert wire.query("SELECT count(*) FROM t17").rows == [("2",)]


@pytest.mark.parametrize("end", ["COMMIT", "ROLLBACK"])
def test_t17_an_end_without_a_beginning_warns(wire: WireClient, end: str) -> None:
    ended = wire.query(end)
    assert ended.tags == [end]
    assert [(notice["S"], notice["C"]) for notice in ended.notices] == [("WARNING", "25P01")]


def test_one_transaction_used_by_threads(table: skerry.Database) -> None:
    """They take turns: a transaction runs one statement at a time."""
    with table.begin_transaction() as transaction:
        start = threading.Barrier(4)

        def work(number: int) -> None:
            start.wait()
            for offset in range(10):
                insert(transaction, 100 * number + offset)

        for thread in [Beside(lambda number=number: work(number)) for number in range(1, 5)]:
            thread.result()
        transaction.commit()
    assert len(ids(table)) == 43


def test_cancelling_a_transactions_statement(table: skerry.Database) -> None:
    transaction = table.begin_transaction()
    beside = Beside(lambda: transaction.execute("SELECT pg_sleep(30)"))
    sleeping = (
        "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%' AND state = 'active'"
    )
    until(lambda: table.execute(sleeping).scalar(), "sleeping")
    transaction.cancel()
    with pytest.raises(skerry.errors.QueryCanceled) as caught:
        beside.result()
    assert (caught.value.sqlstate, caught.value.code) == ("57014", None)
    transaction.rollback()
