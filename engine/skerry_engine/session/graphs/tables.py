"""GRAPH_TABLE in statements of SQL: GQL's binder, as SQL's is handed it."""

from __future__ import annotations

from skerry_engine.algebra import queries as q
from skerry_engine.catalog.graphs import Graph
from skerry_engine.gql.binder.context import GqlContext, ShapeSource
from skerry_engine.gql.binder.graph_table import bind_graph_table, parse_written
from skerry_engine.gql.binder.label_view import bind_label_view
from skerry_engine.session.graph_plans import Fact
from skerry_engine.sql.binder.context import BindContext
from skerry_engine.sql.graph_table import GraphTableText
from skerry_engine.values.io import IoContext


class GraphTableBinder:
    """Binds the GRAPH_TABLEs of one statement."""

    def __init__(self, shapes: ShapeSource, io: IoContext) -> None:
        self.shapes = shapes
        self.io = io
        self.contexts: list[GqlContext] = []

    def __call__(self, context: BindContext, written: GraphTableText) -> q.Query:
        """The query whose rows GRAPH_TABLE stands for."""
        return bind_graph_table(self._inner(context), parse_written(written))

    def label_view(self, context: BindContext, graph: str, label: str) -> q.Query | None:
        """The query whose rows a graph's label stands for; None where there is no such graph or label."""
        found = context.database.find_relation(graph, None, context.path)
        if not isinstance(found, Graph):
            return None
        context.lookups.append((None, graph, found.oid, found.version))
        return bind_label_view(self._inner(context), found, label)

    def _inner(self, context: BindContext) -> GqlContext:
        inner = GqlContext(
            context.database, context.path, context.parameters, self.io, self.shapes, None, context
        )
        self.contexts.append(inner)
        return inner

    def relied_on(self) -> tuple[tuple[tuple[int, int], ...], tuple[Fact, ...]]:
        """What the plan is to be checked against: objects with their versions, facts about properties."""
        objects = {item for context in self.contexts for item in context.objects.items()}
        facts = [
            (self.shapes.shapes(oid), name, version)
            for context in self.contexts
            for (oid, name), version in context.facts.items()
        ]
        return tuple(sorted(objects)), tuple(facts)
