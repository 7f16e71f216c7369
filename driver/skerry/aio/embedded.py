"""A database in this process, for asyncio: each session has a thread that waits in the event loop's stead.

A task that is cancelled cancels its statement, and goes on when that has stopped: so the session is never in two calls
at once.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

from skerry.abc import ColumnInfo, Notification, Outcome, Row
from skerry.embedded import EmbeddedBackend, EmbeddedCopy, EmbeddedSource, EmbeddedStream
from skerry_engine import errors

T = TypeVar("T")


class AsyncEmbeddedSource:
    """One user's way to an engine of this process."""

    def __init__(self, source: EmbeddedSource) -> None:
        self._source = source

    @property
    def user(self) -> str:
        """Whose sessions they are."""
        return self._source.user

    @property
    def database(self) -> str:
        """The database's name."""
        return self._source.database

    async def open_backend(self) -> AsyncEmbeddedBackend:
        """Open a session."""
        return AsyncEmbeddedBackend(self._source.open_backend())

    async def close(self) -> None:
        """End this user's sessions; with the last user the engine is closed."""
        await asyncio.to_thread(self._source.close)


class AsyncEmbeddedBackend:
    """A session of an embedded engine, driven by a thread of its own."""

    def __init__(self, backend: EmbeddedBackend) -> None:
        self._backend = backend
        self._thread = ThreadPoolExecutor(1, "skerry session")

    def __del__(self) -> None:
        thread = getattr(self, "_thread", None)
        if thread is not None:
            thread.shutdown(wait=False)

    async def call(self, what: Callable[[], T]) -> T:
        """Do something in the session's thread."""
        try:
            future = asyncio.wrap_future(self._thread.submit(what))
        except RuntimeError:
            raise errors.InterfaceError("the connection is closed") from None
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            self._backend.cancel()
            with contextlib.suppress(errors.Error):
                await future
            raise

    @property
    def transaction_status(self) -> str:
        """'I', 'T' or 'E'."""
        return self._backend.transaction_status

    @property
    def is_open(self) -> bool:
        """Whether the session was neither closed nor terminated."""
        return self._backend.is_open

    @property
    def settings(self) -> dict[str, str]:
        """What a server would report."""
        return self._backend.settings

    @property
    def backend_pid(self) -> int:
        """The session's number."""
        return self._backend.backend_pid

    @property
    def address(self) -> tuple[str, int]:
        """No server's."""
        return self._backend.address

    @property
    def notices(self) -> list[str]:
        """Messages on the side, oldest first."""
        return self._backend.notices

    @property
    def notifications(self) -> list[Notification]:
        """What has arrived, oldest first."""
        return self._backend.notifications

    def is_alive(self) -> bool:
        """Raises what has ended the session."""
        return self._backend.is_alive()

    async def wait_for_notifications(self, timeout_s: float | None) -> None:
        """Return when there are some, or after the timeout."""
        future = asyncio.wrap_future(self._thread.submit(self._backend.wait_for_notifications, timeout_s))
        try:
            await asyncio.shield(future)
        except asyncio.CancelledError:
            self._backend.stop_waiting()
            with contextlib.suppress(errors.Error):
                await future
            raise

    async def execute(
        self, text: str, parameters: Sequence[object] | None = None, begin: str | None = None
    ) -> Outcome:
        """Run to the end."""
        return await self.call(partial(self._backend.execute, text, parameters, begin))

    async def execute_many(
        self, text: str, sets: Iterable[Sequence[object]], keeps_rows: bool = False
    ) -> list[Outcome]:
        """Run it for each set of parameters."""
        return await self.call(partial(self._backend.execute_many, text, sets, keeps_rows))

    async def open_stream(
        self, text: str, parameters: Sequence[object] | None, size: int, begin: str | None = None
    ) -> AsyncEmbeddedStream:
        """Begin to read a statement's rows."""
        stream = await self.call(partial(self._backend.open_stream, text, parameters, size, begin))
        return AsyncEmbeddedStream(self, stream)

    async def copy(self, text: str) -> AsyncEmbeddedCopy:
        """Begin a COPY FROM STDIN or TO STDOUT."""
        return AsyncEmbeddedCopy(self, await self.call(partial(self._backend.copy, text)))

    async def copy_out(self, text: str, write: Callable[[bytes], object]) -> None:
        """Run COPY TO STDOUT; `write` is called in the session's thread."""
        await self.call(partial(self._backend.copy_out, text, write))

    async def cancel(self) -> None:
        """Cancel what runs."""
        self._backend.cancel()

    async def close(self) -> None:
        """Close the session, when it has stopped doing what it does."""
        self._backend.cancel()
        self._backend.stop_waiting()
        try:
            await asyncio.shield(asyncio.wrap_future(self._thread.submit(self._backend.close)))
        except RuntimeError:
            return  # it is closed
        self._thread.shutdown(wait=False)


class AsyncEmbeddedStream:
    """The rows of a statement, read as they are asked for."""

    def __init__(self, backend: AsyncEmbeddedBackend, stream: EmbeddedStream) -> None:
        self._backend = backend
        self._stream = stream
        self.columns: tuple[ColumnInfo, ...] | None = stream.columns
        self._follow()

    def _follow(self) -> None:
        self.is_over: bool = self._stream.is_over
        self.tag: str = self._stream.tag
        self.row_count: int = self._stream.row_count

    async def fetch(self, size: int) -> list[Row]:
        """The next rows; none when there are no more."""
        rows = await self._backend.call(partial(self._stream.fetch, size))
        self._follow()
        return rows

    async def close(self) -> None:
        """Let go of the rows that were not read."""
        await self._backend.call(self._stream.close)
        self._follow()


class AsyncEmbeddedCopy:
    """A COPY under way."""

    def __init__(self, backend: AsyncEmbeddedBackend, copy: EmbeddedCopy) -> None:
        self._backend = backend
        self._copy = copy
        self.direction: str = copy.direction
        self.is_binary: bool = copy.is_binary

    async def write(self, data: bytes) -> None:
        """Give a piece."""
        await self._backend.call(partial(self._copy.write, data))

    async def read(self) -> list[bytes]:
        """The next pieces; none when there are no more."""
        return await self._backend.call(self._copy.read)

    async def finish(self, failure: str | None = None) -> Outcome:
        """End it."""
        return await self._backend.call(partial(self._copy.finish, failure))
