"""Lists, and what strings and numbers lack, as GQL has them.

Lists are arrays of one dimension whose items may be tuples themselves, counted from 0.

Arrays of SQL can have more dimensions (a table's column in a property graph); taking an item out of such a one is
refused, as that item would be no value of the element type.
"""

from __future__ import annotations

import math
from typing import Any

from skerry_engine.errors import (
    DivisionByZero,
    InvalidArgumentForLogarithm,
    InvalidParameterValue,
    ListElementError,
    NotSupportedError,
    ProgramLimitExceeded,
    SubstringError,
    TrimError,
)
from skerry_engine.functions.arrays import MAX_ELEMENTS
from skerry_engine.functions.polymorphism import element_type
from skerry_engine.functions.registry import Implementation, define
from skerry_engine.values import dynamic_keys, oids
from skerry_engine.values.graphs import AnyValue, dynamic

List = tuple[Any, ...]


def _item_check(array_oid: int) -> bool:
    """Whether an item that is a tuple is a row of a second dimension."""
    return element_type(array_oid) not in oids.GRAPH_TYPES


def _refuse_dimensions() -> NotSupportedError:
    return NotSupportedError("items of arrays of more than one dimension are not supported")


def _item_at(arg_types: tuple[int, ...], _return_type: int) -> Implementation:
    checks = _item_check(arg_types[0])

    def item(items: List, index: int) -> object:
        if not -len(items) <= index < len(items):
            return None
        found = items[index]
        if checks and type(found) is tuple:
            raise _refuse_dimensions()
        return found

    return item


def _first(arg_types: tuple[int, ...], return_type: int) -> Implementation:
    item = _item_at(arg_types, return_type)
    return lambda items: item(items, 0)


def _last(arg_types: tuple[int, ...], return_type: int) -> Implementation:
    item = _item_at(arg_types, return_type)
    return lambda items: item(items, -1)


def _slice(items: List, lower: int, upper: int) -> List:
    return items[lower:upper]


def _trimmed(items: List, count: int) -> List:
    """TRIM(list, n): without its last n items (ISO/IEC 39075, 20.17)."""
    if not 0 <= count <= len(items):
        raise ListElementError(f"cannot trim {count} items from a list of {len(items)}")
    return items[: len(items) - count]


def _concatenated(first: List, second: List) -> List:
    if len(first) + len(second) > MAX_ELEMENTS:
        raise ProgramLimitExceeded(f"list size exceeds the maximum allowed ({MAX_ELEMENTS})")
    return first + second


def _containing(arg_types: tuple[int, ...], _return_type: int) -> Implementation:
    """x IN list: unknown where only a NULL could be the one."""
    array_oid = arg_types[1]
    item_oid = element_type(array_oid)
    nests = item_oid not in oids.GRAPH_TYPES

    def contains(value: AnyValue, items: List | None) -> bool | None:
        if items is None or not items:
            return None if items is None else False
        if value is None:
            return None
        verdict: bool | None = False
        for item in items:
            as_any = (array_oid, item) if nests and type(item) is tuple else dynamic(item_oid, item)
            same = None if as_any is None else dynamic_keys.equal(value, as_any)
            if same is True:
                return True
            if same is None:
                verdict = None
        return verdict

    return contains


def _range(first: int, last: int, step: int = 1) -> List:
    """Whole numbers from `first` to `last`, both included."""
    if step == 0:
        raise InvalidParameterValue("step size cannot equal zero")
    numbers = range(first, last + (1 if step > 0 else -1), step)
    if len(numbers) > MAX_ELEMENTS:
        raise ProgramLimitExceeded(f"list size exceeds the maximum allowed ({MAX_ELEMENTS})")
    return tuple(numbers)


define("skerry_list_size", template="len({0})")
define("skerry_list_item", factory=_item_at)
define("skerry_list_slice", _slice)
define("skerry_list_slice_from", lambda items, lower: items[lower:])
define("skerry_list_slice_to", lambda items, upper: items[:upper])
define("skerry_list_head", factory=_first)
define("skerry_list_last", factory=_last)
define("skerry_list_tail", lambda items: items[1:])
define("skerry_list_reverse", lambda items: items[::-1])
define("skerry_list_trim", _trimmed)
define("skerry_list_concat", _concatenated)
define("skerry_list_contains", factory=_containing, strict=False)
define("skerry_list_range", _range)


# --- strings ------------------------------------------------------------------------------------------------
# As GQL has them, where SQL's functions take other types, mean something else by negative lengths, or know no letters
# beyond A to Z (in collation C).


def _left(text: str, length: int) -> str:
    return text[: _length(length)]


def _right(text: str, length: int) -> str:
    return text[max(len(text) - _length(length), 0) :]


def _length(length: int) -> int:
    if length < 0:
        raise SubstringError("negative length not allowed")
    return length


def _trim(side: str, *rest: str) -> str:
    """TRIM([side] [characters] FROM text), the words as text."""
    characters, text = rest if len(rest) == 2 else (" ", rest[0])
    if len(characters) != 1:
        raise TrimError("TRIM takes one character")
    if side == "leading":
        return text.lstrip(characters)
    return text.rstrip(characters) if side == "trailing" else text.strip(characters)


define("skerry_upper", template="{0}.upper()")
define("skerry_lower", template="{0}.lower()")
define("skerry_left", _left)
define("skerry_right", _right)
define("skerry_trim", _trim)
define("skerry_trim_blanks", lambda text: text.strip(" "))
define("skerry_reverse", lambda text: text[::-1])
define("skerry_ends_with", template="{0}.endswith({1})")
define("skerry_contains", template="{1} in {0}")
define("skerry_split", lambda text, separator: tuple(text.split(separator) if separator else text))


# --- numbers ------------------------------------------------------------------------------------------------


def _logarithm(base: float, value: float) -> float:
    if base <= 0 or value <= 0:
        raise InvalidArgumentForLogarithm("cannot take logarithm of zero or a negative number")
    if base == 1:
        raise DivisionByZero("division by zero")
    return math.log(value) / math.log(base)


define("skerry_same_number", template="{0}")


def _remainder(value: float, divisor: float) -> float:
    if divisor == 0:
        raise DivisionByZero("division by zero")
    return math.fmod(value, divisor) if math.isfinite(value) else math.nan


define("skerry_mod", _remainder)
define("skerry_log", _logarithm)
