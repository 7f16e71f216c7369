"""PREPARE, EXECUTE, DEALLOCATE."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING

from skerry_engine import errors
from skerry_engine.algebra import queries as q
from skerry_engine.plan.compile import compile_rows
from skerry_engine.session.steps import Complete, ResultColumn, Step
from skerry_engine.sql import statements as st
from skerry_engine.sql.binder import expressions as be
from skerry_engine.sql.binder.context import BindContext, Parameters
from skerry_engine.sql.binder.queries import QueryBinder
from skerry_engine.sql.binder.scope import Scope
from skerry_engine.values.types import SqlType, format_type

if TYPE_CHECKING:
    from skerry_engine.session.portals import Prepared
    from skerry_engine.session.session import Session

Steps = Generator[Step, object, None]


def prepare(session: Session, statement: st.Prepare, as_of: st.AsOf | None = None) -> Steps:
    """PREPARE name [(types)] AS query, perhaps AS OF an epoch."""
    if statement.name in session.prepared:
        raise errors.DuplicatePreparedStatement(f'prepared statement "{statement.name}" already exists')
    binder = _binder(session)
    types = [binder.context.resolve_type(t).oid for t in statement.types]
    query = statement.query if as_of is None else st.Historic(statement.query, as_of)
    session.prepared[statement.name] = session.prepare(
        statement.name, session.current_query, query, types, from_sql=True
    )
    yield Complete("PREPARE")


def _binder(session: Session) -> QueryBinder:
    here = session.statement_catalog()
    context = BindContext(here.database, here.search_path, Parameters(None, ()), None, _no_views)
    return QueryBinder(context, session.io)


def _no_views(source: str) -> exp.Expression:
    raise AssertionError("a parameter's expression reads no view")


def _find(session: Session, name: str) -> Prepared:
    found = session.prepared.get(name)
    if found is None:
        raise errors.InvalidStatementName(f'prepared statement "{name}" does not exist')
    return found


def execute_columns(session: Session, statement: st.Execute) -> tuple[ResultColumn, ...] | None:
    """The columns of the statement that EXECUTE runs."""
    return _find(session, statement.name).columns


def execute(session: Session, statement: st.Execute) -> Steps:
    """EXECUTE name (arguments)."""
    prepared = _find(session, statement.name)
    wanted = prepared.parameter_oids
    if len(statement.arguments) != len(wanted):
        raise errors.SyntaxError(
            f'wrong number of parameters for prepared statement "{statement.name}"',
            detail=f"Expected {len(wanted)} parameters but got {len(statement.arguments)}.",
        )
    values = _argument_values(session, statement, wanted)
    if isinstance(prepared.statement, st.Historic):
        yield from session.prepared_historic_steps(prepared, values, True)
        return
    if prepared.plan is None:
        raise errors.NotSupportedError("EXECUTE of a command is not supported")
    assert isinstance(prepared.statement, st.Query)
    if not session.is_current(prepared.plan):
        session.refresh(prepared)
    yield from session.query_steps(prepared.statement, prepared.plan, prepared.declared_oids, values, True)


def _argument_values(session: Session, statement: st.Execute, wanted: tuple[int, ...]) -> list[object]:
    binder = _binder(session)
    values: list[object] = []
    for number, (argument, oid) in enumerate(zip(statement.arguments, wanted, strict=True), 1):
        expr = be.ExpressionBinder(binder, Scope(), be.Place("EXECUTE")).bind(argument.tree)
        made = binder.coercer.coerce(expr, SqlType(oid), "a")
        if made is None:
            raise errors.DatatypeMismatch(
                f"parameter ${number} of type {format_type(expr.type.oid)} cannot be coerced"
                f" to the expected type {format_type(oid)}",
                hint="You will need to rewrite or cast the expression.",
            )
        values.append(compile_rows((made,))(session.functions, ())[0])
    return values


def deallocate(session: Session, statement: st.Deallocate) -> Steps:
    """DEALLOCATE name, DEALLOCATE ALL."""
    if statement.name is None:
        session.prepared.clear()
        yield Complete("DEALLOCATE ALL")
        return
    _find(session, statement.name)
    del session.prepared[statement.name]
    yield Complete("DEALLOCATE")


from sqlglot import exp  # noqa: E402

__all__ = ["deallocate", "execute", "execute_columns", "prepare", "q"]
