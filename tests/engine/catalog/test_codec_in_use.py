"""Statements do over a catalog that was read back from its bytes what they do over the one that they made."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from stepper import describe_error, run_goldenscript
from support.builds import this_builds
from support.catalog_swap import SwappingDatabase, newest_catalog, swap_catalog
from support.sessions import SqlDatabase, SqlSession
from support.sql_files import Statement, read_statements

from skerry_engine import errors
from skerry_engine.algebra import labels, paths
from skerry_engine.catalog import graphs
from skerry_engine.catalog.bootstrap import POSTGRES
from skerry_engine.catalog.codec import encode_catalog
from skerry_engine.catalog.trees import KIND, kinds
from skerry_engine.session.flow_state import make_state_table
from skerry_engine.session.steps import Description

TESTS = Path(__file__).parents[2]
SCRIPTS = [
    path for group in ("sql", "anomalies") for path in sorted((TESTS / "goldenscripts" / group).glob("*.txt"))
]
CORPUS = sorted((TESTS / "differential" / "corpus").glob("*.sql"))
PSQL_QUERIES = [
    text
    for text in (TESTS / "data" / "psql_queries.sql").read_text(encoding="utf-8").split("\n\n")
    if not text.startswith("--")
]
WORLD = (TESTS / "data" / "catalog" / "world.sql").read_text(encoding="utf-8")


def load_chinook(session: SqlSession) -> None:
    """Chinook's tables and rows."""
    for statement in read_statements(TESTS / "data" / "chinook.sql"):
        if "DATABASE" not in statement.text.split("(")[0]:
            session.run_all(statement.text)


def opened(path: Path, database: SqlDatabase) -> SqlSession:
    """A session for a file of the corpus."""
    session = database.session()
    if path.read_text(encoding="utf-8").startswith("-- @chinook"):
        load_chinook(session)
    return session


@pytest.mark.parametrize("path", this_builds(SCRIPTS), ids=lambda path: path.stem)
def test_goldenscripts_are_the_same_over_a_catalog_read_back(path: Path) -> None:
    database = SwappingDatabase()
    run_goldenscript(path, database.open_session)
    assert database.swaps


# --- the corpus of statements -------------------------------------------------------------------------------

VOLATILE = re.compile(
    r"random|clock_timestamp|now\(|current_|localtime|timeofday|pg_backend|_uuid|txid|pg_prepared|pg_stat|timing"
    r"|explain|xid|pg_cursors|pg_locks|nextval",
    re.IGNORECASE,
)


@pytest.mark.parametrize("path", this_builds(CORPUS), ids=lambda path: path.stem)
def test_statements_give_the_same_over_a_catalog_read_back(path: Path) -> None:
    plain, swapping = SqlDatabase(), SwappingDatabase()
    one, other = opened(path, plain), opened(path, swapping)
    for statement in read_statements(path):
        expected, actual = _outcome(one, statement), _outcome(other, statement)
        if not VOLATILE.search(statement.text):
            assert actual == expected, statement
    assert swapping.swaps


def _outcome(session: SqlSession, statement: Statement) -> list[str]:
    try:
        lines = session.lines(statement.text)
    except errors.DatabaseError as error:
        return describe_error(error)
    return lines if "order by" in statement.text.lower() else sorted(lines)


@pytest.mark.parametrize("path", this_builds(CORPUS), ids=lambda path: path.stem)
def test_queries_as_views_give_the_same_rows_and_texts(path: Path) -> None:
    database = SqlDatabase()
    session = opened(path, database)
    for statement in read_statements(path):
        columns = _columns(session, statement)
        if not columns or not _makes_view(session, statement, columns):
            continue
        before = _view(session, statement)
        swap_catalog(database.engine)
        assert _view(session, statement) == before, statement
        session.run_all("drop view as_view")


def _columns(session: SqlSession, statement: Statement) -> int:
    """How many columns a query outside a transaction has; 0 for anything else."""
    try:
        steps = session.run_all(statement.text)
    except (errors.DatabaseError, AssertionError):
        return 0
    if not re.match(r"[\s(]*(select|with|values)\b", statement.text, re.IGNORECASE):
        return 0
    described = next((step for step in steps if isinstance(step, Description)), None)
    return 0 if described is None or session.session.transaction_status != "I" else len(described.columns)


