"""What durability costs, beside PostgreSQL and sqlite3: `make bench-durability`.

1. TPC-B by pgbench, every commit on the disk before it is acknowledged: rates, latencies, processor time.
2. Commits of one row, embedded, beside sqlite3 (WAL, synchronous=FULL).
3. COPY of a file into an empty table.
4. Restart: from starting the process until a row is found by key, after a clean stop and after kill -9.
5. Bytes per row, on the disk and in memory.
6. Latencies of a running TPC-B while a checkpoint is made.
7. A database of ten times the memory limit.

Everything stands on one file system, and PostgreSQL runs with fsync and synchronous_commit on, else as it comes.
Contenders take turns within each round; the figure is the median of the rounds.  The system's cache of files is warm
throughout.  After TPC-B the totals of balances and history are compared, after a restart the rows are counted: what
was committed and is not there fails the run.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from durable_servers import (
    Broken,
    Contender,
    PeakMemory,
    Python,
    SkerryServer,
    Transactions,
    disk_bytes,
    file_system,
    percentile,
    postgres,
    run_pgbench,
    scratch,
    skerry,
)
from run import HERE, machine, markdown_table, pgbench_program

MIB = 1 << 20
MODES = ("simple", "prepared")
CLIENTS = (1, 8)
TOTALS_DIFFER = (
    "SELECT count(*) FROM (SELECT sum(abalance) AS total FROM pgbench_accounts"
    " UNION ALL SELECT sum(tbalance) FROM pgbench_tellers UNION ALL SELECT sum(bbalance) FROM pgbench_branches"
    ") AS totals WHERE total <> (SELECT coalesce(sum(delta), 0) FROM pgbench_history)"
)
COLUMNS = "(aid int{}, bid int, abalance int, filler char(84))"
KEYED = COLUMNS.format(" PRIMARY KEY")

TAIL_SHARE = 0.9
"""The log that is replayed after the crash, of what makes a checkpoint due by itself."""
CHECKPOINT_BYTES = 64 * MIB
UPDATE_RECORD_BYTES = 105
"""About what one updated row takes in the log."""
TAIL_STATEMENT_ROWS = 20_000

LIMIT_TIMES = 10
LIMIT_ROW_BYTES = 1000
LIMIT_COPY_ROWS = 10_000


@dataclass(frozen=True)
class Plan:
    """How much to measure."""

    pgbench: str
    pythons: tuple[Python, ...]
    """The first is the one that is measured where only one is."""
    seconds: int
    rounds: int
    scale: int
    rows: int
    """Of the restart; COPY takes a fifth."""
    limit_mib: int

    @property
    def python(self) -> Python:
        """The interpreter that is measured where only one is."""
        return self.pythons[0]


@dataclass
class Section:
    """A part of the report."""

    title: str
    parts: list[str] = field(default_factory=list)

    def table(self, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Add a table."""
        self.parts.append(markdown_table(header, rows))

    def text(self) -> str:
        """In Markdown."""
        return "\n\n".join([f"## {self.title}", *self.parts])


def say(*what: object) -> None:
    """Tell who waits how far it is."""
    print(*what, file=sys.stderr, flush=True)


def median(values: Sequence[float]) -> float:
    """The median; 0 where nothing was measured."""
    return statistics.median(values) if values else 0.0


def beside(figures: Sequence[float], digits: int = 0) -> list[str]:
    """Figures, those after the first with their ratio to it."""
    first = figures[0]
    shown = [f"{first:,.{digits}f}"]
    for figure in figures[1:]:
        shown.append(f"{figure:,.{digits}f} ({figure / first:.2f})" if first else f"{figure:,.{digits}f}")
    return shown


def goal(what: str, is_met: bool) -> str:
    """A line of the report."""
    return f"Goal: {what}: {'met' if is_met else 'MISSED'}."


# --- data ----------------------------------------------------------------------------------------------------


