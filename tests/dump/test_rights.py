"""Owners, rights and roles in dumps: loaded into a new database they are as they were."""

from __future__ import annotations

import io
from contextlib import closing

import skerry

WORLD = """
create role own login password 'secret' valid until '2100-01-01' connection limit 5;
create role "Odd one";
create role two in role own;
alter role two set search_path = a, "B c";
alter role two set work_mem = '7MB';
grant create, usage on schema public to own;
set role own;
create table t (a int primary key, b int);
create table "Other t" (x serial);
create view v as select a from t;
create sequence s;
create type mood as enum ('sad');
grant select, insert on t to two with grant option;
grant update (b), select (a, b) on t to "Odd one";
grant usage on s to public;
grant select on "Other t" to "Odd one";
revoke usage on type mood from public;
revoke delete on t from own;
alter default privileges grant select on tables to two;
alter default privileges in schema public grant insert on tables to two with grant option;
reset role;
set role two;
grant select on t to "Odd one" with grant option;
reset role;
create schema private authorization own;
grant usage on schema private to two;
create property graph pg vertex tables (t)
"""
QUERIES = [
    "select relname, relowner::regrole, relacl from pg_class where oid > 16000 and relkind <> 'i' order by 1",
    "select attname, attacl from pg_attribute where attacl is not null order by 1",
    "select typname, typowner::regrole, typacl from pg_type where typname = 'mood'",
    "select nspname, nspowner::regrole, nspacl from pg_namespace where nspname in ('public', 'private') order by 1",
    "select defaclrole::regrole, defaclnamespace::regnamespace, defaclobjtype, defaclacl from pg_default_acl order by 1, 2",
    "select rolname, rolpassword, rolvaliduntil, rolconnlimit, rolcanlogin from pg_authid where oid > 16000 order by 1",
    "select roleid::regrole, member::regrole from pg_auth_members order by 1, 2",
    "select setrole::regrole, setconfig from pg_db_role_setting order by 1",
]


def _items(value: object) -> object:
    """Access lists in any order: it is that of their making."""
    return sorted(value) if isinstance(value, list | tuple) else value


def _state(database: skerry.Database) -> list[list[tuple[object, ...]]]:
    return [[tuple(map(_items, row)) for row in database.execute(query)] for query in QUERIES]


def test_rights_and_roles_come_back() -> None:
    with closing(skerry.open(":memory:")) as before, closing(skerry.open(":memory:")) as after:
        with closing(before.connect()) as connection:
            for statement in WORLD.strip().split(";\n"):
                connection.cursor().execute(statement)
            connection.commit()
        text = io.StringIO()
        assert before.dump(text, data=False, roles=True) == []
        with closing(after.connect()) as connection:
            connection.cursor().execute(text.getvalue())
            connection.commit()
        assert _state(after) == _state(before)
        again = io.StringIO()
        after.dump(again, data=False, roles=True)
        assert again.getvalue() == text.getvalue()


def test_a_dump_says_nothing_of_rights_where_there_is_nothing_to_say() -> None:
    with closing(skerry.open(":memory:")) as database:
        database.execute("create table t (a int)")
        database.execute("create role one")
        text = io.StringIO()
        database.dump(text)
        assert "GRANT" not in text.getvalue() and "OWNER" not in text.getvalue()
        assert "ROLE" not in text.getvalue()


def test_a_choice_of_tables_has_their_rights_only() -> None:
    with closing(skerry.open(":memory:")) as database:
        for statement in ("create role one", "create table t (a int)", "create table u (a int)"):
            database.execute(statement)
        database.execute("grant select on t, u to one")
        text = io.StringIO()
        database.dump(text, tables=["t"])
        assert "GRANT SELECT ON TABLE public.t TO one;" in text.getvalue()
        assert "public.u" not in text.getvalue()
