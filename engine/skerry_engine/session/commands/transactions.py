"""BEGIN, COMMIT, ROLLBACK, savepoints, SET TRANSACTION, SET CONSTRAINTS, LOCK.

What has nothing to wait for is a plain function that gives the command tag (see `dispatch`).
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING

from skerry_engine import errors
from skerry_engine.catalog.objects import (
    CLASS_RELATION,
    Relation,
    SequenceDef,
    SystemTable,
    Table,
    View,
)
from skerry_engine.catalog.privileges import DELETE, INSERT, SELECT, TRUNCATE, UPDATE, denied, shown_kind
from skerry_engine.session.pending_rows import pending_counts
from skerry_engine.session.steps import Complete, Description, ResultColumn, Rows, Step
from skerry_engine.sql import statements as st
from skerry_engine.txn import modes
from skerry_engine.txn.manager import isolation_level
from skerry_engine.txn.modes import ACCESS_SHARE, ROW_EXCLUSIVE
from skerry_engine.txn.preview import check_commit
from skerry_engine.txn.waiting import patiently
from skerry_engine.values import oids
from skerry_engine.values.types import SqlType

if TYPE_CHECKING:
    from skerry_engine.session.session import Session

Steps = Generator[Step, object, None]

PREPARE_COMMIT_COLUMNS = (
    ResultColumn("schema_name", SqlType(oids.NAME)),
    ResultColumn("table_name", SqlType(oids.NAME)),
    ResultColumn("kind", SqlType(oids.TEXT)),
    ResultColumn("count", SqlType(oids.INT8)),
    ResultColumn("element", SqlType(oids.TEXT)),
)

TABLE_MODES = {
    "ACCESS SHARE": modes.ACCESS_SHARE,
    "ROW SHARE": modes.ROW_SHARE_TABLE,
    "ROW EXCLUSIVE": modes.ROW_EXCLUSIVE,
    "SHARE UPDATE EXCLUSIVE": modes.SHARE_UPDATE_EXCLUSIVE,
    "SHARE": modes.SHARE,
    "SHARE ROW EXCLUSIVE": modes.SHARE_ROW_EXCLUSIVE,
    "EXCLUSIVE": modes.EXCLUSIVE_TABLE,
    "ACCESS EXCLUSIVE": modes.ACCESS_EXCLUSIVE,
}


def begin(session: Session, statement: st.Begin) -> str | None:
    """Begin a block; inside one it only warns.  None, nothing done, for AS OF."""
    if statement.as_of is not None:
        return None
    tag = "START TRANSACTION" if statement.is_start else "BEGIN"
    if session.in_block:
        session.notice("there is already a transaction in progress", "WARNING", "25001")
        apply_modes(session, statement.modes)
    elif session.transaction is not None:
        session.in_block = True
        apply_modes(session, statement.modes)
    else:
        session.begin(statement.modes)
        session.in_block = True
    return tag


def begin_as_of(session: Session, statement: st.Begin) -> Steps:
    """As `begin`, perhaps AS OF an epoch."""
    if statement.as_of is None:
        tag = begin(session, statement)
        assert tag is not None
    else:
        from skerry_engine.session.commands.history import begin_as_of as begin_in_the_past

        yield from begin_in_the_past(session, statement)
        tag = "START TRANSACTION" if statement.is_start else "BEGIN"
    yield Complete(tag)


def commit_at_once(session: Session, statement: st.Commit) -> str | None:
    """End the block, a failed one by rolling it back; None, nothing done, where that takes more than a unit."""
    if not session.in_block:
        return None
    modes_before = session.modes() if statement.chain else None
    tag = "COMMIT"
    if session.failed:
        session.rollback()
        tag = "ROLLBACK"
    elif not session.commit_at_once():
        return None
    _chain(session, modes_before)
    return tag


def commit(session: Session, statement: st.Commit) -> Steps:
    """End the block, in as many units as it takes."""
    tag = commit_at_once(session, statement)
    if tag is None:
        modes_before = session.modes() if statement.chain else None
        if not session.in_block:
            _refuse_chain(statement.chain, "COMMIT AND CHAIN")
            session.notice("there is no transaction in progress", "WARNING", "25P01")
        yield from session.commit()
        _chain(session, modes_before)
        tag = "COMMIT"
    yield Complete(tag)


def rollback(session: Session, statement: st.Rollback) -> str:
    """Undo the block."""
    if not session.in_block:
        _refuse_chain(statement.chain, "ROLLBACK AND CHAIN")
        session.notice("there is no transaction in progress", "WARNING", "25P01")
    modes_before = session.modes() if statement.chain else None
    session.rollback()
    _chain(session, modes_before)
    return "ROLLBACK"


def _refuse_chain(chain: bool, what: str) -> None:
    if chain:
        raise errors.NoActiveTransaction(f"{what} can only be used in transaction blocks")


def _chain(session: Session, modes_before: st.TransactionModes | None) -> None:
    """AND CHAIN: begin another block in the modes of the one before."""
    if modes_before is not None:
        session.begin(modes_before)
        session.in_block = True


def _need_block(session: Session, what: str) -> None:
    if not session.in_block:
        raise errors.NoActiveTransaction(f"{what} can only be used in transaction blocks")


def savepoint(session: Session, statement: st.Savepoint) -> str:
    """Mark the transaction, its settings and its cursors."""
    _need_block(session, "SAVEPOINT")
    session.need_transaction().savepoint(statement.name)
    session.savepoint_marks.append((statement.name, session.settings.mark()))
    return "SAVEPOINT"


def release_savepoint(session: Session, statement: st.ReleaseSavepoint) -> str:
    """Forget a savepoint and those after it."""
    _need_block(session, "RELEASE SAVEPOINT")
    session.need_transaction().release(statement.name)
    del session.savepoint_marks[session.savepoint_position(statement.name) :]
    return "RELEASE"


def rollback_to_savepoint(session: Session, statement: st.RollbackToSavepoint) -> str:
    """Undo everything since the savepoint; a failed block lives again."""
    _need_block(session, "ROLLBACK TO SAVEPOINT")
    transaction = session.need_transaction()
    if transaction.state != "active":
        # a block that failed before its first savepoint
        raise errors.UndefinedSavepoint(f'savepoint "{statement.name}" does not exist')
    transaction.rollback_to(statement.name)
    position = session.savepoint_position(statement.name)
    session.settings.rollback_to(session.savepoint_marks[position][1])
    del session.savepoint_marks[position + 1 :]
    session.failed = False
    return "ROLLBACK"


def set_transaction(session: Session, statement: st.SetTransaction) -> str:
    """SET TRANSACTION for this transaction, SET SESSION CHARACTERISTICS for those to come."""
    wanted = statement.modes
    if statement.is_session:
        if wanted.isolation is not None:
            session.settings.set("default_transaction_isolation", (wanted.isolation,))
        if wanted.read_only is not None:
            session.settings.set("default_transaction_read_only", ("on" if wanted.read_only else "off",))
        if wanted.deferrable is not None:
            session.settings.set("default_transaction_deferrable", ("on" if wanted.deferrable else "off",))
    elif not session.in_block and not session.in_batch:
        session.notice("SET TRANSACTION can only be used in transaction blocks", "WARNING", "25P01")
    else:
        apply_modes(session, wanted)
    return "SET"


def set_mode(session: Session, name: str, values: tuple[str, ...] | None) -> None:
    """SET transaction_isolation and kin; None for the default.  Outside a transaction nothing comes of it."""
    value = session.settings.read_mode(name, values)
    if session.transaction is None and not session.in_block and not session.in_batch:
        return
    key = name.lower()
    if key == "transaction_isolation":
        apply_modes(session, st.TransactionModes(isolation=str(value)))
    elif key == "transaction_read_only":
        apply_modes(session, st.TransactionModes(read_only=bool(value)))
    else:
        apply_modes(session, st.TransactionModes(deferrable=bool(value)))


def apply_modes(session: Session, wanted: st.TransactionModes) -> None:
    """Change the current transaction's modes as far as they still can be changed: see the errors raised."""
    transaction = session.need_transaction()
    if transaction.is_historic:
        _check_mode_of_the_past(wanted)
    if wanted.isolation is not None and wanted.isolation != session.modes().isolation:
        _check_changeable(session, "SET TRANSACTION ISOLATION LEVEL", "must not be called in")
        transaction.set_isolation(isolation_level(wanted.isolation))
        session.isolation = wanted.isolation
    if wanted.read_only is not None:
        if not wanted.read_only and transaction.read_only:
            _check_may_write(session)
        transaction.read_only = wanted.read_only
    if wanted.deferrable is not None:
        _check_changeable(session, "SET TRANSACTION [NOT] DEFERRABLE", "cannot be called within")
        transaction.deferrable = wanted.deferrable


