"""The messages that a client sends, as bytes."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from typing import Final

PROTOCOL_3_0: Final = 196608
SSL_REQUEST: Final = struct.pack("!ii", 8, 80877103)
CANCEL_REQUEST_CODE: Final = 80877102

SYNC: Final = b"S\x00\x00\x00\x04"
FLUSH: Final = b"H\x00\x00\x00\x04"
TERMINATE: Final = b"X\x00\x00\x00\x04"
COPY_DONE: Final = b"c\x00\x00\x00\x04"

_pack_length = struct.Struct("!i").pack
_pack_head = struct.Struct("!ci").pack
_pack_count = struct.Struct("!H").pack

_NULL: Final = b"\xff\xff\xff\xff"


def message(kind: bytes, body: bytes) -> bytes:
    """A message of a kind: its letter, its length, its body."""
    return _pack_head(kind, len(body) + 4) + body


def startup(parameters: Mapping[str, str]) -> bytes:
    """The first message of a connection: user, database and settings."""
    pairs = b"".join(name.encode() + b"\0" + value.encode() + b"\0" for name, value in parameters.items())
    body = _pack_length(PROTOCOL_3_0) + pairs + b"\0"
    return _pack_length(len(body) + 4) + body


def cancel(backend_key: bytes) -> bytes:
    """All that is said on a connection of its own to cancel what another one does."""
    return _pack_length(8 + len(backend_key)) + _pack_length(CANCEL_REQUEST_CODE) + backend_key


def query(text: bytes) -> bytes:
    """Query: one or several statements without parameters."""
    return message(b"Q", text + b"\0")


def parse(name: bytes, text: bytes, oids: Sequence[int]) -> bytes:
    """Parse: a statement under a name, its parameters' types (0: the statement decides)."""
    body = [name, b"\0", text, b"\0", _pack_count(len(oids)), *[_pack_length(oid) for oid in oids]]
    return message(b"P", b"".join(body))


def bind(portal: bytes, statement: bytes, values: Sequence[bytes | None]) -> bytes:
    """Bind: values in text form to a statement; its results in text form, too."""
    body = [portal, b"\0", statement, b"\0\0\0", _pack_count(len(values))]
    for value in values:
        if value is None:
            body.append(_NULL)
        else:
            body.append(_pack_length(len(value)))
            body.append(value)
    body.append(b"\0\0")
    return message(b"B", b"".join(body))


def describe_portal(portal: bytes) -> bytes:
    """Describe a portal: its columns are told."""
    return message(b"D", b"P" + portal + b"\0")


def describe_statement(name: bytes) -> bytes:
    """Describe a statement: its parameters' types and its columns are told."""
    return message(b"D", b"S" + name + b"\0")


def execute(portal: bytes, max_rows: int) -> bytes:
    """Execute a portal, for at most so many rows (0: all)."""
    return message(b"E", portal + b"\0" + _pack_length(max_rows))


def close_portal(portal: bytes) -> bytes:
    """Close a portal."""
    return message(b"C", b"P" + portal + b"\0")


def close_statement(name: bytes) -> bytes:
    """Close a prepared statement."""
    return message(b"C", b"S" + name + b"\0")


def copy_data(data: bytes) -> bytes:
    """CopyData: a piece of what COPY FROM STDIN reads; pieces may be cut anywhere."""
    return message(b"d", data)


def copy_fail(reason: bytes) -> bytes:
    """CopyFail: COPY FROM STDIN is given up."""
    return message(b"f", reason + b"\0")


def password(body: bytes) -> bytes:
    """PasswordMessage, SASLInitialResponse or SASLResponse."""
    return message(b"p", body)
