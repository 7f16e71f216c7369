"""Runs Hermitage's scripts for PostgreSQL against a live Skerry, and against a live PostgreSQL beside it.

    python conformance/hermitage/run.py --page FILE [--isolationtester FILE] [--keep DIR]

FILE is `postgres.md` of the public repository ept/hermitage, or named by SKERRY_HERMITAGE.  Each script becomes
a spec for PostgreSQL's isolationtester (script.py); PostgreSQL's score is how often the page's claims are so,
Skerry's how often it does as PostgreSQL does, by text or by outcome (../isolation/judging.py).  Writes
../results/hermitage.json and ../SCORES.md.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent.parent / "tests")]

from isolation.judging import SURPRISE, Case, count, judge_all, score_of  # noqa: E402
from isolation.rulings import Rulings  # noqa: E402
from isolation.tester import CannotRun, Tester, find_tester  # noqa: E402
from scores import write_result, write_scores  # noqa: E402

from hermitage.script import ScriptError, read_scripts  # noqa: E402

ENVIRONMENT = "SKERRY_HERMITAGE"


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point; 0 when every script did as listed, 1 when one didn't, 2 when the suite can't run."""
    parser = argparse.ArgumentParser(description="Run Hermitage's scripts against Skerry.")
    parser.add_argument("--page", type=Path, help="postgres.md of ept/hermitage")
    parser.add_argument("--isolationtester", type=Path, help="PostgreSQL's isolationtester")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="write all transcripts there")
    options = parser.parse_args(arguments)
    try:
        return _run(options)
    except (CannotRun, ScriptError, OSError) as problem:
        print(f"hermitage: cannot run: {problem}", file=sys.stderr)
        return 2


def _run(options: argparse.Namespace) -> int:
    page = options.page or os.environ.get(ENVIRONMENT)
    if not page:
        raise CannotRun(f"name postgres.md of the repository ept/hermitage by --page or {ENVIRONMENT}")
    scripts = read_scripts(Path(page).read_text())
    cases = [Case(script.name, script.text, (), script.is_right) for script in scripts]
    tester = Tester(find_tester(options.isolationtester), options.keep)
    verdicts = judge_all(tester, cases, Rulings.read(HERE / "rulings.toml"))
    write_result(score_of("hermitage", "Hermitage", "make conformance-hermitage", verdicts))
    write_scores()
    return 1 if count(verdicts, SURPRISE) else 0


if __name__ == "__main__":
    sys.exit(main())
