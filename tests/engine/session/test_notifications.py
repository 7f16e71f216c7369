"""LISTEN and NOTIFY inside the engine: what waits for whom, the queue's limit, publication, and a model."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import settings
from hypothesis import strategies as some
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from support.sessions import SqlDatabase, SqlSession

from skerry_engine import errors
from skerry_engine.session.notifications import QUEUE_LIMIT_BYTES, Notifications
from skerry_engine.session.steps import Notice


def told(session: SqlSession) -> list[tuple[str, str]]:
    """Channel and payload of all that a session can be told now."""
    return [(each.channel, each.payload) for each in session.session.take_notifications(1000)]


@pytest.fixture
def database() -> SqlDatabase:
    return SqlDatabase()


@pytest.fixture
def open_session(database: SqlDatabase) -> Callable[..., SqlSession]:
    """Sessions by name, having run the statements given."""

    def opened(name: str, *texts: str) -> SqlSession:
        session = database.session(name)
        for text in texts:
            session.run_all(text)
        return session

    return opened


Opener = Callable[..., SqlSession]


def test_the_pid_is_the_sender_s(open_session: Opener) -> None:
    a, b = open_session("a", "listen x"), open_session("b", "notify x, 'p'")
    (found,) = a.session.take_notifications(10)
    assert (found.pid, found.channel, found.payload) == (b.session.backend_pid, "x", "p")


def test_nothing_is_told_in_a_transaction_nor_between_execute_and_sync(open_session: Opener) -> None:
    a = open_session("a", "listen x", "begin")
    open_session("b", "notify x, '1'")
    assert a.session.has_notifications
    assert told(a) == []
    a.run_all("rollback")
    a.session.parse("", "select 1", ())
    a.session.bind("", "", (), (), ())
    assert list(a.session.execute("", 0)) != []
    assert told(a) == []
    assert list(a.session.sync()) == []
    assert told(a) == [("x", "1")]


def test_a_limit_leaves_the_rest_in_order(open_session: Opener) -> None:
    a = open_session("a", "listen x")
    open_session("b", "select pg_notify('x', i::text) from generate_series(1, 5) i")
    assert [each.payload for each in a.session.take_notifications(2)] == ["1", "2"]
    assert [each.payload for each in a.session.take_notifications(9)] == ["3", "4", "5"]
    assert not a.session.has_notifications


def test_a_statement_that_sleeps_and_is_run_again_sends_once(
    database: SqlDatabase, open_session: Opener
) -> None:
    a = open_session("a", "listen x")
    sleeper = database.session("b").run("select pg_notify('x', random()::text), pg_sleep(0.001)")
    with pytest.raises(StopIteration):
        while True:
            next(sleeper)
    assert len(told(a)) == 1


def test_waiting_for_a_row_does_not_notify_twice(database: SqlDatabase, open_session: Opener) -> None:
    a = open_session(
        "a", "listen x", "create table t (id int primary key, n int)", "insert into t values (1, 0)"
    )
    b = open_session("b", "begin", "update t set n = 1 where id = 1")
    update = database.session("c").run(
        "update t set n = n + 1 where id = 1 returning pg_notify('x', n::text)"
    )
    next(update)
    b.run_all("commit")
    with pytest.raises(StopIteration):
        while True:
            next(update)
    assert told(a) == [("x", "2")]


def test_a_session_s_end_ends_its_listening_and_drops_what_waits(
    database: SqlDatabase, open_session: Opener
) -> None:
    a, b = open_session("a", "listen x", "listen y"), open_session("b", "notify x, 'waits'")
    assert database.engine.notifications.waiting_bytes > 0
    a.session.close()
    assert database.engine.notifications.waiting_bytes == 0
    b.run_all("notify y")
    assert database.engine.notifications.waiting_bytes == 0
    assert database.engine.notifications.slowest() is None


def test_a_session_that_ends_in_a_transaction_sends_nothing(open_session: Opener) -> None:
    a = open_session("a", "listen x")
    b = open_session("b", "begin", "notify x, '1'")
    b.session.close()
    assert told(a) == []


def test_a_lost_commit_sends_nothing(open_session: Opener) -> None:
    a = open_session("a", "listen x", "create table t (id int primary key deferrable initially deferred)")
    b = open_session("b", "begin", "insert into t values (1), (1)", "notify x, '1'", "listen y")
    with pytest.raises(errors.UniqueViolation):
        b.run_all("commit")
    assert told(a) == []
    assert b.rows("select pg_listening_channels()") == []


# --- publication ----------------------------------------


def test_the_engine_can_notify_at_publication(database: SqlDatabase, open_session: Opener) -> None:
    a = open_session("a", "listen changes")
    oid = a.session.database_oid
    hub = database.engine.notifications
    hub.notify(oid, "changes", "7", pid=3)
    hub.notify(oid, "changes", "7", pid=3)
    hub.notify(oid, "other", "7")
    hub.notify(oid + 1, "changes", "in another database")
    assert [(n.pid, n.channel, n.payload) for n in a.session.take_notifications(9)] == [
        (3, "changes", "7")
    ] * 2


def test_a_full_queue_keeps_wake_ups_of_the_engine_to_one_a_channel(
    database: SqlDatabase, open_session: Opener
) -> None:
    database.engine.notifications.limit_bytes = 2000
    stalled = open_session("stalled", "listen x", "listen y")
    awake = open_session("awake", "listen x")
    for number in range(100):
        database.engine.notifications.notify(stalled.session.database_oid, "x", str(number))
        told(awake)
    database.engine.notifications.notify(stalled.session.database_oid, "y", "new")
    database.engine.notifications.notify(stalled.session.database_oid, "x", "for one that is awake")
    assert told(awake) == [("x", "for one that is awake")]
    found = told(stalled)
    assert found[0] == ("x", "0") and found[-1] == ("y", "new")
    assert len(found) < 15
    assert database.engine.notifications.waiting_bytes == 0


# --- the limit ----------------------------------------


def test_a_full_queue_refuses_commits_that_notify_until_it_is_read(
    database: SqlDatabase, open_session: Opener
) -> None:
    database.engine.notifications.limit_bytes = 10_000
    a, b = open_session("a", "listen x"), open_session("b", "create table t (i int)")
    sent = 0
    with pytest.raises(
        errors.ProgramLimitExceeded, match="too many notifications in the NOTIFY queue"
    ) as raised:
        while True:
            b.run_all(f"insert into t values ({sent}); notify x, '{sent}'")
            sent += 1
    assert raised.value.sqlstate == "54000"
    assert 30 < sent < 50
    assert b.rows("select count(*) from t") == [(sent,)]
    b.run_all("insert into t values (0)")  # others are not concerned
    assert 0.9 < float(str(a.rows("select pg_notification_queue_usage()")[0][0])) <= 1.0
    assert told(a) == [("x", str(number)) for number in range(sent)]
    assert a.rows("select pg_notification_queue_usage()") == [(0.0,)]
    b.run_all("notify x, 'again'")
    assert told(a) == [("x", "again")]


def test_half_a_queue_is_worth_a_warning_now_and_then(database: SqlDatabase, open_session: Opener) -> None:
    database.engine.notifications.limit_bytes = 10_000
    a, b = open_session("a", "listen x"), open_session("b")
    notices = [
        step
        for number in range(40)
        for step in b.run_all(f"notify x, '{number}'")
        if isinstance(step, Notice)
    ]
    assert len(notices) == 1
    assert notices[0].message == "NOTIFY queue is 51% full"
    assert notices[0].severity == "WARNING"
    assert f"PID {a.session.backend_pid} " in str(notices[0].detail)


def test_one_transaction_can_t_ask_for_more_than_the_queue_holds(
    database: SqlDatabase, open_session: Opener
) -> None:
    database.engine.notifications.limit_bytes = 100_000
    a, b = open_session("a", "listen x"), open_session("b")
    with pytest.raises(errors.ProgramLimitExceeded):
        b.run_all("select pg_notify('x', i::text) from generate_series(1, 1000) i")
    assert told(a) == []
    b.run_all("select pg_notify('x', 'always the same') from generate_series(1, 1000) i")
    assert told(a) == [("x", "always the same")]


def test_what_two_sessions_wait_for_counts_once(database: SqlDatabase, open_session: Opener) -> None:
    a, b = open_session("a", "listen x"), open_session("b", "listen x", "notify x, 'p'")
    size = database.engine.notifications.waiting_bytes
    assert size > 0
    told(a)
    assert database.engine.notifications.waiting_bytes == size
    told(b)
    assert database.engine.notifications.waiting_bytes == 0


# --- against a model ----------------------------------------

NAMES = some.sampled_from("abc")
CHANNELS = some.sampled_from("xy")
PAYLOADS = some.sampled_from("12")


class _Model:
    """What one session is: committed state, and what its transaction asks for as plain lists."""

    def __init__(self) -> None:
        self.channels: list[str] = []
        self.asked: list[tuple[str, str, str]] = []
        self.savepoints: list[int] = []
        self.in_block = False
        self.inbox: list[tuple[str, str]] = []


class Conversations(RuleBasedStateMachine):
    """Random sessions against lists."""

    def __init__(self) -> None:
        super().__init__()
        self.database = SqlDatabase()
        self.models = {name: _Model() for name in "abc"}

    def _ask(self, name: str, text: str, *asked: tuple[str, str, str]) -> None:
        self.database.session(name).run_all(text)
        model = self.models[name]
        model.asked += asked
        if not model.in_block:
            self._commit(model)

    def _commit(self, model: _Model) -> None:
        for what, channel, _ in model.asked:
            if what == "listen" and channel not in model.channels:
                model.channels.append(channel)
            if what == "unlisten":
                model.channels = [each for each in model.channels if channel not in ("*", each)]
        sent = dict.fromkeys((channel, payload) for what, channel, payload in model.asked if what == "notify")
        for key in sent:
            for other in self.models.values():
                if key[0] in other.channels:
                    other.inbox.append(key)
        self._rolled_back(model)

    @staticmethod
    def _rolled_back(model: _Model) -> None:
        model.asked, model.savepoints, model.in_block = [], [], False

    @rule(name=NAMES, channel=CHANNELS)
    def listen(self, name: str, channel: str) -> None:
        self._ask(name, f"listen {channel}", ("listen", channel, ""))

    @rule(name=NAMES, channel=some.sampled_from("xy*"))
    def unlisten(self, name: str, channel: str) -> None:
        self._ask(name, f"unlisten {channel}", ("unlisten", channel, ""))

    @rule(name=NAMES, channel=CHANNELS, payload=PAYLOADS, by_function=some.booleans())
    def notify(self, name: str, channel: str, payload: str, by_function: bool) -> None:
        function, command = f"select pg_notify('{channel}', '{payload}')", f"notify {channel}, '{payload}'"
        self._ask(name, function if by_function else command, ("notify", channel, payload))

    @rule(name=NAMES)
    def begin(self, name: str) -> None:
        if not self.models[name].in_block:
            self.database.session(name).run_all("begin")
            self.models[name].in_block = True

    @rule(name=NAMES, commits=some.booleans())
    def end(self, name: str, commits: bool) -> None:
        model = self.models[name]
        if model.in_block:
            self.database.session(name).run_all("commit" if commits else "rollback")
            (self._commit if commits else self._rolled_back)(model)

    @rule(name=NAMES)
    def savepoint(self, name: str) -> None:
        model = self.models[name]
        if model.in_block:
            self.database.session(name).run_all(f"savepoint s{len(model.savepoints)}")
            model.savepoints.append(len(model.asked))

    @rule(name=NAMES, which=some.integers(0, 5), releases=some.booleans())
    def back_to_savepoint(self, name: str, which: int, releases: bool) -> None:
        model = self.models[name]
        if which >= len(model.savepoints):
            return
        if releases:
            self.database.session(name).run_all(f"release s{which}")
            del model.savepoints[which:]
        else:
            self.database.session(name).run_all(f"rollback to s{which}")
            del model.asked[model.savepoints[which] :]
            del model.savepoints[which + 1 :]

    @precondition(lambda self: any(model.inbox for model in self.models.values()))
    @rule(name=NAMES)
    def read(self, name: str) -> None:
        model = self.models[name]
        found = told(self.database.session(name))
        assert found == ([] if model.in_block else model.inbox)
        if not model.in_block:
            model.inbox = []

    @rule(name=NAMES)
    def leave(self, name: str) -> None:
        self.database.session(name).kill()
        self.models[name] = _Model()

    @invariant()
    def what_waits_is_what_the_queue_says(self) -> None:
        for name, model in self.models.items():
            session = self.database.session(name).session
            assert list(session.notifications.channels) == model.channels
            assert session.notifications.waiting == len(model.inbox)
        is_empty = not any(model.inbox for model in self.models.values())
        assert (self.database.engine.notifications.waiting_bytes == 0) == is_empty


TestConversations = Conversations.TestCase
TestConversations.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


def test_the_limit_has_room_for_many() -> None:
    assert Notifications().limit_bytes == QUEUE_LIMIT_BYTES >= 8000 * 1000
