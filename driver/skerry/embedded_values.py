"""Values of an engine in this process, both ways: its atoms as Python objects, Python objects as its parameters."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from skerry import types
from skerry.graph import Edge, Node, Path
from skerry.languages import is_gql
from skerry_engine.abc import ElementResolver
from skerry_engine.values import graph_text, oids
from skerry_engine.values.graphs import (
    Element,
    GraphRecord,
    atom_of,
    is_edge,
    path_edges,
    path_nodes,
    type_of,
)
from skerry_engine.values.io import IoContext, text_encoder
from skerry_engine.values.python import GraphParameter, to_python
from skerry_engine.values.python import Interval as EngineInterval
from skerry_engine.values.ranges import kind_of
from skerry_engine.values.records import Record
from skerry_engine.values.types import SqlType, find_type
from skerry_engine.values.user_types import is_composite, is_composite_or_array, is_enum, is_enum_or_array

Converter = Callable[[Any], Any]

NEED_THE_CATALOG = frozenset({*oids.REG_TYPES, *oids.GRAPH_TYPES, *oids.GRAPH_ARRAYS})
"""Types whose values are told by the catalog: converting them takes the engine's mutex."""


def converter(type_oid: int, typmod: int, io: IoContext) -> Converter | None:
    """The function that makes a Python object of a non-null atom; None where the atom is that object."""
    if type_oid in oids.REG_TYPES:  # numbers inside, names outside, as over the network
        return text_encoder(SqlType(type_oid, typmod), io)
    if type_oid in oids.GRAPH_TYPES or type_oid in oids.GRAPH_ARRAYS:
        return GraphValues(graph_text.resolver(io)).converter(type_oid)
    if is_enum(type_oid) or is_composite(type_oid):  # labels, texts; arrays of them are lists of those
        return text_encoder(SqlType(type_oid), io)
    if is_enum_or_array(type_oid) or is_composite_or_array(type_oid):
        return _list_of(text_encoder(SqlType(type_oid & ~1), io))
    if kind_of(type_oid) is not None:
        return text_encoder(SqlType(type_oid), io)
    info = find_type(type_oid)
    if info is not None and info.is_array and kind_of(info.element_oid) is not None:
        return _list_of(text_encoder(SqlType(info.element_oid), io))
    if type_oid == oids.RECORD:
        return _record_converter(io)
    convert = to_python(type_oid, typmod)
    if convert is None or type_oid not in (oids.INTERVAL, oids.INTERVAL_ARRAY):
        return convert
    return lambda value: _public_interval(convert(value))


def _record_converter(io: IoContext) -> Converter:
    """The converter of rows: a tuple of their fields, each as its type says."""

    def convert(value: tuple[Any, ...]) -> tuple[Any, ...]:
        if not isinstance(value, Record):
            return value
        makers = [converter(each.oid, each.typmod, io) for each in value.types]
        return tuple(
            [
                item if item is None or make is None else make(item)
                for make, item in zip(makers, value, strict=True)
            ]
        )

    return convert


def _list_of(element: Converter) -> Converter:
    """The converter of arrays whose elements `element` converts."""

    def convert(value: tuple[Any, ...]) -> list[Any]:
        return [
            convert(item) if isinstance(item, tuple) else None if item is None else element(item)
            for item in value
        ]

    return convert


def _public_interval(value: object) -> object:
    if isinstance(value, list):
        return [_public_interval(item) for item in value]
    if isinstance(value, EngineInterval):
        return types.Interval(value.months, value.days, value.microseconds)
    return value


