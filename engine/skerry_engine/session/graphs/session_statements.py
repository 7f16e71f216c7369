"""SESSION SET, SESSION RESET, SESSION CLOSE (§7).

Schema, graph and time zone are settings (search_path, skerry.graph, TimeZone): they can be read and set in SQL, and
go back when the transaction that changed them is rolled back.  Parameters are the session's own, outside transactions.

    SESSION SET VALUE $since = DATE '2020-01-01'      MATCH (n) WHERE n.day > $since ...
    SESSION SET GRAPH $g = CURRENT_GRAPH              USE $g ...

A parameter that the client sends with a statement hides the session's of the same name: who sends any, sends all.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, cast

from skerry_engine import errors
from skerry_engine.catalog.quoting import quote_identifier
from skerry_engine.gql import tree
from skerry_engine.gql.statements import SessionCommand
from skerry_engine.session.definition_context import SessionDefinitionContext
from skerry_engine.session.execution import finish_statement
from skerry_engine.session.graphs.names import (
    GRAPH_SETTING,
    referenced_graph,
    schema_name,
    setting_of,
)
from skerry_engine.session.graphs.parameters import SessionParameter
from skerry_engine.session.steps import Complete, Rows, Step
from skerry_engine.sql import statements as st

if TYPE_CHECKING:
    from skerry_engine.session.session import Session

Steps = Generator[Step, object, None]


def session_steps(session: Session, command: SessionCommand) -> Steps:
    """Run a session statement."""
    statement = command.statement
    match statement:
        case tree.SessionSetSchema():
            _set_schema(session, statement)
        case tree.SessionSetGraph():
            session.settings.set(GRAPH_SETTING, (_graph(session, statement.graph),), False)
        case tree.SessionSetTimeZone():
            session.settings.set("TimeZone", (_text(statement.zone, "a time zone"),), False)
        case tree.SessionSetParameter():
            yield from _set_parameter(session, statement, command.value)
        case tree.SessionReset():
            _reset(session, statement)
            yield Complete("SESSION RESET")
            return
        case tree.SessionClose():
            yield Complete("SESSION CLOSE")
            session.end_after_statement()
            return
        case _:
            raise AssertionError(f"no session statement: {type(statement).__name__}")
    yield Complete("SESSION SET")


def _set_schema(session: Session, statement: tree.SessionSetSchema) -> None:
    """The schema becomes all of the search path.  Raises InvalidSchemaName."""
    here = session.statement_catalog()
    name = schema_name(statement.schema)
    if name is None:
        return  # CURRENT_SCHEMA
    if here.database.schema_named(name) is None:
        raise errors.InvalidSchemaName(f'schema "{name}" does not exist', position=statement.schema.position)
    session.settings.set("search_path", (quote_identifier(name),), False)


def _graph(session: Session, reference: tree.GraphReference) -> str:
    """The graph that a reference means, as the setting names it.  Raises UndefinedTable, WrongObjectType,
    UndefinedParameter."""
    here = session.statement_catalog()
    setting = session.settings.text(GRAPH_SETTING)
    if reference.kind == "parameter":
        found = session.graph_parameters.get(reference.parameter)
        if not isinstance(found, SessionParameter) or found.kind != "graph":
            raise errors.UndefinedParameter(
                f"there is no graph parameter ${reference.parameter}", position=reference.position
            )
        return cast(str, found.value)
    return setting_of(here.database, referenced_graph(here.database, here.search_path, setting, reference))


def _text(written: tree.Expr, what: str) -> str:
    """A text that must be known as it stands."""
    if isinstance(written, tree.Literal) and isinstance(written.value, str):
        return written.value
    raise errors.NotSupportedError(f"{what} is to be a text in quotes", position=written.position)


# --- parameters -------------------------------------------------------------------------------------------------


def _set_parameter(session: Session, statement: tree.SessionSetParameter, query: st.Query | None) -> Steps:
    definition = statement.definition
    name = definition.variable
    if statement.if_not_exists and name in session.graph_parameters:
        session.notice(f"parameter ${name} already exists, skipping", sqlstate="42710")
        return
    if definition.kind == "table":
        raise errors.NotSupportedError(
            "parameters that hold tables are not supported", position=statement.position
        )
    if definition.kind == "graph":
        assert isinstance(definition.value, tree.GraphReference)
        found = SessionParameter("graph", _graph(session, definition.value))
    else:
        assert query is not None, "a value has an expression"
        found = yield from _evaluated(session, query)
    session.graph_parameters[name] = found


def _evaluated(session: Session, query: st.Query) -> Generator[Step, object, SessionParameter]:
    """The value of an expression, with its type, in a statement of the session's transaction."""
    transaction = session.need_transaction()
    context = SessionDefinitionContext(session)
    mark = transaction.start_statement()
    found: list[tuple[object, ...]] = []
    try:
        type_oid = context.query_columns(query)[0].type.oid
        for step in context.run_query(query):
            if isinstance(step, Rows):
                found += step.rows
            else:
                yield step
        yield from finish_statement(transaction)
    except BaseException:
        if transaction.state == "active":
            transaction.abandon_statement(mark)
        raise
    return SessionParameter("value", found[0][0], type_oid)


# --- RESET ------------------------------------------------------------------------------------------------------


def _reset(session: Session, statement: tree.SessionReset) -> None:
    """SESSION RESET.  Raises UndefinedParameter."""
    what = statement.what
    if what == "parameter":
        if statement.parameter not in session.graph_parameters:
            raise errors.UndefinedParameter(
                f"there is no parameter ${statement.parameter}", position=statement.position
            )
        del session.graph_parameters[statement.parameter]
    if what in ("characteristics", "parameters"):
        session.graph_parameters.clear()
    for name, words in (("search_path", "schema"), (GRAPH_SETTING, "graph"), ("TimeZone", "time zone")):
        if what in (words, "characteristics"):
            session.settings.reset(name)
