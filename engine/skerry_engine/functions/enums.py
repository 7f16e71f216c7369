"""Enums: comparisons, which are those of the numbers that values are, and what asks for an enum's labels.

min and max are with the other aggregates.
"""

from __future__ import annotations

from skerry_engine.abc import FunctionContext
from skerry_engine.errors import ObjectNotInPrerequisiteState
from skerry_engine.functions.comparisons import define_comparisons, define_extremes, define_three_way
from skerry_engine.functions.registry import Factory, Implementation, define
from skerry_engine.values.types import format_type
from skerry_engine.values.user_types import UserTypes

define_comparisons("enum_")
define_extremes("enum_larger", "enum_smaller")
define_three_way("enum_cmp")


def _values(types: UserTypes, oid: int) -> tuple[int, ...]:
    return tuple(types.enum(oid).labels)


def _end(is_last: bool) -> Factory:
    def make(arg_types: tuple[int, ...], _return_type: int) -> Implementation:
        oid = arg_types[0]

        def end(context: FunctionContext, _value: object) -> int:
            found = _values(context.io.types, oid)
            if not found:
                raise ObjectNotInPrerequisiteState(f"enum {format_type(oid)} contains no values")
            return found[-1 if is_last else 0]

        return end

    return make


def _range_all(arg_types: tuple[int, ...], _return_type: int) -> Implementation:
    oid = arg_types[0]

    def all_values(context: FunctionContext, _value: object) -> tuple[int, ...]:
        return _values(context.io.types, oid)

    return all_values


def _range_between(arg_types: tuple[int, ...], _return_type: int) -> Implementation:
    oid = arg_types[0]

    def between(context: FunctionContext, first: int | None, last: int | None) -> tuple[int, ...]:
        return tuple(
            value
            for value in _values(context.io.types, oid)
            if (first is None or value >= first) and (last is None or value <= last)
        )

    return between


define("enum_first", factory=_end(False), needs_context=True)
define("enum_last", factory=_end(True), needs_context=True)
define("enum_range_all", factory=_range_all, needs_context=True)
define("enum_range_bounds", factory=_range_between, needs_context=True)
