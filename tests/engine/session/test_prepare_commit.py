"""PREPARE COMMIT, skerry.pending_changes() and skerry.gc(): what the goldenscripts do not show."""

from __future__ import annotations

import pytest
from support.sessions import SqlDatabase, SqlSession

from skerry_engine import errors
from skerry_engine.session.steps import PAUSE, Rows, Wait
from skerry_engine.txn.manager import GC_SLICE_ROWS

ROWS = 3 * GC_SLICE_ROWS


@pytest.fixture
def database() -> SqlDatabase:
    return SqlDatabase("create table t (id int primary key, v int)")


def pending(session: SqlSession) -> list[tuple[object, ...]]:
    """(table, kind, count) of what is pending, as skerry.pending_changes() lists it."""
    return session.rows(
        "select table_name, kind, count(*) from skerry.pending_changes() group by 1, 2 order by 1, 2"
    )


def test_counting_many_changes_lets_others_run(database: SqlDatabase) -> None:
    session = database.session()
    session.run_all(f"begin; insert into t select g, g from generate_series(1, {ROWS}) g")
    steps = session.run_all("prepare commit")
    assert steps.count(PAUSE) >= ROWS // 1000
    assert [row for step in steps if isinstance(step, Rows) for row in step.rows] == [
        ("public", "t", "insert", ROWS, None)
    ]
    assert pending(session) == [("t", "insert", ROWS)]
    session.run_all("update t set v = 0 where id <= 10; delete from t where id = 10; commit")
    assert session.rows("select count(*), sum(v) from t where id <= 10") == [(9, 0)]


def test_rows_in_bulk_that_were_changed_again_count_once(database: SqlDatabase) -> None:
    session = database.session()
    session.run_all("begin; insert into t select g, g from generate_series(1, 2000) g")
    session.run_all("update t set v = -1 where id <= 100; delete from t where id > 1900")
    assert pending(session) == [("t", "insert", 1900)]
    assert session.rows("prepare commit") == [("public", "t", "insert", 1900, None)]


def test_values_are_written_as_with_default_settings(database: SqlDatabase) -> None:
    session = database.session()
    session.run_all("create table d (f float8, day date, i interval, b bytea, c char(4), z timestamptz)")
    session.run_all("set datestyle = 'German'; set extra_float_digits = 0; set intervalstyle = 'iso_8601'")
    session.run_all("set bytea_output = 'escape'; set timezone = 'Asia/Tokyo'; begin")
    session.run_all(
        "insert into d values (0.1 + 0.2::float8, '2024-02-29', '1 mon 2 days', '\\x00ff', 'x', '2024-01-01 00:00Z')"
    )
    ((values,),) = session.rows("select new_values from skerry.pending_changes()")
    assert values == (
        "0.30000000000000004",
        "2024-02-29",
        "1 mon 2 days",
        "\\x00ff",
        "x   ",
        "2024-01-01 00:00:00+00",
    )


def test_a_dropped_column_is_not_shown(database: SqlDatabase) -> None:
    session = database.session()
    session.run_all("insert into t values (1, 1); alter table t add w text default 'w'; alter table t drop v")
    session.run_all("begin; update t set id = 2")
    rows = session.rows("select column_names, old_values, new_values from skerry.pending_changes()")
    assert rows == [(("id", "w"), ("1", "w"), ("2", "w"))]


def test_a_snapshot_shows_what_it_replaces_though_others_were_faster(database: SqlDatabase) -> None:
    one, other = database.session("one"), database.session("other")
    other.run_all("insert into t values (1, 1)")
    one.run_all("begin isolation level repeatable read; update t set v = 100")
    other.run_all("update t set v = 2")
    assert one.rows("select old_values, new_values from skerry.pending_changes()") == [
        (("1", "1"), ("1", "100"))
    ]


