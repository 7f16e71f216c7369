"""Which function runs which statement class, and which columns a command gives.

_PLAIN      has nothing to wait for: gives the command tag, None where it finds that it needs steps after all
_HANDLERS   makes the command's generator
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any

from skerry_engine import errors
from skerry_engine.gql.statements import SessionCommand
from skerry_engine.session.commands import (
    backup,
    copying,
    cursors,
    explain,
    history,
    prepared,
    settings,
    transactions,
    two_phase,
)
from skerry_engine.session.commands.definitions import definition_steps
from skerry_engine.session.definitions import is_definition
from skerry_engine.session.graphs.session_statements import session_steps
from skerry_engine.session.steps import Complete, ResultColumn, Step
from skerry_engine.sql import statements as st

if TYPE_CHECKING:
    from skerry_engine.session.session import Session

Steps = Generator[Step, object, None]
Handler = Callable[["Session", Any], Steps]
Plain = Callable[["Session", Any], str | None]

_PLAIN: dict[type[st.Statement], Plain] = {
    st.Begin: transactions.begin,
    st.Commit: transactions.commit_at_once,
    st.Rollback: transactions.rollback,
    st.Savepoint: transactions.savepoint,
    st.ReleaseSavepoint: transactions.release_savepoint,
    st.RollbackToSavepoint: transactions.rollback_to_savepoint,
    st.SetTransaction: transactions.set_transaction,
    st.Listen: settings.listen,
    st.Unlisten: settings.unlisten,
    st.Notify: settings.notify,
}

_HANDLERS: dict[type[st.Statement], Handler] = {
    st.Begin: transactions.begin_as_of,
    st.Historic: history.historic,
    st.Commit: transactions.commit,
    st.SetConstraints: transactions.set_constraints,
    st.LockTables: transactions.lock_tables,
    st.PrepareCommit: transactions.prepare_commit,
    st.PrepareTransaction: two_phase.prepare_transaction,
    st.FinishPrepared: two_phase.finish_prepared,
    st.SetSetting: settings.set_setting,
    st.ResetSetting: settings.reset_setting,
    st.ShowSetting: settings.show_setting,
    st.SetRole: settings.execute_set_role,
    st.Discard: settings.discard,
    st.Prepare: prepared.prepare,
    st.Execute: prepared.execute,
    st.Deallocate: prepared.deallocate,
    st.Explain: explain.explain,
    st.DeclareCursor: cursors.declare,
    st.Fetch: cursors.fetch,
    st.CloseCursor: cursors.close,
    st.Copy: copying.copy,
    st.Backup: backup.backup,
    SessionCommand: session_steps,
}


def command_at_once(session: Session, statement: st.Statement) -> str | None:
    """Run a command that has nothing to wait for; its tag, or None, nothing done, if it needs steps."""
    plain = _PLAIN.get(type(statement))
    return None if plain is None else plain(session, statement)


def command_steps(session: Session, statement: st.Statement, text: str) -> Steps:
    """The generator that runs a command.  Raises NotSupportedError for one that Skerry knows and refuses."""
    handler = _HANDLERS.get(type(statement))
    if handler is not None:
        return handler(session, statement)
    plain = _PLAIN.get(type(statement))
    if plain is not None:
        return _plain_steps(plain, session, statement)
    if is_definition(statement):
        return definition_steps(session, statement)
    if isinstance(statement, st.NotSupported):
        raise errors.NotSupportedError(f"{statement.what} is not supported", position=statement.position)
    raise errors.NotSupportedError(f"{type(statement).__name__} is not supported")


def _plain_steps(plain: Plain, session: Session, statement: st.Statement) -> Steps:
    tag = plain(session, statement)
    assert tag is not None, "a command that may need steps has a handler"
    yield Complete(tag)


def command_query(statement: st.Statement) -> st.Query | None:
    """The query within a command whose parameters are the command's."""
    if isinstance(statement, st.DeclareCursor):
        return statement.query
    if isinstance(statement, st.Explain) and isinstance(statement.statement, st.Query):
        return statement.statement
    return None


def command_columns(session: Session, statement: st.Statement) -> tuple[ResultColumn, ...] | None:
    """The columns of a command's result, None when it gives no rows."""
    match statement:
        case st.ShowSetting():
            return settings.show_columns(session, statement)
        case st.Explain():
            return explain.columns(statement)
        case st.PrepareCommit():
            return transactions.PREPARE_COMMIT_COLUMNS
        case st.Backup():
            return backup.COLUMNS
        case st.Execute():
            return prepared.execute_columns(session, statement)
        case st.Fetch():
            return cursors.fetch_columns(session, statement)
        case st.Historic():
            return command_columns(session, statement.statement)
    return None
