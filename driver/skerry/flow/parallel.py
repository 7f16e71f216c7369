"""Events worked on side by side, each over the version that it is of, and committed as one transaction.

    def apply(branch, event):
        stock = branch.get("stock", event.new["sku"])
        branch.set("stock", {**stock, "left": stock["left"] - event.new["pieces"]})

    parallel(db.changes(since=epoch, wait=False), apply, threads=4, database=db)

    events    e0      e1      e2      e3 ...
               │       │       │       │           pool threads, each with a copy of the caller's context
            branch  branch  branch  branch
               └───────┴───────┴───────┴──> merged in the order of events ──> one commit

Merging follows the order of events, whichever is done first; a few more than there are threads are under way at a
time.  The first failure, by order of events, ends the whole: those that have not begun do not begin, the others are
waited for, and nothing is committed.

What `apply` reads and writes goes through its branch.  Two events that write one key are BranchOverlap: divide events
so that they do not (one per key, the last one wins), or work on them one after the other.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from typing import Any, NamedTuple, TypeVar

from skerry.aio.native import AsyncDatabase
from skerry.flow.aio.scope import AsyncTransactionScope
from skerry.flow.ambient import current_scope
from skerry.flow.branch import FlowTransaction
from skerry.flow.database import FlowDatabase
from skerry.flow.parents import AsyncMember, Marked, Parent
from skerry.flow.retryable import is_retryable
from skerry.flow.scope import TransactionScope
from skerry.native import Database
from skerry_engine.errors import FlowError, InterfaceError

E = TypeVar("E")
R = TypeVar("R")

AHEAD = 4
"""Events under way for each thread: enough to keep them busy while merges go in order."""


def version_of(event: object) -> int | None:
    """The version that an event is of: its `version`, else its `epoch`, as changes of a feed have it."""
    found: int | None = getattr(event, "version", None)
    return getattr(event, "epoch", None) if found is None else found


def parallel(
    events: Iterable[E],
    apply: Callable[[FlowTransaction, E], R],
    threads: int = 4,
    at: Callable[[E], int | None] = version_of,
    *,
    parent: Parent | None = None,
    database: Database | FlowDatabase | None = None,
) -> list[R]:
    """Call `apply(branch, event)` for each event, in threads; what the calls gave, in the order of events.

    `at` says which version an event's branch reads (None: the parent's).  Merged into `parent`, which commits when it
    likes; without one a transaction of `database` is begun for it, and committed; without both it is the surrounding
    transaction.

    Raises FlowError with the index of the event whose call or merge failed first: nothing is committed then, and what
    was merged into an open parent is undone.
    """
    if threads < 1:
        raise ValueError("it takes 1 thread or more")
    if parent is not None:
        return _merged(parent, events, apply, threads, at, threading.Event())
    if database is None:
        scope = current_scope()
        if not isinstance(scope, TransactionScope):
            raise InterfaceError("parallel() needs a parent, a database, or a transaction that surrounds it")
        return _merged(scope, events, apply, threads, at, threading.Event())
    transaction = database.begin_transaction()
    with transaction:
        results = _merged(transaction, events, apply, threads, at, threading.Event())
        transaction.commit()
    return results


async def parallel_async(
    events: Iterable[E],
    apply: Callable[[FlowTransaction, E], Any],
    threads: int = 4,
    at: Callable[[E], int | None] = version_of,
    *,
    parent: Parent | AsyncTransactionScope | None = None,
    database: AsyncDatabase | Database | FlowDatabase | None = None,
) -> list[Any]:
    """As `parallel`, without keeping the event loop: `apply` runs in threads, or is a coroutine function, whose
    coroutines run in the loop, as many at a time as there are threads.

    Cancelling it waits for the calls that have begun, and rolls back.
    """
    loop = asyncio.get_running_loop()
    is_coroutine = asyncio.iscoroutinefunction(apply)
    work: Callable[[FlowTransaction, E], Any] = partial(_in_loop, loop, apply) if is_coroutine else apply
    if parent is None and database is None:
        parent = current_scope()
        if parent is None:
            raise InterfaceError(
                "parallel_async() needs a parent, a database, or a transaction that surrounds it"
            )
    if isinstance(parent, AsyncTransactionScope):
        member = await AsyncMember.of(parent)
        with parent._turn:
            return await _in_thread(partial(_merged, member, events, work, threads, at))
    if isinstance(database, AsyncDatabase) and parent is None:
        transaction = await database.begin_transaction()
        async with transaction:
            results = await _in_thread(partial(_merged, transaction, events, work, threads, at))
            await transaction.commit()
        return results
    if parent is None:
        assert isinstance(database, Database | FlowDatabase), "an AsyncDatabase was dealt with"
        begun: Any = await asyncio.to_thread(database.begin_transaction)
        try:
            results = await _in_thread(partial(_merged, begun, events, work, threads, at))
            await asyncio.to_thread(begun.commit)
        finally:
            await asyncio.to_thread(begun.__exit__, None, None, None)
        return results
    return await _in_thread(partial(_merged, parent, events, work, threads, at))


def _in_loop(
    loop: asyncio.AbstractEventLoop, apply: Callable[..., Any], branch: FlowTransaction, event: object
) -> Any:
    """Run a coroutine function's coroutine in the loop, from a thread."""
    return asyncio.run_coroutine_threadsafe(apply(branch, event), loop).result()


