"""What sessions of blocking flows are made of, under the names that their asyncio twins use
(`skerry.flow.aio.orm_primitives`)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy.orm import Session

from skerry.flow.scoped_session import Hold, ScopedSession

if TYPE_CHECKING:
    from skerry.flow.database import FlowDatabase
    from skerry.flow.scope import TransactionScope

T = TypeVar("T")


def hold_of(scope: TransactionScope, database: FlowDatabase) -> Hold:
    """How a session works within a scope."""

    def hold(work: Callable[[Any], object]) -> object:
        return scope.use(database, lambda member: member.session.lend(work))  # type: ignore[attr-defined]

    return hold


def public_session(options: dict[str, Any]) -> Session:
    """The session that users see."""
    return ScopedSession(**options)


def inner_session(session: Session) -> ScopedSession:
    """What follows the scope."""
    assert isinstance(session, ScopedSession)
    return session


def run_inside(function: Callable[..., T], *arguments: object) -> T:
    """Call what may send statements."""
    return function(*arguments)
