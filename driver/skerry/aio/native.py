"""The native interface for asyncio: what `skerry.open_async` gives.

    async with await skerry.open_async("skerry://host/db") as db:
        async with await db.begin_transaction() as tx:
            await tx.execute("UPDATE t SET v = $v WHERE id = $id", {"v": "uno", "id": 1})
            await tx.commit()

Dumps and feeds of changes are the blocking `Database`'s: call them in a thread (`asyncio.to_thread`).
Notifications come to `connect()`'s connections.
"""

from __future__ import annotations

from skerry.aio.backend import AsyncSource
from skerry.aio.loading import AsyncLoading


class AsyncDatabase(AsyncLoading):
    """An open database.  Tasks may share it."""

    @classmethod
    async def open(cls, source: AsyncSource) -> AsyncDatabase:
        """See `skerry.open_async`."""
        return cls(source, await source.open_backend())

    async def __aenter__(self) -> AsyncDatabase:
        self._sessions.check_open()
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.close()
