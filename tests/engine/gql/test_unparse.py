"""Trees written out and read again; random sentences of the whole grammar; token soup."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.gql_sentences import SPLIT, TOKENS, Speaker, grammar

from skerry_engine import errors
from skerry_engine.gql import tree
from skerry_engine.gql.make_tables import STARTS
from skerry_engine.gql.parser import parse, parse_graph_table
from skerry_engine.gql.unparse import unparse

SENTENCES = 1500


def check_round_trip(text: str, read: Callable[[str], tree.Node]) -> bool:
    """Whether the text parses; if so, it must come back the same."""
    try:
        found = read(text)
    except errors.SyntaxError as error:
        assert error.position is not None and 1 <= error.position <= len(text) + 1
        return False
    again = unparse(found)
    assert read(again) == found, again
    assert unparse(read(again)) == again
    return True


@pytest.mark.parametrize("start", STARTS)
def test_random_sentences_come_back_the_same(start: str) -> None:
    read = parse if start == "program" else parse_graph_table
    speaker = Speaker(len(start))
    fine = 0
    for number in range(SENTENCES):
        text = speaker.sentence(start)
        try:
            fine += check_round_trip(text, read)
        except Exception as error:
            raise AssertionError(f"sentence {number}: {text}") from error
    assert fine > SENTENCES // 10  # the others break rules that are not the grammar's: quantified nodes, ...


WORDS = sorted(
    {w for w in grammar()[1].values() if w not in SPLIT} | {w for ws in TOKENS.values() for w in ws}
)


@settings(max_examples=400, deadline=None)
@given(st.lists(st.sampled_from(WORDS), max_size=25))
def test_token_soup_parses_or_is_a_syntax_error(words: list[str]) -> None:
    check_round_trip(" ".join(words), parse)


@settings(max_examples=400, deadline=None)
@given(st.text(st.characters(codec="utf-8"), max_size=40))
def test_character_soup_parses_or_is_a_syntax_error(text: str) -> None:
    check_round_trip("RETURN " + text, parse)


@settings(max_examples=200, deadline=None)
@given(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20))
def test_any_text_can_be_a_string_and_a_name(text: str) -> None:
    found = parse(unparse(tree.Literal(1, "string", text)).join(["RETURN ", " AS x"]))
    assert f"value={text!r}" in repr(found)
    if text:
        found = parse(unparse(tree.Variable(1, text)).join(["RETURN ", " AS x"]))
        assert f"name={text!r}" in repr(found)
