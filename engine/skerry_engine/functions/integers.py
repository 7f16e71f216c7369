"""Functions of int2, int4, int8 and oid: arithmetic with overflow checks, bits, comparison, conversions.

Division truncates towards zero and the remainder takes the dividend's sign, as in C; Python's floor.  Both
agree for operands without a sign, which is the case that templates hold inline.
"""

from __future__ import annotations

import math

from skerry_engine.errors import DivisionByZero, NumericValueOutOfRange
from skerry_engine.functions.comparisons import define_comparisons, define_extremes, define_three_way
from skerry_engine.functions.namespace import NAMESPACE, helper
from skerry_engine.functions.registry import define

_RANGES = {
    "int2": (-(2**15), 2**15 - 1, "smallint out of range"),
    "int4": (-(2**31), 2**31 - 1, "integer out of range"),
    "int8": (-(2**63), 2**63 - 1, "bigint out of range"),
}
_WIDTH_OF = {"2": "int2", "4": "int4", "8": "int8"}


@helper
def int2_overflow() -> int:
    """Refuse a result that int2 can't hold."""
    raise NumericValueOutOfRange("smallint out of range")


@helper
def int4_overflow() -> int:
    """Refuse a result that int4 can't hold."""
    raise NumericValueOutOfRange("integer out of range")


@helper
def int8_overflow() -> int:
    """Refuse a result that int8 can't hold."""
    raise NumericValueOutOfRange("bigint out of range")


@helper
def division_by_zero() -> int:
    """Refuse to divide by zero."""
    raise DivisionByZero("division by zero")


@helper
def truncated_quotient(dividend: int, divisor: int) -> int:
    """The quotient, rounded towards zero."""
    if divisor == 0:
        raise DivisionByZero("division by zero")
    quotient = abs(dividend) // abs(divisor)
    return quotient if (dividend < 0) == (divisor < 0) else -quotient


@helper
def truncated_remainder(dividend: int, divisor: int) -> int:
    """The remainder, with the dividend's sign."""
    if divisor == 0:
        raise DivisionByZero("division by zero")
    remainder = abs(dividend) % abs(divisor)
    return -remainder if dividend < 0 else remainder


def within(width: str, expression: str) -> str:
    """A template for `expression` that refuses results outside the integer type `width`."""
    low, high, _message = _RANGES[width]
    return f"_t if {low} <= (_t := {expression}) <= {high} else {width}_overflow()"


def _define_arithmetic(prefix: str, width: str) -> None:
    define(f"{prefix}pl", template=within(width, "{0} + {1}"))
    define(f"{prefix}mi", template=within(width, "{0} - {1}"))
    define(f"{prefix}mul", template=within(width, "{0} * {1}"))
    careful = f"({within(width, 'truncated_quotient({0}, {1})')})"
    define(f"{prefix}div", template=f"{{0}} // {{1}} if {{0}} >= 0 and {{1}} > 0 else {careful}")


def _define_width(width: str) -> None:
    _define_arithmetic(width, width)
    define_comparisons(width)
    define_extremes(f"{width}larger", f"{width}smaller")
    define(f"{width}mod", template="{0} % {1} if {0} >= 0 and {1} > 0 else truncated_remainder({0}, {1})")
    define(f"{width}um", template=within(width, "-{0}"))
    define(f"{width}up", template="{0}")
    define(f"{width}abs", template=within(width, "abs({0})"))
    define(f"{width}and", template="{0} & {1}")
    define(f"{width}or", template="{0} | {1}")
    define(f"{width}xor", template="{0} ^ {1}")
    define(f"{width}not", template="~{0}")
    bits = _RANGES[width][1].bit_length() + 1
    define(f"{width}shl", template=f"wrapped({{0}} << ({{1}} & {max(bits, 32) - 1}), {bits})")
    define(f"{width}shr", template=f"{{0}} >> ({{1}} & {max(bits, 32) - 1})")


@helper
def wrapped(value: int, bits: int) -> int:
    """`value` cut to a signed integer of so many bits, as C's shifts leave it."""
    half = 1 << (bits - 1)
    return ((value + half) & ((1 << bits) - 1)) - half


for _width in ("int2", "int4", "int8"):
    _define_width(_width)
for _pair in ("24", "42", "28", "82", "48", "84"):
    define_comparisons(f"int{_pair}")
    _define_arithmetic(f"int{_pair}", _WIDTH_OF[max(_pair)])
for _first in ("2", "4", "8", "24", "42", "28", "82", "48", "84"):
    define_three_way(f"btint{_first}cmp")
define_comparisons("oid")
define_extremes("oidlarger", "oidsmaller")
define_three_way("btoidcmp")

define("int8inc", template=within("int8", "{0} + 1"))
define("int8dec", template=within("int8", "{0} - 1"))


# --- conversions --------------------------------------------------------------------------------------------

define("i2toi4", template="{0}")
define("int28", template="{0}")
define("int48", template="{0}")
define("i4toi2", template=f"{{0}} if {-(2**15)} <= {{0}} <= {2**15 - 1} else int2_overflow()")
define("int82", template=f"{{0}} if {-(2**15)} <= {{0}} <= {2**15 - 1} else int2_overflow()")
define("int84", template=f"{{0}} if {-(2**31)} <= {{0}} <= {2**31 - 1} else int4_overflow()")
define("oidtoi8", template="{0}")


@helper
def oid_overflow() -> int:
    """Refuse a result that oid can't hold."""
    raise NumericValueOutOfRange("OID out of range")


define("i8tooid", template=f"{{0}} if 0 <= {{0}} <= {2**32 - 1} else oid_overflow()")


# --- number theory ------------------------------------------------------------------------------------------

NAMESPACE["gcd"] = math.gcd
NAMESPACE["lcm"] = math.lcm
for _width in ("int4", "int8"):
    define(f"{_width}gcd", template=within(_width, "gcd({0}, {1})"))
    define(f"{_width}lcm", template=within(_width, "lcm({0}, {1})"))


def _to_hexadecimal(value: int, bits: int) -> str:
    return f"{value & ((1 << bits) - 1):x}"


define("to_hex32", lambda value: _to_hexadecimal(value, 32))
define("to_hex64", lambda value: _to_hexadecimal(value, 64))


def _width_bucket(operand: float, low: float, high: float, count: int) -> int:
    """Which of `count` equal buckets between the bounds holds the operand; 0 below, count + 1 above."""
    from skerry_engine.errors import InvalidArgumentForWidthBucket

    if count <= 0:
        raise InvalidArgumentForWidthBucket("count must be greater than zero")
    if operand != operand or low != low or high != high:
        raise InvalidArgumentForWidthBucket("operand, lower bound, and upper bound cannot be NaN")
    if math.isinf(low) or math.isinf(high):
        raise InvalidArgumentForWidthBucket("lower and upper bounds must be finite")
    if low == high:
        raise InvalidArgumentForWidthBucket("lower bound cannot equal upper bound")
    if low < high:
        if operand < low:
            return 0
        return count + 1 if operand >= high else min(int(count * ((operand - low) / (high - low))) + 1, count)
    if operand > low:
        return 0
    return count + 1 if operand <= high else min(int(count * ((low - operand) / (low - high))) + 1, count)


define("width_bucket_float8", _width_bucket)
