"""`Database.changes`, embedded and over the network alike: historic, then live, resumable, and closed at any time."""

from __future__ import annotations

import asyncio
import datetime
import decimal
import threading
import time
from collections.abc import Iterator

import pytest

import skerry
from skerry import Change, errors


@pytest.fixture
def db(database: skerry.Database) -> Iterator[skerry.Database]:
    database.execute("SELECT skerry.set_retention('1h')")
    database.execute("CREATE TABLE t (id int PRIMARY KEY, v text, w numeric(6,2), at date, b bytea, l int[])")
    yield database
    database.execute("SELECT skerry.set_retention('0')")


def epoch(database: skerry.Database) -> int:
    found = database.execute("SELECT skerry.current_epoch()").scalar()
    assert isinstance(found, int)
    return found


def test_values_are_pythons(db: skerry.Database) -> None:
    since = epoch(db)
    before = datetime.datetime.now(datetime.UTC)
    row = (1, 'ü"\n', decimal.Decimal("1.50"), datetime.date(2020, 2, 29), b"\0\xff", [1, None, 3])
    db.execute("INSERT INTO t VALUES ($1, $2, $3, $4, $5, $6)", row)
    db.execute("UPDATE t SET v = NULL, l = NULL")
    db.execute("DELETE FROM t")
    with db.changes(since, wait=False) as feed:
        one, two, three = feed
    names = ("id", "v", "w", "at", "b", "l")
    assert one.new == dict(zip(names, row, strict=True)) and one.old is None and one.key == {"id": 1}
    assert two.old == one.new and two.new == {**one.new, "v": None, "l": None}
    assert three.old == two.new and three.new is None and three.key == {"id": 1}
    assert [c.kind for c in (one, two, three)] == ["insert", "update", "delete"]
    assert [c.epoch for c in (one, two, three)] == [since + 1, since + 2, since + 3]
    assert {(c.schema, c.table, c.position, c.row_id) for c in (one, two, three)} == {("public", "t", 0, 1)}
    assert before <= one.time <= two.time <= three.time <= datetime.datetime.now(datetime.UTC)


def test_a_feed_goes_on_from_any_place(db: skerry.Database) -> None:
    since = epoch(db)
    for number in range(5):
        db.execute("INSERT INTO t (id) SELECT $1 * 10 + g FROM generate_series(1, 4) g", (number,))
    with db.changes(since, wait=False) as feed:
        whole = list(feed)
        assert len(whole) == 20
        assert feed.token == (epoch(db), None)
    for place in range(20):
        with db.changes(whole[place].token, wait=False) as feed:
            assert list(feed) == whole[place + 1 :]
    with db.changes(since, wait=False) as feed:
        for change in feed:
            if change.new == {**change.new, "id": 23}:  # type: ignore[dict-item]
                break
        token = feed.token
        assert [c.new["id"] for c in feed if c.new] == [24, 31, 32, 33, 34, 41, 42, 43, 44]
    with db.changes(token, wait=False) as feed:
        assert next(iter(feed)).new == {**whole[0].new, "id": 24}  # type: ignore[dict-item]


def test_more_than_a_batch(db: skerry.Database) -> None:
    since = epoch(db)
    db.execute("INSERT INTO t (id) SELECT g FROM generate_series(1, 3500) g")
    db.execute("DELETE FROM t")
    with db.changes(since) as feed:
        found = feed.poll()
        while len(found) < 7000:
            more = feed.poll()
            assert more
            found += more
        assert feed.poll() == []
    assert [c.key for c in found if c.key] == [{"id": number} for number in range(1, 3501)] * 2
    assert [(c.epoch, c.position) for c in found] == [
        (since + 1 + n, position) for n in (0, 1) for position in range(3500)
    ]


def test_some_tables_only(db: skerry.Database) -> None:
    db.execute("CREATE SCHEMA s; CREATE TABLE s.t (a int); CREATE TABLE u (a int)")
    since = epoch(db)
    for _ in range(3):
        db.execute("INSERT INTO u SELECT g FROM generate_series(1, 800) g")
        db.execute("INSERT INTO s.t VALUES (1); INSERT INTO t VALUES (1); DELETE FROM t")

    def seen(*tables: str) -> list[str]:
        with db.changes(since, tables, wait=False) as feed:
            return [f"{c.schema}.{c.table}" for c in feed]

    assert seen("s.t") == ["s.t"] * 3
    assert seen("t") == ["s.t"] * 3
    assert seen("u", "public.t") == ["public.u"] * 2400
    assert seen("nothing") == []


