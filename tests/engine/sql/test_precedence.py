"""How operators group.

`precedence.tsv` holds PostgreSQL's answers: every pair of infix, prefix and postfix operators, and how it
groups them (or `error`).  They were taken from views over operators that all take and give Booleans, by
comparing pg_get_viewdef of the expression and of its parenthesised form.
"""

from __future__ import annotations

from pathlib import Path

from support.syntax_tree import grouping

from skerry_engine.errors import SyntaxError
from skerry_engine.sql.bridge import parse_expression

ANSWERS = Path(__file__).parents[2] / "data" / "precedence.tsv"


def ours(expression: str) -> str:
    try:
        return grouping(parse_expression(expression))
    except SyntaxError:
        return "error"


def test_operators_group_as_in_postgres() -> None:
    pairs = [line.split("\t") for line in ANSWERS.read_text().splitlines()]
    assert len(pairs) > 1400
    wrong = [(text, expected, ours(text)) for text, expected in pairs if ours(text) != expected]
    assert wrong == []


def test_the_answers_hold_refusals_too() -> None:
    assert "a < b < c\terror" in ANSWERS.read_text().splitlines()
