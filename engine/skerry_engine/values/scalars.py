"""Small scalar types: boolean, bytea, uuid."""

from __future__ import annotations

import re

from skerry_engine.errors import (
    InvalidBinaryRepresentation,
    InvalidParameterValue,
    InvalidTextRepresentation,
)

# --- boolean ------------------------------------------------------------------------------------------------

_BOOLEANS: dict[str, bool] = {
    spelling[:length]: meaning
    for spelling, shortest, meaning in (
        ("true", 1, True),
        ("false", 1, False),
        ("yes", 1, True),
        ("no", 1, False),
        ("on", 2, True),
        ("off", 2, False),
        ("1", 1, True),
        ("0", 1, False),
    )
    for length in range(shortest, len(spelling) + 1)
}


def find_boolean(text: str) -> bool | None:
    """The boolean that `text` spells (also abbreviated), None if none."""
    return _BOOLEANS.get(text.strip(" \t\n\v\f\r").lower())


def read_boolean(text: str) -> bool:
    """boolean from text.  Raises InvalidTextRepresentation."""
    value = find_boolean(text)
    if value is None:
        raise InvalidTextRepresentation(f'invalid input syntax for type boolean: "{text}"')
    return value


def write_boolean(value: bool) -> str:
    """boolean to text: t or f."""
    return "t" if value else "f"


def pack_boolean(value: bool) -> bytes:
    """boolean in binary form."""
    return b"\x01" if value else b"\x00"


def unpack_boolean(data: bytes) -> bool:
    """boolean from binary form.  Raises InvalidBinaryRepresentation."""
    if len(data) != 1:
        raise InvalidBinaryRepresentation("incorrect binary data format")
    return data != b"\x00"


# --- bytea --------------------------------------------------------------------------------------------------

_ESCAPE = re.compile(r"\\(\\|[0-3][0-7][0-7])|\\", re.ASCII)
_HEX_DIGITS = frozenset("0123456789abcdefABCDEF")


def read_bytea(text: str) -> bytes:
    r"""bytea from text, in hex (`\x...`) or escape form.

    Raises InvalidParameterValue for malformed hex, InvalidTextRepresentation for a malformed escape.
    """
    if text.startswith("\\x"):
        return decode_hex(text[2:])
    return decode_escape(text)


def decode_hex(text: str) -> bytes:
    """Bytes from hex digits, blanks between bytes allowed.  Raises InvalidParameterValue."""
    try:
        return bytes.fromhex(text)
    except ValueError:
        pass
    digits = "".join(text.split())
    for digit in digits:
        if digit not in _HEX_DIGITS:
            raise InvalidParameterValue(f'invalid hexadecimal digit: "{digit}"')
    raise InvalidParameterValue("invalid hexadecimal data: odd number of digits")


def decode_escape(text: str) -> bytes:
    """Bytes from bytea's escape form.  Raises InvalidTextRepresentation."""
    if "\\" not in text:
        return text.encode()
    parts: list[bytes] = []
    start = 0
    for match in _ESCAPE.finditer(text):
        parts.append(text[start : match.start()].encode())
        escaped = match.group(1)
        if escaped is None:
            raise InvalidTextRepresentation("invalid input syntax for type bytea")
        parts.append(b"\\" if escaped == "\\" else bytes((int(escaped, 8),)))
        start = match.end()
    parts.append(text[start:].encode())
    return b"".join(parts)


def write_bytea_hex(value: bytes) -> str:
    """bytea to text in hex form."""
    return "\\x" + value.hex()


_ESCAPED_BYTES = [
    "\\\\" if byte == 0x5C else chr(byte) if 0x20 <= byte <= 0x7E else f"\\{byte:03o}" for byte in range(256)
]


def write_bytea_escape(value: bytes) -> str:
    """bytea to text in escape form."""
    return "".join([_ESCAPED_BYTES[byte] for byte in value])


# --- uuid ---------------------------------------------------------------------------------------------------

_UUID = re.compile(r"\{?[0-9a-fA-F]{4}(?:-?[0-9a-fA-F]{4}){7}\}?", re.ASCII)


def read_uuid(text: str) -> bytes:
    """uuid from text: 32 hex digits, hyphens after any group of four, perhaps in braces.

    Raises InvalidTextRepresentation.
    """
    if _UUID.fullmatch(text) is None or text.startswith("{") != text.endswith("}"):
        raise InvalidTextRepresentation(f'invalid input syntax for type uuid: "{text}"')
    return bytes.fromhex(text.strip("{}").replace("-", ""))


def write_uuid(value: bytes) -> str:
    """uuid to text, in the standard grouping."""
    text = value.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def unpack_uuid(data: bytes) -> bytes:
    """uuid from binary form.  Raises InvalidBinaryRepresentation."""
    if len(data) != 16:
        raise InvalidBinaryRepresentation("incorrect binary data format")
    return data
