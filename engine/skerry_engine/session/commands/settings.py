"""SET, RESET, SHOW, SET ROLE, DISCARD, LISTEN, UNLISTEN, NOTIFY."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING

from skerry_engine import errors
from skerry_engine.session.commands.commit_actions import discard_temporary
from skerry_engine.session.commands.cursors import close_all
from skerry_engine.session.commands.transactions import set_mode
from skerry_engine.session.settings import TRANSACTION_MODES
from skerry_engine.session.steps import Complete, Description, ResultColumn, Rows, Step
from skerry_engine.sql import statements as st
from skerry_engine.values import oids
from skerry_engine.values.types import SqlType

if TYPE_CHECKING:
    from skerry_engine.session.session import Session

Steps = Generator[Step, object, None]
ROLE_SETTINGS = ("role", "session_authorization")
_TEXT = SqlType(oids.TEXT)
_ALL_COLUMNS = tuple(ResultColumn(name, _TEXT) for name in ("name", "setting", "description"))


def set_setting(session: Session, statement: st.SetSetting) -> Steps:
    """SET name TO value."""
    if statement.is_local and not session.in_block:
        session.notice("SET LOCAL can only be used in transaction blocks", "WARNING", "25P01")
    if statement.name.lower() in TRANSACTION_MODES:
        set_mode(session, statement.name, statement.values)
    elif statement.name.lower() in ROLE_SETTINGS:
        set_role(session, statement.name, (statement.values or (None,))[0], statement.is_local)
    else:
        session.settings.set(statement.name, statement.values, statement.is_local)
    yield Complete("SET")


def reset_setting(session: Session, statement: st.ResetSetting) -> Steps:
    """RESET name, RESET ALL."""
    if statement.name is not None and statement.name.lower() in TRANSACTION_MODES:
        set_mode(session, statement.name, None)
    elif statement.name is not None and statement.name.lower() in ROLE_SETTINGS:
        set_role(session, statement.name, None, False)
    else:
        session.settings.reset(statement.name)
    yield Complete("RESET")


def show_columns(session: Session, statement: st.ShowSetting) -> tuple[ResultColumn, ...]:
    """SHOW gives one column, named as the setting is; SHOW ALL three."""
    if statement.name is None:
        return _ALL_COLUMNS
    return (ResultColumn(session.settings.canonical_name(statement.name), _TEXT),)


def show_setting(session: Session, statement: st.ShowSetting) -> Steps:
    """SHOW name, SHOW ALL."""
    yield Description(show_columns(session, statement))
    if statement.name is None:
        yield Rows([tuple(row) for row in session.settings.show_all()])
    else:
        yield Rows([(session.settings.get(statement.name),)])
    yield Complete("SHOW")


def set_role(session: Session, name: str, value: str | None, is_local: bool) -> None:
    """Set `role` or `session_authorization`; None for the session's own."""
    if name.lower() == "role":
        session.set_role(None if value == "none" else value, is_local)
    else:
        session.set_session_user(value, is_local)


def execute_set_role(session: Session, statement: st.SetRole) -> Steps:
    """SET ROLE, SET SESSION AUTHORIZATION.  Raises InvalidParameterValue, InsufficientPrivilege."""
    if statement.is_local and not session.in_block:
        session.notice("SET LOCAL can only be used in transaction blocks", "WARNING", "25P01")
    name = "session_authorization" if statement.is_authorization else "role"
    set_role(session, name, statement.role, statement.is_local)
    yield Complete("RESET" if statement.is_reset else "SET")


def discard(session: Session, statement: st.Discard) -> Steps:
    """DISCARD ALL and its parts."""
    if statement.what == "all":
        if session.in_block or session.in_batch:
            raise errors.ActiveTransaction("DISCARD ALL cannot run inside a transaction block")
        close_all(session)
        session.set_session_user(None, False)
        session.settings.reset(None)
        session.prepared.clear()
        session.notifications.unlisten(None)
        session.advisory_unlock(None, False)
        session.graph_parameters.clear()
    if statement.what in ("all", "temp"):
        yield from discard_temporary(session)
    if statement.what in ("all", "sequences"):
        session.sequence_values.clear()
        session.last_sequence = 0
    yield Complete(f"DISCARD {statement.what.upper()}")


def listen(session: Session, statement: st.Listen) -> str:
    """LISTEN, from the commit on."""
    session.notifications.listen(statement.channel)
    return "LISTEN"


def unlisten(session: Session, statement: st.Unlisten) -> str:
    """UNLISTEN name, UNLISTEN *: from the commit on."""
    session.notifications.unlisten(statement.channel)
    return "UNLISTEN"


def notify(session: Session, statement: st.Notify) -> str:
    """NOTIFY, at the commit."""
    session.notifications.notify(statement.channel, statement.payload)
    return "NOTIFY"
