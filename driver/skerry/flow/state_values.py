"""Keys and values of flows' state: Python's on the outside, on the inside bytes in order and what a row can store.

Keys are None, bool, int, float, str, bytes, date, datetime, UUID, and tuples of those.  Their bytes stand in the order
of their types (as listed), then of their values, tuples item by item:

    00                end of a tuple                        20  str, UTF-8; 00 is escaped as 00 FF; ends with 00 01
    01                None                                  21  bytes, likewise
    02, 03            False, True                           30  date: days, 4 bytes
    10                int: sign and length, then bytes      31  datetime without, 32 with a time zone: microseconds
    18                float: 8 bytes, the sign folded       33  UUID: 16 bytes
                                                            40  tuple: its items, 00

Values are those types, and Decimal, time, timedelta, list, tuple, dict of values with keys of any of these types.
What the engine can store goes in as it is; the rest as a tuple that begins with a letter for its type.
"""

from __future__ import annotations

import datetime
import struct
import uuid
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from skerry_engine.errors import NotSupportedError

_FLOAT = struct.Struct(">d")
_BITS = struct.Struct(">Q")
_SIGN = 1 << 63
_ALL = (1 << 64) - 1
_EPOCH = datetime.datetime(1970, 1, 1)
_UTC_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_MICROSECOND = datetime.timedelta(microseconds=1)
_ZERO_LENGTH = 0x80


# --- keys ---------------------------------------------------------------------------------------------------


def key_bytes(key: object) -> bytes:
    """A key as bytes.  Raises NotSupportedError for other types."""
    return b"".join(_key_parts(key))


def _key_parts(key: object) -> list[bytes]:
    if isinstance(key, tuple):
        return [b"\x40", *[part for item in key for part in _key_parts(item)], b"\x00"]
    if key is None:
        return [b"\x01"]
    if isinstance(key, bool):
        return [b"\x03" if key else b"\x02"]
    if isinstance(key, int):
        return [b"\x10", _ordered_int(key)]
    if isinstance(key, float):
        return [b"\x18", _ordered_float(key)]
    if isinstance(key, str):
        return [b"\x20", _ended(key.encode())]
    if isinstance(key, bytes):
        return [b"\x21", _ended(key)]
    if isinstance(key, datetime.datetime):
        return [b"\x32" if key.tzinfo else b"\x31", _ordered_microseconds(key)]
    if isinstance(key, datetime.date):
        return [b"\x30", key.toordinal().to_bytes(4, "big")]
    if isinstance(key, uuid.UUID):
        return [b"\x33", key.bytes]
    raise NotSupportedError(f"Python objects of type {type(key).__name__} are no keys of state")


def _ended(data: bytes) -> bytes:
    return data.replace(b"\x00", b"\x00\xff") + b"\x00\x01"


def _ordered_int(value: int) -> bytes:
    size = (value.bit_length() + 7) // 8
    if size >= _ZERO_LENGTH - 1:
        raise NotSupportedError("an integer of more than 126 bytes is no key of state")
    if value >= 0:
        return bytes((_ZERO_LENGTH + size,)) + value.to_bytes(size, "big")
    return bytes((_ZERO_LENGTH - size,)) + ((1 << 8 * size) + value).to_bytes(size, "big")


def _ordered_float(value: float) -> bytes:
    bits: int = _BITS.unpack(_FLOAT.pack(value + 0.0))[0]
    return _BITS.pack(bits ^ _ALL if bits & _SIGN else bits | _SIGN)


