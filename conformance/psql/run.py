"""Compares what psql's backslash commands print of one schema in front of PostgreSQL and of Skerry.

    python conformance/psql/run.py [--show] [--no-scores]

describing.py says what passes.  The run fails when a command does other than rulings.toml says, for better or
worse, or when the rulings name a command that is not there.  Without psql or a PostgreSQL it says so and exits with 2.
Writes ../results/psql.json and ../SCORES.md, from what was measured.
"""

from __future__ import annotations

import argparse
import datetime
import difflib
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent.parent / "tests")]

from scores import Failure, SuiteScore, write_result, write_scores  # noqa: E402
from support.postgres_server import NoPostgres, postgres_server  # noqa: E402
from support.skerry_process import skerry_process  # noqa: E402

from psql import describing  # noqa: E402


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point; 0 when every command did as listed, 1 when one didn't, 2 when they can't be run."""
    parser = argparse.ArgumentParser(description="Compare psql's backslash commands.")
    parser.add_argument("--show", action="store_true", help="show how what does not pass by text differs")
    parser.add_argument("--no-scores", action="store_true", help="leave the score table as it is")
    options = parser.parse_args(arguments)
    try:
        commands, schema = describing.read_commands(), (HERE / "schema.sql").read_text()
        with postgres_server() as postgres, skerry_process() as skerry:
            expected = describing.describe(postgres, commands, schema)
            actual = describing.describe(skerry, commands, schema)
    except (NoPostgres, describing.NoPsql) as problem:
        print(f"psql: cannot run: {problem}", file=sys.stderr)
        return 2
    rulings = describing.read_rulings()
    verdicts = []
    for command, theirs, ours in zip(commands, expected, actual, strict=True):
        verdict = describing.judge(command, theirs, ours, rulings.get(command))
        verdicts.append(verdict)
        if verdict.is_surprise:
            print(f"SURPRISE {command}: {verdict.outcome}, not {verdict.expected.kind}")
        if verdict.is_surprise or (options.show and verdict.outcome != describing.TEXT):
            print(
                *difflib.unified_diff(theirs.splitlines(), ours.splitlines(), command, lineterm="", n=0),
                sep="\n",
            )
    unknown = sorted(set(rulings) - set(commands))
    for command in unknown:
        print(f"SURPRISE no such command: {command}")
    if not options.no_scores:
        write_result(score_of(verdicts))
        write_scores()
    print(dict(Counter(verdict.outcome for verdict in verdicts)))
    return 1 if unknown or any(verdict.is_surprise for verdict in verdicts) else 0


def score_of(verdicts: Sequence[describing.Verdict]) -> SuiteScore:
    """The row of the score table."""
    counts = Counter(verdict.outcome for verdict in verdicts)
    excluded = Counter(v.expected.reason for v in verdicts if v.outcome == describing.NOT_APPLICABLE)
    passed = (describing.TEXT, describing.SUBSET, describing.SUPERSET)
    return SuiteScore(
        suite="psql",
        title="psql's backslash commands",
        command="make conformance",
        date=datetime.date.today().isoformat(),
        cases=len(verdicts),
        postgres=len(verdicts),
        skerry=sum(counts[outcome] for outcome in passed),
        breakdown=", ".join(
            f"{counts[o]} {o}" for o in (*passed, describing.NOT_APPLICABLE, describing.FAILING)
        ),
        by_outcome=[
            (f"`{v.command}`", v.expected.reason)
            for v in verdicts
            if v.outcome in (describing.SUBSET, describing.SUPERSET)
        ],
        failures=[
            Failure(f"`{v.command}`", "failing", v.expected.reason or "prints something else")
            for v in verdicts
            if v.outcome == describing.FAILING
        ],
        excluded=sorted(excluded.items()),
    )


if __name__ == "__main__":
    sys.exit(main())
