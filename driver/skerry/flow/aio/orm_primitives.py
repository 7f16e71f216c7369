"""What sessions of asyncio's flows are made of, under the names that their blocking twins use
(`skerry.flow.orm_primitives`).

SQLAlchemy's asyncio is its blocking code in a greenlet, which goes aside while the event loop waits.  So does what is
here: a session's statement, in its greenlet, waits for the scope, which runs the statement in another one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.util import await_only, greenlet_spawn

from skerry.flow.scoped_session import Hold, ScopedSession

if TYPE_CHECKING:
    from skerry.flow.aio.database import AsyncFlowDatabase
    from skerry.flow.aio.scope import AsyncTransactionScope

T = TypeVar("T")


def hold_of(scope: AsyncTransactionScope, database: AsyncFlowDatabase) -> Hold:
    """How a session works within a scope."""

    def hold(work: Callable[[Any], object]) -> object:
        return await_only(
            scope.use(database, lambda member: greenlet_spawn(member.session.lend, work))  # type: ignore[attr-defined]
        )

    return hold


def public_session(options: dict[str, Any]) -> AsyncSession:
    """The session that users see."""
    return AsyncSession(sync_session_class=ScopedSession, **options)


def inner_session(session: AsyncSession) -> ScopedSession:
    """What follows the scope."""
    found = session.sync_session
    assert isinstance(found, ScopedSession)
    return found


async def run_inside(function: Callable[..., T], *arguments: object) -> T:
    """Call what may send statements."""
    return await greenlet_spawn(function, *arguments)
