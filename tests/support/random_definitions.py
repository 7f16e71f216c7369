"""Random definitions: CREATE, ALTER, DROP and COMMENT of everything that the catalog holds, over few names.

Many fail (the name is taken, something depends on it); what matters is what those do that succeed.
"""

from __future__ import annotations

from random import Random

SETUP = (
    "create schema s1",
    "create role r1",
    "create table t (a int primary key, b text, c varchar(8))",
    "create table u (id serial primary key, a int references t, b text default 'x', d numeric(6,2))",
    "create table s1.t (a int unique, b text, c text not null default 'c')",
    "create table s1.w (like u including all)",
    "create temp table z (a int primary key, b text)",
    "create index i1 on u (b)",
    "create view v as select a, b from t",
    "create materialized view mv as select a, b from u",
    "create sequence q",
    "create type mood as enum ('a', 'b', 'x')",
    "create domain pos as int default 4 check (value > 0)",
    "create table m (a mood primary key, b mood[] default '{a}', c mood check (c < 'x'))",
    "create type pair as (a int, b text)",
    "create type pairs as (p pair, ps pair[])",
    "create table cp (k serial, p pair unique, ps pair[], w pairs)",
)
TABLES = ("t", "u", "s1.t", "s1.w", "x", "s1.x", "m", "pg_temp.z")
COLUMNS = ("a", "b", "c", "d")
TYPES = (
    "int",
    "bigint",
    "text",
    "varchar(8)",
    "numeric(6,2)",
    "timestamptz",
    "jsonb",
    "text[]",
    "char(3)",
    "mood",
    "mood[]",
    "pos",
    "pos[]",
    "pair",
    "pair[]",
    "int4range",
    "nummultirange[]",
)
DEFAULTS = ("1", "null", "'x'", "now()", "'1.50'", "1.5", "array['p']", "random()::int", "'{}'")


