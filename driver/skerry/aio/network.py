"""Servers: how a session with one is opened on an event loop.

pg8000 knows no event loops: here our own `ClientProtocol` begins the conversation, too.
"""

from __future__ import annotations

import asyncio
import ssl

from skerry.aio.primitives import AsyncTransport, open_transport
from skerry.aio.reaching import reach
from skerry.aio.server_session import AsyncServerSession
from skerry.graph_json import TYPED_JSON
from skerry.targets import Target, reason
from skerry.values_in import reader_of
from skerry.wire import commands, events
from skerry.wire.protocol import ClientProtocol
from skerry_engine import errors


class AsyncNetworkSource:
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

    async def open_backend(self) -> AsyncServerSession:
        """Connect."""
        return await reach(self._target, self._connect)

    async def _connect(self, host: str, port: int) -> AsyncServerSession:
        limit_s = self._connect_timeout_s or self._target.connect_timeout_s
        try:
            return await asyncio.wait_for(self._begin_session(host, port), limit_s)
        except TimeoutError:
            raise errors.ConnectionFailure("timed out") from None
        except OSError as problem:
            raise errors.ConnectionFailure(reason(problem)) from None

    async def _begin_session(self, host: str, port: int) -> AsyncServerSession:
        transport = await open_transport(host, port, None)
        try:
            await self._encrypt(transport, host)
            protocol = await self._begin(transport)
        except BaseException:
            await transport.abort_and_wait()
            raise
        return AsyncServerSession(transport, protocol, host, port)

    async def _encrypt(self, transport: AsyncTransport, host: str) -> None:
        """Go on with TLS, if the address wants it, or does not mind and the server has it."""
        context = self._target.tls.context()
        if isinstance(context, bool):
            return
        await transport.send(commands.SSL_REQUEST)
        answer = await transport.receive()
        if answer == b"S":
            await transport.start_tls(_unverified() if context is None else context, host)
        elif answer != b"N" or context is not None:
            raise errors.ConnectionFailure("the server refuses TLS")

    async def _begin(self, transport: AsyncTransport) -> ClientProtocol:
        target = self._target
        protocol = ClientProtocol(reader_of, transport.tls)
        settings = {TYPED_JSON[0]: TYPED_JSON[1], **dict(target.settings), **self._options}
        protocol.startup(target.user, target.database, target.password, settings)
        while not protocol.is_idle:
            await transport.send(protocol.take_output())
            data = await transport.receive()
            if not data:
                protocol.receive_end()
            for event in protocol.receive(data):
                if isinstance(event, events.Failed):
                    raise event.error
        return protocol

    async def close(self) -> None:
        """Nothing is held besides the sessions."""


def _unverified() -> ssl.SSLContext:
    """TLS with whoever answers: `sslmode=prefer` asks no more."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
