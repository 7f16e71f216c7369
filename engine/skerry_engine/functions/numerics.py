"""Functions of numeric: exact arithmetic on Decimal, with PostgreSQL's rules for the scale of results.

Sums keep the larger scale, products the sum of scales; quotients and irrational functions give at least 16
significant digits, counted as PostgreSQL counts them: in base 10000, which is why `_weight` below groups
digits by four.  The rules for the scale come from PostgreSQL's documented behaviour and
are checked against it in tests.

NaN equals itself and is greater than everything.
"""

from __future__ import annotations

import math
from decimal import ROUND_CEILING, ROUND_DOWN, ROUND_FLOOR, ROUND_HALF_EVEN, Context, Decimal
from decimal import DivisionByZero as DecimalDivisionByZero
from functools import lru_cache

from skerry_engine.errors import (
    DivisionByZero,
    InvalidArgumentForLogarithm,
    InvalidArgumentForPower,
    InvalidArgumentForWidthBucket,
    NotSupportedError,
    NumericValueOutOfRange,
)
from skerry_engine.functions.namespace import NAMESPACE, helper
from skerry_engine.functions.registry import Implementation, define
from skerry_engine.values.floats import round_to_single
from skerry_engine.values.numeric import (
    EXACT,
    INFINITY,
    MAX_INTEGRAL_DIGITS,
    NAN,
    ZERO,
    apply_typmod,
    overflow,
    rounded,
    scale_of,
    unit,
)

MIN_SIGNIFICANT_DIGITS = 16
MAX_DISPLAY_SCALE = 1000

QUIET = Context(prec=EXACT.prec, rounding=EXACT.rounding, Emin=-999999, Emax=999999, traps=[])
"""As EXACT, but what is undefined gives NaN: infinity - infinity, 0 * infinity."""

NAMESPACE["numeric_sum"] = QUIET.add
NAMESPACE["numeric_difference"] = QUIET.subtract
NAMESPACE["numeric_product"] = QUIET.multiply
NAMESPACE["Decimal"] = Decimal
NAMESPACE["ZERO"] = ZERO


# --- comparison ---------------------------------------------------------------------------------------------

_NAN_0 = "{0} != {0}"
_NAN_1 = "{1} != {1}"


@helper
def numeric_less(first: Decimal, second: Decimal) -> bool:
    """first < second in SQL's order."""
    if first != first:
        return False
    return second != second or first < second


@helper
def numeric_less_equal(first: Decimal, second: Decimal) -> bool:
    """first <= second in SQL's order."""
    if second != second:
        return True
    return first == first and first <= second


define("numeric_eq", template=f"{{0}} == {{1}} or ({_NAN_0} and {_NAN_1})")
define("numeric_ne", template="{0} != {1} and ({0} == {0} or {1} == {1})")
define("numeric_lt", template="numeric_less({0}, {1})")
define("numeric_le", template="numeric_less_equal({0}, {1})")
define("numeric_gt", template="numeric_less({1}, {0})")
define("numeric_ge", template="numeric_less_equal({1}, {0})")
define("numeric_cmp", template="numeric_less({1}, {0}) - numeric_less({0}, {1})")
define("numeric_larger", template="{0} if numeric_less({1}, {0}) else {1}")
define("numeric_smaller", template="{0} if numeric_less({0}, {1}) else {1}")


# --- arithmetic ---------------------------------------------------------------------------------------------


def _product_limited(first: Decimal, second: Decimal) -> Decimal:
    """The product, checked: too many digits is an error."""
    result = QUIET.multiply(first, second)
    if result.is_finite() and result and result.adjusted() >= MAX_INTEGRAL_DIGITS:
        raise overflow()
    return result if result else result.copy_abs()


def _weight(value: Decimal) -> tuple[int, int]:
    """(weight, value) of the first digit in base 10000; (0, 0) for zero."""
    if not value:
        return 0, 0
    weight = value.adjusted() // 4
    return weight, int(EXACT.scaleb(value.copy_abs(), -4 * weight))