def _makes_view(session: SqlSession, statement: Statement, columns: int) -> bool:
    names = ", ".join(f"c{number}" for number in range(columns))
    try:
        session.run_all(f"create view as_view ({names}) as {statement.text}")
    except errors.DatabaseError:
        return False
    return True


def _view(session: SqlSession, statement: Statement) -> list[list[str]]:
    text = session.lines(
        "select pg_get_viewdef('as_view'::regclass), pg_get_viewdef('as_view'::regclass, true)"
    )
    if VOLATILE.search(statement.text):
        return [text]
    return [text, _outcome(session, Statement("select * from as_view", 0))]


# --- every kind of tree -------------------------------------------------------------------------------------

EVERY_KIND = """
create role member in role pg_monitor;
alter role member set work_mem = 64;
create table t (a int primary key, b text default 'x', c numeric[] check (c[1] > 0 and a is not null or not b = ''));
create table u (a int references t, b text, d date);
create index on t (lower(b)) where a is distinct from 3;
create sequence s owned by u.a;
create type mood as enum ('low', 'high');
create domain pos as int default 3 check (value > 0);
create type duo as (a int, b text);
create view v0 as select 5::pos as c, row(1, 'x')::duo as r, ('(1,y)'::duo).b as f;
alter table u add g duo default '(1,z)';
alter table u add i int4range default '[1,3]', add m int4multirange default '{[1,3],(7,)}';
create type gaps as (a int, b int);
create table w (g gaps);
alter type gaps drop attribute a;
create view gapped as select distinct g, g = g as same from w;
create schema other;
comment on column t.a is 'x';
create view v1 as select case a when 1 then 'one' when 2 then 'two' else b end as c1, coalesce(b, 'z') as c2,
    nullif(a, 3) as c3, greatest(a, 4) as c4, array[a, 5] as c5, c[2] as c6, (a > 1)::int::text is null as c7 from t;
create view v2 as select a, t::text as r, b is null as n, (a > 1) is not true as o, a in (1, 2) as p,
    a = any (select a from u) as q, tableoid as system, row(a, b) = row(1, 'x') as w from t;
create view v3 as select a, sum(a) filter (where a > 1) as s, count(distinct b) as k, rank() over w as r,
    first_value(a) over (order by a range between 1 preceding and current row exclude ties) as f
    from t group by grouping sets ((a), (a, b)) having count(*) > 0 window w as (partition by a order by sum(a) desc);
create view v4 as with recursive r(n) as (select 1 union all select n + 1 from r where n < 3)
    select r.n, x.y, generate_series(1, 2) as g from r left join lateral (values (r.n, 2), (3, 4)) x (y, z) on x.y = r.n
    cross join (select 1 as one) d, rows from (generate_series(1, 2), unnest(array['p'])) with ordinality as f
    order by 1 desc limit 5 offset 1;
create view v5 as select a from t union select a from u except all select 3 order by 1;
create view v6 as select a, b from t where a > 1 for update;
create view v7 as select distinct on (a) a, b from t order by a, b;
create view v8 as select row_to_json(t) as j, concat_ws(',', variadic array[b, b]) as c, b::char(5)::text as p,
    array['1', '2']::int[]::numeric(4, 1)[] as e, (select json_agg(u) from u) as l, 'x' like b::char(3) as m from t;
create property graph g vertex tables (t);
create materialized view m as select a, count(*) from u group by a having count(*) > 0;
create materialized view md with (refresh = deferred) as select a from u where a > 1;
create view v9 as select t.a, x.b from t, graph_table (g match (n is t where n.a < t.a) columns (n.b)) x;
create role r;
grant select on t to member;
grant update (b) on t to member;
alter default privileges grant select on tables to member
"""