class GraphValues:
    """Makes nodes, edges, paths, dicts and lists of the engine's values."""

    def __init__(self, elements: ElementResolver) -> None:
        self._elements = elements
        self._converters: dict[int, Converter | None] = {}

    def converter(self, type_oid: int) -> Converter:
        """The function for a graph type, or for arrays of one."""
        element_oid = oids.GRAPH_ARRAYS.get(type_oid)
        if element_oid is not None:
            item = self.converter(element_oid)
            return lambda value: [None if each is None else item(each) for each in value]
        made: dict[int, Converter] = {
            oids.NODE: self.node,
            oids.EDGE: self.edge,
            oids.PATH: self.path,
            oids.ANYVALUE: self.any,
            oids.GRAPHRECORD: self.record,
        }
        return made[type_oid]

    def node(self, value: Element) -> Node:
        return Node(self._id(value), *self._inside(value))

    def edge(self, value: Element) -> Edge:
        ids = self._elements.element_id
        source, target = ids(value[0], value[4], value[5]), ids(value[0], value[6], value[7])
        is_directed = self._elements.is_directed(value[0], value[1], value[3])
        return Edge(self._id(value), *self._inside(value), source, target, is_directed)

    def element(self, value: Element) -> Node | Edge:
        return self.edge(value) if is_edge(value) else self.node(value)

    def path(self, value: tuple[Element, ...]) -> Path:
        nodes = [self.node(node) for node in path_nodes(value)]
        return Path(nodes, [self.edge(edge) for edge in path_edges(value)])

    def record(self, value: GraphRecord) -> dict[str, object]:
        return {name: None if item is None else self.any(item) for name, item in value}

    def any(self, value: Any) -> object:
        """An anyvalue."""
        return self.typed(type_of(value), atom_of(value))

    def typed(self, type_oid: int, atom: Any) -> object:
        """A value of a type."""
        if atom is None:
            return None
        if type_oid not in self._converters:
            self._converters[type_oid] = self._converter_of(type_oid)
        convert = self._converters[type_oid]
        return atom if convert is None else convert(atom)

    def _converter_of(self, type_oid: int) -> Converter | None:
        if type_oid in oids.GRAPH_TYPES or type_oid in oids.GRAPH_ARRAYS:
            return self.converter(type_oid)
        info = find_type(type_oid)
        if info is not None and info.is_array and info.element_oid in (oids.INTERVAL,):
            return lambda value: _public_interval(to_python(type_oid)(value))  # type: ignore[misc]
        convert = to_python(type_oid)
        if type_oid != oids.INTERVAL or convert is None:
            return convert
        return lambda value: _public_interval(convert(value))

    def _id(self, value: Element) -> int | str:
        return self._elements.element_id(value[0], value[1], value[2])

    def _inside(self, value: Element) -> tuple[Sequence[str], dict[str, object]]:
        graph_oid, table_oid, _, row = value[:4]
        found = self._elements.properties(graph_oid, table_oid, row)
        properties = {name: self.typed(type_oid, atom) for name, type_oid, atom in found}
        return self._elements.labels(graph_oid, table_oid, row), properties


# --- parameters ---------------------------------------------------------------------------------------------


def engine_parameters(text: str, parameters: Sequence[object]) -> list[object]:
    """The parameters of a statement as the engine knows them."""
    if is_gql(text):
        return [None if value is None else GraphParameter(_inner(value)) for value in parameters]
    return [engine_parameter(value) for value in parameters]


def engine_parameter(value: object) -> object:
    """A parameter of SQL as the engine knows it: lists for tuples, its own Interval; empty lists take their place's
    type."""
    if isinstance(value, list | tuple):
        return [_inner(item) for item in value] if _has_item(value) else "{}"
    return _inner(value)


def _inner(value: object) -> object:
    if type(value) is str or type(value) is int:
        return value
    if isinstance(value, list | tuple):
        return [_inner(item) for item in value]
    if isinstance(value, dict):
        return {name: _inner(item) for name, item in value.items()}
    if isinstance(value, types.Interval):
        return EngineInterval(value.months, value.days, value.microseconds)
    return value


def _has_item(value: Sequence[object]) -> bool:
    return any(_has_item(item) if isinstance(item, list | tuple) else item is not None for item in value)
