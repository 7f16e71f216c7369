"""Regular expressions run as an automaton: time linear in the text, whatever the pattern.

The tree becomes a nondeterministic automaton (Thompson's construction); its subsets become the states of a
deterministic one, made when first met and kept.
Characters are grouped into classes that the pattern can't tell apart.

    pattern a(b|c)*      nodes  0 -a-> 1 -e-> 2 -b-> 3 -e-> 1 ...      states {0} -a-> {1,2,...} ...

Assertions (^, $, word boundaries) look at the characters on both sides of a position, so a step's key holds
what kind of characters those are, where the pattern has assertions at all.

Not here: back-references and look-around, which no automaton decides.
"""

from __future__ import annotations

from bisect import bisect_right

from skerry_engine.errors import InvalidRegularExpression
from skerry_engine.functions.charsets import CLASSES, Ranges
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

MAX_NODES = 20_000
MAX_STATES = 5_000

# Kinds of neighbours of a position.
_NONE, _NEWLINE, _WORD, _OTHER = 0, 1, 2, 3
_WORD_CHARACTERS = frozenset(chr(code) for low, high in CLASSES["word"] for code in range(low, high + 1))


def is_regular(node: Node) -> bool:
    """Whether an automaton can decide the pattern: no back-references, no look-around."""
    if isinstance(node, (BackReference, Look)):
        return False
    if isinstance(node, (Group, Repeat)):
        return is_regular(node.item)
    if isinstance(node, Sequence):
        return all(is_regular(item) for item in node.items)
    if isinstance(node, Alternatives):
        return all(is_regular(branch) for branch in node.branches)
    return True


