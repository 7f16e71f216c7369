"""Sessions of other databases through their own DB-API drivers: SQLite's, psycopg 3 and 2, pg8000.

Each connection is put into the mode in which it begins nothing by itself, and transactions are begun with SQL.  What
drivers do not agree on (PEP 249 leaves it open) is in `_DRIVERS`.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, Protocol, cast

from skerry.abc import ColumnInfo, Outcome, Row
from skerry.flow.modes import Modes
from skerry.flow.statements import render
from skerry.isolation import begin_sql
from skerry.parameters import Parameters
from skerry.result import Result
from skerry_engine.errors import InterfaceError, InvalidTransactionState, NotSupportedError, OperationalError


class DbapiCursor(Protocol):
    """What is used of a DB-API cursor."""

    description: Any
    rowcount: int

    def execute(self, operation: str, parameters: Any = ...) -> object: ...
    def executemany(self, operation: str, parameters: Any) -> object: ...
    def fetchall(self) -> list[Any]: ...
    def close(self) -> object: ...


class DbapiConnection(Protocol):
    """What is used of a DB-API connection."""

    def cursor(self) -> Any: ...
    def close(self) -> object: ...


class _Driver(NamedTuple):
    """What a driver needs: its paramstyle, how it is put into autocommit, how a statement is cancelled (None: through
    another connection), whether it has a transaction open, and whether Ctrl-C leaves a connection as good as new."""

    dialect: str
    paramstyle: str
    set_up: Callable[[Any], object]
    cancel: Callable[[Any], object] | None
    in_transaction: Callable[[Any], bool]
    survives_interruption: bool = True


def _autocommit(connection: Any) -> None:
    connection.autocommit = True


def _no_implicit_begin(connection: Any) -> None:
    if isinstance(
        getattr(connection, "autocommit", None), bool
    ):  # from Python 3.12 on, where it was asked for
        connection.autocommit = True
    else:
        connection.isolation_level = None


_DRIVERS = {
    "sqlite3": _Driver(
        "sqlite",
        "qmark",
        _no_implicit_begin,
        lambda connection: connection.interrupt(),
        lambda connection: bool(connection.in_transaction),
    ),
    "psycopg": _Driver(
        "postgresql",
        "pyformat",
        _autocommit,
        lambda connection: connection.cancel(),
        lambda connection: connection.info.transaction_status != 0,
    ),
    "psycopg2": _Driver(
        "postgresql",
        "pyformat",
        _autocommit,
        lambda connection: connection.cancel(),
        lambda connection: connection.get_transaction_status() != 0,
    ),
    "pg8000": _Driver(
        "postgresql",
        "format",
        _autocommit,
        None,
        lambda connection: connection._transaction_status != b"I",
        survives_interruption=False,
    ),
}


class DbapiSession:
    """A connection."""

    def __init__(
        self, connection: DbapiConnection, driver: _Driver, cancel_elsewhere: Callable[[object], object]
    ) -> None:
        self.connection = connection
        self.thread = threading.get_ident()
        self._driver = driver
        self._is_begun = False
        self._is_suspect = False
        self._pid: object = None
        self._cancel_elsewhere = cancel_elsewhere
        if driver.cancel is None:
            self._pid = self.execute("SELECT pg_backend_pid()", None).scalar()

    def _run(self, text: str) -> None:
        cursor = self.connection.cursor()
        cursor.execute(text)
        cursor.close()

    def begin(self, modes: Modes) -> None:
        """Begin a transaction."""
        if self._driver.dialect == "sqlite":
            self._run("BEGIN")
        else:
            self._run(begin_sql(modes.isolation, modes.read_only, modes.deferrable))
        self._is_begun = True

    @property
    def is_idle(self) -> bool:
        """Whether no transaction is open on it; False, too, for a connection that is lost."""
        try:
            return not self._driver.in_transaction(self.connection)
        except Exception:  # whatever a driver says of a connection that is lost
            return False

    def is_alive(self) -> bool:
        """Whether it still answers, where a statement has failed on it."""
        if not self._is_suspect:
            return True
        try:
            self._run("SELECT 1")
        except Exception:
            return False
        self._is_suspect = False
        return True

    def is_bound_elsewhere(self) -> bool:
        """Whether it is a connection of sqlite3 that another thread has opened for itself alone."""
        if self._driver.dialect != "sqlite" or self.thread == threading.get_ident():
            return False
        try:
            self.connection.cursor().close()
        except Exception:
            return True
        return False

    def _check_begun(self) -> None:
        """SQLite, and what users send, may end a transaction: what comes next would commit by itself."""
        if self._is_begun and not self._driver.in_transaction(self.connection):
            if getattr(self.connection, "closed", False):
                return  # which the driver says better
            raise InvalidTransactionState("the transaction was ended by a statement inside it")

    def commit(self) -> None:
        """Commit.  Raises OperationalError where the server rolled back instead."""
        self._check_begun()
        cursor = self.connection.cursor()
        cursor.execute("COMMIT")
        status = getattr(cursor, "statusmessage", None)
        cursor.close()
        self._is_begun = False
        if status == "ROLLBACK":
            raise OperationalError("the transaction had failed and was rolled back, not committed")

    def rollback(self) -> None:
        """Roll back."""
        self._is_begun = False
        if self._driver.in_transaction(self.connection):
            self._run("ROLLBACK")

    def savepoint(self, name: str) -> None:
        """Mark this point."""
        self._check_begun()
        self._run(f"SAVEPOINT {name}")

    def release_savepoint(self, name: str) -> None:
        """Forget the mark."""
        self._run(f"RELEASE SAVEPOINT {name}")

    def rollback_to_savepoint(self, name: str) -> None:
        """Undo what came after the mark."""
        self._run(f"ROLLBACK TO SAVEPOINT {name}")

    def prepare(self, name: str) -> None:
        """PREPARE TRANSACTION."""
        self._check_begun()
        self._run(f"PREPARE TRANSACTION '{name}'")
        self._is_begun = False

    def commit_prepared(self, name: str) -> None:
        """COMMIT PREPARED."""
        self._run(f"COMMIT PREPARED '{name}'")

    def rollback_prepared(self, name: str) -> None:
        """ROLLBACK PREPARED."""
        self._run(f"ROLLBACK PREPARED '{name}'")

    def execute(self, statement: str, parameters: Parameters | None) -> Result:
        """Execute a statement."""
        self._check_begun()
        text, values = render(statement, parameters, self._driver.paramstyle)
        cursor = self.connection.cursor()
        try:
            if values is None:
                cursor.execute(text)
            else:
                cursor.execute(text, values)
            columns = None
            rows: list[Row] = []
            if cursor.description:
                columns = tuple(ColumnInfo(_text(each[0]), 0) for each in cursor.description)
                rows = [tuple(row) for row in cursor.fetchall()]
            count = len(rows) if columns and cursor.rowcount < 0 else cursor.rowcount
            return Result(Outcome(columns, rows, "", count))
        except Exception:
            self._is_suspect = True
            raise
        finally:
            cursor.close()

    def execute_many(self, statement: str, sets: Iterable[Parameters]) -> int:
        """Execute a statement for each set."""
        self._check_begun()
        text = ""
        rendered: list[object] = []
        for parameters in sets:
            text, values = render(statement, parameters, self._driver.paramstyle)
            rendered.append(values)
        if not rendered:
            return 0
        cursor = self.connection.cursor()
        try:
            cursor.executemany(text, rendered)
            return cast("int", cursor.rowcount)
        except Exception:
            self._is_suspect = True
            raise
        finally:
            cursor.close()

    def cancel(self) -> None:
        """Have what runs fail."""
        if self._driver.cancel is not None:
            self._driver.cancel(self.connection)
        else:
            self._cancel_elsewhere(self._pid)


class DbapiConnector:
    """Connections that a function opens, at most `max_size`; a waiting line is left to those who want one.

    One of sqlite3 that only its own thread may use (`check_same_thread`) is used by that thread only.  A deadline that
    comes while nothing runs on it can't close it: it keeps its locks until its thread comes for a connection again.
    """

    def __init__(self, connect: Callable[[], DbapiConnection], max_size: int = 10) -> None:
        self._connect = connect
        self._mutex = threading.Condition()
        self._idle: list[DbapiSession] = []
        self._strays: list[DbapiSession] = []
        self._in_use = 0
        self._max_size = max_size
        self._is_closed = False
        first = connect()
        self._driver = _driver_of(first)
        self.survives_interruption = self._driver.survives_interruption
        self._idle.append(self._session(first))
        self.dialect = self._driver.dialect
        self.is_two_phase = self.dialect == "postgresql" and _has_prepared_transactions(self._idle[0])

    def _session(self, connection: DbapiConnection) -> DbapiSession:
        try:
            self._driver.set_up(connection)
            return DbapiSession(connection, self._driver, self._cancel)
        except BaseException:
            connection.close()
            raise

    def _cancel(self, pid: object) -> None:
        """Cancel what runs on another connection of PostgreSQL."""
        connection = self._connect()
        try:
            cursor = connection.cursor()
            cursor.execute("SELECT pg_cancel_backend(%s)", (pid,))
        finally:
            connection.close()

    @property
    def in_use(self) -> int:
        """How many connections are in use."""
        return self._in_use

    def check(self, modes: Modes) -> None:
        """SQLite's transactions are serializable, whatever weaker level is asked for; it has no other modes."""
        if self.dialect == "sqlite" and (modes.read_only or modes.deferrable):
            raise NotSupportedError("SQLite has no read-only or deferrable transactions")

    def take(self, timeout_s: float = 30.0) -> DbapiSession:
        """A session.  Raises OperationalError when none is to be had in time."""
        if self._strays:
            self._close_strays()
        with self._mutex:
            if not self._mutex.wait_for(lambda: self._is_closed or self._in_use < self._max_size, timeout_s):
                raise OperationalError(f"no connection became free in time: all {self._max_size} are in use")
            if self._is_closed:
                raise InterfaceError("the database is closed")
            self._in_use += 1
            for place in range(len(self._idle) - 1, -1, -1):
                if not self._idle[place].is_bound_elsewhere():
                    return self._idle.pop(place)
        try:
            return self._session(self._connect())
        except BaseException:
            self._leave()
            raise

    def _leave(self, session: DbapiSession | None = None) -> None:
        with self._mutex:
            self._in_use -= 1
            if session is not None and not self._is_closed:
                self._idle.append(session)
                session = None
            self._mutex.notify()
        if session is not None:
            session.connection.close()

    def give_back(self, session: DbapiSession, is_usable: bool) -> None:
        """Take it back, or close it."""
        if is_usable and not (session.is_idle and session.is_alive()):
            is_usable = self._is_mended(session)
        if is_usable and not getattr(session.connection, "closed", False):
            self._leave(session)
        else:
            self.abandon(session)

    def _is_mended(self, session: DbapiSession) -> bool:
        """Roll back what somebody left open on a connection.  One that is lost says what the others are worth."""
        try:
            session.rollback()
            is_mended = session.is_idle and session.is_alive()
        except Exception:
            is_mended = False
        if not is_mended:
            self._drop_idle()
        return is_mended

    def _drop_idle(self) -> None:
        with self._mutex:
            idle, self._idle = self._idle, []
        for session in idle:
            with contextlib.suppress(Exception):
                session.connection.close()

    def abandon(self, session: DbapiSession) -> None:
        """Close it, or leave that to the thread that alone may."""
        try:
            if session.is_bound_elsewhere():
                self._strays.append(session)
            else:
                session.connection.close()
        finally:
            self._leave()

    def _close_strays(self) -> None:
        with self._mutex:
            alive = {thread.ident for thread in threading.enumerate()}
            here = threading.get_ident()
            mine = [each for each in self._strays if each.thread == here]
            self._strays = [each for each in self._strays if each.thread != here and each.thread in alive]
        for session in mine:
            session.connection.close()

    def close(self) -> None:
        """Close the idle connections; those in use when they come back."""
        with self._mutex:
            self._is_closed = True
            self._mutex.notify_all()
        self._close_strays()
        self._drop_idle()


def _driver_of(connection: object) -> _Driver:
    names = [kind.__module__.partition(".")[0] for kind in type(connection).__mro__]
    for name in names:
        if name in _DRIVERS:
            return _DRIVERS[name]
    raise NotSupportedError(
        f"connections of {names[0]} are not known here: use one of {', '.join(_DRIVERS)}, or an engine of SQLAlchemy"
    )


def _has_prepared_transactions(session: DbapiSession) -> bool:
    return session.execute("SHOW max_prepared_transactions", None).scalar() not in ("0", 0)


def _text(name: object) -> str:
    return name.decode() if isinstance(name, bytes) else str(name)
