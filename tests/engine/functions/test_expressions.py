"""Expressions give what PostgreSQL 15 gave for them: values, scales, errors with their SQLSTATE and wording.

Each line of `data/*.txt` is an expression and PostgreSQL's answer;
see conftest.py for how they are evaluated.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

_ESCAPE = re.compile(r"\\(.)")
DATA = Path(__file__).parent / "data"


def _cases() -> list[tuple[str, str]]:
    cases = []
    for path in sorted(DATA.glob("*.txt")):
        for line in path.read_text(encoding="utf-8").splitlines():
            expression, answer = line.split("\t=> ")
            cases.append(
                (expression, _ESCAPE.sub(lambda match: "\n" if match[1] == "n" else match[1], answer))
            )
    return cases


@pytest.mark.parametrize(("expression", "answer"), _cases(), ids=lambda text: text[:60])
def test_expression_gives_what_postgresql_gives(
    expression: str, answer: str, evaluate: Callable[[str], str]
) -> None:
    assert evaluate(expression) == answer
