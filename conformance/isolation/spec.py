"""Reads the spec files of PostgreSQL's isolationtester, as far as their transcripts have to be understood.

    spec        setup* teardown? session+ permutation*
    session     session NAME setup? step+ teardown?
    step        step NAME { SQL }
    permutation permutation NAME [(blocker, …)] …

`{` opens SQL, the next `}` ends it; `#` begins a comment; names may stand in double quotes.  isolationtester
itself reads the same file; this reader only tells which step belongs to which session, and what its SQL is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

_TOKEN = re.compile(
    r"""(?P<space>[ \t\r\f\n]+|\#[^\n\r]*)
      | \{[ \t\r\f]*(?P<sql>[^}]*?)[ \t\r\f]*\}
      | "(?P<quoted>(?:[^"\n]|"")*)"
      | (?P<word>[A-Za-z_\x80-\U0010ffff][A-Za-z_\x80-\U0010ffff0-9$]*)
      | (?P<number>[0-9]+)
      | (?P<mark>[,()*])""",
    re.VERBOSE,
)
_TABLE = re.compile(
    r"\bCREATE\s+(?:UNLOGGED\s+)?TABLE\s+(?:IF\s+NOT\s+EXISTS\s+)?([A-Za-z_][A-Za-z_0-9]*)", re.IGNORECASE
)
STATE_SETTING = "conformance.final_state"


class SpecError(Exception):
    """The text is no spec file; the message says where."""


@dataclass(frozen=True)
class Token:
    """`kind` is sql, name, keyword, number or mark; `start` and `end` are offsets into the text."""

    kind: str
    text: str
    start: int
    end: int


@dataclass
class SpecSession:
    """One session: what runs before, in and after each permutation."""

    name: str
    setup: str | None = None
    steps: dict[str, str] = field(default_factory=dict)
    teardown: str | None = None
    teardown_span: tuple[int, int] = (0, 0)


@dataclass
class Spec:
    """A spec file.  A `teardown_span` holds the offsets of a teardown, or twice the offset where one could be
    put."""

    text: str
    setups: list[str] = field(default_factory=list)
    teardown: str | None = None
    teardown_span: tuple[int, int] = (0, 0)
    sessions: list[SpecSession] = field(default_factory=list)
    permutations: list[list[str]] = field(default_factory=list)
    permutations_start: int = 0

    def session_of(self, step: str) -> SpecSession:
        """The session that a step belongs to.  Raises SpecError for an unknown step."""
        for session in self.sessions:
            if step in session.steps:
                return session
        raise SpecError(f"no session has a step {step!r}")

    def session_named(self, name: str) -> SpecSession:
        """The session of that name.  Raises SpecError for an unknown one."""
        for session in self.sessions:
            if session.name == name:
                return session
        raise SpecError(f"there is no session {name!r}")

    def tables(self) -> list[str]:
        """The tables that the setups create, by name, in order."""
        found = [name.lower() for sql in self.setups for name in _TABLE.findall(sql)]
        return list(dict.fromkeys(found))

    def with_final_state(self) -> str:
        """The spec's text, with every session ended by COMMIT, and with a teardown that also prints the rows of
        every table before it drops them."""
        text = self.text
        edits = [(session.teardown_span, _with_commit(session.teardown)) for session in self.sessions]
        if self.tables():
            edits.append((self.teardown_span, self._showing_teardown()))
        for (start, end), block in sorted(edits, reverse=True):
            text = text[:start] + block + text[end:]
        return text

    def with_permutations(self, permutations: Sequence[Sequence[str]]) -> str:
        """The spec's text with these permutations instead of its own."""
        lines = [f"permutation {' '.join(map(_quoted, steps))}" for steps in permutations]
        return self.text[: self.permutations_start] + "\n".join(lines) + "\n"

    def _showing_teardown(self) -> str:
        rows = "string_agg(row_to_json(t)::text, ' ' ORDER BY row_to_json(t)::text)"
        parts = ", ".join(f"'{name}: ', (SELECT {rows} FROM {name} t), '; '" for name in self.tables())
        remember = f"SELECT set_config('{STATE_SETTING}', concat({parts}), false);"
        show = f"SELECT current_setting('{STATE_SETTING}') AS final_state;"
        return f"teardown\n{{\n{remember}\n{_closed(self.teardown)}\n{show}\n}}\n\n"


