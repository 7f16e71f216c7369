"""SQL and GQL goldenscripts: each runs stepped in one thread, and again by threads, over the wire, and by PostgreSQL.

A script's first line says where it can run.  Its output is written by the stepper; every other run has to
give the same.  PostgreSQL runs the scripts where Skerry promises to do as PostgreSQL does.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from stepper import run_goldenscript
from support.builds import this_builds
from support.concurrent_sessions import (
    EmbeddedClient,
    embedded_source,
    play_concurrently,
    play_in_new_database,
)
from support.postgres_server import Address
from support.sessions import SqlDatabase

GOLDENSCRIPTS = Path(__file__).parents[2] / "goldenscripts"
SCRIPTS = [
    *sorted((GOLDENSCRIPTS / "sql").glob("*.txt")),
    *sorted((GOLDENSCRIPTS / "anomalies").glob("*.txt")),
    *sorted((GOLDENSCRIPTS / "gql").glob("*.txt")),
]
_SKERRY_CODE = re.compile(r"(ERROR \w{5}) T\d{3}")
_NUMBERS = re.compile(r"\b(Process|transaction|process|database|relation|advisory lock) \[?\d+")


def scripts_for(place: str) -> list[Path]:
    """The scripts whose first line says that they run there."""
    return [path for path in SCRIPTS if place in path.read_text(encoding="utf-8").splitlines()[0]]


def compared_with(path: Path, played: str) -> tuple[list[str], list[str]]:
    """The lines that a script should give, and those that it gave."""
    return _comparable(path.read_text(encoding="utf-8")), _comparable(played)


def _comparable(text: str) -> list[str]:
    return [_NUMBERS.sub(r"\1 N", line) for line in text.splitlines()]


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_stepped(path: Path) -> None:
    run_goldenscript(path, SqlDatabase().open_session)


@pytest.mark.parametrize("path", this_builds(scripts_for("threads")), ids=lambda path: path.stem)
def test_by_threads(path: Path) -> None:
    source = embedded_source()
    expected, actual = compared_with(path, play_concurrently(path, lambda _: EmbeddedClient(source)))
    assert actual == expected


@pytest.mark.parametrize("path", this_builds(scripts_for("wire")), ids=lambda path: path.stem)
def test_over_the_wire(skerry_server: Address, path: Path) -> None:
    expected, actual = compared_with(path, play_in_new_database(skerry_server, path, 1))
    assert actual == expected


POSTGRES_SCRIPTS = [path for path in scripts_for("postgres") if path.parent.name == "sql"]
"""Those of anomalies are compared by level: see test_anomalies.py."""


@pytest.mark.parametrize("path", this_builds(POSTGRES_SCRIPTS), ids=lambda path: path.stem)
def test_as_postgres_does(postgres: Address, path: Path) -> None:
    expected, actual = compared_with(path, play_in_new_database(postgres, path, 3))
    assert actual == [_SKERRY_CODE.sub(r"\1", line) for line in expected]


def test_there_are_scripts() -> None:
    assert len(SCRIPTS) >= 14
    assert all(path.read_text(encoding="utf-8").startswith("# Runs: stepped") for path in SCRIPTS)
