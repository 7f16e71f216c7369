"""The rulings of the semantics of flows, as far as they are the core's.

Generated from aio/test_rulings.py by driver/unasync.py: change that one.
"""

from __future__ import annotations

from typing import Any

import pytest
from support.flow_testing import only
from support.flow_world import TABLE, World

from skerry import flow
from skerry.flow import FlowError, ScopeState, each, stage
from skerry_engine.errors import InFailedTransaction, InterfaceError, InvalidTransactionState


class Wrong(Exception):
    """What goes wrong."""


def test_who_commits_begin_transaction_without_commit_rolls_back(world: World) -> None:
    """By hand means by hand."""
    with world.db.begin_transaction() as tx:
        world.insert(1)
    assert tx.state is ScopeState.ROLLED_BACK and world.sent == ["BEGIN", "ROLLBACK"]
    assert world.ids() == []


def test_who_commits_a_block_commits_on_a_clean_exit(world: World) -> None:
    """As a block and as a decorator, each call of which is one."""

    @world.db.transaction()
    def work(key: int) -> int:
        """What it does."""
        world.insert(key)
        if key > 2:
            raise Wrong
        return key

    assert [work(1), work(2)] == [1, 2] and work.__doc__ == "What it does."
    with pytest.raises(Wrong):
        work(3)
    assert world.sent == ["BEGIN", "COMMIT"] * 2 + ["BEGIN", "ROLLBACK"]
    assert world.ids() == [1, 2]


def test_nesting_joins_with_a_savepoint_and_only_the_outermost_commits(world: World) -> None:
    """An inner failure that is caught undoes the inner part alone."""
    with world.db.transaction():
        world.insert(1)
        with world.db.transaction():
            world.insert(2)
            with pytest.raises(Wrong):
                with world.db.transaction():
                    world.insert(3)
                    raise Wrong
            with pytest.raises(Exception, match=r"(?i)unique|duplicate"):
                with world.db.transaction():
                    world.insert(1)
        assert world.ids() == []
        with world.db.transaction():
            pass
    assert world.sent == ["BEGIN", "COMMIT"]
    assert world.savepoints.count("SAVEPOINT") == 3  # an empty block sends nothing
    assert world.ids() == [1, 2]


def test_nesting_without_savepoint_dooms_the_whole(world: World) -> None:
    """Whoever catches it cannot commit half of it."""
    with pytest.raises(InFailedTransaction, match="part of it failed"):
        with world.db.transaction():
            world.insert(1)
            with pytest.raises(Wrong):
                with world.db.transaction(savepoint=False):
                    world.insert(2)
                    raise Wrong
            with pytest.raises(InFailedTransaction):
                world.insert(3)
    assert world.sent == ["BEGIN", "ROLLBACK"] and world.savepoints == [] and world.ids() == []


def test_nesting_of_other_modes_is_an_error(world: World) -> None:
    """Of a level, and of a timeout of its own; the same level is none."""
    with world.db.transaction("serializable"):
        with world.db.transaction("SERIALIZABLE"):
            world.insert(1)
        with world.db.transaction():
            world.insert(2)
        with pytest.raises(InvalidTransactionState, match="can't join"):
            with world.db.transaction("read committed"):
                pass
        with pytest.raises(InvalidTransactionState, match="timeout"):
            with world.db.transaction(timeout=1):
                pass

        @flow.flow(world.db, isolation="snapshot")
        def inner() -> None:
            """It does nothing."""

        with pytest.raises(InvalidTransactionState, match="can't join"):
            inner()
    assert world.ids() == [1, 2]


def test_a_stage_that_fails_without_a_handler_dooms_its_transaction(world: World) -> None:
    """A flow that catches the exception does not commit the stage's half."""

    @stage(tx=True)
    def failing() -> None:
        world.insert(2)
        raise Wrong

    @flow.flow(world.db)
    def run() -> None:
        world.load(1)
        with pytest.raises(FlowError):
            failing()

    with pytest.raises(FlowError, match="part of it failed"):
        run()
    assert world.ids() == []


