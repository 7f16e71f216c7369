"""Cursors: every direction of FETCH and MOVE, what is refused, and how cursors end."""

from __future__ import annotations

import pytest
from support.sessions import SqlDatabase, SqlSession

from skerry_engine import errors
from skerry_engine.session.commands.kept_rows import CHUNK_ROWS, KeptRows
from skerry_engine.session.steps import Complete


@pytest.fixture
def session() -> SqlSession:
    return SqlDatabase().session()


def fetched(session: SqlSession, text: str) -> list[object]:
    """The first column of the rows of a FETCH."""
    return [row[0] for row in session.rows(text)]


def tag(session: SqlSession, text: str) -> str:
    return next(step.tag for step in session.run_all(text) if isinstance(step, Complete))


def run(session: SqlSession, *texts: str) -> None:
    for text in texts:
        session.run_all(text)


# Commands in order, with the rows (FETCH) or the tag (MOVE) that PostgreSQL 15 answers.
SCROLLING = [
    ("fetch absolute -1 c", [3]),
    ("fetch relative -1 c", [2]),
    ("fetch relative 0 c", [2]),
    ("fetch first c", [1]),
    ("fetch backward all c", []),
    ("fetch forward all c", [1, 2, 3]),
    ("fetch backward 2 c", [3, 2]),
    ("move backward all c", "MOVE 1"),
    ("fetch 0 c", []),
    ("fetch -1 c", []),
    ("fetch forward -1 c", []),
    ("fetch absolute 0 c", []),
    ("fetch absolute 9 c", []),
    ("fetch relative -9 c", []),
    ("fetch next c", [1]),
    ("move 0 c", "MOVE 1"),
    ("move last c", "MOVE 1"),
    ("fetch absolute -3 c", [1]),
    ("fetch absolute -4 c", []),
    ("move 2 c", "MOVE 2"),
    ("fetch prior c", [1]),
    ("move forward all c", "MOVE 2"),
    ("move 1 c", "MOVE 0"),
    ("fetch prior c", [3]),
    ("fetch absolute 2 c", [2]),
]


@pytest.mark.parametrize("scroll", ["scroll", ""])
def test_every_direction(session: SqlSession, scroll: str) -> None:
    run(session, "begin", f"declare c {scroll} cursor for select * from generate_series(1, 3)")
    for command, expected in SCROLLING:
        got = tag(session, command) if command.startswith("move") else fetched(session, command)
        assert got == expected, command


def test_scrolling_over_many_rows_kept_on_disk(session: SqlSession) -> None:
    run(session, "set work_mem = '64kB'", "begin")
    run(session, "declare c scroll cursor for select * from generate_series(1, 20000)")
    assert fetched(session, "fetch absolute 15000 c") == [15000]
    assert fetched(session, "fetch backward 1200 c") == list(range(14999, 13799, -1))
    assert fetched(session, "fetch absolute 2 c") == [2]
    assert len(fetched(session, "fetch all c")) == 19998
    assert fetched(session, "fetch prior c") == [20000]


def test_unspecified_scrolling_goes_back_to_the_same_rows(session: SqlSession) -> None:
    run(session, "create table t (a int)", "insert into t select generate_series(1, 2000)")
    run(session, "begin", "declare c cursor for select a from t")
    assert fetched(session, "fetch 1500 c") == list(range(1, 1501))
    run(session, "delete from t where a < 1000", "insert into t values (9999)")
    assert fetched(session, "fetch backward 600 c") == list(range(1499, 899, -1))
    assert fetched(session, "fetch last c") == [2000]


def test_a_cursor_is_insensitive_to_later_changes(session: SqlSession) -> None:
    run(session, "create table t (a int)", "insert into t values (1), (2)")
    run(
        session,
        "begin",
        "insert into t values (3)",
        "declare c no scroll cursor for select a from t order by a",
    )
    run(session, "delete from t", "insert into t values (7)")
    assert fetched(session, "fetch all c") == [1, 2, 3]


def test_rows_of_all_parts_are_those_of_the_declaration(session: SqlSession) -> None:
    other = SqlDatabase.session(session.database, "other")
    run(session, "create table t (a int)", "create table u (a int)", "insert into t values (1)")
    run(session, "begin", "declare c cursor for select a from t union all select a from u")
    assert fetched(session, "fetch c") == [1]
    run(other, "insert into u values (2)")
    run(session, "select 1")
    assert fetched(session, "fetch all c") == []


