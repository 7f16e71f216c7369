"""No unit of a statement does much: rows read and lines of generated source are bounded,
however the data lie."""

from __future__ import annotations

import pytest
from support.query_runs import UnitMeter
from support.sessions import SqlDatabase, SqlSession

from skerry_engine.plan.runtime import BATCH

ROWS_PER_UNIT = 5_000
LINES_PER_UNIT = 60_000
COUNT = 6_000
"""Rows of each table; in `skewed` nearly all have the same key."""

QUERIES = [
    "select count(*), sum(v) from big",
    "select v from big where k = 7",
    "select * from skewed where k = 1",
    "select count(*) from skewed where k = 1",
    "select * from skewed where k between 0 and 2",
    "select count(*) from skewed a join skewed b on a.k = b.k where a.id < 20 and b.id < 600",
    "select count(*) from big b join skewed s on s.u = b.u where b.id < 40",
    "select count(*) from big b left join skewed s on s.u = b.u and s.v > b.v where b.id < 40",
    "select count(*) from (select * from big where id < 40) b full join skewed s on s.u = b.u",
    "select count(*) from big b where b.id < 40 and exists (select 1 from skewed s where s.u = b.u and s.v < -b.v)",
    "select count(*) from big b where b.id < 40 and not exists (select 1 from skewed s where s.k = b.u and s.v < -b.v)",
    "select count(*) from big b where b.id < 40 and b.v > all (select v from skewed)",
    "select (select count(*) from skewed s where s.k = o.k) from one o",
    "select (select sum(s.v) from skewed s where s.v > b.v) from big b where b.id < 20",
    "select count(*) from big a join big b on a.v < b.v where a.id < 50",
    "select count(*) from big a left join big b on a.v < b.v where a.id < 20",
    "select count(*) from one, lateral (select * from skewed s where s.v > one.k) x",
    "select v, count(*) from big group by v",
    "select u, string_agg(id::text, ',' order by id desc) from skewed group by u",
    "select distinct v from big",
    "select id from big order by v desc, id",
    "select id from big order by v limit 10 offset 5000",
    "select id, sum(v) over (order by id) from big",
    "select id, rank() over (partition by u order by v) from skewed",
    "select id from big union select id from skewed",
    "select u from big intersect all select u from skewed",
    "with recursive r(n) as (select 1 union all select n + 1 from r where n < 3000) select count(*) from r",
    "with b as materialized (select * from big) select count(*) from b x join b y on x.id = y.id",
    "select count(*) from generate_series(1, 20000) g",
    "select generate_series(1, 20000)",
    "select count(*) from unnest(array(select id from big)) x",
    "select * from skewed where k = 1 for update",
    "update skewed set v = v + 1 where k = 1",
    "update skewed set k = 2 where k = 1",
    "delete from skewed where k = 2",
    "insert into skewed select id + 100000, 1, 1, v from big",
    "insert into one select id, 1 from big on conflict (k) do nothing",
]

ONE_KEY_AT_ONCE = [
    "select * from skewed where k in (1, 2, 3, 4, 5, 6, 7, 8, 9, 10)",
    "select count(*) from one join skewed s on s.k = one.k",
]
"""Index joins take the rows under one key at once, however many they are,
but never those of two such keys."""


@pytest.fixture(scope="module")
def session() -> SqlSession:
    return SqlDatabase(
        "create table big (id int primary key, k int, u int, v int)",
        "create index on big (k)",
        f"insert into big select g, g % 500, g % 3, (g * 7919) % {COUNT} from generate_series(1, {COUNT}) g",
        "create table skewed (id int primary key, k int, u int, v int)",
        "create index on skewed (k)",
        f"insert into skewed select g, 1, 1, (g * 7919) % {COUNT} from generate_series(1, {COUNT}) g",
        "create table one (k int primary key, n int)",
        "insert into one values (1, 1)",
    ).session()


@pytest.mark.parametrize("text", QUERIES)
def test_units_are_small(session: SqlSession, text: str) -> None:
    rows, lines = UnitMeter(session).measure(text)
    assert rows <= ROWS_PER_UNIT
    assert lines <= LINES_PER_UNIT


@pytest.mark.parametrize("text", ONE_KEY_AT_ONCE)
def test_index_joins_read_one_large_key_at_a_time(session: SqlSession, text: str) -> None:
    rows, _ = UnitMeter(session).measure(text)
    assert rows <= COUNT + ROWS_PER_UNIT


GRAPH_QUERIES = [
    "MATCH (n:Leaf) RETURN count(*), sum(n.v)",
    "MATCH (n:Leaf) WHERE n.v = 77 RETURN n.v",
    "MATCH (n) RETURN n.v ORDER BY n.v LIMIT 5",
    "MATCH (h:Hub)-[e]->(b) RETURN b.v",
    "MATCH (h:Hub)-[e]->(b) RETURN count(*)",
    "MATCH (b)<-[e:TO]-(h:Hub) WHERE b.v < 10 RETURN e.w, b.v",
    "MATCH (h:Hub)-[e]-(b) RETURN count(b.v)",
    "MATCH (a)-[e]-(b) RETURN count(*)",
    "MATCH (a:Leaf {v: 5})<-[]-(h)-[]->(b) RETURN count(b.v)",
    "MATCH (h:Hub) OPTIONAL MATCH (h)-[e]->(b) WHERE b.v > 3 RETURN count(*)",
    "MATCH (a:Leaf) WHERE a.v < 50 AND EXISTS { (a)<-[]-(h)-[]->(b WHERE b.v = 1) } RETURN count(*)",
    "MATCH (h:Hub) CALL (h) { MATCH (h)-[e]->(b) RETURN sum(b.v) AS s } RETURN s",
    "MATCH (h:Hub)-[e]->{1,2}(b) RETURN count(*)",
    "MATCH (n:Leaf) RETURN n.v % 10 AS k, count(*) AS c ORDER BY k",
    "MATCH (n:Leaf) RETURN DISTINCT n.v % 10 AS k",
    "MATCH (h:Hub)-[]->(b) RETURN h, count(b) AS c",
]


@pytest.fixture(scope="module")
def graph_session() -> SqlSession:
    return SqlDatabase(
        "insert (:Hub {v: -1})",
        f"call generate_series(1, {COUNT}) yield generate_series as g insert (:Leaf {{v: g}})",
        "match (h:Hub), (n:Leaf) insert (h)-[:TO {w: n.v}]->(n)",
    ).session()


@pytest.mark.parametrize("text", GRAPH_QUERIES)
def test_units_are_small_in_graphs(graph_session: SqlSession, text: str) -> None:
    rows, lines = UnitMeter(graph_session).measure(text)
    assert rows <= ROWS_PER_UNIT + 2 * BATCH  # the last batch of edges, and the nodes at their ends
    assert lines <= LINES_PER_UNIT


def test_the_meter_sees_large_units(session: SqlSession) -> None:
    meter = UnitMeter(session)
    assert meter.measure("select count(*) from big")[0] >= 512
    assert meter.measure("select count(*) from big where v > 1")[1] >= 512
