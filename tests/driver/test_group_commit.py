"""Threads that commit at the same time share the log's syncs."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import skerry
from skerry.flush_turn import FlushTurn
from skerry.shared_engine import SharedEngine
from skerry.targets import EngineOptions
from skerry_engine.txn.durable_log import DurableLog, Flush

THREADS = 8
COMMITS = 5
SLOW_S = 0.02
TIMEOUT_S = 30.0


class SlowLog:
    """A log whose writes take a while; it counts them."""

    def __init__(self, log: DurableLog) -> None:
        self._log = log
        self.writes = 0

    def __getattr__(self, name: str) -> object:
        return getattr(self._log, name)

    def write(self, flush: Flush) -> None:
        """Slowly."""
        self.writes += 1
        time.sleep(SLOW_S)
        self._log.write(flush)


def in_threads(works: list[Callable[[], object]]) -> None:
    threads = [threading.Thread(target=work, daemon=True) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(TIMEOUT_S)
        assert not thread.is_alive()


def test_threads_that_commit_at_the_same_time_share_writes(tmp_path: Path) -> None:
    path = str(tmp_path / "data")
    shared = SharedEngine.open(path, EngineOptions())
    connections = [skerry.connect(path, autocommit=True) for _ in range(THREADS)]
    connections[0].cursor().execute("CREATE TABLE t (thread int, n int)")
    assert shared.log is not None
    slow = SlowLog(shared.log)
    shared.log = slow  # type: ignore[assignment]

    def commits(thread: int) -> None:
        cursor = connections[thread].cursor()
        for n in range(COMMITS):
            cursor.execute("INSERT INTO t VALUES (%s, %s)", (thread, n))

    in_threads([lambda thread=thread: commits(thread) for thread in range(THREADS)])  # type: ignore[misc]
    cursor = connections[0].cursor()
    cursor.execute("SELECT count(*) FROM t")
    assert cursor.fetchall() == [(THREADS * COMMITS,)]
    assert slow.writes <= THREADS * COMMITS // 2
    for connection in connections:
        connection.close()
    shared.release()


def test_those_whose_wait_a_flush_has_ended_go_and_one_of_the_others_is_next() -> None:
    turn = FlushTurn()
    assert turn.take()
    overs = [threading.Event() for _ in range(THREADS)]
    covered = overs[: THREADS // 2]
    flushed: list[int] = []

    def wait(number: int) -> None:
        if turn.take(overs[number], time.monotonic() + TIMEOUT_S):
            flushed.append(number)
            for over in overs:
                over.set()
            turn.give_back()

    threads = [threading.Thread(target=wait, args=(number,), daemon=True) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    time.sleep(0.1)
    assert not flushed
    for over in covered:
        over.set()
    turn.give_back()
    for thread in threads:
        thread.join(TIMEOUT_S)
    assert len(flushed) == 1
    assert overs[flushed[0]] not in covered
    assert not turn.is_taken()


def test_a_turn_is_waited_for_no_longer_than_the_deadline() -> None:
    turn = FlushTurn()
    assert turn.take()
    assert not turn.take(threading.Event(), time.monotonic() + 0.05)
    turn.give_back()
    assert turn.take(None, time.monotonic() - 1)
