"""AS OF: whatever was committed, and however much of it was collected, dropped or rewritten since, a statement AS OF
an epoch gives what the same statement gave when that epoch was the newest.

The model is what every epoch's probes gave when they were asked the first time.
"""

from __future__ import annotations

import random

import pytest
from support.builds import this_builds
from support.random_changes import CONTENTS, TABLES, ChangeMaker
from support.sessions import SqlDatabase

from skerry_engine import errors
from skerry_engine.engine import Engine
from skerry_engine.session.session import Session
from skerry_engine.session.steps import Complete, CopyData, Rows
from skerry_engine.txn.history import CHUNK_COMMITS, History, TimeLine
from skerry_engine.values.clock import wall_clock

PROBES = [
    *CONTENTS,
    "select * from a where x = 3 order by id",
    "select id, t from a where x between 2 and 5 order by x, id",
    "select id from c where t = 'q2' order by id",
    "select x, n from c where x > 20 order by x",
    "select count(*), sum(x), max(t) from a",
    "select a.t, count(*), sum(c.n) from a join c on c.a_id = a.id group by a.t order by 1",
    "select id from a where y = 2 and t = 'w1' and x > 3",
    "select * from extra order by 1",
    "select relname from pg_class where relkind in ('r', 'i') and relnamespace = 2200 order by 1",
    "select * from v order by 1",
]
DEFINITIONS = [
    "truncate c",
    "truncate a cascade",
    "alter table a add column z int default 4",
    "alter table a drop column z",
    "alter table a alter column x type bigint",
    "alter table c alter column n type text",
    "drop index a_x_idx",
    "create index a_x_idx on a (x)",
    "create index on c (n)",
    "create index c_up on c (upper(t))",
    "drop index c_up",
    "drop table extra",
    "create table extra as select id, t from a",
    "create table extra (k text primary key)",
    "insert into extra select 'k' || g from generate_series(1, 5) g on conflict do nothing",
    "alter table extra rename to other",
    "alter table other rename to extra",
    "drop table e",
    "create table e (id int, x bigint, d date)",
    "create view v as select id, x + 1 as up from a",
    "drop view v",
    "alter table e rename column x to w",
    "alter table e rename column w to x",
]


