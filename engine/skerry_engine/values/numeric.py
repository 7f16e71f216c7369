"""numeric: Decimal atoms, their contexts, their text and binary forms.

Invariants of a numeric atom: a finite one has an exponent between -16383 and 0 (its negation is the scale
that SQL sees), no negative zero, at most 131072 digits before the point.
NaN and the infinities are Decimal's own.

Arithmetic never uses the thread's ambient context, which belongs to the embedding program: use `EXACT` here,
whose precision no legal value exceeds, so that its only rounding is the one that an operation asks for.
"""

from __future__ import annotations

import re
import struct
from decimal import ROUND_DOWN, ROUND_HALF_UP, Context, Decimal, DivisionByZero, InvalidOperation, Overflow

from skerry_engine.errors import (
    InvalidBinaryRepresentation,
    InvalidTextRepresentation,
    NumericValueOutOfRange,
)
from skerry_engine.values.types import numeric_modifier

MAX_INTEGRAL_DIGITS = 131072
MAX_SCALE = 16383

EXACT = Context(
    prec=2 * (MAX_INTEGRAL_DIGITS + MAX_SCALE) + 10,
    rounding=ROUND_HALF_UP,
    Emin=-999999,
    Emax=999999,
    capitals=1,
    clamp=0,
    flags=[],
    traps=[InvalidOperation, DivisionByZero, Overflow],
)

NAN = Decimal("NaN")
INFINITY = Decimal("Infinity")
NEGATIVE_INFINITY = Decimal("-Infinity")
ZERO = Decimal(0)
_UNITS: list[Decimal] = [Decimal(1).scaleb(-scale) for scale in range(40)]

_SPELLING = re.compile(r"\s*([+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE]([+-]?[0-9]+))?)\s*", re.ASCII)
_WORDS = {
    "nan": NAN,
    "inf": INFINITY,
    "+inf": INFINITY,
    "-inf": NEGATIVE_INFINITY,
    "infinity": INFINITY,
    "+infinity": INFINITY,
    "-infinity": NEGATIVE_INFINITY,
}


def overflow() -> NumericValueOutOfRange:
    """The error of a value beyond numeric's format."""
    return NumericValueOutOfRange("value overflows numeric format")


def read_numeric(text: str) -> Decimal:
    """numeric from text, as many digits as written.  Raises InvalidTextRepresentation,
    NumericValueOutOfRange."""
    if len(text) <= MAX_SCALE and text.isascii() and text.replace(".", "", 1).isdigit():
        return Decimal(text)
    match = _SPELLING.fullmatch(text)
    if match is None:
        return _read_word(text)
    exponent = match.group(2)
    if exponent is None and len(text) <= MAX_SCALE:
        value = Decimal(match.group(1))
        return value if value else abs_zero(value)
    return _read_with_exponent(match.group(1), int((exponent or "0")[:12]))


def _read_word(text: str) -> Decimal:
    word = _WORDS.get(text.strip(" \t\n\r\v\f").lower())
    if word is None:
        raise InvalidTextRepresentation(f'invalid input syntax for type numeric: "{text}"')
    return word


def _read_with_exponent(spelling: str, exponent: int) -> Decimal:
    if abs(exponent) > 10 * MAX_INTEGRAL_DIGITS:
        raise overflow()
    value = EXACT.create_decimal(spelling)
    if _exponent(value) < -MAX_SCALE:
        raise overflow()
    return canonical(value)


def abs_zero(value: Decimal) -> Decimal:
    """A zero without a sign, its scale kept."""
    return value.copy_abs()


def canonical(value: Decimal) -> Decimal:
    """`value` with numeric's invariants: no positive exponent, no negative zero,
    scale and digits within limits.

    Raises NumericValueOutOfRange when it has too many digits before the point.
    """
    if not value.is_finite():
        return NAN if value.is_nan() else value
    exponent = _exponent(value)
    if value and value.adjusted() >= MAX_INTEGRAL_DIGITS:
        raise overflow()
    if exponent > 0:
        value = EXACT.quantize(value, _UNITS[0]) if value else ZERO
    elif exponent < -MAX_SCALE:
        value = rounded(value, MAX_SCALE)
    return value if value else value.copy_abs()


def _exponent(value: Decimal) -> int:
    exponent = value.as_tuple().exponent
    assert isinstance(exponent, int)
    return exponent


def scale_of(value: Decimal) -> int:
    """Digits after the point; 0 for NaN and infinities."""
    if not value.is_finite():
        return 0
    return -_exponent(value)


