"""ALTER TABLE, TRUNCATE, sequences, views, databases: their effects, their refusals,
and that they roll back whole."""

from __future__ import annotations

import pytest
from support.definition_session import Engine, Session

from skerry_engine import errors
from skerry_engine.catalog.objects import SequenceDef, Table, View
from skerry_engine.session.steps import Pause, Wait


@pytest.fixture
def engine() -> Engine:
    return Engine()


@pytest.fixture
def session(engine: Engine) -> Session:
    return Session(engine)


# --- ADD COLUMN ---------------------------------------------------------------------------------------------


def test_add_column_with_a_constant_default_writes_no_row(session: Session) -> None:
    session.run("create table t (a int)")
    session.insert("t", (1,))
    storage_id = session.table("t").storage_id
    session.run("alter table t add column b int not null default 7, add c text")
    assert session.table("t").storage_id == storage_id
    session.insert("t", (2, 8, "x"))
    assert session.rows("t") == [(1, 7, None), (2, 8, "x")]
    session.run("create unique index on t (b)")


def test_added_column_goes_again_with_its_transaction(session: Session) -> None:
    session.run("create table t (a int)")
    session.insert("t", (1,))
    session.begin()
    session.run("alter table t add b int default 5")
    session.insert("t", (2, 6))
    assert session.rows("t") == [(1, 5), (2, 6)]
    session.rollback()
    assert session.rows("t") == [(1,)]
    assert session.stores.get(session.table("t").storage_id).width == 1


def test_add_serial_column_numbers_the_rows_there_are(session: Session) -> None:
    session.run("create table t (a int)")
    session.insert("t", (10,), (20,))
    session.run("alter table t add column id serial primary key")
    assert session.rows("t") == [(10, 1), (20, 2)]
    with pytest.raises(errors.UniqueViolation):
        session.insert("t", (30, 2))


def test_added_column_with_nulls_is_refused(session: Session) -> None:
    session.run("create table t (a int)")
    session.run("alter table t add b int not null")
    session.insert("t", (1, 1))
    error = session.fails("alter table t add c int not null")
    assert (error.sqlstate, error.message) == ("23502", 'column "c" of relation "t" contains null values')
    assert [c.name for c in session.table("t").live_columns] == ["a", "b"]


# --- constraints --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("action", "sqlstate", "message"),
    [
        (
            "add check (a > 1)",
            "23514",
            'check constraint "t_a_check" of relation "t" is violated by some row',
        ),
        ("add unique (b)", "23505", 'could not create unique index "t_b_key"'),
        ("add primary key (n)", "23502", 'column "n" of relation "t" contains null values'),
        (
            "add foreign key (a) references p",
            "23503",
            'insert or update on table "t" violates foreign key constraint "t_a_fkey"',
        ),
        ("alter n set not null", "23502", 'column "n" of relation "t" contains null values'),
        (
            "add constraint x foreign key (b) references p",
            "42804",
            'foreign key constraint "x" cannot be implemented',
        ),
        ("drop column nosuch", "42703", 'column "nosuch" of relation "t" does not exist'),
        ("drop constraint nosuch", "42704", 'constraint "nosuch" of relation "t" does not exist'),
        ("add column a int", "42701", 'column "a" of relation "t" already exists'),
        ("alter a type date", "42804", 'column "a" cannot be cast automatically to type date'),
        ("alter b type int using b::int", "22P02", 'invalid input syntax for type integer: "x"'),
        ("alter a set default 'x'", "22P02", 'invalid input syntax for type integer: "x"'),
        ("alter a drop identity", "55000", 'column "a" of relation "t" is not an identity column'),
        ("rename a to b", "42701", 'column "b" of relation "t" already exists'),
        ("rename to p", "42P07", 'relation "p" already exists'),
        ("rename constraint nosuch to y", "42704", 'constraint "nosuch" for table "t" does not exist'),
        ("set schema nosuch", "3F000", 'schema "nosuch" does not exist'),
        ("owner to nosuch", "42704", 'role "nosuch" does not exist'),
    ],
)
def test_alterations_that_rows_or_names_forbid(
    session: Session, action: str, sqlstate: str, message: str
) -> None:
    session.run("create table p (id int primary key)")
    session.run("create table t (a int, b text, n int)")
    session.insert("t", (1, "x", None), (1, "x", 2))
    before = session.database
    error = session.fails(f"alter table t {action}")
    assert (error.sqlstate, error.message) == (sqlstate, message)
    assert session.database is before
    session.insert("t", (1, "x", 3))


