"""The direct serialization graph of a history, and the cycles that each level forbids.

Nodes are committed transactions, edges what one must have come before the other for (Adya, *Weak Consistency*,
1999; Elle finds the same ones from what clients saw):

    ww   b replaced a's version            wr   b read a's version, or asked a predicate whose answer a had changed
    rw   a read a version that b replaced, or asked a predicate whose answer b changed: a came before b

Which version a reader saw is read off its tag.  For a row that a predicate did *not* return, the reader saw some
version that does not match; of those that the positions of its statement allow, the latest gives the rw edge
and the earliest the wr edge, so that no edge is claimed that need not be there.

Version order is the order of commits.  That is sound, since a version becomes visible with its writer's commit
and not before; `oracle` checks it against `prev`, the tag that each version says it replaced.

What is forbidden, level by level; with levels mixed, each transaction is held to its own:

    all               G0 (cycle of ww; or a write that does not replace the version before it), G1a (aborted read),
                      G1b (intermediate read), G1c (cycle of ww and wr)
    READ COMMITTED    also, for each single statement: a cycle with one rw edge out of that statement and a wr
                      edge into it.  It would have seen half of a transaction
    SNAPSHOT          G-single: a cycle with exactly one rw edge, out of a SNAPSHOT transaction.  Lost update when
                      it comes back by ww, else read skew; by predicate: phantoms, PMP
    SERIALIZABLE      every cycle whose rw edges lead from SERIALIZABLE to SERIALIZABLE: G2-item, G2

A cycle through transactions of weaker levels is forbidden too, so long as those enter it by ww and wr only:
these edges agree with the order of commits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import pairwise

from histories.script import READ_COMMITTED, SERIALIZABLE
from histories.statements import Matches, Row, Version

Object = tuple[str, int]
EdgeFilter = Callable[["Edge"], bool]
NOBODY = 0
"""The transaction that made the first rows."""


@dataclass(slots=True)
class Node:
    """A transaction.  `position` is that of its commit."""

    number: int
    level: str
    committed: bool
    position: int = -1


@dataclass(slots=True)
class Read:
    """What one statement learned: versions, and predicates that no other row met.

    Its snapshot was at one of the positions `low` to `high`.  `own` are the objects that its transaction had
    written by then.
    """

    reader: int
    statement: int
    versions: list[Version]
    predicates: list[tuple[str, Matches]] = field(default_factory=list)
    low: int = 0
    high: int = 1 << 30
    own: frozenset[Object] = frozenset()


@dataclass(slots=True)
class Installed:
    """A committed version in its object's order; `row` None: deleted.

    `replaced` is the tag of the version that its writer believed to replace, 0 for none.
    """

    row: Row | None
    tag: int
    writer: int
    position: int
    replaced: int


@dataclass(slots=True)
class Facts:
    """A history as the graph needs it."""

    nodes: dict[int, Node] = field(default_factory=dict)
    reads: list[Read] = field(default_factory=list)
    orders: dict[Object, list[Installed]] = field(default_factory=dict)
    written: dict[Version, int] = field(default_factory=dict)
    """Who wrote a version, committed or not, final or not."""


@dataclass(frozen=True, slots=True)
class Edge:
    """`kind` is ww, wr or rw; `statement` is the read's."""

    source: int
    target: int
    kind: str
    table: str
    key: int
    statement: int = -1
    by_predicate: bool = False

    def __str__(self) -> str:
        how = f"{self.kind}, by predicate" if self.by_predicate else self.kind
        return f"T{self.source} --{how}, {self.table} {self.key}--> T{self.target}"


@dataclass(slots=True)
class Anomaly:
    """Something that a level forbids: its name, and the cycle, or a sentence where there is none."""

    name: str
    level: str
    cycle: list[Edge] = field(default_factory=list)
    message: str = ""

    def __str__(self) -> str:
        lines = [f"{self.name} at {self.level}"]
        if self.message:
            lines.append(f"    {self.message}")
        return "\n".join(lines + [f"    {edge}" for edge in self.cycle])


