"""The one interface for reading a table: batches of visible rows, and single rows for point statements.

A reader sees one snapshot with one transaction's own pending writes laid over it:

    own entry with a smaller statement number   else   newest version with epoch <= snapshot

Rules that callers may rely on, and that keep concurrent change harmless:

- A batch is a list.  No iterator over a shared structure outlives a call; the next call seeks from the last
  key.
- A call examines about `n` slots or entries (fewer where rows come from the base) and returns what it saw of
  them, so that no call runs long; a batch may be empty before the end.  Only the returned "last" (or "next")
  tells whether the end was reached.
- Rows come at full width (`TableStorage.pad`) in row-id order for scans and key order for index batches.
- An index entry counts only if the visible row has exactly the entry's key.
"""

from __future__ import annotations

from typing import Final, cast

from skerry_engine.storage.heap import PAGE_BITS, PAGE_MASK, PAGE_ROWS, Row, Version, visible_row
from skerry_engine.storage.index import Index, equal_ids
from skerry_engine.storage.paged_index import PagedIndex
from skerry_engine.storage.pending import ABSENT, PendingTable
from skerry_engine.storage.table import TableStorage
from skerry_engine.storage.trees import entry_key, entry_order_key, entry_row_id
from skerry_engine.storage.ways import KeptWays

MOST_WAYS: Final = 256
MOST_WORK: Final = 4096
"""So many ways are followed at once, as far as that is no more work than reading so many rows."""

KEPT_SHIFT: Final = 4
"""Numbers that are kept are read about 16 times as fast as rows."""

FEW_IN_BASE: Final = 32
"""Rows under one key that are read at once where each of them may have to be read from the base."""

BATCH_LOADS: Final = 16
"""Blocks that a batch in key order reads from the base at most, or few more: less than a millisecond."""


TOO_MANY: Final = 0
CHANGING: Final = 1
FROZEN: Final = 2


