"""Functions of arrays.

An array is a tuple; more dimensions are nested tuples of equal lengths; the empty array is ().  Subscripts
begin at 1: other lower bounds, which PostgreSQL allows, have no representation and are refused.  (int2vector
and oidvector begin at 0; the functions that tell bounds know.)
"""

from __future__ import annotations

from collections.abc import Callable

from skerry_engine.abc import FunctionContext
from skerry_engine.errors import (
    ArraySubscriptError,
    InvalidParameterValue,
    NotSupportedError,
    NullValueNotAllowed,
    ProgramLimitExceeded,
)
from skerry_engine.functions.ordering import SortKey, array_key_of, dimensions_of, flat, sort_key_of
from skerry_engine.functions.output import text_of
from skerry_engine.functions.polymorphism import element_type
from skerry_engine.functions.registry import Implementation, define
from skerry_engine.values import oids

Array = tuple[object, ...]
MAX_ELEMENTS = 134217727

_ZERO_BASED = frozenset((oids.INT2VECTOR, oids.OIDVECTOR))


# --- comparison ---------------------------------------------------------------------------------------------


def array_sort_key(array_oid: int) -> SortKey:
    """The sort key of an array type."""
    return array_key_of(array_oid)


_COMPARISONS: dict[str, Callable[[object, object], bool]] = {
    "array_eq": lambda first, second: first == second,
    "array_ne": lambda first, second: first != second,
    "array_lt": lambda first, second: first < second,  # type: ignore[operator]
    "array_le": lambda first, second: first <= second,  # type: ignore[operator]
    "array_gt": lambda first, second: first > second,  # type: ignore[operator]
    "array_ge": lambda first, second: first >= second,  # type: ignore[operator]
}


def _comparison(source: str) -> None:
    compare = _COMPARISONS[source]

    def make(arg_types: tuple[int, ...], _return_type: int) -> Implementation:
        key = array_key_of(arg_types[0])
        return lambda first, second: compare(key(first), key(second))

    define(source, factory=make)


def _three_way(arg_types: tuple[int, ...], _return_type: int) -> Implementation:
    key = array_key_of(arg_types[0])

    def compare(first: object, second: object) -> int:
        one, other = key(first), key(second)
        return int(one > other) - int(one < other)

    return compare


def _extreme(greatest: bool) -> Callable[[tuple[int, ...], int], Implementation]:
    def make(arg_types: tuple[int, ...], _return_type: int) -> Implementation:
        key = array_key_of(arg_types[0])
        if greatest:
            return lambda first, second: max(first, second, key=key)
        return lambda first, second: min(first, second, key=key)

    return make


for _source in _COMPARISONS:
    _comparison(_source)
define("btarraycmp", factory=_three_way)
define("array_larger", factory=_extreme(True))
define("array_smaller", factory=_extreme(False))
for _name, _symbol in (("eq", "=="), ("ne", "!="), ("lt", "<"), ("le", "<="), ("gt", ">"), ("ge", ">=")):
    define(f"oidvector{_name}", template=f"(len({{0}}), {{0}}) {_symbol} (len({{1}}), {{1}})")


# --- shape --------------------------------------------------------------------------------------------------


def _lower_bound(arg_types: tuple[int, ...]) -> int:
    return 0 if arg_types[0] in _ZERO_BASED else 1


def _length(array: Array, dimension: int) -> int | None:
    lengths = dimensions_of(array)
    return lengths[dimension - 1] if 1 <= dimension <= len(lengths) else None


def _lower(arg_types: tuple[int, ...], _return_type: int) -> Implementation:
    first = _lower_bound(arg_types)
    return lambda array, dimension: None if _length(array, dimension) is None else first


def _upper(arg_types: tuple[int, ...], _return_type: int) -> Implementation:
    first = _lower_bound(arg_types)

    def upper(array: Array, dimension: int) -> int | None:
        length = _length(array, dimension)
        return None if length is None else first + length - 1

    return upper


def _dimensions_text(arg_types: tuple[int, ...], _return_type: int) -> Implementation:
    first = _lower_bound(arg_types)

    def text(array: Array) -> str | None:
        return "".join(f"[{first}:{first + length - 1}]" for length in dimensions_of(array)) or None

    return text


def _subscripts(arg_types: tuple[int, ...], _return_type: int) -> Implementation:
    first = _lower_bound(arg_types)

    def subscripts(array: Array, dimension: int, reverse: bool = False) -> range:
        length = _length(array, dimension) or 0
        return range(first + length - 1, first - 1, -1) if reverse else range(first, first + length)

    return subscripts


