"""PostgreSQL's regular expressions ("advanced" ones, ARE) read into a tree.

The tree is what `regex_automaton` runs in linear time and `regex_translation` writes in Python's syntax.
Options, case and newline handling are settled here: a leaf holds exactly the characters it matches.

Not supported, and refused by name: collating elements of more than one character.
"""

from __future__ import annotations

from dataclasses import dataclass

from skerry_engine.errors import InvalidParameterValue, InvalidRegularExpression, NotSupportedError
from skerry_engine.functions import charsets
from skerry_engine.functions.charsets import Ranges

MAX_REPEAT = 255
MAX_DEPTH = 100


@dataclass(frozen=True, slots=True)
class Node:
    """Base of the tree's nodes."""


@dataclass(frozen=True, slots=True)
class Characters(Node):
    """One character of a set."""

    ranges: Ranges


@dataclass(frozen=True, slots=True)
class Sequence(Node):
    """One after the other; empty: the empty string."""

    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Alternatives(Node):
    branches: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Repeat(Node):
    """`item` from `low` to `high` times (None: without limit).

    `is_exact_count`: written {m}, which unlike {m,m} has no greediness of its own.
    """

    item: Node
    low: int
    high: int | None
    greedy: bool
    is_exact_count: bool


@dataclass(frozen=True, slots=True)
class Group(Node):
    """A subexpression; `number` from 1 when it captures."""

    item: Node
    number: int | None


@dataclass(frozen=True, slots=True)
class Assertion(Node):
    """kind: start, end (of the string), line_start, line_end, word, not_word, word_start, word_end."""

    kind: str


@dataclass(frozen=True, slots=True)
class Look(Node):
    """Look-ahead or look-behind."""

    item: Node
    behind: bool
    negated: bool


@dataclass(frozen=True, slots=True)
class BackReference(Node):
    number: int


@dataclass(frozen=True, slots=True)
class RegexOptions:
    """What flags and embedded options say."""

    ignore_case: bool = False
    dot_excludes_newline: bool = False
    anchors_at_lines: bool = False
    expanded: bool = False
    literal: bool = False
    all_matches: bool = False


@dataclass(frozen=True, slots=True)
class ParsedRegex:
    """A regular expression read: its tree and the number of capturing groups."""

    root: Node
    groups: int


EMPTY = Sequence(())

_OPTION_LETTERS: dict[str, dict[str, bool]] = {
    "c": {"ignore_case": False},
    "i": {"ignore_case": True},
    "m": {"dot_excludes_newline": True, "anchors_at_lines": True},
    "n": {"dot_excludes_newline": True, "anchors_at_lines": True},
    "p": {"dot_excludes_newline": True, "anchors_at_lines": False},
    "q": {"literal": True},
    "s": {"dot_excludes_newline": False, "anchors_at_lines": False},
    "t": {"expanded": False},
    "w": {"dot_excludes_newline": False, "anchors_at_lines": True},
    "x": {"expanded": True},
    "e": {},
}


def options_of_flags(flags: str) -> RegexOptions:
    """The options of a flags argument.  Raises InvalidParameterValue for a letter that is none."""
    settings: dict[str, bool] = {}
    for letter in flags:
        if letter == "g":
            settings["all_matches"] = True
        elif letter == "b":
            raise NotSupportedError("basic regular expressions are not supported")
        elif letter in _OPTION_LETTERS:
            settings.update(_OPTION_LETTERS[letter])
        else:
            raise InvalidParameterValue(f'invalid regular expression option: "{letter}"')
    return RegexOptions(**settings)


def parse_regex(pattern: str, options: RegexOptions) -> ParsedRegex:
    """The tree of a pattern.  Raises InvalidRegularExpression."""
    parser = _Parser(pattern, options)
    root = parser.parse()
    return ParsedRegex(root, parser.groups)


def _invalid(message: str) -> InvalidRegularExpression:
    return InvalidRegularExpression(f"invalid regular expression: {message}")


