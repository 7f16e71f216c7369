"""Databases in directories that keep their past, beside a twin in memory that never stops.

`PastWorld` does random things to both: transactions small and large, with savepoints, definitions, TRUNCATE, prepared
transactions, temporary tables; checkpoints, kills and clean stops to the one in the directory.  It notes what every
table held after each commit, as anybody would have read it then; `check` compares the past with that, and the feed
with the twin's.
"""

from __future__ import annotations

import random
from pathlib import Path

from skerry_engine.catalog.catalog import Catalog
from skerry_engine.catalog.codec import encode_delta
from skerry_engine.engine import Engine
from skerry_engine.storage.index import Index
from skerry_engine.storage.reader import TableReader
from support.durable import DurableSqlDatabase, state_of
from support.sessions import SqlDatabase

HOUR_S = 3600
DEFINITIONS = 9

Tables = dict[str, list[str]]


class PastDatabase(DurableSqlDatabase):
    """A database in a directory with its past."""

    def __init__(self, directory: Path, retention_bytes: int | None = None, *setup: str) -> None:
        self.retention_bytes = retention_bytes
        super().__init__(directory, *setup)

    def open_engine(self) -> Engine:
        """The engine that is durable."""
        return Engine.open(
            str(self.directory),
            retention_s=HOUR_S,
            retention_bytes=self.retention_bytes,
            gc_interval_commits=3,
        )


class MemoryDatabase(SqlDatabase):
    """A database in memory with its past."""

    def open_engine(self) -> Engine:
        """The engine."""
        return Engine.open(":memory:", retention_s=HOUR_S)


def epoch_of(database: SqlDatabase) -> int:
    """The newest epoch."""
    return database.engine.manager.published


def floor_of(database: SqlDatabase) -> int:
    """The oldest epoch that can be read."""
    return database.engine.manager.oldest_retained_epoch()


def tables_of(database: SqlDatabase, epoch: int | None = None) -> Tables:
    """What every table holds, now or at an epoch, in no order."""
    as_of = "" if epoch is None else f" as of epoch {epoch}"
    names = database.rows(
        "select relname from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace" + as_of
    )
    return {
        str(name): sorted(repr(row) for row in database.rows(f"select * from {name}{as_of}"))
        for (name,) in names
    }


def events_of(database: SqlDatabase, since: int) -> list[tuple[object, ...]]:
    """The feed since an epoch; row ids are left out, as some are lost in a kill, and times."""
    return database.rows(
        f"select epoch, position, schema_name, table_name, kind, key, old, new from skerry.changes({since})"
    )


def last_definition(engine: Engine, until: int) -> int:
    """The epoch of the last change of the catalog, up to an epoch, temporary tables aside; 0 for none that is kept."""
    manager = engine.manager
    for epoch in range(until, manager.oldest_retained_epoch(), -1):
        before, after = manager.catalog_at(epoch - 1), manager.catalog_at(epoch)
        assert isinstance(before, Catalog) and isinstance(after, Catalog)
        if before is not after and encode_delta(before, after) is not None:
            return epoch
    return 0


