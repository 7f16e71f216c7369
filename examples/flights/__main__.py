"""Load OpenFlights and answer the questions.

    cd examples && python -m flights [DATABASE]

DATABASE is a directory or skerry://user@host:5433/db; by default everything stays in memory.
"""

from __future__ import annotations

import argparse
import time

import skerry
from flights.files import read_flights
from flights.load import load
from flights.questions import QUESTIONS


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m flights", description="OpenFlights as a graph.")
    parser.add_argument("database", nargs="?", default=":memory:", help="default: in memory")
    database = skerry.open(parser.parse_args().database)
    flights = read_flights()
    print(f"{len(flights.airports):,} airports, {len(flights.routes):,} routes between them", end="")
    print(f" ({flights.left_out} to airports unknown)")
    load(database, flights)
    for number, question in enumerate(QUESTIONS, start=1):
        print(f"\n{number}. {question.text}")
        began_s = time.perf_counter()
        result = database.execute(question.gql, question.parameters)
        names = [column.name for column in result.columns]
        for row in result:
            print("   ", ", ".join(f"{name}: {value}" for name, value in zip(names, row, strict=True)))
        print(f"    [{(time.perf_counter() - began_s) * 1000:,.1f} ms]")


if __name__ == "__main__":
    main()
