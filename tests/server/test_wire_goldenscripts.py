"""Conversations with a real engine behind the protocol, written down: PostgreSQL answers the same, save for Skerry's own
codes and for what the scripts' comments name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from stepper import run_goldenscript
from wire_script import WireSession

from skerry_engine.engine import Engine

SCRIPTS = sorted((Path(__file__).parent.parent / "goldenscripts" / "wire").glob("*.txt"))


class RealEngine:
    """An engine that lets anybody in."""

    def __init__(self) -> None:
        self._engine = Engine()

    def open_session(self, database: str, user: str, options: dict[str, str], backend_pid: int) -> Any:
        return self._engine.open_session("postgres", "skerry", {}, backend_pid)


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_goldenscript(path: Path, wire: Any) -> None:
    engine = RealEngine()
    run_goldenscript(path, lambda name: WireSession(wire, engine))


def test_there_are_scripts() -> None:
    assert SCRIPTS
