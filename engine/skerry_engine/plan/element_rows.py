"""Batches of elements' rows, for generated code: by label, and edges in both ways.

Every batch is small enough for one unit; generated code counts them and pauses between.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from skerry_engine.plan.runtime import BATCH, FEW, index_rows_ids
from skerry_engine.storage.reader import MOST_WAYS, add_ways, chosen_ends
from skerry_engine.storage.shapes import ShapesFitting

Row = tuple[Any, ...]
Ids = list[int]
Ends = list[tuple[int, int]]
Ways = Iterator[tuple[list[Row], Ids, Ends]]

SCAN_SHARE = 4
"""All rows are read instead of index entries where more than one row in so many is wanted."""


def labelled_rows(
    reader: Any, index: Any, fits: ShapesFitting, with_ids: bool
) -> Iterator[tuple[Ids, list[Row]]]:
    """The rows whose shape fits, and (where they are asked for) their ids.

    A shape that is new while this runs is that of rows which the reader's snapshot does not see.  A SERIALIZABLE
    reader relies on there being none, though.
    """
    registry = fits.registry
    shapes = [shape.id for shape in registry.shapes() if fits[shape.id]]
    limit = reader.row_count() // SCAN_SHARE
    if sum(index.count(shape, limit) for shape in shapes) > max(limit, FEW):
        yield from _all_fitting(reader, fits, with_ids)
        return
    reader.note_from(index, registry.version + 1)
    for shape in shapes:
        few = reader.few_ids(index, shape, FEW)
        if few is not None:
            yield few
            continue
        low = index.codec.prefix((shape,))
        high = index.codec.prefix_end(low)
        after: bytes | None = None
        while True:
            ids, rows, after = reader.index_batch(index, low, high, after, BATCH, False)
            yield ids, rows
            if after is None:
                break


def _all_fitting(reader: Any, fits: ShapesFitting, with_ids: bool) -> Iterator[tuple[Ids, list[Row]]]:
    after = -1
    while True:
        if with_ids:
            ids, rows, after = reader.scan_ids_batch(after, BATCH)
            pairs = [(row_id, row) for row_id, row in zip(ids, rows, strict=True) if fits[row[0]]]
            yield [row_id for row_id, _ in pairs], [row for _, row in pairs]
        else:
            rows, after = reader.scan_batch(after, BATCH)
            yield [], [row for row in rows if fits[row[0]]]
        if after < 0:
            return


def many_ends(
    reader: Any, index: Any, key: int, other: int, fits: ShapesFitting | None, excluded: tuple[int, ...]
) -> Iterator[list[object]]:
    """`TableReader.ends` of a node with very many edges, in lists."""
    for ids, rows in index_rows_ids(reader, index, key, (key,)):
        yield chosen_ends(ids, rows, other, fits, excluded)


def many_ways(
    reader: Any, index: Any, key: int, other: int, fits: ShapesFitting | None, excluded: tuple[int, ...]
) -> Iterator[list[object]]:
    """`TableReader.ways_from` a node with very many edges, in lists."""
    for ids, rows in index_rows_ids(reader, index, key, (key,)):
        ways: list[object] = []
        chosen = [pair for pair in zip(ids, rows, strict=True) if pair[0] not in excluded]
        add_ways(key, [each for each, _ in chosen], [row for _, row in chosen], other, fits, False, ways)
        yield ways


def many_ends_after(
    reader: Any,
    index: Any,
    ways: list[Any],
    other: int,
    fits: ShapesFitting | None,
    excludes_way: bool,
    origin: int,
    excluded: tuple[int, ...],
    kind: int,
) -> Iterator[list[object]]:
    """`TableReader.ends_after` very many ways, or such that lead to nodes with very many edges, in lists."""
    size = 2 * (MOST_WAYS // 8)
    for start in range(0, len(ways), size):
        some = ways[start : start + size]
        found = reader.ends_after(index, some, other, fits, excludes_way, origin, excluded, FEW, kind)
        if found is not None:
            yield found
            continue
        for place in range(0, len(some), 2):
            without = (*excluded, some[place]) if excludes_way else excluded
            yield from many_ends(reader, index, some[place + 1], other, fits, without)


# --- edges in both ways -------------------------------------------------------------------------------------


def all_ways(reader: Any) -> Ways:
    """Every way to walk every edge: rows, their ids, and (from, to)."""
    after = -1
    while True:
        ids, rows, after = reader.scan_ids_batch(after, BATCH // 2)
        there = list(zip(ids, rows, strict=True))
        back = [pair for pair in there if pair[1][1] != pair[1][2]]
        yield (
            rows + [row for _, row in back],
            ids + [row_id for row_id, _ in back],
            [(row[1], row[2]) for row in rows] + [(row[2], row[1]) for _, row in back],
        )
        if after < 0:
            return


def ways_of(reader: Any, by_source: Any, by_target: Any, node_id: int | None, is_from: bool) -> Ways:
    """The ways to walk edges from a node (or to it): rows, their ids, and (from, to)."""
    if node_id is None:
        return
    for ids, rows in _rows_under(reader, by_source, node_id):
        yield rows, ids, _ends(node_id, [row[2] for row in rows], is_from)
    for ids, rows in _rows_under(reader, by_target, node_id):
        loops = [number for number, row in enumerate(rows) if row[1] == node_id]
        for number in reversed(loops):
            del ids[number], rows[number]
        yield rows, ids, _ends(node_id, [row[1] for row in rows], is_from)


def _ends(node_id: int, others: list[int], is_from: bool) -> Ends:
    if is_from:
        return [(node_id, other) for other in others]
    return [(other, node_id) for other in others]


def _rows_under(reader: Any, index: Any, node_id: int) -> Iterator[tuple[Ids, list[Row]]]:
    """The edges under a key, in lists."""
    few = reader.few_ids(index, node_id, FEW)
    if few is not None:
        yield few
    else:
        yield from index_rows_ids(reader, index, node_id, (node_id,))
