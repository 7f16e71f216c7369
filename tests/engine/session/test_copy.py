"""COPY: values in and out in each format, defaults, conditions, constraints, waiting,
and errors with their place."""

from __future__ import annotations

import pytest
from support.copying import Copying, copied, copy_in
from support.sessions import SqlDatabase, SqlSession

from skerry_engine import errors
from skerry_engine.session.steps import Complete, CopyFailed, CopyOut, Wait


@pytest.fixture
def session() -> SqlSession:
    return SqlDatabase().session()


def run(session: SqlSession, *texts: str) -> None:
    for text in texts:
        session.run_all(text)


# --- out ------------------------------------------------------------------------------------------


def test_a_table_as_text(session: SqlSession) -> None:
    run(session, "create table t (a int, b text, c date)")
    run(
        session,
        r"insert into t values (1, E'x\ty', '2020-02-29'), (null, E'back\\slash', null), (3, '', 'infinity')",
    )
    assert copied(session, "copy t to stdout") == [
        b"1\tx\\ty\t2020-02-29\n",
        b"\\N\tback\\\\slash\t\\N\n",
        b"3\t\tinfinity\n",
    ]
    assert copied(session, "copy t (c, a) to stdout (delimiter '|', null 'none', header)") == [
        b"c|a\n",
        b"2020-02-29|1\n",
        b"none|none\n",
        b"infinity|3\n",
    ]


def test_a_query_as_csv_keeps_a_message_for_each_row(session: SqlSession) -> None:
    query = "values (1, E'two\\nlines'), (2, 'a,b'), (3, null), (4, '')"
    assert copied(session, f"copy ({query}) to stdout (format csv, header)") == [
        b"column1,column2\n",
        b'1,"two\nlines"\n',
        b'2,"a,b"\n',
        b"3,\n",
        b'4,""\n',
    ]


def test_binary_goes_round(session: SqlSession) -> None:
    run(
        session,
        "create table t (a int8, b text, c numeric(9, 2), d bytea, e bool)",
        "create table u (like t)",
    )
    run(session, r"insert into t values (1, 'x', 1.50, '\x0001', true), (-7, null, null, '', null)")
    data = copied(session, "copy t to stdout binary")
    header = b"PGCOPY\n\xff\r\n\0" + bytes(8)
    assert len(data) == 3 and data[0].startswith(header + b"\0\5") and data[-1] == b"\xff\xff"
    assert copied(session, "copy (select 1 where false) to stdout binary") == [header + b"\xff\xff"]
    assert copy_in(session, "copy u from stdin binary", *data) == "COPY 2"
    assert session.rows("table u") == session.rows("table t")


def test_the_steps_say_format_and_width(session: SqlSession) -> None:
    steps = session.run_all("copy (select 1, 2) to stdout")
    assert [step for step in steps if isinstance(step, CopyOut)] == [CopyOut(False, 2)]
    assert steps[-1] == Complete("COPY 1", 1)


def test_returning_can_be_copied(session: SqlSession) -> None:
    run(session, "create table t (a int)")
    assert copied(session, "copy (insert into t values (1), (2) returning a) to stdout") == [b"1\n", b"2\n"]
    assert session.rows("table t") == [(1,), (2,)]


# --- in -------------------------------------------------------------------------------------------


def test_text_in_any_split(session: SqlSession) -> None:
    run(session, "create table t (a int, b text, c date, d numeric)")
    data = b"1\tx\\ty\t2020-02-29\t1.50\n-2\t\\N\t\\N\tNaN\n+3\t\tinfinity\t7\n\\.\nignored"
    assert copy_in(session, "copy t from stdin", data) == "COPY 3"
    whole = session.lines("select * from t")
    run(session, "delete from t")
    assert copy_in(session, "copy t from stdin", *[data[n : n + 1] for n in range(len(data))]) == "COPY 3"
    assert session.lines("select * from t") == whole
    assert session.rows("select b from t") == [("x\ty",), (None,), ("",)]


def test_many_rows_in_large_and_small_pieces(session: SqlSession) -> None:
    run(session, "create table t (a int primary key, b text)")
    lines = [f"{n}\tname {n}\n".encode() for n in range(5000)]
    assert copy_in(session, "copy t from stdin", b"".join(lines)) == "COPY 5000"
    run(session, "delete from t")
    assert copy_in(session, "copy t from stdin", *lines) == "COPY 5000"
    assert session.rows("select count(*), min(a), max(a), count(distinct b) from t") == [
        (5000, 0, 4999, 5000)
    ]


