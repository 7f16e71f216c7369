"""Path patterns matched by brute force: the shortest code that says what a pattern means, and random ones to match.

Edges of a graph are directed or not, with parallel ones and loops.  A path is a tuple: node, edge, node, ....  A match is a path with
notes, (position in the path, variable): so however a pattern can be read, a match with the same path and the same
notes is one match.  `|+|` notes which of its alternatives was taken.

    (Node)         tests where the path has come to        Seq, Alt, Repeat      as in regular expressions
    -[Edge]->      goes on by an edge                      Paren                 restricts what it has matched

Every part prints as GQL, so that the same pattern can be sent to a database.
"""

from __future__ import annotations

import operator
from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random
from typing import NamedTuple


class EdgeOf(NamedTuple):
    """An edge of a `Graph`."""

    source: int
    target: int
    labels: frozenset[str]
    properties: dict[str, int]
    is_directed: bool = True


@dataclass
class Graph:
    """Nodes and edges by id, which tell nodes and edges apart (edges are negative).  `properties` are integers."""

    labels: dict[int, frozenset[str]] = field(default_factory=dict)
    properties: dict[int, dict[str, int]] = field(default_factory=dict)
    edges: dict[int, EdgeOf] = field(default_factory=dict)

    def of(self, element: int, key: str) -> int | None:
        """A property of a node or an edge; None where there is none."""
        return (self.edges[element].properties if element in self.edges else self.properties[element]).get(
            key
        )

    def has(self, element: int, label: str | None) -> bool:
        return label is None or label in (
            self.edges[element].labels if element in self.edges else self.labels[element]
        )


Path = tuple[int, ...]
Note = tuple[int, str]
Match = tuple[Path, frozenset[Note]]


@dataclass(frozen=True)
class Compare:
    """A condition: sum of property `key` over what `variable` is bound to, compared with a constant, or with the same
    for `other`.  `is_sum` prints it as SUM(), for group variables."""

    variable: str
    key: str
    operator: str
    constant: int = 0
    other: str | None = None
    is_sum: bool = False

    def holds(self, graph: Graph, path: Path, notes: frozenset[Note]) -> bool:
        left, right = self._value(graph, path, notes, self.variable), self.constant
        if self.other is not None:
            found = self._value(graph, path, notes, self.other)
            if found is None:
                return False
            right = found
        return left is not None and bool(_OPERATORS[self.operator](left, right))

    def _value(self, graph: Graph, path: Path, notes: frozenset[Note], variable: str) -> int | None:
        found = [graph.of(path[position], self.key) for position, name in notes if name == variable]
        values = [value for value in found if value is not None]
        return sum(values) if values else None

    def __str__(self) -> str:
        shown = [f"{v}.{self.key}" for v in (self.variable, self.other) if v is not None]
        if self.is_sum:
            shown = [f"SUM({each})" for each in shown]
        return f"{shown[0]} {self.operator} {shown[1] if len(shown) > 1 else self.constant}"


_OPERATORS = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "=": operator.eq, "<>": operator.ne,
}  # fmt: skip


@dataclass(frozen=True)
class Element:
    """What node and edge patterns have in common: (x:A WHERE x.k > 1)."""

    variable: str | None = None
    label: str | None = None
    where: Compare | None = None

    def fits(self, graph: Graph, path: Path, note: frozenset[Note]) -> bool:
        return graph.has(path[-1], self.label) and (self.where is None or self.where.holds(graph, path, note))

    def note(self, path: Path) -> frozenset[Note]:
        return frozenset(() if self.variable is None else {(len(path) - 1, self.variable)})

    def inside(self) -> str:
        label = "" if self.label is None else f":{self.label}"
        return f"{self.variable or ''}{label}{'' if self.where is None else f' WHERE {self.where}'}"


@dataclass(frozen=True)
class Node(Element):
    def __str__(self) -> str:
        return f"({self.inside()})"


