"""The checker notices each check of the engine that is switched off, and makes what it found small."""

from __future__ import annotations

import pytest

from histories.checker import Runner, Verdict
from histories.mutants import MUTANTS, Mutant
from histories.report import describe
from histories.script import Script
from histories.workload import make_script


def _first_failure(mutant: Mutant, runner: Runner) -> Verdict | None:
    for seed in range(mutant.within):
        verdict = runner.run(*make_script(seed, mutant.shape, mutant.levels))
        if verdict.rule:
            return verdict
    return None


def _skip_if_compiled(mutant: Mutant) -> None:
    why_not = mutant.why_not()
    if why_not:
        pytest.skip(why_not)


@pytest.mark.parametrize("name", MUTANTS)
def test_mutant_is_caught(name: str) -> None:
    mutant = MUTANTS[name]
    _skip_if_compiled(mutant)
    assert _first_failure(mutant, Runner(mutant.installed)) is not None


def _size(script: Script) -> int:
    return sum(len(transaction.statements) for session in script.sessions for transaction in session)


@pytest.mark.parametrize(
    ("name", "statements"),
    [
        ("statement restart", 2),
        ("first committer wins", 2),
        ("deadlock detection", 5),
        ("one snapshot per transaction", 3),
        ("pivot at commit", 4),
        ("KEY SHARE on parents", 3),
    ],
)
def test_failures_are_shrunk(name: str, statements: int) -> None:
    """To no more statements than the anomaly takes, failing by the same rule, and only in the broken engine."""
    mutant = MUTANTS[name]
    _skip_if_compiled(mutant)
    runner = Runner(mutant.installed)
    found = _first_failure(mutant, runner)
    assert found is not None
    small = runner.shrink(found)
    assert small.rule == found.rule
    assert _size(small.history.script) <= statements, describe(small)
    schedule = [session for session, _ in small.history.units]
    assert runner.run(small.history.script, schedule).rule == found.rule
    assert Runner().run(small.history.script, schedule).rule == ""


def test_report_tells_everything() -> None:
    mutant = MUTANTS["pivot at commit"]
    _skip_if_compiled(mutant)
    runner = Runner(mutant.installed)
    found = _first_failure(mutant, runner)
    assert found is not None
    text = describe(runner.shrink(found), 77)
    assert text.startswith("seed 77\nG2")
    assert text.count("--rw, ") >= 2
    assert "begin isolation level serializable" in text and "units: " in text
