"""Marks: what a transaction goes back to when a statement fails or a savepoint is rolled back to.

Every journal of a transaction only grows while it goes on, so its state at some moment is how long each was.
"""

from __future__ import annotations

from skerry_engine.errors import UndefinedSavepoint


class Mark:
    """How long each journal of a transaction was at some moment: what unwinding goes back to.

    `constraint_modes` is what SET CONSTRAINTS had said; it is replaced, never changed.
    """

    __slots__ = (
        "writes",
        "deferred",
        "changes",
        "commit_hooks",
        "rollback_hooks",
        "locks",
        "constraint_modes",
        "merged",
    )

    def __init__(
        self,
        writes: int,
        deferred: int,
        changes: int,
        commit_hooks: int,
        rollback_hooks: int,
        locks: int,
        constraint_modes: dict[str, bool] | None,
        merged: int = 0,
    ) -> None:
        self.writes: int = writes
        self.deferred: int = deferred
        self.changes: int = changes
        self.commit_hooks: int = commit_hooks
        self.rollback_hooks: int = rollback_hooks
        self.locks: int = locks
        self.constraint_modes: dict[str, bool] | None = constraint_modes
        self.merged: int = merged


class Savepoint:
    """A named mark, and whether the transaction was read-only there (SET TRANSACTION lasts as long as it)."""

    __slots__ = ("name", "mark", "read_only")

    def __init__(self, name: str, mark: Mark, read_only: bool) -> None:
        self.name: str = name
        self.mark: Mark = mark
        self.read_only: bool = read_only


def find_savepoint(savepoints: list[Savepoint] | None, name: str) -> int:
    """The position of the newest savepoint of that name; raises UndefinedSavepoint."""
    if savepoints is not None:
        for position in range(len(savepoints) - 1, -1, -1):
            if savepoints[position].name == name:
                return position
    raise UndefinedSavepoint(f'savepoint "{name}" does not exist')
