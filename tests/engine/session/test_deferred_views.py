"""Deferred materialized views: always what their query gives at their epoch; who keeps them so, and who does not wait."""

from __future__ import annotations

import pytest
from support.builds import this_builds
from support.deferred_views import run, work
from support.sessions import SqlDatabase

from skerry_engine import errors
from skerry_engine.session.steps import Rows, Wait

A_TABLE = "create table t (id int primary key, k int, n numeric)"


def database_with_rows(count: int = 10) -> SqlDatabase:
    return SqlDatabase(A_TABLE, f"insert into t select g, g % 3, g from generate_series(1, {count}) g")


def lags(database: SqlDatabase) -> list[tuple[object, ...]]:
    """Of every view: commits behind, changes behind, what failed."""
    text = "select lag_commits, pending_changes, last_error from skerry.deferred_views order by name"
    return database.rows(text)


@pytest.mark.parametrize("seed", this_builds(range(8)))
def test_views_have_what_their_queries_give_at_their_epochs(seed: int) -> None:
    run(seed, 5)


def test_a_view_lags_until_it_is_brought_up_to_date() -> None:
    database = database_with_rows()
    database.rows(
        "create materialized view v with (refresh = deferred) as select k, sum(n) from t group by k"
    )
    before = sorted(database.rows("select * from v"))
    database.rows("insert into t values (11, 7, 1), (12, 7, 2)")
    database.rows("delete from t where id = 11")
    assert sorted(database.rows("select * from v")) == before
    assert lags(database) == [(2, 3, None)]
    work(database)
    assert lags(database) == [(0, 0, None)]
    assert database.rows("select sum from v where k = 7") == [(2,)]


def test_several_views_are_brought_up_to_date_by_one_commit() -> None:
    database = database_with_rows()
    for number in range(3):
        database.rows(
            f"create materialized view v{number} with (refresh = deferred) as select id from t where k = {number}"
        )
    work(database)
    database.rows("insert into t values (20, 0, 0), (21, 1, 0), (22, 2, 0)")
    before = database.engine.manager.published
    work(database)
    assert database.engine.manager.published == before + 1
    assert [database.rows(f"select count(*) from v{number} where id >= 20") for number in range(3)] == [
        [(1,)]
    ] * 3


def test_writers_go_on_while_a_view_is_filled() -> None:
    database = database_with_rows(3000)
    filling = database.session("filler")
    steps = filling.session.run(
        "create materialized view v with (refresh = deferred) as select sum(n), count(*) from t"
    )
    taken = 0
    for step in steps:
        assert not isinstance(step, Wait)
        taken += 1
        if taken in (2, 5):
            database.rows(f"update t set n = n + 1 where id = {taken}")
            database.rows(f"insert into t values ({4000 + taken}, 0, 0)")
    assert taken > 10
    total = [(sum(range(1, 3001)), 3000)]
    assert database.rows("select * from v") == total
    assert lags(database) == [(4, 4, None)]
    work(database)
    assert database.rows("select * from v") == [(sum(range(1, 3001)) + 2, 3002)]


def test_a_view_made_beside_changes_is_filled_behind_the_commit() -> None:
    database = database_with_rows()
    session = database.session()
    session.run_all("begin; insert into t values (11, 5, 5)")
    session.run_all("create materialized view v with (refresh = deferred) as select id from t where k = 5")
    with pytest.raises(errors.ObjectNotInPrerequisiteState):
        session.run_all("refresh materialized view v")
    session.run_all("rollback")
    session.run_all("begin; insert into t values (11, 5, 5)")
    session.run_all("create materialized view v with (refresh = deferred) as select id from t where k = 5")
    session.run_all("commit")
    with pytest.raises(errors.ObjectNotInPrerequisiteState):
        database.rows("select * from v")
    work(database)
    assert database.rows("select * from v") == [(11,)]


def test_a_view_that_fails_says_so_holds_up_nobody_and_comes_back() -> None:
    database = database_with_rows()
    database.rows(
        "create materialized view bad with (refresh = deferred) as select 10 / k as q from t where id > 10"
    )
    database.rows("create materialized view good with (refresh = deferred) as select id from t where id > 10")
    database.rows("insert into t values (11, 0, 0)")
    work(database)
    assert lags(database) == [(1, 1, "division by zero"), (0, 0, None)]
    assert database.rows("select * from good") == [(11,)]
    with pytest.raises(errors.DivisionByZero):
        database.rows("refresh materialized view bad")
    database.rows("update t set k = 5 where id = 11")
    work(database)
    assert lags(database) == [(0, 0, None)] * 2
    assert database.rows("select * from bad") == [(2,)]


