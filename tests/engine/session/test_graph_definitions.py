"""Graphs among SQL's objects: what lists them, renames, moves and drops them, and what takes them for no table."""

from __future__ import annotations

import pytest
from support.sessions import SqlDatabase

from skerry_engine import errors
from skerry_engine.catalog.catalog import Catalog
from skerry_engine.catalog.graphs import Graph


@pytest.fixture
def database() -> SqlDatabase:
    """A graph with an index and constraints, and something in it."""
    return SqlDatabase(
        "create graph g any",
        "use g create index by_x for (n:P) on (n.x)",
        "use g create constraint one for (n:P) require n.y is unique",
        "use g create constraint present for ()-[e:R]-() require e.w is not null",
        "use g insert (:P {x: 1, y: 1})-[:R {w: 1}]->(:P {x: 2, y: 2})",
    )


def test_catalogs_show_graphs_and_indexes_but_nothing_hidden(database: SqlDatabase) -> None:
    listed = "select relname, relkind from pg_class where relnamespace = 'public'::regnamespace order by 1"
    assert database.rows(listed) == [("by_x", "i"), ("g", "g"), ("home", "g"), ("one", "i")]
    joined = (
        "select c.relname, t.relname, i.indisunique from pg_index i join pg_class c on c.oid = i.indexrelid "
        "join pg_class t on t.oid = i.indrelid where t.relkind = 'g' order by 1"
    )
    assert database.rows(joined) == [("by_x", "g", False), ("one", "g", True)]
    assert database.rows("select pg_get_indexdef('by_x'::regclass)") == [
        ("CREATE INDEX by_x FOR (e:P) ON (e.x)",)
    ]
    assert database.rows("select pg_relation_size('g') > 0, pg_relation_size('home')") == [(True, 0)]
    assert database.rows("select count(*) from pg_depend where objid < 16384 and deptype <> 'e'") == [(0,)]
    dangling = (
        "select count(*) from pg_depend d where classid = 1259 and objid not in (select oid from pg_class)"
    )
    assert database.rows(dangling) == [(0,)]
    for view in (
        "pg_tables",
        "pg_stat_user_tables",
        "information_schema.tables",
        "pg_constraint",
        "pg_attribute",
    ):
        found = database.rows(f"select * from {view}")
        assert not [row for row in found if "g.nodes" in row or "shape" in row or "present" in row]


def test_locks_on_elements_are_shown_as_the_graphs(database: SqlDatabase) -> None:
    session = database.session()
    session.run_all("begin isolation level serializable")
    session.run_all("use g match (n:P) where n.x = 1 set n.z = 1")
    shown = (
        "select distinct c.relname, l.locktype, l.mode from pg_locks l join pg_class c on c.oid = l.relation"
    )
    found = {row for row in database.rows(shown) if row[0] != "pg_locks"}
    assert {("g", "relation", "RowExclusiveLock")} <= found
    unknown = "select count(*) from pg_locks where relation is not null and relation not in (select oid from pg_class)"
    assert database.rows(unknown) == [(0,)]


def test_a_graph_is_renamed_and_moved_with_what_is_in_it(database: SqlDatabase) -> None:
    session = database.session()
    session.run_all("alter table g rename to h; create schema app; alter table h set schema app")
    assert database.rows("use /app/h match (n:P) where n.x = 2 return n.y") == [(2,)]
    with pytest.raises(errors.UniqueViolation, match='"one"'):
        session.run_all("use /app/h insert (:P {y: 1})")
    with pytest.raises(errors.NotNullViolation):
        session.run_all("use /app/h insert (:Q)-[:R]->(:Q)")
    catalog = database.engine.manager.newest_catalog()
    assert isinstance(catalog, Catalog)
    found = catalog.get_database("postgres")
    app = found.get_schema("app")
    names = {each.name for each in found.relations.values() if each.schema_oid == app.oid}
    columns = {f"h.{part}" for part in ("nodes.shape", "edges.shape", "edges.source", "edges.target")}
    assert {"h", "h.nodes", "h.edges", "by_x", "one"} | columns <= names
    with pytest.raises(errors.DuplicateTable, match='"by_x" already exists in schema "public"'):
        session.run_all("create table by_x (a int); alter table app.h set schema public")
    session.run_all("drop schema app cascade")
    assert not [g for g in catalog.get_database("postgres").of_type(Graph) if g.name == "g"]


