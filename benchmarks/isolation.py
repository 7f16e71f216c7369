"""What isolation costs, beside PostgreSQL at the same level: `make bench-isolation`.

Every workload (`workloads.py`) runs at every level under low and high contention, by pgbench, which runs a
transaction again when it was refused (40001, 40P01), up to ten times.  Figures per cell:

- committed transactions per second, the median of the rounds;
- of all attempts, how many in a hundred were refused, over all rounds;
- of all transactions, how many were given up after ten attempts.  (Without that bound an attempt of a client
  that never succeeds would not be counted at all: pgbench counts a transaction when it ends.)

Contenders take turns within each round and start from the same fresh tables; PostgreSQL runs with fsync off.
After every round what the level guarantees is checked in the tables; a broken guarantee, a failed or a
hanging pgbench fails the whole run.  What a weaker level lets through is counted and shown: where that is 0,
the same workload at SERIALIZABLE has shown nothing.
"""

from __future__ import annotations

import argparse
import os
import re
import statistics
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from run import HERE, Contender, Settings, machine, markdown_table, pgbench_program, servers
from support.wire_client import WireClient
from workloads import LEVELS, WORKLOADS, Group, Level, Workload

SCRIPTS = HERE / "scripts"
MAX_TRIES = 10
HANGS_AFTER_S = 60
"""A pgbench that is so much later than it was told to end hangs."""


@dataclass(frozen=True)
class Plan:
    """How much to measure."""

    program: str
    seconds: int
    rounds: int
    workloads: tuple[Workload, ...]
    levels: frozenset[str]


@dataclass(frozen=True)
class Sample:
    """What one pgbench counted."""

    rate: float
    """Committed transactions per second."""
    committed: int
    refused: int
    """Attempts that ended in 40001 or 40P01."""
    given_up: int
    """Transactions all of whose attempts were refused."""


@dataclass
class Cell:
    """One contender's figures for one workload, contention, level and group."""

    samples: list[Sample] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Committed transactions per second: the median."""
        return statistics.median(sample.rate for sample in self.samples)

    @property
    def refusals(self) -> str:
        """The shares of attempts that were refused and of transactions that were given up."""
        committed = sum(sample.committed for sample in self.samples)
        refused = sum(sample.refused for sample in self.samples)
        given_up = sum(sample.given_up for sample in self.samples)
        text = f"{refused / max(1, committed + refused):.1%}"
        return f"{text}, {given_up / (committed + given_up):.1%} given up" if given_up else text


class Broken(Exception):
    """A guarantee of the level does not hold, or a server or pgbench fails; the message says where."""


# --- one round of one contender ---------------------------------------------------------------------------------------


def start(
    plan: Plan, contender: Contender, level: Level, group: Group, variables: dict[str, int]
) -> subprocess.Popen[str]:
    """Start the group's pgbench."""
    options = "-c default_transaction_isolation=" + level.name.replace(" ", "\\ ")
    if level.readers_say_so and group.only_reads:
        options += " -c default_transaction_read_only=on"
    arguments = [plan.program, "-n", "-M", "prepared", "-c", str(group.clients), "-T", str(plan.seconds)]
    arguments.append(f"--max-tries={MAX_TRIES}")
    for name, value in variables.items():
        arguments += ["-D", f"{name}={value}"]
    for script in group.scripts:
        arguments += ["-f", str(SCRIPTS / f"{script}.sql")]
    return subprocess.Popen(
        arguments,
        env={**os.environ, **contender.address.environment(), "PGOPTIONS": options},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run_groups(
    plan: Plan,
    contender: Contender,
    level: Level,
    groups: Sequence[Group],
    variables: dict[str, int],
    where: str,
) -> list[Sample]:
    """Run all groups at once; a sample of each.  Raises Broken."""
    started = [start(plan, contender, level, group, variables) for group in groups]
    try:
        return [finish(plan, process, f"{contender.name}: {where}") for process in started]
    finally:
        for process in started:
            if process.poll() is None:
                process.kill()
                process.communicate()


def finish(plan: Plan, process: subprocess.Popen[str], where: str) -> Sample:
    """Wait for a pgbench and read its figures.  Raises Broken when it fails or hangs."""
    try:
        output, errors = process.communicate(timeout=plan.seconds + HANGS_AFTER_S)
    except subprocess.TimeoutExpired:
        raise Broken(f"{where}: pgbench hangs") from None
    if process.returncode != 0:
        raise Broken(f"{where}: pgbench failed: {errors[-1000:]}")
    committed = int(_figure(r"transactions actually processed: (\d+)", output))
    failed = int(_figure(r"number of failed transactions: (\d+)", output))
    retries = int(_figure(r"total number of retries: (\d+)", output))
    return Sample(float(_figure(r"tps = ([\d.]+)", output)), committed, failed + retries, failed)


def _figure(pattern: str, output: str) -> str:
    match = re.search(pattern, output)
    if match is None:
        raise Broken(f"no {pattern!r} in pgbench's output: {output}")
    return match[1]


def query(contender: Contender, text: str) -> str | None:
    """Run one statement; the first value of its result, if there is one.  Raises Broken."""
    client = WireClient(contender.address)
    try:
        outcome = client.query(text)
    finally:
        client.close()
    if outcome.error is not None:
        raise Broken(f"{contender.name}: {outcome.error['C']} {outcome.error['M']} in {text}")
    return outcome.rows[0][0] if outcome.rows else None


# --- cells ------------------------------------------------------------------------------------------------------------


@dataclass
class Findings:
    """All that a run found out."""

    rates: dict[str, list[list[str]]] = field(default_factory=dict)
    """Rows of one table for each workload's title."""
    let_through: list[list[str]] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)


