"""GQL's values, functions and parameters, as a program sees them: embedded and over the network."""

from __future__ import annotations

import datetime
import uuid
from decimal import Decimal
from typing import Any

import pytest

import skerry

UTC = datetime.UTC


@pytest.fixture
def graph(database: skerry.Database) -> skerry.Database:
    """Two people who know each other's names, and a thing whose age is a text."""
    database.execute(
        "INSERT (:Person {name: 'Alix', age: 3, born: DATE '1990-01-01'})-[:KNOWS {since: 1999}]->"
        "(:Person&Dog {name: 'Gus', tags: ['a', 'b'], r: {x: 1, y: [1, 'a']}})"
    )
    database.execute("INSERT (:Thing {age: 'old'})")
    return database


def value_of(database: skerry.Database, expression: str, parameters: Any = None) -> Any:
    return database.execute(f"RETURN {expression} AS x", parameters).scalar()


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("CHAR_LENGTH('abc')", 3),
        ("UPPER('aé')", "AÉ"),
        ("TRIM(BOTH 'x' FROM 'xax')", "a"),
        ("TRIM(LEADING FROM '  a ')", "a "),
        ("TRIM([1, 2, 3], 1)", [1, 2]),
        ("LEFT('abc', 2) || RIGHT('abc', 1)", "abc"),
        ("NORMALIZE('é', NFD) = 'é'", False),
        ("'é' IS NORMALIZED", True),
        ("'é' IS NFD NORMALIZED", False),
        ("[1, 2] || [3]", [1, 2, 3]),
        ("[1, 'a'] || [2.5]", [1, "a", Decimal("2.5")]),
        ("[1, 2, 3][0]", 1),
        ("[1, 2, 3][-1]", 3),
        ("[1, 2, 3][7]", None),
        ("[1, 2, 3][0..2]", [1, 2]),
        ("[1, 2, 3][1..]", [2, 3]),
        ("2 IN [1, 2]", True),
        ("2 IN [1, null]", None),
        ("'a' IN [1, 2]", False),
        ("1 = 1.0", True),
        ("0.1 = 0.1e0", True),
        ("1 = 'a'", False),
        ("[1, null] = [1, 2]", None),
        ("{a: 1, b: 2} = {b: 2, a: 1}", True),
        ("1.5 + 1", Decimal("2.5")),
        ("1.5e0 + 1", 2.5),
        ("7 / 2", 3),
        ("ABS(-5)", 5),
        ("MOD(7, 3)", 1),
        ("FLOOR(7.5)", Decimal(7)),
        ("CEIL(7)", 7),
        ("SQRT(16)", 4.0),
        ("LOG(2, 8)", 3.0),
        ("POWER(2, 3)", 8.0),
        ("RADIANS(180) = PI()", True),
        ("DATE '2024-02-29'", datetime.date(2024, 2, 29)),
        ("DATE '2024-01-31' + DURATION 'P1M'", datetime.date(2024, 2, 29)),
        ("DURATION_BETWEEN(DATE '2024-01-01', DATE '2024-03-01')", datetime.timedelta(days=60)),
        ("DATE({year: 2024, month: 5})", datetime.date(2024, 5, 1)),
        ("LOCAL_DATETIME('2024-01-01T12:00:00')", datetime.datetime(2024, 1, 1, 12)),
        ("ZONED_DATETIME('2024-01-01T12:00:00+02:00')", datetime.datetime(2024, 1, 1, 10, tzinfo=UTC)),
        ("DURATION({years: 1, days: 2})", skerry.Interval(12, 2, 0)),
        ("CURRENT_DATE = CURRENT_DATE", True),
        ("{a: 1, b: 'x', c: [1, 2]}", {"a": 1, "b": "x", "c": [1, 2]}),
        ("{a: {b: 5}}.a.b", 5),
        ("[{a: 1}, {a: DATE '2024-01-01'}]", [{"a": 1}, {"a": datetime.date(2024, 1, 1)}]),
        ("[[1], ['a'], []]", [[1], ["a"], []]),
        ("CASE WHEN 1 > 2 THEN 'a' ELSE 5 END", 5),
        ("COALESCE(null, 5)", 5),
        ("NULLIF(1, 1)", None),
        ("SIZE([1, 2, 3])", 3),
        ("X'00ff'", b"\x00\xff"),
        ("TRUE XOR FALSE", True),
        ("'abc' STARTS WITH 'a'", True),
        ("SUM(5)", 5),
        ("COLLECT_LIST(5)", [5]),
        ("range(1, 3)", [1, 2, 3]),
        ("[]", []),
        ("[null]", [None]),
        ("{}", {}),
    ],
)
def test_expressions(database: skerry.Database, expression: str, expected: Any) -> None:
    value = value_of(database, expression)
    assert value == expected
    assert type(value) is type(expected)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("CAST('5' AS INT)", 5),
        ("CAST(5 AS STRING)", "5"),
        ("CAST(127 AS INT8)", 127),
        ("CAST(5 AS UINT64)", 5),
        ("CAST(0.1e0 AS FLOAT32)", 0.10000000149011612),
        ("CAST('abc' AS STRING(2))", "ab"),
        ("CAST(X'010203' AS BYTES(2))", b"\x01\x02"),
        ("CAST(1.239 AS DECIMAL(5, 2))", Decimal("1.24")),
        ("CAST([1, '2'] AS LIST<INT>)", [1, 2]),
        ("CAST([1, 2] AS LIST<STRING>)", ["1", "2"]),
        ("CAST('2024-01-01' AS DATE)", datetime.date(2024, 1, 1)),
        ("CAST('2024-01-01T10:00' AS LOCAL DATETIME)", datetime.datetime(2024, 1, 1, 10)),
        ("CAST(DURATION 'P1Y2M3D' AS DURATION(YEAR TO MONTH))", skerry.Interval(14, 0, 0)),
        ("CAST(DURATION 'P1Y2M3DT4H' AS DURATION(DAY TO SECOND))", datetime.timedelta(days=3, hours=4)),
        ("CAST({a: '1', b: 2.5} AS RECORD {b STRING, a INT})", {"b": "2.5", "a": 1}),
        ("CAST([{a: '1'}, null] AS LIST<{a INT}>[2])", [{"a": 1}, None]),
        ("CAST(5 AS INT | STRING)", 5),
        ("CAST('5' AS INT NOT NULL)", 5),
        ("CAST(null AS RECORD {a INT})", None),
        ("CAST([1, 2] AS STRING)", "[1, 2]"),
        (
            "CAST(['a', null, DATE '2024-01-01', [{x: 1.5}]] AS STRING)",
            '["a", null, "2024-01-01", [{"x": 1.5}]]',
        ),
        ("CAST('[1, 2]' AS LIST<INT>)", [1, 2]),
        ("CAST('[]' AS LIST<STRING>)", []),
        ("CAST(CAST([DATE '2024-01-01', null] AS STRING) AS LIST<DATE>)", [datetime.date(2024, 1, 1), None]),
        ("CAST('abc' AS STRING(2, 3))", "abc"),
        ("'abc' IS TYPED STRING(2, 3)", True),
        ("'a' IS TYPED STRING(2, 3)", False),
        ("X'00' IS TYPED BYTES(2, 3)", False),
        ("5 IS TYPED NOTHING", False),
        ("null IS TYPED NOTHING", False),
        ("5 IS TYPED PROPERTY VALUE", True),
        ("LET VALUE y RECORD {a FLOAT} = {a: 1} IN y.a END", 1.0),
        ("LET VALUE y INT8 = 127 IN y END", 127),
        ("LET VALUE y INT | STRING = 'x' IN y END", "x"),
        ("DURATION_BETWEEN(DATE '2024-01-31', DATE '2025-03-01') YEAR TO MONTH", skerry.Interval(13, 0, 0)),
        ("DURATION_BETWEEN(DATE '2024-01-31', DATE '2024-02-01') DAY TO SECOND", datetime.timedelta(1)),
        ("DURATION 'P1M' IS TYPED DURATION(DAY TO SECOND)", False),
        ("DURATION 'P1D' IS TYPED DURATION(DAY TO SECOND)", True),
        ("DURATION 'P0D' IS TYPED DURATION(YEAR TO MONTH)", True),
        ("CAST(null AS INT8)", None),
        ("CAST(5 AS ANY VALUE)", 5),
        ("300 IS TYPED INT8", False),
        ("300 IS TYPED UINT16", True),
        ("-1 IS TYPED UINT", False),
        ("5 IS TYPED STRING", False),
        ("5 IS TYPED INT | STRING", True),
        ("'abc' IS TYPED STRING(2)", False),
        ("1.255 IS TYPED DECIMAL(5, 2)", False),
        ("1.25 IS TYPED DECIMAL(5, 2)", True),
        ("null IS TYPED INT", True),
        ("null IS TYPED INT NOT NULL", False),
        ("[1, 'a'] IS TYPED LIST<INT>", False),
        ("[1, 300] IS TYPED LIST<INT8>", False),
        ("{a: 1} IS TYPED RECORD {a INT}", True),
        ("{a: 'x'} IS TYPED RECORD {a INT}", False),
    ],
)
def test_types(database: skerry.Database, expression: str, expected: Any) -> None:
    assert value_of(database, expression) == expected


