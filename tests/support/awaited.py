"""The blocking driver under the names of the asyncio one, so that one suite of tests runs on both.

await connection.execute(...)      on a `skerry.AsyncConnection` what it says; on an `Awaited(connection)` the
async with pool.connection() as c  blocking call, at once
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import skerry

_AT_ONCE = {
    *("cursor", "transaction", "copy", "connection", "stats", "is_alive", "xid", "set_types", "rows"),
    *("setinputsizes", "setoutputsize"),
    *("transaction_scope", "add", "add_all", "expunge", "on_commit", "on_rollback"),
}
"""What is called, not awaited, in the asyncio driver, too."""

_WRAPPED = (
    skerry.Connection,
    skerry.Cursor,
    skerry.TransactionBlock,
    skerry.Copy,
    skerry.Pool,
)


def awaited(value: Any) -> Any:
    """The value; of the driver's own classes, under the other names."""
    if isinstance(value, _WRAPPED) or hasattr(value, "__enter__"):
        return Awaited(value)
    return value


def _plain(value: Any) -> Any:
    return value._inner if isinstance(value, Awaited) else value


class Awaited:
    """One object of the blocking driver."""

    _inner: Any

    def __init__(self, inner: Any) -> None:
        object.__setattr__(self, "_inner", inner)

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._inner, name)
        if not callable(value) or isinstance(value, type):
            return awaited(value)
        if name in _AT_ONCE:
            return lambda *arguments, **keywords: _iterated(value(*arguments, **keywords))
        return _later(value)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._inner, name, value)

    async def __aenter__(self) -> Any:
        return awaited(self._inner.__enter__())

    async def __aexit__(self, *exception: Any) -> Any:
        return self._inner.__exit__(*exception)

    async def __aiter__(self) -> AsyncIterator[Any]:
        for each in self._inner:
            yield each


def _later(function: Callable[..., Any]) -> Callable[..., Any]:
    async def call(*arguments: Any, **keywords: Any) -> Any:
        return awaited(function(*[_plain(each) for each in arguments], **keywords))

    return call


def _iterated(value: Any) -> Any:
    """A generator as an asynchronous one."""
    if not hasattr(value, "__next__") or isinstance(value, _WRAPPED):
        return awaited(value)

    async def each() -> AsyncIterator[Any]:
        for item in value:
            yield item

    return each()
