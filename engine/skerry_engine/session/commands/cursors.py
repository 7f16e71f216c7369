"""DECLARE, FETCH, MOVE, CLOSE: cursors, and portals as cursors.

    DECLARE   plans the query, locks its tables, holds the statement's snapshot and opens readers on it;
              nothing is computed yet
    FETCH     steps the plan as far as rows are asked for
    COMMIT    computes what is left of WITH HOLD cursors; the others end

Cursors and the portals of the extended protocol share their names.  Describe, Execute and Close reach a cursor that
SQL has declared (`execute_cursor`: Execute goes forward from where it stands); FETCH, MOVE and CLOSE reach a portal
that Bind has made, forward only, as a `PortalCursor` that lives as long as the statement.

A cursor's position is a number: 0 before the first row, n on the nth, one more than the last after the end.

Going backward needs the rows that were passed.  SCROLL keeps them from the start (in memory up to work_mem,
then on disk).  Where neither SCROLL nor NO SCROLL was said, PostgreSQL allows it for plans that can run
backward: plain scans, perhaps sorted.  The same queries may here; nothing is kept for them until the first
step back, which runs the plan again over the same readers, and so over the same rows.

Two differences.  What may have to start over or to wait runs to its end at DECLARE, because only a statement
that has shown nothing yet can: a cursor FOR UPDATE locks all its rows then (PostgreSQL: each row when it is
fetched), and pg_sleep() sleeps.  Rows are computed a batch at a time, so an error in one may show when an
earlier row of its batch is fetched.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, cast

from skerry_engine import errors
from skerry_engine.algebra import queries as q
from skerry_engine.catalog.system.context import CursorInfo
from skerry_engine.plan.context import BYTES_PER_KEPT_ROW, ExecutionContext
from skerry_engine.plan.runtime import Batches
from skerry_engine.session.commands.kept_rows import CHUNK_ROWS, KeptRows
from skerry_engine.session.execution import Execution, PlanChanged
from skerry_engine.session.plans import row_data, run_time_parameters
from skerry_engine.session.steps import PAUSE, Complete, Description, ResultColumn, Rows, Step, Suspended
from skerry_engine.sql import statements as st
from skerry_engine.txn.transaction import Transaction

if TYPE_CHECKING:
    from skerry_engine.session.plans import Plan
    from skerry_engine.session.portals import Portal
    from skerry_engine.session.session import Session

Steps = Generator[Step, object, None]
Row = tuple[object, ...]


class _CursorExecution(Execution):
    """An execution that stays open after its statement: context, held snapshot."""

    def open(self) -> Generator[Step, None, tuple[ExecutionContext, int]]:
        """Lock the tables and open the readers; (context, epoch of the held snapshot).
        Raises PlanChanged."""
        yield from self.lock_tables()
        transaction, mark = self.transaction, self.mark
        assert transaction is not None and mark is not None
        try:
            context = self._context(transaction, 0)
            for slot in range(len(context.slots)):
                context.reader(slot)
            epoch = transaction.hold_snapshot()
        except BaseException:
            transaction.abandon_statement(mark)
            raise
        transaction.finish_statement()
        return context, epoch


class Cursor:
    """An open cursor.

    `kept` holds rows from number `_first_kept` (0-based) on, None while nothing is kept; `_total` is the
    number of rows once that is known.  `transaction` is None as soon
    as the cursor has outlived the one it was declared in.  `beside` is the transaction that a cursor AS OF an epoch
    reads in, which ends with its query.
    """

    def __init__(self, session: Session, statement: st.DeclareCursor, plan: Plan) -> None:
        self.name = statement.name
        self.text = session.current_query
        self.columns: tuple[ResultColumn, ...] = plan.columns or ()
        self.is_hold = statement.hold
        self.is_binary = statement.binary
        self.is_scrollable = (
            statement.scroll if statement.scroll is not None else can_run_backward(plan.query)
        )
        self.created_at_us = session.functions.statement_timestamp
        self.transaction: Transaction | None = session.need_transaction()
        self.beside: Transaction | None = None
        self.is_broken = False
        self._keeps_from_start = statement.scroll is True
        self._plan = plan
        self._kept_limit = session.work_mem_bytes // BYTES_PER_KEPT_ROW
        self._context: ExecutionContext | None = None
        self._epoch = -1
        self._batches: Batches | None = None
        self._pending: list[Row] = []
        self._kept: KeptRows | None = None
        self._first_kept = 0
        self._position = 0
        self._total: int | None = None

    # --- opening and ending ---------------------------------------------------------------------------------

    def open(self, session: Session, query: st.Query) -> Generator[Step, None, None]:
        """Begin the query.  Raises PlanChanged when it must be planned again."""
        plan = self._plan
        params = run_time_parameters(plan, query.normalised, session.bound_values, session.io)
        data = row_data(plan, query.normalised)
        if plan.is_spooled:
            yield from self._fill_at_once(Execution(session, plan, params, data))
            return
        execution = _CursorExecution(session, plan, params, data)
        self._context, self._epoch = yield from execution.open()
        self._batches = plan.compiled.run(self._context)
        if self._keeps_from_start:
            self._kept = KeptRows(self._kept_limit)

    def _fill_at_once(self, execution: Execution) -> Generator[Step, None, None]:
        self._kept = kept = KeptRows(self._kept_limit)
        yield from execution.lock_tables()
        for step in execution.run():
            if isinstance(step, Rows):
                kept.extend(step.rows)
            else:
                yield step
        self._total = len(kept)

    def close(self) -> None:
        """Let everything go."""
        self._end_query()
        if self._kept is not None:
            self._kept.close()
            self._kept = None

    def _end_query(self) -> None:
        if self._batches is not None:
            self._batches.close()
            self._batches = None
        self._context = None
        if self.transaction is not None and self._epoch >= 0:
            self.transaction.release_snapshot(self._epoch)
        self._epoch = -1
        self.transaction = None
        beside, self.beside = self.beside, None
        if beside is not None:
            beside.close()

    def outlive(self) -> Generator[Step, None, None]:
        """At commit: compute and keep the remaining rows (all of them when the cursor can go back)."""
        if self._kept is None:
            if self.is_scrollable:
                yield from self._keep_rows()
            else:
                self._kept = KeptRows(self._kept_limit)
                self._first_kept = self._position
                self._kept.extend(self._pending)
                self._pending = []
        while self._total is None:
            yield from self._keep_batch()
            yield PAUSE
        self._end_query()

    # --- moving ---------------------------------------------------------------------------------------------

    def move(self, direction: str, count: int | None, emits: bool) -> Generator[Step, None, int]:
        """FETCH (`emits`) or MOVE; returns the number of rows passed or fetched,
        as the command tag shows it."""
        if direction == "absolute":
            assert count is not None
            return (yield from self._to(count, emits))
        if direction == "relative" and count:
            yield from self._skip(count - 1 if count > 0 else count + 1)
            return (yield from self._by(1 if count > 0 else -1, emits))
        if count is not None and direction == "backward":
            count = -count
        if count is None and direction == "backward":
            return (yield from self._backward(None, emits))
        if count == 0 and direction == "backward" and emits:
            self._need_scroll()
        if count == 0 or direction == "relative":
            return (yield from self._again(emits))
        return (yield from self._by(count, emits))

    def _by(self, count: int | None, emits: bool) -> Generator[Step, None, int]:
        if count is None or count >= 0:
            return (yield from self._forward(count, emits))
        return (yield from self._backward(-count, emits))

    def _skip(self, count: int) -> Generator[Step, None, None]:
        if count:
            yield from self._by(count, False)

    def _to(self, number: int, emits: bool) -> Generator[Step, None, int]:
        """ABSOLUTE: to the numberth row, from the end if negative."""
        if number < 0:
            yield from self._forward(None, False)
            yield from self._skip(number + 1)
            return (yield from self._backward(1, emits))
        if self._position and number <= self._position:
            yield from self._backward(None, False)
        if number == 0:
            return 0
        yield from self._skip(number - 1 - self._position)
        return (yield from self._forward(1, emits))

    def _again(self, emits: bool) -> Generator[Step, None, int]:
        """The current row once more."""
        if not self._is_on_row():
            return 0
        if not emits:
            return 1
        yield from self._backward(1, False)
        return (yield from self._forward(1, True))

    def _need_scroll(self) -> None:
        if not self.is_scrollable:
            raise errors.ObjectNotInPrerequisiteState(
                "cursor can only scan forward", hint="Declare it with SCROLL option to enable backward scan."
            )

    def _is_on_row(self) -> bool:
        return self._position > 0 and (self._total is None or self._position <= self._total)

    def _forward(self, count: int | None, emits: bool) -> Generator[Step, None, int]:
        passed = 0
        while count is None or passed < count:
            rows = yield from self._next_rows(
                CHUNK_ROWS if count is None else min(CHUNK_ROWS, count - passed)
            )
            if not rows:
                assert self._total is not None
                self._position = self._total + 1
                break
            passed += len(rows)
            self._position += len(rows)
            yield Rows(rows) if emits else PAUSE
        return passed

    def _backward(self, count: int | None, emits: bool) -> Generator[Step, None, int]:
        if count is None and not emits and self._position == 0:
            return 0
        self._need_scroll()
        if self._kept is None:
            yield from self._keep_rows()
        kept = self._kept
        assert kept is not None
        passed = 0
        if not emits:
            passed = max(self._position - 1, 0) if count is None else min(count, max(self._position - 1, 0))
            self._position = self._position - count if count == passed else 0
            return passed
        while self._position > 0 and (count is None or passed < count):
            limit = CHUNK_ROWS if count is None else min(CHUNK_ROWS, count - passed)
            rows = kept.read_back(self._position - 1, limit)
            if not rows:
                self._position = 0
                break
            passed += len(rows)
            self._position -= len(rows)
            yield Rows(rows) if emits else PAUSE
        return passed

    # --- rows -----------------------------------------------------------------------------------------------

    def _next_rows(self, limit: int) -> Generator[Step, None, list[Row]]:
        """Some rows after the position, at most `limit`; [] at the end, with `_total` known."""
        while True:
            if self._total is not None and self._position >= self._total:
                return []
            if self._kept is not None:
                rows = self._kept.read(self._position - self._first_kept, limit)
                if rows:
                    return rows
                yield from self._keep_batch()
            elif self._pending:
                rows = self._pending[:limit]
                del self._pending[:limit]
                return rows
            else:
                batch = yield from self._next_batch()
                if batch is None:
                    self._total = self._position
                else:
                    self._pending = list(batch)

    def _keep_rows(self) -> Generator[Step, None, None]:
        """Keep rows from now on, those passed so far included: the plan runs again over the same readers."""
        self._kept = KeptRows(self._kept_limit)
        if self._position > 0 or self._pending:
            assert self._context is not None
            if self._batches is not None:
                self._batches.close()
            self._pending = []
            self._batches = self._plan.compiled.run(self._context)
            wanted = self._position if self._total is None else self._total
            self._total = None
            while self._total is None and len(self._kept) < wanted:
                yield from self._keep_batch()
                yield PAUSE
            if len(self._kept) == wanted and self._position > wanted:
                self._total = wanted

    def _keep_batch(self) -> Generator[Step, None, None]:
        """Append the next batch to the kept rows, or find out that there is none."""
        assert self._kept is not None
        batch = yield from self._next_batch()
        if batch is None:
            self._total = self._first_kept + len(self._kept)
        else:
            self._kept.extend(batch)

    def _next_batch(self) -> Generator[Step, None, list[Row] | None]:
        """The plan's next rows; None at the end."""
        while self._batches is not None:
            batch = next(self._batches, None)
            if batch is None:
                self._batches = None
            elif isinstance(batch, Step):
                yield batch
            elif batch:
                return batch
        return None


