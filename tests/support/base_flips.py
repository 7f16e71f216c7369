"""Flips bits of a base's file and reads what is left: `python -m support.base_flips SEED FLIPS SIZES DIRECTORY`.

Prints one JSON object: how many flips were harmless ("right"), found ("damaged"), or ended the process ("stopped"),
and those that gave something else than was put ("wrong") or did not end ("endless"), which must be none.

The base has seen many checkpoints that replaced a few blocks each, so that its free pages are full of blocks that were
right once.  Half the flips hit anything, half the first bytes of LMDB's pages, where its own structure stands.  Each is
tried in a process of its own, as LMDB stops the process at some.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from skerry_engine.base.blocks import page_key
from skerry_engine.base.environment import Base
from skerry_engine.errors import DatabaseDamaged, IncompatibleFormat
from support.base_writing import CLUSTER, checkpoint

PAGES = 150
CHECKPOINTS = 25
STRUCTURE_BYTES = 64
PATIENCE_S = 20

SIZES = {"small": (30, 200, 900, 1500), "large": (1000, 3000, 6000)}
OUTCOMES = ("right", "damaged", "wrong")


def write_base(directory: Path, rng: random.Random, sizes: tuple[int, ...]) -> dict[bytes, bytes]:
    """Write a base with a past; returns what it holds."""
    base = Base(str(directory), CLUSTER, map_bytes=1 << 26)
    model: dict[bytes, bytes] = {}
    for epoch in range(1, CHECKPOINTS + 1):
        numbers = range(PAGES) if epoch == 1 else rng.sample(range(PAGES), 10)
        blocks = [(page_key(3, number), bytes([epoch]) * rng.choice(sizes)) for number in numbers]
        checkpoint(base, epoch, list(blocks))
        model.update(blocks)
    base.close()
    return model


def read_base(directory: Path, model: dict[bytes, bytes]) -> str:
    """Read everything, each way that there is."""
    outcome = "right"
    try:
        base = Base(str(directory), CLUSTER, CHECKPOINTS, map_bytes=1 << 26)
    except (DatabaseDamaged, IncompatibleFormat):
        return "damaged"
    for key, block in model.items():
        try:
            if base.get(key) != block:
                return "wrong"
        except DatabaseDamaged:
            outcome = "damaged"
        for neighbour in (base.at_or_before, base.after):
            try:
                found = neighbour(key)
                # Another neighbour than it was is for its reader to notice; an altered block is not.
                if found is not None and found[1] != model.get(found[0], b""):
                    return "wrong"
            except DatabaseDamaged:
                outcome = "damaged"
    return outcome


def try_flip(data: bytes, position: int, bit: int, directory: Path, read: Callable[[Path], str]) -> str:
    """`read` the file with one bit flipped, in another process."""
    child = os.fork()
    if child == 0:
        code = 9
        try:
            signal.alarm(PATIENCE_S)
            changed = bytearray(data)
            changed[position] ^= 1 << bit
            directory.mkdir(exist_ok=True)
            (directory / "data.mdb").write_bytes(changed)
            code = OUTCOMES.index(read(directory))
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return "endless" if os.WTERMSIG(status) == signal.SIGALRM else "stopped"
    code = os.WEXITSTATUS(status)
    return OUTCOMES[code] if code < len(OUTCOMES) else "wrong"


def main(seed: int, flips: int, sizes: str, directory: Path) -> None:
    """Write the base, try the flips, print the outcomes."""
    rng = random.Random(seed)
    model = write_base(directory / "base", rng, SIZES[sizes])
    report_flips(rng, flips, directory, lambda flipped: read_base(flipped, model))


def report_flips(rng: random.Random, flips: int, directory: Path, read: Callable[[Path], str]) -> None:
    """Try flips of the base in `directory`, print the outcomes."""
    data = (directory / "base" / "data.mdb").read_bytes()
    outcomes: Counter[str] = Counter()
    failed: list[tuple[int, int, str]] = []
    for number in range(flips):
        position = rng.randrange(len(data))
        if number % 2:
            position = position // 4096 * 4096 + rng.randrange(STRUCTURE_BYTES)
        bit = rng.randrange(8)
        outcome = try_flip(data, position, bit, directory / "flipped", read)
        outcomes[outcome] += 1
        if outcome in ("wrong", "endless"):
            failed.append((position, bit, outcome))
    print(json.dumps({"outcomes": outcomes, "failed": failed}))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], Path(sys.argv[4]))
