"""interval: packing, arithmetic of modifiers, and the four output styles.

The atom is 16 bytes, struct '>iiq': months, days, microseconds.  The three do not convert into each other,
except for comparison, which counts 30 days a month and 24 hours a day.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

from skerry_engine.errors import DatetimeFieldOverflow, InvalidBinaryRepresentation
from skerry_engine.values import types
from skerry_engine.values.datetimes import round_microseconds

_ATOM = struct.Struct(">iiq")
_WIRE = struct.Struct(">qii")
MICROSECONDS_PER_SECOND = 1_000_000
MICROSECONDS_PER_MINUTE = 60_000_000
MICROSECONDS_PER_HOUR = 3_600_000_000


def pack(months: int, days: int, microseconds: int) -> bytes:
    """The atom.  Raises DatetimeFieldOverflow when a part is out of range."""
    try:
        return _ATOM.pack(months, days, microseconds)
    except struct.error:
        raise DatetimeFieldOverflow("interval out of range") from None


def unpack(value: bytes) -> tuple[int, int, int]:
    """(months, days, microseconds) of an atom."""
    months, days, microseconds = _ATOM.unpack(value)
    return months, days, microseconds


ZERO = pack(0, 0, 0)


def pack_for_wire(value: bytes) -> bytes:
    """The binary form: microseconds, days, months."""
    return value[8:] + value[4:8] + value[:4]


def unpack_from_wire(data: bytes) -> bytes:
    """The atom of a binary form.  Raises InvalidBinaryRepresentation."""
    if len(data) != _WIRE.size:
        raise InvalidBinaryRepresentation("incorrect binary data format")
    return data[12:] + data[8:12] + data[:8]


def _toward_zero(value: int, unit: int) -> int:
    return value // unit * unit if value >= 0 else -(-value // unit * unit)


def apply_typmod(value: bytes, typmod: int) -> bytes:
    """`value` with the fields below its type's last one cut off,
    and seconds rounded to the type's precision."""
    if typmod < 0:
        return value
    fields, precision = typmod >> 16 & 0x7FFF, typmod & 0xFFFF
    months, days, microseconds = unpack(value)
    if fields != types.INTERVAL_FULL_RANGE:
        if fields == types.INTERVAL_YEAR:
            months = _toward_zero(months, 12)
        if not fields & ~(types.INTERVAL_YEAR | types.INTERVAL_MONTH):
            days = microseconds = 0
        elif fields == types.INTERVAL_DAY:
            microseconds = 0
        elif not fields & (types.INTERVAL_MINUTE | types.INTERVAL_SECOND):
            microseconds = _toward_zero(microseconds, MICROSECONDS_PER_HOUR)
        elif not fields & types.INTERVAL_SECOND:
            microseconds = _toward_zero(microseconds, MICROSECONDS_PER_MINUTE)
    if precision != types.INTERVAL_FULL_PRECISION:
        microseconds = round_microseconds(microseconds, precision)
    return pack(months, days, microseconds)


# --- output -------------------------------------------------------------------------------------------------


class Parts:
    """An interval taken apart for printing; every part keeps its sign."""

    def __init__(self, value: bytes) -> None:
        months, self.days, microseconds = unpack(value)
        self.years, self.months = _divide(months, 12)
        self.hours, rest = _divide(microseconds, MICROSECONDS_PER_HOUR)
        self.minutes, rest = _divide(rest, MICROSECONDS_PER_MINUTE)
        self.seconds, self.fraction = _divide(rest, MICROSECONDS_PER_SECOND)
        self.clock = microseconds


def _divide(value: int, unit: int) -> tuple[int, int]:
    """Quotient and rest, truncated toward zero as C does."""
    quotient, rest = divmod(abs(value), unit)
    return (quotient, rest) if value >= 0 else (-quotient, -rest)


def _seconds_text(seconds: int, fraction: int, width: int) -> str:
    text = f"{abs(seconds):0{width}d}"
    return f"{text}.{abs(fraction):06d}".rstrip("0") if fraction else text


def _plural(count: int, unit: str) -> str:
    return f"{count} {unit}" if count == 1 else f"{count} {unit}s"


