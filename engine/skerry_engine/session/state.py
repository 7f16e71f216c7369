"""What a session is between statements: settings, catalog, transaction, locks, and how it ends.

Transactions as in PostgreSQL.  Outside a block every message runs in an implicit transaction that is
committed at its end (simple query: with the last statement; extended: at Sync).  Inside a block an error
makes the block failed: until ROLLBACK (TO) everything is refused with 25P02.

    state.SessionState ── running.StatementRunner ── session.Session
    what it is            how statements run         prepared statements and portals
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol, cast

from skerry_engine import errors
from skerry_engine.catalog.catalog import Catalog
from skerry_engine.catalog.privileges import is_member
from skerry_engine.catalog.system.context import CursorInfo, PreparedStatementInfo, TlsInfo
from skerry_engine.session.elements import SessionElements
from skerry_engine.session.environment import SessionFunctions, SessionNames, StatementCatalog
from skerry_engine.session.notifications import Notification, SessionNotifications
from skerry_engine.session.plans import Plan, RecentPlan, is_current
from skerry_engine.session.portals import Portal, Prepared, Steps
from skerry_engine.session.rights import check_accesses
from skerry_engine.session.setting_table import MESSAGE_LEVELS
from skerry_engine.session.setting_values import SettingValue
from skerry_engine.session.settings import (
    READ_ONLY,
    RETENTION,
    RETENTION_BYTES,
    TRANSACTION_MODES,
    Settings,
    read_write_refused,
)
from skerry_engine.session.steps import Notice, Waiting
from skerry_engine.session.temporary import drop_temporary_schema
from skerry_engine.sql import statements as st
from skerry_engine.txn.advisory import (
    SessionAdvisoryLocks,
    advisory_key,
    lock_in_transaction,
    try_lock_in_transaction,
)
from skerry_engine.txn.locks import Owner
from skerry_engine.txn.manager import shown_isolation
from skerry_engine.txn.transaction import Transaction
from skerry_engine.txn.waiting import Gate
from skerry_engine.values.clock import wall_clock
from skerry_engine.values.io import IoContext
from skerry_engine.values.user_types import NO_TYPES, UserTypes, show_types

if TYPE_CHECKING:
    from skerry_engine.engine import Engine
    from skerry_engine.session.session import Session


class ClientConnection(Protocol):
    """What a session tells whoever steps it, when others act on it.  Called in the middle of another's step:
    take note, no more."""

    def interrupted(self, error: errors.DatabaseError) -> None:
        """The running statement will fail with `error` at its next step, even if it waits for the client."""
        ...

    def session_ended(self, error: errors.DatabaseError) -> None:
        """The session was idle and is closed now."""
        ...

    def notified(self) -> None:
        """The session has a notification; it can be taken when no transaction is open."""
        ...


_RANKS = {
    **{level: rank for rank, level in enumerate(MESSAGE_LEVELS)},
    **{level.upper(): rank for rank, level in enumerate(MESSAGE_LEVELS)},
    "DEBUG": MESSAGE_LEVELS.index("debug1"),
}
"""Severities of messages and values of client_min_messages, the least severe first; INFO is always sent."""

_NO_MODES = st.TransactionModes()


class SessionState:
    """One client's session, between statements.

    Everything is called under the engine's mutex, or from its one thread.
    """

    def __init__(
        self, engine: Engine, database_oid: int, user: str, options: dict[str, str], backend_pid: int
    ) -> None:
        self.engine = engine
        self.database_oid = database_oid
        self.user = user
        self.backend_pid = backend_pid
        self.temporary_schema_name = f"pg_temp_{backend_pid}"
        self.owner = Owner(backend_pid, database_oid=database_oid)
        self.transaction: Transaction | None = None
        self.settings = Settings(options)
        self.settings.show_modes_by(self.mode)
        self.login_oid = self._role_oid(user)
        self._role_oids = {user: self.login_oid}
        self.settings.force("session_authorization", user)
        self.settings.take_reports()
        self.in_block = False
        self.failed = False
        self.in_batch = False
        self.is_decided = False  # what runs can't fail any more: it is not interrupted
        self.prepared: dict[str, Prepared] = {}
        self.portals: dict[str, Portal] = {}
        self.cursors: dict[str, object] = {}
        self.sequence_values: dict[int, int] = {}
        self.last_sequence = 0
        self.functions = SessionFunctions(self)
        self.advisory_locks = SessionAdvisoryLocks(engine.manager.locks, self.owner)
        self.savepoint_marks: list[tuple[str, int]] = []
        self.notifications = SessionNotifications(self)
        self.graph_parameters: dict[str, object] = {}  # session.graphs.session_statements.SessionParameter
        self.closed = False
        self._is_to_end = False
        self.client_address: tuple[str, int] | None = None
        self.tls: TlsInfo | None = None
        self.client: ClientConnection | None = None
        self.end_error: errors.DatabaseError | None = None
        self._close_callbacks: list[Callable[[], None]] = []
        self.started_at_us = wall_clock()
        self.state_changed_at_us = self.started_at_us
        self.transaction_started_at_us: int | None = None
        self.current_query = ""
        self.told_transaction_id = 0
        """The transaction whose number was asked for, by txid_current() and its kin."""
        self.waiting: Waiting | None = None
        self._names = SessionNames(self)
        self._types: UserTypes = NO_TYPES
        self._elements = SessionElements(self)
        self._io: IoContext | None = None
        self._io_version = -1
        self._settings_version = -1
        self._reported_version = self.settings.version
        self._statement_timeout_ms = 0
        self._language = "auto"
        self._idle_session_timeout_ms = 0
        self._idle_in_transaction_timeout_ms = 0
        self._transaction_timeout_ms = 0
        self.transaction_deadline_s: float | None = None
        self.expired: errors.DatabaseError | None = None
        self.isolation = ""
        self.work_mem_bytes = 0
        self._is_synchronous = True
        self._default_isolation = ""
        self._default_read_only = False
        self._default_deferrable = False
        self._here: StatementCatalog | None = None
        self._recent_plans: dict[int, RecentPlan] = {}
        self._interrupt: errors.DatabaseError | None = None
        self._running = False
        self._deadline_s: float | None = None
        self._notices: list[Notice] = []
        self._running_portal: Portal | None = None
        self.has_commit_actions = (
            False  # temporary tables may lose their rows, or go, when a transaction commits
        )
        self.bound_oids: tuple[
            int, ...
        ] = ()  # the parameters of the command that runs, from the extended protocol
        self.bound_values: Sequence[object] = ()

    # --- what the session looks like now ----------------------------------------

    @property
    def transaction_status(self) -> str:
        """'I' idle, 'T' in a transaction block, 'E' in a failed one."""
        if not self.in_block:
            return "I"
        return "E" if self.failed else "T"

    @property
    def is_running(self) -> bool:
        """Whether a statement is under way."""
        return self._running

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
                self._elements,
                self.settings.flag("skerry.typed_json"),
                self._types,
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

    @property
    def has_notifications(self) -> bool:
        """Whether there are notifications, which may have to wait for the transaction's end."""
        return self.notifications.waiting > 0

    def take_notifications(self, limit: int) -> list[Notification]:
        """Up to `limit` notifications, oldest first, to be told to the client now; none in a transaction."""
        if self.transaction is not None or self.in_block:
            return []
        return self.notifications.take(limit)

    def idle_limit(self, is_busy: bool = False) -> tuple[float, errors.DatabaseError] | None:
        """Until when (time.monotonic()) the client may say nothing from now on, and what ends the session then.

        `is_busy`: a statement is under way and waits for the client's data, so that it does not idle.  None:
        there is no limit.
        """
        if self._settings_version != self.settings.version:
            self._read_settings()
        idle_ms = self._idle_in_transaction_timeout_ms if self.in_block else self._idle_session_timeout_ms
        until_s = self.transaction_deadline_s
        if idle_ms and not is_busy:
            idle_until_s = time.monotonic() + idle_ms / 1000
            if until_s is None or idle_until_s < until_s:
                return idle_until_s, idle_timeout(self.in_block)
        return None if until_s is None else (until_s, transaction_timeout())

    def expire(self, error: errors.DatabaseError) -> None:
        """An embedded transaction has idled too long: it is rolled back now, and the next statement that is not
        ROLLBACK raises `error`.  (Over the wire the session would end.)"""
        self.expired = error
        self.failed = True
        self.transaction_deadline_s = None
        if self.transaction is not None:
            self.transaction.close()

    def prepared_infos(self) -> list[PreparedStatementInfo]:
        """The session's rows of pg_prepared_statements."""
        return [
            PreparedStatementInfo(p.name, p.text, p.prepared_at_us, p.shown_oids, p.from_sql)
            for p in self.prepared.values()
            if p.name
        ]

    def cursor_infos(self) -> list[CursorInfo]:
        """The session's rows of pg_cursors."""
        from skerry_engine.session.commands.cursors import cursor_infos

        return cursor_infos(cast("Session", self))

    def set_config(self, name: str, value: str | None, is_local: bool) -> str:
        """set_config(): change a setting, or a mode of the current transaction; gives what SHOW prints."""
        if name.lower() in ("role", "session_authorization"):
            from skerry_engine.session.commands.settings import set_role

            set_role(cast("Session", self), name, value, is_local)
            return self.settings.get(name)
        if name.lower() not in TRANSACTION_MODES:
            return self.settings.set_config(name, value, is_local)
        from skerry_engine.session.commands.transactions import set_mode

        set_mode(cast("Session", self), name, None if value is None else (value,))
        return self.settings.get(name)

    # --- who it is ----------------------------------------
    #
    # Settings hold names, and are rolled back; what is gone on with are OIDs, as roles may be renamed.

    def _role_oid(self, name: str) -> int:
        role = self.engine.published_catalog().role_named(name)
        return 0 if role is None else role.oid

    @property
    def session_user_oid(self) -> int:
        """The role that the session was opened as, or that SET SESSION AUTHORIZATION made it."""
        return self._role_oids[self.settings.text("session_authorization")]

    @property
    def current_user_oid(self) -> int:
        """The role whose rights count: SET ROLE's, or the session's user."""
        name = self.settings.text("role")
        return self.session_user_oid if name == "none" else self._role_oids[name]

    def is_superuser(self) -> bool:
        """Whether the current role may do everything."""
        role = self.catalog().roles.get(self.current_user_oid)
        return role is not None and role.superuser

    def set_role(self, name: str | None, is_local: bool) -> None:
        """SET ROLE; None for NONE.  Raises InvalidParameterValue, InsufficientPrivilege."""
        if name is None:
            self.settings.store_own("role", "none", is_local)
            return
        catalog = self.catalog()
        role = catalog.role_named(name)
        if role is None:
            raise errors.InvalidParameterValue(f'role "{name}" does not exist')
        session_user = catalog.roles.get(self.session_user_oid)
        is_super = session_user is not None and session_user.superuser
        if not is_super and not is_member(catalog, self.session_user_oid, role.oid):
            raise errors.InsufficientPrivilege(f'permission denied to set role "{name}"')
        self._role_oids[name] = role.oid
        self.settings.store_own("role", name, is_local)

    def set_session_user(self, name: str | None, is_local: bool) -> None:
        """SET SESSION AUTHORIZATION; None for DEFAULT.  Raises InvalidParameterValue, InsufficientPrivilege."""
        catalog = self.catalog()
        login = catalog.roles.get(self.login_oid)
        role = login if name is None else catalog.role_named(name)
        if role is None:
            raise errors.InvalidParameterValue(f'role "{name}" does not exist')
        if role.oid != self.login_oid and (login is None or not login.superuser):
            raise errors.InsufficientPrivilege("permission denied to set session authorization")
        self._role_oids[role.name] = role.oid
        self.settings.store_own("session_authorization", role.name, is_local)
        self.settings.store_own("role", "none", is_local)

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
            if here.types is not self._types:
                self._types = here.types
                self._io_version = -1
        show_types(here.types)
        return here

    def check_rights(self, plan: Plan) -> None:
        """Raise InsufficientPrivilege unless the current role may do what the plan does."""
        here = self.statement_catalog()
        version, role_oid = here.catalog.version, here.current_user_oid
        if plan.allowed_version != version or plan.allowed_role != role_oid:
            check_accesses(here, plan.accesses)
            plan.allowed_version = version
            plan.allowed_role = role_oid

    def is_temporary(self, relation_oid: int) -> bool:
        """Whether the relation is one of the session's temporary ones."""
        here = self.statement_catalog()
        relation = here.database.relation(relation_oid)
        return relation is not None and relation.schema_oid == here.search_path.temporary

    def is_current(self, plan: Plan) -> bool:
        """Whether the plan is good for the catalog that the session sees now."""
        return is_current(plan, self.statement_catalog())

    def check_unchanged(self, table_oid: int) -> None:
        """Raise SerializationFailure if others changed
        or dropped the table since the transaction's snapshot."""
        newest = self.engine.published_catalog()
        seen = self.engine.manager.catalog_at(self.need_transaction().snapshot)
        assert isinstance(seen, Catalog)
        if newest is seen:
            return
        before = seen.database(self.database_oid).relation(table_oid)
        now = newest.database(self.database_oid).relation(table_oid)
        if before is not None and (now is None or now.version != before.version):
            raise errors.SerializationFailure(
                "could not serialize access due to concurrent change of a table"
            )

    def notice(
        self,
        message: str,
        severity: str = "NOTICE",
        sqlstate: str = "00000",
        detail: str | None = None,
        hint: str | None = None,
    ) -> None:
        """Have a message sent to the client with the next step, if it wants such (client_min_messages)."""
        rank = _RANKS.get(severity)
        if rank is not None and rank < _RANKS[self.settings.text("client_min_messages")]:
            return
        self._notices.append(Notice(message, severity, sqlstate, detail, hint))

    def take_notices(self) -> list[Notice]:
        """What the client has not been told yet, which it is not told now."""
        notices, self._notices = self._notices, []
        return notices

    def give_notice(self, notice: Notice) -> None:
        """Have a notice sent to the client with the next step."""
        self._notices.append(notice)

    # --- transactions ----------------------------------------

    def need_transaction(self) -> Transaction:
        """The current transaction; an implicit one is begun if there is none."""
        if self.transaction is None:
            self.begin(_NO_MODES)
        assert self.transaction is not None
        return self.transaction

    def begin(self, modes: st.TransactionModes, take_snapshot: bool = False) -> Transaction:
        """Begin a transaction with these modes, settings giving what they leave open."""
        if self._settings_version != self.settings.version:
            self._read_settings()
        if modes.read_only is False:
            self.check_may_write()
        isolation = modes.isolation or self._default_isolation
        read_only = self._default_read_only if modes.read_only is None else modes.read_only
        deferrable = self._default_deferrable if modes.deferrable is None else modes.deferrable
        self.transaction = self.engine.manager.begin(isolation, read_only, self.owner, take_snapshot)
        self.transaction.deferrable = deferrable
        self.isolation = isolation
        self.functions.transaction_timestamp = self.transaction_started_at_us = (
            self.functions.statement_timestamp
        )
        if self._transaction_timeout_ms:
            self._bound_transaction()
        return self.transaction

    def begin_as_of(self, epoch: int) -> Transaction:
        """Begin a transaction that reads the state at an epoch.  Raises HistoryNotRetained."""
        if self._settings_version != self.settings.version:
            self._read_settings()
        self.transaction = self.engine.manager.begin_as_of(epoch, self.owner, True)
        self.isolation = "repeatable read"
        self.functions.transaction_timestamp = self.transaction_started_at_us = (
            self.functions.statement_timestamp
        )
        if self._transaction_timeout_ms:
            self._bound_transaction()
        return self.transaction

    def check_may_write(self) -> None:
        """Raise ReadOnlyViolation in a session that may only read."""
        if self.settings.flag(READ_ONLY):
            raise read_write_refused()

    def modes(self) -> st.TransactionModes:
        """The current transaction's modes; outside one, those that a new one would have."""
        transaction = self.transaction
        if transaction is not None:
            return st.TransactionModes(self.isolation, transaction.read_only, transaction.deferrable)
        settings = self.settings
        return st.TransactionModes(
            settings.text("default_transaction_isolation"),
            settings.flag("default_transaction_read_only"),
            settings.flag("default_transaction_deferrable"),
        )

    def mode(self, key: str) -> SettingValue:
        """A mode, or what is set for the engine, by its setting's name, as SHOW has it."""
        if key == RETENTION:
            return self.engine.manager.history.retention_us // 1_000_000
        if key == RETENTION_BYTES:
            return self.engine.manager.history.limit_bytes // 1024
        if key == "is_superuser":
            return self.is_superuser()
        modes = self.modes()
        if key == "transaction_isolation":
            return shown_isolation(modes.isolation or "")
        return bool(modes.read_only if key == "transaction_read_only" else modes.deferrable)

    def _read_settings(self) -> None:
        """Take over what is asked for at every statement."""
        settings = self.settings
        self._settings_version = settings.version
        self._statement_timeout_ms = settings.integer("statement_timeout")
        self.owner.lock_timeout_ms = settings.integer("lock_timeout")
        self.owner.conflict_wait_ms = settings.integer("skerry.conflict_wait")
        self.work_mem_bytes = settings.integer("work_mem") * 1024
        self._idle_session_timeout_ms = settings.integer("idle_session_timeout")
        self._idle_in_transaction_timeout_ms = settings.integer("idle_in_transaction_session_timeout")
        self._language = settings.text("language")
        self._is_synchronous = settings.text("synchronous_commit") != "off"
        timeout_ms = settings.integer("transaction_timeout")
        if timeout_ms != self._transaction_timeout_ms:
            self._transaction_timeout_ms = timeout_ms
            self._bound_transaction()
        self._default_isolation = settings.text("default_transaction_isolation")
        self._default_read_only = settings.flag("default_transaction_read_only")
        self._default_deferrable = settings.flag("default_transaction_deferrable")

    def language(self) -> str:
        """The language that texts are in: 'auto' (their first words tell), 'sql' or 'gql'."""
        if self._settings_version != self.settings.version:
            self._read_settings()
        return self._language

    def _bound_transaction(self) -> None:
        """Let the current transaction end when transaction_timeout has passed since it began."""
        timeout_ms = self._transaction_timeout_ms
        began_us = self.transaction_started_at_us
        if not timeout_ms or self.transaction is None or began_us is None:
            self.transaction_deadline_s = None
            return
        lasts_s = (wall_clock() - began_us) / 1_000_000
        self.transaction_deadline_s = time.monotonic() - lasts_s + timeout_ms / 1000

    def commit_at_once(self) -> bool:
        """As `commit`, if one unit is enough and nothing has to wait; False: `commit` goes on from here."""
        transaction = self.transaction
        if transaction is None:
            self.in_block = self.failed = False
            self.settings.commit()
            return True
        if self.cursors or self.has_commit_actions:
            return False
        transaction.is_synchronous = self._is_synchronous
        try:
            if self.notifications.asked is not None:
                self.notifications.check_room()
            # An answer in one unit has installed it perhaps, and the log has published it since.
            if transaction.state != "committed" and not transaction.commit_fast():
                return False
        except BaseException:
            self.rollback()
            raise
        self.in_block = self.failed = False
        self._end_transaction(True)
        return True

    def commit(self) -> Steps:
        """Commit the current transaction; on failure it is rolled back and the error raised."""
        if self.commit_at_once():
            return
        transaction = self.need_transaction()
        self.in_block = self.failed = False
        try:
            if self.cursors or self.has_commit_actions:
                yield from self._before_commit()
                transaction.is_synchronous = self._is_synchronous
            yield from transaction.commit()
        except BaseException:
            self._end_transaction(False)
            raise
        self._end_transaction(True)

    def _before_commit(self) -> Steps:
        from skerry_engine.session.commands.commit_actions import commit_actions
        from skerry_engine.session.commands.cursors import before_commit

        session = cast("Session", self)
        yield from before_commit(session)
        if self.has_commit_actions:
            yield from commit_actions(session)

    def leave_transaction(self) -> None:
        """The current transaction was prepared and goes on without the session."""
        self.in_block = False
        self._end_transaction(True)

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
        self.transaction_deadline_s = None
        self.expired = None

    def _close_portals(self) -> None:
        """Portals end with their transaction (held cursors are kept elsewhere)."""
        for portal in self.portals.values():
            if portal.steps is not None and portal is not self._running_portal:
                portal.steps.close()
        self.portals.clear()
        if self.cursors:
            from skerry_engine.session.commands.cursors import close_transaction_cursors

            close_transaction_cursors(cast("Session", self))

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
            self.transaction_deadline_s = None

    # --- advisory locks ----------------------------------------

    def advisory_lock(self, key: tuple[int, ...], shared: bool, session: bool, wait: bool) -> bool:
        """Take an advisory lock, for the session or the transaction.  Raises LockWait when it must wait."""
        resource = advisory_key(self.database_oid, key)
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
        done = self.advisory_locks.unlock(advisory_key(self.database_oid, key), shared)
        if not done:
            mode = "ShareLock" if shared else "ExclusiveLock"
            self.notice(f"you don't own a lock of type {mode}", "WARNING", "01000")
        return done

    # --- cancel, close ----------------------------------------

    def cancel(self) -> None:
        """The user cancels: the next step raises QueryCanceled; a wait is over."""
        self._stop(errors.QueryCanceled("canceling statement due to user request"))

    def terminate(self) -> None:
        """An administrator ends the session: what runs fails at its next step, an idle session ends now."""
        error = errors.AdminShutdown("terminating connection due to administrator command")
        if self._running:
            self._stop(error)
        else:
            self.end(error)

    def end(self, error: errors.DatabaseError) -> None:
        """End an idle session for a reason, which its client is told now (over the wire) or with its next
        statement."""
        was_in_block = self.in_block
        self.end_error = error
        self.close()
        self.in_block = self.failed = was_in_block  # nobody is to think that it has committed
        if self.client is not None:
            self.client.session_ended(error)

    def end_after_statement(self) -> None:
        """End the session as soon as what runs now is done: it has asked for that."""
        self._is_to_end = True

    def _stop(self, error: errors.DatabaseError) -> None:
        if self._running:
            self._interrupt = error
            self.owner.cancel(error)
            if isinstance(self.waiting, Gate):
                self.waiting.end()
            if self.client is not None:
                self.client.interrupted(error)

    def stop_waiting(self) -> None:
        """If the log has failed: commits that it had taken never end, nor do waits for them; this one fails now."""
        failure = self.engine.manager.log.failure
        if failure is not None and self.waiting is not None:
            self._stop(failure)

    def on_close(self, callback: Callable[[], None]) -> None:
        """Call `callback` when the session is closed."""
        self._close_callbacks.append(callback)

    def close(self) -> None:
        """End the session: overlay, locks, cursors, advisory locks go at once."""
        if self.closed:
            return
        self.closed = True
        self.rollback()
        if self.owner.request is not None:
            self.engine.manager.locks.abandon_wait(self.owner)
        self.advisory_locks.unlock_all()
        self.notifications.close()
        self.cursors.clear()
        self.prepared.clear()
        drop_temporary_schema(self)
        self.engine.forget_session(self)
        callbacks, self._close_callbacks = self._close_callbacks, []
        for callback in callbacks:
            callback()


def idle_timeout(in_block: bool) -> errors.DatabaseError:
    """What ends a session that idled too long."""
    if in_block:
        return errors.IdleInTransactionTimeout("terminating connection due to idle-in-transaction timeout")
    return errors.IdleSessionTimeout("terminating connection due to idle-session timeout")


def transaction_timeout() -> errors.DatabaseError:
    """What ends a session whose transaction lasted too long."""
    return errors.TotalTransactionTimeout("terminating connection due to transaction timeout")
