"""A table of many times the memory limit, written and read: `python -m support.limited_memory LIMIT_MB TIMES DIRECTORY`.

Prints one JSON object: the peak of anonymous memory, in bytes, in each phase.
"""

from __future__ import annotations

import gc
import json
import random
import sys
from pathlib import Path

from skerry_engine.base.environment import Base
from skerry_engine.storage.checkpointing import StorageCheckpoint
from skerry_engine.storage.heap import Row
from skerry_engine.storage.leaf_cache import LeafCache
from skerry_engine.storage.memory_limit import MemoryLimit, anonymous_bytes
from skerry_engine.storage.page_cache import PageCache
from skerry_engine.storage.paging import Paging
from skerry_engine.storage.reader import TableReader
from skerry_engine.storage.table import TableStorage
from support.base_writing import CLUSTER, begun, finished

TEXT = 700
ROW_BYTES = 850
GIVE_BACK_BYTES = 2 << 20


class Phases:
    """The table under its limit."""

    def __init__(self, limit_bytes: int, directory: Path) -> None:
        self.base = Base(str(directory / "base"), CLUSTER)
        self.cache = PageCache()
        leaves = LeafCache(1 << 20)
        gc.collect()
        self.limit = MemoryLimit(limit_bytes, self.cache, leaves)
        self.storage = TableStorage(1, 3, False, Paging(self.base, self.cache))
        self.epoch = 1
        self.peak = 0
        self.rng = random.Random(5)

    def between(self) -> None:
        """What a host does now and then."""
        self.limit.adjust()
        if self.limit.fullness(0) > 1:
            self.checkpoint()
        self.peak = max(self.peak, anonymous_bytes())

    def checkpoint(self) -> None:
        self.epoch += 1
        part = StorageCheckpoint(self.storage, self.epoch)
        writer = begun(self.base)
        for blocks in part.collect():
            writer.put_many(blocks)
        self.peak = max(self.peak, anonymous_bytes())
        finished(writer.commit(self.epoch, ()))
        self.peak = max(self.peak, anonymous_bytes())
        self.base.adopt()
        for _ in part.settle():
            pass
        if self.base.unreturned_bytes > GIVE_BACK_BYTES:
            self.base.give_back_memory()

    def row(self, row_id: int, version: int) -> Row:
        return (row_id, version, f"{row_id:x}".ljust(TEXT, "."))

    def load(self, rows: int) -> None:
        for row_id in range(1, rows + 1):
            self.storage.restore_rows([row_id], [self.row(row_id, 0)])
            if row_id % 500 == 0:
                self.between()
        self.checkpoint()

    def read_points(self, reads: int) -> None:
        reader = TableReader(self.storage, self.epoch, None, 1)
        for number in range(reads):
            row_id = self.rng.randrange(1, self.storage.next_row_id)
            row = reader.get(row_id)
            assert row is not None and row == self.row(row_id, int(str(row[1])))
            if number % 100 == 0:
                self.between()

    def scan(self) -> None:
        reader = TableReader(self.storage, self.epoch, None, 1)
        rows, after = 0, -1
        while True:
            batch, after = reader.scan_batch(after, 1000)
            rows += len(batch)
            self.between()
            if after == -1:
                break
        assert rows == self.storage.row_count

    def update(self, updates: int) -> None:
        for number in range(updates):
            row_id = self.rng.randrange(1, self.storage.next_row_id)
            self.storage.restore_rows([row_id], [self.row(row_id, number)])
            if number % 100 == 0:
                self.between()
        self.checkpoint()


def main(limit_bytes: int, times: int, directory: Path) -> None:
    """Run the phases."""
    phases = Phases(limit_bytes, directory)
    rows = times * limit_bytes // ROW_BYTES
    peaks: dict[str, int] = {}
    for name, phase in (
        ("load", lambda: phases.load(rows)),
        ("read", lambda: phases.read_points(10_000)),
        ("scan", phases.scan),
        ("update", lambda: phases.update(10_000)),
        ("scan again", phases.scan),
    ):
        phases.peak = 0
        phase()
        peaks[name] = phases.peak
    print(
        json.dumps({"peaks": peaks, "evictions": phases.cache.evictions, "budget": phases.limit.budget_bytes})
    )


if __name__ == "__main__":
    main(int(sys.argv[1]) << 20, int(sys.argv[2]), Path(sys.argv[3]))
