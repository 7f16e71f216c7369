"""A session: one client's settings, transaction, prepared statements and portals, and the running of its
statements.

    text ── front parser ──> statements ──┬─ query    plans ─> execution
                                          └─ command  commands.* (transactions, settings, definitions,
                                          cursors, COPY ...)

Transactions as in PostgreSQL.  Outside a block every message runs in an implicit transaction that is
committed at its end
(simple query: with the last statement; extended: at Sync).  Inside a block an error makes the block failed:
until ROLLBACK (TO) everything is refused with 25P02.

Whatever runs, runs as a generator of steps, and `_watched` stands around it: it forwards what the shell
sends in, and turns a cancel or a timeout into an exception at the next step.  Nothing here blocks or does I/O.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from skerry_engine import errors
from skerry_engine.catalog.catalog import Catalog
from skerry_engine.catalog.system.context import CursorInfo, PreparedStatementInfo, SessionInfo
from skerry_engine.plan.context import ExecutionContext
from skerry_engine.session.environment import SessionFunctions, SessionNames, StatementCatalog
from skerry_engine.session.execution import Execution, PlanChanged, command_tag, deadline_of
from skerry_engine.session.plans import Plan, is_current, make_plan, row_data, run_time_parameters
from skerry_engine.session.settings import Settings
from skerry_engine.session.sleeping import Timer
from skerry_engine.session.steps import (
    Complete,
    Description,
    EmptyQuery,
    Notice,
    ParameterStatus,
    ResultColumn,
    Rows,
    Step,
    Suspended,
    Wait,
    Waiting,
)
from skerry_engine.session.temporary import drop_temporary_schema
from skerry_engine.sql import statements as st
from skerry_engine.txn.advisory import SessionAdvisoryLocks, lock_in_transaction, try_lock_in_transaction
from skerry_engine.txn.locks import TABLE, Owner
from skerry_engine.txn.transaction import Transaction
from skerry_engine.values.io import IoContext, TextDecoder, binary_decoder, text_decoder, wall_clock
from skerry_engine.values.python import from_python
from skerry_engine.values.types import SqlType

if TYPE_CHECKING:
    from skerry_engine.engine import Engine

Steps = Generator[Step, object, None]
Row = tuple[object, ...]

_ALLOWED_WHEN_FAILED = (st.Commit, st.Rollback, st.RollbackToSavepoint, st.PrepareTransaction)
_FAILED_MESSAGE = "current transaction is aborted, commands ignored until end of transaction block"


@dataclass(slots=True)
class Prepared:
    """A prepared statement.  `plan` is None for commands and for the empty statement."""

    name: str
    text: str
    statement: st.Statement | None
    declared_oids: tuple[int, ...]
    parameter_oids: tuple[int, ...]
    columns: tuple[ResultColumn, ...] | None
    plan: Plan | None
    prepared_at_us: int
    from_sql: bool = False
    decoders: list[TextDecoder] | None = None
    decoders_io: IoContext | None = None


@dataclass(slots=True)
class Portal:
    """A bound statement, perhaps partly executed.  `pending` are rows computed but not yet asked for."""

    name: str
    prepared: Prepared
    values: list[object]
    result_formats: Sequence[int]
    steps: Steps | None = None
    pending: list[Row] = field(default_factory=list)
    held_epoch: int | None = None
    row_count: int = 0
    is_done: bool = False


class Session:
    """One client's session.  Everything is called under the engine's mutex, or from its one thread."""

    def __init__(
        self, engine: Engine, database_oid: int, user: str, options: dict[str, str], backend_pid: int
    ) -> None:
        self.engine = engine
        self.database_oid = database_oid
        self.user = user
        self.backend_pid = backend_pid
        self.temporary_schema_name = f"pg_temp_{backend_pid}"
        self.owner = Owner(backend_pid)
        self.settings = Settings(options)
        self.settings.force("session_authorization", user)
        self.settings.take_reports()
        self.transaction: Transaction | None = None
        self.in_block = False
        self.failed = False
        self.in_batch = False
        self.prepared: dict[str, Prepared] = {}
        self.portals: dict[str, Portal] = {}
        self.cursors: dict[str, object] = {}
        self.sequence_values: dict[int, int] = {}
        self.last_sequence = 0
        self.functions = SessionFunctions(self)
        self.advisory_locks = SessionAdvisoryLocks(engine.manager.locks, self.owner)
        self.savepoint_marks: list[tuple[str, int]] = []
        self.closed = False
        self.started_at_us = wall_clock()
        self.state_changed_at_us = self.started_at_us
        self.transaction_started_at_us: int | None = None
        self.current_query = ""
        self.waiting: Waiting | None = None
        self._names = SessionNames(self)
        self._io: IoContext | None = None
        self._io_version = -1
        self._settings_version = -1
        self._reported_version = self.settings.version
        self._statement_timeout_ms = 0
        self._shown_modes: tuple[str, bool] | None = None
        self.work_mem_bytes = 0
        self._default_isolation = ""
        self._default_read_only = False
        self._here: StatementCatalog | None = None
        self._interrupt: errors.DatabaseError | None = None
        self._running = False
        self._deadline_s: float | None = None
        self._notices: list[Notice] = []
        self._running_portal: Portal | None = None

    # --- what the session looks like now ----------------------------------------

    @property
    def transaction_status(self) -> str:
        """'I' idle, 'T' in a transaction block, 'E' in a failed one."""
        if not self.in_block:
            return "I"
        return "E" if self.failed else "T"

    @property
    def io(self) -> IoContext:
        """How values read and print now; the same object while the settings that matter stay."""
        if self._io_version != self.settings.version or self._io is None:
            self._io_version = self.settings.version
            made = IoContext(
                self.settings.text("TimeZone"),
                self.settings.text("DateStyle"),
                self.settings.text("IntervalStyle"),
                self.settings.integer("extra_float_digits"),
                self.settings.text("bytea_output"),
                self._names,
                self._transaction_start,
            )
            if made != self._io:
                self._io = made
        assert self._io is not None
        return self._io

    def _transaction_start(self) -> int:
        return self.functions.transaction_timestamp

    def reported_settings(self) -> dict[str, str]:
        """Settings to send as ParameterStatus at the start."""
        return self.settings.reported()

    def idle_timeout_ms(self) -> int:
        """How long the client may idle now; 0: for ever."""
        name = "idle_in_transaction_session_timeout" if self.in_block else "idle_session_timeout"
        return self.settings.integer(name)

    def info(self) -> SessionInfo:
        """The session's row of pg_stat_activity."""
        role = self.statement_catalog().catalog.role_named(self.user)
        if self._running:
            state = "active"
        elif self.in_block:
            state = "idle in transaction (aborted)" if self.failed else "idle in transaction"
        else:
            state = "idle"
        return SessionInfo(
            self.backend_pid,
            self.database_oid,
            0 if role is None else role.oid,
            application_name=self.settings.text("application_name"),
            backend_start_us=self.started_at_us,
            transaction_start_us=self.transaction_started_at_us if self.transaction is not None else None,
            query_start_us=self.functions.statement_timestamp,
            state_change_us=self.state_changed_at_us,
            wait_event_type="Lock" if self.waiting is not None else None,
            wait_event="transactionid" if self.waiting is not None else None,
            state=state,
            query=self.current_query,
        )

    def prepared_infos(self) -> list[PreparedStatementInfo]:
        """The session's rows of pg_prepared_statements."""
        return [
            PreparedStatementInfo(p.name, p.text, p.prepared_at_us, p.parameter_oids, p.from_sql)
            for p in self.prepared.values()
            if p.name
        ]

    def cursor_infos(self) -> list[CursorInfo]:
        """The session's rows of pg_cursors."""
        from skerry_engine.session.commands.cursors import cursor_infos

        return cursor_infos(self)

    # --- the catalog ----------------------------------------

    def catalog(self) -> Catalog:
        """The catalog that the session sees: its transaction's, else the newest published one."""
        transaction = self.transaction
        if transaction is not None and transaction.state == "active":
            return transaction.catalog  # type: ignore[return-value]
        return self.engine.published_catalog()

    def statement_catalog(self) -> StatementCatalog:
        """The view of the catalog for the current statement."""
        catalog = self.catalog()
        here = self._here
        if here is None or here.catalog is not catalog or here.settings_version != self.settings.version:
            here = self._here = StatementCatalog(self, catalog, self.settings.version)
        return here

    def is_current(self, plan: Plan) -> bool:
        """Whether the plan is good for the catalog that the session sees now."""
        return is_current(plan, self.statement_catalog())

    def check_unchanged(self, table_oid: int) -> None:
        """Raise SerializationFailure if others changed or dropped the table since the transaction's snapshot."""
        newest = self.engine.published_catalog()
        seen = self.engine.manager.catalog_at(self.need_transaction().snapshot)
        assert isinstance(seen, Catalog)
        if newest is seen:
            return
        before = seen.database(self.database_oid).relation(table_oid)
        now = newest.database(self.database_oid).relation(table_oid)
        if before is not None and (now is None or now.version != before.version):
            raise errors.SerializationFailure("could not serialize access due to concurrent change of a table")

    def notice(
        self,
        message: str,
        severity: str = "NOTICE",
        sqlstate: str = "00000",
        detail: str | None = None,
        hint: str | None = None,
    ) -> None:
        """Have a message sent to the client with the next step."""
        self._notices.append(Notice(message, severity, sqlstate, detail, hint))

    # --- transactions ----------------------------------------

    def need_transaction(self) -> Transaction:
        """The current transaction; an implicit one is begun if there is none."""
        if self.transaction is None:
            self.begin(st.TransactionModes())
        assert self.transaction is not None
        return self.transaction

    def begin(self, modes: st.TransactionModes, take_snapshot: bool = False) -> Transaction:
        """Begin a transaction with these modes, settings giving what they leave open."""
        if self._settings_version != self.settings.version:
            self._read_settings()
        isolation = modes.isolation or self._default_isolation
        read_only = self._default_read_only if modes.read_only is None else modes.read_only
        if modes.deferrable:
            raise errors.NotSupportedError("DEFERRABLE transactions are not supported yet")
        self.transaction = self.engine.manager.begin(isolation, read_only, self.owner, take_snapshot)
        shown = (_shown_isolation(isolation), read_only)
        if shown != self._shown_modes:
            self._shown_modes = shown
            self.settings.force("transaction_isolation", shown[0])
            self.settings.force("transaction_read_only", shown[1])
        self.functions.transaction_timestamp = self.transaction_started_at_us = (
            self.functions.statement_timestamp
        )
        return self.transaction

    def commit(self) -> Steps:
        """Commit the current transaction; on failure it is rolled back and the error raised."""
        transaction = self.transaction
        self.in_block = self.failed = False
        if transaction is None:
            self.settings.commit()
            return
        try:
            if self.cursors:
                yield from self._before_commit()
            if not transaction.commit_fast():
                yield from transaction.commit()
        except BaseException:
            self._end_transaction(False)
            raise
        self._end_transaction(True)

    def _before_commit(self) -> Steps:
        from skerry_engine.session.commands.cursors import before_commit

        yield from before_commit(self)

    def rollback(self) -> None:
        """Roll the current transaction back, if there is one."""
        self.in_block = self.failed = False
        self._end_transaction(False)

    def _end_transaction(self, committed: bool) -> None:
        transaction, self.transaction = self.transaction, None
        self.savepoint_marks.clear()
        self._close_portals()
        if transaction is not None and transaction.state == "active":
            transaction.close()
        if committed:
            self.settings.commit()
        else:
            self.settings.rollback()
        self.transaction_started_at_us = None

    def _close_portals(self) -> None:
        """Portals end with their transaction (held cursors are kept elsewhere)."""
        for portal in self.portals.values():
            if portal.steps is not None and portal is not self._running_portal:
                portal.steps.close()
        self.portals.clear()
        if self.cursors:
            from skerry_engine.session.commands.cursors import close_transaction_cursors

            close_transaction_cursors(self)

    def savepoint_position(self, name: str) -> int:
        """Where the newest savepoint of that name stands; the kernel has checked that there is one."""
        return max(n for n, (found, _) in enumerate(self.savepoint_marks) if found == name)

    def _failed_statement(self) -> None:
        """After an error: the block is failed, or the implicit transaction is gone.

        A failed block has nothing left to lose, so it gives its locks back at once: it is unwound to its last
        savepoint, or rolled back.
        """
        self._notices.clear()
        if not self.in_block:
            self.rollback()
            return
        self.failed = True
        transaction = self.transaction
        if transaction is None or transaction.state != "active":
            return
        if self.savepoint_marks:
            transaction.rollback_to(self.savepoint_marks[-1][0])
        else:
            transaction.rollback()

    # --- advisory locks ----------------------------------------

    def advisory_lock(self, key: tuple[int, ...], shared: bool, session: bool, wait: bool) -> bool:
        """Take an advisory lock, for the session or the transaction.  Raises LockWait when it must wait."""
        resource = (self.database_oid, *key)
        if session:
            if not wait:
                return self.advisory_locks.try_lock(resource, shared)
            self.advisory_locks.lock(resource, shared)
            return True
        holder = self.need_transaction().holder
        if not wait:
            return try_lock_in_transaction(self.engine.manager.locks, holder, resource, shared)
        lock_in_transaction(self.engine.manager.locks, holder, resource, shared)
        return True

    def advisory_unlock(self, key: tuple[int, ...] | None, shared: bool) -> bool:
        """Give back a session's advisory lock, or (None) all of them."""
        if key is None:
            self.advisory_locks.unlock_all()
            return True
        done = self.advisory_locks.unlock((self.database_oid, *key), shared)
        if not done:
            mode = "ShareLock" if shared else "ExclusiveLock"
            self.notice(f"you don't own a lock of type {mode}", "WARNING", "01000")
        return done

    # --- cancel, close ----------------------------------------

    def cancel(self) -> None:
        """The user cancels: the next step raises QueryCanceled; a wait is over."""
        self._stop(errors.QueryCanceled("canceling statement due to user request"))

    def terminate(self) -> None:
        """An administrator ends the session."""
        self._stop(errors.AdminShutdown("terminating connection due to administrator command"))

    def _stop(self, error: errors.DatabaseError) -> None:
        if self._running:
            self._interrupt = error
            self.owner.cancel(error)
            if isinstance(self.waiting, Timer):
                self.waiting.end()

    def close(self) -> None:
        """End the session: overlay, locks, cursors, advisory locks go at once."""
        if self.closed:
            return
        self.closed = True
        self.rollback()
        if self.owner.request is not None:
            self.engine.manager.locks.abandon_wait(self.owner)
        self.advisory_locks.unlock_all()
        self.cursors.clear()
        self.prepared.clear()
        drop_temporary_schema(self)
        self.engine.forget_session(self)

    # --- running steps ----------------------------------------

    def _watched(self, steps: Steps, text: str) -> Steps:
        """Step `steps`, forwarding what is sent in; cancels and timeouts become exceptions inside it."""
        self._start_running(text)
        sent: object = None
        try:
            while True:
                self.engine.stores.functions = self.functions
                try:
                    step = steps.send(sent)
                except StopIteration:
                    break
                if self._notices or self._reported_version != self.settings.version:
                    yield from self._take_messages()
                if isinstance(step, Wait):
                    step = self._bounded_wait(step)
                sent = yield step
                self.waiting = None
                self._check_interrupts(steps)
            if self._notices or self._reported_version != self.settings.version:
                yield from self._take_messages()
        except BaseException as error:
            if not isinstance(error, GeneratorExit):
                self._failed_statement()
            raise
        finally:
            self._stop_running()

    def _start_running(self, text: str) -> None:
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

    def _read_settings(self) -> None:
        """Take over what is asked for at every statement."""
        settings = self.settings
        self._settings_version = settings.version
        self._statement_timeout_ms = settings.integer("statement_timeout")
        self.owner.lock_timeout_ms = settings.integer("lock_timeout")
        self.work_mem_bytes = settings.integer("work_mem") * 1024
        self._default_isolation = settings.text("default_transaction_isolation")
        self._default_read_only = settings.flag("default_transaction_read_only")

    def _stop_running(self) -> None:
        self._running = False
        self._interrupt = None
        self.waiting = None
        self.state_changed_at_us = wall_clock()

    def _take_messages(self) -> Iterator[Step]:
        """Notices and changed settings, on their way to the client."""
        notices, self._notices = self._notices, []
        yield from notices
        yield from self._take_reports()

    def _take_reports(self) -> list[ParameterStatus]:
        self._reported_version = self.settings.version
        return [ParameterStatus(name, value) for name, value in self.settings.take_reports()]

    def _bounded_wait(self, step: Wait) -> Wait:
        self.waiting = step.waiting
        if self._deadline_s is None:
            return step
        return Wait(_BoundedWaiting(step.waiting, self._deadline_s))

    def _check_interrupts(self, steps: Steps) -> None:
        if self._deadline_s is not None and time.monotonic() > self._deadline_s and self._interrupt is None:
            self._deadline_s = None
            self._stop(errors.TransactionTimeout("canceling statement due to statement timeout"))
        if self._interrupt is not None:
            error, self._interrupt = self._interrupt, None
            self.engine.manager.locks.abandon_wait(self.owner)
            steps.throw(error)

    # --- simple query, embedded run ----------------------------------------

    def simple_query(self, text: str) -> Steps:
        """Run a batch of statements, as one implicit transaction unless it says otherwise."""
        yield from self._watched(self._batch(text, None), text)

    def run(self, text: str, parameters: Sequence[object] | None = None) -> Steps:
        """Run a batch with Python values as parameters ($1 ... of its only statement)."""
        yield from self._watched(self._batch(text, parameters), text)

    def _batch(self, text: str, parameters: Sequence[object] | None) -> Steps:
        batch = self.engine.statements.batch(text)
        if not batch:
            yield EmptyQuery()
            return
        if parameters and len(batch) > 1:
            raise errors.SyntaxError("cannot insert multiple commands into a prepared statement")
        self.in_batch = len(batch) > 1
        try:
            for number, (statement, source) in enumerate(batch, 1):
                yield from self._one(statement, source, parameters, number == len(batch))
        finally:
            self.in_batch = False

    def _one(
        self, statement: st.Statement, source: str, parameters: Sequence[object] | None, is_last: bool
    ) -> Steps:
        """One statement; its Complete is held back until the implicit transaction is committed."""
        steps = self._statement(statement, source, parameters)
        complete: Complete | None = None
        sent: object = None
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
        if is_last and not self.in_block:
            yield from self.commit()
        if complete is not None:
            yield complete

    def _statement(self, statement: st.Statement, source: str, parameters: Sequence[object] | None) -> Steps:
        self.check_not_failed(statement)
        if isinstance(statement, st.Query):
            types, values = _embedded_parameters(parameters)
            plan, values = self._plan_for(statement, types, values)
            yield from self.query_steps(statement, plan, types, values, True)
        else:
            from skerry_engine.session.commands.dispatch import command_steps

            yield from command_steps(self, statement, source)

    def check_not_failed(self, statement: st.Statement | None) -> None:
        """Raise InFailedTransaction unless the statement ends the failure."""
        if self.failed and not isinstance(statement, _ALLOWED_WHEN_FAILED):
            raise errors.InFailedTransaction(_FAILED_MESSAGE)

    # --- queries ----------------------------------------

    def plan_query(self, statement: st.Query, parameter_oids: Sequence[int]) -> Plan:
        """A plan for the query, from the cache if there is a good one."""
        here = self.statement_catalog()
        key = (
            self.database_oid,
            statement.normalised.key,
            tuple(parameter_oids),
            here.search_path.schemas,
        )
        plan = self.engine.plans.get(key)
        if plan is not None and is_current(plan, here):
            return plan
        plan = make_plan(statement.normalised, statement.verb, parameter_oids, here, self.io)
        key = (self.database_oid, statement.normalised.key, tuple(parameter_oids), here.search_path.schemas)
        if not self._has_private_catalog():
            self.engine.plans.put(key, plan)
        return plan

    def _has_private_catalog(self) -> bool:
        return self.transaction is not None and bool(self.transaction.changes)

    def _plan_for(
        self, statement: st.Query, types: Sequence[int], values: list[object]
    ) -> tuple[Plan, list[object]]:
        """The plan for embedded parameters: values are brought to the types that the plan settled on."""
        plan = self.plan_query(statement, types)
        if len(values) < len(plan.parameter_types):
            raise errors.UndefinedParameter(f"there is no parameter ${len(values) + 1}")
        made = [
            self._adapted(value, given, wanted)
            for value, given, wanted in zip(values, types, plan.parameter_types, strict=False)
        ]
        return plan, made

    def _adapted(self, value: object, given: int, wanted: int) -> object:
        if value is None or given == wanted or not isinstance(value, str):
            return value
        return text_decoder(SqlType(wanted), self.io)(value)

    def query_steps(
        self, statement: st.Query, plan: Plan, types: Sequence[int], values: Sequence[object], describe: bool
    ) -> Steps:
        """Run a planned query: Description (if asked for), Rows, Complete."""
        rows = self._point_rows(statement, plan, values)
        if rows is not None:
            if describe and plan.columns is not None:
                yield Description(plan.columns)
            yield Rows(rows)
            yield Complete(command_tag(plan.verb, len(rows)), len(rows))
            return
        while True:
            if not self.is_current(plan):
                plan = self._replanned(statement, plan, types, describe)
            params = run_time_parameters(plan, statement.normalised, values, self.io)
            execution = Execution(self, plan, params, row_data(plan, statement.normalised))
            self._check_read_only(plan)
            try:
                yield from execution.lock_tables()
                break
            except PlanChanged:
                continue
        if describe and plan.columns is not None:
            yield Description(plan.columns)
        yield from execution.run()
        yield Complete(command_tag(plan.verb, execution.row_count), execution.row_count)

    def _replanned(self, statement: st.Query, old: Plan, types: Sequence[int], describe: bool) -> Plan:
        plan = self.plan_query(statement, types)
        if not describe and plan.columns != old.columns and not _same_types(plan.columns, old.columns):
            raise errors.NotSupportedError("cached plan must not change result type")
        return plan

    def _check_read_only(self, plan: Plan) -> None:
        transaction = self.need_transaction()
        if transaction.read_only and (plan.is_change or plan.has_locks):
            verb = "SELECT FOR UPDATE" if not plan.is_change else plan.verb.upper()
            raise errors.ReadOnlyViolation(f"cannot execute {verb} in a read-only transaction")

    # --- extended query ----------------------------------------

    def parse(self, name: str, text: str, parameter_oids: Sequence[int]) -> None:
        """Prepare a statement under a name ('' for the unnamed one)."""
        if name and name in self.prepared:
            raise errors.DuplicatePreparedStatement(f'prepared statement "{name}" already exists')
        statement = self.engine.statements.statement(text)
        self.check_not_failed(statement)
        self.prepared[name] = self.prepare(name, text, statement, parameter_oids)

    def prepare(
        self,
        name: str,
        text: str,
        statement: st.Statement | None,
        parameter_oids: Sequence[int],
        from_sql: bool = False,
    ) -> Prepared:
        """Plan a statement for later execution."""
        declared = tuple(parameter_oids)
        now = wall_clock()
        if isinstance(statement, st.Query):
            plan = self.plan_query(statement, declared)
            return Prepared(
                name, text, statement, declared, plan.parameter_types, plan.columns, plan, now, from_sql
            )
        columns = None
        if statement is not None:
            from skerry_engine.session.commands.dispatch import command_columns

            columns = command_columns(self, statement)
        return Prepared(name, text, statement, declared, declared, columns, None, now, from_sql)

    def _prepared_named(self, name: str) -> Prepared:
        found = self.prepared.get(name)
        if found is None:
            shown = f'prepared statement "{name}"' if name else "unnamed prepared statement"
            raise errors.InvalidStatementName(f"{shown} does not exist")
        return found

    def bind(
        self,
        portal: str,
        statement: str,
        values: Sequence[bytes | None],
        formats: Sequence[int],
        result_formats: Sequence[int],
    ) -> None:
        """Make a portal out of a prepared statement and parameter values."""
        prepared = self._prepared_named(statement)
        self.check_not_failed(prepared.statement)
        if portal and portal in self.portals:
            raise errors.DuplicateCursor(f'cursor "{portal}" already exists')
        wanted = prepared.parameter_oids
        if len(values) != len(wanted):
            raise errors.ProtocolViolation(
                f"bind message supplies {len(values)} parameters,"
                f' but prepared statement "{statement}" requires {len(wanted)}'
            )
        old = self.portals.pop(portal, None)
        if old is not None and old.steps is not None:
            old.steps.close()
        decoded: list[object] = []
        if wanted:
            decoded = self._decode_text(prepared, values) if not any(formats) else self._decode(values, formats, wanted)
        self.portals[portal] = Portal(portal, prepared, decoded, result_formats)

    def _decode_text(self, prepared: Prepared, values: Sequence[bytes | None]) -> list[object]:
        """Parameters in text form, by readers that are kept with the statement."""
        io = self.io
        decoders = prepared.decoders
        if decoders is None or prepared.decoders_io is not io:
            decoders = [text_decoder(SqlType(oid), io) for oid in prepared.parameter_oids]
            prepared.decoders, prepared.decoders_io = decoders, io
        decoded: list[object] = []
        for decoder, value in zip(decoders, values, strict=True):
            decoded.append(None if value is None else decoder(_text(value)))
        return decoded

    def _decode(
        self, values: Sequence[bytes | None], formats: Sequence[int], oids: Sequence[int]
    ) -> list[object]:
        io = self.io
        decoded: list[object] = []
        for number, (value, oid) in enumerate(zip(values, oids, strict=True)):
            if value is None:
                decoded.append(None)
                continue
            code = 0 if not formats else formats[0] if len(formats) == 1 else formats[number]
            if code == 0:
                decoded.append(text_decoder(SqlType(oid), io)(_text(value)))
            elif code == 1:
                decoded.append(binary_decoder(SqlType(oid), io)(value))
            else:
                raise errors.InvalidParameterValue(f"unsupported format code: {code}")
        return decoded

    def describe_statement(self, name: str) -> tuple[Sequence[int], tuple[ResultColumn, ...] | None]:
        """Parameter types and result columns (None: returns no rows)."""
        prepared = self._prepared_named(name)
        self.check_not_failed(prepared.statement)
        if prepared.plan is not None and not self.is_current(prepared.plan):
            self.refresh(prepared)
        return prepared.parameter_oids, prepared.columns

    def refresh(self, prepared: Prepared) -> None:
        """Plan a prepared statement anew.  Raises NotSupportedError when its result would change."""
        assert isinstance(prepared.statement, st.Query) and prepared.plan is not None
        prepared.plan = self._replanned(prepared.statement, prepared.plan, prepared.declared_oids, False)

    def portal(self, name: str) -> Portal:
        """The portal of that name.  Raises InvalidCursorName."""
        found = self.portals.get(name)
        if found is None:
            raise errors.InvalidCursorName(f'portal "{name}" does not exist')
        return found

    def describe_portal(self, name: str) -> tuple[tuple[ResultColumn, ...] | None, Sequence[int]]:
        """Result columns and the formats given to `bind`."""
        portal = self.portal(name)
        return portal.prepared.columns, portal.result_formats

    def execute(self, portal: str, max_rows: int) -> Steps:
        """Run a portal, for at most `max_rows` rows (0: all).  Yields no Description."""
        found = self.portal(portal)
        plan = found.prepared.plan
        if plan is not None and plan.compiled.point is not None and found.steps is None and max_rows == 0:
            if not plan.is_spooled and not found.is_done and not self.failed:
                return self._execute_point(found, plan)
        return self._execute_portal(found, max_rows)

    def _execute_point(self, portal: Portal, plan: Plan) -> Steps:
        """A point statement in one unit, with no generator but this; the long way where a table is locked."""
        statement = portal.prepared.statement
        assert isinstance(statement, st.Query)
        self._start_running(portal.prepared.text)
        self.engine.stores.functions = self.functions
        try:
            rows = self._point_rows(statement, plan, portal.values)
        except Exception:
            self._failed_statement()
            raise
        finally:
            self._stop_running()
        if rows is None:
            yield from self._execute_portal(portal, 0)
            return
        portal.is_done = True
        if rows:
            yield Rows(rows)
        yield Complete(command_tag(plan.verb, len(rows)), len(rows))

    def _point_rows(self, statement: st.Query, plan: Plan, values: Sequence[object]) -> list[Row] | None:
        """All rows of a point statement, at once; None where it has to go the long way."""
        point = plan.compiled.point
        if point is None or plan.is_spooled:
            return None
        transaction = self.need_transaction()
        if transaction.is_snapshot or not self.is_current(plan) or not self._lock_at_once(transaction, plan):
            return None
        transaction.start_statement()
        params = run_time_parameters(plan, statement.normalised, values, self.io)
        rows = point(self._point_context(transaction, plan, params))
        transaction.finish_statement()
        return rows

    def _lock_at_once(self, transaction: Transaction, plan: Plan) -> bool:
        locks = self.engine.manager.locks
        holder = transaction.holder
        return all(locks.try_acquire(locks.tables, TABLE, oid, mode, holder) for oid, mode in plan.locks)

    def _point_context(self, transaction: Transaction, plan: Plan, params: Sequence[object]) -> ExecutionContext:
        return ExecutionContext(
            transaction,
            self.statement_catalog(),
            plan.compiled.slots,
            self.functions,
            params,
            (),
            self.work_mem_bytes,
        )

    def _execute_portal(self, portal: Portal, max_rows: int) -> Steps:
        self._running_portal = portal
        try:
            yield from self._watched(self._execute(portal, max_rows), portal.prepared.text)
        finally:
            self._running_portal = None

    def _execute(self, portal: Portal, max_rows: int) -> Steps:
        if portal.prepared.statement is None:
            yield EmptyQuery()
            return
        self.check_not_failed(portal.prepared.statement)
        if portal.is_done:
            if portal.prepared.columns is None:
                raise errors.ObjectNotInPrerequisiteState(f'portal "{portal.name}" cannot be run')
            yield Complete(command_tag("select", 0), 0)
            return
        if portal.steps is None:
            portal.steps = self._portal_steps(portal)
        if max_rows > 0 and portal.prepared.columns is not None:
            yield from self._limited(portal, max_rows)
        else:
            yield from self._unlimited(portal)

    def _portal_steps(self, portal: Portal) -> Steps:
        prepared = portal.prepared
        if prepared.plan is not None:
            assert isinstance(prepared.statement, st.Query)
            return self.query_steps(
                prepared.statement, prepared.plan, prepared.declared_oids, portal.values, False
            )
        from skerry_engine.session.commands.dispatch import command_steps

        assert prepared.statement is not None
        return _without_description(command_steps(self, prepared.statement, prepared.text))

    def _unlimited(self, portal: Portal) -> Steps:
        assert portal.steps is not None
        if portal.pending:
            rows, portal.pending = portal.pending, []
            portal.row_count += len(rows)
            yield Rows(rows)
        sent: object = None
        steps = portal.steps
        while True:
            try:
                step = steps.send(sent)
            except StopIteration:
                break
            sent = yield step
        self._finish_portal(portal)

    def _finish_portal(self, portal: Portal) -> None:
        portal.is_done = True
        portal.steps = None
        if portal.held_epoch is not None and self.transaction is not None:
            self.transaction.release_snapshot(portal.held_epoch)
            portal.held_epoch = None

    def _limited(self, portal: Portal, max_rows: int) -> Steps:
        """Give out rows up to the limit; what is left of a batch waits in the portal."""
        assert portal.steps is not None
        given = 0
        complete: Complete | None = None
        while given < max_rows:
            if portal.pending:
                rows = portal.pending[: max_rows - given]
                del portal.pending[: len(rows)]
                given += len(rows)
                yield Rows(rows)
                continue
            try:
                step = next(portal.steps)
            except StopIteration:
                break
            if isinstance(step, Rows):
                portal.pending = list(step.rows)
            elif isinstance(step, Complete):
                complete = step
            else:
                yield step
        portal.row_count += given
        if given == max_rows and complete is None:
            if portal.held_epoch is None and self.transaction is not None:
                portal.held_epoch = self.transaction.hold_snapshot()
            yield Suspended()
            return
        self._finish_portal(portal)
        if complete is not None:
            is_select = complete.tag.startswith("SELECT")
            yield Complete(f"SELECT {given}", given) if is_select else complete

    def close_statement(self, name: str) -> None:
        """Drop a prepared statement, if there is one."""
        self.prepared.pop(name, None)

    def close_portal(self, name: str) -> None:
        """Drop a portal, if there is one."""
        portal = self.portals.pop(name, None)
        if portal is not None and portal.steps is not None:
            portal.steps.close()
            self._finish_portal(portal)

    def sync(self) -> Steps:
        """End the implicit transaction of an extended-protocol sequence, if there is one."""
        if self.in_block:
            return
        if self.transaction is None:
            self._close_portals()
            self.settings.commit()
            return
        yield from self._watched(self.commit(), self.current_query)

    def fail(self) -> None:
        """A message of the extended protocol failed: the transaction has, too."""
        self._failed_statement()


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


def _without_description(steps: Steps) -> Steps:
    sent: object = None
    while True:
        try:
            step = steps.send(sent)
        except StopIteration:
            return
        sent = None
        if not isinstance(step, Description):
            sent = yield step


def _embedded_parameters(parameters: Sequence[object] | None) -> tuple[list[int], list[object]]:
    """Types and atoms of Python values; text is left open, so that it can become what its place wants."""
    types: list[int] = []
    values: list[object] = []
    for value in parameters or ():
        if value is None or isinstance(value, str):
            types.append(0)
            values.append(value)
        else:
            sql_type, atom = from_python(value)
            types.append(sql_type.oid)
            values.append(atom)
    return types, values


def _text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError as error:
        raise errors.CharacterNotInRepertoire(
            f'invalid byte sequence for encoding "UTF8": 0x{value[error.start : error.start + 1].hex()}'
        ) from None


def _same_types(one: tuple[ResultColumn, ...] | None, other: tuple[ResultColumn, ...] | None) -> bool:
    if one is None or other is None:
        return one is other
    return [c.type for c in one] == [c.type for c in other]


def _shown_isolation(level: str) -> str:
    return "repeatable read" if level == "snapshot" else level


from collections.abc import Callable  # noqa: E402
