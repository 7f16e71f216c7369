"""What happens in the shop, each a transaction or a question."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from decimal import Decimal
from typing import TypeVar

from sqlalchemy import Engine, func, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session, selectinload

import skerry
from bookshop.models import Binding, Book, Customer, Sale
from skerry.sqlalchemy import gql, insert

T = TypeVar("T")

TRIES = 20

STOCK = [
    ("The Odyssey", "12.50", Binding.SOFT, 5, ["epic", "sea"]),
    ("Moby-Dick", "15.00", Binding.HARD, 2, ["novel", "sea"]),
    ("Persuasion", "9.90", Binding.SOFT, 1, ["novel"]),
]


def transact(engine: Engine, work: Callable[[Session], T]) -> T:
    """Do some work in a transaction, again when another one was in its way."""
    for tried in range(TRIES):
        try:
            with Session(engine) as session, session.begin():
                return work(session)
        except DBAPIError as problem:
            is_last = tried == TRIES - 1
            if is_last or not (isinstance(problem.orig, skerry.Error) and problem.orig.is_retryable):
                raise
            time.sleep(random.uniform(0, 0.01 * 2 ** min(tried, 5)))
    raise AssertionError("the last try returns or raises")


def deliver(session: Session) -> None:
    """Books arrive; of a title that is known there are more now."""
    for title, price, binding, stock, subjects in STOCK:
        arriving = insert(Book).values(
            title=title, price=Decimal(price), binding=binding, stock=stock, subjects=subjects
        )
        more = {"stock": Book.stock + arriving.excluded.stock}
        session.execute(arriving.on_conflict_do_update(index_elements=[Book.title], set_=more))


def sell(session: Session, title: str, name: str) -> Sale:
    """Sell a book.  Raises IntegrityError when there is none left."""
    book = session.scalars(select(Book).where(Book.title == title)).one()
    customer = session.scalars(select(Customer).where(Customer.name == name)).one_or_none()
    sale = Sale(book=book, customer=customer or Customer(name=name))
    book.stock -= 1
    session.add(sale)
    return sale


def takings(engine: Engine) -> list[tuple[str, Decimal]]:
    """What each customer has paid, as of one moment, whatever is sold meanwhile."""
    paid = (
        select(Customer.name, func.sum(Book.price))
        .join(Customer.sales)
        .join(Sale.book)
        .group_by(Customer.name)
        .order_by(func.sum(Book.price).desc())
    )
    with Session(engine.execution_options(isolation_level="SNAPSHOT", skerry_read_only=True)) as session:
        return [(name, total) for name, total in session.execute(paid)]


def shelf(engine: Engine, subject: str) -> list[str]:
    """The titles about a subject, and to how many they were sold."""
    about = (
        select(Book)
        .where(Book.subjects.contains([subject]))
        .options(selectinload(Book.sales))
        .order_by(Book.title)
    )
    with Session(engine) as session:
        return [f"{book.title} ({len(book.sales)} sold)" for book in session.scalars(about)]


def recommend(engine: Engine, name: str) -> list[str]:
    """What those have bought who bought what one has bought: the same tables, asked in GQL."""
    with engine.connect() as connection:
        found = connection.execute(
            gql("""
                USE sales
                MATCH (me:customer {name: $name})-[:sale]->(mine:book)<-[:sale]-(they:customer)-[:sale]->(b:book)
                FILTER they.name <> $name AND b.title <> mine.title
                RETURN DISTINCT b.title AS title ORDER BY title
            """),
            {"name": name},
        )
        return [str(row.title) for row in found]
