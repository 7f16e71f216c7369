"""Backups hold what was committed, whatever goes on meanwhile, and give it back as it was at any of their epochs."""

from __future__ import annotations

import errno
import os
import random
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.durable import DurableSqlDatabase, State, checkpoint, state_of

import skerry
from skerry_engine import errors
from skerry_engine.base.environment import BaseCopy
from skerry_engine.durability.backup import copy_resting
from skerry_engine.durability.check import check_directory
from skerry_engine.durability.copies import Copied, End
from skerry_engine.engine import Engine
from skerry_engine.session.steps import Wait
from skerry_engine.values.clock import wall_clock

NO_CONTENTS = ("true",)


def state_in(directory: Path) -> State:
    engine = Engine.open(str(directory))
    try:
        return state_of(engine)
    finally:
        engine.close()


def drive(database: DurableSqlDatabase, target: Path, between: Callable[[], object] = lambda: None) -> Copied:
    """Make a backup step by step, doing something after each."""
    durable = database.engine.durable
    assert durable is not None and durable.backups is not None
    steps = durable.backups.run(str(target))
    while True:
        try:
            step = next(steps)
        except StopIteration as stop:
            copied: Copied = stop.value
            return copied
        between()
        durable.flush()
        if isinstance(step, Wait):
            over = threading.Event()
            step.waiting.on_over(over.set)
            assert over.wait(60)


# --- every epoch --------------------------------------------------------------------------------------------


class History:
    """A database that changes in many ways, and what it was at each epoch."""

    def __init__(self, directory: Path, seed: int) -> None:
        self.rng = random.Random(seed)
        self.database = DurableSqlDatabase(
            directory,
            "create table t (id serial primary key, v text)",
            "create index on t (v)",
            "create sequence s",
        )
        self.states: dict[int, State] = {}
        self.note()

    def note(self) -> None:
        durable = self.database.engine.durable
        assert durable is not None
        durable.flush()
        self.states[self.database.engine.manager.published] = state_of(self.database.engine)
        self.database.sessions.clear()

    def change(self) -> None:
        waiting = [prepared.gid for prepared in self.database.engine.manager.prepared.all()]
        if waiting and self.rng.randrange(3) == 0:
            text = f"{self.rng.choice(['commit', 'rollback'])} prepared '{self.rng.choice(waiting)}'"
        else:
            text = self.rng.choice(CHANGES).format(n=self.rng.randrange(1, 30))
        try:
            self.database.session().run_all(text)
        except (errors.DatabaseError, AssertionError):
            pass  # a prepared transaction of that name, or one that would be waited for
        self.note()


CHANGES = [
    "insert into t (v) values ('v{n}')",
    "insert into t (v) select 'many' || g from generate_series(1, 40 * {n}) g",
    "update t set v = v || '!' where id % {n} = 0",
    "delete from t where id % {n} = 3",
    "create table if not exists u{n} (a int references t on delete cascade)",
    "drop table if exists u{n}",
    "begin; insert into t (v) values ('{n}'); savepoint a; delete from t; rollback to a; commit",
    "begin; insert into t (v) values ('prepared'); prepare transaction 'p{n}'",
    "create index if not exists i{n} on t (lower(v)) where id > {n}",
    "truncate t cascade",
    "select nextval('s')",
    "insert (:P {{x: {n}}})-[:R {{p{n}: {n}.5}}]->(:Q {{x: 'text {n}'}})",
    "match (n:P) where n.x % {n} = 0 set n:More, n.y = date '2020-01-01', n.x = n.x + 1",
    "match (n:Q) detach delete n",
    "create graph if not exists g{n} {{(:A {{k int}})}}; use g{n} insert (:A {{k: {n}}})",
    "create or replace graph copied as copy of home",
    "begin; insert (:Prepared {{n: {n}}}); prepare transaction 'g{n}'",
]


