"""Integers: smallint, integer, bigint, and the unsigned oid family.

Python's int() reads what PostgreSQL's readers read, except that it also takes underscores and digits of other
scripts; those are refused first.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable

from skerry_engine.errors import (
    DatabaseError,
    InvalidBinaryRepresentation,
    InvalidTextRepresentation,
    NumericValueOutOfRange,
)

_INT2 = struct.Struct(">h")
_INT4 = struct.Struct(">i")
_INT8 = struct.Struct(">q")
_UINT4 = struct.Struct(">I")
_UINT8 = struct.Struct(">Q")

_LEADING_DIGITS = re.compile(r"\s*[+-]?[0-9]+", re.ASCII)
_SIZES = {"smallint": 15, "integer": 31, "bigint": 63}  # bits besides the sign

MAX_LITERAL_CHARACTERS = 4000  # int() refuses more digits, and no integer type holds them


def parse_integer(text: str, type_name: str) -> int:
    """The integer that `text` spells, of any size up to MAX_LITERAL_CHARACTERS.

    Raises InvalidTextRepresentation.
    """
    try:
        if "_" in text or not text.isascii():
            raise ValueError
        return int(text[:MAX_LITERAL_CHARACTERS])
    except ValueError:
        raise _malformed(text, type_name) from None


def _malformed(text: str, type_name: str) -> DatabaseError:
    """PostgreSQL reads from the left, so digits that overflow are reported before what follows them."""
    digits = _LEADING_DIGITS.match(text)
    size = _SIZES.get(type_name)
    if digits is not None and size is not None:
        value = int(digits.group()[:MAX_LITERAL_CHARACTERS])
        if not -(1 << size) <= value < 1 << size:
            return _out_of_range(text, type_name)
    return InvalidTextRepresentation(f'invalid input syntax for type {type_name}: "{text}"')


def _out_of_range(text: str, type_name: str) -> NumericValueOutOfRange:
    return NumericValueOutOfRange(f'value "{text}" is out of range for type {type_name}')


def read_int2(text: str) -> int:
    """smallint from text.  Raises InvalidTextRepresentation, NumericValueOutOfRange."""
    value = (
        int(text) if text.isdigit() and text.isascii() and len(text) < 20 else parse_integer(text, "smallint")
    )
    if -32768 <= value <= 32767:
        return value
    raise _out_of_range(text, "smallint")


def read_int4(text: str) -> int:
    """integer from text.  Raises InvalidTextRepresentation, NumericValueOutOfRange."""
    value = (
        int(text) if text.isdigit() and text.isascii() and len(text) < 20 else parse_integer(text, "integer")
    )
    if -2147483648 <= value <= 2147483647:
        return value
    raise _out_of_range(text, "integer")


def read_int8(text: str) -> int:
    """bigint from text.  Raises InvalidTextRepresentation, NumericValueOutOfRange."""
    value = (
        int(text) if text.isdigit() and text.isascii() and len(text) < 20 else parse_integer(text, "bigint")
    )
    if -9223372036854775808 <= value <= 9223372036854775807:
        return value
    raise _out_of_range(text, "bigint")


def read_oid(text: str) -> int:
    """oid from text; a negative number wraps as in C.  Raises InvalidTextRepresentation,
    NumericValueOutOfRange."""
    return _read_unsigned(text, "oid")


def read_xid(text: str) -> int:
    """xid or cid from text.  Raises InvalidTextRepresentation, NumericValueOutOfRange."""
    return _read_unsigned(text, "xid")


def read_xid8(text: str) -> int:
    """xid8 from text.  Raises InvalidTextRepresentation, NumericValueOutOfRange."""
    value = parse_integer(text, "xid8")
    if 0 <= value < 1 << 64:
        return value
    raise _out_of_range(text, "xid8")


def _read_unsigned(text: str, type_name: str) -> int:
    value = parse_integer(text, type_name)
    if -2147483648 <= value <= 4294967295:
        return value & 0xFFFFFFFF
    raise _out_of_range(text, type_name)


def integer_packer(size: int) -> Callable[[int], bytes]:
    """The function that packs an integer of `size` bytes: 2, 4 and 8 signed, -4 and -8 unsigned."""
    return _STRUCTS[size].pack


def unpack_integer(data: bytes, size: int) -> int:
    """A binary integer of `size` bytes as in `integer_packer`.  Raises InvalidBinaryRepresentation."""
    codec = _STRUCTS[size]
    if len(data) != codec.size:
        raise InvalidBinaryRepresentation("incorrect binary data format")
    value: int = codec.unpack(data)[0]
    return value


_STRUCTS = {2: _INT2, 4: _INT4, 8: _INT8, -4: _UINT4, -8: _UINT8}
