"""Rows t3 to t9 and t20 of the transaction semantics: what concurrent transactions see, and who wins.

Every test runs embedded and over the network.  What the rows say about nodes, edges, labels and properties is in
test_graph_isolation.py, and so is GQL's MERGE (t20); here INSERT ... ON CONFLICT stands for SQL's.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable

import pytest
from support.beside import Beside, wait_for_waiters

import skerry

LEVELS = ["read committed", "snapshot", "serializable"]
ABOVE_READ_COMMITTED = LEVELS[1:]


@pytest.fixture
def table(database: skerry.Database) -> skerry.Database:
    """`database` with `t (id int PRIMARY KEY, grp int, v int)`, an index on grp, rows 1 to 6 in groups 0 and 1."""
    database.execute("CREATE TABLE t (id int PRIMARY KEY, grp int, v int)")
    database.execute("CREATE INDEX ON t (grp)")
    database.execute("INSERT INTO t SELECT g, g % 2, g * 10 FROM generate_series(1, 6) g")
    return database


@pytest.fixture
def accounts(database: skerry.Database) -> skerry.Database:
    """`database` with two accounts of 50 each."""
    database.execute("CREATE TABLE account (name text PRIMARY KEY, balance int NOT NULL)")
    database.execute("INSERT INTO account VALUES ('A', 50), ('B', 50)")
    return database


def balances(database: skerry.Database) -> list[object]:
    return [row[0] for row in database.execute("SELECT balance FROM account ORDER BY name")]


# Ways to read the table: the whole of it, counts, by key, by index, by a range of each.
READS = [
    "SELECT * FROM t ORDER BY id",
    "SELECT count(*), sum(v), min(v), max(v) FROM t",
    "SELECT * FROM t WHERE id = 2",
    "SELECT * FROM t WHERE id = 7",
    "SELECT * FROM t WHERE id BETWEEN 2 AND 9 ORDER BY id",
    "SELECT * FROM t WHERE grp = 1 ORDER BY id",
    "SELECT * FROM t WHERE grp = 5",
    "SELECT * FROM t WHERE grp >= 1 ORDER BY id",
    "SELECT grp, count(*) FROM t GROUP BY grp ORDER BY grp",
    "SELECT a.id, b.id FROM t a JOIN t b ON b.grp = a.grp AND b.id > a.id ORDER BY 1, 2",
    "SELECT EXISTS (SELECT 1 FROM t WHERE v > 60)",
]

CHANGES = [
    "UPDATE t SET v = v + 1000 WHERE id = 2",
    "UPDATE t SET grp = 5 WHERE id = 3",
    "UPDATE t SET id = 20 WHERE id = 4",
    "DELETE FROM t WHERE id = 5",
    "INSERT INTO t VALUES (7, 1, 70)",
    "DELETE FROM t WHERE id = 6",
    "INSERT INTO t VALUES (6, 0, 666)",
]


def read_all(transaction: skerry.Transaction | skerry.Database) -> list[list[skerry.abc.Row]]:
    return [transaction.execute(query).fetchall() for query in READS]


# --- t3, t4 -------------------------------------------------------------------------------------------------


def test_t03_read_committed_sees_what_others_committed_in_between(table: skerry.Database) -> None:
    with table.begin_transaction(isolation_level="read committed") as transaction:
        assert read_all(transaction) == read_all(table)
        for change in CHANGES:
            table.execute(change)
            assert read_all(transaction) == read_all(table)


@pytest.mark.parametrize("level", LEVELS)
def test_t04_no_dirty_reads(table: skerry.Database, level: str) -> None:
    before = read_all(table)
    with (
        table.begin_transaction(isolation_level="read committed") as writer,
        table.begin_transaction(isolation_level=level) as reader,
    ):
        for change in CHANGES:
            writer.execute(change)
            assert read_all(reader) == before
        assert read_all(writer) != before
        writer.rollback()
        assert read_all(reader) == before


@pytest.mark.parametrize("level", ABOVE_READ_COMMITTED)
def test_t04_a_snapshot_is_consistent_as_of_the_start(table: skerry.Database, level: str) -> None:
    """Also for what is read for the first time after others have committed; DB-API likewise."""
    before = read_all(table)
    connection = table.connect(isolation_level=level)
    with table.begin_transaction(isolation_level=level, read_only=True) as transaction:
        connection.execute("SELECT 1")
        for change in CHANGES:
            table.execute(change)
            assert read_all(transaction) == before
        assert [connection.execute(query).fetchall() for query in READS] == before
        transaction.commit()
    connection.commit()
    after = read_all(table)
    assert after != before
    assert [connection.execute(query).fetchall() for query in READS] == after
    connection.close()


@pytest.mark.parametrize("level", ABOVE_READ_COMMITTED)
def test_t04_a_snapshot_sees_its_own_changes_over_the_old_state(table: skerry.Database, level: str) -> None:
    with table.begin_transaction(isolation_level=level) as transaction:
        table.execute("UPDATE t SET v = 0, grp = 9 WHERE id = 1")
        transaction.execute("UPDATE t SET v = v + 1 WHERE id > 4")
        transaction.execute("INSERT INTO t VALUES (8, 9, 80)")
        assert transaction.execute("SELECT id, v FROM t WHERE grp = 9").fetchall() == [(8, 80)]
        assert transaction.execute("SELECT v FROM t ORDER BY id").fetchall() == [
            (10,),
            (20,),
            (30,),
            (40,),
            (51,),
            (61,),
            (80,),
        ]


@pytest.mark.parametrize("level", ABOVE_READ_COMMITTED)
def test_t04_totals_hold_while_others_move_money(database: skerry.Database, level: str) -> None:
    """Readers see whole commits only, whichever way they read."""
    database.execute("CREATE TABLE account (id int PRIMARY KEY, branch int, balance int)")
    database.execute("CREATE INDEX ON account (branch)")
    database.execute("INSERT INTO account SELECT g, g % 3, 100 FROM generate_series(1, 12) g")
    stop = threading.Event()

    def move() -> None:
        draw = random.Random(7)
        while not stop.is_set():
            source, target = draw.sample(range(1, 13), 2)
            retried(database, "read committed", lambda tx, s=source, t=target: transfer(tx, s, t, "account"))

    movers = [Beside(move) for _ in range(2)]
    for _ in range(40):
        with database.begin_transaction(isolation_level=level, read_only=True) as reader:
            whole = reader.execute("SELECT sum(balance) FROM account").scalar()
            by_branch = [
                reader.execute("SELECT sum(balance) FROM account WHERE branch = $1", (branch,)).scalar()
                for branch in range(3)
            ]
            by_key = [
                reader.execute("SELECT balance FROM account WHERE id = $1", (number,)).scalar()
                for number in range(1, 13)
            ]
            reader.commit()
        assert (whole, sum(by_branch), sum(by_key)) == (1200, 1200, 1200)  # type: ignore[arg-type]
    stop.set()
    for mover in movers:
        mover.result()


def transfer(transaction: skerry.Transaction, source: int, target: int, table: str) -> None:
    for number, amount in sorted(((source, -1), (target, 1))):
        transaction.execute(f"UPDATE {table} SET balance = balance + $2 WHERE id = $1", (number, amount))


def retried(database: skerry.Database, level: str, work: Callable[[skerry.Transaction], None]) -> int:
    """Run a transaction until it commits, as `is_retryable` says; returns how many runs that took."""
    runs = 0
    while True:
        runs += 1
        try:
            with database.begin_transaction(isolation_level=level) as transaction:
                work(transaction)
                transaction.commit()
                return runs
        except skerry.Error as problem:
            if not problem.is_retryable:
                raise
        time.sleep(0)


# --- t5 -----------------------------------------------------------------------------------------------------

CONFLICTS = [
    ("UPDATE t SET v = 1 WHERE id = 1", "UPDATE t SET v = 2 WHERE id = 1"),
    ("UPDATE t SET v = 1 WHERE id = 1", "DELETE FROM t WHERE id = 1"),
    ("DELETE FROM t WHERE id = 1", "UPDATE t SET v = 2 WHERE id = 1"),
    ("DELETE FROM t WHERE id = 1", "DELETE FROM t WHERE id = 1"),
    ("INSERT INTO t VALUES (9, 0, 1)", "INSERT INTO t VALUES (9, 0, 2)"),
    ("UPDATE t SET id = 9 WHERE id = 1", "INSERT INTO t VALUES (9, 0, 2)"),
]


@pytest.mark.parametrize("level", ABOVE_READ_COMMITTED)
@pytest.mark.parametrize(("first_change", "second_change"), CONFLICTS)
def test_t05_the_first_commit_wins(
    table: skerry.Database, level: str, first_change: str, second_change: str
) -> None:
    first = table.begin_transaction(isolation_level=level)
    second = table.begin_transaction(isolation_level=level)
    first.execute(first_change)
    second.execute(second_change)
    first.commit()
    after = read_all(table)
    with pytest.raises(skerry.WriteConflict) as caught:
        second.commit()
    assert (caught.value.code, caught.value.sqlstate, caught.value.is_retryable) == ("T001", "40001", True)
    assert (first.state, second.state) == ("committed", "aborted")
    assert read_all(table) == after


@pytest.mark.parametrize("level", ABOVE_READ_COMMITTED)
@pytest.mark.parametrize(("first_change", "second_change"), CONFLICTS)
def test_t05_the_second_commits_when_the_first_rolls_back(
    table: skerry.Database, level: str, first_change: str, second_change: str
) -> None:
    first = table.begin_transaction(isolation_level=level)
    second = table.begin_transaction(isolation_level=level)
    first.execute(first_change)
    second.execute(second_change)
    seen = read_all(second)
    first.rollback()
    second.commit()
    assert read_all(table) == seen


def test_t05_the_same_by_db_api(table: skerry.Database) -> None:
    first, second = (table.connect(isolation_level="snapshot") for _ in range(2))
    for connection, value in ((first, 1), (second, 2)):
        connection.execute("UPDATE t SET v = %s WHERE id = 1", (value,))
    first.commit()
    with pytest.raises(skerry.WriteConflict) as caught:
        second.commit()
    assert caught.value.code == "T001"
    assert not second.in_transaction
    second.execute("UPDATE t SET v = v + 2 WHERE id = 1")
    second.commit()
    assert table.execute("SELECT v FROM t WHERE id = 1").scalar() == 3
    first.close()
    second.close()


def test_t05_a_statement_that_meets_a_newer_row_fails_at_once(table: skerry.Database) -> None:
    transaction = table.begin_transaction()
    table.execute("UPDATE t SET v = 0 WHERE id = 1")
    with pytest.raises(skerry.WriteConflict):
        transaction.execute("UPDATE t SET v = v + 1 WHERE id = 1")
    transaction.rollback()


def test_t05_read_committed_waits_and_goes_on(table: skerry.Database) -> None:
    """Not a conflict there: the second writer waits for the first and works on what it left."""
    first = table.begin_transaction(isolation_level="read committed")
    second = table.begin_transaction(isolation_level="read committed")
    first.execute("UPDATE t SET v = v + 1 WHERE id = 1")
    beside = Beside(lambda: second.execute("UPDATE t SET v = v * 2 WHERE id = 1 RETURNING v").scalar())
    wait_for_waiters(table)
    first.commit()
    assert beside.result() == 22
    second.commit()


# --- t6 -----------------------------------------------------------------------------------------------------

THREADS = 4
INCREMENTS = 50


def by_one_statement(transaction: skerry.Transaction) -> None:
    transaction.execute("UPDATE t SET v = v + 1 WHERE id = 1")


def by_reading_first(transaction: skerry.Transaction) -> None:
    value = transaction.execute("SELECT v FROM t WHERE id = 1").scalar()
    assert isinstance(value, int)
    transaction.execute("UPDATE t SET v = $1 WHERE id = 1", (value + 1,))


def by_locking_first(transaction: skerry.Transaction) -> None:
    value = transaction.execute("SELECT v FROM t WHERE id = 1 FOR UPDATE").scalar()
    assert isinstance(value, int)
    transaction.execute("UPDATE t SET v = $1 WHERE id = 1", (value + 1,))


@pytest.mark.parametrize(
    ("level", "increment"),
    [
        ("read committed", by_one_statement),
        ("read committed", by_locking_first),
        ("snapshot", by_one_statement),
        ("snapshot", by_reading_first),
        ("snapshot", by_locking_first),
        ("serializable", by_one_statement),
        ("serializable", by_reading_first),
    ],
)
def test_t06_no_lost_update(
    table: skerry.Database, level: str, increment: Callable[[skerry.Transaction], None]
) -> None:
    """4 threads x 50 increments = 200, each transaction run again while its error is retryable."""
    table.execute("UPDATE t SET v = 0 WHERE id = 1")
    start = threading.Barrier(THREADS)

    def work() -> int:
        start.wait()
        return sum(retried(table, level, increment) for _ in range(INCREMENTS))

    runs = sum(thread.result() for thread in [Beside(work) for _ in range(THREADS)])
    assert table.execute("SELECT v FROM t WHERE id = 1").scalar() == THREADS * INCREMENTS
    if level == "read committed":
        assert runs == THREADS * INCREMENTS, "nothing is to be run again"


def test_t06_no_lost_update_in_statements_that_commit_by_themselves(table: skerry.Database) -> None:
    table.execute("UPDATE t SET v = 0 WHERE id = 1")

    def work() -> None:
        for _ in range(INCREMENTS):
            table.execute("UPDATE t SET v = v + 1 WHERE id = 1")

    for thread in [Beside(work) for _ in range(THREADS)]:
        thread.result()
    assert table.execute("SELECT v FROM t WHERE id = 1").scalar() == THREADS * INCREMENTS


# --- t7, t9: write skew -------------------------------------------------------------------------------------


def withdraw(transaction: skerry.Transaction, name: str) -> None:
    total = transaction.execute("SELECT sum(balance) FROM account").scalar()
    assert total == 100, "enough in both accounts together"
    transaction.execute("UPDATE account SET balance = balance - 100 WHERE name = $1", (name,))


def test_t07_snapshot_allows_write_skew(accounts: skerry.Database) -> None:
    both = [accounts.begin_transaction(), accounts.begin_transaction()]
    for transaction, name in zip(both, "AB", strict=True):
        withdraw(transaction, name)
    for transaction in both:
        transaction.commit()
    assert balances(accounts) == [-50, -50]


def test_t07_serializable_refuses_write_skew(accounts: skerry.Database) -> None:
    both = [accounts.begin_transaction(isolation_level="serializable") for _ in range(2)]
    for transaction, name in zip(both, "AB", strict=True):
        withdraw(transaction, name)
    both[0].commit()
    with pytest.raises(skerry.SerializationFailure) as caught:
        both[1].commit()
    assert (caught.value.code, caught.value.sqlstate, caught.value.is_retryable) == ("T005", "40001", True)
    assert both[1].state == "aborted"
    assert balances(accounts) == [-50, 50]


def test_t07_the_same_by_db_api(accounts: skerry.Database) -> None:
    both = [accounts.connect(isolation_level="serializable") for _ in range(2)]
    for connection, name in zip(both, "AB", strict=True):
        assert connection.execute("SELECT sum(balance) FROM account").fetchone() == (100,)
        connection.execute("UPDATE account SET balance = balance - 100 WHERE name = %s", (name,))
    both[0].commit()
    with pytest.raises(skerry.SerializationFailure) as caught:
        both[1].commit()
    assert caught.value.code == "T005"
    for connection in both:
        connection.close()
    assert balances(accounts) == [-50, 50]


def test_t09_touching_both_turns_write_skew_into_a_conflict(accounts: skerry.Database) -> None:
    both = [accounts.begin_transaction(), accounts.begin_transaction()]
    for transaction, name in zip(both, "AB", strict=True):
        transaction.execute("UPDATE account SET balance = balance")
        withdraw(transaction, name)
    both[0].commit()
    with pytest.raises(skerry.WriteConflict) as caught:
        both[1].commit()
    assert caught.value.code == "T001"
    assert balances(accounts) == [-50, 50]


def test_t09_so_does_locking_both(accounts: skerry.Database) -> None:
    first = accounts.begin_transaction()
    first.execute("SELECT * FROM account ORDER BY name FOR UPDATE")
    withdraw(first, "A")

    def other() -> None:
        with accounts.begin_transaction() as second:
            second.execute("SELECT * FROM account ORDER BY name FOR UPDATE")
            withdraw(second, "B")
            second.commit()

    beside = Beside(other)
    wait_for_waiters(accounts)
    first.commit()
    with pytest.raises(skerry.WriteConflict):
        beside.result()
    assert balances(accounts) == [-50, 50]


# --- t8: what only SERIALIZABLE refuses ---------------------------------------------------------------------

# Two transactions, each a query and a change; after both no serial order explains what they read.
ANOMALIES = {
    "phantom insert": (
        ("SELECT count(*) FROM t WHERE grp = 7", "INSERT INTO t VALUES (100, 7, 0)"),
        ("SELECT count(*) FROM t WHERE grp = 7", "INSERT INTO t VALUES (101, 7, 0)"),
    ),
    "phantom insert, without an index": (
        ("SELECT count(*) FROM t WHERE v = 7", "INSERT INTO t VALUES (100, 0, 7)"),
        ("SELECT count(*) FROM t WHERE v = 7", "INSERT INTO t VALUES (101, 0, 7)"),
    ),
    "phantom by update": (
        ("SELECT count(*) FROM t WHERE grp = 1", "UPDATE t SET grp = 0 WHERE id = 1"),
        ("SELECT count(*) FROM t WHERE grp = 0", "UPDATE t SET grp = 1 WHERE id = 2"),
    ),
    "phantom delete": (
        ("SELECT count(*) FROM t WHERE grp = 1", "DELETE FROM t WHERE id = 2"),
        ("SELECT count(*) FROM t WHERE grp = 0", "DELETE FROM t WHERE id = 1"),
    ),
    "a range of keys": (
        ("SELECT max(id) FROM t WHERE id < 50", "INSERT INTO t VALUES (40, 0, 0)"),
        ("SELECT max(id) FROM t WHERE id < 50", "INSERT INTO t VALUES (41, 0, 0)"),
    ),
    "a missing key": (
        ("SELECT * FROM t WHERE id = 30", "INSERT INTO t VALUES (31, 0, 0)"),
        ("SELECT * FROM t WHERE id = 31", "INSERT INTO t VALUES (30, 0, 0)"),
    ),
    "aggregates": (
        ("SELECT sum(v) FROM t WHERE grp = 0", "INSERT INTO t VALUES (100, 1, 120)"),
        ("SELECT sum(v) FROM t WHERE grp = 1", "INSERT INTO t VALUES (101, 0, 90)"),
    ),
    "a subquery": (
        ("SELECT EXISTS (SELECT 1 FROM t WHERE v > 60)", "UPDATE t SET v = 61 WHERE id = 1"),
        ("SELECT EXISTS (SELECT 1 FROM t WHERE v > 60)", "UPDATE t SET v = 62 WHERE id = 2"),
    ),
    "reading by changing": (
        ("SELECT 1", "INSERT INTO t SELECT 100, 1, sum(v) FROM t WHERE grp = 0"),
        ("SELECT 1", "INSERT INTO t SELECT 101, 0, sum(v) FROM t WHERE grp = 1"),
    ),
}


def run_both(database: skerry.Database, level: str, anomaly: str) -> list[skerry.Transaction]:
    both = [database.begin_transaction(isolation_level=level) for _ in range(2)]
    for transaction, (query, change) in zip(both, ANOMALIES[anomaly], strict=True):
        transaction.execute(query).fetchall()
        transaction.execute(change)
    return both


@pytest.mark.parametrize("anomaly", ANOMALIES)
def test_t08_snapshot_allows(table: skerry.Database, anomaly: str) -> None:
    for transaction in run_both(table, "snapshot", anomaly):
        transaction.commit()


@pytest.mark.parametrize("anomaly", ANOMALIES)
def test_t08_serializable_refuses(table: skerry.Database, anomaly: str) -> None:
    first, second = run_both(table, "serializable", anomaly)
    first.commit()
    with pytest.raises(skerry.SerializationFailure) as caught:
        second.commit()
    assert caught.value.code == "T005"


@pytest.mark.parametrize("anomaly", ANOMALIES)
def test_t08_one_after_the_other_commits(table: skerry.Database, anomaly: str) -> None:
    """No false alarm without concurrency."""
    for query, change in ANOMALIES[anomaly]:
        with table.begin_transaction(isolation_level="serializable") as transaction:
            transaction.execute(query)
            transaction.execute(change)
            transaction.commit()


def read_only_anomaly(accounts: skerry.Database, level: str) -> tuple[object, skerry.Transaction]:
    """Fekete's: T2 deposits into B; T3 reads both; T1, older, withdraws from A with a fee if they were low.

    What T3 read puts T2 before T1 and itself before T1; what T1 read puts T1 before T2.
    """
    accounts.execute("UPDATE account SET balance = 0")
    withdrawal = accounts.begin_transaction(isolation_level=level)
    assert withdrawal.execute("SELECT sum(balance) FROM account").scalar() == 0
    with accounts.begin_transaction(isolation_level=level) as deposit:
        deposit.execute("UPDATE account SET balance = balance + 20 WHERE name = 'B'")
        deposit.commit()
    with accounts.begin_transaction(isolation_level=level, read_only=True) as report:
        seen = report.execute("SELECT balance FROM account ORDER BY name").fetchall()
        report.commit()
    withdrawal.execute("UPDATE account SET balance = balance - 11 WHERE name = 'A'")
    return seen, withdrawal


def test_t08_snapshot_allows_the_read_only_anomaly(accounts: skerry.Database) -> None:
    seen, withdrawal = read_only_anomaly(accounts, "snapshot")
    withdrawal.commit()
    assert seen == [(0,), (20,)]
    assert balances(accounts) == [-11, 20]


def test_t08_serializable_refuses_the_read_only_anomaly(accounts: skerry.Database) -> None:
    seen, withdrawal = read_only_anomaly(accounts, "serializable")
    with pytest.raises(skerry.SerializationFailure):
        withdrawal.commit()
    assert seen == [(0,), (20,)]
    assert balances(accounts) == [0, 20]


def test_t08_a_deferrable_reader_waits_for_a_safe_snapshot(accounts: skerry.Database) -> None:
    """So that it neither fails nor makes others fail."""
    withdrawal = accounts.begin_transaction(isolation_level="serializable")
    assert withdrawal.execute("SELECT sum(balance) FROM account").scalar() == 100
    with accounts.begin_transaction(isolation_level="serializable") as deposit:
        deposit.execute("UPDATE account SET balance = balance + 20 WHERE name = 'B'")
        deposit.commit()

    def report() -> list[skerry.abc.Row]:
        with accounts.begin_transaction(
            isolation_level="serializable", read_only=True, deferrable=True
        ) as transaction:
            return transaction.execute("SELECT balance FROM account ORDER BY name").fetchall()

    beside = Beside(report)
    time.sleep(0.2)
    assert beside.is_running
    withdrawal.execute("UPDATE account SET balance = balance - 11 WHERE name = 'A'")
    withdrawal.commit()
    assert beside.result() == [(39,), (70,)]


def test_t08_random_withdrawals_never_overdraw(accounts: skerry.Database) -> None:
    """Each checks that both accounts together hold enough: under SERIALIZABLE the sum stays above zero."""
    accounts.execute("UPDATE account SET balance = 20")

    def work(name: str) -> None:
        def once(transaction: skerry.Transaction) -> None:
            total = transaction.execute("SELECT sum(balance) FROM account").scalar()
            assert isinstance(total, int)
            if total >= 3:
                transaction.execute("UPDATE account SET balance = balance - 3 WHERE name = $1", (name,))

        for _ in range(12):
            retried(accounts, "serializable", once)

    for thread in [Beside(lambda name=name: work(name)) for name in "ABAB"]:
        thread.result()
    left = sum(balances(accounts))  # type: ignore[arg-type]
    assert left == 40 % 3


# --- t20 ----------------------------------------------------------------------------------------------------

MAKING_SURE = {
    "ON CONFLICT DO NOTHING": "INSERT INTO thing VALUES ('x', 1) ON CONFLICT DO NOTHING",
    "ON CONFLICT DO UPDATE": "INSERT INTO thing VALUES ('x', 1) ON CONFLICT (name) DO UPDATE SET n = thing.n + 1",
}


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("how", MAKING_SURE)
def test_t20_making_the_same_thing_at_once_makes_one(database: skerry.Database, level: str, how: str) -> None:
    database.execute("CREATE TABLE thing (name text PRIMARY KEY, n int)")
    start = threading.Barrier(THREADS)

    def work() -> None:
        start.wait()
        for _ in range(5):
            retried(database, level, lambda transaction: make_sure(transaction, how))

    for thread in [Beside(work) for _ in range(THREADS)]:
        thread.result()
    expected = 1 if how == "ON CONFLICT DO NOTHING" else 5 * THREADS
    assert database.execute("SELECT * FROM thing").fetchall() == [("x", expected)]


def make_sure(transaction: skerry.Transaction, how: str) -> None:
    transaction.execute(MAKING_SURE[how])


@pytest.mark.parametrize("level", ABOVE_READ_COMMITTED)
def test_t20_the_second_of_two_is_refused_above_read_committed(database: skerry.Database, level: str) -> None:
    database.execute("CREATE TABLE thing (name text PRIMARY KEY, n int)")
    both = [database.begin_transaction(isolation_level=level) for _ in range(2)]
    for transaction in both:
        make_sure(transaction, "ON CONFLICT DO UPDATE")
    both[0].commit()
    with pytest.raises(skerry.WriteConflict):
        both[1].commit()
    assert database.execute("SELECT * FROM thing").fetchall() == [("x", 1)]
