"""DB-API 2.0 (PEP 249): Connection and Cursor, the same embedded and over the network.

A transaction begins with the first statement and ends with commit or rollback, unless `autocommit` is True.
The isolation level is READ COMMITTED unless asked otherwise.  Connections may be shared: one runs one statement at a
time.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from types import TracebackType

from skerry.abc import ColumnInfo, Notification, Outcome, Row
from skerry.adapting import adapted
from skerry.aio.backend import AsyncBackend, AsyncRowStream, AsyncSource
from skerry.aio.copying import AsyncCopy
from skerry.aio.primitives import Lock
from skerry.isolation import NO_MODES, begin_sql, defaults_sql, isolation_sql
from skerry.parameters import Parameters, from_pyformat, pyformat_names
from skerry.pep249 import (
    Description,
    ErrorHandler,
    Message,
    Rollback,
    ServerInfo,
    Xid,
    described,
    is_about_transactions,
    quoted_text,
)
from skerry_engine import errors

STREAM_ROWS = 500
"""Rows that a stream asks for at a time, unless told otherwise."""

_PREPARED = "SELECT gid, prepared, owner, database FROM pg_prepared_xacts WHERE database = current_database()"


class AsyncConnection:
    """A session, with DB-API's transactions on it.

    `isolation_level`, `read_only` and `deferrable` hold for transactions that begin from now on, those of
    statements that commit by themselves and those that a BEGIN of yours begins among them.
    """

    Warning = errors.Warning
    Error = errors.Error
    InterfaceError = errors.InterfaceError
    DatabaseError = errors.DatabaseError
    DataError = errors.DataError
    OperationalError = errors.OperationalError
    IntegrityError = errors.IntegrityError
    InternalError = errors.InternalError
    ProgrammingError = errors.ProgrammingError
    NotSupportedError = errors.NotSupportedError

    def __init__(
        self,
        backend: AsyncBackend,
        source: AsyncSource,
        *,
        owns_source: bool,
        autocommit: bool = False,
        isolation_level: str | None = None,
        read_only: bool = False,
        deferrable: bool = False,
    ) -> None:
        self._source = source
        self._owns_source = owns_source
        self._lock = Lock()
        self._backend: AsyncBackend | None = backend
        self.isolation_level = isolation_level
        self.read_only = read_only
        self.deferrable = deferrable
        self.errorhandler: ErrorHandler | None = None
        self.messages: list[Message] = []
        self._autocommit = autocommit
        self._told_modes = NO_MODES
        self._claim: str | None = None
        self._blocks: list[AsyncTransactionBlock] = []
        self._xid: Xid | None = None
        self._is_prepared = False

    @classmethod
    async def open(
        cls,
        source: AsyncSource,
        *,
        owns_source: bool,
        autocommit: bool = False,
        isolation_level: str | None = None,
        read_only: bool = False,
        deferrable: bool = False,
    ) -> AsyncConnection:
        """A connection of its own to a database; see `skerry.connect`."""
        if isolation_level is not None:
            isolation_sql(isolation_level)
        return cls(
            await source.open_backend(),
            source,
            owns_source=owns_source,
            autocommit=autocommit,
            isolation_level=isolation_level,
            read_only=read_only,
            deferrable=deferrable,
        )

    # --- what is known ----------------------------------

    @property
    def autocommit(self) -> bool:
        """Whether each statement commits by itself.  Changing it inside a transaction raises."""
        return self._autocommit

    @autocommit.setter
    def autocommit(self, value: bool) -> None:
        if self._open_backend().transaction_status != "I":
            raise errors.InvalidTransactionState("autocommit can't be changed inside a transaction")
        self._autocommit = value

    @property
    def closed(self) -> bool:
        """Whether the connection is of no use any more: `close` was called, or the database has ended it."""
        return self._backend is None or not self._backend.is_open

    @property
    def was_closed(self) -> bool:
        """Whether `close` was called."""
        return self._backend is None

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction is open, failed ones included."""
        return self._open_backend().transaction_status != "I"

    @property
    def transaction_status(self) -> str:
        """'I' outside a transaction, 'T' inside one, 'E' inside a failed one."""
        return self._open_backend().transaction_status

    @property
    def info(self) -> ServerInfo:
        """What the connection is connected to."""
        backend = self._open_backend()
        host, port = backend.address
        settings = dict(backend.settings)
        version = settings.get("server_version", "")
        source = self._source
        return ServerInfo(host, port, source.database, source.user, backend.backend_pid, version, settings)

    @property
    def notices(self) -> list[str]:
        """Messages from the database, oldest first ('NOTICE:  ...'); clear it when read."""
        return self._open_backend().notices

    @property
    def notifications(self) -> list[Notification]:
        """What has arrived for this connection's LISTENs, oldest first; clear it when read.

        Nothing arrives inside a transaction: LISTEN counts from the commit on, and so does NOTIFY.
        """
        return self._open_backend().notifications

    def is_alive(self) -> bool:
        """Whether the database has not ended the session, as far as can be told without asking it."""
        try:
            return self._open_backend().is_alive()
        except errors.Error:
            return False

    async def wait_for_notifications(self, timeout: float | None = None) -> list[Notification]:
        """Take out of `notifications` what has arrived; if that is nothing, wait for some to arrive.

        Empty when none has come within `timeout` seconds (None: wait for ever).  Raises
        InvalidTransactionState inside a transaction, where none could come.
        """
        async with self._lock:
            backend = self._usable_backend()
            if backend.transaction_status != "I":
                raise errors.InvalidTransactionState(
                    "notifications do not come inside a transaction", hint="Commit or roll back first."
                )
            if not backend.notifications:
                await backend.wait_for_notifications(timeout)
            found = backend.notifications
            made = found[:]
            del found[: len(made)]
            return made

    # --- statements -------------------------------------

    def cursor(self, *, stream: bool = False, itersize: int = STREAM_ROWS) -> AsyncCursor:
        """A new cursor.

        `stream`: rows are fetched as they are read, `itersize` at a time, instead of all at once; the memory they take
        is bounded.  Under autocommit a stream has the connection to itself until it is read to its end or closed.
        """
        self._open_backend()
        return AsyncCursor(self, stream, itersize)

    async def execute(self, operation: str, parameters: Parameters | None = None) -> AsyncCursor:
        """A new cursor that has executed the statement (a shorthand beyond PEP 249)."""
        return await self.cursor().execute(operation, parameters)

    async def _run(self, text: str, parameters: Sequence[object] | None) -> Outcome:
        async with self._lock:
            backend = self._usable_backend()
            begin = await self._needed_begin(backend, text)
            return await backend.execute(text, parameters, begin)

    async def _run_many(self, text: str, sets: Iterable[Sequence[object]], keeps_rows: bool) -> list[Outcome]:
        """Inside the transaction, or in one of its own."""
        async with self._lock:
            backend = self._usable_backend()
            is_own = backend.transaction_status == "I"
            if is_own:
                await self._tell_modes(backend)
                await backend.execute(self._begin_sql())
            try:
                outcomes = await backend.execute_many(text, sets, keeps_rows)
                if is_own and self._autocommit:
                    await backend.execute("COMMIT")
                return outcomes
            except BaseException:
                if is_own and self._autocommit and backend.is_open and backend.transaction_status != "I":
                    await backend.execute("ROLLBACK")
                raise

    async def _open_stream(self, text: str, parameters: Sequence[object] | None, size: int) -> AsyncRowStream:
        async with self._lock:
            backend = self._usable_backend()
            begin = None
            if backend.transaction_status == "I":
                await self._tell_modes(backend)
                begin = self._begin_sql()
            is_own = begin is not None and self._autocommit
            try:
                stream = await backend.open_stream(text, parameters, size, begin)
            except BaseException:
                if is_own and backend.is_open and backend.transaction_status != "I":
                    await backend.execute("ROLLBACK")
                raise
            if is_own:
                self._claim = "a stream under autocommit"
            return stream

    async def _fetch(self, stream: AsyncRowStream, size: int) -> list[Row]:
        """The next rows of a stream; with the last ones ends the transaction that there was for it."""
        async with self._lock:
            backend = self._open_backend()
            try:
                rows = await stream.fetch(size)
            except BaseException:
                self._claim = None
                if self._autocommit and backend.is_open and backend.transaction_status != "I":
                    await backend.execute("ROLLBACK")
                raise
            if stream.is_over and self._claim is not None:
                await self._end_claim(backend)
            return rows

    async def _close_stream(self, stream: AsyncRowStream) -> None:
        async with self._lock:
            backend = self._backend
            if backend is None or not backend.is_open:
                return
            await stream.close()
            if self._claim is not None:
                await self._end_claim(backend)

    async def _end_claim(self, backend: AsyncBackend) -> None:
        self._claim = None
        if backend.transaction_status != "I":
            await backend.execute("COMMIT")

    async def _needed_begin(self, backend: AsyncBackend, text: str) -> str | None:
        if backend.transaction_status != "I":
            return None
        await self._tell_modes(backend)
        if self._autocommit or is_about_transactions(text):
            return None
        return self._begin_sql()

    def _begin_sql(self) -> str:
        return begin_sql(self.isolation_level, self.read_only, self.deferrable)

    async def _tell_modes(self, backend: AsyncBackend) -> None:
        """See that the session's transactions get the modes, whoever begins them."""
        wanted = (self.isolation_level, self.read_only, self.deferrable)
        if wanted != self._told_modes:
            await backend.execute(defaults_sql(self._told_modes, wanted))
            self._told_modes = wanted

    def _open_backend(self) -> AsyncBackend:
        if self._backend is None:
            raise errors.InterfaceError("the connection is closed")
        return self._backend

    def _usable_backend(self) -> AsyncBackend:
        if self._claim is not None:
            raise errors.InterfaceError(f"the connection is busy with {self._claim}")
        if self._is_prepared:
            raise errors.ProgrammingError(
                "the transaction is prepared: tpc_commit() or tpc_rollback() it first"
            )
        return self._open_backend()

    # --- transactions -----------------------------------

    async def commit(self) -> None:
        """Commit; without a transaction nothing happens.

        Raises InFailedTransaction when the transaction had failed: it is rolled back then.
        """
        self._refuse_inside("commit")
        self.messages.clear()
        async with self._lock:
            await self._commit()

    async def _commit(self) -> None:
        backend = self._usable_backend()
        status = backend.transaction_status
        if status == "T" or not backend.is_open:
            await backend.execute("COMMIT")  # which says why, when the session has ended
        elif status == "E":
            await backend.execute("COMMIT")  # which says why, when the transaction has timed out
            raise errors.InFailedTransaction("the transaction had failed and was rolled back, not committed")

    async def rollback(self) -> None:
        """Roll back; without a transaction nothing happens."""
        self._refuse_inside("rollback")
        self.messages.clear()
        async with self._lock:
            await self._rollback()

    async def _rollback(self) -> None:
        self._claim = None
        backend = self._usable_backend()
        if backend.transaction_status != "I":
            await backend.execute("ROLLBACK")

    def _forget_blocks(self) -> None:
        """Whoever used the connection is through with it, blocks that were never left included."""
        self._blocks.clear()
        self._claim = None
        self._xid, self._is_prepared = None, False
        self.messages.clear()

    def _refuse_inside(self, what: str) -> None:
        self._open_backend()
        if self._blocks:
            raise errors.InvalidTransactionState(
                f"{what}() inside a transaction() block: its end commits, Rollback or any exception rolls back"
            )
        if self._xid is not None:
            raise errors.ProgrammingError(f"{what}() inside a two-phase transaction: use tpc_{what}()")

    def transaction(
        self,
        *,
        isolation_level: str | None = None,
        read_only: bool | None = None,
        deferrable: bool | None = None,
    ) -> AsyncTransactionBlock:
        """`with connection.transaction():` a transaction that the end of the block commits.

        An exception rolls it back and goes on; `skerry.Rollback` rolls back and does not.  Inside another transaction
        the block is a savepoint, and modes can't be given (InvalidTransactionState); they are the connection's unless
        they are given.
        """
        modes = (isolation_level, read_only, deferrable)
        if isolation_level is not None:
            isolation_sql(isolation_level)
        return AsyncTransactionBlock(self, modes)

    async def cancel(self) -> None:
        """Cancel the statement that runs on this connection meanwhile: it raises QueryCanceled."""
        await self._open_backend().cancel()

    async def close(self) -> None:
        """Close; what is not committed is rolled back.  Closing twice is allowed."""
        backend, self._backend = self._backend, None
        if backend is None:
            return
        await backend.close()
        if self._owns_source:
            await self._source.close()

    async def __aenter__(self) -> AsyncConnection:
        self._open_backend()
        return self

    async def __aexit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Commit, or roll back on an exception; the connection is closed then."""
        if self._backend is None:
            return
        try:
            if not self._backend.is_open and exception_type is not None:
                return
            if exception_type is None:
                await self.commit()
            else:
                await self.rollback()
        finally:
            await self.close()

    # --- two-phase commit -------------------------------

    def xid(self, format_id: int, global_transaction_id: str, branch_qualifier: str) -> Xid:
        """A transaction's name for the methods below."""
        return Xid.make(format_id, global_transaction_id, branch_qualifier)

    async def tpc_begin(self, xid: Xid | str) -> None:
        """Begin a two-phase transaction.  Outside any other, and not under autocommit."""
        async with self._lock:
            backend = self._usable_backend()
            if backend.transaction_status != "I":
                raise errors.ProgrammingError("tpc_begin() can't be called inside a transaction")
            if self._autocommit:
                raise errors.ProgrammingError("tpc_begin() can't be called under autocommit")
            await self._tell_modes(backend)
            await backend.execute(self._begin_sql())
            self._xid = xid if isinstance(xid, Xid) else Xid.parse(xid)

    async def tpc_prepare(self) -> None:
        """Do the first phase: what was done survives a crash, and waits for tpc_commit() or tpc_rollback()."""
        async with self._lock:
            backend = self._usable_backend()
            if self._xid is None:
                raise errors.ProgrammingError("tpc_prepare() needs tpc_begin()")
            try:
                await backend.execute(f"PREPARE TRANSACTION {quoted_text(str(self._xid))}")
            except BaseException:
                self._xid = None
                raise
            self._is_prepared = True

    async def tpc_commit(self, xid: Xid | str | None = None) -> None:
        """Commit the two-phase transaction, prepared or not; with a name, one that was prepared, by whomever."""
        await self._tpc_end("COMMIT", xid)

    async def tpc_rollback(self, xid: Xid | str | None = None) -> None:
        """Roll the two-phase transaction back; with a name, one that was prepared, by whomever."""
        await self._tpc_end("ROLLBACK", xid)

    async def _tpc_end(self, verb: str, xid: Xid | str | None) -> None:
        async with self._lock:
            backend = self._open_backend()
            if xid is not None:
                if self._xid is not None or backend.transaction_status != "I":
                    raise errors.ProgrammingError(
                        f"{verb.lower()} by name can't be done inside a transaction"
                    )
                await backend.execute(f"{verb} PREPARED {quoted_text(str(xid))}")
                return
            own, self._xid = self._xid, None
            was_prepared, self._is_prepared = self._is_prepared, False
            if own is None:
                raise errors.ProgrammingError(f"tpc_{verb.lower()}() without a name needs tpc_begin()")
            if was_prepared:
                await backend.execute(f"{verb} PREPARED {quoted_text(str(own))}")
            elif verb == "COMMIT":
                await self._commit()
            else:
                await self._rollback()

    async def tpc_recover(self) -> list[Xid]:
        """The transactions of this database that are prepared."""
        async with self._lock:
            backend = self._usable_backend()
            was_idle = backend.transaction_status == "I"
            outcome = await backend.execute(_PREPARED)
            assert not was_idle or backend.transaction_status == "I"
        found = []
        for gid, prepared, owner, database in outcome.rows:
            name = Xid.parse(str(gid))
            found.append(replace(name, prepared=prepared, owner=str(owner), database=str(database)))
        return found


