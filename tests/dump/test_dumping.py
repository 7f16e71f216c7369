"""What a dump is while it is made: a snapshot, bounded by locks, chosen by patterns, refused rather than incomplete."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from support.dumps import dump, dump_of, new_database, psql
from support.postgres_server import Address

import skerry
from skerry import errors
from skerry.dump.dumping import _matches


class Interloper(io.BytesIO):
    """A stream that does something when the first row of a dump is written."""

    def __init__(self, action: Callable[[], object]) -> None:
        super().__init__()
        self._action: Callable[[], object] | None = action

    def write(self, data: object) -> int:  # type: ignore[override]
        assert isinstance(data, bytes)
        if b"first\n" in data and self._action is not None:
            action, self._action = self._action, None
            action()
        return super().write(data)

    @property
    def text(self) -> str:
        assert self._action is None, "nothing was done: the row was not found"
        return self.getvalue().decode()


@pytest.fixture
def two_tables(database: skerry.Database) -> skerry.Database:
    database.execute(
        "CREATE TABLE a (t text); INSERT INTO a VALUES ('first'); CREATE TABLE z (t text PRIMARY KEY)"
    )
    database.execute("INSERT INTO z VALUES ('last')")
    return database


def rows(text: str, table: str) -> list[str]:
    found = re.search(rf"^COPY public\.{table} .*? FROM stdin;\n(.*?)^\\\.$", text, re.MULTILINE | re.DOTALL)
    assert found is not None
    return found[1].splitlines()


def test_rows_are_of_one_moment(two_tables: skerry.Database) -> None:
    stream = Interloper(
        lambda: two_tables.execute("UPDATE z SET t = 'changed'; INSERT INTO z VALUES ('new')")
    )
    two_tables.dump(stream)
    assert rows(stream.text, "z") == ["last"]
    assert rows(dump_of(two_tables), "z") == ["changed", "new"]


def test_definitions_do_not_change_meanwhile(two_tables: skerry.Database) -> None:
    def alter() -> None:
        # Embedded, the thread that would have to end the dump waits itself.
        with pytest.raises((errors.LockTimeout, errors.DeadlockDetected)):
            two_tables.execute("SET lock_timeout = 100; ALTER TABLE z ADD COLUMN more int")

    stream = Interloper(alter)
    two_tables.dump(stream)
    assert "more" not in stream.text
    two_tables.execute("ALTER TABLE z ADD COLUMN more int")


def test_what_is_made_meanwhile_is_not_in_it(two_tables: skerry.Database) -> None:
    stream = Interloper(
        lambda: two_tables.execute("CREATE TABLE zz (i int); CREATE VIEW v AS SELECT * FROM zz")
    )
    before = dump_of(two_tables)
    two_tables.dump(stream)
    assert stream.text == before


def test_a_stream_that_fails_ends_the_dump_and_nothing_else(two_tables: skerry.Database) -> None:
    def fail() -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        two_tables.dump(Interloper(fail))
    two_tables.execute("SET lock_timeout = 2000; DROP TABLE a; DROP TABLE z")
    assert "TABLE" not in dump_of(two_tables)


def test_settings_of_the_session_do_not_show_and_stay(database: skerry.Database) -> None:
    database.execute("CREATE TABLE t (i interval, b bytea, d date, z timestamptz, f float8)")
    database.execute("INSERT INTO t VALUES ('-1 day 2 h', '\\x01', '2020-02-03', '2020-02-03 04:05+00', 0.1)")
    expected = dump_of(database)
    settings = {
        "intervalstyle": "sql_standard", "bytea_output": "escape", "datestyle": "German, DMY", "timezone": "Asia/Tokyo",
        "extra_float_digits": "-5", "search_path": "public", "standard_conforming_strings": "on",
    }  # fmt: skip
    for name, value in settings.items():
        database.execute(f"SET {name} = {value!r}")
    shown = {name: database.execute(f"SHOW {name}").scalar() for name in settings}
    assert dump_of(database) == expected
    assert {name: database.execute(f"SHOW {name}").scalar() for name in settings} == shown


def test_a_stream_of_text(world: skerry.Database) -> None:
    stream = io.StringIO(newline="")
    world.dump(stream)
    assert stream.getvalue() == dump_of(world)


class Dribble(io.RawIOBase):
    """A stream that takes at most seven bytes at a time."""

    def __init__(self) -> None:
        self.taken = b""

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        part = bytes(data)[:7]  # type: ignore[call-overload]
        self.taken += part
        return len(part)


def test_a_stream_that_takes_less_than_it_is_given(two_tables: skerry.Database) -> None:
    stream = Dribble()
    two_tables.dump(stream)  # type: ignore[arg-type]
    assert stream.taken.decode() == dump_of(two_tables)


def test_a_read_only_database_can_be_dumped(skerry_server: Address) -> None:
    with new_database(skerry_server) as name:
        address = f"skerry://{skerry_server.user}@{skerry_server.host}:{skerry_server.port}/{name}"
        with skerry.open(address, read_only=True) as opened:
            assert "dump complete" in dump_of(opened)


# --- choosing -----------------------------------------------------------------------------------------------


def named(text: str) -> list[str]:
    """What a dump makes."""
    return re.findall(r"^CREATE (?:TABLE|VIEW|SEQUENCE|SCHEMA) (.*?)(?: |$)", text, re.MULTILINE)


def test_chosen_tables_come_with_what_is_theirs(world: skerry.Database) -> None:
    text = dump_of(world, tables=["numbered"])
    sequences = ['public."Another', "public.adopted", "public.numbered_a_seq", "public.numbered_b_seq"]
    assert named(text) == [*sequences, "public.numbered"]
    assert "numbered_d_seq" in text
    assert named(dump_of(world, tables=["zebra", "HEN", "free"])) == [
        "public.free",
        "public.hen",
        "public.zebra",
    ]
    assert named(dump_of(world, tables=['"Odd ""Schema""".ch*'])) == ['"Odd']


