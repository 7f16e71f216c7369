"""What the DB-API and native interfaces ask of a session, wherever it runs.

    dbapi.Connection  --+                +-- embedded.EmbeddedBackend   a session of an engine in this process
                        +--  Backend  ---+
    native.Transaction -+                +-- network.NetworkBackend     a session of a server, over pg8000

Above this line nothing knows whether the database is embedded; below it nothing knows which interface asks.
Both backends take the same statement text with `$1`, `$2` ...
parameters and give the same Python values and errors.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

Row = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class ColumnInfo:
    """A result column: its name, its type's OID and the type's modifier (-1 for none)."""

    name: str
    type_oid: int
    type_modifier: int = -1


class Outcome:
    """What a statement text brought; of several statements, the last one's.

    `columns` is None for a statement that returns no rows; `row_count` is -1 where the command has no count.
    """

    __slots__ = ("columns", "rows", "tag", "row_count")

    def __init__(
        self,
        columns: tuple[ColumnInfo, ...] | None = None,
        rows: list[Row] | None = None,
        tag: str = "",
        row_count: int = -1,
    ) -> None:
        self.columns: tuple[ColumnInfo, ...] | None = columns
        self.rows: list[Row] = [] if rows is None else rows
        self.tag: str = tag
        self.row_count: int = row_count


class Notification(NamedTuple):
    """What a NOTIFY, of the session with that `pid` (0: of the database itself), told those who listen."""

    channel: str
    payload: str
    pid: int


class Backend(Protocol):
    """One session.  Calls may come from any thread, one at a time; the interfaces above see to that."""

    @property
    def transaction_status(self) -> str:
        """'I' outside a transaction, 'T' inside one, 'E' inside a failed one."""
        ...

    @property
    def is_open(self) -> bool:
        """Whether the session still is there, as far as is known: it was not closed, nor ended from outside."""
        ...

    @property
    def notices(self) -> list[str]:
        """Messages on the side, oldest first; the reader may clear the list."""
        ...

    @property
    def notifications(self) -> list[Notification]:
        """What has arrived for the session's LISTENs, oldest first; the reader takes out of the list what it has
        read."""
        ...

    def wait_for_notifications(self, timeout_s: float | None) -> None:
        """Return when `notifications` has something, or after the timeout (None: never).

        Not inside a transaction, where nothing comes.  Raises InterfaceError when the session is closed,
        meanwhile too; OperationalError when it has ended otherwise.
        """
        ...

    def execute(self, text: str, parameters: Sequence[object] | None = None) -> Outcome:
        """Run a statement, or several when `parameters` is None, to the end.

        Raises the classes of `skerry_engine.errors`.
        """
        ...

    def copy_out(self, text: str, write: Callable[[bytes], object]) -> None:
        """Run `COPY ... TO STDOUT`; `write` gets its data in order, whole rows at a time.

        What `write` raises ends the statement, and over a network the session.
        """
        ...

    def cancel(self) -> None:
        """Ask the statement that runs now to stop: it raises QueryCanceled.  From any thread."""
        ...

    def close(self) -> None:
        """End the session: what is uncommitted is rolled back, locks go.  Closing twice is allowed."""
        ...


class Source(Protocol):
    """A database that sessions can be opened on."""

    def open_backend(self) -> Backend:
        """Open a session; raises OperationalError or ProgrammingError when that is refused."""
        ...

    def close(self) -> None:
        """Let go of the database; of an engine in memory nothing remains."""
        ...
