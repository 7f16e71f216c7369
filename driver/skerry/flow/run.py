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

Generated from aio/run.py by driver/unasync.py: change that one.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar, cast

from skerry.flow.ambient import Ambient, current, enter, leave, row_index
from skerry.flow.primitives import iterate, settled, sleep, to_the_end
from skerry.flow.progress import Progress, shown
from skerry.flow.report import RunReport, StageReport
from skerry.flow.retryable import is_retryable
from skerry.flow.scope import TransactionScope
from skerry.flow.scope_state import Frame
from skerry.flow.turn import Turn
from skerry.retrying import FIRST_WAIT_S, LONGEST_WAIT_S
from skerry_engine import errors

if TYPE_CHECKING:
    from collections.abc import (
        Iterable,
    )

    from skerry.flow.abc import Participant
    from skerry.flow.definitions import FlowSpec, StageSpec
    from skerry.flow.modes import Modes

T = TypeVar("T")
Arguments = tuple[Sequence[object], Mapping[str, object]]


class Lane:
    """See the module."""

    def __init__(self, spec: FlowSpec) -> None:
        self.scope: TransactionScope | None = None
        self.active: str | None = None
        self.is_over = False
        self._spec = spec
        self._claims = Turn()

    @property
    def modes(self) -> Modes:
        """Of the scopes that it opens."""
        return self._spec.modes

    def open(self, report: StageReport) -> TransactionScope:
        """The lane's scope, a new one if none is open."""
        self.check_open()
        scope = self.scope
        if scope is None or not scope.is_open:
            if scope is not None and scope.cause is not None:
                scope.check_open()  # rolled back behind the flow's back, by its deadline: that must be heard
            spec = self._spec
            primary = cast("Participant | None", spec.database)
            scope = TransactionScope(spec.modes, timeout=spec.timeout_s, primary=primary)
            self.scope = scope
        scope.report = report
        return scope

    def check_open(self) -> None:
        """Raise InvalidTransactionState when the flow, or stage, has ended: for tasks that outlive it."""
        if self.is_over:
            raise errors.InvalidTransactionState(
                f"flow {self._spec.name} has ended: what it started must end before it does"
            )

    def claim(self, name: str) -> None:
        """A transactional stage begins.  Raises ConcurrentUse while another one is under way."""
        if not self._claims.take():
            raise errors.ConcurrentUse(
                f"{name} and {self.active or 'another'} run at once in one flow, and would share its transaction",
                hint="Run them one after the other, or use branches (parallel).",
            )
        self.active = name

    def release(self) -> None:
        """It has ended."""
        self.active = None
        self._claims.leave()

    def commit(self, name: str) -> None:
        """A commit point: commit what is open."""
        self.check_open()
        if self.scope is not None:
            if self.active is not None:
                raise errors.ConcurrentUse(f"{name} would commit the transaction in which {self.active} runs")
            scope, self.scope = self.scope, None
            scope.commit()

    def end(self, name: str) -> None:
        """Commit what is open; the lane is over."""
        self.commit(name)
        self.is_over = True

    def roll_back(self, cause: BaseException) -> None:
        """Roll back what is open."""
        scope, self.scope = self.scope, None
        if scope is not None:
            scope.rollback(cause)


class Run:
    """One call of an outermost flow."""

    def __init__(self, spec: FlowSpec) -> None:
        self.spec = spec
        self.report = RunReport(spec.name)
        self.left_open: list[TransactionScope] = []
        self.has_written_alone = False
        """Whether a statement has committed by itself."""

    @property
    def has_committed(self) -> bool:
        """Whether anything stays, however it goes on."""
        return self.has_written_alone or self.report.commits > 0

    def roll_back_left_open(self, cause: BaseException | None) -> None:
        """Roll back scopes that an error left open (`rollback_on_error=False`) and nobody ended."""
        while self.left_open:
            self.left_open.pop().rollback(cause)


# --- flows ------------------------------------------------------------------------------------------------------


def call_flow(
    spec: FlowSpec,
    args: Sequence[object],
    kwargs: Mapping[str, object],
    reports: list[RunReport] | None = None,
) -> object:
    """Call a flow: a run of its own, or part of the run and the transaction that surround it."""
    here = current()
    if here is not None:
        if reports is not None:
            reports.append(here.run.report if here.run is not None else RunReport(spec.name))
        return _call_inner(spec, here, args, kwargs)
    attempt = 0
    while True:
        run = Run(spec)
        if reports is not None:
            reports.append(run.report)
        try:
            return _call_outermost(run, args, kwargs)
        except errors.FlowError as problem:
            attempt += 1
            is_over = attempt > spec.retries or run.has_committed or not problem.is_retryable
            if is_over or (spec.is_alone and problem.stage is not None):
                raise
        sleep(_pause_s(attempt))


