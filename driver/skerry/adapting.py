"""What may be given as a parameter, and what is made of it before it goes to a database of either kind.

None, bool, int, float, Decimal, str, bytes (bytearray, memoryview), date, time, datetime, timedelta, Interval, UUID
lists and tuples of those: arrays            dicts: jsonb, or a record of GQL's
enum members: their value where that is a str or an int, else their name
IP addresses and networks: their text        Node, Edge, Path: in GQL
other classes: what `register_adapter` was told
"""

from __future__ import annotations

import datetime
import enum
import ipaddress
import uuid
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any, TypeVar

from skerry.graph import Edge, Node, Path
from skerry.types import Interval
from skerry_engine import errors

T = TypeVar("T")

_AS_THEY_ARE = frozenset(
    (
        *(type(None), bool, int, float, Decimal, str, bytes, bytearray, memoryview, uuid.UUID, Interval),
        *(datetime.date, datetime.time, datetime.datetime, datetime.timedelta, dict, Node, Edge, Path),
    )
)
_BASES = tuple(_AS_THEY_ARE - {type(None)})
_ADDRESSES = (
    *(ipaddress.IPv4Address, ipaddress.IPv6Address, ipaddress.IPv4Network, ipaddress.IPv6Network),
    *(ipaddress.IPv4Interface, ipaddress.IPv6Interface),
)
_adapters: dict[type, Callable[[Any], object]] = {}


def register_adapter(cls: type[T], adapt: Callable[[T], object]) -> None:
    """Have parameters of a class, and of those derived from it, replaced by what `adapt` makes of them."""
    _adapters[cls] = adapt


def adapted(values: Sequence[object], names: Sequence[str] = ()) -> list[object]:
    """Parameters as backends know them.  Raises NotSupportedError naming the one that no type stands for."""
    made = []
    for number, value in enumerate(values):
        if type(value) not in _AS_THEY_ARE or _adapters:
            try:
                value = _adapt(value)
            except errors.NotSupportedError as problem:
                name = f'"{names[number]}"' if number < len(names) else str(number + 1)
                raise errors.NotSupportedError(f"parameter {name}: {problem}") from None
        made.append(value)
    return made


def _adapt(value: object) -> object:
    for cls in type(value).__mro__ if _adapters else ():
        if cls in _adapters:
            return _adapters[cls](value)
    if isinstance(value, list | tuple):
        return [_adapt(item) for item in value]
    if isinstance(value, enum.Enum):
        return (
            value.value if isinstance(value.value, str | int) and isinstance(value, str | int) else value.name
        )
    if value is None or isinstance(value, _BASES):
        return value
    if isinstance(value, _ADDRESSES):
        return str(value)
    raise errors.NotSupportedError(
        f"Python objects of type {type(value).__name__} are not supported as parameters"
    )
