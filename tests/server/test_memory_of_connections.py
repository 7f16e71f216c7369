"""What connections cost a real server: hundreds that idle, and results that their clients do not read."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from support.postgres_server import Address
from support.skerry_process import skerry_process
from support.wire_client import WireClient

pytestmark = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")

IDLE = 300
IDLE_KB = 40
UNREAD_KB = 48 * 1024
BIG = "select repeat('x', 10000) from generate_series(1, 30000)"


@pytest.fixture(scope="module")
def server() -> Iterator[Address]:
    with skerry_process(["--max-connections", str(IDLE + 50)]) as address:
        yield address


def _server_pid(address: Address) -> int:
    """The process that listens there: a child of ours."""
    wanted = f"{address.port}"
    for each in Path("/proc").iterdir():
        if each.name.isdigit() and int(each.name) != os.getpid():
            try:
                words = (each / "cmdline").read_bytes().decode().split("\0")
            except OSError:
                continue
            if "serve" in words and wanted in words:
                return int(each.name)
    pytest.skip(f"no process of ours listens at {wanted} ({sys.platform})")


def _memory_kb(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon"))


@contextmanager
def _unread(address: Address, message: bytes) -> Iterator[WireClient]:
    client = WireClient(address)
    try:
        client._socket.sendall(message)
        yield client
    finally:
        client.reset()
        client._input.close()
        client._socket.close()


def test_idle_connections_cost_little(server: Address) -> None:
    pid = _server_pid(server)
    with ExitStack() as stack:
        for _ in range(20):  # what the first ones bring about stays
            stack.callback(WireClient(server).close)
        before_kb = _memory_kb(pid)
        clients = [WireClient(server) for _ in range(IDLE)]
        for client in clients:
            stack.callback(client.close)
            assert client.query("select 1").rows == [("1",)]
        assert (_memory_kb(pid) - before_kb) / IDLE < IDLE_KB
        counted = clients[0].query("select count(*) from pg_stat_activity where state = 'idle'")
        assert int(counted.rows[0][0] or 0) >= IDLE - 1


@pytest.mark.parametrize(
    "text",
    [
        BIG,
        f"copy ({BIG}) to stdout",
        f"begin; declare c cursor for {BIG}; fetch all from c",
    ],
    ids=["select", "copy", "fetch"],
)
def test_results_that_nobody_reads_are_not_computed(server: Address, text: str) -> None:
    body = text.encode() + b"\0"
    before_kb = _memory_kb(_server_pid(server))
    with _unread(server, b"Q" + (len(body) + 4).to_bytes(4, "big") + body):
        _stays_small(server, before_kb)


def test_a_row_limit_suspends_the_portal(server: Address) -> None:
    client = WireClient(server)
    try:
        client._send(b"P", b"\0" + BIG.encode() + b"\0\0\0")
        client._send(b"B", b"\0\0\0\0\0\0\0\0")
        for _ in range(3):
            client._send(b"E", b"\0\0\0\0\7")
        client._send(b"S", b"")
        kinds = []
        while not kinds or kinds[-1] != b"Z":
            kinds.append(client._read()[0])
        assert b"".join(kinds) == b"12" + 3 * (7 * b"D" + b"s") + b"Z"
    finally:
        client.close()


def _stays_small(server: Address, before_kb: int) -> None:
    """Of 300 MB that a client asks for and does not read, the server computes little."""
    other = WireClient(server)
    for _ in range(10):
        assert other.query("select 1").rows == [("1",)]
        time.sleep(0.03)
    other.close()
    assert _memory_kb(_server_pid(server)) - before_kb < UNREAD_KB
