"""A fake engine: sessions that understand a handful of commands, to test the wire without SQL.

select 1 | rows N | bits | wait NAME | signal NAME | spin | fail | crash | begin | commit | rollback
notice | set NAME VALUE | copy in | copy out | wide N | bad value | argument
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field

import pytest

from skerry_engine import errors
from skerry_engine.catalog.passwords import Credentials
from skerry_engine.session.notifications import Notification
from skerry_engine.session.steps import (
    PAUSE,
    Complete,
    CopyData,
    CopyFailed,
    CopyIn,
    CopyOut,
    Description,
    EmptyQuery,
    Notice,
    ParameterStatus,
    ResultColumn,
    Rows,
    Step,
    Suspended,
    Wait,
)
from skerry_engine.values import oids
from skerry_engine.values.io import IoContext
from skerry_engine.values.types import SqlType
from skerry_server import session_api
from skerry_server.authentication import exchange_with
from skerry_server.protocol.backend import Backend
from skerry_server.protocol.scram import ScramExchange
from skerry_server.protocol.startup import StartupRequest
from skerry_server.server import Server, ServerSettings

IO = IoContext()
SPIN_S = 0.0002
"""A spinning step sleeps: a loop that gives the GIL up only to take it back at once starves the client's thread."""
Steps = Generator[Step, object, None]


def _columns(*columns: tuple[str, int]) -> tuple[ResultColumn, ...]:
    return tuple(ResultColumn(name, SqlType(oid)) for name, oid in columns)


ONE = _columns(("?column?", oids.INT4))
ROWS = _columns(("id", oids.INT4), ("name", oids.TEXT))
BITS = _columns(
    ("b", oids.BOOL),
    ("s", oids.INT2),
    ("l", oids.INT8),
    ("f", oids.FLOAT8),
    ("y", oids.BYTEA),
    ("n", oids.TEXT),
)


class FakeWaiting:
    """Something to wait for."""

    def __init__(self, deadline_s: float | None = None) -> None:
        self.over = False
        self._deadline_s = deadline_s
        self._callbacks: list[Callable[[], None]] = []

    def is_over(self) -> bool:
        return self.over

    def deadline_s(self) -> float | None:
        return self._deadline_s

    def on_over(self, callback: Callable[[], None]) -> None:
        if self.over:
            callback()
        else:
            self._callbacks.append(callback)

    def finish(self) -> None:
        self.over = True
        for callback in self._callbacks:
            callback()
        self._callbacks.clear()


