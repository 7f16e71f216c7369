"""A session of a server: what is asked of a `Backend`, said in the protocol, over a transport.

    execute()  ──> ClientProtocol ──> Transport.send          one write, then one wait: BEGIN, statement and sync
    Outcome    <── Collector <── ClientProtocol.receive <── Transport.receive

The socket and the protocol's state have one owner at a time: this object, in one call at a time.  Only `cancel` and
`close` may come from elsewhere meanwhile.

A call that is broken off (a cancelled task) cancels its statement and hears the server out, so that the session can be
used further; where bytes could be lost by that (Ctrl-C in a thread), or the server does not stop, the session is given
up.

Generated from aio/server_session.py by driver/unasync.py: change that one.
"""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from skerry.abc import ColumnInfo, Notification, Outcome, Row, stream_tag
from skerry.languages import is_gql
from skerry.primitives import CHUNK_BYTES, Transport, say_elsewhere
from skerry.values_out import texts_and_types
from skerry.wire import commands, events
from skerry.wire.collecting import Collector
from skerry.wire.protocol import ClientProtocol
from skerry_engine import errors

BATCH_SETS = 1000
"""How many sets of parameters `execute_many` sends in one round trip, at most."""

GIVING_UP_S = 5.0
"""How long a statement that was broken off may take to stop."""

_SKIPPED = r"(?:\s|--[^\n]*\n|/\*.*?\*/)*"
_COPY = re.compile(rf"{_SKIPPED}COPY\b", re.IGNORECASE | re.DOTALL)
_ONE_QUERY = re.compile(
    r"\s*(?:SELECT|INSERT|UPDATE|DELETE|VALUES|WITH|MERGE|TABLE)\b[^;]*;?\s*\Z", re.IGNORECASE
)
"""What is certainly one statement, and one that can be described."""

_LOST = (OSError, EOFError)


