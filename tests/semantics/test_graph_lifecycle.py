"""Rows t1, t2 and t10 to t19 of the transaction semantics in GQL: how transactions over graphs begin, go on and end.

What test_lifecycle.py asks of tables, asked of the graph `home`, embedded and over the network.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest
from support.beside import Beside, until, wait_for_waiters
from support.postgres_server import Address
from support.wire_client import WireClient

import skerry

LEVELS = ["read committed", "snapshot", "serializable"]

SETUP = """
    INSERT (a:P&Q {id: 1, v: 'one'}), (b:P {id: 2, v: 'two'}), (c:Alone {id: 3}),
           (a)-[:E {w: 1}]->(b), (b)-[:F]->(a)
"""


@pytest.fixture
def graph(database: skerry.Database) -> skerry.Database:
    """`database` with three nodes and two edges in its graph `home`."""
    database.execute(SETUP)
    return database


def everything(database: skerry.Database | skerry.Transaction) -> list[object]:
    """All that is in the graph."""
    nodes = database.execute("MATCH (n) RETURN n ORDER BY n.id").fetchall()
    edges = database.execute("MATCH (a)-[e]->(b) RETURN e, a.id, b.id").fetchall()
    return [
        [(node.id, sorted(node.labels), dict(node.properties)) for (node,) in nodes],  # type: ignore[attr-defined]
        sorted(
            (edge.id, sorted(edge.labels), str(dict(edge.properties)), source, target)  # type: ignore[attr-defined]
            for edge, source, target in edges
        ),
    ]


def ids(database: skerry.Database) -> list[object]:
    return [row[0] for row in database.execute("MATCH (n) RETURN n.id ORDER BY n.id")]


# Every kind of write, as row t11 lists them, and what else changes a graph.
MUTATIONS = {
    "property update": "MATCH (n {id: 1}) SET n.v = 'changed'",
    "new property": "MATCH (n {id: 1}) SET n.new = 1",
    "several properties": "MATCH (n {id: 1}) SET n.v = 'x', n.new = 1, n:L",
    "another type": "MATCH (n {id: 1}) SET n.v = 17",
    "all properties": "MATCH (n {id: 1}) SET n = {id: 1, other: TRUE}",
    "more properties": "MATCH (n {id: 1}) SET n += {other: TRUE}",
    "REMOVE property": "MATCH (n {id: 1}) REMOVE n.v",
    "SET label": "MATCH (n {id: 2}) SET n:Q",
    "REMOVE label": "MATCH (n {id: 1}) REMOVE n:Q",
    "MERGE ON MATCH SET": "MERGE (n:P {id: 1}) ON MATCH SET n.v = 'matched'",
    "MERGE ON CREATE SET": "MERGE (n:P {id: 9}) ON CREATE SET n.v = 'made'",
    "MERGE an edge": "MATCH (a {id: 1}), (b {id: 3}) MERGE (a)-[:G]->(b)",
    "INSERT node": "INSERT (:New {id: 10})",
    "CREATE node": "CREATE (:New {id: 10})",
    "INSERT edge": "MATCH (a {id: 1}), (b {id: 3}) INSERT (a)-[:G {w: 2}]->(b)",
    "INSERT pattern": "INSERT (:New {id: 10})-[:G]->(:New {id: 11})",
    "edge property": "MATCH ()-[e:E]->() SET e.w = 7",
    "edge label": "MATCH ()-[e:E]->() SET e:Other",
    "DELETE edge": "MATCH ()-[e:E]->() DELETE e",
    "DELETE node": "MATCH (n:Alone) DELETE n",
    "NODETACH DELETE": "MATCH (n:Alone) NODETACH DELETE n",
    "DETACH DELETE": "MATCH (n {id: 1}) DETACH DELETE n",
    "a program": "MATCH (n:P) SET n.seen = TRUE INSERT (:Copy {id: n.id + 100}) RETURN count(*) AS c",
}

NODETACH = ("DELETE node", "NODETACH DELETE")
IN_A_ROW = [change for what, change in MUTATIONS.items() if what not in NODETACH]
"""Those that can follow each other: some connect the node that was alone."""


# --- t1, t2 -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("level", LEVELS)
def test_t01_a_block_without_commit_rolls_back(graph: skerry.Database, level: str) -> None:
    before = everything(graph)
    with graph.begin_transaction(isolation_level=level) as transaction:
        for change in IN_A_ROW:
            transaction.execute(change)
        assert everything(transaction) != before
    with suppress(ZeroDivisionError), graph.begin_transaction(isolation_level=level) as transaction:
        transaction.execute("MATCH (n) DETACH DELETE n")
        raise ZeroDivisionError
    assert everything(graph) == before


@pytest.mark.parametrize("what", MUTATIONS)
def test_t02_a_statement_outside_a_transaction_commits_by_itself(graph: skerry.Database, what: str) -> None:
    before = everything(graph)
    graph.execute(MUTATIONS[what])
    assert everything(graph) != before


@pytest.mark.parametrize(
    "failing",
    [
        "INSERT (:New {id: 1}) INSERT (:New {id: 1 / (3 - 3)})",
        "MATCH (n) SET n.x = 1 DELETE n",
        "MATCH (n:P) SET n.half = 10 / (n.id - 2)",
        "MATCH (n:Alone) DELETE n INSERT (n)-[:E]->(n)",
        "FOR i IN [1, 2, 0] MERGE (n:New {id: i}) SET n.x = 1 / i",
    ],
)
def test_t02_a_statement_that_fails_leaves_nothing(graph: skerry.Database, failing: str) -> None:
    before = everything(graph)
    with pytest.raises(skerry.Error):
        graph.execute(failing)
    assert everything(graph) == before


def test_t02_both_languages_in_one_transaction(graph: skerry.Database) -> None:
    graph.execute("CREATE TABLE t (x int)")
    with graph.begin_transaction() as transaction:
        transaction.execute("INSERT INTO t VALUES (1)")
        transaction.execute("INSERT (:New {id: 1})")
        transaction.rollback()
    assert graph.execute("SELECT count(*) FROM t").scalar() == 0
    assert graph.execute("MATCH (n:New) RETURN count(n) AS c").scalar() == 0


# --- t10 ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("what", MUTATIONS)
def test_t10_read_only_refuses(graph: skerry.Database, what: str) -> None:
    before = everything(graph)
    for level in LEVELS:
        transaction = graph.begin_transaction(isolation_level=level, read_only=True)
        with pytest.raises(skerry.ReadOnlyViolation) as caught:
            transaction.execute(MUTATIONS[what])
        assert (caught.value.code, caught.value.sqlstate, caught.value.is_retryable) == (
            "T003",
            "25006",
            False,
        )
        transaction.rollback()
    assert everything(graph) == before


def test_t10_read_only_reads(graph: skerry.Database) -> None:
    with graph.begin_transaction(read_only=True) as transaction:
        assert everything(transaction) == everything(graph)
        assert transaction.execute("MATCH (n:P) RETURN count(n) AS c").scalar() == 2


# --- t11 ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("what", MUTATIONS)
def test_t11_rollback_undoes(graph: skerry.Database, what: str) -> None:
    before = everything(graph)
    for level in LEVELS:
        with graph.begin_transaction(isolation_level=level) as transaction:
            transaction.savepoint("s")
            transaction.execute(MUTATIONS[what])
            changed = everything(transaction)
            assert changed[0] != before[0] or changed[1] != before[1]
            transaction.rollback_to_savepoint("s")
            assert everything(transaction) == before
            transaction.execute(MUTATIONS[what])
            transaction.rollback()
        assert everything(graph) == before


# --- t12, t13 -----------------------------------------------------------------------------------------------


class ByMethod:
    """Savepoints by the native interface."""

    def __init__(self, transaction: skerry.Transaction) -> None:
        self.savepoint = transaction.savepoint
        self.rollback_to = transaction.rollback_to_savepoint
        self.release = transaction.release_savepoint


class ByStatement:
    """Savepoints by GQL's statements."""

    def __init__(self, transaction: skerry.Transaction) -> None:
        self.savepoint = lambda name: transaction.execute(f"SAVEPOINT {name}")
        self.rollback_to = lambda name: transaction.execute(f"ROLLBACK TO {name}")
        self.release = lambda name: transaction.execute(f"RELEASE SAVEPOINT {name}")