def _closed(sql: str | None) -> str:
    """Statements that others can follow."""
    text = (sql or "").strip()
    return f"{text};" if text and not text.endswith(";") else text


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _with_commit(teardown: str | None) -> str:
    return f"\nteardown {{ {_closed(teardown)} COMMIT; }}\n"


def tokens(text: str) -> Iterator[Token]:
    """The tokens of a spec file.  Raises SpecError at what is none."""
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            line = text.count("\n", 0, position) + 1
            raise SpecError(f"line {line}: unexpected {text[position : position + 20]!r}")
        start, position = position, match.end()
        if match["space"] is not None:
            continue
        if match["sql"] is not None:
            yield Token("sql", match["sql"], start, position)
        elif match["quoted"] is not None:
            yield Token("name", match["quoted"].replace('""', '"'), start, position)
        elif match["word"] is not None:
            kind = "keyword" if match["word"] in _KEYWORDS else "name"
            yield Token(kind, match["word"], start, position)
        elif match["number"] is not None:
            yield Token("number", match["number"], start, position)
        else:
            yield Token("mark", match["mark"], start, position)


_KEYWORDS = frozenset(("setup", "teardown", "session", "step", "permutation", "notices"))


def parse_spec(text: str) -> Spec:
    """Read a spec file.  Raises SpecError."""
    return _Parser(text).spec()


class _Parser:
    def __init__(self, text: str) -> None:
        self._tokens = list(tokens(text))
        self._next = 0
        self._spec = Spec(text)

    def spec(self) -> Spec:
        spec = self._spec
        while self._keyword("setup"):
            spec.setups.append(self._take("sql").text)
        spec.teardown_span = (self._position(), self._position())
        start = self._position()
        if self._keyword("teardown"):
            block = self._take("sql")
            spec.teardown = block.text
            spec.teardown_span = (start, block.end)
        while self._keyword("session"):
            spec.sessions.append(self._session())
        spec.permutations_start = self._position()
        while self._keyword("permutation"):
            spec.permutations.append(self._permutation())
        if self._next < len(self._tokens) or not spec.sessions:
            raise SpecError(f"unexpected end, or token, at offset {self._position()}")
        if not spec.permutations:
            spec.permutations = all_permutations(spec)
        return spec

    def _session(self) -> SpecSession:
        session = SpecSession(self._take("name").text)
        if self._keyword("setup"):
            session.setup = self._take("sql").text
        while self._keyword("step"):
            name = self._take("name").text
            session.steps[name] = self._take("sql").text
        start = self._tokens[self._next - 1].end
        session.teardown_span = (start, start)
        if self._keyword("teardown"):
            block = self._take("sql")
            session.teardown = block.text
            session.teardown_span = (start, block.end)
        return session

    def _permutation(self) -> list[str]:
        names: list[str] = []
        depth = 0
        while self._next < len(self._tokens):
            token = self._tokens[self._next]
            if token.kind == "mark":
                depth += {"(": 1, ")": -1}.get(token.text, 0)
            elif depth == 0 and token.kind == "name":
                names.append(token.text)
            elif depth == 0:
                break
            self._next += 1
        return names

    def _position(self) -> int:
        if self._next < len(self._tokens):
            return self._tokens[self._next].start
        return len(self._spec.text)

    def _keyword(self, word: str) -> bool:
        if self._next < len(self._tokens):
            token = self._tokens[self._next]
            if token.kind == "keyword" and token.text == word:
                self._next += 1
                return True
        return False

    def _take(self, kind: str) -> Token:
        if self._next < len(self._tokens) and self._tokens[self._next].kind == kind:
            self._next += 1
            return self._tokens[self._next - 1]
        raise SpecError(f"expected {kind} at offset {self._position()}")


def all_permutations(spec: Spec) -> list[list[str]]:
    """Every interleaving of the sessions' steps, in isolationtester's order."""
    piles = [list(session.steps) for session in spec.sessions]
    found: list[list[str]] = []

    def pick(taken: list[int], chosen: list[str]) -> None:
        is_last = True
        for number, pile in enumerate(piles):
            if taken[number] < len(pile):
                is_last = False
                taken[number] += 1
                pick(taken, [*chosen, pile[taken[number] - 1]])
                taken[number] -= 1
        if is_last:
            found.append(chosen)

    pick([0] * len(piles), [])
    return found
