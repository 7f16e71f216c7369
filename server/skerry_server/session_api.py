"""What the server needs of the engine, as Protocols: the seam between the wire and everything below it.

The server never looks behind these.  Tests put a fake here; the engine's `Engine` and `Session` are the real
ones.  `mock_secret` is what exchanges with roles that do not exist are made of: nobody else's to know.

A session's statements run as generators of steps (`skerry_engine.session.steps`).  Between two steps other
sessions run.  A short statement is done when the session is asked to run it: then the answer is no generator
but all that it has to say.  What goes wrong is raised as `errors.DatabaseError`, after the session has put its own
transaction in order; the server only reports it.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import Any, Protocol

from skerry_engine.catalog.passwords import Credentials
from skerry_engine.catalog.system.context import TlsInfo
from skerry_engine.errors import DatabaseError
from skerry_engine.session.notifications import Notification
from skerry_engine.session.steps import Finished, ResultColumn, Step
from skerry_engine.values.io import IoContext

Steps = Generator[Step, object, None]
Answer = Finished | Steps
Columns = Sequence[ResultColumn]


class Log(Protocol):
    """A durable log, whose I/O is the server's to do (`skerry_engine.txn.durable_log`)."""

    on_pending: Callable[[], None]
    on_lazy: Callable[[], None]
    failure: DatabaseError | None

    def is_waited_for(self) -> bool:
        """Whether somebody waits for a flush that was not taken yet."""
        ...

    def take(self) -> Any:
        """Begin a flush; None where there is nothing to do."""
        ...

    def write(self, flush: Any) -> None:
        """Write and sync it.  Raises OSError, DatabaseError."""
        ...

    def finish(self, flush: Any, error: BaseException | None = None) -> None:
        """End it: its commits are published, or (`error`) never will be."""
        ...


class Durable(Protocol):
    """A durable database's part that its host has to drive."""

    def maintain(self) -> Generator[Step, None, bool] | None:
        """Keep to the memory limit; the steps of a checkpoint if it is time for one, which never fail."""
        ...

    def checkpoint_rest(self) -> float:
        """For how many times as long as a unit of a checkpoint took others are to have their turn."""
        ...

    def announce(self, address: str | None) -> None:
        """Let others know where it is served.  Raises OSError."""
        ...


class DeferredViews(Protocol):
    """What follows changes in deferred materialized views, which its host has to drive."""

    on_due: Callable[[], None]

    def look_at_once(self) -> None:
        """A host has come: call `on_due` if there is something to do already."""
        ...

    def work(self) -> Generator[Step, object, None] | None:
        """The steps of what is to be done, which never fail; None where there is nothing."""
        ...


class Client(Protocol):
    """What a session tells the connection it belongs to, when other sessions act on it.

    Called in the middle of another session's step, perhaps on another thread.
    """

    def interrupted(self, error: DatabaseError) -> None:
        """The running statement will fail with `error` at its next step, even if it waits for the client."""
        ...

    def session_ended(self, error: DatabaseError) -> None:
        """The session was idle and is closed now."""
        ...

    def notified(self) -> None:
        """The session has a notification: `take_notifications` gives it when no transaction is open."""
        ...


class Session(Protocol):
    """One client's session.  `client_address` is where the client is (None: unknown), for pg_stat_activity."""

    client_address: tuple[str, int] | None
    tls: TlsInfo | None
    client: Client | None

    @property
    def transaction_status(self) -> str:
        """'I' idle, 'T' in a transaction block, 'E' in a failed one."""
        ...

    @property
    def io(self) -> IoContext:
        """How values print now.  The same object as long as no setting that matters to it has changed."""
        ...

    def reported_settings(self) -> dict[str, str]:
        """Settings to send as ParameterStatus at the start."""
        ...

    def answer_query(self, text: str) -> Answer:
        """Run a batch of statements."""
        ...

    def parse(self, name: str, text: str, parameter_oids: list[int]) -> None:
        """Prepare a statement."""
        ...

    def bind(
        self,
        portal: str,
        statement: str,
        values: list[bytes | None],
        formats: list[int],
        result_formats: list[int],
    ) -> None:
        """Make a portal; the format lists are as the client sent them (empty, one, or one each)."""
        ...

    def describe_statement(self, name: str) -> tuple[Sequence[int], Columns | None]:
        """Parameter types and result columns (None: returns no rows)."""
        ...

    def describe_portal(self, name: str) -> tuple[Columns | None, Sequence[int]]:
        """Result columns, the formats given to `bind`.  The same columns object while the plan is."""
        ...

    def answer_execute(self, portal: str, max_rows: int) -> Answer:
        """Run a portal, for at most `max_rows` rows (0: all).  Describes no columns."""
        ...

    def close_statement(self, name: str) -> None:
        """Drop a prepared statement, if there is one."""
        ...

    def close_portal(self, name: str) -> None:
        """Drop a portal, if there is one."""
        ...

    def answer_sync(self) -> Answer:
        """End the implicit transaction of an extended-protocol sequence, if there is one."""
        ...

    def fail(self) -> None:
        """A message of the extended protocol failed: the transaction has, too."""
        ...

    @property
    def has_notifications(self) -> bool:
        """Whether there are notifications, which may have to wait for the transaction's end."""
        ...

    def take_notifications(self, limit: int) -> list[Notification]:
        """Up to `limit` notifications, oldest first, to be told to the client now; none in a transaction."""
        ...

    def cancel(self) -> None:
        """The user cancels: the next step raises QueryCanceled; a wait is over."""
        ...

    def idle_limit(self, is_busy: bool) -> tuple[float, DatabaseError] | None:
        """Until when (time.monotonic()) the client may say nothing, and what ends the session then; None: no
        limit.

        `is_busy`: a statement is under way and waits for the client's data.  Asked often.
        """
        ...

    def close(self) -> None:
        """End the session: locks, overlay, cursors go at once.  May come between any two steps."""
        ...


class Engine(Protocol):
    """What opens sessions.  `read_only`: those opened from now on may only read.  `durable_log` is None where nothing
    is kept; `close` ends what is left."""

    read_only: bool
    mock_secret: bytes

    @property
    def durable(self) -> Durable | None: ...

    @property
    def durable_log(self) -> Log | None: ...

    @property
    def deferred_views(self) -> DeferredViews: ...

    def close(self) -> None: ...

    def credentials(self, user: str) -> Credentials | None:
        """What a role logs in with; None where there is no such role."""
        ...

    def open_session(self, database: str, user: str, options: dict[str, str], backend_pid: int) -> Session:
        """Open a session with start-up settings; raises DatabaseError where that is refused."""
        ...
