"""GQL reads bound, planned and run over a small graph: what each construct gives."""

from __future__ import annotations

from decimal import Decimal
from itertools import permutations
from typing import Any

import pytest
from support.gql_graphs import GqlGraph

from skerry_engine import errors

Row = tuple[Any, ...]


@pytest.fixture(scope="module")
def graph() -> GqlGraph:
    graph = GqlGraph()
    ada = graph.node("Person", name="Ada", age=36)
    bob = graph.node("Person", "Admin", name="Bob", age=25)
    cy = graph.node("Person", name="Cy")
    ulm = graph.node("City", name="Ulm", size=1.5)
    graph.edge(ada, bob, "KNOWS", since=2000)
    graph.edge(bob, cy, "KNOWS", since=2010)
    graph.edge(ada, cy, "LIKES")
    graph.edge(ada, ulm, "IN")
    graph.edge(bob, ulm, "IN")
    graph.edge(cy, cy, "KNOWS", since=1)
    return graph


# fmt: off
QUERIES: list[tuple[str, list[Row]]] = [
    ('MATCH (n:Person) RETURN n.name',
     [('Ada',), ('Bob',), ('Cy',)]),
    ("MATCH (n:Person {name: 'Ada'}) RETURN n.name, n.age",
     [('Ada', 36)]),
    ('MATCH (n) RETURN count(*)',
     [(4,)]),
    ('MATCH (n:Person) RETURN count(n.age), sum(n.age), avg(n.age), min(n.name), max(n.age)',
     [(2, 61, Decimal('30.5000000000000000'), 'Ada', 36)]),
    ('MATCH (a:Person)-[e:KNOWS]->(b) RETURN a.name, e.since, b.name',
     [('Ada', 2000, 'Bob'), ('Bob', 2010, 'Cy'), ('Cy', 1, 'Cy')]),
    ("MATCH (a)-[:KNOWS]-(b) WHERE a.name = 'Cy' RETURN b.name",
     [('Cy',), ('Bob',)]),
    ('MATCH (a)<-[e]-(b) RETURN a.name AS x, b.name AS y ORDER BY x, y DESC LIMIT 3',
     [('Bob', 'Ada'), ('Cy', 'Cy'), ('Cy', 'Bob')]),
    ('MATCH (a)-[]->(b)-[]->(c) RETURN a.name, b.name, c.name',
     [('Ada', 'Bob', 'Cy'), ('Ada', 'Bob', 'Ulm'), ('Ada', 'Cy', 'Cy'), ('Bob', 'Cy', 'Cy')]),
    ('MATCH (a:Person WHERE a.age > 30) RETURN a',
     [((99, 100, 1, (1, 'Ada', 36)),)]),
    ('MATCH p = (a:Person)-[e:LIKES]->(b) RETURN p, path_length(p)',
     [(((99, 100, 1, (1, 'Ada', 36)), (99, 101, 3, (2, 1, 3), 100, 1, 100, 3), (99, 100, 3, (3, 'Cy'))), 1)]),
    ('OPTIONAL MATCH (a:Nobody) RETURN a, a.name',
     [(None, None)]),
    ('MATCH (a:Person) OPTIONAL MATCH (a)-[:IN]->(c:City) RETURN a.name, c.name',
     [('Ada', 'Ulm'), ('Bob', 'Ulm'), ('Cy', None)]),
    ("MATCH (a:Person) OPTIONAL MATCH (a)-[e:IN]->(c) WHERE c.name = 'x' RETURN a.name, c.name, e",
     [('Ada', None, None), ('Bob', None, None), ('Cy', None, None)]),
    ('MATCH (a:Person) LET y = a.age + 1 FILTER y > 30 RETURN a.name, y',
     [('Ada', 37)]),
    ('FOR x IN [1, 2, 3] RETURN x * 2 AS d',
     [(2,), (4,), (6,)]),
    ("FOR x IN ['a', 'b'] WITH ORDINALITY i RETURN x, i",
     [('a', 1), ('b', 2)]),
    ("FOR x IN ['a', 'b'] WITH OFFSET i RETURN x, i",
     [('a', 0), ('b', 1)]),
    ('MATCH (a:Person)-[:IN]->(c) RETURN c.name, count(*) AS n',
     [('Ulm', 2)]),
    ('MATCH (a:Person)-[:IN]->(c) RETURN c, count(*) AS n',
     [((99, 100, 4, (4, 'Ulm', 1.5)), 2)]),
    ('MATCH (a:Person)-[:IN]->(c) RETURN c, c.name, count(*) AS n',
     [((99, 100, 4, (4, 'Ulm', 1.5)), 'Ulm', 2)]),
    ('MATCH (a:Person) RETURN a.name ORDER BY a.age DESC NULLS LAST',
     [('Ada',), ('Bob',), ('Cy',)]),
    ("MATCH (a:Person) RETURN a.name AS n NEXT FILTER n <> 'Bob' RETURN n",
     [('Ada',), ('Cy',)]),
    ('MATCH (a:Person) RETURN a NEXT MATCH (a)-[:KNOWS]->(b) RETURN a.name, b.name',
     [('Ada', 'Bob'), ('Bob', 'Cy'), ('Cy', 'Cy')]),
    ('MATCH (a:Person) ORDER BY a.name LIMIT 1 MATCH (a)-[e]->(b) RETURN a.name, b.name',
     [('Ada', 'Bob'), ('Ada', 'Cy'), ('Ada', 'Ulm')]),
    ('MATCH (a:Person) WHERE EXISTS { MATCH (a)-[:IN]->() } RETURN a.name',
     [('Ada',), ('Bob',)]),
    ('MATCH (a:Person)-[:KNOWS]->(b) WHERE NOT EXISTS { (b)-[:KNOWS]->(a) } RETURN a.name, b.name',
     [('Ada', 'Bob'), ('Bob', 'Cy')]),
    ('MATCH (a:Person)-[]->(b:Person) WHERE EXISTS { (b)-[]->(a) } RETURN a.name',
     [('Cy',)]),
    ('MATCH (a:Person) WHERE EXISTS { (a)-[:IN]->(x WHERE x.size > 1) } RETURN a.name',
     [('Ada',), ('Bob',)]),
    ('MATCH (a:Person) RETURN a.name, VALUE { MATCH (a)-[:KNOWS]->(b) RETURN count(*) AS k } AS k',
     [('Ada', 1), ('Bob', 1), ('Cy', 1)]),
    ('MATCH (a:Person) CALL (a) { MATCH (a)-[:KNOWS]->(b) RETURN b.name AS bn } RETURN a.name, bn',
     [('Ada', 'Bob'), ('Bob', 'Cy'), ('Cy', 'Cy')]),
    ('MATCH (a:Person) OPTIONAL CALL (a) { MATCH (a)-[:IN]->(b) RETURN b.name AS bn } RETURN a.name, bn',
     [('Ada', 'Ulm'), ('Bob', 'Ulm'), ('Cy', None)]),
    ('MATCH (a:Person) RETURN a.name AS n UNION ALL MATCH (c:City) RETURN c.name AS n',
     [('Ada',), ('Bob',), ('Cy',), ('Ulm',)]),
    ('MATCH (a:Person) RETURN a.name AS n EXCEPT MATCH (a:Admin) RETURN a.name AS n',
     [('Ada',), ('Cy',)]),
    ('MATCH (a:Person) RETURN a.name AS n INTERSECT MATCH (a:Admin) RETURN a.name AS n',
     [('Bob',)]),
    ('MATCH (a:Nobody) RETURN a.name AS n OTHERWISE MATCH (a:Admin) RETURN a.name AS n',
     [('Bob',)]),
    ('MATCH (a)-[e]->(b) WHERE a IS SOURCE OF e AND NOT b IS SOURCE OF e AND e IS DIRECTED RETURN a.name',
     [('Ada',), ('Bob',), ('Ada',), ('Ada',), ('Bob',)]),
    ('MATCH (a), (b) WHERE ALL_DIFFERENT(a, b) AND a IS LABELED Person & !Admin AND SAME(a,a) RETURN a.name, b.name',
     [('Ada', 'Bob'), ('Ada', 'Cy'), ('Ada', 'Ulm'), ('Cy', 'Ada'), ('Cy', 'Bob'), ('Cy', 'Ulm')]),
    ('MATCH (a) WHERE PROPERTY_EXISTS(a, age) RETURN a.name',
     [('Ada',), ('Bob',)]),
    ("RETURN CASE 1 WHEN 1 THEN 'x' ELSE 'y' END AS c, COALESCE(NULL, 2) AS d, NULLIF(1, 1) AS e, CAST('12' AS INT) AS f",
     [('x', 2, None, 12)]),
    ("RETURN [1, 'a', NULL] AS l, {a: 1, b: 'x'} AS r, {a: 1}.a AS ra, [1,2,3][1] AS i",
     [((1, 'a', None), (('a', 1), ('b', 'x')), 1, 2)]),
    ("MATCH (a {name: 'Ada'}), (b {name: 'Bob'}) MATCH (a)-[e]->(b) RETURN e.since",
     [(2000,)]),
    ("RETURN 1 IS TYPED INT AS a, 'x' IS TYPED INT AS b, NULL IS TYPED INT NOT NULL AS c",
     [(True, False, False)]),
    ('MATCH (a:Person|City) RETURN a.name',
     [('Ada',), ('Bob',), ('Cy',), ('Ulm',)]),
    ('MATCH (a:%) RETURN count(*)',
     [(4,)]),
    ('MATCH (a:!Person) RETURN a.name',
     [('Ulm',)]),
    ('MATCH (a IS Person) RETURN DISTINCT a.age',
     [(36,), (25,), (None,)]),
    ('MATCH REPEATABLE ELEMENTS (a)-[e]->(b)<-[f]-(c) RETURN count(*)',
     [(14,)]),
    ('MATCH DIFFERENT EDGES (a)-[e]->(b)<-[f]-(c) RETURN count(*)',
     [(8,)]),
    ('MATCH (a)-[e]->(b), (a)-[f]->(c) RETURN count(*)',
     [(8,)]),
    ('MATCH (a) RETURN collect_list(a.age) AS l',
     [((36, 25),)]),
    ('MATCH (a:Person) RETURN *',
     [((99, 100, 1, (1, 'Ada', 36)),), ((99, 100, 2, (2, 'Bob', 25)),), ((99, 100, 3, (3, 'Cy')),)]),
    ('MATCH (n:Person) RETURN n.nothing',
     [(None,), (None,), (None,)]),
    ('MATCH (n:Person) WHERE n.nothing = 3 RETURN n',
     []),
    ('MATCH (n) FINISH',
     []),
    ('MATCH (n) WHERE n.size = 1.5 RETURN n.name',
     [('Ulm',)]),
    ('MATCH ACYCLIC (a)-[e]->(b)-[f]->(c) RETURN count(*)',
     [(2,)]),
    ('MATCH (a)-[e]-(b) RETURN a.name, b.name, e.since',
     [('Ada', 'Bob', 2000), ('Ada', 'Cy', None), ('Ada', 'Ulm', None), ('Bob', 'Cy', 2010), ('Bob', 'Ulm', None), ('Bob', 'Ada', 2000), ('Cy', 'Cy', 1), ('Cy', 'Bob', 2010), ('Cy', 'Ada', None), ('Ulm', 'Ada', None), ('Ulm', 'Bob', None)]),
    ('CALL generate_series(1, 3) YIELD generate_series AS x RETURN x',
     [(1,), (2,), (3,)]),
    ('MATCH (a:Person) RETURN a.name, (a.age + 1) * 2 AS z ORDER BY z',
     [('Bob', 52), ('Ada', 74), ('Cy', None)]),
    ('LET x = 3 RETURN x + 1',
     [(4,)]),
    ("MATCH (n) RETURN n.name || '!' AS m, upper(n.name)",
     [('Ada!', 'ADA'), ('Bob!', 'BOB'), ('Cy!', 'CY'), ('Ulm!', 'ULM')]),
    ("MATCH (n) WHERE n.name STARTS WITH 'A' RETURN n.name",
     [('Ada',)]),
    ("MATCH (n) WHERE n.name IN ['Ada', 'Cy'] RETURN n.name",
     [('Ada',), ('Cy',)]),
    ('MATCH (n:Person) RETURN n.age GROUP BY n',
     [(36,), (25,), (None,)]),
    ('MATCH (n:Person) RETURN LET z = n.age IN z * z END AS sq',
     [(1296,), (625,), (None,)]),
]
# fmt: on


