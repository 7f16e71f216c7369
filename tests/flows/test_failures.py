"""Whatever fails, and wherever: all or nothing, the connection is back in its pool, and the next one works.

Generated from aio/test_failures.py by driver/unasync.py: change that one.
"""

from __future__ import annotations

import gc
import time
from typing import Any

import pytest
from support.flow_handles import Handles
from support.flow_testing import only, slow_statement
from support.flow_world import TABLE, World

from skerry import flow
from skerry.flow import CommitIncomplete, FlowError, each, resource, stage
from skerry.flow.primitives import sleep
from skerry_engine.errors import InterfaceError, InvalidTransactionState, TransactionTimeout


class Wrong(Exception):
    """What goes wrong."""


class Interruption(BaseException):
    """As Ctrl-C, but of the test."""


VERBS = ("BEGIN", "EXECUTE", "SAVEPOINT", "ROLLBACK TO", "RELEASE", "COMMIT", "ROLLBACK")


@pytest.mark.parametrize("kind", [Wrong, Interruption])
@pytest.mark.parametrize("verb", VERBS)
def test_whatever_is_sent_may_fail(world: World, verb: str, kind: type[BaseException]) -> None:
    """Before it is sent, and after, when nobody knows."""

    @stage(tx=True, on_error=lambda problem: True)
    def guarded(key: int) -> None:
        world.insert(key)
        if key == 2:
            raise Wrong("of the stage")

    @flow.flow(world.db)
    def run() -> None:
        world.load(1)
        guarded(2)
        guarded(3)
        with world.db.transaction():
            pass
        if verb == "ROLLBACK":
            raise Wrong("of the flow")

    for place in (world.recorder.before, world.recorder.after):
        world.recorder.start_anew()
        place[verb] = kind("injected")
        try:
            run()
        except (FlowError, Interruption):
            pass
        assert not place, "it was not met"
        assert world.db.in_use == 0
        world.recorder.start_anew()
        ids = world.ids()
        assert ids in ([], [1, 3], [1]), ids
        if ids:  # a handler had it go on, or the commit was sent and nobody knew
            assert verb in ("EXECUTE", "SAVEPOINT", "COMMIT", "RELEASE", "ROLLBACK TO")
        world.db.execute(f"DELETE FROM {TABLE}")
        world.load(9)
        assert world.ids() == [9] and world.sent == ["BEGIN", "COMMIT"]
        world.db.execute(f"DELETE FROM {TABLE}")


def test_a_commit_that_fails_is_an_error(world: World) -> None:
    """And what had been written is gone; a failure without a message of its own, too."""
    world.recorder.before["COMMIT"] = Wrong()
    with pytest.raises(FlowError, match="flow load: Wrong") as caught:
        world.load(1)
    assert caught.value.stage is None and world.ids() == []
    world.recorder.before["COMMIT"] = Wrong()
    with pytest.raises(FlowError, match="flow each, row 1: Wrong"):
        each([1, 2, 3], world.load, commit_every=2)
    assert world.ids() == []


@only("postgres", "skerry-embedded", "skerry-network")
def test_a_deferred_constraint_fails_the_commit(world: World) -> None:
    """It is checked at COMMIT."""
    world.db.execute("DROP TABLE IF EXISTS flow_child")
    world.db.execute(f"CREATE TABLE flow_child (id integer REFERENCES {TABLE} DEFERRABLE INITIALLY DEFERRED)")
    world.recorder.start_anew()
    try:
        with pytest.raises(Exception, match="foreign key"):
            with world.db.transaction():
                world.insert(1)
                world.db.execute("INSERT INTO flow_child VALUES (2)")
        assert world.db.in_use == 0 and world.ids() == []
        with world.db.transaction():
            world.db.execute("INSERT INTO flow_child VALUES (2)")
            world.insert(2)
    finally:
        world.db.execute("DROP TABLE flow_child")