SEEN_ELSEWHERE = {
    "expr.SystemColumn": "no binder makes one yet; see test_trees",
    **dict.fromkeys(
        ("expr.RowId", "expr.WholeRow", "expr.Property", "expr.ValueProperty", "expr.HasLabels")
        + (
            "expr.ValueHasLabels",
            "expr.ElementValue",
            "expr.PathValue",
            "expr.RecordOf",
            "query.PathSearch",
            "query.EdgeWays",
            "query.GraphProcedure",
        ),
        "SQL has no elements of graphs; see algebra/test_graph_nodes",
    ),
    "catalog delta": "a difference; see test_codec",
    "database delta": "a difference; see test_codec",
}


OF_GRAPHS = (graphs.__name__, labels.__name__, paths.__name__)
"""What SQL does not make; see test_graphs and algebra/test_graph_nodes."""


def _kinds_in(tree: Any) -> Iterator[str]:
    if isinstance(tree, dict):
        yield tree[KIND]
        for value in tree.values():
            yield from _kinds_in(value)
    elif isinstance(tree, list):
        for item in tree:
            yield from _kinds_in(item)


def _forms_in(tree: Any) -> Iterator[str]:
    if isinstance(tree, dict):
        if tree[KIND] == "function":
            yield tree.get("form", "")
        for value in tree.values():
            yield from _forms_in(value)
    elif isinstance(tree, list):
        for item in tree:
            yield from _forms_in(item)


def test_every_kind_on_the_whitelist_occurs_in_a_catalog_and_works_when_read_back() -> None:
    database = SqlDatabase()
    session = database.session()
    for text in EVERY_KIND.split(";\n"):
        session.run_all(text)
    session.run_all("insert into t values (1, 'x', '{1, 2}'), (2, null, null), (3, 'y', '{3}')")
    session.run_all("insert into u values (1, 'p', '2020-01-01')")
    make_state_table(database.engine, POSTGRES)
    before = [session.lines(f"select * from v{n}") for n in range(1, 10)]
    swap_catalog(database.engine)
    assert [session.lines(f"select * from v{n}") for n in range(1, 10)] == before
    tree = json.loads(encode_catalog(newest_catalog(database.engine)))
    found = set(_kinds_in(tree))
    in_graphs = {kind.name for kind in kinds() if kind.cls.__module__ in OF_GRAPHS}
    assert {kind.name for kind in kinds()} - found - in_graphs == set(SEEN_ELSEWHERE)
    assert set(_forms_in(tree)) == {
        "",
        "variadic",
        "object",
        "rows",
        "text",
        "elements",
        "domain",
        "composite",
        "attribute",
        "fields",
        "tidy",
    }


# --- what works over it -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def described() -> Iterator[tuple[SqlDatabase, SqlSession]]:
    database = SqlDatabase()
    session = database.session()
    for text in WORLD.split(";\n"):
        if text.strip():
            session.run_all(text)
    yield database, session


CATALOG_QUERIES = [
    "select relname, relkind, relpersistence, relnatts, relchecks, relhasindex, reltuples, reloptions from pg_class",
    "select attrelid::regclass, attname, atttypid::regtype, atttypmod, attnum, attnotnull, atthasdef, attisdropped, "
    "attidentity, attstattarget, attmissingval from pg_attribute where attrelid > 16000",
    "select conname, pg_get_constraintdef(oid), pg_get_constraintdef(oid, true) from pg_constraint",
    "select indexrelid::regclass, pg_get_indexdef(indexrelid), pg_get_expr(indpred, indrelid) from pg_index",
    "select oid::regclass, pg_get_viewdef(oid), pg_get_viewdef(oid, true) from pg_class where relkind = 'v' and oid > 16000",
    "select adrelid::regclass, adnum, pg_get_expr(adbin, adrelid) from pg_attrdef",
    "select * from pg_depend where objid > 16000",
    "select * from pg_description where objoid > 16000",
    "select * from pg_shdescription",
    "select * from pg_sequences",
    "select * from pg_roles",
    "select datname, datdba, datistemplate, datallowconn, datconnlimit, datacl from pg_database",
    "select nspname, nspowner, nspacl from pg_namespace",
    "select typname, typtype, typrelid::regclass from pg_type where oid > 16000",
    "select * from information_schema.columns where table_schema in ('public', 'app')",
    "select * from information_schema.view_column_usage",
    "select * from information_schema.referential_constraints",
]


