"""Servers: how a blocking session with one is opened.

pg8000 connects, wraps the socket in TLS and authenticates (SCRAM with its channel binding).  What it has learned then
goes to our own `ClientProtocol`, which owns the conversation from its first ReadyForQuery on, the socket to a
`Transport`.  pg8000 would take three round trips for a statement with parameters, and knows no row limits, no
pipelining and no event loops; its readers and writers of values are used both ways (values_in.py, values_out.py).
"""

from __future__ import annotations

import contextlib
import socket
import ssl
from typing import Any

import pg8000.core
import pg8000.exceptions

from skerry.graph_json import TYPED_JSON
from skerry.primitives import Transport
from skerry.reaching import reach
from skerry.server_session import ServerSession
from skerry.sqlstates import error_from_fields
from skerry.targets import Target, reason
from skerry.values_in import reader_of
from skerry.wire.protocol import ClientProtocol
from skerry_engine import errors


class _Opening(pg8000.core.CoreConnection):  # type: ignore[misc]
    """pg8000's connection, until it is ready for the first query."""

    _usock: Any
    _sock: Any

    def close(self) -> None:
        """Terminate, and give the socket back at once: pg8000 leaves it to whoever holds its stream last, the frames
        of an exception perhaps."""
        usock = self._usock
        try:
            super().close()
        finally:
            descriptor = -1 if usock is None else usock.detach()
            if descriptor >= 0:
                socket.close(descriptor)

    def handed_over(self) -> tuple[Transport, ClientProtocol]:
        """The socket, with what was read of it and not looked at yet, and the conversation."""
        self._usock.settimeout(0.0)
        try:
            leftover = self._sock.read1() if self._sock.peek(1) else b""
        except ssl.SSLWantReadError:  # where a socket in the clear says that there is nothing
            leftover = b""
        protocol = ClientProtocol(reader_of)
        protocol.adopt(self.parameter_statuses, bytes(self._backend_key_data or b""))
        sock, self._usock = self._usock, None
        self._sock = None
        return Transport(sock, leftover), protocol


class NetworkSource:
    """A server's address, and what to say when connecting."""

    def __init__(self, target: Target, options: dict[str, str], connect_timeout_s: float | None) -> None:
        self._target = target
        self._options = options
        self._connect_timeout_s = connect_timeout_s

    @property
    def user(self) -> str:
        """Whose sessions they are."""
        return self._target.user

    @property
    def database(self) -> str:
        """The database's name."""
        return self._target.database

    def open_backend(self) -> ServerSession:
        """Connect."""
        return reach(self._target, self._connect)

    def _connect(self, host: str, port: int) -> ServerSession:
        try:
            with contextlib.ExitStack() as undoing:
                sock = socket.create_connection((host, port), self._timeout_s())
                undoing.callback(sock.close)
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
                transport, protocol = self._opened(sock, host)
                undoing.pop_all()
        except (pg8000.exceptions.Error, OSError) as problem:
            raise _translate(problem) from None
        return ServerSession(transport, protocol, host, port)

    def _opened(self, sock: socket.socket, host: str) -> tuple[Transport, ClientProtocol]:
        """TLS and authentication."""
        target = self._target
        settings = {TYPED_JSON[0]: TYPED_JSON[1], **dict(target.settings), **self._options}
        opening = _Opening(
            target.user,
            host=host,
            sock=sock,
            database=target.database,
            password=target.password,
            ssl_context=target.tls.context(),
            application_name=settings.pop("application_name", None),
            startup_params=settings,
        )
        return opening.handed_over()

    def _timeout_s(self) -> float | None:
        return self._connect_timeout_s or self._target.connect_timeout_s

    def close(self) -> None:
        """Nothing is held besides the sessions."""


def _fields(problem: Exception) -> dict[str, str]:
    """The server's account of an error; empty when it gave none."""
    if isinstance(problem, pg8000.exceptions.DatabaseError) and problem.args:
        fields = problem.args[0]
        if isinstance(fields, dict):
            return fields
    return {}


def _translate(problem: Exception) -> errors.Error:
    """pg8000's exceptions and the socket's as ours."""
    fields = _fields(problem)
    if fields:
        return error_from_fields(fields)
    cause = problem.__cause__ if isinstance(problem.__cause__, OSError) else problem
    return errors.ConnectionFailure(reason(cause))
