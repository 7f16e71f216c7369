"""What binding one GQL statement shares: the catalog, the working graph, parameters, and the facts relied upon."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn, Protocol

from skerry_engine import errors
from skerry_engine.algebra import expressions as ex
from skerry_engine.catalog.catalog import Database
from skerry_engine.catalog.graphs import HOME, Graph, PropertyGraph, find_graph
from skerry_engine.catalog.objects import PUBLIC, Table
from skerry_engine.catalog.property_graphs import elements
from skerry_engine.catalog.search_path import SearchPath
from skerry_engine.functions.graph_resolution import parameter_type
from skerry_engine.gql import tree
from skerry_engine.sql.binder.coercion import Coercer
from skerry_engine.sql.binder.context import BindContext, OuterColumns, Parameters, Slot
from skerry_engine.values import oids
from skerry_engine.values.io import IoContext
from skerry_engine.values.types import SqlType, graph_type_name

if TYPE_CHECKING:
    from skerry_engine.storage.shapes import ShapeRegistry

AnyGraph = Graph | PropertyGraph


class ShapeSource(Protocol):
    """Where the binder learns what elements have."""

    def shapes(self, table_oid: int) -> ShapeRegistry:
        """The shapes of an element table's rows."""
        ...


_LITERALS = {
    "int8": oids.INT8,
    "numeric": oids.NUMERIC,
    "float8": oids.FLOAT8,
    "string": oids.TEXT,
    "bytes": oids.BYTEA,
    "boolean": oids.BOOL,
}


class GqlParameters(Parameters):
    """The parameters of a GQL statement: its literals have types by themselves, strings too."""

    def literal(self, number: int, target: SqlType | None = None) -> ex.Expr:
        assert self.normalised is not None
        kind = self.normalised.literals[number].kind
        wanted = SqlType(_LITERALS.get(kind, oids.INT8)) if target is None else target
        return ex.Param(wanted, self._slot(Slot("literal", number, wanted)))

    def given(self, name: str) -> ex.Expr:
        """$name, or $1 by its number, as values are in GQL: json is what it says."""
        param = self.client(int(name)) if name.isdigit() else self.named(name)
        oid, function = parameter_type(param.type.oid)
        return param if oid == param.type.oid else ex.Cast(SqlType(oid), param, function, False)


