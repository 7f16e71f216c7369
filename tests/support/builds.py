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

_ALL = os.environ.get("SKERRY_ALL_CASES") == "1"
_Case = TypeVar("_Case")


def this_builds(cases: Sequence[_Case]) -> Sequence[_Case]:
    """Every other case, beginning with the first (interpreted) or the second (compiled); of a single one, that one."""
    if _ALL or len(cases) < 2:
        return cases
    return cases[int(IS_COMPILED) :: 2]


def with_our_own(databases: Sequence[str], ours: Sequence[str]) -> list[str]:
    """Databases that one test is run on: those that do not begin with one of `ours` have nothing compiled, and are left
    to the interpreted build."""
    if _ALL or not IS_COMPILED:
        return list(databases)
    return [each for each in databases if each.startswith(tuple(ours))]


def this_builds_size(size: int) -> int:
    """The size of a test that is run once, large: half of it where code is interpreted, which takes much longer."""
    return size if _ALL or IS_COMPILED else size // 2
