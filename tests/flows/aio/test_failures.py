"""Whatever fails, and wherever: all or nothing, the connection is back in its pool, and the next one works."""

from __future__ import annotations

import gc
import time
from typing import Any

import pytest
from support.aio.flow_handles import AsyncHandles
from support.aio.flow_world import TABLE, AsyncWorld
from support.flow_testing import only, slow_statement

from skerry import flow
from skerry.flow import CommitIncomplete, FlowError, each, resource, stage
from skerry.flow.aio.primitives import sleep
from skerry_engine.errors import InterfaceError, InvalidTransactionState, TransactionTimeout


class Wrong(Exception):
    """What goes wrong."""


class Interruption(BaseException):
    """As Ctrl-C, but of the test."""


VERBS = ("BEGIN", "EXECUTE", "SAVEPOINT", "ROLLBACK TO", "RELEASE", "COMMIT", "ROLLBACK")


@pytest.mark.parametrize("kind", [Wrong, Interruption])
@pytest.mark.parametrize("verb", VERBS)
async def test_whatever_is_sent_may_fail(world: AsyncWorld, verb: str, kind: type[BaseException]) -> None:
    """Before it is sent, and after, when nobody knows."""

    @stage(tx=True, on_error=lambda problem: True)
    async def guarded(key: int) -> None:
        await world.insert(key)
        if key == 2:
            raise Wrong("of the stage")

    @flow.flow(world.db)
    async def run() -> None:
        await world.load(1)
        await guarded(2)
        await guarded(3)
        async with world.db.transaction():
            pass
        if verb == "ROLLBACK":
            raise Wrong("of the flow")

    for place in (world.recorder.before, world.recorder.after):
        world.recorder.start_anew()
        place[verb] = kind("injected")
        try:
            await run()
        except (FlowError, Interruption):
            pass
        assert not place, "it was not met"
        assert world.db.in_use == 0
        world.recorder.start_anew()
        ids = await world.ids()
        assert ids in ([], [1, 3], [1]), ids
        if ids:  # a handler had it go on, or the commit was sent and nobody knew
            assert verb in ("EXECUTE", "SAVEPOINT", "COMMIT", "RELEASE", "ROLLBACK TO")
        await world.db.execute(f"DELETE FROM {TABLE}")
        await world.load(9)
        assert await world.ids() == [9] and world.sent == ["BEGIN", "COMMIT"]
        await world.db.execute(f"DELETE FROM {TABLE}")


async def test_a_commit_that_fails_is_an_error(world: AsyncWorld) -> None:
    """And what had been written is gone; a failure without a message of its own, too."""
    world.recorder.before["COMMIT"] = Wrong()
    with pytest.raises(FlowError, match="flow load: Wrong") as caught:
        await world.load(1)
    assert caught.value.stage is None and await world.ids() == []
    world.recorder.before["COMMIT"] = Wrong()
    with pytest.raises(FlowError, match="flow each, row 1: Wrong"):
        await each([1, 2, 3], world.load, commit_every=2)
    assert await world.ids() == []


@only("postgres", "skerry-embedded", "skerry-network")
async def test_a_deferred_constraint_fails_the_commit(world: AsyncWorld) -> None:
    """It is checked at COMMIT."""
    await world.db.execute("DROP TABLE IF EXISTS flow_child")
    await world.db.execute(
        f"CREATE TABLE flow_child (id integer REFERENCES {TABLE} DEFERRABLE INITIALLY DEFERRED)"
    )
    world.recorder.start_anew()
    try:
        with pytest.raises(Exception, match="foreign key"):
            async with world.db.transaction():
                await world.insert(1)
                await world.db.execute("INSERT INTO flow_child VALUES (2)")
        assert world.db.in_use == 0 and await world.ids() == []
        async with world.db.transaction():
            await world.db.execute("INSERT INTO flow_child VALUES (2)")
            await world.insert(2)
    finally:
        await world.db.execute("DROP TABLE flow_child")


@only("postgres", "skerry")
async def test_a_serialization_failure_runs_the_stage_again(world: AsyncWorld) -> None:
    """As the first of its transaction it can; then the whole has begun anew."""
    await world.insert(1, "0")
    tries: list[int] = []

    @stage(tx=True, retries=3)
    async def count_up() -> None:
        tries.append(1)
        (text,) = (await world.db.execute(f"SELECT v FROM {TABLE} WHERE id = 1")).one()
        if len(tries) < 3:
            await other_session()
        await world.db.execute(f"UPDATE {TABLE} SET v = %s WHERE id = 1", (str(int(str(text)) + 1),))

    async def other_session() -> None:
        session = await world.db.connector.take()
        try:
            await session.execute(f"UPDATE {TABLE} SET v = '1{len(tries)}' WHERE id = 1", None)
        finally:
            await world.db.connector.give_back(session, True)

    @flow.flow(world.db)
    async def run() -> None:
        await count_up()

    report = (await run.run_async()).report
    assert len(tries) == 3 and report.stages["count_up"].retries == 2 and report.commits == 1
    assert await world.look(f"SELECT v FROM {TABLE}") == [("13",)]


