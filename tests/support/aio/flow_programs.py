"""Programs of flows (`flow_model`), really run."""

from __future__ import annotations

import itertools
from typing import Any

from skerry import flow
from skerry.flow import each, stage
from support.aio.flow_world import AsyncWorld


class AsyncInterpreter:
    """Run a program; `has_failed` says how it ended."""

    def __init__(self, world: AsyncWorld, program: list[Any]) -> None:
        self.has_failed = False
        self._world = world
        self._program = program
        self._keys = itertools.count()

    async def run(self) -> AsyncInterpreter:
        """Run it."""

        @flow.flow(self._world.db)
        async def program() -> None:
            await self._steps(self._program)

        try:
            await program()
        except flow.FlowError:
            self.has_failed = True
        return self

    async def _steps(self, program: list[Any]) -> None:
        for step in program:
            await getattr(self, f"_{step[0]}")(*step[1:])

    async def _insert(self) -> None:
        await self._world.insert(next(self._keys))

    async def _fail(self) -> None:
        raise ValueError("wanted")

    async def _loop(self, times: int, body: list[Any]) -> None:
        for _ in range(times):
            await self._steps(body)

    async def _each(self, times: int, tx: bool, commit_every: int | None) -> None:
        @stage(tx=tx)
        async def load(row: int) -> None:
            await self._insert()

        await each(range(times), load, commit_every=commit_every)

    async def _stage(self, tx: bool, handler: bool | None, body: list[Any]) -> None:
        on_error = None if handler is None else lambda problem: handler

        @stage(tx=tx, on_error=on_error)
        async def part() -> None:
            await self._steps(body)

        await part()

    async def _flow(self, caught: bool, body: list[Any]) -> None:
        @flow.flow()
        async def inner() -> None:
            await self._steps(body)

        try:
            await inner()
        except Exception:
            if not caught:
                raise

    async def _block(self, savepoint: bool, caught: bool, body: list[Any]) -> None:
        try:
            async with self._world.db.transaction(savepoint=savepoint):
                await self._steps(body)
        except Exception:
            if not caught:
                raise