def test_a_row_longer_than_a_unit(session: SqlSession) -> None:
    run(session, "create table t (a text, b int)")
    long = b"x" * 300_000
    assert copy_in(session, "copy t from stdin", long + b"\t1\nshort\t2\n") == "COPY 2"
    assert session.rows("select length(a), b from t") == [(300_000, 1), (5, 2)]


def test_csv_with_header_and_quotes(session: SqlSession) -> None:
    run(session, "create table t (a int, b text)")
    data = b'a,b\n1,"two\nlines"\n2,""\n3,\n"4","say ""hi"""\n'
    assert copy_in(session, "copy t from stdin (format csv, header match)", data) == "COPY 4"
    assert session.rows("table t") == [(1, "two\nlines"), (2, ""), (3, None), (4, 'say "hi"')]


def test_missing_columns_get_their_defaults(session: SqlSession) -> None:
    run(
        session,
        "create table t (id serial, n int default 5, k int generated always as identity,"
        " at timestamptz default now(), x text)",
    )
    run(session, "begin")
    assert copy_in(session, "copy t (x) from stdin", b"a\nb\n") == "COPY 2"
    assert session.rows("select id, n, k, at = now(), x from t") == [
        (1, 5, 1, True, "a"),
        (2, 5, 2, True, "b"),
    ]
    assert copy_in(session, "copy t (k, id) from stdin", b"70\t9\n") == "COPY 1"
    assert session.rows("select id, k, x from t where k = 70") == [(9, 70, None)]


def test_dropped_and_added_columns(session: SqlSession) -> None:
    run(session, "create table t (a int, gone int, b int)", "insert into t values (1, 2, 3)")
    run(session, "alter table t drop column gone", "alter table t add column c int default 9")
    assert copied(session, "copy t to stdout") == [b"1\t3\t9\n"]
    assert copy_in(session, "copy t from stdin", b"4\t5\t6\n") == "COPY 1"
    assert copy_in(session, "copy t (a) from stdin", b"7\n") == "COPY 1"
    assert session.rows("table t") == [(1, 3, 9), (4, 5, 6), (7, None, 9)]


def test_where_lets_rows_pass(session: SqlSession) -> None:
    run(session, "create table t (a int check (a > 10), b text default 'd')")
    assert copy_in(session, "copy t (a) from stdin where a > 10 and b = 'd'", b"1\n11\n\\N\n12\n") == "COPY 2"
    assert session.rows("select a from t") == [(11,), (12,)]


def test_copy_is_undone_with_its_transaction_and_seen_after_it(session: SqlSession) -> None:
    run(session, "create table t (a int)", "begin")
    copy_in(session, "copy t from stdin", b"1\n")
    assert session.rows("table t") == [(1,)]
    run(session, "rollback")
    assert session.rows("table t") == []


# (data, SQLSTATE, message, context), as PostgreSQL 15 answers
BAD = [
    (
        b"1\txxx\t1\n2\txxxx\t1\n",
        "22001",
        "value too long for type character varying(3)",
        'line 2, column b: "xxxx"',
    ),
    (
        b"1\tx\t1\n9999999999\tx\t1\n",
        "22003",
        'value "9999999999" is out of range for type integer',
        'line 2, column a: "9999999999"',
    ),
    (
        b"1\tx\t1\n1_0\tx\t1\n",
        "22P02",
        'invalid input syntax for type integer: "1_0"',
        'line 2, column a: "1_0"',
    ),
    (b"1\tx\t1\n\tx\t1\n", "22P02", 'invalid input syntax for type integer: ""', 'line 2, column a: ""'),
    (
        b"1\tx\t1\n2\t\\N\t1\n",
        "23502",
        'null value in column "b" of relation "t" violates not-null constraint',
        'line 2: "2\t\\N\t1"',
    ),
    (
        b"1\tx\t1\n2\tx\t-1\n",
        "23514",
        'new row for relation "t" violates check constraint "t_c_check"',
        'line 2: "2\tx\t-1"',
    ),
    (b"1\tx\t1\n1\tx\t1\n", "23505", 'duplicate key value violates unique constraint "t_pkey"', "line 2"),
    (b"1\tx\t1\n2\tx\n", "22P04", 'missing data for column "c"', 'line 2: "2\tx"'),
    (b"1\tx\t1\n2\tx\t1\t1\n", "22P04", "extra data after last expected column", 'line 2: "2\tx\t1\t1"'),
]