@pytest.mark.parametrize(("text", "rows"), QUERIES, ids=[text for text, _ in QUERIES])
def test_a_query_gives_its_rows(graph: GqlGraph, text: str, rows: list[Row]) -> None:
    found = graph.rows(text)
    if "ORDER BY" not in text:
        found, rows = sorted(found, key=repr), sorted(rows, key=repr)
    assert found == rows


def test_brackets_that_say_nothing_are_opened(graph: GqlGraph) -> None:
    opened = graph.rows("MATCH (a)-[e:KNOWS]->(b)-[f]->(c) WHERE f.since > 5 RETURN a.name, c.name")
    for text in (
        "((a)-[e:KNOWS]->(b)) ((b)-[f]->(c) WHERE f.since > 5)",
        "(((a)-[e:KNOWS]->(b)-[f]->) (c) WHERE f.since > 5)",
    ):
        query = f"MATCH {text} RETURN a.name, c.name"
        assert graph.rows(query) == opened, text
        assert not any("Path" in line for line in graph.plan(query))


NULLS: list[tuple[str, list[Row]]] = [
    ("LET m = NULL RETURN m.x AS y, size(m) AS s, m + 1 AS p, m.x.y AS z", [(None, None, None, None)]),
    ("RETURN NULL AS m NEXT RETURN m.x AS y, size(m) AS s", [(None, None)]),
]


