"""Rows a of the semantics of flows, as far as they are the core's: connections and transaction scopes.

Where rows speak of nodes, stages and statements are meant here; the nodes themselves are tested beside the builder.

Generated from aio/test_rows_a_scopes.py by driver/unasync.py: change that one.
"""

from __future__ import annotations

import time
from typing import Any

import pytest
from support.flow_testing import only
from support.flow_world import TABLE, World

from skerry import flow
from skerry.flow import FlowError, ScopeState, current_scope, stage
from skerry.flow.primitives import sleep
from skerry_engine.errors import (
    InterfaceError,
    InvalidTransactionState,
    TransactionTimeout,
)


class Wrong(Exception):
    """What goes wrong."""


def test_a1_without_a_scope_what_was_done_before_a_failure_stays(world: World) -> None:
    """Stages that are not transactional, and statements in a flow's body."""

    @stage
    def create(key: int, fails: bool) -> None:
        world.insert(key)
        if fails:
            raise Wrong

    @flow.flow(world.db)
    def run() -> None:
        create(1, False)
        world.insert(2)
        create(3, True)

    with pytest.raises(FlowError, match="flow run, stage create: Wrong"):
        run()
    assert world.ids() == [1, 2, 3] and world.sent == []


def test_a2_without_a_scope_each_takes_its_own_connection(world: World) -> None:
    """And gives it back."""

    @flow.flow(world.db)
    def run() -> None:
        for key in (1, 2):
            world.load.marked(False)(key)
            assert world.db.in_use == 0 and world.recorder.taken == key

    run()


def test_a3_without_a_scope_others_see_a_row_before_the_next_begins(world: World) -> None:
    """Each commits by itself."""

    @flow.flow(world.db)
    def run() -> None:
        for key in (1, 2, 3):
            world.load.marked(False)(key)
            assert len(world.ids()) == key

    run()


def test_a4_without_a_scope_nothing_is_held_between(world: World) -> None:
    """Not even after an error."""
    world.insert(1)
    assert world.db.in_use == 0
    with pytest.raises(Exception, match=r"(?i)unique|duplicate"):
        world.insert(1)
    assert world.db.in_use == 0
    with world.db.connection() as connection:
        assert connection is not None and world.db.in_use == 1
    world.insert(2)
    assert world.ids() == [1, 2]


def test_a5_a_failure_inside_a_scope_leaves_no_row(world: World) -> None:
    """The error surfaces as it is, the connection is back."""
    with pytest.raises(Wrong):
        with world.db.transaction():
            world.insert(1)
            world.db.execute_many(f"INSERT INTO {TABLE} VALUES (%s, %s)", [(2, "x"), (3, "x")])
            raise Wrong
    assert world.sent == ["BEGIN", "ROLLBACK"] and world.db.in_use == 0
    assert world.ids() == []
    with pytest.raises(Exception, match=r"(?i)unique|duplicate"):
        with world.db.transaction():
            world.insert(1)
            world.insert(1)
    assert world.ids() == []


def test_a6_inside_a_scope_there_is_one_connection_and_transaction(world: World) -> None:
    """Whoever asks."""

    @stage(tx=True)
    def report() -> tuple[Any, Any]:
        with world.db.connection() as connection:
            return connection, current_scope()

    with world.db.transaction() as tx:
        first = report()
        world.insert(1)
        second = report()
        assert first[0] is second[0] and first[1] is second[1] is tx
    assert world.recorder.taken == 1


def test_a7_others_see_nothing_before_the_commit_and_all_after(world: World) -> None:
    """While the transaction sees its own."""
    with world.db.transaction():
        world.insert(1)
        world.insert(2)
        assert (world.db.execute(f"SELECT count(*) FROM {TABLE}")).scalar() == 2
        assert world.ids() == []
    assert world.ids() == [1, 2]


def test_a8_commit_and_rollback_by_hand(world: World) -> None:
    """Each ends the transaction and gives the connection back."""
    with world.db.begin_transaction() as tx:
        world.insert(1)
        tx.commit()
        assert world.db.in_use == 0 and tx.state is ScopeState.COMMITTED
    with world.db.begin_transaction() as tx:
        world.insert(2)
        tx.rollback()
        assert world.db.in_use == 0 and tx.state is ScopeState.ROLLED_BACK
        with pytest.raises(InvalidTransactionState, match="finished: rolled back"):
            world.insert(3)
        with pytest.raises(InvalidTransactionState, match="finished: rolled back"):
            tx.commit()
    assert world.sent == ["BEGIN", "COMMIT", "BEGIN", "ROLLBACK"]
    assert world.ids() == [1]


