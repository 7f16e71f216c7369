"""Doing several things one after the other, to the end of all of them (asyncio: at the same time)."""

from __future__ import annotations

from collections.abc import Callable, Sequence


def together(work: Sequence[Callable[[], None]]) -> list[Exception]:
    """Do it all; what failed, in the order of the work."""
    found: list[Exception] = []
    for each in work:
        try:
            each()
        except Exception as problem:
            found.append(problem)
    return found
