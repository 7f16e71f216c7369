"""The native interface's transactions: objects that are active, committed or aborted, and the database they are of.

A transaction has a session to itself.  One that is dropped without an end, like one whose block is left by an
exception, is rolled back and its locks go.  A transaction may be shared; it runs one statement at a time.
"""

from __future__ import annotations

import contextlib
from datetime import datetime
from types import TracebackType
from typing import cast

from skerry.abc import Outcome
from skerry.aio.backend import AsyncBackend, AsyncSource
from skerry.aio.dbapi import AsyncConnection
from skerry.aio.pending import AsyncPendingCommit
from skerry.aio.pool import AsyncSessionPool, refuse_listening
from skerry.aio.primitives import Lock
from skerry.isolation import SNAPSHOT, as_of_sql, begin_sql, milliseconds
from skerry.listening import quoted
from skerry.parameters import Parameters, from_native
from skerry.pending import PREPARE
from skerry.result import Result
from skerry.transaction_state import ENDINGS, STATES, Savepoints, TransactionState
from skerry_engine import errors


class AsyncTransactions:
    """What can be done with an open database in statements and transactions.  It may be shared."""

    def __init__(self, source: AsyncSource, first: AsyncBackend) -> None:
        self._source = source
        self._sessions = AsyncSessionPool(source, first)

    async def execute(self, statement: str, parameters: Parameters | None = None) -> Result:
        """Execute a statement that commits by itself.

        `$1` takes a sequence of parameters, `$name` a mapping.  Without parameters the text may hold several
        statements; the last one's rows come back.  Raises InvalidTransactionState for a BEGIN that
        is left open.
        """
        return Result(await self._sessions.execute(statement, parameters))

    async def begin_transaction(
        self,
        *,
        isolation_level: str = SNAPSHOT,
        read_only: bool = False,
        deferrable: bool = False,
        timeout: float | None = None,
        as_of: int | datetime | None = None,
    ) -> AsyncTransaction:
        """Begin a transaction: 'read committed', 'snapshot' or 'serializable'.

        The snapshot is taken now.  `timeout` is in seconds, for the transaction as a whole: when it is over
        the transaction is rolled back and its locks go, idle or not, and what is done next with it raises
        TransactionTimeout (T002).  `as_of`: read the state at an epoch, or at a time, instead of the present one,
        at 'snapshot' and read-only; raises HistoryNotRetained for one that is gone.
        """
        begin = begin_sql(isolation_level, read_only, deferrable) + as_of_sql(as_of)
        limit = "" if timeout is None else f"SET LOCAL transaction_timeout = {milliseconds(timeout)}; "
        backend = await self._sessions.take()
        try:
            # The query takes the snapshot now, not with the first statement.
            await backend.execute(f"{begin}; {limit}SELECT 1")
        except BaseException:
            await self._sessions.settle(backend)
            raise
        return AsyncTransaction(self, backend)

    async def gc(self) -> int:
        """Collect now the row versions that no snapshot needs any more.

        Returns how many row changes were settled by it.  It happens by itself every so many commits.
        """
        return cast("int", (await self.execute("SELECT skerry.gc()")).scalar())

    async def connect(
        self,
        *,
        autocommit: bool = False,
        isolation_level: str | None = None,
        read_only: bool = False,
        deferrable: bool = False,
    ) -> AsyncConnection:
        """A DB-API connection to the same database."""
        self._sessions.check_open()
        return await AsyncConnection.open(
            self._source,
            owns_source=False,
            autocommit=autocommit,
            isolation_level=isolation_level,
            read_only=read_only,
            deferrable=deferrable,
        )

    async def close(self) -> None:
        """Close the database; of one in memory nothing remains.  Closing twice is allowed."""
        await self._sessions.close()


