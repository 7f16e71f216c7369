"""Values at the edge: what a Python program gets for an atom, and which type its own objects have.

Dates and times beyond Python's years 1 to 9999, and the infinities, come out as their ISO text: there is no
Python object for them, and an approximation would be a wrong value.
"""

from __future__ import annotations

import datetime
import ipaddress
import json
import math
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from skerry_engine.errors import NotSupportedError
from skerry_engine.values import calendar, datetimes, interval, json_text, money, network, numeric, oids
from skerry_engine.values.calendar import EPOCH, EPOCH_ORDINAL, MICROSECONDS_PER_DAY
from skerry_engine.values.graph_text import list_of
from skerry_engine.values.graphs import AnyValue, atom_of, dynamic, type_of
from skerry_engine.values.types import SqlType, find_type, type_display

_UTC_EPOCH = EPOCH.replace(tzinfo=datetime.UTC)
_FIRST_MICROSECOND = calendar.FIRST_PYTHON_DAY * MICROSECONDS_PER_DAY
_END_MICROSECOND = (calendar.LAST_PYTHON_DAY + 1) * MICROSECONDS_PER_DAY

Converter = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Interval:
    """An interval with months, which `datetime.timedelta` can't hold."""

    months: int
    days: int
    microseconds: int


# --- atoms to Python ----------------------------------------------------------------------------------------


def _date(days: int) -> object:
    if calendar.FIRST_PYTHON_DAY <= days <= calendar.LAST_PYTHON_DAY:
        return datetime.date.fromordinal(days + EPOCH_ORDINAL)
    return datetimes.write_date_iso(days)


def _timestamp(microseconds: int) -> object:
    if _FIRST_MICROSECOND <= microseconds < _END_MICROSECOND:
        return EPOCH + datetime.timedelta(0, 0, microseconds)
    return datetimes.write_timestamp_iso(microseconds)


def _timestamptz(microseconds: int) -> object:
    if _FIRST_MICROSECOND <= microseconds < _END_MICROSECOND:
        return _UTC_EPOCH + datetime.timedelta(0, 0, microseconds)
    return datetimes.write_timestamptz_utc(microseconds)


def _time(microseconds: int) -> object:
    if microseconds == MICROSECONDS_PER_DAY:
        return datetimes.write_time(microseconds)  # 24:00:00
    return (EPOCH + datetime.timedelta(0, 0, microseconds)).time()


def _timetz(value: bytes) -> object:
    microseconds, west_s = datetimes.unpack_timetz(value)
    if microseconds == MICROSECONDS_PER_DAY:
        return datetimes.write_timetz(value)
    zone = datetime.timezone(datetime.timedelta(seconds=-west_s))
    return (EPOCH + datetime.timedelta(0, 0, microseconds)).time().replace(tzinfo=zone)


def _interval(value: bytes) -> object:
    months, days, microseconds = interval.unpack(value)
    if months == 0:
        try:
            return datetime.timedelta(days, 0, microseconds)
        except OverflowError:
            pass
    return Interval(months, days, microseconds)


def _uuid(value: bytes) -> object:
    return uuid.UUID(bytes=value)


_CONVERTERS: dict[int, Converter] = {
    oids.DATE: _date,
    oids.TIMESTAMP: _timestamp,
    oids.TIMESTAMPTZ: _timestamptz,
    oids.TIME: _time,
    oids.TIMETZ: _timetz,
    oids.INTERVAL: _interval,
    oids.UUID: _uuid,
    oids.JSON: json.loads,
    oids.JSONB: json.loads,
    oids.INT2VECTOR: list,
    oids.OIDVECTOR: list,
    oids.INET: network.inet_object,
    oids.CIDR: network.cidr_object,
    oids.MACADDR: network.write_mac,
    oids.MACADDR8: network.write_mac,
    oids.MONEY: money.write_money,
}


def to_python(type_oid: int, typmod: int = -1) -> Converter | None:
    """The function that makes a Python object of a non-null atom; None when the atom is that object.

    char(n) gets its padding back: give its modifier.
    """
    converter = _CONVERTERS.get(type_oid)
    if converter is not None:
        return converter
    if type_oid == oids.BPCHAR and typmod > 4:
        width = typmod - 4
        return lambda text: text.ljust(width)
    info = find_type(type_oid)
    if info is None or not info.is_array:
        return None
    return _array_converter(to_python(info.element_oid, typmod))


def _array_converter(element: Converter | None) -> Converter:
    def convert(value: tuple[Any, ...]) -> list[Any]:
        return [
            convert(item)
            if isinstance(item, tuple)
            else item
            if item is None or element is None
            else element(item)
            for item in value
        ]

    return convert


