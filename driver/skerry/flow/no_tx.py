"""`resource(...)` and `no_tx(...)`: what takes part in a flow's transactions beside its database, and what does not."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine
from typing import Any, Literal, TypeVar, cast, overload

from skerry.flow.aio.resources import AsyncResource
from skerry.flow.ambient import required_scope
from skerry.flow.resources import Resource

T = TypeVar("T")


@overload
def resource(  # type: ignore[overload-overlap]  # who gives a coroutine wants the resource of asyncio's flows
    name: str,
    open: Callable[[], Coroutine[Any, Any, T]],
    *,
    shared: bool = True,
    is_async: bool | None = None,
) -> AsyncResource[T]: ...


@overload
def resource(
    name: str, open: Callable[[], T], *, shared: bool = True, is_async: Literal[True]
) -> AsyncResource[T]: ...


@overload
def resource(
    name: str, open: Callable[[], T], *, shared: bool = True, is_async: Literal[False] | None = None
) -> Resource[T]: ...


def resource(
    name: str, open: Callable[[], Any], *, shared: bool = True, is_async: bool | None = None
) -> Resource[Any] | AsyncResource[Any]:
    """A resource that `open()` opens: once per transaction if it is shared, else for each use.

    What it opens may have begin, commit, rollback, savepoint(name), rollback_to_savepoint(name),
    release_savepoint(name) and close, which are called then; with prepare(name), commit_prepared(name) and
    rollback_prepared(name) it is part of two-phase commits.  `is_async`: for asyncio's flows, as it is when `open` is
    `async def`; the methods may then be coroutines.
    """
    if is_async is None:
        is_async = inspect.iscoroutinefunction(open)
    return AsyncResource(name, open, shared) if is_async else Resource(name, open, shared)


def no_tx(participant: object) -> None:
    """Keep a database or resource out of the transaction: for as long as that lasts no begin, commit or rollback is
    sent to it, and what is done with it commits by itself.

    Raises InterfaceError outside any transaction, InvalidTransactionState when it takes part already.
    """
    cast("Any", required_scope("no_tx()")).exclude(participant)
