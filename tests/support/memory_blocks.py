"""The base as a sorted list in memory, for tests of what is built on `abc.Blocks`."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort

from skerry_engine.errors import DatabaseDamaged


class MemoryBlocks:
    """Blocks that change by `apply` alone; `reads` counts those that were read."""

    def __init__(self) -> None:
        self.keys: list[bytes] = []
        self.blocks: dict[bytes, bytes] = {}
        self.reads = 0

    def clear(self) -> None:
        self.keys = []
        self.blocks = {}

    def apply(self, changes: list[tuple[bytes, bytes | None]]) -> None:
        for key, block in changes:
            assert len(key) <= 511
            if block is None:
                self.remove(key)
            else:
                if key not in self.blocks:
                    insort(self.keys, key)
                self.blocks[key] = block

    def remove(self, key: bytes) -> None:
        if self.blocks.pop(key, None) is not None:
            del self.keys[bisect_left(self.keys, key)]

    def get(self, key: bytes) -> bytes:
        if key not in self.blocks:
            raise DatabaseDamaged("a block is missing")
        self.reads += 1
        return self.blocks[key]

    def at_or_before(self, key: bytes) -> tuple[bytes, bytes] | None:
        return self._at(bisect_right(self.keys, key) - 1)

    def after(self, key: bytes) -> tuple[bytes, bytes] | None:
        return self._at(bisect_right(self.keys, key))

    def _at(self, position: int) -> tuple[bytes, bytes] | None:
        if not 0 <= position < len(self.keys):
            return None
        self.reads += 1
        key = self.keys[position]
        return key, self.blocks[key]
