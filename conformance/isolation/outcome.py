"""What a permutation came to, whatever the way there: the comparison where texts may differ.

An optimistic transaction does not wait where PostgreSQL's does, and hears of a conflict at another
statement, at the latest at COMMIT.  So text can't be equal.  The *outcome* of a permutation is, by session:

- its transactions in order, each with its *fate*: committed; rolled back (asked for); failed, with the class of
  its first error (a SQLSTATE); open (never ended);
- all that a committed transaction was shown: rows (in their order where the text has ORDER BY), and errors that
  a savepoint took back, by class;

and the rows of every table that the setup created, after all sessions have ended (`Spec.with_final_state` ends
them by COMMIT and shows the rows).  Two permutations are equal when these are.  Not compared: who waited; what a
transaction that failed or was rolled back was shown; at which of its statements it failed; wording within one
class.

A statement outside a block is a transaction of its own; several in one message are one, as the protocol has
it.  isolationtester prints messages, not SQLSTATEs: `CLASSES` says which message belongs to which.  A message
that is not listed is a class of its own.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from isolation.spec import Spec, SpecSession
from isolation.transcript import Event, Permutation, TranscriptError

CLASSES = (
    ("40001", re.compile(r"could not serialize access|.*serialization failure")),
    ("40P01", re.compile(r"deadlock detected")),
    ("23505", re.compile(r"duplicate key value violates unique constraint")),
    ("23503", re.compile(r".*violates foreign key constraint")),
    ("55P03", re.compile(r"could not obtain lock|canceling statement due to lock timeout")),
    ("57014", re.compile(r"canceling statement due to (user request|statement timeout)")),
    ("25P02", re.compile(r"current transaction is aborted")),
)
COMMITTED = "committed"
ROLLED_BACK = "rolled back"
PREPARED = "prepared"
OPEN = "open"

_PIECE = re.compile(
    r"'(?:[^']|'')*'|\"[^\"]*\"|\$(\w*)\$.*?\$\1\$|--[^\n]*|/\*.*?\*/|;|[^'\"$;/-]+|.", re.DOTALL
)


def error_class(message: str) -> str:
    """The SQLSTATE of a message, or the message itself."""
    for sqlstate, pattern in CLASSES:
        if pattern.match(message):
            return sqlstate
    return message


def split_statements(sql: str) -> list[str]:
    """The statements of a text, without comments."""
    statements, current = [], ""
    for match in _PIECE.finditer(sql):
        piece = match[0]
        if piece == ";":
            statements.append(current.strip())
            current = ""
        elif not piece.startswith(("--", "/*")):
            current += piece
    statements.append(current.strip())
    return [statement for statement in statements if statement]


@dataclass
class Transaction:
    """One transaction of one session: what became of it and what it was shown."""

    fate: str = OPEN
    shown: list[str] = field(default_factory=list)

    def described(self) -> tuple[str, tuple[str, ...]]:
        """What counts: the fate, and what it was shown if it committed."""
        return self.fate, tuple(self.shown) if self.fate == COMMITTED else ()


class SessionHistory:
    """Follows one session through a permutation."""

    def __init__(self) -> None:
        self.transactions: list[Transaction] = []
        self._current: Transaction | None = None
        self._is_block = False

    def run(self, sql: str, event: Event | None) -> None:
        """One message and the answer to it (None: of a setup or teardown, whose answer is not looked at)."""
        classes = [error_class(message) for message in event.errors] if event is not None else []
        touched: list[Transaction] = []
        for statement in split_statements(sql):
            touched += self._statement(statement)
        if not self._is_block and self._current is not None:
            self._end(COMMITTED)
        if classes:
            _fail(touched, classes[0])
        if event is not None:
            _show(touched, event, classes, is_ordered="order by" in sql.lower())

    def _statement(self, statement: str) -> list[Transaction]:
        words = statement.upper().split()
        touched = [] if self._current is None else [self._current]
        if words[0] == "BEGIN" or words[:2] == ["START", "TRANSACTION"]:
            return self._begin(touched)
        if words[0] in ("COMMIT", "END") and words[1:2] != ["PREPARED"]:
            self._end(COMMITTED)
        elif words[0] in ("ROLLBACK", "ABORT") and "TO" not in words and words[1:2] != ["PREPARED"]:
            self._end(ROLLED_BACK)
        elif words[:2] == ["PREPARE", "TRANSACTION"]:
            self._end(PREPARED)
        else:
            if self._current is None:
                self._start()
            assert self._current is not None
            if "TO" in words and words[0] == "ROLLBACK" and self._current.fate not in (OPEN, COMMITTED):
                self._current.fate = OPEN
            touched = [self._current]
        return touched

    def _begin(self, touched: list[Transaction]) -> list[Transaction]:
        if self._is_block:
            return touched
        if self._current is not None:
            self._end(COMMITTED)
        self._start()
        self._is_block = True
        assert self._current is not None
        return [*touched, self._current]

    def _start(self) -> None:
        self._current = Transaction()
        self._is_block = False
        self.transactions.append(self._current)

    def _end(self, fate: str) -> None:
        """The current transaction ends; one that failed before stays failed."""
        current = self._current
        self._current = None
        self._is_block = False
        if current is not None and current.fate == OPEN:
            current.fate = fate


def _fail(touched: list[Transaction], sqlstate: str) -> None:
    """The message failed: so did the last transaction that it touched, unless that had failed before."""
    if touched and touched[-1].fate in (OPEN, COMMITTED, ROLLED_BACK, PREPARED):
        touched[-1].fate = sqlstate


def _show(touched: list[Transaction], event: Event, classes: list[str], is_ordered: bool) -> None:
    rows = [line for line in event.lines if not line.startswith(("ERROR:", "FATAL:", "isolationtester:"))]
    lines = [line.rstrip() for line in rows if line.strip() and not _is_notice(line)]
    if not is_ordered:
        lines.sort()
    for transaction in dict.fromkeys(map(id, touched)):
        found = next(t for t in touched if id(t) == transaction)
        found.shown += [f"{event.step}: {line}" for line in lines]
        found.shown += [f"{event.step}: error {sqlstate}" for sqlstate in classes]


def _is_notice(line: str) -> bool:
    return re.match(r"\S+: (NOTICE|WARNING|INFO):  ", line) is not None


@dataclass(frozen=True)
class Outcome:
    """What a permutation came to."""

    sessions: tuple[tuple[str, tuple[tuple[str, tuple[str, ...]], ...]], ...]
    final_state: str | None

    def difference(self, other: Outcome) -> str | None:
        """Where `other` differs, in a line; None when it doesn't."""
        for (name, ours), (_, theirs) in zip(self.sessions, other.sessions, strict=True):
            fates = [fate for fate, _ in ours], [fate for fate, _ in theirs]
            if fates[0] != fates[1]:
                return f"session {name}: {', '.join(fates[0])} / {', '.join(fates[1])}"
            if ours != theirs:
                shown = next((a, b) for (_, a), (_, b) in zip(ours, theirs, strict=True) if a != b)
                return f"session {name} was shown other rows: {_first_difference(*shown)}"
        if self.final_state != other.final_state:
            return f"final rows: {self.final_state!r} / {other.final_state!r}"
        return None


