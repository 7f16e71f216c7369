"""One suite, four worlds: embedded or over the network, blocking or on an event loop."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.awaited import Awaited
from support.databases import drop_database
from support.postgres_server import Address

import skerry


def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run tests that are coroutines."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    names = pyfuncitem._fixtureinfo.argnames
    asyncio.run(_with_world(pyfuncitem.obj, {name: pyfuncitem.funcargs[name] for name in names}))
    return True


async def _with_world(test: Any, arguments: dict[str, Any]) -> None:
    try:
        await test(**arguments)
    finally:
        for each in arguments.values():
            if isinstance(each, World):
                await each.close()


class World:
    """Where a database is, and how one talks to it."""

    def __init__(self, target: str, is_blocking: bool) -> None:
        self.target = target
        self.is_blocking = is_blocking
        self.is_network = target.startswith("skerry://")
        self._made: list[Any] = []

    async def connect(self, **keywords: Any) -> Any:
        """Another connection, closed at the end."""
        made: Any
        if self.is_blocking:
            made = Awaited(skerry.connect(self.target, **keywords))
        else:
            made = await skerry.connect_async(self.target, **keywords)
        self._made.append(made)
        return made

    def pool(self, **keywords: Any) -> Any:
        """A pool, closed at the end."""
        made: Any = (
            Awaited(skerry.Pool(self.target, **keywords))
            if self.is_blocking
            else skerry.AsyncPool(self.target, **keywords)
        )
        self._made.append(made)
        return made

    async def close(self) -> None:
        """Close what was made."""
        for each in self._made:
            await each.close()
        self._made.clear()


@pytest.fixture(params=["embedded", "network", "embedded async", "network async"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    """An empty database, in all worlds."""
    yield from _made(request, tmp_path)


@pytest.fixture(params=["embedded async", "network async"])
def loop_world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    """An empty database, on event loops."""
    yield from _made(request, tmp_path)


def _made(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    is_blocking = not request.param.endswith("async")
    if request.param.startswith("embedded"):
        yield World(str(tmp_path / "data"), is_blocking)
        return
    address: Address = request.getfixturevalue("skerry_server")
    server = f"skerry://{address.user}@{address.host}:{address.port}"
    name = f"world_{abs(hash(request.node.nodeid)) % 10**9}"
    with skerry.open(f"{server}/postgres") as admin:
        admin.execute(f"CREATE DATABASE {name}")
        yield World(f"{server}/{name}", is_blocking)
        drop_database(admin, name)
