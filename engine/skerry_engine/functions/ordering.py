"""The order of values in SQL, for functions that sort or compare values of a type known only when a call
is resolved."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from functools import partial
from typing import Any

from skerry_engine.errors import UndefinedFunction
from skerry_engine.functions.clocks import timetz_key
from skerry_engine.functions.intervals import interval_value
from skerry_engine.functions.polymorphism import element_type
from skerry_engine.values import dynamic_keys, oids, ranges
from skerry_engine.values.keys import KeyCodec, KeyColumn, row_body
from skerry_engine.values.types import format_type
from skerry_engine.values.user_types import is_composite

SortKey = Callable[[Any], Any]

_UNORDERED = frozenset((oids.JSON, oids.ACLITEM, oids.XID, oids.CID, oids.UNKNOWN))


def sort_key_of(type_oid: int) -> SortKey | None:
    """A function from values (not NULL) to Python values in SQL's order; None where values serve themselves.

    Equal in SQL means equal keys.  Raises UndefinedFunction for types without an order.
    """
    if type_oid in (oids.FLOAT4, oids.FLOAT8):
        return _float_key
    if type_oid == oids.NUMERIC:
        return _numeric_key
    if type_oid == oids.INTERVAL:
        return _interval_key
    if type_oid == oids.TIMETZ:
        return timetz_key
    if type_oid == oids.JSONB:
        return _jsonb_key()
    if type_oid in oids.GRAPH_TYPES:
        return dynamic_keys.order_body(type_oid)
    if type_oid == oids.RECORD or is_composite(type_oid):
        return row_body
    range_kind = ranges.kind_of(type_oid)
    if range_kind is not None:
        return partial(ranges.sort_key, range_kind)
    if element_type(type_oid):
        return array_key_of(type_oid)
    if type_oid in _UNORDERED:
        raise UndefinedFunction(f"could not identify a comparison function for type {format_type(type_oid)}")
    return None


def array_key_of(array_oid: int) -> SortKey:
    """The sort key of an array type: elements in turn, NULL after everything, then the number of elements.

    Arrays of equal elements differ by their dimensions.
    """
    if array_oid in oids.GRAPH_ARRAYS:
        return dynamic_keys.order_body(array_oid)
    is_acl = array_oid == oids.ACLITEM_ARRAY  # its elements have no order, but can be compared for equality
    key = None if is_acl else sort_key_of(element_type(array_oid))

    def of_element(value: object) -> tuple[int, object]:
        if value is None:
            return (1, 0)
        return (0, value if key is None else key(value))

    def of_array(value: object) -> object:
        assert isinstance(value, tuple)
        dimensions = dimensions_of(value)
        return ([of_element(item) for item in flat(value)], len(dimensions), dimensions)

    return of_array


def dimensions_of(array: tuple[object, ...]) -> tuple[int, ...]:
    """The lengths of an array's dimensions; () for an empty array."""
    lengths: list[int] = []
    level: object = array
    while isinstance(level, tuple) and level:
        lengths.append(len(level))
        level = level[0]
    return tuple(lengths)


def flat(array: tuple[object, ...]) -> list[object]:
    """All elements of an array, row by row."""
    if array and isinstance(array[0], tuple):
        return [item for row in array for item in flat(row)]  # type: ignore[arg-type]
    return list(array)


def _float_key(value: object) -> object:
    return (1, 0.0) if value != value else (0, value)


def _numeric_key(value: object) -> object:
    assert isinstance(value, Decimal)
    return (1, 0) if value.is_nan() else (0, value)


def _interval_key(value: object) -> object:
    assert isinstance(value, bytes)
    return interval_value(value)


def _jsonb_key() -> SortKey:
    codec = KeyCodec([KeyColumn(oids.JSONB)])
    return lambda value: codec.order_key((value,))
