"""History across restarts: the log's tail, read once more, gives back what AS OF and the change feed need.

    log       ... [c95] [c96] [c97: definition] [c98] [c99] [c100] end     commits with old and new states
    history                                ^floor  c98   c99   c100
    heap      row 7: (v3)    becomes    Version(c100, v3) -> Version(c98, v2) -> v1

While there is a retention time, commit records hold the rows' old states too, and checkpoints leave the log as far back
as history reaches.  So a commit's record says what every row was before and after it: chains of versions, index
entries, the time line and the feed's commits are made from the records, oldest first.

History begins after the last commit that can't be undone in thought: one that changed the catalog (what it dropped is
gone), or whose record has no old states (nobody kept history then).  What time and bytes do not allow is left out, as
ever.

It happens after recovery, before anybody uses the engine.  If what the records say does not end in the rows that
are there, there is no history; that is logged.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, cast

from skerry_engine.durability.prepared import unpack_prepared
from skerry_engine.log.format import Record
from skerry_engine.storage.heap import CommitStamp, Version, newest_row
from skerry_engine.storage.row_codec import unpack
from skerry_engine.storage.table import TableStorage
from skerry_engine.txn.feed import Commit, RowChange
from skerry_engine.txn.history import VERSION_BYTES, KeptVersions, row_bytes
from skerry_engine.txn.records import (
    ABANDON,
    CHUNK,
    COMMIT,
    PREPARE,
    START,
    CommitBody,
    TableChanges,
    unpack_chunk,
    unpack_commit,
)
from skerry_engine.values.clock import wall_clock

if TYPE_CHECKING:
    from skerry_engine.engine import Engine
    from skerry_engine.txn.durable_log import DurableLog

_logger = logging.getLogger("skerry.durability")


class _Past:
    """A commit, as its record and chunks have it.  `began` is the epoch before its chunks, if it has any."""

    def __init__(self, epoch: int, time_us: int, changes: list[TableChanges], began: int | None) -> None:
        self.epoch = epoch
        self.time_us = time_us
        self.changes = changes
        self.began = began
        self.size_bytes = sum(_size_bytes(change) for change in changes)


def _size_bytes(change: TableChanges) -> int:
    old_rows = cast("tuple[object, ...]", change)[3]
    return sum(
        VERSION_BYTES if row is None else VERSION_BYTES + row_bytes(row)
        for row in cast("Sequence[tuple[object, ...] | None]", old_rows)
    )


class _Tail:
    """The commits at the log's end that history can be made of, as far as time and bytes allow."""

    def __init__(self, oldest_us: int, limit_bytes: int) -> None:
        self._oldest_us = oldest_us
        self._limit_bytes = limit_bytes
        self._chunks: dict[int, tuple[int, list[TableChanges]]] = {}
        self._idle: set[str] = set()
        self._size_bytes = 0
        self.commits: deque[_Past] = deque()
        self.floor: tuple[int, int] | None = None

    def read(self, records: Iterable[Record]) -> None:
        """Read the log from wherever it begins."""
        for record in records:
            if record.kind == COMMIT:
                self._commit(record.epoch, unpack_commit(record.body))
            elif record.kind == CHUNK:
                chunk = unpack_chunk(record.body)
                _, found = self._chunks.setdefault(chunk.transaction_id, (record.epoch - 1, []))
                found += chunk.changes
            elif record.kind == ABANDON:
                self._chunks.pop(cast(int, unpack(record.body)), None)
            elif record.kind == START:
                self._chunks.clear()
            elif record.kind == PREPARE:
                prepared = unpack_prepared(record.body)
                if not prepared.changes:
                    self._idle.add(prepared.gid)

    def _commit(self, epoch: int, body: CommitBody) -> None:
        began: int | None = None
        changes: list[TableChanges] = []
        if isinstance(body.source, int):
            began, changes = self._chunks.pop(body.source, (None, []))
        changes = [*changes, *body.changes]
        is_whole = body.catalog_delta is None and all(len(change) == 4 for change in changes)
        has_source = not isinstance(body.source, int) or began is not None
        if isinstance(body.source, str) and not changes:  # it was prepared before history, or wrote nothing
            is_whole = is_whole and body.source in self._idle
        if self.floor is None or not is_whole or not has_source:
            self._begin_after(epoch, body.timestamp_us)
            return
        past = _Past(epoch, body.timestamp_us, changes, began)
        self.commits.append(past)
        self._size_bytes += past.size_bytes
        while self.commits and (
            self.commits[0].time_us <= self._oldest_us or self._size_bytes > self._limit_bytes
        ):
            first = self.commits.popleft()
            self._size_bytes -= first.size_bytes
            self.floor = (first.epoch, first.time_us)

    def _begin_after(self, epoch: int, time_us: int) -> None:
        self.commits.clear()
        self._size_bytes = 0
        self.floor = (epoch, time_us)


