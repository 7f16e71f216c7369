"""Graph queries beside Grafeo and Ladybug: `make bench-graph`.

Every system runs in a process of its own (`graph_worker.py`) and holds the same graphs (`graph_data.py`): a random one
of 10,000 nodes and 100,000 edges, 100,000 nodes to filter and aggregate, and OpenFlights.  Before anything counts as
measured, every answer is compared with what plain Python makes of the same data; what differs or fails is shown as
such, without a time.  Systems take turns within each round; the figure is the median of the rounds' means.

Grafeo needs Python 3.12 or newer: it runs where such an interpreter is found, in a virtual environment in the user's
cache, which is made and filled from the package index on first use.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from graph_data import (
    HUB,
    ORIGIN,
    Graph,
    Size,
    airport_id,
    filtered,
    flights_graph,
    grouped,
    items,
    random_graph,
)
from run import HERE, machine, markdown_table

PACKAGES = ("grafeo", "ladybug")


class CannotRun(Exception):
    """A system can't be had here; the message says why."""


# --- interpreters -------------------------------------------------------------------------------------------------


def cache_directory() -> Path:
    """Where virtual environments of other systems are kept."""
    root = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(root) / "skerry-bench"


def interpreters() -> list[str]:
    """Pythons of 3.12 or newer, the newest last."""
    found = [sys.executable] if sys.version_info >= (3, 12) else []
    for minor in range(12, 20):
        program = shutil.which(f"python3.{minor}")
        found += [program] if program else []
        found += map(str, sorted(Path.home().glob(f".pyenv/versions/3.{minor}.*/bin/python")))
    # A version manager's stand-ins may stand for nothing.
    return [program for program in found if _imports(program, "venv")]


def python_with(package: str) -> str:
    """An interpreter that imports a package; raises CannotRun."""
    named = os.environ.get(f"SKERRY_BENCH_{package.upper()}_PYTHON")
    candidates = [named] if named else [sys.executable, str(cache_directory() / "venv" / "bin" / "python")]
    for candidate in candidates:
        if _imports(candidate, package):
            return candidate
    if named:
        raise CannotRun(f"{named} does not import {package}")
    return _made_environment(package)


def _imports(python: str, package: str) -> bool:
    if not Path(python).exists():
        return False
    return (
        subprocess.run([python, "-c", f"import {package}"], capture_output=True, check=False).returncode == 0
    )


def _made_environment(package: str) -> str:
    found = interpreters()
    if not found:
        raise CannotRun(
            f"no Python 3.12 or newer for {package}: SKERRY_BENCH_{package.upper()}_PYTHON can name one"
        )
    directory = cache_directory() / "venv"
    python = str(directory / "bin" / "python")
    if not Path(python).exists():
        subprocess.run([found[0], "-m", "venv", str(directory)], check=True)
    ran = subprocess.run(
        [python, "-m", "pip", "install", "--quiet", package], capture_output=True, text=True, check=False
    )
    if ran.returncode or not _imports(python, package):
        raise CannotRun(f"{package} can't be installed: {ran.stderr.strip()[-200:]}")
    return python


# --- systems ------------------------------------------------------------------------------------------------------


