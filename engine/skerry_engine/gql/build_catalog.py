"""Builders of catalog statements: graphs, graph types, indexes, constraints (grammar.lark's actions)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from skerry_engine.errors import SyntaxError
from skerry_engine.gql import tree
from skerry_engine.gql.build_names import dotted_name
from skerry_engine.gql.source import Source

# --- graphs and graph types -----------------------------------------------------------------------------------------


def create_graph(
    _source: Source,
    position: int,
    if_not_exists: bool,
    name: tree.ObjectName,
    of: tree.GraphTypeSource | None,
    copy_of: tree.GraphReference | None,
) -> tree.CreateGraph:
    return tree.CreateGraph(position, name, of, copy_of, if_not_exists=if_not_exists)


def replace_graph(
    _source: Source,
    position: int,
    name: tree.ObjectName,
    of: tree.GraphTypeSource | None,
    copy_of: tree.GraphReference | None,
) -> tree.CreateGraph:
    return tree.CreateGraph(position, name, of, copy_of, is_replace=True)


def open_type(_source: Source, position: int) -> tree.OpenType:
    return tree.OpenType(position)


def like_type(_source: Source, position: int, graph: tree.GraphReference) -> tree.LikeType:
    return tree.LikeType(position, graph)


def named_type(_source: Source, position: int, name: tree.ObjectName) -> tree.NamedType:
    return tree.NamedType(position, name)


def dotted_type(source: Source, position: int, parts: tuple[str, ...]) -> tree.NamedType:
    return tree.NamedType(position, dotted_name(source, position, parts))


ElementType = tree.NodeType | tree.EdgeType | tree.ConstraintType


def listed_type(_source: Source, position: int, elements: tuple[ElementType, ...] | None) -> tree.ListedType:
    return tree.ListedType(position, elements or ())


def create_graph_type(
    _source: Source,
    position: int,
    if_not_exists: bool,
    name: tree.ObjectName,
    source: tree.GraphTypeSource,
) -> tree.CreateGraphType:
    return tree.CreateGraphType(position, name, source, if_not_exists=if_not_exists)


def replace_graph_type(
    _source: Source, position: int, name: tree.ObjectName, source: tree.GraphTypeSource
) -> tree.CreateGraphType:
    return tree.CreateGraphType(position, name, source, is_replace=True)


def create_schema(
    _source: Source, position: int, if_not_exists: bool, name: tree.SchemaName
) -> tree.CreateSchema:
    return tree.CreateSchema(position, name, if_not_exists)


def drop_graph(_source: Source, position: int, if_exists: bool, name: tree.ObjectName) -> tree.DropGraph:
    return tree.DropGraph(position, name, if_exists)


def drop_graph_type(
    _source: Source, position: int, if_exists: bool, name: tree.ObjectName
) -> tree.DropGraphType:
    return tree.DropGraphType(position, name, if_exists)


def drop_schema(_source: Source, position: int, if_exists: bool, name: tree.SchemaName) -> tree.DropSchema:
    return tree.DropSchema(position, name, if_exists)


def drop_index(_source: Source, position: int, if_exists: bool, name: str) -> tree.DropGraphIndex:
    return tree.DropGraphIndex(position, name, if_exists)


def drop_constraint(_source: Source, position: int, if_exists: bool, name: str) -> tree.DropConstraint:
    return tree.DropConstraint(position, name, if_exists)


# --- element types ----------------------------------------------------------------------------------------------------


def key_filler(
    _source: Source,
    position: int,
    key_labels: tuple[str, ...] | None,
    labels: tuple[str, ...] | None,
    properties: tuple[tree.PropertyType, ...] | None,
) -> tree.ElementFiller:
    return tree.ElementFiller(position, key_labels or (), labels or (), properties or ())


def label_filler(
    _source: Source,
    position: int,
    labels: tuple[str, ...],
    properties: tuple[tree.PropertyType, ...] | None,
) -> tree.ElementFiller:
    return tree.ElementFiller(position, None, labels, properties or ())


def property_filler(
    _source: Source, position: int, properties: tuple[tree.PropertyType, ...]
) -> tree.ElementFiller:
    return tree.ElementFiller(position, None, (), properties)


def property_types(
    _source: Source, _position: int, properties: tuple[tree.PropertyType, ...] | None
) -> tuple[tree.PropertyType, ...]:
    seen: set[str] = set()
    for one in properties or ():
        if one.name in seen:
            raise SyntaxError(f'"{one.name}" is given twice', position=one.position)
        seen.add(one.name)
    return properties or ()


def property_type(_source: Source, position: int, name: str, of: tree.ValueType) -> tree.PropertyType:
    return tree.PropertyType(position, name, of)


def unique_property_type(_source: Source, position: int, name: str, of: tree.ValueType) -> tree.PropertyType:
    return tree.PropertyType(position, name, of, is_unique=True)


def endpoint(
    _source: Source, position: int, alias: str | None, filler: tree.ElementFiller | None
) -> tree.Endpoint:
    return tree.Endpoint(position, alias, filler)


def _filler(position: int, filler: tree.ElementFiller | None) -> tree.ElementFiller:
    return filler or tree.ElementFiller(position)


def node_type(_source: Source, position: int, inside: tree.Endpoint) -> tree.NodeType:
    return tree.NodeType(position, _filler(position, inside.filler), None, inside.alias)


def named_node_type(_source: Source, position: int, name: str, inside: tree.Endpoint) -> tree.NodeType:
    return tree.NodeType(position, _filler(position, inside.filler), name, inside.alias)


def node_phrase(
    _source: Source, position: int, name: str, filler: tree.ElementFiller | None, alias: str | None
) -> tree.NodeType:
    return tree.NodeType(position, _filler(position, filler), name, alias)


def unnamed_node_phrase(
    _source: Source, position: int, filler: tree.ElementFiller, alias: str | None
) -> tree.NodeType:
    return tree.NodeType(position, filler, None, alias)


class Arc:
    """What stands between the end points of an edge type."""

    __slots__ = ("direction", "filler")

    def __init__(self, direction: str, filler: tree.ElementFiller) -> None:
        self.direction = direction
        self.filler = filler


def _arc(direction: str) -> Callable[[Source, int, tree.ElementFiller], Arc]:
    def build(_source: Source, _position: int, filler: tree.ElementFiller) -> Arc:
        return Arc(direction, filler)

    return build


def _edge_type(
    position: int, left: tree.Endpoint, arc: Arc, right: tree.Endpoint, name: str | None
) -> tree.EdgeType:
    source, target = (right, left) if arc.direction == "left" else (left, right)
    return tree.EdgeType(position, arc.filler, source, target, arc.direction != "undirected", name)


def edge_type(
    _source: Source, position: int, left: tree.Endpoint, arc: Arc, right: tree.Endpoint
) -> tree.EdgeType:
    return _edge_type(position, left, arc, right, None)


def directed(_source: Source, _position: int) -> bool:
    return True


def undirected(_source: Source, _position: int) -> bool:
    return False


def named_edge_type(_source: Source, position: int, *parts: object) -> tree.EdgeType:
    """[kind] name left arc right."""
    name, left, arc, right = parts[-4:]
    assert isinstance(name, str) and isinstance(arc, Arc)
    assert isinstance(left, tree.Endpoint) and isinstance(right, tree.Endpoint)
    built = _edge_type(position, left, arc, right, name)
    _check_kind(parts[0] if len(parts) == 5 else None, built, position)
    return built


def _check_kind(kind: object, built: tree.EdgeType, position: int) -> None:
    if kind is not None and kind != built.is_directed:
        said = "DIRECTED" if kind else "UNDIRECTED"
        raise SyntaxError(f"{said} contradicts the edge's arrow", position=position)


class Connection:
    """CONNECTING (a TO b)."""

    __slots__ = ("is_directed", "source", "target")

    def __init__(self, source: tree.Endpoint, target: tree.Endpoint, is_directed: bool | None) -> None:
        self.source = source
        self.target = target
        self.is_directed = is_directed
        """None: TO, which says nothing about it."""


def _connecting(direction: str) -> Callable[[Source, int, str, str], Connection]:
    def build(_source: Source, position: int, left: str, right: str) -> Connection:
        first, last = tree.Endpoint(position, left), tree.Endpoint(position, right)
        if direction == "left":
            first, last = last, first
        return Connection(first, last, {"to": None, "undirected": False}.get(direction, True))

    return build


def edge_phrase(_source: Source, position: int, *parts: object) -> tree.EdgeType:
    """[kind] name filler connection; the filler may be None."""
    name, filler, connection = parts[-3:]
    assert isinstance(name, str) and isinstance(connection, Connection)
    assert filler is None or isinstance(filler, tree.ElementFiller)
    return _phrase(position, parts[0] if len(parts) == 4 else None, name, filler, connection)


def unnamed_edge_phrase(_source: Source, position: int, *parts: object) -> tree.EdgeType:
    """[kind] filler connection."""
    filler, connection = parts[-2:]
    assert isinstance(filler, tree.ElementFiller) and isinstance(connection, Connection)
    return _phrase(position, parts[0] if len(parts) == 3 else None, None, filler, connection)


def _phrase(
    position: int, kind: object, name: str | None, filler: tree.ElementFiller | None, connection: Connection
) -> tree.EdgeType:
    is_directed = connection.is_directed
    if is_directed is None:
        is_directed = kind is not False
    built = tree.EdgeType(
        position, _filler(position, filler), connection.source, connection.target, is_directed, name
    )
    _check_kind(kind, built, position)
    return built


# --- constraints and indexes ------------------------------------------------------------------------------------------


class Target:
    """FOR (v:Label) or FOR ()-[v:Label]-()."""

    __slots__ = ("is_edge", "label", "position", "variable")

    def __init__(self, position: int, is_edge: bool, variable: str, label: str | None) -> None:
        self.position = position
        self.is_edge = is_edge
        self.variable = variable
        self.label = label


def node_target(_source: Source, position: int, variable: str, label: str | None) -> Target:
    return Target(position, False, variable, label)


def edge_target(_source: Source, position: int, variable: str, label: str | None) -> Target:
    return Target(position, True, variable, label)


class Indexed:
    """v.name."""

    __slots__ = ("name", "position", "variable")

    def __init__(self, position: int, variable: str, name: str) -> None:
        self.position = position
        self.variable = variable
        self.name = name


def indexed_property(_source: Source, position: int, variable: str, name: str) -> Indexed:
    return Indexed(position, variable, name)


def _names(target: Target, indexed: tuple[Indexed, ...]) -> tuple[str, ...]:
    for one in indexed:
        if one.variable != target.variable:
            raise SyntaxError(f"only properties of {target.variable} can stand here", position=one.position)
    return tuple([one.name for one in indexed])


def create_index(
    _source: Source,
    position: int,
    if_not_exists: bool,
    name: str | None,
    target: Target,
    indexed: tuple[Indexed, ...] | None,
) -> tree.CreateGraphIndex:
    if indexed is None and target.label is None:
        raise SyntaxError("an index needs a label or properties (ON ...)", position=target.position)
    names = _names(target, indexed or ())
    return tree.CreateGraphIndex(position, name, target.is_edge, target.label, names, if_not_exists)


Requirement = tuple[tuple[Indexed, ...], str, tree.ValueType | None]


def _requirement(kind: str) -> Callable[..., Requirement]:
    def build(
        _source: Source, _position: int, indexed: tuple[Indexed, ...], of: tree.ValueType | None = None
    ) -> Requirement:
        return indexed, kind, of

    return build


def required(_source: Source, position: int, target: Target, requirement: Requirement) -> tree.ConstraintType:
    indexed, kind, of = requirement
    if target.label is None:
        raise SyntaxError("a constraint is about one label", position=target.position)
    names = _names(target, indexed)
    return tree.ConstraintType(position, None, target.is_edge, target.label, names, kind, of)


def constraint(
    _source: Source, position: int, name: str | None, required: tree.ConstraintType
) -> tree.ConstraintType:
    return replace(required, position=position, name=name)


def unnamed_constraint(_source: Source, _position: int, required: tree.ConstraintType) -> tree.ConstraintType:
    return required


def create_constraint(
    _source: Source, position: int, if_not_exists: bool, name: str | None, required: tree.ConstraintType
) -> tree.CreateConstraint:
    return tree.CreateConstraint(position, replace(required, name=name), if_not_exists)


ACTIONS: Final[dict[str, Callable[..., object]]] = {
    "create_graph": create_graph,
    "replace_graph": replace_graph,
    "open_type": open_type,
    "like_type": like_type,
    "named_type": named_type,
    "dotted_type": dotted_type,
    "listed_type": listed_type,
    "create_graph_type": create_graph_type,
    "replace_graph_type": replace_graph_type,
    "create_schema": create_schema,
    "drop_graph": drop_graph,
    "drop_graph_type": drop_graph_type,
    "drop_schema": drop_schema,
    "drop_index": drop_index,
    "drop_constraint": drop_constraint,
    "key_filler": key_filler,
    "label_filler": label_filler,
    "property_filler": property_filler,
    "property_types": property_types,
    "property_type": property_type,
    "unique_property_type": unique_property_type,
    "endpoint": endpoint,
    "node_type": node_type,
    "named_node_type": named_node_type,
    "node_phrase": node_phrase,
    "unnamed_node_phrase": unnamed_node_phrase,
    "arc_left": _arc("left"),
    "arc_right": _arc("right"),
    "arc_undirected": _arc("undirected"),
    "edge_type": edge_type,
    "directed": directed,
    "undirected": undirected,
    "named_edge_type": named_edge_type,
    "connecting_to": _connecting("to"),
    "connecting_right": _connecting("right"),
    "connecting_left": _connecting("left"),
    "connecting_undirected": _connecting("undirected"),
    "edge_phrase": edge_phrase,
    "unnamed_edge_phrase": unnamed_edge_phrase,
    "node_target": node_target,
    "edge_target": edge_target,
    "indexed_property": indexed_property,
    "create_index": create_index,
    "required_unique": _requirement("unique"),
    "required_key": _requirement("key"),
    "required_not_null": _requirement("not null"),
    "required_type": _requirement("typed"),
    "required": required,
    "constraint": constraint,
    "unnamed_constraint": unnamed_constraint,
    "create_constraint": create_constraint,
}
