"""Keeping deferred materialized views up to date in a server: units of work between those of the clients.

commit ── on_due ──> a short delay ── work ──> a unit, a rest, a unit ... ──> nothing is due
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from typing import Final

from skerry_engine.session.steps import Step, Wait
from skerry_server.session_api import DeferredViews

DELAY_S: Final = 0.01
"""So long after a commit the work begins, so that commits that come together are taken in together."""
REST: Final = 1.0
"""After each unit, for how many times as long as it took the clients have their turn."""


class DeferredWork:
    """Drives one engine's work on one event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop, views: DeferredViews) -> None:
        self._loop = loop
        self._views = views
        self._steps: Generator[Step, object, None] | None = None
        self._is_planned = False

    def start(self) -> None:
        """Begin to listen."""
        self._views.on_due = self._plan
        self._views.look_at_once()

    @property
    def is_under_way(self) -> bool:
        """Whether something is being done, or about to be."""
        return self._is_planned or self._steps is not None

    def stop(self) -> None:
        """Do nothing more; what is under way is dropped."""
        self._views.on_due = _nothing
        steps, self._steps = self._steps, None
        self._is_planned = False
        if steps is not None:
            steps.close()

    def _plan(self) -> None:
        """Called wherever a commit is published, perhaps on another thread."""
        if not self._is_planned:
            self._is_planned = True
            self._soon(lambda: self._loop.call_later(DELAY_S, self._begin))

    def _soon(self, call: Callable[[], object]) -> None:
        self._loop.call_soon_threadsafe(call)

    def _begin(self) -> None:
        if not self._is_planned:
            return
        self._is_planned = False
        if self._steps is None:
            self._steps = self._views.work()
            self._step()

    def _step(self) -> None:
        steps = self._steps
        if steps is None:
            return
        began_s = self._loop.time()
        step = next(steps, None)
        if step is None:
            self._steps = None
        elif isinstance(step, Wait):
            step.waiting.on_over(lambda: self._soon(self._step))
        else:
            self._loop.call_later(REST * (self._loop.time() - began_s), self._step)


def _nothing() -> None:
    """Nobody listens."""
