"""Window functions: input rows are gathered, sorted by partition and order,
and each function is computed over them.

The generated code gathers (row variables, per call: arguments) with the partition and order keys;
`window_rows` then goes partition by partition.  Peers are rows with equal order keys.

    partition   rows in order         frame of the current row: [start, end)
                 0 1 2 3 4 5 6
                     |--- ---|
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from skerry_engine import errors
from skerry_engine.algebra import expressions as ex
from skerry_engine.functions.namespace import NAMESPACE
from skerry_engine.functions.registry import AggregateFunction
from skerry_engine.plan import physical as ph
from skerry_engine.plan.expressions import RowVariable
from skerry_engine.plan.runtime import sort_paced
from skerry_engine.plan.sorting import sort_key_text
from skerry_engine.session.steps import PAUSE

if TYPE_CHECKING:
    from skerry_engine.plan.relations import RelationWriter


class WindowWriter:
    """Writes one Window node."""

    def __init__(self, relations: RelationWriter) -> None:
        self.relations = relations
        self.block = relations.block
        self.module = relations.module

    def write(self, node: ph.WindowRows, consume: Callable[[], None]) -> None:
        """Gather the input, compute, then loop over the rows with their results."""
        relations, calls = self.relations, node.window.calls
        gathered = self.module.fresh("w")
        ranges = ph.ranges_of(node.input)
        self.block.emit(f"{gathered} = []")

        def gather() -> None:
            scalars = relations.scalars
            partition = tuple(ex.SortKey(e) for e in calls[0].partition_by)
            pkey = sort_key_text(partition, scalars, relations.hash_atom) if partition else "0"
            okey = (
                sort_key_text(calls[0].order_by, scalars, relations.hash_atom) if calls[0].order_by else "0"
            )
            arguments = ", ".join(self._arguments(call) for call in calls)
            measured = "None"
            if any(call.frame.in_range is not None for call in calls):
                measured = scalars.value(calls[0].order_by[0].expr)
            items = f"({relations._pack_items(ranges)},)" if ranges else "()"
            self.block.emit(
                f"{gathered}.append(({pkey}, {okey}, len({gathered}), {items}, ({arguments},), {measured}))"
            )

        relations.blocking(lambda: relations.produce(node.input, gather), f"len({gathered})")
        specs = self.module.bind("k", tuple(_Spec(call) for call in calls))
        offsets = ", ".join(
            f"({self._offset(call.frame.start[1])}, {self._offset(call.frame.end[1])})" for call in calls
        )
        helper = self.module.bind("rt", window_rows)
        batch = self.module.fresh("b")
        row = RowVariable(self.module.fresh("r"), len(calls))
        functions = self.block.declare("fc", "ctx.functions")
        with self.block.each_batch(batch, f"{helper}({gathered}, {specs}, ({offsets},), {functions})"):
            relations.rows[node.window.range_id] = row
            relations.dormant -= ranges.keys()
            packed = f"({relations._pack_items(ranges)},)" if ranges else "_"
            with self.block.indented(f"for {packed}, {row.name} in {batch}:"):
                relations.inner += 1
                relations._where(node.filters, consume)
                relations.inner -= 1
                relations._after_row()
            relations._after_batch(f"len({batch})")

    def _offset(self, expr: ex.Expr | None) -> str:
        return "None" if expr is None else self.relations.scalars.value(expr)

    def _arguments(self, call: ex.WindowCall) -> str:
        values = [self.relations.scalars.value(a) for a in call.args]
        text = f"({', '.join(values)},)" if values else "()"
        if call.filter is None:
            return text
        return f"({text} if {self.relations.scalars.is_true(call.filter)} else None)"


class _Spec:
    """A window call as the run-time half needs it."""

    def __init__(self, call: ex.WindowCall) -> None:
        self.name = call.function.name
        self.frame = call.frame
        self.has_order = bool(call.order_by)
        self.descending = bool(call.order_by) and call.order_by[0].descending
        self.aggregate: Callable[[list[Any], Any], Any] | None = None
        self.running: Running | None = None
        if isinstance(call.function, AggregateFunction):
            self.aggregate = aggregate_over(call.function, len(call.args))
            if call.frame.start[0] == "unbounded_preceding" and call.frame.exclude == "no_others":
                self.running = running_aggregate(call.function, len(call.args))


def window_rows(
    gathered: list[tuple[Any, ...]],
    specs: tuple[_Spec, ...],
    offsets: tuple[tuple[Any, Any], ...],
    functions: Any,
) -> Iterator[Any]:
    """(input row, results) in lists, partition by partition; a pause after each large partition."""
    yield from sort_paced(gathered)
    start = 0
    out: list[Any] = []
    while start < len(gathered):
        end = _partition_end(gathered, start)
        partition = gathered[start:end]
        peers = _peer_groups(partition)
        columns = [_compute(spec, partition, peers, n, offsets[n], functions) for n, spec in enumerate(specs)]
        out.extend((entry[3], tuple([column[i] for column in columns])) for i, entry in enumerate(partition))
        start = end
        while len(out) >= 512:
            yield out[:512]
            del out[:512]
            yield PAUSE
    if out:
        yield out


def _partition_end(gathered: list[tuple[Any, ...]], start: int) -> int:
    key = gathered[start][0]
    end = start + 1
    while end < len(gathered) and gathered[end][0] == key:
        end += 1
    return end


def _peer_groups(partition: list[tuple[Any, ...]]) -> list[tuple[int, int]]:
    """For each row the bounds of its peer group."""
    bounds: list[tuple[int, int]] = []
    start = 0
    while start < len(partition):
        end = start + 1
        while end < len(partition) and partition[end][1] == partition[start][1]:
            end += 1
        bounds.extend([(start, end)] * (end - start))
        start = end
    return bounds


def _compute(
    spec: _Spec,
    partition: list[tuple[Any, ...]],
    peers: list[tuple[int, int]],
    number: int,
    offsets: tuple[Any, Any],
    functions: Any,
) -> list[Any]:
    arguments = [entry[4][number] for entry in partition]
    ranking = _RANKINGS.get(spec.name)
    if ranking is not None:
        return ranking(arguments, peers)
    if spec.aggregate is None and spec.name in ("lag", "lead"):
        return _shifted(arguments, -1 if spec.name == "lag" else 1)
    frames = _frames(spec, partition, peers, offsets, functions)
    if spec.aggregate is not None:
        return _aggregates(spec, arguments, peers, frames, functions)
    return _values(spec, arguments, peers, frames)


# --- frames ----------------------------------------


Frames = Callable[[int], tuple[int, int]]


def _frames(
    spec: _Spec,
    partition: list[tuple[Any, ...]],
    peers: list[tuple[int, int]],
    offsets: tuple[Any, Any],
    functions: Any,
) -> Frames:
    """From a row's number to its frame: [start, end)."""
    frame, count = spec.frame, len(partition)
    if frame.mode == "groups":
        starts = [i for i, (a, _) in enumerate(peers) if a == i]
        groups = {start: number for number, start in enumerate(starts)}

        def by_group(i: int) -> tuple[int, int]:
            group = groups[peers[i][0]]
            start = _group_edge(frame.start[0], offsets[0], group, starts, count, True)
            end = _group_edge(frame.end[0], offsets[1], group, starts, count, False)
            return start, max(start, end)

        return by_group
    if frame.in_range is not None:
        return _Distances(spec, [entry[5] for entry in partition], peers, offsets, functions).frame
    by_row = frame.mode == "rows"

    def by_position(i: int) -> tuple[int, int]:
        first, last = (i, i) if by_row else (peers[i][0], peers[i][1] - 1)
        start = _edge(frame.start[0], offsets[0], i, count, first, "starting")
        end = _edge(frame.end[0], offsets[1], i, count, last, "ending") + 1
        start, end = max(0, start), min(count, end)
        return start, max(start, end)

    return by_position


