"""Native graphs and graph types as the GQL that makes them: what skerry.graphs and its kin show, and a dump has.

    CREATE GRAPH TYPE /public/social {
        (p: Person {name STRING NOT NULL, age INT}),
        (p)-[: KNOWS {since DATE}]->(p),
        CONSTRAINT FOR (x: Person) REQUIRE x.name IS KEY
    }

psql sends these texts, and its own lexer goes over them first.  It knows no accents, so a name that is no word stands
in double quotes; and a colon with a word behind it may be one of its variables (`:HOST`), so there is a blank between.

Names of types' properties are as GQL writes them; which types there are, `gql/binder/value_types.py` says.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

from skerry_engine.catalog.catalog import Database
from skerry_engine.catalog.graphs import (
    HOME,
    EdgeType,
    ElementConstraint,
    ElementRule,
    ElementTypes,
    Graph,
    GraphType,
    NodeType,
    PropertyIndex,
    PropertyType,
)
from skerry_engine.catalog.objects import PUBLIC, Relation
from skerry_engine.functions.graph_types import UNSIGNED
from skerry_engine.gql.tables import tables
from skerry_engine.values import oids
from skerry_engine.values.types import SqlType, graph_type_name, numeric_modifier, type_info

_WORD: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_UNQUOTABLE: Final = re.compile(r'["\\\x00-\x1f\x7f]')
_REQUIRED: Final = {"u": "IS UNIQUE", "k": "IS KEY", "n": "IS NOT NULL"}
_LENGTH: Final = 4
"""How much more than a text's greatest length its modifier is."""


def name_text(name: str) -> str:
    """A name as GQL reads it, and psql lets it pass."""
    if _WORD.fullmatch(name) and name.upper() not in tables().words:
        return name
    return '"' + _UNQUOTABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", name) + '"'


def object_text(database: Database, relation: Relation) -> str:
    """A graph or a graph type with its schema: `/app/social`."""
    return f"/{name_text(database.schema_of(relation).name)}/{name_text(relation.name)}"


# --- types --------------------------------------------------------------------------------------------------


def graph_type_text(database: Database, graph_type: GraphType) -> str:
    """CREATE GRAPH TYPE."""
    return f"CREATE GRAPH TYPE {object_text(database, graph_type)} {elements_text(graph_type.elements)}"


def elements_text(elements: ElementTypes | None) -> str:
    """What a graph may hold, in braces, a line for each type of element."""
    if elements is None:
        return "ANY GRAPH"
    lines = [_node_text(elements, number) for number in range(len(elements.nodes))]
    lines += [_edge_text(elements, edge) for edge in elements.edges]
    lines += [f"CONSTRAINT {_named(rule.name)}{_rule_text(rule)}" for rule in elements.rules]
    return "{\n    " + ",\n    ".join(lines) + "\n}" if lines else "{}"


def _node_text(elements: ElementTypes, number: int) -> str:
    node = elements.nodes[number]
    name = node.name or ("" if node.labels else _nameless(elements, number))
    return f"({name_text(name) if name else ''}{_filler(node)})"


def _nameless(elements: ElementTypes, number: int) -> str:
    """A name for a type that has none, nor labels: how edges say that they end there."""
    name = f"n{number + 1}"
    while any(name in (node.name, *node.labels) for node in elements.nodes):
        name += "_"
    return name


def _edge_text(elements: ElementTypes, edge: EdgeType) -> str:
    source, target = (_end_text(elements, number) for number in (edge.source, edge.target))
    name = f"EDGE TYPE {name_text(edge.name)} " if edge.name else ""
    arc = _filler(edge).lstrip() or "{}"
    return f"{name}{source}" + (f"-[{arc}]->" if edge.is_directed else f"~[{arc}]~") + target


def _end_text(elements: ElementTypes, number: int) -> str:
    node = elements.nodes[number]
    if node.name or not node.labels:
        return f"({name_text(node.name or _nameless(elements, number))})"
    return f"({_labels_text(node.labels)})"


def _filler(element: NodeType | EdgeType) -> str:
    """Labels and properties, as they stand behind a name."""
    properties = ", ".join(map(_property_text, element.properties))
    return _labels_text(element.labels) + (f" {{{properties}}}" if properties else "")


