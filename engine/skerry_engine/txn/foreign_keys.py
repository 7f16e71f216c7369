"""Foreign keys: children have parents, whoever comes first and whoever goes.

    child side    a new or changed child looks for its parent in the newest state and takes KEY SHARE on it, which
                  conflicts only with the parent's deletion or key change
    parent side   a deleted parent (or one whose key changes) holds UPDATE on its row; at the end of the statement the
                  children found in the newest state are refused, deleted, or changed, as the constraint says

So one of two racing transactions waits for the other and then sees what it did.  Above READ COMMITTED
statements do not wait: both sides are checked in the statement as far as can be seen, and again by COMMIT
with these locks in hand.  What a SNAPSHOT transaction can't see but would violate is T001 rather than 23503.

A child whose parent is there when it is written needs no later check: should the parent go, its own check
finds the child.  Only a child without a parent is looked at again at the end of the statement (a parent may
follow, as when one INSERT brings both), or at commit when the constraint is deferred.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from skerry_engine.errors import ForeignKeyViolation
from skerry_engine.storage.heap import Row
from skerry_engine.storage.index import Index
from skerry_engine.storage.pending import NEWEST
from skerry_engine.storage.reader import TableReader
from skerry_engine.txn.checks import Check, foresight, is_hidden, refuse_foresight
from skerry_engine.txn.conflicts import write_conflict
from skerry_engine.txn.modes import ROW_EXCLUSIVE, ROW_KEY_SHARE, ROW_SHARE_TABLE
from skerry_engine.txn.target import Formatter, WriteTarget, describe_key

if TYPE_CHECKING:
    from skerry_engine.txn.transaction import Transaction

NO_ACTION: Final = "a"
RESTRICT: Final = "r"
CASCADE: Final = "c"
SET_NULL: Final = "n"
SET_DEFAULT: Final = "d"

MATCH_SIMPLE: Final = "s"
MATCH_FULL: Final = "f"


def no_defaults() -> Row:
    """For foreign keys without SET DEFAULT."""
    raise AssertionError("the foreign key has no SET DEFAULT action")


class ForeignKey:
    """A foreign key: columns of `child` reference the unique `parent_index` of `parent`.

    `child_positions` and `parent_positions` pair the columns.  `child_index`, if any, begins with the child
    columns (in any order) and makes the parent side quick; without one it scans.  Actions are the letters of
    pg_constraint.confdeltype. `defaults` makes the values of SET DEFAULT; `set_positions` restricts ON DELETE
    SET NULL/DEFAULT to some child columns.  Call `link()` once to enter the foreign key with both tables.
    """

    __slots__ = (
        "constraint_name",
        "child",
        "child_positions",
        "child_names",
        "child_index",
        "parent",
        "parent_positions",
        "parent_names",
        "parent_index",
        "formatters",
        "on_delete",
        "on_update",
        "match",
        "deferrable",
        "initially_deferred",
        "defaults",
        "set_positions",
        "_parent_order",
        "_child_order",
    )

    def __init__(
        self,
        constraint_name: str,
        child: WriteTarget,
        child_positions: tuple[int, ...],
        child_names: tuple[str, ...],
        parent: WriteTarget,
        parent_positions: tuple[int, ...],
        parent_names: tuple[str, ...],
        parent_index: Index,
        formatters: tuple[Formatter, ...],
        child_index: Index | None = None,
        on_delete: str = NO_ACTION,
        on_update: str = NO_ACTION,
        match: str = MATCH_SIMPLE,
        deferrable: bool = False,
        initially_deferred: bool = False,
        defaults: Callable[[], Row] = no_defaults,
        set_positions: tuple[int, ...] | None = None,
    ) -> None:
        self.constraint_name: str = constraint_name
        self.child: WriteTarget = child
        self.child_positions: tuple[int, ...] = child_positions
        self.child_names: tuple[str, ...] = child_names
        self.child_index: Index | None = child_index
        self.parent: WriteTarget = parent
        self.parent_positions: tuple[int, ...] = parent_positions
        self.parent_names: tuple[str, ...] = parent_names
        self.parent_index: Index = parent_index
        self.formatters: tuple[Formatter, ...] = formatters
        self.on_delete: str = on_delete
        self.on_update: str = on_update
        self.match: str = match
        self.deferrable: bool = deferrable
        self.initially_deferred: bool = initially_deferred
        self.defaults: Callable[[], Row] = defaults
        self.set_positions: tuple[int, ...] = child_positions if set_positions is None else set_positions
        assert parent_index.positions is not None
        self._parent_order: tuple[int, ...] = tuple(parent_positions.index(p) for p in parent_index.positions)
        self._child_order: tuple[int, ...] | None = _index_order(child_index, child_positions)

    def link(self) -> None:
        """Enter the foreign key with its two tables."""
        self.child.foreign_keys.append(self)
        self.parent.referenced_by.append(self)

    def child_values(self, row: Row) -> Row:
        """The referencing values of a child row."""
        return tuple([row[position] for position in self.child_positions])

    def parent_values(self, row: Row) -> Row:
        """The referenced values of a parent row."""
        return tuple([row[position] for position in self.parent_positions])

    def is_free(self, values: Row) -> bool:
        """Whether the values, being NULL, need no parent.
        Raises ForeignKeyViolation for MATCH FULL's mixtures."""
        if None not in values:
            return False
        if self.match == MATCH_FULL and any(value is not None for value in values):
            raise self.mixed_nulls()
        return True

    def parent_key(self, values: Row) -> object:
        """The equality key under which the parent index has these values."""
        return self.parent_index.codec.equality_key(tuple([values[i] for i in self._parent_order]))

    def find_children(self, reader: TableReader, values: Row, limit: int) -> list[int]:
        """The ids of up to about `limit` children that reference `values`."""
        index = self.child_index
        if index is not None and self._child_order is not None:
            return self._find_by_index(reader, index, self._child_order, values, limit)
        found: list[int] = []
        after = -1
        while len(found) < limit:
            ids, rows, after = reader.scan_ids_batch(after, 1024)
            for row_id, row in zip(ids, rows, strict=True):
                if self.child_values(row) == values:
                    found.append(row_id)
            if after == -1:
                break
        return found

    def _find_by_index(
        self, reader: TableReader, index: Index, order: tuple[int, ...], values: Row, limit: int
    ) -> list[int]:
        prefix = index.codec.prefix(tuple([values[i] for i in order]))
        end = index.codec.prefix_end(prefix)
        found: list[int] = []
        after: bytes | None = None
        while len(found) < limit:
            ids, _, after = reader.index_batch(index, prefix, end, after, 256)
            found.extend(ids)
            if after is None:
                break
        return found

    # --- messages -------------------------------------------------------------------------------------------

    def missing_parent(self, values: Row) -> ForeignKeyViolation:
        """The error for a child without its parent."""
        key = describe_key(self.child_names, self.formatters, values)
        return self._child_error(f'Key {key} is not present in table "{self.parent.table_name}".')

    def mixed_nulls(self) -> ForeignKeyViolation:
        """The error for MATCH FULL with some, but not all, columns NULL."""
        return self._child_error("MATCH FULL does not allow mixing of null and nonnull key values.")

    def _child_error(self, detail: str) -> ForeignKeyViolation:
        return ForeignKeyViolation(
            f'insert or update on table "{self.child.table_name}" violates foreign key constraint '
            f'"{self.constraint_name}"',
            detail=detail,
            schema=self.child.schema_name,
            table=self.child.table_name,
            constraint=self.constraint_name,
        )

    def remaining_child(self, values: Row) -> ForeignKeyViolation:
        """The error for a parent that goes while a child still references it."""
        key = describe_key(self.parent_names, self.formatters, values)
        return ForeignKeyViolation(
            f'update or delete on table "{self.parent.table_name}" violates foreign key constraint '
            f'"{self.constraint_name}" on table "{self.child.table_name}"',
            detail=f'Key {key} is still referenced from table "{self.child.table_name}".',
            schema=self.child.schema_name,
            table=self.child.table_name,
            constraint=self.constraint_name,
        )


