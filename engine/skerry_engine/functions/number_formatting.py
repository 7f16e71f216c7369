"""to_char and to_number: numbers by template.

A template such as `FMS9,990.00` is read into a `Template`: a list of slots (digit positions, the point), the
places of signs and literals between them, and what holds for the whole.
Writing fills each slot with a digit, a blank or a zero:

    template   9 9 9 0 . 9 9          number  -5.1
    slots      _ _ _ 5 . 1 0          the sign stands before the first slot that is not blank
    text       _ _ - 5 . 1 0

FM drops the blanks, and behind the point the zeros that no `0` asks for.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from functools import lru_cache

from skerry_engine.errors import InvalidTextRepresentation, NotSupportedError, SyntaxError
from skerry_engine.functions.numerics import numeric_quotient
from skerry_engine.functions.registry import define
from skerry_engine.values.numeric import EXACT, read_numeric, rounded, write_numeric

_TOKEN = re.compile(
    r'"(?P<quoted>(?:[^"\\]|\\.)*)"?|(?P<key>EEEE|eeee|FM|fm|MI|mi|PL|pl|PR|pr|RN|rn|SG|sg|SP|sp|TH|th'
    r"|[0-9DdGgLlSsVvBbCc.,])|(?P<other>\\?.)",
    re.DOTALL,
)
_DIGITS = ("9", "0")


@dataclass(slots=True)
class Template:
    """A number template.  `tokens` are (kind, text) in order:
    kind 'literal' or the pattern's name in upper case."""

    tokens: list[tuple[str, str]] = field(default_factory=list)
    before: int = 0
    after: int = 0
    shift: int = 0
    first_zero: int = -1
    last_zero: int = -1
    fill_mode: bool = False
    has_point: bool = False
    sign: str = ""
    separate_signs: set[str] = field(default_factory=set)
    scientific: bool = False
    roman: bool = False


def _invalid(message: str) -> SyntaxError:
    return SyntaxError(message)


@lru_cache(maxsize=256)
def parse_template(text: str) -> Template:
    """The template.  Raises SyntaxError for combinations that make no sense."""
    template = Template()
    for match in _TOKEN.finditer(text):
        quoted, key, other = match.group("quoted", "key", "other")
        if key in ("C", "c"):
            continue
        if key is None or key in "12345678":
            literal = (
                re.sub(r"\\(.)", r"\1", quoted)
                if quoted is not None
                else (other or key or "").removeprefix("\\")
            )
            template.tokens.append(("literal", literal))
        else:
            _add_key(template, key.upper(), key)
    if template.scientific and (
        template.fill_mode or template.sign or template.separate_signs or template.roman or template.shift
    ):
        raise SyntaxError('"EEEE" is incompatible with other formats')
    return template


def _add_key(template: Template, key: str, written: str) -> None:
    if key in _DIGITS:
        _add_digit(template, key)
    elif key in (".", "D"):
        if template.has_point:
            raise _invalid("multiple decimal points")
        if template.shift or any(kind == "V" for kind, _text in template.tokens):
            raise _invalid('cannot use "V" and decimal point together')
        template.has_point = True
        key = "."
    elif key == "FM":
        template.fill_mode = True
        return
    elif key in ("S", "PR"):
        _add_sign(template, key)
    elif key in ("MI", "PL", "SG"):
        if template.sign == "S" or template.sign == "s":
            raise _invalid(f'cannot use "S" and "{key}" together')
        template.separate_signs.add(key)
    elif key == "EEEE":
        if template.scientific:
            raise _invalid('cannot use "EEEE" twice')
        template.scientific = True
    elif key == "RN":
        template.roman = True
    elif key == "V" and template.has_point:
        raise _invalid('cannot use "V" and decimal point together')
    elif key in ("SP", "B"):
        return
    template.tokens.append((key, written))


