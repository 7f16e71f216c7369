"""Where edges lead, kept side by side while a table rests.

Following an edge means reading its row: two or three places in memory, all far from each other.  While nobody writes
the table, the answer stays the same; so it is kept by node, numbers next to each other, and a second traversal reads
one place per node instead of three per edge.

    node 7:  array('q', [edge 12, node 2, edge 40, node 9])

What is kept holds for every snapshot: only nodes are entered all of whose edges are frozen rows.  Any write to the
table's heap ends it (`Heap.changes`), and it is begun anew only by the second reader after that: a table that is
written all the time pays one comparison.
"""

from __future__ import annotations

from array import array
from collections.abc import Hashable
from typing import Any, Final

MOST_KEPT: Final = 4_000_000
"""Edges that are kept at most, in one table, 16 bytes each; beyond, all are forgotten."""

KeptWays = dict[int, "array[int]"]

_kinds: dict[Hashable, int] = {}


def way_kind(other: int, no_loops: bool, labels: Hashable) -> int:
    """A number that stands for the ways to the end at a position of edges' rows, of edges with labels: plans ask for it
    once, so that nothing has to be hashed at each node."""
    return _kinds.setdefault((other, no_loops, labels), len(_kinds))


class WaysKept:
    """What is kept of one table."""

    __slots__ = ("changes", "count", "by_kind")

    def __init__(self) -> None:
        self.changes: int = -1
        self.count: int = 0
        self.by_kind: dict[int, KeptWays] = {}

    def of(self, kind: int, changes: int) -> KeptWays | None:
        """What is known of one kind of ways; None while the table does not rest: then nothing is to be entered."""
        if changes != self.changes or self.count > MOST_KEPT:
            self.changes = changes
            self.count = 0
            self.by_kind = {}
            return None
        kept = self.by_kind.get(kind)
        if kept is None:
            kept = self.by_kind[kind] = {}
        return kept

    def enter(self, kept: KeptWays, node: int, ways: list[Any]) -> None:
        """Keep the ways on from a node."""
        kept[node] = array("q", ways)
        self.count += (len(ways) >> 1) + 4
