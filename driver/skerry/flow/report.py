"""What a run of a flow did: per stage, calls, time, rows, commits and rollbacks; as numbers, as text, as HTML.

with a value        imp.run(rows).report
after a failure     the FlowError's `report`

flow imp: 1.52 s, 12 rows, 3 commits, 0 rollbacks
stage  calls   total      mean   longest  rows  commits  rollbacks  errors  retries
load      12  1.50 s  125.0 ms  130.1 ms    12        3          0       0        0
total     12  1.52 s                        12        3          0       0        0
"""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence

from skerry_engine.errors import FlowError

COLUMNS = ("calls", "total", "mean", "longest", "rows", "commits", "rollbacks", "errors", "retries")


class StageReport:
    """What one stage did.

    `seconds` is the time inside the stage, inner stages included, `longest_s` that of its longest call; `rows` those
    that its statements returned or changed; `commits` and `rollbacks` those of transactions whose last
    statement-giving stage it was.
    """

    __slots__ = (
        "name",
        "calls",
        "seconds",
        "longest_s",
        "rows",
        "commits",
        "rollbacks",
        "errors",
        "retries",
    )

    def __init__(self, name: str) -> None:
        self.name = name
        self.calls = 0
        self.seconds = 0.0
        self.longest_s = 0.0
        self.rows = 0
        self.commits = 0
        self.rollbacks = 0
        self.errors = 0
        self.retries = 0

    @property
    def mean_s(self) -> float:
        """Seconds of a call on average."""
        return self.seconds / self.calls if self.calls else 0.0

    def took(self, seconds: float) -> None:
        """Count the time of a call."""
        self.seconds += seconds
        if seconds > self.longest_s:
            self.longest_s = seconds

    def __repr__(self) -> str:
        counts = ", ".join(f"{each}={getattr(self, each)}" for each in self.__slots__[1:])
        return f"StageReport({self.name!r}, {counts})"


class RunReport:
    """What one run of a flow did; `stages` by name, in the order in which they came first.

    `body` is what the flow did outside its stages: statements of its own, and commits of transactions that no stage
    gave a statement to.  Printed it is a table; a notebook shows it as one.
    """

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

    # --- to be read -------------------------------------

    def __repr__(self) -> str:
        return f"<report of flow {self.flow}: {self._summary()}>"

    def __str__(self) -> str:
        head, *rows = [["stage", *COLUMNS], *self._rows()]
        widths = [max(len(row[place]) for row in (head, *rows)) for place in range(len(head))]
        lines = [f"flow {self.flow}: {self._summary()}", _line(head, widths)]
        lines += [_line(row, widths) for row in rows]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        """The table, as notebooks show it."""
        head = "".join(f"<th>{name}</th>" for name in ("stage", *COLUMNS))
        rows = "".join(
            "<tr>" + "".join(f"<td>{html.escape(value)}</td>" for value in row) + "</tr>"
            for row in self._rows()
        )
        caption = html.escape(f"flow {self.flow}: {self._summary()}")
        return (
            f"<table><caption>{caption}</caption><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
        )

    def _summary(self) -> str:
        counts = ((self.rows, "row"), (self.commits, "commit"), (self.rollbacks, "rollback"))
        parts = [duration(self.seconds), *(plural(count, name) for count, name in counts)]
        if self.error is not None:
            parts.append(f"failed: {_first_line(self.error)}")
        return ", ".join(parts)

    def _rows(self) -> Iterator[list[str]]:
        """The table's rows; the flow's own is there if it has anything to say."""
        for part in self.stages.values():
            times = [duration(part.seconds), duration(part.mean_s), duration(part.longest_s)]
            yield [part.name, f"{part.calls:,}", *times, *_counts(part)]
        body = self.body
        if body.rows or body.commits or body.rollbacks:
            yield ["(the flow itself)", "", "", "", "", *_counts(body)]
        calls = sum(part.calls for part in self.stages.values())
        sums = [f"{self._total(name):,}" for name in COLUMNS[4:]]
        yield ["total", f"{calls:,}", duration(self.seconds), "", "", *sums]


def _counts(part: StageReport) -> list[str]:
    return [f"{getattr(part, name):,}" for name in COLUMNS[4:]]


def _first_line(problem: BaseException) -> str:
    lines = str(problem).splitlines()
    if isinstance(problem, FlowError):
        return lines[0]
    return f"{type(problem).__name__}: {lines[0]}" if lines else type(problem).__name__


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    cells = [value.rjust(width) for value, width in zip(row[1:], widths[1:], strict=True)]
    return "  ".join([row[0].ljust(widths[0]), *cells]).rstrip()


def plural(count: int, name: str) -> str:
    """`1 row`, `2,000 rows`."""
    return f"{count:,} {name}{'' if count == 1 else 's'}"


def duration(seconds: float) -> str:
    """A time as people read it."""
    for limit, factor, unit in ((1e-3, 1e6, "us"), (1.0, 1e3, "ms")):
        if seconds < limit:
            return f"{seconds * factor:.1f} {unit}"
    return f"{seconds:,.2f} s"
