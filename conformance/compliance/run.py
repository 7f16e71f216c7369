"""Runs PyPI's opencypher-compliance against an embedded Skerry, its queries translated to GQL.

    pip install 'skerry[conformance]'
    python conformance/compliance/run.py [--show] [--no-scores]

Writes ../results/opencypher-compliance.json and ../SCORES.md, from what was measured.  2: the package is not there.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from scores import Failure, SuiteScore, write_result, write_scores  # noqa: E402

import skerry  # noqa: E402
from compliance.adapter import Adapter  # noqa: E402

SUITE = "opencypher-compliance"


@dataclass(frozen=True)
class Outcome:
    """A test's name, what came of it (passed, failed, not applicable) and why."""

    name: str
    status: str
    reason: str


def outcomes(
    tests: Sequence[dict[str, Any]], results: Sequence[dict[str, Any]], adapter: Adapter
) -> list[Outcome]:
    """The package's results, with those apart that do not apply."""
    found = []
    for test, result in zip(tests, results, strict=True):
        reasons = [
            adapter.reasons[text]
            for text in (*test.get("setup", ()), test["query"])
            if text in adapter.reasons
        ]
        name = f"{result['type']} {result['element']}"
        if reasons:
            found.append(Outcome(name, "not applicable", reasons[0]))
        elif result["result"] == "pass":
            found.append(Outcome(name, "passed", ""))
        else:
            found.append(Outcome(name, "failed", str(result.get("error", "")).splitlines()[0]))
    return found


def score_of(found: Sequence[Outcome], date: str) -> SuiteScore:
    """The suite's line in the table of scores."""
    counts = Counter(outcome.status for outcome in found)
    return SuiteScore(
        suite=SUITE,
        title=f"{SUITE} (PyPI), as GQL",
        command="make conformance-gql",
        date=date,
        cases=len(found),
        postgres=None,
        skerry=counts["passed"],
        breakdown=f"{counts['failed']} failing, {counts['not applicable']} not applicable",
        failures=[Failure(each.name, "failing", each.reason) for each in found if each.status == "failed"],
        excluded=Counter(each.reason for each in found if each.status == "not applicable").most_common(),
        is_compared=False,
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--show", action="store_true", help="print what failed")
    parser.add_argument("--no-scores", action="store_true", help="leave the score table as it is")
    options = parser.parse_args(arguments)
    try:
        from opencypher_compliance.catalog import load_catalog
        from opencypher_compliance.runner import run_compliance
    except ImportError:
        print(f"{SUITE}: cannot run: pip install 'skerry[conformance]'", file=sys.stderr)
        return 2
    with skerry.open() as database:
        adapter = Adapter(database)
        report = run_compliance(config={"database": {"name": "Skerry"}}, adapter_instance=adapter)
    found = outcomes(load_catalog(None), report["results"], adapter)
    counts = Counter(outcome.status for outcome in found)
    print(
        f"{SUITE}: " + ", ".join(f"{counts[name]} {name}" for name in ("passed", "failed", "not applicable"))
    )
    if options.show:
        for outcome in found:
            if outcome.status == "failed":
                print(f"{outcome.name}\n    {outcome.reason}")
    if not options.no_scores:
        write_result(score_of(found, f"{datetime.now(UTC):%Y-%m-%d}"))
        write_scores()
    return 0


if __name__ == "__main__":
    sys.exit(main())
