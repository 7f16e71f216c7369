"""Ctrl-C, threads and forks with an embedded database."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time

import pytest

import skerry
from skerry.embedded import EmbeddedSource
from skerry.targets import parse_target
from skerry_engine.session.steps import Finished

# Who runs in the background ignores SIGINT, and its children inherit that: hence `default_int_handler`.
PROGRAM = """
import signal
import skerry
signal.signal(signal.SIGINT, signal.default_int_handler)
connection = skerry.connect(":memory:")
connection.execute("CREATE TABLE t (x int)")
connection.commit()
connection.execute("INSERT INTO t VALUES (1)")
print("ready", flush=True)
try:
    connection.execute("SELECT count(*) FROM generate_series(1, 100000) a, generate_series(1, 100000) b")
except KeyboardInterrupt:
    connection.rollback()
    print("interrupted", connection.execute("SELECT count(*) FROM t").fetchone(), flush=True)
"""


def test_control_c_interrupts_a_statement() -> None:
    with subprocess.Popen([sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        end = threading.Timer(60, process.kill)
        end.start()
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        try:
            assert process.stdout.readline() == "interrupted (0,)\n"
            assert process.wait(timeout=15) == 0
        finally:
            end.cancel()


SHOWER = """
import random, signal, threading, time
import skerry

signal.signal(signal.SIGINT, signal.default_int_handler)
dice = random.Random(1)
connection = skerry.connect(":memory:")
connection.execute("CREATE TABLE a (id int PRIMARY KEY, n int)")
connection.execute("CREATE TABLE b (id int PRIMARY KEY, n int)")
for name in "ab":
    connection.execute(f"CREATE INDEX ON {name} (n)")
    connection.execute(f"INSERT INTO {name} SELECT i, 0 FROM generate_series(1, 100) i")
connection.commit()
main = threading.get_ident()
begin_s = time.monotonic()

def rain():
    time.sleep(0.2)
    while time.monotonic() < begin_s + 1.8:
        time.sleep(dice.uniform(0.0005, 0.01))
        signal.pthread_kill(main, signal.SIGINT)

def transfer(key):
    connection.execute("UPDATE a SET n = n - 1 WHERE id = %s", (key,))
    connection.execute("UPDATE b SET n = n + 1 WHERE id = %s", (key,))
    connection.commit()

interrupted = []

def work():
    while time.monotonic() < begin_s + 2.2 or thread.is_alive():
        try:
            if connection.in_transaction:
                connection.rollback()
            transfer(dice.randint(1, 100))
        except KeyboardInterrupt:
            interrupted.append(True)
        except skerry.Error as error:
            assert error.sqlstate == "57014", error

def insist(act, depth):  # an interrupt may also fall between two lines of this program
    while depth:
        try:
            return insist(act, depth - 1)
        except KeyboardInterrupt:
            pass
    return act()

thread = threading.Thread(target=rain)
thread.start()
insist(work, 3)
assert len(interrupted) > 20, interrupted
connection.rollback()
query = "SELECT sum(a.n) + sum(b.n), sum(b.n) > 0, count(*) FROM a JOIN b USING (id)"
assert connection.execute(query).fetchone() == (0, True, 100)
for name in "ab":
    (keys,) = connection.execute(f"SELECT array_agg(DISTINCT n) FROM {name}").fetchone()
    by_index = [connection.execute(f"SELECT count(*) FROM {name} WHERE n = %s", (k,)).fetchone()[0] for k in keys]
    assert sum(by_index) == 100, by_index
connection.commit()
print("whole")
"""


def test_a_shower_of_interrupts_breaks_no_commit_in_two() -> None:
    """Signals at random moments: every transfer is there wholly or not at all, rows and indexes agree."""
    ran = subprocess.run(
        [sys.executable, "-c", SHOWER], capture_output=True, text=True, check=False, timeout=60
    )
    assert (ran.stdout, ran.returncode) == ("whole\n", 0), ran.stderr[-3000:]


def test_a_long_query_does_not_stop_other_threads() -> None:
    with skerry.open() as database:
        database.execute("CREATE TABLE t (id int PRIMARY KEY)")
        database.execute("INSERT INTO t VALUES (1)")
        busy = database.connect()
        stopped: list[skerry.Error] = []

        def run() -> None:
            try:
                busy.execute(
                    "SELECT count(*) FROM generate_series(1, 100000) a, generate_series(1, 100000) b"
                )
            except skerry.errors.QueryCanceled as problem:
                stopped.append(problem)

        thread = threading.Thread(target=run)
        thread.start()
        time.sleep(0.2)
        started_s = time.monotonic()
        for _ in range(10):
            assert database.execute("SELECT id FROM t WHERE id = 1").scalar() == 1
        elapsed_s = time.monotonic() - started_s
        busy.cancel()
        thread.join(10)
        busy.close()
        assert len(stopped) == 1
        assert elapsed_s < 3


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_use_after_fork_is_refused() -> None:
    with skerry.open() as database:
        child = os.fork()
        if child == 0:
            status = 1
            try:
                database.execute("SELECT 1")
            except skerry.InterfaceError:
                status = 0
            finally:
                os._exit(status)
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == 0
        assert database.execute("SELECT 1").scalar() == 1


def test_many_threads_share_a_database() -> None:
    with skerry.open() as database:
        database.execute("CREATE TABLE account (id int PRIMARY KEY, balance int)")
        database.execute("INSERT INTO account SELECT g, 100 FROM generate_series(1, 8) g")
        problems: list[BaseException] = []

        def transfer(source: int, target: int) -> None:
            try:
                for _ in range(30):
                    _retried_transfer(database, source, target)
            except BaseException as problem:  # noqa: BLE001 - shown by the assertion below
                problems.append(problem)

        threads = [threading.Thread(target=transfer, args=(n, n % 8 + 1)) for n in range(1, 9)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert problems == []
        assert database.execute("SELECT sum(balance) FROM account").scalar() == 800


def _retried_transfer(database: skerry.Database, source: int, target: int) -> None:
    while True:
        try:
            with database.begin_transaction() as transaction:
                transaction.execute("UPDATE account SET balance = balance - 1 WHERE id = $1", (source,))
                transaction.execute("UPDATE account SET balance = balance + 1 WHERE id = $1", (target,))
                transaction.commit()
                return
        except skerry.OperationalError as problem:
            if not problem.is_retryable:
                raise


def test_a_statement_that_was_not_stepped_yet_can_be_broken_off() -> None:
    """Ctrl-C in its first unit: a cancel before the second would be forgotten when that begins."""
    source = EmbeddedSource(parse_target(":memory:"), {})
    backend = source.open_backend()
    session = backend._session
    assert session is not None
    steps = session.answer_query(
        "SELECT count(*) FROM generate_series(1, 100000) a, generate_series(1, 100000) b"
    )
    assert not isinstance(steps, Finished)
    begun_s = time.monotonic()
    backend._interrupt(session, steps)
    assert time.monotonic() - begun_s < 10
    assert backend.execute("SELECT 1").rows == [(1,)]
    source.close()