@pytest.mark.parametrize(("text", "rows"), NULLS, ids=[text for text, _ in NULLS])
def test_null_is_of_any_type(graph: GqlGraph, text: str, rows: list[Row]) -> None:
    assert graph.rows(text) == rows


ORDERED: list[tuple[str, list[Row]]] = [
    ("MATCH (:Person)-[]->(b) RETURN DISTINCT b ORDER BY b.name DESC NEXT RETURN b.name", [("Ulm",), ("Cy",), ("Bob",)]),
    ("MATCH (a)-[e]->(b) RETURN a, count(e) AS n ORDER BY n DESC, a.name NEXT RETURN a.name, n",
     [("Ada", 3), ("Bob", 2), ("Cy", 1)]),
    ("MATCH (a) ORDER BY a.name LIMIT 3 RETURN count(*)", [(3,)]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "rows"), ORDERED, ids=[text for text, _ in ORDERED])
def test_rows_come_in_the_order_that_was_asked_for(graph: GqlGraph, text: str, rows: list[Row]) -> None:
    assert graph.rows(text) == rows


def test_rows_of_nothing_can_be_joined(graph: GqlGraph) -> None:
    text = "RETURN count(VALUE {FILTER $p >= 2 MATCH (n:Nobody) RETURN 3 AS x}) AS c"
    assert graph.rows(text, p=3) == [(0,)]
    assert graph.rows(text.replace("n:Nobody", "n {name: 'Ada'}"), p=3) == [(1,)]
    assert graph.rows(text.replace("n:Nobody", "n {name: 'Ada'}"), p=1) == [(0,)]


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("MATCH (n:Person) RETURN count(*) + VALUE {MATCH (m) RETURN count(*) AS c} AS x", "people + all"),
        (
            "MATCH (n:Person) RETURN count(*) + VALUE {MATCH (m) RETURN max(m.age) AS c} AS x",
            "people + oldest",
        ),
        ("MATCH (n:Person) RETURN VALUE {MATCH (m) RETURN count(*) AS c} AS all, count(*) AS people", "both"),
        ("MATCH (n:Person) RETURN n, count(*) + VALUE {MATCH (m) RETURN count(n.age) AS c} AS x", "each"),
        (
            "VALUE c = VALUE {MATCH (m) RETURN count(*) AS c} MATCH (n:Person) RETURN c + count(*) AS x",
            "people + all",
        ),
    ],
)
def test_aggregates_of_a_query_inside_are_its_own(graph: GqlGraph, text: str, rows: str) -> None:
    ((people, total, oldest),) = graph.rows(
        "MATCH (m) RETURN count(*) AS c, max(m.age) AS a NEXT MATCH (n:Person) RETURN count(n), max(c), max(a)"
    )
    aged = graph.rows("MATCH (n:Person) RETURN n.age IS NOT NULL AS known")
    expected = {
        "people + all": [(people + total,)],
        "people + oldest": [(people + oldest,)],
        "both": [(total, people)],
        "each": sorted((1 + (total if known else 0),) for (known,) in aged),
    }
    assert sorted(row[-2 if rows == "both" else -1 :] for row in graph.rows(text)) == expected[rows]


