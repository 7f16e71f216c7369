"""Functions of float4 and float8.

NaN equals itself and is greater than everything, infinity included; Python's NaN is unordered.  So a
comparison's template first asks Python, which is right whenever the answer is yes,
and looks at NaN otherwise.

Results that overflow or underflow are errors, infinities among the operands are not.  A float4 is a float
that was rounded to single precision after each operation.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Decimal

from skerry_engine.errors import (
    DivisionByZero,
    InvalidArgumentForLogarithm,
    InvalidArgumentForPower,
    NumericValueOutOfRange,
)
from skerry_engine.functions.namespace import NAMESPACE, helper
from skerry_engine.functions.registry import define
from skerry_engine.values.floats import round_to_single

_IS_NAN_0 = "{0} != {0}"
_IS_NAN_1 = "{1} != {1}"
_OVERFLOW = "value out of range: overflow"
_UNDERFLOW = "value out of range: underflow"
NAMESPACE["NAN"] = math.nan


# --- comparison ---------------------------------------------------------------------------------------------

COMPARISONS = {
    "eq": f"{{0}} == {{1}} or ({_IS_NAN_0} and {_IS_NAN_1})",
    "ne": "{0} != {1} and ({0} == {0} or {1} == {1})",
    "lt": f"{{0}} < {{1}} or ({_IS_NAN_1} and {{0}} == {{0}})",
    "le": f"{{0}} <= {{1}} or {_IS_NAN_1}",
    "gt": f"{{0}} > {{1}} or ({_IS_NAN_0} and {{1}} == {{1}})",
    "ge": f"{{0}} >= {{1}} or {_IS_NAN_0}",
}

for _name, _template in COMPARISONS.items():
    for _prefix in ("float4", "float8", "float48", "float84"):
        define(f"{_prefix}{_name}", template=_template)
for _prefix in ("float4", "float8"):
    define(f"{_prefix}larger", template=f"{{0}} if ({COMPARISONS['gt']}) else {{1}}")
    define(f"{_prefix}smaller", template=f"{{0}} if ({COMPARISONS['lt']}) else {{1}}")
    _cmp = f"({COMPARISONS['gt']}) - ({COMPARISONS['lt']})"
    define(f"bt{_prefix}cmp", template=_cmp)
define("btfloat48cmp", template=_cmp)
define("btfloat84cmp", template=_cmp)


# --- arithmetic ---------------------------------------------------------------------------------------------


def _out_of_range(message: str) -> NumericValueOutOfRange:
    return NumericValueOutOfRange(message)


@helper
def special_result(result: float, first: float, second: float) -> float:
    """A result that is not finite: an error unless an operand was not either."""
    if math.isinf(result) and not math.isinf(first) and not math.isinf(second):
        raise _out_of_range(_OVERFLOW)
    return result


@helper
def float_product(first: float, second: float) -> float:
    """The product.  Raises NumericValueOutOfRange on overflow and underflow."""
    result = first * second
    if result == 0.0 and first != 0.0 and second != 0.0:
        raise _out_of_range(_UNDERFLOW)
    return special_result(result, first, second)


@helper
def float_quotient(first: float, second: float) -> float:
    """The quotient.  Raises DivisionByZero, NumericValueOutOfRange."""
    if second == 0.0:
        if first != first:
            return first
        raise DivisionByZero("division by zero")
    result = first / second
    if math.isinf(result) and not math.isinf(first):
        raise _out_of_range(_OVERFLOW)
    if result == 0.0 and first != 0.0 and not math.isinf(second):
        raise _out_of_range(_UNDERFLOW)
    return result


@helper
def single(value: float, first: float = math.inf, second: float = math.inf) -> float:
    """`value`, the result for these operands, in single precision.  Raises NumericValueOutOfRange."""
    try:
        result = round_to_single(value)
    except OverflowError:
        raise _out_of_range(_OVERFLOW) from None
    if result == 0.0 and value != 0.0:
        raise _out_of_range(_UNDERFLOW)
    return result


for _prefix in ("float8", "float48", "float84"):
    for _name, _symbol in (("pl", "+"), ("mi", "-")):
        _result = f"{{0}} {_symbol} {{1}}"
        define(
            f"{_prefix}{_name}",
            template=f"_t if (_t := {_result}) - _t == 0.0 else special_result(_t, {{0}}, {{1}})",
        )
    define(
        f"{_prefix}mul",
        template="_t if (_t := {0} * {1}) and _t - _t == 0.0 else float_product({0}, {1})",
    )
    define(f"{_prefix}div", template="float_quotient({0}, {1})")
define("float4pl", template="single(special_result({0} + {1}, {0}, {1}))")
define("float4mi", template="single(special_result({0} - {1}, {0}, {1}))")
define("float4mul", template="single(float_product({0}, {1}))")
define("float4div", template="single(float_quotient({0}, {1}))")
for _prefix in ("float4", "float8"):
    define(f"{_prefix}um", template="-{0}")
    define(f"{_prefix}up", template="{0}")
    define(f"{_prefix}abs", template="abs({0})")


# --- conversions --------------------------------------------------------------------------------------------

_BOUNDS = {"int2": 2.0**15, "int4": 2.0**31, "int8": 2.0**63}


def _to_integer(width: str) -> str:
    bound = _BOUNDS[width]
    return f"int(_t) if -{bound!r} <= (_t := rint({{0}})) < {bound!r} else {width}_overflow()"


@helper
def rint(value: float) -> float:
    """Rounded to an integral float, ties to even."""
    return float(round(value)) if -1e16 < value < 1e16 else value


for _source in ("d", "f"):
    for _digit in ("2", "4", "8"):
        define(f"{_source}toi{_digit}", template=_to_integer(f"int{_digit}"))
for _digit in ("2", "4", "8"):
    define(f"i{_digit}tod", template="float({0})")
    define(f"i{_digit}tof", template="single(float({0}))")
define("ftod", template="{0}")
define("dtof", template="single({0})")


# --- mathematics --------------------------------------------------------------------------------------------


def _sign(value: float) -> float:
    return value if value != value else float((value > 0.0) - (value < 0.0))


def _truncated(value: float) -> float:
    return float(math.trunc(value)) if math.isfinite(value) else value


def _floored(value: float) -> float:
    return float(math.floor(value)) if math.isfinite(value) else value


def _ceiled(value: float) -> float:
    if not math.isfinite(value):
        return value
    return float(math.ceil(value)) or math.copysign(0.0, value)


def _rounded(value: float) -> float:
    return float(round(value)) or math.copysign(0.0, value) if math.isfinite(value) else value


def _square_root(value: float) -> float:
    if value < 0:
        raise InvalidArgumentForPower("cannot take square root of a negative number")
    return math.sqrt(value)


def _inverse_hyperbolic_tangent(value: float) -> float:
    return math.copysign(math.inf, value) if abs(value) == 1.0 else math.atanh(value)


def _exponential(value: float) -> float:
    try:
        result = math.exp(value)
    except OverflowError:
        raise _out_of_range(_OVERFLOW) from None
    if result == 0.0 and value != -math.inf:
        raise _out_of_range(_UNDERFLOW)
    return result


def _logarithm(function: Callable[[float], float]) -> Callable[[float], float]:
    def logarithm(value: float) -> float:
        if value == 0.0:
            raise InvalidArgumentForLogarithm("cannot take logarithm of zero")
        if value < 0.0:
            raise InvalidArgumentForLogarithm("cannot take logarithm of a negative number")
        return function(value)

    return logarithm


def power(base: float, exponent: float) -> float:
    """base to the power exponent, with PostgreSQL's special cases and errors."""
    if base != base or exponent != exponent:
        return 1.0 if base == 1.0 or exponent == 0.0 else math.nan
    if base == 0.0 and exponent < 0.0:
        raise InvalidArgumentForPower("zero raised to a negative power is undefined")
    if base < 0.0 and math.isfinite(exponent) and exponent != math.floor(exponent):
        raise InvalidArgumentForPower(
            "a negative number raised to a non-integer power yields a complex result"
        )
    try:
        result = math.pow(base, exponent)
    except OverflowError:
        raise _out_of_range(_OVERFLOW) from None
    if result == 0.0 and base != 0.0 and math.isfinite(base) and math.isfinite(exponent):
        raise _out_of_range(_UNDERFLOW)
    return result


