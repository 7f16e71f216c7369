"""An ORM session that belongs to one transaction of flows, and controls none: blocking and asyncio's alike.

    TransactionScope ──BEGIN, SAVEPOINT, ROLLBACK TO, COMMIT──> connection of the engine's pool <──statements──┐
         │ entered, left, undone, finish, ended                                                                │
         └────────────────> ScopedSession ──begins, commits, rolls back──> JoinedConnection (sends none) ──────┘

SQLAlchemy's unit of work keeps its picture of the database by means of its own transactions: what is rolled back with
one of them is expunged or expired.  So each nested block of the scope has a nested transaction in the session, of the
same extent; the connection that the session is given sends nothing for them, since the scope does.

Invariants
-   Each statement is sent within the scope's turn, after the savepoints of the blocks that surround it.
-   Changes made before a nested block are written before its savepoint, those made inside before its end: undoing it
    undoes these and no others, in the session as in the database.
-   When the scope ends, the session is closed for good.  After a commit its objects keep what was loaded; after a
    rollback new ones are transient again, and others are expired.

What it relies on: six methods of `Connection` that have kept name and meaning since SQLAlchemy 1.4 (`_begin_impl` and
its kin), and `_is_clean` of `Session`.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any, NoReturn, TypeVar, cast

from sqlalchemy import Connection, Engine
from sqlalchemy.engine.base import RootTransaction
from sqlalchemy.orm import Session, SessionTransaction

from skerry_engine.errors import InFailedTransaction, InvalidTransactionState

T = TypeVar("T")
Hold = Callable[[Callable[[Connection], object]], object]
"""Runs work with the scope's connection, within the scope's turn."""

_MOST_FLUSHES = 100
"""How often listeners may have more to write before a commit, as in SQLAlchemy."""


class JoinedConnection(Connection):
    """A connection within a transaction that somebody else began and will end: it begins and ends none."""

    def __init__(self, real: Connection) -> None:
        engine: Engine = real.engine
        super().__init__(engine, connection=real.connection)

    def _begin_impl(self, transaction: RootTransaction) -> None:
        pass

    def _rollback_impl(self) -> None:
        pass

    def _commit_impl(self) -> None:
        pass

    def _savepoint_impl(self, name: str | None = None) -> str:
        return name or "joined"

    def _rollback_to_savepoint_impl(self, name: str) -> None:
        pass

    def _release_savepoint_impl(self, name: str) -> None:
        pass


class ScopedSession(Session):
    """See the module; made by a SessionFactory.  What would end its transaction raises InvalidTransactionState."""

    def __init__(self, *, hold: Hold, check_open: Callable[[], None], **options: Any) -> None:
        """`check_open` raises what using the scope raises, when it has ended or can't go on."""
        super().__init__(close_resets_only=False, expire_on_commit=False, **options)
        self.is_ended = False
        self._hold = hold
        self._check_open = check_open
        self._holder: object = None
        self._joined: JoinedConnection | None = None
        self._blocks: list[SessionTransaction] = []

    # --- statements: within the scope's turn -------------

    def _within(self, work: Callable[[], T]) -> T:
        """Work on the scope's connection; what is part of such work already goes on."""
        if self._holder is not None and self._holder == _who():
            return work()

        def held(connection: Connection) -> T:
            if self._joined is None:
                self._joined = JoinedConnection(connection)
            self._holder = _who()
            try:
                return work()
            finally:
                self._holder = None

        return cast("T", self._hold(held))

    def get_bind(self, *arguments: Any, **options: Any) -> Connection:
        """The scope's connection, whatever is asked for."""
        if self._joined is None:
            self._within(lambda: None)
        assert self._joined is not None
        return self._joined

    def execute(self, *arguments: Any, **options: Any) -> Any:
        """As of Session."""
        return self._within(lambda: super(ScopedSession, self).execute(*arguments, **options))

    def scalar(self, *arguments: Any, **options: Any) -> Any:
        """As of Session."""
        return self._within(lambda: super(ScopedSession, self).scalar(*arguments, **options))

    def scalars(self, *arguments: Any, **options: Any) -> Any:
        """As of Session."""
        return self._within(lambda: super(ScopedSession, self).scalars(*arguments, **options))

    def connection(self, *arguments: Any, **options: Any) -> Connection:
        """The scope's connection, in its transaction."""
        return self._within(lambda: super(ScopedSession, self).connection(*arguments, **options))

    def flush(self, *arguments: Any, **options: Any) -> None:
        """As of Session."""
        if not self._is_clean():
            self._within(lambda: super(ScopedSession, self).flush(*arguments, **options))

    def bulk_save_objects(self, *arguments: Any, **options: Any) -> None:
        """As of Session."""
        self._within(lambda: super(ScopedSession, self).bulk_save_objects(*arguments, **options))

    def bulk_insert_mappings(self, *arguments: Any, **options: Any) -> None:
        """As of Session."""
        self._within(lambda: super(ScopedSession, self).bulk_insert_mappings(*arguments, **options))

    def bulk_update_mappings(self, *arguments: Any, **options: Any) -> None:
        """As of Session."""
        self._within(lambda: super(ScopedSession, self).bulk_update_mappings(*arguments, **options))

    # --- objects ----------------------------------------

    def add(self, instance: object, *arguments: Any, **options: Any) -> None:
        """As of Session."""
        self._check_open()
        super().add(instance, *arguments, **options)

    def delete(self, instance: object) -> None:
        """As of Session."""
        self._check_open()
        super().delete(instance)

    def merge(self, *arguments: Any, **options: Any) -> Any:
        """As of Session."""
        self._check_open()
        return super().merge(*arguments, **options)

    # --- what the scope does ----------------------------

    def begin(self, nested: bool = False) -> NoReturn:
        """Refused."""
        if nested:
            raise InvalidTransactionState(
                "a savepoint of a session is a nested transaction_scope(), not begin_nested()"
            )
        raise InvalidTransactionState(
            "the session is in a transaction already, which its transaction_scope() began: begin() is not needed"
        )

    def commit(self) -> NoReturn:
        """Refused."""
        raise InvalidTransactionState(
            "a session's transaction_scope() commits it, at its end: commit() is not needed"
        )

    def rollback(self) -> NoReturn:
        """Refused."""
        raise InvalidTransactionState(
            "a session's transaction_scope() rolls it back, on an exception: raise one instead of rollback()"
        )

    def prepare(self) -> NoReturn:
        """Refused."""
        raise InvalidTransactionState("a session's transaction_scope() commits it, in two phases if need be")

    def close(self) -> None:
        """Refused, while its scope is open."""
        if self.is_ended:
            return
        raise InvalidTransactionState("a session's transaction_scope() closes it, at its end")

    reset = invalidate = close

    # --- what the scope tells it ------------------------

    def block_entered(self) -> None:
        """A nested block begins."""
        self._blocks.append(super().begin(nested=True))  # which writes what is not written yet

    def block_left(self) -> None:
        """The innermost block ends, and stays.  Raises InFailedTransaction when a flush had failed inside."""
        self._check_active()
        self._blocks[-1].commit()
        self._blocks.pop()

    def block_undone(self, depth: int) -> None:
        """The block at that depth, from 1, has been undone."""
        if len(self._blocks) >= depth:
            del self._blocks[depth:]
            self._blocks.pop().rollback()
        else:  # it had been left, then could not be released
            self.expire_all()

    def write_all(self) -> None:
        """The transaction is about to commit."""
        self._check_active()
        self.dispatch.before_commit(self)
        for _ in range(_MOST_FLUSHES):
            if self._is_clean():
                return
            self.flush()
        raise InvalidTransactionState(f"after {_MOST_FLUSHES} flushes there still is something to flush")

    def _check_active(self) -> None:
        if not self.is_active:
            raise InFailedTransaction(
                "a flush had failed, and was rolled back: what it belonged to can't be committed",
                hint="Catch the exception around a transaction_scope() of its own.",
            )

    def end(self, committed: bool) -> None:
        """The transaction is over."""
        if self.is_ended:
            return
        self.is_ended = True
        if not committed:
            super().rollback()
        super().close()
        if committed:
            self.dispatch.after_commit(self)


def _who() -> object:
    """The task, or thread, that runs."""
    try:
        task = asyncio.current_task()
    except RuntimeError:  # no loop runs here
        task = None
    return threading.get_ident() if task is None else task
