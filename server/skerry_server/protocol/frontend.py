"""Bodies of the client's messages, read into Python values.

Each function takes one message's body and returns its fields.  A body that is too short, too long or
malformed raises ProtocolViolation with PostgreSQL's words; text that is not UTF-8 raises
CharacterNotInRepertoire.  Both are ordinary errors: the message was framed properly, so the stream is still
sound.
"""

from __future__ import annotations

from typing import Final

from skerry_engine.errors import CharacterNotInRepertoire, InvalidParameterValue, ProtocolViolation
from skerry_server.protocol.numbers import int16, int32

_NULL_LENGTH: Final = 0xFFFF_FFFF


def decode_text(data: bytes) -> str:
    """UTF-8 to text; raises CharacterNotInRepertoire naming the offending bytes as PostgreSQL does."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _not_utf8(data, error.start) from None


def _not_utf8(data: bytes, start: int) -> CharacterNotInRepertoire:
    sequence = data[start : start + _utf8_length(data[start])]
    shown = " ".join(f"0x{byte:02x}" for byte in sequence)
    return CharacterNotInRepertoire(f'invalid byte sequence for encoding "UTF8": {shown}')


def _utf8_length(first: int) -> int:
    if first & 0xE0 == 0xC0:
        return 2
    if first & 0xF0 == 0xE0:
        return 3
    if first & 0xF8 == 0xF0:
        return 4
    return 1


def _string_end(body: bytes, start: int) -> int:
    if start < len(body) and body[start] == 0:
        return start  # the unnamed statement or portal
    end = body.find(b"\0", start)
    if end < 0:
        raise ProtocolViolation("invalid string in message")
    return end


def _too_short() -> ProtocolViolation:
    return ProtocolViolation("insufficient data left in message")


def _check_end(body: bytes, position: int) -> None:
    if position != len(body):
        raise ProtocolViolation("invalid message format")


def read_query(body: bytes) -> str:
    """Query, CopyFail: one string."""
    end = _string_end(body, 0)
    _check_end(body, end + 1)
    return decode_text(body[:end])


def read_parse(body: bytes) -> tuple[str, str, list[int]]:
    """Parse: statement name, text, parameter type OIDs (0: to be inferred)."""
    name_end = _string_end(body, 0)
    text_end = _string_end(body, name_end + 1)
    try:
        count = int16(body, text_end + 1)
        oids = [int32(body, text_end + 3 + 4 * index) for index in range(count)]
    except IndexError:
        raise _too_short() from None
    _check_end(body, text_end + 3 + 4 * count)
    return decode_text(body[:name_end]), decode_text(body[name_end + 1 : text_end]), oids


def _read_formats(body: bytes, position: int) -> list[int]:
    count = int16(body, position)
    formats = [int16(body, position + 2 + 2 * index) for index in range(count)]
    for code in formats:
        if code > 1:
            signed = code if code < 0x8000 else code - 0x10000
            raise InvalidParameterValue(f"unsupported format code: {signed}")
    return formats


def _read_values(body: bytes, position: int, count: int) -> tuple[list[bytes | None], int]:
    values: list[bytes | None] = []
    for _ in range(count):
        length = int32(body, position)
        position += 4
        if length == _NULL_LENGTH:
            values.append(None)
            continue
        end = position + length
        if end > len(body):
            raise _too_short()
        values.append(body[position:end])
        position = end
    return values, position


def read_bind(body: bytes) -> tuple[str, str, list[int], list[bytes | None], list[int]]:
    """Bind: portal name, statement name, parameter formats, parameter values (None: NULL), result formats.

    Format lists are as sent: empty (all text), one code for all, or one each; 0 is text, 1 binary.
    """
    portal_end = _string_end(body, 0)
    statement_end = _string_end(body, portal_end + 1)
    position = statement_end + 1
    try:
        formats = _read_formats(body, position)
        position += 2 + 2 * len(formats)
        count = int16(body, position)
        values, position = _read_values(body, position + 2, count)
        result_formats = _read_formats(body, position)
    except IndexError:
        raise _too_short() from None
    _check_end(body, position + 2 + 2 * len(result_formats))
    if len(formats) > 1 and len(formats) != count:
        raise ProtocolViolation(f"bind message has {len(formats)} parameter formats but {count} parameters")
    portal = "" if portal_end == 0 else decode_text(body[:portal_end])
    return portal, decode_text(body[portal_end + 1 : statement_end]), formats, values, result_formats


def read_execute(body: bytes) -> tuple[str, int]:
    """Execute: portal name, row limit (0: none)."""
    end = _string_end(body, 0)
    try:
        limit = int32(body, end + 1)
    except IndexError:
        raise _too_short() from None
    _check_end(body, end + 5)
    if limit > 0x7FFF_FFFF:
        limit = 0  # PostgreSQL takes a negative limit for none
    return ("" if end == 0 else decode_text(body[:end])), limit


def read_describe(body: bytes, message: str) -> tuple[bool, str]:
    """Describe, Close: whether a statement (else a portal) is meant, and its name."""
    if not body:
        raise ProtocolViolation("no data left in message")
    kind = body[0]
    end = _string_end(body, 1)
    _check_end(body, end + 1)
    if kind not in (0x53, 0x50):  # S, P
        raise ProtocolViolation(f"invalid {message} message subtype {kind}")
    return kind == 0x53, ("" if end == 1 else decode_text(body[1:end]))


def check_empty(body: bytes) -> None:
    """Flush, Sync: nothing may follow the header."""
    if body:
        raise ProtocolViolation("invalid message format")
