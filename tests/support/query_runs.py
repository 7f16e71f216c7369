"""Running one query several ways: as clients do, without lifting its literals, or counting what its units touch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

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
