"""Templates for the six comparison operators, in the naming of PostgreSQL's implementations (`int4eq`,
`date_lt`)."""

from __future__ import annotations

from skerry_engine.functions.registry import define

SYMBOLS = {"eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}


def define_comparisons(prefix: str, suffix: str = "", key: str = "{}") -> None:
    """Define `prefix` + eq, ne, ... + `suffix`; `key` wraps an operand where Python's own order
    is not SQL's."""
    left, right = key.format("{0}"), key.format("{1}")
    for name, symbol in SYMBOLS.items():
        define(f"{prefix}{name}{suffix}", template=f"{left} {symbol} {right}")


def define_extremes(larger: str, smaller: str, key: str = "{}") -> None:
    """Define the functions that give the larger and the smaller of two values."""
    left, right = key.format("{0}"), key.format("{1}")
    define(larger, template=f"{{0}} if {left} > {right} else {{1}}")
    define(smaller, template=f"{{0}} if {left} < {right} else {{1}}")


def define_three_way(source: str, key: str = "{}") -> None:
    """Define the function that gives -1, 0 or 1."""
    left, right = key.format("{0}"), key.format("{1}")
    define(source, template=f"({left} > {right}) - ({left} < {right})")
