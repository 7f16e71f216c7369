"""What utility statements and definitions become."""

from __future__ import annotations

from pathlib import Path

import pytest

from skerry_engine import errors
from skerry_engine.sql import statements as st
from skerry_engine.sql.bridge import parse_query
from skerry_engine.sql.front import parse_batch, parse_statement

CORPUS = Path(__file__).parents[2] / "data" / "statements.sql"


def table(text: str) -> st.CreateTable:
    found = parse_statement(text)
    assert isinstance(found, st.CreateTable)
    return found


def column(definition: str) -> st.ColumnDefinition:
    found = table(f"create table t ({definition})").elements[0]
    assert isinstance(found, st.ColumnDefinition)
    return found


def action(text: str) -> st.AlterAction:
    found = parse_statement(f"alter table t {text}")
    assert isinstance(found, st.AlterTable)
    return found.actions[0]


def syntax_error(text: str) -> tuple[str, int | None]:
    with pytest.raises(errors.SyntaxError) as caught:
        parse_statement(text)
    return caught.value.message, caught.value.position


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("begin", st.Begin()),
        (
            "BEGIN TRANSACTION ISOLATION LEVEL SERIALIZABLE, READ ONLY DEFERRABLE",
            st.Begin(st.TransactionModes("serializable", True, True)),
        ),
        ("start transaction read write", st.Begin(st.TransactionModes(read_only=False), is_start=True)),
        ("commit and chain", st.Commit(chain=True)),
        ("end", st.Commit()),
        ("abort work and no chain", st.Rollback()),
        ("savepoint a", st.Savepoint("a")),
        ('release savepoint "A b"', st.ReleaseSavepoint("A b")),
        ("rollback to a", st.RollbackToSavepoint("a")),
        ("rollback transaction to savepoint a", st.RollbackToSavepoint("a")),
        ("prepare transaction 'x'", st.PrepareTransaction("x")),
        ("rollback prepared 'x'", st.FinishPrepared("x", commit=False)),
        (
            "set session characteristics as transaction isolation level read committed",
            st.SetTransaction(st.TransactionModes("read committed"), is_session=True),
        ),
        (
            "set transaction_isolation = 'repeatable read'",
            st.SetSetting("transaction_isolation", ("repeatable read",)),
        ),
        ("set constraints all deferred", st.SetConstraints((), True)),
        ("set search_path to a, \"B\", 'c d'", st.SetSetting("search_path", ("a", "B", "c d"))),
        ("set local statement_timeout = 100", st.SetSetting("statement_timeout", ("100",), is_local=True)),
        ("set session x.y to -1.5", st.SetSetting("x.y", ("-1.5",))),
        ("set datestyle to default", st.SetSetting("datestyle", None)),
        ("set time zone 'UTC'", st.SetSetting("timezone", ("UTC",))),
        ("set time zone -5", st.SetSetting("timezone", ("-5",))),
        ("set time zone local", st.SetSetting("timezone", None)),
        ("set names 'utf8'", st.SetSetting("client_encoding", ("utf8",))),
        ("set role none", st.SetRole(None)),
        ("set session authorization 'x'", st.SetRole("x", is_authorization=True)),
        ("reset all", st.ResetSetting(None)),
        ("show transaction isolation level", st.ShowSetting("transaction_isolation")),
        ("show all", st.ShowSetting(None)),
        ("discard all", st.Discard("all")),
        ("deallocate prepare all", st.Deallocate(None)),
        ("fetch c", st.Fetch("c")),
        ("fetch next from c", st.Fetch("c")),
        ("fetch all in c", st.Fetch("c", count=None)),
        ("fetch backward 5 from c", st.Fetch("c", "backward", 5)),
        ("fetch absolute -3 c", st.Fetch("c", "absolute", -3)),
        ("fetch last c", st.Fetch("c", "absolute", -1)),
        ("move 10 c", st.Fetch("c", "forward", 10, is_move=True)),
        ("close all", st.CloseCursor(None)),
        ("listen a", st.Listen("a")),
        ("unlisten *", st.Unlisten(None)),
        ("notify x,'p'", st.Notify("x", "p")),
        ("checkpoint", st.Checkpoint()),
    ],
)
def test_session_statements(text: str, expected: st.Statement) -> None:
    assert parse_statement(text) == expected


@pytest.mark.parametrize("text", ["", " ; ", "-- nothing", "/* nothing */;"])
def test_an_empty_text_is_no_statement(text: str) -> None:
    assert parse_statement(text) is None


