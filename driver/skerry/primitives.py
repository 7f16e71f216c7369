"""What blocking code is made of, under the names that its asyncio twin uses (`skerry.aio.primitives`).

Modules whose heads say so are generated from those of `skerry.aio`; what differs between the two worlds is here.
"""

from __future__ import annotations

import selectors
import socket
import ssl
import threading
import time
from collections import deque
from typing import Final

CHUNK_BYTES: Final = 65536

Lock = threading.RLock
sleep = time.sleep


class Waiter:
    """Somebody who waits to be woken, once."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def wake(self) -> None:
        """Wake whoever waits, or will."""
        self._event.set()

    @property
    def is_woken(self) -> bool:
        """Whether it was."""
        return self._event.is_set()

    def wait(self, timeout_s: float | None) -> bool:
        """Wait; False when the time is up before."""
        return self._event.wait(timeout_s)


class Transport:
    """A connected socket, perhaps with TLS: bytes out, bytes in.

    `leftover`: what was read from it already.  Nobody else may use the socket from now on.
    """

    SURVIVES_INTERRUPTION: Final = False
    """A KeyboardInterrupt can come between the system's giving bytes and their being kept."""

    def __init__(self, sock: socket.socket, leftover: bytes = b"") -> None:
        self._sock = sock
        self._inbox: deque[bytes] = deque([leftover] if leftover else [])
        self._polling = threading.Lock()
        sock.settimeout(None)

    def send(self, data: bytes) -> None:
        """Send all of it.  What the server says meanwhile is kept: it may have to be heard before it goes on."""
        if len(data) <= CHUNK_BYTES:
            self._sock.sendall(data)
            return
        view = memoryview(data)
        self._sock.settimeout(0.0)
        try:
            with selectors.DefaultSelector() as selector:
                selector.register(self._sock, selectors.EVENT_READ | selectors.EVENT_WRITE)
                while view:
                    ready = selector.select()
                    if any(events & selectors.EVENT_WRITE for _, events in ready):
                        view = view[self._send_some(view[:CHUNK_BYTES]) :]
                    else:
                        self._keep_what_came()
        finally:
            self._sock.settimeout(None)

    def _send_some(self, data: memoryview) -> int:
        try:
            return self._sock.send(data)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError, BlockingIOError):
            self._keep_what_came()
            return 0

    def _keep_what_came(self) -> None:
        try:
            data = self._sock.recv(CHUNK_BYTES)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError, BlockingIOError):
            return
        if not data:
            raise ConnectionResetError("the server closed the connection")
        self._inbox.append(data)

    def receive(self) -> bytes:
        """What the server sends next; empty when it has hung up."""
        return self._inbox.popleft() if self._inbox else self._sock.recv(CHUNK_BYTES)

    def receive_within(self, timeout_s: float) -> bytes:
        """As `receive`; raises TimeoutError when nothing comes."""
        if self._inbox:
            return self._inbox.popleft()
        self._sock.settimeout(timeout_s)
        try:
            return self._sock.recv(CHUNK_BYTES)
        finally:
            self._sock.settimeout(None)

    def poll(self) -> bytes | None:
        """What has come already; None for nothing, empty when the server has hung up."""
        if self._inbox:
            return self._inbox.popleft()
        self._sock.settimeout(0.0)
        try:
            return self._sock.recv(CHUNK_BYTES)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError, BlockingIOError):
            return None
        finally:
            self._sock.settimeout(None)

    def wait_for_input(self, timeout_s: float | None) -> bool:
        """Sleep until something can be read, the connection is closed, or the time is up (False)."""
        with self._polling, selectors.DefaultSelector() as selector:
            if self._inbox or (isinstance(self._sock, ssl.SSLSocket) and self._sock.pending()):
                return True
            selector.register(self._sock, selectors.EVENT_READ)
            return bool(selector.select(timeout_s))

    def close(self) -> None:
        """Give the socket back; who waits for input is woken."""
        try:
            if self._polling.locked():  # let whoever waits look, then close
                self._sock.shutdown(socket.SHUT_RD)
        except OSError:
            pass  # not connected any more: that wakes, too
        with self._polling:
            self._sock.close()

    abort = close


def say_elsewhere(host: str, port: int, message: bytes, timeout_s: float) -> None:
    """Send a message on a connection of its own, and wait until the server hangs up.  Raises OSError."""
    with socket.create_connection((host, port), timeout=timeout_s) as request:
        request.sendall(message)
        request.recv(1)