def test_added_constraints_hold_from_then_on(session: Session) -> None:
    session.run("create table p (id int)")
    session.run("create table t (a int, b int)")
    session.insert("p", (1,))
    session.insert("t", (1, 2))
    session.run("alter table p add primary key (id)")
    session.run("alter table t add foreign key (a) references p on update cascade, add check (b > a)")
    with pytest.raises(errors.ForeignKeyViolation):
        session.insert("t", (2, 3))
    with pytest.raises(errors.UniqueViolation):
        session.insert("p", (1,))
    assert [c.name for c in session.table("t").constraints] == ["t_check", "t_a_fkey"]
    session.run("alter table t drop constraint t_a_fkey")
    session.insert("t", (2, 3))
    session.run("alter table t add constraint later foreign key (a) references p not valid")
    assert session.fails("alter table t validate constraint later").sqlstate == "23503"
    session.insert("p", (2,))
    session.run("alter table t validate constraint later")
    assert session.table("t").constraint_named("later").validated


def test_an_index_becomes_a_key(session: Session) -> None:
    session.run("create table t (a int)")
    session.run("create unique index i on t (a)")
    session.run("alter table t add constraint k primary key using index i")
    assert session.notices == [
        'NOTICE: ALTER TABLE / ADD CONSTRAINT USING INDEX will rename index "i" to "k"'
    ]
    assert [(i.name, i.primary) for i in session.table("t").indexes] == [("k", True)]
    session.insert("t", (1,))
    with pytest.raises(errors.UniqueViolation) as caught:
        session.insert("t", (1,))
    assert caught.value.constraint == "k"


def test_dropped_columns_take_their_constraints_and_stay_gone(session: Session) -> None:
    session.run("create table t (a int primary key, b int unique, c int)")
    session.insert("t", (1, 2, 3))
    session.run("alter table t drop column b")
    assert session.rows("t") == [(1, 3)]
    assert [i.name for i in session.table("t").indexes] == ["t_pkey"]
    session.run("alter table t add b text default 'n'")
    session.insert("t", (2, None, 4, "m"))
    assert session.rows("t") == [(1, 3, "n"), (2, 4, "m")]


# --- types --------------------------------------------------------------------------------------------------


def test_change_of_type_rewrites_rows_and_what_is_bound_over_them(session: Session) -> None:
    session.run("create table t (a int default 3 check (a > 0), b varchar(5))")
    session.run("create unique index i on t ((a + 1)) where a > 1")
    session.insert("t", (1, "x"), (2, "y"))
    storage_id = session.table("t").storage_id
    session.run("alter table t alter b type varchar(9)")
    assert session.table("t").storage_id == storage_id
    session.run("alter table t alter a type bigint using a * 10")
    assert session.rows("t") == [(10, "x"), (20, "y")]
    assert session.table("t").storage_id != storage_id
    assert session.stores.find(storage_id) is None
    assert session.table("t").indexes[0].keys[0].type.oid == 20
    with pytest.raises(errors.UniqueViolation):
        session.insert("t", (20, "z"))


def test_a_column_that_a_view_reads_keeps_its_type(session: Session) -> None:
    session.run("create table t (a int)")
    session.run("create view v as select a from t")
    error = session.fails("alter table t alter a type text")
    assert error.message == "cannot alter type of a column used by a view or rule"
    assert error.detail == 'rule _RETURN on view v depends on column "a"'


# --- TRUNCATE -----------------------------------------------------------------------------------------------


