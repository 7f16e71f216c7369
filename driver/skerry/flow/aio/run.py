"""Running flows and stages: when their transaction begins, and when it commits.

    @flow(db)
    def load_all(rows):               the flow's lane: nothing open
        for row in rows:
            load(row)                 transactional: opens a scope in the lane, if none is open
            if due(): check()         not transactional: the lane's scope commits before its body runs
                                      the flow's end commits, an exception rolls back

One rule gives all rows of the semantics: entering a transactional stage opens a lazy scope if none is open; entering
any other commits the lane's open scope before its body runs; what is called inside an open scope (an inner flow, a
stage inside a stage) joins it and does neither; a stage that is skipped does nothing; the end commits or rolls back.

    Run     one call of an outermost flow: its report, its lane, and scopes that were left open
    Lane    a thread of control within it: at most one lazy scope, at most one transactional stage at a time.  The body
            of a stage that is not transactional is a lane of its own, closed by the stage's end: such stages may run
            side by side.

A stage that fails without a handler dooms its scope: whoever catches the exception cannot commit half of it by
accident.
"""

from __future__ import annotations

import contextlib
import random
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar, cast

from skerry.flow.aio.primitives import iterate, settled, sleep
from skerry.flow.aio.scope import AsyncTransactionScope
from skerry.flow.ambient import Ambient, current, enter, leave, row_index
from skerry.flow.progress import Progress, shown
from skerry.flow.report import RunReport, StageReport
from skerry.flow.retryable import is_retryable
from skerry.retrying import FIRST_WAIT_S, LONGEST_WAIT_S
from skerry_engine import errors

if TYPE_CHECKING:
    from collections.abc import (
        AsyncIterable,  # async only
        Iterable,
    )

    from skerry.flow.aio.abc import AsyncParticipant
    from skerry.flow.definitions import FlowSpec, StageSpec
    from skerry.flow.modes import Modes

T = TypeVar("T")
Arguments = tuple[Sequence[object], Mapping[str, object]]


class AsyncLane:
    """See the module."""

    def __init__(self, spec: FlowSpec) -> None:
        self.scope: AsyncTransactionScope | None = None
        self.active: str | None = None
        self._spec = spec

    @property
    def modes(self) -> Modes:
        """Of the scopes that it opens."""
        return self._spec.modes

    def open(self, report: StageReport) -> AsyncTransactionScope:
        """The lane's scope, a new one if none is open."""
        scope = self.scope
        if scope is None or not scope.is_open:
            if scope is not None and scope.cause is not None:
                scope.check_open()  # rolled back behind the flow's back, by its deadline: that must be heard
            spec = self._spec
            primary = cast("AsyncParticipant | None", spec.database)
            scope = AsyncTransactionScope(spec.modes, timeout=spec.timeout_s, primary=primary)
            self.scope = scope
        scope.report = report
        return scope

    def claim(self, name: str) -> None:
        """A transactional stage begins.  Raises ConcurrentUse while another one is under way."""
        if self.active is not None:
            raise errors.ConcurrentUse(
                f"{name} and {self.active} run at once in one flow, and would share its transaction",
                hint="Run them one after the other, or use branches (parallel).",
            )
        self.active = name

    async def commit(self, name: str) -> None:
        """A commit point: commit what is open."""
        if self.scope is not None:
            if self.active is not None:
                raise errors.ConcurrentUse(f"{name} would commit the transaction in which {self.active} runs")
            scope, self.scope = self.scope, None
            await scope.commit()

    async def roll_back(self, cause: BaseException) -> None:
        """Roll back what is open."""
        scope, self.scope = self.scope, None
        if scope is not None:
            await scope.rollback(cause)


class AsyncRun:
    """One call of an outermost flow."""

    def __init__(self, spec: FlowSpec) -> None:
        self.spec = spec
        self.report = RunReport(spec.name)
        self.left_open: list[AsyncTransactionScope] = []

    async def roll_back_left_open(self) -> None:
        """Roll back scopes that an error left open (`rollback_on_error=False`) and nobody ended."""
        for scope in self.left_open:
            await scope.rollback()


# --- flows ------------------------------------------------------------------------------------------------------


async def call_flow(
    spec: FlowSpec,
    args: Sequence[object],
    kwargs: Mapping[str, object],
    reports: list[RunReport] | None = None,
) -> object:
    """Call a flow: a run of its own, or part of the run and the transaction that surround it."""
    here = current()
    if here is not None:
        return await _call_inner(spec, here, args, kwargs)
    attempt = 0
    while True:
        run = AsyncRun(spec)
        if reports is not None:
            reports.append(run.report)
        try:
            return await _call_outermost(run, args, kwargs)
        except errors.FlowError as problem:
            attempt += 1
            is_over = attempt > spec.retries or run.report.commits or not problem.is_retryable
            if is_over or (spec.is_alone and problem.stage is not None):
                raise
        await sleep(_pause_s(attempt))


