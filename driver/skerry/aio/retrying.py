"""Running a transaction until it succeeds: what others' transactions make fail is done again, from the start.

    attempt ──conflict──> wait 0..10 ms ──> attempt ──conflict──> wait 0..20 ms ──> attempt ...

The waits grow twofold up to a second, and each is a random part of that, so that those who met once do not meet again.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

from skerry.aio.connection_pool import AsyncPool
from skerry.aio.dbapi import AsyncConnection
from skerry.aio.primitives import sleep
from skerry.pep249 import Rollback
from skerry_engine import errors

T = TypeVar("T")

FIRST_WAIT_S = 0.01
LONGEST_WAIT_S = 1.0


async def run_transaction_async(
    where: AsyncConnection | AsyncPool,
    function: Callable[[AsyncConnection], Awaitable[T]],
    *,
    retries: int = 10,
    isolation_level: str | None = None,
    read_only: bool | None = None,
    deferrable: bool | None = None,
) -> T:
    """Run `function(connection)` in a transaction, and commit; what it returns.

    An error whose `is_retryable` is true (a conflict, a deadlock, a timeout) has it run again, at most `retries` times:
    so the function should do nothing that a rollback does not undo.  With a pool each attempt may get another
    connection.  Raises the last error, with a note on how many attempts there were; InvalidTransactionState for a
    connection that is inside a transaction, and the function's own Rollback.
    """
    modes = (isolation_level, read_only, deferrable)
    attempt = 0
    while True:
        try:
            if isinstance(where, AsyncPool):
                async with where.connection() as connection:
                    return await _run_once(connection, function, modes)
            return await _run_once(where, function, modes)
        except errors.Error as problem:
            attempt += 1
            if not problem.is_retryable:
                raise
            if attempt > retries:
                problem.add_note(f"given up after {attempt} attempts")
                raise
        await sleep(random.uniform(0.0, min(LONGEST_WAIT_S, FIRST_WAIT_S * 2**attempt)))


async def _run_once(
    connection: AsyncConnection,
    function: Callable[[AsyncConnection], Awaitable[T]],
    modes: tuple[str | None, bool | None, bool | None],
) -> T:
    if connection.in_transaction:
        raise errors.InvalidTransactionState("run_transaction() needs a connection outside any transaction")
    level, read_only, deferrable = modes
    block = connection.transaction(isolation_level=level, read_only=read_only, deferrable=deferrable)
    result: list[T] = []
    async with block:
        result.append(await function(connection))
    if not result:
        raise Rollback(block)  # which has left the block quietly: there is nothing to return
    return result[0]
