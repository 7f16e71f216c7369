"""Dynamically typed values have one equality and one order, and index keys agree with both."""

from __future__ import annotations

import itertools
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some
from support.any_values import ANY, FLOAT8, INT8, NUMBERS, NUMERIC, TYPED, unhurried

from skerry_engine.errors import ValuesNotComparable
from skerry_engine.functions.resolve import resolve_operator
from skerry_engine.values import dynamic_keys, oids
from skerry_engine.values.graphs import dynamic, edge_value, node_value
from skerry_engine.values.keys import KeyCodec, KeyColumn, body_of_equality, equality_atom, order_body

CODEC = KeyCodec([KeyColumn(oids.ANYVALUE)])
NODE = node_value(1, 2, 3, (1, "a"))
EDGE = edge_value(1, 4, 3, (1, 3, 3), (2, 3), (2, 3))


def order_key(value: Any) -> bytes:
    return CODEC.order_key((value,))


def equality_key(value: Any) -> object:
    return CODEC.equality_key((value,))


# --- keys ---------------------------------------------------------------------------------------------------


@given(ANY, ANY)
@unhurried()
def test_order_and_equality_keys_agree(first: Any, second: Any):
    same = equality_key(first) == equality_key(second)
    assert same == (order_key(first) == order_key(second))
    if same:
        assert hash(equality_key(first)) == hash(equality_key(second))


@given(NUMBERS, NUMBERS)
@unhurried(500)
def test_order_and_equality_keys_of_numbers_agree_across_types(first: Any, second: Any):
    same = equality_key(first) == equality_key(second)
    assert (
        same == (order_key(first) == order_key(second)) == (dynamic_keys.compare_numbers(first, second) == 0)
    )
    assert (order_key(first) < order_key(second)) == (dynamic_keys.compare_numbers(first, second) < 0)


@given(FLOAT8.filter(lambda value: value == value), some.integers(-2, 2))
@unhurried()
def test_numbers_next_to_each_other_keep_their_order(value: float, steps: int):
    if abs(value) == float("inf"):
        return
    near = [value, Decimal(value), Decimal(repr(value))]
    if value.is_integer():
        near += [int(value), int(value) + steps]
    for first, second in itertools.product(near, near):
        by_key = (order_key(first) > order_key(second)) - (order_key(first) < order_key(second))
        assert by_key == dynamic_keys.compare_numbers(first, second)
        assert (by_key == 0) == (equality_key(first) == equality_key(second))


@given(ANY)
@unhurried()
def test_an_order_key_can_be_made_of_the_equality_key(value: Any):
    assert CODEC.order_key_of(equality_key(value)) == order_key(value)


@given(ANY, ANY)
@unhurried()
def test_keys_delimit_themselves(first: Any, second: Any):
    one, other = order_key(first), order_key(second)
    if one != other:
        assert not one.startswith(other)
        assert not other.startswith(one)


@given(some.lists(ANY, max_size=3), some.lists(ANY, max_size=3))
@unhurried()
def test_items_of_lists_are_compared_in_turn(first: list[Any], second: list[Any]):
    keys = [order_key((oids.ANYVALUE_ARRAY, tuple(items))) for items in (first, second)]
    items = [[order_key(item) for item in items] for items in (first, second)]
    assert (keys[0] < keys[1]) == (items[0] < items[1])


@pytest.mark.parametrize("type_oid", sorted(TYPED))
@given(some.data())
@unhurried(30)
def test_a_values_key_within_its_type_orders_as_among_all_types(type_oid: int, data: some.DataObject):
    first, second = data.draw(TYPED[type_oid]), data.draw(TYPED[type_oid])
    static = [order_body(type_oid)(value) for value in (first, second)]
    among_all = [order_key(dynamic(type_oid, value)) for value in (first, second)]
    assert (static[0] < static[1]) == (among_all[0] < among_all[1])
    assert (static[0] == static[1]) == (among_all[0] == among_all[1])