async def _in_thread(call: Callable[[threading.Event], list[R]]) -> list[R]:
    """Make a call that stops when it is told to, in a thread."""
    stop = threading.Event()
    task = asyncio.ensure_future(asyncio.to_thread(call, stop))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        stop.set()
        with contextlib.suppress(Exception):
            await task
        raise


# --- the work -----------------------------------------------------------------------------------------------


class _Begun(NamedTuple):
    """An event under way."""

    number: int
    branch: FlowTransaction
    future: Future[Any]


class _Stopped(Exception):
    """The task that waits for the whole was cancelled."""


_numbers = itertools.count(1)


def _merged(
    parent: Parent,
    events: Iterable[E],
    apply: Callable[[FlowTransaction, E], R],
    threads: int,
    at: Callable[[E], int | None],
    stop: threading.Event,
) -> list[R]:
    """Work on the events, and merge their branches into the parent; undone as a whole where that fails."""
    with (
        Marked(parent, f"skerry_parallel_{next(_numbers)}"),
        ThreadPoolExecutor(threads, "skerry parallel") as pool,
    ):
        results: list[R] = []
        under_way: deque[_Begun] = deque()
        try:
            for begun in _begun(parent, events, apply, at, pool):
                under_way.append(begun)
                if len(under_way) >= threads * AHEAD:
                    results.append(_settled(under_way.popleft(), stop))
            while under_way:
                results.append(_settled(under_way.popleft(), stop))
        except BaseException:
            _give_up(under_way)
            raise
        return results


def _begun(
    parent: Parent,
    events: Iterable[E],
    apply: Callable[[FlowTransaction, E], R],
    at: Callable[[E], int | None],
    pool: ThreadPoolExecutor,
) -> Iterator[_Begun]:
    """Begin work on one event after the other."""
    for index, event in enumerate(events):
        try:
            branch = FlowTransaction(parent, at(event), name=f"event {index}")
        except Exception as problem:
            raise _failure(problem, index) from problem
        yield _Begun(index, branch, pool.submit(copy_context().run, apply, branch, event))


def _settled(begun: _Begun, stop: threading.Event) -> Any:
    """Wait for an event's work, and merge it; what it gave."""
    try:
        if stop.is_set():
            raise _Stopped
        with begun.branch as branch:
            result = begun.future.result()
            branch.commit()
            return result
    except Exception as problem:
        raise _failure(problem, begun.number) from problem


def _give_up(under_way: deque[_Begun]) -> None:
    """Let what has not begun be, wait for the rest, and close branches."""
    for begun in under_way:
        begun.future.cancel()
    for begun in under_way:
        with contextlib.suppress(BaseException):
            begun.future.result()
        begun.branch.close()


def _failure(problem: Exception, index: int) -> FlowError:
    return FlowError(problem, None, f"parallel, event {index}", is_retryable=is_retryable(problem))
