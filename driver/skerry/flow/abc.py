"""What flows ask of databases and other resources.

FlowDatabase ── Connector ──> Session        a database: sessions that begin and commit
Resource     ── open()         ──> anything            whatever has begin/commit/rollback/close, or some of them
     └──── both are participants: a scope enlists them at their first use, and drives them as members

Generated from aio/abc.py by driver/unasync.py: change that one.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol, TypeVar

from skerry.flow.modes import Modes
from skerry.parameters import Parameters
from skerry.result import Result

S = TypeVar("S")


class Session(Protocol):
    """A connection of a pool, as a flow uses it; outside `begin` ... `commit` each statement commits by itself."""

    @property
    def connection(self) -> object:
        """The driver's connection."""
        ...

    def begin(self, modes: Modes) -> None:
        """Begin a transaction."""
        ...

    def commit(self) -> None:
        """Commit; when it raises nothing has been committed, or nobody knows."""
        ...

    def rollback(self) -> None:
        """Roll back."""
        ...

    def savepoint(self, name: str) -> None:
        """Mark this point."""
        ...

    def release_savepoint(self, name: str) -> None:
        """Forget the mark."""
        ...

    def rollback_to_savepoint(self, name: str) -> None:
        """Undo what came after the mark, which stays."""
        ...

    def prepare(self, name: str) -> None:
        """The first phase of a commit: afterwards `commit_prepared` can't fail but by losing the database."""
        ...

    def commit_prepared(self, name: str) -> None:
        """The second phase."""
        ...

    def rollback_prepared(self, name: str) -> None:
        """Give up what was prepared."""
        ...

    def execute(self, statement: str, parameters: Parameters | None) -> Result:
        """Execute a statement with `%s` or `%(name)s` placeholders."""
        ...

    def execute_many(self, statement: str, sets: Iterable[Parameters]) -> int:
        """Execute a statement once for each set of parameters; rows changed, or -1 where that is not known."""
        ...

    def cancel(self) -> None:
        """Have the statement that runs now fail.  May be called while it runs."""
        ...


class Connector(Protocol[S]):
    """A pool of sessions of one database.  `dialect`: 'skerry', 'postgresql' or 'sqlite'."""

    dialect: str

    @property
    def is_two_phase(self) -> bool:
        """Whether its transactions can be prepared, then committed; asked when there is a session."""
        ...

    survives_interruption: bool
    """Whether a session is as good as new when a call was broken off by Ctrl-C or a cancellation."""

    @property
    def in_use(self) -> int:
        """How many sessions are out of the pool."""
        ...

    def check(self, modes: Modes) -> None:
        """Raise NotSupportedError for modes that this database can't do."""
        ...

    def take(self) -> S:
        """A session that nobody else uses."""
        ...

    def give_back(self, session: S, is_usable: bool) -> None:
        """Take a session back, or close one that is of no use any more."""
        ...

    def abandon(self, session: S) -> None:
        """Close a session that somebody has forgotten, without waiting."""
        ...

    def close(self) -> None:
        """Close the pool."""
        ...


class Member(Protocol):
    """A participant within one transaction."""

    name: str
    is_two_phase: bool
    is_database: bool
    survives_interruption: bool

    def commit(self) -> None: ...
    def rollback(self) -> None: ...
    def savepoint(self, name: str) -> None: ...
    def release_savepoint(self, name: str) -> None: ...
    def rollback_to_savepoint(self, name: str) -> None: ...
    def prepare(self, name: str) -> None: ...
    def commit_prepared(self, name: str) -> None: ...
    def rollback_prepared(self, name: str) -> None: ...
    def cancel(self) -> None: ...

    def close(self, is_usable: bool) -> None:
        """It is over: give the session back, close what was opened."""
        ...

    def abandon(self) -> None:
        """As `close`, of what somebody has forgotten: without waiting."""
        ...


class Participant(Protocol):
    """What can take part in transactions."""

    name: str

    def enlist(self, modes: Modes, sends: bool) -> Member:
        """Open it and begin; without `sends` nothing is ever begun, committed or rolled back."""
        ...


class Follower(Protocol):
    """What keeps a picture of a transaction that has to agree with it, as an ORM's session does."""

    def entered(self) -> None:
        """A nested block begins: write what is not written yet."""
        ...

    def left(self) -> None:
        """The innermost block is about to end, and stay: write what is not written yet."""
        ...

    def undone(self, depth: int) -> None:
        """The block at that depth, counted from 1, has been undone."""
        ...

    def finish(self) -> None:
        """The transaction is about to commit: write what is not written yet."""
        ...

    def ended(self, committed: bool) -> None:
        """It is over."""
        ...
