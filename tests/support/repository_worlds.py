"""A service's models and repositories, and the databases that tests of them run on: Skerry, PostgreSQL and SQLite,
blocking and on an event loop; the blocking ones under the names of asyncio's (`support.awaited`)."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    URL,
    CheckConstraint,
    Engine,
    ForeignKey,
    create_engine,
    delete,
    func,
    select,
    text,
)
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship

from skerry.flow import FlowDatabase, open, open_async
from skerry.flow.orm import AsyncRepository, AsyncSessionFactory, Repository, SessionFactory
from support.awaited import Awaited


class Base(DeclarativeBase):
    """The tables."""


class Account(Base):
    """Whose money; `changes` is counted by the database."""

    __tablename__ = "account"
    id: Mapped[int] = mapped_column(primary_key=True)
    owner: Mapped[str] = mapped_column(unique=True)
    balance: Mapped[int] = mapped_column(CheckConstraint("balance >= 0"), default=0)
    changes: Mapped[int] = mapped_column(default=0, onupdate=text("changes + 1"))
    note: Mapped[str | None]
    state: Mapped[str] = mapped_column(server_default="open")
    entries: Mapped[list[Entry]] = relationship(cascade="all, delete-orphan")


class Entry(Base):
    """What was booked."""

    __tablename__ = "entry"
    id: Mapped[int] = mapped_column(primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"))
    amount: Mapped[int]


class Member(Base):
    """A key of two columns."""

    __tablename__ = "member"
    club: Mapped[str] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]


class Accounts(Repository[Account]):
    """Blocking."""


class AsyncAccounts(AsyncRepository[Account]):
    """On an event loop."""


class Entries(Repository[Entry]):
    """Blocking; says its model."""

    model = Entry


class AsyncEntries(AsyncRepository[Entry]):
    """On an event loop; says its model."""

    model = Entry


class Members(Repository[Member]):
    """Blocking."""


class AsyncMembers(AsyncRepository[Member]):
    """On an event loop."""


class Place:
    """A database with the tables, and a way to see it from outside."""

    def __init__(self, url: URL) -> None:
        self.url = url
        self.outside: Engine = create_engine(url)
        Base.metadata.drop_all(self.outside)
        Base.metadata.create_all(self.outside)

    def clear(self) -> None:
        """No rows."""
        with Session(self.outside) as session, session.begin():
            for table in reversed(Base.metadata.sorted_tables):
                session.execute(delete(table))

    def close(self) -> None:
        """Leave nothing on servers that others use."""
        Base.metadata.drop_all(self.outside)
        self.outside.dispose()

    def owners(self) -> list[str]:
        """Whose accounts others see."""
        with Session(self.outside) as session:
            return list(session.scalars(select(Account.owner).order_by(Account.owner)))

    def balance(self, owner: str) -> int | None:
        """The balance that others see."""
        with Session(self.outside) as session:
            return session.scalar(select(Account.balance).where(Account.owner == owner))

    def entries(self) -> int:
        """How many entries others see."""
        with Session(self.outside) as session:
            return session.scalar(select(func.count()).select_from(Entry)) or 0


class ServiceWorld:
    """An engine on a place, with repositories; those of the blocking world are awaited, too."""

    def __init__(self, place: Place, drivername: str, is_blocking: bool) -> None:
        self.place = place
        self.drivername = drivername
        self.is_blocking = is_blocking
        self.is_sqlite = drivername.startswith("sqlite")

    async def open(self) -> None:
        """Make the engine; on an event loop, within it."""
        url = self.place.url.set(drivername=self.drivername)
        kinds: Sequence[Any]
        if self.is_blocking:
            self.engine: Any = create_engine(url, pool_size=3, max_overflow=0, pool_timeout=5)
            self.plain_database: Any = open(self.engine)
            self.plain_factory: Any = SessionFactory(self.plain_database)
            kinds = (Accounts, Entries, Members)
        else:
            self.engine = create_async_engine(url, pool_size=3, max_overflow=0, pool_timeout=5)
            self.plain_database = await open_async(self.engine)
            self.plain_factory = AsyncSessionFactory(self.plain_database)
            kinds = (AsyncAccounts, AsyncEntries, AsyncMembers)
        self.accounts, self.entries, self.members = [self._named(kind(self.plain_factory)) for kind in kinds]
        self.database = self._named(self.plain_database)
        self.factory = self._named(self.plain_factory)

    def _named(self, value: Any) -> Any:
        return Awaited(value) if self.is_blocking else value

    def scope(self, *arguments: Any, **options: Any) -> Any:
        """`transaction_scope()`."""
        return self.factory.transaction_scope(*arguments, **options)

    @property
    def checked_out(self) -> int:
        """How many connections are out of the engine's pool."""
        count: int = self.engine.pool.checkedout()
        return count

    async def close(self) -> None:
        """Close the engine; nobody may have a connection of it any more."""
        database: FlowDatabase = self.plain_database
        assert (database.in_use, self.checked_out) == (0, 0)
        await self._named(self.engine).dispose()


def in_world(test: Any) -> Any:
    """A test that is a coroutine, run with a world that is open."""

    @functools.wraps(test)
    def run(there: ServiceWorld, **others: Any) -> None:
        async def inside() -> None:
            await there.open()
            await test(there, **others)
            await there.close()

        asyncio.run(inside())

    return run
