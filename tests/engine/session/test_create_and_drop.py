"""CREATE TABLE, CREATE INDEX and DROP: what stands in the catalog and in the kernel afterwards,
and what is refused."""

from __future__ import annotations

import pytest
from support.definition_session import Engine, Session

from skerry_engine import errors
from skerry_engine.session.steps import Wait


@pytest.fixture
def engine() -> Engine:
    return Engine()


@pytest.fixture
def session(engine: Engine) -> Session:
    return Session(engine)


def test_a_table_takes_rows_and_keeps_its_constraints(session: Session) -> None:
    assert session.run(
        "create table t (id int primary key, name text not null unique, n int check (n > 0))"
    ) == ("CREATE TABLE")
    session.insert("t", (1, "a", 5))
    assert session.rows("t") == [(1, "a", 5)]
    table = session.table("t")
    assert [c.name for c in table.constraints] == ["t_n_check", "t_pkey", "t_name_key"]
    assert [c.not_null for c in table.columns] == [True, True, False]
    with pytest.raises(errors.UniqueViolation) as caught:
        session.insert("t", (1, "b", 5))
    assert caught.value.detail == "Key (id)=(1) already exists."


def test_serial_columns_own_a_sequence_that_gives_their_default(session: Session) -> None:
    session.run("create table t (id serial primary key, a bigserial)")
    table = session.table("t")
    default = table.columns[0].default
    assert default is not None
    assert default.source == "nextval('t_id_seq'::regclass)"
    sequence = session.database.owned_sequence(table.oid, 1)
    assert sequence is not None
    assert (sequence.name, sequence.maximum) == ("t_id_seq", 2**31 - 1)
    assert session.functions.nextval(sequence.oid) == 1
    session.run("drop table t")
    assert list(session.database.sequences()) == []


def test_names_are_chosen_as_postgresql_chooses_them(session: Session) -> None:
    session.run("create table t_id_seq (a int)")
    session.run(
        "create table t (id serial, a int, b int, unique (a, b), check (a > b), check (a > 1), check (a > 2))"
    )
    table = session.table("t")
    assert [c.name for c in table.constraints] == ["t_check", "t_a_check", "t_a_check1", "t_a_b_key"]
    assert [s.name for s in session.database.sequences()] == ["t_id_seq1"]
    session.run("create index on t (a, b)")
    session.run("create index on t (a, b)")
    session.run("create index on t (lower(a::text), b)")
    assert [i.name for i in session.table("t").indexes] == [
        "t_a_b_key",
        "t_a_b_idx",
        "t_a_b_idx1",
        "t_lower_b_idx",
    ]


def test_foreign_keys_find_their_key_and_refuse_orphans(session: Session) -> None:
    session.run("create table p (a int, b int, primary key (a, b))")
    session.run("create table c (x int, y int, foreign key (y, x) references p (b, a) on delete cascade)")
    session.insert("p", (1, 2))
    session.insert("c", (1, 2))
    with pytest.raises(errors.ForeignKeyViolation) as caught:
        session.insert("c", (2, 1))
    assert caught.value.detail == 'Key (y, x)=(1, 2) is not present in table "p".'
    session.delete("p", (1, 2))
    assert session.rows("c") == []


def test_a_table_may_reference_itself(session: Session) -> None:
    session.run("create table t (id int primary key, parent int references t)")
    session.insert("t", (1, None), (2, 1))
    with pytest.raises(errors.ForeignKeyViolation):
        session.insert("t", (3, 9))


