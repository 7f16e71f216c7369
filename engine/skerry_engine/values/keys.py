"""Index keys: bytes whose order is SQL's order, and hashable keys whose equality is SQL's equality.

An order key is the concatenation of its columns, each self-delimiting,
so that keys of leading columns are prefixes:

    column  = flag  body
    flag    = 01 value | 02 NULL, when NULLs come last | 00 NULL, when they come first
    body    = (all bytes inverted when the column is descending; the flag never is)
      integers, dates, times,  8 bytes, big-endian, offset by 2**63
      enums, money
      boolean                  00 | 01
      floats                   8 bytes, IEEE with the sign folded; -0 = 0; one NaN, above all
      numeric                  class; adjusted exponent (4 bytes); digits + 1, no trailing zeros; 00; all but
                               the class inverted when negative
      text, name               UTF-8 (whose byte order is code point order), 00
      bpchar                   as text, trailing blanks dropped
      bytea                    00 escaped as 00 FF; 00 00
      uuid                     16 bytes
      inet, macaddr            as they are: no value is the beginning of another
      bit                      as text
      interval                 its length in microseconds with 30-day months, 16 bytes, offset by 2**127
      arrays                   per element 01 body | 02 NULL; 00; dimensions
      ranges, multiranges      see `values/ranges.py`
      composite types, records per field 01 body | 02 NULL; NULLs at the end left out; 03
      jsonb                    see `values/json_keys.py`
      graphs' types            see `values/dynamic_keys.py`

All integer types share one body, so a bigint can probe an integer index.
An index appends the row id (8 bytes).

An equality key is the column's value itself where Python's equality and hash are SQL's (`KeyCodec.atom`),
else something hashable made from the values.  Keys follow C collation; there is no other.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, cast

from skerry_engine.errors import NotSupportedError, UndefinedFunction
from skerry_engine.values import oids, ranges
from skerry_engine.values.json_keys import jsonb_equality_key, jsonb_order_key
from skerry_engine.values.records import Composite, Record
from skerry_engine.values.types import find_type, type_display
from skerry_engine.values.user_types import is_composite, is_enum

_UINT8 = struct.Struct(">Q")
_FLAGGED_UINT8 = struct.Struct(">BQ")
_FLOAT8 = struct.Struct(">d")
_INTERVAL = struct.Struct(">iiq")
_TIMETZ = struct.Struct(">qi")

_INVERTED = bytes(255 - byte for byte in range(256))
_DIGITS_PLUS_1 = bytes((byte + 1) & 255 for byte in range(256))
_SIGN = 1 << 63
_ALL_ONES = (1 << 64) - 1
MICROSECONDS_PER_DAY = 86_400_000_000

_INTEGER_TYPES = (
    oids.INTEGERS | oids.OID_LIKE | {oids.DATE, oids.TIMESTAMP, oids.TIMESTAMPTZ, oids.TIME, oids.MONEY}
)
_TEXT_TYPES = frozenset(
    (oids.TEXT, oids.VARCHAR, oids.NAME, oids.CHAR, oids.UNKNOWN, oids.CSTRING, oids.REFCURSOR, *oids.BITS)
)
_ATOM_TYPES = (
    _INTEGER_TYPES
    | _TEXT_TYPES
    | oids.NETWORK
    | {oids.BOOL, oids.BYTEA, oids.UUID, oids.XID8, oids.PG_LSN, oids.TID}
)

NAN_KEY = "NaN"
"""The equality key of NaN: Python's NaNs are unequal to themselves, and no float or Decimal equals a str."""


@dataclass(frozen=True, slots=True)
class KeyColumn:
    """How one column of an index is ordered.  DESC alone does not move NULLs: say `nulls_first` too."""

    type_oid: int
    descending: bool = False
    nulls_first: bool = False


def _integer_body(value: int) -> bytes:
    return _UINT8.pack(value + _SIGN)


def _unsigned_body(value: int) -> bytes:
    return _UINT8.pack(value)


def _boolean_body(value: bool) -> bytes:
    return b"\x01" if value else b"\x00"


def _float_body(value: float) -> bytes:
    if value != value:
        return b"\xff\xff\xff\xff\xff\xff\xff\xff"
    bits: int = _UINT8.unpack(_FLOAT8.pack(value + 0.0))[0]
    return _UINT8.pack(bits ^ _ALL_ONES if bits & _SIGN else bits | _SIGN)


