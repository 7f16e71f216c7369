"""A process that changes tables of deferred views until it is killed, and what must be true of what it leaves."""

from __future__ import annotations

import random
import time
from collections import Counter

import skerry

VIEWS = {
    "big": "SELECT id, k, n FROM t WHERE n > 20",
    "totals": "SELECT k, count(*) AS many, sum(n) AS total, min(n) AS least, max(n) AS most FROM t GROUP BY k",
    "joined": "SELECT u.name, t.n, t.id FROM t JOIN u ON u.k = t.k",
    "names": "SELECT DISTINCT k FROM t UNION ALL SELECT k FROM u",
    "full_of_all": "SELECT count(*) AS many FROM t LEFT JOIN u ON u.k = t.k",
}


def make(path: str) -> None:
    """The database, with its views."""
    with skerry.open(path) as database:
        database.execute("CREATE TABLE t (id int PRIMARY KEY, k int, n int)")
        database.execute("CREATE TABLE u (k int, name text)")
        database.execute("INSERT INTO t SELECT g, g % 7, g % 40 FROM generate_series(1, 300) g")
        database.execute("INSERT INTO u SELECT g, 'u' || g FROM generate_series(0, 4) g")
        for name, query in VIEWS.items():
            method = ", method = full" if name.startswith("full") else ""
            database.execute(f"CREATE MATERIALIZED VIEW {name} WITH (refresh = deferred{method}) AS {query}")


def warm_up() -> None:
    """Do once what takes long when it is done first."""
    with skerry.open() as database:
        database.execute("SELECT 1")


def work(path: str, seed: int) -> None:
    """Change the tables for ever; with an odd seed there are checkpoints."""
    dice = random.Random(seed)
    database = skerry.open(path)
    while True:
        first = dice.randrange(400)
        draw = dice.random()
        if draw < 0.4:
            database.execute(
                "INSERT INTO t SELECT g, g % 7, $2 FROM generate_series($1::int, $1::int + 3) g ON CONFLICT DO NOTHING",
                (first, dice.randrange(40)),
            )
        elif draw < 0.7:
            database.execute(
                "UPDATE t SET n = n + 1, k = $1 WHERE id % 50 = $2", (dice.randrange(9), first % 50)
            )
        elif draw < 0.9:
            database.execute("DELETE FROM t WHERE id BETWEEN $1 AND $1 + 2", (first,))
        elif draw < 0.97 or not seed % 2:
            database.execute("UPDATE u SET name = name || 'x' WHERE k = $1", (first % 5,))
        elif draw < 0.98:
            database.execute("CHECKPOINT")
        else:
            database.execute("TRUNCATE u")
            database.execute("INSERT INTO u SELECT g, 'u' || g FROM generate_series(0, 4) g")


def check(path: str) -> list[str]:
    """Every view has what its query gives as soon as it says that it is up to date, and it gets there.

    Gives the names of those that did not have to be computed anew when the database was opened."""
    with skerry.open(path) as database:
        known = [
            str(name)
            for (name,) in database.execute(
                "SELECT name FROM skerry.deferred_views WHERE epoch IS NOT NULL ORDER BY name"
            ).fetchall()
        ]
        until_s = time.monotonic() + 20
        behind = "SELECT count(*) FROM skerry.deferred_views WHERE lag_commits IS DISTINCT FROM 0"
        while database.execute(behind).scalar():
            assert time.monotonic() < until_s, database.execute(
                "SELECT * FROM skerry.deferred_views"
            ).fetchall()
            time.sleep(0.01)
        for name, query in VIEWS.items():
            found = Counter(database.execute(f"SELECT * FROM {name}").fetchall())
            wanted = Counter(database.execute(query).fetchall())
            assert found == wanted, (name, found - wanted, wanted - found)
        database.execute("INSERT INTO t VALUES (100000, 3, 30)")
        database.execute("REFRESH MATERIALIZED VIEW totals")
        assert (
            database.execute("SELECT many FROM totals WHERE k = 3").fetchall()
            == database.execute("SELECT count(*) FROM t WHERE k = 3").fetchall()
        )
        database.execute("DELETE FROM t WHERE id = 100000")
        return known
