"""Keys, equality and order of graphs' values: nodes, edges, paths, records, lists, and above all dynamically typed
values, which meet others of any type in one index, one ORDER BY, one comparison.

Values of different kinds never are equal, and in sorting stand in this order (NULL is the business of whoever sorts):

    tag  10 record   20 node   28 edge   30 list   38 path
         40 instant  48 local datetime  50 date  58 zoned time  60 local time  68 duration
         70 string   78 bytes  80 uuid  88 json  90 any other type, by its OID
         a0 boolean  b0 number

Numbers are one kind whatever their type: 1, 1.0 and 1.00 are one key.  A number IS

    integers and decimals    their value
    floats                   their value if it is whole, else the shortest decimal that reads as that float

so that 0.1 is 0.1 however it came in, and equality is still transitive and agrees with the order.  (If a decimal were
made a float for the comparison, as SQL does, two different decimals could equal one float.)  NaN equals itself and is
above all.

An order key is a tag and a body, each self-delimiting:

    number   8 bytes: the largest float not above it, sign folded;  00 if that is it, else 01 and numeric's body
    others   as their type has it in values/keys.py
    list     per item 01 key | 02 NULL; 00          node, edge   table, row id: 8 bytes each
    record   per field, by name, 01 name 00 and 01 key | 02 NULL; 00          path   per element 01 and 16 bytes; 00

An equality key is hashable: numbers, strings and bytes stand for themselves (Python's numbers are equal, and hash
alike, across types), others are pairs of a type and something.  What is one list or record is one key, whether its
items have one static type (INT8_ARRAY) or none (ANYVALUE_ARRAY).

`equal` and `compare` are the operators: with NULLs inside lists they may not know (None), and `compare` refuses what
has no order in the language, where sorting needs one all the same.

values/keys.py hands these out as those of the graph types; who keys a column of one static type with others of unknown
type takes the column's values for ANYVALUE (`graphs.dynamic`).
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

from skerry_engine.errors import NotSupportedError, ValuesNotComparable
from skerry_engine.values import keys, oids
from skerry_engine.values.graphs import AnyValue, Element, dynamic, type_of
from skerry_engine.values.types import find_type, graph_type_name

_UINT8: Final = struct.Struct(">Q")
_PAIR: Final = struct.Struct(">QQ")
_FLOAT8: Final = struct.Struct(">d")
_SIGN: Final = 1 << 63
_ALL_ONES: Final = (1 << 64) - 1
_WHOLE: Final = 1 << 53  # up to here every integer is a float
_NAN_BODY: Final = b"\xff" * 8 + b"\x00"
_NAN_KEY: Final = (oids.FLOAT8, keys.NAN_KEY)

RECORD: Final = 0x10
NODE: Final = 0x20
EDGE: Final = 0x28
LIST: Final = 0x30
PATH: Final = 0x38
STRING: Final = 0x70
OTHER: Final = 0x90
BOOLEAN: Final = 0xA0
NUMBER: Final = 0xB0

_TAGS: Final[dict[int, int]] = {
    oids.GRAPHRECORD: RECORD,
    oids.NODE: NODE,
    oids.EDGE: EDGE,
    oids.PATH: PATH,
    oids.TIMESTAMPTZ: 0x40,
    oids.TIMESTAMP: 0x48,
    oids.DATE: 0x50,
    oids.TIMETZ: 0x58,
    oids.TIME: 0x60,
    oids.INTERVAL: 0x68,
    oids.TEXT: STRING,
    oids.VARCHAR: STRING,
    oids.BPCHAR: STRING,
    oids.NAME: STRING,
    oids.CHAR: STRING,
    oids.UNKNOWN: STRING,
    oids.BYTEA: 0x78,
    oids.UUID: 0x80,
    oids.JSONB: 0x88,
    oids.BOOL: BOOLEAN,
    **{oid: NUMBER for oid in (*oids.INTEGERS, oids.FLOAT4, oids.FLOAT8, oids.NUMERIC)},
}

UNORDERED: Final = frozenset((RECORD, NODE, EDGE, PATH))
"""Kinds that only sorting puts in order: no operator does."""


def kind_of(type_oid: int) -> int:
    """The kind of values of a type, as its tag; types of the kind OTHER are kinds of their own."""
    tag = _TAGS.get(type_oid)
    if tag is not None:
        return tag
    info = find_type(type_oid)
    return LIST if info is not None and (info.is_array or type_oid in oids.VECTORS) else OTHER


def comparable(first: int, second: int) -> bool:
    """Whether values of the two types can be equal; ANYVALUE can equal any."""
    if oids.ANYVALUE in (first, second) or first == second:
        return True
    kind = kind_of(first)
    return kind == kind_of(second) and kind != OTHER


# --- numbers ------------------------------------------------------------------------------------------------


def _folded(value: float) -> bytes:
    bits: int = _UINT8.unpack(_FLOAT8.pack(value + 0.0))[0]
    return _UINT8.pack(bits ^ _ALL_ONES if bits & _SIGN else bits | _SIGN)


def _value_of_float(value: float) -> Decimal:
    """The number that a float is.  Infinity is Infinity."""
    if value.is_integer():
        return Decimal(int(value))
    return Decimal(repr(value))


def number_body(value: Any) -> bytes:
    """A number's bytes in order, whatever its type."""
    if type(value) is int and -_WHOLE <= value <= _WHOLE:
        return _folded(float(value)) + b"\x00"
    if type(value) is float:
        return _folded(value) + b"\x00" if value == value else _NAN_BODY
    return _decimal_body(Decimal(value))


