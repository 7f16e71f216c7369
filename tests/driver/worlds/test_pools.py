"""Pools of connections, and transactions that are run until they succeed, in all four worlds."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from support.awaited import Awaited

import skerry

from .conftest import World


async def together(world: World, count: int, work: Any) -> None:
    """Run `work()` so many times at once: in tasks, or in threads with an event loop each."""
    if not world.is_blocking:
        await asyncio.gather(*[work() for _ in range(count)])
        return
    with ThreadPoolExecutor(count) as threads:
        running = [threads.submit(asyncio.run, work()) for _ in range(count)]
        for each in running:
            await asyncio.to_thread(each.result)


async def test_blocks_commit_or_roll_back(world: World) -> None:
    async with world.pool(max_size=2) as pool:
        async with pool.connection() as connection:
            await connection.execute("CREATE TABLE t (x int)")
        with pytest.raises(ZeroDivisionError):
            async with pool.connection() as connection:
                await connection.execute("INSERT INTO t VALUES (1)")
                raise ZeroDivisionError
        async with pool.connection() as connection:
            assert await (await connection.execute("SELECT count(*) FROM t")).fetchone() == (0,)
        assert pool.stats()[:3] == (1, 1, 0)
    with pytest.raises(skerry.InterfaceError):
        await pool.take()


async def test_nothing_leaks_and_all_have_their_turn(world: World) -> None:
    pool = world.pool(min_size=0, max_size=3, timeout=60)
    most = 0
    in_use: list[object] = []

    async def work() -> None:
        nonlocal most
        for turn in range(10):
            try:
                async with pool.connection() as connection:
                    in_use.append(connection)
                    most = max(most, len(in_use))
                    await connection.execute("SELECT 1")
                    in_use.pop()
                    if turn % 3 == 0:
                        await connection.close()
                    elif turn % 3 == 1:
                        await connection.execute("SELECT 1 / 0")
            except skerry.DataError:
                pass

    await together(world, 8, work)
    stats = pool.stats()
    assert stats.size == stats.idle <= 3 and stats.waiting == 0 and stats.timeouts == 0
    assert most <= 3
    assert stats.opened - stats.broken == stats.size


async def test_first_come_first_served(world: World) -> None:
    pool = world.pool(max_size=1, timeout=30)
    held = await pool.take()
    order: list[int] = []

    async def wait_in_line(number: int) -> None:
        async with pool.connection():
            order.append(number)

    async def release() -> None:
        while pool.stats().waiting < 5:
            await asyncio.sleep(0.001)
        await pool.give_back(held)

    if world.is_blocking:
        lines = [
            threading.Thread(target=lambda each=number: asyncio.run(wait_in_line(each)))
            for number in range(5)
        ]
        for number, line in enumerate(lines):
            line.start()
            while pool.stats().waiting <= number:
                time.sleep(0.001)
        await release()
        for line in lines:
            line.join()
    else:
        await asyncio.gather(*[wait_in_line(number) for number in range(5)], release())
    assert order == [0, 1, 2, 3, 4]


async def test_limits(world: World) -> None:
    pool = world.pool(max_size=1, timeout=0.05)
    connection = await pool.take()
    started_s = time.monotonic()
    with pytest.raises(skerry.OperationalError, match="in use"):
        await pool.take()
    assert 0.04 < time.monotonic() - started_s < 5
    assert pool.stats().timeouts == 1
    await pool.give_back(connection)
    with pytest.raises(skerry.InterfaceError):
        await pool.give_back(await world.connect())
    for wrong in ({"min_size": 2, "max_size": 1}, {"max_size": 0}, {"isolation_level": "chaos"}):
        with pytest.raises(skerry.InterfaceError):
            world.pool(**wrong)


async def test_old_ones_and_modes(world: World) -> None:
    pool = world.pool(max_lifetime=0.0, autocommit=True, read_only=True)
    first = await pool.take()
    first.autocommit, first.read_only = False, False
    await first.execute("SELECT 1")
    await pool.give_back(first)
    assert pool.stats().broken == 1
    pool.max_lifetime = 100.0
    second = await pool.take()
    second.autocommit, second.read_only = False, False
    await second.execute("CREATE TABLE t (x int)")
    await pool.give_back(second)
    async with pool.connection() as third:
        assert (third.autocommit, third.read_only) == (True, True)
        with pytest.raises(skerry.ReadOnlyViolation):
            await third.execute("CREATE TABLE t (x int)")


async def test_ended_sessions_are_replaced(world: World) -> None:
    async with world.pool(max_size=2) as pool, pool.connection() as connection:
        other = await pool.take()
        pid = other.info.backend_pid
        await pool.give_back(other)
        await connection.execute("SELECT pg_terminate_backend(%s)", (pid,))
        deadline_s = time.monotonic() + 5
        while other.is_alive() and time.monotonic() < deadline_s:
            await asyncio.sleep(0.01)
        async with pool.connection() as fresh:
            assert await (await fresh.execute("SELECT 1")).fetchone() == (1,)
            assert fresh.info.backend_pid != pid
        assert pool.stats()[:2] == (2, 1)
        assert pool.stats().broken == 1


async def test_what_an_ended_session_can_not_commit_is_not_said_to_be_committed(world: World) -> None:
    other = await world.connect(autocommit=True)
    await other.execute("CREATE TABLE t (x int)")

    async def insert_and_end(connection: Any) -> None:
        await connection.execute("INSERT INTO t VALUES (1)")
        await other.execute("SELECT pg_terminate_backend(%s)", (connection.info.backend_pid,))
        deadline_s = time.monotonic() + 5
        while connection.is_alive() and time.monotonic() < deadline_s:
            await asyncio.sleep(0.01)

    connection = await world.connect()
    await insert_and_end(connection)
    with pytest.raises(skerry.Error):
        await connection.commit()
    connection = await world.connect()
    with pytest.raises(skerry.Error):
        async with connection.transaction():
            await insert_and_end(connection)
    pool = world.pool()
    with pytest.raises(skerry.Error):
        async with pool.connection() as connection:
            await insert_and_end(connection)
    assert await (await other.execute("SELECT count(*) FROM t")).fetchone() == (0,)


async def test_transactions_are_run_until_they_succeed(world: World) -> None:
    pool = world.pool(max_size=4, timeout=60)
    run = skerry.run_transaction_async

    async def attempt(function: Any, where: Any, **keywords: Any) -> Any:
        if not world.is_blocking:
            return await run(where, function, **keywords)
        return skerry.run_transaction(
            where._inner, lambda connection: asyncio_run(function, connection), **keywords
        )

    async with pool.connection() as connection:
        await connection.execute("CREATE TABLE t (id int PRIMARY KEY, n int)")
        await connection.execute("INSERT INTO t VALUES (1, 0)")

    async def increment(connection: Any) -> int:
        ((n,),) = await (await connection.execute("SELECT n FROM t")).fetchall()
        await connection.execute("UPDATE t SET n = %s", (n + 1,))
        return int(n)

    async def work() -> None:
        for _ in range(5):
            await attempt(increment, pool, isolation_level="snapshot", retries=200)

    await together(world, 4, work)
    async with pool.connection() as connection:
        assert await (await connection.execute("SELECT n FROM t")).fetchone() == (20,)

    calls: list[object] = []

    async def conflict(connection: Any) -> None:
        calls.append(connection)
        raise skerry.WriteConflict("again")

    async def mistake(connection: Any) -> None:
        calls.append(connection)
        raise skerry.DataError("never")

    connection = await world.connect()
    with pytest.raises(skerry.WriteConflict) as caught:
        await attempt(conflict, connection, retries=2)
    assert len(calls) == 3
    assert caught.value.__notes__ == ["given up after 3 attempts"]
    with pytest.raises(skerry.DataError):
        await attempt(mistake, connection)
    assert len(calls) == 4

    async def leave(connection: Any) -> None:
        await connection.execute("DELETE FROM t")
        raise skerry.Rollback

    with pytest.raises(skerry.Rollback):
        await attempt(leave, connection)
    assert not connection.in_transaction
    assert await (await connection.execute("SELECT count(*) FROM t")).fetchone() == (1,)
    with pytest.raises(skerry.InvalidTransactionState):
        await attempt(conflict, connection)


def asyncio_run(function: Any, connection: Any) -> Any:
    """Run a coroutine to its end in a thread of its own: an event loop may run in this one."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, function(Awaited(connection))).result()
