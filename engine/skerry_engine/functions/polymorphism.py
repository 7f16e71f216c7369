"""Polymorphic functions: what anyelement, anyarray, anycompatible ... stand for in one call.

Two families, as in PostgreSQL.  In the *any* family all actual types must be the same (arrays: of that
element type).  In the *anycompatible* family they are brought to their common type.
Unknown literals take what the others settle.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from skerry_engine.errors import DatatypeMismatch, UndefinedObject
from skerry_engine.functions.casts import find_coercion
from skerry_engine.values import oids
from skerry_engine.values.ranges import KIND_OF_MULTIRANGE, KIND_OF_RANGE, RangeKind
from skerry_engine.values.types import find_type, format_type
from skerry_engine.values.user_types import is_enum

_ELEMENT = frozenset((oids.ANYELEMENT, oids.ANYNONARRAY, oids.ANYENUM))
_COMPATIBLE = frozenset((oids.ANYCOMPATIBLE, oids.ANYCOMPATIBLENONARRAY))
_NON_ARRAY = frozenset((oids.ANYNONARRAY, oids.ANYCOMPATIBLENONARRAY))
POLYMORPHIC = (
    _ELEMENT | _COMPATIBLE | {oids.ANYARRAY, oids.ANYCOMPATIBLEARRAY, oids.ANYRANGE, oids.ANYMULTIRANGE}
)


@dataclass(slots=True)
class _Settled:
    """What the actual arguments say; 0 for nothing yet."""

    element: int = 0
    array: int = 0
    compatible: int = 0
    range: RangeKind | None = None


def is_consistent(declared: Sequence[int], actual: Sequence[int]) -> bool:
    """Whether the actual types can stand for the polymorphic ones among the declared."""
    try:
        return _settle(declared, actual) is not None
    except DatatypeMismatch:
        return False


def concrete_types(
    declared: Sequence[int], actual: Sequence[int], return_type: int
) -> tuple[tuple[int, ...], int]:
    """The declared types and the return type with polymorphic ones replaced.

    Raises DatatypeMismatch when the arguments do not determine them.
    """
    if return_type not in POLYMORPHIC and not any(oid in POLYMORPHIC for oid in declared):
        return tuple(declared), return_type
    settled = _settle(declared, actual)
    if settled is None:
        raise DatatypeMismatch("arguments declared polymorphic are not all alike")
    _fill_in(settled, (*declared, return_type))
    arguments = tuple([_concrete(oid, settled) for oid in declared])
    return arguments, _concrete(return_type, settled)


def element_type(array_oid: int) -> int:
    """The element type of an array type (int2vector and oidvector count as arrays), else 0."""
    if array_oid in (oids.INT2VECTOR, oids.OIDVECTOR):
        return oids.INT2 if array_oid == oids.INT2VECTOR else oids.OID
    info = find_type(array_oid)
    return info.element_oid if info is not None and info.is_array else 0


def array_type_of(element_oid: int) -> int:
    """The array type over an element type, 0 if there is none."""
    info = find_type(element_oid)
    return info.array_oid if info is not None else 0


def common_type(types: Sequence[int], construct: str = "UNION") -> int:
    """The type that UNION, CASE, VALUES, ARRAY ... give to alternatives of these types.

    Raises DatatypeMismatch, worded with `construct`, when they are of different categories.
    """
    chosen = types[0]
    for other in types[1:]:
        chosen = _more_common(chosen, other, construct)
    return oids.TEXT if chosen == oids.UNKNOWN else chosen


def _more_common(chosen: int, other: int, construct: str) -> int:
    if other in (oids.UNKNOWN, chosen):
        return chosen
    if chosen == oids.UNKNOWN:
        return other
    chosen_info, other_info = find_type(chosen), find_type(other)
    if chosen_info is None or other_info is None or chosen_info.category != other_info.category:
        raise DatatypeMismatch(
            f"{construct} types {format_type(chosen)} and {format_type(other)} cannot be matched"
        )
    if chosen_info.preferred:
        return chosen
    if find_coercion(chosen, other, "i") and not find_coercion(other, chosen, "i"):
        return other
    return chosen


def _settle(declared: Sequence[int], actual: Sequence[int]) -> _Settled | None:
    settled = _Settled()
    compatible: list[int] = []
    for wanted, given in zip(declared, actual, strict=True):
        if given == oids.UNKNOWN or wanted not in POLYMORPHIC:
            continue
        if wanted in _ELEMENT:
            if settled.element not in (0, given):
                return None
            settled.element = given
        elif wanted == oids.ANYARRAY:
            if settled.array not in (0, given) or (not element_type(given) and given != oids.ANYARRAY):
                return None
            settled.array = given
        elif wanted in (oids.ANYRANGE, oids.ANYMULTIRANGE):
            kinds = KIND_OF_RANGE if wanted == oids.ANYRANGE else KIND_OF_MULTIRANGE
            kind = kinds.get(given)
            if kind is None or settled.range not in (None, kind):
                return None
            settled.range = kind
        elif wanted == oids.ANYCOMPATIBLEARRAY:
            if not element_type(given):
                return None
            compatible.append(element_type(given))
        else:
            compatible.append(given)
    if settled.array and settled.array != oids.ANYARRAY:
        if settled.element not in (0, element_type(settled.array)):
            return None
        settled.element = element_type(settled.array)
    if settled.range is not None:
        if settled.element not in (0, settled.range.element_oid):
            return None
        settled.element = settled.range.element_oid
    if compatible:
        settled.compatible = common_type(compatible, "anycompatible")
        if not all(find_coercion(given, settled.compatible, "i") for given in compatible):
            return None
    return settled if _keeps_to_non_arrays(declared, settled) else None


def _keeps_to_non_arrays(declared: Sequence[int], settled: _Settled) -> bool:
    for wanted in declared:
        if wanted in _NON_ARRAY:
            given = settled.element if wanted == oids.ANYNONARRAY else settled.compatible
            if given and element_type(given):
                return False
        if wanted == oids.ANYENUM and not is_enum(settled.element):
            return False
    return True


def _fill_in(settled: _Settled, declared: Sequence[int]) -> None:
    if settled.range is None and any(oid in (oids.ANYRANGE, oids.ANYMULTIRANGE) for oid in declared):
        raise DatatypeMismatch("could not determine polymorphic type because input has type unknown")
    if not settled.element and settled.array != oids.ANYARRAY:
        if any(oid in _ELEMENT or oid == oids.ANYARRAY for oid in declared):
            raise DatatypeMismatch("could not determine polymorphic type because input has type unknown")
    if not settled.array and settled.element:
        settled.array = array_type_of(settled.element)
        if not settled.array and oids.ANYARRAY in declared:
            raise _no_array_type(settled.element)
    if not settled.compatible:
        settled.compatible = oids.TEXT
    if oids.ANYCOMPATIBLEARRAY in declared and not array_type_of(settled.compatible):
        raise _no_array_type(settled.compatible)


def _no_array_type(element: int) -> UndefinedObject:
    return UndefinedObject(f"could not find array type for data type {format_type(element)}")


def _concrete(oid: int, settled: _Settled) -> int:
    if oid in _ELEMENT:
        return settled.element
    if oid == oids.ANYARRAY:
        return settled.array or array_type_of(settled.element)
    if oid in _COMPATIBLE:
        return settled.compatible
    if oid == oids.ANYCOMPATIBLEARRAY:
        return array_type_of(settled.compatible)
    if oid == oids.ANYRANGE and settled.range is not None:
        return settled.range.oid
    if oid == oids.ANYMULTIRANGE and settled.range is not None:
        return settled.range.multirange_oid
    return oid
