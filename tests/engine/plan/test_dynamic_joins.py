"""Joins and look-ups by values whose types differ, or are known only when they come: by keys, with the same result as
comparing each with each."""

from __future__ import annotations

import datetime
from decimal import Decimal
from typing import Any

import pytest

import skerry
from skerry.embedded_values import engine_parameters
from skerry_engine.values import dynamic_keys
from skerry_engine.values.python import anyvalue_from_python

VALUES: list[Any] = [
    *(
        1,
        1.0,
        Decimal(1),
        Decimal("0.1"),
        0.1,
        2**53 + 1,
        2.0**53,
        True,
        "1",
        b"1",
        float("nan"),
        Decimal("NaN"),
    ),
    *(None, [1, None], [1, None], [1, 2], [1.0, 2], [], {"a": 1}, {"a": 1.0}, {"a": None}, {"a": None}),
    *(
        datetime.date(2024, 1, 1),
        datetime.datetime(2024, 1, 1),
        datetime.timedelta(days=30),
        skerry.Interval(1, 0, 0),
    ),
]


def as_engine(value: Any) -> Any:
    (found,) = engine_parameters("RETURN $1", [value])
    return None if found is None else anyvalue_from_python(found.value)


def equal_pairs(first: list[Any], second: list[Any]) -> list[tuple[int, int]]:
    return sorted(
        (i, j)
        for i, one in enumerate(map(as_engine, first))
        for j, other in enumerate(map(as_engine, second))
        if one is not None and other is not None and dynamic_keys.equal(one, other) is True
    )


def plan_of(db: skerry.Database, text: str, parameters: Any = None) -> str:
    return "\n".join(str(row[0]) for row in db.execute(f"EXPLAIN {text}", parameters))


def rows_of(values: list[Any]) -> list[dict[str, Any]]:
    return [{"i": number, "v": value} for number, value in enumerate(values)]


@pytest.fixture
def db() -> Any:
    with skerry.open() as database:
        yield database


def test_a_hash_join_finds_what_comparing_each_with_each_finds(db: skerry.Database):
    for label in ("A", "B"):
        db.execute(f"FOR r IN $rows INSERT (:{label} {{i: r.i, v: r.v}})", {"rows": rows_of(VALUES)})
    text = "MATCH (a:A), (b:B) WHERE a.v = b.v RETURN a.i, b.i"
    assert "Hash" in plan_of(db, text)
    assert sorted(db.execute(text)) == equal_pairs(VALUES, VALUES)
    missing = "MATCH (a:A) WHERE NOT EXISTS { MATCH (b:B) WHERE a.v = b.v } RETURN a.i"
    found = {i for i, _ in equal_pairs(VALUES, VALUES)}
    assert sorted(db.execute(missing)) == [(i,) for i in range(len(VALUES)) if i not in found]


NUMBERS: list[list[Any]] = [
    [1, 2, 2**53, 2**53 + 1],
    [1.0, 0.1, 2.0**53, float("nan")],
    [Decimal(1), Decimal("0.1"), Decimal(2**53), Decimal("NaN")],
]


@pytest.mark.parametrize("first", range(3))
@pytest.mark.parametrize("second", range(3))
def test_numbers_of_known_types_are_joined_by_their_values(db: skerry.Database, first: int, second: int):
    for label, values in (("A", NUMBERS[first]), ("B", NUMBERS[second])):
        for number, value in enumerate(values):
            db.execute(f"INSERT (:{label} {{i: $i, {label}: $v}})", {"i": number, "v": value})
    text = "MATCH (a:A), (b:B) WHERE a.A = b.B RETURN a.i, b.i"
    assert "Hash" in plan_of(db, text)
    assert sorted(db.execute(text)) == equal_pairs(NUMBERS[first], NUMBERS[second])