class GqlContext:
    """Shared by all binders of one statement.

    `bind` is what a statement of SQL shares that this is a part of.
    `graph` is the working graph (None: there is none, and nothing may ask for one).  `facts` are (table OID, property
    name) -> the version of what the registry knew; `objects` (OID, version) of what is found by its OID.  `written` are
    the types of the properties that the statement itself gives to elements, which no registry knows yet.
    """

    def __init__(
        self,
        database: Database,
        path: SearchPath,
        parameters: Parameters,
        io: IoContext,
        shapes: ShapeSource,
        graph: AnyGraph | None,
        bind: BindContext | None = None,
    ) -> None:
        self.bind = bind or BindContext(database, path, parameters, parameters.normalised, _no_views)
        self.database = database
        self.path = path
        self.parameters = parameters
        self.io = io
        self.coercer = Coercer(parameters, io, graph_type_name)
        self.shapes = shapes
        self.graph = graph
        self.schema: str | None = None
        """Where graphs without a schema's name are, if AT says so."""
        self.graph_variables: dict[str, AnyGraph] = {}
        self.outer: OuterColumns | None = None
        """What names mean that no variable has: columns around GRAPH_TABLE."""
        self.anonymous = 0
        """How many elements of patterns have been given names."""
        self.has_mapped = False
        """Whether a graph over tables has been read."""
        self.united: set[int] = set()
        """The ranges that stand for elements of several tables."""
        self.facts: dict[tuple[int, str], int] = {}
        self.objects: dict[int, int] = {}
        self.written: dict[tuple[int, str | None], set[int]] = {}
        self.makes_undirected = False
        """Whether the statement itself makes undirected edges: those are in no registry yet."""
        if graph is not None:
            self.note_graph(graph)

    def new_range(self) -> int:
        """A range id that occurs nowhere else in the statement."""
        return self.bind.new_range()

    def registry(self, table_oid: int) -> ShapeRegistry:
        return self.shapes.shapes(table_oid)

    def rely_on(self, table_oid: int, name: str) -> None:
        """Note that what is known now of a property decides the plan."""
        self.facts[(table_oid, name)] = self.registry(table_oid).property_version(name)

    def note_written(self, table_oid: int, name: str | None, type_oid: int) -> None:
        """Note that earlier stages of the statement give elements a property of that type; None: of any name."""
        self.written.setdefault((table_oid, name), set()).add(type_oid)

    def types_written(self, table_oid: int, name: str) -> frozenset[int]:
        """The types that a property may have got from earlier stages."""
        found = self.written.get((table_oid, name), set()) | self.written.get((table_oid, None), set())
        return frozenset(found)

    # --- graphs ----------------------------------------

    def working_graph(self, position: int | None) -> AnyGraph:
        """The graph that patterns are matched in.  Raises UndefinedTable where there is none."""
        if self.graph is None:
            raise errors.UndefinedTable(
                "no graph is selected", hint="Name one with USE or SESSION SET GRAPH.", position=position
            )
        return self.graph

    def graph_named(self, reference: tree.GraphReference) -> AnyGraph:
        """The graph that a reference means.  Raises UndefinedTable, WrongObjectType."""
        if reference.kind == "current":
            return self.working_graph(reference.position)
        if reference.kind == "home":
            return self._found(HOME, "public", reference.position)
        if reference.kind != "named" or reference.name is None:
            raise errors.NotSupportedError(
                "graphs given as parameters are not supported here", position=reference.position
            )
        variable = self.graph_variables.get(reference.name.name)
        if variable is not None and reference.name.schema is None:
            return variable
        schema = self.schema_name(reference.name.schema) or self.schema
        return self._found(reference.name.name, schema, reference.position)

    def _found(self, name: str, schema: str | None, position: int) -> AnyGraph:
        found = find_graph(self.database, name, schema, self.path, position)
        self.bind.lookups.append((schema, name, found.oid, found.version))
        self.note_graph(found)
        return found

    def note_graph(self, graph: AnyGraph) -> None:
        """Have the plan checked against the graph, and the tables that it consists of."""
        self.objects[graph.oid] = graph.version
        if isinstance(graph, Graph):
            table: Table
            for table in (graph.nodes(self.database), graph.edges(self.database)):
                self.objects[table.oid] = table.version
            return
        for element in elements(graph):
            table = self.database.table(element.table_oid)
            self.objects[table.oid] = table.version

    def schema_name(self, schema: tree.SchemaName | None) -> str | None:
        """The name of a schema as the catalog has it; None where none was written.

        GQL's directories have one level here: /public is the schema public, / and HOME_SCHEMA are public, too.
        """
        if schema is None or schema.kind == "current":
            return None
        if schema.kind == "home" or (schema.kind == "named" and not schema.path):
            return self.database.schemas[PUBLIC].name
        if schema.kind == "named" and len(schema.path) == 1:
            return schema.path[0]
        raise errors.InvalidSchemaName(
            f'schema "/{"/".join(schema.path)}" does not exist', position=schema.position
        )


def _no_views(_source: str) -> NoReturn:
    raise errors.NotSupportedError("views are not read by patterns")


INT8 = SqlType(oids.INT8)
BOOL = SqlType(oids.BOOL)
TEXT = SqlType(oids.TEXT)
NODE = SqlType(oids.NODE)
EDGE = SqlType(oids.EDGE)
PATH = SqlType(oids.PATH)
ANYVALUE = SqlType(oids.ANYVALUE)
RECORD = SqlType(oids.GRAPHRECORD)
UNKNOWN = SqlType(oids.UNKNOWN)
