"""A database of several times the memory limit is written and read, through SQL, within the limit."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

LIMIT_MB = 160
TIMES = 2


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells what is anonymous")
def test_every_phase_keeps_to_the_limit(tmp_path: Path) -> None:
    environment = {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    peaks: dict[str, int] = {}
    for phases in (["load"], ["read", "ranges", "aggregate", "update"]):
        ran = subprocess.run(
            [
                *(sys.executable, "-m", "support.limited_database"),
                *(str(LIMIT_MB), str(TIMES), str(tmp_path), *phases),
            ],
            capture_output=True,
            check=False,
            text=True,
            timeout=600,
            env=environment,
            cwd=Path(__file__).parents[1],
        )
        assert (ran.returncode, ran.stderr) == (0, "")
        peaks.update(json.loads(ran.stdout))
    assert len(peaks) == 5
    assert max(peaks.values()) <= LIMIT_MB << 20, peaks
