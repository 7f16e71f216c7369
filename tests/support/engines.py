"""Fixtures for tests of SQLAlchemy's dialect, which run twice: embedded and over the network, each on a database of its
own."""

from __future__ import annotations

import itertools
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import URL, Engine, create_engine, make_url
from sqlalchemy.dialects import registry

import skerry
from support.postgres_server import Address

PROJECT = Path(__file__).resolve().parents[2] / "pyproject.toml"
ENTRY_POINTS: dict[str, str] = tomllib.loads(PROJECT.read_text())["project"]["entry-points"][
    "sqlalchemy.dialects"
]


def register_dialects() -> None:
    """Have URLs mean this tree's dialects, whatever an installation of another state says."""
    for name, place in ENTRY_POINTS.items():
        registry.register(name, *place.split(":"))


register_dialects()

_numbers = itertools.count(1)


@pytest.fixture(params=["embedded", "network"])
def url(request: pytest.FixtureRequest) -> Iterator[URL]:
    """The URL of an empty database, for engines that block."""
    if request.param == "embedded":
        directory = request.getfixturevalue("tmp_path") / "data"
        yield make_url(f"skerry+embedded:///{directory}")
        return
    server: Address = request.getfixturevalue("skerry_server")
    name = f"dialect_{next(_numbers)}"
    with skerry.connect(f"skerry://{server.user}@{server.host}:{server.port}", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    yield URL.create("skerry", server.user, None, server.host, server.port, name)


@pytest.fixture
def async_url(url: URL) -> URL:
    """The same database for engines of asyncio."""
    return url.set(drivername="skerry+async" if url.host else "skerry+async_embedded")


@pytest.fixture
def engine(url: URL) -> Iterator[Engine]:
    """An Engine on it."""
    made = create_engine(url)
    yield made
    made.dispose()
