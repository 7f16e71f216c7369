"""The collector's policy: no automatic collection, young cycles still go, the rest is frozen."""

from __future__ import annotations

import gc
import time
import weakref

from skerry_server.housekeeping import GarbageCollection


class Cycle:
    def __init__(self) -> None:
        self.me = self


def test_young_cycles_are_collected_between_turns() -> None:
    policy = GarbageCollection()
    policy.start()
    try:
        assert not gc.isenabled()
        watched = weakref.ref(Cycle())
        ballast = [[] for _ in range(6_000)]
        assert watched() is not None
        policy.between_turns()
        assert watched() is None
        assert len(ballast) == 6_000
    finally:
        policy.stop()
    assert gc.isenabled()
    assert gc.get_freeze_count() == 0


def test_what_lives_long_is_frozen() -> None:
    policy = GarbageCollection()
    policy.start()
    try:
        before = gc.get_freeze_count()
        kept = []
        for _ in range(10):
            kept.append([[] for _ in range(6_000)])
            policy.between_turns()
        assert gc.get_freeze_count() - before > 50_000
    finally:
        policy.stop()


def test_no_pause_is_long_while_a_million_objects_pile_up() -> None:
    # What else the machine does can only make a pause longer: a policy that pauses for long does so every time.
    assert min(longest_pause_s() for _ in range(3)) < 0.010


def longest_pause_s() -> float:
    """The longest collection between turns, in processor time, while a million objects are made and kept."""
    policy = GarbageCollection()
    policy.start()
    try:
        kept: list[list[list[int]]] = []
        longest_s = 0.0
        for _ in range(200):
            kept.append([[] for _ in range(5_000)])
            before_s = time.thread_time()
            policy.between_turns()
            longest_s = max(longest_s, time.thread_time() - before_s)
        return longest_s
    finally:
        policy.stop()
