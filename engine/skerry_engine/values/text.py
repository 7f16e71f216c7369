"""Character types: text, varchar, bpchar, name, "char".

bpchar is stored without its padding; the padding comes back when it is written, and comparison ignores it.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from skerry_engine.errors import (
    CharacterNotInRepertoire,
    InvalidBinaryRepresentation,
    StringDataRightTruncation,
)

NAME_BYTES = 63  # NAMEDATALEN - 1


def read_text(text: str) -> str:
    """text as it is.  Raises CharacterNotInRepertoire for a zero character: keys end at one."""
    if "\0" in text:
        raise CharacterNotInRepertoire('invalid byte sequence for encoding "UTF8": 0x00')
    return text


def read_bpchar(text: str) -> str:
    """bpchar of any length: without trailing blanks."""
    return read_text(text).rstrip(" ")


def read_name(text: str) -> str:
    """name: cut at 63 bytes, never inside a character."""
    return clip_name(read_text(text))


def clip_name(text: str) -> str:
    """An identifier cut at 63 bytes, never inside a character."""
    if len(text) * 4 <= NAME_BYTES:
        return text
    return text.encode()[:NAME_BYTES].decode(errors="ignore")


def read_char(text: str) -> str:
    r""" "char": the first byte of the text; one that is no ASCII character stands as `\ooo`."""
    octal = _OCTAL.fullmatch(text)
    return char_of_byte(
        int(octal.group(1), 8) if octal is not None else (read_text(text).encode() or b"\0")[0]
    )


_OCTAL = re.compile(r"\\([0-3][0-7][0-7])", re.ASCII)


def char_of_byte(byte: int) -> str:
    """The "char" atom of a byte; a zero byte is the empty text."""
    if byte >= 0x80:
        return f"\\{byte:03o}"
    return chr(byte) if byte else ""


def byte_of_char(value: str) -> int:
    """The byte of a "char" atom."""
    if len(value) > 1:
        return int(value[1:], 8)
    return ord(value) if value else 0


def pack_char(value: str) -> bytes:
    """ "char" in binary form."""
    return bytes((byte_of_char(value),))


def unpack_char(data: bytes) -> str:
    """ "char" from binary form.  Raises InvalidBinaryRepresentation."""
    if len(data) != 1:
        raise InvalidBinaryRepresentation("incorrect binary data format")
    return char_of_byte(data[0])


def fit_varchar(text: str, typmod: int, explicit: bool) -> str:
    """`text` as varchar(n); an explicit cast cuts.  Raises StringDataRightTruncation."""
    limit = typmod - 4
    if limit < 0 or len(text) <= limit:
        return text
    if not explicit and text[limit:].strip(" "):
        raise StringDataRightTruncation(f"value too long for type character varying({limit})")
    return text[:limit]


def fit_bpchar(text: str, typmod: int, explicit: bool) -> str:
    """`text` as char(n), unpadded; an explicit cast cuts.  Raises StringDataRightTruncation."""
    limit = typmod - 4
    if limit >= 0 and len(text) > limit:
        if not explicit and text[limit:].strip(" "):
            raise StringDataRightTruncation(f"value too long for type character({limit})")
        text = text[:limit]
    return text.rstrip(" ")


def varchar_reader(typmod: int) -> Callable[[str], str]:
    """The reader of varchar(n)."""

    def read_varchar(text: str) -> str:
        return fit_varchar(read_text(text), typmod, False)

    return read_varchar


def bpchar_reader(typmod: int) -> Callable[[str], str]:
    """The reader of char(n)."""

    def read_padded(text: str) -> str:
        return fit_bpchar(read_text(text), typmod, False)

    return read_padded


def bpchar_writer(typmod: int) -> Callable[[str], str]:
    """The writer of char(n): pads to n characters."""
    width = typmod - 4

    def write_padded(text: str) -> str:
        return text.ljust(width)

    return write_padded


def invalid_utf8(data: bytes, start: int) -> CharacterNotInRepertoire:
    """The error for bytes that are no UTF-8 from `start` on, as PostgreSQL words it."""
    lead = data[start]
    length = 4 if lead >= 0xF0 else 3 if lead >= 0xE0 else 2 if lead >= 0xC0 else 1
    shown = " ".join(f"0x{byte:02x}" for byte in data[start : start + length])
    return CharacterNotInRepertoire(f'invalid byte sequence for encoding "UTF8": {shown}')
