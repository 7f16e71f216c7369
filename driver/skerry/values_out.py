"""Parameters on their way to a server: each value's type, and its text.

A value has the type that its Python class says; None and strings have none, the statement decides.  In GQL every value
is of its own type.  pg8000 makes the texts of what is not told apart here.
"""

from __future__ import annotations

import datetime
import json
import uuid
from collections.abc import Sequence
from decimal import Decimal

from pg8000.converters import PY_TYPES, make_params

from skerry.graph_json import (
    ANYVALUE_ARRAY_OID,
    JSONB_ARRAY_OID,
    JSONB_OID,
    RECORD_ARRAY_OID,
    RECORD_OID,
    is_plain_json,
    is_regular,
    write_value,
)
from skerry.languages import is_gql
from skerry.types import Interval
from skerry_engine import errors

UNSPECIFIED_OID = 0
ARRAY_OIDS = {16: 1000, 20: 1016, 21: 1005, 23: 1007, 25: 1009, 701: 1022, 1082: 1182, 1114: 1115, 1184: 1185}
ARRAY_OIDS |= {1186: 1187, 1700: 1231, 2950: 2951, 3802: 3807, 17: 1001, 1083: 1183, 1266: 1270}
ARRAY_OIDS |= {RECORD_OID: RECORD_ARRAY_OID}
TEXT_OID, INT8_OID, NUMERIC_OID = 25, 20, 1700
TEXT_ARRAY_OID = 1009
_NUMBER_ARRAYS = (1022, 1231, 1016, 1007)  # double precision[], numeric[], bigint[], integer[]: widest first


def texts_and_types(text: str, parameters: Sequence[object]) -> tuple[list[int], list[str | None]]:
    """The types of a statement's parameters, and what is sent for them.

    Raises NotSupportedError for objects that no type stands for.
    """
    oids, values = _typed(text, parameters)
    texts: list[str | None] = list(make_params(PY_TYPES, values))
    return oids, texts


def _typed(text: str, parameters: Sequence[object]) -> tuple[list[int], list[object]]:
    """The types and texts of a statement's parameters."""
    if is_gql(text):
        pairs = [graph_parameter(value) for value in parameters]
        return [oid for oid, _ in pairs], [value for _, value in pairs]
    return [parameter_oid(value) for value in parameters], [_outgoing(value) for value in parameters]


def graph_parameter(value: object) -> tuple[int, object]:
    """The type that a value has in GQL, and what pg8000 makes its text of.  None has no type.

    A str is a string, an int a bigint, a dict a record; a list is an array of its items' one type, else a list of
    anything.  Raises NotSupportedError for objects that no type stands for.
    """
    if isinstance(value, str):
        return TEXT_OID, value
    if isinstance(value, int) and not isinstance(value, bool):
        return (INT8_OID, value) if -(2**63) <= value < 2**63 else (NUMERIC_OID, value)
    if isinstance(value, dict):
        return RECORD_OID, _written(value)
    if isinstance(value, list | tuple):
        return _graph_list(value)
    return parameter_oid(value), _outgoing(value)


def _graph_list(value: Sequence[object]) -> tuple[int, object]:
    found = {graph_parameter(item)[0] for item in value if item is not None}
    if len(found) == 1:
        element = found.pop()
        array = TEXT_ARRAY_OID if element == TEXT_OID else ARRAY_OIDS.get(element)
        if array is not None and element != ANYVALUE_ARRAY_OID:
            return array, _array_text([None if item is None else graph_parameter(item)[1] for item in value])
    return ANYVALUE_ARRAY_OID, _array_text([_written(item) for item in value])


def parameter_oid(value: object) -> int:
    """The type that a Python value has as a parameter; 0 lets the statement decide.

    Raises NotSupportedError for objects that no type stands for,
    DatatypeMismatch for lists of unlike elements.
    """
    if value is None or isinstance(value, str):
        return UNSPECIFIED_OID
    if isinstance(value, bool):
        return 16
    if isinstance(value, int):
        return _integer_oid(value)
    if isinstance(value, datetime.datetime):
        return 1114 if value.tzinfo is None else 1184
    if isinstance(value, datetime.time):
        return 1083 if value.tzinfo is None else 1266
    if isinstance(value, list | tuple):
        return _array_oid(value)
    for cls, oid in _OIDS:
        if isinstance(value, cls):
            return oid
    if isinstance(value, dict):
        return _dict_oid(value)
    raise errors.NotSupportedError(
        f"Python objects of type {type(value).__name__} are not supported as parameters"
    )


_OIDS: tuple[tuple[type[object], int], ...] = (
    (float, 701),
    (Decimal, 1700),
    (bytes, 17),
    (bytearray, 17),
    (memoryview, 17),
    (datetime.date, 1082),
    (datetime.timedelta, 1186),
    (Interval, 1186),
    (uuid.UUID, 2950),
)


def _dict_oid(value: dict[str, object]) -> int:
    """jsonb where JSON has everything in it, else a record of GQL's."""
    if is_plain_json(value):
        return JSONB_OID
    _written(value)
    return RECORD_OID


def _written(value: object) -> str | None:
    try:
        return write_value(value)
    except TypeError as problem:
        raise errors.NotSupportedError(str(problem)) from None


def _integer_oid(value: int) -> int:
    if -(2**31) <= value < 2**31:
        return 23
    return 20 if -(2**63) <= value < 2**63 else 1700


def _array_oid(value: Sequence[object]) -> int:
    """The array type that holds all elements; of nested lists, that of the innermost.  Lists that no SQL array is like
    (of unlike elements, of lists of different lengths) are lists of GQL's."""
    if not is_regular(value):
        return ANYVALUE_ARRAY_OID
    found = {_array_oid(item) if isinstance(item, list | tuple) else _array_of(item) for item in value}
    found.discard(UNSPECIFIED_OID)
    if not found:
        return UNSPECIFIED_OID
    if len(found) == 1:
        return found.pop()
    for widest in _NUMBER_ARRAYS:
        if widest in found and found <= set(_NUMBER_ARRAYS):
            return widest
    return RECORD_ARRAY_OID if found == {JSONB_ARRAY_OID, RECORD_ARRAY_OID} else ANYVALUE_ARRAY_OID


def _array_of(item: object) -> int:
    if isinstance(item, str):
        return TEXT_ARRAY_OID
    return ARRAY_OIDS.get(parameter_oid(item), UNSPECIFIED_OID)


def _outgoing(value: object) -> object:
    """A parameter in a form whose text pg8000 gets right."""
    if isinstance(value, list | tuple):
        is_json = parameter_oid(value) in (ANYVALUE_ARRAY_OID, RECORD_ARRAY_OID)
        return _array_text([_written(item) if is_json else item for item in value])
    if isinstance(value, Interval):
        return str(value)
    if isinstance(value, dict):
        return json.dumps(value) if is_plain_json(value) else _written(value)
    if isinstance(value, bytearray | memoryview):
        return bytes(value)
    if isinstance(value, datetime.timedelta):
        return f"{value.days} days {value.seconds * 1_000_000 + value.microseconds} microseconds"
    return value


def _array_text(items: Sequence[object]) -> str:
    """An array's text.  Every string is quoted: pg8000 leaves 'null' as it is, which is NULL in any case of letters."""
    return "{" + ",".join([_array_item(item) for item in items]) + "}"


def _array_item(item: object) -> str:
    if item is None:
        return "NULL"
    if isinstance(item, list | tuple):
        return _array_text(item)
    value = _outgoing(item)
    text = value if isinstance(value, str) else str(make_params(PY_TYPES, (value,))[0])
    if isinstance(item, int | float | Decimal):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