class Past:
    """A database with history, and what each of its epochs looked like."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.database = SqlDatabase(TABLES)
        self.manager = self.database.engine.manager
        self.database.engine.set_retention(3_600, None)
        self.session = self.database.session()
        self.changes = ChangeMaker(self.rng)
        self.seen: dict[int, list[object]] = {}

    def attempt(self, text: str) -> bool:
        try:
            self.session.run_all(text)
            return True
        except errors.DatabaseError:
            return False

    def probe(self, text: str) -> object:
        try:
            return self.session.rows(text)
        except errors.ProgrammingError as error:
            return error.sqlstate

    def look(self) -> None:
        """Note what the newest epoch looks like."""
        epoch = self.manager.published
        if epoch not in self.seen:
            self.seen[epoch] = [self.probe(text) for text in PROBES]

    def change(self) -> None:
        """Something happens: a statement, a definition, a transaction with parts undone."""
        pick = self.rng.randrange(10)
        if pick < 5:
            self.attempt(self.changes.change())
        elif pick < 7:
            self.attempt(self.rng.choice(DEFINITIONS))
        else:
            self.attempt("begin isolation level " + self.rng.choice(["read committed", "repeatable read"]))
            for _ in range(self.rng.randrange(1, 5)):
                text = self.rng.choice([self.changes.change(), self.rng.choice(DEFINITIONS)])
                self.attempt("savepoint s")
                if not self.attempt(text) or self.rng.randrange(4) == 0:
                    self.attempt("rollback to s")
            self.attempt(self.rng.choice(["commit", "commit", "commit", "rollback"]))
            assert not self.session.session.in_block
        self.look()

    def check(self, epoch: int) -> None:
        """An epoch looks as it did."""
        for text, expected in zip(PROBES, self.seen[epoch], strict=True):
            assert self.probe(f"{text} as of epoch {epoch}") == expected, (epoch, text)

    def check_in_block(self, epoch: int) -> None:
        """The same in a transaction."""
        for text, expected in zip(PROBES, self.seen[epoch], strict=True):
            self.session.run_all(f"begin as of epoch {epoch}")
            assert self.probe(text) == expected, (epoch, text)
            self.session.run_all("rollback")

    def shrink(self) -> None:
        """Let the oldest part of the past go."""
        history = self.manager.history
        limit, history.limit_bytes = history.limit_bytes, history.size_bytes * 2 // 3
        self.manager.gc()
        history.limit_bytes = limit


@pytest.mark.parametrize("seed", this_builds(range(12)))
def test_every_retained_epoch_looks_as_it_did(seed: int) -> None:
    past = Past(seed)
    past.look()
    for number in range(60):
        past.change()
        if number % 20 == 19:
            past.shrink()
            past.manager.gc()
            oldest = past.manager.oldest_retained_epoch()
            assert 1 < oldest <= past.manager.published
            for epoch in past.seen:
                if epoch >= oldest:
                    past.check(epoch)
                else:
                    with pytest.raises(errors.HistoryNotRetained):
                        past.session.rows(f"select 1 as of epoch {epoch}")
    past.check_in_block(past.rng.choice([e for e in past.seen if e >= oldest]))


@pytest.mark.parametrize("seed", this_builds(range(4)))
def test_when_history_ends_nothing_of_it_stays(seed: int) -> None:
    past = Past(seed)
    for _ in range(40):
        past.change()
    now = [past.probe(text) for text in PROBES]
    past.database.engine.set_retention(0, None)
    past.manager.gc()
    assert past.manager.collector.rows_waiting == 0
    assert past.manager.history.size_bytes == 0
    assert [past.probe(text) for text in PROBES] == now
    for storage in past.database.engine.stores.all():
        for page in storage.heap.pages:
            assert all(slot is None or isinstance(slot, tuple) for slot in page or ())
        assert set(storage.indexes) == {i.oid for i in _table(past, storage.storage_id).indexes}
        for index in storage.indexes.values():
            keys = sum(1 if isinstance(found, int) else len(found) for found in index.equal.values())
            assert keys == len(index.ordered)
            assert keys <= storage.row_count


def _table(past: Past, storage_id: int) -> object:
    databases = past.database.engine.published_catalog().databases.values()
    return next(table for each in databases for table in each.tables() if table.storage_id == storage_id)


def test_a_row_that_changes_all_the_time_is_collected_version_by_version() -> None:
    database = SqlDatabase("create table t (id int primary key, n int, s text)", "create index on t (n)")
    database.engine.set_retention(3_600, None)
    session = database.session()
    session.run_all("insert into t values (1, 0, 'x')")
    first = database.engine.manager.published
    for number in range(1, 400):
        session.run_all(f"update t set n = {number % 50} where id = 1")
    history = database.engine.manager.history
    for floor in range(first + 20, first + 399, 63):
        history._rise(floor)
        database.engine.manager.gc()
        for epoch in (floor, floor + 1, first + 399):
            expected = [(1, (epoch - first) % 50, "x")]
            assert session.rows(f"select * from t as of epoch {epoch}") == expected
            assert session.rows(f"select * from t where n = {expected[0][1]} as of epoch {epoch}") == expected
            assert (
                session.rows(f"select * from t where n = {(expected[0][1] + 1) % 50} as of epoch {epoch}")
                == []
            )


# --- what AS OF takes and refuses ---------------------------------------------------------------------------


@pytest.fixture
def database() -> SqlDatabase:
    made = SqlDatabase()
    made.engine.set_retention(3_600, None)
    made.session().run_all("create table t (id int primary key, v text)")
    made.session().run_all("insert into t values (1, 'a'), (2, 'b')")
    made.session().run_all("update t set v = 'c' where id = 1")
    return made


def then(database: SqlDatabase) -> int:
    """The epoch at which row 1 was 'a'."""
    return database.engine.manager.published - 1


@pytest.mark.parametrize(
    "value",
    [
        "{0}",
        "'{0}'",
        "{0}::bigint",
        "{0} + 0",
        "(select_free({0}))",
        "+{0}",
        "cast('{0}' as int)",
        "least({0}, 99)",
    ],
)
def test_the_epoch_is_any_expression(database: SqlDatabase, value: str) -> None:
    text = value.replace("select_free", "abs").format(then(database))
    assert database.rows(f"select v from t where id = 1 as of epoch {text}") == [("a",)]


@pytest.mark.parametrize(
    "value",
    [
        "skerry.epoch_time({0})",
        "timestamptz '{1}'",
        "'{1}'",
        "'{1}'::timestamptz",
        "'{1}'::text::timestamptz",
    ],
)
def test_the_time_is_any_expression(database: SqlDatabase, value: str) -> None:
    epoch = then(database)
    ((time,),) = database.rows(f"select skerry.epoch_time({epoch})::text")
    text = value.format(epoch, time)
    assert database.rows(f"select v from t where id = 1 as of timestamp {text}") == [("a",)]


def test_a_time_means_the_last_commit_at_or_before_it(database: SqlDatabase) -> None:
    line = database.engine.manager.history.line
    epoch = then(database)
    for before, expected in ((0, epoch), (1, epoch - 1)):
        time_us = line.time_of(epoch) - before
        assert database.rows(
            f"select skerry.epoch_at('2000-01-01Z'::timestamptz + interval '{time_us} us')"
        ) == [(expected,)]


def test_a_time_that_was_asked_for_gets_no_more_commits(database: SqlDatabase) -> None:
    session = database.session()
    for number in range(50):
        session.run_all("begin")
        ((time_us, count),) = session.rows(
            "select extract(epoch from clock_timestamp())::numeric * 1000000, count(*) from t"
        )
        session.run_all("rollback")
        text = f"select count(*) from t as of timestamp 'epoch'::timestamptz + interval '{time_us} us'"
        seen = session.rows(text)
        session.run_all(f"insert into t values ({number + 10}, 'n')")
        assert session.rows(text) == seen == [(count,)]


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("select 1 as of epoch 99", errors.InvalidParameterValue),
        ("select 1 as of epoch 0", errors.HistoryNotRetained),
        ("select 1 as of epoch -5", errors.HistoryNotRetained),
        ("select 1 as of epoch null", errors.NullValueNotAllowed),
        ("select 1 as of epoch 'x'", errors.InvalidTextRepresentation),
        ("select 1 as of epoch now()", errors.DatatypeMismatch),
        ("select 1 as of epoch (select 3)", errors.NotSupportedError),
        ("select 1 as of timestamp now() + interval '1 minute'", errors.InvalidParameterValue),
        ("select 1 as of timestamp now() - interval '1 minute'", errors.HistoryNotRetained),
        ("select 1 as of timestamp 'infinity'", errors.InvalidParameterValue),
        ("select 1 as of timestamp '-infinity'", errors.HistoryNotRetained),
        ("select * from (select 1 as of epoch 3) x", errors.SyntaxError),
        ("select 1 as of epoch", errors.SyntaxError),
        ("select 1 as of epoch 3 4", errors.SyntaxError),
        ("select 1 as of epoch $1", errors.UndefinedParameter),
        ("insert into t values (9, 'z') as of epoch {0}", errors.ReadOnlyViolation),
        ("update t set v = 'q' as of epoch {0}", errors.ReadOnlyViolation),
        ("delete from t as of epoch {0}", errors.ReadOnlyViolation),
        ("with x as (delete from t returning *) table x as of epoch {0}", errors.ReadOnlyViolation),
        ("select * from t for update as of epoch {0}", errors.ReadOnlyViolation),
        ("select nextval('s') as of epoch {0}", errors.ReadOnlyViolation),
        ("select pg_notify('c', 'x') as of epoch {0}", errors.ReadOnlyViolation),
        ("begin as of epoch {0}; insert into t values (9, 'z')", errors.ReadOnlyViolation),
        ("begin as of epoch {0}; create table x (a int)", errors.ReadOnlyViolation),
        ("begin as of epoch {0}; select * from t for share", errors.ReadOnlyViolation),
        ("begin as of epoch {0}; set transaction read write", errors.ReadOnlyViolation),
        ("begin as of epoch {0}; set transaction isolation level serializable", errors.NotSupportedError),
        ("begin as of epoch {0}; lock table t in share mode", errors.ReadOnlyViolation),
        ("begin as of epoch {0}; create temp table x (a int)", errors.ReadOnlyViolation),
        ("begin as of epoch {0}; insert into tt values (1)", errors.ReadOnlyViolation),
        ("begin isolation level serializable as of epoch {0}", errors.NotSupportedError),
        ("begin read write as of epoch {0}", errors.ReadOnlyViolation),
        ("begin; begin as of epoch {0}", errors.ActiveTransaction),
        ("begin as of epoch 99", errors.InvalidParameterValue),
        ("begin as of epoch $1", errors.UndefinedParameter),
        ("begin as of", errors.SyntaxError),
    ],
)
def test_refused(database: SqlDatabase, text: str, error: type[errors.DatabaseError]) -> None:
    session = database.session("other")
    session.run_all("create temp table tt (a int)")
    session.run_all("create sequence s")
    epoch = database.engine.manager.published
    with pytest.raises(error):
        session.run_all(text.format(epoch))
    session.run_all("rollback")
    assert session.rows("select count(*) from t") == [(2,)]
    manager = database.engine.manager
    assert not manager.active and not manager.readers


@pytest.mark.parametrize(
    "text",
    [
        "select 1 as of",
        "select t.id as of from t as of where of.id = 1",
        "select v as epoch from t as of",
        "select 1 as of, 2 as epoch",
        "with of as (select 1 as timestamp) select timestamp as of from of",
    ],
)
def test_of_stays_a_name(database: SqlDatabase, text: str) -> None:
    try:
        database.rows(text)
    except errors.DatabaseError as error:
        assert "as of where of" in text and isinstance(error, errors.UndefinedTable), error


def test_without_retention_the_present_is_all_there_is() -> None:
    database = SqlDatabase("create table t (a int)", "insert into t values (1)")
    session = database.session()
    newest = database.engine.manager.published
    assert session.rows(f"select * from t as of epoch {newest}") == [(1,)]
    with pytest.raises(errors.HistoryNotRetained, match="not retained"):
        session.rows(f"select * from t as of epoch {newest - 1}")
    with pytest.raises(errors.HistoryNotRetained):
        session.rows("select * from t as of timestamp now()")
    session.run_all(f"begin as of epoch {newest}")
    database.session("other").run_all("delete from t")
    assert session.rows("select * from t") == [(1,)]
    database.session("other").run_all("drop table t")
    assert session.rows("select * from t") == [(1,)]
    session.run_all("commit")


def test_a_statement_in_a_block_reads_the_past_and_leaves_the_block_alone(database: SqlDatabase) -> None:
    session = database.session()
    for level in ("read committed", "repeatable read", "serializable"):
        epoch = database.engine.manager.published
        session.run_all(f"begin isolation level {level}")
        session.run_all("insert into t values (7, 'mine')")
        assert session.rows(f"select count(*) from t as of epoch {epoch}") == [(2,)]
        assert session.rows("select count(*) from t") == [(3,)]
        with pytest.raises(errors.ReadOnlyViolation):
            session.run_all(f"savepoint a; delete from t as of epoch {epoch}")
        session.run_all("rollback to a")
        assert session.rows("select count(*) from t") == [(3,)]
        session.run_all("delete from t where id = 7")
        session.run_all("commit")


def test_a_dropped_table_comes_back_by_create_table_as(database: SqlDatabase) -> None:
    session = database.session()
    epoch = database.engine.manager.published
    session.run_all("drop table t")
    session.run_all(f"create table t as select * from t as of epoch {epoch}")
    assert session.rows("select * from t order by id") == [(1, "c"), (2, "b")]
    assert not database.engine.manager.active


def test_a_cursor_over_the_past_goes_with_its_transaction(database: SqlDatabase) -> None:
    session = database.session()
    epoch = then(database)
    session.run_all("drop table t")
    session.run_all(f"begin; declare c scroll cursor for select v from t order by id as of epoch {epoch}")
    assert session.rows("fetch 1 from c") == [("a",)]
    assert database.engine.manager.min_active() == epoch
    session.run_all("savepoint s")
    session.run_all(f"declare d cursor for select 1 as of epoch {epoch}")
    session.run_all("rollback to s")
    assert session.rows("fetch all from c") == [("b",)]
    assert session.rows("fetch backward all from c") == [("b",), ("a",)]
    session.run_all(f"declare h cursor with hold for select v from t order by id as of epoch {epoch}")
    session.run_all("commit")
    assert session.rows("fetch all from h") == [("a",), ("b",)]
    assert not database.engine.manager.active


def test_explain_copy_and_prepare(database: SqlDatabase) -> None:
    session = database.session()
    epoch = then(database)
    assert "Scan" in str(session.rows(f"explain analyze select * from t as of epoch {epoch}"))
    copied = session.run_all(f"copy (select v from t order by id as of epoch {epoch}) to stdout")
    assert [data for step in copied if isinstance(step, CopyData) for data in step.data] == [b"a\n", b"b\n"]
    session.run_all("prepare p as select v, $2 from t where id = $1 as of epoch $2")
    assert session.rows(f"execute p (1, {epoch})") == [("a", epoch)]
    assert session.rows(f"execute p (1, {epoch + 1})") == [("c", epoch + 1)]
    with pytest.raises(errors.UndefinedTable):
        session.rows("execute p (1, 1)")
    session.run_all("alter table t alter column v type int using 5")
    with pytest.raises(errors.NotSupportedError, match="must not change result type"):
        session.rows(f"execute p (1, {epoch + 2})")
    assert session.rows(f"execute p (1, {epoch})") == [("a", epoch)]


def extended(session: Session, text: str, values: list[bytes | None], max_rows: int = 0) -> list[object]:
    """A query by the extended protocol, its rows fetched `max_rows` at a time."""
    session.parse("", text, ())
    session.describe_statement("")
    session.bind("", "", values, (), ())
    rows: list[object] = []
    is_done = False
    while not is_done:
        for step in session.execute("", max_rows):
            if isinstance(step, Rows):
                rows += step.rows
            is_done = is_done or isinstance(step, Complete)
    for _ in session.sync():
        pass
    return rows


def test_by_the_extended_protocol(database: SqlDatabase) -> None:
    session = database.engine.open_session("postgres", "skerry")
    epoch = str(then(database)).encode()
    for max_rows in (0, 1):
        text = "select v from t where id <= $1 order by id as of epoch $2"
        assert extended(session, text, [b"2", epoch], max_rows) == [("a",), ("b",)]
    assert extended(session, "select $1::text as of epoch $2", [b"x", epoch]) == [("x",)]
    database.session().run_all("drop table t")
    assert extended(session, f"select count(*) from t as of epoch {epoch.decode()}", []) == [(2,)]
    assert not database.engine.manager.active


def test_plans_of_the_past_do_not_drive_out_those_of_the_present(database: SqlDatabase) -> None:
    session = database.session()
    epoch = then(database)
    session.run_all("alter table t add column w int")
    session.rows("select * from t where id = 1")
    plans = database.engine.plans
    statement = database.engine.statements.batch("select * from t where id = 1")[0][0]
    present = session.session.cached_plan(statement, ())
    assert present is not None
    for _ in range(2):
        assert session.rows(f"select * from t where id = 1 as of epoch {epoch}") == [(1, "a")]
    assert session.session.cached_plan(statement, ()) is present
    assert len([key for key in plans._plans if key[1] == statement.normalised.key]) == 2


def test_reading_the_past_waits_for_no_lock(database: SqlDatabase) -> None:
    other = database.session("other")
    other.run_all("begin")
    other.run_all("alter table t add column w int default 3")
    other.run_all("truncate t")
    epoch = database.engine.manager.published
    assert database.rows(f"select * from t order by id as of epoch {epoch}") == [(1, "c"), (2, "b")]
    other.run_all("rollback")


def test_an_index_is_made_although_the_past_has_no_keys_for_it(database: SqlDatabase) -> None:
    session = database.session()
    session.run_all("create table d (id int, a int)")
    session.run_all("insert into d values (1, 0), (2, 2), (3, 4), (4, 0)")
    epoch = database.engine.manager.published
    session.run_all("update d set a = 5 where id = 1")
    session.run_all("delete from d where id = 4")
    session.run_all("create index on d ((20 / a))")
    for number in range(1, 4):
        session.run_all(f"update d set a = {number} where id <> 2")
    assert session.rows(f"select * from d order by id as of epoch {epoch}") == [
        (1, 0),
        (2, 2),
        (3, 4),
        (4, 0),
    ]
    assert session.rows(f"select id from d where 20 / a = 4 as of epoch {epoch + 2}") == [(1,)]
    with pytest.raises(errors.DivisionByZero):
        session.rows(f"select id from d where 20 / a = 4 as of epoch {epoch}")
    with pytest.raises(errors.DivisionByZero):
        session.run_all("update d set a = 0")
    for floor in (epoch + 1, epoch + 2, epoch + 4, database.engine.manager.published):
        database.engine.manager.history._rise(floor)
        database.engine.manager.gc()
        assert session.rows("select id from d where 20 / a = 6 order by id") == [(1,), (3,)]
    assert database.engine.manager.collector.rows_waiting == 0


def test_retention_is_shown_and_set() -> None:
    database = SqlDatabase()
    session = database.session()
    assert session.rows("show skerry.retention") == [("0",)]
    session.run_all("select skerry.set_retention('90 min', '64MB')")
    assert session.rows(
        "select current_setting('skerry.retention'), current_setting('skerry.retention_bytes')"
    ) == [("90min", "64MB")]
    assert session.rows("select retention, retention_bytes from skerry.history") == [
        (session.rows("select interval '90 min'")[0][0], 64 << 20)
    ]
    with pytest.raises(errors.CantChangeRuntimeParameter):
        session.run_all("set skerry.retention = '1h'")
    with pytest.raises(errors.InvalidParameterValue):
        session.run_all("select skerry.set_retention('soon')")
    with pytest.raises(errors.InvalidParameterValue):
        Engine.open(retention_s=-1)


def test_the_floor_rises_with_time() -> None:
    history = History()
    now_us = wall_clock()
    history.is_on, history.retention_us = True, 10_000_000
    history.begin(100, now_us - 40_000_000)
    for number in range(1, 36):  # a commit a second, the last one five seconds ago
        history.note(100 + number, now_us - 40_000_000 + number * 1_000_000, 1000)
    assert history.advance(120) == 120
    assert history.advance(135) in (130, 131)
    assert history.size_bytes == (135 - history.floor) * 1000
    history.retention_us = 3_600_000_000
    assert history.advance(135) in (130, 131), "it never sinks"
    history.retention_us = 1_000_000
    assert history.advance(135) == 135
    assert history.size_bytes == 0


def test_the_time_line_is_exact_over_chunks_and_gaps() -> None:
    line = TimeLine()
    times: dict[int, int] = {}
    size: dict[int, int] = {}
    epoch, time_us, latest_us = 7, 1000, 0
    rng = random.Random(3)
    for _ in range(3 * CHUNK_COMMITS):
        time_us += rng.choice([0, 0, 1, 5, -3])
        line.add(epoch, time_us, epoch % 13)
        size[epoch] = epoch % 13
        times[epoch] = latest_us = max(time_us, latest_us)
        epoch += rng.choice([1, 1, 1, 2, 5])
    known = sorted(times)
    line.forget_before(known[5000])
    for number in range(5001, len(known), 37):
        before, here = known[number - 1], known[number]
        assert line.time_of(here) == times[here]
        assert line.epoch_at(times[here]) >= here
        assert times[here] == times[before] or line.epoch_at(times[here] - 1) < here
        assert line.size_between(known[5000], here) == sum(size[e] for e in known[5001 : number + 1])
    assert line.epoch_at(10**12) == known[-1]


def test_the_floor_rises_with_bytes() -> None:
    database = SqlDatabase("create table t (a int primary key, s text)", "insert into t values (1, '')")
    database.engine.set_retention(3_600, 102_400)
    for number in range(200):
        database.session().run_all(f"update t set s = repeat('{number % 10}', 1000)")
    history = database.engine.manager.history
    database.engine.manager.gc()
    assert 60_000 < history.size_bytes <= 102_400
    assert history.floor == database.engine.manager.published - database.engine.manager.collector.rows_waiting
    database.session().run_all("create table big as select repeat('x', 1000) from generate_series(1, 500)")
    database.session().run_all("drop table big")
    assert database.engine.manager.oldest_retained_epoch() == database.engine.manager.published
