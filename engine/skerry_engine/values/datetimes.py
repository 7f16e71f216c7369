"""date, time, timestamp, timestamptz, timetz: readers and writers, with fast paths for ISO forms.

Atoms are integers (see `values/__init__`); a time with time zone is 12 bytes.  The infinities are the extreme
integers, as in PostgreSQL's own encoding, so they sort right and travel in binary unchanged.
"""

from __future__ import annotations

import datetime
import re
import struct
from collections.abc import Callable

from skerry_engine.errors import DatabaseError, DatetimeFieldOverflow
from skerry_engine.values import calendar, timezones
from skerry_engine.values.calendar import (
    DATE_INFINITY,
    DATE_NEGATIVE_INFINITY,
    EPOCH,
    EPOCH_ORDINAL,
    FIRST_PYTHON_DAY,
    LAST_PYTHON_DAY,
    MAX_DATE,
    MAX_TIMESTAMP,
    MICROSECONDS_PER_DAY,
    MICROSECONDS_PER_SECOND,
    MIN_DATE,
    MIN_TIMESTAMP,
    TIMESTAMP_INFINITY,
    TIMESTAMP_NEGATIVE_INFINITY,
)
from skerry_engine.values.datetime_input import (
    DATE,
    TIME,
    WEEKDAY,
    BadField,
    BadFormat,
    InputContext,
    field_overflow,
    invalid_syntax,
    read_clock,
    read_fields,
)

_TIMETZ = struct.Struct(">qi")
_ISO_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_PACKED_TIME = re.compile(r"\s*T?(\d\d)(\d\d)(\d\d)?(\.\d+)?\s*", re.ASCII)
_UTC_EPOCH = EPOCH.replace(tzinfo=timezones.UTC)
_FIRST_PYTHON_MICROSECOND = FIRST_PYTHON_DAY * MICROSECONDS_PER_DAY
_LAST_PYTHON_MICROSECOND = LAST_PYTHON_DAY * MICROSECONDS_PER_DAY

# --- reading ------------------------------------------------------------------------------------------------


def _iso_days(text: str) -> int:
    """Days of `YYYY-MM-DD`; ValueError when there is no such date."""
    return datetime.date.fromisoformat(text).toordinal() - EPOCH_ORDINAL


def read_date(text: str, context: InputContext) -> int:
    """date from text.  Raises InvalidDatetimeFormat, DatetimeFieldOverflow."""
    if _ISO_DATE.fullmatch(text) is not None:
        try:
            return _iso_days(text)
        except ValueError:
            pass
    fields = read_fields(text, "date", context)
    if fields.infinity:
        return DATE_INFINITY if fields.infinity > 0 else DATE_NEGATIVE_INFINITY
    if fields.instant is not None:
        return (
            timezones.utc_to_local(_zone_for(fields.instant, context), fields.instant) // MICROSECONDS_PER_DAY
        )
    if fields.known & DATE != DATE:
        raise invalid_syntax(text, "date")
    days = fields.days
    if not MIN_DATE <= days <= MAX_DATE:
        raise DatetimeFieldOverflow(f'date out of range: "{text}"')
    return days


def _zone_for(instant: int, context: InputContext) -> datetime.tzinfo:
    """`epoch` means midnight of 1970-01-01 without time zone; `now` is local."""
    if instant == -calendar.UNIX_EPOCH_DAYS * MICROSECONDS_PER_DAY:
        return timezones.UTC
    return context.zone


def read_timestamp(text: str, context: InputContext) -> int:
    """timestamp from text; a time zone in it is ignored.  Raises InvalidDatetimeFormat,
    DatetimeFieldOverflow."""
    moment = _iso_moment(text)
    if moment is not None:
        return _microseconds(moment)
    fields = read_fields(text, "timestamp", context)
    if fields.infinity:
        return TIMESTAMP_INFINITY if fields.infinity > 0 else TIMESTAMP_NEGATIVE_INFINITY
    if fields.instant is not None:
        return timezones.utc_to_local(_zone_for(fields.instant, context), fields.instant)
    if fields.known & DATE != DATE:
        raise invalid_syntax(text, "timestamp")
    return _checked(fields.days * MICROSECONDS_PER_DAY + fields.microseconds, text)


