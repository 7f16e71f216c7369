"""The client protocol as a state machine: commands in, bytes out; bytes in, events out.  No I/O.

    protocol.startup(user, database, password, settings)          protocol.receive(data) -> [event, ...]
    protocol.query(text)                 \\                              |
    protocol.parse/bind/describe/execute  >── take_output() ──> server ──┘
    protocol.sync(), copy_data(), ...    /

Commands may be given without waiting for the answers to earlier ones: they pile up in the output, and what each is to
be answered with in a queue.  What a server says is checked against the head of that queue.

    asked      parse bind describe execute sync | query
    answers    1     2    T        D D D C  Z   | T D C C Z        after an error all up to the sync is dropped

Invariants
-   However the bytes are cut, `receive` gives the same events (`Rows` of neighbours taken together).
-   `is_idle` is true exactly when everything that was asked has been answered.
-   After a FATAL error, a violation or `receive_end`, `is_closed` is true and nothing more is taken.
-   Authentication needs nobody's help: its answers are in the output once `receive` returns.

What it does not do: timeouts, TLS, cancelling (that takes a connection of its own), deciding what to ask.
"""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from skerry.abc import ColumnInfo, Notification, Row
from skerry.sqlstates import error_from_fields
from skerry.wire import commands, events
from skerry_engine import errors

if TYPE_CHECKING:
    import scramp

ReaderOf = Callable[[int], Callable[[str], object]]
"""Gives the function that makes a value of a type (by OID) from its text."""

# What was asked, and waits for its answer.
QUERY: Final = "query"
PARSE: Final = "parse"
BIND: Final = "bind"
DESCRIBE: Final = "describe"
EXECUTE: Final = "execute"
CLOSE: Final = "close"
SYNC: Final = "sync"
STARTUP: Final = "startup"

_ROWS_OF = (QUERY, EXECUTE)
_ANSWERS: Final[dict[str, tuple[str, ...]]] = {
    "1": (PARSE,),
    "2": (BIND,),
    "3": (CLOSE,),
    "T": (QUERY, DESCRIBE),
    "n": (DESCRIBE,),
    "t": (DESCRIBE,),
    "D": _ROWS_OF,
    "C": _ROWS_OF,
    "I": _ROWS_OF,
    "G": _ROWS_OF,
    "H": _ROWS_OF,
    "d": _ROWS_OF,
    "c": _ROWS_OF,
    "s": (EXECUTE,),
    "Z": (QUERY, SYNC, STARTUP),
    "R": (STARTUP,),
    "K": (STARTUP,),
    "v": (STARTUP,),
}
"""What each answer can be an answer to; what is not here may come at any time."""

_DATA_ROW: Final = ord("D")
_MAX_MESSAGE_BYTES: Final = 0x7FFF_FFFE

_read_int = struct.Struct("!i").unpack_from
_read_count = struct.Struct("!H").unpack_from
_read_column = struct.Struct("!ihihih").unpack_from

# How a password is asked for.
_AUTHENTICATED: Final = 0
_CLEARTEXT: Final = 3
_SASL: Final = 10
_SASL_CONTINUE: Final = 11
_SASL_FINAL: Final = 12


