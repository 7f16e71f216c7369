"""Values from the text that a server sends, as the Python objects that an embedded database gives.

pg8000 reads most types well; here are the ones where it fails (24:00:00, arrays with bounds), gives a wrong
value (years BC), or another object than the embedded driver (intervals).  What Python has no object for stays
text: infinite dates, years beyond 9999, dates in another DateStyle than ISO,
intervals in another style than PostgreSQL's own.
"""

from __future__ import annotations

import datetime
import ipaddress
import json
import re
import struct
import uuid
from collections.abc import Callable
from decimal import Decimal

from skerry import graph_json
from skerry.types import MICROSECONDS_PER_DAY, Interval

Reader = Callable[[str], object]

_TIME = r"(\d{2}):(\d{2}):(\d{2})(?:\.(\d{1,6}))?"
_ZONE = r"([+-])(\d{2})(?::(\d{2}))?(?::(\d{2}))?"
_DATE_FORM = re.compile(r"\d{4}-\d{2}-\d{2}")
_TIME_FORM = re.compile(rf"{_TIME}(?:{_ZONE})?")
_TIMESTAMP_FORM = re.compile(rf"(\d{{4}}-\d{{2}}-\d{{2}}) {_TIME}(?:{_ZONE})?")
_INTERVAL_PART = re.compile(r"([+-]?\d+) (year|mon|day)s?|([+-]?)(\d+):(\d+):(\d+)(?:\.(\d+))?")
_INTERVAL_FORM = re.compile(rf"(?:{_INTERVAL_PART.pattern})(?: (?:{_INTERVAL_PART.pattern}))*")
_MONTHS = {"year": 12, "mon": 1}


def _microseconds(fraction: str | None) -> int:
    return int((fraction or "").ljust(6, "0"))


def _zone(sign: str, hours: str, minutes: str | None, seconds: str | None) -> datetime.timezone:
    offset = datetime.timedelta(hours=int(hours), minutes=int(minutes or 0), seconds=int(seconds or 0))
    return datetime.timezone(-offset if sign == "-" else offset)


def read_date(text: str) -> object:
    """A date, or the text."""
    return datetime.date.fromisoformat(text) if _DATE_FORM.fullmatch(text) else text


def read_time(text: str) -> object:
    """A time with or without zone; 24:00:00 stays text."""
    match = _TIME_FORM.fullmatch(text)
    if match is None or match[1] == "24":
        return text
    zone = None if match[5] is None else _zone(match[5], match[6], match[7], match[8])
    return datetime.time(int(match[1]), int(match[2]), int(match[3]), _microseconds(match[4]), zone)


def read_timestamp(text: str) -> object:
    """A timestamp, with its instant in UTC when it has a zone."""
    match = _TIMESTAMP_FORM.fullmatch(text)
    if match is None:
        return text
    day = datetime.date.fromisoformat(match[1])
    time = datetime.time(int(match[2]), int(match[3]), int(match[4]), _microseconds(match[5]))
    local = datetime.datetime.combine(day, time)
    if match[6] is None:
        return local
    return local.replace(tzinfo=_zone(match[6], match[7], match[8], match[9])).astimezone(datetime.UTC)


def read_interval(text: str) -> object:
    """A timedelta, or an Interval when it has months."""
    if not _INTERVAL_FORM.fullmatch(text):
        return text
    months = days = microseconds = 0
    for count, unit, sign, hours, minutes, seconds, fraction in _INTERVAL_PART.findall(text):
        if unit == "day":
            days += int(count)
        elif unit:
            months += int(count) * _MONTHS[unit]
        else:
            part = (int(hours) * 3600 + int(minutes) * 60 + int(seconds)) * 1_000_000 + _microseconds(
                fraction
            )
            microseconds += -part if sign == "-" else part
    if months:
        return Interval(months, days, microseconds)
    try:
        return datetime.timedelta(microseconds=days * MICROSECONDS_PER_DAY + microseconds)
    except OverflowError:
        return Interval(months, days, microseconds)


def read_float4(text: str) -> object:
    """A float4, exactly: its nearest double differs from the digits that the server prints."""
    value = float(text)
    return float(struct.unpack("<f", struct.pack("<f", value))[0])


def read_vector(text: str) -> object:
    """An int2vector or oidvector."""
    return [int(part) for part in text.split()]


def read_inet(text: str) -> object:
    """An address; one in its network where there is a mask."""
    return ipaddress.ip_interface(text) if "/" in text else ipaddress.ip_address(text)


