"""SQL goldenscripts: each runs stepped in one thread, and again by threads, over the wire, and by PostgreSQL.

A script's first line says where it can run.  Its output is written by the stepper; every other run has to
give the same.  PostgreSQL runs the scripts where Skerry promises to do as PostgreSQL does.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from stepper import play_script, run_goldenscript
from support.concurrent_sessions import (
    Client,
    ConcurrentRunner,
    EmbeddedClient,
    Monitor,
    NetworkClient,
    embedded_source,
)
from support.postgres_server import Address
from support.sessions import SqlDatabase
from support.wire_client import WireClient

SCRIPTS = sorted((Path(__file__).parents[2] / "goldenscripts" / "sql").glob("*.txt"))
_SKERRY_CODE = re.compile(r"(ERROR \w{5}) T\d{3}")
_NUMBERS = re.compile(r"\b(Process|transaction|process|database|relation) \d+")


def scripts_for(place: str) -> list[Path]:
    """The scripts whose first line says that they run there."""
    return [path for path in SCRIPTS if place in path.read_text(encoding="utf-8").splitlines()[0]]


def play(path: Path, open_client: Callable[[str], Client]) -> tuple[list[str], list[str]]:
    """Play a script by concurrent sessions; returns the lines that it should give, and those that it gave."""
    text = path.read_text(encoding="utf-8")
    runner = ConcurrentRunner(open_client)
    try:
        return _comparable(text), _comparable(play_script(text, runner))
    finally:
        runner.close()


def _comparable(text: str) -> list[str]:
    return [_NUMBERS.sub(r"\1 N", line) for line in text.splitlines()]


def in_new_database(
    address: Address, name: str, path: Path, confirmations: int
) -> tuple[list[str], list[str]]:
    """Play a script in a database of its own of a server."""
    admin = WireClient(address)
    try:
        admin.query(f"drop database if exists {name}")
        created = admin.query(f"create database {name}")
        assert created.error is None, created.error
        with closing(Monitor(address, "postgres", confirmations)) as monitor:
            return play(path, lambda _: NetworkClient(address, name, monitor))
    finally:
        admin.query(f"drop database if exists {name}")
        admin.close()


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_stepped(path: Path) -> None:
    run_goldenscript(path, SqlDatabase().open_session)


@pytest.mark.parametrize("path", scripts_for("threads"), ids=lambda path: path.stem)
def test_by_threads(path: Path) -> None:
    source = embedded_source()
    expected, actual = play(path, lambda _: EmbeddedClient(source))
    assert actual == expected


@pytest.mark.parametrize("path", scripts_for("wire"), ids=lambda path: path.stem)
def test_over_the_wire(skerry_server: Address, path: Path) -> None:
    expected, actual = in_new_database(skerry_server, f"script_{path.stem}", path, 1)
    assert actual == expected


@pytest.mark.parametrize("path", scripts_for("postgres"), ids=lambda path: path.stem)
def test_as_postgres_does(postgres: Address, path: Path) -> None:
    expected, actual = in_new_database(postgres, f"script_{path.stem}", path, 3)
    assert actual == [_SKERRY_CODE.sub(r"\1", line) for line in expected]


def test_there_are_scripts() -> None:
    assert len(SCRIPTS) >= 14
    assert all(path.read_text(encoding="utf-8").startswith("# Runs: stepped") for path in SCRIPTS)
