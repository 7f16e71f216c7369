"""Functions of text, varchar, bpchar, name and "char".

Text compares by code point (collation C).  bpchar atoms carry no padding, so they compare as they are.
"""

from __future__ import annotations

import re
from typing import Literal

from skerry_engine.abc import FunctionContext
from skerry_engine.errors import (
    InvalidParameterValue,
    NullValueNotAllowed,
    NumericValueOutOfRange,
    ProgramLimitExceeded,
    SubstringError,
    SyntaxError,
)
from skerry_engine.functions.comparisons import SYMBOLS, define_comparisons, define_extremes, define_three_way
from skerry_engine.functions.namespace import helper
from skerry_engine.functions.registry import Implementation, define
from skerry_engine.values import oids
from skerry_engine.values.text import clip_name, fit_bpchar, fit_varchar

MAX_CHARACTERS = 256 * 1024 * 1024
"""No string grows beyond this (PostgreSQL's limit is 1 GB of bytes)."""

# --- comparison ---------------------------------------------------------------------------------------------

for _suffix in ("text", "name"):
    define_comparisons({"text": "name", "name": "text"}[_suffix], _suffix)
define_comparisons("name")
define_comparisons("bpchar")
define_comparisons("char")
define_comparisons("text_")
define("texteq", template="{0} == {1}")
define("textne", template="{0} != {1}")
for _prefix in ("text_pattern_", "bpchar_pattern_"):
    for _name in ("lt", "le", "gt", "ge"):
        define(f"{_prefix}{_name}", template=f"{{0}} {SYMBOLS[_name]} {{1}}")
define_extremes("text_larger", "text_smaller")
define_extremes("bpchar_larger", "bpchar_smaller")
for _name in (
    "bttextcmp",
    "bpcharcmp",
    "btnamecmp",
    "btcharcmp",
    "btnametextcmp",
    "bttextnamecmp",
    "bttext_pattern_cmp",
):
    define_three_way(_name)


# --- conversions --------------------------------------------------------------------------------------------

define("text_name", clip_name)
define("name_text", template="{0}")
define("bpchar_name", clip_name)
define("name_bpchar", template="{0}")
define("char_text", template="{0}")
define("text_char", template="{0}[:1]")
define("char_bpchar", template="{0}")
define("rtrim1", template="{0}.rstrip(' ')")


def _char_to_int(value: str) -> int:
    byte = value.encode()[0] if value else 0
    return byte - 256 if byte > 127 else byte


def _int_to_char(value: int) -> str:
    if not -128 <= value <= 127:
        raise NumericValueOutOfRange('"char" out of range')
    return chr(value) if value > 0 else ""


define("chartoi4", _char_to_int)
define("i4tochar", _int_to_char)
define("varchar", fit_varchar)
define("bpchar", fit_bpchar)


# --- length and pieces --------------------------------------------------------------------------------------


def _limited(length: int) -> None:
    if length > MAX_CHARACTERS:
        raise ProgramLimitExceeded("requested length too large")


def substring(text: str, start: int, length: int) -> str:
    """The `length` characters from the 1-based `start`, which may lie before the text.
    Raises SubstringError."""
    if length < 0:
        raise SubstringError("negative substring length not allowed")
    end = start + length - 1
    return text[max(start, 1) - 1 : max(end, 0)]


def substring_from(text: str, start: int) -> str:
    """The characters from the 1-based `start` on."""
    return text[max(start, 1) - 1 :]


def _left(text: str, count: int) -> str:
    return text[:count] if count >= 0 else text[: max(len(text) + count, 0)]


def _right(text: str, count: int) -> str:
    if count >= 0:
        return text[len(text) - count :] if count < len(text) else text
    return text[-count:]


