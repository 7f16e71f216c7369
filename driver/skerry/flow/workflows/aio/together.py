"""Doing several things at the same time, to the end of all of them (blocking: one after the other)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence


async def together(work: Sequence[Callable[[], Awaitable[None]]]) -> list[Exception]:
    """Do it all; what failed, in the order of the work.  A cancellation is passed on, and waits for their ends."""
    if len(work) == 1:
        problem = await _attempt(work[0])
        return [] if problem is None else [problem]
    found = await asyncio.gather(*(_attempt(each) for each in work), return_exceptions=True)
    for each in found:
        if isinstance(each, BaseException) and not isinstance(each, Exception):
            raise each
    return [each for each in found if isinstance(each, Exception)]


async def _attempt(work: Callable[[], Awaitable[None]]) -> Exception | None:
    try:
        await work()
    except Exception as problem:
        return problem
    return None
