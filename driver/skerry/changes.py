"""The change feed: what `Database.changes` gives.

    for change in db.changes(since=epoch):        what was committed after that epoch, then what is committed next
        print(change.epoch, change.table, change.kind, change.old, change.new)

A feed has a session to itself, which has subscribed: what it has not read yet is kept for it, within the database's
limit in bytes.  It reads in batches; each batch ends at a place, (epoch, position), from which the next one, or
another feed tomorrow, goes on.

    feed   [e7/0 e7/1 e7/2][e7/3 e8/0 ...] [end: nothing more up to e9]  wait_for_changes(9)  [e10/0 ...]

Values come as text with their types and become Python values here, the same embedded and over the network.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from skerry.abc import Row
from skerry.backend import Backend
from skerry.text_values import reader_of
from skerry_engine import errors

BATCH_CHANGES = 1000
WAIT_S = 1.0
"""How long one wait lasts: whoever closes the feed, or cancels, is heard after that."""

_ENDED = (errors.InterfaceError, errors.QueryCanceled)
"""What a reader meets when another thread closes the feed."""

Token = tuple[int, int | None]
"""A place in the feed: an epoch, and a position within it or None for the end of it."""


@dataclass(frozen=True, slots=True)
class Change:
    """Something that a commit did.

    `kind` is 'insert', 'update' or 'delete' of a row; or 'truncate', 'drop', 'rewrite' of the whole table: of the
    last, take what it holds AS OF this epoch.  `old` and `new` are the row's states by column name, None where there is
    none.  `key` is the primary key by column name, of the old state where there is one, None for a table without;
    `row_id` tells rows of one table apart, and a row keeps it for life.  `position` counts within the commit.
    """

    epoch: int
    time: datetime
    position: int
    schema: str
    table: str
    kind: str
    row_id: int | None
    key: dict[str, object] | None
    old: dict[str, object] | None
    new: dict[str, object] | None

    @property
    def token(self) -> Token:
        """The place behind this change: `db.changes(since=change.token)` goes on with the next."""
        return self.epoch, self.position


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
        self._tables = None if tables is None else list(tables)
        self._waits = wait
        self._timeout_s = timeout
        self._lock = threading.RLock()
        self._ready: deque[Change] = deque()
        self._readers: dict[int, Callable[[str], object]] = {}
        self._closed = False
        try:
            backend.execute("SET statement_timeout = 0; SET idle_session_timeout = 0")
            self._place: Token = self._subscribe(since)
        except BaseException:
            backend.close()
            raise
        self._token = self._place

    def _subscribe(self, since: int | Token | None) -> Token:
        if since is None:
            return cast("int", self._value("SELECT skerry.subscribe()")), None
        epoch, position = (since, None) if isinstance(since, int) else since
        first = epoch if position is None else epoch - 1
        self._value("SELECT skerry.subscribe($1)", first)
        return epoch, position

    def _value(self, text: str, *parameters: object) -> object:
        return self._backend.execute(text, list(parameters)).rows[0][0]

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
            self._token = self._place
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
            self._value("SELECT skerry.wait_for_changes($1, $2)", self._place[0], seconds)

    def __iter__(self) -> Iterator[Change]:
        """Changes, as they were committed: to the end of what is there, or (`wait`) on and on, until none has come for
        `timeout` seconds."""
        while not self.is_closed():
            try:
                found = self.wait(self._timeout_s) if self._waits else self.poll()
            except _ENDED:
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
            except _ENDED:
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
        epoch, position = self._place
        rows = self._backend.execute(
            "SELECT * FROM skerry.raw_changes($1::bigint, $2::bigint, $3::bigint, $4::text[])",
            [epoch, position, BATCH_CHANGES, self._tables],
        ).rows
        for row in rows:
            if row[6] is not None:
                into.append(self._change(row))
                self._place = into[-1].token
            else:
                end, at = cast("tuple[int, int | None]", (row[0], row[2]))
                self._place = (end, at) if (at is not None or end >= epoch) else (epoch, None)
        return not rows or (rows[-1][6] is None and rows[-1][2] is None)

    def _change(self, row: Row) -> Change:
        epoch, time_, position, row_id, schema, table, kind, keys, names, types, old, new = cast("_Row", row)
        before, after = self._read(names, types, old), self._read(names, types, new)
        state = after if before is None else before
        key = {name: state[name] for name in keys} if keys and state is not None else None
        return Change(epoch, time_, position, schema, table, kind, row_id, key, before, after)

    def _read(
        self, names: Sequence[str], types: Sequence[int], texts: Sequence[str | None] | None
    ) -> dict[str, object] | None:
        if texts is None:
            return None
        return {
            name: None if text is None else self._reader(oid)(text)
            for name, oid, text in zip(names, types, texts, strict=True)
        }

    def _reader(self, oid: int) -> Callable[[str], object]:
        found = self._readers.get(oid)
        if found is None:
            found = self._readers[oid] = reader_of(oid)
        return found

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


_Texts = Sequence[str | None] | None
_Row = tuple[
    int,
    datetime,
    int,
    int | None,
    str,
    str,
    str,
    Sequence[str],
    Sequence[str],
    Sequence[int],
    _Texts,
    _Texts,
]
