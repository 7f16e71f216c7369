"""Waiting for locks, for those that run as steps.

A call that meets a lock raises LockWait and has changed nothing: wait, then make it again.  The waiting
stands outside the `except` block on purpose: compiled by mypyc, a generator that is closed while it is
suspended inside a handler corrupts the interpreter's exception state
(tests/project holds all compiled modules to it).
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TypeVar

from skerry_engine.session.steps import Step, Wait
from skerry_engine.txn.locks import LockWait

_T = TypeVar("_T")


def patiently(call: Callable[[], _T]) -> Generator[Step, None, _T]:
    """`call()`, made again after each wait for a lock."""
    while True:
        try:
            return call()
        except LockWait as wait:
            request = wait.request
        yield Wait(request)
