"""Sessions that are cancelled, terminated and timed out at random while they lock, wait and commit.

Whatever happens to them: what was reported as committed is there, what was not is not, nobody waits for ever, and
nothing is left behind.
"""

from __future__ import annotations

import random
import threading
import time
from collections import Counter

import pytest

import skerry
from skerry import errors

DURATION_S = 2.0
ROWS = 12
SEED = 20
EXPECTED = (
    errors.AdminShutdown,
    errors.DeadlockDetected,
    errors.InFailedTransaction,
    errors.QueryCanceled,
    errors.SerializationFailure,
    errors.TransactionTimeout,
    errors.WriteConflict,
)


class Worker:
    """One thread with one connection after another; `increments` are those that it was told are committed."""

    def __init__(self, database: skerry.Database, seed: int, deadline_s: float) -> None:
        self.database = database
        self.random = random.Random(seed)
        self.deadline_s = deadline_s
        self.increments = 0
        self.pid = 0
        self.errors: Counter[str] = Counter()
        self.fault: BaseException | None = None
        self.thread = threading.Thread(target=self._work, daemon=True)
        self.thread.start()

    def _work(self) -> None:
        try:
            while time.monotonic() < self.deadline_s:
                self._use_connection()
        except BaseException as fault:  # noqa: BLE001 - shown by the test
            self.fault = fault

    def _use_connection(self) -> None:
        """Work with a connection until it is ended from outside, or time is up."""
        level = self.random.choice([None, "snapshot", "serializable"])
        connection = self.database.connect(isolation_level=level)
        try:
            while time.monotonic() < self.deadline_s and not connection.closed:
                self._transact(connection)
        finally:
            connection.close()

    def _transact(self, connection: skerry.Connection) -> None:
        try:
            row = connection.execute("SELECT pg_backend_pid()").fetchone()
            assert row is not None
            self.pid = row[0]
            increments = self._statements(connection)
            connection.commit()
            self.increments += increments
        except EXPECTED as error:
            self.errors[type(error).__name__] += 1
            if not connection.closed:
                self._roll_back(connection)

    def _roll_back(self, connection: skerry.Connection) -> None:
        try:
            connection.rollback()
        except EXPECTED as error:
            self.errors[type(error).__name__] += 1

    def _statements(self, connection: skerry.Connection) -> int:
        increments = 0
        if self.random.random() < 0.3:
            connection.execute(f"SET LOCAL transaction_timeout = {self.random.choice([2, 20, 100])}")
        if self.random.random() < 0.2:
            connection.execute("SET LOCAL lock_timeout = 5")
        for _ in range(self.random.randint(1, 4)):
            choice = self.random.random()
            if choice < 0.5:
                connection.execute("UPDATE t SET v = v + 1 WHERE id = %s", [self.random.randint(1, ROWS)])
                increments += 1
            elif choice < 0.6:
                connection.execute("SELECT pg_advisory_xact_lock(%s)", [self.random.randint(1, 2)])
            elif choice < 0.65:
                connection.execute("SELECT pg_advisory_lock(%s)", [self.random.randint(3, 4)])
            elif choice < 0.75:
                connection.execute("SELECT * FROM t WHERE id = %s FOR UPDATE", [self.random.randint(1, ROWS)])
            elif choice < 0.8:
                mode = self.random.choice(["SHARE", "ROW EXCLUSIVE", "SHARE ROW EXCLUSIVE"])
                connection.execute(f"LOCK TABLE t IN {mode} MODE")
            elif choice < 0.9:
                connection.execute("SELECT pg_sleep(0.005)")
            else:
                connection.execute("SELECT sum(v) FROM t")
        return increments


def test_what_is_said_to_be_committed_is(database: skerry.Database) -> None:
    database.execute("CREATE TABLE t (id int PRIMARY KEY, v int)")
    database.execute(f"INSERT INTO t SELECT g, 0 FROM generate_series(1, {ROWS}) g")
    deadline_s = time.monotonic() + DURATION_S
    workers = [Worker(database, SEED + number, deadline_s) for number in range(5)]
    chance = random.Random(SEED)
    while time.monotonic() < deadline_s:
        function = chance.choice(["pg_cancel_backend"] * 3 + ["pg_terminate_backend"])
        database.execute(f"SELECT {function}($1)", [chance.choice(workers).pid])
        database.execute("SELECT * FROM pg_locks, skerry.transactions LIMIT 1")
        time.sleep(0.01)
    for worker in workers:
        worker.thread.join(20)
        assert not worker.thread.is_alive()
        if worker.fault is not None:
            raise worker.fault
    assert database.execute("SELECT sum(v) FROM t").scalar() == sum(worker.increments for worker in workers)
    assert all(worker.errors for worker in workers), "all of them were handled roughly"
    _nothing_is_left(database)


def _nothing_is_left(database: skerry.Database) -> None:
    """Over the network the server may take a moment to notice that a client has gone."""
    left = "SELECT count(*) FROM pg_locks WHERE pid <> pg_backend_pid()"
    deadline_s = time.monotonic() + 10
    while database.execute(left).scalar():
        if time.monotonic() > deadline_s:
            pytest.fail(f"left: {database.execute('SELECT * FROM pg_locks').fetchall()}")
        time.sleep(0.01)
