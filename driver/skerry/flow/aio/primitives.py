"""What asyncio's flows are made of, under the names that their blocking twins use (`skerry.flow.primitives`)."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterable, AsyncIterator, Callable, Coroutine, Iterable
from typing import Any, TypeVar

T = TypeVar("T")

sleep = asyncio.sleep
IS_ASYNC: bool = True


class Alarm:
    """Runs a function once, in a task of its own, unless it is called off before."""

    def __init__(self, seconds: float, function: Callable[[], Coroutine[None, None, None]]) -> None:
        self._function = function
        self._task: asyncio.Task[None] | None = None
        self._loop = asyncio.get_running_loop()
        self._handle = self._loop.call_later(seconds, self._ring)

    def _ring(self) -> None:
        self._task = self._loop.create_task(self._function())

    def call_off(self) -> None:
        """Nothing is called any more; what runs already goes on."""
        self._handle.cancel()


async def to_the_end(work: Coroutine[None, None, T]) -> T:
    """Do what must not be interrupted half-way: a cancellation that comes meanwhile is heard afterwards."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        if not task.done():
            await asyncio.wait([task])
        raise


async def settled(value: object) -> Any:
    """What a function gave that users wrote: awaited, if it has to be."""
    return await value if inspect.isawaitable(value) else value


async def iterate(rows: Iterable[T] | AsyncIterable[T]) -> AsyncIterator[T]:
    """The rows, one by one."""
    if isinstance(rows, AsyncIterable):
        async for row in rows:
            yield row
    else:
        for row in rows:
            yield row
