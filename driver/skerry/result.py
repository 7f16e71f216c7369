"""What the native interface's `execute` gives: rows to iterate over, with their columns."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from skerry import exchange
from skerry.abc import ColumnInfo, Outcome, Row
from skerry_engine.errors import InterfaceError

if TYPE_CHECKING:
    import networkx
    import pandas
    import pyarrow


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

    def dicts(self) -> list[dict[str, object]]:
        """The rows that are left, each as a dict by column name; of columns with one name the last."""
        names = [column.name for column in self.columns]
        return [dict(zip(names, row, strict=True)) for row in self._rows]

    def to_arrow(self) -> pyarrow.Table:
        """The rows that are left as an Arrow table, by the columns' types (see `exchange`).

        Raises InterfaceError where pyarrow is not installed, DataError for values that Arrow has no place for.
        """
        return exchange.to_arrow(self.columns, self.fetchall())

    def to_pandas(self) -> pandas.DataFrame:
        """The rows that are left as a DataFrame.  Raises InterfaceError where pandas is not installed."""
        return exchange.to_pandas(self.columns, self.fetchall())

    def to_networkx(self) -> networkx.MultiDiGraph | networkx.MultiGraph:
        """The nodes and edges in the rows that are left, in paths and lists too, as a graph: a MultiGraph where all of
        the edges are undirected, else a MultiDiGraph, in which an undirected one leads both ways.

        Raises InterfaceError where networkx is not installed.
        """
        return exchange.to_networkx(self._rows)
