"""Runs SQLAlchemy's compliance suite for dialects on each of Skerry's, and on PostgreSQL with its own dialect.

    python conformance/dialect/run.py [--only NAME ...] [--tests EXPRESSION] [--show] [--no-scores]

The suite is in SQLAlchemy's package; `suite/` says what is claimed.  Writes ../results/sqlalchemy-dialect.json and
../SCORES.md, from what was measured.  1: a case that PostgreSQL passes does not pass.  2: SQLAlchemy is not there.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

HERE = Path(__file__).resolve().parent
TREE = HERE.parents[1]
sys.path[:0] = [str(HERE.parent), str(TREE / "tests")]

from clients.judging import Score, judge  # noqa: E402
from clients.running import Outcome, read_record  # noqa: E402
from scores import Failure, Part, SuiteScore, write_result, write_scores  # noqa: E402
from support.postgres_server import NoPostgres, postgres_server  # noqa: E402
from support.skerry_process import skerry_process  # noqa: E402

SUITE = "sqlalchemy-dialect"
TIMEOUT_S = 1200.0
STOCK = "postgresql+psycopg"
_CONFIGURATION = re.compile(r"_postgresql\+\w+?_\d+_\d+(?=::)")
"""What the suite adds to the names of classes: the dialect, its driver and the server's version."""


@dataclass(frozen=True)
class Target:
    """A dialect to test.  `is_served`: over the network."""

    name: str
    scheme: str
    is_served: bool


TARGETS = (
    Target("network", "skerry", True),
    Target("embedded", "skerry+embedded", False),
    Target("async", "skerry+async", True),
    Target("async_embedded", "skerry+async_embedded", False),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description="Run SQLAlchemy's compliance suite on Skerry's dialects.")
    names = [target.name for target in TARGETS]
    parser.add_argument("--only", nargs="+", metavar="NAME", choices=names, help="only these dialects")
    parser.add_argument("--tests", metavar="EXPRESSION", help="only these tests (pytest's -k)")
    parser.add_argument("--show", action="store_true", help="name every case that fails, with its message")
    parser.add_argument("--no-scores", action="store_true", help="leave the score table as it is")
    options = parser.parse_args(arguments)
    try:
        installed = version("sqlalchemy")
    except PackageNotFoundError:
        print(f"{SUITE}: cannot run: pip install 'skerry[test]'", file=sys.stderr)
        return 2
    postgres = _on_postgres(options.tests)
    scores: dict[str, Score] = {}
    for target in TARGETS:
        if options.only and target.name not in options.only:
            continue
        with _database(target) as url:
            found = run_suite(url, options.tests)
        score = scores[target.name] = judge(postgres, found, [])
        print(f"{SUITE} {target.name}: {score.cases} cases, {breakdown(score)}")
        if options.show:
            _show(score, found)
    if not (options.no_scores or options.only or options.tests):
        write_result(score_of(scores, installed, is_measured=postgres is not None))
        write_scores()
    return 1 if any(score.failing for score in scores.values()) else 0


def run_suite(url: str, tests: str | None = None) -> dict[str, Outcome]:
    """What becomes of each of the suite's cases on a database."""
    with tempfile.TemporaryDirectory(prefix="skerry-suite-") as directory:
        record = Path(directory) / "record"
        paths = [
            *(TREE / "engine", TREE / "server", TREE / "driver"),
            *(HERE / "suite", HERE.parent / "clients" / "inside"),
        ]
        command = [sys.executable, "-m", "pytest", "-q", "-p", "skerry_recorder", "--dburi", url]
        subprocess.run(
            [*command, "-k", tests] if tests else command,
            cwd=HERE / "suite",  # where the suite's plugin looks for its setup.cfg
            env={
                **os.environ,
                "PYTHONPATH": os.pathsep.join(map(str, paths)),
                "PYTHONDONTWRITEBYTECODE": "1",
                "SKERRY_RECORD": str(record),
            },
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=TIMEOUT_S,
            check=False,
        )
        found = read_record(record.read_text()) if record.exists() else {}
    if tests:  # those that were left out are on record as not run
        found = {case: outcome for case, outcome in found.items() if outcome.word != "collected"}
    return {_CONFIGURATION.sub("", case): outcome for case, outcome in found.items()}


@contextlib.contextmanager
def _database(target: Target) -> Iterator[str]:
    """The URL of an empty database with the schemas that the suite wants."""
    if target.is_served:
        with skerry_process() as server:
            url = f"{target.scheme}://{server.user}@{server.host}:{server.port}/postgres"
            make_schemas(f"skerry://{server.user}@{server.host}:{server.port}/postgres")
            yield url
        return
    with tempfile.TemporaryDirectory(prefix="skerry-suite-") as directory:
        make_schemas(directory)
        yield f"{target.scheme}:///{directory}"


def make_schemas(target: str) -> None:
    """Create the schemas that the suite looks for."""
    import skerry

    with skerry.connect(target, autocommit=True) as connection:
        for schema in ("test_schema", "test_schema_2"):
            connection.execute(f"CREATE SCHEMA {schema}")


def _on_postgres(tests: str | None) -> Mapping[str, Outcome] | None:
    """PostgreSQL's outcomes; None where there is none to be had."""
    try:
        with postgres_server({"max_prepared_transactions": "20"}) as server:
            url = f"://{server.user}@{server.host}:{server.port}/postgres"
            make_schemas("skerry" + url)
            return run_suite(STOCK + url, tests)
    except NoPostgres as problem:
        print(f"{SUITE}: no PostgreSQL to compare with: {problem}", file=sys.stderr)
        return None


def breakdown(score: Score) -> str:
    """What became of the cases that PostgreSQL passes."""
    return f"{len(score.passed)} of the {len(score.postgres)} that PostgreSQL passes, {len(score.failing)} failing"


def score_of(scores: Mapping[str, Score], installed: str, is_measured: bool) -> SuiteScore:
    """The row of the score table: the network's dialect, and a part for each of the others."""
    first, *others = scores.items()
    name, score = first
    return SuiteScore(
        suite=SUITE,
        title=f"SQLAlchemy's compliance suite, skerry:// (sqlalchemy {installed})",
        command="make conformance",
        date=datetime.date.today().isoformat(),
        cases=score.cases,
        postgres=len(score.postgres) if is_measured else None,
        skerry=len(score.passed),
        breakdown=f"{len(score.failing)} failing",
        failures=[
            Failure(case if each == name else f"{each}: {case}", "failing", cause)
            for each, judged in scores.items()
            for case, cause in judged.failing
        ],
        parts=[
            Part(
                f"skerry+{each}://",
                judged.cases,
                len(judged.postgres) if is_measured else None,
                len(judged.passed),
                f"{len(judged.failing)} failing",
            )
            for each, judged in others
        ],
    )


def _show(score: Score, found: Mapping[str, Outcome]) -> None:
    for case, cause in score.failing:
        print(f"  {case}\n      {cause}")


if __name__ == "__main__":
    sys.exit(main())
