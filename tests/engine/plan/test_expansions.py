"""Edges followed one after the other give what the edges say, whatever is kept of them, is pending or is being read."""

from __future__ import annotations

import itertools
import random
from collections import Counter
from collections.abc import Iterator, Sequence

import pytest

import skerry

NODES = 9

Edge = tuple[int, int, str]
"""From, to, label."""

STEPS = {
    "-[:R]->": ("R", True),
    "<-[:R]-": ("R", False),
    "-[:S]->": ("S", True),
    "-[]->": ("", True),
    "<-[]-": ("", False),
}


class Runner:
    """Statements in a transaction, or each by itself."""

    def __init__(self, executor: skerry.Database | skerry.Transaction) -> None:
        self.executor = executor

    def pairs(self, steps: Sequence[str], prefix: str, start: str = "") -> Counter[tuple[object, ...]]:
        pattern = f"(a{start})" + "()".join(steps) + "(z)"
        return Counter(self.executor.execute(f"MATCH {prefix}{pattern} RETURN a.i AS a, z.i AS z"))

    def count(self, steps: Sequence[str], prefix: str) -> object:
        pattern = "(a)" + "()".join(steps) + "(z)"
        return self.executor.execute(f"MATCH {prefix}{pattern} RETURN COUNT(*) AS n").scalar()


def expected(edges: list[Edge], steps: Sequence[str], *, repeated: bool) -> Counter[tuple[object, ...]]:
    """By trying all sequences of edges."""
    found: Counter[tuple[object, ...]] = Counter()
    for chosen in itertools.product(range(len(edges)), repeat=len(steps)):
        if not repeated and len(set(chosen)) < len(chosen):
            continue
        ends = [_walked(edges[number], step) for number, step in zip(chosen, steps, strict=True)]
        if None not in ends and all(one[1] == other[0] for one, other in itertools.pairwise(ends)):  # type: ignore[index]
            found[ends[0][0], ends[-1][1]] += 1  # type: ignore[index]
    return found


def _walked(edge: Edge, step: str) -> tuple[int, int] | None:
    source, target, label = edge
    wanted, is_forward = STEPS[step]
    if wanted not in ("", label):
        return None
    return (source, target) if is_forward else (target, source)


@pytest.fixture
def database() -> Iterator[skerry.Database]:
    with skerry.open() as opened:
        opened.execute("CREATE CONSTRAINT FOR (n:N) REQUIRE n.i IS UNIQUE")
        opened.execute("FOR i IN $all INSERT (:N {i: i})", {"all": list(range(NODES))})
        yield opened


def insert(executor: skerry.Database | skerry.Transaction, edge: Edge) -> None:
    """An edge between nodes that are there."""
    source, target, label = edge
    executor.execute(
        f"MATCH (a:N {{i: $a}}), (b:N {{i: $b}}) INSERT (a)-[:{label}]->(b)", {"a": source, "b": target}
    )


def random_edge(source: random.Random) -> Edge:
    """Loops and edges side by side are likely; so are edges at node 0."""
    ends = [source.choice([0, source.randrange(NODES)]) for _ in range(2)]
    return ends[0], ends[1], source.choice("RS")


@pytest.mark.parametrize("isolation_level", ["read committed", "snapshot", "serializable"])
def test_expansions_give_what_the_edges_say(database: skerry.Database, isolation_level: str) -> None:
    source = random.Random(isolation_level)
    edges: list[Edge] = []
    for _ in range(4):
        for _ in range(4):
            edges.append(random_edge(source))
            insert(database, edges[-1])
        with database.begin_transaction(isolation_level=isolation_level) as transaction:
            check(Runner(transaction), edges, source)
            own = [random_edge(source) for _ in range(2)]
            for edge in own:
                insert(transaction, edge)
            check(Runner(transaction), edges + own, source)
        for _ in range(2):  # where nothing is written in between the second finds what the first has kept
            check(Runner(database), edges, source)


def check(runner: Runner, edges: list[Edge], source: random.Random) -> None:
    """Some chains of two and three edges, with and without edges that may come again."""
    for length in (2, 2, 3):
        steps = source.choices(list(STEPS), k=length)
        for repeated, prefix in ((False, ""), (True, "REPEATABLE ELEMENTS ")):
            wanted = expected(edges, steps, repeated=repeated)
            assert runner.pairs(steps, prefix) == wanted, (steps, prefix, edges)
            assert runner.count(steps, prefix) == wanted.total(), (steps, prefix, edges)
            at_one = Counter({pair: n for pair, n in wanted.items() if pair[0] == 0})
            assert runner.pairs(steps, prefix, ":N {i: 0}") == at_one, (steps, prefix, edges)


def test_nodes_with_very_many_edges(database: skerry.Database) -> None:
    """More than are followed at once, at either end of the chain."""
    many = 1100
    database.execute("FOR i IN $all INSERT (:N {i: 1000 + i})", {"all": list(range(many))})
    database.execute("MATCH (hub:N {i: 0}), (n:N) WHERE n.i >= 1000 INSERT (hub)-[:R]->(n)")
    database.execute("MATCH (hub:N {i: 0}), (n:N {i: 1}) INSERT (n)-[:R]->(hub)")
    database.execute("MATCH (hub:N {i: 0}), (n:N) WHERE n.i >= 1000 INSERT (n)-[:S]->(hub)")
    for _ in range(3):
        run = database.execute
        assert run("MATCH (:N {i: 1})-[:R]->()-[:R]->(z) RETURN COUNT(*) AS n").scalar() == many
        assert run("MATCH (:N {i: 0})-[:R]->()-[:S]->(z) RETURN COUNT(*) AS n").scalar() == many
        assert run("MATCH (:N {i: 1})-[:R]->()-[:R]->()-[:S]->(z) RETURN COUNT(*) AS n").scalar() == many
        assert run("MATCH (:N {i: 1001})-[:S]->()<-[:S]-(z) RETURN COUNT(*) AS n").scalar() == many - 1