class PortalCursor(Cursor):
    """A portal as FETCH and MOVE see it: `finish` gives back to it what they leave."""

    def __init__(self, session: Session, portal: Portal) -> None:
        self.name = portal.name
        self.columns = portal.prepared.columns or ()
        self.is_binary = False
        self.is_scrollable = False
        self.is_broken = False
        self._session = session
        self._portal = portal
        self._kept = None
        self._pending = portal.pending
        self._position = portal.row_count
        self._total = portal.row_count if portal.is_done else None

    def open_portal(self) -> None:
        """Let it run.  Raises ObjectNotInPrerequisiteState where it runs already, or gives no rows."""
        portal = self._portal
        if portal.is_active or portal.prepared.columns is None:
            raise errors.ObjectNotInPrerequisiteState(f'portal "{portal.name}" cannot be run')
        portal.is_active = True
        if not portal.is_done:
            self._session.start(portal)

    def leave(self) -> None:
        """FETCH or MOVE is over; what was computed beyond it waits in the portal."""
        portal = self._portal
        portal.is_active = False
        if self.is_broken:
            return
        portal.pending = self._pending
        if self._total is None:
            portal.row_count = self._position
            self._session.suspend(portal)
        elif not portal.is_done:
            portal.row_count = self._total
            self._session.finish(portal)

    def _next_batch(self) -> Generator[Step, None, list[Row] | None]:
        steps = self._portal.steps
        while steps is not None:
            step = next(steps, None)
            if step is None:
                break
            if isinstance(step, Rows):
                return step.rows
            if not isinstance(step, Complete):
                yield step
        return None