def quotient_scale(dividend: Decimal, divisor: Decimal) -> int:
    """The scale that dividend / divisor gets."""
    weight, first = _weight(dividend)
    divisor_weight, divisor_first = _weight(divisor)
    quotient_weight = weight - divisor_weight - (first <= divisor_first)
    scale = MIN_SIGNIFICANT_DIGITS - 4 * quotient_weight
    return min(max(scale, scale_of(dividend), scale_of(divisor), 0), MAX_DISPLAY_SCALE)


@lru_cache(maxsize=256)
def _truncating(precision: int) -> Context:
    traps = [DecimalDivisionByZero]
    return Context(prec=precision, rounding=ROUND_DOWN, Emin=-999999, Emax=999999, traps=traps)


@lru_cache(maxsize=256)
def _approximate(precision: int) -> Context:
    return Context(prec=precision, rounding=ROUND_HALF_EVEN, Emin=-999999, Emax=999999, traps=[])


def quotient_at(dividend: Decimal, divisor: Decimal, scale: int) -> Decimal:
    """A finite quotient with `scale` digits after the point, ties away from zero."""
    digits = max(dividend.adjusted() - divisor.adjusted() + 1, 0) + scale + 3
    return rounded(_truncating(max(digits, 1)).divide(dividend, divisor), scale)


@helper
def numeric_quotient(dividend: Decimal, divisor: Decimal) -> Decimal:
    """dividend / divisor.  Raises DivisionByZero."""
    if dividend.is_finite() and divisor.is_finite():
        if not divisor:
            raise DivisionByZero("division by zero")
        return quotient_at(dividend, divisor, quotient_scale(dividend, divisor))
    return _special_quotient(dividend, divisor)


def _special_quotient(dividend: Decimal, divisor: Decimal) -> Decimal:
    if dividend.is_nan() or divisor.is_nan():
        return NAN
    if not divisor:
        raise DivisionByZero("division by zero")
    if dividend.is_infinite():
        return NAN if divisor.is_infinite() else QUIET.multiply(dividend, Decimal(1).copy_sign(divisor))
    return ZERO


@helper
def numeric_remainder(dividend: Decimal, divisor: Decimal) -> Decimal:
    """The remainder, with the dividend's sign.  Raises DivisionByZero."""
    if dividend.is_nan() or divisor.is_nan():
        return NAN
    if not divisor:
        raise DivisionByZero("division by zero")
    if dividend.is_infinite():
        return NAN
    if divisor.is_infinite():
        return dividend
    result = EXACT.remainder(dividend, divisor)
    return rounded(result, max(scale_of(dividend), scale_of(divisor)))


def _integer_quotient(dividend: Decimal, divisor: Decimal) -> Decimal:
    if not (dividend.is_finite() and divisor.is_finite()):
        return _special_quotient(dividend, divisor)
    if not divisor:
        raise DivisionByZero("division by zero")
    result = EXACT.divide_int(dividend, divisor)
    return result if result else ZERO


define("numeric_add", template="numeric_sum({0}, {1})")
define("numeric_sub", template="numeric_difference({0}, {1})")
NAMESPACE["numeric_product_checked"] = _product_limited
define("numeric_mul", template="numeric_product_checked({0}, {1})")
define("numeric_div", template="numeric_quotient({0}, {1})")
define("numeric_mod", template="numeric_remainder({0}, {1})")
define("numeric_div_trunc", _integer_quotient)
define("numeric_uminus", template="{0}.copy_negate() if {0} else {0}")
define("numeric_uplus", template="{0}")
define("numeric_abs", template="{0}.copy_abs()")
define("numeric_inc", template="numeric_sum({0}, 1)")


# --- rounding -----------------------------------------------------------------------------------------------


@helper
def numeric_rounded(value: Decimal, scale: int) -> Decimal:
    """Rounded to `scale` digits after the point, below 0 before it; ties away from zero."""
    return rounded(value, _limited(scale)) if value.is_finite() else value


def _limited(scale: int) -> int:
    return max(min(scale, 2000), -2000)


def _cut(value: Decimal, scale: int, rounding: str) -> Decimal:
    if not value.is_finite():
        return value
    result = EXACT.quantize(value, unit(scale)) if scale >= 0 and scale >= scale_of(value) else None
    if result is None:
        result = value.quantize(unit(scale), rounding=rounding, context=EXACT)
    if scale < 0:
        result = EXACT.quantize(result, unit(0))
    return result if result else result.copy_abs()


