"""The memory limit: budgets follow what the process takes; a table of many times the limit is served within it."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest
from support.builds import this_builds_size

from skerry_engine.storage.leaf_cache import LeafCache
from skerry_engine.storage.memory_limit import (
    CEILING,
    DIRTY_SHARE,
    FLOOR,
    GROW_BELOW,
    START,
    MemoryLimit,
    anonymous_bytes,
)
from skerry_engine.storage.page_cache import PageCache

MB = 1 << 20


class Process:
    """A process that takes `fixed`, `others`, and what the caches have; it gives little of that back to the system."""

    def __init__(self, overhead: float, keeps: float) -> None:
        self.fixed = 50 * MB
        self.others = 0
        self.pages = PageCache()
        self.leaves = LeafCache(MB)
        self._overhead = overhead
        self._keeps = keeps
        self._peak = 0

    def measure(self) -> int:
        used = int(self._overhead * (self.pages.used_bytes + self.leaves.used_bytes))
        self._peak = max(used, self._peak)
        return self.fixed + self.others + max(used, int(self._keeps * self._peak))

    def fill(self) -> None:
        """Be used: the caches fill up to their budgets at once."""
        self.pages.clean_bytes = 0  # so that nothing is there to evict
        self.pages.dirty_bytes = self.pages.budget_bytes
        self.leaves.used_bytes = self.leaves.budget_bytes


@pytest.mark.parametrize("overhead", [0.7, 1.0, 1.3, 2.0])
@pytest.mark.parametrize("keeps", [0.0, 0.5, 0.95])
@pytest.mark.parametrize("limit", [128 * MB, 1024 * MB])
def test_the_budget_settles_where_the_limit_is_kept(overhead: float, keeps: float, limit: int) -> None:
    process = Process(overhead, keeps)
    memory = MemoryLimit(limit, process.pages, process.leaves, process.measure)
    room = limit - process.fixed
    rng = random.Random(1)
    for round_ in range(2000):
        if round_ % 400 == 0:
            process.others = rng.choice([0, room // 10, room // 5])
        process.fill()
        memory.adjust()
        assert FLOOR * room - 1 <= memory.budget_bytes <= CEILING * room
        if round_ % 400 > 200:
            assert process.measure() <= limit or memory.budget_bytes <= FLOOR * room
    process.others = 0
    for _ in range(200):
        process.fill()
        memory.adjust()
    kept = overhead * START * keeps * room
    if process.fixed + kept < GROW_BELOW * limit:  # else what the allocator keeps is too much by itself
        growing_ends = (GROW_BELOW * limit - process.fixed) / overhead
        assert memory.budget_bytes >= min(CEILING * room, growing_ends) * (0.5 if keeps > 0.9 else 0.9)


def test_pages_and_leaves_share_the_budget_and_a_checkpoint_is_due_at_a_share_of_it() -> None:
    process = Process(1.0, 0.0)
    memory = MemoryLimit(250 * MB, process.pages, process.leaves, process.measure)
    assert process.pages.budget_bytes + process.leaves.budget_bytes * 9 // 8 == pytest.approx(
        memory.budget_bytes, rel=0.01
    )
    due = int(DIRTY_SHARE * 200 * MB)
    process.pages.dirty_bytes = due - 10
    assert memory.fullness(10) <= 1
    assert memory.fullness(11) > 1


def test_a_limit_that_the_process_alone_exceeds_leaves_the_caches_a_little() -> None:
    process = Process(1.0, 0.0)
    memory = MemoryLimit(40 * MB, process.pages, process.leaves, process.measure)
    for _ in range(100):
        process.fill()
        memory.adjust()
        assert process.pages.budget_bytes > MB and process.leaves.budget_bytes > MB // 4


def test_where_memory_can_not_be_measured_the_budget_stays() -> None:
    process = Process(1.0, 0.0)
    memory = MemoryLimit(200 * MB, process.pages, process.leaves, lambda: -1)
    before = memory.budget_bytes
    memory.adjust()
    assert memory.budget_bytes == before > 50 * MB


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells what is anonymous")
def test_anonymous_memory_is_measured() -> None:
    before = anonymous_bytes()
    held = os.urandom(50 * MB)
    grown = anonymous_bytes() - before
    assert 45 * MB < grown < 60 * MB
    assert len(held) == 50 * MB


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells what is anonymous")
def test_a_table_of_many_times_the_limit_is_written_and_read_within_it(tmp_path: Path) -> None:
    limit_mb, times = 64, this_builds_size(10)
    ran = subprocess.run(
        [sys.executable, "-m", "support.limited_memory", str(limit_mb), str(times), str(tmp_path)],
        capture_output=True,
        check=False,
        text=True,
        timeout=600,
        env={"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        cwd=Path(__file__).parents[2],
    )
    assert ran.returncode == 0, ran.stderr
    found = json.loads(ran.stdout)
    assert found["evictions"] > 10_000
    assert len(found["peaks"]) == 5
    assert max(found["peaks"].values()) < limit_mb * MB, found