class FakeSession:
    def __init__(self, engine: FakeEngine) -> None:
        self.engine = engine
        self.transaction_status = "I"
        self.io = IO
        self.statements: dict[str, str] = {}
        self.portals: dict[str, tuple[str, list[int], list[bytes | None]]] = {}
        self.positions: dict[str, int] = {}
        self.fails = 0
        self.syncs = 0
        self.closes = 0
        self.canceled = False
        self.idle_ms = 0
        self.client_address: tuple[str, int] | None = None
        self.tls: object = None
        self.client: session_api.Client | None = None
        self.copied = b""
        self.waiting: FakeWaiting | None = None
        self.parsed_oids: list[int] = []
        self.open_generators = 0
        self.inbox: list[Notification] = []

    def receive(self, *payloads: str) -> None:
        for payload in payloads:
            self.inbox.append(Notification(7, "channel", payload))
            if self.client is not None:
                self.client.notified()

    @property
    def has_notifications(self) -> bool:
        return bool(self.inbox)

    def take_notifications(self, limit: int) -> list[Notification]:
        if self.transaction_status != "I":
            return []
        found, self.inbox = self.inbox[:limit], self.inbox[limit:]
        return found

    def reported_settings(self) -> dict[str, str]:
        return {"server_version": "15.18", "client_encoding": "UTF8"}

    def idle_limit(self, is_busy: bool) -> tuple[float, errors.DatabaseError] | None:
        if not self.idle_ms or is_busy:
            return None
        until_s = time.monotonic() + self.idle_ms / 1000
        if self.transaction_status == "I":
            return until_s, errors.IdleSessionTimeout("idle too long")
        return until_s, errors.IdleInTransactionTimeout("idle too long in a transaction")

    # --- statements ---

    def answer_query(self, text: str) -> Steps:
        self.canceled = False
        commands = [command.strip() for command in text.split(";") if command.strip()]
        if not commands:
            yield EmptyQuery()
        try:
            for command in commands:
                columns = self.columns(command)
                if columns is not None:
                    yield Description(columns)
                yield from self.run(command, 0)
        except errors.DatabaseError:
            self.fail_transaction()
            raise

    def fail_transaction(self) -> None:
        if self.transaction_status == "T":
            self.transaction_status = "E"

    def columns(self, command: str) -> tuple[ResultColumn, ...] | None:
        word = command.partition(" ")[0]
        table = {
            "select": ONE,
            "rows": ROWS,
            "wide": ROWS,
            "batch": ROWS,
            "bits": BITS,
            "bad": ONE,
            "argument": ROWS[1:],
        }
        return table.get(word)

    def step(self) -> None:
        if self.canceled:
            self.canceled = False
            raise errors.QueryCanceled("canceling statement due to user request")

    def run(self, command: str, max_rows: int, portal: str = "") -> Steps:
        word, _, rest = command.partition(" ")
        if self.transaction_status == "E" and word not in ("commit", "rollback"):
            raise errors.InFailedTransaction(
                "current transaction is aborted, commands ignored until end of transaction block"
            )
        yield from getattr(self, f"do_{word}", self.do_unknown)(rest, max_rows, portal)

    def do_unknown(self, rest: str, max_rows: int, portal: str) -> Steps:
        raise errors.SyntaxError("syntax error at or near", position=1)
        yield

    def do_select(self, rest: str, max_rows: int, portal: str) -> Steps:
        yield Rows([(1,)])
        yield Complete("SELECT 1", 1)

    def do_argument(self, rest: str, max_rows: int, portal: str) -> Steps:
        values = self.portals[portal][2] if portal in self.portals else []
        if not values:
            raise errors.UndefinedParameter("there is no parameter $1", position=8)
        value = values[0]
        yield Rows([(None if value is None else value.decode("utf-8", "replace"),)])
        yield Complete("SELECT 1", 1)

    def do_bits(self, rest: str, max_rows: int, portal: str) -> Steps:
        yield Rows([(True, -2, 2**40, 1.5, b"\x00\xff", None)])
        yield Complete("SELECT 1", 1)

    def do_rows(self, rest: str, max_rows: int, portal: str) -> Steps:
        total = int(rest)
        done = self.positions.get(portal, 0)
        limit = min(total, done + max_rows) if max_rows else total
        start = done
        while done < limit:
            self.step()
            size = min(100, limit - done)
            yield Rows([(number, f"name {number}") for number in range(done, done + size)])
            done += size
            yield PAUSE
        self.positions[portal] = done
        if max_rows and limit < total:
            yield Suspended()
        else:
            yield Complete(f"SELECT {done - start}", done - start)

    def do_wide(self, rest: str, max_rows: int, portal: str) -> Steps:
        for number in range(int(rest)):
            self.step()
            yield Rows([(number, "x" * 10_000)])
            self.engine.wide_rows_made += 1
        yield Complete(f"SELECT {rest}")

    def do_batch(self, rest: str, max_rows: int, portal: str) -> Steps:
        yield Rows([(number, "x" * 200) for number in range(int(rest))])
        yield Complete(f"SELECT {rest}")

    def do_bad(self, rest: str, max_rows: int, portal: str) -> Steps:
        yield Rows([("lone surrogate \ud800",)])
        yield Complete("SELECT 1")

    def do_wait(self, rest: str, max_rows: int, portal: str) -> Steps:
        waiting = self.waiting = self.engine.waitings.setdefault(rest, FakeWaiting())
        while not waiting.over:
            self.step()
            yield Wait(waiting)
        self.step()
        self.waiting = None
        yield Complete("WAIT")

    def do_timeout(self, rest: str, max_rows: int, portal: str) -> Steps:
        deadline_s = time.monotonic() + float(rest)
        while time.monotonic() < deadline_s:
            self.waiting = FakeWaiting(deadline_s)
            yield Wait(self.waiting)
        raise errors.LockTimeout("canceling statement due to lock timeout")

    def do_signal(self, rest: str, max_rows: int, portal: str) -> Steps:
        self.engine.waitings.setdefault(rest, FakeWaiting()).finish()
        yield Complete("SIGNAL")

    def do_spin(self, rest: str, max_rows: int, portal: str) -> Steps:
        self.open_generators += 1
        try:
            while True:
                self.step()
                time.sleep(SPIN_S)
                yield PAUSE
        finally:
            self.open_generators -= 1

    def do_fail(self, rest: str, max_rows: int, portal: str) -> Steps:
        raise errors.DivisionByZero("division by zero", detail="a detail", hint="a hint", position=3)
        yield

    def do_conflict(self, rest: str, max_rows: int, portal: str) -> Steps:
        raise errors.WriteConflict("could not serialize access due to concurrent update")
        yield

    def do_crash(self, rest: str, max_rows: int, portal: str) -> Steps:
        raise ValueError("secret internals")
        yield

    def do_recurse(self, rest: str, max_rows: int, portal: str) -> Steps:
        raise RecursionError
        yield

    def do_begin(self, rest: str, max_rows: int, portal: str) -> Steps:
        self.transaction_status = "T"
        yield Complete("BEGIN")

    def do_commit(self, rest: str, max_rows: int, portal: str) -> Steps:
        tag = "ROLLBACK" if self.transaction_status == "E" else "COMMIT"
        self.transaction_status = "I"
        yield Complete(tag)

    do_rollback = do_commit

    def do_notice(self, rest: str, max_rows: int, portal: str) -> Steps:
        yield Notice("look out", "WARNING", "01000", hint="there")
        yield Complete("NOTICE")

    def do_set(self, rest: str, max_rows: int, portal: str) -> Steps:
        name, _, value = rest.partition(" ")
        yield ParameterStatus(name, value)
        yield Complete("SET")

    def do_copy(self, rest: str, max_rows: int, portal: str) -> Steps:
        yield from self.copy_in() if rest == "in" else self.copy_out()

    def copy_in(self) -> Steps:
        self.copied = b""
        while True:
            reply = yield CopyIn(False, 2)
            self.step()
            if isinstance(reply, CopyFailed):
                raise errors.QueryCanceled(f"COPY from stdin failed: {reply.reason}")
            if reply is None:
                break
            assert isinstance(reply, bytes)
            if b"bad" in reply:
                raise errors.BadCopyFileFormat("missing data", context="COPY t, line 1")
            self.copied += reply
            yield PAUSE
        self.engine.copied = self.copied
        yield Complete(f"COPY {self.copied.count(10)}")

    def copy_out(self) -> Steps:
        yield CopyOut(False, 2)
        yield CopyData(b"1\tone\n")
        yield CopyData([b"2\ttwo\n", b"3\tthree\n"])
        yield Complete("COPY 3", 3)

    # --- extended protocol ---

    def parse(self, name: str, text: str, parameter_oids: list[int]) -> None:
        if text.startswith("syntax"):
            raise errors.SyntaxError('syntax error at or near "syntax"', position=1)
        self.statements[name] = text
        self.parsed_oids = parameter_oids

    def bind(
        self,
        portal: str,
        statement: str,
        values: list[bytes | None],
        formats: list[int],
        result_formats: list[int],
    ) -> None:
        if statement not in self.statements:
            raise errors.InvalidStatementName(f'prepared statement "{statement}" does not exist')
        self.portals[portal] = (self.statements[statement], result_formats, values)
        self.positions[portal] = 0

    def _portal(self, name: str) -> tuple[str, list[int], list[bytes | None]]:
        if name not in self.portals:
            raise errors.InvalidCursorName(f'portal "{name}" does not exist')
        return self.portals[name]

    def describe_statement(self, name: str) -> tuple[Sequence[int], Sequence[ResultColumn] | None]:
        if name not in self.statements:
            raise errors.InvalidStatementName(f'prepared statement "{name}" does not exist')
        return self.parsed_oids, self.columns(self.statements[name])

    def describe_portal(self, name: str) -> tuple[Sequence[ResultColumn] | None, Sequence[int]]:
        text, formats, _ = self._portal(name)
        return self.columns(text), formats

    def answer_execute(self, portal: str, max_rows: int) -> Steps:
        text, _, _ = self._portal(portal)
        self.canceled = False
        if not text:
            yield EmptyQuery()
            return
        yield from self.run(text, max_rows, portal)

    def close_statement(self, name: str) -> None:
        self.statements.pop(name, None)

    def close_portal(self, name: str) -> None:
        self.portals.pop(name, None)

    def answer_sync(self) -> Steps:
        self.syncs += 1
        self.portals.clear()
        return
        yield

    def fail(self) -> None:
        self.fails += 1
        self.fail_transaction()

    def cancel(self) -> None:
        self.canceled = True
        if self.waiting is not None:
            waiting, self.waiting = self.waiting, None
            waiting.over = True
            waiting.finish()

    def close(self) -> None:
        self.closes += 1