def can_run_backward(query: q.Query | None) -> bool:
    """Whether PostgreSQL runs the query's plan backward: nothing but scans, conditions, a sort, a limit."""
    if isinstance(query, q.With):
        return can_run_backward(query.body)
    if not isinstance(query, q.Select) or query.distinct or query.distinct_on or query.locks:
        return False
    relation = query.input
    while isinstance(relation, q.Filter):
        relation = relation.input
    if isinstance(relation, q.Derived):
        return can_run_backward(relation.query)
    return isinstance(relation, (q.OneRow, q.Scan, q.Values, q.FunctionScan, q.CteScan))


# --- statements -----------------------------------------------------------------------------------


def declare(session: Session, statement: st.DeclareCursor) -> Steps:
    """DECLARE name CURSOR FOR query."""
    plan = session.plan_query(statement.query, session.bound_oids)
    _check_definition(session, statement, plan)
    if statement.name in session.cursors or statement.name in session.portals:
        raise errors.DuplicateCursor(f'cursor "{statement.name}" already exists')
    transaction = session.need_transaction()
    while True:
        cursor = Cursor(session, statement, plan)
        try:
            yield from cursor.open(session, statement.query)
            break
        except PlanChanged:
            plan = session.plan_query(statement.query, session.bound_oids)
    session.cursors[statement.name] = cursor
    transaction.on_rollback(lambda: _forget(session, cursor))
    yield Complete("DECLARE CURSOR")


