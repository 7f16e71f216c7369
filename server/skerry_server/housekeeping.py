"""The server's policy for CPython's cycle collector.

A collection looks at every tracked object of its generation and stops the world: over the row versions of a
big database that is a pause nobody may see.  Rows are tuples of atoms, which the collector does not track,
but version chains and indexes are tracked.  So automatic collection is off, and this policy runs between
turns:

-   the youngest generation is collected when enough objects were made since the last time;
-   now and then the middle one is collected, too, and what is left then is *frozen*: moved where no
    collection looks. What dies later is freed by reference counting; cycles are cut by hand where they
    would matter (`shell`).

What it does not do: collect the oldest generation while serving.
"""

from __future__ import annotations

import gc
from typing import Final

_YOUNG_OBJECTS: Final = 5_000
_YOUNG_BEFORE_FREEZE: Final = 10


class GarbageCollection:
    """Takes over from automatic collection between `start` and `stop`."""

    def __init__(self) -> None:
        self._young_collections = 0
        self._was_enabled = False

    def start(self) -> None:
        """Turn automatic collection off and freeze what was loaded."""
        self._was_enabled = gc.isenabled()
        gc.disable()
        gc.collect()
        gc.freeze()

    def stop(self) -> None:
        """Give the collector back as it was."""
        gc.unfreeze()
        if self._was_enabled:
            gc.enable()

    def between_turns(self) -> None:
        """Collect young objects if there are many; cheap otherwise."""
        if gc.get_count()[0] < _YOUNG_OBJECTS:
            return
        self._young_collections += 1
        if self._young_collections < _YOUNG_BEFORE_FREEZE:
            gc.collect(0)
            return
        self._young_collections = 0
        gc.collect(1)
        gc.freeze()
