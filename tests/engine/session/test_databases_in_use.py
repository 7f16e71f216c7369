"""Dropping and renaming a database that others still use: they are waited for, but not for ever."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing

import pytest
from support.concurrent_sessions import Monitor, NetworkClient
from support.postgres_server import Address

CHANGES = {"drop": "drop database busy", "rename": "alter database busy rename to quiet"}


class Clients:
    """One client that changes the database, one that uses it."""

    def __init__(self, address: Address, stack: ExitStack) -> None:
        monitor = stack.enter_context(closing(Monitor(address, "postgres")))
        self.changer = stack.enter_context(closing(NetworkClient(address, "postgres", monitor)))
        for name in ("busy", "quiet"):
            self.changer.execute(f"drop database if exists {name}")
        assert self.changer.execute("create database busy") == ["CREATE DATABASE"]
        self.user = stack.enter_context(closing(NetworkClient(address, "busy", monitor)))

    def change(self, text: str) -> tuple[threading.Thread, list[str]]:
        """Start a change in a thread, and let it come to its wait."""
        lines: list[str] = []
        thread = threading.Thread(target=lambda: lines.extend(self.changer.execute(text)), daemon=True)
        thread.start()
        thread.join(0.3)
        return thread, lines


@pytest.fixture
def clients(skerry_server: Address) -> Iterator[Clients]:
    with ExitStack() as stack:
        yield Clients(skerry_server, stack)


@pytest.mark.parametrize("change", CHANGES)
def test_a_session_that_leaves_is_waited_for(clients: Clients, change: str) -> None:
    thread, lines = clients.change(CHANGES[change])
    assert thread.is_alive()
    assert clients.user.execute("create table made_meanwhile (id int)") == ["CREATE TABLE"]
    clients.user.close()
    thread.join(4)
    assert lines == ["DROP DATABASE" if change == "drop" else "ALTER DATABASE"]
    remaining = ["0", "SELECT 1"]
    assert clients.changer.execute("select count(*) from pg_database where datname = 'busy'") == remaining


def test_a_session_that_stays_is_in_the_way_after_five_seconds(clients: Clients) -> None:
    started_s = time.monotonic()
    assert clients.changer.execute(CHANGES["drop"]) == [
        'ERROR 55006: database "busy" is being accessed by other users',
        "DETAIL: There is 1 other session using the database.",
    ]
    assert 4.5 < time.monotonic() - started_s < 10
    assert clients.user.execute("select 1") == ["1", "SELECT 1"]


def test_the_wait_can_be_cancelled(clients: Clients) -> None:
    thread, lines = clients.change(CHANGES["drop"])
    clients.changer.cancel()
    thread.join(3)
    assert lines == ["ERROR 57014: canceling statement due to user request"]
    assert clients.user.execute("select 1") == ["1", "SELECT 1"]
