"""Rows b of the semantics of flows: stages."""

from __future__ import annotations

from typing import Any

import pytest
from support.aio.flow_handles import AsyncHandles
from support.aio.flow_world import TABLE, AsyncWorld

from skerry import flow
from skerry.flow import FlowError, each, no_tx, resource, stage
from skerry_engine.errors import InterfaceError


class Wrong(Exception):
    """What goes wrong."""


async def test_b1_a_stage_that_asks_for_no_connection_begins_nothing(world: AsyncWorld) -> None:
    """The first request begins."""

    @stage(tx=True)
    async def idle() -> None:
        assert flow.current_scope() is not None

    @flow.flow(world.db)
    async def run(loads: bool) -> None:
        await idle()
        assert world.recorder.sent == [] and world.db.in_use == 0
        if loads:
            await world.load(1)
            assert world.recorder.sent == ["BEGIN", "EXECUTE"]

    await run(False)
    assert world.recorder.sent == [] and world.recorder.taken == 0
    await run(True)
    assert world.sent == ["BEGIN", "COMMIT"]


async def test_b2_consecutive_transactional_stages_are_one_transaction(world: AsyncWorld) -> None:
    """One BEGIN, one COMMIT, one connection."""

    @flow.flow(world.db)
    async def run() -> None:
        await world.load(1)
        await world.load(2)
        assert await world.ids() == []

    await run()
    assert world.recorder.sent == ["BEGIN", "EXECUTE", "EXECUTE", "COMMIT"] and world.recorder.taken == 1
    assert await world.ids() == [1, 2]


async def test_b3_commit_after_the_last_one_and_rollback_on_error(world: AsyncWorld) -> None:
    """After the last transactional stage, or at the flow's end."""

    @flow.flow(world.db)
    async def run(fails: bool) -> None:
        await world.load(1)
        await world.check()
        assert await world.ids() == [1] and world.db.in_use == 0
        await world.load(2)
        if fails:
            raise Wrong("why")

    with pytest.raises(FlowError, match=r"flow run: Wrong: why") as caught:
        await run(True)
    assert isinstance(caught.value.cause, Wrong) and caught.value.__cause__ is caught.value.cause
    assert world.sent == ["BEGIN", "COMMIT", "BEGIN", "ROLLBACK"]
    assert await world.ids() == [1]
    await world.db.execute(f"DELETE FROM {TABLE}")
    await run(False)
    assert await world.ids() == [1, 2]


async def test_b4_an_inner_flow_shares_transaction_and_resource(world: AsyncWorld) -> None:
    """It is run by a transactional stage."""
    handles = AsyncHandles()
    files = resource("files", handles.open)

    @flow.flow(world.db)
    async def inner() -> None:
        assert flow.current_scope() is scopes[0]
        await world.load(2)
        await world.check()
        async with files.use() as handle:
            assert handle is handles.opened[0]

    @stage(tx=True)
    async def outer_stage() -> None:
        scopes.append(flow.current_scope())
        await world.load(1)
        async with files.use():
            pass
        await inner()

    scopes: list[Any] = []

    @flow.flow(world.db)
    async def outer() -> None:
        await outer_stage()

    await outer()
    if world.recorder.is_two_phase:
        assert world.sent == ["BEGIN", "PREPARE", "COMMIT PREPARED"]
    else:
        assert world.sent == ["BEGIN", "COMMIT"]
    assert world.recorder.taken == 1
    assert handles.said() == ["open", "begin", "savepoint", "release_savepoint", "commit", "close"]
    assert await world.ids() == [1, 2]


async def test_b5_the_end_of_an_inner_flow_closes_nothing(world: AsyncWorld) -> None:
    """The outer one closes."""

    @flow.flow()
    async def inner() -> None:
        await world.load(2)

    @flow.flow(world.db)
    async def outer(fails: bool) -> None:
        await world.load(1)
        await inner()
        assert world.sent[-1] == "BEGIN" and world.db.in_use == 1
        assert await world.ids() == []
        if fails:
            raise Wrong

    with pytest.raises(FlowError):
        await outer(True)
    assert world.sent == ["BEGIN", "ROLLBACK"] and await world.ids() == []
    await outer(False)
    assert world.sent == ["BEGIN", "ROLLBACK", "BEGIN", "COMMIT"] and await world.ids() == [1, 2]


@pytest.mark.parametrize("is_source_tx", [False, True])
async def test_b6_a_loop_of_transactional_stages_commits_once(world: AsyncWorld, is_source_tx: bool) -> None:
    """After the data set; how the source is marked does not matter."""

    @stage(tx=is_source_tx)
    async def source() -> list[int]:
        return [1, 2, 3]

    @flow.flow(world.db)
    async def run() -> None:
        for key in await source():
            await world.load(key)
            await world.load(-key)

    await run()
    assert world.sent == ["BEGIN", "COMMIT"]
    assert await world.ids() == [-3, -2, -1, 1, 2, 3]