def _check_changeable(session: Session, what: str, not_in: str) -> None:
    """Some modes hold from the first query on, and for savepoints too."""
    if session.need_transaction().statement_number > 0:
        raise errors.ActiveTransaction(f"{what} must be called before any query")
    if session.savepoint_marks:
        raise errors.ActiveTransaction(f"{what} {not_in} a subtransaction")


def _check_mode_of_the_past(wanted: st.TransactionModes) -> None:
    """A transaction AS OF an epoch is REPEATABLE READ and READ ONLY to its end."""
    if wanted.read_only is False:
        raise errors.ReadOnlyViolation(
            "cannot set transaction read-write mode in a transaction AS OF an epoch"
        )
    if wanted.isolation not in (None, "repeatable read"):
        raise errors.NotSupportedError(
            f"AS OF at isolation level {wanted.isolation.upper()} is not supported",
            hint="A transaction AS OF reads one state: REPEATABLE READ.",
        )


def _check_may_write(session: Session) -> None:
    """A read-only transaction can still be made read-write as long as it has neither read nor nested."""
    session.check_may_write()
    if session.savepoint_marks:
        raise errors.ActiveTransaction(
            "cannot set transaction read-write mode inside a read-only transaction"
        )
    if session.need_transaction().statement_number > 0:
        raise errors.ActiveTransaction("transaction read-write mode must be set before any query")


