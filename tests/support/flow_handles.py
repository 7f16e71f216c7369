"""A resource of flows that remembers what it was told.

Generated from aio/flow_handles.py by driver/unasync.py: change that one.
"""

from __future__ import annotations


class Handle:
    """One that was opened; has every method that a resource may have but for those of two-phase commit."""

    def __init__(self, told: list[str]) -> None:
        self._told = told
        told.append("open")

    def begin(self) -> None:
        self._told.append("begin")

    def commit(self) -> None:
        self._told.append("commit")

    def rollback(self) -> None:
        self._told.append("rollback")

    def savepoint(self, name: str) -> None:
        self._told.append("savepoint")

    def release_savepoint(self, name: str) -> None:
        self._told.append("release_savepoint")

    def rollback_to_savepoint(self, name: str) -> None:
        self._told.append("rollback_to_savepoint")

    def close(self) -> None:
        self._told.append("close")


class Handles:
    """All that were opened."""

    def __init__(self) -> None:
        self.opened: list[Handle] = []
        self._told: list[str] = []

    def open(self) -> Handle:
        """One more."""
        self.opened.append(Handle(self._told))
        return self.opened[-1]

    def said(self) -> list[str]:
        """What they were told."""
        return list(self._told)

    def forget(self) -> None:
        """Begin anew."""
        self.opened.clear()
        self._told.clear()
