"""The sessions of a goldenscript, each driven by a thread of its own: embedded, or over the wire.

A script's commands still run one after the other: the next one starts when every session is either idle or
seen to wait for a lock.  So the output is that of the stepper, and what is tested is everything that the
stepper does not have: threads asleep until a lock is free, a server that wakes sessions up,
clients that are killed.

    ConcurrentRunner ──> Client (one per session) ──> thread ──┬─ EmbeddedClient   the driver's embedded backend
                                                               └─ NetworkClient    a socket to Skerry, or PostgreSQL
"""

from __future__ import annotations

import contextlib
import queue
import socket
import struct
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from stepper import describe_error, play_script

from skerry.embedded import EmbeddedBackend, EmbeddedSource
from skerry.targets import parse_target
from skerry_engine.errors import DatabaseError
from support.postgres_server import Address
from support.wire_client import Outcome, WireClient

SETTLE_TIMEOUT_S = 20.0
POLL_S = 0.002


class Client(Protocol):
    """One session."""

    def execute(self, text: str) -> list[str]:
        """Run a text to its end, blocking; returns the lines to print, errors among them."""
        ...

    def is_waiting(self) -> bool:
        """Whether it waits for a lock; asked from another thread."""
        ...

    def cancel(self) -> None:
        """Cancel what runs; asked from another thread."""
        ...

    def kill(self) -> None:
        """Leave without a word, in the middle of whatever runs; asked from another thread."""
        ...

    def close(self) -> None:
        """Leave politely."""
        ...


class ConcurrentRunner:
    """Runs a script's commands, each session in its own thread."""

    def __init__(self, open_client: Callable[[str], Client]) -> None:
        self._open_client = open_client
        self._workers: dict[str, _Worker] = {}

    def run(self, name: str, command: str) -> list[str]:
        """Run a command until it ends or waits, and whatever it set free."""
        worker = self._worker(name)
        if command.startswith("\\"):
            return self._control(command) + self._settled(None)
        if worker.is_busy:
            raise AssertionError(f"{name} still waits and can't run: {command}")
        worker.start(command)
        return self._settled(name)

    def close(self) -> None:
        """End every session."""
        for worker in self._workers.values():
            worker.stop()

    def _worker(self, name: str) -> _Worker:
        found = self._workers.get(name)
        if found is None:
            found = self._workers[name] = _Worker(self._open_client(name))
        return found

    def _control(self, command: str) -> list[str]:
        word, _, rest = command[1:].partition(" ")
        worker = self._workers[rest]
        if word == "cancel":
            worker.client.cancel()
        elif word == "kill":
            worker.client.kill()
            worker.stop()
            del self._workers[rest]
        else:
            raise AssertionError(f"\\{word} is for stepped scripts only")
        return []

    def _settled(self, first: str | None) -> list[str]:
        """What was printed until every session is idle or waits: `first`'s lines first, then by name."""
        deadline_s = time.monotonic() + SETTLE_TIMEOUT_S
        lines: list[str] = []
        order = [name for name in (first,) if name is not None]
        order += sorted(name for name in self._workers if name != first)
        for name in order:
            lines += self._settle(name, deadline_s)
        return lines

    def _settle(self, name: str, deadline_s: float) -> list[str]:
        worker = self._workers[name]
        if not worker.is_busy:
            return []
        while True:
            output = worker.take_output()
            if output is not None:
                marks = ["(goes on)"] if worker.is_shown_waiting else []
                worker.is_shown_waiting = False
                return [f"{name}: {line}" for line in [*marks, *output]]
            if worker.client.is_waiting() and worker.is_busy:
                if worker.is_shown_waiting:
                    return []
                worker.is_shown_waiting = True
                return [f"{name}: (waits)"]
            if time.monotonic() > deadline_s:
                raise AssertionError(f"{name} neither ends nor waits")
            time.sleep(POLL_S)


def play_concurrently(path: Path, open_client: Callable[[str], Client]) -> str:
    """Play a script by concurrent sessions; returns the script with the output that they gave."""
    runner = ConcurrentRunner(open_client)
    try:
        return play_script(path.read_text(encoding="utf-8"), runner)
    finally:
        runner.close()


class _Worker:
    """A thread that runs one session's commands."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.is_busy = False
        self.is_shown_waiting = False
        self._commands: queue.Queue[str | None] = queue.Queue()
        self._outputs: queue.Queue[list[str]] = queue.Queue()
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def start(self, command: str) -> None:
        self.is_busy = True
        self._commands.put(command)

    def take_output(self) -> list[str] | None:
        """The command's lines if it has ended."""
        try:
            output = self._outputs.get_nowait()
        except queue.Empty:
            return None
        self.is_busy = False
        return output

    def stop(self) -> None:
        self._commands.put(None)
        self._thread.join(SETTLE_TIMEOUT_S)
        self.client.close()

    def _work(self) -> None:
        while (command := self._commands.get()) is not None:
            try:
                output = self.client.execute(command)
            except (ConnectionError, OSError) as error:
                output = [f"(connection lost: {type(error).__name__})"]
            self._outputs.put(output)


