"""In which order the nodes of a workflow run, and which of them belong to which transaction.

    read ─┐                                    level 0    read, tx ... commit
    tx ── create_user ── create_order ── commit
                              └── audit        level 1    whatever takes something from level 0

A scope's nodes are those that come after it and not after its end.  A node that nothing ties to either belongs to it
too if it was added between them.  Everything in a scope runs before its end.

A unit is a node outside of every scope, or a whole outermost scope.  Units are in levels: those of a level do not need
each other.  Within a scope there is one order, in which an inner scope stands as a whole: it is a savepoint, and what
lies between its start and its end is undone with it.

Invariants
-   Each node is in exactly one unit; scopes lie within each other or apart.
-   Order follows what nodes need, then the order in which they were added: it is the same in every run.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from skerry.flow.workflows.nodes import Node, SavepointEnd, SavepointNode, ScopeEnd, ScopeStart
from skerry_engine.errors import WorkflowError


@dataclass(frozen=True, slots=True)
class ScopeUnit:
    """A scope: its start, and what runs inside, ends included, in this order."""

    start: Node
    spec: ScopeStart
    body: tuple[Unit, ...]

    def nodes(self) -> list[Node]:
        """All of its nodes."""
        return [self.start, *(node for part in self.body for node in nodes_of(part))]


Unit: TypeAlias = Node | ScopeUnit


def nodes_of(unit: Unit) -> list[Node]:
    """A unit's nodes, in order."""
    return [unit] if isinstance(unit, Node) else unit.nodes()


def plan(nodes: Mapping[str, Node], edges: Iterable[tuple[str, str]]) -> tuple[tuple[Unit, ...], ...]:
    """The levels of a workflow.  `nodes` in the order in which they were added; an edge: first, then.

    Raises WorkflowError for a cycle, a scope without an end, an end without a scope, scopes that overlap, a savepoint
    outside of a scope.
    """
    graph = _Graph(list(nodes), edges)
    graph.check_cycles()
    ends = _Ends(nodes, graph)
    ends.bind()
    scopes = _scopes(nodes, graph, ends)
    _check_savepoints(nodes, graph, scopes)
    return _Assembly(nodes, graph, scopes).levels()


class _Graph:
    """Which nodes come before which."""

    def __init__(self, names: list[str], edges: Iterable[tuple[str, str]]) -> None:
        self.place = {name: number for number, name in enumerate(names)}
        self.after: dict[str, set[str]] = {name: set() for name in names}
        self._downstream: dict[str, frozenset[str]] = {}
        for first, then in edges:
            self.after[first].add(then)

    def add(self, first: str, then: str) -> None:
        """A further edge."""
        if first != then and then not in self.after[first]:
            self.after[first].add(then)
            self._downstream.clear()

    def downstream(self, name: str) -> frozenset[str]:
        """All that come after it."""
        found = self._downstream.get(name)
        if found is None:
            seen: set[str] = set()
            waiting = list(self.after[name])
            while waiting:
                each = waiting.pop()
                if each not in seen:
                    seen.add(each)
                    waiting += self.after[each]
            found = self._downstream[name] = frozenset(seen)
        return found

    def check_cycles(self) -> None:
        """Raise WorkflowError where nodes wait for each other."""
        for name in self.place:
            if name in self.downstream(name):
                way = self._way_back(name)
                raise WorkflowError(f"node {name}: a cycle: {' -> '.join(way)}")

    def _way_back(self, name: str) -> list[str]:
        """A shortest way from a node to itself."""
        ways = [[name]]
        while True:
            longer = []
            for way in ways:
                for each in sorted(self.after[way[-1]], key=self.place.__getitem__):
                    if each == name:
                        return [*way, name]
                    if each not in way and name in self.downstream(each):
                        longer.append([*way, each])
            ways = longer[:100]

    def in_order(self, names: Iterable[str]) -> list[str]:
        """Some nodes, none before one that it needs; else as they were added."""
        left = sorted(names, key=self.place.__getitem__)
        found: list[str] = []
        while left:
            wanted = set(left)
            ready = next(each for each in left if not any(each in self.downstream(other) for other in wanted))
            left.remove(ready)
            found.append(ready)
        return found


