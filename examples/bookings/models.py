"""What the hotel keeps, and the repositories for it, which join whatever transaction is open."""

from __future__ import annotations

import datetime

from sqlalchemy import ForeignKey, Identity, String, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from skerry.flow.orm import AsyncRepository, Repository


class Base(DeclarativeBase):
    """The tables below."""


class Room(Base):
    """A room, by its name."""

    __tablename__ = "room"

    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    beds: Mapped[int]


class Guest(Base):
    """Somebody who stays, and for how many nights in all."""

    __tablename__ = "guest"

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    email: Mapped[str] = mapped_column(String(100), unique=True)
    nights: Mapped[int] = mapped_column(default=0)


class Night(Base):
    """A room is somebody's for a night; nobody else's then."""

    __tablename__ = "night"
    __table_args__ = (UniqueConstraint("room", "date"),)

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    room: Mapped[str] = mapped_column(ForeignKey("room.name"))
    guest_id: Mapped[int] = mapped_column(ForeignKey("guest.id"))
    date: Mapped[datetime.date]


class Rooms(Repository[Room]):
    """Rooms."""


class Guests(Repository[Guest]):
    """Guests, with a method of its own."""

    def of(self, email: str) -> Guest:
        """The guest of that address, a new one if need be."""
        with self.transaction_scope():
            known = self.filter(email=email)
            return known[0] if known else self.create(email=email)


class Nights(Repository[Night]):
    """Nights that are taken."""


class AsyncNights(AsyncRepository[Night]):
    """The same, on an event loop."""
