"""The same tables on an event loop: two questions, as a web application would ask them."""

from __future__ import annotations

import datetime

from bookings.models import AsyncNights
from skerry.flow.orm import AsyncSessionFactory


async def is_free(factory: AsyncSessionFactory, room: str, date: datetime.date) -> bool:
    """Whether nobody has the room."""
    return not await AsyncNights(factory).exists(room=room, date=date)


async def hand_over(factory: AsyncSessionFactory, room: str, date: datetime.date, guest_id: int) -> bool:
    """Give somebody else's night to another guest; whether anybody had it."""
    nights = AsyncNights(factory)
    async with factory.transaction_scope("serializable"):
        found = await nights.filter(room=room, date=date)
        for night in found:
            await nights.update(night.id, guest_id=guest_id)
        return bool(found)
