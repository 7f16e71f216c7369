"""GQL's lexical rules (ISO/IEC 39075 §21): text to tokens, each token's place kept.

The tokens are the parallel lists of sql/lexer.py, so that whatever stands behind the lexers handles statements of
both languages alike.  What differs from SQL: words keep their case; "x" is a string or a name, as the grammar says,
and `x` a name; strings have backslash escapes; // begins a comment; the arrows of patterns are tokens.

One regular expression finds every token, the longest that there is.  Arrows make that wrong at three places, where
what stands around tells that no arrow can be meant:

    x<-1       `<-` is cut behind `<` before a number, and behind a value (no bracket) before another one
    [1, 2]-3   `]-`, `]->`, `]~`, `]~>` are cut behind `]` unless an edge opened the bracket
    x/-2       `/-`, `/->`, `/~`, `/~>` are cut behind `/` outside of -/ ... /-

Values: words and punctuation as written (`!=` as `<>`), quoted names and strings decoded, numbers without underscores
and suffixes, integers of any base in decimal digits.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Final

from skerry_engine.errors import SyntaxError
from skerry_engine.sql.lexer import (
    END,
    HEX_STRING,
    INTEGER,
    NAMED_PARAMETER,
    NUMERIC,
    PARAMETER,
    PUNCTUATION,
    QUOTED,
    STRING,
    WORD,
    Tokens,
)

FLOAT: Final = 20
"""A number with an exponent, or with the suffix F or D."""
DOUBLE_QUOTED: Final = 21
"""A string, or a name where only a name can stand."""
REFERENCE: Final = 22
"""$$name: a parameter that stands for a catalog object."""

_START = r"[^\x00-@\[-\^`{-\x7f\s]"
_WORD = _START + r"[^\x00-/:-@\[-\^`{-\x7f\s]*+"
_DIGITS = r"[0-9](?:_?[0-9])*+"
_NUMBER = rf"(?:{_DIGITS}(?:\.(?!\.)(?:{_DIGITS})?)?|\.{_DIGITS})(?:[eE][+-]?{_DIGITS})?[mMfFdD]?"
_DOUBLE = r'"(?:[^"\\]|\\[\s\S]|"")*+"'
_ACCENT = r"`(?:[^`\\]|\\[\s\S]|``)*+`"
_RAW = r"""@(?:'(?:[^']|'')*+'|"(?:[^"]|"")*+"|`(?:[^`]|``)*+`)"""

# Groups in the order of the kinds below; the white space before a token is part of its match.
_TOKEN = re.compile(
    r"(?:\s+|--[^\r\n]*|//[^\r\n]*|/\*[\s\S]*?\*/)*(?:"
    rf"({_WORD})(?!')"  # 1 word (the look-ahead leaves X'' to a branch below)
    r"|([(){},;])"  # 2 punctuation that is never a part of an arrow
    r"|(<-\[|<~\[|<->|<-/(?![/*])|<~/(?![/*])|<[-~=>]?|-\[|->|-/(?![/*])|-|~\[|~>|~/(?![/*])|~"
    r"|\](?:->|~>|-|~)?|/(?:->|~>|-|~)?(?![*/])|\|\+\||\|\|?|::?|\.\.|\.(?![0-9])|=>|>=?|=|!=?|\+=?|[*%&?\[])"  # 3
    rf"|({_DIGITS})(?![.\w])"  # 4 plain integer
    r"|('(?:[^'\\]|\\[\s\S]|'')*+')"  # 5 string
    rf"|({_DOUBLE})"  # 6 string or name
    rf"|\$({_WORD}|[0-9]++(?!\w)|{_DOUBLE}|{_ACCENT})"  # 7 parameter
    rf"|({_ACCENT})"  # 8 quoted name
    r"|(0x(?:_?[0-9A-Fa-f])++|0o(?:_?[0-7])++|0b(?:_?[01])++)"  # 9 integer of another base
    rf"|({_NUMBER})"  # 10 number
    r"|[xX]('[^']*+')"  # 11 bytes
    rf"|({_RAW})"  # 12 without escapes
    rf"|\$\$({_WORD}|{_DOUBLE}|{_ACCENT})"  # 13 reference parameter
    rf"|({_WORD})"  # 14 word before a quote
    r"|([\s\S])"  # 15 anything else: an error
    r"|\Z)"
)
_G_WORD: Final = 1
_G_PLAIN: Final = 2
_G_PUNCTUATION: Final = 3
_G_INTEGER: Final = 4
_G_STRING: Final = 5
_G_DOUBLE: Final = 6
_G_PARAMETER: Final = 7
_G_ACCENT: Final = 8
_G_BASED: Final = 9
_G_NUMBER: Final = 10
_G_BYTES: Final = 11
_G_RAW: Final = 12
_G_REFERENCE: Final = 13
_G_WORD_BEFORE_QUOTE: Final = 14