def test_truncate_empties_and_rolls_back(session: Session) -> None:
    session.run("create table t (a serial primary key)")
    session.insert("t", (1,), (2,))
    sequence = next(session.database.sequences())
    session.sequences.setval(sequence, 9)
    session.begin()
    session.run("truncate t restart identity")
    assert session.rows("t") == []
    assert session.sequences.state(sequence.oid) == (1, False)
    session.insert("t", (1,))
    session.rollback()
    assert session.rows("t") == [(1,), (2,)]
    assert session.sequences.state(sequence.oid) == (9, True)
    session.run("truncate t")
    assert session.rows("t") == []
    session.insert("t", (1,))


def test_truncate_minds_references(session: Session) -> None:
    session.run("create table p (a int primary key)")
    session.run("create table c (a int references p)")
    session.insert("p", (1,))
    session.insert("c", (1,))
    error = session.fails("truncate p")
    assert (error.sqlstate, error.detail) == ("0A000", 'Table "c" references "p".')
    session.run("truncate p cascade")
    assert session.notices == ['NOTICE: truncate cascades to table "c"']
    assert session.rows("c") == []
    session.insert("p", (2,))
    session.insert("c", (2,))
    with pytest.raises(errors.ForeignKeyViolation):
        session.delete("p", (2,))


# --- sequences ----------------------------------------------------------------------------------------------


def sequence_named(session: Session, name: str) -> SequenceDef:
    found = session.database.get_relation(name, None, session.search_path)
    assert isinstance(found, SequenceDef)
    return found


def test_sequences_count_within_their_bounds(session: Session) -> None:
    session.run("create sequence s as smallint increment 2 minvalue 3 maxvalue 6 start 5")
    assert session.sequences.nextval(sequence_named(session, "s")) == 5
    with pytest.raises(errors.SequenceGeneratorLimitExceeded) as caught:
        session.sequences.nextval(sequence_named(session, "s"))
    assert caught.value.message == 'nextval: reached maximum value of sequence "s" (6)'
    session.run("alter sequence s cycle")
    assert session.sequences.nextval(sequence_named(session, "s")) == 3
    session.run("create sequence down increment -1")
    down = sequence_named(session, "down")
    assert (down.start, down.minimum, down.maximum) == (-1, -(2**63), -1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("increment 0", "INCREMENT must not be zero"),
        ("minvalue 5 maxvalue 5", "MINVALUE (5) must be less than MAXVALUE (5)"),
        ("start 0", "START value (0) cannot be less than MINVALUE (1)"),
        ("maxvalue 5 start 6", "START value (6) cannot be greater than MAXVALUE (5)"),
        ("as smallint maxvalue 40000", "MAXVALUE (40000) is out of range for sequence data type smallint"),
        ("as text", "sequence type must be smallint, integer, or bigint"),
        ("cache 0", "CACHE (0) must be greater than zero"),
    ],
)
def test_impossible_sequences_are_refused(session: Session, options: str, message: str) -> None:
    error = session.fails(f"create sequence s {options}")
    assert (error.sqlstate, error.message) == ("22023", message)


def test_restart_is_undone_but_nextval_is_not(session: Session) -> None:
    session.run("create sequence s")
    sequence = sequence_named(session, "s")
    session.begin()
    assert session.sequences.nextval(sequence) == 1
    session.rollback()
    session.begin()
    session.run("alter sequence s restart 50")
    assert session.sequences.nextval(sequence_named(session, "s")) == 50
    session.rollback()
    assert session.sequences.nextval(sequence) == 2


# --- identity -----------------------------------------------------------------------------------------------


def test_identity_can_be_added_changed_and_dropped(session: Session) -> None:
    session.run("create table t (a int not null)")
    session.run("alter table t alter a add generated by default as identity (start 5)")
    assert session.table("t").columns[0].identity == "d"
    sequence = session.database.owned_sequence(session.table("t").oid, 1)
    assert sequence is not None
    assert session.sequences.nextval(sequence) == 5
    session.run("alter table t alter a set generated always restart with 20")
    assert session.table("t").columns[0].identity == "a"
    assert session.sequences.nextval(sequence) == 20
    assert session.fails("alter table t alter a drop not null").message == (
        'column "a" of relation "t" is an identity column'
    )
    session.run("alter table t alter a drop identity")
    assert list(session.database.sequences()) == []


# --- views --------------------------------------------------------------------------------------------------