def test_historic_then_live(db: skerry.Database) -> None:
    since = epoch(db)
    db.execute("INSERT INTO t (id) VALUES (0)")
    found: list[Change] = []

    def read() -> None:
        with db.changes(since) as feed:
            for change in feed:
                found.append(change)
                if len(found) == 40:
                    return

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(1, 40):
        db.execute("INSERT INTO t (id) VALUES ($1)", (number,))
        if number % 10 == 0:
            time.sleep(0.02)
    reader.join(30)
    assert [c.key for c in found] == [{"id": number} for number in range(40)]


def test_without_history_a_feed_keeps_what_it_has_not_read(db: skerry.Database) -> None:
    db.execute("SELECT skerry.set_retention('0')")
    start = epoch(db)
    with db.changes() as feed:
        assert feed.token == (start, None)
        for number in range(30):
            db.execute("INSERT INTO t (id) VALUES ($1)", (number,))
            db.gc()
        assert [c.key for c in feed.poll()] == [{"id": number} for number in range(30)]
        assert feed.wait(0) == [] and feed.token == (epoch(db), None)
        with pytest.raises(errors.HistoryNotRetained):
            db.changes(start)
    with pytest.raises(errors.HistoryNotRetained):
        db.changes(start)


def test_who_falls_behind_is_told(db: skerry.Database) -> None:
    db.execute("SELECT skerry.set_retention('0', '64kB')")
    try:
        with db.changes() as feed:
            db.execute("INSERT INTO t (id) VALUES (1)")
            assert len(feed.poll()) == 1
            for number in range(200):
                db.execute("UPDATE t SET v = repeat($1, 1000)", (str(number % 10),))
            db.gc()
            with pytest.raises(errors.HistoryNotRetained, match="are not retained"):
                feed.poll()
    finally:
        db.execute("SELECT skerry.set_retention('0', '256MB')")


def test_iterating_ends_when_nothing_comes(db: skerry.Database) -> None:
    with db.changes(timeout=0.2) as feed:
        db.execute("INSERT INTO t (id) VALUES (1)")
        started = time.monotonic()
        assert [c.key for c in feed] == [{"id": 1}]
        assert 0.15 < time.monotonic() - started < 10


def test_closing_ends_a_wait(db: skerry.Database) -> None:
    feed = db.changes()
    closer = threading.Timer(0.2, feed.close)
    closer.start()
    assert list(feed) == []
    closer.join()
    feed.close()
    with pytest.raises(errors.InterfaceError):
        feed.poll()


def test_for_asyncio(db: skerry.Database) -> None:
    async def read() -> list[object]:
        found: list[object] = []
        ticks = 0

        async def tick() -> None:
            nonlocal ticks
            while True:
                await asyncio.sleep(0.02)
                ticks += 1
                if ticks == 5:
                    db.execute("INSERT INTO t (id) VALUES (1), (2)")

        ticking = asyncio.create_task(tick())
        with db.changes() as feed:
            async for change in feed:
                found.append(change.key)
                if len(found) == 2:
                    break
        ticking.cancel()
        assert ticks >= 5
        return found

    assert asyncio.run(read()) == [{"id": 1}, {"id": 2}]


def test_a_moment_of_the_past_by_begin_transaction(db: skerry.Database) -> None:
    db.execute("INSERT INTO t (id) VALUES (1)")
    then = epoch(db)
    time_ = db.execute("SELECT skerry.epoch_time($1)", (then,)).scalar()
    db.execute("DELETE FROM t")
    for moment in (then, time_):
        with db.begin_transaction(as_of=moment) as tx:  # type: ignore[arg-type]
            assert tx.execute("SELECT count(*) FROM t").scalar() == 1
            with pytest.raises(errors.ReadOnlyViolation):
                tx.execute("DELETE FROM t")
    with pytest.raises(errors.InvalidParameterValue):
        db.begin_transaction(as_of=10**9)
    with pytest.raises(errors.NotSupportedError):
        db.begin_transaction(as_of=then, isolation_level="serializable")
    connection = db.connect()
    cursor = connection.cursor()
    cursor.execute("SELECT count(*) FROM t AS OF EPOCH %s", (then,))
    assert cursor.fetchall() == [(1,)]
    cursor.execute("SELECT count(*), %s::text FROM t AS OF TIMESTAMP %s", ("x", time_))
    assert cursor.fetchall() == [(1, "x")]
    connection.close()
