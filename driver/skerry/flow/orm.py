"""SQLAlchemy's ORM in flows: `transaction_scope()`, sessions and repositories that join whatever transaction is open.

    from skerry.flow.orm import Repository, SessionFactory

    factory = SessionFactory(create_engine("skerry://user@host/db"))

    class Users(Repository[User]):
        pass

    with factory.transaction_scope() as session:
        Users(factory).create(name="ada")

It needs SQLAlchemy: `pip install 'skerry[sqlalchemy]'`.
"""

from __future__ import annotations

from skerry.flow.aio.repositories import AsyncRepository
from skerry.flow.aio.session_factory import AsyncSessionFactory, AsyncSessionScope
from skerry.flow.repositories import Repository
from skerry.flow.scoped_session import ScopedSession
from skerry.flow.session_factory import SessionFactory, SessionScope

__all__ = [
    "AsyncRepository",
    "AsyncSessionFactory",
    "AsyncSessionScope",
    "Repository",
    "ScopedSession",
    "SessionFactory",
    "SessionScope",
]
