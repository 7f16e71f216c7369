"""transaction_timeout and idle_in_transaction_session_timeout: over the wire the session ends, embedded the
transaction is rolled back; its locks go at once in both.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing

import pytest
from support.concurrent_sessions import Client, EmbeddedClient, Monitor, NetworkClient, embedded_source
from support.postgres_server import Address
from support.sessions import SqlDatabase

OpenClient = Callable[[], Client]

TRANSACTION = "ERROR 25P04 T002: terminating connection due to transaction timeout"
IDLE = "ERROR 25P03 T002: terminating connection due to idle-in-transaction timeout"
LONG = "select count(*) from generate_series(1, 100000000) where random() < 0"


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


def in_thread(client: Client, *texts: str) -> tuple[threading.Thread, list[str]]:
    """Run statements in a thread of its own; their lines come into the list."""
    lines: list[str] = []

    def work() -> None:
        for text in texts:
            lines.extend(client.execute(text))

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread, lines


def hold_row(client: Client, setting: str) -> None:
    """Begin a transaction under a timeout and lock the row, in a thread that is not the waiter's."""
    thread, lines = in_thread(client, "begin", f"set local {setting}", "update t set v = 2")
    thread.join(10)
    assert lines[-1] == "UPDATE 1"


@pytest.mark.parametrize(
    ("setting", "error"),
    [
        ("transaction_timeout = '150ms'", TRANSACTION),
        ("idle_in_transaction_session_timeout = '100ms'", IDLE),
    ],
)
def test_an_idle_transaction_lets_go(open_client: OpenClient, setting: str, error: str) -> None:
    a, b = open_client(), open_client()
    hold_row(a, setting)
    started_s = time.monotonic()
    assert b.execute("update t set v = v + 10") == ["UPDATE 1"]
    assert time.monotonic() - started_s < 5
    assert a.execute("select 1") == [error]
    assert b.execute("select v from t") == ["11", "SELECT 1"]


def test_commit_comes_too_late(open_client: OpenClient) -> None:
    a, b = open_client(), open_client()
    hold_row(a, "transaction_timeout = '80ms'")
    time.sleep(0.2)
    assert a.execute("commit") == [TRANSACTION]
    assert b.execute("select v from t") == ["1", "SELECT 1"]


@pytest.mark.parametrize("text", [LONG, "select pg_sleep(20)"])
def test_a_statement_that_runs(open_client: OpenClient, text: str) -> None:
    client = open_client()
    started_s = time.monotonic()
    client.execute("begin")
    client.execute("update t set v = 2")
    client.execute("savepoint s")
    client.execute("set local transaction_timeout = '150ms'")
    assert client.execute(text) == [TRANSACTION]
    assert time.monotonic() - started_s < 5
    assert open_client().execute("update t set v = v + 1 returning v") == ["2", "UPDATE 1"]


def test_a_statement_that_waits(open_client: OpenClient) -> None:
    a, b = open_client(), open_client()
    hold_row(a, "work_mem = '1MB'")
    b.execute("begin")
    b.execute("set local transaction_timeout = '100ms'")
    assert b.execute("update t set v = 3") == [TRANSACTION]
    assert a.execute("commit") == ["COMMIT"]


def test_a_statement_of_its_own_is_a_transaction_too(open_client: OpenClient) -> None:
    client = open_client()
    client.execute("set transaction_timeout = '100ms'")
    assert client.execute("select 1") == ["1", "SELECT 1"]
    assert client.execute("select pg_sleep(10)") == [TRANSACTION]


def test_it_counts_from_the_beginning(open_client: OpenClient) -> None:
    """Statements and pauses add up; what comes first of several timeouts holds."""
    client = open_client()
    client.execute("begin")
    client.execute("set local transaction_timeout = '300ms'")
    client.execute("set local idle_in_transaction_session_timeout = '10s'")
    client.execute("set local statement_timeout = '10s'")
    started_s = time.monotonic()
    lines: list[str] = []
    while lines != [TRANSACTION]:
        assert time.monotonic() - started_s < 5
        lines = client.execute("select pg_sleep(0.05)")
        time.sleep(0.02)


def test_it_can_be_lifted_and_ends_with_the_transaction(open_client: OpenClient) -> None:
    client = open_client()
    client.execute("begin")
    client.execute("set transaction_timeout = '150ms'")
    client.execute("set transaction_timeout = 0")
    time.sleep(0.25)
    assert client.execute("commit") == ["COMMIT"]
    client.execute("set transaction_timeout = '100ms'")
    client.execute("begin")
    client.execute("commit")
    time.sleep(0.2)
    assert client.execute("select 1") == ["1", "SELECT 1"]


def test_a_failed_block_holds_nothing_and_may_idle(open_client: OpenClient) -> None:
    client = open_client()
    client.execute("begin")
    client.execute("set local transaction_timeout = '100ms'")
    client.execute("select 1/0")
    time.sleep(0.2)
    assert client.execute("rollback") == ["ROLLBACK"]


# --- embedded ----------------------------------------


@pytest.fixture
def embedded() -> Iterator[EmbeddedClient]:
    with closing(EmbeddedClient(embedded_source())) as client:
        client.execute("create table t (id int primary key, v int)")
        client.execute("insert into t values (1, 1)")
        yield client


def test_embedded_the_session_goes_on(embedded: EmbeddedClient) -> None:
    embedded.execute("set application_name = 'kept'")
    for end in ("rollback", "select v from t", "commit"):
        embedded.execute("begin")
        embedded.execute("set local transaction_timeout = '60ms'")
        embedded.execute("update t set v = 2")
        time.sleep(0.12)
        assert embedded._backend.transaction_status == "E"
        assert embedded.execute(end) == (["ROLLBACK"] if end == "rollback" else [TRANSACTION])
        assert embedded._backend.transaction_status == "I"
        assert embedded.execute("select v, current_setting('application_name') from t") == [
            "1|kept",
            "SELECT 1",
        ]


def test_embedded_nothing_is_watched_in_vain(embedded: EmbeddedClient) -> None:
    expiry = embedded._source.expiry
    embedded.execute("begin")
    assert expiry._watcher is None
    embedded.execute("set local transaction_timeout = '50ms'")
    thread = expiry._watcher
    assert thread is not None and thread.is_alive()
    embedded.execute("rollback")
    thread.join(5)
    assert not thread.is_alive() and expiry._watcher is None


# --- settings ----------------------------------------


def test_the_setting_is_one_of_postgres_17() -> None:
    database = SqlDatabase("set transaction_timeout = '2min'")
    assert database.session().lines("show transaction_timeout") == ["2min", "SHOW"]
    assert database.rows("select setting, unit from pg_settings where name = 'transaction_timeout'") == [
        ("120000", "ms")
    ]


@pytest.mark.parametrize(
    ("setting", "error"),
    [
        ("transaction_timeout = '150ms'", TRANSACTION),
        ("lock_timeout = '150ms'", "ERROR 55P03 T002: canceling statement due to lock timeout"),
    ],
)
def test_a_timeout_set_in_a_batch_holds_for_the_rest_of_it(
    open_client: OpenClient, setting: str, error: str
) -> None:
    a, b = open_client(), open_client()
    hold_row(a, "lock_timeout = 0")
    thread, lines = in_thread(b, f"begin; set local {setting}; update t set v = 3")
    thread.join(10)
    assert not thread.is_alive()
    assert lines[-1] == error