DIRECTIONS = {
    "->": ("-", "->", True, False, False),
    "<-": ("<-", "-", False, True, False),
    "<->": ("<-", "->", True, True, False),
    "~": ("~", "~", False, False, True),
    "~>": ("~", "~>", True, False, True),
    "<~": ("<~", "~", False, True, True),
    "-": ("-", "-", True, True, True),
}
"""What stands left and right of the brackets; whether directed edges are walked forwards, and backwards; whether
undirected ones are walked."""


@dataclass(frozen=True)
class Edge(Element):
    """direction: one of DIRECTIONS, as it is written without brackets."""

    direction: str = "->"

    def __str__(self) -> str:
        left, right, *_ = DIRECTIONS[self.direction]
        return f"{left}[{self.inside()}]{right}"

    def ways(self, edge: EdgeOf) -> set[tuple[int, int]]:
        """From which node to which the pattern walks an edge; a loop has one way."""
        _, _, forwards, backwards, undirected = DIRECTIONS[self.direction]
        ways = {(edge.source, edge.target)} if (forwards if edge.is_directed else undirected) else set()
        if backwards if edge.is_directed else undirected:
            ways |= {(edge.target, edge.source)}
        return ways


@dataclass(frozen=True)
class Seq:
    parts: tuple[Part, ...]

    def __str__(self) -> str:
        return " ".join(map(str, self.parts))


@dataclass(frozen=True)
class Alt:
    """Stands in parentheses of its own."""

    parts: tuple[Part, ...]
    keeps: bool = False

    def __str__(self) -> str:
        return f"({(' |+| ' if self.keeps else ' | ').join(map(str, self.parts))})"


@dataclass(frozen=True)
class Repeat:
    """`question` is `?`, under which variables are no groups."""

    part: Part
    least: int
    most: int | None
    question: bool = False

    def __str__(self) -> str:
        short = {(0, None): "*", (1, None): "+"}.get((self.least, self.most))
        exact = f"{{{self.least}}}" if self.least == self.most else None
        long = f"{{{self.least},{'' if self.most is None else self.most}}}"
        return f"{self.part}{'?' if self.question else short or exact or long}"


@dataclass(frozen=True)
class Paren:
    part: Part
    mode: str = "walk"
    where: Compare | None = None

    def __str__(self) -> str:
        mode = "" if self.mode == "walk" else f"{self.mode.upper()} "
        return f"({mode}{self.part}{'' if self.where is None else f' WHERE {self.where}'})"


Part = Node | Edge | Seq | Alt | Repeat | Paren


# --- the matcher ----------------------------------------


def matches(graph: Graph, part: Part, mode: str = "walk", most: int = 12) -> set[Match]:
    """All matches of paths with at most `most` edges that the mode allows."""
    found = {match for start in graph.labels for match in walks(graph, part, (start,), mode, most)}
    return {(path, notes) for path, notes in found if allowed(path, mode) and _agree(part, path, notes)}


def walks(graph: Graph, part: Part, path: Path, mode: str = "walk", most: int = 12) -> Iterator[Match]:
    """All ways in which the part goes on from a path: the longer path, and the part's own notes."""
    if isinstance(part, Node):
        if part.fits(graph, path, part.note(path)):
            yield path, part.note(path)
    elif isinstance(part, Edge):
        for number, edge in graph.edges.items() if len(path) < 2 * most else ():
            for _, end in (pair for pair in part.ways(edge) if pair[0] == path[-1]):
                gone = (*path, number)
                if part.fits(graph, gone, part.note(gone)) and allowed((*gone, end), mode, ended=False):
                    yield (*gone, end), part.note(gone)
    elif isinstance(part, Seq):
        yield from _chain(graph, part.parts, path, mode, most)
    elif isinstance(part, Alt):
        for number, each in enumerate(part.parts):
            tag = frozenset({(len(path) - 1, f"{id(part)}|{number}")} if part.keeps else ())
            for longer, notes in walks(graph, each, path, mode, most):
                yield longer, notes | tag
    elif isinstance(part, Repeat):
        times = most if part.most is None else part.most
        for count in range(part.least, max(part.least, times) + 1):
            yield from _chain(graph, (Paren(part.part),) * count, path, mode, most)
    else:
        for longer, notes in walks(graph, part.part, path, mode, most):
            own = longer[len(path) - 1 :]
            if allowed(own, part.mode) and _agree(part.part, longer, notes):
                if part.where is None or part.where.holds(graph, longer, notes):
                    yield longer, notes