class TableReader:
    """Reads one table as of `snapshot_epoch`, with `pending` (own writes)
    of statements before `statement_number`."""

    __slots__ = ("storage", "snapshot_epoch", "pending", "statement_number", "_pad", "_pages")

    def __init__(
        self, storage: TableStorage, snapshot_epoch: int, pending: PendingTable | None, statement_number: int
    ) -> None:
        self.storage: TableStorage = storage
        self.snapshot_epoch: int = snapshot_epoch
        self.pending: PendingTable | None = pending
        self.statement_number: int = statement_number
        self._pad: Row = storage.pad
        self._pages: list[object] = storage.heap.pages

    def row_count(self) -> int:
        """About how many rows there are."""
        return self.storage.row_count

    # --- by row id ------------------------------------------------------------------------------------------

    def get(self, row_id: int) -> Row | None:
        """The visible row, or None."""
        return self._visible(row_id)

    def _visible(self, row_id: int) -> Row | None:
        """Own write, else what the snapshot sees."""
        pending = self.pending
        if pending is not None:
            own = pending.find(row_id, self.statement_number)
            if own is not ABSENT:
                return None if own is None else self._full(cast("Row", own))
        number = row_id >> PAGE_BITS
        pages = self._pages
        if number >= len(pages):
            return None
        page = pages[number]
        if isinstance(page, list):
            slot = page[row_id & PAGE_MASK]
        elif page is None:
            return None
        else:
            slot = self.storage.heap.slot(row_id)
        if isinstance(slot, tuple):
            return self._full(slot)
        row = visible_row(slot, self.snapshot_epoch)
        return None if row is None else self._full(row)

    def get_many(self, row_ids: list[int]) -> list[Row]:
        """The visible rows among `row_ids`, in their order."""
        rows: list[Row] = []
        for row_id in row_ids:
            row = self.get(row_id)
            if row is not None:
                rows.append(row)
        return rows

    def get_each(self, row_ids: list[int | None]) -> list[Row | None]:
        """For each id its visible row, or None; None also for None."""
        rows: list[Row | None] = []
        pages = self._pages
        padded = len(self._pad)
        plain = self.pending is None
        for row_id in row_ids:
            if row_id is None:
                rows.append(None)
                continue
            if plain:  # most rows: in memory, frozen, at full width
                number = row_id >> PAGE_BITS
                page = pages[number] if number < len(pages) else None
                if isinstance(page, list):
                    slot = page[row_id & PAGE_MASK]
                    if isinstance(slot, tuple) and len(slot) >= padded:
                        rows.append(slot)
                        continue
            rows.append(self._visible(row_id))
        return rows

    def scan_batch(self, after: int, n: int) -> tuple[list[Row], int]:
        """Visible rows with ids above `after` (-1: from the start), and the last id examined,
        -1 at the end."""
        rows: list[Row] = []
        last = self._scan(after, n, rows, None)
        return rows, last

    def scan_ids_batch(self, after: int, n: int) -> tuple[list[int], list[Row], int]:
        """As `scan_batch`, with the rows' ids."""
        ids: list[int] = []
        rows: list[Row] = []
        last = self._scan(after, n, rows, ids)
        return ids, rows, last

    def _scan(self, after: int, n: int, rows: list[Row], ids: list[int] | None) -> int:
        """Examine whole pages until about n slots were seen.  `after` is -1 or the last id of a page."""
        number = (after + 1) >> PAGE_BITS
        offset = (after + 1) & PAGE_MASK
        limit = self.storage.page_limit()
        pages = self._pages
        pending = self.pending
        examined = 0
        while number < limit:
            place = pages[number] if number < len(pages) else None
            if isinstance(place, list):
                page: list[object] | None = place
            else:
                page = None if place is None else self.storage.heap.fetch(number)
            base = number << PAGE_BITS
            if pending is not None and number in pending.pages:
                self._merge_page(page, base, offset, rows, ids)
                examined += PAGE_ROWS
            elif page is None:
                examined += 1
            else:
                self._read_page(page, base, offset, rows, ids)
                examined += PAGE_ROWS
            number += 1
            offset = 0
            if examined >= n:
                break
        return (number << PAGE_BITS) - 1 if number < limit else -1

    def _read_page(
        self, page: list[object], base: int, offset: int, rows: list[Row], ids: list[int] | None
    ) -> None:
        snapshot = self.snapshot_epoch
        padded = len(self._pad)
        for position in range(offset, PAGE_ROWS):
            slot = page[position]
            if slot is None:
                continue
            if isinstance(slot, tuple):
                row: Row = slot
            else:
                seen = visible_row(slot, snapshot)
                if seen is None:
                    continue
                row = seen
            if len(row) < padded:
                row = self._full(row)
            rows.append(row)
            if ids is not None:
                ids.append(base + position)

    def _merge_page(
        self, page: list[object] | None, base: int, offset: int, rows: list[Row], ids: list[int] | None
    ) -> None:
        pending = self.pending
        assert pending is not None
        for position in range(offset, PAGE_ROWS):
            own = pending.find(base + position, self.statement_number)
            row: Row | None = None
            if own is not ABSENT:
                row = cast("Row | None", own)
            elif page is not None:
                row = visible_row(page[position], self.snapshot_epoch)
            if row is None:
                continue
            rows.append(self._full(row))
            if ids is not None:
                ids.append(base + position)

    def _full(self, row: Row) -> Row:
        """The row at full width."""
        if len(row) < len(self._pad):
            return row + self._pad[len(row) :]
        return row

    def loads(self, index: Index) -> int:
        """How many blocks were read so far for look-ups in `index`, perhaps for others: what reading has cost."""
        return self.storage.heap.loads() + index.loads()

    # --- by key ---------------------------------------------------------------------------------------------

    def lookup(self, index: Index, key: object) -> Row | None:
        """The visible row with equality key `key`; the one with the smallest id when there are several."""
        if self.pending is None and not index.is_paged:
            found = index.equal.get(key)
            if found is None:
                return None
            if isinstance(found, int):
                return self._candidate(index, key, found)
        for row_id in self._candidates(index, key):
            row = self._candidate(index, key, row_id)
            if row is not None:
                return row
        return None

    def lookup_id(self, index: Index, key: object) -> int:
        """The id of the row that `lookup` would give; -1 when there is none."""
        for row_id in self._candidates(index, key):
            if self._candidate(index, key, row_id) is not None:
                return row_id
        return -1

    def lookup_all(self, index: Index, key: object) -> list[Row]:
        """All visible rows with equality key `key`, by row id."""
        rows: list[Row] = []
        for row_id in self._candidates(index, key):
            row = self._candidate(index, key, row_id)
            if row is not None:
                rows.append(row)
        return rows

    def lookup_ids(self, index: Index, key: object) -> tuple[list[int], list[Row]]:
        """As `lookup_all`, with the rows' ids."""
        ids: list[int] = []
        rows: list[Row] = []
        for row_id in self._candidates(index, key):
            row = self._candidate(index, key, row_id)
            if row is not None:
                ids.append(row_id)
                rows.append(row)
        return ids, rows

    def few(self, index: Index, key: object, limit: int) -> list[Row] | None:
        """As `lookup_all`; None, nothing read, where it might have to follow more than `limit` entries, or some more
        that may have to be read from the base."""
        if index.is_paged:
            limit = min(limit, FEW_IN_BASE)
        if self.pending is not None or index.is_paged:
            return None if index.count(key, limit) > limit else self.lookup_all(index, key)
        row_ids = equal_ids(index.equal, key)
        if len(row_ids) > limit:
            return None
        rows: list[Row] = []
        self._read_few(index, key, row_ids, rows, None)
        return rows

    def few_ids(self, index: Index, key: object, limit: int) -> tuple[list[int], list[Row]] | None:
        """As `few`, with the rows' ids."""
        if index.is_paged:
            limit = min(limit, FEW_IN_BASE)
        if self.pending is not None or index.is_paged:
            return None if index.count(key, limit) > limit else self.lookup_ids(index, key)
        row_ids = equal_ids(index.equal, key)
        if len(row_ids) > limit:
            return None
        ids: list[int] = []
        rows: list[Row] = []
        self._read_few(index, key, row_ids, rows, ids)
        return ids, rows

    def _read_few(
        self, index: Index, key: object, row_ids: list[int], rows: list[Row], ids: list[int] | None
    ) -> None:
        """The visible rows of candidates, without own writes, of an index in memory."""
        pages = self._pages
        padded = len(self._pad)
        for row_id in row_ids:
            number = row_id >> PAGE_BITS
            page = pages[number] if number < len(pages) else None
            row: Row | None = None
            if isinstance(page, list):
                slot = page[row_id & PAGE_MASK]
                if isinstance(slot, tuple) and len(slot) >= padded:
                    row = slot
            if row is None:
                row = self._candidate(index, key, row_id)
                if row is None:
                    continue
            rows.append(row)
            if ids is not None:
                ids.append(row_id)

    def ends(
        self,
        index: Index,
        key: object,
        other: int,
        fits: dict[int, bool] | None,
        excluded: tuple[int, ...],
        limit: int,
        kind: int,
    ) -> list[object] | None:
        """The values at position `other` of the edges under a key of an index of edges' ends, by row id: what is at
        their other ends.  Only of edges whose shape (at position 0) `fits`, without those `excluded`; `kind` is as in
        `ways_of`.

        None, nothing read, as in `few`.
        """
        if self.pending is not None or index.is_paged:
            few = self.few_ids(index, key, limit)
            return None if few is None else chosen_ends(few[0], few[1], other, fits, excluded)
        storage = self.storage
        kept = storage.ways.of(kind, storage.heap.changes)
        if kept is None or not isinstance(key, int):
            return self._plain_ends(index, key, other, fits, excluded, limit)
        known = kept.get(key)
        if known is not None:
            return ends_of(cast("list[object]", known.tolist()), excluded)
        ways: list[object] = []
        state = self._plain_ways(index, key, other, fits, False, limit, ways)
        if state == TOO_MANY:
            return None
        if state == FROZEN:
            storage.ways.enter(kept, key, ways)
        return ends_of(ways, excluded)

    def ways_from(
        self,
        index: Index,
        node: int,
        other: int,
        fits: dict[int, bool] | None,
        excluded: tuple[int, ...],
        limit: int,
        kind: int,
    ) -> list[object] | None:
        """As `ends`, each with its edge before it: edge, node, edge, node, ..."""
        ways = self.ways_of(index, [node], other, fits, False, limit, kind)[0]
        if ways is None or not excluded:
            return ways
        left: list[object] = []
        for place in range(0, len(ways), 2):
            if ways[place] not in excluded:
                left.append(ways[place])
                left.append(ways[place + 1])
        return left

    def ends_after(
        self,
        index: Index,
        ways: list[object],
        other: int,
        fits: dict[int, bool] | None,
        excludes_way: bool,
        origin: int,
        excluded: tuple[int, ...],
        limit: int,
        kind: int,
    ) -> list[object] | None:
        """The `ends` of edges that follow ways (edge, node, edge, node, ...), one way after the other; with
        `excludes_way` each without the way's own edge.  Unless `origin` is -1 that can only be among them where the
        way has led back to the node `origin` that it came from.

        None where there are more than `MOST_WAYS` ways, or it is more than `MOST_WORK`, or a way has too many ends.
        """
        if len(ways) > 2 * MOST_WAYS:
            return None
        kept = self.kept_ways(index, kind)
        found: list[object] = []
        work = 0
        for place in range(0, len(ways), 2):
            node = ways[place + 1]
            known = None if kept is None else kept.get(cast("int", node))
            if known is None or excluded:
                without = (*excluded, cast("int", ways[place])) if excludes_way else excluded
                ends = self.ends(index, node, other, fits, without, limit, kind)
                if ends is None:
                    return None
                found += ends
                work += len(ends) + 1
            else:
                work += (len(known) >> KEPT_SHIFT) + 1
                if excludes_way and (origin < 0 or node == origin):
                    add_ends(cast("list[object]", known.tolist()), cast("int", ways[place]), found)
                else:
                    found += known[1::2].tolist()
            if work > MOST_WORK:
                return None
        return found

    def kept_ways(self, index: Index, kind: int) -> KeptWays | None:
        """What is kept of where edges lead and may be read without asking for the edges."""
        if self.pending is not None or index.is_paged:
            return None
        return self.storage.ways.of(kind, self.storage.heap.changes)

    def _plain_ends(
        self,
        index: Index,
        key: object,
        other: int,
        fits: dict[int, bool] | None,
        excluded: tuple[int, ...],
        limit: int,
    ) -> list[object] | None:
        """`ends` without own writes, straight from the heap."""
        row_ids = equal_ids(index.equal, key)
        if len(row_ids) > limit:
            return None
        found: list[object] = []
        pages = self._pages
        shape = -1
        wanted = fits is None
        for row_id in row_ids:
            number = row_id >> PAGE_BITS
            page = pages[number] if number < len(pages) else None
            slot: object = page[row_id & PAGE_MASK] if isinstance(page, list) else None
            if isinstance(slot, tuple):
                row: Row = slot
            else:
                seen = self._candidate(index, key, row_id)
                if seen is None:
                    continue
                row = seen
            if fits is not None:
                own = cast("int", row[0])
                if own != shape:
                    shape = own
                    wanted = fits[own]
            if wanted and row_id not in excluded:
                found.append(row[other])
        return found

    def ways_of(
        self,
        index: Index,
        nodes: list[int],
        other: int,
        fits: dict[int, bool] | None,
        no_loops: bool,
        limit: int,
        kind: int,
    ) -> list[list[object] | None]:
        """For each key of an index of edges' ends: the edges under it, as row id and value at position `other`, one
        after the other.

        Only edges whose shape (at position 0) `fits`, and with `no_loops` none whose ends are equal; `kind` (of
        `way_kind`) stands for all that says which ways these are, and what is kept of them is found under it.  None for
        a key with more than `limit` entries, or where the base might have to be read.
        """
        found: list[list[object] | None] = []
        if self.pending is not None or index.is_paged:
            for node in nodes:
                few = self.few_ids(index, node, limit)
                made: list[object] | None = None
                if few is not None:
                    made = []
                    add_ways(node, few[0], few[1], other, fits, no_loops, made)
                found.append(made)
            return found
        storage = self.storage
        kept = storage.ways.of(kind, storage.heap.changes)
        for node in nodes:
            if kept is not None:
                known = kept.get(node)
                if known is not None:
                    found.append(cast("list[object]", known.tolist()))
                    continue
            ways: list[object] = []
            state = self._plain_ways(index, node, other, fits, no_loops, limit, ways)
            if state == TOO_MANY:
                found.append(None)
                continue
            if kept is not None and state == FROZEN:
                storage.ways.enter(kept, node, ways)
            found.append(ways)
        return found

    def _plain_ways(
        self,
        index: Index,
        node: int,
        other: int,
        fits: dict[int, bool] | None,
        no_loops: bool,
        limit: int,
        ways: list[object],
    ) -> int:
        """`ways_of` one node without own writes, straight from the heap.  TOO_MANY; FROZEN where every snapshot sees
        the same; else CHANGING."""
        entered = index.equal.get(node)
        if entered is None:
            return FROZEN
        if isinstance(entered, int):
            entries: list[int] = [entered]
        else:
            several = cast("set[int]", entered)
            if len(several) > limit:
                return TOO_MANY
            entries = sorted(several)
        pages = self._pages
        shape = -1
        wanted = fits is None
        state = FROZEN
        for row_id in entries:
            number = row_id >> PAGE_BITS
            page = pages[number] if number < len(pages) else None
            slot: object = (
                page[row_id & PAGE_MASK] if isinstance(page, list) else self.storage.heap.slot(row_id)
            )
            if isinstance(slot, tuple):
                row: Row = slot
            else:
                state = CHANGING
                seen = visible_row(slot, self.snapshot_epoch)
                if seen is None or not index.matches(seen, node):
                    continue
                row = seen
            if fits is not None:
                own = cast("int", row[0])
                if own != shape:
                    shape = own
                    wanted = fits[own]
            if not wanted:
                continue
            end = row[other]
            if no_loops and end == node:
                continue
            ways.append(row_id)
            ways.append(end)
        return state

    def note_from(self, index: Index, key: object) -> None:
        """Tell that the absence of rows with keys from `key` on was relied upon: `TrackingReader` notes it."""

    def lookup_many(self, index: Index, keys: list[object]) -> list[list[Row]]:
        """`lookup_all` for each key, in order."""
        return [self.lookup_all(index, key) for key in keys]

    def _candidates(self, index: Index, key: object) -> list[int]:
        """Row ids that may have the key, ascending, each once."""
        pending = self.pending
        shared = index.candidates(key)
        if pending is None:
            return shared
        own = pending.candidates(index, key)
        if not own:
            return shared
        if not shared:
            return own
        return sorted({*shared, *own})

    def _candidate(self, index: Index, key: object, row_id: int) -> Row | None:
        """The visible row of a candidate if it has the key."""
        if self.pending is None and not index.is_paged:
            slot = self.storage.heap.slot(row_id)
            if isinstance(slot, tuple):
                return self._full(slot)
        # A private entry may belong to a write that this reader does not see:
        # then even a frozen row is rechecked.
        row = self._visible(row_id)
        if row is not None and index.matches(row, key):
            return row
        if isinstance(index, PagedIndex) and self._is_stale(row_id):
            index.forget(entry_key(index.codec.order_key_of(key), row_id))
        return None

    # --- by key order ---------------------------------------------------------------------------------------

    def index_batch(
        self,
        index: Index,
        low: bytes | None,
        high: bytes | None,
        after: bytes | None,
        n: int,
        descending: bool = False,
    ) -> tuple[list[int], list[Row], bytes | None]:
        """Visible rows whose order key k has low <= k < high, in key order (falling if `descending`).

        `after` is None for the first batch, then what the batch before gave as its third part: where to go
        on, None at the end.  Returns ids, rows and that place.
        """
        most_loads = self.loads(index) + BATCH_LOADS if index.is_paged else 0
        entries, place = self._entries(index, low, high, after, n, descending)
        ids: list[int] = []
        rows: list[Row] = []
        for entry in entries:
            row_id = entry_row_id(entry)
            row = self._entry_row(index, entry, row_id)
            if row is not None:
                ids.append(row_id)
                rows.append(row)
            if index.is_paged and self.loads(index) >= most_loads and entry is not entries[-1]:
                return ids, rows, entry
        return ids, rows, place

    def _entries(
        self,
        index: Index,
        low: bytes | None,
        high: bytes | None,
        after: bytes | None,
        n: int,
        descending: bool,
    ) -> tuple[list[bytes], bytes | None]:
        """The next entries, at most n, of the shared index and the own tree, merged, and where to go on."""
        shared, place = index.entries(low, high, after, n, descending)
        if self.pending is None:
            return shared, place
        mine = self.pending.ordered(index)
        own = mine.descending(low, high, after, n) if descending else mine.ascending(low, high, after, n)
        if not own:
            return shared, place
        if place is not None:  # what the shared index has beyond is not known yet
            own = [entry for entry in own if (entry >= place if descending else entry <= place)]
        merged = sorted({*shared, *own}, reverse=descending)
        if len(merged) >= n:
            del merged[n:]
            return merged, merged[-1]
        return merged, place

    def _entry_row(self, index: Index, entry: bytes, row_id: int) -> Row | None:
        """The visible row of an entry if it has the entry's key."""
        if self.pending is None and not index.is_paged:
            slot = self.storage.heap.slot(row_id)
            if isinstance(slot, tuple):
                return self._full(slot)
        row = self._visible(row_id)
        if row is not None and index.matches_order(row, entry_order_key(entry)):
            return row
        if isinstance(index, PagedIndex) and self._is_stale(row_id):
            index.forget(entry)
        return None

    def _is_stale(self, row_id: int) -> bool:
        """Whether an entry that the visible row does not match matches no other version either."""
        return self.pending is None and not isinstance(self.storage.heap.slot(row_id), Version)


