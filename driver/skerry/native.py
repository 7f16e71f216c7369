"""The native interface: `skerry.open` gives a Database; its transactions are objects.

    db = skerry.open(":memory:")
    db.execute("INSERT INTO t VALUES ($1, $2)", (1, "one"))        commits by itself
    with db.begin_transaction() as tx:                             snapshot isolation, unless asked otherwise
        tx.execute("UPDATE t SET v = $v WHERE id = $id", {"v": "uno", "id": 1})
        tx.commit()                                                without it the block rolls back

A transaction has a session to itself and is active, committed or aborted.  One that is dropped without an
end, like one whose block is left by an exception, is rolled back and its locks go.  Threads may share a
transaction; it runs one statement at a time.
"""

from __future__ import annotations

import contextlib
import enum
import functools
import os
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from types import TracebackType
from typing import IO, Concatenate, NamedTuple, ParamSpec, TypeVar, cast

from skerry.abc import Outcome
from skerry.backend import Backend, Source
from skerry.changes import Changes, Token
from skerry.dbapi import Connection
from skerry.dump import DumpOptions, as_writer, dump
from skerry.isolation import SNAPSHOT, as_of_sql, begin_sql, milliseconds
from skerry.listening import Listener, quoted
from skerry.loading import End, Executor, Loadable, Progress, load_edges, load_nodes
from skerry.network import NetworkSource
from skerry.parameters import Parameters, from_native
from skerry.pending import PREPARE, PendingCommit, read_counts
from skerry.pool import SessionPool, refuse_listening
from skerry.result import Result
from skerry_engine import errors

_SAVEPOINT_STATEMENT = re.compile(
    r"""\s*(?:
        (?P<make>SAVEPOINT)
      | (?P<release>RELEASE(?:\s+SAVEPOINT)?)
      | (?P<back>ROLLBACK(?:\s+(?:WORK|TRANSACTION))?\s+TO(?:\s+SAVEPOINT)?)
    )\s+(?P<name>"(?:[^"]|"")+"|\w+)\s*;?\s*\Z""",
    re.IGNORECASE | re.VERBOSE,
)


_CHAIN = re.compile(
    r"\s*(?:COMMIT|END|ROLLBACK|ABORT)(?:\s+(?:WORK|TRANSACTION))?\s+AND\s+CHAIN\s*;?\s*\Z", re.IGNORECASE
)


class TransactionState(enum.StrEnum):
    """Where a transaction stands; equal to the word itself: `transaction.state == "active"`.

    PREPARED is the state after PREPARE TRANSACTION: finished here, to be committed or rolled back by its gid.
    """

    ACTIVE = "active"
    PREPARED = "prepared"
    COMMITTED = "committed"
    ABORTED = "aborted"


P = ParamSpec("P")
R = TypeVar("R")


def _serialised(
    method: Callable[Concatenate[Transaction, P], R],
) -> Callable[Concatenate[Transaction, P], R]:
    """Run a method under its transaction's lock."""

    @functools.wraps(method)
    def locked(self: Transaction, /, *args: P.args, **kwargs: P.kwargs) -> R:
        with self._lock:
            return method(self, *args, **kwargs)

    return locked


class Backup(NamedTuple):
    """What can be restored from a backup: the states from `first_epoch` to `last_epoch`."""

    first_epoch: int
    last_epoch: int
    last_commit: datetime | None


