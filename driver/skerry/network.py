"""A database of a server, over pg8000's implementation of the protocol.

pg8000 is used below its own DB-API layer: it frames messages and authenticates; transactions, parameters,
errors and the meaning of values are the same here as embedded.  So parameters carry the type that their
Python value says (strings carry none, the statement decides), rows are tuples,
and errors are the classes of `skerry_engine.errors`.
"""

from __future__ import annotations

import datetime
import json
import selectors
import socket
import struct
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

import pg8000.core
import pg8000.exceptions

from skerry.abc import ColumnInfo, Notification, Outcome
from skerry.graph_json import (
    ANYVALUE_ARRAY_OID,
    JSONB_ARRAY_OID,
    JSONB_OID,
    RECORD_ARRAY_OID,
    RECORD_OID,
    TYPED_JSON,
    is_plain_json,
    is_regular,
    write_value,
)
from skerry.languages import is_gql
from skerry.sqlstates import error_from_fields
from skerry.targets import Target
from skerry.text_values import READERS
from skerry.types import Interval
from skerry_engine import errors

CANCEL_REQUEST_CODE = 80877102
UNSPECIFIED_OID = 0
ARRAY_OIDS = {16: 1000, 20: 1016, 21: 1005, 23: 1007, 25: 1009, 701: 1022, 1082: 1182, 1114: 1115, 1184: 1185}
ARRAY_OIDS |= {1186: 1187, 1700: 1231, 2950: 2951, 3802: 3807, 17: 1001, 1083: 1183, 1266: 1270}
ARRAY_OIDS |= {RECORD_OID: RECORD_ARRAY_OID}
TEXT_OID, INT8_OID, NUMERIC_OID = 25, 20, 1700
TEXT_ARRAY_OID = 1009
_NUMBER_ARRAYS = (1022, 1231, 1016, 1007)  # double precision[], numeric[], bigint[], integer[]: widest first


class _Connection(pg8000.core.CoreConnection):  # type: ignore[misc]
    """pg8000's connection, with command tags kept and no opinion of its own about transactions."""

    tag = ""

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        self.arrived: list[Notification] = []
        super().__init__(*arguments, **keywords)

    def handle_NOTIFICATION_RESPONSE(self, data: bytes, context: Any) -> None:
        (pid,) = struct.unpack_from("!i", data)
        channel, payload = data[4:-1].decode().split("\0", 1)
        self.arrived.append(Notification(channel, payload, pid))

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

    def has_input(self) -> bool:
        """Whether something that the server has sent waits to be read; False also when it has hung up."""
        self._usock.settimeout(0.0)
        try:
            return bool(self._sock.peek(1))
        finally:
            self._usock.settimeout(None)

    def read_message(self) -> None:
        """Handle one message that the server has sent of its own accord; waits for the rest of it."""
        head = self._sock.read(5)
        if len(head) < 5:
            raise ConnectionResetError("the server closed the connection")
        kind, length = struct.unpack("!ci", head)
        self.message_types[kind](self._sock.read(length - 4), pg8000.core.Context(None))

    def handle_COMMAND_COMPLETE(self, data: bytes, context: Any) -> None:
        self.tag = data[:-1].decode()
        last = self.tag.rpartition(" ")[2]
        context.row_count = int(last) if last.isdigit() else -1

    def handle_ERROR_RESPONSE(self, data: bytes, context: Any) -> None:
        super().handle_ERROR_RESPONSE(data, context)
        if _is_fatal(context.error):
            raise context.error  # the server says no more: not even that it is ready

    def handle_ROW_DESCRIPTION(self, data: bytes, context: Any) -> None:
        super().handle_ROW_DESCRIPTION(data, context)
        context.row_count = -1

    def copy_out(self, text: str, stream: _Sink) -> None:
        """Run COPY TO STDOUT, its data going to the stream."""
        context = pg8000.core.Context(text, stream=stream)
        self.send_QUERY(text)
        pg8000.core._flush(self._sock)
        self.handle_messages(context)


class _Sink:
    """Where pg8000 writes COPY's data to; tells what goes wrong there from what the network does."""

    def __init__(self, write: Callable[[bytes], object]) -> None:
        self._write = write
        self.has_failed = False

    def write(self, data: bytes) -> None:
        """Pass it on."""
        try:
            self._write(data)
        except BaseException:
            self.has_failed = True
            raise


