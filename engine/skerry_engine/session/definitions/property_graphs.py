"""CREATE and ALTER PROPERTY GRAPH: from what is written to elements of a graph over tables.

Tables are locked while a definition reads them, so that they stay as it finds them.  What is not written is found
now and kept: a primary key as the element's key, a foreign key as an edge's end, all columns as properties.  So a
column that is added later is no property, as it is no column of a view.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from dataclasses import replace

from sqlglot import exp

from skerry_engine import errors
from skerry_engine.catalog import naming
from skerry_engine.catalog import property_graphs as pg
from skerry_engine.catalog.graphs import (
    ElementEnd,
    ElementLabel,
    ElementProperty,
    GraphElement,
    PropertyGraph,
)
from skerry_engine.catalog.objects import Column, Constraint, Schema, StoredExpression, Table
from skerry_engine.functions.resolve import resolve_operator
from skerry_engine.session.definitions.binding import bind_property, column_expression
from skerry_engine.session.definitions.change import change_catalog
from skerry_engine.session.definitions.context import DefinitionContext
from skerry_engine.session.definitions.guards import check_owner
from skerry_engine.session.definitions.names import as_kind, creation_schema, get_table, open_relation
from skerry_engine.session.definitions.views import check_views_of
from skerry_engine.session.definitions.waiting import lock_new_name
from skerry_engine.session.steps import Complete, Step
from skerry_engine.sql import graph_statements as gs
from skerry_engine.txn.modes import ACCESS_EXCLUSIVE, ACCESS_SHARE

Elements = tuple[GraphElement, ...]


# --- CREATE ---------------------------------------------------------------------------------------------------------


def create_property_graph(
    context: DefinitionContext, statement: gs.CreatePropertyGraph
) -> Generator[Step, object, Complete]:
    """CREATE PROPERTY GRAPH.  Raises DuplicateTable, UndefinedTable, UndefinedColumn, UndefinedObject,
    DuplicateObject, SyntaxError."""
    if statement.persistence == "u":
        raise errors.NotSupportedError("property graphs cannot be unlogged because they do not have storage")
    vertices = yield from _elements(context, statement.vertices, ())
    edges = yield from _elements(context, statement.edges, vertices)
    schema = _schema(context, statement, (*vertices, *edges))
    name = naming.truncate_name(statement.name.name)
    yield from lock_new_name(context, schema.oid, name)
    graph = PropertyGraph(
        oid=context.catalog.oids.allocate(),
        name=name,
        schema_oid=schema.oid,
        owner_oid=context.user_oid,
        persistence="t" if schema.name == context.temporary_schema_name else "p",
        vertices=vertices,
        edges=edges,
    )
    database_oid = context.database_oid
    change_catalog(context, lambda catalog: pg.create_property_graph(catalog, database_oid, graph))
    return Complete("CREATE PROPERTY GRAPH")


def _schema(context: DefinitionContext, statement: gs.CreatePropertyGraph, elements: Elements) -> Schema:
    """Where the graph goes: one over temporary tables is temporary itself."""
    persistence = statement.persistence
    tables = [context.database.table(each.table_oid) for each in elements]
    if persistence != "t" and any(table.is_temporary for table in tables):
        context.notice(f'property graph "{statement.name.name}" will be temporary')
        persistence = "t"
    return creation_schema(context, statement.name, persistence)


# --- elements -------------------------------------------------------------------------------------------------------


def _elements(
    context: DefinitionContext, written: Iterable[gs.ElementClause], vertices: Elements
) -> Generator[Step, object, Elements]:
    found: list[GraphElement] = []
    for clause in written:
        table = yield from get_table(context, clause.table, ACCESS_SHARE)
        found.append(_element(context, table, clause, vertices))
    return tuple(found)


def _element(
    context: DefinitionContext, table: Table, clause: gs.ElementClause, vertices: Elements
) -> GraphElement:
    element = GraphElement(
        oid=context.catalog.oids.allocate(),
        alias=clause.alias,
        table_oid=table.oid,
        key=_key(table, clause),
        labels=tuple(_label(context, table, clause.alias, label) for label in clause.labels),
    )
    if clause.source is None or clause.target is None:
        return element
    return replace(
        element,
        source=_end(context, table, clause, "SOURCE", clause.source, vertices),
        target=_end(context, table, clause, "DESTINATION", clause.target, vertices),
    )


def _key(table: Table, clause: gs.ElementClause) -> tuple[int, ...]:
    if clause.key:
        return _attnums(table, clause.key)
    primary = next((each for each in table.constraints if each.kind == "p"), None)
    if primary is None:
        raise errors.UndefinedObject(
            f'no key specified and no suitable primary key exists for definition of element table "{clause.alias}"',
            position=clause.table.position,
        )
    return primary.columns


def _attnums(table: Table, names: Sequence[str]) -> tuple[int, ...]:
    found: list[int] = []
    for name in names:
        attnum = _column(table, name).attnum
        if attnum in found:
            raise errors.InvalidColumnReference(f'graph key column "{name}" used more than once')
        found.append(attnum)
    return tuple(found)


def _column(table: Table, name: str) -> Column:
    column = table.column_named(name)
    if column is None:
        raise errors.UndefinedColumn(f'column "{name}" of relation "{table.name}" does not exist')
    return column


# --- ends of edges --------------------------------------------------------------------------------------------------


def _end(
    context: DefinitionContext,
    table: Table,
    clause: gs.ElementClause,
    word: str,
    written: gs.ElementEndClause,
    vertices: Elements,
) -> ElementEnd:
    vertex = next((each for each in vertices if each.alias == written.alias), None)
    if vertex is None:
        which = "source" if word == "SOURCE" else "destination"
        raise errors.UndefinedObject(
            f'{which} vertex table "{written.alias}" of edge table "{clause.alias}" does not exist',
            position=written.position,
        )
    if not written.columns:
        key = _foreign_key(table, clause, word, vertex)
        return ElementEnd(written.alias, key.columns, key.referenced_columns)
    referenced = context.database.table(vertex.table_oid)
    columns = _attnums(table, written.columns)
    wanted = _attnums(referenced, written.referenced) if written.referenced else vertex.key
    if len(columns) != len(wanted):
        raise errors.SyntaxError(
            f'mismatching number of columns in {word} vertex definition of edge table "{clause.alias}"',
            position=written.position,
        )
    for attnum, other in zip(columns, wanted, strict=True):
        types = table.columns[attnum - 1].type.oid, referenced.columns[other - 1].type.oid
        resolve_operator("=", *types, written.position)
    return ElementEnd(written.alias, columns, wanted)


def _foreign_key(table: Table, clause: gs.ElementClause, word: str, vertex: GraphElement) -> Constraint:
    """The one foreign key that leads to the vertex's table."""
    keys = [each for each in table.foreign_keys if each.referenced_table_oid == vertex.table_oid]
    if len(keys) == 1:
        return keys[0]
    what = (
        f"more than one suitable foreign key exists for {word} key"
        if keys
        else f"no {word} key specified and no suitable foreign key constraint exists for definition"
    )
    raise errors.UndefinedObject(f'{what} of edge table "{clause.alias}"', position=clause.table.position)


