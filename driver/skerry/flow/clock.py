"""Deadlines of blocking code: one thread sleeps until the next of them, however many there are.

    scope with a timeout ── add ──> a heap of moments ── the thread sleeps until the first ──> a thread that acts
                         ── call_off: the entry stays until its moment, or until most of them are of that kind

A thread for each deadline (threading.Timer) would cost a transaction more than its statements do.  The thread is
started by the first deadline and stays; acting, which may wait for a database, is left to a thread of its own.
"""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from collections.abc import Callable

_FEW = 64
"""Entries that were called off and are not worth a walk over the heap."""


class Deadline:
    """A moment (time.monotonic()) and what is to be done then; None once that is off."""

    __slots__ = ("at_s", "act")

    def __init__(self, at_s: float, act: Callable[[], None]) -> None:
        self.at_s = at_s
        self.act: Callable[[], None] | None = act


class Clock:
    """See the module."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._numbers = itertools.count()
        self._heap: list[tuple[float, int, Deadline]] = []
        self._idle = 0
        self._thread: threading.Thread | None = None

    def add(self, seconds: float, act: Callable[[], None]) -> Deadline:
        """Act in so many seconds, in a thread."""
        deadline = Deadline(time.monotonic() + seconds, act)
        with self._changed:
            heapq.heappush(self._heap, (deadline.at_s, next(self._numbers), deadline))
            if self._thread is None or not self._thread.is_alive():  # it does not survive a fork
                self._thread = threading.Thread(target=self._run, name="skerry-flow-clock", daemon=True)
                self._thread.start()
            elif self._heap[0][2] is deadline:
                self._changed.notify()
        return deadline

    def call_off(self, deadline: Deadline) -> None:
        """Do not act; what is being done already goes on."""
        with self._changed:
            if deadline.act is None:
                return
            deadline.act = None
            self._idle += 1
            if self._idle > _FEW and self._idle * 2 > len(self._heap):
                self._heap = [each for each in self._heap if each[2].act is not None]
                heapq.heapify(self._heap)
                self._idle = 0

    def _run(self) -> None:
        while True:
            with self._changed:
                due = self._next_due()
            act, due.act = due.act, None
            if act is not None:
                threading.Thread(target=act, name="skerry-flow-deadline", daemon=True).start()

    def _next_due(self) -> Deadline:
        """Sleep until there is one; with the lock held."""
        while True:
            if not self._heap:
                self._changed.wait()
                continue
            at_s, _, deadline = self._heap[0]
            delay_s = at_s - time.monotonic()
            if delay_s <= 0 or deadline.act is None:
                heapq.heappop(self._heap)
                if deadline.act is not None:
                    return deadline
                self._idle = max(0, self._idle - 1)
            else:
                self._changed.wait(delay_s)


clock = Clock()
"""The process's."""
