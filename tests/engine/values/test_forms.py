"""Properties of text and binary forms that need no PostgreSQL: round trips, clocks, names, refusals."""

from __future__ import annotations

from decimal import Decimal, localcontext
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skerry_engine import errors
from skerry_engine.values import calendar, interval, numeric, oids, timezones
from skerry_engine.values.io import IoContext, binary_decoder, binary_encoder, text_decoder, text_encoder
from skerry_engine.values.types import SqlType, numeric_typmod

NOON_2020 = (7305 * 24 + 12) * 3_600_000_000  # 2020-01-01 12:00 UTC
TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
TIMESTAMPS = st.integers(calendar.MIN_TIMESTAMP, calendar.MAX_TIMESTAMP)
# instants whose local time stays within the calendar in every zone
INSTANTS = st.integers(
    calendar.MIN_TIMESTAMP + 2 * calendar.MICROSECONDS_PER_DAY,
    calendar.MAX_TIMESTAMP - 2 * calendar.MICROSECONDS_PER_DAY,
)
NUMERICS = st.decimals(allow_nan=False, allow_infinity=False, places=8) | st.integers().map(Decimal)

STRATEGIES: dict[int, st.SearchStrategy[Any]] = {
    oids.INT8: st.integers(-(2**63), 2**63 - 1),
    oids.FLOAT8: st.floats(allow_nan=False),
    oids.FLOAT4: st.floats(allow_nan=False, width=32),
    oids.NUMERIC: NUMERICS.map(numeric.canonical),
    oids.TEXT: TEXTS,
    oids.BOOL: st.booleans(),
    oids.BYTEA: st.binary(),
    oids.UUID: st.binary(min_size=16, max_size=16),
    oids.DATE: st.integers(calendar.MIN_DATE, calendar.MAX_DATE),
    oids.TIME: st.integers(0, calendar.MICROSECONDS_PER_DAY),
    oids.TIMESTAMP: TIMESTAMPS,
    oids.TIMESTAMPTZ: INSTANTS,
    oids.INTERVAL: st.builds(
        interval.pack,
        st.integers(-(2**31) + 1, 2**31 - 1),
        st.integers(-(2**31) + 1, 2**31 - 1),
        st.integers(-(2**62), 2**62),
    ),
    oids.TEXT_ARRAY: st.lists(st.none() | TEXTS).map(tuple),
    oids.INT4_ARRAY: st.lists(
        st.lists(st.none() | st.integers(-5, 5), min_size=2, max_size=2).map(tuple)
    ).map(tuple),
}
CONTEXTS = [
    IoContext(),
    IoContext(timezone="Europe/Berlin", interval_style="postgres_verbose", bytea_output="escape"),
    IoContext(timezone="America/St_Johns", date_style="SQL, DMY", interval_style="iso_8601"),
    IoContext(timezone="-03:30", date_style="German, DMY"),
    IoContext(date_style="Postgres, MDY"),
]


@given(st.data())
def test_text_form_reads_back(data: st.DataObject) -> None:
    oid = data.draw(st.sampled_from(sorted(STRATEGIES)))
    io = data.draw(st.sampled_from(CONTEXTS))
    value = data.draw(STRATEGIES[oid])
    if oid == oids.TIMESTAMPTZ and io.date_format != "ISO":
        return  # not all zone abbreviations read back
    shown = text_encoder(SqlType(oid), io)(value)
    again = text_decoder(SqlType(oid), io)(shown)
    assert again == value, shown
    assert text_encoder(SqlType(oid), io)(again) == shown


@given(st.data())
def test_binary_form_reads_back(data: st.DataObject) -> None:
    oid = data.draw(st.sampled_from(sorted(STRATEGIES)))
    value = data.draw(STRATEGIES[oid])
    packed = binary_encoder(SqlType(oid), IoContext())(value)
    assert binary_decoder(SqlType(oid), IoContext())(packed) == value


@given(st.sampled_from(sorted(STRATEGIES)), st.binary())
def test_garbage_in_binary_is_a_clean_error(oid: int, garbage: bytes) -> None:
    try:
        binary_decoder(SqlType(oid), IoContext())(garbage)
    except errors.DatabaseError:
        pass


@given(st.sampled_from([*sorted(STRATEGIES), oids.JSON, oids.JSONB, oids.TIMETZ]), st.text())
def test_garbage_in_text_is_a_clean_error(oid: int, garbage: str) -> None:
    try:
        text_decoder(SqlType(oid), IoContext())(garbage)
    except errors.DatabaseError:
        pass


