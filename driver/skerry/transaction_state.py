"""What a transaction object keeps account of: where it stands, and its savepoints."""

from __future__ import annotations

import enum
import re

from skerry_engine import errors

_SAVEPOINT_STATEMENT = re.compile(
    r"""\s*(?:
        (?P<make>SAVEPOINT)
      | (?P<release>RELEASE(?:\s+SAVEPOINT)?)
      | (?P<back>ROLLBACK(?:\s+(?:WORK|TRANSACTION))?\s+TO(?:\s+SAVEPOINT)?)
    )\s+(?P<name>"(?:[^"]|"")+"|\w+)\s*;?\s*\Z""",
    re.IGNORECASE | re.VERBOSE,
)


_CHAIN = re.compile(
    r"\s*(?:COMMIT|END|ROLLBACK|ABORT)(?:\s+(?:WORK|TRANSACTION))?\s+AND\s+CHAIN\s*;?\s*\Z", re.IGNORECASE
)


class TransactionState(enum.StrEnum):
    """Where a transaction stands; equal to the word itself: `transaction.state == "active"`.

    PREPARED is the state after PREPARE TRANSACTION: finished here, to be committed or rolled back by its gid.
    """

    ACTIVE = "active"
    PREPARED = "prepared"
    COMMITTED = "committed"
    ABORTED = "aborted"


ENDINGS = (errors.TotalTransactionTimeout, errors.IdleInTransactionTimeout)
"""Errors after which nothing of the transaction is left, savepoints included."""

STATES = {"COMMIT": TransactionState.COMMITTED, "PREPARE TRANSACTION": TransactionState.PREPARED}
"""What the command that ended a transaction made of it; any other rolled it back."""


class Savepoints:
    """The names of a transaction's savepoints, oldest first."""

    def __init__(self) -> None:
        self._names: list[str] = []

    def __bool__(self) -> bool:
        return bool(self._names)

    def check_new(self, name: str) -> None:
        """Raise InvalidTransactionState if there is one of that name."""
        if name in self._names:
            raise errors.InvalidTransactionState(f'savepoint "{name}" already exists in this transaction')

    def add(self, name: str) -> None:
        """There is one more."""
        self._names.append(name)

    def note(self, statement: str) -> None:
        """Keep the list when savepoints are written as SQL, where a name may be used again."""
        if _CHAIN.match(statement):
            self._names.clear()
            return
        match = _SAVEPOINT_STATEMENT.match(statement)
        if match is None:
            return
        name = match["name"]
        name = name[1:-1].replace('""', '"') if name.startswith('"') else name.lower()
        if match["make"]:
            self._names.append(name)
        else:
            self.forget_after(name, keep=match["back"] is not None)

    def forget_after(self, name: str, *, keep: bool) -> None:
        """Drop the newest savepoint of that name (unless kept) and all that came after it."""
        for index in range(len(self._names) - 1, -1, -1):
            if self._names[index] == name:
                del self._names[index + keep :]
                return
