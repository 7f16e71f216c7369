"""Random queries: lifted and unlifted, with and without indexes,
and by PostgreSQL they give the same rows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.postgres_server import Address
from support.query_runs import TextRow, lifted_rows, unlifted_rows
from support.random_queries import INDEXES, TABLES, QueryMaker, rows_sql
from support.sessions import SqlDatabase, SqlSession
from support.wire_client import WireClient

from skerry_engine.errors import DatabaseError

BOUNDED = settings(
    max_examples=50,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
SEEDS = st.integers(min_value=0, max_value=10**9)
DATA = rows_sql(Random(1), 20)
Answer = list[TextRow] | str


@pytest.fixture(scope="module")
def plain() -> SqlSession:
    return SqlDatabase(TABLES, DATA).session()


@pytest.fixture(scope="module")
def indexed() -> SqlSession:
    return SqlDatabase(TABLES, INDEXES, DATA).session()


@pytest.fixture(scope="module")
def postgres_client(postgres: Address) -> Iterator[WireClient]:
    """PostgreSQL with the same tables, in a schema of their own."""
    with closing(WireClient(postgres)) as client:
        for text in (
            "create schema random_queries",
            "set search_path to random_queries",
            TABLES,
            INDEXES,
            DATA,
        ):
            outcome = client.query(text)
            assert outcome.error is None, outcome.error
        client.query("set statement_timeout to '2s'")
        yield client
        client.query("drop schema random_queries cascade")


def make_query(seed: int) -> tuple[str, bool]:
    return QueryMaker(Random(seed), budget=14).query()


def answer(run: object, session: SqlSession, text: str, is_ordered: bool) -> Answer:
    """Rows, sorted where SQL leaves their order open; or the error's SQLSTATE."""
    try:
        rows: list[TextRow] = run(session, text)  # type: ignore[operator]
    except DatabaseError as error:
        session.session.rollback()
        return error.sqlstate
    return rows if is_ordered else sorted(rows, key=repr)


@BOUNDED
@given(seed=SEEDS)
def test_lifted_and_unlifted_give_the_same(plain: SqlSession, seed: int) -> None:
    text, is_ordered = make_query(seed)
    expected = answer(unlifted_rows, plain, text, is_ordered)
    assert answer(lifted_rows, plain, text, is_ordered) == expected, text


@BOUNDED
@given(seed=SEEDS)
def test_indexes_change_no_rows(plain: SqlSession, indexed: SqlSession, seed: int) -> None:
    text, is_ordered = make_query(seed)
    expected = answer(lifted_rows, plain, text, is_ordered)
    assert answer(lifted_rows, indexed, text, is_ordered) == expected, text


@BOUNDED
@given(seed=SEEDS)
def test_as_postgres(postgres_client: WireClient, indexed: SqlSession, seed: int) -> None:
    text, is_ordered = make_query(seed)
    outcome = postgres_client.query(text)
    if outcome.error is not None and outcome.error["C"] in ("57014", "0A000"):
        return  # too long for a test, or a full join that PostgreSQL can't do
    expected: Answer = outcome.rows if is_ordered else sorted(outcome.rows, key=repr)
    if outcome.error is not None:
        expected = outcome.error["C"]
    assert answer(lifted_rows, indexed, text, is_ordered) == expected, text


def test_most_queries_are_good_and_not_empty(plain: SqlSession) -> None:
    answers = [answer(lifted_rows, plain, make_query(seed)[0], True) for seed in range(60)]
    assert sum(isinstance(found, list) for found in answers) > 50
    assert sum(isinstance(found, list) and bool(found) for found in answers) > 25
