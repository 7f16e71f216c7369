"""Fixtures for tests that run twice: on an engine in this process, and over the network on a real server.

A conftest imports those that its directory's tests use.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
from functools import partial

import pytest

import skerry
from support.postgres_server import Address

_NUMBERS = itertools.count()


@pytest.fixture(params=["embedded", "network"])
def database(request: pytest.FixtureRequest) -> Iterator[skerry.Database]:
    """An empty database, by the native interface; `.connect()` gives DB-API connections to it."""
    if request.param == "embedded":
        with skerry.open(":memory:") as opened:
            yield opened
        return
    address: Address = request.getfixturevalue("skerry_server")
    name = f"driver_{next(_NUMBERS)}"
    server = f"skerry://{address.user}@{address.host}:{address.port}"
    with skerry.open(f"{server}/postgres") as admin:
        admin.execute(f"DROP DATABASE IF EXISTS {name}")
        admin.execute(f"CREATE DATABASE {name}")
        with skerry.open(f"{server}/{name}") as opened:
            yield opened
        drop_database(admin, name)


def drop_database(admin: skerry.Database, name: str) -> None:
    """Drop a database once the server has noticed that its clients are gone."""
    deadline_s = time.monotonic() + 5
    while True:
        try:
            admin.execute(f"DROP DATABASE {name}")
            return
        except skerry.errors.ObjectInUse:
            if time.monotonic() > deadline_s:
                raise
            time.sleep(0.05)


@pytest.fixture
def connection(database: skerry.Database) -> Iterator[skerry.Connection]:
    """A DB-API connection to `database`."""
    opened = database.connect()
    yield opened
    opened.close()


@pytest.fixture
def another(database: skerry.Database) -> Iterator[Callable[..., skerry.Connection]]:
    """Makes further connections to `database`; they are closed at the end."""
    made: list[skerry.Connection] = []

    def make(**keywords: object) -> skerry.Connection:
        made.append(partial(database.connect, **keywords)())  # type: ignore[arg-type]
        return made[-1]

    yield make
    for opened in made:
        opened.close()