def _decimal_body(value: Decimal) -> bytes:
    if value.is_nan():
        return _NAN_BODY
    floor = float(value)
    while (floor_value := _value_of_float(floor)) > value:
        floor = math.nextafter(floor, -math.inf)
    if floor_value == value:
        return _folded(floor) + b"\x00"
    return _folded(floor) + b"\x01" + keys.order_body(oids.NUMERIC)(value)


def number_key(value: Any) -> object:
    """A number's equality key, whatever its type."""
    if type(value) is int:
        return value
    if type(value) is float:
        return value if value == value else _NAN_KEY
    return _decimal_key(value)


def _decimal_key(value: Decimal) -> object:
    """Python makes decimals and floats equal that have exactly one value; here they are where one is the other's
    shortest form.  So a decimal stands as it is only where it is whole."""
    if value.is_nan():
        return _NAN_KEY
    if value.is_infinite() or value == value.to_integral_value():
        return value
    nearest = float(value)
    return nearest if _value_of_float(nearest) == value else (oids.NUMERIC, value)


def compare_numbers(first: Any, second: Any) -> int:
    """-1, 0 or 1."""
    one, other = _comparable_number(first, second), _comparable_number(second, first)
    if one != one or other != other:  # NaN is above all
        return int(one != one) - int(other != other)
    return int(one > other) - int(one < other)


def _comparable_number(value: Any, with_: Any) -> Any:
    """Python compares exactly; only a float beside a decimal is not what it stands for."""
    if type(value) is float and type(with_) is Decimal and value == value:
        return _value_of_float(value)
    return value


# --- order keys ---------------------------------------------------------------------------------------------


def order_body(type_oid: int) -> Callable[[Any], bytes]:
    """The function that makes a non-null value of a graph type, or of arrays of one, into bytes in order."""
    if type_oid == oids.ANYVALUE:
        return any_body
    if type_oid in oids.GRAPH_ARRAYS:
        return list_body(oids.GRAPH_ARRAYS[type_oid])
    return _GRAPH_BODIES[type_oid]


def any_body(value: AnyValue) -> bytes:
    """An anyvalue's bytes: its kind's tag and its body."""
    kind = type(value)
    if kind is int or kind is float or kind is Decimal:
        return b"\xb0" + number_body(value)
    if kind is str:
        text: str = value
        return b"\x70" + text.encode() + b"\x00"
    type_oid = type_of(value)
    return _tag_bytes(type_oid) + _body_of_kind(type_oid)(value[1] if kind is tuple else value)


def _tag_bytes(type_oid: int) -> bytes:
    kind = kind_of(type_oid)
    return bytes((OTHER,)) + type_oid.to_bytes(4, "big") if kind == OTHER else bytes((kind,))


def _body_of_kind(type_oid: int) -> Callable[[Any], bytes]:
    """The body of values of a type within their kind: all types of a kind have the same."""
    known = _BODIES_OF_KINDS.get(type_oid)
    if known is None:
        kind = kind_of(type_oid)
        if kind == NUMBER:
            known = number_body
        elif kind == LIST:
            known = list_body(_element_oid(type_oid))
        else:
            known = keys.order_body(type_oid)
        _BODIES_OF_KINDS[type_oid] = known
    return known


_BODIES_OF_KINDS: dict[int, Callable[[Any], bytes]] = {}


def _element_oid(array_oid: int) -> int:
    info = find_type(array_oid)
    assert info is not None
    return info.element_oid


def list_body(element_oid: int) -> Callable[[tuple[Any, ...]], bytes]:
    """The bytes of lists whose items have a type.  An item that is a list (SQL's arrays of more dimensions) is
    taken for one."""
    nests = element_oid not in oids.GRAPH_TYPES
    array_oid = _array_oid(element_oid)

    def body(value: tuple[Any, ...]) -> bytes:
        parts: list[bytes] = []
        for item in value:
            if item is None:
                parts.append(b"\x02")
            else:
                parts.append(b"\x01")
                nested = nests and type(item) is tuple
                parts.append(any_body((array_oid, item) if nested else dynamic(element_oid, item)))
        parts.append(b"\x00")
        return b"".join(parts)

    return body


