"""Types, the ORM, reflection, Alembic and pandas."""

from __future__ import annotations

import datetime
import enum
import io
import ipaddress
import uuid
from decimal import Decimal
from pathlib import Path
from typing import Any

import alembic.command
import alembic.config
import pandas
import pytest
import sqlalchemy as sa
from sqlalchemy import orm
from sqlalchemy.dialects import postgresql

from skerry.sqlalchemy import insert


class Mood(enum.Enum):
    SAD = "sad"
    GLAD = "glad % glad"


DAY = datetime.date(2024, 2, 29)
CLOCK = datetime.time(12, 34, 56, 789)
ZONED = datetime.datetime(2024, 2, 29, 12, tzinfo=datetime.timezone(datetime.timedelta(hours=2)))

VALUES: list[tuple[str, sa.types.TypeEngine[Any], object]] = [
    ("small", sa.SmallInteger(), -32768),
    ("integer", sa.Integer(), 2**31 - 1),
    ("big", sa.BigInteger(), 2**63 - 1),
    ("numeric", sa.Numeric(20, 5), Decimal("123456789012345.12345")),
    ("number", sa.Numeric(10, 2, asdecimal=False), 1.25),
    ("float", sa.Float(), 0.1),
    ("exact", sa.Double(asdecimal=True), Decimal("0.1")),
    ("boolean", sa.Boolean(), True),
    ("string", sa.String(20), "naïve % :x %s"),
    ("text", sa.Text(), "a\nb\\c'd"),
    ("binary", sa.LargeBinary(), b"\x00\xff%"),
    ("date", sa.Date(), DAY),
    ("time", sa.Time(), CLOCK),
    ("moment", sa.DateTime(), datetime.datetime.combine(DAY, CLOCK)),
    ("zoned", sa.DateTime(timezone=True), ZONED),
    ("interval", sa.Interval(), datetime.timedelta(days=-3, seconds=5, microseconds=7)),
    ("uuid", sa.Uuid(), uuid.UUID(int=7)),
    ("uuid_text", sa.Uuid(as_uuid=False), str(uuid.UUID(int=8))),
    ("mood", sa.Enum(Mood), Mood.GLAD),
    ("size", sa.Enum("s", "m % l", name="size"), "m % l"),
    ("plain_enum", sa.Enum("a", "b", native_enum=False), "b"),
    ("numbers", sa.ARRAY(sa.Integer), [1, None, 3]),
    ("grid", postgresql.ARRAY(sa.Text, dimensions=2), [["a", 'b"'], ["c,", "{d}"]]),
    ("sizes", postgresql.ARRAY(sa.Enum("s", "m % l", name="size")), ["s", "m % l"]),
    ("json", sa.JSON(), {"a": [1, None, {"b": "c"}], "%": 1.5}),
    ("jsonb", postgresql.JSONB(), ["x", 1, False]),
    ("even", postgresql.DOMAIN("even", sa.Integer, check=sa.text("VALUE % 2 = 0")), 4),
    ("address", postgresql.INET(), ipaddress.ip_address("10.0.0.1")),
]


def test_values_of_every_type_come_back(engine: sa.Engine) -> None:
    meta = sa.MetaData()
    columns = [sa.Column(name, kind) for name, kind, _ in VALUES]
    table = sa.Table("every_type", meta, sa.Column("id", sa.Integer, primary_key=True), *columns)
    meta.create_all(engine)
    given = {name: value for name, _, value in VALUES}
    with engine.begin() as connection:
        connection.execute(table.insert(), [given, dict.fromkeys(given)])
        for name, _, value in VALUES:
            found = sa.select(table.c.id, table.c[name]).where(table.c.id == 1)
            if name not in ("json", "even"):  # SQLAlchemy itself does not compare those
                found = found.where(table.c[name] == value)
            assert connection.execute(found).all() == [(1, value)], name
            (got,) = connection.execute(sa.select(table.c[name]).where(table.c.id == 1)).one()
            assert type(got) is type(value), name
        assert connection.execute(sa.select(*table.c).where(table.c.id == 2)).one()[1:] == (None,) * len(
            VALUES
        )
    meta.drop_all(engine)
    assert sa.inspect(engine).get_enums() == []  # type: ignore[attr-defined]


