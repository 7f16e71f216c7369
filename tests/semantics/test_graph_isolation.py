"""Rows t3 to t9 and t20 of the transaction semantics in GQL: nodes, edges, labels and properties.

What test_isolation.py asks of tables, asked of the graph `home`: the same rows, embedded and over the network.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable

import pytest
from support.beside import Beside, wait_for_waiters

import skerry

LEVELS = ["read committed", "snapshot", "serializable"]
ABOVE_READ_COMMITTED = LEVELS[1:]

SETUP = """
    INSERT (a:P&Even {id: 0, v: 0}), (b:P {id: 1, v: 10}), (c:P&Even {id: 2, v: 20}), (d:P {id: 3, v: 30}),
           (e:Lonely {id: 4}), (a)-[:E {w: 1}]->(b), (b)-[:E {w: 2}]->(c), (c)-[:F {w: 3}]->(a)
"""

READS = [
    "MATCH (n) RETURN n.id, n.v, LABELS(n) AS l ORDER BY n.id",
    "MATCH (n:P) RETURN count(*) AS c, sum(n.v) AS s, max(n.v) AS m",
    "MATCH (n:Even) RETURN n.id ORDER BY n.id",
    "MATCH (n:Gone) RETURN n.id",
    "MATCH (n {id: 1}) RETURN n.v",
    "MATCH (n WHERE n.v > 15) RETURN n.id ORDER BY n.id",
    "MATCH (a)-[e]->(b) RETURN a.id, e.w, b.id ORDER BY a.id, e.w",
    "MATCH (a)-[e:E]->(b) RETURN count(e) AS c",
    "MATCH (a {id: 0})-(b) RETURN b.id ORDER BY b.id",
    "MATCH (a:P)-[:E]->(b)-[:E]->(c) RETURN a.id, c.id",
    "MATCH (n:P) RETURN EXISTS {(n)-[:F]->()} AS f, n.id ORDER BY n.id",
    "MATCH (n) RETURN n.new",
]

CHANGES = [
    "MATCH (n {id: 1}) SET n.v = 1000",
    "MATCH (n {id: 2}) SET n.new = 'x'",
    "MATCH (n {id: 1}) REMOVE n.v",
    "MATCH (n {id: 3}) SET n:Even",
    "MATCH (n {id: 0}) REMOVE n:Even",
    "INSERT (:P&Even {id: 7, v: 70})",
    "MATCH (a {id: 3}), (b {id: 0}) INSERT (a)-[:E {w: 9}]->(b)",
    "MATCH ()-[e {w: 2}]->() SET e.w = 22",
    "MATCH ()-[e:F]->() DELETE e",
    "MATCH (n:Lonely) DELETE n",
    "MATCH (n {id: 2}) DETACH DELETE n",
    "MERGE (n:Gone {id: 1}) ON CREATE SET n.v = 5",
]


@pytest.fixture
def graph(database: skerry.Database) -> skerry.Database:
    """`database` with five nodes and three edges in its graph `home`."""
    database.execute(SETUP)
    return database


@pytest.fixture
def accounts(database: skerry.Database) -> skerry.Database:
    """`database` with two accounts of 50 each."""
    database.execute("INSERT (:Account {name: 'A', balance: 50}), (:Account {name: 'B', balance: 50})")
    return database


def balances(database: skerry.Database) -> list[object]:
    return [row[0] for row in database.execute("MATCH (a:Account) RETURN a.balance ORDER BY a.name")]


def read_all(transaction: skerry.Transaction | skerry.Database) -> list[list[skerry.abc.Row]]:
    return [transaction.execute(query).fetchall() for query in READS]


def retried(database: skerry.Database, level: str, work: Callable[[skerry.Transaction], object]) -> int:
    """Run a transaction until it commits, as `is_retryable` says; returns how many runs that took."""
    for runs in itertools.count(1):
        try:
            with database.begin_transaction(isolation_level=level) as transaction:
                work(transaction)
                transaction.commit()
                return runs
        except skerry.Error as problem:
            if not problem.is_retryable:
                raise
        time.sleep(0)
    raise AssertionError


# --- t3, t4 -------------------------------------------------------------------------------------------------


def test_t03_read_committed_sees_what_others_committed_in_between(graph: skerry.Database) -> None:
    with graph.begin_transaction(isolation_level="read committed") as transaction:
        assert read_all(transaction) == read_all(graph)
        for change in CHANGES:
            before = read_all(graph)
            graph.execute(change)
            after = read_all(graph)
            assert after != before, change
            assert read_all(transaction) == after


@pytest.mark.parametrize("level", LEVELS)
def test_t04_no_dirty_reads(graph: skerry.Database, level: str) -> None:
    before = read_all(graph)
    with (
        graph.begin_transaction(isolation_level="read committed") as writer,
        graph.begin_transaction(isolation_level=level) as reader,
    ):
        for change in CHANGES:
            writer.execute(change)
            assert read_all(reader) == before, change
        assert read_all(writer) != before
        writer.rollback()
        assert read_all(reader) == before


@pytest.mark.parametrize("level", ABOVE_READ_COMMITTED)
def test_t04_a_snapshot_is_consistent_as_of_the_start(graph: skerry.Database, level: str) -> None:
    """Also for what is read for the first time after others have committed."""
    before = read_all(graph)
    with graph.begin_transaction(isolation_level=level, read_only=True) as transaction:
        for change in CHANGES:
            graph.execute(change)
            assert read_all(transaction) == before, change
        transaction.commit()
    assert read_all(graph) != before


@pytest.mark.parametrize("level", ABOVE_READ_COMMITTED)
def test_t04_a_snapshot_sees_its_own_changes_over_the_old_state(graph: skerry.Database, level: str) -> None:
    with graph.begin_transaction(isolation_level=level) as transaction:
        graph.execute("MATCH (n {id: 0}) SET n.v = -1, n:Other")
        transaction.execute("MATCH (n {id: 1}) SET n.v = n.v + 1, n:Mine")
        transaction.execute("INSERT (:Mine {id: 9, v: 90})")
        assert transaction.execute("MATCH (n:Mine) RETURN n.id, n.v ORDER BY n.id").fetchall() == [
            (1, 11),
            (9, 90),
        ]
        assert transaction.execute("MATCH (n:Other) RETURN n.id").fetchall() == []
        assert transaction.execute("MATCH (n {id: 0}) RETURN n.v").scalar() == 0
        transaction.commit()
    assert graph.execute("MATCH (n:Other|Mine) RETURN n.id ORDER BY n.id").fetchall() == [(0,), (1,), (9,)]


# --- t5 -----------------------------------------------------------------------------------------------------

ONE = "MATCH (n {id: 1})"
CONFLICTS = [
    (f"{ONE} SET n.v = 1", f"{ONE} SET n.v = 2"),
    (f"{ONE} SET n.v = 1", f"{ONE} SET n.other = 2"),
    (f"{ONE} SET n.v = 1", f"{ONE} REMOVE n.v"),
    (f"{ONE} SET n:X", f"{ONE} SET n.v = 1"),
    (f"{ONE} SET n:X", f"{ONE} REMOVE n:P"),
    (f"{ONE} SET n.v = 1", f"{ONE} DETACH DELETE n"),
    (f"{ONE} DETACH DELETE n", f"{ONE} SET n.v = 2"),
    (f"{ONE} DETACH DELETE n", f"{ONE} DETACH DELETE n"),
    ("MATCH ()-[e {w: 1}]->() SET e.w = 5", "MATCH ()-[e {w: 1}]->() DELETE e"),
    ("MATCH ()-[e {w: 1}]->() DELETE e", "MATCH (n {id: 0}) DETACH DELETE n"),
    (f"{ONE}, (m {{id: 4}}) INSERT (n)-[:X]->(m)", f"{ONE} DETACH DELETE n"),
    (f"{ONE} DETACH DELETE n", f"{ONE}, (m {{id: 4}}) INSERT (n)-[:X]->(m)"),
    ("MATCH (n:Lonely) DELETE n", "MATCH (n:Lonely) INSERT (n)-[:X]->(n)"),
    ("MERGE (n:New {k: 1})", "MERGE (n:New {k: 1})"),
    (
        "MERGE (n:P {id: 1}) ON MATCH SET n.v = 1",
        "MERGE (n:P {id: 1}) ON MATCH SET n.v = 2",
    ),
    (
        f"{ONE}, (m {{id: 4}}) MERGE (n)-[:X {{k: 1}}]->(m)",
        f"{ONE}, (m {{id: 4}}) MERGE (n)-[:X {{k: 1}}]->(m)",
    ),
]


@pytest.mark.parametrize("level", ABOVE_READ_COMMITTED)
@pytest.mark.parametrize(("first_change", "second_change"), CONFLICTS)
def test_t05_the_first_commit_wins(
    graph: skerry.Database, level: str, first_change: str, second_change: str
) -> None:
    first = graph.begin_transaction(isolation_level=level)
    second = graph.begin_transaction(isolation_level=level)
    first.execute(first_change)
    second.execute(second_change)
    first.commit()
    after = read_all(graph)
    with pytest.raises(skerry.WriteConflict) as caught:
        second.commit()
    assert (caught.value.code, caught.value.sqlstate, caught.value.is_retryable) == ("T001", "40001", True)
    assert (first.state, second.state) == ("committed", "aborted")
    assert read_all(graph) == after


@pytest.mark.parametrize("level", ABOVE_READ_COMMITTED)
@pytest.mark.parametrize(("first_change", "second_change"), CONFLICTS)
def test_t05_the_second_commits_when_the_first_rolls_back(
    graph: skerry.Database, level: str, first_change: str, second_change: str
) -> None:
    first = graph.begin_transaction(isolation_level=level)
    second = graph.begin_transaction(isolation_level=level)
    first.execute(first_change)
    second.execute(second_change)
    seen = read_all(second)
    first.rollback()
    second.commit()
    assert read_all(graph) == seen


def test_t05_edges_at_one_node_are_no_conflict(graph: skerry.Database) -> None:
    """An edge is written, its ends are not; nor is a node whose label or property changes beside a new edge."""
    for level in LEVELS[:2]:
        first = graph.begin_transaction(isolation_level=level)
        second = graph.begin_transaction(isolation_level=level)
        first.execute("MATCH (n {id: 1}), (m {id: 4}) INSERT (n)-[:X]->(m)")
        second.execute("MATCH (n {id: 1}), (m {id: 0}) INSERT (n)-[:X]->(m)")
        second.execute("MATCH (n {id: 4}) SET n.touched = TRUE")
        first.commit()
        second.commit()
    assert graph.execute("MATCH ({id: 1})-[e:X]->() RETURN count(e) AS c").scalar() == 4


def test_t05_a_statement_that_meets_a_newer_element_fails_at_once(graph: skerry.Database) -> None:
    transaction = graph.begin_transaction()
    graph.execute("MATCH (n {id: 1}) SET n.v = 0")
    with pytest.raises(skerry.WriteConflict):
        transaction.execute("MATCH (n {id: 1}) SET n.v = n.v + 1")
    transaction.rollback()


def test_t05_read_committed_waits_and_goes_on(graph: skerry.Database) -> None:
    first = graph.begin_transaction(isolation_level="read committed")
    second = graph.begin_transaction(isolation_level="read committed")
    first.execute("MATCH (n {id: 1}) SET n.v = n.v + 1")
    beside = Beside(lambda: second.execute("MATCH (n {id: 1}) SET n.v = n.v * 2 RETURN n.v").scalar())
    wait_for_waiters(graph)
    first.commit()
    assert beside.result() == 22
    second.commit()


def test_t05_read_committed_waits_and_finds_the_node_gone(graph: skerry.Database) -> None:
    """No error comes of the race: the statement runs again, and matches nothing."""
    first = graph.begin_transaction(isolation_level="read committed")
    second = graph.begin_transaction(isolation_level="read committed")
    first.execute("MATCH (n:Lonely) DELETE n")
    insert = "MATCH (n:Lonely), (m {id: 0}) INSERT (n)-[:X]->(m)"
    beside = Beside(lambda: second.execute(insert).rowcount)
    wait_for_waiters(graph)
    first.commit()
    assert beside.result() == 0
    second.commit()


def test_t05_read_committed_waits_and_finds_an_edge_that_came(graph: skerry.Database) -> None:
    first = graph.begin_transaction(isolation_level="read committed")
    second = graph.begin_transaction(isolation_level="read committed")
    first.execute("MATCH (n:Lonely), (m {id: 0}) INSERT (n)-[:X]->(m)")
    beside = Beside(lambda: second.execute("MATCH (n:Lonely) DELETE n"))
    wait_for_waiters(graph)
    first.commit()
    with pytest.raises(skerry.IntegrityError, match="1 edge"):
        beside.result()
    second.rollback()
    assert graph.execute("MATCH (n:Lonely) DETACH DELETE n").rowcount == 2


# --- t6 -----------------------------------------------------------------------------------------------------

THREADS = 4
INCREMENTS = 50


def by_one_statement(transaction: skerry.Transaction) -> None:
    transaction.execute("MATCH (n {id: 1}) SET n.v = n.v + 1")


def by_reading_first(transaction: skerry.Transaction) -> None:
    value = transaction.execute("MATCH (n {id: 1}) RETURN n.v").scalar()
    assert isinstance(value, int)
    transaction.execute("MATCH (n {id: 1}) SET n.v = $1", (value + 1,))


def by_merging(transaction: skerry.Transaction) -> None:
    transaction.execute("MERGE (n:P {id: 1}) ON MATCH SET n.v = n.v + 1")


@pytest.mark.parametrize(
    ("level", "increment"),
    [
        ("read committed", by_one_statement),
        ("read committed", by_merging),
        ("snapshot", by_one_statement),
        ("snapshot", by_reading_first),
        ("snapshot", by_merging),
        ("serializable", by_one_statement),
        ("serializable", by_reading_first),
    ],
)
def test_t06_no_lost_update(
    graph: skerry.Database, level: str, increment: Callable[[skerry.Transaction], None]
) -> None:
    """4 threads x 50 increments = 200, each transaction run again while its error is retryable."""
    graph.execute("MATCH (n {id: 1}) SET n.v = 0")
    start = threading.Barrier(THREADS)

    def work() -> int:
        start.wait()
        return sum(retried(graph, level, increment) for _ in range(INCREMENTS))

    runs = sum(thread.result() for thread in [Beside(work) for _ in range(THREADS)])
    assert graph.execute("MATCH (n {id: 1}) RETURN n.v").scalar() == THREADS * INCREMENTS
    if level == "read committed":
        assert runs == THREADS * INCREMENTS, "nothing is to be run again"


# --- t7, t9: write skew -------------------------------------------------------------------------------------


def withdraw(transaction: skerry.Transaction, name: str) -> None:
    total = transaction.execute("MATCH (a:Account) RETURN sum(a.balance) AS s").scalar()
    assert total == 100, "enough in both accounts together"
    transaction.execute("MATCH (a:Account {name: $1}) SET a.balance = a.balance - 100", (name,))


def test_t07_snapshot_allows_write_skew(accounts: skerry.Database) -> None:
    both = [accounts.begin_transaction(), accounts.begin_transaction()]
    for transaction, name in zip(both, "AB", strict=True):
        withdraw(transaction, name)
    for transaction in both:
        transaction.commit()
    assert balances(accounts) == [-50, -50]


def test_t07_serializable_refuses_write_skew(accounts: skerry.Database) -> None:
    both = [accounts.begin_transaction(isolation_level="serializable") for _ in range(2)]
    for transaction, name in zip(both, "AB", strict=True):
        withdraw(transaction, name)
    both[0].commit()
    with pytest.raises(skerry.SerializationFailure) as caught:
        both[1].commit()
    assert (caught.value.code, caught.value.sqlstate, caught.value.is_retryable) == ("T005", "40001", True)
    assert balances(accounts) == [-50, 50]


def test_t07_skew_between_a_table_and_the_graph(accounts: skerry.Database) -> None:
    """One store, one guarantee: what is read in one language and written in the other."""
    accounts.execute("CREATE TABLE cash (amount int)")
    accounts.execute("INSERT INTO cash VALUES (50)")
    for level, refused in (("snapshot", False), ("serializable", True)):
        one = accounts.begin_transaction(isolation_level=level)
        other = accounts.begin_transaction(isolation_level=level)
        one.execute("MATCH (a:Account) RETURN sum(a.balance) AS s")
        one.execute("UPDATE cash SET amount = amount - 1")
        other.execute("SELECT sum(amount) FROM cash")
        other.execute("MATCH (a:Account {name: 'A'}) SET a.balance = a.balance - 1")
        one.commit()
        if refused:
            with pytest.raises(skerry.SerializationFailure):
                other.commit()
        else:
            other.commit()


def test_t09_touching_both_turns_write_skew_into_a_conflict(accounts: skerry.Database) -> None:
    both = [accounts.begin_transaction(), accounts.begin_transaction()]
    for transaction, name in zip(both, "AB", strict=True):
        transaction.execute("MATCH (a:Account) SET a.balance = a.balance")
        withdraw(transaction, name)
    both[0].commit()
    with pytest.raises(skerry.WriteConflict) as caught:
        both[1].commit()
    assert caught.value.code == "T001"
    assert balances(accounts) == [-50, 50]


# --- t8: what only SERIALIZABLE refuses ---------------------------------------------------------------------

# Two transactions, each a query and a change; after both no serial order explains what they read.
ANOMALIES = {
    "a new node with a label": (
        ("MATCH (n:Doctor) RETURN count(n) AS c", "INSERT (:Doctor {id: 100})"),
        ("MATCH (n:Doctor) RETURN count(n) AS c", "INSERT (:Doctor {id: 101})"),
    ),
    "a label set": (
        ("MATCH (n:Even) RETURN count(n) AS c", "MATCH (n {id: 1}) SET n:Even"),
        ("MATCH (n:Even) RETURN count(n) AS c", "MATCH (n {id: 3}) SET n:Even"),
    ),
    "a label removed": (
        ("MATCH (n:Even) RETURN count(n) AS c", "MATCH (n {id: 0}) REMOVE n:Even"),
        ("MATCH (n:Even) RETURN count(n) AS c", "MATCH (n {id: 2}) REMOVE n:Even"),
    ),
    "a property with a value": (
        ("MATCH (n {v: 7}) RETURN count(n) AS c", "MATCH (n {id: 1}) SET n.v = 7"),
        ("MATCH (n {v: 7}) RETURN count(n) AS c", "MATCH (n {id: 3}) SET n.v = 7"),
    ),
    "a property that was not there": (
        ("MATCH (n WHERE n.flag) RETURN count(n) AS c", "MATCH (n {id: 1}) SET n.flag = TRUE"),
        ("MATCH (n WHERE n.flag) RETURN count(n) AS c", "MATCH (n {id: 3}) SET n.flag = TRUE"),
    ),
    "a property removed": (
        ("MATCH (n WHERE n.v IS NULL) RETURN count(n) AS c", "MATCH (n {id: 1}) REMOVE n.v"),
        ("MATCH (n WHERE n.v IS NULL) RETURN count(n) AS c", "MATCH (n {id: 3}) REMOVE n.v"),
    ),
    "edges of a node": (
        (
            "MATCH ({id: 0})-[e]->() RETURN count(e) AS c",
            "MATCH (a {id: 1}), (b {id: 4}) INSERT (a)-[:E]->(b)",
        ),
        (
            "MATCH ({id: 1})-[e]->() RETURN count(e) AS c",
            "MATCH (a {id: 0}), (b {id: 4}) INSERT (a)-[:E]->(b)",
        ),
    ),
    "edges to a node": (
        (
            "MATCH ()-[e]->({id: 0}) RETURN count(e) AS c",
            "MATCH (a {id: 4}), (b {id: 1}) INSERT (a)-[:E]->(b)",
        ),
        (
            "MATCH ()-[e]->({id: 1}) RETURN count(e) AS c",
            "MATCH (a {id: 4}), (b {id: 0}) INSERT (a)-[:E]->(b)",
        ),
    ),
    "an edge deleted": (
        ("MATCH ({id: 0})-[e]->() RETURN count(e) AS c", "MATCH ({id: 1})-[e]->() DELETE e"),
        ("MATCH ({id: 1})-[e]->() RETURN count(e) AS c", "MATCH ({id: 0})-[e]->() DELETE e"),
    ),
    "edges with a label": (
        ("MATCH ()-[e:F]->() RETURN count(e) AS c", "MATCH (a {id: 1}), (b {id: 4}) INSERT (a)-[:F]->(b)"),
        ("MATCH ()-[e:F]->() RETURN count(e) AS c", "MATCH (a {id: 3}), (b {id: 4}) INSERT (a)-[:F]->(b)"),
    ),
    "two hops": (
        (
            "MATCH ({id: 0})-[:E]->()-[:E]->(c) RETURN count(c) AS c",
            "MATCH (a {id: 3}), (b {id: 4}) INSERT (a)-[:E]->(b)",
        ),
        (
            "MATCH ({id: 3})-[:E]->(c) RETURN count(c) AS c",
            "MATCH (a {id: 1}), (b {id: 4}) INSERT (a)-[:E]->(b)",
        ),
    ),
    "a neighbour's property": (
        ("MATCH ({id: 0})-[:E]->(b) RETURN b.v", "MATCH (n {id: 2}) SET n.v = 5"),
        ("MATCH ({id: 1})-[:E]->(b) RETURN b.v", "MATCH (n {id: 1}) SET n.v = 5"),
    ),
    "an aggregate": (
        ("MATCH (n:Even) RETURN sum(n.v) AS s", "INSERT (:Odd {v: 1})"),
        ("MATCH (n:Odd) RETURN sum(n.v) AS s", "INSERT (:Even {v: 1})"),
    ),
    "EXISTS": (
        ("MATCH (n {id: 4}) RETURN EXISTS {(n)-[:X]->()} AS x", "INSERT (:Seen)"),
        ("MATCH (n:Seen) RETURN count(n) AS c", "MATCH (n {id: 4}) INSERT (n)-[:X]->(n)"),
    ),
    "reading by changing": (
        ("MATCH (n {id: 4}) RETURN n.id", "MATCH (n:Even) RETURN sum(n.v) AS s NEXT INSERT (:Odd {v: s})"),
        ("MATCH (n {id: 4}) RETURN n.id", "MATCH (n:Odd) RETURN sum(n.v) AS s NEXT INSERT (:Even {v: s})"),
    ),
    "MERGE that finds nothing": (
        ("MATCH (n {id: 4}) RETURN n.id", "MERGE (n:One {k: 1}) RETURN n.k NEXT MERGE (m:Two {k: 1})"),
        ("MATCH (n:Two) RETURN count(n) AS c", "INSERT (:One {k: 1})"),
    ),
}


def run_both(database: skerry.Database, level: str, anomaly: str) -> list[skerry.Transaction]:
    both = [database.begin_transaction(isolation_level=level) for _ in range(2)]
    for transaction, (query, change) in zip(both, ANOMALIES[anomaly], strict=True):
        transaction.execute(query).fetchall()
        transaction.execute(change)
    return both


@pytest.mark.parametrize("anomaly", ANOMALIES)
def test_t08_snapshot_allows(graph: skerry.Database, anomaly: str) -> None:
    for transaction in run_both(graph, "snapshot", anomaly):
        transaction.commit()


@pytest.mark.parametrize("anomaly", ANOMALIES)
def test_t08_serializable_refuses(graph: skerry.Database, anomaly: str) -> None:
    first, second = run_both(graph, "serializable", anomaly)
    first.commit()
    with pytest.raises(skerry.SerializationFailure) as caught:
        second.commit()
    assert caught.value.code == "T005"


@pytest.mark.parametrize("anomaly", ANOMALIES)
def test_t08_one_after_the_other_commits(graph: skerry.Database, anomaly: str) -> None:
    """No false alarm without concurrency."""
    for query, change in ANOMALIES[anomaly]:
        with graph.begin_transaction(isolation_level="serializable") as transaction:
            transaction.execute(query)
            transaction.execute(change)
            transaction.commit()


def read_only_anomaly(accounts: skerry.Database, level: str) -> tuple[object, skerry.Transaction]:
    """T2 deposits into B; T3 reads both; T1, older, withdraws from A with a fee if they were low."""
    accounts.execute("MATCH (a:Account) SET a.balance = 0")
    withdrawal = accounts.begin_transaction(isolation_level=level)
    assert withdrawal.execute("MATCH (a:Account) RETURN sum(a.balance) AS s").scalar() == 0
    with accounts.begin_transaction(isolation_level=level) as deposit:
        deposit.execute("MATCH (a:Account {name: 'B'}) SET a.balance = a.balance + 20")
        deposit.commit()
    with accounts.begin_transaction(isolation_level=level, read_only=True) as report:
        seen = report.execute("MATCH (a:Account) RETURN a.balance ORDER BY a.name").fetchall()
        report.commit()
    withdrawal.execute("MATCH (a:Account {name: 'A'}) SET a.balance = a.balance - 11")
    return seen, withdrawal


def test_t08_the_read_only_anomaly(accounts: skerry.Database) -> None:
    seen, withdrawal = read_only_anomaly(accounts, "snapshot")
    withdrawal.commit()
    assert seen == [(0,), (20,)] and balances(accounts) == [-11, 20]
    seen, withdrawal = read_only_anomaly(accounts, "serializable")
    with pytest.raises(skerry.SerializationFailure):
        withdrawal.commit()
    assert seen == [(0,), (20,)] and balances(accounts) == [0, 20]


# --- t20 ----------------------------------------------------------------------------------------------------

MERGES = {
    "a node": ("MERGE (n:Thing {name: 'x'}) ON CREATE SET n.n = 1 ON MATCH SET n.n = n.n + 1", 5 * THREADS),
    "a node, as it is": ("MERGE (n:Thing {name: 'x', n: 1})", 1),
    "an edge": (
        "MATCH (a {id: 0}), (b {id: 4}) MERGE (a)-[n:Thing]->(b) ON CREATE SET n.n = 1 ON MATCH SET n.n = n.n + 1",
        5 * THREADS,
    ),
    "a pattern": ("MERGE (:Top {k: 1})-[n:Thing {n: 1}]->(:End {k: 2})", 1),
}


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("what", MERGES)
def test_t20_merging_the_same_thing_at_once_makes_one(graph: skerry.Database, level: str, what: str) -> None:
    text, expected = MERGES[what]
    start = threading.Barrier(THREADS)

    def work() -> int:
        start.wait()
        return sum(retried(graph, level, lambda transaction: transaction.execute(text)) for _ in range(5))

    runs = sum(thread.result() for thread in [Beside(work) for _ in range(THREADS)])
    nodes = graph.execute("MATCH (n:Thing) RETURN n.n").fetchall()
    edges = graph.execute("MATCH ()-[n:Thing]->() RETURN n.n").fetchall()
    assert nodes + edges == [(expected,)]
    assert graph.execute("MATCH (n:Top) RETURN count(n) AS c").scalar() == (what == "a pattern")
    if level == "read committed":
        assert runs == 5 * THREADS, "nothing is to be run again"


@pytest.mark.parametrize("level", ABOVE_READ_COMMITTED)
@pytest.mark.parametrize("what", MERGES)
def test_t20_the_second_of_two_is_refused_above_read_committed(
    graph: skerry.Database, level: str, what: str
) -> None:
    both = [graph.begin_transaction(isolation_level=level) for _ in range(2)]
    for transaction in both:
        transaction.execute(MERGES[what][0])
    both[0].commit()
    with pytest.raises(skerry.WriteConflict):
        both[1].commit()


def test_t20_read_committed_waits_and_finds_it(graph: skerry.Database) -> None:
    first = graph.begin_transaction(isolation_level="read committed")
    second = graph.begin_transaction(isolation_level="read committed")
    text = "MERGE (n:Fresh {name: 'x'}) ON CREATE SET n.made = $1 RETURN n.made"
    assert first.execute(text, ("first",)).scalar() == "first"
    beside = Beside(lambda: second.execute(text, ("second",)).scalar())
    wait_for_waiters(graph)
    first.commit()
    assert beside.result() == "first"
    second.commit()
    assert graph.execute("MATCH (n:Fresh) RETURN count(n) AS c").scalar() == 1
