"""What only a Database has (feeds, listeners, dumps, backups), for asyncio: as the blocking one has it."""

from __future__ import annotations

import asyncio
import io
from pathlib import Path

import pytest

import skerry

from .conftest import World


async def _opened(world: World) -> skerry.AsyncDatabase:
    db = await skerry.open_async(world.target)
    await db.execute("CREATE TABLE t (id int PRIMARY KEY, v text)")
    return db


async def test_a_feed_gives_what_is_committed_while_it_is_read(loop_world: World) -> None:
    async with await _opened(loop_world) as db:
        seen = []

        async def write() -> None:
            for number in range(5):
                await db.execute("INSERT INTO t VALUES ($1, 'x')", (number,))
                await asyncio.sleep(0.01)

        async with await db.changes(tables=["t"], timeout=0.5) as feed:
            writing = asyncio.create_task(write())
            async for change in feed:
                seen.append((change.kind, change.new))
            await writing
            assert seen == [("insert", {"id": number, "v": "x"}) for number in range(5)]
            await db.execute("DELETE FROM t WHERE id < 2")
            async with await db.changes(since=feed.token, wait=False) as second:
                rest = [(change.kind, change.key) async for change in second]
                assert await second.poll() == []
        assert rest == [("delete", {"id": 0}), ("delete", {"id": 1})]


async def test_a_feed_that_is_closed_ends_for_whoever_waits(loop_world: World) -> None:
    async with await _opened(loop_world) as db:
        feed = await db.changes()

        async def read() -> list[object]:
            return [change async for change in feed]

        reading = asyncio.create_task(read())
        await asyncio.sleep(0.05)
        await feed.close()
        await feed.close()
        assert await asyncio.wait_for(reading, 5) == []
        with pytest.raises(skerry.InterfaceError):
            await feed.poll()


async def test_a_feed_that_a_task_gave_up_waiting_for_goes_on(loop_world: World) -> None:
    async with await _opened(loop_world) as db, await db.changes() as feed:
        for _ in range(2):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await feed.wait()
        await db.execute("INSERT INTO t VALUES (1, 'x')")
        assert [change.new for change in await feed.wait(5)] == [{"id": 1, "v": "x"}]


async def test_a_listener_hears_what_is_sent(loop_world: World) -> None:
    async with await _opened(loop_world) as db:
        async with await db.listen("orders", "Odd Name") as listener:
            assert await listener.wait(0.01) is None
            await db.execute("NOTIFY orders, 'one'; NOTIFY \"Odd Name\", 'two'; NOTIFY other, 'three'")
            heard = [await listener.wait(5) for _ in range(2)]
            assert [each and (each.channel, each.payload) for each in heard] == [
                ("orders", "one"),
                ("Odd Name", "two"),
            ]

            async def listen() -> list[object]:
                return [each async for each in listener]

            listening = asyncio.create_task(listen())
            await asyncio.sleep(0.05)
        assert await asyncio.wait_for(listening, 5) == []
        with pytest.raises(skerry.InterfaceError):
            await listener.wait()
        with pytest.raises(skerry.InterfaceError):
            await db.listen()


async def test_a_dump_is_that_of_the_blocking_database(loop_world: World) -> None:
    async with await _opened(loop_world) as db:
        await db.execute("INSERT INTO t SELECT i, 'v' || i FROM generate_series(1, 5000) i")
        for form in ({}, {"inserts": True}, {"data": False}):
            stream = io.StringIO()
            assert await db.dump(stream, **form) == []
            with skerry.open(loop_world.target) as blocking:
                expected = io.StringIO()
                blocking.dump(expected, **form)
            assert stream.getvalue() == expected.getvalue()
            assert "CREATE TABLE" in stream.getvalue()


async def test_a_dump_that_is_cancelled_leaves_the_session_usable(loop_world: World) -> None:
    async with await _opened(loop_world) as db:
        await db.execute("INSERT INTO t SELECT i, repeat('v', 100) FROM generate_series(1, 20000) i")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await db.dump(io.BytesIO())
        assert (await db.execute("SELECT count(*) FROM t")).scalar() == 20000
        await db.execute("ALTER TABLE t ADD c int")


async def test_a_backup_can_be_opened(loop_world: World, tmp_path: Path) -> None:
    async with await _opened(loop_world) as db:
        await db.execute("INSERT INTO t VALUES (1, 'x')")
        where = tmp_path / "copy"
        if loop_world.is_network:  # whose database is in memory
            with pytest.raises(skerry.NotSupportedError):
                await db.backup(where)
            return
        made = await db.backup(where)
        assert made.first_epoch <= made.last_epoch
    with skerry.open(where) as restored:
        assert restored.execute("SELECT * FROM t").fetchall() == [(1, "x")]