def _add_digit(template: Template, key: str) -> None:
    if template.sign == "PR":
        raise _invalid('"9" must be ahead of "PR"' if key == "9" else '"0" must be ahead of "PR"')
    if any(kind == "V" for kind, _text in template.tokens):
        template.shift += 1
        template.before += 1
        return
    index = template.before + template.after
    if key == "0":
        if template.first_zero < 0 and not template.has_point:
            template.first_zero = index
        template.last_zero = index
    if template.has_point:
        template.after += 1
    else:
        template.before += 1


def _add_sign(template: Template, key: str) -> None:
    if key == "S" and template.sign in ("S", "s"):
        raise _invalid('cannot use "S" twice')
    if template.sign or template.separate_signs:
        raise _invalid(
            'cannot use "S" and "PL"/"MI"/"SG"/"PR" together'
            if key == "S"
            else 'cannot use "PR" and "S"/"PL"/"MI"/"SG" together'
        )
    if key == "S" and not template.has_point and template.before + template.after == 0:
        template.sign = "S"  # before the number
    else:
        template.sign = "s" if key == "S" else key


# --- writing ------------------------------------------------------------------------------------------------


class _Writer:
    """Writes one number by a template.  `digits` is the number's magnitude
    with `decimals` digits behind the point.

    Where the template asks for a point or decimals that the digits do not have, the text ends,
    as PostgreSQL's does.
    """

    def __init__(self, template: Template, digits: str, negative: bool, decimals: int) -> None:
        self.template = template
        self.negative = negative
        self.whole, _point, self.fraction = digits.partition(".")
        self.lead = template.before - len(self.whole)
        self.overflowed = self.lead < 0
        if self.overflowed:
            self.whole, self.fraction = "#" * template.before, "#" * decimals
            self.lead = 0
        self.has_point = bool(self.fraction) or self.overflowed
        self.kept_decimals = self._kept_decimals()
        self.output: list[str] = []
        self.sign_written = False
        self.in_number = False
        self.slot = 0

    def text(self) -> str:
        template = self.template
        for kind, written in template.tokens:
            if self._is_beyond_digits(kind):
                break
            if kind in _DIGITS:
                self._digit(kind)
            elif kind == ".":
                self._opening_sign()
                self.output.append(".")
            elif kind in (",", "G"):
                self._separator()
            elif kind in ("MI", "PL", "SG"):
                self._separate_sign(kind)
            elif kind == "TH":
                self._ordinal(written)
            elif kind == "L":
                self.output.append(" ")
            elif kind == "literal":
                self.output.append(written)
            if self._is_last_slot(kind):
                self._closing_sign()
        return "".join(self.output)

    def _kept_decimals(self) -> int:
        """How many decimals FM leaves."""
        template = self.template
        if not template.fill_mode or self.overflowed:
            return template.after
        relevant = len(self.fraction.rstrip("0"))
        return max(relevant, template.last_zero - template.before + 1)

    def _is_beyond_digits(self, kind: str) -> bool:
        if kind == ".":
            return not self.has_point
        decimal = self.slot - self.template.before
        return kind in _DIGITS and decimal >= len(self.fraction) and decimal >= 0

    def _is_last_slot(self, kind: str) -> bool:
        template = self.template
        if template.has_point and not template.after:
            return kind == "."
        return kind in _DIGITS and self.slot == template.before + template.after

    def _hides_zero(self) -> bool:
        """Whether the 0 before the point of a number like 0.5 stays blank."""
        return (
            self.whole == "0"
            and self.template.after > 0
            and self.template.first_zero < 0 <= self.template.after
        )

    def _digit(self, kind: str) -> None:
        template = self.template
        index = self.slot
        self.slot += 1
        self.in_number = False
        if index >= template.before:
            decimal = index - template.before
            if decimal < self.kept_decimals or kind == "0":
                self._opening_sign()
                self.output.append(self.fraction[decimal])
                self.in_number = True
            return
        if index < self.lead:
            if 0 <= template.first_zero <= index:
                self._opening_sign()
                self.output.append("0")
                self.in_number = True
            elif not template.fill_mode:
                self.output.append(" ")
            return
        if self._hides_zero():
            if not template.fill_mode:
                self.output.append(" ")
            elif self.kept_decimals == 0:
                self._opening_sign()
                self.output.append("0")
            return
        self._opening_sign()
        self.output.append(self.whole[index - self.lead])
        self.in_number = True

    def _separator(self) -> None:
        if self.in_number:
            self.output.append(",")
        elif not self.template.fill_mode:
            self.output.append(" ")

    def _opening_sign(self) -> None:
        """The sign, where it stands before the number."""
        template = self.template
        if self.sign_written:
            return
        self.sign_written = True
        if template.sign == "S":
            self.output.append("-" if self.negative else "+")
        elif template.sign == "PR":
            if self.negative or not template.fill_mode:
                self.output.append("<" if self.negative else " ")
        elif not template.sign and not template.separate_signs & {"MI", "SG"}:
            if self.negative:
                self.output.append("-")
            elif not template.fill_mode:
                self.output.append(" ")

    def _closing_sign(self) -> None:
        template = self.template
        if template.sign == "s":
            self.output.append("-" if self.negative else "+")
        elif template.sign == "PR" and (self.negative or not template.fill_mode):
            self.output.append(">" if self.negative else " ")

    def _separate_sign(self, kind: str) -> None:
        sign = "-" if self.negative else "+"
        if kind == "SG" or (kind == "MI") == self.negative:
            self.output.append(sign)
        elif not self.template.fill_mode:
            self.output.append(" ")

    def _ordinal(self, written: str) -> None:
        if self.overflowed or self.negative or self.template.has_point:
            return
        ending = ordinal_ending(int(self.whole))
        self.output.append(ending.upper() if written.isupper() else ending)


