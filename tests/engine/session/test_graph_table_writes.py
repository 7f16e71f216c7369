"""GQL writes of graphs over tables: the tables' own DML, with their defaults and constraints."""

from __future__ import annotations

import pytest
from support.sessions import SqlDatabase, SqlSession

from skerry_engine import errors

TABLES = """
create table person (id int primary key, name text not null default 'nobody', n int check (n < 100), note text default 'new');
create table city (id int primary key, name text);
create table knows (a int references person, b int references person, w int, primary key (a, b));
create table lives (id serial primary key, p int references person, c int references city);
create table road (x int, y int, w int);
create property graph g
    vertex tables (
        person label human properties (id, name, n, n * 2 as twice) label thing properties (name),
        city label place properties (id, name) label thing properties (name))
    edge tables (
        knows source key (a) references person (id) destination key (b) references person (id) properties (w),
        lives source person destination city no properties,
        road key (x, y) source key (x) references city (id) destination key (y) references city (id));
insert into person values (1, 'Ann', 10), (2, 'Bob', 20), (3, 'Cy', 30);
insert into city values (1, 'Rome'), (2, 'Oslo');
insert into knows values (1, 2, 7), (2, 3, 8), (3, 3, 9);
insert into lives (p, c) values (1, 1), (3, 1);
insert into road values (1, 2, 5)
"""


@pytest.fixture
def session() -> SqlSession:
    session = SqlDatabase(TABLES).session()
    session.run_all("session set graph g")
    return session


def test_a_new_node_is_a_row_with_the_tables_defaults(session: SqlSession) -> None:
    session.run_all("INSERT (:human {id: 9}), (:human {id: 10, name: 'Di', n: 5})")
    assert session.rows("select id, name, n, note from person where id > 8 order by id") == [
        (9, "nobody", None, "new"),
        (10, "Di", 5, "new"),
    ]


def test_new_edges_refer_to_nodes_new_and_old(session: SqlSession) -> None:
    session.run_all(
        "INSERT (a:human {id: 9})-[:knows {w: 1}]->(:human {id: 10})<-[:knows {w: 2}]-(a2:human {id: 11})"
    )
    session.run_all(
        "MATCH (a:human {id: 1}), (c:place {id: 2}) INSERT (a)-[:lives]->(c)<-[:lives]-(:human {id: 12})"
    )
    assert session.rows("select a, b, w from knows where a > 8 order by a") == [(9, 10, 1), (11, 10, 2)]
    assert session.rows("select id, p, c from lives where c = 2 order by p") == [(3, 1, 2), (4, 12, 2)]


def test_rows_go_on_behind_insert(session: SqlSession) -> None:
    text = "MATCH (a:human WHERE a.id < 3) INSERT (a)-[e:knows {w: 0}]->(b:human {id: a.id + 20}) RETURN a.name, b.id, e.w"
    assert sorted(session.rows(text)) == [("Ann", 21, 0), ("Bob", 22, 0)]
    assert session.rows("MATCH (:human {id: 1})-[:knows]->(b) RETURN b.id ORDER BY b.id") == [(2,), (21,)]


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("INSERT (:human {id: 1})", errors.UniqueViolation, "person_pkey"),
        ("INSERT (:human {id: 9, n: 100})", errors.CheckViolation, "person_n_check"),
        ("INSERT (:human {id: 9, name: NULL})", errors.NotNullViolation, "name"),
        ("INSERT (:human {n: 1})", errors.NotNullViolation, "id"),
        ("INSERT (:thing {name: 'x'})", errors.AmbiguousColumn, "could be a row of person, city"),
        ("INSERT (:nosuch)", errors.UndefinedObject, "no vertex table"),
        ("INSERT (:human {colour: 'red'})", errors.UndefinedObject, "the properties colour"),
        ("INSERT (:human {id: 9, twice: 4})", errors.NotSupportedError, "worked out of columns"),
        ("MATCH (c:place), (a:human) INSERT (c)-[:lives]->(a)", errors.UndefinedObject, "no edge table"),
        ("MATCH (a:thing), (b:human) INSERT (a)-[:knows]->(b)", errors.NotSupportedError, "several tables"),
        ("MATCH (a:human {id: 1}) SET a.n = 100", errors.CheckViolation, "person_n_check"),
        ("MATCH (a:human {id: 1}) SET a.id = 2", errors.UniqueViolation, "person_pkey"),
        ("MATCH (a:human {id: 1}) SET a.id = 9", errors.ForeignKeyViolation, "knows_a_fkey"),
        ("MATCH (a:human {id: 1}) REMOVE a.name", errors.NotNullViolation, "name"),
        (
            "MATCH (a:human {id: 1}) SET a.colour = 1",
            errors.UndefinedColumn,
            'person has no property "colour"',
        ),
        ("MATCH (a:human {id: 1}) SET a.twice = 1", errors.NotSupportedError, "worked out of columns"),
        ("MATCH (a:human {id: 1}) SET a:place", errors.NotSupportedError, "SET of labels"),
        ("MATCH (a:human {id: 1}) SET a = {id: 1}", errors.NotSupportedError, "SET of all properties"),
        ("MATCH (a:human {id: 1}) SET a.n = 1 RETURN a.n", errors.NotSupportedError, "clauses behind SET"),
        ("MERGE (a:human {id: 1})", errors.NotSupportedError, "MERGE"),
        ("MATCH (a:human {id: 3}) DELETE a", errors.EdgesStillExist, "still has 2 edges of knows"),
        ("MATCH (a:place {id: 2}) DELETE a", errors.EdgesStillExist, "still has 1 edge of road"),
    ],
)
def test_what_can_not_be_written_changes_nothing(
    session: SqlSession, text: str, error: type[errors.DatabaseError], message: str
) -> None:
    everything = "MATCH (n) RETURN n NEXT MATCH (n)-[e]->(m) RETURN n, e, m"
    before = sorted(session.rows(everything), key=repr)
    with pytest.raises(error) as caught:
        session.run_all(text)
    assert message in str(caught.value)
    assert sorted(session.rows(everything), key=repr) == before