@pytest.mark.parametrize("seed", range(int(os.environ.get("SKERRY_BACKUP_SEEDS", "2"))))
def test_each_epoch_of_a_backup_can_be_restored(seed: int, tmp_path: Path) -> None:
    history = History(tmp_path / "database", seed)
    first = 0
    for number in range(40):
        history.change()
        if number == 9:
            checkpoint(history.database)
            first = history.database.engine.manager.published
    assert len(history.states) > 12
    copied = drive(history.database, tmp_path / "backup")
    last = history.database.engine.manager.published
    history.database.close()
    assert copied[:2] == (first, last)
    assert state_in_copy(tmp_path / "backup", tmp_path / "all") == history.states[last]
    for epoch in [epoch for epoch in history.states if epoch >= first]:
        restored = tmp_path / f"at{epoch}"
        assert copy_resting(tmp_path / "backup", restored, End(epoch)).last_epoch == epoch
        assert rows_and_catalog(state_in(restored)) == rows_and_catalog(history.states[epoch])
        shutil.rmtree(restored)
    for epoch in (first - 1, last + 1):
        with pytest.raises(errors.HistoryNotRetained, match=str(epoch)):
            copy_resting(tmp_path / "backup", tmp_path / "never", End(epoch))
        assert list((tmp_path / "never").iterdir()) == []


def state_in_copy(directory: Path, copy: Path) -> State:
    """What opening would find, without changing the directory."""
    shutil.copytree(directory, copy)
    return state_in(copy)


def rows_and_catalog(state: State) -> State:
    """Without what was prepared after the last commit: that belongs to the time after the epoch."""
    return {name: value for name, value in state.items() if name != "prepared"}


def test_a_restored_database_goes_on(tmp_path: Path) -> None:
    """On a way of its own: epochs begin again behind the one that was restored."""
    database = DurableSqlDatabase(tmp_path / "database", "create table t (id serial primary key)")
    for _ in range(6):
        database.session().run_all("insert into t default values")
    last = drive(database, tmp_path / "backup").last_epoch
    database.close()
    copy_resting(tmp_path / "backup", tmp_path / "restored", End(last - 3))
    for _ in range(3):
        with skerry.open(tmp_path / "restored") as db:
            db.execute("INSERT INTO t DEFAULT VALUES")
    with skerry.open(tmp_path / "restored") as db:
        ids = [row[0] for row in db.execute("SELECT id FROM t ORDER BY id")]
    assert len(ids) == 6 and ids[:3] == [1, 2, 3]
    copied = copy_resting(tmp_path / "restored", tmp_path / "again", End())
    assert copied.last_epoch == last
    assert not any(f.is_damage for f in check_directory(tmp_path / "again", NO_CONTENTS))


def test_restoring_to_a_time(tmp_path: Path) -> None:
    times: list[int] = []
    with skerry.open(tmp_path / "database") as db:
        db.execute("CREATE TABLE t (n int)")
        for number in range(4):
            time.sleep(0.01)
            times.append(wall_clock())
            time.sleep(0.01)
            db.execute("INSERT INTO t VALUES ($1)", [number])
    for number, time_us in enumerate([*times, wall_clock()]):
        copy_resting(tmp_path / "database", tmp_path / f"to{number}", End(time_us=time_us))
        with skerry.open(tmp_path / f"to{number}") as db:
            assert [n for (n,) in db.execute("SELECT n FROM t ORDER BY n")] == list(range(number))
    with pytest.raises(errors.HistoryNotRetained, match="as old as that"):
        copy_resting(tmp_path / "database", tmp_path / "never", End(time_us=times[0] - 3_600_000_000))


# --- while others work --------------------------------------------------------------------------------------


@pytest.fixture
def accounts(tmp_path: Path) -> Iterator[skerry.Database]:
    with skerry.open(tmp_path / "database") as db:
        db.execute("CREATE TABLE account (id int PRIMARY KEY, balance int); CREATE TABLE done (n int)")
        db.execute("INSERT INTO account SELECT g, 100 FROM generate_series(1, 50) g")
        yield db


