"""How sessions and locks look from outside: the rows of pg_stat_activity and pg_locks.

pg_locks shows what PostgreSQL's does, so that queries written for it find who blocks whom:

    relation, advisory          each lock, held or waited for
    virtualxid, transactionid   each transaction holds its own; the second once it has written or others wait
    tuple                       rows that are waited for: the first in the queue has the `tuple` lock and waits
                                for the holder's `transactionid`, those behind it wait for the `tuple`
    SIReadLock                  what SERIALIZABLE transactions have read: relation, tuple, or (page) an index

A wait for a unique key or a name is one for the holder's `transactionid`, too.  Other locks on rows and keys are
not shown: there may be millions.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from skerry_engine.catalog.catalog import Database
from skerry_engine.catalog.system.context import LockInfo, SessionInfo
from skerry_engine.session.sleeping import Timer
from skerry_engine.txn.locks import ADVISORY, ROW, TABLE, WAITING, Holder, Lock, LockRequest, blockers
from skerry_engine.txn.modes import MODE_NAMES, ROW_KEY_SHARE, ROW_NO_KEY_UPDATE, ROW_SHARE, ROW_UPDATE
from skerry_engine.txn.serializable import SerializableState
from skerry_engine.txn.transaction import Transaction
from skerry_engine.txn.waiting import Gate
from skerry_engine.values.calendar import UNIX_EPOCH_DAYS

if TYPE_CHECKING:
    from skerry_engine.engine import Engine
    from skerry_engine.session.state import SessionState

TUPLE_MODES = {
    ROW_KEY_SHARE: "AccessShareLock",
    ROW_SHARE: "RowShareLock",
    ROW_NO_KEY_UPDATE: "ExclusiveLock",
    ROW_UPDATE: "AccessExclusiveLock",
}
"""The modes under which PostgreSQL queues for a row."""

PAGE_ROWS_BITS = 6
"""Rows stand in pages of 64: a row id's lower bits are its place in the page, as `tuple` shows it."""

ROW_ID_BITS = 40


# --- sessions -------------------------------------------------------------------------------------


def _has_number(session: SessionState, transaction: Transaction) -> bool:
    """Whether PostgreSQL would have given it one: it has written, or its number was asked for."""
    return transaction.has_written() or session.told_transaction_id == transaction.id


def session_info(session: SessionState) -> SessionInfo:
    """A session's row of pg_stat_activity."""
    transaction = session.transaction
    if transaction is not None and transaction.state != "active":
        transaction = None
    event_type, event = wait_event(session)
    address, port = session.client_address or (None, None)
    has_run = bool(session.current_query)
    return SessionInfo(
        session.backend_pid,
        session.database_oid,
        session.login_oid,
        application_name=session.settings.text("application_name"),
        client_address=address,
        tls=session.tls,
        client_port=port,
        backend_start_us=session.started_at_us,
        transaction_start_us=session.transaction_started_at_us,
        query_start_us=session.functions.statement_timestamp if has_run else None,
        state_change_us=session.state_changed_at_us,
        wait_event_type=event_type,
        wait_event=event,
        state=session_state(session),
        transaction_id=transaction.id
        if transaction is not None and _has_number(session, transaction)
        else None,
        oldest_snapshot=None if transaction is None else transaction.oldest_held_snapshot(),
        query=session.current_query,
    )


def session_state(session: SessionState) -> str:
    """What a session does, in pg_stat_activity's words."""
    if session.is_running:
        return "active"
    if not session.in_block:
        return "idle"
    return "idle in transaction (aborted)" if session.failed else "idle in transaction"


def wait_event(session: SessionState) -> tuple[str | None, str | None]:
    """What a session waits for, as wait_event_type and wait_event."""
    waiting = session.waiting
    if waiting is None or waiting.is_over():
        return (None, None) if session.is_running else ("Client", "ClientRead")
    if isinstance(waiting, LockRequest):
        return "Lock", _lock_event(waiting)
    if isinstance(waiting, Timer):
        return "Timeout", "PgSleep"
    return ("IPC", "SafeSnapshot") if isinstance(waiting, Gate) else ("Extension", "Extension")


def _lock_event(request: LockRequest) -> str:
    kind = request.lock.kind
    if kind == TABLE:
        return "relation"
    if kind == ADVISORY:
        return "advisory"
    return "tuple" if kind == ROW and not _is_first(request) else "transactionid"


def _is_first(request: LockRequest) -> bool:
    queue = request.lock.queue
    return queue is not None and queue[0] is request


# --- locks ----------------------------------------------------------------------------------------


def lock_infos(engine: Engine) -> list[LockInfo]:
    """The rows of pg_locks."""
    locks = engine.manager.locks
    infos: list[LockInfo] = []
    for space in (locks.tables, locks.advisory):
        for lock in space.values():
            infos.extend(_held(lock))
            infos.extend(_wait(request) for request in lock.queue or [])
    waiting = [s.owner.request for s in engine.sessions.values() if s.owner.request is not None]
    blocking: set[int] = set()
    for request in waiting:
        if request.status == WAITING and request.lock.kind not in (TABLE, ADVISORY):
            infos.extend(_row_wait(engine, request, blocking))
    infos.extend(_own_locks(engine, blocking))
    infos.extend(_reads(engine))
    return infos


def _held(lock: Lock) -> Iterator[LockInfo]:
    for holder, mask in lock.holders():
        for mode, name in enumerate(MODE_NAMES):
            if mask >> mode & 1:
                yield _shown(lock, holder, name, True)


