"""SQLite's test scripts, on records of our own."""

from __future__ import annotations

import hashlib

import pytest
from sqllogictest.script import Record, is_as_expected, read_records

SCRIPT = """\
# a comment
statement ok
CREATE TABLE t (a INT)

statement error
CREATE TABLE t (a INT)

onlyif sqlite
query I nosort
SELECT 1 IN ()
----
0

skipif postgresql # not there
statement ok
PRAGMA x

onlyif postgresql
query IT rowsort label-1
SELECT a,
 b FROM t
----
1
one

skipif sqlite
halt

statement ok
never reached
"""


def test_records_for_us_until_the_halt() -> None:
    assert list(read_records(SCRIPT)) == [
        Record(1, "CREATE TABLE t (a INT)", False),
        Record(5, "CREATE TABLE t (a INT)", False, fails=True),
        Record(18, "SELECT a,\n b FROM t", True, False, "IT", "rowsort", ("1", "one")),
    ]


def query(types: str, sort: str, *expected: str) -> Record:
    return Record(1, "", True, False, types, sort, expected)


@pytest.mark.parametrize(
    ("types", "sort", "rows", "expected"),
    [
        ("I", "nosort", [("2",), ("1",)], ["2", "1"]),
        ("I", "rowsort", [("2",), ("1",)], ["1", "2"]),
        ("II", "rowsort", [("2", "9"), ("10", "0")], ["10", "0", "2", "9"]),
        ("II", "valuesort", [("2", "9"), ("10", "0")], ["0", "10", "2", "9"]),
        ("IRT", "nosort", [("2.7", "1", "")], ["2", "1.000", "(empty)"]),
        ("IIT", "nosort", [("t", None, "a\tb")], ["1", "NULL", "a@b"]),
    ],
)
def test_values_are_printed_as_the_scripts_have_them(
    types: str, sort: str, rows: list[tuple[str | None, ...]], expected: list[str]
) -> None:
    assert is_as_expected(query(types, sort, *expected), rows)
    assert not is_as_expected(query(types, sort, *expected, "more"), rows)
    assert not is_as_expected(query(types + "I", sort, *expected), rows)


def test_many_values_are_compared_by_their_hash() -> None:
    digest = hashlib.md5(b"1\n2\n", usedforsecurity=False).hexdigest()
    assert is_as_expected(query("I", "nosort", f"2 values hashing to {digest}"), [("1",), ("2",)])
    assert not is_as_expected(query("I", "nosort", f"2 values hashing to {digest}"), [("1",), ("3",)])
