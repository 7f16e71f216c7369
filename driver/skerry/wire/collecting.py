"""Outcomes of statements, put together from the events of a conversation."""

from __future__ import annotations

from collections.abc import Callable

from skerry.abc import ColumnInfo, Outcome, Row
from skerry.wire import events
from skerry.wire.protocol import ClientProtocol
from skerry_engine.errors import DatabaseError

NO_DATA_TO_SEND = "COPY FROM STDIN needs a client that sends data"


class Collector:
    """Takes the events of a few statements, to the end of them.

    `skipped`: how many statements come first whose outcome nobody wants (a BEGIN).  `write` gets the data of a COPY TO
    STDOUT; without it the data is lost.  `is_repeated`: all are executions of one statement, described once.
    `keeps_rows`: False when rows are not wanted, and one outcome is to stand for all.
    """

    def __init__(
        self,
        protocol: ClientProtocol,
        skipped: int = 0,
        write: Callable[[bytes], object] | None = None,
        keeps_rows: bool = True,
        is_repeated: bool = False,
    ) -> None:
        self.outcomes: list[Outcome] = []
        self.is_suspended = False
        self._error: DatabaseError | None = None
        self._protocol = protocol
        self._skipped = skipped
        self._write = write
        self._keeps_rows = keeps_rows
        self._is_repeated = is_repeated
        self._columns: tuple[ColumnInfo, ...] | None = None
        self._rows: list[Row] = []

    def take(self, event: events.Event) -> None:
        """Take the next event."""
        if isinstance(event, events.Rows):
            if self._keeps_rows:
                self._rows += event.rows
        elif isinstance(event, events.Described):
            self._columns = event.columns
        elif isinstance(event, events.Completed):
            self._complete(event.tag, event.row_count)
        elif isinstance(event, events.Suspended):
            self.is_suspended = True
            self._complete("", -1)
        elif isinstance(event, events.Failed):
            self._error = self._error or event.error
            self._rows = []
        elif isinstance(event, events.CopyInBegun):
            self._protocol.copy_fail(NO_DATA_TO_SEND)
        elif isinstance(event, events.CopyOutData) and self._write is not None:
            self._write(event.data)

    def _complete(self, tag: str, row_count: int) -> None:
        if self._skipped:
            self._skipped -= 1
        elif self._keeps_rows:
            self.outcomes.append(Outcome(self._columns, self._rows, tag, row_count))
        elif self.outcomes:
            self.outcomes[0].row_count += max(row_count, 0)
        else:
            self.outcomes.append(Outcome(None, [], tag, max(row_count, 0)))
        self._rows = []
        if not self._is_repeated:
            self._columns = None

    def take_error(self) -> DatabaseError | None:
        """The first error, once: kept here, it would keep itself by its traceback."""
        error, self._error = self._error, None
        return error

    def outcome(self) -> Outcome:
        """The last statement's, with those before it."""
        if not self.outcomes:
            return Outcome()
        last = self.outcomes[-1]
        last.earlier = self.outcomes[:-1]
        return last
