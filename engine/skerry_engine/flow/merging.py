"""Merging a branch into its parent: one statement of the parent, looked at as a whole before anything is written.

    lock tables ── look for overlap ── delete ── update ── insert ── checks at the end ── the branch's entries marked
         │               │                                                 │
         └ LockWait, a row newer than a READ COMMITTED snapshot: unwound, waited for, and begun again
                         └ BranchOverlap, WriteConflict: nothing has been written

Overlap is a key that both the branch and the parent (by itself, or by another branch) have written: for each entry
the parent's own entry of the row, and for each unique key that the entry takes or gives up the rows under it.  Which
of the two ought to win nobody knows, so neither does.

First committer wins, from the branch's epoch on: what others have committed above it to a row or key that the branch
has written is WriteConflict (T001).  What they commit after the merge is found by the parent's commit.

Written is by the paths of DML (txn/writer.py): unique keys, foreign keys with their actions, checks that are due at
the end of a statement or at commit.  Rows go before others come, so that a key can change hands within a branch.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Final

from skerry_engine.errors import BranchOverlap, InvalidTransactionState, SerializationFailure
from skerry_engine.flow.branch import FlowTransaction
from skerry_engine.flow.branch_table import BranchTable
from skerry_engine.session.steps import PAUSE, Step, Wait
from skerry_engine.storage.heap import INFINITY, Row, Version, newest_epoch, newest_row, visible_row
from skerry_engine.storage.index import NO_KEY, Index, equal_ids
from skerry_engine.storage.pending import NEWEST, Entry, PendingTable
from skerry_engine.storage.reader import TableReader
from skerry_engine.txn.branches import Branches
from skerry_engine.txn.conflicts import RestartStatement, write_conflict
from skerry_engine.txn.locks import LockWait
from skerry_engine.txn.modes import ROW_EXCLUSIVE
from skerry_engine.txn.target import UniqueKey, WriteTarget
from skerry_engine.txn.writer import TableWriter

if TYPE_CHECKING:
    from skerry_engine.txn.marks import Mark
    from skerry_engine.txn.transaction import Transaction

SLICE_ENTRIES: Final = 500
"""Entries looked at, or written, in one unit."""

CHECKS_PER_UNIT: Final = 200

Steps = Generator[Step, object, None]

CurrentTarget = Callable[[BranchTable], WriteTarget]
"""Gives the parent's own target for a table of the branch.  Raises SerializationFailure where the table's definition is
another than the branch knows."""


def same_target(table: BranchTable) -> WriteTarget:
    """The `CurrentTarget` of who knows that no definition changes."""
    return table.target


def merge(branch: FlowTransaction, parent: Transaction, current: CurrentTarget = same_target) -> Steps:
    """Merge what the branch has not merged yet into its parent, in as many units as it takes.

    Nothing else may be done with either meanwhile.  Raises BranchOverlap, WriteConflict (T001), what constraints
    and locks have to say, ReadOnlyViolation (T003), InvalidTransactionState (T004): then the parent and the branch are
    as they were.
    """
    branch.check_open()
    if parent is not branch.parent:
        raise InvalidTransactionState(
            f'branch "{branch.name}" belongs to another transaction',
            hint="A branch is merged into the transaction that it was made of.",
        )
    tables = [table for table in branch.tables.values() if table.has_unmerged()]
    if not tables:
        branch.merges += 1
        return
    if parent.may_have_to_wait():
        yield from parent.wait_for_snapshot()
    mark = parent.start_statement()
    try:
        targets = yield from _locked(parent, tables, current)
        while not (yield from _attempt(branch, parent, tables, targets, mark)):
            pass
        yield from _checks(parent)
    except BaseException:
        if parent.state == "active":
            parent.abandon_statement(mark)
        raise
    _settle(branch, parent, tables)


def merge_at_once(branch: FlowTransaction, parent: Transaction, current: CurrentTarget = same_target) -> None:
    """As `merge`, by who has the engine to itself: nothing can be waited for.  Raises LockWait for what would have to
    be."""
    for step in merge(branch, parent, current):
        if isinstance(step, Wait):
            raise InvalidTransactionState("a merge that may have to wait is stepped")


def _locked(
    parent: Transaction, tables: list[BranchTable], current: CurrentTarget
) -> Generator[Step, object, list[WriteTarget]]:
    """Lock the tables, and see that they are what the branch takes them for."""
    for table in sorted(tables, key=_oid):
        while table.target.table_oid and table.version:
            try:
                parent.lock_table(table.target.table_oid, ROW_EXCLUSIVE)
                break
            except LockWait as wait:
                request = wait.request
            yield Wait(request)
    return [current(table) for table in tables]


def _oid(table: BranchTable) -> int:
    return table.target.table_oid


def _attempt(
    branch: FlowTransaction,
    parent: Transaction,
    tables: list[BranchTable],
    targets: list[WriteTarget],
    mark: Mark,
) -> Generator[Step, object, bool]:
    """Look and write; False: begin again, having waited."""
    branches = parent.own_branches()
    branches.note_merge(parent.statement_number, branch.number, branch.name, branch.version)
    request = None
    try:
        for number, table in enumerate(tables):
            yield from _Inspection(branch, parent, table, targets[number]).run()
        for number, table in enumerate(tables):
            yield from _write(branch, parent, table, targets[number])
        return True
    except LockWait as wait:
        request = wait.request
    except RestartStatement:
        pass
    if request is not None:
        yield Wait(request)
    parent.restart_statement(mark)
    yield PAUSE
    return False


def _checks(parent: Transaction) -> Steps:
    """What is due at the end of a statement."""
    while True:
        try:
            if parent.finish_statement_slice(CHECKS_PER_UNIT):
                return
            request = None
        except LockWait as wait:
            request = wait.request
        yield PAUSE if request is None else Wait(request)


def _settle(branch: FlowTransaction, parent: Transaction, tables: list[BranchTable]) -> None:
    """Mark what is merged, until the parent undoes it."""
    keys = parent.own_branches().keys
    merged: list[tuple[BranchTable, dict[int, None], dict[object, None]]] = []
    claims: list[tuple[tuple[int, object], int]] = []
    for table in tables:
        merged.append((table, table.unmerged, table.touched))
        branch.merged_entries += len(table.unmerged) + len(table.touched)
        index = table.index
        if index is not None:
            for key in table.touched:
                claim = (index.index_id, key)
                claims.append((claim, keys.get(claim, -1)))
                keys[claim] = parent.statement_number
        table.unmerged, table.touched = {}, {}
    branch.merges += 1

    def undo() -> None:
        for table, unmerged, touched in merged:
            table.unmark(unmerged, touched)
            branch.merged_entries -= len(unmerged) + len(touched)
        for claim, before in claims:
            if before < 0:
                keys.pop(claim, None)
            else:
                keys[claim] = before

    parent.on_rollback(undo)


# --- looking before anything is written ---------------------------------------------------------------------


class _Inspection:
    """One table of a branch, beside what its parent has written and what others have committed.

    `is_bare`: the parent has written nothing there.  `is_newer`: it may have given a key to a new row which the branch
    has seen on another, that others have committed meanwhile.
    """

    __slots__ = (
        "branch",
        "parent",
        "table",
        "target",
        "theirs",
        "branches",
        "epoch",
        "number",
        "is_bare",
        "is_newer",
    )

    def __init__(
        self, branch: FlowTransaction, parent: Transaction, table: BranchTable, target: WriteTarget
    ) -> None:
        self.branch: FlowTransaction = branch
        self.parent: Transaction = parent
        self.table: BranchTable = table
        self.target: WriteTarget = target
        overlay = parent.own_overlay()
        self.theirs: PendingTable = overlay.table(target.storage)
        self.branches: Branches = parent.own_branches()
        self.epoch: int = branch.version
        self.number: int = branch.number
        self.is_bare: bool = not self.theirs.entries and not self.theirs.segments and not self.branches.keys
        self.is_newer: bool = not self.is_bare and self.epoch > parent.snapshot

    def run(self) -> Steps:
        """Raises BranchOverlap, WriteConflict (T001)."""
        for count, row_id in enumerate(self.table.unmerged, 1):
            self._look_at(row_id)
            if count % SLICE_ENTRIES == 0:
                yield PAUSE
        index = self.table.index
        if index is None:
            return
        for count, key in enumerate(self.table.touched, 1):
            self._look_at_key(index, key, -1)
            if count % SLICE_ENTRIES == 0:
                yield PAUSE

    def _look_at(self, row_id: int) -> None:
        storage = self.table.storage
        slot = storage.heap.slot(row_id)
        row = self.table.pending.entries[row_id].row
        before = None
        if not self.is_bare:
            statement = self.theirs.statement_of(row_id)
            if statement >= 0:
                self._look_at_statement(statement, row_id, row)
                before = self._their_row(row_id)
        if slot is not None:
            if newest_epoch(slot) > self.epoch:
                raise self.parent.lose(storage, row_id)
            if before is None:
                before = newest_row(slot)
        full = None if row is None else storage.padded(row)
        old = None if before is None else storage.padded(before)
        for key in self.target.unique_keys:
            index = key.index
            if full is not None and old is not None and index.same_key(old, full) and not self.is_newer:
                continue
            for each in (old, full):
                if each is not None:
                    atom = index.unique_key(each)
                    if atom is not NO_KEY:
                        self._look_at_key(index, atom, row_id)

    def _look_at_statement(self, statement: int, row_id: int, row: Row | None) -> None:
        """The parent has written the row: that is fine only if it was this branch that did it."""
        if self.branches.merged_by(statement) != self.number:
            shown = row if row is not None else self._any_row(row_id)
            raise self._overlap(statement, self._key_of(row_id, shown))

    def _look_at_key(self, index: Index, key: object, own_row_id: int) -> None:
        """A unique key that the branch has written, beside the rows that have it, or had it."""
        if not self.is_bare:
            self._look_at_theirs(index, key, own_row_id)
        storage = self.table.storage
        for row_id in index.candidates(key):
            if row_id != own_row_id and self._has_changed_hands(index, key, storage.heap.slot(row_id)):
                raise write_conflict()

    def _has_changed_hands(self, index: Index, key: object, slot: object) -> bool:
        """Whether others gave the key to a row, or took it from there, above the branch's epoch."""
        if newest_epoch(slot) <= self.epoch:
            return False
        storage = self.table.storage
        while isinstance(slot, Version):
            epoch = slot.stamp.epoch
            if epoch < INFINITY and slot.row is not None and index.matches(storage.padded(slot.row), key):
                return True
            if epoch <= self.epoch:
                return False
            slot = slot.older
        return isinstance(slot, tuple) and index.matches(storage.padded(slot), key)

    def _look_at_theirs(self, index: Index, key: object, own_row_id: int) -> None:
        statement = self.branches.keys.get((index.index_id, key), -1)
        if statement >= 0 and self.branches.merged_by(statement) != self.number:
            raise self._overlap(statement, f"{key!r}")
        for row_id in equal_ids(self.theirs.index(index).equal, key):
            self._look_at_their_row(index, key, row_id, own_row_id)
        for row_id in index.candidates(key):
            self._look_at_their_row(index, key, row_id, own_row_id)

    def _look_at_their_row(self, index: Index, key: object, row_id: int, own_row_id: int) -> None:
        """A row that has, or had, the key: has the parent written it, and given it the key or taken it?"""
        if row_id == own_row_id:
            return
        entry = self.theirs.entries.get(row_id)
        statement = self.theirs.statement_of(row_id)
        if statement < 0:
            return
        if self.branches.merged_by(statement) == self.number:
            self._look_at_merged(index, key, row_id)
            return
        for row in self._states(entry, row_id):
            if index.matches(row, key):
                raise self._overlap(statement, self._key_of(row_id, row))

    def _look_at_merged(self, index: Index, key: object, row_id: int) -> None:
        """Another row that this branch has given the key to, in an earlier merge, and still leaves it to: since then it
        has moved to an epoch at which others have the key."""
        row = self._their_row(row_id)
        if row is not None and row_id not in self.table.unmerged:
            if index.matches(self.table.storage.padded(row), key):
                raise write_conflict()

    def _states(self, entry: Entry | None, row_id: int) -> list[Row]:
        """What the row is and was, in the parent's overlay and before."""
        storage = self.table.storage
        found: list[Row] = []
        while entry is not None:
            if entry.row is not None:
                found.append(storage.padded(entry.row))
            entry = entry.older
        slot = storage.heap.slot(row_id)
        for row in (self._their_row(row_id), newest_row(slot), visible_row(slot, self.parent.snapshot)):
            if row is not None:
                found.append(storage.padded(row))
        return found

    def _their_row(self, row_id: int) -> Row | None:
        """What the parent has made of a row that it has written."""
        found = self.theirs.find(row_id, self.parent.statement_number + 1)
        return found if isinstance(found, tuple) else None

    def _any_row(self, row_id: int) -> Row | None:
        row = self._their_row(row_id)
        return row if row is not None else newest_row(self.table.storage.heap.slot(row_id))

    def _key_of(self, row_id: int, row: Row | None) -> str:
        """The row's key, in words."""
        key = self._named_key()
        if key is None or row is None:
            return f"row {row_id}"
        return key.describe(self.table.storage.padded(row))

    def _named_key(self) -> UniqueKey | None:
        index = self.table.index
        for key in self.target.unique_keys:
            if index is not None and key.index.index_id == index.index_id:
                return key
        return None

    def _overlap(self, statement: int, key: str) -> BranchOverlap:
        other = self.branches.writer_of(statement)
        mine = f'branch "{self.branch.name}"'
        return BranchOverlap(
            f'{mine} overlaps {other}: both have written {key} of "{self.target.table_name}"',
            hint="Branches of one transaction write different keys.",
            schema=self.target.schema_name,
            table=self.target.table_name,
        )


