"""money: cents, as an int64; texts are as in the C locale."""

from __future__ import annotations

import re

from skerry_engine.errors import InvalidTextRepresentation, NumericValueOutOfRange

_FORM = re.compile(
    r"\s*(?P<sign>[-+(]?)\s*\$?\s*(?P<inner>-?)\s*(?P<whole>[\d,]*)(?:\.(?P<part>\d*))?\s*(?P<end>\)?)\s*(?P<after>-?)\s*\$?\s*",
    re.ASCII,
)


def checked(cents: int, shown: str = "") -> int:
    """An amount that must fit.  Raises NumericValueOutOfRange."""
    if not -(2**63) <= cents < 2**63:
        if shown:
            raise NumericValueOutOfRange(f'value "{shown}" is out of range for type money')
        raise NumericValueOutOfRange("money out of range")
    return cents


def read_money(text: str) -> int:
    """money from text.  Raises InvalidTextRepresentation, NumericValueOutOfRange."""
    match = _FORM.fullmatch(text)
    whole = "" if match is None else match["whole"].replace(",", "")
    part = "" if match is None else match["part"] or ""
    if match is None or not (whole or part) or (match["sign"] == "(") != bool(match["end"]):
        raise InvalidTextRepresentation(f'invalid input syntax for type money: "{text}"')
    cents = int(whole or "0") * 100 + int(part[:2].ljust(2, "0"))
    if len(part) > 2 and part[2] >= "5":
        cents += 1
    is_negative = match["sign"] in ("-", "(") or bool(match["inner"]) or bool(match["after"])
    return checked(-cents if is_negative else cents, text)


def write_money(cents: int) -> str:
    """money as text."""
    whole, part = divmod(abs(cents), 100)
    return f"{'-' if cents < 0 else ''}${whole:,}.{part:02}"
