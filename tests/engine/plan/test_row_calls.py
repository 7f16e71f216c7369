"""Generated code calls no Python function per row where a batch call would do;
what it does call is listed here, with why."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from support.row_calls import row_calls
from support.sessions import SqlDatabase, SqlSession

from skerry_engine.gql.front import parse_statement
from skerry_engine.sql import statements as st

SCRIPTS = sorted((Path(__file__).parents[2] / "goldenscripts" / "plans").glob("*.txt"))
EXPLAINED = re.compile(r"^explain \(python\) (.*)$", re.MULTILINE)

VALUE_MODULES = ("skerry_engine.functions.", "skerry_engine.values.")
"""SQL functions work on one value: what has an inline form is inline, the rest is called."""

ALLOWED = {
    "qN(row)": "a correlated subquery or LATERAL depends on the row",
    "skerry_engine.plan.runtime.read_scalar": "reads a correlated subquery",
    "skerry_engine.plan.runtime.read_rows": "reads a correlated subquery",
    "skerry_engine.plan.runtime.read_exists": "reads a correlated subquery",
    "skerry_engine.plan.runtime.in_set": "IN (subquery) as a value: three outcomes, by hash, NULLs aside",
    "skerry_engine.plan.runtime.rows_all": "op ALL (subquery): compares with every row of it",
    "skerry_engine.plan.runtime.rows_any": "op ANY (subquery): compares with every row of it",
    "skerry_engine.plan.runtime.compare_any": "op ANY (array); for = over types that hash alike a set stands instead",
    "LIKE[...]": "a compiled pattern from a cache by its text",
    "ILIKE[...]": "a compiled pattern from a cache by its text",
    "skerry_engine.plan.runtime.sorted_inputs": "once per group: an aggregate's ORDER BY",
    "skerry_engine.plan.runtime.index_rows": "an inner look-up that depends on the row, where no index join fits",
    "reader.ends": "from a node to all of its edges: once per node, not per edge",
    "skerry_engine.plan.element_rows.many_ends": "the same of a node with very many edges",
    "skerry_engine.plan.runtime.function_rows": "a set-returning function of the row",
    "skerry_engine.plan.writing.not_null_violation": "raises",
    "skerry_engine.plan.writing.check_violation": "raises",
    "ctx.check_memory": "in a correlated pipeline: once per batch of it",
}

MORE_QUERIES = [
    "select b.title from book b where b.price in (1, 2, 3) or b.title ilike 'BOOK 1%'",
    "select a.name, count(b.id) from author a left join book b on b.author_id = a.id group by a.name having count(b.id) > 1",
    "select s.id from sale s join book b on b.id = s.book_id join author a on a.id = b.author_id where a.name = 'author 3'",
    "select coalesce(b.title, 'none'), case when price > 5 then 'dear' else 'cheap' end from book b",
    "select year, grouping(year), max(price) from book group by cube (year, author_id)",
    "select b.id from book b where (b.author_id, b.year) in (select id, 1990 from author)",
    "select title from book where extract(year from date '2020-01-01') > year and id between 3 and 400",
    "select a.id, b.id from author a join book b on b.author_id = a.id and b.year > 1990 where a.id in (1, 2, 3)",
]


@pytest.fixture(scope="module")
def session() -> SqlSession:
    setup = SCRIPTS[0].read_text(encoding="utf-8").split("\n---")[0]
    return SqlDatabase(*[line for line in setup.splitlines() if not line.startswith("#")]).session()


def explained_queries() -> list[str]:
    texts = [text for path in SCRIPTS for text in EXPLAINED.findall(path.read_text(encoding="utf-8"))]
    return list(dict.fromkeys([*texts, *MORE_QUERIES]))


def calls_of(session: SqlSession, text: str) -> set[str]:
    statement = parse_statement(text)
    assert isinstance(statement, st.Query)
    compiled = session.session.plan_query(statement, []).compiled
    return row_calls(compiled.source, compiled.run.__globals__)  # type: ignore[attr-defined]


@pytest.mark.parametrize("text", explained_queries())
def test_only_listed_code_runs_per_row(session: SqlSession, text: str) -> None:
    unlisted = {
        name for name in calls_of(session, text) - ALLOWED.keys() if not name.startswith(VALUE_MODULES)
    }
    assert not unlisted


def test_simple_pipelines_call_nothing_per_row(session: SqlSession) -> None:
    assert calls_of(session, "select name, born from author where id > 5 and name < 'b'") == set()
    assert calls_of(session, "select author_id, count(*), max(year) from book group by author_id") == set()
    assert (
        calls_of(session, "select a.name, b.title from book b join author a on a.id = b.author_id") == set()
    )


def test_the_finder_finds() -> None:
    source = "def q1(ctx):\n    for r1 in b:\n        x = rd0.get(r1[0])\n        for r2 in q3(ctx):\n            f(r2)\n"
    assert row_calls(source, {"f": calls_of}) >= {"reader.get", "qN()"}
    assert any(name.endswith("calls_of") for name in row_calls(source, {"f": calls_of}))
    assert row_calls("def q1(ctx):\n    for b1 in q3(ctx):\n        f(b1)\n", {"f": calls_of}) == set()