def read_timestamptz(text: str, context: InputContext) -> int:
    """timestamptz from text; without a zone in it the session's holds.

    Raises InvalidDatetimeFormat, DatetimeFieldOverflow, InvalidTimeZone, InvalidParameterValue.
    """
    instant = _iso_instant(text, context.zone)
    if instant is not None:
        return instant
    fields = read_fields(text, "timestamp with time zone", context)
    if fields.infinity:
        return TIMESTAMP_INFINITY if fields.infinity > 0 else TIMESTAMP_NEGATIVE_INFINITY
    if fields.instant is not None:
        return fields.instant
    if fields.known & DATE != DATE:
        raise invalid_syntax(text, "timestamp with time zone")
    local = fields.days * MICROSECONDS_PER_DAY + fields.microseconds
    if fields.offset_s is not None:
        return _checked(local - fields.offset_s * MICROSECONDS_PER_SECOND, text)
    return _checked(timezones.local_to_utc(fields.named_zone or context.zone, local), text)


def _iso_moment(text: str) -> datetime.datetime | None:
    """The moment of `YYYY-MM-DD HH:MM:SS[.ffffff]` (or T between); None for any other form or no such moment.

    datetime's own reader is fast but takes more than PostgreSQL does, hence the checks of shape.
    """
    length = len(text)
    if length < 19 or text[4] != "-" or text[7] != "-" or text[13] != ":" or text[16] != ":":
        return None
    if text[10] not in " T" or not text.isascii():
        return None
    if length > 19 and (text[19] != "." or not 20 < length <= 26 or not text[20:].isdigit()):
        return None
    try:
        return datetime.datetime.fromisoformat(text)
    except ValueError:
        return None


def _microseconds(moment: datetime.datetime) -> int:
    delta = moment - EPOCH
    return (delta.days * 86400 + delta.seconds) * MICROSECONDS_PER_SECOND + delta.microseconds


def _iso_instant(text: str, zone: datetime.tzinfo) -> int | None:
    """The instant of an ISO timestamp, perhaps with `+hh`, `-hh` or `Z` at its end;
    None for any other form."""
    if text[-3:-2] in ("+", "-") and text[-2:].isdigit() and len(text) > 19:
        moment = _iso_moment(text[:-3])
        if moment is None or text[-2:] > "15":
            return None
        return _microseconds(moment) - int(text[-3:]) * 3600 * MICROSECONDS_PER_SECOND
    moment = _iso_moment(text.removesuffix("Z"))
    if moment is None:
        return None
    if zone is timezones.UTC or text.endswith("Z"):
        return _microseconds(moment)
    return timezones.local_to_utc(zone, _microseconds(moment))


def _checked(microseconds: int, text: str) -> int:
    if not MIN_TIMESTAMP <= microseconds <= MAX_TIMESTAMP:
        raise DatetimeFieldOverflow(f'timestamp out of range: "{text}"')
    return microseconds


def read_time(text: str, context: InputContext) -> int:
    """time from text, microseconds since midnight.  Raises InvalidDatetimeFormat, DatetimeFieldOverflow."""
    return _read_clock_and_zone(text, "time", context)[0]


def read_timetz(text: str, context: InputContext) -> bytes:
    """timetz from text; without a zone in it the session's current offset holds."""
    microseconds, offset_s = _read_clock_and_zone(text, "time with time zone", context)
    if offset_s is None:
        offset_s = timezones.offset_at(context.zone, context.now())
    return _TIMETZ.pack(microseconds, -offset_s)


def _read_clock_and_zone(text: str, type_name: str, context: InputContext) -> tuple[int, int | None]:
    match = _PACKED_TIME.fullmatch(text)
    if match is not None:
        hours, minutes, seconds, fraction = match.groups()
        return _packed_clock(f"{hours}:{minutes}:{seconds or '00'}{fraction or ''}", text, type_name), None
    clock = text.lstrip()
    fields = read_fields(text, type_name, context, clock[1:] if clock[:1] in ("T", "t") else clock)
    if fields.infinity:
        raise invalid_syntax(text, type_name)
    if fields.instant is not None:
        offset_s = timezones.offset_at(context.zone, fields.instant)
        return (fields.instant + offset_s * MICROSECONDS_PER_SECOND) % MICROSECONDS_PER_DAY, offset_s
    if not fields.known & TIME or fields.known & WEEKDAY or fields.known & DATE not in (0, DATE):
        raise invalid_syntax(text, type_name)
    offset = fields.offset_s
    if fields.named_zone is not None:
        if fields.known & DATE == DATE:
            local = fields.days * MICROSECONDS_PER_DAY + fields.microseconds
            instant = timezones.local_to_utc(fields.named_zone, local)
            offset = (local - instant) // MICROSECONDS_PER_SECOND
        else:
            offset = timezones.offset_at(fields.named_zone, context.now())
    return fields.microseconds, offset


