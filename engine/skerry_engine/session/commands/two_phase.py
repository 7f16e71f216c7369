"""PREPARE TRANSACTION, COMMIT PREPARED, ROLLBACK PREPARED: the session's side of txn/two_phase.py."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING

from skerry_engine import errors
from skerry_engine.catalog.objects import BOOTSTRAP_ROLE
from skerry_engine.session.commands.cursors import Cursor
from skerry_engine.session.steps import Complete, Step
from skerry_engine.sql import statements as st
from skerry_engine.txn.locks import TABLE
from skerry_engine.values.clock import wall_clock

if TYPE_CHECKING:
    from skerry_engine.session.session import Session

Steps = Generator[Step, object, None]


def prepare_transaction(session: Session, statement: st.PrepareTransaction) -> Steps:
    """End the block by a promise: the transaction waits for COMMIT PREPARED.

    A failed block is rolled back, as COMMIT would.  Raises what committing would raise (the transaction is
    gone then), DuplicateObject for a gid in use, NotSupportedError for what can't outlive the session.
    """
    if not session.in_block:
        session.notice("there is no transaction in progress", "WARNING", "25P01")
    if not session.in_block or session.failed:
        session.rollback()
        yield Complete("ROLLBACK")
        return
    transaction = session.need_transaction()
    prepared = session.engine.manager.prepared
    try:
        _refuse_what_ends_with_the_session(session)
        yield from prepared.prepare(
            statement.gid,
            transaction,
            wall_clock(),
            session.statement_catalog().current_user_oid,
            session.database_oid,
        )
    except BaseException:
        session.rollback()
        raise
    session.leave_transaction()
    yield Complete("PREPARE TRANSACTION")


def _refuse_what_ends_with_the_session(session: Session) -> None:
    if session.notifications.has_pending():
        raise errors.NotSupportedError(
            "cannot PREPARE a transaction that has executed LISTEN, UNLISTEN, or NOTIFY"
        )
    cursors = session.cursors.values()
    if any(isinstance(each, Cursor) and each.is_hold and each.transaction is not None for each in cursors):
        raise errors.NotSupportedError("cannot PREPARE a transaction that has created a cursor WITH HOLD")
    if _touches_temporary_tables(session):
        raise errors.NotSupportedError("cannot PREPARE a transaction that has operated on temporary objects")


def _touches_temporary_tables(session: Session) -> bool:
    """Whether the transaction has locked, made or dropped a temporary relation."""
    name = session.temporary_schema_name
    before = session.engine.published_catalog().database(session.database_oid)
    now = session.catalog().database(session.database_oid)
    schema_before, schema_now = before.schema_named(name), now.schema_named(name)
    if schema_now is None:
        return schema_before is not None
    mine = {table.oid for table in now.tables() if table.schema_oid == schema_now.oid}
    if schema_before is None or mine != {t.oid for t in before.tables() if t.schema_oid == schema_before.oid}:
        return True
    locks = session.need_transaction().holder.locks
    return any(lock.kind == TABLE and lock.resource in mine for lock in locks)


def finish_prepared(session: Session, statement: st.FinishPrepared) -> Steps:
    """COMMIT PREPARED and ROLLBACK PREPARED, from any session of the database."""
    verb = "COMMIT PREPARED" if statement.commit else "ROLLBACK PREPARED"
    if session.in_block or session.in_batch:
        raise errors.ActiveTransaction(f"{verb} cannot run inside a transaction block")
    prepared = session.engine.manager.prepared
    found = prepared.find(statement.gid)
    if session.statement_catalog().current_user_oid not in (found.role_oid, BOOTSTRAP_ROLE):
        raise errors.InsufficientPrivilege(
            "permission denied to finish prepared transaction",
            hint="Must be superuser or the user that prepared the transaction.",
        )
    if found.database_oid != session.database_oid:
        raise errors.NotSupportedError(
            "prepared transaction belongs to another database",
            hint="Connect to the database where the transaction was prepared to finish it.",
        )
    session.is_decided = True
    try:
        yield from prepared.finish(statement.gid, statement.commit)
    finally:
        session.is_decided = False
    yield Complete(verb)
