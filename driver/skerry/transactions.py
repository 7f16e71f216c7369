"""The native interface's transactions: objects that are active, committed or aborted, and the database they are of.

A transaction has a session to itself.  One that is dropped without an end, like one whose block is left by an
exception, is rolled back and its locks go.  A transaction may be shared; it runs one statement at a time.

Generated from aio/transactions.py by driver/unasync.py: change that one.
"""

from __future__ import annotations

import contextlib
from datetime import datetime
from types import TracebackType
from typing import cast

from skerry.abc import Outcome
from skerry.backend import Backend, Source
from skerry.dbapi import Connection
from skerry.isolation import SNAPSHOT, as_of_sql, begin_sql, milliseconds
from skerry.listening import quoted
from skerry.parameters import Parameters, from_native
from skerry.pending import PREPARE, PendingCommit
from skerry.pool import SessionPool, refuse_listening
from skerry.primitives import Lock
from skerry.result import Result
from skerry.transaction_state import ENDINGS, STATES, Savepoints, TransactionState
from skerry_engine import errors


class Transactions:
    """What can be done with an open database in statements and transactions.  It may be shared."""

    def __init__(self, source: Source, first: Backend) -> None:
        self._source = source
        self._sessions = SessionPool(source, first)

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

    def gc(self) -> int:
        """Collect now the row versions that no snapshot needs any more.

        Returns how many row changes were settled by it.  It happens by itself every so many commits.
        """
        return cast("int", (self.execute("SELECT skerry.gc()")).scalar())

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


class Transaction:
    """A transaction; made by `begin_transaction`."""

    def __init__(self, database: Transactions, backend: Backend) -> None:
        self._database = database
        self._backend: Backend | None = backend
        self._state = TransactionState.ACTIVE
        self._savepoints = Savepoints()
        self._lock = Lock()

    @property
    def state(self) -> TransactionState:
        """Active, committed or aborted; prepared after PREPARE TRANSACTION.

        Of a transaction that was ended from outside (a timeout) it is active until it is used again.
        """
        return self._state

    def execute(self, statement: str, parameters: Parameters | None = None) -> Result:
        """Execute a statement inside the transaction; savepoints and COMMIT may also be written as SQL.

        Raises InvalidTransactionState (T004) when the transaction is finished.
        """
        with self._lock:
            text, values = from_native(statement, parameters)
            outcome = self._run(text, values)
            refuse_listening(self._backend, outcome)
            self._savepoints.note(statement)
            return Result(outcome)

    def commit(self) -> None:
        """Commit.

        Raises WriteConflict (T001) when another transaction won, SerializationFailure (T005), a deferred
        constraint's violation, InFailedTransaction when a statement had failed; the transaction is aborted
        then.
        """
        with self._lock:
            if self._active_backend().transaction_status == "E":
                self._run("COMMIT", None)  # which says why, when the transaction has timed out
                raise errors.InFailedTransaction(
                    "the transaction had failed and was rolled back, not committed"
                )
            self._run("COMMIT", None)

    def prepare_commit(self) -> PendingCommit:
        """Make the checks of `commit` now, and look at what it would change; then `commit` or `rollback`.

        Raises what `commit` would raise now; the transaction is aborted then, unless there is a savepoint to
        roll back to.  Afterwards it holds all its locks, so that others cannot make a READ COMMITTED or
        SNAPSHOT transaction's commit fail any more; a SERIALIZABLE one may still be refused (T005).
        """
        with self._lock:
            try:
                outcome = self._run(PREPARE, None)
            except errors.DatabaseError:
                if self._backend is not None and not self._savepoints:
                    self._roll_back()
                raise
        return PendingCommit.of(self, outcome.rows)

    def rollback(self) -> None:
        """Roll back; what a timeout has rolled back already is no error."""
        with self._lock:
            self._roll_back()

    def _roll_back(self) -> None:
        with contextlib.suppress(*ENDINGS):
            self._run("ROLLBACK", None)

    def cancel(self) -> None:
        """Cancel the statement that runs in this transaction meanwhile: it raises QueryCanceled."""
        backend = self._backend
        if backend is not None:
            backend.cancel()

    def savepoint(self, name: str) -> None:
        """Mark this point.  A name is unique within the transaction: InvalidTransactionState (T004)
        on reuse."""
        with self._lock:
            self._active_backend()
            self._savepoints.check_new(name)
            self._run(f"SAVEPOINT {quoted(name)}", None)
            self._savepoints.add(name)

    def rollback_to_savepoint(self, name: str) -> None:
        """Undo what came after the mark; it stays, later ones go."""
        with self._lock:
            self._run(f"ROLLBACK TO SAVEPOINT {quoted(name)}", None)
            self._savepoints.forget_after(name, keep=True)

    def release_savepoint(self, name: str) -> None:
        """Forget the mark and later ones; changes stay."""
        with self._lock:
            self._run(f"RELEASE SAVEPOINT {quoted(name)}", None)
            self._savepoints.forget_after(name, keep=False)

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
                self._roll_back()

    def _active_backend(self) -> Backend:
        if self._backend is None:
            raise errors.InvalidTransactionState(f"the transaction is finished: {self._state.value}")
        return self._backend

    def _run(self, text: str, values: list[object] | None) -> Outcome:
        backend = self._active_backend()
        try:
            outcome = backend.execute(text, values)
        except BaseException as problem:
            if backend.transaction_status == "I" or isinstance(problem, ENDINGS):
                self._finish(TransactionState.ABORTED)
            raise
        if backend.transaction_status == "I":
            self._finish(STATES.get(outcome.tag, TransactionState.ABORTED))
        return outcome

    def _finish(self, state: TransactionState) -> None:
        backend, self._backend = self._backend, None
        self._state = state
        if backend is not None:
            self._database._sessions.settle(backend)
