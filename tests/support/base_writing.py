"""Writing small bases: what the tests of the base share."""

from __future__ import annotations

from collections.abc import Sequence

from skerry_engine.base.environment import Base
from skerry_engine.base.writer import BaseWriter, Completion

CLUSTER = bytes(range(16))

WAIT_S = 60.0


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
