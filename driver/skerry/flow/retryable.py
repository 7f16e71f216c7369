"""Whether an error says that the same transaction may succeed when it is run again, whichever driver raised it."""

from __future__ import annotations

from skerry_engine.errors import Error

_SQLSTATES = frozenset(("40001", "40P01", "55P03"))
"""Serialization failure, deadlock, lock not available."""


def is_retryable(problem: BaseException) -> bool:
    """Of Skerry's errors `is_retryable`; of others the SQLSTATE, and SQLite's `database is locked`."""
    if isinstance(problem, Error):
        return problem.is_retryable
    original = getattr(problem, "orig", None)  # SQLAlchemy wraps what the driver raised
    if isinstance(original, BaseException):
        return is_retryable(original)
    if getattr(problem, "sqlite_errorname", "") in ("SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_BUSY_SNAPSHOT"):
        return True
    return sqlstate_of(problem) in _SQLSTATES


def sqlstate_of(problem: BaseException) -> str | None:
    """The SQLSTATE of any driver's error; None where it has none."""
    for name in ("sqlstate", "pgcode"):
        found = getattr(problem, name, None)
        if isinstance(found, str):
            return found
    fields = problem.args[0] if problem.args else None
    if isinstance(fields, dict):  # pg8000
        code = fields.get("C")
        return code if isinstance(code, str) else None
    return None