define("array_length", _length)
define("array_lower", factory=_lower)
define("array_upper", factory=_upper)
define("array_dims", factory=_dimensions_text)
define("array_ndims", lambda array: len(dimensions_of(array)) or None)
define("array_cardinality", lambda array: len(flat(array)))
define("generate_subscripts", factory=_subscripts)
define("generate_subscripts_nodir", factory=_subscripts)
define("array_unnest", flat)


# --- building -----------------------------------------------------------------------------------------------


def array_of_arrays(inputs: list[object]) -> Array:
    """An array with one dimension more.  Raises ArraySubscriptError when the inputs differ in shape."""
    shapes = set()
    for item in inputs:
        if item is None:
            raise NullValueNotAllowed("cannot accumulate null arrays")
        assert isinstance(item, tuple)
        if not item:
            raise ArraySubscriptError("cannot accumulate empty arrays")
        shapes.add(dimensions_of(item))
    if len(shapes) > 1:
        raise ArraySubscriptError("cannot accumulate arrays of different dimensionality")
    return tuple(inputs)


def _append(array: Array | None, element: object) -> Array:
    items = array or ()
    if items and isinstance(items[0], tuple):
        raise DataErrorForShape("argument must be empty or one-dimensional array")
    return (*items, element)


def _prepend(element: object, array: Array | None) -> Array:
    items = array or ()
    if items and isinstance(items[0], tuple):
        raise DataErrorForShape("argument must be empty or one-dimensional array")
    return (element, *items)


class DataErrorForShape(InvalidParameterValue):
    """An array of the wrong number of dimensions."""

    sqlstate = "22000"


def concatenated(first: Array | None, second: Array | None) -> Array | None:
    """array_cat: arrays of the same depth in line, or one of less depth as an element of the other."""
    if first is None or second is None:
        return second if first is None else first
    if not first or not second:
        return first or second
    shape, other = dimensions_of(first), dimensions_of(second)
    if len(shape) == len(other) and shape[1:] == other[1:]:
        return first + second
    if len(shape) == len(other) + 1 and shape[1:] == other:
        return (*first, second)
    if len(shape) + 1 == len(other) and shape == other[1:]:
        return (first, *second)
    raise ArraySubscriptError(
        "cannot concatenate incompatible arrays", detail=_shape_detail(len(shape), len(other))
    )


def _shape_detail(first: int, second: int) -> str:
    if first == second:
        return "Arrays with differing element dimensions are not compatible for concatenation."
    if abs(first - second) == 1:
        return "Arrays with differing dimensions are not compatible for concatenation."
    return f"Arrays of {first} and {second} dimensions are not compatible for concatenation."


def _filled(element: object, lengths: Array | None) -> Array:
    if lengths is None:
        raise NullValueNotAllowed("dimension array or low bound array cannot be null")
    if len(lengths) > 6:
        raise ProgramLimitExceeded(
            f"number of array dimensions ({len(lengths)}) exceeds the maximum allowed (6)"
        )
    total = 1
    for length in lengths:
        if length is None:
            raise NullValueNotAllowed("dimension values cannot be null")
        total *= int(str(length))
    if total > MAX_ELEMENTS:
        raise ProgramLimitExceeded(f"array size exceeds the maximum allowed ({MAX_ELEMENTS})")
    result: object = element
    for length in reversed(lengths):
        result = (result,) * int(str(length))
    return result if total and isinstance(result, tuple) and lengths else ()


def _filled_from(element: object, lengths: Array | None, lower_bounds: Array | None) -> Array:
    if lower_bounds is None:
        raise NullValueNotAllowed("dimension array or low bound array cannot be null")
    if any(bound != 1 for bound in lower_bounds):
        raise NotSupportedError("array lower bounds other than 1 are not supported")
    return _filled(element, lengths)


def _trimmed(array: Array, count: int) -> Array:
    if not 0 <= count <= len(array):
        raise ArraySubscriptError(f"number of elements to trim must be between 0 and {len(array)}")
    return array[: len(array) - count]


define("array_append", _append)
define("array_prepend", _prepend)
define("array_cat", concatenated)
define("array_fill", _filled)
define("array_fill_with_lower_bounds", _filled_from)
define("trim_array", _trimmed)


# --- searching ----------------------------------------------------------------------------------------------


def _element_key(array_oid: int) -> SortKey:
    """Elements to what `==` compares as SQL does; NULL stays None."""
    key = sort_key_of(element_type(array_oid))
    if key is None:
        return lambda value: value
    return lambda value: None if value is None else key(value)


def _one_dimensional(array: Array, operation: str) -> None:
    if array and isinstance(array[0], tuple):
        raise NotSupportedError(f"{operation} multidimensional arrays is not supported")


