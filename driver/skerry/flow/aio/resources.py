"""Resources of flows that are not databases: files, SFTP, queues, HTTP.

    sftp = resource("sftp", open=connect, shared=True)      one per transaction, opened by the first call
    http = resource("http", open=connect, shared=False)     one per call

    with sftp.use() as handle: ...

A shared one takes part in the transaction with those of the methods begin, commit, rollback, savepoint, prepare that
its handle has, and is closed when the transaction has ended.  Outside any transaction each use opens and closes its
own.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Generic, TypeVar, cast

from skerry.flow.aio.abc import AsyncMember
from skerry.flow.aio.blocks import joinable_scope
from skerry.flow.aio.primitives import settled
from skerry.flow.modes import Modes

T = TypeVar("T")


class AsyncResource(Generic[T]):
    """See the module."""

    def __init__(self, name: str, opens: Callable[[], object], shared: bool) -> None:
        self.name = name
        self.shared = shared
        self._opens = opens

    def __repr__(self) -> str:
        return f"<{'shared ' if self.shared else ''}resource {self.name}>"

    @contextlib.asynccontextmanager
    async def use(self) -> AsyncIterator[T]:
        """The transaction's handle, or one for this block."""
        scope = joinable_scope() if self.shared else None
        if scope is not None:
            member = await scope.use(self)
            assert isinstance(member, _HandleMember)
            yield cast("T", member.handle)
            return
        handle = await settled(self._opens())
        try:
            yield cast("T", handle)
        finally:
            await _send(handle, "close")

    async def enlist(self, modes: Modes, sends: bool) -> AsyncMember:
        """See `AsyncParticipant`."""
        handle = await settled(self._opens())
        if sends:
            try:
                await _send(handle, "begin")
            except BaseException:
                await _send(handle, "close")
                raise
        return _HandleMember(self.name, handle, sends)


class _HandleMember:
    """What was opened, within one transaction."""

    is_database = False
    survives_interruption = True

    def __init__(self, name: str, handle: object, sends: bool) -> None:
        self.name = name
        self.handle = handle
        self._sends = sends
        phases = ("prepare", "commit_prepared", "rollback_prepared")
        has_nothing = not sends or not hasattr(handle, "commit")
        self.is_two_phase = has_nothing or all(hasattr(handle, each) for each in phases)

    async def _tell(self, method: str, *arguments: object) -> None:
        if self._sends:
            await _send(self.handle, method, *arguments)

    async def commit(self) -> None:
        """Commit, if the handle can."""
        await self._tell("commit")

    async def rollback(self) -> None:
        """Roll back, if the handle can."""
        await self._tell("rollback")

    async def savepoint(self, name: str) -> None:
        """Mark this point, if the handle can."""
        await self._tell("savepoint", name)

    async def release_savepoint(self, name: str) -> None:
        """Forget the mark."""
        await self._tell("release_savepoint", name)

    async def rollback_to_savepoint(self, name: str) -> None:
        """Undo what came after the mark, if the handle can."""
        await self._tell("rollback_to_savepoint", name)

    async def prepare(self, name: str) -> None:
        """The first phase."""
        await self._tell("prepare", name)

    async def commit_prepared(self, name: str) -> None:
        """The second phase."""
        await self._tell("commit_prepared", name)

    async def rollback_prepared(self, name: str) -> None:
        """Give up what was prepared."""
        await self._tell("rollback_prepared", name)

    async def cancel(self) -> None:
        """Cancel what runs, if the handle can."""
        await self._tell("cancel")

    async def close(self, is_usable: bool) -> None:
        """Close the handle."""
        await _send(self.handle, "close")

    def abandon(self) -> None:
        """Close the handle, if that needs no waiting."""
        close = getattr(self.handle, "close", None)
        if close is not None:
            waiting = close()
            if hasattr(waiting, "close"):
                waiting.close()


async def _send(handle: object, method: str, *arguments: object) -> None:
    """Call a method of a handle that has it."""
    found = getattr(handle, method, None)
    if found is not None:
        await settled(found(*arguments))
