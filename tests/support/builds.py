"""Tests of many cases, shared by the two builds: the interpreted and the compiled one each run half of them.

Continuous integration runs both, so every case runs; each build runs every test function.  SKERRY_ALL_CASES=1 has a
build run everything.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TypeVar

from skerry_engine.values import types

IS_COMPILED = not (types.__file__ or "").endswith(".py")

_Case = TypeVar("_Case")


def this_builds(cases: Sequence[_Case]) -> Sequence[_Case]:
    """Every other case, beginning with the first (interpreted) or the second (compiled); of a single one, that one."""
    if os.environ.get("SKERRY_ALL_CASES") == "1" or len(cases) < 2:
        return cases
    return cases[int(IS_COMPILED) :: 2]
