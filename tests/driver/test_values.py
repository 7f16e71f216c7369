"""Python values in and out: the same both ways, embedded and over the network."""

from __future__ import annotations

import datetime
import math
import uuid
from decimal import Decimal

import pytest

import skerry

UTC = datetime.UTC
OSLO_SUMMER = datetime.timezone(datetime.timedelta(hours=2))


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("true", True),
        ("1::smallint", 1),
        ("2147483647", 2147483647),
        ("9223372036854775807", 9223372036854775807),
        ("1.50", Decimal("1.50")),
        ("'NaN'::numeric", "nan"),
        ("0.1::float8", 0.1),
        ("0.1::float4", 0.10000000149011612),
        ("'Infinity'::float8", math.inf),
        ("'text'", "text"),
        ("'x'::varchar(3)", "x"),
        ("'ab'::char(4)", "ab  "),
        ("NULL", None),
        ("'\\xdeadbeef'::bytea", b"\xde\xad\xbe\xef"),
        ("date '2024-02-29'", datetime.date(2024, 2, 29)),
        ("time '12:34:56.789'", datetime.time(12, 34, 56, 789000)),
        ("timestamp '2024-02-29 12:34:56.789'", datetime.datetime(2024, 2, 29, 12, 34, 56, 789000)),
        ("timestamptz '2024-02-29 12:00:00+02'", datetime.datetime(2024, 2, 29, 10, tzinfo=UTC)),
        ("interval '1 day 02:00:00'", datetime.timedelta(days=1, hours=2)),
        ("interval '-00:00:00.5'", datetime.timedelta(seconds=-0.5)),
        ("interval '1 year 2 months -3 days 01:00'", skerry.Interval(14, -3, 3_600_000_000)),
        ("'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid", uuid.UUID("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11")),
        ("""'{"a": [1, 2.5, null, "x"]}'::jsonb""", {"a": [1, 2.5, None, "x"]}),
        ("'[1, true]'::json", [1, True]),
        ("ARRAY[1, NULL, 3]", [1, None, 3]),
        ("ARRAY['a b', 'c\"d', '', 'NULL']", ["a b", 'c"d', "", "NULL"]),
        ("ARRAY[[1, 2], [3, 4]]", [[1, 2], [3, 4]]),
        ("'{}'::text[]", []),
        ("ARRAY[date '2024-01-01']", [datetime.date(2024, 1, 1)]),
        ("ARRAY[1.5, 2]", [Decimal("1.5"), Decimal("2")]),
        ("26::oid", 26),
        ("'pg_class'::regclass", "pg_class"),
        ("'name'::name", "name"),
        ("time '24:00'", "24:00:00"),
        ("date '0044-03-15 BC'", "0044-03-15 BC"),
        ("timestamp '0044-03-15 BC'", "0044-03-15 00:00:00 BC"),
        ("timestamptz 'infinity'", "infinity"),
        ("date '99999-01-01'", "99999-01-01"),
        ("timetz '10:00+02'", datetime.time(10, tzinfo=OSLO_SUMMER)),
        ("ARRAY[interval '1 mon', interval '1 day']", [skerry.Interval(1, 0, 0), datetime.timedelta(days=1)]),
    ],
)
def test_results(connection: skerry.Connection, expression: str, expected: object) -> None:
    row = connection.execute(f"SELECT {expression}").fetchone()
    assert row is not None
    (value,) = row
    if expected == "nan":
        assert isinstance(value, Decimal) and value.is_nan()
        return
    assert value == expected
    assert type(value) is type(expected)


@pytest.mark.parametrize(
    ("value", "type_name"),
    [
        (True, "boolean"),
        (7, "integer"),
        (2**40, "bigint"),
        (2**70, "numeric"),
        (1.5, "double precision"),
        (math.inf, "double precision"),
        (Decimal("123.4500"), "numeric"),
        (b"\x00\xff", "bytea"),
        (datetime.date(2024, 2, 29), "date"),
        (datetime.time(1, 2, 3), "time without time zone"),
        (datetime.datetime(2024, 2, 29, 12, 0, 0, 5), "timestamp without time zone"),
        (datetime.datetime(2024, 2, 29, 10, tzinfo=UTC), "timestamp with time zone"),
        (datetime.timedelta(days=-1, microseconds=3), "interval"),
        (skerry.Interval(14, -3, 5), "interval"),
        (uuid.UUID("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"), "uuid"),
        ({"k": [1, None, "é"]}, "jsonb"),
        ([1, 2, None], "integer[]"),
        ([1.5, 2], "double precision[]"),
        (["a", "b,c", None], "text[]"),
        ([[1, 2], [3, 4]], "integer[]"),
    ],
)
def test_parameters_keep_value_and_type(connection: skerry.Connection, value: object, type_name: str) -> None:
    row = connection.execute("SELECT %s, pg_typeof(%s)::text", (value, value)).fetchone()
    assert row == (value, type_name)
    assert row is not None
    assert type(row[0]) is (Decimal if type_name == "numeric" else type(value))


