"""Between a commit's installation and its publication: nobody is told anything, whatever happens in between."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.crash_disk import CrashDisk
from support.sessions import Steps, answered

from skerry_engine.durability.database import DurableDatabase, open_disk
from skerry_engine.engine import Engine
from skerry_engine.session.session import Session
from skerry_engine.session.steps import Complete, Rows, Wait


class Database:
    """An engine whose log is flushed by hand."""

    def __init__(self) -> None:
        self.engine = Engine()
        self.disk = CrashDisk()
        self.durable: DurableDatabase = open_disk(self.engine, self.disk)
        self.engine.durable = self.durable

    def session(self) -> Session:
        return self.engine.open_session("postgres", "skerry", {})

    def until_it_waits(self, steps: Steps) -> list[str]:
        """Step until the log is waited for; the tags of what was complete before."""
        tags: list[str] = []
        for step in steps:
            if isinstance(step, Wait) and not step.waiting.is_over():
                return tags
            if isinstance(step, Complete):
                tags.append(step.tag)
        raise AssertionError("it did not wait")

    def run(self, session: Session, text: str) -> list[tuple[object, ...]]:
        """Run a text to its end, flushing when it waits; its rows."""
        rows: list[tuple[object, ...]] = []
        for step in answered(session, text):
            if isinstance(step, Wait) and not step.waiting.is_over():
                self.durable.flush()
            elif isinstance(step, Rows):
                rows += step.rows
        return rows


@pytest.fixture
def database() -> Iterator[Database]:
    made = Database()
    yield made
    made.engine.close()


def test_notifications_wait_for_publication(database: Database) -> None:
    listener, sender = database.session(), database.session()
    database.run(listener, "listen x")
    database.run(sender, "create table t (i int)")
    commit = answered(sender, "insert into t values (1); notify x, 'there'")
    assert database.until_it_waits(commit) == ["INSERT 0 1"]
    assert not listener.has_notifications
    assert database.run(listener, "select * from t") == []
    database.durable.flush()
    assert [each.payload for each in listener.take_notifications(9)] == ["there"]
    assert database.run(listener, "select * from t") == [(1,)]
    assert [step.tag for step in commit if isinstance(step, Complete)] == ["NOTIFY"]


def test_notifications_of_one_who_left_before_publication_are_sent(database: Database) -> None:
    listener, sender = database.session(), database.session()
    database.run(listener, "listen x")
    database.run(sender, "create table t (i int)")
    commit = answered(sender, "insert into t values (1); notify x, 'there'; listen x")
    database.until_it_waits(commit)
    commit.close()
    sender.close()
    assert not listener.has_notifications
    database.durable.flush()
    assert [each.payload for each in listener.take_notifications(9)] == ["there"]
    database.run(listener, "notify x")
    assert database.engine.notifications.waiting_bytes > 0
    listener.take_notifications(9)
    assert database.engine.notifications.waiting_bytes == 0  # nothing waits for the one who left


@pytest.mark.parametrize(
    "text",
    ["select nextval('s')", "insert into t values (2)", "insert into t values (2) returning i", "commit"],
)
def test_a_commit_that_is_published_between_two_steps_goes_on(database: Database, text: str) -> None:
    session = database.session()
    database.run(session, "create sequence s; create table t (i int)")
    if text == "commit":
        database.run(session, "begin")
        database.run(session, "insert into t values (2)")
    answer = answered(session, text)
    seen = []
    for step in answer:
        seen.append(step)
        database.durable.flush()
    assert any(isinstance(step, Complete) for step in seen)
    assert session.transaction_status == "I"
    assert database.run(session, "select 1") == [(1,)]


def test_a_value_of_a_sequence_waits_for_the_note_that_covers_it_whoever_caused_it(
    database: Database,
) -> None:
    first, second = database.session(), database.session()
    database.run(first, "create sequence s")
    database.run(first, "begin")
    assert database.run(first, "select nextval('s')") == [(1,)]  # has told the log of it and what follows
    told = answered(second, "select nextval('s')")
    database.until_it_waits(told)
    database.durable.flush()
    assert any(isinstance(step, Complete) for step in told)
    database.run(first, "rollback")
    session = database.session()
    steps = [step for step in answered(session, "select nextval('s')") if isinstance(step, Wait)]
    assert not steps  # covered, and durable: nothing to wait for


@pytest.mark.parametrize("ending", ["commit", "rollback"])
def test_the_end_of_a_prepared_transaction_is_durable_whatever_the_setting(
    database: Database, ending: str
) -> None:
    session = database.session()
    database.run(session, "create table t (i int)")
    database.run(session, "set synchronous_commit = off")
    database.run(session, "begin")
    database.run(session, "insert into t values (1)")
    database.until_it_waits(answered(session, "prepare transaction 'g'"))
    database.durable.flush()
    other = database.session()
    database.run(other, "set synchronous_commit = off")
    database.until_it_waits(answered(other, f"{ending} prepared 'g'"))
