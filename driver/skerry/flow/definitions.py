"""What a flow and a stage are, as data: `run` executes it, `stage` makes it of functions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from skerry.flow.modes import DEFAULT_MODES, Modes
from skerry.flow.retryable import is_retryable
from skerry_engine.errors import FlowError

Handler = Callable[[FlowError], object]
"""Asked when a stage has failed and been undone: true has the flow go on; it may be `async def` in asyncio's flows."""


@dataclass(frozen=True, slots=True, eq=False)
class FlowSpec:
    """A flow.  `database` is the one that commits last; `is_alone`: made for a stage that was called outside any."""

    name: str
    function: Callable[..., object]
    database: object = None
    modes: Modes = DEFAULT_MODES
    asks_modes: bool = False
    timeout_s: float | None = None
    retries: int = 0
    is_alone: bool = False

    def check_joins(self, outer: Modes) -> None:
        """Raise InvalidTransactionState where the flow asks for other modes than those of what it joins."""
        if self.asks_modes:
            self.modes.check_joins(outer)


@dataclass(frozen=True, slots=True, eq=False)
class StageSpec:
    """A stage.  `caller` is what users call; `retry_on`: exceptions that are tried again beside the retryable ones."""

    name: str
    function: Callable[..., object]
    tx: bool
    on_error: Handler | None = None
    retries: int = 0
    retry_on: tuple[type[Exception], ...] = ()
    caller: list[Callable[..., object]] = field(default_factory=list)

    @property
    def is_guarded(self) -> bool:
        """Whether what a failed attempt has written may have to be undone, and the flow go on."""
        return self.on_error is not None or self.retries > 0

    def is_retried(self, problem: Exception) -> bool:
        """Whether this failure is one to try again."""
        return is_retryable(problem) or isinstance(problem, self.retry_on)

    def alone(self) -> FlowSpec:
        """The flow that has this stage only."""
        return FlowSpec(self.name, self.caller[0], retries=self.retries, is_alone=True)

    def marked(self, tx: bool) -> StageSpec:
        """The same, transactional or not."""
        return replace(self, tx=tx, caller=[])
