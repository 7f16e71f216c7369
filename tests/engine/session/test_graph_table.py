"""GRAPH_TABLE over property graphs: random patterns beside the joins that they mean, and what a text can say."""

from __future__ import annotations

import os
import random
from dataclasses import dataclass, field

import pytest
from support.builds import this_builds
from support.sessions import SqlDatabase, SqlSession

from skerry_engine import errors

TABLES = """
create table person (id int primary key, name text, n int);
create table city (id int primary key, name text, n int);
create table knows (a int references person, b int references person, w int, primary key (a, b));
create table lives (id int primary key, p int references person, c int references city, w int);
create table road (x int references city, y int, w int);
create property graph g
    vertex tables (
        person label human properties (id, n, name) label thing properties (n),
        city label place properties (id, n) label thing properties (n))
    edge tables (
        knows source key (a) references person (id) destination key (b) references person (id)
            label knows properties (w) label link no properties,
        lives source person destination city label lives properties (w) label link no properties,
        road key (x, y) source city destination key (y) references city (id) label road properties (w))
"""

# The same graph as two relations, written by hand: kind tells tables apart.
NODES = "(select 'person' as kind, id, n from person union all select 'city', id, n from city)"
EDGES = """(
    select 'knows' as kind, a || '-' || b as key, 'person' as k1, a as i1, 'person' as k2, b as i2, w from knows
    union all select 'lives', id::text, 'person', p, 'city', c, w from lives
    union all select 'road', x || '-' || y || '-' || w, 'city', x, 'city', y, w from road)"""

NODE_LABELS = {
    "": {"person", "city"},
    "human": {"person"},
    "place": {"city"},
    "thing": {"person", "city"},
    "human|place": {"person", "city"},
    "human&thing": {"person"},
    "!human": {"city"},
    "human&place": set(),
    "%": {"person", "city"},
}
EDGE_LABELS = {
    "": {"knows", "lives", "road"},
    "knows": {"knows"},
    "lives": {"lives"},
    "road": {"road"},
    "link": {"knows", "lives"},
    "knows|road": {"knows", "road"},
    "!link": {"road"},
}


def filled(seed: int) -> SqlSession:
    """A session of a database with random rows in the tables."""
    choose = random.Random(seed)
    session = SqlDatabase(TABLES).session()
    people, cities = range(choose.randrange(1, 7)), range(choose.randrange(1, 5))
    for table, ids in (("person", people), ("city", cities)):
        for number in ids:
            session.run_all(f"insert into {table} values ({number}, 'x{number}', {choose.randrange(3)})")
    pairs = {(choose.choice(people), choose.choice(people)) for _ in range(choose.randrange(10))}
    for one, other in sorted(pairs):
        session.run_all(f"insert into knows values ({one}, {other}, {choose.randrange(3)})")
    for number in range(choose.randrange(6)):
        ends = choose.choice(people), choose.choice(cities)
        session.run_all(f"insert into lives values ({number}, {ends[0]}, {ends[1]}, {choose.randrange(3)})")
    roads = {(choose.choice(cities), choose.randrange(6)) for _ in range(choose.randrange(6))}
    for one, other in sorted(roads):  # some lead to no city
        session.run_all(f"insert into road values ({one}, {other}, {choose.randrange(3)})")
    return session


@dataclass
class Pattern:
    """A random pattern, and the SELECT over nodes and edges that it means."""

    text: str = ""
    tables: list[str] = field(default_factory=list)
    conditions: list[str] = field(default_factory=list)
    columns: list[tuple[str, str]] = field(default_factory=list)
    known: dict[str, str] = field(default_factory=dict)
    edges: list[str] = field(default_factory=list)

    def sql(self) -> str:
        for number, one in enumerate(self.edges):
            for other in self.edges[:number]:
                self.conditions.append(f"({one}.kind, {one}.key) <> ({other}.kind, {other}.key)")
        columns = ", ".join(read for _, read in self.columns)
        where = " and ".join(self.conditions) or "true"
        return f"select {columns} from {', '.join(self.tables)} where {where}"

    def graph_table(self) -> str:
        columns = ", ".join(f"{read} as c{number}" for number, (read, _) in enumerate(self.columns))
        return f"select * from graph_table (g match {self.text} columns ({columns}))"


