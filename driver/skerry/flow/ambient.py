"""Where code finds the transaction that it belongs to, without being handed it.

One context variable names a small value that never changes; what changes (the scope that a run has open, counters)
hangs on the run, so that threads and tasks that were given a copy of the context see the same run, and none sees
another's.

    flow body                     run, lane               what the lane has open, if anything
    transactional stage           run, scope              that scope
    other stage                   run, lane of its own    what stages called inside open there
    transaction() block           run or None, scope      that scope
"""

from __future__ import annotations

from contextvars import ContextVar, Token
from typing import TYPE_CHECKING, TypeAlias

from skerry_engine.errors import InterfaceError

if TYPE_CHECKING:
    from skerry.flow.aio.run import AsyncLane, AsyncRun
    from skerry.flow.aio.scope import AsyncTransactionScope
    from skerry.flow.report import StageReport
    from skerry.flow.run import Lane, Run
    from skerry.flow.scope import TransactionScope

    AnyRun: TypeAlias = Run | AsyncRun
    AnyLane: TypeAlias = Lane | AsyncLane
    AnyScope: TypeAlias = TransactionScope | AsyncTransactionScope


class Ambient:
    """What surrounds the code that runs; see the module."""

    __slots__ = ("run", "lane", "scope", "report", "stage")

    def __init__(
        self,
        run: AnyRun | None,
        lane: AnyLane | None,
        scope: AnyScope | None,
        report: StageReport | None = None,
        stage: str | None = None,
    ) -> None:
        self.run = run
        self.lane = lane
        self.scope = scope
        self.report = report
        self.stage = stage

    @staticmethod
    def inside(scope: AnyScope) -> Ambient:
        """The present surroundings, but within that scope."""
        here = _ambient.get()
        if here is None:
            return Ambient(None, None, scope)
        return Ambient(here.run, None, scope, here.report, here.stage)

    def open_scope(self) -> AnyScope | None:
        """The scope that statements belong to here.  Raises InvalidTransactionState in a flow that has ended."""
        lane = self.lane
        if lane is None:
            return self.scope
        if lane.is_over:
            lane.check_open()
        return lane.scope


_ambient: ContextVar[Ambient | None] = ContextVar("skerry_flow", default=None)
row_index: ContextVar[int | None] = ContextVar("skerry_flow_row", default=None)
"""The index of the row that `each` is at."""

current = _ambient.get
enter = _ambient.set


def leave(token: Token[Ambient | None]) -> None:
    """What surrounded before."""
    _ambient.reset(token)


def current_scope() -> AnyScope | None:
    """The transaction that statements belong to here; None where they commit by themselves."""
    here = _ambient.get()
    return None if here is None else here.open_scope()


def required_scope(what: str) -> AnyScope:
    """As `current_scope`; raises InterfaceError where there is none."""
    found = current_scope()
    if found is None:
        raise InterfaceError(f"{what} needs an active transaction")
    return found