@dataclass
class Contender:
    """A system in its process."""

    title: str
    process: subprocess.Popen[str]

    def ask(self, task: dict[str, Any]) -> dict[str, Any]:
        """Give a task, wait for its answer.  A process that ends is an error of every later task."""
        assert self.process.stdin is not None and self.process.stdout is not None
        try:
            self.process.stdin.write(json.dumps(task) + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            return {"error": "the process has ended"}
        line = self.process.stdout.readline()
        answer: dict[str, Any] = json.loads(line) if line else {"error": "the process ended"}
        return answer


@contextmanager
def contender(title: str, python: str, system: str, *, from_tree: bool) -> Iterator[Contender]:
    """A worker process and its directory."""
    environment = dict(os.environ)
    if not from_tree:
        environment.pop("PYTHONPATH", None)
    with tempfile.TemporaryDirectory(prefix=f"skerry-bench-{system}-") as directory:
        process = subprocess.Popen(
            [python, str(HERE / "graph_worker.py"), system, directory],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        try:
            yield Contender(title, process)
        finally:
            if process.stdin is not None:
                process.stdin.close()
            try:
                process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                process.kill()


# --- tasks --------------------------------------------------------------------------------------------------------


@dataclass
class Task:
    """A row of the table: a statement with each of several lists of parameters, and the answers due."""

    name: str
    keys: list[list[Any]]
    answers: list[list[list[Any]]]
    note: str = ""


@dataclass
class Cell:
    """What was measured of a task and a system: means of the rounds, or why there is none."""

    rounds_us: list[float] = field(default_factory=list)
    problem: str = ""

    def text(self) -> str:
        """The median, or what is the matter."""
        if self.problem:
            return self.problem
        return f"{statistics.median(self.rounds_us):,.1f}" if self.rounds_us else "–"


def tasks(size: Size, count: int) -> list[Task]:
    """All tasks but those that write, with `count` keys where a single node is asked for."""
    source = random.Random(3)
    graph, flights, rows = random_graph(size), flights_graph(), items(size)
    nodes = [source.randrange(size.nodes) for _ in range(count)]
    names = {node["id"]: node["name"] for node in graph.nodes}
    few = nodes[: max(1, count // 10)]
    pairs = [(one, source.randrange(size.nodes)) for one in few]
    hub, origin = airport_id(flights, HUB), airport_id(flights, ORIGIN)
    airports = sorted(flights.out)[:: max(1, len(flights.out) // len(few))][: len(few)]
    connected = [(one, other) for one, other in pairs if one != other and graph.distance(one, other)]
    reached = [(origin, other) for other in airports if other != origin and flights.distance(origin, other)]
    return [
        Task("point look-up", [[node] for node in nodes], [[[names[node]]] for node in nodes]),
        _ends("1-hop", graph, nodes),
        _counts("2-hop", graph, nodes, 2, 2),
        _counts("1..3-hop", graph, few, 1, 3),
        Task("all 2-hops", [[]], [[[graph.all_two_hops()]]]),
        _distances("shortest path", graph, connected),
        Task("filter", [[750.0, 50]], [[[filtered(rows, 750.0, 50)]]], f"{size.items:,} nodes"),
        Task("aggregate", [[]], [grouped(rows)], f"{size.items:,} nodes"),
        _ends("flights: 1-hop", flights, [hub, *airports]),
        _counts("flights: 2-hop", flights, [hub, *airports], 2, 2),
        _distances("flights: shortest path", flights, reached),
    ]


def _ends(name: str, graph: Graph, nodes: Sequence[int]) -> Task:
    return Task(name, [[node] for node in nodes], [[[end] for end in graph.hop(node)] for node in nodes])


def _counts(name: str, graph: Graph, nodes: Sequence[int], low: int, high: int) -> Task:
    return Task(name, [[node] for node in nodes], [[[graph.walks(node, low, high)]] for node in nodes])


def _distances(name: str, graph: Graph, pairs: Sequence[tuple[int, int]]) -> Task:
    return Task(name, [list(pair) for pair in pairs], [[[graph.distance(*pair)]] for pair in pairs])


def inserts(name: str, round_number: int, count: int) -> Task:
    """Nodes to insert, others in each round."""
    first = round_number * count
    return Task(name, [[first + n, f"new {first + n}"] for n in range(count)], [[] for _ in range(count)])


# --- the run --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Plan:
    """How much to measure."""

    size_name: str
    size: Size
    keys: int
    inserts: int
    commits: int
    rounds: int


def measure(plan: Plan, contenders: Sequence[Contender]) -> tuple[list[Task], dict[tuple[str, str], Cell]]:
    """Check every task's answers on every system, then time the rounds."""
    rows = tasks(plan.size, plan.keys)
    cells: dict[tuple[str, str], Cell] = {}
    for row in rows:
        for each in contenders:
            cells[row.name, each.title] = Cell(problem=_check(each, row))
    for row in (
        inserts("insert", plan.rounds, plan.inserts),
        inserts("durable commit", plan.rounds, plan.commits),
    ):
        for each in contenders:  # plans follow what is there: the first of a kind makes them anew
            cells[row.name, each.title] = Cell(problem=_check(each, row))
            for read in rows:
                each.ask({"do": "measure", "name": read.name, "keys": read.keys})
    for number in range(plan.rounds):
        writes = [
            inserts("insert", number, plan.inserts),
            inserts("durable commit", number, plan.commits),
        ]
        for row in [*writes, *rows]:
            for each in contenders:
                cell = cells.setdefault((row.name, each.title), Cell())
                if not cell.problem:
                    _measure(each, row, cell)
        say(f"round {number + 1} of {plan.rounds} is done")
    return [*writes, *rows], cells


def _check(each: Contender, row: Task) -> str:
    """What is wrong with a system's answers; empty if nothing is."""
    answer = each.ask({"do": "measure", "name": row.name, "keys": row.keys})
    if "error" in answer:
        say(f"{each.title}: {row.name}: {answer['error']}")
        return "fails"
    wrong = [
        k for k, given, due in zip(row.keys, answer["answers"], row.answers, strict=True) if given != due
    ]
    if wrong:
        say(f"{each.title}: {row.name}: {len(wrong)} of {len(row.keys)} answers differ, first for {wrong[0]}")
        return "wrong"
    return ""


def _measure(each: Contender, row: Task, cell: Cell) -> None:
    answer = each.ask({"do": "measure", "name": row.name, "keys": row.keys})
    if "error" in answer:
        say(f"{each.title}: {row.name}: {answer['error']}")
        cell.problem = "fails"
    else:
        cell.rounds_us.append(answer["us"])


def say(*what: object) -> None:
    """Tell who waits how far it is."""
    print(*what, file=sys.stderr, flush=True)


# --- the report -----------------------------------------------------------------------------------------------------


def report(plan: Plan, contenders: Sequence[Contender], measured: Measured) -> str:
    """The text of RESULTS-graph.md."""
    rows, cells, loads, missing = measured.rows, measured.cells, measured.loads, measured.missing
    titles = [each.title for each in contenders]
    header = ["microseconds per statement", *titles, *(f"{titles[0]} / {title}" for title in titles[1:])]
    table = []
    for row in rows:
        found = [cells[row.name, title] for title in titles]
        name = f"{row.name} ({row.note})" if row.note else row.name
        table.append(
            [name, *(cell.text() for cell in found), *(_ratio(found[0], cell) for cell in found[1:])]
        )
    parts = [
        "# Results: graphs",
        f"Written by `make bench-graph` on {datetime.now(UTC):%Y-%m-%d}: {machine()}.  Medians of {plan.rounds} "
        f"interleaved rounds.  {plan.size.nodes:,} nodes, {plan.size.edges:,} edges; OpenFlights; {plan.size.items:,} "
        'nodes to aggregate.  Every answer was compared with plain Python\'s before it was timed: "wrong" is an answer '
        'that differed, "fails" an error.',
        markdown_table(header, table),
        "Durable commit: an INSERT into a database on disk, acknowledged.  Grafeo's commits from Python are not "
        "synced to the disk.",
        "Seconds to load, by each system's way of loading many: "
        + "; ".join(
            f"{title}: " + ", ".join(f"{what} {s:.2f}" for what, s in taken.items())
            for title, taken in loads.items()
        )
        + ".",
        *(f"Not measured: {problem}." for problem in missing),
    ]
    notes = HERE / "NOTES-graph.md"
    if notes.exists():
        parts.append(notes.read_text(encoding="utf-8").rstrip())
    return "\n\n".join(parts) + "\n"


def _ratio(first: Cell, other: Cell) -> str:
    if first.problem or other.problem or not first.rounds_us or not other.rounds_us:
        return ""
    return f"{statistics.median(first.rounds_us) / statistics.median(other.rounds_us):.2f}"


@dataclass
class Measured:
    """Everything that the report says."""

    rows: list[Task]
    cells: dict[tuple[str, str], Cell]
    loads: dict[str, dict[str, float]]
    missing: list[str]


def run(plan: Plan, pythons: Sequence[tuple[str, str, bool]]) -> str:
    """Start every system that can be had, load, check, measure."""
    missing: list[str] = []
    with ExitStack() as stack:
        started = [
            stack.enter_context(contender(title, python, "skerry", from_tree=from_tree))
            for title, python, from_tree in pythons
        ]
        for package in PACKAGES:
            try:
                python = python_with(package)
            except (CannotRun, subprocess.SubprocessError, OSError) as problem:
                missing.append(str(problem))
                continue
            started.append(
                stack.enter_context(contender(package.capitalize(), python, package, from_tree=False))
            )
        loads: dict[str, dict[str, float]] = {}
        for each in list(started):
            answer = each.ask({"do": "load", "size": plan.size_name})
            if "error" in answer:
                missing.append(f"{each.title}, loading: {answer['error']}")
                started.remove(each)
            else:
                loads[each.title] = answer["seconds"]
            say(f"{each.title} has loaded: {answer}")
        rows, cells = measure(plan, started)
        return report(plan, started, Measured(rows, cells, loads, missing))


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--compiled-python", help="interpreter of an environment with the compiled wheel")
    parser.add_argument("--interpreted", action="store_true", help="measure the interpreted build, too")
    parser.add_argument("--quick", action="store_true", help="small sizes: does it all work?")
    parser.add_argument("--rounds", type=int, help="default 5")
    parser.add_argument("--output", type=Path, help="file to write; standard output without it")
    options = parser.parse_args()
    pythons = [("Skerry compiled", options.compiled_python, False)] if options.compiled_python else []
    if options.interpreted or not pythons:
        pythons.append(("Skerry", sys.executable, True))
    if options.quick:
        plan = Plan("quick", Size.quick(), 20, 20, 5, options.rounds or 1)
    else:
        plan = Plan("full", Size(), 500, 1_000, 100, options.rounds or 5)
    text = run(plan, pythons)
    if options.output is None:
        print(text)
    else:
        options.output.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