class ServerSession:
    """A session; made by `skerry.network`."""

    def __init__(self, transport: Transport, protocol: ClientProtocol, host: str, port: int) -> None:
        self._transport: Transport | None = transport
        self._protocol = protocol
        self._host = host
        self._port = port
        self._streams = 0
        self._end_error: errors.DatabaseError | None = None
        self.notices: list[str] = []
        self.arrived: list[Notification] = []

    # --- what is known ----------------------------------

    @property
    def transaction_status(self) -> str:
        """'I', 'T' or 'E'."""
        return self._protocol.transaction_status

    @property
    def is_open(self) -> bool:
        """Whether the session was neither closed nor lost."""
        return self._transport is not None

    @property
    def settings(self) -> dict[str, str]:
        """What the server reports: server_version, TimeZone ..."""
        return self._protocol.settings

    @property
    def backend_pid(self) -> int:
        """The session's number."""
        return self._protocol.backend_pid

    @property
    def address(self) -> tuple[str, int]:
        """The server's host and port."""
        return self._host, self._port

    @property
    def notifications(self) -> list[Notification]:
        """What has arrived, oldest first; the reader may clear the list."""
        if self._transport is not None:
            self.is_alive()
        return self.arrived

    def is_alive(self) -> bool:
        """Look, without asking the server, whether it has hung up; takes what has come.  Raises what it said then."""
        transport = self._open_transport()
        try:
            while self._end_error is None and (data := transport.poll()) is not None:
                self._take_events(data, self._take_unasked)
        except errors.OperationalError:
            self._drop()
            raise
        except _LOST as problem:
            raise self._lost(problem) from None
        if self._end_error is not None:
            self._drop()
            self._open_transport()
        return True

    def _take_unasked(self, event: events.Event) -> None:
        """Nothing was asked: there are only settings that have changed."""

    def wait_for_notifications(self, timeout_s: float | None) -> None:
        """Sleep until something arrives, the connection is closed, or the time is up."""
        deadline_s = None if timeout_s is None else time.monotonic() + timeout_s
        while True:
            transport = self._open_transport()
            if self.notifications:
                return
            left_s = None if deadline_s is None else max(0.0, deadline_s - time.monotonic())
            try:
                is_over = not transport.wait_for_input(left_s)
            except (OSError, ValueError) as problem:
                self._open_transport()  # unless another thread has closed it
                raise self._lost(problem) from None
            if is_over:
                return

    # --- statements -------------------------------------

    def execute(
        self, text: str, parameters: Sequence[object] | None = None, begin: str | None = None
    ) -> Outcome:
        """Run to the end; `begin` is run before it, in the same round trip where that can be."""
        collector = Collector(self._protocol)
        protocol = self._ready_protocol()
        if parameters or (begin is not None and _ONE_QUERY.match(text) and not _COPY.match(text)):
            if begin is not None:
                self._begin(begin)
                collector = Collector(protocol, skipped=1)
            self._ask(text, parameters or ())
        else:
            if begin is not None:
                self.execute(begin)
            protocol.query(text)
        self._converse(collector, text)
        return collector.outcome()

    def _begin(self, begin: str) -> None:
        protocol = self._protocol
        protocol.parse("", begin)
        protocol.bind("", "", ())
        protocol.execute("")

    def _ask(self, text: str, parameters: Sequence[object]) -> None:
        """Ask for one statement."""
        oids, texts = texts_and_types(text, parameters)
        protocol = self._protocol
        protocol.parse("", text, oids)
        protocol.bind("", "", texts)
        protocol.describe_portal("")
        protocol.execute("")
        protocol.sync()

    def execute_many(
        self, text: str, sets: Iterable[Sequence[object]], keeps_rows: bool = False
    ) -> list[Outcome]:
        """Run a statement for each set of parameters, many in a round trip; their outcomes.

        Inside a transaction, please: outside one each round trip would be one of its own.
        """
        oids: list[int] | None = None
        collector = Collector(self._ready_protocol(), keeps_rows=keeps_rows, is_repeated=True)
        waiting = size = 0
        for parameters in sets:
            found, texts = texts_and_types(text, parameters)
            size += self._ask_again(text, oids if waiting else None, found, texts)
            oids = found
            waiting += 1
            if waiting == BATCH_SETS or size > CHUNK_BYTES:
                self._finish_batch(collector, text)
                waiting = size = 0
        if waiting:
            self._finish_batch(collector, text)
        return collector.outcomes

    def _ask_again(
        self, text: str, known: list[int] | None, found: list[int], texts: Sequence[str | None]
    ) -> int:
        """Ask for one more execution; a statement whose parameters' types have changed is prepared anew.  Returns about
        how many bytes that takes."""
        protocol = self._protocol
        is_new = known is None or any(
            value is not None and old != new for value, old, new in zip(texts, known, found, strict=True)
        )
        if is_new:
            protocol.parse("", text, found)
        elif known is not None:
            found[:] = known
        protocol.bind("", "", texts)
        if is_new:
            protocol.describe_portal("")
        protocol.execute("")
        return (
            30 + (len(text) if is_new else 0) + sum([len(value) + 4 for value in texts if value is not None])
        )

    def _finish_batch(self, collector: Collector, text: str) -> None:
        self._protocol.sync()
        self._converse(collector, text)

    def open_stream(
        self, text: str, parameters: Sequence[object] | None, size: int, begin: str | None = None
    ) -> ServerStream:
        """Begin to read a statement's rows, `size` at a time.  Inside a transaction, or with a `begin`."""
        if _COPY.match(text):
            raise errors.NotSupportedError("COPY has no rows to stream: use Cursor.copy()")
        protocol = self._ready_protocol()
        self._streams += 1
        portal = f"skerry_{self._streams}"
        if begin is not None:
            self._begin(begin)
        oids, texts = texts_and_types(text, parameters or ())
        protocol.parse("", text, oids)
        protocol.bind(portal, "", texts)
        protocol.describe_portal(portal)
        protocol.execute(portal, size)
        protocol.sync()
        collector = Collector(protocol, skipped=0 if begin is None else 1)
        self._converse(collector, text)
        return ServerStream(self, portal, collector)

    # --- COPY -------------------------------------------

    def copy(self, text: str) -> ServerCopy:
        """Begin a COPY FROM STDIN or TO STDOUT.  Raises ProgrammingError for any other statement, which is run."""
        protocol = self._ready_protocol()
        copying = ServerCopy(self)
        protocol.query(text)
        self._converse_until(copying.take, lambda: copying.has_begun)
        if copying.error is not None:
            raise self._failure(copying.take_error(), text)
        if not copying.direction:
            raise errors.ProgrammingError("this is no COPY FROM STDIN or COPY TO STDOUT")
        return copying

    def copy_out(self, text: str, write: Callable[[bytes], object]) -> None:
        """Run COPY TO STDOUT.  When `write` fails the connection is given up: the rest would have to be read."""
        collector = Collector(self._ready_protocol(), write=write)
        self._protocol.query(text)
        self._converse(collector, text)

    # --- the conversation -------------------------------

    def _open_transport(self) -> Transport:
        if self._end_error is not None:
            error, self._end_error = self._end_error, None
            try:
                raise error
            finally:
                del error  # which keeps its traceback, which keeps this frame
        if self._transport is None:
            raise errors.InterfaceError("the connection is closed")
        return self._transport

    def _ready_protocol(self) -> ClientProtocol:
        self._open_transport()
        self._protocol.unsay()
        if not self._protocol.is_idle:
            raise errors.InterfaceError("the connection is busy with another statement")
        return self._protocol

    def _converse(self, collector: Collector, text: str) -> None:
        """Send what was asked, and hear the answers to all of it.  Raises the server's error."""
        self._converse_until(collector.take, lambda: self._protocol.is_idle)
        error = collector.take_error()
        if error is not None:
            try:
                raise self._failure(error, text)
            finally:
                del error  # which keeps its traceback, which keeps this frame

    def _converse_until(self, take: Callable[[events.Event], None], is_over: Callable[[], bool]) -> None:
        transport = self._open_transport()
        protocol = self._protocol
        try:
            while True:
                self._say(transport, protocol.take_output())
                if is_over():
                    return
                self._take_events(self._hear(transport), take)
                if protocol.is_closed:
                    self._drop()
                    return
        except errors.ConnectionFailure:
            self._drop()
            raise
        except errors.ProtocolViolation:
            self._drop()
            raise
        except BaseException:
            self._break_off()
            raise

    def _say(self, transport: Transport, output: bytes) -> None:
        """Send.  Only here and in `_hear` an OSError is the connection's: who takes answers has errors of his own."""
        try:
            if output:
                transport.send(output)
        except _LOST as problem:
            raise self._lost(problem) from None

    def _hear(self, transport: Transport) -> bytes:
        try:
            return transport.receive()
        except _LOST as problem:
            raise self._lost(problem) from None

    def _take_events(self, data: bytes, take: Callable[[events.Event], None]) -> None:
        protocol = self._protocol
        if not data:
            protocol.receive_end()
        for event in protocol.receive(data):
            if isinstance(event, events.Noticed):
                fields = event.fields
                severity = fields.get("V", fields.get("S", "NOTICE"))
                self.notices.append(f"{severity}:  {fields.get('M', '')}")
            elif isinstance(event, events.Notified):
                self.arrived.append(event.notification)
            elif isinstance(event, events.Failed) and not event.is_answer:
                self._end_error = event.error  # the next call learns of it: this one has its answer
            else:
                take(event)

    def _break_off(self) -> None:
        """Stop what the server does for a call that is over before its time."""
        transport = self._transport
        if transport is None or not transport.SURVIVES_INTERRUPTION or self._protocol.is_closed:
            self._drop()
            return
        try:
            self._hear_out(transport)
        except (errors.Error, OSError, TimeoutError):
            self._drop()
        except BaseException:
            self._drop()
            raise

    def _hear_out(self, transport: Transport) -> None:
        """Cancel, and take what is still said."""
        protocol = self._protocol
        protocol.unsay()
        if not protocol.is_idle:
            self.cancel()
        deadline_s = time.monotonic() + GIVING_UP_S
        while not protocol.is_idle:
            data = transport.receive_within(max(0.01, deadline_s - time.monotonic()))
            self._take_events(data, self._refuse_copy)
            output = protocol.take_output()
            if output:
                transport.send(output)
        if protocol.is_closed:
            self._drop()

    def _refuse_copy(self, event: events.Event) -> None:
        if isinstance(event, events.CopyInBegun):
            self._protocol.copy_fail("broken off")

    def _failure(self, error: errors.DatabaseError, text: str) -> errors.DatabaseError:
        if isinstance(error, errors.SyntaxError) and is_gql(text):
            error.locate(text)
        return error

    def _lost(self, problem: BaseException) -> errors.DatabaseError:
        self._drop()
        return errors.ConnectionFailure(str(problem) or type(problem).__name__)

    # --- the end ----------------------------------------

    def cancel(self) -> None:
        """Ask the statement that runs now to stop, on a connection of its own.  Raises ConnectionFailure."""
        if self._transport is None or not self._protocol.backend_key:
            return
        message = commands.cancel(self._protocol.backend_key)
        try:
            say_elsewhere(self._host, self._port, message, 10)
        except OSError as problem:
            raise errors.ConnectionFailure(f"can't cancel: {problem}") from None

    def close(self) -> None:
        """Terminate politely; a connection that is gone already is no error."""
        transport, self._transport = self._transport, None
        if transport is None:
            return
        with contextlib.suppress(*_LOST):
            if not self._protocol.is_closed and self._protocol.is_idle:
                self._protocol.terminate()
                transport.send(self._protocol.take_output())
        with contextlib.suppress(*_LOST):
            transport.close()

    def _drop(self) -> None:
        """Give the connection up."""
        transport, self._transport = self._transport, None
        self._protocol.is_closed = True
        self._protocol.transaction_status = "I"
        if transport is not None:
            with contextlib.suppress(*_LOST):
                transport.abort()

    def __del__(self) -> None:
        if getattr(self, "_transport", None) is not None:
            self._drop()


