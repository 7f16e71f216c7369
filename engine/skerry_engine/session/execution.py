"""Running a plan as steps: locks, snapshots, restarts, the end of the statement.

    start_statement ─> table locks ─> plan's batches ─> checks at the end ─> finish_statement
          ^                 |                |
          └── newer table ──┴── LockWait, ───┘     READ COMMITTED starts over on a fresh snapshot, keeping its locks,
                               RestartStatement    as long as nothing has left the engine

Results of reading statements stream.  Those of changes and of FOR UPDATE are kept until the statement is
complete, so that it can still be restarted and so that nothing
is shown before the constraints have been checked.

A point statement (plan/points.py) is first tried `at_once`, as a plain function.  Where that meets a lock or a
newer row, `run` goes on with the very same statement: it waits or restarts as after any other try.

A reading statement is begun `at_once`, too: if its batches come to an end within a fraction of a unit, as those of
most queries do that follow indexes, it is finished and needs no steps; else `run` goes on from where it has come to.
A change is, likewise: what is left of it, or what it has to wait for, is for `run`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Sequence
from typing import TYPE_CHECKING

from skerry_engine import errors
from skerry_engine.plan.context import ExecutionContext
from skerry_engine.plan.runtime import Batches
from skerry_engine.plan.writing import MAX_RESTARTS
from skerry_engine.session.plans import Plan, same_types
from skerry_engine.session.sleeping import FunctionWait
from skerry_engine.session.steps import PAUSE, Rows, Step, Wait, Waiting
from skerry_engine.txn.conflicts import RestartStatement
from skerry_engine.txn.locks import LockWait
from skerry_engine.txn.marks import Mark
from skerry_engine.txn.transaction import Transaction
from skerry_engine.txn.waiting import patiently

if TYPE_CHECKING:
    from skerry_engine.session.state import SessionState

Row = tuple[object, ...]
Data = list[list[tuple[int, tuple[object, ...]]]]
ROWS_PER_STEP = 512
CHECKS_PER_UNIT = 200
AT_ONCE_S = 0.0004
"""For so long a statement may run before it is taken to be more than one unit's work; with 0 all but point statements
take steps, so that histories that are tested meet each other's steps, whatever the clock says."""
ROWS_AT_ONCE = 1024


def may_run_at_once() -> bool:
    """Whether statements that are no point statements are begun at once."""
    return AT_ONCE_S > 0


class PlanChanged(Exception):
    """The catalog changed while the statement waited for a table: plan it again."""