def kinds(alias: str, allowed: set[str]) -> str:
    listed = ", ".join(f"'{kind}'" for kind in sorted(allowed))
    return f"{alias}.kind in ({listed})" if allowed else "false"


def add_node(pattern: Pattern, choose: random.Random) -> str:
    """A node pattern; its alias in SQL."""
    number = len(pattern.tables)
    variable = choose.choice([f"v{number}", f"v{number}", *pattern.known])
    label = choose.choice(list(NODE_LABELS))
    where = choose.choice(["", "", " where {}.n < 2", " where {}.n = 1"]).format(variable)
    pattern.text += f"({variable}{' is ' + label if label else ''}{where})"
    alias = pattern.known.get(variable)
    if alias is None:
        alias = f"n{number}"
        pattern.known[variable] = alias
        pattern.tables.append(f"{NODES} as {alias}")
        pattern.columns.append((f"{variable}.n", f"{alias}.n"))
    pattern.conditions.append(kinds(alias, NODE_LABELS[label]))
    if where:
        pattern.conditions.append(where.removeprefix(" where ").replace(variable, alias, 1))
    return alias


def add_edge(pattern: Pattern, choose: random.Random, left: str) -> str:
    """An edge pattern and a node pattern behind it; the node's alias in SQL."""
    number = len(pattern.tables)
    label = choose.choice(list(EDGE_LABELS))
    before, after = choose.choice([("-", "->"), ("<-", "-"), ("-", "-"), ("<-", "->")])
    filler = f"e{number}{' is ' + label if label else ''}"
    pattern.text += f"{before}[{filler}]{after}"
    alias = f"e{number}"
    pattern.tables.append(f"{EDGES} as {alias}")
    pattern.columns.append((f"{alias}.w", f"{alias}.w"))
    pattern.edges.append(alias)
    right = add_node(pattern, choose)
    pattern.conditions.append(kinds(alias, EDGE_LABELS[label]))
    forwards = f"({alias}.k1, {alias}.i1, {alias}.k2, {alias}.i2) = ({left}.kind, {left}.id, {right}.kind, {right}.id)"
    backwards = f"({alias}.k2, {alias}.i2, {alias}.k1, {alias}.i1) = ({left}.kind, {left}.id, {right}.kind, {right}.id)"
    ways = {("-", "->"): forwards, ("<-", "-"): backwards}
    pattern.conditions.append(ways.get((before, after), f"({forwards} or {backwards})"))
    return right


def random_pattern(seed: int) -> Pattern:
    choose = random.Random(seed)
    pattern = Pattern()
    for path in range(choose.choice([1, 1, 1, 2])):
        pattern.text += ", " if path else ""
        node = add_node(pattern, choose)
        for _ in range(choose.choice([0, 1, 1, 2] if path == 0 else [0, 1])):
            node = add_edge(pattern, choose, node)
    return pattern


@pytest.mark.parametrize("seed", this_builds(range(int(os.environ.get("SKERRY_GRAPH_SEEDS", "10")))))
def test_random_patterns_are_the_joins_that_they_mean(seed: int) -> None:
    session = filled(seed)
    for number in range(6):
        pattern = random_pattern(seed * 100 + number)
        found = session.rows(pattern.graph_table())
        assert sorted(found, key=repr) == sorted(session.rows(pattern.sql()), key=repr), pattern.text


def all_edges(session: SqlSession) -> list[tuple[object, object, object]]:
    """(edge, source, target), told apart by kind and key."""
    rows = session.rows(f"select kind, key, k1, i1, k2, i2 from {EDGES} as e")
    nodes = {(kind, number) for kind, number in session.rows(f"select kind, id from {NODES} as n")}
    found = [((r[0], r[1]), (r[2], r[3]), (r[4], r[5])) for r in rows]
    return [edge for edge in found if edge[1] in nodes and edge[2] in nodes]