@pytest.mark.parametrize(
    ("expression", "sqlstate"),
    [
        ("1 < 'a'", "22G04"),
        ("9223372036854775807 + 1", "22003"),
        ("1 / 0", "22012"),
        ("UPPER(5)", "42883"),
        ("nonsense(5)", "42883"),
        ("'a' || 5", "42883"),
        ("CAST(300 AS INT8)", "22003"),
        ("CAST(-1 AS UINT8)", "22003"),
        ("CAST('x' AS INT)", "22P02"),
        ("CAST(5 AS BOOL)", "42846"),
        ("CAST('a' AS INT128)", "0A000"),
        ("CAST({a: 1} AS RECORD {b STRING})", "22G0U"),
        ("CAST({a: 'x'} AS RECORD {a INT})", "22P02"),
        ("CAST(5 AS RECORD {a INT})", "22G03"),
        ("CAST([1, 2] AS LIST<INT>[1])", "22G0B"),
        ("CAST(null AS INT NOT NULL)", "22004"),
        ("CAST([1, null] AS LIST<INT NOT NULL>)", "22004"),
        ("CAST(1.5 AS INT | STRING)", "22G03"),
        ("CAST('a' AS STRING(2, 3))", "22G03"),
        ("CAST('{}' AS LIST<INT>)", "22P02"),
        ("CAST('[1, \"x\"]' AS LIST<INT>)", "22P02"),
        ("LET VALUE y INT8 = 300 IN y END", "22003"),
        ("LET VALUE y STRING(2) = 'abc' IN y END", "22001"),
        ("LET VALUE y INT NOT NULL = null IN y END", "22004"),
        ("LET VALUE y RECORD {a FLOAT} = {a: 'x'} IN y END", "22G03"),
        ("LET VALUE y DURATION(DAY TO SECOND) = DURATION 'P1M' IN y END", "22G03"),
        ("LET VALUE y INT = 'x' IN y END", "42804"),
        ("DURATION_BETWEEN(DATE '2024-01-01', TIME '10:00:00')", "22G14"),
        ("TRIM([1], 5)", "22G0C"),
        ("DATE({month: 5})", "22G06"),
        ("DURATION({moons: 5})", "22G07"),
        ("{a: 1, a: 2}", "42601"),
    ],
)
def test_errors(database: skerry.Database, expression: str, sqlstate: str) -> None:
    with pytest.raises(skerry.DatabaseError) as caught:
        value_of(database, expression)
    assert caught.value.sqlstate == sqlstate


