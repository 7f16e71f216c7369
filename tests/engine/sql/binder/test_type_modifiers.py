"""Type modifiers of expressions: kept where all alternatives share one,
so that a value is cut to a column's where needed."""

from __future__ import annotations

import pytest
from support.sessions import SqlDatabase, SqlSession

from skerry_engine.session.steps import Description


@pytest.fixture(scope="module")
def session() -> SqlSession:
    return SqlDatabase(
        "create table q (n numeric(8,2), m numeric(8,2), v varchar(5))",
        "insert into q values (null, 1.5, 'abc')",
    ).session()


@pytest.mark.parametrize(
    ("expression", "has_modifier"),
    [
        ("n", True),
        ("coalesce(n, m)", True),
        ("coalesce(n, 7)", False),
        ("case when n > 1 then n else m end", True),
        ("case when n > 1 then n else 7 end", False),
        ("case when n > 1 then 7 else n end", False),
        ("case when n > 1 then n end", False),
        ("greatest(n, m)", True),
        ("greatest(n, 3)", False),
        ("n + m", False),
        ("v", True),
        ("v || v", False),
        ("7::numeric(4,1)", True),
    ],
)
def test_modifier_of_an_expression(session: SqlSession, expression: str, has_modifier: bool) -> None:
    steps = session.run_all(f"select {expression} from q")
    columns = next(step.columns for step in steps if isinstance(step, Description))
    assert (columns[0].type.typmod >= 0) is has_modifier


def test_what_has_another_modifier_is_cut_on_the_way_in(session: SqlSession) -> None:
    session.run_all("begin; update q set n = case when n > 1 then n else 7 end")
    assert [str(n) for (n,) in session.rows("select n from q")] == ["7.00"]
    session.run_all("rollback")
