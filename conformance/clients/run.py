"""Runs the suites of drivers and frameworks against a live Skerry, and against a live PostgreSQL beside it.

    python conformance/clients/run.py [--only SUITE …] [--show] [--keep DIR] [--no-scores]

suites.py says which suites, obtaining.py where they come from, judging.py what counts.  A suite that can't be had is
reported as such, its former score stays, and the run exits with 2; with 1 when a ruling is not needed any more.
Writes ../results/SUITE.json and ../SCORES.md, from what was measured.
"""

from __future__ import annotations

import argparse
import datetime
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent.parent / "tests")]

from scores import Failure, SuiteScore, write_result, write_scores  # noqa: E402
from support.postgres_server import NoPostgres, postgres_server  # noqa: E402
from support.skerry_process import skerry_process  # noqa: E402

from clients.judging import Score, judge, read_rulings  # noqa: E402
from clients.obtaining import CannotObtain  # noqa: E402
from clients.running import Outcome, run_suite  # noqa: E402
from clients.suites import SUITES, Suite, suite_named  # noqa: E402

MANY = 100


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point; 0 when every suite ran, 1 when a ruling is not needed, 2 when a suite can't be run."""
    parser = argparse.ArgumentParser(description="Run the suites of drivers and frameworks against Skerry.")
    names = [suite.name for suite in SUITES if not suite.is_reference]
    parser.add_argument("--only", nargs="+", metavar="SUITE", choices=names, help="only these suites")
    parser.add_argument("--show", action="store_true", help="name every case that fails, with its message")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="write what pytest printed there")
    parser.add_argument("--no-scores", action="store_true", help="leave the score table as it is")
    options = parser.parse_args(arguments)
    worst = 0
    for name in options.only or names:
        worst = max(worst, _run(suite_named(name), options))
    return worst


def _run(suite: Suite, options: argparse.Namespace) -> int:
    try:
        with skerry_process() as server:
            skerry = run_suite(suite, server, options.keep)
        postgres = _in_front_of_postgres(suite, options.keep)
    except (CannotObtain, subprocess.SubprocessError) as problem:
        print(f"{suite.name}: cannot run: {problem}", file=sys.stderr)
        return 2
    rulings = read_rulings(HERE / "rulings" / f"{suite.name.partition('-')[0]}.toml")
    score = judge(postgres, skerry, rulings, by_function=bool(suite.compared_with))
    print(f"{suite.name}: {score.cases} cases, {_breakdown(score)}; PostgreSQL passes {len(score.postgres)}")
    for reason in score.unneeded:
        print(f"  not needed any more: {reason}")
    if options.show:
        _show(score, skerry)
    if not options.no_scores:
        write_result(score_of(suite, score, is_measured=postgres is not None))
        write_scores()
    return 1 if score.unneeded else 0


def _in_front_of_postgres(suite: Suite, keep: Path | None) -> Mapping[str, Outcome] | None:
    """PostgreSQL's outcomes; None where there is none to be had."""
    reference = suite_named(suite.compared_with) if suite.compared_with else suite
    try:
        with postgres_server(reference.server_options) as server:
            return run_suite(reference, server, keep)
    except NoPostgres as problem:
        print(f"{suite.name}: no PostgreSQL to compare with: {problem}", file=sys.stderr)
        return None


def _show(score: Score, skerry: Mapping[str, Outcome]) -> None:
    for cause, count in Counter(cause for _, cause in score.failing).most_common():
        print(f"  {count:4} {cause}")
        for case in [case for case, each in score.failing if each == cause][:3]:
            print(f"         {case}")


def _breakdown(score: Score) -> str:
    share = 100 * len(score.passed) / max(1, score.applicable)
    return (
        f"{share:.1f} % of {score.applicable} that apply, {len(score.failing)} failing, "
        f"{score.not_applicable.total()} not applicable"
    )


def score_of(suite: Suite, score: Score, is_measured: bool) -> SuiteScore:
    """The row of the score table."""
    return SuiteScore(
        suite=suite.name,
        title=f"{suite.title} ({suite.source.replace('==', ' ')})",
        command="make conformance",
        date=datetime.date.today().isoformat(),
        cases=score.cases,
        postgres=len(score.postgres) if is_measured else None,
        skerry=len(score.passed),
        breakdown=_breakdown(score),
        failures=[Failure(case, "failing", cause) for case, cause in _named(score.failing)],
        excluded=sorted(score.not_applicable.items()),
    )


def _named(failing: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """The failing cases, with their causes; where a cause has very many, functions stand for their cases."""
    counts = Counter(cause for _, cause in failing)
    found = [
        (f"{case.partition('[')[0]}[…]" if "[" in case and counts[cause] > MANY else case, cause)
        for case, cause in sorted(failing, key=lambda each: each[1])
    ]
    return list(dict.fromkeys(found))


if __name__ == "__main__":
    sys.exit(main())