@only("postgres", "skerry")
def test_a_serialization_failure_runs_the_stage_again(world: World) -> None:
    """As the first of its transaction it can; then the whole has begun anew."""
    world.insert(1, "0")
    tries: list[int] = []

    @stage(tx=True, retries=3)
    def count_up() -> None:
        tries.append(1)
        (text,) = (world.db.execute(f"SELECT v FROM {TABLE} WHERE id = 1")).one()
        if len(tries) < 3:
            other_session()
        world.db.execute(f"UPDATE {TABLE} SET v = %s WHERE id = 1", (str(int(str(text)) + 1),))

    def other_session() -> None:
        session = world.db.connector.take()
        try:
            session.execute(f"UPDATE {TABLE} SET v = '1{len(tries)}' WHERE id = 1", None)
        finally:
            world.db.connector.give_back(session, True)

    @flow.flow(world.db)
    def run() -> None:
        count_up()

    report = (run.run()).report
    assert len(tries) == 3 and report.stages["count_up"].retries == 2 and report.commits == 1
    assert world.look(f"SELECT v FROM {TABLE}") == [("13",)]


# --- deadlines --------------------------------------------------------------------------------------------------


def test_a_deadline_while_a_statement_runs(world: World) -> None:
    """The statement is cancelled where the driver has any way to; the connection is nobody's afterwards."""
    statement = slow_statement(world.db.dialect, world.name)
    started_s = time.monotonic()
    with pytest.raises(TransactionTimeout) as caught:
        with world.db.transaction(timeout=0.15):
            world.insert(1)
            world.db.execute(statement)
    assert time.monotonic() - started_s < 5
    assert world.db.in_use == 0 and world.ids() == []
    assert caught.value.sqlstate
    for key in (1, 2, 3):
        world.load(key)
    assert world.ids() == [1, 2, 3]


def test_a_deadline_of_a_flow_holds_for_each_transaction(world: World) -> None:
    """The flow hears of one that passed while it did something else."""

    @flow.flow(world.db, timeout=0.15)
    def run(waits: bool) -> None:
        for key in range(3):
            world.load(key)
            sleep(0.06)
            world.check()
        world.load(5)
        if waits:
            sleep(0.25)

    run(False)
    world.db.execute(f"DELETE FROM {TABLE}")
    with pytest.raises(FlowError) as caught:
        run(True)
    assert isinstance(caught.value.cause, TransactionTimeout)
    assert world.ids() == [0, 1, 2]


def test_a_deadline_while_it_commits(world: World) -> None:
    """It is committed, or it is not: never reported as the other."""

    def dawdle() -> None:
        sleep(0.12)

    world.recorder.before["COMMIT"] = dawdle
    try:
        with world.db.transaction(timeout=0.05):
            world.insert(1)
    except TransactionTimeout:
        assert world.ids() == []
    else:
        assert world.ids() == [1]
    assert world.db.in_use == 0
    world.load(2)
    assert 2 in world.ids()


# --- several in one transaction ---------------------------------------------------------------------------------


def test_two_databases_in_one_transaction(world: World, other: World) -> None:
    """Two phases where both can; the flow's own commits last."""

    @stage(tx=True)
    def both(key: int, fails: bool) -> None:
        other.insert(key)
        world.insert(key)
        if fails:
            raise Wrong

    @flow.flow(world.db)
    def run(key: int, fails: bool = False) -> None:
        both(key, fails)

    run(1)
    assert other.sent == ["BEGIN", "PREPARE", "COMMIT PREPARED"] and world.sent == ["BEGIN", "COMMIT"]
    with pytest.raises(FlowError):
        run(2, True)
    assert world.ids() == other.ids() == [1]
    for database in (world, other):
        for verb in ("PREPARE", "COMMIT") if database is other else ("COMMIT",):
            if verb == "COMMIT" and database is other:
                continue
            database.recorder.before[verb] = Wrong("can't")
            with pytest.raises(FlowError, match="can't"):
                run(3)
            assert world.ids() == other.ids() == [1]
            assert world.db.in_use == other.db.in_use == 0
    other.recorder.before["COMMIT PREPARED"] = Wrong("gone")
    with pytest.raises(FlowError, match=f"{world.name} had committed already when other could not") as caught:
        run(4)
    assert isinstance(caught.value.cause, CommitIncomplete)
    assert world.ids() == [1, 4]
    assert world.db.in_use == other.db.in_use == 0


