"""One goldenscript per anomaly or mechanism, stepped deterministically over the bare kernel."""

from __future__ import annotations

from pathlib import Path

import pytest
from kernel_script import KernelDatabase
from stepper import run_goldenscript

SCRIPTS = sorted((Path(__file__).parents[2] / "goldenscripts" / "transactions").glob("*.txt"))


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_script_gives_what_it_says(path: Path) -> None:
    run_goldenscript(path, KernelDatabase().open_session)


def test_there_are_scripts() -> None:
    assert len(SCRIPTS) >= 12