def call_flow_if_none(spec: FlowSpec, args: Sequence[object]) -> object:
    """Call what is part of the flow around it; outside any it is one."""
    if current() is None:
        return call_flow(spec, args, {})
    return settled(spec.function(*args))


def _call_outermost(run: Run, args: Sequence[object], kwargs: Mapping[str, object]) -> object:
    spec = run.spec
    lane = Lane(spec)
    token = enter(Ambient(run, lane, None, run.report.body))
    row_token = row_index.set(None)
    started_s = time.perf_counter()
    try:
        value = settled(spec.function(*args, **kwargs))
        lane.end(spec.name)
        if run.left_open:
            to_the_end(run.roll_back_left_open(None))
        return value
    except BaseException as problem:
        run.report.error = problem
        lane.is_over = True
        lane.roll_back(problem)
        to_the_end(run.roll_back_left_open(problem))
        if isinstance(problem, Exception):
            named = _named(problem, spec.name, None)
            named.report = run.report
            raise named from _cause(problem)
        raise
    finally:
        run.report.seconds = time.perf_counter() - started_s
        row_index.reset(row_token)
        leave(token)


def _call_inner(
    spec: FlowSpec, here: Ambient, args: Sequence[object], kwargs: Mapping[str, object]
) -> object:
    """Join: nothing is closed at its end."""
    scope = _scope_here(here)
    function = spec.function
    lane = here.lane
    if scope is None:
        if not isinstance(lane, Lane):
            return _named_call(spec.name, function, args, kwargs)
        spec.check_joins(lane.modes)
        try:
            return _named_call(spec.name, function, args, kwargs)
        except BaseException as problem:
            lane.roll_back(problem)  # nothing was open: what is now was begun inside
            raise
    spec.check_joins(scope.modes)
    if lane is not None:
        lane.claim(f"flow {spec.name}")
    try:
        depth = scope.enter()
        token = enter(Ambient(here.run, None, scope, here.report, here.stage))
        try:
            value = _named_call(spec.name, function, args, kwargs)
        except BaseException as problem:
            leave(token)
            scope.undone(depth, problem)
            raise
        leave(token)
        scope.leave(depth)
        return value
    finally:
        if lane is not None:
            lane.release()


def _named_call(
    name: str,
    function: Callable[..., object],
    args: Sequence[object],
    kwargs: Mapping[str, object],
) -> object:
    try:
        return settled(function(*args, **kwargs))
    except Exception as problem:
        raise _named(problem, name, None) from _cause(problem)


def _scope_here(here: Ambient) -> TransactionScope | None:
    scope = here.open_scope()
    if scope is None or isinstance(scope, TransactionScope):
        return scope
    raise errors.InterfaceError("blocking code and asyncio can't share a transaction")


# --- stages -----------------------------------------------------------------------------------------------------


def call_stage(stage: StageSpec, args: Sequence[object], kwargs: Mapping[str, object]) -> object:
    """Call a stage; outside any flow it is a flow of its own."""
    here = current()
    if here is None:
        return call_flow(stage.alone(), args, kwargs)
    run = here.run
    report = StageReport(stage.name) if run is None else run.report.stage(stage.name)
    lane = here.lane
    report.calls += 1
    started_s = time.perf_counter()
    try:
        if lane is None:
            scope = _scope_here(here)
            if scope is not None:
                return _attempts(stage, here, report, scope, None, args, kwargs)
            return _outside(stage, here, report, args, kwargs)
        if not isinstance(lane, Lane):
            raise errors.InterfaceError(
                f"of stage {stage.name} and its flow one is `def` and the other is not"
            )
        if not stage.tx:
            lane.commit(f"stage {stage.name}")
            return _outside(stage, here, report, args, kwargs)
        lane.claim(f"stage {stage.name}")
        try:
            scope = lane.open(report)
            scope.check_open()
            return _attempts(stage, here, report, scope, lane, args, kwargs)
        finally:
            lane.release()
    except Exception as problem:
        report.errors += 1
        raise _named(problem, None if run is None else run.spec.name, stage.name) from _cause(problem)
    finally:
        report.took(time.perf_counter() - started_s)


