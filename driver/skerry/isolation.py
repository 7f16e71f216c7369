"""Isolation levels and access modes, from Python's keywords to SQL."""

from __future__ import annotations

from skerry_engine.errors import InterfaceError

READ_COMMITTED = "read committed"
SNAPSHOT = "snapshot"
SERIALIZABLE = "serializable"

_SQL_NAMES = {
    "read uncommitted": "READ UNCOMMITTED",
    READ_COMMITTED: "READ COMMITTED",
    SNAPSHOT: "REPEATABLE READ",
    "repeatable read": "REPEATABLE READ",
    SERIALIZABLE: "SERIALIZABLE",
}


def isolation_sql(level: str) -> str:
    """SQL's name of a level; `read_committed`, `READ COMMITTED` and `snapshot` are all understood.

    Raises InterfaceError for an unknown name.
    """
    found = _SQL_NAMES.get(level.strip().lower().replace("_", " "))
    if found is None:
        raise InterfaceError(f"unknown isolation level {level!r}: use one of {', '.join(_SQL_NAMES)}")
    return found


def begin_sql(isolation_level: str | None, read_only: bool, deferrable: bool) -> str:
    """The BEGIN statement for these modes."""
    modes = []
    if isolation_level is not None:
        modes.append(f"ISOLATION LEVEL {isolation_sql(isolation_level)}")
    if read_only:
        modes.append("READ ONLY")
    if deferrable:
        modes.append("DEFERRABLE")
    return " ".join(["BEGIN", ", ".join(modes)]).rstrip()
