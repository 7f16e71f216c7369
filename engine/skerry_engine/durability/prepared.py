"""Prepared transactions across a restart.

A PREPARE record holds all that its transaction needs to go on waiting for its end: the new state of every row, the
definitions as a catalog delta, its locks.  The base holds the same for those that wait while a checkpoint is made.

After a restart nobody knows what a prepared SERIALIZABLE transaction had read, nor who had read what it wrote: it
is assumed to have edges in and out (ENGINE.md section 7), so a SERIALIZABLE transaction that meets it is refused.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple, cast

from skerry_engine.catalog.catalog import Catalog
from skerry_engine.catalog.codec import apply_delta, encode_delta
from skerry_engine.catalog.objects import Table
from skerry_engine.storage.heap import Row, newest_row
from skerry_engine.storage.row_codec import pack, unpack
from skerry_engine.storage.table import TableStorage
from skerry_engine.txn.locking import READ_COMMITTED, SERIALIZABLE
from skerry_engine.txn.locks import Owner
from skerry_engine.txn.manager import NO_LIMIT
from skerry_engine.txn.merges import Name, is_name_of_merge
from skerry_engine.txn.overlay import Overlay
from skerry_engine.txn.records import TableChanges, table_changes
from skerry_engine.txn.two_phase import PreparedTransaction

if TYPE_CHECKING:
    from skerry_engine.engine import Engine
    from skerry_engine.txn.transaction import Transaction


class PreparedBody(NamedTuple):
    """What a PREPARE record says.

    `contents` are the rows of storages that it has made and filled, `copies` those of them that were built from the
    rows of others; `changes` come on top.  `locks` are (kind, resource, mask of modes).
    """

    gid: str
    prepared_at_us: int
    role_oid: int
    database_oid: int
    is_serializable: bool
    catalog_delta: bytes | None
    contents: tuple[TableChanges, ...]
    changes: tuple[TableChanges, ...]
    sequences: tuple[tuple[int, int, bool], ...]
    locks: tuple[tuple[int, object, int], ...]
    copies: tuple[int, ...]


def unpack_prepared(body: bytes) -> PreparedBody:
    """A PREPARE record's body.  Raises ValueError or TypeError for what is none."""
    return PreparedBody(*unpack(body))


def encode_prepared(engine: Engine, prepared: PreparedTransaction) -> bytes:
    """A prepared transaction as a record."""
    transaction = prepared.transaction
    overlay = transaction.overlay
    # The record of its commit has the states before: whether they are wanted is known by then.
    changes = [] if overlay is None else table_changes(overlay, False)
    contents: list[TableChanges] = []
    delta = None
    if transaction.changes:
        newest = cast(Catalog, engine.manager.newest_catalog())
        catalog = cast(Catalog, transaction.replayed(newest))
        delta = encode_delta(newest, catalog)
        contents = [_contents(storage) for storage in _made(engine, newest, catalog)]
    locks = transaction.holder.locks
    return pack(
        PreparedBody(
            prepared.gid,
            prepared.prepared_at_us,
            prepared.role_oid,
            prepared.database_oid,
            transaction.serial is not None,
            delta,
            tuple(contents),
            cast("tuple[TableChanges, ...]", tuple(changes)),
            tuple(engine.sequences.pending_states(transaction.sequences or [])),
            tuple((lock.kind, lock.resource, lock.mask_of(transaction.holder)) for lock in locks),
            tuple(transaction.copies()),
        )
    )


def storage_ids(catalog: Catalog) -> set[int]:
    return {t.storage_id for d in catalog.databases.values() for t in d.of_type(Table) if not t.is_temporary}


def _made(engine: Engine, before: Catalog, after: Catalog) -> list[TableStorage]:
    """The storages that only the later catalog names."""
    return [engine.stores.get(number) for number in sorted(storage_ids(after) - storage_ids(before))]


def _contents(storage: TableStorage) -> TableChanges:
    row_ids: list[int] = []
    rows: list[Row | None] = []
    for row_id in range(storage.next_row_id):
        row = newest_row(storage.heap.slot(row_id))
        if row is not None:
            row_ids.append(row_id)
            rows.append(row)
    return storage.storage_id, tuple(row_ids), tuple(rows), None


def restore_prepared(engine: Engine, body: PreparedBody) -> None:
    """Have a prepared transaction wait for its end again; the log has been replayed."""
    manager = engine.manager
    level = SERIALIZABLE if body.is_serializable else READ_COMMITTED
    transaction = manager.begin(level, owner=Owner(database_oid=body.database_oid))
    made = _restore_definitions(engine, transaction, body.catalog_delta)
    for storage_id, row_ids, rows, _ in body.contents:
        engine.stores.get(storage_id).restore_rows(row_ids, rows)
    for storage_id in sorted(made):
        storage = engine.stores.get(storage_id)
        transaction.note_made(storage, storage if storage_id in body.copies else None)
    overlay = transaction.overlay = Overlay(NO_LIMIT)
    for storage_id, row_ids, rows, _ in body.changes:
        changed = engine.stores.find(storage_id)
        if changed is None:
            continue
        table = overlay.table(changed)
        for row_id, row in zip(row_ids, rows, strict=True):
            overlay.write(table, row_id, row, 1)
        changed.next_row_id = max(changed.next_row_id, *[row_id + 1 for row_id in row_ids])
    for oid, last_value, is_called in body.sequences:
        engine.sequences.restore(oid, last_value, is_called, is_pending=True)
        transaction.note_sequence(oid)
        transaction.on_commit(partial(engine.sequences.settle, oid))
    for kind, resource, mask in body.locks:
        manager.locks.restore(kind, resource, mask, transaction.holder)
        if is_name_of_merge(kind, resource):
            transaction.merged = [*(transaction.merged or []), cast(Name, resource)]
    transaction.restore_as_prepared(engine.stores.all())
    manager.prepared.restore(
        PreparedTransaction(body.gid, transaction, body.prepared_at_us, body.role_oid, body.database_oid)
    )


def _restore_definitions(engine: Engine, transaction: Transaction, delta: bytes | None) -> set[int]:
    """Make the definitions again; returns the storages that they made."""
    if delta is None:
        return set()
    stores = engine.stores
    before = cast(Catalog, engine.manager.newest_catalog())
    transaction.set_catalog_change(lambda catalog: apply_delta(cast(Catalog, catalog), delta))
    after = cast(Catalog, transaction.catalog)
    for undo in reversed(stores.add(after, before)):
        transaction.on_rollback(undo)
    for retire in stores.retirements(after, before, engine.manager):
        transaction.on_commit(retire)
    return storage_ids(after) - storage_ids(before)
