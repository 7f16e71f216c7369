"""Benchmarks side by side, in one run: `make bench`.

1. pgbench against PostgreSQL, Skerry interpreted and Skerry compiled: SELECT-only and TPC-B, three query
   modes, 1 and 8 clients.
2. Embedded operations beside sqlite3, interpreted and compiled (`embedded.py` in a process per measurement).
3. A profile of where an embedded point read and insert spend their time, interpreted.

Contenders take turns within each round, so that a slow minute of the machine hits all of them; the figure is
the median of the rounds.  PostgreSQL runs with fsync off, as Skerry keeps nothing yet: both commit to memory.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "tests"))

from support.postgres_server import Address, NoPostgres, postgres_server  # noqa: E402
from support.skerry_process import skerry_process  # noqa: E402

MODES = ("simple", "extended", "prepared")
CLIENTS = (1, 8)
SCRIPTS = {"SELECT only": ["-S"], "TPC-B": []}


@dataclass(frozen=True)
class Contender:
    """A server that pgbench runs against."""

    name: str
    address: Address


@dataclass(frozen=True)
class Settings:
    """How much to measure."""

    seconds: int
    rounds: int
    interpreted: str
    compiled: str | None


def pgbench_program() -> str | None:
    """pgbench from the path, or from a PostgreSQL installation."""
    found = shutil.which("pgbench")
    if found is not None:
        return found
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/pgbench"))
    return str(installed[-1]) if installed else None


@contextmanager
def servers(settings: Settings) -> Iterator[list[Contender]]:
    """Every server that can be had here."""
    with ExitStack() as stack:
        found = []
        try:
            found.append(Contender("PostgreSQL", stack.enter_context(postgres_server())))
        except NoPostgres as problem:
            print(f"no PostgreSQL to compare with: {problem}", file=sys.stderr)
        found.append(Contender("Skerry", stack.enter_context(skerry_process(python=settings.interpreted))))
        if settings.compiled is not None:
            address = stack.enter_context(skerry_process(python=settings.compiled))
            found.append(Contender("Skerry compiled", address))
        yield found


def pgbench(program: str, contender: Contender, arguments: Sequence[str]) -> str:
    """Run pgbench; its standard output."""
    ran = subprocess.run(
        [program, *arguments],
        env={**os.environ, **contender.address.environment()},
        capture_output=True,
        text=True,
        check=False,
    )
    if ran.returncode != 0:
        raise RuntimeError(f"pgbench {' '.join(arguments)} on {contender.name}: {ran.stderr[-1000:]}")
    return ran.stdout


def measure_pgbench(program: str, contenders: Sequence[Contender], settings: Settings) -> list[list[str]]:
    """Rows of a table: script, mode, clients, transactions per second of each, ratio to the first."""
    for contender in contenders:
        pgbench(program, contender, ["-i", "-q", "-s", "1"])
    table = []
    for title, script in SCRIPTS.items():
        for mode in MODES:
            for clients in CLIENTS:
                arguments = ["-n", *script, "-M", mode, "-c", str(clients), "-T", str(settings.seconds)]
                rates = _rates(program, contenders, arguments, settings.rounds)
                table.append([title, mode, str(clients), *_with_ratios(rates)])
                print("pgbench", title, mode, clients, [round(rate) for rate in rates], file=sys.stderr)
    return table


def _rates(program: str, contenders: Sequence[Contender], arguments: list[str], rounds: int) -> list[float]:
    taken: list[list[float]] = [[] for _ in contenders]
    for _ in range(rounds):
        for contender, rates in zip(contenders, taken, strict=True):
            output = pgbench(program, contender, arguments)
            match = re.search(r"tps = ([\d.]+)", output)
            if match is None:
                raise RuntimeError(f"no rate in pgbench's output: {output}")
            rates.append(float(match[1]))
    return [statistics.median(rates) for rates in taken]


def _with_ratios(rates: Sequence[float]) -> list[str]:
    first = rates[0]
    return [f"{first:,.0f}", *(f"{rate:,.0f} ({rate / first:.2f})" for rate in rates[1:])]


def measure_embedded(settings: Settings) -> list[list[str]]:
    """Rows of a table: operation, microseconds each in sqlite3, Skerry, Skerry compiled,
    with ratios to sqlite3."""
    runs = [("sqlite3", settings.interpreted), ("skerry", settings.interpreted)]
    if settings.compiled is not None:
        runs.append(("skerry", settings.compiled))
    taken: list[list[dict[str, float]]] = [[] for _ in runs]
    for _ in range(settings.rounds):
        for (library, python), results in zip(runs, taken, strict=True):
            results.append(_run_embedded(python, library))
    table = []
    for operation in taken[0][0]:
        medians = [statistics.median(result[operation] for result in results) for results in taken]
        ratios = [f"{value:,.1f} ({value / medians[0]:.1f}x)" for value in medians[1:]]
        table.append([operation, f"{medians[0]:,.1f}", *ratios])
    return table


def _run_embedded(python: str, library: str) -> dict[str, float]:
    ran = subprocess.run(
        [python, str(HERE / "embedded.py"), library], capture_output=True, text=True, check=True, cwd=HERE
    )
    found: dict[str, float] = json.loads(ran.stdout)
    return found


def profile(settings: Settings) -> str:
    """The top of a profile of point reads and inserts."""
    ran = subprocess.run(
        [settings.interpreted, str(HERE / "embedded.py"), "profile"],
        capture_output=True,
        text=True,
        check=True,
    )
    return ran.stdout.rstrip()


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown, numbers to the right."""
    lines = ["| " + " | ".join(header) + " |", "|" + "|".join(["---"] + ["---:"] * (len(header) - 1)) + "|"]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines)


def machine() -> str:
    """What it ran on."""
    cpus = os.cpu_count()
    version = platform.python_version()
    return f"{platform.system()} {platform.machine()}, {cpus} cores, CPython {version}"


def report(settings: Settings) -> str:
    """Measure everything; the text of RESULTS.md."""
    names = ["Skerry", "Skerry compiled"] if settings.compiled is not None else ["Skerry"]
    parts = [
        "# Results",
        f"Written by `make bench` on {datetime.now(UTC):%Y-%m-%d}: {machine()}.  Medians of {settings.rounds} "
        f"interleaved rounds of {settings.seconds} s; in brackets the ratio to the first column.",
    ]
    program = pgbench_program()
    if program is None:
        parts.append("pgbench is not installed here: no server figures.")
    else:
        with servers(settings) as contenders:
            rows = measure_pgbench(program, contenders, settings)
            header = ["script", "mode", "clients", *(contender.name for contender in contenders)]
        parts += ["## pgbench, transactions per second (more is better)", markdown_table(header, rows)]
    parts += [
        "## Embedded, microseconds per operation (less is better)",
        markdown_table(["operation", "sqlite3", *names], measure_embedded(settings)),
        "## Where the time goes: 10,000 point reads and 10,000 inserts, embedded, interpreted",
        f"```\n{profile(settings)}\n```",
    ]
    notes = HERE / "NOTES.md"
    if notes.exists():
        parts.append(notes.read_text(encoding="utf-8").rstrip())
    return "\n\n".join(parts) + "\n"


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--compiled-python", help="interpreter of an environment with the compiled wheel")
    parser.add_argument("--output", type=Path, help="file to write; standard output without it")
    parser.add_argument("--seconds", type=int, default=5, help="length of one pgbench run")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    settings = Settings(arguments.seconds, arguments.rounds, sys.executable, arguments.compiled_python)
    text = report(settings)
    if arguments.output is None:
        print(text)
    else:
        arguments.output.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