How = Callable[[skerry.Transaction], ByMethod | ByStatement]


def insert(transaction: skerry.Transaction, number: int) -> None:
    transaction.execute("INSERT (:N {id: $1})", (number,))


@pytest.mark.parametrize("how", [ByMethod, ByStatement])
@pytest.mark.parametrize("level", LEVELS)
def test_t12_savepoints(graph: skerry.Database, how: How, level: str) -> None:
    with graph.begin_transaction(isolation_level=level) as transaction:
        marks = how(transaction)
        insert(transaction, 10)
        marks.savepoint("a")
        insert(transaction, 11)
        marks.savepoint("b")
        transaction.execute("MATCH (n {id: 11}), (m {id: 1}) INSERT (n)-[:X]->(m)")
        marks.rollback_to("b")
        insert(transaction, 13)
        marks.rollback_to("b")
        transaction.execute("MATCH (n {id: 11}) DELETE n")
        marks.release("b")
        marks.savepoint("c")
        insert(transaction, 15)
        marks.rollback_to("a")
        insert(transaction, 16)
        with pytest.raises(skerry.InvalidTransactionState) as caught:
            marks.rollback_to("c")
        assert caught.value.code == "T004"
        marks.rollback_to("a")
        insert(transaction, 17)
        transaction.commit()
    assert ids(graph) == [1, 2, 3, 10, 17]