# --- elements -----------------------------------------------------------------------------------------------


def test_elements_and_paths_are_values(graph: skerry.Database) -> None:
    row = graph.execute("MATCH p = (a:Person)-[e:KNOWS]->(b) RETURN a, e, b, p").one()
    alix, knows, gus, path = row
    assert isinstance(alix, skerry.Node) and isinstance(knows, skerry.Edge) and isinstance(path, skerry.Path)
    assert dict(alix.properties) == {"name": "Alix", "age": 3, "born": datetime.date(1990, 1, 1)}
    assert isinstance(gus, skerry.Node)
    assert gus.labels == {"Person", "Dog"}
    assert gus["r"] == {"x": 1, "y": [1, "a"]}
    assert (knows.source, knows.target, knows["since"]) == (alix.id, gus.id, 1999)
    assert list(path) == [alix, knows, gus]


def test_elements_tell_of_themselves(graph: skerry.Database) -> None:
    row = graph.execute(
        "MATCH (n:Dog) RETURN element_id(n), labels(n), property_names(n), properties(n), n['name'] AS m, n.r.y[1] AS y"
    ).one()
    node_id, labels, names, properties, name, item = row
    assert isinstance(node_id, int)
    assert (labels, names, name, item) == (["Dog", "Person"], ["name", "tags", "r"], "Gus", "a")
    assert properties == {"name": "Gus", "tags": ["a", "b"], "r": {"x": 1, "y": [1, "a"]}}
    text = "MATCH p = (n)-[e]->() RETURN n IS TYPED PROPERTY VALUE, p IS TYPED PROPERTY VALUE, e IS TYPED ANY VALUE"
    assert graph.execute(text).one() == (False, False, True)


