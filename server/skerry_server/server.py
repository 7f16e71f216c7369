"""The server: who is connected, who may connect, and how it ends.

One `Server` keeps all connections of one engine on one event loop.  It hands each connection a backend pid
and a cancel secret, has clients prove who they are (`authentication` has the rules), opens their sessions, enforces the
connection limit, delivers cancel requests, and shuts down gracefully:

    stop listening -> idle clients get 57P01 at once -> running statements get `grace_s` -> 57P01 for the rest

What it does not do: parse a byte of protocol, or decide what a session does.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import itertools
import logging
import secrets
from collections.abc import Generator
from dataclasses import dataclass
from typing import Final, cast

from skerry_engine.errors import (
    AdminShutdown,
    CannotConnectNow,
    DatabaseError,
    InvalidAuthorization,
    TooManyConnections,
)
from skerry_engine.session.steps import Step, Wait
from skerry_server.authentication import (
    AUTO,
    TRUST,
    exchange_with,
    is_loopback,
    is_trusted,
    not_let_in,
)
from skerry_server.deferred_work import DeferredWork
from skerry_server.flushing import Flusher
from skerry_server.housekeeping import GarbageCollection
from skerry_server.protocol.host import Host
from skerry_server.protocol.scram import ScramExchange
from skerry_server.protocol.startup import StartupRequest
from skerry_server.session_api import Durable, Engine, Log, Session
from skerry_server.shell import Connection
from skerry_server.tls import TlsSettings

_logger: Final = logging.getLogger("skerry.server")

_POLL_S: Final = 0.02

# How long a commit that nobody waits for (synchronous_commit = off) may stay in memory.
_LAZY_FLUSH_S: Final = 0.2

_MAINTENANCE_S: Final = 0.25

# For so long a server that stops goes on to bring deferred views up to date.
_LAST_VIEWS_S: Final = 5.0


_SPARE_SOCKETS: Final = 16

# What else is open: log, base, spilled rows, the listener.
_SPARE_FILES: Final = 256

# How long clients may take to read their last message at shutdown.
_LAST_WORDS_S: Final = 0.5


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """Where and how to serve.  `grace_s` is how long running statements may go on at shutdown; `authentication` one of
    `authentication.METHODS`; `tls_required` lets nobody in who is not encrypted."""

    host: str = "127.0.0.1"
    port: int = 5433
    max_connections: int = 1000
    authentication_timeout_s: float = 60.0
    grace_s: float = 5.0
    backlog: int = 512
    authentication: str = AUTO
    tls: TlsSettings | None = None
    tls_required: bool = False


def _allow_files(count: int) -> None:
    """Have the system let us open so many files, sockets among them; as many as it does, if it is fewer."""
    try:
        import resource
    except ImportError:  # no such limit on this system
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = count if hard == resource.RLIM_INFINITY else min(count, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        soft = wanted
    if soft != resource.RLIM_INFINITY and soft < count:
        _log("few files", allowed=soft, wanted=count)


class Member(Host):
    """One connection's place in the server: its keys, and the server's services to its conversation."""

    def __init__(self, server: Server, connection: Connection, backend_pid: int) -> None:
        self.connection = connection
        self.backend_pid = backend_pid
        self.secret = secrets.randbits(32)
        self.is_admitted = False
        self._server = server

    def offers_tls(self) -> bool:
        """Whether there is TLS, and not yet on this connection."""
        return self._server.settings.tls is not None and self.connection.tls is None

    def authenticate(self, request: StartupRequest) -> ScramExchange | None:
        """How the client has to prove who it is, None if it has not; or raise why it may not."""
        return self._server.authenticate(self, request)

    def admit(self, request: StartupRequest) -> Session:
        """Open the client's session, or raise why not."""
        return self._server.admit(self, request)

    def key(self) -> tuple[int, int]:
        """Backend pid and cancel secret."""
        return self.backend_pid, self.secret

    def cancel(self, backend_pid: int, secret: int) -> None:
        """Cancel another connection's statement."""
        self._server.cancel(backend_pid, secret)

    def log_end(self, error: DatabaseError) -> None:
        """Log what the client is told at the end."""
        _log("fatal", backend_pid=self.backend_pid, sqlstate=error.sqlstate, message=error.message)

    def log_fault(self, error: BaseException) -> None:
        """Log an internal failure of this connection."""
        _logger.error("internal error", exc_info=error, extra={"fields": {"backend_pid": self.backend_pid}})


