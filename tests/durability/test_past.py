"""The past survives: whatever was readable before a restart, clean or not, is after it, and the feed goes on without
a gap."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from support.builds import this_builds
from support.durable import DurableSqlDatabase
from support.past import DEFINITIONS, PastDatabase, PastWorld, epoch_of, events_of, floor_of
from support.sessions import SqlDatabase

from skerry_engine.errors import HistoryNotRetained

WORLDS = int(os.environ.get("SKERRY_PAST_WORLDS", "2"))
"""So many random worlds of each kind; the environment can ask for more."""


@pytest.mark.parametrize("seed", this_builds(range(WORLDS)))
@pytest.mark.parametrize("with_definitions", [True, False])
def test_past_and_feed_are_what_they_were_after_restarts(
    seed: int, with_definitions: bool, tmp_path: Path
) -> None:
    world = PastWorld(tmp_path, seed, with_definitions)
    for _ in range(16):
        world.step()
    for _ in range(2):  # what is taken back from the base, and what comes after it
        for action in (world.prepare, world.large, world.finish, world.checkpoint, world.transaction):
            action()
        world.kill()
    world.large()
    world.stop()
    world.check_heard()


def test_definitions_that_the_base_has_not_come_back_with_what_was_before_them(tmp_path: Path) -> None:
    world = PastWorld(tmp_path, 1)
    for _ in range(3):
        world.define(0)
        world.transaction()
    first = floor_of(world.database)
    for kind in range(DEFINITIONS):
        world.define(kind)
        world.transaction()
    kinds = {event[4] for event in events_of(world.database, first)}
    assert {"insert", "update", "truncate", "drop", "rewrite"} <= kinds
    world.kill()
    assert floor_of(world.database) == first
    world.stop()


def test_a_row_that_is_prepared_has_its_past_below(tmp_path: Path) -> None:
    database = _filled(tmp_path / "d")
    session = database.session()
    session.run_all("insert into t values (1, 'first')")
    database.checkpoint()
    session.run_all("update t set a = 'second'")
    session.run_all("begin; update t set a = 'third'; prepare transaction 'g'")
    for _ in range(2):
        database = reopened_with_past(database)
        assert [database.rows(f"select a from t as of epoch {e}") for e in (3, 4)] == [
            [("first",)],
            [("second",)],
        ]
    database.session().run_all("commit prepared 'g'")
    database = reopened_with_past(database)
    assert [database.rows(f"select a from t as of epoch {e}") for e in (4, 5)] == [
        [("second",)],
        [("third",)],
    ]
    assert database.rows("select a from t") == [("third",)]
    database.close()


# --- where the past begins ------------------------------------------------------------------------------------


def _filled(directory: Path, retention_bytes: int | None = None) -> PastDatabase:
    return PastDatabase(directory, retention_bytes, "create table t (id int primary key, a text)")


def _assert_begins(database: PastDatabase, floor: int, first: int | None = None) -> None:
    """Everything from the floor on can be read, by AS OF and in the feed (there since `first`), and what is before
    it is refused."""
    first = floor if first is None else first
    assert database.engine.manager.oldest_change() == first
    assert floor_of(database) == floor
    for epoch in range(floor, epoch_of(database) + 1):
        assert len(database.rows(f"select * from t as of epoch {epoch}")) == epoch - 2
    told = [event[0] for event in events_of(database, first)]
    assert told == list(range(first + 1, epoch_of(database) + 1))
    with pytest.raises(HistoryNotRetained, match=f"epoch {floor - 1} is not") as caught:
        database.rows(f"select * from t as of epoch {floor - 1}")
    assert caught.value.detail is not None and f"epoch retained is {floor}" in caught.value.detail
    with pytest.raises(HistoryNotRetained):
        events_of(database, first - 1)


def _insert(database: SqlDatabase, count: int, size: int = 1) -> None:
    for _ in range(count):
        database.session().run_all(
            f"insert into t select count(*), repeat('x', {size}) from t"  # one row for each epoch since the table's
        )


def test_the_past_begins_at_the_last_definition_in_the_base(tmp_path: Path) -> None:
    database = _filled(tmp_path / "d")
    _insert(database, 5)
    database.checkpoint()
    _insert(database, 3)
    database = reopened_with_past(database)
    _assert_begins(database, 2)
    database.close()


def test_commits_without_history_end_it_once_the_base_has_them(tmp_path: Path) -> None:
    database = _filled(tmp_path / "d")
    _insert(database, 2)
    database.close()
    plain = DurableSqlDatabase(tmp_path / "d")
    with pytest.raises(HistoryNotRetained):
        plain.rows("select * from t as of epoch 3")
    _insert(plain, 2)  # epochs 5 and 6
    plain.close()
    database = PastDatabase(tmp_path / "d")
    _insert(database, 2)
    assert floor_of(database) == 1
    assert [len(database.rows(f"select * from t as of epoch {e}")) for e in range(2, 9)] == list(range(7))
    database.checkpoint()
    _insert(database, 2)
    database = reopened_with_past(database)
    _assert_begins(database, 6)
    database.close()


def test_the_log_goes_with_the_past_that_is_too_large(tmp_path: Path) -> None:
    database = _filled(tmp_path / "d", 4000)
    for _ in range(6):
        _insert(database, 8, 60_000)
        database.checkpoint()
    assert not (database.directory / "log" / "00000001.log").exists()
    floor = floor_of(database)
    first = database.engine.manager.oldest_change()
    assert 2 < floor <= first < epoch_of(database) - 1
    database = reopened_with_past(database)
    _assert_begins(database, floor, first)
    database.close()


def reopened_with_past(database: PastDatabase) -> PastDatabase:
    """The database after a clean stop."""
    database.close()
    return PastDatabase(database.directory, database.retention_bytes)
