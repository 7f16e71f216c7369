"""Graphs in the catalog: native graphs, graph types, and property graphs over tables.

    Graph (kind 'g') ──── nodes: ElementTable ── indexes: by shape; PropertyIndex ...
      │   type: ElementTypes or None (open)      constraints: ElementConstraint ...
      └────────────────── edges: ElementTable ── indexes: by shape, by source, by target; PropertyIndex ...

    GraphType ─────────── ElementTypes: NodeType, EdgeType ── PropertyType
    PropertyGraph (kind 'g') ── GraphElement: a table as nodes or edges ── ElementLabel ── ElementProperty

A native graph's elements are rows of two *element tables*: ordinary tables in all that concerns rows, locks, log and
snapshots, but hidden.  They have no place in the name space of relations, no row type, and pg_class does not list
them.  Their columns are what every row has (a node: `shape`; an edge: `shape`, `source`, `target`); the properties
follow, as each row's shape says (storage/shapes.py).  A row's id is its element's.

A graph has a place in its schema's name space of relations; a graph type has one of its own, so that a graph and its
type may have one name.  A graph made of a type keeps a copy of what the type says: types never change.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from skerry_engine import errors
from skerry_engine.catalog.catalog import Database
from skerry_engine.catalog.objects import (
    PUBLIC,
    Address,
    Column,
    Constraint,
    IndexDef,
    IndexKey,
    Relation,
    StoredExpression,
    Table,
    ViewState,
)
from skerry_engine.catalog.search_path import SearchPath
from skerry_engine.values import oids
from skerry_engine.values.types import SqlType

HOME = "home"
"""The graph that every new database has in schema public, and every session begins with."""

# --- types of elements ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PropertyType:
    """A property that elements of a type may have, or (`not_null`) must have."""

    name: str
    type: SqlType
    not_null: bool = False


@dataclass(frozen=True, slots=True)
class NodeType:
    """Nodes with exactly these labels (in alphabetical order) and at most these properties.  `name` is the name that
    the definition gives the type, '' for none."""

    name: str
    labels: tuple[str, ...]
    properties: tuple[PropertyType, ...] = ()

    def property_named(self, name: str) -> PropertyType | None:
        return next((each for each in self.properties if each.name == name), None)


@dataclass(frozen=True, slots=True)
class EdgeType:
    """Edges with exactly these labels, between nodes of the node types with the numbers `source` and `target`: from the
    one to the other, or undirected."""

    name: str
    labels: tuple[str, ...]
    source: int
    target: int
    properties: tuple[PropertyType, ...] = ()
    is_directed: bool = True

    def property_named(self, name: str) -> PropertyType | None:
        return next((each for each in self.properties if each.name == name), None)


@dataclass(frozen=True, slots=True)
class ElementRule:
    """A constraint that every graph of a type gets; `kind` as in `ElementConstraint`, `name` '' where there is none."""

    name: str
    kind: str
    of_edges: bool
    label: str
    properties: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ElementTypes:
    """What a closed graph may hold: elements of these types, and nothing else; `rules` become its constraints."""

    nodes: tuple[NodeType, ...] = ()
    edges: tuple[EdgeType, ...] = ()
    rules: tuple[ElementRule, ...] = ()

    def node_type(self, labels: frozenset[str]) -> NodeType | None:
        """The type of nodes with exactly these labels."""
        return next((each for each in self.nodes if frozenset(each.labels) == labels), None)

    def edge_types(self, labels: frozenset[str]) -> tuple[EdgeType, ...]:
        """The types of edges with exactly these labels; they differ in their ends."""
        return tuple(each for each in self.edges if frozenset(each.labels) == labels)

    def property_types(
        self, name: str, of_edges: bool, fits: Callable[[frozenset[str]], bool] | None = None
    ) -> frozenset[SqlType]:
        """The types that a property has among the nodes' or the edges' types whose labels fit; empty where none has
        it."""
        types = [each for each in self.types(of_edges) if fits is None or fits(frozenset(each.labels))]
        found = (each.property_named(name) for each in types)
        return frozenset(each.type for each in found if each is not None)

    def types(self, of_edges: bool) -> tuple[NodeType | EdgeType, ...]:
        """The types of nodes, or those of edges."""
        return self.edges if of_edges else self.nodes


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphType(Relation):
    """CREATE GRAPH TYPE: `elements` None is the type of all graphs (open)."""

    elements: ElementTypes | None = None

    @property
    def kind(self) -> str:
        return "gt"

    @property
    def is_hidden(self) -> bool:
        return True


# --- native graphs ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ElementConstraint(Constraint):
    """A constraint on elements with the label `label`.

    `kind`: 'u' no two have the same values in `properties` (elements that lack one are free), 'n' each has them all;
    'k' both.  'u' and 'k' have an index (`index_oid`, a `PropertyIndex`).
    """

    label: str = ""
    properties: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PropertyIndex(IndexDef):
    """An index over properties of elements with the label `label` ('' for all elements).  Its keys are of type
    ANYVALUE, one for each property; an element that lacks one of them has no key in it."""

    label: str = ""
    properties: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ElementIndex(IndexDef):
    """An index that every element table has: by shape, by source, by target."""

    @property
    def is_hidden(self) -> bool:
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class ElementTable(Table):
    """A graph's nodes or edges.  `columns` are what stands before the properties; rows are as long as their shape
    says."""

    graph_oid: int
    is_edges: bool = False

    @property
    def is_hidden(self) -> bool:
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Graph(Relation):
    """A native graph.  `elements` None: open, everything goes.  `type_oid` is the named graph type it was made of,
    or 0."""

    nodes_oid: int
    edges_oid: int
    elements: ElementTypes | None = None
    type_oid: int = 0

    @property
    def kind(self) -> str:
        return "g"

    @property
    def is_open(self) -> bool:
        return self.elements is None

    def nodes(self, database: Database) -> ElementTable:
        """The table of its nodes, as it is in this database, where the graph itself must be from."""
        return _element_table(database, self.nodes_oid)

    def edges(self, database: Database) -> ElementTable:
        """The table of its edges."""
        return _element_table(database, self.edges_oid)


def _element_table(database: Database, oid: int) -> ElementTable:
    found = database.relations[oid]
    assert isinstance(found, ElementTable), "a graph's tables stand beside it"
    return found


# --- property graphs over tables --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ElementProperty:
    """A property: its value is an expression over the table's row."""

    name: str
    expression: StoredExpression