class AsyncTransactionBlock:
    """What `AsyncConnection.transaction` gives: a transaction, or a savepoint, for as long as a block lasts."""

    def __init__(
        self, connection: AsyncConnection, modes: tuple[str | None, bool | None, bool | None]
    ) -> None:
        self.connection = connection
        self._modes = modes
        self._savepoint: str | None = None
        self._has_begun = False

    async def __aenter__(self) -> AsyncTransactionBlock:
        if self._has_begun:
            raise errors.InterfaceError("a transaction() block can be entered only once")
        self._has_begun = True
        connection = self.connection
        async with connection._lock:
            backend = connection._usable_backend()
            if backend.transaction_status == "I":
                await connection._tell_modes(backend)
                await backend.execute(self._begin_sql())
            else:
                if self._modes != (None, None, None):
                    raise errors.InvalidTransactionState(
                        "modes can be given only to the outermost transaction() block"
                    )
                self._savepoint = f"skerry_{len(connection._blocks)}"
                await backend.execute(f'SAVEPOINT "{self._savepoint}"')
            connection._blocks.append(self)
        return self

    def _begin_sql(self) -> str:
        connection = self.connection
        level, read_only, deferrable = self._modes
        return begin_sql(
            connection.isolation_level if level is None else level,
            connection.read_only if read_only is None else read_only,
            connection.deferrable if deferrable is None else deferrable,
        )

    async def __aexit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool | None:
        """Commit or release; roll back on an exception, which goes on unless it is a Rollback for this block."""
        connection = self.connection
        async with connection._lock:
            if self in connection._blocks:
                del connection._blocks[connection._blocks.index(self) :]
            backend = connection._backend
            if backend is None or not backend.is_open:
                if exception_type is None:
                    await connection._commit()  # which says why there is nothing to commit
                return False
            if exception_type is None:
                await self._keep(backend)
                return False
            await self._undo(backend)
            return isinstance(exception, Rollback) and exception.block in (None, self)

    async def _keep(self, backend: AsyncBackend) -> None:
        connection = self.connection
        if backend.transaction_status == "I":
            raise errors.InvalidTransactionState("the transaction was ended inside its transaction() block")
        if self._savepoint is None:
            await connection._commit()
        elif backend.transaction_status == "E":
            await self._undo(backend)
            raise errors.InFailedTransaction("a statement had failed: the block was rolled back")
        else:
            await backend.execute(f'RELEASE SAVEPOINT "{self._savepoint}"')

    async def _undo(self, backend: AsyncBackend) -> None:
        self.connection._claim = None
        if backend.transaction_status == "I":
            return
        if self._savepoint is None:
            await backend.execute("ROLLBACK")
        else:
            name = f'"{self._savepoint}"'
            await backend.execute(f"ROLLBACK TO SAVEPOINT {name}; RELEASE SAVEPOINT {name}")