@pytest.mark.parametrize("query", [*CATALOG_QUERIES, *PSQL_QUERIES], ids=lambda text: None)
def test_catalog_queries_give_the_same(described: tuple[SqlDatabase, SqlSession], query: str) -> None:
    database, session = described
    text = re.sub(r"\{oid:([\w.]+)\}", lambda match: _oid(session, match[1]), query)
    before = sorted(session.lines(text))
    swap_catalog(database.engine)
    assert sorted(session.lines(text)) == before


def _oid(session: SqlSession, name: str) -> str:
    """The OID of what psql's query asks about: of a relation of ours."""
    known = {
        "plain": "author",
        "app.t2": "app.entry",
        "app.sq": "app.numbers",
        "app.t2_pkey": "app.entry_pkey",
    }
    (row,) = session.rows(f"select '{known.get(name, name)}'::regclass::oid")
    return str(row[0])


def test_constraints_defaults_and_indexes_work() -> None:
    database = SwappingDatabase()
    session = database.session()
    for text in WORLD.split(";\n"):
        if text.strip():
            session.run_all(text)
    assert session.lines(
        "insert into author (name) values ('ann'), ('bob') returning id, tags, meta, price, span"
    ) == [
        '5|{new}|{"a": [1, null]}|1.50|1 day 02:03:00',
        '7|{new}|{"a": [1, null]}|1.50|1 day 02:03:00',
        "INSERT 0 2",
    ]
    insert = "insert into book (author_id, title, price, code, flag) values"
    assert session.lines(f"{insert} (5, 'One', 2, 'a', false) returning id, notes, rating") == [
        "1|none|4.5",
        "INSERT 0 1",
    ]
    for values, sqlstate in (
        ("(99, 'Two', 2, 'b', false)", "23503"),
        ("(5, 'One', 2, 'b', false)", "23505"),
        ("(5, 'Two', -2, 'b', false)", "23514"),
        ("(5, null, 2, 'b', false)", "23502"),
        ("(5, 'Two', 2, 'abcde', false)", "22001"),
    ):
        with pytest.raises(errors.DatabaseError) as caught:
            session.run_all(f"{insert} {values}")
        assert caught.value.sqlstate == sqlstate, values
    assert session.lines("select title, author, n from book_v") == ["One|ann|1", "SELECT 1"]
    assert session.rows("select id from book where lower(title) = 'one'") == [(1,)]
    with pytest.raises(errors.NotNullViolation):  # the foreign key sets NULL, which the column refuses
        session.run_all("update author set id = default where name = 'ann'")
    session.run_all("delete from author where name = 'ann'")
    assert session.rows("select count(*) from book") == [(0,)]


def test_an_upsert_finds_an_index_over_an_expression() -> None:
    """Its arbiter is found by comparing expressions: the one read back with the one just bound."""
    database = SwappingDatabase(
        "create table t (a int[], b text, c varchar(9)[])",
        "create unique index on t (array_length(a, 1), lower(b), (c::text[])) where array_upper(a, 1) > 1",
    )
    text = (
        "insert into t values ('{1,2}', 'X', '{p}') on conflict (array_length(a, 1), lower(b), (c::text[])) "
        "where array_upper(a, 1) > 1 do update set b = excluded.b || '!'"
    )
    database.session().run_all(text)
    database.session().run_all(text)
    assert database.rows("select b from t") == [("X!",)]


def test_short_rows_read_the_default_that_they_were_given() -> None:
    database = SwappingDatabase("create table t (a int)", "insert into t values (1)")
    for column in (
        "b numeric default 1.50",
        "c float8 default 'NaN'",
        "d text[] default '{x,NULL}'",
        "e bytea default '\\x00'",
    ):
        database.session().run_all(f"alter table t add column {column}")
    assert database.session().lines("select * from t") == ["1|1.50|NaN|{x,NULL}|\\x00", "SELECT 1"]
