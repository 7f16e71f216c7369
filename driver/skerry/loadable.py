"""What bulk loading of a graph sends: nodes and edges from mappings, CSV, Arrow tables and pandas frames.

A row is a mapping; its items become properties, those that are None do not.  Rows go to the database in batches, as one
parameter of one GQL statement each, so that they cost no round trip and no parsing of their own:

    FOR r IN $rows MATCH (a:Person {id: r.`from`}) MATCH (b:Person {id: r.`to`}) INSERT (a)-[:KNOWS {w: r.w}]->(b)

Nothing here talks to a database: `loading` does, blocking and for asyncio.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import IO, Any

from skerry_engine.errors import CardinalityViolation, DataError, InterfaceError

BATCH_ROWS = 10_000

Rows = Iterable[Mapping[str, object]]
Loadable = Any
"""Rows, the path of a CSV file, an open text file of CSV, a pyarrow Table or RecordBatchReader, a pandas DataFrame."""

Progress = Callable[[int], object]
"""Called after each batch with the number of rows done."""


@dataclass(frozen=True, slots=True)
class End:
    """How an edge's row finds the node at one of its ends: the node with that `label` whose property `key` equals the
    row's `column` (the key's own name, unless said otherwise)."""

    label: str
    key: str
    column: str = ""

    @property
    def name(self) -> str:
        """The row's column."""
        return self.column or self.key


# --- rows ---------------------------------------------------------------------------------------------------


def rows_of(
    source: Loadable, types: Mapping[str, Callable[[str], object]] | None = None
) -> Iterator[Mapping[str, Any]]:
    """The rows of whatever can be loaded.

    `types` makes values of a CSV file's texts, by column; columns without one stay text, and empty fields are None.
    Raises InterfaceError for a source that is none.
    """
    if isinstance(source, str | os.PathLike):
        with open(source, encoding="utf-8-sig", newline="") as file:
            yield from _csv_rows(file, types or {})
    elif hasattr(source, "read") and not hasattr(source, "read_next_batch"):
        yield from _csv_rows(source, types or {})
    elif hasattr(source, "to_batches"):  # pyarrow.Table
        for batch in source.to_batches():
            yield from batch.to_pylist()
    elif hasattr(source, "read_next_batch"):  # pyarrow.RecordBatchReader
        for batch in source:
            yield from batch.to_pylist()
    elif hasattr(source, "to_dict") and hasattr(source, "columns"):  # pandas.DataFrame
        yield from _frame_rows(source)
    elif isinstance(source, Iterable):
        for row in source:
            if not isinstance(row, Mapping):
                raise InterfaceError(f"rows to load are mappings, not {type(row).__name__}")
            yield row
    else:
        raise InterfaceError(f"rows can't be loaded from {type(source).__name__}")


def _csv_rows(file: IO[str], types: Mapping[str, Callable[[str], object]]) -> Iterator[Mapping[str, object]]:
    reader = csv.DictReader(file)
    for row in reader:
        if None in row:
            raise InterfaceError(f"line {reader.line_num} has more fields than there are columns")
        made: dict[str, object] = {}
        for name, text in row.items():
            convert = types.get(name)
            try:
                made[name] = None if not text else text if convert is None else convert(text)
            except ValueError as problem:
                raise InterfaceError(f'line {reader.line_num}, column "{name}": {problem}') from problem
        yield made


def _frame_rows(frame: Any) -> Iterator[Mapping[str, object]]:
    """A DataFrame's rows: missing values None, pandas' numbers and moments as Python's."""
    present = frame.notna()
    columns = [str(name) for name in frame.columns]
    for values, there in zip(
        frame.itertuples(index=False, name=None), present.itertuples(index=False, name=None), strict=True
    ):
        yield {
            name: _python_value(value) if is_there else None
            for name, value, is_there in zip(columns, values, there, strict=True)
        }


def _python_value(value: Any) -> object:
    if hasattr(value, "to_pydatetime"):
        return value.to_pydatetime()
    if hasattr(value, "to_pytimedelta"):
        return value.to_pytimedelta()
    return value.item() if hasattr(value, "item") else value


def _batches(rows: Iterator[Mapping[str, Any]], size: int) -> Iterator[list[Mapping[str, Any]]]:
    while batch := list(islice(rows, size)):
        yield batch


