"""The runner of SQLAlchemy's compliance suite: a piece of it, and what is made of outcomes."""

from __future__ import annotations

from pathlib import Path

from clients.judging import judge
from clients.running import Outcome
from dialect.run import make_schemas, run_suite, score_of


def test_a_piece_of_the_suite_passes(tmp_path: Path) -> None:
    target = str(tmp_path / "data")
    make_schemas(target)
    found = run_suite(f"skerry+embedded:///{target}", "ReturningTest or SavepointTest or IsolationLevelTest")
    assert len(found) > 10
    assert {case: outcome for case, outcome in found.items() if outcome.word != "passed"} == {}
    assert not any("postgresql" in case for case in found)


def test_what_postgresql_passes_is_the_measure() -> None:
    passed, failed = Outcome("passed"), Outcome("failed", "because\nof that")
    postgres = {"a": passed, "b": passed, "c": Outcome("skipped")}
    network = judge(postgres, {"a": passed, "b": passed, "c": Outcome("skipped")}, [])
    embedded = judge(postgres, {"a": passed, "b": failed, "c": passed}, [])
    score = score_of({"network": network, "embedded": embedded}, "2.1", is_measured=True)
    assert (score.cases, score.postgres, score.skerry) == (3, 2, 2)
    (part,) = score.parts
    assert (part.title, part.postgres, part.skerry, part.breakdown) == (
        "skerry+embedded://",
        2,
        1,
        "1 failing",
    )
    assert [(each.case, each.cause) for each in score.failures] == [("embedded: b", "because")]
