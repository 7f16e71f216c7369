"""Running a workflow: its levels one after the other, the units of a level each for itself.

    workflow ── a flow: its errors, its report, joining what surrounds it
      level
        node                      a session of its own, given back at its end; a function is a lane of its own
        scope ──────────────────> one TransactionScope, ambient while its nodes run, one after the other
          node, node ...          use it without being handed it
          savepoint, inner scope  nested blocks of it
          commit or rollback      its end

Inside a transaction that surrounds the whole, everything runs one after the other in that, and scopes are savepoints.

Invariants
-   A scope that was begun is committed or rolled back when its unit ends, whatever happens, and its session is back.
-   When a unit fails, the others of its level run to their ends, then the run stops: so asyncio and threads, which run
    them at the same time or in turn, leave the same behind.
-   What takes something from a node that was skipped is skipped.

Generated from aio/runner.py by driver/unasync.py: change that one.
"""

from __future__ import annotations

import contextlib
import functools
import random
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from skerry.flow.ambient import Ambient, current, enter, leave
from skerry.flow.blocks import check_joins, joinable_scope
from skerry.flow.database import FlowDatabase
from skerry.flow.definitions import FlowSpec
from skerry.flow.primitives import IS_ASYNC, settled, sleep
from skerry.flow.report import RunReport, StageReport
from skerry.flow.retryable import is_retryable
from skerry.flow.run import Lane, call_flow
from skerry.flow.scope import TransactionScope
from skerry.flow.workflows.nodes import (
    SQL,
    FunctionCall,
    Node,
    SavepointEnd,
    SavepointNode,
    ScopeEnd,
    ScopeStart,
)
from skerry.flow.workflows.operations import Operation
from skerry.flow.workflows.plan import ScopeUnit, Unit, nodes_of
from skerry.flow.workflows.references import INPUTS, WHOLE
from skerry.flow.workflows.together import together
from skerry.flow.workflows.workflow import Results
from skerry.isolation import READ_COMMITTED
from skerry.retrying import FIRST_WAIT_S, LONGEST_WAIT_S
from skerry_engine import errors

if TYPE_CHECKING:
    from skerry.flow.workflows.workflow import Handler, Workflow


def run(
    workflow: Workflow, database: FlowDatabase, inputs: Mapping[str, object], on_error: Handler | None
) -> Results:
    """Run a workflow; see `Workflow.run`."""
    if not isinstance(database, FlowDatabase):
        raise errors.InterfaceError(f"a {FlowDatabase.__name__} is needed, not {type(database).__name__}")
    for node in workflow.nodes.values():
        if isinstance(node.action, ScopeStart):
            database.connector.check(node.action.modes)
        if not IS_ASYNC and isinstance(node.action, FunctionCall) and node.action.is_async:
            raise errors.InterfaceError(f"node {node.id} is a coroutine: run the workflow in asyncio")
    work = _WorkflowRun(workflow, database, inputs, on_error)
    call_flow(work.spec, (), {})
    return work.results()


class _OpenScope:
    """A scope whose nodes are running: how deep it lies in the transaction, and its savepoints, innermost last."""

    __slots__ = ("scope", "start", "guards", "depth", "marks", "is_ended")

    def __init__(self, scope: TransactionScope, unit: ScopeUnit, depth: int | None) -> None:
        self.scope = scope
        self.start = unit.start
        self.guards = not unit.spec.rollback_on_error
        self.depth = depth
        self.marks: list[tuple[str, int]] = []
        self.is_ended = False

    def undo_marks(self, last: int = 0) -> None:
        """Undo what came after a savepoint, and forget it."""
        while len(self.marks) > last:
            _, depth = self.marks.pop()
            self.scope.undo(depth)

    def undo(self, depth: int) -> None:
        """Undo all of it, where it is a part of a transaction."""
        self.undo_marks()
        self.scope.undo(depth)

    def leave_marks(self, last: int = 0) -> None:
        """Forget savepoints; what came after them stays."""
        while len(self.marks) > last:
            _, depth = self.marks.pop()
            self.scope.leave(depth)