def _labels_text(labels: Sequence[str]) -> str:
    return f": {' & '.join(map(name_text, labels))}" if labels else ""


def _property_text(each: PropertyType) -> str:
    return f"{name_text(each.name)} {value_type_text(each.type)}{' NOT NULL' if each.not_null else ''}"


def value_type_text(value_type: SqlType) -> str:
    """A property's type, with what narrows it: `INT16`, `STRING(5)`, `LIST<DECIMAL(10, 2)>`."""
    oid, modifier = value_type.oid, value_type.typmod
    info = type_info(oid)
    if info.is_array:
        return f"LIST<{value_type_text(SqlType(info.element_oid, modifier))}>"
    name = graph_type_name(oid)
    if modifier < 0:
        return name
    if oid == oids.INT8:
        bits = modifier - UNSIGNED
        return f"INT{modifier}" if bits <= 0 else "UINT" if bits == 63 else f"UINT{bits}"
    if oid == oids.FLOAT8:
        return f"FLOAT{modifier}"
    if oid == oids.NUMERIC:
        return "DECIMAL({}, {})".format(*numeric_modifier(modifier))
    return f"{name}({modifier - _LENGTH if oid in (oids.TEXT, oids.BYTEA) else modifier})"


# --- graphs -------------------------------------------------------------------------------------------------


def graph_text(database: Database, graph: Graph) -> str:
    """CREATE GRAPH; OR REPLACE for the graph that every database has."""
    is_home = graph.schema_oid == PUBLIC and graph.name == HOME
    made = "CREATE OR REPLACE GRAPH" if is_home else "CREATE GRAPH"
    graph_type = database.relation(graph.type_oid) if graph.type_oid else None
    if isinstance(graph_type, GraphType):
        return f"{made} {object_text(database, graph)} TYPED {object_text(database, graph_type)}"
    return f"{made} {object_text(database, graph)} {elements_text(graph.elements)}"


def constraint_text(database: Database, graph: Graph, constraint: ElementConstraint) -> str:
    """CREATE CONSTRAINT, in the graph whatever the session works in."""
    text = _rule_text(_rule_of(graph, constraint))
    return f"USE {object_text(database, graph)} CREATE CONSTRAINT {_named(constraint.name)}{text}"


def index_text(database: Database, graph: Graph, index: PropertyIndex) -> str:
    """CREATE INDEX, likewise."""
    of_edges = index.table_oid == graph.edges_oid
    name, target = name_text(index.name), _target_text(of_edges, index.label)
    use = f"USE {object_text(database, graph)}"
    return f"{use} CREATE INDEX {name} FOR {target} ON {_read(index.properties, True)}"


def comes_with_type(graph: Graph, constraint: ElementConstraint) -> bool:
    """Whether the graph has got the constraint from its type, as it does again when it is made again."""
    rules = () if graph.elements is None else graph.elements.rules
    wanted = _rule_of(graph, constraint)
    return any(_same(rule, wanted) for rule in rules)


def _same(one: ElementRule, other: ElementRule) -> bool:
    parts = ((each.kind, each.of_edges, each.label, each.properties) for each in (one, other))
    return len(set(parts)) == 1


def _rule_of(graph: Graph, constraint: ElementConstraint) -> ElementRule:
    """What a constraint says."""
    of_edges = constraint.table_oid == graph.edges_oid
    return ElementRule(constraint.name, constraint.kind, of_edges, constraint.label, constraint.properties)


# --- parts --------------------------------------------------------------------------------------------------


def _rule_text(rule: ElementRule) -> str:
    target = _target_text(rule.of_edges, rule.label)
    return f"FOR {target} REQUIRE {_read(rule.properties, False)} {_REQUIRED[rule.kind]}"


def _target_text(of_edges: bool, label: str) -> str:
    inside = f"x{_labels_text((label,) if label else ())}"
    return f"()-[{inside}]->()" if of_edges else f"({inside})"


def _read(properties: Iterable[str], in_brackets: bool) -> str:
    texts = [f"x.{name_text(name)}" for name in properties]
    return f"({', '.join(texts)})" if in_brackets or len(texts) > 1 else texts[0]


def _named(name: str) -> str:
    return f"{name_text(name)} " if name else ""
