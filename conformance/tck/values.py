"""Values: those that the suites write in their tables, and those that Skerry gives, in one form to compare.

    null, true, 1, 1.5, 'text', [1, 2], {k: v}, (:Label {k: v}), [:TYPE {k: v}], <(:A)-[:T]->(:B)>

Numbers compare by value: what is 1.0 to Cypher is DECIMAL or FLOAT to GQL.
"""

from __future__ import annotations

import datetime
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from skerry.types import Interval
from tck.cursor import Cursor
from tck.cypher import NAME, NUMBER, QUOTED, STRING, NotCypher

_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}


@dataclass(frozen=True)
class Element:
    """A node (`kind` is node) or an edge as compared: labels sorted, properties sorted by name."""

    kind: str
    labels: tuple[str, ...]
    properties: tuple[tuple[str, object], ...]


@dataclass(frozen=True)
class Walk:
    """A path: nodes, and between them edges with the direction in which they are walked."""

    items: tuple[object, ...]


@dataclass(frozen=True)
class Map:
    """A map or record."""

    items: tuple[tuple[str, object], ...]


def parse_value(text: str) -> object:
    """A table's cell in the form to compare.  Raises NotCypher."""
    reader = _Reader(text)
    value = reader.value()
    if reader.token.text:
        raise reader.unexpected("the end")
    return value


def parse_parameter(text: str) -> object:
    """A parameter's value as Python has it."""
    return _as_python(parse_value(text))


def _as_python(value: object) -> object:
    if isinstance(value, Map):
        return {name: _as_python(item) for name, item in value.items}
    if isinstance(value, tuple):
        return [_as_python(item) for item in value]
    return value


class _Reader(Cursor):
    """Reads the tables' notation, whose tokens are Cypher's."""

    def value(self) -> object:
        if self.is_symbol("-"):
            self.advance()
            return _negative(self.value())
        kind = self.token.kind
        if kind == NUMBER:
            return _number(self.advance().text)
        if kind == STRING:
            return _unquoted(self.advance().text)
        if kind in (NAME, QUOTED):
            return self._word()
        readers: dict[str, Callable[[], object]] = {
            "[": self._list_or_edge,
            "{": lambda: Map(self._entries()),
            "(": self._node,
            "<": self._path,
        }
        if self.token.text not in readers:
            raise self.unexpected("a value")
        return readers[self.token.text]()

    def _word(self) -> object:
        word = self.advance().text
        known = {
            "true": True,
            "false": False,
            "null": None,
            "NaN": "NaN",
            "Inf": math.inf,
            "Infinity": math.inf,
        }
        if word not in known:
            raise NotCypher(f"no value: {word}")
        return known[word]

    def _list_or_edge(self) -> object:
        self.expect_symbol("[")
        if self.is_symbol(":"):
            edge = self._element("edge")
            self.expect_symbol("]")
            return edge
        items: list[object] = []
        while not self.is_symbol("]"):
            items.append(self.value())
            self.take_symbol(",")
        self.expect_symbol("]")
        return tuple(items)

    def _entries(self) -> tuple[tuple[str, object], ...]:
        self.expect_symbol("{")
        items: list[tuple[str, object]] = []
        while not self.is_symbol("}"):
            name = self.expect_name()
            self.expect_symbol(":")
            items.append((name, self.value()))
            self.take_symbol(",")
        self.expect_symbol("}")
        return tuple(sorted(items, key=_name_of))

    def _element(self, kind: str) -> Element:
        labels: list[str] = []
        while self.take_symbol(":"):
            labels.append(self.expect_name())
        properties = self._entries() if self.is_symbol("{") else ()
        return Element(kind, tuple(sorted(labels)), properties)

    def _node(self) -> Element:
        self.expect_symbol("(")
        node = self._element("node")
        self.expect_symbol(")")
        return node

    def _path(self) -> Walk:
        self.expect_symbol("<")
        items: list[object] = [self._node()]
        while not self.is_symbol(">"):
            left = self.take_symbol("<")
            self.expect_symbol("-")
            edge = self._list_or_edge()
            self.expect_symbol("-")
            if not left:
                self.expect_symbol(">")
            items += [("<" if left else ">", edge), self._node()]
        self.expect_symbol(">")
        return Walk(tuple(items))


def _name_of(entry: tuple[str, object]) -> str:
    return entry[0]


def _negative(value: object) -> object:
    if not isinstance(value, (int, float, Decimal)):
        raise NotCypher("only numbers are negative")
    return -value


def _number(text: str) -> object:
    if text.lower().startswith("0x"):
        return int(text, 16)
    return int(text) if text.isdigit() else float(text)


def _unquoted(literal: str) -> str:
    found: list[str] = []
    characters = iter(literal[1:-1])
    for character in characters:
        if character == "\\":
            escaped = next(characters)
            found.append(_ESCAPES.get(escaped, escaped))
        else:
            found.append(character)
    return "".join(found)


