"""What the records of the log say: the bodies, by kind (log/format.py frames them, docs/file-format.md draws them).

    START       the log was opened for writing; chunks before it that no commit or prepare has claimed are void
    COMMIT      a commit at the record's epoch: time, source, catalog delta, changes, sequences
    CHUNK       rows of a large transaction, ahead of the commit that claims them by the transaction's number
    PREPARE     PREPARE TRANSACTION: all that is needed to go on waiting for its end after a restart
    ROLLBACK    ROLLBACK PREPARED, by gid; COMMIT PREPARED is a COMMIT whose source is the gid
    ABANDON     a transaction whose chunks are void: it was rolled back
    CHECKPOINT  a checkpoint at the given epoch has begun
    SEQUENCE    a sequence's state: what nextval and setval gave stays given, whatever becomes of the transaction
    SHAPES      shapes of graphs' elements, ahead of the first record with rows that have them, whatever becomes of it

A body is a tuple in MessagePack (storage/row_codec.py).  `changes` is a tuple of tables, each

    (storage id, row ids, rows, befores)

`rows` are the new states, None for a deletion.  `befores` are the states before the commit, None for no row, while
history is kept or somebody reads the change feed; otherwise None instead of all of them.  With them a restart can go
back behind the base (durability/past.py); then every commit has a record, even one that has changed nothing durable.

Replaying changes sets rows to absolute states, so replaying them twice does no harm.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from skerry_engine.storage.heap import Row, newest_row
from skerry_engine.storage.row_codec import pack, unpack
from skerry_engine.storage.shapes import ShapeRecord, packed_shape, shape_record
from skerry_engine.storage.table import TableStorage
from skerry_engine.txn.overlay import Overlay

START: Final = 1
COMMIT: Final = 2
CHUNK: Final = 3
PREPARE: Final = 4
ROLLBACK: Final = 5
SEQUENCE: Final = 6
ABANDON: Final = 7
CHECKPOINT: Final = 8
SHAPES: Final = 9

TableChanges = tuple[int, tuple[int, ...], tuple[Row | None, ...], tuple[Row | None, ...] | None]
"""Storage id, row ids, new states, states before (None: nobody has asked for them)."""


class CommitBody(NamedTuple):
    """What a COMMIT record says.

    `sequences` are the states of sequences that definitions have set, each (oid, last value, is it used up?).
    `source` is the number of the transaction whose chunks belong to it, the gid of the prepared transaction that
    it commits, or None.  `catalog_delta` is in the form of catalog/codec.py.  Its chunks, if there are any, stand in
    records of epochs above `chunks_after`.  `copies` are storages that were built from the rows of others: what is in
    them is no change to the feed.
    """

    timestamp_us: int
    source: int | str | None
    catalog_delta: bytes | None
    changes: tuple[TableChanges, ...]
    sequences: tuple[tuple[int, int, bool], ...]
    chunks_after: int
    copies: tuple[int, ...]


class ChunkBody(NamedTuple):
    """What a CHUNK record says."""

    transaction_id: int
    changes: tuple[TableChanges, ...]


class SequenceBody(NamedTuple):
    """What a SEQUENCE record says: `last_value` was given out if `is_called`, else it comes next."""

    oid: int
    last_value: int
    is_called: bool


def table_changes(overlay: Overlay, with_befores: bool) -> list[object]:
    """The changes of an overlay that is about to be committed; temporary tables are left out.

    `with_befores`: with the rows' committed states, which its own versions may already stand upon.
    """
    changes: list[object] = []
    for table in overlay.tables.values():
        storage = table.storage
        if storage.is_temporary:
            continue
        row_ids: list[int] = []
        rows: list[Row | None] = []
        if table.segments:
            for row_id, row in table.final_rows():
                row_ids.append(row_id)
                rows.append(row)
        else:  # the common case, without a generator
            for row_id, entry in table.entries.items():
                row_ids.append(row_id)
                rows.append(entry.row)
        if row_ids:
            befores = states_before(storage, row_ids) if with_befores else None
            changes.append((storage.storage_id, row_ids, rows, befores))
    return changes


def states_before(storage: TableStorage, row_ids: list[int]) -> list[Row | None]:
    """The newest committed states of rows that are locked: what comes over them may stand there, uncommitted."""
    heap = storage.heap
    return [newest_row(heap.slot(row_id)) for row_id in row_ids]


def pack_commit(
    timestamp_us: int,
    source: int | str | None,
    catalog_delta: bytes | None,
    changes: list[object],
    sequences: list[tuple[int, int, bool]],
    chunks_after: int,
    copies: list[int],
) -> bytes:
    """A COMMIT record's body."""
    return pack((timestamp_us, source, catalog_delta, changes, sequences, chunks_after, copies))


def unpack_commit(body: bytes) -> CommitBody:
    """A COMMIT record's body.  Raises ValueError or TypeError for what is none."""
    return CommitBody(*unpack(body))


def unpack_chunk(body: bytes) -> ChunkBody:
    """A CHUNK record's body.  Raises ValueError or TypeError for what is none."""
    return ChunkBody(*unpack(body))


def pack_shapes(shapes: list[ShapeRecord]) -> bytes:
    """A SHAPES record's body."""
    return pack([packed_shape(each) for each in shapes])


def unpack_shapes(body: bytes) -> tuple[ShapeRecord, ...]:
    """A SHAPES record's body.  Raises ValueError or TypeError for what is none."""
    return tuple(shape_record(each) for each in unpack(body))


def pack_sequence(oid: int, last_value: int, is_called: bool) -> bytes:
    """A SEQUENCE record's body."""
    return pack((oid, last_value, is_called))


def unpack_sequence(body: bytes) -> SequenceBody:
    """A SEQUENCE record's body.  Raises ValueError or TypeError for what is none."""
    return SequenceBody(*unpack(body))
