"""Constants of a statement: their classes, values, and how a cache key shows them."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from skerry_engine.sql.lexer import INTEGER, NUMERIC, OPERATOR, PUNCTUATION, QUOTED, STRING, WORD, Tokens

Value = int | Decimal | str | bool | None

_INT4_LIMIT: Final = 1 << 31
_INT8_LIMIT: Final = 1 << 63
MARKS: Final = {"int4": "?i", "int8": "?l", "numeric": "?n", "string": "?s", "bool": "?b", "null": "?z"}
_NUMBER_ORDER: Final = {"int4": 0, "int8": 1, "numeric": 2}


@dataclass(slots=True, init=False)
class Literal:
    """A lifted constant.

    `kind`: int4, int8, numeric or string; `value`: int, Decimal or str; `position` 1-based.
    """

    kind: str
    value: int | Decimal | str
    position: int

    def __init__(self, kind: str, value: int | Decimal | str, position: int) -> None:
        self.kind = kind
        self.value = value
        self.position = position


def classify(kind: int, text: str) -> tuple[str, int | Decimal | str]:
    """The class and value of a constant's token, as PostgreSQL types unadorned constants."""
    if kind == STRING:
        return "string", text
    if kind == INTEGER:
        value = int(text)
        if value < _INT4_LIMIT:
            return "int4", value
        if value < _INT8_LIMIT:
            return "int8", value
    return "numeric", Decimal(text)


def widest(first: str, second: str) -> str:
    """The wider of two number classes."""
    return first if _NUMBER_ORDER.get(first, 0) >= _NUMBER_ORDER.get(second, 0) else second


def key_part(tokens: Tokens, index: int) -> str:
    kind = tokens.kinds[index]
    value = tokens.values[index]
    if kind == QUOTED:
        return '"' + value.replace('"', '""') + '"'
    if kind == STRING:
        return "'" + value.replace("'", "''") + "'"
    if kind in (WORD, PUNCTUATION, OPERATOR, INTEGER, NUMERIC):
        return value
    return tokens.text[tokens.starts[index] : tokens.ends[index]]
