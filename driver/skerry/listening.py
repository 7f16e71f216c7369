"""Listening to channels: what `Database.listen` gives.

    with db.listen("orders", "stock") as listener:
        for notification in listener:                     waits for each; LISTEN holds from here on
            print(notification.channel, notification.payload)

A listener has a session to itself: it is in no transaction, so that notifications come as soon as the commits
that send them are published.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator

from skerry.abc import Notification
from skerry.backend import Backend
from skerry_engine import errors


def quoted(name: str) -> str:
    """A name as SQL has it, whatever is in it."""
    return '"' + name.replace('"', '""') + '"'


def taken(backend: Backend, timeout_s: float | None) -> list[Notification]:
    """The notifications that have arrived, oldest first; if there are none, those that arrive first within
    the timeout (None: wait for ever).

    Raises InvalidTransactionState inside a transaction: nothing would ever come.
    """
    if backend.transaction_status != "I":
        raise errors.InvalidTransactionState(
            "notifications do not come inside a transaction", hint="Commit or roll back first."
        )
    if not backend.notifications:
        backend.wait_for_notifications(timeout_s)
    found = backend.notifications
    made = found[:]
    del found[: len(made)]
    return made


class Listener:
    """Listens to channels until it is closed.  Threads may share it; one of them waits at a time."""

    def __init__(self, backend: Backend, channels: tuple[str, ...]) -> None:
        self._backend = backend
        self._lock = threading.Lock()
        self._arrived: deque[Notification] = deque()
        self._closed = False
        try:
            backend.execute("; ".join(f"LISTEN {quoted(channel)}" for channel in channels))
        except BaseException:
            backend.close()
            raise

    def wait(self, timeout: float | None = None) -> Notification | None:
        """The next notification; None when none has come within `timeout` seconds (None: wait for ever).

        Raises InterfaceError once the listener is closed, also from another thread; OperationalError when the
        connection is lost.
        """
        deadline_s = None if timeout is None else time.monotonic() + timeout
        with self._lock:
            while not self._arrived:
                left_s = None if deadline_s is None else max(0.0, deadline_s - time.monotonic())
                self._arrived.extend(self._taken(left_s))
                if deadline_s is not None and not self._arrived and time.monotonic() >= deadline_s:
                    return None
            return self._arrived.popleft()

    def _taken(self, timeout_s: float | None) -> list[Notification]:
        if self._closed:
            raise errors.InterfaceError("the listener is closed")
        return taken(self._backend, timeout_s)

    def __iter__(self) -> Iterator[Notification]:
        """Notifications as they come, until the listener is closed."""
        while True:
            try:
                found = self.wait()
            except errors.InterfaceError:
                if self._closed:
                    return
                raise
            if found is not None:
                yield found

    def close(self) -> None:
        """Stop listening; whoever waits stops, too.  Closing twice is allowed."""
        self._closed = True
        self._backend.close()

    def __enter__(self) -> Listener:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()
