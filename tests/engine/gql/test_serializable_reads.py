"""SERIALIZABLE notes what GQL reads: labels, edges, properties, rows by id, and that there are no others.

Two transactions: one reads in the graph and then writes a table's row, the other reads that row and then writes in the
graph.  Had the first read what the second wrote, there is no order for the two, and one has to fail.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import skerry
from skerry_engine import errors


@pytest.fixture
def db() -> Iterator[skerry.Database]:
    with skerry.open() as db:
        db.execute("CREATE TABLE beside (id int PRIMARY KEY, v int)")
        db.execute("INSERT INTO beside VALUES (1, 0)")
        db.execute("CREATE INDEX by_code FOR (n:Item) ON (n.code)")
        db.execute(
            "INSERT (a:Person {k: 1, v: 10})-[:KNOWS {w: 1}]->(b:Person {k: 2, v: 20}), (a)-[:LIKES]->(c:City {k: 3}),"
            " (b)-[:KNOWS {w: 2}]->(:Person {k: 4, v: 40}), (:Item {code: 7, v: 70}), (:Item {code: 8, v: 80})"
        )
        yield db


def skew(db: skerry.Database, read: str, write: str) -> bool:
    """Whether the two transactions can't both commit."""
    with (
        db.begin_transaction(isolation_level="serializable") as reader,
        db.begin_transaction(isolation_level="serializable") as writer,
    ):
        reader.execute(read).fetchall()
        writer.execute("SELECT v FROM beside WHERE id = 1").fetchall()
        reader.execute("UPDATE beside SET v = v + 1 WHERE id = 1")
        try:
            writer.execute(write)
            writer.commit()
            reader.commit()
        except errors.SerializationFailure as failure:
            assert failure.code == "T005"
            return True
        return False


PEOPLE = "MATCH (n:Person) RETURN count(*)"
ITEM = "MATCH (n:Item {code: 7}) RETURN n.v"
NO_ITEM = "MATCH (n:Item {code: 99}) RETURN n.v"
FRIENDS = "MATCH (a:Person {k: 1})-[:KNOWS]->(b) RETURN b.v"
FANS = "MATCH (a:Person {k: 2})<-[:KNOWS]-(b) RETURN b.v"
EITHER = "MATCH (a:Person {k: 2})-[:KNOWS]-(b) RETURN b.v"
FAR = "MATCH (a:Person {k: 1})-[:KNOWS]->{2}(b) RETURN b.v"
SHORTEST = "MATCH p = ANY SHORTEST (a:Person {k: 1})-[:KNOWS]->*(b:Person {k: 4}) RETURN path_length(p)"
LONELY = "MATCH (a:City) WHERE NOT EXISTS { (a)-[:KNOWS]->() } RETURN a"
MAYBE = "MATCH (a:Person {k: 4}) OPTIONAL MATCH (a)-[:LIKES]->(b) RETURN b"
NEW_EDGE = "MATCH (a:Person {k: 1}), (b:Person {k: 4}) INSERT (a)-[:KNOWS]->(b)"

CONFLICTS = [
    (PEOPLE, "INSERT (:Person {k: 9, v: 9})"),
    (PEOPLE, "INSERT (:Person {never_seen: 1})"),
    (PEOPLE, "INSERT (:Person&Admin)"),
    (PEOPLE, "MATCH (c:City) SET c:Person"),
    (PEOPLE, "MATCH (n:Person {k: 4}) DETACH DELETE n"),
    (PEOPLE, "MATCH (n:Person {k: 4}) REMOVE n:Person"),
    ("MATCH (n:Person) RETURN sum(n.v)", "MATCH (n:Person {k: 4}) SET n.v = 41"),
    ("MATCH (n) RETURN count(*)", "INSERT (:Whatever)"),
    ("MATCH ()-[e:KNOWS]->() RETURN count(*)", NEW_EDGE),
    ("MATCH ()-[e]->() RETURN count(*)", "MATCH ()-[e:LIKES]->() DELETE e"),
    (ITEM, "MATCH (n:Item {code: 7}) SET n.v = 71"),
    (ITEM, "INSERT (:Item {code: 7, v: 1})"),
    (NO_ITEM, "INSERT (:Item {code: 99, v: 1})"),
    (NO_ITEM, "MATCH (n:Item {code: 8}) SET n.code = 99"),
    (FRIENDS, NEW_EDGE),
    (FRIENDS, "MATCH ()-[e:KNOWS {w: 1}]->() DELETE e"),
    (FRIENDS, "MATCH (n:Person {k: 2}) SET n.v = 21"),
    (FANS, "MATCH (a:Person {k: 4}), (b:Person {k: 2}) INSERT (a)-[:KNOWS]->(b)"),
    (EITHER, "MATCH (a:Person {k: 4}), (b:Person {k: 2}) INSERT (a)-[:KNOWS]->(b)"),
    (EITHER, "MATCH (a:Person {k: 4}), (b:Person {k: 2}) INSERT (b)-[:KNOWS]->(a)"),
    (FAR, "MATCH (a:Person {k: 2}), (b:City) INSERT (a)-[:KNOWS]->(b)"),
    (FAR, "MATCH ()-[e:KNOWS {w: 2}]->() DELETE e"),
    (SHORTEST, NEW_EDGE),
    (LONELY, "MATCH (a:City), (b:Person {k: 4}) INSERT (a)-[:KNOWS]->(b)"),
    (MAYBE, "MATCH (a:Person {k: 4}), (b:City) INSERT (a)-[:LIKES]->(b)"),
    ("MATCH (n) WHERE element_id(n) = 1 RETURN n.v", "MATCH (n:Person {k: 1}) SET n.v = 11"),
]


@pytest.mark.parametrize(("read", "write"), CONFLICTS, ids=[f"{r} / {w}" for r, w in CONFLICTS])
def test_a_write_of_what_was_read_leaves_no_order(db: skerry.Database, read: str, write: str) -> None:
    assert skew(db, read, write)


APART = [
    (PEOPLE, "INSERT (:Item {code: 5, v: 9})"),
    (PEOPLE, "MATCH (c:City) SET c.k = 5"),
    (ITEM, "MATCH (n:Item {code: 8}) SET n.v = 81"),
    (NO_ITEM, "INSERT (:Item {code: 98, v: 9})"),
    ("MATCH (n) WHERE element_id(n) = 1 RETURN n.v", "MATCH (c:City) SET c.name = 'Ulm'"),
]


@pytest.mark.parametrize(("read", "write"), APART, ids=[f"{r} / {w}" for r, w in APART])
def test_a_write_of_something_else_does_no_harm(db: skerry.Database, read: str, write: str) -> None:
    assert not skew(db, read, write)