def _sign(value: Decimal) -> Decimal:
    if value.is_nan():
        return NAN
    return Decimal((value > ZERO) - (value < ZERO))


def _least_scale(value: Decimal) -> int | None:
    return scale_of(trimmed(value)) if value.is_finite() else None


def trimmed(value: Decimal) -> Decimal:
    """A finite value without trailing zeros after the point."""
    if not value:
        return ZERO
    normal = EXACT.normalize(value)
    return normal if scale_of(normal) > 0 else EXACT.quantize(normal, unit(0))


define("numeric_round", template="numeric_rounded({0}, {1})")
define("round_numeric", template="numeric_rounded({0}, 0)")
define("numeric_trunc", lambda value, scale: _cut(value, _limited(scale), ROUND_DOWN))
define("trunc_numeric", lambda value: _cut(value, 0, ROUND_DOWN))
define("numeric_ceil", lambda value: _cut(value, 0, ROUND_CEILING))
define("numeric_floor", lambda value: _cut(value, 0, ROUND_FLOOR))
define("numeric_sign", _sign)
define("numeric_scale", lambda value: scale_of(value) if value.is_finite() else None)
define("numeric_min_scale", _least_scale)
define("numeric_trim_scale", lambda value: trimmed(value) if value.is_finite() else value)
NAMESPACE["numeric_apply_typmod"] = apply_typmod
define("numeric", template="numeric_apply_typmod({0}, {1})")


# --- conversions --------------------------------------------------------------------------------------------


def _integer_converter(low: int, high: int, name: str) -> Implementation:
    def convert(value: Decimal) -> int:
        if not value.is_finite():
            kind = "NaN" if value.is_nan() else "infinity"
            raise NotSupportedError(f"cannot convert {kind} to {name}")
        result = int(rounded(value, 0)) if value.adjusted() < 30 else high + 1
        if not low <= result <= high:
            raise NumericValueOutOfRange(f"{name} out of range")
        return result

    return convert


def _to_float(value: Decimal) -> float:
    result = float(value)
    if math.isinf(result) and value.is_finite():
        raise NumericValueOutOfRange(f'"{value}" is out of range for type double precision')
    return result


def _to_single(value: Decimal) -> float:
    result = _to_float(value)
    try:
        return round_to_single(result)
    except OverflowError:
        raise NumericValueOutOfRange(f'"{value}" is out of range for type real') from None


for _bits, _name in ((16, "smallint"), (32, "integer"), (64, "bigint")):
    _half = 1 << (_bits - 1)
    define(f"numeric_int{_bits // 8}", _integer_converter(-_half, _half - 1, _name))
    define(f"int{_bits // 8}_numeric", template="Decimal({0})")
define("numeric_float8", _to_float)
define("numeric_float4", _to_single)


# --- irrational functions -----------------------------------------------------------------------------------


def _clamped_scale(scale: int, *values: Decimal) -> int:
    return min(max(scale, 0, *map(scale_of, values)), MAX_DISPLAY_SCALE)


def _at_scale(value: Decimal, scale: int) -> Decimal:
    if value.is_finite() and value and value.adjusted() >= MAX_INTEGRAL_DIGITS:
        raise overflow()
    return rounded(value, scale)


def _square_root(value: Decimal) -> Decimal:
    if value.is_nan():
        return NAN
    if value < ZERO:
        raise InvalidArgumentForPower("cannot take square root of a negative number")
    if value.is_infinite():
        return value
    weight, _first = _weight(value)
    scale = _clamped_scale(MIN_SIGNIFICANT_DIGITS - _root_weight(weight), value)
    return root_at(value, scale)


