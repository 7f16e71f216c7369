"""Whose turn it is to flush an embedded engine's log: one thread at a time.

A thread whose commit waits either flushes, for all who wait by then, or waits until another has done it for
it.  Which of the two is not known when it comes: while a flush is under way all who come stand here, and when it
is over those that it covered must go, and one of the others flush for the rest at once.

    thread A   take ── flush A ── give back
    thread B     take ............. its turn ── flush B, C, D ── give back
    thread C       take .......................................... covered: go
    thread D         take ........................................ covered: go

A plain lock instead would let C and D go one after another, each behind the flush of somebody who came back: with
many threads nearly every commit had a sync of its own.
"""

from __future__ import annotations

import threading
import time


class FlushTurn:
    """Held by the one who flushes."""

    __slots__ = ("_change", "_is_taken")

    def __init__(self) -> None:
        self._change = threading.Condition(threading.Lock())
        self._is_taken = False

    def is_taken(self) -> bool:
        """Whether somebody flushes."""
        return self._is_taken

    def take(self, over: threading.Event | None = None, deadline_s: float | None = None) -> bool:
        """Wait until nobody flushes, and be the one who does.

        False: `over` was set first, or the deadline (`time.monotonic()`) has come while another flushes.
        """
        with self._change:
            while self._is_taken:
                left_s = None if deadline_s is None else deadline_s - time.monotonic()
                if left_s is not None and left_s <= 0:
                    return False
                self._change.wait(left_s)
                if over is not None and over.is_set():
                    return False
            self._is_taken = True
            return True

    def give_back(self) -> None:
        """The flush is over."""
        with self._change:
            self._is_taken = False
            self._change.notify_all()