def _chain(graph: Graph, parts: tuple[Part, ...], path: Path, mode: str, most: int) -> Iterator[Match]:
    if not parts:
        yield path, frozenset()
        return
    for longer, notes in set(walks(graph, parts[0], path, mode, most)):
        for whole, more in _chain(graph, parts[1:], longer, mode, most):
            yield whole, notes | more


def allowed(path: Path, mode: str, ended: bool = True) -> bool:
    """Whether the mode allows the path (unless `ended`, whether it could still come to one that it allows)."""
    nodes, edges = path[::2], path[1::2]
    if mode == "simple" and len(nodes) > 1 and nodes[0] == nodes[-1]:
        nodes = nodes[1:]
    repeated = {"walk": (), "trail": edges, "acyclic": nodes, "simple": nodes}[mode]
    return len(set(repeated)) == len(repeated)


def _agree(part: Part, path: Path, notes: frozenset[Note]) -> bool:
    """Whether each variable that is no group in `part` means one element."""
    single = singletons(part)
    bound = {(name, path[position]) for position, name in notes if name in single}
    return len(bound) == len({name for name, _ in bound})


def singletons(part: Part) -> set[str]:
    """The variables that stand outside of quantifiers."""
    if isinstance(part, (Node, Edge)):
        return set() if part.variable is None else {part.variable}
    if isinstance(part, (Seq, Alt)):
        return set().union(*map(singletons, part.parts))
    return set() if isinstance(part, Repeat) and not part.question else singletons(part.part)


def variables(part: Part) -> set[str]:
    """All variables of a part."""
    if isinstance(part, (Node, Edge)):
        return set() if part.variable is None else {part.variable}
    return set().union(*map(variables, part.parts if isinstance(part, (Seq, Alt)) else (part.part,)))


# --- what selectors allow ----------------------------------------