def root_at(value: Decimal, scale: int) -> Decimal:
    """The square root of a finite, non-negative value with `scale` digits after the point."""
    digits = max(value.adjusted() // 2 + 1, 0) + scale + 5
    return _at_scale(_truncating(digits).sqrt(value), scale)


def _root_weight(weight: int) -> int:
    """The decimal weight that PostgreSQL reckons a square root to have (C division truncates)."""
    return int((weight + 1) * 4 / 2) - 1


def log_weight(value: Decimal) -> int:
    """The decimal weight that PostgreSQL estimates ln(value) to have; `value` is positive."""
    if Decimal("0.9") <= value <= Decimal("1.1"):
        difference = EXACT.subtract(value, Decimal(1))
        if not difference:
            return 0
        weight, first = _weight(difference)
        return weight * 4 + int(math.log10(first))
    weight, first = _weight(value)
    power = weight * 4
    rest = EXACT.subtract(value, EXACT.scaleb(Decimal(first), power))
    digits = first
    if rest:
        digits = int(EXACT.scaleb(value, 4 - power))
        power -= 4
    estimate = math.log(digits) + power * 2.302585092994046
    return int(math.log10(abs(estimate)))


def _check_logarithm(value: Decimal) -> None:
    if not value:
        raise InvalidArgumentForLogarithm("cannot take logarithm of zero")
    if value < ZERO:
        raise InvalidArgumentForLogarithm("cannot take logarithm of a negative number")


def _natural_logarithm(value: Decimal) -> Decimal:
    if value.is_nan():
        return NAN
    _check_logarithm(value)
    if value.is_infinite():
        return value
    scale = _clamped_scale(MIN_SIGNIFICANT_DIGITS - log_weight(value), value)
    return _at_scale(_approximate(scale + 20).ln(value), scale)


def _logarithm(base: Decimal, value: Decimal) -> Decimal:
    if base.is_nan() or value.is_nan():
        return NAN
    _check_logarithm(base)
    _check_logarithm(value)
    if base.is_infinite() or value.is_infinite():
        if base.is_infinite():
            return NAN if value.is_infinite() else ZERO
        return INFINITY
    scale = _clamped_scale(MIN_SIGNIFICANT_DIGITS - (log_weight(value) - log_weight(base)), base, value)
    context = _approximate(scale + 30)
    divisor = context.ln(base)
    if not divisor:
        raise DivisionByZero("division by zero")
    return _at_scale(context.divide(context.ln(value), divisor), scale)


def _exponential(value: Decimal) -> Decimal:
    if not value.is_finite():
        return ZERO if value.is_infinite() and value < ZERO else value
    estimate = max(min(float(value) * 0.434294481903252, 2000.0), -2000.0)
    if float(value) > 2 * MAX_INTEGRAL_DIGITS * 2.302585092994046:
        raise overflow()
    scale = _clamped_scale(MIN_SIGNIFICANT_DIGITS - int(estimate), value)
    digits = max(int(float(value) * 0.434294481903252) + 2, 1) + scale + 5
    return _at_scale(_approximate(digits).exp(value), scale)


def _power(base: Decimal, exponent: Decimal) -> Decimal:
    special = _special_power(base, exponent)
    if special is not None:
        return special
    whole = exponent == EXACT.to_integral_value(exponent)
    if whole and abs(exponent) <= 2**31 - 1:
        scale = _clamped_scale(MIN_SIGNIFICANT_DIGITS, base)
        return _integer_power(base, int(exponent), scale)
    if not base:
        return rounded(ZERO, MIN_SIGNIFICANT_DIGITS)
    negative = base < ZERO
    magnitude = base.copy_abs()
    result = _fractional_power(magnitude, exponent)
    return result.copy_negate() if negative and exponent % 2 else result


def _special_power(base: Decimal, exponent: Decimal) -> Decimal | None:
    """The result where infinities, NaN and undefined cases decide; None otherwise."""
    if base.is_nan() or exponent.is_nan():
        if base == 1 or exponent == 0:
            return Decimal(1)
        return NAN
    if not base and exponent < ZERO:
        raise InvalidArgumentForPower("zero raised to a negative power is undefined")
    if base.is_finite() and exponent.is_finite():
        if base < ZERO and exponent != EXACT.to_integral_value(exponent):
            raise InvalidArgumentForPower(
                "a negative number raised to a non-integer power yields a complex result"
            )
        return None
    return _infinite_power(base, exponent)


def _infinite_power(base: Decimal, exponent: Decimal) -> Decimal:
    if base == 1 or exponent == 0:
        return Decimal(1)
    if exponent.is_infinite():
        if base == -1:
            return Decimal(1)
        grows = (abs(base) > 1) == (exponent > ZERO)
        return INFINITY if grows else ZERO
    if exponent < ZERO:
        return ZERO
    if base < ZERO and exponent == EXACT.to_integral_value(exponent) and exponent % 2:
        return base
    return INFINITY


def _integer_power(base: Decimal, exponent: int, scale: int) -> Decimal:
    if exponent == 0:
        return rounded(Decimal(1), scale)
    if not base:
        return rounded(ZERO, scale)
    weight = (
        exponent * math.log10(abs(float(base))) if abs(base.adjusted()) < 300 else exponent * base.adjusted()
    )
    if weight > MAX_INTEGRAL_DIGITS:
        raise overflow()
    if weight + 1 < -scale:
        return rounded(ZERO, scale)
    digits = max(int(weight) + 2, 1) + scale + 15
    return _at_scale(_approximate(digits).power(base, exponent), scale)


def _fractional_power(base: Decimal, exponent: Decimal) -> Decimal:
    estimate = float(exponent) * float(_approximate(20).ln(base))
    if abs(estimate) > 2000 * 3.01:
        if estimate > 0:
            raise overflow()
        return rounded(ZERO, MAX_DISPLAY_SCALE)
    weight = estimate * 0.434294481903252
    scale = _clamped_scale(MIN_SIGNIFICANT_DIGITS - int(weight), base, exponent)
    digits = max(int(weight) + 2, 1) + scale + 10
    return _at_scale(_approximate(digits).power(base, exponent), scale)


def _factorial(value: int) -> Decimal:
    if value < 0:
        raise NumericValueOutOfRange("factorial of a negative number is undefined")
    if value > 32177:
        raise overflow()
    return _decimal_of(math.factorial(value)) if value < 1000 else _long_factorial(value)


def _decimal_of(value: int) -> Decimal:
    return Decimal(value)


def _long_factorial(value: int) -> Decimal:
    result = Decimal(1)
    for factor in range(2, value + 1):
        result = EXACT.multiply(result, Decimal(factor))
    return result


def _greatest_common_divisor(first: Decimal, second: Decimal) -> Decimal:
    if not (first.is_finite() and second.is_finite()):
        return NAN
    scale = max(scale_of(first), scale_of(second))
    one, other = (int(EXACT.scaleb(item, scale)) for item in (first, second))
    return rounded(EXACT.scaleb(Decimal(math.gcd(one, other)), -scale), scale)


def _least_common_multiple(first: Decimal, second: Decimal) -> Decimal:
    if not (first.is_finite() and second.is_finite()):
        return NAN
    scale = max(scale_of(first), scale_of(second))
    one, other = (int(EXACT.scaleb(item, scale)) for item in (first, second))
    return rounded(EXACT.scaleb(Decimal(math.lcm(one, other)), -scale), scale)


def _width_bucket(operand: Decimal, low: Decimal, high: Decimal, count: int) -> int:
    if count <= 0:
        raise InvalidArgumentForWidthBucket("count must be greater than zero")
    if operand.is_nan() or low.is_nan() or high.is_nan():
        raise InvalidArgumentForWidthBucket("operand, lower bound, and upper bound cannot be NaN")
    if low.is_infinite() or high.is_infinite():
        raise InvalidArgumentForWidthBucket("lower and upper bounds must be finite")
    if low == high:
        raise InvalidArgumentForWidthBucket("lower bound cannot equal upper bound")
    if low < high:
        below, beyond = operand < low, operand >= high
    else:
        below, beyond = operand > low, operand <= high
    if below or beyond:
        return 0 if below else count + 1
    distance = EXACT.multiply(EXACT.subtract(operand, low), Decimal(count))
    return int(EXACT.divide_int(distance, EXACT.subtract(high, low))) + 1


define("numeric_sqrt", _square_root)
define("numeric_ln", _natural_logarithm)
define("numeric_log", _logarithm)
define("log_numeric", lambda value: _logarithm(Decimal(10), value))
define("log10_numeric", lambda value: _logarithm(Decimal(10), value))
define("numeric_exp", _exponential)
define("numeric_power", _power)
define("numeric_fac", _factorial)
define("numeric_gcd", _greatest_common_divisor)
define("numeric_lcm", _least_common_multiple)
define("width_bucket_numeric", _width_bucket)
