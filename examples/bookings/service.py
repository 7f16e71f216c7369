"""What the hotel does: each method is one transaction, or part of the one that is open where it is called.

No method is handed a session, and none commits: the repositories find the transaction by themselves.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable
from typing import NamedTuple

from sqlalchemy.exc import IntegrityError

from bookings.models import Guest, Guests, Nights, Room, Rooms
from skerry import flow
from skerry.flow import each, stage
from skerry.flow.orm import SessionFactory


class Wish(NamedTuple):
    """Who wants which room, from when on, for how many nights."""

    email: str
    room: str
    first: datetime.date
    nights: int


class NotAvailable(Exception):
    """The room is taken, or there is no such room."""


class Hotel:
    """The service.  `send(address, text)` sends mail, once what it tells of has been committed."""

    def __init__(self, factory: SessionFactory, send: Callable[[str, str], None]) -> None:
        self.factory = factory
        self.rooms = Rooms(factory)
        self.guests = Guests(factory)
        self.nights = Nights(factory)
        self._send = send

    def open(self, beds: dict[str, int]) -> None:
        """Rooms with so many beds each: all, or none if one is there already."""
        self.rooms.create_many({"name": name, "beds": number} for name, number in beds.items())

    def book(self, wish: Wish) -> Guest:
        """Book a room for some nights, all of them or none.  Raises NotAvailable."""
        try:
            with self.factory.transaction_scope():
                return self._book(wish)
        except IntegrityError as problem:  # rolled back already
            raise NotAvailable(f"{wish.room} is not available from {wish.first} on") from problem

    def _book(self, wish: Wish) -> Guest:
        guest = self.guests.of(wish.email)
        for day in range(wish.nights):
            date = wish.first + datetime.timedelta(days=day)
            self.nights.create(room=wish.room, guest_id=guest.id, date=date)
        self.guests.update(guest.id, nights=guest.nights + wish.nights)
        self.factory.on_commit(lambda: self._send(wish.email, f"{wish.room} is yours from {wish.first} on"))
        return guest

    def change(self, wish: Wish, room: str) -> None:
        """Another room for what was booked: the old nights go, the new ones come, or nothing happens."""
        with self.factory.transaction_scope():
            self.cancel(wish)
            self.book(wish._replace(room=room))

    def cancel(self, wish: Wish) -> int:
        """Give nights back; how many there were."""
        with self.factory.transaction_scope():
            guest = self.guests.of(wish.email)
            until = wish.first + datetime.timedelta(days=wish.nights)
            taken = [
                night
                for night in self.nights.filter(guest_id=guest.id, room=wish.room)
                if wish.first <= night.date < until
            ]
            for night in taken:
                self.nights.delete(night.id)
            self.guests.update(guest.id, nights=guest.nights - len(taken))
            return len(taken)

    def book_all(self, wishes: Iterable[Wish]) -> list[Wish]:
        """Book what can be booked, in one transaction; the wishes that could not be met."""
        refused: list[Wish] = []

        def book(wish: Wish) -> None:
            try:
                self.book(wish)  # a block inside the transaction: what it began is undone, and no more
            except NotAvailable:
                refused.append(wish)

        load = stage(tx=True)(book)

        @flow.flow(self.factory.database, isolation="serializable", retries=10)
        def load_all() -> None:
            refused.clear()
            each(wishes, load)

        load_all()
        return refused

    def free(self, date: datetime.date) -> list[Room]:
        """The rooms that nobody has for a night, as of one moment."""
        with self.factory.transaction_scope(read_only=True):
            taken = {night.room for night in self.nights.filter(date=date)}
            return [room for room in self.rooms.list() if room.name not in taken]
