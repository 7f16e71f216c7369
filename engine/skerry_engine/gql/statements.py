"""Statements in GQL that are no queries, as the session runs them: definitions, and what is said to the session.

    Procedure of catalog clauses only  ──>  GraphDefinition       CREATE GRAPH, USE g CREATE INDEX, ... NEXT ...
    SESSION SET, RESET, CLOSE          ──>  SessionCommand

A procedure is either all definitions or none: one that mixes them with queries is refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from skerry_engine import errors
from skerry_engine.gql import tree
from skerry_engine.sql.statement_parts import Statement
from skerry_engine.sql.statements import Query

CATALOG_CLAUSES: Final = (
    tree.CreateGraph,
    tree.CreateGraphType,
    tree.CreateSchema,
    tree.DropGraph,
    tree.DropGraphType,
    tree.DropSchema,
    tree.CreateGraphIndex,
    tree.CreateConstraint,
    tree.DropGraphIndex,
    tree.DropConstraint,
)

_TAGS: Final = {
    "CreateGraphIndex": "CREATE INDEX",
    "DropGraphIndex": "DROP INDEX",
}


@dataclass(frozen=True, slots=True)
class GraphDefinition(Statement):
    """Definitions, each with the graph of the USE before it (None: the session's), in written order.

    `schema` is that of AT, where names without a schema are looked up and made.
    """

    clauses: tuple[tuple[tree.GraphReference | None, tree.Clause], ...]
    schema: tree.SchemaName | None = None

    @property
    def tag(self) -> str:
        """The command's tag: the last definition's."""
        return clause_tag(self.clauses[-1][1])


@dataclass(frozen=True, slots=True)
class SessionCommand(Statement):
    """SESSION SET, SESSION RESET, SESSION CLOSE.  `value` is a query for the value that a parameter is set to."""

    statement: tree.SessionStatement
    value: Query | None = None


def clause_tag(clause: tree.Clause) -> str:
    """The tag of one definition: its class's name is made of its words."""
    name = type(clause).__name__
    words = "".join(f" {c}" if c.isupper() else c for c in name).strip().upper()
    return _TAGS.get(name, words)


def definition_of(procedure: tree.Procedure) -> GraphDefinition | None:
    """The definitions that a procedure is made of; None for a procedure without any.

    Raises NotSupportedError for one that also queries or changes data.
    """
    found = [pair for part in _parts(procedure) for pair in _clauses(part)]
    definitions = [pair for pair in found if isinstance(pair[1], CATALOG_CLAUSES)]
    if not definitions:
        return None
    for _, clause in found:
        if not isinstance(clause, CATALOG_CLAUSES):
            raise errors.NotSupportedError(
                "definitions and queries in one statement are not supported", position=clause.position
            )
    if procedure.definitions:
        raise errors.NotSupportedError(
            "variables before a definition are not supported", position=procedure.definitions[0].position
        )
    return GraphDefinition(tuple(definitions), procedure.schema)


def _parts(procedure: tree.Procedure) -> list[tree.Composite]:
    return [procedure.first, *(each.statement for each in procedure.nexts)]


def _clauses(part: tree.Composite) -> list[tuple[tree.GraphReference | None, tree.Clause]]:
    """The clauses of a linear statement but USE, each with the graph in use; what is no linear statement has none that
    define."""
    if isinstance(part, tree.Nested):
        return [
            (graph or part.graph, clause) for each in _parts(part.body) for graph, clause in _clauses(each)
        ]
    if not isinstance(part, tree.Linear):
        return []
    graph: tree.GraphReference | None = None
    found: list[tuple[tree.GraphReference | None, tree.Clause]] = []
    for clause in part.clauses:
        if isinstance(clause, tree.Use):
            graph = clause.graph
        else:
            found.append((graph, clause))
    return found
