"""MATCH, OPTIONAL MATCH, EXISTS and CALL with random patterns that share variables, against joining by brute force."""

from __future__ import annotations

from random import Random

import pytest
from support.builds import this_builds
from support.gql_graphs import GqlGraph
from support.graph_matcher import DIRECTIONS, Compare, Edge, Graph, Node, Seq, matches, random_graph
from support.graph_plans import Row

from skerry_engine.values.graphs import ROW_ID

Binding = dict[str, int | None]


class Chains:
    """Random chains of one or two edges; nodes of a small pool of names, edges with names of their own."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self._edges = 0

    def chain(self, names: str) -> Seq:
        parts: list[Node | Edge] = [self._node(names)]
        for _ in range(self.random.choice((0, 1, 1, 2))):
            self._edges += 1
            label = self.random.choice((None, None, "E", "F"))
            parts.append(Edge(f"e{self._edges}", label, None, self.random.choice(list(DIRECTIONS))))
            parts.append(self._node(names))
        return Seq(tuple(parts))

    def _node(self, names: str) -> Node:
        name = self.random.choice(names)
        where = Compare(name, "k", ">", 0) if self.random.random() < 0.15 else None
        return Node(name, self.random.choice((None, None, None, "A", "B")), where)


def bindings(graph: Graph, part: Seq) -> list[Binding]:
    """The matches of a chain, as what its variables mean."""
    return [
        {name: path[position] for position, name in notes} for path, notes in matches(graph, part, "trail")
    ]


def joined(rows: list[Binding], part: list[Binding]) -> list[list[Binding]]:
    """For each row those that come of it."""
    return [
        [
            {**row, **more}
            for more in part
            if all(row.get(n, v) == v and not (n in row and row[n] is None) for n, v in more.items())
        ]
        for row in rows
    ]


def filled(graph: Graph) -> GqlGraph:
    made = GqlGraph()
    made.fill(graph)
    return made


def identities(row: Row) -> tuple[object, ...]:
    return tuple(None if v is None else (-v[ROW_ID] if len(v) > 4 else v[ROW_ID]) for v in row)


@pytest.mark.parametrize("seed", this_builds(range(200)))
def test_clauses_that_share_variables_join_their_matches(seed: int) -> None:
    random = Random(seed)
    graph = random_graph(random, random.randint(1, 5), random.randint(0, 7), random.choice((0.0, 0.4)))
    chains = Chains(random)
    clauses: list[str] = []
    rows: list[Binding] = [{}]
    names: list[str] = []
    for number in range(random.randint(1, 3)):
        chain = chains.chain("abc")
        new = [p.variable for p in chain.parts if isinstance(p, (Node, Edge)) and p.variable]
        found = joined(rows, bindings(graph, chain))
        kind = (
            random.choice(("MATCH", "MATCH", "OPTIONAL", "EXISTS", "NOT EXISTS", "CALL"))
            if number
            else "MATCH"
        )
        if kind == "MATCH":
            clauses.append(f"MATCH {chain}")
            rows = [row for each in found for row in each]
        elif kind == "OPTIONAL":
            clauses.append(f"OPTIONAL MATCH {chain}")
            missing: Binding = dict.fromkeys(new)
            rows = [r for row, each in zip(rows, found, strict=True) for r in (each or [{**missing, **row}])]
        elif kind == "CALL":
            fresh = [name for name in dict.fromkeys(new) if name not in names]
            if not fresh:
                continue
            clauses.append(f"CALL {{ MATCH {chain} RETURN {', '.join(fresh)} }}")
            rows = [row for each in found for row in each]
        else:
            clauses.append(f"FILTER {kind} {{ {chain} }}")
            wanted = kind == "EXISTS"
            rows = [row for row, each in zip(rows, found, strict=True) if bool(each) is wanted]
            continue
        names += [name for name in dict.fromkeys(new) if name not in names]
    text = f"{' '.join(clauses)} RETURN {', '.join(names)}"
    expected = sorted(repr(tuple(row[name] for name in names)) for row in rows)
    assert sorted(repr(identities(row)) for row in filled(graph).rows(text)) == expected
