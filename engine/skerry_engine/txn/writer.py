"""Writing one table within a statement: pending entries, the locks and checks that go with them.

What a write does, by level (`DELETE` is an update to nothing):

    READ COMMITTED    lock the unique keys it writes (old and new), then the row; wait where others hold them; lock
                      in hand, go on if the row is no newer than the statement's snapshot, else RestartStatement
    SNAPSHOT          take no locks and wait for nothing; a row newer than the snapshot is T001 at once; the locks are
                      taken by COMMIT (validation.py)

Keys are locked before rows everywhere, so that two writers of one row do not deadlock over its key.

Uniqueness is checked when a key is written, against the newest installed state and all own writes.  For an
INSERT a duplicate is final.  An UPDATE may meet a key that a later row of the same statement gives up (`SET
id = id + 1`), so its duplicates are looked at again at the end of the statement.  Foreign keys: see
foreign_keys.py.

Every method changes nothing when it raises LockWait, so that the same call can be made again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from skerry_engine.storage.heap import Row, newest_epoch, newest_row
from skerry_engine.storage.index import NO_KEY, Index, equal_ids
from skerry_engine.storage.pending import ABSENT, NEWEST, PendingTable
from skerry_engine.storage.table import TableStorage
from skerry_engine.txn.checks import (
    UniqueCheck,
    is_hidden,
    raise_duplicate,
    refuse_changed_key,
    refuse_foresight,
)
from skerry_engine.txn.conflicts import RestartStatement, write_conflict
from skerry_engine.txn.endpoints import (
    EdgesCheck,
    KindCheck,
    changes_kind,
    check_new_edge,
    check_new_edges,
    note_types,
)
from skerry_engine.txn.foreign_keys import (
    check_child_later,
    check_new_child,
    check_new_children,
    check_parent_later,
)
from skerry_engine.txn.glimpses import note_overwritten
from skerry_engine.txn.modes import BULK_KEYS, ROW_NO_KEY_UPDATE, ROW_UPDATE
from skerry_engine.txn.shape_rules import ShapeCheck, ShapeRule
from skerry_engine.txn.target import UniqueKey, WriteTarget

if TYPE_CHECKING:
    from skerry_engine.txn.transaction import Transaction


class TableWriter:
    """Writes one table for one transaction.  Made by `Transaction.writer`.

    `seen_epoch`: what was committed up to it is no conflict, since whoever writes (a flow branch) has seen it.
    """

    __slots__ = ("transaction", "target", "storage", "pending", "seen_epoch", "_is_snapshot", "_is_serial")

    def __init__(self, transaction: Transaction, target: WriteTarget) -> None:
        self.transaction: Transaction = transaction
        self.target: WriteTarget = target
        self.storage: TableStorage = target.storage
        self.pending: PendingTable = transaction.own_overlay().table(target.storage)
        self.seen_epoch: int = 0
        self._is_snapshot: bool = transaction.is_snapshot
        self._is_serial: bool = transaction.serial is not None
        for key in target.unique_keys:
            self.pending.index(key.index)

    # --- inserting ------------------------------------------------------------------------------------------

    def insert(self, row: Row, row_id: int = -1) -> int:
        """Insert a row of full width and return its id: `row_id`, if the storage has given that out to the caller and
        nothing has been stored under it.

        Raises LockWait (call again), UniqueViolation, ForeignKeyViolation (now or at the statement's end),
        WriteConflict; for an edge also RestartStatement and EndpointDeleted.
        """
        target = self.target
        deferred: list[UniqueKey] | None = None
        for key in target.unique_keys:
            index = key.index
            atom = index.unique_key(row)
            if atom is NO_KEY:
                continue
            if not self._is_snapshot:
                self.transaction.hold_key(index.index_id, atom)
            other = self._duplicate(index, atom, -1)
            if other >= 0:
                if not key.deferrable:
                    raise_duplicate(self.transaction, self.storage, key, row, other)
                deferred = [*(deferred or []), key]
            elif self._is_serial and index.holds(atom):
                refuse_foresight(self.transaction, self.storage, index, atom, False)
        unresolved = check_new_child(self.transaction, target, row) if target.foreign_keys else None
        if target.ends is not None:
            check_new_edge(self.transaction, target.ends, row)
        if row_id < 0:
            row_id = self.storage.allocate(1)
        self._write(row_id, row)
        if target.shape_rule is not None:
            self._note_rules(target.shape_rule, row_id, row)
        for key in deferred or []:
            self.transaction.add_check(UniqueCheck(self.storage, key, row_id))
        for foreign_key in unresolved or []:
            check_child_later(self.transaction, foreign_key, row_id)
        return row_id

    def insert_many(self, rows: list[Row]) -> int:
        """Insert rows (a bounded batch: about 1,000) under contiguous ids and return the first.

        Raises as `insert`.
        """
        if len(rows) == 1:
            return self.insert(rows[0])
        target = self.target
        duplicates: list[tuple[UniqueKey, int]] = []
        for key in target.unique_keys:
            self._claim_many(key, rows, duplicates)
        unresolved = check_new_children(self.transaction, target, rows) if target.foreign_keys else []
        if target.ends is not None:
            check_new_edges(self.transaction, target.ends, rows)
        first = self.storage.allocate(len(rows))
        transaction = self.transaction
        transaction.own_overlay().write_segment(self.pending, first, rows, transaction.statement_number)
        if target.shape_rule is not None:
            row_id = first
            for row in rows:
                self._note_rules(target.shape_rule, row_id, row)
                row_id += 1
        for key, offset in duplicates:
            transaction.add_check(UniqueCheck(self.storage, key, first + offset))
        for foreign_key, offset in unresolved:
            check_child_later(transaction, foreign_key, first + offset)
        return first

    def _claim_many(self, key: UniqueKey, rows: list[Row], duplicates: list[tuple[UniqueKey, int]]) -> None:
        """Lock and check one unique key of many rows: with one lock on the index if that is free."""
        index = key.index
        transaction = self.transaction
        in_bulk = (
            not self._is_snapshot and len(rows) >= BULK_KEYS and transaction.hold_keys_in_bulk(index.index_id)
        )
        by_key = not self._is_snapshot and not in_bulk
        seen: set[object] = set()
        offset = -1
        for row in rows:
            offset += 1
            atom = index.unique_key(row)
            if atom is NO_KEY:
                continue
            if by_key:
                transaction.hold_key(index.index_id, atom)
            if atom in seen:
                if not key.deferrable:
                    raise key.violation(row)
                duplicates.append((key, offset))
                continue
            seen.add(atom)
            other = self._duplicate(index, atom, -1)
            if other >= 0:
                if not key.deferrable:
                    raise_duplicate(transaction, self.storage, key, row, other)
                duplicates.append((key, offset))
            elif self._is_serial and index.holds(atom):
                refuse_foresight(transaction, self.storage, index, atom, False)

    # --- updating and deleting ------------------------------------------------------------------------------

    def update(self, row_id: int, old_row: Row, new_row: Row, in_place: bool = False) -> bool:
        """Change a row that the statement's reader gave as `old_row`.

        False: this statement wrote the row before, and nothing was done.  `in_place` lets READ COMMITTED
        write a row newer than its snapshot, provided that `old_row` is what `newest(row_id)` gave.  Raises
        LockWait (call again), RestartStatement, WriteConflict (T001), UniqueViolation, ForeignKeyViolation.
        """
        if self.pending.statement_of(row_id) >= self.transaction.statement_number:
            return False
        changed = self._changed_keys(old_row, new_row)
        if not self._is_snapshot:
            for key in changed:
                self._hold_key_of(key, old_row)
                self._hold_key_of(key, new_row)
        is_key = bool(changed) or changes_kind(self.target.incident, old_row, new_row)
        self._claim_row(row_id, old_row, ROW_UPDATE if is_key else ROW_NO_KEY_UPDATE, in_place)
        self._replace(row_id, old_row, new_row, changed)
        return True

    def delete(self, row_id: int, old_row: Row, in_place: bool = False) -> bool:
        """Delete a row that the statement's reader gave as `old_row`.  Returns and raises as `update`."""
        if self.pending.statement_of(row_id) >= self.transaction.statement_number:
            return False
        if not self._is_snapshot:
            for key in self.target.unique_keys:
                self._hold_key_of(key, old_row)
        self._claim_row(row_id, old_row, ROW_UPDATE, in_place)
        self._remove(row_id, old_row)
        return True

    def newest(self, row_id: int) -> Row | None:
        """The newest state of the row; READ COMMITTED locks it so that it stays that (LockWait:
        call again)."""
        is_committed = self.pending.statement_of(row_id) < 0 and self.storage.heap.slot(row_id) is not None
        if is_committed and not self._is_snapshot:
            self.transaction.hold_row(self.storage, row_id, ROW_NO_KEY_UPDATE)
        return self._newest(row_id)

    def find_conflict(self, row: Row, index: Index) -> int | None:
        """For ON CONFLICT: the id of the row whose newest state has `row`'s key in the unique `index`,
        or None.

        READ COMMITTED holds the key from then on (LockWait: call again).  Above it a row that the snapshot
        does not see is WriteConflict (T001).  To update the row: `newest(id)`, then `update(id, that,
        new_row, in_place=True)`.
        """
        atom = index.unique_key(row)
        if atom is NO_KEY:
            return None
        self.pending.index(index)
        if not self._is_snapshot:
            self.transaction.hold_key(index.index_id, atom)
        other = self._duplicate(index, atom, -1)
        if other < 0:
            return None
        if self._is_snapshot and is_hidden(self.transaction, self.storage, other):
            raise write_conflict()
        if self._is_serial:
            self.transaction.reader(self.storage).lookup_id(index, atom)
        return other

    def written_by_statement(self, row_id: int) -> bool:
        """Whether the current statement wrote the row already (ON CONFLICT
        and MERGE refuse a second time)."""
        return self.pending.statement_of(row_id) >= self.transaction.statement_number

    # --- for referential actions ----------------------------------------------------------------------------

    def change_newest(self, row_id: int, new_row: Row | None) -> None:
        """Change (None: delete) a row in its newest state, on behalf of a foreign key.

        Raises LockWait, T001, violations.
        """
        old_row = self._newest(row_id)
        if old_row is None:
            return
        complete = self.target.complete_row
        if new_row is not None and complete is not None:
            new_row = complete(new_row)
        keys = list(self.target.unique_keys) if new_row is None else self._changed_keys(old_row, new_row)
        if not self._is_snapshot:
            for key in keys:
                self._hold_key_of(key, old_row)
                if new_row is not None:
                    self._hold_key_of(key, new_row)
        self._claim_row(row_id, old_row, ROW_UPDATE if keys else ROW_NO_KEY_UPDATE, True)
        if new_row is None:
            self._remove(row_id, old_row)
        else:
            self.target.check_row(new_row)
            self._replace(row_id, old_row, new_row, keys)

    # --- parts ----------------------------------------------------------------------------------------------

    def _claim_row(self, row_id: int, old_row: Row, mode: int, in_place: bool) -> None:
        """Lock the row (READ COMMITTED) and make sure that nobody changed it since `old_row`."""
        slot = self.storage.heap.slot(row_id)
        if slot is None:
            return  # inserted by this transaction: nobody else can reach it
        transaction = self.transaction
        if not self._is_snapshot:
            transaction.hold_row(self.storage, row_id, mode)
        if isinstance(slot, tuple) or newest_epoch(slot) <= max(transaction.snapshot, self.seen_epoch):
            return
        if self.pending.statement_of(row_id) >= 0:
            return  # written before by this transaction, which has the lock since
        if self._is_snapshot:
            raise transaction.lose(self.storage, row_id)
        if not in_place or self._newest(row_id) != old_row:
            raise RestartStatement(self.storage.storage_id, row_id)

    def _replace(self, row_id: int, old_row: Row, new_row: Row, changed: list[UniqueKey]) -> None:
        transaction = self.transaction
        target = self.target
        suspects = [key for key in changed if self._is_taken(key, new_row, row_id)]
        unresolved = check_new_child(transaction, target, new_row, old_row) if target.foreign_keys else None
        if self._is_serial:
            self._note_overwritten(row_id, new_row)
        self._write(row_id, new_row)
        if target.shape_rule is not None and old_row[0] != new_row[0]:
            self._note_rules(target.shape_rule, row_id, new_row)
        if target.incident is not None and changes_kind(target.incident, old_row, new_row):
            transaction.add_check(KindCheck(target.incident, row_id))
        for key in suspects:
            transaction.add_check(UniqueCheck(self.storage, key, row_id))
        for foreign_key in unresolved or []:
            check_child_later(transaction, foreign_key, row_id)
        for foreign_key in target.referenced_by:
            check_parent_later(transaction, foreign_key, old_row, new_row)

    def _note_rules(self, rule: ShapeRule, row_id: int, row: Row) -> None:
        """See that a written element is what its graph allows by the end of the statement."""
        if not rule.is_fine(row[0]):
            self.transaction.add_check(ShapeCheck(rule, self.storage, row_id))
        if self.target.ends is not None:
            note_types(self.transaction, self.target.ends, row_id, row)

    def _remove(self, row_id: int, old_row: Row) -> None:
        if self._is_serial:
            self._note_overwritten(row_id, None)
        self._write(row_id, None)
        for foreign_key in self.target.referenced_by:
            check_parent_later(self.transaction, foreign_key, old_row, None)
        if self.target.incident is not None:
            self.transaction.add_check(EdgesCheck(self.target.incident, row_id))

    def _write(self, row_id: int, row: Row | None) -> None:
        transaction = self.transaction
        transaction.own_overlay().write(self.pending, row_id, row, transaction.statement_number)

    def _note_overwritten(self, row_id: int, row: Row | None) -> None:
        """SERIALIZABLE: what an own state of the row has told that `row` is about to replace."""
        own = self.pending.find(row_id, NEWEST)
        if own is not ABSENT:
            note_overwritten(self.transaction, self.target, row_id, cast("Row | None", own), row)

    def _changed_keys(self, old_row: Row, new_row: Row) -> list[UniqueKey]:
        return [key for key in self.target.unique_keys if not key.index.same_key(old_row, new_row)]

    def _hold_key_of(self, key: UniqueKey, row: Row) -> None:
        atom = key.index.unique_key(row)
        if atom is not NO_KEY:
            self.transaction.hold_key(key.index.index_id, atom)

    def _is_taken(self, key: UniqueKey, row: Row, row_id: int) -> bool:
        index = key.index
        atom = index.unique_key(row)
        if atom is NO_KEY:
            return False
        if self._duplicate(index, atom, row_id) >= 0:
            return True
        if self._is_serial and index.holds(atom):
            refuse_foresight(self.transaction, self.storage, index, atom, False, row_id)
        return False

    def _duplicate(self, index: Index, key: object, row_id: int) -> int:
        """Another row that has the key in its newest state, own ones first; -1 if there is none.

        Above READ COMMITTED a key that others wrote since the snapshot is WriteConflict (T001), even if nobody
        has it now.
        """
        shared = index.candidates(key)
        own = equal_ids(self.pending.indexes[index.index_id].equal, key)
        if not shared and not own:
            return -1
        for candidate in [*own, *shared]:
            if candidate == row_id:
                continue
            row = self._newest(candidate)
            if row is not None and index.matches(row, key):
                return candidate
            if self._is_snapshot:
                refuse_changed_key(self.transaction, self.storage, index, key, candidate)
        return -1

    def _newest(self, row_id: int) -> Row | None:
        own = self.pending.find(row_id, NEWEST)
        row = cast("Row | None", own) if own is not ABSENT else newest_row(self.storage.heap.slot(row_id))
        return None if row is None else self.storage.padded(row)
