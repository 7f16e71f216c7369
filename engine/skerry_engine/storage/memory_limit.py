"""The memory limit: how much the caches may keep, so that the process as a whole stays below its limit.

What is limited is anonymous memory, as the system counts it: the pages of the base's file that the kernel has in its
cache are not the process's.  The caches only estimate what they hold, and others need memory, too: pending writes,
sorts, plans, what LMDB gathers for a commit.  So the caches' budget starts at a share of what the limit leaves, and
follows what is measured:

    above SHRINK_ABOVE of the limit   the budget shrinks by half the excess, no further than to FLOOR
    below GROW_BELOW                  it grows slowly, up to CEILING

    limit ├─ the process when it began ─┤├─ room ──────────────────────────────────────┤
                                          ├─ dirty pages ─┤─ clean pages ─┤─ leaves ─┤ slack
                                            a checkpoint is due at DIRTY_SHARE

Memory that was given back to Python's allocator is not always given back to the system, and is used again first.  So
after shrinking the budget rests for some rounds before it shrinks again.

What it does not do: refuse memory to anybody (work_mem and the limit on pending writes do that), or run by itself: its
host calls `adjust` a few times a second, between units.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Final

from skerry_engine.storage.leaf_cache import LeafCache
from skerry_engine.storage.page_cache import PageCache

SHRINK_ABOVE: Final = 0.76
GROW_BELOW: Final = 0.66

START: Final = 0.4
CEILING: Final = 0.6
FLOOR: Final = 0.15
"""Shares of the room that the caches have together."""

LEAF_SHARE: Final = 0.25
"""The leaves' part of that, the keys that go with them included; pages, dirty ones too, have the rest."""

DIRTY_SHARE: Final = 0.08
"""The share of the room that dirty pages and changes of indexes may take before a checkpoint is due."""

REST_ROUNDS: Final = 5
GROWTH: Final = 0.02
EVICTIONS_PER_ROUND: Final = 100

_PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096


def anonymous_bytes() -> int:
    """The process's anonymous memory that is resident; -1 where the system does not say (elsewhere than on Linux)."""
    if sys.platform != "linux":
        return -1
    try:
        with open("/proc/self/statm", "rb", buffering=0) as file:
            fields = file.read(200).split()
    except OSError:  # too many open files, say
        return -1
    return (int(fields[1]) - int(fields[2])) * _PAGE_BYTES


def default_limit_bytes() -> int:
    """Half of the machine's memory; 1 GiB where the system does not say how much it has."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * _PAGE_BYTES // 2
    except (AttributeError, OSError, ValueError):
        return 1 << 30


class MemoryLimit:
    """Sets the budgets of the caches.  Make it when the process has loaded what it always needs, and no data yet."""

    def __init__(
        self,
        limit_bytes: int,
        pages: PageCache,
        leaves: LeafCache,
        measure: Callable[[], int] = anonymous_bytes,
    ) -> None:
        self.limit_bytes = limit_bytes
        self._pages = pages
        self._leaves = leaves
        self._measure = measure
        # A limit below what the process takes anyway can't be kept; the caches need something all the same.
        self._room = max(limit_bytes - max(measure(), 0), limit_bytes // 4)
        self._rest = 0
        self._set(int(START * self._room))

    @property
    def budget_bytes(self) -> int:
        """What pages and leaves may take now."""
        return self._budget

    def _set(self, budget_bytes: int) -> None:
        self._budget = budget_bytes
        leaves = int(LEAF_SHARE * budget_bytes)
        # The keys of the leaf cache have an eighth of its budget beside it.
        self._leaves.set_budget(leaves * 8 // 9)
        self._pages.budget_bytes = budget_bytes - leaves

    def adjust(self) -> None:
        """Follow what the process takes, and evict some of what is too much."""
        measured = self._measure()
        if self._rest:
            self._rest -= 1
        elif measured > SHRINK_ABOVE * self.limit_bytes:
            excess = measured - int(GROW_BELOW * self.limit_bytes)
            used = min(self._budget, self._pages.used_bytes + self._leaves.used_bytes)
            self._set(max(int(FLOOR * self._room), used - excess // 2))
            self._rest = REST_ROUNDS
        elif 0 <= measured < GROW_BELOW * self.limit_bytes and self._budget < CEILING * self._room:
            self._set(min(int(CEILING * self._room), self._budget + int(GROWTH * self._room)))
        self._pages.make_room(EVICTIONS_PER_ROUND)

    def is_much(self, size_bytes: int) -> bool:
        """Whether it is worth some milliseconds to get so much memory back."""
        return size_bytes > self._room // 32

    def fullness(self, index_changes_bytes: int) -> float:
        """How much of their share dirty pages take, with so many bytes of changes to indexes; from 1 on they should be
        written."""
        return (self._pages.dirty_bytes + index_changes_bytes) / (DIRTY_SHARE * self._room)
