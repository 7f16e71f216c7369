"""Operators on differences: what a change of the tables makes of a query's result.

A *difference* is rows with multiplicities: (row, 2) two more, (row, -1) one less; an update is the old row less and the
new one more.  The rows of a table are a difference from nothing, so that filling a view is only a large change.

    table a ── Source ── Filter ──┐
                                  Join ── Group ── Map ── Output ──> rows to delete and to insert
    table b ── Source ────────────┘

Each operator turns the differences of its inputs into that of its output, asking for nothing but its state: what it
costs depends on the change, and not on the tables.

    Source, Map, Filter, Union    nothing to remember
    Join      both inputs by the join's key: dL x R, then (L + dL) x dR
    Group     per group its aggregates' memories (accumulators.py); for min, max and DISTINCT also the inputs, counted,
              in order
    Distinct  per row how often it is there; what comes and what goes shows
    Output    (sink) which rows of the view's table are images of one another

Rules:
- Rows count as the same where SQL says so (`KeyCodec`): NULL is not distinct from NULL, nor NaN from NaN, -0 from 0,
  1.0 from 1.00.  Which of several images shows for a group is any of them, as in the executor.  `Output` goes by the
  exact image instead, so that no digit gets lost.
- Differences need not be consolidated: a row may come and go within one.  Multiplicities in the state are never below
  0 once a whole difference has been taken in.
- An operator takes in all of its inputs before the next one begins, so that no expression sees groups half made: a sum
  that is 0 for a moment is nobody's divisor.  It does so in slices, between which its host may do something else.
- Expressions are compiled by the planner, as everywhere.  What they raise comes through; then the state is worth
  nothing, and whoever keeps it drops what was written since.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, cast

from skerry_engine.abc import FunctionContext
from skerry_engine.storage.heap import Row
from skerry_engine.storage.row_codec import pack
from skerry_engine.values.keys import KeyCodec
from skerry_engine.views.accumulators import Accumulator
from skerry_engine.views.state import KeyedState, Part

Difference = list[tuple[Row, int]]
Compiled = Callable[[Any, Row], Row]

LONGEST_IMAGE = 64
"""Longer images are kept by their digest."""

OUTPUT = 1
"""The sink's number; operators have those from 2 on.  0 is for whoever keeps the state."""


def image_of(row: Row) -> bytes:
    """What only rows that are the same in every digit have; none begins with another one."""
    image = pack(row)
    return b"\0" + image if len(image) <= LONGEST_IMAGE else b"\1" + blake2b(image, digest_size=24).digest()


SLICE = 100
"""So many rows are taken in between two pauses."""


def _slices(rows: Difference) -> Iterator[Difference]:
    for first in range(0, len(rows), SLICE):
        yield rows[first : first + SLICE]


class Operator:
    """A step from differences to a difference."""

    def apply(
        self, inputs: Sequence[Difference], state: Part, functions: FunctionContext
    ) -> Iterator[Difference]:
        """The difference of the output, in parts, perhaps empty ones.  Raises what expressions raise."""
        raise NotImplementedError

    def start(self, state: Part, functions: FunctionContext) -> Difference:
        """What there is before any input, to be taken in once."""
        return []


class Map(Operator):
    """Rows made of rows."""

    def __init__(self, outputs: Compiled) -> None:
        self._outputs = outputs

    def apply(
        self, inputs: Sequence[Difference], state: Part, functions: FunctionContext
    ) -> Iterator[Difference]:
        outputs = self._outputs
        for rows in _slices(inputs[0]):
            yield [(outputs(functions, row), count) for row, count in rows]


class Filter(Operator):
    """The rows for which all conditions are true, asked one after the other."""

    def __init__(self, conditions: Sequence[Compiled]) -> None:
        self._conditions = tuple(conditions)

    def apply(
        self, inputs: Sequence[Difference], state: Part, functions: FunctionContext
    ) -> Iterator[Difference]:
        for rows in _slices(inputs[0]):
            left = rows
            for condition in self._conditions:
                left = [entry for entry in left if condition(functions, entry[0])[0] is True]
            yield left


class Union(Operator):
    """UNION ALL."""

    def apply(
        self, inputs: Sequence[Difference], state: Part, functions: FunctionContext
    ) -> Iterator[Difference]:
        yield from inputs