# --- writing ------------------------------------------------------------------------------------------------


def _write(branch: FlowTransaction, parent: Transaction, table: BranchTable, target: WriteTarget) -> Steps:
    """Write a table's entries: rows go, then they change, then new ones come."""
    writer = parent.writer(target)
    writer.seen_epoch = branch.version
    sorted_out: tuple[list[int], list[int], list[int]] = ([], [], [])
    yield from _sort_out(writer, table, sorted_out)
    count = 0
    for row_ids in sorted_out:
        for row_id in row_ids:
            _write_entry(writer, table, row_id)
            count += 1
            if count % SLICE_ENTRIES == 0:
                yield PAUSE
    if table.index is not None and branch.version > parent.snapshot:
        yield from _bring_up_to_date(writer, table, table.index, branch.version)


def _bring_up_to_date(writer: TableWriter, table: BranchTable, index: Index, epoch: int) -> Steps:
    """The parent's snapshot is older than the branch, and may still see keys that the branch has written on rows that
    have lost them since: have it see those rows as the branch does."""
    for count, row_id in enumerate(table.unmerged, 1):
        _show_as_at(writer, index, table.key_of(row_id), epoch)
        if count % SLICE_ENTRIES == 0:
            yield PAUSE
    for count, key in enumerate(table.touched, 1):
        _show_as_at(writer, index, key, epoch)
        if count % SLICE_ENTRIES == 0:
            yield PAUSE