def _ordered_microseconds(value: datetime.datetime) -> bytes:
    since = value - (_UTC_EPOCH if value.tzinfo else _EPOCH)
    return _BITS.pack(since // _MICROSECOND + _SIGN)


def key_of_bytes(data: bytes) -> object:
    """The key that `key_bytes` made these bytes of."""
    key, _ = _read_key(data, 0)
    return key


def _read_key(data: bytes, place: int) -> tuple[object, int]:
    tag = data[place]
    place += 1
    if tag == 0x40:
        items: list[object] = []
        while data[place]:
            item, place = _read_key(data, place)
            items.append(item)
        return tuple(items), place + 1
    if tag in (0x20, 0x21):
        end = data.index(b"\x00\x01", place)
        body = data[place:end].replace(b"\x00\xff", b"\x00")
        return (body.decode() if tag == 0x20 else body), end + 2
    if tag == 0x10:
        return _read_int(data, place)
    return _FIXED[tag][1](data[place : place + _FIXED[tag][0]]), place + _FIXED[tag][0]


def _read_int(data: bytes, place: int) -> tuple[int, int]:
    size = data[place] - _ZERO_LENGTH
    end = place + 1 + abs(size)
    value = int.from_bytes(data[place + 1 : end], "big")
    return (value if size >= 0 else value - (1 << -8 * size)), end


def _read_float(data: bytes) -> float:
    bits: int = _BITS.unpack(data)[0]
    value: float = _FLOAT.unpack(_BITS.pack(bits ^ _SIGN if bits & _SIGN else bits ^ _ALL))[0]
    return value


def _microseconds(data: bytes) -> datetime.timedelta:
    bits: int = _BITS.unpack(data)[0]
    return (bits - _SIGN) * _MICROSECOND


_FIXED: dict[int, tuple[int, Callable[[bytes], object]]] = {
    0x01: (0, lambda data: None),
    0x02: (0, lambda data: False),
    0x03: (0, lambda data: True),
    0x18: (8, _read_float),
    0x30: (4, lambda data: datetime.date.fromordinal(int.from_bytes(data, "big"))),
    0x31: (8, lambda data: _EPOCH + _microseconds(data)),
    0x32: (8, lambda data: _UTC_EPOCH + _microseconds(data)),
    0x33: (16, lambda data: uuid.UUID(bytes=data)),
}


def key_beyond(data: bytes) -> bytes | None:
    """The smallest bytes above all that begin with these; None where there are none."""
    kept = data.rstrip(b"\xff")
    return kept[:-1] + bytes((kept[-1] + 1,)) if kept else None


# --- values -------------------------------------------------------------------------------------------------

_STORED = (type(None), bool, int, float, str, bytes, Decimal)


def stored_value(value: object) -> object:
    """A value as a row can store it.  Raises NotSupportedError for other types."""
    kind = type(value)
    if kind in _STORED:
        return value
    if isinstance(value, tuple):
        return ("t", *[stored_value(item) for item in value])
    if isinstance(value, list):
        return ("l", *[stored_value(item) for item in value])
    if isinstance(value, Mapping):
        return ("d", *[stored_value(item) for pair in value.items() for item in pair])
    if isinstance(value, datetime.timedelta):
        return ("i", value.days, value.seconds, value.microseconds)
    if isinstance(value, datetime.datetime | datetime.date | datetime.time):
        return (_ISO_LETTERS[kind] if kind in _ISO_LETTERS else _iso_letter(value), value.isoformat())
    if isinstance(value, uuid.UUID):
        return ("u", value.bytes)
    if isinstance(value, _STORED[1:]):  # of a subclass: an IntEnum, say
        plain: Any = next(each for each in _STORED if isinstance(value, each))
        return plain(value)
    raise NotSupportedError(f"Python objects of type {type(value).__name__} are no values of state")


def _iso_letter(value: object) -> str:
    return next(letter for kind, letter in _ISO_LETTERS.items() if isinstance(value, kind))


_ISO_LETTERS: dict[type, str] = {datetime.datetime: "D", datetime.date: "a", datetime.time: "T"}


def python_value(stored: Any) -> Any:
    """The value that `stored_value` made this of."""
    if not isinstance(stored, tuple):
        return stored
    return _MAKERS[stored[0]](stored)


def _mapping(stored: tuple[Any, ...]) -> dict[Any, Any]:
    items = [python_value(item) for item in stored[1:]]
    return dict(zip(items[::2], items[1::2], strict=True))


_MAKERS: dict[str, Callable[[Any], Any]] = {
    "t": lambda stored: tuple([python_value(item) for item in stored[1:]]),
    "l": lambda stored: [python_value(item) for item in stored[1:]],
    "d": _mapping,
    "i": lambda stored: datetime.timedelta(*stored[1:]),
    "D": lambda stored: datetime.datetime.fromisoformat(stored[1]),
    "a": lambda stored: datetime.date.fromisoformat(stored[1]),
    "T": lambda stored: datetime.time.fromisoformat(stored[1]),
    "u": lambda stored: uuid.UUID(bytes=stored[1]),
}