@pytest.mark.parametrize(
    ("text", "sqlstate", "message"),
    [
        ("create table t (a int, a text)", "42701", 'column "a" specified more than once'),
        (
            "create table t (a int primary key, primary key (a))",
            "42P16",
            'multiple primary keys for table "t" are not allowed',
        ),
        ("create table t (a int, unique (b))", "42703", 'column "b" named in key does not exist'),
        ("create table t (a int, unique (a, a))", "42701", 'column "a" appears twice in unique constraint'),
        ("create table t (a nosuch)", "42704", 'type "nosuch" does not exist'),
        ("create table t (a int default 'x')", "22P02", 'invalid input syntax for type integer: "x"'),
        (
            "create table t (a int default true)",
            "42804",
            'column "a" is of type integer but default expression is of type boolean',
        ),
        (
            "create table t (a int, b int default a)",
            "0A000",
            "cannot use column reference in DEFAULT expression",
        ),
        (
            "create table t (a int check (a))",
            "42804",
            "argument of CHECK must be type boolean, not type integer",
        ),
        ("create table t (a int check (b > 0))", "42703", 'column "b" does not exist'),
        ("create table t (a int check (a > (select 1)))", "0A000", "cannot use subquery in check constraint"),
        (
            "create table t (a int check (count(*) > 0))",
            "42803",
            "aggregate functions are not allowed in check constraints",
        ),
        ("create table t (a int references nosuch)", "42P01", 'relation "nosuch" does not exist'),
        ("create table t (a int references q)", "42704", 'there is no primary key for referenced table "q"'),
        (
            "create table t (a int references q (a))",
            "42830",
            'there is no unique constraint matching given keys for referenced table "q"',
        ),
        (
            "create table t (a json primary key)",
            "42704",
            'data type json has no default operator class for access method "btree"',
        ),
        ("create table nosuch.t (a int)", "3F000", 'schema "nosuch" does not exist'),
        ("create table q (a int)", "42P07", 'relation "q" already exists'),
        ("create table t (a int) with (nosuch = 1)", "22023", 'unrecognized parameter "nosuch"'),
        (
            "create table t (a text references p)",
            "42804",
            'foreign key constraint "t_a_fkey" cannot be implemented',
        ),
        (
            "create temp table t (a int references p)",
            "42P16",
            "constraints on temporary tables may reference only temporary tables",
        ),
        ("create index on q (b)", "42703", 'column "b" does not exist'),
        ("create index on q (now())", "42P17", "functions in index expression must be marked IMMUTABLE"),
        (
            "create index on q (a) where random() > 0.5",
            "42P17",
            "functions in index predicate must be marked IMMUTABLE",
        ),
        ("create index on q using gin (a)", "0A000", 'access method "gin" is not supported'),
        ("create index p_pkey on q (a)", "42P07", 'relation "p_pkey" already exists'),
        ("drop table nosuch", "42P01", 'table "nosuch" does not exist'),
        ("drop view q", "42809", '"q" is not a view'),
        ("drop table p", "2BP01", "cannot drop table p because other objects depend on it"),
        (
            "drop index p_pkey",
            "2BP01",
            "cannot drop index p_pkey because constraint p_pkey on table p requires it",
        ),
    ],
)
def test_wrong_definitions_are_refused_and_leave_nothing(
    session: Session, text: str, sqlstate: str, message: str
) -> None:
    session.run("create table q (a int)")
    session.run("create table p (a int primary key)")
    session.run("create table r (a int references p)")
    before = session.database
    error = session.fails(text)
    assert (error.sqlstate, error.message) == (sqlstate, message)
    assert session.database is before


def test_if_not_exists_and_if_exists_are_content_with_a_notice(session: Session) -> None:
    session.run("create table t (a int)")
    session.run("create table if not exists t (b int)")
    session.run("create index i on t (a)")
    session.run("create index if not exists i on t (a)")
    session.run("drop table if exists nosuch, x.y")
    assert session.notices == [
        'NOTICE: relation "t" already exists, skipping',
        'NOTICE: relation "i" already exists, skipping',
        'NOTICE: table "nosuch" does not exist, skipping',
        'NOTICE: schema "x" does not exist, skipping',
    ]


def test_drop_cascade_takes_dependents_along(session: Session) -> None:
    session.run("create table p (a int primary key)")
    session.run("create table c (a int references p)")
    session.run("drop table p cascade")
    assert session.notices == ["NOTICE: drop cascades to constraint c_a_fkey on table c"]
    session.insert("c", (7,))
    assert session.rows("c") == [(7,)]


def test_unique_index_is_refused_over_duplicates_and_leaves_no_trace(session: Session) -> None:
    session.run("create table t (a int, b text)")
    session.insert("t", (1, "x"), (1, "y"), (None, "z"))
    error = session.fails("create unique index i on t (a)")
    assert (error.sqlstate, error.message) == ("23505", 'could not create unique index "i"')
    assert error.detail == "Key (a)=(1) is duplicated."
    storage = session.stores.get(session.table("t").storage_id)
    assert storage.indexes == {}
    session.run("create unique index i on t (a, b)")
    session.run("create unique index j on t (a) where b = 'x'")
    session.insert("t", (1, "w"))
    with pytest.raises(errors.UniqueViolation):
        session.insert("t", (1, "x"))


def test_expression_index_keeps_what_it_computes_unique(session: Session) -> None:
    session.run("create table t (a text)")
    session.run("create unique index i on t (lower(a))")
    session.insert("t", ("Ab",))
    with pytest.raises(errors.UniqueViolation) as caught:
        session.insert("t", ("aB",))
    assert caught.value.detail == "Key (lower(a))=(ab) already exists."


