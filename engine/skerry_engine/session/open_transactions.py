"""The rows of skerry.transactions: what every transaction does, holds, waits for and holds back.

One row for each transaction that is active or prepared.  What a SERIALIZABLE one is in conflict with is
worked out here, when it is asked for: what it has written is compared with what the others have read, as its
commit will.  Of one with more than `MAX_COMPARED_ROWS` pending rows that is left open (NULL).
"""

from __future__ import annotations

from bisect import bisect_right
from itertools import accumulate
from typing import TYPE_CHECKING, Final

from skerry_engine.catalog.quoting import quote_qualified
from skerry_engine.catalog.system.context import TransactionInfo
from skerry_engine.session.monitoring import ROW_ID_BITS, table_of_storage, transactions
from skerry_engine.session.sleeping import Timer
from skerry_engine.storage.heap import INFINITY
from skerry_engine.txn.commit import SLICE_ROWS, find_readers
from skerry_engine.txn.locking import NO_SNAPSHOT
from skerry_engine.txn.locks import (
    ADVISORY,
    INDEX,
    KEY,
    LINE,
    ROW,
    TABLE,
    LockRequest,
    describe_resource,
    wanted_mode,
)
from skerry_engine.txn.manager import shown_isolation
from skerry_engine.txn.modes import ROW_MODES
from skerry_engine.txn.serializable import ABORTED, RUNNING, SerializableState
from skerry_engine.txn.transaction import PREPARED, Transaction
from skerry_engine.txn.waiting import Gate
from skerry_engine.values.clock import wall_clock

if TYPE_CHECKING:
    from skerry_engine.engine import Engine
    from skerry_engine.session.state import SessionState

MAX_COMPARED_ROWS: Final = SLICE_ROWS
"""Larger commits install ahead of their epoch; then nothing is left to compare, either."""

_STRENGTHS = {mode: name for name, mode in ROW_MODES.items()}


def transaction_infos(engine: Engine) -> list[TransactionInfo]:
    """The rows, oldest transaction first."""
    return _Report(engine).rows()


