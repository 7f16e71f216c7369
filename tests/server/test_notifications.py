"""Notifications over the wire, between sessions of a real server: while idle, in COPY, at the end of sessions."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing

import pytest
from support.postgres_server import Address
from support.wire_client import WireClient

Pair = tuple[WireClient, WireClient]


@pytest.fixture
def clients(skerry_server: Address) -> Iterator[Pair]:
    """One that listens to `x`, and another."""
    with ExitStack() as stack:
        first, second = (stack.enter_context(closing(WireClient(skerry_server))) for _ in range(2))
        assert first.query("LISTEN x").error is None
        yield first, second


def payloads(client: WireClient) -> list[str]:
    found, client.notifications = client.notifications, []
    return [payload for _, _, payload in found]


def test_a_commit_of_rows_and_its_notification_are_there_together(clients: Pair) -> None:
    listens, writes = clients
    writes.query("CREATE TABLE IF NOT EXISTS noted (i int)")
    for number in range(20):
        writes.query(f"BEGIN; INSERT INTO noted VALUES ({number}); NOTIFY x, '{number}'; COMMIT")
        while not listens.notifications:
            assert listens.listen()
        assert payloads(listens) == [str(number)]
        assert listens.query("SELECT max(i) FROM noted").rows == [(str(number),)]
    writes.query("DROP TABLE noted")


def test_thousands_in_one_transaction(clients: Pair) -> None:
    listens, sends = clients
    sends.query("SELECT pg_notify('x', i || repeat('.', 3000)) FROM generate_series(1, 5000) i")
    while len(listens.notifications) < 5000:
        assert listens.listen()
    assert [payload.rstrip(".") for payload in payloads(listens)] == [str(n) for n in range(1, 5001)]
    assert sends.query("SELECT pg_notification_queue_usage()").rows == [("0",)]


def test_a_client_that_vanishes_listens_no_more(clients: Pair) -> None:
    listens, sends = clients
    listens.query("BEGIN")
    sends.query("NOTIFY x, 'kept for it'")
    assert sends.query("SELECT pg_notification_queue_usage() > 0").rows == [("t",)]
    listens.reset()
    for _ in range(100):
        if sends.query("SELECT pg_notification_queue_usage()").rows == [("0",)]:
            break
    else:
        raise AssertionError("what waited for the session is still there")


def test_copy_is_not_disturbed(clients: Pair) -> None:
    listens, sends = clients
    listens.query("BEGIN")
    sends.query("NOTIFY x, 'meanwhile'")
    copied = listens.query("COPY (SELECT generate_series(1, 1000)) TO STDOUT")
    assert copied.copied.count(b"\n") == 1000
    assert payloads(listens) == []
    assert listens.query("COMMIT").kinds == "CAZ"
