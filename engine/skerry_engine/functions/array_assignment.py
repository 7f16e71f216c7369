"""Assignment to a part of an array: UPDATE ... SET a[2] = x, a[3:4] = y; and of jsonb: SET j['a'][0] = x.

These functions have no names in SQL; the binder makes calls of them.  Arrays begin at 1 here, so that an
assignment before the first element, or far behind the end of an empty array, is refused.
"""

from __future__ import annotations

from typing import Any

from skerry_engine.errors import ArraySubscriptError, NotSupportedError, NullValueNotAllowed
from skerry_engine.functions.jsonb_functions import assign_jsonb
from skerry_engine.functions.registry import Function
from skerry_engine.values import oids

Array = tuple[Any, ...]
MAX_ELEMENTS = 134_217_727
"""PostgreSQL's limit on the number of an array's elements."""


def assign_element(array: Array | None, value: Any, *subscripts: int | None) -> Array:
    """The array with `value` at the subscripts; between its end and there NULLs are filled in."""
    if any(index is None for index in subscripts):
        raise NullValueNotAllowed("array subscript in assignment must not be null")
    known = [index for index in subscripts if index is not None]
    if not array:
        if any(index != 1 for index in known):
            raise _lower_bound()
        for _ in known:
            value = (value,)
        return value  # type: ignore[no-any-return]
    if _dimensions(array) != len(known):
        raise ArraySubscriptError("wrong number of array subscripts")
    if len(known) == 1:
        return _with_element(array, known[0], value)
    return _replaced(array, known, value)


def _with_element(array: Array, index: int, value: Any) -> Array:
    if index < 1:
        raise _lower_bound()
    if index > MAX_ELEMENTS:
        raise ArraySubscriptError(f"array size exceeds the maximum allowed ({MAX_ELEMENTS})")
    padding = (None,) * (index - 1 - len(array))
    return (*array[: index - 1], *padding, value, *array[index:])


def _replaced(array: Array, subscripts: list[int], value: Any) -> Array:
    index = subscripts[0]
    if not 1 <= index <= len(array):
        raise ArraySubscriptError("array subscript out of range")
    inner = value if len(subscripts) == 1 else _replaced(array[index - 1], subscripts[1:], value)
    return (*array[: index - 1], inner, *array[index:])


def assign_slice(
    array: Array | None,
    values: Array | None,
    low: int | None,
    high: int | None,
    has_low: bool,
    has_high: bool,
) -> Array | None:
    """The array with the elements from `low` to `high` taken from `values`, an array too."""
    if (low is None and has_low) or (high is None and has_high):
        raise NullValueNotAllowed("array subscript in assignment must not be null")
    if values is None:
        return array
    if not array and not (has_low and has_high):
        raise ArraySubscriptError(
            "array slice subscript must provide both boundaries",
            detail="When assigning to a slice of an empty array value, slice boundaries must be fully specified.",
        )
    whole = array or ()
    first = 1 if low is None else low
    last = len(whole) if high is None else high
    if _dimensions(whole) > 1:
        raise NotSupportedError("assigning to a slice of a multidimensional array is not supported")
    if first > last:
        raise ArraySubscriptError("upper bound cannot be less than lower bound")
    if first < 1 or (not whole and first != 1):
        raise _lower_bound()
    if last > MAX_ELEMENTS:
        raise ArraySubscriptError(f"array size exceeds the maximum allowed ({MAX_ELEMENTS})")
    size = last - first + 1
    if len(values) < size:
        raise ArraySubscriptError("source array too small")
    padding = (None,) * (first - 1 - len(whole))
    return (*whole[: first - 1], *padding, *values[:size], *whole[last:])


def _dimensions(array: Array) -> int:
    count = 0
    item: Any = array
    while isinstance(item, tuple) and item:
        count += 1
        item = item[0]
    return count


def _lower_bound() -> NotSupportedError:
    return NotSupportedError("array lower bounds other than 1 are not supported")


ASSIGN_ELEMENT = Function(
    9011, "array_assign_element", (oids.ANYARRAY,), oids.ANYARRAY, assign_element, strict=False
)
ASSIGN_JSONB = Function(9013, "jsonb_assign", (oids.JSONB,), oids.JSONB, assign_jsonb, strict=False)
ASSIGN_SLICE = Function(
    9012, "array_assign_slice", (oids.ANYARRAY,), oids.ANYARRAY, assign_slice, strict=False
)
