"""Skerry: a transactional database in typed Python, embedded or over the network.

    import skerry

    connection = skerry.connect(":memory:")                       DB-API 2.0
    connection = skerry.connect("skerry://user@host:5433/db")     the same, of a server
    database = skerry.open(":memory:")                            the native interface: transactions are objects

Errors are the classes of `skerry.errors`, the same embedded and over the network; the DB-API hierarchy and
the transaction errors T001 to T006 are here too.
"""

from __future__ import annotations

import os

from skerry.abc import ColumnInfo, Notification
from skerry.adapting import register_adapter
from skerry.aio.changes import AsyncChanges
from skerry.aio.connection_pool import AsyncPool
from skerry.aio.copying import AsyncCopy
from skerry.aio.dbapi import AsyncConnection, AsyncCursor, AsyncTransactionBlock
from skerry.aio.listening import AsyncListener
from skerry.aio.native import AsyncDatabase
from skerry.aio.opening import open_source as open_source_async
from skerry.aio.pending import AsyncPendingCommit
from skerry.aio.retrying import run_transaction_async
from skerry.aio.transactions import AsyncTransaction
from skerry.backing_up import Backup
from skerry.change_rows import Change
from skerry.changes import Changes
from skerry.connection_pool import Pool, PoolStats
from skerry.copying import Copy
from skerry.dbapi import Connection, Cursor, TransactionBlock
from skerry.graph import Edge, Node, Path
from skerry.listening import Listener
from skerry.loadable import End
from skerry.native import Database
from skerry.opening import open_source
from skerry.pending import PendingChange, PendingCommit, TableChanges
from skerry.pep249 import Rollback, Xid, apilevel, paramstyle, threadsafety
from skerry.result import Result
from skerry.retrying import run_transaction
from skerry.targets import MEMORY, EngineOptions
from skerry.transaction_state import TransactionState
from skerry.transactions import Transaction
from skerry.types import (
    BINARY,
    DATETIME,
    NUMBER,
    ROWID,
    STRING,
    Binary,
    Date,
    DateFromTicks,
    Interval,
    Time,
    TimeFromTicks,
    Timestamp,
    TimestampFromTicks,
)
from skerry_engine import errors
from skerry_engine.errors import (
    DatabaseError,
    DataError,
    DeadlockDetected,
    Error,
    IntegrityError,
    InterfaceError,
    InternalError,
    InvalidTransactionState,
    NotSupportedError,
    OperationalError,
    ProgrammingError,
    ReadOnlyViolation,
    SerializationFailure,
    TransactionTimeout,
    Warning,
    WriteConflict,
)

__all__ = [
    "AsyncChanges",
    "AsyncConnection",
    "AsyncCopy",
    "AsyncCursor",
    "AsyncDatabase",
    "AsyncListener",
    "AsyncPendingCommit",
    "AsyncPool",
    "AsyncTransaction",
    "AsyncTransactionBlock",
    "BINARY",
    "Backup",
    "DATETIME",
    "NUMBER",
    "ROWID",
    "STRING",
    "Binary",
    "ColumnInfo",
    "Change",
    "Changes",
    "Connection",
    "Copy",
    "Cursor",
    "DataError",
    "Database",
    "DatabaseError",
    "Date",
    "DateFromTicks",
    "DeadlockDetected",
    "Edge",
    "End",
    "Error",
    "IntegrityError",
    "InterfaceError",
    "InternalError",
    "Interval",
    "InvalidTransactionState",
    "Listener",
    "Node",
    "NotSupportedError",
    "Notification",
    "OperationalError",
    "Path",
    "PendingChange",
    "PendingCommit",
    "Pool",
    "PoolStats",
    "ProgrammingError",
    "ReadOnlyViolation",
    "Result",
    "Rollback",
    "SerializationFailure",
    "TableChanges",
    "Time",
    "TimeFromTicks",
    "Timestamp",
    "TimestampFromTicks",
    "Transaction",
    "TransactionBlock",
    "TransactionState",
    "TransactionTimeout",
    "Warning",
    "WriteConflict",
    "Xid",
    "apilevel",
    "connect",
    "connect_async",
    "errors",
    "open",
    "open_async",
    "paramstyle",
    "register_adapter",
    "run_transaction",
    "run_transaction_async",
    "threadsafety",
]


