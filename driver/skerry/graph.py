"""Nodes, edges and paths as Python values.

They are what a statement saw: nothing changes them, and they do not change with the graph.  An element is its `id`,
whatever it holds, so equality and hashing go by that: a node before and after a change is one key of a dict.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType

ElementId = int | str


class _Element:
    """What nodes and edges have in common.

    `id` identifies the element among all nodes, or all edges, of its graph: a number, or text in a graph over several
    tables.  `labels` is a frozenset, `properties` a mapping that can't be changed; `element["name"]` is short for
    `element.properties["name"]`.
    """

    __slots__ = ("id", "labels", "properties")

    id: ElementId
    labels: frozenset[str]
    properties: Mapping[str, object]

    def __init__(self, id: ElementId, labels: Iterable[str], properties: Mapping[str, object]) -> None:
        set_field = object.__setattr__
        set_field(self, "id", id)
        set_field(self, "labels", frozenset(labels))
        set_field(self, "properties", MappingProxyType(dict(properties)))

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{type(self).__name__} can't be changed")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"{type(self).__name__} can't be changed")

    def __getitem__(self, name: str) -> object:
        return self.properties[name]

    def get(self, name: str, default: object = None) -> object:
        """A property, or `default` where the element has none of that name."""
        return self.properties.get(name, default)

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and self.id == other.id

    def __hash__(self) -> int:
        return hash((type(self).__name__, self.id))

    def _inside(self) -> str:
        """Labels and properties as a pattern has them."""
        labels = "".join(
            [f":{label}" if number == 0 else f"&{label}" for number, label in enumerate(sorted(self.labels))]
        )
        properties = ", ".join([f"{name}: {value!r}" for name, value in self.properties.items()])
        return " ".join([part for part in (labels, f"{{{properties}}}" if properties else "") if part])


class Node(_Element):
    """A node of a graph."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"<Node {self.id} ({self._inside()})>"

    def __reduce__(self) -> tuple[object, ...]:
        return Node, (self.id, self.labels, dict(self.properties))


class Edge(_Element):
    """An edge of a graph.  `source` and `target` are the ids of the nodes that it leads from and to; of one that is not
    `is_directed` they are its two ends, and which is which means nothing."""

    __slots__ = ("source", "target", "is_directed")

    source: ElementId
    target: ElementId
    is_directed: bool

    def __init__(
        self,
        id: ElementId,
        labels: Iterable[str],
        properties: Mapping[str, object],
        source: ElementId,
        target: ElementId,
        is_directed: bool = True,
    ) -> None:
        super().__init__(id, labels, properties)
        object.__setattr__(self, "source", source)
        object.__setattr__(self, "target", target)
        object.__setattr__(self, "is_directed", is_directed)

    def __repr__(self) -> str:
        left, right = ("-[", "]->") if self.is_directed else ("~[", "]~")
        return f"<Edge {self.id} ({self.source}){left}{self._inside()}{right}({self.target})>"

    def __reduce__(self) -> tuple[object, ...]:
        properties = dict(self.properties)
        return Edge, (self.id, self.labels, properties, self.source, self.target, self.is_directed)


class Path:
    """A walk through a graph: `nodes` in order, and the `edges` between them, one less.

    An edge that was walked against its direction still leads from its `source` to its `target`.  `len(path)` is the
    number of edges; iterating gives nodes and edges in turn.
    """

    __slots__ = ("nodes", "edges")

    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]

    def __init__(self, nodes: Iterable[Node], edges: Iterable[Edge]) -> None:
        object.__setattr__(self, "nodes", tuple(nodes))
        object.__setattr__(self, "edges", tuple(edges))
        if len(self.nodes) != len(self.edges) + 1:
            raise ValueError("a path has one node more than edges")

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError("Path can't be changed")

    def __delattr__(self, name: str) -> None:
        raise AttributeError("Path can't be changed")

    @property
    def start(self) -> Node:
        """The first node."""
        return self.nodes[0]

    @property
    def end(self) -> Node:
        """The last node."""
        return self.nodes[-1]

    def __len__(self) -> int:
        return len(self.edges)

    def __bool__(self) -> bool:
        return True

    def __iter__(self) -> Iterator[Node | Edge]:
        yield self.nodes[0]
        for edge, node in zip(self.edges, self.nodes[1:], strict=True):
            yield edge
            yield node

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Path) and self.nodes == other.nodes and self.edges == other.edges

    def __hash__(self) -> int:
        return hash((self.nodes, self.edges))

    def __repr__(self) -> str:
        walk = f"({self.nodes[0].id})"
        for before, edge, node in zip(self.nodes, self.edges, self.nodes[1:], strict=False):
            label = "".join([f":{label}" for label in sorted(edge.labels)][:1])
            forward = edge.source == before.id and edge.target == node.id
            arrow = f"-[{label}]->" if forward else f"<-[{label}]-"
            walk += f"{arrow if edge.is_directed else f'~[{label}]~'}({node.id})"
        return f"<Path {walk}>"

    def __reduce__(self) -> tuple[object, ...]:
        return Path, (self.nodes, self.edges)
