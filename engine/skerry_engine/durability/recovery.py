"""Recovery: from the log's records back to the state of the engine.

    base (the state at its epoch)  ──>  records after it, in the order of the log  ──>  the last commit

A commit's record holds the new state of every row that it wrote, so replaying is setting rows; nobody else is
there, so rows are installed frozen, with their index entries.  A catalog delta goes first: it makes the storages and
indexes that the rows belong to.  Rows of storages that no table names any more are passed over: a later record has
dropped the table, or the storage was one of several that a transaction has made.

    CHUNK    waits until a COMMIT claims it; START and ABANDON make the waiting ones void
    PREPARE  waits until a COMMIT or ROLLBACK finishes it; what is left at the end waits on, in the engine

Where history is kept, the base is first brought back to where it begins (past.py), and commits after that are made
again as they were made: versions on top of each other, catalogs kept, what was dropped retired, changes for the feed.
A table that a commit has made is filled with frozen rows all the same: nobody can see it before.

What it does not do: verify bytes (the log has), or decide what a torn tail is (log/reader.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Final, cast

from skerry_engine.catalog.bootstrap import POSTGRES
from skerry_engine.catalog.catalog import Catalog
from skerry_engine.catalog.codec import apply_delta
from skerry_engine.durability.past import Past
from skerry_engine.durability.prepared import PreparedBody, restore_prepared, storage_ids, unpack_prepared
from skerry_engine.errors import DatabaseDamaged, DatabaseError
from skerry_engine.log.format import Record
from skerry_engine.session.session import Session
from skerry_engine.storage.checkpointing import StorageState
from skerry_engine.storage.heap import CommitStamp, Row, Version, newest_row
from skerry_engine.storage.row_codec import unpack
from skerry_engine.storage.table import TableStorage
from skerry_engine.txn.durable_log import ROW_COST
from skerry_engine.txn.feed import Commit, RowChange
from skerry_engine.txn.history import KeptVersions
from skerry_engine.txn.records import (
    ABANDON,
    CHECKPOINT,
    CHUNK,
    COMMIT,
    PREPARE,
    ROLLBACK,
    SEQUENCE,
    SHAPES,
    START,
    CommitBody,
    TableChanges,
    unpack_chunk,
    unpack_commit,
    unpack_sequence,
    unpack_shapes,
)

if TYPE_CHECKING:
    from skerry_engine.durability.checkpoint import BaseState
    from skerry_engine.engine import Engine

SUPERUSER = "skerry"

NEVER: Final = 1 << 62
"""Above every epoch."""


class Recovery:
    """Replays records into an engine that nobody uses yet; with the `past`, where history is kept.

    `cost` is what that took (txn/durable_log.py).  `chunks_of` are the epochs after which the chunks of the commits
    stand that are made again.

    Commits after `_kept_after` are made again as versions.  Prepared transactions that ended before the base was made
    are in `_ended`, as long as their commit may be wanted.
    """

    def __init__(self, engine: Engine, past: Past | None = None) -> None:
        self._engine = engine
        self._past = past
        self._kept_after = NEVER if past is None else past.floor
        self._chunks: dict[int, list[Sequence[TableChanges]]] = {}
        self._prepared: dict[str, PreparedBody] = {}
        self._ended: dict[str, PreparedBody] = {}
        self.cost = 0
        self.chunks_of: dict[int, int] = {}
        self._base_epoch = 0
        if past is not None:
            engine.manager.history.restore(past.floor, past.time_us)
            engine.manager.feed.memory.begin(past.floor)
        # Keys of indexes over expressions are computed as a session of the superuser would.
        engine.stores.functions = Session(engine, POSTGRES, SUPERUSER, {}, 0).functions

    def restore_base(self, epoch: int, catalog: Catalog, state: BaseState) -> None:
        """Begin with the state of the base.  Rows and index entries stay there until they are wanted."""
        engine = self._engine
        self._base_epoch = epoch
        begin = min(epoch, self._kept_after)
        engine.manager.restore_catalog(begin, catalog)
        engine.manager.restore_epoch(begin)
        engine.stores.restore(catalog, [StorageState(*storage) for storage in state.storages], state.shapes)
        engine.stores.reserve(state.lingering[0])
        for sequence in state.sequences:
            engine.sequences.restore(*sequence)
        for body in state.prepared:
            self.add_prepared(body)
        if self._past is not None:
            for storage_id, befores in self._past.befores.items():
                storage = engine.stores.find(storage_id)
                if storage is not None:
                    storage.restore_rows(list(befores), list(befores.values()))

    def replay(self, records: Iterable[Record]) -> None:
        """Replay records in the order of the log.  Raises DatabaseDamaged for what can't be understood."""
        for record in records:
            self.cost += len(record.body)
            try:
                self._apply(record)
            except DatabaseError:
                raise
            except (ValueError, TypeError, LookupError) as error:
                raise DatabaseDamaged(
                    f"a record of kind {record.kind} at epoch {record.epoch} can't be understood: {error}"
                ) from error

    def finish(self) -> None:
        """All records are replayed: forget what belongs to nothing."""
        self._reach(self._base_epoch)
        known = [_sequences(cast(Catalog, catalog)) for catalog in self._engine.manager.kept_catalogs()]
        self._engine.sequences.retain(set().union(*known))
        for body in self._prepared.values():
            restore_prepared(self._engine, body)
        self._engine.stores.forget_kept_shapes()

    def add_prepared(self, record: bytes) -> None:
        """A transaction was prepared: it waits until a record finishes it."""
        body = unpack_prepared(record)
        self._prepared[body.gid] = body

    def _apply(self, record: Record) -> None:
        kind = record.kind
        if record.epoch <= self._base_epoch and kind not in (CHUNK, ABANDON, START):
            self._pass_over(record)
        elif kind == COMMIT:
            self._commit(record.epoch, unpack_commit(record.body), self._prepared)
        elif kind == CHUNK:
            chunk = unpack_chunk(record.body)
            self._chunks.setdefault(chunk.transaction_id, []).append(chunk.changes)
        elif kind == SEQUENCE:
            self._engine.sequences.restore(*unpack_sequence(record.body))
        elif kind == SHAPES:
            self._engine.stores.restore_shapes(unpack_shapes(record.body))
        elif kind == ABANDON:
            self._chunks.pop(cast(int, unpack(record.body)), None)
        elif kind == PREPARE:
            self.add_prepared(record.body)
        elif kind == ROLLBACK:
            # A base made since, with no commit in between, is of the epoch before this record and has it no more.
            self._prepared.pop(cast(str, unpack(record.body)), None)
        elif kind == START:
            self._chunks.clear()
        elif kind == CHECKPOINT:
            return
        else:
            raise ValueError("unknown kind")

    def _pass_over(self, record: Record) -> None:
        """The base has it.  What may still be wanted are chunks of later commits, and the commits that are made
        again after they were taken back."""
        if record.kind == COMMIT:
            body = unpack_commit(record.body)
            if record.epoch > self._kept_after:
                self._commit(record.epoch, body, self._ended)
            elif isinstance(body.source, int):
                self._chunks.pop(body.source, None)
            elif body.source is not None:
                self._ended.pop(body.source, None)
        elif self._past is not None and record.kind == PREPARE:
            prepared = unpack_prepared(record.body)
            self._ended[prepared.gid] = prepared
        elif self._past is not None and record.kind == ROLLBACK:
            self._ended.pop(cast(str, unpack(record.body)), None)

    def _commit(self, epoch: int, body: CommitBody, prepared: dict[str, PreparedBody]) -> None:
        engine = self._engine
        pieces: list[Sequence[TableChanges]] = [body.changes]
        if isinstance(body.source, int):
            pieces = [*self._chunks.pop(body.source, []), body.changes]
        elif body.source is not None:
            pieces = self._prepared_pieces(epoch, body, prepared.pop(body.source, None))
        if epoch > self._kept_after:
            if isinstance(body.source, int):
                self.chunks_of[epoch] = body.chunks_after
            self.cost += ROW_COST * sum(len(row_ids) for changes in pieces for _, row_ids, _, _ in changes)
            self._reach(epoch - 1)
            _Again(engine, epoch, body).commit(pieces)
        else:
            if body.catalog_delta is not None:
                newest = engine.manager.newest_catalog()
                assert isinstance(newest, Catalog)
                catalog = apply_delta(newest, body.catalog_delta)
                engine.manager.restore_catalog(epoch, catalog)
                engine.stores.adopt(catalog, newest)
            for changes in pieces:
                self._install(changes, epoch)
            engine.manager.restore_epoch(epoch)
        if epoch > self._base_epoch:
            for sequence in body.sequences:
                engine.sequences.restore(*sequence)

    def _prepared_pieces(
        self, epoch: int, body: CommitBody, prepared: PreparedBody | None
    ) -> list[Sequence[TableChanges]]:
        """What a prepared transaction has changed: its commit's record has it, too, if it has the states before."""
        if prepared is None:
            if epoch > self._base_epoch:
                raise LookupError(f'transaction "{body.source}" is not prepared')
            return [body.changes]
        return [prepared.contents, body.changes or prepared.changes]

    def _install(self, changes: Sequence[TableChanges], epoch: int) -> None:
        stores = self._engine.stores
        for storage_id, row_ids, rows, _ in changes:
            storage = stores.find(storage_id)
            self.cost += ROW_COST * len(row_ids)
            if storage is not None:
                storage.restore_rows(row_ids, rows)
                storage.changed_epoch = epoch

    def _reach(self, epoch: int) -> None:
        """Pass over the epochs up to this one of commits that have changed nothing durable, and have no record: there
        may be some from times without history."""
        manager = self._engine.manager
        history = manager.history
        while manager.last_epoch < epoch:
            passed = manager.last_epoch + 1
            if passed > self._kept_after:
                history.note(passed, history.line.last_us, 0)
                manager.feed.add(Commit(passed, history.line.last_us, (), frozenset()), history.limit_bytes)
            manager.restore_epoch(passed)


