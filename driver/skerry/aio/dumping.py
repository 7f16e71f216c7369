"""A dump for asyncio: it runs in a thread, and its statements on the event loop's session."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

from skerry.abc import Outcome
from skerry.aio.backend import AsyncBackend
from skerry.dump import DumpOptions
from skerry.dump import dump as blocking_dump

T = TypeVar("T")


class _LoopSession:
    """The session, as the dump's thread has it."""

    def __init__(self, backend: AsyncBackend) -> None:
        self._backend = backend
        self._loop = asyncio.get_running_loop()

    def _wait(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def execute(self, text: str, parameters: Sequence[object] | None = None) -> Outcome:
        """Run a statement."""
        return self._wait(self._backend.execute(text, parameters))

    def copy_out(self, text: str, write: Callable[[bytes], object]) -> None:
        """Run COPY ... TO STDOUT."""
        self._wait(self._backend.copy_out(text, write))


async def dump(backend: AsyncBackend, write: Callable[[bytes], object], options: DumpOptions) -> list[str]:
    """As `skerry.dump.dump`.  A task that is cancelled cancels the statement, and with it the dump."""
    work = asyncio.ensure_future(asyncio.to_thread(blocking_dump, _LoopSession(backend), write, options))
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        while not work.done():
            await backend.cancel()
            await asyncio.wait([work], timeout=0.05)
        if not work.cancelled():
            work.exception()  # heard: the cancellation says it
        raise