class ServerStream:
    """The rows of a statement, read as they are asked for; made by `open_stream`."""

    def __init__(self, session: ServerSession, portal: str, collector: Collector) -> None:
        self._session = session
        self._portal = portal
        first = collector.outcomes[-1]
        self.columns: tuple[ColumnInfo, ...] | None = first.columns
        self.is_over = not collector.is_suspended
        self.tag = first.tag
        self.row_count = first.row_count
        self._ready: list[Row] = first.rows
        self._given = len(first.rows)

    def fetch(self, size: int) -> list[Row]:
        """The next rows, about `size` of them; none when there are no more."""
        if self._ready or self.is_over:
            ready, self._ready = self._ready, []
            return ready
        session = self._session
        protocol = session._ready_protocol()
        protocol.expect_rows(self.columns or ())
        protocol.execute(self._portal, size)
        protocol.sync()
        collector = Collector(protocol)
        session._converse(collector, "")
        outcome = collector.outcomes[-1]
        self._given += len(outcome.rows)
        if not collector.is_suspended:
            self.is_over = True
            self.tag = stream_tag(outcome.tag, self._given)
            self.row_count = self._given if self.columns is not None else outcome.row_count
        return outcome.rows

    def close(self) -> None:
        """Let go of the rows that were not read."""
        self._ready = []
        session = self._session
        self.is_over = True
        if not session.is_open or session.transaction_status != "T" or not session._protocol.is_idle:
            return
        session._protocol.close_portal(self._portal)
        session._protocol.sync()
        session._converse(Collector(session._protocol), "")


