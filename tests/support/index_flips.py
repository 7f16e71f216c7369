"""Flips bits of a base that holds an index, and reads the index: `python -m support.index_flips SEED FLIPS DIRECTORY`.

As base_flips.py, but what counts is what look-ups and scans give: every entry and no other, or DatabaseDamaged.  The
leaves have been split and joined many times, so that the file is full of leaves of other times.
"""

from __future__ import annotations

import random
import sys
from pathlib import Path

from skerry_engine.base.environment import Base
from skerry_engine.errors import DatabaseDamaged, IncompatibleFormat
from skerry_engine.storage.leaf_cache import LeafCache
from skerry_engine.storage.leaf_merge import SIZES
from skerry_engine.storage.paged_index import PagedIndex
from skerry_engine.values import oids
from skerry_engine.values.keys import KeyCodec, KeyColumn
from support.base_flips import report_flips
from support.base_writing import CLUSTER, checkpoint

CHECKPOINTS = 25
KEYS = 400
CODEC = KeyCodec([KeyColumn(oids.INT4), KeyColumn(oids.TEXT)])

Model = dict[tuple[int, str], set[int]]


def make_index(base: Base) -> PagedIndex:
    return PagedIndex(5, lambda row: row, CODEC, False, True, None, base, LeafCache(20_000))


def write_base(directory: Path, rng: random.Random) -> Model:
    """Write an index with a past; returns what it holds."""
    base = Base(str(directory), CLUSTER, map_bytes=1 << 26)
    index = make_index(base)
    model: Model = {(number, "text" * (number % 30)): set() for number in range(KEYS)}
    SIZES.full_bytes = 1500
    for epoch in range(1, CHECKPOINTS + 1):
        first = rng.randrange(KEYS)
        for row in list(model)[first : first + 60] if epoch > 1 else list(model):
            for _ in range(4):
                row_id = rng.randrange(20)
                if rng.random() < 0.5:
                    index.add(row, row_id)
                    model[row].add(row_id)
                else:
                    index.remove(row, row_id)
                    model[row].discard(row_id)
        index.begin_checkpoint()
        checkpoint(base, epoch, [block for part in index.checkpoint_blocks() for block in part])
        index.end_checkpoint(True)
    base.close()
    return model


def read_index(directory: Path, model: Model) -> str:
    """Look every key up, and scan both ways."""
    outcome = "right"
    try:
        base = Base(str(directory), CLUSTER, CHECKPOINTS, map_bytes=1 << 26)
        index = make_index(base)
        index.open_leaves()
    except (DatabaseDamaged, IncompatibleFormat):
        return "damaged"
    for row, row_ids in model.items():
        try:
            if index.candidates(row) != sorted(row_ids):
                return "wrong"
        except DatabaseDamaged:
            outcome = "damaged"
    expected = sorted((CODEC.order_key(row), row_id) for row, row_ids in model.items() for row_id in row_ids)
    for descending in (False, True):
        try:
            if scan(make_index(base), descending) != (expected[::-1] if descending else expected):
                return "wrong"
        except DatabaseDamaged:
            outcome = "damaged"
    return outcome


def scan(index: PagedIndex, descending: bool) -> list[tuple[bytes, int]]:
    """All entries."""
    index.open_leaves()
    found: list[bytes] = []
    after: bytes | None = None
    while True:
        some, after = index.entries(None, None, after, 100, descending)
        found += some
        if after is None:
            return [(entry[:-8], int.from_bytes(entry[-8:], "big")) for entry in found]


def main(seed: int, flips: int, directory: Path) -> None:
    """Write the base, try the flips, print the outcomes."""
    rng = random.Random(seed)
    model = write_base(directory / "base", rng)
    assert read_index(directory / "base", model) == "right"
    report_flips(rng, flips, directory, lambda flipped: read_index(flipped, model))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