def connect(
    target: str | os.PathLike[str] = MEMORY,
    *,
    user: str | None = None,
    database: str | None = None,
    autocommit: bool = False,
    isolation_level: str | None = None,
    read_only: bool = False,
    deferrable: bool = False,
    timeout: float | None = None,
    connect_timeout: float | None = None,
    retention: float | None = None,
    retention_bytes: int | None = None,
    memory_limit: int | None = None,
    options: dict[str, str] | None = None,
) -> Connection:
    """Open a DB-API connection to `:memory:`, a path or `skerry://user@host:port/database`.

    `isolation_level` ('read committed', 'snapshot', 'serializable'), `read_only` and `deferrable` hold for
    each transaction, with `autocommit` for each statement; READ COMMITTED is the default.  `timeout` is in
    seconds: how long a statement may take; `connect_timeout`, how long a server may take to answer (`timeout`, unless
    it is given).  `retention` is for how many seconds an
    embedded database keeps the past readable (AS OF; 0 unless asked otherwise), as long as that takes no more than
    `retention_bytes` of memory.  `memory_limit` is how many bytes of memory this process may take while it holds a
    directory's database, which may be larger (half of the machine's unless asked otherwise).  `options` are settings
    of the session, by name.
    """
    engine_options = EngineOptions(None, retention, retention_bytes, memory_limit)
    source = open_source(target, user, database, timeout, connect_timeout, options, engine_options)
    try:
        return Connection.open(
            source,
            owns_source=True,
            autocommit=autocommit,
            isolation_level=isolation_level,
            read_only=read_only,
            deferrable=deferrable,
        )
    except BaseException:
        source.close()
        raise


async def connect_async(
    target: str | os.PathLike[str] = MEMORY,
    *,
    user: str | None = None,
    database: str | None = None,
    autocommit: bool = False,
    isolation_level: str | None = None,
    read_only: bool = False,
    deferrable: bool = False,
    timeout: float | None = None,
    connect_timeout: float | None = None,
    retention: float | None = None,
    retention_bytes: int | None = None,
    memory_limit: int | None = None,
    options: dict[str, str] | None = None,
) -> AsyncConnection:
    """`connect` for asyncio: what waits there is awaited here."""
    engine_options = EngineOptions(None, retention, retention_bytes, memory_limit)
    source = await open_source_async(
        target, user, database, timeout, connect_timeout, options, engine_options
    )
    try:
        return await AsyncConnection.open(
            source,
            owns_source=True,
            autocommit=autocommit,
            isolation_level=isolation_level,
            read_only=read_only,
            deferrable=deferrable,
        )
    except BaseException:
        await source.close()
        raise


def open(
    target: str | os.PathLike[str] = MEMORY,
    *,
    user: str | None = None,
    database: str | None = None,
    read_only: bool = False,
    timeout: float | None = None,
    connect_timeout: float | None = None,
    gc_interval: int | None = None,
    retention: float | None = None,
    retention_bytes: int | None = None,
    memory_limit: int | None = None,
    options: dict[str, str] | None = None,
) -> Database:
    """Open a database for the native interface; see `connect` for the arguments.

    `read_only`: nothing can be written through this Database, whatever a transaction asks for (T003).
    `gc_interval`: old row versions are collected every so many commits (100 unless asked otherwise).
    `retention`, `retention_bytes`, `memory_limit`: see `connect`.  All four are for an embedded database; a server
    has them from `skerry serve`.
    """
    if read_only:
        options = {**(options or {}), "skerry.read_only": "on"}
    engine_options = EngineOptions(gc_interval, retention, retention_bytes, memory_limit)
    source = open_source(target, user, database, timeout, connect_timeout, options, engine_options)
    try:
        return Database.open(source)
    except BaseException:
        source.close()
        raise


async def open_async(
    target: str | os.PathLike[str] = MEMORY,
    *,
    user: str | None = None,
    database: str | None = None,
    read_only: bool = False,
    timeout: float | None = None,
    connect_timeout: float | None = None,
    gc_interval: int | None = None,
    retention: float | None = None,
    retention_bytes: int | None = None,
    memory_limit: int | None = None,
    options: dict[str, str] | None = None,
) -> AsyncDatabase:
    """`open` for asyncio: what waits there is awaited here."""
    if read_only:
        options = {**(options or {}), "skerry.read_only": "on"}
    engine_options = EngineOptions(gc_interval, retention, retention_bytes, memory_limit)
    source = await open_source_async(
        target, user, database, timeout, connect_timeout, options, engine_options
    )
    try:
        return await AsyncDatabase.open(source)
    except BaseException:
        await source.close()
        raise
