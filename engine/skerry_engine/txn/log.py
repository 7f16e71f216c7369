"""The log behind the commit step: what makes a commit durable, and says when it is.

Commit is two steps (ENGINE.md section 4):

    install   take the epoch, append the record, install the versions        one unit, in `Transaction._install`
    publish   when the record is durable, in epoch order: new snapshots see it, locks go, waiters wake, the client
              is told

A `CommitLog` stands between the two: it takes records and calls `Transaction.publish`, in epoch order.  The
*memory log* is durable at once: it calls back inside `append`, so both steps fall into one unit, and a transaction
may install frozen rows (`is_instant`).  The *durable log* (durable_log.py) keeps transactions waiting until whoever
does its I/O has synced their group.

A record is encoded before anything of the commit has happened, because encoding may fail.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from skerry_engine.session.steps import Waiting
from skerry_engine.storage.heap import INFINITY
from skerry_engine.txn.waiting import OVER

if TYPE_CHECKING:
    from skerry_engine.errors import DatabaseError
    from skerry_engine.storage.heap import Row
    from skerry_engine.storage.table import TableStorage
    from skerry_engine.txn.transaction import Transaction
    from skerry_engine.txn.two_phase import PreparedTransaction


class CommitLog:
    """What the commit step needs of a log.

    `notes` counts the records that were appended outside commits (`note`), `durable_notes` those of them that are
    durable: who has caused one, or been given what it stands for, waits even if it commits nothing else.  `failure` is
    why no commit can be promised any more, None while all is well.
    """

    __slots__ = ("durable_notes", "failure", "is_instant", "notes")

    def __init__(self, is_instant: bool) -> None:
        self.is_instant: bool = is_instant
        self.notes: int = 0
        self.durable_notes: int = 0
        self.failure: DatabaseError | None = None

    def encode(self, transaction: Transaction, catalog: object) -> bytes | None:
        """The record of a commit that is about to be installed, with `catalog` (None: unchanged) as its result.

        None where nothing is to be kept.  Raises DurabilityLost, DiskFull.
        """
        raise NotImplementedError

    def append(self, epoch: int, record: bytes | None, transaction: Transaction) -> None:
        """Take an installed commit's record; `transaction.publish(epoch)` comes when it is durable."""
        raise NotImplementedError

    def append_chunk(self, transaction: Transaction, rows: ChunkRows) -> None:
        """Take rows of a large transaction ahead of its commit.  Raises DurabilityLost, DiskFull."""
        raise NotImplementedError

    def abandon(self, transaction: Transaction) -> None:
        """The transaction was rolled back: its chunks, if there are any, are void."""
        raise NotImplementedError

    def append_prepare(self, prepared: PreparedTransaction) -> None:
        """Take all that a prepared transaction needs after a restart.  Raises DurabilityLost, DiskFull."""
        raise NotImplementedError

    def append_rollback(self, gid: str) -> None:
        """A prepared transaction is about to be rolled back.  Raises DurabilityLost, DiskFull."""
        raise NotImplementedError

    def check(self) -> None:
        """Raise DurabilityLost if the log has failed."""
        raise NotImplementedError

    def durable_epoch(self) -> int:
        """The last commit whose record is durable; epochs above it may mean something else after a crash."""
        raise NotImplementedError

    def note(self, kind: int, body: bytes) -> None:
        """Take a record that is no commit.  It is durable when any later commit is."""
        raise NotImplementedError

    def progress(self) -> Waiting:
        """What is over when the group that is being gathered is durable, or has failed.

        Raises DurabilityLost when it has failed already.
        """
        raise NotImplementedError


class ChunkRows:
    """Rows of one table as a chunk record holds them: `rows[i]` (None: deleted) is the new state of
    `row_ids[i]`."""

    __slots__ = ("storage", "row_ids", "rows")

    def __init__(self, storage: TableStorage, row_ids: list[int], rows: list[Row | None]) -> None:
        self.storage: TableStorage = storage
        self.row_ids: list[int] = row_ids
        self.rows: list[Row | None] = rows


class MemoryLog(CommitLog):
    """Keeps nothing."""

    def __init__(self) -> None:
        super().__init__(True)

    def encode(self, transaction: Transaction, catalog: object) -> bytes | None:
        """Nothing is to be kept."""
        return None

    def append(self, epoch: int, record: bytes | None, transaction: Transaction) -> None:
        """Publish it now."""
        transaction.publish(epoch)

    def append_chunk(self, transaction: Transaction, rows: ChunkRows) -> None:
        """Nothing is to be kept."""

    def abandon(self, transaction: Transaction) -> None:
        """Nothing was kept."""

    def append_prepare(self, prepared: PreparedTransaction) -> None:
        """Nothing is to be kept."""

    def append_rollback(self, gid: str) -> None:
        """Nothing was kept."""

    def check(self) -> None:
        """It can't fail."""

    def durable_epoch(self) -> int:
        """There is no crash to survive."""
        return INFINITY

    def note(self, kind: int, body: bytes) -> None:
        """Nothing is to be kept."""

    def progress(self) -> Waiting:
        """There is nothing to wait for."""
        return OVER
