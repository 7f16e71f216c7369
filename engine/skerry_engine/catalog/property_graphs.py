"""Property graphs over tables: what must hold of a definition, how it changes, and its text.

    PropertyGraph ── vertices, edges: GraphElement (alias, table, key, ends) ── labels ── properties

What always holds (`check`): no alias twice; an edge's ends are vertices of the graph; a label has the same property
names wherever it is given; a property has one type in the whole graph, and one expression in each element, whatever
label it comes by.  So a property of an element is a function of its row, and a pattern's label says what
properties there are.

Everything here is pure.  Names are looked up, and expressions bound, by whoever makes a definition.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from skerry_engine import errors
from skerry_engine.algebra.expressions import Column, walk
from skerry_engine.catalog.catalog import Catalog, Database
from skerry_engine.catalog.changes import check_name_free
from skerry_engine.catalog.definitions import DefinitionPrinter, column_list
from skerry_engine.catalog.graphs import (
    ElementEnd,
    ElementLabel,
    ElementProperty,
    GraphElement,
    PropertyGraph,
)
from skerry_engine.catalog.objects import CLASS_RELATION, Address, Table, new_version
from skerry_engine.catalog.quoting import quote_identifier
from skerry_engine.values.types import SqlType, format_type

# --- reading --------------------------------------------------------------------------------------------------------


def elements(graph: PropertyGraph) -> tuple[GraphElement, ...]:
    """Vertices, then edges."""
    return (*graph.vertices, *graph.edges)


def element_named(graph: PropertyGraph, alias: str) -> GraphElement | None:
    """The element of that alias."""
    return next((each for each in elements(graph) if each.alias == alias), None)


def label_of(element: GraphElement, name: str) -> ElementLabel | None:
    """The element's label of that name."""
    return next((each for each in element.labels if each.name == name), None)


def properties_of(element: GraphElement) -> dict[str, ElementProperty]:
    """All properties of an element, whatever label they come by."""
    return {each.name: each for label in element.labels for each in label.properties}


def property_type(graph: PropertyGraph, name: str) -> SqlType | None:
    """The type that a property has in the whole graph; None where no element has it."""
    for element in elements(graph):
        found = properties_of(element).get(name)
        if found is not None:
            return found.expression.expr.type
    return None


def label_names(graph: PropertyGraph, of_edges: bool) -> frozenset[str]:
    """The labels that some vertex, or some edge, has."""
    return frozenset(
        label.name for each in (graph.edges if of_edges else graph.vertices) for label in each.labels
    )


# --- what must hold -------------------------------------------------------------------------------------------------


def check(graph: PropertyGraph) -> None:
    """Raise DuplicateObject, UndefinedObject or SyntaxError for a definition that says what can't be."""
    seen: set[str] = set()
    for element in elements(graph):
        if element.alias in seen:
            raise errors.DuplicateObject(f'alias "{element.alias}" used more than once as element table')
        seen.add(element.alias)
    vertices = {each.alias for each in graph.vertices}
    for edge in graph.edges:
        for end in (edge.source, edge.target):
            if end is None or end.alias not in vertices:
                name = "" if end is None else end.alias
                raise errors.UndefinedObject(
                    f'vertex table "{name}" of edge table "{edge.alias}" does not exist'
                )
    for element in elements(graph):
        _check_element(element)
    _check_labels(graph)
    _check_types(graph)


def _check_element(element: GraphElement) -> None:
    names = [label.name for label in element.labels]
    for name in names:
        if names.count(name) > 1:
            raise errors.DuplicateObject(
                f'label "{name}" used more than once in element table "{element.alias}"'
            )
    found: dict[str, ElementProperty] = {}
    for label in element.labels:
        inside: set[str] = set()
        for each in label.properties:
            if each.name in inside:
                raise errors.DuplicateObject(
                    f'property "{each.name}" used more than once in label "{label.name}"'
                )
            inside.add(each.name)
            other = found.setdefault(each.name, each)
            if other.expression.expr != each.expression.expr:
                raise errors.SyntaxError(
                    f'element "{element.alias}" property "{each.name}" expression mismatch: '
                    f"{other.expression.source} vs. {each.expression.source}"
                )


def _check_labels(graph: PropertyGraph) -> None:
    found: dict[str, frozenset[str]] = {}
    for element in elements(graph):
        for label in element.labels:
            names = frozenset(each.name for each in label.properties)
            if found.setdefault(label.name, names) != names:
                raise errors.SyntaxError(
                    f'mismatching property names in definition of label "{label.name}" of "{element.alias}"'
                )