class NetworkSource:
    """A server's address, and what to say when connecting."""

    def __init__(self, target: Target, options: dict[str, str], connect_timeout_s: float | None) -> None:
        self._target = target
        self._options = options
        self._connect_timeout_s = connect_timeout_s

    def open_backend(self) -> NetworkBackend:
        """Connect."""
        return NetworkBackend(self._target, self._options, self._connect_timeout_s)

    def close(self) -> None:
        """Nothing is held besides the sessions."""


class NetworkBackend:
    """A connection to a server."""

    def __init__(self, target: Target, options: dict[str, str], connect_timeout_s: float | None) -> None:
        self._target = target
        self.notices: list[str] = []
        self._polling = threading.Lock()
        self._connection: _Connection | None = None
        try:
            self._connection = _Connection(
                target.user,
                host=target.host,
                port=target.port,
                database=target.database,
                password=target.password,
                timeout=connect_timeout_s,
                startup_params={TYPED_JSON[0]: TYPED_JSON[1], **options},
            )
            self._connection._usock.settimeout(None)
        except (pg8000.exceptions.Error, OSError) as problem:
            raise _translate(problem) from None
        for oid, reader in READERS.items():
            self._connection.register_in_adapter(oid, reader)

    def __del__(self) -> None:
        self.close()

    @property
    def transaction_status(self) -> str:
        """'I', 'T' or 'E'."""
        status = None if self._connection is None else self._connection._transaction_status
        return "I" if status is None else bytes(status).decode()

    @property
    def is_open(self) -> bool:
        """Whether the connection was neither closed nor lost."""
        return self._connection is not None

    @property
    def notifications(self) -> list[Notification]:
        """What has arrived, oldest first; the reader may clear the list."""
        connection = self._connection
        if connection is None:
            return []
        try:
            while connection.has_input():
                connection.read_message()
            self._collect_notices()
        except (pg8000.exceptions.Error, OSError, ValueError, struct.error) as problem:
            raise self._failure(problem) from None
        return connection.arrived

    def wait_for_notifications(self, timeout_s: float | None) -> None:
        """Sleep until something arrives, the connection is closed, or the time is up."""
        deadline_s = None if timeout_s is None else time.monotonic() + timeout_s
        while True:
            connection = self._open_connection()
            if self.notifications:
                return
            left_s = None if deadline_s is None else max(0.0, deadline_s - time.monotonic())
            if not self._sleep_until_input(connection, left_s):
                return

    def _sleep_until_input(self, connection: _Connection, timeout_s: float | None) -> bool:
        try:
            is_readable = self._poll(connection, timeout_s)
            if is_readable and not connection.has_input():
                raise ConnectionResetError("the server closed the connection")
        except (OSError, ValueError, AttributeError) as problem:
            self._open_connection()  # unless another thread has closed it
            raise self._failure(problem) from None
        return is_readable

    def _poll(self, connection: _Connection, timeout_s: float | None) -> bool:
        with self._polling, selectors.DefaultSelector() as selector:
            self._open_connection()
            selector.register(connection._usock, selectors.EVENT_READ)
            return bool(selector.select(timeout_s))

    def _open_connection(self) -> _Connection:
        if self._connection is None:
            raise errors.InterfaceError("the connection is closed")
        return self._connection

    def execute(self, text: str, parameters: Sequence[object] | None = None) -> Outcome:
        """Run to the end."""
        connection = self._open_connection()
        connection.tag = ""
        try:
            if parameters is None:
                context = connection.execute_simple(text)
            else:
                oids, values = _typed(text, parameters)
                context = connection.execute_unnamed(text, values, oids)
        except (pg8000.exceptions.Error, OSError, struct.error) as problem:
            raise self._failure(problem, text) from None
        except BaseException:
            self._drop()  # the protocol was left in the middle of a message
            raise
        finally:
            self._collect_notices()
        return _outcome(context, connection.tag)

    def copy_out(self, text: str, write: Callable[[bytes], object]) -> None:
        """Run COPY TO STDOUT.  When `write` fails the connection is given up: the rest would have to be read."""
        connection = self._connection
        if connection is None:
            raise errors.InterfaceError("the connection is closed")
        sink = _Sink(write)
        try:
            connection.copy_out(text, sink)
        except (pg8000.exceptions.Error, OSError, struct.error) as problem:
            if sink.has_failed:
                self._drop()
                raise
            raise self._failure(problem) from None
        except BaseException:
            self._drop()
            raise
        finally:
            self._collect_notices()

    def cancel(self) -> None:
        """Send a CancelRequest on a connection of its own."""
        connection = self._connection
        if connection is None or connection._backend_key_data is None:
            return
        message = struct.pack("!ii", 16, CANCEL_REQUEST_CODE) + bytes(connection._backend_key_data)
        try:
            with socket.create_connection((self._target.host, self._target.port), timeout=10) as request:
                request.sendall(message)
                request.recv(1)
        except OSError as problem:
            raise errors.ConnectionFailure(str(problem)) from None

    def close(self) -> None:
        """Terminate politely; a connection that is gone already is no error."""
        connection, self._connection = getattr(self, "_connection", None), None
        if connection is None:
            return
        try:
            if self._polling.locked():  # a thread waits for notifications: wake it, let it look, then close
                connection._usock.shutdown(socket.SHUT_RD)
            with self._polling:
                connection.close()
        except (pg8000.exceptions.Error, OSError):
            return

    def _failure(self, problem: Exception, text: str = "") -> errors.Error:
        """Our exception for pg8000's, which is kept by a frame that its traceback keeps: that cycle, and this
        session in it, would wait for a garbage collection.  So would one that a frame names which raises it."""
        error = _translate(problem)
        if isinstance(error, errors.SyntaxError) and is_gql(text):
            error.locate(text)
        problem.__traceback__ = None
        if isinstance(error, errors.ConnectionFailure) or _is_fatal(problem):
            self._drop()
        return error

    def _drop(self) -> None:
        self.close()

    def _collect_notices(self) -> None:
        if self._connection is None:
            return
        while self._connection.notices:
            fields = self._connection.notices.popleft()
            severity = fields.get(b"V", fields.get(b"S", b"NOTICE")).decode()
            self.notices.append(f"{severity}:  {fields.get(b'M', b'').decode()}")


