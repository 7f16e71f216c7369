"""Operations of one embedded library, timed: prints microseconds per operation as JSON.

    python embedded.py sqlite3 | skerry | profile

The same statements run through each library's DB-API, in memory, one connection, each change committed by
itself unless the operation says otherwise.
"""

from __future__ import annotations

import cProfile
import io
import json
import pstats
import random
import sqlite3
import sys
import time
from collections.abc import Callable
from typing import Any

import skerry

ROWS = 20_000
POINT_OPERATIONS = 5_000
SCANS = 5

Operation = Callable[[], None]


class Library:
    """A connection and its placeholder."""

    def __init__(self, name: str) -> None:
        self.placeholder = "?" if name == "sqlite3" else "%s"
        self.connection: Any
        if name == "sqlite3":
            self.connection = sqlite3.connect(":memory:", isolation_level=None)
        else:
            self.connection = skerry.connect(":memory:", autocommit=True)
        self.cursor = self.connection.cursor()

    def run(self, statement: str, parameters: tuple[object, ...] = ()) -> Any:
        """Execute and fetch what there is."""
        self.cursor.execute(statement.replace("?", self.placeholder), parameters)
        return self.cursor.fetchall() if self.cursor.description else None


def prepare(library: Library) -> None:
    """Two tables with rows."""
    library.run("CREATE TABLE item (id int PRIMARY KEY, grp int, name text, price float)")
    library.run("CREATE TABLE grp (id int PRIMARY KEY, name text)")
    library.run("BEGIN")
    rows = [(n, n % 100, f"item {n}", n * 0.5) for n in range(ROWS)]
    library.cursor.executemany("INSERT INTO item VALUES (?, ?, ?, ?)".replace("?", library.placeholder), rows)
    groups = [(n, f"group {n}") for n in range(100)]
    library.cursor.executemany("INSERT INTO grp VALUES (?, ?)".replace("?", library.placeholder), groups)
    library.run("COMMIT")


def per_operation_us(work: Callable[[int], None], count: int) -> float:
    """Microseconds that one call takes, of `count`."""
    started_ns = time.perf_counter_ns()
    for number in range(count):
        work(number)
    return (time.perf_counter_ns() - started_ns) / 1000 / count


def operations(library: Library) -> dict[str, tuple[Callable[[int], None], int]]:
    """What is measured, by name: the work and how often."""
    keys = random.Random(7)
    run = library.run

    def empty_transaction(_: int) -> None:
        run("BEGIN")
        run("COMMIT")

    def ten_inserts(number: int) -> None:
        run("BEGIN")
        for step in range(10):
            run("INSERT INTO item VALUES (?, ?, ?, ?)", (200_000 + number * 10 + step, 1, "x", 1.0))
        run("COMMIT")

    def point_read(_: int) -> None:
        run("SELECT name, price FROM item WHERE id = ?", (keys.randrange(ROWS),))

    def insert(number: int) -> None:
        run("INSERT INTO item VALUES (?, ?, ?, ?)", (100_000 + number, 1, "x", 1.0))

    def update(_: int) -> None:
        run("UPDATE item SET price = price + 1 WHERE id = ?", (keys.randrange(ROWS),))

    def delete(number: int) -> None:
        run("DELETE FROM item WHERE id = ?", (100_000 + number,))

    def aggregate(_: int) -> None:
        run("SELECT grp, count(*), sum(price) FROM item GROUP BY grp")

    def join(_: int) -> None:
        run(
            "SELECT g.name, max(i.price) FROM item i JOIN grp g ON g.id = i.grp WHERE i.price > 100 GROUP BY g.name"
        )

    def ordered(_: int) -> None:
        run("SELECT id, name FROM item ORDER BY price DESC LIMIT 10")

    def fetch_all(_: int) -> None:
        run("SELECT id, grp, name, price FROM item")

    return {
        "begin and commit": (empty_transaction, POINT_OPERATIONS),
        "point read by key": (point_read, POINT_OPERATIONS),
        "insert": (insert, POINT_OPERATIONS),
        "update by key": (update, POINT_OPERATIONS),
        "delete by key": (delete, POINT_OPERATIONS),
        "transaction of 10 inserts": (ten_inserts, POINT_OPERATIONS // 10),
        "group 20,000 rows": (aggregate, SCANS),
        "join and group 20,000 rows": (join, SCANS),
        "top 10 of 20,000 rows": (ordered, SCANS),
        "fetch 20,000 rows": (fetch_all, SCANS),
    }


def measure(name: str) -> dict[str, float]:
    """Time every operation."""
    library = Library(name)
    prepare(library)
    found = {}
    for operation, (work, count) in operations(library).items():
        found[operation] = per_operation_us(work, count)
    return found


def profile() -> str:
    """Where point reads and inserts of Skerry spend their time: functions by their own time."""
    library = Library("skerry")
    prepare(library)
    work = operations(library)
    profiler = cProfile.Profile()
    profiler.enable()
    for name in ("point read by key", "insert"):
        for number in range(2 * POINT_OPERATIONS):
            work[name][0](number)
    profiler.disable()
    output = io.StringIO()
    pstats.Stats(profiler, stream=output).strip_dirs().sort_stats("tottime").print_stats(25)
    return "\n".join(line.rstrip() for line in output.getvalue().splitlines() if line.strip())


def main() -> None:
    """The command line."""
    if sys.argv[1] == "profile":
        print(profile())
    else:
        print(json.dumps(measure(sys.argv[1])))


if __name__ == "__main__":
    main()
