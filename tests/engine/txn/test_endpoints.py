"""Edges and their ends, and MERGE's names, at the kernel: every order of two transactions, at every level."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest

from skerry_engine.errors import DatabaseError, EdgesStillExist, EndpointDeleted, WriteConflict
from skerry_engine.storage.heap import Row
from skerry_engine.storage.index import Index
from skerry_engine.storage.table import TableStorage
from skerry_engine.txn.conflicts import RestartStatement
from skerry_engine.txn.endpoints import Endpoints
from skerry_engine.txn.locks import LockWait, Owner
from skerry_engine.txn.manager import TransactionManager
from skerry_engine.txn.merges import FEW, MERGE, claim
from skerry_engine.txn.modes import BULK_KEYS
from skerry_engine.txn.target import WriteTarget
from skerry_engine.txn.transaction import Transaction
from skerry_engine.values import oids
from skerry_engine.values.keys import KeyCodec, KeyColumn

LEVELS = ("read committed", "snapshot", "serializable")
SHAPE = 1


class GraphOfTables:
    """Two tables, tied, with three nodes and an edge from the first to the second."""

    def __init__(self) -> None:
        self.manager = TransactionManager("catalog")
        self.nodes = WriteTarget(TableStorage(1, 1), "nodes", 1)
        self.edges = WriteTarget(TableStorage(2, 3), "edges", 2)
        by_source, by_target = self._index(20, 1), self._index(21, 2)
        self.ends = Endpoints("g", self.nodes, self.edges, by_source, by_target)
        self.ends.link()
        transaction = self.begin()
        writer = transaction.writer(self.nodes)
        self.ids = [writer.insert((SHAPE,)) for _ in range(3)]
        self.edge = transaction.writer(self.edges).insert((SHAPE, self.ids[0], self.ids[1]))
        finish(transaction)

    def _index(self, number: int, position: int) -> Index:
        codec = KeyCodec((KeyColumn(oids.INT8),))
        index = Index(number, lambda row: (row[position],), codec, False, True, (position,))
        self.edges.storage.indexes[number] = index
        return index

    def begin(self, level: str = "read committed", process_id: int = 1) -> Transaction:
        transaction = self.manager.begin(level, owner=Owner(process_id=process_id))
        transaction.start_statement()
        return transaction

    def newest(self, target: WriteTarget) -> dict[int, Row]:
        transaction = self.begin()
        ids, rows, _ = transaction.reader(target.storage).scan_ids_batch(-1, 10_000)
        transaction.rollback()
        return dict(zip(ids, rows, strict=True))

    def check(self) -> None:
        """No edge without both ends."""
        nodes = self.newest(self.nodes)
        for row in self.newest(self.edges).values():
            assert row[1] in nodes and row[2] in nodes


def finish(transaction: Transaction) -> None:
    transaction.finish_statement()
    assert transaction.commit_fast()


@pytest.fixture
def graph() -> GraphOfTables:
    return GraphOfTables()


def insert_edge(graph: GraphOfTables, source: int, target: int) -> Callable[[Transaction], None]:
    def work(transaction: Transaction) -> None:
        transaction.writer(graph.edges).insert((SHAPE, source, target))

    return work


def delete_node(graph: GraphOfTables, node: int) -> Callable[[Transaction], None]:
    def work(transaction: Transaction) -> None:
        row = transaction.reader(graph.nodes.storage).get(node)
        assert row is not None
        transaction.writer(graph.nodes).delete(node, row)

    return work


class Player:
    """One transaction in steps: its statement's work, the statement's end, its commit."""

    def __init__(
        self, graph: GraphOfTables, level: str, number: int, work: Callable[[Transaction], None]
    ) -> None:
        self.transaction = graph.begin(level, number)
        self.steps: list[Callable[[], object]] = [
            lambda: work(self.transaction),
            self.transaction.finish_statement,
            self._commit,
        ]
        self.error: Exception | None = None

    def _commit(self) -> None:
        if not self.transaction.commit_fast():
            for _ in self.transaction.commit():
                raise Blocked

    def go_on(self) -> bool:
        """One step; False: it waits for the other."""
        if self.error is not None or not self.steps:
            return True
        try:
            self.steps[0]()
        except (LockWait, Blocked):
            return False
        except (DatabaseError, RestartStatement) as error:
            self.error = error
            self.transaction.close()
        else:
            self.steps.pop(0)
        return True

    def finish(self) -> bool:
        while self.steps and self.error is None:
            if not self.go_on():
                return False
        return True


class Blocked(Exception):
    """A commit waits for a lock."""


def play(
    graph: GraphOfTables, level: str, works: list[Callable[[Transaction], None]], order: tuple[int, ...]
) -> list[Player]:
    players = [Player(graph, level, number + 1, work) for number, work in enumerate(works)]
    for number in order:
        players[number].go_on()
    for _ in range(3):
        for player in players:
            player.finish()
    assert all(player.error is not None or not player.steps for player in players)
    return players


ORDERS = sorted(set(itertools.permutations((0, 0, 0, 1, 1, 1))))


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("end", ["source", "target", "loop"])
def test_an_edge_and_the_deletion_of_its_end_never_both_commit(level: str, end: str) -> None:
    for order in ORDERS:
        graph = GraphOfTables()
        node = graph.ids[2]
        source, target = {
            "source": (node, graph.ids[0]),
            "target": (graph.ids[0], node),
            "loop": (node, node),
        }[end]
        works = [insert_edge(graph, source, target), delete_node(graph, node)]
        players = play(graph, level, works, order)
        committed = [player.error is None for player in players]
        assert sum(committed) == 1, (order, [player.error for player in players])
        for player in players:
            expected = (WriteConflict,) if level != "read committed" else (RestartStatement, EdgesStillExist)
            assert player.error is None or isinstance(player.error, expected), (order, player.error)
        graph.check()


@pytest.mark.parametrize("level", LEVELS)
def test_edges_at_one_node_do_not_stand_in_each_others_way(level: str) -> None:
    for order in ORDERS:
        graph = GraphOfTables()
        works = [
            insert_edge(graph, graph.ids[0], graph.ids[2]),
            insert_edge(graph, graph.ids[0], graph.ids[1]),
        ]
        assert all(player.error is None for player in play(graph, level, works, order))


@pytest.mark.parametrize("level", LEVELS)
def test_a_connected_node_does_not_go_and_the_error_counts_its_edges(
    graph: GraphOfTables, level: str
) -> None:
    transaction = graph.begin(level)
    insert_edge(graph, graph.ids[1], graph.ids[1])(transaction)
    transaction.finish_statement()
    mark = transaction.start_statement()
    delete_node(graph, graph.ids[1])(transaction)
    with pytest.raises(EdgesStillExist, match="2 edges") as caught:
        transaction.finish_statement()
    assert (caught.value.sqlstate, caught.value.gqlstatus) == ("23503", "G1001")
    transaction.abandon_statement(mark)
    finish_commit(transaction)
    assert len(graph.newest(graph.edges)) == 2
    graph.check()


def finish_commit(transaction: Transaction) -> None:
    assert transaction.commit_fast()


@pytest.mark.parametrize("level", LEVELS)
def test_a_node_goes_with_its_edges_in_one_statement(graph: GraphOfTables, level: str) -> None:
    transaction = graph.begin(level)
    delete_node(graph, graph.ids[0])(transaction)
    row = transaction.reader(graph.edges.storage).get(graph.edge)
    assert row is not None
    transaction.writer(graph.edges).delete(graph.edge, row)
    finish(transaction)
    assert not graph.newest(graph.edges) and graph.ids[0] not in graph.newest(graph.nodes)


@pytest.mark.parametrize("level", LEVELS)
def test_an_edge_at_a_node_that_the_transaction_deleted_is_an_error(graph: GraphOfTables, level: str) -> None:
    transaction = graph.begin(level)
    delete_node(graph, graph.ids[2])(transaction)
    transaction.finish_statement()
    transaction.start_statement()
    with pytest.raises(EndpointDeleted):
        insert_edge(graph, graph.ids[0], graph.ids[2])(transaction)
    transaction.rollback()


@pytest.mark.parametrize("level", LEVELS)
def test_an_edge_at_a_node_that_nobody_has_seen_is_an_error(graph: GraphOfTables, level: str) -> None:
    transaction = graph.begin(level)
    with pytest.raises(EndpointDeleted):
        insert_edge(graph, graph.ids[0], 999)(transaction)
    transaction.rollback()


@pytest.mark.parametrize("level", LEVELS)
def test_many_edges_at_once_are_checked_as_one_is(level: str) -> None:
    for order in ORDERS:
        graph = GraphOfTables()
        node = graph.ids[2]
        rows: list[Row] = [(SHAPE, graph.ids[0], node)] * (BULK_KEYS + 10)

        def insert(transaction: Transaction, graph: GraphOfTables = graph, rows: list[Row] = rows) -> None:
            transaction.writer(graph.edges).insert_many(rows)

        players = play(graph, level, [insert, delete_node(graph, node)], order)
        assert sum(player.error is None for player in players) == 1
        graph.check()


@pytest.mark.parametrize("level", LEVELS)
def test_rolling_back_to_a_savepoint_lets_the_node_go(graph: GraphOfTables, level: str) -> None:
    transaction = graph.begin(level)
    transaction.finish_statement()
    transaction.savepoint("s")
    transaction.start_statement()
    insert_edge(graph, graph.ids[2], graph.ids[0])(transaction)
    transaction.finish_statement()
    transaction.rollback_to("s")
    other = graph.begin("read committed", 2)
    delete_node(graph, graph.ids[2])(other)
    finish(other)
    if level == "serializable":  # it had told that the node was there
        transaction.start_statement()
        transaction.writer(graph.nodes).insert((SHAPE,))
        finish(transaction)
    else:
        transaction.rollback()
    graph.check()


# --- MERGE's names --------------------------------------------------------------------------------------------


def merge(graph: GraphOfTables, name: str) -> Callable[[Transaction], None]:
    def work(transaction: Transaction) -> None:
        claim(transaction, (MERGE, 1, name))
        transaction.writer(graph.nodes).insert((SHAPE,))

    return work


@pytest.mark.parametrize("level", LEVELS)
def test_two_that_merge_one_name_never_both_make_it(level: str) -> None:
    for order in ORDERS:
        graph = GraphOfTables()
        players = play(graph, level, [merge(graph, "a"), merge(graph, "a")], order)
        assert sum(player.error is None for player in players) == 1, order
        expected = RestartStatement if level == "read committed" else WriteConflict
        assert all(player.error is None or isinstance(player.error, expected) for player in players)


@pytest.mark.parametrize("level", LEVELS)
def test_two_names_do_not_stand_in_each_others_way(level: str) -> None:
    for order in ORDERS:
        graph = GraphOfTables()
        players = play(graph, level, [merge(graph, "a"), merge(graph, "b")], order)
        assert all(player.error is None for player in players)


@pytest.mark.parametrize("level", LEVELS)
def test_what_was_rolled_back_has_made_nothing(graph: GraphOfTables, level: str) -> None:
    first, second = graph.begin(level, 1), graph.begin(level, 2)
    first.finish_statement()
    first.savepoint("s")
    first.start_statement()
    merge(graph, "a")(first)
    first.finish_statement()
    first.rollback_to("s")
    first.start_statement()
    first.writer(graph.nodes).insert((SHAPE,))
    finish(first)
    merge(graph, "a")(second)
    finish(second)


def test_names_are_forgotten_when_no_snapshot_is_older(graph: GraphOfTables) -> None:
    reader = graph.begin("snapshot", 2)
    for number in range(FEW + 5):
        transaction = graph.begin()
        merge(graph, str(number))(transaction)
        finish(transaction)
    assert len(graph.manager.merges) == FEW + 5
    reader.rollback()
    for number in range(FEW + 10):
        transaction = graph.begin()
        merge(graph, f"again {number}")(transaction)
        finish(transaction)
    assert len(graph.manager.merges) < 100
