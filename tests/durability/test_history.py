"""History across restarts: after a clean stop or a kill, with and without checkpoints, AS OF and the change feed reach
back as they did, at least to the last definition."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest
from support.builds import this_builds
from support.durable import DurableSqlDatabase
from support.random_changes import CONTENTS, TABLES, ChangeMaker
from support.sessions import SqlSession

from skerry_engine import errors
from skerry_engine.engine import Engine
from skerry_engine.session.steps import Wait

PROBES = [
    *CONTENTS,
    "select * from a where x = 3 order by id",
    "select id, t from a where x between 2 and 5 order by x, id",
    "select id from c where t = 'q2' order by id",
    "select count(*), sum(x), max(t) from a",
    "select a.t, count(*), sum(c.n) from a join c on c.a_id = a.id group by a.t order by 1",
]
FEED = "select epoch, position, kind, table_name, row_id, key, old, new from skerry.changes({0})"


class DatabaseWithHistory(DurableSqlDatabase):
    """A directory that is opened with a retention time of an hour."""

    def open_engine(self) -> Engine:
        return Engine.open(str(self.directory), retention_s=3600)


def attempt(session: SqlSession, text: str) -> bool:
    try:
        session.run_all(text)
        return True
    except errors.DatabaseError:
        return False


class World:
    """A database that changes at random, and what its epochs looked like."""

    def __init__(self, directory: Path, seed: int) -> None:
        self.rng = random.Random(seed)
        self.database = DatabaseWithHistory(directory, *TABLES.split(";"))
        self.changes = ChangeMaker(self.rng)
        self.seen: dict[int, list[object]] = {}
        self.last_definition = self.database.engine.manager.published
        self.look()

    def look(self) -> None:
        epoch = self.database.engine.manager.published
        if epoch not in self.seen:
            session = self.database.session()
            self.seen[epoch] = [session.rows(text) for text in PROBES]

    def change(self) -> None:
        session = self.database.session()
        pick = self.rng.randrange(12)
        if pick < 6:
            attempt(session, self.changes.change())
        elif pick < 10:
            attempt(session, "begin")
            for _ in range(self.rng.randrange(1, 6)):
                attempt(session, "savepoint s")
                if not attempt(session, self.changes.change()) or self.rng.randrange(4) == 0:
                    attempt(session, "rollback to s")
            if self.rng.randrange(3) == 0 and attempt(session, "prepare transaction 'g'"):
                attempt(session, self.rng.choice(["commit prepared 'g'", "rollback prepared 'g'"]))
            else:
                attempt(session, self.rng.choice(["commit", "commit", "rollback"]))
        elif pick == 10:
            attempt(session, "create temp table if not exists tt (a int)")
            attempt(session, "insert into tt values (1)")
        else:
            self.database.checkpoint()
        self.look()

    def define(self) -> None:
        self.database.session().run_all("create index on e (x)")
        self.last_definition = self.database.engine.manager.published
        self.look()

    def restart(self, is_clean: bool, directory: Path) -> None:
        """Close and open; or go on with what a kill would have left."""
        if is_clean:
            directory = self.database.directory
        else:
            self.database.copy(directory)
        self.database.engine.close()
        self.database = DatabaseWithHistory(directory)

    def check(self) -> None:
        """Every epoch since the last definition is as it was, and so is the feed."""
        session = self.database.session()
        oldest = self.database.engine.manager.oldest_retained_epoch()
        assert oldest <= self.last_definition
        for epoch, expected in self.seen.items():
            if epoch >= oldest:
                for text, rows in zip(PROBES, expected, strict=True):
                    assert session.rows(f"{text} as of epoch {epoch}") == rows, (epoch, text)


@pytest.mark.parametrize("seed", this_builds(range(6)))
def test_the_past_survives_restarts(seed: int, tmp_path: Path) -> None:
    world = World(tmp_path / "first", seed)
    for number in range(3):
        for _ in range(20):
            world.change()
        if world.rng.randrange(3) == 0:
            world.define()
        since = world.last_definition
        before = world.database.session().rows(FEED.format(since))
        newest = world.database.engine.manager.published
        is_clean = world.rng.randrange(2) == 0
        world.restart(is_clean, tmp_path / str(number))
        published = world.database.engine.manager.published
        # A kill may take away commits that changed only temporary tables; a clean end may drop these.
        assert published - newest in ((0, 1) if is_clean else range(-60, 1))
        for epoch in [epoch for epoch in world.seen if epoch > published]:
            assert world.seen.pop(epoch) == world.seen[max(e for e in world.seen if e <= published)]
        assert world.database.session().rows(FEED.format(since)) == before
        world.check()
    world.database.engine.close()


def test_what_a_large_transaction_has_changed_is_history(tmp_path: Path) -> None:
    database = DatabaseWithHistory(tmp_path / "d", "create table t (id int primary key, v int)")
    session = database.session()
    session.run_all("insert into t select g, 0 from generate_series(1, 4000) g")
    database.checkpoint()
    start = database.engine.manager.published
    session.run_all("update t set v = id where id % 2 = 0")
    session.run_all("delete from t where id > 3000")
    for number in range(3):
        expected = database.session().rows(
            f"select count(*), sum(length(old::text)) from skerry.changes({start})"
        )
        if number:
            database.checkpoint()
        database.engine.close()
        database = DatabaseWithHistory(tmp_path / "d")
        session = database.session()
        assert (
            session.rows(f"select count(*), sum(length(old::text)) from skerry.changes({start})") == expected
        )
        assert expected[0][0] == 3000
        for epoch, result in ((start, (4000, 0)), (start + 1, (4000, 4002000)), (start + 2, (3000, 2251500))):
            assert session.rows(f"select count(*), sum(v) from t as of epoch {epoch}") == [result]
        assert session.rows(f"select v from t where id = 3999 as of epoch {start}") == [(0,)]
        assert session.rows("select v from t where id = 3999") == []
    database.engine.close()


def test_without_retention_nothing_comes_back_and_the_log_lets_go(tmp_path: Path) -> None:
    database = DatabaseWithHistory(tmp_path / "d", "create table t (id int primary key, v int)")
    session = database.session()
    session.run_all("insert into t values (1, 0)")
    for number in range(20):
        session.run_all(f"update t set v = {number}")
    newest = database.engine.manager.published
    database.engine.close()
    plain = DurableSqlDatabase(tmp_path / "d")
    with pytest.raises(errors.HistoryNotRetained):
        plain.rows(f"select * from t as of epoch {newest - 1}")
    assert plain.engine.manager.collector.rows_waiting == 0
    plain.session().run_all("update t set v = 77")
    plain.checkpoint()
    plain.engine.close()
    # What was committed without history can't be taken back from the base.
    again = DatabaseWithHistory(tmp_path / "d")
    assert again.engine.manager.oldest_retained_epoch() == newest + 1
    again.session().run_all("update t set v = 78")
    again.engine.close()
    last = DatabaseWithHistory(tmp_path / "d")
    assert last.engine.manager.oldest_retained_epoch() == newest + 1
    assert last.rows(f"select v from t as of epoch {newest + 1}") == [(77,)]
    last.engine.close()


def test_collected_history_leaves_tables_as_they_are(tmp_path: Path) -> None:
    database = DatabaseWithHistory(
        tmp_path / "d", "create table t (id int primary key, v int)", "create index on t (v)"
    )
    session = database.session()
    session.run_all("insert into t select g, g from generate_series(1, 50) g")
    for number in range(10):
        session.run_all(f"update t set v = v + 1 where id % 3 = {number % 3}")
    session.run_all("delete from t where id > 40")
    expected = session.rows("select * from t order by id")
    database.engine.close()
    database = DatabaseWithHistory(tmp_path / "d")
    manager = database.engine.manager
    assert manager.collector.rows_waiting > 150
    database.engine.set_retention(0, None)
    manager.gc()
    assert manager.collector.rows_waiting == 0
    session = database.session()
    assert session.rows("select * from t order by id") == expected
    assert session.rows("select * from t where v > 0 order by v, id") == sorted(
        expected, key=lambda row: (row[1], row[0])
    )
    for row in expected:
        assert row in session.rows(f"select * from t where v = {row[1]}")
    database.engine.close()


def test_the_feed_shows_only_what_survives_a_crash(tmp_path: Path) -> None:
    database = DatabaseWithHistory(tmp_path / "d", "create table t (id int)")
    reader = database.session("reader")
    reader.run_all("listen skerry_changes")
    ((since,),) = reader.rows("select skerry.subscribe()")
    session = database.session()
    session.run_all("set synchronous_commit = off")
    session.run_all("insert into t values (1)")
    assert session.rows("select count(*) from t") == [(1,)]
    assert reader.rows(f"select new from skerry.changes({since})") == []
    assert reader.session.take_notifications(10) == []
    waiting = [
        step
        for step in reader.session.simple_query(f"select skerry.wait_for_changes({since}, 0.01)")
        if isinstance(step, Wait) and not step.waiting.is_over() and not time.sleep(0.02)
    ]
    assert len(waiting) == 1
    woken: list[int] = []
    for step in reader.session.simple_query(f"select skerry.wait_for_changes({since}, 60)"):
        if isinstance(step, Wait) and not woken:
            step.waiting.on_over(lambda: woken.append(1))
            assert not woken
            assert database.engine.durable is not None
            database.engine.durable.flush()
            assert woken
    assert reader.rows(f"select new from skerry.changes({since})") == [('{"id": 1}',)]
    assert [n.payload for n in reader.session.take_notifications(10)] == [str(since + 1)]
    database.engine.close()