class FakeDeferredViews:
    """There are none."""

    def __init__(self) -> None:
        self.on_due: Callable[[], None] = self.look_at_once

    def look_at_once(self) -> None:
        """Nothing is due."""

    def work(self) -> None:
        """Nothing is to be done."""


@dataclass
class FakeEngine:
    """Opens fake sessions and remembers them."""

    sessions: list[FakeSession] = field(default_factory=list)
    waitings: dict[str, FakeWaiting] = field(default_factory=dict)
    options: dict[str, str] = field(default_factory=dict)
    copied: bytes = b""
    wide_rows_made: int = 0
    read_only: bool = False
    durable: None = None
    durable_log: None = None
    mock_secret: bytes = b"mock"
    deferred_views: FakeDeferredViews = field(default_factory=FakeDeferredViews)

    def credentials(self, user: str) -> Credentials | None:
        return None

    def open_session(
        self, database: str, user: str, options: dict[str, str], backend_pid: int
    ) -> FakeSession:
        if database == "nowhere":
            raise errors.InvalidCatalogName('database "nowhere" does not exist')
        if database == "broken":
            raise ValueError("secret internals")
        self.options = options
        self.sessions.append(FakeSession(self))
        return self.sessions[-1]

    def close(self) -> None:
        """There is nothing left to end."""


