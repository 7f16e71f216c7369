"""Scoring the suites of drivers: records, rulings and comparison."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from clients import obtaining, suites
from clients.judging import judge, read_rulings
from clients.run import _named
from clients.running import Outcome, read_record

PASSED, FAILED, SKIPPED = (
    Outcome("passed"),
    Outcome("failed", "E: no 17\nmore"),
    Outcome("skipped", "not here"),
)


def record(*lines: tuple[str, str, str]) -> str:
    return "".join(json.dumps(line) + "\n" for line in lines)


def test_of_several_lines_about_a_case_the_worst_counts() -> None:
    text = record(
        ("a", "collected", ""),
        ("b", "collected", ""),
        ("c", "collected", ""),
        ("a", "started", ""),
        ("a", "passed", ""),
        ("a", "failed", "in its teardown"),
        ("b", "started", ""),
    )
    assert read_record(text) == {
        "a": Outcome("failed", "in its teardown"),
        "b": Outcome("started", ""),
        "c": Outcome("collected", ""),
    }


def test_only_what_passes_in_front_of_postgresql_is_asked_for() -> None:
    postgres = {"a": PASSED, "b": PASSED, "c": FAILED, "d": SKIPPED, "e": PASSED, "f": PASSED}
    skerry = {"a": PASSED, "b": FAILED, "c": PASSED, "d": FAILED, "e": SKIPPED}
    score = judge(postgres, skerry, [])
    assert (score.cases, score.postgres, score.passed) == (6, ["a", "b", "e", "f"], ["a"])
    assert score.failing == [("b", "E: no N"), ("e", "skipped: not here"), ("f", "was not run")]
    assert score.applicable == 4


def test_cases_can_agree_by_function() -> None:
    score = judge({"x.py::A::one": PASSED}, {"y.py::B::one": PASSED}, [], by_function=True)
    assert (score.cases, score.passed) == (1, ["one"])


RULINGS = """
[[not_applicable]]
reason = "no DO"
says = "DO is not"

[[not_applicable]]
reason = "nobody needs this"
says = "nothing says this"

[[failing]]
reason = "known"
cases = ["::slow$"]
"""


def test_rulings_say_what_does_not_apply_and_why_what_fails_does(tmp_path: Path) -> None:
    path = tmp_path / "suite.toml"
    path.write_text(RULINGS)
    postgres = dict.fromkeys(("t::do", "t::slow", "t::slower", "t::fine"), PASSED)
    skerry = {
        "t::do": Outcome("failed", "error:\nDO is not supported"),
        "t::slow": FAILED,
        "t::slower": FAILED,
        "t::fine": PASSED,
    }
    score = judge(postgres, skerry, read_rulings(path))
    assert score.not_applicable == {"no DO": 1}
    assert score.applicable == 3
    assert score.failing == [("t::slow", "known"), ("t::slower", "E: no N")]
    assert score.unneeded == ["nobody needs this"]


@pytest.mark.parametrize(
    "text", ['[[failing]]\nreason = "x"', '[[failing]]\nsays = "x"', '[[odd]]\nreason = "x"']
)
def test_what_is_no_ruling_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "suite.toml"
    path.write_text(text)
    with pytest.raises(ValueError, match="ruling"):
        read_rulings(path)


def test_rulings_here_can_be_read() -> None:
    found = sorted((Path(suites.__file__).parent / "rulings").glob("*.toml"))
    names = {suite.name.partition("-")[0] for suite in suites.SUITES}
    assert {path.stem for path in found} <= names
    for path in found:
        assert read_rulings(path)


def test_suites_compared_with_others_name_them() -> None:
    for suite in suites.SUITES:
        if suite.compared_with:
            assert suites.suite_named(suite.compared_with).is_reference


def test_what_pip_does_not_know_can_not_be_obtained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", "")
    with pytest.raises(obtaining.CannotObtain, match="pip download failed"):
        obtaining.source_of("skerry-suite-that-is-not-there==1")


def test_of_very_many_cases_functions_are_named() -> None:
    many = [(f"a.py::f[{number}]", "one cause") for number in range(200)]
    few = [("a.py::g[1]", "another"), ("a.py::g[2]", "another")]
    assert _named([*many, *few]) == [*few, ("a.py::f[…]", "one cause")]
