"""Doing a durable log's I/O, on behalf of those whose commits wait.

Where a sync takes a tenth of a millisecond nothing is quicker than doing it at once, in the loop: handing it to a
thread and back costs more.  Where it takes milliseconds the loop would stand still with it, for those too who only
read.  So syncs are timed, and as long as they are slow a thread does them:

    loop     take ─┬─ serves ─ serves ─ serves ─┬─ finish, and take what has gathered since
    thread         └─ write, sync ──────────────┘

A thread that comes back from a sync waits until the loop lets go of the interpreter, which makes syncs look slow
for good; so now and then one is done in the loop all the same, and only those count.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from skerry_server.session_api import Log

SLOW_S: Final = 0.001
"""Syncs that take longer are done in a thread."""

_WEIGHT: Final = 0.2
"""Of the newest time in the average."""

_OUTLIER_S: Final = 4 * SLOW_S
"""Longer ones count as this: one alone does not make the average slow."""

_TIMED_EVERY: Final = 32
"""So many flushes in the thread are followed by one in the loop."""


def flush_log(log: Log | None) -> None:
    """Write and sync what the log has gathered, and publish the commits in it.

    If that fails the log is left with its `failure`, and those who wait are told by their own sessions.
    """
    flush = None if log is None else log.take()
    if log is None or flush is None:
        return
    log.finish(flush, _write(log, flush))


def _write(log: Log, flush: Any) -> Exception | None:
    try:
        log.write(flush)
    except Exception as failure:  # noqa: BLE001 - whatever it was, no commit can be promised any more
        return failure
    return None


class Flusher:
    """Flushes one log for the sessions of one loop.  `on_flushed` is called in the loop after each flush."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        log: Log,
        on_flushed: Callable[[], None],
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._loop = loop
        self._clock = clock
        self._log = log
        self._on_flushed = on_flushed
        self._thread: ThreadPoolExecutor | None = None
        self._average_s = 0.0
        self._until_timed = _TIMED_EVERY
        self.is_under_way = False

    def flush(self) -> None:
        """Begin a flush, unless one is under way: what gathers meanwhile is flushed after it."""
        if self.is_under_way:
            return
        flush = self._log.take()
        if flush is None:
            return
        self._until_timed -= 1
        if self._average_s <= SLOW_S or self._until_timed <= 0:
            self._until_timed = _TIMED_EVERY
            began_s = self._clock()
            error = _write(self._log, flush)
            taken_s = min(self._clock() - began_s, _OUTLIER_S)
            self._average_s += _WEIGHT * (taken_s - self._average_s)
            self._finish(flush, error)
        else:
            self.is_under_way = True
            if self._thread is None:
                self._thread = ThreadPoolExecutor(1, "skerry log")
            self._thread.submit(self._in_thread, flush)

    def _in_thread(self, flush: Any) -> None:
        error = _write(self._log, flush)
        self._loop.call_soon_threadsafe(self._written, flush, error)

    def _written(self, flush: Any, error: Exception | None) -> None:
        self.is_under_way = False
        self._finish(flush, error)
        if self._log.is_waited_for():
            self._loop.call_soon(self.flush)

    def _finish(self, flush: Any, error: Exception | None) -> None:
        self._log.finish(flush, error)
        self._on_flushed()

    def close(self) -> None:
        """Let the thread go; nothing is flushed any more."""
        if self._thread is not None:
            self._thread.shutdown()
            self._thread = None