class PastWorld:
    """See above.  `written` are the tables as of each epoch, noted when it was the newest.

    Without definitions everything since the first checkpoint stays readable.
    """

    def __init__(self, directory: Path, seed: int, with_definitions: bool = True) -> None:
        self._with_definitions = with_definitions
        self.random = random.Random(seed)
        self.directory = directory
        self.database = PastDatabase(directory / "0")
        self.twin = MemoryDatabase()
        self.written: dict[int, Tables] = {epoch_of(self.database): {}}
        self.names: list[str] = []
        self.restarts = 0
        self._made = 0
        self._next_id = 0
        self._waiting: list[str] = []
        self._is_blocked = False
        self.heard: list[tuple[object, ...]] = []
        self._token = 1
        self.run("create table waiting (id int primary key, a int)")
        self._create()

    # --- what is done ---------------------------------------------------------------------------------------

    def run(self, text: str, session: str = "main") -> None:
        """Do the same to both."""
        for database in (self.database, self.twin):
            database.session(session).run_all(text)
        self._note()

    def _note(self) -> None:
        self.database.flush()
        epoch = epoch_of(self.database)
        assert epoch == epoch_of(self.twin)
        if epoch not in self.written:
            self.written[epoch] = tables_of(self.database)

    def step(self) -> None:
        """Something."""
        actions = (
            [self.transaction] * 8
            + [self.large, self.prepare, self.prepare, self.finish, self.finish]
            + [self._temporary, self._listen]
            + [self.checkpoint, self.checkpoint, self.kill, self.stop]
        )
        if self._with_definitions:
            actions += [self.define] * 2
        self.random.choice(actions)()

    def _ids(self, count: int) -> range:
        first = self._next_id
        self._next_id += count
        return range(first, first + count)

    def _statement(self) -> str:
        choose = self.random
        name = choose.choice(self.names)
        kind = choose.randrange(8)
        low = choose.randrange(self._next_id + 1)
        if kind < 4:
            values = ", ".join(
                f"({i}, {choose.randrange(9)}, 'x{i}')" for i in self._ids(choose.randint(1, 4))
            )
            return f"insert into {name} (id, a, b) values {values}"
        if kind < 6:
            return f"update {name} set a = a + 1 where id between {low} and {low + choose.randrange(9)}"
        if kind == 6:
            return (
                f"update {name} set id = -id, b = 'y' where id between {low} and {low + choose.randrange(4)}"
            )
        return f"delete from {name} where id between {low} and {low + choose.randrange(5)}"

    def transaction(self) -> None:
        """A few statements."""
        statements = ["begin"]
        depth = 0
        for _ in range(self.random.randint(1, 5)):
            statements.append(self._statement())
            kind = self.random.randrange(8)
            if kind == 0:
                depth += 1
                statements.append(f"savepoint s{depth}")
            elif kind == 1 and depth:
                statements.append(f"rollback to s{depth}")
            elif kind == 2 and depth:
                statements.append(f"release s{depth}")
                depth -= 1
        statements.append("rollback" if self.random.randrange(10) == 0 else "commit")
        self.run("; ".join(statements))

    def large(self) -> None:
        """A transaction that is logged, mostly, in chunks."""
        name = self.random.choice(self.names)
        count = self.random.randint(1001, 1300)
        kind = self.random.randrange(3)
        if kind == 0:
            first = self._ids(count)[0]
            rows = f"select i, i % 7, 'z' from generate_series({first}, {first + count - 1}) i"
            self.run(f"begin; insert into {name} (id, a, b) {rows}; {self._statement()}; commit")
        else:
            self.run(
                f"update {name} set a = coalesce(a, 0) + 1"
                if kind == 1
                else f"delete from {name} where a = 1"
            )

    def _create(self) -> None:
        name = f"t{self._made}"
        self._made += 1
        self.names.append(name)
        self.run(f"create table {name} (id int primary key, a int, b text); create index on {name} (a, id)")

    def define(self, kind: int | None = None) -> None:
        """A definition, of one of `DEFINITIONS` kinds, mostly with changes in the same transaction."""
        choose = self.random
        name = choose.choice(self.names)
        made = f"t{self._made}"
        kind = choose.randrange(DEFINITIONS) if kind is None else kind
        if kind == 0:
            self._create()
        elif kind == 1 and len(self.names) > 2:
            self.names.remove(name)
            self.run(f"drop table {name}")
        elif kind == 2:
            self._made += 1
            self.names.append(made)
            self.run(
                f"begin; create table {made} as select id, a, b from {name} where a > 2; "
                f"update {made} set b = 'new' where a = 4; alter table {made} add primary key (id); "
                f"{self._statement()}; commit"
            )
        elif kind == 3:
            self._made += 1
            self.run(
                f"begin; {self._statement()}; alter table {name} add column c{self._made} int default 5; commit"
            )
        elif kind == 4:
            wanted = choose.choice(["bigint", "int", "numeric"])
            self.run(f"begin; {self._statement()}; alter table {name} alter column a type {wanted}; commit")
        elif kind == 5:
            rest = (
                f"truncate {name}; insert into {name} (id, a, b) values ({self._ids(1)[0]}, 1, 't'); commit"
            )
            self.run(f"begin; {self._statement()}; {rest}")
        elif kind == 6:
            self._made += 1
            self.run(f"create index i{self._made} on {name} (b, a)")
        elif kind == 7:
            self._made += 1
            self.run(f"create sequence s{self._made}; select nextval('s{self._made}')")
            self.run(f"drop sequence s{self._made}")
        else:
            self.run(f"comment on table {name} is '{self._made}'")

    def prepare(self) -> None:
        """Prepare a transaction, unless it would have to wait."""
        gid = f"g{self._made}"
        self._made += 1
        count = self.random.choice([1, 5, 1100])
        if count > 5:  # it takes a lock on all keys
            if self._waiting:
                return
            self._is_blocked = True
        elif self._is_blocked:
            return
        ids = self._ids(count)
        statements = [f"insert into waiting select i, 0 from generate_series({ids[0]}, {ids[-1]}) i"]
        if not self._waiting:
            statements.append("update waiting set a = a + 1")
        if self._with_definitions and self.random.randrange(3) == 0:
            statements.append(f"create table p{gid} as select 1 as x union all select 2")
            statements.append(f"insert into p{gid} values (3)")
        self.run(f"begin; {'; '.join(statements)}; prepare transaction '{gid}'")
        self._waiting.append(gid)

    def finish(self) -> None:
        """End one of those that are prepared."""
        if self._waiting:
            gid = self._waiting.pop(self.random.randrange(len(self._waiting)))
            self._is_blocked = False
            self.run(f"{self.random.choice(['commit', 'commit', 'rollback'])} prepared '{gid}'")

    def _temporary(self) -> None:
        """Commits that change nothing durable: they are epochs all the same."""
        for text in ("create temporary table passing (x int)", "insert into passing values (1)"):
            self.run(text, "passing")
        for database in (self.database, self.twin):
            database.sessions.pop("passing").session.close()
        self._note()

    def _listen(self) -> None:
        """Read on in the feed, from where it was read to last, perhaps before a restart."""
        if self._token < self.database.engine.manager.oldest_change():
            self.heard = []
            self._token = self.database.engine.manager.oldest_change()
        self.heard += events_of(self.database, self._token)
        self._token = epoch_of(self.database)

    # --- what happens to the directory ----------------------------------------------------------------------

    def checkpoint(self) -> None:
        """Make a checkpoint."""
        self.database.checkpoint()

    def kill(self) -> None:
        """Go on with what a kill leaves."""
        if self.random.randrange(2):
            self.database.session().run_all(f"begin; {self._statement()}")
        self._reopen(is_killed=True)

    def stop(self) -> None:
        """Stop cleanly, sometimes with a checkpoint before, and open again."""
        self._reopen(is_killed=False)

    def _reopen(self, is_killed: bool) -> None:
        old = self.database
        self.restarts += 1
        directory = self.directory / str(self.restarts)
        if not is_killed and self.random.randrange(2):
            old.checkpoint()
        base = base_epoch(old)
        floor = max(floor_of(old), last_definition(old.engine, base))
        if is_killed:
            assert old.engine.durable is not None
            old.engine.durable.flush()
            old.copy(directory)
            left = state_of(old.engine)
            old.close()
        else:
            left = state_of(old.engine)
            old.close()
            directory = old.directory
        engine = Engine.open(str(old.copy(self.directory / f"{self.restarts}-other")))
        assert state_of(engine) == left
        engine.close()
        self.database = PastDatabase(directory)
        assert floor_of(self.database) == floor, base
        self.check_newest(left)
        self.check()

    def check_newest(self, left: object) -> None:
        """The newest state, row counts and indexes included, is what it was."""
        assert epoch_of(self.database) == max(self.written)
        assert state_of(self.database.engine) == left
        self.database.sessions.clear()

    # --- what is compared -----------------------------------------------------------------------------------

    def check(self) -> None:
        """All of the past that can be read, by AS OF, by indexes, and in the feed."""
        floor = floor_of(self.database)
        for epoch in range(floor, epoch_of(self.database) + 1):
            assert tables_of(self.database, epoch) == self.written[epoch], epoch
            check_indexes(self.database.engine, epoch)
        since = self.database.engine.manager.oldest_change()
        assert since == floor
        assert events_of(self.database, since) == events_of(self.twin, since)

    def check_heard(self) -> None:
        """What was read in pieces is what is there as a whole."""
        self._listen()
        first = self.heard[0][0] if self.heard else self._token
        assert isinstance(first, int)
        whole = [event for event in events_of(self.twin, 1) if first <= event[0] <= self._token]  # type: ignore[operator]
        assert self.heard == whole


def base_epoch(database: DurableSqlDatabase) -> int:
    """The epoch of the last checkpoint."""
    durable = database.engine.durable
    assert durable is not None and durable._base is not None
    return durable._base.epoch


def check_indexes(engine: Engine, epoch: int) -> None:
    """At an epoch every index of the catalog of then leads to all rows, and to each once."""
    catalog = engine.manager.catalog_at(epoch)
    assert isinstance(catalog, Catalog)
    for database in catalog.databases.values():
        for table in database.tables():
            if table.is_temporary:
                continue
            storage = engine.stores.get(table.storage_id)
            reader = TableReader(storage, epoch, None, 0)
            ids: list[int] = []
            after = -1
            while True:
                some, _, after = reader.scan_ids_batch(after, 1000)
                ids += some
                if after == -1:
                    break
            for definition in table.indexes:
                assert sorted(_ids_in(reader, storage.indexes[definition.oid])) == ids


def _ids_in(reader: TableReader, index: Index) -> list[int]:
    found: list[int] = []
    place: bytes | None = None
    while True:
        numbers, _, place = reader.index_batch(index, None, None, place, 1000)
        found += numbers
        if place is None:
            return found
