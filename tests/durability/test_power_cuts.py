"""Power cuts: after every prefix of what was written, with every legal loss and reordering of what was not synced, the
database opens with everything that was promised, and with nothing by halves.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from random import Random

import pytest
from support.crash_disk import CrashDisk
from support.crash_runs import CrashRun

SEEDS = range(*map(int, os.environ.get("SKERRY_CRASH_SEEDS", "0,3").split(",")))
ACTIONS = 300
MOMENTS = 60


def crashes(run: CrashRun, dice: Random, moments: int, images: int) -> Iterator[tuple[int, CrashDisk]]:
    """What is left after power cuts at moments spread over the whole run: position in the journal, disk."""
    length = len(run.disk.journal)
    chosen = {length, *(dice.randrange(length + 1) for _ in range(moments))}
    for position, disk in run.disk.replay():
        if position in chosen:
            for crashed in disk.crashes(dice, images):
                yield position, crashed


def finished(seed: int) -> CrashRun:
    """A run at its end; in every other one not all commits wait for the disk."""
    run = CrashRun(seed, all_synchronous=seed % 2 == 0)
    run.run(ACTIONS)
    return run


@pytest.mark.parametrize("seed", SEEDS)
def test_what_was_promised_is_there_after_a_power_cut(seed: int) -> None:
    run = finished(seed)
    looked_at = 0
    for position, disk in crashes(run, Random(seed), MOMENTS, 3):
        run.check(disk, position)
        looked_at += 1
    assert looked_at >= MOMENTS


@pytest.mark.parametrize("seed", SEEDS)
def test_a_power_cut_while_it_is_opened_again_loses_nothing_more(seed: int) -> None:
    run, dice = finished(seed), Random(seed)
    for position, disk in crashes(run, dice, MOMENTS // 6, 2):
        before = len(disk.journal)
        epoch = run.check(disk, position)
        for at, again in disk.replay():
            is_open = at == len(disk.journal)  # what it shows then must be there from now on
            if at < before or (dice.random() < 0.6 and not is_open):
                continue
            for crashed in again.crashes(dice, 2):
                run.check(crashed, position, after=epoch if is_open else 0)
