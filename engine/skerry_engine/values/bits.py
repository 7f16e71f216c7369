"""bit and varbit: a value is a str of 0 and 1, whose order is SQL's."""

from __future__ import annotations

import struct
from collections.abc import Callable

from skerry_engine.errors import (
    InvalidBinaryRepresentation,
    InvalidTextRepresentation,
    StringDataLengthMismatch,
    StringDataRightTruncation,
)

_LENGTH = struct.Struct(">i")
_HEX = {digit: f"{int(digit, 16):04b}" for digit in "0123456789abcdefABCDEF"}


def read_bits(text: str) -> str:
    """A bit string from text: 101, B101, X5.  Raises InvalidTextRepresentation."""
    if text[:1] in ("x", "X"):
        for digit in text[1:]:
            if digit not in _HEX:
                raise InvalidTextRepresentation(f'"{digit}" is not a valid hexadecimal digit')
        return "".join([_HEX[digit] for digit in text[1:]])
    digits = text[1:] if text[:1] in ("b", "B") else text
    for digit in digits:
        if digit not in "01":
            raise InvalidTextRepresentation(f'"{digit}" is not a valid binary digit')
    return digits


def bit_reader(typmod: int) -> Callable[[str], str]:
    """The reader of bit(n)."""
    return lambda text: fit_bit(read_bits(text), typmod, False)


def varbit_reader(typmod: int) -> Callable[[str], str]:
    """The reader of varbit(n)."""
    return lambda text: fit_varbit(read_bits(text), typmod, False)


def fit_bit(value: str, length: int, explicit: bool) -> str:
    """A value as bit(length): an explicit cast cuts or fills it on the right.  Raises StringDataLengthMismatch."""
    if length <= 0 or len(value) == length:
        return value
    if not explicit:
        raise StringDataLengthMismatch(f"bit string length {len(value)} does not match type bit({length})")
    return value[:length].ljust(length, "0")


def fit_varbit(value: str, length: int, explicit: bool) -> str:
    """A value as varbit(length).  Raises StringDataRightTruncation."""
    if length <= 0 or len(value) <= length:
        return value
    if not explicit:
        raise StringDataRightTruncation(f"bit string too long for type bit varying({length})")
    return value[:length]


def pack_bits(value: str) -> bytes:
    """The wire's form: the number of bits, then the bits, filled with zeros."""
    return _LENGTH.pack(len(value)) + bytes_of(value)


def bytes_of(value: str) -> bytes:
    """The bits, filled with zeros to whole bytes."""
    size = (len(value) + 7) // 8
    return int(value.ljust(size * 8, "0") or "0", 2).to_bytes(size, "big")


def unpack_bits(data: bytes) -> str:
    """Reads the wire's form.  Raises InvalidBinaryRepresentation."""
    if len(data) < 4:
        raise InvalidBinaryRepresentation("insufficient data left in message")
    (length,) = _LENGTH.unpack_from(data)
    if length < 0 or len(data) != 4 + (length + 7) // 8:
        raise InvalidBinaryRepresentation("invalid length in external bit string")
    return bits_of(data[4:], length)


def bits_of(data: bytes, length: int) -> str:
    """The first `length` bits of bytes."""
    return f"{int.from_bytes(data, 'big'):0{len(data) * 8}b}"[:length] if length else ""
