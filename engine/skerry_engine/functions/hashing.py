"""PostgreSQL's hash functions (Bob Jenkins' lookup3), which applications call by name:
hashtext for advisory locks, say.

The numbers must be PostgreSQL's, on a little-endian machine.  The engine's own hashing is Python's.
"""

from __future__ import annotations

import struct

from skerry_engine.functions.registry import define

_MASK = 0xFFFFFFFF
_START = 0x9E3779B9 + 3923095

Words = tuple[int, int, int]


def _rotated(value: int, bits: int) -> int:
    return ((value << bits) | (value >> (32 - bits))) & _MASK


_MIX_ROTATIONS = (4, 6, 8, 16, 19, 4)
_FINAL_ROTATIONS = (14, 11, 25, 16, 4, 14, 24)


def _mixed(words: Words) -> Words:
    """One round of mixing: each step takes the next of the three words in turn."""
    a, b, c = words
    for bits in _MIX_ROTATIONS:
        a = ((a - c) & _MASK) ^ _rotated(c, bits)
        c = (c + b) & _MASK
        a, b, c = b, c, a
    return a, b, c


def _finished(words: Words) -> Words:
    a, b, c = words
    for bits in _FINAL_ROTATIONS:
        c = ((c ^ b) - _rotated(b, bits)) & _MASK
        a, b, c = b, c, a
    return c, a, b


def _hash_words(data: bytes, seed: int) -> Words:
    a = b = c = (_START + len(data)) & _MASK
    if seed:
        a, b, c = _mixed(((a + (seed >> 32 & _MASK)) & _MASK, (b + (seed & _MASK)) & _MASK, c))
    position = 0
    while len(data) - position >= 12:
        first, second, third = struct.unpack_from("<III", data, position)
        a, b, c = _mixed(((a + first) & _MASK, (b + second) & _MASK, (c + third) & _MASK))
        position += 12
    tail = data[position:]
    # The lowest byte of the third word is the length's.
    first, second = struct.unpack("<II", tail[:8].ljust(8, b"\0"))
    third = int.from_bytes(tail[8:], "little") << 8
    return _finished(((a + first) & _MASK, (b + second) & _MASK, (c + third) & _MASK))


def _signed(value: int, bits: int) -> int:
    return value - (1 << bits) if value >> (bits - 1) else value


def hash_bytes(data: bytes) -> int:
    """The hash of bytes, as int4."""
    return _signed(_hash_words(data, 0)[2], 32)


def hash_bytes_extended(data: bytes, seed: int) -> int:
    """The 64-bit hash of bytes with a seed, as int8."""
    _a, b, c = _hash_words(data, seed & (2**64 - 1))
    return _signed(b << 32 | c, 64)


def _hash_int4(value: int) -> int:
    a = b = c = (_START + 4) & _MASK
    return _signed(_finished(((a + value) & _MASK, b, c))[2], 32)


def _folded(value: int) -> int:
    """An int8 as 32 bits such that an int8 and the equal int4 hash alike."""
    low, high = value & _MASK, value >> 32
    return low ^ (high & _MASK if high >= 0 else ~high & _MASK)


for _name in ("hashtext", "hashname", "hashbpchar"):
    define(_name, lambda text: hash_bytes(text.encode()))
for _name in ("hashtextextended", "hashnameextended", "hashbpcharextended"):
    define(_name, lambda text, seed: hash_bytes_extended(text.encode(), seed))
for _name in ("hashint4", "hashint2", "hashoid"):
    define(_name, _hash_int4)
define("hashint8", lambda value: _hash_int4(_folded(value)))
define("uuid_hash", hash_bytes)
