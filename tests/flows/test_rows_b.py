"""Rows b of the semantics of flows: stages.

Generated from aio/test_rows_b.py by driver/unasync.py: change that one.
"""

from __future__ import annotations

from typing import Any

import pytest
from support.flow_handles import Handles
from support.flow_world import TABLE, World

from skerry import flow
from skerry.flow import FlowError, each, no_tx, resource, stage
from skerry_engine.errors import InterfaceError


class Wrong(Exception):
    """What goes wrong."""


def test_b1_a_stage_that_asks_for_no_connection_begins_nothing(world: World) -> None:
    """The first request begins."""

    @stage(tx=True)
    def idle() -> None:
        assert flow.current_scope() is not None

    @flow.flow(world.db)
    def run(loads: bool) -> None:
        idle()
        assert world.recorder.sent == [] and world.db.in_use == 0
        if loads:
            world.load(1)
            assert world.recorder.sent == ["BEGIN", "EXECUTE"]

    run(False)
    assert world.recorder.sent == [] and world.recorder.taken == 0
    run(True)
    assert world.sent == ["BEGIN", "COMMIT"]


def test_b2_consecutive_transactional_stages_are_one_transaction(world: World) -> None:
    """One BEGIN, one COMMIT, one connection."""

    @flow.flow(world.db)
    def run() -> None:
        world.load(1)
        world.load(2)
        assert world.ids() == []

    run()
    assert world.recorder.sent == ["BEGIN", "EXECUTE", "EXECUTE", "COMMIT"] and world.recorder.taken == 1
    assert world.ids() == [1, 2]


def test_b3_commit_after_the_last_one_and_rollback_on_error(world: World) -> None:
    """After the last transactional stage, or at the flow's end."""

    @flow.flow(world.db)
    def run(fails: bool) -> None:
        world.load(1)
        world.check()
        assert world.ids() == [1] and world.db.in_use == 0
        world.load(2)
        if fails:
            raise Wrong("why")

    with pytest.raises(FlowError, match=r"flow run: Wrong: why") as caught:
        run(True)
    assert isinstance(caught.value.cause, Wrong) and caught.value.__cause__ is caught.value.cause
    assert world.sent == ["BEGIN", "COMMIT", "BEGIN", "ROLLBACK"]
    assert world.ids() == [1]
    world.db.execute(f"DELETE FROM {TABLE}")
    run(False)
    assert world.ids() == [1, 2]


def test_b4_an_inner_flow_shares_transaction_and_resource(world: World) -> None:
    """It is run by a transactional stage."""
    handles = Handles()
    files = resource("files", handles.open)

    @flow.flow(world.db)
    def inner() -> None:
        assert flow.current_scope() is scopes[0]
        world.load(2)
        world.check()
        with files.use() as handle:
            assert handle is handles.opened[0]

    @stage(tx=True)
    def outer_stage() -> None:
        scopes.append(flow.current_scope())
        world.load(1)
        with files.use():
            pass
        inner()

    scopes: list[Any] = []

    @flow.flow(world.db)
    def outer() -> None:
        outer_stage()

    outer()
    if world.recorder.is_two_phase:
        assert world.sent == ["BEGIN", "PREPARE", "COMMIT PREPARED"]
    else:
        assert world.sent == ["BEGIN", "COMMIT"]
    assert world.recorder.taken == 1
    assert handles.said() == ["open", "begin", "savepoint", "release_savepoint", "commit", "close"]
    assert world.ids() == [1, 2]


def test_b5_the_end_of_an_inner_flow_closes_nothing(world: World) -> None:
    """The outer one closes."""

    @flow.flow()
    def inner() -> None:
        world.load(2)

    @flow.flow(world.db)
    def outer(fails: bool) -> None:
        world.load(1)
        inner()
        assert world.sent[-1] == "BEGIN" and world.db.in_use == 1
        assert world.ids() == []
        if fails:
            raise Wrong

    with pytest.raises(FlowError):
        outer(True)
    assert world.sent == ["BEGIN", "ROLLBACK"] and world.ids() == []
    outer(False)
    assert world.sent == ["BEGIN", "ROLLBACK", "BEGIN", "COMMIT"] and world.ids() == [1, 2]


@pytest.mark.parametrize("is_source_tx", [False, True])
def test_b6_a_loop_of_transactional_stages_commits_once(world: World, is_source_tx: bool) -> None:
    """After the data set; how the source is marked does not matter."""

    @stage(tx=is_source_tx)
    def source() -> list[int]:
        return [1, 2, 3]

    @flow.flow(world.db)
    def run() -> None:
        for key in source():
            world.load(key)
            world.load(-key)

    run()
    assert world.sent == ["BEGIN", "COMMIT"]
    assert world.ids() == [-3, -2, -1, 1, 2, 3]


