"""A dump that is loaded is dumped as it was, in front of Skerry and of PostgreSQL.

The text of a dump holds every definition (as `pg_get_*def` prints it) and every row, in an order that does not depend
on OIDs.  So comparing dumps compares databases: from Skerry to Skerry byte by byte; from Skerry to PostgreSQL and
back as well, through the view definitions that PostgreSQL makes of ours.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from support.dumps import (
    check_round_trips,
    dump,
    dump_of,
    new_database,
    psql,
    sorted_rows,
    url,
    without_views,
)
from support.postgres_server import Address

import skerry

CHINOOK = Path(__file__).parent.parent / "data" / "chinook.sql"
WORLD = Path(__file__).parent.parent / "data" / "dump_world.sql"


def test_everything_there_is(world: skerry.Database, skerry_server: Address, postgres: Address) -> None:
    check_round_trips(dump_of(world), skerry_server, postgres)


def test_what_postgresql_made_itself(
    skerry_server: Address, postgres: Address, world: skerry.Database
) -> None:
    """The same script run by PostgreSQL gives the same database; only rows may stand in another order."""
    with new_database(postgres) as there, new_database(skerry_server) as here:
        psql(postgres, there, WORLD.read_text("utf-8"))
        of_postgres = dump(postgres, there)
        psql(skerry_server, here, of_postgres)
        once = dump(skerry_server, here)
    cached = (
        "setval('public.free', 30, true)",
        "setval('public.free', 35, true)",
    )  # PostgreSQL caches per session
    assert sorted_rows(once.replace(*reversed(cached))) == sorted_rows(dump_of(world))


def test_chinook(skerry_server: Address, postgres: Address) -> None:
    script = re.sub(
        r"^(\\c|DROP DATABASE|CREATE DATABASE).*$", "", CHINOOK.read_text("utf-8"), flags=re.MULTILINE
    )
    with new_database(skerry_server) as name:
        psql(skerry_server, name, script)
        text = dump(skerry_server, name)
    assert text.count("\t") > 10_000
    check_round_trips(text, skerry_server, postgres)


def test_inserts_give_the_same_database(
    world: skerry.Database, skerry_server: Address, postgres: Address
) -> None:
    text, inserts = dump_of(world), dump_of(world, inserts=True)
    assert "COPY" not in inserts
    for address in (skerry_server, postgres):
        with new_database(address) as name:
            psql(address, name, inserts)
            assert without_views(dump(address, name)) == without_views(text)


def test_the_schema_and_then_the_data_are_the_whole(world: skerry.Database, skerry_server: Address) -> None:
    """Data alone comes in the order of foreign keys; those that form a circle are warned of, and deferred here."""
    world.execute("ALTER TABLE hen DROP CONSTRAINT from_egg; ALTER TABLE orphan DROP CONSTRAINT unchecked")
    text = dump_of(world)
    with new_database(skerry_server) as name:
        psql(skerry_server, name, dump_of(world, data=False))
        psql(skerry_server, name, dump_of(world, schema=False))
        assert dump(skerry_server, name) == text


@pytest.mark.parametrize("one_transaction", [False, True])
def test_a_dump_loads_in_one_transaction_too(
    world: skerry.Database, skerry_server: Address, one_transaction: bool
) -> None:
    text = dump_of(world)
    with new_database(skerry_server) as name:
        psql(skerry_server, name, text, *(["--single-transaction"] if one_transaction else []))
        assert dump(skerry_server, name) == text


def test_a_loaded_dump_goes_on_counting(world: skerry.Database, skerry_server: Address) -> None:
    """Sequences belong to their columns, and give what they would have given."""
    text = dump_of(world)
    insert = 'INSERT INTO numbered DEFAULT VALUES RETURNING a, "renamed B", c, d, e, f'
    with new_database(skerry_server) as name:
        psql(skerry_server, name, text)
        with skerry.open(url(skerry_server, name)) as loaded:
            assert loaded.execute(insert).one() == world.execute(insert).one() == (4, 4, 4, 120, 3, 35)
            loaded.execute("DROP TABLE numbered")
            left = loaded.execute(
                "SELECT count(*) FROM pg_class WHERE relkind = 'S' AND relname LIKE 'numbered%'"
            )
            assert left.scalar() == 0


# --- graphs -------------------------------------------------------------------------------------------------

GRAPHS = r"""
create schema app
create table person (id int primary key, name text)
insert into person values (1, 'Ada')
create graph type app.social {(p: HOST & Person {`na;me` STRING NOT NULL, `q"u` INT16, tags LIST<STRING(9)>}), (p)-[: USER {since DATE}]->(p), (p)~[: NEAR]~(p), CONSTRAINT FOR (x: HOST) REQUIRE x.`na;me` IS KEY}
create graph /app/`my graph` typed /app/social
use /app/`my graph` insert (a:HOST&Person {`na;me`: 'it''s; \\. "x"', `q"u`: 7, tags: ['a', 'b']})-[:USER {since: date '2020-02-29'}]->(b:HOST&Person {`na;me`: 'b'}), (b)~[:NEAR]~(a)
use /app/`my graph` create index by_tags for (p: Person) on (p.tags)
insert (:Person {name: 'Ann', n: 1})-[:KNOWS {how: [1, 'x', {a: cast([] as list<int>)}]}]->(:Person {name: 'Bob', n: 2.50, d: duration('P1Y2M')})
create constraint named for (p: Person) require p.name is unique
create graph empty any
create property graph who vertex tables (person label human)
create view known as select p.name, t.friend from person p left join graph_table (home match (a is "Person" where a.n = p.id)-[]->(b) columns (b.name as friend)) t on true
"""


@pytest.mark.parametrize("arguments", [(), ("--single-transaction",)])
def test_graphs(skerry_server: Address, arguments: tuple[str, ...]) -> None:
    """From an embedded database through psql to a server, and what is there is the same."""
    with skerry.open() as made, new_database(skerry_server) as name:
        for statement in GRAPHS.replace("app.social", "/app/social").strip().split("\n"):
            made.execute(statement)
        text = dump_of(made)
        assert psql(skerry_server, name, text, *arguments) == ""
        assert dump(skerry_server, name) == text
        with skerry.open(url(skerry_server, name)) as loaded:
            for query in (
                "match (n) return properties(n) as p order by n.name",
                "use /app/`my graph` match (n)-[e]-(m) return properties(n) as p, labels(e), properties(e), properties(m)"
                " order by n.`na;me`, labels(e)[0]",
                "match ()-[e]->() return e.how",
                "select * from known",
            ):
                assert loaded.execute(query).fetchall() == made.execute(query).fetchall(), query
            with pytest.raises(skerry.errors.UniqueViolation):
                loaded.execute("insert (:Person {name: 'Ann'})")
