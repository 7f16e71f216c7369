"""Recovery: from the log's records back to the state of the engine.

    base (the state at its epoch)  ──>  records after it, in the order of the log  ──>  the last commit

A commit's record holds the new state of every row that it wrote, so replaying is setting rows; nobody else is
there, so rows are installed frozen, with their index entries.  A catalog delta goes first: it makes the storages and
indexes that the rows belong to.  Rows of storages that no table names any more are passed over: a later record has
dropped the table, or the storage was one of several that a transaction has made.

    CHUNK    waits until a COMMIT claims it; START and ABANDON make the waiting ones void
    PREPARE  waits until a COMMIT or ROLLBACK finishes it; what is left at the end waits on, in the engine

What it does not do: verify bytes (the log has), or decide what a torn tail is (log/reader.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, cast

from skerry_engine.catalog.bootstrap import POSTGRES
from skerry_engine.catalog.catalog import Catalog
from skerry_engine.catalog.codec import apply_delta
from skerry_engine.durability.prepared import PreparedBody, restore_prepared, unpack_prepared
from skerry_engine.errors import DatabaseDamaged, DatabaseError
from skerry_engine.log.format import Record
from skerry_engine.session.session import Session
from skerry_engine.storage.checkpointing import StorageState
from skerry_engine.storage.row_codec import unpack
from skerry_engine.txn.durable_log import ROW_COST
from skerry_engine.txn.records import (
    ABANDON,
    CHECKPOINT,
    CHUNK,
    COMMIT,
    PREPARE,
    ROLLBACK,
    SEQUENCE,
    START,
    TableChanges,
    unpack_chunk,
    unpack_commit,
    unpack_sequence,
)

if TYPE_CHECKING:
    from skerry_engine.durability.checkpoint import BaseState
    from skerry_engine.engine import Engine

SUPERUSER = "skerry"


class Recovery:
    """Replays records into an engine that nobody uses yet.  `cost` is what that took (txn/durable_log.py)."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._chunks: dict[int, list[Sequence[TableChanges]]] = {}
        self._prepared: dict[str, PreparedBody] = {}
        self.cost = 0
        self._base_epoch = 0
        # Keys of indexes over expressions are computed as a session of the superuser would.
        engine.stores.functions = Session(engine, POSTGRES, SUPERUSER, {}, 0).functions

    def restore_base(self, epoch: int, catalog: Catalog, state: BaseState) -> None:
        """Begin with the state of the base.  Rows and index entries stay there until they are wanted."""
        engine = self._engine
        self._base_epoch = epoch
        engine.manager.restore_catalog(epoch, catalog)
        engine.manager.restore_epoch(epoch)
        engine.stores.restore(catalog, [StorageState(*storage) for storage in state.storages])
        engine.stores.reserve(state.lingering[0])
        for sequence in state.sequences:
            engine.sequences.restore(*sequence)
        for body in state.prepared:
            self.add_prepared(body)

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
        catalog = self._engine.manager.newest_catalog()
        assert isinstance(catalog, Catalog)
        known = {s.oid for database in catalog.databases.values() for s in database.sequences()}
        self._engine.sequences.retain(known)
        for body in self._prepared.values():
            restore_prepared(self._engine, body)

    def add_prepared(self, record: bytes) -> None:
        """A transaction was prepared: it waits until a record finishes it."""
        body = unpack_prepared(record)
        self._prepared[body.gid] = body

    def _apply(self, record: Record) -> None:
        kind = record.kind
        if record.epoch <= self._base_epoch and kind not in (CHUNK, ABANDON, START):
            self._pass_over(record)
        elif kind == COMMIT:
            self._commit(record)
        elif kind == CHUNK:
            chunk = unpack_chunk(record.body)
            self._chunks.setdefault(chunk.transaction_id, []).append(chunk.changes)
        elif kind == SEQUENCE:
            self._engine.sequences.restore(*unpack_sequence(record.body))
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
        """The base has it; only chunks from before it may still be wanted, and not those of its commits."""
        if record.kind == COMMIT:
            source = unpack_commit(record.body).source
            if isinstance(source, int):
                self._chunks.pop(source, None)

    def _commit(self, record: Record) -> None:
        body = unpack_commit(record.body)
        engine = self._engine
        if body.catalog_delta is not None:
            newest = engine.manager.newest_catalog()
            assert isinstance(newest, Catalog)
            catalog = apply_delta(newest, body.catalog_delta)
            engine.manager.restore_catalog(record.epoch, catalog)
            engine.stores.adopt(catalog, newest)
        if isinstance(body.source, int):
            for changes in self._chunks.pop(body.source, []):
                self._install(changes)
        elif body.source is not None:
            self._install(self._prepared.pop(body.source).changes)
        self._install(body.changes)
        for sequence in body.sequences:
            engine.sequences.restore(*sequence)
        engine.manager.restore_epoch(record.epoch)

    def _install(self, changes: Sequence[TableChanges]) -> None:
        stores = self._engine.stores
        for change in changes:
            storage = stores.find(change[0])
            self.cost += ROW_COST * len(change[1])
            if storage is not None:
                storage.restore_rows(change[1], change[2])
