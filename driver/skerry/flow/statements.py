"""One way to write statements for every database: `%s` with a sequence, `%(name)s` with a mapping, `%%` for a percent
sign; and the five ways in which drivers want them (PEP 249's `paramstyle`, and asyncpg's `$1`).

Without parameters the text goes as it is, percent signs included, except to drivers that would look for placeholders
in it: they are not given any parameters then, either.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache

from skerry.parameters import Parameters, from_pyformat
from skerry_engine.errors import InterfaceError

_NUMBERED = re.compile(r"%%|%s|%\(([^)]*)\)s")
_UNNUMBERED_STYLES = ("qmark", "format")
STYLES = ("qmark", "format", "pyformat", "named", "numeric", "numeric_dollar")


_READS = re.compile(r"\s*(?:SELECT|VALUES|SHOW|TABLE|EXPLAIN|MATCH|RETURN)\b", re.IGNORECASE)
_CONTROL = re.compile(
    r"\s*(?:BEGIN|START\s+TRANSACTION|COMMIT|END|ABORT|PREPARE\s+TRANSACTION|ROLLBACK(?!\s+(?:WORK\s+|TRANSACTION\s+)?TO\b))\b",
    re.IGNORECASE,
)


def is_reading(statement: object) -> bool:
    """Whether a statement certainly writes nothing, but for what functions do that it calls."""
    if isinstance(statement, str):
        return _READS.match(statement) is not None
    return bool(getattr(statement, "is_select", False))


def refuse_control(statement: object) -> None:
    """Raise InterfaceError for SQL that would begin or end a transaction behind the flow's back."""
    if isinstance(statement, str) and _CONTROL.match(statement) is not None:
        raise InterfaceError(
            f"{statement.strip()[:40]!r}: transactions of flows are begun and ended by transaction() and stages"
        )


def render(
    text: str, parameters: Parameters | None, style: str
) -> tuple[str, Sequence[object] | Mapping[str, object] | None]:
    """A statement and its parameters as a driver of this `paramstyle` takes them.

    Raises InterfaceError where placeholders and parameters do not agree.
    """
    if parameters is None:
        return text, None
    _, values = from_pyformat(text, parameters)  # which checks them
    assert values is not None
    if style == "pyformat":
        return text, parameters
    rendered, order = _render(text, style)
    if style == "named":
        return rendered, {f"p{index + 1}": value for index, value in enumerate(values)}
    return rendered, [values[index] for index in order] if order else values


@lru_cache(maxsize=512)
def _render(text: str, style: str) -> tuple[str, tuple[int, ...]]:
    """The text with placeholders of the style; where one stands for each use, the values' places in that order."""
    if style not in STYLES:
        raise InterfaceError(f"unknown paramstyle {style!r}")
    numbers: dict[str, int] = {}
    order: list[int] = []

    def placeholder(match: re.Match[str]) -> str:
        if match[0] == "%%":
            return "%%" if style == "format" else "%"
        key = match[1] if match[1] is not None else f"%{len(order)}"
        number = numbers.setdefault(key, len(numbers))
        order.append(number)
        return {
            "qmark": "?",
            "format": "%s",
            "named": f":p{number + 1}",
            "numeric": f":{number + 1}",
            "numeric_dollar": f"${number + 1}",
        }[style]

    rendered = _NUMBERED.sub(placeholder, text)
    return rendered, tuple(order) if style in _UNNUMBERED_STYLES else ()
