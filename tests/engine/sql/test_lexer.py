"""PostgreSQL's lexical rules."""

from __future__ import annotations

import pytest

from skerry_engine.errors import SyntaxError
from skerry_engine.sql import lexer
from skerry_engine.sql.lexer import identifier_name, tokenize


def values(text: str) -> list[str]:
    return tokenize(text).values[:-1]


def kinds(text: str) -> list[int]:
    return tokenize(text).kinds[:-1]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("'it''s'", "it's"),
        ("'back\\slash'", "back\\slash"),
        ("'a'\n'b'", "ab"),
        ("'a' -- why\n  'b''c'", "ab'c"),
        ("'two\nlines'", "two\nlines"),
        (r"E'a\n\t\'\\'", "a\n\t'\\"),
        (r"E'\x41\101\u00e9\U0001F600'", "AAé😀"),
        (r"E'\ud83d\ude00'", "😀"),
        (r"E'\xc3\xa9'", "é"),
        (r"U&'d\0061t\+000061'", "data"),
        (r"U&'d!0061t' UESCAPE '!'", "dat"),
        ("$$it's$$", "it's"),
        ("$q$a $$ b$q$", "a $$ b"),
        ("n'x'", "x"),
    ],
)
def test_strings_decode(text: str, value: str) -> None:
    assert (kinds(text), values(text)) == ([lexer.STRING], [value])


def test_adjacent_strings_on_one_line_stay_two_tokens() -> None:
    assert values("'a' 'b'") == ["a", "b"]


def test_words_fold_ascii_only() -> None:
    assert values('SeLeCt "Name" ÄB') == ["select", "Name", "Äb"]


def test_a_prefix_letter_needs_its_quote() -> None:
    assert values("e x u&b be&c ab'c'") == ["e", "x", "u", "&", "b", "be", "&", "c", "ab", "c"]


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("a<-1", ["a", "<", "-", "1"]),
        ("a@-1", ["a", "@-", "1"]),
        ("a+-1", ["a", "+", "-", "1"]),
        ("a!=b", ["a", "<>", "b"]),
        ("a->>'b'", ["a", "->>", "b"]),
        ("a*/* c */b", ["a", "*", "b"]),
        ("a=--c\nb", ["a", "=", "b"]),
        ("a::int", ["a", "::", "int"]),
        ("f(a:=1)", ["f", "(", "a", ":=", "1", ")"]),
        ("1..2", ["1", "..", "2"]),
        ("1.5e3.25", ["1.5e3", ".25"]),
        ("values($1,$2)", ["values", "(", "1", ",", "2", ")"]),
    ],
)
def test_operators_and_numbers_end_where_postgres_ends_them(text: str, parts: list[str]) -> None:
    assert values(text) == parts


def test_comments_nest() -> None:
    assert values("a /* x /* y */ z */ b") == ["a", "b"]


@pytest.mark.parametrize(
    ("text", "message", "position"),
    [
        ("select 'a", 'unterminated quoted string at or near "\'a"', 8),
        ('select "a', 'unterminated quoted identifier at or near ""a"', 8),
        ('select ""', 'zero-length delimited identifier at or near """"', 8),
        ("select /* a", 'unterminated /* comment at or near "/* a"', 8),
        ("select $a$ b", 'unterminated dollar-quoted string at or near "$a$ b"', 8),
        ("select 123abc", 'trailing junk after numeric literal at or near "123abc"', 8),
        ("select $1abc", 'trailing junk after parameter at or near "$1abc"', 8),
        ("select \\", 'syntax error at or near "\\"', 8),
    ],
)
def test_malformed_tokens_are_reported_as_postgres_does(text: str, message: str, position: int) -> None:
    with pytest.raises(SyntaxError) as caught:
        tokenize(text)
    assert (caught.value.message, caught.value.position) == (message, position)


def test_places_are_those_of_the_text() -> None:
    text = "select  E'x' /* c */, $1"
    tokens = tokenize(text)
    assert [text[a:b] for a, b in zip(tokens.starts, tokens.ends, strict=True)] == [
        "select",
        "E'x'",
        ",",
        "$1",
        "",
    ]


def test_names_are_cut_to_63_bytes() -> None:
    assert identifier_name("é" * 40) == "é" * 31
    assert identifier_name("a" * 70) == "a" * 63
