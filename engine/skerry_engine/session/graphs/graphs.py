"""CREATE and DROP GRAPH, GRAPH TYPE, SCHEMA.

A graph enters the catalog when all of it is there: tables, copied elements, the constraints that its type asks for.
Its storages are new, so that elements are put into them directly, without overlay and locks, under the row ids that
they have in the graph that is copied: an edge names its ends by them.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from typing import cast

from skerry_engine import errors
from skerry_engine.catalog import naming
from skerry_engine.catalog.graph_changes import GraphParts, create_graph_type
from skerry_engine.catalog.graph_changes import create_graph as put_graph
from skerry_engine.catalog.graph_checks import checks_of
from skerry_engine.catalog.graphs import (
    ElementRule,
    ElementTable,
    ElementTypes,
    Graph,
    GraphType,
    PropertyGraph,
    find_graph_type,
)
from skerry_engine.catalog.objects import CLASS_RELATION, Address, Relation, Schema
from skerry_engine.gql import tree
from skerry_engine.session.definitions.change import change_catalog
from skerry_engine.session.definitions.context import DefinitionContext
from skerry_engine.session.definitions.databases import create_schema as create_sql_schema
from skerry_engine.session.definitions.drop import drop as drop_sql
from skerry_engine.session.definitions.drop import drop_objects
from skerry_engine.session.definitions.guards import check_may_create, check_may_drop
from skerry_engine.session.definitions.waiting import lock_new_name, lock_object_name, lock_relation
from skerry_engine.session.graphs.constraints import make_constraint
from skerry_engine.session.graphs.making import made_graph
from skerry_engine.session.graphs.names import (
    creation_schema,
    native_graph,
    referenced_graph,
    schema_name,
)
from skerry_engine.session.graphs.types import element_types
from skerry_engine.session.steps import PAUSE, Step
from skerry_engine.session.stores import place_rows
from skerry_engine.sql import statements as st
from skerry_engine.txn.modes import ACCESS_SHARE

Steps = Generator[Step, object, None]
COPIED_ROWS = 1000
"""Elements copied in one unit."""


# --- CREATE GRAPH -----------------------------------------------------------------------------------------------


def create_graph(context: DefinitionContext, working: str, clause: tree.CreateGraph) -> Steps:
    """CREATE GRAPH.  `working` is the graph that CURRENT_GRAPH means.  Raises DuplicateTable, UndefinedTable,
    UndefinedObject, DependentObjectsStillExist (OR REPLACE), and what copied elements violate of the type."""
    schema = creation_schema(context.database, context.search_path, clause.name.schema)
    check_may_create(context, schema)
    name = naming.truncate_name(clause.name.name)
    yield from lock_new_name(context, schema.oid, name)
    taken = context.database.relation_named(schema.oid, name)
    if taken is not None and not (yield from _make_room(context, taken, clause)):
        return
    source: Graph | None = None
    if clause.copy_of is not None:
        found = referenced_graph(context.database, context.search_path, working, clause.copy_of)
        source = native_graph(found, clause.copy_of.position, "the elements")
        yield from lock_relation(context, source.nodes_oid, ACCESS_SHARE)
        yield from lock_relation(context, source.edges_oid, ACCESS_SHARE)
    elements, type_oid = _type_of(context, working, clause, source)
    graph, nodes, edges = made_graph(context, name, schema.oid, elements, type_oid)
    if source is not None:
        yield from _copy(context, source, (graph, nodes, edges))
    for rule in () if elements is None else elements.rules:
        if rule.of_edges:
            edges = yield from _with_rule(context, edges, rule)
        else:
            nodes = yield from _with_rule(context, nodes, rule)
    database_oid, parts = context.database_oid, (graph, nodes, edges)
    change_catalog(context, lambda catalog: put_graph(catalog, database_oid, parts))


def _make_room(
    context: DefinitionContext, taken: Relation, clause: tree.CreateGraph
) -> Generator[Step, object, bool]:
    """Drop what has the name if OR REPLACE says so.  False: IF NOT EXISTS is content with it."""
    if clause.is_replace and isinstance(taken, (Graph, PropertyGraph)):
        yield from drop_objects(context, [Address(CLASS_RELATION, taken.oid)], False)
        return True
    if clause.if_not_exists:
        context.notice(f'relation "{taken.name}" already exists, skipping', sqlstate="42P07")
        return False
    if clause.is_replace:
        raise errors.WrongObjectType(f'"{taken.name}" is not a graph', position=clause.name.position)
    raise errors.DuplicateTable(f'relation "{taken.name}" already exists', position=clause.name.position)


def _type_of(
    context: DefinitionContext, working: str, clause: tree.CreateGraph, source: Graph | None
) -> tuple[ElementTypes | None, int]:
    """What the graph may hold, None for everything, and the OID of the named type that says so, or 0."""
    written = clause.type
    if written is None:
        return (None, 0) if source is None else (source.elements, source.type_oid)
    if isinstance(written, tree.NamedType):
        found = _named_type(context, written.name)
        return found.elements, found.oid
    if isinstance(written, tree.LikeType):
        graph = referenced_graph(context.database, context.search_path, working, written.graph)
        like = native_graph(graph, written.position, "the element types")
        return like.elements, like.type_oid
    if isinstance(written, tree.ListedType):
        return element_types(written), 0
    return None, 0


def _named_type(context: DefinitionContext, name: tree.ObjectName) -> GraphType:
    found = find_graph_type(context.database, name.name, schema_name(name.schema), context.search_path)
    if found is None:
        raise errors.UndefinedObject(f'graph type "{name.name}" does not exist', position=name.position)
    return found


def _with_rule(
    context: DefinitionContext, table: ElementTable, rule: ElementRule
) -> Generator[Step, object, ElementTable]:
    """The table with a constraint that its graph's type asks for."""
    names = {each.name for each in table.constraints}
    made = rule if rule.name not in names else replace(rule, name="")
    if made.name and made.kind != "n":
        taken = context.database.relation_named(table.schema_oid, naming.truncate_name(made.name))
        made = made if taken is None else replace(made, name="")  # another graph of the type has it
    constraint, index = yield from make_constraint(context, table, made)
    indexes = table.indexes if index is None else (*table.indexes, index)
    return replace(table, constraints=(*table.constraints, constraint), indexes=indexes)


