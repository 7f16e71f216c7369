"""A progress bar: rich's where it is installed (`pip install 'skerry[examples]'`), else a line now and then."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

Item = TypeVar("Item")

try:
    from rich.progress import track
except ImportError:
    track = None  # type: ignore[assignment]

LINES = 4
"""How often the plain form says how far it is."""


def batches(items: Sequence[Item], size: int, what: str, quiet: bool = False) -> Iterator[Sequence[Item]]:
    """Slices of `items`, with progress on standard error unless `quiet`."""
    starts = range(0, len(items), size)
    shown: Iterator[int] = iter(starts) if quiet else _with_progress(starts, what)
    return (items[start : start + size] for start in shown)


def _with_progress(starts: Sequence[int], what: str) -> Iterator[int]:
    if track is not None and sys.stderr.isatty():
        return iter(track(starts, description=what))
    return plain(starts, lambda line: print(f"{what}: {line}", file=sys.stderr, flush=True))


def plain(steps: Sequence[int], say: Callable[[str], None]) -> Iterator[int]:
    """The steps, telling `say` a few times which part of them is done."""
    every = max(1, len(steps) // LINES)
    for done, step in enumerate(steps, start=1):
        yield step
        if done % every == 0 or done == len(steps):
            say(f"{done * 100 // len(steps)} %")