def _numeric_body(value: Decimal) -> bytes:
    sign, digits, exponent = value.as_tuple()
    if not isinstance(exponent, int):
        return b"\x50" if value.is_nan() else b"\x00" if sign else b"\x40"
    packed = bytes(digits).rstrip(b"\x00")
    if not packed:
        return b"\x20"
    adjusted = len(digits) + exponent + 0x40000000
    magnitude = adjusted.to_bytes(4, "big") + packed.translate(_DIGITS_PLUS_1) + b"\x00"
    return b"\x10" + magnitude.translate(_INVERTED) if sign else b"\x30" + magnitude


def _text_body(value: str) -> bytes:
    return value.encode() + b"\x00"


def _bpchar_body(value: str) -> bytes:
    return value.rstrip(" ").encode() + b"\x00"


def _bytea_body(value: bytes) -> bytes:
    return value.replace(b"\x00", b"\x00\xff") + b"\x00\x00"


def _fixed_body(value: bytes) -> bytes:
    return value


def interval_span(value: bytes) -> int:
    """An interval's length in microseconds, with months of 30 days: what comparison goes by."""
    months, days, microseconds = _INTERVAL.unpack(value)
    span: int = (months * 30 + days) * MICROSECONDS_PER_DAY + microseconds
    return span


def _interval_body(value: bytes) -> bytes:
    return _span_body(interval_span(value))


def _span_body(span: int) -> bytes:
    return (span + (1 << 127)).to_bytes(16, "big")


def _timetz_body(value: bytes) -> bytes:
    microseconds, zone_s = _TIMETZ.unpack(value)
    return _UINT8.pack(microseconds + zone_s * 1_000_000 + _SIGN) + _UINT8.pack(zone_s + _SIGN)


Body = Callable[[Any], bytes]

_BODIES: dict[int, Body] = {
    **{oid: _integer_body for oid in _INTEGER_TYPES},
    **{oid: _text_body for oid in _TEXT_TYPES},
    oids.BOOL: _boolean_body,
    oids.FLOAT4: _float_body,
    oids.FLOAT8: _float_body,
    oids.NUMERIC: _numeric_body,
    oids.BPCHAR: _bpchar_body,
    oids.BYTEA: _bytea_body,
    oids.UUID: _fixed_body,
    **{oid: _fixed_body for oid in oids.NETWORK},
    oids.INTERVAL: _interval_body,
    oids.TIMETZ: _timetz_body,
    oids.JSONB: jsonb_order_key,
    oids.XID8: _unsigned_body,
    oids.TID: _text_body,
    oids.PG_LSN: _unsigned_body,
}


def order_body(type_oid: int) -> Body:
    """The function that makes a non-null value of the type into bytes in SQL's order.

    Raises NotSupportedError for a type without an order (json); what is made for rows raises UndefinedFunction for a
    field of such a type.
    """
    body = _BODIES.get(type_oid)
    if body is not None:
        return body
    if type_oid in oids.GRAPH_TYPES or type_oid in oids.GRAPH_ARRAYS:
        from skerry_engine.values import dynamic_keys  # which needs the bodies above

        return dynamic_keys.order_body(type_oid)
    if is_enum(type_oid):
        return _integer_body
    if type_oid == oids.RECORD or is_composite(type_oid):
        return row_body
    range_kind = ranges.kind_of(type_oid)
    if range_kind is not None:
        range_body = ranges.order_body(range_kind, order_body(range_kind.element_oid))
        return range_body if type_oid == range_kind.oid else ranges.multirange_body(range_body)
    info = find_type(type_oid)
    if info is None or info.category != "A" or info.is_pseudo:
        raise NotSupportedError(f"keys of type {type_display(type_oid)} are not supported")
    return _array_body(order_body(info.element_oid))


def _array_body(element: Body) -> Body:
    def body(value: tuple[object, ...]) -> bytes:
        parts: list[bytes] = []
        dimensions: list[int] = []
        _append_elements(value, element, parts, dimensions, 0)
        shape = b"".join([_UINT8.pack(size) for size in dimensions])
        return b"".join(parts) + b"\x00" + bytes((len(dimensions),)) + shape

    return body


