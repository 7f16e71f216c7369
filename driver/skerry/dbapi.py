"""DB-API 2.0 (PEP 249): Connection and Cursor, the same embedded and over the network.

A transaction begins with the first statement and ends with commit or rollback, unless `autocommit` is True.
The isolation level is READ COMMITTED unless asked otherwise.  Threads may share connections: a connection
runs one statement at a time.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import Concatenate, ParamSpec, TypeVar

from skerry.abc import Backend, Notification, Outcome, Row, Source
from skerry.isolation import NO_MODES, begin_sql, defaults_sql, isolation_sql
from skerry.listening import taken
from skerry.parameters import Parameters, from_pyformat
from skerry_engine import errors

apilevel = "2.0"
threadsafety = 2
paramstyle = "pyformat"

Description = tuple[str, int, None, None, int | None, int | None, None]

P = ParamSpec("P")
R = TypeVar("R")

_NUMERIC_OID = 1700
_LENGTH_OIDS = (1042, 1043)
_MODIFIER_OFFSET = 4

# Statements that are about transactions themselves: no BEGIN goes before them.
_TRANSACTION_WORDS = re.compile(
    r"(?:\s|--[^\n]*\n|/\*.*?\*/)*(?:BEGIN|START|COMMIT|END|ROLLBACK|ABORT)\b", re.IGNORECASE | re.DOTALL
)


def _serialised(method: Callable[Concatenate[Connection, P], R]) -> Callable[Concatenate[Connection, P], R]:
    """Run a method under its connection's lock."""

    def locked(self: Connection, /, *args: P.args, **kwargs: P.kwargs) -> R:
        with self._lock:
            return method(self, *args, **kwargs)

    locked.__doc__ = method.__doc__
    locked.__name__ = method.__name__
    return locked


class Connection:
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
        source: Source,
        *,
        owns_source: bool,
        autocommit: bool = False,
        isolation_level: str | None = None,
        read_only: bool = False,
        deferrable: bool = False,
    ) -> None:
        if isolation_level is not None:
            isolation_sql(isolation_level)
        self._source = source
        self._owns_source = owns_source
        self._lock = threading.RLock()
        self._backend: Backend | None = source.open_backend()
        self.isolation_level = isolation_level
        self.read_only = read_only
        self.deferrable = deferrable
        self._autocommit = autocommit
        self._told_modes = NO_MODES

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
    def in_transaction(self) -> bool:
        """Whether a transaction is open, failed ones included."""
        return self._open_backend().transaction_status != "I"

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

    @_serialised
    def wait_for_notifications(self, timeout: float | None = None) -> list[Notification]:
        """Take out of `notifications` what has arrived; if that is nothing, wait for some to arrive.

        Empty when none has come within `timeout` seconds (None: wait for ever).  Raises
        InvalidTransactionState inside a transaction, where none could come.
        """
        return taken(self._open_backend(), timeout)

    def cursor(self) -> Cursor:
        """A new cursor."""
        self._open_backend()
        return Cursor(self)

    def execute(self, operation: str, parameters: Parameters | None = None) -> Cursor:
        """A new cursor that has executed the statement (a shorthand beyond PEP 249)."""
        return self.cursor().execute(operation, parameters)

    @_serialised
    def commit(self) -> None:
        """Commit; without a transaction nothing happens.

        Raises InFailedTransaction when the transaction had failed: it is rolled back then.
        """
        backend = self._open_backend()
        status = backend.transaction_status
        if status == "T":
            backend.execute("COMMIT")
        elif status == "E":
            backend.execute("COMMIT")  # which says why, when the transaction has timed out
            raise errors.InFailedTransaction("the transaction had failed and was rolled back, not committed")

    @_serialised
    def rollback(self) -> None:
        """Roll back; without a transaction nothing happens."""
        backend = self._open_backend()
        if backend.transaction_status != "I":
            backend.execute("ROLLBACK")

    def cancel(self) -> None:
        """Cancel the statement that another thread runs on this connection."""
        self._open_backend().cancel()

    def close(self) -> None:
        """Close; what is not committed is rolled back.  Closing twice is allowed."""
        backend, self._backend = self._backend, None
        if backend is None:
            return
        backend.close()
        if self._owns_source:
            self._source.close()

    def __enter__(self) -> Connection:
        self._open_backend()
        return self

    def __exit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Commit, or roll back on an exception; the connection is closed then."""
        if self._backend is None:
            return
        try:
            if exception_type is None:
                self.commit()
            else:
                self.rollback()
        finally:
            self.close()

    @_serialised
    def _run(self, text: str, parameters: Sequence[object] | None) -> Outcome:
        backend = self._open_backend()
        if backend.transaction_status == "I":
            self._tell_modes(backend)
            if not self._autocommit and not _TRANSACTION_WORDS.match(text):
                backend.execute(begin_sql(self.isolation_level, self.read_only, self.deferrable))
        return backend.execute(text, parameters)

    def _tell_modes(self, backend: Backend) -> None:
        """See that the session's transactions get the modes, whoever begins them."""
        wanted = (self.isolation_level, self.read_only, self.deferrable)
        if wanted != self._told_modes:
            backend.execute(defaults_sql(self._told_modes, wanted))
            self._told_modes = wanted

    def _open_backend(self) -> Backend:
        if self._backend is None:
            raise errors.InterfaceError("the connection is closed")
        return self._backend


