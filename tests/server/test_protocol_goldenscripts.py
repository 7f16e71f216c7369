"""Conversations written down: one file per matter, one line per message that comes back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from stepper import run_goldenscript
from wire_script import WireSession

SCRIPTS = sorted((Path(__file__).parent.parent / "goldenscripts" / "protocol").glob("*.txt"))


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_goldenscript(path: Path, wire: Any) -> None:
    engine = wire.Talk(started=False).engine
    run_goldenscript(path, lambda name: WireSession(wire, engine))


def test_there_are_scripts() -> None:
    assert SCRIPTS
