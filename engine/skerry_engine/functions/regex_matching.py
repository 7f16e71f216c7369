"""Regular expressions applied: PostgreSQL's answers, within bounded time.

Three questions, asked of whichever engine may answer:

    does it match?              `re`, unless the pattern and the text's length risk exponential time; then the automaton
    where is the first match?   it begins where `re` says (or the automaton); how far it goes the automaton says: the longest,
                                or where the pattern begins non-greedily the shortest
    what did the groups match?  `re`, given the match as a whole

Patterns with back-references or look-around are `re`'s alone; where they risk too much time for a long text
they are refused (54001).  A pattern is compiled once and kept while it is used.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from skerry_engine.errors import StatementTooComplex
from skerry_engine.functions.regex_automaton import Automaton, is_regular
from skerry_engine.functions.regex_parser import (
    Alternatives,
    Assertion,
    Characters,
    Group,
    Node,
    Repeat,
    Sequence,
    options_of_flags,
    parse_regex,
)
from skerry_engine.functions.regex_translation import to_python

Span = tuple[int, int]
MAX_BACKTRACKING = 1_000_000
"""What a backtracking match may cost by the estimate below, in steps."""


class Regex:
    """A compiled pattern."""

    def __init__(self, pattern: str, flags: str) -> None:
        parsed = parse_regex(pattern, options_of_flags(flags))
        self.groups = parsed.groups
        self.matcher = re.compile(to_python(parsed.root), re.DOTALL | re.ASCII)
        self.degree = _degree(parsed.root)
        self.automaton = Automaton(parsed.root) if is_regular(parsed.root) else None
        self.longest = _prefers_longest(parsed.root)
        self.is_exact = _is_deterministic(parsed.root)

    def is_match(self, text: str) -> bool:
        """Whether the text holds a match."""
        if self._is_cheap(text):
            return self.matcher.search(text) is not None
        assert self.automaton is not None
        return self.automaton.is_found(text)

    def find(self, text: str, start: int = 0) -> list[Span] | None:
        """The first match at or after `start`: its span, then its groups' ((-1, -1)
        where one took no part)."""
        if self._is_cheap(text):
            found = self.matcher.search(text, start)
            if found is None:
                return None
            if self.automaton is None or self.is_exact:
                return [found.span(group) for group in range(self.groups + 1)]
            begin = found.start()
        else:
            begin = self._search(text, start)
            if begin < 0:
                return None
        assert self.automaton is not None
        end = self.automaton.match_end(text, begin, self.longest)
        return self._with_groups(text, begin, end)

    def find_all(self, text: str) -> Iterator[list[Span]]:
        """All matches, none overlapping the one before; an empty one not where the one before ended."""
        position = 0
        while position <= len(text):
            spans = self.find(text, position)
            if spans is None:
                return
            yield spans
            begin, end = spans[0]
            position = end if end > begin else end + 1

    def _is_cheap(self, text: str) -> bool:
        if self.degree <= 1 or self._estimate(len(text)) <= MAX_BACKTRACKING:
            return True
        if self.automaton is None:
            raise StatementTooComplex("regular expression with back-references is too complex for this text")
        return False

    def _estimate(self, length: int) -> float:
        if self.degree >= _EXPONENTIAL:
            return float(2 ** min(length, 60))
        return float((length + 1) ** self.degree)

    def _search(self, text: str, start: int) -> int:
        """Where the first match begins, by the automaton."""
        assert self.automaton is not None
        if not self.automaton.is_found(text, start):
            return -1
        for position in range(start, len(text) + 1):
            if self.automaton.match_end(text, position, False) >= 0:
                return position
        return -1

    def _with_groups(self, text: str, begin: int, end: int) -> list[Span]:
        if not self.groups:
            return [(begin, end)]
        whole = self.matcher.fullmatch(text, begin, end) if self._is_cheap(text[begin:end]) else None
        if whole is None:  # an anchor at its end may need to see what follows
            rest = f"(?:{self.matcher.pattern})(?=.{{{len(text) - end}}}\\Z)"
            whole = re.compile(rest, self.matcher.flags).match(text, begin)
        if whole is None or whole.end() != end:
            raise StatementTooComplex("regular expression is too complex to tell its groups for this text")
        return [whole.span(group) for group in range(self.groups + 1)]


@lru_cache(maxsize=512)
def compiled(pattern: str, flags: str = "") -> Regex:
    """The pattern, compiled once.  Raises InvalidRegularExpression, InvalidParameterValue."""
    return Regex(pattern, flags)


# --- what a pattern is like ---------------------------------------------------------------------------------

_EXPONENTIAL = 100


def _degree(node: Node) -> int:
    """How a backtracking matcher's time may grow: the exponent over the text's length, or _EXPONENTIAL."""
    return 1 + _ambiguity(node)


def _ambiguity(node: Node) -> int:
    if isinstance(node, Sequence):
        return min(sum(_ambiguity(item) for item in node.items), _EXPONENTIAL)
    if isinstance(node, Alternatives):
        return min(sum(_ambiguity(branch) for branch in node.branches), _EXPONENTIAL)
    if isinstance(node, Group):
        return _ambiguity(node.item)
    if isinstance(node, Repeat):
        inner = _ambiguity(node.item)
        many = node.high is None or node.high > 8
        if many and (inner or _has_choice(node.item)):
            return _EXPONENTIAL
        return inner + (1 if many else 0)
    return 0


def _has_choice(node: Node) -> bool:
    """Whether the item may match one text in several ways."""
    if isinstance(node, Alternatives):
        return True
    if isinstance(node, Sequence):
        return any(_has_choice(item) for item in node.items)
    if isinstance(node, Group):
        return _has_choice(node.item)
    return isinstance(node, Repeat)


def _prefers_longest(node: Node) -> bool:
    """Whether the match as a whole is to be the longest: it is unless the first quantifier is non-greedy."""
    preference = _preference(node)
    return preference is None or preference


def _preference(node: Node) -> bool | None:
    if isinstance(node, Alternatives):
        return True
    if isinstance(node, Sequence):
        for item in node.items:
            preference = _preference(item)
            if preference is not None:
                return preference
        return None
    if isinstance(node, Group):
        return _preference(node.item)
    if isinstance(node, Repeat):
        return _preference(node.item) if node.is_exact_count else node.greedy
    return None


def _is_deterministic(node: Node) -> bool:
    """Whether `re`'s match is surely the longest: characters one after the other, and at most one greedy
    repetition of a character, with only characters behind it."""
    parts = _flattened(node)
    if parts is None:
        return False
    choices = [part for part in parts if isinstance(part, Repeat) and part.low != part.high]
    if not choices:
        return True
    return len(choices) == 1 and choices[0].greedy


def _flattened(node: Node) -> list[Node] | None:
    """Characters, assertions and repetitions of characters in a row, groups dissolved;
    None for anything else."""
    if isinstance(node, (Characters, Assertion)):
        return [node]
    if isinstance(node, Repeat):
        return [node] if isinstance(node.item, Characters) else None
    if isinstance(node, Group):
        return _flattened(node.item)
    if not isinstance(node, Sequence):
        return None
    parts: list[Node] = []
    for item in node.items:
        inner = _flattened(item)
        if inner is None:
            return None
        parts.extend(inner)
    return parts
