"""A flow branch: a private overlay over the snapshot at an epoch of its own, to be merged into a transaction.

    epoch      40 ──── 41 ──── 42 ──── 43                 time
                        │       │       └ parent: snapshot 43, pending writes of its own
                        │       └ branch 2 reads at 42 ── set, remove ──┐
                        └ branch 1 reads at 41 ── set, remove ──┐       │
                                                                v       v
                                       parent ──────────────── merge ─ merge ── commit: all of it, or nothing

Branches of one parent are for work that runs side by side: each sees its epoch and its own writes, never the parent's
nor a sibling's.  Nothing of a branch is logged, locked or seen by anybody until the parent that it was merged into
commits.

What always holds:
- Merging is all or nothing, and tested as a whole before anything is written (merging.py).
- What was merged is marked, stays readable in the branch, and is left out of the next merge.  If the parent undoes the
  merge (ROLLBACK TO), it is unmarked.
- A branch keeps its epoch from being collected until it is closed; it is closed with its parent at the latest.
- Under SERIALIZABLE a branch's reads are its parent's reads.  That is true only of reads at the parent's snapshot: so
  there a branch reads at no other epoch.

Who calls this is inside the engine, under its mutex: tables are write targets, rows are tuples of stored values.
The interface for users stands above (session/branches.py).
"""

from __future__ import annotations

from skerry_engine.errors import InvalidTransactionState
from skerry_engine.flow.branch_table import BranchTable
from skerry_engine.flow.metrics import BranchMetrics
from skerry_engine.storage.index import Index
from skerry_engine.txn.branches import Branches
from skerry_engine.txn.locking import NO_SNAPSHOT
from skerry_engine.txn.target import WriteTarget
from skerry_engine.txn.transaction import ACTIVE, Transaction


class FlowTransaction:
    """A branch of the transaction `parent`, reading at the epoch `version` (None: the parent's snapshot, or, where
    that changes with every statement, what is published now).

    Raises HistoryNotRetained for an epoch that is gone, InvalidParameterValue for one to come,
    InvalidTransactionState (T004) for a parent that has ended, or is SERIALIZABLE and has another snapshot.
    """

    __slots__ = (
        "parent",
        "number",
        "name",
        "tables",
        "merges",
        "merged_entries",
        "_version",
        "_branches",
        "_is_closed",
    )

    def __init__(self, parent: Transaction, version: int | None = None, name: str = "") -> None:
        self.parent: Transaction = parent
        self._branches: Branches = parent.own_branches()
        self._version: int = self._checked(version)
        self.number: int = self._branches.add()
        self.name: str = name or str(self.number)
        self.tables: dict[int, BranchTable] = {}
        self.merges: int = 0
        self.merged_entries: int = 0
        self._is_closed: bool = False
        self._branches.pin(self.number, parent.manager.hold(self._version))

    # --- the epoch ------------------------------------------------------------------------------------------

    @property
    def version(self) -> int:
        """The epoch that it reads at."""
        return self._version

    def update_version(self, version: int) -> None:
        """Read at another epoch from now on; own writes stay, and are validated from there.  Raises as the class."""
        self.check_open()
        self._version = self._checked(version)
        self._branches.pin(self.number, self.parent.manager.hold(self._version))
        for table in self.tables.values():
            table.read_at(self._version, self.parent.serial)

    def _checked(self, version: int | None) -> int:
        parent = self.parent
        if parent.is_snapshot and parent.snapshot == NO_SNAPSHOT:
            parent.take_snapshot()
        manager = parent.manager
        if version is None:
            return manager.published if parent.snapshot == NO_SNAPSHOT else parent.snapshot
        if version > manager.published or version < manager.horizon():
            manager.check_readable(version)
        if parent.serial is not None and version != parent.snapshot:
            raise InvalidTransactionState(
                f"a branch at epoch {version} cannot belong to a SERIALIZABLE transaction at epoch {parent.snapshot}",
                detail="A branch's reads count as its parent's, and a serializable transaction reads one snapshot.",
                hint="Leave the version out, or let the parent be of isolation level SNAPSHOT.",
            )
        return version

    # --- tables ---------------------------------------------------------------------------------------------

    def table(self, target: WriteTarget, index: Index | None, version: int = 0) -> BranchTable:
        """A table in this branch, made when it is first asked for.

        `index` is the unique index that its keys are of; `version` the catalog's version of the definition that
        `target` was made of, 0 where nobody can change it.
        """
        found = self.tables.get(target.storage.storage_id)
        if found is None:
            self.check_open()
            found = BranchTable(target, index, version, self.parent.manager.overlay_limit_rows)
            found.read_at(self._version, self.parent.serial)
            self.tables[target.storage.storage_id] = found
        return found

    # --- the end --------------------------------------------------------------------------------------------

    @property
    def is_open(self) -> bool:
        """Whether it can still be used: neither it nor its parent has ended."""
        return not self._is_closed and self.parent.state == ACTIVE

    def check_open(self) -> None:
        """Raise InvalidTransactionState (T004) unless it can still be used."""
        if self._is_closed:
            raise InvalidTransactionState(f'branch "{self.name}" is closed')
        if self.parent.state != ACTIVE:
            raise InvalidTransactionState(
                f'the transaction that branch "{self.name}" belongs to is {self.parent.state}',
                hint="A branch ends with its parent: begin another transaction, and branches of that.",
            )

    def close(self) -> None:
        """Forget what was not merged, and let go of the epoch.  Closing twice is harmless."""
        if not self._is_closed:
            self._is_closed = True
            self._branches.unpin(self.number)
            self.tables.clear()

    def metrics(self) -> BranchMetrics:
        """What it has done so far."""
        found = BranchMetrics(merges=self.merges, merged=self.merged_entries)
        for table in self.tables.values():
            found.reads += table.reads
            found.writes += table.writes
            found.removes += table.removes
            found.pending += len(table.unmerged) + len(table.touched)
        return found
