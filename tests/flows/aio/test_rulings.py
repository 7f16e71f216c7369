"""The rulings of the semantics of flows, as far as they are the core's."""

from __future__ import annotations

from typing import Any

import pytest
from support.aio.flow_world import TABLE, AsyncWorld
from support.flow_testing import only

from skerry import flow
from skerry.flow import FlowError, ScopeState, each, stage
from skerry_engine.errors import InFailedTransaction, InterfaceError, InvalidTransactionState


class Wrong(Exception):
    """What goes wrong."""


async def test_who_commits_begin_transaction_without_commit_rolls_back(world: AsyncWorld) -> None:
    """By hand means by hand."""
    async with await world.db.begin_transaction() as tx:
        await world.insert(1)
    assert tx.state is ScopeState.ROLLED_BACK and world.sent == ["BEGIN", "ROLLBACK"]
    assert await world.ids() == []


async def test_who_commits_a_block_commits_on_a_clean_exit(world: AsyncWorld) -> None:
    """As a block and as a decorator, each call of which is one."""

    @world.db.transaction()
    async def work(key: int) -> int:
        """What it does."""
        await world.insert(key)
        if key > 2:
            raise Wrong
        return key

    assert [await work(1), await work(2)] == [1, 2] and work.__doc__ == "What it does."
    with pytest.raises(Wrong):
        await work(3)
    assert world.sent == ["BEGIN", "COMMIT"] * 2 + ["BEGIN", "ROLLBACK"]
    assert await world.ids() == [1, 2]


async def test_nesting_joins_with_a_savepoint_and_only_the_outermost_commits(world: AsyncWorld) -> None:
    """An inner failure that is caught undoes the inner part alone."""
    async with world.db.transaction():
        await world.insert(1)
        async with world.db.transaction():
            await world.insert(2)
            with pytest.raises(Wrong):
                async with world.db.transaction():
                    await world.insert(3)
                    raise Wrong
            with pytest.raises(Exception, match=r"(?i)unique|duplicate"):
                async with world.db.transaction():
                    await world.insert(1)
        assert await world.ids() == []
        async with world.db.transaction():
            pass
    assert world.sent == ["BEGIN", "COMMIT"]
    assert world.savepoints.count("SAVEPOINT") == 3  # an empty block sends nothing
    assert await world.ids() == [1, 2]


async def test_nesting_without_savepoint_dooms_the_whole(world: AsyncWorld) -> None:
    """Whoever catches it cannot commit half of it."""
    with pytest.raises(InFailedTransaction, match="part of it failed"):
        async with world.db.transaction():
            await world.insert(1)
            with pytest.raises(Wrong):
                async with world.db.transaction(savepoint=False):
                    await world.insert(2)
                    raise Wrong
            with pytest.raises(InFailedTransaction):
                await world.insert(3)
    assert world.sent == ["BEGIN", "ROLLBACK"] and world.savepoints == [] and await world.ids() == []


async def test_nesting_of_other_modes_is_an_error(world: AsyncWorld) -> None:
    """Of a level, and of a timeout of its own; the same level is none."""
    async with world.db.transaction("serializable"):
        async with world.db.transaction("SERIALIZABLE"):
            await world.insert(1)
        async with world.db.transaction():
            await world.insert(2)
        with pytest.raises(InvalidTransactionState, match="can't join"):
            async with world.db.transaction("read committed"):
                pass
        with pytest.raises(InvalidTransactionState, match="timeout"):
            async with world.db.transaction(timeout=1):
                pass

        @flow.flow(world.db, isolation="snapshot")
        async def inner() -> None:
            """It does nothing."""

        with pytest.raises(InvalidTransactionState, match="can't join"):
            await inner()
    assert await world.ids() == [1, 2]


async def test_a_stage_that_fails_without_a_handler_dooms_its_transaction(world: AsyncWorld) -> None:
    """A flow that catches the exception does not commit the stage's half."""

    @stage(tx=True)
    async def failing() -> None:
        await world.insert(2)
        raise Wrong

    @flow.flow(world.db)
    async def run() -> None:
        await world.load(1)
        with pytest.raises(FlowError):
            await failing()

    with pytest.raises(FlowError, match="part of it failed"):
        await run()
    assert await world.ids() == []


async def test_what_dooms_inside_a_guarded_stage_is_undone_with_it(world: AsyncWorld) -> None:
    """The inner stage has no handler, the outer one has."""

    @stage(tx=True)
    async def inner(key: int) -> None:
        await world.insert(key)
        raise Wrong

    @stage(tx=True, on_error=lambda problem: True)
    async def outer(key: int) -> None:
        await world.insert(key + 100)
        await inner(key)

    @flow.flow(world.db)
    async def run() -> None:
        await outer(1)  # nothing was there: all is begun anew
        await world.load(5)
        await outer(2)  # a savepoint

    await run()
    assert await world.ids() == [5]


