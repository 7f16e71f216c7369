"""DDL effects on graphs and graph types: pure functions from a catalog to its successor.

See `changes` for the rules that all such functions follow; dropping is in `drops`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from skerry_engine import errors
from skerry_engine.catalog.catalog import Catalog, Database
from skerry_engine.catalog.changes import check_name_free
from skerry_engine.catalog.graphs import (
    ElementConstraint,
    ElementTable,
    Graph,
    GraphType,
    PropertyGraph,
    PropertyIndex,
    find_graph_type,
    with_graph,
)
from skerry_engine.catalog.objects import new_version
from skerry_engine.catalog.search_path import SearchPath

GraphParts = tuple[Graph, ElementTable, ElementTable]
"""A graph, the table of its nodes, and the table of its edges."""


def create_graph(catalog: Catalog, database_oid: int, parts: GraphParts) -> Catalog:
    """Put in a native graph with its tables and their indexes.  Raises DuplicateTable, InsufficientPrivilege (a
    system schema)."""
    database = catalog.database(database_oid)
    check_name_free(database, parts[0])
    for table in parts[1:]:
        for index in table.indexes:
            if not index.is_hidden:
                check_name_free(database, index)
    return catalog.with_database(with_graph(database, *parts))


def create_property_graph(catalog: Catalog, database_oid: int, graph: PropertyGraph) -> Catalog:
    """Put in a property graph over tables.  Raises DuplicateTable, InsufficientPrivilege."""
    database = catalog.database(database_oid)
    check_name_free(database, graph)
    return catalog.with_database(database.with_relations((graph,)))


def alter_property_graph(
    catalog: Catalog, database_oid: int, oid: int, change: Callable[[PropertyGraph], PropertyGraph]
) -> Catalog:
    """Replace a property graph by what `change`, which must be pure, makes of it."""
    database = catalog.database(database_oid)
    graph = database.relations[oid]
    assert isinstance(graph, PropertyGraph)
    return catalog.with_database(database.with_relations((replace(change(graph), version=new_version()),)))


def create_graph_type(catalog: Catalog, database_oid: int, graph_type: GraphType) -> Catalog:
    """Put in a graph type.  Raises DuplicateObject, InsufficientPrivilege (a system schema)."""
    database = catalog.database(database_oid)
    check_name_free(database, graph_type)
    schema_oid = graph_type.schema_oid
    path = SearchPath((schema_oid,), schema_oid, (schema_oid,))
    if find_graph_type(database, graph_type.name, None, path) is not None:
        raise errors.DuplicateObject(f'graph type "{graph_type.name}" already exists')
    return catalog.with_database(database.with_relations((graph_type,)))


def create_property_index(
    catalog: Catalog,
    database_oid: int,
    index: PropertyIndex | None,
    constraint: ElementConstraint | None = None,
) -> Catalog:
    """Put in an index over properties, a constraint on elements, or a constraint with its index.

    Raises DuplicateTable (the index's name), DuplicateObject (the constraint's name on the graph's nodes or edges).
    """
    database = catalog.database(database_oid)
    first = index or constraint
    assert first is not None, "an index, a constraint, or both"
    table = database.table(first.table_oid)
    indexes, constraints = table.indexes, table.constraints
    if index is not None:
        check_name_free(database, index)
        indexes = (*indexes, index)
    if constraint is not None:
        if any(each.name == constraint.name for each in constraints):
            raise errors.DuplicateObject(f'constraint "{constraint.name}" already exists')
        constraints = (*constraints, constraint)
    changed = replace(table, indexes=indexes, constraints=constraints, version=new_version())
    added = (changed,) if index is None else (changed, index)
    return catalog.with_database(database.with_relations(added))


def graph_constraints(database: Database, graph: Graph) -> tuple[ElementConstraint, ...]:
    """The constraints on a graph's elements, those on nodes first."""
    tables = (graph.nodes(database), graph.edges(database))
    return tuple(c for table in tables for c in table.constraints if isinstance(c, ElementConstraint))