async def call_flow_if_none(spec: FlowSpec, args: Sequence[object]) -> object:
    """Call what is part of the flow around it; outside any it is one."""
    if current() is None:
        return await call_flow(spec, args, {})
    return await settled(spec.function(*args))


async def _call_outermost(run: AsyncRun, args: Sequence[object], kwargs: Mapping[str, object]) -> object:
    spec = run.spec
    lane = AsyncLane(spec)
    token = enter(Ambient(run, lane, None, run.report.body))
    row_token = row_index.set(None)
    started_s = time.perf_counter()
    try:
        try:
            value = await settled(spec.function(*args, **kwargs))
            await lane.commit(spec.name)
            return value
        except BaseException as problem:
            run.report.error = problem
            await lane.roll_back(problem)
            if isinstance(problem, Exception):
                named = _named(problem, spec.name, None)
                named.report = run.report
                raise named from _cause(problem)
            raise
        finally:
            await run.roll_back_left_open()
    finally:
        run.report.seconds = time.perf_counter() - started_s
        row_index.reset(row_token)
        leave(token)


async def _call_inner(
    spec: FlowSpec, here: Ambient, args: Sequence[object], kwargs: Mapping[str, object]
) -> object:
    """Join: nothing is closed at its end."""
    scope = _scope_here(here)
    function = spec.function
    lane = here.lane
    if scope is None:
        if isinstance(lane, AsyncLane):
            spec.check_joins(lane.modes)
        return await _named_call(spec.name, function, args, kwargs)
    spec.check_joins(scope.modes)
    if lane is not None:
        lane.claim(f"flow {spec.name}")
    depth = await scope.enter()
    token = enter(Ambient(here.run, None, scope, here.report, here.stage))
    try:
        value = await _named_call(spec.name, function, args, kwargs)
    except BaseException:
        leave(token)
        await scope.undo(depth)
        raise
    else:
        leave(token)
        await scope.leave(depth)
        return value
    finally:
        if lane is not None:
            lane.active = None


async def _named_call(
    name: str,
    function: Callable[..., object],
    args: Sequence[object],
    kwargs: Mapping[str, object],
) -> object:
    try:
        return await settled(function(*args, **kwargs))
    except Exception as problem:
        raise _named(problem, name, None) from _cause(problem)


def _scope_here(here: Ambient) -> AsyncTransactionScope | None:
    scope = here.open_scope()
    if scope is None or isinstance(scope, AsyncTransactionScope):
        return scope
    raise errors.InterfaceError("blocking code and asyncio can't share a transaction")


# --- stages -----------------------------------------------------------------------------------------------------


async def call_stage(stage: StageSpec, args: Sequence[object], kwargs: Mapping[str, object]) -> object:
    """Call a stage; outside any flow it is a flow of its own."""
    here = current()
    if here is None:
        return await call_flow(stage.alone(), args, kwargs)
    run = here.run
    report = StageReport(stage.name) if run is None else run.report.stage(stage.name)
    lane = here.lane
    report.calls += 1
    started_s = time.perf_counter()
    try:
        if lane is None:
            scope = _scope_here(here)
            if scope is not None:
                return await _attempts(stage, here, report, scope, None, args, kwargs)
            return await _outside(stage, here, report, args, kwargs)
        if not isinstance(lane, AsyncLane):
            raise errors.InterfaceError(f"stage {stage.name} is asyncio's, its flow is not")
        if not stage.tx:
            await lane.commit(f"stage {stage.name}")
            return await _outside(stage, here, report, args, kwargs)
        lane.claim(f"stage {stage.name}")
        try:
            scope = lane.open(report)
            scope.check_open()
            return await _attempts(stage, here, report, scope, lane, args, kwargs)
        finally:
            lane.active = None
    except Exception as problem:
        report.errors += 1
        raise _named(problem, None if run is None else run.spec.name, stage.name) from _cause(problem)
    finally:
        report.took(time.perf_counter() - started_s)


