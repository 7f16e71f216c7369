"""What generated code calls: the parts of execution that are the same in every plan.

Everything here works on batches, on whole values, or once per query; what is needed per row is written out in
the generated source instead.  Query functions are generators of *batches*: a list of rows, or a step
(`Pause`, `Wait`) that has to travel up to whoever steps the statement.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from decimal import Decimal
from itertools import islice
from typing import Any

from skerry_engine import errors
from skerry_engine.session.steps import PAUSE, Step
from skerry_engine.storage.reader import FEW_IN_BASE

Row = tuple[object, ...]
Batch = list[Row]
Batches = Generator[Batch | Step, None, None]

BATCH = 512
"""Rows per unit of a pipeline: below a millisecond for all but the heaviest expressions."""

FLOAT_NAN = float("nan")
NUMERIC_NAN = Decimal("NaN")


# --- subqueries as values ----------------------------------------


def paced(batches: Batches) -> Batches:
    """The same batches, with a pause before each but the first:
    for those who take rows in without giving any out."""
    is_first = True
    for batch in batches:
        if not isinstance(batch, Step) and batch:
            if not is_first:
                yield PAUSE
            is_first = False
        yield batch


def read_scalar(batches: Batches) -> Generator[Step, None, object]:
    """The one value of a scalar subquery, None if it gave no row.  Raises CardinalityViolation for more."""
    found: Row | None = None
    for batch in batches:
        if isinstance(batch, Step):
            yield batch
            continue
        for row in batch:
            if found is not None:
                raise errors.CardinalityViolation(
                    "more than one row returned by a subquery used as an expression"
                )
            found = row
    return None if found is None else found[0]


def read_exists(batches: Batches) -> Generator[Step, None, bool]:
    """Whether the subquery gives any row."""
    for batch in batches:
        if isinstance(batch, Step):
            yield batch
        elif batch:
            batches.close()
            return True
    return False


def read_rows(batches: Batches) -> Generator[Step, None, Batch]:
    """All rows of the subquery."""
    rows: Batch = []
    for batch in paced(batches):
        if isinstance(batch, Step):
            yield batch
        else:
            rows.extend(batch)
    return rows


def read_array(batches: Batches) -> Generator[Step, None, Row]:
    """The subquery's single column as an array."""
    rows = yield from read_rows(batches)
    return tuple([row[0] for row in rows])


def read_in_set(batches: Batches) -> Generator[Step, None, tuple[set[Row], bool]]:
    """The subquery's rows as a set, and whether any column of any row is NULL."""
    rows = yield from read_rows(batches)
    return set(rows), any(None in row for row in rows)


def in_set(lefts: Row, found: tuple[set[Row], bool]) -> bool | None:
    """`lefts IN (subquery)` over what `read_in_set` made."""
    rows, has_null = found
    if not rows:
        return False
    if None not in lefts:
        if lefts in rows:
            return True
        if not has_null:
            return False
        return None if len(lefts) == 1 else _partial_in(lefts, rows)
    return None if len(lefts) == 1 else _partial_in(lefts, rows)


def _partial_in(lefts: Row, rows: set[Row]) -> bool | None:
    """Row-wise IN where NULLs take part: NULL unless every row differs in some known column."""
    for row in rows:
        if all(a is None or b is None or a == b for a, b in zip(lefts, row, strict=True)):
            return None
    return False


def rows_any(compare: tuple[Callable[..., Any], ...], lefts: Row, rows: Batch, negated: bool) -> bool | None:
    """`lefts op ANY (rows)`; for rows of several columns `negated` means <>:
    any column differing is enough."""
    unknown = False
    for row in rows:
        result = _compare_rows(compare, lefts, row, negated)
        if result:
            return True
        unknown = unknown or result is None
    return None if unknown else False


def rows_all(compare: tuple[Callable[..., Any], ...], lefts: Row, rows: Batch, negated: bool) -> bool | None:
    """`lefts op ALL (rows)`."""
    unknown = False
    for row in rows:
        result = _compare_rows(compare, lefts, row, negated)
        if result is False:
            return False
        unknown = unknown or result is None
    return None if unknown else True


