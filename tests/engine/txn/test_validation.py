"""What COMMIT of a snapshot finds out, the same for few written rows (one unit) and for many (slices)."""

from __future__ import annotations

import pytest
from support.sessions import SqlDatabase, SqlSession

from skerry_engine.txn.modes import BULK_KEYS

SETUP = (
    "create table parent (id int primary key, v int)",
    "create table t (id int primary key, u int unique, v int, parent_id int references parent)",
    "create table other (id int primary key, v int)",
    "insert into parent select n, 0 from generate_series(1, 5) n",
    "insert into t select n, n, 0, 1 from generate_series(1, 5) n",
    f"insert into other select n, 0 from generate_series(1, {BULK_KEYS}) n",
)

CONFLICT = "ERROR 40001 T001"
WAITS = "waits"
DONE = "COMMIT"


def commit(session: SqlSession) -> str:
    """What COMMIT says, or that it waits."""
    steps = session.run("commit")
    try:
        next(steps)
    except StopIteration as end:
        lines: list[str] = end.value
        return lines[0]
    return WAITS


@pytest.mark.parametrize("many", ["", "update other set v = 1"], ids=["few", "many"])
@pytest.mark.parametrize(
    ("own", "others", "outcome"),
    [
        ("update t set v = 1 where id = 1", "update t set v = 2 where id = 1", CONFLICT),
        ("update t set v = 1 where id = 1", "delete from t where id = 1", CONFLICT),
        ("delete from t where id = 1", "update t set v = 2 where id = 1", CONFLICT),
        ("update t set v = 1 where id = 1", "update t set v = 2 where id = 2", DONE),
        ("insert into t values (9, 9, 1, 1)", "insert into t values (9, 8, 1, 1)", CONFLICT),
        ("insert into t values (9, 9, 1, 1)", "insert into t values (8, 9, 1, 1)", CONFLICT),
        ("insert into t values (9, 9, 1, 1)", "insert into t values (8, 8, 1, 1)", DONE),
        ("insert into t values (9, 9, 1, 1), (10, 10, 1, 1)", "insert into t values (10, 8, 1, 1)", CONFLICT),
        ("update t set u = 9 where id = 1", "insert into t values (8, 9, 1, 1)", CONFLICT),
        ("update t set u = 9 where id = 1", "update t set u = 9 where id = 2", CONFLICT),
        ("update t set u = 9 where id = 1", "update t set u = 8 where id = 2", DONE),
        ("update t set parent_id = 2 where id = 1", "delete from parent where id = 2", CONFLICT),
        ("update t set parent_id = 2 where id = 1", "delete from parent where id = 3", DONE),
        ("delete from parent where id = 2", "update t set parent_id = 2 where id = 1", CONFLICT),
        ("update parent set id = 9 where id = 2", "insert into t values (9, 9, 1, 2)", CONFLICT),
        ("update parent set v = 9 where id = 2", "insert into t values (9, 9, 1, 2)", DONE),
        ("update parent set v = 9 where id = 2", "begin; insert into t values (9, 9, 1, 2)", DONE),
        ("delete from parent where id = 2", "begin; insert into t values (9, 9, 1, 2)", WAITS),
        ("update parent set id = 9 where id = 2", "begin; insert into t values (9, 9, 1, 2)", WAITS),
        ("insert into t values (9, 9, 1, 2)", "begin; delete from parent where id = 2", WAITS),
        ("insert into t values (9, 9, 1, 1)", "begin; insert into t values (9, 8, 1, 1)", WAITS),
        ("update t set v = 1 where id = 1", "begin; select 1 from t where id = 1 for key share", DONE),
        ("update t set v = 1 where id = 1", "begin; select 1 from t where id = 1 for share", WAITS),
        ("update t set u = 9 where id = 1", "begin; select 1 from t where id = 1 for key share", WAITS),
        ("delete from t where id = 1", "begin; select 1 from t where id = 1 for key share", WAITS),
    ],
)
def test_commit(own: str, others: str, outcome: str, many: str) -> None:
    database = SqlDatabase(*SETUP)
    a, b = database.session("a"), database.session("b")
    a.run_all("begin isolation level repeatable read")
    a.run_all("select 1 from t")
    a.run_all(own)
    if many:
        a.run_all(many)
    b.run_all(others)
    assert commit(a).startswith(outcome)
