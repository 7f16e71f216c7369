"""CALL of procedures over the working graph (§15.3): CALL pagerank({damping: 0.9}) YIELD node, score."""

from __future__ import annotations

from typing import TYPE_CHECKING

from skerry_engine import errors
from skerry_engine.algebra import expressions as ex
from skerry_engine.algebra import queries as q
from skerry_engine.catalog.graphs import Graph
from skerry_engine.gql import tree
from skerry_engine.values import oids
from skerry_engine.values.graph_procedures import PROCEDURES, Procedure
from skerry_engine.values.types import SqlType, graph_type_name

if TYPE_CHECKING:
    from skerry_engine.gql.binder.statements import StatementBinder


def graph_procedure(clause: tree.CallNamed) -> Procedure | None:
    """The procedure that a call means, if it is one over graphs."""
    return PROCEDURES.get(clause.name.name) if clause.name.schema is None else None


def bind_call(
    statements: StatementBinder, procedure: Procedure, args: list[ex.Expr], clause: tree.CallNamed
) -> q.GraphProcedure:
    """The call as a relation.  Raises UndefinedFunction for too few or too many arguments, DatatypeMismatch."""
    context = statements.context
    graph = context.working_graph(clause.position)
    if not isinstance(graph, Graph):
        raise errors.NotSupportedError(
            f'graph "{graph.name}" is laid over tables: procedures over it are not supported',
            position=clause.position,
        )
    least = len(procedure.parameters)
    if not least <= len(args) <= least + 1:
        raise errors.UndefinedFunction(
            f"procedure {procedure.name} takes {least} arguments, and a record of options: {len(args)} were given",
            position=clause.position,
        )
    given = [_argument(statements, procedure, number, arg, clause) for number, arg in enumerate(args[:least])]
    options = None
    if len(args) > least:
        options = statements.operations.as_type(args[least], oids.GRAPHRECORD, clause.args[least].position)
    nodes, edges = graph.nodes(context.database), graph.edges(context.database)
    return q.GraphProcedure(
        context.new_range(),
        procedure.name,
        graph.oid,
        q.Scan(context.new_range(), nodes.oid, nodes.width, nodes.name),
        q.Scan(context.new_range(), edges.oid, edges.width, edges.name),
        tuple(given),
        options,
        tuple(SqlType(oid) for _, oid in procedure.columns),
    )


def _argument(
    statements: StatementBinder, procedure: Procedure, number: int, arg: ex.Expr, clause: tree.CallNamed
) -> ex.Expr:
    name, wanted = procedure.parameters[number]
    given, position = arg.type.oid, clause.args[number].position
    if given not in (wanted, oids.UNKNOWN, oids.ANYVALUE):
        raise errors.DatatypeMismatch(
            f'argument "{name}" of procedure {procedure.name} is of type {graph_type_name(wanted)},'
            f" not {graph_type_name(given)}",
            position=position,
        )
    return arg if given == wanted else statements.operations.as_type(arg, wanted, position)
