"""Time zones: names to zones, and offsets at an instant or at a local time.

Zones are zoneinfo's (the tz database) or fixed offsets.  Python's zones work on datetimes of the years 1 to
9999; an instant outside borrows the offset of the same day in another 400-year cycle of the calendar,
which repeats exactly.

Two sign conventions meet here: SQL writes offsets east of Greenwich (`+02`),
a POSIX zone name west (`UTC-2`).
"""

from __future__ import annotations

import datetime
import re
import zoneinfo
from functools import lru_cache

from skerry_engine.errors import InvalidParameterValue
from skerry_engine.values.calendar import (
    EPOCH,
    FIRST_PYTHON_DAY,
    LAST_PYTHON_DAY,
    MICROSECONDS_PER_DAY,
    MICROSECONDS_PER_SECOND,
)
from skerry_engine.values.zone_abbreviations import ZONE_ABBREVIATIONS

UTC = datetime.UTC
_CYCLE_DAYS = 146097  # 400 years
_EARLIEST = (FIRST_PYTHON_DAY + 2) * MICROSECONDS_PER_DAY
_LATEST = (LAST_PYTHON_DAY - 2) * MICROSECONDS_PER_DAY
_POSIX = re.compile(
    r"(?:([A-Za-z]{3,})|<([A-Za-z0-9+-]+)>)?([+-]?)(\d{1,3})(?::(\d\d))?(?::(\d\d))?", re.ASCII
)
_HOURS = re.compile(r"[+-]?\d+(?:\.\d*)?", re.ASCII)
_UTC_NAMES = frozenset(
    ("utc", "gmt", "etc/utc", "zulu", "etc/gmt", "uct", "etc/uct", "universal", "etc/zulu")
)


@lru_cache(maxsize=256)
def find_zone(name: str) -> datetime.tzinfo | None:
    """The zone of a tz database name (in any case) or of a POSIX zone; None if none.

    POSIX zones such as `UTC+3`, `<-03>+3` and `+3` are all west of Greenwich.
    """
    if name.lower() in _UTC_NAMES:
        return UTC
    zone = _zone_of_database(name)
    if zone is not None:
        return zone
    match = _POSIX.fullmatch(name)
    if match is None:
        return None
    abbreviation, bracketed, sign, hours, minutes, seconds = match.groups()
    west_s = int(hours) * 3600 + int(minutes or 0) * 60 + int(seconds or 0)
    east_s = west_s if sign == "-" else -west_s
    if abs(east_s) >= 86400:
        return None
    return fixed_zone(east_s, abbreviation or bracketed or numeric_abbreviation(east_s))


def _zone_of_database(name: str) -> datetime.tzinfo | None:
    canonical = _canonical_names().get(name.lower())
    return None if canonical is None else zoneinfo.ZoneInfo(canonical)


@lru_cache(maxsize=1)
def _canonical_names() -> dict[str, str]:
    return {name.lower(): name for name in zoneinfo.available_timezones() if name != "localtime"}


def canonical_zone_name(name: str) -> str:
    """The name in the tz database's own case, when it is there; else in capitals,
    as PostgreSQL shows POSIX zones."""
    return _canonical_names().get(name.lower(), name.upper())


def fixed_zone(offset_s: int, name: str | None = None) -> datetime.tzinfo:
    """The zone `offset_s` seconds east of Greenwich.  Raises InvalidParameterValue for a day or more."""
    if abs(offset_s) >= 86400:
        raise InvalidParameterValue(f"time zone offset out of range: {offset_s} s")
    delta = datetime.timedelta(seconds=offset_s)
    return datetime.timezone(delta, name) if name else datetime.timezone(delta)


@lru_cache(maxsize=256)
def zone_named(name: str) -> datetime.tzinfo:
    """The zone that the TimeZone setting names: a database name, a POSIX zone, or hours east of Greenwich.

    Raises InvalidParameterValue.
    """
    if _HOURS.fullmatch(name):
        offset_s = round(float(name) * 3600)
        return fixed_zone(offset_s, numeric_abbreviation(offset_s))
    zone = find_zone(name)
    if zone is None:
        raise InvalidParameterValue(f'invalid value for parameter "TimeZone": "{name}"')
    return zone


