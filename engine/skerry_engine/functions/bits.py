"""Functions, operators and aggregates of bit and varbit, and of money."""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import ROUND_HALF_UP, Decimal

from skerry_engine.errors import (
    ArraySubscriptError,
    DivisionByZero,
    InvalidParameterValue,
    StringDataLengthMismatch,
    SubstringError,
)
from skerry_engine.functions.comparisons import define_comparisons, define_extremes, define_three_way
from skerry_engine.functions.namespace import helper
from skerry_engine.functions.registry import define, define_aggregate
from skerry_engine.values import oids
from skerry_engine.values.bits import fit_bit, fit_varbit
from skerry_engine.values.money import checked

define_comparisons("bit")
define_three_way("bitcmp")


# --- bits ---------------------------------------------------------------------------------------------------


def _combined(one: str, other: str, combine: Callable[[int, int], int], word: str) -> str:
    if len(one) != len(other):
        raise StringDataLengthMismatch(f"cannot {word} bit strings of different sizes")
    return f"{combine(int(one, 2), int(other, 2)):0{len(one)}b}" if one else ""


@helper
def bits_and(one: str, other: str) -> str:
    """Both, bit by bit.  Raises StringDataLengthMismatch."""
    return _combined(one, other, lambda a, b: a & b, "AND")


@helper
def bits_or(one: str, other: str) -> str:
    """Either, bit by bit.  Raises StringDataLengthMismatch."""
    return _combined(one, other, lambda a, b: a | b, "OR")


@helper
def bits_xor(one: str, other: str) -> str:
    """One but not both, bit by bit.  Raises StringDataLengthMismatch."""
    return _combined(one, other, lambda a, b: a ^ b, "XOR")


def _shifted(value: str, count: int) -> str:
    """To the left by `count`, to the right if that is negative."""
    if count >= 0:
        return value[count:].ljust(len(value), "0")
    return value[:count].rjust(len(value), "0") if -count < len(value) else "0" * len(value)


def _from_integer(value: int, length: int) -> str:
    length = max(length, 1)
    return f"{value & ((1 << length) - 1):0{length}b}"


def _to_integer(size: int, name: str) -> Callable[[str], int]:
    def convert(value: str) -> int:
        if len(value) > size:
            from skerry_engine.errors import NumericValueOutOfRange

            raise NumericValueOutOfRange(f"{name} out of range")
        number = int(value or "0", 2)
        return number - (1 << size) if number >> (size - 1) else number

    return convert


def _substring(value: str, start: int, length: int | None = None) -> str:
    if length is not None and length < 0:
        raise SubstringError("negative substring length not allowed")
    end = len(value) if length is None else start - 1 + length
    return value[max(start - 1, 0) : max(end, 0)]


def _overlay(value: str, new: str, start: int, length: int | None = None) -> str:
    if start <= 0:
        raise SubstringError("negative substring length not allowed")
    length = len(new) if length is None else length
    return value[: start - 1] + new + value[start - 1 + length :]


def _position(value: str, part: str) -> int:
    return value.find(part) + 1 if value or not part else 0


def _index(value: str, number: int) -> int:
    if not 0 <= number < len(value):
        raise ArraySubscriptError(f"bit index {number} out of valid range (0..{len(value) - 1})")
    return number


def _set_bit(value: str, number: int, bit: int) -> str:
    _index(value, number)
    if bit not in (0, 1):
        raise InvalidParameterValue("new bit must be 0 or 1")
    return f"{value[:number]}{bit}{value[number + 1 :]}"


define("bit_and", template="bits_and({0}, {1})")
define("bit_or", template="bits_or({0}, {1})")
define("bitxor", template="bits_xor({0}, {1})")
define("bitnot", lambda value: value.translate({48: "1", 49: "0"}))
define("bitcat", template="{0} + {1}")
define("bitshiftleft", _shifted)
define("bitshiftright", lambda value, count: _shifted(value, -count))
define("bitlength", template="len({0})")
define("bit_length_1560", template="len({0})")
define("bitoctetlength", template="(len({0}) + 7) // 8")
define("bit_bit_count", lambda value: value.count("1"))
define("bitfromint4", _from_integer)
define("bitfromint8", _from_integer)
define("bittoint4", _to_integer(32, "integer"))
define("bittoint8", _to_integer(64, "bigint"))
define("bit", fit_bit)
define("varbit", fit_varbit)
define("bitsubstr", _substring)
define("bitsubstr_no_len", _substring)
define("bitoverlay", _overlay)
define("bitoverlay_no_len", _overlay)
define("bitposition", _position)
define("bitgetbit", lambda value, number: int(value[_index(value, number)]))
define("bitsetbit", _set_bit)
for _name, _combine in (("bit_and", "bits_and"), ("bit_or", "bits_or"), ("bit_xor", "bits_xor")):
    define_aggregate(
        f"{_name} {oids.BIT}",
        initial=("None",),
        step=f"{{s0}} = {{0}} if {{s0}} is None else {_combine}({{s0}}, {{0}})",
        final="{s0}",
    )


# --- money --------------------------------------------------------------------------------------------------

define_comparisons("cash_")
define_three_way("cash_cmp")
define_extremes("cashlarger", "cashsmaller")


def _divided(cents: int, divisor: int) -> int:
    if divisor == 0:
        raise DivisionByZero("division by zero")
    quotient = abs(cents) // abs(divisor)
    return checked(quotient if (cents < 0) == (divisor < 0) else -quotient)


def _rounded(amount: float) -> int:
    if math.isnan(amount) or math.isinf(amount):
        return checked(2**63)
    return checked(round(amount))


def _divided_by_float(cents: int, divisor: float) -> int:
    if divisor == 0:
        raise DivisionByZero("division by zero")
    return _rounded(cents / divisor)


def _ratio(one: int, other: int) -> float:
    if other == 0:
        raise DivisionByZero("division by zero")
    return one / other


def _from_numeric(value: Decimal) -> int:
    return checked(int((value * 100).quantize(Decimal(1), ROUND_HALF_UP)))


define("cash_pl", lambda one, other: checked(one + other))
define("cash_mi", lambda one, other: checked(one - other))
define("cash_div_cash", _ratio)
for _size in (2, 4, 8):
    define(f"cash_mul_int{_size}", lambda cents, factor: checked(cents * factor))
    define(f"int{_size}_mul_cash", lambda factor, cents: checked(cents * factor))
    define(f"cash_div_int{_size}", _divided)
for _size in (4, 8):
    define(f"cash_mul_flt{_size}", lambda cents, factor: _rounded(cents * factor))
    define(f"flt{_size}_mul_cash", lambda factor, cents: _rounded(cents * factor))
    define(f"cash_div_flt{_size}", _divided_by_float)
define("int4_cash", lambda value: checked(value * 100))
define("int8_cash", lambda value: checked(value * 100))
define("numeric_cash", _from_numeric)
define("cash_numeric", lambda cents: Decimal(cents).scaleb(-2))
define_aggregate(
    f"sum {oids.MONEY}",
    initial=("None",),
    step="{s0} = {0} if {s0} is None else {s0} + {0}",
    final="None if {s0} is None else checked_bigint({s0})",
)
