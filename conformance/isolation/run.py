"""Runs PostgreSQL's isolation specs against a live Skerry, and against a live PostgreSQL beside it.

    python conformance/isolation/run.py [--specs DIR] [--isolationtester FILE] [--only NAME …] [--no-scores]

isolationtester is PostgreSQL's own; each spec runs in a database of its own, with the settings that PostgreSQL's
test driver gives.  A spec passes

    by text      when Skerry's transcript is one of PostgreSQL's expected ones, or the live PostgreSQL's;
    by outcome   when a ruling says why the text can't be equal, and the outcomes are (outcome.py).

Anything else is a listed refusal, a listed failure, or a surprise.  Surprises make the run fail: also a listed spec
that does better than its entry says.  Where isolationtester or the specs can't be had, the run says so and fails.
Writes ../results/isolation.json and ../SCORES.md, from what was measured.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent.parent / "tests")]

from scores import Failure, SuiteScore, write_result, write_scores  # noqa: E402
from support.postgres_server import Address, NoPostgres, postgres_server  # noqa: E402
from support.skerry_process import skerry_process  # noqa: E402
from support.wire_client import WireClient  # noqa: E402

from isolation.outcome import compare_outcomes  # noqa: E402
from isolation.rulings import FAILING, OUTCOME, REFUSED, TEXT, Ruling, Rulings  # noqa: E402
from isolation.serial import not_serializable, serial_permutations  # noqa: E402
from isolation.spec import parse_spec  # noqa: E402
from isolation.specs_source import NoSpecs, find_specs  # noqa: E402
from isolation.transcript import TranscriptError, parse_transcript  # noqa: E402

STEP_TIMEOUT_S = 10
TEARDOWN_TIMEOUT_S = 15
SPEC_TIMEOUT_S = 300
DRIVER_ENVIRONMENT = {
    "PGDATESTYLE": "Postgres, MDY",
    "PGTZ": "PST8PDT",
    # Later than STEP_TIMEOUT_S, so that it ends teardowns only, which isolationtester itself never gives up.
    "PGOPTIONS": f"-c intervalstyle=postgres_verbose -c lock_timeout={TEARDOWN_TIMEOUT_S * 1000}",
    "PGISOLATIONTIMEOUT": str(STEP_TIMEOUT_S),
}
POSTGRES_SETTINGS = {"max_prepared_transactions": "10"}
SURPRISE = "surprise"


class CannotRun(Exception):
    """Something that the run needs is missing; the message says what."""


@dataclass(frozen=True)
class Verdict:
    """What was measured of one spec.  `kind` is text, outcome, refused, failing or surprise."""

    name: str
    kind: str
    postgres_passes: bool | None
    detail: str = ""


class Runner:
    """Runs specs with one isolationtester."""

    def __init__(self, tester: Path, suite: Path, keep: Path | None = None) -> None:
        self._tester = tester
        self._suite = suite
        self._keep = keep

    def names(self) -> list[str]:
        """Every spec of the suite."""
        return sorted(path.stem for path in (self._suite / "specs").glob("*.spec"))

    def spec_text(self, name: str) -> str:
        """A spec file's text."""
        return (self._suite / "specs" / f"{name}.spec").read_text()

    def expected(self, name: str) -> list[str]:
        """PostgreSQL's expected transcripts: the main one and its alternatives."""
        paths = sorted((self._suite / "expected").glob(f"{name}*.out"))
        wanted = re.compile(re.escape(name) + r"(_\d)?")
        return [path.read_text() for path in paths if wanted.fullmatch(path.stem)]

    def transcript(self, address: Address, name: str, text: str, kept_as: str) -> str:
        """Run a spec's text in a database of its own; what isolationtester printed.  `kept_as` ends the name of
        the file in which it is kept, if it is."""
        found = self._run(address, name, text)
        if self._keep is not None:
            self._keep.mkdir(parents=True, exist_ok=True)
            (self._keep / f"{name}.{kept_as}").write_text(found)
        return found

    def _run(self, address: Address, name: str, text: str) -> str:
        with _own_database(address) as database:
            environment = {
                **os.environ,
                **address.environment(),
                **DRIVER_ENVIRONMENT,
                "PGDATABASE": database,
                "PGAPPNAME": f"isolation/{name}",
            }
            try:
                ran = subprocess.run(
                    [str(self._tester), f"dbname={database}"],
                    input=text.encode(),
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    env=environment,
                    timeout=SPEC_TIMEOUT_S,
                    check=False,
                )
            except subprocess.TimeoutExpired as late:
                printed = late.stdout or b""
                return f"{printed.decode()}\n(not done after {SPEC_TIMEOUT_S} s)\n"
        return ran.stdout.decode()