def _outcome(context: Any, tag: str) -> Outcome:
    if context.columns is None:
        return Outcome(None, [], tag, context.row_count)
    columns = tuple(
        ColumnInfo(column["name"], column["type_oid"], column["type_modifier"]) for column in context.columns
    )
    return Outcome(columns, [tuple(row) for row in context.rows], tag, context.row_count)


def _fields(problem: Exception) -> dict[str, str]:
    """The server's account of an error; empty when it gave none."""
    if isinstance(problem, pg8000.exceptions.DatabaseError) and problem.args:
        fields = problem.args[0]
        if isinstance(fields, dict):
            return fields
    return {}


def _is_fatal(problem: Exception) -> bool:
    """Whether the server ended the session with this error."""
    return _fields(problem).get("S") in ("FATAL", "PANIC")


def _translate(problem: Exception) -> errors.Error:
    """pg8000's exceptions and the socket's as ours."""
    fields = _fields(problem)
    if fields:
        return error_from_fields(fields)
    return errors.ConnectionFailure(str(problem) or type(problem).__name__)


# --- values out ---------------------------------------------------------------------------------------------


def _typed(text: str, parameters: Sequence[object]) -> tuple[list[int], list[object]]:
    """The types and texts of a statement's parameters."""
    if is_gql(text):
        pairs = [graph_parameter(value) for value in parameters]
        return [oid for oid, _ in pairs], [value for _, value in pairs]
    return [parameter_oid(value) for value in parameters], [_outgoing(value) for value in parameters]


def graph_parameter(value: object) -> tuple[int, object]:
    """The type that a value has in GQL, and what pg8000 makes its text of.  None has no type.

    A str is a string, an int a bigint, a dict a record; a list is an array of its items' one type, else a list of
    anything.  Raises NotSupportedError for objects that no type stands for.
    """
    if isinstance(value, str):
        return TEXT_OID, value
    if isinstance(value, int) and not isinstance(value, bool):
        return (INT8_OID, value) if -(2**63) <= value < 2**63 else (NUMERIC_OID, value)
    if isinstance(value, dict):
        return RECORD_OID, _written(value)
    if isinstance(value, list | tuple):
        return _graph_list(value)
    return parameter_oid(value), _outgoing(value)


