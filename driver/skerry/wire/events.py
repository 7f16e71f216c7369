"""What a server's messages become.

Several rows that arrive together are one `Rows`; how many depends on how the bytes were cut.  All else is one event a
message.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from skerry.abc import ColumnInfo, Notification, Row
from skerry_engine.errors import DatabaseError


class Event:
    """Base of all events."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Ready(Event):
    """The server waits for commands; `status` is 'I', 'T' or 'E' (see `Backend.transaction_status`).

    `is_last`: nothing is under way any more.
    """

    status: str
    is_last: bool


@dataclass(frozen=True, slots=True)
class Described(Event):
    """The columns of rows to come; None where a portal or statement gives no rows."""

    columns: tuple[ColumnInfo, ...] | None


@dataclass(frozen=True, slots=True)
class ParametersDescribed(Event):
    """The types of a statement's parameters."""

    oids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Rows(Event):
    """Rows, of Python values."""

    rows: list[Row]


@dataclass(frozen=True, slots=True)
class Completed(Event):
    """A statement is done; `tag` is its command tag ('INSERT 0 3'), '' where the text held no statement."""

    tag: str

    @property
    def row_count(self) -> int:
        """Rows returned or changed; -1 where the command has no count."""
        last = self.tag.rpartition(" ")[2]
        return int(last) if last.isdigit() else -1


@dataclass(frozen=True, slots=True)
class Suspended(Event):
    """A portal's row limit was reached; it can be executed further."""


@dataclass(frozen=True, slots=True)
class Acknowledged(Event):
    """Parse, Bind or Close was done."""

    command: str


@dataclass(frozen=True, slots=True)
class Failed(Event):
    """The server reports an error; what had been asked for up to the next Sync is not done.

    `is_fatal`: the session is over.  Not `is_answer`: everything that was asked had been answered before.
    """

    error: DatabaseError
    is_fatal: bool
    is_answer: bool = True


@dataclass(frozen=True, slots=True)
class Noticed(Event):
    """A message on the side; `fields` by their one-letter codes."""

    fields: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Notified(Event):
    """What a NOTIFY told."""

    notification: Notification


@dataclass(frozen=True, slots=True)
class SettingChanged(Event):
    """A setting that servers report has this value now."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class CopyInBegun(Event):
    """COPY FROM STDIN waits for data."""

    is_binary: bool


@dataclass(frozen=True, slots=True)
class CopyOutBegun(Event):
    """COPY TO STDOUT: data follows."""

    is_binary: bool


@dataclass(frozen=True, slots=True)
class CopyOutData(Event):
    """A row of COPY TO STDOUT, as encoded (of CSV and binary: whatever the server sent together)."""

    data: bytes


@dataclass(frozen=True, slots=True)
class CopyOutEnded(Event):
    """All data of COPY TO STDOUT has come."""