def _sequences(catalog: Catalog) -> set[int]:
    return {s.oid for database in catalog.databases.values() for s in database.sequences()}


class _Again:
    """A commit that is made again, with all that a live one leaves for those who ask for the past."""

    def __init__(self, engine: Engine, epoch: int, body: CommitBody) -> None:
        self._engine = engine
        self._manager = engine.manager
        self._epoch = epoch
        self._body = body
        self._stamp = CommitStamp(epoch)
        self._kept = KeptVersions()
        self._changes: list[RowChange] = []
        self._made: set[int] = set()
        self._gone: list[Callable[[], None]] = []

    def commit(self, pieces: Iterable[Sequence[TableChanges]]) -> None:
        """Definitions, rows, book-keeping, in the order of a live commit."""
        manager = self._manager
        history = manager.history
        body = self._body
        if body.catalog_delta is not None:
            self._define(body.catalog_delta)
        for changes in pieces:
            for storage_id, row_ids, rows, _ in changes:
                storage = self._engine.stores.find(storage_id)
                if storage is not None:
                    self._change(storage, row_ids, rows)
        for table in self._kept.tables.values():
            manager.collector.add(self._epoch, table.storage, table.row_ids, table.versions)
        history.note(self._epoch, body.timestamp_us, self._kept.size_bytes)
        copies = frozenset(body.copies)
        made = Commit(self._epoch, history.line.last_us, self._changes, copies)
        manager.feed.add(made, history.limit_bytes)
        manager.restore_epoch(self._epoch)
        for let_go in self._gone:
            let_go()
        if history.size_bytes > history.limit_bytes:
            manager.gc()

    def _define(self, delta: bytes) -> None:
        engine, manager = self._engine, self._manager
        before = cast(Catalog, manager.newest_catalog())
        after = apply_delta(before, delta)
        engine.stores.add(after, before)
        self._gone = engine.stores.retirements(after, before, manager)
        for oid in _sequences(before) - _sequences(after):
            self._gone.append(partial(manager.retire, partial(engine.sequences.forget, oid)))
        self._made = storage_ids(after) - storage_ids(before)
        manager.install_catalog(self._epoch, after)

    def _change(self, storage: TableStorage, row_ids: Sequence[int], rows: Sequence[Row | None]) -> None:
        heap = storage.heap
        number = storage.storage_id
        is_told = number not in self._body.copies
        is_made = number in self._made
        for row_id, row in zip(row_ids, rows, strict=True):
            before = newest_row(heap.slot(row_id))
            if is_told and not (before is None and row is None):
                old = None if before is None else storage.padded(before)
                self._changes.append(
                    RowChange(number, row_id, old, None if row is None else storage.padded(row))
                )
            if is_made:
                storage.row_count += storage.install_frozen(row_id, row)
                continue
            storage.row_count += storage.install(row_id, row, self._stamp)
            version = heap.slot(row_id)
            if isinstance(version, Version) and version.stamp is self._stamp:
                self._kept.add(storage, row_id, version, before)
        storage.next_row_id = max(storage.next_row_id, max(row_ids, default=0) + 1)
        storage.changed_epoch = self._epoch
