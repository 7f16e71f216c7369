"""READ ONLY transactions beyond what the differential corpus shows: COPY, temporary objects, every session alike."""

from __future__ import annotations

import pytest
from support.sessions import SqlDatabase, SqlSession

from skerry_engine import errors
from skerry_engine.session.steps import CopyIn


@pytest.fixture
def session() -> SqlSession:
    return SqlDatabase(
        "create table t (id int primary key)",
        "create temp table own (id int, n serial)",
        "set default_transaction_read_only = on",
    ).session()


def copy_in(session: SqlSession, text: str, data: bytes) -> None:
    steps = session.session.simple_query(text)
    sent: object = None
    rest = [data]
    while True:
        try:
            step = steps.send(sent)
        except StopIteration:
            return
        sent = (rest.pop() if rest else None) if isinstance(step, CopyIn) else None


def test_copy_from_is_refused_but_for_temporary_tables(session: SqlSession) -> None:
    with pytest.raises(errors.ReadOnlyViolation, match="cannot execute COPY FROM in a read-only transaction"):
        copy_in(session, "copy t from stdin", b"1\n")
    copy_in(session, "copy own (id) from stdin", b"7\n8\n")
    assert session.rows("select id, n from own order by id") == [(7, 1), (8, 2)]
    assert session.rows("select count(*) from t") == [(0,)]


def test_a_temporary_sequence_may_be_drawn_from(session: SqlSession) -> None:
    session.run_all("insert into own (id) values (1)")
    assert session.rows("select nextval('own_n_seq')") == [(2,)]
    assert session.rows("select setval('own_n_seq', 10)") == [(10,)]


def test_the_error_is_t003(session: SqlSession) -> None:
    with pytest.raises(errors.ReadOnlyViolation) as caught:
        session.run_all("insert into t values (1)")
    assert (caught.value.code, caught.value.sqlstate, caught.value.is_retryable) == ("T003", "25006", False)