def write_accounts(path: Path, first: int, count: int) -> None:
    """Rows like pgbench's accounts, for COPY; the filler is no blanks, which Skerry would not store."""
    with path.open("w") as file:
        for start in range(first, first + count, 10_000):
            end = min(start + 10_000, first + count)
            file.writelines(f"{aid}\t{aid % 10 + 1}\t0\t{aid:084d}\n" for aid in range(start, end))


def load_accounts(contender: Contender, rows: int, piece_rows: int = 1_000_000) -> None:
    """Fill `account`, a million rows at a time."""
    contender.execute("DROP TABLE IF EXISTS account", f"CREATE TABLE account {KEYED}")
    with scratch() as directory:
        path = directory / "rows"
        for first in range(1, rows + 1, piece_rows):
            write_accounts(path, first, min(piece_rows, rows + 1 - first))
            contender.copy_in("account", path)


def fill_pgbench(plan: Plan, contenders: Sequence[Contender]) -> None:
    """Make pgbench's tables."""
    for contender in contenders:
        subprocess.run(
            [plan.pgbench, "-i", "-q", "-s", str(plan.scale)],
            env=contender.environment,
            capture_output=True,
            check=True,
        )
        contender.execute("CHECKPOINT")


def check_totals(contenders: Sequence[Contender]) -> None:
    """Raise Broken where balances and history differ."""
    for contender in contenders:
        if contender.query(TOTALS_DIFFER) != "0":
            raise Broken(f"{contender.name}: totals differ from the history's")


# --- 1: TPC-B ------------------------------------------------------------------------------------------------


def measure_tpcb(plan: Plan, contenders: Sequence[Contender]) -> Section:
    """TPC-B in both modes, by one and by eight clients."""
    section = Section(f"TPC-B, scale {plan.scale}")
    rates, more = [], []
    for mode in MODES:
        for clients in CLIENTS:
            arguments = ["-M", mode, "-c", str(clients)]
            runs: list[list[Transactions]] = [[] for _ in contenders]
            for _ in range(plan.rounds):
                for contender, found in zip(contenders, runs, strict=True):
                    found.append(run_pgbench(plan.pgbench, contender, arguments, plan.seconds))
            what = [mode, str(clients)]
            figures = [median([run.rate for run in found]) for found in runs]
            rates.append([*what, *beside(figures)])
            more.append([*what, *(cell for found in runs for cell in _latency_cells(found))])
            say("TPC-B", *rates[-1], more[-1][2:])
    check_totals(contenders)
    names = [contender.name for contender in contenders]
    section.parts.append(
        "Transactions per second (more is better; in brackets the ratio to the first column):"
    )
    section.table(["mode", "clients", *names], rates)
    section.parts.append(
        "Latencies in ms, and processor time of the server (all its processes) per transaction in µs:"
    )
    header = [f"{name}: {what}" for name in names for what in ("p50", "p99", "CPU")]
    section.table(["mode", "clients", *header], more)
    return section


def _latency_cells(runs: Sequence[Transactions]) -> list[str]:
    p50 = median([percentile(run.latencies_ms, 0.50) for run in runs])
    p99 = median([percentile(run.latencies_ms, 0.99) for run in runs])
    return [f"{p50:.2f}", f"{p99:.2f}", f"{median([run.cpu_us for run in runs]):,.0f}"]


# --- 2: commits of one row -----------------------------------------------------------------------------------


def measure_commits(plan: Plan) -> Section:
    """Embedded inserts, each a commit."""
    runs = [("sqlite3", plan.python, 1)]
    for python in plan.pythons:
        runs += [("skerry", python, 1), ("skerry", python, 8)]
    found: list[list[dict[str, float]]] = [[] for _ in runs]
    for _ in range(plan.rounds):
        for (library, python, threads), results in zip(runs, found, strict=True):
            with scratch() as directory:
                arguments = ["commits", library, str(directory), str(threads), str(plan.seconds)]
                results.append(_in_process(python, arguments))
    rows = []
    first = median([result["rate"] for result in found[0]])
    for (library, python, threads), results in zip(runs, found, strict=True):
        name = library if library == "sqlite3" else python.name
        rate, p50, p99, cpu = (
            median([result[key] for result in results]) for key in ("rate", "p50_ms", "p99_ms", "cpu_us")
        )
        ratio = f"{rate:,.0f} ({rate / first:.2f})"
        rows.append([f"{name}, threads: {threads}", ratio, f"{p50:.2f}", f"{p99:.2f}", f"{cpu:,.0f}"])
        say("commits", *rows[-1])
    section = Section("Commits of one row, embedded")
    section.table(["who", "per second (ratio)", "p50 ms", "p99 ms", "CPU µs per commit"], rows)
    return section