def test_a_query_knows_its_verb_behind_with() -> None:
    found = parse_statement("with a as (select 1), b(x) as (values (1)) insert into t select * from a;")
    assert isinstance(found, st.Query)
    assert found.verb == "insert"
    assert not found.normalised.key.endswith(";")


def test_a_batch_is_parsed_whole_with_places_in_the_whole() -> None:
    text = "begin; select 1;; commit"
    assert [part for _, part in parse_batch(text)] == ["begin", "select 1", "commit"]
    assert [part for _, part in parse_batch("select ';' ; insert into t values ($$;$$)")] == [
        "select ';'",
        "insert into t values ($$;$$)",
    ]
    for wrong, position in (("begin; fetch ; commit", 14), ("select 1; select ; select 1 +; commit", 30)):
        with pytest.raises(errors.SyntaxError) as caught:
            parse_batch(wrong)
        assert (caught.value.message, caught.value.position) == ('syntax error at or near ";"', position)


def test_columns_keep_every_clause() -> None:
    found = column(
        "a varchar(10) collate \"C\" default 'x' not null constraint u unique check (a > 'b') "
        "references p.q (r) match full on delete set null on update cascade deferrable initially deferred"
    )
    assert (found.name, found.type.modifiers, found.not_null) == ("a", ("10",), True)
    assert (found.collation, found.default and found.default.text) == (st.ObjectName(("C",), 39), "'x'")
    unique, check, foreign = found.constraints
    assert (unique.kind, unique.name, unique.columns) == ("unique", "u", ("a",))
    assert (check.kind, check.expression and check.expression.text) == ("check", "a > 'b'")
    assert foreign.references is not None
    assert (str(foreign.references.table), foreign.references.columns, foreign.references.match) == (
        "p.q",
        ("r",),
        "full",
    )
    assert (foreign.references.on_delete, foreign.references.on_update) == ("set null", "cascade")
    assert (foreign.deferrable, foreign.initially_deferred) == (True, True)


def test_a_default_ends_where_a_constraint_begins() -> None:
    found = column("a int default 1 + 2 not null")
    assert (found.default and found.default.text, found.not_null) == ("1 + 2", True)


def test_serial_and_identity() -> None:
    serial = column("id bigserial primary key")
    assert (serial.serial, serial.type.names) == ("bigserial", ("pg_catalog", "int8"))
    identity = column("id int generated by default as identity (start with 5 increment by -2 no cycle)")
    assert identity.identity == "d"
    assert identity.identity_options == st.SequenceOptions(start=5, increment=-2, cycle=False)
    assert column("a int generated always as (b * 2) stored").generated is not None


def test_tables_keep_constraints_like_and_options() -> None:
    found = table(
        "create temp table if not exists s.t (a int, like u including all excluding indexes, "
        "constraint p primary key (a) include (b), unique nulls not distinct (a, b), "
        "foreign key (a) references v not valid) with (fillfactor = 70) on commit drop"
    )
    assert (found.persistence, found.if_not_exists, found.on_commit, str(found.name)) == (
        "t",
        True,
        "drop",
        "s.t",
    )
    like = found.elements[1]
    assert isinstance(like, st.LikeTable)
    assert "indexes" not in like.including
    primary, unique, foreign = found.constraints
    assert (primary.name, primary.columns, primary.include) == ("p", ("a",), ("b",))
    assert (unique.columns, unique.nulls_distinct) == (("a", "b"), False)
    assert foreign.not_valid
    assert found.options[0].name == "fillfactor"


def test_create_table_as_hands_on_its_query() -> None:
    found = parse_statement("create table t (x, y) as select 1, 2 with no data")
    assert isinstance(found, st.CreateTableAs)
    assert (found.columns, found.with_data, found.query.normalised.key) == (
        ("x", "y"),
        False,
        "select ?i , ?i ",
    )


def test_views_keep_their_source() -> None:
    found = parse_statement("create or replace view v (a) as select 1 with cascaded check option")
    assert isinstance(found, st.CreateView)
    assert (found.or_replace, found.query.text, found.check_option) == (True, "select 1", "cascaded")