FORWARD_ONLY = [
    "select generate_series(1, 5)",
    "select count(*) from generate_series(1, 5)",
    "select distinct g from generate_series(1, 5) g",
    "select 1 union all select 2",
    "select 1 from generate_series(1, 2) a join generate_series(1, 2) b on a = b",
]


@pytest.mark.parametrize("query", FORWARD_ONLY)
def test_what_postgresql_cannot_run_backward_is_refused(session: SqlSession, query: str) -> None:
    run(session, "begin", f"declare c cursor for {query}", "fetch 1 c")
    with pytest.raises(errors.ObjectNotInPrerequisiteState, match="cursor can only scan forward") as caught:
        run(session, "fetch backward 1 c")
    assert caught.value.hint == "Declare it with SCROLL option to enable backward scan."


@pytest.mark.parametrize(
    "command", ["fetch prior c", "fetch 0 c", "fetch last c", "fetch first c", "move absolute 0 c"]
)
def test_no_scroll_goes_forward_only(session: SqlSession, command: str) -> None:
    run(session, "begin", "declare c no scroll cursor for values (1), (2)", "move absolute 0 c", "fetch c")
    with pytest.raises(errors.ObjectNotInPrerequisiteState, match="cursor can only scan forward"):
        run(session, command)


def test_no_scroll_may_skip(session: SqlSession) -> None:
    run(session, "begin", "declare c no scroll cursor for select * from generate_series(1, 9)")
    assert fetched(session, "fetch absolute 2 from c") == [2]
    assert fetched(session, "fetch relative 3 from c") == [5]
    assert tag(session, "move 3 c") == "MOVE 3"
    assert fetched(session, "fetch all c") == [9]
    assert fetched(session, "fetch c") == []


def test_fetching_one_row_does_not_compute_all(session: SqlSession) -> None:
    run(session, "create table s (id serial)", "begin")
    run(session, "declare c no scroll cursor for select nextval('s_id_seq') from generate_series(1, 1000000)")
    assert fetched(session, "fetch c") == [1]
    assert fetched(session, "select last_value < 5000 from s_id_seq") == [True]


REFUSED = [
    (
        "declare c scroll no scroll cursor for select 1",
        "42P11",
        "cannot specify both SCROLL and NO SCROLL",
    ),
    (
        "declare c cursor for with x as (insert into t values (7) returning a) select * from x",
        "0A000",
        "DECLARE CURSOR must not contain data-modifying statements in WITH",
    ),
    (
        "declare c scroll cursor for select * from t for update",
        "0A000",
        "DECLARE SCROLL CURSOR ... FOR UPDATE is not supported",
    ),
    (
        "declare c cursor with hold for select * from t for share",
        "0A000",
        "DECLARE CURSOR WITH HOLD ... FOR SHARE is not supported",
    ),
    (
        "declare c insensitive cursor for select * from t for update",
        "42P11",
        "DECLARE INSENSITIVE CURSOR ... FOR UPDATE is not valid",
    ),
    ("declare d cursor for select 1", "42P03", 'cursor "d" already exists'),
    ("declare c cursor for select $1::int", "42P02", "there is no parameter $1"),
    ("fetch nosuch", "34000", 'cursor "nosuch" does not exist'),
    ("close nosuch", "34000", 'cursor "nosuch" does not exist'),
]


@pytest.mark.parametrize(("text", "sqlstate", "message"), REFUSED)
def test_refusals(session: SqlSession, text: str, sqlstate: str, message: str) -> None:
    run(session, "create table t (a int)", "begin", "declare d cursor for select 1")
    with pytest.raises(errors.DatabaseError) as caught:
        run(session, text)
    assert (caught.value.sqlstate, caught.value.message) == (sqlstate, message)


def test_declare_needs_a_block(session: SqlSession) -> None:
    with pytest.raises(
        errors.NoActiveTransaction, match="DECLARE CURSOR can only be used in transaction blocks"
    ):
        run(session, "declare c cursor for select 1")
    assert fetched(session, "declare c cursor for select 1; fetch c") == [1]