def _in_process(python: Python, arguments: Sequence[str]) -> dict[str, float]:
    ran = subprocess.run(
        [python.program, str(HERE / "durable_embedded.py"), *arguments],
        env=python.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    if ran.returncode != 0:
        raise Broken(f"durable_embedded.py {' '.join(arguments)}: {ran.stderr[-2000:]}")
    found: dict[str, float] = json.loads(ran.stdout)
    return found


# --- 3: COPY -------------------------------------------------------------------------------------------------


def measure_copy(plan: Plan, contenders: Sequence[Contender]) -> Section:
    """COPY into a table without and with a primary key."""
    count = plan.rows // 5
    section = Section(f"COPY of {count:,} rows")
    rows = []
    is_met = True
    with scratch() as directory:
        path = directory / "rows"
        write_accounts(path, 1, count)
        for title, columns in (("no index", COLUMNS.format("")), ("primary key", KEYED)):
            taken: list[list[tuple[float, float, float]]] = [[] for _ in contenders]
            for _ in range(plan.rounds):
                for contender, found in zip(contenders, taken, strict=True):
                    found.append(_copy_once(contender, columns, path, count))
            rates = [median([count / seconds for seconds, _, _ in found]) for found in taken]
            cpu = [f"{median([cpu * 1e6 / count for _, cpu, _ in found]):.1f}" for found in taken]
            peak = max(peak for _, _, peak in taken[-1]) / MIB
            rows.append([title, *beside(rates), *cpu, f"{peak:,.0f}"])
            is_met = is_met and rates[-1] >= rates[0] / 2
            say("COPY", *rows[-1])
    names = [contender.name for contender in contenders]
    header = ["table", *names, *(f"{name}: CPU µs per row" for name in names), "Skerry's memory grew by MiB"]
    section.parts.append("Rows per second (more is better; in brackets the ratio to the first column).")
    section.table(header, rows)
    section.parts.append(goal("half of PostgreSQL's speed", is_met))
    return section


def _copy_once(contender: Contender, columns: str, path: Path, count: int) -> tuple[float, float, float]:
    """Seconds, the server's processor time, and by how much its memory grew at most."""
    contender.execute("DROP TABLE IF EXISTS copied", f"CREATE TABLE copied {columns}", "CHECKPOINT")
    before_bytes, before_s = contender.anonymous_bytes(), contender.cpu_s()
    with PeakMemory(contender.pid) as memory:
        taken_s = contender.copy_in("copied", path)
    cpu_s = contender.cpu_s() - before_s
    if contender.query("SELECT count(*) FROM copied") != str(count):
        raise Broken(f"{contender.name}: COPY lost rows")
    return taken_s, cpu_s, memory.peak_bytes - before_bytes


# --- 4 and 5: restart, and bytes per row ---------------------------------------------------------------------


def measure_restart(plan: Plan, server: SkerryServer) -> Section:
    """Start it again and again, stopped cleanly and killed.  `server` runs and has `account` filled."""
    section = Section(f"Restart with {plan.rows:,} rows")
    first_query = f"SELECT abalance FROM account WHERE aid = {plan.rows // 2}"
    stop_s = [server.stop()]
    clean_s, clean_open = [], []
    for _ in range(plan.rounds):
        clean_s.append(server.start(first_query))
        stop_s.append(server.stop())
        clean_open.append(_in_process(plan.python, ["open", str(server.directory)])["seconds"])
    server.start()
    updates = _make_tail(plan, server)
    server.kill()
    crash_s, crash_open = [], []
    for _ in range(plan.rounds):
        opened = _in_process(plan.python, ["open", str(server.directory)])
        crash_open.append(opened["seconds"])
        crash_s.append(server.start(first_query))
        server.kill()
    server.start()
    found = server.query("SELECT count(*) || ' ' || sum(abalance) FROM account")
    if found != f"{plan.rows} {updates}":
        raise Broken(f"after kill -9: rows and updates are {found}, not {plan.rows} {updates}")
    tail_mib = opened["replayed_bytes"] / MIB
    rows = [
        ["a clean stop", "0", f"{median(clean_s):.2f}", f"{median(clean_open):.2f}"],
        ["kill -9", f"{tail_mib:.1f}", f"{median(crash_s):.2f}", f"{median(crash_open):.2f}"],
    ]
    say("restart", rows)
    header = ["after", "log replayed, MiB", "until a row is found by key, s", "opening alone, s"]
    section.table(header, rows)
    section.parts.append(
        f"The first clean stop, with all those rows to write, took {stop_s[0]:.2f} s, later ones "
        f"{median(stop_s[1:]):.2f} s.  The log replayed has {updates:,} updated rows, of which the last few seconds' "
        "were committed one by one."
    )
    section.parts.append(goal("less than 2 s after a clean stop", max(clean_s) < 2))
    section.parts.append(goal("less than 10 s after a crash", max(crash_s) < 10))
    return section


def _make_tail(plan: Plan, server: SkerryServer) -> int:
    """Fill the log nearly up to where a checkpoint is due; the number of updated rows."""
    server.execute("CHECKPOINT")
    count = min(plan.rows, int(TAIL_SHARE * CHECKPOINT_BYTES / UPDATE_RECORD_BYTES))
    for first in range(1, count + 1, TAIL_STATEMENT_ROWS):
        last = min(first + TAIL_STATEMENT_ROWS - 1, count)
        server.execute(f"UPDATE account SET abalance = abalance + 1 WHERE aid BETWEEN {first} AND {last}")
    with scratch() as directory:
        script = directory / "update.sql"
        script.write_text(
            f"\\set aid random(1, {plan.rows})\nUPDATE account SET abalance = abalance + 1 WHERE aid = :aid;\n"
        )
        arguments = ["-M", "prepared", "-c", "8", "-f", str(script)]
        return count + len(run_pgbench(plan.pgbench, server, arguments, plan.seconds).ends_s)


def measure_bytes(plan: Plan, server: SkerryServer, other: Contender | None, empty_bytes: int) -> Section:
    """Bytes per row.  `server` has `account` filled and all of it in memory."""
    section = Section("Bytes per row, with a primary key")
    loaded_bytes = server.anonymous_bytes()
    server.execute("CHECKPOINT")
    settled_bytes = server.anonymous_bytes()
    base = disk_bytes(server.directory / "base") / plan.rows
    log = disk_bytes(server.directory / "log") / MIB
    memory = (loaded_bytes - empty_bytes) / plan.rows
    settled = (settled_bytes - empty_bytes) / plan.rows
    row = [f"{base:.0f}", f"{log:.0f}", f"{memory:.0f}", f"{settled:.0f}"]
    rows = [[server.name, f"{plan.rows:,}", *row]]
    if other is not None:
        count = plan.rows // 5
        load_accounts(other, count)
        size = int(other.query("SELECT pg_total_relation_size('account')") or 0) / count
        wal = disk_bytes(other.directory / "pg_wal") / MIB
        rows.insert(0, [other.name, f"{count:,}", f"{size:.0f}", f"{wal:.0f}", "", ""])
        other.execute("DROP TABLE account")
    say("bytes", rows)
    section.table(
        ["who", "rows", "on the disk", "log files, MiB", "in memory when loaded", "after a checkpoint"], rows
    )
    section.parts.append(
        f"A row is about 100 bytes of text for COPY.  Memory is anonymous memory above the empty server's "
        f"{empty_bytes / MIB:.0f} MiB, all rows being in memory."
    )
    return section


# --- 6: a checkpoint under load ------------------------------------------------------------------------------


def measure_checkpoint(plan: Plan, contenders: Sequence[Contender]) -> Section:
    """p99 of TPC-B while a checkpoint is made, and before it began."""
    section = Section("A checkpoint while eight clients run TPC-B")
    accounts = 100_000 * plan.scale
    without: list[list[float]] = [[] for _ in contenders]
    during: list[list[float]] = [[] for _ in contenders]
    taken_s: list[list[float]] = [[] for _ in contenders]
    for _ in range(plan.rounds):
        for number, contender in enumerate(contenders):
            # One row in eight: every page is dirty.
            contender.execute(
                "CHECKPOINT", "UPDATE pgbench_accounts SET abalance = abalance WHERE aid % 8 = 0"
            )
            times: list[float] = []
            run = _run_with_checkpoint(plan, contender, times)
            before = [ms for end_s, ms in _ended(run) if end_s < times[0]]
            within = [ms for end_s, ms in _ended(run) if times[0] <= end_s - ms / 1000 <= times[1] <= end_s]
            within += [ms for end_s, ms in _ended(run) if times[0] <= end_s <= times[1]]
            without[number] += before
            during[number] += within
            taken_s[number].append(times[1] - times[0])
    check_totals(contenders)
    rows = []
    for number, contender in enumerate(contenders):
        p99s = [percentile(without[number], 0.99), percentile(during[number], 0.99)]
        worst = max(during[number], default=0.0)
        ratio = p99s[1] / p99s[0] if p99s[0] else 0.0
        rows.append(
            [
                contender.name,
                f"{median(taken_s[number]):.2f}",
                *(f"{p99:.2f}" for p99 in p99s),
                f"{ratio:.2f}",
                f"{worst:.1f}",
                f"{len(without[number]):,}, {len(during[number]):,}",
            ]
        )
        say("checkpoint", *rows[-1])
    header = ["who", "checkpoint s", "p99 without, ms", "p99 during, ms", "ratio", "worst during, ms"]
    section.table([*header, "transactions without, during"], rows)
    section.parts.append(
        f"Before each checkpoint an eighth of {accounts:,} rows was updated, some on every page; then pgbench ran, and "
        "CHECKPOINT was given to a ninth session."
    )
    section.parts.append(goal("p99 during is less than 3 times p99 without", 0 < ratio < 3))
    return section


def _run_with_checkpoint(plan: Plan, contender: Contender, times: list[float]) -> Transactions:
    def checkpoint() -> None:
        time.sleep(plan.seconds / 2 + 0.5)
        times.append(time.time())
        contender.execute("CHECKPOINT")
        times.append(time.time())

    return run_pgbench(plan.pgbench, contender, ["-M", "prepared", "-c", "8"], 2 * plan.seconds, checkpoint)


def _ended(run: Transactions) -> list[tuple[float, float]]:
    return list(zip(run.ends_s, run.latencies_ms, strict=True))


# --- 7: ten times the memory limit ---------------------------------------------------------------------------

LIMIT_SCRIPTS = {
    "point reads": "\\set id random(1, {rows})\nSELECT n, body FROM large WHERE id = :id;\n",
    "ranges of 100 rows": "\\set id random(1, {rows} - 99)\n"
    "SELECT count(*), sum(length(body)) FROM large WHERE id BETWEEN :id AND :id + 99;\n",
    "updates": "\\set id random(1, {rows})\nUPDATE large SET n = n + 1 WHERE id = :id;\n",
}


def measure_limit(plan: Plan) -> Section:
    """A table of ten times the limit: loading, reading and updating it."""
    section = Section(f"A database of {LIMIT_TIMES} times --memory-limit {plan.limit_mib}MB")
    rows = LIMIT_TIMES * plan.limit_mib * MIB // LIMIT_ROW_BYTES
    table: list[list[str]] = []
    with skerry(plan.python, ["--memory-limit", f"{plan.limit_mib}MB"]) as server:
        began_s = time.perf_counter()
        with PeakMemory(server.pid) as memory:
            _load_large(server, rows)
        rate = f"{rows / (time.perf_counter() - began_s):,.0f} rows/s"
        table.append(_limit_row(plan, "COPY", rate, memory))
        server.execute("CHECKPOINT")
        size = disk_bytes(server.directory / "base")
        updates = 0
        for title, text in LIMIT_SCRIPTS.items():
            with scratch() as directory, PeakMemory(server.pid) as memory:
                script = directory / "script.sql"
                script.write_text(text.format(rows=rows))
                arguments = ["-M", "prepared", "-c", "4", "-f", str(script)]
                run = run_pgbench(plan.pgbench, server, arguments, plan.seconds)
            updates += len(run.ends_s) if title == "updates" else 0
            figures = f"{run.rate:,.0f}/s, p99 {percentile(run.latencies_ms, 0.99):.1f} ms"
            table.append(_limit_row(plan, f"{title}, 4 clients", figures, memory))
        with PeakMemory(server.pid) as memory:
            taken_s = server.execute("SELECT count(*), sum(n), max(length(body)) FROM large")
        table.append(_limit_row(plan, "aggregate of all rows", f"{taken_s:.1f} s", memory))
        if server.query("SELECT count(*) || ' ' || sum(n) FROM large") != f"{rows} {updates}":
            raise Broken("rows or updates are missing below the memory limit")
    section.table(["what", "how fast", "anonymous memory at most, MiB", "of the limit"], table)
    section.parts.append(
        f"{rows:,} rows; the base takes {size / MIB:,.0f} MiB, {size / MIB / plan.limit_mib:.1f} times the limit."
    )
    peaks = [float(row[2]) for row in table]
    section.parts.append(goal("no more anonymous memory than the limit", max(peaks) <= plan.limit_mib))
    return section


def _limit_row(plan: Plan, title: str, figures: str, memory: PeakMemory) -> list[str]:
    peak = memory.peak_bytes / MIB
    row = [title, figures, f"{peak:.0f}", f"{peak / plan.limit_mib:.2f}"]
    say("limit", *row)
    return row


def _load_large(server: SkerryServer, rows: int) -> None:
    server.execute("CREATE TABLE large (id int PRIMARY KEY, n int, body text)")
    with scratch() as directory:
        path = directory / "rows"
        for first in range(1, rows + 1, LIMIT_COPY_ROWS):
            with path.open("w") as file:
                last = min(first + LIMIT_COPY_ROWS - 1, rows)
                file.writelines(f"{number}\t0\t{number:0980d}\n" for number in range(first, last + 1))
            server.copy_in("large", path)


# --- the report ----------------------------------------------------------------------------------------------


def measure_servers(plan: Plan, only: frozenset[int], add: Callable[[int, Section], None]) -> str:
    """What is measured of servers side by side: sections 1, 3, 6, and 4 and 5.  Says on which file system."""
    with postgres() as other:
        device = None if other is None else file_system(other.directory)
        if only & {1, 3, 6}:
            _measure_side_by_side(plan, only, other, add)
        with skerry(plan.python) as server:
            empty_bytes = server.anonymous_bytes()
            if device is not None and file_system(server.directory) != device:
                raise Broken("PostgreSQL's directory and Skerry's are not on the same file system")
            kind = file_system(server.directory)[1]
            if only & {4, 5}:
                load_accounts(server, plan.rows)
            if 5 in only:
                add(5, measure_bytes(plan, server, other, empty_bytes))
            if 4 in only:
                add(4, measure_restart(plan, server))
    return kind


def _measure_side_by_side(
    plan: Plan, only: frozenset[int], other: Contender | None, add: Callable[[int, Section], None]
) -> None:
    with skerry(plan.python) as server:
        contenders = [server] if other is None else [other, server]
        if only & {1, 6}:
            fill_pgbench(plan, contenders)
        if 6 in only:
            add(6, measure_checkpoint(plan, contenders))
        if 1 in only:
            add(1, _measure_tpcb_of_all(plan, contenders))
        if 3 in only:
            add(3, measure_copy(plan, contenders))


def _measure_tpcb_of_all(plan: Plan, contenders: list[Contender]) -> Section:
    """TPC-B with the interpreted server, too, if the plan has one."""
    if len(plan.pythons) == 1:
        return measure_tpcb(plan, contenders)
    with skerry(plan.pythons[1]) as interpreted:
        fill_pgbench(plan, [interpreted])
        return measure_tpcb(plan, [*contenders, interpreted])


def measure(plan: Plan, only: frozenset[int]) -> tuple[str, dict[int, Section]]:
    """The type of the file system, and the sections asked for by number."""
    sections: dict[int, Section] = {}

    def add(number: int, section: Section) -> None:
        sections[number] = section
        say(f"{time.perf_counter() - began_s:.0f} s: section {number} is done")

    began_s = time.perf_counter()
    kind = measure_servers(plan, only, add)
    if 2 in only:
        add(2, measure_commits(plan))
    if 7 in only:
        add(7, measure_limit(plan))
    return kind, sections


def report(plan: Plan, kind: str, sections: dict[int, Section]) -> str:
    """The text of RESULTS-durability.md."""
    parts = [
        "# Results: durability",
        f"Written by `make bench-durability` on {datetime.now(UTC):%Y-%m-%d}: {machine()}, everything on one "
        f"{kind} file system.  PostgreSQL: fsync and synchronous_commit on, else as it comes.  Medians of "
        f"{plan.rounds} interleaved rounds of {plan.seconds} s.",
        *(sections[number].text() for number in sorted(sections)),
    ]
    notes = HERE / "NOTES-durability.md"
    if notes.exists():
        parts.append(notes.read_text(encoding="utf-8").rstrip())
    return "\n\n".join(parts) + "\n"


def _pythons(arguments: argparse.Namespace) -> tuple[Python, ...]:
    found = []
    if arguments.compiled_python:
        found.append(Python("Skerry compiled", arguments.compiled_python, True))
    if arguments.interpreted or not found:
        found.append(Python("Skerry", sys.executable, False))
    return tuple(found)


def main() -> int:
    """The command line.  1: something is broken."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--compiled-python", help="interpreter of an environment with the compiled wheel")
    parser.add_argument("--interpreted", action="store_true", help="TPC-B and commits interpreted, too")
    parser.add_argument("--output", type=Path, help="file to write; standard output without it")
    parser.add_argument("--quick", action="store_true", help="small sizes: does it all work?")
    parser.add_argument("--only", type=int, nargs="+", choices=range(1, 8), default=list(range(1, 8)))
    parser.add_argument("--seconds", type=int, help="length of one run (default 5)")
    parser.add_argument("--rounds", type=int, help="default 3")
    parser.add_argument("--rows", type=int, help="rows of the restart; COPY has a fifth (default 5,000,000)")
    parser.add_argument("--memory-limit", type=int, metavar="MIB", help="default 96")
    arguments = parser.parse_args()
    program = pgbench_program()
    if program is None:
        parser.error("pgbench is not installed here")
    quick = arguments.quick
    plan = Plan(
        program,
        _pythons(arguments),
        arguments.seconds or (1 if quick else 5),
        arguments.rounds or (1 if quick else 3),
        1 if quick else 10,
        arguments.rows or (50_000 if quick else 5_000_000),
        arguments.memory_limit or (80 if quick else 96),
    )
    try:
        kind, sections = measure(plan, frozenset(arguments.only))
    except Broken as problem:
        say(f"BROKEN {problem}")
        return 1
    text = report(plan, kind, sections)
    if arguments.output is None:
        print(text)
    else:
        arguments.output.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
