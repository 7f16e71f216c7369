"""A regular expression's tree in the syntax of Python's `re`.

Python's matcher backtracks: it decides existence exactly as PostgreSQL's does, but takes the first
alternative that works where PostgreSQL takes the longest match, and can take exponential time.
`regex_matching` knows when it may be used.
"""

from __future__ import annotations

import math

from skerry_engine.functions.charsets import EVERYTHING, Ranges
from skerry_engine.functions.regex_parser import (
    Alternatives,
    Assertion,
    BackReference,
    Characters,
    Group,
    Look,
    Node,
    Repeat,
    Sequence,
)

_ASSERTIONS = {
    "start": r"\A",
    "end": r"\Z",
    "line_start": r"(?:\A|(?<=\n))",
    "line_end": r"(?=\n|\Z)",
    "word": r"\b",
    "not_word": r"\B",
    "word_start": r"\b(?=\w)",
    "word_end": r"\b(?<=\w)",
}
_SPECIAL = frozenset("\\.^$*+?{}[]|()-&~# \t\n\r\v\f")


def to_python(node: Node) -> str:
    """Source for `re.compile(..., re.DOTALL | re.ASCII)` with the same groups."""
    if isinstance(node, Characters):
        return _set(node.ranges)
    if isinstance(node, Sequence):
        return "".join([_in_sequence(item) for item in node.items])
    if isinstance(node, Alternatives):
        # The longest first, as PostgreSQL prefers it; for the question whether there is a match the order
        # is no matter.
        return "|".join([to_python(branch) for branch in sorted(node.branches, key=_width, reverse=True)])
    if isinstance(node, Group):
        inner = to_python(node.item)
        return f"(?:{inner})" if node.number is None else f"({inner})"
    if isinstance(node, Repeat):
        return _repeat(node)
    if isinstance(node, Assertion):
        return _ASSERTIONS[node.kind]
    if isinstance(node, Look):
        mark = ("?<" if node.behind else "?") + ("!" if node.negated else "=")
        return f"({mark}{to_python(node.item)})"
    assert isinstance(node, BackReference)
    return f"(?:\\{node.number})"


def _in_sequence(node: Node) -> str:
    text = to_python(node)
    return f"(?:{text})" if isinstance(node, Alternatives) else text


def _repeat(node: Repeat) -> str:
    inner = to_python(node.item)
    if not isinstance(node.item, (Characters, Group, BackReference)):
        inner = f"(?:{inner})"
    high = "" if node.high is None else str(node.high)
    return f"{inner}{{{node.low},{high}}}{'' if node.greedy else '?'}"


def _width(node: Node) -> float:
    """The length of the longest text that the node matches."""
    if isinstance(node, Characters):
        return 1
    if isinstance(node, Sequence):
        return sum([_width(item) for item in node.items])
    if isinstance(node, Alternatives):
        return max([_width(branch) for branch in node.branches])
    if isinstance(node, Group):
        return _width(node.item)
    if isinstance(node, Repeat):
        width = _width(node.item)
        return width * (math.inf if node.high is None else node.high) if width else 0
    return math.inf if isinstance(node, BackReference) else 0


def _set(ranges: Ranges) -> str:
    if ranges == EVERYTHING:
        return "."
    if not ranges:
        return "(?!)"
    if len(ranges) == 1 and ranges[0][0] == ranges[0][1]:
        return _escaped(ranges[0][0])
    return "[" + "".join([_range(low, high) for low, high in ranges]) + "]"


def _range(low: int, high: int) -> str:
    return _escaped(low) if low == high else f"{_escaped(low)}-{_escaped(high)}"


def _escaped(code: int) -> str:
    character = chr(code)
    if character.isascii() and character.isprintable() and character not in _SPECIAL:
        return character
    return f"\\U{code:08x}" if code > 0xFFFF else f"\\u{code:04x}"
