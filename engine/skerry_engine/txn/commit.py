"""Installing an overlay: from pending writes to committed versions.

Three ways, all with every lock in hand:

    frozen    nobody else has a snapshot: bare tuples replace what was there; nothing is left to collect
    stamped   versions go on top of their chains with the commit's epoch
    ahead     for large transactions, before the epoch is taken: versions under a stamp that says "not committed",
              slice by slice; setting the stamp's epoch commits them all at once, `take_back` undoes it
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Final

from skerry_engine.storage.heap import CommitStamp, Row, Version, newest_row
from skerry_engine.storage.pending import PendingTable
from skerry_engine.txn.collector import Collector
from skerry_engine.txn.history import KeptVersions
from skerry_engine.txn.log import ChunkRows
from skerry_engine.txn.overlay import Overlay
from skerry_engine.txn.serializable import SerializableState

SLICE_ROWS: Final = 1000
"""Rows installed in one unit."""


def prepare_pages(overlay: Overlay) -> None:
    """Have in memory what `install` writes, so that it can't fail half-way.  Raises DatabaseDamaged."""
    for table in overlay.tables.values():
        heap = table.storage.heap
        if heap.pager is None:
            continue
        for run in table.row_ids():
            for row_id in run:
                heap.prepare(row_id)


def install(overlay: Overlay, epoch: int, frozen: bool, kept: KeptVersions | None) -> CommitStamp | None:
    """Install everything in one unit; returns the stamp under which versions were left, None if frozen.

    `kept`: note the versions for history.
    """
    if frozen:
        for table in overlay.tables.values():
            _install_frozen(table)
        return None
    stamp = CommitStamp(epoch)
    for table in overlay.tables.values():
        if kept is not None:
            _install_kept(table, list(table.final_rows()), stamp, kept)
            continue
        for row_id, row in table.final_rows():
            table.live_change += table.storage.install(row_id, row, stamp)
    return stamp


def _install_kept(
    table: PendingTable, rows: list[tuple[int, Row | None]], stamp: CommitStamp, kept: KeptVersions
) -> None:
    """Install versions, and note them."""
    storage = table.storage
    heap = storage.heap
    for row_id, row in rows:
        before = newest_row(heap.slot(row_id))
        table.live_change += storage.install(row_id, row, stamp)
        version = heap.slot(row_id)
        if isinstance(version, Version):
            kept.add(storage, row_id, version, before)


def _install_frozen(table: PendingTable) -> None:
    storage = table.storage
    change = 0
    if table.segments:
        for row_id, row in table.final_rows():
            change += storage.install_frozen(row_id, row)
    else:  # the common case, without a generator
        for row_id, entry in table.entries.items():
            change += storage.install_frozen(row_id, entry.row)
    table.live_change += change


def install_ahead(
    overlay: Overlay, stamp: CommitStamp, state: SerializableState | None, kept: KeptVersions | None
) -> Iterator[ChunkRows]:
    """Install under a stamp that is not committed yet, yielding what was installed after every `SLICE_ROWS` rows.

    `state`: find who has read the rows, slice by slice; who reads them later finds the stamp.  `kept`: note the
    versions for history.
    """
    for table in overlay.tables.values():
        final_rows = table.final_rows()
        while rows := list(islice(final_rows, SLICE_ROWS)):
            if state is not None:
                state.find_readers(table.storage, rows)
            if kept is not None:
                _install_kept(table, rows, stamp, kept)
            else:
                for row_id, row in rows:
                    table.live_change += table.storage.install(row_id, row, stamp)
            yield ChunkRows(table.storage, [row_id for row_id, _ in rows], [row for _, row in rows])


def find_readers(overlay: Overlay, state: SerializableState) -> None:
    """Find who has read what is about to be installed, all in one unit."""
    for table in overlay.tables.values():
        if state.has_other_readers(table.storage.storage_id):
            state.find_readers(table.storage, list(table.final_rows()))


def take_back(overlay: Overlay, stamp: CommitStamp) -> None:
    """Undo `install_ahead`, wherever it had got to."""
    for table in overlay.tables.values():
        for run in table.row_ids():
            for row_id in run:
                table.storage.uninstall(row_id, stamp)


def settle_tables(
    overlay: Overlay, epoch: int, collector: Collector | None, kept: KeptVersions | None
) -> None:
    """Bring row counts up to date, and hand the collector (if versions were left) what it must look at."""
    if kept is not None and collector is not None:
        for each in kept.tables.values():
            collector.add(epoch, each.storage, each.row_ids, each.versions)
    for table in overlay.tables.values():
        table.storage.row_count += table.live_change
        table.storage.changed_epoch = epoch
        if collector is not None and kept is None:
            for run in table.row_ids():
                collector.add(epoch, table.storage, run)
