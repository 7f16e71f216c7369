"""What type checkers say of flows: checked with the rest by `mypy --strict`, where an ignored error that is none is one,
too.  Stages and flows keep the types of their functions; what is asyncio's is awaited."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import assert_type

from skerry import flow
from skerry.flow import AsyncFlowDatabase, FlowDatabase, FlowError, TransactionScope, each, resource, stage


class Handle:
    """What a resource opens."""


def on_error(problem: FlowError) -> bool:
    """A handler."""
    return problem.is_retryable


def blocking(db: FlowDatabase) -> None:
    """The blocking half."""

    @stage(tx=True, on_error=on_error, retries=1)
    def load(key: int, text: str = "") -> float:
        return key + len(text)

    @stage
    def check() -> None:
        """It does nothing."""

    @flow.flow(db, isolation="serializable", timeout=1.5)
    def run(rows: list[int]) -> str:
        assert_type(load(1, text="x"), float)
        assert_type(each(rows, load, commit_every=10), int)
        check()
        return "done"

    @db.transaction()
    def inside(key: int) -> str:
        return str(key)

    assert_type(run([1]), str)
    assert_type(run.run([1]).value, str)
    assert_type(load.marked(False)(2), float)
    assert_type(inside(3), str)
    with db.transaction(read_only=True) as tx:
        assert_type(tx, TransactionScope)
    with resource("handle", Handle).use() as handle:
        assert_type(handle, Handle)
    load("x")  # type: ignore[arg-type]
    load(1, 2)  # type: ignore[arg-type]
    run()  # type: ignore[call-arg]
    inside("x")  # type: ignore[arg-type]


async def asyncio_half(db: AsyncFlowDatabase, more: AsyncIterator[int]) -> None:
    """The asyncio half."""

    @stage(tx=True)
    async def load(key: int) -> float:
        return key / 2

    @flow.flow(db)
    async def run(rows: list[int]) -> str:
        assert_type(await load(1), float)
        assert_type(await each(rows, load), int)
        assert_type(await each(more, load), int)
        return "done"

    @db.transaction()
    async def inside(key: int) -> str:
        return str(key)

    async def opened() -> Handle:
        return Handle()

    assert_type(await run([1]), str)
    assert_type((await run.run_async([1])).value, str)
    assert_type(await inside(3), str)
    async with resource("handle", opened).use() as handle:
        assert_type(handle, Handle)
    await load("x")  # type: ignore[arg-type]
    load(1) + 1  # type: ignore[operator]


class Loader:
    """Methods keep theirs, too."""

    @stage(tx=True)
    def load(self, key: int) -> float:
        """A stage."""
        return key / 2

    @flow.flow()
    def run(self, rows: list[int]) -> int:
        """A flow."""
        assert_type(self.load(1), float)
        self.load("x")  # type: ignore[arg-type]
        return each(rows, self.load)


def methods(loader: Loader) -> tuple[int, Callable[[int], float]]:
    """Bound and unbound."""
    assert_type(loader.run([1]), int)
    assert_type(Loader.load(loader, 1), float)
    loader.run(1)  # type: ignore[arg-type]
    return loader.run.run([1]).value, loader.load
