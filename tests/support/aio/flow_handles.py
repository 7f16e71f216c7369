"""A resource of flows that remembers what it was told."""

from __future__ import annotations


class AsyncHandle:
    """One that was opened; has every method that a resource may have but for those of two-phase commit."""

    def __init__(self, told: list[str]) -> None:
        self._told = told
        told.append("open")

    async def begin(self) -> None:
        self._told.append("begin")

    async def commit(self) -> None:
        self._told.append("commit")

    async def rollback(self) -> None:
        self._told.append("rollback")

    async def savepoint(self, name: str) -> None:
        self._told.append("savepoint")

    async def release_savepoint(self, name: str) -> None:
        self._told.append("release_savepoint")

    async def rollback_to_savepoint(self, name: str) -> None:
        self._told.append("rollback_to_savepoint")

    async def close(self) -> None:
        self._told.append("close")


class AsyncHandles:
    """All that were opened."""

    def __init__(self) -> None:
        self.opened: list[AsyncHandle] = []
        self._told: list[str] = []

    async def open(self) -> AsyncHandle:
        """One more."""
        self.opened.append(AsyncHandle(self._told))
        return self.opened[-1]

    def said(self) -> list[str]:
        """What they were told."""
        return list(self._told)

    def forget(self) -> None:
        """Begin anew."""
        self.opened.clear()
        self._told.clear()
