"""Running statements: batches, queries, commands.

    text ── front parser ──> statements ──┬─ query    plans ─> execution
                                          └─ command  commands.* (transactions, settings, definitions, cursors, COPY)

Whatever runs, runs as a generator of steps, and `_watched` stands around it: it forwards what the shell sends
in, and turns a cancel or a timeout into an exception at the next step.  Nothing here blocks or does I/O.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, cast

from skerry_engine import errors
from skerry_engine.session.execution import Execution, PlanChanged, command_tag, deadline_of, may_run_at_once
from skerry_engine.session.graph_plans import are_facts_true
from skerry_engine.session.graphs.parameters import session_values
from skerry_engine.session.plans import (
    RECENT_PLANS,
    Plan,
    RecentPlan,
    is_current,
    is_outgrown,
    make_plan,
    row_data,
    run_time_parameters,
    same_types,
)
from skerry_engine.session.portals import Steps
from skerry_engine.session.state import SessionState, transaction_timeout
from skerry_engine.session.steps import (
    PAUSE,
    Complete,
    Description,
    EmptyQuery,
    ParameterStatus,
    Step,
    Wait,
    Waiting,
)
from skerry_engine.sql import statements as st
from skerry_engine.txn.locks import TABLE
from skerry_engine.txn.modes import ACCESS_SHARE
from skerry_engine.txn.transaction import Transaction
from skerry_engine.values import oids
from skerry_engine.values.clock import wall_clock
from skerry_engine.values.io import text_decoder
from skerry_engine.values.python import GraphParameter, from_python
from skerry_engine.values.types import SqlType

if TYPE_CHECKING:
    from skerry_engine.session.environment import StatementCatalog
    from skerry_engine.session.session import Session

_ALLOWED_WHEN_FAILED = (st.Commit, st.Rollback, st.RollbackToSavepoint, st.PrepareTransaction)
_FAILED_MESSAGE = "current transaction is aborted, commands ignored until end of transaction block"


class StatementRunner(SessionState):
    """A session that runs texts: simple queries and embedded statements."""

    # --- running steps ----------------------------------------

    def run_undoing(self, steps: Steps, text: str) -> Steps:
        """Run steps that undo what they have done where they fail: the transaction goes on then."""
        yield from self._watched(steps, text, True)

    def _begun(self, steps: Steps) -> Steps:
        """Steps that `_watched` made to go on with what a unit has done, begun in that unit.

        Whoever cancels or ends the session before the next one finds it running: what has been committed by then is
        not reported as failed.
        """
        next(steps)
        return steps

    def _decided(self, steps: Steps) -> Steps:
        """Steps that tell of what is done: nothing interrupts them."""
        self.is_decided = True
        try:
            yield from steps
        finally:
            self.is_decided = False

    def _watched(self, steps: Steps, text: str, undoes: bool = False, goes_on: bool = False) -> Steps:
        """Step `steps`, forwarding what is sent in; cancels and timeouts become exceptions inside it.

        Where they fail the transaction has failed, too, unless `undoes`: they have undone what they did.  With
        `goes_on` there is a first step for `_begun`.
        """
        self._start_running(text)
        sent: object = None
        try:
            if goes_on:
                yield PAUSE
            while True:
                self.engine.stores.functions = self.functions
                try:
                    step = steps.send(sent)
                except StopIteration:
                    break
                if self._has_messages():
                    yield from self._take_messages()
                if isinstance(step, Wait):
                    step = self._bounded_wait(step)
                sent = yield step
                self.waiting = None
                if not isinstance(step, Complete):
                    self._check_interrupts(steps)
            if self._has_messages():
                yield from self._take_messages()
        except BaseException as error:
            steps.close()  # if it was not the one to raise: nothing of it may run later, when it is forgotten
            if not isinstance(error, GeneratorExit) and not (undoes and self._has_survived(error)):
                self._failed_with(error)
            raise
        finally:
            self._stop_running()

    def _has_survived(self, error: BaseException) -> bool:
        """Whether a failure that has undone itself leaves the session and its transaction as they were."""
        ends = isinstance(error, errors.DatabaseError) and error.ends_session
        return not ends and self.transaction is not None and self.transaction.state == "active"

    def _failed_with(self, error: BaseException) -> None:
        """The statement has failed: its transaction has, too, and perhaps the session."""
        if isinstance(error, errors.DatabaseError) and error.ends_session:
            self._ended_by(error)
        else:
            self._failed_statement()

    def _ended_by(self, error: errors.DatabaseError) -> None:
        """The statement failed with an error that ends the session, or at least its transaction as a whole."""
        self._notices.clear()
        if isinstance(error, errors.AdminShutdown):
            self.end_error = error
            self.close()
        else:
            self.rollback()

    def _start_running(self, text: str) -> None:
        self.check_open()
        self._running = True
        self._interrupt = None
        self.current_query = text
        now = wall_clock()
        self.functions.statement_timestamp = now
        if self.transaction is None:
            self.functions.transaction_timestamp = now
        self.state_changed_at_us = now
        if self._settings_version != self.settings.version:
            self._read_settings()
        self._deadline_s = deadline_of(self._statement_timeout_ms)

    def check_open(self) -> None:
        """Raise why the session is closed, if it is."""
        if self.closed:
            self.in_block = self.failed = False
            raise self.end_error or errors.ConnectionFailure("the session is closed")

    def _stop_running(self) -> None:
        late, self._interrupt = self._interrupt, None
        self._running = False
        self.waiting = None
        self.state_changed_at_us = wall_clock()
        if self._settings_version != self.settings.version:
            self._read_settings()  # a timeout that was set holds from now on
        if isinstance(late, errors.AdminShutdown) and not self.closed:
            self.end(late)  # it came too late to stop the statement
        if self._is_to_end and not self.closed:
            self.end(errors.AdminShutdown("the session was closed by SESSION CLOSE"))

    def _has_messages(self) -> bool:
        """Whether notices or changed settings are to be told to the client."""
        return bool(self._notices) or self._reported_version != self.settings.version

    def _take_messages(self) -> Iterator[Step]:
        """Notices and changed settings, on their way to the client."""
        notices, self._notices = self._notices, []
        yield from notices
        yield from self._take_reports()

    def _take_reports(self) -> list[ParameterStatus]:
        self._reported_version = self.settings.version
        return [ParameterStatus(name, value) for name, value in self.settings.take_reports()]

    def _is_beyond_recall(self) -> bool:
        """Whether what runs has committed, perhaps not durably yet, or is sure to: a failure would be a lie."""
        return self.is_decided or (
            self.transaction is not None and self.transaction.state in ("prepared", "committing", "committed")
        )

    def _bounded_wait(self, step: Wait) -> Wait:
        self.waiting = step.waiting
        if self._is_beyond_recall():
            return step
        self.stop_waiting()
        until_s = self._deadline_s
        if self.transaction_deadline_s is not None:
            until_s = min(until_s or self.transaction_deadline_s, self.transaction_deadline_s)
        return step if until_s is None else Wait(_BoundedWaiting(step.waiting, until_s))

    def _check_interrupts(self, steps: Steps) -> None:
        """Have the statement fail if it is to, and still can."""
        if self._is_beyond_recall():
            return
        if self._deadline_s is not None and time.monotonic() >= self._deadline_s:
            self._deadline_s = None
            self._time_out(errors.TransactionTimeout("canceling statement due to statement timeout"))
        if self.transaction_deadline_s is not None and time.monotonic() >= self.transaction_deadline_s:
            self.transaction_deadline_s = None
            self._time_out(transaction_timeout())
        if self._interrupt is not None:
            error, self._interrupt = self._interrupt, None
            self.engine.manager.locks.abandon_wait(self.owner)
            steps.throw(error)

    def _time_out(self, error: errors.DatabaseError) -> None:
        """Have the statement fail, unless it is to fail already."""
        if self._interrupt is None:
            self._stop(error)

    # --- simple query, embedded run ----------------------------------------

    def simple_query(self, text: str) -> Steps:
        """Run a batch of statements, as one implicit transaction unless it says otherwise."""
        yield from self._watched(self._batch(text, None), text)

    def run(self, text: str, parameters: Sequence[object] | None = None) -> Steps:
        """Run a batch with Python values as parameters ($1 ... of its only statement)."""
        yield from self._watched(self._batch(text, parameters), text)

    def _batch(self, text: str, parameters: Sequence[object] | None) -> Steps:
        batch = self.engine.statements.batch(text, self.language())
        if not batch:
            yield EmptyQuery()
            return
        if parameters and len(batch) > 1:
            raise errors.SyntaxError("cannot insert multiple commands into a prepared statement")
        self.in_batch = len(batch) > 1
        try:
            for number, (statement, source) in enumerate(batch, 1):
                if self._settings_version != self.settings.version:
                    self._read_settings()  # a timeout that the batch itself has set
                yield from self._one(statement, source, parameters, number == len(batch))
        finally:
            self.in_batch = False

    def _one(
        self, statement: st.Statement, source: str, parameters: Sequence[object] | None, is_last: bool
    ) -> Steps:
        """One statement of a text."""
        steps = self._statement(statement, source, parameters)
        yield from self._committed(steps) if is_last else steps

    def _committed(self, steps: Steps) -> Steps:
        """The last statement of a text, committed before it is complete unless it stands in a block."""
        complete: Complete | None = None
        sent: object = None
        try:
            while True:
                try:
                    step = steps.send(sent)
                except StopIteration:
                    break
                sent = None
                if isinstance(step, Complete):
                    complete = step
                else:
                    sent = yield step
        finally:
            steps.close()
        if not self.in_block:
            yield from self.commit()
        if complete is not None:
            yield complete

    def _statement(self, statement: st.Statement, source: str, parameters: Sequence[object] | None) -> Steps:
        self.check_not_failed(statement)
        if isinstance(statement, st.Query):
            types, values = embedded_parameters(parameters)
            plan, values = self.plan_for(statement, types, values)
            yield from self.query_steps(statement, plan, types, values, True)
        elif parameters and isinstance(statement, st.Historic):
            from skerry_engine.session.commands.history import historic_steps

            types, values = embedded_parameters(parameters)
            yield from historic_steps(cast("Session", self), statement, types, values, True)
        else:
            from skerry_engine.session.commands.dispatch import command_steps

            yield from command_steps(cast("Session", self), statement, source)

    def check_not_failed(self, statement: st.Statement | None) -> None:
        """Raise InFailedTransaction unless the statement ends the failure."""
        if self.expired is not None and not isinstance(statement, st.Rollback):
            raise self.expired
        if self.failed and not isinstance(statement, _ALLOWED_WHEN_FAILED):
            raise errors.InFailedTransaction(_FAILED_MESSAGE)

    # --- queries ----------------------------------------

    def plan_query(self, statement: st.Query, parameter_oids: Sequence[int]) -> Plan:
        """A plan for the query, from the cache if there is a good one."""
        plan = self.cached_plan(statement, parameter_oids)
        if plan is not None:
            return plan
        if self.transaction is not None and self.transaction.is_historic:
            return self._plan_of_the_past(statement, parameter_oids)
        here = self.statement_catalog()
        plan = make_plan(statement.normalised, statement.verb, parameter_oids, here, self.io)
        key = self._plan_key(statement, parameter_oids, here)
        if not self._has_private_catalog():
            self.engine.plans.put(key, plan)
        return plan

    def _plan_of_the_past(self, statement: st.Query, parameter_oids: Sequence[int]) -> Plan:
        """As `plan_query`, for a catalog in which things are not as they are now: plans of the present stay."""
        here = self.statement_catalog()
        key = (*self._plan_key(statement, parameter_oids, here), here.catalog.version)
        plan = self.engine.plans.get(key)
        if plan is None:
            plan = make_plan(statement.normalised, statement.verb, parameter_oids, here, self.io)
            self.engine.plans.put(key, plan)
        return plan

    def cached_plan(self, statement: st.Query, parameter_oids: Sequence[int]) -> Plan | None:
        """The query's plan, if there is one that is still good."""
        here = self.statement_catalog()
        recent = self._recent_plans.get(id(statement))
        if recent is not None and recent.is_of(statement, parameter_oids, here):
            plan = recent.plan
            if are_facts_true(plan.facts) and not is_outgrown(plan, here):
                return plan
            del self._recent_plans[id(statement)]
            return None
        found = self.engine.plans.get(self._plan_key(statement, parameter_oids, here))
        if found is None or not is_current(found, here) or is_outgrown(found, here):
            return None
        if len(self._recent_plans) >= RECENT_PLANS:
            self._recent_plans.clear()
        self._recent_plans[id(statement)] = RecentPlan(statement, tuple(parameter_oids), here, found)
        return found

    def _plan_key(
        self, statement: st.Query, parameter_oids: Sequence[int], here: StatementCatalog
    ) -> tuple[object, ...]:
        """What a query's meaning depends on, as far as names are concerned."""
        normalised = statement.normalised
        key = (self.database_oid, normalised.key, tuple(parameter_oids), here.search_path.schemas)
        return key if normalised.language == "sql" else (*key, here.graph_name)

    def _has_private_catalog(self) -> bool:
        return self.transaction is not None and bool(self.transaction.changes)

    def plan_for(
        self, statement: st.Query, types: list[int], values: list[object]
    ) -> tuple[Plan, list[object]]:
        """The plan for embedded parameters: values are brought to the types that the plan settled on.

        Where none are given, the session's are: their types go into `types`.
        """
        plan = self.plan_query(statement, types)
        if not values and plan.parameter_names and self.graph_parameters:
            found = session_values(self, plan.parameter_names)
            if found is not None:
                types[:], values = found
                plan = self.plan_query(statement, types)
        if len(values) < len(plan.parameter_types):
            number = len(values)
            names = plan.parameter_names
            name = names[number] if number < len(names) else number + 1
            raise errors.UndefinedParameter(f"there is no parameter ${name}")
        return plan, self.adapted(values, types, plan.parameter_types)

    def adapted(self, values: Sequence[object], types: Sequence[int], wanted: Sequence[int]) -> list[object]:
        """Parameters brought to the types wanted: those that came as text are read."""
        adapted: list[object] = []
        for number in range(len(wanted)):
            if number >= len(values):
                break
            value = values[number]
            if types[number] != wanted[number] and isinstance(value, str):
                value = text_decoder(SqlType(wanted[number]), self.io)(value)
            adapted.append(value)
        return adapted

    def query_steps(
        self, statement: st.Query, plan: Plan, types: Sequence[int], values: Sequence[object], describe: bool
    ) -> Steps:
        """Run a planned query: Description (if asked for), Rows, Complete."""
        begun = self.begin_at_once(statement, plan, values)
        if begun is not None:
            yield from self.rest_of_query(begun, describe)
            return
        while True:
            if not self.is_current(plan):
                plan = self._replanned(statement, plan, types, describe)
            params = run_time_parameters(plan, statement.normalised, values, self.io)
            execution = Execution(self, plan, params, row_data(plan, statement.normalised))
            if plan.is_change:
                execution.replan = self._replanner(statement, values)
            self._check_read_only(plan)
            try:
                yield from execution.lock_tables()
                break
            except PlanChanged:
                continue
        yield from self.rest_of_query(execution, describe)

    def rest_of_query(self, execution: Execution, describe: bool) -> Steps:
        """A query that has begun, to its end."""
        plan = execution.plan
        if describe and plan.columns is not None:
            yield Description(plan.columns)
        yield from execution.run()
        yield Complete(command_tag(plan.verb, execution.row_count), execution.row_count)

    def begin_at_once(
        self, statement: st.Query, plan: Plan, values: Sequence[object], is_checked: bool = False
    ) -> Execution | None:
        """A statement run as far as it goes in this unit: usually to its end.  `is_checked`: the plan was found to be
        current in this same unit.

        None, nothing done, where it locks rows, its plan is not current, or a table is locked by others.
        """
        point = plan.compiled.point
        if point is None and ((plan.is_spooled and not plan.is_change) or not may_run_at_once()):
            return None
        if plan.is_change and self.engine.manager.is_congested:
            return None
        transaction = self.need_transaction()
        if transaction.is_snapshot and not transaction.can_read_at_once():
            return None
        if not (is_checked or self.is_current(plan)) or not self._lock_at_once(transaction, plan):
            return None
        if plan.is_change and transaction.read_only:
            self._check_read_only(plan)
        params = run_time_parameters(plan, statement.normalised, values, self.io)
        self.functions.start_statement()
        if point is None:
            execution = Execution(self, plan, params, row_data(plan, statement.normalised))
            if plan.is_change:
                execution.replan = self._replanner(statement, values)
                execution.change_at_once(transaction)
            else:
                execution.read_at_once(transaction)
        else:
            execution = Execution(self, plan, params, [])
            execution.at_once(transaction, point)
        return execution

    def _replanner(
        self, statement: st.Query, values: Sequence[object]
    ) -> Callable[[Plan], tuple[Plan, Sequence[object]]]:
        """What plans a running statement again."""

        def replan(old: Plan) -> tuple[Plan, Sequence[object]]:
            plan = self.plan_query(statement, old.parameter_types)
            return plan, run_time_parameters(plan, statement.normalised, values, self.io)

        return replan

    def _lock_at_once(self, transaction: Transaction, plan: Plan) -> bool:
        locks = self.engine.manager.locks
        holder = transaction.holder
        for oid, mode in plan.locks:  # noqa: SIM110 - compiled, a loop costs less than a generator
            if not locks.try_acquire(locks.tables, TABLE, oid, mode, holder):
                return False
        return True

    def _replanned(self, statement: st.Query, old: Plan, types: Sequence[int], describe: bool) -> Plan:
        plan = self.plan_query(statement, types)
        if not describe and plan.columns != old.columns and not same_types(plan.columns, old.columns):
            raise errors.CachedPlanChanged("cached plan must not change result type")
        return plan

    def _check_read_only(self, plan: Plan) -> None:
        transaction = self.need_transaction()
        if not transaction.read_only or not (plan.is_change or plan.row_lock):
            return
        if not transaction.is_historic and all(
            self.is_temporary(oid) for oid, mode in plan.locks if mode != ACCESS_SHARE
        ):
            return
        what = plan.verb.upper()
        if plan.verb == "select" and plan.row_lock:
            what = f"SELECT FOR {plan.row_lock.upper()}"
        raise errors.ReadOnlyViolation(f"cannot execute {what} in a read-only transaction")