def _fill(text: str, missing: int, fill: str) -> str:
    return (fill * (missing // len(fill) + 1))[:missing]


def left_padded(text: str, length: int, fill: str = " ") -> str:
    """lpad: `fill` repeated before the text, or the text cut to the length."""
    _limited(length)
    length = max(length, 0)
    if length <= len(text) or not fill:
        return text[:length]
    return _fill(text, length - len(text), fill) + text


def right_padded(text: str, length: int, fill: str = " ") -> str:
    """rpad: `fill` repeated after the text, or the text cut to the length."""
    _limited(length)
    length = max(length, 0)
    if length <= len(text) or not fill:
        return text[:length]
    return text + _fill(text, length - len(text), fill)


def _repeated(text: str, count: int) -> str:
    _limited(len(text) * max(count, 0))
    return text * count


def _overlay(text: str, new: str, start: int, length: int | None = None) -> str:
    if start <= 0:
        raise SubstringError("negative substring length not allowed")
    count = len(new) if length is None else length
    return text[: start - 1] + new + substring_from(text, start + count)


def _split_part(text: str, delimiter: str, number: int) -> str:
    if number == 0:
        raise InvalidParameterValue("field position must not be zero")
    if not text:
        return ""
    if not delimiter:
        return text if number in (1, -1) else ""
    parts = text.split(delimiter)
    index = number - 1 if number > 0 else len(parts) + number
    return parts[index] if 0 <= index < len(parts) else ""


def _starts_with(text: str, prefix: str) -> bool:
    return text.startswith(prefix)


define("textlen", template="len({0})")
define("bpcharlen", template="len({0})")
define("textoctetlen", template="len({0}.encode())")
define("bpcharoctetlen", template="len({0}.encode())")
define("bit_length_text", template="8 * len({0}.encode())")
define("text_substr", substring)
define("text_substr_no_len", substring_from)
define("text_left", _left)
define("text_right", _right)
define("text_reverse", template="{0}[::-1]")
define("lpad", left_padded)
define("lpad_text_int4", left_padded)
define("rpad", right_padded)
define("rpad_text_int4", right_padded)
define("repeat", _repeated)
define("textoverlay", _overlay)
define("textoverlay_no_len", _overlay)
define("split_part", _split_part)
define("textpos", template="{0}.find({1}) + 1")
define("replace_text", lambda text, old, new: text.replace(old, new) if old else text)
define("text_starts_with", template="{0}.startswith({1})")
define("textcat", template="{0} + {1}")


def _name_with_oid(name: str, oid: int) -> str:
    suffix = f"_{oid}"
    return name.encode()[: 63 - len(suffix)].decode(errors="ignore") + suffix


define("nameconcatoid", _name_with_oid)


# --- trimming, case -----------------------------------------------------------------------------------------

define("btrim", template="{0}.strip({1})")
define("btrim1", template="{0}.strip(' ')")
define("ltrim", template="{0}.lstrip({1})")
define("ltrim1", template="{0}.lstrip(' ')")
define("rtrim", template="{0}.rstrip({1})")

_TO_UPPER = str.maketrans("abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ")
_TO_LOWER = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz")
_WORD = re.compile("[A-Za-z0-9]+")


@helper
def text_upper(text: str) -> str:
    """Upper case of ASCII letters, as in locale C."""
    return text.upper() if text.isascii() else text.translate(_TO_UPPER)


@helper
def text_lower(text: str) -> str:
    """Lower case of ASCII letters, as in locale C."""
    return text.lower() if text.isascii() else text.translate(_TO_LOWER)


define("upper", template="text_upper({0})")
define("lower", template="text_lower({0})")
define("initcap", lambda text: _WORD.sub(lambda word: word[0][0].upper() + word[0][1:].lower(), text))


# --- characters ---------------------------------------------------------------------------------------------


def _translated(text: str, old: str, new: str) -> str:
    table: dict[int, int | None] = {}
    for index, character in enumerate(old):
        table.setdefault(ord(character), ord(new[index]) if index < len(new) else None)
    return text.translate(table)


def _character(code: int) -> str:
    if code == 0:
        raise ProgramLimitExceeded("null character not permitted")
    if code < 0:
        raise ProgramLimitExceeded("character number must be positive")
    if code > 0x10FFFF:
        raise ProgramLimitExceeded(f"requested character too large for encoding: {code}")
    if 0xD800 <= code <= 0xDFFF:
        raise ProgramLimitExceeded(f"requested character not valid for encoding: {code}")
    return chr(code)


def _to_ascii_number(text: str) -> int:
    return ord(text[0]) if text else 0


define("translate", _translated)
define("chr", _character)
define("ascii", _to_ascii_number)


# --- quoting ------------------------------------------------------------------------------------------------


def quote_literal(text: str) -> str:
    """The text as an SQL literal, E'' where it holds backslashes."""
    quoted = text.replace("'", "''")
    if "\\" in quoted:
        return "E'" + quoted.replace("\\", "\\\\") + "'"
    return f"'{quoted}'"


def quote_identifier(text: str) -> str:
    """The text as an identifier, quoted where it is not a plain one or is a keyword."""
    from skerry_engine.functions.keywords import NEEDS_QUOTES

    if _PLAIN_NAME.fullmatch(text) and text not in NEEDS_QUOTES:
        return text
    return '"' + text.replace('"', '""') + '"'


_PLAIN_NAME = re.compile("[a-z_][a-z0-9_]*")


def _typed_text(arg_types: tuple[int, ...], index: int = 0) -> Implementation:
    """How to turn the argument at `index` into text: (context, value) -> str."""
    from skerry_engine.functions.output import text_of

    return text_of(arg_types[min(index, len(arg_types) - 1)])


def _cast_to_text(type_oid: int) -> Implementation:
    """How an explicit cast to text does it: (context, value) -> str."""
    from skerry_engine.functions.casts import find_coercion

    coercion = find_coercion(type_oid, oids.TEXT, "e")
    function = coercion.function if coercion is not None else None
    if function is None or function.implementation is None:
        return lambda context, value: value
    cast = function.implementation
    return cast if function.needs_context else lambda context, value: cast(value)


def _quote_literal_any(arg_types: tuple[int, ...], _return_type: int) -> Implementation:
    cast = _cast_to_text(arg_types[0])
    return lambda context, value: quote_literal(str(cast(context, value)))


def _quote_nullable_any(arg_types: tuple[int, ...], _return_type: int) -> Implementation:
    cast = _cast_to_text(arg_types[0])
    return lambda context, value: "NULL" if value is None else quote_literal(str(cast(context, value)))


define("quote_literal", quote_literal)
define("quote_ident", quote_identifier)
define("quote_nullable", lambda text: "NULL" if text is None else quote_literal(text))
define("quote_literal_anyelement", factory=_quote_literal_any, needs_context=True)
define("quote_nullable_anyelement", factory=_quote_nullable_any, needs_context=True)


_IDENTIFIER = re.compile(
    r'\s*(?:"((?:[^"]|"")*)"|([A-Za-z_\u0080-\U0010ffff][A-Za-z0-9_$\u0080-\U0010ffff]*))\s*'
)


def parse_identifier(text: str, strict: bool = True) -> tuple[str, ...]:
    """The parts of a dotted name, unquoted ones in lower case.  Raises InvalidParameterValue."""
    parts: list[str] = []
    position = 0
    while True:
        match = _IDENTIFIER.match(text, position)
        if match is None:
            raise InvalidParameterValue(f'string is not a valid identifier: "{text}"')
        parts.append(text_lower(match[2]) if match[1] is None else match[1].replace('""', '"'))
        position = match.end()
        if not text.startswith(".", position):
            break
        position += 1
    if strict and position < len(text):
        raise InvalidParameterValue(f'string is not a valid identifier: "{text}"')
    return tuple(parts)


define("parse_ident", parse_identifier)


# --- concatenation ------------------------------------------------------------------------------------------


def _concatenation(arg_types: tuple[int, ...], _return_type: int) -> Implementation:
    writers = [_typed_text(arg_types, index) for index in range(len(arg_types))]

    def concatenate(context: FunctionContext, *args: object) -> str:
        last = len(writers) - 1
        parts = [str(writers[min(i, last)](context, arg)) for i, arg in enumerate(args) if arg is not None]
        return "".join(parts)

    return concatenate


def _joining(arg_types: tuple[int, ...], _return_type: int) -> Implementation:
    writers = [_typed_text(arg_types, index) for index in range(len(arg_types))]

    def join(context: FunctionContext, separator: str | None, *args: object) -> str | None:
        if separator is None:
            return None
        last = len(writers) - 1
        parts = [str(writers[min(i, last)](context, arg)) for i, arg in enumerate(args, 1) if arg is not None]
        return separator.join(parts)

    return join


def _text_then_any(arg_types: tuple[int, ...], _return_type: int) -> Implementation:
    cast = _cast_to_text(arg_types[1])
    return lambda context, text, value: text + str(cast(context, value))


def _any_then_text(arg_types: tuple[int, ...], _return_type: int) -> Implementation:
    cast = _cast_to_text(arg_types[0])
    return lambda context, value, text: str(cast(context, value)) + text


define("text_concat", factory=_concatenation, needs_context=True)
define("text_concat_ws", factory=_joining, needs_context=True)
define("textanycat_text_anynonarray", factory=_text_then_any, needs_context=True)
define("anytextcat_anynonarray_text", factory=_any_then_text, needs_context=True)


# --- format() -----------------------------------------------------------------------------------------------

_SPECIFIER = re.compile(r"%(?:(%)|(?:(\d+)\$)?(-)?(?:(\d+)|\*(?:(\d+)\$)?)?(.)?|)", re.DOTALL)


def _formatting(arg_types: tuple[int, ...], _return_type: int) -> Implementation:
    writers = [_typed_text(arg_types, index) for index in range(1, len(arg_types))] or [
        _typed_text((oids.TEXT,))
    ]

    def formatted(context: FunctionContext, template: str | None, *args: object) -> str | None:
        if template is None:
            return None
        last = len(writers) - 1
        texts = [
            None if arg is None else str(writers[min(index, last)](context, arg))
            for index, arg in enumerate(args)
        ]
        return _format(template, texts)

    return formatted


def _format(template: str, args: list[str | None]) -> str:
    parts: list[str] = []
    position = 0
    next_argument = 0
    for match in _SPECIFIER.finditer(template):
        parts.append(template[position : match.start()])
        position = match.end()
        percent, number, minus, width_text, width_number, kind = match.groups()
        if percent:
            parts.append("%")
            continue
        width = int(width_text) if width_text else 0
        if "*" in match[0]:
            index = int(width_number) - 1 if width_number else next_argument
            next_argument = index + 1
            width = int(_argument(args, index) or 0)
        index = next_argument
        if number is not None:
            if int(number) == 0:
                raise InvalidParameterValue("format specifies argument 0, but arguments are numbered from 1")
            index = int(number) - 1
        _check_kind(kind)
        value = _argument(args, index)
        next_argument = index + 1
        parts.append(_aligned(_formatted_argument(kind, value), width, bool(minus)))
    parts.append(template[position:])
    return "".join(parts)


def _check_kind(kind: str | None) -> None:
    if kind is None:
        raise InvalidParameterValue("unterminated format() type specifier", hint='For a single "%" use "%%".')
    if kind not in "sIL":
        raise InvalidParameterValue(
            f'unrecognized format() type specifier "{kind}"', hint='For a single "%" use "%%".'
        )


def _argument(args: list[str | None], index: int) -> str | None:
    if index >= len(args):
        raise InvalidParameterValue("too few arguments for format()")
    return args[index]


def _formatted_argument(kind: str, value: str | None) -> str:
    if kind == "s":
        return value or ""
    if kind == "L":
        return "NULL" if value is None else quote_literal(value)
    if value is None:
        raise NullValueNotAllowed("null values cannot be formatted as an SQL identifier")
    return quote_identifier(value)


def _aligned(text: str, width: int, left: bool) -> str:
    if width < 0:
        left, width = True, -width
    return text.ljust(width) if left else text.rjust(width)


define("text_format", factory=_formatting, needs_context=True)
define("text_format_nv", factory=_formatting, needs_context=True)


# --- Unicode ------------------------------------------------------------------------------------------------

_NORMAL_FORMS: tuple[Literal["NFC", "NFD", "NFKC", "NFKD"], ...] = ("NFC", "NFD", "NFKC", "NFKD")


def _normalised(text: str, form: str = "NFC") -> str:
    import unicodedata

    for known in _NORMAL_FORMS:
        if form.upper() == known:
            return unicodedata.normalize(known, text)
    raise InvalidParameterValue(f"invalid normalization form: {form}")


_ESCAPES = re.compile(r"\\(?:\\|u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|\+([0-9A-Fa-f]{6})|([0-9A-Fa-f]{4}))|\\")


def _unescaped(text: str) -> str:
    def character(match: re.Match[str]) -> str:
        digits = match[1] or match[2] or match[3] or match[4]
        if digits is not None:
            return chr(int(digits, 16))
        if match[0] == "\\\\":
            return "\\"
        raise SyntaxError("invalid Unicode escape", hint=_UNICODE_HINT)

    joined = _ESCAPES.sub(character, text)
    return joined.encode("utf-16", "surrogatepass").decode("utf-16")


_UNICODE_HINT = "Unicode escapes must be \\XXXX, \\+XXXXXX, \\uXXXX, or \\UXXXXXXXX."

define("unicode_normalize_func", _normalised)
define("unicode_is_normalized", lambda text, form="NFC": _normalised(text, form) == text)
define("unistr", _unescaped)
