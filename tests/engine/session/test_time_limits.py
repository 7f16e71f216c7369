"""Timeouts, and long statements beside short ones: by threads and over the wire."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing

import pytest
from support.concurrent_sessions import (
    Client,
    EmbeddedClient,
    Monitor,
    NetworkClient,
    embedded_source,
)
from support.postgres_server import Address

LONG = "select count(*) from generate_series(1, 30000) a, generate_series(1, 30000) b where a + b < 0"
OpenClient = Callable[[], Client]


@pytest.fixture(params=["threads", "wire"])
def open_client(request: pytest.FixtureRequest) -> Iterator[OpenClient]:
    """Opens sessions of one database that share a table t with one row."""
    with ExitStack() as stack:
        if request.param == "threads":
            source = embedded_source()

            def make() -> Client:
                return EmbeddedClient(source)
        else:
            address: Address = request.getfixturevalue("skerry_server")
            monitor = stack.enter_context(closing(Monitor(address, "postgres")))

            def make() -> Client:
                return NetworkClient(address, "postgres", monitor)

        def opened() -> Client:
            return stack.enter_context(closing(make()))

        first = opened()
        first.execute("drop table if exists t")
        first.execute("create table t (id int primary key, v int)")
        first.execute("insert into t values (1, 1)")
        yield opened


def wait_until(condition: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline_s
        time.sleep(0.005)


def in_thread(client: Client, text: str) -> tuple[threading.Thread, list[str]]:
    """Run a statement in a thread of its own; its lines come into the list."""
    lines: list[str] = []
    thread = threading.Thread(target=lambda: lines.extend(client.execute(text)), daemon=True)
    thread.start()
    return thread, lines


def hold_row(client: Client) -> None:
    """Lock the row in a transaction that another thread began:
    a wait for one's own thread would be an error."""
    for text in ("begin", "update t set v = 2"):
        thread, _ = in_thread(client, text)
        thread.join(10)


def test_lock_timeout(open_client: OpenClient) -> None:
    a, b = open_client(), open_client()
    hold_row(a)
    b.execute("set lock_timeout = '40ms'")
    started_s = time.monotonic()
    assert b.execute("update t set v = 3") == ["ERROR 55P03 T002: canceling statement due to lock timeout"]
    assert 0.03 < time.monotonic() - started_s < 5
    a.execute("commit")
    assert b.execute("update t set v = 3") == ["UPDATE 1"]


def test_statement_timeout_of_a_wait(open_client: OpenClient) -> None:
    a, b = open_client(), open_client()
    hold_row(a)
    b.execute("set statement_timeout = '40ms'")
    (error,) = b.execute("update t set v = 3")
    assert error.startswith("ERROR 57014") and error.endswith("canceling statement due to statement timeout")
    a.execute("rollback")
    assert b.execute("update t set v = 3") == ["UPDATE 1"]


def test_statement_timeout_of_a_long_query(open_client: OpenClient) -> None:
    client = open_client()
    client.execute("set statement_timeout = '60ms'")
    started_s = time.monotonic()
    (error,) = client.execute(LONG)
    assert error.startswith("ERROR 57014")
    assert time.monotonic() - started_s < 5
    assert client.execute("select 1") == ["1", "SELECT 1"]


def test_a_long_query_lets_others_work_and_can_be_cancelled(open_client: OpenClient) -> None:
    a, b = open_client(), open_client()
    thread, lines = in_thread(a, LONG)
    time.sleep(0.05)
    took_s = []
    for number in range(20):
        started_s = time.monotonic()
        assert b.execute(f"update t set v = {number}") == ["UPDATE 1"]
        took_s.append(time.monotonic() - started_s)
    assert sorted(took_s)[len(took_s) // 2] < 2, (
        "a turn is about a millisecond; a loaded machine is given room"
    )
    assert thread.is_alive()
    a.cancel()
    thread.join(10)
    assert lines == ["ERROR 57014: canceling statement due to user request"]


