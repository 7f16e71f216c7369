"""Loads the files into tables, with a commit every 1,000 rows; run again after whatever stopped it, it goes on.

    cd examples && python -m flights.resumable DIRECTORY [--routes N]

Each row is stored under the number of its line.  A transaction has all of its rows or none, so what is committed is
always the first so many lines, and the next one is where to go on: nothing is lost, nothing comes twice, whenever the
process was killed.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from itertools import islice

from flights.files import Airport, Flights, Route, read_flights
from skerry import flow
from skerry.flow import FlowDatabase, FlowRun, each, stage

ROWS_PER_COMMIT = 1000

TABLES = """
    CREATE TABLE IF NOT EXISTS airport (
        line int PRIMARY KEY, id int NOT NULL UNIQUE, name text NOT NULL, country text NOT NULL, iata text
    );
    CREATE TABLE IF NOT EXISTS route (
        line int PRIMARY KEY, source int NOT NULL REFERENCES airport (id), target int NOT NULL REFERENCES airport (id),
        airline text NOT NULL, distance_km int NOT NULL
    )
"""


class Load:
    """The flow and its stages; `tell` hears every so often how many rows there are."""

    def __init__(self, db: FlowDatabase) -> None:
        self.db = db

    @stage
    def make_tables(self) -> None:
        """Nothing happens where they are."""
        self.db.execute(TABLES)

    @stage
    def loaded(self, table: str) -> int:
        """How many lines have been committed."""
        return int(str(self.db.execute(f"SELECT count(*) FROM {table}").scalar()))

    @stage(tx=True)
    def add_airport(self, numbered: tuple[int, Airport]) -> None:
        """One row."""
        line, airport = numbered
        self.db.execute(
            "INSERT INTO airport VALUES (%s, %s, %s, %s, %s)",
            (line, airport.id, airport.name, airport.country, airport.iata),
        )

    @stage(tx=True)
    def add_route(self, numbered: tuple[int, Route]) -> None:
        """One row."""
        line, route = numbered
        self.db.execute(
            "INSERT INTO route VALUES (%s, %s, %s, %s, %s)",
            (line, route.source, route.target, route.airline, route.distance_km),
        )

    @flow.flow()
    def run_all(self, airports: Sequence[Airport], routes: Sequence[Route]) -> None:
        """Whatever is not there yet."""
        self.make_tables()
        begun = self.loaded("airport")
        each(islice(enumerate(airports), begun, None), self.add_airport, commit_every=ROWS_PER_COMMIT)
        begun = self.loaded("route")
        each(
            islice(enumerate(routes), begun, None),
            self.add_route,
            commit_every=ROWS_PER_COMMIT,
            progress=lambda count: _tell(begun + count),
        )


def _tell(count: int) -> None:
    if count % 250 == 0:
        print(f"{count} routes", flush=True)


def load(db: FlowDatabase, flights: Flights, routes: int | None = None) -> FlowRun[None]:
    """Load what is missing; what it did."""
    return Load(db).run_all.run(list(flights.airports.values()), flights.routes[:routes])


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m flights.resumable", description="OpenFlights as tables.")
    parser.add_argument("database", help="a directory, or skerry://user@host:5433/db")
    parser.add_argument("--routes", type=int, help="the first so many only")
    options = parser.parse_args()
    with flow.open(options.database) as db:
        print(load(db, read_flights(), options.routes).report)


if __name__ == "__main__":
    main()
