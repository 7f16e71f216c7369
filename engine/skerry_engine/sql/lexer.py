"""PostgreSQL's lexical rules: text to tokens, each token's place kept.

One compiled regular expression finds every token; what a regular expression can't do (nested comments,
dollar quotes, where an operator ends) is done by hand behind it.  Tokens stand in parallel lists rather
than in objects: a thousand-row INSERT has ten thousand of them.

A token is (kind, value, start, end).  `value` is what the grammar needs: words folded to lower case, quoted
identifiers and strings decoded, numbers and operators as written (`!=` as `<>`).  Offsets are characters of
the text.

Not done here: truncation of identifiers to 63 bytes happens where they become names (`identifier_name`),
and the warning that PostgreSQL gives for it is not sent.
"""

from __future__ import annotations

import re
from typing import Final

from skerry_engine.errors import CharacterNotInRepertoire, InvalidEscapeSequence, SyntaxError

END: Final = 0
WORD: Final = 1
QUOTED: Final = 2
STRING: Final = 3
INTEGER: Final = 4
NUMERIC: Final = 5
PARAMETER: Final = 6
NAMED_PARAMETER: Final = 7
OPERATOR: Final = 8
PUNCTUATION: Final = 9
BIT_STRING: Final = 10
HEX_STRING: Final = 11
LITERAL_LIST: Final = 12  # made by normalise: an IN list taken out of the text

_NEXT_PIECE = r"(?:[ \t\f\v]*(?:--[^\n\r]*)?[\n\r][ \t\n\r\f\v]*'"
_STANDARD = r"'[^']*(?:''[^']*)*'" + _NEXT_PIECE + r"[^']*(?:''[^']*)*')*"
_ESCAPED = r"'[^'\\]*(?:(?:''|\\[\s\S])[^'\\]*)*'" + _NEXT_PIECE + r"[^'\\]*(?:(?:''|\\[\s\S])[^'\\]*)*')*"
_QUOTED = r'"[^"]*(?:""[^"]*)*"'
_LETTER = r"A-Za-z_\u0080-\U0010ffff"

# Groups in the order of the kinds below; the whitespace before a token is part of its match.
_TOKEN = re.compile(
    r"(?:[ \t\n\r\f\v]+|--[^\n\r]*)*(?:"
    rf"([{_LETTER}][{_LETTER}0-9$]*+)(?!['&])"  # 1 word (the look-ahead leaves E'', U&"" to the branches below)
    rf"|(\d++)(?![.{_LETTER}])"  # 2 plain integer
    r"|([,()\[\]{};])"  # 3 punctuation (braces: GRAPH_TABLE alone has them)
    rf"|({_STANDARD})"  # 4 string
    r"|((?:\d+(?:\.(?!\.)\d*)?|\.\d+)(?:[eE][+-]?\d+)?)"  # 5 number
    rf"|({_QUOTED})"  # 6 quoted identifier
    r"|([~!@#^&|`?+\-*/%<>=]+)"  # 7 operator, longest run; or a comment
    rf"|\$(\d++)(?![{_LETTER}])"  # 8 parameter
    rf"|[eE]({_ESCAPED})"  # 9 E''
    rf"|[uU]&({_STANDARD})"  # 10 U&''
    rf"|[uU]&({_QUOTED})"  # 11 U&""
    rf"|[bB]({_STANDARD})"  # 12 B''
    rf"|[xX]({_STANDARD})"  # 13 X''
    rf"|[nN]({_STANDARD})"  # 14 N''
    rf"|(\$(?:[{_LETTER}][{_LETTER}0-9]*)?\$)"  # 15 dollar quote
    rf"|\$([{_LETTER}][{_LETTER}0-9]*)"  # 16 named parameter
    r"|(::|:=|\.\.|[.:])"  # 17 the remaining punctuation
    rf"|([{_LETTER}](?:[{_LETTER}0-9$]*[{_LETTER}0-9$])?)"  # 18 word before a quote or &
    r"|([\s\S])"  # 19 anything else: an error
    r"|\Z)"
)
_G_WORD: Final = 1
_G_INTEGER: Final = 2
_G_PUNCTUATION: Final = 3
_G_STRING: Final = 4
_G_NUMBER: Final = 5
_G_QUOTED: Final = 6
_G_OPERATOR: Final = 7
_G_PARAMETER: Final = 8
_G_ESCAPED: Final = 9
_G_UNICODE: Final = 10
_G_UNICODE_QUOTED: Final = 11
_G_BITS: Final = 12
_G_HEX: Final = 13
_G_NATIONAL: Final = 14
_G_DOLLAR: Final = 15
_G_NAMED: Final = 16
_G_OTHER: Final = 17
_G_WORD_BEFORE_QUOTE: Final = 18

