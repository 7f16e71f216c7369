"""Value types of GQL that are narrower than those that values have: INT16, UINT8, FLOAT32, BYTES(4).

They are types that graphs store (INT8, FLOAT8, BYTEA) with a modifier, as varchar(3) is one of varchar:

    INT8     8, 16, 32, 64: that many bits, signed; 100 more: unsigned, which 63 bits are the most of
    FLOAT8   16, 32: what a float of that many bits can hold
    BYTEA    the greatest length, plus 4

SQL has no such modifiers for these types.  A value that does not fit is an error; a float is rounded.

`fitted` is what storing does in a graph whose type declares a property's: numbers become wider ones, lists of nothing
lists of what is wanted, and what is narrower is looked at.  Anything else is left to be refused.
"""

from __future__ import annotations

import math
import struct
from decimal import Decimal
from typing import Any

from skerry_engine.errors import InvalidValueType, NumericValueOutOfRange, StringDataRightTruncation
from skerry_engine.functions.registry import Function, define
from skerry_engine.values import interval, oids
from skerry_engine.values.graphs import AnyValue, atom_of, dynamic, type_of
from skerry_engine.values.types import INTERVAL_MONTH, INTERVAL_YEAR, find_type

UNSIGNED = 100
_FORMATS = {16: "<e", 32: "<f"}


def bounds(modifier: int) -> tuple[int, int]:
    """The least and the greatest integer of a type."""
    if modifier > UNSIGNED:
        return 0, (1 << (modifier - UNSIGNED)) - 1
    return -(1 << (modifier - 1)), (1 << (modifier - 1)) - 1


def integer_name(modifier: int) -> str:
    """The type as GQL writes it."""
    if modifier > UNSIGNED:
        return "UINT" if modifier == UNSIGNED + 63 else f"UINT{modifier - UNSIGNED}"
    return f"INT{modifier}" if modifier > 0 else "INT64"


def _fitting_integer(value: int, modifier: int) -> int:
    low, high = bounds(modifier)
    if not low <= value <= high:
        raise NumericValueOutOfRange(f"{integer_name(modifier)} out of range")
    return value


def _fitting_float(value: float, modifier: int) -> float:
    form = _FORMATS.get(modifier)
    if form is None or not math.isfinite(value):
        return value
    try:
        rounded: float = struct.unpack(form, struct.pack(form, value))[0]
    except OverflowError:
        raise NumericValueOutOfRange(f"FLOAT{modifier} out of range") from None
    return rounded


def _fitting_bytes(value: bytes, modifier: int, explicit: bool = False) -> bytes:
    longest = modifier - 4
    if len(value) <= longest:
        return value
    if explicit:
        return value[:longest]
    raise StringDataRightTruncation(f"value too long for type BYTES({longest})")


# --- storing ------------------------------------------------------------------------------------------------

_RANKS = {oids.INT8: 0, oids.NUMERIC: 1, oids.FLOAT8: 2}


def narrowing(type_oid: int) -> Function | None:
    """The function that applies a declared property's modifier to its values, which are of a stored type."""
    from skerry_engine.functions.casts import length_coercion

    if type_oid in (oids.TEXT, oids.VARCHAR):
        return _STRING_LENGTH
    if type_oid == oids.INTERVAL:
        return _DURATION_FIELDS
    return length_coercion(_SIZED.get(type_oid, type_oid))


_SIZED = {oids.TEXT_ARRAY: oids.VARCHAR_ARRAY}


def _fitting_text(value: str, modifier: int, explicit: bool = False) -> str:
    """Blanks at the end may be cut off; anything else is in the way."""
    longest = modifier - 4
    if len(value) > longest and not explicit and value[longest:].strip(" "):
        raise StringDataRightTruncation(f"value too long for type STRING({longest})")
    return value[:longest]


def _fitting_duration(value: bytes, modifier: int, explicit: bool = False) -> bytes:
    """Years and months are of one type, days and time of another; the duration of nothing is of both.  CAST takes the
    part that is of the type."""
    months, days, microseconds = interval.unpack(value)
    fields = modifier >> 16 & 0x7FFF
    if not fields & ~(INTERVAL_YEAR | INTERVAL_MONTH):
        if (days or microseconds) and not explicit:
            raise InvalidValueType("a duration with days or time is no DURATION(YEAR TO MONTH)")
        return interval.pack(months, 0, 0)
    if fields & INTERVAL_MONTH:
        return value
    if months and not explicit:
        raise InvalidValueType("a duration with months is no DURATION(DAY TO SECOND)")
    return interval.pack(0, days, microseconds)


_DURATION_FIELDS = Function(
    0, "duration fields", (oids.INTERVAL, oids.INT4, oids.BOOL), oids.INTERVAL, _fitting_duration
)
_STRING_LENGTH = Function(0, "string length", (oids.TEXT, oids.INT4, oids.BOOL), oids.TEXT, _fitting_text)


def fitted(value: AnyValue, wanted: int, modifier: int) -> AnyValue:
    """A value as a property of the declared type is stored."""
    found, atom = type_of(value), atom_of(value)
    if found != wanted:
        if found in _RANKS and wanted in _RANKS and _RANKS[found] < _RANKS[wanted]:
            atom = float(atom) if wanted == oids.FLOAT8 else Decimal(atom)
        else:
            as_list = _fitted_list(found, atom, wanted)
            if as_list is None:
                return value
            atom = as_list
    if modifier >= 0:
        function = narrowing(wanted)
        assert function is not None and function.implementation is not None
        atom = function.implementation(atom, *(modifier, False)[: len(function.arg_types) - 1])
    return dynamic(wanted, atom)


def _fitted_list(found: int, items: Any, wanted: int) -> tuple[Any, ...] | None:
    source, target = find_type(found), find_type(wanted)
    if source is None or target is None or not (source.is_array and target.is_array):
        return None
    element = target.element_oid
    made = [
        None if item is None else fitted(dynamic(source.element_oid, item), element, -1) for item in items
    ]
    if element == oids.ANYVALUE:
        return tuple(made)
    if any(item is not None and type_of(item) != element for item in made):
        return None
    return tuple([atom_of(item) for item in made])


define("skerry_fitted", fitted)
define("skerry_int8_range", _fitting_integer)
define("skerry_float8_range", _fitting_float)
define("skerry_bytea_length", _fitting_bytes)
