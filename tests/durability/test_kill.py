"""kill -9 under load, again and again: what was acknowledged is there, and nothing by halves.

`SKERRY_KILL_ROUNDS` says how many rounds there are of each kind (`make soak` asks for hundreds); each build has
rounds of its own.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.builds import IS_COMPILED
from support.kill_rounds import PREPARATION, Rounds
from support.nursery import Nursery

ROUNDS = int(os.environ.get("SKERRY_KILL_ROUNDS", "6"))
SEED = int(os.environ.get("SKERRY_KILL_SEED", "1")) + IS_COMPILED


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    with Nursery(*PREPARATION) as made:
        yield made


def test_embedded(nursery: Nursery, tmp_path: Path) -> None:
    rounds = Rounds(nursery, tmp_path, SEED)
    for _ in range(ROUNDS):
        rounds.embedded(rounds.dice.uniform(0.02, 0.5))
    assert rounds.told.acknowledgements > ROUNDS * 10


def test_served(nursery: Nursery, tmp_path: Path) -> None:
    rounds = Rounds(nursery, tmp_path, SEED)
    for _ in range(ROUNDS):
        rounds.served(rounds.dice.uniform(0.1, 0.6))
    assert rounds.told.acknowledgements > ROUNDS * 10