def _graph_list(value: Sequence[object]) -> tuple[int, object]:
    found = {graph_parameter(item)[0] for item in value if item is not None}
    if len(found) == 1:
        element = found.pop()
        array = TEXT_ARRAY_OID if element == TEXT_OID else ARRAY_OIDS.get(element)
        if array is not None and element != ANYVALUE_ARRAY_OID:
            return array, [None if item is None else graph_parameter(item)[1] for item in value]
    return ANYVALUE_ARRAY_OID, [_written(item) for item in value]


def parameter_oid(value: object) -> int:
    """The type that a Python value has as a parameter; 0 lets the statement decide.

    Raises NotSupportedError for objects that no type stands for,
    DatatypeMismatch for lists of unlike elements.
    """
    if value is None or isinstance(value, str):
        return UNSPECIFIED_OID
    if isinstance(value, bool):
        return 16
    if isinstance(value, int):
        return _integer_oid(value)
    if isinstance(value, datetime.datetime):
        return 1114 if value.tzinfo is None else 1184
    if isinstance(value, datetime.time):
        return 1083 if value.tzinfo is None else 1266
    if isinstance(value, list | tuple):
        return _array_oid(value)
    for cls, oid in _OIDS:
        if isinstance(value, cls):
            return oid
    if isinstance(value, dict):
        return _dict_oid(value)
    raise errors.NotSupportedError(
        f"Python objects of type {type(value).__name__} are not supported as parameters"
    )


_OIDS: tuple[tuple[type[object], int], ...] = (
    (float, 701),
    (Decimal, 1700),
    (bytes, 17),
    (bytearray, 17),
    (memoryview, 17),
    (datetime.date, 1082),
    (datetime.timedelta, 1186),
    (Interval, 1186),
    (uuid.UUID, 2950),
)


def _dict_oid(value: dict[str, object]) -> int:
    """jsonb where JSON has everything in it, else a record of GQL's."""
    if is_plain_json(value):
        return JSONB_OID
    _written(value)
    return RECORD_OID


def _written(value: object) -> str | None:
    try:
        return write_value(value)
    except TypeError as problem:
        raise errors.NotSupportedError(str(problem)) from None


def _integer_oid(value: int) -> int:
    if -(2**31) <= value < 2**31:
        return 23
    return 20 if -(2**63) <= value < 2**63 else 1700


def _array_oid(value: Sequence[object]) -> int:
    """The array type that holds all elements; of nested lists, that of the innermost.  Lists that no SQL array is like
    (of unlike elements, of lists of different lengths) are lists of GQL's."""
    if not is_regular(value):
        return ANYVALUE_ARRAY_OID
    found = {_array_oid(item) if isinstance(item, list | tuple) else _array_of(item) for item in value}
    found.discard(UNSPECIFIED_OID)
    if not found:
        return UNSPECIFIED_OID
    if len(found) == 1:
        return found.pop()
    for widest in _NUMBER_ARRAYS:
        if widest in found and found <= set(_NUMBER_ARRAYS):
            return widest
    return RECORD_ARRAY_OID if found == {JSONB_ARRAY_OID, RECORD_ARRAY_OID} else ANYVALUE_ARRAY_OID


def _array_of(item: object) -> int:
    if isinstance(item, str):
        return TEXT_ARRAY_OID
    return ARRAY_OIDS.get(parameter_oid(item), UNSPECIFIED_OID)


def _outgoing(value: object) -> object:
    """A parameter in a form whose text pg8000 gets right."""
    if isinstance(value, list | tuple):
        is_json = parameter_oid(value) in (ANYVALUE_ARRAY_OID, RECORD_ARRAY_OID)
        return [_written(item) if is_json else _outgoing(item) for item in value]
    if isinstance(value, Interval):
        return str(value)
    if isinstance(value, dict):
        return json.dumps(value) if is_plain_json(value) else _written(value)
    if isinstance(value, bytearray | memoryview):
        return bytes(value)
    if isinstance(value, datetime.timedelta):
        return f"{value.days} days {value.seconds * 1_000_000 + value.microseconds} microseconds"
    return value