# --- the client's messages --------------------------------------------------------------------------------


def message(kind: str, body: bytes = b"") -> bytes:
    return kind.encode() + struct.pack(">I", len(body) + 4) + body


def startup(protocol: int = 0x30000, **parameters: str) -> bytes:
    pairs = b"".join(name.encode() + b"\0" + value.encode() + b"\0" for name, value in parameters.items())
    body = struct.pack(">I", protocol) + pairs + b"\0"
    return struct.pack(">I", len(body) + 4) + body


def query(text: str) -> bytes:
    return message("Q", text.encode() + b"\0")


def parse(text: str, name: str = "", oids: Sequence[int] = ()) -> bytes:
    types = struct.pack(f">H{len(oids)}I", len(oids), *oids)
    return message("P", name.encode() + b"\0" + text.encode() + b"\0" + types)


def bind(
    portal: str = "",
    statement: str = "",
    values: Sequence[bytes | None] = (),
    formats: Sequence[int] = (),
    result_formats: Sequence[int] = (),
) -> bytes:
    body = portal.encode() + b"\0" + statement.encode() + b"\0"
    body += struct.pack(f">H{len(formats)}h", len(formats), *formats) + struct.pack(">H", len(values))
    for value in values:
        body += b"\xff\xff\xff\xff" if value is None else struct.pack(">I", len(value)) + value
    body += struct.pack(f">H{len(result_formats)}h", len(result_formats), *result_formats)
    return message("B", body)


