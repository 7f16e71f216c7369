"""Two clients side by side: waits, deadlocks, Ctrl-C, a client killed, and a long query beside short ones."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest
from support.postgres_server import Address
from support.wire_client import Outcome, WireClient

LONG_QUERY = "SELECT count(*) FROM generate_series(1, 100000) a, generate_series(1, 100000) b WHERE a + b = 5"
MARK = "---done---"


class Psql:
    """An interactive psql: statements in, what it prints until each is done."""

    def __init__(self, address: Address) -> None:
        self.process = subprocess.Popen(
            ["psql", "-X", "-q", "-A", "-t", "-v", "VERBOSITY=verbose"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, **address.environment(), "PGCLIENTENCODING": "UTF8"},
        )
        self.answers: list[str] = []
        self._answered = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def send(self, statement: str) -> None:
        """Send a statement without waiting for its answer."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{statement}\n\\echo {MARK}\n")
        self.process.stdin.flush()

    def answer(self, timeout_s: float = 15.0) -> str:
        """The next answer."""
        with self._answered:
            assert self._answered.wait_for(lambda: bool(self.answers), timeout_s), "no answer in time"
            return self.answers.pop(0)

    def run(self, statement: str) -> str:
        """Send a statement and wait for its answer."""
        self.send(statement)
        return self.answer()

    def is_waiting(self, for_s: float = 0.3) -> bool:
        """Whether no answer comes within this time."""
        with self._answered:
            return not self._answered.wait_for(lambda: bool(self.answers), for_s)

    def close(self) -> None:
        """End it."""
        assert self.process.stdin is not None and self.process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        self.process.wait(timeout=15)
        self._reader.join(timeout=15)
        self.process.stdout.close()

    def _read(self) -> None:
        assert self.process.stdout is not None
        lines: list[str] = []
        for line in self.process.stdout:
            if line.strip() != MARK:
                lines.append(line)
                continue
            with self._answered:
                self.answers.append("".join(lines).strip())
                self._answered.notify_all()
            lines = []


@pytest.fixture
def psqls(skerry_server: Address) -> Iterator[Callable[[], Psql]]:
    """Starts interactive psqls in front of a server whose table `t` has rows 1 and 2."""
    with closing(WireClient(skerry_server)) as client:
        client.query("DROP TABLE IF EXISTS t")
        client.query("DROP TABLE IF EXISTS big")
        assert client.query("CREATE TABLE t (id int PRIMARY KEY, v text)").error is None
        client.query("INSERT INTO t VALUES (1, 'a'), (2, 'b')")
    started: list[Psql] = []

    def start() -> Psql:
        started.append(Psql(skerry_server))
        return started[-1]

    yield start
    for psql in started:
        psql.close()


def test_update_waits_and_goes_on(psqls: Callable[[], Psql]) -> None:
    first, second = psqls(), psqls()
    first.run("BEGIN; UPDATE t SET v = v || '1' WHERE id = 1;")
    second.send("UPDATE t SET v = v || '2' WHERE id = 1 RETURNING v;")
    assert second.is_waiting()
    first.run("COMMIT;")
    assert second.answer() == "a12"


def test_update_waits_for_a_rollback(psqls: Callable[[], Psql]) -> None:
    first, second = psqls(), psqls()
    first.run("BEGIN; DELETE FROM t WHERE id = 1;")
    second.send("UPDATE t SET v = 'kept' WHERE id = 1 RETURNING v;")
    assert second.is_waiting()
    first.run("ROLLBACK;")
    assert second.answer() == "kept"


def test_insert_waits_for_the_same_key(psqls: Callable[[], Psql]) -> None:
    first, second = psqls(), psqls()
    first.run("BEGIN; INSERT INTO t VALUES (3, 'first');")
    second.send("INSERT INTO t VALUES (3, 'second');")
    assert second.is_waiting()
    first.run("COMMIT;")
    assert "23505" in second.answer()


def test_savepoint_gives_locks_back(psqls: Callable[[], Psql]) -> None:
    first, second = psqls(), psqls()
    first.run("BEGIN; SAVEPOINT s; UPDATE t SET v = 'x' WHERE id = 1;")
    second.send("UPDATE t SET v = 'y' WHERE id = 1 RETURNING v;")
    assert second.is_waiting()
    first.run("ROLLBACK TO s;")
    assert second.answer() == "y"
    first.run("COMMIT;")


def test_deadlock_ends_in_40p01(psqls: Callable[[], Psql]) -> None:
    first, second = psqls(), psqls()
    first.run("BEGIN; UPDATE t SET v = '1' WHERE id = 1;")
    second.run("BEGIN; UPDATE t SET v = '2' WHERE id = 2;")
    first.send("UPDATE t SET v = '1' WHERE id = 2;")
    assert first.is_waiting()
    second.send("UPDATE t SET v = '2' WHERE id = 1;")
    answers = [second.answer(), first.answer()]
    victims = [answer for answer in answers if answer]
    assert len(victims) == 1
    assert "40P01: deadlock detected" in victims[0]
    assert "waits for" in victims[0]
    for psql in (first, second):
        psql.run("COMMIT;")
    assert first.run("SELECT string_agg(v, ',' ORDER BY id) FROM t;") in ("1,1", "2,2")