def _compare_rows(
    compare: tuple[Callable[..., Any], ...], lefts: Row, row: Row, negated: bool
) -> bool | None:
    unknown = False
    for function, left, right in zip(compare, lefts, row, strict=True):
        if left is None or right is None:
            unknown = True
        elif bool(function(left, right)) is negated:
            return negated
    return None if unknown else not negated


# --- arrays, rows, comparisons ----------------------------------------


def compare_any(compare: Callable[..., Any], left: object, array: Row | None) -> bool | None:
    """`left op ANY (array)`."""
    if array is None:
        return None
    unknown = False
    for item in flat(array):
        if left is None or item is None:
            unknown = True
        elif compare(left, item):
            return True
    return None if unknown else False


def compare_all(compare: Callable[..., Any], left: object, array: Row | None) -> bool | None:
    """`left op ALL (array)`."""
    if array is None:
        return None
    unknown = False
    for item in flat(array):
        if left is None or item is None:
            unknown = True
        elif not compare(left, item):
            return False
    return None if unknown else True


def flat(array: Row) -> Iterator[object]:
    """An array's elements, dimensions ignored."""
    for item in array:
        if isinstance(item, tuple):
            yield from flat(item)
        else:
            yield item


def constant_set(array: Row | None) -> tuple[frozenset[object], bool | None, bool]:
    """(elements, what a value not among them gives, whether a NULL left gives NULL) for `x = ANY (array)`."""
    if array is None:
        return frozenset(), None, True
    items = list(flat(array))
    elements = frozenset(i for i in items if i is not None)
    return elements, (None if len(elements) < len(items) and None in items else False), bool(items)


def array_element(array: Row | None, bounds: tuple[tuple[object, object], ...]) -> object:
    """array[i][j]: NULL outside the bounds, or when the number of subscripts is not the number
    of dimensions."""
    value: object = array
    for _, index in bounds:
        if not isinstance(value, tuple) or not isinstance(index, int) or not 1 <= index <= len(value):
            return None
        value = value[index - 1]
    return None if isinstance(value, tuple) else value


def name_letter(name: str | None, bounds: tuple[tuple[object, object], ...]) -> str | None:
    """name[i]: a byte of a name, counted from 0; nothing behind its end, NULL outside the 64 bytes that it may have."""
    index = bounds[0][1]
    if name is None or len(bounds) != 1 or not isinstance(index, int) or not 0 <= index < 64:
        return None
    return name.encode()[index : index + 1].decode("latin-1")


def array_of_arrays(items: tuple[Row | None, ...]) -> Row:
    """ARRAY[...] of arrays.  Raises ArraySubscriptError unless all have the same dimensions."""
    if None in items or len({_dimensions(item) for item in items if item is not None}) > 1:
        raise errors.ArraySubscriptError(
            "multidimensional arrays must have array expressions with matching dimensions"
        )
    return items if any(items) else ()


def _dimensions(array: Row) -> tuple[int, ...]:
    first = array[0] if array else None
    return (len(array), *_dimensions(first)) if isinstance(first, tuple) else (len(array),)


def array_slice(array: Row | None, bounds: tuple[tuple[object, object], ...]) -> Row | None:
    """array[a:b]: what lies within the bounds, an empty array if nothing does."""
    if array is None:
        return None
    (lower, upper), rest = bounds[0], bounds[1:]
    start = 1 if not isinstance(lower, int) else max(lower, 1)
    stop = len(array) if not isinstance(upper, int) else min(upper, len(array))
    part = array[start - 1 : stop] if start <= stop else ()
    if not rest:
        return part
    return tuple(array_slice(item, rest) for item in part if isinstance(item, tuple))


def row_is_null(row: Row | None) -> bool:
    """`row IS NULL`: the row itself or all of its fields."""
    return row is None or all(field is None for field in row)


