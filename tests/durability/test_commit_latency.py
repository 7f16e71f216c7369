"""A client that commits is not starved by others that keep the server busy with queries.

The bound is on what saturation adds: a commit waits for the turns of the others, of a millisecond each, and for one sync.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from support.kill_rounds import PREPARATION, answers, wait_until
from support.nursery import Nursery
from support.postgres_server import Address, free_port
from support.wire_client import WireClient

COMMITS = 150
QUERIES = (
    "SELECT count(*) FROM generate_series(1, 200000) a WHERE a % 7 = 3",
    "SELECT a.i, count(*) FROM numbers a JOIN numbers b ON b.i % 50 = a.i % 50 GROUP BY a.i ORDER BY 2, 1 LIMIT 5",
    "SELECT string_agg(i::text, ',') FROM numbers",
)
BOUND_S = 0.1
"""What saturation may add to the 99th percentile."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Address]:
    """A server on a directory, in a process of its own."""
    port = free_port()
    with Nursery(*PREPARATION) as nursery:
        child = nursery.start(
            "support.kill_rounds:work_as_server", str(tmp_path / "database"), port, str(tmp_path / "log")
        )
        wait_until(lambda: answers(port), child)
        yield Address("127.0.0.1", port, "skerry")


def _commit_latencies_s(client: WireClient, first: int) -> list[float]:
    found = []
    for number in range(first, first + COMMITS):
        began_s = time.monotonic()
        assert client.query(f"INSERT INTO t VALUES ({number}, 'some text')").error is None
        found.append(time.monotonic() - began_s)
    return sorted(found)


def _keep_busy(client: WireClient, query: str, is_over: threading.Event, done: list[str]) -> None:
    while not is_over.is_set():
        assert client.query(query).error is None
        done.append(query)


def test_commits_go_on_beside_long_queries(server: Address) -> None:
    with closing(WireClient(server)) as client:
        client.query("CREATE TABLE t (id int PRIMARY KEY, v text)")
        client.query("CREATE TABLE numbers (i int)")
        client.query("INSERT INTO numbers SELECT i FROM generate_series(1, 2000) i")
        _commit_latencies_s(client, 0)
        alone = _commit_latencies_s(client, COMMITS)
        is_over = threading.Event()
        done: list[str] = []
        others = [WireClient(server) for _ in QUERIES]
        threads = [
            threading.Thread(target=_keep_busy, args=(other, query, is_over, done))
            for other, query in zip(others, QUERIES, strict=True)
        ]
        for thread in threads:
            thread.start()
        time.sleep(0.2)
        p99 = COMMITS * 99 // 100
        # Whatever else the machine does is not the server's fault: once it has to be as it should.
        for turn in range(3):
            beside = _commit_latencies_s(client, (2 + turn) * COMMITS)
            if beside[p99] < alone[p99] + BOUND_S:
                break
        is_over.set()
        for thread, other in zip(threads, others, strict=True):
            thread.join(60)
            other.close()
        assert set(done) == set(QUERIES), "the queries have not kept the server busy"
        assert beside[p99] < alone[p99] + BOUND_S, (
            f"p99: {alone[p99]:.4f} s alone, {beside[p99]:.4f} s beside"
        )
