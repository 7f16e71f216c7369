"""A GQL statement without its constants: the key that statements differing only in literals share.

    MATCH (n {age: 42}) RETURN 'x'     key   gql MATCH ( n { age : ?l } ) RETURN ?s     literals  (int8 42, string 'x')

As in SQL (sql/normalise.py), whose classes this fills.  Lifted are numbers and strings wherever a value may stand; a
string in double quotes may turn out to be a name, which the grammar notices: then the whole text becomes the key.
Not lifted, because the plan depends on them: counts behind LIMIT, OFFSET, SKIP, SHORTEST and ANY, bounds of
quantifiers, lengths of types, typed literals (DATE '...').  Where values are compared as expressions (ORDER BY,
GROUP BY, DISTINCT), equal literals share a place and the key shows which.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Final

from skerry_engine.gql.lexer import DOUBLE_QUOTED, FLOAT
from skerry_engine.sql.lexer import INTEGER, NUMERIC, PUNCTUATION, STRING, WORD, Tokens
from skerry_engine.sql.literals import Literal
from skerry_engine.sql.normalise import Normalised

LANGUAGE: Final = "gql"

_MARKS: Final = {"int8": "?l", "numeric": "?n", "float8": "?f", "string": "?s"}
_INT8_LIMIT: Final = 1 << 63
_INT8_DIGITS: Final = 19
_FIXED_BEHIND: Final = frozenset(
    ("limit", "offset", "skip", "shortest", "any", "date", "time", "datetime", "timestamp", "duration")
)
_SIZED_TYPES: Final = frozenset(
    """
    decimal dec numeric float int integer uint string char varchar bytes binary varbinary timestamp time datetime
    """.split()
)
_LIFTED_KINDS: Final = frozenset((INTEGER, NUMERIC, FLOAT, STRING, DOUBLE_QUOTED))
_COMPARING: Final = re.compile(r"\b(?:order|group|distinct)\b", re.IGNORECASE)


def normalise(tokens: Tokens, lift: bool = True) -> Normalised:
    """Normalise one statement.  With `lift` False its literals stay where they are."""
    result = Normalised(tokens, LANGUAGE)
    if not lift:
        result.unlift()
        return result
    kinds, values, starts, ends, text = tokens.kinds, tokens.values, tokens.starts, tokens.ends, tokens.text
    shared: dict[tuple[str, str], int] | None = (
        {} if _COMPARING.search(text, starts[0], ends[-1]) is not None else None
    )
    parts: list[str] = [LANGUAGE]
    literals: list[Literal] = []
    for index, kind in enumerate(kinds):
        if kind not in _LIFTED_KINDS or not _is_liftable(tokens, index):
            parts.append(values[index] if kind == PUNCTUATION else text[starts[index] : ends[index]])
            continue
        name, value = _classified(kind, values[index])
        mark = "?d" if kind == DOUBLE_QUOTED else _MARKS[name]
        number = len(literals)
        if shared is not None:
            number = shared.setdefault((name, values[index]), number)
            mark += str(number)
        if number == len(literals):
            literals.append(Literal(name, value, starts[index] + 1))
        result.literal_at[index] = number
        parts.append(mark)
    result.key = " ".join(parts)
    result.literals = tuple(literals)
    return result


def _is_liftable(tokens: Tokens, index: int) -> bool:
    """Whether the constant at `index` is a value, as far as its neighbours tell."""
    if index == 0:
        return False
    kind, value = tokens.kinds[index - 1], tokens.values[index - 1]
    if kind == WORD:
        return value.lower() not in _FIXED_BEHIND
    if value == "{":
        return False  # a quantifier: records begin with names
    if value == "(":
        return not _names_type(tokens, index - 2)
    return value != "," or not (_is_bound(tokens, index) or _names_type(tokens, index - 4))


def _names_type(tokens: Tokens, index: int) -> bool:
    """Whether DECIMAL ( or its like begins at `index`: the numbers behind it are a type's."""
    return index >= 0 and tokens.values[index + 1] == "(" and tokens.values[index].lower() in _SIZED_TYPES


def _is_bound(tokens: Tokens, index: int) -> bool:
    """Whether the constant behind a comma is the upper bound of {,n} or {m,n}."""
    before = tokens.values[index - 2]
    return before == "{" or (
        tokens.kinds[index - 2] == INTEGER and index > 2 and tokens.values[index - 3] == "{"
    )


def _classified(kind: int, text: str) -> tuple[str, int | Decimal | str]:
    if kind == STRING or kind == DOUBLE_QUOTED:
        return "string", text
    if kind == FLOAT:
        return "float8", text
    if kind == INTEGER and len(text) <= _INT8_DIGITS and int(text) < _INT8_LIMIT:
        return "int8", int(text)
    return "numeric", Decimal(text)
