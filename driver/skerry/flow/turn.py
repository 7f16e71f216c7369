"""Whose turn it is on a transaction.

A transaction runs one statement at a time.  Who comes while another task or thread is at it is told so at once,
rather than waiting: two tasks that share a transaction by accident would else mix their work in it.
"""

from __future__ import annotations

import threading

from skerry_engine.errors import ConcurrentUse


class Turn:
    """Held while somebody is at it; never waits."""

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        if not self._lock.acquire(blocking=False):
            raise ConcurrentUse(
                "two tasks use one transaction at once: give each its own, or use branches (parallel)"
            )

    def __exit__(self, *exception: object) -> None:
        self._lock.release()

    def take(self) -> bool:
        """Take the turn if nobody has it; whether it was taken."""
        return self._lock.acquire(blocking=False)

    @property
    def is_taken(self) -> bool:
        """Whether somebody has it."""
        return self._lock.locked()

    def leave(self) -> None:
        """Give it back."""
        self._lock.release()