def test_a_pattern_that_finds_nothing_is_an_error(world: skerry.Database) -> None:
    with pytest.raises(errors.UndefinedTable, match="nowhere"):
        world.dump(io.BytesIO(), tables=["hen", "nowhere.*"])


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("orders", ["app.orders", "public.orders"]),
        ("ORDERS", ["app.orders", "public.orders"]),
        ('"ORDERS"', []),
        ('"Orders"', ["app.Orders"]),
        ("app.orders", ["app.orders"]),
        ("app.*", ["app.orders", "app.Orders", 'app.a"b', "app.x.y"]),
        ("*.ord*", ["app.orders", "public.orders"]),
        ("?pp.orders", ["app.orders"]),
        ("order?", ["app.orders", "public.orders"]),
        ("order", []),
        ('app."a""b"', ['app.a"b']),
        ('"x.y"', ["app.x.y"]),
        ('"order*"', []),
        ("db.app.orders", []),
        ("a.ders", []),
        ("", []),
    ],
)
def test_patterns(pattern: str, found: list[str]) -> None:
    there = [("app", "orders"), ("app", "Orders"), ("app", 'a"b'), ("app", "x.y"), ("public", "orders")]
    assert sorted(f"{s}.{n}" for s, n in there if _matches(pattern, s, n)) == sorted(found)


# --- what is refused or warned of ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("statement", "name"),
    [
        ("CREATE FUNCTION one() RETURNS int LANGUAGE sql AS 'SELECT 1'", "function one()"),
        ("CREATE TABLE whole (i int) PARTITION BY LIST (i)", "relation whole"),
        ("CREATE TABLE base (i int); CREATE TABLE heir () INHERITS (base)", "child table heir"),
        ("CREATE TABLE t (i int); CREATE RULE nope AS ON DELETE TO t DO INSTEAD NOTHING", "rule nope"),
        ("CREATE TABLE t (i int4range, EXCLUDE USING gist (i WITH &&))", "constraint t_i_excl"),
    ],
)
def test_what_a_dump_cannot_express_is_an_error(postgres: Address, statement: str, name: str) -> None:
    with new_database(postgres) as database:
        psql(postgres, database, statement)
        with pytest.raises(errors.NotSupportedError, match="can't be dumped") as refused:
            dump(postgres, database)
        assert name in str(refused.value).replace("public.", "")


def test_circles_of_foreign_keys_are_warned_of_when_there_is_only_data(world: skerry.Database) -> None:
    warnings = world.dump(io.BytesIO(), schema=False)
    assert len(warnings) == 1 and "public.hen" in warnings[0] and "public.egg" in warnings[0]


@contextmanager
def changed_while_read(database: skerry.Database, statement: str, times: int) -> Iterator[None]:
    """Let somebody change a table between a dump's snapshot and its locks."""
    import skerry.dump.dumping as module

    original, left = module.read_contents, [times]

    def read(*arguments: object) -> object:
        contents = original(*arguments)  # type: ignore[arg-type]
        if left[0]:
            left[0] -= 1
            database.execute(statement)
        return contents

    module.read_contents = read  # type: ignore[assignment]
    try:
        yield
    finally:
        module.read_contents = original


def test_a_table_that_changes_before_it_is_locked_is_read_anew(two_tables: skerry.Database) -> None:
    with changed_while_read(two_tables, "ALTER TABLE z ADD COLUMN IF NOT EXISTS more int", 1):
        assert "more integer" in dump_of(two_tables)
    with changed_while_read(two_tables, "DROP TABLE IF EXISTS z", 1):
        assert "public.z" not in dump_of(two_tables)


# --- graphs -------------------------------------------------------------------------------------------------


def test_a_graph_over_tables_is_dumped() -> None:
    database = skerry.open()
    database.execute("create table person (id int primary key, name text)")
    database.execute('create property graph "Who" vertex tables (person label human)')
    text = dump_of(database)
    assert 'CREATE PROPERTY GRAPH public."Who"\n' in text
    again = skerry.open()
    again.execute(re.sub(r"COPY .*?\\\.\n", "", text, flags=re.DOTALL))
    assert dump_of(again) == text


def test_graphs_stay_away_where_they_are_not_asked_for() -> None:
    """The graph that every database has is no graph while there is nothing in it."""
    database = skerry.open()
    database.execute("create table person (id int primary key, name text)")
    plain = dump_of(database)
    assert "graph" not in plain and "home" not in plain
    database.execute("create graph type anything any graph")
    database.execute("create graph other any")
    database.execute("insert (:Person {name: 'Ada'})")
    database.execute("create property graph who vertex tables (person)")
    database.execute("create view reads as select * from graph_table (who match (p) columns (p.name))")
    database.execute("create view stands_on_it as select name from reads")
    assert "public.other" not in dump_of(database, tables=["person"])
    stream = io.StringIO()
    assert database.dump(stream, graphs=False) == [
        "public.reads is left out: it reads a graph",
        "public.stands_on_it is left out: it reads a graph",
    ]
    assert stream.getvalue() == plain
    whole = dump_of(database)
    assert whole.splitlines()[4].endswith("--no-graphs leaves them out.")
    schema, data = dump_of(database, data=False), dump_of(database, schema=False)
    assert "COPY public.home FROM stdin;\n(: Person {name text})\n1\tAda\n" in data and "CREATE" not in data
    assert "CREATE GRAPH /public/other ANY GRAPH;" in schema and "COPY" not in schema