def ordinal_ending(number: int) -> str:
    """st, nd, rd or th."""
    if 10 < number % 100 < 20:
        return "th"
    return {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")


_ROMAN = (
    *((1000, "M"), (900, "CM"), (500, "D"), (400, "CD"), (100, "C"), (90, "XC"), (50, "L")),
    *((40, "XL"), (10, "X"), (9, "IX"), (5, "V"), (4, "IV"), (1, "I")),
)


def roman_numeral(number: int) -> str:
    """The number in Roman figures; 15 # where it has none."""
    if not 1 <= number <= 3999:
        return "#" * 15
    text = ""
    for value, figure in _ROMAN:
        count, number = divmod(number, value)
        text += figure * count
    return text


def _write_roman(template: Template, number: int) -> str:
    parts = []
    for kind, written in template.tokens:
        if kind == "RN":
            text = roman_numeral(number) if written.isupper() else roman_numeral(number).lower()
            parts.append(text if template.fill_mode else text.rjust(15))
        elif kind == "literal":
            parts.append(written)
    return "".join(parts)


def _write_scientific(template: Template, value: Decimal) -> str:
    text = f"{value:.{template.after}e}" if value.is_finite() else ""
    if not text:
        width = template.before + template.after + 6
        return " " + "#" * template.before + "." + "#" * (width - template.before - 2)
    mantissa, exponent = text.split("e")
    power = int(exponent)
    text = f"{mantissa}e{'-' if power < 0 else '+'}{abs(power):02d}"
    return text if value < 0 else f" {text}"


def format_number(value: Decimal, text: str) -> str:
    """to_char of a finite number."""
    template = parse_template(text)
    if template.roman:
        return _write_roman(template, int(rounded(value, 0)))
    if template.scientific:
        return _write_scientific(template, value)
    if template.shift:
        value = EXACT.multiply(value, Decimal(10) ** template.shift)
    value = rounded(value, template.after)
    return _Writer(template, write_numeric(value.copy_abs()), value < 0, template.after).text()


def _format_special(text: str, shown: str, negative: bool) -> str:
    """NaN and infinities: shown as they are where they fit, else as #."""
    template = parse_template(text)
    if template.roman:
        return _write_roman(template, 0)
    if template.scientific:
        return _write_scientific(template, Decimal("NaN"))
    return _Writer(template, shown, negative, template.after).text()


def _numeric_to_char(value: Decimal, text: str) -> str:
    if not value.is_finite():
        shown = "NaN" if value.is_nan() else "Infinity"
        return _format_special(text, shown, value < 0 if not value.is_nan() else False)
    return format_number(value, text)


def _float_to_char(digits: int) -> Callable[[float, str], str]:
    def to_char(value: float, text: str) -> str:
        if not math.isfinite(value):
            return _format_special(text, "NaN" if value != value else "Infinity", value < 0)
        template = parse_template(text)
        if template.scientific or template.roman:
            return format_number(Decimal(value), text)
        scaled = value * 10.0**template.shift
        whole = len(f"{abs(scaled):.0f}")
        decimals = min(template.after, digits - whole) if whole < digits else 0
        shown = f"{abs(scaled):.{decimals}f}"
        return _Writer(template, shown, math.copysign(1.0, scaled) < 0, decimals).text()

    return to_char


define("numeric_to_char", _numeric_to_char)
define("int4_to_char", lambda value, text: format_number(Decimal(value), text))
define("int8_to_char", lambda value, text: format_number(Decimal(value), text))
define("float4_to_char", _float_to_char(6))
define("float8_to_char", _float_to_char(15))


# --- reading ------------------------------------------------------------------------------------------------


class _Reader:
    """Reads one number by a template: digits where it has slots, signs where it allows them."""

    def __init__(self, template: Template, text: str) -> None:
        self.template = template
        self.text = text
        self.position = 0
        self.digits = ""
        self.negative = False
        self.sign_read = False
        self.point_read = False
        self.decimals = 0

    def number(self) -> str:
        self._skip_blanks()
        for kind, written in self.template.tokens:
            if self.position >= len(self.text):
                break
            if kind in _DIGITS:
                self._digit()
            elif kind == ".":
                self._point()
            elif kind in (",", "G"):
                if self._next() == ",":
                    self.position += 1
            elif kind in ("MI", "PL", "SG", "S"):
                self._sign()
            elif kind == "literal":
                self.position += len(written)
            elif kind in ("TH", "L", "PR"):
                self._closing(kind)
        self._trailing_sign()
        return ("-" if self.negative else "") + self.digits

    def _next(self) -> str:
        return self.text[self.position : self.position + 1]

    def _skip_blanks(self) -> None:
        while self._next() == " ":
            self.position += 1

    def _digit(self) -> None:
        if not self.digits:
            self._skip_blanks()
            self._sign()
            if self._next() == "<" and self.template.sign == "PR":
                self.negative = True
                self.position += 1
        character = self._next()
        if character.isascii() and character.isdigit():
            if not self.point_read or self.decimals < self.template.after:
                self.digits += character
                self.decimals += self.point_read
                self.position += 1
        elif character == "." and self.template.has_point and not self.point_read:
            self._point()
            self._digit()

    def _point(self) -> None:
        if self._next() == "." and not self.point_read:
            self.point_read = True
            self.digits += "."
            self.position += 1

    def _sign(self) -> None:
        if not self.sign_read and self._next() in ("+", "-") and self._next():
            self.negative = self._next() == "-"
            self.sign_read = True
            self.position += 1

    def _closing(self, kind: str) -> None:
        if kind == "PR" and self._next() == ">":
            self.position += 1
        elif kind in ("TH", "L"):
            self.position += 2 if kind == "TH" else 1

    def _trailing_sign(self) -> None:
        if self.template.sign == "s" or self.template.separate_signs:
            self._sign()


def _to_number(text: str, template_text: str) -> Decimal | None:
    if not template_text:
        return None
    template = parse_template(template_text)
    for kind, refused in (("EEEE", template.scientific), ("RN", template.roman)):
        if refused:
            raise NotSupportedError(f'"{kind}" not supported for input')
    number = _Reader(template, text).number()
    if not any(character.isdigit() for character in number):
        raise InvalidTextRepresentation(f'invalid input syntax for type numeric: "{number or " "}"')
    value = rounded(read_numeric(number if number[-1] != "." else number[:-1]), template.after)
    return numeric_quotient(value, Decimal(10) ** template.shift) if template.shift else value


define("numeric_to_number", _to_number)