def test_indexes_keep_every_clause() -> None:
    found = parse_statement(
        "create unique index concurrently if not exists i on only s.t using hash "
        '(a desc nulls last, lower(b) collate "C" text_ops, (a + b)) include (c) nulls not distinct where a > 1'
    )
    assert isinstance(found, st.CreateIndex)
    assert (found.unique, found.concurrently, found.if_not_exists, found.name) == (True, True, True, "i")
    assert (found.method, found.include, found.nulls_distinct) == ("hash", ("c",), False)
    first, second, third = found.columns
    assert (first.name, first.descending, first.nulls_first) == ("a", True, False)
    assert second.expression is not None
    assert (second.expression.text, str(second.collation), str(second.operator_class)) == (
        "lower(b)",
        "C",
        "text_ops",
    )
    assert (third.name, third.expression and third.expression.text) == (None, "(a + b)")
    assert found.where is not None
    assert found.where.text == "a > 1"


def test_an_index_may_leave_its_name_to_the_catalog() -> None:
    found = parse_statement("create index on t (a)")
    assert isinstance(found, st.CreateIndex)
    assert found.name is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("drop column if exists a cascade", st.DropColumn("a", True, True)),
        ("drop constraint c", st.DropConstraint("c")),
        ("alter a drop default", st.SetDefault("a", None)),
        ("alter column a set not null", st.SetNotNull("a", True)),
        ("alter a drop not null", st.SetNotNull("a", False)),
        ("alter a drop identity if exists", st.DropIdentity("a", True)),
        ("alter a set statistics 5", st.ColumnTuning("a", "statistics", "5")),
        ("validate constraint c", st.ValidateConstraint("c")),
        ("alter constraint c deferrable", st.AlterConstraint("c", True, False)),
    ],
)
def test_alter_table_actions(text: str, expected: st.AlterAction) -> None:
    assert action(text) == expected


def test_alter_table_actions_with_parts() -> None:
    added = action("add column if not exists b int default 1")
    assert isinstance(added, st.AddColumn)
    assert (added.column.name, added.if_not_exists) == ("b", True)
    changed = action("alter a type text using a::text || 'x'")
    assert isinstance(changed, st.AlterColumnType)
    assert changed.using is not None
    assert changed.using.text == "a::text || 'x'"
    constraint = action("add constraint c check (a > 0) not valid")
    assert isinstance(constraint, st.AddConstraint)
    assert constraint.constraint.not_valid


def test_rename_owner_and_schema() -> None:
    assert parse_statement("alter table if exists t rename column a to b") == st.Rename(
        "table", st.ObjectName(("t",), 23), "b", "column", "a", True
    )
    assert parse_statement("alter index i rename to j") == st.Rename("index", st.ObjectName(("i",), 13), "j")
    assert parse_statement("alter view v owner to x") == st.SetOwner("view", st.ObjectName(("v",), 12), "x")
    assert parse_statement("alter sequence s set schema x") == st.SetSchema(
        "sequence", st.ObjectName(("s",), 16), "x"
    )


def test_sequences() -> None:
    found = parse_statement("create sequence s as smallint increment 2 no minvalue maxvalue 9 owned by t.a")
    assert isinstance(found, st.CreateSequence)
    options = found.options
    assert (options.increment, options.no_minimum, options.maximum, options.owned_by) == (
        2,
        True,
        9,
        ("t", "a"),
    )
    with pytest.raises(errors.SyntaxError, match="conflicting or redundant options"):
        parse_statement("create sequence s cache 1 cache 2")


def test_databases_roles_and_privileges() -> None:
    database = parse_statement("create database d with owner = x encoding 'utf8' connection limit -1")
    assert database == st.CreateDatabase("d", {"owner": "x", "encoding": "utf8", "connection_limit": "-1"})
    assert parse_statement("drop database if exists d with (force)") == st.DropDatabase("d", True, True)
    role = parse_statement("create user r with nologin password 'x'")
    assert role == st.CreateRole("r", {"login": "false", "password": "x"}, "user")
    granted = parse_statement("grant select, update (a) on table t, u to public, x with grant option")
    assert isinstance(granted, st.Grant)
    assert granted.privileges == (("select", ()), ("update", ("a",)))
    assert (granted.kind, granted.grantees, granted.with_grant_option) == ("table", ("public", "x"), True)


def test_drop_and_comment() -> None:
    dropped = parse_statement("drop table if exists a, b.c cascade")
    assert isinstance(dropped, st.Drop)
    assert ([str(name) for name in dropped.names], dropped.if_exists, dropped.cascade) == (
        ["a", "b.c"],
        True,
        True,
    )
    comment = parse_statement("comment on column s.t.a is null")
    assert isinstance(comment, st.Comment)
    assert (comment.kind, str(comment.name), comment.text) == ("column", "s.t.a", None)