class ServerCopy:
    """A COPY under way; made by `copy`.  `direction` is 'in' or 'out'."""

    def __init__(self, session: ServerSession) -> None:
        self._session = session
        self.direction = ""
        self.is_binary = False
        self.error: errors.DatabaseError | None = None
        self.is_over = False
        self._tag = ""
        self._row_count = -1
        self._pieces: list[bytes] = []

    @property
    def has_begun(self) -> bool:
        """Whether data can flow, or never will."""
        return bool(self.direction) or self._session._protocol.is_idle

    def take(self, event: events.Event) -> None:
        """Take the next event."""
        if isinstance(event, events.CopyOutData):
            self._pieces.append(event.data)
        elif isinstance(event, events.CopyInBegun):
            self.direction, self.is_binary = "in", event.is_binary
        elif isinstance(event, events.CopyOutBegun):
            self.direction, self.is_binary = "out", event.is_binary
        elif isinstance(event, events.Completed):
            self._tag, self._row_count = event.tag, event.row_count
        elif isinstance(event, events.Failed):
            self.error = self.error or event.error
        elif isinstance(event, events.Ready):
            self.is_over = event.is_last

    def take_error(self) -> Any:
        """The error, once."""
        error, self.error = self.error, None
        return error

    def write(self, data: bytes) -> None:
        """Send a piece.  Raises the server's error as soon as it is heard."""
        session = self._session
        if self.is_over:
            return
        session._protocol.copy_data(data)
        transport = session._open_transport()
        try:
            transport.send(session._protocol.take_output())
            heard = transport.poll()
            if heard is not None:
                session._take_events(heard, self.take)
        except _LOST as problem:
            raise session._lost(problem) from None
        except errors.ConnectionFailure:
            session._drop()
            raise
        except BaseException:
            session._break_off()
            raise
        if self.error is not None:
            self.finish()

    def read(self) -> list[bytes]:
        """The next pieces, rows for most formats; none when there are no more."""
        if not self._pieces and not self.is_over:
            self._session._converse_until(self.take, lambda: bool(self._pieces) or self.is_over)
        pieces, self._pieces = self._pieces, []
        if self.error is not None:
            raise self.take_error()
        return pieces

    def finish(self, failure: str | None = None) -> Outcome:
        """End it: all data was sent, or all is wanted that comes.  With a `failure` what was sent is given up, and what
        would come, too; the statement has failed then."""
        session = self._session
        if not self.is_over and session.is_open:
            protocol = session._protocol
            if self.direction == "in" and self.error is None:
                if failure is None:
                    protocol.copy_done()
                else:
                    protocol.copy_fail(failure)
            elif failure is not None:
                session.cancel()
            session._converse_until(self.take, lambda: protocol.is_idle)
            self.is_over = True
        self._pieces = []
        if self.error is not None and failure is None:
            raise self.take_error()
        self.error = None
        return Outcome(None, [], self._tag, self._row_count)
