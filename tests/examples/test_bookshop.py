"""The bookshop example, embedded and on a server."""

from __future__ import annotations

import threading

import pytest
import sqlalchemy as sa
from bookshop.__main__ import main
from bookshop.models import Base, Book, Sale
from bookshop.shop import deliver, sell, transact
from support.engines import engine, url

__all__ = ["engine", "url"]

DAY = """\
Ann buys The Odyssey
Ann buys Moby-Dick
Bob buys The Odyssey
Bob buys Persuasion
Cem comes too late for Persuasion
Ann has paid 27.50
Bob has paid 22.40
about the sea: Moby-Dick (1 sold), The Odyssey (2 sold)
Ann might like: Persuasion
"""


def test_a_day_in_the_shop(url: sa.URL, capsys: pytest.CaptureFixture[str]) -> None:
    main(url.render_as_string(hide_password=False))
    assert capsys.readouterr().out == DAY


def test_as_many_are_sold_as_there_were(engine: sa.Engine) -> None:
    Base.metadata.create_all(engine)
    transact(engine, deliver)
    strict = engine.execution_options(isolation_level="SERIALIZABLE")
    too_late: list[str] = []

    def customer(name: str) -> None:
        try:
            transact(strict, lambda session: sell(session, "The Odyssey", name).id)
        except sa.exc.IntegrityError:
            too_late.append(name)

    threads = [threading.Thread(target=customer, args=(f"c{number}",)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with engine.connect() as connection:
        assert connection.scalar(sa.select(Book.stock).where(Book.title == "The Odyssey")) == 0
        assert connection.scalar(sa.select(sa.func.count(Sale.id))) == 5
    assert len(too_late) == 3
