"""What blocking flows are made of, under the names that their asyncio twins use (`skerry.flow.aio.primitives`)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from types import CoroutineType
from typing import Any, TypeVar

from skerry.flow.clock import clock
from skerry_engine.errors import InterfaceError

T = TypeVar("T")

sleep = time.sleep
IS_ASYNC: bool = False
CANCELLED: tuple[type[BaseException], ...] = ()
"""What a cancelled task is told."""


class Alarm:
    """Calls a function once, from a thread of its own, unless it is called off before."""

    def __init__(self, seconds: float, function: Callable[[], None]) -> None:
        self._deadline = clock.add(seconds, function)

    def call_off(self) -> None:
        """Nothing is called any more; what runs already goes on."""
        clock.call_off(self._deadline)


class Worker:
    """Who runs a statement: a thread can't be interrupted, its statement is."""

    __slots__ = ()

    def cancel(self) -> None:
        """Nothing to do."""

    def is_cancelled_by_others(self) -> bool:
        """Threads are not cancelled."""
        return False


def to_the_end(done: T) -> T:
    """What must not be interrupted half-way (in asyncio, by a cancellation): here it is done."""
    return done


def settled(value: Any) -> Any:
    """What a function gave that users wrote (in asyncio it may have to be awaited).

    Raises InterfaceError for a coroutine: nobody would await it.
    """
    if type(value) is CoroutineType:
        value.close()
        raise InterfaceError(
            f"{value.__qualname__} is a coroutine, and what calls it is blocking: make that `async def`"
        )
    return value


def iterate(rows: Iterable[T]) -> Iterable[T]:
    """The rows, one by one."""
    return rows
