"""COPY of graphs: what comes out goes in again as the same elements; what is wrong in a text; definitions as text."""

from __future__ import annotations

import random

import pytest
from support.copying import copied, copy_in
from support.sessions import SqlDatabase, SqlSession

from skerry_engine import errors

VALUES = [
    *("1", "-9223372036854775808", "1.50", "1.5e300", "CAST('NaN' AS FLOAT)", "12345678901234567890.5"),
    *("''", r"'\\N'", r"'tab\tline\nback\\slash \'é\''", "true", "X'00ff'", "CAST('00000000-0000-0000-0000-00000000000a' AS UUID)"),
    *("DATE '2020-02-29'", "local_time('10:00:00.5')", "zoned_time('10:00:00+01:30')", "duration('P1Y2M3DT4.5S')"),
    *("local_datetime('2020-02-29T10:00:00')", "zoned_datetime('2020-02-29T10:00:00+02:00')"),
    *("[1, 2]", "[]", "CAST([] AS LIST<INT>)", "[1, 'x', null, [2.0, {a: 1}]]", "[DATE '2020-02-29', null]"),
    *("{a: 1, b: {c: CAST([] AS LIST<STRING>)}, d: null}", "{`$date`: 'no date'}", "[[], [1], CAST([] AS LIST<FLOAT>)]"),
]  # fmt: skip
LABELS = ["", ":A", ":B&A", ':`od"d & {x: y}`', ":Ünï"]
NAMES = ["p", "q", "`two words`", '`quo"ted, {name}`', "`tab\tline\n`"]


@pytest.fixture
def session() -> SqlSession:
    session = SqlDatabase().session()
    session.run_all("create graph other")
    return session


def text_of(session: SqlSession, graph: str) -> bytes:
    return b"".join(copied(session, f"copy {graph} to stdout"))


def filler(choose: random.Random) -> str:
    names = choose.sample(NAMES, choose.randrange(4))
    listed = ", ".join(f"{name}: {choose.choice(VALUES)}" for name in names)
    return choose.choice(LABELS) + (f" {{{listed}}}" if listed else "")


@pytest.mark.parametrize("seed", range(6))
def test_random_graphs_come_back_as_they_were(session: SqlSession, seed: int) -> None:
    """But for the order of kinds: so a third copy is like the second, ids and all."""
    choose = random.Random(seed)
    nodes = [f"(n{number}{filler(choose)})" for number in range(choose.randrange(1, 12))]
    edges = [
        f"(n{choose.randrange(len(nodes))})"
        + choose.choice(["-[{}]->", "~[{}]~"]).replace("{}", filler(choose))
        + f"(n{choose.randrange(len(nodes))})"
        for _ in range(choose.randrange(12))
    ]
    session.run_all(f"insert {', '.join([*nodes, *edges])}")
    session.run_all(
        "create graph third; set skerry.typed_json = on; set datestyle = 'SQL, DMY'; set timezone = 'Asia/Tokyo'"
    )
    text = text_of(session, "home")
    for graph in ("other", "third"):
        assert copy_in(session, f"copy {graph} from stdin", text) == f"COPY {len(nodes) + len(edges)}"
        assert text_of(session, graph) == text
    shown = "use {} match (n) return cast(n as string) as t union all match ()-[e]-() return cast(e as string) as t"
    assert session.lines(shown.format("other")) == session.lines(shown.format("third"))
    counted = "use {} match (n) optional match (n)-[e]-(m) return labels(n), properties(n), labels(e), properties(e), properties(m)"
    assert sorted(session.lines(counted.format("home"))) == sorted(session.lines(counted.format("other")))