_ESCAPE = re.compile(r"\\(u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{6}|[\s\S])")
_SIMPLE_ESCAPES: Final = {
    "\\": "\\",
    "'": "'",
    '"': '"',
    "`": "`",
    "t": "\t",
    "b": "\b",
    "n": "\n",
    "r": "\r",
    "f": "\f",
}
_JUNK = re.compile(_WORD + r"|[0-9]+")
_VALUE_START = re.compile(r"\s*(?:[0-9.]|(?P<word>[$'\"`]|" + _START + "))")
_EDGE_OPENERS: Final = frozenset(("-[", "<-[", "~[", "<~["))
_SLASH_OPENERS: Final = frozenset(("-/", "<-/", "~/", "<~/"))
_HEX = re.compile(r"(?: *[0-9A-Fa-f] *[0-9A-Fa-f])* *")


def tokenize(text: str, start: int = 0, single: bool = False) -> Tokens:
    """The tokens of `text` from the offset `start` on; with `single`, up to the first semicolon.

    The last token, END, stands where reading stopped.  Raises SyntaxError with the place of what is no token.
    """
    tokens = Tokens(text)
    brackets: list[str] = []
    position = start
    while position >= 0:
        position = _read_run(tokens, position, brackets, single)
    stop = -2 - position if position < -1 else len(text)
    tokens.add(END, "", stop, stop)
    return tokens


def _read_run(tokens: Tokens, position: int, brackets: list[str], single: bool) -> int:
    """Read tokens from `position` on, as far as each begins where the expression's match before it ended.

    Returns where to begin anew (behind a token that was cut short); -1 at the text's end; for a semicolon that ends
    reading at offset n, -2 - n.
    """
    kinds, values, starts, ends = tokens.kinds, tokens.values, tokens.starts, tokens.ends
    for found in _TOKEN.finditer(tokens.text, position):
        group = found.lastindex
        if group is None:
            return -1
        start, end = found.span(group)
        value = found[group]
        if group == _G_WORD:
            if not value.isascii():
                _check_word(value, start)
            kinds.append(WORD)
            values.append(value)
        elif group == _G_PLAIN:
            if value == ";" and single:
                return -2 - start
            kinds.append(PUNCTUATION)
            values.append(value)
        elif group == _G_PUNCTUATION:
            length = _arrow_length(tokens, value, end, brackets)
            kinds.append(PUNCTUATION)
            if length:
                values.append(value[:length])
                starts.append(start)
                ends.append(start + length)
                return start + length
            values.append("<>" if value == "!=" else value)
        elif group == _G_INTEGER:
            kinds.append(INTEGER)
            values.append(value.replace("_", ""))
        elif group == _G_STRING:
            kinds.append(STRING)
            values.append(_content(value, start))
        else:
            start = _rare_token(tokens, group, value, start, end)
        starts.append(start)
        ends.append(end)
    return -1


def _arrow_length(tokens: Tokens, value: str, end: int, brackets: list[str]) -> int:
    """How many characters of the arrow-like `value` are a token here; 0 for all of it."""
    first = value[0]
    if first == "]":
        opener = brackets.pop() if brackets else ""
        return 0 if len(value) == 1 or opener in _EDGE_OPENERS else 1
    if value[-1] == "[" or value in _SLASH_OPENERS:
        brackets.append(value)
    elif first == "/" and len(value) > 1:
        if not brackets or brackets[-1] not in _SLASH_OPENERS:
            return 1
        brackets.pop()
    elif value == "<-" and tokens.kinds:
        following = _VALUE_START.match(tokens.text, end)
        if following is not None and (following["word"] is None or _ends_value(tokens)):
            return 1
    return 0


def _ends_value(tokens: Tokens) -> bool:
    """Whether the last token ends a value rather than an element of a pattern."""
    return tokens.kinds[-1] != PUNCTUATION or tokens.values[-1] == "]"


