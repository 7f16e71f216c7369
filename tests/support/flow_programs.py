"""Programs of flows (`flow_model`), really run.

Generated from aio/flow_programs.py by driver/unasync.py: change that one.
"""

from __future__ import annotations

import itertools
from typing import Any

from skerry import flow
from skerry.flow import each, stage
from support.flow_world import World


class Interpreter:
    """Run a program; `has_failed` says how it ended."""

    def __init__(self, world: World, program: list[Any]) -> None:
        self.has_failed = False
        self._world = world
        self._program = program
        self._keys = itertools.count()

    def run(self) -> Interpreter:
        """Run it."""

        @flow.flow(self._world.db)
        def program() -> None:
            self._steps(self._program)

        try:
            program()
        except flow.FlowError:
            self.has_failed = True
        return self

    def _steps(self, program: list[Any]) -> None:
        for step in program:
            getattr(self, f"_{step[0]}")(*step[1:])

    def _insert(self) -> None:
        self._world.insert(next(self._keys))

    def _fail(self) -> None:
        raise ValueError("wanted")

    def _loop(self, times: int, body: list[Any]) -> None:
        for _ in range(times):
            self._steps(body)

    def _each(self, times: int, tx: bool, commit_every: int | None) -> None:
        @stage(tx=tx)
        def load(row: int) -> None:
            self._insert()

        each(range(times), load, commit_every=commit_every)

    def _stage(self, tx: bool, handler: bool | None, body: list[Any]) -> None:
        on_error = None if handler is None else lambda problem: handler

        @stage(tx=tx, on_error=on_error)
        def part() -> None:
            self._steps(body)

        part()

    def _flow(self, caught: bool, body: list[Any]) -> None:
        @flow.flow()
        def inner() -> None:
            self._steps(body)

        try:
            inner()
        except Exception:
            if not caught:
                raise

    def _block(self, savepoint: bool, caught: bool, body: list[Any]) -> None:
        try:
            with self._world.db.transaction(savepoint=savepoint):
                self._steps(body)
        except Exception:
            if not caught:
                raise
