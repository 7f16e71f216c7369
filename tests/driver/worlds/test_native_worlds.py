"""The native interface on event loops: its source is the blocking one's, so this is about what awaits."""

from __future__ import annotations

import pytest

import skerry

from .conftest import World


async def test_transactions_as_objects(loop_world: World) -> None:
    async with await skerry.open_async(loop_world.target) as database:
        await database.execute("CREATE TABLE t (id int PRIMARY KEY, v int)")
        await database.execute("INSERT INTO t VALUES ($1, $2)", (1, 1))
        async with await database.begin_transaction(timeout=60) as kept:
            await kept.savepoint("here")
            await kept.execute("UPDATE t SET v = $v", {"v": 2})
            await kept.rollback_to_savepoint("here")
            await kept.execute("UPDATE t SET v = v + 10")
            pending = await kept.prepare_commit()
            assert (pending.tables["public.t"].updated, pending.definitions) == (1, 0)
            ((change),) = await pending.changes()
            assert change.new == {"id": 1, "v": 11}
            await pending.commit()
        assert kept.state == "committed"
        async with await database.begin_transaction() as lost:
            await lost.execute("DELETE FROM t")
        assert lost.state == "aborted"
        with pytest.raises(skerry.InvalidTransactionState):
            await lost.execute("SELECT 1")
        first, second = await database.begin_transaction(), await database.begin_transaction()
        await first.execute("UPDATE t SET v = 0")
        await first.commit()
        with pytest.raises(skerry.WriteConflict):
            await second.execute("UPDATE t SET v = 1")
        await second.rollback()
        connection = await database.connect()
        assert await (await connection.execute("SELECT v FROM t")).fetchall() == [(0,)]
        await connection.close()
    with pytest.raises(skerry.InterfaceError):
        await database.execute("SELECT 1")
