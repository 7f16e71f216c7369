"""ON COMMIT DROP and ON COMMIT DELETE ROWS: what temporary tables lose with each transaction, within that
transaction; and DISCARD TEMP."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING

from skerry_engine.catalog.objects import Table
from skerry_engine.gql.front import parse_statement
from skerry_engine.session.commands.definitions import definition_steps
from skerry_engine.session.steps import Complete, Step
from skerry_engine.sql import statements as st

if TYPE_CHECKING:
    from skerry_engine.session.session import Session

Steps = Generator[Step, object, None]


def commit_actions(session: Session) -> Steps:
    """Do, at the end of the session's transaction, what its temporary tables ask for."""
    tables = _tables(session)
    session.has_commit_actions = any(table.on_commit == "delete" for table in tables)
    for table in tables:
        if table.on_commit == "drop":
            yield from _quietly(session, f"DROP TABLE {_name(session, table)} CASCADE")
        else:
            yield from _quietly(session, f"DELETE FROM {_name(session, table)}")


def discard_temporary(session: Session) -> Steps:
    """DISCARD TEMP: all that is temporary goes, with this transaction."""
    schema = session.temporary_schema_name
    if session.statement_catalog().database.schema_named(schema) is not None:
        yield from _quietly(session, f'DROP SCHEMA "{schema}" CASCADE')


def _tables(session: Session) -> list[Table]:
    database = session.statement_catalog().database
    schema = database.schema_named(session.temporary_schema_name)
    if schema is None:
        return []
    return [t for t in database.tables() if t.schema_oid == schema.oid and t.on_commit != "preserve"]


def _name(session: Session, table: Table) -> str:
    quoted = table.name.replace('"', '""')
    return f'"{session.temporary_schema_name}"."{quoted}"'


def _quietly(session: Session, text: str) -> Steps:
    """Run a statement without a word of it to the client."""
    statement = parse_statement(text)
    notices = session.take_notices()
    if isinstance(statement, st.Query):
        plan = session.plan_query(statement, ())
        steps = session.query_steps(statement, plan, (), (), False)
    else:
        assert statement is not None
        steps = definition_steps(session, statement)
    for step in steps:
        if not isinstance(step, Complete):
            yield step
    session.take_notices()
    for notice in notices:
        session.give_notice(notice)
