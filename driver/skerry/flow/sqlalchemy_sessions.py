"""Sessions of whatever SQLAlchemy has an engine for: Skerry, PostgreSQL and SQLite through any of their drivers.

The engine's pool is the pool.  Statements are texts with `%s`, or SQLAlchemy's own constructs.

Generated from aio/sqlalchemy_sessions.py by driver/unasync.py: change that one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar, cast

import sqlalchemy
from sqlalchemy import Executable
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import DBAPIError

from skerry.abc import ColumnInfo, Outcome, Row
from skerry.flow.modes import Modes
from skerry.flow.statements import render
from skerry.isolation import READ_COMMITTED, SERIALIZABLE, SNAPSHOT
from skerry.parameters import Parameters
from skerry.result import Result
from skerry_engine.errors import NotSupportedError

T = TypeVar("T")
_LEVELS = {READ_COMMITTED: "READ COMMITTED", SNAPSHOT: "REPEATABLE READ", SERIALIZABLE: "SERIALIZABLE"}


class SqlalchemySession:
    """A connection of the engine's pool."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._style = connection.dialect.paramstyle
        self._is_sqlite = connection.dialect.name == "sqlite"
        self._is_begun = False
        self._may_have_failed = False

    def begin(self, modes: Modes) -> None:
        """Begin a transaction."""
        options: dict[str, Any] = {}
        if not self._is_sqlite:
            options["isolation_level"] = _LEVELS[modes.isolation]
            options["postgresql_readonly"] = modes.read_only
            options["postgresql_deferrable"] = modes.deferrable
        else:
            options["isolation_level"] = "AUTOCOMMIT"
        self.connection.execution_options(**options)
        self.connection.begin()
        if self._is_sqlite:  # whose driver would begin late, and not for every statement
            self.connection.exec_driver_sql("BEGIN")
        self._is_begun = True

    def commit(self) -> None:
        """Commit.  Raises what a statement raises in a transaction that has failed, where it has."""
        if self._may_have_failed and not self._is_sqlite:
            # A server answers COMMIT of a transaction that has failed with ROLLBACK, which drivers do not mention.
            self.connection.exec_driver_sql("SELECT 1")
        if self._is_sqlite:
            self.connection.exec_driver_sql("COMMIT")
        self.connection.commit()
        self._is_begun = False

    def rollback(self) -> None:
        """Roll back."""
        if self._is_sqlite and self._is_begun:
            self._is_begun = False
            self.connection.exec_driver_sql("ROLLBACK")
        self.connection.rollback()
        self._is_begun = False

    def savepoint(self, name: str) -> None:
        """Mark this point."""
        self.connection.exec_driver_sql(f"SAVEPOINT {name}")

    def release_savepoint(self, name: str) -> None:
        """Forget the mark."""
        self.connection.exec_driver_sql(f"RELEASE SAVEPOINT {name}")

    def rollback_to_savepoint(self, name: str) -> None:
        """Undo what came after the mark."""
        self.connection.exec_driver_sql(f"ROLLBACK TO SAVEPOINT {name}")
        self._may_have_failed = False

    def prepare(self, name: str) -> None:
        """Engines are not prepared: `is_two_phase` is false."""
        raise NotSupportedError("two-phase commit through an engine of SQLAlchemy")

    commit_prepared = prepare
    rollback_prepared = prepare

    def lend(self, work: Callable[[sqlalchemy.Connection], T]) -> T:
        """Do something with the (blocking) connection itself; in asyncio within a greenlet."""
        connection = cast(
            "sqlalchemy.Connection", getattr(self.connection, "sync_connection", self.connection)
        )
        try:
            return work(connection)
        except DBAPIError:
            self._may_have_failed = True
            raise

    def execute(self, statement: str | Executable, parameters: Parameters | None) -> Result:
        """Execute a statement, a text or a construct."""
        try:
            return self._execute(statement, parameters)
        except DBAPIError:
            self._may_have_failed = True
            raise

    def _execute(self, statement: str | Executable, parameters: Parameters | None) -> Result:
        if isinstance(statement, str):
            text, values = render(statement, parameters, self._style)
            given = tuple(values) if isinstance(values, list) else values
            result = self.connection.exec_driver_sql(text, cast("Any", given))
        else:
            result = self.connection.execute(statement, cast("Any", parameters))
        columns = None
        rows: list[Row] = []
        if result.returns_rows:
            columns = tuple(ColumnInfo(name, 0) for name in list(result.keys()))
            rows = [tuple(row) for row in result.all()]
        count = len(rows) if columns is not None else result.rowcount
        self._end_statement()
        return Result(Outcome(columns, rows, "", count))

    def execute_many(self, statement: str, sets: Iterable[Parameters]) -> int:
        """Execute a statement for each set."""
        text = ""
        rendered: list[Any] = []
        for parameters in sets:
            text, values = render(statement, parameters, self._style)
            rendered.append(tuple(values) if isinstance(values, list) else values)
        if not rendered:
            return 0
        try:
            result = self.connection.exec_driver_sql(text, rendered)
        except DBAPIError:
            self._may_have_failed = True
            raise
        count = result.rowcount
        self._end_statement()
        return count

    def _end_statement(self) -> None:
        """Outside a transaction of a flow each statement commits by itself."""
        if not self._is_begun:
            self.connection.commit()

    def cancel(self) -> None:
        """SQLAlchemy has no way to: the deadline is heard when the statement is over."""


class SqlalchemyConnector:
    """An engine."""

    is_two_phase = False

    def __init__(self, engine: Engine, owns: bool = False) -> None:
        self.engine = engine
        self.dialect = "skerry" if engine.url.drivername.startswith("skerry") else engine.dialect.name
        self._owns = owns
        self._in_use = 0

    @property
    def in_use(self) -> int:
        """How many connections flows have."""
        return self._in_use

    def check(self, modes: Modes) -> None:
        """SQLite's transactions are serializable, whatever weaker level is asked for; it has no other modes."""
        if self.dialect == "sqlite" and (modes.read_only or modes.deferrable):
            raise NotSupportedError("SQLite has no read-only or deferrable transactions")

    def take(self) -> SqlalchemySession:
        """A session."""
        connection = self.engine.connect()
        self._in_use += 1
        return SqlalchemySession(connection)

    def give_back(self, session: SqlalchemySession, is_usable: bool) -> None:
        """Take it back."""
        self._in_use -= 1
        if not is_usable:
            session.connection.invalidate()
        session.connection.close()

    def abandon(self, session: SqlalchemySession) -> None:
        """Forget it: the engine's pool finds that out."""
        self._in_use -= 1

    def close(self) -> None:
        """Dispose of the engine, if it is this one's."""
        if self._owns:
            self.engine.dispose()