def test_b7_a_loop_with_another_stage_commits_in_each_iteration(world: World) -> None:
    """Load, then a stage that is not transactional."""

    @flow.flow(world.db)
    def run() -> None:
        for key in (1, 2, 3):
            world.load(key)
            world.check()
            assert len(world.ids()) == key

    run()
    assert world.sent == ["BEGIN", "COMMIT"] * 3


def test_b8_a_commit_every_fifth_of_twelve_rows_is_three(world: World) -> None:
    """(i + 1) % 5 == 0; and `commit_every` says the same."""

    @flow.flow(world.db)
    def run() -> None:
        for i in range(12):
            world.load(i)
            if (i + 1) % 5 == 0:
                world.check()

    run()
    assert world.sent == ["BEGIN", "COMMIT"] * 3 and len(world.ids()) == 12
    world.recorder.start_anew()

    @flow.flow(world.db)
    def by_each() -> int:
        return each(range(100, 112), world.load, commit_every=5)

    assert by_each() == 12
    assert world.sent == ["BEGIN", "COMMIT"] * 3 and len(world.ids()) == 24


def test_b9_load_commit_load_is_a_commit_more_than_rows(world: World) -> None:
    """Load (tx), Commit (not), Load 2 (tx): N + 1 commits."""
    rows = 4

    @flow.flow(world.db)
    def run() -> None:
        for key in range(rows):
            world.load(key)
            world.check()
            world.load(-1 - key)

    report = (run.run()).report
    assert world.sent == ["BEGIN", "COMMIT"] * (rows + 1)
    assert report.commits == rows + 1 and report.rollbacks == 0 and report.rows == 2 * rows
    assert report.stages["load"].calls == 2 * rows and report.stages["check"].calls == rows


def test_b10_a_handler_that_returns_true_has_the_flow_go_on(world: World) -> None:
    """What the stage has written is undone, what others have is not."""
    heard: list[FlowError] = []

    def handler(problem: FlowError) -> bool:
        heard.append(problem)
        return True

    @stage(tx=True, on_error=handler)
    def doubled(key: int) -> None:
        world.insert(key)
        world.insert(1)

    @flow.flow(world.db)
    def run() -> None:
        doubled(0)  # the first: 1 is new
        assert each([2, 3], doubled) == 2
        world.load(4)

    run()
    assert [problem.row_index for problem in heard] == [0, 1]
    assert heard[0].stage == "doubled" and heard[0].flow == "run"
    assert world.sent == ["BEGIN", "COMMIT"]
    assert world.ids() == [0, 1, 4]


def test_b10_of_the_first_stage_too(world: World) -> None:
    """Nothing was there before it: the transaction itself is begun again."""

    @stage(tx=True, on_error=lambda problem: True)
    def failing() -> None:
        world.insert(1)
        raise Wrong

    @flow.flow(world.db)
    def run() -> None:
        failing()
        world.load(2)

    run()
    assert world.ids() == [2] and world.savepoints == []


def test_b11_a_handler_that_returns_false_stops_and_rolls_back(world: World) -> None:
    """The message carries the reason."""

    @stage(tx=True, on_error=lambda problem: False)
    def failing() -> None:
        world.insert(2)
        raise Wrong("the reason")

    @flow.flow(world.db)
    def run() -> None:
        world.load(1)
        failing()
        raise AssertionError("it went on")

    with pytest.raises(FlowError, match=r"flow run, stage failing: Wrong: the reason"):
        run()
    assert world.sent == ["BEGIN", "ROLLBACK"] and world.ids() == []


def test_b12_no_transaction_where_the_branch_is_not_taken(world: World) -> None:
    """Only its stages are transactional."""

    @flow.flow(world.db)
    def run(condition: bool) -> None:
        world.check()
        if condition:
            world.load(1)
            world.load(2)

    run(False)
    assert world.recorder.sent == []
    run(True)
    assert world.sent == ["BEGIN", "COMMIT"] and world.ids() == [1, 2]


def test_b13_it_ends_with_the_last_stage_of_the_branch_taken(world: World) -> None:
    """A, B1, C1 are transactional: after C1, or after A."""

    @flow.flow(world.db)
    def run(condition: bool) -> None:
        world.load(1)
        if condition:
            world.load(2)
            world.load(3)
            assert world.ids() == []
        else:
            world.check()
            assert world.ids() == [1]

    run(True)
    assert world.sent == ["BEGIN", "COMMIT"] and world.ids() == [1, 2, 3]
    world.db.execute(f"DELETE FROM {TABLE}")
    world.recorder.start_anew()
    run(False)
    assert world.sent == ["BEGIN", "COMMIT"] and world.ids() == [1]


