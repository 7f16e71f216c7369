"""Graphs' values from the JSON in which a server sends them, and parameters as such JSON.

The dialect is the typed one, which this driver asks for when it connects (setting skerry.typed_json): whole numbers are
int, others float, and what JSON lacks is an object with one member that names the type, {"$date": "1990-01-01"}.  A
record whose only member begins with a dollar sign is wrapped in {"$graphrecord": ...}.
"""

from __future__ import annotations

import datetime
import json
import math
import uuid
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal

from skerry.graph import Edge, Node, Path
from skerry.types import Interval

TYPED_JSON = ("skerry.typed_json", "on")
"""The setting that makes a server write this dialect."""

ANYVALUE_OID = 9106
ANYVALUE_ARRAY_OID = 9107
RECORD_OID = 9108
RECORD_ARRAY_OID = 9109
JSONB_OID = 3802
JSONB_ARRAY_OID = 3807

Json = object


# --- reading ------------------------------------------------------------------------------------------------


def read_node(text: str) -> object:
    """A node's text."""
    return _node(json.loads(text))


def read_edge(text: str) -> object:
    """An edge's text."""
    return _edge(json.loads(text))


def read_path(text: str) -> object:
    """A path's text."""
    return _path(json.loads(text))


def read_value(text: str) -> object:
    """The text of a dynamically typed value, or of a record."""
    return _value(json.loads(text))


def _node(found: dict[str, Json]) -> Node:
    return Node(found["id"], found["labels"], _properties(found["properties"]))  # type: ignore[arg-type]


def _edge(found: dict[str, Json]) -> Edge:
    return Edge(
        found["id"],  # type: ignore[arg-type]
        found["labels"],  # type: ignore[arg-type]
        _properties(found["properties"]),
        found["source"],  # type: ignore[arg-type]
        found["target"],  # type: ignore[arg-type]
        found.get("directed") is not False,
    )


def _path(found: dict[str, list[dict[str, Json]]]) -> Path:
    return Path([_node(node) for node in found["nodes"]], [_edge(edge) for edge in found["edges"]])


def _properties(found: object) -> dict[str, object]:
    assert isinstance(found, dict)
    return {name: _value(value) for name, value in found.items()}


def _value(found: Json) -> object:
    if isinstance(found, list):
        return [_value(item) for item in found]
    if not isinstance(found, dict):
        return found
    if len(found) == 1:
        ((name, inner),) = found.items()
        if name.startswith("$"):
            return _TAGGED[name](inner)
    return _properties(found)


def _as_text(type_oid: int) -> Callable[[Json], object]:
    def read(text: Json) -> object:
        from skerry.text_values import reader_of

        return reader_of(type_oid)(str(text))

    return read


def _as_it_is(value: Json) -> object:
    return value


class _Tags(dict[str, Callable[[Json], object]]):
    """Readers by tag; what has no Python object of its own stays as it came, and a list is a list, whatever type it is
    said to have ("$_int8")."""

    def __missing__(self, tag: str) -> Callable[[Json], object]:
        return _value if tag.startswith("$_") else _as_it_is


_TAGGED = _Tags(
    {
        "$graphrecord": _properties,
        "$node": _node,  # type: ignore[dict-item]
        "$edge": _edge,  # type: ignore[dict-item]
        "$graphpath": _path,  # type: ignore[dict-item]
        "$bytea": _as_text(17),
        "$float8": float,  # type: ignore[dict-item]
        "$date": _as_text(1082),
        "$time": _as_text(1083),
        "$timestamp": _as_text(1114),
        "$timestamptz": _as_text(1184),
        "$interval": _as_text(1186),
        "$timetz": _as_text(1266),
        "$numeric": _as_text(1700),
        "$uuid": _as_text(2950),
    }
)


# --- writing ------------------------------------------------------------------------------------------------


def is_plain_json(value: object) -> bool:
    """Whether JSON has everything in the value: then a dict is jsonb, which SQL and GQL both take."""
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, Mapping):
        return all(is_plain_json(item) for item in value.values())
    if isinstance(value, list | tuple):
        return all(is_plain_json(item) for item in value)
    return value is None or isinstance(value, str | int)


def is_regular(value: Sequence[object]) -> bool:
    """Whether a list is like an array of SQL: of atoms alone, or of lists alone, all of one shape."""
    return shape_of(value) is not None


def shape_of(value: Sequence[object]) -> tuple[int, ...] | None:
    """The lengths of an array's dimensions; None for what is no array of SQL."""
    shapes = {shape_of(item) if isinstance(item, list | tuple) else () for item in value}
    if len(shapes) > 1 or None in shapes:
        return None
    (inner,) = shapes or {()}
    assert inner is not None
    return (len(value), *inner) if 0 not in inner else None


def write_value(value: object) -> str | None:
    """A parameter as JSON of the typed dialect; None for None.

    Raises TypeError for objects that no type stands for.
    """
    return None if value is None else json.dumps(typed_json(value), ensure_ascii=False)


def typed_json(value: object) -> Json:
    """What `json.dumps` makes the typed dialect of."""
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else {"$float8": _special(value)}
    if isinstance(value, Mapping):
        members = {str(name): typed_json(item) for name, item in value.items()}
        is_like_a_tag = len(members) == 1 and next(iter(members)).startswith("$")
        return {"$graphrecord": members} if is_like_a_tag else members
    if isinstance(value, list | tuple):
        return [typed_json(item) for item in value]
    for kind, tag, write in _TAGS:
        if isinstance(value, kind):
            return {tag(value): write(value)}
    raise TypeError(f"Python objects of type {type(value).__name__} are not supported as parameters")


def _special(value: float) -> str:
    return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"


def _moment_tag(value: object) -> str:
    assert isinstance(value, datetime.datetime | datetime.time)
    name = "timestamp" if isinstance(value, datetime.datetime) else "time"
    if value.tzinfo is None:
        return f"${name}"
    return "$timestamptz" if name == "timestamp" else "$timetz"


def _always(tag: str) -> Callable[[object], str]:
    return lambda value: tag


def _iso(value: object) -> str:
    assert isinstance(value, datetime.date | datetime.time)
    return value.isoformat()


def _hex(value: object) -> str:
    assert isinstance(value, bytes | bytearray | memoryview)
    return "\\x" + bytes(value).hex()


def _span(value: object) -> str:
    assert isinstance(value, datetime.timedelta)
    return f"{value.days} days {value.seconds * 1_000_000 + value.microseconds} microseconds"


_TAGS: Sequence[tuple[type | tuple[type, ...], Callable[[object], str], Callable[[object], Json]]] = (
    (Decimal, _always("$numeric"), str),
    ((datetime.datetime, datetime.time), _moment_tag, _iso),
    (datetime.date, _always("$date"), _iso),
    (datetime.timedelta, _always("$interval"), _span),
    (Interval, _always("$interval"), str),
    (uuid.UUID, _always("$uuid"), str),
    ((bytes, bytearray, memoryview), _always("$bytea"), _hex),
)
