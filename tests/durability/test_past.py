"""The past survives: whatever was readable before a restart, clean or not, is after it, and the feed goes on without
a gap."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from support.past import PastWorld

WORLDS = int(os.environ.get("SKERRY_PAST_WORLDS", "3"))
"""So many random worlds of each kind; the environment can ask for more."""


@pytest.mark.parametrize("seed", range(WORLDS))
@pytest.mark.parametrize("with_definitions", [True, False])
def test_past_and_feed_are_what_they_were_after_restarts(
    seed: int, with_definitions: bool, tmp_path: Path
) -> None:
    world = PastWorld(tmp_path, seed, with_definitions)
    for _ in range(16):
        world.step()
    for _ in range(2):  # what is taken back from the base, and what comes after it
        for action in (world.prepare, world.large, world.finish, world.checkpoint, world.transaction):
            action()
        world.kill()
    world.large()
    world.stop()
    world.check_heard()