@only("postgres", "skerry")
def test_a9_isolation_and_access_are_in_force(world: World) -> None:
    """And not for whoever has the connection next."""
    show = "SELECT current_setting('transaction_isolation'), current_setting('transaction_read_only')"
    before = (world.db.execute(show)).one()
    for name, told in (
        ("READ_COMMITTED", "read committed"),
        ("serializable", "serializable"),
        ("Repeatable-Read", "repeatable read"),
        ("snapshot", "repeatable read"),
    ):
        with world.db.transaction(name):
            assert (world.db.execute(show)).one() == (told, "off")
    with world.db.transaction(read_only=True):
        assert (world.db.execute(show)).one() == ("repeatable read", "on")
    block = world.db.transaction("serializable", read_only=True, deferrable=True)
    with pytest.raises(Exception, match="read-only transaction"):
        with block:
            world.insert(1)
    assert (world.db.execute(show)).one() == before
    with world.db.transaction():
        assert (world.db.execute(show)).one() == ("repeatable read", "off")

    @flow.flow(world.db, isolation="read committed")
    def run() -> None:
        assert (level()) == "read committed"

    @stage(tx=True)
    def level() -> object:
        return (world.db.execute("SHOW transaction_isolation")).scalar()

    run()


def test_a9_an_unknown_level_is_an_error(world: World) -> None:
    """Before anything is sent."""
    for wrong in ("BANANA", "", 3):
        with pytest.raises(InterfaceError, match="unknown isolation level"):
            world.db.transaction(wrong)  # type: ignore[arg-type]
        with pytest.raises(InterfaceError, match="unknown isolation level"):
            world.db.begin_transaction(wrong)  # type: ignore[arg-type]
        with pytest.raises(InterfaceError, match="unknown isolation level"):
            flow.flow(world.db, isolation=wrong)  # type: ignore[arg-type]
    for number in (0, -1.0, float("nan")):
        with pytest.raises(InterfaceError, match="timeout"):
            world.db.transaction(timeout=number)
    assert world.recorder.sent == []


def test_a9_a_timeout_is_in_force(world: World) -> None:
    """Even while nothing happens; what is freed is free before the next statement."""
    with pytest.raises(TransactionTimeout, match=r"longer than 0\.05 s"):
        with world.db.transaction(timeout=0.05):
            world.insert(1)
            wait_until(lambda: world.db.in_use == 0)
            world.insert(2)
    assert world.sent == ["BEGIN", "ROLLBACK"] and world.ids() == []


def test_a9_rollback_on_error_false_leaves_it_open_for_a_handler(world: World) -> None:
    """Who may commit it; the flow's end rolls back otherwise."""

    @flow.flow(world.db)
    def run(commits: bool) -> None:
        try:
            with world.db.transaction(rollback_on_error=False) as tx:
                world.insert(1)
                raise Wrong
        except Wrong:
            assert tx.is_open and world.db.in_use == 1
            if commits:
                tx.commit()

    run(False)
    assert world.sent == ["BEGIN", "ROLLBACK"] and world.ids() == []
    run(True)
    assert world.sent[2:] == ["BEGIN", "COMMIT"] and world.ids() == [1]
    with pytest.raises(InterfaceError, match="needs a flow around it"):
        world.db.transaction(rollback_on_error=False).__enter__()


def test_a11_the_transaction_is_found_without_being_handed_on(world: World) -> None:
    """However deep."""

    def deep(levels: int) -> None:
        if levels:
            deep(levels - 1)
        else:
            world.insert(1)

    with world.db.transaction():
        deep(5)
        assert world.ids() == []
    assert current_scope() is None and world.ids() == [1]


def test_a17_a_single_operation_is_atomic_by_itself(world: World) -> None:
    """Of many rows the third is there already: none stays."""
    world.insert(3)
    rows = [(key, "x") for key in (1, 2, 3, 4)]
    with pytest.raises(Exception, match=r"(?i)unique|duplicate"):
        world.db.execute_many(f"INSERT INTO {TABLE} VALUES (%s, %s)", rows)
    assert world.sent == ["BEGIN", "ROLLBACK"] and world.ids() == [3]
    world.db.execute_many(f"INSERT INTO {TABLE} VALUES (%s, %s)", rows[:2])
    assert world.ids() == [1, 2, 3]
    assert world.db.execute_many(f"INSERT INTO {TABLE} VALUES (%s, %s)", []) == 0


def wait_until(condition: Any) -> None:
    """For what happens in another thread or task."""
    deadline_s = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline_s, "it did not happen"
        sleep(0.005)
