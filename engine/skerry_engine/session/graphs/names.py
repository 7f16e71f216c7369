"""What GQL's names mean: schemas, graphs, and the graph that a session works in.

GQL's directories have one level here: /app is the schema app, the root and HOME_SCHEMA are public.  A session works in
the graph that the setting `skerry.graph` names, public.home unless SESSION SET GRAPH says otherwise; like any setting
it goes back when the transaction that changed it is rolled back.
"""

from __future__ import annotations

from typing import Final

from skerry_engine import errors
from skerry_engine.catalog.catalog import Database
from skerry_engine.catalog.graphs import HOME, Graph, PropertyGraph, find_graph
from skerry_engine.catalog.objects import Schema
from skerry_engine.catalog.quoting import quote_qualified, split_name
from skerry_engine.catalog.search_path import SearchPath
from skerry_engine.gql import tree

GRAPH_SETTING: Final = "skerry.graph"
HOME_SCHEMA: Final = "public"

AnyGraph = Graph | PropertyGraph


def schema_name(written: tree.SchemaName | None) -> str | None:
    """The name of a schema as the catalog has it; None for the current one.  Raises InvalidSchemaName."""
    if written is None or written.kind == "current":
        return None
    if written.kind == "home" or (written.kind == "named" and not written.path):
        return HOME_SCHEMA
    if written.kind == "named" and len(written.path) == 1:
        return written.path[0]
    shown = "/".join(written.path)
    raise errors.InvalidSchemaName(
        f'schema "{"" if written.kind == "relative" else "/"}{shown}" does not exist',
        hint="Directories of schemas have one level: /name.",
        position=written.position,
    )


def creation_schema(database: Database, path: SearchPath, written: tree.SchemaName | None) -> Schema:
    """The schema that something new goes to.  Raises InvalidSchemaName."""
    name = schema_name(written)
    position = None if written is None else written.position
    if name is None:
        if not path.creation:
            raise errors.InvalidSchemaName("no schema has been selected to create in", position=position)
        return database.schemas[path.creation]
    found = database.schema_named(name)
    if found is None:
        raise errors.InvalidSchemaName(f'schema "{name}" does not exist', position=position)
    return found


def graph_named(database: Database, path: SearchPath, name: tree.ObjectName) -> AnyGraph:
    """The graph of that name.  Raises UndefinedTable, WrongObjectType, InvalidSchemaName."""
    return find_graph(database, name.name, schema_name(name.schema), path, name.position)


def working_graph(database: Database, setting: str) -> AnyGraph | None:
    """The graph that a value of the setting names; None where there is none (any more).  Raises InvalidName."""
    parts = split_name(setting)
    schema = database.schema_named(parts[0]) if len(parts) == 2 else None
    found = None if schema is None else database.relation_named(schema.oid, parts[1])
    return found if isinstance(found, (Graph, PropertyGraph)) else None


def setting_of(database: Database, graph: AnyGraph) -> str:
    """The value of the setting that names a graph."""
    return quote_qualified((database.schema_of(graph).name, graph.name))


HOME_SETTING: Final = quote_qualified((HOME_SCHEMA, HOME))


def referenced_graph(
    database: Database, path: SearchPath, setting: str, reference: tree.GraphReference | None
) -> AnyGraph:
    """The graph that a reference means; None is the session's.  Raises UndefinedTable, WrongObjectType,
    NotSupportedError for one that a parameter holds."""
    if reference is None or reference.kind == "current":
        found = working_graph(database, setting)
        if found is None:
            raise errors.UndefinedTable(
                f'graph "{split_name(setting)[-1]}" does not exist',
                hint="Name another one with USE or SESSION SET GRAPH.",
            )
        return found
    if reference.kind == "home":
        found = working_graph(database, HOME_SETTING)
        if found is None:
            raise errors.UndefinedTable(f'graph "{HOME}" does not exist', position=reference.position)
        return found
    if reference.kind != "named" or reference.name is None:
        raise errors.NotSupportedError(
            "graphs given as parameters are not supported in definitions", position=reference.position
        )
    return graph_named(database, path, reference.name)


def native_graph(graph: AnyGraph, position: int | None, what: str) -> Graph:
    """The graph if its elements are its own.  Raises WrongObjectType for one over tables."""
    if not isinstance(graph, Graph):
        raise errors.WrongObjectType(
            f'{what} of graph "{graph.name}" are those of its tables',
            detail="It is a property graph over tables.",
            position=position,
        )
    return graph