# --- what Skerry gives ---------------------------------------------------------------------------------------------


def canonical(value: Any) -> object:
    """A value from the driver in the form to compare."""
    if isinstance(value, (list, tuple)):
        return tuple(canonical(item) for item in value)
    if isinstance(value, Mapping):
        return Map(
            tuple(sorted(((str(name), canonical(item)) for name, item in value.items()), key=_name_of))
        )
    if hasattr(value, "edges") and hasattr(value, "nodes"):
        return _walk(value)
    if hasattr(value, "labels") and hasattr(value, "properties"):
        return _element_of(value)
    if isinstance(value, float) and math.isnan(value):
        return "NaN"
    return temporal_text(value)


def temporal_text(value: Any) -> object:
    """A temporal value as Cypher writes it; anything else as it is."""
    if isinstance(value, datetime.datetime):
        return f"{value.date().isoformat()}T{_time_text(value.timetz())}"
    if isinstance(value, datetime.date):
        return value.isoformat()
    if isinstance(value, datetime.time):
        return _time_text(value)
    if isinstance(value, datetime.timedelta):
        microseconds = value // datetime.timedelta(microseconds=1)
        days, rest = _divided(microseconds, 86_400_000_000)
        return _duration_text(0, days, rest)
    if isinstance(value, Interval):
        return _duration_text(value.months, value.days, value.microseconds)
    return value


def _time_text(value: datetime.time) -> str:
    """Seconds only where there are any, their fraction without trailing zeros, Z for no offset."""
    text = f"{value.hour:02}:{value.minute:02}"
    if value.second or value.microsecond:
        text += f":{value.second:02}"
    if value.microsecond:
        text += f".{value.microsecond:06}".rstrip("0")
    offset = value.utcoffset()
    if offset is None:
        return text
    seconds = int(offset.total_seconds())
    if not seconds:
        return text + "Z"
    minutes, rest = divmod(abs(seconds), 60)
    tail = f":{rest:02}" if rest else ""
    return f"{text}{'-' if seconds < 0 else '+'}{minutes // 60:02}:{minutes % 60:02}{tail}"


def _duration_text(months: int, days: int, microseconds: int) -> str:
    """ISO 8601 with signs in front of each number."""
    years, months = _divided(months, 12)
    hours, rest = _divided(microseconds, 3_600_000_000)
    minutes, rest = _divided(rest, 60_000_000)
    date = "".join(f"{number}{unit}" for number, unit in ((years, "Y"), (months, "M"), (days, "D")) if number)
    time = "".join(f"{number}{unit}" for number, unit in ((hours, "H"), (minutes, "M")) if number)
    if rest:
        seconds = f"{abs(rest) // 1_000_000}.{abs(rest) % 1_000_000:06}".rstrip("0").rstrip(".")
        time += f"{'-' if rest < 0 else ''}{seconds}S"
    if not date and not time:
        return "PT0S"
    return f"P{date}T{time}" if time else f"P{date}"


def _divided(number: int, by: int) -> tuple[int, int]:
    """Quotient and remainder, both with the number's sign."""
    quotient, remainder = divmod(abs(number), by)
    return (-quotient, -remainder) if number < 0 else (quotient, remainder)


def _element_of(value: Any) -> Element:
    properties = {name: item for name, item in value.properties.items() if item is not None}
    mapped = canonical(properties)
    assert isinstance(mapped, Map)
    return Element("edge" if hasattr(value, "source") else "node", tuple(sorted(value.labels)), mapped.items)


def _walk(path: Any) -> Walk:
    items: list[object] = [_element_of(path.nodes[0])]
    for edge, before, after in zip(path.edges, path.nodes, path.nodes[1:], strict=False):
        forward = edge.source == before.id and edge.target == after.id
        items += [(">" if forward else "<", _element_of(edge)), _element_of(after)]
    return Walk(tuple(items))


def sort_key(value: object) -> str:
    """A text by which rows can be brought into one order; equal values have equal texts."""
    return repr(_comparable(value))


def _comparable(value: object) -> object:
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return value
    if isinstance(value, (int, float, Decimal)):
        return ("number", float(value))
    if isinstance(value, (tuple, list)):
        return tuple(_comparable(item) for item in value)
    if isinstance(value, Map):
        return ("map", _comparable(value.items))
    if isinstance(value, Element):
        return (value.kind, value.labels, _comparable(value.properties))
    if isinstance(value, Walk):
        return ("path", _comparable(value.items))
    return value


def without_list_order(value: object) -> object:
    """A value whose lists are sorted."""
    if isinstance(value, tuple):
        return tuple(sorted((without_list_order(item) for item in value), key=sort_key))
    return value
