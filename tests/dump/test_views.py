"""Random queries as views: what a dump says of them means the same when it is loaded, here and in PostgreSQL.

Two generators that other tests have made (`support.random_queries`, `differential.test_random_queries`), hundreds of views in one
dump.  PostgreSQL flattens AND within AND when it reads, so the first dump may have parentheses that the second has not;
from then on nothing changes any more.  `SKERRY_RANDOM_VIEWS=2000` runs longer.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator

import pytest
from differential.test_random_queries import SCHEMA, Generator, rows
from support.builds import IS_COMPILED
from support.dumps import dump, dump_of, new_database, psql, url
from support.postgres_server import Address
from support.random_queries import INDEXES, TABLES, QueryMaker, rows_sql

import skerry
from skerry import errors

VIEWS = int(os.environ.get("SKERRY_RANDOM_VIEWS", "30"))
FIRST = 5000 + VIEWS * IS_COMPILED
"""Each build has views of its own."""


def _many_kinds(database: skerry.Database) -> Callable[[int], str]:
    database.execute(TABLES + rows_sql(random.Random(1)) + INDEXES)
    return lambda seed: QueryMaker(random.Random(seed)).query()[0]


def _many_types(database: skerry.Database) -> Callable[[int], str]:
    for statement in [*SCHEMA, *rows(1)]:
        database.execute(statement)
    return lambda seed: Generator(seed).select()


def _create_views(database: skerry.Database, query: Callable[[int], str]) -> Iterator[str]:
    """Make views of those random queries that run; gives their names."""
    for seed in range(FIRST, FIRST + VIEWS):
        text = query(seed)
        try:
            columns = database.execute(text).columns
        except errors.ProgrammingError:  # the generators make a few queries that no database takes
            continue
        names = ", ".join(f"c{number}" for number in range(len(columns)))
        database.execute(f"CREATE VIEW v{seed} ({names}) AS {text}")
        yield f"public.v{seed}"


def _shown(database: skerry.Database, view: str) -> list[str] | str:
    try:
        return sorted(str(row) for (row,) in database.execute(f"SELECT a_row::text FROM {view} a_row"))
    except errors.DatabaseError as error:
        return error.message


@pytest.mark.parametrize("prepare", [_many_kinds, _many_types])
def test_random_views(
    prepare: Callable[[skerry.Database], Callable[[int], str]], skerry_server: Address, postgres: Address
) -> None:
    with skerry.open() as original:
        views = list(_create_views(original, prepare(original)))
        assert len(views) > 0.9 * VIEWS
        text = dump_of(original)
        expected = {view: _shown(original, view) for view in views}
    again = ""
    for address in (skerry_server, postgres):
        with new_database(address) as name:
            psql(address, name, text)
            with skerry.open(url(address, name)) as loaded:
                found = {view: _shown(loaded, view) for view in views}
            unable = {
                view for view, shown in found.items() if str(shown).startswith("FULL JOIN is only supported")
            }
            assert len(unable) < 0.1 * VIEWS and not (unable and address is skerry_server)
            assert {v: found[v] for v in views if v not in unable} == {
                v: expected[v] for v in views if v not in unable
            }
            again = dump(address, name) if address is skerry_server else again
    with new_database(skerry_server) as name:
        psql(skerry_server, name, again)
        assert dump(skerry_server, name) == again


@pytest.mark.parametrize(
    "query",
    [
        "select a, b from t where a between 1 and 2 and b is not null",
        "select distinct a, count(*) over (partition by a) from t order by 2",
        "select percentile_cont(0.5) within group (order by a) from t",
        "select nextval('s')",
        "select a from t where (a, b) in (select 1, 'x')",
        "select a from t where a in (select a from t union select 1)",
        "select parent.a, row_to_json(t) from t right join t parent on t.a = parent.a + 1",
        "select json_agg(t) from t",
        "select g.x, g.y from unnest(array[1], array['z']) g(x, y)",
        "select grouping(a, b), count(*) from t group by rollup (a, b)",
        "select last_value from s",
        "with recursive w (n, m) as (select 1, 1 union all select n + 1, m * 2 from w where n < 3) select * from w",
        "select 'ab'::char(5) || '|'",
    ],
)
def test_a_view_means_the_same_under_any_search_path(query: str) -> None:
    with skerry.open() as db:
        db.execute(
            "CREATE SCHEMA app; SET search_path = app; CREATE SEQUENCE s; CREATE TABLE t (a int, b text)"
        )
        db.execute("INSERT INTO t VALUES (1, 'x'), (2, null), (2, 'y'), (7, 'z')")
        db.execute(f"CREATE VIEW v AS {query}")
        expected = db.execute("SELECT * FROM v").fetchall()
        db.execute(
            "SELECT setval('s', 1, false); CREATE TABLE public.t (a int, b text); CREATE SEQUENCE public.s"
        )
        db.execute("SET search_path = public")
        assert db.execute("SELECT * FROM app.v").fetchall() == expected
        printed = db.execute("SELECT pg_get_viewdef('app.v'::regclass)").scalar()
        db.execute(f"SELECT setval('app.s', 1, false); CREATE VIEW again AS {printed}")
        assert db.execute("SELECT * FROM again").fetchall() == expected