def _in_domain(function: Callable[[float], float]) -> Callable[[float], float]:
    """The function, with Python's domain errors as SQL's range errors."""

    def checked(value: float) -> float:
        try:
            return function(value)
        except ValueError:
            raise _out_of_range("input is out of range") from None
        except OverflowError:
            return math.copysign(math.inf, value) if function is math.sinh else math.inf

    return checked


def _cotangent(value: float) -> float:
    tangent = math.tan(value)
    return 1.0 / tangent if tangent else math.inf


def _define_mathematics() -> None:
    define("float8_sign", _sign)
    define("dsign", _sign)
    define("dround", _rounded)
    define("dtrunc", _truncated)
    define("dfloor", _floored)
    define("dceil", _ceiled)
    define("dsqrt", _square_root)
    define("dcbrt", math.cbrt)
    define("dexp", _exponential)
    define("dlog1", _logarithm(math.log))
    define("dlog10", _logarithm(math.log10))
    define("dpow", power)
    define("dpi", lambda: math.pi)
    define("degrees", math.degrees)
    define("radians", math.radians)
    for name in ("sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh", "asinh", "acosh"):
        define(f"d{name}", _in_domain(getattr(math, name)))
    define("datanh", _in_domain(_inverse_hyperbolic_tangent))
    define("dcot", _in_domain(_cotangent))
    define("datan2", math.atan2)


_define_mathematics()


# --- trigonometry in degrees --------------------------------------------------------------------------------
#
# Exact at the multiples of 30 and 45: each function is scaled by its value there, within the part of the
# first quadrant where it is precise, and the other quadrants follow by symmetry.

