"""Roles and rights outlive the process: by log, by checkpoint, in backups and dumps of catalogs."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

import skerry

WORLD = """
create role own password 'secret' valid until '2100-01-01';
create role one login in role own;
create role two login;
grant one to two with admin option;
alter role one set work_mem = '7MB';
alter role one in database postgres set search_path = public;
alter database postgres set application_name = 'kept';
grant create, usage on schema public to own;
set role own;
create table t (a int, b int);
create sequence s;
create view v as select a from t;
create type mood as enum ('sad');
grant select, insert on t to two with grant option;
grant update (b) on t to two;
grant usage on s to public;
grant usage on type mood to two;
alter default privileges grant select on tables to one;
alter default privileges in schema public grant insert on tables to two;
reset role;
revoke temporary on database postgres from public;
insert (:Person);
grant select on graph home to two
"""
QUERIES = [
    "select rolname, rolpassword, rolvaliduntil, rolconfig from pg_authid natural left join "
    "(select rolname, rolconfig from pg_roles) r where oid > 16000 order by 1",
    "select roleid::regrole, member::regrole, admin_option from pg_auth_members order by 1, 2",
    "select setdatabase, setrole, setconfig from pg_db_role_setting order by 1, 2",
    "select relname, relowner::regrole, relacl from pg_class where oid > 9000 and relacl is not null order by 1",
    "select attname, attacl from pg_attribute where attacl is not null",
    "select typname, typacl from pg_type where typacl is not null",
    "select defaclrole::regrole, defaclnamespace, defaclobjtype, defaclacl from pg_default_acl order by 1, 2",
    "select datname, datacl from pg_database order by 1",
    "select nspname, nspacl from pg_namespace order by 1",
]


def _state(path: Path, *statements: str) -> list[list[tuple[object, ...]]]:
    with closing(skerry.connect(path, autocommit=True)) as connection:
        cursor = connection.cursor()
        for statement in statements:
            cursor.execute(statement)
        return [cursor.execute(query).fetchall() for query in QUERIES]


def test_roles_and_rights_are_there_again(tmp_path: Path) -> None:
    first = _state(tmp_path / "data", *WORLD.strip().split(";\n"))
    assert all(first), "each query has something to find"
    assert _state(tmp_path / "data") == first, "from the log"
    assert _state(tmp_path / "data", "checkpoint") == first
    assert _state(tmp_path / "data") == first, "from the base"


def test_what_is_granted_and_rolled_back_is_not_granted(tmp_path: Path) -> None:
    with closing(skerry.connect(tmp_path / "data")) as connection:
        cursor = connection.cursor()
        cursor.execute("create role one; create table t (a int)")
        connection.commit()
        cursor.execute("grant select on t to one; create role two; alter role one superuser")
        cursor.execute("savepoint s")
        cursor.execute("grant insert on t to one")
        cursor.execute("rollback to s")
        asked = "select has_table_privilege('one', 't', 'select'), relacl::text like '%one=r/%' from pg_class"
        assert cursor.execute(f"{asked} where relname = 't'").fetchall() == [(True, True)]
        connection.rollback()
        assert cursor.execute(f"{asked} where relname = 't'").fetchall() == [(False, None)]
        with pytest.raises(skerry.DatabaseError, match='role "two" does not exist'):
            cursor.execute("set role two")


def test_rights_on_a_graph(tmp_path: Path) -> None:
    with closing(skerry.connect(tmp_path / "data", autocommit=True)) as connection:
        cursor = connection.cursor()
        cursor.execute("create role one")
        cursor.execute("insert (:Person {name: 'ann'})")
        statements = {
            "select": "match (p:Person) return p.name",
            "insert": "insert (:Person {name: 'bob'})",
            "update": "match (p:Person) set p.name = 'eve'",
            "delete": "match (p:Person) detach delete p",
        }
        in_sql = "select * from graph_table (home match (p:Person) columns (p.name)) g"
        for granted in ("select", "insert", "update", "delete"):
            cursor.execute(f"grant {granted} on graph home to one")
            cursor.execute("set role one")
            for needed, statement in statements.items():
                allowed = needed == granted and needed in ("select", "insert")
                if allowed:
                    cursor.execute(statement)
                else:
                    with pytest.raises(skerry.DatabaseError, match="permission denied for graph home"):
                        cursor.execute(statement)
            if granted != "select":
                with pytest.raises(skerry.DatabaseError, match="permission denied for graph home"):
                    cursor.execute(in_sql)
            cursor.execute("reset role")
            cursor.execute(f"revoke {granted} on graph home from one")
        cursor.execute("grant all on graph home to one")
        cursor.execute("set role one")
        for statement in (*statements.values(), in_sql):
            cursor.execute(statement)


def test_a_plan_that_is_kept_asks_again_when_rights_change() -> None:
    with closing(skerry.connect(":memory:", autocommit=True)) as connection:
        cursor = connection.cursor()
        cursor.execute("create role one; create role two; create table t (a int); grant select on t to one")
        for _ in range(3):
            cursor.execute("set role one")
            cursor.execute("select a from t")
            cursor.execute("set role two")
            with pytest.raises(skerry.DatabaseError, match="permission denied for table t"):
                cursor.execute("select a from t")
        cursor.execute("reset role")
        cursor.execute("revoke select on t from one")
        cursor.execute("set role one")
        with pytest.raises(skerry.DatabaseError, match="permission denied for table t"):
            cursor.execute("select a from t")
