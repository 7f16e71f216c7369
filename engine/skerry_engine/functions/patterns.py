"""LIKE, SIMILAR TO and regular expressions as SQL functions.

A LIKE pattern becomes a compiled function, kept while it is used.  Between two % the leftmost place serves,
so groups are atomic and nothing backtracks: the time stays within text times pattern.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from skerry_engine.errors import InvalidEscapeSequence, InvalidParameterValue
from skerry_engine.functions.namespace import NAMESPACE
from skerry_engine.functions.regex_matching import Regex, Span, compiled
from skerry_engine.functions.registry import define
from skerry_engine.functions.texts import text_lower

CACHED_PATTERNS = 1_000

Matcher = Callable[[str], object]


# --- LIKE ---------------------------------------------------------------------------------------------------


class PatternCache(dict[str, Matcher]):
    """Compiled patterns by their text; emptied when full."""

    def __init__(self, compile_pattern: Callable[[str], Matcher]) -> None:
        super().__init__()
        self.compile_pattern = compile_pattern

    def __missing__(self, pattern: str) -> Matcher:
        matcher = self.compile_pattern(pattern)
        if len(self) >= CACHED_PATTERNS:
            self.clear()
        self[pattern] = matcher
        return matcher


def _segments(pattern: str) -> list[str]:
    """The pattern cut at its %; each segment as Python source."""
    segments = [""]
    position = 0
    while position < len(pattern):
        character = pattern[position]
        position += 1
        if character == "%":
            segments.append("")
            continue
        if character == "\\":
            character = pattern[position]
            position += 1
            segments[-1] += re.escape(character)
        else:
            segments[-1] += "." if character == "_" else re.escape(character)
    return segments


def like_source(pattern: str) -> str:
    """Python source of a LIKE pattern, to be matched from the text's beginning."""
    segments = _segments(pattern)
    first, rest = segments[0], segments[1:]
    if not rest:
        return rf"{first}\Z"
    source = first
    for segment in rest[:-1]:
        if segment:
            source += f"(?>.*?{segment})"
    last = rest[-1]
    return source if not last else rf"{source}.*{last}\Z"


def _ends_in_escape(pattern: str) -> bool:
    return (len(pattern) - len(pattern.rstrip("\\"))) % 2 == 1


def _compile_like(pattern: str) -> Matcher:
    if not _ends_in_escape(pattern):
        return re.compile(like_source(pattern), re.DOTALL).match
    reaches_end = re.compile(like_source(pattern[:-1] + "_%"), re.DOTALL).match

    def refuse(text: str) -> None:
        """No match; an error where matching gets as far as the lone backslash."""
        if reaches_end(text):
            raise InvalidEscapeSequence("LIKE pattern must not end with escape character")

    return refuse


def _compile_ilike(pattern: str) -> Matcher:
    match = _compile_like(text_lower(pattern))
    return lambda text: match(text_lower(text))


NAMESPACE["LIKE"] = PatternCache(_compile_like)
NAMESPACE["ILIKE"] = PatternCache(_compile_ilike)

for _prefix in ("text", "name"):
    define(f"{_prefix}like", template="LIKE[{1}]({0}) is not None")
    define(f"{_prefix}nlike", template="LIKE[{1}]({0}) is None")
    define(f"{_prefix}iclike", template="ILIKE[{1}]({0}) is not None")
    define(f"{_prefix}icnlike", template="ILIKE[{1}]({0}) is None")


def _as_characters(data: bytes) -> str:
    return data.decode("latin-1")


def _bytea_like(data: bytes, pattern: bytes) -> bool:
    return _compile_like(_as_characters(pattern))(_as_characters(data)) is not None


define("bytealike", _bytea_like)
define("byteanlike", lambda data, pattern: not _bytea_like(data, pattern))


def _with_escape(pattern: str, escape: str) -> str:
    """The pattern with `escape` in the place of the backslash."""
    if len(escape) > 1:
        raise InvalidEscapeSequence(
            "invalid escape string", hint="Escape string must be empty or one character."
        )
    if escape == "\\":
        return pattern
    if not escape:
        return pattern.replace("\\", "\\\\")
    result = []
    escaped = False
    for character in pattern:
        if escaped:
            result.append("\\" + character)
            escaped = False
        elif character == escape:
            escaped = True
        else:
            result.append("\\\\" if character == "\\" else character)
    return "".join(result) + ("\\" if escaped else "")


define("like_escape", _with_escape)


# --- SIMILAR TO ---------------------------------------------------------------------------------------------


def similar_to_regex(pattern: str, escape: str = "\\") -> str:
    """The regular expression of an SQL pattern.  Raises InvalidEscapeSequence."""
    if len(escape) > 1:
        raise InvalidEscapeSequence(
            "invalid escape string", hint="Escape string must be empty or one character."
        )
    parts = ["^(?:"]
    in_brackets = False
    quotes = 0
    position = 0
    while position < len(pattern):
        character = pattern[position]
        position += 1
        if escape and character == escape and position < len(pattern):
            character = pattern[position]
            position += 1
            if character == '"' and not in_brackets:
                parts.append(_SEPARATORS[min(quotes, 2)])
                quotes += 1
                if quotes > 2:
                    raise _too_many_separators()
            else:
                parts.append("\\" + character)
        elif in_brackets:
            parts.append("\\\\" if character == "\\" else character)
            in_brackets = character != "]"
        else:
            in_brackets = character == "["
            parts.append(_SIMILAR.get(character, character))
    return "".join(parts) + ")$"


