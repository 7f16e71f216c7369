"""The change feed: replayed onto a copy it gives every table as it was at every epoch, whatever has been rolled back,
truncated, rewritten or dropped; however it is cut into pieces, nothing is missing and nothing comes twice.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterator

import pytest
from support.builds import this_builds
from support.random_changes import TABLES, ChangeMaker
from support.sessions import SqlDatabase, SqlSession

from skerry_engine import errors
from skerry_engine.session.steps import Complete, Description, Rows, Wait
from skerry_engine.txn import commit as txn_commit
from skerry_engine.values.io import IoContext, text_encoder

DEFINITIONS = [
    "truncate c",
    "truncate a cascade",
    "alter table a add column z int default 4",
    "alter table a drop column z",
    "alter table a alter column x type bigint",
    "alter table c alter column n type text",
    "create index on c (n)",
    "drop table extra",
    "create table extra as select id, t from a",
    "create table extra (k text primary key)",
    "insert into extra select 'k' || g from generate_series(1, 5) g on conflict do nothing",
    "alter table extra rename to other",
    "alter table other rename to extra",
    "create temp table mine as select * from a",
    "insert into mine select * from a",
    "drop table mine",
    "drop table e",
    "create table e (id int, x bigint, d date)",
    "alter table e rename column x to w",
    "alter table e rename column w to x",
]

State = dict[str, str | None]


def texts(session: SqlSession, query: str) -> list[State]:
    """A query's rows by column name, values as text."""
    encoders = []
    found: list[State] = []
    for step in session.run_all(query):
        if isinstance(step, Description):
            encoders = [(c.name, text_encoder(c.type, IoContext())) for c in step.columns]
        elif isinstance(step, Rows):
            for row in step.rows:
                pairs = zip(encoders, row, strict=True)
                found.append({name: None if v is None else encode(v) for (name, encode), v in pairs})
    return found


def frozen(states: list[State]) -> Counter[str]:
    return Counter(json.dumps(state, sort_keys=True) for state in states)


class Follower:
    """A copy of a database that knows it by its feed only, and the catalog by AS OF."""

    def __init__(self, session: SqlSession, epoch: int) -> None:
        self.session = session
        self.epoch = epoch
        self.names: dict[str, str] = {}
        self.tables: dict[str, list[State]] = {}
        for oid, name in self._catalog(epoch).items():
            self.names[oid] = name
            self.tables[oid] = self._contents(name, epoch)

    def _catalog(self, epoch: int) -> dict[str, str]:
        found = self.session.rows(
            "select oid, relname from pg_class where relkind = 'r' and relnamespace = 2200 as of epoch"
            f" {epoch}"
        )
        return {str(oid): str(name) for oid, name in found}

    def _contents(self, name: str, epoch: int) -> list[State]:
        return texts(self.session, f"select * from {name} as of epoch {epoch}")

    def _columns(self, name: str, epoch: int) -> list[tuple[object, ...]]:
        return self.session.rows(
            "select attname, atttypid from pg_attribute where attnum > 0 and not attisdropped"
            f" and attrelid = 'public.{name}'::regclass order by attnum as of epoch {epoch}"
        )

    def follow(self, epoch: int, events: list[tuple[object, ...]]) -> None:
        """Apply what one commit did, and compare every table."""
        before, self.names = self.names, self._catalog(epoch)
        oids = {name: oid for oid, name in self.names.items()}
        for oid in self.names.keys() - before.keys():
            self.tables[oid] = []
        dropped = {oid for oid in before if oid not in self.names}
        for oid in self.names.keys() & before.keys():
            if self._columns(self.names[oid], epoch) != self._columns(before[oid], epoch - 1):
                self.reload(oid, epoch)
                events = [e for e in events if oids.get(str(e[4])) != oid]
        for event in events:
            kind, table, old, new = event[5], str(event[4]), event[9], event[10]
            if kind == "drop":
                dropped.remove(next(o for o in dropped if before[o] == table))
                continue
            rows = self.tables[oids[table]]
            if kind == "truncate":
                rows.clear()
            elif kind == "rewrite":
                self.reload(oids[table], epoch)
            else:
                if old is not None:
                    rows.remove(state_of(event[7], old))
                if new is not None:
                    rows.append(state_of(event[7], new))
        assert not dropped, "a drop was not told"
        for oid, name in self.names.items():
            assert frozen(self.tables[oid]) == frozen(self._contents(name, epoch)), (epoch, name)

    def reload(self, oid: str, epoch: int) -> None:
        self.tables[oid] = self._contents(self.names[oid], epoch)