@contextmanager
def _own_database(address: Address) -> Iterator[str]:
    """A new database, dropped afterwards.  Its connection settings are PostgreSQL's test driver's."""
    name = "isolation_regression"
    client = WireClient(address)
    try:
        for text in (f"DROP DATABASE IF EXISTS {name}", f"CREATE DATABASE {name} TEMPLATE template0"):
            error = client.query(text).error
            if error is not None:
                raise CannotRun(f"{text}: {error['M']}")
        yield name
        client.query(f"DROP DATABASE IF EXISTS {name}")
    finally:
        client.close()


def judge(runner: Runner, name: str, ruling: Ruling, skerry: Address, postgres: Address | None) -> Verdict:
    """Run one spec and compare."""
    text = runner.spec_text(name)
    expected = runner.expected(name)
    live = None if postgres is None else runner.transcript(postgres, name, text, "postgres")
    postgres_passes = None if live is None else live in expected
    ours = runner.transcript(skerry, name, text, "skerry")
    if ours in expected or ours == live:
        if ruling.kind == TEXT:
            return Verdict(name, TEXT, postgres_passes)
        return Verdict(name, SURPRISE, postgres_passes, f"agrees by text, but is listed as {ruling.kind}")
    if ruling.kind == OUTCOME:
        differences = _compare_outcomes(runner, name, ruling, skerry, postgres)
        if not differences:
            return Verdict(name, OUTCOME, postgres_passes, ruling.reason)
        return Verdict(name, SURPRISE, postgres_passes, f"outcome differs: {differences[0]}")
    if ruling.kind == REFUSED:
        if ruling.says in ours:
            return Verdict(name, REFUSED, postgres_passes, ruling.reason)
        return Verdict(name, SURPRISE, postgres_passes, f"is refused, but not by saying {ruling.says!r}")
    first = _first_difference(expected[0] if expected else live or "", ours)
    if ruling.kind == FAILING:
        return Verdict(name, FAILING, postgres_passes, ruling.reason)
    return Verdict(name, SURPRISE, postgres_passes, first)


def _compare_outcomes(
    runner: Runner, name: str, ruling: Ruling, skerry: Address, postgres: Address | None
) -> list[str]:
    """Differences in outcome, between two more runs of the spec that also show the tables' rows."""
    if postgres is None:
        return ["outcomes are compared with a live PostgreSQL's, and there is none"]
    spec = parse_spec(parse_spec(runner.spec_text(name)).with_final_state())
    try:
        ours = parse_transcript(runner.transcript(skerry, name, spec.text, "state.skerry"), spec)
        theirs = parse_transcript(runner.transcript(postgres, name, spec.text, "state.postgres"), spec)
        if [p.steps for p in theirs] != spec.permutations:
            return [f"PostgreSQL ran {len(theirs)} of {len(spec.permutations)} permutations"]
        if spec.tables() and any(p.final_state is None for p in (*ours, *theirs)):
            return ["the tables' final rows were not shown"]
        differences = compare_outcomes(ours, theirs, spec)
        if differences and ruling.serial:
            text = spec.with_permutations(serial_permutations(differences, spec))
            serial = parse_transcript(runner.transcript(postgres, name, text, "serial.postgres"), spec)
            differences = not_serializable(differences, serial, spec)
    except TranscriptError as problem:
        return [str(problem)]
    return [str(difference) for difference in differences]


def _first_difference(expected: str, found: str) -> str:
    """The first line that differs, as `expected / found`."""
    before = ""
    left, right = expected.splitlines(), found.splitlines()
    for number in range(max(len(left), len(right))):
        ours = right[number] if number < len(right) else "(end)"
        theirs = left[number] if number < len(left) else "(end)"
        if ours != theirs:
            return f"{before[:60]!r}: expected {theirs[:80]!r}, got {ours[:80]!r}"
        before = ours
    return "no line differs"


