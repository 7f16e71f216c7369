"""What keeps an embedded engine's deferred materialized views up to date: a thread, while there is something to do.

    commit ── on_due ──> thread ── work ──> steps, each under the engine's mutex, with rests for the others ──> it ends

A thread that has nothing to do ends: an engine that nobody uses any more is kept by none.  When the engine is closed,
what can still be done within `CLOSE_S` is done, so that views in a directory are up to date at the next opening.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator
from typing import Final

from skerry.engine_mutex import EngineMutex
from skerry_engine.session.deferred.registry import DELAY_S, DeferredViews
from skerry_engine.session.steps import Step, Wait

CLOSE_S: Final = 5.0
REST: Final = 1.0
"""After each unit, for how many times as long as it took the engine is left to others."""

Flush = Callable[[threading.Event], None]


class DeferredWork:
    """The thread of one engine.  `flush` writes the log if a commit waits for it."""

    def __init__(self, views: DeferredViews, mutex: EngineMutex, flush: Flush, is_lasting: bool) -> None:
        self._views = views
        self._mutex = mutex
        self._flush = flush
        self._is_lasting = is_lasting
        self._thread: threading.Thread | None = None
        self._closing = threading.Event()
        self._until_s = float("inf")
        views.on_due = self._begin

    def _begin(self) -> None:
        """Something is to be done: called under the mutex."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="skerry deferred views", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """Come to an end, soon."""
        self._until_s = time.monotonic() + (CLOSE_S if self._is_lasting else 0.0)
        self._closing.set()
        thread = self._thread
        if thread is not None:
            thread.join()

    def _run(self) -> None:
        while True:
            self._closing.wait(DELAY_S)
            with self._mutex:
                steps = self._views.work() if time.monotonic() < self._until_s else None
                if steps is None:
                    self._thread = None
                    return
            self._do(steps)

    def _do(self, steps: Generator[Step, object, None]) -> None:
        """Step to the end, or to that of the engine."""
        while True:
            with self._mutex:
                began_s = time.monotonic()
                if began_s >= self._until_s:
                    steps.close()
                    return
                step = next(steps, None)
            if step is None:
                return
            if isinstance(step, Wait):
                over = threading.Event()
                step.waiting.on_over(over.set)
                self._flush(over)
                while not over.wait(0.1) and time.monotonic() < self._until_s:
                    pass
            else:
                self._closing.wait(REST * (time.monotonic() - began_s))
