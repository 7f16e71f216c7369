"""Runs one case against both servers and says what it came to.

A case passes

    by text      when Skerry's transcript is one of the expected ones, or the live PostgreSQL's;
    by outcome   when a ruling says why the text can't be equal, and the outcomes are (outcome.py).

Anything else is a listed refusal, a listed failure, or a surprise: that is also a listed case that does better
than its entry says.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime

from scores import Failure, SuiteScore
from support.postgres_server import Address, NoPostgres, postgres_server
from support.skerry_process import skerry_process

from isolation.outcome import compare_outcomes
from isolation.rulings import FAILING, OUTCOME, REFUSED, TEXT, Ruling, Rulings
from isolation.serial import not_serializable, serial_permutations
from isolation.spec import parse_spec
from isolation.tester import Tester
from isolation.transcript import TranscriptError, parse_transcript

POSTGRES_SETTINGS = {"max_prepared_transactions": "10"}
SURPRISE = "surprise"


@dataclass(frozen=True)
class Case:
    """One spec.  `expected` are transcripts that pass; `is_right` says whether PostgreSQL's does."""

    name: str
    text: str
    expected: tuple[str, ...]
    is_right: Callable[[str], bool]


@dataclass(frozen=True)
class Verdict:
    """What was measured of one case.  `kind` is text, outcome, refused, failing or surprise."""

    name: str
    kind: str
    postgres_passes: bool | None
    detail: str = ""


def judge_all(tester: Tester, cases: Sequence[Case], rulings: Rulings) -> list[Verdict]:
    """Judge every case, and print each verdict when it is known."""
    verdicts = []
    with ExitStack() as stack:
        skerry = stack.enter_context(skerry_process())
        postgres = _live_postgres(stack)
        for case in cases:
            verdict = judge(tester, case, rulings.of(case.name), skerry, postgres)
            verdicts.append(verdict)
            print(f"{verdict.kind:9} {verdict.name:34} {verdict.detail}", flush=True)
    print(summary(verdicts))
    return verdicts


def _live_postgres(stack: ExitStack) -> Address | None:
    try:
        return stack.enter_context(postgres_server(POSTGRES_SETTINGS))
    except NoPostgres as problem:
        print(f"no live PostgreSQL to compare with: {problem}", file=sys.stderr)
        return None


def judge(tester: Tester, case: Case, ruling: Ruling, skerry: Address, postgres: Address | None) -> Verdict:
    """Run one case and compare."""
    live = None if postgres is None else tester.transcript(postgres, case.name, case.text, "postgres")
    passes = None if live is None else case.is_right(live)
    ours = tester.transcript(skerry, case.name, case.text, "skerry")
    if ours in case.expected or ours == live:
        if ruling.kind == TEXT:
            return Verdict(case.name, TEXT, passes)
        return Verdict(case.name, SURPRISE, passes, f"agrees by text, but is listed as {ruling.kind}")
    if ruling.kind == OUTCOME:
        differences = _compare_outcomes(tester, case, ruling, skerry, postgres)
        if not differences:
            return Verdict(case.name, OUTCOME, passes, ruling.reason)
        return Verdict(case.name, SURPRISE, passes, f"outcome differs: {differences[0]}")
    if ruling.kind == REFUSED and ruling.says not in ours:
        return Verdict(case.name, SURPRISE, passes, f"is refused, but not by saying {ruling.says!r}")
    if ruling.kind in (REFUSED, FAILING):
        return Verdict(case.name, ruling.kind, passes, ruling.reason)
    wanted = case.expected[0] if case.expected else live or ""
    return Verdict(case.name, SURPRISE, passes, first_difference(wanted, ours))


def _compare_outcomes(
    tester: Tester, case: Case, ruling: Ruling, skerry: Address, postgres: Address | None
) -> list[str]:
    """Differences in outcome, between two more runs of the spec that also show the tables' rows."""
    if postgres is None:
        return ["outcomes are compared with a live PostgreSQL's, and there is none"]
    spec = parse_spec(parse_spec(case.text).with_final_state())
    try:
        ours = parse_transcript(tester.transcript(skerry, case.name, spec.text, "state.skerry"), spec)
        theirs = parse_transcript(tester.transcript(postgres, case.name, spec.text, "state.postgres"), spec)
        if [p.steps for p in theirs] != spec.permutations:
            return [f"PostgreSQL ran {len(theirs)} of {len(spec.permutations)} permutations"]
        if spec.tables() and any(p.final_state is None for p in (*ours, *theirs)):
            return ["the tables' final rows were not shown"]
        differences = compare_outcomes(ours, theirs, spec)
        if differences and ruling.serial:
            text = spec.with_permutations(serial_permutations(differences, spec))
            serial = parse_transcript(tester.transcript(postgres, case.name, text, "serial.postgres"), spec)
            differences = not_serializable(differences, serial, spec)
    except TranscriptError as problem:
        return [str(problem)]
    return [str(difference) for difference in differences]


def first_difference(expected: str, found: str) -> str:
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


def count(verdicts: Sequence[Verdict], *kinds: str) -> int:
    """How many verdicts are of these kinds."""
    return sum(verdict.kind in kinds for verdict in verdicts)


def summary(verdicts: Sequence[Verdict]) -> str:
    """How many verdicts there are of each kind that there is."""
    kinds = [kind for kind in (TEXT, OUTCOME, REFUSED, FAILING, SURPRISE) if count(verdicts, kind)]
    return ", ".join(f"{count(verdicts, kind)} {kind}" for kind in kinds)


def score_of(suite: str, title: str, command: str, verdicts: Sequence[Verdict]) -> SuiteScore:
    """The score of a run; a surprise counts as failing."""
    measured = [v.postgres_passes for v in verdicts if v.postgres_passes is not None]
    return SuiteScore(
        suite=suite,
        title=title,
        command=command,
        date=datetime.now(UTC).date().isoformat(),
        cases=len(verdicts),
        postgres=sum(measured) if measured else None,
        skerry=count(verdicts, TEXT, OUTCOME),
        breakdown=summary(verdicts),
        by_outcome=[(v.name, v.detail) for v in verdicts if v.kind == OUTCOME],
        failures=[
            Failure(v.name, REFUSED if v.kind == REFUSED else FAILING, v.detail)
            for v in verdicts
            if v.kind in (REFUSED, FAILING, SURPRISE)
        ],
    )