class Join(Operator):
    """Rows of the left, each with those of the right that have the same key; a key with a NULL has none.

    `keys` make the key's values of a row of each side.
    """

    def __init__(self, keys: tuple[Compiled, Compiled], codec: KeyCodec) -> None:
        self._keys = keys
        self._codec = codec

    def apply(
        self, inputs: Sequence[Difference], state: Part, functions: FunctionContext
    ) -> Iterator[Difference]:
        for rows in _slices(inputs[0]):
            keyed = list(self._keyed(0, rows, functions))
            yield [
                (row + other, count * times)
                for row, count, key in keyed
                for other, times in self._matches(state, b"\1", key)
            ]
            self._keep(state, b"\0", keyed)
        for rows in _slices(inputs[1]):
            keyed = list(self._keyed(1, rows, functions))
            yield [
                (other + row, count * times)
                for row, count, key in keyed
                for other, times in self._matches(state, b"\0", key)
            ]
            self._keep(state, b"\1", keyed)

    def _keyed(
        self, side: int, rows: Difference, functions: FunctionContext
    ) -> Iterable[tuple[Row, int, bytes]]:
        values_of, codec = self._keys[side], self._codec
        for row, count in rows:
            values = values_of(functions, row)
            if None not in values:
                yield row, count, codec.order_key(values)

    def _matches(self, state: Part, side: bytes, key: bytes) -> list[tuple[Row, int]]:
        return [cast("tuple[Row, int]", value) for _, value in state.scan(side + key)]

    def _keep(self, state: Part, side: bytes, rows: Iterable[tuple[Row, int, bytes]]) -> None:
        for row, count, key in rows:
            place = side + key + image_of(row)
            kept = state.get(place)
            _put_counted(state, place, row, count + (0 if kept is None else cast(int, kept[1])))


def _put_counted(state: Part, place: bytes, value: object, count: int) -> None:
    if count:
        state.set(place, (value, count))
    else:
        state.remove(place)


class Distinct(Operator):
    """Every row once."""

    def __init__(self, codec: KeyCodec) -> None:
        self._codec = codec

    def apply(
        self, inputs: Sequence[Difference], state: Part, functions: FunctionContext
    ) -> Iterator[Difference]:
        changed: dict[bytes, list[Any]] = {}  # key -> row that shows, its count before, its count
        for rows in _slices(inputs[0]):
            for row, count in rows:
                key = self._codec.order_key(row)
                entry = changed.get(key)
                if entry is None:
                    shown, before = state.get(key) or (row, 0)
                    entry = changed[key] = [shown, before, before]
                if not entry[1] and count > 0:
                    entry[0] = row
                entry[2] += count
            yield []
        made: Difference = []
        for key, (shown, before, now) in changed.items():
            _put_counted(state, key, shown, now)
            if before and not now:
                made.append((shown, -1))
            elif now and not before:
                made.append((shown, 1))
            if len(made) >= SLICE:
                yield made
                made = []
        yield made


@dataclass(frozen=True, slots=True)
class Kept:
    """How a group keeps one aggregate.

    `has_input`: whether there is an argument, whose NULLs do not count.  `codec`: the inputs are kept, counted, in this
    order; `is_extreme`: the first of them is the result; else they are told to the accumulator once each (DISTINCT).
    """

    accumulator: Accumulator
    has_input: bool
    codec: KeyCodec | None = None
    is_extreme: bool = False


class _Group:
    """A group that a difference touches: what it was, and what it is."""

    __slots__ = ("before", "values", "count", "memories", "is_stale")

    def __init__(self, before: Row | None, values: Row, count: int, memories: list[Row]) -> None:
        self.before = before
        self.values = values
        self.count = count
        self.memories = memories
        self.is_stale: set[int] = set()


class Group(Operator):
    """GROUP BY: rows of keys and aggregates.  `inputs` makes the keys' values, then one for each aggregate.

    Without keys there is one group, with or without rows.
    """

    def __init__(
        self, inputs: Compiled, codec: KeyCodec | None, key_count: int, kept: Sequence[Kept]
    ) -> None:
        self._inputs = inputs
        self._codec = codec
        self._key_count = key_count
        self._kept = tuple(kept)

    def start(self, state: Part, functions: FunctionContext) -> Difference:
        if self._codec is not None:
            return []
        group = self._empty(())
        self._save(state, b"\0", group)
        return [(self._shown(group), 1)]

    def apply(
        self, inputs: Sequence[Difference], state: Part, functions: FunctionContext
    ) -> Iterator[Difference]:
        touched: dict[bytes, _Group] = {}
        for rows in _slices(inputs[0]):
            for row, count in rows:
                self._take(touched, self._inputs(functions, row), count, state)
            yield []
        made: Difference = []
        for key, group in touched.items():
            made += self._settled(state, key, group)
            if len(made) >= SLICE:
                yield made
                made = []
        yield made

    def _take(self, touched: dict[bytes, _Group], values: Row, count: int, state: Part) -> None:
        """Take `count` more of a row into its group."""
        key_count = self._key_count
        keys = values[:key_count]
        key = b"" if self._codec is None else self._codec.order_key(keys)
        group = touched.get(key)
        if group is None:
            group = touched[key] = self._load(state, b"\0" + key, keys)
        group.count += count
        for number, each in enumerate(self._kept):
            value = values[key_count + number]
            if value is None and each.has_input:
                continue
            times = count
            if each.codec is not None:
                times = self._count_input(state, key, number, each.codec, value, count)
                if each.is_extreme:
                    group.is_stale.add(number)
                    continue
            if times:
                group.memories[number] = each.accumulator.add(group.memories[number], value, times)

    def _settled(self, state: Part, key: bytes, group: _Group) -> Difference:
        """What has become of a group."""
        for number in group.is_stale:
            first = state.scan(_inputs_of(number, key), 1)
            group.memories[number] = (first[0][1][0],) if first else (None,)
        made: Difference = [] if group.before is None else [(group.before, -1)]
        if group.count or self._codec is None:
            made.append((self._shown(group), 1))
            self._save(state, b"\0" + key, group)
        else:
            state.remove(b"\0" + key)
        return made

    def _count_input(
        self, state: Part, key: bytes, number: int, codec: KeyCodec, value: object, count: int
    ) -> int:
        """Keep `count` more of an input; how many more different ones there are then."""
        place = _inputs_of(number, key) + codec.order_key((value,))
        kept, before = state.get(place) or (value, 0)
        now = cast(int, before) + count
        _put_counted(state, place, kept, now)
        return (now > 0) - (cast(int, before) > 0)

    def _empty(self, keys: Row) -> _Group:
        memories: list[Row] = [(None,) if each.is_extreme else each.accumulator.empty for each in self._kept]
        return _Group(None, keys, 0, memories)

    def _load(self, state: Part, place: bytes, keys: Row) -> _Group:
        found = state.get(place)
        if found is None:
            return self._empty(keys)
        count, values, memories = cast("tuple[int, Row, tuple[Row, ...]]", found)
        group = _Group(None, values, count, list(memories))
        group.before = self._shown(group)
        return group

    def _save(self, state: Part, place: bytes, group: _Group) -> None:
        state.set(place, (group.count, group.values, tuple(group.memories)))

    def _shown(self, group: _Group) -> Row:
        results = [
            memory[0] if each.is_extreme else each.accumulator.result(memory)
            for each, memory in zip(self._kept, group.memories, strict=True)
        ]
        return (*group.values, *results)


