"""The server's messages, as bytes.

Messages without fields are constants.  The rest are small pure functions from values to one message.  DataRow
is in `rows`, because it is made in bulk.
"""

from __future__ import annotations

from struct import Struct
from typing import Final

from skerry_engine.errors import DatabaseError, gqlstatus_of

AUTHENTICATION_OK: Final = b"R\0\0\0\x08\0\0\0\0"
_SASL: Final = 10
_SASL_CONTINUE: Final = 11
_SASL_FINAL: Final = 12
PARSE_COMPLETE: Final = b"1\0\0\0\x04"
BIND_COMPLETE: Final = b"2\0\0\0\x04"
CLOSE_COMPLETE: Final = b"3\0\0\0\x04"
NO_DATA: Final = b"n\0\0\0\x04"
PORTAL_SUSPENDED: Final = b"s\0\0\0\x04"
EMPTY_QUERY_RESPONSE: Final = b"I\0\0\0\x04"
COPY_DONE: Final = b"c\0\0\0\x04"
REFUSE_ENCRYPTION: Final = b"N"
ACCEPT_TLS: Final = b"S"

READY_FOR_QUERY: Final[dict[str, bytes]] = {
    "I": b"Z\0\0\0\x05I",
    "T": b"Z\0\0\0\x05T",
    "E": b"Z\0\0\0\x05E",
}

_HEAD: Final = Struct(">cI").pack
_INT16: Final = Struct(">H").pack
_INT32: Final = Struct(">I").pack
_KEY_DATA: Final = Struct(">cIiI").pack
_COPY_RESPONSE: Final = Struct(">cIBH").pack
_COLUMN: Final = Struct(">IhIhih").pack

_COMMAND_TAGS_KEPT: Final = 1024
_command_complete: Final[dict[str, bytes]] = {}


def _message(kind: bytes, body: bytes) -> bytes:
    return _HEAD(kind, len(body) + 4) + body


def command_complete(tag: str) -> bytes:
    """CommandComplete; the common tags are made once."""
    message = _command_complete.get(tag)
    if message is None:
        message = _message(b"C", tag.encode() + b"\0")
        if len(_command_complete) < _COMMAND_TAGS_KEPT:
            _command_complete[tag] = message
    return message


def _text(value: str) -> bytes:
    """A field that is a C string: what can't be in one is replaced, since errors must be reportable."""
    return value.encode("utf-8", "replace").replace(b"\0", b"\xef\xbf\xbd") + b"\0"


def authentication_sasl(mechanisms: list[str]) -> bytes:
    """AuthenticationSASL: how the client may prove who it is."""
    return _message(b"R", _INT32(_SASL) + b"".join([_text(name) for name in mechanisms]) + b"\0")


def authentication_continue(data: bytes, is_final: bool) -> bytes:
    """AuthenticationSASLContinue, AuthenticationSASLFinal: the mechanism's own message."""
    return _message(b"R", _INT32(_SASL_FINAL if is_final else _SASL_CONTINUE) + data)


def parameter_status(name: str, value: str) -> bytes:
    """ParameterStatus: a reported setting has this value."""
    return _message(b"S", _text(name) + _text(value))


def backend_key_data(backend_pid: int, secret: int) -> bytes:
    """BackendKeyData: what a CancelRequest has to show.  `secret` is an unsigned 32-bit number."""
    return _KEY_DATA(b"K", 12, backend_pid, secret)


def negotiate_protocol_version(version: int, unknown_options: list[str]) -> bytes:
    """NegotiateProtocolVersion: the newest version (major and minor, as PostgreSQL sends it), and the `_pq_`
    options that are not known here.
    """
    names = b"".join([_text(name) for name in unknown_options])
    return _message(b"v", _INT32(version) + _INT32(len(unknown_options)) + names)


def parameter_description(oids: list[int]) -> bytes:
    """ParameterDescription: the types of a statement's parameters."""
    return _message(b"t", _INT16(len(oids)) + b"".join([_INT32(oid) for oid in oids]))


def row_description_field(
    name: str, table_oid: int, attribute: int, type_oid: int, type_length: int, typmod: int, code: int
) -> bytes:
    """One column of a RowDescription; `type_length` in bytes, negative: varying; `code` 0 text, 1 binary."""
    return _text(name) + _COLUMN(table_oid, attribute, type_oid, type_length, typmod, code)


def row_description(fields: list[bytes]) -> bytes:
    """RowDescription, from its fields."""
    return _message(b"T", _INT16(len(fields)) + b"".join(fields))


def copy_in_response(binary: bool, columns: int) -> bytes:
    """CopyInResponse."""
    return _copy_response(b"G", binary, columns)


def copy_out_response(binary: bool, columns: int) -> bytes:
    """CopyOutResponse."""
    return _copy_response(b"H", binary, columns)


def _copy_response(kind: bytes, binary: bool, columns: int) -> bytes:
    code = 1 if binary else 0
    return _COPY_RESPONSE(kind, 7 + 2 * columns, code, columns) + _INT16(code) * columns


def copy_data(data: bytes) -> bytes:
    """CopyData: one row of COPY TO STDOUT, as clients expect it."""
    return _HEAD(b"d", len(data) + 4) + data


def notification_response(backend_pid: int, channel: str, payload: str) -> bytes:
    """NotificationResponse."""
    return _message(b"A", _INT32(backend_pid) + _text(channel) + _text(payload))


def notice_response(
    severity: str, sqlstate: str, message: str, detail: str | None, hint: str | None, fields: dict[str, str]
) -> bytes:
    """NoticeResponse; `fields` are further ones by their one-letter code."""
    parts = [
        _field("S", severity),
        _field("V", severity),
        _field("C", sqlstate),
        _field("M", message),
        _field("D", detail),
        _field("H", hint),
    ]
    parts.extend(_field(code, value) for code, value in fields.items())
    return _message(b"N", b"".join(parts) + b"\0")


def error_response(error: DatabaseError, severity: str) -> bytes:
    """ErrorResponse; `severity` is ERROR (the session lives on) or FATAL (the connection closes).

    The Skerry code (T001 ...) travels in field R, where PostgreSQL has the name of a C function; a GQLSTATUS that does
    not follow from the SQLSTATE in a field of our own, G, as clients pass over fields that they do not know.
    """
    position = error.position
    gqlstatus = error.gqlstatus if error.gqlstatus != gqlstatus_of(error.sqlstate) else None
    parts = [
        _field("S", severity),
        _field("V", severity),
        _field("C", error.sqlstate),
        _field("M", error.message),
        _field("D", error.detail),
        _field("H", error.hint),
        _field("P", None if position is None else str(position)),
        _field("W", error.context),
        _field("s", error.schema),
        _field("t", error.table),
        _field("c", error.column),
        _field("d", error.datatype),
        _field("n", error.constraint),
        _field("R", error.code or error.routine),
        _field("G", gqlstatus),
    ]
    return _message(b"E", b"".join(parts) + b"\0")


def _field(code: str, value: str | None) -> bytes:
    return b"" if value is None else code.encode() + _text(value)