def _index_order(index: Index | None, positions: tuple[int, ...]) -> tuple[int, ...] | None:
    """For each leading index column which foreign key column it is;
    None when the index does not begin with them."""
    if index is None or index.positions is None:
        return None
    leading = index.positions[: len(positions)]
    if sorted(leading) != sorted(positions):
        return None
    return tuple(positions.index(position) for position in leading)


# --- the child's side ---------------------------------------------------------------------------------------


def check_new_child(
    transaction: Transaction, target: WriteTarget, row: Row, old_row: Row | None = None
) -> list[ForeignKey] | None:
    """Check a row about to be written; returns the foreign keys that must be checked later.

    Raises LockWait.
    """
    unresolved: list[ForeignKey] | None = None
    for foreign_key in target.foreign_keys:
        values = foreign_key.child_values(row)
        if old_row is not None and foreign_key.child_values(old_row) == values:
            continue
        if not has_parent(transaction, foreign_key, values):
            unresolved = [*(unresolved or []), foreign_key]
    return unresolved


def check_new_children(
    transaction: Transaction, target: WriteTarget, rows: list[Row]
) -> list[tuple[ForeignKey, int]]:
    """As `check_new_child` for many rows, each distinct key once;
    what is left comes with the row's offset."""
    unresolved: list[tuple[ForeignKey, int]] = []
    for foreign_key in target.foreign_keys:
        known: dict[Row, bool] = {}
        for offset, row in enumerate(rows):
            values = foreign_key.child_values(row)
            found = known.get(values)
            if found is None:
                found = has_parent(transaction, foreign_key, values)
                known[values] = found
            if not found:
                unresolved.append((foreign_key, offset))
    return unresolved


