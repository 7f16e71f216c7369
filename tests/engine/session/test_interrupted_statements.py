"""A statement that is interrupted is over at once, all of it: nothing of it runs later, when Python forgets it.

The steps of a statement are generators within generators.  One that is left suspended is closed when it is garbage
collected, that is, at any moment and on any thread; what it then cleans up may be the next transaction.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Generator

import pytest
from support.sessions import SqlDatabase

from skerry_engine import errors
from skerry_engine.session.session import Session
from skerry_engine.session.steps import Complete, Finished, Step, Wait

Steps = Generator[Step, object, None]


def simple(session: Session, text: str) -> Steps:
    return session.simple_query(text)


def extended(session: Session, text: str) -> Steps:
    session.parse("", text, [])
    session.bind("", "", [], [], [])
    return session.execute("", 0)


def extended_with_limit(session: Session, text: str) -> Steps:
    session.parse("", text, [])
    session.bind("", "", [], [], [])
    return session.execute("", 10)


def until_wait(steps: Steps) -> None:
    """Step until it waits for a lock that is held."""
    while True:
        step = next(steps)
        if isinstance(step, Wait) and not step.waiting.is_over():
            return


def cancelled(session: Session, steps: Steps) -> errors.DatabaseError:
    session.cancel()
    with pytest.raises(errors.QueryCanceled) as caught:
        for _ in steps:
            pass
    return caught.value


def thrown(session: Session, steps: Steps) -> errors.DatabaseError:
    """What the server does when it can't encode a row."""
    with pytest.raises(errors.DataError) as caught:
        steps.throw(errors.DataError("not to be encoded"))
    return caught.value


def closed(session: Session, steps: Steps) -> None:
    """What the server does when the client is gone."""
    steps.close()


@pytest.mark.parametrize("run", [simple, extended, extended_with_limit])
@pytest.mark.parametrize("interrupt", [cancelled, thrown, closed])
@pytest.mark.parametrize("text", ["commit", "update t set v = 9 where id = 1"])
def test_nothing_of_it_runs_later(
    run: Callable[[Session, str], Steps],
    interrupt: Callable[[Session, Steps], errors.DatabaseError | None],
    text: str,
) -> None:
    database = SqlDatabase("create table t (id int primary key, v int)", "insert into t values (1, 1)")
    holder, other = database.session("A"), database.session("B")
    holder.run_all("begin")
    holder.run_all("update t set v = 2 where id = 1")
    level = "repeatable read" if text == "commit" else "read committed"
    other.run_all(f"begin isolation level {level}")
    if text == "commit":
        other.run_all("update t set v = 3 where id = 1")
    steps = run(other.session, text)
    until_wait(steps)
    kept = interrupt(other.session, steps)
    assert not database.engine.manager.locks.rows[next(iter(database.engine.manager.locks.rows))].queue
    if other.session.in_block:
        other.run_all("rollback")
    other.run_all("begin")
    other.run_all("insert into t values (2, 2)")
    del kept, steps
    gc.collect()
    transaction = other.session.transaction
    assert transaction is not None and transaction.state == "active"
    other.run_all("commit")
    holder.run_all("rollback")
    assert other.rows("select id, v from t order by id") == [(1, 1), (2, 2)]


def committing(session: Session) -> Steps:
    """A COMMIT that has taken its epoch, and still has locks to let go."""
    steps = session.simple_query("commit")
    while session.transaction is not None and session.transaction.state == "active":
        next(steps)
    return steps


@pytest.mark.parametrize("how", ["cancel", "terminate", "time out"])
def test_what_has_committed_does_not_fail(how: str) -> None:
    database = SqlDatabase("create table t (id int primary key)")
    session = database.session("A")
    session.run_all("begin")
    session.run_all("insert into t select g from generate_series(1, 5000) g")
    session.run_all("delete from t where id > 4000")
    if how == "time out":
        session.run_all("set local transaction_timeout = '10s'")
    steps = committing(session.session)
    assert session.session.is_running
    if how == "cancel":
        session.session.cancel()
    elif how == "terminate":
        session.session.terminate()
    else:
        session.session.transaction_deadline_s = 0.0
    assert isinstance(list(steps)[-1], Complete)
    assert database.rows("select count(*) from t") == [(4000,)]
    assert session.session.closed == (how == "terminate")
    if how == "terminate":
        with pytest.raises(errors.AdminShutdown):
            session.run_all("select 1")


