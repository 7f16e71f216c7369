"""How a transaction is to run: isolation, access, and the names that they go by.

Names ignore case, spaces, `_` and `-`.  REPEATABLE READ is the snapshot level, as in PostgreSQL.
"""

from __future__ import annotations

from typing import NamedTuple

from skerry.isolation import READ_COMMITTED, SERIALIZABLE, SNAPSHOT
from skerry_engine.errors import InterfaceError, InvalidTransactionState

_LEVELS = {
    "readuncommitted": READ_COMMITTED,
    "readcommitted": READ_COMMITTED,
    "repeatableread": SNAPSHOT,
    "snapshot": SNAPSHOT,
    "serializable": SERIALIZABLE,
}
_IGNORED = str.maketrans("", "", " _-")


class Modes(NamedTuple):
    """Modes of a transaction.  `isolation` is a canonical name: 'read committed', 'snapshot' or 'serializable'."""

    isolation: str = SNAPSHOT
    read_only: bool = False
    deferrable: bool = False

    def check_joins(self, outer: Modes) -> None:
        """Raise InvalidTransactionState where a part asks for other modes than those of the transaction it joins."""
        if self != outer:
            raise InvalidTransactionState(
                f"what asks for {self} can't join a transaction that is {outer}: its modes are fixed when it begins"
            )

    def __str__(self) -> str:
        flags = [
            name for name, is_on in (("read only", self.read_only), ("deferrable", self.deferrable)) if is_on
        ]
        return ", ".join([self.isolation, *flags])


DEFAULT_MODES = Modes()


def modes_of(isolation: str | None, read_only: bool = False, deferrable: bool = False) -> Modes:
    """Modes from what a user says; None is the snapshot level.  Raises InterfaceError for an unknown level."""
    return Modes(SNAPSHOT if isolation is None else canonical_level(isolation), read_only, deferrable)


def canonical_level(name: str) -> str:
    """The canonical name of an isolation level.  Raises InterfaceError for an unknown one."""
    found = _LEVELS.get(name.lower().translate(_IGNORED)) if isinstance(name, str) else None
    if found is None:
        raise InterfaceError(
            f"unknown isolation level {name!r}: use one of {READ_COMMITTED}, {SNAPSHOT}, {SERIALIZABLE}"
        )
    return found