def wrong_lengths(chosen: list[Path], among: list[Path], count: int, shortest: bool, groups: bool) -> str:
    """What is wrong with the lengths of paths that a selector has chosen; empty when nothing is."""
    for pair in sorted({(path[0], path[-1]) for path in among}):
        lengths = sorted(len(path) // 2 for path in among if (path[0], path[-1]) == pair)
        mine = sorted(len(path) // 2 for path in chosen if (path[0], path[-1]) == pair)
        wanted = [n for n in lengths if n in sorted(set(lengths))[:count]] if groups else lengths[:count]
        if (mine != wanted) if shortest or groups else (len(mine) != len(wanted)):
            return f"between {pair}: lengths {mine} instead of {wanted}"
    return ""


# --- random graphs and patterns ----------------------------------------


def random_graph(random: Random, nodes: int = 4, edges: int = 6, undirected: float = 0.0) -> Graph:
    """A small graph; elements have labels A, B and properties k, some neither; a share of edges is undirected."""
    graph = Graph()
    for number in range(1, nodes + 1):
        graph.labels[number] = frozenset(label for label in "AB" if random.random() < 0.6)
        graph.properties[number] = {"k": random.randint(0, 3)} if random.random() < 0.9 else {}
    for number in range(1, edges + 1):
        ends = random.randint(1, nodes), random.randint(1, nodes)
        labels = frozenset(random.choice(("E", "E", "F")))
        properties = {"k": random.randint(0, 3)} if random.random() < 0.9 else {}
        is_directed = not undirected or random.random() >= undirected
        graph.edges[-number] = EdgeOf(*ends, labels, properties, is_directed)
    return graph


class RandomPatterns:
    """Random path patterns.  Names of variables run on, so that a variable stands for one element pattern; one in a
    few is used again as a singleton, which joins."""

    def __init__(
        self, random: Random, unbounded: bool = True, directions: tuple[str, ...] = ("->", "->", "<-", "-")
    ) -> None:
        self.random = random
        self.directions = directions
        self.unbounded = unbounded
        self.grouped_conditions = True
        self._names = 0

    def pattern(self) -> Part:
        """A path pattern from a node to a node."""
        parts: list[Part] = [self.node()]
        for _ in range(self.random.choice((1, 1, 2))):
            parts.append(self.step(2))
            parts.append(self.node() if self.random.random() < 0.7 else Node())
        again = sorted({p.variable for p in parts if isinstance(p, Node) and p.variable is not None})
        if again and self.random.random() < 0.1:
            parts.append(Node(self.random.choice(again)))
        return Seq(tuple(parts))

    def name(self) -> str | None:
        if self.random.random() < 0.4:
            return None
        self._names += 1
        return f"v{self._names}"

    def where(self, name: str | None, is_sum: bool = False) -> Compare | None:
        if name is None or self.random.random() < 0.75:
            return None
        return Compare(
            name, "k", self.random.choice(list(_OPERATORS)), self.random.randint(0, 3), is_sum=is_sum
        )

    def node(self) -> Node:
        name = self.name()
        label = self.random.choice((None, None, None, "A", "B"))
        return Node(name, label, self.where(name))

    def edge(self) -> Edge:
        name = self.name()
        label = self.random.choice((None, None, "E", "F"))
        return Edge(name, label, self.where(name), self.random.choice(self.directions))

    def step(self, depth: int) -> Part:
        """Something with at least one edge, unless it may be left out."""
        roll = self.random.random()
        if depth == 0 or roll < 0.15:
            return self.edge()
        if roll < 0.6:
            return self.repeat(depth)
        if roll < 0.75:
            parts = tuple(Seq((Node(), self.step(depth - 1), Node())) for _ in range(2))
            return Alt(parts, self.random.random() < 0.3)
        return self.paren(depth)

    def repeat(self, depth: int) -> Part:
        body: Part = self.edge() if self.random.random() < 0.5 else self.paren(depth, solid=True)
        if isinstance(body, Paren) and self.random.random() < 0.15:
            return Repeat(body, 0, 1, question=True)
        bounds = [(0, 1), (0, 2), (1, 2), (2, 2), (1, 3), (0, 3), (2, 3)]
        if self.unbounded:
            bounds += [(0, None), (1, None), (2, None)] * 2
        least, most = self.random.choice(bounds)
        return Repeat(body, least, most)

    def paren(self, depth: int, solid: bool = False) -> Paren:
        """`solid`: at least one edge."""
        inner = self.edge() if solid and depth < 2 else self.step(depth - 1)
        if solid and least_length(inner) == 0:
            inner = self.edge()
        part = Seq((self.node(), inner, self.node()))
        mode = self.random.choice(("walk", "walk", "walk", "trail", "acyclic", "simple"))
        return Paren(part, mode, self._condition(part))

    def _condition(self, part: Part) -> Compare | None:
        single = sorted(singletons(part))
        names = [name for name in single if name in always_bound(part)]
        if len(names) >= 2 and self.random.random() < 0.3:
            left, right = self.random.sample(names, 2)
            return Compare(left, "k", self.random.choice(list(_OPERATORS)), other=right)
        grouped = sorted(variables(part) - set(single))
        if grouped and self.grouped_conditions and self.random.random() < 0.3:
            return self.where(self.random.choice(grouped), is_sum=True)
        return self.where(self.random.choice(names)) if names else None


def always_bound(part: Part) -> set[str]:
    """The variables that every match of the part binds."""
    if isinstance(part, Alt):
        return set.intersection(*map(always_bound, part.parts))
    if isinstance(part, Seq):
        return set().union(*map(always_bound, part.parts))
    if isinstance(part, (Node, Edge)):
        return variables(part)
    return set() if isinstance(part, Repeat) else always_bound(part.part)


def least_length(part: Part) -> int:
    """The fewest edges that a match can have."""
    if isinstance(part, Alt):
        return min(map(least_length, part.parts))
    if isinstance(part, Seq):
        return sum(map(least_length, part.parts))
    if isinstance(part, Repeat):
        return part.least * least_length(part.part)
    return least_length(part.part) if isinstance(part, Paren) else int(isinstance(part, Edge))