async def _outside(
    stage: StageSpec, here: Ambient, report: StageReport, args: Sequence[object], kwargs: Mapping[str, object]
) -> object:
    """The body of a stage that is not transactional: a lane of its own."""
    attempt = 0
    while True:
        lane = AsyncLane(here.run.spec if here.run is not None else stage.alone())
        token = enter(Ambient(here.run, lane, None, report, stage.name))
        try:
            value = await settled(stage.function(*args, **kwargs))
            await lane.commit(f"stage {stage.name}")
            return value
        except BaseException as problem:
            await lane.roll_back(problem)
            attempt += 1
            if isinstance(problem, Exception):
                if not (attempt <= stage.retries and stage.is_retried(problem)):
                    await _handle(stage, here, problem)
                    return None
            else:
                raise
        finally:
            leave(token)
        report.retries += 1
        await sleep(_pause_s(attempt))


async def _attempts(
    stage: StageSpec,
    here: Ambient,
    report: StageReport,
    scope: AsyncTransactionScope,
    lane: AsyncLane | None,
    args: Sequence[object],
    kwargs: Mapping[str, object],
) -> object:
    """The body of a stage inside a scope; undone before it is tried again, or its handler asked.

    What the transaction as a whole has met (a conflict with others) can be tried again only where the stage is all
    that there is in it.
    """
    is_first = lane is not None and not scope.is_used
    inside = Ambient(here.run, None, scope, report, stage.name)
    function = stage.function
    attempt = 0
    while True:
        depth = await scope.enter() if stage.is_guarded and not is_first else None
        token = enter(inside)
        try:
            value = await settled(function(*args, **kwargs))
        except Exception as problem:
            leave(token)
            attempt += 1
            if not await _undone(scope, depth, is_first and stage.is_guarded, problem):
                raise
            may_retry = is_first or not isinstance(problem, errors.Error)
            if not (attempt <= stage.retries and may_retry and stage.is_retried(problem)):
                await _handle(stage, here, problem, scope)
                return None
        except BaseException as problem:
            leave(token)
            scope.doom(problem)
            raise
        else:
            leave(token)
            if depth is not None:
                await scope.leave(depth)
            return cast("object", value)
        report.retries += 1
        await sleep(_pause_s(attempt))


async def _undone(scope: AsyncTransactionScope, depth: int | None, resets: bool, problem: Exception) -> bool:
    """Undo what a failed attempt has written; False, and the scope doomed, where that can't be done."""
    if not scope.is_open:
        return False
    if depth is not None:
        with contextlib.suppress(errors.Error):
            await scope.undo(depth)
            return True
        return False
    if resets and scope.cause is None:
        await scope.reset()
        return True
    scope.doom(problem)
    return False


async def _handle(
    stage: StageSpec, here: Ambient, problem: Exception, scope: AsyncTransactionScope | None = None
) -> None:
    """Ask the handler; returns when the flow is to go on."""
    named = _named(problem, None if here.run is None else here.run.spec.name, stage.name)
    try:
        if stage.on_error is not None and await settled(stage.on_error(named)):
            return
    except BaseException as worse:
        if scope is not None:
            scope.doom(worse)
        raise
    if scope is not None:
        scope.doom(problem)
    raise named from _cause(problem)


# --- rows -------------------------------------------------------------------------------------------------------


async def call_each(
    rows: Iterable[T] | AsyncIterable[T],
    function: Callable[[T], object],
    commit_every: int | None,
    progress: Progress,
) -> int:
    """Call it for each row; how many.  Every so many rows the lane's scope commits, where one is open that is the
    flow's own."""
    here = current()
    lane = here.lane if here is not None else None
    count = 0
    outer = row_index.get()
    try:
        with shown(progress, rows, getattr(function, "name", "each")) as show:
            async for row in iterate(rows):
                row_index.set(count)
                await settled(function(row))
                count += 1
                if commit_every is not None and count % commit_every == 0 and isinstance(lane, AsyncLane):
                    await lane.commit("each")
                if show is not None:
                    show(count)
    finally:
        row_index.set(outer)
    return count


# --- errors -----------------------------------------------------------------------------------------------------


def _named(problem: Exception, flow: str | None, stage: str | None) -> errors.FlowError:
    """The error with the names of where it happened; of one that has them already, the innermost stay."""
    if isinstance(problem, errors.FlowError):
        if problem.flow is None and flow is not None:
            return problem.within(flow)
        return problem
    return errors.FlowError(problem, flow, stage, row_index.get(), is_retryable=is_retryable(problem))


def _cause(problem: Exception) -> BaseException | None:
    return problem.cause if isinstance(problem, errors.FlowError) else problem


def _pause_s(attempt: int) -> float:
    return random.uniform(0.0, min(LONGEST_WAIT_S, FIRST_WAIT_S * 2**attempt))
