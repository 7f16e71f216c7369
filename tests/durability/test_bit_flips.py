"""A bit that has changed, anywhere in any file of a database, is noticed or does no harm: never a wrong or a missing row.

`SKERRY_FLIPS` says how many are tried.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from support.flips import Victim
from support.nursery import Nursery

FLIPS = int(os.environ.get("SKERRY_FLIPS", "120"))
SEED = int(os.environ.get("SKERRY_FLIPS_SEED", "1"))


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    with Nursery("support.flips") as made:
        yield made


@pytest.mark.parametrize("is_sealed", [True, False], ids=["stopped", "killed"])
def test_a_flipped_bit_is_noticed_or_does_no_harm(nursery: Nursery, tmp_path: Path, is_sealed: bool) -> None:
    victim = Victim(tmp_path, is_sealed)
    flips = victim.flips(Random(SEED), FLIPS)
    outcomes = victim.run(nursery, flips, tmp_path / "scratch")
    wrong = [(flip, outcome) for flip, outcome in outcomes if outcome.startswith("wrong")]
    assert not wrong, wrong[:10]
    counts = Counter(outcome for _, outcome in outcomes)
    assert counts["refused"] > len(flips) / 10
    assert counts["died"] < len(flips) / 10
    assert counts["torn"] == 0 or not is_sealed
