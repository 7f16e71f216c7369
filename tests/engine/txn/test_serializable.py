"""SERIALIZABLE's bookkeeping: what is noted at which granularity, when it goes, and that it stays small.

What is refused and what is not is shown by the goldenscripts of anomalies and by the histories.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from support.sessions import SqlDatabase, SqlSession

from skerry_engine.errors import SerializationFailure, WriteConflict
from skerry_engine.session.steps import Wait
from skerry_engine.storage.heap import INFINITY
from skerry_engine.txn.serializable import (
    CommitRecords,
    Reads,
    SerializableRegistry,
    SerializableState,
)

SERIALIZABLE = "begin isolation level serializable"


@pytest.fixture
def database() -> SqlDatabase:
    return SqlDatabase(
        "create table t (id int primary key, k int, v int)",
        "create index on t (k)",
        "insert into t select n, n, 0 from generate_series(1, 300) n",
    )


@pytest.fixture
def registry(database: SqlDatabase) -> SerializableRegistry:
    return database.engine.manager.serializable


def begin(database: SqlDatabase, name: str, mode: str = SERIALIZABLE) -> SqlSession:
    session = database.session(name)
    session.rows(mode)
    return session


def reads_of(session: SqlSession) -> Reads:
    """The only table's SIREADs."""
    transaction = session.session.transaction
    assert transaction is not None and transaction.serial is not None
    (reads,) = transaction.serial.reads.values()
    return reads


def commits(session: SqlSession) -> bool:
    """Whether COMMIT succeeds; no other failure than T005 is let pass."""
    try:
        session.rows("commit")
    except SerializationFailure as failure:
        assert (failure.code, failure.sqlstate, failure.is_retryable) == ("T005", "40001", True)
        return False
    return True


def is_empty(registry: SerializableRegistry) -> bool:
    """Whether nothing of any transaction is kept."""
    return not (registry.running or registry.retained or registry.readers or registry.records.epochs)


# --- what is noted ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "granularities"),
    [
        ("select v from t where id = 7", ["key"]),
        ("select v from t where id = -7", ["key"]),
        ("select v from t where k in (7, 8, 9)", ["key"] * 3),
        ("select v from t where k between 7 and 9", ["range"]),
        ("select v from t where k > 7 order by k limit 3", ["range"]),
        ("select count(*) from t", ["relation"]),
        ("select v from t where v = 1", ["relation"]),
        ("update t set v = 1 where id = 7", ["key"]),
        ("delete from t where k > 299", ["range"]),
        ("insert into t values (0, 0, 0) on conflict do nothing", []),
        ("insert into t values (7, 0, 0) on conflict do nothing", ["key"]),
    ],
)
def test_reads_are_noted_as_finely_as_they_are_made(
    database: SqlDatabase, query: str, granularities: list[str]
) -> None:
    session = begin(database, "a")
    session.rows("select 1")
    session.rows(query)
    transaction = session.session.transaction
    assert transaction is not None and transaction.serial is not None
    noted = [kind for reads in transaction.serial.reads.values() for kind, _ in reads.describe()]
    assert noted == granularities


@pytest.mark.parametrize("level", ["read committed", "repeatable read"])
def test_other_levels_note_nothing(database: SqlDatabase, registry: SerializableRegistry, level: str) -> None:
    a = begin(database, "a", f"begin isolation level {level}")
    a.rows("select count(*) from t")
    a.rows("update t set v = 1 where id = 1")
    assert is_empty(registry)
    a.rows("commit")
    assert is_empty(registry)


def test_many_keys_rows_and_ranges_become_the_table(
    database: SqlDatabase, registry: SerializableRegistry
) -> None:
    registry.limits.keys = registry.limits.ranges = registry.limits.rows = 3
    for query in ("select v from t where id = {}", "select v from t where k > {0} and k <= {0} + 1"):
        session = begin(database, "a")
        for number in range(10, 40, 10):
            session.rows(query.format(number))
            assert not reads_of(session).whole
        session.rows(query.format(50))
        assert reads_of(session).describe() == [("relation", None)]
        session.rows("rollback")


