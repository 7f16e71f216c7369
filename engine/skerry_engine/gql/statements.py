"""Statements that only GQL has, beside those of sql/statements.py.

A query or data change is the same `Query` that SQL's are, with `normalised.language` 'gql': plans, cursors and
prepared statements need not tell them apart.  Transaction statements become SQL's.
"""

from __future__ import annotations

from dataclasses import dataclass

from skerry_engine.gql import tree
from skerry_engine.sql.statement_parts import Statement


@dataclass(frozen=True, slots=True)
class GraphDefinition(Statement):
    """A procedure of catalog statements: CREATE and DROP of graphs, graph types, schemas, indexes, constraints.

    `clauses` in written order; `Use` among them says which graph indexes and constraints are for.  Programs that mix
    them with queries are refused by the front parser.
    """

    clauses: tuple[tree.Clause, ...]
    schema: tree.SchemaName | None = None
    """AT schema."""


@dataclass(frozen=True, slots=True)
class SessionCommand(Statement):
    """SESSION SET, RESET or CLOSE."""

    command: tree.SessionStatement