def _append_elements(
    value: tuple[object, ...], element: Body, parts: list[bytes], dimensions: list[int], depth: int
) -> None:
    if depth == len(dimensions) and value:
        dimensions.append(len(value))
    for item in value:
        if isinstance(item, tuple):
            _append_elements(item, element, parts, dimensions, depth + 1)
        elif item is None:
            parts.append(b"\x02")
        else:
            parts.append(b"\x01")
            parts.append(element(item))


_bodies_of_fields: dict[int, Body] = {}


def row_body(value: Composite | Record) -> bytes:
    """A row as bytes in SQL's order.  Rows say themselves what they are made of; what one lacks at its end is NULL, the
    greatest of all.  Raises UndefinedFunction for a field without an order."""
    parts: list[bytes] = []
    nulls = 0
    types, items = fields_of(value)
    for i in range(len(items)):
        item = items[i]
        if item is None:
            nulls += 1
            continue
        body = _bodies_of_fields.get(types[i])
        if body is None:
            body = _bodies_of_fields[types[i]] = _field_body(types[i])
        parts.append(b"\x02" * nulls + b"\x01")
        parts.append(body(item))
        nulls = 0
    parts.append(b"\x03")
    return b"".join(parts)


def _field_body(type_oid: int) -> Body:
    try:
        return order_body(type_oid)
    except NotSupportedError:
        raise UndefinedFunction(
            f"could not identify a comparison function for type {type_display(type_oid)}"
        ) from None


def fields_of(value: Composite | Record) -> tuple[tuple[int, ...], tuple[object, ...]]:
    """The OIDs of the fields' types, and their values."""
    if isinstance(value, Composite):
        return value.types, value.items
    if not isinstance(value, Record):
        raise NotSupportedError("rows of functions can't be compared")
    return tuple([each.oid for each in value.types]), value


def has_order(type_oid: int) -> bool:
    """Whether values of the type can be ordered and so indexed."""
    try:
        order_body(type_oid)
    except NotSupportedError:
        return False
    return True


# --- equality -----------------------------------------------------------------------------------------------


def _float_equality(value: float) -> object:
    return value if value == value else NAN_KEY


def _numeric_equality(value: Decimal) -> object:
    return NAN_KEY if value.is_nan() else value


def _bpchar_equality(value: str) -> object:
    return value.rstrip(" ")


Equality = Callable[[Any], object]

_EQUALITIES: dict[int, Equality] = {
    oids.FLOAT4: _float_equality,
    oids.FLOAT8: _float_equality,
    oids.NUMERIC: _numeric_equality,
    oids.BPCHAR: _bpchar_equality,
    oids.INTERVAL: interval_span,
    oids.JSONB: jsonb_equality_key,
}


def equality_atom(type_oid: int) -> Equality | None:
    """The function that makes a non-null value into its equality key; None when the value is its own key.

    Raises NotSupportedError for a type without equality (json).
    """
    if type_oid in _ATOM_TYPES or is_enum(type_oid):
        return None
    if type_oid in oids.GRAPH_TYPES or type_oid in oids.GRAPH_ARRAYS:
        from skerry_engine.values import dynamic_keys

        return dynamic_keys.equality_atom(type_oid)
    return _EQUALITIES.get(type_oid) or order_body(type_oid)


# --- from an equality key to an order key -------------------------------------------------------------------


def _float_of_equality(key: Any) -> bytes:
    return _float_body(math.nan if key == NAN_KEY else key)


def _numeric_of_equality(key: Any) -> bytes:
    return b"\x50" if key == NAN_KEY else _numeric_body(key)


_BODIES_OF_EQUALITIES: dict[int, Body] = {
    oids.FLOAT4: _float_of_equality,
    oids.FLOAT8: _float_of_equality,
    oids.NUMERIC: _numeric_of_equality,
    oids.BPCHAR: _bpchar_body,
    oids.INTERVAL: _span_body,
    oids.JSONB: _fixed_body,
}


def body_of_equality(type_oid: int) -> Body:
    """The function that makes what `equality_atom` made of a value into the bytes that `order_body` makes of it.

    Raises NotSupportedError for a type without an order.
    """
    if type_oid in _ATOM_TYPES or is_enum(type_oid):
        return order_body(type_oid)
    if type_oid in oids.GRAPH_TYPES or type_oid in oids.GRAPH_ARRAYS:
        from skerry_engine.values import dynamic_keys

        return dynamic_keys.body_of_equality(type_oid)
    return _BODIES_OF_EQUALITIES.get(type_oid, _fixed_body)


