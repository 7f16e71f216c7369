"""Indexes of one OID that stand beside each other: generations of a table, and one that is built anew.

Each has leaves of its own in the base, and a checkpoint in between confuses none of them.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from support.durable import DurableSqlDatabase

ROWS = 3000
SETUP = (
    "create table t (id int primary key, k int)",
    "create index t_k on t (k)",
    f"insert into t select i, i % 100 from generate_series(1, {ROWS}) i",
)
BY_KEY = "select count(*) from t where k = 7"
BY_RANGE = "select count(*) from t where id between 1 and 2500"


@pytest.mark.parametrize(
    "statement", ["truncate t", "alter table t alter column k type bigint using k + 1000", "drop table t"]
)
def test_an_older_generation_keeps_its_leaves(statement: str, tmp_path: Path) -> None:
    database = DurableSqlDatabase(tmp_path / "database")
    database.engine.set_retention(3_600, None)
    session = database.session()
    for text in SETUP:
        session.run_all(text)
    database.checkpoint()
    epoch = database.engine.manager.published
    session.run_all(statement)
    for _ in range(2):
        database.checkpoint()
        assert session.rows(f"{BY_KEY} as of epoch {epoch}") == [(ROWS // 100,)]
        assert session.rows(f"{BY_RANGE} as of epoch {epoch}") == [(2500,)]
        if statement.startswith("alter"):
            assert session.rows("select count(*) from t where k = 1007") == [(ROWS // 100,)]
    database.close()


@pytest.mark.parametrize("units", [1, 3, 6])
def test_an_index_that_is_being_rebuilt_is_whole_in_the_base(units: int, tmp_path: Path) -> None:
    database = DurableSqlDatabase(tmp_path / "database", *SETUP)
    database.checkpoint()
    database.session().run_all("insert into t select i, 7 from generate_series(5001, 5100) i")
    steps = database.session("other").session.simple_query("reindex table t")
    for _ in range(units):
        next(steps)
    database.checkpoint()
    killed = database.copy(tmp_path / "killed")
    for _ in steps:
        database.flush()
    database.checkpoint()
    assert database.session().rows(BY_KEY) == [(ROWS // 100 + 100,)]
    database.close()
    for directory in (killed, tmp_path / "database"):
        again = DurableSqlDatabase(directory)
        assert again.session().rows(BY_KEY) == [(ROWS // 100 + 100,)]
        assert again.session().rows(BY_RANGE) == [(2500,)]
        again.close()


@pytest.mark.parametrize("is_complete", [True, False])
def test_a_rebuilt_index_that_is_given_up_leaves_the_old_one(is_complete: bool, tmp_path: Path) -> None:
    database = DurableSqlDatabase(tmp_path / "database", *SETUP)
    database.checkpoint()
    session = database.session()
    session.run_all("insert into t select i, 7 from generate_series(5001, 5100) i")
    other = database.session("other")
    if is_complete:
        for text in ("begin", "reindex table t", "reindex table t"):
            other.run_all(text)
        database.checkpoint()
        other.run_all("rollback")
    else:
        steps = other.session.simple_query("reindex table t")
        next(steps)
        next(steps)
        database.checkpoint()
        steps.close()
        other.kill()
    for _ in range(2):
        assert session.rows(BY_KEY) == [(ROWS // 100 + 100,)]
        assert session.rows(BY_RANGE) == [(2500,)]
        session.run_all("delete from t where id = 7")
        session.run_all("insert into t values (7, 7)")
        database.checkpoint()
    database.close()
    again = DurableSqlDatabase(tmp_path / "database")
    assert again.session().rows(BY_KEY) == [(ROWS // 100 + 100,)]
    again.close()