def row_is_not_null(row: Row | None) -> bool:
    """`row IS NOT NULL`: no field is NULL (not the negation of IS NULL)."""
    return row is not None and all(field is not None for field in row)


def greatest(less: Callable[..., Any], values: Row) -> object:
    """GREATEST: NULLs are ignored."""
    best: object = None
    for value in values:
        if value is not None and (best is None or less(best, value)):
            best = value
    return best


def least(less: Callable[..., Any], values: Row) -> object:
    """LEAST: NULLs are ignored."""
    best: object = None
    for value in values:
        if value is not None and (best is None or less(value, best)):
            best = value
    return best


# --- batches ----------------------------------------


def chunks(rows: Sequence[Any], size: int = BATCH) -> Iterator[Sequence[Any]]:
    """A private sequence in slices of `size`."""
    if len(rows) <= size:
        yield rows
        return
    for start in range(0, len(rows), size):
        yield rows[start : start + size]


def drain(iterator: Iterable[Any], size: int = BATCH) -> Iterator[list[Any]]:
    """A private iterable in lists of `size`."""
    source = iter(iterator)
    while batch := list(islice(source, size)):
        yield batch


def limit_count(value: object, what: str) -> int | None:
    """LIMIT's or OFFSET's value: None for no limit; negative ones are errors."""
    if value is None:
        return None
    count = int(value)  # type: ignore[call-overload]
    if count < 0:
        if what == "LIMIT":
            raise errors.InvalidRowCountInLimit("LIMIT must not be negative")
        raise errors.InvalidRowCountInOffset("OFFSET must not be negative")
    return int(count)


# --- sorting ----------------------------------------

RUN = 2048
"""Rows per sorted run: sorting one is a single call in C that takes about a millisecond."""

_DESCENDING = bytes(255 - i for i in range(256))


def descending_text(text: str) -> bytes:
    """A key whose ascending order is the descending code point order of `text`."""
    return text.encode("utf-8", "surrogatepass").translate(_DESCENDING) + b"\xff"


def descending_bytes(data: bytes) -> bytes:
    """A key whose ascending order is the descending order of `data`."""
    return data.hex().encode().translate(_DESCENDING) + b"\xff"


