"""Indexes of properties: which conditions use them, and that they change no result."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

import pytest

import skerry

CONDITIONS = [
    ("n.id = 7", "NodeLookup"),
    ("n.id IN [3, 7, 9999, NULL]", "NodeLookup"),
    ("n.id > 1990", "NodeRange"),
    ("n.id >= 5 AND n.id < 8", "NodeRange"),
    ("4 > n.id", "NodeRange"),
    ("n.g = 3 AND n.d = DATE '2024-01-04'", "NodeLookup"),
    ("n.g = 3 AND n.d > DATE '2024-01-20'", "NodeRange"),
    ("n.g = 3 AND n.d >= DATE '2024-01-03' AND n.d <= DATE '2024-01-05'", "NodeRange"),
    ("n.name = 'n12'", "NodeLookup"),
    ("n.name < 'n11'", "NodeRange"),
    ("n.g = 3", "NodeScan"),  # who has no d is not in the index over both
    ("n.id = 7 OR n.g = 3", "NodeScan"),
    ("n.id + 1 = 7", "NodeScan"),
    ("n.id IS NULL", "NodeScan"),
]


@pytest.fixture(scope="module")
def dbs() -> Iterator[tuple[skerry.Database, skerry.Database]]:
    """Twice the same graph, with indexes and without."""
    with skerry.open() as indexed, skerry.open() as plain:
        indexed.execute("CREATE INDEX by_id FOR (n:P) ON (n.id)")
        indexed.execute("CREATE INDEX by_day FOR (n:P) ON (n.g, n.d)")
        indexed.execute("CREATE INDEX by_name FOR (n:P) ON (n.name)")
        random = Random(1)
        for db in (indexed, plain):
            random.seed(1)
            with db.begin_transaction() as transaction:
                for number in range(2000):
                    parts = [f"id: {number}", f"g: {number % 5}", f"name: 'n{number % 300}'"]
                    parts.append(f"d: DATE '2024-01-{number % 28 + 1:02}'")
                    kept = [part for part in parts if random.random() < 0.9]
                    label = ":P" if number % 10 else ":Q"
                    transaction.execute(f"INSERT ({label} {{{', '.join(kept)}}})")
                transaction.commit()
        yield indexed, plain


@pytest.mark.parametrize(("condition", "method"), CONDITIONS, ids=[c for c, _ in CONDITIONS])
def test_an_index_is_used_and_changes_nothing(
    dbs: tuple[skerry.Database, skerry.Database], condition: str, method: str
) -> None:
    indexed, plain = dbs
    for label in (":P", ":P&!Q", ":P|Q", ""):
        text = f"MATCH (n{label}) WHERE {condition} RETURN element_id(n) AS id"
        assert sorted(indexed.execute(text)) == sorted(plain.execute(text)), label
        lines = [line for (line,) in indexed.execute(f"EXPLAIN (costs off) {text}")]
        assert lines[0].startswith(method if label in (":P", ":P&!Q") else "NodeScan"), (label, lines)


def test_changed_properties_are_found_where_they_are_now(
    dbs: tuple[skerry.Database, skerry.Database],
) -> None:
    db = dbs[0]
    with db.begin_transaction() as transaction:
        transaction.execute("MATCH (n:P {id: 11}) SET n.id = 100011")
        transaction.execute("MATCH (n:P {id: 12}) REMOVE n.id")
        transaction.execute("MATCH (n:P {id: 13}) REMOVE n:P")
        transaction.execute("INSERT (:P {id: 100014})")
        for number, count in ((11, 0), (100011, 1), (12, 0), (13, 0), (100014, 1)):
            found = transaction.execute("MATCH (n:P {id: $1}) RETURN count(*) AS c", [number]).scalar()
            assert found == count, number
        found = transaction.execute("MATCH (n:P) WHERE n.id > 100000 RETURN count(*) AS c").scalar()
        assert found == 2
        transaction.rollback()
    assert db.execute("MATCH (n:P) WHERE n.id > 100000 RETURN count(*) AS c").scalar() == 0
