"""The blocking half of the driver is what would be made now of its asyncio half."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_blocking_half_is_up_to_date() -> None:
    command = [sys.executable, str(ROOT / "driver" / "unasync.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "all up to date\n"), done.stderr
