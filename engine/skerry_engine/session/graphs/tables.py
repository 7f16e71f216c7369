"""GRAPH_TABLE in statements of SQL and in views: GQL's binder, as SQL's is handed it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields

from skerry_engine import errors
from skerry_engine.algebra import expressions as ex
from skerry_engine.algebra import queries as q
from skerry_engine.catalog.graphs import Graph
from skerry_engine.gql import tree
from skerry_engine.gql.binder.context import GqlContext, ShapeSource
from skerry_engine.gql.binder.graph_table import bind_graph_table, parse_written
from skerry_engine.gql.binder.label_view import bind_label_view
from skerry_engine.session.graph_plans import Fact
from skerry_engine.sql.binder.context import BindContext, OuterColumns
from skerry_engine.sql.graph_table import GraphTableText, stored_pieces
from skerry_engine.values.io import IoContext

Table = tuple[q.Relation, tuple[q.OutputColumn, ...]]


class GraphTableBinder:
    """Binds the GRAPH_TABLEs of one statement."""

    def __init__(self, shapes: ShapeSource, io: IoContext) -> None:
        self.shapes = shapes
        self.io = io
        self.contexts: list[GqlContext] = []

    def __call__(
        self, context: BindContext, written: GraphTableText, range_id: int, outer: OuterColumns
    ) -> Table:
        """The query whose rows GRAPH_TABLE stands for."""
        query = bind_graph_table(self._inner(context), parse_written(written), outer)
        return q.Derived(range_id, query), query.columns

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


class StoredGraphTableBinder(GraphTableBinder):
    """Binds those of a view's definition: what is right now decides the columns, but the text is what is kept."""

    def __call__(
        self, context: BindContext, written: GraphTableText, range_id: int, outer: OuterColumns
    ) -> Table:
        """GRAPH_TABLE itself, its columns from outside bound.  Raises what is wrong with it."""
        found: dict[int, tuple[int, ex.Expr]] = {}

        def noted(names: tuple[str, ...], position: int) -> ex.Expr | None:
            column = outer(names, position)
            if column is not None:
                if not isinstance(column, ex.Column):
                    raise errors.NotSupportedError(
                        "a view's GRAPH_TABLE can read plain columns of other tables only", position=position
                    )
                found[position - 1] = len(names), column
            return column

        inner, node = self._inner(context), parse_written(written)
        columns = bind_graph_table(inner, node, noted).columns
        assert inner.graph is not None, "it has been found"
        pieces = stored_pieces(written, {place: count for place, (count, _) in found.items()})
        read = tuple(found[place][1] for place in sorted(found))
        variables = tuple(dict.fromkeys(_variables(node)))
        return q.GraphTable(range_id, inner.graph.oid, columns, pieces, read, variables), columns

    def label_view(self, context: BindContext, graph: str, label: str) -> q.Query | None:
        """Raises NotSupportedError where there is such a label."""
        if super().label_view(context, graph, label) is None:
            return None
        raise errors.NotSupportedError(
            f"the label {label} of graph {graph} is a view whose columns are not fixed, and no view can stand on it",
            hint="Use GRAPH_TABLE in the view.",
        )


def _variables(node: object) -> Iterator[str]:
    """The names that something in a tree gives to what it binds."""
    if isinstance(node, tuple):
        for item in node:
            yield from _variables(item)
    elif isinstance(node, tree.Node):
        for each in fields(node):
            value = getattr(node, each.name)
            if isinstance(value, str) and each.name in ("variable", "alias"):
                yield value
            else:
                yield from _variables(value)