class _Ends:
    """Which end belongs to which scope."""

    def __init__(self, nodes: Mapping[str, Node], graph: _Graph) -> None:
        self._nodes = nodes
        self._graph = graph
        self.starts = [name for name, node in nodes.items() if isinstance(node.action, ScopeStart)]
        self.of: dict[str, list[str]] = {name: [] for name in self.starts}

    def bind(self) -> None:
        """Find the scope of each end, by what the author says, by the connections, or by the order of nodes."""
        ends = [name for name, node in self._nodes.items() if isinstance(node.action, ScopeEnd)]
        said: dict[str, str] = {}
        for end in ends:
            action = self._nodes[end].action
            assert isinstance(action, ScopeEnd)
            if action.scope is not None:
                said[end] = self._said(end, action.scope)
                self._graph.add(said[end], end)
        for end in [*said, *(each for each in self._graph.in_order(ends) if each not in said)]:
            scope = said.get(end) or self._found(end)
            self.of[scope].append(end)
            self._graph.add(scope, end)
        for start, found in self.of.items():
            if not found:
                raise WorkflowError(
                    f"node {start}: the scope has no end",
                    hint="Add a TransactionCommitNode or a TransactionRollbackNode.",
                )

    def _said(self, end: str, scope: str) -> str:
        if scope not in self.of:
            raise WorkflowError(f"node {end}, field scope: {scope!r} is not a TransactionScopeNode")
        if scope in self._graph.downstream(end):
            raise WorkflowError(f"node {end}, field scope: {scope} comes after its end")
        return scope

    def _found(self, end: str) -> str:
        graph = self._graph
        open_scopes = [
            start
            for start in self.starts
            if end in graph.downstream(start)
            and not any(end in graph.downstream(other) for other in self.of[start])
        ]
        if open_scopes:
            return graph.in_order(open_scopes)[-1]
        before = [
            start
            for start in self.starts
            if graph.place[start] < graph.place[end]
            and not self.of[start]
            and start not in graph.downstream(end)
        ]
        if not before:
            raise WorkflowError(
                f"node {end}: there is no scope that it could end", hint="Connect it to its scope's nodes."
            )
        return before[-1]


def _scopes(nodes: Mapping[str, Node], graph: _Graph, ends: _Ends) -> dict[str, tuple[str, ...]]:
    """For each node the scopes around it, outermost first; a start and an end are inside their own."""
    for start in ends.starts:
        _tie_between(start, ends, nodes, graph)
    members: dict[str, frozenset[str]] = {}
    for start in ends.starts:
        after = frozenset().union(*(graph.downstream(end) for end in ends.of[start]))
        inside = graph.downstream(start) - after | {start}
        outside = [end for end in ends.of[start] if end not in inside]
        if outside:
            raise WorkflowError(f"node {outside[0]}: another end of scope {start} comes before it")
        members[start] = inside
    for start, inside in members.items():
        for end in ends.of[start]:
            for name in inside - set(ends.of[start]):
                graph.add(name, end)
    _check_nesting(members)
    graph.check_cycles()
    return {
        name: tuple(
            sorted(
                (start for start in members if name in members[start]), key=lambda each: -len(members[each])
            )
        )
        for name in nodes
    }


def _tie_between(start: str, ends: _Ends, nodes: Mapping[str, Node], graph: _Graph) -> None:
    """Nodes that were added between a scope's start and its end, and that nothing ties to either, are inside; but
    those of a scope that was not added between them as a whole."""
    place = graph.place
    own = ends.of[start]
    last = max(place[end] for end in own)
    foreign: set[str] = set()
    for other in ends.starts:
        is_whole = place[start] < place[other] and all(place[end] < last for end in ends.of[other])
        is_apart = other not in graph.downstream(start) and start not in graph.downstream(other)
        if other != start and is_apart and not is_whole:
            after = set().union(*(graph.downstream(end) for end in ends.of[other]))
            foreign |= {other, *graph.downstream(other)} - after
    for name in nodes:
        if place[start] < place[name] < last and name not in own and name not in foreign:
            is_after_end = any(name in graph.downstream(end) for end in own)
            if not is_after_end and start not in graph.downstream(name):
                graph.add(start, name)


