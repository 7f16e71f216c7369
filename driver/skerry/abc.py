"""What sessions give to those who ask them (`backend`): rows, their columns, outcomes, notifications."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

Row = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class ColumnInfo:
    """A result column: its name, its type's OID and the type's modifier (-1 for none)."""

    name: str
    type_oid: int
    type_modifier: int = -1


class Outcome:
    """What a statement text brought; of several statements, the last one's, with those of the `earlier` ones.

    `columns` is None for a statement that returns no rows; `row_count` is -1 where the command has no count.
    """

    __slots__ = ("columns", "rows", "tag", "row_count", "earlier", "is_complete")

    def __init__(
        self,
        columns: tuple[ColumnInfo, ...] | None = None,
        rows: list[Row] | None = None,
        tag: str = "",
        row_count: int = -1,
    ) -> None:
        self.columns: tuple[ColumnInfo, ...] | None = columns
        self.rows: list[Row] = [] if rows is None else rows
        self.tag: str = tag
        self.row_count: int = row_count
        self.earlier: list[Outcome] = []
        self.is_complete: bool = False


class Notification(NamedTuple):
    """What a NOTIFY, of the session with that `pid` (0: of the database itself), told those who listen."""

    channel: str
    payload: str
    pid: int


def stream_tag(tag: str, row_count: int) -> str:
    """The command tag of rows that were read in parts: the last part's tells its own rows only."""
    return f"SELECT {row_count}" if tag.startswith("SELECT ") else tag