def test_data_may_come_in_any_pieces_and_nulls_are_absent(session: SqlSession) -> None:
    text = b"(: A {x bigint, y text})\n1\t5\t\\N\n2\t\\N\t\\N\n3\t7\tseven\n-[: E]->\n3\t1\n3\t3\n"
    copy_in(session, "copy other from stdin", *[text[n : n + 1] for n in range(len(text))])
    assert text_of(session, "other") == (
        b"(: A)\n1\n(: A {x bigint})\n2\t5\n(: A {x bigint, y text})\n3\t7\tseven\n-[: E]->\n3\t2\n3\t3\n"
    )
    assert session.lines("use other match (a)-[:E]->(b) return a.y, b.x order by b.x") == [
        "seven|5",
        "seven|7",
        "SELECT 2",
    ]


@pytest.mark.parametrize(
    ("text", "sqlstate", "line"),
    [
        ("1\t2\n", "22P04", 1),
        ("(: A\n", "22P04", 1),
        ("(: A {x})\n", "22P04", 1),
        ("-[: A]~\n", "22P04", 1),
        ("(: A {x text, x text})\n", "22P04", 1),
        ("-[: A {x integer}]->\n", "22P04", 1),
        ("(: A {x nope})\n", "42704", 1),
        ("(: A {x skerry.node})\n", "42804", 1),
        ("(: A {x bigint})\n1\t1\n2\ttwo\n", "22P02", 3),
        ("(: A {x bigint})\n1\t2\n1\t3\n", "22P04", 3),
        ("()\n1\t2\n", "22P04", 2),
        ("()\n\\N\n", "22P04", 2),
        ("()\n1\n2\n-[]->\n1\t2\n1\t3\n", "22P04", 6),
        ("(: U {x bigint})\n1\t8\n2\t9\n3\t8\n", "23505", 4),
        ("(: A)\n1\n(: T {n bigint})\n2\t70000\n", "", 0),
    ],
)
def test_errors_name_the_line_and_leave_nothing(
    session: SqlSession, text: str, sqlstate: str, line: int
) -> None:
    session.run_all("use other create constraint for (u:U) require u.x is unique")
    if not sqlstate:
        assert copy_in(session, "copy other from stdin", text.encode()) == "COPY 2"
        return
    with pytest.raises(errors.DatabaseError) as caught:
        copy_in(session, "copy other from stdin", text.encode())
    assert caught.value.sqlstate == sqlstate
    assert caught.value.context == f"COPY other, line {line}"
    assert text_of(session, "other") == b""


def test_a_closed_graph_takes_what_its_type_allows(session: SqlSession) -> None:
    session.run_all("create graph closed {(p: P {n INT16 NOT NULL, s STRING(2)}), (p)-[: K]->(p)}")
    for text, sqlstate in (
        ("(: P {s text})\n1\tab\n", "23502"),
        ("(: P {n bigint})\n1\t70000\n", "22003"),
        ("(: P {n bigint, s text})\n1\t1\tabc\n", "22001"),
        ("(: P {n text})\n1\t1\n", "G2000"),
        ("(: P {q bigint})\n1\t1\n", "G2000"),
        ("(: Q)\n1\n", "G2000"),
        ("(: P {n bigint})\n1\t1\n-[: L]->\n1\t1\n", "G2000"),
    ):
        with pytest.raises(errors.DatabaseError) as caught:
            copy_in(session, "copy closed from stdin", text.encode())
        assert sqlstate in (caught.value.sqlstate, caught.value.gqlstatus), text
    copy_in(session, "copy closed from stdin", b"(: P {n bigint, s text})\n1\t1\tab\n-[: K]->\n1\t1\n")
    assert session.rows("use closed match (a)-[:K]->(b) return b.s") == [("ab",)]


def test_what_copy_of_a_graph_is_not(session: SqlSession) -> None:
    for text in (
        "copy home (x) to stdout",
        "copy home to stdout (format csv)",
        "copy home from stdin where true",
    ):
        with pytest.raises(errors.NotSupportedError, match="COPY of a graph"):
            session.run_all(text)
    session.run_all("create property graph tables_only")
    with pytest.raises(errors.WrongObjectType):
        session.run_all("copy tables_only to stdout")
    session.run_all("set default_transaction_read_only = on")
    with pytest.raises(errors.ReadOnlyViolation):
        copy_in(session, "copy home from stdin", b"()\n1\n")