def restore_history(engine: Engine, log: DurableLog, records: Iterable[Record]) -> None:
    """Make history out of the records that the log still has.  Raises DatabaseDamaged, OSError."""
    manager = engine.manager
    history = manager.history
    tail = _Tail(wall_clock() - history.retention_us, history.limit_bytes)
    tail.read(records)
    if tail.floor is None or not tail.commits:
        return
    chains = _Chains(engine)
    if not all(chains.add(past) for past in tail.commits) or not chains.end_in_the_present():
        _logger.warning("the log's history does not lead to what the tables hold; history begins anew")
        return
    floor, time_us = tail.floor
    manager.restore_past(floor)
    history.begin(floor, time_us)
    manager.feed.memory.begin(floor)
    for past in tail.commits:
        _fill_feed(engine, past.epoch, past.time_us)
        kept = chains.kept[past.epoch]
        history.note(past.epoch, past.time_us, kept.size_bytes)
        manager.feed.memory.add(Commit(past.epoch, past.time_us, chains.changes[past.epoch], frozenset()))
        for table in kept.tables.values():
            manager.collector.add(past.epoch, table.storage, table.row_ids, table.versions)
        if past.began is not None:
            log.chunks_of[past.epoch] = past.began
    _fill_feed(engine, manager.last_epoch + 1, history.line.last_us)
    if manager.last_epoch > tail.commits[-1].epoch:
        history.note(manager.last_epoch, history.line.last_us, 0)
    chains.install()
    _logger.info("history", extra={"fields": {"epoch": floor, "commits": len(tail.commits)}})


def _fill_feed(engine: Engine, until: int, time_us: int) -> None:
    """Commits that left no record (of temporary tables) stand in the feed, too: it has no gaps."""
    memory = engine.manager.feed.memory
    for epoch in range(memory.last_epoch + 1, until):
        memory.add(Commit(epoch, time_us, (), frozenset()))


class _Chains:
    """The chains of versions that commits have made, over the states before the first of them."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._slots: dict[tuple[int, int], object] = {}
        self._entries: list[tuple[TableStorage, int, tuple[object, ...]]] = []
        self.kept: dict[int, KeptVersions] = {}
        self.changes: dict[int, list[RowChange]] = {}

    def add(self, past: _Past) -> bool:
        """Put a commit's versions on top; False where one speaks of a table that is not there."""
        stamp = CommitStamp(past.epoch)
        kept = self.kept[past.epoch] = KeptVersions()
        changes = self.changes[past.epoch] = []
        for change in past.changes:
            storage_id, row_ids, rows, old_rows = cast("_WithBefores", change)
            storage = self._engine.stores.find(storage_id)
            if storage is None:
                return False
            for row_id, new, old in zip(row_ids, rows, old_rows, strict=True):
                if old is None and new is None:
                    continue
                slot = self._slots.get((storage_id, row_id), old)
                version = Version(stamp, new, slot)
                self._slots[storage_id, row_id] = version
                kept.add(storage, row_id, version, old)
                before = None if old is None else storage.padded(old)
                after = None if new is None else storage.padded(new)
                changes.append(RowChange(storage_id, row_id, before, after))
                if before is not None:
                    self._entries.append((storage, row_id, before))
        return True

    def end_in_the_present(self) -> bool:
        """Whether the newest states are those that recovery has found."""
        for (storage_id, row_id), slot in self._slots.items():
            storage = self._engine.stores.get(storage_id)
            there, made = newest_row(storage.heap.slot(row_id)), newest_row(slot)
            if there is None or made is None:
                if there is not made:
                    return False
            elif storage.padded(there) != storage.padded(made):
                return False
        return True

    def install(self) -> None:
        """Put the chains into the heaps, and old rows into the indexes."""
        for (storage_id, row_id), slot in self._slots.items():
            self._engine.stores.get(storage_id).heap.put(row_id, slot)
        for storage, row_id, row in self._entries:
            for index in storage.indexes.values():
                index.add(row, row_id)


_WithBefores = tuple[
    int,
    Sequence[int],
    Sequence[tuple[object, ...] | None],
    Sequence[tuple[object, ...] | None],
]