def _show_as_at(writer: TableWriter, index: Index, key: object, epoch: int) -> None:
    """Have rows which the parent sees under a key, and has not written, be what they are at an epoch."""
    transaction = writer.transaction
    ids, _ = transaction.seen_reader(writer.storage).lookup_ids(index, key)
    for row_id in ids:
        if writer.pending.statement_of(row_id) < 0:
            row = TableReader(writer.storage, epoch, None, NEWEST).get(row_id)
            transaction.own_overlay().write(writer.pending, row_id, row, transaction.statement_number)


def _sort_out(writer: TableWriter, table: BranchTable, into: tuple[list[int], list[int], list[int]]) -> Steps:
    """The row ids of what is to be deleted, updated and inserted."""
    deletions, updates, insertions = into
    entries = table.pending.entries
    heap = table.storage.heap
    theirs = writer.pending
    for count, row_id in enumerate(table.unmerged, 1):
        is_new = heap.slot(row_id) is None and theirs.statement_of(row_id) < 0
        if entries[row_id].row is not None:
            (insertions if is_new else updates).append(row_id)
        elif not is_new:
            deletions.append(row_id)
        if count % (4 * SLICE_ENTRIES) == 0:
            yield PAUSE


def _write_entry(writer: TableWriter, table: BranchTable, row_id: int) -> None:
    row = table.own_row(row_id)
    before = _before(writer, table, row_id)
    if before is not None and row is not None:
        writer.update(row_id, before, row)
    elif before is not None:
        writer.delete(row_id, before)
    elif row is not None:
        writer.insert(row, row_id)


def _before(writer: TableWriter, table: BranchTable, row_id: int) -> Row | None:
    """The row as it stands in the parent: as this branch has merged it, or as the branch's epoch has it."""
    own = writer.pending.find(row_id, writer.transaction.statement_number)
    if isinstance(own, tuple):
        return table.storage.padded(own)
    if own is None:
        return None
    row = newest_row(table.storage.heap.slot(row_id))
    return None if row is None else table.storage.padded(row)


def changed_definition(table: BranchTable) -> SerializationFailure:
    """The error for a table that is not what the branch takes it for."""
    return SerializationFailure(
        f'could not merge into "{table.target.table_name}" due to a concurrent change of the table'
    )
