"""The adapter to opencypher-compliance: what it gives the package, and what it counts as not applicable."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

import pytest
from compliance.adapter import Adapter
from compliance.run import Outcome, outcomes, score_of
from tck.cursor import NotGql

from skerry_engine.errors import UndefinedFunction, UndefinedTable


@dataclass
class Column:
    name: str


@dataclass
class Result(list[tuple[object, ...]]):
    columns: list[Column] = field(default_factory=list)


class FakeDatabase:
    def execute(self, statement: str, parameters: Mapping[str, object] | None = None, /) -> Result:
        if "labels" in statement:
            raise UndefinedFunction("no labels")
        if "broken" in statement:
            raise UndefinedTable("broken")
        result = Result([Column("x")])
        result.append((Decimal("1.5"),))
        return result

    def close(self) -> None:
        """Nothing to close."""


def test_results_are_columns_and_rows_of_plain_values() -> None:
    answer = Adapter(FakeDatabase()).execute("RETURN 1.5 AS x")
    assert (answer.columns, answer.rows) == (["x"], [[1.5]])


def test_reasons_name_what_does_not_apply_and_errors_are_raised_all_the_same() -> None:
    adapter = Adapter(FakeDatabase())
    for query in (
        "RETURN [x IN [1] | x] AS x",
        "MATCH (n) RETURN labels(n) AS x",
        "MATCH (n) RETURN n.broken AS x",
    ):
        with pytest.raises((NotGql, UndefinedFunction, UndefinedTable)):
            adapter.execute(query)
    assert adapter.reasons == {
        "RETURN [x IN [1] | x] AS x": "list comprehensions",
        "MATCH (n) RETURN labels(n) AS x": "labels(): Cypher's own",
    }


def test_what_does_not_apply_neither_passes_nor_fails() -> None:
    adapter = Adapter(FakeDatabase())
    adapter.reasons["q1"] = "no such thing"
    tests = [{"query": f"q{number}"} for number in (1, 2, 3)]
    results = [
        {"type": "clause", "element": "A", "result": "pass"},
        {"type": "clause", "element": "B", "result": "pass"},
        {"type": "clause", "element": "C", "result": "fail", "error": "Row mismatch\nmore"},
    ]
    found = outcomes(tests, results, adapter)
    assert found == [
        Outcome("clause A", "not applicable", "no such thing"),
        Outcome("clause B", "passed", ""),
        Outcome("clause C", "failed", "Row mismatch"),
    ]
    score = score_of(found, "2026-01-01")
    assert (score.cases, score.skerry, score.breakdown) == (3, 1, "1 failing, 1 not applicable")
