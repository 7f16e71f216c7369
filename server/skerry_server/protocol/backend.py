"""The conversation with one client, without I/O: bytes in, steps of the session, bytes out.

          receive(data)                                     take_output()
               |                                                 ^
               v                                                 |
        FrameReader --message--> table of states --> handler --> output list
                                                        |        ^
                                            answer = session.xxx | all at once, or
                                                        |        | one step: rows, a tag, a wait ...
                                                        +--> run()

`run()` goes on until it has to stop and says why (NEED_DATA, AGAIN, WAITING, CLOSED).  At most one *task*, a
generator that a session answered with, is alive at a time; while it is, no further message is looked at, except COPY's
when the task asks for them.  The table of states is in `codes`; what each message does is in the handlers
below.

Invariants
-   Every Query, FunctionCall and Sync that is taken is answered by exactly one ReadyForQuery, whatever fails.
-   After an error in an extended message `session.fail()` has been called once, and nothing but Sync is
    taken.
-   A FATAL error, Terminate, or `close()` leaves the state CLOSED, with the task closed before the session.
-   Nothing but ErrorResponse text ever tells a client of a failure: tracebacks go to `host.log_fault`.

What it does not do: sockets, timers, fairness among sessions, flow control.  It bounds its own time and
output per `run()`, and the shell decides when to call again.
"""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter
from typing import Final

from skerry_engine.errors import (
    DatabaseError,
    InternalFault,
    NotSupportedError,
    OutOfMemory,
    ProtocolViolation,
    StatementTooComplex,
)
from skerry_engine.session.steps import (
    Complete,
    CopyData,
    CopyFailed,
    CopyIn,
    CopyOut,
    Description,
    EmptyQuery,
    Finished,
    Notice,
    ParameterStatus,
    Pause,
    ResultColumn,
    Rows,
    Step,
    Suspended,
    Wait,
    Waiting,
)
from skerry_server.protocol import codes, frontend, messages
from skerry_server.protocol.codes import (
    BIND,
    CLOSE,
    COPY_DONE,
    COPY_FAIL,
    COPY_IN,
    DESCRIBE,
    EXECUTE,
    EXTENDED,
    FLUSH,
    PARSE,
    PROTOCOL_3_0,
    QUERY,
    READY,
    SKIPPING,
    STARTUP,
    SYNC,
    TAKE,
    TERMINATE,
    TRANSITIONS,
    VIOLATION,
)
from skerry_server.protocol.frames import NEED_DATA as NO_FRAME
from skerry_server.protocol.frames import FrameReader
from skerry_server.protocol.host import Host
from skerry_server.protocol.rows import announced_type, column_formats
from skerry_server.protocol.scram import ScramExchange
from skerry_server.protocol.shapes import ResultShape, ShapeCache
from skerry_server.protocol.startup import CancelRequest, EncryptionRequest, StartupReader, StartupRequest
from skerry_server.session_api import Answer, Session, Steps

# Why `run` stopped.
NEED_DATA: Final = 0  # nothing to do until the client sends more
AGAIN: Final = 1  # time or output for one turn is used up: call again
WAITING: Final = 2  # `waiting` must be over first
CLOSED: Final = 3  # write what is left, then close the connection
START_TLS: Final = 5  # write what is left, then go on over TLS

_GO_ON: Final = 4  # internal: not a reason to stop

# What a task is for.
_SIMPLE: Final = 0
_EXECUTE: Final = 1
_SYNC: Final = 2

# Output at which a turn ends, and at which it is worth writing without being asked to.
_TURN_OUTPUT_BYTES: Final = 64 * 1024
_WORTH_WRITING_BYTES: Final = 8 * 1024

# Rows encoded at once.
_SLICE_ROWS: Final = 128

# Notifications sent before others have their turn.
_NOTIFICATIONS_AT_ONCE: Final = 64

# The formats of a BINARY cursor's columns.
_BINARY: Final = (1,)

# CopyData handed to the statement at once.
_COPY_CHUNK_BYTES: Final = 256 * 1024