@given(st.text(alphabet="0123456789-+:./ TZPYMDHSWjanfebmondayagohr,@", max_size=24))
def test_near_dates_are_read_or_refused(text: str) -> None:
    for oid in (oids.DATE, oids.TIMESTAMP, oids.TIMESTAMPTZ, oids.TIME, oids.TIMETZ, oids.INTERVAL):
        try:
            value = text_decoder(SqlType(oid), IoContext())(text)
        except errors.DatabaseError:
            continue
        text_encoder(SqlType(oid), IoContext())(value)


@pytest.mark.parametrize(
    ("zone", "oid", "text", "shown"),
    [
        ("UTC", oids.TIMESTAMPTZ, "now", "2020-01-01 12:00:00+00"),
        ("Asia/Tokyo", oids.TIMESTAMP, "now", "2020-01-01 21:00:00"),
        ("Asia/Tokyo", oids.TIME, "now", "21:00:00"),
        ("Pacific/Kiritimati", oids.DATE, "today", "2020-01-02"),
        ("UTC", oids.DATE, "yesterday", "2019-12-31"),
        ("UTC", oids.TIMESTAMP, "tomorrow 10:30", "2020-01-02 10:30:00"),
        ("America/New_York", oids.TIMESTAMPTZ, "today", "2020-01-01 00:00:00-05"),
    ],
)
def test_now_is_when_the_transaction_began(zone: str, oid: int, text: str, shown: str) -> None:
    io = IoContext(timezone=zone, now=lambda: NOON_2020)
    assert text_encoder(SqlType(oid), io)(text_decoder(SqlType(oid), io)(text)) == shown


class Names:
    """A catalog with one object of each kind, OID 7."""

    def __getattr__(self, name: str) -> Any:
        if name.endswith("_oid"):
            return lambda text: 7
        return lambda oid: f"{name}!" if oid == 7 else None


@pytest.mark.parametrize("oid", sorted(oids.REG_TYPES))
def test_reg_types_speak_names(oid: int) -> None:
    io = IoContext(names=Names())  # type: ignore[arg-type]
    write, read = text_encoder(SqlType(oid), io), text_decoder(SqlType(oid), io)
    assert read("anything") == 7
    assert write(7).endswith("!")
    assert write(8) == "8"
    assert read("8") == 8
    assert read("-") == 0
    assert read(write(0)) == 0


def test_without_a_catalog_reg_types_speak_numbers() -> None:
    assert text_encoder(SqlType(oids.REGCLASS), IoContext())(1259) == "1259"
    assert text_encoder(SqlType(oids.REGTYPE), IoContext())(23) == "integer"
    with pytest.raises(errors.NotSupportedError):
        text_decoder(SqlType(oids.REGCLASS), IoContext())("pg_class")


def test_pseudo_types_take_no_input() -> None:
    with pytest.raises(errors.NotSupportedError, match="cannot accept a value of type anyelement"):
        text_decoder(SqlType(oids.ANYELEMENT), IoContext())


def test_records_print_by_value() -> None:
    write = text_encoder(SqlType(oids.RECORD), IoContext())
    assert write((1, None, "a b", 'q"', True, "", (1, 2))) == '(1,,"a b","q""",t,"","{1,2}")'


def test_only_c_blanks_are_blanks() -> None:
    """Python strips more than PostgreSQL does: separators of ASCII and of other scripts."""
    for text in ("\x1f", "0\x1f", "\u00a0x", "\u2003"):
        shown = text_encoder(SqlType(oids.TEXT_ARRAY), IoContext())((text,))
        assert text_decoder(SqlType(oids.TEXT_ARRAY), IoContext())(shown) == (text,)


def test_zero_characters_are_refused() -> None:
    for oid in (oids.TEXT, oids.VARCHAR, oids.NAME, oids.BPCHAR, oids.JSON):
        with pytest.raises(errors.CharacterNotInRepertoire):
            text_decoder(SqlType(oid), IoContext())("a\0b")


def test_invalid_utf8_is_worded_as_postgresql_words_it() -> None:
    with pytest.raises(
        errors.CharacterNotInRepertoire, match='invalid byte sequence for encoding "UTF8": 0xff'
    ):
        binary_decoder(SqlType(oids.TEXT), IoContext())(b"ab\xff")


def test_deep_json_is_an_error_not_a_crash() -> None:
    with pytest.raises(errors.StatementTooComplex):
        text_decoder(SqlType(oids.JSONB), IoContext())("[" * 100_000 + "]" * 100_000)