def _rare_token(tokens: Tokens, group: int, raw: str, start: int, end: int) -> int:
    """Add the kind and value of a token that is seldom seen.  Returns its start."""
    kinds, values = tokens.kinds, tokens.values
    if group == _G_DOUBLE or group == _G_ACCENT:
        kinds.append(QUOTED if group == _G_ACCENT else DOUBLE_QUOTED)
        values.append(_name(raw, start) if group == _G_ACCENT else _content(raw, start))
        return start
    if group == _G_PARAMETER or group == _G_REFERENCE:
        begin = start - (1 if group == _G_PARAMETER else 2)
        is_number = raw.isdigit() and group == _G_PARAMETER
        kinds.append(PARAMETER if is_number else NAMED_PARAMETER if group == _G_PARAMETER else REFERENCE)
        values.append(_name(raw, start) if raw[0] in '"`' else raw)
        return begin
    if group == _G_BASED or group == _G_NUMBER:
        _refuse_junk(tokens.text, start, end)
        kind, value = (INTEGER, str(Decimal(int(raw, 0)))) if group == _G_BASED else _number(raw)
        kinds.append(kind)
        values.append(value)
        return start
    if group == _G_BYTES:
        if _HEX.fullmatch(raw[1:-1]) is None:
            raise SyntaxError(
                "a byte string holds pairs of hexadecimal digits", position=start, detail=f"It is X{raw}."
            )
        kinds.append(HEX_STRING)
        values.append(raw[1:-1].replace(" ", ""))
        return start - 1
    if group == _G_RAW:
        quote = raw[1]
        kinds.append(STRING if quote == "'" else DOUBLE_QUOTED if quote == '"' else QUOTED)
        values.append(raw[2:-1].replace(quote * 2, quote))
        return start
    if group == _G_WORD_BEFORE_QUOTE:
        _check_word(raw, start)
        kinds.append(WORD)
        values.append(raw)
        return start
    raise _no_token(tokens.text, raw, start)


def _number(raw: str) -> tuple[int, str]:
    """Kind and value of a number that is more than digits."""
    text = raw.replace("_", "")
    suffix = text[-1].upper()
    if suffix.isalpha():
        text = text[:-1]
    if suffix == "M":
        return NUMERIC, text
    if suffix in ("F", "D") or "e" in text or "E" in text:
        return FLOAT, text
    return (INTEGER if text.isdigit() else NUMERIC), text


def _check_word(word: str, start: int) -> None:
    """Refuse what is a letter only as far as the regular expression knows: quotation marks, arrows, signs."""
    if word.isidentifier():
        return
    length = 1
    while word[:length].isidentifier():
        length += 1
    offset = length - 1
    raise SyntaxError(f'unexpected character "{word[offset]}"', position=start + offset + 1)


def _refuse_junk(text: str, start: int, end: int) -> None:
    junk = _JUNK.match(text, end)
    if junk is not None:
        raise SyntaxError(
            f'a number cannot run on into letters: "{text[start : junk.end()]}"', position=start + 1
        )


def _no_token(text: str, raw: str, start: int) -> SyntaxError:
    if raw in ("'", '"'):
        return SyntaxError(f"unterminated string: there is no closing {raw}", position=start + 1)
    if raw == "`":
        return SyntaxError("unterminated name: there is no closing `", position=start + 1)
    if text.startswith("/*", start):
        return SyntaxError("unterminated comment: there is no closing */", position=start + 1)
    if raw == "$":
        return SyntaxError("a parameter is a name or number behind $", position=start + 1)
    return SyntaxError(f'unexpected character "{raw}"', position=start + 1)


def _name(raw: str, start: int) -> str:
    """A quoted name's content; it can't be empty."""
    content = _content(raw, start)
    if not content:
        raise SyntaxError("a quoted name cannot be empty", position=start + 1)
    return content


def _content(raw: str, start: int) -> str:
    """What a string or quoted name at the offset `start` says."""
    content = raw[1:-1]
    quote = raw[0]
    if "\\" not in content:
        return content.replace(quote * 2, quote) if quote in content else content
    pieces: list[str] = []
    position = 0
    for escape in _ESCAPE.finditer(content):
        pieces.append(content[position : escape.start()].replace(quote * 2, quote))
        pieces.append(_escaped(escape[1], start + 2 + escape.start()))
        position = escape.end()
    pieces.append(content[position:].replace(quote * 2, quote))
    return "".join(pieces)


def _escaped(escape: str, position: int) -> str:
    """The character that an escape means; `position` is the backslash's."""
    if len(escape) == 1:
        character = _SIMPLE_ESCAPES.get(escape)
        if character is None:
            raise SyntaxError(
                f'invalid escape "\\{escape}" in a string',
                position=position,
                hint="Write \\\\ for a backslash, or @'...' for a string without escapes.",
            )
        return character
    code = int(escape[1:], 16)
    if code == 0 or code > 0x10FFFF or 0xD800 <= code < 0xE000:
        raise SyntaxError(f'"\\{escape}" is no character', position=position)
    return chr(code)
