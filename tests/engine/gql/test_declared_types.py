"""Properties of graphs with a type: what is written becomes what is declared, or is refused."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

import skerry

PROPERTIES = (
    "i8 INT8, u UINT16, i INT, f FLOAT, f32 FLOAT32, n DECIMAL(5, 2), s STRING(3), b BYTES(2), d DATE,"
    " ym DURATION(YEAR TO MONTH), dt DURATION(DAY TO SECOND), texts LIST<STRING>, small LIST<INT8>, floats LIST<FLOAT>, any ANY VALUE"
)


@pytest.fixture
def db() -> Iterator[skerry.Database]:
    with skerry.open() as database:
        database.execute(f"CREATE GRAPH g {{ (:P {{{PROPERTIES}}}) }}")
        yield database


WAYS = {
    "a literal": ("INSERT (n:P {{{name}: {literal}}}) RETURN n.{name}", False),
    "a parameter": ("INSERT (n:P {{{name}: $v}}) RETURN n.{name}", True),
    "a record": ("LET r = {{{name}: $v}} INSERT (n:P) SET n = r RETURN n.{name}", True),
    "a record beside properties": (
        "INSERT (n:P {{d: CURRENT_DATE}}) SET n += {{{name}: $v}} RETURN n.{name}",
        True,
    ),
    "a record merged": (
        "LET r = {{{name}: $v}} MERGE (n:P {{i: 77}}) ON CREATE SET n += r RETURN n.{name}",
        True,
    ),
    "a value of unknown type": ("FOR r IN [{{v: $v}}] INSERT (n:P {{{name}: r.v}}) RETURN n.{name}", True),
}


def written(db: skerry.Database, way: str, name: str, value: Any, literal: str) -> Any:
    text, has_parameter = WAYS[way]
    return db.execute(
        f"USE g {text.format(name=name, literal=literal)}", {"v": value} if has_parameter else None
    ).scalar()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("name", "value", "literal", "stored"),
    [
        ("i8", 127, "127", 127),
        ("u", 65535, "65535", 65535),
        ("f", 1, "1", 1.0),
        ("f", Decimal("1.5"), "1.5", 1.5),
        ("f32", 0.1, "0.1e0", 0.10000000149011612),
        ("n", Decimal("1.555"), "1.555", Decimal("1.56")),
        ("n", 5, "5", Decimal("5.00")),
        ("s", "abc", "'abc'", "abc"),
        ("b", b"\x01\x02", "X'0102'", b"\x01\x02"),
        ("ym", skerry.Interval(13, 0, 0), "DURATION 'P1Y1M'", skerry.Interval(13, 0, 0)),
        ("texts", [], "[]", []),
        ("texts", ["a", None], "['a', null]", ["a", None]),
        ("small", [1, 127], "[1, 127]", [1, 127]),
        ("floats", [1, 2], "[1, 2]", [1.0, 2.0]),
        ("floats", [1, 2.5], "[1, 2.5e0]", [1.0, 2.5]),
        ("any", [1, "a"], "[1, 'a']", [1, "a"]),
        ("i", None, "null", None),
    ],
)
def test_a_value_becomes_one_of_the_declared_type(
    db: skerry.Database, way: str, name: str, value: Any, literal: str, stored: Any
):
    found = written(db, way, name, value, literal)
    assert found == stored
    assert type(found) is type(stored)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("name", "value", "literal", "sqlstate"),
    [
        ("i8", 128, "128", "22003"),
        ("u", -1, "-1", "22003"),
        ("n", 12345, "12345", "22003"),
        ("s", "abcd", "'abcd'", "22001"),
        ("b", b"abc", "X'616263'", "22001"),
        ("small", [128], "[128]", "22003"),
        ("ym", datetime.timedelta(1), "DURATION 'P1D'", "22G03"),
        ("dt", skerry.Interval(1, 0, 0), "DURATION 'P1M'", "22G03"),
        ("i", "5", "'5'", "23514"),
        ("i", 1.5, "1.5e0", "23514"),
        ("d", "2024-01-01", "'2024-01-01'", "23514"),
        ("texts", [1], "[1]", "23514"),
        ("texts", "a", "'a'", "23514"),
        ("s", True, "true", "23514"),
    ],
)
def test_what_does_not_fit_is_refused(
    db: skerry.Database, way: str, name: str, value: Any, literal: str, sqlstate: str
):
    with pytest.raises(skerry.DatabaseError) as caught:
        written(db, way, name, value, literal)
    assert caught.value.sqlstate == sqlstate
    assert db.execute("USE g MATCH (n) RETURN count(*)").scalar() == 0


def test_set_looks_at_what_it_sets(db: skerry.Database):
    db.execute("USE g INSERT (:P {i8: 1, s: 'a'})")
    for text, value in (("n.i8 = $v", 300), ("n.s = $v", "abcd"), ("n.i8 = n.i8 + $v", 127)):
        with pytest.raises(skerry.DataError):
            db.execute(f"USE g MATCH (n:P) SET {text}", {"v": value})
    db.execute("USE g MATCH (n:P) SET n.f = n.i8 + 1, n.s = 'b' || 'c'")
    assert db.execute("USE g MATCH (n:P) RETURN n.i8, n.f, n.s").one() == (1, 2.0, "bc")


def test_what_is_declared_for_the_labels_that_an_element_has_is_what_counts():
    with skerry.open() as database:
        database.execute("CREATE GRAPH g { (:A {x INT8, s STRING(2)}), (:B {x INT16, s STRING(4)}) }")
        database.execute("USE g INSERT (:A {x: 1}), (:B {x: 1})")
        assert database.execute("USE g MATCH (n:B) SET n.x = 300, n.s = 'abcd'").rowcount == 1
        for text in ("SET n.x = 300", "SET n.s = 'abc'", "SET n = {x: 300}", "LET r = {s: 'abc'} SET n += r"):
            with pytest.raises(skerry.DataError, match=r"INT8 out of range|too long for type STRING"):
                database.execute(f"USE g MATCH (n) {text}")
        with pytest.raises(skerry.DataError):
            database.execute("USE g MATCH (n:B) SET n:A REMOVE n:B")
        assert database.execute("USE g MATCH (n) RETURN n.x, n.s ORDER BY n.x").fetchall() == [
            (1, None),
            (300, "abcd"),
        ]
