"""Conversion between atoms and Python objects."""

from __future__ import annotations

import datetime
import uuid
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skerry_engine.errors import NotSupportedError
from skerry_engine.values import oids
from skerry_engine.values.io import IoContext, text_decoder
from skerry_engine.values.python import Interval, from_python, to_python
from skerry_engine.values.types import SqlType

UTC = datetime.UTC


def read(oid: int, text: str, typmod: int = -1) -> Any:
    atom = text_decoder(SqlType(oid, typmod), IoContext())(text)
    convert = to_python(oid, typmod)
    return atom if convert is None else convert(atom)


@pytest.mark.parametrize(
    ("oid", "text", "expected"),
    [
        (oids.INT4, "5", 5),
        (oids.NUMERIC, "1.50", Decimal("1.50")),
        (oids.DATE, "2020-02-29", datetime.date(2020, 2, 29)),
        (oids.DATE, "0044-03-15 BC", "0044-03-15 BC"),
        (oids.DATE, "infinity", "infinity"),
        (oids.TIMESTAMP, "2020-01-05 10:00:00.5", datetime.datetime(2020, 1, 5, 10, 0, 0, 500000)),
        (oids.TIMESTAMP, "9999-12-31 23:59:59.999999", datetime.datetime.max),
        (oids.TIMESTAMP, "0001-01-01", datetime.datetime.min),
        (oids.TIMESTAMP, "10000-01-01", "10000-01-01 00:00:00"),
        (oids.TIMESTAMPTZ, "2020-01-05 10:00+02", datetime.datetime(2020, 1, 5, 8, tzinfo=UTC)),
        (oids.TIMESTAMPTZ, "-infinity", "-infinity"),
        (oids.TIME, "10:20:30", datetime.time(10, 20, 30)),
        (oids.TIME, "24:00", "24:00:00"),
        (
            oids.TIMETZ,
            "10:20+02",
            datetime.time(10, 20, tzinfo=datetime.timezone(datetime.timedelta(hours=2))),
        ),
        (oids.INTERVAL, "1 day 02:00", datetime.timedelta(days=1, hours=2)),
        (oids.INTERVAL, "1 mon 1 day", Interval(1, 1, 0)),
        (oids.UUID, "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", uuid.UUID("a0eebc999c0b4ef8bb6d6bb9bd380a11")),
        (oids.JSONB, '{"a": [1, null, 1.5]}', {"a": [1, None, 1.5]}),
        (oids.JSON, "[true]", [True]),
        (oids.BYTEA, r"\x00ff", b"\x00\xff"),
        (oids.INT4_ARRAY, "{{1,NULL},{3,4}}", [[1, None], [3, 4]]),
        (oids.DATE_ARRAY, "{2020-01-01,NULL}", [datetime.date(2020, 1, 1), None]),
        (oids.INT2VECTOR, "1 2", [1, 2]),
    ],
)
def test_atoms_become_python_objects(oid: int, text: str, expected: object) -> None:
    value = read(oid, text)
    assert value == expected
    assert type(value) is type(expected)


def test_padding_comes_back() -> None:
    assert read(oids.BPCHAR, "ab", 8) == "ab  "


@pytest.mark.parametrize(
    ("value", "oid"),
    [
        (None, oids.UNKNOWN),
        (True, oids.BOOL),
        (1, oids.INT4),
        (2**31, oids.INT8),
        (2**63, oids.NUMERIC),
        (1.5, oids.FLOAT8),
        (Decimal("1.50"), oids.NUMERIC),
        ("x", oids.UNKNOWN),
        (b"x", oids.BYTEA),
        (bytearray(b"x"), oids.BYTEA),
        (datetime.date(2020, 1, 1), oids.DATE),
        (datetime.datetime(2020, 1, 1), oids.TIMESTAMP),
        (datetime.datetime(2020, 1, 1, tzinfo=ZoneInfo("Europe/Berlin")), oids.TIMESTAMPTZ),
        (datetime.time(1, 2), oids.TIME),
        (datetime.timedelta(days=1), oids.INTERVAL),
        (uuid.UUID(int=5), oids.UUID),
        ({"b": 1, "a": 2}, oids.JSONB),
        ([1, 2], oids.INT4_ARRAY),
        ([1, 2**40], oids.INT8_ARRAY),
        ([1, 1.5], oids.FLOAT8_ARRAY),
        ([[1], [2]], oids.INT4_ARRAY),
        (["a", None], oids.TEXT_ARRAY),
        ([], oids.TEXT_ARRAY),
    ],
)
def test_python_objects_have_types(value: object, oid: int) -> None:
    assert from_python(value)[0] == SqlType(oid)


def test_a_decimal_is_made_canonical() -> None:
    assert str(from_python(Decimal("1E+3"))[1]) == "1000"
    assert str(from_python(Decimal("-0.00"))[1]) == "0.00"


def test_what_has_no_type_is_refused() -> None:
    with pytest.raises(NotSupportedError, match="object"):
        from_python(object())


def test_a_list_of_anything_has_items_of_any_type() -> None:
    assert from_python([1, "a", b"b"])[0].oid == oids.ANYVALUE_ARRAY


@given(
    st.booleans()
    | st.integers(-(2**62), 2**62)
    | st.floats(allow_nan=False)
    | st.dates()
    | st.datetimes()
    | st.datetimes(timezones=st.just(UTC))
    | st.times()
    | st.timedeltas(datetime.timedelta(days=-10000), datetime.timedelta(days=10000))
    | st.uuids()
    | st.binary()
)
def test_objects_survive_the_round_trip(value: object) -> None:
    type_, atom = from_python(value)
    convert = to_python(type_.oid)
    assert (atom if convert is None else convert(atom)) == value
