"""Aggregates give what PostgreSQL 15 gave: `data/aggregates.tsv` has aggregate, type, inputs and answer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

DATA = Path(__file__).parent / "data" / "aggregates.tsv"
CASES = [line.split("\t") for line in DATA.read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize(("name", "type_name", "inputs", "answer"), CASES)
def test_aggregate_gives_what_postgresql_gives(
    name: str, type_name: str, inputs: str, answer: str, aggregate: Callable[[str, str, list[str]], str]
) -> None:
    assert aggregate(name, type_name, inputs.split(";")) == answer.replace("\\n", "\n")
