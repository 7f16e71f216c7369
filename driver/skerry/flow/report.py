"""What a run of a flow did: per stage, time, rows, commits and rollbacks.  Plain counters; printing is elsewhere."""

from __future__ import annotations


class StageReport:
    """What one stage did.

    `seconds` is the time inside the stage, inner stages included; `rows` those that its statements returned or changed;
    `commits` and `rollbacks` those of transactions whose last statement-giving stage it was.
    """

    __slots__ = ("name", "calls", "seconds", "rows", "commits", "rollbacks", "errors", "retries")

    def __init__(self, name: str) -> None:
        self.name = name
        self.calls = 0
        self.seconds = 0.0
        self.rows = 0
        self.commits = 0
        self.rollbacks = 0
        self.errors = 0
        self.retries = 0

    def __repr__(self) -> str:
        counts = ", ".join(f"{each}={getattr(self, each)}" for each in self.__slots__[1:])
        return f"StageReport({self.name!r}, {counts})"


class RunReport:
    """What one run of a flow did; `stages` by name, in the order in which they came first."""

    def __init__(self, flow: str) -> None:
        self.flow = flow
        self.seconds = 0.0
        self.error: BaseException | None = None
        self.stages: dict[str, StageReport] = {}
        self.body = StageReport(flow)

    def stage(self, name: str) -> StageReport:
        """The stage's counters."""
        found = self.stages.get(name)
        if found is None:
            found = self.stages[name] = StageReport(name)
        return found

    def _total(self, counter: str) -> int:
        parts = [self.body, *self.stages.values()]
        return sum(getattr(part, counter) for part in parts)

    @property
    def commits(self) -> int:
        """Transactions that the run committed."""
        return self._total("commits")

    @property
    def rollbacks(self) -> int:
        """Transactions that the run rolled back."""
        return self._total("rollbacks")

    @property
    def rows(self) -> int:
        """Rows that the run's statements returned or changed."""
        return self._total("rows")
