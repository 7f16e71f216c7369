"""Patterns of `graph_matcher` as those of the algebra, and the steps of a search over a graph in memory.

What a segment matches is found by the brute-force matcher, one segment at a time: so a search over these steps tries
the search alone.  References are positive: nodes as they are, edges with their sign changed.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from random import Random
from typing import Any

from skerry_engine.algebra import expressions as ex
from skerry_engine.algebra import paths as pt
from skerry_engine.algebra import queries as q
from skerry_engine.plan.path_program import Program
from skerry_engine.plan.path_search import NONE, Output, PathSearcher
from skerry_engine.values import oids
from skerry_engine.values.types import SqlType
from support.graph_matcher import (
    Alt,
    Compare,
    Edge,
    Graph,
    Node,
    Paren,
    Part,
    Path,
    Repeat,
    Seq,
    singletons,
    variables,
    walks,
)

INT8, BOOL = SqlType(oids.INT8), SqlType(oids.BOOL)
PAUSE = object()


class Translator:
    """Patterns to the algebra's; at random, neighbours are put together into one segment."""

    def __init__(self, random: Random, whole: Part) -> None:
        self.random = random
        self.numbers = {name: number for number, name in enumerate(sorted(variables(whole)))}
        self.edge_variables = {self.numbers[name] for name in _edge_names(whole)}
        self.segments: dict[int, tuple[list[Node | Edge], bool]] = {}
        """By id of a segment: what it matches, and whether loops are left out."""
        self.conditions: dict[int, Compare] = {}
        self._kept: list[object] = []

    def part(self, part: Part) -> pt.PathPart:
        """The part in the algebra."""
        if isinstance(part, (Node, Edge)):
            return self._elements([part])
        if isinstance(part, Seq):
            return self._sequence(part)
        if isinstance(part, Alt):
            return pt.PathChoice(tuple(map(self.part, part.parts)), "multiset" if part.keeps else "union")
        if isinstance(part, Repeat):
            return pt.PathRepeat(self.part(Paren(part.part)), part.least, part.most)
        return self._group(part)

    def joined(self, part: Part) -> tuple[int, ...]:
        """The singletons that stand at more than one place of a part."""
        places = _places(part)
        return tuple(sorted(self.numbers[name] for name in singletons(part) if places.count(name) > 1))

    def _group(self, part: Paren) -> pt.PathPart:
        inner, joined = self.part(part.part), self.joined(part.part)
        if part.mode == "walk" and part.where is None and not joined:
            return inner
        if part.where is None:
            return pt.PathGroup(inner, part.mode, joined)
        names = [name for name in (part.where.variable, part.where.other) if name is not None]
        outputs = tuple(pt.PathOutput("list", INT8, self.numbers[name]) for name in names)
        group = pt.PathGroup(inner, part.mode, joined, ex.Const(BOOL, True), 1, outputs)
        self.conditions[id(group)] = part.where
        self._kept.append(group)
        return group

    def _sequence(self, part: Seq) -> pt.PathPart:
        parts: list[pt.PathPart] = []
        run: list[Node | Edge] = []
        for each in part.parts:
            simple = isinstance(each, Node) or (isinstance(each, Edge) and each.direction != "-")
            if run and (not simple or self.random.random() < 0.4):
                parts.append(self._elements(run))
                run = []
            if simple:
                assert isinstance(each, (Node, Edge))
                run.append(each)
            else:
                parts.append(self.part(each))
        if run:
            parts.append(self._elements(run))
        return pt.PathSequence(tuple(parts))

    def _elements(self, run: list[Node | Edge]) -> pt.PathPart:
        if len(run) == 1 and isinstance(run[0], Edge) and run[0].direction == "-":
            edge = run[0]
            there = Edge(edge.variable, edge.label, edge.where, "->")
            back = Edge(edge.variable, edge.label, edge.where, "<-")
            return pt.PathChoice((self._segment([there], False), self._segment([back], True)), "disjoint")
        return self._segment(run, False)

    def _segment(self, run: list[Node | Edge], no_loops: bool) -> pt.PathSegment:
        at: list[tuple[bool, tuple[int, ...]]] = [(False, ())]
        for each in run:
            noted = () if each.variable is None else (self.numbers[each.variable],)
            if isinstance(each, Node):
                at[-1] = (False, at[-1][1] + noted)
            else:
                at += [(True, noted), (False, ())]
        elements = tuple(pt.PathElement(is_edge, (), noted) for is_edge, noted in at)
        segment = pt.PathSegment(q.OneRow(), elements)
        self.segments[id(segment)] = (run, no_loops)
        self._kept.append(segment)
        return segment


