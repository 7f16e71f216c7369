"""Running a transaction until it succeeds: what others' transactions make fail is done again, from the start.

    attempt ──conflict──> wait 0..10 ms ──> attempt ──conflict──> wait 0..20 ms ──> attempt ...

The waits grow twofold up to a second, and each is a random part of that, so that those who met once do not meet again.

Generated from aio/retrying.py by driver/unasync.py: change that one.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import TypeVar

from skerry.connection_pool import Pool
from skerry.dbapi import Connection
from skerry.pep249 import Rollback
from skerry.primitives import sleep
from skerry_engine import errors

T = TypeVar("T")

FIRST_WAIT_S = 0.01
LONGEST_WAIT_S = 1.0


def run_transaction(
    where: Connection | Pool,
    function: Callable[[Connection], T],
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
            if isinstance(where, Pool):
                with where.connection() as connection:
                    return _run_once(connection, function, modes)
            return _run_once(where, function, modes)
        except errors.Error as problem:
            attempt += 1
            if not problem.is_retryable:
                raise
            if attempt > retries:
                problem.add_note(f"given up after {attempt} attempts")
                raise
        sleep(random.uniform(0.0, min(LONGEST_WAIT_S, FIRST_WAIT_S * 2**attempt)))


def _run_once(
    connection: Connection,
    function: Callable[[Connection], T],
    modes: tuple[str | None, bool | None, bool | None],
) -> T:
    if connection.in_transaction:
        raise errors.InvalidTransactionState("run_transaction() needs a connection outside any transaction")
    level, read_only, deferrable = modes
    block = connection.transaction(isolation_level=level, read_only=read_only, deferrable=deferrable)
    result: list[T] = []
    with block:
        result.append(function(connection))
    if not result:
        raise Rollback(block)  # which has left the block quietly: there is nothing to return
    return result[0]
