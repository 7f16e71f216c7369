"""The change feed: what `Database.changes` gives.

    for change in db.changes(since=epoch):        what was committed after that epoch, then what is committed next
        print(change.epoch, change.table, change.kind, change.old, change.new)

A feed has a session to itself, which has subscribed: what it has not read yet is kept for it, within the database's
limit in bytes.  `change_rows` has what it is made of.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import cast

from skerry.backend import Backend
from skerry.change_rows import ENDED, WAIT_S, Change, ChangeReader, Token, subscription
from skerry_engine import errors


class Changes:
    """A feed; made by `Database.changes`.  Threads may share it; one reads at a time."""

    def __init__(
        self,
        backend: Backend,
        since: int | Token | None,
        tables: Sequence[str] | None,
        wait: bool,
        timeout: float | None,
    ) -> None:
        self._backend = backend
        self._reader = ChangeReader(since, tables)
        self._waits = wait
        self._timeout_s = timeout
        self._lock = threading.RLock()
        self._ready: deque[Change] = deque()
        self._closed = False
        try:
            backend.execute("SET statement_timeout = 0; SET idle_session_timeout = 0")
            epoch = backend.execute(*subscription(since)).rows[0][0]
        except BaseException:
            backend.close()
            raise
        if since is None:
            self._reader.begin_at(cast("int", epoch))
        self._token = self._reader.place

    @property
    def token(self) -> Token:
        """The place behind what was read last: where another feed would go on."""
        return self._token

    # --- reading ----------------------------------------

    def poll(self) -> list[Change]:
        """The changes that are there now, up to some number; none if there are none.  Never waits.

        Raises HistoryNotRetained when changes were dropped before they were read, InterfaceError once the feed
        is closed.
        """
        with self._lock:
            found = list(self._ready)
            self._ready.clear()
            while not found and not self._fetch(found):
                pass
            self._token = self._reader.place
            return found

    def wait(self, timeout: float | None = None) -> list[Change]:
        """As `poll`; if there are none, waits for them, at most `timeout` seconds (None: for ever)."""
        deadline_s = None if timeout is None else time.monotonic() + timeout
        while True:
            found = self.poll()
            left_s = WAIT_S if deadline_s is None else min(WAIT_S, deadline_s - time.monotonic())
            if found or left_s <= 0:
                return found
            self._wait_once(left_s)

    def _wait_once(self, seconds: float) -> None:
        with self._lock:
            self._check_open()
            self._backend.execute(*self._reader.wait_for_more(seconds))

    def __iter__(self) -> Iterator[Change]:
        """Changes, as they were committed: to the end of what is there, or (`wait`) on and on, until none has come for
        `timeout` seconds."""
        while not self.is_closed():
            try:
                found = self.wait(self._timeout_s) if self._waits else self.poll()
            except ENDED:
                if self.is_closed():
                    return
                raise
            yield from self._one_by_one(found)
            if not found:
                return

    def _one_by_one(self, found: list[Change]) -> Iterator[Change]:
        """What is given out counts as read; the rest stays for who reads next."""
        self._ready.extend(found)
        while self._ready:
            change = self._ready.popleft()
            self._token = change.token
            yield change

    async def __aiter__(self) -> AsyncIterator[Change]:
        """The same for asyncio: the event loop runs on while a thread waits."""
        deadline_s = None if self._timeout_s is None else time.monotonic() + self._timeout_s
        while not self.is_closed():
            try:
                found = await asyncio.to_thread(self.wait, WAIT_S) if self._waits else self.poll()
            except ENDED:
                if self.is_closed():
                    return
                raise
            for change in self._one_by_one(found):
                yield change
            if found and self._timeout_s is not None:
                deadline_s = time.monotonic() + self._timeout_s
            elif (not self._waits and not found) or (
                deadline_s is not None and time.monotonic() >= deadline_s
            ):
                return

    def _fetch(self, into: list[Change]) -> bool:
        """Read one batch behind the present place; whether that was all."""
        self._check_open()
        return self._reader.take(self._backend.execute(*self._reader.next_batch()).rows, into)

    # --- the end ----------------------------------------

    def is_closed(self) -> bool:
        """Whether it was closed."""
        return self._closed

    def _check_open(self) -> None:
        if self._closed:
            raise errors.InterfaceError("the feed is closed")

    def close(self) -> None:
        """Read no more; nothing is kept for the feed any longer.  Closing twice is allowed."""
        if not self._closed:
            self._closed = True
            with contextlib.suppress(errors.Error):
                self._backend.cancel()
            with self._lock:
                self._backend.close()

    def __enter__(self) -> Changes:
        self._check_open()
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()
