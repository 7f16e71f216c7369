"""What of the past the log still holds: how far back history and the change feed can be rebuilt when a database is
opened.

    log      [ e41 ... e57 | e58 ........ e90 ........ e120 ]
                           |              |            last commit
                         floor           base

The base is the state at its epoch.  Commits that it holds already are taken back first: each row that one of them
after the *floor* has touched gets the state that it had before the first of them.  Then all commits after the floor
are made again, as versions (recovery.py), so that row chains, time line and feed are what they were.

The floor is the oldest epoch for which that goes:
- The log has all records after it.
- The retention time asks for nothing before it.
- No commit after it, up to the base's epoch, has changed the catalog (the base has the newest one only, and only the
  storages that it names), nor lacks the states before it (it was made while no history was kept), nor the rows of a
  large or a prepared transaction, whose records may be older than the log.

What it does not do: bound memory.  History does (txn/history.py), while commits are made again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, cast

from skerry_engine.durability.prepared import PreparedBody, unpack_prepared
from skerry_engine.errors import DatabaseDamaged
from skerry_engine.log.format import Record
from skerry_engine.storage.heap import Row
from skerry_engine.storage.row_codec import unpack
from skerry_engine.txn.records import (
    ABANDON,
    CHUNK,
    COMMIT,
    PREPARE,
    ROLLBACK,
    START,
    CommitBody,
    TableChanges,
    unpack_chunk,
    unpack_commit,
)

FIRST_EPOCH: Final = 1
"""The epoch of a new database, before its first commit."""


class Past:
    """Where history begins: `floor`, and since when that was the state.

    `befores` are the states at the floor of the rows that commits from there to the base have touched, by storage and
    row id.
    """

    def __init__(self, floor: int, time_us: int, befores: dict[int, dict[int, Row | None]]) -> None:
        self.floor = floor
        self.time_us = time_us
        self.befores = befores


def find_past(
    records: Iterable[Record], first_epoch: int, base_epoch: int, oldest_us: int, now_us: int
) -> Past:
    """How far back the past can be rebuilt from all records of a log that begins at `first_epoch`.

    What was the state before `oldest_us` is not asked for; `now_us` is the present.  Raises DatabaseDamaged, OSError.
    """
    search = _Search(first_epoch, base_epoch, oldest_us)
    for record in records:
        try:
            if not search.take(record):
                break
        except (ValueError, TypeError, LookupError) as error:
            raise DatabaseDamaged(
                f"a record of kind {record.kind} at epoch {record.epoch} can't be understood: {error}"
            ) from error
    return Past(search.floor, now_us if search.time_us is None else search.time_us, search.befores)


class _Search:
    """Goes over the records once.  `time_us` is the floor's, or that of the first commit after it: then nobody knows
    the floor's own, and it was the state at that time at the latest."""

    def __init__(self, first_epoch: int, base_epoch: int, oldest_us: int) -> None:
        self.floor = max(first_epoch - 1, FIRST_EPOCH)
        self.time_us: int | None = None
        self.befores: dict[int, dict[int, Row | None]] = {}
        self._first_epoch = first_epoch
        self._base_epoch = base_epoch
        self._oldest_us = oldest_us
        self._is_recent = False
        self._chunks: dict[int, list[Sequence[TableChanges]]] = {}
        self._prepared: dict[str, PreparedBody] = {}

    def take(self, record: Record) -> bool:
        """Look at the next record.  False: the floor is found."""
        kind = record.kind
        if kind == COMMIT:
            return self._commit(record.epoch, unpack_commit(record.body))
        if kind == CHUNK:
            chunk = unpack_chunk(record.body)
            self._chunks.setdefault(chunk.transaction_id, []).append(chunk.changes)
        elif kind == ABANDON:
            self._chunks.pop(cast(int, unpack(record.body)), None)
        elif kind == START:
            self._chunks.clear()
        elif kind == PREPARE:
            prepared = unpack_prepared(record.body)
            self._prepared[prepared.gid] = prepared
        elif kind == ROLLBACK:
            self._prepared.pop(cast(str, unpack(record.body)), None)
        return True

    def _commit(self, epoch: int, body: CommitBody) -> bool:
        if not self._is_recent:
            self._is_recent = body.timestamp_us > self._oldest_us
        if epoch > self._base_epoch:
            if self._is_recent:
                if self.time_us is None:
                    self.time_us = body.timestamp_us
                return False
            self._begin_at(epoch, body.timestamp_us)
            return True
        if self.time_us is None:
            self.time_us = body.timestamp_us
        pieces = self._pieces(body)
        if not self._is_recent or body.catalog_delta is not None or pieces is None:
            self._begin_at(epoch, body.timestamp_us)
            return True
        for changes in pieces:
            for storage_id, row_ids, _, befores in changes:
                if befores is None:
                    self._begin_at(epoch, body.timestamp_us)
                    return True
                first = self.befores.setdefault(storage_id, {})
                for row_id, before in zip(row_ids, befores, strict=True):
                    first.setdefault(row_id, before)
        return True

    def _pieces(self, body: CommitBody) -> list[Sequence[TableChanges]] | None:
        """All changes of a commit; None where some of them stand in records that are gone."""
        source = body.source
        if isinstance(source, int):
            chunks = self._chunks.pop(source, [])
            return None if body.chunks_after < self._first_epoch - 1 else [*chunks, body.changes]
        if source is not None:
            prepared = self._prepared.pop(source, None)
            if body.changes:
                return [body.changes]
            return None if prepared is None else [prepared.changes]
        return [body.changes]

    def _begin_at(self, epoch: int, time_us: int) -> None:
        self.floor = epoch
        self.time_us = time_us
        self.befores = {}
