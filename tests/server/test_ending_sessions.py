"""Sessions that are ended from outside: the client gets a FATAL error and the connection closes, whatever it does."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing

import pytest
from support.postgres_server import Address
from support.wire_client import WireClient

from skerry_engine.engine import Engine
from skerry_engine.errors import AdminShutdown

Connect = Callable[[], WireClient]


@pytest.fixture
def connect(skerry_server: Address) -> Iterator[Connect]:
    """Opens connections that end with the test."""
    with ExitStack() as stack:
        yield lambda: stack.enter_context(closing(WireClient(skerry_server)))


@pytest.fixture
def admin(connect: Connect) -> WireClient:
    """A connection with an empty table t."""
    client = connect()
    client.query("drop table if exists t")
    assert client.query("create table t (id int primary key, v int)").error is None
    return client


def fields(body: bytes) -> dict[str, str]:
    return {part[:1].decode(): part[1:].decode() for part in body.split(b"\0") if part}


def read_error(client: WireClient) -> dict[str, str]:
    """The next message, which is to be an error."""
    kind, body = client._read()
    assert kind == b"E"
    return fields(body)


def is_closed(client: WireClient) -> bool:
    try:
        client._read()
    except ConnectionError:
        return True
    return False


def end(admin: WireClient, function: str, client: WireClient) -> None:
    assert admin.query(f"select {function}({client.backend_key[0]})").rows == [("t",)]


def wait_for(admin: WireClient, client: WireClient, condition: str) -> None:
    """Until the client's row of pg_stat_activity meets the condition."""
    query = f"select 1 from pg_stat_activity where pid = {client.backend_key[0]} and {condition}"
    deadline_s = time.monotonic() + 10
    while not admin.query(query).rows:
        assert time.monotonic() < deadline_s
        time.sleep(0.005)


def test_an_idle_client_is_told_at_once(connect: Connect, admin: WireClient) -> None:
    client = connect()
    end(admin, "pg_terminate_backend", client)
    error = read_error(client)
    assert (error["S"], error["C"]) == ("FATAL", "57P01")
    assert error["M"] == "terminating connection due to administrator command"
    assert is_closed(client)


@pytest.mark.parametrize(
    "text", ["select pg_sleep(30)", "select count(*) from generate_series(1, 100000000) where random() < 0"]
)
def test_a_statement_ends_with_its_session(connect: Connect, admin: WireClient, text: str) -> None:
    client = connect()
    client._send(b"Q", text.encode() + b"\0")
    wait_for(admin, client, "state = 'active'")
    end(admin, "pg_terminate_backend", client)
    messages = []
    while not messages or messages[-1][0] != b"E":
        messages.append(client._read())
    assert fields(messages[-1][1])["S"] == "FATAL"
    assert is_closed(client)


def copying(connect: Connect, admin: WireClient) -> WireClient:
    """A client that has begun COPY FROM STDIN in a transaction, and says nothing more."""
    client = connect()
    client.query("begin")
    client.query("insert into t values (1, 1)")
    client._send(b"Q", b"copy t from stdin\0")
    assert client._read()[0] == b"G"
    wait_for(admin, client, "query = 'copy t from stdin'")
    return client


def test_copy_from_a_silent_client_can_be_cancelled(connect: Connect, admin: WireClient) -> None:
    client = copying(connect, admin)
    end(admin, "pg_cancel_backend", client)
    assert read_error(client)["C"] == "57014"
    assert client._read() == (b"Z", b"E")
    assert client.query("rollback").tags == ["ROLLBACK"]


def test_copy_from_a_silent_client_ends_with_its_session(connect: Connect, admin: WireClient) -> None:
    client = copying(connect, admin)
    end(admin, "pg_terminate_backend", client)
    assert (read_error(client)["S"], is_closed(client)) == ("FATAL", True)
    assert admin.query("insert into t values (1, 2)").tags == ["INSERT 0 1"]


def test_a_client_that_does_not_read_can_be_terminated(connect: Connect, admin: WireClient) -> None:
    client = connect()
    client._send(b"Q", b"select repeat('x', 1000) from generate_series(1, 1000000)\0")
    time.sleep(0.3)  # until the server's buffers are full, and it does not step the statement any more
    pid = client.backend_key[0]
    assert admin.query(f"select pg_terminate_backend({pid}, 5000)").rows == [("t",)]
    assert admin.query(f"select count(*) from pg_stat_activity where pid = {pid}").rows == [("0",)]


@pytest.mark.parametrize(
    ("texts", "sqlstate", "message"),
    [
        (
            ["set idle_session_timeout = '80ms'"],
            "57P05",
            "terminating connection due to idle-session timeout",
        ),
        (
            ["begin", "set local idle_in_transaction_session_timeout = '80ms'", "select 1"],
            "25P03",
            "terminating connection due to idle-in-transaction timeout",
        ),
        (
            ["begin", "set local idle_in_transaction_session_timeout = '80ms'", "select 1/0"],
            "25P03",
            "terminating connection due to idle-in-transaction timeout",
        ),
        (
            ["begin", "set local transaction_timeout = '80ms'"],
            "25P04",
            "terminating connection due to transaction timeout",
        ),
    ],
)
def test_timeouts_of_silent_clients(
    connect: Connect, admin: WireClient, texts: list[str], sqlstate: str, message: str
) -> None:
    client = connect()
    for text in texts:
        client.query(text)
    error = read_error(client)
    assert (error["S"], error["C"], error["M"]) == ("FATAL", sqlstate, message)
    assert is_closed(client)


def test_a_transaction_timeout_ends_a_silent_copy(connect: Connect, admin: WireClient) -> None:
    client = connect()
    client.query("begin")
    client.query("set local transaction_timeout = '150ms'")
    client.query("insert into t values (1, 1)")
    client._send(b"Q", b"copy t from stdin\0")
    assert client._read()[0] == b"G"
    assert read_error(client)["C"] == "25P04"
    assert is_closed(client)
    assert admin.query("insert into t values (1, 2)").tags == ["INSERT 0 1"]


def test_other_transactions_go_on_where_nothing_idles(connect: Connect, admin: WireClient) -> None:
    client = connect()
    client.query("set idle_session_timeout = '150ms'")
    client.query("set idle_in_transaction_session_timeout = '150ms'")
    for _ in range(6):
        time.sleep(0.05)
        assert client.query("begin").error is None
        time.sleep(0.05)
        assert client.query("commit").error is None
    assert client.query("select pg_sleep(0.3)").error is None


def test_a_session_that_is_ended_says_why_to_every_message() -> None:
    """Whatever the client had sent before it could read that its session has ended."""
    session = Engine.open().open_session("postgres", "skerry")
    session.parse("", "select 1", [])
    session.bind("", "", [], [], [])
    session.terminate()
    for call in (
        lambda: session.parse("", "select 1", []),
        lambda: session.bind("", "", [], [], []),
        lambda: session.describe_statement(""),
        lambda: session.describe_portal(""),
        lambda: list(session.execute("", 0)),
        lambda: list(session.simple_query("select 1")),
    ):
        with pytest.raises(AdminShutdown):
            call()
