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

PROGRAM = """
import skerry
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
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        assert process.stdout.readline() == "interrupted (0,)\n"
        assert process.wait(timeout=15) == 0


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
