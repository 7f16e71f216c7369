"""The asyncio shell: sockets, timers and turns around the protocol's state machine.

    transport --data_received--> Backend.receive, then a turn: Backend.run --> transport.write, once
                                                        |
             NEED_DATA   wait for the client            | AGAIN     another turn, after the others' turns
             WAITING     wait for a lock to be free,    | CLOSED    write what is left and close
                         or for its deadline

A session's statement runs directly inside the transport's callback: the usual short statement is answered
without ever going through the loop.  A long one ends its turn after about a millisecond, so sessions take
turns.

Flow control, both ways: while the transport's write buffer is above its mark no turn is run, so a client
that does not read holds one turn's output and no more; while much input waits behind a running statement,
reading is paused.

A client that is gone (reset, closed, half-closed) has its session closed at once, so its locks go at once.

What it does not do: protocol (see `protocol.backend`), accounting of connections (see `server`).
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
import time
from collections.abc import Callable
from typing import Final, Protocol, cast

from skerry_engine.errors import DatabaseError, QueryCanceled
from skerry_engine.session.steps import Waiting
from skerry_server.protocol import codes
from skerry_server.protocol.backend import AGAIN, CLOSED, NEED_DATA, START_TLS, WAITING, Backend
from skerry_server.protocol.host import Host
from skerry_server.tls import CLIENT_HELLO, TlsChannel, TlsSettings

TURN_S: Final = 0.001
_WRITE_HIGH_BYTES: Final = 256 * 1024
_WRITE_LOW_BYTES: Final = 64 * 1024
_INPUT_HIGH_BYTES: Final = 1024 * 1024

# How long a closed connection may take to read its last output.
_LINGER_S: Final = 5.0


class Keeper(Protocol):
    """What a connection needs of the server that keeps it."""

    loop: asyncio.AbstractEventLoop
    authentication_timeout_s: float
    tls: TlsSettings | None

    def has_room(self) -> bool:
        """Whether another client may connect at all."""
        ...

    def attach(self, connection: Connection) -> Host:
        """A client has connected."""
        ...

    def detach(self, connection: Connection) -> None:
        """Its session has ended; the socket may still have output to write."""
        ...

    def closed(self, connection: Connection) -> None:
        """Its socket is closed."""
        ...

    def turn_over(self) -> None:
        """A turn has ended: house-keeping between turns."""
        ...

    def log_fault(self, error: BaseException) -> None:
        """Log an internal failure with its traceback."""
        ...


class Connection:
    """One client's socket.

    It has the methods of asyncio.Protocol, but is no subclass: it is compiled, and what runs at every message does
    without a call through the interpreter.
    """

    def __init__(self, keeper: Keeper) -> None:
        self._keeper = keeper
        self._loop = keeper.loop
        self._loop_thread = threading.get_ident()  # `_thread`, compiled, would be a word of C
        self._transport: asyncio.Transport | None = None
        self._backend: Backend | None = None
        self._write_paused = False
        self._read_paused = False
        self._turn_scheduled = False
        self._wait_token = 0
        self._wait_timer: asyncio.TimerHandle | None = None
        self._idle_timer: asyncio.TimerHandle | None = None
        self._turns = 0
        self._has_received = False
        self.tls: TlsChannel | None = None

    # --- the transport's callbacks ------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client connected: it has `authentication_timeout_s` to say who it is."""
        stream = cast(asyncio.Transport, transport)  # uvloop's transports are not subclasses
        if not self._keeper.has_room():
            stream.abort()
            return
        self._transport = stream
        stream.set_write_buffer_limits(_WRITE_HIGH_BYTES, _WRITE_LOW_BYTES)
        _keep_alive(stream)
        self._backend = Backend(self._keeper.attach(self))
        self._idle_timer = self._loop.call_later(
            self._keeper.authentication_timeout_s, self._authentication_timed_out
        )

    def data_received(self, data: bytes) -> None:
        """The client sent something: run a turn unless one is due anyway."""
        backend = self._backend
        if backend is None:
            return
        if self.tls is not None or not self._has_received:
            data = self._heard(data)
            backend = self._backend
            if not data or backend is None:
                return
        backend.receive(data)
        if self._can_run(backend):
            self._turn()
        elif not self._read_paused and backend.buffered_bytes() > _INPUT_HIGH_BYTES:
            self._pause_reading()

    # --- TLS ----------------------------------------------------------------------------------------------

    def _heard(self, data: bytes) -> bytes:
        """What the client said: TLS is taken off, and begun where its first byte begins it."""
        settings = self._keeper.tls
        if not self._has_received:
            self._has_received = True
            if settings is not None and data[0] == CLIENT_HELLO:
                self.tls = TlsChannel(settings, True)
        channel = self.tls
        if channel is None:
            return data
        try:
            said = channel.receive(data)
        except ssl.SSLError:  # a stranger, or somebody in between: nothing to say that he would understand
            self._write(b"")
            self._give_up()
            return b""
        self._write(b"")
        if channel.is_over and not said:
            self._give_up()
        return said

    def _give_up(self) -> None:
        """Close the connection without a word beyond what is written."""
        transport = self._transport
        if transport is not None:
            self.tls = None
            self._close(transport)

    def _write(self, data: bytes) -> None:
        """Write to the client, with what TLS itself has to say."""
        transport = self._transport
        channel = self.tls
        if transport is None:
            return
        if channel is not None:
            if data:
                channel.send(data)
            data = channel.output()
        if data:
            transport.write(data)

    def eof_received(self) -> bool:
        """The client closed its side.  Whoever may still read gets what was written already."""
        self._end()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is gone."""
        self._end()
        self._transport = None
        self._keeper.closed(self)

    def pause_writing(self) -> None:
        """The client does not keep up: no more turns for now."""
        self._write_paused = True

    def resume_writing(self) -> None:
        """It caught up."""
        self._write_paused = False
        self._schedule_turn()

    # --- what the server calls ----------------------------------------------------------------------------

    def cancel(self) -> None:
        """Cancel the statement that runs, if one does."""
        backend = self._backend
        if backend is not None:
            backend.cancel()
            self._schedule_turn()

    def terminate(self, error: DatabaseError) -> None:
        """End the connection with a FATAL error; what it ran is rolled back."""
        backend = self._backend
        if backend is not None:
            backend.terminate(error)
            self._after_turn(backend, CLOSED)

    def interrupted(self, error: DatabaseError) -> None:
        """The running statement will fail with `error` at its next step: see that there is one."""
        self._soon(self._wake, error)

    def session_ended(self, error: DatabaseError) -> None:
        """The session was idle and is closed: tell the client."""
        self._soon(self.terminate, error)

    def _soon(self, call: Callable[[DatabaseError], None], error: DatabaseError) -> None:
        """Called in the middle of somebody else's step, perhaps on another thread: only take note."""
        if threading.get_ident() == self._loop_thread:
            self._loop.call_soon(call, error)
        else:
            self._loop.call_soon_threadsafe(call, error)

    def _wake(self, error: DatabaseError) -> None:
        backend = self._backend
        if backend is None:
            return
        if self._write_paused and error.ends_session:
            self.terminate(error)  # a client that does not read would never let it be stepped
            return
        backend.wake()
        if self._can_run(backend):
            self._turn()

    def _deliver(self) -> None:
        """Write what the session was notified of, without a turn: the client has said nothing, and idles on."""
        backend, transport = self._backend, self._transport
        if backend is None or transport is None or not self._can_run(backend):
            return  # a turn that comes to its end delivers, too
        has_more = backend.deliver()
        output = backend.take_output(NEED_DATA)
        if output:
            self._write(output)
        if has_more:
            self._loop.call_soon(self._deliver)

    def is_busy(self) -> bool:
        """Whether a statement is under way or input waits."""
        backend = self._backend
        return backend is not None and (backend.is_busy() or backend.buffered_bytes() > 0)

    def notified(self) -> None:
        """The session has a notification: an idle client is told soon, others at the end of their transaction."""
        backend = self._backend
        if backend is not None and backend.notified():
            if threading.get_ident() == self._loop_thread:
                self._loop.call_soon(self._deliver)
            else:
                self._loop.call_soon_threadsafe(self._deliver)

    def peer_name(self) -> tuple[str, int] | None:
        """Address and port of the client; None for a local socket."""
        transport = self._transport
        peer = None if transport is None else transport.get_extra_info("peername")
        return (str(peer[0]), int(peer[1])) if isinstance(peer, tuple) and len(peer) >= 2 else None

    # --- turns --------------------------------------------------------------------------------------------

    def _can_run(self, backend: Backend) -> bool:
        return not (self._turn_scheduled or self._write_paused or backend.waiting is not None)

    def _schedule_turn(self) -> None:
        if not self._turn_scheduled:
            self._turn_scheduled = True
            self._loop.call_soon(self._scheduled_turn)

    def _scheduled_turn(self) -> None:
        self._turn_scheduled = False
        backend = self._backend
        if backend is not None and self._can_run(backend):
            self._turn()

    def _turn(self) -> None:
        backend = self._backend
        assert backend is not None
        self._turns += 1
        try:
            outcome = backend.run(TURN_S)
        except Exception as error:  # noqa: BLE001 - a fault here costs one connection, not all
            self._keeper.log_fault(error)
            self.abort()
            return
        self._after_turn(backend, outcome)
        self._keeper.turn_over()

    def _after_turn(self, backend: Backend, outcome: int) -> None:
        transport = self._transport
        assert transport is not None
        output = backend.take_output(outcome)
        if output:
            self._write(output)
        if outcome == NEED_DATA:
            if self._read_paused:
                self._resume_reading()
            self._watch_idling(backend)
        elif outcome == AGAIN:
            self._schedule_turn()
        elif outcome == WAITING:
            self._wait(backend)
        elif outcome == START_TLS:
            assert self._keeper.tls is not None
            self.tls = TlsChannel(self._keeper.tls, False)
        else:
            self._close(transport)

    def _close(self, transport: asyncio.Transport) -> None:
        """Close once the client has read what is left, but do not let it take for ever."""
        self._end()
        if self.tls is not None:
            self.tls.close()
            self._write(b"")
        transport.close()
        if transport.get_write_buffer_size():
            self._loop.call_later(_LINGER_S, transport.abort)

    def _pause_reading(self) -> None:
        assert self._transport is not None
        self._read_paused = True
        self._transport.pause_reading()

    def _resume_reading(self) -> None:
        assert self._transport is not None
        self._read_paused = False
        self._transport.resume_reading()

    # --- waits --------------------------------------------------------------------------------------------

    def _wait(self, backend: Backend) -> None:
        waiting = backend.waiting
        assert waiting is not None
        self._wait_token += 1
        token = self._wait_token
        deadline_s = waiting.deadline_s()
        if deadline_s is not None:
            delay_s = max(0.0, deadline_s - time.monotonic())
            self._wait_timer = self._loop.call_later(delay_s, self._wait_over, token)
        self._watch_waiting(waiting, token)

    def _watch_waiting(self, waiting: Waiting, token: int) -> None:
        loop = self._loop

        def over() -> None:
            # Called in the middle of somebody else's step, perhaps on another thread: only take note.
            if threading.get_ident() == self._loop_thread:
                loop.call_soon(self._wait_over, token)
            else:
                loop.call_soon_threadsafe(self._wait_over, token)

        waiting.on_over(over)

    def _wait_over(self, token: int) -> None:
        """The wait is over or its time is: the statement finds out which when it is stepped."""
        backend = self._backend
        if backend is None or token != self._wait_token or backend.waiting is None:
            return
        if self._wait_timer is not None:
            self._wait_timer.cancel()
            self._wait_timer = None
        backend.waiting = None
        if self._can_run(backend):
            self._turn()

    # --- idling -------------------------------------------------------------------------------------------

    def _authentication_timed_out(self) -> None:
        self._idle_timer = None
        backend = self._backend
        if backend is not None and backend.state == codes.STARTUP:
            self.terminate(QueryCanceled("canceling authentication due to timeout"))

    def _watch_idling(self, backend: Backend) -> None:
        """The client's turn: end the session when it says nothing for too long."""
        session = backend.session
        if session is None:
            return
        limit = session.idle_limit(backend.is_busy())
        if self._idle_timer is not None:
            self._idle_timer.cancel()
            self._idle_timer = None
        if limit is not None:
            delay_s = max(0.0, limit[0] - time.monotonic())
            self._idle_timer = self._loop.call_later(delay_s, self._idle_timed_out, self._turns, limit[1])

    def _idle_timed_out(self, turns: int, error: DatabaseError) -> None:
        self._idle_timer = None
        if turns == self._turns:  # else it has said something, which is being dealt with
            self.terminate(error)

    # --- the end ------------------------------------------------------------------------------------------

    def abort(self) -> None:
        """Close the socket without waiting for anything."""
        if self._transport is not None:
            self._transport.abort()
        self._end()

    def _end(self) -> None:
        """Let go of everything, once; references are cut so that no collection is needed to free them."""
        backend, self._backend = self._backend, None
        if backend is None:
            return
        self._wait_token += 1
        for timer in (self._wait_timer, self._idle_timer):
            if timer is not None:
                timer.cancel()
        self._wait_timer = self._idle_timer = None
        backend.close()
        self._keeper.detach(self)


def _keep_alive(transport: asyncio.Transport) -> None:
    """Have the kernel notice peers that vanished without a word."""
    connection = transport.get_extra_info("socket")
    if connection is not None and connection.family in (socket.AF_INET, socket.AF_INET6):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
