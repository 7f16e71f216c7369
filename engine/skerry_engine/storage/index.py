"""An index: from keys to row ids, over all retained versions of a table's rows.

Two structures over the same entries:

    equal     dict: equality key -> row id, or a set of row ids     `=`, joins, uniqueness
    ordered   sorted set of order key + row id (8 bytes)            ranges, ORDER BY

An entry (k, r) promises only that *some* retained version of row r has, or had, key k.  Whoever reads an
entry looks up the version that its snapshot sees and drops the entry unless that version has exactly key k.
A frozen slot needs no such recheck: before a slot is frozen, all entries of its other versions are removed.  (That
holds for an index in memory.  The base may still have entries of a checkpoint that no restart took back.)

A partial index leaves rows out: `extract` gives None for them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from skerry_engine.storage.heap import Row
from skerry_engine.storage.trees import KeyTree, entry_key

if TYPE_CHECKING:
    from skerry_engine.values.keys import KeyCodec


class NoKey:
    """The type of NO_KEY."""

    __slots__ = ()


NO_KEY: Final = NoKey()
"""What stands for the key of a row that has none: it is not indexed, or (for uniqueness)
one of its values is NULL."""


class Index:
    """One index of one table, all of it in memory.

    What of it is in the base is the business of a subclass (paged_index.py); `is_paged` tells.

    `extract` gives a row's column values in index order, or None when the (partial) index leaves the row out.
    `positions` says where those values stand in the row when they are plain columns of every row; it spares
    the call. `codec` turns values into keys.  `nulls_distinct` False makes NULLs equal to each other for
    uniqueness.
    """

    __slots__ = (
        "index_id",
        "extract",
        "codec",
        "unique",
        "nulls_distinct",
        "positions",
        "equal",
        "ordered",
        "is_paged",
        "_single",
        "_atom",
    )

    def __init__(
        self,
        index_id: int,
        extract: Callable[[Row], Row | None],
        codec: KeyCodec,
        unique: bool = False,
        nulls_distinct: bool = True,
        positions: tuple[int, ...] | None = None,
    ) -> None:
        self.index_id: int = index_id
        self.extract: Callable[[Row], Row | None] = extract
        self.codec: KeyCodec = codec
        self.unique: bool = unique
        self.nulls_distinct: bool = nulls_distinct
        self.positions: tuple[int, ...] | None = positions
        self.equal: dict[object, object] = {}
        self.ordered: KeyTree = KeyTree()
        self.is_paged: bool = False
        self._single: int = positions[0] if positions is not None and len(positions) == 1 else -1
        self._atom: int = self._single if codec.atom else -1

    # --- keys of rows ---------------------------------------------------------------------------------------

    def values(self, row: Row) -> Row | None:
        """The row's values in index order; None when the index leaves the row out."""
        if self._single >= 0:
            return (row[self._single],)
        positions = self.positions
        if positions is None:
            return self.extract(row)
        return tuple([row[position] for position in positions])

    def key(self, row: Row) -> object:
        """The row's equality key; NO_KEY when the index leaves the row out."""
        if self._atom >= 0:
            return row[self._atom]
        values = self.values(row)
        return NO_KEY if values is None else self.codec.equality_key(values)

    def unique_key(self, row: Row) -> object:
        """The equality key that no other row may have; NO_KEY when the row is free in that."""
        if self._atom >= 0:
            value = row[self._atom]
            return NO_KEY if value is None and self.nulls_distinct else value
        values = self.values(row)
        if values is None or (self.nulls_distinct and None in values):
            return NO_KEY
        return self.codec.equality_key(values)

    def matches(self, row: Row, key: object) -> bool:
        """Whether the row is indexed under equality key `key`."""
        own = self.key(row)
        return own is key or (own is not NO_KEY and own == key)

    def matches_order(self, row: Row, order_key: bytes) -> bool:
        """Whether the row is indexed under order key `order_key`."""
        values = self.values(row)
        return values is not None and self.codec.order_key(values) == order_key

    def same_key(self, one: Row, other: Row) -> bool:
        """Whether two rows have the same key; False may also be said of equal keys
        that Python holds unequal."""
        positions = self.positions
        if positions is None:
            return self.extract(one) == self.extract(other)
        for position in positions:
            value = one[position]
            if value is not other[position] and value != other[position]:
                return False
        return True

    # --- changing -------------------------------------------------------------------------------------------

    def add(self, row: Row, row_id: int) -> None:
        """Add the entries of a version of `row_id`; adding twice is harmless."""
        values = self.values(row)
        if values is None:
            return
        key = row[self._atom] if self._atom >= 0 else self.codec.equality_key(values)
        add_equal(self.equal, key, row_id)
        self.ordered.insert(entry_key(self.codec.order_key(values), row_id))

    def remove(self, row: Row, row_id: int) -> None:
        """Remove the entries of a version of `row_id`, if they are there."""
        values = self.values(row)
        if values is None:
            return
        key = row[self._atom] if self._atom >= 0 else self.codec.equality_key(values)
        remove_equal(self.equal, key, row_id)
        self.ordered.discard(entry_key(self.codec.order_key(values), row_id))

    def replace(self, old_row: Row, new_row: Row, row_id: int) -> None:
        """Remove the old version's entries and add the new one's."""
        if not self.same_key(old_row, new_row):
            self.remove(old_row, row_id)
            self.add(new_row, row_id)

    def clear(self) -> None:
        """Forget all entries."""
        self.equal = {}
        self.ordered = KeyTree()

    def close(self) -> None:
        """Give back what is kept elsewhere: the index was dropped."""

    # --- reading --------------------------------------------------------------------------------------------

    def candidates(self, key: object) -> list[int]:
        """The row ids entered under equality key `key`, ascending; each needs the recheck."""
        return equal_ids(self.equal, key)

    def holds(self, key: object) -> bool:
        """Whether a row id is entered under equality key `key`."""
        return key in self.equal

    def count(self, key: object, limit: int) -> int:
        """How many row ids are entered under equality key `key`; counting may stop beyond `limit`."""
        found = self.equal.get(key)
        if found is None:
            return 0
        return len(found) if isinstance(found, set) else 1

    def loads(self) -> int:
        """How many leaves were read from the base so far, perhaps for others: what reading has cost."""
        return 0

    def entries(
        self, low: bytes | None, high: bytes | None, after: bytes | None, limit: int, descending: bool
    ) -> tuple[list[bytes], bytes | None]:
        """Up to `limit` entries e in order (falling if `descending`), low <= e < high and beyond `after`,
        and where to go on, None at the end."""
        tree = self.ordered
        if descending:
            found = tree.descending(low, high, after, limit)
        else:
            found = tree.ascending(low, high, after, limit)
        return found, found[-1] if len(found) >= limit else None


def add_equal(equal: dict[object, object], key: object, row_id: int) -> None:
    """Enter `row_id` under `key`."""
    found = equal.get(key)
    if found is None:
        equal[key] = row_id
    elif isinstance(found, set):
        found.add(row_id)
    elif found != row_id:
        equal[key] = {found, row_id}


def remove_equal(equal: dict[object, object], key: object, row_id: int) -> None:
    """Take `row_id` from under `key`, if it is there."""
    found = equal.get(key)
    if isinstance(found, set):
        found.discard(row_id)
        if len(found) == 1:
            equal[key] = next(iter(found))
    elif found is not None and found == row_id:
        del equal[key]


def equal_ids(equal: dict[object, object], key: object) -> list[int]:
    """The row ids under `key`, ascending."""
    found = equal.get(key)
    if found is None:
        return []
    if isinstance(found, int):
        return [found]
    assert isinstance(found, set)
    return sorted(found)
