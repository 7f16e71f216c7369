"""Sessions of whatever SQLAlchemy has an engine for: Skerry, PostgreSQL and SQLite through any of their drivers.

The engine's pool is the pool.  Statements are texts with `%s`, or SQLAlchemy's own constructs.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterable
from typing import Any, TypeVar, cast

import sqlalchemy
from sqlalchemy import Executable, event
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from skerry.abc import ColumnInfo, Outcome, Row
from skerry.flow.aio.primitives import settled
from skerry.flow.modes import Modes
from skerry.flow.statements import render
from skerry.isolation import READ_COMMITTED, SERIALIZABLE, SNAPSHOT
from skerry.parameters import Parameters
from skerry.result import Result
from skerry_engine.errors import InvalidTransactionState, NotSupportedError

_FAILED = "skerry.flow.failed"
"""In a connection's `info` while a statement of its transaction has failed."""

T = TypeVar("T")
_LEVELS = {READ_COMMITTED: "READ COMMITTED", SNAPSHOT: "REPEATABLE READ", SERIALIZABLE: "SERIALIZABLE"}


class AsyncSqlalchemySession:
    """A connection of the engine's pool."""

    def __init__(self, connection: AsyncConnection) -> None:
        self.connection = connection
        self._style = connection.dialect.paramstyle
        self._is_sqlite = connection.dialect.name == "sqlite"
        self._is_begun = False
        self._is_alone = False

    async def begin(self, modes: Modes) -> None:
        """Begin a transaction."""
        options: dict[str, Any] = {"isolation_level": "AUTOCOMMIT"}
        if not self._is_sqlite:
            options["isolation_level"] = _LEVELS[modes.isolation]
            if modes.read_only or modes.deferrable:
                options["postgresql_readonly"] = modes.read_only
                options["postgresql_deferrable"] = modes.deferrable
        await self.connection.execution_options(**options)
        self.connection.info.pop(_FAILED, None)
        await self.connection.begin()
        if self._is_sqlite:  # whose driver would begin late, and not for every statement
            await self.connection.exec_driver_sql("BEGIN")
        self._is_begun = True

    async def commit(self) -> None:
        """Commit.  Raises what the database says of a transaction that has failed: its COMMIT would roll back."""
        if self._is_sqlite:
            self._check_begun()
        elif self.connection.info.pop(_FAILED, False):
            await self.connection.exec_driver_sql("SELECT 1")
        if self._is_sqlite:
            await self.connection.exec_driver_sql("COMMIT")
        await self.connection.commit()
        self._is_begun = False

    async def rollback(self) -> None:
        """Roll back."""
        is_begun, self._is_begun = self._is_begun, False
        if self._is_sqlite and is_begun and self._is_in_transaction():
            await self.connection.exec_driver_sql("ROLLBACK")
        await self.connection.rollback()

    def _is_in_transaction(self) -> bool:
        return bool(getattr(_sync(self.connection).connection.driver_connection, "in_transaction", True))

    def _check_begun(self) -> None:
        """SQLite may end a transaction because of an error: what comes next would commit by itself."""
        if self._is_sqlite and self._is_begun and not self._is_in_transaction():
            raise InvalidTransactionState("the transaction was ended by a statement inside it")

    async def savepoint(self, name: str) -> None:
        """Mark this point."""
        self._check_begun()
        await self.connection.exec_driver_sql(f"SAVEPOINT {name}")

    async def release_savepoint(self, name: str) -> None:
        """Forget the mark."""
        await self.connection.exec_driver_sql(f"RELEASE SAVEPOINT {name}")

    async def rollback_to_savepoint(self, name: str) -> None:
        """Undo what came after the mark."""
        await self.connection.exec_driver_sql(f"ROLLBACK TO SAVEPOINT {name}")
        self.connection.info.pop(_FAILED, None)

    async def prepare(self, name: str) -> None:
        """PREPARE TRANSACTION; there is no transaction on this connection any more."""
        await self.connection.exec_driver_sql(f"PREPARE TRANSACTION '{name}'")
        self._is_begun = False
        await self.connection.rollback()

    async def commit_prepared(self, name: str) -> None:
        """COMMIT PREPARED."""
        await self._run_outside(f"COMMIT PREPARED '{name}'")

    async def rollback_prepared(self, name: str) -> None:
        """ROLLBACK PREPARED."""
        await self._run_outside(f"ROLLBACK PREPARED '{name}'")

    async def _run_outside(self, statement: str) -> None:
        await self.connection.execution_options(isolation_level="AUTOCOMMIT")
        await self.connection.exec_driver_sql(statement)
        await self.connection.commit()

    def lend(self, work: Callable[[sqlalchemy.Connection], T]) -> T:
        """Do something with the (blocking) connection itself; in asyncio within a greenlet."""
        self._check_begun()
        return work(cast("sqlalchemy.Connection", _sync(self.connection)))

    async def execute(self, statement: str | Executable, parameters: Parameters | None) -> Result:
        """Execute a statement, a text or a construct."""
        await self._ready()
        if isinstance(statement, str):
            text, values = render(statement, parameters, self._style)
            given = tuple(values) if isinstance(values, list) else values
            result = await self.connection.exec_driver_sql(text, cast("Any", given))
        else:
            result = await self.connection.execute(statement, cast("Any", parameters))
        columns = None
        rows: list[Row] = []
        if result.returns_rows:
            columns = tuple(ColumnInfo(name, 0) for name in list(result.keys()))
            rows = [tuple(row) for row in result.all()]
        count = len(rows) if columns is not None else result.rowcount
        await self._end_statement()
        return Result(Outcome(columns, rows, "", count))

    async def execute_many(self, statement: str, sets: Iterable[Parameters]) -> int:
        """Execute a statement for each set."""
        text = ""
        rendered: list[Any] = []
        for parameters in sets:
            text, values = render(statement, parameters, self._style)
            rendered.append(tuple(values) if isinstance(values, list) else values)
        if not rendered:
            return 0
        await self._ready()
        result = await self.connection.exec_driver_sql(text, rendered)
        count = result.rowcount
        await self._end_statement()
        return count

    async def _ready(self) -> None:
        """Outside a transaction of a flow each statement commits by itself."""
        if self._is_begun:
            self._check_begun()
        elif not self._is_alone:
            await self.connection.execution_options(isolation_level="AUTOCOMMIT")
            self._is_alone = True

    async def _end_statement(self) -> None:
        """SQLAlchemy takes everything for a transaction."""
        if not self._is_begun:
            await self.connection.commit()

    async def cancel(self) -> None:
        """Cancel what runs, where the driver can; elsewhere the deadline is heard when the statement is over."""
        driver = _sync(self.connection).connection.driver_connection
        cancel = getattr(driver, "cancel", None) or getattr(driver, "interrupt", None)
        if cancel is not None:
            await settled(cancel())


