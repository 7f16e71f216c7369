"""Waits across threads: each thread steps its own session under one mutex and blocks outside it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest
from kernel_script import KernelDatabase, KernelSession

from skerry_engine.errors import DatabaseError, DeadlockDetected, LockTimeout, QueryCanceled, WriteConflict
from skerry_engine.session.steps import Wait
from skerry_engine.txn.locks import Owner

JOIN_S = 20


class ThreadedDatabase(KernelDatabase):
    """Runs commands as an embedded driver does: the mutex per step, given up while waiting."""

    def __init__(self) -> None:
        super().__init__()
        self.mutex = threading.Lock()
        self.create_table(["t", "id", "v"])
        self.run(self.session(), "insert t 1 0 2 0")

    def session(self, process_id: int = 0) -> KernelSession:
        return KernelSession(self, Owner(process_id, threading.get_ident()))

    def run(self, session: KernelSession, command: str) -> list[str]:
        session.owner.thread_id = threading.get_ident()
        with self.mutex:
            generator = session.run(command)
        while True:
            with self.mutex:
                try:
                    step = next(generator)
                except StopIteration as end:
                    lines: list[str] = end.value
                    return lines
                over = threading.Event()
                if isinstance(step, Wait):
                    step.waiting.on_over(over.set)
                    deadline = step.waiting.deadline_s()
            if isinstance(step, Wait):
                timeout = JOIN_S if deadline is None else max(0.0, deadline - time.monotonic())
                over.wait(timeout)


def in_threads(*bodies: Callable[[], None]) -> None:
    failures: list[Exception] = []

    def guarded(body: Callable[[], None]) -> None:
        try:
            body()
        except Exception as failure:  # noqa: BLE001 - raised again by the main thread
            failures.append(failure)

    threads = [threading.Thread(target=guarded, args=(body,)) for body in bodies]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(JOIN_S)
        assert not thread.is_alive(), "a thread hangs"
    if failures:
        raise failures[0]


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + JOIN_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


@pytest.mark.parametrize("level", ["", "snapshot"])
def test_no_increment_is_lost(level: str) -> None:
    database = ThreadedDatabase()

    def increment() -> None:
        session = database.session()
        for _ in range(50):
            while True:
                try:
                    database.run(session, f"begin {level}")
                    database.run(session, "update t 1 v+=1")
                    database.run(session, "commit")
                    break
                except WriteConflict:
                    if session.transaction is not None:
                        database.run(session, "rollback")

    in_threads(*[increment] * 4)
    assert database.run(database.session(), "get t 1") == ["1 200"]


def test_a_waiting_thread_is_woken() -> None:
    database = ThreadedDatabase()
    one = database.session()
    database.run(one, "begin")
    database.run(one, "update t 1 v=5")
    done: list[list[str]] = []

    def waits() -> None:
        done.append(database.run(database.session(), "update t 1 v+=1"))

    def commits() -> None:
        until(lambda: any(lock.queue for lock in database.manager.locks.all_locks()))
        assert not done
        database.run(one, "commit")

    in_threads(waits, commits)
    assert done == [["updated 1"]]
    assert database.run(one, "get t 1") == ["1 6"]


def test_a_deadlock_between_threads_has_one_victim() -> None:
    database = ThreadedDatabase()
    barrier = threading.Barrier(2)
    victims: list[DatabaseError] = []

    def crosses(first: int, second: int) -> None:
        session = database.session()
        database.run(session, "begin")
        database.run(session, f"update t {first} v={first}")
        barrier.wait(JOIN_S)
        try:
            database.run(session, f"update t {second} v={first}")
            database.run(session, "commit")
        except DeadlockDetected as victim:
            victims.append(victim)
            database.run(session, "rollback")

    in_threads(lambda: crosses(1, 2), lambda: crosses(2, 1))
    assert len(victims) == 1


def test_a_wait_for_the_own_thread_is_t006_at_once() -> None:
    database = ThreadedDatabase()
    one, two = database.session(), database.session()
    database.run(one, "begin")
    database.run(one, "update t 1 v=5")
    with pytest.raises(DeadlockDetected):
        database.run(two, "update t 1 v=6")
    database.run(one, "commit")
    assert database.run(two, "update t 1 v=6") == ["updated 1"]


def test_lock_timeout_and_cancel_end_a_wait() -> None:
    database = ThreadedDatabase()
    one = database.session()
    database.run(one, "begin")
    database.run(one, "update t 1 v=5")

    def times_out() -> None:
        session = database.session()
        session.owner.lock_timeout_ms = 20
        with pytest.raises(LockTimeout):
            database.run(session, "update t 1 v=6")

    def is_cancelled() -> None:
        with pytest.raises(QueryCanceled):
            database.run(database.session(process_id=77), "update t 1 v=6")

    def cancels() -> None:
        def canceller() -> bool:
            with database.mutex:
                for transaction in database.manager.active.values():
                    if transaction.owner.process_id == 77 and transaction.owner.request is not None:
                        transaction.owner.cancel()
                        return True
            return False

        until(canceller)

    in_threads(times_out)
    in_threads(is_cancelled, cancels)
    database.run(one, "rollback")
    assert not list(database.manager.locks.all_locks())
