"""GQL texts run over a graph without an engine: parsed, bound, planned, compiled."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from skerry_engine.algebra import queries as q
from skerry_engine.catalog.bootstrap import POSTGRES, new_catalog
from skerry_engine.catalog.catalog import Database
from skerry_engine.catalog.graphs import ElementTypes, Graph, new_graph, with_graph
from skerry_engine.catalog.objects import PUBLIC
from skerry_engine.gql import tree
from skerry_engine.gql.binder.context import GqlContext, GqlParameters
from skerry_engine.gql.binder.statements import StatementBinder
from skerry_engine.gql.parser import parse
from skerry_engine.plan.compile import CompiledQuery, compile_query
from skerry_engine.plan.explain import explain_lines
from skerry_engine.values import oids
from skerry_engine.values.io import IoContext
from support.graph_plans import EDGES, GRAPH, NODES, GraphTables, Row

_PARAMETERS = {int: oids.INT8, str: oids.TEXT, float: oids.FLOAT8, bool: oids.BOOL}


class GqlGraph(GraphTables):
    """A graph `home`, to be filled with `node` and `edge`, and asked by `rows`."""

    def __init__(self, types: ElementTypes | None = None) -> None:
        super().__init__()
        graph, nodes, edges = new_graph(GRAPH, "home", PUBLIC, 10, (1, 2), types)
        assert (nodes.oid, edges.oid) == (NODES, EDGES)
        database = new_catalog(system_tables=()).database(POSTGRES)
        self.database: Database = with_graph(database, graph, nodes, edges)
        self.graph: Graph = graph

    def bind(self, text: str, parameters: Mapping[str, Any] | None = None) -> q.Query:
        """The algebra of a text."""
        return self._bound(text, parameters or {})[0]

    def _bound(self, text: str, parameters: Mapping[str, Any]) -> tuple[q.Query, GqlParameters]:
        program = parse(text)
        procedure = program.parts[0]
        assert isinstance(procedure, tree.Procedure)
        types = [_PARAMETERS.get(type(value), 0) for value in parameters.values()]
        given = GqlParameters(None, types, list(parameters))
        path = self.database.search_path(["public"], "skerry", 0)
        context = GqlContext(self.database, path, given, IoContext(), self, self.graph)
        return StatementBinder(context).procedure(procedure).query, given

    def compiled(self, text: str, **parameters: Any) -> CompiledQuery:
        return compile_query(self.bind(text, parameters), self)

    def rows(self, text: str, **parameters: Any) -> list[Row]:
        """The rows of a query; `$name` are `parameters`."""
        query, given = self._bound(text, parameters)
        names = list(parameters)
        values = [parameters[given.names[slot.number]] for slot in given.slots if names]
        return self.run_compiled(compile_query(query, self), *values)

    def sorted(self, text: str, **parameters: Any) -> list[Row]:
        """The rows in an order of their own."""
        return sorted(self.rows(text, **parameters), key=repr)

    def plan(self, text: str) -> list[str]:
        """EXPLAIN's lines."""
        return explain_lines(self.compiled(text), False)