def trails(
    edges: list[tuple[object, object, object]], start: object, used: frozenset[object], least: int, most: int
) -> list[object]:
    """The ends of all paths without an edge twice, of so many edges."""
    found: list[object] = [start] if least <= 0 else []
    if most:
        for edge, source, target in edges:
            if source == start and edge not in used:
                found += trails(edges, target, used | {edge}, least - 1, most - 1)
    return found


@pytest.mark.parametrize("seed", this_builds(range(4)))
def test_quantified_patterns_are_the_paths_that_there_are(seed: int) -> None:
    session = filled(seed + 500)
    edges = all_edges(session)
    nodes = session.rows(f"select kind, id from {NODES} as n")
    label = {"person": "human", "city": "place"}
    for kind, number in nodes:
        for quantifier, least, most in (("{1,3}", 1, 3), ("{0,2}", 0, 2), ("*", 0, 99)):
            text = (
                f"select k, i from graph_table (g match (a is {label[str(kind)]} where a.id = {number})-[e]->{quantifier}(b)"
                " columns (case when b is labeled human then 'person' else 'city' end as k, b.id as i))"
            )
            expected = trails(edges, (kind, number), frozenset(), least, most)
            assert sorted(session.rows(text)) == sorted(expected), (text, edges)  # type: ignore[type-var]


@pytest.mark.parametrize("seed", this_builds(range(4)))
def test_shortest_paths_within_one_table_of_nodes(seed: int) -> None:
    """A graph of one table of nodes and one of edges, whose references are row ids alone."""
    session = filled(seed + 900)
    session.run_all(
        "create property graph one vertex tables (person) edge tables (knows source key (a) references person"
        " destination key (b) references person)"
    )
    edges = [("", a, b) for a, b in session.rows("select a, b from knows")]
    for (start,) in session.rows("select id from person"):
        lengths = {start: 0}
        queue = [start]
        for node in queue:
            for _, source, target in edges:
                if source == node and target not in lengths:
                    lengths[target] = lengths[node] + 1
                    queue.append(target)
        found = session.rows(
            f"select * from graph_table (one match p = any shortest (a where a.id = {start})-[]->*(b)"
            " columns (b.id, path_length(p) as n))"
        )
        assert sorted(found) == sorted(lengths.items())  # type: ignore[type-var]


# --- what a text can say -------------------------------------------------------------------------------------------


@pytest.fixture
def session() -> SqlSession:
    session = SqlDatabase(TABLES).session()
    session.run_all("insert into person values (1, 'Ann', 10), (2, 'Bob', 20), (3, 'Cy', 30)")
    session.run_all("insert into city values (1, 'Rome', 5)")
    session.run_all("insert into knows values (1, 2, 7), (2, 3, 8), (3, 3, 9)")
    session.run_all("insert into lives values (1, 1, 1, 0), (2, 3, 1, 0)")
    return session


def test_columns_have_the_properties_names_and_types(session: SqlSession) -> None:
    assert session.lines(
        "select * from graph_table (g match (a is human) columns (a.name, a.n + 1 as m)) where m < 12"
    ) == [
        "Ann|11",
        "SELECT 1",
    ]
    rows = session.rows("select pg_typeof(id)::text from graph_table (g match (a is place) columns (a.id))")
    assert rows == [("integer",)]


def test_it_is_joined_with_tables(session: SqlSession) -> None:
    text = """
        select p.name, t.name, t.w from person p
        left join graph_table (g match (a is human)-[e is knows]->(b is human) columns (a.id, b.name, e.w)) as t
        on t.id = p.id and t.w < 9 order by 1
    """
    assert session.rows(text) == [("Ann", "Bob", 7), ("Bob", "Cy", 8), ("Cy", None, None)]


def test_columns_can_be_renamed_by_the_alias(session: SqlSession) -> None:
    assert session.rows("select t.x from graph_table (g match (a is place) columns (a.n)) as t (x)") == [(5,)]
    assert session.rows("select graph_table.n from graph_table (g match (a is place) columns (a.n))") == [
        (5,)
    ]


def test_all_properties_of_an_element(session: SqlSession) -> None:
    text = "select * from graph_table (g match (a is human where a.id = 1) columns (a.*))"
    assert session.lines(text) == ["1|10|Ann", "SELECT 1"]


