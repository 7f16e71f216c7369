"""`transaction_scope()` of SQLAlchemy's ORM: a session that is part of the transaction that surrounds it.

    factory = SessionFactory(engine)

    with factory.transaction_scope() as session:      commits on a clean exit, rolls back on an exception
        session.add(User(name="ada"))
        with factory.transaction_scope() as same:     joins, as a savepoint: the same session

The transaction is an `TransactionScope`, the same that stages, `db.transaction()` and workflows use: whatever
uses the same FlowDatabase inside is part of it.  There is one session for each factory and transaction, made by its
first use and closed by its end; BEGIN is sent with the first statement.

Generated from aio/session_factory.py by driver/unasync.py: change that one.
"""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Any, ParamSpec, TypeVar

from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from skerry.flow.blocks import TransactionBlock, joinable_scope
from skerry.flow.database import FlowDatabase
from skerry.flow.orm_primitives import hold_of, inner_session, public_session, run_inside
from skerry.flow.scope import Hook, TransactionScope
from skerry.flow.scoped_session import ScopedSession
from skerry.flow.sqlalchemy_sessions import SqlalchemyConnector
from skerry_engine.errors import InterfaceError

P = ParamSpec("P")
R = TypeVar("R")


class SessionFactory:
    """See the module.  Tasks may share it."""

    def __init__(
        self,
        target: FlowDatabase | Engine,
        *,
        autoflush: bool = True,
        info: dict[Any, Any] | None = None,
    ) -> None:
        """`target`: an engine, or what `skerry.flow.open` made of one, which stages and others can use, too.

        `autoflush` and `info` are those of the sessions.  Raises InterfaceError for a database of another kind.
        """
        if isinstance(target, Engine):
            connector = SqlalchemyConnector(target)
            target = FlowDatabase(connector, connector.dialect)
        if not isinstance(target.connector, SqlalchemyConnector):
            raise InterfaceError(
                "sessions of an ORM need a database that was opened with an engine of SQLAlchemy"
            )
        self.database = target
        self._options: dict[str, Any] = {"autoflush": autoflush, "info": info}

    def transaction_scope(
        self,
        isolation: str | None = None,
        *,
        read_only: bool = False,
        deferrable: bool = False,
        timeout: float | None = None,
        savepoint: bool = True,
    ) -> SessionScope:
        """A block with a session, that is one transaction or joins the one that surrounds it; also a decorator.

        The arguments are those of `db.transaction()`, and so is what it raises; exceptions of SQLAlchemy go on
        unchanged, after the rollback.
        """
        block = self.database.transaction(
            isolation, read_only=read_only, deferrable=deferrable, timeout=timeout, savepoint=savepoint
        )
        return SessionScope(self, block)

    @property
    def session(self) -> Session:
        """The session of the transaction that surrounds this.  Raises InterfaceError outside any."""
        return self.session_in(self._scope("a session"))

    def session_in(self, scope: TransactionScope) -> Session:
        """The session of a transaction.  Raises what `scope.check_open` raises."""
        scope.check_open()
        return scope.local(self, lambda: self._made(scope))

    def _made(self, scope: TransactionScope) -> Session:
        hold = hold_of(scope, self.database)
        session = public_session({**self._options, "hold": hold, "check_open": scope.check_open})
        follower = _Follower(inner_session(session))
        for _ in range(scope.follow(follower)):
            follower.session.block_entered()  # it is empty: nothing is written
        return session

    def on_commit(self, hook: Hook) -> None:
        """Call it once the transaction that surrounds this has committed.  Raises InterfaceError outside any."""
        self._scope("on_commit").on_commit(hook)

    def on_rollback(self, hook: Hook) -> None:
        """Call it once the transaction, or the nested block, that surrounds this has been rolled back."""
        self._scope("on_rollback").on_rollback(hook)

    def _scope(self, what: str) -> TransactionScope:
        scope = joinable_scope()
        if scope is None or scope.excludes(self.database):
            raise InterfaceError(f"{what} needs an active transaction: open a transaction_scope() around it")
        return scope


class SessionScope:
    """What `transaction_scope()` gives."""

    def __init__(self, factory: SessionFactory, block: TransactionBlock) -> None:
        self._factory = factory
        self._block = block

    def __enter__(self) -> Session:
        scope = self._block.__enter__()
        try:
            return self._factory.session_in(scope)
        except BaseException as problem:
            self._block.__exit__(type(problem), problem, problem.__traceback__)
            raise

    def __exit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._block.__exit__(exception_type, exception, traceback)

    def __call__(self, function: Callable[P, R]) -> Callable[P, R]:
        """A function each of whose calls is such a block."""
        return self._block(function)


class _Follower:
    """Tells a session what its scope does."""

    def __init__(self, session: ScopedSession) -> None:
        self.session = session

    def entered(self) -> None:
        run_inside(self.session.block_entered)

    def left(self) -> None:
        run_inside(self.session.block_left)

    def undone(self, depth: int) -> None:
        self.session.block_undone(depth)

    def finish(self) -> None:
        run_inside(self.session.write_all)

    def ended(self, committed: bool) -> None:
        self.session.end(committed)
