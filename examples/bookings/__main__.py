"""python -m bookings [URL]: some bookings, in memory unless a URL says where."""

from __future__ import annotations

import datetime
import sys

from sqlalchemy import create_engine

from bookings.models import Base
from bookings.service import Hotel, NotAvailable, Wish
from skerry.flow.orm import SessionFactory

MAY_1 = datetime.date(2026, 5, 1)


def main(url: str = "skerry+embedded://") -> None:
    """Open the hotel."""
    engine = create_engine(url)
    Base.metadata.create_all(engine)
    hotel = Hotel(SessionFactory(engine), lambda address, text: print(f"to {address}: {text}"))
    hotel.open({"attic": 1, "garden": 2, "tower": 2})

    ada = hotel.book(Wish("ada@example.org", "tower", MAY_1, 3))
    print(f"guest {ada.id} stays {ada.nights} nights")
    try:
        hotel.book(Wish("bob@example.org", "tower", MAY_1 - datetime.timedelta(days=1), 2))
    except NotAvailable as problem:
        print(problem)
    print("guests:", ", ".join(guest.email for guest in hotel.guests.list()))

    refused = hotel.book_all(
        [
            Wish("cem@example.org", "garden", MAY_1, 1),
            Wish("dee@example.org", "tower", MAY_1, 1),
            Wish("eve@example.org", "attic", MAY_1 + datetime.timedelta(days=1), 2),
        ]
    )
    print("not met:", ", ".join(wish.email for wish in refused))
    try:
        hotel.change(Wish("ada@example.org", "tower", MAY_1, 3), "cellar")
    except NotAvailable as problem:
        print(problem, "- what was booked stays")
    print("free on", MAY_1, ":", ", ".join(room.name for room in hotel.free(MAY_1)))
    engine.dispose()


if __name__ == "__main__":
    main(*sys.argv[1:2])