def test_best_effort_says_who_has_committed(world: World) -> None:
    """Two resources without two phases."""
    handles = [Handles(), Handles()]
    names = ["first", "second"]
    both = [resource(name, each.open) for name, each in zip(names, handles, strict=True)]

    class Broken(Exception):
        """Of a commit."""

    def fail() -> None:
        raise Broken

    with pytest.raises(CommitIncomplete, match="first had committed already when second") as caught:
        with world.db.transaction():
            world.insert(1)
            for each_one in both:
                with each_one.use() as handle:
                    pass
            handle.commit = fail  # type: ignore[method-assign]
    assert isinstance(caught.value.__cause__, Broken)
    assert handles[0].said()[-2:] == ["commit", "close"] and handles[1].said()[-2:] == ["rollback", "close"]
    assert world.ids() == []


def test_a_resource_that_fails_to_open_or_begin(world: World) -> None:
    """Rolls the whole back, and is closed if it was opened."""
    handles = Handles()

    def broken() -> Any:
        handle = handles.open()
        handle.begin = fail  # type: ignore[method-assign]
        return handle

    def fail() -> Any:
        raise Wrong

    for opening in (fail, broken):
        with pytest.raises(Wrong):
            with world.db.transaction():
                world.insert(1)
                with resource("r", opening).use():
                    raise AssertionError("it was not there")
    assert handles.said() == ["open", "close"]
    assert world.ids() == []


# --- losing it --------------------------------------------------------------------------------------------------


@only("postgres", "skerry-network", "skerry-sqlalchemy")
def test_a_connection_that_dies_in_the_middle(world: World) -> None:
    """The error surfaces, nothing stays, and the pool does not hand out dead ones."""
    for _ in range(2):
        with pytest.raises(Exception, match=r"(?i)terminat|clos|connection|network|broken|EOF"):
            with world.db.transaction():
                world.insert(1)
                kill(world)
                world.insert(2)
                raise AssertionError("it lives")
        assert world.db.in_use == 0 and world.ids() == []
        world.load(7)
        world.db.execute(f"DELETE FROM {TABLE}")


@only("postgres", "skerry-network", "skerry-sqlalchemy")
def test_a_connection_that_dies_before_the_commit(world: World) -> None:
    """COMMIT is not taken for done."""
    with pytest.raises(Exception, match=r"(?i)terminat|clos|connection|network|broken|EOF"):
        with world.db.transaction():
            world.insert(1)
            kill(world)
    assert world.db.in_use == 0 and world.ids() == []


def kill(world: World) -> None:
    """End the session of the transaction, from outside."""
    (pid,) = (world.db.execute("SELECT pg_backend_pid()")).one()
    world.look(f"SELECT pg_terminate_backend({pid})")
    sleep(0.1)


def test_a_forgotten_transaction_is_rolled_back(world: World) -> None:
    """With a warning."""
    tx: Any = world.db.begin_transaction()
    tx.use(world.db, lambda member: member.session.execute(f"INSERT INTO {TABLE} VALUES (1, 'x')", None))
    assert world.db.in_use == 1
    with pytest.warns(ResourceWarning, match="forgotten"):
        del tx
        gc.collect()
    assert world.db.in_use == 0
    sleep(0.02)
    assert world.ids() == []
    world.load(1)
    assert world.ids() == [1]


# --- what is not meant to be ------------------------------------------------------------------------------------


def test_ended_transactions_are_not_used(world: World) -> None:
    """Nor entered twice."""
    with world.db.begin_transaction() as tx:
        with pytest.raises(InvalidTransactionState, match="already"):
            tx.__enter__()
        world.insert(1)
        depth = tx.enter()
        with pytest.raises(InvalidTransactionState, match="nested blocks"):
            tx.commit()
        assert depth == 1 and not tx.is_open
    assert world.ids() == []
    with pytest.raises(InvalidTransactionState, match="finished"):
        tx.__enter__()


def test_wrong_arguments(world: World) -> None:
    """Are told when flows and stages are made."""
    with pytest.raises(InterfaceError, match="takes the database"):
        flow.flow(world.load)
    for wrong in (-1,):
        with pytest.raises(InterfaceError, match="retries"):
            stage(tx=True, retries=wrong)(world.load.spec.function)
        with pytest.raises(InterfaceError, match="retries"):
            flow.flow(world.db, retries=wrong)(world.load.spec.function)
    with pytest.raises(InterfaceError, match="commit_every"):
        each([1], world.load, commit_every=0)
    with pytest.raises(
        FlowError, match=r"stage load, row 1: .*(?i:placeholder|parameter|argument|integer|adapt)"
    ):
        each([1, object()], world.load)  # type: ignore[list-item]
    assert world.ids() == []