# --- deadlines --------------------------------------------------------------------------------------------------


async def test_a_deadline_while_a_statement_runs(world: AsyncWorld) -> None:
    """The statement is cancelled where the driver has any way to; the connection is nobody's afterwards."""
    statement = slow_statement(world.db.dialect, world.name)
    started_s = time.monotonic()
    with pytest.raises(TransactionTimeout) as caught:
        async with world.db.transaction(timeout=0.15):
            await world.insert(1)
            await world.db.execute(statement)
    assert time.monotonic() - started_s < 5
    assert world.db.in_use == 0 and await world.ids() == []
    assert caught.value.sqlstate
    for key in (1, 2, 3):
        await world.load(key)
    assert await world.ids() == [1, 2, 3]


async def test_a_deadline_of_a_flow_holds_for_each_transaction(world: AsyncWorld) -> None:
    """The flow hears of one that passed while it did something else."""

    @flow.flow(world.db, timeout=0.15)
    async def run(waits: bool) -> None:
        for key in range(3):
            await world.load(key)
            await sleep(0.06)
            await world.check()
        await world.load(5)
        if waits:
            await sleep(0.25)

    await run(False)
    await world.db.execute(f"DELETE FROM {TABLE}")
    with pytest.raises(FlowError) as caught:
        await run(True)
    assert isinstance(caught.value.cause, TransactionTimeout)
    assert await world.ids() == [0, 1, 2]


async def test_a_deadline_while_it_commits(world: AsyncWorld) -> None:
    """It is committed, or it is not: never reported as the other."""

    async def dawdle() -> None:
        await sleep(0.12)

    world.recorder.before["COMMIT"] = dawdle
    try:
        async with world.db.transaction(timeout=0.05):
            await world.insert(1)
    except TransactionTimeout:
        assert await world.ids() == []
    else:
        assert await world.ids() == [1]
    assert world.db.in_use == 0
    await world.load(2)
    assert 2 in await world.ids()


# --- several in one transaction ---------------------------------------------------------------------------------


async def test_two_databases_in_one_transaction(world: AsyncWorld, other: AsyncWorld) -> None:
    """Two phases where both can; the flow's own commits last."""

    @stage(tx=True)
    async def both(key: int, fails: bool) -> None:
        await other.insert(key)
        await world.insert(key)
        if fails:
            raise Wrong

    @flow.flow(world.db)
    async def run(key: int, fails: bool = False) -> None:
        await both(key, fails)

    await run(1)
    assert other.sent == ["BEGIN", "PREPARE", "COMMIT PREPARED"] and world.sent == ["BEGIN", "COMMIT"]
    with pytest.raises(FlowError):
        await run(2, True)
    assert await world.ids() == await other.ids() == [1]
    for database in (world, other):
        for verb in ("PREPARE", "COMMIT") if database is other else ("COMMIT",):
            if verb == "COMMIT" and database is other:
                continue
            database.recorder.before[verb] = Wrong("can't")
            with pytest.raises(FlowError, match="can't"):
                await run(3)
            assert await world.ids() == await other.ids() == [1]
            assert world.db.in_use == other.db.in_use == 0
    other.recorder.before["COMMIT PREPARED"] = Wrong("gone")
    with pytest.raises(FlowError, match=f"{world.name} had committed already when other could not") as caught:
        await run(4)
    assert isinstance(caught.value.cause, CommitIncomplete)
    assert await world.ids() == [1, 4]
    assert world.db.in_use == other.db.in_use == 0


async def test_best_effort_says_who_has_committed(world: AsyncWorld) -> None:
    """Two resources without two phases."""
    handles = [AsyncHandles(), AsyncHandles()]
    names = ["first", "second"]
    both = [resource(name, each.open) for name, each in zip(names, handles, strict=True)]

    class Broken(Exception):
        """Of a commit."""

    async def fail() -> None:
        raise Broken

    with pytest.raises(CommitIncomplete, match="first had committed already when second") as caught:
        async with world.db.transaction():
            await world.insert(1)
            for each_one in both:
                async with each_one.use() as handle:
                    pass
            handle.commit = fail  # type: ignore[method-assign]
    assert isinstance(caught.value.__cause__, Broken)
    assert handles[0].said()[-2:] == ["commit", "close"] and handles[1].said()[-2:] == ["rollback", "close"]
    assert await world.ids() == []