def test_copy_takes_both_syntaxes() -> None:
    new = parse_statement(
        "copy t (a, b) from stdin with (format csv, header, delimiter ';', force_not_null (a))"
    )
    assert isinstance(new, st.Copy)
    assert (new.is_from, new.target, new.columns) == (True, "stdin", ("a", "b"))
    assert new.options == st.CopyOptions("csv", ";", header=True, force_not_null=("a",))
    old = parse_statement("copy t to stdout delimiters '|' null as 'x'")
    assert isinstance(old, st.Copy)
    assert old.options == st.CopyOptions(delimiter="|", null="x")
    query = parse_statement("copy (select 1) to stdout csv header")
    assert isinstance(query, st.Copy)
    assert query.query is not None
    assert query.options == st.CopyOptions("csv", header=True)


@pytest.mark.parametrize(
    ("options", "sqlstate", "message"),
    [
        ("format xml", "22023", 'COPY format "xml" not recognized'),
        ("format csv, format text", "42601", "conflicting or redundant options"),
        ("speed 9", "42601", 'option "speed" not recognized'),
        ("delimiter 'ab'", "0A000", "COPY delimiter must be a single one-byte character"),
        ("delimiter 'a'", "22023", 'COPY delimiter cannot be "a"'),
        ("quote '\"'", "0A000", "COPY quote available only in CSV mode"),
        ("format binary, null ''", "42601", "cannot specify NULL in BINARY mode"),
        ("format csv, force_quote (a)", "0A000", "COPY force quote only available using COPY TO"),
        ("header 5", "42601", 'header requires a Boolean value or "match"'),
    ],
)
def test_copy_options_are_checked(options: str, sqlstate: str, message: str) -> None:
    with pytest.raises(errors.DatabaseError) as caught:
        parse_statement(f"copy t from stdin ({options})")
    assert (caught.value.sqlstate, caught.value.message) == (sqlstate, message)


def test_explain_and_prepare_hold_their_statement() -> None:
    explained = parse_statement("explain (analyze, python, format json) select 1")
    assert isinstance(explained, st.Explain)
    assert explained.options == {"analyze": "true", "python": "true", "format": "json"}
    assert isinstance(explained.statement, st.Query)
    prepared = parse_statement("prepare p (int, text[]) as select $1, $2")
    assert isinstance(prepared, st.Prepare)
    assert [name.text() for name in prepared.types] == ["int4", "text[]"]


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("create trigger t before insert on x execute function f()", "CREATE TRIGGER"),
        ("create or replace function f() returns int language sql as 'select 1'", "CREATE FUNCTION"),
        ("do $$ begin end $$", "DO"),
        ("create policy p on t", "CREATE POLICY"),
        ("create table t (a int) partition by range (a)", "PARTITION BY"),
        ("create aggregate a (int) (sfunc = f, stype = int)", "CREATE AGGREGATE"),
        ("alter system set x = 1", "ALTER SYSTEM"),
        ("drop function f", "DROP FUNCTION"),
    ],
)
def test_what_skerry_lacks_has_a_name(text: str, what: str) -> None:
    found = parse_statement(text)
    assert isinstance(found, st.NotSupported)
    assert found.what == what


@pytest.mark.parametrize(
    ("text", "message", "position"),
    [
        ("frobnicate t", 'syntax error at or near "frobnicate"', 1),
        ("create table t (a int", "syntax error at end of input", 22),
        ("create table t (a int b)", 'syntax error at or near "b"', 23),
        ("drop", "syntax error at end of input", 5),
        ("begin; commit", "cannot insert multiple commands into a prepared statement", None),
        ("begin; drop", "syntax error at end of input", 12),
        ("close", "syntax error at end of input", 6),
    ],
)
def test_syntax_errors(text: str, message: str, position: int | None) -> None:
    assert syntax_error(text) == (message, position)


def test_every_kind_of_statement_parses() -> None:
    texts = [part.strip() for part in CORPUS.read_text().split(";\n") if part.strip()]
    assert len(texts) > 40
    for text in texts:
        found = parse_statement(text)
        assert found is not None
        if isinstance(found, st.Query):
            parse_query(found.normalised)
