"""Functions of nodes, edges, paths and records (values/graphs.py)."""

from __future__ import annotations

from skerry_engine.abc import FunctionContext
from skerry_engine.errors import InvalidValueType, MalformedPath
from skerry_engine.functions.registry import Implementation, define
from skerry_engine.values import graph_text, oids
from skerry_engine.values.graphs import (
    AnyValue,
    Element,
    GraphRecord,
    Path,
    dynamic,
    field_of,
    identity,
    is_edge,
    source_of,
    target_of,
    type_of,
)
from skerry_engine.values.types import graph_type_name


def _check_elements(types: tuple[int, ...], function: str) -> None:
    for type_oid in types:
        if type_oid not in oids.ELEMENTS:
            raise InvalidValueType(f"{function} takes nodes and edges, not {graph_type_name(type_oid)}")


# --- names --------------------------------------------------------------------------------------------------


def _element_id(context: FunctionContext, element: Element) -> AnyValue:
    return graph_text.resolver(context.io).element_id(*element[:3])


def _labels(context: FunctionContext, element: Element) -> tuple[str, ...]:
    graph_oid, table_oid, _, row = element[:4]
    elements = graph_text.resolver(context.io)
    elements.check_readable(table_oid, row)
    return tuple(elements.labels(graph_oid, table_oid, row))


def properties_of(context: FunctionContext, element: Element) -> GraphRecord:
    """All properties, as a record."""
    graph_oid, table_oid, _, row = element[:4]
    elements = graph_text.resolver(context.io)
    elements.check_readable(table_oid, row)
    found = elements.properties(graph_oid, table_oid, row)
    return tuple([(name, dynamic(type_oid, value)) for name, type_oid, value in found])


def property_of(context: FunctionContext, element: Element, name: str) -> AnyValue:
    """A property; None where the element has none of that name."""
    return field_of(properties_of(context, element), name)


def _any_property(context: FunctionContext, value: AnyValue, name: str) -> AnyValue:
    found = type_of(value)
    if found in oids.ELEMENTS:
        return property_of(context, value[1], name)
    if found == oids.GRAPHRECORD:
        return field_of(value[1], name)
    raise InvalidValueType(f'a value of type {graph_type_name(found)} has no property "{name}"')


def _property_names(context: FunctionContext, element: Element) -> tuple[str, ...]:
    return tuple([name for name, _ in properties_of(context, element)])


define("skerry_element_id", _element_id, needs_context=True)
define("skerry_labels", _labels, needs_context=True)
define("skerry_properties", properties_of, needs_context=True)
define("skerry_property_names", _property_names, needs_context=True)
define("skerry_property_by_name", property_of, needs_context=True)
define("skerry_any_property", _any_property, needs_context=True)
define("skerry_field_by_name", lambda context, record, name: field_of(record, name), needs_context=True)
define("skerry_record_names", lambda record: tuple([name for name, _ in record]))


# --- identity -----------------------------------------------------------------------------------------------


def _all_different(arg_types: tuple[int, ...], _return_type: int) -> Implementation:
    _check_elements(arg_types, "ALL_DIFFERENT")
    return lambda *elements: len({identity(element) for element in elements}) == len(elements)


def _same(arg_types: tuple[int, ...], _return_type: int) -> Implementation:
    _check_elements(arg_types, "SAME")
    return lambda *elements: len({identity(element) for element in elements}) == 1


define("skerry_all_different", factory=_all_different)
define("skerry_same", factory=_same)
define("skerry_is_source", lambda node, edge: identity(node) == source_of(edge))
define("skerry_is_destination", lambda node, edge: identity(node) == target_of(edge))


# --- paths --------------------------------------------------------------------------------------------------


def _elements(path: Path) -> tuple[AnyValue, ...]:
    return tuple([(oids.EDGE if number % 2 else oids.NODE, element) for number, element in enumerate(path)])


def joined(first: Path, second: Path) -> Path:
    """first || second: the second must begin where the first ends.  Raises MalformedPath."""
    if identity(first[-1]) != identity(second[0]):
        raise MalformedPath("a path can't be continued by one that begins at another node")
    return first + second[1:]


def path_of(items: tuple[Element, ...]) -> Path:
    """A path of nodes and edges in turn.  Raises MalformedPath where they do not hang together."""
    if len(items) % 2 == 0:
        raise MalformedPath("a path begins and ends with a node")
    for number, element in enumerate(items):
        if is_edge(element) != (number % 2 == 1):
            raise MalformedPath("nodes and edges take turns in a path")
    for number in range(1, len(items), 2):
        before, edge, after = (identity(items[number - 1]), items[number], identity(items[number + 1]))
        if (source_of(edge), target_of(edge)) not in ((before, after), (after, before)):
            raise MalformedPath("an edge of a path leads between the nodes beside it")
    return items


define("skerry_path_length", template="(len({0}) >> 1)")
define("skerry_path_cardinality", template="len({0})")
define("skerry_path_nodes", template="{0}[::2]")
define("skerry_path_edges", template="{0}[1::2]")
define("skerry_path_elements", _elements)
define("skerry_path_concat", joined)
