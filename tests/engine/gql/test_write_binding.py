"""INSERT, SET, REMOVE, DELETE and MERGE as GQL texts: what they become, and what they say about bad input."""

from __future__ import annotations

import pytest
from support.graph_algebra import AlgebraGraph

from skerry_engine import errors
from skerry_engine.algebra import queries as q


@pytest.fixture
def graph() -> AlgebraGraph:
    return AlgebraGraph()


# --- programs ----------------------------------------


def stages(graph: AlgebraGraph, text: str) -> list[str]:
    query = graph.bound(text)
    made = query.stages if isinstance(query, q.Program) else (query,)
    return [type(stage).__name__ for stage in made]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("INSERT (:A)", ["GraphInsert"]),
        ("CREATE (:A)-[:R]->(:B)", ["GraphInsert"]),
        ("MATCH (a), (b) INSERT (a)-[:R]->(b)", ["GraphInsert"]),
        ("INSERT (a:A {x: 1}) RETURN a, a.x + 1 AS y", ["GraphInsert"]),
        ("MATCH (a) INSERT (a)-[e:R]->(b) RETURN a, e, b.x", ["GraphInsert"]),
        ("INSERT (a:A) RETURN count(*) AS c", ["GraphInsert", "Select"]),
        ("INSERT (a:A) RETURN a ORDER BY a.x", ["GraphInsert", "Select"]),
        ("INSERT (a:A) RETURN EXISTS {(a)-[]->()} AS x", ["GraphInsert", "Select"]),
        ("MATCH (a) SET a.x = 1 SET a.y = 2", ["GraphChange", "GraphChange"]),
        ("MATCH (a) SET a.x = 1, a.y = 2 REMOVE a:L", ["GraphChange", "GraphChange"]),
        ("MATCH (a) DELETE a FINISH", ["GraphDelete", "Select"]),
        ("MERGE (a:A {x: 1}) RETURN a.x", ["GraphMerge", "Select"]),
        ("INSERT (:A) NEXT MATCH (a) RETURN a", ["GraphInsert", "Select"]),
        ("MATCH (a) INSERT (:A) NEXT INSERT (:B)", ["GraphInsert", "GraphInsert"]),
        ("MATCH (a) RETURN a NEXT SET a.x = 1", ["GraphChange"]),
        ("MATCH (a) RETURN a", ["Select"]),
    ],
)
def test_clauses_that_write_end_stages(graph: AlgebraGraph, text: str, expected: list[str]) -> None:
    assert stages(graph, text) == expected


def test_items_about_one_element_are_one_change(graph: AlgebraGraph) -> None:
    query = graph.bound("MATCH (a), (b) SET a.x = 1, a.y = 2, a:L, b.x = 1, a.z = 3, a.z = 4")
    assert isinstance(query, q.GraphChange)
    assert [len(change.properties) for change in query.changes] == [2, 1, 1, 1]


# --- values ----------------------------------------


def test_what_a_statement_writes_it_can_read_in_the_next_clause(graph: AlgebraGraph) -> None:
    graph.gql("INSERT (:A {old: 1})")
    assert graph.gql("MATCH (a:A) SET a.new = 5 RETURN a.new + a.old AS n") == [(6,)]
    assert graph.gql("MATCH (a:A) SET a.old = 'now a text' RETURN a.old") == [("now a text",)]
    assert graph.gql("MATCH (a:A) SET a.new = $1 RETURN a.new", "x") == [("x",)]
    assert graph.gql("MATCH (a:A) SET a = {k: 1} RETURN a.k, a.old") == [(1, None)]
    assert graph.gql("MATCH (a:A) SET a += {j: 2, k: NULL} RETURN a.k, a.j") == [(None, 2)]
    assert graph.gql("INSERT (a:B {x: 1}), (b:C {y: 'z'}) RETURN a.x, b.y") == [(1, "z")]
    assert graph.gql("INSERT (:D {f: 2}) NEXT MATCH (d:D) RETURN d.f") == [(2,)]
    assert graph.gql("FOR x IN [1, 2, 1] MERGE (n:Num {v: x}) RETURN n.v") == [(1,), (2,), (1,)]
    assert graph.gql("MATCH (n:Num) RETURN count(*) AS c") == [(2,)]


def test_rows_without_variables_are_rows(graph: AlgebraGraph) -> None:
    assert graph.gql("INSERT (:A) RETURN 1 AS x") == [(1,)]
    assert graph.gql("INSERT (:A) INSERT (:B) RETURN count(*) AS c") == [(1,)]
    assert graph.gql("MATCH (:A) INSERT (:C) RETURN 1 AS x") == [(1,), (1,)]


