"""MERGE's names: two transactions that look for the same and find nothing make one thing, not two.

What MERGE is about to make has a *name*: the table, the labels, the property values and the ends that it looked for.
It is a written key without an index:

    READ COMMITTED   holds the name from the moment it has found nothing; who waited for it, or comes after somebody has
                     made the thing, runs its statement again, and finds it
    SNAPSHOT         takes the name at COMMIT; a thing of that name committed since the snapshot is T001

So it must be known of each name when a thing was last made under it.  `Merges` knows, for as long as a snapshot is
active that is older than that.  It stands in memory only: no snapshot outlives the process.

What it does not do: a plain INSERT has no name.  Where two things must never be alike, a unique constraint says so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from skerry_engine.txn.conflicts import RestartStatement, write_conflict
from skerry_engine.txn.locks import NAME

if TYPE_CHECKING:
    from skerry_engine.txn.manager import TransactionManager
    from skerry_engine.txn.transaction import Transaction

MERGE: Final = "merge"
"""What names of MERGE begin with, among all names that are locked."""

FEW: Final = 1024
"""So many names are kept before it is asked which of them still matter."""

Name = tuple[object, ...]
"""MERGE, then atoms and tuples of atoms that say what was looked for."""


class Merges:
    """Under which names things were made, and when last."""

    __slots__ = ("_epochs", "_limit")

    def __init__(self) -> None:
        self._epochs: dict[Name, int] = {}
        self._limit: int = FEW

    def epoch(self, name: Name) -> int:
        """The last commit that made something of that name; 0 where no active snapshot is older than it."""
        return self._epochs.get(name, 0)

    def note(self, names: list[Name], epoch: int, manager: TransactionManager) -> None:
        """A commit has made things of these names."""
        for name in names:
            self._epochs[name] = epoch
        if len(self._epochs) > self._limit:
            oldest = manager.min_active()
            self._epochs = {name: made for name, made in self._epochs.items() if made > oldest}
            self._limit = max(FEW, 2 * len(self._epochs))

    def __len__(self) -> int:
        return len(self._epochs)


def claim(transaction: Transaction, name: Name) -> None:
    """MERGE has found nothing of that name, and is about to make it.

    Raises LockWait (call again, or restart), RestartStatement (READ COMMITTED) and T001 where somebody has made it
    since the snapshot.
    """
    if not transaction.is_snapshot:
        transaction.lock_name(name)
    _refuse_newer(transaction, name)
    if transaction.merged is None:
        transaction.merged = []
    transaction.merged.append(name)


def validate_names(transaction: Transaction, names: list[Name]) -> None:
    """COMMIT of a SNAPSHOT transaction: take the names, in an order that all take; who came first has won.

    Raises LockWait, T001.
    """
    for name in sorted(dict.fromkeys(names), key=hash):
        transaction.lock_name(name)
        _refuse_newer(transaction, name)


def _refuse_newer(transaction: Transaction, name: Name) -> None:
    if transaction.manager.merges.epoch(name) > transaction.snapshot:
        if transaction.is_snapshot:
            raise write_conflict()
        raise RestartStatement(0, 0)


def is_name_of_merge(kind: int, resource: object) -> bool:
    """Whether a lock is on a name of MERGE: what a prepared transaction that is restored has made has that name."""
    return kind == NAME and isinstance(resource, tuple) and len(resource) > 0 and resource[0] == MERGE
