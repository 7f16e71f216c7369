"""The dialect: PostgreSQL's, with Skerry's driver under it.

    Engine ── SkerryDialect ── skerry.Connection ── a server
                   └─ SkerryEmbeddedDialect ──────── an engine of this process   (embedded.py)

Modes of transactions (isolation level, read-only, deferrable) are attributes of a driver's connection: they hold for
the transactions that begin from then on.  So nothing is sent when they change, and what SQLAlchemy itself asks of a
connection (a ping, the level) leaves no transaction open, which would have the modes of before.
"""

from __future__ import annotations

import types
from typing import Any

from sqlalchemy.dialects.postgresql.base import PGDialect, PGExecutionContext
from sqlalchemy.engine import URL, Connection
from sqlalchemy.engine.characteristics import ConnectionCharacteristic

import skerry
from skerry.sqlalchemy.column_types import COLUMN_TYPES
from skerry.sqlalchemy.urls import ConnectArgs, network_arguments

ISOLATION_LEVELS = (
    "READ UNCOMMITTED",
    "READ COMMITTED",
    "SNAPSHOT",
    "REPEATABLE READ",
    "SERIALIZABLE",
    "AUTOCOMMIT",
)

_GONE_CLASSES = ("08",)
_GONE_STATES = ("57P01", "57P02", "57P03", "57P05")
"""SQLSTATEs that end a session: lost connections, an administrator's word, idling for too long."""


class AccessMode(ConnectionCharacteristic):
    """An execution option that is a mode of transactions: an attribute of the driver's connection."""

    transactional = True

    def __init__(self, attribute: str) -> None:
        self.attribute = attribute

    def reset_characteristic(self, dialect: Any, dbapi_conn: Any) -> None:
        self.set_characteristic(dialect, dbapi_conn, False)

    def set_characteristic(self, dialect: Any, dbapi_conn: Any, value: Any) -> None:
        dialect.set_mode(dbapi_conn, self.attribute, bool(value))

    def get_characteristic(self, dialect: Any, dbapi_conn: Any) -> Any:
        return bool(getattr(dbapi_conn, self.attribute))


class SkerryExecutionContext(PGExecutionContext):
    """One statement: rows that are asked for as a stream come by a streaming cursor."""

    def create_server_side_cursor(self) -> Any:
        return self._dbapi_connection.cursor(stream=True)

    def post_exec(self) -> None:
        """Remember how many rows an INSERT has inserted (ON CONFLICT DO NOTHING): a closed cursor does not say."""
        if self.isinsert and self._rowcount is None:
            self._rowcount = self.cursor.rowcount