def has_parent(
    transaction: Transaction, foreign_key: ForeignKey, values: Row, take_lock: bool = False
) -> bool:
    """Whether the values reference nothing or a parent in the newest state; its KEY SHARE is held then.

    SNAPSHOT takes the lock only at commit (`take_lock`).  Raises LockWait, ForeignKeyViolation for mixed
    NULLs.
    """
    if foreign_key.is_free(values):
        return True
    parent = foreign_key.parent
    if parent.table_oid:
        transaction.lock_table(parent.table_oid, ROW_SHARE_TABLE)
    reader = transaction.newest_reader(parent.storage)
    key = foreign_key.parent_key(values)
    row_id = reader.lookup_id(foreign_key.parent_index, key)
    if row_id < 0:
        return False
    refuse_foresight(transaction, parent.storage, foreign_key.parent_index, key, True)
    if (take_lock or not transaction.is_snapshot) and parent.storage.heap.slot(row_id) is not None:
        transaction.hold_row(parent.storage, row_id, ROW_KEY_SHARE)
    return True


def check_child_later(transaction: Transaction, foreign_key: ForeignKey, row_id: int) -> None:
    """Look at the child again at the end of the statement, or at commit if the constraint is deferred."""
    transaction.add_check(ChildCheck(foreign_key, row_id))


def require_parent(transaction: Transaction, foreign_key: ForeignKey, values: Row, take_lock: bool) -> None:
    """Raise ForeignKeyViolation when the parent is missing,
    T001 when only SNAPSHOT's snapshot still has it."""
    if has_parent(transaction, foreign_key, values, take_lock):
        return
    if transaction.is_snapshot:
        storage = foreign_key.parent.storage
        key = foreign_key.parent_key(values)
        if transaction.serial is not None:
            transaction.reader(storage).lookup_id(foreign_key.parent_index, key)
        # a parent that this transaction itself deleted, in its last statement perhaps, is no conflict
        if transaction.seen_reader(storage).lookup_id(foreign_key.parent_index, key) >= 0:
            raise write_conflict(is_deletion=True)
    raise foreign_key.missing_parent(values)


class ChildCheck(Check):
    """A child had no parent when it was written: has it now?"""

    __slots__ = ("foreign_key", "row_id")

    def __init__(self, foreign_key: ForeignKey, row_id: int) -> None:
        super().__init__(foreign_key.constraint_name, foreign_key.deferrable, foreign_key.initially_deferred)
        self.foreign_key: ForeignKey = foreign_key
        self.row_id: int = row_id

    def run(self, transaction: Transaction) -> None:
        """Raise ForeignKeyViolation, or LockWait."""
        row = transaction.newest_reader(self.foreign_key.child.storage).get(self.row_id)
        if row is not None:
            require_parent(transaction, self.foreign_key, self.foreign_key.child_values(row), take_lock=False)


# --- the parent's side --------------------------------------------------------------------------------------


def check_parent_later(
    transaction: Transaction, foreign_key: ForeignKey, old_row: Row, new_row: Row | None
) -> None:
    """Deal with the children of a parent that was deleted, or whose key changed,
    at the end of the statement."""
    old_values = foreign_key.parent_values(old_row)
    new_values = None if new_row is None else foreign_key.parent_values(new_row)
    if None in old_values or old_values == new_values:
        return
    action = foreign_key.on_delete if new_row is None else foreign_key.on_update
    if action == NO_ACTION or action == RESTRICT:
        transaction.add_check(ParentCheck(foreign_key, old_values, action))
    else:
        transaction.add_check(ReferentialAction(foreign_key, old_values, new_values, action))