class Server:
    """Serves one engine on one event loop."""

    def __init__(self, engine: Engine, settings: ServerSettings, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.settings = settings
        self.authentication_timeout_s = settings.authentication_timeout_s
        self.tls = settings.tls
        self._engine = engine
        self._members: dict[Connection, Member] = {}
        self._sockets: set[Connection] = set()
        self._by_pid: dict[int, Member] = {}
        self._pids = itertools.count(1)
        self._admitted = 0
        self._is_stopping = False
        self._listener: asyncio.Server | None = None
        self._garbage = GarbageCollection()
        self._log: Log | None = None
        self._flusher: Flusher | None = None
        self._durable: Durable | None = None
        self._deferred_work: DeferredWork | None = None
        self._checkpoint: Generator[Step, None, bool] | None = None
        self.failed = asyncio.Event()

    # --- life ---------------------------------------------------------------------------------------------

    async def start(self) -> int:
        """Listen; returns the port.  Raises InvalidAuthorization for an address that trust is not for."""
        settings = self.settings
        if settings.authentication == TRUST and not is_loopback(settings.host):
            raise InvalidAuthorization(
                f'refusing to listen on "{settings.host}": --auth trust is for this machine only',
                hint="Listen on 127.0.0.1, ::1 or localhost, or let roles have passwords: --auth auto.",
            )
        _allow_files(self._most_sockets() + _SPARE_FILES)
        self._listener = await self.loop.create_server(
            lambda: cast(asyncio.Protocol, Connection(self)),
            settings.host,
            settings.port,
            backlog=settings.backlog,
        )
        self._garbage.start()
        self._durable = self._engine.durable
        self._log = self._engine.durable_log
        if self._log is not None:
            self._flusher = Flusher(self.loop, self._log, self._check_log)
            self._log.on_pending = self._flush_soon
            self._log.on_lazy = self._flush_later
            self._maintain()
        self._deferred_work = DeferredWork(self.loop, self._engine.deferred_views)
        self._deferred_work.start()
        port = int(self._listener.sockets[0].getsockname()[1])
        if self._durable is not None:
            self._durable.announce(f"skerry://{settings.host}:{port}")
        _log("listening", host=settings.host, port=port)
        return port

    async def stop(self) -> None:
        """Shut down gracefully; returns when every connection is closed."""
        self._is_stopping = True
        if self._listener is not None:
            self._listener.close()
        _log("shutting down", connections=len(self._members))
        deadline_s = self.loop.time() + self.settings.grace_s
        self._terminate_idle()
        while self._members and self.loop.time() < deadline_s:
            await asyncio.sleep(_POLL_S)
            self._terminate_idle()
        self.terminate_all()
        await self._until_closed()
        await self._until_views_are_up_to_date()
        self._flush()
        await self._until_written()
        if self._durable is not None:
            with contextlib.suppress(OSError):
                self._durable.announce(None)
        self._garbage.stop()
        _log("stopped")

    async def _until_closed(self) -> None:
        deadline_s = self.loop.time() + _LAST_WORDS_S
        while self._sockets and self.loop.time() < deadline_s:
            await asyncio.sleep(_POLL_S)
        for connection in list(self._sockets):
            connection.abort()
        await asyncio.sleep(0)

    def terminate_all(self) -> None:
        """End every connection now, whatever it does."""
        for connection in list(self._members):
            connection.terminate(_shutdown())

    def _terminate_idle(self) -> None:
        for connection in list(self._members):
            if not connection.is_busy():
                connection.terminate(_shutdown())

    # --- the log ------------------------------------------------------------------------------------------

    def _flush_soon(self) -> None:
        """A commit waits: flush when the loop has served those who are ready now; they share the sync."""
        self.loop.call_soon(self._flush)

    def _flush_later(self) -> None:
        self.loop.call_later(_LAZY_FLUSH_S, self._flush)

    def _flush(self) -> None:
        if self._flusher is not None:
            self._flusher.flush()

    def _check_log(self) -> None:
        """After a flush: if it failed, nothing can be promised any more, and the server stops."""
        log = self._log
        if log is not None and log.failure is not None and not self.failed.is_set():
            _logger.critical("the log failed", extra={"fields": {"message": log.failure.message}})
            self._is_stopping = True
            self.failed.set()

    # --- maintenance --------------------------------------------------------------------------------------

    def _maintain(self) -> None:
        """A few times a second: memory is kept to its limit, and due checkpoints begin."""
        durable = self._durable
        if durable is None or self._is_stopping:
            return
        steps = durable.maintain()
        if steps is not None:
            self._checkpoint = steps
            self._step_checkpoint()
        self.loop.call_later(_MAINTENANCE_S, self._maintain)

    def _step_checkpoint(self) -> None:
        """One unit of a checkpoint, then a rest that leaves most of the time to the clients."""
        checkpoint = self._checkpoint
        assert checkpoint is not None
        began_s = self.loop.time()
        try:
            step = next(checkpoint)
        except StopIteration:
            self._checkpoint = None
            return
        if isinstance(step, Wait):
            step.waiting.on_over(self._checkpoint_goes_on)
        else:
            assert self._durable is not None
            rest_s = self._durable.checkpoint_rest() * (self.loop.time() - began_s)
            self.loop.call_later(rest_s, self._step_checkpoint)

    def _checkpoint_goes_on(self) -> None:
        """Called wherever the wait ends, perhaps on another thread."""
        self.loop.call_soon_threadsafe(self._step_checkpoint)

    async def _until_views_are_up_to_date(self) -> None:
        """For a while: what is left is done at the next start, at greater cost."""
        work = self._deferred_work
        deadline_s = self.loop.time() + (_LAST_VIEWS_S if self._durable is not None else 0)
        while work is not None and work.is_under_way and self.loop.time() < deadline_s:
            self._flush()
            await asyncio.sleep(_POLL_S)
        if work is not None:
            work.stop()

    async def _until_written(self) -> None:
        """Until no checkpoint and no flush is under way."""
        flusher = self._flusher
        while self._checkpoint is not None or (flusher is not None and flusher.is_under_way):
            self._flush()
            await asyncio.sleep(_POLL_S)
        if flusher is not None:
            flusher.close()

    # --- what connections ask -----------------------------------------------------------------------------

    def has_room(self) -> bool:
        """Whether another socket may be kept.

        More may be open than sessions: to be told that there are too many, and to cancel,
        a client must get in.
        """
        return len(self._sockets) < self._most_sockets()

    def _most_sockets(self) -> int:
        return 2 * self.settings.max_connections + _SPARE_SOCKETS

    def attach(self, connection: Connection) -> Member:
        """A client has connected."""
        member = Member(self, connection, next(self._pids))
        self._members[connection] = member
        self._sockets.add(connection)
        self._by_pid[member.backend_pid] = member
        return member

    def detach(self, connection: Connection) -> None:
        """A client's session has ended."""
        member = self._members.pop(connection)
        del self._by_pid[member.backend_pid]
        if member.is_admitted:
            self._admitted -= 1
            _log("disconnected", backend_pid=member.backend_pid)

    def closed(self, connection: Connection) -> None:
        """A client's socket is closed."""
        self._sockets.discard(connection)

    def turn_over(self) -> None:
        """Between two turns."""
        self._garbage.between_turns()

    def log_fault(self, error: BaseException) -> None:
        """Log a failure of the server itself."""
        _logger.error("internal error", exc_info=error)

    def reload(self) -> None:
        """Read the certificates again; if that fails those in use stay."""
        if self.tls is None:
            return
        try:
            self.tls.reload()
        except (DatabaseError, OSError) as problem:
            _logger.error("the certificates were not reloaded", extra={"fields": {"message": str(problem)}})
        else:
            _log("certificates reloaded")

    def authenticate(self, member: Member, request: StartupRequest) -> ScramExchange | None:
        """How a client has to prove who it is, by the rules of `authentication`; None: not at all.

        Raises InvalidAuthorization where they let nobody in.
        """
        peer = member.connection.peer_name()
        channel = member.connection.tls
        host = "[local]" if peer is None else peer[0]
        is_local = peer is None or is_loopback(host)
        method = self.settings.authentication
        if (self.settings.tls_required and channel is None) or (method == TRUST and not is_local):
            raise not_let_in(request, host, channel is not None)
        credentials = self._engine.credentials(request.user)
        if is_trusted(method, is_local, credentials):
            return None
        binding = None if channel is None else channel.binding
        return exchange_with(request, credentials, self._engine.mock_secret, binding)

    def admit(self, member: Member, request: StartupRequest) -> Session:
        """Open a session for a client that is who it says; raises DatabaseError to refuse it."""
        peer = member.connection.peer_name()
        if self._is_stopping:
            raise CannotConnectNow("the database system is shutting down")
        if self._admitted >= self.settings.max_connections:
            raise TooManyConnections("sorry, too many clients already")
        session = self._engine.open_session(
            request.database, request.user, request.settings, member.backend_pid
        )
        session.client_address = peer
        channel = member.connection.tls
        session.tls = None if channel is None else channel.state()
        session.client = member.connection
        member.is_admitted = True
        self._admitted += 1
        _log(
            "connected",
            backend_pid=member.backend_pid,
            user=request.user,
            database=request.database,
            application_name=request.settings.get("application_name", ""),
        )
        return session

    def cancel(self, backend_pid: int, secret: int) -> None:
        """A CancelRequest: silently without effect unless pid and secret fit."""
        member = self._by_pid.get(backend_pid)
        if member is None or not hmac.compare_digest(
            member.secret.to_bytes(4, "big"), secret.to_bytes(4, "big")
        ):
            _log("cancel request refused", backend_pid=backend_pid)
            return
        member.connection.cancel()


def _shutdown() -> AdminShutdown:
    return AdminShutdown("terminating connection due to administrator command")


def _log(event: str, **fields: object) -> None:
    _logger.info(event, extra={"fields": fields})
