"""Engines for `create_async_engine()`: the same dialects on asyncio's half of the driver.

SQLAlchemy is the same code for both and expects a driver that blocks.  Inside a greenlet of its own, what blocks may
await: the classes here are the blocking driver that SQLAlchemy sees.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from sqlalchemy.connectors.asyncio import (
    AsyncAdapt_dbapi_connection,
    AsyncAdapt_dbapi_cursor,
    AsyncAdapt_dbapi_ss_cursor,
)
from sqlalchemy.engine import URL
from sqlalchemy.pool import AsyncAdaptedQueuePool, Pool
from sqlalchemy.util import concurrency
from sqlalchemy.util.concurrency import in_greenlet

import skerry
from skerry.sqlalchemy.base import SkerryDialect
from skerry.sqlalchemy.embedded import MemoryDatabase
from skerry.sqlalchemy.urls import ConnectArgs, embedded_arguments
from skerry.targets import MEMORY

_wait_for: Callable[[Awaitable[Any]], Any] = getattr(concurrency, "await_", None) or concurrency.await_only
"""SQLAlchemy 2.0 has only the second name, which later versions give up."""


class AsyncModule:
    """The driver as SQLAlchemy sees it: its names, and a `connect` that waits."""

    def __getattr__(self, name: str) -> Any:
        return getattr(skerry, name)

    def connect(self, *arguments: Any, **keywords: Any) -> AsyncSession:
        """Open a session; `async_creator_fn` makes another connection than `skerry.connect_async` would."""
        create = keywords.pop("async_creator_fn", skerry.connect_async)
        return AsyncSession(self, _wait_for(create(*arguments, **keywords)))


class AsyncCursor(AsyncAdapt_dbapi_cursor):
    """All rows at once."""

    __slots__ = ()


class AsyncStream(AsyncAdapt_dbapi_ss_cursor):
    """Rows as they are asked for."""

    __slots__ = ()

    def _make_new_cursor(self, connection: Any) -> Any:
        return connection.cursor(stream=True)


def _passed_on(name: str) -> property:
    """An attribute that is the driver's connection's."""

    def get(self: AsyncSession) -> Any:
        return getattr(self._connection, name)

    def put(self: AsyncSession, value: object) -> None:
        setattr(self._connection, name, value)

    return property(get, put, doc=f"`{name}` of the driver's connection.")


class AsyncSession(AsyncAdapt_dbapi_connection):
    """A connection of the driver's; its modes are attributes, as on the blocking one."""

    __slots__ = ()

    _cursor_cls = AsyncCursor
    _ss_cursor_cls = AsyncStream

    autocommit = _passed_on("autocommit")
    isolation_level = _passed_on("isolation_level")
    read_only = _passed_on("read_only")
    deferrable = _passed_on("deferrable")
    in_transaction = _passed_on("in_transaction")
    closed = _passed_on("closed")

    def cursor(self, server_side: bool = False, *, stream: bool = False) -> AsyncAdapt_dbapi_cursor:
        """A new cursor."""
        return super().cursor(server_side or stream)

    def terminate(self) -> None:
        """Close; where nothing can be awaited (the garbage collector's), let go of it, which ends the session."""
        if in_greenlet():
            self.close()


class SkerryAsyncDialect(SkerryDialect):
    """Skerry over the network, by `skerry.connect_async`."""

    driver = "async"
    is_async = True
    has_terminate = True
    supports_statement_cache = True

    @classmethod
    def import_dbapi(cls) -> Any:
        """The driver, as one that blocks."""
        return AsyncModule()

    @classmethod
    def get_pool_class(cls, url: URL) -> type[Pool]:
        """One that waits for a free session without blocking the event loop."""
        return AsyncAdaptedQueuePool

    def get_driver_connection(self, connection: Any) -> Any:
        """The driver's own connection."""
        return connection._connection

    def do_terminate(self, dbapi_connection: Any) -> None:
        """Close a session that is of no use any more."""
        dbapi_connection.terminate()


class SkerryAsyncEmbeddedDialect(SkerryAsyncDialect):
    """Skerry in this process, each session in a thread of its own."""

    driver = "async_embedded"
    supports_statement_cache = True

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)  # type: ignore[no-untyped-call]
        self._memory = MemoryDatabase()

    def create_connect_args(self, url: URL) -> ConnectArgs:
        return embedded_arguments(url)

    def connect(self, *arguments: Any, **keywords: Any) -> Any:
        """A session: of the Engine's own database when it is in memory."""
        if arguments == (MEMORY,):
            keywords.setdefault("async_creator_fn", self._open_in_memory)
        return super().connect(*arguments, **keywords)

    async def _open_in_memory(self, target: str, **keywords: Any) -> skerry.AsyncConnection:
        from skerry.aio.embedded import AsyncEmbeddedSource

        source = AsyncEmbeddedSource(self._memory.source(keywords))
        return await skerry.AsyncConnection.open(source, owns_source=False)