@dataclass(frozen=True, slots=True)
class ElementLabel:
    """A label of all rows of a table, with the properties that elements have by it."""

    name: str
    properties: tuple[ElementProperty, ...] = ()


@dataclass(frozen=True, slots=True)
class ElementEnd:
    """How an edge's row finds the node at one of its ends: its `columns` are equal to the `referenced` columns (both
    attnums) of the element `alias`."""

    alias: str
    columns: tuple[int, ...]
    referenced: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class GraphElement:
    """A table whose rows are nodes, or (`source` and `target` are there) edges.  `key` are attnums."""

    oid: int
    alias: str
    table_oid: int
    key: tuple[int, ...]
    labels: tuple[ElementLabel, ...]
    source: ElementEnd | None = None
    target: ElementEnd | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PropertyGraph(Relation):
    """CREATE PROPERTY GRAPH: a view of tables as a graph.  `references` are the relations and columns it reads."""

    vertices: tuple[GraphElement, ...] = ()
    edges: tuple[GraphElement, ...] = ()
    references: tuple[Address, ...] = ()

    @property
    def kind(self) -> str:
        return "g"


# --- finding ----------------------------------------------------------------------------------------------------


def find_graph(
    database: Database, name: str, schema: str | None, path: SearchPath, position: int | None = None
) -> Graph | PropertyGraph:
    """The graph that a written name means.  Raises UndefinedTable, WrongObjectType."""
    found = database.find_relation(name, schema, path)
    if found is None:
        shown = name if schema is None else f"{schema}.{name}"
        raise errors.UndefinedTable(f'graph "{shown}" does not exist', position=position)
    if not isinstance(found, (Graph, PropertyGraph)):
        raise errors.WrongObjectType(f'"{name}" is not a graph', position=position)
    return found


def find_graph_type(database: Database, name: str, schema: str | None, path: SearchPath) -> GraphType | None:
    """The graph type that a written name means, None where there is none."""
    schemas = path.schemas
    if schema is not None:
        oid = database.schema_oid(schema, path)
        schemas = () if oid is None else (oid,)
    named = database.cached("graph types", lambda: _graph_types(database))
    found = (named.get((oid, name)) for oid in schemas)
    return next((each for each in found if each is not None), None)


