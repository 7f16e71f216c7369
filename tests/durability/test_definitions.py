"""Definitions survive: what they made of catalog, storages and indexes is there again, whatever was between."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest
from support.durable import DurableSqlDatabase, State, checkpoint, reopened, state_of
from support.random_definitions import SETUP, DefinitionMaker

from skerry_engine import errors
from skerry_engine.catalog.catalog import Catalog
from skerry_engine.engine import Engine

CHANGES = (
    "insert into t (a, b) select g, 'b' || g from generate_series({n}, {n} + 5) g on conflict do nothing",
    "insert into u (a, b) values ({n}, 'q'), (null, 'z{n}')",
    "insert into s1.t (a, b) values ({n}, null) on conflict do nothing",
    "insert into s1.w (b) values ('w{n}')",
    "insert into x (a) values ({n})",
    "insert into cp (p) values (row({n}, 'p{n}')) on conflict do nothing",
    "insert into cp (p, ps) values ('({n},x,)', array[row({n}, 'y', 1)]::pair[]) on conflict do nothing",
    "update cp set w.p = p, w.ps = ps where k % 2 = {n} % 2",
    "update cp set p.a = {n} + k",
    "insert into pg_temp.z values ({n}, 'temporary')",
    "update t set b = b || 'x' where a % 2 = 0",
    "update u set b = 'n{n}' where id % 3 = {n} % 3",
    "update s1.x set a = a + 1",
    "delete from t where a = {n}",
    "delete from s1.t where a < {n}",
    "select nextval('q')",
    "select setval('q', {n})",
)
STEPS = 50


class Life:
    """A database that is given random definitions and changes, checkpoints, restarts and kills."""

    def __init__(self, seed: int, directory: Path) -> None:
        self.random = Random(seed)
        self.maker = DefinitionMaker(self.random)
        self.directory = directory
        self.database = DurableSqlDatabase(directory / "0", *SETUP)
        self.opened = 0
        self.done = 0

    def step(self) -> None:
        """Something happens."""
        draw = self.random.randrange(12)
        if draw < 6:
            self.does(self.statement())
        elif draw < 10:
            self.transaction()
        elif draw == 10:
            checkpoint(self.database)
        else:
            self.restart()

    def statement(self) -> str:
        if self.random.randrange(2):
            return self.maker.statement()
        return self.random.choice(CHANGES).format(n=self.random.randrange(12))

    def does(self, text: str) -> bool:
        """Whether the statement succeeds."""
        try:
            self.database.session().run_all(text)
        except errors.DatabaseError:
            return False
        self.done += 1
        return True

    def transaction(self) -> None:
        self.does("begin")
        for number in range(self.random.randrange(1, 6)):
            self.does(f"savepoint s{number}")
            if not self.does(self.statement()) or self.random.randrange(4) == 0:
                self.does(f"rollback to s{number}")
        end = self.random.choice(["commit", "commit", "rollback", "prepare transaction 'g'"])
        if not self.does(end):
            self.does("rollback")
        elif end.startswith("prepare"):
            if self.random.randrange(3) == 0:
                checkpoint(self.database)
            if self.random.randrange(2):
                self.restart()
            assert self.does(self.random.choice(["commit prepared 'g'", "rollback prepared 'g'"]))

    def restart(self) -> None:
        """Open the database again, as it was closed or as a kill left it."""
        assert self.database.engine.durable is not None
        self.database.engine.durable.flush()
        self.opened += 1
        directory = self.database.directory
        if self.random.randrange(2):
            directory = self.database.copy(self.directory / str(self.opened))
        for session in list(self.database.sessions.values()):
            session.session.close()
        left = known_state(self.database.engine)
        self.database = reopened(self.database, directory)
        assert known_state(self.database.engine) == left


def known_state(engine: Engine) -> State:
    """The state, without indexes that only a prepared transaction knows, and with sequences' definitions alone."""
    state = state_of(engine)
    catalog = engine.manager.newest_catalog()
    assert isinstance(catalog, Catalog)
    known = {index.oid for database in catalog.databases.values() for index in database.indexes()}
    for value in state.values():
        if isinstance(value, tuple):
            for oid in value[2].keys() - known:
                del value[2][oid]
    return state