def execute(portal: str = "", max_rows: int = 0) -> bytes:
    return message("E", portal.encode() + b"\0" + struct.pack(">I", max_rows))


def describe(kind: str, name: str = "") -> bytes:
    return message("D", kind.encode() + name.encode() + b"\0")


def close(kind: str, name: str = "") -> bytes:
    return message("C", kind.encode() + name.encode() + b"\0")


SYNC = message("S")
FLUSH = message("H")
TERMINATE = message("X")


# --- the server's messages --------------------------------------------------------------------------------


def split_messages(data: bytes) -> list[tuple[str, bytes]]:
    """Kind and body of each message; fails when bytes are left over."""
    found = []
    while data:
        kind, length = struct.unpack_from(">cI", data)
        assert len(data) >= length + 1, "a truncated message"
        found.append((kind.decode("latin-1"), data[5 : length + 1]))
        data = data[length + 1 :]
    return found


def error_fields(body: bytes) -> dict[str, str]:
    """Fields of an ErrorResponse or NoticeResponse."""
    return {part[:1].decode(): part[1:].decode() for part in body.split(b"\0") if part}


class FakeHost:
    """A server of one connection."""

    def __init__(self, engine: FakeEngine) -> None:
        self.engine = engine
        self.cancels: list[tuple[int, int]] = []
        self.faults: list[BaseException] = []
        self.ends: list[str] = []
        self.passwords: dict[str, Credentials] = {}
        self.request: StartupRequest | None = None

    def offers_tls(self) -> bool:
        return False

    def authenticate(self, request: StartupRequest) -> ScramExchange | None:
        credentials = self.passwords.get(request.user)
        return None if credentials is None else exchange_with(request, credentials, b"mock", None)

    def admit(self, request: StartupRequest) -> FakeSession:
        self.request = request
        return self.engine.open_session(request.database, request.user, request.settings, 7)

    def key(self) -> tuple[int, int]:
        return 7, 0xDEADBEEF

    def cancel(self, backend_pid: int, secret: int) -> None:
        self.cancels.append((backend_pid, secret))

    def log_end(self, error: errors.DatabaseError) -> None:
        self.ends.append(error.sqlstate)

    def log_fault(self, error: BaseException) -> None:
        self.faults.append(error)


class Talk:
    """A conversation with a Backend: bytes in, messages out, no socket."""

    def __init__(self, started: bool = True, engine: FakeEngine | None = None) -> None:
        self.engine = engine or FakeEngine()
        self.host = FakeHost(self.engine)
        self.backend = Backend(self.host)
        self.outcome = 0
        if started:
            self.say(startup(user="u", database="d"))

    @property
    def session(self) -> FakeSession:
        return self.engine.sessions[-1]

    def raw(self, data: bytes, turns: int = 5000) -> bytes:
        """Say something; what comes back until the backend stops wanting turns."""
        self.backend.receive(data)
        return self.run(turns)

    def run(self, turns: int = 5000) -> bytes:
        output = b""
        for _ in range(turns):
            self.outcome = self.backend.run(0.0)
            output += self.backend.take_output(self.outcome)
            if self.outcome != 1:
                break
        return output

    def say(self, *data: bytes) -> list[tuple[str, bytes]]:
        return split_messages(self.raw(b"".join(data)))

    def kinds(self, *data: bytes) -> str:
        """The kinds of the messages that come back."""
        return "".join(kind for kind, _ in self.say(*data))


class Wire:
    """The client's messages, and readers of the server's; a namespace for tests."""

    message = staticmethod(message)
    startup = staticmethod(startup)
    query = staticmethod(query)
    parse = staticmethod(parse)
    bind = staticmethod(bind)
    execute = staticmethod(execute)
    describe = staticmethod(describe)
    close = staticmethod(close)
    split = staticmethod(split_messages)
    fields = staticmethod(error_fields)
    SYNC = SYNC
    FLUSH = FLUSH
    TERMINATE = TERMINATE
    Talk = Talk


