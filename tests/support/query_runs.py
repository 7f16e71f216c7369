"""Running one query several ways: as clients do, without lifting its literals,
or counting what its units touch."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from types import FrameType
from typing import Any

import pytest

from skerry_engine.plan.context import ExecutionContext
from skerry_engine.session.session import Session
from skerry_engine.session.steps import Description, Rows, Step
from skerry_engine.sql import statements as st
from skerry_engine.sql.front import parse_statement
from skerry_engine.sql.normalise import normalise
from skerry_engine.values.io import text_encoder
from support.sessions import SqlSession

TextRow = tuple[str | None, ...]


def shown_rows(session: Session, steps: Iterator[Step]) -> list[TextRow]:
    """The rows that the steps bring, as text."""
    rows: list[TextRow] = []
    encoders: list[Callable[[object], str]] = []
    for step in steps:
        if isinstance(step, Description):
            encoders = [text_encoder(column.type, session.io) for column in step.columns]
        elif isinstance(step, Rows):
            for row in step.rows:
                cells = zip(row, encoders, strict=True)
                rows.append(tuple([None if value is None else encode(value) for value, encode in cells]))
    return rows


def lifted_rows(session: SqlSession, text: str) -> list[TextRow]:
    """The rows of a query as clients get them: literals lifted, the plan perhaps from the cache."""
    return shown_rows(session.session, session.session.simple_query(text))


def unlifted_rows(session: SqlSession, text: str) -> list[TextRow]:
    """The rows of a query whose literals stay in the plan."""
    statement = parse_statement(text)
    assert isinstance(statement, st.Query)
    unlifted = replace(statement, normalised=normalise(text, lift=False))
    return shown_rows(session.session, _unlifted_steps(session.session, unlifted))


def _unlifted_steps(session: Session, statement: st.Query) -> Iterator[Step]:
    try:
        plan = session.plan_query(statement, [])
        yield from session.query_steps(statement, plan, [], [], True)
        yield from session.commit()
    finally:
        session.rollback()


class UnitMeter:
    """Counts what each unit of a statement does: rows that readers return,
    and lines of generated source that run."""

    def __init__(self, session: SqlSession) -> None:
        self.session = session
        self.rows = 0
        self.lines = 0

    def measure(self, text: str) -> tuple[int, int]:
        """(rows, lines) of the statement's largest units."""
        most_rows = most_lines = 0
        steps = self.session.session.simple_query(text)
        with self._watching():
            while True:
                self.rows = self.lines = 0
                step = next(steps, None)
                most_rows, most_lines = max(most_rows, self.rows), max(most_lines, self.lines)
                if step is None:
                    return most_rows, most_lines

    @contextmanager
    def _watching(self) -> Iterator[None]:
        original = ExecutionContext.reader
        meter = self

        def reader(context: ExecutionContext, slot: int) -> object:
            return _CountingReader(original(context, slot), meter)

        before = sys.gettrace()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(ExecutionContext, "reader", reader)
            sys.settrace(self._trace)
            try:
                yield
            finally:
                sys.settrace(before)

    def _trace(self, frame: FrameType, event: str, argument: object) -> object:
        if not frame.f_code.co_filename.startswith("<skerry plan"):
            return None
        return self._count_line

    def _count_line(self, frame: FrameType, event: str, argument: object) -> object:
        self.lines += 1
        return self._count_line


class _CountingReader:
    """A table reader that tells the meter how many rows it returns."""

    def __init__(self, reader: Any, meter: UnitMeter) -> None:
        self._reader = reader
        self._meter = meter

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._reader, name)

        def counted(*arguments: object) -> Any:
            result = method(*arguments)
            self._meter.rows += _rows_in(name, result)
            return result

        return counted


def _rows_in(name: str, result: Any) -> int:
    if name in ("lookup", "lookup_id", "get"):
        return 1
    if name in ("scan_batch",):
        return len(result[0])
    if name in ("lookup_all", "get_many", "get_each"):
        return len(result)
    if name in ("few", "few_ids"):
        rows = result if name == "few" else result and result[1]
        return len(rows) if rows else 0
    if name in ("note_from", "row_count"):
        return 0
    if name in ("ends", "ends_after"):
        return len(result) if result is not None else 0
    if name == "ways_from":
        return len(result) // 2 if result is not None else 0
    if name == "ways_of":
        return sum(len(ways) // 2 for ways in result if ways is not None)
    if name == "lookup_many":
        return sum(len(rows) for rows in result) + len(result)
    return len(result[1])
