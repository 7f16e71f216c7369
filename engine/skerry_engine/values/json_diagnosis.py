"""PostgreSQL's words for what is wrong with a JSON text: detail and context of the error.

Only run on text that is known to be malformed, so it is written to be plain, not fast.  It never accepts:
when it finds nothing wrong it still returns an error.
"""

from __future__ import annotations

import re

from skerry_engine.errors import DatabaseError, InvalidJsonText, StatementTooComplex, UntranslatableCharacter

_BLANKS = " \t\n\r"
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)?")
_FRACTION = re.compile(r"\.[0-9]*")
_EXPONENT = re.compile(r"[eE][+-]?[0-9]*")
_WORD = re.compile(r"[A-Za-z0-9_\x80-\U0010ffff]*")
_CONTEXT_BYTES = 50


class _Problem(Exception):
    def __init__(self, detail: str, end: int, at_end: bool = False) -> None:
        self.detail = detail
        self.end = end
        self.at_end = at_end


class _Scanner:
    """Tokens of a JSON text: `kind` is the punctuation itself, or string, number, word, end."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.start = 0
        self.end = 0
        self.kind = ""

    def advance(self) -> None:
        text = self.text
        start = self.end
        while start < len(text) and text[start] in _BLANKS:
            start += 1
        self.start = self.end = start
        if start == len(text):
            self.kind = "end"
        elif text[start] in "{}[],:":
            self.kind = text[start]
            self.end = start + 1
        elif text[start] == '"':
            self._string()
        elif text[start] == "-" or text[start] in "0123456789":
            self._number()
        else:
            self._word()

    def token(self) -> str:
        return self.text[self.start : self.end]

    def _invalid(self) -> _Problem:
        return _Problem(f'Token "{self.token()}" is invalid.', self.end)

    def _string(self) -> None:
        self.kind = "string"
        text = self.text
        position = self.start + 1
        while position < len(text) and text[position] != '"':
            if text[position] < " ":
                raise _Problem(f"Character with value 0x{ord(text[position]):02x} must be escaped.", position)
            position = self._escape(position + 1) if text[position] == "\\" else position + 1
        if position >= len(text):
            self.end = len(text)
            raise self._invalid()
        self.end = position + 1

    def _escape(self, position: int) -> int:
        letter = self.text[position : position + 1]
        if letter == "u":
            return self._unicode_escape(position + 1)
        if letter and letter not in '"\\/bfnrt':
            raise _Problem(f'Escape sequence "\\{letter}" is invalid.', position + 1)
        return position + 1

    def _unicode_escape(self, position: int) -> int:
        for offset in range(4):
            digit = self.text[position + offset : position + offset + 1]
            if digit == "":
                break
            if digit not in "0123456789abcdefABCDEF":
                detail = '"\\u" must be followed by four hexadecimal digits.'
                raise _Problem(detail, position + offset + 1)
        return position + 4

    def _number(self) -> None:
        self.kind = "number"
        match = _NUMBER.match(self.text, self.start)
        assert match is not None
        valid = match.group() not in ("", "-")
        end = match.end()
        for pattern in (_FRACTION, _EXPONENT):
            part = pattern.match(self.text, end)
            if part is not None:
                valid = valid and part.group()[-1].isdigit()
                end = part.end()
        word = _WORD.match(self.text, end)
        self.end = word.end() if word is not None else end
        if not valid or self.end != end:
            raise self._invalid()

    def _word(self) -> None:
        self.kind = "word"
        match = _WORD.match(self.text, self.start)
        assert match is not None
        self.end = max(match.end(), self.start + 1)
        if self.token() not in ("true", "false", "null"):
            raise self._invalid()


def _check(scanner: _Scanner) -> None:
    scanner.advance()
    _value(scanner)
    if scanner.kind != "end":
        raise _expected(scanner, "end of input")


def _expected(scanner: _Scanner, what: str) -> _Problem:
    if scanner.kind == "end":
        return _Problem("The input string ended unexpectedly.", scanner.end, at_end=True)
    return _Problem(f'Expected {what}, but found "{scanner.token()}".', scanner.end)


def _value(scanner: _Scanner) -> None:
    if scanner.kind == "{":
        _object(scanner)
    elif scanner.kind == "[":
        _array(scanner)
    elif scanner.kind in ("string", "number", "word"):
        scanner.advance()
    else:
        raise _expected(scanner, "JSON value")


def _object(scanner: _Scanner) -> None:
    scanner.advance()
    if scanner.kind == "}":
        scanner.advance()
        return
    what = 'string or "}"'
    while True:
        if scanner.kind != "string":
            raise _expected(scanner, what)
        scanner.advance()
        if scanner.kind != ":":
            raise _expected(scanner, '":"')
        scanner.advance()
        _value(scanner)
        if scanner.kind == "}":
            scanner.advance()
            return
        if scanner.kind != ",":
            raise _expected(scanner, '"," or "}"')
        scanner.advance()
        what = "string"


def _array(scanner: _Scanner) -> None:
    scanner.advance()
    if scanner.kind == "]":
        scanner.advance()
        return
    while True:
        _value(scanner)
        if scanner.kind == "]":
            scanner.advance()
            return
        if scanner.kind != ",":
            raise _expected(scanner, '"," or "]"')
        scanner.advance()


def diagnose(text: str) -> DatabaseError:
    """The error for a malformed JSON text."""
    try:
        _check(_Scanner(text))
    except _Problem as problem:
        return InvalidJsonText(
            "invalid input syntax for type json",
            detail=problem.detail,
            context=json_context(text, problem.end, problem.at_end),
        )
    except RecursionError:
        return StatementTooComplex("stack depth limit exceeded")
    return InvalidJsonText("invalid input syntax for type json")


_PIECE = re.compile(r"\\u[0-9a-fA-F]{4}|\\.|.", re.DOTALL)
_LOW_WITHOUT_HIGH = "Unicode low surrogate must follow a high surrogate."
_HIGH_AFTER_HIGH = "Unicode high surrogate must not follow a high surrogate."


def find_bad_escape(text: str) -> DatabaseError | None:
    r"""The error for the first `\u` escape in well-formed JSON that is no character: zero,
    half a surrogate pair."""
    after_high = False
    for match in _PIECE.finditer(text):
        code = int(match.group()[2:], 16) if len(match.group()) == 6 else -1
        is_low, is_high = 0xDC00 <= code <= 0xDFFF, 0xD800 <= code <= 0xDBFF
        detail = None
        if is_low != after_high and not (is_high and after_high):
            detail = _LOW_WITHOUT_HIGH
        elif is_high and after_high:
            detail = _HIGH_AFTER_HIGH
        if detail is not None:
            context = json_context(text, match.end())
            return InvalidJsonText("invalid input syntax for type json", detail=detail, context=context)
        if code == 0:
            return UntranslatableCharacter(
                "unsupported Unicode escape sequence",
                detail="\\u0000 cannot be converted to text.",
                context=json_context(text, match.end()),
            )
        after_high = is_high
    return None


def json_context(text: str, end: int, at_end: bool = False) -> str:
    """`JSON data, line 1: ...`: the line up to the offending token's end, at most 50 bytes of it."""
    line_start = max(text.rfind("\n", 0, end) + 1, 0)
    line = text.count("\n", 0, end) + 1
    start = line_start
    while len(text[start:end].encode("utf-8", "surrogatepass")) >= _CONTEXT_BYTES:
        start += 1
    if start - line_start <= 3:
        start = line_start
    prefix = "..." if start > line_start else ""
    more = not at_end and end < len(text) and text[end] not in "\r\n"
    return f"JSON data, line {line}: {prefix}{text[start:end]}{'...' if more else ''}"