class AsyncTransaction:
    """A transaction; made by `begin_transaction`."""

    def __init__(self, database: AsyncTransactions, backend: AsyncBackend) -> None:
        self._database = database
        self._backend: AsyncBackend | None = backend
        self._state = TransactionState.ACTIVE
        self._savepoints = Savepoints()
        self._lock = Lock()

    @property
    def state(self) -> TransactionState:
        """Active, committed or aborted; prepared after PREPARE TRANSACTION.

        Of a transaction that was ended from outside (a timeout) it is active until it is used again.
        """
        return self._state

    async def execute(self, statement: str, parameters: Parameters | None = None) -> Result:
        """Execute a statement inside the transaction; savepoints and COMMIT may also be written as SQL.

        Raises InvalidTransactionState (T004) when the transaction is finished.
        """
        async with self._lock:
            text, values = from_native(statement, parameters)
            outcome = await self._run(text, values)
            await refuse_listening(self._backend, outcome)
            self._savepoints.note(statement)
            return Result(outcome)

    async def commit(self) -> None:
        """Commit.

        Raises WriteConflict (T001) when another transaction won, SerializationFailure (T005), a deferred
        constraint's violation, InFailedTransaction when a statement had failed; the transaction is aborted
        then.
        """
        async with self._lock:
            if self._active_backend().transaction_status == "E":
                await self._run("COMMIT", None)  # which says why, when the transaction has timed out
                raise errors.InFailedTransaction(
                    "the transaction had failed and was rolled back, not committed"
                )
            await self._run("COMMIT", None)

    async def prepare_commit(self) -> AsyncPendingCommit:
        """Make the checks of `commit` now, and look at what it would change; then `commit` or `rollback`.

        Raises what `commit` would raise now; the transaction is aborted then, unless there is a savepoint to
        roll back to.  Afterwards it holds all its locks, so that others cannot make a READ COMMITTED or
        SNAPSHOT transaction's commit fail any more; a SERIALIZABLE one may still be refused (T005).
        """
        async with self._lock:
            try:
                outcome = await self._run(PREPARE, None)
            except errors.DatabaseError:
                if self._backend is not None and not self._savepoints:
                    await self._roll_back()
                raise
        return AsyncPendingCommit.of(self, outcome.rows)

    async def rollback(self) -> None:
        """Roll back; what a timeout has rolled back already is no error."""
        async with self._lock:
            await self._roll_back()

    async def _roll_back(self) -> None:
        with contextlib.suppress(*ENDINGS):
            await self._run("ROLLBACK", None)

    async def cancel(self) -> None:
        """Cancel the statement that runs in this transaction meanwhile: it raises QueryCanceled."""
        backend = self._backend
        if backend is not None:
            await backend.cancel()

    async def savepoint(self, name: str) -> None:
        """Mark this point.  A name is unique within the transaction: InvalidTransactionState (T004)
        on reuse."""
        async with self._lock:
            self._active_backend()
            self._savepoints.check_new(name)
            await self._run(f"SAVEPOINT {quoted(name)}", None)
            self._savepoints.add(name)

    async def rollback_to_savepoint(self, name: str) -> None:
        """Undo what came after the mark; it stays, later ones go."""
        async with self._lock:
            await self._run(f"ROLLBACK TO SAVEPOINT {quoted(name)}", None)
            self._savepoints.forget_after(name, keep=True)

    async def release_savepoint(self, name: str) -> None:
        """Forget the mark and later ones; changes stay."""
        async with self._lock:
            await self._run(f"RELEASE SAVEPOINT {quoted(name)}", None)
            self._savepoints.forget_after(name, keep=False)

    async def __aenter__(self) -> AsyncTransaction:
        self._active_backend()
        return self

    async def __aexit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Roll back what was not committed, exception or not."""
        async with self._lock:
            if self._state is TransactionState.ACTIVE:
                await self._roll_back()

    def _active_backend(self) -> AsyncBackend:
        if self._backend is None:
            raise errors.InvalidTransactionState(f"the transaction is finished: {self._state.value}")
        return self._backend

    async def _run(self, text: str, values: list[object] | None) -> Outcome:
        backend = self._active_backend()
        try:
            outcome = await backend.execute(text, values)
        except BaseException as problem:
            if backend.transaction_status == "I" or isinstance(problem, ENDINGS):
                await self._finish(TransactionState.ABORTED)
            raise
        if backend.transaction_status == "I":
            await self._finish(STATES.get(outcome.tag, TransactionState.ABORTED))
        return outcome

    async def _finish(self, state: TransactionState) -> None:
        backend, self._backend = self._backend, None
        self._state = state
        if backend is not None:
            await self._database._sessions.settle(backend)
