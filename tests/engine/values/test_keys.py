"""Index keys: the order of bytes is SQL's order, the equality of keys is SQL's equality."""

from __future__ import annotations

import math
import struct
from decimal import Decimal
from functools import cmp_to_key
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skerry_engine.errors import NotSupportedError
from skerry_engine.values import interval, json_text, oids
from skerry_engine.values.keys import KeyCodec, KeyColumn, has_order, prefix_end
from skerry_engine.values.ranges import KIND_OF_RANGE, Multirange, Range, kind_of, normal, sort_key
from skerry_engine.values.records import Composite
from skerry_engine.values.user_types import composite_oid

TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
NUMERICS = st.decimals(allow_nan=True, allow_infinity=True, places=None).filter(
    lambda value: not value.is_snan()
)
INTERVALS = st.builds(
    interval.pack, st.integers(-1000, 1000), st.integers(-40000, 40000), st.integers(-(2**60), 2**60)
)
PAIR = composite_oid(1)


def ranges_of(oid: int, bounds: st.SearchStrategy[Any]) -> st.SearchStrategy[Range]:
    """Ranges of a type with such bounds, in whatever order they are drawn."""

    def make(one: Any, other: Any, lower: bool, upper: bool) -> Range:
        if one is not None and other is not None and one > other:
            one, other = other, one
        return KIND_OF_RANGE[oid].make(one, other, lower, upper)

    return st.builds(make, st.none() | bounds, st.none() | bounds, st.booleans(), st.booleans())


STRATEGIES: dict[int, st.SearchStrategy[Any]] = {
    oids.INT2: st.integers(-(2**15), 2**15 - 1),
    oids.INT4: st.integers(-(2**31), 2**31 - 1),
    oids.INT8: st.integers(-(2**63), 2**63 - 1),
    oids.OID: st.integers(0, 2**32 - 1),
    oids.DATE: st.integers(-(2**31), 2**31 - 1),
    oids.TIMESTAMP: st.integers(-(2**63), 2**63 - 1),
    oids.BOOL: st.booleans(),
    oids.FLOAT4: st.floats(width=32),
    oids.FLOAT8: st.floats(),
    oids.NUMERIC: NUMERICS,
    oids.TEXT: TEXTS,
    oids.NAME: TEXTS,
    oids.BPCHAR: TEXTS,
    oids.BYTEA: st.binary(),
    oids.UUID: st.binary(min_size=16, max_size=16),
    oids.INTERVAL: INTERVALS,
    oids.INT4_ARRAY: st.lists(st.none() | st.integers(-5, 5)).map(tuple),
    oids.TEXT_ARRAY: st.lists(st.none() | TEXTS).map(tuple),
    oids.INT4RANGE: ranges_of(oids.INT4RANGE, st.integers(-5, 5)),
    oids.NUMRANGE: ranges_of(oids.NUMRANGE, st.decimals(-2, 2, places=1)),
    oids.INT4MULTIRANGE: st.lists(ranges_of(oids.INT4RANGE, st.integers(-9, 9)), max_size=3).map(
        lambda found: Multirange(normal(KIND_OF_RANGE[oids.INT4RANGE], found))
    ),
    PAIR: st.lists(st.none() | st.integers(-2, 2), max_size=3).map(
        lambda items: Composite((oids.INT4,) * len(items), tuple(items))
    ),
}


def sortable(type_oid: int, value: Any) -> Any:
    """What Python compares as SQL compares the value."""
    if type_oid in (oids.FLOAT4, oids.FLOAT8):
        return (1, 0.0) if math.isnan(value) else (0, value)
    if type_oid == oids.NUMERIC:
        return (1, Decimal(0)) if value.is_nan() else (0, value)
    if type_oid == oids.BPCHAR:
        return value.rstrip(" ")
    if type_oid == oids.INTERVAL:
        months, days, microseconds = interval.unpack(value)
        return (months * 30 + days) * 86_400_000_000 + microseconds
    if type_oid == PAIR:  # what is missing at the end is NULL
        return [(1, 0) if item is None else (0, item) for item in (*value.items, None, None, None)][:3]
    kind = kind_of(type_oid)
    if kind is not None:
        return sort_key(kind, value)
    if isinstance(value, tuple):
        return [(1, "") if item is None else (0, item) for item in value]
    return value


def compare(left: Any, right: Any) -> int:
    return (left > right) - (left < right)


def sql_compare(column: KeyColumn, left: Any, right: Any) -> int:
    if left is None or right is None:
        order = compare(left is None, right is None)
        return -order if column.nulls_first else order
    order = compare(sortable(column.type_oid, left), sortable(column.type_oid, right))
    return -order if column.descending else order


@st.composite
def rows(draw: st.DrawFn) -> tuple[list[KeyColumn], tuple[Any, ...], tuple[Any, ...]]:
    columns = draw(
        st.lists(
            st.builds(KeyColumn, st.sampled_from(sorted(STRATEGIES)), st.booleans(), st.booleans()),
            min_size=1,
            max_size=3,
        )
    )
    left, right = [], []
    for column in columns:
        strategy = st.none() | STRATEGIES[column.type_oid]
        value = draw(strategy)
        left.append(value)
        right.append(draw(st.just(value) | strategy))
    return columns, tuple(left), tuple(right)


@given(rows())
def test_key_order_is_sql_order(case: tuple[list[KeyColumn], tuple[Any, ...], tuple[Any, ...]]) -> None:
    columns, left, right = case
    codec = KeyCodec(columns)
    expected = 0
    for column, one, other in zip(columns, left, right, strict=True):
        expected = expected or sql_compare(column, one, other)
    assert compare(codec.order_key(left), codec.order_key(right)) == expected
    assert (codec.equality_key(left) == codec.equality_key(right)) == (expected == 0)
    if expected == 0:
        assert hash(codec.equality_key(left)) == hash(codec.equality_key(right))


