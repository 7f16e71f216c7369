"""Graphs' values as text, which is JSON, and back.

    node         {"id": 42, "labels": ["Person"], "properties": {"name": "Alix", "born": "1990-01-01"}}
    edge         the same with "source": 42, "target": 43; of an undirected one these are its two ends, and
                 "directed": false follows
    path         {"nodes": [...], "edges": [...]}
    record       {"name": "Alix", "n": 1}
    anyvalue     the JSON of what it holds

There are two dialects.  The *plain* one is for people and for programs that know nothing of Skerry: dates, decimals
and the like are what JSON has for them, and their types are lost.  The *typed* one (setting skerry.typed_json, which
Skerry's driver turns on) tells the type wherever JSON leaves a doubt, in an object with one member:

    {"$date": "1990-01-01"}   {"$numeric": "9.99"}   {"$float8": "NaN"}   {"$node": {...}}   {"$jsonb": {...}}
    {"$graphrecord": {"$date": 1}}      a record that would look like one of these
    {"$_int8": []}                      a list whose items do not tell its type

so that JSON's integers are bigints and its other numbers floats.  Text within it does not depend on settings: ISO
dates, UTC, hexadecimal bytes.  `read_anyvalue` and `read_record` read both dialects; they give a list the array type
of its items' one type, as `list_of` does.

Arrays print as arrays do ({...}), their items being JSON; the binary form of everything here is its text in UTF-8.

Elements hold no names: `abc.ElementResolver` has their labels and properties.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from skerry_engine.abc import ElementResolver
from skerry_engine.errors import (
    ArraySubscriptError,
    InvalidTextRepresentation,
    NotSupportedError,
    StatementTooComplex,
)
from skerry_engine.values import arrays, oids
from skerry_engine.values.graphs import (
    UNTAGGED,
    AnyValue,
    Element,
    GraphRecord,
    Path,
    atom_of,
    dynamic,
    is_edge,
    path_edges,
    path_nodes,
    type_of,
)
from skerry_engine.values.json_diagnosis import find_bad_escape
from skerry_engine.values.json_text import parse_json, write_canonical
from skerry_engine.values.numeric import write_numeric
from skerry_engine.values.text import read_text
from skerry_engine.values.types import (
    SqlType,
    find_type,
    internal_type,
    qualified_type,
    type_display,
    type_info,
)

if TYPE_CHECKING:
    from skerry_engine.values.io import IoContext

_string: Final = json.JSONEncoder(ensure_ascii=False).encode
_INT8_MIN: Final = -(2**63)
_INT8_MAX: Final = 2**63 - 1

# --- writing ------------------------------------------------------------------------------------------------


def text_encoder(type_oid: int, io: IoContext) -> Callable[[Any], str]:
    """The function that writes values of a graph type, or of arrays of one."""
    element_oid = oids.GRAPH_ARRAYS.get(type_oid)
    if element_oid is not None:
        return _array_encoder(text_encoder(element_oid, io))
    return JsonWriter(io).writer(type_oid)


def binary_encoder(type_oid: int, io: IoContext) -> Callable[[Any], bytes]:
    """The function that gives their binary form."""
    element_oid = oids.GRAPH_ARRAYS.get(type_oid)
    if element_oid is None:
        write = text_encoder(type_oid, io)
        return lambda value: write(value).encode()
    item = binary_encoder(element_oid, io)
    pack = arrays.array_packer(element_oid, bytes, 1)
    return lambda value: pack(tuple([None if each is None else item(each) for each in value]))


def _array_encoder(item: Callable[[Any], str]) -> Callable[[tuple[Any, ...]], str]:
    """As arrays are written; only that tuples are items here, and no rows of a second dimension."""
    join = arrays.array_writer(str, ",")
    return lambda value: join(tuple([None if each is None else item(each) for each in value]))


class JsonWriter:
    """Writes values as JSON in the dialect that the settings ask for."""

    def __init__(self, io: IoContext) -> None:
        self.io = io
        self.is_typed = io.typed_json
        self._encoders: dict[int, Callable[[Any], str]] = {}

    def writer(self, type_oid: int) -> Callable[[Any], str]:
        """The function that writes a value of a graph type, at the top of a text."""
        return self._guarded(_TOP_WRITERS[type_oid])

    def _guarded(self, write: Callable[[JsonWriter, Any], str]) -> Callable[[Any], str]:
        def guarded(value: Any) -> str:
            try:
                return write(self, value)
            except RecursionError:
                raise StatementTooComplex("stack depth limit exceeded") from None

        return guarded

    # --- elements ----------------------------------------

    def element(self, value: Element) -> str:
        """A node or an edge."""
        elements = resolver(self.io)
        graph_oid, table_oid, row_id, row = value[:4]
        labels = ", ".join([_string(label) for label in elements.labels(graph_oid, table_oid, row)])
        members = self.members(
            (name, self.value(type_oid, atom))
            for name, type_oid, atom in elements.properties(graph_oid, table_oid, row)
        )
        head = f'{{"id": {_id(elements.element_id(graph_oid, table_oid, row_id))}'
        ends = ""
        if is_edge(value):
            source = elements.element_id(graph_oid, value[4], value[5])
            target = elements.element_id(graph_oid, value[6], value[7])
            ends = f', "source": {_id(source)}, "target": {_id(target)}'
            if not elements.is_directed(graph_oid, table_oid, row):
                ends += ', "directed": false'
        return f'{head}, "labels": [{labels}], "properties": {members}{ends}}}'

    def path(self, value: Path) -> str:
        nodes = ", ".join([self.element(node) for node in path_nodes(value)])
        edges = ", ".join([self.element(edge) for edge in path_edges(value)])
        return f'{{"nodes": [{nodes}], "edges": [{edges}]}}'

    def record(self, value: GraphRecord) -> str:
        text = self.members((name, self.any(item)) for name, item in value)
        if self.is_typed and len(value) == 1 and value[0][0].startswith("$"):
            return self.tagged(oids.GRAPHRECORD, text)
        return text

    def members(self, pairs: Iterable[tuple[str, str]]) -> str:
        return "{" + ", ".join([f"{_string(name)}: {text}" for name, text in pairs]) + "}"

    # --- values ----------------------------------------

    def any(self, value: AnyValue) -> str:
        """An anyvalue; None is null."""
        if value is None:
            return "null"
        return self.value(type_of(value), value[1] if type(value) is tuple else value)

    def value(self, type_oid: int, atom: Any) -> str:
        """A value of a type that stands inside another."""
        if atom is None:
            return "null"
        if type_oid in _NUMBERS or type_oid == oids.ANYVALUE:
            return self.number(atom) if type_oid != oids.ANYVALUE else self.any(atom)
        if type_oid == oids.BOOL:
            return "true" if atom else "false"
        if type_oid in oids.STRINGS or type_oid == oids.UNKNOWN:
            return _string(atom)
        if type_oid == oids.GRAPHRECORD:
            return self.record(atom)
        nested = _NESTED_WRITERS.get(type_oid)
        if nested is not None:
            return self.tagged(type_oid, nested(self, atom))
        info = find_type(type_oid)
        if info is not None and (info.is_array or type_oid in oids.VECTORS):
            text = self.list(info.element_oid, atom)
            is_plain = not info.is_array or _tells_its_type(info.element_oid, atom)
            return text if is_plain else self.tagged(type_oid, text)
        if type_oid in (oids.JSON, oids.JSONB):
            return self.tagged(type_oid, atom)
        return self.tagged(type_oid, _string(self.encoder(type_oid)(atom)))

    def number(self, atom: Any) -> str:
        if type(atom) is int:
            return str(atom)
        if type(atom) is float:
            return repr(atom) if math.isfinite(atom) else self.tagged(oids.FLOAT8, _string(_special(atom)))
        text = write_numeric(atom)
        if self.is_typed:
            return self.tagged(oids.NUMERIC, _string(text))
        return text if atom.is_finite() else _string(text)

    def list(self, element_oid: int, items: tuple[Any, ...]) -> str:
        nests = element_oid not in oids.GRAPH_TYPES
        texts = [
            self.list(element_oid, item) if nests and type(item) is tuple else self.value(element_oid, item)
            for item in items
        ]
        return "[" + ", ".join(texts) + "]"

    def tagged(self, type_oid: int, text: str) -> str:
        return f'{{"${type_info(type_oid).name}": {text}}}' if self.is_typed else text

    def encoder(self, type_oid: int) -> Callable[[Any], str]:
        """How the type's values are written where JSON has nothing for them."""
        known = self._encoders.get(type_oid)
        if known is None:
            from skerry_engine.values.io import DEFAULT_IO
            from skerry_engine.values.io import text_encoder as encoder_of

            known = encoder_of(SqlType(type_oid), DEFAULT_IO if self.is_typed else self.io)
            self._encoders[type_oid] = known
        return known


