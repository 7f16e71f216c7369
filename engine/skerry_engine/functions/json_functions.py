"""Functions of json, which keeps its text: parts come out as they were written.

The text is known to be valid, so members are found by reading value after value and noting where each begins
and ends.  Of equal keys the last one counts, except where all members are listed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

from skerry_engine.errors import InvalidParameterValue
from skerry_engine.functions.registry import define

_DECODER = json.JSONDecoder(parse_float=str, parse_int=str)
_BLANKS = re.compile(r"[ \t\n\r]*")
_INTEGER = re.compile(r"\s*[+-]?\d+\s*")


def _skip(text: str, position: int) -> int:
    match = _BLANKS.match(text, position)
    assert match is not None
    return match.end()


def kind_of(text: str) -> str:
    """object, array, string, number, boolean or null."""
    first = text[_skip(text, 0)]
    return {"{": "object", "[": "array", '"': "string", "t": "boolean", "f": "boolean", "n": "null"}.get(
        first, "number"
    )


def elements_of(text: str) -> Iterator[str]:
    """The elements of a JSON array, as written."""
    position = _skip(text, _skip(text, 0) + 1)
    while text[position] != "]":
        _value, end = _DECODER.raw_decode(text, position)
        yield text[position:end]
        position = _skip(text, end)
        if text[position] == ",":
            position = _skip(text, position + 1)


def members_of(text: str) -> Iterator[tuple[str, str]]:
    """The members of a JSON object: key unescaped, value as written."""
    position = _skip(text, _skip(text, 0) + 1)
    while text[position] != "}":
        key, end = _DECODER.raw_decode(text, position)
        position = _skip(text, _skip(text, end) + 1)
        _value, end = _DECODER.raw_decode(text, position)
        yield key, text[position:end]
        position = _skip(text, end)
        if text[position] == ",":
            position = _skip(text, position + 1)


def text_of_json(text: str | None) -> str | None:
    """A JSON value as ->> gives it: strings unescaped, null as NULL, the rest as written."""
    if text is None:
        return None
    stripped = text.strip(" \t\n\r")
    if stripped == "null":
        return None
    if stripped.startswith('"'):
        value: str = json.loads(stripped)
        return value
    return text


# --- parts --------------------------------------------------------------------------------------------------


def _member(text: str, key: str) -> str | None:
    if kind_of(text) != "object":
        return None
    found = None
    for name, value in members_of(text):
        if name == key:
            found = value
    return found


def _element(text: str, index: int) -> str | None:
    if kind_of(text) != "array":
        return None
    items = list(elements_of(text))
    return items[index] if -len(items) <= index < len(items) else None


def path_index(step: str) -> int | None:
    """A path step as an array subscript, None when it is none."""
    if _INTEGER.fullmatch(step) is None or not -(2**31) <= int(step) < 2**31:
        return None
    return int(step)


def _at_path(text: str, path: tuple[str | None, ...]) -> str | None:
    current: str | None = text
    for step in path:
        if step is None or current is None:
            return None
        kind = kind_of(current)
        if kind == "object":
            current = _member(current, step)
        else:
            index = path_index(step)
            current = None if index is None else _element(current, index)
    return current.strip(" \t\n\r") if current is not None and not path else current


def _then_text(function: Callable[..., str | None]) -> Callable[..., str | None]:
    return lambda *args: text_of_json(function(*args))


define("json_object_field", _member)
define("json_object_field_text", _then_text(_member))
define("json_array_element", _element)
define("json_array_element_text", _then_text(_element))
define("json_extract_path", lambda text, *path: _at_path(text, path))
define("json_extract_path_text", _then_text(lambda text, *path: _at_path(text, path)))


# --- whole values -------------------------------------------------------------------------------------------


def _wrong_kind(message: str) -> InvalidParameterValue:
    return InvalidParameterValue(message)


def _array_length(text: str) -> int:
    kind = kind_of(text)
    if kind != "array":
        raise _wrong_kind(f"cannot get array length of a {'non-array' if kind == 'object' else 'scalar'}")
    return sum(1 for _ in elements_of(text))


def _elements(function: str) -> Callable[[str], list[str]]:
    def elements(text: str) -> list[str]:
        kind = kind_of(text)
        if kind != "array":
            raise _wrong_kind(f"cannot call {function} on a {'non-array' if kind == 'object' else 'scalar'}")
        return list(elements_of(text))

    return elements


def _members(text: str) -> list[tuple[str, str]]:
    kind = kind_of(text)
    if kind != "object":
        what = "an array as an object" if kind == "array" else "a scalar"
        raise _wrong_kind(f"cannot deconstruct {what}")
    return list(members_of(text))


def _keys(text: str) -> list[str]:
    kind = kind_of(text)
    if kind != "object":
        raise _wrong_kind(f"cannot call json_object_keys on {'an array' if kind == 'array' else 'a scalar'}")
    return [key for key, _value in members_of(text)]


def without_nulls(value: Any) -> Any:
    """A Python form of JSON without the object members that are null."""
    if isinstance(value, dict):
        return {key: without_nulls(item) for key, item in value.items() if item is not None}
    return [without_nulls(item) for item in value] if isinstance(value, list) else value


def _strip_nulls(text: str) -> str:
    kind = kind_of(text)
    if kind == "object":
        kept = [(key, value) for key, value in members_of(text) if kind_of(value) != "null"]
        return "{" + ",".join([f"{_quoted(key)}:{_strip_nulls(value)}" for key, value in kept]) + "}"
    if kind == "array":
        return "[" + ",".join([_strip_nulls(item) for item in elements_of(text)]) + "]"
    return text.strip(" \t\n\r")


_quoted = json.JSONEncoder(ensure_ascii=False).encode

define("json_array_length", _array_length)
define("json_array_elements", _elements("json_array_elements"))
_elements_text = _elements("json_array_elements_text")
define(
    "json_array_elements_text",
    lambda text: [text_of_json(item) for item in _elements_text(text)],
)


def record(text: str) -> str:
    """What json_to_record takes apart: an object."""
    kind = kind_of(text)
    if kind == "object":
        return text
    raise InvalidParameterValue(
        f"cannot call populate_composite on {'an array' if kind == 'array' else 'a scalar'}"
    )


def recordset(name: str, text: str | None) -> list[str]:
    """What json_to_recordset takes apart: the objects of an array."""
    if text is None:
        return []
    kind = kind_of(text)
    if kind != "array":
        raise InvalidParameterValue(
            f"cannot call {name} on {'an object' if kind == 'object' else 'a scalar'}"
        )
    items = _elements(name)(text)
    if any(kind_of(item) != "object" for item in items):
        raise InvalidParameterValue(f"argument of {name} must be an array of objects")
    return items


# The fields are taken out by the binder, which knows their names and types.
define("json_to_record", record)
define("json_to_recordset", lambda text: recordset("json_to_recordset", text))
define("jsonb_to_record", record)
define("jsonb_to_recordset", lambda text: recordset("jsonb_to_recordset", text))
define("json_each", _members)
define("json_each_text", lambda text: [(key, text_of_json(value)) for key, value in _members(text)])
define("json_object_keys", _keys)
define("json_typeof", kind_of)
define("json_strip_nulls", _strip_nulls)
