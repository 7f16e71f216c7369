"""Tables whose pages are in the base: every snapshot reads what was committed, whatever is evicted and written."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from support.builds import this_builds
from support.paged_tables import World

STEPS = 250


@pytest.mark.parametrize("seed", this_builds(range(30)))
def test_random_commits_checkpoints_and_evictions_beside_a_model(seed: int, tmp_path: Path) -> None:
    rng = random.Random(seed)
    world = World(tmp_path, rng, budget_bytes=rng.choice([1, 60_000, 300_000, 1 << 40]))
    for _ in range(STEPS):
        world.step()
        world.check()
    world.close()
