"""Plans and generated source of representative statements, as EXPLAIN and EXPLAIN (PYTHON) print them."""

from __future__ import annotations

from pathlib import Path

import pytest
from stepper import run_goldenscript
from support.sessions import SqlDatabase

SCRIPTS = sorted((Path(__file__).parents[2] / "goldenscripts" / "plans").glob("*.txt"))


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_plans_are_as_written(path: Path) -> None:
    run_goldenscript(path, SqlDatabase().open_session)


def test_there_are_scripts() -> None:
    assert sum(path.read_text(encoding="utf-8").count("explain (python)") for path in SCRIPTS) >= 25
