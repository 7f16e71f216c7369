"""Big-endian unsigned numbers in messages.

Put together byte by byte: compiled, that is a few machine instructions, where `struct` makes a call, a tuple and
an object.  Both raise IndexError where the message ends too early.
"""

from __future__ import annotations


def int16(data: bytes, position: int) -> int:
    """Two bytes."""
    return data[position] << 8 | data[position + 1]


def int32(data: bytes, position: int) -> int:
    """Four bytes."""
    return data[position] << 24 | data[position + 1] << 16 | data[position + 2] << 8 | data[position + 3]
