"""Times what `flows.py` compares, in this process; prints microseconds by name, as JSON.

One transaction of three single-row inserts, in memory, is written in every way; then stages that do nothing, to see
what a stage costs by itself.  Ways take turns within each round.
"""

from __future__ import annotations

import itertools
import json
import sqlite3
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import django
import sqlalchemy as sa
from django.conf import settings
from django.db import connection as django_connection
from django.db import transaction as django_transaction

import skerry
from skerry import flow
from skerry.flow import FlowDatabase, each, stage
from skerry.flow.workflows import WorkflowBuilder

CREATE = "CREATE TABLE item (id bigint PRIMARY KEY, name text NOT NULL)"
INSERT = "INSERT INTO item VALUES (%s, %s)"
STAGES = 200
"""In a flow that is timed as a whole."""

Way = Callable[[], object]


@dataclass
class Item:
    """What a workflow inserts."""

    __tablename__ = "item"
    id: int
    name: str


def of_skerry(numbers: itertools.count[int]) -> dict[str, Way]:
    """Without flows."""
    db = skerry.open(":memory:")
    db.execute(CREATE)

    def plain() -> None:
        with db.begin_transaction() as tx:
            for _ in range(3):
                tx.execute("INSERT INTO item VALUES ($1, $2)", (next(numbers), "x"))
            tx.commit()

    return {"Skerry": plain}


def of_flows(name: str, db: FlowDatabase, numbers: itertools.count[int]) -> dict[str, Way]:
    """By stages, by a block, by a workflow."""
    db.execute(CREATE)

    @stage(tx=True)
    def insert() -> None:
        db.execute(INSERT, (next(numbers), "x"))

    @flow.flow(db)
    def by_stages() -> None:
        insert()
        insert()
        insert()

    def by_block() -> None:
        with db.transaction():
            for _ in range(3):
                db.execute(INSERT, (next(numbers), "x"))

    work = WorkflowBuilder("three", models=[Item])
    work.add_node("TransactionScopeNode", "tx")
    for number in range(3):
        work.add_node("ItemCreateNode", f"item_{number}", {"id": f"${{inputs.id{number}}}", "name": "x"})
    work.add_node("TransactionCommitNode", "commit")
    three = work.build()

    def by_workflow() -> None:
        three.run(db, {f"id{number}": next(numbers) for number in range(3)})

    return {
        f"{name}, flow of three stages": by_stages,
        f"{name}, db.transaction()": by_block,
        f"{name}, workflow of three nodes": by_workflow,
    }


def of_sqlite(numbers: itertools.count[int]) -> dict[str, Way]:
    """sqlite3 as it is."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.execute(CREATE)

    def plain() -> None:
        connection.execute("BEGIN")
        for _ in range(3):
            connection.execute("INSERT INTO item VALUES (?, ?)", (next(numbers), "x"))
        connection.execute("COMMIT")

    return {"sqlite3": plain}


def of_sqlalchemy(numbers: itertools.count[int]) -> dict[str, Way]:
    """SQLAlchemy Core on SQLite."""
    engine = sa.create_engine("sqlite://")
    insert = sa.insert(sa.table("item", sa.column("id"), sa.column("name")))
    with engine.begin() as connection:
        connection.execute(sa.text(CREATE))

    def core() -> None:
        with engine.begin() as connection:
            for _ in range(3):
                connection.execute(insert, {"id": next(numbers), "name": "x"})

    return {"SQLAlchemy Core, engine.begin()": core}


def of_django(numbers: itertools.count[int]) -> dict[str, Way]:
    """Django on SQLite: an atomic block, and each insert in one of its own within it."""
    database = {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}
    settings.configure(DATABASES={"default": database}, DEBUG=False)
    django.setup()
    with django_connection.cursor() as cursor:
        cursor.execute(CREATE)

    def insert() -> None:
        with django_connection.cursor() as cursor:
            cursor.execute(INSERT, (next(numbers), "x"))

    def atomic() -> None:
        with django_transaction.atomic():
            for _ in range(3):
                insert()

    def nested() -> None:
        with django_transaction.atomic():
            for _ in range(3):
                with django_transaction.atomic():
                    insert()

    return {"Django, atomic()": atomic, "Django, nested atomic()": nested}


def of_stages(db: FlowDatabase) -> dict[str, Way]:
    """Flows of many stages that do nothing; the last has as many calls of a plain function."""

    def nothing(row: int = 0) -> None:
        pass

    transactional, other = stage(tx=True)(nothing), stage(nothing)

    @flow.flow(db)
    def transactional_stages() -> None:
        for _ in range(STAGES):
            transactional()

    @flow.flow(db)
    def other_stages() -> None:
        for _ in range(STAGES):
            other()

    @flow.flow(db)
    def rows_of_each() -> None:
        each(range(STAGES), transactional)

    @flow.flow(db)
    def functions() -> None:
        for _ in range(STAGES):
            nothing()

    return {
        "a transactional stage": transactional_stages,
        "a stage that is not": other_stages,
        "a row of each()": rows_of_each,
        "a function": functions,
    }


def measured(ways: dict[str, Way], rounds: int, seconds: float) -> dict[str, float]:
    """Microseconds of a call: the median of the rounds' means."""
    times: dict[str, list[float]] = {name: [] for name in ways}
    for way in ways.values():
        way()
    for _ in range(rounds):
        for name, way in ways.items():
            began_s = time.perf_counter()
            count = 0
            while (taken_s := time.perf_counter() - began_s) < seconds:
                way()
                count += 1
            times[name].append(taken_s / count * 1e6)
    return {name: statistics.median(found) for name, found in times.items()}


def main(rounds: int, seconds: float) -> None:
    """Measure, and print."""
    numbers = itertools.count(1)
    database = flow.open(":memory:")
    ways = of_skerry(numbers) | of_flows("Skerry", database, numbers)
    ways |= of_sqlite(numbers)
    opened = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    sqlite = flow.open(lambda: opened, max_size=1)
    ways |= of_flows("sqlite3", sqlite, numbers) | of_sqlalchemy(numbers) | of_django(numbers)
    stages = measured(of_stages(database), rounds, seconds)
    found = {
        "transactions": measured(ways, rounds, seconds),
        "stages": {name: time_us / STAGES for name, time_us in stages.items()},
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]))
