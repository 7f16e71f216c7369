"""AS OF: the suffix of a whole statement that says at which epoch it reads.

    SELECT a FROM t WHERE b = 1 AS OF EPOCH 42
    └────────── the query ─────┘└── suffix ──┘

The front parser takes it off before the query is normalised, so that the query shares its plan with the same one
without it.  `t AS of` is an alias, as in PostgreSQL; but `AS OF EPOCH` or `AS OF TIMESTAMP` outside of parentheses,
with something behind it, is nothing that PostgreSQL could read.
"""

from __future__ import annotations

from skerry_engine.sql.bridge import parse_expression
from skerry_engine.sql.lexer import PUNCTUATION, WORD, Tokens
from skerry_engine.sql.normalise import normalise
from skerry_engine.sql.statement_parts import AsOf

KINDS = ("epoch", "timestamp")


def suffix_index(tokens: Tokens, begin: int, end: int) -> int:
    """Where the suffix begins in the tokens from `begin` to `end` (exclusive); -1 where there is none."""
    values = tokens.values
    if "of" not in values:
        return -1
    depth = 0
    found = -1
    for index in range(begin, end):
        kind = tokens.kinds[index]
        if kind == PUNCTUATION:
            depth += 1 if values[index] == "(" else -1 if values[index] == ")" else 0
        elif kind == WORD and depth == 0 and values[index] == "as" and index + 3 < end:
            if _is_word(tokens, index + 1, ("of",)) and _is_word(tokens, index + 2, KINDS):
                found = index
    return found


def _is_word(tokens: Tokens, index: int, words: tuple[str, ...]) -> bool:
    return tokens.kinds[index] == WORD and tokens.values[index] in words


def read_suffix(tokens: Tokens, index: int, end: int) -> AsOf:
    """The suffix that begins at `index` and goes on to `end`."""
    tree = parse_expression(normalise(tokens.slice(index + 3, end), lift=False))
    return AsOf(tokens.values[index + 2], tree, tokens.starts[index] + 1)
