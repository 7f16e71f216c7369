"""Whole-table checks for DDL: does what is there satisfy a constraint that is about to be added?

Each is a generator: a step handles a bounded number of rows, so that the statement can pause between steps.  The caller
holds table locks that keep writers out (SHARE or stronger), and reads the newest state with its own writes laid over.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from skerry_engine.storage.heap import Row
from skerry_engine.storage.index import NO_KEY
from skerry_engine.storage.table import TableStorage
from skerry_engine.txn.target import UniqueKey

if TYPE_CHECKING:
    from skerry_engine.txn.foreign_keys import ForeignKey
    from skerry_engine.txn.transaction import Transaction

SLICE_ROWS = 1000


def newest_rows(transaction: Transaction, storage: TableStorage) -> Iterator[list[Row]]:
    """The table's rows in their newest state, own writes included, in batches."""
    after = -1
    while True:
        rows, after = transaction.newest_reader(storage).scan_batch(after, SLICE_ROWS)
        yield rows
        if after == -1:
            return


def verify_unique(transaction: Transaction, storage: TableStorage, key: UniqueKey) -> Iterator[None]:
    """Raise UniqueViolation ("could not create unique index") if two rows share a key."""
    seen: set[object] = set()
    for rows in newest_rows(transaction, storage):
        for row in rows:
            atom = key.index.unique_key(row)
            if atom is NO_KEY:
                continue
            if atom in seen:
                raise key.creation_failure(row)
            seen.add(atom)
        yield


def verify_foreign_key(transaction: Transaction, foreign_key: ForeignKey) -> Iterator[None]:
    """Raise ForeignKeyViolation if a child row has no parent."""
    parents = transaction.newest_reader(foreign_key.parent.storage)
    known: set[Row] = set()
    for rows in newest_rows(transaction, foreign_key.child.storage):
        for row in rows:
            values = foreign_key.child_values(row)
            if values in known or foreign_key.is_free(values):
                continue
            if parents.lookup_id(foreign_key.parent_index, foreign_key.parent_key(values)) < 0:
                raise foreign_key.missing_parent(values)
            known.add(values)
        yield