class Database:
    """An open database.  Threads may share it."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._sessions = SessionPool(source)

    def execute(self, statement: str, parameters: Parameters | None = None) -> Result:
        """Execute a statement that commits by itself.

        `$1` takes a sequence of parameters, `$name` a mapping.  Without parameters the text may hold several
        statements; the last one's rows come back.  Raises InvalidTransactionState for a BEGIN that
        is left open.
        """
        return Result(self._sessions.execute(statement, parameters))

    def begin_transaction(
        self,
        *,
        isolation_level: str = SNAPSHOT,
        read_only: bool = False,
        deferrable: bool = False,
        timeout: float | None = None,
        as_of: int | datetime | None = None,
    ) -> Transaction:
        """Begin a transaction: 'read committed', 'snapshot' or 'serializable'.

        The snapshot is taken now.  `timeout` is in seconds, for the transaction as a whole: when it is over
        the transaction is rolled back and its locks go, idle or not, and what is done next with it raises
        TransactionTimeout (T002).  `as_of`: read the state at an epoch, or at a time, instead of the present one,
        at 'snapshot' and read-only; raises HistoryNotRetained for one that is gone.
        """
        begin = begin_sql(isolation_level, read_only, deferrable) + as_of_sql(as_of)
        limit = "" if timeout is None else f"SET LOCAL transaction_timeout = {milliseconds(timeout)}; "
        backend = self._sessions.take()
        try:
            # The query takes the snapshot now, not with the first statement.
            backend.execute(f"{begin}; {limit}SELECT 1")
        except BaseException:
            self._sessions.settle(backend)
            raise
        return Transaction(self, backend)

    def load_nodes(
        self,
        source: Loadable,
        labels: str | Iterable[str],
        *,
        graph: str | None = None,
        types: Mapping[str, Callable[[str], object]] | None = None,
        progress: Progress | None = None,
        atomic: bool = True,
    ) -> int:
        """Insert a node with the labels for each row; how many.

        `source`: mappings, the path of a CSV file or an open one (`types` makes values of its texts, by column), an
        Arrow table or reader, a pandas frame.  Items become properties; those that are None do not.  `graph`: another
        than the session's.  `progress` is called with the number of rows done, after each batch.  All in one
        transaction, unless not `atomic`: then each batch commits by itself.
        """
        with self._loading(atomic) as executor:
            return load_nodes(executor, source, labels, graph=graph, types=types, progress=progress)

    def load_edges(
        self,
        source: Loadable,
        label: str | Iterable[str],
        *,
        start: End | str,
        end: End | str,
        graph: str | None = None,
        types: Mapping[str, Callable[[str], object]] | None = None,
        progress: Progress | None = None,
        atomic: bool = True,
        skip_missing: bool = False,
        directed: bool = True,
    ) -> int:
        """Insert an edge with the label for each row, from its start to its end; how many.

        `start` and `end` say how a row finds its nodes: an `End`, or the name of a column of element ids.  The other
        columns become properties.  Edges that are not `directed` are between the two.  Raises DataError for a row with
        an end that is missing (`skip_missing`: the row is left out), CardinalityViolation where several nodes fit.  As
        for the rest, see `load_nodes`.
        """
        with self._loading(atomic) as executor:
            return load_edges(
                executor,
                source,
                label,
                start=start,
                end=end,
                graph=graph,
                types=types,
                progress=progress,
                skip_missing=skip_missing,
                directed=directed,
            )

    @contextlib.contextmanager
    def _loading(self, atomic: bool) -> Iterator[Executor]:
        """What a load runs its statements in; a transaction is committed if the block ends well."""
        if not atomic:
            yield self
            return
        with self.begin_transaction() as transaction:
            yield transaction
            transaction.commit()

    def gc(self) -> int:
        """Collect now the row versions that no snapshot needs any more.

        Returns how many row changes were settled by it.  It happens by itself every so many commits.
        """
        return cast("int", self.execute("SELECT skerry.gc()").scalar())

    def dump(
        self,
        stream: IO[bytes] | IO[str],
        *,
        schema: bool = True,
        data: bool = True,
        tables: Sequence[str] = (),
        inserts: bool = False,
        graphs: bool = True,
    ) -> list[str]:
        """Write the database to a stream as SQL that psql loads, as of one snapshot; returns warnings.

        `schema` and `data` say what is written; `tables` are names or patterns (`"app.*"`), none for
        everything; with `inserts` rows are INSERT statements rather than COPY blocks.  PostgreSQL takes what is
        dumped without `graphs`, and so without the views that read one, of which the warnings tell.
        """
        session = self._sessions.take()
        try:
            options = DumpOptions(schema, data, tuple(tables), inserts, graphs)
            return dump(session, as_writer(stream), options)
        finally:
            self._sessions.settle(session)

    def listen(self, *channels: str) -> Listener:
        """Listen to channels, from now on: gives what iterates over, or waits for, their notifications."""
        if not channels:
            raise errors.InterfaceError("listen() needs a channel")
        self._sessions.check_open()
        return Listener(self._source.open_backend(), channels)

    def changes(
        self,
        since: int | Token | None = None,
        tables: Sequence[str] | None = None,
        *,
        wait: bool = True,
        timeout: float | None = None,
    ) -> Changes:
        """Every committed change after `since`, in the order of commits, then those that are committed next.

        `since` is an epoch, or the `token` of a change or feed; None: from now on.  `tables` are names, perhaps with
        their schema; None for all.  Iterating waits for changes until none has come for `timeout` seconds (None: for
        ever); with `wait` False it ends where there are no more.  Raises HistoryNotRetained for changes that are
        gone: what is older than the database's retention, unless this feed was open by then.
        """
        self._sessions.check_open()
        return Changes(self._source.open_backend(), since, tables, wait, timeout)

    def backup(self, path: str | os.PathLike[str]) -> Backup:
        """Copy the whole cluster into a directory that does not exist yet, while everybody goes on.

        The directory is one of the machine where the database is: of a server's, give an absolute path.
        `skerry restore` makes a database of it, and so does opening it.  Raises DuplicateFile where something is
        already, NotSupportedError for a database in memory.
        """
        target = os.fspath(path) if isinstance(self._source, NetworkSource) else os.path.abspath(path)
        quoted = target.replace("'", "''")
        return Backup(*cast("tuple[int, int, datetime | None]", self.execute(f"BACKUP TO '{quoted}'").one()))

    def connect(
        self,
        *,
        autocommit: bool = False,
        isolation_level: str | None = None,
        read_only: bool = False,
        deferrable: bool = False,
    ) -> Connection:
        """A DB-API connection to the same database."""
        self._sessions.check_open()
        return Connection.open(
            self._source,
            owns_source=False,
            autocommit=autocommit,
            isolation_level=isolation_level,
            read_only=read_only,
            deferrable=deferrable,
        )

    def close(self) -> None:
        """Close the database; of one in memory nothing remains.  Closing twice is allowed."""
        self._sessions.close()

    def __enter__(self) -> Database:
        self._sessions.check_open()
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


_ENDINGS = (errors.TotalTransactionTimeout, errors.IdleInTransactionTimeout)
"""Errors after which nothing of the transaction is left, savepoints included."""

_STATES = {"COMMIT": TransactionState.COMMITTED, "PREPARE TRANSACTION": TransactionState.PREPARED}
"""What the command that ended a transaction made of it; any other rolled it back."""


class Transaction:
    """A transaction; made by `Database.begin_transaction`."""

    def __init__(self, database: Database, backend: Backend) -> None:
        self._database = database
        self._backend: Backend | None = backend
        self._state = TransactionState.ACTIVE
        self._savepoints: list[str] = []
        self._lock = threading.RLock()

    @property
    def state(self) -> TransactionState:
        """Active, committed or aborted; prepared after PREPARE TRANSACTION.

        Of a transaction that was ended from outside (a timeout) it is active until it is used again.
        """
        return self._state

    @_serialised
    def execute(self, statement: str, parameters: Parameters | None = None) -> Result:
        """Execute a statement inside the transaction; savepoints and COMMIT may also be written as SQL.

        Raises InvalidTransactionState (T004) when the transaction is finished.
        """
        text, values = from_native(statement, parameters)
        outcome = self._run(text, values)
        refuse_listening(self._backend, outcome)
        self._note_savepoint(statement)
        return Result(outcome)

    @_serialised
    def commit(self) -> None:
        """Commit.

        Raises WriteConflict (T001) when another transaction won, SerializationFailure (T005), a deferred
        constraint's violation, InFailedTransaction when a statement had failed; the transaction is aborted
        then.
        """
        if self._active_backend().transaction_status == "E":
            self._run("COMMIT", None)  # which says why, when the transaction has timed out
            raise errors.InFailedTransaction("the transaction had failed and was rolled back, not committed")
        self._run("COMMIT", None)

    @_serialised
    def prepare_commit(self) -> PendingCommit:
        """Make the checks of `commit` now, and look at what it would change; then `commit` or `rollback`.

        Raises what `commit` would raise now; the transaction is aborted then, unless there is a savepoint to
        roll back to.  Afterwards it holds all its locks, so that others cannot make a READ COMMITTED or
        SNAPSHOT transaction's commit fail any more; a SERIALIZABLE one may still be refused (T005).
        """
        try:
            outcome = self._run(PREPARE, None)
        except errors.DatabaseError:
            if self._backend is not None and not self._savepoints:
                self.rollback()
            raise
        return read_counts(self, outcome.rows)

    @_serialised
    def rollback(self) -> None:
        """Roll back; what a timeout has rolled back already is no error."""
        with contextlib.suppress(*_ENDINGS):
            self._run("ROLLBACK", None)

    def cancel(self) -> None:
        """Cancel the statement that another thread runs in this transaction: it raises QueryCanceled."""
        backend = self._backend
        if backend is not None:
            backend.cancel()

    @_serialised
    def savepoint(self, name: str) -> None:
        """Mark this point.  A name is unique within the transaction: InvalidTransactionState (T004)
        on reuse."""
        self._active_backend()
        if name in self._savepoints:
            raise errors.InvalidTransactionState(f'savepoint "{name}" already exists in this transaction')
        self._run(f"SAVEPOINT {quoted(name)}", None)
        self._savepoints.append(name)

    @_serialised
    def rollback_to_savepoint(self, name: str) -> None:
        """Undo what came after the mark; it stays, later ones go."""
        self._run(f"ROLLBACK TO SAVEPOINT {quoted(name)}", None)
        self._forget_after(name, keep=True)

    @_serialised
    def release_savepoint(self, name: str) -> None:
        """Forget the mark and later ones; changes stay."""
        self._run(f"RELEASE SAVEPOINT {quoted(name)}", None)
        self._forget_after(name, keep=False)

    def __enter__(self) -> Transaction:
        self._active_backend()
        return self

    def __exit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Roll back what was not committed, exception or not."""
        with self._lock:
            if self._state is TransactionState.ACTIVE:
                self.rollback()

    def _active_backend(self) -> Backend:
        if self._backend is None:
            raise errors.InvalidTransactionState(f"the transaction is finished: {self._state.value}")
        return self._backend

    def _run(self, text: str, values: list[object] | None) -> Outcome:
        backend = self._active_backend()
        try:
            outcome = backend.execute(text, values)
        except BaseException as problem:
            if backend.transaction_status == "I" or isinstance(problem, _ENDINGS):
                self._finish(TransactionState.ABORTED)
            raise
        if backend.transaction_status == "I":
            self._finish(_STATES.get(outcome.tag, TransactionState.ABORTED))
        return outcome

    def _finish(self, state: TransactionState) -> None:
        backend, self._backend = self._backend, None
        self._state = state
        if backend is not None:
            self._database._sessions.settle(backend)

    def _note_savepoint(self, statement: str) -> None:
        """Keep the list of names when savepoints are written as SQL, where a name may be used again."""
        if _CHAIN.match(statement):
            self._savepoints.clear()
            return
        match = _SAVEPOINT_STATEMENT.match(statement)
        if match is None:
            return
        name = match["name"]
        name = name[1:-1].replace('""', '"') if name.startswith('"') else name.lower()
        if match["make"]:
            self._savepoints.append(name)
        else:
            self._forget_after(name, keep=match["back"] is not None)

    def _forget_after(self, name: str, *, keep: bool) -> None:
        """Drop the newest savepoint of that name (unless kept) and all that came after it."""
        for index in range(len(self._savepoints) - 1, -1, -1):
            if self._savepoints[index] == name:
                del self._savepoints[index + keep :]
                return