# --- labels and properties ------------------------------------------------------------------------------------------


def _label(context: DefinitionContext, table: Table, alias: str, written: gs.LabelClause) -> ElementLabel:
    name = alias if written.name is None else written.name
    if written.properties.is_all:
        return ElementLabel(name, tuple(_column_property(column) for column in table.live_columns))
    return ElementLabel(name, _properties(context, table, written.properties.items))


def _column_property(column: Column) -> ElementProperty:
    return ElementProperty(column.name, StoredExpression(column.name, column_expression(column)))


def _properties(
    context: DefinitionContext, table: Table, written: Iterable[gs.GraphProperty]
) -> tuple[ElementProperty, ...]:
    found: list[ElementProperty] = []
    for item in written:
        name = item.name
        if name is None:
            if not isinstance(item.source.tree, exp.Column) or item.source.tree.args.get("table") is not None:
                raise errors.SyntaxError("property name required", position=item.position)
            name = item.source.tree.name
        found.append(ElementProperty(name, bind_property(context, item.source, table)))
    return tuple(found)


# --- ALTER ----------------------------------------------------------------------------------------------------------


def alter_property_graph(
    context: DefinitionContext, statement: gs.AlterPropertyGraph
) -> Generator[Step, object, Complete]:
    """ALTER PROPERTY GRAPH.  Raises as CREATE does, and DependentObjectsStillExist for vertices that have edges."""
    tag = Complete("ALTER PROPERTY GRAPH")
    found = yield from open_relation(context, statement.name, ACCESS_EXCLUSIVE)
    if found is None:
        if not statement.if_exists:
            raise errors.UndefinedTable(f'relation "{statement.name}" does not exist')
        context.notice(f'relation "{statement.name}" does not exist, skipping')
        return tag
    graph = as_kind(found, PropertyGraph, "property graph")
    check_owner(context, graph)
    changed = yield from _altered(context, graph, statement.action)
    database_oid = context.database_oid
    change_catalog(context, lambda catalog: pg.replace_property_graph(catalog, database_oid, changed))
    check_views_of(context, graph)
    return tag