def _first_difference(left: tuple[str, ...], right: tuple[str, ...]) -> str:
    for a, b in zip(left, right, strict=False):
        if a != b:
            return f"{a!r} / {b!r}"
    return f"{len(left)} / {len(right)} lines"


def outcome_of(permutation: Permutation, spec: Spec) -> Outcome:
    """The outcome of one permutation."""
    sessions = tuple(
        (session.name, tuple(t.described() for t in _history(permutation, session)))
        for session in spec.sessions
    )
    return Outcome(sessions, permutation.final_state)


def _history(permutation: Permutation, session: SpecSession) -> list[Transaction]:
    history = SessionHistory()
    if session.setup is not None:
        history.run(session.setup, None)
    for event in permutation.events:
        if event.step in session.steps:
            history.run(session.steps[event.step], event)
    if session.teardown is not None:
        failed = permutation.failed_teardowns.get(session.name)
        history.run(session.teardown, None if failed is None else Event("teardown", lines=[failed]))
    return history.transactions


@dataclass(frozen=True)
class Difference:
    """A permutation that came to something else: ours, PostgreSQL's, and in what they differ."""

    ours: Permutation
    theirs: Permutation
    text: str

    def __str__(self) -> str:
        return f"{' '.join(self.ours.steps)}: {self.text}"


def compare_outcomes(ours: list[Permutation], theirs: list[Permutation], spec: Spec) -> list[Difference]:
    """The permutations whose outcomes differ.  Raises TranscriptError when other permutations ran."""
    if [p.steps for p in ours] != [p.steps for p in theirs]:
        raise TranscriptError(f"{len(ours)} permutations ran, not {len(theirs)}")
    found = []
    for left, right in zip(ours, theirs, strict=True):
        text = _difference(left, right, spec)
        if text is not None:
            found.append(Difference(left, right, text))
    return found


def _difference(left: Permutation, right: Permutation, spec: Spec) -> str | None:
    if left.cancelled:
        return f"never ended: {', '.join(left.cancelled)}"
    return outcome_of(left, spec).difference(outcome_of(right, spec))