class Cursor:
    """Executes statements and holds the rows of the last one."""

    def __init__(self, connection: Connection) -> None:
        self._connection: Connection | None = connection
        self._outcome: Outcome | None = None
        self._position = 0
        self.arraysize = 1

    @property
    def connection(self) -> Connection:
        """The connection this cursor is of."""
        if self._connection is None:
            raise errors.InterfaceError("the cursor is closed")
        return self._connection

    @property
    def description(self) -> list[Description] | None:
        """Seven items a column (PEP 249); None when the last statement returned no rows."""
        if self._outcome is None or self._outcome.columns is None:
            return None
        return [
            _describe(column.name, column.type_oid, column.type_modifier) for column in self._outcome.columns
        ]

    @property
    def rowcount(self) -> int:
        """Rows returned or changed by the last statement; -1 where that has no meaning."""
        return -1 if self._outcome is None else self._outcome.row_count

    @property
    def rownumber(self) -> int | None:
        """The 0-based index of the next row; None without rows."""
        return None if self._outcome is None or self._outcome.columns is None else self._position

    @property
    def statusmessage(self) -> str | None:
        """The last command tag ('INSERT 0 1')."""
        return None if self._outcome is None else self._outcome.tag

    def execute(self, operation: str, parameters: Parameters | None = None) -> Cursor:
        """Execute a statement; `%s` or `%(name)s` stand for parameters.  Gives the cursor itself."""
        connection = self.connection
        text, values = from_pyformat(operation, parameters)
        self._outcome, self._position = None, 0
        self._outcome = connection._run(text, values)
        return self

    def executemany(self, operation: str, seq_of_parameters: Sequence[Parameters]) -> Cursor:
        """Execute once for each set of parameters; rows returned are not kept, `rowcount` is the sum."""
        total = 0
        for parameters in seq_of_parameters:
            self.execute(operation, parameters)
            total += max(self.rowcount, 0)
        self._outcome, self._position = Outcome(row_count=total), 0
        return self

    def fetchone(self) -> Row | None:
        """The next row, or None."""
        rows = self._rows()
        if self._position >= len(rows):
            return None
        self._position += 1
        return rows[self._position - 1]

    def fetchmany(self, size: int | None = None) -> list[Row]:
        """The next `size` rows (default `arraysize`)."""
        rows = self._rows()
        start = self._position
        self._position = min(len(rows), start + (self.arraysize if size is None else size))
        return rows[start : self._position]

    def fetchall(self) -> list[Row]:
        """The rows that are left."""
        rows = self._rows()
        start, self._position = self._position, len(rows)
        return rows[start:]

    def __iter__(self) -> Iterator[Row]:
        return iter(self.fetchone, None)

    def close(self) -> None:
        """Let go of the rows."""
        self._connection = None
        self._outcome = None

    def __enter__(self) -> Cursor:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def setinputsizes(self, sizes: Sequence[object]) -> None:
        """Does nothing: parameters' types come from their values (PEP 249 allows it)."""

    def setoutputsize(self, size: int, column: int | None = None) -> None:
        """Does nothing: rows are never truncated (PEP 249 allows it)."""

    def _rows(self) -> list[Row]:
        self.connection._open_backend()
        if self._outcome is None or self._outcome.columns is None:
            raise errors.InterfaceError(
                "no rows to fetch: the last statement returned none, or none was executed"
            )
        return self._outcome.rows


def _describe(name: str, oid: int, modifier: int) -> Description:
    precision = scale = None
    if oid == _NUMERIC_OID and modifier >= _MODIFIER_OFFSET:
        precision = (modifier - _MODIFIER_OFFSET) >> 16
        scale = (modifier - _MODIFIER_OFFSET) & 0xFFFF
    elif oid in _LENGTH_OIDS and modifier >= _MODIFIER_OFFSET:
        precision = modifier - _MODIFIER_OFFSET
    return (name, oid, None, None, precision, scale, None)