def _copy(context: DefinitionContext, source: Graph, parts: GraphParts) -> Steps:
    """Put the elements that the transaction sees into a new graph, nodes first."""
    graph, nodes, edges = parts
    checks = checks_of(graph.elements, nodes.constraints, edges.constraints, graph.name)
    stores = context.stores
    node_shapes: dict[int, int] = {}
    for of_edges, new in ((False, nodes), (True, edges)):
        database = context.database
        old = source.edges(database) if of_edges else source.nodes(database)
        shapes = stores.shapes(new)
        shapes.copy_from(stores.shapes(old))
        reader = context.transaction.reader(stores.get(old.storage_id))
        storage = stores.get(new.storage_id)
        known: set[int] = set()
        after = -1
        while True:
            ids, rows, after = reader.scan_ids_batch(after, COPIED_ROWS)
            for row_id, row in zip(ids, rows, strict=True):
                shape_id = cast(int, row[0])
                if shape_id not in known:
                    check = checks.shape(of_edges)
                    if check is not None:
                        check(shapes.by_id(shape_id))
                    known.add(shape_id)
                if checks.ends is None:
                    continue
                if of_edges:
                    ends = (node_shapes[cast(int, row[1])], node_shapes[cast(int, row[2])])
                    node_registry = stores.shapes(nodes)
                    checks.ends(
                        shapes.by_id(shape_id), node_registry.by_id(ends[0]), node_registry.by_id(ends[1])
                    )
                else:
                    node_shapes[row_id] = shape_id
            place_rows(context.transaction, storage, ids, rows)
            if after < 0:
                break
            yield PAUSE


# --- DROP GRAPH -------------------------------------------------------------------------------------------------


