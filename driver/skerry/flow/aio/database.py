"""A database as flows use it: statements go to the transaction that surrounds them, or commit by themselves.

db.execute("INSERT ...")     inside a scope: its session, enlisted by the first use
                             outside: a session of the pool for this statement, then back
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterable
from types import TracebackType
from typing import Any, cast

from skerry.flow.aio.abc import AsyncConnector, AsyncMember, AsyncSession
from skerry.flow.aio.blocks import AsyncTransactionBlock, joinable_scope
from skerry.flow.aio.primitives import to_the_end
from skerry.flow.aio.scope import AsyncTransactionScope
from skerry.flow.ambient import current
from skerry.flow.modes import Modes, modes_of
from skerry.flow.statements import is_reading, refuse_control
from skerry.isolation import milliseconds
from skerry.parameters import Parameters
from skerry.result import Result


class AsyncFlowDatabase:
    """See the module; made by `skerry.flow.open_async`.  Tasks may share it."""

    def __init__(self, connector: AsyncConnector[Any], name: str) -> None:
        self.connector = connector
        self.name = name

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}>"

    @property
    def dialect(self) -> str:
        """'skerry', 'postgresql' or 'sqlite'."""
        return self.connector.dialect

    @property
    def in_use(self) -> int:
        """How many of its connections are in use."""
        return self.connector.in_use

    # --- statements -------------------------------------

    async def execute(self, statement: str, parameters: Parameters | None = None) -> Result:
        """Execute a statement with `%s` placeholders and a sequence, or `%(name)s` and a mapping."""
        refuse_control(statement)
        scope = joinable_scope()
        if scope is not None and not scope.excludes(self):
            result = cast(
                "Result",
                await scope.use(self, lambda member: _session(member).execute(statement, parameters)),
            )
        else:
            async with self._borrowed() as session:
                result = await session.execute(statement, parameters)
            if not is_reading(statement):
                _note_written_alone()
        _count(result.rowcount)
        return result

    async def execute_many(self, statement: str, sets: Iterable[Parameters]) -> int:
        """Execute a statement once for each set of parameters, all or none of them (under `no_tx` one by one); rows
        changed, -1 if that is not known."""
        refuse_control(statement)
        scope = joinable_scope()
        if scope is not None and not scope.excludes(self):
            count = cast(
                "int", await scope.use(self, lambda member: _session(member).execute_many(statement, sets))
            )
        else:
            async with self._borrowed() as session:
                if scope is None:
                    count = await _all_or_none(session, statement, sets)
                else:  # no_tx: nothing is begun
                    count = await session.execute_many(statement, sets)
            _note_written_alone()
        _count(count)
        return count

    @contextlib.asynccontextmanager
    async def connection(self) -> AsyncIterator[object]:
        """The driver's connection: the transaction's, or one of the pool for the block."""
        scope = joinable_scope()
        if scope is not None and not scope.excludes(self):
            member = cast("AsyncMember", await scope.use(self))
            yield _session(member).connection
            return
        _note_written_alone()
        async with self._borrowed() as session:
            yield session.connection

    @contextlib.asynccontextmanager
    async def _borrowed(self) -> AsyncIterator[AsyncSession]:
        session = await self.connector.take()
        is_usable = False
        try:
            yield session
            is_usable = True
        except Exception:
            is_usable = True
            raise
        finally:
            await to_the_end(self.connector.give_back(session, is_usable))

    # --- transactions -----------------------------------

    def transaction(
        self,
        isolation: str | None = None,
        *,
        read_only: bool = False,
        deferrable: bool = False,
        timeout: float | None = None,
        rollback_on_error: bool = True,
        savepoint: bool = True,
    ) -> AsyncTransactionBlock:
        """A block that is one transaction, or joins the one that surrounds it; also a decorator.

        It begins with its first statement, commits on a clean exit and rolls back on an exception.  `timeout`: seconds
        until it is rolled back, idle or not.  A block that joins is a savepoint, without `savepoint` its failure dooms
        the whole.  Without `rollback_on_error` an exception leaves it open for whoever handles it, within a flow, whose
        end rolls it back.  Raises InterfaceError for an unknown level, NotSupportedError for one that the database
        can't do.
        """
        modes = modes_of(isolation, read_only, deferrable)
        self.connector.check(modes)
        if timeout is not None:
            milliseconds(timeout)
        return AsyncTransactionBlock(
            self,
            modes,
            is_level_asked=isolation is not None or read_only or deferrable,
            timeout=timeout,
            rollback_on_error=rollback_on_error,
            savepoint=savepoint,
        )

    async def begin_transaction(
        self,
        isolation: str | None = None,
        *,
        read_only: bool = False,
        deferrable: bool = False,
        timeout: float | None = None,
    ) -> AsyncTransactionScope:
        """A transaction to be ended by hand; `with` makes it the one that surrounds the block, and rolls back what was
        not committed."""
        modes = modes_of(isolation, read_only, deferrable)
        self.connector.check(modes)
        scope = AsyncTransactionScope(modes, timeout=timeout, primary=self)
        here = current()
        if here is not None:
            scope.report = here.report
        return scope

    async def enlist(self, modes: Modes, sends: bool) -> AsyncMember:
        """See `AsyncParticipant`."""
        self.connector.check(modes)
        session = await self.connector.take()
        try:
            if sends:
                await session.begin(modes)
        except BaseException:
            await to_the_end(self.connector.give_back(session, False))
            raise
        return _SessionMember(self.name, self.connector, session)

    async def close(self) -> None:
        """Close its connections."""
        await self.connector.close()

    async def __aenter__(self) -> AsyncFlowDatabase:
        return self

    async def __aexit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()


class _SessionMember:
    """A session of a database within one transaction."""

    is_database = True

    def __init__(self, name: str, connector: AsyncConnector[Any], session: AsyncSession) -> None:
        self.name = name
        self.is_two_phase = connector.is_two_phase
        self.survives_interruption = connector.survives_interruption
        self.session = session
        self._connector = connector
        self.commit = session.commit
        self.rollback = session.rollback
        self.savepoint = session.savepoint
        self.release_savepoint = session.release_savepoint
        self.rollback_to_savepoint = session.rollback_to_savepoint
        self.prepare = session.prepare
        self.commit_prepared = session.commit_prepared
        self.rollback_prepared = session.rollback_prepared
        self.cancel = session.cancel

    async def close(self, is_usable: bool) -> None:
        """Give the session back."""
        await self._connector.give_back(self.session, is_usable)

    def abandon(self) -> None:
        """Close the session."""
        self._connector.abandon(self.session)


async def _all_or_none(session: AsyncSession, statement: str, sets: Iterable[Parameters]) -> int:
    """Execute a statement for each set, in a transaction of its own."""
    await session.begin(Modes())
    try:
        count = await session.execute_many(statement, sets)
        await session.commit()
    except Exception:
        await to_the_end(session.rollback())
        raise
    return count


def _session(member: AsyncMember) -> AsyncSession:
    assert isinstance(member, _SessionMember)
    return member.session


def _note_written_alone() -> None:
    """The run around can't be run again as if nothing had happened."""
    here = current()
    if here is not None and here.run is not None:
        here.run.has_written_alone = True


def _count(rows: int) -> None:
    here = current()
    if rows > 0 and here is not None and here.report is not None:
        here.report.rows += rows
