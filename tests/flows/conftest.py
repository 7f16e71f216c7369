"""Flows are tested on every database, blocking and in asyncio: a test that is `async def` runs on those of asyncio.

Whatever a test does, when it is over every connection is back in its pool.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from support.aio.flow_world import AsyncWorld
from support.builds import with_our_own
from support.flow_backends import (
    ASYNCIO,
    BLOCKING,
    CREATE,
    NOWHERE,
    Places,
    asyncio_connector,
    blocking_connector,
)
from support.flow_world import TABLE, World


@pytest.fixture(scope="session")
def runner() -> Iterator[asyncio.Runner]:
    """The event loop of all asyncio tests."""
    with asyncio.Runner() as running:
        yield running


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run tests that are `async def`."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    names = pyfuncitem._fixtureinfo.argnames
    arguments = {name: pyfuncitem.funcargs[name] for name in names}
    pyfuncitem._request.getfixturevalue("runner").run(pyfuncitem.obj(**arguments))
    return True


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """On every database, or on those that the test's `backends` attribute wants."""
    if "world" in metafunc.fixturenames and not hasattr(metafunc.module, "world"):  # unless it has its own
        names = ASYNCIO if inspect.iscoroutinefunction(metafunc.function) else BLOCKING
        is_wanted = getattr(metafunc.function, "backends", lambda name: True)
        wanted = with_our_own([name for name in names if is_wanted(name)], ["skerry"])
        metafunc.parametrize("world", wanted, indirect=True)


@pytest.fixture(scope="session")
def worlds(
    request: pytest.FixtureRequest, runner: asyncio.Runner, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[str, bool], Any]]:
    """Databases, opened by their first use."""
    opened: dict[tuple[str, bool], Any] = {}
    places = Places(
        lambda: request.getfixturevalue("skerry_server"),
        lambda: request.getfixturevalue("postgres"),
        tmp_path_factory.mktemp("flows"),
    )

    def get(name: str, is_asyncio: bool) -> Any:
        if (name, is_asyncio) not in opened:
            if is_asyncio:
                made: Any = AsyncWorld(name, *runner.run(asyncio_connector(name, places)))
                for sql in (f"DROP TABLE IF EXISTS {TABLE}", CREATE):
                    runner.run(made.db.execute(sql))
            else:
                made = World(name, *blocking_connector(name, places))
                for sql in (f"DROP TABLE IF EXISTS {TABLE}", CREATE):
                    made.db.execute(sql)
            opened[name, is_asyncio] = made
        return opened[name, is_asyncio]

    yield get
    for (_, is_asyncio), world in opened.items():
        if is_asyncio:
            runner.run(world.db.close())
        else:
            world.db.close()
    places.close()


@pytest.fixture
def world(
    request: pytest.FixtureRequest, worlds: Callable[[str, bool], Any], runner: asyncio.Runner
) -> Iterator[Any]:
    """A database with an empty table."""
    is_asyncio = inspect.iscoroutinefunction(request.function)
    found = worlds(request.param, is_asyncio)
    if is_asyncio:
        runner.run(found.db.execute(f"DELETE FROM {TABLE}"))
    else:
        found.db.execute(f"DELETE FROM {TABLE}")
    found.recorder.start_anew()
    yield found
    if is_asyncio:
        runner.run(_settle())
    assert found.db.in_use == 0, "a connection is not back in its pool"


@pytest.fixture
def other(request: pytest.FixtureRequest, runner: asyncio.Runner) -> Iterator[Any]:
    """Another database, which is Skerry's."""
    if inspect.iscoroutinefunction(request.function):
        there = runner.run(asyncio_connector("skerry-embedded", NOWHERE))
        found: Any = AsyncWorld("other", *there)
        runner.run(found.db.execute(CREATE))
    else:
        found = World("other", *blocking_connector("skerry-embedded", NOWHERE))
        found.db.execute(CREATE)
    found.recorder.start_anew()
    yield found
    in_use = found.db.in_use
    if inspect.iscoroutinefunction(request.function):
        runner.run(found.db.close())
    else:
        found.db.close()
    assert in_use == 0, "a connection is not back in its pool"


async def _settle() -> None:
    """Let tasks that were told to end do so; there must be none afterwards."""
    await asyncio.sleep(0)
    left = asyncio.all_tasks() - {asyncio.current_task()}
    if left:
        _, left = await asyncio.wait(left, timeout=2)
    assert not left, left