def chosen_ends(
    ids: list[int],
    rows: list[Row],
    other: int,
    fits: dict[int, bool] | None,
    excluded: tuple[int, ...],
) -> list[object]:
    """The values at position `other` of those edges whose shape fits, without some: what `TableReader.ends` gives."""
    found: list[object] = []
    for number in range(len(rows)):
        row = rows[number]
        if (fits is None or fits[cast("int", row[0])]) and ids[number] not in excluded:
            found.append(row[other])
    return found


def ends_of(ways: list[object], excluded: tuple[int, ...]) -> list[object]:
    """What ways (edge, node, edge, node, ...) lead to, without those along some edges."""
    if not excluded:
        return ways[1::2]
    found: list[object] = []
    if len(excluded) == 1:
        only = excluded[0]
        for place in range(0, len(ways), 2):
            if cast("int", ways[place]) != only:
                found.append(ways[place + 1])
        return found
    for place in range(0, len(ways), 2):
        if ways[place] not in excluded:
            found.append(ways[place + 1])
    return found


def add_ends(ways: list[object], excluded: int, found: list[object]) -> None:
    """Add what ways lead to, without those along one edge."""
    for place in range(0, len(ways), 2):
        if cast("int", ways[place]) != excluded:
            found.append(ways[place + 1])


def add_ways(
    node: int,
    ids: list[int],
    rows: list[Row],
    other: int,
    fits: dict[int, bool] | None,
    no_loops: bool,
    ways: list[object],
) -> None:
    """Put edges at a node, as row id and value at position `other`, behind `ways`, as `TableReader.ways_of` does."""
    for number in range(len(rows)):
        row = rows[number]
        if fits is not None and not fits[cast("int", row[0])]:
            continue
        end = row[other]
        if no_loops and end == node:
            continue
        ways.append(ids[number])
        ways.append(end)