def _inputs_of(number: int, key: bytes) -> bytes:
    """Where a group's inputs of an aggregate are."""
    return bytes((1, number >> 8, number & 255)) + key


# --- a whole query ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Source:
    """A table that is read: which of its columns, by position in the stored row."""

    table_oid: int
    columns: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Step:
    """An operator and the steps whose output it takes, by number: those of sources come first."""

    operator: Operator
    inputs: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class DataFlow:
    """The operators of a query, in an order in which inputs come before what takes them; the last one's output is the
    query's result."""

    sources: tuple[Source, ...]
    steps: tuple[Step, ...]

    def table_oids(self) -> frozenset[int]:
        """The tables that are read."""
        return frozenset(source.table_oid for source in self.sources)

    def apply(
        self,
        changes: Mapping[int, Difference],
        state: KeyedState,
        functions: FunctionContext,
        output: Output,
        is_start: bool = False,
    ) -> Iterator[None]:
        """Take in differences of tables' stored rows, by OID: the result's goes into `output`, in as many slices as it
        takes.  `is_start`: the result over empty tables comes first.  Raises what expressions raise.
        """
        made: list[Difference] = []
        for source in self.sources:
            made.append([])
            for rows in _slices(changes.get(source.table_oid, [])):
                made[-1] += _columns(rows, source.columns)
                yield
        last_use = {each: number for number, step in enumerate(self.steps) for each in step.inputs}
        for number, step in enumerate(self.steps):
            part = Part(state, number + OUTPUT + 1)
            made.append(step.operator.start(part, functions) if is_start else [])
            inputs = [made[each] for each in step.inputs]
            for some in step.operator.apply(inputs, part, functions) if any(inputs) else ():
                made[-1] += some
                yield
            for each in step.inputs:
                if last_use[each] == number:
                    made[each] = []
        for rows in _slices(made[-1]):
            output.add(rows)
            yield


def _columns(changes: Iterable[tuple[Row, int]], columns: tuple[int, ...]) -> Difference:
    return [(tuple([row[position] for position in columns]), count) for row, count in changes]


class Output:
    """The differences of a result, gathered until the view's table is written.

    The state says for each image which rows of the table are it: `claim` takes one of them out, `place` puts one in.
    """

    def __init__(self) -> None:
        self.rows: dict[bytes, list[Any]] = {}  # image -> row, how many more or fewer

    def add(self, difference: Difference) -> None:
        """Take a difference in."""
        changed = self.rows
        for row, count in difference:
            image = image_of(row)
            entry = changed.get(image)
            if entry is None:
                changed[image] = [row, count]
            else:
                entry[1] += count

    def changes(self) -> list[tuple[bytes, Row, int]]:
        """(image, row, how many more or fewer) of what has changed, those that go first."""
        left = [(image, row, count) for image, (row, count) in self.rows.items() if count]
        return sorted(left, key=lambda each: each[2] > 0)


def claim(state: KeyedState, image: bytes, count: int) -> list[int]:
    """Forget `count` rows of an image, and give their ids."""
    part = Part(state, OUTPUT)
    found = part.scan(image, count)
    for key, _ in found:
        part.remove(key)
    return [int.from_bytes(key[len(image) :], "big") for key, _ in found]


def place(state: KeyedState, image: bytes, row_id: int) -> None:
    """Remember that a row of the view's table is an image."""
    Part(state, OUTPUT).set(image + row_id.to_bytes(8, "big"), ())
