"""The databases that flows are tested on: Skerry embedded and over the network, PostgreSQL and SQLite through what
their users have."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

import skerry
from skerry.flow.aio.skerry_sessions import AsyncSkerryConnector
from skerry.flow.dbapi_sessions import DbapiConnector
from skerry.flow.skerry_sessions import SkerryConnector
from support.flow_world import TABLE
from support.postgres_server import Address

BLOCKING = (
    "skerry-embedded",
    "skerry-network",
    "skerry-sqlalchemy",
    "postgres-psycopg",
    "postgres-psycopg2",
    "postgres-pg8000",
    "postgres-sqlalchemy",
    "sqlite-sqlite3",
    "sqlite-sqlalchemy",
)
ASYNCIO = ("skerry-embedded", "skerry-network", "postgres-asyncpg", "postgres-sqlalchemy")

Look = Callable[[str], Any]
CREATE = f"CREATE TABLE {TABLE} (id integer PRIMARY KEY, v text)"


@dataclass
class Places:
    """Where the servers are, and where files may be."""

    server: Callable[[], Address]
    postgres: Callable[[], Address]
    folder: Path
    observers: dict[str, Any] = field(default_factory=dict)

    def observer(self) -> skerry.Database:
        """Another session of Skerry's server."""
        if "skerry" not in self.observers:
            self.observers["skerry"] = skerry.open(_skerry_url(self.server()))
        found: skerry.Database = self.observers["skerry"]
        return found

    def postgres_observer(self) -> Any:
        """Another session of PostgreSQL."""
        if "postgres" not in self.observers:
            self.observers["postgres"] = _connect_postgres("psycopg2", self.postgres())()
            self.observers["postgres"].autocommit = True
        return self.observers["postgres"]

    def close(self) -> None:
        """Close them."""
        for observer in self.observers.values():
            observer.close()


def _nobody() -> Address:
    raise AssertionError("no server is needed")


NOWHERE = Places(_nobody, _nobody, Path())


def _skerry_url(address: Address, scheme: str = "skerry") -> str:
    return f"{scheme}://{address.user}@{address.host}:{address.port}/postgres"


def _postgres_url(address: Address, driver: str) -> str:
    password = "" if address.password is None else f":{address.password}"
    return f"postgresql+{driver}://{address.user}{password}@{address.host}:{address.port}/{address.database}"


def _connect_postgres(driver: str, address: Address) -> Callable[[], Any]:
    names = {"host": address.host, "port": address.port, "user": address.user, "password": address.password}
    module = pytest.importorskip(driver) if driver == "pg8000" else __import__(driver)
    key = "database" if driver == "pg8000" else "dbname"
    return lambda: module.connect(**names, **{key: address.database})


def blocking_connector(name: str, places: Places) -> tuple[Any, Look]:
    """A connector, and how to look from outside."""
    kind, driver = name.split("-")
    if name == "skerry-embedded":
        database = skerry.open(":memory:")
        return SkerryConnector(database, owns=True), lambda sql: database.execute(sql).fetchall()
    if kind == "skerry":
        return _networked(driver, places)
    if kind == "sqlite":
        return _sqlite(driver, places.folder / f"{name}.db")
    if driver == "sqlalchemy":
        return _engine(_postgres_url(places.postgres(), "psycopg")), postgres_look(places)
    return DbapiConnector(_connect_postgres(driver, places.postgres())), postgres_look(places)


def _networked(driver: str, places: Places) -> tuple[Any, Look]:
    look = network_look(places)
    if driver == "sqlalchemy":
        return _engine(_skerry_url(places.server(), "skerry+network")), look
    return SkerryConnector(skerry.open(_skerry_url(places.server())), owns=True), look


def _engine(url: str) -> Any:
    import sqlalchemy

    from skerry.flow.sqlalchemy_sessions import SqlalchemyConnector

    return SqlalchemyConnector(sqlalchemy.create_engine(url), owns=True)


def _sqlite(driver: str, path: Path) -> tuple[Any, Look]:
    def look(sql: str) -> list[Any]:
        connection = sqlite3.connect(path)
        try:
            return connection.execute(sql).fetchall()
        finally:
            connection.close()

    if driver == "sqlalchemy":
        return _engine(f"sqlite:///{path}"), look
    return DbapiConnector(lambda: sqlite3.connect(path, check_same_thread=False)), look


async def asyncio_connector(name: str, places: Places) -> tuple[Any, Look]:
    """As `blocking_connector`, for asyncio."""
    if name == "skerry-embedded":
        database = await skerry.open_async(":memory:")

        async def look(sql: str) -> list[Any]:
            return (await database.execute(sql)).fetchall()

        return AsyncSkerryConnector(database, owns=True), look
    if name == "skerry-network":
        opened = await skerry.open_async(_skerry_url(places.server()))
        return AsyncSkerryConnector(opened, owns=True), network_look(places)
    from sqlalchemy.ext.asyncio import create_async_engine

    from skerry.flow.aio.sqlalchemy_sessions import AsyncSqlalchemyConnector

    url = _postgres_url(places.postgres(), "asyncpg" if name == "postgres-asyncpg" else "psycopg")
    return AsyncSqlalchemyConnector(create_async_engine(url), owns=True), postgres_look(places)


def network_look(places: Places) -> Look:
    """Look at Skerry's server."""

    return lambda sql: places.observer().execute(sql).fetchall()


def postgres_look(places: Places) -> Look:
    """Look at PostgreSQL."""

    def look(sql: str) -> list[Any]:
        cursor = places.postgres_observer().cursor()
        cursor.execute(sql)
        found = list(cursor.fetchall())
        cursor.close()
        return found

    return look