@given(rows())
def test_an_equality_key_leads_to_the_order_key(
    case: tuple[list[KeyColumn], tuple[Any, ...], tuple[Any, ...]],
) -> None:
    columns, *found = case
    codec = KeyCodec(columns)
    for values in found:
        assert codec.order_key_of(codec.equality_key(values)) == codec.order_key(values)


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize(
    ("type_oid", "value"),
    [
        (oids.JSONB, '{"a": 1.50, "b": [null, "x"]}'),
        (oids.TIMETZ, struct.pack(">qi", 3_600_000_000, -7200)),
        (oids.XID8, 2**64 - 1),
        (oids.PG_LSN, 2**63),
        (oids.NUMERIC, Decimal("-0.00")),
        (oids.FLOAT8, -0.0),
    ],
)
def test_equality_keys_of_rarer_types_lead_to_order_keys(
    type_oid: int, value: object, descending: bool
) -> None:
    codec = KeyCodec([KeyColumn(type_oid, descending)])
    assert codec.order_key_of(codec.equality_key((value,))) == codec.order_key((value,))
    pair = KeyCodec([KeyColumn(oids.INT4), KeyColumn(type_oid, descending)])
    assert pair.order_key_of(pair.equality_key((7, value))) == pair.order_key((7, value))


@given(rows())
def test_a_prefix_bounds_exactly_its_rows(
    case: tuple[list[KeyColumn], tuple[Any, ...], tuple[Any, ...]],
) -> None:
    columns, left, right = case
    codec = KeyCodec(columns)
    first = KeyCodec(columns[:1])
    prefix = codec.prefix(left[:1])
    end = codec.prefix_end(prefix)
    assert end is not None
    inside = prefix <= codec.order_key(right) < end
    assert inside == (first.order_key(left[:1]) == first.order_key(right[:1]))


@pytest.mark.parametrize("type_oid", sorted(STRATEGIES))
def test_single_columns_of_exact_types_are_their_own_keys(type_oid: int) -> None:
    codec = KeyCodec([KeyColumn(type_oid)])
    derived = {
        oids.FLOAT4,
        oids.FLOAT8,
        oids.NUMERIC,
        oids.BPCHAR,
        oids.INTERVAL,
        oids.INT4_ARRAY,
        oids.TEXT_ARRAY,
        oids.INT4RANGE,
        oids.NUMRANGE,
        oids.INT4MULTIRANGE,
        PAIR,
    }
    assert codec.atom == (type_oid not in derived)


def test_equal_values_of_different_looks_have_one_key() -> None:
    def key(type_oid: int, value: object) -> object:
        return KeyCodec([KeyColumn(type_oid)]).equality_key((value,))

    assert key(oids.NUMERIC, Decimal("1.0")) == key(oids.NUMERIC, Decimal("1.000"))
    assert key(oids.NUMERIC, Decimal("NaN")) == key(oids.NUMERIC, Decimal("NaN"))
    assert key(oids.FLOAT8, -0.0) == key(oids.FLOAT8, 0.0)
    assert key(oids.FLOAT8, float("nan")) == key(oids.FLOAT8, float("nan"))
    assert key(oids.BPCHAR, "a  ") == key(oids.BPCHAR, "a")
    assert key(oids.INTERVAL, interval.pack(1, 0, 0)) == key(oids.INTERVAL, interval.pack(0, 30, 0))
    assert key(oids.JSONB, '{"a": 1.0}') == key(oids.JSONB, '{"a": 1.00}')
    assert key(oids.TEXT, None) is None


def test_a_key_of_all_ones_has_no_end() -> None:
    assert prefix_end(b"\xff\xff") is None
    assert prefix_end(b"a\xff") == b"b"


def test_types_without_order_are_refused() -> None:
    assert not has_order(oids.JSON)
    assert has_order(oids.JSONB)
    with pytest.raises(NotSupportedError, match="json"):
        KeyCodec([KeyColumn(oids.JSON)])


# Sorted by PostgreSQL 15 (SELECT ... ORDER BY v).
JSONB_SORTED = [
    "[]", "null", '""', '"Z"', '"a"', '"aa"', '"ä"', "-1.5", "-1", "0", "1", "1.5", "10", "false", "true",
    "[null]", "[1]", "[true]", "[[]]", "[{}]", "[1, 1]", "[1, 2]", "[1, 2, 3]",
    "{}", '{"a": null}', '{"a": 1}', '{"a": 2}', '{"aa": 1}', '{"b": 1}', '{"a": 1, "b": 2}', '{"a": 1, "b": 3}',
]  # fmt: skip


def test_jsonb_sorts_as_in_postgresql() -> None:
    codec = KeyCodec([KeyColumn(oids.JSONB)])
    keys = [codec.order_key((json_text.read_jsonb(text),)) for text in JSONB_SORTED]
    for (one, other), (text, next_text) in zip(pairwise(keys), pairwise(JSONB_SORTED), strict=True):
        assert one < other, (text, next_text)


@given(st.lists(st.integers(-(2**31), 2**31 - 1) | st.none()), st.booleans(), st.booleans())
def test_sorting_by_key_sorts_rows(values: list[int | None], descending: bool, nulls_first: bool) -> None:
    column = KeyColumn(oids.INT4, descending, nulls_first)
    codec = KeyCodec([column])
    by_key = sorted(values, key=lambda value: codec.order_key((value,)))
    by_sql = sorted(values, key=cmp_to_key(lambda one, other: sql_compare(column, one, other)))
    assert by_key == by_sql