def state_of(names: object, values: object) -> State:
    return dict(zip(names, values, strict=True))  # type: ignore[call-overload,no-any-return]


def raw(session: SqlSession, since: int, position: int | None, limit: int) -> list[tuple[object, ...]]:
    """(epoch, time, position, row id, table, kind, ...) as skerry.raw_changes() has them, without the schema."""
    place = "null" if position is None else str(position)
    rows = session.rows(f"select * from skerry.raw_changes({since}, {place}, {limit}, null)")
    return [(*row[:4], *row[5:]) for row in rows]


def pieces(session: SqlSession, since: int, rng: random.Random) -> Iterator[tuple[object, ...]]:
    """The feed to its end, read in pieces of random size."""
    epoch, position = since, None
    while True:
        rows = raw(session, epoch, position, rng.randrange(1, 12))
        for row in rows:
            if row[5] is not None:
                yield row
        last = rows[-1]
        if last[2] is None:
            return
        epoch, position = last[0], last[2]  # type: ignore[assignment]


class World:
    """Sessions that change things at random."""

    def __init__(self, seed: int, retention_s: float) -> None:
        self.rng = random.Random(seed)
        self.database = SqlDatabase(TABLES)
        self.database.engine.set_retention(retention_s, None)
        self.session = self.database.session()
        self.changes = ChangeMaker(self.rng)

    def attempt(self, text: str) -> bool:
        try:
            self.session.run_all(text)
            return True
        except errors.DatabaseError:
            return False

    def change(self) -> None:
        pick = self.rng.randrange(10)
        if pick < 4:
            self.attempt(self.changes.change())
        elif pick < 6:
            self.attempt(self.rng.choice(DEFINITIONS))
        else:
            self.attempt("begin isolation level " + self.rng.choice(["read committed", "repeatable read"]))
            for _ in range(self.rng.randrange(1, 6)):
                text = self.rng.choice([self.changes.change(), self.rng.choice(DEFINITIONS)])
                self.attempt("savepoint s")
                if not self.attempt(text) or self.rng.randrange(4) == 0:
                    self.attempt("rollback to s")
            self.end()

    def end(self) -> None:
        if self.rng.randrange(4) == 0 and self.attempt("prepare transaction 'g'"):
            self.attempt(
                self.rng.choice(["commit prepared 'g'", "commit prepared 'g'", "rollback prepared 'g'"])
            )
        else:
            self.attempt(self.rng.choice(["commit", "commit", "commit", "rollback"]))
        assert not self.session.session.in_block


