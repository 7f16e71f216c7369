"""Functions and operators of ranges and multiranges.

One implementation serves ranges, multiranges and a range beside a multirange: each is the list of its ranges
(`values/ranges.py`).  What gives a range of two fails where it would need more than one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

from skerry_engine.errors import DataError, NullValueNotAllowed, SyntaxError
from skerry_engine.functions.registry import Factory, Implementation, define, define_aggregate
from skerry_engine.values import oids, ranges
from skerry_engine.values.ranges import EMPTY, Multirange, Range, RangeKind, parts

Ranges = tuple[Range, ...]
Value = Range | Multirange
_FLAGS = ("[]", "[)", "(]", "()")


def _by_kind(make: Callable[[RangeKind], Implementation]) -> Factory:
    """A factory for functions that need to know the kind of the ranges they are about."""

    def factory(arg_types: tuple[int, ...], return_type: int) -> Implementation:
        for oid in (*arg_types, return_type):
            kind = ranges.kind_of(oid)
            if kind is not None:
                return make(kind)
        raise AssertionError("a call's types are concrete")

    return factory


def _define(source: str, make: Callable[[RangeKind], Implementation], strict: bool | None = None) -> None:
    define(source, factory=_by_kind(make), strict=strict)


# --- making -------------------------------------------------------------------------------------------------


def _from_bounds(kind: RangeKind) -> Implementation:
    return lambda lower, upper: kind.make(lower, upper, True, False)


def _from_bounds_and_flags(kind: RangeKind) -> Implementation:
    def make(lower: Any, upper: Any, flags: str | None) -> Range:
        if flags is None:
            raise DataError("range constructor flags argument must not be null")
        if flags not in _FLAGS:
            raise SyntaxError(
                "invalid range bound flags", hint='Valid values are "[]", "[)", "(]", and "()".'
            )
        return kind.make(lower, upper, flags[0] == "[", flags[1] == "]")

    return make


def _from_ranges(kind: RangeKind) -> Implementation:
    def make(*given: Range | None) -> Multirange:
        known = [each for each in given if each is not None]
        if len(known) < len(given):
            raise NullValueNotAllowed("multirange values cannot contain null members")
        return Multirange(ranges.normal(kind, known))

    return make


_define("range_constructor2", _from_bounds)
_define("range_constructor3", _from_bounds_and_flags)
define("multirange_constructor0", lambda: Multirange(()))
define("multirange_constructor1", lambda range_: Multirange(parts(range_)))
_define("multirange_constructor2", _from_ranges, strict=False)
define("multirange_unnest", lambda value: value.ranges)


# --- asking -------------------------------------------------------------------------------------------------


def _first(value: Value) -> Range:
    found = parts(value)
    return found[0] if found else EMPTY


def _last(value: Value) -> Range:
    found = parts(value)
    return found[-1] if found else EMPTY


for _prefix in ("range", "multirange"):
    define(f"{_prefix}_lower", lambda value: _first(value).lower)
    define(f"{_prefix}_upper", lambda value: _last(value).upper)
    define(f"{_prefix}_empty", lambda value: not parts(value))
    define(f"{_prefix}_lower_inc", lambda value: _first(value).lower_included)
    define(f"{_prefix}_upper_inc", lambda value: _last(value).upper_included)
    define(f"{_prefix}_lower_inf", lambda value: bool(parts(value)) and _first(value).lower is None)
    define(f"{_prefix}_upper_inf", lambda value: bool(parts(value)) and _last(value).upper is None)


def _contains(kind: RangeKind) -> Implementation:
    return lambda outer, inner: ranges.covers(kind, parts(outer), parts(inner))


def _contained(kind: RangeKind) -> Implementation:
    return lambda inner, outer: ranges.covers(kind, parts(outer), parts(inner))


def _has_element(kind: RangeKind) -> Implementation:
    return lambda value, element: ranges.has_element(kind, parts(value), element)


def _element_of(kind: RangeKind) -> Implementation:
    return lambda element, value: ranges.has_element(kind, parts(value), element)


def _overlaps(kind: RangeKind) -> Implementation:
    def overlaps(left: Value, right: Value) -> bool:
        return any(ranges.overlap(kind, one, other) for one in parts(left) for other in parts(right))

    return overlaps


def _by_ends(
    compare: Callable[[RangeKind, Ranges, Ranges], bool],
) -> Callable[[RangeKind], Implementation]:
    """A comparison of two values, false where one of them is empty."""

    def make(kind: RangeKind) -> Implementation:
        def compared(left: Value, right: Value) -> bool:
            ones, others = parts(left), parts(right)
            return bool(ones) and bool(others) and compare(kind, ones, others)

        return compared

    return make


def _before(kind: RangeKind, ones: Ranges, others: Ranges) -> bool:
    return kind.upper_bound(ones[-1]) < kind.lower_bound(others[0])


def _after(kind: RangeKind, ones: Ranges, others: Ranges) -> bool:
    return _before(kind, others, ones)


def _overleft(kind: RangeKind, ones: Ranges, others: Ranges) -> bool:
    return kind.upper_bound(ones[-1]) <= kind.upper_bound(others[-1])


def _overright(kind: RangeKind, ones: Ranges, others: Ranges) -> bool:
    return kind.lower_bound(ones[0]) >= kind.lower_bound(others[0])


def _adjacent(kind: RangeKind, ones: Ranges, others: Ranges) -> bool:
    return ranges.touches(kind, ones[-1], others[0]) or ranges.touches(kind, others[-1], ones[0])


_PAIRS = ("range_{}_multirange", "multirange_{}_range", "multirange_{}_multirange")
for _name, _compare in (
    ("before", _before),
    ("after", _after),
    ("overleft", _overleft),
    ("overright", _overright),
    ("adjacent", _adjacent),
):
    for _source in (f"range_{_name}", *(pattern.format(_name) for pattern in _PAIRS)):
        _define(_source, _by_ends(_compare))
for _source in ("range_overlaps", *(pattern.format("overlaps") for pattern in _PAIRS)):
    _define(_source, _overlaps)
for _source in ("range_contains", *(pattern.format("contains") for pattern in _PAIRS)):
    _define(_source, _contains)
for _source in ("range_contained_by", *(pattern.format("contained_by") for pattern in _PAIRS)):
    _define(_source, _contained)
for _prefix in ("range", "multirange"):
    _define(f"{_prefix}_contains_elem", _has_element)
    _define(f"elem_contained_by_{_prefix}", _element_of)


# --- order --------------------------------------------------------------------------------------------------


def _comparison(compare: Callable[[Any, Any], bool]) -> Callable[[RangeKind], Implementation]:
    def make(kind: RangeKind) -> Implementation:
        return lambda left, right: compare(ranges.sort_key(kind, left), ranges.sort_key(kind, right))

    return make


def _three_way(kind: RangeKind) -> Implementation:
    def compared(left: Value, right: Value) -> int:
        one: Any = ranges.sort_key(kind, left)
        other: Any = ranges.sort_key(kind, right)
        return int(one > other) - int(one < other)

    return compared


for _prefix in ("range", "multirange"):
    _define(f"{_prefix}_eq", _comparison(lambda one, other: bool(one == other)))
    _define(f"{_prefix}_ne", _comparison(lambda one, other: bool(one != other)))
    _define(f"{_prefix}_lt", _comparison(lambda one, other: bool(one < other)))
    _define(f"{_prefix}_le", _comparison(lambda one, other: bool(one <= other)))
    _define(f"{_prefix}_gt", _comparison(lambda one, other: bool(one > other)))
    _define(f"{_prefix}_ge", _comparison(lambda one, other: bool(one >= other)))
    _define(f"{_prefix}_cmp", _three_way)


# --- the algebra --------------------------------------------------------------------------------------------


def _one_range(found: Sequence[Range], what: str) -> Range:
    if len(found) > 1:
        raise DataError(f"result of range {what} would not be contiguous")
    return found[0] if found else EMPTY


def _union(kind: RangeKind) -> Implementation:
    return lambda left, right: _one_range(ranges.normal(kind, (left, right)), "union")


def _minus(kind: RangeKind) -> Implementation:
    return lambda left, right: _one_range(ranges.difference(kind, parts(left), parts(right)), "difference")


def _intersect(kind: RangeKind) -> Implementation:
    return lambda left, right: _one_range(ranges.intersection(kind, parts(left), parts(right)), "")


def _merge(kind: RangeKind) -> Implementation:
    return lambda left, right: ranges.hull(kind, (*parts(left), *parts(right)))


def _span(kind: RangeKind) -> Implementation:
    return lambda value: ranges.hull(kind, value.ranges)


def _union_of_multiranges(kind: RangeKind) -> Implementation:
    return lambda left, right: Multirange(ranges.normal(kind, (*left.ranges, *right.ranges)))


def _minus_of_multiranges(kind: RangeKind) -> Implementation:
    return lambda left, right: Multirange(ranges.difference(kind, left.ranges, right.ranges))


def _intersect_of_multiranges(kind: RangeKind) -> Implementation:
    return lambda left, right: Multirange(ranges.intersection(kind, left.ranges, right.ranges))


_define("range_union", _union)
_define("range_minus", _minus)
_define("range_intersect", _intersect)
_define("range_merge", _merge)
_define("range_merge_from_multirange", _span)
_define("multirange_union", _union_of_multiranges)
_define("multirange_minus", _minus_of_multiranges)
_define("multirange_intersect", _intersect_of_multiranges)


# --- distances ----------------------------------------------------------------------------------------------

for _name in ("int4range", "int8range", "daterange"):
    define(f"{_name}_subdiff", lambda one, other: float(one - other))
for _name in ("tsrange", "tstzrange"):
    define(f"{_name}_subdiff", lambda one, other: (one - other) / 1_000_000)
define("numrange_subdiff", lambda one, other: float(Decimal(one) - Decimal(other)))
for _name in ("int4range", "int8range", "daterange"):
    define(f"{_name}_canonical", lambda range_: range_)  # as all of them are


# --- aggregates ---------------------------------------------------------------------------------------------


def _aggregate(arg_types: tuple[int, ...], _return_type: int) -> Implementation:
    kind = ranges.kind_of(arg_types[0])
    assert kind is not None

    def finish(inputs: list[Value]) -> Multirange | None:
        if not inputs:
            return None
        return Multirange(ranges.normal(kind, [part for each in inputs for part in parts(each)]))

    return finish


def _intersection_of_all(arg_types: tuple[int, ...], _return_type: int) -> Implementation:
    kind = ranges.kind_of(arg_types[0])
    assert kind is not None

    def finish(inputs: list[Value]) -> Value | None:
        if not inputs:
            return None
        found = parts(inputs[0])
        for each in inputs[1:]:
            found = ranges.intersection(kind, found, parts(each))
        return Multirange(found) if isinstance(inputs[0], Multirange) else _one_range(found, "")

    return finish


for _oid in (oids.ANYRANGE, oids.ANYMULTIRANGE):
    define_aggregate(f"range_agg {_oid}", factory=_aggregate)
    define_aggregate(f"range_intersect_agg {_oid}", factory=_intersection_of_all)
