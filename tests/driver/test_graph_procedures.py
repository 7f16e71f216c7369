"""Procedures over whole graphs, against networkx; and what they say to what they cannot do."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

import networkx as nx
import pytest

import skerry
from skerry import Database
from skerry_engine import errors

pytest.importorskip("scipy")

SEEDS = range(6)


@pytest.fixture
def db() -> Iterator[Database]:
    with skerry.open() as database:
        yield database


def random_graph(db: Database, random: Random) -> Any:
    """A graph with parallel edges and loops, in the database and in networkx; nodes are named by their `n`.

    Undirected edges (in every second graph) lead both ways in networkx.
    """
    graph = nx.MultiDiGraph()
    nodes, edges = random.randint(1, 25), random.randint(0, 60)
    arrows = random.choice(([("-", "->")], [("-", "->"), ("~", "~")]))
    for n in range(nodes):
        graph.add_node(n, label="A" if random.random() < 0.7 else "B")
        db.execute(f"INSERT (:{graph.nodes[n]['label']} {{n: {n}}})")
    for _ in range(edges):
        one, other = random.randrange(nodes), random.randrange(nodes)
        weight = random.choice((0, 1, 2, 2.5, 7))
        label = "E" if random.random() < 0.7 else "F"
        left, right = random.choice(arrows)
        graph.add_edge(one, other, weight=weight, label=label, back=False, directed=left == "-")
        if left == "~" and one != other:
            graph.add_edge(other, one, weight=weight, label=label, back=True, directed=False)
        db.execute(
            f"MATCH (a {{n: {one}}}), (b {{n: {other}}})"
            f" INSERT (a){left}[:{label} {{weight: {float(weight)!r}}}]{right}(b)"
        )
    return graph


def without(graph: Any, is_left_out: Callable[[Any], bool]) -> Any:
    """The graph without some edges."""
    part = nx.MultiDiGraph(graph)
    part.remove_edges_from([edge for edge in graph.edges(keys=True) if is_left_out(graph.edges[edge])])
    return part


def pairs(db: Database, text: str) -> dict[int, Any]:
    return {row[0]: row[1] if len(row) == 2 else row[1:] for row in db.execute(text)}


@pytest.mark.parametrize("seed", SEEDS)
def test_degrees_are_those_of_networkx(db: Database, seed: int) -> None:
    graph = random_graph(db, Random(seed))
    found = pairs(
        db,
        "CALL degree() YIELD node, in_degree, out_degree, degree RETURN node.n, in_degree, out_degree, degree",
    )
    directed = without(graph, lambda edge: not edge["directed"])
    once = without(graph, lambda edge: edge["back"])
    assert found == {n: (directed.in_degree(n), directed.out_degree(n), once.degree(n)) for n in graph}


@pytest.mark.parametrize("seed", SEEDS)
def test_pagerank_is_that_of_networkx(db: Database, seed: int) -> None:
    graph = random_graph(db, Random(seed))
    found = pairs(db, "CALL pagerank({tolerance: 0.00000001}) YIELD node, score RETURN node.n, score")
    expected = nx.pagerank(graph, tol=1e-9, weight=None)
    assert found == pytest.approx(expected, abs=1e-6)
    assert sum(found.values()) == pytest.approx(1)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("strong", [False, True])
def test_components_are_those_of_networkx(db: Database, seed: int, strong: bool) -> None:
    graph = random_graph(db, Random(seed))
    found = pairs(
        db,
        f"CALL connected_components({{strong: {strong}}}) YIELD node, component RETURN node.n, component",
    )
    parts = nx.strongly_connected_components(graph) if strong else nx.weakly_connected_components(graph)
    groups: dict[int, set[int]] = {}
    for n, component in found.items():
        groups.setdefault(component, set()).add(n)
    assert sorted(map(sorted, groups.values())) == sorted(map(sorted, parts))


@pytest.mark.parametrize("seed", SEEDS)
def test_triangles_are_those_of_networkx(db: Database, seed: int) -> None:
    graph = random_graph(db, Random(seed))
    found = pairs(db, "CALL triangle_count() YIELD node, triangles RETURN node.n, triangles")
    simple = nx.Graph(graph)
    simple.remove_edges_from(list(nx.selfloop_edges(simple)))
    assert found == nx.triangles(simple)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("directed", [True, False])
def test_distances_and_paths_are_those_of_networkx(db: Database, seed: int, directed: bool) -> None:
    random = Random(seed)
    graph = random_graph(db, random)
    simple: Any = nx.DiGraph() if directed else nx.Graph()
    simple.add_nodes_from(graph)
    for one, other, data in graph.edges(data=True):
        least = simple.edges[one, other]["weight"] if simple.has_edge(one, other) else float("inf")
        simple.add_edge(one, other, weight=min(data["weight"], least))
    start, end = random.choice(list(graph)), random.choice(list(graph))
    expected = nx.single_source_dijkstra_path_length(simple, start)
    options = f"{{directed: {directed}}}"
    found = pairs(
        db,
        f"MATCH (a {{n: {start}}}) CALL distances(a, 'weight', {options}) YIELD node, distance"
        " RETURN node.n, distance",
    )
    assert found == pytest.approx(expected)
    rows = list(
        db.execute(
            f"MATCH (a {{n: {start}}}), (b {{n: {end}}})"
            f" CALL weighted_shortest_path(a, b, 'weight', {options}) YIELD path, distance RETURN path, distance"
        )
    )
    assert len(rows) == (end in expected)
    for path, distance in rows:
        assert distance == pytest.approx(expected[end])
        assert sum(edge["weight"] for edge in path.edges) == pytest.approx(distance)
        numbers = [node["n"] for node in path.nodes]
        assert (numbers[0], numbers[-1]) == (start, end)


@pytest.mark.parametrize("seed", SEEDS)
def test_labels_restrict_the_graph(db: Database, seed: int) -> None:
    graph = random_graph(db, Random(seed))
    kept = [n for n in graph if graph.nodes[n]["label"] == "A"]
    part = without(graph.subgraph(kept), lambda edge: edge["label"] == "F" or edge["back"])
    found = pairs(
        db,
        "CALL degree({node_label: 'A', edge_label: 'E'}) YIELD node, degree RETURN node.n, degree",
    )
    assert found == dict(part.degree())


def test_what_is_not_committed_is_seen_by_its_own_transaction_only(db: Database) -> None:
    db.execute("INSERT (:A)-[:E]->(:A)")
    count = "CALL degree() YIELD node, degree RETURN sum(degree)"
    with db.begin_transaction() as transaction:
        transaction.execute("INSERT (:A)-[:E]->(:A)")
        assert transaction.execute(count).scalar() == 4
        assert db.execute(count).scalar() == 2


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        ("degree(1, 2)", errors.UndefinedFunction, "arguments"),
        ("pagerank({dampng: 0.5})", errors.InvalidParameterValue, "dampng"),
        ("pagerank({damping: 'much'})", errors.DatatypeMismatch, "damping"),
        ("pagerank({damping: 2})", errors.InvalidParameterValue, "damping"),
        ("distances(1, 'weight')", errors.DatatypeMismatch, "from"),
        ("distances(a, 'weight')", errors.NullValueNotAllowed, "weight"),
        ("distances(a, 'name')", errors.DatatypeMismatch, "no number"),
        ("distances(a, 'debt')", errors.InvalidParameterValue, "not negative"),
    ],
)
def test_wrong_calls_say_what_is_wrong(db: Database, call: str, error: type[Exception], words: str) -> None:
    db.execute("INSERT (:A {n: 1})-[:E {name: 'x', debt: -1}]->(:A)")
    with pytest.raises(error, match=words):
        db.execute(f"MATCH (a:A {{n: 1}}) CALL {call} RETURN 1 AS one")


def test_without_the_libraries_an_error_says_how_to_get_them(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "numpy", None)
    with pytest.raises(errors.NotSupportedError, match="numpy") as raised:
        db.execute("CALL degree() YIELD node RETURN node")
    assert "skerry[graph]" in str(raised.value.hint)


def test_explain_names_the_procedure(db: Database) -> None:
    lines = [row[0] for row in db.execute("EXPLAIN CALL pagerank() YIELD node RETURN node")]
    assert any("Procedure pagerank" in line for line in lines)