@pytest.mark.parametrize("slice_rows", [1000, 3])
@pytest.mark.parametrize("seed", this_builds(range(4)))
def test_the_feed_replayed_gives_every_epoch(
    seed: int, slice_rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With tiny slices every transaction is a large one, which is installed ahead of its epoch."""
    from skerry_engine.txn import feed, transaction

    for module in (txn_commit, transaction):
        monkeypatch.setattr(module, "SLICE_ROWS", slice_rows)
    monkeypatch.setattr(feed, "CAPTURED_PER_SLICE", slice_rows)
    world = World(seed, 3600)
    manager = world.database.engine.manager
    start = manager.published
    for _ in range(45):
        world.change()
    reader = world.database.session("reader")
    whole = raw(reader, start, None, 1 << 40)
    assert whole[-1][0] == manager.published and whole[-1][5] is None
    whole.pop()
    places = [(row[0], row[2]) for row in whole]
    assert places == sorted(set(places))
    assert list(pieces(reader, start, world.rng)) == whole
    follower = Follower(reader, start)
    for epoch in range(start + 1, manager.published + 1):
        follower.follow(epoch, [row for row in whole if row[0] == epoch])
    assert len({row[5] for row in whole}) >= 5


@pytest.mark.parametrize("seed", this_builds(range(4)))
def test_a_subscriber_reads_the_same_without_history(seed: int) -> None:
    """What is kept for a subscriber is what history would have kept; what he has read goes."""
    kept, live = World(seed, 3600), World(seed, 0)
    reader = live.database.session("reader")
    manager = live.database.engine.manager
    epoch = manager.published
    assert reader.rows("select skerry.subscribe()") == [(epoch,)]
    assert kept.database.engine.manager.published == epoch
    found = []
    start = epoch
    for _ in range(60):
        kept.change()
        live.change()
        if live.rng.randrange(6) == kept.rng.randrange(6):
            manager.gc()
            rows = raw(reader, epoch, None, 1 << 40)
            epoch = rows.pop()[0]
            found += rows
    found += raw(reader, epoch, None, 1 << 40)[:-1]
    expected = raw(kept.database.session("reader"), start, None, 1 << 40)[:-1]
    assert [(row[0], *row[2:]) for row in found] == [(row[0], *row[2:]) for row in expected]
    raw(reader, manager.published, None, 1)
    manager.gc()
    assert manager.feed.memory.size_bytes == 0
    assert len(manager._old_catalogs) == 0 and not manager._retired
    reader.session.close()
    assert not manager.feed.is_recording


# --- what it says --------------------------------------------------------------------------------------------


@pytest.fixture
def database() -> SqlDatabase:
    made = SqlDatabase("create table t (id int primary key, v text)", "insert into t values (1, 'a')")
    made.session().run_all("select skerry.subscribe()")
    return made


def changes(database: SqlDatabase, since: int | None = None) -> list[tuple[object, ...]]:
    """(table, kind, key, old, new) of what there is."""
    begin = database.engine.manager.oldest_change() if since is None else since
    return database.rows(f"select table_name, kind, key, old, new from skerry.changes({begin})")


def test_a_change_has_key_old_and_new(database: SqlDatabase) -> None:
    database.session().run_all(
        "update t set id = 2; insert into t values (1, null); delete from t where id = 2"
    )
    database.session().run_all("update t set v = v")
    assert changes(database) == [
        ("t", "delete", '{"id": 1}', '{"v": "a", "id": 1}', None),
        ("t", "insert", '{"id": 1}', None, '{"v": null, "id": 1}'),
        ("t", "update", '{"id": 1}', '{"v": null, "id": 1}', '{"v": null, "id": 1}'),
    ]


def test_what_comes_to_nothing_is_none(database: SqlDatabase) -> None:
    session = database.session()
    session.run_all("begin; insert into t values (5, 'x'); delete from t where id = 5; commit")
    session.run_all("begin; insert into t values (5, 'x'); rollback")
    session.run_all("begin; create table n (a int); insert into n values (1); drop table n; commit")
    session.run_all("create temp table tt (a int); insert into tt values (1); truncate tt; drop table tt")
    session.run_all("create view w as select 1; create index on t (v); alter table t add q int default 3")
    assert changes(database) == []


def test_whole_tables(database: SqlDatabase) -> None:
    session = database.session()
    session.run_all(
        "begin; insert into t values (7, 'lost'); truncate t; insert into t values (8, 'k'); commit"
    )
    session.run_all("begin; insert into t values (9, 'in it'); alter table t alter id type bigint; commit")
    session.run_all(
        "begin; create table n (a int); insert into n values (1); alter table n alter a type text; commit"
    )
    session.run_all(
        "begin; truncate t; insert into t values (3, 'z'); alter table t alter v type int using 4; commit"
    )
    session.run_all("begin; create table m as select 5 as five; truncate m; insert into m values (6); commit")
    session.run_all("drop table n, t")
    assert changes(database) == [
        ("t", "truncate", None, None, None),
        ("t", "insert", '{"id": 8}', None, '{"v": "k", "id": 8}'),
        ("t", "rewrite", None, None, None),
        ("n", "insert", None, None, '{"a": "1"}'),
        ("t", "truncate", None, None, None),
        ("t", "insert", '{"id": 3}', None, '{"v": 4, "id": 3}'),
        ("m", "insert", None, None, '{"five": 6}'),
        ("t", "drop", None, None, None),
        ("n", "drop", None, None, None),
    ]


def test_other_databases_have_a_feed_of_their_own(database: SqlDatabase) -> None:
    database.session().run_all("create database other")
    other = database.engine.open_session("other", "skerry")
    for text in ("create table t (b int)", "insert into t values (3)"):
        for _ in other.simple_query(text):
            pass
    database.session().run_all("insert into t values (4, 'd')")
    assert [row[4] for row in changes(database)] == ['{"v": "d", "id": 4}']
    since = database.engine.manager.oldest_change()
    rows = [
        row
        for step in other.simple_query(f"select new from skerry.changes({since})")
        if isinstance(step, Rows)
        for row in step.rows
    ]
    assert rows == [('{"b": 3}',)]
    other.close()
    database.session().run_all("drop database other")
    assert len(changes(database)) == 1


def test_changes_are_those_that_the_snapshot_sees(database: SqlDatabase) -> None:
    session, other = database.session(), database.session("other")
    since = database.engine.manager.published
    session.run_all("begin isolation level repeatable read; select 1")
    other.run_all("insert into t values (2, 'b')")
    assert changes(database, since) == []
    session.run_all("insert into t values (3, 'own')")
    assert changes(database, since) == []
    session.run_all("commit")
    assert [row[2] for row in changes(database, since)] == ['{"id": 2}', '{"id": 3}']


def test_max_changes_leaves_commits_whole(database: SqlDatabase) -> None:
    since = database.engine.manager.published
    for number in range(2, 20, 3):
        database.session().run_all(
            f"insert into t select g, 'x' from generate_series({number}, {number + 2}) g"
        )
    for limit, expected in ((0, 0), (1, 3), (3, 3), (4, 6), (6, 6), (100, 18)):
        rows = database.rows(f"select * from skerry.changes({since}, {limit})")
        assert len(rows) == expected, limit


def test_beyond_the_limit_the_oldest_go_and_it_is_told(database: SqlDatabase) -> None:
    session = database.session()
    since = database.engine.manager.published
    database.engine.set_retention(None, 50_000)
    for number in range(100):
        session.run_all(f"update t set v = repeat('{number % 10}', 1000)")
    manager = database.engine.manager
    assert 20_000 < manager.feed.memory.size_bytes <= 50_000
    floor = manager.oldest_change()
    assert since < floor < manager.published
    for late in (since, floor - 1):
        with pytest.raises(
            errors.HistoryNotRetained, match=f"the changes since epoch {late} are not retained"
        ):
            session.rows(f"select * from skerry.changes({late})")
        with pytest.raises(errors.HistoryNotRetained):
            database.session("new").rows(f"select skerry.subscribe({late})")
    assert len(session.rows(f"select * from skerry.changes({floor})")) == manager.published - floor


def test_nobody_records_without_being_asked() -> None:
    database = SqlDatabase("create table t (id int)", "insert into t values (1)")
    manager = database.engine.manager
    assert not manager.feed.is_recording
    with pytest.raises(errors.HistoryNotRetained, match="the changes since epoch 1 are not retained"):
        database.rows("select * from skerry.changes(1)")
    with pytest.raises(errors.HistoryNotRetained):
        database.rows("select skerry.wait_for_changes(1, 0)")
    with pytest.raises(errors.HistoryNotRetained):
        database.rows("select skerry.subscribe(1)")
    with pytest.raises(errors.InvalidParameterValue):
        database.rows("select skerry.subscribe(1000)")
    database.rows("select skerry.subscribe()")
    assert manager.feed.is_recording
    database.rows("select skerry.unsubscribe()")
    assert not manager.feed.is_recording and manager.feed.memory.size_bytes == 0


def test_a_dropped_table_stays_until_its_changes_are_read(database: SqlDatabase) -> None:
    session = database.session()
    since = database.engine.manager.published
    session.run_all("insert into t values (2, 'b')")
    session.run_all("alter table t add w int default 9")
    session.run_all("drop table t")
    stores = database.engine.stores
    database.engine.manager.gc()
    assert sum(storage.shapes is None for storage in stores.all()) == 1
    assert [row[1:] for row in changes(database, since)] == [
        ("insert", '{"id": 2}', None, '{"v": "b", "id": 2}'),
        ("drop", None, None, None),
    ]
    changes(database, database.engine.manager.published)
    database.engine.manager.gc()
    assert all(storage.shapes is not None for storage in stores.all())
    assert not changes(database, database.engine.manager.published)


def test_a_transaction_that_was_under_way_is_in_the_feed() -> None:
    """Large ones are installed ahead of their commit: a subscriber may come in the middle of it."""
    database = SqlDatabase("create table t (id int primary key, v int)")
    session, reader = database.session(), database.session("reader")
    session.run_all("insert into t select g, 0 from generate_series(1, 5000) g")
    session.run_all("begin; update t set v = 1")
    commit = session.session.simple_query("commit")
    for _ in range(4):
        next(commit)
    session_prepared = database.session("prepared")
    session_prepared.run_all("begin; insert into t values (9000, 5); prepare transaction 'p'")
    reader.rows("select skerry.subscribe()")
    since = database.engine.manager.published
    for _ in commit:
        pass
    session_prepared.run_all("commit prepared 'p'")
    rows = reader.rows(f"select kind, old, new from skerry.changes({since})")
    assert len(rows) == 5001
    assert rows[0] == ("update", '{"v": 0, "id": 1}', '{"v": 1, "id": 1}')
    assert rows[-1] == ("insert", None, '{"v": 5, "id": 9000}')


# --- waiting and being told ----------------------------------------------------------------------------------


def test_waiting_ends_with_the_next_commit(database: SqlDatabase) -> None:
    reader = database.session("reader")
    newest = database.engine.manager.published
    assert reader.rows(f"select skerry.wait_for_changes({newest - 1}, 60)") == [(newest,)]
    assert reader.rows(f"select skerry.wait_for_changes({newest}, 0)") == [(newest,)]
    steps = reader.session.simple_query(f"select skerry.wait_for_changes({newest}, 60)")
    waited = 0
    found = None
    woken: list[int] = []
    for step in steps:
        if isinstance(step, Wait):
            waited += 1
            assert waited < 3
            if waited == 1:
                assert not step.waiting.is_over()
                step.waiting.on_over(lambda: woken.append(1))
                database.session().run_all("select count(*) from t")
                assert not woken
                database.session().run_all("insert into t values (2, 'b')")
                assert woken
        elif isinstance(step, Rows):
            found = step.rows
    assert found == [(newest + 1,)]


def test_waiting_ends_with_its_time(database: SqlDatabase) -> None:
    newest = database.engine.manager.published
    steps = database.session("reader").session.simple_query(f"select skerry.wait_for_changes({newest}, 0.05)")
    waits = [step for step in steps if isinstance(step, Wait) and _slept(step)]
    assert len(waits) == 1


def _slept(step: Wait) -> bool:
    import time

    deadline = step.waiting.deadline_s()
    assert deadline is not None
    time.sleep(max(0.0, deadline - time.monotonic()))
    return True


def test_listeners_are_told_of_commits_that_change_their_database(database: SqlDatabase) -> None:
    session, listener = database.session(), database.session("listener")
    listener.run_all("listen skerry_changes")
    session.run_all("create table n (a int)")
    session.run_all("insert into t values (2, 'b'), (3, 'c')")
    session.run_all("begin; insert into t values (4, 'b'); rollback")
    session.run_all("update t set v = 'x' where id = 99")
    session.run_all("create temp table tt as select 1 as one")
    session.run_all("truncate t")
    newest = database.engine.manager.published
    told = listener.session.take_notifications(10)
    assert [(n.channel, n.payload) for n in told] == [
        ("skerry_changes", str(newest - 2)),
        ("skerry_changes", str(newest)),
    ]
    assert [row[0] for row in session.rows(f"select epoch from skerry.changes({newest - 3})")] == [
        newest - 2,
        newest - 2,
        newest,
    ]


def test_a_suspended_reader_reads_on_as_it_began(database: SqlDatabase) -> None:
    session = database.session()
    since = database.engine.manager.published
    session.run_all("insert into t select g, 'x' from generate_series(2, 4000) g")
    reader = database.session("reader")
    reader.run_all(f"begin; declare c cursor for select new from skerry.changes({since})")
    assert len(reader.rows("fetch 10 from c")) == 10
    session.run_all("insert into t values (-1, 'later')")
    rest = reader.rows("fetch all from c")
    assert len(rest) == 3989 and not any("later" in str(row) for row in rest)
    assert [step.tag for step in reader.run_all("commit") if isinstance(step, Complete)] == ["COMMIT"]
