"""What flows cost: `make bench-flows`.

A transaction of three single-row inserts in memory, written by hand, as a flow of stages, as a block and as a workflow
of nodes, on Skerry and on SQLite, beside plain sqlite3, SQLAlchemy Core and Django's atomic; and a stage that does
nothing.  All in one process (`flows_worker.py`), in turns; one process for each build of Skerry.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from run import HERE, machine, markdown_table

GOALS_US = {"a transactional stage": 100.0, "Skerry, workflow of three nodes": 300.0}
"""What a stage, and a workflow of three inserts, may cost beyond the statements."""

Times = Mapping[str, Mapping[str, float]]


def measure(python: str, rounds: int, seconds: float) -> Times:
    """Times by kind and name, in microseconds."""
    command = [python, str(HERE / "flows_worker.py"), str(rounds), str(seconds)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    found: Times = json.loads(done.stdout)
    return found


def baseline(name: str) -> str:
    """The way by hand that a way is compared with."""
    return "Skerry" if name.startswith("Skerry") else "sqlite3"


def transactions_table(builds: Mapping[str, Times]) -> str:
    """Times of three inserts, and how much of it is not those of the same statements by hand."""
    header = ["three inserts, one transaction; microseconds"]
    for build in builds:
        header += [build, "beyond by hand"]
    rows = []
    for name in next(iter(builds.values()))["transactions"]:
        row = [name]
        for times in builds.values():
            found = times["transactions"]
            beyond = found[name] - found[baseline(name)]
            row += [f"{found[name]:,.1f}", "" if name == baseline(name) else f"{beyond:,.1f}"]
        rows.append(row)
    return markdown_table(header, rows)


def stages_table(builds: Mapping[str, Times]) -> str:
    """What calls of what does nothing cost."""
    header = ["that does nothing; microseconds a call", *builds]
    names = next(iter(builds.values()))["stages"]
    rows = [[name, *(f"{times['stages'][name]:,.2f}" for times in builds.values())] for name in names]
    return markdown_table(header, rows)


def misses(builds: Mapping[str, Times]) -> list[str]:
    """Which goals are not met, in words."""
    found = []
    for build, times in builds.items():
        transactions = times["transactions"]
        costs = {
            "a transactional stage": times["stages"]["a transactional stage"],
            "Skerry, workflow of three nodes": transactions["Skerry, workflow of three nodes"]
            - transactions["Skerry"],
        }
        found += [
            f"{build}: {name} costs {cost:,.0f} us, more than {GOALS_US[name]:,.0f}"
            for name, cost in costs.items()
            if cost > GOALS_US[name]
        ]
    return found


def report(builds: Mapping[str, Times], rounds: int, seconds: float) -> str:
    """The text of RESULTS-flows.md."""
    goals = "; ".join(misses(builds)) or "Both goals are met: 100 us for a stage, 300 us for such a workflow."
    notes = HERE / "NOTES-flows.md"
    parts = [
        "# Results: flows",
        f"Written by `make bench-flows` on {datetime.now(UTC):%Y-%m-%d}: {machine()}.  Medians of {rounds} interleaved"
        f" rounds of {seconds:g} s, everything in memory and in one process.",
        transactions_table(builds),
        stages_table(builds),
        goals,
        notes.read_text(encoding="utf-8").rstrip(),
    ]
    return "\n\n".join(parts) + "\n"


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="What flows cost.")
    parser.add_argument("--compiled-python", help="an interpreter that has Skerry compiled")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=0.2, help="of each way in each round")
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    pythons = {"Skerry": sys.executable}
    if options.compiled_python:
        pythons["Skerry compiled"] = options.compiled_python
    builds = {name: measure(python, options.rounds, options.seconds) for name, python in pythons.items()}
    text = report(builds, options.rounds, options.seconds)
    if options.output is None:
        print(text)
    else:
        options.output.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
