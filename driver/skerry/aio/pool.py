"""The sessions that a Database keeps for its own statements.

    execute ── take ──> backend.execute ──> settle ──> the session is idle again
                 |                              |
                 └─ none idle: open one         └─ rolled back if something was left open; closed if it is broken

The session used last is taken first, so that settings made with `execute("SET ...")` stay in effect for whoever uses
the Database from one thread.  Threads may share a pool; a session is one thread's at a time.
"""

from __future__ import annotations

import threading

from skerry.abc import Outcome
from skerry.aio.backend import AsyncBackend, AsyncSource
from skerry.parameters import Parameters, from_native
from skerry_engine import errors


class AsyncSessionPool:
    """Idle sessions of one source, which it closes with itself."""

    def __init__(self, source: AsyncSource, first: AsyncBackend) -> None:
        self.source = source
        self._lock = threading.Lock()
        self._idle: list[AsyncBackend] = [first]
        self._is_closed = False

    async def execute(self, statement: str, parameters: Parameters | None) -> Outcome:
        """Execute a statement that commits by itself.  Raises InvalidTransactionState for a BEGIN that is left open."""
        text, values = from_native(statement, parameters)
        backend = await self.take()
        try:
            outcome = await backend.execute(text, values)
            if backend.transaction_status != "I":
                raise errors.InvalidTransactionState(
                    "a transaction needs begin_transaction(), or SQL that also ends it"
                )
            await refuse_listening(backend, outcome)
        finally:
            await self.settle(backend)
        return outcome

    def check_open(self) -> None:
        """Raise InterfaceError once the pool is closed."""
        if self._is_closed:
            raise errors.InterfaceError("the database is closed")

    async def take(self) -> AsyncBackend:
        """A session that nothing else uses: the one used last."""
        with self._lock:
            self.check_open()
            while self._idle:
                backend = self._idle.pop()
                if backend.is_open:
                    return backend
        return await self.source.open_backend()

    async def settle(self, backend: AsyncBackend) -> None:
        """Take a session back, rolled back if something was left open; a broken one is closed."""
        try:
            if backend.transaction_status != "I":
                await backend.execute("ROLLBACK")
        except errors.Error:
            await backend.close()
            return
        if backend.is_open:
            await self._give_back(backend)

    async def _give_back(self, backend: AsyncBackend) -> None:
        with self._lock:
            if not self._is_closed:
                self._idle.append(backend)
                return
        await backend.close()

    async def close(self) -> None:
        """Close the idle sessions and the source; closing twice is allowed."""
        with self._lock:
            if self._is_closed:
                return
            self._is_closed = True
            idle, self._idle = self._idle, []
        for backend in idle:
            await backend.close()
        await self.source.close()


async def refuse_listening(backend: AsyncBackend | None, outcome: Outcome) -> None:
    """Sessions are shared by whatever runs next: what came to one would reach nobody."""
    if outcome.tag == "LISTEN" and backend is not None:
        await backend.execute("UNLISTEN *")
        raise errors.InterfaceError("LISTEN needs a session of its own: use Database.listen()")