class Execution:
    """One execution of one plan, in the session's transaction.

    `row_count` is what the command tag reports; `rows` the result of a statement that has made it (None before),
    `is_finished` whether its checks have passed, too.  `replan`, where it is set, gives another plan for the statement,
    and its parameters, when the one that it has is not good any more.
    """

    def __init__(self, session: SessionState, plan: Plan, params: Sequence[object], data: Data) -> None:
        if plan.accesses:
            session.check_rights(plan)
        self.session = session
        self.plan = plan
        self.params = params
        self.data = data
        self.row_count = 0
        self.transaction: Transaction | None = None
        self.mark: Mark | None = None
        self.rows: list[Row] | None = None
        self.is_finished = False
        self._restarts = 0
        self._is_to_retry = False
        self._waiting: Waiting | None = None
        self._begun: Batches | None = None
        self._begun_context: ExecutionContext | None = None
        self._begun_step: Step | None = None
        self._kept: list[Row] = []
        self.replan: Callable[[Plan], tuple[Plan, Sequence[object]]] | None = None

    # --- a point statement ----------------------------------------

    def at_once(self, transaction: Transaction, point: Callable[[ExecutionContext], list[Row]]) -> None:
        """Begin the statement, its tables being locked, and run it in this unit: `is_finished`, or else `run()`
        goes on with it.
        """
        self.transaction = transaction
        self.mark = transaction.start_statement()
        try:
            self._try_point(transaction, point)
            if self.rows is not None:
                self._finish_at_once(transaction)
        except BaseException:
            self._abandon(transaction, self.mark)
            raise

    def _try_point(self, transaction: Transaction, point: Callable[[ExecutionContext], list[Row]]) -> None:
        try:
            self.rows = self._run_point(transaction, point)
        except RestartStatement:
            self._met(None)
        except LockWait as wait:
            self._met(wait.request)
        except FunctionWait as asleep:
            self._met(asleep.waiting)

    def _run_point(
        self, transaction: Transaction, point: Callable[[ExecutionContext], list[Row]]
    ) -> list[Row]:
        context = self._context(transaction, self._restarts)
        rows = point(context)
        self.row_count = context.row_count if self.plan.is_change else len(rows)
        return rows

    def _finish_at_once(self, transaction: Transaction) -> None:
        try:
            self.is_finished = transaction.finish_statement_slice(CHECKS_PER_UNIT)
        except LockWait:
            pass  # `run()` asks for the lock again, and waits

    # --- a short reading statement ----------------------------------------

    def read_at_once(self, transaction: Transaction) -> None:
        """Begin a reading statement, its tables being locked, and read as far as it goes in this unit: to its end
        (`is_finished`), or else `run()` goes on with it.
        """
        self.transaction = transaction
        self.mark = transaction.start_statement()
        context = self._context(transaction, 0)
        rows: list[Row] = []
        until_s = time.perf_counter() + AT_ONCE_S
        batches = self.plan.compiled.run(context)
        for batch in batches:
            if type(batch) is list:
                rows += batch
            else:
                assert batch is PAUSE, "what only reads waits for nothing"
            if len(rows) >= ROWS_AT_ONCE or time.perf_counter() >= until_s:
                context.open_readers()  # at this statement's snapshot, to its end
                self.rows, self._begun = rows, batches
                return
        self.rows = rows
        self.row_count = len(rows)
        self.is_finished = True
        transaction.finish_statement()

    # --- a short change ----------------------------------------

    def change_at_once(self, transaction: Transaction) -> None:
        """Begin a change, its tables being locked, and make it as far as it goes in this unit: `is_finished`, or else
        `run()` goes on with it.
        """
        self.transaction = transaction
        self.mark = transaction.start_statement()
        try:
            self._try_change(transaction)
            if self.rows is not None:
                self._finish_at_once(transaction)
        except BaseException:
            self._abandon(transaction, self.mark)
            raise

    def _try_change(self, transaction: Transaction) -> None:
        try:
            self._change_in_a_unit(transaction)
        except RestartStatement:
            self._met(None)
        except LockWait as wait:
            self._met(wait.request)
        except FunctionWait as asleep:
            self._met(asleep.waiting)

    def _change_in_a_unit(self, transaction: Transaction) -> None:
        """Sets `rows` when it has come to the end, else what `_attempt` goes on with."""
        context = self._context(transaction, self._restarts)
        rows: list[Row] = []
        until_s = time.perf_counter() + AT_ONCE_S
        batches = self.plan.compiled.run(context)
        for batch in batches:
            if type(batch) is list:
                rows += batch
                context.check_memory(len(rows))
            if isinstance(batch, Wait) or time.perf_counter() >= until_s:
                self._begun, self._begun_context = batches, context
                self._begun_step = batch if isinstance(batch, Step) else PAUSE
                self._kept = rows
                return
        self._count(context, rows)
        self.rows = rows

    def _count(self, context: ExecutionContext, rows: list[Row]) -> None:
        is_counted = self.plan.verb in ("insert", "update", "delete", "merge")
        self.row_count = context.row_count if is_counted else len(rows)

    # --- the whole statement ----------------------------------------

    def lock_tables(self) -> Generator[Step, None, None]:
        """Begin the statement: snapshot and table locks.

        Raises PlanChanged, nothing done, when a table is no longer what the plan was made for.
        """
        transaction = self.transaction = self.session.need_transaction()
        if self.plan.is_change and transaction.manager.is_congested:
            yield Wait(transaction.manager.room_for_changes())
        if transaction.may_have_to_wait():
            yield from transaction.wait_for_snapshot()
        mark = self.mark = transaction.start_statement()
        self.session.functions.start_statement()
        if not self.plan.locks or transaction.is_historic:
            return
        try:
            yield from self._locked_tables(transaction)
        except BaseException:
            self._abandon(transaction, mark)
            raise

    def run(self) -> Generator[Step, None, None]:
        """Run to the end, after `lock_tables` or `at_once`, yielding Rows, Pause and Wait."""
        transaction, mark = self.transaction, self.mark
        assert transaction is not None and mark is not None, "lock_tables() comes first"
        try:
            if self.is_finished:
                if self.rows:
                    yield Rows(self.rows)
            elif not self.plan.is_spooled:
                yield from self._streamed(transaction)
                transaction.finish_statement()
            else:
                rows = self.rows
                if rows is None:
                    rows = yield from self._complete(transaction, mark)
                yield from finish_statement(transaction)
                yield from self._in_steps(rows)
        except BaseException:
            self._abandon(transaction, mark)
            raise

    def _abandon(self, transaction: Transaction, mark: Mark) -> None:
        """Undo what the statement wrote.  A reader wrote nothing;
        others may have written since it was suspended."""
        if transaction.state == "active" and self.plan.is_spooled:
            transaction.abandon_statement(mark)

    def _locked_tables(self, transaction: Transaction) -> Generator[Step, None, None]:
        """Take the table locks.  Raises PlanChanged if a table is no longer what the plan was made for."""
        waited = False
        for oid, mode in self.plan.locks:
            waited = (yield from lock_table(transaction, oid, mode)) or waited
        if waited or transaction.is_snapshot:
            self._check_newest(transaction)

    def _check_newest(self, transaction: Transaction) -> None:
        """A locked table may be newer than the plan: READ COMMITTED plans again,
        an older snapshot can't go on."""
        if not transaction.is_snapshot:
            transaction.take_snapshot()
            if not self.session.is_current(self.plan):
                raise PlanChanged
            return
        if not transaction.sees_newest_catalog():
            for oid, _ in self.plan.locks:
                self.session.check_unchanged(oid)

    def _context(self, transaction: Transaction, restarts: int) -> ExecutionContext:
        session = self.session
        return ExecutionContext(
            transaction,
            session.statement_catalog(),
            self.plan.compiled.slots,
            session.functions,
            self.params,
            self.data,
            session.work_mem_bytes,
            restarts,
        )

    # --- reading ----------------------------------------

    def _streamed(self, transaction: Transaction) -> Generator[Step, None, None]:
        if self._begun is not None:
            yield from self._rest(self._begun)
            return
        context = self._context(transaction, 0)
        compiled = self.plan.compiled
        if compiled.point is not None:
            rows = compiled.point(context)
            self.row_count = len(rows)
            yield Rows(rows)
            return
        context.open_readers()  # a suspended portal reads at this statement's snapshot to its end
        yield from self._as_steps(compiled.run(context))

    def _rest(self, batches: Batches) -> Generator[Step, None, None]:
        """What was read at once, and what comes after it."""
        rows, self.rows, self._begun = self.rows, None, None
        if rows:
            self.row_count += len(rows)
            yield Rows(rows)
        else:
            yield PAUSE
        yield from self._as_steps(batches)

    def _as_steps(self, batches: Batches) -> Generator[Step, None, None]:
        for batch in batches:
            if isinstance(batch, Step):
                yield batch
            elif batch:
                self.row_count += len(batch)
                yield Rows(batch)

    # --- changing ----------------------------------------

    def _complete(self, transaction: Transaction, mark: Mark) -> Generator[Step, None, list[Row]]:
        """All result rows of a change, restarted as often as it takes."""
        functions = self.session.functions
        while True:
            if self._is_to_retry:
                yield from self._wait_to_retry(transaction, mark)
            if self._begun is None:
                functions.calls.start_run()
            try:
                return (yield from self._attempt(transaction, self._restarts))
            except RestartStatement:
                self._met(None)
            except LockWait as wait:
                self._met(wait.request)
            except FunctionWait as asleep:
                self._met(asleep.waiting)

    def _met(self, waiting: Waiting | None) -> None:
        """A try met something to wait for, or (None) a newer row: the statement is to be run again."""
        self._is_to_retry = True
        self._waiting = waiting
        if waiting is None:
            self._restarts += 1

    def _wait_to_retry(self, transaction: Transaction, mark: Mark) -> Generator[Step, None, None]:
        waiting = self._waiting
        self._is_to_retry = False
        if waiting is not None:
            yield Wait(waiting)
        transaction.restart_statement(mark)
        if waiting is None and not self.session.is_current(self.plan):
            yield from self._plan_again(transaction)
        yield PAUSE

    def _plan_again(self, transaction: Transaction) -> Generator[Step, None, None]:
        """The plan rests on what has changed while the statement waited for a row: a table of another kind, or more
        often what is known of graphs' properties.  Raises SerializationFailure where the result would change, too."""
        for _ in range(MAX_RESTARTS):
            if self.replan is None:
                break
            plan, params = self.replan(self.plan)
            if not same_types(plan.columns, self.plan.columns):
                break
            self.plan, self.params = plan, params
            waited = False
            for oid, mode in plan.locks:
                waited = (yield from lock_table(transaction, oid, mode)) or waited
            if waited:
                transaction.take_snapshot()
            if self.session.is_current(plan):
                return
        raise errors.SerializationFailure("a table changed while the statement waited for a row")

    def _attempt(self, transaction: Transaction, restarts: int) -> Generator[Step, None, list[Row]]:
        point = self.plan.compiled.point
        if point is not None and restarts < MAX_RESTARTS:  # from then on rows are rechecked in place
            return self._run_point(transaction, point)
        context, batches, rows = self._begun_context, self._begun, self._kept
        self._begun_context, self._begun, self._kept = None, None, []
        if context is None or batches is None:
            context = self._context(transaction, restarts)
            batches = self.plan.compiled.run(context)
            rows = []
        elif self._begun_step is not None:
            yield self._begun_step
        for batch in batches:
            if isinstance(batch, Step):
                yield batch
            else:
                rows.extend(batch)
                context.check_memory(len(rows))
                yield PAUSE
        self._count(context, rows)
        return rows

    def _in_steps(self, rows: list[Row]) -> Generator[Step, None, None]:
        for start in range(0, len(rows), ROWS_PER_STEP):
            yield Rows(rows[start : start + ROWS_PER_STEP])


def lock_table(transaction: Transaction, oid: int, mode: int) -> Generator[Step, None, bool]:
    """Lock a table, waiting where others hold it; whether it had to wait."""
    waited = False
    while True:
        try:
            transaction.lock_table(oid, mode)
            return waited
        except LockWait as wait:
            request = wait.request
        waited = True
        yield Wait(request)


def finish_statement(transaction: Transaction) -> Generator[Step, None, None]:
    """Run the checks due at the statement's end, waiting where they must."""
    while not (yield from patiently(lambda: transaction.finish_statement_slice(CHECKS_PER_UNIT))):
        yield PAUSE


def command_tag(verb: str, row_count: int) -> str:
    """PostgreSQL's command tag of a query."""
    if verb == "insert":
        return f"INSERT 0 {row_count}"
    if verb in ("update", "delete", "merge"):
        return f"{verb.upper()} {row_count}"
    return f"SELECT {row_count}"


def deadline_of(timeout_ms: int) -> float | None:
    """The monotonic time at which a timeout of so many milliseconds ends; None for none."""
    return time.monotonic() + timeout_ms / 1000 if timeout_ms > 0 else None
