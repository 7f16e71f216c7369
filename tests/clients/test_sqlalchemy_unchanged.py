"""SQLAlchemy with PostgreSQL's own dialects, psycopg and asyncpg, that know nothing of Skerry: the ORM, reflection,
isolation levels, savepoints, two-phase commit, streams.
"""

from __future__ import annotations

import asyncio
import datetime
import enum
import uuid
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import orm
from sqlalchemy.dialects import postgresql as pg
from sqlalchemy.ext import asyncio as sa_asyncio
from support.postgres_server import Address


class Kind(enum.Enum):
    NOVEL = "novel"
    POEM = "poem"


class Base(orm.DeclarativeBase):
    pass


class Writer(Base):
    __tablename__ = "unchanged_writers"
    id: orm.Mapped[int] = orm.mapped_column(primary_key=True)
    name: orm.Mapped[str] = orm.mapped_column(sa.String(50), unique=True, comment="as on the cover")
    works: orm.Mapped[list[Work]] = orm.relationship(back_populates="writer", cascade="all, delete-orphan")


class Work(Base):
    __tablename__ = "unchanged_works"
    id: orm.Mapped[int] = orm.mapped_column(sa.Identity(start=10), primary_key=True)
    writer_id: orm.Mapped[int] = orm.mapped_column(sa.ForeignKey(Writer.id, ondelete="CASCADE"), index=True)
    kind: orm.Mapped[Kind]
    price: orm.Mapped[Decimal] = orm.mapped_column(sa.Numeric(8, 2), sa.CheckConstraint("price >= 0"))
    doubled: orm.Mapped[Decimal] = orm.mapped_column(sa.Numeric, sa.Computed("price * 2", persisted=True))
    tags: orm.Mapped[list[str]] = orm.mapped_column(pg.ARRAY(sa.Text), default=list)
    data: orm.Mapped[dict[str, Any]] = orm.mapped_column(pg.JSONB, default=dict)
    key: orm.Mapped[uuid.UUID] = orm.mapped_column(default=uuid.uuid4)
    written: orm.Mapped[datetime.datetime] = orm.mapped_column(
        sa.DateTime(timezone=True), server_default=sa.func.now()
    )
    writer: orm.Mapped[Writer] = orm.relationship(back_populates="works")


def url(server: Address, driver: str) -> sa.URL:
    return sa.URL.create(
        f"postgresql+{driver}", server.user, server.password, server.host, server.port, server.database
    )


@pytest.fixture
def engine(server: Address) -> Iterator[sa.Engine]:
    made = sa.create_engine(url(server, "psycopg"))
    Base.metadata.drop_all(made)
    Base.metadata.create_all(made)
    yield made
    Base.metadata.drop_all(made)
    made.dispose()


def some_works() -> Writer:
    works = [
        Work(kind=Kind.NOVEL, price=Decimal("12.50"), tags=["a", "b c"], data={"n": [1, None]}),
        Work(kind=Kind.POEM, price=Decimal("3.00")),
    ]
    return Writer(name="Selma", works=works)


def test_the_orm(engine: sa.Engine) -> None:
    with orm.Session(engine) as session, session.begin():
        session.add(some_works())
    with orm.Session(engine) as session:
        writer = session.scalars(sa.select(Writer).options(orm.selectinload(Writer.works))).one()
        novel, poem = sorted(writer.works, key=lambda work: work.id)
        assert (novel.id, novel.kind, novel.doubled, novel.tags) == (
            10,
            Kind.NOVEL,
            Decimal("25.00"),
            ["a", "b c"],
        )
        assert novel.data == {"n": [1, None]} and novel.written.tzinfo is not None and poem.key != novel.key
        found = session.scalars(
            sa.select(Work).where(Work.tags.contains(["a"]), Work.data["n"][0].as_integer() == 1)
        )
        assert found.all() == [novel]
        with pytest.raises(sa.exc.IntegrityError), session.begin_nested():
            session.add(Writer(name="Selma"))
            session.flush()
        session.delete(writer)
        session.commit()
        assert session.scalar(sa.select(sa.func.count()).select_from(Work)) == 0


def test_upserts_isolation_levels_and_two_phases(engine: sa.Engine) -> None:
    upsert = (
        pg.insert(Writer)
        .on_conflict_do_update(index_elements=["name"], set_={"id": Writer.id})
        .returning(Writer.id)
    )
    with engine.connect().execution_options(isolation_level="SERIALIZABLE") as connection:
        first, second = (connection.execute(upsert, {"name": "Karin"}).scalar_one() for _ in range(2))
        assert first == second and connection.get_isolation_level() == "SERIALIZABLE"
        connection.rollback()
    with engine.connect() as connection:
        transaction = connection.begin_twophase()
        connection.execute(sa.insert(Writer), [{"name": f"writer {n}"} for n in range(2500)])
        transaction.prepare()
        transaction.commit()
        with connection.execution_options(stream_results=True, max_row_buffer=100).execute(
            sa.select(Writer.name)
        ) as rows:
            assert sum(1 for _ in rows) == 2500


def test_reflection(engine: sa.Engine) -> None:
    inspector = sa.inspect(engine)
    columns = {column["name"]: column for column in inspector.get_columns("unchanged_works")}
    assert columns["id"]["identity"]["start"] == 10  # type: ignore[typeddict-item]
    assert columns["doubled"]["computed"]["persisted"]  # type: ignore[typeddict-item]
    assert columns["kind"]["type"].enums == ["NOVEL", "POEM"]  # type: ignore[attr-defined]
    (key,) = inspector.get_foreign_keys("unchanged_works")
    assert (key["referred_table"], key["options"]) == ("unchanged_writers", {"ondelete": "CASCADE"})
    assert [index["column_names"] for index in inspector.get_indexes("unchanged_works")] == [["writer_id"]]
    assert inspector.get_check_constraints("unchanged_works")[0]["sqltext"] == "price >= 0::numeric"
    comments = {column["name"]: column["comment"] for column in inspector.get_columns("unchanged_writers")}
    assert comments == {"id": None, "name": "as on the cover"}


def test_asyncpg_on_an_event_loop(server: Address, engine: sa.Engine) -> None:
    async def work() -> tuple[int, list[str]]:
        loop_engine = sa_asyncio.create_async_engine(url(server, "asyncpg"))
        async with sa_asyncio.AsyncSession(loop_engine) as session:
            session.add(some_works())
            await session.commit()
            stream = await session.stream_scalars(sa.select(Work.kind).order_by(Work.id))
            kinds = [kind.name async for kind in stream]
            count = await session.scalar(sa.select(sa.func.count()).select_from(Work))
            graph = await session.execute(sa.text("MATCH (n:NoSuchLabel) RETURN n"))
            assert graph.all() == [] and count is not None
        await loop_engine.dispose()
        return count, kinds

    assert asyncio.run(work()) == (2, ["NOVEL", "POEM"])