async def test_an_inner_flow_that_fails_is_undone(world: AsyncWorld) -> None:
    """Whether the outer one had a transaction open or not."""

    @flow.flow(world.db)
    async def inner(key: int) -> None:
        await world.load(key)
        raise Wrong

    @flow.flow(world.db)
    async def outer() -> None:
        with pytest.raises(FlowError):
            await inner(1)
        await world.load(2)
        with pytest.raises(FlowError):
            await inner(3)
        await world.load(4)

    await outer()
    assert await world.ids() == [2, 4]


async def test_handler_says_continue_after_the_partial_writes_are_undone(world: AsyncWorld) -> None:
    """The handler is part of the transaction: it sees what is left, and what it writes stays with the rest."""
    seen: list[int] = []

    async def handler(problem: FlowError) -> bool:
        result = await world.db.execute(f"SELECT id FROM {TABLE}")
        seen.extend(row[0] for row in result)  # type: ignore[misc]
        await world.load(10)
        return True

    @stage(tx=True, on_error=handler)
    async def failing() -> None:
        await world.insert(2)
        raise Wrong

    @flow.flow(world.db)
    async def run() -> None:
        await world.load(1)
        await failing()
        assert await world.ids() == []

    await run()
    assert seen == [1] and await world.ids() == [1, 10] and world.commits == 1


async def test_a_handler_that_fails_rolls_back(world: AsyncWorld) -> None:
    """What it raises goes on, with what the stage raised."""

    async def handler(problem: FlowError) -> bool:
        raise ValueError("of the handler")

    @stage(tx=True, on_error=handler)
    async def failing() -> None:
        await world.insert(2)
        raise Wrong

    @flow.flow(world.db)
    async def run() -> None:
        await world.load(1)
        await failing()

    with pytest.raises(FlowError, match="stage failing: ValueError: of the handler"):
        await run()
    assert await world.ids() == []


async def test_inner_flows_see_what_the_outer_has_not_committed(world: AsyncWorld) -> None:
    """They are the same transaction."""

    @stage(tx=True)
    async def count() -> object:
        return (await world.db.execute(f"SELECT count(*) FROM {TABLE}")).scalar()

    @flow.flow(world.db)
    async def inner() -> object:
        return await count()

    @flow.flow(world.db)
    async def outer() -> object:
        await world.load(1)
        return await inner()

    assert await outer() == 1


async def test_commit_helpers_are_no_generators(world: AsyncWorld) -> None:
    """An exception in the loop's body would never reach them."""

    async def rows() -> Any:
        yield 1

    def more() -> Any:
        yield 1

    for wrong in (rows, more):
        with pytest.raises(InterfaceError, match="generator"):
            stage(wrong)
        with pytest.raises(InterfaceError, match="generator"):
            flow.flow(world.db)(wrong)
    with pytest.raises(InterfaceError, match="generator"):
        world.db.transaction()(more)


async def test_sql_that_ends_a_transaction_is_refused(world: AsyncWorld) -> None:
    """In a transaction and outside; savepoints of one's own are not."""
    for text in (
        "COMMIT",
        " rollback;",
        "BEGIN",
        "End",
        "START TRANSACTION",
        "ABORT",
        "PREPARE TRANSACTION 'x'",
    ):
        with pytest.raises(InterfaceError, match="transactions of flows"):
            await world.db.execute(text)
    async with world.db.transaction():
        await world.insert(1)
        await world.db.execute("SAVEPOINT mine")
        await world.insert(2)
        await world.db.execute("ROLLBACK TO SAVEPOINT mine")
        with pytest.raises(InterfaceError):
            await world.db.execute("COMMIT")
        await world.insert(3)
    assert await world.ids() == [1, 3]


@only("postgres", "skerry")
async def test_a_statement_after_a_caught_error_fails_and_so_does_the_commit(world: AsyncWorld) -> None:
    """A failed transaction is never reported as committed; a nested block would have saved it."""
    for goes_on in (True, False):
        with pytest.raises(Exception, match=r"(?i)abort|failed|current transaction"):
            async with world.db.transaction():
                await world.insert(1)
                with pytest.raises(Exception, match=r"(?i)unique|duplicate"):
                    await world.insert(1)
                if goes_on:
                    await world.insert(2)
        assert await world.ids() == []


