"""Fixtures of dumps."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from support.databases import database

import skerry

__all__ = ["database"]

WORLD = (Path(__file__).parent.parent / "data" / "dump_world.sql").read_text(encoding="utf-8")


@pytest.fixture(scope="session", autouse=True)
def psql_is_there() -> None:
    """Dumps are for psql."""
    if shutil.which("psql") is None:
        pytest.skip("no psql on the path")


@pytest.fixture
def world(database: skerry.Database) -> skerry.Database:
    """A database with everything that a dump has to carry over."""
    database.execute(WORLD)
    return database
