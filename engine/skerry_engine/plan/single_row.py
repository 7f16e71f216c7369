"""A table of one row, for rechecking that row in place (see `writing`):
the reader's interface over a single state."""

from __future__ import annotations

from typing import cast

from skerry_engine.storage.index import Index
from skerry_engine.storage.reader import add_ways, chosen_ends

Row = tuple[object, ...]


class SingleRowReader:
    """Reads as TableReader does, but there is only one row."""

    __slots__ = ("row_id", "row")

    def __init__(self, row_id: int, row: Row) -> None:
        self.row_id: int = row_id
        self.row: Row = row

    def row_count(self) -> int:
        return 1

    def get(self, row_id: int) -> Row | None:
        return self.row if row_id == self.row_id else None

    def get_many(self, row_ids: list[int]) -> list[Row]:
        return [self.row] if self.row_id in row_ids else []

    def get_each(self, row_ids: list[int | None]) -> list[Row | None]:
        return [self.row if row_id == self.row_id else None for row_id in row_ids]

    def scan_batch(self, after: int, n: int) -> tuple[list[Row], int]:
        return [self.row], -1

    def scan_ids_batch(self, after: int, n: int) -> tuple[list[int], list[Row], int]:
        return [self.row_id], [self.row], -1

    def lookup(self, index: Index, key: object) -> Row | None:
        return self.row if index.matches(self.row, key) else None

    def lookup_id(self, index: Index, key: object) -> int:
        return self.row_id if index.matches(self.row, key) else -1

    def lookup_all(self, index: Index, key: object) -> list[Row]:
        return [self.row] if index.matches(self.row, key) else []

    def lookup_ids(self, index: Index, key: object) -> tuple[list[int], list[Row]]:
        return ([self.row_id], [self.row]) if index.matches(self.row, key) else ([], [])

    def few(self, index: Index, key: object, limit: int) -> list[Row] | None:
        return self.lookup_all(index, key)

    def few_ids(self, index: Index, key: object, limit: int) -> tuple[list[int], list[Row]] | None:
        return self.lookup_ids(index, key)

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
            ways: list[object] = []
            ids, rows = self.lookup_ids(index, node)
            add_ways(node, ids, rows, other, fits, no_loops, ways)
            found.append(ways)
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
        return chosen_ends(*self.lookup_ids(index, key), other, fits, excluded)

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
        ways: list[object] = []
        ids, rows = self.lookup_ids(index, node)
        chosen = [number for number in range(len(ids)) if ids[number] not in excluded]
        add_ways(node, [ids[n] for n in chosen], [rows[n] for n in chosen], other, fits, False, ways)
        return ways

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
        found: list[object] = []
        for place in range(0, len(ways), 2):
            without = (*excluded, cast("int", ways[place])) if excludes_way else excluded
            ends = self.ends(index, ways[place + 1], other, fits, without, limit, kind)
            found += ends or []
        return found

    def note_from(self, index: Index, key: object) -> None:
        """Nothing: whoever rechecks a row has noted before what it relies on."""

    def lookup_many(self, index: Index, keys: list[object]) -> list[list[Row]]:
        return [self.lookup_all(index, key) for key in keys]

    def lookup_many_ids(self, index: Index, keys: list[object]) -> list[list[tuple[Row, int]]]:
        return [[(row, self.row_id) for row in self.lookup_all(index, key)] for key in keys]

    def loads(self, index: Index) -> int:
        return 0

    def index_batch(
        self,
        index: Index,
        low: bytes | None,
        high: bytes | None,
        after: bytes | None,
        n: int,
        descending: bool = False,
    ) -> tuple[list[int], list[Row], bytes | None]:
        values = index.values(self.row)
        if values is None:
            return [], [], None
        key = index.codec.order_key(values)
        inside = (low is None or low <= key) and (high is None or key < high)
        return ([self.row_id], [self.row], None) if inside else ([], [], None)