def set_constraints(session: Session, statement: st.SetConstraints) -> Steps:
    """Defer constraints, or check now what was deferred."""
    if not session.in_block:
        session.notice("SET CONSTRAINTS can only be used in transaction blocks", "WARNING", "25P01")
    names = [name.name for name in statement.names] or None
    transaction = session.need_transaction()
    yield from patiently(lambda: transaction.set_constraints(names, statement.deferred))
    yield Complete("SET CONSTRAINTS")


def lock_tables(session: Session, statement: st.LockTables) -> Steps:
    """LOCK TABLE; of a view, the tables behind it as well."""
    if not session.in_block and not session.in_batch:
        raise errors.NoActiveTransaction("LOCK TABLE can only be used in transaction blocks")
    if session.need_transaction().is_historic:
        raise errors.ReadOnlyViolation("cannot execute LOCK TABLE in a transaction AS OF an epoch")
    for name in statement.tables:
        yield from _lock_named(session, name, TABLE_MODES[statement.mode], statement.nowait)
    yield Complete("LOCK TABLE")


def _lock_named(session: Session, name: st.ObjectName, mode: int, nowait: bool) -> Steps:
    """Lock what the name means once it is locked: it may move while it is waited for."""
    while True:
        relation = _lockable(session, name)
        _check_may_lock(session, relation, mode)
        yield from _lock_relation(session, relation, mode, nowait)
        if isinstance(relation, View):
            for oid in _behind(session, relation):
                behind = session.statement_catalog().database.relation(oid)
                if behind is not None:
                    yield from _lock_relation(session, behind, mode, nowait)
        if _lockable(session, name).oid == relation.oid:
            return


def _lockable(session: Session, name: st.ObjectName) -> Relation:
    here = session.statement_catalog()
    found = here.database.find_relation(name.name, name.schema, here.search_path)
    if found is None:
        raise errors.UndefinedTable(f'relation "{name}" does not exist')
    if not isinstance(found, (Table, View, SystemTable)):
        kind = "sequences" if isinstance(found, SequenceDef) else "indexes"
        raise errors.WrongObjectType(
            f'cannot lock relation "{found.name}"', detail=f"This operation is not supported for {kind}."
        )
    return found


def _check_may_lock(session: Session, relation: Relation, mode: int) -> None:
    """Raise InsufficientPrivilege unless the role may do something that takes such a lock."""
    judge = session.statement_catalog().judge
    needed = UPDATE | DELETE | TRUNCATE
    if mode == ACCESS_SHARE:
        needed |= SELECT
    if mode <= ROW_EXCLUSIVE:
        needed |= INSERT
    if not judge.is_superuser and not judge.on_relation(relation) & needed:
        raise denied(shown_kind(relation), relation.name)


def _lock_relation(session: Session, relation: Relation, mode: int, nowait: bool) -> Steps:
    transaction = session.need_transaction()
    yield from patiently(lambda: transaction.lock_table(relation.oid, mode, nowait, relation.name))


def _behind(session: Session, view: View) -> list[int]:
    """The tables and views that a view reads, directly or through other views."""
    database = session.statement_catalog().database
    found: dict[int, None] = {}
    pending = [view]
    while pending:
        for address in pending.pop(0).references:
            relation = database.relation(address.oid) if address.class_oid == CLASS_RELATION else None
            if relation is not None and relation.oid not in found and isinstance(relation, (Table, View)):
                found[relation.oid] = None
                if isinstance(relation, View):
                    pending.append(relation)
    return list(found)


def prepare_commit(session: Session, statement: st.PrepareCommit) -> Steps:
    """PREPARE COMMIT: make the checks of COMMIT now; a row for each table and kind of change that is pending.

    The transaction goes on: COMMIT or ROLLBACK ends it.
    """
    _need_block(session, "PREPARE COMMIT")
    yield from check_commit(session.need_transaction())
    counts = yield from pending_counts(session)
    yield Description(PREPARE_COMMIT_COLUMNS)
    yield Rows(counts)
    yield Complete("PREPARE COMMIT")