def measure(plan: Plan, contenders: Sequence[Contender]) -> Findings:
    """Every workload, contention and level that the plan asks for."""
    findings = Findings()
    for workload in plan.workloads:
        rows = findings.rates.setdefault(workload.title, [])
        for contention in workload.contention:
            for level in workload.levels:
                if level.name in plan.levels:
                    cells = measure_level(plan, contenders, workload, contention, level, findings)
                    rows += table_rows(workload, contention, level, cells)
    return findings


def measure_level(
    plan: Plan,
    contenders: Sequence[Contender],
    workload: Workload,
    contention: str,
    level: Level,
    findings: Findings,
) -> list[list[Cell]]:
    """The cells of one level: for each group, one for each contender."""
    where = f"{workload.title}, {contention} contention, {level.title}"
    for contender in contenders:
        for statement in workload.setup:
            query(contender, statement)
    cells = [[Cell() for _ in contenders] for _ in workload.groups]
    variables = {**workload.variables, **workload.contention[contention]}
    for _ in range(plan.rounds):
        for number, contender in enumerate(contenders):
            samples = run_groups(plan, contender, level, workload.groups, variables, where)
            for sample, group_cells in zip(samples, cells, strict=True):
                group_cells[number].samples.append(sample)
    check(contenders, workload, contention, level, findings)
    for group, group_cells in zip(workload.groups, cells, strict=True):
        figures = [f"{cell.rate:.0f}/s {cell.refusals}" for cell in group_cells]
        print(where, group.title, *figures, file=sys.stderr, sep="  ", flush=True)
    return cells


def check(
    contenders: Sequence[Contender], workload: Workload, contention: str, level: Level, findings: Findings
) -> None:
    """Count what should not have happened: broken where the level promises it, else let through."""
    for invariant in workload.invariants:
        counts = [int(query(contender, invariant.count) or 0) for contender in contenders]
        if level.strength < invariant.holds_from:
            row = [workload.title, invariant.title, contention, level.title]
            findings.let_through.append([*row, *(f"{count:,}" for count in counts)])
            continue
        for contender, count in zip(contenders, counts, strict=True):
            if count:
                findings.broken.append(
                    f"{contender.name}: {workload.title}, {contention} contention, {level.title}: "
                    f"{invariant.title}: {count}"
                )
                print("BROKEN", findings.broken[-1], file=sys.stderr, flush=True)