def test_indexes_of_graphs_are_renamed_and_built_again(database: SqlDatabase) -> None:
    session = database.session()
    session.run_all("alter index by_x rename to by_y; reindex index by_y; alter index one rename to two")
    session.run_all("reindex schema public")
    assert "by_y" in database.session().lines("explain use g match (n:P) where n.x = 2 return n.y")[0]
    assert database.rows("use g match (n:P) where n.x = 2 return n.y") == [(2,)]
    with pytest.raises(errors.UniqueViolation, match='"two"'):
        session.run_all("use g insert (:P {y: 1})")
    session.run_all("use g drop constraint two; use g insert (:P {y: 1}); drop index by_y")
    assert database.rows("select count(*) from pg_indexes where tablename = 'g'") == [(0,)]


@pytest.mark.parametrize(
    "text",
    [
        "select * from g",
        "insert into g values (1)",
        "update g set x = 1",
        "delete from g",
        "truncate g",
        "alter table g add column a int",
        "create index on g (x)",
        "create table t (a int references g)",
        "create view v as select * from g",
        "drop table g",
        "drop view g",
        "reindex table g",
        "comment on table g is 'x'",
        "create table t (like g)",
        "lock table g",
    ],
)
def test_a_graph_is_no_table(database: SqlDatabase, text: str) -> None:
    session = database.session()
    session.run_all("begin")
    with pytest.raises(errors.WrongObjectType):
        session.run_all(text)


def test_public_goes_with_an_empty_home_and_stays_with_one_that_holds_something() -> None:
    database = SqlDatabase()
    session = database.session()
    session.run_all("drop schema public; create schema public")
    assert database.rows("match (n) return count(*) as c") == [(0,)]
    session.run_all("insert (:P)")
    with pytest.raises(errors.DependentObjectsStillExist):
        session.run_all("drop schema public")
    session.run_all("match (n) delete n")
    session.run_all("begin")
    session.run_all("insert (:P)")
    with pytest.raises(errors.DependentObjectsStillExist):
        session.run_all("drop schema public")
    session.run_all("rollback; drop schema public")
    with pytest.raises(errors.UndefinedTable):
        database.rows("match (n) return n")


def test_a_template_may_have_an_empty_home_but_not_one_that_would_have_to_be_copied() -> None:
    database = SqlDatabase("create database one", "create database two template one", "insert (:P)")
    session = database.session()
    with pytest.raises(errors.NotSupportedError, match="copying the contents"):
        session.run_all("create database three template postgres")
    for name in ("two", "one"):
        session.run_all(f"drop database {name}")
    assert sum(storage.shapes is not None for storage in database.engine.stores.all()) == 6


def test_what_a_unique_constraint_finds_is_an_element_too(database: SqlDatabase) -> None:
    """A statement that reads one row by a unique key is done in one unit; elements need the row's id as well."""
    for level in ("read committed", "serializable"):
        session = database.session(level)
        session.run_all(f"begin isolation level {level}")
        found = session.rows(
            "use g match (n:P) where n.y = 2 return n.x, labels(n), element_id(n) > 0 as here"
        )
        assert found == [(2, ("P",), True)]
        assert session.rows("use g match (n:P) where n.y = 3 return n") == []
        ((node,),) = session.rows("use g match (n:P) where n.y = 1 return n")
        assert node[3][1:] == (1, 1)  # type: ignore[index]
        assert session.rows("use g match (n:P) where n.y = 1 and n.x = 2 return n") == []
        session.run_all("commit")
