"""Writing small bases: what the tests of the base share."""

from __future__ import annotations

from collections.abc import Sequence

from skerry_engine.base.blocks import describe_key
from skerry_engine.base.environment import Base
from skerry_engine.base.writer import BaseWriter, Completion
from skerry_engine.errors import DatabaseDamaged

CLUSTER = bytes(range(16))

WAIT_S = 60.0


class BlocksInMemory:
    """Blocks in a dict, for tests of those that stand on a base.  Implements abc.Blocks."""

    def __init__(self) -> None:
        self.blocks: dict[bytes, bytes] = {}

    def get(self, key: bytes) -> bytes:
        if key not in self.blocks:
            raise DatabaseDamaged(f"{describe_key(key)} is missing")
        return self.blocks[key]

    def at_or_before(self, key: bytes) -> tuple[bytes, bytes] | None:
        found = max((each for each in self.blocks if each <= key), default=None)
        return None if found is None else (found, self.blocks[found])

    def after(self, key: bytes) -> tuple[bytes, bytes] | None:
        found = min((each for each in self.blocks if each > key), default=None)
        return None if found is None else (found, self.blocks[found])


def finished(completion: Completion) -> None:
    """Wait for the end, and raise what it failed with."""
    assert completion.wait(WAIT_S)
    completion.check()


def begun(base: Base) -> BaseWriter:
    """A writer that may put blocks."""
    writer = BaseWriter(base)
    finished(writer.begin())
    return writer


def checkpoint(
    base: Base,
    epoch: int,
    blocks: Sequence[tuple[bytes, bytes | None]],
    metadata: Sequence[tuple[str, bytes]] = (),
) -> None:
    """Write one checkpoint and read it from now on."""
    writer = begun(base)
    assert writer.put_many(blocks) == len(blocks)
    finished(writer.commit(epoch, metadata))
    base.adopt()
