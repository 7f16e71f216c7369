"""Rows a of the semantics of flows, as far as they are the core's: connections and transaction scopes.

Where rows speak of nodes, stages and statements are meant here; the nodes themselves are tested beside the builder.
"""

from __future__ import annotations

import time
from typing import Any

import pytest
from support.aio.flow_world import TABLE, AsyncWorld
from support.flow_testing import only

from skerry import flow
from skerry.flow import FlowError, ScopeState, current_scope, stage
from skerry.flow.aio.primitives import sleep
from skerry_engine.errors import (
    InterfaceError,
    InvalidTransactionState,
    TransactionTimeout,
)


class Wrong(Exception):
    """What goes wrong."""


async def test_a1_without_a_scope_what_was_done_before_a_failure_stays(world: AsyncWorld) -> None:
    """Stages that are not transactional, and statements in a flow's body."""

    @stage
    async def create(key: int, fails: bool) -> None:
        await world.insert(key)
        if fails:
            raise Wrong

    @flow.flow(world.db)
    async def run() -> None:
        await create(1, False)
        await world.insert(2)
        await create(3, True)

    with pytest.raises(FlowError, match="flow run, stage create: Wrong"):
        await run()
    assert await world.ids() == [1, 2, 3] and world.sent == []


async def test_a2_without_a_scope_each_takes_its_own_connection(world: AsyncWorld) -> None:
    """And gives it back."""

    @flow.flow(world.db)
    async def run() -> None:
        for key in (1, 2):
            await world.load.marked(False)(key)
            assert world.db.in_use == 0 and world.recorder.taken == key

    await run()


async def test_a3_without_a_scope_others_see_a_row_before_the_next_begins(world: AsyncWorld) -> None:
    """Each commits by itself."""

    @flow.flow(world.db)
    async def run() -> None:
        for key in (1, 2, 3):
            await world.load.marked(False)(key)
            assert len(await world.ids()) == key

    await run()


async def test_a4_without_a_scope_nothing_is_held_between(world: AsyncWorld) -> None:
    """Not even after an error."""
    await world.insert(1)
    assert world.db.in_use == 0
    with pytest.raises(Exception, match=r"(?i)unique|duplicate"):
        await world.insert(1)
    assert world.db.in_use == 0
    async with world.db.connection() as connection:
        assert connection is not None and world.db.in_use == 1
    await world.insert(2)
    assert await world.ids() == [1, 2]


async def test_a5_a_failure_inside_a_scope_leaves_no_row(world: AsyncWorld) -> None:
    """The error surfaces as it is, the connection is back."""
    with pytest.raises(Wrong):
        async with world.db.transaction():
            await world.insert(1)
            await world.db.execute_many(f"INSERT INTO {TABLE} VALUES (%s, %s)", [(2, "x"), (3, "x")])
            raise Wrong
    assert world.sent == ["BEGIN", "ROLLBACK"] and world.db.in_use == 0
    assert await world.ids() == []
    with pytest.raises(Exception, match=r"(?i)unique|duplicate"):
        async with world.db.transaction():
            await world.insert(1)
            await world.insert(1)
    assert await world.ids() == []


async def test_a6_inside_a_scope_there_is_one_connection_and_transaction(world: AsyncWorld) -> None:
    """Whoever asks."""

    @stage(tx=True)
    async def report() -> tuple[Any, Any]:
        async with world.db.connection() as connection:
            return connection, current_scope()

    async with world.db.transaction() as tx:
        first = await report()
        await world.insert(1)
        second = await report()
        assert first[0] is second[0] and first[1] is second[1] is tx
    assert world.recorder.taken == 1


async def test_a7_others_see_nothing_before_the_commit_and_all_after(world: AsyncWorld) -> None:
    """While the transaction sees its own."""
    async with world.db.transaction():
        await world.insert(1)
        await world.insert(2)
        assert (await world.db.execute(f"SELECT count(*) FROM {TABLE}")).scalar() == 2
        assert await world.ids() == []
    assert await world.ids() == [1, 2]


async def test_a8_commit_and_rollback_by_hand(world: AsyncWorld) -> None:
    """Each ends the transaction and gives the connection back."""
    async with await world.db.begin_transaction() as tx:
        await world.insert(1)
        await tx.commit()
        assert world.db.in_use == 0 and tx.state is ScopeState.COMMITTED
    async with await world.db.begin_transaction() as tx:
        await world.insert(2)
        await tx.rollback()
        assert world.db.in_use == 0 and tx.state is ScopeState.ROLLED_BACK
        with pytest.raises(InvalidTransactionState, match="finished: rolled back"):
            await world.insert(3)
        with pytest.raises(InvalidTransactionState, match="finished: rolled back"):
            await tx.commit()
    assert world.sent == ["BEGIN", "COMMIT", "BEGIN", "ROLLBACK"]
    assert await world.ids() == [1]