def _array_oid(element_oid: int) -> int:
    info = find_type(element_oid)
    return info.array_oid if info is not None else 0


def _element_body(value: Element) -> bytes:
    return _PAIR.pack(value[1], value[2])


def _path_body(value: tuple[Element, ...]) -> bytes:
    return b"".join([b"\x01" + _PAIR.pack(element[1], element[2]) for element in value]) + b"\x00"


def _record_body(value: tuple[tuple[str, Any], ...]) -> bytes:
    parts: list[bytes] = []
    for name, item in sorted(value, key=_field_name):
        parts.append(b"\x01" + name.encode() + b"\x00")
        parts.append(b"\x02" if item is None else b"\x01" + any_body(item))
    parts.append(b"\x00")
    return b"".join(parts)


def _field_name(field: tuple[str, Any]) -> bytes:
    return field[0].encode()


_GRAPH_BODIES: Final[dict[int, Callable[[Any], bytes]]] = {
    oids.NODE: _element_body,
    oids.EDGE: _element_body,
    oids.PATH: _path_body,
    oids.GRAPHRECORD: _record_body,
}


# --- equality keys ------------------------------------------------------------------------------------------


def equality_atom(type_oid: int) -> Callable[[Any], object]:
    """The function that makes a non-null value of a graph type, or of arrays of one, into its equality key."""
    if type_oid == oids.ANYVALUE:
        return any_key
    if type_oid in oids.GRAPH_ARRAYS:
        return list_key(oids.GRAPH_ARRAYS[type_oid])
    return _GRAPH_KEYS[type_oid]


def any_key(value: AnyValue) -> object:
    """An anyvalue's equality key."""
    kind = type(value)
    if kind is int or kind is str or kind is bytes:
        return value
    if kind is float or kind is Decimal:
        return number_key(value)
    type_oid = type_of(value)
    return _key_of_kind(type_oid)(value[1] if kind is tuple else value)


def _key_of_kind(type_oid: int) -> Callable[[Any], object]:
    known = _KEYS_OF_KINDS.get(type_oid)
    if known is None:
        kind = kind_of(type_oid)
        if kind == LIST:
            items = list_key(_element_oid(type_oid))
            known = lambda value: (LIST, items(value))  # noqa: E731
        elif kind == NUMBER:
            known = number_key
        else:
            known = _tagged_key(type_oid, keys.equality_atom(type_oid))
        _KEYS_OF_KINDS[type_oid] = known
    return known


_KEYS_OF_KINDS: dict[int, Callable[[Any], object]] = {}


def _tagged_key(type_oid: int, equality: Callable[[Any], object] | None) -> Callable[[Any], object]:
    if type_oid in (oids.TEXT, oids.BYTEA) or kind_of(type_oid) == STRING:
        return equality if equality is not None else lambda value: value
    if equality is None:
        return lambda value: (type_oid, value)
    return lambda value: (type_oid, equality(value))


def list_key(element_oid: int) -> Callable[[tuple[Any, ...]], object]:
    """The equality key of lists whose items have a type."""
    nests = element_oid not in oids.GRAPH_TYPES
    array_oid = _array_oid(element_oid)

    def key(value: tuple[Any, ...]) -> object:
        parts: list[object] = []
        for item in value:
            if item is None:
                parts.append(None)
            else:
                nested = nests and type(item) is tuple
                parts.append(any_key((array_oid, item) if nested else dynamic(element_oid, item)))
        return tuple(parts)

    return key


def _element_key(value: Element) -> object:
    return (value[1], value[2])


def _path_key(value: tuple[Element, ...]) -> object:
    return tuple([(element[1], element[2]) for element in value])


def _record_key(value: tuple[tuple[str, Any], ...]) -> object:
    return tuple(
        [
            (name, None if item is None else any_key(item))
            for name, item in sorted(value, key=lambda field: field[0])
        ]
    )


_GRAPH_KEYS: Final[dict[int, Callable[[Any], object]]] = {
    oids.NODE: _element_key,
    oids.EDGE: _element_key,
    oids.PATH: _path_key,
    oids.GRAPHRECORD: _record_key,
}


# --- from an equality key to an order key -------------------------------------------------------------------