@pytest.mark.parametrize("type_oid", [*sorted(oids.GRAPH_TYPES), *oids.GRAPH_ARRAYS])
@given(some.data())
@unhurried(30)
def test_graph_types_have_the_same_keys_by_themselves_and_in_arrays(type_oid: int, data: some.DataObject):
    def draw(oid: int) -> Any:
        if oid == oids.GRAPHRECORD:
            return tuple(
                {name: data.draw(ANY) for name in data.draw(some.sets(some.sampled_from("ab")))}.items()
            )
        return data.draw(ANY if oid == oids.ANYVALUE else TYPED[oid])

    element = oids.GRAPH_ARRAYS.get(type_oid)
    value = draw(type_oid) if element is None else (draw(element), None, draw(element))
    equality = equality_atom(type_oid)
    assert equality is not None
    key = equality(value)
    hash(key)
    assert body_of_equality(type_oid)(key) == order_body(type_oid)(value)


SAME = [
    (1, 1.0, Decimal(1), Decimal("1.00")),
    (0, 0.0, -0.0, Decimal("0.0")),
    (0.1, Decimal("0.1")),
    (2**60, float(2**60), Decimal(2**60)),
    (float("nan"), Decimal("NaN")),
    (float("inf"), Decimal("Infinity")),
    (
        (oids.INT8_ARRAY, (1, None)),
        (oids.ANYVALUE_ARRAY, (1.0, None)),
        (oids.NUMERIC_ARRAY, (Decimal(1), None)),
    ),
    ((oids.GRAPHRECORD, (("a", 1), ("b", 2))), (oids.GRAPHRECORD, (("b", 2.0), ("a", 1)))),
    ((oids.INT8_ARRAY, ((1, 2), (3, 4))), (oids.ANYVALUE_ARRAY, ((oids.INT8_ARRAY, (1, 2)), (1016, (3, 4))))),
    ((oids.NODE, NODE), (oids.NODE, node_value(1, 2, 3, (9, "later")))),
    ("a", "a"),
]


@pytest.mark.parametrize("values", SAME)
def test_one_value_has_one_key_whatever_its_type(values: tuple[Any, ...]):
    assert len({order_key(value) for value in values}) == 1
    assert len({equality_key(value) for value in values}) == 1


def test_values_of_all_groups_differ():
    firsts = [group[0] for group in SAME] + [
        True,
        False,
        "NaN",
        b"a",
        "1",
        (oids.DATE, 1),
        (oids.TIMESTAMP, 1),
    ]
    firsts += [(oids.EDGE, EDGE), (oids.PATH, (NODE,)), (oids.PATH, (NODE, EDGE, NODE)), 2**53 + 1, 2.0**53]
    firsts += [
        Decimal.from_float(0.1),
        (oids.ANYVALUE_ARRAY, ()),
        (oids.GRAPHRECORD, ()),
        (oids.UUID, b"a" * 16),
    ]
    assert (
        len({order_key(value) for value in firsts})
        == len({equality_key(value) for value in firsts})
        == len(firsts)
    )


def test_kinds_have_an_order_among_each_other():
    ordered = [
        (oids.GRAPHRECORD, (("z", 1),)),
        (oids.NODE, NODE),
        (oids.EDGE, EDGE),
        (oids.INT8_ARRAY, (99,)),
        (oids.PATH, (NODE,)),
        (oids.DATE, 5),
        "zzz",
        b"a",
        False,
        True,
        float("-inf"),
        -1,
        Decimal("0.5"),
        float("nan"),
    ]
    assert sorted(ordered, key=order_key) == ordered


# --- operators ----------------------------------------------------------------------------------------------

