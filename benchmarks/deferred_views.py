"""Deferred materialized views beside recomputing them: what a change costs as tables grow from 1,000 to 1,000,000 rows.

    python benchmarks/deferred_views.py --rows 1000,10000,100000,1000000

Embedded, in memory, in one process.  For each view: how long it takes to fill; then single-row transactions (an insert,
an update, a delete in turn), each followed by REFRESH, which brings the view up to date from that change alone: the
median of REFRESH; and beside it the REFRESH of an ordinary materialized view with the same query, which runs it again.
At the end both have to have the same rows.

The engine is stepped here, so that nothing else works on the views meanwhile.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from run import machine, markdown_table

from skerry_engine.engine import Engine
from skerry_engine.session.session import Session
from skerry_engine.session.steps import Rows

HEADING = "## Deferred materialized views"

VIEWS = {
    "filter, project": "SELECT id, customer, amount * 2 AS twice FROM orders WHERE status = 3",
    "group by, five aggregates": "SELECT customer, count(*), sum(amount), avg(amount), min(amount), max(amount) "
    "FROM orders GROUP BY customer",
    "join, group by": "SELECT c.region, o.status, count(*), sum(o.amount) FROM orders o "
    "JOIN customers c ON c.id = o.customer GROUP BY c.region, o.status",
    "distinct": "SELECT DISTINCT customer, status FROM orders",
    "union all": "SELECT id FROM orders WHERE status = 1 UNION ALL SELECT id FROM customers WHERE region = 1",
}


@dataclass
class Measured:
    """Seconds."""

    fill: float
    change: float
    recompute: float


class Bench:
    """One engine with tables of a size."""

    def __init__(self, rows: int) -> None:
        self.rows = rows
        self._changes = 0
        self.session: Session = Engine.open().open_session("postgres", "skerry")
        customers = max(rows // 10, 10)
        self.run("CREATE TABLE customers (id int PRIMARY KEY, region int)")
        self.run("CREATE TABLE orders (id int PRIMARY KEY, customer int, amount numeric, status int)")
        self.run(f"INSERT INTO customers SELECT g, g % 20 FROM generate_series(1, {customers}) g")
        for first in range(1, rows + 1, 100_000):
            last = min(first + 99_999, rows)
            self.run(
                f"INSERT INTO orders SELECT g, g % {customers} + 1, g % 1000 + 0.25, g % 8 "
                f"FROM generate_series({first}, {last}) g"
            )

    def run(self, text: str) -> list[tuple[object, ...]]:
        """A text's rows."""
        return [row for step in self.session.run(text) if isinstance(step, Rows) for row in step.rows]

    def timed(self, text: str) -> float:
        """How long it takes."""
        began = time.perf_counter()
        self.run(text)
        return time.perf_counter() - began

    def change(self) -> None:
        """A transaction of one row."""
        self._changes = number = self._changes + 1
        row = number * 7919 % self.rows + 1
        kind = number % 3
        if kind == 0:
            self.run(f"INSERT INTO orders VALUES ({self.rows + number + 1}, {row % 10 + 1}, {number}.5, 3)")
        elif kind == 1:
            self.run(f"UPDATE orders SET amount = amount + 1, status = 3 WHERE id = {row}")
        else:
            self.run(f"DELETE FROM orders WHERE id = {row}")

    def measure(self, query: str, changes: int) -> Measured:
        """One view."""
        fill = self.timed(f"CREATE MATERIALIZED VIEW d WITH (refresh = deferred) AS {query}")
        self.run(f"CREATE MATERIALIZED VIEW o AS {query}")
        gc.collect()
        gc.freeze()
        taken: list[float] = []
        for _ in range(changes):
            self.change()
            taken.append(self.timed("REFRESH MATERIALIZED VIEW d"))
        recompute = min(self.timed("REFRESH MATERIALIZED VIEW o") for _ in range(3))
        rows = [Counter(map(repr, self.run(f"SELECT * FROM {view}"))) for view in "do"]
        assert rows[0] == rows[1], "the views differ"
        self.run("DROP MATERIALIZED VIEW d, o")
        return Measured(fill, statistics.median(taken), recompute)


def shown(seconds: float) -> str:
    """In a unit that suits."""
    return f"{seconds * 1000:.2f} ms" if seconds < 1 else f"{seconds:.1f} s"


def report(sizes: list[int], changes: int) -> str:
    """The section of the results."""
    found: dict[str, list[Measured]] = {name: [] for name in VIEWS}
    for size in sizes:
        bench = Bench(size)
        for name, query in VIEWS.items():
            found[name].append(bench.measure(query, changes))
            print(size, name, found[name][-1], flush=True)
        del bench
        gc.unfreeze()
        gc.collect()
    lines = [HEADING, "", machine(), ""]
    for title, of in (
        ("A change of one row, taken in (median)", lambda each: each.change),
        ("The same by running the query again", lambda each: each.recompute),
        ("Filling the view", lambda each: each.fill),
    ):
        header = [title, *(f"{size:,} rows" for size in sizes)]
        lines += [
            markdown_table(
                header, [[name, *(shown(of(each)) for each in row)] for name, row in found.items()]
            ),
            "",
        ]
    return "\n".join(lines)


def main() -> None:
    """Measure, and put the section into the results."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", default="1000,10000,100000,1000000")
    parser.add_argument("--changes", type=int, default=300)
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    section = report([int(each) for each in options.rows.split(",")], options.changes)
    if options.output is None:
        print(section)
        return
    text = options.output.read_text(encoding="utf-8") if options.output.exists() else "# Flows: results\n\n"
    before, found, after = text.partition(HEADING)
    _, following, rest = after.partition("\n## ") if found else ("", "", "")
    following = f"\n## {rest}" if following else ""
    options.output.write_text(f"{before.rstrip()}\n\n{section.rstrip()}\n{following}", encoding="utf-8")


if __name__ == "__main__":
    main()
