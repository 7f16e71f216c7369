"""What the DB-API and native interfaces ask of a session, wherever it runs.

    dbapi.Connection  --+                +-- embedded.EmbeddedBackend       a session of an engine in this process
                        +--  Backend  ---+
    native.Transaction -+                +-- server_session.ServerSession   a session of a server

Above this line nothing knows whether the database is embedded; below it nothing knows which interface asks.  All take
the same statement text with `$1`, `$2` ... parameters and give the same Python values and errors.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from skerry.abc import ColumnInfo, Notification, Outcome, Row


class AsyncRowStream(Protocol):
    """Rows of a statement, read as they are asked for.  `tag` and `row_count` are final when `is_over`."""

    columns: tuple[ColumnInfo, ...] | None
    is_over: bool
    tag: str
    row_count: int

    async def fetch(self, size: int) -> list[Row]:
        """The next rows, about `size` of them; none when there are no more."""
        ...

    async def close(self) -> None:
        """Let go of the rows that were not read."""
        ...


class AsyncCopyChannel(Protocol):
    """A COPY under way.  `direction` is 'in' (FROM STDIN) or 'out' (TO STDOUT)."""

    direction: str
    is_binary: bool

    async def write(self, data: bytes) -> None:
        """Give a piece of data, cut anywhere."""
        ...

    async def read(self) -> list[bytes]:
        """The next pieces, whole rows for text and CSV; none when there are no more."""
        ...

    async def finish(self, failure: str | None = None) -> Outcome:
        """End it.  With a `failure` the statement fails: what was written is given up, and what would come."""
        ...


class AsyncBackend(Protocol):
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
    def settings(self) -> dict[str, str]:
        """Settings that are reported without being asked for: server_version, TimeZone ..."""
        ...

    @property
    def backend_pid(self) -> int:
        """The session's number, which `pg_stat_activity` shows."""
        ...

    @property
    def address(self) -> tuple[str, int]:
        """Host and port of the server; ('', 0) in this process."""
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

    def is_alive(self) -> bool:
        """Look whether the session has been ended, without asking the database anything.

        Raises InterfaceError when it is closed, OperationalError when it has ended otherwise.
        """
        ...

    async def wait_for_notifications(self, timeout_s: float | None) -> None:
        """Return when `notifications` has something, or after the timeout (None: never).

        Not inside a transaction, where nothing comes.  Raises InterfaceError when the session is closed, meanwhile too;
        OperationalError when it has ended otherwise.
        """
        ...

    async def execute(
        self, text: str, parameters: Sequence[object] | None = None, begin: str | None = None
    ) -> Outcome:
        """Run a statement, or several when `parameters` is None, to the end; `begin` is run before it.

        Raises the classes of `skerry_engine.errors`.
        """
        ...

    async def execute_many(
        self, text: str, sets: Iterable[Sequence[object]], keeps_rows: bool = False
    ) -> list[Outcome]:
        """Run a statement for each set of parameters, inside a transaction."""
        ...

    async def open_stream(
        self, text: str, parameters: Sequence[object] | None, size: int, begin: str | None = None
    ) -> AsyncRowStream:
        """Begin to read a statement's rows, about `size` at a time, inside a transaction or after `begin`."""
        ...

    async def copy(self, text: str) -> AsyncCopyChannel:
        """Begin a COPY FROM STDIN or TO STDOUT.  Raises ProgrammingError for any other statement, which is run."""
        ...

    async def copy_out(self, text: str, write: Callable[[bytes], object]) -> None:
        """Run `COPY ... TO STDOUT`; `write` gets its data in order, whole rows at a time.

        What `write` raises ends the statement, and over a network the session.
        """
        ...

    async def cancel(self) -> None:
        """Ask the statement that runs now to stop: it raises QueryCanceled.  From anywhere."""
        ...

    async def close(self) -> None:
        """End the session: what is uncommitted is rolled back, locks go.  Closing twice is allowed."""
        ...


class AsyncSource(Protocol):
    """A database that sessions can be opened on."""

    @property
    def user(self) -> str:
        """Whose sessions they are."""
        ...

    @property
    def database(self) -> str:
        """The database's name."""
        ...

    async def open_backend(self) -> AsyncBackend:
        """Open a session; raises OperationalError or ProgrammingError when that is refused."""
        ...

    async def close(self) -> None:
        """Let go of the database; of an engine in memory nothing remains."""
        ...
