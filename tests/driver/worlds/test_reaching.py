"""Connecting to servers that are there, are not, or are not as they should be."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest
from support.postgres_server import Address

import skerry

Connect = Callable[[str], tuple[Any, Any]]


@pytest.fixture(params=["blocking", "async"])
def connect(request: pytest.FixtureRequest) -> Connect:
    """Connects, asks for the application's name, closes: gives the server's port and that name."""

    def blocking(target: str) -> tuple[Any, Any]:
        with skerry.connect(target) as connection:
            return connection.info.port, connection.execute("SHOW application_name").fetchall()[0][0]

    async def waiting(target: str) -> tuple[Any, Any]:
        async with await skerry.connect_async(target) as connection:
            cursor = await connection.execute("SHOW application_name")
            return connection.info.port, (await cursor.fetchall())[0][0]

    return blocking if request.param == "blocking" else lambda target: asyncio.run(waiting(target))


@pytest.fixture
def refused() -> int:
    """A port where nobody listens."""
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.fixture
def silent() -> Iterator[int]:
    """A port where somebody listens and never says a word."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listening:
        yield int(listening.getsockname()[1])


def test_the_first_server_that_answers(
    connect: Connect, skerry_server: Address, refused: int, silent: int
) -> None:
    there = f"{skerry_server.host}:{skerry_server.port}"
    target = f"skerry://{skerry_server.user}@127.0.0.1:{refused},127.0.0.1:{silent},{there}/postgres"
    found = connect(f"{target}?target_session_attrs=read-write&connect_timeout=0.2&application_name=me")
    assert found == (skerry_server.port, "me")
    assert connect(f"skerry://{there}/postgres?target_session_attrs=prefer-standby") == (
        skerry_server.port,
        "",
    )


def test_nobody_there(connect: Connect, skerry_server: Address, refused: int, silent: int) -> None:
    there = f"{skerry_server.host}:{skerry_server.port}"
    begun_s = time.monotonic()
    with pytest.raises(skerry.OperationalError) as caught:
        connect(
            f"skerry://127.0.0.1:{refused},127.0.0.1:{silent},{there}/postgres"
            "?target_session_attrs=standby&connect_timeout=0.2"
        )
    for part in (
        f"127.0.0.1:{refused}: Connection refused",
        f"127.0.0.1:{silent}: ",
        f"{there}: ",
        "not standby",
    ):
        assert part in str(caught.value)
    assert time.monotonic() - begun_s < 5


def test_what_a_server_refuses_is_said_at_once(connect: Connect, skerry_server: Address, silent: int) -> None:
    there = f"{skerry_server.host}:{skerry_server.port}"
    with pytest.raises(skerry.ProgrammingError) as caught:
        connect(f"skerry://{there},127.0.0.1:{silent}/nothing_here")
    assert caught.value.sqlstate == "3D000"


def test_a_server_that_dies_in_the_middle(skerry_server: Address) -> None:
    """A relay in between is cut off: both kinds of connections know within a second."""
    relay = socket.create_server(("127.0.0.1", 0))
    ends: list[socket.socket] = []

    def carry(source: socket.socket, target: socket.socket) -> None:
        try:
            while data := source.recv(65536):
                target.sendall(data)
        except OSError:
            return

    def serve() -> None:
        for _ in range(2):
            client, _ = relay.accept()
            server = socket.create_connection((skerry_server.host, skerry_server.port))
            ends.extend((client, server))
            for pair in ((client, server), (server, client)):
                threading.Thread(target=carry, args=pair, daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    target = f"skerry://{skerry_server.user}@127.0.0.1:{relay.getsockname()[1]}/postgres?sslmode=disable"

    def cut() -> None:
        for each in ends:
            each.shutdown(socket.SHUT_RDWR)
            each.close()
        ends.clear()

    connection = skerry.connect(target)
    threading.Timer(0.2, cut).start()
    begun_s = time.monotonic()
    with pytest.raises(skerry.OperationalError):
        connection.execute("SELECT pg_sleep(30)")
    assert time.monotonic() - begun_s < 1.5
    assert connection.closed
    connection.close()

    async def on_a_loop() -> None:
        pool = skerry.AsyncPool(target, max_size=1)
        with pytest.raises(skerry.OperationalError):
            async with pool.connection() as connection:
                threading.Timer(0.2, cut).start()
                begun_s = time.monotonic()
                try:
                    await connection.execute("SELECT pg_sleep(30)")
                finally:
                    assert time.monotonic() - begun_s < 1.5
        assert pool.stats()[:3] == (0, 0, 0)
        await pool.close()

    asyncio.run(on_a_loop())
    relay.close()
