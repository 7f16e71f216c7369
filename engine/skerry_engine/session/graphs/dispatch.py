"""Which executor runs which definition in GQL."""

from __future__ import annotations

from collections.abc import Generator

from skerry_engine import errors
from skerry_engine.gql import tree
from skerry_engine.gql.statements import GraphDefinition
from skerry_engine.session.definitions.context import DefinitionContext
from skerry_engine.session.graphs import constraints, graphs
from skerry_engine.session.graphs.names import native_graph, referenced_graph, setting_of
from skerry_engine.session.steps import Complete, Step


def execute_graph_definition(
    context: DefinitionContext, statement: GraphDefinition
) -> Generator[Step, object, Complete]:
    """Run definitions in written order; the result is the tag of the last.  Raises what is wrong with them."""
    if statement.schema is not None:
        raise errors.NotSupportedError(
            "AT before a definition is not supported",
            hint="Write the schema before the name.",
            position=statement.schema.position,
        )
    for graph, clause in statement.clauses:
        yield from _execute(context, graph, clause)
    return Complete(statement.tag)


def _execute(
    context: DefinitionContext, use: tree.GraphReference | None, clause: tree.Clause
) -> Generator[Step, object, None]:
    working = context.graph_setting
    if use is not None:
        found = referenced_graph(context.database, context.search_path, working, use)
        working = setting_of(context.database, found)
    match clause:
        case tree.CreateGraph():
            yield from graphs.create_graph(context, working, clause)
        case tree.CreateGraphType():
            yield from graphs.create_type(context, working, clause)
        case tree.CreateSchema():
            yield from graphs.create_schema(context, clause)
        case tree.DropGraph():
            yield from graphs.drop_graph(context, clause)
        case tree.DropGraphType():
            yield from graphs.drop_type(context, clause)
        case tree.DropSchema():
            yield from graphs.drop_schema(context, clause)
        case _:
            yield from _in_graph(context, working, clause)


def _in_graph(context: DefinitionContext, working: str, clause: tree.Clause) -> Generator[Step, object, None]:
    """A definition within the working graph."""
    found = referenced_graph(context.database, context.search_path, working, None)
    graph = native_graph(found, clause.position, "indexes and constraints")
    match clause:
        case tree.CreateGraphIndex():
            yield from constraints.create_index(context, graph, clause)
        case tree.CreateConstraint():
            yield from constraints.create_constraint(context, graph, clause)
        case tree.DropGraphIndex():
            yield from constraints.drop_index(context, graph, clause)
        case tree.DropConstraint():
            yield from constraints.drop_constraint(context, graph, clause)
        case _:
            raise AssertionError(f"no definition: {type(clause).__name__}")
