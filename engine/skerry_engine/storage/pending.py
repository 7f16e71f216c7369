"""One transaction's pending writes to one table: the part of its overlay that readers look through.

    entries   row id -> Entry(row | None, statement) -> the entry it replaced -> …
    segments  bulk inserts: a list of rows under contiguous row ids, one statement number for all
    indexes   private index entries for own writes

A reader sees the newest entry whose statement number is smaller than its own, then a segment's row under the
same rule, then the heap.  So a statement never sees its own writes, and `INSERT INTO t SELECT * FROM t` ends.

The chain of replaced entries is also the savepoint journal's other half: unwinding an entry puts back what it
replaced.  Private index entries are not taken back: like the shared ones they are candidates, rechecked
against the row that the reader sees.  A unique index has private entries from the first write on; another
gets them when it is first read through the overlay.

`pages` over-approximates the heap pages on which the overlay has rows, so that scans pay for it only there.
`live_change` is filled in at commit: by how much the number of live rows changes.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import Final

from skerry_engine.storage.heap import PAGE_BITS, Row
from skerry_engine.storage.index import NO_KEY, Index, add_equal, equal_ids
from skerry_engine.storage.table import TableStorage
from skerry_engine.storage.trees import KeyTree, entry_key


class Absent:
    """The type of ABSENT."""

    __slots__ = ()


ABSENT: Final = Absent()
"""What a look-up gives when the overlay says nothing about a row (None says that it is deleted)."""

NEWEST: Final = 1 << 60
"""A statement number above all: sees every pending write."""


class Entry:
    """A pending state of a row; `row` None deletes it.  `older` is the entry it replaced."""

    __slots__ = ("row_id", "row", "statement", "older")

    def __init__(self, row_id: int, row: Row | None, statement: int, older: Entry | None) -> None:
        self.row_id: int = row_id
        self.row: Row | None = row
        self.statement: int = statement
        self.older: Entry | None = older


class Segment:
    """Rows inserted in bulk, with contiguous row ids."""

    __slots__ = ("first_row_id", "rows", "statement")

    def __init__(self, first_row_id: int, rows: list[Row], statement: int) -> None:
        self.first_row_id: int = first_row_id
        self.rows: list[Row] = rows
        self.statement: int = statement


class PendingIndex:
    """Private entries of one index.  The ordered half is made when it is first wanted."""

    __slots__ = ("index", "equal", "ordered")

    def __init__(self, index: Index) -> None:
        self.index: Index = index
        self.equal: dict[object, object] = {}
        self.ordered: KeyTree | None = None

    def add(self, row: Row, row_id: int) -> None:
        """Enter a pending row."""
        key = self.index.key(row)
        if key is NO_KEY:
            return
        add_equal(self.equal, key, row_id)
        if self.ordered is not None:
            values = self.index.values(row)
            assert values is not None
            self.ordered.insert(entry_key(self.index.codec.order_key(values), row_id))


class PendingTable:
    """The pending writes to one table."""

    __slots__ = ("storage", "entries", "segments", "segment_starts", "pages", "indexes", "live_change")

    def __init__(self, storage: TableStorage) -> None:
        self.storage: TableStorage = storage
        self.entries: dict[int, Entry] = {}
        self.segments: list[Segment] = []
        self.segment_starts: list[int] = []
        self.pages: set[int] = set()
        self.indexes: dict[int, PendingIndex] = {}
        self.live_change: int = 0

    # --- reading --------------------------------------------------------------------------------------------

    def find(self, row_id: int, statement: int) -> object:
        """What a reader of `statement` sees: a row, None (deleted), or ABSENT (look in the heap)."""
        entry = self.entries.get(row_id)
        while entry is not None:
            if entry.statement < statement:
                return entry.row
            entry = entry.older
        if self.segments:
            return self._find_in_segments(row_id, statement)
        return ABSENT

    def _find_in_segments(self, row_id: int, statement: int) -> object:
        number = bisect_right(self.segment_starts, row_id) - 1
        if number < 0:
            return ABSENT
        segment = self.segments[number]
        offset = row_id - segment.first_row_id
        if offset < len(segment.rows) and segment.statement < statement:
            return segment.rows[offset]
        return ABSENT

    def statement_of(self, row_id: int) -> int:
        """The number of the statement that last wrote the row; -1 when this transaction did not."""
        entry = self.entries.get(row_id)
        if entry is not None:
            return entry.statement
        number = bisect_right(self.segment_starts, row_id) - 1
        if number >= 0:
            segment = self.segments[number]
            if row_id - segment.first_row_id < len(segment.rows):
                return segment.statement
        return -1

    def index(self, index: Index) -> PendingIndex:
        """The private half of `index`, made from all pending rows when it is first asked for."""
        found = self.indexes.get(index.index_id)
        if found is None:
            found = PendingIndex(index)
            for row_id, row in self.all_rows():
                found.add(row, row_id)
            self.indexes[index.index_id] = found
        return found

    def ordered(self, index: Index) -> KeyTree:
        """The private ordered entries of `index`."""
        half = self.index(index)
        tree = half.ordered
        if tree is None:
            tree = KeyTree()
            half.ordered = tree
            for row_id, row in self.all_rows():
                values = index.values(row)
                if values is not None:
                    tree.insert(entry_key(index.codec.order_key(values), row_id))
        return tree

    def candidates(self, index: Index, key: object) -> list[int]:
        """The row ids entered privately under equality key `key`, ascending; each needs the recheck."""
        return equal_ids(self.index(index).equal, key)

    def all_rows(self) -> list[tuple[int, Row]]:
        """Every pending row at full width, replaced ones included: what index entries are made from."""
        storage = self.storage
        found: list[tuple[int, Row]] = []
        for segment in self.segments:
            row_id = segment.first_row_id
            for row in segment.rows:
                found.append((row_id, storage.padded(row)))
                row_id += 1
        for each in self.entries.values():
            entry: Entry | None = each
            while entry is not None:
                if entry.row is not None:
                    found.append((entry.row_id, storage.padded(entry.row)))
                entry = entry.older
        return found

    def final_rows(self) -> Iterator[tuple[int, Row | None]]:
        """What commit installs: each written row id with its last state."""
        entries = self.entries
        for segment in self.segments:
            row_id = segment.first_row_id
            for row in segment.rows:
                if row_id not in entries:
                    yield row_id, row
                row_id += 1
        for row_id, entry in entries.items():
            yield row_id, entry.row

    def row_ids(self) -> list[Sequence[int]]:
        """The written row ids, in runs; an id may be in two of them."""
        found: list[Sequence[int]] = []
        for segment in self.segments:
            found.append(range(segment.first_row_id, segment.first_row_id + len(segment.rows)))
        if self.entries:
            found.append(list(self.entries))
        return found

    def count(self) -> int:
        """How many rows are written, those of segments counted again when they were changed later."""
        return len(self.entries) + sum([len(segment.rows) for segment in self.segments])

    # --- writing --------------------------------------------------------------------------------------------

    def record(self, row_id: int, row: Row | None, statement: int) -> Entry:
        """Set the row's pending state; the caller journals the entry that comes back."""
        entries = self.entries
        entry = Entry(row_id, row, statement, entries.get(row_id))
        entries[row_id] = entry
        self.pages.add(row_id >> PAGE_BITS)
        if row is not None and self.indexes:
            full = self.storage.padded(row)
            for index in self.indexes.values():
                index.add(full, row_id)
        return entry

    def record_segment(self, first_row_id: int, rows: list[Row], statement: int) -> Segment:
        """Add rows under contiguous fresh row ids; the caller journals the segment that comes back."""
        segment = Segment(first_row_id, [], statement)
        self.segments.append(segment)
        self.segment_starts.append(first_row_id)
        self.extend_segment(segment, rows)
        return segment

    def extend_segment(self, segment: Segment, rows: list[Row]) -> None:
        """Add rows to the last segment; their row ids follow its own."""
        row_id = segment.first_row_id + len(segment.rows)
        segment.rows.extend(rows)
        self.pages.update(range(row_id >> PAGE_BITS, ((row_id + len(rows) - 1) >> PAGE_BITS) + 1))
        if not self.indexes:
            return
        for row in rows:
            full = self.storage.padded(row)
            for index in self.indexes.values():
                index.add(full, row_id)
            row_id += 1

    def unwind_entry(self, entry: Entry) -> None:
        """Put back what the entry replaced."""
        if entry.older is None:
            del self.entries[entry.row_id]
        else:
            self.entries[entry.row_id] = entry.older

    def forget_some(self, limit: int) -> bool:
        """Drop up to `limit` entries, of an overlay that is done with; are some left?"""
        entries = self.entries
        while entries and limit > 0:
            entries.popitem()
            limit -= 1
        return len(entries) > 0

    def unwind_segment(self) -> None:
        """Drop the last segment."""
        self.segments.pop()
        self.segment_starts.pop()
