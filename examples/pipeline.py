"""A pipeline on the change feed: `python examples/pipeline.py [DIRECTORY]`.

    inbox ──feed──> priced side by side, in branches ──one commit a batch──> sale ──> revenue   (deferred views, kept
    (raw lines)     each at the version of its line                               └─> customers  up to date behind it)

A line is priced as of the moment when it came in: its branch reads the product at that version, whatever has become of
the price since.  How far the feed was read is part of the same commit as the sales, so a pipeline that was stopped at
any moment goes on without losing a line or pricing it twice.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from itertools import islice

import skerry
from skerry import flow
from skerry.flow import Flow, FlowTransaction, each, parallel, stage

BATCH = 50

TABLES = """
    CREATE TABLE product (sku text PRIMARY KEY, category text NOT NULL, price numeric NOT NULL);
    CREATE TABLE inbox (id int PRIMARY KEY, customer text NOT NULL, sku text NOT NULL, pieces int NOT NULL);
    CREATE TABLE sale (id int PRIMARY KEY, customer text NOT NULL, category text NOT NULL, total numeric NOT NULL);
    CREATE TABLE place (epoch bigint NOT NULL, position bigint);
    INSERT INTO product VALUES ('tea', 'drinks', 4), ('coffee', 'drinks', 6), ('bread', 'food', 3);
    CREATE MATERIALIZED VIEW revenue WITH (refresh = deferred) AS
        SELECT category, sum(total) AS total, count(*) AS sales FROM sale GROUP BY category;
    CREATE MATERIALIZED VIEW customers WITH (refresh = deferred) AS
        SELECT customer, count(*) AS sales, max(total) AS largest FROM sale GROUP BY customer
"""

LINES = """
    INSERT INTO inbox
    SELECT $1::int + g, 'customer ' || g % 4,
        CASE g % 3 WHEN 0 THEN 'tea' WHEN 1 THEN 'bread' ELSE 'cake' END, 1 + g % 2
    FROM generate_series(1, 90) g
"""


def make(db: skerry.Database) -> None:
    """The tables, and where the feed is now."""
    db.execute(TABLES)
    with db.changes() as feed:
        db.execute("INSERT INTO place VALUES ($1, $2)", feed.token)


def price(branch: FlowTransaction, line: skerry.Change) -> None:
    """Make a sale of a line, in a branch that reads what was committed up to the line."""
    assert line.new is not None
    product = branch.get("product", line.new["sku"])
    if product is not None:  # what is not sold is left in the inbox
        sale = {"id": line.new["id"], "customer": line.new["customer"], "category": product["category"]}
        branch.set("sale", {**sale, "total": product["price"] * line.new["pieces"]})


def pipeline(db: skerry.Database) -> Flow[[], int]:
    """The flow that works off whatever has come in, and gives the number of batches; `db` keeps some history, for
    branches to read."""
    flows = flow.open(db)

    @stage
    def batches() -> Iterator[list[skerry.Change]]:
        epoch, position = flows.execute("SELECT epoch, position FROM place").fetchall()[0]
        assert isinstance(epoch, int) and isinstance(position, int | None)
        with db.changes((epoch, position), tables=["inbox"], wait=False) as feed:
            lines = iter([change for change in feed if change.kind == "insert"])
        return iter(lambda: list(islice(lines, BATCH)), [])

    @stage(tx=True)
    def work_off(lines: list[skerry.Change]) -> None:
        parallel(lines, price, threads=4)
        flows.execute("UPDATE place SET epoch = %s, position = %s", lines[-1].token)

    @flow.flow(flows)
    def work_off_all() -> int:
        return each(batches(), work_off, commit_every=1)

    return work_off_all


def wait_for_views(db: skerry.Database, seconds: float = 30.0) -> None:
    """Until the views have everything that is committed."""
    until_s = time.monotonic() + seconds
    while db.execute("SELECT max(lag_commits) FROM skerry.deferred_views").scalar() != 0:
        if time.monotonic() > until_s:
            raise TimeoutError("the views are behind")
        time.sleep(0.01)


def main(address: str) -> None:
    """Lines come in, before and after tea gets dearer, and are worked off later."""
    with skerry.open(address, retention=3600) as db:
        make(db)
        db.execute(LINES, (0,))
        db.execute("UPDATE product SET price = 5 WHERE sku = 'tea'")
        db.execute(LINES, (1000,))

        work_off_all = pipeline(db)
        work_off_all.explain()
        batches, report = work_off_all.run()
        print(f"{batches} batches, {report.commits} commits; and then {work_off_all()}")
        wait_for_views(db)
        for row in db.execute("SELECT category, total, sales FROM revenue ORDER BY category"):
            print(*row)
        for row in db.execute("SELECT customer, sales, largest FROM customers ORDER BY customer"):
            print(*row)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else ":memory:")
