"""Sorting in runs: the order is right and no step does much, whatever the size."""

from __future__ import annotations

from random import Random

import pytest
from support.sessions import SqlDatabase

from skerry_engine.plan.runtime import BATCH, RUN, Sorter, sort_paced

SIZES = [0, 1, BATCH, RUN - 1, RUN, RUN + 1, 3 * RUN + 7, 11 * RUN]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("keys", [1, 5, 10**9])
def test_sorter(size: int, keys: int) -> None:
    rng = Random(size + keys)
    rows = [(rng.randrange(keys), serial, (serial,)) for serial in range(size)]
    sorter = Sorter()
    for start in range(0, size, BATCH):
        sorter.extend(rows[start : start + BATCH])
    batches = list(sorter.batches())
    assert [row for batch in batches for row in batch] == [row for _, _, row in sorted(rows)]
    assert all(len(batch) <= BATCH for batch in batches)


@pytest.mark.parametrize("size", SIZES)
def test_sort_paced(size: int) -> None:
    rng = Random(size)
    rows = [(rng.randrange(50), serial, None) for serial in range(size)]
    expected = sorted(rows, key=lambda row: row[:2])
    pauses = len(list(sort_paced(rows)))
    assert rows == expected
    assert pauses >= size // RUN - 1


def test_window_over_many_rows() -> None:
    database = SqlDatabase(
        "create table t (id int primary key, g int, v int)",
        "insert into t select n, n % 3, (n * 7919) % 10007 from generate_series(1, 10000) n",
    )
    rows = database.rows("select v, row_number() over (partition by g order by v, id) from t where g = 1")
    assert [number for _, number in sorted(rows, key=lambda row: row[1])] == list(range(1, len(rows) + 1))
    assert [v for v, _ in sorted(rows, key=lambda row: row[1])] == sorted(v for v, _ in rows)