def body_of_equality(type_oid: int) -> Callable[[Any], bytes]:
    """The function that makes what `equality_atom` made of a value into the bytes that `order_body` makes of it."""
    if type_oid == oids.ANYVALUE:
        return _any_body_of_key
    if type_oid in oids.GRAPH_ARRAYS:
        return _list_body_of_key
    return _BODIES_OF_KEYS[type_oid]


def _any_body_of_key(key: Any) -> bytes:
    if type(key) is not tuple:
        return any_body(key)
    type_oid, inner = key
    if type_oid == LIST:
        return bytes((LIST,)) + _list_body_of_key(inner)
    if key == _NAN_KEY:
        return b"\xb0" + _NAN_BODY
    if type_oid == oids.NUMERIC:
        return b"\xb0" + number_body(inner)
    return _tag_bytes(type_oid) + keys.body_of_equality(type_oid)(inner)


def _list_body_of_key(key: Any) -> bytes:
    parts = [b"\x02" if item is None else b"\x01" + _any_body_of_key(item) for item in key]
    return b"".join(parts) + b"\x00"


def _element_body_of_key(key: Any) -> bytes:
    return _PAIR.pack(key[0], key[1])


def _path_body_of_key(key: Any) -> bytes:
    return b"".join([b"\x01" + _PAIR.pack(*element) for element in key]) + b"\x00"


def _record_body_of_key(key: Any) -> bytes:
    parts: list[bytes] = []
    for name, item in key:
        parts.append(b"\x01" + name.encode() + b"\x00")
        parts.append(b"\x02" if item is None else b"\x01" + _any_body_of_key(item))
    parts.append(b"\x00")
    return b"".join(parts)


_BODIES_OF_KEYS: Final[dict[int, Callable[[Any], bytes]]] = {
    oids.NODE: _element_body_of_key,
    oids.EDGE: _element_body_of_key,
    oids.PATH: _path_body_of_key,
    oids.GRAPHRECORD: _record_body_of_key,
}


# --- operators ----------------------------------------------------------------------------------------------


def equal(first: AnyValue, second: AnyValue) -> bool | None:
    """Whether two anyvalues are equal; values of different kinds are not.  None where only a NULL inside a list or a
    record could tell."""
    if type(first) is type(second) and type(first) is not tuple:
        return any_key(first) == any_key(second)
    one, other = type_of(first), type_of(second)
    if not comparable(one, other):
        return False
    kind = kind_of(one)
    if kind == LIST:
        return _equal_items(_items(first), _items(second))
    if kind == RECORD:
        return _equal_records(first[1], second[1])
    return any_key(first) == any_key(second)


def _items(value: AnyValue) -> list[AnyValue]:
    """The items of a list as anyvalues."""
    array_oid, items = value
    element_oid = _element_oid(array_oid)
    if element_oid in oids.GRAPH_TYPES:
        return [dynamic(element_oid, item) for item in items]
    return [(array_oid, item) if type(item) is tuple else dynamic(element_oid, item) for item in items]


def _equal_items(first: list[AnyValue], second: list[AnyValue]) -> bool | None:
    if len(first) != len(second):
        return False
    verdict: bool | None = True
    for one, other in zip(first, second, strict=True):
        same = None if one is None or other is None else equal(one, other)
        if same is False:
            return False
        if same is None:
            verdict = None
    return verdict


def _equal_records(first: tuple[tuple[str, Any], ...], second: tuple[tuple[str, Any], ...]) -> bool | None:
    left, right = dict(first), dict(second)
    if left.keys() != right.keys():
        return False
    return _equal_items(list(left.values()), [right[name] for name in left])


def compare(first: AnyValue, second: AnyValue) -> int | None:
    """-1, 0 or 1: the order of two anyvalues of one kind; None where a NULL inside a list keeps it from being known.

    Raises ValuesNotComparable for values of different kinds, and for records, nodes, edges and paths.
    """
    one, other = type_of(first), type_of(second)
    kind = kind_of(one)
    if not comparable(one, other) or kind in UNORDERED:
        raise not_comparable(one, other)
    if kind == NUMBER:
        return compare_numbers(first, second)
    if kind == LIST:
        return _compare_items(_items(first), _items(second))
    try:
        left, right = any_body(first), any_body(second)
    except NotSupportedError:
        raise not_comparable(one, other) from None
    return int(left > right) - int(left < right)


def _compare_items(first: list[AnyValue], second: list[AnyValue]) -> int | None:
    for one, other in zip(first, second, strict=False):
        order = None if one is None or other is None else compare(one, other)
        if order != 0:
            return order
    return int(len(first) > len(second)) - int(len(first) < len(second))


def not_comparable(first: int, second: int) -> ValuesNotComparable:
    """The error for types whose values have no order."""
    return ValuesNotComparable(
        f"values of type {graph_type_name(first)} and {graph_type_name(second)} are not comparable"
    )
