"""Looking before the leap: the checks of COMMIT made ahead of it, and what it would change.

After `check_commit` a READ COMMITTED or SNAPSHOT transaction holds every lock that its commit needs and its
deferred constraints hold, so that only what it does itself afterwards can make the commit fail.  A
SERIALIZABLE one can still be refused because of what others do before it commits.  Nothing is marked: COMMIT
makes its checks again, and finds its locks taken.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, NamedTuple

from skerry_engine.errors import InvalidTransactionState
from skerry_engine.session.steps import PAUSE, Step, Wait
from skerry_engine.storage.heap import Row, newest_row, visible_row
from skerry_engine.storage.pending import NEWEST, PendingTable
from skerry_engine.storage.table import TableStorage
from skerry_engine.txn.locking import NO_SNAPSHOT
from skerry_engine.txn.locks import LockWait
from skerry_engine.txn.validation import validate_snapshot_writes
from skerry_engine.txn.waiting import patiently

if TYPE_CHECKING:
    from skerry_engine.txn.transaction import Transaction

CHECKS_PER_UNIT = 200
INSERT = "insert"
UPDATE = "update"
DELETE = "delete"
DEFINITION = "definition"


class Change(NamedTuple):
    """A row that commit would install: its full states before and after; None is no row."""

    storage: TableStorage
    row_id: int
    before: Row | None
    after: Row | None

    @property
    def kind(self) -> str:
        """'insert', 'update' or 'delete'."""
        if self.before is None:
            return INSERT
        return DELETE if self.after is None else UPDATE


def check_commit(transaction: Transaction) -> Generator[Step, None, None]:
    """Raise now what COMMIT would raise: deferred constraints; above READ COMMITTED its locks are taken and
    it is validated (WriteConflict); SERIALIZABLE is tested (SerializationFailure).

    Deferred checks stay due: what makes them hold may be rolled back to a savepoint yet.
    """
    if transaction.refusal is not None:
        raise transaction.refusal
    deferred = transaction.deferred or []
    position = 0
    while position < len(deferred):
        check = deferred[position]
        yield from patiently(lambda check=check: check.run(transaction))  # type: ignore[misc]
        position += 1
        if position % CHECKS_PER_UNIT == 0:
            yield PAUSE
            _check_active(transaction)
    if transaction.is_snapshot and transaction.overlay is not None:
        yield from _validate(transaction)
    transaction.try_commit()


def _validate(transaction: Transaction) -> Generator[Step, None, None]:
    while True:
        assert transaction.overlay is not None
        try:
            for _ in validate_snapshot_writes(transaction, transaction.overlay):
                yield PAUSE
                _check_active(transaction)
            return
        except LockWait as wait:
            request = wait.request
        yield Wait(request)
        _check_active(transaction)


def _check_active(transaction: Transaction) -> None:
    """Others may have ended the session while it was suspended."""
    if transaction.state != "active":
        raise InvalidTransactionState(f"the transaction is {transaction.state}")


def pending_changes(transaction: Transaction, statement: int = NEWEST) -> Iterator[Change]:
    """The row changes that are pending for a statement of that number, by table in the order of writing.

    A row that was inserted and deleted again is none.  The overlay must not change meanwhile.
    """
    if transaction.overlay is None:
        return
    for table in list(transaction.overlay.tables.values()):
        yield from _changes_of_table(transaction, table, statement)


def _changes_of_table(transaction: Transaction, table: PendingTable, statement: int) -> Iterator[Change]:
    storage = table.storage
    for row_id in _row_ids(table):
        after = table.find(row_id, statement)
        if after is not None and not isinstance(after, tuple):
            continue  # written by a later statement
        before = _replaced(transaction, storage.heap.slot(row_id))
        if before is not None or after is not None:
            yield Change(
                storage,
                row_id,
                None if before is None else storage.padded(before),
                None if after is None else storage.padded(after),
            )


def _row_ids(table: PendingTable) -> Iterator[int]:
    """Every written row id once."""
    entries = list(table.entries)
    for segment in list(table.segments):
        for row_id in range(segment.first_row_id, segment.first_row_id + len(segment.rows)):
            if row_id not in table.entries:
                yield row_id
    yield from entries


def _replaced(transaction: Transaction, slot: object) -> Row | None:
    """The committed row that a pending one takes the place of."""
    if transaction.is_snapshot and transaction.snapshot != NO_SNAPSHOT:
        return visible_row(slot, transaction.snapshot)
    return newest_row(slot)  # its lock is held