def test_parameters_and_literals_make_no_plan_wrong(session: SqlSession) -> None:
    text = "select name from graph_table (g match (a is human where a.n = {}) columns (a.name)) order by 1"
    assert [session.rows(text.format(n)) for n in (10, 20, 30)] == [[("Ann",)], [("Bob",)], [("Cy",)]]
    session.run_all(
        "prepare by_n as select name from graph_table (g match (a is human where a.n > $1) columns (a.name)) order by 1"
    )
    assert session.rows("execute by_n (10)") == [("Bob",), ("Cy",)]
    assert session.rows("execute by_n (20)") == [("Cy",)]


def test_plans_follow_the_definition(session: SqlSession) -> None:
    text = "select count(*) from graph_table (g match (a is thing) columns (a.n))"
    assert session.rows(text) == [(4,)]
    session.run_all("alter property graph g drop edge tables (lives, road)")
    session.run_all("alter property graph g drop vertex tables (city)")
    assert session.rows(text) == [(3,)]
    session.run_all("alter table person rename column n to number")
    assert session.rows("select sum(n) from graph_table (g match (a is thing) columns (a.n))") == [(60,)]
    session.run_all("drop property graph g")
    with pytest.raises(errors.UndefinedTable):
        session.rows(text)


def test_an_expression_is_null_where_there_is_no_row(session: SqlSession) -> None:
    session.run_all(
        "create property graph h vertex tables (person properties (coalesce(name, '?') as name, n))"
        " edge tables (knows source key (a) references person destination key (b) references person)"
    )
    assert session.rows("select * from graph_table (h match (a) columns (a.name)) order by 1 limit 1") == [
        ("Ann",)
    ]


def test_one_table_may_stand_for_several_elements(session: SqlSession) -> None:
    session.run_all(
        "create property graph twice vertex tables (person as old label old properties (n),"
        " person as young label young properties (n))"
        " edge tables (knows source key (a) references old (id) destination key (b) references young (id))"
    )
    count = "select count(*) from graph_table (twice match {} columns (a.n))"
    assert session.rows(count.format("(a)")) == [(6,)]
    assert session.rows(count.format("(a is old)-[]->(b)")) == [(3,)]
    assert session.rows(count.format("(a is young)-[]->(b)")) == [(0,)]
    assert session.rows(count.format("(a)-[]->(a)")) == [(0,)]


def test_joins_with_the_nodes_tables_are_made_once(session: SqlSession) -> None:
    plan = "\n".join(
        str(row[0])
        for row in session.rows(
            "explain select * from graph_table (g match (a is human)-[e is knows]->(b is human) columns (a.n, e.w))"
        )
    )
    assert plan.count(" on person") == 2
    assert plan.count(" on knows") == 1


@pytest.mark.parametrize(
    ("text", "error", "at"),
    [
        ("select * from graph_table (nog match (a) columns (a.n))", errors.UndefinedTable, "nog"),
        ("select * from graph_table (person match (a) columns (a.n))", errors.WrongObjectType, "person"),
        ("select * from graph_table (g match (a is nosuch) columns (a.n))", errors.UndefinedObject, "nosuch"),
        ("select * from graph_table (g match (a) columns (a.nosuch))", errors.UndefinedColumn, "a.nosuch"),
        ("select * from graph_table (g match (a) columns (b.n))", errors.UndefinedColumn, "b.n"),
        ("select * from graph_table (g match (a) columns (a.n + 1))", errors.SyntaxError, "a.n + 1"),
        ("select * from graph_table (g match (a where) columns (a.n))", errors.SyntaxError, ") columns"),
        ("select x.y from graph_table (g match (a) columns (a.n)) as t", errors.UndefinedTable, "x.y"),
        ("select * from graph_table (g match (a)) as t", errors.SyntaxError, ")"),
    ],
)
def test_errors_point_into_the_statement(
    session: SqlSession, text: str, error: type[errors.DatabaseError], at: str
) -> None:
    with pytest.raises(error) as caught:
        session.rows(text)
    assert caught.value.position is not None
    assert text[caught.value.position - 1 :].startswith(at), text[caught.value.position - 1 :]