class DefinitionMaker:
    """Draws statements."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self._makers = (
            *(self._table, self._table, self._index, self._index, self._view, self._view, self._sequence),
            *(self._materialized, self._materialized),
            *(self._alter, self._alter, self._alter, self._alter, self._rename, self._drop, self._comment),
            *(self._comment, self._schema, self._role, self._database, self._owner, self._other),
            *(self._type, self._attribute),
        )

    def statement(self) -> str:
        """One statement."""
        return self._pick(self._makers)()

    def _pick(self, items):  # type: ignore[no-untyped-def]
        return self.random.choice(items)

    def _table(self) -> str:
        name = self._pick(TABLES)
        way = self.random.randrange(4)
        if way == 0:
            return f"create table {name} (like {self._pick(TABLES)} including all)"
        if way == 1:
            return f"create table {name} as select * from {self._relation()}"
        columns = [
            f"{each} {self._pick(TYPES)}{self._tail(each)}" for each in COLUMNS if self.random.randrange(4)
        ]
        columns += (
            ["id serial primary key"] if self.random.randrange(2) else ["k int generated always as identity"]
        )
        if self.random.randrange(3) == 0:
            columns.append("g bool generated always as (a is null) stored")
        if self.random.randrange(2):
            columns.append(f"check (a > {self.random.randrange(9)})")
        if self.random.randrange(3) == 0:
            columns.append(f"foreign key (a) references {self._pick(TABLES)} on delete cascade")
        return f"create table {name} ({', '.join(columns)})"

    def _tail(self, column: str) -> str:
        return self._pick(
            [
                "",
                "",
                "",
                " not null",
                f" default {self._pick(DEFAULTS)}",
                " unique",
                f" check ({column} is not null)",
            ]
        )

    def _relation(self) -> str:
        return self._pick((*TABLES, "v", "s1.v2", "mv", "pg_class", "generate_series(1, 3) a"))

    def _index(self) -> str:
        table = self._pick(TABLES)
        unique = self._pick(["", "unique "])
        keys = self._pick(
            ["a", "b desc nulls last", "a, b", "lower(b::text)", "(a + 1), c", "c text_pattern_ops"]
        )
        tail = self._pick(
            ["", "", " where a > 3", " where b is not null", " include (d)", " nulls not distinct"]
        )
        return f"create {unique}index {self._pick(['', 'i1 ', 'i2 '])}on {table} ({keys}){tail}"

    def _view(self) -> str:
        replaced = self._pick(["", "or replace "])
        query = self._pick(
            [
                f"select a, b from {self._pick(TABLES)}",
                f"select a, count(*) as b from {self._relation()} group by a having count(*) > 1",
                f"select x.a, y.b from {self._pick(TABLES)} x left join {self._pick(TABLES)} y on x.a = y.a",
                "select 1 as a, 'x'::varchar(5) as b union all select 2, null",
                "with recursive r(a) as (select 1 union all select a + 1 from r where a < 5) select a, a as b from r",
                f"select a, row_number() over (order by a) as b from {self._relation()} order by 1 limit 2",
            ]
        )
        return f"create {replaced}view {self._pick(['v', 's1.v2', 'v3'])} as {query}"

    def _materialized(self) -> str:
        name, other = self._pick(["mv", "mv", "s1.mw"]), self._pick(["mv", "mw"])
        return self._pick(
            [
                f"create materialized view {name} as select a, b from {self._relation()}",
                f"create materialized view {name} (a, b) as select a, count(*) from {self._relation()} group by a",
                f"create materialized view {name} as select a, g as b from {self._pick(TABLES)} with no data",
                f"refresh materialized view {name}",
                f"refresh materialized view {name} with no data",
                f"refresh materialized view concurrently {name}",
                f"create unique index on {name} (a)",
                f"alter materialized view {name} rename to {other}",
                f"alter materialized view {name} rename a to c",
                f"alter materialized view {name} set schema {self._pick(['public', 's1'])}",
                f"comment on materialized view {name} is 'said'",
                f"drop materialized view {name}{self._pick(['', ' cascade'])}",
            ]
        )

    def _sequence(self) -> str:
        name = self._pick(["q", "s1.q", "pg_temp.q"])
        return self._pick(
            [
                f"create sequence {name} increment 3 cycle maxvalue 100",
                f"alter sequence {name} as smallint restart 5",
                f"alter sequence {name} owned by {self._pick(TABLES)}.a",
                f"alter sequence {name} owned by none",
                f"drop sequence {name} cascade",
            ]
        )

    def _alter(self) -> str:
        column = self._pick(COLUMNS)
        action = self._pick(
            [
                f"add column {column} {self._pick(TYPES)}{self._tail(column)}",
                f"add column n{self.random.randrange(3)} int not null default 7, add column x int",
                f"drop column {column}{self._pick(['', ' cascade'])}",
                f"alter {column} type {self._pick(TYPES)} using null",
                f"alter {column} set default {self._pick(DEFAULTS)}",
                f"alter {column} drop default",
                "add column g bool generated always as (a is null) stored",
                "add column h text generated always as (b || 'x') stored",
                "alter g drop expression",
                f"alter {column} set not null",
                f"alter {column} drop not null",
                f"alter {column} set statistics 5",
                f"add constraint k1 unique ({column})",
                f"add constraint c1 check ({column} is distinct from null) not valid",
                f"add foreign key (a) references {self._pick(TABLES)}",
                "validate constraint c1",
                f"drop constraint {self._pick(['k1', 'c1', 't_pkey', 'u_a_key'])} cascade",
                "set (fillfactor = 70)",
            ]
        )
        return f"alter table {self._pick(TABLES)} {action}"

    def _rename(self) -> str:
        table = self._pick(TABLES)
        return self._pick(
            [
                f"alter table {table} rename to {self._pick(['t', 'u', 'w'])}",
                f"alter table {table} rename {self._pick(COLUMNS)} to {self._pick(COLUMNS)}",
                f"alter index {self._pick(['i1', 'i2', 't_pkey'])} rename to {self._pick(['i1', 'i2', 'i3'])}",
                f"alter table {table} rename constraint t_pkey to p{self.random.randrange(3)}",
                f"alter view v rename to {self._pick(['v', 'v3'])}",
                f"alter table {table} set schema {self._pick(['public', 's1'])}",
                "alter view v set schema s1",
            ]
        )

    def _drop(self) -> str:
        return self._pick(
            [
                f"drop table {self._pick(TABLES)}{self._pick(['', '', ' cascade'])}",
                f"drop index {self._pick(['i1', 'i2'])}",
                f"drop view {self._pick(['v', 's1.v2', 'v3'])} cascade",
                f"truncate {self._pick(TABLES)}",
                f"reindex table {self._pick(TABLES)}",
            ]
        )

    def _comment(self) -> str:
        said = self._pick(["'said'", "'more'", "null"])
        thing = self._pick(
            [
                f"table {self._pick(TABLES)}",
                f"column {self._pick(TABLES)}.{self._pick(COLUMNS)}",
                "index i1",
                "view v",
                f"constraint c1 on {self._pick(TABLES)}",
                "schema s1",
                "role r1",
                "database postgres",
                "database d1",
            ]
        )
        return f"comment on {thing} is {said}"

    def _schema(self) -> str:
        return self._pick(
            [
                "create schema s1",
                "create schema s1",
                "create schema s2 authorization r1",
                "alter schema s2 rename to s3",
                "alter schema s3 rename to s2",
                f"drop schema s1{self._pick(['', '', ' cascade'])}",
                "drop schema s2",
            ]
        )

    def _role(self) -> str:
        return self._pick(
            [
                "create role r1",
                "create role r2 login createdb",
                "alter role r1 superuser",
                "drop role r1",
                "drop role r2",
            ]
        )

    def _database(self) -> str:
        return self._pick(
            [
                "create database d1 owner r1",
                "create database d2 connection limit 7",
                "alter database d1 rename to d3",
                "alter database d2 allow_connections false",
                "alter database d3 is_template true",
                "drop database d1",
                "drop database d2",
            ]
        )

    def _type(self) -> str:
        name = self._pick(("mood", "mood", "s1.mood", "pg_temp.brief"))
        label, other = self._pick("abxyz"), self._pick("abxyz")
        return str(
            self._pick(
                [
                    f"create type {name} as enum ('{label}', '{other}')",
                    f"create table x (a {name}, b {name}[] default '{{{label}}}')",
                    f"alter type {name} add value '{label}'",
                    f"alter type {name} add value if not exists '{label}' before '{other}'",
                    f"alter type {name} rename value '{label}' to '{other}'",
                    f"alter type {name} rename to {self._pick(('mood', 'feeling'))}",
                    f"alter type {name} set schema {self._pick(('s1', 'public'))}",
                    f"alter type {name} owner to r1",
                    f"create domain {name} as {self._pick(TYPES)}",
                    f"alter domain pos add constraint {label} check (value <> {self.random.randrange(9)}) not valid",
                    f"alter domain pos drop constraint if exists {label}",
                    f"alter domain pos set default {self.random.randrange(3)}",
                    f"alter domain pos {self._pick(('set', 'drop'))} not null",
                    f"drop domain pos {self._pick(('', '', '', 'cascade'))}",
                    f"comment on type {name} is '{label}'",
                    f"drop type {name} {self._pick(('', '', 'cascade'))}",
                ]
            )
        )

    def _attribute(self) -> str:
        name, attribute, other = self._pick(("pair", "pair", "pairs")), self._pick("abc"), self._pick("abcd")
        view = f"select k, (p).{attribute} as x, row(1, 'x')::pair as made, p = (ps)[1] as same from cp"
        return str(
            self._pick(
                [
                    f"alter type {name} add attribute {attribute} {self._pick(TYPES)}",
                    f"alter type {name} drop attribute {attribute} {self._pick(('', 'cascade'))}",
                    f"alter type {name} drop attribute {attribute}, add attribute {attribute} text",
                    f"alter type {name} rename attribute {attribute} to {other}",
                    f"alter type {name} alter attribute {attribute} type {self._pick(TYPES)}",
                    f"comment on column {name}.{attribute} is '{other}'",
                    f"create or replace view cv as {view}",
                    f"create index on cp (((p).{attribute}))",
                    f"alter table cp add check ((p).{attribute} is not null) not valid",
                    f"alter table cp alter p set default '({other},)'",
                ]
            )
        )

    def _owner(self) -> str:
        return (
            f"alter {self._pick(['table t', 'table s1.t', 'view v', 'schema s1', 'database d1'])} owner to r1"
        )

    def _other(self) -> str:
        return self._pick(
            ["select 1", "insert into s1.t default values", "create temp table z (a int, b text unique)"]
        )