# --- embedded ----------------------------------------


class EmbeddedClient:
    """A session of an engine in this process, by the driver's blocking stepping."""

    def __init__(self, source: EmbeddedSource) -> None:
        self._source = source
        self._backend: EmbeddedBackend = source.open_backend()
        self._session = self._backend._open_session()

    def execute(self, text: str) -> list[str]:
        self._backend.notices.clear()
        try:
            outcome = self._backend.execute(text)
        except DatabaseError as error:
            return [*self._notices(), *describe_error(error)]
        rows = ["|".join(_shown(value) for value in row) for row in outcome.rows]
        return [*self._notices(), *rows, outcome.tag]

    def _notices(self) -> list[str]:
        return [notice.replace(":  ", ": ", 1) for notice in self._backend.notices]

    def is_waiting(self) -> bool:
        with self._source.mutex:
            waiting = self._session.waiting
            return waiting is not None and not waiting.is_over()

    def cancel(self) -> None:
        self._backend.cancel()

    def kill(self) -> None:
        """A thread can't be killed; its session can be closed by another one only when it does not run."""
        self._backend.close()

    def close(self) -> None:
        self._backend.close()


def embedded_source() -> EmbeddedSource:
    """An engine in memory, as the driver has it."""
    return EmbeddedSource(parse_target(":memory:"), {})


def _shown(value: object) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return "t" if value else "f"
    return str(value)


# --- over the wire ----------------------------------------


class NetworkClient:
    """A connection to a server, Skerry's or PostgreSQL's; `monitor` is another one, shared,
    that sees who waits."""

    def __init__(self, address: Address, database: str, monitor: Monitor) -> None:
        self._address = address
        self._client = WireClient(address, database)
        self._monitor = monitor

    def execute(self, text: str) -> list[str]:
        return describe_outcome(self._client.query(text))

    def is_waiting(self) -> bool:
        return self._monitor.is_waiting(self._client.backend_key[0])

    def cancel(self) -> None:
        """Send a CancelRequest and wait until the server has taken it."""
        with socket.create_connection((self._address.host, self._address.port), timeout=5) as other:
            other.sendall(struct.pack("!iiii", 16, 80877102, *self._client.backend_key))
            with contextlib.suppress(ConnectionError):
                other.recv(1)

    def kill(self) -> None:
        """Reset the connection."""
        self._client.reset()
        self._monitor.wait_until_gone(self._client.backend_key[0])

    def close(self) -> None:
        self._client.close()


class Monitor:
    """Asks a server which of its sessions wait.

    PostgreSQL clears a session's wait a moment after it was ended, so that a wait counts only when it is seen
    several times in a row (`confirmations`).
    """

    def __init__(self, address: Address, database: str, confirmations: int = 1) -> None:
        self._client = WireClient(address, database)
        self._confirmations = confirmations

    def is_waiting(self, backend_pid: int) -> bool:
        for number in range(self._confirmations):
            if number:
                time.sleep(0.02)
            if not self._is_waiting_now(backend_pid):
                return False
        return True

    def _is_waiting_now(self, backend_pid: int) -> bool:
        outcome = self._client.query(
            f"select 1 from pg_stat_activity where pid = {backend_pid} "
            "and (wait_event_type = 'Lock' or wait_event = 'SafeSnapshot')"
        )
        assert outcome.error is None, outcome.error
        return bool(outcome.rows)

    def wait_until_gone(self, backend_pid: int) -> None:
        """Until the server knows nothing of a session any more."""
        deadline_s = time.monotonic() + SETTLE_TIMEOUT_S
        while self._client.query(f"select 1 from pg_stat_activity where pid = {backend_pid}").rows:
            assert time.monotonic() < deadline_s
            time.sleep(POLL_S)

    def close(self) -> None:
        self._client.close()


def play_in_new_database(address: Address, path: Path, confirmations: int) -> str:
    """Play a script in a database of its own of a server; returns it with the output that the server gave."""
    name = f"script_{path.stem}"
    admin = WireClient(address)
    try:
        admin.query(f"drop database if exists {name}")
        created = admin.query(f"create database {name}")
        assert created.error is None, created.error
        with contextlib.closing(Monitor(address, "postgres", confirmations)) as monitor:
            return play_concurrently(path, lambda _: NetworkClient(address, name, monitor))
    finally:
        admin.query(f"drop database if exists {name}")
        admin.close()


def describe_outcome(outcome: Outcome) -> list[str]:
    """An outcome as lines, as the stepper prints them."""
    lines = [f"{notice['S']}: {notice['M']}" for notice in outcome.notices]
    lines += ["|".join("NULL" if value is None else value for value in row) for row in outcome.rows]
    lines += outcome.tags
    error = outcome.error
    if error is not None:
        code = f"{error['C']} {error['R']}" if error.get("R", "").startswith("T0") else error["C"]
        lines.append(f"ERROR {code}: {error['M']}")
        if "D" in error:
            lines += [f"DETAIL: {line}" for line in error["D"].splitlines()]
    return lines