def test_null_of_json_and_null_of_sql(engine: sa.Engine) -> None:
    meta = sa.MetaData()
    kept = sa.Column("kept", sa.JSON(none_as_null=False))
    gone = sa.Column("gone", postgresql.JSONB(none_as_null=True))
    table = sa.Table("nulls", meta, sa.Column("id", sa.Integer), kept, gone)
    meta.create_all(engine)
    with engine.begin() as connection:
        rows = [{"id": 1, "kept": None, "gone": None}, {"id": 2, "kept": sa.null(), "gone": sa.JSON.NULL}]
        for row in rows:
            connection.execute(table.insert(), row)
        assert connection.execute(sa.select(kept, gone)).all() == [(None, None)] * 2
        texts = sa.select(sa.cast(kept, sa.Text), sa.cast(gone, sa.Text)).order_by(table.c.id)
        assert connection.execute(texts).all() == [("null", None), (None, "null")]
        inner = sa.select(table.c.id).where(kept.is_(None))
        assert connection.scalars(inner).all() == [2]


# --- the ORM ------------------------------------------------------------------------------------------------------------


class Base(orm.DeclarativeBase):
    pass


class Author(Base):
    __tablename__ = "author"
    id: orm.Mapped[int] = orm.mapped_column(sa.Identity(), primary_key=True)
    name: orm.Mapped[str] = orm.mapped_column(sa.String(50), unique=True)
    tags: orm.Mapped[list[str]] = orm.mapped_column(postgresql.ARRAY(sa.Text), server_default="{}")
    born: orm.Mapped[datetime.date | None]
    books: orm.Mapped[list[Book]] = orm.relationship(back_populates="author", cascade="all, delete-orphan")


class Book(Base):
    __tablename__ = "book"
    id: orm.Mapped[int] = orm.mapped_column(sa.Sequence("book_numbers", start=100), primary_key=True)
    title: orm.Mapped[str]
    price: orm.Mapped[Decimal] = orm.mapped_column(sa.Numeric(8, 2))
    doubled: orm.Mapped[Decimal] = orm.mapped_column(
        sa.Numeric(9, 2), sa.Computed("price * 2", persisted=True)
    )
    version: orm.Mapped[int] = orm.mapped_column()
    author_id: orm.Mapped[int] = orm.mapped_column(sa.ForeignKey("author.id", ondelete="CASCADE"))
    author: orm.Mapped[Author] = orm.relationship(back_populates="books")
    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012


def test_the_orm(engine: sa.Engine) -> None:
    Base.metadata.create_all(engine)
    with orm.Session(engine) as session:
        authors = [
            Author(name=f"a{i}", books=[Book(title=f"b{i}.{j}", price=Decimal(j)) for j in range(3)])
            for i in range(50)
        ]
        session.add_all(authors)
        session.commit()
        assert [author.id for author in authors] == list(range(1, 51))
        assert {book.id for author in authors for book in author.books} == set(range(100, 250))
    with orm.Session(engine) as session:
        found = session.scalars(
            sa.select(Author)
            .where(Author.name.in_(["a1", "a2"]))
            .options(orm.selectinload(Author.books))
            .order_by(Author.name.desc())
        ).all()
        assert [[book.title for book in author.books] for author in found] == [
            ["b2.0", "b2.1", "b2.2"],
            ["b1.0", "b1.1", "b1.2"],
        ]
        assert found[0].books[2].doubled == Decimal("4.00")
        assert found[0].tags == []
        with pytest.raises(sa.exc.IntegrityError), session.begin_nested():
            session.add(Author(name="a1"))
            session.flush()
        found[0].tags = ["x", "y"]
        found[0].books[0].price += 1
        session.delete(found[1])
        session.commit()
        assert session.scalar(sa.select(sa.func.count(Book.id))) == 147
        total = sa.select(Author.name, sa.func.sum(Book.price)).join(Author.books).group_by(Author.name)
        assert {row[0]: row[1] for row in session.execute(total)}["a2"] == Decimal("4.00")
        assert session.scalars(sa.select(Author.name).where(Author.tags.contains(["y"]))).all() == ["a2"]


def test_two_sessions_that_change_one_row(engine: sa.Engine) -> None:
    Base.metadata.create_all(engine)
    with orm.Session(engine) as session:
        session.add(Author(name="a", books=[Book(title="b", price=Decimal(1))]))
        session.commit()
    with orm.Session(engine) as first, orm.Session(engine) as second:
        books = [session.scalars(sa.select(Book)).one() for session in (first, second)]
        for price, book in enumerate(books):
            book.price = Decimal(price + 7)
        first.commit()
        with pytest.raises(orm.exc.StaleDataError):
            second.commit()


