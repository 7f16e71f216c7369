"""Garbage collection: turns version chains back into frozen tuples when no snapshot needs the older versions.

Each commit that left chains behind hands in the rows it wrote, with its epoch.  Once no active snapshot is
older than that epoch (the *horizon* has passed it), each of the rows is collected exactly once on behalf of
that commit: what the horizon no longer sees goes, with its index entries, and a chain of one becomes a bare
tuple, or nothing if it was a deletion.  Work is bounded per call, so that no unit runs long; the rest waits
for the next call.

With history kept (txn/history.py) the horizon lags, and chains grow: a row that changes a thousand times a second
has a million versions.  So that collecting one version needs no walk through those above it, such commits hand in
the versions themselves: when the horizon has passed one, what is below it goes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from skerry_engine.storage.heap import Version
from skerry_engine.storage.table import TableStorage


class Batch:
    """The rows of one table that one commit wrote; `versions[i]`, if given, is what it put on `row_ids[i]`."""

    __slots__ = ("epoch", "storage", "row_ids", "versions", "done")

    def __init__(
        self, epoch: int, storage: TableStorage, row_ids: Sequence[int], versions: list[Version] | None
    ) -> None:
        self.epoch: int = epoch
        self.storage: TableStorage = storage
        self.row_ids: Sequence[int] = row_ids
        self.versions: list[Version] | None = versions
        self.done: int = 0


class Collector:
    """The queue of rows with chains, in commit order."""

    __slots__ = ("_batches", "rows_waiting")

    def __init__(self) -> None:
        self._batches: deque[Batch] = deque()
        self.rows_waiting: int = 0

    def add(
        self,
        epoch: int,
        storage: TableStorage,
        row_ids: Sequence[int],
        versions: list[Version] | None = None,
    ) -> None:
        """Hand in rows that the commit at `epoch` left as chains, perhaps with its version of each."""
        if row_ids:
            self._batches.append(Batch(epoch, storage, row_ids, versions))
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
            versions = batch.versions
            for position in range(batch.done, stop):
                if versions is None:
                    batch.storage.collect(batch.row_ids[position], horizon)
                else:
                    batch.storage.collect_below(batch.row_ids[position], versions[position])
            collected += stop - batch.done
            batch.done = stop
            if stop == len(batch.row_ids):
                batches.popleft()
        self.rows_waiting -= collected
        return collected