def find_tester(named: Path | None) -> Path:
    """isolationtester: the one named, else the one that pg_config leads to.  Raises CannotRun."""
    if named is not None:
        if not os.access(named, os.X_OK):
            raise CannotRun(f"{named} can't be run")
        return named
    config = shutil.which("pg_config")
    candidates = sorted(Path("/usr/lib/postgresql").glob("*/lib/pgxs/src/test/isolation/isolationtester"))
    if config is not None:
        ran = subprocess.run([config, "--pgxs"], capture_output=True, text=True, check=False)
        pgxs = Path(ran.stdout.strip() or "/none")
        candidates.insert(0, pgxs.parent.parent / "test" / "isolation" / "isolationtester")
    for candidate in candidates:
        if os.access(candidate, os.X_OK):
            return candidate
    raise CannotRun(
        "no isolationtester: install PostgreSQL 15 and its server's headers, or use --isolationtester"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point; 0 when every spec did as listed, 1 when one didn't, 2 when the suite can't run."""
    options = _parser().parse_args(arguments)
    try:
        return _run(options)
    except (CannotRun, NoSpecs) as problem:
        print(f"isolation: cannot run: {problem}", file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Run PostgreSQL's isolation specs against Skerry.")
    parser.add_argument("--specs", type=Path, help="directory that holds specs/ and expected/")
    parser.add_argument("--isolationtester", type=Path, help="PostgreSQL's isolationtester")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="only these specs; writes no scores")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="write all transcripts there")
    parser.add_argument("--no-scores", action="store_true", help="leave the score table as it is")
    return parser


def _run(options: argparse.Namespace) -> int:
    runner = Runner(find_tester(options.isolationtester), find_specs(options.specs), options.keep)
    rulings = Rulings.read(HERE / "rulings.toml")
    names = runner.names()
    unknown = sorted({*rulings.names(), *(options.only or ())} - set(names))
    if unknown:
        raise CannotRun(f"no such specs: {', '.join(unknown)}")
    with ExitStack() as stack:
        skerry = stack.enter_context(skerry_process())
        postgres = _live_postgres(stack)
        verdicts = []
        for name in options.only or names:
            verdict = judge(runner, name, rulings.of(name), skerry, postgres)
            verdicts.append(verdict)
            print(f"{verdict.kind:9} {name:34} {verdict.detail}", flush=True)
    if not options.only and not options.no_scores:
        _write(verdicts)
    surprises = [verdict for verdict in verdicts if verdict.kind == SURPRISE]
    print(_summary(verdicts))
    return 1 if surprises else 0


def _live_postgres(stack: ExitStack) -> Address | None:
    try:
        return stack.enter_context(postgres_server(POSTGRES_SETTINGS))
    except NoPostgres as problem:
        print(f"no live PostgreSQL to compare with: {problem}", file=sys.stderr)
        return None


def _count(verdicts: Sequence[Verdict], *kinds: str) -> int:
    return sum(verdict.kind in kinds for verdict in verdicts)


def _summary(verdicts: Sequence[Verdict]) -> str:
    return ", ".join(
        f"{_count(verdicts, kind)} {kind}" for kind in (TEXT, OUTCOME, REFUSED, FAILING, SURPRISE)
    )


def _write(verdicts: Sequence[Verdict]) -> None:
    failures = [
        Failure(v.name, v.kind if v.kind != SURPRISE else FAILING, v.detail)
        for v in verdicts
        if v.kind in (REFUSED, FAILING, SURPRISE)
    ]
    measured = [v.postgres_passes for v in verdicts if v.postgres_passes is not None]
    write_result(
        SuiteScore(
            suite="isolation",
            title="PostgreSQL isolation specs",
            command="make conformance",
            date=datetime.now(UTC).date().isoformat(),
            cases=len(verdicts),
            postgres=sum(measured) if measured else None,
            skerry=_count(verdicts, TEXT, OUTCOME),
            breakdown=_summary([v for v in verdicts if v.kind != SURPRISE]),
            by_outcome=[(v.name, v.detail) for v in verdicts if v.kind == OUTCOME],
            failures=failures,
        )
    )
    write_scores()


if __name__ == "__main__":
    sys.exit(main())
