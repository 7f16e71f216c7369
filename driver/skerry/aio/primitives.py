"""What asyncio's side of the driver is made of, under the names that its blocking twin uses (`skerry.primitives`)."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections import deque
from typing import Final

CHUNK_BYTES: Final = 65536
_MANY_BYTES: Final = 8 * CHUNK_BYTES
_CLOSING_S: Final = 1.0

Lock = asyncio.Lock
sleep = asyncio.sleep


class Waiter:
    """Somebody who waits to be woken, once."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def wake(self) -> None:
        """Wake whoever waits, or will."""
        self._event.set()

    @property
    def is_woken(self) -> bool:
        """Whether it was."""
        return self._event.is_set()

    async def wait(self, timeout_s: float | None) -> bool:
        """Wait; False when the time is up before."""
        try:
            await asyncio.wait_for(self._event.wait(), timeout_s)
        except TimeoutError:
            return self._event.is_set()
        return True


class _Inbox(asyncio.Protocol):
    """What an event loop has read and nobody has asked for yet."""

    def __init__(self) -> None:
        self.chunks: deque[bytes] = deque()
        self.size = 0
        self.is_over = False
        self.problem: Exception | None = None
        self.transport: asyncio.Transport | None = None
        self.lost = asyncio.Event()
        self._is_paused = False
        self._changed = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.chunks.append(data)
        self.size += len(data)
        self._changed.set()
        if self.size > _MANY_BYTES and self.transport is not None and not self._is_paused:
            self._is_paused = True
            self.transport.pause_reading()

    def eof_received(self) -> bool:
        self._end(None)
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._end(exc)
        self.lost.set()

    def _end(self, problem: Exception | None) -> None:
        self.is_over = True
        self.problem = self.problem or problem
        self._changed.set()
        self._writable.set()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    async def wait(self) -> None:
        """Until there is something, or nothing more to come."""
        while not self.chunks and not self.is_over:
            self._changed.clear()
            await self._changed.wait()

    async def wait_writable(self) -> None:
        """Until not too much waits to be written."""
        await self._writable.wait()

    def take(self) -> bytes:
        """All that there is."""
        data = b"".join(self.chunks)
        self.chunks.clear()
        self.size = 0
        if self._is_paused and self.transport is not None and not self.is_over:
            self._is_paused = False
            self.transport.resume_reading()
        return data


class AsyncTransport:
    """A connection of an event loop, perhaps with TLS: bytes out, bytes in.  Made by `open_transport`."""

    SURVIVES_INTERRUPTION: Final = True
    """A task can be cancelled only where it awaits: no bytes are lost."""

    def __init__(self, transport: asyncio.Transport, inbox: _Inbox) -> None:
        self._transport = transport
        self._inbox = inbox

    @property
    def tls(self) -> object:
        """The TLS connection under it, if there is one."""
        return self._transport.get_extra_info("ssl_object")

    async def send(self, data: bytes) -> None:
        """Send all of it.  Waits only when very much waits already: the server may have to be heard before it reads."""
        if self._inbox.is_over:
            raise self._inbox.problem or ConnectionResetError("the server closed the connection")
        self._transport.write(data)
        if not self._inbox.chunks and len(data) <= CHUNK_BYTES:
            await self._inbox.wait_writable()

    async def receive(self) -> bytes:
        """What the server sends next; empty when it has hung up."""
        await self._inbox.wait()
        data = self._inbox.take()
        if not data and self._inbox.problem is not None:
            raise self._inbox.problem
        return data

    async def receive_within(self, timeout_s: float) -> bytes:
        """As `receive`; raises TimeoutError when nothing comes."""
        try:
            return await asyncio.wait_for(self.receive(), timeout_s)
        except TimeoutError:
            raise TimeoutError("the server does not answer") from None

    def poll(self) -> bytes | None:
        """What has come already; None for nothing, empty when the server has hung up."""
        if not self._inbox.chunks and not self._inbox.is_over:
            return None
        return self._inbox.take()

    async def wait_for_input(self, timeout_s: float | None) -> bool:
        """Sleep until something can be read, the connection is closed, or the time is up (False)."""
        try:
            await asyncio.wait_for(self._inbox.wait(), timeout_s)
        except TimeoutError:
            return False
        return True

    async def start_tls(self, context: ssl.SSLContext, host: str) -> None:
        """Go on with TLS."""
        loop = asyncio.get_running_loop()
        made = await loop.start_tls(self._transport, self._inbox, context, server_hostname=host)
        assert made is not None
        self._transport = self._inbox.transport = made

    async def close(self) -> None:
        """Close; what was sent is still written.  Returns when the socket is closed."""
        self._transport.close()
        try:
            await asyncio.wait_for(self._inbox.lost.wait(), _CLOSING_S)
        except TimeoutError:  # the other side neither reads nor hangs up
            await self.abort_and_wait()

    async def abort_and_wait(self) -> None:
        """Close at once."""
        self.abort()
        await self._inbox.lost.wait()

    def abort(self) -> None:
        """Close at once, from wherever: for who has forgotten the connection."""
        self._inbox._end(None)
        with contextlib.suppress(RuntimeError):  # the loop is closed: so is the socket
            self._transport.abort()


async def open_transport(host: str, port: int, timeout_s: float | None) -> AsyncTransport:
    """Connect.  Raises OSError, TimeoutError."""
    loop = asyncio.get_running_loop()
    connecting = loop.create_connection(_Inbox, host, port)
    try:
        transport, inbox = await asyncio.wait_for(connecting, timeout_s)
    except TimeoutError:
        raise TimeoutError("timed out") from None
    return AsyncTransport(transport, inbox)


async def say_elsewhere(host: str, port: int, message: bytes, timeout_s: float) -> None:
    """Send a message on a connection of its own, and wait until the server hangs up.  Raises OSError."""
    transport = await open_transport(host, port, timeout_s)
    try:
        await transport.send(message)
        with contextlib.suppress(TimeoutError):
            await transport.receive_within(timeout_s)
    finally:
        await transport.close()
