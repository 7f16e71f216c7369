"""Rows of information_schema about property graphs (ISO/IEC 9075-16)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from skerry_engine.catalog import property_graphs as pg
from skerry_engine.catalog.catalog import Database
from skerry_engine.catalog.graphs import Graph, GraphElement, PropertyGraph
from skerry_engine.catalog.objects import Table
from skerry_engine.catalog.system.context import SystemContext
from skerry_engine.catalog.system.information_tables import SCHEMA, type_values
from skerry_engine.catalog.system.layout import Row, layout
from skerry_engine.catalog.system.registry import database_rows_of, rows_of
from skerry_engine.catalog.system.views import printer_for, schema_name

GRAPHS = layout("property_graphs", SCHEMA)
ELEMENTS = layout("pg_element_tables", SCHEMA)
KEYS = layout("pg_element_table_key_columns", SCHEMA)
ELEMENT_LABELS = layout("pg_element_table_labels", SCHEMA)
ELEMENT_PROPERTIES = layout("pg_element_table_properties", SCHEMA)
ENDS = layout("pg_edge_table_components", SCHEMA)
LABELS = layout("pg_labels", SCHEMA)
LABEL_PROPERTIES = layout("pg_label_properties", SCHEMA)
TYPES = layout("pg_property_data_types", SCHEMA)


def _graph(database: Database, graph: PropertyGraph | Graph) -> dict[str, Any]:
    return {
        "property_graph_catalog": database.name,
        "property_graph_schema": schema_name(database, graph),
        "property_graph_name": graph.name,
    }


def _elements(database: Database) -> Iterator[tuple[dict[str, Any], GraphElement, Table]]:
    for graph in database.of_type(PropertyGraph):
        for element in pg.elements(graph):
            values = {**_graph(database, graph), "element_table_alias": element.alias}
            yield values, element, database.table(element.table_oid)


@database_rows_of("property_graphs", SCHEMA)
def graph_rows(database: Database) -> list[Row]:
    """Graphs over tables and native graphs alike."""
    graphs: list[Graph | PropertyGraph] = [*database.of_type(Graph), *database.of_type(PropertyGraph)]
    return [GRAPHS.row(**_graph(database, graph)) for graph in graphs]


@database_rows_of("pg_element_tables", SCHEMA)
def element_rows(database: Database) -> list[Row]:
    return [
        ELEMENTS.row(
            **values,
            element_table_kind="VERTEX" if element.source is None else "EDGE",
            table_catalog=database.name,
            table_schema=schema_name(database, table),
            table_name=table.name,
        )
        for values, element, table in _elements(database)
    ]


@database_rows_of("pg_element_table_key_columns", SCHEMA)
def key_rows(database: Database) -> list[Row]:
    return [
        KEYS.row(**values, column_name=table.columns[attnum - 1].name, ordinal_position=number)
        for values, element, table in _elements(database)
        for number, attnum in enumerate(element.key, 1)
    ]


@database_rows_of("pg_element_table_labels", SCHEMA)
def element_label_rows(database: Database) -> list[Row]:
    return [
        ELEMENT_LABELS.row(**values, label_name=label.name)
        for values, element, _ in _elements(database)
        for label in element.labels
    ]


@rows_of("pg_element_table_properties", SCHEMA)
def element_property_rows(context: SystemContext) -> list[Row]:
    printer = printer_for(context)
    return [
        ELEMENT_PROPERTIES.row(
            **values,
            property_name=name,
            property_expression=printer.expression(table, each.expression),
        )
        for values, element, table in _elements(context.database)
        for name, each in pg.properties_of(element).items()
    ]


@database_rows_of("pg_edge_table_components", SCHEMA)
def end_rows(database: Database) -> list[Row]:
    rows: list[Row] = []
    for graph in database.of_type(PropertyGraph):
        tables = {each.alias: database.table(each.table_oid) for each in pg.elements(graph)}
        for edge in graph.edges:
            for word, end in (("SOURCE", edge.source), ("DESTINATION", edge.target)):
                if end is None:
                    continue
                for number, (attnum, other) in enumerate(zip(end.columns, end.referenced, strict=True), 1):
                    rows.append(
                        ENDS.row(
                            **_graph(database, graph),
                            edge_table_alias=edge.alias,
                            vertex_table_alias=end.alias,
                            edge_end=word,
                            edge_table_column_name=tables[edge.alias].columns[attnum - 1].name,
                            vertex_table_column_name=tables[end.alias].columns[other - 1].name,
                            ordinal_position=number,
                        )
                    )
    return rows


@database_rows_of("pg_labels", SCHEMA)
def label_rows(database: Database) -> list[Row]:
    return [
        LABELS.row(**_graph(database, graph), label_name=name)
        for graph in database.of_type(PropertyGraph)
        for name in sorted(pg.label_names(graph, False) | pg.label_names(graph, True))
    ]


@database_rows_of("pg_label_properties", SCHEMA)
def label_property_rows(database: Database) -> list[Row]:
    rows: dict[Row, None] = {}
    for graph in database.of_type(PropertyGraph):
        for element in pg.elements(graph):
            for label in element.labels:
                for each in label.properties:
                    values = {"label_name": label.name, "property_name": each.name}
                    rows[LABEL_PROPERTIES.row(**_graph(database, graph), **values)] = None
    return list(rows)


@database_rows_of("pg_property_data_types", SCHEMA)
def type_rows(database: Database) -> list[Row]:
    rows: list[Row] = []
    for graph in database.of_type(PropertyGraph):
        found = {
            name: each for element in pg.elements(graph) for name, each in pg.properties_of(element).items()
        }
        for number, (name, each) in enumerate(found.items(), 1):
            described = type_values(database, each.expression.expr.type)
            values = {key: value for key, value in described.items() if key in TYPES.positions}
            rows.append(
                TYPES.row(**_graph(database, graph), **values, property_name=name, dtd_identifier=str(number))
            )
    return rows