@pytest.mark.parametrize("seed", range(6))
def test_whatever_was_defined_is_there_again(seed: int, tmp_path: Path) -> None:
    life = Life(seed, tmp_path)
    for _ in range(STEPS):
        life.step()
    life.restart()
    life.database.engine.close()
    assert life.opened > 2 and life.done > 60


PREPARED = (
    "alter table t add column c int not null default 7, add column d text",
    "alter table t add column c float8 default random() * 0 + 1.5",
    "create index made on t (b) where a > 1",
    "alter table t add unique (b, a)",
    "drop index ti",
    "alter table t drop constraint t_pkey",
    "alter table t drop column b",
    "alter table t alter b type varchar(9) using b || '!'",
    "alter table t add column c int default 1, alter a type bigint",
    "truncate t",
    "drop table t",
    "create table made (x serial primary key, y text); insert into made (y) values ('a'), ('b')",
    "create table made as select * from t",
    "alter table u add foreign key (a) references t",
    "create view made as select * from t; comment on view made is 'x'",
    "drop table t; create table t (a text); insert into t values ('other')",
    "create schema made; alter table t set schema made",
)
AFTERWARDS = (
    "alter table {t} add column z int default 3",
    "insert into {t} select from generate_series(1, 2)",
    "create index later on {t} (z)",
    "update {t} set z = 4",
)


@pytest.mark.parametrize("end", ["commit", "rollback"])
@pytest.mark.parametrize("text", PREPARED)
@pytest.mark.parametrize("between", ["restart", "restart, checkpoint and restart"])
def test_prepared_definitions_end_after_a_restart_as_without(
    text: str, between: str, end: str, tmp_path: Path
) -> None:
    states = []
    for number, restarts in enumerate((False, True)):
        database = DurableSqlDatabase(
            tmp_path / str(number),
            "create table t (a int primary key, b text default 'b')",
            "insert into t values (1, 'x'), (2, 'y')",
            "create index ti on t (b)",
            "create table u (a int)",
        )
        database.session().run_all(f"begin; {text}; prepare transaction 'g'")
        if restarts:
            database = _restarted(database, between)
        database.session().run_all(f"{end} prepared 'g'")
        _go_on(database)
        states.append((state_of(database.engine), _kernel(database.engine)))
        left = state_of(database.engine)
        database = reopened(database)
        assert state_of(database.engine) == left
        database.engine.close()
    assert states[0] == states[1]


def _restarted(database: DurableSqlDatabase, between: str) -> DurableSqlDatabase:
    database = reopened(database)
    if between == "restart":
        return database
    checkpoint(database)
    return reopened(database)


def _go_on(database: DurableSqlDatabase) -> None:
    """Statements that work only if storages are as the catalog says."""
    for name in ("t", "u", "made", "made.t"):
        for text in AFTERWARDS:
            try:
                database.session().run_all(text.format(t=name))
            except errors.DatabaseError as error:
                assert error.sqlstate in ("42P01", "3F000", "23502", "23505", "42809", "42P07", "0A000"), (
                    text,
                    error,
                )


def _kernel(engine: Engine) -> list[object]:
    """What storages are like: widths, what short rows lack, and which indexes there are."""
    storages = sorted(engine.stores.all(), key=lambda each: each.storage_id)
    return [(s.storage_id, s.width, s.padded(()), sorted(s.indexes)) for s in storages]


def test_a_table_takes_no_place_in_the_base_that_a_dropped_one_still_has(tmp_path: Path) -> None:
    """A snapshot kept the dropped table's blocks through a checkpoint, and a kill came before the next one."""
    database = DurableSqlDatabase(
        tmp_path / "first", "create table other (a int)", "create table old (a int primary key)"
    )
    database.session().run_all("insert into old select generate_series(1, 1000)")
    checkpoint(database)
    reader = database.session("reader")
    reader.run_all("begin isolation level repeatable read")
    reader.run_all("select * from other")
    storages = {storage.storage_id for storage in database.engine.stores.all() if storage.shapes is None}
    database.session().run_all("drop table old")
    checkpoint(database)
    killed = DurableSqlDatabase(database.copy(tmp_path / "killed"))
    database.engine.close()
    killed.session().run_all("create table new (a int primary key)")
    assert sum(storage.storage_id in storages for storage in killed.engine.stores.all()) == 1
    killed.session().run_all("insert into new select generate_series(1, 5)")
    checkpoint(killed)
    killed = reopened(killed)
    assert killed.rows("select sum(a) from new") == [(15,)]
    killed.engine.close()
