"""Rows as bytes and back: every stored value, exactly."""

from __future__ import annotations

import math
from decimal import Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from skerry_engine.storage.row_codec import pack, pack_rows, unpack, unpack_rows
from skerry_engine.values.ranges import EMPTY, Multirange, Range
from skerry_engine.values.records import Composite

atoms = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_categories=["Cs"]))
    | st.binary()
    | st.decimals(allow_nan=False)
)
BOUNDS = st.none() | st.integers() | st.decimals(allow_nan=False)
RANGES = st.builds(Range, BOUNDS.filter(lambda bound: bound is not None), BOUNDS, st.booleans()) | st.just(
    EMPTY
)


def containers(inner: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    lists = st.lists(inner, max_size=4).map(tuple)
    rows = st.builds(lambda items: Composite((23,) * len(items), items), lists)
    return lists | rows


values = st.recursive(
    atoms | RANGES | st.builds(Multirange, st.lists(RANGES, max_size=3).map(tuple)), containers, max_leaves=12
)


def exactly(value: object) -> object:
    """What tells apart what Python holds equal: True and 1, 0.0 and -0.0, 1.0 and 1.00."""
    if isinstance(value, tuple):
        return [exactly(item) for item in value]
    if isinstance(value, Composite):
        return value.types, exactly(value.items)
    return type(value), repr(value)


@given(values)
def test_a_value_comes_back_exactly(value: object) -> None:
    assert exactly(unpack(pack(value))) == exactly(value)


@given(st.lists(st.none() | st.lists(atoms).map(tuple)))
def test_rows_come_back_exactly(rows: list[tuple[object, ...] | None]) -> None:
    assert exactly(unpack_rows(pack_rows(rows))) == exactly(tuple(rows))


def test_nan_comes_back() -> None:
    assert math.isnan(unpack(pack(math.nan)))
    assert unpack(pack(Decimal("NaN"))).is_nan()


def test_what_is_no_stored_value_is_refused() -> None:
    with pytest.raises(TypeError, match="not a stored value: object"):
        pack((object(),))


@given(st.binary(max_size=40))
@example(b"\x81\x80\x00")
def test_damaged_bytes_are_a_value_error_or_some_value(data: bytes) -> None:
    try:
        unpack(data)
    except ValueError:
        pass