class GraphParameter:
    """A parameter of a GQL statement: a value of its own type, whatever its place."""

    __slots__ = ("value",)

    def __init__(self, value: object) -> None:
        self.value: object = value


# --- Python to atoms ----------------------------------------------------------------------------------------


def from_python(value: object) -> tuple[SqlType, object]:
    """The type and atom of a Python object.

    A str has type unknown, so that its place decides what it is, as a quoted literal's does; so has None.  An
    int gets the smallest of integer, bigint and numeric that holds it.  A dict is jsonb if JSON has everything in it,
    else a record of GQL's.  A list is an array, if SQL has one like it, else (elements of unlike types, lists of
    different lengths) a list of GQL's.  Raises NotSupportedError for other objects.
    """
    known = _ADAPTERS.get(type(value))
    if known is not None:
        return known(value)
    for kind, adapter in _ADAPTERS.items():
        if isinstance(value, kind):
            return adapter(value)
    if isinstance(value, Mapping):
        return _from_dict(dict(value))
    raise NotSupportedError(f"Python objects of type {type(value).__name__} are not supported as parameters")


def _from_ip(value: object) -> tuple[SqlType, object]:
    return SqlType(oids.INET), network.read_inet(str(value))


Adapter = Callable[[Any], tuple[SqlType, object]]


def _from_none(value: None) -> tuple[SqlType, object]:
    return SqlType(oids.UNKNOWN), None


def _from_bool(value: bool) -> tuple[SqlType, object]:
    return SqlType(oids.BOOL), bool(value)


def _from_int(value: int) -> tuple[SqlType, object]:
    if -2147483648 <= value <= 2147483647:
        return SqlType(oids.INT4), int(value)
    if -9223372036854775808 <= value <= 9223372036854775807:
        return SqlType(oids.INT8), int(value)
    return SqlType(oids.NUMERIC), numeric.canonical(Decimal(value))


def _from_float(value: float) -> tuple[SqlType, object]:
    return SqlType(oids.FLOAT8), float(value)


def _from_decimal(value: Decimal) -> tuple[SqlType, object]:
    return SqlType(oids.NUMERIC), numeric.canonical(value)


def _from_str(value: str) -> tuple[SqlType, object]:
    return SqlType(oids.UNKNOWN), str(value)


def _from_bytes(value: bytes | bytearray | memoryview) -> tuple[SqlType, object]:
    return SqlType(oids.BYTEA), bytes(value)


def _from_datetime(value: datetime.datetime) -> tuple[SqlType, object]:
    if value.tzinfo is None:
        return SqlType(oids.TIMESTAMP), _microseconds(value.replace(fold=0) - EPOCH)
    return SqlType(oids.TIMESTAMPTZ), _microseconds(value - _UTC_EPOCH)


def _from_date(value: datetime.date) -> tuple[SqlType, object]:
    return SqlType(oids.DATE), value.toordinal() - EPOCH_ORDINAL


def _from_time(value: datetime.time) -> tuple[SqlType, object]:
    microseconds = ((value.hour * 60 + value.minute) * 60 + value.second) * 1_000_000 + value.microsecond
    offset = value.utcoffset()
    if offset is None:
        return SqlType(oids.TIME), microseconds
    return SqlType(oids.TIMETZ), datetimes.pack_timetz(microseconds, -(offset.days * 86400 + offset.seconds))


def _from_timedelta(value: datetime.timedelta) -> tuple[SqlType, object]:
    return SqlType(oids.INTERVAL), interval.pack(
        0, value.days, value.seconds * 1_000_000 + value.microseconds
    )


def _from_interval(value: Interval) -> tuple[SqlType, object]:
    return SqlType(oids.INTERVAL), interval.pack(value.months, value.days, value.microseconds)


def _from_uuid(value: uuid.UUID) -> tuple[SqlType, object]:
    return SqlType(oids.UUID), value.bytes


def _from_dict(value: dict[str, Any]) -> tuple[SqlType, object]:
    if _is_plain_json(value):
        return SqlType(oids.JSONB), json_text.read_jsonb(json.dumps(value))
    return SqlType(oids.GRAPHRECORD), atom_of(anyvalue_from_python(value))


def _is_plain_json(value: object) -> bool:
    """Whether JSON has everything in the value."""
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, Mapping):
        return all(_is_plain_json(item) for item in value.values())
    if isinstance(value, list):
        return all(_is_plain_json(item) for item in value)
    return value is None or isinstance(value, (str, int))


