"""How tightly PostgreSQL's operators bind, loosest first (the %left/%nonassoc lines of its grammar).

    OR < AND < NOT < IS < comparison < BETWEEN IN LIKE < ESCAPE < any other operator < + - < * / % < ^
    < AT TIME ZONE < COLLATE < unary minus < subscripts < ::

`IS` binds looser than `=`, so `a IS DISTINCT FROM b = c` is `a IS DISTINCT FROM (b = c)`; `NOT` looser than
both; an operator such as `||` or `->` looser than `+`.  Non-associative levels refuse chains (`a < b < c`).
"""

from __future__ import annotations

from typing import Final

LOWEST: Final = 0
OR: Final = 1
AND: Final = 2
NOT: Final = 3
IS: Final = 4
COMPARISON: Final = 5
RANGE: Final = 6  # BETWEEN, IN, LIKE, ILIKE, SIMILAR and their NOT forms
ESCAPE: Final = 7
OTHER_OPERATOR: Final = 8
ADDITION: Final = 9
MULTIPLICATION: Final = 10
EXPONENT: Final = 11
AT_TIME_ZONE: Final = 12
COLLATE: Final = 13
UNARY_SIGN: Final = 14
SUBSCRIPT: Final = 15
TYPECAST: Final = 16

NOT_ASSOCIATIVE: Final = frozenset((IS, COMPARISON, RANGE))

_BY_OPERATOR: Final = {
    "<": COMPARISON,
    ">": COMPARISON,
    "=": COMPARISON,
    "<=": COMPARISON,
    ">=": COMPARISON,
    "<>": COMPARISON,
    "+": ADDITION,
    "-": ADDITION,
    "*": MULTIPLICATION,
    "/": MULTIPLICATION,
    "%": MULTIPLICATION,
    "^": EXPONENT,
}


def operator_precedence(operator: str) -> int:
    """The level of a binary operator token (`=>` is none and never gets here)."""
    return _BY_OPERATOR.get(operator, OTHER_OPERATOR)