def test_what_parts_of_a_change_would_give_does_not_fail_it() -> None:
    """1 / sum: the sum is 0 while some of the rows have been taken in."""
    database = SqlDatabase("create table z (n numeric)", "insert into z values (1)")
    database.rows("create materialized view v with (refresh = deferred) as select 1 / sum(n) as r from z")
    rows = ", ".join(["(1)"] * 199 + ["(-200)"] + ["(1)"] * 300)
    database.rows(f"insert into z values {rows}")
    work(database)
    assert lags(database) == [(0, 0, None)]
    assert database.rows("select r = 1 / 300.0 from v") == [(True,)]
    database.rows("create materialized view w with (refresh = deferred) as select 1 / sum(n) as r from z")
    assert database.rows("select r = 1 / 300.0 from w") == [(True,)]


def test_a_unique_index_of_a_view_that_does_not_hold_is_its_error() -> None:
    database = database_with_rows()
    database.rows(
        "create materialized view v with (refresh = deferred) as select k from t where id <= 2 or id > 10"
    )
    database.rows("create unique index on v (k)")
    database.rows("insert into t values (11, 1, 0)")
    work(database)
    ((_, _, error),) = lags(database)
    assert "duplicate key value violates unique constraint" in str(error)
    assert sorted(database.rows("select * from v")) == [(1,), (2,)]
    database.rows("delete from t where id = 1")
    work(database)
    assert lags(database) == [(0, 0, None)]


def test_changes_that_are_not_kept_long_enough_make_it_computed_anew() -> None:
    database = database_with_rows()
    database.rows("create materialized view v with (refresh = deferred) as select id from t where k = 0")
    database.rows("create materialized view u with (refresh = deferred) as select count(*) from t")
    database.engine.set_retention(None, 1000)
    database.rows("update t set k = 0")
    database.rows("delete from t where id < 3")
    assert database.rows("select distinct epoch from skerry.deferred_views") == [(None,)]
    work(database)
    assert sorted(database.rows("select * from v")) == [(n,) for n in range(3, 11)]
    assert database.rows("select * from u") == [(8,)]
    assert lags(database) == [(0, 0, None)] * 2


def test_a_view_over_a_view_and_one_that_changes_its_meaning() -> None:
    database = database_with_rows()
    database.rows("create view plain as select id, k from t where k = 1")
    database.rows("create materialized view v with (refresh = deferred) as select id from plain")
    database.rows("create materialized view u with (refresh = deferred) as select count(*) from v")
    work(database)
    assert database.rows("select * from u") == [(4,)]
    database.rows("create or replace view plain as select id, k from t where k = 2")
    work(database)
    assert sorted(database.rows("select * from v")) == [(2,), (5,), (8,)]
    assert database.rows("select * from u") == [(3,)]


def test_what_a_view_remembers_is_nobodys_business() -> None:
    database = database_with_rows()
    database.engine.set_retention(3600, None)
    since = database.engine.manager.published
    database.rows(
        "create materialized view v with (refresh = deferred) as select k, count(*) from t group by k"
    )
    database.rows(
        "create schema s; alter materialized view v set schema s; alter materialized view s.v rename to w"
    )
    database.rows("insert into t values (11, 0, 0)")
    work(database)
    tables = database.rows(f"select distinct table_name from skerry.changes({since})")
    assert sorted(tables) == [("t",), ("v",), ("w",)] or sorted(tables) == [("t",), ("w",)]
    assert database.rows(
        "select count(*) from pg_class where relname like '%state%' and relnamespace > 16000"
    ) == [(0,)]
    database.rows("drop schema s cascade")
    assert database.rows("select * from skerry.deferred_views") == []
    work(database)
    assert not database.engine.manager.feed.has_subscribers()


def test_nobody_reads_a_half_written_view() -> None:
    """Every unit of a catch-up leaves a reader with all of one epoch."""
    database = database_with_rows(1000)
    database.rows("create materialized view v with (refresh = deferred) as select id, n from t")
    database.rows("update t set n = n + 1000")
    reader = database.session("reader")
    steps = database.engine.deferred_views.work()
    assert steps is not None
    seen = set()
    for step in steps:
        assert not isinstance(step, (Wait, Rows))
        seen.update(reader.rows("select count(*), min(n) from v"))
    assert seen == {(1000, 1), (1000, 1001)}


def test_a_view_that_was_in_the_way_of_a_definition_is_tried_again() -> None:
    """The work has locked the view and wants the table; a definition has the table and wants the view: a deadlock."""
    database = database_with_rows()
    database.rows(
        "create materialized view v with (refresh = deferred, method = full) as select count(*) from t limit 1"
    )
    work(database)
    database.rows("insert into t values (11, 0, 0)")
    other = database.session("other")
    other.run_all("begin; lock table t in access exclusive mode")
    steps = database.engine.deferred_views.work()
    assert steps is not None
    next(steps)
    dropping = other.session.run("drop materialized view v")
    assert any(isinstance(step, Wait) for step in dropping)
    assert not any(isinstance(step, Wait) for step in steps)
    dropping.close()
    other.run_all("rollback")
    assert lags(database) == [(1, 1, None)]
    work(database)
    assert lags(database) == [(0, 0, None)]
    assert database.rows("select * from v") == [(11,)]