class ClientProtocol:
    """One connection's conversation, from the client's side.

    `channel`: the TLS connection under it, if there is one, for SCRAM's channel binding.
    """

    def __init__(self, reader_of: ReaderOf | None = None, channel: object = None) -> None:
        self.transaction_status: str = "I"
        self.settings: dict[str, str] = {}
        """What the server reports: server_version, TimeZone, client_encoding ..."""
        self.backend_key: bytes = b""
        """Names the session to whoever cancels: its number, and a secret."""
        self.is_closed: bool = False
        self._reader_of = reader_of
        self._channel = channel
        self._output: list[bytes] = []
        self._asked: deque[str] = deque()
        self._unsent: int = 0
        self._chunks: list[bytes] = []
        self._buffered: int = 0
        self._needed: int = 5
        self._readers: list[Callable[[str], object]] = []
        self._encoding: str = "utf-8"
        self._user: str = ""
        self._password: str | None = None
        self._scram: scramp.ScramClient | None = None

    # --- what is known ----------------------------------

    @property
    def is_idle(self) -> bool:
        """Whether everything that was asked has been answered."""
        return not self._asked

    @property
    def backend_pid(self) -> int:
        """The session's number; 0 where the server told none."""
        return int(_read_int(self.backend_key)[0]) if self.backend_key else 0

    def take_output(self) -> bytes:
        """What is to be sent, once."""
        output = b"".join(self._output)
        self._output.clear()
        self._unsent = 0
        return output

    def unsay(self) -> None:
        """Take back the commands that `take_output` has not given out yet."""
        self._output.clear()
        for _ in range(self._unsent):
            self._asked.pop()
        self._unsent = 0

    # --- commands ---------------------------------------

    def startup(self, user: str, database: str, password: str | None, settings: Mapping[str, str]) -> None:
        """Begin the conversation; a password that is asked for is given."""
        self._user, self._password = user, password
        self._say(commands.startup({"user": user, "database": database, **settings}), STARTUP)

    def adopt(self, settings: Mapping[str, str], backend_key: bytes) -> None:
        """Take over a conversation that somebody else has begun, at its first ReadyForQuery."""
        self.backend_key = backend_key
        for name, value in settings.items():
            self._set(name, value)

    def query(self, text: str) -> None:
        """Run one or several statements without parameters; a sync is part of it."""
        self._say(commands.query(self._encoded(text)), QUERY)

    def parse(self, name: str, text: str, oids: Sequence[int] = ()) -> None:
        """Prepare a statement."""
        self._say(commands.parse(name.encode(), self._encoded(text), oids), PARSE)

    def bind(self, portal: str, statement: str, values: Sequence[str | None]) -> None:
        """Make a portal of a statement and its parameters' texts."""
        encoded = [None if value is None else value.encode(self._encoding) for value in values]
        self._say(commands.bind(portal.encode(), statement.encode(), encoded), BIND)

    def describe_portal(self, portal: str) -> None:
        """Ask for a portal's columns."""
        self._say(commands.describe_portal(portal.encode()), DESCRIBE)

    def describe_statement(self, name: str) -> None:
        """Ask for a statement's parameters and columns."""
        self._say(commands.describe_statement(name.encode()), DESCRIBE)

    def execute(self, portal: str, max_rows: int = 0) -> None:
        """Run a portal, for at most so many rows (0: all)."""
        self._say(commands.execute(portal.encode(), max_rows), EXECUTE)

    def close_portal(self, portal: str) -> None:
        """Let go of a portal."""
        self._say(commands.close_portal(portal.encode()), CLOSE)

    def close_statement(self, name: str) -> None:
        """Let go of a prepared statement."""
        self._say(commands.close_statement(name.encode()), CLOSE)

    def sync(self) -> None:
        """End a sequence of extended commands: outside a block what they did is committed."""
        self._say(commands.SYNC, SYNC)

    def flush(self) -> None:
        """Have the server send what it has."""
        self._say(commands.FLUSH)

    def copy_data(self, data: bytes) -> None:
        """A piece of what COPY FROM STDIN reads."""
        self._say(commands.copy_data(data))

    def copy_done(self) -> None:
        """That was all."""
        self._say(commands.COPY_DONE)

    def copy_fail(self, reason: str) -> None:
        """Give COPY FROM STDIN up."""
        self._say(commands.copy_fail(self._encoded(reason)))

    def terminate(self) -> None:
        """Say goodbye; nothing comes after it."""
        self._say(commands.TERMINATE)
        self.is_closed = True

    def _say(self, message: bytes, asks: str | None = None) -> None:
        if self.is_closed:
            raise errors.InterfaceError("the connection is closed")
        self._output.append(message)
        if asks is not None:
            self._asked.append(asks)
            self._unsent += 1

    def _encoded(self, text: str) -> bytes:
        if "\0" in text:
            raise errors.DataError("a text sent to the server can't contain NUL characters")
        return text.encode(self._encoding)

    # --- answers ----------------------------------------

    def receive(self, data: bytes) -> list[events.Event]:
        """Take what the server has sent; the events that are complete by now.

        Raises ProtocolViolation for what no server says here: the conversation is over then.
        """
        self._chunks.append(data)
        self._buffered += len(data)
        if self._buffered < self._needed:
            return []
        whole = self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)
        found: list[events.Event] = []
        place = self._read_messages(whole, found)
        rest = whole[place:]
        self._chunks = [rest] if rest else []
        self._buffered = len(rest)
        return found

    def receive_end(self) -> None:
        """The server has hung up: nothing more comes.  Raises ConnectionFailure unless that was to be expected."""
        was_closed, self.is_closed = self.is_closed, True
        if not was_closed:
            raise errors.ConnectionFailure("the server closed the connection unexpectedly")

    def _read_messages(self, data: bytes, found: list[events.Event]) -> int:
        """Read all complete messages; returns where the first incomplete one begins."""
        place, end = 0, len(data)
        rows: list[Row] = []
        while not self.is_closed:
            self._needed = 5
            if end - place < 5:
                break
            length = _read_int(data, place + 1)[0]
            if length < 4 or length > _MAX_MESSAGE_BYTES:
                raise self._violation(f"a message of {length} bytes")
            after = place + 1 + length
            if after > end:
                self._needed = 1 + length
                break
            if data[place] == _DATA_ROW:
                self._check(_DATA_ROW)
                rows.append(self._row(data, place + 5, after))
            else:
                if rows:
                    found.append(events.Rows(rows))
                    rows = []
                self._read_message(data[place], data[place + 5 : after], found)
            place = after
        if rows:
            found.append(events.Rows(rows))
        return place

    def _check(self, kind: int) -> None:
        allowed = _ANSWERS.get(chr(kind))
        if allowed is not None and (not self._asked or self._asked[0] not in allowed):
            asked = self._asked[0] if self._asked else "nothing"
            raise self._violation(f"message {chr(kind)!r} in answer to {asked}")

    def _violation(self, what: str) -> errors.ProtocolViolation:
        self.is_closed = True
        return errors.ProtocolViolation(f"the server does not keep to the protocol: {what}")

    def _read_message(self, kind: int, body: bytes, found: list[events.Event]) -> None:
        self._check(kind)
        handler = _HANDLERS.get(chr(kind))
        if handler is None:
            raise self._violation(f"unknown message {chr(kind)!r}")
        try:
            event = handler(self, body)
        except (struct.error, ValueError, IndexError) as problem:
            raise self._violation(f"malformed message {chr(kind)!r}: {problem}") from None
        if event is not None:
            found.append(event)

    def _row(self, data: bytes, place: int, end: int) -> Row:
        """A row's values."""
        encoding = self._encoding
        values: list[object] = []
        try:
            if _read_count(data, place)[0] != len(self._readers):
                raise ValueError("a row as wide as no description says")
            place += 2
            for reader in self._readers:
                length = _read_int(data, place)[0]
                place += 4
                if length < 0:
                    values.append(None)
                    continue
                after = place + length
                if after > end:
                    raise ValueError("a value that goes beyond its row")
                text = str(data[place:after], encoding)
                values.append(text if reader is str else reader(text))
                place = after
        except (struct.error, ValueError, ArithmeticError, LookupError) as problem:
            raise self._violation(f"malformed row: {problem}") from None
        return tuple(values)

    # --- one answer each --------------------------------

    def _acknowledged(self, _body: bytes) -> events.Event:
        return events.Acknowledged(self._asked.popleft())

    def _row_description(self, body: bytes) -> events.Event:
        (count,) = _read_count(body)
        place = 2
        columns = []
        for _ in range(count):
            end = body.index(b"\0", place)
            name = str(body[place:end], self._encoding)
            _, _, oid, _, modifier, _ = _read_column(body, end + 1)
            columns.append(ColumnInfo(name, oid & 0xFFFFFFFF, modifier))
            place = end + 1 + 18
        self.expect_rows(columns)
        return self._described(tuple(columns))

    def expect_rows(self, columns: Sequence[ColumnInfo]) -> None:
        """Rows that come next have these columns: those of a portal that was described earlier."""
        reader_of = self._reader_of
        self._readers = [str if reader_of is None else reader_of(column.type_oid) for column in columns]

    def _no_data(self, _body: bytes) -> events.Event:
        self._readers = []
        return self._described(None)

    def _described(self, columns: tuple[ColumnInfo, ...] | None) -> events.Event:
        if self._asked[0] == DESCRIBE:
            self._asked.popleft()
        return events.Described(columns)

    def _parameter_description(self, body: bytes) -> events.Event:
        (count,) = _read_count(body)
        return events.ParametersDescribed(struct.unpack_from(f"!{count}I", body, 2))

    def _complete(self, body: bytes) -> events.Event:
        if self._asked[0] == EXECUTE:
            self._asked.popleft()
        return events.Completed(body[:-1].decode())

    def _empty(self, _body: bytes) -> events.Event:
        return self._complete(b"\0")

    def _suspended(self, _body: bytes) -> events.Event:
        self._asked.popleft()
        return events.Suspended()

    def _ready(self, body: bytes) -> events.Event:
        status = body.decode()
        if status not in ("I", "T", "E"):
            raise ValueError(f"transaction status {status!r}")
        self.transaction_status = status
        self._asked.popleft()
        return events.Ready(status, not self._asked)

    def _error(self, body: bytes) -> events.Event:
        fields = self._fields(body)
        is_fatal = fields.get("V", fields.get("S", "")) in ("FATAL", "PANIC")
        if is_fatal or (self._asked and self._asked[0] == STARTUP):
            self.is_closed = True
            is_answer = bool(self._asked)
            self._asked.clear()
            return events.Failed(error_from_fields(fields), True, is_answer)
        if not self._asked:
            raise self._violation("an error in answer to nothing")
        if self._asked[0] != QUERY:
            while self._asked and self._asked[0] != SYNC:
                self._asked.popleft()
        return events.Failed(error_from_fields(fields), False)

    def _notice(self, body: bytes) -> events.Event:
        return events.Noticed(self._fields(body))

    def _fields(self, body: bytes) -> dict[str, str]:
        parts = [part for part in body.split(b"\0") if part]
        return {chr(part[0]): str(part[1:], self._encoding, "replace") for part in parts}

    def _notification(self, body: bytes) -> events.Event:
        (pid,) = _read_int(body)
        channel, payload = str(body[4:-1], self._encoding).split("\0", 1)
        return events.Notified(Notification(channel, payload, pid))

    def _setting(self, body: bytes) -> events.Event:
        name, value = str(body[:-1], self._encoding).split("\0", 1)
        self._set(name, value)
        return events.SettingChanged(name, value)

    def _set(self, name: str, value: str) -> None:
        self.settings[name] = value
        if name == "client_encoding":
            self._encoding = _python_encoding(value)

    def _key(self, body: bytes) -> None:
        self.backend_key = body

    def _negotiation(self, _body: bytes) -> None:
        """The server speaks an older minor version of the protocol: so do we."""

    def _copy_in(self, body: bytes) -> events.Event:
        return events.CopyInBegun(body[0] == 1)

    def _copy_out(self, body: bytes) -> events.Event:
        return events.CopyOutBegun(body[0] == 1)

    def _copy_data(self, body: bytes) -> events.Event:
        return events.CopyOutData(body)

    def _copy_end(self, _body: bytes) -> events.Event:
        return events.CopyOutEnded()

    # --- who we are -------------------------------------

    def _authentication(self, body: bytes) -> None:
        (method,) = _read_int(body)
        if method == _AUTHENTICATED:
            return
        if method == _CLEARTEXT:
            self._output.append(commands.password(self._given_password().encode() + b"\0"))
        elif method == _SASL:
            self._begin_scram([each.decode() for each in body[4:].split(b"\0") if each])
        elif method == _SASL_CONTINUE:
            scram = self._begun_scram()
            self._scrammed(scram.set_server_first, body[4:].decode())
            self._output.append(commands.password(scram.get_client_final().encode()))
        elif method == _SASL_FINAL:
            self._scrammed(self._begun_scram().set_server_final, body[4:].decode())
        else:
            self.is_closed = True
            raise errors.NotSupportedError(f"authentication method {method} is not supported")

    def _given_password(self) -> str:
        if self._password is None:
            self.is_closed = True
            raise errors.InvalidAuthorization("the server asks for a password, and none was given")
        return self._password

    def _begin_scram(self, mechanisms: list[str]) -> None:
        import scramp

        channel = None if self._channel is None else ("tls-server-end-point", self._channel)
        password = self._given_password()
        if channel is None:
            mechanisms = [each for each in mechanisms if not each.endswith("-PLUS")]
        try:
            scram = scramp.ScramClient(mechanisms, self._user, password, channel_binding=channel)
        except scramp.ScramException as problem:
            self.is_closed = True
            raise errors.NotSupportedError(f"no common way to authenticate: {problem}") from None
        self._scram = scram
        first = scram.get_client_first().encode()
        head = scram.mechanism_name.encode() + b"\0" + struct.pack("!i", len(first))
        self._output.append(commands.password(head + first))

    def _begun_scram(self) -> Any:
        if self._scram is None:
            raise self._violation("SCRAM goes on that was never begun")
        return self._scram

    def _scrammed(self, take: Callable[[str], object], said: str) -> None:
        """Take the server's part of SCRAM; one that does not know the password is not to be trusted."""
        import scramp

        try:
            take(said)
        except scramp.ScramException as problem:
            self.is_closed = True
            raise errors.InvalidAuthorization(
                f"the server can't prove that it knows the password: {problem}"
            ) from None


