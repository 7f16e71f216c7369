"""Functions that wait inside an expression: pg_sleep(), advisory locks, skerry.gc() between two slices.

An expression can't yield.  So a function that has to wait raises `FunctionWait` (or the lock table's
LockWait); the statement is kept from showing anything until it is complete, waits, and is then run again from
its start.  What the functions have already done is not done twice: each finished call is recorded, and a
rerun takes the calls' results from the record in the order in which they were made.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from skerry_engine.session.steps import Waiting
from skerry_engine.txn.waiting import Gate

WAITING_FUNCTIONS = frozenset(
    ("pg_sleep", "pg_sleep_for", "pg_sleep_until")
    + ("pg_advisory_lock", "pg_advisory_lock_shared", "pg_advisory_xact_lock", "pg_advisory_xact_lock_shared")
    + ("gc", "wait_for_changes", "pg_terminate_backend", "pg_cancel_backend")
)
"""Names of the functions that may wait, or that a rerun must not call again."""

_T = TypeVar("_T")


class FunctionWait(Exception):
    """A function in an expression has to wait: run the statement again when `waiting` is over."""

    def __init__(self, waiting: Waiting) -> None:
        super().__init__("a function waits")
        self.waiting = waiting


class Timer(Gate):
    """A wait that ends by itself at `deadline` (time.monotonic()), or by `end()`.

    Only `end()` calls back: whoever waits also waits for `deadline_s`.
    """

    def __init__(self, deadline: float) -> None:
        super().__init__()
        self._deadline = deadline

    def is_over(self) -> bool:
        return super().is_over() or time.monotonic() >= self._deadline

    def deadline_s(self) -> float | None:
        return self._deadline


class CallRecord:
    """The results of the waiting calls of one statement, across its reruns."""

    def __init__(self) -> None:
        self._results: list[object] = []
        self._next = 0

    def start_statement(self) -> None:
        """Forget the statement before."""
        self._results.clear()
        self._next = 0

    def start_run(self) -> None:
        """A rerun begins: recorded calls will be made again."""
        self._next = 0

    def call(self, make: Callable[[], object]) -> object:
        """The recorded result of this call, or `make()`'s, which is recorded unless it raises a wait."""
        if self._next < len(self._results):
            result = self._results[self._next]
        else:
            result = make()
            self._results.append(result)
        self._next += 1
        return result