class Graph:
    """Edges between committed transactions."""

    def __init__(self, facts: Facts) -> None:
        self.facts = facts
        self.edges: dict[int, dict[int, list[Edge]]] = {}
        self.dirty: list[Anomaly] = []
        for key, order in facts.orders.items():
            self._add_write_order(key, order)
        for read in facts.reads:
            self._add_read(read)

    # --- edges ----------------------------------------

    def _add(self, edge: Edge) -> None:
        if edge.source == edge.target or NOBODY in (edge.source, edge.target):
            return
        self.edges.setdefault(edge.source, {}).setdefault(edge.target, []).append(edge)

    def _add_write_order(self, key: Object, order: list[Installed]) -> None:
        for before, after in pairwise(order):
            self._add(Edge(before.writer, after.writer, "ww", *key))
            if after.replaced != (before.tag if before.row is not None else 0):
                self._add_lost_write(key, before, after)

    def _add_lost_write(self, key: Object, before: Installed, after: Installed) -> None:
        """A version that did not replace the one before it: that one's writer might as well not have written."""
        level = self.facts.nodes[after.writer].level
        message = (
            f"T{after.writer} replaced version {after.replaced} of {key[0]} {key[1]},"
            f" but T{before.writer} had committed version {before.tag}"
        )
        self.dirty.append(Anomaly("lost write (P4, G0)", level, message=message))

    def _add_read(self, read: Read) -> None:
        reader = self.facts.nodes[read.reader]
        for version in read.versions:
            self._add_version_read(read, reader, version)
        if reader.committed:
            for table, matches in read.predicates:
                self._add_predicate(read, table, matches)

    def _add_version_read(self, read: Read, reader: Node, version: Version) -> None:
        facts = self.facts
        table, key, tag = version
        order = facts.orders.get((table, key), [])
        place = next((n for n, each in enumerate(order) if each.tag == tag and each.row is not None), -1)
        if place < 0:
            self._add_dirty_read(reader, version)
            return
        if not reader.committed:
            return
        self._add(Edge(order[place].writer, read.reader, "wr", table, key, read.statement))
        if place + 1 < len(order):
            self._add(Edge(read.reader, order[place + 1].writer, "rw", table, key, read.statement))

    def _add_dirty_read(self, reader: Node, version: Version) -> None:
        """A version that was never installed: an aborted transaction's, an intermediate one, or nobody's."""
        table, key, tag = version
        writer = self.facts.written.get(version)
        if writer == reader.number:
            return
        what = f"T{reader.number} read version {tag} of {table} {key}"
        if writer is None:
            self.dirty.append(Anomaly("garbage read", reader.level, message=f"{what}, which nobody wrote"))
        elif self.facts.nodes[writer].committed:
            message = f"{what}, which T{writer} replaced before it committed"
            self.dirty.append(Anomaly("G1b: intermediate read", reader.level, message=message))
        else:
            message = f"{what}, but its writer T{writer} did not commit"
            self.dirty.append(Anomaly("G1a: aborted read", reader.level, message=message))

    def _add_predicate(self, read: Read, table: str, matches: Matches) -> None:
        returned = {(t, key) for t, key, _ in read.versions}
        for place, order in self.facts.orders.items():
            if place[0] == table and place not in returned and place not in read.own:
                self._add_absent(read, place, order, matches)

    def _add_absent(self, read: Read, place: Object, order: list[Installed], matches: Matches) -> None:
        """Edges for an object that the predicate did not return: some version that does not match was seen."""
        matching = [each.row is not None and matches(each.row) for each in order]
        if not any(matching):
            return
        # -1 stands for the time before the first version
        places = range(-1, len(order))
        seen = [
            n
            for n in places
            if (n < 0 or not matching[n])
            and (n < 0 or order[n].position <= read.high)
            and (n + 1 == len(order) or order[n + 1].position > read.low)
        ]
        if not seen:
            self._add_missing(read, place)
            return
        for n in range(seen[-1] + 1, len(order)):
            if matching[n]:
                self._add(Edge(read.reader, order[n].writer, "rw", *place, read.statement, True))
                break
        for n in range(seen[0], 0, -1):
            if matching[n - 1] and not matching[n]:
                self._add(Edge(order[n].writer, read.reader, "wr", *place, read.statement, True))
                break

    def _add_missing(self, read: Read, place: Object) -> None:
        reader = self.facts.nodes[read.reader]
        message = (
            f"T{read.reader} did not see {place[0]} {place[1]}, which matches in every possible snapshot"
        )
        self.dirty.append(Anomaly("missing row", reader.level, message=message))

    # --- paths ----------------------------------------

    def is_acyclic(self) -> bool:
        """Whether there is no cycle of any kind."""
        return self.order(lambda edge: True) is not None

    def order(self, counts: EdgeFilter) -> list[int] | None:
        """The committed transactions in an order that agrees with the edges, early commits first; None: a cycle."""
        numbers = [n for n, node in self.facts.nodes.items() if node.committed]
        before: dict[int, set[int]] = {n: set() for n in numbers}
        for source, targets in self.edges.items():
            for target, edges in targets.items():
                if source in before and target in before and any(counts(edge) for edge in edges):
                    before[target].add(source)
        made: list[int] = []
        nodes = self.facts.nodes
        waiting = sorted(numbers, key=lambda n: (nodes[n].position, n))
        while waiting:
            free = next((n for n in waiting if not before[n]), None)
            if free is None:
                return None
            waiting.remove(free)
            made.append(free)
            for n in waiting:
                before[n].discard(free)
        return made

    def path(self, source: int, targets: Iterable[int], counts: EdgeFilter) -> list[Edge] | None:
        """The shortest path from `source` to one of `targets` (empty if it is one); None if there is none."""
        wanted = set(targets)
        if source in wanted:
            return []
        came: dict[int, Edge] = {}
        level = [source]
        while level:
            following: list[int] = []
            for node in level:
                for target, edges in sorted(self.edges.get(node, {}).items()):
                    edge = next((e for e in edges if counts(e)), None)
                    if edge is None or target in came or target == source:
                        continue
                    came[target] = edge
                    if target in wanted:
                        return _path_to(target, source, came)
                    following.append(target)
            level = following
        return None

    def all_edges(self) -> list[Edge]:
        """Every edge."""
        return [edge for targets in self.edges.values() for edges in targets.values() for edge in edges]


