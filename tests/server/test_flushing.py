"""The log is flushed in the loop while syncs are quick, in a thread while they are slow."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable

import pytest

from skerry_engine.errors import DatabaseError, DurabilityLost
from skerry_server.flushing import SLOW_S, Flusher


class FakeLog:
    """Counts, and takes its time, which is the only one that `clock` knows."""

    def __init__(self, sync_s: float) -> None:
        self.on_pending: Callable[[], None] = lambda: None
        self.on_lazy: Callable[[], None] = lambda: None
        self.failure: DatabaseError | None = None
        self.fails = False
        self.waiting = 0
        self.groups: list[int] = []
        self.threads: list[bool] = []
        self.is_writing = False
        self.published = 0
        self.sync_s = sync_s
        self.now_s = 0.0

    def clock(self) -> float:
        return self.now_s

    def commit(self) -> None:
        self.waiting += 1
        self.on_pending()

    def is_waited_for(self) -> bool:
        return self.waiting > 0

    def take(self) -> int | None:
        assert not self.is_writing, "flushes follow one another"
        if not self.waiting:
            return None
        self.is_writing = True
        flush, self.waiting = self.waiting, 0
        return flush

    def write(self, flush: int) -> None:
        self.threads.append(threading.current_thread() is not threading.main_thread())
        self.groups.append(flush)
        time.sleep(self.sync_s)
        self.now_s += self.sync_s
        if self.fails:
            raise OSError("no disk")

    def finish(self, flush: int, error: BaseException | None = None) -> None:
        assert threading.current_thread() is threading.main_thread()
        self.is_writing = False
        if error is None:
            self.published += flush
        else:
            self.failure = DurabilityLost(str(error))


def later(flusher: Flusher) -> None:
    asyncio.get_running_loop().call_soon(flusher.flush)


async def until(condition: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline_s
        await asyncio.sleep(0.001)


@pytest.mark.parametrize(("sync_s", "in_thread"), [(0.0, False), (20 * SLOW_S, True)])
def test_slow_syncs_leave_the_loop_free_and_quick_ones_cost_no_thread(sync_s: float, in_thread: bool) -> None:
    log = FakeLog(sync_s)

    async def main() -> None:
        loop = asyncio.get_running_loop()
        flusher = Flusher(loop, log, lambda: None, log.clock)
        log.on_pending = lambda: later(flusher)
        for number in range(1, 13):
            log.commit()
            await until(lambda number=number: log.published == number)  # type: ignore[misc]
        assert log.threads[-1] is in_thread
        log.commit()
        await until(lambda: len(log.groups) == 13)
        if in_thread:  # the loop runs on, and what comes meanwhile shares the next sync
            assert log.published == 12
            for _ in range(5):
                log.commit()
        await until(lambda: not log.is_waited_for() and not flusher.is_under_way)
        flusher.close()

    asyncio.run(main())
    assert log.published == sum(log.groups) == (18 if in_thread else 13)
    if in_thread:
        assert log.groups[13:] == [5]


@pytest.mark.parametrize("sync_s", [0.0, 20 * SLOW_S])
def test_a_failure_is_told_in_the_loop(sync_s: float) -> None:
    log = FakeLog(sync_s)
    told: list[bool] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        flusher = Flusher(loop, log, lambda: told.append(log.failure is not None), log.clock)
        for number in range(1, 4):
            log.waiting = 1
            flusher.flush()
            await until(lambda number=number: log.published == number)  # type: ignore[misc]
        log.fails = True
        log.waiting = 1
        flusher.flush()
        await until(lambda: log.failure is not None)
        flusher.close()

    asyncio.run(main())
    assert told == [False, False, False, True]


def test_one_slow_sync_is_no_reason_for_a_thread() -> None:
    log = FakeLog(0.0)

    async def main() -> None:
        flusher = Flusher(asyncio.get_running_loop(), log, lambda: None, log.clock)
        for number in range(1, 20):
            log.sync_s = 20 * SLOW_S if number == 5 else 0.0
            log.waiting = 1
            flusher.flush()
            await until(lambda number=number: log.published == number)  # type: ignore[misc]
        flusher.close()

    asyncio.run(main())
    assert not any(log.threads)


def test_slow_syncs_are_timed_again_so_that_quick_ones_come_back_to_the_loop() -> None:
    log = FakeLog(20 * SLOW_S)

    async def main() -> None:
        flusher = Flusher(asyncio.get_running_loop(), log, lambda: None, log.clock)
        for number in range(1, 600):
            if number == 4:
                log.sync_s = 0.0
            log.waiting = 1
            flusher.flush()
            await until(lambda number=number: log.published == number)  # type: ignore[misc]
        flusher.close()

    asyncio.run(main())
    assert any(log.threads)
    assert not any(log.threads[-10:])