class KeyCodec:
    """Makes keys for one list of key columns.

    `atom` is True when there is one column and a non-null value is its own equality key.  `values` below hold
    one entry per column, in index order; `prefix` may get fewer.
    """

    def __init__(self, columns: list[KeyColumn] | tuple[KeyColumn, ...]) -> None:
        self.columns: tuple[KeyColumn, ...] = tuple(columns)
        self._bodies: list[Body] = [order_body(column.type_oid) for column in self.columns]
        self._equalities: list[Equality | None] = [equality_atom(column.type_oid) for column in self.columns]
        self._bodies_of_equalities: list[Body] = [
            body_of_equality(column.type_oid) for column in self.columns
        ]
        self._descending: list[bool] = [column.descending for column in self.columns]
        self._null_flags: list[bytes] = [
            b"\x00" if column.nulls_first else b"\x02" for column in self.columns
        ]
        self._plain_integers: list[bool] = [
            (column.type_oid in _INTEGER_TYPES or is_enum(column.type_oid)) and not column.descending
            for column in self.columns
        ]
        self._all_atoms: bool = all(equality is None for equality in self._equalities)
        self.atom: bool = len(self.columns) == 1 and self._all_atoms

    def equality_key(self, values: tuple[object, ...]) -> object:
        """The hashable key of a row: equal keys exactly when SQL's `IS NOT DISTINCT FROM` holds column
        by column."""
        if len(self.columns) == 1:
            equality = self._equalities[0]
            value = values[0]
            return value if equality is None or value is None else equality(value)
        if self._all_atoms:
            return values
        parts: list[object] = []
        for i in range(len(values)):
            part = values[i]
            maker = self._equalities[i]
            parts.append(part if maker is None or part is None else maker(part))
        return tuple(parts)

    def order_key(self, values: tuple[object, ...]) -> bytes:
        """The key of a row (or, with fewer values, the prefix that all rows
        with these leading values share)."""
        if len(values) == 1:
            return self._column(0, values[0])
        parts: list[bytes] = []
        for i in range(len(values)):
            parts.append(self._column(i, values[i]))
        return b"".join(parts)

    def order_key_of(self, equality_key: object) -> bytes:
        """The order key of the rows that have this equality key."""
        if len(self.columns) == 1:
            return self._column_of_equality(0, equality_key)
        parts: list[bytes] = []
        for i, part in enumerate(cast("tuple[object, ...]", equality_key)):
            parts.append(self._column_of_equality(i, part))
        return b"".join(parts)

    def prefix(self, values: tuple[object, ...]) -> bytes:
        """The bytes with which the key of every row with these leading values begins."""
        return self.order_key(values)

    def null_key(self, position: int) -> bytes:
        """The bytes of NULL in the column at `position`."""
        return self._null_flags[position]

    def prefix_end(self, prefix: bytes) -> bytes | None:
        """The smallest bytes above every key that begins with `prefix`; None when there are none."""
        return prefix_end(prefix)

    def _column(self, position: int, value: Any) -> bytes:
        if value is None:
            return self._null_flags[position]
        if self._plain_integers[position]:
            return _FLAGGED_UINT8.pack(1, value + _SIGN)  # the most frequent case, in one call
        return self._flagged(position, self._bodies[position](value))

    def _column_of_equality(self, position: int, part: Any) -> bytes:
        if part is None:
            return self._null_flags[position]
        if self._plain_integers[position]:
            return _FLAGGED_UINT8.pack(1, part + _SIGN)
        return self._flagged(position, self._bodies_of_equalities[position](part))

    def _flagged(self, position: int, body: bytes) -> bytes:
        if self._descending[position]:
            return b"\x01" + body.translate(_INVERTED)
        return b"\x01" + body


def prefix_end(prefix: bytes) -> bytes | None:
    """The smallest bytes above everything that begins with `prefix`; None when there are none."""
    stem = prefix.rstrip(b"\xff")
    if not stem:
        return None
    return stem[:-1] + bytes((stem[-1] + 1,))


def is_nan(value: object) -> bool:
    """Whether a float or numeric atom is NaN."""
    if isinstance(value, float):
        return math.isnan(value)
    return isinstance(value, Decimal) and value.is_nan()