def zone_setting_name(name: str) -> str:
    """A TimeZone setting as SHOW prints it: `Europe/Berlin` for any case of it, `<+05>-05` for 5.

    Raises InvalidParameterValue.
    """
    zone_named(name)
    if not _HOURS.fullmatch(name):
        return canonical_zone_name(name)
    offset_s = round(float(name) * 3600)
    return f"<{offset_text(offset_s)}>{offset_text(-offset_s)}"


def numeric_abbreviation(offset_s: int) -> str:
    """An offset as it abbreviates a nameless zone: `+02`, `-03:30`."""
    return offset_text(offset_s)


def zone_of_argument(name: str) -> datetime.tzinfo:
    """The zone that AT TIME ZONE names: abbreviations too.  Raises InvalidParameterValue."""
    if name.lower() in _UTC_NAMES:
        return UTC
    offset_s = ZONE_ABBREVIATIONS.get(name.lower())
    if offset_s is not None:
        return fixed_zone(offset_s, name.upper())
    zone = find_zone(name)
    if zone is None:
        raise InvalidParameterValue(f'time zone "{name}" not recognized')
    return zone


def offset_at(zone: datetime.tzinfo, microseconds: int) -> int:
    """Seconds east of Greenwich of `zone` at an instant (microseconds since 2000-01-01 UTC)."""
    if zone is UTC:
        return 0
    moment = _python_moment(microseconds).replace(tzinfo=UTC).astimezone(zone)
    return _seconds(moment.utcoffset())


def abbreviation_at(zone: datetime.tzinfo, microseconds: int) -> str:
    """The zone's abbreviation (`CEST`) at an instant."""
    return _python_moment(microseconds).replace(tzinfo=UTC).astimezone(zone).tzname() or ""


def is_dst_at(zone: datetime.tzinfo, microseconds: int) -> bool:
    """Whether daylight saving time holds at an instant."""
    return bool(_python_moment(microseconds).replace(tzinfo=UTC).astimezone(zone).dst())


def local_to_utc(zone: datetime.tzinfo, local_microseconds: int) -> int:
    """The instant at which `zone`'s clock shows a local time.

    In the hour that a change skips, and in the one that it repeats, the smaller offset (standard time) holds.
    """
    if zone is UTC:
        return local_microseconds
    moment = _python_moment(local_microseconds).replace(tzinfo=zone)
    earlier = _seconds(moment.utcoffset())
    later = _seconds(moment.replace(fold=1).utcoffset())
    return local_microseconds - min(earlier, later) * MICROSECONDS_PER_SECOND


def utc_to_local(zone: datetime.tzinfo, microseconds: int) -> int:
    """What `zone`'s clock shows at an instant, as microseconds since 2000-01-01 00:00 local."""
    return microseconds + offset_at(zone, microseconds) * MICROSECONDS_PER_SECOND


def _python_moment(microseconds: int) -> datetime.datetime:
    """A naive datetime for the microseconds, moved by whole calendar cycles into datetime's range."""
    if not _EARLIEST <= microseconds <= _LATEST:
        cycle = _CYCLE_DAYS * MICROSECONDS_PER_DAY
        if microseconds > _LATEST:
            microseconds = _LATEST - cycle + (microseconds - _LATEST) % cycle
        else:
            microseconds = _EARLIEST + (microseconds - _EARLIEST) % cycle
    return EPOCH + datetime.timedelta(microseconds=microseconds)


def _seconds(offset: datetime.timedelta | None) -> int:
    return 0 if offset is None else offset.days * 86400 + offset.seconds


def offset_text(offset_s: int) -> str:
    """An offset as ISO style prints it: `+02`, `-03:30`, `-04:56:02`."""
    sign = "-" if offset_s < 0 else "+"
    minutes, seconds = divmod(abs(offset_s), 60)
    hours, minutes = divmod(minutes, 60)
    text = f"{sign}{hours:02d}"
    if minutes or seconds:
        text += f":{minutes:02d}"
    return f"{text}:{seconds:02d}" if seconds else text