def _positions(array: Array, element: object, key: SortKey) -> list[int]:
    _one_dimensional(array, "searching for elements in")
    wanted = key(element)
    return [index for index, item in enumerate(array, 1) if key(item) == wanted]


def _position(arg_types: tuple[int, ...], _return_type: int) -> Implementation:
    key = _element_key(arg_types[0])

    def position(array: Array | None, element: object, start: int | None = 1) -> int | None:
        if array is None:
            return None
        if start is None:
            raise NullValueNotAllowed("initial position must not be null")
        return next((index for index in _positions(array, element, key) if index >= start), None)

    return position


def _all_positions(arg_types: tuple[int, ...], _return_type: int) -> Implementation:
    key = _element_key(arg_types[0])
    return lambda array, element: None if array is None else tuple(_positions(array, element, key))


def _removal(arg_types: tuple[int, ...], _return_type: int) -> Implementation:
    key = _element_key(arg_types[0])

    def remove(array: Array | None, element: object) -> Array | None:
        if array is None:
            return None
        _one_dimensional(array, "removing elements from")
        unwanted = key(element)
        return tuple([item for item in array if key(item) != unwanted])

    return remove


def _replacement(arg_types: tuple[int, ...], _return_type: int) -> Implementation:
    key = _element_key(arg_types[0])

    def replace(array: Array | None, old: object, new: object) -> Array | None:
        if array is None:
            return None
        wanted = key(old)

        def replaced(item: object) -> object:
            if isinstance(item, tuple):
                return tuple([replaced(inner) for inner in item])
            return new if key(item) == wanted else item

        return tuple([replaced(item) for item in array])

    return replace


def _containment(arg_types: tuple[int, ...], _return_type: int) -> Implementation:
    key = _element_key(arg_types[0])

    def contains(whole: Array, part: Array) -> bool:
        elements = {key(item) for item in flat(whole) if item is not None}
        return all(item is not None and key(item) in elements for item in flat(part))

    return contains


def _containment_reversed(arg_types: tuple[int, ...], return_type: int) -> Implementation:
    contains = _containment(arg_types, return_type)
    return lambda part, whole: contains(whole, part)


def _overlap(arg_types: tuple[int, ...], _return_type: int) -> Implementation:
    key = _element_key(arg_types[0])

    def overlaps(first: Array, second: Array) -> bool:
        elements = {key(item) for item in flat(first) if item is not None}
        return any(item is not None and key(item) in elements for item in flat(second))

    return overlaps


def _width_bucket(arg_types: tuple[int, ...], _return_type: int) -> Implementation:
    key = sort_key_of(arg_types[0])

    def bucket(operand: object, thresholds: Array) -> int:
        from bisect import bisect_right

        if any(item is None for item in thresholds):
            raise NullValueNotAllowed("thresholds array must not contain NULLs")
        keys = list(thresholds) if key is None else [key(item) for item in thresholds]
        return bisect_right(keys, operand if key is None else key(operand))  # type: ignore[type-var]

    return bucket


define("array_position", factory=_position)
define("array_position_start", factory=_position)
define("array_positions", factory=_all_positions)
define("array_remove", factory=_removal)
define("array_replace", factory=_replacement)
define("arraycontains", factory=_containment)
define("arraycontained", factory=_containment_reversed)
define("arrayoverlap", factory=_overlap)
define("width_bucket_array", factory=_width_bucket)


# --- text ---------------------------------------------------------------------------------------------------


def _to_text(arg_types: tuple[int, ...], _return_type: int) -> Implementation:
    writer = text_of(element_type(arg_types[0]))

    def joined(
        context: FunctionContext, array: Array | None, separator: str | None, null: str | None = None
    ) -> str | None:
        if array is None or separator is None:
            return None
        texts = [null if item is None else writer(context, item) for item in flat(array)]
        return separator.join([text for text in texts if text is not None])

    return joined


def split_text(text: str | None, separator: str | None, null: str | None = None) -> Array | None:
    """string_to_array: split at the separator (None: at each character);
    parts equal to `null` become NULL."""
    if text is None:
        return None
    if not text:
        return ()
    if separator is None:
        parts = list(text)
    else:
        parts = text.split(separator) if separator else [text]
    return tuple([None if null is not None and part == null else part for part in parts])


def _split_to_rows(text: str | None, separator: str | None, null: str | None = None) -> list[object]:
    return list(split_text(text, separator, null) or ())


define("array_to_text", factory=_to_text, needs_context=True)
define("array_to_text_null", factory=_to_text, needs_context=True)
define("text_to_array", split_text)
define("text_to_array_null", split_text)
define("text_to_table", _split_to_rows)
define("text_to_table_null", _split_to_rows)
