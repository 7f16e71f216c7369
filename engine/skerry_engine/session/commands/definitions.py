"""Definitions (DDL): the session's side of `session.definitions`."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING

from skerry_engine import errors
from skerry_engine.session.definition_context import SessionDefinitionContext
from skerry_engine.session.definitions import execute_definition
from skerry_engine.session.execution import finish_statement
from skerry_engine.session.steps import Step

if TYPE_CHECKING:
    from skerry_engine.session.session import Session
    from skerry_engine.sql.statements import Statement

Steps = Generator[Step, object, None]


def definition_steps(session: Session, statement: Statement) -> Steps:
    """Run a definition as one statement of the session's transaction."""
    transaction = session.need_transaction()
    if transaction.read_only:
        raise errors.ReadOnlyViolation(f"cannot execute {_shown(statement)} in a read-only transaction")
    mark = transaction.start_statement()
    try:
        complete = yield from execute_definition(statement, SessionDefinitionContext(session))
        if transaction.state == "active":
            yield from finish_statement(transaction)
    except BaseException:
        if transaction.state == "active":
            transaction.abandon_statement(mark)
        raise
    yield complete


def _shown(statement: Statement) -> str:
    name = type(statement).__name__
    words = "".join(f" {c}" if c.isupper() else c for c in name).strip()
    return words.upper()
