"""GRAPH_TABLE: SQL's tokens become a text for GQL's parser in which everything stands where it stood."""

from __future__ import annotations

import pytest
from sqlglot import exp

from skerry_engine import errors
from skerry_engine.sql.bridge import graph_table_of, parse_query
from skerry_engine.sql.front import parse_statement
from skerry_engine.sql.graph_table import GraphTableText
from skerry_engine.sql.statements import Query


def written(text: str) -> GraphTableText:
    tree = parse_query(text)
    node = tree.find(exp.TableFromRows)
    assert node is not None
    return graph_table_of(node)


def key(text: str) -> str:
    statement = parse_statement(text)
    assert isinstance(statement, Query)
    return statement.normalised.key.strip()


def test_words_fold_and_everything_keeps_its_place() -> None:
    text = "SELECT * FROM GRAPH_TABLE (Social MATCH (P IS Person)\n COLUMNS (P.Name AS N)) AS t"
    found = written(text)
    assert found.position == text.index("GRAPH_TABLE") + 1
    assert found.original == text
    begin = text.index("Social")
    assert found.text == " " * begin + "social match (p is person)\n columns (p.name as n)"


def test_strings_and_quoted_names_are_stand_ins_with_their_contents_beside() -> None:
    text = """SELECT * FROM GRAPH_TABLE (g MATCH (a:"Per""son" WHERE a.x = 'it''s' OR a.y = E'\\n') COLUMNS (a.x))"""
    found = written(text)
    assert len(found.text) == text.rindex(")")
    assert sorted(found.contents.values()) == ["\n", 'Per"son', "it's"]
    for start, content in found.contents.items():
        assert found.text[start] == ("`" if content == 'Per"son' else "'")
    assert "it's" not in found.text


def test_comments_are_blanks() -> None:
    found = written("select * from graph_table (g /* ) */ match (a) -- (\n columns (a.x)) t")
    assert "match (a)" in found.text
    assert "--" not in found.text and "/*" not in found.text


@pytest.mark.parametrize(
    "pattern", ["(a)-[e]->(b)", "(a)<-[e]-(b)", "(a)->(b)<-(c)", "(a)-[e]->{1,3}(b)", "(a)-[e:x|y&!z]-(b)"]
)
def test_patterns_come_through_as_written(pattern: str) -> None:
    assert pattern in written(f"select * from graph_table (g match {pattern} columns (a.x))").text


def test_no_literal_in_it_is_lifted() -> None:
    text = "select 1 from graph_table (g match (a where a.x = {}) columns (a.x)) t where t.x = {}"
    assert key(text.format(5, 6)) == key(text.format(5, 7))
    assert key(text.format(5, 6)) != key(text.format(6, 6))
    assert key(text.format("'a'", 6)) != key(text.format("'b'", 6))


def test_the_word_alone_is_a_name() -> None:
    assert (
        key("select graph_table from graph_table where x = 1")
        == "select graph_table from graph_table where x = ?i"
    )
    assert parse_query("select 1 from graph_table").find(exp.TableFromRows) is None


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("select 1 from graph_table (g match (a) columns (a.x)", 53),
        ("select {", 8),
        ("select 1 from t where x = }", 27),
    ],
)
def test_braces_and_brackets_elsewhere_are_syntax_errors(text: str, place: int) -> None:
    with pytest.raises(errors.SyntaxError) as caught:
        parse_query(text)
    assert caught.value.position == place