def _path_to(target: int, source: int, came: dict[int, Edge]) -> list[Edge]:
    path: list[Edge] = []
    while target != source:
        path.append(came[target])
        target = came[target].source
    return path[::-1]


# --- what is forbidden --------------------------------------------------------------------------------------


def find_anomalies(facts: Facts) -> list[Anomaly]:
    """Everything in the history that some transaction's level forbids."""
    graph = Graph(facts)
    return graph.dirty if graph.is_acyclic() else [*graph.dirty, *_forbidden_cycles(graph)]


def _forbidden_cycles(graph: Graph) -> list[Anomaly]:
    found = [_cycle_of_dependencies(graph)]
    for edge in graph.all_edges():
        if edge.kind == "rw":
            found.append(_single(graph, edge))
    if not any(found):
        found.append(_serializable_cycle(graph))
    return [each for each in found if each is not None][:1]


def _is_dependency(edge: Edge) -> bool:
    return edge.kind != "rw"


def _cycle_of_dependencies(graph: Graph) -> Anomaly | None:
    """G0, G1c."""
    for kinds, name in ((("ww",), "G0: dirty writes"), (("ww", "wr"), "G1c: circular information flow")):
        cycle = find_cycle(graph, lambda edge, kinds=kinds: edge.kind in kinds)  # type: ignore[misc]
        if cycle is not None:
            return Anomaly(name, READ_COMMITTED, cycle)
    return None


def _single(graph: Graph, edge: Edge) -> Anomaly | None:
    """A cycle with `edge` as its only rw edge, if the reader's level forbids it."""
    level = graph.facts.nodes[edge.source].level
    if level == READ_COMMITTED:
        sources = {
            e.source: e
            for e in graph.all_edges()
            if e.kind == "wr" and e.target == edge.source and e.statement == edge.statement
        }
        path = graph.path(edge.target, sources, _is_dependency)
        if path is None:
            return None
        last = sources[path[-1].target if path else edge.target]
        return Anomaly("torn statement: it saw half of a transaction", level, [edge, *path, last])
    path = graph.path(edge.target, (edge.source,), _is_dependency)
    if path is None:
        return None
    return Anomaly(f"G-single: {_kind_of_single(edge, path)}", level, [edge, *path])


def _kind_of_single(edge: Edge, path: list[Edge]) -> str:
    if path[-1].kind == "ww" and len(path) == 1:
        return "lost update"
    return "phantom (PMP)" if edge.by_predicate else "read skew"


def _serializable_cycle(graph: Graph) -> Anomaly | None:
    """G2-item, G2: among SERIALIZABLE transactions."""
    nodes = graph.facts.nodes

    def counts(edge: Edge) -> bool:
        return edge.kind != "rw" or (
            nodes[edge.source].level == SERIALIZABLE and nodes[edge.target].level == SERIALIZABLE
        )

    cycle = find_cycle(graph, counts)
    if cycle is None:
        return None
    return Anomaly(cycle_name(cycle), SERIALIZABLE, cycle)


def cycle_name(cycle: list[Edge]) -> str:
    """What a cycle with two or more rw edges is called."""
    by_predicate = any(edge.by_predicate for edge in cycle)
    return "G2: write skew by predicate" if by_predicate else "G2-item: write skew"


def find_cycle(graph: Graph, counts: EdgeFilter) -> list[Edge] | None:
    """A shortest cycle of these edges, or None."""
    best: list[Edge] | None = None
    if graph.order(counts) is not None:
        return None
    for edge in graph.all_edges():
        if counts(edge):
            path = graph.path(edge.target, (edge.source,), counts)
            if path is not None and (best is None or len(path) + 1 < len(best)):
                best = [edge, *path]
    return best


def weakest_name(facts: Facts) -> str:
    """The kind of the shortest cycle in the history, allowed or not; '' if there is none.  For statistics."""
    graph = Graph(facts)
    if graph.is_acyclic():
        return ""
    cycle = find_cycle(graph, lambda edge: True)
    assert cycle is not None
    antidependencies = [edge for edge in cycle if edge.kind == "rw"]
    if not antidependencies:
        return "G1c"
    if len(antidependencies) == 1:
        return "G-single"
    return cycle_name(cycle).partition(":")[0]
