"""Work in another thread, beside the test's own: for statements that wait."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

import skerry

T = TypeVar("T")

DEADLINE_S = 20.0
_POLL_S = 0.005


class Beside(Generic[T]):
    """A call that runs in a thread of its own; `result()` waits for it and gives or raises what it did."""

    def __init__(self, work: Callable[[], T]) -> None:
        self._work = work
        self._values: list[T] = []
        self._problems: list[BaseException] = []
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._values.append(self._work())
        except BaseException as problem:  # noqa: BLE001 - `result` raises it
            self._problems.append(problem)

    def result(self) -> T:
        """What the call returned; raises what it raised."""
        self._thread.join(DEADLINE_S)
        assert not self._thread.is_alive(), "the call does not end"
        if self._problems:
            raise self._problems[0]
        return self._values[0]

    @property
    def is_running(self) -> bool:
        """Whether it has not ended."""
        return self._thread.is_alive()


def until(condition: Callable[[], object], what: str = "it") -> None:
    """Wait until a condition holds."""
    deadline_s = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline_s, f"{what} does not happen"
        time.sleep(_POLL_S)


def waiting_sessions(database: skerry.Database) -> int:
    """How many sessions of the database wait for a lock."""
    query = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    count = database.execute(query).scalar()
    assert isinstance(count, int)
    return count


def wait_for_waiters(database: skerry.Database, count: int = 1) -> None:
    """Until so many sessions wait for locks."""
    until(lambda: waiting_sessions(database) >= count, "waiting")
