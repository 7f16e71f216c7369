"""A flipped bit in the base's file is found or harmless; it may stop the process, but never gives another block."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

FLIPS = 1000


@pytest.mark.skipif(not hasattr(os, "fork"), reason="each flip is tried in a forked process")
@pytest.mark.parametrize(("sizes", "seed"), [("small", 1), ("small", 2), ("large", 3)])
def test_flips_all_over_the_file(sizes: str, seed: int, tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "support.base_flips", str(seed), str(FLIPS), sizes, str(tmp_path)],
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
    outcomes = found["outcomes"]
    assert sum(outcomes.values()) == FLIPS
    assert outcomes["right"] > FLIPS / 10 and outcomes["damaged"] > FLIPS / 20