def test_a_scan_by_key_order_is_one_growing_range(database: SqlDatabase) -> None:
    session = begin(database, "a")
    session.rows("select count(v) from t where k >= 0 and k <= 150")
    assert reads_of(session).describe() == [("range", next(iter(reads_of(session).ranges)))]


@pytest.mark.parametrize("small", [False, True])
def test_promotion_refuses_more_and_misses_nothing(
    database: SqlDatabase, registry: SerializableRegistry, small: bool
) -> None:
    """Two transactions that touch nothing of each other's both commit, unless their SIREADs became the table."""
    if small:
        registry.limits.keys = 2
    a, b = begin(database, "a"), begin(database, "b")
    for session, base in ((a, 100), (b, 200)):
        for number in range(5):
            session.rows(f"select v from t where id = {base + number}")
        session.rows(f"update t set v = v + 1 where id = {base}")
    assert commits(a)
    assert commits(b) is not small


# --- when it goes -------------------------------------------------------------------------------------------


def test_nothing_is_kept_when_nobody_runs(database: SqlDatabase, registry: SerializableRegistry) -> None:
    for ending in ("commit", "rollback"):
        a, b = begin(database, "a"), begin(database, "b")
        for session in (a, b):
            session.rows("select count(*) from t")
        a.rows("update t set v = v + 1 where id = 1")
        a.rows("commit")
        assert not is_empty(registry)
        b.rows(ending)
        assert is_empty(registry)


def test_a_dropped_session_leaves_nothing(database: SqlDatabase, registry: SerializableRegistry) -> None:
    a = begin(database, "a")
    a.rows("select count(*) from t")
    a.session.close()
    assert is_empty(registry)


def test_a_committed_readers_sireads_stay_while_a_writer_beside_it_runs(
    database: SqlDatabase, registry: SerializableRegistry
) -> None:
    """The last edge of a circle may be found long after the reader committed (Fekete's read-only anomaly)."""
    writer, other = begin(database, "writer"), begin(database, "other")
    writer.rows("select v from t where id = 2")
    other.rows("update t set v = 1 where id = 2")
    assert commits(other)
    reader = begin(database, "reader")
    reader.rows("select v from t where id = 2")
    reader.rows("select v from t where id = 1")
    assert commits(reader)
    assert [state.transaction_id for state in registry.retained]
    writer.rows("update t set v = 1 where id = 1")
    assert not commits(writer)
    assert is_empty(registry)


def test_many_committed_readers_are_folded_and_still_found(
    database: SqlDatabase, registry: SerializableRegistry
) -> None:
    registry.limits.retained = 10
    writer, other = begin(database, "writer"), begin(database, "other")
    writer.rows("select v from t where id = 2")
    other.rows("update t set v = 1 where id = 2")
    assert commits(other)
    for number in range(100):
        reader = begin(database, "reader")
        reader.rows(f"select v from t where id = {1 if number == 0 else 3}")
        reader.rows(f"update t set v = 2 where id = {100 + number}")
        assert commits(reader)
        assert len(registry.retained) <= 11
    writer.rows("update t set v = 3 where id = 1")  # read by the first of the hundred
    assert not commits(writer)
    assert is_empty(registry)


def test_commit_records_fold_into_the_most_dangerous_one() -> None:
    records = CommitRecords()
    for epoch in range(2, 14):
        records.add(epoch, 5 if epoch == 6 else INFINITY, 10)
    assert len(records.epochs) <= 10
    assert records.earliest_out(6) == 5
    assert records.earliest_out(2) == 5, "folded: no longer told apart"
    assert records.earliest_out(13) == INFINITY
    assert records.earliest_out(14) == -1
    assert records.has_pivot_beside(5) and not records.has_pivot_beside(4)
    records.forget(13)
    assert records.earliest_out(6) == -1 and not records.epochs