class _Distances:
    """RANGE with an offset: the rows whose sort value lies within a distance of the current row's.

    Values ascend (or descend) within the rows that are not NULL, so that both edges are found by bisection.
    """

    def __init__(
        self,
        spec: _Spec,
        values: list[Any],
        peers: list[tuple[int, int]],
        offsets: tuple[Any, Any],
        functions: Any,
    ) -> None:
        function = spec.frame.in_range
        assert function is not None and function.implementation is not None
        self._in_range = function.implementation
        self._first = (functions,) if function.needs_context else ()
        self._spec, self._values, self._peers, self._offsets = spec, values, peers, offsets
        known = [i for i, value in enumerate(values) if value is not None]
        self._low, self._high = (known[0], known[-1] + 1) if known else (0, 0)

    def frame(self, i: int) -> tuple[int, int]:
        """The frame of row `i`."""
        frame = self._spec.frame
        start = self._edge(i, frame.start[0], self._offsets[0], True)
        end = self._edge(i, frame.end[0], self._offsets[1], False)
        return start, max(start, end)

    def _edge(self, i: int, kind: str, offset: Any, is_start: bool) -> int:
        if kind == "unbounded_preceding":
            return 0
        if kind == "unbounded_following":
            return len(self._values)
        if kind != "current" and offset is None:
            raise errors.NullValueNotAllowed(
                f"frame {'starting' if is_start else 'ending'} offset must not be null"
            )
        if kind == "current" or self._values[i] is None:
            return self._peers[i][0 if is_start else 1]
        subtract = (kind == "preceding") != self._spec.descending
        less = is_start == self._spec.descending
        low, high = self._low, self._high
        while low < high:
            middle = (low + high) // 2
            inside = self._in_range(
                *self._first, self._values[middle], self._values[i], offset, subtract, less
            )
            if inside == is_start:
                high = middle
            else:
                low = middle + 1
        return low