class _Report:
    """What the rows have in common, found once."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.now_us = wall_clock()
        self.sessions = {s.transaction.id: s for s in engine.sessions.values() if s.transaction is not None}
        self.prepared = {p.transaction.id: p for p in engine.manager.prepared.all()}
        self.transactions = transactions(engine)
        self.conflicts_in, self.conflicts_out = self._conflicts()
        waiting = engine.manager.collector.waiting_by_epoch()
        self._epochs = [epoch for epoch, _ in waiting]
        self._rows_until = [0, *accumulate(rows for _, rows in waiting)]

    def rows(self) -> list[TransactionInfo]:
        """A row for each transaction that a session or a gid answers for."""
        known = self.sessions.keys() | self.prepared.keys()
        return [self._row(transaction) for transaction in self.transactions if transaction.id in known]

    def _row(self, transaction: Transaction) -> TransactionInfo:
        session = self.sessions.get(transaction.id)
        prepared = self.prepared.get(transaction.id)
        started_us = self.now_us
        if prepared is not None:
            started_us = prepared.prepared_at_us
        elif session is not None:
            started_us = session.transaction_started_at_us or self.now_us
        serial = transaction.serial
        is_out = serial is not None and serial.earliest_out < INFINITY
        return TransactionInfo(
            transaction.id,
            None if session is None else session.backend_pid,
            transaction.owner.database_oid,
            "prepared" if session is None else transaction_state(session),
            _shown_level(transaction, session),
            transaction.read_only,
            transaction.deferrable,
            started_us,
            max(0, self.now_us - started_us),
            None if transaction.snapshot == NO_SNAPSHOT else transaction.snapshot,
            transaction.oldest_held_snapshot(),
            None if session is None else wait_text(session),
            () if session is None else self._waiting_for(session),
            len(transaction.holder.locks),
            0 if transaction.overlay is None else transaction.overlay.rows,
            self.conflicts_in.get(transaction.id),
            None if serial is None else len(self.conflicts_out.get(transaction.id, ())),
            serial.earliest_out if serial is not None and is_out else None,
            self._retained(transaction.oldest_held_snapshot()),
            None if prepared is None else prepared.gid,
        )

    def _waiting_for(self, session: SessionState) -> tuple[int, ...]:
        pid = session.backend_pid
        found = [*self.engine.blocking_pids(pid), *self.engine.safe_snapshot_blocking_pids(pid)]
        return tuple(dict.fromkeys(found))

    def _retained(self, oldest: int | None) -> int:
        """The rows that wait in the collector because a snapshot is older than the commit that wrote them."""
        if oldest is None:
            return 0
        return self._rows_until[-1] - self._rows_until[bisect_right(self._epochs, oldest)]

    def _conflicts(self) -> tuple[dict[int, int], dict[int, set[int]]]:
        """For each SERIALIZABLE transaction how many have read what it has written, and whom it has read around."""
        into: dict[int, int] = {}
        out: dict[int, set[int]] = {}
        for writer in self.transactions:
            if writer.serial is None:
                continue
            readers = _readers_of(writer, writer.serial)
            if readers is None:
                continue
            into[writer.id] = len(readers)
            for reader in readers:
                out.setdefault(reader, set()).add(writer.id)
        return into, out


def _readers_of(writer: Transaction, serial: SerializableState) -> set[int] | None:
    """The transactions that have read what a transaction has written; None when that would take too long."""
    overlay = writer.overlay
    noted = serial.in_conflicts
    if writer.state != PREPARED and serial.status == RUNNING and overlay is not None:
        if overlay.rows > MAX_COMPARED_ROWS:
            return None
        serial.in_conflicts = set(noted)
        find_readers(overlay, serial)
        noted, serial.in_conflicts = serial.in_conflicts, noted
    return {reader.transaction_id for reader in noted if reader.status != ABORTED}


def transaction_state(session: SessionState) -> str:
    """'active', 'waiting', 'idle', or 'failed': a block that only ROLLBACK (TO) gets out of."""
    if session.is_running:
        waiting = session.waiting
        return "active" if waiting is None or waiting.is_over() else "waiting"
    return "failed" if session.failed else "idle"


def _shown_level(transaction: Transaction, session: SessionState | None) -> str:
    """The level as SHOW transaction_isolation has it."""
    return shown_isolation(transaction.isolation if session is None else session.isolation)


# --- waits ----------------------------------------


def wait_text(session: SessionState) -> str | None:
    """What a session waits for, in words; None when it does not."""
    waiting = session.waiting
    if waiting is None or waiting.is_over():
        return None
    if isinstance(waiting, LockRequest):
        return _lock_text(session, waiting)
    if isinstance(waiting, Timer):
        return "time to pass"
    return "a safe snapshot" if isinstance(waiting, Gate) else "something else"


def _lock_text(session: SessionState, request: LockRequest) -> str:
    lock = request.lock
    resource = lock.resource
    mode = wanted_mode(request)
    if lock.kind == TABLE and isinstance(resource, int):
        return f"{mode} on {_relation(session, resource)}"
    if lock.kind == ADVISORY:
        return f"{mode} on {describe_resource(lock, request.holder)}"
    if lock.kind == ROW and isinstance(resource, int):
        _, table_oid = table_of_storage(session.engine, resource >> ROW_ID_BITS)
        return f"a row of {_relation(session, table_oid or 0)} for {_STRENGTHS[request.mode].lower()}"
    if lock.kind == LINE and isinstance(resource, int):
        _, table_oid = table_of_storage(session.engine, resource >> ROW_ID_BITS)
        return f"its turn for a row of {_relation(session, table_oid or 0)}"
    if lock.kind == KEY and isinstance(resource, tuple):
        return f"a key of {_relation(session, resource[0])}"
    if lock.kind == INDEX and isinstance(resource, int):
        return f"the keys of {_relation(session, resource)}"
    return "a name"


def _relation(session: SessionState, oid: int) -> str:
    database = session.catalog().database(session.database_oid)
    found = database.relation(oid)
    if found is None:
        return f"relation {oid}"
    return quote_qualified((database.schema_of(found).name, found.name))