def _wait(request: LockRequest) -> LockInfo:
    return _shown(request.lock, request.holder, MODE_NAMES[request.mode], False, _since_us(request))


def _shown(lock: Lock, holder: Holder, mode: str, granted: bool, since_us: int | None = None) -> LockInfo:
    pid, transaction = _who(holder)
    if lock.kind == TABLE:
        assert isinstance(lock.resource, int)
        return LockInfo(
            "relation",
            mode,
            granted,
            pid,
            transaction,
            holder.owner.database_oid,
            lock.resource,
            wait_start_us=since_us,
        )
    assert isinstance(lock.resource, tuple)
    database_oid, class_oid, object_oid, sub_object = lock.resource
    return LockInfo(
        "advisory",
        mode,
        granted,
        pid,
        transaction,
        database_oid,
        class_oid=class_oid,
        object_id=object_oid,
        object_sub_id=sub_object,
        wait_start_us=since_us,
    )


def _who(holder: Holder) -> tuple[int | None, str]:
    """A holder's process and virtual transaction; a prepared transaction has no process."""
    pid = holder.owner.process_id
    return (pid, f"{pid}/{holder.transaction_id}") if pid else (None, f"-1/{holder.transaction_id}")


def _since_us(request: LockRequest) -> int:
    return round((request.since_s - UNIX_EPOCH_DAYS * 86400) * 1_000_000)


def _row_wait(engine: Engine, request: LockRequest, blocking: set[int]) -> Iterator[LockInfo]:
    """A wait for a row, a unique key or a name; notes whose transaction it is that is waited for."""
    is_row = request.lock.kind == ROW
    is_first = _is_first(request)
    if is_row:
        yield _tuple_lock(engine, request, is_first)
    if is_row and not is_first:
        return
    found = blockers(request)
    if not found:
        return
    number = found[0].transaction_id
    blocking.add(number)
    pid, transaction = _who(request.holder)
    yield LockInfo(
        "transactionid",
        "ShareLock",
        False,
        pid,
        transaction,
        transaction_id=number,
        wait_start_us=_since_us(request),
    )


def _tuple_lock(engine: Engine, request: LockRequest, granted: bool) -> LockInfo:
    pid, transaction = _who(request.holder)
    assert isinstance(request.lock.resource, int)
    storage_id, row_id = divmod(request.lock.resource, 1 << ROW_ID_BITS)
    database_oid, table_oid = table_of_storage(engine, storage_id)
    return LockInfo(
        "tuple",
        TUPLE_MODES[request.mode],
        granted,
        pid,
        transaction,
        database_oid,
        table_oid,
        page=row_id >> PAGE_ROWS_BITS,
        tuple=row_id % (1 << PAGE_ROWS_BITS),
        wait_start_us=None if granted else _since_us(request),
    )


def _own_locks(engine: Engine, blocking: set[int]) -> Iterator[LockInfo]:
    """The locks that every transaction holds on itself."""
    for transaction in transactions(engine):
        pid, virtual = _who(transaction.holder)
        if pid is not None:
            yield LockInfo("virtualxid", "ExclusiveLock", True, pid, virtual, virtual_id=virtual)
        if transaction.has_written() or transaction.id in blocking:
            yield LockInfo(
                "transactionid", "ExclusiveLock", True, pid, virtual, transaction_id=transaction.id
            )


def transactions(engine: Engine) -> list[Transaction]:
    """Every transaction that is active or prepared, oldest first."""
    manager = engine.manager
    found = dict(manager.active)
    for prepared in manager.prepared.all():
        found[prepared.transaction.id] = prepared.transaction
    return [found[number] for number in sorted(found)]


def _reads(engine: Engine) -> Iterator[LockInfo]:
    """SIREADs; of transactions that have committed, too, as long as they matter (without a process then)."""
    registry = engine.manager.serializable
    holders = {t.serial: t.holder for t in transactions(engine) if t.serial is not None}
    for state in [*registry.running.values(), *registry.retained]:
        holder = holders.get(state)
        pid, transaction = _who(holder) if holder is not None else (None, f"-1/{state.transaction_id}")
        yield from _reads_of(engine, state, pid, transaction)


def _reads_of(
    engine: Engine, state: SerializableState, pid: int | None, transaction: str
) -> Iterator[LockInfo]:
    for reads in state.reads.values():
        database_oid, table_oid = table_of_storage(engine, reads.storage.storage_id)
        for granularity, what in dict.fromkeys(reads.describe()):
            info = LockInfo(granularity, "SIReadLock", True, pid, transaction, database_oid, table_oid)
            if isinstance(what, int) and granularity == "tuple":
                info = replace(info, page=what >> PAGE_ROWS_BITS, tuple=what % (1 << PAGE_ROWS_BITS))
            elif isinstance(what, int):
                info = replace(info, lock_type="page", relation_oid=what)
            yield info


def table_of_storage(engine: Engine, storage_id: int) -> tuple[int | None, int | None]:
    """The database and the table whose rows stand in a storage; None for one that is no table's any more."""
    for database in engine.published_catalog().databases.values():
        found = _tables_by_storage(database).get(storage_id)
        if found is not None:
            return database.oid, found
    return None, None


def _tables_by_storage(database: Database) -> dict[int, int]:
    return database.cached(
        "tables by storage", lambda: {table.storage_id: table.oid for table in database.tables()}
    )