def _graph_types(database: Database) -> dict[tuple[int, str], GraphType]:
    return {(each.schema_oid, each.name): each for each in database.of_type(GraphType)}


def graph_of(database: Database, table: ElementTable) -> Graph:
    """The graph whose elements are in the table."""
    found = database.relations[table.graph_oid]
    assert isinstance(found, Graph), "an element table has its graph beside it"
    return found


def oid_shown(database: Database, oid: int) -> int:
    """The OID under which users know a relation: what is hidden in a graph is the graph's."""
    relation = database.relation(oid)
    if relation is None or not relation.is_hidden:
        return oid
    if isinstance(relation, IndexDef):
        return table_shown(database, relation).oid
    if isinstance(relation, ViewState):
        return relation.view_oid
    return relation.graph_oid if isinstance(relation, ElementTable) else oid


def table_shown(database: Database, index: IndexDef) -> Table | Graph:
    """What users know an index to be of: its table, the graph of its elements, or the view whose state it serves."""
    table = database.table(index.table_oid)
    if isinstance(table, ViewState):
        return database.table(table.view_oid)
    return graph_of(database, table) if isinstance(table, ElementTable) else table


# --- making -----------------------------------------------------------------------------------------------------

OIDS_OF_A_GRAPH = 8
"""The graph, its two tables, and their five indexes."""


def new_graph(
    first_oid: int,
    name: str,
    schema_oid: int,
    owner_oid: int,
    storage_ids: tuple[int, int],
    elements: ElementTypes | None = None,
    type_oid: int = 0,
) -> tuple[Graph, ElementTable, ElementTable]:
    """A graph, the tables of its nodes and edges with their indexes; OIDs are `first_oid` and the seven after it."""
    graph = Graph(
        oid=first_oid,
        name=name,
        schema_oid=schema_oid,
        owner_oid=owner_oid,
        nodes_oid=first_oid + 1,
        edges_oid=first_oid + 2,
        elements=elements,
        type_oid=type_oid,
    )
    nodes = _new_table(graph, graph.nodes_oid, "nodes", storage_ids[0], ("shape",), first_oid + 3)
    edges = _new_table(
        graph, graph.edges_oid, "edges", storage_ids[1], ("shape", "source", "target"), first_oid + 4
    )
    return graph, nodes, edges


def _new_table(
    graph: Graph, oid: int, name: str, storage_id: int, columns: tuple[str, ...], index_oid: int
) -> ElementTable:
    """An element table with an index over each of its columns."""
    full_name = f"{graph.name}.{name}"
    table = ElementTable(
        oid=oid,
        name=full_name,
        schema_oid=graph.schema_oid,
        owner_oid=graph.owner_oid,
        columns=tuple(
            Column(column, number, number - 1, SqlType(oids.INT8), not_null=True)
            for number, column in enumerate(columns, 1)
        ),
        storage_id=storage_id,
        graph_oid=graph.oid,
        is_edges=name == "edges",
    )
    indexes = tuple(
        ElementIndex(
            oid=index_oid + number,
            name=f"{full_name}.{column}",
            schema_oid=graph.schema_oid,
            owner_oid=graph.owner_oid,
            table_oid=oid,
            keys=(IndexKey(type=SqlType(oids.INT8), attnum=number + 1),),
        )
        for number, column in enumerate(columns)
    )
    return replace(table, indexes=indexes)


def oids_of(database: Database, graph: Graph) -> tuple[int, ...]:
    """The OIDs of a graph, its tables and their indexes."""
    tables = (graph.nodes(database), graph.edges(database))
    return graph.oid, *(t.oid for t in tables), *(index.oid for t in tables for index in t.indexes)


def with_graph(database: Database, graph: Graph, nodes: ElementTable, edges: ElementTable) -> Database:
    """A successor with a graph, its tables and their indexes put in."""
    return database.with_relations((graph, nodes, *nodes.indexes, edges, *edges.indexes))


def home_graph(
    first_oid: int, owner_oid: int, storage_ids: tuple[int, int]
) -> tuple[Graph, ElementTable, ElementTable]:
    """The graph `home`, open, in schema public."""
    return new_graph(first_oid, HOME, PUBLIC, owner_oid, storage_ids)
