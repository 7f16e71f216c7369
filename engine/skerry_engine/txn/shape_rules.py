"""What a graph's type and constraints say of elements, at the end of the statement that writes them.

A rule looks at shapes, not at rows (catalog/graph_checks.py).  A row whose shape is fine costs a look into a set when
it is written; another one is looked at again when the statement ends, as unique keys are: `SET n:B REMOVE n:A` passes
a state that the type may forbid.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from skerry_engine.errors import IntegrityError
from skerry_engine.storage.table import TableStorage
from skerry_engine.txn.checks import Check

if TYPE_CHECKING:
    from skerry_engine.txn.transaction import Transaction


class ShapeRule:
    """The rule of one element table.  `check` raises IntegrityError for the id of a shape."""

    __slots__ = ("check", "_fine")

    def __init__(self, check: Callable[[object], None]) -> None:
        self.check: Callable[[object], None] = check
        self._fine: set[object] = set()

    def is_fine(self, shape_id: object) -> bool:
        """Whether elements of the shape are allowed."""
        if shape_id in self._fine:
            return True
        try:
            self.check(shape_id)
        except IntegrityError:
            return False
        self._fine.add(shape_id)
        return True


class ShapeCheck(Check):
    """An element was written with a shape that is not allowed: is that still so?"""

    __slots__ = ("rule", "storage", "row_id")

    def __init__(self, rule: ShapeRule, storage: TableStorage, row_id: int) -> None:
        super().__init__("")
        self.rule: ShapeRule = rule
        self.storage: TableStorage = storage
        self.row_id: int = row_id

    def run(self, transaction: Transaction) -> None:
        """Raise what is wrong with the element as it is now."""
        row = transaction.newest_reader(self.storage).get(self.row_id)
        if row is not None:
            self.rule.check(row[0])