def test_holdable_cursors_outlive_their_transaction(session: SqlSession) -> None:
    run(session, "create table t (a int)", "insert into t select generate_series(1, 1000)", "begin")
    run(session, "declare h cursor with hold for select a from t")
    run(session, "declare n no scroll cursor with hold for select a from t", "declare c cursor for select 1")
    assert fetched(session, "fetch 2 h") == fetched(session, "fetch 2 n") == [1, 2]
    run(session, "commit", "drop table t")
    assert fetched(session, "fetch prior h") == [1]
    assert fetched(session, "fetch last h") == [1000]
    assert len(fetched(session, "fetch all n")) == 998
    assert fetched(session, "select name from pg_cursors order by 1") == ["h", "n"]
    with pytest.raises(errors.InvalidCursorName):
        run(session, "fetch c")
    assert tag(session, "close h") == "CLOSE CURSOR"
    assert tag(session, "close all") == "CLOSE CURSOR ALL"
    assert session.rows("select name from pg_cursors") == []


def test_a_holdable_cursor_can_be_declared_outside_a_block(session: SqlSession) -> None:
    run(session, "declare c cursor with hold for select 1")
    assert fetched(session, "fetch c") == [1]


def test_an_error_while_computing_a_holdable_cursor_fails_the_commit(session: SqlSession) -> None:
    run(session, "create table t (a int)", "begin", "insert into t values (1)")
    run(session, "declare c cursor with hold for select 1 / (2 - x) from generate_series(1, 3) x")
    with pytest.raises(errors.DivisionByZero):
        run(session, "commit")
    assert session.rows("select * from t") == []
    with pytest.raises(errors.InvalidCursorName):
        run(session, "fetch c")


def test_rollback_to_a_savepoint_ends_the_cursors_declared_since(session: SqlSession) -> None:
    run(session, "begin", "declare a cursor for values (1), (2)", "savepoint s")
    run(session, "declare b cursor with hold for select 1", "fetch a", "rollback to s")
    assert fetched(session, "fetch a") == [2]
    with pytest.raises(errors.InvalidCursorName):
        run(session, "fetch b")
    run(session, "rollback")
    with pytest.raises(errors.InvalidCursorName):
        run(session, "fetch a")


def test_a_cursor_that_failed_cannot_be_run(session: SqlSession) -> None:
    run(
        session,
        "begin",
        "declare c cursor for select 1 / (x - 1) from generate_series(1, 3) x",
        "savepoint s",
    )
    with pytest.raises(errors.DivisionByZero):
        run(session, "fetch c")
    run(session, "rollback to s")
    with pytest.raises(errors.ObjectNotInPrerequisiteState, match='portal "c" cannot be run'):
        run(session, "fetch c")


def test_for_update_locks_the_rows(session: SqlSession) -> None:
    other = SqlDatabase.session(session.database, "other")
    run(session, "create table t (a int)", "insert into t values (1)", "begin")
    run(session, "declare c cursor for select a from t for update")
    assert fetched(session, "fetch c") == [1]
    with pytest.raises(errors.LockNotAvailable):
        run(other, "select a from t for update nowait")
    run(session, "rollback", "begin read only")
    with pytest.raises(errors.ReadOnlyViolation):
        run(session, "declare c cursor for select a from t for update")


def test_an_ended_cursor_lets_its_snapshot_go(session: SqlSession) -> None:
    manager = session.database.engine.manager
    run(session, "create table t (a int)", "begin", "declare c cursor for select a from t")
    assert len(manager.readers) == 1
    run(session, "close c")
    assert not manager.readers
    run(session, "declare c cursor for select a from t", "commit")
    assert not manager.readers


def test_kept_rows_spill_and_come_back() -> None:
    kept = KeptRows(CHUNK_ROWS * 2)
    rows: list[tuple[object, ...]] = [(n, str(n), None) for n in range(CHUNK_ROWS * 5 + 7)]
    for start in range(0, len(rows), 100):
        kept.extend(rows[start : start + 100])
    assert len(kept) == len(rows)
    assert kept.read(3, 10) == rows[3:13]
    assert kept.read(CHUNK_ROWS - 1, 10) == rows[CHUNK_ROWS - 1 : CHUNK_ROWS]
    assert kept.read(len(rows), 10) == []
    assert kept.read_back(len(rows), 7) == rows[-7:][::-1]
    assert kept.read_back(CHUNK_ROWS + 1, 5) == [rows[CHUNK_ROWS]]
    assert kept.read_back(0, 5) == []
    kept.close()
    assert len(kept) == 0
