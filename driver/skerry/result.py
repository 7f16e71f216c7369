"""What the native interface's `execute` gives: rows to iterate over, with their columns."""

from __future__ import annotations

from collections.abc import Iterator

from skerry.abc import ColumnInfo, Outcome, Row
from skerry_engine.errors import InterfaceError


class Result:
    """The rows of one statement, complete when `execute` returns.

    Iterating gives each row once; `fetchall` gives what is left.
    """

    def __init__(self, outcome: Outcome) -> None:
        self._outcome = outcome
        self._rows = iter(outcome.rows)

    @property
    def columns(self) -> tuple[ColumnInfo, ...]:
        """Names and types; empty when the statement returns no rows."""
        return self._outcome.columns or ()

    @property
    def rowcount(self) -> int:
        """Rows returned or changed; -1 where the command has no count."""
        return self._outcome.row_count

    @property
    def tag(self) -> str:
        """The command tag, as PostgreSQL words it: 'INSERT 0 3'."""
        return self._outcome.tag

    def __iter__(self) -> Iterator[Row]:
        return self._rows

    def fetchone(self) -> Row | None:
        """The next row, or None."""
        return next(self._rows, None)

    def fetchall(self) -> list[Row]:
        """The rows that are left."""
        return list(self._rows)

    def one(self) -> Row:
        """The only row; raises InterfaceError when there is none, or more than one."""
        rows = self.fetchall()
        if len(rows) != 1:
            raise InterfaceError(f"one row was expected, {len(rows)} came")
        return rows[0]

    def scalar(self) -> object:
        """The first column of the next row; None when there is no row."""
        row = self.fetchone()
        return row[0] if row else None
