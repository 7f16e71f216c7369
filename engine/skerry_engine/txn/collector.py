"""Garbage collection: turns version chains back into frozen tuples when no snapshot needs the older versions.

Each commit that left chains behind hands in the rows it wrote, with its epoch.  Once no active snapshot is
older than that epoch (the *horizon* has passed it), each of the rows is collected exactly once on behalf of
that commit: what the horizon no longer sees goes, with its index entries, and a chain of one becomes a bare
tuple, or nothing if it was a deletion.  Work is bounded per call, so that no unit runs long; the rest waits
for the next call.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from skerry_engine.storage.table import TableStorage


class Batch:
    """The rows of one table that one commit wrote."""

    __slots__ = ("epoch", "storage", "row_ids", "done")

    def __init__(self, epoch: int, storage: TableStorage, row_ids: Sequence[int]) -> None:
        self.epoch: int = epoch
        self.storage: TableStorage = storage
        self.row_ids: Sequence[int] = row_ids
        self.done: int = 0


class Collector:
    """The queue of rows with chains, in commit order."""

    __slots__ = ("_batches", "rows_waiting")

    def __init__(self) -> None:
        self._batches: deque[Batch] = deque()
        self.rows_waiting: int = 0

    def add(self, epoch: int, storage: TableStorage, row_ids: Sequence[int]) -> None:
        """Hand in rows that the commit at `epoch` left as chains."""
        if row_ids:
            self._batches.append(Batch(epoch, storage, row_ids))
            self.rows_waiting += len(row_ids)

    def waiting_by_epoch(self) -> list[tuple[int, int]]:
        """How many rows wait, as (epoch of the commit, rows) in the order of commits."""
        return [(batch.epoch, len(batch.row_ids) - batch.done) for batch in self._batches]

    def collect(self, horizon: int, limit: int) -> int:
        """Collect up to `limit` rows of commits that every snapshot >= `horizon` sees.

        Returns how many it did.
        """
        collected = 0
        batches = self._batches
        while batches and batches[0].epoch <= horizon and collected < limit:
            batch = batches[0]
            stop = min(len(batch.row_ids), batch.done + limit - collected)
            for position in range(batch.done, stop):
                batch.storage.collect(batch.row_ids[position], horizon)
            collected += stop - batch.done
            batch.done = stop
            if stop == len(batch.row_ids):
                batches.popleft()
        self.rows_waiting -= collected
        return collected