def test_inserts_return_their_rows_in_order_and_meet_conflicts(engine: sa.Engine) -> None:
    Base.metadata.create_all(engine)
    authors = Author.__table__
    with engine.begin() as connection:
        rows = [{"name": f"n{number}"} for number in range(2500)]
        statement = sa.insert(Author).returning(Author.id, Author.name, sort_by_parameter_order=True)
        assert connection.execute(statement, rows).all() == [(i + 1, f"n{i}") for i in range(2500)]
        again = insert(Author).values(name="n7", born=DAY)
        assert connection.execute(again.on_conflict_do_nothing()).rowcount == 0
        updating = again.on_conflict_do_update(index_elements=["name"], set_={"born": again.excluded.born})
        assert connection.execute(updating.returning(authors.c.id, authors.c.born)).all() == [(8, DAY)]
        many = (
            sa.update(authors).where(authors.c.name == sa.bindparam("who")).values(born=sa.bindparam("day"))
        )
        assert connection.execute(many, [{"who": f"n{i}", "day": DAY} for i in range(10)]).rowcount == 10
        gone = sa.delete(authors).where(authors.c.id > 2490).returning(authors.c.id)
        assert sorted(connection.scalars(gone)) == list(range(2491, 2501))


# --- reflection and migrations ------------------------------------------------------------------------------------------


