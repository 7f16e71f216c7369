"""Finding a server that can be reached, of those that an address names."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from skerry.aio.server_session import AsyncServerSession
from skerry.targets import PREFER_STANDBY, Target, fits
from skerry_engine import errors


async def reach(
    target: Target, connect: Callable[[str, int], Awaitable[AsyncServerSession]]
) -> AsyncServerSession:
    """A session with the first server that answers and is as `target_session_attrs` wants it.

    Raises ConnectionFailure saying where it was tried; at once what a server that answers refuses (a wrong password).
    """
    tried: list[str] = []
    wanted = target.session_attributes
    for attributes in ("standby", "any") if wanted == PREFER_STANDBY else (wanted,):
        for host, port in target.hosts:
            try:
                session = await connect(host, port)
            except (errors.ConnectionFailure, errors.CannotConnectNow) as problem:
                tried.append(f"{host}:{port}: {problem}")
                continue
            if fits(session.settings, attributes):
                return session
            tried.append(f"{host}:{port}: the server is not {attributes}")
            await session.close()
    raise errors.ConnectionFailure(f"can't connect to {'; '.join(dict.fromkeys(tried))}")