def _tells_its_type(element_oid: int, items: tuple[Any, ...]) -> bool:
    """Whether a list that is read gets its type from its items, as `list_of` finds it."""
    if element_oid == oids.ANYVALUE:
        return type_of(list_of(items)) == oids.ANYVALUE_ARRAY
    nests = element_oid not in oids.GRAPH_TYPES
    return any(item is not None for item in items) and not (nests and any(type(i) is tuple for i in items))


_NUMBERS: Final = frozenset((*oids.INTEGERS, oids.FLOAT4, oids.FLOAT8, oids.NUMERIC))

_NESTED_WRITERS: Final[dict[int, Callable[[JsonWriter, Any], str]]] = {
    oids.NODE: JsonWriter.element,
    oids.EDGE: JsonWriter.element,
    oids.PATH: JsonWriter.path,
}

_TOP_WRITERS: Final[dict[int, Callable[[JsonWriter, Any], str]]] = {
    **_NESTED_WRITERS,
    oids.GRAPHRECORD: JsonWriter.record,
    oids.ANYVALUE: JsonWriter.any,
}


def resolver(io: IoContext) -> ElementResolver:
    """Who knows elements' names.  Raises NotSupportedError where nobody does."""
    if io.elements is None:
        raise NotSupportedError("writing nodes and edges without their graph is not supported")
    return io.elements