def drop_graph(context: DefinitionContext, clause: tree.DropGraph) -> Steps:
    """DROP GRAPH.  Raises UndefinedTable, WrongObjectType, DependentObjectsStillExist."""
    name = clause.name
    found = context.database.find_relation(name.name, schema_name(name.schema), context.search_path)
    if found is None:
        if not clause.if_exists:
            raise errors.UndefinedTable(f'graph "{name.name}" does not exist', position=name.position)
        context.notice(f'graph "{name.name}" does not exist, skipping')
        return
    if not isinstance(found, (Graph, PropertyGraph)):
        raise errors.WrongObjectType(f'"{name.name}" is not a graph', position=name.position)
    check_may_drop(context, found)
    yield from drop_objects(context, [Address(CLASS_RELATION, found.oid)], False)


# --- graph types ------------------------------------------------------------------------------------------------


def create_type(context: DefinitionContext, working: str, clause: tree.CreateGraphType) -> Steps:
    """CREATE GRAPH TYPE.  Raises DuplicateObject, UndefinedTable, UndefinedObject, DependentObjectsStillExist."""
    schema = creation_schema(context.database, context.search_path, clause.name.schema)
    check_may_create(context, schema)
    name = naming.truncate_name(clause.name.name)
    yield from lock_object_name(context, "graph type", context.database_oid, schema.oid, name)
    taken = _type_in(context, schema, name)
    if taken is not None:
        if clause.is_replace:
            yield from drop_objects(context, [Address(CLASS_RELATION, taken.oid)], False)
        elif clause.if_not_exists:
            context.notice(f'graph type "{name}" already exists, skipping', sqlstate="42710")
            return
        else:
            raise errors.DuplicateObject(f'graph type "{name}" already exists', position=clause.name.position)
    elements = _source(context, working, clause.source)
    made = GraphType(
        oid=context.catalog.oids.allocate(),
        name=name,
        schema_oid=schema.oid,
        owner_oid=context.user_oid,
        elements=elements,
    )
    database_oid = context.database_oid
    change_catalog(context, lambda catalog: create_graph_type(catalog, database_oid, made))


def _type_in(context: DefinitionContext, schema: Schema, name: str) -> GraphType | None:
    return find_graph_type(context.database, name, schema.name, context.search_path)


def _source(context: DefinitionContext, working: str, source: tree.GraphTypeSource) -> ElementTypes | None:
    if isinstance(source, tree.ListedType):
        return element_types(source)
    if isinstance(source, tree.NamedType):
        return _named_type(context, source.name).elements
    if isinstance(source, tree.LikeType):
        graph = referenced_graph(context.database, context.search_path, working, source.graph)
        return native_graph(graph, source.position, "the element types").elements
    return None


def drop_type(context: DefinitionContext, clause: tree.DropGraphType) -> Steps:
    """DROP GRAPH TYPE.  Raises UndefinedObject, DependentObjectsStillExist while there are graphs of it."""
    name = clause.name
    found = find_graph_type(context.database, name.name, schema_name(name.schema), context.search_path)
    if found is None:
        if not clause.if_exists:
            raise errors.UndefinedObject(f'graph type "{name.name}" does not exist', position=name.position)
        context.notice(f'graph type "{name.name}" does not exist, skipping')
        return
    check_may_drop(context, found)
    yield from drop_objects(context, [Address(CLASS_RELATION, found.oid)], False)


# --- schemas ----------------------------------------------------------------------------------------------------


def create_schema(context: DefinitionContext, clause: tree.CreateSchema) -> Steps:
    """CREATE SCHEMA.  Raises DuplicateSchema, ReservedName, InvalidSchemaName for what is no name."""
    statement = st.CreateSchema(_new_schema(clause.name), clause.if_not_exists)
    yield from create_sql_schema(context, statement)


def drop_schema(context: DefinitionContext, clause: tree.DropSchema) -> Steps:
    """DROP SCHEMA.  Raises InvalidSchemaName, DependentObjectsStillExist while there is something in it."""
    name = st.ObjectName((_new_schema(clause.name),), clause.name.position)
    yield from drop_sql(context, st.Drop("schema", (name,), clause.if_exists))


def _new_schema(written: tree.SchemaName) -> str:
    name = schema_name(written)
    if name is None:
        raise errors.InvalidSchemaName("a schema has a name", position=written.position)
    return name
