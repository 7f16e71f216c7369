"""What blocking scopes and asyncio's have in common: where they stand, and their nested blocks."""

from __future__ import annotations

import enum
from typing import NamedTuple

FOR_GOOD = -1
"""Doomed whatever block is undone."""


class ScopeState(enum.Enum):
    """Where a scope stands."""

    OPEN = "open"
    COMMITTED = "committed"
    ROLLED_BACK = "rolled back"


class Frame(NamedTuple):
    """A nested block: the name of its savepoints, and how many hooks there were when it was entered."""

    name: str
    before: int
    committed: int
    rolled_back: int