def _id(value: int | str) -> str:
    return str(value) if isinstance(value, int) else _string(value)


def _special(value: float) -> str:
    return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"


# --- reading ------------------------------------------------------------------------------------------------


def text_decoder(type_oid: int, io: IoContext) -> Callable[[str], Any]:
    """The function that reads values of a graph type, or of arrays of one.

    Raises NotSupportedError for nodes, edges and paths: an element is not made by being written down.
    """
    element_oid = oids.GRAPH_ARRAYS.get(type_oid)
    if element_oid is not None:
        read = text_decoder(element_oid, io)
        return _list_of_boxes(arrays.array_reader(lambda text: [read(text)], ","))
    if type_oid == oids.ANYVALUE:
        return read_anyvalue
    if type_oid == oids.GRAPHRECORD:
        return read_record
    raise NotSupportedError(f"cannot accept a value of type {type_display(type_oid)}")


def binary_decoder(type_oid: int, io: IoContext) -> Callable[[bytes], Any]:
    """The function that reads their binary form."""
    element_oid = oids.GRAPH_ARRAYS.get(type_oid)
    if element_oid is not None:
        item_of = binary_decoder(element_oid, io)
        return _list_of_boxes(arrays.array_unpacker(element_oid, lambda data: [item_of(data)]))
    read = text_decoder(type_oid, io)
    from skerry_engine.values.io import decode_utf8

    return lambda data: read(decode_utf8(data))


def _list_of_boxes(read: Callable[[Any], tuple[Any, ...]]) -> Callable[[Any], tuple[Any, ...]]:
    """Items are read into boxes first: they may be tuples, as rows of a second dimension are."""

    def items(data: Any) -> tuple[Any, ...]:
        boxes = read(data)
        if any(type(box) is tuple for box in boxes):
            raise ArraySubscriptError("lists of this type have one dimension")
        return tuple([None if box is None else box[0] for box in boxes])

    return items


def read_anyvalue(text: str) -> AnyValue:
    """An anyvalue from JSON of either dialect; null is refused.  Raises DataError."""
    value = value_of_json(_parsed(text))
    if value is None:
        raise InvalidTextRepresentation("null is no value of type skerry.anyvalue")
    return value


def read_record(text: str) -> GraphRecord:
    """A record from a JSON object of either dialect.  Raises DataError."""
    value = value_of_json(_parsed(text))
    if type(value) is not tuple or value[0] != oids.GRAPHRECORD:
        raise InvalidTextRepresentation(f'invalid input syntax for type skerry.graphrecord: "{text}"')
    record: GraphRecord = value[1]
    return record


def _refused_constant(name: str) -> Any:
    raise ValueError(name)


_DECODER: Final = json.JSONDecoder(parse_constant=_refused_constant)


def _parsed(text: str) -> Any:
    """JSON that was read; whole numbers are int, others float.  Raises InvalidJsonText, UntranslatableCharacter."""
    try:
        value = _DECODER.decode(read_text(text))
    except (ValueError, RecursionError):
        parse_json(text)  # which finds the words for what is wrong
        raise
    problem = find_bad_escape(text) if "\\u" in text else None
    if problem is not None:
        raise problem
    return value


