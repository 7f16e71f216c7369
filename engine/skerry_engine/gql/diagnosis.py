"""Syntax errors that help: what stands there, what could, and where in the text that is."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from typing import Final

from skerry_engine.errors import SyntaxError
from skerry_engine.sql.lexer import END, WORD, Tokens

_CLASSES: Final = {
    "$END": "the end",
    "IDENT": "a name",
    "INTEGER": "an integer",
    "NUMERIC": "a number",
    "FLOAT": "a number",
    "STRING": "a string",
    "BYTES": "a byte string",
    "PARAM": "a parameter",
    "REFERENCE": "a parameter",
}
_LEFT_OUT: Final = frozenset(
    ("QUOTED", "DOUBLE_QUOTED", "WITH_TIME", "LIST_OF", "ANY_OF", "ANY_VALUE", "VALUE_OF", "PROPERTY_VALUE")
    + ("RECORD_OF",)
)
# What can begin a value, said in one word where all of it can stand
_VALUE: Final = frozenset(("IDENT", "INTEGER", "STRING", "PARAM", "CASE", "NOT", "NULL", "(", "["))
_VALUE_STARTS: Final = _VALUE | frozenset(
    """
    NUMERIC FLOAT BYTES + - { ARRAY CAST DATE DATETIME DURATION DURATION_BETWEEN EXISTS FALSE LET LIST PATH
    RECORD TIME TIMESTAMP TRIM TRUE UNKNOWN VALUE
    """.split()
)
# What can follow a value, likewise
_OPERATORS: Final = frozenset(
    "+ - * / % || = <> < <= > >= AND OR XOR LIKE CONTAINS STARTS ENDS IN IS : . [".split()
)
# What can begin a clause, likewise
_STATEMENT: Final = frozenset(("MATCH", "RETURN", "INSERT", "LET", "FOR", "FILTER"))
_STATEMENT_STARTS: Final = _STATEMENT | frozenset(
    """
    { AT BEGIN BINDING CALL COMMIT CREATE DELETE DETACH DROP FINISH GRAPH LIMIT MERGE NODETACH OFFSET OPTIONAL ORDER
    PROPERTY RELEASE REMOVE ROLLBACK SAVEPOINT SESSION SET SKIP START TABLE USE
    """.split()
)
_WORDS_ELSEWHERE: Final = {
    "UNWIND": "Write FOR x IN list.",
    "WITH": "Write RETURN ... NEXT: what follows goes on from the rows returned.",
    "FOREACH": "Write FOR x IN list, and the change behind it.",
    "BETWEEN": "Write x >= a AND x <= b.",
    "ILIKE": "Write LOWER(x) LIKE pattern.",
    "HAVING": "Write NEXT FILTER condition behind RETURN.",
    "SELECT": "SELECT is SQL's; GQL has RETURN.",
}
_ARROWS: Final = frozenset(("-[", "<-[", "~[", "->", "<-", "<->"))
_SHOWN: Final = 12
_LIKENESS: Final = 0.7


def unexpected(tokens: Tokens, index: int, expected: Sequence[str]) -> SyntaxError:
    """The error for token `index` where only the terminals `expected` can stand."""
    words = described(expected)
    if tokens.kinds[index] == END:
        message = "the statement ends too early"
    else:
        message = f'unexpected "{tokens.text[tokens.starts[index] : tokens.ends[index]]}"'
    if words:
        message += f": {listed(words)} was expected"
    hint = _written_elsewhere(tokens, index)
    if hint is None and tokens.kinds[index] == WORD:
        hint = _meant(tokens.values[index], expected)
    error = SyntaxError(message, position=tokens.starts[index] + 1, hint=hint)
    error.expected = tuple(words)
    return error


def _written_elsewhere(tokens: Tokens, index: int) -> str | None:
    """What to write for something that other graph languages have at this place."""
    value = tokens.values[index]
    before = tokens.values[index - 1] if index else ""
    if tokens.kinds[index] == END:
        cut = tokens.text.find("--", tokens.ends[index - 1] if index else 0)
        is_edge = cut >= 0 and before in (")", "<") and cut == tokens.ends[index - 1]
        return "-- begins a comment: write an edge without brackets as -, -> or <-." if is_edge else None
    if tokens.kinds[index] == WORD:
        return _WORDS_ELSEWHERE.get(value.upper())
    if value == "~" and before == "=":
        return "There are LIKE, CONTAINS, STARTS WITH and ENDS WITH."
    if value == "*" and _opener(tokens, index) in ("-[", "<-[", "~["):
        return "A quantifier stands behind the edge: -[:LABEL]->{1,3}, ->*, ->+."
    if value in _ARROWS and before == ")":
        return "A pattern among values is EXISTS {(a)-[]->(b)}."
    return None


def _opener(tokens: Tokens, index: int) -> str:
    """The edge bracket that is open at a token."""
    for value in reversed(tokens.values[:index]):
        if value.startswith("]"):
            return ""
        if value.endswith("["):
            return value
    return ""


def _meant(word: str, expected: Sequence[str]) -> str | None:
    """A keyword that is nearly what was written."""
    keywords = [name for name in expected if name.isalpha() and name not in _CLASSES]
    near = get_close_matches(word.upper(), keywords, 1, _LIKENESS)
    return f"Perhaps {near[0]} was meant." if near else None


def described(terminals: Sequence[str]) -> list[str]:
    """Terminals as people call them, each once; the beginnings of values and their operators in one word."""
    names = set(terminals) - _LEFT_OUT
    found: list[str] = []
    if names >= _STATEMENT:
        names -= _STATEMENT_STARTS
        found.append("a statement")
    if names >= _VALUE:
        names -= _VALUE_STARTS
        found.append("a value")
    if names >= _OPERATORS - {"IN", "["}:
        names -= _OPERATORS
        found.append("an operator")
    shown = {_CLASSES.get(name, name if name[0].isalpha() else f'"{name}"') for name in names}
    return found + sorted(shown, key=_order)


def _order(word: str) -> tuple[int, str]:
    return (0 if word[0].islower() else 1 if word[0] == '"' else 2, word)


def listed(words: Sequence[str]) -> str:
    """a, b or c; long lists are cut."""
    shown = list(words[:_SHOWN])
    if len(words) > _SHOWN:
        return ", ".join(shown) + ", ..."
    return " or ".join([*([", ".join(shown[:-1])] if len(shown) > 1 else []), shown[-1]])


def located(error: SyntaxError, text: str) -> SyntaxError:
    """The error with line and column, and a caret under the place in its line."""
    error.locate(text)
    return error
