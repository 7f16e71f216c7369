"""Functions of jsonb: parts, containment, changes.

A jsonb atom is canonical text.  Functions read it into Python's dict, list, str, Decimal, bool and None, work
on that, and write the canonical text again.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from functools import lru_cache
from typing import Any

from skerry_engine.errors import (
    InvalidParameterValue,
    InvalidTextRepresentation,
    NullValueNotAllowed,
)
from skerry_engine.functions.comparisons import SYMBOLS
from skerry_engine.functions.json_functions import path_index, without_nulls
from skerry_engine.functions.namespace import NAMESPACE
from skerry_engine.functions.registry import Implementation, define, implementation_of
from skerry_engine.values.json_keys import jsonb_order_key
from skerry_engine.values.json_text import parse_json, write_canonical

NAMESPACE["jsonb_order_key"] = jsonb_order_key
for _name, _symbol in SYMBOLS.items():
    define(f"jsonb_{_name}", template=f"jsonb_order_key({{0}}) {_symbol} jsonb_order_key({{1}})")
define(
    "jsonb_cmp",
    template="(jsonb_order_key({0}) > jsonb_order_key({1})) - (jsonb_order_key({0}) < jsonb_order_key({1}))",
)


@lru_cache(maxsize=256)
def _parsed_short(text: str) -> Any:
    return parse_json(text)


def parsed(text: str) -> Any:
    """The Python form of a jsonb; not to be changed, for it may be shared."""
    return _parsed_short(text) if len(text) < 1000 else parse_json(text)


def written(value: Any) -> str:
    """The canonical text of a Python form."""
    return write_canonical(value, False)


def text_of_value(value: Any) -> str | None:
    """A value as ->> gives it."""
    if value is None:
        return None
    return value if isinstance(value, str) else written(value)


def type_name(value: Any) -> str:
    """object, array, string, number, boolean or null."""
    if isinstance(value, dict):
        return "object"
    if isinstance(value, list):
        return "array"
    if isinstance(value, str):
        return "string"
    if isinstance(value, bool):
        return "boolean"
    return "null" if value is None else "number"


# --- parts --------------------------------------------------------------------------------------------------

_MISSING = object()


def _at(value: Any, step: object) -> Any:
    """The member or element that a key (str) or an index (int) names, else _MISSING."""
    if isinstance(value, dict):
        return value.get(step, _MISSING) if isinstance(step, str) else _MISSING
    if isinstance(value, list) and isinstance(step, int) and -len(value) <= step < len(value):
        return value[step]
    return _MISSING


def _part(text: str, step: object) -> str | None:
    part = _at_top(parsed(text), step)
    return None if part is _MISSING else written(part)


def _part_text(text: str, step: object) -> str | None:
    part = _at_top(parsed(text), step)
    return None if part is _MISSING else text_of_value(part)


def _at_top(value: Any, step: object) -> Any:
    """As `_at`, but a bare scalar is its own element 0: PostgreSQL keeps it as an array of one."""
    return value if step in (0, -1) and not _is_container(value) else _at(value, step)


def _find_path(text: str, path: tuple[str | None, ...]) -> Any:
    value = parsed(text)
    for step in path:
        if step is None:
            return _MISSING
        value = _at(value, path_index(step) if isinstance(value, list) else step)
        if value is _MISSING:
            return _MISSING
    return value


def _at_path(text: str, *path: str | None) -> str | None:
    part = _find_path(text, path)
    return None if part is _MISSING else written(part)


def _at_path_text(text: str, *path: str | None) -> str | None:
    part = _find_path(text, path)
    return None if part is _MISSING else text_of_value(part)


def jsonb_element(text: str | None, *steps: object) -> str | None:
    """`text[step][step]`, each step an integer or a text: NULL where there is nothing, or a step is NULL."""
    if text is None:
        return None
    return _at_path(text, *[None if step is None else str(step) for step in steps])


define("jsonb_object_field", _part)
define("jsonb_object_field_text", _part_text)
define("jsonb_array_element", _part)
define("jsonb_array_element_text", _part_text)
define("jsonb_extract_path", _at_path)
define("jsonb_extract_path_text", _at_path_text)


# --- containment --------------------------------------------------------------------------------------------


def _same_scalar(first: Any, second: Any) -> bool:
    return isinstance(first, bool) == isinstance(second, bool) and bool(first == second)


def _is_container(value: Any) -> bool:
    return isinstance(value, (dict, list))


def _contains(whole: Any, part: Any) -> bool:
    if isinstance(whole, dict):
        return isinstance(part, dict) and all(
            key in whole and _contains_value(whole[key], item) for key, item in part.items()
        )
    if isinstance(whole, list):
        return isinstance(part, list) and all(
            any(_contains_value(item, wanted) for item in whole) for wanted in part
        )
    return not _is_container(part) and _same_scalar(whole, part)


def _contains_value(whole: Any, part: Any) -> bool:
    if _is_container(whole) != _is_container(part):
        return False
    return _contains(whole, part)


def jsonb_contains(whole_text: str, part_text: str) -> bool:
    """whole @> part.  An array also contains a bare scalar that is one of its elements."""
    whole, part = parsed(whole_text), parsed(part_text)
    if isinstance(whole, list) and not _is_container(part):
        return any(not _is_container(item) and _same_scalar(item, part) for item in whole)
    return _contains(whole, part)


def _exists(text: str, key: str) -> bool:
    value = parsed(text)
    if isinstance(value, (dict, list)):
        return key in value if isinstance(value, dict) else any(item == key for item in value)
    return isinstance(value, str) and value == key


define("jsonb_contains", jsonb_contains)
define("jsonb_contained", lambda part, whole: jsonb_contains(whole, part))
define("jsonb_exists", _exists)
define("jsonb_exists_any", lambda text, keys: any(key is not None and _exists(text, key) for key in keys))
define("jsonb_exists_all", lambda text, keys: all(key is None or _exists(text, key) for key in keys))


# --- changes ------------------------------------------------------------------------------------------------


def _concatenated(first_text: str, second_text: str) -> str:
    first, second = parsed(first_text), parsed(second_text)
    if isinstance(first, dict) and isinstance(second, dict):
        return written({**first, **second})
    return written(_as_list(first) + _as_list(second))


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _delete_keys(text: str, keys: tuple[str | None, ...]) -> str:
    value = parsed(text)
    if not _is_container(value):
        raise InvalidParameterValue("cannot delete from scalar")
    unwanted = {key for key in keys if key is not None}
    if isinstance(value, dict):
        return written({key: item for key, item in value.items() if key not in unwanted})
    return written([item for item in value if not (isinstance(item, str) and item in unwanted)])


def _delete_index(text: str, index: int) -> str:
    value = parsed(text)
    if isinstance(value, dict):
        raise InvalidParameterValue("cannot delete from object using integer index")
    if not isinstance(value, list):
        raise InvalidParameterValue("cannot delete from scalar")
    if not -len(value) <= index < len(value):
        return text
    index %= len(value)
    return written(value[:index] + value[index + 1 :])


class _PathChange:
    """A change at the end of a path: `mode` is 'set', 'insert' or 'delete'."""

    def __init__(self, path: tuple[str | None, ...], mode: str, new: Any, create: bool, after: bool) -> None:
        self.path = path
        self.mode = mode
        self.new = new
        self.create = create
        self.after = after

    def apply(self, value: Any, depth: int = 0) -> Any:
        """The value with the change made; the value itself where the path leads nowhere."""
        if not _is_container(value) or depth >= len(self.path):
            return value
        step = self.path[depth]
        if step is None:
            raise NullValueNotAllowed(f"path element at position {depth + 1} is null")
        if isinstance(value, dict):
            return self._in_object(value, step, depth)
        return self._in_array(value, self._index(step, depth), depth)

    def _index(self, step: str, depth: int) -> int:
        index = path_index(step)
        if index is None:
            raise InvalidTextRepresentation(
                f'path element at position {depth + 1} is not an integer: "{step}"'
            )
        return index

    def _in_object(self, value: dict[str, Any], step: str, depth: int) -> Any:
        last = depth == len(self.path) - 1
        if step not in value:
            return {**value, step: self.new} if last and self.mode != "delete" and self.create else value
        if not last:
            return {**value, step: self.apply(value[step], depth + 1)}
        if self.mode == "delete":
            return {key: item for key, item in value.items() if key != step}
        if self.mode == "insert":
            raise InvalidParameterValue(
                "cannot replace existing key", hint="Try using the function jsonb_set to replace key value."
            )
        return {**value, step: self.new}

    def _in_array(self, value: list[Any], index: int, depth: int) -> Any:
        last = depth == len(self.path) - 1
        inside = -len(value) <= index < len(value)
        if not inside:
            if not last or self.mode == "delete" or not self.create:
                return value
            return [self.new, *value] if index < 0 else [*value, self.new]
        index %= len(value)
        if not last:
            changed = [self.apply(value[index], depth + 1)]
        elif self.mode == "delete":
            changed = []
        elif self.mode == "insert":
            changed = [value[index], self.new] if self.after else [self.new, value[index]]
        else:
            changed = [self.new]
        return value[:index] + changed + value[index + 1 :]


def assign_jsonb(text: str | None, new: str | None, *steps: object) -> str:
    """`text` with `new` at the steps; what is missing on the way there is made.

    A missing step that reads as an integer makes an array, any other an object; gaps in arrays are filled with nulls.
    """
    if None in steps:
        raise NullValueNotAllowed("jsonb subscript in assignment must not be null")
    empty: Any = [] if isinstance(steps[0], int) else {}
    path = tuple(str(step) for step in steps)
    return written(
        _filled(empty if text is None else parsed(text), path, 0, None if new is None else parsed(new))
    )


def _filled(value: Any, path: tuple[str, ...], depth: int, new: Any) -> Any:
    if depth == len(path):
        return new
    step = path[depth]
    if isinstance(value, dict):
        inner = _filled(value[step], path, depth + 1, new) if step in value else _made(path, depth + 1, new)
        return {**value, step: inner}
    if not isinstance(value, list):
        raise InvalidParameterValue(
            "cannot replace existing key",
            detail="The path assumes key is a composite object, but it is a scalar value.",
        )
    index = path_index(step)
    if index is None:
        raise InvalidTextRepresentation(f'path element at position {depth + 1} is not an integer: "{step}"')
    if index < -len(value):
        raise InvalidParameterValue(f"path element at position {depth + 1} is out of range: {index}")
    if index < len(value):
        place = index % len(value)
        return [*value[:place], _filled(value[place], path, depth + 1, new), *value[place + 1 :]]
    return [*value, *[None] * (index - len(value)), _made(path, depth + 1, new)]


def _made(path: tuple[str, ...], depth: int, new: Any) -> Any:
    """What the rest of a path leads through where there is nothing yet."""
    for step in reversed(path[depth:]):
        index = path_index(step)
        new = {step: new} if index is None else [*[None] * max(index, 0), new]
    return new


def _check_changeable(value: Any, verb: str) -> None:
    if not _is_container(value):
        raise InvalidParameterValue(f"cannot {verb} scalar")


def _delete_path(text: str, path: tuple[str | None, ...]) -> str:
    value = parsed(text)
    _check_changeable(value, "delete path in")
    if not value:
        return text
    return written(_PathChange(path, "delete", None, False, False).apply(value))


def _set(text: str, path: tuple[str | None, ...], new: str, create: bool = True) -> str:
    value = parsed(text)
    _check_changeable(value, "set path in")
    if not value and not create:
        return text
    return written(_PathChange(path, "set", parsed(new), create, False).apply(value))


def _insert(text: str, path: tuple[str | None, ...], new: str, after: bool = False) -> str:
    value = parsed(text)
    _check_changeable(value, "set path in")
    return written(_PathChange(path, "insert", parsed(new), True, after).apply(value))


def _set_lax(
    text: str | None,
    path: tuple[str | None, ...] | None,
    new: str | None,
    create: bool | None = True,
    null_treatment: str | None = "use_json_null",
) -> str | None:
    if text is None or path is None or create is None:
        return None
    if null_treatment not in ("raise_exception", "use_json_null", "delete_key", "return_target"):
        raise InvalidParameterValue(
            'null_value_treatment must be "delete_key", "return_target", "use_json_null", or "raise_exception"'
        )
    if new is not None:
        return _set(text, path, new, create)
    if null_treatment == "raise_exception":
        raise NullValueNotAllowed(
            "JSON value must not be null",
            detail='Exception was raised because null_value_treatment is "raise_exception".',
            hint="To avoid, either change the null_value_treatment argument or ensure that an SQL NULL is not passed.",
        )
    if null_treatment == "return_target":
        return text
    return _delete_path(text, path) if null_treatment == "delete_key" else _set(text, path, "null", create)


define("jsonb_concat", _concatenated)
define("jsonb_delete", lambda text, key: _delete_keys(text, (key,)))
define("jsonb_delete_array", lambda text, *keys: _delete_keys(text, keys))
define("jsonb_delete_idx", _delete_index)
define("jsonb_delete_path", _delete_path)
define("jsonb_set", _set)
define("jsonb_insert", _insert)
define("jsonb_set_lax", _set_lax)


# --- whole values -------------------------------------------------------------------------------------------


def _array_length(text: str) -> int:
    value = parsed(text)
    if not isinstance(value, list):
        raise InvalidParameterValue(
            f"cannot get array length of a {'non-array' if isinstance(value, dict) else 'scalar'}"
        )
    return len(value)


def _elements(text: str) -> list[Any]:
    value = parsed(text)
    if not isinstance(value, list):
        raise InvalidParameterValue(
            f"cannot extract elements from {'an object' if isinstance(value, dict) else 'a scalar'}"
        )
    return value


def _members(function: str) -> Callable[[str], list[tuple[str, Any]]]:
    def members(text: str) -> list[tuple[str, Any]]:
        value = parsed(text)
        if not isinstance(value, dict):
            raise InvalidParameterValue(f"cannot call {function} on a non-object")
        return list(value.items())

    return members


def _keys(text: str) -> list[str]:
    value = parsed(text)
    if not isinstance(value, dict):
        what = "an array" if isinstance(value, list) else "a scalar"
        raise InvalidParameterValue(f"cannot call jsonb_object_keys on {what}")
    return list(value)


def _pretty(value: Any, indent: str = "") -> str:
    deeper = indent + "    "
    if isinstance(value, dict) and value:
        items = [f"{deeper}{written(key)}: {_pretty(item, deeper)}" for key, item in value.items()]
        return "{\n" + ",\n".join(items) + f"\n{indent}}}"
    if isinstance(value, list) and value:
        items = [deeper + _pretty(item, deeper) for item in value]
        return "[\n" + ",\n".join(items) + f"\n{indent}]"
    if isinstance(value, (dict, list)):
        return f"{'{' if isinstance(value, dict) else '['}\n{indent}{'}' if isinstance(value, dict) else ']'}"
    return written(value)


_each = _members("jsonb_each")
_each_text = _members("jsonb_each_text")

define("jsonb_array_length", _array_length)
define("jsonb_array_elements", lambda text: [written(item) for item in _elements(text)])
define("jsonb_array_elements_text", lambda text: [text_of_value(item) for item in _elements(text)])
define("jsonb_each", lambda text: [(key, written(item)) for key, item in _each(text)])
define("jsonb_each_text", lambda text: [(key, text_of_value(item)) for key, item in _each_text(text)])
define("jsonb_object_keys", _keys)
define("jsonb_typeof", lambda text: type_name(parsed(text)))
define("jsonb_strip_nulls", lambda text: written(without_nulls(parsed(text))))
define("jsonb_pretty", lambda text: _pretty(parsed(text)))


# --- casts --------------------------------------------------------------------------------------------------


def _scalar(text: str, kind: str, target: str) -> Any:
    value = parsed(text)
    found = type_name(value)
    if found != kind:
        shown = "numeric" if found == "number" else found
        raise InvalidParameterValue(f"cannot cast jsonb {shown} to type {target}")
    return value


def _number_cast(source: str, target: str) -> Implementation:
    """The cast that goes on with numeric's own."""

    def cast(text: str) -> object:
        value: Decimal = _scalar(text, "number", target)
        if source == "numeric_numeric":
            return value
        implementation = implementation_of(source)
        assert implementation is not None
        return implementation(value)

    return cast


define("jsonb_bool", lambda text: _scalar(text, "boolean", "boolean"))
define("jsonb_numeric", _number_cast("numeric_numeric", "numeric"))
for _suffix, _target in (
    ("int2", "smallint"),
    ("int4", "integer"),
    ("int8", "bigint"),
    ("float4", "real"),
    ("float8", "double precision"),
):
    define(f"jsonb_{_suffix}", _number_cast(f"numeric_{_suffix}", _target))