def test_set_and_remove_are_updates(session: SqlSession) -> None:
    session.run_all("MATCH (a:human)-[e:knows]->(b) WHERE a.id <> b.id SET a.n = b.n, e.w = e.w + 1")
    assert session.rows("select id, n from person order by id") == [(1, 20), (2, 30), (3, 30)]
    assert session.rows("select a, w from knows order by a") == [(1, 8), (2, 9), (3, 9)]
    session.run_all("MATCH (a:human {id: 1}) REMOVE a.n")
    assert session.rows("select n from person where id = 1") == [(None,)]


@pytest.mark.parametrize(
    ("text", "tag"),
    [
        ("MATCH (a:human) SET a.n = 1", "UPDATE 3"),
        ("MATCH (a:human {id: 1})-[e:knows]->(b) SET a.n = 1, e.w = 2", "UPDATE 2"),
        ("MATCH (a:human {id: 1})-[e:knows]->() DELETE e", "DELETE 1"),
        ("MATCH (a:human {id: 99}) DETACH DELETE a", "DELETE 0"),
    ],
)
def test_elements_that_change_are_counted(session: SqlSession, text: str, tag: str) -> None:
    assert session.lines(text)[-1] == tag


def test_elements_that_go_are_counted_with_their_edges(session: SqlSession) -> None:
    (edges,) = session.rows("MATCH (a:human {id: 1})-[e]-() RETURN count(DISTINCT e) AS c")[0]
    assert session.lines("MATCH (a:human {id: 1}) DETACH DELETE a")[-1] == f"DELETE {1 + edges}"


def test_set_reaches_every_table_that_may_be_meant(session: SqlSession) -> None:
    session.run_all("MATCH (a:thing) WHERE a.name < 'D' OR a.name = 'Rome' SET a.name = a.name || '!'")
    assert session.rows("select name from person order by 1") == [("Ann!",), ("Bob!",), ("Cy!",)]
    assert session.rows("select name from city order by 1") == [("Oslo",), ("Rome!",)]


def test_contradicting_values_are_refused_and_equal_ones_are_not(session: SqlSession) -> None:
    session.run_all("insert into knows values (1, 3, 0)")
    with pytest.raises(errors.MultipleAssignments):
        session.run_all("MATCH (a:human {id: 1})-[:knows]->(b) SET a.n = b.n")
    session.run_all("MATCH (a:human {id: 1})-[:knows]->(b) SET a.n = a.n + 1")
    assert session.rows("select n from person where id = 1") == [(11,)]


def test_delete_of_edges_and_of_nodes_with_them(session: SqlSession) -> None:
    session.run_all("MATCH (:human {id: 1})-[e:knows]->() DELETE e")
    assert session.rows("select a from knows order by a") == [(2,), (3,)]
    session.run_all("MATCH (a:human {id: 3}) DETACH DELETE a")
    assert session.rows("select count(*) from knows") == [(0,)]
    assert session.rows("select p from lives") == [(1,)]
    session.run_all("MATCH (a:human {id: 2}) DELETE a")
    assert session.rows("select id from person") == [(1,)]
    session.run_all("MATCH (a:human {id: 1})-[e:lives]->(c:place) DELETE a, e")
    assert session.rows("select count(*) from person") == [(0,)]


def test_writes_are_rolled_back_and_refused_where_only_reading_is_allowed(session: SqlSession) -> None:
    session.run_all("begin")
    session.run_all("INSERT (:human {id: 9})")
    session.run_all("savepoint s")
    session.run_all("MATCH (a:human) SET a.n = 0")
    session.run_all("rollback to s")
    assert session.rows("MATCH (a:human) RETURN sum(a.n) AS s, count(*) AS c") == [(60, 4)]
    session.run_all("rollback")
    assert session.rows("select count(*) from person") == [(3,)]
    session.run_all("begin read only")
    for text in ("INSERT (:human {id: 9})", "MATCH (a:human) SET a.n = 0"):
        with pytest.raises(errors.ReadOnlyViolation):
            session.run_all(text)
        session.run_all("rollback; begin read only")
    session.run_all("rollback")
