"""EXPLAIN (FORMAT JSON) is a document that clients of PostgreSQL read: a list of one object with nested plans."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from support.sessions import SqlDatabase, SqlSession

from skerry_engine import errors

SETUP = """
create table a (id int primary key, b text);
create table b (id int primary key, a_id int references a);
insert into a select g, 'x' from generate_series(1, 100) g;
insert into b select g, g from generate_series(1, 50) g
"""
QUERIES = (
    "select 1",
    "select * from a where id = 3",
    "select * from a where id between 3 and 9 order by id",
    "select a.b, count(*) from a join b on a.id = b.a_id where b.id > 3 group by a.b",
    "select * from a where exists (select 1 from b where b.id = a.id)",
    "select * from a left join b on a.b < b.id::text, generate_series(1, 2) g",
    "select * from (select * from a union all select * from a) x join b using (id)",
    "with w as materialized (select * from a) select *, row_number() over () from w",
    "insert into a values (1000, 'z')",
    "update a set b = 'y' from b where a.id = b.a_id",
    "delete from b where id in (1, 2)",
    "values (1), (2)",
)
COSTS = {"Startup Cost", "Total Cost", "Plan Rows", "Plan Width"}
ACTUAL = {"Actual Startup Time", "Actual Total Time", "Actual Rows", "Actual Loops"}


@pytest.fixture(scope="module")
def session() -> SqlSession:
    session = SqlDatabase().session()
    for text in SETUP.split(";"):
        session.run_all(text)
    return session


def document(session: SqlSession, options: str, query: str) -> dict[str, Any]:
    ((text,),) = session.rows(f"explain (format json{options}) {query}")
    assert isinstance(text, str)
    (whole,) = json.loads(text)
    assert isinstance(whole, dict)
    return whole


def text_of(session: SqlSession, options: str, query: str) -> str:
    return "\n".join(str(line) for (line,) in session.rows(f"explain {options} {query}"))


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", ()):
        assert "Parent Relationship" in child
        yield from nodes(child)


@pytest.mark.parametrize("query", QUERIES)
def test_the_document_tells_what_the_text_tells(session: SqlSession, query: str) -> None:
    whole = document(session, "", query)
    assert set(whole) == {"Plan"}
    found = list(nodes(whole["Plan"]))
    assert all(each["Node Type"] for each in found)
    text = text_of(session, "", query)
    scanned = set(re.findall(r" on (\w+)", text))
    assert scanned <= {each["Relation Name"] for each in found if "Relation Name" in each}
    assert set(re.findall(r"using (\w+)", text)) == {
        each["Index Name"] for each in found if "Index Name" in each
    }
    is_read = found[0]["Node Type"] != "ModifyTable"  # which is a node that the text does not have
    counted = [each["Plan Rows"] for each in found if "Plan Rows" in each][0 if is_read else 1 :]
    assert sorted(map(int, re.findall(r"rows=(\d+)", text))) == sorted(counted)


@pytest.mark.parametrize("query", QUERIES)
def test_options_take_their_parts_away(session: SqlSession, query: str) -> None:
    for node in nodes(document(session, ", costs off", query)["Plan"]):
        assert not COSTS & node.keys()
    session.run_all("begin")
    analyzed = document(session, ", analyze", query)
    assert set(analyzed) == {"Plan", "Planning Time", "Triggers", "Execution Time"}
    assert analyzed["Plan"].keys() >= ACTUAL | COSTS
    session.run_all("rollback")
    session.run_all("begin")
    bare = document(session, ", analyze, timing off, summary off", query)
    assert set(bare) == {"Plan", "Triggers"}
    assert ACTUAL & bare["Plan"].keys() == {"Actual Rows", "Actual Loops"}
    assert bare["Plan"]["Actual Rows"] == analyzed["Plan"]["Actual Rows"]
    session.run_all("rollback")
    assert set(document(session, ", summary", query)) == {"Plan", "Planning Time"}


def test_rows_are_those_that_came(session: SqlSession) -> None:
    assert document(session, ", analyze", "select * from a where id <= 7")["Plan"]["Actual Rows"] == 7
    text = text_of(session, "(analyze, summary off)", "select * from a where id <= 7")
    assert text.splitlines()[-1] == "Rows: 7"


@pytest.mark.parametrize(
    ("options", "kind"),
    [
        ("costs maybe", errors.SyntaxError),
        ("format toml", errors.InvalidParameterValue),
        ("format xml", errors.NotSupportedError),
        ("timing", errors.InvalidParameterValue),
        ("nothing", errors.SyntaxError),
        ("buffers", errors.NotSupportedError),
        ("format json, python", errors.NotSupportedError),
    ],
)
def test_bad_options_are_told(session: SqlSession, options: str, kind: type[errors.DatabaseError]) -> None:
    with pytest.raises(kind):
        session.run_all(f"explain ({options}) select 1")