async def test_b7_a_loop_with_another_stage_commits_in_each_iteration(world: AsyncWorld) -> None:
    """Load, then a stage that is not transactional."""

    @flow.flow(world.db)
    async def run() -> None:
        for key in (1, 2, 3):
            await world.load(key)
            await world.check()
            assert len(await world.ids()) == key

    await run()
    assert world.sent == ["BEGIN", "COMMIT"] * 3


async def test_b8_a_commit_every_fifth_of_twelve_rows_is_three(world: AsyncWorld) -> None:
    """(i + 1) % 5 == 0; and `commit_every` says the same."""

    @flow.flow(world.db)
    async def run() -> None:
        for i in range(12):
            await world.load(i)
            if (i + 1) % 5 == 0:
                await world.check()

    await run()
    assert world.sent == ["BEGIN", "COMMIT"] * 3 and len(await world.ids()) == 12
    world.recorder.start_anew()

    @flow.flow(world.db)
    async def by_each() -> int:
        return await each(range(100, 112), world.load, commit_every=5)

    assert await by_each() == 12
    assert world.sent == ["BEGIN", "COMMIT"] * 3 and len(await world.ids()) == 24


async def test_b9_load_commit_load_is_a_commit_more_than_rows(world: AsyncWorld) -> None:
    """Load (tx), Commit (not), Load 2 (tx): N + 1 commits."""
    rows = 4

    @flow.flow(world.db)
    async def run() -> None:
        for key in range(rows):
            await world.load(key)
            await world.check()
            await world.load(-1 - key)

    report = (await run.run_async()).report
    assert world.sent == ["BEGIN", "COMMIT"] * (rows + 1)
    assert report.commits == rows + 1 and report.rollbacks == 0 and report.rows == 2 * rows
    assert report.stages["load"].calls == 2 * rows and report.stages["check"].calls == rows


async def test_b10_a_handler_that_returns_true_has_the_flow_go_on(world: AsyncWorld) -> None:
    """What the stage has written is undone, what others have is not."""
    heard: list[FlowError] = []

    async def handler(problem: FlowError) -> bool:
        heard.append(problem)
        return True

    @stage(tx=True, on_error=handler)
    async def doubled(key: int) -> None:
        await world.insert(key)
        await world.insert(1)

    @flow.flow(world.db)
    async def run() -> None:
        await doubled(0)  # the first: 1 is new
        assert await each([2, 3], doubled) == 2
        await world.load(4)

    await run()
    assert [problem.row_index for problem in heard] == [0, 1]
    assert heard[0].stage == "doubled" and heard[0].flow == "run"
    assert world.sent == ["BEGIN", "COMMIT"]
    assert await world.ids() == [0, 1, 4]


async def test_b10_of_the_first_stage_too(world: AsyncWorld) -> None:
    """Nothing was there before it: the transaction itself is begun again."""

    @stage(tx=True, on_error=lambda problem: True)
    async def failing() -> None:
        await world.insert(1)
        raise Wrong

    @flow.flow(world.db)
    async def run() -> None:
        await failing()
        await world.load(2)

    await run()
    assert await world.ids() == [2] and world.savepoints == []


async def test_b11_a_handler_that_returns_false_stops_and_rolls_back(world: AsyncWorld) -> None:
    """The message carries the reason."""

    @stage(tx=True, on_error=lambda problem: False)
    async def failing() -> None:
        await world.insert(2)
        raise Wrong("the reason")

    @flow.flow(world.db)
    async def run() -> None:
        await world.load(1)
        await failing()
        raise AssertionError("it went on")

    with pytest.raises(FlowError, match=r"flow run, stage failing: Wrong: the reason"):
        await run()
    assert world.sent == ["BEGIN", "ROLLBACK"] and await world.ids() == []


async def test_b12_no_transaction_where_the_branch_is_not_taken(world: AsyncWorld) -> None:
    """Only its stages are transactional."""

    @flow.flow(world.db)
    async def run(condition: bool) -> None:
        await world.check()
        if condition:
            await world.load(1)
            await world.load(2)

    await run(False)
    assert world.recorder.sent == []
    await run(True)
    assert world.sent == ["BEGIN", "COMMIT"] and await world.ids() == [1, 2]


async def test_b13_it_ends_with_the_last_stage_of_the_branch_taken(world: AsyncWorld) -> None:
    """A, B1, C1 are transactional: after C1, or after A."""

    @flow.flow(world.db)
    async def run(condition: bool) -> None:
        await world.load(1)
        if condition:
            await world.load(2)
            await world.load(3)
            assert await world.ids() == []
        else:
            await world.check()
            assert await world.ids() == [1]

    await run(True)
    assert world.sent == ["BEGIN", "COMMIT"] and await world.ids() == [1, 2, 3]
    await world.db.execute(f"DELETE FROM {TABLE}")
    world.recorder.start_anew()
    await run(False)
    assert world.sent == ["BEGIN", "COMMIT"] and await world.ids() == [1]