def _check_types(graph: PropertyGraph) -> None:
    found: dict[str, SqlType] = {}
    for element in elements(graph):
        for name, each in properties_of(element).items():
            written = each.expression.expr.type
            known = found.setdefault(name, written)
            if known != written:
                raise errors.SyntaxError(
                    f'property "{name}" data type mismatch: {_shown(known)} vs. {_shown(written)}',
                    detail="In a property graph, a property has the same data type in each label.",
                )


def _shown(sql_type: SqlType) -> str:
    return format_type(sql_type.oid, sql_type.typmod)


# --- changes --------------------------------------------------------------------------------------------------------


def create_property_graph(catalog: Catalog, database_oid: int, graph: PropertyGraph) -> Catalog:
    """Put in a property graph.  Raises DuplicateTable, InsufficientPrivilege, and what `check` raises."""
    database = catalog.database(database_oid)
    check(graph)
    check_name_free(database, graph)
    return catalog.with_database(database.with_relations((with_references(graph, database),)))


def replace_property_graph(catalog: Catalog, database_oid: int, graph: PropertyGraph) -> Catalog:
    """Give the property graph of the same OID other elements.  Raises what `check` raises."""
    database = catalog.database(database_oid)
    check(graph)
    old = database.relations[graph.oid]
    assert isinstance(old, PropertyGraph)
    changed = replace(old, vertices=graph.vertices, edges=graph.edges, version=new_version())
    return catalog.with_database(database.with_relations((with_references(changed, database),)))


def with_references(graph: PropertyGraph, database: Database) -> PropertyGraph:
    """The graph with the relations and columns that it reads noted."""
    return replace(graph, references=tuple(dict.fromkeys(_references(graph, database))))


def _references(graph: PropertyGraph, database: Database) -> Iterator[Address]:
    aliases = {each.alias: each for each in graph.vertices}
    for element in elements(graph):
        table = database.table(element.table_oid)
        attnums = [*element.key]
        for end in (element.source, element.target):
            if end is not None:
                attnums += end.columns
                for attnum in end.referenced:
                    yield Address(CLASS_RELATION, aliases[end.alias].table_oid, attnum)
        attnums += _columns_read(table, element)
        for attnum in attnums:
            yield Address(CLASS_RELATION, table.oid, attnum)


def _columns_read(table: Table, element: GraphElement) -> list[int]:
    positions = {
        node.position
        for each in properties_of(element).values()
        for node in walk(each.expression.expr)
        if isinstance(node, Column)
    }
    return [column.attnum for column in table.columns if column.position in positions]


# --- text -----------------------------------------------------------------------------------------------------------


def definition(printer: DefinitionPrinter, graph: PropertyGraph) -> str:
    """The CREATE PROPERTY GRAPH that makes the graph: every name qualified, every key and property listed."""
    parts = [f"CREATE PROPERTY GRAPH {printer.qualified_name(graph)}"]
    for words, found in (("VERTEX", graph.vertices), ("EDGE", graph.edges)):
        if found:
            texts = (_element_text(printer, graph, each) for each in found)
            parts.append(f"    {words} TABLES (\n        " + ",\n        ".join(texts) + "\n    )")
    return "\n".join(parts)


def _element_text(printer: DefinitionPrinter, graph: PropertyGraph, element: GraphElement) -> str:
    table = printer.database.table(element.table_oid)
    words = [printer.qualified_name(table)]
    if element.alias != table.name:
        words.append(f"AS {quote_identifier(element.alias)}")
    words.append(f"KEY ({column_list(table, element.key)})")
    for word, end in (("SOURCE", element.source), ("DESTINATION", element.target)):
        if end is not None:
            words.append(f"{word} {_end_text(printer, graph, table, end)}")
    words += _label_texts(printer, table, element)
    return " ".join(words)


def _end_text(printer: DefinitionPrinter, graph: PropertyGraph, table: Table, end: ElementEnd) -> str:
    vertex = element_named(graph, end.alias)
    assert vertex is not None
    referenced = printer.database.table(vertex.table_oid)
    return (
        f"KEY ({column_list(table, end.columns)}) REFERENCES {quote_identifier(end.alias)} "
        f"({column_list(referenced, end.referenced)})"
    )


def _label_texts(printer: DefinitionPrinter, table: Table, element: GraphElement) -> list[str]:
    texts: list[str] = []
    is_default = [label.name for label in element.labels] == [element.alias]
    for label in element.labels:
        if not is_default:
            texts.append(f"LABEL {quote_identifier(label.name)}")
        texts.append(_properties_text(printer, table, label.properties))
    return texts


def _properties_text(printer: DefinitionPrinter, table: Table, found: Sequence[ElementProperty]) -> str:
    if not found:
        return "NO PROPERTIES"
    texts = []
    for each in found:
        text, name = printer.expression(table, each.expression), quote_identifier(each.name)
        texts.append(name if text == name else f"{text} AS {name}")
    return f"PROPERTIES ({', '.join(texts)})"