async def test_a_resource_that_fails_to_open_or_begin(world: AsyncWorld) -> None:
    """Rolls the whole back, and is closed if it was opened."""
    handles = AsyncHandles()

    async def broken() -> Any:
        handle = await handles.open()
        handle.begin = fail  # type: ignore[method-assign]
        return handle

    async def fail() -> Any:
        raise Wrong

    for opening in (fail, broken):
        with pytest.raises(Wrong):
            async with world.db.transaction():
                await world.insert(1)
                async with resource("r", opening).use():
                    raise AssertionError("it was not there")
    assert handles.said() == ["open", "close"]
    assert await world.ids() == []


# --- losing it --------------------------------------------------------------------------------------------------


@only("postgres", "skerry-network", "skerry-sqlalchemy")
async def test_a_connection_that_dies_in_the_middle(world: AsyncWorld) -> None:
    """The error surfaces, nothing stays, and the pool does not hand out dead ones."""
    for _ in range(2):
        with pytest.raises(Exception, match=r"(?i)terminat|clos|connection|network|broken|EOF"):
            async with world.db.transaction():
                await world.insert(1)
                await kill(world)
                await world.insert(2)
                raise AssertionError("it lives")
        assert world.db.in_use == 0 and await world.ids() == []
        await world.load(7)
        await world.db.execute(f"DELETE FROM {TABLE}")


@only("postgres", "skerry-network", "skerry-sqlalchemy")
async def test_a_connection_that_dies_before_the_commit(world: AsyncWorld) -> None:
    """COMMIT is not taken for done."""
    with pytest.raises(Exception, match=r"(?i)terminat|clos|connection|network|broken|EOF"):
        async with world.db.transaction():
            await world.insert(1)
            await kill(world)
    assert world.db.in_use == 0 and await world.ids() == []


async def kill(world: AsyncWorld) -> None:
    """End the session of the transaction, from outside."""
    (pid,) = (await world.db.execute("SELECT pg_backend_pid()")).one()
    await world.look(f"SELECT pg_terminate_backend({pid})")
    await sleep(0.1)


async def test_a_forgotten_transaction_is_rolled_back(world: AsyncWorld) -> None:
    """With a warning."""
    tx: Any = await world.db.begin_transaction()
    await tx.use(
        world.db, lambda member: member.session.execute(f"INSERT INTO {TABLE} VALUES (1, 'x')", None)
    )
    assert world.db.in_use == 1
    with pytest.warns(ResourceWarning, match="forgotten"):
        del tx
        gc.collect()
    assert world.db.in_use == 0
    await sleep(0.02)
    assert await world.ids() == []
    await world.load(1)
    assert await world.ids() == [1]


# --- what is not meant to be ------------------------------------------------------------------------------------


async def test_ended_transactions_are_not_used(world: AsyncWorld) -> None:
    """Nor entered twice."""
    async with await world.db.begin_transaction() as tx:
        with pytest.raises(InvalidTransactionState, match="already"):
            await tx.__aenter__()
        await world.insert(1)
        depth = await tx.enter()
        with pytest.raises(InvalidTransactionState, match="nested blocks"):
            await tx.commit()
        assert depth == 1 and not tx.is_open
    assert await world.ids() == []
    with pytest.raises(InvalidTransactionState, match="finished"):
        await tx.__aenter__()


async def test_wrong_arguments(world: AsyncWorld) -> None:
    """Are told when flows and stages are made."""
    with pytest.raises(InterfaceError, match="takes the database"):
        flow.flow(world.load)
    for wrong in (-1,):
        with pytest.raises(InterfaceError, match="retries"):
            stage(tx=True, retries=wrong)(world.load.spec.function)
        with pytest.raises(InterfaceError, match="retries"):
            flow.flow(world.db, retries=wrong)(world.load.spec.function)
    with pytest.raises(InterfaceError, match="commit_every"):
        await each([1], world.load, commit_every=0)
    with pytest.raises(
        FlowError, match=r"stage load, row 1: .*(?i:placeholder|parameter|argument|integer|adapt)"
    ):
        await each([1, object()], world.load)  # type: ignore[list-item]
    assert await world.ids() == []