def hand_over(session: Session, name: str, transaction: Transaction, beside: Transaction) -> None:
    """A cursor that was declared in `beside` lives as long as the session's `transaction`."""
    cursor = cast(Cursor, session.cursors[name])
    cursor.beside = beside
    beside.rollback_hooks = None
    transaction.on_rollback(lambda: _forget(session, cursor))


def _forget(session: Session, cursor: Cursor) -> None:
    """What declared the cursor is undone."""
    if session.cursors.get(cursor.name) is cursor:
        del session.cursors[cursor.name]
    cursor.close()


def _check_definition(session: Session, statement: st.DeclareCursor, plan: Plan) -> None:
    if statement.conflict:
        raise errors.InvalidCursorDefinition(f"cannot specify both {statement.conflict}")
    if not statement.name:
        raise errors.InvalidCursorName("invalid cursor name: must not be empty")
    if plan.is_change:
        raise errors.NotSupportedError("DECLARE CURSOR must not contain data-modifying statements in WITH")
    if len(plan.parameter_types) > len(session.bound_values):
        raise errors.UndefinedParameter(f"there is no parameter ${len(session.bound_values) + 1}")
    if plan.row_lock:
        _check_locking(statement, plan)
        transaction = session.need_transaction()
        if transaction.read_only:
            raise errors.ReadOnlyViolation("cannot execute SELECT FOR UPDATE in a read-only transaction")
    if not statement.hold and not session.in_block and not session.in_batch:
        raise errors.NoActiveTransaction("DECLARE CURSOR can only be used in transaction blocks")


def _check_locking(statement: st.DeclareCursor, plan: Plan) -> None:
    body = plan.query.body if isinstance(plan.query, q.With) else plan.query
    strength = body.locks[0].strength.upper() if isinstance(body, q.Select) and body.locks else "UPDATE"
    if statement.hold:
        raise errors.NotSupportedError(
            f"DECLARE CURSOR WITH HOLD ... FOR {strength} is not supported",
            detail="Holdable cursors must be READ ONLY.",
        )
    if statement.scroll:
        raise errors.NotSupportedError(
            f"DECLARE SCROLL CURSOR ... FOR {strength} is not supported",
            detail="Scrollable cursors must be READ ONLY.",
        )
    if statement.insensitive:
        raise errors.InvalidCursorDefinition(
            f"DECLARE INSENSITIVE CURSOR ... FOR {strength} is not valid",
            detail="Insensitive cursors must be READ ONLY.",
        )


def find_cursor(session: Session, name: str) -> Cursor:
    """The declared cursor of that name.  Raises InvalidCursorName."""
    found = session.cursors.get(name)
    if found is None:
        raise errors.InvalidCursorName(f'cursor "{name}" does not exist')
    return cast(Cursor, found)


def cursor_columns(session: Session, name: str) -> tuple[ResultColumn, ...]:
    """The columns of a declared cursor.  Raises InvalidCursorName."""
    return find_cursor(session, name).columns


def fetch_columns(session: Session, statement: st.Fetch) -> tuple[ResultColumn, ...] | None:
    """The columns that FETCH gives; None for MOVE,
    and for a cursor that does not exist (running it will tell)."""
    if statement.is_move:
        return None
    if statement.cursor in session.cursors:
        return cursor_columns(session, statement.cursor)
    portal = session.portals.get(statement.cursor)
    return None if portal is None else portal.prepared.columns


