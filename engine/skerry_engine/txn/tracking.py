"""Reading for SERIALIZABLE: as TableReader, and every read is noted.

What is noted, and under which name (see serializable.py):

    get(row id)                  the row
    look-ups by equality key     the key: all rows under it, and that there are no others
    batches in key order         the range from where the batch began to the last entry it examined
    scans                        the table

and each version met on the way that is newer than the snapshot, also where the row then turns out not to match:
an index entry leads to every row of which some retained version has the key.

Other levels read through TableReader itself and pay for none of this.
"""

from __future__ import annotations

from skerry_engine.storage.heap import PAGE_ROWS, Row, Version
from skerry_engine.storage.index import NO_KEY, Index
from skerry_engine.storage.pending import PendingTable
from skerry_engine.storage.reader import TableReader, add_ways
from skerry_engine.storage.table import TableStorage
from skerry_engine.storage.trees import entry_order_key
from skerry_engine.storage.ways import KeptWays
from skerry_engine.txn.serializable import SerializableState


class TrackingReader(TableReader):
    """A reader that enters what it reads with its transaction's `SerializableState`.

    Every method may raise SerializationFailure (T005) beyond what TableReader's does.
    """

    __slots__ = ("state",)

    def __init__(
        self,
        storage: TableStorage,
        snapshot_epoch: int,
        pending: PendingTable | None,
        statement_number: int,
        state: SerializableState,
    ) -> None:
        super().__init__(storage, snapshot_epoch, pending, statement_number)
        self.state: SerializableState = state

    # --- by row id ------------------------------------------------------------------------------------------

    def get(self, row_id: int) -> Row | None:
        state = self.state
        state.reads_of(self.storage).add_row(row_id, state.registry.limits)
        return self._visible(row_id)

    def get_each(self, row_ids: list[int | None]) -> list[Row | None]:
        rows: list[Row | None] = []
        for row_id in row_ids:
            rows.append(None if row_id is None else self.get(row_id))
        return rows

    def _visible(self, row_id: int) -> Row | None:
        slot = self.storage.heap.slot(row_id)
        if isinstance(slot, Version):
            self.state.note_newer(slot)
        return super()._visible(row_id)

    def _scan(self, after: int, n: int, rows: list[Row], ids: list[int] | None) -> int:
        reads = self.state.reads_of(self.storage)
        if not reads.whole:
            reads.promote()
        return super()._scan(after, n, rows, ids)

    def _read_page(
        self, page: list[object], base: int, offset: int, rows: list[Row], ids: list[int] | None
    ) -> None:
        self._note_page(page, offset)
        super()._read_page(page, base, offset, rows, ids)

    def _merge_page(
        self, page: list[object] | None, base: int, offset: int, rows: list[Row], ids: list[int] | None
    ) -> None:
        if page is not None:
            self._note_page(page, offset)
        super()._merge_page(page, base, offset, rows, ids)

    def _note_page(self, page: list[object], offset: int) -> None:
        for position in range(offset, PAGE_ROWS):
            slot = page[position]
            if isinstance(slot, Version):
                self.state.note_newer(slot)

    # --- by key ---------------------------------------------------------------------------------------------

    def lookup(self, index: Index, key: object) -> Row | None:
        self._note_key(index, key)
        return super().lookup(index, key)

    def lookup_id(self, index: Index, key: object) -> int:
        self._note_key(index, key)
        return super().lookup_id(index, key)

    def lookup_all(self, index: Index, key: object) -> list[Row]:
        self._note_key(index, key)
        return super().lookup_all(index, key)

    def lookup_ids(self, index: Index, key: object) -> tuple[list[int], list[Row]]:
        self._note_key(index, key)
        return super().lookup_ids(index, key)

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
        found: list[list[object] | None] = []
        for node in nodes:
            few = self.few_ids(index, node, limit)
            if few is None:
                found.append(None)
                continue
            ways: list[object] = []
            add_ways(node, few[0], few[1], other, fits, no_loops, ways)
            found.append(ways)
        return found

    def few(self, index: Index, key: object, limit: int) -> list[Row] | None:
        found = super().few(index, key, limit)
        if found is not None:
            self._note_key(index, key)
        return found

    def few_ids(self, index: Index, key: object, limit: int) -> tuple[list[int], list[Row]] | None:
        found = super().few_ids(index, key, limit)
        if found is not None:
            self._note_key(index, key)
        return found

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
        found = super().ends(index, key, other, fits, excluded, limit, kind)
        if found is not None:
            self._note_key(index, key)
        return found

    def kept_ways(self, index: Index, kind: int) -> KeptWays | None:
        return None  # each key is to be noted

    def note_from(self, index: Index, key: object) -> None:
        state = self.state
        low = index.codec.order_key_of(key)
        state.reads_of(self.storage).add_range(index.index_id, low, None, state.registry.limits)

    def _note_key(self, index: Index, key: object) -> None:
        if key is not NO_KEY:
            state = self.state
            state.reads_of(self.storage).add_key(index.index_id, key, state.registry.limits)

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
        ids, rows, place = super().index_batch(index, low, high, after, n, descending)
        start, stop = low or b"", high
        if descending:
            if after is not None:
                stop = _just_above(entry_order_key(after))
            if place is not None:
                start = entry_order_key(place)
        else:
            if after is not None:
                start = entry_order_key(after)
            if place is not None:
                stop = _just_above(entry_order_key(place))
        state = self.state
        state.reads_of(self.storage).add_range(index.index_id, start, stop, state.registry.limits)
        return ids, rows, place


def _just_above(key: bytes) -> bytes:
    """The smallest order key greater than `key`."""
    return key + b"\0"
