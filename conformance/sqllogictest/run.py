"""Runs a sample of SQLite's sqllogictest scripts against a live Skerry, and against a live PostgreSQL beside it.

    python conformance/sqllogictest/run.py [--corpus DIR] [--only PATTERN …] [--show] [--no-scores]

files.txt is the sample: a script and how many of its records, all without a number.  The scripts come from --corpus
(SKERRY_SQLLOGICTEST, a directory that has `test/` in it), else from the cache, else by `git clone` of a public copy.
A record counts if PostgreSQL does what it says; each script runs in a database of its own.  Without the scripts it
says so and exits with 2.  Writes ../results/sqllogictest.json and ../SCORES.md, from what was measured.
"""

from __future__ import annotations

import argparse
import datetime
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent.parent / "tests")]

from scores import Failure, SuiteScore, write_result, write_scores  # noqa: E402
from support.postgres_server import Address, NoPostgres, postgres_server  # noqa: E402
from support.skerry_process import skerry_process  # noqa: E402
from support.wire_client import WireClient  # noqa: E402

from sqllogictest.script import Record, is_as_expected, read_records  # noqa: E402

REPOSITORY = "https://github.com/gregrahn/sqllogictest.git"
ENVIRONMENT = "SKERRY_SQLLOGICTEST"
CLONE_TIMEOUT_S = 900
RIGHT = ""


class NoScripts(Exception):
    """The scripts can't be had here; the message says why."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point; 0 when the sample ran, 2 when it can't."""
    parser = argparse.ArgumentParser(description="Run a sample of sqllogictest against Skerry.")
    parser.add_argument("--corpus", type=Path, help="directory that has test/ in it")
    parser.add_argument(
        "--only", nargs="+", metavar="PATTERN", help="only scripts with one of these in their names"
    )
    parser.add_argument("--show", action="store_true", help="show a case of each cause")
    parser.add_argument("--no-scores", action="store_true", help="leave the score table as it is")
    options = parser.parse_args(arguments)
    try:
        corpus = find_corpus(options.corpus)
        with postgres_server() as postgres, skerry_process() as skerry:
            scripts = [
                s for s in read_sample(corpus) if not options.only or any(p in s[0] for p in options.only)
            ]
            expected = run_scripts(postgres, scripts)
            actual = run_scripts(skerry, scripts)
    except (NoScripts, NoPostgres) as problem:
        print(f"sqllogictest: cannot run: {problem}", file=sys.stderr)
        return 2
    wanted = [case for case, problem in expected.items() if problem == RIGHT]
    failing = [(case, actual[case]) for case in wanted if actual[case] != RIGHT]
    print(f"{len(expected)} records, PostgreSQL {len(wanted)}, Skerry {len(wanted) - len(failing)}")
    if options.show:
        for cause, count in Counter(cause for _, cause in failing).most_common():
            print(f"{count:5} {cause}   {next(case for case, each in failing if each == cause)}")
    if not options.no_scores and not options.only:
        write_result(_score(len(expected), len(wanted), failing))
        write_scores()
    return 0


def find_corpus(named: Path | None) -> Path:
    """The directory that holds `test/`.  Raises NoScripts."""
    chosen = named or (Path(os.environ[ENVIRONMENT]) if os.environ.get(ENVIRONMENT) else None)
    if chosen is None:
        root = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
        chosen = Path(root) / "skerry-conformance" / "sqllogictest"
        if not chosen.is_dir():
            _clone(chosen)
    if not (chosen / "test").is_dir():
        raise NoScripts(f"{chosen} does not hold test/")
    return chosen


def _clone(target: Path) -> None:
    if shutil.which("git") is None:
        raise NoScripts(f"no git here to get {REPOSITORY} with: name a directory by {ENVIRONMENT}")
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as work:
        ran = subprocess.run(
            ["git", "clone", "--quiet", "--depth", "1", REPOSITORY, f"{work}/clone"],
            env={**os.environ, "GIT_TERMINAL_PROMPT": "0"},
            capture_output=True,
            text=True,
            timeout=CLONE_TIMEOUT_S,
            check=False,
        )
        if ran.returncode:
            raise NoScripts(f"cloning {REPOSITORY} failed: {ran.stderr.strip()[-300:]}")
        shutil.move(f"{work}/clone", target)


def read_sample(corpus: Path) -> list[tuple[str, list[Record]]]:
    """The scripts of the sample with the records that are wanted of each.  Raises NoScripts."""
    found = []
    for line in (HERE / "files.txt").read_text().splitlines():
        name, _, count = line.partition(" ")
        path = corpus / name
        if not path.is_file():
            raise NoScripts(f"{corpus} has no {name}")
        records = read_records(path.read_text(errors="replace"))
        found.append((name, list(islice(records, int(count) if count else None))))
    return found


def run_scripts(server: Address, scripts: Sequence[tuple[str, list[Record]]]) -> dict[str, str]:
    """What is wrong with each record in front of a server: nothing, or the cause."""
    found: dict[str, str] = {}
    for number, (name, records) in enumerate(scripts):
        database = f"slt_{number}"
        admin = WireClient(server)
        made = admin.query(f"CREATE DATABASE {database}")
        assert made.error is None, made.error
        admin.close()
        client = WireClient(server, database)
        for record in records:
            found[f"{name.removeprefix('test/')}:{record.line}"] = _problem(client, record)
        client.close()
    return found


def _problem(client: WireClient, record: Record) -> str:
    outcome = client.query(record.sql)
    if not record.is_query:
        if record.fails:
            return RIGHT if outcome.error is not None else "does not fail"
        return RIGHT if outcome.error is None else _cause(outcome.error["M"])
    if outcome.error is not None:
        return _cause(outcome.error["M"])
    return RIGHT if is_as_expected(record, outcome.rows) else "other rows"


def _cause(message: str) -> str:
    return re.sub(r"\d+", "N", message.splitlines()[0][:120])


def _score(cases: int, postgres: int, failing: list[tuple[str, str]]) -> SuiteScore:
    share = 100 * (postgres - len(failing)) / max(1, postgres)
    return SuiteScore(
        suite="sqllogictest",
        title="sqllogictest, a sample of SQLite's scripts",
        command="make conformance",
        date=datetime.date.today().isoformat(),
        cases=cases,
        postgres=postgres,
        skerry=postgres - len(failing),
        breakdown=f"{share:.2f} % of what PostgreSQL passes, {len(failing)} failing",
        failures=[
            Failure(case, "failing", cause) for case, cause in sorted(failing, key=lambda each: each[1])
        ],
    )


if __name__ == "__main__":
    sys.exit(main())
