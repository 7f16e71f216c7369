"""From what users have (a path, a URL, a Database, an engine, a way to connect) to a database for flows."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any, cast

import skerry
from skerry.flow.aio.database import AsyncFlowDatabase
from skerry.flow.aio.skerry_sessions import AsyncSkerryConnector
from skerry.flow.database import FlowDatabase
from skerry.flow.dbapi_sessions import DbapiConnector
from skerry.flow.skerry_sessions import SkerryConnector
from skerry.native import Database
from skerry_engine.errors import InterfaceError


def open(target: object, *, name: str | None = None, max_size: int = 10) -> FlowDatabase:
    """A database for blocking flows.

    `target`: a path or URL of Skerry, a `skerry.Database`, an Engine of SQLAlchemy, or a function that opens
    connections of sqlite3, psycopg, psycopg2 or pg8000, of which there are at most `max_size`.  `name` is for errors
    and reports.
    """
    if isinstance(target, str | os.PathLike):
        return FlowDatabase(SkerryConnector(skerry.open(target), owns=True), name or "skerry")
    if isinstance(target, Database):
        return FlowDatabase(SkerryConnector(target, owns=False), name or "skerry")
    if _is_of_sqlalchemy(target, "Engine"):
        from skerry.flow.sqlalchemy_sessions import SqlalchemyConnector

        engine_connector = SqlalchemyConnector(cast("Any", target))
        return FlowDatabase(engine_connector, name or engine_connector.dialect)
    if callable(target):
        connector = DbapiConnector(cast("Callable[[], Any]", target), max_size)
        return FlowDatabase(connector, name or connector.dialect)
    raise InterfaceError(f"a database can't be made of {type(target).__name__}")


async def open_async(target: object, *, name: str | None = None) -> AsyncFlowDatabase:
    """A database for asyncio's flows.

    `target`: a path or URL of Skerry, a `skerry.AsyncDatabase`, or an AsyncEngine of SQLAlchemy.
    """
    if isinstance(target, str | os.PathLike):
        return AsyncFlowDatabase(
            AsyncSkerryConnector(await skerry.open_async(target), owns=True), name or "skerry"
        )
    if isinstance(target, skerry.AsyncDatabase):
        return AsyncFlowDatabase(AsyncSkerryConnector(target, owns=False), name or "skerry")
    if _is_of_sqlalchemy(target, "AsyncEngine"):
        from skerry.flow.aio.sqlalchemy_sessions import AsyncSqlalchemyConnector

        connector = AsyncSqlalchemyConnector(cast("Any", target))
        return AsyncFlowDatabase(connector, name or connector.dialect)
    raise InterfaceError(f"an asyncio database can't be made of {type(target).__name__}")


def _is_of_sqlalchemy(target: object, kind: str) -> bool:
    """Whether this is an engine of SQLAlchemy, which is not imported for the question."""
    if "sqlalchemy" not in sys.modules:
        return False
    return any(
        each.__name__ == kind and each.__module__.startswith("sqlalchemy.") for each in type(target).__mro__
    )
