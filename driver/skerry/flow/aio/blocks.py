"""`db.transaction(...)`: a block, or a function, that is one transaction, or part of the one that is open.

outermost block    begins by its first statement, commits on a clean exit, rolls back on an exception
inner block        joins, with a savepoint: an exception undoes it alone, if somebody outside catches it
savepoint=False    joins without: an exception inside dooms the whole
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from skerry.flow.aio.abc import AsyncParticipant
from skerry.flow.aio.primitives import IS_ASYNC
from skerry.flow.aio.run import AsyncRun
from skerry.flow.aio.scope import AsyncTransactionScope
from skerry.flow.ambient import Ambient, current, current_scope, enter, leave
from skerry.flow.modes import Modes
from skerry_engine import errors

if TYPE_CHECKING:
    from contextvars import Token

P = ParamSpec("P")
R = TypeVar("R")


class AsyncTransactionBlock:
    """See the module.  Each use is a transaction, or part of one, of its own."""

    def __init__(
        self,
        database: AsyncParticipant,
        modes: Modes,
        *,
        is_level_asked: bool = False,
        timeout: float | None = None,
        rollback_on_error: bool = True,
        savepoint: bool = True,
    ) -> None:
        self._database = database
        self._modes = modes
        self._is_level_asked = is_level_asked
        self._timeout_s = timeout
        self._rolls_back = rollback_on_error
        self._savepoint = savepoint
        self._entered: list[tuple[AsyncTransactionScope, Token[Ambient | None], int | None, bool]] = []

    async def __aenter__(self) -> AsyncTransactionScope:
        outer = joinable_scope()
        if outer is None or outer.excludes(self._database):
            scope = self._new_scope()
            self._entered.append((scope, enter(Ambient.inside(scope)), None, True))
            return scope
        check_joins(outer, self._modes if self._is_level_asked else None, self._timeout_s)
        depth = await outer.enter() if self._savepoint else None
        self._entered.append((outer, enter(Ambient.inside(outer)), depth, False))
        return outer

    def _new_scope(self) -> AsyncTransactionScope:
        here = current()
        run = here.run if here is not None else None
        if not self._rolls_back and not isinstance(run, AsyncRun):
            raise errors.InterfaceError(
                "rollback_on_error=False needs a flow around it, whose end rolls back what was left open"
            )
        scope = AsyncTransactionScope(
            self._modes, timeout=self._timeout_s, rollback_on_error=self._rolls_back, primary=self._database
        )
        if here is not None:
            scope.report = here.report
        if isinstance(run, AsyncRun) and not self._rolls_back:
            run.left_open.append(scope)
        return scope

    async def __aexit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        scope, token, depth, is_outermost = self._entered.pop()
        leave(token)
        if is_outermost:
            await self._end(scope, exception)
        elif exception is None:
            if depth is not None:
                await scope.leave(depth)
        elif depth is not None:
            await scope.undone(depth, exception)
        else:
            scope.doom(exception)

    async def _end(self, scope: AsyncTransactionScope, exception: BaseException | None) -> None:
        if exception is None:
            if scope.is_open or scope.cause is not None:
                await scope.commit()
        elif self._rolls_back or not isinstance(exception, Exception):
            await scope.rollback(exception)

    def __call__(self, function: Callable[P, Awaitable[R]]) -> Callable[P, Awaitable[R]]:
        """A function each of whose calls is such a block."""
        check_kind(function)

        @functools.wraps(function)
        async def inside(*args: P.args, **kwargs: P.kwargs) -> R:
            async with self._again():
                return await function(*args, **kwargs)

        return inside

    def _again(self) -> AsyncTransactionBlock:
        return AsyncTransactionBlock(
            self._database,
            self._modes,
            is_level_asked=self._is_level_asked,
            timeout=self._timeout_s,
            rollback_on_error=self._rolls_back,
            savepoint=self._savepoint,
        )


def joinable_scope() -> AsyncTransactionScope | None:
    """The scope that is open here.  Raises InterfaceError for one of the other world (blocking, asyncio)."""
    found = current_scope()
    if found is None or isinstance(found, AsyncTransactionScope):
        return found
    raise errors.InterfaceError("blocking code and asyncio can't share a transaction")


def check_joins(scope: AsyncTransactionScope, modes: Modes | None, timeout_s: float | None) -> None:
    """Raise InvalidTransactionState for a block that asks for other modes than those of the transaction it joins."""
    if modes is not None:
        modes.check_joins(scope.modes)
    if timeout_s is not None:
        raise errors.InvalidTransactionState(
            "a block that joins a transaction can't have a timeout of its own"
        )


def check_kind(function: Callable[..., object]) -> None:
    """Raise InterfaceError for a generator, and for a function of the other world."""
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise errors.InterfaceError(
            f"{function.__qualname__} is a generator: exceptions of the loop's body would not reach it"
        )
    if IS_ASYNC and not inspect.iscoroutinefunction(function):
        raise errors.InterfaceError(f"{function.__qualname__} is not `async def`, its database is asyncio's")
    if not IS_ASYNC and inspect.iscoroutinefunction(function):
        raise errors.InterfaceError(f"{function.__qualname__} is `async def`, its database is not")
