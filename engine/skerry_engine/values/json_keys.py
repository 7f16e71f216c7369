"""jsonb's order as bytes, for index keys and comparison.

PostgreSQL orders Object > Array > Boolean > Number > String > Null; containers by their number of members
first, then member by member (object members in storage order: by key length, then bytes).  A scalar at the
top counts as an array of one element, below a true array of one;
so an empty array at the top is below every scalar.
"""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

_NULL, _STRING, _NUMBER, _FALSE, _TRUE, _ARRAY, _OBJECT = (bytes((tag,)) for tag in range(1, 8))
_DIGITS_PLUS_1 = bytes((byte + 1) & 255 for byte in range(256))
_INVERTED = bytes(255 - byte for byte in range(256))


def parse_canonical(text: str) -> Any:
    """The Python form of canonical jsonb text, numbers as Decimal."""
    return json.loads(text, parse_float=Decimal, parse_int=Decimal)


def jsonb_order_key(text: str) -> bytes:
    """Self-delimiting bytes in jsonb's order."""
    value = parse_canonical(text)
    parts: list[bytes] = []
    if isinstance(value, dict):
        parts.append(b"\x02")
    else:
        parts.append(b"\x01")
    if isinstance(value, (dict, list)):
        _append_container(value, parts, b"\x01")
    else:
        parts.append(_count(1) + b"\x00")
        _append(value, parts)
    return b"".join(parts)


def jsonb_equality_key(text: str) -> object:
    """A hashable key, equal for equal jsonb values (1.0 equals 1.00)."""
    return jsonb_order_key(text)


def _count(members: int) -> bytes:
    return members.to_bytes(4, "big")


def _append_container(value: Any, parts: list[bytes], mark: bytes) -> None:
    parts.append(_count(len(value)) + mark)
    if isinstance(value, list):
        for item in value:
            _append(item, parts)
        return
    for key, item in value.items():
        parts.append(_string(key))
        _append(item, parts)


def _append(value: Any, parts: list[bytes]) -> None:
    if value is None:
        parts.append(_NULL)
    elif value is True or value is False:
        parts.append(_TRUE if value else _FALSE)
    elif isinstance(value, str):
        parts.append(_STRING + _string(value))
    elif isinstance(value, Decimal):
        parts.append(_NUMBER + _number(value))
    elif isinstance(value, list):
        parts.append(_ARRAY)
        _append_container(value, parts, b"")
    else:
        parts.append(_OBJECT)
        _append_container(value, parts, b"")


def _string(value: str) -> bytes:
    return value.encode() + b"\x00"


def _number(value: Decimal) -> bytes:
    """As numeric's index key: sign class, adjusted exponent, digits without trailing zeros."""
    sign, digits, exponent = value.as_tuple()
    packed = bytes(digits).rstrip(b"\x00")
    if not packed or not isinstance(exponent, int):
        return b"\x20"
    adjusted = len(digits) + exponent + 0x40000000
    magnitude = adjusted.to_bytes(4, "big") + packed.translate(_DIGITS_PLUS_1) + b"\x00"
    return b"\x10" + magnitude.translate(_INVERTED) if sign else b"\x30" + magnitude