def _columns(batch: list[Mapping[str, Any]], without: Sequence[str] = ()) -> list[str]:
    found = dict.fromkeys(name for row in batch for name in row)
    return [name for name in found if name not in without]


# --- statements ---------------------------------------------------------------------------------------------


def quoted(name: str) -> str:
    """A name as GQL takes it, whatever is in it."""
    return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"


def _labels(labels: str | Iterable[str]) -> str:
    names = [labels] if isinstance(labels, str) else list(labels)
    return ":" + "&".join(map(quoted, names)) if names else ""


def _properties(columns: Sequence[str]) -> str:
    items = ", ".join([f"{quoted(name)}: r.{quoted(name)}" for name in columns])
    return f" {{{items}}}" if items else ""


def _use(graph: str | None) -> str:
    return "" if graph is None else f"USE {quoted(graph)} "


def _match(variable: str, end: End | str) -> str:
    if isinstance(end, str):
        return f"MATCH ({variable}) WHERE element_id({variable}) = r.{quoted(end)} "
    return f"MATCH ({variable}:{quoted(end.label)} {{{quoted(end.key)}: r.{quoted(end.name)}}}) "


# --- statements ---------------------------------------------------------------------------------------------


def node_statements(
    source: Loadable,
    labels: str | Iterable[str],
    graph: str | None,
    types: Mapping[str, Callable[[str], object]] | None,
    batch_rows: int,
) -> Iterator[tuple[str, list[Mapping[str, Any]]]]:
    """Statements that insert a node for each row, with the rows of each."""
    named = _labels(labels if isinstance(labels, str) else list(labels))
    for batch in _batches(rows_of(source, types), batch_rows):
        yield f"{_use(graph)}FOR r IN $rows INSERT ({named}{_properties(_columns(batch))})", batch


@dataclass(frozen=True, slots=True)
class Edges:
    """The edges that rows become."""

    label: str | Iterable[str]
    start: End | str
    end: End | str
    graph: str | None
    directed: bool

    def statements(
        self, source: Loadable, types: Mapping[str, Callable[[str], object]] | None, batch_rows: int
    ) -> Iterator[tuple[str, list[Mapping[str, Any]]]]:
        """Statements that insert an edge for each row, with the rows of each."""
        named = _labels(self.label if isinstance(self.label, str) else list(self.label))
        ends = [_column_of(self.start), _column_of(self.end)]
        found = f"{_use(self.graph)}FOR r IN $rows {_match('a', self.start)}{_match('b', self.end)}"
        left, right = ("-[", "]->") if self.directed else ("~[", "]~")
        for batch in _batches(rows_of(source, types), batch_rows):
            properties = _properties(_columns(batch, ends))
            yield f"{found}INSERT (a){left}{named}{properties}{right}(b)", batch

    def questions(
        self, batch: list[Mapping[str, Any]]
    ) -> Iterator[tuple[End | str, str, list[Mapping[str, object]]]]:
        """Each end, with a statement that counts the nodes that it may be, and its rows."""
        for each, variable in ((self.start, "a"), (self.end, "b")):
            name = _column_of(each)
            numbered: list[Mapping[str, object]] = [
                {"n": number, name: row.get(name)} for number, row in enumerate(batch)
            ]
            counted = f"{_match(variable, each)}RETURN r.n AS n, count(*) AS found"
            yield each, f"{_use(self.graph)}FOR r IN $rows {counted}", numbered


def check_found(
    end: End | str, batch: list[Mapping[str, Any]], found: Mapping[object, object], skip_missing: bool
) -> None:
    """Raise DataError or CardinalityViolation for the first row whose end is not one node."""
    name = _column_of(end)
    for number, row in enumerate(batch):
        count = found.get(number, 0)
        shown = f"{name} = {row.get(name)!r}"
        if count == 0 and not skip_missing:
            raise DataError(f"an edge's end was not found: no node for {shown}")
        if isinstance(count, int) and count > 1:
            raise CardinalityViolation(f"an edge's end is not clear: {count} nodes for {shown}")


def _column_of(end: End | str) -> str:
    return end if isinstance(end, str) else end.name
