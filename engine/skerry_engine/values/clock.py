"""The wall clock, which every statement reads."""

from __future__ import annotations

import time
from typing import Final

from skerry_engine.values.calendar import MICROSECONDS_PER_DAY, UNIX_EPOCH_DAYS

_EPOCH_US: Final[int] = UNIX_EPOCH_DAYS * MICROSECONDS_PER_DAY


def wall_clock() -> int:
    """The time now, as a timestamptz atom."""
    return time.time_ns() // 1000 - _EPOCH_US