@pytest.mark.parametrize(
    ("items", "names"),
    [
        ("upper('a'), upper('b'), n.age, n.age", ["upper", "column2", "n.age", "column4"]),
        ("upper('a'), 1 AS upper, n", ["column1", "upper", "n"]),
        ("1 + 1, 1 AS column1, count(*) AS c", ["column1_", "column1", "c"]),
    ],
)
def test_columns_without_a_name_find_one_that_is_free(graph: GqlGraph, items: str, names: list[str]) -> None:
    assert [column.name for column in graph.bind(f"MATCH (n) RETURN {items}").columns] == names


REFUSED: list[tuple[str, type[errors.DatabaseError], str]] = [
    ("MATCH (n) RETURN nope", errors.UndefinedColumn, 'variable "nope" is not defined'),
    ("MATCH (n) RETURN n.name.x", errors.DatatypeMismatch, 'a value of type STRING has no property "x"'),
    ("MATCH (n) RETURN n.age + n", errors.InvalidValueType, "operator . does not take"),
    ("MATCH (n)", errors.SyntaxError, "a query ends with RETURN"),
    ("MATCH (n) RETURN n, n", errors.DuplicateColumn, 'column "n" stands twice'),
    ("MATCH (n) WHERE EXISTS {MATCH (m) SET m.x = 1 RETURN m} RETURN n", errors.SyntaxError, "only read"),
    ("RETURN VALUE {INSERT (m) RETURN 1 AS x} AS x", errors.SyntaxError, "only read"),
    ("MATCH (n) RETURN 1 AS x, 2 AS x", errors.DuplicateColumn, 'column "x" stands twice'),
    ("MATCH (n) LET n = 1 RETURN n", errors.DuplicateColumn, 'variable "n" is already defined'),
    ("MATCH (n)-[n]->() RETURN n", errors.DatatypeMismatch, 'variable "n" is of type'),
    ("MATCH (n) WHERE count(*) > 1 RETURN n", errors.GroupingError, "aggregate functions are not allowed"),
    ("MATCH (n) RETURN count(sum(n.age))", errors.GroupingError, "cannot be nested"),
    (
        "MATCH (n) RETURN n.age + count(*)",
        errors.GroupingError,
        "made of aggregates and of what is grouped by",
    ),
    (
        "MATCH (n) RETURN n.name AS a UNION MATCH (n) RETURN n.name AS b",
        errors.SyntaxError,
        "different columns",
    ),
    ("MATCH (n) RETURN n.shoe + count(*)", errors.GroupingError, "made of aggregates"),
    ("MATCH (n) RETURN n NEXT RETURN n.shoe || count(*)", errors.GroupingError, "made of aggregates"),
    ("MATCH (n) RETURN count(*) ORDER BY n.shoe + count(*)", errors.GroupingError, "made of aggregates"),
    *(
        (f"RETURN 1 AS x {one} RETURN 2 AS x {other} RETURN 3 AS x", errors.SyntaxError, "side by side")
        for one, other in permutations(
            ("UNION", "UNION ALL", "EXCEPT", "EXCEPT ALL", "INTERSECT", "OTHERWISE"), 2
        )
    ),
    ("FOR x IN 1 RETURN x", errors.DatatypeMismatch, "FOR takes a list"),
    ("USE nowhere MATCH (n) RETURN n", errors.UndefinedTable, 'graph "nowhere" does not exist'),
    ("MATCH (n) WHERE n.name RETURN n", errors.DatatypeMismatch, "WHERE"),
    ("RETURN 1 < '1'", errors.ValuesNotComparable, "INT and STRING"),
    ("RETURN 1 + 'a'", errors.UndefinedFunction, r"INT \+ STRING"),
    ("RETURN 1 IN 5", errors.DatatypeMismatch, "IN takes a list, not a value of type INT"),
    ("RETURN CAST(TRUE AS INT)", errors.CannotCoerce, "BOOL to INT"),
    ("RETURN *", errors.SyntaxError, "no variables"),
    ("RETURN [1, 2][1.5] AS x", errors.DatatypeMismatch, "an index is an integer"),
    (
        "MATCH (n) RETURN n.age ORDER BY count(*)",
        errors.GroupingError,
        "ORDER BY can aggregate only where RETURN does",
    ),
    (
        "MATCH (a) RETURN DISTINCT a.name AS n ORDER BY a.age",
        errors.UndefinedColumn,
        'variable "a" is not defined',
    ),
]


@pytest.mark.parametrize(("text", "error", "message"), REFUSED, ids=[text for text, _, _ in REFUSED])
def test_what_is_wrong_is_told(
    graph: GqlGraph, text: str, error: type[errors.DatabaseError], message: str
) -> None:
    with pytest.raises(error, match=message.replace("(", r"\(")) as caught:
        graph.rows(text)
    assert caught.value.position is not None or "n.age + n" in text, "only types of properties show late"
