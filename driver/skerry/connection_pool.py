"""A pool of DB-API connections to one database.

    with skerry.Pool("skerry://host/db", max_size=20) as pool:
        with pool.connection() as connection:                 waits its turn, first come, first served
            connection.execute("UPDATE ...")                  the end of the block commits, an exception rolls back

    idle (used last, given first) ──take──> in use ──give_back──> whoever waits longest, else idle
                                               └── broken, too old, closed: its place goes to whoever waits longest

Invariants
-   `size` counts connections that are idle, in use, or being opened; it is never above `max_size`.
-   While somebody waits, nothing is idle: what comes back goes to the one who waits, or its place does.
-   A connection that is given out is outside any transaction, has the pool's modes, and has not hung up as far as can
    be seen without asking its server.

What it does not do: threads or tasks of its own.  Connections that have idled too long are closed when others come
back.

Generated from aio/connection_pool.py by driver/unasync.py: change that one.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import NamedTuple

from skerry.backend import Source
from skerry.dbapi import Connection
from skerry.isolation import isolation_sql
from skerry.opening import open_source
from skerry.primitives import Waiter
from skerry.targets import MEMORY
from skerry_engine import errors


class PoolStats(NamedTuple):
    """Counts of a pool: `size` connections, of which `idle`; `waiting` who want one; since the beginning, how many were
    `opened`, were found `broken` or too old, and how many waits were given up (`timeouts`)."""

    size: int
    idle: int
    waiting: int
    opened: int
    broken: int
    timeouts: int


class _Request:
    """Somebody who waits for a connection, or for the right to open one."""

    def __init__(self) -> None:
        self.waiter = Waiter()
        self.connection: Connection | None = None


class Pool:
    """See the module.  Usable from the start; as a context manager it opens `min_size` connections, and is closed."""

    def __init__(
        self,
        target: str | os.PathLike[str] = MEMORY,
        *,
        min_size: int = 1,
        max_size: int = 10,
        timeout: float = 30.0,
        max_lifetime: float = 3600.0,
        max_idle: float = 600.0,
        check: Callable[[Connection], object] | None = None,
        user: str | None = None,
        database: str | None = None,
        autocommit: bool = False,
        isolation_level: str | None = None,
        read_only: bool = False,
        deferrable: bool = False,
        statement_timeout: float | None = None,
        connect_timeout: float | None = None,
        options: dict[str, str] | None = None,
    ) -> None:
        """`timeout`, `max_lifetime`, `max_idle` are in seconds: how long to wait for a connection, and when one is
        closed after having been opened, or used.  `check` is called with each before it is given out; what it raises,
        being an Error, has the connection replaced.  The others are those of `skerry.connect`, whose `timeout` is
        `statement_timeout` here."""
        if not 0 <= min_size <= max_size or max_size < 1:
            raise errors.InterfaceError("a pool has 0 <= min_size <= max_size, and max_size is at least 1")
        if isolation_level is not None:
            isolation_sql(isolation_level)
        self.min_size = min_size
        self.max_size = max_size
        self.timeout = timeout
        self.max_lifetime = max_lifetime
        self.max_idle = max_idle
        self._check = check
        self._target = (target, user, database, statement_timeout, connect_timeout, options)
        self._modes = (isolation_level, read_only, deferrable)
        self._autocommit = autocommit
        self._mutex = threading.Lock()
        self._source: Source | None = None
        self._source_waiters: list[Waiter] = []
        self._is_opening_source = False
        self._idle: list[Connection] = []
        self._waiting: deque[_Request] = deque()
        self._opened_s: dict[Connection, float] = {}
        self._used_s: dict[Connection, float] = {}
        self._size = 0
        self._is_closed = False
        self._opened = self._broken = self._timeouts = 0

    # --- what is known ----------------------------------

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._is_closed

    def stats(self) -> PoolStats:
        """How things stand."""
        with self._mutex:
            return PoolStats(
                self._size,
                len(self._idle),
                len(self._waiting),
                self._opened,
                self._broken,
                self._timeouts,
            )

    # --- connections for blocks and for the while -------

    @contextlib.contextmanager
    def connection(self, timeout: float | None = None) -> Iterator[Connection]:
        """A connection for a block: its end commits, an exception rolls back."""
        connection = self.take(timeout)
        try:
            yield connection
            if not connection.was_closed:
                connection.commit()
        finally:
            self.give_back(connection)

    def take(self, timeout: float | None = None) -> Connection:
        """A connection, to be given back.  Raises OperationalError when none is to be had within `timeout` seconds
        (default: the pool's), or opening one fails; InterfaceError once the pool is closed."""
        deadline_s = time.monotonic() + (self.timeout if timeout is None else timeout)
        while True:
            connection, may_open = self._find(deadline_s)
            if may_open:
                return self._open()
            if connection is not None and self._is_good(connection):
                return connection

    def _find(self, deadline_s: float) -> tuple[Connection | None, bool]:
        """An idle connection, or the right to open one; waits for either."""
        with self._mutex:
            self._check_open()
            if self._idle:
                return self._idle.pop(), False
            if self._size < self.max_size:
                self._size += 1
                return None, True
            request = _Request()
            self._waiting.append(request)
        try:
            request.waiter.wait(max(0.0, deadline_s - time.monotonic()))
        except BaseException:
            self._withdraw(request)
            raise
        with self._mutex:
            if request in self._waiting:
                self._waiting.remove(request)
                self._timeouts += 1
                raise errors.OperationalError(
                    f"no connection became free in time: all {self.max_size} of the pool are in use"
                )
            if request.connection is None:
                self._check_open()
        return request.connection, request.connection is None

    def _withdraw(self, request: _Request) -> None:
        """Whoever waited does not want it any more, even if it is there."""
        with self._mutex:
            if request in self._waiting:
                self._waiting.remove(request)
                return
        if request.connection is not None:
            self.give_back(request.connection)
        else:
            self._pass_place_on()

    def _open(self) -> Connection:
        """Open a connection in a place that is counted already."""
        try:
            source = self._opened_source()
            level, read_only, deferrable = self._modes
            connection = Connection.open(
                source,
                owns_source=False,
                autocommit=self._autocommit,
                isolation_level=level,
                read_only=read_only,
                deferrable=deferrable,
            )
        except BaseException:
            self._pass_place_on()
            raise
        with self._mutex:
            self._opened += 1
            self._opened_s[connection] = self._used_s[connection] = time.monotonic()
        return connection

    def _opened_source(self) -> Source:
        """The database, opened by whoever comes first."""
        while True:
            with self._mutex:
                if self._source is not None:
                    return self._source
                waiter = Waiter()
                is_mine = not self._is_opening_source
                if is_mine:
                    self._is_opening_source = True
                else:
                    self._source_waiters.append(waiter)
            if not is_mine:
                waiter.wait(None)
                continue
            try:
                source = open_source(*self._target)
                with self._mutex:
                    self._source = source
            finally:
                with self._mutex:
                    self._is_opening_source = False
                    woken, self._source_waiters = self._source_waiters, []
                for each in woken:
                    each.wake()

    def _is_good(self, connection: Connection) -> bool:
        """Whether an idle connection can be given out; one that can't is closed."""
        is_good = not self._is_old(connection) and connection.is_alive()
        if is_good and self._check is not None:
            try:
                self._check(connection)
                self._make_ready(connection)
            except errors.Error:
                is_good = False
            except BaseException:
                self._discard(connection)
                raise
        if not is_good:
            self._discard(connection)
        return is_good

    def _is_old(self, connection: Connection) -> bool:
        return time.monotonic() - self._opened_s[connection] > self.max_lifetime

    def give_back(self, connection: Connection) -> None:
        """Take a connection back; what was not committed is rolled back."""
        if connection not in self._opened_s:
            raise errors.InterfaceError("this connection is not one that the pool has given out")
        try:
            is_usable = not connection.closed and not self._is_old(connection) and not self._is_closed
            if is_usable:
                self._make_ready(connection)
        except errors.Error:
            is_usable = False
        except BaseException:
            self._discard(connection)
            raise
        if not is_usable:
            self._discard(connection)
            return
        with self._mutex:
            self._used_s[connection] = time.monotonic()
            if self._waiting:
                request = self._waiting.popleft()
                request.connection = connection
                request.waiter.wake()
                return
            if not self._is_closed:
                self._idle.append(connection)
                stale = self._stale()
            else:
                stale = [connection]
        for each in stale:
            self._discard(each)

    def _stale(self) -> list[Connection]:
        """Take out those that have idled too long, as long as there are more than `min_size`; with the mutex held."""
        limit_s = time.monotonic() - self.max_idle
        spare = self._size - self.min_size
        stale = [each for each in self._idle if self._used_s[each] < limit_s][: max(0, spare)]
        self._idle = [each for each in self._idle if each not in stale]
        return stale

    def _make_ready(self, connection: Connection) -> None:
        """As it was when it was opened, as far as transactions go."""
        connection._forget_blocks()
        if connection.in_transaction:
            connection.rollback()
        connection.isolation_level, connection.read_only, connection.deferrable = self._modes
        connection.autocommit = self._autocommit

    def _discard(self, connection: Connection) -> None:
        with self._mutex:
            was_known = self._opened_s.pop(connection, None) is not None
            self._used_s.pop(connection, None)
            self._broken += 1
        try:
            connection.close()
        except errors.Error:
            pass
        finally:
            if was_known:
                self._pass_place_on()

    def _pass_place_on(self) -> None:
        """A place is free: whoever waits longest may open a connection."""
        with self._mutex:
            if self._waiting:
                self._waiting.popleft().waiter.wake()
            else:
                self._size -= 1

    # --- the whole --------------------------------------

    def open(self) -> None:
        """Have `min_size` connections; raises OperationalError when they can't be had."""
        taken = [self.take() for _ in range(self.min_size)]
        for each in taken:
            self.give_back(each)

    def _check_open(self) -> None:
        if self._is_closed:
            raise errors.InterfaceError("the pool is closed")

    def close(self) -> None:
        """Close the idle connections, and those in use when they come back; who waits gets InterfaceError.  Closing
        twice is allowed."""
        with self._mutex:
            if self._is_closed:
                return
            self._is_closed = True
            idle, self._idle = self._idle, []
            while self._waiting:
                self._waiting.popleft().waiter.wake()  # it finds the pool closed
        for each in idle:
            self._discard(each)
        if self._source is not None:
            self._source.close()

    def __enter__(self) -> Pool:
        self._check_open()
        try:
            self.open()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