def test_t12_a_savepoint_recovers_a_failed_transaction(graph: skerry.Database) -> None:
    with graph.begin_transaction() as transaction:
        insert(transaction, 10)
        transaction.savepoint("a")
        with pytest.raises(skerry.IntegrityError, match="2 edges"):
            transaction.execute("MATCH (n {id: 1}) DELETE n")
        transaction.rollback_to_savepoint("a")
        insert(transaction, 12)
        transaction.commit()
    assert ids(graph) == [1, 2, 3, 10, 12]


def test_t12_rolling_back_gives_locks_and_names_back(graph: skerry.Database) -> None:
    with graph.begin_transaction(isolation_level="read committed") as transaction:
        transaction.savepoint("a")
        transaction.execute("MATCH (n {id: 1}) SET n.v = 'x'")
        transaction.execute("MERGE (:M {k: 1})")
        transaction.execute("MATCH (n {id: 2}), (m {id: 3}) INSERT (n)-[:X]->(m)")
        transaction.rollback_to_savepoint("a")
        graph.execute("SET lock_timeout = '2s'")
        graph.execute("MATCH (n {id: 1}) SET n.v = 'y'")
        graph.execute("MERGE (:M {k: 1})")
        graph.execute("MATCH (n:Alone) DELETE n")


# --- t14, t15 -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", ["commit", "rollback"])
def test_t14_a_finished_transaction(graph: skerry.Database, end: str) -> None:
    transaction = graph.begin_transaction()
    insert(transaction, 10)
    getattr(transaction, end)()
    with pytest.raises(skerry.InvalidTransactionState) as caught:
        transaction.execute("MATCH (n) RETURN n")
    assert caught.value.code == "T004"
    assert (10 in ids(graph)) is (end == "commit")


def test_t15_a_lost_transaction_rolls_back(graph: skerry.Database) -> None:
    before = everything(graph)
    transaction = graph.begin_transaction(isolation_level="read committed")
    for change in IN_A_ROW:
        transaction.execute(change)
    beside = Beside(lambda: graph.execute("MATCH (n {id: 1}) SET n.v = 'other'").rowcount)
    wait_for_waiters(graph)
    del transaction
    gc.collect()
    assert beside.result() == 1
    graph.execute("MATCH (n {id: 1}) SET n.v = 'one'")
    assert everything(graph) == before


# --- t16 ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("level", LEVELS)
def test_t16_prepare_commit_tells_what_would_be_committed(graph: skerry.Database, level: str) -> None:
    with graph.begin_transaction(isolation_level=level) as transaction:
        transaction.execute("INSERT (:New {id: 10, half: 0.5})")
        transaction.execute("MATCH (n {id: 1}) SET n.v = 'ONE', n:L")
        transaction.execute("MATCH (n:Alone) DELETE n")
        transaction.execute("MATCH ()-[e:E]->() SET e.w = 2")
        transaction.execute("MATCH ()-[e:F]->() DELETE e")
        pending = transaction.prepare_commit()
        assert (pending.nodes, pending.edges) == (3, 2)
        assert pending.tables == {
            "public.home.nodes": skerry.TableChanges(inserted=1, updated=1, deleted=1),
            "public.home.edges": skerry.TableChanges(updated=1, deleted=1),
        }
        changes = {(change.table, change.kind): change for change in pending.changes}
        updated = changes[("home.nodes", "update")]
        assert updated.old is not None and updated.new is not None and updated.key is not None
        assert (updated.old["labels"], updated.new["labels"]) == (["P", "Q"], ["L", "P", "Q"])
        assert (updated.old["properties"], updated.new["properties"]) == (
            {"id": 1, "v": "one"},
            {"id": 1, "v": "ONE"},
        )
        edge = changes[("home.edges", "update")]
        assert edge.old is not None and edge.new is not None
        assert (edge.old["source"], edge.new["properties"]) == (updated.key["id"], {"w": 2})
        assert changes[("home.edges", "delete")].new is None
        assert ids(graph) == [1, 2, 3], "nothing is committed yet"
        pending.commit()
    assert ids(graph) == [1, 2, 10]