async def test_hooks_are_called_once_it_is_decided(world: AsyncWorld) -> None:
    """Those of an undone block are forgotten; before_commit belongs to the transaction."""
    told: list[str] = []

    async def last() -> None:
        await world.insert(9)
        told.append("before")

    async def after() -> None:
        told.append(f"committed {await world.ids()}")

    async with world.db.transaction() as tx:
        tx.before_commit(last)
        tx.on_commit(after)
        tx.on_rollback(lambda: told.append("rolled back"))
        await world.insert(1)
        with pytest.raises(Wrong):
            async with world.db.transaction() as inner:
                inner.on_commit(lambda: told.append("never"))
                inner.on_rollback(lambda: told.append("inner rolled back"))
                await world.insert(2)
                raise Wrong
    assert told == ["inner rolled back", "before", "committed [1, 9]"]
    told.clear()
    with pytest.raises(Wrong):
        async with world.db.transaction() as tx:
            tx.on_rollback(lambda: told.append("rolled back"))
            tx.on_commit(after)
            await world.insert(2)
            raise Wrong
    assert told == ["rolled back"]


async def test_hooks_that_fail(world: AsyncWorld) -> None:
    """Before the commit it is prevented; after it it is told; of a rollback it hides nothing."""

    def fail() -> None:
        raise ValueError("of the hook")

    with pytest.raises(ValueError, match="of the hook"):
        async with world.db.transaction() as tx:
            tx.before_commit(fail)
            await world.insert(1)
    assert await world.ids() == []
    with pytest.raises(ValueError, match="of the hook"):
        async with world.db.transaction() as tx:
            tx.on_commit(fail)
            await world.insert(1)
    assert await world.ids() == [1]
    with pytest.raises(Wrong) as caught:
        async with world.db.transaction() as tx:
            tx.on_rollback(fail)
            await world.insert(2)
            raise Wrong
    assert "of the hook" in caught.value.__notes__[0]
    assert await world.ids() == [1]


async def test_stages_that_are_methods(world: AsyncWorld) -> None:
    """And flows."""

    class Loader:
        def __init__(self, start: int) -> None:
            self.start = start

        @stage(tx=True)
        async def load(self, key: int) -> int:
            await world.insert(self.start + key)
            return self.start + key

        @flow.flow(world.db)
        async def run(self, keys: list[int]) -> int:
            assert await self.load(0) == self.start
            return await each(keys, self.load)

    assert await Loader(10).run([1, 2]) == 2
    assert world.sent == ["BEGIN", "COMMIT"] and await world.ids() == [10, 11, 12]
    assert (await Loader(20).run.run_async([1])).report.stages["load"].calls == 2


async def test_a_stage_is_tried_again(world: AsyncWorld) -> None:
    """Undone first, whether it is the first or others were before."""
    attempts: list[int] = []

    @stage(tx=True, retries=2, retry_on=(Wrong,))
    async def flaky(key: int) -> str:
        attempts.append(key)
        await world.insert(key)
        if len(attempts) % 3:
            raise Wrong
        return "done"

    @flow.flow(world.db)
    async def run() -> None:
        assert await flaky(1) == "done"
        assert await flaky(2) == "done"

    report = (await run.run_async()).report
    assert attempts == [1, 1, 1, 2, 2, 2] and report.stages["flaky"].retries == 4
    assert await world.ids() == [1, 2] and world.commits == 1
    attempts.clear()
    with pytest.raises(FlowError, match="Wrong"):
        await each([5], stage(tx=True, retries=1, retry_on=(Wrong,))(flaky.spec.function))
    assert await world.ids() == [1, 2]


async def test_a_flow_is_run_again_only_if_nothing_was_committed(world: AsyncWorld) -> None:
    """By it, or by a statement of it."""
    runs: list[str] = []

    @flow.flow(world.db, retries=2)
    async def run(how: str) -> str:
        runs.append(how)
        await world.load(len(runs) * 10)
        if how == "commits":
            await world.check()
        if len(runs) < 3:
            raise Retryable
        return "done"

    assert await run("plain") == "done" and runs == ["plain"] * 3
    assert await world.ids() == [30]
    runs.clear()
    with pytest.raises(FlowError) as caught:
        await run("commits")
    assert runs == ["commits"] and caught.value.is_retryable
    runs.clear()

    @flow.flow(world.db, retries=2)
    async def alone() -> None:
        runs.append("alone")
        await world.insert(len(runs))
        raise Retryable

    with pytest.raises(FlowError):
        await alone()
    assert runs == ["alone"]


class Retryable(Exception):
    """As a driver says that two transactions were in each other's way."""

    sqlstate = "40001"
