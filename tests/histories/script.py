"""Scripts, and what came of them: the data that the parts of the checker hand on to each other.

    Script    sessions ── transactions ── statements      what is to be run, with the tables' first rows
    schedule  session numbers, one per unit               in which order; when it ends, the first session that can go on does
    History   operations and commits in the order of their units

Time is counted in commits: *position* p is the state after the p-th commit of the history, 0 the first rows.
The engine runs one session per unit and nothing else inside it, so each statement has an exact position at
its beginning and its end, and every commit has one.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from histories.statements import Row, State, Statement

READ_COMMITTED = "read committed"
SNAPSHOT = "repeatable read"
SERIALIZABLE = "serializable"

COMMIT = "commit"
ROLLBACK = "rollback"
PREPARE_AND_COMMIT = "commit prepared"
PREPARE_AND_ROLL_BACK = "rollback prepared"
ENDINGS = (COMMIT, ROLLBACK, PREPARE_AND_COMMIT, PREPARE_AND_ROLL_BACK)


@dataclass(slots=True)
class TransactionScript:
    """What one transaction is to do.

    `level` '' is a statement outside a block.  `ending` is one of ENDINGS.  `recovers`: after an error it goes
    back to its last savepoint, if it has one, and goes on; otherwise an error ends it.
    """

    level: str
    statements: list[Statement]
    ending: str = COMMIT
    read_only: bool = False
    deferrable: bool = False
    recovers: bool = False

    def begin(self) -> str:
        """The BEGIN statement."""
        modes = f"{' read only' if self.read_only else ''}{' deferrable' if self.deferrable else ''}"
        return f"begin isolation level {self.level}{modes}"

    def commits(self) -> bool:
        """Whether it wants to commit in the end."""
        return self.ending in (COMMIT, PREPARE_AND_COMMIT)


@dataclass(slots=True)
class Script:
    """Transactions by session.  `siread_limit` bounds what SSI keeps of each kind before it gets coarser."""

    sessions: list[list[TransactionScript]]
    tables: dict[str, list[Row]]
    gc_interval_commits: int = 100
    has_definitions: bool = False
    siread_limit: int = 1000
    is_fine_grained: bool = False


@dataclass(slots=True)
class Operation:
    """One statement as it ran.

    `begin` and `end` are positions.  `position` is the snapshot that explains it, found by the oracle.
    """

    number: int
    transaction: TransactionRecord
    statement: Statement
    begin: int
    end: int = -1
    rows: list[tuple[object, ...]] = field(default_factory=list)
    count: int = -1
    error: str | None = None
    message: str = ""
    waited: bool = False
    position: int = -1
    reads: list[tuple[str, int, int]] = field(default_factory=list)


@dataclass(slots=True)
class TransactionRecord:
    """One transaction as it ran.

    `position` is its commit's, -1 if it wrote nothing or did not commit; `start` its first query's; `error` and
    `message` what its COMMIT failed with.
    """

    number: int
    session: int
    script: TransactionScript
    level: str
    status: str = "active"
    position: int = -1
    start: int = -1
    error: str | None = None
    message: str = ""
    is_prepared: bool = False
    operations: list[Operation] = field(default_factory=list)

    @property
    def name(self) -> str:
        """As reports have it."""
        return f"T{self.number}"


@dataclass(slots=True)
class Line:
    """One line of the transcript: a command of a session and what came of it.

    `statement` is None for a transaction's first and last command.
    """

    session: int
    transaction: TransactionScript
    statement: Statement | None
    text: str
    result: str = ""


ENDED = "ended"
COMMITTED = "committed"
UNDONE = "undone"
RELEASED = "released"
FINISHED = "finished"


@dataclass(slots=True)
class Event:
    """Something that happened at a unit's end.

    ENDED: an operation.  RELEASED: locks of all but the first `kept` operations are about to go (a ROLLBACK TO,
    a COMMIT or a ROLLBACK begins).  UNDONE: so are the writes.  COMMITTED: the transaction published its
    writes.  FINISHED: it is over, committed or not.
    """

    kind: str
    transaction: TransactionRecord
    operation: Operation | None = None
    kept: int = 0


@dataclass(slots=True)
class History:
    """What running a script gave.

    `units` are the session and the transcript's line of every unit that was run.  `failure` says what broke
    before any checking: (rule, message).
    """

    script: Script
    schedule: list[int]
    initial: State
    transactions: list[TransactionRecord] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    transcript: list[Line] = field(default_factory=list)
    units: list[tuple[int, int]] = field(default_factory=list)
    final: dict[str, list[tuple[object, ...]]] = field(default_factory=dict)
    failure: tuple[str, str] | None = None