class Backend:
    """One client's conversation.  `waiting` is what WAITING waits for: set it to None to go on."""

    def __init__(self, host: Host) -> None:
        self.session: Session | None = None
        self.waiting: Waiting | None = None
        self.state: int = STARTUP
        self._host = host
        self._frames = FrameReader()
        self._startup = StartupReader()
        self._request: StartupRequest | None = None
        self._exchange: ScramExchange | None = None
        self._starts_tls: bool = False
        self._task: Steps | None = None
        self._purpose: int = _SIMPLE
        self._reply: object = None
        self._wants_copy_data: bool = False
        self._copying_in: bool = False
        self._copying_out: bool = False
        self._portal: str = ""
        self._shape: ResultShape | None = None
        self._described: str | None = None
        self._rows_left: list[tuple[object, ...]] = []  # in reverse
        self._shapes = ShapeCache()
        self._output: list[bytes] = []
        self._output_bytes: int = 0
        self._flush: bool = False
        self._has_notifications: bool = False

    # --- what the shell calls -----------------------------------------------------------------------------

    def receive(self, data: bytes) -> None:
        """Add what the client sent; `run` looks at it."""
        self._frames.receive(data)

    def buffered_bytes(self) -> int:
        """Input that was not looked at yet."""
        return self._frames.buffered_bytes()

    def is_busy(self) -> bool:
        """Whether a statement is under way."""
        return self._task is not None

    def take_output(self, outcome: int) -> bytes:
        """What to write now.  Little output that nothing asked for is held back until the end, also while a
        statement waits: clients that look whether a message is answered read on once its answer has begun,
        and then can't be told that the rest waits."""
        if outcome != CLOSED and not self._flush and self._output_bytes < _WORTH_WRITING_BYTES:
            return b""
        data = self._output[0] if len(self._output) == 1 else b"".join(self._output)
        self._output = []
        self._output_bytes = 0
        self._flush = False
        return data

    def run(self, turn_s: float) -> int:
        """Go on for about `turn_s` seconds; returns why it stopped."""
        if self.state == STARTUP:
            stopped = self._run_startup()
            if stopped != _GO_ON:
                return stopped
        return self._run(perf_counter() + turn_s)

    def cancel(self) -> None:
        """The user cancels: without effect when nothing runs.  Call `run` afterwards unless WAITING."""
        if self._task is None or self.session is None:
            return
        self.session.cancel()
        self.wake()

    def wake(self) -> None:
        """Let a statement that waits for COPY data be stepped without any: it was interrupted."""
        if self._wants_copy_data:
            self._feed(b"")

    def notified(self) -> bool:
        """The session has a notification; it goes out before the next ReadyForQuery, or with `deliver`.

        False: it knew of others already, so that `deliver` was called for or can't help.
        """
        is_news = not self._has_notifications
        self._has_notifications = True
        return is_news

    def deliver(self) -> bool:
        """Tell the client of notifications if nothing is under way; True: there are more, call again soon."""
        if self._task is not None or not self._has_notifications:
            return False
        return self._send_notifications()

    def terminate(self, error: DatabaseError) -> None:
        """End the connection with a FATAL error."""
        if self.state == codes.CLOSED:
            return
        self._host.log_end(error)
        self._send(messages.error_response(error, "FATAL"))
        self.close()

    def close(self) -> None:
        """End the session at once: the task first, so that its own clean-up still finds the session alive."""
        self.state = codes.CLOSED
        self.waiting = None
        self._shapes.clear()
        self._rows_left = []
        task, self._task = self._task, None
        session, self.session = self.session, None
        self._wants_copy_data = False
        try:
            if task is not None:
                task.close()
        except Exception as error:  # noqa: BLE001 - the session must be closed whatever its statement does
            self._host.log_fault(error)
        try:
            if session is not None:
                session.close()
        except Exception as error:  # noqa: BLE001 - nobody is left to tell
            self._host.log_fault(error)

    # --- start-up -----------------------------------------------------------------------------------------

    def _run_startup(self) -> int:
        try:
            while self.state == STARTUP:
                if self._exchange is not None:
                    if not self._frames.next_password_message():
                        return NEED_DATA
                    self._password_message(self._exchange, self._frames.body)
                    continue
                if not self._frames.next_startup_packet():
                    return NEED_DATA
                self._startup_packet(self._frames.body)
                if self._starts_tls:
                    self._starts_tls = False
                    return START_TLS
        except Exception as error:  # noqa: BLE001 - whatever happens, the client gets an error message
            self.terminate(self._as_database_error(error))
        return _GO_ON

    def _startup_packet(self, body: bytes) -> None:
        packet = self._startup.read(body)
        if isinstance(packet, EncryptionRequest):
            self._answer_encryption(packet)
        elif isinstance(packet, CancelRequest):
            self._host.cancel(packet.backend_pid, packet.secret)
            self.close()
        else:
            self._authenticate(packet)

    def _answer_encryption(self, packet: EncryptionRequest) -> None:
        """What came in the clear behind a request for TLS may be anybody's: nobody may slip it in."""
        accepts = packet.is_tls and self._host.offers_tls()
        if accepts and self._frames.buffered_bytes():
            raise ProtocolViolation("received unencrypted data after SSL request")
        self._send(messages.ACCEPT_TLS if accepts else messages.REFUSE_ENCRYPTION)
        self._flush = True
        self._starts_tls = accepts

    def _authenticate(self, request: StartupRequest) -> None:
        if request.minor_version > 0 or request.unknown_options:
            self._send(messages.negotiate_protocol_version(PROTOCOL_3_0, request.unknown_options))
        exchange = self._host.authenticate(request)
        if exchange is None:
            self._welcome(request)
            return
        self._request = request
        self._exchange = exchange
        self._send(messages.authentication_sasl(exchange.mechanisms()))
        self._flush = True

    def _password_message(self, exchange: ScramExchange, body: bytes) -> None:
        answer = exchange.answer(body)
        self._send(messages.authentication_continue(answer, exchange.is_over))
        self._flush = True
        if exchange.is_over:
            request, self._request, self._exchange = self._request, None, None
            assert request is not None
            self._welcome(request)

    def _welcome(self, request: StartupRequest) -> None:
        session = self._host.admit(request)
        self.session = session
        self._send(messages.AUTHENTICATION_OK)
        for name, value in session.reported_settings().items():
            self._send(messages.parameter_status(name, value))
        backend_pid, secret = self._host.key()
        self._send(messages.backend_key_data(backend_pid, secret))
        self.state = READY
        self._ready()

    # --- the loop -----------------------------------------------------------------------------------------

    def _run(self, deadline: float) -> int:
        while self.state != codes.CLOSED:
            if self._task is not None and not self._wants_copy_data:
                stopped = self._step_task(deadline)
                if stopped != _GO_ON:
                    return stopped
            elif self._wants_copy_data and self._take_copy_data():
                continue
            else:
                if not self._next_message():
                    if self._has_notifications and self.deliver():
                        return AGAIN
                    return CLOSED if self.state == codes.CLOSED else NEED_DATA
            if self._output_bytes >= _TURN_OUTPUT_BYTES or perf_counter() >= deadline:
                return AGAIN if self.state != codes.CLOSED else CLOSED
        return CLOSED

    def _next_message(self) -> bool:
        """Take one message; False when none is complete (or the connection is over)."""
        try:
            kind = self._frames.next_frame()
        except ProtocolViolation as error:
            self.terminate(error)
            return False
        if kind == NO_FRAME:
            return False
        action = TRANSITIONS[self.state][kind]
        if action == TAKE:
            session = self.session
            assert session is not None
            try:
                self._handle(session, kind, self._frames.body)
            except Exception as error:  # noqa: BLE001 - XX000 to the client, the traceback to the log
                self._message_failed(session, kind, self._as_database_error(error))
        elif action == VIOLATION:
            self._lost(kind)
        return True

    def _lost(self, kind: int) -> None:
        """A message during COPY that shows that both sides do not mean the same any more."""
        error = ProtocolViolation(f"unexpected message type 0x{kind:02X} during COPY from stdin")
        self._send_error(error)
        self.terminate(ProtocolViolation("terminating connection because protocol synchronization was lost"))

    def _handle(self, session: Session, kind: int, body: bytes) -> None:
        if kind == QUERY:
            self._described = None
            session.close_portal("")  # as the protocol has it: a simple query destroys the unnamed portal
            self._take_answer(session.answer_query(frontend.read_query(body)), _SIMPLE)
        elif kind == BIND:
            self._described = None
            portal, statement, formats, values, result_formats = frontend.read_bind(body)
            session.bind(portal, statement, values, formats, result_formats)
            if len(result_formats) > 1:
                self._check_formats(session, portal)
            self._send(messages.BIND_COMPLETE)
        elif kind == EXECUTE:
            portal, max_rows = frontend.read_execute(body)
            if self._described != portal:
                self._shape = None
            self._described = None
            self._portal = portal
            self._take_answer(session.answer_execute(portal, max_rows), _EXECUTE)
        elif kind == SYNC:
            self._described = None
            self.state = READY
            frontend.check_empty(body)
            self._take_answer(session.answer_sync(), _SYNC)
        elif kind == DESCRIBE:
            self._describe(session, body)
        elif kind == PARSE:
            name, text, parameter_oids = frontend.read_parse(body)
            session.parse(name, text, parameter_oids)
            self._send(messages.PARSE_COMPLETE)
        else:
            self._handle_rare(session, kind, body)

    def _handle_rare(self, session: Session, kind: int, body: bytes) -> None:
        if kind == FLUSH:
            frontend.check_empty(body)
            self._flush = True
        elif kind == CLOSE:
            self._close_object(session, body)
        elif kind == TERMINATE:
            self.close()
        elif kind == COPY_DONE:
            self._end_copy(None)
        elif kind == COPY_FAIL:
            self._end_copy(CopyFailed(frontend.read_query(body)))
        else:
            raise NotSupportedError("the function call protocol is not supported")

    def _check_formats(self, session: Session, portal: str) -> None:
        columns, formats = session.describe_portal(portal)
        column_formats(formats, 0 if columns is None else len(columns))

    def _describe(self, session: Session, body: bytes) -> None:
        is_statement, name = frontend.read_describe(body, "DESCRIBE")
        if is_statement:
            parameter_oids, columns = session.describe_statement(name)
            is_typed = session.io.typed_json
            self._send(
                messages.parameter_description([announced_type(oid, is_typed) for oid in parameter_oids])
            )
            self._send(messages.NO_DATA if columns is None else self._shape_of(columns, ()).description)
            return
        columns, formats = session.describe_portal(name)
        if columns is None:
            self._send(messages.NO_DATA)
            return
        self._shape = self._shape_of(columns, formats)
        self._described = name
        self._send(self._shape.description)

    def _close_object(self, session: Session, body: bytes) -> None:
        is_statement, name = frontend.read_describe(body, "CLOSE")
        self._described = None
        if is_statement:
            session.close_statement(name)
        else:
            session.close_portal(name)
        self._send(messages.CLOSE_COMPLETE)

    # --- failures -----------------------------------------------------------------------------------------

    def _as_database_error(self, error: Exception) -> DatabaseError:
        """What the client is told; logs what is not its fault."""
        if isinstance(error, DatabaseError):
            return error
        self._host.log_fault(error)
        if isinstance(error, RecursionError):
            return StatementTooComplex("stack depth limit exceeded")
        if isinstance(error, MemoryError):
            return OutOfMemory("out of memory")
        return InternalFault(f"internal error ({type(error).__name__}); the server's log has the details")

    def _message_failed(self, session: Session, kind: int, error: DatabaseError) -> None:
        """A message failed before it became a task (whose failures are `_task_failed`)."""
        if self._task is not None:
            self._abandon(error)  # a malformed CopyFail: the COPY it belongs to fails
            return
        if error.ends_session:
            self.terminate(error)
            return
        self._send_error(error)
        if not self._tell_failure(session):
            return
        if kind in EXTENDED:
            self.state = SKIPPING
            return
        self._start_sync(session)

    def _send_error(self, error: DatabaseError) -> None:
        """Errors are written at once: a client that streams COPY data should stop soon."""
        self._send(messages.error_response(error, "ERROR"))
        self._flush = True

    def _tell_failure(self, session: Session) -> bool:
        """`session.fail()`; a session that can't even do that is beyond use."""
        try:
            session.fail()
        except Exception as error:  # noqa: BLE001 - the session is broken
            self.terminate(self._as_database_error(error))
            return False
        return True

    def _start_sync(self, session: Session) -> None:
        try:
            self._take_answer(session.answer_sync(), _SYNC)
        except Exception as error:  # noqa: BLE001 - the session is broken
            self.terminate(self._as_database_error(error))

    # --- tasks --------------------------------------------------------------------------------------------

    def _take_answer(self, answer: Answer, purpose: int) -> None:
        """Send a finished statement's outcome, or begin to step one that is not."""
        if not isinstance(answer, Finished):
            self._start(answer, purpose)
            return
        if len(answer.rows) > _SLICE_ROWS:  # they go out slice by slice, turn by turn
            self._start(_as_steps(answer), purpose)
            return
        if answer.columns is not None:
            self._shape = self._shape_of(answer.columns, ())
            self._send(self._shape.description)
        if answer.rows:
            self._send_rows(answer.rows)
        if answer.tag:
            self._send(messages.command_complete(answer.tag))
        if purpose != _EXECUTE:
            self._ready()

    def _start(self, task: Steps, purpose: int) -> None:
        self._task = task
        self._purpose = purpose
        self._reply = None
        self._rows_left = []
        self._copying_in = False
        self._copying_out = False

    def _step_task(self, deadline: float) -> int:
        """Step the task until it ends (_GO_ON) or must pause."""
        task = self._task
        assert task is not None
        while True:
            try:
                if self._rows_left:
                    self._send_slice()
                else:
                    reply, self._reply = self._reply, None
                    step = task.send(reply)
                    if isinstance(step, Rows):
                        self._send_rows(step.rows)
                    elif isinstance(step, Complete):
                        self._complete(step.tag)
                        continue
                    elif isinstance(step, Wait):
                        if not step.waiting.is_over():
                            self.waiting = step.waiting
                            return WAITING
                    elif not isinstance(step, Pause):
                        self._other_step(step)
                        if self._wants_copy_data:
                            return _GO_ON
            except StopIteration:
                self._task_done()
                return _GO_ON
            except Exception as error:  # noqa: BLE001 - XX000 to the client, the traceback to the log
                self._abandon(error)
                return _GO_ON
            if self._output_bytes >= _TURN_OUTPUT_BYTES or perf_counter() >= deadline:
                return AGAIN

    def _complete(self, tag: str) -> None:
        if self._copying_out:
            self._copying_out = False
            self._send(messages.COPY_DONE)
        self._send(messages.command_complete(tag))

    def _abandon(self, error: Exception) -> None:
        """The task raised, or its output can't be encoded: then it is still alive and learns of it."""
        task = self._task
        assert task is not None
        try:
            task.throw(error)
        except StopIteration:
            pass
        except Exception as raised:  # noqa: BLE001 - usually `error` itself
            error = raised
        task.close()
        self._task_failed(self._as_database_error(error))

    def _other_step(self, step: Step) -> None:
        if isinstance(step, Description):
            self._shape = self._shape_of(step.columns, _BINARY if step.is_binary else ())
            self._send(self._shape.description)
        elif isinstance(step, CopyData):
            self._send_copy_data(step.data)
        elif isinstance(step, CopyIn):
            self._ask_for_copy_data(step)
        elif isinstance(step, Suspended):
            self._send(messages.PORTAL_SUSPENDED)
        elif isinstance(step, EmptyQuery):
            self._send(messages.EMPTY_QUERY_RESPONSE)
        elif isinstance(step, CopyOut):
            self._copying_out = True
            self._send(messages.copy_out_response(step.binary, step.columns))
        elif isinstance(step, Notice):
            self._send(_notice(step))
            self._flush = True
        elif isinstance(step, ParameterStatus):
            self._send(messages.parameter_status(step.name, step.value))
        else:
            raise TypeError(f"a session yielded {type(step).__name__}")

    def _task_done(self) -> None:
        self._task = None
        if self._copying_in:
            self._copying_in = False
            self.state = READY
        if self._purpose != _EXECUTE:
            self._ready()

    def _task_failed(self, error: DatabaseError) -> None:
        session = self.session
        assert session is not None
        self._task = None
        self._wants_copy_data = False
        self._copying_in = False
        if error.ends_session:
            self.terminate(error)
            return
        self.state = READY
        self._send_error(error)
        if self._purpose != _EXECUTE:
            self._ready()
        elif self._tell_failure(session):
            self.state = SKIPPING

    def _ready(self) -> None:
        session = self.session
        assert session is not None
        if self._has_notifications:
            self._send_notifications()
        self._send(messages.READY_FOR_QUERY[session.transaction_status])
        self._flush = True

    def _send_notifications(self) -> bool:
        """Tell the client of some notifications, if it may be told now; whether there are more to tell."""
        session = self.session
        if session is None:
            return False
        found = session.take_notifications(_NOTIFICATIONS_AT_ONCE)
        for each in found:
            self._send(messages.notification_response(each.pid, each.channel, each.payload))
        self._has_notifications = session.has_notifications
        self._flush = self._flush or bool(found)
        return self._has_notifications and bool(found)

    # --- results ------------------------------------------------------------------------------------------

    def _send(self, message: bytes) -> None:
        self._output.append(message)
        self._output_bytes += len(message)

    def _send_rows(self, rows: list[tuple[object, ...]]) -> None:
        """Encode a batch; a big one in slices, so that neither a turn nor its output grows with it."""
        if len(rows) > _SLICE_ROWS:
            self._rows_left = rows[::-1]
            self._send_slice()
            return
        shape = self._shape
        if shape is None:
            shape = self._portal_shape()
        self._send(shape.encoder.encode(rows))

    def _send_slice(self) -> None:
        rows = self._rows_left[: -_SLICE_ROWS - 1 : -1]
        del self._rows_left[-_SLICE_ROWS:]
        self._send_rows(rows)

    def _portal_shape(self) -> ResultShape:
        """The shape of a portal that is executed without having been described."""
        session = self.session
        assert session is not None
        columns, formats = session.describe_portal(self._portal)
        assert columns is not None, "a portal without columns gave rows"
        self._shape = self._shape_of(columns, formats)
        return self._shape

    def _shape_of(self, columns: Sequence[ResultColumn], requested: Sequence[int]) -> ResultShape:
        session = self.session
        assert session is not None
        return self._shapes.get(columns, requested, session.io)

    # --- COPY ---------------------------------------------------------------------------------------------

    def _send_copy_data(self, data: bytes | list[bytes]) -> None:
        """One CopyData per row, as clients read them."""
        if isinstance(data, bytes):
            self._send(messages.copy_data(data))
        else:
            self._send(b"".join([messages.copy_data(row) for row in data]))

    def _ask_for_copy_data(self, step: CopyIn) -> None:
        if not self._copying_in:
            self._copying_in = True
            self.state = COPY_IN
            self._send(messages.copy_in_response(step.binary, step.columns))
            self._flush = True
        self._wants_copy_data = True

    def _take_copy_data(self) -> bool:
        data = self._frames.take_copy_data(_COPY_CHUNK_BYTES)
        if not data:
            return False
        self._feed(data)
        return True

    def _end_copy(self, reply: CopyFailed | None) -> None:
        """CopyDone or CopyFail: the next CopyIn, if any, is another COPY's."""
        self._copying_in = False
        self.state = READY
        self._feed(reply)

    def _feed(self, reply: object) -> None:
        self._reply = reply
        self._wants_copy_data = False


def _notice(step: Notice) -> bytes:
    return messages.notice_response(
        step.severity, step.sqlstate, step.message, step.detail, step.hint, step.fields
    )


def _as_steps(finished: Finished) -> Steps:
    """An outcome as steps, for when it is more than is sent at once."""
    yield from finished.steps()