_SIMPLE_ESCAPES = {"a": 7, "b": 8, "B": 92, "e": 27, "f": 12, "n": 10, "r": 13, "t": 9, "v": 11}
_ASSERTIONS = {"A": "start", "Z": "end", "m": "word_start", "M": "word_end", "y": "word", "Y": "not_word"}
_HEX_LENGTHS = {"u": 4, "U": 8}


class _Parser:
    """A recursive-descent parser over one pattern."""

    def __init__(self, pattern: str, options: RegexOptions) -> None:
        self.text = pattern
        self.position = 0
        self.ignore_case = options.ignore_case
        self.dot_excludes_newline = options.dot_excludes_newline
        self.anchors_at_lines = options.anchors_at_lines
        self.expanded = options.expanded
        self.literal = options.literal
        self.groups = 0
        self.closed_groups: set[int] = set()
        self.depth = 0

    def parse(self) -> Node:
        self._directors()
        if self.literal:
            return Sequence(tuple([self._one(ord(character)) for character in self.text[self.position :]]))
        root = self._alternatives()
        if self.position < len(self.text):
            raise _invalid("parentheses () not balanced")
        return root

    def _directors(self) -> None:
        if self.literal:
            return
        if self.text.startswith("***="):
            self.literal = True
            self.position = 4
        elif self.text.startswith("***:"):
            self.position = 4
        elif self.text.startswith("***"):
            raise _invalid("quantifier operand invalid")
        if (
            self.text.startswith("(?", self.position)
            and self.text[self.position + 2 : self.position + 3].isalpha()
        ):
            self._embedded_options()

    def _embedded_options(self) -> None:
        end = self.text.find(")", self.position)
        letters = self.text[self.position + 2 : end if end >= 0 else len(self.text)]
        for letter in letters:
            if letter not in _OPTION_LETTERS:
                raise _invalid("invalid embedded option")
            for name, value in _OPTION_LETTERS[letter].items():
                setattr(self, name, value)
        if end < 0:
            raise _invalid("invalid embedded option")
        self.position = end + 1

    # --- structure ---

    def _peek(self) -> str:
        if self.expanded:
            self._skip_blanks()
        return self.text[self.position : self.position + 1]

    def _skip_blanks(self) -> None:
        while self.position < len(self.text):
            character = self.text[self.position]
            if character == "#":
                newline = self.text.find("\n", self.position)
                self.position = len(self.text) if newline < 0 else newline
            elif character in " \t\n\v\f\r":
                self.position += 1
            else:
                return

    def _alternatives(self) -> Node:
        branches = [self._branch()]
        while self._peek() == "|":
            self.position += 1
            branches.append(self._branch())
        return branches[0] if len(branches) == 1 else Alternatives(tuple(branches))

    def _branch(self) -> Node:
        items: list[Node] = []
        while self._peek() not in ("", "|", ")"):
            items.append(self._quantified())
        return items[0] if len(items) == 1 else Sequence(tuple(items))

    def _quantified(self) -> Node:
        atom = self._atom()
        bounds = self._quantifier()
        if bounds is None:
            return atom
        if isinstance(atom, (Assertion, Look)):
            raise _invalid("quantifier operand invalid")
        greedy = True
        if self._peek() == "?":
            self.position += 1
            greedy = False
        if self._quantifier() is not None:
            raise _invalid("quantifier operand invalid")
        return Repeat(atom, bounds[0], bounds[1], greedy, bounds[2])

    def _quantifier(self) -> tuple[int, int | None, bool] | None:
        character = self._peek()
        if character in ("*", "+", "?") and character:
            self.position += 1
            return {"*": (0, None, False), "+": (1, None, False), "?": (0, 1, False)}[character]
        if character == "{" and self.text[self.position + 1 : self.position + 2].isdigit():
            return self._bounds()
        return None

    def _bounds(self) -> tuple[int, int | None, bool]:
        self.position += 1
        low = self._number()
        high: int | None = low
        is_exact_count = not self.text.startswith(",", self.position)
        if self.text[self.position : self.position + 1] == ",":
            self.position += 1
            digits = self.text[self.position : self.position + 1].isdigit()
            high = self._number() if digits else None
        if self.text[self.position : self.position + 1] != "}":
            raise _invalid("braces {} not balanced" if self.position >= len(self.text) else _BAD_COUNT)
        self.position += 1
        if low > MAX_REPEAT or (high is not None and (high > MAX_REPEAT or high < low)):
            raise _invalid(_BAD_COUNT)
        return low, high, is_exact_count

    def _number(self) -> int:
        start = self.position
        while self.text[self.position : self.position + 1].isdigit():
            self.position += 1
        return int(self.text[start : self.position][:9])

    # --- atoms ---

    def _atom(self) -> Node:
        character = self.text[self.position]
        if character in "*+?" or (
            character == "{" and self.text[self.position + 1 : self.position + 2].isdigit()
        ):
            raise _invalid("quantifier operand invalid")
        self.position += 1
        if character == "(":
            return self._parenthesis()
        if character == "[":
            return self._bracket()
        if character == ".":
            excludes = self.dot_excludes_newline
            return Characters(
                charsets.without_newline(charsets.EVERYTHING) if excludes else charsets.EVERYTHING
            )
        if character == "^":
            return Assertion("line_start" if self.anchors_at_lines else "start")
        if character == "$":
            return Assertion("line_end" if self.anchors_at_lines else "end")
        if character == "\\":
            return self._escape()
        return self._one(ord(character))

    def _one(self, code: int) -> Characters:
        return self._set(((code, code),))

    def _set(self, ranges: Ranges) -> Characters:
        return Characters(charsets.any_case(ranges) if self.ignore_case else ranges)

    def _parenthesis(self) -> Node:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise _invalid("regular expression is too complex")
        look = self._look_kind()
        number: int | None = None
        if look is None:
            if self.text.startswith("?:", self.position):
                self.position += 2
            elif self.text.startswith("?", self.position):
                raise _invalid("quantifier operand invalid")
            else:
                self.groups += 1
                number = self.groups
        item = self._alternatives()
        if self._peek() != ")":
            raise _invalid("parentheses () not balanced")
        self.position += 1
        self.depth -= 1
        if number is not None:
            self.closed_groups.add(number)
        if look is not None:
            return Look(item, look[0], look[1])
        return Group(item, number)

    def _look_kind(self) -> tuple[bool, bool] | None:
        for mark, kind in _LOOKS.items():
            if self.text.startswith(mark, self.position):
                self.position += len(mark)
                return kind
        return None

    def _escape(self) -> Node:
        if self.position >= len(self.text):
            raise _invalid("invalid escape \\ sequence")
        character = self.text[self.position]
        self.position += 1
        if character in "dswDSW":
            return Characters(self._class_escape(character))
        if character in _ASSERTIONS:
            return Assertion(_ASSERTIONS[character])
        if character in "123456789":
            return self._back_reference(character)
        return self._one(self._character_escape(character))

    def _class_escape(self, character: str) -> Ranges:
        ranges = charsets.ESCAPES[character.lower()]
        if character.islower():
            return ranges
        negated = charsets.complement(charsets.union(ranges))
        return charsets.without_newline(negated) if self.dot_excludes_newline else negated

    def _back_reference(self, first: str) -> Node:
        start = self.position - 1
        while self.text[self.position : self.position + 1].isdigit():
            self.position += 1
        digits = self.text[start : self.position]
        number = int(digits)
        if len(digits) > 1 and number > self.groups:
            self.position = start + 1
            return self._one(self._octal(first))
        if number not in self.closed_groups:
            raise _invalid("invalid backreference number")
        return BackReference(number)

    def _character_escape(self, character: str) -> int:
        """The code point of an escape for one character, `character` being what follows the backslash."""
        if character in _SIMPLE_ESCAPES:
            return _SIMPLE_ESCAPES[character]
        if character in _HEX_LENGTHS:
            return self._hexadecimal(_HEX_LENGTHS[character], exact=True)
        if character == "x":
            return self._hexadecimal(8, exact=False)
        if character == "c":
            self.position += 1
            if self.position > len(self.text):
                raise _invalid("invalid escape \\ sequence")
            return ord(self.text[self.position - 1]) & 31
        if character == "0":
            return self._octal("0")
        if character.isascii() and character.isalnum():
            raise _invalid("invalid escape \\ sequence")
        return ord(character)

    def _octal(self, first: str) -> int:
        digits = first
        while len(digits) < 3 and self.text[self.position : self.position + 1] in tuple("01234567"):
            digits += self.text[self.position]
            self.position += 1
        try:
            return int(digits, 8)
        except ValueError:
            raise _invalid("invalid backreference number") from None

    def _hexadecimal(self, length: int, exact: bool) -> int:
        start = self.position
        while self.position - start < length and self.text[self.position : self.position + 1] in _HEX_DIGITS:
            self.position += 1
        digits = self.text[start : self.position]
        if not digits or (exact and len(digits) < length):
            raise _invalid("invalid escape \\ sequence")
        code = int(digits, 16)
        if code > charsets.LAST:
            raise _invalid("invalid escape \\ sequence")
        return code

    # --- bracket expressions ---

    def _bracket(self) -> Node:
        if self.text.startswith("[:<:]]", self.position):
            self.position += 6
            return Assertion("word_start")
        if self.text.startswith("[:>:]]", self.position):
            self.position += 6
            return Assertion("word_end")
        negated = self.text.startswith("^", self.position)
        if negated:
            self.position += 1
        parts: list[tuple[int, int]] = []
        first = True
        while first or not self.text.startswith("]", self.position):
            if self.position >= len(self.text):
                raise _invalid("brackets [] not balanced")
            parts.extend(self._bracket_item())
            first = False
        self.position += 1
        ranges = charsets.union(parts)
        if self.ignore_case:
            ranges = charsets.any_case(ranges)
        if negated:
            ranges = charsets.complement(ranges)
            if self.dot_excludes_newline:
                ranges = charsets.without_newline(ranges)
        return Characters(ranges)

    def _bracket_item(self) -> Ranges:
        item = self._bracket_atom()
        if not isinstance(item, int):
            return item
        if self.text.startswith("-", self.position) and not self.text.startswith("-]", self.position):
            self.position += 1
            if self.position >= len(self.text):
                raise _invalid("brackets [] not balanced")
            end = self._bracket_atom()
            if not isinstance(end, int) or end < item:
                raise _invalid("invalid character range")
            return ((item, end),)
        return ((item, item),)

    def _bracket_atom(self) -> int | Ranges:
        """A character's code, or the ranges of a class."""
        character = self.text[self.position]
        kind = self.text[self.position + 1 : self.position + 2]
        if character == "[" and kind in (":", ".", "=") and kind:
            return self._bracket_name(kind)
        self.position += 1
        if character != "\\":
            return ord(character)
        if self.position >= len(self.text):
            raise _invalid("invalid escape \\ sequence")
        escaped = self.text[self.position]
        self.position += 1
        if escaped in "dswDSW":
            return self._class_escape(escaped)
        if escaped in "AZmMyY123456789":
            raise _invalid("invalid escape \\ sequence")
        return self._character_escape(escaped)

    def _bracket_name(self, kind: str) -> int | Ranges:
        end = self.text.find(kind + "]", self.position + 2)
        if end < 0:
            raise _invalid("brackets [] not balanced")
        name = self.text[self.position + 2 : end]
        self.position = end + 2
        if kind != ":":
            if len(name) != 1:
                raise NotSupportedError(
                    f'collating element "{name}" in a regular expression is not supported'
                )
            return ord(name)
        if self.ignore_case and name in ("upper", "lower"):
            name = "alpha"
        if name not in charsets.CLASSES:
            raise _invalid("invalid character class")
        return charsets.CLASSES[name]


_BAD_COUNT = "invalid repetition count(s)"
_LOOKS = {"?=": (False, False), "?!": (False, True), "?<=": (True, False), "?<!": (True, True)}
_HEX_DIGITS = tuple("0123456789abcdefABCDEF")
