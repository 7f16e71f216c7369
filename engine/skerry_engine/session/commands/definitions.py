"""Definitions (DDL): the session's side of `session.definitions`."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING

from skerry_engine import errors
from skerry_engine.gql.statements import GraphDefinition
from skerry_engine.session.definition_context import SessionDefinitionContext
from skerry_engine.session.definitions import execute_definition
from skerry_engine.session.execution import finish_statement
from skerry_engine.session.steps import Step
from skerry_engine.sql import statements as st
from skerry_engine.sql.bridge import too_complex

if TYPE_CHECKING:
    from skerry_engine.session.session import Session
    from skerry_engine.txn.transaction import Transaction

Steps = Generator[Step, object, None]


_ALLOWED_WHEN_READ_ONLY = (st.Vacuum, st.Cluster, st.Checkpoint)
"""They change no data.  (PostgreSQL runs REINDEX too; here it makes new indexes, a change of the catalog.)"""


def definition_steps(session: Session, statement: st.Statement, beside: Transaction | None = None) -> Steps:
    """Run a definition as one statement of the session's transaction; a query in it reads in `beside`, if given."""
    transaction = session.need_transaction()
    if isinstance(statement, st.NotSupported):
        raise errors.NotSupportedError(f"{statement.what} is not supported", position=statement.position)
    if transaction.read_only and not isinstance(statement, _ALLOWED_WHEN_READ_ONLY):
        raise errors.ReadOnlyViolation(f"cannot execute {_command(statement)} in a read-only transaction")
    mark = transaction.start_statement()
    try:
        complete = yield from execute_definition(statement, SessionDefinitionContext(session, beside))
        if isinstance(statement, (st.CreateTable, st.CreateTableAs)) and statement.on_commit:
            session.has_commit_actions = True
        if transaction.state == "active":
            yield from finish_statement(transaction)
    except BaseException as error:
        if transaction.state == "active":
            transaction.abandon_statement(mark)
        if isinstance(error, RecursionError):
            raise too_complex() from None
        raise
    yield complete


def _command(statement: st.Statement) -> str:
    """The statement's command tag: class names are made of its words, but for those that `kind` tells apart."""
    match statement:
        case st.Drop():
            return f"DROP {statement.kind.upper()}"
        case st.AlterTable() | st.Rename() | st.SetOwner() | st.SetSchema():
            return f"ALTER {statement.kind.upper()}"
        case st.Truncate():
            return "TRUNCATE TABLE"
        case GraphDefinition():
            return statement.tag
        case st.Grant():
            return "GRANT" if statement.is_grant else "REVOKE"
    name = type(statement).__name__
    return "".join(f" {c}" if c.isupper() else c for c in name).strip().upper()