def test_under_write_load(accounts: skerry.Database, tmp_path: Path) -> None:
    """Transfers and checkpoints go on; every backup holds all that was acknowledged before it, and half of nothing."""
    acknowledged = [0]
    stop = threading.Event()
    failures: list[BaseException] = []

    def transfer() -> None:
        rng = random.Random(1)
        number = 0
        try:
            while not stop.is_set():
                number += 1
                one, other = rng.sample(range(1, 51), 2)
                with accounts.begin_transaction() as tx:
                    tx.execute("UPDATE account SET balance = balance - 1 WHERE id = $1", [one])
                    tx.execute("UPDATE account SET balance = balance + 1 WHERE id = $1", [other])
                    tx.execute("INSERT INTO done VALUES ($1)", [number])
                    tx.commit()
                acknowledged[0] = number
                if number % 40 == 0:
                    accounts.execute("CHECKPOINT")
        except BaseException as failure:  # noqa: BLE001 - it is shown by the test's thread
            failures.append(failure)

    worker = threading.Thread(target=transfer)
    worker.start()
    backups: list[tuple[Path, int, int]] = []
    for number in range(6):
        before = acknowledged[0]
        made = accounts.backup(tmp_path / f"backup{number}")
        assert made.first_epoch <= made.last_epoch
        backups.append((tmp_path / f"backup{number}", before, made.last_epoch))
        time.sleep(0.05)
    stop.set()
    worker.join(60)
    assert failures == []
    assert acknowledged[0] > 50
    for directory, before, last_epoch in backups:
        assert [f.text for f in check_directory(directory, NO_CONTENTS) if f.is_damage] == []
        with skerry.open(directory) as copy:
            assert copy.execute("SELECT sum(balance), count(*) FROM account").one() == (5000, 50)
            numbers = [n for (n,) in copy.execute("SELECT n FROM done ORDER BY n")]
            assert numbers == list(range(1, len(numbers) + 1))
            assert len(numbers) >= before
            assert copy.execute("SELECT skerry.current_epoch()").scalar() == last_epoch


def test_checkpoints_and_commits_between_all_of_its_steps(tmp_path: Path) -> None:
    database = DurableSqlDatabase(tmp_path / "database", "create table t (id serial primary key, v text)")
    session = database.session()
    session.run_all("insert into t (v) select 'before' from generate_series(1, 3000)")

    def go_on() -> None:
        session.run_all("insert into t (v) select 'meanwhile' from generate_series(1, 2000)")
        session.run_all("update t set v = v || '.' where id % 3 = 0")
        checkpoint(database)

    copied = drive(database, tmp_path / "backup", go_on)
    database.close()
    with skerry.open(tmp_path / "backup") as db:
        rows, meanwhile = db.execute("SELECT count(*), count(*) FILTER (WHERE v LIKE 'mean%') FROM t").one()
        assert rows == 3000 + meanwhile and meanwhile > 0
        assert db.execute("SELECT skerry.current_epoch()").scalar() == copied.last_epoch


def test_a_large_transaction_under_way_is_not_in_it(tmp_path: Path) -> None:
    """Its rows stand in the log already, in chunks that no commit claims."""
    database = DurableSqlDatabase(tmp_path / "database", "create table t (id int)")
    large = database.session("large")
    large.run_all("begin; insert into t select generate_series(1, 5000)")
    steps = large.session.run("commit", None)
    for _ in range(3):
        next(steps)
    drive(database, tmp_path / "backup")
    for step in steps:
        if isinstance(step, Wait):
            database.flush()
    drive(database, tmp_path / "later")
    database.close()
    for name, count in (("backup", 0), ("later", 5000)):
        with skerry.open(tmp_path / name) as db:
            assert db.execute("SELECT count(*) FROM t").scalar() == count


def test_prepared_transactions_wait_on_in_a_backup(accounts: skerry.Database, tmp_path: Path) -> None:
    accounts.execute("BEGIN; INSERT INTO done VALUES (77); PREPARE TRANSACTION 'pending'")
    accounts.backup(tmp_path / "backup")
    accounts.execute("ROLLBACK PREPARED 'pending'")
    with skerry.open(tmp_path / "backup") as db:
        assert db.execute("SELECT count(*) FROM done").scalar() == 0
        db.execute("COMMIT PREPARED 'pending'")
        assert db.execute("SELECT n FROM done").scalar() == 77


# --- what goes wrong ----------------------------------------------------------------------------------------


def test_a_backup_that_nobody_waits_for_any_more_leaves_nothing(tmp_path: Path) -> None:
    database = DurableSqlDatabase(tmp_path / "database", "create table t (id int)")
    durable = database.engine.durable
    assert durable is not None and durable.backups is not None and durable.checkpointer is not None
    steps = durable.backups.run(str(tmp_path / "backup"))
    next(steps)
    steps.close()
    durable.backups.close()
    assert list((tmp_path / "backup").iterdir()) == []
    assert durable.checkpointer._holds == {}
    drive(database, tmp_path / "backup")
    database.close()