@pytest.fixture(scope="session")
def wire() -> type[Wire]:
    return Wire


@pytest.fixture
def talk() -> Talk:
    return Talk()


# --- a live server ----------------------------------------------------------------------------------------


class Client:
    """A blocking client on a real socket."""

    def __init__(self, port: int, timeout_s: float = 5.0) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout_s)
        self._rest = b""
        self.backend_pid = 0
        self.secret = 0

    def send(self, *data: bytes) -> None:
        self.socket.sendall(b"".join(data))

    def read(self) -> tuple[str, bytes] | None:
        """The next message; None at the end of the connection."""
        while True:
            if len(self._rest) >= 5:
                kind, length = struct.unpack_from(">cI", self._rest)
                if len(self._rest) > length:
                    body = self._rest[5 : length + 1]
                    self._rest = self._rest[length + 1 :]
                    return kind.decode("latin-1"), body
            try:
                data = self.socket.recv(65536)
            except ConnectionResetError:
                return None
            if not data:
                return None
            self._rest += data

    def until_ready(self) -> list[tuple[str, bytes]]:
        """Messages up to and with ReadyForQuery (or the end of the connection)."""
        found: list[tuple[str, bytes]] = []
        while (answer := self.read()) is not None:
            found.append(answer)
            if answer[0] == "K":
                self.backend_pid, self.secret = struct.unpack(">iI", answer[1])
            if answer[0] == "Z":
                break
        return found

    def start(self, **parameters: str) -> Client:
        self.send(startup(**({"user": "u", "database": "d"} | parameters)))
        self.until_ready()
        return self

    def kinds(self, *data: bytes) -> str:
        self.send(*data)
        return "".join(kind for kind, _ in self.until_ready())

    def close(self) -> None:
        self.socket.close()


class LiveServer:
    """A Server with a fake engine on a loop in another thread."""

    def __init__(self, settings: ServerSettings, use_uvloop: bool) -> None:
        self.engine = FakeEngine()
        self._use_uvloop = use_uvloop
        self._settings = settings
        self._ready = threading.Event()
        self.loop: asyncio.AbstractEventLoop
        self.server: Server
        self.port = 0
        self._clients: list[Client] = []
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        assert self._ready.wait(5)

    def _run(self) -> None:
        factory = None
        if self._use_uvloop:
            import uvloop

            factory = uvloop.new_event_loop
        with asyncio.Runner(loop_factory=factory) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        self.loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        self.server = Server(self.engine, self._settings, self.loop)
        self.port = await self.server.start()
        self._ready.set()
        await self._stop.wait()
        await self.server.stop()

    def client(self, **parameters: str) -> Client:
        """A client that has started up."""
        client = self.raw_client()
        return client.start(**parameters)

    def raw_client(self) -> Client:
        client = Client(self.port)
        self._clients.append(client)
        return client

    def stop(self) -> None:
        with contextlib.suppress(RuntimeError):
            self.loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)
        assert not self._thread.is_alive()
        for client in self._clients:
            client.close()

    def eventually(self, holds: Callable[[], bool], timeout_s: float = 3.0) -> bool:
        """Whether something comes true in time."""
        deadline_s = time.monotonic() + timeout_s
        while not holds():
            if time.monotonic() > deadline_s:
                return False
            time.sleep(0.005)
        return True


def _loops() -> list[bool]:
    try:
        import uvloop  # noqa: F401
    except ImportError:
        return [False]
    return [True, False]


@pytest.fixture(params=_loops(), ids=lambda use: "uvloop" if use else "asyncio")
def live(request: pytest.FixtureRequest) -> Iterator[LiveServer]:
    """A live server on a free port, on uvloop and on plain asyncio."""
    server = LiveServer(
        ServerSettings(port=0, max_connections=8, grace_s=0.3, authentication_timeout_s=0.5), request.param
    )
    yield server
    server.stop()