def test_what_dooms_inside_a_guarded_stage_is_undone_with_it(world: World) -> None:
    """The inner stage has no handler, the outer one has."""

    @stage(tx=True)
    def inner(key: int) -> None:
        world.insert(key)
        raise Wrong

    @stage(tx=True, on_error=lambda problem: True)
    def outer(key: int) -> None:
        world.insert(key + 100)
        inner(key)

    @flow.flow(world.db)
    def run() -> None:
        outer(1)  # nothing was there: all is begun anew
        world.load(5)
        outer(2)  # a savepoint

    run()
    assert world.ids() == [5]


def test_an_inner_flow_that_fails_is_undone(world: World) -> None:
    """Whether the outer one had a transaction open or not."""

    @flow.flow(world.db)
    def inner(key: int) -> None:
        world.load(key)
        raise Wrong

    @flow.flow(world.db)
    def outer() -> None:
        with pytest.raises(FlowError):
            inner(1)
        world.load(2)
        with pytest.raises(FlowError):
            inner(3)
        world.load(4)

    outer()
    assert world.ids() == [2, 4]


def test_handler_says_continue_after_the_partial_writes_are_undone(world: World) -> None:
    """The handler is part of the transaction: it sees what is left, and what it writes stays with the rest."""
    seen: list[int] = []

    def handler(problem: FlowError) -> bool:
        result = world.db.execute(f"SELECT id FROM {TABLE}")
        seen.extend(row[0] for row in result)  # type: ignore[misc]
        world.load(10)
        return True

    @stage(tx=True, on_error=handler)
    def failing() -> None:
        world.insert(2)
        raise Wrong

    @flow.flow(world.db)
    def run() -> None:
        world.load(1)
        failing()
        assert world.ids() == []

    run()
    assert seen == [1] and world.ids() == [1, 10] and world.commits == 1


def test_a_handler_that_fails_rolls_back(world: World) -> None:
    """What it raises goes on, with what the stage raised."""

    def handler(problem: FlowError) -> bool:
        raise ValueError("of the handler")

    @stage(tx=True, on_error=handler)
    def failing() -> None:
        world.insert(2)
        raise Wrong

    @flow.flow(world.db)
    def run() -> None:
        world.load(1)
        failing()

    with pytest.raises(FlowError, match="stage failing: ValueError: of the handler"):
        run()
    assert world.ids() == []


def test_inner_flows_see_what_the_outer_has_not_committed(world: World) -> None:
    """They are the same transaction."""

    @stage(tx=True)
    def count() -> object:
        return (world.db.execute(f"SELECT count(*) FROM {TABLE}")).scalar()

    @flow.flow(world.db)
    def inner() -> object:
        return count()

    @flow.flow(world.db)
    def outer() -> object:
        world.load(1)
        return inner()

    assert outer() == 1


def test_commit_helpers_are_no_generators(world: World) -> None:
    """An exception in the loop's body would never reach them."""

    def rows() -> Any:
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


def test_sql_that_ends_a_transaction_is_refused(world: World) -> None:
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
            world.db.execute(text)
    with world.db.transaction():
        world.insert(1)
        world.db.execute("SAVEPOINT mine")
        world.insert(2)
        world.db.execute("ROLLBACK TO SAVEPOINT mine")
        with pytest.raises(InterfaceError):
            world.db.execute("COMMIT")
        world.insert(3)
    assert world.ids() == [1, 3]


@only("postgres", "skerry")
def test_a_statement_after_a_caught_error_fails_and_so_does_the_commit(world: World) -> None:
    """A failed transaction is never reported as committed; a nested block would have saved it."""
    for goes_on in (True, False):
        with pytest.raises(Exception, match=r"(?i)abort|failed|current transaction"):
            with world.db.transaction():
                world.insert(1)
                with pytest.raises(Exception, match=r"(?i)unique|duplicate"):
                    world.insert(1)
                if goes_on:
                    world.insert(2)
        assert world.ids() == []