def _from_list(value: list[Any]) -> tuple[SqlType, object]:
    adapted = [from_python(item) for item in value]
    types = {type_.oid for type_, atom in adapted if atom is not None}
    if oids.UNKNOWN in types:
        types = (types - {oids.UNKNOWN}) | {oids.TEXT}
    element_oid = _common_element(types) if _shape_of(value) is not None else 0
    if element_oid == oids.GRAPHRECORD_ARRAY:
        records = [None if item is None else atom_of(anyvalue_from_python(item)) for item in value]
        return SqlType(element_oid), tuple(records)
    if element_oid == 0:
        return SqlType(oids.ANYVALUE_ARRAY), tuple([anyvalue_from_python(item) for item in value])
    atoms = tuple([_widened(atom, element_oid) for _, atom in adapted])
    return SqlType(element_oid), atoms


def _shape_of(value: list[Any]) -> tuple[int, ...] | None:
    """The lengths of an array's dimensions; None for what is no array of SQL."""
    shapes = {_shape_of(item) if isinstance(item, list) else () for item in value}
    if len(shapes) > 1 or None in shapes:
        return None
    (inner,) = shapes or {()}
    assert inner is not None
    return (len(value), *inner) if 0 not in inner else None


def _from_graph_parameter(parameter: GraphParameter) -> tuple[SqlType, object]:
    value = anyvalue_from_python(parameter.value)
    return (SqlType(oids.UNKNOWN), None) if value is None else (SqlType(type_of(value)), atom_of(value))


def anyvalue_from_python(value: object) -> AnyValue:
    """The anyvalue that a Python object is in GQL: a str a string, a dict a record, a list a list."""
    kind = type(value)
    if value is None or kind is str or kind is float or kind is bool:
        return value
    if kind is int and -9223372036854775808 <= value <= 9223372036854775807:  # type: ignore[operator]
        return value
    if isinstance(value, list):
        return list_of([anyvalue_from_python(item) for item in value])
    if isinstance(value, Mapping):
        return (
            oids.GRAPHRECORD,
            tuple([(str(name), anyvalue_from_python(item)) for name, item in value.items()]),
        )
    type_, atom = from_python(value)
    return dynamic(type_.oid, atom)


def _common_element(found: set[int]) -> int:
    """The array type that holds elements of the types found: scalars, or arrays of one more dimension; 0 for none."""
    found = found or {oids.TEXT}
    array_oids = {_array_oid(oid) for oid in found}
    if len(array_oids) == 1:
        return array_oids.pop()
    for widest in (oids.FLOAT8_ARRAY, oids.NUMERIC_ARRAY, oids.INT8_ARRAY):
        if widest in array_oids and array_oids <= _NUMBER_ARRAYS:
            return widest
    return oids.GRAPHRECORD_ARRAY if array_oids == {oids.JSONB_ARRAY, oids.GRAPHRECORD_ARRAY} else 0


_NUMBER_ARRAYS = frozenset((oids.INT4_ARRAY, oids.INT8_ARRAY, oids.NUMERIC_ARRAY, oids.FLOAT8_ARRAY))


def _array_oid(oid: int) -> int:
    info = find_type(oid)
    if info is not None and info.is_array:
        return oid
    if info is None or info.array_oid == 0:
        raise NotSupportedError(f"arrays of type {type_display(oid)} are not supported")
    return info.array_oid


def _widened(atom: object, array_oid: int) -> object:
    if isinstance(atom, tuple):
        return tuple([_widened(item, array_oid) for item in atom])
    if array_oid == oids.FLOAT8_ARRAY and isinstance(atom, (int, Decimal)):
        return float(atom)
    if array_oid == oids.NUMERIC_ARRAY and isinstance(atom, int):
        return Decimal(atom)
    return atom


def _microseconds(delta: datetime.timedelta) -> int:
    return (delta.days * 86400 + delta.seconds) * 1_000_000 + delta.microseconds


# bool stands before int and datetime before date, whose subclasses they are.
_ADAPTERS: dict[type, Adapter] = {
    type(None): _from_none,
    bool: _from_bool,
    int: _from_int,
    str: _from_str,
    float: _from_float,
    Decimal: _from_decimal,
    bytes: _from_bytes,
    bytearray: _from_bytes,
    memoryview: _from_bytes,
    datetime.datetime: _from_datetime,
    datetime.date: _from_date,
    datetime.time: _from_time,
    datetime.timedelta: _from_timedelta,
    Interval: _from_interval,
    GraphParameter: _from_graph_parameter,
    uuid.UUID: _from_uuid,
    ipaddress.IPv4Address: _from_ip,
    ipaddress.IPv6Address: _from_ip,
    ipaddress.IPv4Interface: _from_ip,
    ipaddress.IPv6Interface: _from_ip,
    ipaddress.IPv4Network: _from_ip,
    ipaddress.IPv6Network: _from_ip,
    dict: _from_dict,
    list: _from_list,
}