def write_postgres(value: bytes) -> str:
    """IntervalStyle postgres: `1 year 2 mons -3 days +04:05:06.5`."""
    parts = Parts(value)
    words: list[str] = []
    before = False
    for count, unit in ((parts.years, "year"), (parts.months, "mon"), (parts.days, "day")):
        if count:
            words.append(("+" if before and count > 0 else "") + _plural(count, unit))
            before = count < 0
    if parts.clock or not words:
        sign = "-" if parts.clock < 0 else "+" if before else ""
        seconds = _seconds_text(parts.seconds, parts.fraction, 2)
        words.append(f"{sign}{abs(parts.hours):02d}:{abs(parts.minutes):02d}:{seconds}")
    return " ".join(words)


def write_verbose(value: bytes) -> str:
    """IntervalStyle postgres_verbose: `@ 1 year 2 mons 3 days ago`."""
    parts = Parts(value)
    words = ["@"]
    sign = 0
    named = (
        (parts.years, "year"),
        (parts.months, "mon"),
        (parts.days, "day"),
        (parts.hours, "hour"),
        (parts.minutes, "min"),
    )
    for count, unit in named:
        if count:
            sign = sign or (1 if count > 0 else -1)
            words.append(_plural(count * sign, unit))
    if parts.seconds or parts.fraction:
        negative = parts.seconds < 0 or parts.fraction < 0
        sign = sign or (-1 if negative else 1)
        minus = "-" if negative != (sign < 0) else ""
        unit = "sec" if abs(parts.seconds) == 1 and not parts.fraction else "secs"
        words.append(f"{minus}{_seconds_text(parts.seconds, parts.fraction, 1)} {unit}")
    if len(words) == 1:
        words.append("0")
    if sign < 0:
        words.append("ago")
    return " ".join(words)


def write_sql_standard(value: bytes) -> str:
    """IntervalStyle sql_standard: `1-2`, `3 4:05:06`, or signed parts where the standard has no form."""
    parts = Parts(value)
    every = (parts.years, parts.months, parts.days, parts.clock)
    negative, positive = any(part < 0 for part in every), any(part > 0 for part in every)
    if not negative and not positive:
        return "0"
    year_month = bool(parts.years or parts.months)
    clock = f"{abs(parts.hours)}:{abs(parts.minutes):02d}:{_seconds_text(parts.seconds, parts.fraction, 2)}"
    if (negative and positive) or (year_month and (parts.days or parts.clock)):
        year_sign = "-" if parts.years < 0 or parts.months < 0 else "+"
        day_sign = "-" if parts.days < 0 else "+"
        clock_sign = "-" if parts.clock < 0 else "+"
        months = f"{year_sign}{abs(parts.years)}-{abs(parts.months)}"
        return f"{months} {day_sign}{abs(parts.days)} {clock_sign}{clock}"
    sign = "-" if negative else ""
    if year_month:
        return f"{sign}{abs(parts.years)}-{abs(parts.months)}"
    return f"{sign}{abs(parts.days)} {clock}" if parts.days else f"{sign}{clock}"


def write_iso_8601(value: bytes) -> str:
    """IntervalStyle iso_8601: `P1Y2M3DT4H5M6.5S`."""
    parts = Parts(value)
    dates = "".join(
        f"{count}{unit}"
        for count, unit in ((parts.years, "Y"), (parts.months, "M"), (parts.days, "D"))
        if count
    )
    times = "".join(f"{count}{unit}" for count, unit in ((parts.hours, "H"), (parts.minutes, "M")) if count)
    if parts.seconds or parts.fraction:
        minus = "-" if parts.seconds < 0 or parts.fraction < 0 else ""
        times += f"{minus}{_seconds_text(parts.seconds, parts.fraction, 1)}S"
    if not dates and not times:
        return "PT0S"
    return f"P{dates}T{times}" if times else f"P{dates}"


_WRITERS: dict[str, Callable[[bytes], str]] = {
    "postgres": write_postgres,
    "postgres_verbose": write_verbose,
    "sql_standard": write_sql_standard,
    "iso_8601": write_iso_8601,
}


def interval_writer(style: str) -> Callable[[bytes], str]:
    """The writer for an IntervalStyle."""
    return _WRITERS[style.lower()]
