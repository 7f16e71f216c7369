"""`transaction_scope()` of SQLAlchemy's ORM: a session that is part of the transaction that surrounds it.

    factory = AsyncSessionFactory(engine)

    async with factory.transaction_scope() as session:      commits on a clean exit, rolls back on an exception
        session.add(User(name="ada"))
        async with factory.transaction_scope() as same:     joins, as a savepoint: the same session

The transaction is an `AsyncTransactionScope`, the same that stages, `db.transaction()` and workflows use: whatever
uses the same FlowDatabase inside is part of it.  There is one session for each factory and transaction, made by its
first use and closed by its end; BEGIN is sent with the first statement.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any, ParamSpec, TypeVar

from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from skerry.flow.aio.blocks import AsyncTransactionBlock, joinable_scope
from skerry.flow.aio.database import AsyncFlowDatabase
from skerry.flow.aio.orm_primitives import hold_of, inner_session, public_session, run_inside
from skerry.flow.aio.scope import AsyncTransactionScope, Hook
from skerry.flow.aio.sqlalchemy_sessions import AsyncSqlalchemyConnector
from skerry.flow.scoped_session import ScopedSession
from skerry_engine.errors import InterfaceError

P = ParamSpec("P")
R = TypeVar("R")


class AsyncSessionFactory:
    """See the module.  Tasks may share it."""

    def __init__(
        self,
        target: AsyncFlowDatabase | AsyncEngine,
        *,
        autoflush: bool = True,
        info: dict[Any, Any] | None = None,
    ) -> None:
        """`target`: an engine, or what `skerry.flow.open_async` made of one, which stages and others can use, too.

        `autoflush` and `info` are those of the sessions.  Raises InterfaceError for a database of another kind.
        """
        if isinstance(target, AsyncEngine):
            connector = AsyncSqlalchemyConnector(target)
            target = AsyncFlowDatabase(connector, connector.dialect)
        if not isinstance(target.connector, AsyncSqlalchemyConnector):
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
    ) -> AsyncSessionScope:
        """A block with a session, that is one transaction or joins the one that surrounds it; also a decorator.

        The arguments are those of `db.transaction()`, and so is what it raises; exceptions of SQLAlchemy go on
        unchanged, after the rollback.
        """
        block = self.database.transaction(
            isolation, read_only=read_only, deferrable=deferrable, timeout=timeout, savepoint=savepoint
        )
        return AsyncSessionScope(self, block)

    @property
    def session(self) -> AsyncSession:
        """The session of the transaction that surrounds this.  Raises InterfaceError outside any."""
        return self.session_in(self._scope("a session"))

    def session_in(self, scope: AsyncTransactionScope) -> AsyncSession:
        """The session of a transaction.  Raises what `scope.check_open` raises."""
        scope.check_open()
        return scope.local(self, lambda: self._made(scope))

    def _made(self, scope: AsyncTransactionScope) -> AsyncSession:
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

    def _scope(self, what: str) -> AsyncTransactionScope:
        scope = joinable_scope()
        if scope is None or scope.excludes(self.database):
            raise InterfaceError(f"{what} needs an active transaction: open a transaction_scope() around it")
        return scope


class AsyncSessionScope:
    """What `transaction_scope()` gives."""

    def __init__(self, factory: AsyncSessionFactory, block: AsyncTransactionBlock) -> None:
        self._factory = factory
        self._block = block

    async def __aenter__(self) -> AsyncSession:
        scope = await self._block.__aenter__()
        try:
            return self._factory.session_in(scope)
        except BaseException as problem:
            await self._block.__aexit__(type(problem), problem, problem.__traceback__)
            raise

    async def __aexit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._block.__aexit__(exception_type, exception, traceback)

    def __call__(self, function: Callable[P, Awaitable[R]]) -> Callable[P, Awaitable[R]]:
        """A function each of whose calls is such a block."""
        return self._block(function)


class _Follower:
    """Tells a session what its scope does."""

    def __init__(self, session: ScopedSession) -> None:
        self.session = session

    async def entered(self) -> None:
        await run_inside(self.session.block_entered)

    async def left(self) -> None:
        await run_inside(self.session.block_left)

    def undone(self, depth: int) -> None:
        self.session.block_undone(depth)

    async def finish(self) -> None:
        await run_inside(self.session.write_all)

    def ended(self, committed: bool) -> None:
        self.session.end(committed)