@pytest.mark.parametrize("level", ["read committed", "snapshot"])
def test_t16_nobody_can_make_a_prepared_commit_fail(graph: skerry.Database, level: str) -> None:
    transaction = graph.begin_transaction(isolation_level=level)
    transaction.execute("MATCH (n {id: 2}), (m {id: 3}) INSERT (n)-[:X]->(m)")
    transaction.execute("MERGE (:M {k: 1})")
    pending = transaction.prepare_commit()
    beside = [
        Beside(lambda text=text: graph.execute(text))
        for text in ("MATCH (n:Alone) DETACH DELETE n", "MERGE (:M {k: 1})")
    ]
    wait_for_waiters(graph, 2)
    pending.commit()
    for each in beside:
        each.result()
    assert graph.execute("MATCH (n:M) RETURN count(n) AS c").scalar() == 1
    assert graph.execute("MATCH ()-[e:X]->() RETURN count(e) AS c").scalar() == 0


def test_t16_prepare_transaction(graph: skerry.Database) -> None:
    before = everything(graph)
    for finish in ("ROLLBACK", "COMMIT"):
        transaction = graph.begin_transaction()
        transaction.execute("MATCH (n:P) SET n.v = 'prepared'")
        transaction.execute("MATCH (n {id: 1}), (m {id: 3}) INSERT (n)-[:X]->(m)")
        transaction.execute("PREPARE TRANSACTION 'graph'")
        del transaction
        assert everything(graph) == before
        graph.execute(f"{finish} PREPARED 'graph'")
    assert graph.execute("MATCH (n {v: 'prepared'}) RETURN count(n) AS c").scalar() == 2
    assert graph.execute("MATCH ({id: 1})-[:X]->(m) RETURN m.id").scalar() == 3


# --- t17 ----------------------------------------------------------------------------------------------------


@pytest.fixture
def wire(skerry_server: Address) -> Iterator[WireClient]:
    """A bare client; nodes labelled `T17` are taken away before and after."""
    client = WireClient(skerry_server)
    client.query("MATCH (n:T17) DETACH DELETE n")
    yield client
    client.query("ROLLBACK")
    client.query("MATCH (n:T17) DETACH DELETE n")
    client.close()


@pytest.mark.parametrize(
    ("modes", "isolation", "read_only"),
    [
        ("", "read committed", "off"),
        ("READ ONLY", "read committed", "on"),
        ("READ WRITE", "read committed", "off"),
        ("ISOLATION LEVEL REPEATABLE READ", "repeatable read", "off"),
        ("READ ONLY, ISOLATION LEVEL SERIALIZABLE", "serializable", "on"),
    ],
)
def test_t17_statements(wire: WireClient, modes: str, isolation: str, read_only: str) -> None:
    begun = wire.query(f"START TRANSACTION {modes}")
    assert (begun.tags, begun.status) == (["START TRANSACTION"], "T")
    assert wire.query("SHOW transaction_isolation").rows == [(isolation,)]
    inserted = wire.query("INSERT (:T17 {n: 1})")
    if read_only == "on":
        assert inserted.error is not None
        assert (inserted.error["C"], inserted.error["R"], inserted.status) == ("25006", "T003", "E")
        assert wire.query("ROLLBACK").tags == ["ROLLBACK"]
    else:
        assert inserted.tags == ["INSERT 0 1"]
        assert wire.query("SAVEPOINT s").tags == ["SAVEPOINT"]
        assert wire.query("MATCH (n:T17) SET n.n = 2").tags == ["UPDATE 1"]
        assert wire.query("MERGE (n:T17 {n: 3})").tags == ["MERGE 1"]
        assert wire.query("MATCH (n:T17) DELETE n").tags == ["DELETE 2"]
        assert wire.query("ROLLBACK TO SAVEPOINT s").tags == ["ROLLBACK"]
        assert wire.query("RELEASE SAVEPOINT s").tags == ["RELEASE"]
        ended = wire.query("COMMIT")
        assert (ended.tags, ended.status) == (["COMMIT"], "I")
    found = wire.query("MATCH (n:T17) RETURN count(n) AS c").rows
    assert found == [("0" if read_only == "on" else "1",)]