class AsyncCursor:
    """Executes statements and holds the rows of the last one."""

    def __init__(
        self, connection: AsyncConnection, is_stream: bool = False, itersize: int = STREAM_ROWS
    ) -> None:
        self._connection: AsyncConnection | None = connection
        self._is_stream = is_stream
        self._outcome: Outcome | None = None
        self._sets: list[Outcome] = []
        self._stream: AsyncRowStream | None = None
        self._columns: tuple[ColumnInfo, ...] | None = None
        self._rows: list[Row] = []
        self._place = 0
        self._passed = 0
        self.itersize = itersize
        self.arraysize = 1
        self.messages: list[Message] = []
        self.errorhandler: ErrorHandler | None = connection.errorhandler
        self.lastrowid: None = None
        """Always None: use RETURNING."""

    # --- what is known ----------------------------------

    @property
    def connection(self) -> AsyncConnection:
        """The connection this cursor is of."""
        if self._connection is None:
            raise errors.InterfaceError("the cursor is closed")
        return self._connection

    @property
    def closed(self) -> bool:
        """Whether the cursor, or its connection, is closed."""
        return self._connection is None or self._connection.closed

    @property
    def description(self) -> list[Description] | None:
        """Seven items a column (PEP 249); None when the last statement returned no rows."""
        return None if self._columns is None else [described(column) for column in self._columns]

    @property
    def columns(self) -> tuple[ColumnInfo, ...]:
        """Names and types of the columns; empty when the last statement returned no rows."""
        return self._columns or ()

    @property
    def rowcount(self) -> int:
        """Rows returned or changed by the last statement; -1 where that has no meaning, and for a stream until it has
        been read to its end."""
        if self._stream is not None:
            return self._stream.row_count if self._stream.is_over else -1
        return -1 if self._outcome is None else self._outcome.row_count

    @property
    def rownumber(self) -> int | None:
        """The 0-based index of the next row; None without rows."""
        return None if self._columns is None else self._passed + self._place

    @property
    def statusmessage(self) -> str | None:
        """The last command tag ('INSERT 0 1')."""
        if self._stream is not None:
            return self._stream.tag or None
        return None if self._outcome is None else self._outcome.tag

    # --- statements -------------------------------------

    async def execute(self, operation: str, parameters: Parameters | None = None) -> AsyncCursor:
        """Execute a statement; `%s` or `%(name)s` stand for parameters.  Gives the cursor itself.

        Without parameters the text may hold several statements: `nextset` goes through those that return rows.
        """
        connection = self.connection
        try:
            text, values = from_pyformat(operation, parameters)
            if values:
                names = pyformat_names(operation) if isinstance(parameters, Mapping) else ()
                values = adapted(values, names)
            await self._forget()
            if self._is_stream:
                self._take_stream(await connection._open_stream(text, values, self.itersize))
            else:
                self._take_outcome(await connection._run(text, values))
        except errors.Error as problem:
            if self.errorhandler is None:
                raise
            self.errorhandler(connection, self, type(problem), problem)
        self._take_messages(connection)
        return self

    async def executemany(
        self, operation: str, seq_of_parameters: Iterable[Parameters], *, returning: bool = False
    ) -> AsyncCursor:
        """Execute once for each set of parameters, many in a round trip; `rowcount` is the sum.

        All of it is one transaction, under autocommit, too.  Rows are kept with `returning`: `nextset` goes from one
        execution's to the next one's.
        """
        connection = self.connection
        try:
            sets = iter(seq_of_parameters)
            await self._forget()
            first = next(sets, None)
            if first is None:
                self._take_outcome(Outcome(row_count=0))
                return self
            text, values = from_pyformat(operation, first)
            outcomes = await connection._run_many(
                text, _value_sets(operation, first, values or [], sets), returning
            )
            if returning:
                self._take_sets(outcomes)
            else:
                total = sum([max(each.row_count, 0) for each in outcomes])
                self._take_outcome(Outcome(row_count=total, tag=outcomes[-1].tag))
        except errors.Error as problem:
            if self.errorhandler is None:
                raise
            self.errorhandler(connection, self, type(problem), problem)
        self._take_messages(connection)
        return self

    async def callproc(self, procname: str, parameters: Sequence[object] = ()) -> Sequence[object]:
        """Call a function: its rows can be fetched.  Parameters are in only, and are returned as they are."""
        name = ".".join('"' + part.replace('"', '""') + '"' for part in procname.split("."))
        places = ", ".join(["%s"] * len(parameters))
        await self.execute(f"SELECT * FROM {name.replace('%', '%%')}({places})", parameters)
        return parameters

    def copy(self, operation: str) -> AsyncCopy:
        """`with cursor.copy("COPY t FROM STDIN") as copy:` write to it, or read from it (TO STDOUT)."""
        return AsyncCopy(self, operation)

    async def nextset(self) -> bool | None:
        """Go on to the next rows of a text of several statements, or of an `executemany`; None when there are none."""
        self.connection._open_backend()
        if not self._sets:
            return None
        self._show(self._sets.pop(0))
        return True

    def _take_messages(self, connection: AsyncConnection) -> None:
        backend = connection._backend
        if backend is None or not backend.notices:
            return
        found = [(errors.Warning, errors.Warning(text)) for text in backend.notices]
        self.messages += found
        connection.messages += found

    def _take_outcome(self, outcome: Outcome) -> None:
        if not outcome.earlier:
            self._show(outcome)
            return
        every = [*outcome.earlier, outcome]
        outcome.earlier = []
        self._take_sets([each for each in every if each.columns is not None] or every[-1:])

    def _take_sets(self, outcomes: list[Outcome]) -> None:
        self._sets = outcomes[1:]
        self._show(outcomes[0])

    def _show(self, outcome: Outcome) -> None:
        self._outcome = outcome
        self._columns, self._rows = outcome.columns, outcome.rows
        self._place = self._passed = 0

    def _take_stream(self, stream: AsyncRowStream) -> None:
        self._stream = stream
        self._columns = stream.columns

    async def _forget(self) -> None:
        """Let go of the last statement's rows."""
        self._outcome = None
        self._columns = None
        self._rows, self._sets = [], []
        self._place = self._passed = 0
        self.messages.clear()
        stream, self._stream = self._stream, None
        if stream is not None and self._connection is not None:
            await self._connection._close_stream(stream)

    # --- rows -------------------------------------------

    async def fetchone(self) -> Row | None:
        """The next row, or None."""
        self._check_rows()
        if self._place >= len(self._rows) and not await self._more():
            return None
        self._place += 1
        return self._rows[self._place - 1]

    async def fetchmany(self, size: int | None = None) -> list[Row]:
        """The next `size` rows (default `arraysize`)."""
        self._check_rows()
        wanted = self.arraysize if size is None else size
        found: list[Row] = []
        while len(found) < wanted and (self._place < len(self._rows) or await self._more()):
            part = self._rows[self._place : self._place + wanted - len(found)]
            self._place += len(part)
            found += part
        return found

    async def fetchall(self) -> list[Row]:
        """The rows that are left."""
        self._check_rows()
        found = self._rows[self._place :] if self._place else list(self._rows)
        self._place = len(self._rows)
        while await self._more():
            found += self._rows
            self._place = len(self._rows)
        return found

    async def scroll(self, value: int, mode: str = "relative") -> None:
        """Go to another row: `value` rows on, or to row `value` ('absolute').

        Raises IndexError beyond the rows, NotSupportedError for going back in a stream.
        """
        self._check_rows()
        if mode not in ("relative", "absolute"):
            raise errors.ProgrammingError(f"scroll mode must be 'relative' or 'absolute', not {mode!r}")
        target = value + (self._passed + self._place if mode == "relative" else 0)
        if target < self._passed:
            if self._stream is not None and target >= 0:
                raise errors.NotSupportedError("a stream can't go back")
            raise IndexError("scroll destination out of range")
        while target > self._passed + len(self._rows) and await self._more():
            pass
        if target > self._passed + len(self._rows) or (
            self._stream is None and target >= len(self._rows) and target > 0
        ):
            raise IndexError("scroll destination out of range")
        self._place = target - self._passed

    async def _more(self) -> bool:
        """Have the next rows of a stream in the place of those that were read; False when there are none."""
        stream = self._stream
        if stream is None:
            return False
        rows = await self.connection._fetch(stream, self.itersize)
        if not rows:
            return False
        self._passed += len(self._rows)
        self._rows, self._place = rows, 0
        return True

    def __aiter__(self) -> AsyncIterator[Row]:
        self._check_rows()
        return self

    async def __anext__(self) -> Row:
        row = await self.fetchone()
        if row is None:
            raise StopAsyncIteration
        return row

    async def next(self) -> Row:
        """The next row; raises StopIteration when there is none (PEP 249)."""
        return await self.__anext__()

    async def close(self) -> None:
        """Let go of the rows."""
        if self._connection is None:
            return
        try:
            await self._forget()
        finally:
            self._connection = None

    async def __aenter__(self) -> AsyncCursor:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.close()

    def setinputsizes(self, sizes: Sequence[object]) -> None:
        """Does nothing: parameters' types come from their values (PEP 249 allows it)."""

    def setoutputsize(self, size: int, column: int | None = None) -> None:
        """Does nothing: rows are never truncated (PEP 249 allows it)."""

    def _check_rows(self) -> None:
        self.connection._open_backend()
        if self._columns is None:
            raise errors.ProgrammingError(
                "no rows to fetch: the last statement returned none, or none was executed"
            )


def _value_sets(
    operation: str, first: Parameters, values: list[object], rest: Iterator[Parameters]
) -> Iterator[list[object]]:
    """The values of each set of parameters, as backends know them."""
    names = pyformat_names(operation) if isinstance(first, Mapping) else ()
    yield adapted(values, names)
    for parameters in rest:
        _, values_ = from_pyformat(operation, parameters)
        yield adapted(values_ or [], names)
