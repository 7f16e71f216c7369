"""char(n): stored without its trailing blanks, which some functions and operators must see nevertheless.

Comparison, length() and the cast to text ignore the blanks; LIKE, regular expressions, octet_length() and
what shows the value as text see them.
"""

from __future__ import annotations

from skerry_engine.algebra import expressions as ex
from skerry_engine.functions.casts import BLANK_PADDING
from skerry_engine.sql.binder.coercion import INT4
from skerry_engine.values import oids

SEE_BLANKS = frozenset(
    """concat concat_ws format octet_length quote_literal quote_nullable to_json to_jsonb json_build_object
    jsonb_build_object json_build_array jsonb_build_array json_agg jsonb_agg json_object_agg jsonb_object_agg""".split()
)
"""Functions that see a char(n) argument as it is shown."""

MATCHING = frozenset(("~~", "!~~", "~~*", "!~~*", "~", "!~", "~*", "!~*"))
"""Operators that match a char(n) operand as it is shown."""

_HEADER = 4  # a modifier is the length and four


def padded(expr: ex.Expr) -> ex.Expr:
    """A char(n) with its blanks; anything else as it is."""
    if expr.type.oid != oids.BPCHAR or expr.type.typmod <= _HEADER:
        return expr
    return ex.Call(expr.type, BLANK_PADDING, (expr, ex.Const(INT4, expr.type.typmod - _HEADER)))
