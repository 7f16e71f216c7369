"""Rows of skerry.graphs, graph_types, graph_constraints and graph_indexes: the graphs of a database, for whoever lists
them, and for a dump.

information_schema has what the standard says of graphs over tables; here are both kinds, each with the text that
makes it.
"""

from __future__ import annotations

from collections.abc import Iterator

from skerry_engine.catalog import property_graphs
from skerry_engine.catalog.definitions import DefinitionPrinter
from skerry_engine.catalog.graph_changes import graph_constraints
from skerry_engine.catalog.graphs import Graph, GraphType, PropertyGraph, PropertyIndex
from skerry_engine.catalog.system.context import SystemContext
from skerry_engine.catalog.system.layout import Row, layout
from skerry_engine.catalog.system.registry import rows_of
from skerry_engine.catalog.system.views import schema_name

SCHEMA = "skerry"
GRAPHS = layout("graphs", SCHEMA)
TYPES = layout("graph_types", SCHEMA)
CONSTRAINTS = layout("graph_constraints", SCHEMA)
INDEXES = layout("graph_indexes", SCHEMA)

_KINDS = {"u": "unique", "k": "key", "n": "not null"}


@rows_of("graphs", SCHEMA)
def graph_rows(context: SystemContext) -> list[Row]:
    graphs: list[Graph | PropertyGraph] = [
        *context.database.of_type(Graph),
        *context.database.of_type(PropertyGraph),
    ]
    return [_graph_row(context, graph) for graph in graphs]


def _graph_row(context: SystemContext, graph: Graph | PropertyGraph) -> Row:
    database = context.database
    place = {"oid": graph.oid, "schema": schema_name(database, graph), "name": graph.name}
    if isinstance(graph, PropertyGraph):
        printer = DefinitionPrinter(database, context.search_path)
        text = property_graphs.definition(printer, graph)
        return GRAPHS.row(**place, kind="tables", is_closed=True, definition=text)
    named = database.relation(graph.type_oid) if graph.type_oid else None
    return GRAPHS.row(
        **place,
        kind="native",
        is_closed=not graph.is_open,
        graph_type=None if named is None else ".".join((schema_name(database, named), named.name)),
        nodes=context.row_count(graph.nodes_oid),
        edges=context.row_count(graph.edges_oid),
        definition=context.graph_text(graph),
    )


@rows_of("graph_types", SCHEMA)
def type_rows(context: SystemContext) -> list[Row]:
    database = context.database
    return [
        TYPES.row(
            oid=each.oid,
            schema=schema_name(database, each),
            name=each.name,
            is_closed=each.elements is not None,
            definition=context.graph_text(each),
        )
        for each in database.of_type(GraphType)
    ]


def _native(context: SystemContext) -> Iterator[tuple[Graph, dict[str, object]]]:
    database = context.database
    for graph in database.of_type(Graph):
        yield graph, {"graph": graph.oid, "schema": schema_name(database, graph), "graph_name": graph.name}


@rows_of("graph_constraints", SCHEMA)
def constraint_rows(context: SystemContext) -> list[Row]:
    return [
        CONSTRAINTS.row(
            oid=each.oid,
            **place,
            name=each.name,
            kind=_KINDS[each.kind],
            elements=_elements(graph, each.table_oid),
            label=each.label or None,
            properties=each.properties,
            is_from_type=context.comes_with_type(graph, each),
            definition=context.graph_text(graph, each),
        )
        for graph, place in _native(context)
        for each in graph_constraints(context.database, graph)
    ]


@rows_of("graph_indexes", SCHEMA)
def index_rows(context: SystemContext) -> list[Row]:
    """Those of constraints not: they are made with their constraint."""
    return [
        INDEXES.row(
            oid=index.oid,
            **place,
            name=index.name,
            elements=_elements(graph, index.table_oid),
            label=index.label or None,
            properties=index.properties,
            definition=context.graph_text(graph, index),
        )
        for graph, place in _native(context)
        for table in (graph.nodes(context.database), graph.edges(context.database))
        for index in table.indexes
        if isinstance(index, PropertyIndex) and not index.constraint_oid
    ]


def _elements(graph: Graph, table_oid: int) -> str:
    return "edges" if table_oid == graph.edges_oid else "nodes"
