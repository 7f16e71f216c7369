"""Path searches read what any other pattern reads: between writes, commits and rollbacks, in every transaction.

What edges lead where is kept between statements while their table rests; these tests keep it from resting.
"""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

import skerry
from skerry import Database

STEPS = 60
NODES = 5
LEVELS = ("read committed", "snapshot", "serializable")


def one_hop(session: Any) -> tuple[list[Any], list[Any]]:
    """All edges, as a join has them and as a search has them."""
    joined = session.execute("MATCH (a)-[e:E]->(b) RETURN a.n, b.n, element_id(e)")
    searched = session.execute("MATCH (a)-[e:E]->{1,1}(b) RETURN a.n, b.n, element_id(e[0])")
    return sorted(joined), sorted(searched)


def either_way(session: Any) -> tuple[list[Any], list[Any]]:
    joined = session.execute("MATCH (a)-[:E]-(b) RETURN a.n, b.n")
    searched = session.execute("MATCH (a)-[:E]-{1,1}(b) RETURN a.n, b.n")
    return sorted(joined), sorted(searched)


def two_hops(session: Any) -> tuple[list[Any], list[Any]]:
    joined = session.execute("MATCH (a)-[:E]->()-[:E]->(b) RETURN a.n, b.n")
    searched = session.execute("MATCH (a)-[:E]->{2}(b) RETURN a.n, b.n")
    return sorted(joined), sorted(searched)


def write(session: Any, random: Random) -> None:
    one, other = random.randrange(NODES), random.randrange(NODES)
    label = random.choice("EEF")
    text = random.choice(
        (
            f"MATCH (a {{n: {one}}}), (b {{n: {other}}}) INSERT (a)-[:{label}]->(b)",
            f"MATCH (a {{n: {one}}}), (b {{n: {other}}}) INSERT (a)-[:{label} {{w: 1}}]->(b)",
            f"MATCH (a {{n: {one}}})-[e]->(b {{n: {other}}}) DELETE e",
            f"MATCH (a {{n: {one}}})-[e]->() SET e.w = {random.randrange(3)}",
            f"MATCH (a {{n: {one}}})-[e:E]->() REMOVE e:E SET e:F",
            f"MATCH (a {{n: {one}}})-[e:F]->() REMOVE e:F SET e:E",
        )
    )
    session.execute(text)


@pytest.mark.parametrize("seed", range(6))
def test_searches_and_joins_agree_whatever_is_written_between_them(seed: int) -> None:
    random = Random(seed)
    with skerry.open() as db:
        for n in range(NODES):
            db.execute(f"INSERT (:N {{n: {n}}})")
        run(db, random)


def run(db: Database, random: Random) -> None:
    open_ones: list[Any] = []
    for _ in range(STEPS):
        roll = random.random()
        session = random.choice([db, *open_ones])
        if roll < 0.15 and len(open_ones) < 3:
            level = random.choice(LEVELS)
            open_ones.append(db.begin_transaction(isolation_level=level))
        elif roll < 0.3 and open_ones:
            ended = open_ones.pop(random.randrange(len(open_ones)))
            try:
                ended.commit() if random.random() < 0.6 else ended.rollback()
            except skerry.OperationalError:
                pass
        elif roll < 0.6:
            try:
                write(session, random)
            except skerry.OperationalError:
                if session in open_ones:
                    open_ones.remove(session)
                    session.rollback()
        for reader in (db, *open_ones):
            check = random.choice((one_hop, either_way, two_hops))
            try:
                joined, searched = check(reader)
            except skerry.OperationalError:
                if reader in open_ones:
                    open_ones.remove(reader)
                    reader.rollback()
                continue
            assert joined == searched
    for session in open_ones:
        session.rollback()
