"""Cancellation, tasks and threads: a transaction is whole or not there, wherever it is broken off."""

from __future__ import annotations

import asyncio
import contextvars
import signal
import threading
import time
from collections.abc import Awaitable, Callable, Generator
from typing import Any

import pytest
from support.aio.flow_world import TABLE, AsyncWorld
from support.flow_testing import only, slow_statement
from support.flow_world import World

from skerry import flow
from skerry.flow import FlowError, stage
from skerry_engine.errors import ConcurrentUse, InvalidTransactionState

PATIENCE_S = 20


class CancelledAt:
    """Awaits something, and cancels the task when it waits for the n-th time (and for the m-th ...)."""

    def __init__(self, work: Awaitable[Any], places: tuple[int, ...]) -> None:
        self._work = work
        self._places = places
        self.waits = 0

    def __await__(self) -> Generator[Any, Any, Any]:
        steps = self._work.__await__()
        send: Callable[[], Any] = lambda: next(steps)  # noqa: E731
        while True:
            try:
                waits_for = send()
            except StopIteration as end:
                return end.value
            if self.waits in self._places:
                task = asyncio.current_task()
                assert task is not None
                task.cancel()
            self.waits += 1
            try:
                given = yield waits_for
            except BaseException as problem:  # noqa: BLE001  # what comes in goes on in
                send = _thrown(steps, problem)
            else:
                send = _sent(steps, given)


def _thrown(steps: Any, problem: BaseException) -> Callable[[], Any]:
    return lambda: steps.throw(problem)


def _sent(steps: Any, given: Any) -> Callable[[], Any]:
    return lambda: steps.send(given)


@pytest.mark.parametrize("again", [None, 1])
async def test_cancelled_at_any_await(world: AsyncWorld, again: int | None) -> None:
    """And once more while it is being undone: all or nothing, nothing left open."""

    @stage(tx=True, on_error=lambda problem: True)
    async def guarded() -> None:
        await world.insert(2)
        raise ValueError

    @flow.flow(world.db)
    async def program() -> None:
        await world.load(1)
        await guarded()
        async with world.db.transaction():
            await world.insert(3)

    place = 0
    outcomes: list[list[int]] = []
    while True:
        places = (place,) if again is None else (place, place + again)
        work = CancelledAt(program(), places)
        task = asyncio.ensure_future(_awaited(work))
        done, _ = await asyncio.wait([task], timeout=PATIENCE_S)
        assert done, f"cancelled at await {place} it hangs"
        assert world.db.in_use == 0, place
        ids = await world.ids()
        outcomes.append(ids)
        if not task.cancelled():
            task.result()
            assert ids == [1, 3]
            if work.waits <= place:
                break
        assert ids in ([], [1, 3]), place
        await world.db.execute(f"DELETE FROM {TABLE}")
        place += 1
    assert [] in outcomes and place > 5
    await world.load(7)


async def _awaited(work: Awaitable[Any]) -> Any:
    return await work


@only("postgres", "skerry")
async def test_a_timeout_of_asyncio_undoes_the_block_or_the_whole(world: AsyncWorld) -> None:
    """Where the driver mends a connection the outer block may go on; elsewhere it says that it can't."""
    slow = slow_statement(world.db.dialect, world.name)
    started_s = time.monotonic()
    try:
        async with world.db.transaction():
            await world.insert(1)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.1), world.db.transaction():
                    await world.insert(2)
                    await world.db.execute(slow)
            await world.insert(3)
    except InvalidTransactionState:
        assert not world.recorder.survives_interruption and await world.ids() == []
    else:
        assert world.recorder.survives_interruption and await world.ids() == [1, 3]
    assert world.db.in_use == 0 and time.monotonic() - started_s < PATIENCE_S
    await world.load(4)


async def test_two_tasks_on_one_transaction_are_told_so(world: AsyncWorld) -> None:
    """Stages and statements; the transaction is still whole."""

    @flow.flow(world.db)
    async def run() -> None:
        await asyncio.gather(world.load(1), world.load(2))

    with pytest.raises(FlowError, match="at once"):
        await run()
    assert await world.ids() == []
    async with world.db.transaction():
        await world.insert(1)
        found = await asyncio.gather(world.insert(2), world.insert(3), return_exceptions=True)
        assert isinstance(found[1], ConcurrentUse) and found[0] is None
    assert await world.ids() == [1, 2]


