"""Value types of GQL that are narrower than those that values have: INT16, UINT8, FLOAT32, BYTES(4).

They are types that graphs store (INT8, FLOAT8, BYTEA) with a modifier, as varchar(3) is one of varchar:

    INT8     8, 16, 32, 64: that many bits, signed; 100 more: unsigned, which 63 bits are the most of
    FLOAT8   16, 32: what a float of that many bits can hold
    BYTEA    the greatest length, plus 4

SQL has no such modifiers for these types.  A value that does not fit is an error; a float is rounded.
"""

from __future__ import annotations

import math
import struct

from skerry_engine.errors import NumericValueOutOfRange, StringDataRightTruncation
from skerry_engine.functions.registry import define

UNSIGNED = 100
_FORMATS = {16: "<e", 32: "<f"}


def bounds(modifier: int) -> tuple[int, int]:
    """The least and the greatest integer of a type."""
    if modifier > UNSIGNED:
        return 0, (1 << (modifier - UNSIGNED)) - 1
    return -(1 << (modifier - 1)), (1 << (modifier - 1)) - 1


def integer_name(modifier: int) -> str:
    """The type as GQL writes it."""
    if modifier > UNSIGNED:
        return "UINT" if modifier == UNSIGNED + 63 else f"UINT{modifier - UNSIGNED}"
    return f"INT{modifier}" if modifier > 0 else "INT64"


def _fitting_integer(value: int, modifier: int) -> int:
    low, high = bounds(modifier)
    if not low <= value <= high:
        raise NumericValueOutOfRange(f"{integer_name(modifier)} out of range")
    return value


def _fitting_float(value: float, modifier: int) -> float:
    form = _FORMATS.get(modifier)
    if form is None or not math.isfinite(value):
        return value
    try:
        rounded: float = struct.unpack(form, struct.pack(form, value))[0]
    except OverflowError:
        raise NumericValueOutOfRange(f"FLOAT{modifier} out of range") from None
    return rounded


def _fitting_bytes(value: bytes, modifier: int, explicit: bool = False) -> bytes:
    longest = modifier - 4
    if len(value) <= longest:
        return value
    if explicit:
        return value[:longest]
    raise StringDataRightTruncation(f"value too long for type BYTES({longest})")


define("skerry_int8_range", _fitting_integer)
define("skerry_float8_range", _fitting_float)
define("skerry_bytea_length", _fitting_bytes)
