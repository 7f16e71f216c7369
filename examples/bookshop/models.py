"""What the shop keeps: books, customers, and what was sold to whom."""

from __future__ import annotations

import datetime
import enum
from decimal import Decimal

from sqlalchemy import (
    CheckConstraint,
    Connection,
    Enum,
    ForeignKey,
    Identity,
    Numeric,
    String,
    event,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship


class Binding(enum.Enum):
    """How a book is bound."""

    HARD = "hard"
    SOFT = "soft"


class Base(DeclarativeBase):
    """The tables below."""


class Book(Base):
    """A title, and how many of it are on the shelf."""

    __tablename__ = "book"
    __table_args__ = (CheckConstraint("stock >= 0", name="no_debts_of_books"),)

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    title: Mapped[str] = mapped_column(String(100), unique=True)
    price: Mapped[Decimal] = mapped_column(Numeric(8, 2))
    binding: Mapped[Binding] = mapped_column(Enum(Binding, name="binding"), default=Binding.SOFT)
    stock: Mapped[int] = mapped_column(default=0)
    subjects: Mapped[list[str]] = mapped_column(ARRAY(String), default=list)
    details: Mapped[dict[str, object]] = mapped_column(JSONB, default=dict)
    sales: Mapped[list[Sale]] = relationship(back_populates="book")


class Customer(Base):
    """Somebody who buys."""

    __tablename__ = "customer"

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    name: Mapped[str] = mapped_column(String(50), index=True)
    sales: Mapped[list[Sale]] = relationship(back_populates="customer", cascade="all, delete-orphan")


class Sale(Base):
    """One book, sold."""

    __tablename__ = "sale"

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    book_id: Mapped[int] = mapped_column(ForeignKey("book.id"))
    customer_id: Mapped[int] = mapped_column(ForeignKey("customer.id", ondelete="CASCADE"))
    at: Mapped[datetime.datetime] = mapped_column(server_default=func.now())
    book: Mapped[Book] = relationship(back_populates="sales")
    customer: Mapped[Customer] = relationship(back_populates="sales")


SALES_AS_A_GRAPH = """
    CREATE PROPERTY GRAPH sales
    VERTEX TABLES (book, customer)
    EDGE TABLES (sale SOURCE KEY (customer_id) REFERENCES customer (id)
                      DESTINATION KEY (book_id) REFERENCES book (id))
"""


@event.listens_for(Sale.__table__, "after_create")
def make_graph(table: object, connection: Connection, **_: object) -> None:
    """With the tables comes a graph over them."""
    connection.execute(text(SALES_AS_A_GRAPH))