@only("postgres", "skerry")
async def test_a9_isolation_and_access_are_in_force(world: AsyncWorld) -> None:
    """And not for whoever has the connection next."""
    show = "SELECT current_setting('transaction_isolation'), current_setting('transaction_read_only')"
    before = (await world.db.execute(show)).one()
    for name, told in (
        ("READ_COMMITTED", "read committed"),
        ("serializable", "serializable"),
        ("Repeatable-Read", "repeatable read"),
        ("snapshot", "repeatable read"),
    ):
        async with world.db.transaction(name):
            assert (await world.db.execute(show)).one() == (told, "off")
    async with world.db.transaction(read_only=True):
        assert (await world.db.execute(show)).one() == ("repeatable read", "on")
    block = world.db.transaction("serializable", read_only=True, deferrable=True)
    with pytest.raises(Exception, match="read-only transaction"):
        async with block:
            await world.insert(1)
    assert (await world.db.execute(show)).one() == before
    async with world.db.transaction():
        assert (await world.db.execute(show)).one() == ("repeatable read", "off")

    @flow.flow(world.db, isolation="read committed")
    async def run() -> None:
        assert (await level()) == "read committed"

    @stage(tx=True)
    async def level() -> object:
        return (await world.db.execute("SHOW transaction_isolation")).scalar()

    await run()


async def test_a9_an_unknown_level_is_an_error(world: AsyncWorld) -> None:
    """Before anything is sent."""
    for wrong in ("BANANA", "", 3):
        with pytest.raises(InterfaceError, match="unknown isolation level"):
            world.db.transaction(wrong)  # type: ignore[arg-type]
        with pytest.raises(InterfaceError, match="unknown isolation level"):
            await world.db.begin_transaction(wrong)  # type: ignore[arg-type]
        with pytest.raises(InterfaceError, match="unknown isolation level"):
            flow.flow(world.db, isolation=wrong)  # type: ignore[arg-type]
    for number in (0, -1.0, float("nan")):
        with pytest.raises(InterfaceError, match="timeout"):
            world.db.transaction(timeout=number)
    assert world.recorder.sent == []


async def test_a9_a_timeout_is_in_force(world: AsyncWorld) -> None:
    """Even while nothing happens; what is freed is free before the next statement."""
    with pytest.raises(TransactionTimeout, match=r"longer than 0\.05 s"):
        async with world.db.transaction(timeout=0.05):
            await world.insert(1)
            await wait_until(lambda: world.db.in_use == 0)
            await world.insert(2)
    assert world.sent == ["BEGIN", "ROLLBACK"] and await world.ids() == []


async def test_a9_rollback_on_error_false_leaves_it_open_for_a_handler(world: AsyncWorld) -> None:
    """Who may commit it; the flow's end rolls back otherwise."""

    @flow.flow(world.db)
    async def run(commits: bool) -> None:
        try:
            async with world.db.transaction(rollback_on_error=False) as tx:
                await world.insert(1)
                raise Wrong
        except Wrong:
            assert tx.is_open and world.db.in_use == 1
            if commits:
                await tx.commit()

    await run(False)
    assert world.sent == ["BEGIN", "ROLLBACK"] and await world.ids() == []
    await run(True)
    assert world.sent[2:] == ["BEGIN", "COMMIT"] and await world.ids() == [1]
    with pytest.raises(InterfaceError, match="needs a flow around it"):
        await world.db.transaction(rollback_on_error=False).__aenter__()


async def test_a11_the_transaction_is_found_without_being_handed_on(world: AsyncWorld) -> None:
    """However deep."""

    async def deep(levels: int) -> None:
        if levels:
            await deep(levels - 1)
        else:
            await world.insert(1)

    async with world.db.transaction():
        await deep(5)
        assert await world.ids() == []
    assert current_scope() is None and await world.ids() == [1]


async def test_a17_a_single_operation_is_atomic_by_itself(world: AsyncWorld) -> None:
    """Of many rows the third is there already: none stays."""
    await world.insert(3)
    rows = [(key, "x") for key in (1, 2, 3, 4)]
    with pytest.raises(Exception, match=r"(?i)unique|duplicate"):
        await world.db.execute_many(f"INSERT INTO {TABLE} VALUES (%s, %s)", rows)
    assert world.sent == ["BEGIN", "ROLLBACK"] and await world.ids() == [3]
    await world.db.execute_many(f"INSERT INTO {TABLE} VALUES (%s, %s)", rows[:2])
    assert await world.ids() == [1, 2, 3]
    assert await world.db.execute_many(f"INSERT INTO {TABLE} VALUES (%s, %s)", []) == 0


async def wait_until(condition: Any) -> None:
    """For what happens in another thread or task."""
    deadline_s = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline_s, "it did not happen"
        await sleep(0.005)