def test_definitions_roll_back_with_their_transaction(session: Session) -> None:
    session.run("create table t (a int)")
    session.begin()
    session.run("create table u (a serial)")
    session.run("create index i on t (a)")
    session.insert("u", (1,))
    session.run("drop table t")
    session.rollback()
    assert session.database.relation_named(2200, "u") is None
    assert session.stores.get(session.table("t").storage_id).indexes == {}
    session.insert("t", (1,))


def test_the_second_creator_of_a_name_waits_and_then_finds_it_taken(engine: Engine) -> None:
    first, second = Session(engine, 1), Session(engine, 2)
    first.begin()
    first.run("create table t (a int)")
    waiting = second.steps("create table t (b int)")
    step = next(waiting)
    assert isinstance(step, Wait)
    first.commit()
    assert step.waiting.is_over()
    with pytest.raises(errors.DuplicateTable):
        next(waiting)


def test_create_table_as_fills_the_table_with_the_query(session: Session) -> None:
    session.query_rows = [(1,), (2,)]
    assert session.run("create table t as select 1") == "SELECT 2"
    assert session.rows("t") == [(1,), (2,)]
    session.insert("t", (3,))
    assert session.rows("t") == [(1,), (2,), (3,)]
    assert session.stores.get(session.table("t").storage_id).row_count == 3
    assert session.run("create table u (m) as select 1 with no data") == "CREATE TABLE AS"
    assert session.rows("u") == []
    assert [c.name for c in session.table("u").columns] == ["m"]


def test_temporary_tables_hide_others_of_their_name(session: Session) -> None:
    session.run("create table t (a int)")
    session.run("create temp table t (b serial)")
    assert [c.name for c in session.table("t").columns] == ["b"]
    session.run("create view v as select b from t")
    assert session.notices == ['NOTICE: view "v" will be a temporary view']
    session.run("create temp sequence s")
    assert {r.name for r in session.database.relations.values() if r.persistence == "t"} == {
        "t",
        "t_b_seq",
        "v",
        "s",
    }
    error = session.fails("create table u (a int primary key, foreign key (a) references t (b))")
    assert error.message == "constraints on permanent tables may reference only permanent tables"
    session.run("drop table t cascade")
    assert [c.name for c in session.table("t").columns] == ["a"]


def test_like_copies_what_it_is_told_to(session: Session) -> None:
    session.run("create table a (x int default 5, y text not null, check (x > 1), primary key (y))")
    session.run("create index on a (lower(y))")
    session.run("create table b (z int, like a including all)")
    table = session.table("b")
    assert [(c.name, c.not_null) for c in table.columns] == [("z", False), ("x", False), ("y", True)]
    assert [c.name for c in table.constraints] == ["a_x_check", "b_pkey"]
    assert [i.name for i in table.indexes] == ["b_pkey", "b_lower_idx"]
    session.insert("b", (1, 2, "Q"))
    with pytest.raises(errors.UniqueViolation):
        session.insert("b", (1, 2, "Q"))


def test_a_key_that_can_not_be_computed_fails_the_write_not_the_commit(session: Session) -> None:
    session.run("create table t (a int, b int)")
    session.run("create index on t ((10 / a))")
    session.run("create index on t (b) where 10 / a > 1")
    session.insert("t", (5, 1))
    with pytest.raises(errors.DivisionByZero):
        session.insert("t", (0, 1))
    with pytest.raises(errors.DivisionByZero):
        session.insert("t", (1, 1), (0, 1))
    assert session.rows("t") == [(5, 1)]
    session.delete("t", (5, 1))


def test_an_index_copied_from_a_temporary_table_is_as_lasting_as_its_own(session: Session) -> None:
    session.run("create temp table z (a int, b int)")
    session.run("create index on z (a)")
    session.run("create table t (like z including all)")
    session.run("create temp table y (like t including all)")
    assert [index.persistence for index in session.table("t").indexes] == ["p"]
    temporary = session.database.schema_named("pg_temp_1")
    assert temporary is not None
    copied = session.database.relation_named(temporary.oid, "y_a_idx")
    assert copied is not None and copied.persistence == "t"


def test_a_view_of_something_temporary_can_not_be_put_where_it_would_last(session: Session) -> None:
    session.run("create temp table z (a int)")
    with pytest.raises(errors.InvalidTableDefinition, match="temporary relation in non-temporary schema"):
        session.run("create view public.v as select a from z")
    session.run("create view pg_temp.v as select a from z")
    with pytest.raises(errors.InvalidTableDefinition, match="temporary relation in non-temporary schema"):
        session.run("create view public.w as select a from v")