class AsyncSqlalchemyConnector:
    """An engine."""

    survives_interruption = False

    def __init__(self, engine: AsyncEngine, owns: bool = False) -> None:
        self.engine = engine
        self._is_two_phase: bool | None = None
        event.listen(_sync_engine(engine), "handle_error", _note_failure)
        if engine.dialect.name == "sqlite":
            event.listen(_sync_engine(engine), "invalidate", _roll_back_lost)
        self.dialect = "skerry" if engine.url.drivername.startswith("skerry") else engine.dialect.name
        self._owns = owns
        self._in_use = 0
        self._mutex = threading.Lock()

    @property
    def is_two_phase(self) -> bool:
        """Whether the database can prepare transactions; known when there is a session."""
        return bool(self._is_two_phase)

    @property
    def in_use(self) -> int:
        """How many connections flows have."""
        return self._in_use

    def check(self, modes: Modes) -> None:
        """SQLite's transactions are serializable, whatever weaker level is asked for; it has no other modes."""
        if self.dialect == "sqlite" and (modes.read_only or modes.deferrable):
            raise NotSupportedError("SQLite has no read-only or deferrable transactions")

    async def take(self) -> AsyncSqlalchemySession:
        """A session."""
        connection = await self.engine.connect()
        try:
            if self._is_two_phase is None:
                self._is_two_phase = await self._prepares(connection)
        except BaseException:
            await connection.close()
            raise
        with self._mutex:
            self._in_use += 1
        return AsyncSqlalchemySession(connection)

    async def _prepares(self, connection: AsyncConnection) -> bool:
        if self.dialect != "postgresql":
            return self.dialect == "skerry"
        result = await connection.exec_driver_sql("SHOW max_prepared_transactions")
        most = result.scalar()
        await connection.rollback()
        return most not in ("0", 0)

    async def give_back(self, session: AsyncSqlalchemySession, is_usable: bool) -> None:
        """Take it back."""
        with self._mutex:
            self._in_use -= 1
        if not is_usable:
            await session.connection.invalidate()
        await session.connection.close()

    def abandon(self, session: AsyncSqlalchemySession) -> None:
        """Close it."""
        with self._mutex:
            self._in_use -= 1
        connection = _sync(session.connection)
        driver = connection.connection.driver_connection
        for close in (
            getattr(getattr(driver, "pgconn", None), "finish", None),  # psycopg
            getattr(driver, "terminate", None),  # asyncpg
        ):
            if close is not None:
                close()
        with contextlib.suppress(Exception):  # which may need a greenlet, for a connection that is closed
            connection.invalidate()
        with contextlib.suppress(Exception):
            connection.close()

    async def close(self) -> None:
        """Dispose of the engine, if it is this one's."""
        if self._owns:
            await self.engine.dispose()


def _sync(connection: Any) -> Any:
    """The blocking connection within an asyncio one."""
    return getattr(connection, "sync_connection", connection)


def _sync_engine(engine: Any) -> Any:
    return getattr(engine, "sync_engine", engine)


def _note_failure(context: Any) -> None:
    """A statement has failed, perhaps one that did not come through here (an ORM session's)."""
    if context.connection is not None and not context.is_disconnect:
        context.connection.info[_FAILED] = True


def _roll_back_lost(connection: Any, record: object, exception: object) -> None:
    """A connection of SQLite that is closed keeps its locks while a cursor of it is alive, in a traceback, say."""
    with contextlib.suppress(Exception):
        connection.rollback()
