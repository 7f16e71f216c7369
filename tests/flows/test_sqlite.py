"""What is SQLite's own in flows."""

from __future__ import annotations

import gc
import sqlite3
import threading
import time
from pathlib import Path

import pytest
from support.flow_testing import only
from support.flow_world import TABLE, World

from skerry import flow
from skerry_engine.errors import NotSupportedError, TransactionTimeout


@only("sqlite")
def test_a9_what_sqlite_cannot_do_is_an_error(world: World) -> None:
    """Its transactions are serializable, and neither read-only nor deferrable."""
    for level in ("read committed", "snapshot", "serializable"):
        with world.db.transaction(level):
            world.db.execute("SELECT 1")
    with pytest.raises(NotSupportedError, match="read-only"):
        world.db.transaction(read_only=True)
    with pytest.raises(NotSupportedError, match="read-only"):
        world.db.begin_transaction(deferrable=True)


@only("sqlite")
def test_a_transaction_that_sqlite_has_ended_is_not_gone_on_with(world: World) -> None:
    """What came next would commit by itself."""
    world.insert(1)
    with pytest.raises(Exception, match="ended by a statement"), world.db.transaction():
        world.insert(2)
        with pytest.raises(Exception, match="UNIQUE"):
            world.db.execute(f"INSERT OR ROLLBACK INTO {TABLE} VALUES (1, 'x')")
        world.insert(3)
    assert world.ids() == [1]


@only("sqlite")
def test_a_statement_after_a_caught_error_goes_on_in_sqlite(world: World) -> None:
    """Which has no failed transactions."""
    with world.db.transaction():
        world.insert(1)
        with pytest.raises(Exception, match="UNIQUE"):
            world.insert(1)
        world.insert(2)
    assert world.ids() == [1, 2]


def test_connections_that_only_their_own_thread_may_use(tmp_path: Path) -> None:
    """`check_same_thread` is what sqlite3 does unasked: deadlines and threads get along with it."""
    path = tmp_path / "bound.db"
    db = flow.open(lambda: sqlite3.connect(path))
    db.execute("CREATE TABLE t (id integer PRIMARY KEY)")
    with pytest.raises(TransactionTimeout):
        with db.transaction(timeout=0.05):
            db.execute("INSERT INTO t VALUES (1)")
            deadline_s = time.monotonic() + 10
            while db.in_use and time.monotonic() < deadline_s:
                time.sleep(0.005)
            assert db.in_use == 0
            db.execute("INSERT INTO t VALUES (2)")
    assert db.execute("SELECT count(*) FROM t").scalar() == 0  # which closes it: its locks go
    problems: list[BaseException] = []

    def work(key: int) -> None:
        try:
            with db.transaction():
                db.execute("INSERT INTO t VALUES (%s)", (key,))
        except Exception as problem:  # noqa: BLE001
            problems.append(problem)

    for key in (3, 4, 5):
        thread = threading.Thread(target=work, args=(key,))
        thread.start()
        thread.join()
    assert not problems and db.in_use == 0
    assert db.execute("SELECT id FROM t ORDER BY id").fetchall() == [(3,), (4,), (5,)]
    db.close()
    gc.collect()


@pytest.mark.parametrize("mode", [True, False])
def test_connections_of_later_pythons_that_begin_by_themselves(mode: bool) -> None:
    """From Python 3.12 on `autocommit` says who begins; here it is looked at as those have it."""

    class Later(sqlite3.Connection):
        autocommit = mode

    db = flow.open(lambda: sqlite3.connect(":memory:", factory=Later, isolation_level=None))
    with db.connection() as connection:
        assert connection.autocommit is True  # type: ignore[attr-defined]
    db.close()
