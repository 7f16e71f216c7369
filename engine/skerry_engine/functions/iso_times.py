"""Dates, times and durations in the forms of ISO 8601 that GQL has and PostgreSQL's readers have not, and as such text.

    2015-07-21  20150721      2015-07  201507     2015             calendar dates; what is missing is the first
    2015-W30-2  2015W302      2015-W30 2015W30    2015-202  2015202     week and ordinal dates
    21:40:32.142  214032.142  21:40  2140  21     with Z, +01, +0130, +01:30:15, [Europe/Berlin]
    P1Y2M3W4DT5H6M7.5S, any part signed or with a fraction

`extended` writes any of the first as PostgreSQL's readers take it; other text goes to them as it is.  A zone in brackets
counts only where no offset stands before it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from skerry_engine.errors import DatetimeFieldOverflow, InvalidDatetimeValue
from skerry_engine.values import calendar, interval, oids
from skerry_engine.values.datetimes import unpack_timetz, write_time, write_timestamp_iso

_DATE = (
    r"(?P<year>\d{4})(?:"
    r"-(?P<month>\d\d)(?:-(?P<day>\d\d))?|-W(?P<week>\d\d)(?:-(?P<weekday>\d))?|-(?P<ordinal>\d{3})"
    r"|(?P<month_>\d\d)(?P<day_>\d\d)?|W(?P<week_>\d\d)(?P<weekday_>\d)?|(?P<ordinal_>\d{3}))?"
)
_CLOCK = r"(?P<hour>\d\d)(?::?(?P<minute>\d\d)(?::?(?P<second>\d\d)(?:[.,](?P<fraction>\d{1,9}))?)?)?"
_OFFSET = r"(?P<offset>Z|(?P<sign>[+-])(?P<hours>\d\d)(?::?(?P<minutes>\d\d)(?::?(?P<seconds>\d\d))?)?)?"
_ZONE = r"(?:\[(?P<zone>[\w/+-]+)\])?"
_FORMS = {
    oids.DATE: re.compile(_DATE),
    oids.TIME: re.compile(_CLOCK),
    oids.TIMETZ: re.compile(_CLOCK + _OFFSET),
    oids.TIMESTAMP: re.compile(f"{_DATE}T{_CLOCK}"),
    oids.TIMESTAMPTZ: re.compile(f"{_DATE}T{_CLOCK}{_OFFSET}{_ZONE}"),
}
_NUMBER = r"([+-]?\d+(?:[.,]\d+)?)"
_DURATION = re.compile(
    rf"([+-]?)P(?=[\d+T-])(?:{_NUMBER}Y)?(?:{_NUMBER}M)?(?:{_NUMBER}W)?(?:{_NUMBER}D)?"
    rf"(?:T(?=[\d+-])(?:{_NUMBER}H)?(?:{_NUMBER}M)?(?:{_NUMBER}S)?)?"
)
_PARTS = ("years", "months", "weeks", "days", "hours", "minutes", "seconds")

DAYS_IN_MONTH = Decimal("30.436875")
"""What a part of a month is a part of: a twelfth of the mean year."""

_MONTHS = {"years": 12, "quarters": 3, "months": 1}
_DAYS = {"weeks": 7, "days": 1}
_MICROSECONDS = {
    "hours": 3_600_000_000,
    "minutes": 60_000_000,
    "seconds": 1_000_000,
    "milliseconds": 1_000,
    "microseconds": 1,
}


# --- reading ------------------------------------------------------------------------------------------------


def extended(type_oid: int, text: str) -> str:
    """The text in the form that the type's input function reads.  Raises InvalidDatetimeValue for an ISO 8601 date that
    there is not."""
    form = _FORMS.get(type_oid)
    found = None if form is None else form.fullmatch(text.strip())
    if found is None:
        return text
    parts = found.groupdict()
    pieces = [_date_text(parts)] if "year" in parts else []
    if "hour" in parts:
        pieces.append(_clock_text(parts) + _zone_text(parts))
    return " ".join(pieces)


def _date_text(parts: Mapping[str, str | None]) -> str:
    from skerry_engine.functions.graph_times import days_of  # which makes dates of fields

    written = {
        name: parts[name] or parts[f"{name}_"] for name in ("month", "day", "week", "weekday", "ordinal")
    }
    names = {"weekday": "dayofweek", "ordinal": "ordinalday"}
    fields = {names.get(name, name): int(text) for name, text in written.items() if text is not None}
    year, month, day = calendar.civil_from_days(days_of({"year": int(parts["year"] or 0), **fields}))
    return f"{year:04}-{month:02}-{day:02}"


def _clock_text(parts: Mapping[str, str | None]) -> str:
    fraction = f".{parts['fraction'][:6]}" if parts["fraction"] else ""
    return f"{parts['hour']}:{parts['minute'] or '00'}:{parts['second'] or '00'}{fraction}"


def _zone_text(parts: Mapping[str, str | None]) -> str:
    if parts.get("offset") == "Z":
        return "+00"
    if parts.get("offset"):
        return f"{parts['sign']}{parts['hours']}:{parts['minutes'] or '00'}:{parts['seconds'] or '00'}"
    return f" {parts['zone']}" if parts.get("zone") else ""


def read_duration(text: str) -> bytes | None:
    """A duration written as ISO 8601 has it; None for other text."""
    found = _DURATION.fullmatch(text.strip())
    if found is None:
        return None
    sign, *numbers = found.groups()
    factor = -1 if sign == "-" else 1
    fields = {
        name: factor * Decimal(number.replace(",", "."))
        for name, number in zip(_PARTS, numbers, strict=True)
        if number is not None
    }
    return duration_of(fields)


def duration_of(fields: Mapping[str, Any]) -> bytes:
    """The duration of its parts, in the names of the standard; what is not whole of a month or a day goes on in days
    and seconds."""
    months, part = _whole(fields, _MONTHS)
    days, part = _whole(fields, _DAYS, part * DAYS_IN_MONTH)
    microseconds, _ = _whole(fields, _MICROSECONDS, part * 86_400_000_000 + _nanoseconds(fields))
    return packed(months, days, microseconds)


def _whole(
    fields: Mapping[str, Any], units: Mapping[str, int], more: Decimal = Decimal(0)
) -> tuple[int, Decimal]:
    total = sum((_exact(fields.get(name, 0)) * unit for name, unit in units.items()), more)
    return int(total), total - int(total)


def _nanoseconds(fields: Mapping[str, Any]) -> Decimal:
    return _exact(fields.get("nanoseconds", 0)) / 1000


def _exact(value: Any) -> Decimal:
    number = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
    if not number.is_finite():
        raise InvalidDatetimeValue("durations are finite")
    return number


def packed(months: int, days: int, microseconds: int) -> bytes:
    """A duration.  Raises DatetimeFieldOverflow."""
    if abs(months) >= 1 << 31 or abs(days) >= 1 << 31 or abs(microseconds) >= 1 << 63:
        raise DatetimeFieldOverflow("interval out of range")
    return interval.pack(months, days, microseconds)


# --- writing ------------------------------------------------------------------------------------------------


def duration_text(value: bytes) -> str:
    """P1Y2M3DT4H5M6.5S."""
    return interval.write_iso_8601(value)


def local_text(microseconds: int) -> str:
    """2015-07-21T21:40:32.142."""
    return write_timestamp_iso(microseconds).replace(" ", "T", 1)


def zoned_time_text(value: bytes) -> str:
    """21:40:32.142+01:00."""
    microseconds, west_s = unpack_timetz(value)
    return write_time(microseconds) + offset_text(-west_s)


def offset_text(east_s: int) -> str:
    """+01:00, or Z."""
    if east_s == 0:
        return "Z"
    minutes, seconds = divmod(abs(east_s), 60)
    tail = f":{seconds:02}" if seconds else ""
    return f"{'-' if east_s < 0 else '+'}{minutes // 60:02}:{minutes % 60:02}{tail}"
