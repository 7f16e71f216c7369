"""Rows as bytes: the form in which the log and the base keep them.

MessagePack, whose format is published (https://github.com/msgpack/msgpack/blob/master/spec.md), with extension types
for what it lacks:

    None, bool, int (64 bits), float, str, bytes     as MessagePack has them
    tuple (arrays, rows, rows of rows)                array
    Decimal, extension type 1                         its text in ASCII: every digit and sign, NaN and Infinity too
    int beyond 64 bits, extension type 2              two's complement, big-endian
    value of a composite type, extension type 3       an array of two: its attributes' type OIDs, and their values
    range, extension type 4                           an array of three: its bounds, and its flags as on the wire
    multirange, extension type 5                      the array of its ranges

What it does not do: checksums, which belong to whoever frames the bytes (log groups, blocks).

This is the one place that touches the `msgpack` package, which has no type stubs.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final

import msgpack  # type: ignore[import-untyped,unused-ignore]

from skerry_engine.storage.heap import Row
from skerry_engine.values.ranges import Multirange, Range, flags_of, range_of_flags
from skerry_engine.values.records import Composite

DECIMAL_TYPE: Final = 1
BIG_INTEGER_TYPE: Final = 2
COMPOSITE_TYPE: Final = 3
RANGE_TYPE: Final = 4
MULTIRANGE_TYPE: Final = 5


def _pack_other(value: object) -> Any:
    if isinstance(value, Decimal):
        return msgpack.ExtType(DECIMAL_TYPE, str(value).encode("ascii"))
    if isinstance(value, int):
        size = value.bit_length() // 8 + 1
        return msgpack.ExtType(BIG_INTEGER_TYPE, value.to_bytes(size, "big", signed=True))
    if isinstance(value, Composite):
        return msgpack.ExtType(COMPOSITE_TYPE, _packed_inside((value.types, value.items)))
    if isinstance(value, Range):
        return msgpack.ExtType(RANGE_TYPE, _packed_inside((value.lower, value.upper, flags_of(value))))
    if isinstance(value, Multirange):
        return msgpack.ExtType(MULTIRANGE_TYPE, _packed_inside(value.ranges))
    raise TypeError(f"not a stored value: {type(value).__name__}")


def _packed_inside(value: object) -> bytes:
    """What `pack` makes, while it is in the middle of something else."""
    packed: bytes = msgpack.packb(value, default=_pack_other, use_bin_type=True)
    return packed


def _unpack_other(code: int, data: bytes) -> object:
    if code == DECIMAL_TYPE:
        return Decimal(data.decode("ascii"))
    if code == BIG_INTEGER_TYPE:
        return int.from_bytes(data, "big", signed=True)
    if code == COMPOSITE_TYPE:
        types, items = unpack(data)
        return Composite(types, items)
    if code == RANGE_TYPE:
        lower, upper, flags = unpack(data)
        return range_of_flags(lower, upper, flags)
    if code == MULTIRANGE_TYPE:
        return Multirange(unpack(data))
    raise ValueError(f"unknown extension type {code}")


_packer = msgpack.Packer(default=_pack_other, use_bin_type=True)


def pack(value: object) -> bytes:
    """A stored value, a row, or any nesting of tuples and lists of them as bytes.

    Raises TypeError for what is no stored value.
    """
    packed: bytes = _packer.pack(value)
    return packed


def unpack(data: bytes) -> Any:
    """What `pack` was given, lists as tuples.  Raises ValueError for what `pack` never made."""
    try:
        return msgpack.unpackb(data, use_list=False, raw=False, ext_hook=_unpack_other, strict_map_key=False)
    except (msgpack.exceptions.UnpackException, ArithmeticError, TypeError) as error:  # a map as key of a map
        raise ValueError(f"not packed rows: {error}") from error


def pack_rows(rows: Sequence[Row | None]) -> bytes:
    """Rows, or None where there is none, as one array."""
    return pack(rows)


def unpack_rows(data: bytes) -> tuple[Row | None, ...]:
    """What `pack_rows` was given.  Raises ValueError."""
    rows: tuple[Row | None, ...] = unpack(data)
    return rows