class _WorkflowRun:
    """One run."""

    def __init__(
        self,
        workflow: Workflow,
        database: FlowDatabase,
        inputs: Mapping[str, object],
        on_error: Handler | None,
    ) -> None:
        self.spec = FlowSpec(workflow.name, self._body, database)
        self._workflow = workflow
        self._database = database
        self._dialect = database.dialect
        self._on_error = on_error
        self._outputs: dict[str, Mapping[str, object] | None] = {INPUTS: inputs}
        self._report = RunReport(workflow.name)
        self._answers: dict[errors.FlowError, bool] = {}

    def results(self) -> Results:
        """What each node gave."""
        found = Results((name, self._outputs.get(name)) for name in self._workflow.nodes)
        found.report = self._report
        return found

    def _body(self) -> None:
        here = current()
        if here is not None and here.run is not None:
            self._report = here.run.report
        outer = joinable_scope()
        for level in self._workflow.levels:
            if outer is not None:
                for unit in level:
                    self._unit(unit, outer)
                continue
            problems = together([functools.partial(self._unit, unit, None) for unit in level])
            if problems:
                for other in problems[1:]:
                    problems[0].add_note(f"and in the same level {other}")
                raise problems[0]

    def _unit(self, unit: Unit, outer: TransactionScope | None) -> None:
        """A unit; if it fails and the handler wants to go on, it is as if its nodes had been skipped."""
        depth = outer.enter() if outer is not None and self._on_error is not None else None
        try:
            if isinstance(unit, ScopeUnit):
                self._scope(unit)
            else:
                self._node(unit)
        except BaseException as problem:
            if depth is not None and outer is not None and outer.is_open:
                outer.undo(depth)
            if not isinstance(problem, errors.FlowError) or not self._goes_on(problem):
                raise
            self._skip(unit)
            return
        if depth is not None and outer is not None:
            outer.leave(depth)

    def _goes_on(self, problem: errors.FlowError) -> bool:
        """Ask the handler, once."""
        if self._on_error is None:
            return False
        if problem not in self._answers:
            self._answers[problem] = bool(settled(self._on_error(problem)))
        return self._answers[problem]

    def _skip(self, unit: Unit) -> None:
        for node in nodes_of(unit):
            self._outputs[node.id] = None

    # --- nodes ------------------------------------------

    def _is_wanted(self, node: Node) -> bool:
        """Whether its condition holds, and all that it takes is there."""
        for name in node.takes:
            if self._outputs.get(name) is None:
                return False
        if node.when is None:
            return True
        try:
            return bool(node.when.fill(self._outputs))
        except errors.WorkflowError as problem:
            raise self._named(errors.WorkflowError(f"when: {problem}"), node) from problem

    def _named(self, problem: Exception, node: Node) -> errors.FlowError:
        """The error, with the names of the workflow and the node."""
        if isinstance(problem, errors.FlowError):
            return problem
        return errors.FlowError(
            problem, self._workflow.name, node.id, None, is_retryable=is_retryable(problem)
        )

    def _node(self, node: Node) -> None:
        """A node that is no control; its output, or None if it is skipped."""
        if not self._is_wanted(node):
            self._outputs[node.id] = None
            return
        here = current()
        assert here is not None
        report = self._report.stage(node.id)
        report.calls += 1
        started_s = time.perf_counter()
        token = enter(Ambient(here.run, None, here.open_scope(), report, node.id))
        try:
            values = node.values(self._outputs)
            action = node.action
            if isinstance(action, FunctionCall):
                self._outputs[node.id] = self._call(action, values, report)
            else:
                assert isinstance(action, Operation | SQL)
                self._outputs[node.id] = self._statements(action, values)
        except Exception as problem:
            report.errors += 1
            raise self._named(problem, node) from _cause(problem)
        finally:
            leave(token)
            report.took(time.perf_counter() - started_s)

    def _statements(self, action: Operation | SQL, values: dict[str, Any]) -> dict[str, object]:
        """An operation: atomic by itself, if nothing surrounds it."""
        if action.is_single(values) or joinable_scope() is not None:
            return self._drive(action, values)
        with self._database.transaction(READ_COMMITTED):
            return self._drive(action, values)

    def _drive(self, action: Operation | SQL, values: dict[str, Any]) -> dict[str, object]:
        execute = self._database.execute
        work = action.work(values, self._dialect)
        try:
            statement = next(work)
            while True:
                statement = work.send(execute(statement.text, statement.values))
        except StopIteration as done:
            return cast("dict[str, object]", done.value)

    def _call(
        self, action: FunctionCall, values: dict[str, Any], report: StageReport
    ) -> Mapping[str, object]:
        """A function: outside of a scope its stages have transactions of their own, which end with it."""
        here = current()
        assert here is not None
        if here.scope is not None:
            return _as_output(settled(action.call(values)))
        lane = Lane(self.spec)
        token = enter(Ambient(here.run, lane, None, report, here.stage))
        try:
            found = settled(action.call(values))
            lane.commit(str(here.stage))
            return _as_output(found)
        except BaseException as problem:
            lane.roll_back(problem)
            raise
        finally:
            leave(token)

    # --- scopes -----------------------------------------

    def _scope(self, unit: ScopeUnit) -> None:
        """A scope, again after a retryable error where the author wants that and nothing else is in the transaction."""
        if not self._is_wanted(unit.start):
            self._skip(unit)
            return
        attempt = 0
        while True:
            try:
                self._attempt(unit)
                return
            except errors.FlowError as problem:
                attempt += 1
                is_inner = joinable_scope() is not None
                if is_inner or attempt > unit.spec.retries or not problem.is_retryable:
                    raise
            self._report.stage(unit.start.id).retries += 1
            sleep(random.uniform(0.0, min(LONGEST_WAIT_S, FIRST_WAIT_S * 2**attempt)))

    def _attempt(self, unit: ScopeUnit) -> None:
        here = current()
        assert here is not None
        opened = self._open(unit)
        token = enter(Ambient(here.run, None, opened.scope, opened.scope.report, unit.start.id))
        try:
            for part in unit.body:
                self._part(part, opened)
            if not opened.is_ended:
                missing = errors.InvalidTransactionState("none of the scope's ends ran: it is rolled back")
                raise self._named(missing, unit.start)
        except BaseException as problem:
            if isinstance(problem, errors.FlowError) and not unit.spec.rollback_on_error:
                self._goes_on(problem)  # the handler may read, write and end the scope
                opened.is_ended = opened.depth is None and not opened.scope.is_open
            if not opened.is_ended:
                self._abort(opened, problem)
            raise
        finally:
            leave(token)

    def _open(self, unit: ScopeUnit) -> _OpenScope:
        spec, start = unit.spec, unit.start
        report = self._report.stage(start.id)
        report.calls += 1
        try:
            outer = joinable_scope()
            if outer is not None:
                check_joins(outer, spec.modes if spec.asks_modes else None, spec.timeout_s)
                opened = _OpenScope(outer, unit, outer.enter())
            else:
                scope = TransactionScope(
                    spec.modes,
                    timeout=spec.timeout_s,
                    rollback_on_error=spec.rollback_on_error,
                    primary=self._database,
                )
                scope.report = report
                opened = _OpenScope(scope, unit, None)
        except errors.Error as problem:
            raise self._named(problem, start) from problem
        self._outputs[start.id] = {"isolation_level": opened.scope.modes.isolation}
        return opened

    def _abort(self, opened: _OpenScope, problem: BaseException) -> None:
        """Undo all that the scope has done."""
        opened.is_ended = True
        if opened.depth is None:
            opened.scope.rollback(problem)
        elif opened.scope.is_open:
            opened.undo(opened.depth)

    def _part(self, part: Unit, opened: _OpenScope) -> None:
        """What stands in a scope."""
        if isinstance(part, ScopeUnit):
            self._scope(part)
        elif isinstance(part.action, ScopeEnd | SavepointNode | SavepointEnd):
            self._control(part, opened)
        elif opened.guards:
            self._guarded(part, opened.scope)
        else:
            self._node(part)

    def _guarded(self, node: Node, scope: TransactionScope) -> None:
        """A node whose failure leaves the scope usable: what it did is undone first."""
        depth = scope.enter()
        try:
            self._node(node)
        except BaseException:
            if scope.is_open:
                with contextlib.suppress(errors.Error):
                    scope.undo(depth)
            raise
        scope.leave(depth)

    def _control(self, node: Node, opened: _OpenScope) -> None:
        if not self._is_wanted(node):
            self._outputs[node.id] = None
            return
        report = self._report.stage(node.id)
        report.calls += 1
        started_s = time.perf_counter()
        try:
            self._outputs[node.id] = {"status": self._controlled(node, opened, report)}
        except Exception as problem:
            report.errors += 1
            raise self._named(problem, node) from _cause(problem)
        finally:
            report.took(time.perf_counter() - started_s)

    def _controlled(self, node: Node, opened: _OpenScope, report: StageReport) -> str:
        action = node.action
        if opened.is_ended:
            raise errors.InvalidTransactionState(f"scope {opened.start.id} has ended already")
        if not isinstance(action, ScopeEnd) or action.commits:
            opened.scope.check_open()
        if isinstance(action, ScopeEnd):
            opened.scope.report = report
            return self._end(opened, action.commits)
        if isinstance(action, SavepointNode):
            opened.marks.append((node.id, opened.scope.enter()))
            return "marked"
        assert isinstance(action, SavepointEnd)
        names = [name for name, _ in opened.marks]
        if action.savepoint not in names:
            raise errors.InvalidTransactionState(f"there is no savepoint {action.savepoint} any more")
        place = names.index(action.savepoint)
        if not action.undoes:
            opened.leave_marks(place)
            return "released"
        opened.undo_marks(place)
        opened.marks.append((action.savepoint, opened.scope.enter()))
        return "rolled back"

    def _end(self, opened: _OpenScope, commits: bool) -> str:
        """The scope's own end; until it has succeeded, the scope counts as open."""
        scope, depth = opened.scope, opened.depth
        if not commits:
            if depth is None:
                scope.check_open()
                scope.rollback()
            else:
                opened.undo(depth)
            opened.is_ended = True
            return "rolled back"
        opened.leave_marks()
        if depth is None:
            scope.commit()
        else:
            scope.leave(depth)
        opened.is_ended = True
        return "committed"


def _as_output(found: object) -> Mapping[str, object]:
    return found if isinstance(found, Mapping) else {WHOLE: found}


def _cause(problem: Exception) -> BaseException | None:
    return problem.cause if isinstance(problem, errors.FlowError) else problem
