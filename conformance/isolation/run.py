"""Runs PostgreSQL's isolation specs against a live Skerry, and against a live PostgreSQL beside it.

    python conformance/isolation/run.py [--specs DIR] [--isolationtester FILE] [--only NAME …] [--no-scores]

isolationtester is PostgreSQL's own; what passes is said in judging.py.  The run fails when a spec does other
than rulings.toml says, for better or worse; where isolationtester or the specs can't be had, it says so and
fails.
Writes ../results/isolation.json and ../SCORES.md, from what was measured.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent.parent / "tests")]

from scores import Part, write_result, write_scores  # noqa: E402

from isolation.judging import SURPRISE, Case, Verdict, count, judge_all, score_of, summary  # noqa: E402
from isolation.rulings import OUTCOME, TEXT, Rulings  # noqa: E402
from isolation.specs_source import NoSpecs, find_specs  # noqa: E402
from isolation.tester import CannotRun, Tester, find_tester  # noqa: E402

OUT_OF_SCOPE = re.compile(r"plpgsql|\btrigger|\bpartition", re.IGNORECASE)
"""What a spec's text has when it needs what Skerry will not have."""


def read_cases(suite: Path) -> list[Case]:
    """Every spec of a directory that holds specs/ and expected/."""
    return [_case(suite, path) for path in sorted((suite / "specs").glob("*.spec"))]


def _case(suite: Path, path: Path) -> Case:
    """A spec with PostgreSQL's expected transcripts: the main one and its alternatives."""
    wanted = re.compile(re.escape(path.stem) + r"(_\d)?")
    found = sorted((suite / "expected").glob(f"{path.stem}*.out"))
    expected = tuple(each.read_text() for each in found if wanted.fullmatch(each.stem))
    return Case(path.stem, path.read_text(), expected, expected.__contains__)


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
    tester = Tester(find_tester(options.isolationtester), options.keep)
    cases = read_cases(find_specs(options.specs))
    rulings = Rulings.read(HERE / "rulings.toml")
    unknown = sorted({*rulings.names(), *(options.only or ())} - {case.name for case in cases})
    if unknown:
        raise CannotRun(f"no such specs: {', '.join(unknown)}")
    if options.only:
        cases = [case for case in cases if case.name in options.only]
    verdicts = judge_all(tester, cases, rulings)
    if not options.only and not options.no_scores:
        _write(cases, verdicts)
    return 1 if count(verdicts, SURPRISE) else 0


def _write(cases: Sequence[Case], verdicts: Sequence[Verdict]) -> None:
    in_scope = {case.name for case in cases if OUT_OF_SCOPE.search(case.text) is None}
    part = [verdict for verdict in verdicts if verdict.name in in_scope]
    measured = [v.postgres_passes for v in part if v.postgres_passes is not None]
    score = score_of("isolation", "PostgreSQL isolation specs", "make conformance", verdicts)
    score.parts.append(
        Part(
            "that name neither PL/pgSQL nor triggers nor partitions",
            len(part),
            sum(measured) if measured else None,
            count(part, TEXT, OUTCOME),
            summary(part),
        )
    )
    write_result(score)
    write_scores()


if __name__ == "__main__":
    sys.exit(main())