class ParentCheck(Check):
    """NO ACTION and RESTRICT: nobody may still reference the values (NO ACTION:
    unless another parent has them now)."""

    __slots__ = ("foreign_key", "values", "action")

    def __init__(self, foreign_key: ForeignKey, values: Row, action: str) -> None:
        deferrable = foreign_key.deferrable and action == NO_ACTION
        super().__init__(foreign_key.constraint_name, deferrable, foreign_key.initially_deferred)
        self.foreign_key: ForeignKey = foreign_key
        self.values: Row = values
        self.action: str = action

    def run(self, transaction: Transaction) -> None:
        """Raise ForeignKeyViolation, T001 when SNAPSHOT can't see the child, or LockWait."""
        refuse_children(transaction, self.foreign_key, self.values, self.action)


def refuse_children(
    transaction: Transaction, foreign_key: ForeignKey, values: Row, action: str = NO_ACTION
) -> None:
    """Raise if a child still references values that no parent has."""
    if action == NO_ACTION:
        parent = foreign_key.parent.storage
        key = foreign_key.parent_key(values)
        if transaction.newest_reader(parent).lookup_id(foreign_key.parent_index, key) >= 0:
            refuse_foresight(transaction, parent, foreign_key.parent_index, key, True)
            return
    storage = foreign_key.child.storage
    children = foreign_key.find_children(transaction.newest_reader(storage), values, 1)
    if not children:
        _refuse_foreseen_children(transaction, foreign_key, values, children)
        return
    child = children[0]
    if transaction.is_snapshot:
        if is_hidden(transaction, storage, child):
            raise write_conflict()
    elif storage.heap.slot(child) is not None:
        # Somebody may be deleting the child: wait for that, then look again (the lock in hand,
        # the child is certain).
        transaction.hold_row(storage, child, ROW_KEY_SHARE)
    if transaction.serial is not None:
        transaction.reader(storage).get(child)
    raise foreign_key.remaining_child(values)


def _refuse_foreseen_children(
    transaction: Transaction, foreign_key: ForeignKey, values: Row, children: list[int]
) -> None:
    """Raise T005 if SERIALIZABLE's snapshot shows other children than the newest state does."""
    if transaction.serial is None:
        return
    reader = transaction.seen_reader(foreign_key.child.storage)
    if set(foreign_key.find_children(reader, values, NEWEST)) != set(children):
        raise foresight()


class ReferentialAction(Check):
    """CASCADE, SET NULL, SET DEFAULT: change the children in their newest state."""

    __slots__ = ("foreign_key", "old_values", "new_values", "action")

    def __init__(self, foreign_key: ForeignKey, old_values: Row, new_values: Row | None, action: str) -> None:
        super().__init__(foreign_key.constraint_name)
        self.foreign_key: ForeignKey = foreign_key
        self.old_values: Row = old_values
        self.new_values: Row | None = new_values
        self.action: str = action

    def run(self, transaction: Transaction) -> None:
        """Change children until none references the old values.

        Raises LockWait, T001, or what the children's constraints say.
        """
        foreign_key = self.foreign_key
        child = foreign_key.child
        if child.table_oid:
            transaction.lock_table(child.table_oid, ROW_EXCLUSIVE)
        writer = transaction.writer(child)
        reader = transaction.newest_reader(child.storage)
        children = foreign_key.find_children(reader, self.old_values, NEWEST)
        _refuse_foreseen_children(transaction, foreign_key, self.old_values, children)
        for row_id in children:
            row = reader.get(row_id)
            assert row is not None
            writer.change_newest(row_id, self._changed(row))
        if self.action == SET_DEFAULT:  # the default may be what the parent had
            refuse_children(transaction, foreign_key, self.old_values)

    def _changed(self, row: Row) -> Row | None:
        if self.action == CASCADE and self.new_values is None:
            return None
        foreign_key = self.foreign_key
        changed = list(row)
        if self.action == CASCADE:
            assert self.new_values is not None
            for position, value in zip(foreign_key.child_positions, self.new_values, strict=True):
                changed[position] = value
            return tuple(changed)
        positions = foreign_key.child_positions if self.new_values is not None else foreign_key.set_positions
        defaults = (
            foreign_key.defaults()
            if self.action == SET_DEFAULT
            else (None,) * len(foreign_key.child_positions)
        )
        for position, value in zip(foreign_key.child_positions, defaults, strict=True):
            if position in positions:
                changed[position] = value
        return tuple(changed)