def by_query(session: Session, text: str) -> Finished | Steps:
    return session.answer_query(text)


def by_execute(session: Session, text: str) -> Finished | Steps:
    session.parse("", text, [])
    session.bind("", "", [], [], [])
    return session.answer_execute("", 0)


def by_sync(session: Session, text: str) -> Finished | Steps:
    answer = by_execute(session, text)
    if not isinstance(answer, Finished):
        list(answer)
    return session.answer_sync()


CHANGES = [
    "insert into t values (1)",
    "insert into t values (1) returning id, set_config('timezone', 'Asia/Tokyo', false)",
    "insert into t select set_config('timezone', 'Asia/Tokyo', false)::text::int from generate_series(1, 0) union select 1",
    "insert into t select g from generate_series(1, 3000) g",
    "commit",
]


@pytest.mark.parametrize("how", ["cancel", "terminate"])
@pytest.mark.parametrize("answer", [by_query, by_execute, by_sync])
@pytest.mark.parametrize("text", CHANGES)
def test_an_answer_that_goes_on_after_its_unit_tells_what_became_of_it(
    text: str, answer: Callable[[Session, str], Finished | Steps], how: str
) -> None:
    """Between the unit that has committed and the steps that tell of it somebody ends the session."""
    database = SqlDatabase("create table t (id int)")
    session = database.session("A")
    if text == "commit":
        session.run_all("begin")
        session.run_all("set local timezone = 'Asia/Tokyo'")  # which is reported when it ends
        session.run_all("insert into t values (1)")
    found = answer(session.session, text)
    if isinstance(found, Finished):
        assert not session.session.is_running
        failed = False
    else:
        if how == "cancel":
            session.session.cancel()
        else:
            session.session.terminate()
        try:
            list(found)
            failed = False
        except (errors.QueryCanceled, errors.AdminShutdown):
            failed = True
    if answer is by_execute and text != "commit":
        return  # it commits with the Sync
    count = database.rows("select count(*) from t")[0][0]
    assert (count == 0) == failed
    if not failed and not isinstance(found, Finished):
        assert session.session.closed == (how == "terminate")


def test_an_answer_that_nobody_goes_on_with_leaves_the_session_usable() -> None:
    database = SqlDatabase("create table t (id int)")
    session = database.session("A")
    session.run_all("begin")
    session.run_all("set local timezone = 'Asia/Tokyo'")
    answer = session.session.answer_query("commit")
    assert not isinstance(answer, Finished)
    answer.close()
    assert not session.session.is_running
    assert session.rows("show timezone") == [("UTC",)]


def test_a_cancel_after_the_end_is_of_no_effect() -> None:
    database = SqlDatabase("create table t (id int primary key)")
    session = database.session("A")
    tags = []
    for step in session.session.simple_query("insert into t values (1)"):
        if isinstance(step, Complete):
            tags.append(step.tag)
            session.session.cancel()
    assert tags == ["INSERT 0 1"]
    session.run_all("insert into t values (2)")
    assert session.rows("select count(*) from t") == [(2,)]


def test_a_cancel_between_the_statements_of_a_text_meets_the_next() -> None:
    database = SqlDatabase("create table t (id int primary key)")
    session = database.session("A")
    with pytest.raises(errors.QueryCanceled):
        for step in session.session.simple_query(
            "begin; insert into t values (1); commit; select pg_sleep(10)"
        ):
            if isinstance(step, Complete) and step.tag == "COMMIT":
                session.session.cancel()
    assert session.rows("select count(*) from t") == [(1,)]


def test_commit_prepared_does_not_fail_half_way() -> None:
    database = SqlDatabase("create table t (id int primary key)")
    session = database.session("A")
    session.run_all("begin")
    session.run_all("insert into t select g from generate_series(1, 5000) g")
    session.run_all("delete from t where id > 4000")
    session.run_all("prepare transaction 'one'")
    steps = session.session.simple_query("commit prepared 'one'")
    next(steps)
    session.session.cancel()
    assert isinstance(list(steps)[-1], Complete)
    assert database.rows("select count(*) from t") == [(4000,)]