def _outside(
    stage: StageSpec, here: Ambient, report: StageReport, args: Sequence[object], kwargs: Mapping[str, object]
) -> object:
    """The body of a stage that is not transactional: a lane of its own."""
    attempt = 0
    while True:
        lane = Lane(here.run.spec if here.run is not None else stage.alone())
        token = enter(Ambient(here.run, lane, None, report, stage.name))
        try:
            value = settled(stage.function(*args, **kwargs))
            lane.end(f"stage {stage.name}")
        except Exception as problem:
            lane.roll_back(problem)
            failure = problem
        except BaseException as interruption:
            lane.roll_back(interruption)
            raise
        else:
            return value
        finally:
            lane.is_over = True
            leave(token)
        attempt += 1
        if attempt > stage.retries or not stage.is_retried(failure):
            _handle(stage, here, failure)
            return None
        report.retries += 1
        sleep(_pause_s(attempt))


def _attempts(
    stage: StageSpec,
    here: Ambient,
    report: StageReport,
    scope: TransactionScope,
    lane: Lane | None,
    args: Sequence[object],
    kwargs: Mapping[str, object],
) -> object:
    """The body of a stage inside a scope; undone before it is tried again, or its handler asked.

    What the transaction as a whole has met (a conflict with others) can be tried again only where the stage is all
    that there is in it.
    """
    is_guarded = stage.is_guarded
    is_first = lane is not None and not scope.is_used
    inside = Ambient(here.run, None, scope, report, stage.name)
    function = stage.function
    attempt = 0
    while True:
        has_left = False
        depth = scope.enter() if is_guarded and not is_first else None
        start = scope.mark() if is_guarded and is_first else None
        token = enter(inside)
        try:
            value = settled(function(*args, **kwargs))
            if depth is not None:
                has_left = True
                scope.leave(depth)
            elif start is not None and scope.cause is not None:
                scope.check_open()
            leave(token)
            return cast("object", value)
        except Exception as problem:
            leave(token)
            failure = problem
        except BaseException as interruption:
            leave(token)
            if depth is None:
                scope.doom(interruption)
            elif not has_left:
                scope.undone(depth, interruption)
            raise
        attempt += 1
        if has_left:  # undone already, if it could be
            is_undone = scope.is_open and scope.cause is None
        else:
            is_undone = _undone(scope, depth, start, failure)
        if not is_undone:
            raise failure
        if not (attempt <= stage.retries and stage.is_retried(failure) and (is_first or _is_own(failure))):
            _handle(stage, here, failure, inside)
            return None
        report.retries += 1
        sleep(_pause_s(attempt))


def _is_own(problem: Exception) -> bool:
    """Whether it is an error of the stage's own, rather than one of a database, whose transaction has met it."""
    return not is_retryable(problem)


def _undone(scope: TransactionScope, depth: int | None, start: Frame | None, problem: Exception) -> bool:
    """Undo what a failed attempt has written; False, and the scope doomed, where that can't be done."""
    if depth is not None:
        return scope.undone(depth, problem) and scope.is_open
    if start is not None and not scope.is_lost:
        scope.reset(start, problem)
        return True
    scope.doom(problem)
    return False


def _handle(stage: StageSpec, here: Ambient, problem: Exception, inside: Ambient | None = None) -> None:
    """Ask the handler, which is part of the stage; returns when the flow is to go on."""
    named = _named(problem, None if here.run is None else here.run.spec.name, stage.name)
    scope = cast("TransactionScope", inside.scope) if inside is not None else None
    token = None if inside is None else enter(inside)
    try:
        if stage.on_error is not None and settled(stage.on_error(named)):
            return
    except BaseException as worse:
        if scope is not None:
            scope.doom(worse)
        raise
    finally:
        if token is not None:
            leave(token)
    if scope is not None:
        scope.doom(problem)
    raise named from _cause(problem)


# --- rows -------------------------------------------------------------------------------------------------------


def call_each(
    rows: Iterable[T] | Iterable[T],
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
            for row in iterate(rows):
                row_index.set(count)
                settled(function(row))
                count += 1
                if commit_every is not None and count % commit_every == 0 and isinstance(lane, Lane):
                    lane.commit("each")
                if show is not None:
                    show(count)
    except Exception as problem:
        if here is None or here.run is None:
            raise
        raise _named(problem, here.run.spec.name, None) from _cause(problem)
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
