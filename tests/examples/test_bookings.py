"""The bookings example, embedded and on a server; its asyncio half; and many guests at once."""

from __future__ import annotations

import asyncio
import threading
from datetime import date

import pytest
import sqlalchemy as sa
from bookings.__main__ import MAY_1, main
from bookings.models import Base
from bookings.service import Hotel, NotAvailable, Wish
from bookings.web import hand_over, is_free
from sqlalchemy.ext.asyncio import create_async_engine
from support.engines import async_url, engine, url

from skerry.flow.orm import AsyncSessionFactory, SessionFactory

__all__ = ["async_url", "engine", "url"]

SAID = """\
to ada@example.org: tower is yours from 2026-05-01 on
guest 1 stays 3 nights
tower is not available from 2026-04-30 on
guests: ada@example.org
to cem@example.org: garden is yours from 2026-05-01 on
to eve@example.org: attic is yours from 2026-05-02 on
not met: dee@example.org
cellar is not available from 2026-05-01 on - what was booked stays
free on 2026-05-01 : attic
"""


def test_some_bookings(url: sa.URL, capsys: pytest.CaptureFixture[str]) -> None:
    main(url.render_as_string(hide_password=False))
    assert capsys.readouterr().out == SAID


def test_a_room_is_one_guests(engine: sa.Engine) -> None:
    Base.metadata.create_all(engine)
    sent: list[str] = []
    factory = SessionFactory(engine)
    hotel = Hotel(factory, lambda address, text: sent.append(address))
    hotel.open({"tower": 2})
    refused: list[str] = []

    def book(name: str) -> None:
        wish = Wish(name, "tower", MAY_1, 3)
        while True:
            try:
                hotel.book(wish)
            except NotAvailable:
                refused.append(name)
            except sa.exc.OperationalError as problem:  # it met another one: again
                if problem.orig is None or not getattr(problem.orig, "is_retryable", False):
                    raise
                continue
            return

    threads = [threading.Thread(target=book, args=(f"guest {number}",)) for number in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(refused) == 4
    assert [guest.email for guest in hotel.guests.list()] == sent
    assert hotel.nights.count() == 3
    assert hotel.guests.filter(nights=3)[0].email not in refused
    assert factory.database.in_use == 0


def test_on_an_event_loop(engine: sa.Engine, async_url: sa.URL) -> None:
    Base.metadata.create_all(engine)
    hotel = Hotel(SessionFactory(engine), lambda address, text: None)
    hotel.open({"tower": 2})
    hotel.book(Wish("ada", "tower", MAY_1, 1))
    bob = hotel.guests.of("bob")

    async def ask() -> list[bool]:
        async_engine = create_async_engine(async_url)
        factory = AsyncSessionFactory(async_engine)
        answers = [
            await is_free(factory, "tower", MAY_1),
            await is_free(factory, "tower", date(2026, 6, 1)),
            await hand_over(factory, "tower", MAY_1, bob.id),
            await hand_over(factory, "tower", date(2026, 6, 1), bob.id),
        ]
        await async_engine.dispose()
        return answers

    assert asyncio.run(ask()) == [False, True, True, False]
    assert [night.guest_id for night in hotel.nights.list()] == [bob.id]