_SEPARATORS = ("){1,1}?(", "){1,1}(?:", "")
_SIMILAR = {"%": ".*", "_": ".", "(": "(?:", "\\": "\\\\", ".": "\\.", "^": "\\^", "$": "\\$"}


def _too_many_separators() -> InvalidEscapeSequence:
    error = InvalidEscapeSequence(
        "SQL regular expression may not contain more than two escape-double-quote separators"
    )
    error.sqlstate = "2200C"
    return error


define("similar_to_escape_1", similar_to_regex)
define("similar_to_escape_2", similar_to_regex)
define(
    "similar_escape",
    lambda pattern, escape: (
        None if pattern is None else similar_to_regex(pattern, "\\" if escape is None else escape)
    ),
)


# --- matching -----------------------------------------------------------------------------------------------


def regex_is_match(text: str, pattern: str, flags: str = "") -> bool:
    """text ~ pattern."""
    return compiled(pattern, flags).is_match(text)


class RegexCache(dict[str, Callable[[str], bool]]):
    """`is_match` of compiled patterns by their text; emptied when full."""

    def __init__(self, flags: str) -> None:
        super().__init__()
        self.flags = flags

    def __missing__(self, pattern: str) -> Callable[[str], bool]:
        matcher = compiled(pattern, self.flags).is_match
        if len(self) >= CACHED_PATTERNS:
            self.clear()
        self[pattern] = matcher
        return matcher


NAMESPACE["REGEX"] = RegexCache("")
NAMESPACE["IREGEX"] = RegexCache("i")

for _prefix in ("text", "name"):
    define(f"{_prefix}regexeq", template="REGEX[{1}]({0})")
    define(f"{_prefix}regexne", template="not REGEX[{1}]({0})")
    define(f"{_prefix}icregexeq", template="IREGEX[{1}]({0})")
    define(f"{_prefix}icregexne", template="not IREGEX[{1}]({0})")


def _piece(text: str, span: Span) -> str | None:
    return text[span[0] : span[1]] if span[0] >= 0 else None


def _groups(text: str, spans: list[Span]) -> tuple[str | None, ...]:
    """What regexp_match gives: the groups, or the whole match where the pattern has none."""
    wanted = spans[1:] or spans
    return tuple([_piece(text, span) for span in wanted])


def _substring(text: str, pattern: str) -> str | None:
    spans = compiled(pattern).find(text)
    return None if spans is None else _piece(text, spans[1] if len(spans) > 1 else spans[0])


def _without_global(flags: str, function: str, other: str) -> None:
    if "g" in flags:
        hint = f"Use the {other} function instead." if other else None
        raise InvalidParameterValue(f'{function}() does not support the "global" option', hint=hint)


def _match(text: str, pattern: str, flags: str = "") -> tuple[str | None, ...] | None:
    _without_global(flags, "regexp_match", "regexp_matches")
    spans = compiled(pattern, flags).find(text)
    return None if spans is None else _groups(text, spans)


def _matches(text: str, pattern: str, flags: str = "") -> Iterator[tuple[str | None, ...]]:
    for spans in compiled(pattern, flags).find_all(text):
        yield _groups(text, spans)
        if "g" not in flags:
            return


def _like(text: str, pattern: str, flags: str = "") -> bool:
    _without_global(flags, "regexp_like", "")
    return regex_is_match(text, pattern, flags)


define("textregexsubstr", _substring)
define(
    "substring_text_text_text",
    lambda text, pattern, escape: _substring(text, similar_to_regex(pattern, escape)),
)
define("regexp_match", _match)
define("regexp_match_no_flags", _match)
define("regexp_matches", _matches)
define("regexp_matches_no_flags", _matches)
define("regexp_like", _like)
define("regexp_like_no_flags", _like)


# --- splitting ----------------------------------------------------------------------------------------------


def _split(function: str) -> Callable[..., list[str]]:
    def split(text: str, pattern: str, flags: str = "") -> list[str]:
        _without_global(flags, function, "")
        parts: list[str] = []
        position = 0
        for spans in compiled(pattern, flags).find_all(text):
            begin, end = spans[0]
            if begin == end and (begin == position or begin >= len(text)):
                continue  # an empty match at a piece's own ends splits nothing off
            parts.append(text[position:begin])
            position = end
        parts.append(text[position:])
        return parts

    return split


_split_to_rows = _split("regexp_split_to_table")
_split_to_list = _split("regexp_split_to_array")


def _split_to_array(text: str, pattern: str, flags: str = "") -> tuple[str, ...]:
    return tuple(_split_to_list(text, pattern, flags))


