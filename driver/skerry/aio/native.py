"""The native interface for asyncio: what `skerry.open_async` gives.

    async with await skerry.open_async("skerry://host/db") as db:
        async with await db.begin_transaction() as tx:
            await tx.execute("UPDATE t SET v = $v WHERE id = $id", {"v": "uno", "id": 1})
            await tx.commit()

All that a blocking `Database` can do, this one can.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import datetime
from typing import IO, cast

from skerry.aio.backend import AsyncSource
from skerry.aio.changes import AsyncChanges
from skerry.aio.dumping import dump
from skerry.aio.listening import AsyncListener
from skerry.aio.loading import AsyncLoading
from skerry.aio.network import AsyncNetworkSource
from skerry.backing_up import Backup, backup_sql
from skerry.change_rows import Token
from skerry.dump import DumpOptions, as_writer
from skerry_engine import errors


class AsyncDatabase(AsyncLoading):
    """An open database.  Tasks may share it."""

    @classmethod
    async def open(cls, source: AsyncSource) -> AsyncDatabase:
        """See `skerry.open_async`."""
        return cls(source, await source.open_backend())

    async def dump(
        self,
        stream: IO[bytes] | IO[str],
        *,
        schema: bool = True,
        data: bool = True,
        tables: Sequence[str] = (),
        inserts: bool = False,
        graphs: bool = True,
        roles: bool = False,
    ) -> list[str]:
        """See `Database.dump`.  The stream is written to by another thread, or by the event loop's."""
        session = await self._sessions.take()
        try:
            options = DumpOptions(schema, data, tuple(tables), inserts, graphs, roles)
            return await dump(session, as_writer(stream), options)
        finally:
            await self._sessions.settle(session)

    async def listen(self, *channels: str) -> AsyncListener:
        """Listen to channels, from now on: gives what iterates over, or waits for, their notifications."""
        if not channels:
            raise errors.InterfaceError("listen() needs a channel")
        self._sessions.check_open()
        return await AsyncListener.open(await self._source.open_backend(), channels)

    async def changes(
        self,
        since: int | Token | None = None,
        tables: Sequence[str] | None = None,
        *,
        wait: bool = True,
        timeout: float | None = None,
    ) -> AsyncChanges:
        """Every committed change after `since`, in the order of commits, then those that are committed next; see
        `Database.changes`."""
        self._sessions.check_open()
        return await AsyncChanges.open(await self._source.open_backend(), since, tables, wait, timeout)

    async def backup(self, path: str | os.PathLike[str]) -> Backup:
        """See `Database.backup`."""
        text = backup_sql(path, is_elsewhere=isinstance(self._source, AsyncNetworkSource))
        return Backup(*cast("tuple[int, int, datetime | None]", (await self.execute(text)).one()))

    async def __aenter__(self) -> AsyncDatabase:
        self._sessions.check_open()
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.close()