def test_all_properties_of_another_element(graph: AlgebraGraph) -> None:
    graph.gql("INSERT (:A {x: 1, y: 'z'}), (:B {w: 2})")
    assert graph.gql("MATCH (a:A), (b:B) SET b += a RETURN b.x, b.y, b.w") == [(1, "z", 2)]


def test_directions_and_repeated_variables(graph: AlgebraGraph) -> None:
    graph.gql("INSERT (a:A {n: 1})-[:R]->(b:A {n: 2})<-[:S]-(c:A {n: 3}), (c)-[:T]->(c), (a)-[:U]->(b)")
    found = graph.gql("MATCH (x)-[e]->(y) RETURN x.n, y.n")
    assert sorted(found) == [(1, 2), (1, 2), (3, 2), (3, 3)]


def test_merge_from_bound_elements_and_of_loops(graph: AlgebraGraph) -> None:
    graph.gql("INSERT (:A {n: 1}), (:A {n: 2})")
    text = "MATCH (a:A) MERGE (a)-[e:R {w: a.n}]->(t:T {k: 1}) ON MATCH SET e.seen = TRUE RETURN e.w, e.seen"
    assert sorted(graph.gql(text)) == [(1, None), (2, None)]
    assert sorted(graph.gql(text)) == [(1, True), (2, True)]
    assert graph.gql("MATCH (t:T) RETURN count(*) AS c") == [(2,)]
    loop = "MERGE (s:S {k: 1})-[:L]->(s) RETURN s.k"
    assert graph.gql(loop) == graph.gql(loop) == [(1,)]
    assert graph.gql("MATCH (s:S)-[:L]->(s) RETURN count(*) AS c") == [(1,)]


def test_a_path_that_nobody_reads_is_not_handed_on(graph: AlgebraGraph) -> None:
    graph.gql("INSERT (:A {n: 1})-[:R]->(:A {n: 2})")
    text = "MATCH p = SHORTEST 2 (a:A)-[:R]->{0,1}(b) SET a.m = 1 RETURN b.n"
    assert sorted(graph.gql(text)) == [(1,), (2,), (2,)]


# --- bad input ----------------------------------------


@pytest.mark.parametrize(
    ("text", "error", "match"),
    [
        ("MATCH (a) INSERT (a:B)", errors.DuplicateColumn, "already defined"),
        ("MATCH (a) INSERT (a {x: 1})-[:R]->(:B)", errors.DuplicateColumn, "already defined"),
        ("MATCH ()-[e]->() INSERT ()-[e:R]->()", errors.DuplicateColumn, "already defined"),
        ("INSERT (a {x: 1, x: 2})", errors.SyntaxError, "given twice"),
        ("INSERT (a {n: b.x}), (b {x: 1})", errors.UndefinedColumn, "not defined"),
        ("MATCH (a) INSERT ({n: a})", errors.DatatypeMismatch, "cannot hold a value of type"),
        ("LET a = 1 SET a.x = 2", errors.DatatypeMismatch, "only nodes and edges can be changed"),
        ("LET a = 1 INSERT (a)-[:R]->()", errors.DatatypeMismatch, "where NODE is wanted"),
        ("LET a = 1 DELETE a", errors.DatatypeMismatch, "can be deleted"),
        ("SET b.x = 2", errors.UndefinedColumn, "not defined"),
        ("MATCH (a) CALL (a) {INSERT (:B) RETURN 1 AS x} RETURN a", errors.NotSupportedError, "inside"),
        ("INSERT (:A) RETURN 1 AS x UNION RETURN 2 AS x", errors.NotSupportedError, "inside"),
    ],
)
def test_errors_say_what_is_wrong(graph: AlgebraGraph, text: str, error: type[Exception], match: str) -> None:
    with pytest.raises(error, match=match) as caught:
        graph.bound(text)
    assert caught.value.position is not None  # type: ignore[attr-defined]


def test_conflicting_assignments_are_an_error(graph: AlgebraGraph) -> None:
    graph.gql("INSERT (:A {n: 1}), (:A {n: 2})")
    with pytest.raises(errors.MultipleAssignments):
        graph.gql("MATCH (a:A), (b:A) SET a.m = b.n")
    with pytest.raises(errors.MultipleAssignments):
        graph.gql("MATCH (a:A) SET a.m = 1, a.m = 2")
    assert graph.gql("MATCH (a:A) SET a.m = 1, a.m = 1 RETURN a.m") == [(1,), (1,)]
