"""From what `connect_async` and pools are told to a database that sessions can be opened on."""

from __future__ import annotations

import asyncio
import os
from functools import partial

from skerry.aio.backend import AsyncSource
from skerry.aio.network import AsyncNetworkSource
from skerry.opening import settings_of
from skerry.targets import EngineOptions, parse_target


async def open_source(
    target: str | os.PathLike[str],
    user: str | None,
    database: str | None,
    timeout_s: float | None,
    connect_timeout_s: float | None,
    options: dict[str, str] | None,
    engine_options: EngineOptions | None = None,
) -> AsyncSource:
    """A database in this process, or a server's."""
    address = parse_target(target, user, database)
    settings = settings_of(timeout_s, options)
    if address.path is None:
        if engine_options is not None:
            engine_options.refuse_for_server()
        limit_s = timeout_s if connect_timeout_s is None else connect_timeout_s
        return AsyncNetworkSource(address, settings, limit_s)
    from skerry.aio.embedded import AsyncEmbeddedSource
    from skerry.embedded import EmbeddedSource

    opening = partial(EmbeddedSource, address, settings, engine_options or EngineOptions())
    return AsyncEmbeddedSource(await asyncio.to_thread(opening))