def test_a_cancelled_wait_in_a_block(open_client: OpenClient) -> None:
    a, b = open_client(), open_client()
    a.execute("begin")
    a.execute("update t set v = 2")
    thread, lines = in_thread(b, "update t set v = 3")
    wait_until(b.is_waiting)
    b.cancel()
    thread.join(10)
    assert lines == ["ERROR 57014: canceling statement due to user request"]
    assert a.execute("commit") == ["COMMIT"]
    assert b.execute("select v from t") == ["2", "SELECT 1"]


@pytest.mark.parametrize(
    ("setting", "error"),
    [
        ("lock_timeout", "ERROR 55P03 T002: canceling statement due to lock timeout"),
        ("statement_timeout", "ERROR 57014 T002: canceling statement due to statement timeout"),
        ("transaction_timeout", "ERROR 25P04 T002: terminating connection due to transaction timeout"),
    ],
)
def test_commit_that_waits_is_bounded(open_client: OpenClient, setting: str, error: str) -> None:
    """SNAPSHOT waits for row locks at COMMIT; one that fails there is rolled back, and its transaction over."""
    a, b, c = open_client(), open_client(), open_client()
    hold_row(a)
    b.execute("begin isolation level repeatable read")
    assert b.execute("update t set v = 3") == ["UPDATE 1"]
    b.execute("insert into t values (2, 2)")
    b.execute(f"set local {setting} = '60ms'")
    assert b.execute("commit") == [error]
    assert c.execute("insert into t values (2, 22)") == ["INSERT 0 1"]
    assert a.execute("commit") == ["COMMIT"]
    assert c.execute("select v from t order by id") == ["2", "22", "SELECT 2"]


def test_commit_that_waits_can_be_cancelled(open_client: OpenClient) -> None:
    a, b = open_client(), open_client()
    hold_row(a)
    b.execute("begin isolation level serializable")
    b.execute("update t set v = 3")
    thread, lines = in_thread(b, "commit")
    wait_until(b.is_waiting)
    b.cancel()
    thread.join(10)
    assert lines == ["ERROR 57014: canceling statement due to user request"]
    assert b.execute("commit") == ["WARNING: there is no transaction in progress", "COMMIT"]
    assert a.execute("commit") == ["COMMIT"]
    assert b.execute("select v from t") == ["2", "SELECT 1"]


def test_many_waiters_all_get_through(open_client: OpenClient) -> None:
    holder = open_client()
    holder.execute("begin")
    holder.execute("update t set v = 0")
    waiters = [open_client() for _ in range(6)]
    running = [in_thread(waiter, "update t set v = v + 1") for waiter in waiters]
    for waiter in waiters:
        wait_until(waiter.is_waiting)
    holder.execute("commit")
    for thread, _ in running:
        thread.join(10)
    assert [lines for _, lines in running] == [["UPDATE 1"]] * 6
    assert holder.execute("select v from t") == ["6", "SELECT 1"]


def test_a_wait_for_the_own_thread_is_an_error() -> None:
    source = embedded_source()
    with closing(EmbeddedClient(source)) as a, closing(EmbeddedClient(source)) as b:
        a.execute("create table t (id int primary key, v int)")
        a.execute("insert into t values (1, 1)")
        a.execute("begin")
        a.execute("update t set v = 2")
        a.execute("select pg_advisory_lock(1)")
        a.execute("insert into t values (2, 2)")
        for text in (
            "update t set v = 3",
            "insert into t values (2, 3)",
            "select pg_advisory_lock(1)",
            "begin; lock table t",
            "drop table t",
        ):
            assert b.execute(text)[0] == "ERROR 40P01 T006: deadlock detected"
            b.execute("rollback")
        b.execute("begin isolation level repeatable read")
        assert b.execute("update t set v = 3") == ["UPDATE 1"]
        assert b.execute("commit")[0] == "ERROR 40P01 T006: deadlock detected"
        assert a.execute("commit") == ["COMMIT"]
        assert b.execute("select v from t order by id") == ["2", "2", "SELECT 2"]