def view_named(session: Session, name: str) -> View:
    found = session.database.get_relation(name, None, session.search_path)
    assert isinstance(found, View)
    return found


def test_views_follow_renamed_tables_and_columns(session: Session) -> None:
    session.run("create table t (a int, b text)")
    session.run("create view v (x, y) as select a, b || '!' from t where a > 1")
    assert [c.name for c in view_named(session, "v").columns] == ["x", "y"]
    session.run("alter table t rename to u")
    session.run("alter table u rename a to k")
    source = view_named(session, "v").source
    assert "public.u" in source
    assert "k" in source
    assert session.fails("drop table u").detail == "view v depends on table u"
    session.run("drop table u cascade")
    assert session.notices == ["NOTICE: drop cascades to view v"]


def test_replaced_views_keep_their_columns(session: Session) -> None:
    session.run("create table t (a int, b text)")
    session.run("create view v as select a from t")
    oid = view_named(session, "v").oid
    session.run("create or replace view v as select a, b from t")
    assert view_named(session, "v").oid == oid
    error = session.fails("create or replace view v as select b from t")
    assert (error.sqlstate, error.message) == ("42P16", "cannot drop columns from view")
    assert session.fails("create view v as select 1").sqlstate == "42P07"
    assert session.fails("create or replace view t as select 1").message == '"t" is not a view'


def test_a_view_of_a_view_names_it_and_keeps_its_own_columns(session: Session) -> None:
    session.run("create table t (a int, b text)")
    session.run("create view v as select a from t")
    session.run("create view w as select * from v")
    session.run("create or replace view v as select a, b from t")
    assert "public.v" in view_named(session, "w").source
    assert [c.name for c in view_named(session, "w").columns] == ["a"]
    assert session.fails("drop view v").detail == "view w depends on view v"
    session.run("alter view v rename to vv")
    assert "public.vv" in view_named(session, "w").source


# --- renaming, schemas, comments, databases -----------------------------------------------------------------


def test_tables_move_between_schemas(session: Session) -> None:
    session.run("create schema s")
    session.run("create table t (a serial primary key)")
    session.run("alter table t set schema s")
    assert session.database.find_relation("t", "s", session.search_path) is not None
    assert session.database.find_relation("t_a_seq", "s", session.search_path) is not None
    assert session.fails("drop schema s").sqlstate == "2BP01"
    session.run("drop schema s cascade")
    assert session.notices == ["NOTICE: drop cascades to table s.t"]


def test_comments_are_kept(session: Session) -> None:
    session.run("create table t (a int primary key)")
    session.run("comment on table t is 'one'")
    session.run("comment on column t.a is 'two'")
    session.run("comment on constraint t_pkey on t is 'three'")
    assert {"one", "two", "three"} <= set(session.database.comments.values())
    session.run("comment on table t is null")
    assert "one" not in session.database.comments.values()


def test_databases_come_and_go(session: Session, engine: Engine) -> None:
    session.run("create database d")
    assert session.catalog.database_named("d") is not None
    assert session.fails("create database d").message == 'database "d" already exists'
    engine.other_sessions = 2
    dropping = session.steps("drop database d")
    waits = [next(dropping) for _ in range(3)]
    assert all(isinstance(step, Wait) and step.waiting.deadline_s() is not None for step in waits)
    dropping.close()
    engine.other_sessions = 0
    session.run("drop database d")
    session.run("drop database if exists d")
    assert session.notices == ['NOTICE: database "d" does not exist, skipping']
    assert session.fails("drop database postgres").message == "cannot drop the currently open database"
    session.begin()
    assert session.fails("create database e").sqlstate == "25001"
    assert session.fails("vacuum").sqlstate == "25001"
    assert session.run("analyze") == "ANALYZE"


def test_storage_options_are_kept_for_the_catalogs(session: Session) -> None:
    session.run("create table t (a int) with (fillfactor = 70)")
    session.run("alter table t set (fillfactor = 80, autovacuum_enabled = off)")
    assert session.table("t").options == ("fillfactor=80", "autovacuum_enabled=off")
    session.run("alter table t reset (fillfactor)")
    assert session.table("t").options == ("autovacuum_enabled=off",)
    assert session.fails("alter table t set (nosuch = 1)").sqlstate == "22023"