@pytest.mark.parametrize(("data", "sqlstate", "message", "place"), BAD)
def test_errors_name_their_place(
    session: SqlSession, data: bytes, sqlstate: str, message: str, place: str
) -> None:
    run(session, "create table t (a int primary key, b varchar(3) not null, c int check (c > 0))")
    with pytest.raises(errors.DatabaseError) as caught:
        copy_in(session, "copy t from stdin", data)
    assert (caught.value.sqlstate, caught.value.message) == (sqlstate, message)
    assert caught.value.context == f"COPY t, {place}"
    assert session.rows("table t") == []
    assert session.session.transaction_status == "I"


def test_a_duplicate_of_an_earlier_row_names_its_line(session: SqlSession) -> None:
    run(session, "create table t (a int primary key)", "insert into t values (1200)")
    lines = b"".join(f"{n}\n".encode() for n in range(1, 2000))
    with pytest.raises(errors.UniqueViolation) as caught:
        copy_in(session, "copy t from stdin", lines)
    assert caught.value.context == "COPY t, line 1200"
    assert caught.value.detail == "Key (a)=(1200) already exists."


def test_a_bad_binary_field_names_its_column(session: SqlSession) -> None:
    run(session, "create table t (a int)")
    data = b"PGCOPY\n\xff\r\n\0" + bytes(8) + b"\0\1\0\0\0\3abc\xff\xff"
    with pytest.raises(errors.InvalidBinaryRepresentation) as caught:
        copy_in(session, "copy t from stdin binary", data)
    assert caught.value.context == "COPY t, line 1, column a"


def test_a_place_is_added_to_a_context_that_is_there(session: SqlSession) -> None:
    run(session, "create table t (a json)")
    with pytest.raises(errors.InvalidJsonText) as caught:
        copy_in(session, "copy t from stdin", b"1\nNaN\n")
    assert caught.value.context == 'JSON data, line 1: NaN\nCOPY t, line 2, column a: "NaN"'


def test_foreign_keys_are_checked(session: SqlSession) -> None:
    run(
        session,
        "create table p (a int primary key)",
        "create table c (a int references p)",
        "insert into p values (1)",
    )
    assert copy_in(session, "copy c from stdin", b"1\n\\N\n1\n") == "COPY 3"
    with pytest.raises(errors.ForeignKeyViolation):
        copy_in(session, "copy c from stdin", b"1\n2\n")
    assert len(session.rows("table c")) == 3


def test_the_client_gives_up(session: SqlSession) -> None:
    run(session, "create table t (a int)")
    with pytest.raises(errors.QueryCanceled, match="COPY from stdin failed: no more") as caught:
        copy_in(session, "copy t from stdin", b"1\n", CopyFailed("no more"))
    assert caught.value.context == "COPY t, line 1"
    assert session.rows("table t") == []


REFUSED = [
    ("copy t from '/tmp/x'", "0A000", "COPY from a file is not supported"),
    ("copy t to program 'x'", "0A000", "COPY to a program is not supported"),
    (
        "copy t from stdin (encoding 'latin1')",
        "0A000",
        'COPY with encoding "latin1" is not supported: only UTF8 is',
    ),
    ("copy t (a, zz) from stdin", "42703", 'column "zz" of relation "t" does not exist'),
    ("copy t (a, a) to stdout", "42701", 'column "a" specified more than once'),
    ("copy nosuch to stdout", "42P01", 'relation "nosuch" does not exist'),
    ("copy t_id_seq from stdin", "42809", 'cannot copy to sequence "t_id_seq"'),
    ("copy t_pkey to stdout", "42809", '"t_pkey" is an index'),
    ("copy pg_class from stdin", "42501", 'permission denied: "pg_class" is a system catalog'),
    ("copy (insert into t values (1)) to stdout", "0A000", "COPY query must have a RETURNING clause"),
    ("copy (select 1 as a) to stdout (format csv, force_quote (c))", "42703", 'column "c" does not exist'),
    (
        "copy t (a) to stdout (format csv, force_quote (b))",
        "42P10",
        'FORCE_QUOTE column "b" not referenced by COPY',
    ),
    (
        "copy t (a) from stdin (format csv, force_null (b))",
        "42P10",
        'FORCE_NULL column "b" not referenced by COPY',
    ),
    ("copy t from stdin where a > (select 1)", "0A000", "cannot use subquery in COPY FROM WHERE condition"),
    ("copy t from stdin where x > 1", "42703", 'column "x" does not exist'),
    ("copy t from stdin where a", "42804", "argument of WHERE must be type boolean, not type integer"),
    (
        "copy t from stdin where sum(a) > 1",
        "42803",
        "aggregate functions are not allowed in COPY FROM WHERE conditions",
    ),
]


