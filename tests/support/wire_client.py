"""A bare client of the PostgreSQL protocol that hides nothing: rows stay text, errors keep every field.

It speaks the simple query protocol, and of the extended one what sends statements and their parameters, one exchange
at a time, over a blocking socket.  Tests compare two servers with it, so it converts no value and knows no type.
"""

from __future__ import annotations

import contextlib
import socket
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field

from support.postgres_server import Address

TIMEOUT_S = 30.0


@dataclass
class Outcome:
    """What one simple query brought: at most one result here, as tests send one statement at a time."""

    columns: list[tuple[str, int, int]] | None = None
    """Name, type OID and type modifier of each column; None where no rows were announced."""
    rows: list[tuple[str | None, ...]] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)
    error: dict[str, str] | None = None
    """Fields of the ErrorResponse by their one-letter codes (C SQLSTATE, M message, D, H, P ...)."""
    notices: list[dict[str, str]] = field(default_factory=list)
    copied: bytes = b""
    status: str = "I"
    kinds: str = ""
    """The kinds of the messages in order, rows aside."""


def _fields(body: bytes) -> dict[str, str]:
    return {part[:1].decode(): part[1:].decode() for part in body.split(b"\x00") if part}


class WireClient:
    """One connection."""

    def __init__(self, address: Address, database: str | None = None, **options: str) -> None:
        self._address = address
        self._socket = socket.create_connection((address.host, address.port), timeout=TIMEOUT_S)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._input = self._socket.makefile("rb")
        self.parameters: dict[str, str] = {}
        self.notifications: list[tuple[int, str, str]] = []
        """Backend pid, channel and payload of each NotificationResponse so far."""
        self.backend_key: tuple[int, int] = (0, 0)
        self.copy_in: bytes | None = None
        """What to send for COPY FROM STDIN; None has it fail."""
        self._is_synced = False
        settings = {"user": address.user, "database": database or address.database, **options}
        body = struct.pack("!i", 196608)
        body += b"".join(f"{name}\0{value}\0".encode() for name, value in settings.items()) + b"\0"
        self._socket.sendall(struct.pack("!i", len(body) + 4) + body)
        started = self._until_ready()
        if started.error is not None:
            self._input.close()
            self._socket.close()
            raise ConnectionError(f"{started.error['C']}: {started.error['M']}")

    def query(self, text: str) -> Outcome:
        """Send one simple query and wait for all it brings."""
        self._send(b"Q", text.encode() + b"\0")
        return self._until_ready()

    def extended(self, *texts: str) -> Outcome:
        """Send statements by the extended protocol, all before one Sync, and wait for all they bring."""
        for text in texts:
            self._send(b"P", b"\0" + text.encode() + b"\0\0\0")
            self._send(b"B", b"\0\0\0\0\0\0\0\0")
            self._send(b"E", b"\0\0\0\0\0")
        self._send(b"S", b"")
        return self._until_ready()

    def prepare(self, name: str, text: str, parameter_oids: Sequence[int] = ()) -> Outcome:
        """Parse and describe a statement, in place of one that has this name already."""
        if name:
            self._send(b"C", b"S" + name.encode() + b"\0")
        declared = struct.pack(f"!h{len(parameter_oids)}I", len(parameter_oids), *parameter_oids)
        self._send(b"P", name.encode() + b"\0" + text.encode() + b"\0" + declared)
        self._send(b"D", b"S" + name.encode() + b"\0")
        return self._sync()

    def execute(
        self,
        name: str,
        formats: Sequence[int] = (),
        values: Sequence[bytes | None] = (),
        result_formats: Sequence[int] = (),
    ) -> Outcome:
        """Bind values to a prepared statement, describe what comes, and have all of it."""
        body = b"\0" + name.encode() + b"\0" + struct.pack(f"!h{len(formats)}h", len(formats), *formats)
        body += struct.pack("!h", len(values))
        body += b"".join(
            struct.pack("!i", -1) if value is None else struct.pack("!i", len(value)) + value
            for value in values
        )
        body += struct.pack(f"!h{len(result_formats)}h", len(result_formats), *result_formats)
        self._send(b"B", body)
        self._send(b"D", b"P\0")
        self._send(b"E", b"\0\0\0\0\0")
        return self._sync()

    def _sync(self) -> Outcome:
        self._is_synced = True
        try:
            self._send(b"S", b"")
            return self._until_ready()
        finally:
            self._is_synced = False

    def listen(self, timeout_s: float = 5.0) -> bool:
        """Wait for one message that the server sends of its own accord; whether one came."""
        self._socket.settimeout(timeout_s)
        try:
            kind, body = self._read()
        except TimeoutError:
            return False
        finally:
            self._socket.settimeout(TIMEOUT_S)
        self._take(kind, body, Outcome())
        return True

    def cancel(self) -> None:
        """Ask, on a connection of its own, that what runs on this one be cancelled."""
        with socket.create_connection((self._address.host, self._address.port), timeout=TIMEOUT_S) as request:
            request.sendall(struct.pack("!iiii", 16, 80877102, *self.backend_key))
            request.recv(1)

    def close(self) -> None:
        """Terminate politely."""
        with contextlib.suppress(OSError):
            self._send(b"X", b"")
        self._input.close()
        self._socket.close()

    def reset(self) -> None:
        """Vanish: the connection is reset, without Terminate."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def _send(self, kind: bytes, body: bytes) -> None:
        self._socket.sendall(kind + struct.pack("!i", len(body) + 4) + body)

    def _read(self) -> tuple[bytes, bytes]:
        head = self._input.read(5)
        if len(head) < 5:
            raise ConnectionError("the server closed the connection")
        (length,) = struct.unpack("!i", head[1:])
        return head[:1], self._input.read(length - 4)

    def _until_ready(self) -> Outcome:
        outcome = Outcome()
        while True:
            try:
                kind, body = self._read()
            except ConnectionError:
                if outcome.error is not None:
                    return outcome
                raise
            if kind != b"D":
                outcome.kinds += kind.decode()
            if kind == b"Z":
                outcome.status = body.decode()
                return outcome
            self._take(kind, body, outcome)

    def _take(self, kind: bytes, body: bytes, outcome: Outcome) -> None:
        if kind == b"T":
            outcome.columns = self._columns(body)
        elif kind == b"D":
            outcome.rows.append(self._row(body))
        elif kind == b"C":
            outcome.tags.append(body.rstrip(b"\0").decode())
        elif kind == b"E":
            outcome.error = _fields(body)
        elif kind == b"N":
            outcome.notices.append(_fields(body))
        elif kind == b"d":
            outcome.copied += body
        elif kind == b"S":
            name, value, _ = body.split(b"\0")
            self.parameters[name.decode()] = value.decode()
        elif kind == b"A":
            channel, payload = body[4:-1].decode().split("\0")
            self.notifications.append((struct.unpack_from("!i", body)[0], channel, payload))
        elif kind == b"K":
            self.backend_key = struct.unpack("!ii", body)
        elif kind == b"G":
            self._answer_copy()
        elif kind == b"R":
            if struct.unpack("!i", body[:4]) != (0,):
                raise ConnectionError("only trust authentication is known to this client")
        elif kind not in (b"I", b"H", b"c", b"1", b"2", b"3", b"n", b"t"):
            raise ConnectionError(f"unexpected message {kind!r}")

    def _answer_copy(self) -> None:
        if self.copy_in is None:
            self._send(b"f", b"no data here\0")
            return
        if self.copy_in:
            self._send(b"d", self.copy_in)
        self._send(b"c", b"")
        if self._is_synced:
            self._send(b"S", b"")

    @staticmethod
    def _columns(body: bytes) -> list[tuple[str, int, int]]:
        (count,) = struct.unpack_from("!h", body)
        position, columns = 2, []
        for _ in range(count):
            end = body.index(b"\0", position)
            name = body[position:end].decode()
            _table, _number, oid, _size, typmod, _format = struct.unpack_from("!ihihih", body, end + 1)
            columns.append((name, oid, typmod))
            position = end + 19
        return columns

    @staticmethod
    def _row(body: bytes) -> tuple[str | None, ...]:
        (count,) = struct.unpack_from("!h", body)
        position, values = 2, []
        for _ in range(count):
            (length,) = struct.unpack_from("!i", body, position)
            position += 4
            if length < 0:
                values.append(None)
                continue
            values.append(body[position : position + length].decode(errors="backslashreplace"))
            position += length
        return tuple(values)
