"""Isolation levels and access modes, from Python's keywords to SQL."""

from __future__ import annotations

from datetime import datetime

from skerry_engine.errors import InterfaceError

READ_COMMITTED = "read committed"
SNAPSHOT = "snapshot"
SERIALIZABLE = "serializable"

MAX_TIMEOUT_MS = 2**31 - 1

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


Modes = tuple[str | None, bool, bool]
"""Isolation level (None: the database's default), read-only, deferrable."""

NO_MODES: Modes = (None, False, False)


def defaults_sql(told: Modes, wanted: Modes) -> str:
    """The SET statements that make the modes of a session's transactions what is wanted, from what they are."""
    statements = []
    if wanted[0] != told[0]:
        level = "DEFAULT" if wanted[0] is None else f"'{isolation_sql(wanted[0]).lower()}'"
        statements.append(f"SET default_transaction_isolation = {level}")
    for name, is_on, was_on in (
        ("read_only", wanted[1], told[1]),
        ("deferrable", wanted[2], told[2]),
    ):
        if is_on != was_on:
            statements.append(f"SET default_transaction_{name} = {'on' if is_on else 'off'}")
    return "; ".join(statements)


def milliseconds(timeout_s: float) -> int:
    """A timeout as settings have it; raises InterfaceError for one that is not above zero."""
    if not timeout_s > 0:
        raise InterfaceError(f"a timeout is a number of seconds above 0, not {timeout_s!r}")
    return max(1, min(round(timeout_s * 1000), MAX_TIMEOUT_MS))


def as_of_sql(moment: int | datetime | None) -> str:
    """The AS OF clause for an epoch or a time; a time without zone is one of the session's."""
    if moment is None:
        return ""
    if isinstance(moment, int):
        return f" AS OF EPOCH {moment}"
    return f" AS OF TIMESTAMP '{moment.isoformat()}'"


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