def _packed_clock(clock: str, text: str, type_name: str) -> int:
    try:
        return read_clock(clock)
    except BadFormat:
        raise invalid_syntax(text, type_name) from None
    except BadField:
        raise field_overflow(text) from None


def date_out_of_range() -> DatabaseError:
    """The error of date arithmetic that leaves the calendar."""
    return DatetimeFieldOverflow("date out of range")


def timestamp_out_of_range() -> DatabaseError:
    """The error of timestamp arithmetic that leaves the calendar."""
    return DatetimeFieldOverflow("timestamp out of range")


def pack_timetz(microseconds: int, west_s: int) -> bytes:
    """The timetz atom of a time of day and an offset in seconds west of Greenwich."""
    return _TIMETZ.pack(microseconds, west_s)


def unpack_timetz(value: bytes) -> tuple[int, int]:
    """(microseconds of the day, seconds west of Greenwich) of a timetz atom."""
    microseconds, west_s = _TIMETZ.unpack(value)
    return microseconds, west_s


_ROUNDING_UNITS = (1_000_000, 100_000, 10_000, 1_000, 100, 10, 1)


def round_microseconds(microseconds: int, precision: int) -> int:
    """Rounded to `precision` digits of a second, ties away from zero; an infinity stays."""
    if precision < 0 or precision >= 6 or not calendar.is_finite_timestamp(microseconds):
        return microseconds
    unit = _ROUNDING_UNITS[precision]
    magnitude = (abs(microseconds) + unit // 2) // unit * unit
    return magnitude if microseconds >= 0 else -magnitude


def round_timetz(value: bytes, precision: int) -> bytes:
    """A timetz rounded to `precision` digits of a second."""
    microseconds, west_s = _TIMETZ.unpack(value)
    return _TIMETZ.pack(round_microseconds(microseconds, precision), west_s)


# --- writing ------------------------------------------------------------------------------------------------


def write_date_iso(days: int) -> str:
    """date to text in ISO style."""
    if FIRST_PYTHON_DAY <= days <= LAST_PYTHON_DAY:
        return datetime.date.fromordinal(days + EPOCH_ORDINAL).isoformat()
    if not calendar.is_finite_date(days):
        return _infinity(days)
    year, month, day = calendar.civil_from_days(days)
    return _iso_date(year, month, day) + _era(year)


def _infinity(value: int) -> str:
    return "infinity" if value > 0 else "-infinity"


def _iso_date(year: int, month: int, day: int) -> str:
    return f"{_shown_year(year):04d}-{month:02d}-{day:02d}"


def _shown_year(year: int) -> int:
    return year if year > 0 else 1 - year


def _era(year: int) -> str:
    return "" if year > 0 else " BC"


def write_timestamp_iso(microseconds: int) -> str:
    """timestamp to text in ISO style."""
    if _FIRST_PYTHON_MICROSECOND <= microseconds < _LAST_PYTHON_MICROSECOND:
        text = (EPOCH + datetime.timedelta(0, 0, microseconds)).isoformat(" ")
        return text.rstrip("0") if len(text) > 19 else text
    if not calendar.is_finite_timestamp(microseconds):
        return _infinity(microseconds)
    days, clock = divmod(microseconds, MICROSECONDS_PER_DAY)
    year, month, day = calendar.civil_from_days(days)
    return f"{_iso_date(year, month, day)} {write_time(clock)}{_era(year)}"


def write_time(microseconds: int) -> str:
    """time to text."""
    seconds, fraction = divmod(microseconds, MICROSECONDS_PER_SECOND)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    text = f"{hours:02d}:{minutes:02d}:{seconds:02d}"
    return f"{text}.{fraction:06d}".rstrip("0") if fraction else text


def write_timetz(value: bytes) -> str:
    """timetz to text."""
    microseconds, west_s = _TIMETZ.unpack(value)
    return write_time(microseconds) + timezones.offset_text(-west_s)


def write_timestamptz_utc(microseconds: int) -> str:
    """timestamptz to text in ISO style, session zone UTC."""
    return _with_offset(write_timestamp_iso(microseconds), "+00", microseconds)


def _with_offset(text: str, offset: str, microseconds: int) -> str:
    if not calendar.is_finite_timestamp(microseconds):
        return text
    if text.endswith(" BC"):
        return f"{text[:-3]}{offset} BC"
    return text + offset


def timestamptz_writer_iso(zone: datetime.tzinfo) -> Callable[[int], str]:
    """The ISO-style writer for a session zone."""
    if zone is timezones.UTC:
        return write_timestamptz_utc

    def write(microseconds: int) -> str:
        if _FIRST_PYTHON_MICROSECOND + MICROSECONDS_PER_DAY < microseconds < _LAST_PYTHON_MICROSECOND:
            return _shortened((_UTC_EPOCH + datetime.timedelta(0, 0, microseconds)).astimezone(zone))
        if not calendar.is_finite_timestamp(microseconds):
            return _infinity(microseconds)
        offset_s = timezones.offset_at(zone, microseconds)
        local = microseconds + offset_s * MICROSECONDS_PER_SECOND
        return _with_offset(write_timestamp_iso(local), timezones.offset_text(offset_s), microseconds)

    return write


def _shortened(moment: datetime.datetime) -> str:
    """ISO text without the trailing zeros of fraction and offset,
    which Python prints and PostgreSQL does not."""
    text = moment.isoformat(" ")
    if moment.microsecond:
        text = text[:26].rstrip("0") + text[26:]
    return text.removesuffix(":00")


# --- the other DateStyles: SQL, German, Postgres ------------------------------------------------------------

_MONTH_NAMES = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_WEEKDAY_NAMES = ("Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat")


def date_writer(style: str, order: str) -> Callable[[int], str]:
    """The writer of date for a DateStyle: style 'ISO', 'SQL', 'German' or 'Postgres', order 'MDY',
    'DMY' or 'YMD'."""
    if style == "ISO":
        return write_date_iso

    def write(days: int) -> str:
        if not calendar.is_finite_date(days):
            return _infinity(days)
        year, month, day = calendar.civil_from_days(days)
        return _styled_date(year, month, day, style, order) + _era(year)

    return write


def _styled_date(year: int, month: int, day: int, style: str, order: str) -> str:
    shown = _shown_year(year)
    if style == "German":
        return f"{day:02d}.{month:02d}.{shown:04d}"
    mark = "/" if style == "SQL" else "-"
    if style == "Postgres" and order == "YMD":
        return f"{shown:04d}-{month:02d}-{day:02d}"
    first, second = (day, month) if order == "DMY" else (month, day)
    return f"{first:02d}{mark}{second:02d}{mark}{shown:04d}"


def timestamp_writer(style: str, order: str) -> Callable[[int], str]:
    """The writer of timestamp for a DateStyle."""
    if style == "ISO":
        return write_timestamp_iso

    def write(microseconds: int) -> str:
        if not calendar.is_finite_timestamp(microseconds):
            return _infinity(microseconds)
        return _styled_timestamp(microseconds, style, order, "")

    return write


def timestamptz_writer(style: str, order: str, zone: datetime.tzinfo) -> Callable[[int], str]:
    """The writer of timestamptz for a DateStyle and a session zone."""
    if style == "ISO":
        return timestamptz_writer_iso(zone)

    def write(microseconds: int) -> str:
        if not calendar.is_finite_timestamp(microseconds):
            return _infinity(microseconds)
        local = timezones.utc_to_local(zone, microseconds)
        return _styled_timestamp(local, style, order, " " + timezones.abbreviation_at(zone, microseconds))

    return write


def _styled_timestamp(local: int, style: str, order: str, zone: str) -> str:
    days, clock = divmod(local, MICROSECONDS_PER_DAY)
    year, month, day = calendar.civil_from_days(days)
    time = write_time(clock)
    if style != "Postgres":
        return f"{_styled_date(year, month, day, style, order)} {time}{zone}{_era(year)}"
    weekday = _WEEKDAY_NAMES[calendar.day_of_week(days)]
    name = _MONTH_NAMES[month - 1]
    date = f"{day:02d} {name}" if order == "DMY" else f"{name} {day:02d}"
    return f"{weekday} {date} {time} {_shown_year(year):04d}{zone}{_era(year)}"
