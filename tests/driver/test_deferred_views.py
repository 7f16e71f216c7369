"""Deferred views of an embedded database, whose thread keeps them up to date beside writers and readers in threads."""

from __future__ import annotations

import threading
import time
from collections import Counter
from random import Random

import skerry

VIEWS = {
    "totals": "SELECT k, count(*) AS many, sum(n) AS total, max(n) AS most FROM t GROUP BY k",
    "pairs": "SELECT t.id, u.name FROM t JOIN u ON u.k = t.k WHERE t.n % 2 = 0",
    "every": "SELECT DISTINCT k FROM t UNION ALL SELECT k FROM u",
}


def write(database: skerry.Database, seed: int, until_s: float) -> None:
    """Change the tables for a while."""
    dice = Random(seed)
    connection = database.connect(autocommit=True)
    while time.monotonic() < until_s:
        row = dice.randrange(200)
        connection.execute(
            dice.choice(
                (
                    f"INSERT INTO t VALUES ({row}, {row % 7}, {dice.randrange(9)}) ON CONFLICT (id) DO UPDATE SET n = t.n + 1",
                    f"UPDATE t SET k = {row % 5} WHERE id BETWEEN {row} AND {row + 5}",
                    f"DELETE FROM t WHERE id = {row}",
                    f"UPDATE u SET name = name || '{row % 10}' WHERE k = {row % 7} AND length(name) < 20",
                )
            )
        )
    connection.close()


def test_at_every_moment_a_view_has_what_its_query_gives_at_its_epoch() -> None:
    with skerry.open(retention=60) as database:
        database.execute("CREATE TABLE t (id int PRIMARY KEY, k int, n int)")
        database.execute("CREATE TABLE u (k int, name text)")
        database.execute("INSERT INTO u SELECT g, 'u' || g FROM generate_series(0, 6) g")
        for name, query in VIEWS.items():
            database.execute(f"CREATE MATERIALIZED VIEW {name} WITH (refresh = deferred) AS {query}")
        until_s = time.monotonic() + 1.0
        writers = [threading.Thread(target=write, args=(database, seed, until_s)) for seed in range(2)]
        for each in writers:
            each.start()
        reader = database.connect()
        seen: set[int] = set()
        while time.monotonic() < until_s:
            reader.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
            epochs = dict(reader.execute("SELECT name, epoch FROM skerry.deferred_views").fetchall())
            found = {name: reader.execute(f"SELECT * FROM {name}").fetchall() for name in VIEWS}
            reader.execute("COMMIT")
            for name, query in VIEWS.items():
                seen.add(epochs[name])
                wanted = reader.execute(f"{query} AS OF EPOCH {epochs[name]}").fetchall()
                assert Counter(found[name]) == Counter(wanted), (name, epochs[name])
            reader.commit()
        for each in writers:
            each.join()
        reader.close()
        assert len(seen) > 5
