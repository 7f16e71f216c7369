"""Tasks that are cancelled anywhere, and streams that are read in little memory."""

from __future__ import annotations

import asyncio
import random
import tracemalloc
from typing import Any

import pytest

import skerry

from .conftest import World

ROUNDS = 40


class Work:
    """Things to do with a connection, by lot."""

    def __init__(self, connection: Any, dice: random.Random) -> None:
        self.connection = connection
        self.dice = dice

    async def read(self) -> None:
        cursor = self.connection.cursor(stream=self.dice.random() < 0.5, itersize=10)
        count = self.dice.choice([1, 50, 5000])
        await cursor.execute("SELECT x FROM generate_series(1, %s::int) AS g(x)", (count,))
        assert len(await cursor.fetchall()) == count

    async def write(self) -> None:
        rows = [(n, "y" * 50) for n in range(self.dice.choice([1, 100, 1200]))]
        await self.connection.cursor().executemany("INSERT INTO t VALUES (%s, %s)", rows)

    async def copy_in(self) -> None:
        async with self.connection.cursor().copy("COPY t FROM STDIN") as copy:
            await copy.write_rows([(n, "z" * 100) for n in range(2000)])

    async def copy_out(self) -> None:
        query = "SELECT x, repeat('q', 200) FROM generate_series(1, 2000) AS g(x)"
        async with self.connection.cursor().copy(f"COPY ({query}) TO STDOUT") as copy:
            assert len([line async for line in copy]) == 2000

    async def nest(self) -> None:
        async with self.connection.transaction():
            await self.connection.execute("INSERT INTO t VALUES (1)")
            async with self.connection.transaction():
                await self.connection.execute("SELECT pg_sleep(0.01)")

    async def any(self) -> None:
        """One of these."""
        await self.dice.choice([self.read, self.write, self.copy_in, self.copy_out, self.nest])()


async def test_a_cancelled_task_leaves_a_connection_that_works(loop_world: World) -> None:
    dice = random.Random(7)
    connection = await loop_world.connect()
    await connection.execute("CREATE TABLE t (a int, b text)")
    await connection.commit()
    work = Work(connection, dice)
    broken_off = 0
    for _ in range(ROUNDS):
        try:
            await asyncio.wait_for(work.any(), dice.choice([0.0003, 0.001, 0.004, 0.02, 30]))
        except TimeoutError:
            broken_off += 1
        assert not connection.closed
        await connection.rollback()
        assert await (await connection.execute("SELECT 42")).fetchone() == (42,)
        await connection.rollback()
    assert 0 < broken_off < ROUNDS


async def test_a_stream_takes_little_memory(world: World) -> None:
    connection = await world.connect()
    query = "SELECT x, repeat('m', 400) FROM generate_series(1, 30000) AS g(x)"
    await (await connection.execute("SELECT x FROM generate_series(1, 1000) AS g(x)")).fetchall()
    tracemalloc.start()
    try:
        cursor = connection.cursor(stream=True)
        await cursor.execute(query)
        count = 0
        async for _row in cursor:
            count += 1
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert count == 30000
    assert peak < 4_000_000  # all of it would be 14 million


async def test_a_blocking_wait_does_not_stop_the_loop(loop_world: World) -> None:
    first, second = await loop_world.connect(), await loop_world.connect()
    await first.execute("CREATE TABLE t (id int PRIMARY KEY)")
    await first.execute("INSERT INTO t VALUES (1)")
    await first.commit()
    await first.execute("UPDATE t SET id = 2")
    waiting = asyncio.create_task(second.execute("UPDATE t SET id = 3"))
    ticks = 0
    while ticks < 20:
        await asyncio.sleep(0.005)
        ticks += 1
    assert not waiting.done()
    await first.rollback()
    assert (await waiting).rowcount == 1
    with pytest.raises(skerry.InterfaceError):
        await second.close()
        await second.execute("SELECT 1")