for _suffix in ("", "_no_flags"):
    define(f"regexp_split_to_table{_suffix}", _split_to_rows)
    define(f"regexp_split_to_array{_suffix}", _split_to_array)


# --- replacing ----------------------------------------------------------------------------------------------

_REFERENCE = re.compile(r"\\(?:([1-9])|(&)|(\\)|)")


def _expanded(template: str, text: str, spans: list[Span]) -> str:
    def value(match: re.Match[str]) -> str:
        number, whole, backslash = match.groups()
        if backslash:
            return "\\"
        if whole:
            return _piece(text, spans[0]) or ""
        if number is None:
            return "\\"
        index = int(number)
        return (_piece(text, spans[index]) or "") if index < len(spans) else ""

    return _REFERENCE.sub(value, template) if "\\" in template else template


def _replaced(regex: Regex, text: str, template: str, start: int, which: int) -> str:
    """`text` with its matches from index `start` on replaced: all of them (`which` 0), or the `which`th."""
    parts = [text[:start]]
    position = start
    rest = text
    for number, spans in enumerate(_matches_from(regex, rest, start), 1):
        if which and number != which:
            continue
        begin, end = spans[0]
        parts.append(text[position:begin])
        parts.append(_expanded(template, text, spans))
        position = end
        if which:
            break
    parts.append(text[position:])
    return "".join(parts)


def _matches_from(regex: Regex, text: str, start: int) -> Iterator[list[Span]]:
    position = start
    while position <= len(text):
        spans = regex.find(text, position)
        if spans is None:
            return
        yield spans
        begin, end = spans[0]
        position = end if end > begin else end + 1


def _replace(text: str, pattern: str, template: str, flags: str = "") -> str:
    if flags[:1].isdigit():
        raise InvalidParameterValue(
            f'invalid regular expression option: "{flags[0]}"',
            hint="If you meant to use regexp_replace() with a start parameter, "
            "cast the fourth argument to integer explicitly.",
        )
    return _replaced(compiled(pattern, flags), text, template, 0, 0 if "g" in flags else 1)


def _positive(name: str, value: int) -> None:
    if value <= 0:
        raise InvalidParameterValue(f'invalid value for parameter "{name}": {value}')


def _not_negative(name: str, value: int) -> None:
    if value < 0:
        raise InvalidParameterValue(f'invalid value for parameter "{name}": {value}')


def _replace_from(
    text: str, pattern: str, template: str, start: int, which: int | None = None, flags: str = ""
) -> str:
    _positive("start", start)
    if which is None:
        which = 0 if "g" in flags else 1
    _not_negative("n", which)
    return _replaced(compiled(pattern, flags), text, template, start - 1, which)


define("textregexreplace_noopt", _replace)
define("textregexreplace", _replace)
for _suffix in ("", "_no_flags", "_no_n"):
    define(f"textregexreplace_extended{_suffix}", _replace_from)


# --- counting and locating ----------------------------------------------------------------------------------


def _count(text: str, pattern: str, start: int = 1, flags: str = "") -> int:
    _positive("start", start)
    _without_global(flags, "regexp_count", "")
    return sum(1 for _ in _matches_from(compiled(pattern, flags), text, start - 1))


def _nth(regex: Regex, text: str, start: int, which: int, group: int) -> Span | None:
    """The span of a group of the `which`th match from `start`; None if there is none."""
    if group > regex.groups:
        return None
    for number, spans in enumerate(_matches_from(regex, text, start - 1), 1):
        if number == which:
            return spans[group] if spans[group][0] >= 0 else None
    return None


def _locate(
    text: str,
    pattern: str,
    start: int = 1,
    which: int = 1,
    end_option: int = 0,
    flags: str = "",
    group: int = 0,
) -> int:
    _positive("start", start)
    _positive("n", which)
    if end_option not in (0, 1):
        raise InvalidParameterValue(f'invalid value for parameter "endoption": {end_option}')
    _not_negative("subexpr", group)
    _without_global(flags, "regexp_instr", "")
    span = _nth(compiled(pattern, flags), text, start, which, group)
    return 0 if span is None else span[end_option] + 1


def _nth_substring(
    text: str, pattern: str, start: int = 1, which: int = 1, flags: str = "", group: int = 0
) -> str | None:
    _positive("start", start)
    _positive("n", which)
    _not_negative("subexpr", group)
    _without_global(flags, "regexp_substr", "")
    span = _nth(compiled(pattern, flags), text, start, which, group)
    return None if span is None else _piece(text, span)


for _suffix in ("", "_no_start", "_no_flags"):
    define(f"regexp_count{_suffix}", _count)
for _suffix in ("", "_no_start", "_no_n", "_no_endoption", "_no_flags", "_no_subexpr"):
    define(f"regexp_instr{_suffix}", _locate)
for _suffix in ("", "_no_start", "_no_n", "_no_flags", "_no_subexpr"):
    define(f"regexp_substr{_suffix}", _nth_substring)