NUMBER_TYPES = {oids.INT8: INT8, oids.FLOAT8: FLOAT8, oids.NUMERIC: NUMERIC}
ORDERED_TYPES = {
    **NUMBER_TYPES,
    **{
        oid: TYPED[oid]
        for oid in (
            oids.BOOL,
            oids.TEXT,
            oids.BYTEA,
            oids.DATE,
            oids.TIME,
            oids.TIMESTAMP,
            oids.INTERVAL,
            oids.UUID,
        )
    },
}


@pytest.mark.parametrize("type_oid", sorted(ORDERED_TYPES))
@given(some.data())
@unhurried(50)
def test_comparison_is_sqls_where_the_types_are_the_same(type_oid: int, data: some.DataObject):
    strategy = ORDERED_TYPES[type_oid]
    first = data.draw(strategy)
    second = data.draw(strategy | some.just(first))
    results = {}
    for name in ("=", "<", ">"):
        function = resolve_operator(name, type_oid, type_oid)[0].function
        assert function.implementation is not None
        results[name] = function.implementation(first, second)
    one, other = dynamic(type_oid, first), dynamic(type_oid, second)
    assert dynamic_keys.equal(one, other) is results["="]
    order = dynamic_keys.compare(one, other)
    assert order is not None
    assert (order < 0, order > 0) == (results["<"], results[">"])


@given(ANY, ANY)
@unhurried()
def test_equal_is_what_keys_say_unless_a_null_hides_it(first: Any, second: Any):
    verdict = dynamic_keys.equal(first, second)
    if verdict is not None:
        assert verdict == (equality_key(first) == equality_key(second))


def test_a_null_inside_a_list_leaves_equality_unknown_only_if_it_decides():
    one, other = (oids.INT8_ARRAY, (1, None)), (oids.INT8_ARRAY, (1, 2))
    assert dynamic_keys.equal(one, other) is None
    assert dynamic_keys.equal(one, (oids.INT8_ARRAY, (3, 2))) is False
    assert dynamic_keys.equal(one, (oids.INT8_ARRAY, (1,))) is False
    assert dynamic_keys.compare(one, other) is None
    assert dynamic_keys.compare(one, (oids.INT8_ARRAY, (3, None))) == -1


def test_records_are_equal_by_field_names_not_by_their_order():
    one = (oids.GRAPHRECORD, (("a", 1), ("b", None)))
    assert dynamic_keys.equal(one, (oids.GRAPHRECORD, (("b", 2), ("a", 1.0)))) is None
    assert dynamic_keys.equal(one, (oids.GRAPHRECORD, (("b", 2), ("a", 3)))) is False
    assert dynamic_keys.equal(one, (oids.GRAPHRECORD, (("a", 1),))) is False


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (1, "1"),
        (1, True),
        ((oids.DATE, 1), (oids.TIMESTAMP, 1)),
        ((oids.NODE, NODE), (oids.EDGE, EDGE)),
        ((oids.INT8_ARRAY, (1,)), 1),
    ],
)
def test_values_of_different_kinds_are_not_equal_and_have_no_order(first: Any, second: Any):
    assert dynamic_keys.equal(first, second) is False
    with pytest.raises(ValuesNotComparable):
        dynamic_keys.compare(first, second)


@pytest.mark.parametrize(
    "value", [(oids.NODE, NODE), (oids.EDGE, EDGE), (oids.PATH, (NODE,)), (oids.GRAPHRECORD, ())]
)
def test_elements_paths_and_records_have_no_order_in_the_language(value: Any):
    assert dynamic_keys.equal(value, value) is True
    with pytest.raises(ValuesNotComparable):
        dynamic_keys.compare(value, value)


def test_items_without_an_order_have_none_in_lists_either():
    nodes = (oids.NODE_ARRAY, (NODE,))
    assert dynamic_keys.equal(nodes, nodes) is True
    with pytest.raises(ValuesNotComparable):
        dynamic_keys.compare(nodes, nodes)
    with pytest.raises(ValuesNotComparable):
        dynamic_keys.compare((oids.ANYVALUE_ARRAY, (1,)), (oids.ANYVALUE_ARRAY, ("a",)))