def test_aware_datetime_is_an_instant(connection: skerry.Connection) -> None:
    value = datetime.datetime(2024, 7, 1, 12, tzinfo=OSLO_SUMMER)
    row = connection.execute("SELECT %s = timestamptz '2024-07-01 10:00+00'", (value,)).fetchone()
    assert row == (True,)


@pytest.mark.parametrize(
    ("text", "type_name"),
    [
        ("5", "int"),
        ("2024-01-01", "date"),
        ("x", "text"),
        ("{1,2}", "int[]"),
        ('{"a":1}', "jsonb"),
        ("1.5", "numeric"),
    ],
)
def test_strings_take_the_type_their_place_needs(
    connection: skerry.Connection, text: str, type_name: str
) -> None:
    connection.execute(f"CREATE TABLE t (v {type_name})")
    connection.execute("INSERT INTO t VALUES (%s)", (text,))
    row = connection.execute("SELECT count(*) FROM t WHERE v = %s", (text,)).fetchone()
    assert row == (1,)


def test_string_parameter_stays_text(connection: skerry.Connection) -> None:
    assert connection.execute("SELECT %s", ("5",)).fetchone() == ("5",)
    assert connection.execute("SELECT %s::text || %s::text", ("a", "b")).fetchone() == ("ab",)
    assert connection.execute("SELECT %s + 1", ("41",)).fetchone() == (42,)


def test_none_takes_any_type(connection: skerry.Connection) -> None:
    connection.execute("CREATE TABLE t (a int, b text, c date)")
    connection.execute("INSERT INTO t VALUES (%s, %s, %s)", (None, None, None))
    assert connection.execute("SELECT * FROM t WHERE a IS NULL").fetchone() == (None, None, None)


def test_wrong_string_for_its_place(connection: skerry.Connection) -> None:
    with pytest.raises(skerry.DataError) as caught:
        connection.execute("SELECT 1 + %s", ("x",))
    assert caught.value.sqlstate == "22P02"


def test_unknown_python_type_is_refused(connection: skerry.Connection) -> None:
    with pytest.raises(skerry.NotSupportedError):
        connection.execute("SELECT %s", (object(),))


def test_tuples_and_empty_lists(connection: skerry.Connection) -> None:
    connection.execute("CREATE TABLE t (a int[], b text[])")
    connection.execute("INSERT INTO t VALUES (%s, %s)", ((1, 2), []))
    connection.execute("INSERT INTO t VALUES (%s, %s)", ([], ("x",)))
    assert connection.execute("SELECT * FROM t").fetchall() == [([1, 2], []), ([], ["x"])]


def test_list_parameter_as_any(connection: skerry.Connection) -> None:
    rows = connection.execute(
        "SELECT x FROM generate_series(1, 9) g(x) WHERE x = ANY(%s) ORDER BY x", ([2, 5, 77],)
    )
    assert rows.fetchall() == [(2,), (5,)]


def test_text_with_every_odd_character(connection: skerry.Connection) -> None:
    odd = "".join(chr(code) for code in range(1, 256)) + "日本語 \N{GRINNING FACE}"
    assert connection.execute("SELECT %s::text, length(%s)", (odd, odd)).fetchone() == (odd, len(odd))
    with pytest.raises(skerry.DataError):
        connection.execute("SELECT %s::text", ("a\x00b",))


ODD_STRINGS = [
    "null",
    "NULL",
    "Null",
    "",
    " a ",
    "{",
    "}",
    ",",
    '"',
    "\\",
    "a\\b",
    "'",
    "\n",
    "\t",
    "true",
    "%s",
    None,
]


def test_lists_of_odd_strings(connection: skerry.Connection) -> None:
    cursor = connection.cursor()
    assert cursor.execute("SELECT %s::text[]", (ODD_STRINGS,)).fetchone() == (ODD_STRINGS,)
    nested = [ODD_STRINGS, ODD_STRINGS[::-1]]
    assert cursor.execute("SELECT %s::text[]", (nested,)).fetchone() == (nested,)
    odd_bytes = [b"", b"\\", b'"', b"\x00NULL", None]
    assert cursor.execute("SELECT %s::bytea[]", (odd_bytes,)).fetchone() == (odd_bytes,)
    cursor.execute("SELECT (%s::json[])[1] IS NULL, (%s::jsonb[])[1]::text", (["null"], ["null"]))
    assert cursor.fetchone() == (False, "null")
    assert cursor.execute("RETURN %s", (ODD_STRINGS,)).fetchone() == (ODD_STRINGS,)
