"""What asyncio's flows are made of, under the names that their blocking twins use (`skerry.flow.primitives`)."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterable, AsyncIterator, Callable, Coroutine, Iterable
from typing import Any, TypeVar

T = TypeVar("T")

sleep = asyncio.sleep
IS_ASYNC: bool = True
CANCELLED: tuple[type[BaseException], ...] = (asyncio.CancelledError,)
"""What a cancelled task is told."""


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
        """Nothing is called any more; what runs already is broken off."""
        self._handle.cancel()
        if self._task is not None and self._task is not asyncio.current_task():
            self._task.cancel()


class Worker:
    """The task that runs a statement, so that a deadline can break it off where the driver has no way to."""

    def __init__(self) -> None:
        self._task = asyncio.current_task()
        self._cancelled = 0

    def cancel(self) -> None:
        """Cancel it, once."""
        if self._task is not None and not self._cancelled:
            self._cancelled = 1
            self._task.cancel()

    def is_cancelled_by_others(self) -> bool:
        """Whether somebody else has cancelled it, too; takes back what `cancel` did."""
        if self._task is None:
            return False
        if self._cancelled:
            self._cancelled = 0
            self._task.uncancel()
        return self._task.cancelling() > 0


async def to_the_end(work: Coroutine[None, None, T]) -> T:
    """Do what must not be interrupted half-way: a cancellation that comes meanwhile is heard afterwards."""
    task = asyncio.ensure_future(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError as problem:
            cancelled = problem
    if cancelled is not None:
        failure = None if task.cancelled() else task.exception()
        raise cancelled from failure
    return task.result()


async def settled(value: object) -> Any:
    """What a function gave that users wrote: awaited, if it has to be."""
    return await value if inspect.isawaitable(value) else value


def iterate(rows: Iterable[T] | AsyncIterable[T]) -> AsyncIterable[T]:
    """The rows, one by one."""
    return rows if isinstance(rows, AsyncIterable) else _Iterated(rows)


class _Iterated(AsyncIterator[T]):
    """Rows that are there, as if they came asynchronously; needs no closing, as a generator would."""

    def __init__(self, rows: Iterable[T]) -> None:
        self._rows = iter(rows)

    async def __anext__(self) -> T:
        for row in self._rows:
            return row
        raise StopAsyncIteration