def test_paths_can_be_taken_apart(graph: skerry.Database) -> None:
    row = graph.execute(
        "MATCH p = (a)-[e]->(b) RETURN path_length(p), nodes(p), edges(p), elements(p), a, e, b"
    ).one()
    length, nodes, edges, elements, a, e, b = row
    assert (length, nodes, edges, elements) == (1, [a, b], [e], [a, e, b])
    with pytest.raises(skerry.DataError) as caught:
        graph.execute("MATCH p = (a)-[e]->(b) RETURN p || p")
    assert caught.value.sqlstate == "22G0Z"


def test_elements_of_graphs_over_tables_are_values(database: skerry.Database) -> None:
    database.execute("CREATE TABLE person (id int PRIMARY KEY, name text)")
    database.execute("CREATE TABLE firm (id int PRIMARY KEY, name text)")
    database.execute("CREATE TABLE knows (id int PRIMARY KEY, a int, b int, since date)")
    database.execute("INSERT INTO person VALUES (10, 'Alix'), (20, NULL)")
    database.execute("INSERT INTO firm VALUES (10, 'Acme')")
    database.execute("INSERT INTO knows VALUES (1, 10, 20, '2020-01-01')")
    database.execute(
        "CREATE PROPERTY GRAPH g VERTEX TABLES (person, firm) EDGE TABLES (knows SOURCE KEY (a) REFERENCES person (id)"
        " DESTINATION KEY (b) REFERENCES person (id))"
    )
    nodes = [row[0] for row in database.execute("USE g MATCH (n) RETURN n")]
    assert len(set(nodes)) == 3
    assert {(frozenset(node.labels), node.get("name")) for node in nodes} == {
        (frozenset({"person"}), "Alix"),
        (frozenset({"person"}), None),
        (frozenset({"firm"}), "Acme"),
    }
    path, edge = database.execute("USE g MATCH p = (a)-[e]->(b) RETURN p, e").one()
    assert isinstance(path, skerry.Path) and isinstance(edge, skerry.Edge)
    assert edge["since"] == datetime.date(2020, 1, 1)
    assert (path.start.id, path.end.id) == (edge.source, edge.target)


# --- dynamic types ------------------------------------------------------------------------------------------


def test_properties_of_several_types_keep_theirs(graph: skerry.Database) -> None:
    rows = graph.execute("MATCH (n) RETURN n.age ORDER BY n.age").fetchall()
    assert rows == [("old",), (3,), (None,)]
    assert graph.execute("MATCH (n) WHERE n.age = 3 RETURN n.name").scalar() == "Alix"
    assert graph.execute("MATCH (n) WHERE n.age IS TYPED STRING NOT NULL RETURN n.age").scalar() == "old"
    assert graph.execute("MATCH (n) RETURN max(n.age), min(n.age), count(n.age)").one() == (3, "old", 2)
    assert sorted(map(str, graph.execute("MATCH (n) RETURN collect_list(n.age)").scalar())) == ["3", "old"]  # type: ignore[arg-type, call-overload]
    with pytest.raises(skerry.DataError) as caught:
        graph.execute("MATCH (n) WHERE n.age > 2 RETURN n")
    assert caught.value.sqlstate == "22G04"
    with pytest.raises(skerry.DataError) as caught:
        graph.execute("MATCH (n) RETURN n.age + 1 AS x")
    assert caught.value.sqlstate == "22G03"