class SkerryDialect(PGDialect):
    """Skerry over the network, by `skerry`."""

    name = "postgresql"
    driver = "network"
    supports_statement_cache = True
    supports_server_side_cursors = True
    default_paramstyle = "pyformat"
    supports_native_json_deserialization = False
    execution_ctx_cls = SkerryExecutionContext
    colspecs = COLUMN_TYPES
    construct_arguments = []  # noqa: RUF012  (`postgresql_where=` is of PostgreSQL's own dialect; there is no `skerry_where=`)
    connection_characteristics = PGDialect.connection_characteristics.union(
        {"skerry_read_only": AccessMode("read_only"), "skerry_deferrable": AccessMode("deferrable")}
    )

    @classmethod
    def import_dbapi(cls) -> types.ModuleType:
        """The driver."""
        return skerry

    def create_connect_args(self, url: URL) -> ConnectArgs:
        """What `connect` gets for a URL."""
        return network_arguments(url)

    # --- modes of transactions ----------------------------------------------------------------------------------------

    def get_isolation_level_values(self, dbapi_conn: Any) -> Any:
        """The levels there are, one more than SQLAlchemy's types know: SNAPSHOT, PostgreSQL's REPEATABLE READ."""
        return ISOLATION_LEVELS

    def set_isolation_level(self, dbapi_connection: Any, level: str) -> None:
        """The level of the transactions that begin from now on."""
        _settle(dbapi_connection)
        if level == "AUTOCOMMIT":
            dbapi_connection.autocommit = True
            return
        dbapi_connection.autocommit = False
        dbapi_connection.isolation_level = level.lower()

    def get_isolation_level(self, dbapi_connection: Any) -> Any:
        """The level that a transaction of this connection has, or would have."""
        if dbapi_connection.autocommit:
            return "AUTOCOMMIT"
        if dbapi_connection.isolation_level is not None:
            return str(dbapi_connection.isolation_level).upper()
        return str(self._ask(dbapi_connection, "SHOW transaction_isolation")).upper()

    def detect_autocommit_setting(self, dbapi_conn: Any) -> bool:
        """Whether the connection commits each statement by itself."""
        return bool(dbapi_conn.autocommit)

    def set_mode(self, dbapi_connection: Any, attribute: str, value: bool) -> None:
        """Make transactions from now on read-only or deferrable, or not."""
        _settle(dbapi_connection)
        setattr(dbapi_connection, attribute, value)

    def set_readonly(self, connection: Any, value: bool) -> None:
        self.set_mode(connection, "read_only", value)

    def get_readonly(self, connection: Any) -> bool:
        return bool(connection.read_only)

    def set_deferrable(self, connection: Any, value: bool) -> None:
        self.set_mode(connection, "deferrable", value)

    def get_deferrable(self, connection: Any) -> bool:
        return bool(connection.deferrable)

    # --- connections --------------------------------------------------------------------------------------------------

    def do_ping(self, dbapi_connection: Any) -> bool:
        """Whether the session answers."""
        self._ask(dbapi_connection, "SELECT 1")
        return True

    def is_disconnect(self, e: Any, connection: Any, cursor: Any) -> bool:
        """Whether an error means that the session is gone, and the others of the pool perhaps with it."""
        if connection is not None and getattr(connection, "closed", False):
            return True
        sqlstate = getattr(e, "sqlstate", None) or ""
        return sqlstate.startswith(_GONE_CLASSES) or sqlstate in _GONE_STATES

    def _ask(self, dbapi_connection: Any, statement: str) -> object:
        """One value, without leaving a transaction open."""
        commits_itself = dbapi_connection.autocommit
        is_idle = not dbapi_connection.in_transaction
        if is_idle and not commits_itself:
            dbapi_connection.autocommit = True
        cursor = dbapi_connection.cursor()
        try:
            cursor.execute(statement)
            return cursor.fetchone()[0]
        finally:
            cursor.close()
            if is_idle and not commits_itself and not dbapi_connection.closed:
                dbapi_connection.autocommit = False

    # --- two-phase commit ---------------------------------------------------------------------------------------------

    def do_prepare_twophase(self, connection: Connection, xid: str) -> None:
        self._run(connection, f"PREPARE TRANSACTION {_quoted(xid)}")

    def do_rollback_twophase(
        self, connection: Connection, xid: str, is_prepared: bool = True, recover: bool = False
    ) -> None:
        self._end_twophase(connection, "ROLLBACK", xid, is_prepared)

    def do_commit_twophase(
        self, connection: Connection, xid: str, is_prepared: bool = True, recover: bool = False
    ) -> None:
        self._end_twophase(connection, "COMMIT", xid, is_prepared)

    def _end_twophase(self, connection: Connection, word: str, xid: str, is_prepared: bool) -> None:
        raw: Any = connection.connection
        if not is_prepared:
            raw.rollback() if word == "ROLLBACK" else raw.commit()
            return
        raw.rollback()  # of a transaction that another statement began
        self._run(connection, f"{word} PREPARED {_quoted(xid)}")

    def _run(self, connection: Connection, statement: str) -> None:
        raw: Any = connection.connection
        cursor = raw.cursor()
        try:
            cursor.execute(statement)
        finally:
            cursor.close()


def _settle(dbapi_connection: Any) -> None:
    """Modes are those of the next transaction: one that is open, of a question that nobody ended, goes."""
    if dbapi_connection.in_transaction:
        dbapi_connection.rollback()


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