def unit(scale: int) -> Decimal:
    """10 to the power -scale: what quantize() takes for `scale` digits after the point."""
    if 0 <= scale < 40:
        return _UNITS[scale]
    return Decimal(1).scaleb(-scale, EXACT)


def rounded(value: Decimal, scale: int) -> Decimal:
    """A finite value with exactly `scale` digits after the point (below 0: rounded before it),
    ties away from zero."""
    result = EXACT.quantize(value, unit(scale))
    if scale < 0:
        result = EXACT.quantize(result, _UNITS[0])
    return result if result else result.copy_abs()


def apply_typmod(value: Decimal, typmod: int) -> Decimal:
    """`value` as numeric(p, s) stores it.  Raises NumericValueOutOfRange ("numeric field overflow")."""
    if typmod < 0 or value.is_nan():
        return value
    precision, scale = numeric_modifier(typmod)
    if not value.is_finite():
        raise _field_overflow(
            f"A field with precision {precision}, scale {scale} cannot hold an infinite value."
        )
    result = rounded(value, scale)
    limit = precision - scale
    if result and result.adjusted() >= limit:
        power = f"10^{limit}" if limit else "1"
        raise _field_overflow(
            f"A field with precision {precision}, scale {scale} must round to an absolute value less than {power}."
        )
    return result


def _field_overflow(detail: str) -> NumericValueOutOfRange:
    return NumericValueOutOfRange("numeric field overflow", detail=detail)


def write_numeric(value: Decimal) -> str:
    """numeric to text: never with an exponent."""
    text = str(value)
    if "E" in text:
        return format(value, "f")
    return text


# --- binary form: header (number of base-10000 digits, weight, sign, scale), then the digits ----------------

_HEADER = struct.Struct(">HhHH")
_SIGN_NEGATIVE, _SIGN_NAN, _SIGN_INFINITY, _SIGN_NEGATIVE_INFINITY = 0x4000, 0xC000, 0xD000, 0xF000


def pack_numeric(value: Decimal) -> bytes:
    """numeric in binary form."""
    if not value.is_finite():
        sign = _SIGN_NAN if value.is_nan() else _SIGN_INFINITY if value > 0 else _SIGN_NEGATIVE_INFINITY
        return _HEADER.pack(0, 0, sign, 0x20 if sign != _SIGN_NAN else 0)
    integral, _, fraction = write_numeric(value.copy_abs()).partition(".")
    scale = len(fraction)
    integral = integral.lstrip("0")
    integral = "0" * (-len(integral) % 4) + integral
    fraction += "0" * (-len(fraction) % 4)
    weight = len(integral) // 4 - 1
    text = integral + fraction
    groups = [int(text[i : i + 4]) for i in range(0, len(text), 4)]
    while groups and groups[-1] == 0:
        groups.pop()
    while groups and groups[0] == 0:
        groups.pop(0)
        weight -= 1
    if not groups:
        weight = 0
    sign = _SIGN_NEGATIVE if value < 0 else 0
    return _HEADER.pack(len(groups), weight, sign, scale) + struct.pack(f">{len(groups)}H", *groups)


def unpack_numeric(data: bytes) -> Decimal:
    """numeric from binary form.  Raises InvalidBinaryRepresentation."""
    if len(data) < 8:
        raise InvalidBinaryRepresentation("insufficient data left in message")
    count, weight, sign, scale = _HEADER.unpack_from(data)
    if len(data) != 8 + 2 * count:
        raise InvalidBinaryRepresentation("incorrect binary data format")
    if sign == _SIGN_NAN:
        return NAN
    if sign in (_SIGN_INFINITY, _SIGN_NEGATIVE_INFINITY):
        return INFINITY if sign == _SIGN_INFINITY else NEGATIVE_INFINITY
    if sign not in (0, _SIGN_NEGATIVE):
        raise InvalidBinaryRepresentation('invalid sign in external "numeric" value')
    if scale > MAX_SCALE:
        raise InvalidBinaryRepresentation('invalid scale in external "numeric" value')
    groups: tuple[int, ...] = struct.unpack_from(f">{count}H", data, 8)
    if any(group > 9999 for group in groups):
        raise InvalidBinaryRepresentation('invalid digit in external "numeric" value')
    digits = "".join(f"{group:04d}" for group in groups) or "0"
    value = EXACT.create_decimal(f"{digits}E{4 * (weight - count + 1)}")
    result = value.quantize(unit(scale), ROUND_DOWN, EXACT)
    return result.copy_negate() if sign == _SIGN_NEGATIVE and result else result