# --- the report -------------------------------------------------------------------------------------------------------


def table_rows(workload: Workload, contention: str, level: Level, cells: list[list[Cell]]) -> list[list[str]]:
    """A row for each group: rates with their ratio to the first contender's, then shares refused."""
    rows = []
    for group, group_cells in zip(workload.groups, cells, strict=True):
        first = group_cells[0].rate
        title = f"{contention}, {group.title}" if group.title else contention
        row = [title, level.title, f"{first:,.0f}"]
        for cell in group_cells[1:]:
            row.append(f"{cell.rate:,.0f} ({cell.rate / first:.2f})" if first else f"{cell.rate:,.0f}")
        rows.append(row + [cell.refusals for cell in group_cells])
    return rows


def report(plan: Plan, names: Sequence[str], findings: Findings) -> str:
    """The text of RESULTS-isolation.md."""
    header = ["contention", "level", *names, *(f"refused: {name}" for name in names)]
    parts = [
        "# Results: isolation levels",
        f"Written by `make bench-isolation` on {datetime.now(UTC):%Y-%m-%d}: {machine()}.  Committed "
        f"transactions per second, the median of {plan.rounds} interleaved rounds of {plan.seconds} s (more is "
        "better; in brackets the ratio to the first column); then the share of all attempts that were refused with "
        f"40001 or 40P01, and of transactions that were given up after {MAX_TRIES} attempts.",
    ]
    for title, rows in findings.rates.items():
        parts += [f"## {title}", markdown_table(header, rows)]
    if findings.let_through:
        parts += [
            "## What weaker levels let through, times in all rounds",
            markdown_table(["workload", "what", "contention", "level", *names], findings.let_through),
        ]
    parts += ["## Broken guarantees", "\n".join(f"- {text}" for text in findings.broken) or "None."]
    notes = HERE / "NOTES-isolation.md"
    if notes.exists():
        parts.append(notes.read_text(encoding="utf-8").rstrip())
    return "\n\n".join(parts) + "\n"


def main() -> int:
    """The command line.  1: something was broken."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--compiled-python", help="interpreter of an environment with the compiled wheel")
    parser.add_argument("--only-compiled", action="store_true", help="leave the interpreted server out")
    parser.add_argument("--output", type=Path, help="file to write; standard output without it")
    parser.add_argument("--seconds", type=int, default=3, help="length of one pgbench run")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workloads", nargs="+", choices=WORKLOADS, default=list(WORKLOADS))
    names = [level.name for level in LEVELS]
    parser.add_argument("--levels", nargs="+", choices=names, default=names)
    arguments = parser.parse_args()
    program = pgbench_program()
    if program is None:
        parser.error("pgbench is not installed here")
    plan = Plan(
        program,
        arguments.seconds,
        arguments.rounds,
        tuple(WORKLOADS[name] for name in arguments.workloads),
        frozenset(arguments.levels),
    )
    settings = Settings(plan.seconds, plan.rounds, sys.executable, arguments.compiled_python)
    with servers(settings) as contenders:
        if arguments.only_compiled:
            contenders = [contender for contender in contenders if contender.name != "Skerry"]
        try:
            findings = measure(plan, contenders)
        except Broken as problem:
            print(problem, file=sys.stderr)
            return 1
    text = report(plan, [contender.name for contender in contenders], findings)
    if arguments.output is None:
        print(text)
    else:
        arguments.output.write_text(text, encoding="utf-8")
    return 1 if findings.broken else 0


if __name__ == "__main__":
    sys.exit(main())