@pytest.mark.parametrize(("text", "sqlstate", "message"), REFUSED)
def test_refusals(session: SqlSession, text: str, sqlstate: str, message: str) -> None:
    run(session, "create table t (a int primary key, b text, id serial)")
    with pytest.raises(errors.DatabaseError) as caught:
        run(session, text)
    assert (caught.value.sqlstate, caught.value.message) == (sqlstate, message)


def test_a_read_only_transaction_copies_out_only(session: SqlSession) -> None:
    run(session, "create table t (a int)", "begin read only", "copy t to stdout")
    with pytest.raises(errors.ReadOnlyViolation, match="cannot execute COPY FROM in a read-only transaction"):
        run(session, "copy t from stdin")


# --- waiting --------------------------------------------------------------------------------------


def test_copy_waits_for_a_key_in_place(session: SqlSession) -> None:
    other = session.database.session("other")
    run(session, "create table t (a int primary key)")
    run(other, "begin", "insert into t values (2)")
    copying = Copying(session, "copy t from stdin", [b"1\n2\n3\n"])
    assert isinstance(copying.go_on(), Wait)
    run(other, "rollback")
    assert copying.go_on() is None
    assert copying.tag == "COPY 3"
    assert session.rows("table t") == [(1,), (2,), (3,)]


def test_copy_waits_and_then_finds_the_duplicate(session: SqlSession) -> None:
    other = session.database.session("other")
    run(session, "create table t (a int primary key)")
    run(other, "begin", "insert into t values (2)")
    copying = Copying(session, "copy t from stdin", [b"1\n2\n3\n"])
    assert isinstance(copying.go_on(), Wait)
    run(other, "commit")
    with pytest.raises(errors.UniqueViolation) as caught:
        copying.go_on()
    assert caught.value.context == "COPY t, line 2"


def test_copy_waits_for_a_table_and_takes_its_new_form(session: SqlSession) -> None:
    other = session.database.session("other")
    run(session, "create table t (a int)")
    run(other, "begin", "lock table t", "alter table t add column b int default 7")
    copying = Copying(session, "copy t (a) from stdin", [b"1\n"])
    assert isinstance(copying.go_on(), Wait)
    run(other, "commit")
    assert copying.go_on() is None
    assert session.rows("table t") == [(1, 7)]


def test_a_snapshot_cannot_copy_into_a_table_that_changed_since(session: SqlSession) -> None:
    other = session.database.session("other")
    run(session, "create table t (a int)", "begin isolation level repeatable read", "select 1")
    run(session, "create table own (a int)")
    run(other, "alter table t add column b int")
    assert copy_in(session, "copy own from stdin", b"1\n") == "COPY 1"
    with pytest.raises(errors.SerializationFailure):
        copy_in(session, "copy t from stdin", b"1\n")


def test_a_cancelled_copy_leaves_nothing(session: SqlSession) -> None:
    other = session.database.session("other")
    run(session, "create table t (a int primary key)")
    run(other, "begin", "insert into t values (2)")
    copying = Copying(session, "copy t from stdin", [b"1\n2\n3\n"])
    assert isinstance(copying.go_on(), Wait)
    session.session.cancel()
    with pytest.raises(errors.QueryCanceled):
        copying.go_on()
    run(other, "rollback")
    assert session.rows("table t") == []