def test_b15_a_shared_resource_is_opened_once_per_transaction(world: World) -> None:
    """At the first call; it takes part in the transaction with the methods that it has."""
    handles = Handles()
    files = resource("files", handles.open, shared=True)

    @stage(tx=True)
    def write() -> None:
        with files.use():
            pass

    @flow.flow(world.db)
    def run(fails: bool) -> None:
        world.load(1)
        assert handles.said() == []
        write()
        write()
        world.check()
        write()
        if fails:
            raise Wrong

    once = ["open", "begin", "commit", "close"]
    run(False)
    assert handles.said() == once * 2
    world.db.execute(f"DELETE FROM {TABLE}")
    handles.forget()
    with pytest.raises(FlowError):
        run(True)
    assert handles.said() == [*once, "open", "begin", "rollback", "close"]


def test_b16_a_resource_that_is_not_shared_is_opened_per_call(world: World) -> None:
    """And never told of transactions."""
    handles = Handles()
    http = resource("http", handles.open, shared=False)

    @stage(tx=True)
    def call() -> None:
        world.insert(len(handles.opened))
        with http.use():
            pass

    @flow.flow(world.db)
    def run() -> None:
        call()
        call()

    run()
    assert handles.said() == ["open", "close"] * 2


def test_b17_a_stage_can_be_marked_and_unmarked(world: World) -> None:
    """The same stage otherwise."""
    unmarked = world.load.marked(tx=False)
    marked = unmarked.marked(tx=True)
    assert (world.load.tx, unmarked.tx, marked.tx) == (True, False, True)

    @flow.flow(world.db)
    def run(load: Any) -> None:
        load(world.recorder.taken)
        load(world.recorder.taken + 100)

    run(unmarked)
    assert world.sent == [] and len(world.ids()) == 2
    run(marked)
    assert world.sent == ["BEGIN", "COMMIT"] and len(world.ids()) == 4


def test_b18_no_tx_keeps_begin_commit_and_rollback_from_it(world: World) -> None:
    """For the database and for resources; for as long as that transaction lasts."""
    handles = Handles()
    files = resource("files", handles.open)

    @stage(tx=True)
    def apart(fails: bool) -> None:
        no_tx(world.db)
        no_tx(files)
        world.insert(1)
        assert world.ids() == [1]
        world.db.execute_many(f"INSERT INTO {TABLE} VALUES (%s, %s)", [(2, "x"), (3, "x")])
        with files.use():
            pass
        if fails:
            raise Wrong

    @flow.flow()
    def run(fails: bool) -> None:
        apart(fails)

    run(False)
    assert world.sent == [] and handles.said() == ["open", "close"]
    world.db.execute(f"DELETE FROM {TABLE}")
    with pytest.raises(FlowError):
        run(True)
    assert world.sent == [] and handles.said() == ["open", "close"] * 2
    assert world.ids() == [1, 2, 3]
    with world.db.transaction():
        world.insert(4)
    assert world.sent == ["BEGIN", "COMMIT"]


def test_b19_no_tx_outside_a_transaction_raises(world: World) -> None:
    """Being inside a transactional stage counts as being in one."""
    with pytest.raises(InterfaceError, match="active transaction"):
        no_tx(world.db)

    @flow.flow(world.db)
    def run() -> None:
        no_tx(world.db)

    with pytest.raises(FlowError, match="active transaction"):
        run()


def test_b20_no_tx_after_it_has_joined_raises(world: World) -> None:
    """The transaction fails with it."""
    handles = Handles()
    files = resource("files", handles.open)

    @stage(tx=True)
    def late(participant: Any) -> None:
        world.insert(1)
        with files.use():
            pass
        no_tx(participant)

    for participant in (world.db, files):
        with pytest.raises(FlowError, match="takes part in the transaction already"):
            late(participant)
    assert world.sent == ["BEGIN", "ROLLBACK"] * 2 and world.ids() == []


def test_b21_what_is_under_no_tx_is_not_locked(world: World, other: World) -> None:
    """While the transaction on another database is open."""

    @stage(tx=True)
    def clone() -> None:
        no_tx(world.db)
        other.insert(1)
        world.insert(1)
        assert world.ids() == [1] and other.ids() == []
        assert world.db.in_use == 0 and other.db.in_use == 1
        world.look(f"SELECT count(*) FROM {TABLE}")
        with world.db.connection():
            pass

    clone()
    assert other.sent == ["BEGIN", "COMMIT"] and world.sent == []
    assert other.ids() == [1]