def test_hooks_are_called_once_it_is_decided(world: World) -> None:
    """Those of an undone block are forgotten; before_commit belongs to the transaction."""
    told: list[str] = []

    def last() -> None:
        world.insert(9)
        told.append("before")

    def after() -> None:
        told.append(f"committed {world.ids()}")

    with world.db.transaction() as tx:
        tx.before_commit(last)
        tx.on_commit(after)
        tx.on_rollback(lambda: told.append("rolled back"))
        world.insert(1)
        with pytest.raises(Wrong):
            with world.db.transaction() as inner:
                inner.on_commit(lambda: told.append("never"))
                inner.on_rollback(lambda: told.append("inner rolled back"))
                world.insert(2)
                raise Wrong
    assert told == ["inner rolled back", "before", "committed [1, 9]"]
    told.clear()
    with pytest.raises(Wrong):
        with world.db.transaction() as tx:
            tx.on_rollback(lambda: told.append("rolled back"))
            tx.on_commit(after)
            world.insert(2)
            raise Wrong
    assert told == ["rolled back"]


def test_hooks_that_fail(world: World) -> None:
    """Before the commit it is prevented; after it it is told; of a rollback it hides nothing."""

    def fail() -> None:
        raise ValueError("of the hook")

    with pytest.raises(ValueError, match="of the hook"):
        with world.db.transaction() as tx:
            tx.before_commit(fail)
            world.insert(1)
    assert world.ids() == []
    with pytest.raises(ValueError, match="of the hook"):
        with world.db.transaction() as tx:
            tx.on_commit(fail)
            world.insert(1)
    assert world.ids() == [1]
    with pytest.raises(Wrong) as caught:
        with world.db.transaction() as tx:
            tx.on_rollback(fail)
            world.insert(2)
            raise Wrong
    assert "of the hook" in caught.value.__notes__[0]
    assert world.ids() == [1]


def test_stages_that_are_methods(world: World) -> None:
    """And flows."""

    class Loader:
        def __init__(self, start: int) -> None:
            self.start = start

        @stage(tx=True)
        def load(self, key: int) -> int:
            world.insert(self.start + key)
            return self.start + key

        @flow.flow(world.db)
        def run(self, keys: list[int]) -> int:
            assert self.load(0) == self.start
            return each(keys, self.load)

    assert Loader(10).run([1, 2]) == 2
    assert world.sent == ["BEGIN", "COMMIT"] and world.ids() == [10, 11, 12]
    assert (Loader(20).run.run([1])).report.stages["load"].calls == 2


def test_a_stage_is_tried_again(world: World) -> None:
    """Undone first, whether it is the first or others were before."""
    attempts: list[int] = []

    @stage(tx=True, retries=2, retry_on=(Wrong,))
    def flaky(key: int) -> str:
        attempts.append(key)
        world.insert(key)
        if len(attempts) % 3:
            raise Wrong
        return "done"

    @flow.flow(world.db)
    def run() -> None:
        assert flaky(1) == "done"
        assert flaky(2) == "done"

    report = (run.run()).report
    assert attempts == [1, 1, 1, 2, 2, 2] and report.stages["flaky"].retries == 4
    assert world.ids() == [1, 2] and world.commits == 1
    attempts.clear()
    with pytest.raises(FlowError, match="Wrong"):
        each([5], stage(tx=True, retries=1, retry_on=(Wrong,))(flaky.spec.function))
    assert world.ids() == [1, 2]


def test_a_flow_is_run_again_only_if_nothing_was_committed(world: World) -> None:
    """By it, or by a statement of it."""
    runs: list[str] = []

    @flow.flow(world.db, retries=2)
    def run(how: str) -> str:
        runs.append(how)
        world.load(len(runs) * 10)
        if how == "commits":
            world.check()
        if len(runs) < 3:
            raise Retryable
        return "done"

    assert run("plain") == "done" and runs == ["plain"] * 3
    assert world.ids() == [30]
    runs.clear()
    with pytest.raises(FlowError) as caught:
        run("commits")
    assert runs == ["commits"] and caught.value.is_retryable
    runs.clear()

    @flow.flow(world.db, retries=2)
    def alone() -> None:
        runs.append("alone")
        world.insert(len(runs))
        raise Retryable

    with pytest.raises(FlowError):
        alone()
    assert runs == ["alone"]


class Retryable(Exception):
    """As a driver says that two transactions were in each other's way."""

    sqlstate = "40001"
