"""Searching for paths: the walk of an automaton (path_program.py) over a graph, known only by its steps.

`Steps` gives, for a segment and some nodes, the ways on from each of them, as flat lists of numbers:

    edge, node, edge, node, ...      segments of one edge: one way after the other
    edge, node, edge, node           segments of two: each way has two of both

A path under way is a chain of *links*, each an edge and the node it comes to, back to where it began.  Links share
what they have in common, and a look back along the chain tells whether an edge or a node has been met before.

    (1) <-- 12 (2) <-- 15 (4)
             ^-------- 16 (5)

What is found in which order:

    all matches           depth first, in batches: what waits is about as many links as the path is long, times the
                          ways on; a mode restricts as links are made
    the shortest          breadth first over *vertices* (state, node), as if there were no restrictions: at most `count`
                          lengths of each are followed, so this ends.  Paths are read off backward from where they are
                          accepted, and tried against the mode.  Where that gives as many as are wanted, or all there
                          are, they are the shortest also under the restrictions; where not, and in patterns with
                          conditions that need to be asked, links are made breadth first, which may take exponentially
                          long, as it has to
    one pair of nodes     where the pattern is one repeated step, from both ends, the smaller side first

Matches are compared (path, and notes of variables) only where the pattern can be read in several ways.  Everything
that is kept counts against the statement's memory.  Every few thousand edges the search yields PAUSE.

What it does not do: it knows no tables and no language; references of nodes and edges are numbers from 0 on, and
values are asked for only when a match is given out.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from typing import Any, Final, Protocol

from skerry_engine.algebra.paths import PathRepeat, shortest
from skerry_engine.plan.path_program import (
    ACYCLIC,
    TRAIL,
    WALK,
    Check,
    Group,
    Hop,
    Move,
    Program,
    State,
)

NONE: Final = -1
"""No edge; no node."""

BATCH: Final = 1024
WORK_PER_UNIT: Final = 4096
"""Edges to look at between two pauses."""

LARGEST_CHUNK: Final = 512
WAYS_PER_ROW: Final = 8
"""So many ways on that are remembered count as one row that is kept."""

CACHED_WAYS: Final = 1_000_000
"""Ways on that are remembered at most, as long as half of the memory does for them; beyond, all are forgotten."""

Ways = list[Any]
"""Numbers.  What is given out again is taken as it is; what is compared, as a number."""
Row = tuple[object, ...]
EMPTY: Final[Row] = ()
"""That of a match of which nothing is asked."""
Work = Generator[object, None, Any]
"""A generator of steps (PAUSE and others), whose result is what it returns."""


class Steps(Protocol):
    """The graph, as a search sees it.  `backward` segments are walked from their last node to their first."""

    def hop(self, segment: int, backward: bool) -> Callable[[list[int]], list[Ways | None]] | None:
        """A function that gives the ways on from each of some nodes at once, where there is one.  None in its answer:
        `expand` has to be asked."""
        ...

    def expand(self, segment: int, backward: bool, nodes: list[int]) -> Work:
        """The ways on from each of `nodes`, a list of lists.  A segment without edges: [0] for a node that fits."""
        ...

    def check(self, condition: int, rows: list[Row]) -> Work:
        """For each row of a group's outputs whether the group's condition is true, a list."""
        ...

    def values(self, is_edge: bool, references: list[int]) -> Work:
        """The values of nodes or of edges, a dict by reference."""
        ...


class Output:
    """What to give of a match: `kind` and the variables that it is about as in `algebra.paths.PathOutput`."""

    __slots__ = ("kind", "variable", "show", "last")

    def __init__(
        self, kind: str, variable: int, show: Callable[[int, bool], object] | None, last: int = NONE
    ) -> None:
        self.kind: str = kind
        self.variable: int = variable
        self.last: int = last
        self.show: Callable[[int, bool], object] | None = show
        """How a reference (and whether it is an edge's) is shown; None: as the number it is."""


class Place:
    """A node that the search has come to, in a state."""

    __slots__ = ("state", "node", "length")

    def __init__(self, state: State, node: int, length: int) -> None:
        self.state: State = state
        self.node: int = node
        self.length: int = length


class Link(Place):
    """The end of a path under way.  `edge` is NONE where a segment without edges has been passed."""

    __slots__ = ("parent", "edge", "hop", "start")

    def __init__(
        self,
        state: State,
        node: int,
        length: int,
        parent: Link | None,
        edge: int,
        hop: Hop | None,
        start: int,
    ) -> None:
        self.state = state
        self.node = node
        self.length = length
        self.parent: Link | None = parent
        self.edge: int = edge
        self.hop: Hop | None = hop
        self.start: int = start


class Arc:
    """A way into a vertex: from `origin` by `move`, over `way` (edge, node, ...)."""

    __slots__ = ("origin", "move", "way")

    def __init__(self, origin: Vertex, move: Move, way: Ways) -> None:
        self.origin: Vertex = origin
        self.move: Move = move
        self.way: Ways = way


class Vertex(Place):
    """A state and node that paths of one length lead to; `arcs` are the last steps of those.

    It is superseded when, before its turn came, as many smaller lengths as matter were found for its state and node.
    """

    __slots__ = ("arcs", "superseded")

    def __init__(self, state: State, node: int, length: int) -> None:
        self.state = state
        self.node = node
        self.length = length
        self.arcs: list[Arc] = []
        self.superseded: bool = False


class Came:
    """How a node was reached from one end: from `node`, by the way at `position` of its ways along `segment`."""

    __slots__ = ("node", "segment", "ways", "position")

    def __init__(self, node: int, segment: int, ways: Ways, position: int) -> None:
        self.node: int = node
        self.segment: int = segment
        self.ways: Ways = ways
        self.position: int = position


class Side:
    """What has been reached from one of two ends; `against` the direction of the search from the last.

    `came` has for every node how it was reached first, for the origin nothing.
    """

    __slots__ = ("origin", "against", "came", "level")

    def __init__(self, origin: int, against: bool) -> None:
        self.origin: int = origin
        self.against: bool = against
        self.came: dict[int, list[Came]] = {origin: []}
        self.level: list[int] = [origin]

    def paths(self, node: int, size: int, every: bool) -> Iterator[list[tuple[int, Ways]]]:
        """The ways between the node and the origin, one path or every one: (segment, way), the way next to the node
        first, each in the direction of the search."""
        waiting: list[tuple[int, list[tuple[int, Ways]]]] = [(node, [])]
        while waiting:
            at, steps = waiting.pop()
            reached = self.came[at]
            if not reached:
                yield steps
                if not every:
                    return
            for each in reached:
                way = each.ways[each.position : each.position + size]
                if self.against:
                    way = _turned(way, each.node)
                waiting.append((each.node, [*steps, (each.segment, way)]))
                if not every:
                    break


class Tally:
    """How many matches, of how many lengths, have been seen of something; lengths come in order."""

    __slots__ = ("count", "lengths", "last")

    def __init__(self) -> None:
        self.count: int = 0
        self.lengths: int = 0
        self.last: int = -1

    def add(self, length: int) -> None:
        self.count += 1
        if length != self.last:
            self.lengths += 1
            self.last = length

    def takes(self, length: int, most: int, by_length: bool) -> bool:
        """Whether one more of this length is wanted."""
        if by_length:
            return length == self.last or self.lengths < most
        return self.count < most


class Content:
    """A path, or the stretch of one that a group has matched, in the pattern's own direction."""

    __slots__ = ("nodes", "edges", "at_nodes", "at_edges")

    def __init__(
        self, nodes: list[int], edges: list[int], at_nodes: list[set[int]], at_edges: list[tuple[int, ...]]
    ) -> None:
        self.nodes: list[int] = nodes
        self.edges: list[int] = edges
        self.at_nodes: list[set[int]] = at_nodes
        self.at_edges: list[tuple[int, ...]] = at_edges


def _stretches(content: Content, output: Output) -> list[tuple[int, int]]:
    """Where in the nodes of a path the stretches of an output begin and end: one after the other, as iterations are."""
    places = range(len(content.nodes))
    first = [n for n in places if output.variable in content.at_nodes[n]]
    last = [n for n in places if output.last in content.at_nodes[n]]
    return list(zip(first, last, strict=True))


def _path(
    content: Content, first: int, last: int, nodes: dict[int, object], edges: dict[int, object]
) -> tuple[object, ...]:
    """The value of a path's stretch between two of its nodes."""
    items: list[object] = [nodes[content.nodes[first]]]
    for number in range(first, last):
        items.append(edges[content.edges[number]])
        items.append(nodes[content.nodes[number + 1]])
    return tuple(items)


class PathSearcher:
    """The searches of one part of a plan, in one execution: they share what was found out about the graph.

    `check_memory` is told how much is kept, in rows, and raises OutOfMemory beyond `row_limit`.  `edge_variables`
    are those bound to edges.
    """

    def __init__(
        self,
        program: Program,
        steps: Steps,
        outputs: list[Output],
        edge_variables: set[int],
        check_memory: Callable[[int], None],
        pause: object,
        row_limit: int = CACHED_WAYS,
    ) -> None:
        self.program: Program = program
        self.steps: Steps = steps
        self.outputs: list[Output] = outputs
        self.group_outputs: dict[int, list[Output]] = {}
        self.edge_variables: set[int] = edge_variables
        self.check_memory: Callable[[int], None] = check_memory
        self.pause: object = pause
        self.backward: bool = program.backward
        self.near: list[dict[int, Ways]] = [{} for _ in program.segments]
        self.far: list[dict[int, Ways]] = [{} for _ in program.segments]
        """Ways on against the direction of the search."""
        self.cached: int = 0
        self.most_cached: int = min(CACHED_WAYS, row_limit // 2 * WAYS_PER_ROW)
        self.work: int = 0
        self.end: int = NONE
        self.pending: list[Link] = []
        self.found: list[Link] = []
        self.rows: list[Row] = []
        self.kept: int = 0
        self.in_order: bool = False
        """Whether links are tried in order of their length: then `_arrived` decides nothing."""
        kinds = [output.kind for output in outputs]
        shown = any(output.show is not None for output in outputs)
        self.is_plain: bool = not shown and all(kind in ("start", "end", "length") for kind in kinds)
        self.is_pair: bool = self.is_plain and kinds == ["start", "end"]
        self.is_direct: bool = self.is_plain and not program.ambiguous

    # --- entry ----------------------------------------

    def all_matches(self, starts: list[int], end: int) -> Work:
        """Every match from one of `starts` (to `end`, unless NONE): batches of rows, and steps.

        Walking backward, matches end where the search starts, and begin where it ends.
        """
        self.end = end
        self.in_order = False
        self.rows = []
        self.found = []
        self.pending = []
        seen: set[object] = set()
        for start in starts:
            self._arrived(Link(self.program.start, start, 0, None, NONE, None, start))
        size = 16
        while self.pending or self.found:
            if self.pending:
                chunk = self.pending[-size:]
                del self.pending[-size:]
                size = min(2 * size, LARGEST_CHUNK)
                yield from self._load(chunk)
                passed = (yield from self._checked(chunk)) if self.program.conditions else None
                for link in chunk:
                    self._grow(link, passed)
                    if len(self.rows) >= BATCH:
                        yield self.rows
                        self.rows = []
                    if self.work >= WORK_PER_UNIT:
                        self.work = 0
                        yield self.pause
            if self.found and (len(self.found) >= BATCH or not self.pending):
                found, self.found = self.found, []
                passed = (yield from self._checked(found)) if self.program.conditions else None
                ended = [match for link in found for match in self._ended(link, passed)]
                if self.program.ambiguous:
                    ended = self._unseen(ended, seen)
                yield from self._give(ended)
            self.kept = len(self.pending) + len(seen) + self.cached // WAYS_PER_ROW
            self.check_memory(self.kept)
        if self.rows:
            yield self.rows
            self.rows = []

    def selected(self, starts: list[int], end: int, count: int, by_length: bool) -> Work:
        """As `all_matches`, but for each start and end only `count` matches, none longer than what is left out;
        `by_length`: all those of the `count` smallest lengths."""
        self.rows = []
        for start in starts:
            if self.program.conditions:
                yield from self._breadth_first(start, end, count, by_length, None)
                continue
            unsettled: set[int] = set()
            step = self.program.step
            if step is not None and count == 1 and end != NONE and (start != end or step.least == 0):
                yield from self._from_both_ends(start, end, step, by_length, unsettled)
            else:
                yield from self._by_vertices(start, end, count, by_length, unsettled)
            if step is not None and start in unsettled and not (yield from self._returns(start)):
                unsettled.discard(start)
                if step.least == 0:
                    yield from self._give([Link(self.program.start, start, 0, None, NONE, None, start)])
            if unsettled:
                yield from self._breadth_first(start, end, count, by_length, unsettled)
        if self.rows:
            yield self.rows
            self.rows = []

    # --- ways on ----------------------------------------

    def _load(self, places: list[Any]) -> Work:
        """Have the ways on from all these places at hand."""
        if self.cached > self.most_cached:
            self._forget()
        wanted: dict[int, dict[int, None]] = {}
        near = self.near
        for place in places:
            assert isinstance(place, Place)
            state = place.state
            if not state.explored:
                self.program.explore(state)
            for move in state.moves:
                if place.node not in near[move.segment]:
                    nodes = wanted.get(move.segment)
                    if nodes is None:
                        nodes = wanted[move.segment] = {}
                    nodes[place.node] = None
        for segment, missing in wanted.items():
            yield from self._load_nodes(segment, list(missing), False)

    def _forget(self) -> None:
        self.near = [{} for _ in self.near]
        self.far = [{} for _ in self.far]
        self.cached = 0

    def _load_nodes(self, segment: int, nodes: list[int], against: bool) -> Work:
        """Have the ways on from some nodes at hand; `against` the direction of the search."""
        known = self.far[segment] if against else self.near[segment]
        backward = self.backward is not against
        amount = 0
        hop = self.steps.hop(segment, backward)
        if hop is not None:
            slow: list[int] = []
            answers = hop(nodes)
            for number in range(len(nodes)):
                answer = answers[number]
                if answer is None:
                    slow.append(nodes[number])
                else:
                    known[nodes[number]] = answer
                    amount += len(answer) + 2
            nodes = slow
        if nodes:
            lists: list[Ways] = yield from self.steps.expand(segment, backward, nodes)
            for number in range(len(nodes)):
                known[nodes[number]] = lists[number]
                amount += len(lists[number]) + 2
        self.cached += amount >> 1
        self.work += amount >> 1
        if self.work >= WORK_PER_UNIT:
            self.work = 0
            yield self.pause

    # --- links ----------------------------------------

    def _grow(self, link: Link, passed: set[tuple[int, int]] | None) -> None:
        """Follow all moves from the link."""
        for move in link.state.moves:
            if passed is not None and move.checks and not _all_passed(passed, link, move.checks):
                continue
            ways = self.near[move.segment][link.node]
            self.work += (len(ways) >> 1) + 1
            if not ways:
                continue
            if move.length == 1:
                self._follow(link, move, ways)
            else:
                self._follow_long(link, move, ways)

    def _follow(self, link: Link, move: Move, ways: Ways) -> None:
        """Along a segment of one edge."""
        hop = move.hops[0]
        target = move.target
        if not target.explored:
            self.program.explore(target)
        groups = hop.groups
        is_trail = (
            len(groups) == 1 and groups[0].number == 0 and groups[0].mode == TRAIL and not hop.is_joined
        )
        is_free = not groups
        length = link.length + 1
        start = link.start
        end = self.end
        direct = self.is_direct and not self.in_order and not target.moves and _ends_plainly(target)
        pair = direct and self.is_pair
        counted = direct and not self.outputs
        rows = self.rows
        shown: object = start
        for position in range(0, len(ways), 2):
            edge: int = ways[position]
            node: int = ways[position + 1]
            if is_trail:
                back: Link | None = link
                while back is not None and back.edge != edge:
                    back = back.parent
                if back is not None:
                    continue
            elif not is_free and not self._may(link, edge, node, hop):
                continue
            if direct:
                if end == NONE or node == end:
                    if counted:
                        rows.append(EMPTY)
                    elif pair:
                        reached: object = ways[position + 1]
                        rows.append((reached, shown) if self.backward else (shown, reached))
                    else:
                        rows.append(self._plain_row(start, node, length))
            else:
                self._arrived(Link(target, node, length, link, edge, hop, start))

    def _follow_long(self, link: Link, move: Move, ways: Ways) -> None:
        """Along a segment of no edge, or of several."""
        target = move.target
        if not target.explored:
            self.program.explore(target)
        if move.length == 0:
            last = self._passing(link, move)
            if last is not None:
                self._arrived(last)
            return
        size = 2 * move.length
        for position in range(0, len(ways), size):
            last = self._along(link, move, ways[position : position + size])
            if last is not None:
                self._arrived(last)

    def _passing(self, link: Link, move: Move) -> Link | None:
        """The link after a segment without edges; None where a variable would mean two elements."""
        hop = move.hops[0]
        if hop.is_joined and not self._agrees(link, NONE, NONE, hop):
            return None
        return Link(move.target, link.node, link.length, link, NONE, hop, link.start)

    def _along(self, link: Link, move: Move, way: Ways) -> Link | None:
        """The link after all of a way; None where a restriction forbids it."""
        if move.length == 0:
            return self._passing(link, move)
        last = link
        for number in range(move.length):
            hop = move.hops[number]
            edge: int = way[2 * number]
            node: int = way[2 * number + 1]
            if hop.groups and not self._may(last, edge, node, hop):
                return None
            last = Link(move.target, node, last.length + 1, last, edge, hop, link.start)
        return last

    def _arrived(self, link: Link) -> None:
        """Keep a link that is new: to go on from, and as a match if it can end here."""
        state = link.state
        if not state.explored:
            self.program.explore(state)
        if self.in_order:
            self.pending.append(link)
            return
        if state.moves:
            self.pending.append(link)
        if state.accepts and (self.end == NONE or link.node == self.end):
            if self.is_direct and _ends_plainly(state):
                row = self._plain_row(link.start, link.node, link.length) if self.outputs else EMPTY
                self.rows.append(row)
            else:
                self.found.append(link)

    # --- restrictions ----------------------------------------

    def _may(self, link: Link, edge: int, node: int, hop: Hop) -> bool:
        """Whether the groups that the hop is in allow it."""
        for group in hop.groups:
            begins = group.number in hop.opened
            if group.mode == TRAIL:
                if not begins and _has_edge(link, edge, group.number):
                    return False
            elif group.mode != WALK and not _node_allowed(link, node, group, begins):
                return False
        return not hop.is_joined or self._agrees(link, edge, node, hop)

    def _agrees(self, link: Link, edge: int, node: int, hop: Hop) -> bool:
        """Whether variables that were bound before in their group mean the same element here again."""
        for group in hop.groups:
            for variable in group.joined:
                wanted = NONE
                before = NONE if group.number in hop.opened else _bound_before(link, variable, group.number)
                if before != NONE:
                    wanted = before
                if variable in hop.first:
                    if wanted != NONE and wanted != link.node:
                        return False
                    wanted = link.node
                if variable in hop.on_edge:
                    if wanted != NONE and wanted != edge:
                        return False
                    wanted = edge
                if variable in hop.on_node and wanted != NONE and wanted != node:
                    return False
        return True

    # --- conditions of groups ----------------------------------------

    def _checked(self, links: list[Link]) -> Work:
        """Which checks of the links' next moves, or of their end, hold: a set of (id of the link, check number)."""
        passed: set[tuple[int, int]] = set()
        asked: dict[int, list[tuple[Link, Check]]] = {}
        for link in links:
            checks: dict[tuple[int, bool], Check] = {}
            for move in link.state.moves:
                for check in move.checks:
                    checks[check.group.condition, check.is_empty] = check
            for accept in link.state.accepts:
                for check in accept.checks:
                    checks[check.group.condition, check.is_empty] = check
            for check in checks.values():
                asked.setdefault(check.group.condition, []).append((link, check))
        for condition, pairs in asked.items():
            contents = [self._content(link, check.group.number, check.is_empty) for link, check in pairs]
            rows = yield from self._rows_of(contents, self.group_outputs[condition])
            verdicts: list[bool] = yield from self.steps.check(condition, rows)
            for number in range(len(pairs)):
                if verdicts[number]:
                    passed.add((id(pairs[number][0]), _check_number(pairs[number][1])))
        return passed

    # --- matches ----------------------------------------

    def _ended(self, link: Link, passed: set[tuple[int, int]] | None) -> list[Link]:
        """The matches that end at a link: one per way to end that is allowed."""
        ended: list[Link] = []
        for accept in link.state.accepts:
            if passed is not None and accept.checks and not _all_passed(passed, link, accept.checks):
                continue
            if accept.hop is None:
                ended.append(link)
            else:
                ended.append(Link(link.state, link.node, link.length, link, NONE, accept.hop, link.start))
        return ended

    def _unseen(self, ended: list[Link], seen: set[object]) -> list[Link]:
        new: list[Link] = []
        for link in ended:
            key = self._key(link)
            if key not in seen:
                seen.add(key)
                new.append(link)
        return new

    def _key(self, link: Link) -> object:
        """What tells matches apart: the path, with its notes and tags by position."""
        parts: list[object] = []
        notes: set[int] = set()
        at: Link | None = link
        while at is not None and at.parent is not None:
            hop = at.hop
            assert hop is not None
            notes.update(hop.on_node)
            if at.edge != NONE:
                parts.append((at.node, frozenset(notes), at.edge, hop.on_edge))
                notes = set()
            notes.update(hop.first)
            for tag in hop.tags:
                notes.add(-1 - tag)
            at = at.parent
        parts.append((link.start, frozenset(notes)))
        return tuple(parts)

    def _give(self, ended: list[Link]) -> Work:
        """Give out matches as rows."""
        if self.is_plain:
            for link in ended:
                self.rows.append(self._plain_row(link.start, link.node, link.length))
        else:
            for position in range(0, len(ended), BATCH):
                part = ended[position : position + BATCH]
                contents = [self._content(link, 0, False) for link in part]
                rows = yield from self._rows_of(contents, self.outputs)
                self.rows.extend(rows)
                yield self.pause
        if len(self.rows) >= BATCH:
            yield self.rows
            self.rows = []

    def _plain_row(self, start: int, end: int, length: int) -> Row:
        if self.backward:
            start, end = end, start
        row: list[object] = []
        for output in self.outputs:
            kind = output.kind
            row.append(start if kind == "start" else end if kind == "end" else length)
        return tuple(row)

    def _content(self, link: Link, group: int, is_empty: bool) -> Content:
        """What a group has matched that ends at the link; group 0: everything."""
        nodes: list[int] = [link.node]
        edges: list[int] = []
        at_nodes: list[set[int]] = [set()]
        at_edges: list[tuple[int, ...]] = []
        at: Link | None = None if is_empty else link
        while at is not None and at.parent is not None:
            hop = at.hop
            assert hop is not None
            at_nodes[-1].update(hop.on_node)
            if at.edge != NONE:
                edges.append(at.edge)
                at_edges.append(hop.on_edge)
                nodes.append(at.parent.node)
                at_nodes.append(set())
            at_nodes[-1].update(hop.first)
            if group and group in hop.opened:
                break
            at = at.parent
        if not self.backward:
            nodes.reverse()
            edges.reverse()
            at_nodes.reverse()
            at_edges.reverse()
        return Content(nodes, edges, at_nodes, at_edges)

    def _rows_of(self, contents: list[Content], outputs: list[Output]) -> Work:
        """The outputs of matches, with values looked up for all of them at once."""
        nodes: dict[int, None] = {}
        edges: dict[int, None] = {}
        for output in outputs:
            if output.kind == "path":
                for content in contents:
                    nodes.update(dict.fromkeys(content.nodes))
                    edges.update(dict.fromkeys(content.edges))
            elif output.kind in ("subpath", "subpaths"):
                for content in contents:
                    for first, last in _stretches(content, output):
                        nodes.update(dict.fromkeys(content.nodes[first : last + 1]))
                        edges.update(dict.fromkeys(content.edges[first:last]))
            elif output.kind in ("element", "list"):
                wanted = edges if output.variable in self.edge_variables else nodes
                for content in contents:
                    wanted.update(dict.fromkeys(self._bound(content, output.variable)))
        node_values: dict[int, object] = {}
        edge_values: dict[int, object] = {}
        if nodes:
            node_values = yield from self.steps.values(False, list(nodes))
        if edges:
            edge_values = yield from self.steps.values(True, list(edges))
        return [
            tuple([self._shown(output, content, node_values, edge_values) for output in outputs])
            for content in contents
        ]

    def _bound(self, content: Content, variable: int) -> list[int]:
        """What a variable is bound to, in the path's order."""
        if variable in self.edge_variables:
            return [content.edges[n] for n in range(len(content.edges)) if variable in content.at_edges[n]]
        return [content.nodes[n] for n in range(len(content.nodes)) if variable in content.at_nodes[n]]

    def _shown(
        self, output: Output, content: Content, nodes: dict[int, object], edges: dict[int, object]
    ) -> object:
        kind = output.kind
        if kind == "start":
            return _reference(output, content.nodes[0], False)
        if kind == "end":
            return _reference(output, content.nodes[-1], False)
        if kind == "length":
            return len(content.edges)
        if kind == "edges":
            return tuple([_reference(output, edge, True) for edge in content.edges])
        if kind == "path":
            return _path(content, 0, len(content.edges), nodes, edges)
        if kind in ("subpath", "subpaths"):
            found = [_path(content, first, last, nodes, edges) for first, last in _stretches(content, output)]
            return tuple(found) if kind == "subpaths" else found[0] if found else None
        is_edge = output.variable in self.edge_variables
        bound = self._bound(content, output.variable)
        if kind == "list":
            return tuple([edges[each] if is_edge else nodes[each] for each in bound])
        if not bound:
            return None
        if kind == "reference":
            return _reference(output, bound[0], is_edge)
        return edges[bound[0]] if is_edge else nodes[bound[0]]

    # --- the shortest, by links ----------------------------------------

    def _breadth_first(
        self, start: int, end: int, count: int, by_length: bool, only: set[int] | None
    ) -> Work:
        """The shortest matches that obey all restrictions, by trying paths in the order of their length.

        `only` are the ends for which they are wanted (None: any).  Places at which nothing restricts are visited as
        often as could matter; elsewhere all paths are followed.
        """
        self.end = NONE
        self.in_order = True
        ends: dict[int, Tally] = {}
        visits: dict[object, Tally] = {}
        seen: set[object] = set()
        missing = {end} if end != NONE else only
        waiting: dict[int, list[Link]] = {}
        self._queue(waiting, [Link(self.program.start, start, 0, None, NONE, None, start)])
        while waiting:
            length = min(waiting)
            links = waiting[length]
            size = 16
            while links:
                chunk = [link for link in links[:size] if self._visit(link, visits, seen, count, by_length)]
                del links[:size]
                size = min(2 * size, LARGEST_CHUNK)
                yield from self._load(chunk)
                passed = (yield from self._checked(chunk)) if self.program.conditions else None
                accepted: list[Link] = []
                for link in chunk:
                    if missing is None or link.node in missing:
                        self._accept(link, passed, ends, seen, count, by_length, accepted)
                    self.pending = []
                    self._grow(link, passed)
                    self._queue(waiting, self.pending)
                    if self.work >= WORK_PER_UNIT:
                        self.work = 0
                        yield self.pause
                self.kept = (
                    len(visits)
                    + len(seen)
                    + self.cached // WAYS_PER_ROW
                    + sum([len(w) for w in waiting.values()])
                )
                self.check_memory(self.kept)
                yield from self._give(accepted)
            del waiting[length]
            if missing is not None and self._settled(missing, ends, count, by_length):
                return

    def _queue(self, waiting: dict[int, list[Link]], links: list[Link]) -> None:
        for link in links:
            bucket = waiting.get(link.length)
            if bucket is None:
                waiting[link.length] = [link]
            else:
                bucket.append(link)

    def _visit(
        self,
        link: Link,
        visits: dict[object, Tally],
        seen: set[object],
        count: int,
        by_length: bool,
    ) -> bool:
        """Whether to go on from a link; every match is seen by way of one for which this is so."""
        if self.program.ambiguous:
            key = (link.state.number, self._key(link))
            if key in seen:
                return False
            seen.add(key)
        state = link.state
        if state.is_restricted:
            return True
        place: object = (state.number, link.node)
        if state.memory:
            place = (place, tuple([_bound_since(link, variable, group) for group, variable in state.memory]))
        tally = visits.get(place)
        if tally is None:
            tally = visits[place] = Tally()
        if not tally.takes(link.length, count, by_length):
            return False
        tally.add(link.length)
        return True

    def _accept(
        self,
        link: Link,
        passed: set[tuple[int, int]] | None,
        ends: dict[int, Tally],
        seen: set[object],
        count: int,
        by_length: bool,
        accepted: list[Link],
    ) -> None:
        if not link.state.accepts:
            return
        tally = ends.get(link.node)
        if tally is None:
            tally = ends[link.node] = Tally()
        for ended in self._ended(link, passed):
            if not tally.takes(link.length, count, by_length):
                return
            if self.program.ambiguous:
                key = (NONE, self._key(ended))
                if key in seen:
                    continue
                seen.add(key)
            tally.add(link.length)
            accepted.append(ended)

    def _settled(self, missing: set[int], ends: dict[int, Tally], count: int, by_length: bool) -> bool:
        for node in missing:
            tally = ends.get(node)
            if tally is None or (tally.lengths if by_length else tally.count) < count:
                return False
        return True

    # --- the shortest between two nodes ----------------------------------------

    def _from_both_ends(
        self, start: int, end: int, step: PathRepeat, by_length: bool, unsettled: set[int]
    ) -> Work:
        """One shortest path between two nodes, or all, by a step repeated, whole levels at a time, the smaller of the
        two first.  No path can be shorter than the one over a node that both sides have come to; all of the same
        length pass through the level that was made last."""
        if start == end:
            yield from self._give([Link(self.program.start, start, 0, None, NONE, None, start)])
            return
        segments = list(range(len(self.program.segments)))
        size = 2 * shortest(step.part)
        sides = (Side(start, False), Side(end, True))
        levels = 0
        meeting: list[int] = []
        while not meeting:
            if step.most is not None and levels >= step.most:
                return
            one = sides[0] if len(sides[0].level) <= len(sides[1].level) else sides[1]
            other = sides[1] if one is sides[0] else sides[0]
            level, one.level = one.level, []
            new: dict[int, list[Came]] = {}
            for position in range(0, len(level), LARGEST_CHUNK):
                chunk = level[position : position + LARGEST_CHUNK]
                yield from self._load_level(segments, chunk, one.against)
                for segment in segments:
                    self._advance(one, new, chunk, segment, size, by_length)
                if self.work >= WORK_PER_UNIT:
                    self.work = 0
                    yield self.pause
            if not new:
                return
            one.came.update(new)
            one.level = list(new)
            levels += 1
            meeting = [node for node in one.level if node in other.came]
            self.kept = len(one.came) + len(other.came) + self.cached // WAYS_PER_ROW
            self.check_memory(self.kept)
        yield from self._joined(sides[0], sides[1], meeting, size, by_length, unsettled)

    def _load_level(self, segments: list[int], nodes: list[int], against: bool) -> Work:
        if self.cached > self.most_cached:
            self._forget()
        for segment in segments:
            known = self.far[segment] if against else self.near[segment]
            missing = [node for node in nodes if node not in known]
            if missing:
                yield from self._load_nodes(segment, missing, against)

    def _advance(
        self,
        side: Side,
        new: dict[int, list[Came]],
        nodes: list[int],
        segment: int,
        size: int,
        by_length: bool,
    ) -> None:
        """Go one step on from some nodes of a level; `new` are the nodes of the next one."""
        known = self.far[segment] if side.against else self.near[segment]
        came = side.came
        for node in nodes:
            ways = known[node]
            self.work += (len(ways) >> 1) + 1
            for position in range(size - 1, len(ways), size):
                reached: int = ways[position]
                if reached in came:
                    continue
                found = new.get(reached)
                if found is None:
                    new[reached] = [Came(node, segment, ways, position + 1 - size)]
                elif by_length:
                    found.append(Came(node, segment, ways, position + 1 - size))

    def _joined(
        self,
        first: Side,
        last: Side,
        meeting: list[int],
        size: int,
        by_length: bool,
        unsettled: set[int],
    ) -> Work:
        """Give out the paths over the nodes where both sides have met."""
        ended: list[Link] = []
        for node in meeting:
            for steps in first.paths(node, size, by_length):
                for rest in last.paths(node, size, by_length):
                    link = self._followed(first.origin, [*reversed(steps), *rest])
                    if link is not None:
                        ended.append(link)
                    self.work += 1
                    if self.work >= WORK_PER_UNIT:
                        self.work = 0
                        self.check_memory(self.kept + len(ended))
                        yield self.pause
            if ended and not by_length:
                break
        if ended:
            yield from self._give(ended)
        else:
            unsettled.add(last.origin)

    def _followed(self, start: int, steps: list[tuple[int, Ways]]) -> Link | None:
        """The path over some ways, each with its segment; None where a restriction forbids it."""
        link: Link | None = Link(self.program.start, start, 0, None, NONE, None, start)
        for segment, way in steps:
            assert link is not None
            state = link.state
            if not state.explored:
                self.program.explore(state)
            moves = [move for move in state.moves if move.segment == segment]
            link = self._along(link, moves[0], way)
            if link is None:
                return None
        return link

    def _returns(self, start: int) -> Work:
        """Whether a path by a step repeated can leave the node and come back without an edge or (but for the start) a
        node twice.  One that comes back at all has such a circle in it, so that a search for it ends.

        From each way out the others are sought back, without its first edges.
        """
        if self.program.whole.mode == ACYCLIC:
            return False
        segments = list(range(len(self.program.segments)))
        yield from self._load_level(segments, [start], False)
        size = len(self.program.segments[0].elements) - 1
        for segment in segments:
            ways = self.near[segment][start]
            for position in range(0, len(ways), size):
                back = yield from self._comes_back(start, ways[position : position + size], segments, size)
                if back:
                    return True
        return False

    def _comes_back(self, start: int, way: Ways, segments: list[int], size: int) -> Work:
        """Whether the node at the end of a way leads to `start` without the way's edges."""
        used = set(way[::2])
        level: list[int] = [way[-1]]
        seen: set[int] = {way[-1]}
        while level:
            if start in seen:
                return True
            yield from self._load_level(segments, level, False)
            new: list[int] = []
            for segment in segments:
                known = self.near[segment]
                for node in level:
                    ways = known[node]
                    self.work += (len(ways) >> 1) + 1
                    for position in range(0, len(ways), size):
                        end: int = ways[position + size - 1]
                        if end not in seen and used.isdisjoint(ways[position : position + size : 2]):
                            seen.add(end)
                            new.append(end)
            level = new
            if self.work >= WORK_PER_UNIT:
                self.work = 0
                yield self.pause
        return False

    # --- the shortest, by vertices ----------------------------------------

    def _by_vertices(self, start: int, end: int, count: int, by_length: bool, unsettled: set[int]) -> Work:
        """The shortest matches, where those without restrictions obey them; `unsettled` gets the ends where that does
        not decide."""
        one = count == 1 and not by_length and not self.program.ambiguous
        layers: list[dict[int, list[Vertex]]] = []
        accepted: dict[int, list[Vertex]] = {}
        waiting: dict[int, list[Vertex]] = {}
        first = Vertex(self.program.start, start, 0)
        waiting[0] = [first]
        layers.append({start: [first]})
        vertices = 1
        while waiting:
            length = min(waiting)
            places = waiting[length]
            at = 0
            while at < len(places):
                chunk = places[at : at + LARGEST_CHUNK]
                at += len(chunk)
                yield from self._load(chunk)
                for vertex in chunk:
                    if vertex.superseded:
                        continue
                    if vertex.state.accepts and (end == NONE or vertex.node == end):
                        self._accept_vertex(vertex, accepted, count, one)
                        if one and end != NONE:
                            break
                    vertices += self._spread(vertex, layers, waiting, count, one)
                    if self.work >= WORK_PER_UNIT:
                        self.work = 0
                        yield self.pause
                self.kept = vertices + self.cached // WAYS_PER_ROW
                self.check_memory(self.kept)
                if one and end in accepted:
                    break
            del waiting[length]
            if end in accepted and (one or _lengths(accepted[end]) >= count):
                break
        for node, last in accepted.items():
            yield from self._read_off(node, last, count, by_length, not waiting, unsettled)

    def _spread(
        self,
        vertex: Vertex,
        layers: list[dict[int, list[Vertex]]],
        waiting: dict[int, list[Vertex]],
        most: int,
        one: bool,
    ) -> int:
        """Go on from a vertex; how much that has put into memory: vertices, and ways into them beyond the first."""
        new = 0
        for move in vertex.state.moves:
            ways = self.near[move.segment][vertex.node]
            self.work += (len(ways) >> 1) + 1
            if not ways:
                continue
            target = move.target
            if not target.explored:
                self.program.explore(target)
            while len(layers) <= target.number:
                layers.append({})
            layer = layers[target.number]
            length = vertex.length + move.length
            size = 2 * move.length or 1
            for position in range(0, len(ways), size):
                node: int = ways[position + size - 1] if move.length else vertex.node
                known = layer.get(node)
                found: Vertex | None = None
                if known is not None:
                    last = known[-1]
                    if last.length == length:
                        if one:
                            continue
                        found = last
                    elif last.length < length:
                        if len(known) >= most:
                            continue
                    else:
                        found = _of_length(known, length)
                if found is None:
                    found = Vertex(target, node, length)
                    if known is None:
                        layer[node] = [found]
                    else:
                        _insert(known, found, most)
                    new += 1
                    bucket = waiting.get(length)
                    if bucket is None:
                        waiting[length] = [found]
                    else:
                        bucket.append(found)
                found.arcs.append(Arc(vertex, move, ways[position : position + size]))
                new += not one
        return new

    def _accept_vertex(
        self, vertex: Vertex, accepted: dict[int, list[Vertex]], count: int, one: bool
    ) -> None:
        known = accepted.get(vertex.node)
        if known is None:
            accepted[vertex.node] = [vertex]
        elif not one and (known[-1].length == vertex.length or _lengths(known) < count):
            known.append(vertex)

    def _read_off(
        self,
        node: int,
        vertices: list[Vertex],
        count: int,
        by_length: bool,
        exhausted: bool,
        unsettled: set[int],
    ) -> Work:
        """Make paths of the vertices where they are accepted, the shortest first, and give out as many as are wanted.

        They are all there are, if fewer lengths than asked for came to light before the search was exhausted.
        """
        tally = Tally()
        seen: set[object] = set()
        ended: list[Link] = []
        complete = exhausted and _lengths(vertices) < count
        for vertex in vertices:
            if not tally.takes(vertex.length, count, by_length):
                break
            open_ways: list[tuple[Vertex, list[Arc]]] = [(vertex, [])]
            while open_ways:
                at, arcs = open_ways.pop()
                self.work += 1
                if self.work >= WORK_PER_UNIT:
                    self.work = 0
                    self.check_memory(self.kept + len(open_ways) + len(ended) + len(seen))
                    yield self.pause
                for arc in at.arcs:
                    open_ways.append((arc.origin, [*arcs, arc]))
                link = None if at.arcs else self._rebuilt(at.node, arcs)
                if link is None:
                    continue
                for match in self._ended(link, None):
                    if not tally.takes(vertex.length, count, by_length):
                        open_ways = []
                        break
                    if self.program.ambiguous:
                        key = self._key(match)
                        if key in seen:
                            continue
                        seen.add(key)
                    tally.add(vertex.length)
                    ended.append(match)
        if not complete and (tally.lengths if by_length else tally.count) < count:
            unsettled.add(node)
            return
        yield from self._give(ended)

    def _rebuilt(self, start: int, arcs: list[Arc]) -> Link | None:
        """The path from `start` over the arcs, the last of them first; None where a restriction forbids it."""
        link: Link | None = Link(self.program.start, start, 0, None, NONE, None, start)
        for number in range(len(arcs) - 1, -1, -1):
            assert link is not None
            link = self._along(link, arcs[number].move, arcs[number].way)
            if link is None:
                return None
        return link


# --- looking back along a path ----------------------------------------


def _has_edge(link: Link, edge: int, group: int) -> bool:
    """Whether the edge was met since the group was opened."""
    at: Link | None = link
    while at is not None:
        if at.edge == edge:
            return True
        hop = at.hop
        if hop is not None and group and group in hop.opened:
            return False
        at = at.parent
    return False


def _node_allowed(link: Link, node: int, group: Group, begins: bool) -> bool:
    """Whether an acyclic or simple group may go on from `link` to the node."""
    if begins:
        return group.mode != ACYCLIC or node != link.node
    at: Link = link
    first = link.node
    met = False
    closed = False
    while True:
        hop = at.hop
        parent = at.parent
        if parent is None or hop is None:
            first = at.node
            break
        if at.edge != NONE:
            if at.node == node:
                met = True
        if group.number and group.number in hop.opened:
            first = parent.node
            break
        at = parent
    if group.mode == ACYCLIC:
        return not met and first != node
    closed = link.node == first and _has_edges(link, group.number)
    return not met and not closed


def _has_edges(link: Link, group: int) -> bool:
    """Whether there is an edge since the group was opened."""
    at: Link | None = link
    while at is not None:
        if at.edge != NONE:
            return True
        hop = at.hop
        if hop is not None and group and group in hop.opened:
            return False
        at = at.parent
    return False


def _bound_before(link: Link, variable: int, group: int) -> int:
    """What the variable was last bound to since the group was opened; NONE if it was not."""
    at: Link | None = link
    while at is not None:
        hop = at.hop
        parent = at.parent
        if hop is None or parent is None:
            return NONE
        if variable in hop.on_node:
            return at.node
        if variable in hop.on_edge:
            return at.edge
        if variable in hop.first:
            return parent.node
        if group and group in hop.opened:
            return NONE
        at = parent
    return NONE


def _bound_since(link: Link, variable: int, group: int) -> frozenset[int]:
    """What the variable has been bound to since the group was opened."""
    bound: set[int] = set()
    at: Link | None = link
    while at is not None:
        hop = at.hop
        parent = at.parent
        if hop is None or parent is None:
            break
        if variable in hop.on_node:
            bound.add(at.node)
        if variable in hop.on_edge:
            bound.add(at.edge)
        if variable in hop.first:
            bound.add(parent.node)
        if group and group in hop.opened:
            break
        at = parent
    return frozenset(bound)


# --- small things ----------------------------------------


def _ends_plainly(state: State) -> bool:
    """Whether a path in this state is a match as it stands."""
    return len(state.accepts) == 1 and not state.accepts[0].checks and state.accepts[0].hop is None


def _check_number(check: Check) -> int:
    return 2 * check.group.condition + check.is_empty


def _all_passed(passed: set[tuple[int, int]], link: Link, checks: tuple[Check, ...]) -> bool:
    return all((id(link), _check_number(check)) in passed for check in checks)


def _turned(way: Ways, origin: int) -> Ways:
    """A way walked from `origin`, as it is walked to it."""
    turned: Ways = []
    for position in range(len(way) - 2, -1, -2):
        turned.append(way[position])
        turned.append(way[position - 1] if position > 0 else origin)
    return turned


def _of_length(vertices: list[Vertex], length: int) -> Vertex | None:
    for vertex in vertices:
        if vertex.length == length:
            return vertex
    return None


def _insert(vertices: list[Vertex], new: Vertex, most: int) -> None:
    """Add a vertex of another length, in order, so that at most `most` stay."""
    position = len(vertices)
    while position > 0 and vertices[position - 1].length > new.length:
        position -= 1
    vertices.insert(position, new)
    while len(vertices) > most:
        vertices.pop().superseded = True


def _lengths(vertices: list[Vertex]) -> int:
    """How many lengths the vertices, which come in order of length, have."""
    return len({vertex.length for vertex in vertices})


def _reference(output: Output, reference: int, is_edge: bool) -> object:
    return reference if output.show is None else output.show(reference, is_edge)