async def test_a13_stages_without_a_transaction_run_side_by_side(world: AsyncWorld) -> None:
    """Each with its own connection."""
    together = asyncio.Barrier(2)

    @stage
    async def alone(key: int) -> None:
        async with world.db.transaction():
            await world.insert(key)
            assert await asyncio.wait_for(together.wait(), PATIENCE_S) in (0, 1)
            assert world.db.in_use == 2
            await together.wait()

    @flow.flow(world.db)
    async def run() -> None:
        await asyncio.gather(alone(1), alone(2))

    await run()
    assert await world.ids() == [1, 2] and sorted(world.sent) == ["BEGIN", "BEGIN", "COMMIT", "COMMIT"]


async def test_a_task_that_outlives_its_transaction_is_told_so(world: AsyncWorld) -> None:
    """Never does what it does commit by itself."""
    ended = asyncio.Event()
    tasks: list[asyncio.Task[None]] = []

    async def late(key: int, staged: bool) -> None:
        await ended.wait()
        await (world.load(key) if staged else world.insert(key))

    def begin(key: int) -> None:
        tasks.extend(asyncio.ensure_future(late(key + staged, bool(staged))) for staged in (0, 1))

    @stage(tx=True)
    async def inside() -> None:
        await world.insert(1)
        begin(10)

    @stage
    async def outside() -> None:
        begin(20)

    @flow.flow(world.db)
    async def run() -> None:
        await inside()
        await outside()
        begin(30)

    await run()
    async with world.db.transaction():
        begin(40)
    ended.set()
    found = await asyncio.gather(*tasks, return_exceptions=True)
    for problem in found:
        cause = problem.cause if isinstance(problem, FlowError) else problem
        assert isinstance(cause, InvalidTransactionState), problem
    assert await world.ids() == [1]


# --- threads ----------------------------------------------------------------------------------------------------


def test_threads_find_the_transaction_by_a_copy_of_the_context(world: World) -> None:
    """Without it they are outside."""
    seen: list[Any] = []

    def look() -> None:
        seen.append(flow.current_scope())

    with world.db.transaction() as tx:
        for target, args in ((look, ()), (contextvars.copy_context().run, (look,))):
            thread = threading.Thread(target=target, args=args)
            thread.start()
            thread.join()
    assert seen == [None, tx]


@only("skerry", "postgres", "sqlite-sqlite3")
def test_two_threads_on_one_transaction_are_told_so(world: World) -> None:
    """One statement at a time; nothing is lost of what went through."""
    done: list[int] = []
    told: list[BaseException] = []

    def work(start: int) -> None:
        for key in range(start, start + 15):
            try:
                world.insert(key)
            except ConcurrentUse as problem:
                told.append(problem)
            else:
                done.append(key)

    with world.db.transaction():
        world.insert(0)
        threads = [
            threading.Thread(target=contextvars.copy_context().run, args=(work, start))
            for start in (100, 200)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert world.ids() == sorted([0, *done]) and len(done) + len(told) == 30


# --- Ctrl-C -----------------------------------------------------------------------------------------------------


def test_ctrl_c_in_the_middle_of_a_statement(world: World) -> None:
    """The transaction is rolled back, and the next one gets its own answers."""
    main = threading.main_thread().ident
    assert main is not None
    slow = (
        "SELECT pg_sleep(1.5)"
        if not world.is_sqlite
        else slow_statement("sqlite", "").replace("300000000", "5000000")
    )
    timer = threading.Timer(0.3, signal.pthread_kill, (main, signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        with world.db.transaction():
            world.insert(1)
            timer.start()
            world.db.execute(slow)
            time.sleep(2)
    timer.join()
    assert world.db.in_use == 0 and world.ids() == []
    for key in (1, 2):
        world.load(key)
        assert world.db.execute(f"SELECT count(*) FROM {TABLE}").scalar() == key
