"""Graphs' elements and their shapes outlive kills, clean stops, checkpoints and the transactions that gave up."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.durable import DurableSqlDatabase, State, checkpoint, reopened, state_of
from support.graph_rows import Elements, begun, committed
from support.past import PastDatabase

from skerry_engine.durability.check import check_contents
from skerry_engine.engine import Engine
from skerry_engine.errors import DatabaseDamaged
from skerry_engine.log.control import read_control
from skerry_engine.log.disk import OsDisk
from skerry_engine.values import oids


def fill(engine: Engine, number: int) -> None:
    """Some elements, in one commit."""
    transaction = begun(engine)
    home = Elements(engine, transaction)
    ada = home.add("Person", {"name": f"Ada {number}", "born": (oids.DATE, -50000)})
    city = home.add("City Capital", {"name": "London", "size": 9_000_000 + number})
    home.add("LIVES_IN", {"since": 1835.5, f"only{number}": True}, (ada, city))
    home.add("LIVES_IN", {"since": 1835.5}, (ada, city), is_directed=False)
    home.add(f"L{number}", {})
    committed(engine, transaction)


def rolled_back(engine: Engine) -> None:
    """A transaction that leaves shapes behind, and nothing else."""
    transaction = begun(engine)
    Elements(engine, transaction).add("Ghost", {"never": "there"})
    transaction.rollback()


def both_ways(database: DurableSqlDatabase, tmp_path: Path) -> State:
    """What is there after a kill, which must be what is there after a clean stop, and what was there before."""
    database.flush()
    killed = database.copy(tmp_path / "killed")
    left = state_of(database.engine)
    database.close()
    for directory in (killed, database.directory):
        engine = Engine.open(str(directory))
        assert state_of(engine) == left
        engine.close()
    return left


@pytest.mark.parametrize("checkpoints", [(), (0,), (2,), (0, 1, 2, 3)], ids=str)
def test_elements_and_shapes_are_there_again(tmp_path: Path, checkpoints: tuple[int, ...]) -> None:
    database = DurableSqlDatabase(tmp_path / "database")
    for number in range(4):
        rolled_back(database.engine)
        fill(database.engine, number)
        if number in checkpoints:
            checkpoint(database)
    transaction = begun(database.engine)
    before = (
        Elements(database.engine, transaction).elements(),
        Elements(database.engine, transaction).elements(True),
    )
    transaction.close()
    assert len(before[0]) == 12 and len(before[1]) == 8
    assert sum(edge[0] == "~ LIVES_IN" for edge in before[1].values()) == 4
    both_ways(database, tmp_path)
    engine = Engine.open(str(tmp_path / "database"))
    transaction = begun(engine)
    home = Elements(engine, transaction)
    assert (home.elements(), home.elements(True)) == before
    transaction.close()
    engine.close()


def test_shapes_go_on_counting_after_every_restart(tmp_path: Path) -> None:
    """Shapes that no commit needed may be gone, or there (a base has taken them); none ever means something else."""
    database = DurableSqlDatabase(tmp_path / "database")
    for number in range(6):
        rolled_back(database.engine)
        if number % 3 == 1:
            checkpoint(database)
        fill(database.engine, number)
        left = state_of(database.engine)
        database = reopened(database, database.copy(tmp_path / f"copy{number}"))
        assert state_of(database.engine) == left
    database.close()


def test_a_large_transaction_finds_its_shapes_though_they_came_long_before_its_commit(tmp_path: Path) -> None:
    database = DurableSqlDatabase(tmp_path / "database")
    engine = database.engine
    transaction = begun(engine)
    home = Elements(engine, transaction)
    for number in range(2500):
        home.add("Many", {"n": number, f"p{number % 7}": "x"})
    steps = transaction.commit()
    next(steps)
    fill(engine, 1)
    checkpoint(database)
    assert engine.durable is not None
    for _ in steps:
        engine.durable.flush()
    left = both_ways(database, tmp_path)
    assert any(isinstance(part, tuple) and part[0] == 2503 for part in left.values())


def test_a_prepared_transaction_keeps_its_shapes_through_restarts(tmp_path: Path) -> None:
    database = DurableSqlDatabase(tmp_path / "database", "create table t (i int)")
    session = database.session()
    session.run_all("begin")
    session.run_all("insert into t values (1)")
    transaction = session.session.transaction
    assert transaction is not None
    Elements(database.engine, transaction).add("Prepared", {"gid": "g"})
    session.run_all("prepare transaction 'g'")
    for number in range(3):
        if number == 1:
            checkpoint(database)
        database = reopened(database)
    database.session().run_all("commit prepared 'g'")
    transaction = begun(database.engine)
    assert Elements(database.engine, transaction).elements() == {1: ("Prepared", {"gid": "g"})}
    transaction.close()
    both_ways(database, tmp_path)


def test_a_database_made_later_has_a_graph_of_its_own(tmp_path: Path) -> None:
    database = DurableSqlDatabase(tmp_path / "database", "create database other")
    fill(database.engine, 0)
    found = database.engine.published_catalog().get_database("other")
    transaction = begun(database.engine)
    other = Elements(database.engine, transaction, database=found.oid)
    other.add("Other", {"x": 1})
    committed(database.engine, transaction)
    both_ways(database, tmp_path)
    engine = Engine.open(str(tmp_path / "database"))
    transaction = begun(engine)
    assert Elements(engine, transaction, database=found.oid).elements() == {1: ("Other", {"x": 1})}
    assert len(Elements(engine, transaction).elements()) == 3
    transaction.close()
    engine.close()


def findings(directory: Path) -> list[str]:
    control = read_control(OsDisk(directory))
    assert control is not None
    return [found.text for found in check_contents(Engine(), str(directory), control.cluster_id, True)]


def test_check_is_content_with_elements_and_finds_rows_that_do_not_fit_their_shape(tmp_path: Path) -> None:
    database = DurableSqlDatabase(tmp_path / "database")
    fill(database.engine, 0)
    checkpoint(database)
    fill(database.engine, 1)
    database.close()
    assert findings(tmp_path / "database") == []

    for name, row in (("short", (1, "Ada")), ("unknown", (77, "x")), ("empty", ())):
        damaged = DurableSqlDatabase(tmp_path / name)
        fill(damaged.engine, 0)
        transaction = begun(damaged.engine)
        table = Elements(damaged.engine, transaction).table(False)
        transaction.close()
        storage = damaged.engine.stores.get(table.storage_id)
        storage.heap.put(1, row)
        checkpoint(damaged)
        damaged.close()
        assert (
            findings(tmp_path / name)[0] == 'table "home.nodes" (storage 1) has a row 1 that it can\'t have'
        )


def test_a_log_whose_shapes_contradict_the_base_is_damage(tmp_path: Path) -> None:
    database = DurableSqlDatabase(tmp_path / "database")
    fill(database.engine, 0)
    with pytest.raises(DatabaseDamaged, match="does not fit the others"):
        database.engine.stores.restore_shapes([(1, 1, ("Else",), (), (), True)])
    with pytest.raises(DatabaseDamaged, match="no elements of a graph"):
        database.session().run_all("create table t (i int)")
        storages = [s.storage_id for s in database.engine.stores.all() if s.shapes is None]
        database.engine.stores.restore_shapes([(storages[0], 1, (), (), (), True)])
    database.close()


# --- the past -----------------------------------------------------------------------------------------------

STEPS = (
    "insert (:Person {name: 'Ada', age: 36})-[:KNOWS {since: 1833}]->(:Person {name: 'Charles'})",
    "match (n:Person) where n.age is not null set n.age = 'thirty-six'",
    "match (n:Person) where n.name = 'Ada' set n:Countess, n.born = date '1815-12-10' remove n.age",
    "match (a:Countess), (b:Person) where b.name = 'Charles' insert (b)-[:KNOWS {since: 1.5}]->(a)",
    "match (a)-[e:KNOWS]->(n:Countess) set a.left = true delete e",
    "match (n:Person) where n.name = 'Charles' detach delete n",
    "insert (:Person {name: 'Mary', age: 53, tags: [1, 'x']})",
)
PROBES = (
    "match (n) return labels(n) as l, properties(n) as p order by n.name",
    "match (a)-[e]->(b) return a.name, e.since, b.name order by a.name, b.name",
    "match (n:Person) where n.age = 36 return n.name",
)


def probed(database: DurableSqlDatabase, epoch: int | None = None) -> list[list[object]]:
    """What the probes give, now or at an epoch."""
    as_of = "" if epoch is None else f" as of epoch {epoch}"
    return [list(database.rows(text + as_of)) for text in PROBES]


@pytest.mark.parametrize("checkpoints", [(), (2,), (1, 4, 6)], ids=str)
def test_the_past_of_a_graph_can_be_read_after_restarts(tmp_path: Path, checkpoints: tuple[int, ...]) -> None:
    database = PastDatabase(tmp_path / "database", None, "create index by_name for (n:Person) on (n.name)")
    if checkpoints:
        checkpoint(database)
    seen: dict[int, list[list[object]]] = {}
    for number, text in enumerate(STEPS):
        database.session().run_all(text)
        seen[database.engine.manager.published] = probed(database)
        if number in checkpoints:
            checkpoint(database)
    assert len({repr(each) for each in seen.values()}) == len(STEPS)
    for directory in (database.copy(tmp_path / "killed"), None):
        if directory is None:
            database.close()
        again = PastDatabase(directory or database.directory)
        assert {epoch: probed(again, epoch) for epoch in seen} == seen
        again.close()


def test_a_copied_graph_and_its_source_go_their_own_ways_after_a_restart(tmp_path: Path) -> None:
    database = DurableSqlDatabase(tmp_path / "database", *STEPS[:3])
    session = database.session()
    session.run_all("match (n:Person) where n.name = 'Nobody' delete n")
    session.run_all("create graph copied as copy of home")
    before = probed(database)
    session.run_all("use copied match (n:Countess) set n:Lady remove n.born")
    session.run_all("insert (:Only {here: true})")
    both_ways(database, tmp_path)
    database = DurableSqlDatabase(tmp_path / "database")
    assert database.rows("use copied match (n:Countess) return count(n.born) as b, n:Lady as l") == [
        (0, True)
    ]
    assert database.rows("use copied match (a)-[e]->(b) return a.name, e.since, b.name") == before[1]
    assert database.rows("use copied match (n:Only) return count(*) as c") == [(0,)]
    database.close()


def test_a_graph_over_tables_outlives_kills_stops_and_checkpoints(tmp_path: Path) -> None:
    database = DurableSqlDatabase(
        tmp_path / "0",
        "create table person (id int primary key, name text)",
        "create table knows (a int references person, b int references person, primary key (a, b))",
    )
    session = database.session()
    session.run_all("insert into person values (1, 'Ada'), (2, 'Mary'); insert into knows values (1, 2)")
    session.run_all(
        "create property graph g vertex tables (person label human properties (name, id * 2 as twice)) "
        "edge tables (knows source key (a) references person (id) destination key (b) references person (id))"
    )
    asked = (
        "select * from graph_table (g match (x is human)-[is knows]->(y) "
        "columns (x.name as one, y.name as other, y.twice))"
    )
    told = session.rows("select pg_get_propgraphdef('g'::regclass)")
    assert session.rows(asked) == [("Ada", "Mary", 4)]
    database.flush()
    killed = database.copy(tmp_path / "killed")
    for found in (reopened(database), DurableSqlDatabase(killed)):
        session = found.session()
        assert session.rows(asked) == [("Ada", "Mary", 4)]
        assert session.rows("select pg_get_propgraphdef('g'::regclass)") == told
        checkpoint(found)
        session.run_all("alter property graph g rename to h")
        again = reopened(found)
        assert again.session().rows(asked.replace("(g", "(h")) == [("Ada", "Mary", 4)]
        again.session().run_all("drop table person cascade")
        again = reopened(again)
        assert again.session().rows("select count(*) from pg_class where relname = 'h'") == [(0,)]
        again.close()