_COMMENT_EDGE = re.compile(r"/\*|\*/")
_STANDARD_PIECE = re.compile(r"'([^']*(?:''[^']*)*)'")
_ESCAPED_PIECE = re.compile(r"'([^'\\]*(?:(?:''|\\[\s\S])[^'\\]*)*)'")
_ESCAPE = re.compile(r"\\(x[0-9A-Fa-f]{1,2}|[0-7]{1,3}|u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8}|[\s\S])|''")
_UESCAPE = re.compile(r"[ \t\n\r\f\v]*[uU][eE][sS][cC][aA][pP][eE][ \t\n\r\f\v]*'([^'])'")
_JUNK = re.compile(rf"[{_LETTER}][{_LETTER}0-9$]*")
_SIMPLE_ESCAPES: Final = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_FREE_OPERATOR_CHARACTERS: Final = frozenset("~!@#^&|`?%")
_PARAMETER_END = re.compile(r"\d*")
_MAX_IDENTIFIER_BYTES: Final = 63


class Tokens:
    """The tokens of a text in parallel lists, closed by one END token at the end of the text."""

    __slots__ = ("text", "kinds", "values", "starts", "ends")

    def __init__(self, text: str) -> None:
        self.text: str = text
        self.kinds: list[int] = []
        self.values: list[str] = []
        self.starts: list[int] = []
        self.ends: list[int] = []

    def add(self, kind: int, value: str, start: int, end: int) -> None:
        """Append a token."""
        self.kinds.append(kind)
        self.values.append(value)
        self.starts.append(start)
        self.ends.append(end)

    def copy_from(self, other: Tokens, begin: int, end: int) -> None:
        """Append the tokens begin to end (exclusive) of another list over the same text."""
        self.kinds += other.kinds[begin:end]
        self.values += other.values[begin:end]
        self.starts += other.starts[begin:end]
        self.ends += other.ends[begin:end]

    def slice(self, begin: int, end: int) -> Tokens:
        """The tokens begin to end (exclusive) as a list of their own,
        with an END token where the next one begins."""
        part = Tokens(self.text)
        part.copy_from(self, begin, end)
        stop = self.starts[end]
        part.add(END, "", stop, stop)
        return part


def tokenize(text: str, start: int = 0, single: bool = False) -> Tokens:
    """The tokens of `text` from the offset `start` on; with `single`, up to the first semicolon.

    The last token, END, stands where reading stopped.  Raises SyntaxError as PostgreSQL's lexer words it.
    """
    tokens = Tokens(text)
    position = start
    while position >= 0:
        position = _read_run(tokens, position, single)
    stop = -2 - position if position < -1 else len(text)
    tokens.add(END, "", stop, stop)
    return tokens


def _read_run(tokens: Tokens, position: int, single: bool) -> int:
    """Read tokens from `position` on, as far as each begins where the expression's match before it ended.

    Returns where to begin anew (behind a comment, a dollar-quoted string, an operator cut short);
    -1 at the text's end; for a semicolon that ends reading at offset n, -2 - n.
    """
    text = tokens.text
    kinds, values, starts, ends = tokens.kinds, tokens.values, tokens.starts, tokens.ends
    for found in _TOKEN.finditer(text, position):
        group = found.lastindex
        if group is None:
            return -1
        start, end = found.span(group)
        if group == _G_WORD:
            word = found[group]
            kinds.append(WORD)
            values.append(word.lower() if word.isascii() else fold(word))
        elif group == _G_PUNCTUATION or group == _G_OTHER:
            if single and found[group] == ";":
                return -2 - start
            kinds.append(PUNCTUATION)
            values.append(found[group])
        elif group == _G_INTEGER:
            kinds.append(INTEGER)
            values.append(found[group])
        elif group == _G_STRING:
            kinds.append(STRING)
            values.append(_standard_content(found[group]))
        elif group == _G_PARAMETER:
            start -= 1
            kinds.append(PARAMETER)
            values.append(found[group])
        else:
            start, position = _rare_token(tokens, found, group, start, end)
            if start >= 0:
                starts.append(start)
                ends.append(position)
            if position != end:
                return position
            continue
        starts.append(start)
        ends.append(end)
    return -1


def fold(word: str) -> str:
    """An unquoted identifier as PostgreSQL folds it: ASCII letters to lower case, others untouched."""
    if word.isascii():
        return word.lower()
    return "".join(character.lower() if character.isascii() else character for character in word)


def identifier_name(value: str) -> str:
    """An identifier cut to the 63 bytes that a name can have."""
    if len(value) <= _MAX_IDENTIFIER_BYTES and value.isascii():
        return value
    return value.encode()[:_MAX_IDENTIFIER_BYTES].decode(errors="ignore")