def _altered(
    context: DefinitionContext, graph: PropertyGraph, action: gs.GraphAction
) -> Generator[Step, object, PropertyGraph]:
    match action:
        case gs.AddElements():
            added = yield from _elements(context, action.vertices, ())
            vertices = (*graph.vertices, *added)
            edges = yield from _elements(context, action.edges, vertices)
            return replace(graph, vertices=vertices, edges=(*graph.edges, *edges))
        case gs.DropElements():
            return _without(graph, action)
        case gs.AlterElement():
            return _with_altered_element(context, graph, action)
    raise AssertionError(f"no such action: {action}")


def _without(graph: PropertyGraph, action: gs.DropElements) -> PropertyGraph:
    aliases = set(action.aliases)
    present = {each.alias for each in (graph.edges if action.is_edges else graph.vertices)}
    for alias in action.aliases:
        if alias not in present:
            kind = "edge" if action.is_edges else "vertex"
            raise errors.UndefinedObject(f'property graph "{graph.name}" has no {kind} table "{alias}"')
    if action.is_edges:
        return replace(graph, edges=tuple(each for each in graph.edges if each.alias not in aliases))
    going = [each for each in graph.edges if aliases & _ends(each)]
    if going and not action.cascade:
        raise errors.DependentObjectsStillExist(
            f"cannot drop vertex tables of property graph {graph.name} because other objects depend on them",
            detail="\n".join(f"edge table {each.alias} has ends there" for each in going),
            hint="Use DROP ... CASCADE to drop the dependent objects too.",
        )
    return replace(
        graph,
        vertices=tuple(each for each in graph.vertices if each.alias not in aliases),
        edges=tuple(each for each in graph.edges if each not in going),
    )


def _ends(edge: GraphElement) -> set[str]:
    return {end.alias for end in (edge.source, edge.target) if end is not None}


def _with_altered_element(
    context: DefinitionContext, graph: PropertyGraph, action: gs.AlterElement
) -> PropertyGraph:
    candidates = graph.edges if action.is_edge else graph.vertices
    element = next((each for each in candidates if each.alias == action.alias), None)
    if element is None:
        kind = "edge" if action.is_edge else "vertex"
        raise errors.UndefinedObject(f'property graph "{graph.name}" has no {kind} table "{action.alias}"')
    changed = replace(element, labels=_altered_labels(context, element, action))
    kept = tuple(changed if each is element else each for each in candidates)
    return replace(graph, edges=kept) if action.is_edge else replace(graph, vertices=kept)


def _altered_labels(
    context: DefinitionContext, element: GraphElement, action: gs.AlterElement
) -> tuple[ElementLabel, ...]:
    table = context.database.table(element.table_oid)
    if isinstance(action, gs.AddLabels):
        added = (_label(context, table, element.alias, label) for label in action.labels)
        return (*element.labels, *added)
    assert isinstance(action, (gs.DropLabel, gs.AddProperties, gs.DropProperties))
    label = pg.label_of(element, action.label)
    if label is None:
        raise errors.UndefinedObject(f'element table "{element.alias}" has no label "{action.label}"')
    if isinstance(action, gs.DropLabel):
        if len(element.labels) == 1:
            raise errors.InvalidObjectDefinition(
                f'cannot drop the last label of element table "{element.alias}"'
            )
        return tuple(each for each in element.labels if each is not label)
    if isinstance(action, gs.AddProperties):
        changed = replace(label, properties=(*label.properties, *_properties(context, table, action.items)))
    else:
        changed = replace(label, properties=_kept_properties(label, action.names))
    return tuple(changed if each is label else each for each in element.labels)


def _kept_properties(label: ElementLabel, names: Sequence[str]) -> tuple[ElementProperty, ...]:
    present = {each.name for each in label.properties}
    for name in names:
        if name not in present:
            raise errors.UndefinedObject(f'label "{label.name}" has no property "{name}"')
    return tuple(each for each in label.properties if each.name not in names)
