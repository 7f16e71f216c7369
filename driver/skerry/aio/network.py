"""Servers: how a session with one is opened on an event loop.

pg8000 knows no event loops: here our own `ClientProtocol` begins the conversation, too.
"""

from __future__ import annotations

from skerry.aio.primitives import AsyncTransport, open_transport
from skerry.aio.server_session import AsyncServerSession
from skerry.graph_json import TYPED_JSON
from skerry.targets import Target
from skerry.values_in import reader_of
from skerry.wire import events
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
        target = self._target
        try:
            transport = await open_transport(target.host, target.port, self._connect_timeout_s)
        except OSError as problem:
            raise errors.ConnectionFailure(str(problem) or type(problem).__name__) from None
        try:
            protocol = await self._begin(transport, target)
        except BaseException:
            transport.abort()
            raise
        return AsyncServerSession(transport, protocol, target.host, target.port)

    async def _begin(self, transport: AsyncTransport, target: Target) -> ClientProtocol:
        protocol = ClientProtocol(reader_of, transport.tls)
        settings = {TYPED_JSON[0]: TYPED_JSON[1], **self._options}
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
