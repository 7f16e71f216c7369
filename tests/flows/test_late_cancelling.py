"""A deadline that breaks off a statement, then finds it failed already, while its transaction is rolled back."""

from __future__ import annotations

import asyncio

import pytest

from skerry import flow
from skerry.flow.modes import Modes
from skerry_engine import errors


class Slow:
    """A participant, and its own member: a statement that can be cancelled, and a rollback that takes its time."""

    name = "slow"
    is_two_phase = is_database = survives_interruption = False

    def __init__(self) -> None:
        self.cancelled = asyncio.Event()
        self.closed = False

    async def enlist(self, modes: Modes, sends: bool) -> Slow:
        return self

    async def work(self) -> None:
        await self.cancelled.wait()
        raise errors.QueryCanceled("cancelled")

    async def cancel(self) -> None:
        self.cancelled.set()

    async def rollback(self) -> None:
        await asyncio.sleep(0.05)

    async def close(self, is_usable: bool) -> None:
        await asyncio.sleep(0.05)
        self.closed = True


@pytest.mark.parametrize("is_cancelled", [False, True])
def test_the_deadline_is_what_is_heard_but_for_a_cancellation_by_others(is_cancelled: bool) -> None:
    async def main() -> None:
        slow = Slow()
        scope = flow.AsyncTransactionScope(Modes(), timeout=0.01)
        task = asyncio.create_task(scope.use(slow, lambda member: slow.work()))  # type: ignore[arg-type]
        if is_cancelled:
            await slow.cancelled.wait()
            await asyncio.sleep(0.02)
            task.cancel()
        with pytest.raises(asyncio.CancelledError if is_cancelled else errors.TransactionTimeout):
            await task
        assert slow.closed
        assert scope.state is flow.ScopeState.ROLLED_BACK

    asyncio.run(main())
