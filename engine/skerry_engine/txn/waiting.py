"""Waiting for locks and other transactions, for those that run as steps.

A call that meets a lock raises LockWait and has changed nothing: wait, then make it again.  The waiting
stands outside the `except` block on purpose: compiled by mypyc, a generator that is closed while it is
suspended inside a handler corrupts the interpreter's exception state
(tests/project holds all compiled modules to it).
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Final, TypeVar

from skerry_engine.session.steps import Step, Wait, Waiting
from skerry_engine.txn.locks import LockWait

_T = TypeVar("_T")


class Gate:
    """Something to wait for that somebody ends by `end()` (it implements `steps.Waiting`)."""

    __slots__ = ("_is_over", "_callbacks")

    def __init__(self) -> None:
        self._is_over: bool = False
        self._callbacks: list[Callable[[], None]] = []

    def is_over(self) -> bool:
        """Whether it was ended."""
        return self._is_over

    def on_over(self, callback: Callable[[], None]) -> None:
        """Call `callback` once it is ended (at once if it is)."""
        if self.is_over():
            callback()
        else:
            self._callbacks.append(callback)

    def deadline_s(self) -> float | None:
        """It does not end by itself."""
        return None

    def end(self) -> None:
        """Be over now, and tell who waits."""
        self._is_over = True
        callbacks = self._callbacks
        self._callbacks = []
        for callback in callbacks:
            callback()


def patiently(call: Callable[[], _T]) -> Generator[Step, None, _T]:
    """`call()`, made again after each wait for a lock."""
    while True:
        try:
            return call()
        except LockWait as wait:
            request = wait.request
        yield Wait(request)


class _Over:
    """Something that is over already."""

    __slots__ = ()

    def is_over(self) -> bool:
        """Yes."""
        return True

    def on_over(self, callback: Callable[[], None]) -> None:
        """Call `callback` at once."""
        callback()

    def deadline_s(self) -> float | None:
        """There is nothing left to end."""
        return None


OVER: Final[Waiting] = _Over()
"""What is waited for where there is nothing to wait for."""