class Sorter:
    """Sorts rows decorated as (key, serial, row) in runs, and merges the runs in bounded steps.

    No single call works on more than a few thousand rows: full runs are sorted as they fill; the merge cuts
    the runs at common splitters, so that each output batch is a small slice of every run, sorted together.
    """

    def __init__(self) -> None:
        self._run: list[tuple[Any, ...]] = []
        self._runs: list[list[tuple[Any, ...]]] = []

    def extend(self, decorated: list[tuple[Any, ...]]) -> None:
        """Add a batch of (key, serial, row)."""
        self._run.extend(decorated)
        if len(self._run) >= RUN:
            self._close_run()

    def _close_run(self) -> None:
        self._run.sort()
        self._runs.append(self._run)
        self._run = []

    def batches(self) -> Iterator[list[Any]]:
        """The rows in order, in lists."""
        if not self._runs:
            self._run.sort()
            for chunk in chunks(self._run):
                yield [entry[2] for entry in chunk]
            return
        if self._run:
            self._close_run()
        yield from self._merge()

    def _merge(self) -> Iterator[list[Any]]:
        runs = self._runs
        total = sum(len(run) for run in runs)
        step = max(1, RUN // 8)
        samples = sorted(entry[:2] for run in runs for entry in run[::step])
        parts = max(1, total // RUN)
        splitters = [samples[i * len(samples) // parts] for i in range(1, parts)]
        for splitter in [*splitters, None]:
            merged: list[tuple[Any, ...]] = []
            for run in runs:
                # what is taken out leaves the run: else all rows would be freed at once in the end
                stop = len(run) if splitter is None else bisect_left(run, splitter)
                merged.extend(run[:stop])
                del run[:stop]
            merged.sort()
            for chunk in chunks(merged):
                yield [entry[2] for entry in chunk]


def sort_paced(rows: list[tuple[Any, ...]]) -> Iterator[Step]:
    """Sort (key, ..., serial, row, ...) in place, in bounded steps."""
    if len(rows) > RUN:
        sorter = Sorter()
        for chunk in chunks(rows, RUN):
            sorter.extend([(row, None, row) for row in chunk])
            yield PAUSE
        place = 0
        for batch in sorter.batches():
            rows[place : place + len(batch)] = batch
            place += len(batch)
            yield PAUSE
    else:
        rows.sort()


def top_rows(decorated: list[tuple[Any, ...]], count: int) -> list[tuple[Any, ...]]:
    """The first `count` of the decorated rows in order: what ORDER BY ... LIMIT keeps while it reads."""
    decorated.sort()
    del decorated[count:]
    return decorated


# --- functions in FROM, index ranges, aggregates' inputs ----------------------------------------


def function_rows(calls: tuple[tuple[Any, int, bool], ...], ordinality: bool) -> Iterator[list[Row]]:
    """Rows of functions side by side, in lists.  A call is (result, column count, whether it is a set).

    A column count of 0 means one value whatever it is (a set-returning function in a select list).
    """
    if len(calls) == 1:
        result, width, is_set = calls[0]
        rows: Iterable[Row] = _rows_of(result, width, is_set)
    else:
        rows = _side_by_side([(_rows_of(r, w, s), max(w, 1)) for r, w, s in calls])
    if ordinality:
        rows = _numbered(rows)
    return drain(rows)


def _rows_of(result: Any, width: int, is_set: bool) -> Iterable[Row]:
    if not is_set:
        if width > 1:
            return [result if result is not None else (None,) * width]
        return [(result,)]
    if result is None:
        return []
    if width > 1:
        return _filled(result, width)
    return _single_columns(result)


# Generators written out: mypyc makes lists of generator expressions, and a series may be endless.


def _numbered(rows: Iterable[Row]) -> Iterator[Row]:
    for number, row in enumerate(rows, 1):
        yield (*row, number)


def _filled(rows: Iterable[Row | None], width: int) -> Iterator[Row]:
    nulls = (None,) * width
    for row in rows:
        yield nulls if row is None else row


def _single_columns(values: Iterable[object]) -> Iterator[Row]:
    for value in values:
        yield (value,)


def _side_by_side(sources: list[tuple[Iterable[Row], int]]) -> Iterator[Row]:
    iterators = [iter(rows) for rows, _ in sources]
    fillers: list[Row] = [(None,) * width for _, width in sources]
    while True:
        parts = [next(iterator, None) for iterator in iterators]
        if all(part is None for part in parts):
            return
        joined: Row = ()
        for part, filler in zip(parts, fillers, strict=True):
            joined += filler if part is None else part
        yield joined


def index_bounds(
    codec: Any, equal: Row, low: tuple[Any, bool] | None, high: tuple[Any, bool] | None, descending: bool
) -> tuple[bytes | None, bytes | None] | None:
    """(first key, first key beyond) of an index range; None when a bound is NULL, so that nothing matches.

    The range is over the column after those in `equal`.  NULL keys lie outside every bounded range.
    """
    if None in equal or (low is not None and low[0] is None) or (high is not None and high[0] is None):
        return None
    if descending:
        low, high = high, low
    start: bytes | None = codec.prefix(equal) if equal else None
    stop: bytes | None = codec.prefix_end(start) if start is not None else None
    if low is None and high is None:
        return start, stop
    nulls: bytes = (start or b"") + codec.null_key(len(equal))
    nulls_first: bool = codec.columns[len(equal)].nulls_first
    if low is not None:
        start = _start_of(codec, equal, low)
    elif nulls_first:
        start = codec.prefix_end(nulls)
    if high is not None:
        stop = _stop_of(codec, equal, high)
    elif not nulls_first:
        stop = nulls
    return start, stop


def _start_of(codec: Any, equal: Row, bound: tuple[Any, bool]) -> bytes | None:
    prefix: bytes = codec.prefix((*equal, bound[0]))
    return prefix if bound[1] else codec.prefix_end(prefix)


def _stop_of(codec: Any, equal: Row, bound: tuple[Any, bool]) -> bytes | None:
    prefix: bytes = codec.prefix((*equal, bound[0]))
    return codec.prefix_end(prefix) if bound[1] else prefix


MATCHES = 4096
"""Index entries that one look-up follows at most, as long as no single key has more."""

FEW = 1024
"""Rows under one key that are still read at once."""

KEYS_AT_ONCE = 8
"""Keys looked up between two looks at what it has cost, where rows may have to be read from the base."""

LOADS = 16
"""Blocks that one look-up of many keys reads from the base at most, or few more."""


def _is_few(index: Any, key: object) -> bool:
    few = FEW_IN_BASE if index.is_paged else FEW
    return bool(index.count(key, few) <= few)


def index_rows(reader: Any, index: Any, key: object, values: Row) -> Iterator[Batch]:
    """The rows under an equality key, in lists: at once if they are few, else by ranges of the index."""
    if _is_few(index, key):
        yield reader.lookup_all(index, key)
        return
    for _, rows in index_rows_ids(reader, index, key, values):
        yield rows


def index_rows_ids(reader: Any, index: Any, key: object, values: Row) -> Iterator[tuple[list[int], Batch]]:
    """As `index_rows`, with the rows' ids."""
    if _is_few(index, key):
        yield reader.lookup_ids(index, key)
        return
    low = index.codec.prefix(values)
    high = index.codec.prefix_end(low)
    after: bytes | None = None
    while True:
        ids, rows, after = reader.index_batch(index, low, high, after, BATCH, False)
        yield ids, rows
        if after is None:
            return


def index_matches(
    reader: Any, index: Any, batch: Batch, keys: list[object], with_ids: bool
) -> Iterator[Iterator[tuple[Any, Any]]]:
    """Pairs of a row of the batch and the rows under its key,
    so many pairs at a time that their matches stay few."""
    look_up = lookup_many_ids if with_ids else _lookup_many
    if index.is_paged:
        yield from _matches_in_base(reader, index, batch, keys, look_up)
        return
    if index.unique:
        yield zip(batch, look_up(reader, index, keys), strict=True)
        return
    counts = [index.count(key, MATCHES) for key in keys]
    if sum(counts) <= MATCHES:
        yield zip(batch, look_up(reader, index, keys), strict=True)
        return
    start = total = 0
    for position, count in enumerate(counts):
        if position > start and total + count > MATCHES:
            yield zip(batch[start:position], look_up(reader, index, keys[start:position]), strict=True)
            start, total = position, 0
        total += count
    yield zip(batch[start:], look_up(reader, index, keys[start:]), strict=True)


def _matches_in_base(
    reader: Any,
    index: Any,
    batch: Batch,
    keys: list[object],
    look_up: Callable[[Any, Any, list[object]], list[Any]],
) -> Iterator[Iterator[tuple[Any, Any]]]:
    """As `index_matches`, with few blocks read at a time, too."""
    start = position = total = 0
    found: list[Any] = []
    most_loads = reader.loads(index) + LOADS
    while position < len(keys):
        some = keys[position : position + KEYS_AT_ONCE]
        if not index.unique:
            some = _with_few_matches(index, some)
        position += len(some)
        for rows in look_up(reader, index, some):
            found.append(rows)
            total += len(rows)
        if total > MATCHES // 2 or reader.loads(index) >= most_loads:
            yield zip(batch[start:position], found, strict=True)
            start, total, found = position, 0, []
            most_loads = reader.loads(index) + LOADS
    if found:
        yield zip(batch[start:], found, strict=True)


def _with_few_matches(index: Any, keys: list[object]) -> list[object]:
    """As many of the keys, in order, as have few matches together; at least one."""
    total = 0
    for position, key in enumerate(keys):
        total += index.count(key, MATCHES)
        if total > MATCHES // 2 and position:
            return keys[:position]
    return keys


def _lookup_many(reader: Any, index: Any, keys: list[object]) -> list[Batch]:
    found: list[Batch] = reader.lookup_many(index, keys)
    return found


def lookup_many_ids(reader: Any, index: Any, keys: list[object]) -> list[list[tuple[Row, int]]]:
    """For each key its rows with their ids."""
    return [
        [(row, row_id) for row_id, row in zip(*reader.lookup_ids(index, key), strict=True)] for key in keys
    ]


def index_keys(index: Any, array: Row | None) -> Iterator[list[object]]:
    """The distinct non-null elements of an array as equality keys of a one-column index, in lists."""
    if array is None:
        return
    codec = index.codec
    keys = dict.fromkeys(codec.equality_key((item,)) for item in flat(array) if item is not None)
    yield from drain(keys)


def sorted_inputs(decorated: list[tuple[Any, ...]]) -> list[Any]:
    """The inputs of an aggregate with ORDER BY, in order."""
    decorated.sort()
    return [entry[2] for entry in decorated]


def limited(batches: Batches, limit: int | None, offset: int) -> Batches:
    """The batches without the first `offset` rows and at most `limit` more."""
    if limit == 0:
        return
    for batch in batches:
        if isinstance(batch, Step):
            yield batch
            continue
        if offset:
            if offset >= len(batch):
                offset -= len(batch)
                continue
            batch = batch[offset:]
            offset = 0
        if limit is not None:
            if len(batch) >= limit:
                yield batch[:limit]
                batches.close()
                return
            limit -= len(batch)
        yield batch


def limited_with_ties(batches: Iterator[list[Any]], limit: int | None, offset: int) -> Iterator[list[Any]]:
    """FETCH FIRST n ROWS WITH TIES over batches of (sort key, row): rows equal to the last one come along."""
    taken = 0
    last: Any = None
    for batch in batches:
        out: list[Any] = []
        for key, row in batch:
            if offset:
                offset -= 1
                continue
            if limit is not None and taken >= limit and key != last:
                if out:
                    yield out
                return
            taken += 1
            last = key
            out.append(row)
        if out:
            yield out


def first_of_each(batches: Iterator[list[Any]]) -> Iterator[list[Any]]:
    """DISTINCT ON over sorted batches of (on key, row): the first row of each key."""
    last: object = _NOTHING
    for batch in batches:
        out: list[Any] = []
        for key, row in batch:
            if key != last:
                last = key
                out.append(row)
        if out:
            yield out


_NOTHING = object()


# --- set operations, recursion ----------------------------------------

RowKey = Callable[[Row], object]


def row_key_function(type_oids: list[int]) -> RowKey:
    """A function from a row to something that is equal exactly for rows that are not distinct."""
    from skerry_engine.values.keys import KeyCodec, KeyColumn

    codecs = [KeyCodec((KeyColumn(oid),)) for oid in type_oids]

    def key(row: Row) -> object:
        return tuple([codec.equality_key((value,)) for codec, value in zip(codecs, row, strict=True)])

    return key


def union_all(ctx: Any, left: Batches, right: Batches, key: RowKey | None) -> Batches:
    """UNION ALL."""
    yield from left
    yield from right


def union_distinct(ctx: Any, left: Batches, right: Batches, key: RowKey | None) -> Batches:
    """UNION: each row once."""
    seen: set[object] = set()
    for source in (left, right):
        for batch in source:
            if isinstance(batch, Step):
                yield batch
                continue
            yield new_rows(batch, seen, key) or PAUSE
            ctx.check_memory(len(seen))


def new_rows(batch: Batch, seen: set[object], key: RowKey | None) -> Batch:
    """The rows of a batch not seen before; they are seen now."""
    out: Batch = []
    for row in batch:
        row_key = row if key is None else key(row)
        if row_key not in seen:
            seen.add(row_key)
            out.append(row)
    return out


def _count_rows(ctx: Any, batches: Batches, key: RowKey | None) -> Generator[Step, None, dict[object, int]]:
    counts: dict[object, int] = {}
    for batch in paced(batches):
        if isinstance(batch, Step):
            yield batch
            continue
        for row in batch:
            row_key = row if key is None else key(row)
            counts[row_key] = counts.get(row_key, 0) + 1
        ctx.check_memory(len(counts))
    return counts


def _matched(ctx: Any, left: Batches, right: Batches, key: RowKey | None, keep: bool, once: bool) -> Batches:
    """Rows of the left side that have (`keep`) or have not a partner on the right;
    `once` for the DISTINCT forms."""
    counts = yield from _count_rows(ctx, right, key)
    seen: set[object] = set()
    for batch in left:
        if isinstance(batch, Step):
            yield batch
            continue
        out: Batch = []
        for row in batch:
            row_key = row if key is None else key(row)
            if once:
                if row_key not in seen and (row_key in counts) is keep:
                    seen.add(row_key)
                    out.append(row)
                continue
            left_over = counts.get(row_key, 0)
            if left_over:
                counts[row_key] = left_over - 1
            if bool(left_over) is keep:
                out.append(row)
        yield out or PAUSE


def intersect_all(ctx: Any, left: Batches, right: Batches, key: RowKey | None) -> Batches:
    """INTERSECT ALL."""
    return _matched(ctx, left, right, key, True, False)


def intersect_distinct(ctx: Any, left: Batches, right: Batches, key: RowKey | None) -> Batches:
    """INTERSECT."""
    return _matched(ctx, left, right, key, True, True)


def except_all(ctx: Any, left: Batches, right: Batches, key: RowKey | None) -> Batches:
    """EXCEPT ALL."""
    return _matched(ctx, left, right, key, False, False)


def except_distinct(ctx: Any, left: Batches, right: Batches, key: RowKey | None) -> Batches:
    """EXCEPT."""
    return _matched(ctx, left, right, key, False, True)


def otherwise(ctx: Any, left: Batches, right: Batches, key: RowKey | None) -> Batches:
    """OTHERWISE: the left side's rows, or the right's if it has none."""
    is_empty = True
    for batch in left:
        is_empty = is_empty and (isinstance(batch, Step) or not batch)
        yield batch
    if is_empty:
        yield from right


def sorted_batches(ctx: Any, batches: Batches, decorate: Callable[[Batch], list[tuple[Any, Row]]]) -> Batches:
    """The rows in the order of the keys that `decorate` gives them."""
    sorter = Sorter()
    serial = 0
    for batch in batches:
        if isinstance(batch, Step):
            yield batch
            continue
        decorated = [(key, serial + n, row) for n, (key, row) in enumerate(decorate(batch))]
        serial += len(decorated)
        sorter.extend(decorated)
        ctx.check_memory(serial)
        yield PAUSE
    yield from sorter.batches()


def recursion(
    ctx: Any, cte_id: int, base: Batches, step: Callable[[], Batches], union_all: bool, key: RowKey | None
) -> Batches:
    """A recursive CTE: the base's rows, then the step's over the rows of the round before,
    until a round is empty."""
    seen: set[object] = set()
    source = base
    while True:
        fresh: Batch = []
        for batch in source:
            if isinstance(batch, Step):
                yield batch
                continue
            rows = batch if union_all else new_rows(batch, seen, key)
            fresh.extend(rows)
            ctx.check_memory(len(fresh) + len(seen))
            yield list(rows) or PAUSE
        if not fresh:
            return
        ctx.working[cte_id] = fresh
        source = step()


# --- row locks ----------------------------------------


def locked_rows(
    ctx: Any,
    decorated: list[tuple[Any, ...]],
    targets: tuple[tuple[int, str, str], ...],
    limit: int | None,
    offset: int,
) -> Batches:
    """FOR UPDATE and kin: lock the rows behind each result row, in order, until enough results stand."""
    out: Batch = []
    for _, _, ids, row in decorated:
        if limit is not None and len(out) >= limit:
            break
        kept = yield from ctx.lock_row_ids(targets, ids)
        if not kept:
            continue
        if offset:
            offset -= 1
            continue
        out.append(row)
    for chunk in chunks(out):
        yield list(chunk)