# --- definitions --------------------------------------------------------------------------------------------

DEFINITIONS = r"""
create schema app
create graph type app.social {(p: Person & Pilot {`na;me` STRING NOT NULL UNIQUE, `q"u\\o` INT16}), ({x INT}), (p)-[: KNOWS {since DATE}]->(p)}
create graph type wide {(: A {a TIMESTAMP(3) WITH TIME ZONE, b LOCAL TIME(2), c LIST<STRING(5)>, d ANY VALUE, e DECIMAL(10, 2), f UUID, g BYTES(3), h FLOAT16, i RECORD, j DURATION, k LIST<ANY VALUE>, l LIST, m UINT16, n ZONED DATETIME, o ZONED TIME, p LIST<DECIMAL(5, 1)>, q BOOL, `match` FLOAT, r UINT}), ({})-[: X {y INT8}]->(: A), (: A)~[: A & B]~({}), EDGE TYPE kn (: A)-[: Z]->(: A), CONSTRAINT FOR (x: A) REQUIRE (x.e, x.f) IS KEY, CONSTRAINT named FOR ()-[x: X]->() REQUIRE x.y IS NOT NULL}
create graph type anything any graph
create graph type nothing {}
create graph /app/`my graph` typed /app/social
create graph listed {(: A {x INT})}
create or replace graph home typed wide
use listed create index by_x for (a: A) on (a.x)
use /app/`my graph` create index for ()-[e]-() on (e.since, e.`od d`)
use /app/`my graph` create constraint mine for (p: Person) require p.`na;me` is not null
create property graph tables_only
""".replace(
    "(p: Person & Pilot {`na;me` STRING NOT NULL UNIQUE", "(p: Person & Pilot {`na;me` STRING NOT NULL"
)


def texts(session: SqlSession) -> dict[str, list[str]]:
    """The definitions of everything in a database, by the view that has them."""
    return {
        view: [text for (text,) in session.rows(f"select definition from skerry.{view} order by {order}")]
        for view, order in (
            ("graph_types", "schema, name"),
            ("graphs", "schema, name"),
            ("graph_constraints", "is_from_type, schema, graph_name, name"),
            ("graph_indexes", "schema, graph_name, name"),
        )
    }


def test_definitions_make_what_they_are_of() -> None:
    first, second = SqlDatabase().session(), SqlDatabase("create schema app").session()
    for text in DEFINITIONS.strip().split("\n"):
        first.run_all(text.replace("app.social", "/app/social"))
    made = texts(first)
    assert [len(found) for found in made.values()] == [4, 4, 3, 2]
    for text in [*made["graph_types"], *made["graphs"]]:
        second.run_all(text)
    for (text,) in first.rows("select definition from skerry.graph_constraints where not is_from_type"):
        second.run_all(text)
    for text in made["graph_indexes"]:
        second.run_all(text)
    assert texts(second) == made
    columns = "schema, name, kind, is_closed, graph_type, nodes, edges"
    assert first.rows(f"select {columns} from skerry.graphs order by 1, 2") == [
        ("app", "my graph", "native", True, "app.social", 0, 0),
        ("public", "home", "native", True, "public.wide", 0, 0),
        ("public", "listed", "native", True, None, 0, 0),
        ("public", "tables_only", "tables", True, None, None, None),
    ]
    assert first.rows("select name, is_closed from skerry.graph_types order by 1") == [
        ("anything", False),
        ("nothing", True),
        ("social", True),
        ("wide", True),
    ]
    assert first.rows(
        "select name, kind, elements, label, properties from skerry.graph_constraints order by 1"
    ) == [
        ("A_e_f_key", "key", "nodes", "A", ("e", "f")),
        ("mine", "not null", "nodes", "Person", ("na;me",)),
        ("named", "not null", "edges", "X", ("y",)),
    ]