def _edge(kind: str, offset: Any, i: int, count: int, current: int, which: str) -> int:
    if kind == "unbounded_preceding":
        return 0
    if kind == "unbounded_following":
        return count - 1
    if kind == "current":
        return current
    _check_offset(offset, which)
    return i - int(offset) if kind == "preceding" else i + int(offset)


def _check_offset(offset: Any, which: str) -> None:
    if offset is None:
        raise errors.NullValueNotAllowed(f"frame {which} offset must not be null")
    if offset < 0:
        raise errors.InvalidPrecedingOrFollowingSize(f"frame {which} offset must not be negative")


def _group_edge(kind: str, offset: Any, group: int, starts: list[int], count: int, is_start: bool) -> int:
    if kind == "unbounded_preceding":
        return 0
    if kind == "unbounded_following":
        return count
    target = group
    if kind != "current":
        _check_offset(offset, "starting" if is_start else "ending")
        target = group - int(offset) if kind == "preceding" else group + int(offset)
    if is_start:
        return starts[max(target, 0)] if target < len(starts) else count
    if target < 0:
        return 0
    return starts[target + 1] if target + 1 < len(starts) else count


def _members(spec: _Spec, i: int, start: int, end: int, peers: list[tuple[int, int]]) -> list[int]:
    """The rows of the frame, EXCLUDE applied."""
    exclude = spec.frame.exclude
    rows = range(start, end)
    if exclude == "no_others":
        return list(rows)
    low, high = peers[i]
    if exclude == "current":
        return [r for r in rows if r != i]
    if exclude == "group":
        return [r for r in rows if not low <= r < high]
    return [r for r in rows if r == i or not low <= r < high]


# --- functions ----------------------------------------


def _aggregates(
    spec: _Spec, arguments: list[Any], peers: list[tuple[int, int]], frames: Frames, functions: Any
) -> list[Any]:
    assert spec.aggregate is not None
    count = len(arguments)
    if spec.running is not None:
        return _running_values(spec.running(), arguments, frames)
    results: list[Any] = []
    cached: tuple[int, int] | None = None
    value: Any = None
    for i in range(count):
        frame = frames(i)
        if frame != cached or spec.frame.exclude != "no_others":
            members = _members(spec, i, frame[0], frame[1], peers)
            value = spec.aggregate([arguments[m] for m in members if arguments[m] is not None], functions)
            cached = frame
        results.append(value)
    return results


def _running_values(
    running: Generator[Any, list[Any], None], arguments: list[Any], frames: Frames
) -> list[Any]:
    """A frame that only grows: each row adds what is new in it."""
    value = next(running)
    value = running.send([])
    done = 0
    results: list[Any] = []
    for i in range(len(arguments)):
        end = frames(i)[1]
        if end > done:
            value = running.send([a for a in arguments[done:end] if a is not None])
            done = end
        results.append(value)
    return results


Running = Callable[[], Generator[Any, list[Any], None]]


def running_aggregate(function: AggregateFunction, arity: int) -> Running | None:
    """A generator that is sent more inputs and gives the aggregate so far; None without an inline form."""
    if function.final is None:
        return None
    text = _inlined(function, arity)
    lines = ["def running():", *[f"    {line}" for line in text.initial]]
    lines += ["    inputs = yield None", "    while True:"]
    lines += [f"        {line}" for line in text.loop]
    lines.append(f"        inputs = yield {text.final}")
    running: Running = _executed("\n".join(lines), "running")
    return running


@dataclass(frozen=True)
class _Inlined:
    """An aggregate's templates as lines over local variables."""

    initial: list[str]
    loop: list[str]
    final: str