def test_an_index_of_properties_serves_keys_of_any_type(db: skerry.Database):
    db.execute("FOR r IN $rows INSERT (:A {i: r.i, v: r.v})", {"rows": rows_of(VALUES)})
    db.execute("FOR r IN $rows INSERT (:A {i: 1000 + r, v: 1000 + r})", {"rows": list(range(2000))})
    db.execute("CREATE INDEX FOR (n:A) ON (n.v)")
    text = "FOR r IN $rows MATCH (a:A {v: r.v}) RETURN a.i, r.i"
    assert "NodeLookup" in plan_of(db, text, {"rows": rows_of(VALUES)})
    assert sorted(db.execute(text, {"rows": rows_of(VALUES)})) == equal_pairs(VALUES, VALUES)
    one = "MATCH (a:A {v: $v}) RETURN a.i"
    for number, value in enumerate(VALUES):
        if value is not None:
            wanted = [(i,) for i, j in equal_pairs(VALUES, VALUES) if j == number]
            assert sorted(db.execute(one, {"v": value})) == wanted, value
    assert "NodeLookup" in plan_of(db, one, {"v": 1.0})


def test_an_index_over_numbers_of_one_type_serves_those_of_others(db: skerry.Database):
    db.execute("FOR r IN $rows INSERT (:A {v: r})", {"rows": list(range(3000))})
    db.execute("CREATE INDEX FOR (n:A) ON (n.v)")
    for value in (7, 7.0, Decimal("7.00")):
        assert "NodeLookup" in plan_of(db, "MATCH (a:A {v: $v}) RETURN a.v", {"v": value})
        assert db.execute("MATCH (a:A {v: $v}) RETURN a.v", {"v": value}).fetchall() == [(7,)]
    for value in (7.5, Decimal("7.5"), "7", True, [7], {"v": 7}):
        assert db.execute("MATCH (a:A {v: $v}) RETURN a.v", {"v": value}).fetchall() == []


def test_elements_are_found_by_ids_of_any_type(db: skerry.Database):
    db.execute("FOR r IN $rows INSERT (:A {v: r})", {"rows": list(range(100))})
    ids = [row[0] for row in db.execute("MATCH (a:A) RETURN element_id(a) ORDER BY a.v")]
    keys = [
        ids[1],
        float(ids[2]),
        Decimal(ids[3]),
        str(ids[4]),
        ids[5] + 0.5,
        None,
        [ids[6]],
        float("nan"),
        1e300,
    ]
    text = "FOR r IN $rows MATCH (a) WHERE element_id(a) = r.id RETURN a.v"
    rows = [{"id": key} for key in keys]
    assert sorted(db.execute(text, {"rows": rows})) == [(1,), (2,), (3,)]
    assert "Seq" not in plan_of(db, text, {"rows": rows})
    assert "NodeScan" not in plan_of(db, text, {"rows": rows})


@pytest.mark.filterwarnings("error")
def test_elements_can_be_compared_with_null(db: skerry.Database):
    db.execute("INSERT (:A)-[:R]->(:B)")
    assert db.execute("MATCH p = (a)-[e]->(b) WHERE a = NULL OR e <> NULL RETURN a").fetchall() == []
    found = db.execute("MATCH (a:A) RETURN a = NULL, a <> NULL, path_length(NULL), nodes(NULL)").one()
    assert found == (None, None, None, None)


def test_a_range_of_an_index_is_that_of_numbers_whatever_their_types(db: skerry.Database):
    db.execute("FOR r IN $rows INSERT (:A {v: r})", {"rows": list(range(3000))})
    db.execute("FOR r IN $rows INSERT (:A {v: r})", {"rows": [0.5, Decimal("1.5"), float("nan")]})
    db.execute("CREATE INDEX FOR (n:A) ON (n.v)")
    text = "MATCH (a:A) WHERE a.v > $low AND a.v <= $high RETURN a.v"
    for low, high in ((0, 2), (0.25, 1.75), (Decimal("0.25"), 2), (-5.5, Decimal("0.5"))):
        assert "Index" in plan_of(db, text, {"low": low, "high": high}) or "NodeRange" in plan_of(
            db, text, {"low": low, "high": high}
        )
        wanted = sorted(v for v in (0, 0.5, 1, Decimal("1.5"), 2) if low < v <= high)
        assert sorted(row[0] for row in db.execute(text, {"low": low, "high": high})) == wanted
