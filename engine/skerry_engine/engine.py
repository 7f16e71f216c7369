"""The engine: what all sessions of a process share, and where they are opened.

Engine ── manager     epochs, locks, transactions (txn)
      ├── stores      storage generations of tables
      ├── sequences   sequences' current values
      ├── plans       compiled statements
      ├── notifications  who listens to which channel
      ├── deferred_views materialized views that follow changes (session/deferred)
      ├── sessions    by backend pid
      └── durable     its directory, log and base (durability/database.py); None in memory
"""

from __future__ import annotations

import itertools
import secrets

from skerry_engine import errors
from skerry_engine.catalog.bootstrap import new_catalog
from skerry_engine.catalog.catalog import Catalog, Database
from skerry_engine.catalog.objects import Role
from skerry_engine.catalog.passwords import Credentials
from skerry_engine.catalog.privileges import CONNECT, Judge
from skerry_engine.durability.database import DurableDatabase, open_directory
from skerry_engine.session.changes import tell_listeners
from skerry_engine.session.deferred.registry import DeferredViews
from skerry_engine.session.notifications import Notifications
from skerry_engine.session.plans import PlanCache, StatementCache
from skerry_engine.session.sequences import Sequences
from skerry_engine.session.session import Session
from skerry_engine.session.settings import READ_ONLY, Settings, read_write_refused
from skerry_engine.session.state import SessionState
from skerry_engine.session.stores import Stores
from skerry_engine.storage.memory_limit import default_limit_bytes
from skerry_engine.txn.durable_log import DurableLog
from skerry_engine.txn.feed import Commit
from skerry_engine.txn.locks import WAITING, blockers
from skerry_engine.txn.manager import GC_INTERVAL_COMMITS, TransactionManager

SUPERUSER = "skerry"
MEMORY = ":memory:"
MIN_MEMORY_LIMIT_BYTES = 1 << 20


def start_settings(database: Database, role: Role) -> dict[str, str]:
    """What sessions of a role in a database start with: the database's settings, the role's, the role's there.

    What can't be set any more, by a later version say, is passed over.
    """
    values = list(database.settings)
    for oid in (0, database.oid):
        values += [value for each in role.settings if each.database_oid == oid for value in each.values]
    found: dict[str, str] = {}
    for value in values:
        name, _, text = value.partition("=")
        try:
            Settings({} if name == "role" else {name: text})
        except errors.DatabaseError:
            continue
        found[name] = text
    return found