def _check_nesting(members: Mapping[str, frozenset[str]]) -> None:
    for one, inside in members.items():
        for other, others in members.items():
            if one < other and inside & others and not (inside <= others or others <= inside):
                shared = sorted(inside & others)[0]
                raise WorkflowError(f"node {shared}: it lies in scopes {one} and {other}, which overlap")


def _check_savepoints(
    nodes: Mapping[str, Node], graph: _Graph, scopes: Mapping[str, tuple[str, ...]]
) -> None:
    for name, node in nodes.items():
        if isinstance(node.action, SavepointNode | SavepointEnd) and not scopes[name]:
            raise WorkflowError(f"node {name}: a savepoint outside of a scope")
        if isinstance(node.action, SavepointEnd):
            mark = nodes.get(node.action.savepoint)
            if mark is None or not isinstance(mark.action, SavepointNode):
                raise WorkflowError(
                    f"node {name}, field savepoint: {node.action.savepoint!r} is not a TransactionSavepointNode"
                )
            if scopes[mark.id] != scopes[name]:
                raise WorkflowError(f"node {name}, field savepoint: {mark.id} is not in the same scope")
            graph.add(mark.id, name)
    graph.check_cycles()


class _Assembly:
    """Units, their order within scopes, and their levels."""

    def __init__(
        self, nodes: Mapping[str, Node], graph: _Graph, scopes: Mapping[str, tuple[str, ...]]
    ) -> None:
        self._nodes = nodes
        self._graph = graph
        self._scopes = scopes

    def levels(self) -> tuple[tuple[Unit, ...], ...]:
        """The whole."""
        groups = self._groups(self._nodes, 0)
        order = self._in_order(groups)
        depth: dict[str, int] = {}
        for number, head in enumerate(order):
            needed = [
                depth[other] + 1 for other in order[:number] if self._needs(groups[head], groups[other])
            ]
            depth[head] = max(needed, default=0)
        deepest = max(depth.values(), default=-1)
        return tuple(
            tuple(self._unit(head, groups[head], 0) for head in order if depth[head] == level)
            for level in range(deepest + 1)
        )

    def _groups(self, names: Iterable[str], depth: int) -> dict[str, list[str]]:
        """Nodes by the scope that they are in at this depth, else by themselves."""
        groups: dict[str, list[str]] = {}
        for name in names:
            around = self._scopes[name]
            groups.setdefault(around[depth] if len(around) > depth else name, []).append(name)
        return groups

    def _needs(self, later: list[str], earlier: list[str]) -> bool:
        wanted = set(later)
        return any(self._graph.after[name] & wanted for name in earlier)

    def _in_order(self, groups: Mapping[str, list[str]]) -> list[str]:
        """None before one that it needs, else as they were added.  Raises WorkflowError where none can be first."""
        left = sorted(groups, key=self._graph.place.__getitem__)
        found: list[str] = []
        while left:
            ready = next(
                (
                    head
                    for head in left
                    if not any(other != head and self._needs(groups[head], groups[other]) for other in left)
                ),
                None,
            )
            if ready is None:
                raise WorkflowError(f"node {left[0]}: it would have to run both before and after a scope")
            left.remove(ready)
            found.append(ready)
        return found

    def _unit(self, head: str, names: list[str], depth: int) -> Unit:
        node = self._nodes[head]
        if not isinstance(node.action, ScopeStart) or len(self._scopes[head]) <= depth:
            return node
        groups = self._groups((name for name in names if name != head), depth + 1)
        body = tuple(self._unit(each, groups[each], depth + 1) for each in self._in_order(groups))
        return ScopeUnit(node, node.action, body)
