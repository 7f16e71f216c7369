"""What a graph's type and constraints promise holds after every commit, however transactions interleave."""

from __future__ import annotations

import os
from collections import Counter
from random import Random

import pytest
from stepper import Stepper
from support.sessions import SqlDatabase

SEEDS = range(int(os.environ.get("SKERRY_CLOSED_SEEDS", "6")))
COMMANDS = 250
TYPE = """create graph closed {
    (a:A {k int, name string not null}), (b:B {k int, name string}), (ab:A&B {k int, name string}),
    (a)-[:R {w float}]->(a), (a)-[:R {w float}]->(b), (a)~[:R {w float}]~(ab), (b)-[:S {w int not null}]->(a), (ab)-[:S {w int not null}]->(ab),
    constraint for (x:A) require x.k is unique
}"""
NODES = {("A",), ("B",), ("A", "B")}
EDGES = {
    (("A",), "R", ("A",)),
    (("A",), "R", ("B",)),
    (("B",), "S", ("A",)),
    (("A", "B"), "S", ("A", "B")),
}
UNDIRECTED = {(("A",), "R", ("A", "B")), (("A", "B"), "R", ("A",))}
BEGIN = ("begin", "begin isolation level repeatable read", "begin isolation level serializable")


def statement(dice: Random) -> str:
    """A change that the graph may allow or not."""
    label, other = dice.choice("AB"), dice.choice("AB")
    k, m = dice.randrange(8), dice.randrange(8)
    body = dice.choice(
        (
            f"insert (:{label} {{k: {k}, name: 'n'}})",
            f"insert (:A {{k: {k}, name: 'n'}})-[:R {{w: {m}}}]->(:B {{k: {m}}})",
            f"insert (:A&B {{k: {k}}})-[:S {{w: 1}}]->(:A&B)",
            f"match (x:{label}), (y:{other}) where x.k = {k} and y.k = {m} insert (x)-[:R {{w: 0.5}}]->(y)",
            f"match (x:{label}), (y:{other}) where x.k = {k} and y.k = {m} insert (x)-[:S {{w: 1}}]->(y)",
            f"match (x:{label}), (y:{other}) where x.k = {k} and y.k = {m} insert (x)~[:R {{w: 0.5}}]~(y)",
            f"insert (:A {{k: {k}, name: 'n'}})~[:R]~(:A&B)",
            f"match (x) where x.k = {k} and not exists {{(x)-[]-()}} set x:{label} remove x:{other}",
            f"match (x:{label}) where x.k = {k} set x:{other}",
            f"match (x:A&B) where x.k = {k} remove x:{label}",
            f"match (x) where x.k = {k} set x.k = {m}",
            f"match (x) where x.k = {k} remove x.name",
            f"match (x) where x.k = {k} set x.name = 'new'",
            f"match ()-[e]->(y) where y.k = {k} delete e",
            f"match ()-[e]-(y) where y.k = {k} remove e.w",
            f"match (x) where x.k = {k} detach delete x",
        )
    )
    return f"use closed {body}"


def command(dice: Random, status: str) -> str:
    """The next command of a session."""
    if status == "E":
        return "rollback"
    if status == "I":
        return dice.choice(BEGIN) if dice.random() < 0.5 else statement(dice)
    return statement(dice) if dice.random() < 0.6 else dice.choice(("commit", "commit", "commit", "rollback"))


def check(database: SqlDatabase) -> Counter[str]:
    """Look at everything that is there."""
    rows = database.rows("use closed match (n) return labels(n), n.k, n.name")
    for labels, k, name in rows:
        assert tuple(labels) in NODES, labels  # type: ignore[arg-type]
        assert labels != ("A",) or name is not None
        assert k is None or isinstance(k, int)
    keys = [k for labels, k, _ in rows if "A" in labels and k is not None]  # type: ignore[operator]
    assert len(set(keys)) == len(keys), keys
    edges = database.rows("use closed match (a)-[e]->(b) return labels(a), labels(e), labels(b), e.w")
    for source, (label,), target, w in edges:  # type: ignore[misc]
        assert (source, label, target) in EDGES, (source, label, target)
        assert label != "S" or isinstance(w, int)
    undirected = database.rows("use closed match (a)~[e]~(b) return labels(a), labels(e), labels(b)")
    for source, (label,), target in undirected:  # type: ignore[misc]
        assert (source, label, target) in UNDIRECTED, (source, label, target)
    found = Counter(f"{label}" for _, (label,), _, _ in edges)  # type: ignore[misc]
    return found + Counter("~" for _ in undirected)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_closed_graph_stays_what_its_type_says(seed: int) -> None:
    dice = Random(seed)
    database = SqlDatabase(" ".join(TYPE.split()))
    stepper = Stepper(database.open_session)
    outcomes: Counter[str] = Counter()
    for _ in range(COMMANDS):
        free = [name for name in "PQR" if name not in stepper.waiting()]
        name = dice.choice(free)
        lines = stepper.run(name, command(dice, database.session(name).session.transaction_status))
        outcomes.update(line.split(": ")[1].split(" ")[0] for line in lines)
        outcomes.update(line.split(" ")[2] for line in lines if "ERROR" in line)
        if dice.random() < 0.1:
            check(database)
    for _ in range(6):
        for name in "PQR":
            if name not in stepper.waiting() and database.session(name).session.in_block:
                stepper.run(name, "commit")
    check(database)
    assert outcomes["COMMIT"] > 5 and outcomes["ERROR"] > 5, outcomes