def _edge_names(part: Part) -> set[str]:
    if isinstance(part, Edge):
        return variables(part)
    if isinstance(part, Node):
        return set()
    return set().union(*map(_edge_names, part.parts if isinstance(part, (Seq, Alt)) else (part.part,)))


def _places(part: Part) -> list[str]:
    """The variable of each element pattern that has one."""
    if isinstance(part, (Node, Edge)):
        return [] if part.variable is None else [part.variable]
    parts = part.parts if isinstance(part, (Seq, Alt)) else (part.part,)
    return [name for each in parts for name in _places(each)]


class MemorySteps:
    """Steps over a graph in memory.  With `hops`, ways on are given at once where a segment has one edge."""

    def __init__(self, graph: Graph, program: Program, translator: Translator, hops: bool) -> None:
        self.graph = graph
        self.program = program
        self.translator = translator
        self.hops = hops

    def hop(self, segment: int, backward: bool) -> Callable[[list[int]], list[list[int] | None]] | None:
        if not self.hops or len(self.program.segments[segment].elements) != 3:
            return None
        return lambda nodes: [  # some are slow
            None if node % 3 == 0 else ways
            for node, ways in zip(nodes, self._ways(segment, backward, nodes), strict=True)
        ]

    def expand(self, segment: int, backward: bool, nodes: list[int]) -> Generator[object, None, Any]:
        yield PAUSE
        assert len(set(nodes)) == len(nodes)
        return self._ways(segment, backward, nodes)

    def _ways(self, segment: int, backward: bool, nodes: list[int]) -> list[list[int]]:
        run, no_loops = self.translator.segments[id(self.program.segments[segment])]
        found: dict[int, list[int]] = {node: [] for node in nodes}
        for start in self.graph.labels if backward else nodes:
            paths = {
                path for path, notes in walks(self.graph, Seq(tuple(run)), (start,)) if self._joins(run, path)
            }
            for path in sorted(paths):
                if no_loops and path[0] == path[-1]:
                    continue
                way = path[::-1] if backward else path
                if way[0] in found:
                    found[way[0]] += [abs(each) for each in way[1:]] or [0]
        return [found[node] for node in nodes]

    def _joins(self, run: list[Node | Edge], path: Path) -> bool:
        """A relation joins the variables that its elements share."""
        bound: dict[str, int] = {}
        position = 0
        for each in run:
            position += isinstance(each, Edge)
            at = path[2 * position - isinstance(each, Edge)]
            if each.variable is not None and bound.setdefault(each.variable, at) != at:
                return False
        return True

    def check(self, condition: int, rows: list[tuple[object, ...]]) -> Generator[object, None, Any]:
        yield PAUSE
        where = self.translator.conditions[id(self.program.conditions[condition])]
        names = [name for name in (where.variable, where.other) if name is not None]
        return [self._holds(where, names, row) for row in rows]

    def _holds(self, where: Compare, names: list[str], row: tuple[Any, ...]) -> bool:
        path = tuple(each for values in row for each in values)
        at = iter(range(len(path)))
        notes = frozenset((next(at), name) for name, values in zip(names, row, strict=True) for _ in values)
        return where.holds(self.graph, path, notes)

    def values(self, is_edge: bool, references: list[int]) -> Generator[object, None, Any]:
        yield PAUSE
        assert len(set(references)) == len(references)
        return {reference: -reference if is_edge else reference for reference in references}


def make_searcher(
    graph: Graph,
    whole: Part,
    mode: str,
    random: Random,
    backward: bool,
    hops: bool,
    kinds: list[str] | None = None,
) -> PathSearcher:
    """A search for the pattern.  Its outputs: the path, then for each variable, by name, what it is bound to; or plain
    ones, if `kinds` are given."""
    translator = Translator(random, whole)
    pattern = translator.part(whole)
    program = Program(pattern, mode, translator.joined(whole), backward)
    steps = MemorySteps(graph, program, translator, hops)
    outputs = [Output("path", NONE, None)]
    outputs += [Output("list", number, None) for number in translator.numbers.values()]
    if kinds is not None:
        outputs = [Output(kind, NONE, None) for kind in kinds]
    searcher = PathSearcher(program, steps, outputs, translator.edge_variables, lambda rows: None, PAUSE)
    for number, group in enumerate(program.conditions):
        searcher.group_outputs[number] = [Output(o.kind, o.variable, None) for o in group.outputs]
    return searcher