def test_closing_waits_for_a_backup(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """LMDB's file is not closed under the thread that copies it."""
    write, entered, go_on = BaseCopy.write, threading.Event(), threading.Event()

    def slowly(copy: BaseCopy, directory: str) -> None:
        entered.set()
        assert go_on.wait(60)
        write(copy, directory)

    monkeypatch.setattr(BaseCopy, "write", slowly)
    database = DurableSqlDatabase(tmp_path / "database", "create table t (id int)")
    durable = database.engine.durable
    assert durable is not None and durable.backups is not None
    steps = durable.backups.run(str(tmp_path / "backup"))
    next(steps)
    assert entered.wait(60)
    threading.Timer(0.2, go_on.set).start()
    database.close()
    steps.close()
    with skerry.open(tmp_path / "database") as db:
        assert db.execute("SELECT count(*) FROM t").scalar() == 0


def test_a_full_disk_leaves_no_backup_and_a_database_that_goes_on(
    accounts: skerry.Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_copy: BaseCopy, _directory: str) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(BaseCopy, "write", fail)
        with pytest.raises(errors.DiskFull, match="could not write the backup"):
            accounts.backup(tmp_path / "backup")
    assert list((tmp_path / "backup").iterdir()) == []
    accounts.execute("INSERT INTO done VALUES (1); CHECKPOINT")
    accounts.backup(tmp_path / "backup")


@pytest.mark.parametrize("what", ["a file", "a directory with something in it", "a database"])
def test_nothing_is_overwritten(accounts: skerry.Database, tmp_path: Path, what: str) -> None:
    target = tmp_path / "target"
    if what == "a file":
        target.write_text("mine")
    elif what == "a database":
        skerry.open(target).close()
    else:
        target.mkdir()
        (target / "mine").write_text("mine")
    before = sorted(target.rglob("*"))
    with pytest.raises(errors.DuplicateFile):
        accounts.backup(target)
    assert sorted(target.rglob("*")) == before


def test_what_is_refused(accounts: skerry.Database, tmp_path: Path) -> None:
    with pytest.raises(errors.InvalidParameterValue, match="absolute"):
        accounts.execute("BACKUP TO 'here'")
    with pytest.raises(errors.ActiveTransaction):
        accounts.execute(f"BEGIN; BACKUP TO '{tmp_path}/x'")
    with skerry.open() as memory, pytest.raises(errors.NotSupportedError, match="in memory") as refused:
        memory.backup(tmp_path / "x")
    assert "dump" in (refused.value.hint or "")
    accounts.execute("CREATE ROLE guest LOGIN")
    with (
        skerry.open(tmp_path / "database", user="guest") as guest,
        pytest.raises(errors.InsufficientPrivilege),
    ):
        guest.backup(tmp_path / "x")
    with pytest.raises(errors.DatabaseInUse):
        copy_resting(tmp_path / "database", tmp_path / "x", End())
    with pytest.raises(errors.UndefinedObject, match="no database"):
        copy_resting(tmp_path, tmp_path / "x", End())
    assert not (tmp_path / "x").exists()


def test_a_backup_that_cannot_be_written_to_can_be_restored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A medium that is read-only: nothing is written there, not even a lock."""
    with skerry.open(tmp_path / "database") as db:
        db.execute("CREATE TABLE t (n int); INSERT INTO t VALUES (1)")
        db.execute("CHECKPOINT")
        db.execute("INSERT INTO t VALUES (2)")
        db.backup(tmp_path / "backup")

    def refuse(_directory: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    before = [(path, path.stat().st_mtime_ns) for path in sorted((tmp_path / "backup").rglob("*"))]
    with monkeypatch.context() as patched:
        patched.setattr("skerry_engine.durability.backup.DirectoryLock", refuse)
        copy_resting(tmp_path / "backup", tmp_path / "restored", End())
    assert before == [(path, path.stat().st_mtime_ns) for path in sorted((tmp_path / "backup").rglob("*"))]
    with skerry.open(tmp_path / "restored") as db:
        assert [n for (n,) in db.execute("SELECT n FROM t")] == [1, 2]


def test_a_damaged_log_is_not_copied(tmp_path: Path) -> None:
    with skerry.open(tmp_path / "database") as db:
        db.execute(
            "CREATE TABLE t (v text); INSERT INTO t VALUES ('a mark to be found'); INSERT INTO t VALUES ('b')"
        )
    (segment,) = (tmp_path / "database" / "log").glob("*.log")
    data = bytearray(segment.read_bytes())
    data[data.index(b"a mark to be found")] ^= 1
    segment.write_bytes(data)
    with pytest.raises(errors.DatabaseDamaged):
        copy_resting(tmp_path / "database", tmp_path / "backup", End())
    assert list((tmp_path / "backup").iterdir()) == []