class Automaton:
    """The automaton of one pattern.  `match_end` and `is_found` are what it is for."""

    def __init__(self, root: Node) -> None:
        self.sets: list[Ranges] = []
        self.moves: list[list[tuple[int, int]]] = []
        self.jumps: list[list[tuple[str, int]]] = []
        self.has_assertions = False
        self.start = self._new_node()
        self.accept = self._build(root, self.start)
        self.limits = sorted({0, *self._boundaries()})
        self.class_of: dict[str, int] = {}
        self.states: dict[frozenset[int], int] = {}
        self.members: list[frozenset[int]] = []
        self.closures: dict[tuple[int, int], tuple[frozenset[int], bool]] = {}
        self.steps: dict[tuple[int, int, int, bool], int] = {}
        self.initial = self._state(frozenset((self.start,)))

    # --- construction ---

    def _new_node(self) -> int:
        if len(self.moves) >= MAX_NODES:
            raise InvalidRegularExpression("invalid regular expression: regular expression is too complex")
        self.moves.append([])
        self.jumps.append([])
        return len(self.moves) - 1

    def _jump(self, source: int, target: int, condition: str = "") -> None:
        self.jumps[source].append((condition, target))

    def _build(self, node: Node, source: int) -> int:
        """Add the nodes for `node` behind `source`; gives the node where it ends."""
        if isinstance(node, Characters):
            target = self._new_node()
            self.sets.append(node.ranges)
            self.moves[source].append((len(self.sets) - 1, target))
            return target
        if isinstance(node, Sequence):
            for item in node.items:
                source = self._build(item, source)
            return source
        if isinstance(node, Alternatives):
            return self._build_alternatives(node, source)
        if isinstance(node, Group):
            return self._build(node.item, source)
        if isinstance(node, Repeat):
            return self._build_repeat(node, source)
        assert isinstance(node, Assertion)
        self.has_assertions = True
        target = self._new_node()
        self._jump(source, target, node.kind)
        return target

    def _build_alternatives(self, node: Alternatives, source: int) -> int:
        target = self._new_node()
        for branch in node.branches:
            first = self._new_node()
            self._jump(source, first)
            self._jump(self._build(branch, first), target)
        return target

    def _build_repeat(self, node: Repeat, source: int) -> int:
        for _ in range(node.low):
            source = self._build(node.item, source)
        if node.high is None:
            loop = self._new_node()
            self._jump(source, loop)
            self._jump(self._build(node.item, loop), loop)
            target = self._new_node()
            self._jump(loop, target)
            return target
        target = self._new_node()
        for _ in range(node.high - node.low):
            self._jump(source, target)
            source = self._build(node.item, source)
        self._jump(source, target)
        return target

    def _boundaries(self) -> list[int]:
        return [limit for ranges in self.sets for low, high in ranges for limit in (low, high + 1)]

    # --- running ---

    def match_end(self, text: str, start: int, longest: bool) -> int:
        """Where the longest (or shortest) match that begins at `start` ends; -1 if none does."""
        state = self.initial
        found = -1
        position = start
        length = len(text)
        while True:
            context = self._context(text, position) if self.has_assertions else 0
            nodes, accepts = self._closure(state, context)
            if accepts:
                found = position
                if not longest:
                    return found
            if position >= length or not nodes:
                return found
            state = self._step(state, context, nodes, text[position], False)
            position += 1

    def is_found(self, text: str, start: int = 0) -> bool:
        """Whether any match begins at or after `start`."""
        state = self.initial
        length = len(text)
        for position in range(start, length + 1):
            context = self._context(text, position) if self.has_assertions else 0
            nodes, accepts = self._closure(state, context)
            if accepts:
                return True
            if position < length:
                state = self._step(state, context, nodes, text[position], True)
        return False

    def _class(self, character: str) -> int:
        known = self.class_of.get(character)
        if known is None:
            known = bisect_right(self.limits, ord(character)) - 1
            if len(self.class_of) < 10_000:
                self.class_of[character] = known
        return known

    def _context(self, text: str, position: int) -> int:
        before = _kind(text[position - 1]) if position > 0 else _NONE
        after = _kind(text[position]) if position < len(text) else _NONE
        return before * 4 + after

    def _state(self, nodes: frozenset[int]) -> int:
        known = self.states.get(nodes)
        if known is None:
            if len(self.members) >= MAX_STATES:
                self._forget()
            known = len(self.members)
            self.states[nodes] = known
            self.members.append(nodes)
        return known

    def _forget(self) -> None:
        """Drop the states made so far, to bound memory; the initial one comes back first."""
        self.states.clear()
        self.members.clear()
        self.closures.clear()
        self.steps.clear()
        self.states[frozenset((self.start,))] = 0
        self.members.append(frozenset((self.start,)))
        self.initial = 0

    def _closure(self, state: int, context: int) -> tuple[frozenset[int], bool]:
        """The nodes with moves that the state's nodes reach without a character,
        and whether it may end here."""
        known = self.closures.get((state, context))
        if known is not None:
            return known
        pending = list(self.members[state])
        reached = set(pending)
        while pending:
            for condition, target in self.jumps[pending.pop()]:
                if target not in reached and (not condition or _holds(condition, context)):
                    reached.add(target)
                    pending.append(target)
        result = (frozenset([node for node in reached if self.moves[node]]), self.accept in reached)
        self.closures[(state, context)] = result
        return result

    def _step(self, state: int, context: int, nodes: frozenset[int], character: str, search: bool) -> int:
        """The state after a character; when searching, a match may also begin after it."""
        kind = self._class(character)
        key = (state, context, kind, search)
        known = self.steps.get(key)
        if known is not None:
            return known
        sample = self.limits[kind]
        targets = {
            target
            for node in nodes
            for number, target in self.moves[node]
            if _contains(self.sets[number], sample)
        }
        if search:
            targets.add(self.start)
        size = len(self.members)
        result = self._state(frozenset(targets))
        if len(self.members) >= size:  # nothing was forgotten: `state` still means what it did
            self.steps[key] = result
        return result


def _kind(character: str) -> int:
    if character in _WORD_CHARACTERS:
        return _WORD
    return _NEWLINE if character == "\n" else _OTHER


def _contains(ranges: Ranges, code: int) -> bool:
    return any(low <= code <= high for low, high in ranges)


def _holds(condition: str, context: int) -> bool:
    before, after = divmod(context, 4)
    if condition == "start":
        return before == _NONE
    if condition == "end":
        return after == _NONE
    if condition == "line_start":
        return before in (_NONE, _NEWLINE)
    if condition == "line_end":
        return after in (_NONE, _NEWLINE)
    if condition == "word_start":
        return before != _WORD and after == _WORD
    if condition == "word_end":
        return before == _WORD and after != _WORD
    at_boundary = (before == _WORD) != (after == _WORD)
    return at_boundary if condition == "word" else not at_boundary
