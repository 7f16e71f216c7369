"""Ends embedded transactions that have idled too long, so that their locks go without anybody asking.

Over the wire the server's event loop does that.  Embedded nothing runs between two statements; so a transaction
under `transaction_timeout` or `idle_in_transaction_session_timeout` is watched by a thread, which is there only
while there is something to watch.

    thread A     BEGIN  UPDATE                        (idles)                            COMMIT: T002
    watch               └─ watch(until 10.5 s) ────── sleeps ──── 10.5 s: rollback
    thread B                       UPDATE the same row: waits ──────────────────── goes on

What it does not do: bound statements.  Those are stepped by their own threads, which look at the clock.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Protocol

from skerry.engine_mutex import EngineMutex
from skerry_engine.errors import DatabaseError

Limit = tuple[float, DatabaseError]


class Session(Protocol):
    """What is watched."""

    closed: bool

    @property
    def is_running(self) -> bool: ...

    def expire(self, error: DatabaseError) -> None:
        """Roll back; the next statement raises `error`."""
        ...


class Expiry:
    """The limits of the sessions of one engine."""

    def __init__(self, mutex: EngineMutex) -> None:
        self._mutex = mutex
        self._changed = threading.Event()
        self._limits: dict[Session, Limit] = {}
        self._watcher: threading.Thread | None = None

    def watch(self, session: Session, limit: Limit, let_go: Callable[[], None]) -> None:
        """Expire the session at `limit[0]` (time.monotonic()) unless it is forgotten before.

        To be called with the engine's mutex held.  `let_go` is called each time that the thread, if there has
        to be one, has given the mutex back.
        """
        self._limits[session] = limit
        if self._watcher is None:
            self._watcher = threading.Thread(
                target=self._run, args=(let_go,), name="skerry-expiry", daemon=True
            )
            self._watcher.start()
        self._changed.set()

    def prolong(self, session: Session, limit: Callable[[], Limit | None]) -> None:
        """If the session is watched, it idles anew from now on.  To be called with the engine's mutex held."""
        if session in self._limits:
            anew = limit()
            if anew is not None:
                self._limits[session] = anew

    def forget(self, session: Session) -> None:
        """The session runs a statement, or is closed.  To be called with the engine's mutex held."""
        self._limits.pop(session, None)

    def _run(self, let_go: Callable[[], None]) -> None:
        is_over = False
        while not is_over:
            with self._mutex:
                delay_s = self._expire_late()
                is_over = delay_s is None
                if is_over:
                    self._watcher = None
            let_go()
            if not is_over:
                self._changed.wait(delay_s)
                self._changed.clear()

    def _expire_late(self) -> float | None:
        """Expire what is due; returns how long it is until the next is, None when there is none."""
        now_s = time.monotonic()
        for session, (until_s, error) in list(self._limits.items()):
            if until_s <= now_s:
                del self._limits[session]
                if not session.closed and not session.is_running:
                    session.expire(error)
        if not self._limits:
            return None
        return max(0.0, min(until_s for until_s, _ in self._limits.values()) - now_s)
