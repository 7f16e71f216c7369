"""Notifications as the driver gives them: DB-API connections and native listeners, embedded and over the network."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

import skerry
from skerry import Notification

Connect = Callable[..., skerry.Connection]


def texts(found: list[Notification]) -> list[tuple[str, str]]:
    return [(each.channel, each.payload) for each in found]


def soon(connection: skerry.Connection, count: int) -> list[tuple[str, str]]:
    """What has arrived at a connection, which is not asked to wait, when there are so many."""
    deadline_s = time.monotonic() + 5
    while len(connection.notifications) < count and time.monotonic() < deadline_s:
        time.sleep(0.01)
    return texts(connection.notifications)


def test_a_connection_collects_what_arrives(another: Connect) -> None:
    listens, sends = another(autocommit=True), another(autocommit=True)
    listens.execute("LISTEN orders")
    (pid,) = sends.execute("SELECT pg_backend_pid()").fetchone() or ()
    sends.execute("SELECT pg_notify(%s, %s)", ("orders", "ünï 🙂"))
    sends.execute("NOTIFY orders")
    assert soon(listens, 2) == [("orders", "ünï 🙂"), ("orders", "")]
    assert [each.pid for each in listens.notifications] == [pid, pid]
    listens.notifications.clear()
    assert listens.notifications == []


def test_waiting_ends_with_what_comes(another: Connect) -> None:
    listens, sends = another(autocommit=True), another(autocommit=True)
    listens.execute("LISTEN x")
    timer = threading.Timer(0.1, lambda: sends.execute("NOTIFY x, 'late'"))
    timer.start()
    assert texts(listens.wait_for_notifications(10)) == [("x", "late")]
    assert listens.notifications == []
    timer.join()


def test_waiting_ends_with_its_time(another: Connect) -> None:
    listens = another(autocommit=True)
    listens.execute("LISTEN x")
    began_s = time.monotonic()
    assert listens.wait_for_notifications(0.1) == []
    assert time.monotonic() - began_s >= 0.1
    assert listens.wait_for_notifications(0) == []


def test_to_oneself_at_once(another: Connect) -> None:
    connection = another(autocommit=True)
    connection.execute("LISTEN x")
    connection.execute("NOTIFY x, 'mine'")
    assert texts(connection.notifications) == [("x", "mine")]


def test_nothing_comes_before_the_commits_of_both(another: Connect) -> None:
    listens, sends = another(), another()
    listens.execute("LISTEN x")
    listens.commit()
    sends.execute("NOTIFY x, '1'")
    assert listens.wait_for_notifications(0.05) == []
    listens.execute("SELECT 1")
    sends.commit()
    assert listens.notifications == []
    with pytest.raises(skerry.InvalidTransactionState, match="inside a transaction"):
        listens.wait_for_notifications(5)
    listens.commit()
    assert texts(listens.wait_for_notifications(5)) == [("x", "1")]


def test_a_rollback_takes_it_all_back(another: Connect) -> None:
    listens, sends = another(), another(autocommit=True)
    listens.execute("LISTEN x")
    listens.rollback()
    sends.execute("NOTIFY x")
    assert listens.wait_for_notifications(0.05) == []


def test_many_arrive_in_order(another: Connect) -> None:
    listens, sends = another(autocommit=True), another(autocommit=True)
    listens.execute("LISTEN x")
    sends.execute("SELECT pg_notify('x', i || repeat('.', 500)) FROM generate_series(1, 3000) i")
    found: list[Notification] = []
    while len(found) < 3000:
        arrived = listens.wait_for_notifications(5)
        assert arrived
        found += arrived
    assert [each.payload.rstrip(".") for each in found] == [str(number) for number in range(1, 3001)]


def test_statements_and_notifications_do_not_get_mixed_up(another: Connect) -> None:
    listens, sends = another(autocommit=True), another(autocommit=True)
    listens.execute("LISTEN x")
    found: list[Notification] = []
    for number in range(50):
        sends.execute(f"NOTIFY x, '{number}'")
        assert listens.execute("SELECT %s", (number,)).fetchall() == [(number,)]
        found += listens.notifications
        listens.notifications.clear()
    found += listens.wait_for_notifications(0.05)
    assert [each.payload for each in found] == [str(number) for number in range(50)]


def test_closing_wakes_who_waits(another: Connect) -> None:
    listens = another(autocommit=True)
    listens.execute("LISTEN x")
    threading.Timer(0.1, listens.close).start()
    with pytest.raises(skerry.InterfaceError):
        listens.wait_for_notifications(10)


def test_a_session_that_is_terminated_says_so_to_who_waits(another: Connect) -> None:
    listens, other = another(autocommit=True), another(autocommit=True)
    listens.execute("LISTEN x")
    (pid,) = listens.execute("SELECT pg_backend_pid()").fetchone() or ()
    threading.Timer(0.1, lambda: other.execute("SELECT pg_terminate_backend(%s)", (pid,))).start()
    with pytest.raises(skerry.OperationalError, match="terminating connection"):
        listens.wait_for_notifications(10)


# --- native ----------------------------------------


def test_a_listener_iterates(database: skerry.Database) -> None:
    with database.listen("a", "B c") as listener:
        for channel in ("a", '"B c"', "other", "a"):
            database.execute(f"NOTIFY {channel}, 'for {channel.strip(chr(34))}'")
        stream = iter(listener)
        assert [next(stream)[:2] for _ in range(3)] == [("a", "for a"), ("B c", "for B c"), ("a", "for a")]
        assert listener.wait(0.05) is None


def test_a_listener_s_end_ends_its_loop(database: skerry.Database) -> None:
    listener = database.listen("x")
    seen: list[Notification] = []

    def read() -> None:
        for each in listener:
            seen.append(each)

    thread = threading.Thread(target=read)
    thread.start()
    database.execute("NOTIFY x, 'one'")
    deadline_s = time.monotonic() + 5
    while not seen and time.monotonic() < deadline_s:
        time.sleep(0.01)
    listener.close()
    thread.join(5)
    assert not thread.is_alive()
    assert texts(seen) == [("x", "one")]
    with pytest.raises(skerry.InterfaceError, match="closed"):
        listener.wait(1)


def test_a_transaction_notifies_when_it_commits(database: skerry.Database) -> None:
    with database.listen("x") as listener:
        with database.begin_transaction() as transaction:
            transaction.execute("NOTIFY x, 'kept'")
            transaction.savepoint("s")
            transaction.execute("NOTIFY x, 'taken back'")
            transaction.rollback_to_savepoint("s")
            assert listener.wait(0.05) is None
            transaction.commit()
        found = listener.wait(5)
        assert found is not None and (found.channel, found.payload) == ("x", "kept")
        assert listener.wait(0.05) is None


def test_listening_takes_a_session_of_its_own(database: skerry.Database) -> None:
    with pytest.raises(skerry.InterfaceError, match=r"Database\.listen"):
        database.execute("LISTEN x")
    assert database.execute("SELECT pg_listening_channels()").fetchall() == []
    with database.begin_transaction() as transaction:
        with pytest.raises(skerry.InterfaceError, match=r"Database\.listen"):
            transaction.execute("LISTEN x")
        transaction.commit()
    assert database.execute("SELECT pg_listening_channels()").fetchall() == []
    with pytest.raises(skerry.InterfaceError, match="needs a channel"):
        database.listen()


def test_a_forgotten_listener_listens_no_more() -> None:
    with skerry.open() as database:
        database.listen("x")
        database.execute("NOTIFY x, 'nobody'")
        assert database.execute("SELECT pg_notification_queue_usage()").scalar() == 0.0