def test_t17_a_nested_beginning_loses_nothing(wire: WireClient) -> None:
    wire.query("START TRANSACTION")
    wire.query("INSERT (:T17)")
    assert [(n["S"], n["C"]) for n in wire.query("START TRANSACTION").notices] == [("WARNING", "25001")]
    wire.query("INSERT (:T17)")
    assert wire.query("COMMIT").tags == ["COMMIT"]
    assert wire.query("MATCH (n:T17) RETURN count(n) AS c").rows == [("2",)]


# --- t18, t19 -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("database", ["embedded"], indirect=True)
def test_t18_versions_of_elements_that_nobody_can_see_go(graph: skerry.Database) -> None:
    reader = graph.begin_transaction(read_only=True)
    before = everything(reader)
    for number in range(50):
        graph.execute("MATCH (n:P) SET n.v = $1, n.w = $1", (number,))
        graph.execute("INSERT (:T {id: 50})")
        graph.execute("MATCH (n:T) DETACH DELETE n")
    assert everything(reader) == before
    reader.rollback()
    graph.execute("SELECT skerry.gc()")
    assert graph.execute("MATCH (n:P) RETURN n.w, n.v").fetchall() == [(49, 49), (49, 49)]


def test_t19_a_deadlock_is_t006(graph: skerry.Database) -> None:
    first = graph.begin_transaction(isolation_level="read committed")
    second = graph.begin_transaction(isolation_level="read committed")
    first.execute("MATCH (n {id: 1}) SET n.v = 'a'")
    second.execute("MATCH (n {id: 2}) SET n.v = 'b'")
    beside = Beside(lambda: first.execute("MATCH (n {id: 2}) SET n.v = 'a'"))
    until(lambda: beside.is_running)
    wait_for_waiters(graph)
    with pytest.raises(skerry.DeadlockDetected) as caught:
        second.execute("MATCH (n {id: 1}) SET n.v = 'b'")
    assert (caught.value.code, caught.value.sqlstate, caught.value.is_retryable) == ("T006", "40P01", True)
    second.rollback()
    beside.result()
    first.commit()


def test_t19_a_lock_timeout_is_t002(graph: skerry.Database) -> None:
    holder = graph.begin_transaction(isolation_level="read committed")
    holder.execute("MERGE (:M {k: 1})")

    def wait() -> None:
        with graph.begin_transaction(isolation_level="read committed") as waiter:
            waiter.execute("SET LOCAL lock_timeout = '50ms'")
            waiter.execute("MERGE (:M {k: 1})")

    with pytest.raises(skerry.TransactionTimeout) as caught:
        Beside(wait).result()
    assert caught.value.code == "T002"
    holder.rollback()


@pytest.mark.parametrize(
    ("text", "error", "sqlstate", "gqlstatus"),
    [
        ("MATCH (n:Q) DELETE n", skerry.errors.EdgesStillExist, "23503", "G1001"),
        ("MATCH (n:Alone) DELETE n INSERT (n)-[:E]->(n)", skerry.errors.EndpointDeleted, "23503", "G1002"),
        ("MATCH (n), (m) SET n.x = m.id", skerry.errors.MultipleAssignments, "21000", "22G0M"),
        ("MATCH (n", skerry.errors.SyntaxError, "42601", "42001"),
        ("MATCH (n) RETURN m", skerry.errors.UndefinedColumn, "42703", "42002"),
        ("RETURN 1 / 0 AS x", skerry.errors.DivisionByZero, "22012", "22012"),
    ],
)
def test_t19_errors_have_a_gqlstatus_beside_their_sqlstate(
    graph: skerry.Database, text: str, error: type[skerry.DatabaseError], sqlstate: str, gqlstatus: str
) -> None:
    with pytest.raises(error) as caught:
        graph.execute(text)
    assert (caught.value.sqlstate, caught.value.gqlstatus) == (sqlstate, gqlstatus)
