"""What the rules say that a program of flows leaves behind: a small model, which knows no database.

A program is a tree: ("insert",), ("fail",), ("stage", tx, handler, body), ("flow", caught, body), ("block", savepoint,
caught, body), ("loop", times, body), ("each", times, tx, commit_every).  `handler` is None, True or False.
"""

from __future__ import annotations

import itertools
from typing import Any

Program = list[Any]


class Failed(Exception):
    """Something in the program has failed."""


class _Scope:
    def __init__(self) -> None:
        self.rows: list[int] = []
        self.is_used = False
        self.depth = 0
        self.doomed_at: int | None = None

    def check(self) -> None:
        if self.doomed_at is not None:
            raise Failed

    def doom(self) -> None:
        if self.doomed_at is None:
            self.doomed_at = self.depth


class _Lane:
    def __init__(self) -> None:
        self.scope: _Scope | None = None


class Model:
    """Run it; `rows` are those that are committed, `commits` how many transactions that wrote something were."""

    def __init__(self, program: Program) -> None:
        self.rows: list[int] = []
        self.commits = 0
        self._keys = itertools.count()
        lane = _Lane()
        self.has_failed = False
        try:
            self._run(program, lane)
            self._commit(lane)
        except Failed:
            self.has_failed = True

    def _commit(self, lane: _Lane) -> None:
        scope, lane.scope = lane.scope, None
        if scope is not None:
            self._end(scope)

    def _end(self, scope: _Scope) -> None:
        scope.check()
        self.rows += scope.rows
        self.commits += scope.is_used

    def _run(self, program: Program, here: _Lane | _Scope) -> None:
        for step in program:
            getattr(self, f"_{step[0]}")(here, *step[1:])

    def _insert(self, here: _Lane | _Scope) -> None:
        key = next(self._keys)
        scope = here.scope if isinstance(here, _Lane) else here
        if scope is None:
            self.rows.append(key)
            return
        scope.check()
        scope.rows.append(key)
        scope.is_used = True

    def _fail(self, here: _Lane | _Scope) -> None:
        raise Failed

    def _loop(self, here: _Lane | _Scope, times: int, body: Program) -> None:
        for _ in range(times):
            self._run(body, here)

    def _each(self, here: _Lane | _Scope, times: int, tx: bool, commit_every: int | None) -> None:
        for count in range(1, times + 1):
            self._stage(here, tx, None, [("insert",)])
            if commit_every is not None and count % commit_every == 0 and isinstance(here, _Lane):
                self._commit(here)

    def _stage(self, here: _Lane | _Scope, tx: bool, handler: bool | None, body: Program) -> None:
        if isinstance(here, _Scope):
            self._inside(here, handler, body, False)
        elif tx:
            if here.scope is None:
                here.scope = _Scope()
            here.scope.check()
            self._inside(here.scope, handler, body, not here.scope.is_used)
        else:
            self._commit(here)
            lane = _Lane()
            try:
                self._run(body, lane)
                self._commit(lane)
            except Failed:
                if not handler:
                    raise

    def _inside(self, scope: _Scope, handler: bool | None, body: Program, is_first: bool) -> None:
        if handler is None:
            try:
                self._run(body, scope)
            except Failed:
                scope.doom()
                raise
            return
        try:
            self._nested(scope, body)
        except Failed:
            if is_first and scope.doomed_at is None:
                scope.is_used = False
            if not handler:
                scope.doom()
                raise
            scope.check()

    def _nested(self, scope: _Scope, body: Program) -> None:
        """A part that is undone if it fails."""
        scope.check()
        kept = len(scope.rows)
        scope.depth += 1
        try:
            self._run(body, scope)
            scope.check()
        except Failed:
            del scope.rows[kept:]
            if scope.doomed_at is not None and scope.doomed_at >= scope.depth:
                scope.doomed_at = None
            raise
        finally:
            scope.depth -= 1

    def _flow(self, here: _Lane | _Scope, caught: bool, body: Program) -> None:
        try:
            scope = here.scope if isinstance(here, _Lane) else here
            if scope is not None:
                self._nested(scope, body)
                return
            try:
                self._run(body, here)
            except Failed:
                assert isinstance(here, _Lane)
                here.scope = None
                raise
        except Failed:
            if not caught:
                raise

    def _block(self, here: _Lane | _Scope, savepoint: bool, caught: bool, body: Program) -> None:
        try:
            scope = here.scope if isinstance(here, _Lane) else here
            if scope is None:
                scope = _Scope()
                self._run(body, scope)
                self._end(scope)
            elif savepoint:
                self._nested(scope, body)
            else:
                try:
                    self._run(body, scope)
                except Failed:
                    scope.doom()
                    raise
        except Failed:
            if not caught:
                raise