class _BoundedWaiting:
    """A wait that ends at a deadline, too."""

    def __init__(self, waiting: Waiting, deadline_s: float) -> None:
        self._waiting = waiting
        self._deadline_s = deadline_s

    def is_over(self) -> bool:
        return time.monotonic() >= self._deadline_s or self._waiting.is_over()

    def on_over(self, callback: Callable[[], None]) -> None:
        self._waiting.on_over(callback)

    def deadline_s(self) -> float | None:
        inner = self._waiting.deadline_s()
        return self._deadline_s if inner is None else min(inner, self._deadline_s)


def embedded_parameters(parameters: Sequence[object] | None) -> tuple[list[int], list[object]]:
    """Types and atoms of Python values; text is left open, so that it can become what its place wants."""
    types: list[int] = []
    values: list[object] = []
    for value in parameters or ():
        if value is None or isinstance(value, str):
            types.append(0)
            values.append(value)
            continue
        if isinstance(value, GraphParameter):
            plain = value.value
            oid = _plain_type(plain)
            if oid != 0:
                types.append(oid)
                values.append(plain)
                continue
        sql_type, atom = from_python(value)
        types.append(sql_type.oid)
        values.append(atom)
    return types, values


def _plain_type(value: object) -> int:
    """The type in GQL of what is its own atom, as most parameters are; 0 for others."""
    if type(value) is str:
        return oids.TEXT
    if type(value) is int and -9223372036854775808 <= value <= 9223372036854775807:
        return oids.INT8
    return oids.FLOAT8 if type(value) is float else 0
