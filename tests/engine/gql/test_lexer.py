"""GQL's tokens: kinds, values, places; the three cuts of arrows; what is no token."""

from __future__ import annotations

import pytest

from skerry_engine import errors
from skerry_engine.gql.lexer import DOUBLE_QUOTED, FLOAT, REFERENCE, tokenize
from skerry_engine.sql import lexer as sql


def values(text: str) -> list[str]:
    return tokenize(text).values[:-1]


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("Match", sql.WORD, "Match"),
        ("_x1", sql.WORD, "_x1"),
        ("naïve", sql.WORD, "naïve"),
        ("名前", sql.WORD, "名前"),
        ("x", sql.WORD, "x"),
        ("`a``b\\n`", sql.QUOTED, "a`b\n"),
        ('"a""b"', DOUBLE_QUOTED, 'a"b'),
        ("'a''b'", sql.STRING, "a'b"),
        (r"'\\ \' \" \` \t\b\n\r\f \u00e9\U01F600'", sql.STRING, "\\ ' \" ` \t\b\n\r\f é😀"),
        (r"@'a\n''b'", sql.STRING, r"a\n'b"),
        (r'@"a\n"', DOUBLE_QUOTED, r"a\n"),
        (r"@`a\n`", sql.QUOTED, r"a\n"),
        ("'two\nlines'", sql.STRING, "two\nlines"),
        ("X'0a Ff'", sql.HEX_STRING, "0aFf"),
        ("x''", sql.HEX_STRING, ""),
        ("42", sql.INTEGER, "42"),
        ("1_000", sql.INTEGER, "1000"),
        ("0x1F", sql.INTEGER, "31"),
        ("0o17", sql.INTEGER, "15"),
        ("0b1_01", sql.INTEGER, "5"),
        ("1.5", sql.NUMERIC, "1.5"),
        (".5", sql.NUMERIC, ".5"),
        ("2.", sql.NUMERIC, "2."),
        ("2M", sql.NUMERIC, "2"),
        ("1e3m", sql.NUMERIC, "1e3"),
        ("1e3", FLOAT, "1e3"),
        ("1.5E-3", FLOAT, "1.5E-3"),
        ("2F", FLOAT, "2"),
        ("2.5d", FLOAT, "2.5"),
        ("$1", sql.PARAMETER, "1"),
        ("$name", sql.NAMED_PARAMETER, "name"),
        ("$`a b`", sql.NAMED_PARAMETER, "a b"),
        ('$"a b"', sql.NAMED_PARAMETER, "a b"),
        ("$$graph", REFERENCE, "graph"),
        ("!=", sql.PUNCTUATION, "<>"),
    ],
)
def test_one_token(text: str, kind: int, value: str) -> None:
    tokens = tokenize(f"  {text} ")
    assert (tokens.kinds, tokens.values) == ([kind, sql.END], [value, ""])
    assert (tokens.starts, tokens.ends) == ([2, 3 + len(text)], [2 + len(text), 3 + len(text)])


ARROWS = "<-[ ]- -[ ]-> ~[ ]~ <~[ ]~ ~[ ]~> <-[ ]-> -[ ]- <- -> ~ <~ ~> <-> - | |+| || :: : .. . => = <= >= <> < > += + * % & ! ? /"


def test_arrows_and_operators() -> None:
    assert values(ARROWS) == ARROWS.split()
    assert values("-/ A /- ~/ A /~ -/ A /-> <~/ A /~ ~/ A /~> <-/ A /-> <-/ A /-")[2::3] == (
        "/- /~ /-> /~ /~> /-> /-".split()
    )


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("x<-1", "x < - 1"),
        ("x <-.5", "x < - .5"),
        ("x<-y", "x < - y"),
        ("x<- 'a'", "x < - a"),
        ("[1]<-y", "[ 1 ] < - y"),
        ("x <-$p", "x < - p"),
        ("(x)<-(y)", "( x ) <- ( y )"),
        ("(x)<- WHERE", "( x ) <- WHERE"),
        ("(x)<-(y)<- RETURN", "( x ) <- ( y ) <- RETURN"),
        ("(x)-><- WHERE", "( x ) -> <- WHERE"),
        ("[1, 2]-3", "[ 1 , 2 ] - 3"),
        ("a[0]->b", "a [ 0 ] -> b"),
        ("[x]~[y]~", "[ x ] ~[ y ]~"),
        ("-[e WHERE e.x = [1]]->", "-[ e WHERE e . x = [ 1 ] ]->"),
        ("-[e WHERE e.x[0]-1 > a[b[1]]]-", "-[ e WHERE e . x [ 0 ] - 1 > a [ b [ 1 ] ] ]-"),
        ("x/-2", "x / - 2"),
        ("x/~2", "x / ~ 2"),
        ("1..2", "1 .. 2"),
        ("a[1..]", "a [ 1 .. ]"),
        ("-/A|B/->", "-/ A | B /->"),
    ],
)
def test_arrows_are_cut_where_none_can_be_meant(text: str, tokens: str) -> None:
    assert values(text) == tokens.split()


@pytest.mark.parametrize("comment", ["-- x\n", "// x\n", "/* x */", "/* // -- \n ' */", "\t\r\n\u3000\u00a0"])
def test_comments_and_white_space_are_no_tokens(comment: str) -> None:
    assert values(f"a{comment}b{comment}") == ["a", "b"]


@pytest.mark.parametrize(
    ("text", "position", "message"),
    [
        ("a 'b", 3, "unterminated string"),
        ('a "b', 3, "unterminated string"),
        ("a `b", 3, "unterminated name"),
        ("a /* b", 3, "unterminated comment"),
        ("a # b", 3, 'unexpected character "#"'),
        ("a b\u201cc", 4, 'unexpected character "\u201c"'),
        ("'a\\x'", 3, "invalid escape"),
        ("'a\\U110000'", 3, "is no character"),
        ("'\\ud800'", 2, "is no character"),
        ("X'abc'", 1, "pairs of hexadecimal digits"),
        ("12ab", 1, "a number cannot run on"),
        ("0x1G", 1, "a number cannot run on"),
        ("1.5x", 1, "a number cannot run on"),
        ("$ a", 1, "a parameter is a name or number"),
        ("``", 1, "a quoted name cannot be empty"),
    ],
)
def test_what_is_no_token(text: str, position: int, message: str) -> None:
    with pytest.raises(errors.SyntaxError, match=message) as caught:
        tokenize(text)
    assert caught.value.position == position


def test_reading_stops_at_a_semicolon_that_is_a_token() -> None:
    text = "a ';' /* ; */ `;` ; b"
    tokens = tokenize(text, 0, single=True)
    assert tokens.values == ["a", ";", ";", ""]
    assert tokens.starts[-1] == text.index("; b")
    assert tokenize(text, tokens.starts[-1] + 1, single=True).values == ["b", ""]