def test_nowait_and_skip_locked(psqls: Callable[[], Psql]) -> None:
    first, second = psqls(), psqls()
    first.run("BEGIN; SELECT * FROM t WHERE id = 1 FOR UPDATE;")
    assert "55P03" in second.run("SELECT * FROM t WHERE id = 1 FOR UPDATE NOWAIT;")
    assert second.run("SELECT id FROM t ORDER BY id FOR UPDATE SKIP LOCKED;") == "2"
    assert "55P03" in second.run("SET lock_timeout = '200ms'; UPDATE t SET v = 'x' WHERE id = 1;")
    first.run("ROLLBACK;")


@pytest.mark.parametrize(
    "statement",
    [LONG_QUERY, "SELECT pg_sleep(60)", "UPDATE t SET v = 'x' WHERE id = 1"],
    ids=["long", "sleep", "wait"],
)
def test_control_c_cancels(psqls: Callable[[], Psql], skerry_server: Address, statement: str) -> None:
    holder = psqls()
    holder.run("BEGIN; UPDATE t SET v = 'held' WHERE id = 1;")
    victim = subprocess.Popen(
        ["psql", "-X", "-v", "VERBOSITY=verbose", "-c", statement],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, **skerry_server.environment()},
    )
    time.sleep(0.7)
    assert victim.poll() is None, victim.communicate()[0]
    started_s = time.monotonic()
    victim.send_signal(signal.SIGINT)
    output, _ = victim.communicate(timeout=15)
    assert "57014: canceling statement due to user request" in output
    assert time.monotonic() - started_s < 3
    holder.run("ROLLBACK;")


def test_a_cancelled_session_lives_on(skerry_server: Address) -> None:
    with closing(WireClient(skerry_server)) as client:
        timer = threading.Timer(0.3, client.cancel)
        timer.start()
        error = client.query(LONG_QUERY).error
        timer.join()
        assert error is not None and error["C"] == "57014"
        assert client.query("SELECT 1").rows == [("1",)]


def test_killed_client_gives_up_its_locks(psqls: Callable[[], Psql]) -> None:
    killed, other = psqls(), psqls()
    killed.run("BEGIN; UPDATE t SET v = 'gone' WHERE id = 1; INSERT INTO t VALUES (9, 'gone');")
    other.send("UPDATE t SET v = v || '!' WHERE id = 1 RETURNING v;")
    assert other.is_waiting()
    killed.process.kill()
    assert other.answer(5) == "a!"
    assert other.run("SELECT count(*) FROM t;") == "2"


def test_statement_timeout(psqls: Callable[[], Psql]) -> None:
    psql = psqls()
    answer = psql.run(f"SET statement_timeout = 300; {LONG_QUERY};")
    assert "57014: canceling statement due to statement timeout" in answer


def test_long_query_does_not_freeze_others(psqls: Callable[[], Psql], skerry_server: Address) -> None:
    busy = psqls()
    busy.send(f"SET statement_timeout = '20s'; {LONG_QUERY};")
    assert busy.is_waiting(0.3)
    times_s: list[float] = []
    with closing(WireClient(skerry_server)) as client:
        for _ in range(20):
            started_s = time.monotonic()
            assert client.query("SELECT v FROM t WHERE id = 1").rows == [("a",)]
            times_s.append(time.monotonic() - started_s)
    assert busy.is_waiting(0)
    busy.process.kill()
    assert sorted(times_s)[len(times_s) // 2] < 0.1, times_s
    assert max(times_s) < 1, times_s


def test_long_sort_and_insert_do_not_freeze_others(psqls: Callable[[], Psql], skerry_server: Address) -> None:
    busy = psqls()
    busy.send(
        "CREATE TABLE big AS SELECT x, md5(x::text) AS h FROM generate_series(1, 300000) x;"
        " SELECT count(*) FROM (SELECT h FROM big ORDER BY h) s;"
    )
    slowest_s = 0.0
    with closing(WireClient(skerry_server)) as client:
        while busy.is_waiting(0.02):
            started_s = time.monotonic()
            assert client.query("SELECT v FROM t WHERE id = 2").rows == [("b",)]
            slowest_s = max(slowest_s, time.monotonic() - started_s)
    assert busy.answer() == "300000"
    assert slowest_s < 0.5


def test_reading_slowly_does_not_fill_memory(skerry_server: Address) -> None:
    """A client that asks for much and does not read: others go on, and it can still be served later."""
    with closing(WireClient(skerry_server)) as slow, closing(WireClient(skerry_server)) as other:
        slow._send(b"Q", b"SELECT repeat('x', 1000) FROM generate_series(1, 100000)\0")
        time.sleep(1)
        assert other.query("SELECT 1").rows == [("1",)]
        outcome: Outcome = slow._until_ready()
        assert len(outcome.rows) == 100000
