"""Floats: real and double precision.

Both print their shortest digits that read back as the same value, switching to exponents where PostgreSQL
does: from 1e+15 (double precision) or 1e+06 (real) on, and below 1e-04.
"""

from __future__ import annotations

import math
import struct
from decimal import Decimal

from skerry_engine.errors import (
    InvalidBinaryRepresentation,
    InvalidTextRepresentation,
    NumericValueOutOfRange,
)

_FLOAT4 = struct.Struct(">f")
_BITS = struct.Struct(">I")
_FLOAT8 = struct.Struct(">d")
_WORDS = {
    "nan": math.nan,
    "inf": math.inf,
    "+inf": math.inf,
    "-inf": -math.inf,
    "infinity": math.inf,
    "+infinity": math.inf,
    "-infinity": -math.inf,
}
NAN = math.nan  # the one NaN that readers give out


def _parse(text: str, type_name: str) -> float:
    word = _WORDS.get(text.strip(" \t\n\r\v\f").lower())
    if word is not None:
        return word
    try:
        if "_" in text or not text.isascii():
            raise ValueError
        value = float.fromhex(text) if "x" in text or "X" in text else float(text)
    except OverflowError:
        value = math.inf
    except ValueError:
        raise InvalidTextRepresentation(f'invalid input syntax for type {type_name}: "{text}"') from None
    if value == 0.0 or math.isinf(value):
        _check_range(value, text, type_name)
    return value


def _check_range(value: float, text: str, type_name: str) -> None:
    """Refuse what over- or underflowed: an infinity not written as one, a zero with a digit above 0."""
    mantissa = text.lower().split("e")[0]
    if math.isinf(value) or any(digit in "123456789" for digit in mantissa):
        raise NumericValueOutOfRange(f'"{text.strip()}" is out of range for type {type_name}')


def read_float8(text: str) -> float:
    """double precision from text.  Raises InvalidTextRepresentation, NumericValueOutOfRange."""
    return _parse(text, "double precision")


def read_float4(text: str) -> float:
    """real from text, rounded to single precision.  Raises InvalidTextRepresentation,
    NumericValueOutOfRange."""
    value = _parse(text, "real")
    try:
        rounded = round_to_single(value)
    except OverflowError:
        raise NumericValueOutOfRange(f'"{text.strip()}" is out of range for type real') from None
    if rounded == 0.0 and value != 0.0:
        raise NumericValueOutOfRange(f'"{text.strip()}" is out of range for type real')
    return rounded


def round_to_single(value: float) -> float:
    """`value` rounded to single precision.  Raises OverflowError when it does not fit."""
    rounded: float = _FLOAT4.unpack(_FLOAT4.pack(value))[0]
    return rounded


def write_float8(value: float) -> str:
    """double precision to text, shortest exact form."""
    if -1e15 < value < 1e15:
        text = repr(value)
        return text[:-2] if text.endswith(".0") else text
    return _write_large(value)


def _write_large(value: float) -> str:
    if value != value:
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    text = repr(value)
    if abs(value) >= 9007199254740992.0:
        text = _inside_interval(value, text)
    return text if "e" in text else _with_exponent(text.removesuffix(".0"))


def _inside_interval(value: float, shortest: str) -> str:
    """`shortest`, or more digits when it lies exactly midway to a neighbour.

    Python takes a midpoint that rounds to the value when read (1e23);
    PostgreSQL's digits lie strictly nearer.
    """
    text = shortest
    for digits in (16, 17):
        written, size = abs(int(Decimal(text))), abs(value)
        neighbour = math.nextafter(size, math.inf if written > int(size) else 0.0)
        if math.isinf(neighbour) or 2 * written != int(size) + int(neighbour):
            return text
        text = f"{value:.{digits}g}"
    return text


def _with_exponent(positional: str) -> str:
    """A number of at least 1 with an exponent: '1234000' as '1.234e+06', '1234567.5' as '1.2345675e+06'."""
    sign = "-" if positional.startswith("-") else ""
    integral, _, fraction = positional.lstrip("-").partition(".")
    digits = (integral + fraction).rstrip("0")
    mantissa = digits[0] + ("." + digits[1:] if len(digits) > 1 else "")
    return f"{sign}{mantissa}e+{len(integral) - 1:02d}"


def write_float4(value: float) -> str:
    """real to text: the fewest digits that read back as the same single."""
    if value != value or math.isinf(value):
        return _write_large(value)
    text = ""
    for digits in range(9):
        text = f"{value:.{digits}e}"
        if _is_nearest_single(text, value):
            break
    return _single_layout(text)


def _is_nearest_single(text: str, value: float) -> bool:
    """Whether `text` reads as the single `value`, and is not exactly midway to a neighbour."""
    written = float(text)
    try:
        if round_to_single(written) != value:
            return False
    except OverflowError:
        return False
    if written == value or abs(value) < 16777216.0:
        return True
    bits: int = _BITS.unpack(_FLOAT4.pack(abs(value)))[0]
    neighbour: float = _FLOAT4.unpack(_BITS.pack(bits + 1 if abs(written) > abs(value) else bits - 1))[0]
    return 2 * abs(written) != abs(value) + neighbour


def _single_layout(text: str) -> str:
    """%e's text as PostgreSQL lays out a real: an exponent from 1e+06 on and below 1e-04."""
    exponent = int(text.partition("e")[2])
    if -4 <= exponent < 6:
        digits = len(text.partition("e")[0].lstrip("-").replace(".", ""))
        return f"{float(text):.{max(digits - 1 - exponent, 0)}f}"
    return text


def write_float_digits(value: float, digits: int) -> str:
    """A float with at most `digits` significant digits, as extra_float_digits <= 0 asks for."""
    if value != value or math.isinf(value):
        return _write_large(value)
    return f"{value:.{max(digits, 1)}g}"


def pack_float4(value: float) -> bytes:
    """real in binary form."""
    return _FLOAT4.pack(value)


def pack_float8(value: float) -> bytes:
    """double precision in binary form."""
    return _FLOAT8.pack(value)


def unpack_float4(data: bytes) -> float:
    """real from binary form.  Raises InvalidBinaryRepresentation."""
    if len(data) != 4:
        raise InvalidBinaryRepresentation("incorrect binary data format")
    value: float = _FLOAT4.unpack(data)[0]
    return value if value == value else NAN


def unpack_float8(data: bytes) -> float:
    """double precision from binary form.  Raises InvalidBinaryRepresentation."""
    if len(data) != 8:
        raise InvalidBinaryRepresentation("incorrect binary data format")
    value: float = _FLOAT8.unpack(data)[0]
    return value if value == value else NAN
