"""Skerry's outcomes beside PostgreSQL's, with what is known about single cases.

`rulings/SUITE.toml` holds groups of two kinds:

    [[not_applicable]]               needs what ENGINE refuses by name (PL/pgSQL, triggers, extensions …)
    reason = "…"
    cases = ["regular expression over the case's name", …]
    says = "regular expression over the message"        (either or both)

    [[failing]]                      fails, and this is why
    reason = "…"
    cases = […]
    says = "…"

A ruling is asked only about cases that pass in front of PostgreSQL and not in front of Skerry.  One that nothing
needs is reported, and the run fails: it says less than what was measured.  What no ruling knows is listed by
the first line of its message.
"""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from clients.running import Outcome

NOT_APPLICABLE, FAILING = "not_applicable", "failing"
PASSED, SKIPPED = "passed", "skipped"
_NUMBERS = re.compile(r"0x[0-9a-f]+|\d+")


@dataclass
class Ruling:
    """What is known about some cases.  `used` counts those that needed it."""

    kind: str
    reason: str
    cases: tuple[re.Pattern[str], ...]
    says: re.Pattern[str] | None
    used: int = 0

    def is_about(self, case: str, message: str) -> bool:
        """Whether the ruling is about a case that did not pass with that message."""
        is_named = not self.cases or any(pattern.search(case) for pattern in self.cases)
        return is_named and (self.says is None or self.says.search(message) is not None)


@dataclass
class Score:
    """The cases of one suite: `postgres` are those that pass there."""

    cases: int
    postgres: list[str]
    passed: list[str]
    failing: list[tuple[str, str]] = field(default_factory=list)
    """Those that pass in front of PostgreSQL alone, each with its cause."""
    not_applicable: Counter[str] = field(default_factory=Counter)
    unneeded: list[str] = field(default_factory=list)
    """Rulings that nothing needed."""

    @property
    def applicable(self) -> int:
        """How many of PostgreSQL's passes Skerry should pass."""
        return len(self.postgres) - self.not_applicable.total()


def read_rulings(path: Path) -> list[Ruling]:
    """The rulings about a suite; none where there is no file.  Raises ValueError for what is no ruling."""
    if not path.exists():
        return []
    found = []
    for kind, groups in tomllib.loads(path.read_text()).items():
        if kind not in (NOT_APPLICABLE, FAILING):
            raise ValueError(f"unknown kind of ruling: {kind}")
        for group in groups:
            found.append(_ruling(kind, group))
    return found


def _ruling(kind: str, group: Mapping[str, object]) -> Ruling:
    reason, cases, says = group.get("reason"), group.get("cases", []), group.get("says")
    if not isinstance(reason, str) or not reason or not isinstance(cases, list) or not (cases or says):
        raise ValueError(f"a ruling needs a reason, and cases or what they say: {group}")
    patterns = tuple(re.compile(str(case)) for case in cases)
    return Ruling(kind, reason, patterns, None if says is None else re.compile(str(says), re.DOTALL))


def judge(
    postgres: Mapping[str, Outcome] | None,
    skerry: Mapping[str, Outcome],
    rulings: Sequence[Ruling],
    by_function: bool = False,
) -> Score:
    """Compare outcomes.  Without PostgreSQL's every case of Skerry's that is not skipped counts as one of them.

    `by_function` compares cases by the last part of their names.
    """
    if postgres is None:
        postgres = {case: Outcome(PASSED) for case, outcome in skerry.items() if outcome.word != SKIPPED}
    if by_function:
        postgres, skerry = _by_function(postgres), _by_function(skerry)
    wanted = [case for case, outcome in postgres.items() if outcome.word == PASSED]
    score = Score(len(postgres.keys() | skerry.keys()), wanted, [])
    for case in wanted:
        outcome = skerry.get(case, Outcome("collected", "was not run"))
        if outcome.word == PASSED:
            score.passed.append(case)
            continue
        ruling = next((each for each in rulings if each.is_about(case, outcome.message)), None)
        if ruling is not None:
            ruling.used += 1
        if ruling is not None and ruling.kind == NOT_APPLICABLE:
            score.not_applicable[ruling.reason] += 1
        else:
            score.failing.append((case, _cause(outcome) if ruling is None else ruling.reason))
    score.unneeded = [each.reason for each in rulings if not each.used]
    return score


def _by_function(outcomes: Mapping[str, Outcome]) -> dict[str, Outcome]:
    return {case.rpartition("::")[2]: outcome for case, outcome in outcomes.items()}


def _cause(outcome: Outcome) -> str:
    """The message's first line, cut short, with numbers left out, so that equal causes meet."""
    if outcome.word == SKIPPED:
        return f"skipped: {outcome.first_line[:150]}"
    if outcome.word != "failed":
        return "does not end" if outcome.word == "started" else "was not run"
    return _NUMBERS.sub("N", outcome.first_line[:150])