def value_of_json(value: Any) -> AnyValue:
    """The anyvalue that JSON of either dialect stands for, as Python's reader gives it; None for null.

    Raises DataError for a type's text that is malformed.
    """
    try:
        return _of_json(value)
    except RecursionError:
        raise StatementTooComplex("stack depth limit exceeded") from None


def _of_json(value: Any) -> AnyValue:
    if value is None or isinstance(value, (bool, str, float)):
        return value
    if isinstance(value, int):
        return integer(value)
    if isinstance(value, list):
        return list_of([_of_json(item) for item in value])
    if len(value) == 1:
        ((name, inner),) = value.items()
        if name.startswith("$"):
            return _of_tagged(name[1:], inner)
    return (oids.GRAPHRECORD, tuple([(name, _of_json(item)) for name, item in value.items()]))


def integer(value: int) -> AnyValue:
    """A whole number: INT8 if it is one, else NUMERIC."""
    return value if _INT8_MIN <= value <= _INT8_MAX else Decimal(value)


def _of_tagged(type_name: str, inner: Any) -> AnyValue:
    if type_name == "graphrecord" and isinstance(inner, dict):
        return (oids.GRAPHRECORD, tuple([(name, _of_json(item)) for name, item in inner.items()]))
    info = internal_type(type_name)
    if info is None and type_name.startswith("_"):
        info = qualified_type(("skerry", type_name))
    if info is not None and info.is_array and isinstance(inner, list):
        return (info.oid, _items_of(info.element_oid, inner))
    if info is None or info.is_array or info.is_pseudo:
        raise InvalidTextRepresentation(f'invalid input syntax for type skerry.anyvalue: "${type_name}"')
    from skerry_engine.values.io import DEFAULT_IO
    from skerry_engine.values.io import text_decoder as decoder_of

    text = inner if isinstance(inner, str) and info.oid not in _JSON_TYPES else write_canonical(inner)
    return dynamic(info.oid, decoder_of(SqlType(info.oid), DEFAULT_IO)(text))


def _items_of(element_oid: int, items: list[Any]) -> tuple[Any, ...]:
    """The items of a list whose type is told beside it.  Raises InvalidTextRepresentation for one of another type."""
    found: list[Any] = []
    for item in items:
        if isinstance(item, list) and element_oid not in oids.GRAPH_TYPES:
            found.append(_items_of(element_oid, item))
            continue
        value = _of_json(item)
        if value is not None and element_oid != oids.ANYVALUE:
            if type_of(value) != UNTAGGED.get(element_oid, element_oid):
                shown = type_display(element_oid)
                raise InvalidTextRepresentation(f"an item of a list of {shown} is of another type")
            value = atom_of(value)
        found.append(value)
    return tuple(found)


_JSON_TYPES: Final = frozenset((oids.JSON, oids.JSONB))


def list_of(items: Sequence[AnyValue]) -> AnyValue:
    """The list of these anyvalues (None is NULL): an array of their type where they have one, else of anyvalues."""
    types = {type_of(item) for item in items if item is not None}
    if len(types) == 1:
        (type_oid,) = types
        info = find_type(type_oid)
        if info is not None and info.array_oid and not info.is_array:
            return (info.array_oid, tuple([item[1] if type(item) is tuple else item for item in items]))
    return (oids.ANYVALUE_ARRAY, tuple(items))


# --- JSON as it is ------------------------------------------------------------------------------------------


def value_of_plain_json(text: str) -> AnyValue:
    """The anyvalue of json or jsonb text, in which objects are records whatever their members are called; None for
    null.  A whole number beyond bigint is a float where a float is exactly that, else a numeric."""
    try:
        return _of_plain(json.loads(text))
    except RecursionError:
        raise StatementTooComplex("stack depth limit exceeded") from None


def _of_plain(value: Any) -> AnyValue:
    if isinstance(value, dict):
        return (oids.GRAPHRECORD, tuple([(name, _of_plain(item)) for name, item in value.items()]))
    if isinstance(value, list):
        return list_of([_of_plain(item) for item in value])
    if type(value) is int and not _INT8_MIN <= value <= _INT8_MAX:
        return float(value) if value.bit_length() < 1024 and int(float(value)) == value else Decimal(value)
    return value