@pytest.mark.parametrize(
    ("text", "sqlstate", "detail"),
    [
        (r'"\u0000"', "22P05", r"\u0000 cannot be converted to text."),
        (r'"\ud800"', "22P02", "Unicode low surrogate must follow a high surrogate."),
        (r'"\udc00"', "22P02", "Unicode low surrogate must follow a high surrogate."),
        (r'"\ud800\ud800"', "22P02", "Unicode high surrogate must not follow a high surrogate."),
    ],
)
def test_jsonb_refuses_what_is_no_text(text: str, sqlstate: str, detail: str) -> None:
    assert text_decoder(SqlType(oids.JSON), IoContext())(text) == text
    with pytest.raises(errors.DatabaseError) as caught:
        text_decoder(SqlType(oids.JSONB), IoContext())(text)
    assert (caught.value.sqlstate, caught.value.detail) == (sqlstate, detail)


def test_numeric_ignores_the_ambient_context() -> None:
    decode = text_decoder(SqlType(oids.NUMERIC, numeric_typmod(30, 2)), IoContext())
    with localcontext() as context:
        context.prec = 3
        for trap in context.traps:
            context.traps[trap] = True
        value = decode("1234567890123456.785")
        assert text_encoder(SqlType(oids.NUMERIC), IoContext())(value) == "1234567890123456.79"
        assert binary_decoder(SqlType(oids.NUMERIC), IoContext())(numeric.pack_numeric(value)) == value


def test_numeric_has_limits() -> None:
    decode = text_decoder(SqlType(oids.NUMERIC), IoContext())
    assert decode("1e131071").adjusted() == 131071
    for text in ("1e131072", "1e999999999999"):
        with pytest.raises(errors.NumericValueOutOfRange, match="value overflows numeric format"):
            decode(text)


def test_local_times_that_change_skips_or_repeats() -> None:
    zone = ZoneInfo("America/New_York")

    def utc(text: str) -> str:
        io = IoContext(timezone=zone)
        return text_encoder(SqlType(oids.TIMESTAMPTZ), IoContext())(
            text_decoder(SqlType(oids.TIMESTAMPTZ), io)(text)
        )

    # as PostgreSQL: a skipped time goes forward, a repeated one is standard time
    assert utc("2020-03-08 02:30") == "2020-03-08 07:30:00+00"
    assert utc("2020-11-01 01:30") == "2020-11-01 06:30:00+00"


@pytest.mark.parametrize(
    ("name", "offset_s"),
    [
        ("UTC", 0),
        ("europe/berlin", 3600),
        ("UTC+3", -10800),
        ("<+05>-5", 18000),
        ("5.5", 19800),
        ("-8", -28800),
    ],
)
def test_zone_settings(name: str, offset_s: int) -> None:
    assert timezones.offset_at(timezones.zone_named(name), NOON_2020) == offset_s


def test_unknown_zones_are_refused() -> None:
    with pytest.raises(
        errors.InvalidParameterValue, match='invalid value for parameter "TimeZone": "Mars/Base"'
    ):
        timezones.zone_named("Mars/Base")
    with pytest.raises(errors.InvalidParameterValue, match='time zone "Mars" not recognized'):
        timezones.zone_of_argument("Mars")


@given(st.integers(calendar.MIN_DATE, calendar.MAX_DATE))
def test_calendar_round_trip(days: int) -> None:
    year, month, day = calendar.civil_from_days(days)
    assert calendar.days_from_civil(year, month, day) == days
    assert 1 <= day <= calendar.days_in_month(year, month)


@pytest.mark.parametrize(
    "date_style", ["ISO, MDY", "SQL, MDY", "SQL, DMY", "German, DMY", "Postgres, MDY", "Postgres, DMY"]
)
@pytest.mark.parametrize("year", [1, 99, 100, 1999, 9999, 10_000, 99_999, 100_000, 120_000, 294_276])
def test_a_year_of_any_length_reads_back_in_every_date_style(year: int, date_style: str) -> None:
    iso = text_decoder(SqlType(oids.TIMESTAMP), IoContext())
    value = iso(f"{year:04}-01-01 00:00:00")
    io = IoContext(date_style=date_style)
    shown = text_encoder(SqlType(oids.TIMESTAMP), io)(value)
    assert text_decoder(SqlType(oids.TIMESTAMP), io)(shown) == value, shown