_SIN_30 = math.sin(math.radians(30.0))
_ONE_MINUS_COS_60 = 1.0 - math.cos(math.radians(60.0))


def _sine_to_30(angle: float) -> float:
    return (math.sin(math.radians(angle)) / _SIN_30) / 2.0


def _cosine_to_60(angle: float) -> float:
    return 1.0 - ((1.0 - math.cos(math.radians(angle))) / _ONE_MINUS_COS_60) / 2.0


def _sine_first_quadrant(angle: float) -> float:
    return _sine_to_30(angle) if angle <= 30.0 else _cosine_to_60(90.0 - angle)


def _cosine_first_quadrant(angle: float) -> float:
    return _cosine_to_60(angle) if angle <= 60.0 else _sine_to_30(90.0 - angle)


_TAN_45 = _sine_first_quadrant(45.0) / _cosine_first_quadrant(45.0)
_COT_45 = _cosine_first_quadrant(45.0) / _sine_first_quadrant(45.0)


def _reduced(angle: float) -> float:
    """The angle modulo 360, with its sign.  Raises NumericValueOutOfRange for infinity."""
    if math.isinf(angle):
        raise _out_of_range("input is out of range")
    return math.fmod(angle, 360.0)


def _sine_of_degrees(value: float) -> float:
    angle, sign = _reduced(value), 1.0
    if angle < 0.0:
        angle, sign = -angle, -1.0
    if angle > 180.0:
        angle, sign = 360.0 - angle, -sign
    if angle > 90.0:
        angle = 180.0 - angle
    return sign * _sine_first_quadrant(angle) if angle == angle else angle


def _cosine_of_degrees(value: float) -> float:
    angle, sign = abs(_reduced(value)), 1.0
    if angle > 180.0:
        angle = 360.0 - angle
    if angle > 90.0:
        angle, sign = 180.0 - angle, -1.0
    return sign * _cosine_first_quadrant(angle) if angle == angle else angle


def _by_quadrant(value: float, function: Callable[[float], float]) -> float:
    """A function of period 180 and odd, from its first quadrant.  Zero comes without a sign."""
    angle, sign = _reduced(value), 1.0
    if angle < 0.0:
        angle, sign = -angle, -1.0
    if angle > 180.0:
        angle, sign = 360.0 - angle, -sign
    if angle > 90.0:
        angle, sign = 180.0 - angle, -sign
    return sign * function(angle) or 0.0


def _quotient_of(dividend: float, divisor: float) -> float:
    return dividend / divisor if divisor else math.inf


def _tangent_of_degrees(value: float) -> float:
    return _by_quadrant(
        value,
        lambda angle: _quotient_of(_sine_first_quadrant(angle), _cosine_first_quadrant(angle)) / _TAN_45,
    )


def _cotangent_of_degrees(value: float) -> float:
    return _by_quadrant(
        value,
        lambda angle: _quotient_of(_cosine_first_quadrant(angle), _sine_first_quadrant(angle)) / _COT_45,
    )


def _arc_sine_first_quadrant(value: float) -> float:
    if value <= 0.5:
        return math.asin(value) / math.asin(0.5) * 30.0
    return 90.0 - math.acos(value) / math.acos(0.5) * 60.0


def _arc_cosine_first_quadrant(value: float) -> float:
    if value <= 0.5:
        return 90.0 - math.asin(value) / math.asin(0.5) * 30.0
    return math.acos(value) / math.acos(0.5) * 60.0


def _arc_sine_in_degrees(value: float) -> float:
    if value >= 0.0:
        return _arc_sine_first_quadrant(value)
    return -_arc_sine_first_quadrant(-value)


def _arc_cosine_in_degrees(value: float) -> float:
    if value >= 0.0:
        return _arc_cosine_first_quadrant(value)
    return 90.0 + _arc_sine_first_quadrant(-value)


def _arc_tangent_in_degrees(value: float) -> float:
    return math.atan(value) / math.atan(1.0) * 45.0


define("dsind", _sine_of_degrees)
define("dcosd", _cosine_of_degrees)
define("dtand", _tangent_of_degrees)
define("dcotd", _cotangent_of_degrees)
define("dasind", _in_domain(_arc_sine_in_degrees))
define("dacosd", _in_domain(_arc_cosine_in_degrees))
define("datand", _arc_tangent_in_degrees)
define("datan2d", lambda y, x: math.atan2(y, x) / math.atan(1.0) * 45.0)


# --- numeric ------------------------------------------------------------------------------------------------


def float_as_decimal(value: float, digits: int) -> Decimal:
    """A float as numeric, rounded to `digits` significant ones, as PostgreSQL converts (15 for float8,
    6 for float4)."""
    if not math.isfinite(value):
        return Decimal(str(value).replace("inf", "Infinity"))
    from skerry_engine.values.numeric import canonical

    return canonical(Decimal(f"{value:.{digits}g}"))


define("float8_numeric", lambda value: float_as_decimal(value, 15))
define("float4_numeric", lambda value: float_as_decimal(value, 6))