def _rare_token(
    tokens: Tokens, found: re.Match[str], group: int, start: int, position: int
) -> tuple[int, int]:
    """Add the kind and value of a token that is seldom seen.

    Returns its start (-1 for a comment, which is no token) and where reading goes on.
    """
    text = tokens.text
    raw = found[group]
    if group == _G_OPERATOR:
        operator = _operator(raw)
        if operator == "/*":
            return -1, _skip_comment(text, start)
        tokens.kinds.append(OPERATOR)
        tokens.values.append("<>" if operator == "!=" else operator)
        return start, start + len(operator)
    if group == _G_QUOTED:
        tokens.kinds.append(QUOTED)
        tokens.values.append(_quoted_content(text, raw, start))
        return start, position
    if group == _G_WORD_BEFORE_QUOTE:
        tokens.kinds.append(WORD)
        tokens.values.append(fold(raw))
        return start, position
    if group == _G_NUMBER:
        tokens.kinds.append(INTEGER if raw.isdigit() else NUMERIC)
        tokens.values.append(raw)
        _refuse_junk(text, start, position, "numeric literal")
        return start, position
    if group == _G_DOLLAR:
        close = text.find(raw, position)
        if close < 0:
            raise _lexical_error("unterminated dollar-quoted string", text, start)
        tokens.kinds.append(STRING)
        tokens.values.append(text[position:close])
        return start, close + len(raw)
    if group == _G_NAMED:
        tokens.kinds.append(NAMED_PARAMETER)
        tokens.values.append(raw)
        return start - 1, position
    if group == _G_ESCAPED:
        tokens.kinds.append(STRING)
        tokens.values.append(_escaped_content(text, raw, start - 1))
        return start - 1, position
    if group == _G_NATIONAL:
        tokens.kinds.append(STRING)
        tokens.values.append(_standard_content(raw))
        return start - 1, position
    if group in (_G_UNICODE, _G_UNICODE_QUOTED):
        return _unicode_token(tokens, raw, start - 2, position, group == _G_UNICODE_QUOTED)
    if group in (_G_BITS, _G_HEX):
        tokens.kinds.append(BIT_STRING if group == _G_BITS else HEX_STRING)
        tokens.values.append(_standard_content(raw))
        return start - 1, position
    if raw == "$" and text[position : position + 1].isdigit():
        _refuse_junk(text, start, _PARAMETER_END.match(text, position).end(), "parameter")  # type: ignore[union-attr]
    if raw == "'":
        raise _lexical_error("unterminated quoted string", text, start)
    if raw == '"':
        raise _lexical_error("unterminated quoted identifier", text, start)
    raise SyntaxError(f'syntax error at or near "{raw}"', position=start + 1)


def _lexical_error(message: str, text: str, start: int) -> SyntaxError:
    return SyntaxError(f'{message} at or near "{text[start:]}"', position=start + 1)


def _refuse_junk(text: str, start: int, end: int, what: str) -> None:
    junk = _JUNK.match(text, end)
    if junk is not None:
        near = text[start : junk.end()]
        raise SyntaxError(f'trailing junk after {what} at or near "{near}"', position=start + 1)


def _skip_comment(text: str, start: int) -> int:
    """The offset behind the (possibly nested) comment that begins at `start`."""
    depth = 0
    position = start
    while True:
        edge = _COMMENT_EDGE.search(text, position)
        if edge is None:
            raise _lexical_error("unterminated /* comment", text, start)
        depth += 1 if edge[0] == "/*" else -1
        position = edge.end()
        if depth == 0:
            return position


def _operator(run: str) -> str:
    """The operator at the start of a run of operator characters."""
    if len(run) == 1:
        return run
    if run.startswith("/*"):
        return "/*"
    for opener in ("/*", "--"):
        cut = run.find(opener)
        if cut >= 0:
            run = run[:cut]
    while len(run) > 1 and run[-1] in "+-" and not _FREE_OPERATOR_CHARACTERS.intersection(run):
        run = run[:-1]
    return run


def _standard_content(raw: str) -> str:
    content = raw[1:-1]
    if "'" not in content:
        return content
    if "\n" in content or "\r" in content:
        content = _joined_pieces(raw, _STANDARD_PIECE)
    return content.replace("''", "'")


def _joined_pieces(raw: str, piece: re.Pattern[str]) -> str:
    """The content of strings on successive lines that count as one; quotes inside stay doubled."""
    contents: list[str] = []
    position = 0
    while position >= 0:
        found = piece.match(raw, position)
        assert found is not None
        contents.append(found[1])
        position = raw.find("'", _line_start(raw, found.end()))
    return "".join(contents)


