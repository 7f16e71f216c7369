"""A database of several times the memory limit, through SQL: `python -m support.limited_database LIMIT_MB TIMES PATH PHASE …`.

Prints one JSON object: the peak of anonymous memory, in bytes, in each phase.
"""

from __future__ import annotations

import json
import random
import sys
import threading
import time

import skerry
from skerry_engine.storage.memory_limit import anonymous_bytes

TEXT = 2000
ROW_BYTES = 2400
BATCH = 2000
PROBE_S = 0.005


class Probe(threading.Thread):
    """Measures the process while it works."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.peak = 0
        self.is_over = False

    def run(self) -> None:
        while not self.is_over:
            self.peak = max(self.peak, anonymous_bytes())
            time.sleep(PROBE_S)


def load(database: skerry.Database, rows: int) -> None:
    database.execute("create table t (id int primary key, part int, text text)")
    database.execute("create index t_part on t (part)")
    for first in range(0, rows, BATCH):
        database.execute(
            f"insert into t select n, n % 1000, lpad(n::text, {TEXT}, '.')"
            f" from generate_series({first + 1}, {min(first + BATCH, rows)}) n"
        )


def read(database: skerry.Database, rows: int) -> None:
    rng = random.Random(1)
    for _ in range(2000):
        row_id = rng.randrange(1, rows + 1)
        ((text,),) = database.execute("select text from t where id = $1", [row_id])
        assert text == str(row_id).rjust(TEXT, ".")


def read_ranges(database: skerry.Database, rows: int) -> None:
    rng = random.Random(2)
    for _ in range(50):
        low = rng.randrange(1, rows - 500)
        ids = [
            row[0]
            for row in database.execute("select id from t where id between $1 and $2", [low, low + 499])
        ]
        assert sorted(ids) == list(range(low, low + 500))
    for part in range(20):
        found = database.execute("select count(*) from t where part = $1", [part]).scalar()
        assert found == len(range(part or 1000, rows + 1, 1000))


def aggregate(database: skerry.Database, rows: int) -> None:
    found = database.execute("select count(*), sum(id), sum(length(text)) from t").one()
    assert tuple(found) == (rows, rows * (rows + 1) // 2, rows * TEXT)


def update(database: skerry.Database, rows: int) -> None:
    rng = random.Random(3)
    for _ in range(1000):
        database.execute("update t set part = part + 1000 where id = $1", [rng.randrange(1, rows + 1)])


PHASES = {"load": load, "read": read, "ranges": read_ranges, "aggregate": aggregate, "update": update}


def main(limit_bytes: int, times: int, path: str, phases: list[str]) -> None:
    """Run phases one after another."""
    database = skerry.open(path, memory_limit=limit_bytes)
    probe = Probe()
    probe.start()
    peaks = {}
    for phase in phases:
        probe.peak = 0
        PHASES[phase](database, times * limit_bytes // ROW_BYTES)
        peaks[phase] = probe.peak
    database.close()
    probe.is_over = True
    probe.join()
    print(json.dumps({**peaks, phases[-1]: max(probe.peak, peaks[phases[-1]])}))


if __name__ == "__main__":
    main(int(sys.argv[1]) << 20, int(sys.argv[2]), sys.argv[3], sys.argv[4:])
