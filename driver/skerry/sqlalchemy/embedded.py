"""Engines on a database of this process.

A directory's database is opened by the Engine's first connection and closed with its last: the sessions of one process
share it, whoever opened it, and between `dispose()` and the next connection another process may have it.  A database in
memory is nobody else's: it lives as long as its Engine, `dispose()` or not.

Both have an ordinary pool: sessions run side by side, each in its own transaction, and waiting for each other's locks.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from sqlalchemy.engine import URL
from sqlalchemy.pool import Pool, QueuePool

import skerry
from skerry.opening import settings_of
from skerry.sqlalchemy.base import SkerryDialect
from skerry.sqlalchemy.urls import ConnectArgs, embedded_arguments
from skerry.targets import MEMORY, EngineOptions, parse_target

if TYPE_CHECKING:
    from skerry.embedded import EmbeddedSource


class MemoryDatabase:
    """A database in memory that is made when it is first asked for."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._source: EmbeddedSource | None = None

    def source(self, keywords: dict[str, Any]) -> EmbeddedSource:
        """The way to open sessions on it."""
        with self._lock:
            if self._source is None:
                self._source = _memory_source(**keywords)
            return self._source


def _memory_source(
    *,
    user: str | None = None,
    database: str | None = None,
    timeout: float | None = None,
    connect_timeout: float | None = None,  # there is no server to wait for
    options: dict[str, str] | None = None,
    **engine_options: Any,
) -> EmbeddedSource:
    from skerry.embedded import EmbeddedSource

    target = parse_target(MEMORY, user, database)
    return EmbeddedSource(target, settings_of(timeout, options), EngineOptions(**engine_options))


class SkerryEmbeddedDialect(SkerryDialect):
    """Skerry in this process."""

    driver = "embedded"
    supports_statement_cache = True

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)  # type: ignore[no-untyped-call]
        self._memory = MemoryDatabase()

    @classmethod
    def get_pool_class(cls, url: URL) -> type[Pool]:
        """Sessions are side by side, in memory too."""
        return QueuePool

    def create_connect_args(self, url: URL) -> ConnectArgs:
        return embedded_arguments(url)

    def connect(self, *arguments: Any, **keywords: Any) -> Any:
        """A session: of the Engine's own database when it is in memory."""
        if arguments == (MEMORY,):
            return skerry.Connection.open(self._memory.source(keywords), owns_source=False)
        return skerry.connect(*arguments, **keywords)