class Engine:
    """One cluster of databases.  Not thread-safe: callers run it under one mutex, or on one thread.

    `read_only`: sessions that are opened from now on may only read.
    """

    def __init__(self, gc_interval_commits: int = GC_INTERVAL_COMMITS) -> None:
        self.read_only = False
        self.mock_secret = secrets.token_bytes(32)
        catalog = new_catalog(SUPERUSER)
        self.manager = TransactionManager(catalog, gc_interval_commits)
        self.stores = Stores()
        self.stores.begin(catalog)
        self.sequences = Sequences()
        self.plans = PlanCache()
        self.statements = StatementCache()
        self.deferred_views = DeferredViews(self)
        self.manager.feed.on_commit = self._tell_of
        self._tell_listeners = tell_listeners(self)
        self.notifications = Notifications()
        self.sessions: dict[int, Session] = {}
        self._pids = itertools.count(1)
        self.memory_limit_bytes = default_limit_bytes()
        self.durable: DurableDatabase | None = None
        self.closed = False

    @classmethod
    def open(
        cls,
        path: str = MEMORY,
        gc_interval_commits: int | None = None,
        retention_s: float | None = None,
        retention_bytes: int | None = None,
        memory_limit_bytes: int | None = None,
    ) -> Engine:
        """Open a cluster: ':memory:', or a directory, which is made if it does not exist.

        Old row versions are collected every `gc_interval_commits` commits.  The past is kept readable for
        `retention_s` seconds, if its estimated size allows: see `set_retention`.  A directory's past is readable again
        as far as it was kept and this retention asks for it.  Of a directory's tables so much is
        kept in memory as lets the process stay below `memory_limit_bytes` (default: half of the machine's).

        Raises InvalidParameterValue for an interval below 1 and a memory limit below 1 MiB, DatabaseInUse,
        DatabaseDamaged, IncompatibleFormat, OSError.
        """
        if gc_interval_commits is not None and gc_interval_commits < 1:
            raise errors.InvalidParameterValue("the gc interval is a number of commits, 1 or more")
        engine = cls() if gc_interval_commits is None else cls(gc_interval_commits)
        if memory_limit_bytes is not None:
            if memory_limit_bytes < MIN_MEMORY_LIMIT_BYTES:
                raise errors.InvalidParameterValue("the memory limit is 1 MB or more")
            engine.memory_limit_bytes = memory_limit_bytes
        engine.set_retention(retention_s, retention_bytes)
        if path != MEMORY:
            engine.durable = open_directory(engine, path)
            engine.deferred_views.begin(engine.durable.base_epoch)
        return engine

    def set_retention(self, retention_s: float | None, limit_bytes: int | None) -> None:
        """Keep the past readable for so long, and as long as it takes no more than so much memory; None leaves it
        as it is.  Raises InvalidParameterValue below 0."""
        history = self.manager.history
        retention_us = history.retention_us if retention_s is None else round(retention_s * 1_000_000)
        limit_bytes = history.limit_bytes if limit_bytes is None else limit_bytes
        if retention_us < 0 or limit_bytes < 0:
            raise errors.InvalidParameterValue("retention, in time and in bytes, is 0 or more")
        self.manager.keep_history(retention_us, limit_bytes)

    def _tell_of(self, commit: Commit) -> None:
        """A commit can be read in the change feed."""
        self._tell_listeners(commit)
        self.deferred_views.note(commit)

    @property
    def durable_log(self) -> DurableLog | None:
        """The log whose flushing is the host's to do; None in memory."""
        return None if self.durable is None else self.durable.log

    def credentials(self, user: str) -> Credentials | None:
        """What a role logs in with; None where there is no such role."""
        role = self.published_catalog().role_named(user)
        return None if role is None else Credentials(role.password, role.valid_until_us)

    def open_session(
        self, database: str, user: str, options: dict[str, str] | None = None, backend_pid: int = 0
    ) -> Session:
        """Open a session with start-up settings.  Raises InvalidCatalogName, InvalidAuthorization,
        settings' errors."""
        if self.closed:
            raise errors.CannotConnectNow("the database is closed")
        catalog = self.published_catalog()
        role = catalog.role_named(user)
        if role is None:
            raise errors.InvalidAuthorization(f'role "{user}" does not exist')
        if not role.can_login:
            raise errors.InvalidAuthorization(f'role "{user}" is not permitted to log in')
        found = catalog.database_named(database)
        if found is None:
            raise errors.InvalidCatalogName(f'database "{database}" does not exist')
        if not found.allow_connections:
            raise errors.ObjectNotInPrerequisiteState(
                f'database "{database}" is not currently accepting connections'
            )
        if not Judge(catalog, found, role.oid).on_database(found) & CONNECT:
            raise errors.InsufficientPrivilege(
                f'permission denied for database "{database}"', detail="User does not have CONNECT privilege."
            )
        self._check_limits(role, found)
        pid = backend_pid or next(self._pids)
        wanted = {**start_settings(found, role), **(options or {})}
        own_role = next((wanted.pop(name) for name in list(wanted) if name.lower() == "role"), None)
        session = Session(self, found.oid, user, self._session_options(wanted), pid)
        if own_role is not None:
            session.set_role(None if own_role == "none" else own_role, False)
            session.settings.commit()
        self.sessions[pid] = session
        return session

    def _check_limits(self, role: Role, database: Database) -> None:
        """Raise TooManyConnections where a role or database has as many sessions as it may; superusers may always."""
        if role.superuser:
            return
        for what, limit in (("role", role.connection_limit), ("database", database.connection_limit)):
            if limit < 0:
                continue
            others = [
                each
                for each in self.sessions.values()
                if (each.user == role.name if what == "role" else each.database_oid == database.oid)
            ]
            if len(others) >= limit:
                name = role.name if what == "role" else database.name
                raise errors.TooManyConnections(f'too many connections for {what} "{name}"')

    def _session_options(self, options: dict[str, str]) -> dict[str, str]:
        """A session's start-up settings; a read-only engine's sessions can't be opened for writing."""
        if not self.read_only:
            return options
        others = {name: value for name, value in options.items() if name.lower() != READ_ONLY}
        for name in options.keys() - others.keys():
            if not Settings({READ_ONLY: options[name]}).flag(READ_ONLY):
                raise read_write_refused()
        return {**others, READ_ONLY: "on"}

    def published_catalog(self) -> Catalog:
        """The catalog that a new snapshot sees."""
        catalog = self.manager.catalog_at(self.manager.published)
        assert isinstance(catalog, Catalog)
        return catalog

    def forget_session(self, session: SessionState) -> None:
        """A session has ended."""
        if self.sessions.get(session.backend_pid) is session:
            del self.sessions[session.backend_pid]

    def sessions_in(self, database_oid: int) -> list[Session]:
        """The sessions connected to a database."""
        return [s for s in self.sessions.values() if s.database_oid == database_oid]

    def blocking_pids(self, pid: int) -> list[int]:
        """The sessions that a session waits for: holders of what it wants, and who is ahead of it in the
        queue."""
        session = self.sessions.get(pid)
        request = None if session is None else session.owner.request
        if request is None or request.status != WAITING:
            return []
        return [holder.owner.process_id for holder in blockers(request)]

    def safe_snapshot_blocking_pids(self, pid: int) -> list[int]:
        """The sessions whose transactions have to end before a session that waits for a safe snapshot goes
        on; 0 for a prepared one."""
        session = self.sessions.get(pid)
        transaction = None if session is None else session.transaction
        serial = None if transaction is None else transaction.serial
        if session is None or serial is None or serial.gate is None or session.waiting is not serial.gate:
            return []
        writers = serial.writers or ()
        found = [
            other.backend_pid
            for other in self.sessions.values()
            if other.transaction is not None and other.transaction.serial in writers
        ]
        return found + [0 for each in self.manager.prepared.all() if each.transaction.serial in writers]

    def close(self) -> None:
        """End every session.  What is in memory is gone; a directory is left sealed, and free for others."""
        self.closed = True
        for session in list(self.sessions.values()):
            session.close()
        self.deferred_views.end()
        durable, self.durable = self.durable, None
        if durable is not None:
            durable.close()