def shop(meta: sa.MetaData) -> sa.MetaData:
    """Tables with something of everything that can be reflected."""
    sa.Table(
        "customer",
        meta,
        sa.Column("id", sa.BigInteger, sa.Identity(always=True, start=10, increment=5), primary_key=True),
        sa.Column("email", sa.String(80), nullable=False, comment="where it goes"),
        sa.Column("mood", sa.Enum(Mood, name="mood"), server_default="SAD"),
        sa.Column("since", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("notes", postgresql.JSONB, server_default=sa.text("'{}'::jsonb")),
        sa.Column("tags", postgresql.ARRAY(sa.Text)),
        sa.UniqueConstraint("email", name="one_email"),
        sa.CheckConstraint("email LIKE '%@%'", name="is_email"),
        comment="who buys",
    )
    sa.Table(
        "sale",
        meta,
        sa.Column("day", sa.Date, primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("customer_id", sa.BigInteger, nullable=False),
        sa.Column("price", sa.Numeric(10, 2), nullable=False, server_default="0"),
        sa.Column("doubled", sa.Numeric(11, 2), sa.Computed("price * 2", persisted=True)),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["customer.id"], name="of_customer", ondelete="CASCADE", deferrable=True
        ),
        sa.Index("sale_by_customer", "customer_id", sa.text("price DESC")),
        sa.Index("dear_sales", "day", postgresql_where=sa.text("price > 100"), postgresql_include=["number"]),
    )
    return meta


def described(engine: sa.Engine) -> dict[str, Any]:
    """All that an inspector says of the tables."""
    inspector = sa.inspect(engine)
    found = {}
    for table in inspector.get_table_names():
        found[table] = {
            "columns": [{**each, "type": repr(each["type"])} for each in inspector.get_columns(table)],
            "key": inspector.get_pk_constraint(table),
            "references": inspector.get_foreign_keys(table),
            "indexes": inspector.get_indexes(table),
            "unique": inspector.get_unique_constraints(table),
            "checks": inspector.get_check_constraints(table),
            "comment": inspector.get_table_comment(table),
        }
    return found


def test_what_is_reflected_makes_the_same_again(engine: sa.Engine) -> None:
    shop(sa.MetaData()).create_all(engine)
    before = described(engine)
    reflected = sa.MetaData()
    reflected.reflect(engine)
    assert sorted(reflected.tables) == ["customer", "sale"]
    customer, sale = reflected.tables["customer"], reflected.tables["sale"]
    identity = customer.c.id.identity
    assert identity is not None and (identity.always, identity.start, identity.increment) == (True, 10, 5)
    assert (customer.comment, customer.c.email.comment) == ("who buys", "where it goes")
    assert sale.c.doubled.computed is not None
    reflected.drop_all(engine)
    assert sa.inspect(engine).get_table_names() == []
    reflected.create_all(engine)
    assert described(engine) == before


ENVIRONMENT = """
from alembic import context
from sqlalchemy import create_engine

config = context.config
engine = create_engine(config.attributes["url"])
with engine.connect() as connection:
    context.configure(connection=connection, target_metadata=config.attributes["metadata"], compare_server_default=True)
    with context.begin_transaction():
        context.run_migrations()
engine.dispose()
"""
SCRIPT = """
revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
from alembic import op
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
def upgrade():
    ${upgrades if upgrades else "pass"}
def downgrade():
    ${downgrades if downgrades else "pass"}
"""


def migrations(directory: Path, url: sa.URL) -> alembic.config.Config:
    """A directory of migrations, of a database."""
    (directory / "versions").mkdir(parents=True)
    (directory / "env.py").write_text(ENVIRONMENT)
    (directory / "script.py.mako").write_text(SCRIPT)
    config = alembic.config.Config(stdout=io.StringIO())
    config.set_main_option("script_location", str(directory))
    config.set_main_option("path_separator", "os")
    config.attributes["url"] = url
    return config


def test_alembic_writes_migrations_that_do_what_was_meant(
    url: sa.URL, engine: sa.Engine, tmp_path: Path
) -> None:
    config = migrations(tmp_path / "migrations", url)
    config.attributes["metadata"] = shop(sa.MetaData())
    alembic.command.revision(config, "first", autogenerate=True)
    alembic.command.upgrade(config, "head")
    alembic.command.check(config)
    first = described(engine)
    assert sorted(first) == ["alembic_version", "customer", "sale"]

    changed = config.attributes["metadata"] = shop(sa.MetaData())
    customer, sale = changed.tables["customer"], changed.tables["sale"]
    customer.append_column(sa.Column("phone", sa.String(20)))
    customer.c.email.type = sa.Text()
    customer.c.email.comment = "an address"
    customer.c.mood.nullable = False
    sale.c.price.server_default = None
    sale.indexes.discard(next(index for index in sale.indexes if index.name == "dear_sales"))
    sa.Index("by_phone", customer.c.phone, unique=True)
    sa.Table("stock", changed, sa.Column("item", sa.Uuid, primary_key=True), sa.Column("count", sa.Integer))
    alembic.command.revision(config, "second", autogenerate=True)
    alembic.command.upgrade(config, "head")
    alembic.command.check(config)
    assert "stock" in described(engine)

    alembic.command.downgrade(config, "-1")
    undone = described(engine)
    names = [column["name"] for column in undone["customer"]["columns"]]
    assert names == [column["name"] for column in first["customer"]["columns"]]
    assert undone["sale"] == first["sale"]
    alembic.command.downgrade(config, "base")
    assert sorted(described(engine)) == ["alembic_version"]


# --- pandas -------------------------------------------------------------------------------------------------------------


def test_pandas_writes_and_reads_frames(engine: sa.Engine) -> None:
    frame = pandas.DataFrame(
        {
            "number": [1, 2, 3],
            "ratio": [0.5, None, 2.5],
            "word": ["a", None, "100% :x"],
            "at": [datetime.datetime(2024, 1, 1), datetime.datetime(2024, 2, 29, 12, 30), None],
            "ok": [True, False, True],
        }
    )
    frame.to_sql("frames", engine, index=False)
    frame.to_sql("frames", engine, index=False, if_exists="append", method="multi", chunksize=2)
    read = pandas.read_sql("SELECT * FROM frames ORDER BY number", engine)
    assert len(read) == 6
    once = read.drop_duplicates().reset_index(drop=True)
    pandas.testing.assert_frame_equal(once, frame, check_dtype=False)
    assert read["at"].dtype.kind == "M" and read["ratio"].dtype.kind == "f"
    indexed = pandas.read_sql_table("frames", engine, index_col="number", columns=["word"])
    assert list(indexed.columns) == ["word"]
    query = sa.text("SELECT word FROM frames WHERE number > :least ORDER BY number")
    parts = list(pandas.read_sql(query, engine, params={"least": 1}, chunksize=3))
    assert [len(part) for part in parts] == [3, 1]
    frame.to_sql("frames", engine, if_exists="replace")
    assert "index" in [column["name"] for column in sa.inspect(engine).get_columns("frames")]