def _line_start(raw: str, position: int) -> int:
    """Behind the line break that follows a string piece, whatever a comment before the break says."""
    while position < len(raw) and raw[position] not in "\n\r":
        position += 1
    return position


def _quoted_content(text: str, raw: str, start: int) -> str:
    content = raw[1:-1].replace('""', '"')
    if not content:
        raise _lexical_error("zero-length delimited identifier", text[: start + 2], start)
    return content


def _invalid_bytes(data: bytes, start: int) -> CharacterNotInRepertoire:
    """The error for bytes that are no UTF-8: it shows as many as their first one announces."""
    first = data[start]
    length = 4 if first & 0xF8 == 0xF0 else 3 if first & 0xF0 == 0xE0 else 2 if first & 0xE0 == 0xC0 else 1
    shown = " ".join(f"0x{byte:02x}" for byte in data[start : start + length])
    return CharacterNotInRepertoire(f'invalid byte sequence for encoding "UTF8": {shown}')


def _escaped_content(text: str, raw: str, start: int) -> str:
    content = _joined_pieces(raw, _ESCAPED_PIECE)
    if "\\" not in content:
        return content.replace("''", "'")
    data = bytearray()
    position = 0
    for escape in _ESCAPE.finditer(content):
        if escape[1] in ("u", "U"):
            raise InvalidEscapeSequence(
                "invalid Unicode escape",
                hint="Unicode escapes must be \\uXXXX or \\UXXXXXXXX.",
                position=start + 3 + escape.start(),
            )
        data += content[position : escape.start()].encode("utf-8", "surrogatepass")
        data += _escape_bytes(escape[1])
        position = escape.end()
    data += content[position:].encode("utf-8", "surrogatepass")
    try:
        # \u escapes may spell a surrogate pair, which stands for one character
        result = data.decode("utf-8", "surrogatepass").encode("utf-16", "surrogatepass").decode("utf-16")
    except UnicodeDecodeError as error:
        if error.encoding != "utf-8":
            raise _lexical_error(
                "invalid Unicode escape value", text[: start + len(raw) + 1], start
            ) from error
        raise _invalid_bytes(bytes(data), error.start) from error
    if "\0" in result:
        raise _invalid_bytes(b"\0", 0)
    return result


def _escape_bytes(escape: str | None) -> bytes:
    if escape is None:
        return b"'"
    first = escape[0]
    if first == "x" and len(escape) > 1:
        return bytes([int(escape[1:], 16)])
    if first in "uU" and len(escape) > 1:
        return chr(int(escape[1:], 16)).encode("utf-8", "surrogatepass")
    if first in "01234567":
        return bytes([int(escape, 8) & 255])
    return _SIMPLE_ESCAPES.get(escape, escape).encode("utf-8", "surrogatepass")


def _unicode_token(tokens: Tokens, raw: str, start: int, position: int, quoted: bool) -> tuple[int, int]:
    escape_character = "\\"
    custom = _UESCAPE.match(tokens.text, position)
    if custom is not None:
        escape_character = custom[1]
        if escape_character in "0123456789abcdefABCDEF+\"' \t\n\r\f\v":
            raise SyntaxError(
                f"invalid Unicode escape character at or near \"'{escape_character}'\"",
                position=custom.start(1),
            )
        position = custom.end()
    content = _quoted_content(tokens.text, raw, start) if quoted else _standard_content(raw)
    tokens.kinds.append(QUOTED if quoted else STRING)
    tokens.values.append(_decode_unicode(content, escape_character, start))
    return start, position


def _decode_unicode(content: str, escape: str, start: int) -> str:
    mark = re.escape(escape)
    pattern = re.compile(rf"{mark}(?:({mark})|([0-9A-Fa-f]{{4}})|\+([0-9A-Fa-f]{{6}})|())")

    def replace(found: re.Match[str]) -> str:
        if found[1] is not None:
            return escape
        digits = found[2] or found[3]
        if not digits or int(digits, 16) > 0x10FFFF or int(digits, 16) == 0:
            raise SyntaxError(
                "invalid Unicode escape" if not digits else "invalid Unicode escape value",
                position=start + found.start() + 4,
                hint="Unicode escapes must be \\XXXX or \\+XXXXXX." if not digits else None,
            )
        return chr(int(digits, 16))

    decoded = pattern.sub(replace, content)
    try:
        return decoded.encode("utf-16", "surrogatepass").decode("utf-16")
    except UnicodeDecodeError as error:
        place = start + 4 + len(content)
        raise SyntaxError("invalid Unicode surrogate pair", position=place) from error