def test_a_session_that_ends_while_its_commit_is_prepared(database: SqlDatabase) -> None:
    holder, waiter = database.session("holder"), database.session("waiter")
    holder.run_all("insert into t values (1, 1)")
    waiter.run_all("begin isolation level repeatable read; update t set v = 2")
    holder.run_all("begin; update t set v = 3")
    steps = waiter.session.simple_query("prepare commit")
    assert isinstance(next(steps), Wait)
    waiter.session.close()
    with pytest.raises(errors.DatabaseError):
        next(steps)
    holder.run_all("commit")
    assert holder.rows("select v from t") == [(3,)]


def test_definitions_are_tried_on_the_newest_catalog(database: SqlDatabase) -> None:
    session = database.session()
    assert session.rows("begin; create table a (x int); create view v as select 1; prepare commit") == [
        (None, None, "definition", 2, None)
    ]


# --- skerry.gc() --------------------------------------------------------------------------------------------


def test_gc_collects_in_slices(database: SqlDatabase) -> None:
    session, reader = database.session(), database.session("reader")
    session.run_all(f"insert into t select g, g from generate_series(1, {ROWS}) g")
    reader.run_all("begin isolation level repeatable read; select 1")
    for _ in range(2):
        session.run_all("update t set v = v + 1")
    collector = database.engine.manager.collector
    waiting = collector.rows_waiting
    assert waiting >= 2 * ROWS
    assert session.rows("select skerry.gc()") == [(0,)]
    assert collector.rows_waiting == waiting
    reader.run_all("commit")
    steps = session.run_all("select skerry.gc() as settled")
    assert len([step for step in steps if isinstance(step, Wait)]) >= waiting // GC_SLICE_ROWS
    assert [row for step in steps if isinstance(step, Rows) for row in step.rows] == [(waiting,)]
    assert collector.rows_waiting == 0
    assert session.rows("select skerry.gc(), skerry.gc()") == [(0, 0)]


def test_gc_runs_every_n_commits() -> None:
    database = SqlDatabase("create table t (id int primary key, v int)", "insert into t values (1, 0)")
    manager = database.engine.manager
    manager.gc_interval_commits = 5
    session, reader = database.session(), database.session("reader")
    waiting = []
    for number in range(1, 16):
        reader.run_all("begin isolation level repeatable read; select 1")  # so that a version is left behind
        session.run_all(f"update t set v = {number}")
        reader.run_all("rollback")
        waiting.append(manager.collector.rows_waiting)
    assert max(waiting) <= 5
    assert min(waiting[5:]) <= 1, waiting


def test_gc_is_found_in_its_schema_only(database: SqlDatabase) -> None:
    session = database.session()
    with pytest.raises(errors.UndefinedFunction):
        session.run_all("select gc()")
    with pytest.raises(errors.UndefinedFunction):
        session.run_all("select skerry.now()")
    assert session.rows("select 'skerry.gc'::regproc::text, 'skerry.gc()'::regprocedure::text") == [
        ("skerry.gc", "skerry.gc()")
    ]
    named = session.rows("select proname from pg_proc where pronamespace = 'skerry'::regnamespace")
    assert {("gc",), ("pending_changes",)} <= set(named)
    assert "FUNCTION skerry.gc()" in str(session.rows("select pg_get_functiondef('skerry.gc'::regproc)"))
    session.run_all("create view v as select kind from skerry.pending_changes() where skerry.gc() >= 0")
    assert "skerry.gc()" in str(session.rows("select pg_get_viewdef('v'::regclass)"))


@pytest.mark.parametrize(
    "statement",
    [
        "create table skerry.t (x int)",
        "create view skerry.v as select 1",
        "alter table t set schema skerry",
    ],
)
def test_nothing_is_made_in_the_schema(database: SqlDatabase, statement: str) -> None:
    session = database.session()
    with pytest.raises(errors.InsufficientPrivilege):
        session.run_all(statement)


def test_the_schema_is_no_users_own(database: SqlDatabase) -> None:
    """The superuser has its name, and search_path begins with "$user"."""
    session = database.session()
    assert session.rows("select current_schemas(true)") == [(("pg_catalog", "public"),)]
    with pytest.raises(errors.DependentObjectsStillExist):
        session.run_all("drop schema skerry cascade")