# --- read-only transactions ---------------------------------------------------------------------------------


def states(registry: SerializableRegistry) -> Iterator[SerializableState]:
    yield from registry.running.values()


def test_a_read_only_transaction_alone_needs_no_tracking(
    database: SqlDatabase, registry: SerializableRegistry
) -> None:
    a = begin(database, "a", f"{SERIALIZABLE} read only")
    a.rows("select count(*) from t")
    assert is_empty(registry)
    a.rows("commit")


def test_a_snapshot_becomes_safe_when_the_writers_beside_it_have_ended(
    database: SqlDatabase, registry: SerializableRegistry
) -> None:
    writer = begin(database, "writer")
    writer.rows("select v from t where id = 1")
    reader = begin(database, "reader", f"{SERIALIZABLE} read only")
    reader.rows("select count(*) from t")
    assert [state.read_only for state in states(registry)] == [False, True]
    writer.rows("update t set v = 1 where id = 1")
    assert commits(writer)
    assert is_empty(registry)
    reader.rows("select count(*) from t")
    assert is_empty(registry)
    assert commits(reader)


def test_a_deferrable_transaction_waits_for_a_safe_snapshot(
    database: SqlDatabase, registry: SerializableRegistry
) -> None:
    writer = begin(database, "writer")
    writer.rows("select v from t where id = 1")
    other = begin(database, "other")
    other.rows("update t set v = 1 where id = 1")  # the writer read it before: an edge to `other`
    assert commits(other)
    steps = begin(database, "reader", f"{SERIALIZABLE} read only deferrable").session.simple_query(
        "select v from t where id = 2"
    )
    step = next(steps)
    assert isinstance(step, Wait) and not step.waiting.is_over()
    writer.rows("update t set v = 1 where id = 2")
    assert commits(writer)
    assert step.waiting.is_over()
    rows = [row for each in steps for row in getattr(each, "rows", [])]
    assert rows == [(1,)], "the snapshot that was taken first has been given up"
    assert is_empty(registry)
    assert commits(database.session("reader"))


def test_cancelling_the_wait_for_a_safe_snapshot(database: SqlDatabase) -> None:
    writer = begin(database, "writer")
    writer.rows("select v from t where id = 1")
    reader = begin(database, "reader", f"{SERIALIZABLE} read only deferrable")
    steps = reader.session.simple_query("select 1 from t")
    assert isinstance(next(steps), Wait)
    reader.session.cancel()
    with pytest.raises(Exception, match="canceling statement due to user request"):
        next(steps)
    reader.rows("rollback")
    assert commits(writer)


# --- the line for a contended row ---------------------------------------------------------------------------


def test_a_place_in_the_line_is_held_for_a_limited_time(database: SqlDatabase) -> None:
    sessions = [database.session(name) for name in "abc"]
    for session in sessions:
        session.rows("set skerry.conflict_wait = '30ms'")
        session.rows("begin isolation level repeatable read")
        session.rows("update t set v = v + 1 where id = 1")
    for session, wins in zip(sessions, (True, False, False), strict=True):
        if wins:
            session.rows("commit")
        else:
            with pytest.raises(WriteConflict):
                session.rows("commit")
    _, first, second = sessions
    first.rows("begin isolation level repeatable read")
    first.rows("select v from t where id = 1")
    second.rows("begin isolation level repeatable read")
    steps = second.session.simple_query("select v from t where id = 1")
    step = next(steps)
    assert isinstance(step, Wait)
    deadline_s = step.waiting.deadline_s()
    assert deadline_s is not None and deadline_s - time.monotonic() <= 0.03
    while not step.waiting.is_over():
        time.sleep(0.001)
    assert [row for each in steps for row in getattr(each, "rows", [])] == [(1,)]
    second.rows("update t set v = v + 1 where id = 1")
    second.rows("commit")
    first.rows("rollback")
