"""Listening to channels with asyncio: what `AsyncDatabase.listen` gives.

    async with await db.listen("orders", "stock") as listener:
        async for notification in listener:                     waits for each; LISTEN holds from here on
            print(notification.channel, notification.payload)

A listener has a session to itself: it is in no transaction, so that notifications come as soon as the commits that send
them are published.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator

from skerry.abc import Notification
from skerry.aio.backend import AsyncBackend
from skerry.listening import quoted
from skerry_engine import errors


class AsyncListener:
    """Listens to channels until it is closed.  Tasks may share it; one of them waits at a time."""

    def __init__(self, backend: AsyncBackend) -> None:
        self._backend = backend
        self._lock = asyncio.Lock()
        self._arrived: deque[Notification] = deque()
        self._closed = False

    @classmethod
    async def open(cls, backend: AsyncBackend, channels: tuple[str, ...]) -> AsyncListener:
        """Listen, with a session that becomes the listener's."""
        try:
            await backend.execute("; ".join(f"LISTEN {quoted(channel)}" for channel in channels))
        except BaseException:
            await backend.close()
            raise
        return cls(backend)

    async def wait(self, timeout: float | None = None) -> Notification | None:
        """The next notification; None when none has come within `timeout` seconds (None: wait for ever).

        Raises InterfaceError once the listener is closed, also by another task; OperationalError when the connection is
        lost.
        """
        deadline_s = None if timeout is None else time.monotonic() + timeout
        async with self._lock:
            while not self._arrived:
                if self._closed:
                    raise errors.InterfaceError("the listener is closed")
                left_s = None if deadline_s is None else max(0.0, deadline_s - time.monotonic())
                if not self._backend.notifications:
                    await self._backend.wait_for_notifications(left_s)
                found = self._backend.notifications
                self._arrived.extend(found)
                del found[:]
                if deadline_s is not None and not self._arrived and time.monotonic() >= deadline_s:
                    return None
            return self._arrived.popleft()

    async def __aiter__(self) -> AsyncIterator[Notification]:
        """Notifications as they come, until the listener is closed."""
        while True:
            try:
                found = await self.wait()
            except errors.InterfaceError:
                if self._closed:
                    return
                raise
            if found is not None:
                yield found

    async def close(self) -> None:
        """Stop listening; whoever waits stops, too.  Closing twice is allowed."""
        self._closed = True
        await self._backend.close()

    async def __aenter__(self) -> AsyncListener:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.close()
