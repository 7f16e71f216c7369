"""The change feed for asyncio: what `AsyncDatabase.changes` gives.

    async with await db.changes(since=epoch) as feed:
        async for change in feed:
            print(change.epoch, change.table, change.kind, change.old, change.new)

As the blocking feed (`skerry.changes`); tasks may share it, one reads at a time.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import AsyncIterator, Sequence
from typing import cast

from skerry.aio.backend import AsyncBackend
from skerry.change_rows import ENDED, WAIT_S, Change, ChangeReader, Token, subscription
from skerry_engine import errors


class AsyncChanges:
    """A feed; made by `AsyncDatabase.changes`."""

    def __init__(
        self, backend: AsyncBackend, reader: ChangeReader, wait: bool, timeout: float | None
    ) -> None:
        self._backend = backend
        self._reader = reader
        self._waits = wait
        self._timeout_s = timeout
        self._lock = asyncio.Lock()
        self._ready: deque[Change] = deque()
        self._closed = False
        self._token = reader.place

    @classmethod
    async def open(
        cls,
        backend: AsyncBackend,
        since: int | Token | None,
        tables: Sequence[str] | None,
        wait: bool,
        timeout: float | None,
    ) -> AsyncChanges:
        """Subscribe, with a session that becomes the feed's."""
        reader = ChangeReader(since, tables)
        try:
            await backend.execute("SET statement_timeout = 0; SET idle_session_timeout = 0")
            epoch = (await backend.execute(*subscription(since))).rows[0][0]
        except BaseException:
            await backend.close()
            raise
        if since is None:
            reader.begin_at(cast("int", epoch))
        return cls(backend, reader, wait, timeout)

    @property
    def token(self) -> Token:
        """The place behind what was read last: where another feed would go on."""
        return self._token

    async def poll(self) -> list[Change]:
        """The changes that are there now, up to some number; none if there are none.  Never waits for any.

        Raises HistoryNotRetained when changes were dropped before they were read, InterfaceError once the feed is
        closed.
        """
        async with self._lock:
            found = list(self._ready)
            while not found:
                self._check_open()
                rows = (await self._backend.execute(*self._reader.next_batch())).rows
                if self._reader.take(rows, found):
                    break
            self._ready.clear()
            self._token = self._reader.place
            return found

    async def wait(self, timeout: float | None = None) -> list[Change]:
        """As `poll`; if there are none, waits for them, at most `timeout` seconds (None: for ever)."""
        deadline_s = None if timeout is None else time.monotonic() + timeout
        while True:
            found = await self.poll()
            left_s = WAIT_S if deadline_s is None else min(WAIT_S, deadline_s - time.monotonic())
            if found or left_s <= 0:
                return found
            async with self._lock:
                self._check_open()
                await self._backend.execute(*self._reader.wait_for_more(left_s))

    async def __aiter__(self) -> AsyncIterator[Change]:
        """Changes, as they were committed: to the end of what is there, or (`wait`) on and on, until none has come for
        `timeout` seconds."""
        while not self.is_closed():
            try:
                found = await (self.wait(self._timeout_s) if self._waits else self.poll())
            except ENDED:
                if self.is_closed():
                    return
                raise
            self._ready.extend(found)
            while self._ready:  # what is given out counts as read; the rest stays for who reads next
                change = self._ready.popleft()
                self._token = change.token
                yield change
            if not found:
                return

    def is_closed(self) -> bool:
        """Whether it was closed."""
        return self._closed

    def _check_open(self) -> None:
        if self._closed:
            raise errors.InterfaceError("the feed is closed")

    async def close(self) -> None:
        """Read no more; nothing is kept for the feed any longer.  Closing twice is allowed."""
        if not self._closed:
            self._closed = True
            with contextlib.suppress(errors.Error):
                await self._backend.cancel()
            async with self._lock:
                await self._backend.close()

    async def __aenter__(self) -> AsyncChanges:
        self._check_open()
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.close()
