"""What a path search meets at run time: the generated functions of its segments, and edges straight from their index.

    search (path_search.py)                      generated code
    -----------------------                      --------------
    ways on from nodes 7, 9  ── EdgeHop ───────> the index of sources: rows of edges, filtered by label
                             ── or a function ─> bindings[n] = [(7,), (9,)]; the rows of a query that joins them
                                                 with the segment's relation: (7, edge, node), (9, edge, node), ...
    conditions of groups     ── a function ────> bindings[n] = rows of the group's outputs; the numbers of those kept
    values of references     ── a function ────> bindings[n] = [(7,), ...]; (7, value), ...

A search knows references as numbers.  Where elements come from several tables a reference has two parts, table OID and
row id; they are packed into one number, with the table's place in a list that grows as tables are met.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

from skerry_engine import errors
from skerry_engine.plan.path_program import Program
from skerry_engine.plan.path_search import NONE, Output, PathSearcher, Ways, Work
from skerry_engine.plan.runtime import FEW, index_rows_ids
from skerry_engine.session.steps import PAUSE
from skerry_engine.storage.reader import add_ways

Row = tuple[Any, ...]
Function = Callable[[], Iterator[Any]]

ROW_ID_BITS: Final = 40
ROW_ID_MASK: Final = (1 << ROW_ID_BITS) - 1


class EdgeHop:
    """The edges of a native graph as ways on, from the indexes of their ends.

    `forward` and `backward` are an index and the position of the other end in an edge's row, or None: with both, edges
    are walked either way, loops once.  `fits` tells by shape whether an edge's labels do; None: they all do.  `kinds`
    are the numbers of the ways forward, backward, and backward without loops (`way_kind`).
    """

    __slots__ = ("reader", "forward", "backward", "fits", "kinds")

    def __init__(
        self,
        reader: Any,
        forward: tuple[Any, int] | None,
        backward: tuple[Any, int] | None,
        fits: Any,
        kinds: tuple[int, int, int],
    ) -> None:
        self.reader: Any = reader
        self.forward: tuple[Any, int] | None = forward
        self.backward: tuple[Any, int] | None = backward
        self.fits: Any = fits
        self.kinds: tuple[int, int, int] = kinds

    def ways(self, nodes: list[int]) -> list[Ways | None]:
        """The ways on from each node; None where there are so many, or so far away, that they take a while."""
        found: list[Ways | None] | None = None
        if self.forward is not None:
            index, other = self.forward
            found = self.reader.ways_of(index, nodes, other, self.fits, False, FEW, self.kinds[0])
        if self.backward is not None:
            both = found is not None
            index, other = self.backward
            kind = self.kinds[2] if both else self.kinds[1]
            back: list[Ways | None] = self.reader.ways_of(index, nodes, other, self.fits, both, FEW, kind)
            if found is None:
                return back
            for number in range(len(nodes)):
                there, more = found[number], back[number]
                found[number] = None if there is None or more is None else there + more
        assert found is not None, "a hop has a side"
        return found

    def many(self, node: int) -> Work:
        """The ways on from one node, in time."""
        ways: Ways = []
        for side in (self.forward, self.backward):
            if side is None:
                continue
            no_loops = side is self.backward and self.forward is not None
            for ids, rows in index_rows_ids(self.reader, side[0], node, (node,)):
                add_ways(node, ids, rows, side[1], self.fits, no_loops, ways)
                yield PAUSE
        return ways


class Tools:
    """What the generated code hands to a search: for each segment a hop or a function, and the other functions.

    Behind those for the direction of the search stand, for searches from both ends, those against it.
    """

    __slots__ = ("hops", "segments", "checks", "nodes", "edges")

    def __init__(
        self,
        hops: tuple[EdgeHop | None, ...],
        segments: tuple[Function | None, ...],
        checks: tuple[Function, ...],
        nodes: tuple[Function, ...],
        edges: tuple[Function, ...],
    ) -> None:
        self.hops: tuple[EdgeHop | None, ...] = hops
        self.segments: tuple[Function | None, ...] = segments
        self.checks: tuple[Function, ...] = checks
        self.nodes: tuple[Function, ...] = nodes
        self.edges: tuple[Function, ...] = edges


class PathSteps:
    """`Steps` by generated code.  `bindings` is the execution's; `number` the first of the numbers under which the
    functions look for what they are asked: segments, then checks, nodes, edges."""

    def __init__(self, plan: PathPlan, bindings: dict[int, list[Row]], tools: Tools) -> None:
        self.plan: PathPlan = plan
        self.bindings: dict[int, list[Row]] = bindings
        self.tools: Tools = tools
        self.tables: list[int] = []
        self.places: dict[int, int] = {}

    # --- references ----------------------------------------

    def packed(self, parts: Row) -> int:
        """A reference as a number; NONE where it is NULL."""
        row_id: int | None = parts[-1]
        if row_id is None:
            return NONE
        if len(parts) == 1:
            return row_id
        table_oid: int = parts[0]
        place = self.places.get(table_oid)
        if place is None:
            place = self.places[table_oid] = len(self.tables)
            self.tables.append(table_oid)
        return (place << ROW_ID_BITS) | row_id

    def unpacked(self, reference: int, parts: int) -> Row:
        """The parts of a reference."""
        if parts == 1:
            return (reference,)
        return (self.tables[reference >> ROW_ID_BITS], reference & ROW_ID_MASK)

    # --- Steps ----------------------------------------

    def hop(self, segment: int, backward: bool) -> Callable[[list[int]], list[Ways | None]] | None:
        hop = self.tools.hops[self._place(segment, backward)]
        return None if hop is None else hop.ways

    def _place(self, segment: int, backward: bool) -> int:
        program = self.plan.program
        return segment if backward is program.backward else segment + len(program.segments)

    def expand(self, segment: int, backward: bool, nodes: list[int]) -> Work:
        place = self._place(segment, backward)
        hop = self.tools.hops[place]
        if hop is not None:
            lists: list[Ways] = []
            for node in nodes:
                lists.append((yield from hop.many(node)))
            return lists
        node_parts, edge_parts = self.plan.node_parts, self.plan.edge_parts
        asked = [self.unpacked(node, node_parts) for node in nodes]
        function = self.tools.segments[place]
        assert function is not None
        rows: list[Row] = yield from self._rows(self.plan.number + place, function, asked)
        found: dict[int, Ways] = {node: [] for node in nodes}
        plain = node_parts == 1 and edge_parts == 1
        for row in rows:
            ways = found[self.packed(row[:node_parts])]
            if len(row) == node_parts:
                if not ways:
                    ways.append(0)
            elif plain:
                ways.extend(row[1:])
            else:
                self._unpack_ways(row, node_parts, edge_parts, ways)
        return [found[node] for node in nodes]

    def _unpack_ways(self, row: Row, node_parts: int, edge_parts: int, ways: Ways) -> None:
        at = node_parts
        while at < len(row):
            ways.append(self.packed(row[at : at + edge_parts]))
            at += edge_parts
            ways.append(self.packed(row[at : at + node_parts]))
            at += node_parts

    def check(self, condition: int, rows: list[Row]) -> Work:
        number = self.plan.number + len(self.tools.segments) + condition
        asked = [(*row, serial) for serial, row in enumerate(rows)]
        kept: list[Row] = yield from self._rows(number, self.tools.checks[condition], asked)
        verdicts = [False] * len(rows)
        for row in kept:
            verdicts[row[0]] = True
        return verdicts

    def values(self, is_edge: bool, references: list[int]) -> Work:
        tools = self.tools
        number = self.plan.number + len(tools.segments) + len(tools.checks)
        if is_edge:
            number += len(tools.nodes)
        parts = self.plan.edge_parts if is_edge else self.plan.node_parts
        asked = [self.unpacked(reference, parts) for reference in references]
        found: dict[int, object] = {}
        for function in tools.edges if is_edge else tools.nodes:
            rows: list[Row] = yield from self._rows(number, function, asked)
            for row in rows:
                found[self.packed(row[:parts])] = row[parts]
            number += 1
        return found

    def _rows(self, number: int, function: Function, asked: list[Row]) -> Work:
        self.bindings[number] = asked
        rows: list[Row] = []
        for batch in function():
            if isinstance(batch, list):
                rows.extend(batch)
            else:
                yield batch
        return rows


class OutputPlan:
    """An output of the pattern, before an execution: `part` of a reference that is shown; of a stretch, `variable` and
    `last` are its ends."""

    __slots__ = ("kind", "variable", "part", "last")

    def __init__(self, kind: str, variable: int, part: int, last: int = -1) -> None:
        self.kind: str = kind
        self.variable: int = variable
        self.part: int = part
        self.last: int = last


class PathPlan:
    """A path search as far as it is known before it is executed.

    `by_length` as in `PathSelector`; `selects` is False where all matches are wanted.  `number` is the first of the
    numbers of bindings.  `kept` says that one searcher serves the whole execution: nothing in the pattern depends on
    rows outside.
    """

    def __init__(
        self,
        program: Program,
        outputs: list[OutputPlan],
        group_outputs: list[list[OutputPlan]],
        edge_variables: set[int],
        node_parts: int,
        edge_parts: int,
        selects: bool,
        by_length: bool,
        number: int,
        kept: bool,
    ) -> None:
        self.program: Program = program
        self.outputs: list[OutputPlan] = outputs
        self.group_outputs: list[list[OutputPlan]] = group_outputs
        self.edge_variables: set[int] = edge_variables
        self.node_parts: int = node_parts
        self.edge_parts: int = edge_parts
        self.selects: bool = selects
        self.by_length: bool = by_length
        self.number: int = number
        self.kept: bool = kept

    def run(self, ctx: Any, known: Row, other: Row | None, count: object, make: Callable[[], Tools]) -> Work:
        """The matches from (walking backward: to) the node `known`, and to (from) `other`: batches and steps."""
        found: _Search | None = ctx.kept.get(self.number) if self.kept else None
        if found is None or found.busy:
            found = _Search(self, ctx, make())
            if self.kept:
                ctx.kept[self.number] = found
        start = found.steps.packed(known)
        end = NONE if other is None else found.steps.packed(other)
        if start == NONE or (other is not None and end == NONE):
            return
        found.busy = True
        try:
            if self.selects:
                yield from found.searcher.selected([start], end, _count(count), self.by_length)
            else:
                yield from found.searcher.all_matches([start], end)
        finally:
            found.busy = False


class _Search:
    """A searcher and its steps, in one execution."""

    __slots__ = ("steps", "searcher", "busy")

    def __init__(self, plan: PathPlan, ctx: Any, tools: Tools) -> None:
        self.steps: PathSteps = PathSteps(plan, ctx.bindings, tools)
        self.searcher: PathSearcher = PathSearcher(
            plan.program,
            self.steps,
            self._made(plan, plan.outputs),
            plan.edge_variables,
            ctx.budget.check,  # not the context's own: that keeps the searcher, and neither would go
            PAUSE,
            ctx.budget.row_limit,
        )
        for number, outputs in enumerate(plan.group_outputs):
            self.searcher.group_outputs[number] = self._made(plan, outputs)
        self.busy: bool = False

    def _made(self, plan: PathPlan, outputs: list[OutputPlan]) -> list[Output]:
        return [Output(each.kind, each.variable, self._show(plan, each), each.last) for each in outputs]

    def _show(self, plan: PathPlan, output: OutputPlan) -> Callable[[int, bool], object] | None:
        if plan.node_parts == 1 and plan.edge_parts == 1:
            return None
        return _Shown(self.steps, plan, output.part).show


class _Shown:
    """Shows references of several parts: one part of them, or (edges in a list) all."""

    __slots__ = ("steps", "plan", "part")

    def __init__(self, steps: PathSteps, plan: PathPlan, part: int) -> None:
        self.steps: PathSteps = steps
        self.plan: PathPlan = plan
        self.part: int = part

    def show(self, reference: int, is_edge: bool) -> object:
        parts = self.steps.unpacked(reference, self.plan.edge_parts if is_edge else self.plan.node_parts)
        return parts if self.part < 0 else parts[self.part]


def _count(count: object) -> int:
    """The number of a selector.  Raises InvalidParameterValue."""
    if not isinstance(count, int) or count < 1:
        raise errors.InvalidParameterValue(
            "the number of paths must be positive", hint="As in SHORTEST 3, ANY 2 or SHORTEST 2 GROUPS."
        )
    return count