async def test_b15_a_shared_resource_is_opened_once_per_transaction(world: AsyncWorld) -> None:
    """At the first call; it takes part in the transaction with the methods that it has."""
    handles = AsyncHandles()
    files = resource("files", handles.open, shared=True)

    @stage(tx=True)
    async def write() -> None:
        async with files.use():
            pass

    @flow.flow(world.db)
    async def run(fails: bool) -> None:
        await world.load(1)
        assert handles.said() == []
        await write()
        await write()
        await world.check()
        await write()
        if fails:
            raise Wrong

    once = ["open", "begin", "commit", "close"]
    await run(False)
    assert handles.said() == once * 2
    await world.db.execute(f"DELETE FROM {TABLE}")
    handles.forget()
    with pytest.raises(FlowError):
        await run(True)
    assert handles.said() == [*once, "open", "begin", "rollback", "close"]


async def test_b16_a_resource_that_is_not_shared_is_opened_per_call(world: AsyncWorld) -> None:
    """And never told of transactions."""
    handles = AsyncHandles()
    http = resource("http", handles.open, shared=False)

    @stage(tx=True)
    async def call() -> None:
        await world.insert(len(handles.opened))
        async with http.use():
            pass

    @flow.flow(world.db)
    async def run() -> None:
        await call()
        await call()

    await run()
    assert handles.said() == ["open", "close"] * 2


async def test_b17_a_stage_can_be_marked_and_unmarked(world: AsyncWorld) -> None:
    """The same stage otherwise."""
    unmarked = world.load.marked(tx=False)
    marked = unmarked.marked(tx=True)
    assert (world.load.tx, unmarked.tx, marked.tx) == (True, False, True)

    @flow.flow(world.db)
    async def run(load: Any) -> None:
        await load(world.recorder.taken)
        await load(world.recorder.taken + 100)

    await run(unmarked)
    assert world.sent == [] and len(await world.ids()) == 2
    await run(marked)
    assert world.sent == ["BEGIN", "COMMIT"] and len(await world.ids()) == 4


async def test_b18_no_tx_keeps_begin_commit_and_rollback_from_it(world: AsyncWorld) -> None:
    """For the database and for resources; for as long as that transaction lasts."""
    handles = AsyncHandles()
    files = resource("files", handles.open)

    @stage(tx=True)
    async def apart(fails: bool) -> None:
        no_tx(world.db)
        no_tx(files)
        await world.insert(1)
        assert await world.ids() == [1]
        await world.db.execute_many(f"INSERT INTO {TABLE} VALUES (%s, %s)", [(2, "x"), (3, "x")])
        async with files.use():
            pass
        if fails:
            raise Wrong

    @flow.flow()
    async def run(fails: bool) -> None:
        await apart(fails)

    await run(False)
    assert world.sent == [] and handles.said() == ["open", "close"]
    await world.db.execute(f"DELETE FROM {TABLE}")
    with pytest.raises(FlowError):
        await run(True)
    assert world.sent == [] and handles.said() == ["open", "close"] * 2
    assert await world.ids() == [1, 2, 3]
    async with world.db.transaction():
        await world.insert(4)
    assert world.sent == ["BEGIN", "COMMIT"]


async def test_b19_no_tx_outside_a_transaction_raises(world: AsyncWorld) -> None:
    """Being inside a transactional stage counts as being in one."""
    with pytest.raises(InterfaceError, match="active transaction"):
        no_tx(world.db)

    @flow.flow(world.db)
    async def run() -> None:
        no_tx(world.db)

    with pytest.raises(FlowError, match="active transaction"):
        await run()


async def test_b20_no_tx_after_it_has_joined_raises(world: AsyncWorld) -> None:
    """The transaction fails with it."""
    handles = AsyncHandles()
    files = resource("files", handles.open)

    @stage(tx=True)
    async def late(participant: Any) -> None:
        await world.insert(1)
        async with files.use():
            pass
        no_tx(participant)

    for participant in (world.db, files):
        with pytest.raises(FlowError, match="takes part in the transaction already"):
            await late(participant)
    assert world.sent == ["BEGIN", "ROLLBACK"] * 2 and await world.ids() == []


async def test_b21_what_is_under_no_tx_is_not_locked(world: AsyncWorld, other: AsyncWorld) -> None:
    """While the transaction on another database is open."""

    @stage(tx=True)
    async def clone() -> None:
        no_tx(world.db)
        await other.insert(1)
        await world.insert(1)
        assert await world.ids() == [1] and await other.ids() == []
        assert world.db.in_use == 0 and other.db.in_use == 1
        await world.look(f"SELECT count(*) FROM {TABLE}")
        async with world.db.connection():
            pass

    await clone()
    assert other.sent == ["BEGIN", "COMMIT"] and world.sent == []
    assert await other.ids() == [1]
