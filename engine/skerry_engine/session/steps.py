"""What a running statement hands out: the vocabulary between sessions and whoever steps them.

A statement runs as a generator.  Each `next()` is one *unit*: at most about a millisecond of work with
nothing else running inside it.  What it yields says what the unit ended with:

    Pause         nothing happened, more work waits: step again when others had their turn
    Wait          a lock is held by others: step again once `is_over()`; `on_over(callback)` tells when
    Description   the result's columns are known
    Rows          a batch of result rows, engine values, to be encoded by the shell
    Complete      one statement of the text is done, with its command tag
    EmptyQuery    the text held no statement
    Suspended     a portal's row limit was reached
    CopyOut, CopyData, CopyIn   COPY's three: see each
    Notice, ParameterStatus     messages on the side

Errors are raised out of the generator as `errors.DatabaseError`.

A short statement that has nothing to wait for needs no generator: it runs in one unit and its whole outcome
is a `Finished`.

The steps that every statement makes have a constructor of their own: compiled, one made by `dataclass` costs
ten times as much.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from skerry_engine.values.types import SqlType


class Step:
    """Base of what a statement yields."""

    __slots__ = ()


class Pause(Step):
    """More work waits."""

    __slots__ = ()


PAUSE = Pause()


class Waiting(Protocol):
    """Something that is waited for: a lock request, a durable log position."""

    def is_over(self) -> bool:
        """Whether stepping the statement again makes sense: granted, refused, cancelled or timed out."""
        ...

    def on_over(self, callback: Callable[[], None]) -> None:
        """Call `callback` once when it is over (at once if it is)."""
        ...

    def deadline_s(self) -> float | None:
        """`time.monotonic()` value at which the wait times out by itself; None for never."""
        ...


@dataclass(slots=True, init=False)
class Wait(Step):
    """Step again when `waiting` is over."""

    waiting: Waiting

    def __init__(self, waiting: Waiting) -> None:
        self.waiting = waiting


@dataclass(frozen=True, slots=True)
class ResultColumn:
    """A column of a result: name, type, and where it comes from (0, 0 when computed)."""

    name: str
    type: SqlType
    table_oid: int = 0
    attribute_number: int = 0


@dataclass(slots=True, init=False)
class Description(Step):
    """The columns of the rows to come; one per row-returning statement, before its rows.  `is_binary`: they are to be
    sent in binary, as those of a BINARY cursor are, where the client has not said how."""

    columns: tuple[ResultColumn, ...]
    is_binary: bool

    def __init__(self, columns: tuple[ResultColumn, ...], is_binary: bool = False) -> None:
        self.columns = columns
        self.is_binary = is_binary


@dataclass(slots=True, init=False)
class Rows(Step):
    """Result rows: tuples of run-time values, as wide as the description."""

    rows: list[tuple[object, ...]]

    def __init__(self, rows: list[tuple[object, ...]]) -> None:
        self.rows = rows


@dataclass(slots=True, init=False)
class Complete(Step):
    """A statement is done.  `tag` is PostgreSQL's command tag ('INSERT 0 3'),
    `row_count` -1 where it has none."""

    tag: str
    row_count: int

    def __init__(self, tag: str, row_count: int = -1) -> None:
        self.tag = tag
        self.row_count = row_count


@dataclass(frozen=True, slots=True)
class EmptyQuery(Step):
    """The text held no statement."""


@dataclass(frozen=True, slots=True)
class Suspended(Step):
    """The row limit of Execute was reached; the portal can go on."""


@dataclass(frozen=True, slots=True)
class CopyOut(Step):
    """COPY TO STDOUT begins; `binary` gives the format, `columns` their number.  CopyData steps follow."""

    binary: bool
    columns: int


@dataclass(frozen=True, slots=True)
class CopyData(Step):
    """Rows of COPY TO STDOUT: one encoded row, or a list of them.

    Clients take each message on the wire for one row, so rows stay apart until they are sent.
    """

    data: bytes | list[bytes]


@dataclass(frozen=True, slots=True)
class CopyIn(Step):
    """COPY FROM STDIN wants data.

    The shell sends the next thing into the generator with `send()`: bytes (any split), None at the end of
    data, or a `CopyFailed`.  After CopyIn has been yielded once the statement yields it again each time it
    wants more.
    """

    binary: bool
    columns: int


@dataclass(frozen=True, slots=True)
class CopyFailed:
    """What the shell sends in when the client gave up COPY FROM STDIN."""

    reason: str


@dataclass(frozen=True, slots=True)
class Notice(Step):
    """A NOTICE, WARNING or INFO for the client."""

    message: str
    severity: str = "NOTICE"
    sqlstate: str = "00000"
    detail: str | None = None
    hint: str | None = None
    fields: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ParameterStatus(Step):
    """A reported setting changed."""

    name: str
    value: str


class Finished:
    """All that a statement has to say, which ran in one unit.

    `columns` where they are to be described before the rows; `rows`, a few at most; `tag` is '' where no
    statement was asked for.
    """

    __slots__ = ("columns", "row_count", "rows", "tag")

    def __init__(
        self,
        columns: tuple[ResultColumn, ...] | None,
        rows: list[tuple[object, ...]],
        tag: str,
        row_count: int = -1,
    ) -> None:
        self.columns: tuple[ResultColumn, ...] | None = columns
        self.rows: list[tuple[object, ...]] = rows
        self.tag: str = tag
        self.row_count: int = row_count

    def steps(self) -> list[Step]:
        """The same as steps."""
        steps: list[Step] = []
        if self.columns is not None:
            steps.append(Description(self.columns))
        if self.rows:
            steps.append(Rows(self.rows))
        if self.tag:
            steps.append(Complete(self.tag, self.row_count))
        return steps
