"""The parser's machinery: tables, keywords as names, lifted literals, errors.  What each construct becomes: golden/."""

from __future__ import annotations

import pytest

from skerry_engine import errors
from skerry_engine.gql import tree
from skerry_engine.gql.build_actions import ACTIONS
from skerry_engine.gql.make_tables import HERE, written_tables
from skerry_engine.gql.parser import parse
from skerry_engine.gql.tables import RESERVED, tables


def test_the_tables_are_those_of_the_grammar() -> None:
    assert (HERE / "tables.json").read_text(encoding="utf-8") == written_tables()


def test_every_action_of_the_grammar_has_a_builder_and_every_builder_a_rule() -> None:
    named = {rule.action for rule in tables().rules} - {"", "[]"}
    assert named == set(ACTIONS)


def returned(text: str) -> tree.Expr:
    """The value of the one item that `RETURN text` returns."""
    (part,) = parse(f"RETURN {text}").parts
    assert isinstance(part, tree.Procedure) and isinstance(part.first, tree.Linear)
    (clause,) = part.first.clauses
    assert isinstance(clause, tree.Return)
    (item,) = clause.items
    return item.value


VALUES = {"TRUE", "FALSE", "NULL", "UNKNOWN"}
KEYWORDS = sorted(tables().words)


@pytest.mark.parametrize("word", KEYWORDS)
def test_any_keyword_can_name_a_label_a_property_and_an_alias(word: str) -> None:
    lowered = word.lower()
    text = f"MATCH (n:{word}&A {{{lowered}: 1}}) RETURN n.{lowered} AS {lowered}, {{{lowered}: 1}} AS b"
    (part,) = parse(text).parts
    assert f"LabelName(position=10, name={word!r})" in repr(part)
    assert f"alias={lowered!r}" in repr(part)


@pytest.mark.parametrize("word", [w for w in KEYWORDS if w not in RESERVED and w not in ("TRIM",)])
def test_a_keyword_that_is_not_reserved_can_be_a_variable(word: str) -> None:
    text = f"LET {word} = 1 RETURN {word}, {word} + 1 AS a, [{word}] AS b, ({word}) AS c ORDER BY {word}"
    assert repr(parse(text)).count(f"Variable(position={text.index('RETURN') + 8}, name={word!r})") == 1


@pytest.mark.parametrize("word", sorted(RESERVED & tables().words.keys() - VALUES))
def test_a_reserved_word_is_no_variable(word: str) -> None:
    with pytest.raises(errors.SyntaxError):
        parse(f"RETURN 1 + {word}")


def test_an_error_has_line_column_caret_and_what_was_expected() -> None:
    with pytest.raises(errors.SyntaxError) as caught:
        parse("MATCH (a)\n\tWHERE a.x = = 1\nRETURN a")
    error = caught.value
    assert (error.position, error.line_number, error.column_number) == (24, 2, 14)
    assert error.caret == "\tWHERE a.x = = 1\n\t            ^"
    assert error.expected == ("a value",)
    assert error.message == 'unexpected "=": a value was expected'
    assert str(error) == f"{error.message}\nLine 2, column 14:\n{error.caret}"
    assert error.detail is None, "clients draw their own carets"


def test_an_error_at_the_end_says_so() -> None:
    with pytest.raises(errors.SyntaxError, match="the statement ends too early") as caught:
        parse("MATCH (a")
    assert caught.value.column_number == 9
    assert set(caught.value.expected) >= {'")"', "WHERE"}


def test_an_error_guesses_a_misspelt_keyword() -> None:
    with pytest.raises(errors.SyntaxError) as caught:
        parse("MATCH (a) RETRUN a")
    assert caught.value.hint == "Perhaps RETURN was meant."


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("UNWIND [1] AS x RETURN x", "FOR x IN list"),
        ("MATCH (n) WITH n RETURN n", "RETURN ... NEXT"),
        ("MATCH (a)-[:X*1..3]->(b) RETURN a", "behind the edge"),
        ("MATCH (a) WHERE EXISTS {(a)--(b)} RETURN a", "begins a comment"),
        ("MATCH (a) WHERE EXISTS {(a)-->(b)} RETURN a", "begins a comment"),
        ("MATCH (a) WHERE (a)-[:X]->() RETURN a", "EXISTS"),
        ("MATCH (a) WHERE a.x =~ 'b' RETURN a", "LIKE"),
        ("MATCH (a) RETURN a.x HAVING a.x > 1", "NEXT FILTER"),
    ],
)
def test_what_other_languages_write_is_met_with_a_hint(text: str, hint: str) -> None:
    with pytest.raises(errors.SyntaxError) as caught:
        parse(text)
    assert hint in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("1 + 2 * 3 - 4", "(1 + (2 * 3)) - 4"),
        ("NOT a = b AND c OR d", "((NOT (a = b)) AND c) OR d"),
        ("a = NOT b = c", "a = (NOT (b = c))"),
        ("-a * b", "(-a) * b"),
        ("a - -b", "a - (-b)"),
        ("a + b IS NULL", "(a + b) IS NULL"),
        ("a = b IS NULL", "a = (b IS NULL)"),
        ("a > b IS TRUE", "(a > b) IS TRUE"),
        ("NOT a IS NULL", "NOT (a IS NULL)"),
        ("NOT a IS NOT TRUE", "NOT (a IS NOT TRUE)"),
        ("a || b = c || d", "(a || b) = (c || d)"),
        ("a + b || c", "(a + b) || c"),
        ("a IN b AND c", "(a IN b) AND c"),
        ("a OR b XOR c", "(a OR b) XOR c"),
        ("a:B = c", "(a:B) = c"),
        ("x<-1", "x < (-1)"),
        ("x <-y.z", "x < (-y.z)"),
        ("[1]-2", "([1]) - 2"),
        ("a/-2", "a / (-2)"),
        ("LET x = 1 IN x IN [1] END", "LET x = (1) IN (x IN [1]) END"),
    ],
)
def test_operators_bind_as_documented(text: str, same: str) -> None:
    assert returned(text) == returned(same)
