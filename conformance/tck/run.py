"""Runs the openCypher TCK's scenarios, translated to GQL, and the public GQL TCK against an embedded Skerry.

    python conformance/tck/run.py [--opencypher DIR] [--gql DIR] [--only PATTERN …] [--show STATUS] [--no-scores]

Writes ../results/opencypher-tck.json, ../results/gql-tck.json and ../SCORES.md, from what was measured.  1: the list
of rulings does not fit what was seen; 2: no features can be had.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from scores import Failure, SuiteScore, write_result, write_scores  # noqa: E402

import skerry  # noqa: E402
from tck.gherkin import read_features  # noqa: E402
from tck.judging import FAILED, NOT_APPLICABLE, PASSED, Database, Suite, Verdict, judge  # noqa: E402
from tck.rulings import Rulings  # noqa: E402
from tck.source import GQL, OPENCYPHER, NoFeatures, Origin  # noqa: E402
from tck.translate import Translation, translate  # noqa: E402

STATEMENT_TIMEOUT = "SET statement_timeout = '10s'"
COMMAND = "make conformance-gql"
TITLES = {OPENCYPHER.name: "openCypher TCK, as GQL", GQL.name: "GQL TCK (mburbidg)"}


def open_database() -> Database:
    """A database with nothing in it, where no query runs for ever."""
    database = skerry.open()
    database.execute(STATEMENT_TIMEOUT)
    return database


def as_it_is(text: str) -> Translation:
    """GQL needs no translation."""
    return Translation(text, frozenset())


def run_suite(origin: Origin, directory: Path, only: Sequence[str], rulings: Rulings) -> list[Verdict]:
    """Every scenario's verdict, in the files' order."""
    is_cypher = origin is OPENCYPHER
    graphs = directory / ("graphs" if is_cypher else "objects")
    suite = Suite(open_database, translate if is_cypher else as_it_is, graphs, rulings, not is_cypher)
    verdicts: list[Verdict] = []
    for scenario in read_features(directory / "features"):
        title = f"{scenario.feature} {scenario.name}"
        if not only or any(fnmatchcase(title, pattern.replace("[", "[[]")) for pattern in only):
            verdicts.append(judge(suite, scenario))
            if len(verdicts) % 500 == 0:
                print(f"{origin.name}: {len(verdicts)} scenarios", file=sys.stderr, flush=True)
    return verdicts


def score_of(origin: Origin, verdicts: Sequence[Verdict], rulings: Rulings) -> SuiteScore:
    """The suite's line in the table of scores."""
    counts = Counter(verdict.status for verdict in verdicts)
    failed = [verdict for verdict in verdicts if verdict.status == FAILED]
    failures = [Failure(v.title, "failing", rulings.cause(v.title) or v.reason) for v in failed]
    excluded = Counter(v.reason for v in verdicts if v.status == NOT_APPLICABLE)
    return SuiteScore(
        suite=origin.name,
        title=TITLES[origin.name],
        command=COMMAND,
        date=f"{datetime.now(UTC):%Y-%m-%d}",
        cases=len(verdicts),
        postgres=None,
        skerry=counts[PASSED],
        breakdown=f"{counts[FAILED]} failing, {counts[NOT_APPLICABLE]} not applicable",
        failures=failures,
        excluded=excluded.most_common(),
        is_compared=False,
    )


def show(verdicts: Iterable[Verdict], status: str) -> None:
    """Print the verdicts of one status."""
    for verdict in verdicts:
        if verdict.status == status:
            print(f"{verdict.title}\n    {verdict.reason}")


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--opencypher", type=Path, help="directory with features/ and graphs/ of the openCypher TCK"
    )
    parser.add_argument("--gql", type=Path, help="directory with features/ of the GQL TCK")
    parser.add_argument(
        "--only", nargs="+", default=[], metavar="PATTERN", help="only these; writes no scores"
    )
    parser.add_argument(
        "--show", choices=(PASSED, FAILED, NOT_APPLICABLE), help="print scenarios of this status"
    )
    parser.add_argument("--no-scores", action="store_true", help="leave the score table as it is")
    options = parser.parse_args(arguments)
    status = 0
    for origin, named in ((OPENCYPHER, options.opencypher), (GQL, options.gql)):
        try:
            directory = origin.find(named)
        except NoFeatures as problem:
            print(f"{origin.name}: cannot run: {problem}", file=sys.stderr)
            status = 2
            continue
        rulings = Rulings.read(HERE / f"{origin.name}.toml")
        verdicts = run_suite(origin, directory, options.only, rulings)
        counts = Counter(verdict.status for verdict in verdicts)
        print(
            f"{origin.name}: {', '.join(f'{counts[name]} {name}' for name in (PASSED, FAILED, NOT_APPLICABLE))}"
        )
        if options.show:
            show(verdicts, options.show)
        if not options.only:
            for pattern in rulings.idle():
                print(f"{origin.name}: no scenario needs the ruling {pattern}", file=sys.stderr)
                status = status or 1
            if not options.no_scores:
                write_result(score_of(origin, verdicts, rulings))
    if not options.only and not options.no_scores:
        write_scores()
    return status


if __name__ == "__main__":
    sys.exit(main())