# --- arrays -------------------------------------------------------------------------------------------------

_ARRAY_TOKEN = re.compile(r'[{},]|"(?:[^"\\]|\\.)*"|(?:[^{},"\\]|\\.)+', re.DOTALL)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)


def array_reader(element: Reader) -> Reader:
    """The reader of arrays whose elements `element` reads."""

    def read(text: str) -> object:
        stack: list[list[object]] = [[]]
        for token in _ARRAY_TOKEN.findall(text[text.index("{") :]):
            if token == "{":
                inner: list[object] = []
                stack[-1].append(inner)
                stack.append(inner)
            elif token == "}":
                stack.pop()
            elif token != ",":
                stack[-1].append(_array_item(token, element))
        return stack[0][0]

    return read


def _array_item(token: str, element: Reader) -> object:
    if token.startswith('"'):
        return element(_ESCAPE.sub(r"\1", token[1:-1]))
    if token.upper() == "NULL":
        return None
    return element(_ESCAPE.sub(r"\1", token))


def _read_bool(text: str) -> object:
    return text == "t"


def _read_bytea(text: str) -> object:
    return bytes.fromhex(text[2:])


_SCALARS: dict[int, Reader] = {
    22: read_vector,
    30: read_vector,
    650: ipaddress.ip_network,
    869: read_inet,
    700: read_float4,
    1082: read_date,
    1083: read_time,
    1114: read_timestamp,
    1184: read_timestamp,
    1186: read_interval,
    1266: read_time,
}

# Array type OID -> reader of its elements.
_ELEMENTS: dict[int, Reader] = {
    199: json.loads,
    651: ipaddress.ip_network,
    775: str,
    791: str,
    1000: _read_bool,
    1001: _read_bytea,
    1002: str,
    1003: str,
    1005: int,
    1007: int,
    1009: str,
    1014: str,
    1015: str,
    1016: int,
    1021: read_float4,
    1022: float,
    1028: int,
    1040: str,
    1041: read_inet,
    1115: read_timestamp,
    1182: read_date,
    1183: read_time,
    1185: read_timestamp,
    1187: read_interval,
    1231: Decimal,
    1270: read_time,
    1561: str,
    1563: str,
    2951: uuid.UUID,
    3807: json.loads,
    **dict.fromkeys((3905, 3907, 3909, 3911, 3913, 3927), str),  # ranges
    **dict.fromkeys((6150, 6151, 6152, 6153, 6155, 6157), str),  # multiranges
}

_RANGES = (3904, 3906, 3908, 3910, 3912, 3926)
_MULTIRANGES = (4451, 4532, 4533, 4534, 4535, 4536)
_SCALARS.update(dict.fromkeys(_RANGES + _MULTIRANGES, str))  # nothing of theirs is Python's

_GRAPHS: dict[int, Reader] = {
    9100: graph_json.read_node,
    9102: graph_json.read_edge,
    9104: graph_json.read_path,
    9106: graph_json.read_value,
    9108: graph_json.read_value,
}
_SCALARS.update(_GRAPHS)
_ELEMENTS.update({oid + 1: reader for oid, reader in _GRAPHS.items()})  # their arrays' OIDs follow theirs

READERS: dict[int, Reader] = _SCALARS | {oid: array_reader(element) for oid, element in _ELEMENTS.items()}


def _read_json(text: str) -> object:
    return json.loads(text)


_read_labels = array_reader(str)


def own_reader(type_oid: int) -> Reader | None:
    """The reader of a type that is read here; None for all others.  The OIDs of a server of Skerry's tell arrays of
    enums and of composite types: they are odd (engine: values/user_types.py)."""
    if 0x40000000 <= type_oid < 0x60000000 and type_oid & 1:
        return _read_labels
    return READERS.get(type_oid)


# What the protocol's own implementation reads well enough when rows come by the wire.
_PLAIN: dict[int, Reader] = {
    16: _read_bool,
    17: _read_bytea,
    20: int,
    21: int,
    23: int,
    26: int,
    28: int,
    114: _read_json,
    701: float,
    1700: Decimal,
    2950: uuid.UUID,
    3802: _read_json,
}


def reader_of(type_oid: int) -> Reader:
    """The function that makes a Python value of the type from its text (default settings); str for types
    that stay text."""
    return own_reader(type_oid) or _PLAIN.get(type_oid, str)
