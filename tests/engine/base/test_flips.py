"""A flipped bit in the base's file is found or harmless; it may stop the process, but never gives another block."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.builds import this_builds

FLIPS = 1000


@pytest.mark.skipif(not hasattr(os, "fork"), reason="each flip is tried in a forked process")
@pytest.mark.parametrize(
    ("sizes", "seed"), this_builds([("small", 1), ("small", 2), ("large", 3), ("large", 4)])
)
def test_flips_all_over_the_file(sizes: str, seed: int, tmp_path: Path) -> None:
    outcomes = try_flips(FLIPS, "support.base_flips", str(seed), str(FLIPS), sizes, str(tmp_path))
    assert outcomes["right"] > FLIPS / 10 and outcomes["damaged"] > FLIPS / 20


@pytest.mark.skipif(not hasattr(os, "fork"), reason="each flip is tried in a forked process")
def test_flips_below_an_index(tmp_path: Path) -> None:
    """Look-ups and scans give all entries and no other, or say that the base is damaged."""
    flips = FLIPS // 3
    outcomes = try_flips(flips, "support.index_flips", "4", str(flips), str(tmp_path))
    assert outcomes["right"] > flips / 10 and outcomes["damaged"] > flips / 20


def try_flips(flips: int, program: str, *arguments: str) -> dict[str, int]:
    """The outcomes of so many flips, of which none was wrong."""
    ran = subprocess.run(
        [sys.executable, "-m", program, *arguments],
        capture_output=True,
        check=False,
        text=True,
        timeout=300,
        env={"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        cwd=Path(__file__).parents[2],
    )
    assert ran.returncode == 0, ran.stderr
    found = json.loads(ran.stdout)
    assert found["failed"] == []
    outcomes: dict[str, int] = found["outcomes"]
    assert sum(outcomes.values()) == flips
    return outcomes