_HANDLERS: Final[dict[str, Callable[[ClientProtocol, bytes], events.Event | None]]] = {
    "1": ClientProtocol._acknowledged,
    "2": ClientProtocol._acknowledged,
    "3": ClientProtocol._acknowledged,
    "T": ClientProtocol._row_description,
    "n": ClientProtocol._no_data,
    "t": ClientProtocol._parameter_description,
    "C": ClientProtocol._complete,
    "I": ClientProtocol._empty,
    "s": ClientProtocol._suspended,
    "Z": ClientProtocol._ready,
    "E": ClientProtocol._error,
    "N": ClientProtocol._notice,
    "A": ClientProtocol._notification,
    "S": ClientProtocol._setting,
    "K": ClientProtocol._key,
    "v": ClientProtocol._negotiation,
    "R": ClientProtocol._authentication,
    "G": ClientProtocol._copy_in,
    "H": ClientProtocol._copy_out,
    "d": ClientProtocol._copy_data,
    "c": ClientProtocol._copy_end,
}

_ENCODINGS: Final = {"utf8": "utf-8", "unicode": "utf-8", "sqlascii": "ascii", "sql_ascii": "ascii"}


def _python_encoding(name: str) -> str:
    """PostgreSQL's name of an encoding as Python has it."""
    lowered = name.lower()
    if lowered.startswith("win") and lowered[3:].isdigit():
        return f"cp{lowered[3:]}"
    return _ENCODINGS.get(lowered, lowered)