def _inlined(function: AggregateFunction, arity: int) -> _Inlined:
    slots = [f"s{n}" for n in range(len(function.initial or ()))]
    names = [f"a{n}" for n in range(arity)]
    step, final = function.step or "pass", function.final or "None"
    for n, slot in enumerate(slots):
        step, final = step.replace(f"{{s{n}}}", slot), final.replace(f"{{s{n}}}", slot)
    for n, name in enumerate(names):
        step = step.replace(f"{{{n}}}", name)
    loop = [f"for {', '.join(names) + ',' if names else '_'} in inputs:"]
    if function.strict and names:
        loop.append(f"    if {' or '.join(f'{n} is None' for n in names)}: continue")
    loop += [f"    {line}" for line in step.splitlines()]
    initial = [f"{slot} = {text}" for slot, text in zip(slots, function.initial or (), strict=True)]
    return _Inlined(initial, loop, final)


def _executed(source: str, name: str) -> Any:
    namespace: dict[str, Any] = dict(NAMESPACE)
    exec(source, namespace)  # our own templates, no user text
    return namespace[name]


def aggregate_over(function: AggregateFunction, arity: int) -> Callable[[list[Any], Any], Any]:
    """A plain function from the argument tuples of a frame to the aggregate's value."""
    if function.final is None:
        return _finishing(function, arity)
    text = _inlined(function, arity)
    lines = ["def run(inputs, functions):", *[f"    {line}" for line in (*text.initial, *text.loop)]]
    lines.append(f"    return {text.final}")
    run: Callable[[list[Any], Any], Any] = _executed("\n".join(lines), "run")
    return run


def _finishing(function: AggregateFunction, arity: int) -> Callable[[list[Any], Any], Any]:
    finish = function.finish
    assert finish is not None

    def run(inputs: list[Any], functions: Any) -> Any:
        if function.strict:
            inputs = [item for item in inputs if None not in item]
        values = [item[0] for item in inputs] if arity == 1 else inputs
        return finish(functions, values) if function.needs_context else finish(values)

    return run


def _row_number(arguments: list[Any], peers: list[tuple[int, int]]) -> list[Any]:
    return list(range(1, len(arguments) + 1))


def _rank(arguments: list[Any], peers: list[tuple[int, int]]) -> list[Any]:
    return [start + 1 for start, _ in peers]


def _dense_rank(arguments: list[Any], peers: list[tuple[int, int]]) -> list[Any]:
    ranks: list[Any] = []
    rank = 0
    for i, (start, _) in enumerate(peers):
        rank += start == i
        ranks.append(rank)
    return ranks


def _percent_rank(arguments: list[Any], peers: list[tuple[int, int]]) -> list[Any]:
    others = len(peers) - 1
    return [start / others if others else 0.0 for start, _ in peers]


def _cume_dist(arguments: list[Any], peers: list[tuple[int, int]]) -> list[Any]:
    return [end / len(peers) for _, end in peers]


def _ntile(arguments: list[Any], peers: list[tuple[int, int]]) -> list[Any]:
    buckets = arguments[0][0]
    if buckets is None:
        return [None] * len(arguments)
    if buckets <= 0:
        raise errors.InvalidArgumentForNtile("argument of ntile must be greater than zero")
    size, larger = divmod(len(arguments), buckets)
    tiles: list[Any] = []
    for bucket in range(min(buckets, len(arguments))):
        tiles.extend([bucket + 1] * (size + (bucket < larger)))
    return tiles


_RANKINGS: dict[str, Callable[[list[Any], list[tuple[int, int]]], list[Any]]] = {
    "row_number": _row_number,
    "rank": _rank,
    "dense_rank": _dense_rank,
    "percent_rank": _percent_rank,
    "cume_dist": _cume_dist,
    "ntile": _ntile,
}


def _values(spec: _Spec, arguments: list[Any], peers: list[tuple[int, int]], frames: Frames) -> list[Any]:
    results: list[Any] = []
    for i in range(len(arguments)):
        start, end = frames(i)
        members = _members(spec, i, start, end, peers)
        results.append(_pick(spec.name, arguments, members, i))
    return results


def _pick(name: str, arguments: list[Any], members: list[int], i: int) -> Any:
    if name == "first_value":
        return arguments[members[0]][0] if members else None
    if name == "last_value":
        return arguments[members[-1]][0] if members else None
    n = arguments[i][1]
    if n is None:
        return None
    if n <= 0:
        raise errors.InvalidArgumentForNthValue("argument of nth_value must be greater than zero")
    return arguments[members[n - 1]][0] if n <= len(members) else None


def _shifted(arguments: list[Any], direction: int) -> list[Any]:
    results: list[Any] = []
    for i, args in enumerate(arguments):
        offset = args[1] if len(args) > 1 else 1
        if offset is None:
            results.append(None)
            continue
        target = i + direction * offset
        inside = 0 <= target < len(arguments)
        results.append(arguments[target][0] if inside else (args[2] if len(args) > 2 else None))
    return results