# --- parameters ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        5,
        2**40,
        0.5,
        "text",
        b"\x00",
        Decimal("1.50"),
        datetime.date(2024, 1, 1),
        datetime.datetime(2024, 1, 1, 12, tzinfo=UTC),
        datetime.timedelta(days=1),
        uuid.UUID(int=5),
        [1, 2],
        ["a", None],
        [1, "a", None],
        [[1, 2], [3]],
        [[1, 2], [3, 4]],
        [],
        [None],
        [[]],
        {},
        [1, 2.5],
        "{}",
        "5",
        {"a": 1, "b": [1, {"c": None}]},
        {"at": datetime.date(2024, 1, 1), "n": 1},
        [{"a": 1}, {"a": "x"}],
        [{"a": 1}, {"a": Decimal("1.5")}],
    ],
)
def test_parameters_come_back(database: skerry.Database, value: Any) -> None:
    found = value_of(database, "$v", {"v": value})
    assert found == value
    assert type(found) is type(value)
    stored = database.execute("INSERT (n:Kept {v: $v}) RETURN n.v", {"v": value}).scalar()
    assert stored == value
    assert database.execute("MATCH (n:Kept) RETURN n.v").scalar() == value


def test_parameters_are_values_like_others(graph: skerry.Database) -> None:
    assert value_of(graph, "$a.b + 1", {"a": {"b": 1}}) == 2
    assert value_of(graph, "$a + 1", {"a": 2**31 - 1}) == 2**31
    assert value_of(graph, "$1 || $2", ("a", "b")) == "ab"
    assert value_of(graph, "$a IS NULL", {"a": None}) is True
    for age in (3, 3.0, Decimal(3)):
        assert graph.execute("MATCH (n {age: $a}) RETURN n.name", {"a": age}).scalar() == "Alix"
    assert graph.execute("MATCH (n {name: $n}) RETURN n.tags", {"n": "Gus"}).scalar() == ["a", "b"]
    rows = graph.execute("MATCH (n) WHERE n.name IN $names RETURN n.name", {"names": ["Gus", "x"]})
    assert rows.fetchall() == [("Gus",)]


def test_a_string_is_no_number_whatever_its_place(graph: skerry.Database) -> None:
    assert graph.execute("MATCH (n:Person {age: $a}) RETURN n.name", {"a": "3"}).fetchall() == []
    assert value_of(graph, "$a = 3", {"a": "3"}) is False
    with pytest.raises(skerry.ProgrammingError):
        value_of(graph, "$a + 1", {"a": "3"})


def test_objects_that_no_type_stands_for_are_refused(graph: skerry.Database) -> None:
    node = graph.execute("MATCH (n:Dog) RETURN n").scalar()
    for value in (object(), [object()], {"a": object()}, node, [1, {"a": [node]}]):
        with pytest.raises(skerry.NotSupportedError):
            value_of(graph, "$v", {"v": value})


def test_rows_of_records_become_nodes(database: skerry.Database) -> None:
    values = [1, "x", datetime.date(2024, 1, 1), Decimal("1.5"), uuid.UUID(int=5), b"x", None]
    rows = [{"id": number, "v": value} for number, value in enumerate(values)]
    database.execute("FOR r IN $rows INSERT (:Row {id: r.id, v: r.v})", {"rows": rows})
    found = database.execute("MATCH (n:Row) RETURN n.v ORDER BY n.id").fetchall()
    assert [value for (value,) in found] == values
    database.execute("MATCH (n:Row {id: 0}) SET n = $p", {"p": {"id": 7, "q": {"a": [1]}}})
    assert database.execute("MATCH (n:Row {id: 7}) RETURN properties(n)").scalar() == {
        "id": 7,
        "q": {"a": [1]},
    }


# --- errors ---------------------------------------------------------------------------------------------


def test_a_syntax_error_shows_its_place_once_wherever_it_is_raised(database: skerry.Database) -> None:
    for text, line, column in (("RETURN 1 AS x\nRETRUN 2", 2, 1), ("MATCH (n)", 1, 1)):
        with pytest.raises(skerry.errors.SyntaxError) as caught:
            database.execute(text)
        error = caught.value
        assert (error.line_number, error.column_number) == (line, column)
        assert error.detail is None and "^" not in error.message, "psql shows these, and draws a caret itself"
        assert str(error).endswith(f"Line {line}, column {column}:\n{text.splitlines()[line - 1]}\n^")


def test_an_error_of_graphs_is_of_its_own_class(graph: skerry.Database) -> None:
    with pytest.raises(skerry.errors.EdgesStillExist):
        graph.execute("MATCH (n:Dog) DELETE n")
    with pytest.raises(skerry.errors.ElementDeleted):
        graph.execute("MATCH (n:Dog) DETACH DELETE n RETURN n.name").fetchall()