def fetch(session: Session, statement: st.Fetch) -> Steps:
    """FETCH and MOVE."""
    portal = session.portals.get(statement.cursor)
    if portal is None:
        yield from _fetched(find_cursor(session, statement.cursor), statement)
        return
    cursor = PortalCursor(session, portal)
    cursor.open_portal()
    try:
        yield from _fetched(cursor, statement)
    finally:
        cursor.leave()


def _fetched(cursor: Cursor, statement: st.Fetch) -> Steps:
    _check_whole(cursor)
    try:
        count = yield from _described(cursor, statement)
    except BaseException:
        cursor.is_broken = True
        raise
    yield Complete(f"{'MOVE' if statement.is_move else 'FETCH'} {count}", count)


def _described(cursor: Cursor, statement: st.Fetch) -> Generator[Step, None, int]:
    """Move the cursor, its columns described before the first row: what can't be done describes none."""
    is_due = not statement.is_move
    moving = cursor.move(statement.direction, statement.count, is_due)
    while True:
        try:
            step = next(moving)
        except StopIteration as end:
            count: int = end.value
            break
        if is_due and isinstance(step, Rows):
            is_due = False
            yield Description(cursor.columns, cursor.is_binary)
        yield step
    if is_due:
        yield Description(cursor.columns, cursor.is_binary)
    return count


def _check_whole(cursor: Cursor) -> None:
    """Raise ObjectNotInPrerequisiteState if an error has ended the cursor's query."""
    if cursor.is_broken:
        raise errors.ObjectNotInPrerequisiteState(f'portal "{cursor.name}" cannot be run')


def execute_cursor(session: Session, name: str, max_rows: int) -> Steps:
    """Execute of the extended protocol, for a declared cursor: at most `max_rows` rows more (0: all)."""
    session.check_not_failed(None)
    cursor = find_cursor(session, name)
    _check_whole(cursor)
    try:
        count = yield from cursor.move("forward", max_rows or None, True)
    except BaseException:
        cursor.is_broken = True
        raise
    yield Suspended() if max_rows and count == max_rows else Complete(f"SELECT {count}", count)


def close(session: Session, statement: st.CloseCursor) -> Steps:
    """CLOSE name, CLOSE ALL: what runs just now, this statement's own portal, stays."""
    if statement.name is None:
        close_all(session)
        yield Complete("CLOSE CURSOR ALL")
        return
    portal = session.portals.get(statement.name)
    if portal is None:
        find_cursor(session, statement.name)
        drop_cursor(session, statement.name)
    elif portal.is_active:
        raise errors.InvalidCursorState(f'cannot drop active portal "{statement.name}"')
    else:
        session.close_portal(statement.name)
    yield Complete("CLOSE CURSOR")


def drop_cursor(session: Session, name: str) -> None:
    """Close a declared cursor and forget it."""
    cast(Cursor, session.cursors.pop(name)).close()


def close_all(session: Session) -> None:
    """Close every cursor and every portal that does not run."""
    for name in list(session.cursors):
        drop_cursor(session, name)
    for name, portal in list(session.portals.items()):
        if not portal.is_active:
            session.close_portal(name)


# --- the session's side ---------------------------------------------------------------------------


def cursor_infos(session: Session) -> list[CursorInfo]:
    """The rows of pg_cursors: cursors and portals."""
    cursors = [cast(Cursor, each) for each in session.cursors.values()]
    infos = [
        CursorInfo(c.name, c.text, c.is_hold, c.is_binary, c.is_scrollable, c.created_at_us) for c in cursors
    ]
    for portal in session.portals.values():
        infos.append(CursorInfo(portal.name, portal.prepared.text, False, False, False, portal.created_at_us))
    return infos


def before_commit(session: Session) -> Generator[Step, None, None]:
    """Compute what is left of WITH HOLD cursors of the ending transaction."""
    for each in list(session.cursors.values()):
        cursor = cast(Cursor, each)
        if cursor.is_hold and cursor.transaction is not None:
            if cursor.is_broken:
                continue
            yield from cursor.outlive()


def close_transaction_cursors(session: Session) -> None:
    """The transaction has ended: so do its cursors, but for those that outlive it."""
    for name, each in list(session.cursors.items()):
        cursor = cast(Cursor, each)
        if cursor.transaction is not None:
            cursor.close()
            del session.cursors[name]