def test_statements_that_are_not_supported_say_so(session: Session) -> None:
    session.run("create table t (a int)")
    for text in (
        "grant usage on language sql to public",
        "create trigger x before insert on t execute function f()",
        "cluster t",
    ):
        assert session.fails(text).sqlstate == "0A000"
    session.run("create extension if not exists plpgsql")
    assert session.fails("create extension postgis").sqlstate == "0A000"


# --- waiting, slices, snapshots -----------------------------------------------------------------------------


def test_alter_waits_for_a_writer_and_then_sees_its_rows(engine: Engine) -> None:
    writer, altering = Session(engine, 1), Session(engine, 2)
    writer.run("create table t (a int)")
    writer.begin()
    table = writer.table("t")
    writer.transaction.lock_table(table.oid, 3)
    writer.insert("t", (1,))
    steps = altering.steps("alter table t add check (a > 1)")
    waited = next(steps)
    assert isinstance(waited, Wait)
    writer.commit()
    with pytest.raises(errors.CheckViolation):
        next(steps)


def test_a_snapshot_can_not_alter_a_table_that_changed(engine: Engine) -> None:
    old, other = Session(engine, 1), Session(engine, 2)
    old.run("create table t (a int)")
    old.run("create table u (a int)")
    old.begin("snapshot")
    assert old.rows("u") == []
    other.run("alter table t add b int")
    error = old.fails("alter table t add c int")
    assert (error.sqlstate, error.code) == ("40001", "T001")


def test_a_dropped_index_stays_as_long_as_a_snapshot_knows_it(engine: Engine) -> None:
    old, other = Session(engine, 1), Session(engine, 2)
    old.run("create table t (a int)")
    old.run("create index i on t (a)")
    old.run("create table u (a int)")
    storage = old.stores.get(old.table("t").storage_id)
    old.begin("snapshot")
    assert old.rows("u") == []
    other.run("drop index i")
    assert len(storage.indexes) == 1
    other.run("vacuum")
    assert len(storage.indexes) == 1
    old.rollback()
    other.run("vacuum")
    assert storage.indexes == {}


def test_long_work_is_done_in_slices(session: Session) -> None:
    session.run("create table t (a int)")
    session.insert("t", *((n,) for n in range(5000)))
    for text in (
        "create index on t (a)",
        "alter table t add check (a >= 0)",
        "alter table t alter a type bigint using a + 1",
    ):
        steps = list(session.steps(text))
        assert sum(isinstance(step, Pause) for step in steps) >= 4, text
    assert session.rows("t")[4999] == (5000,)


def test_pending_checks_keep_a_table_as_it_is(session: Session) -> None:
    session.run("create table p (a int primary key)")
    session.run("create table c (a int references p deferrable initially deferred)")
    session.begin()
    session.insert("c", (5,))
    error = session.fails("alter table c add b int")
    assert (error.sqlstate, error.message) == (
        "55006",
        'cannot ALTER TABLE "c" because it has pending trigger events',
    )


def test_write_targets_follow_every_change_of_either_side(session: Session) -> None:
    session.run("create table p (a int primary key)")
    session.run("create table c (a int default 1 references p on delete set default, b int not null)")
    session.insert("p", (1,), (2,))
    session.insert("c", (2, 0))
    session.run("alter table c alter a set default 1")
    session.run("truncate c")
    session.insert("c", (2, 0))
    session.delete("p", (2,))
    assert session.rows("c") == [(1, 0)]
    assert isinstance(session.table("c"), Table)
    target = session.stores.target(session.database, session.table("c"))
    assert session.stores.target(session.database, session.table("c")) is target


def test_rows_made_by_referential_actions_keep_not_null_and_checks(session: Session) -> None:
    session.run("create table p (a int primary key)")
    session.run("create table c (a int not null references p on delete set null)")
    session.insert("p", (1,))
    session.insert("c", (1,))
    with pytest.raises(errors.NotNullViolation) as caught:
        session.delete("p", (1,))
    assert caught.value.detail == "Failing row contains (null)."
