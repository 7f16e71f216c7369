"""Plans over graphs: which are chosen, and that all of them give the rows that looping over everything gives."""

from __future__ import annotations

import itertools
from random import Random

import pytest
from support.builds import this_builds
from support.graph_plans import (
    EDGES,
    GraphTables,
    column,
    edges,
    joined,
    labelled,
    node_property,
    nodes,
    number,
    row_id,
    same,
    select,
    ways,
)

from skerry_engine.algebra import expressions as ex
from skerry_engine.algebra import queries as q
from skerry_engine.plan import physical as ph
from skerry_engine.plan.compile import compile_query
from skerry_engine.plan.explain import explain_lines
from skerry_engine.values import oids
from skerry_engine.values.types import SqlType

Link = tuple[int, int]


def random_graph(random: Random, node_count: int, edge_count: int) -> tuple[GraphTables, list[Link]]:
    """Nodes and edges with ids from 1; the first link is that of no edge."""
    graph = GraphTables()
    for n in range(1, node_count + 1):
        properties = {"n": n} if random.random() < 0.8 else {"x": "?", "n": n}
        assert n == graph.node(*(["Even"] if n % 2 == 0 else ["Odd"]), **properties)
    links = [(0, 0)]
    for n in range(1, edge_count + 1):
        link = random.randint(1, node_count), random.randint(1, node_count)
        links.append(link)
        assert n == graph.edge(*link, "KNOWS" if n % 3 else "LIKES", w=n)
    return graph, links


@pytest.fixture(scope="module")
def graph() -> tuple[GraphTables, list[Link]]:
    return random_graph(Random(6), 40, 150)


def plan_of(graph: GraphTables, query: q.Query) -> list[str]:
    return [line.strip() for line in explain_lines(compile_query(query, graph), False)]


# --- one element ----------------------------------------


def test_a_node_is_found_by_its_id(graph: tuple[GraphTables, list[Link]]) -> None:
    query = select(nodes(1), [row_id(1), node_property(1, "n")], same(row_id(1), number(7)))
    assert graph[0].run(query) == [(7, 7)]
    assert graph[0].run(select(nodes(1), [row_id(1)], same(row_id(1), number(4000)))) == []
    null = ex.Const(SqlType(oids.INT8), None)
    assert graph[0].run(select(nodes(1), [row_id(1)], same(row_id(1), null))) == []


def test_nodes_are_found_by_label_with_and_without_ids(graph: tuple[GraphTables, list[Link]]) -> None:
    tables = graph[0]
    assert sorted(tables.run(select(nodes(1), [node_property(1, "n")], labelled(1, "Odd")))) == [
        (n,) for n in range(1, 41, 2)
    ]
    found = tables.run(
        select(nodes(1), [row_id(1)], labelled(1, "Even"), same(node_property(1, "n"), number(6)))
    )
    assert found == [(6,)]
    assert tables.run(select(nodes(1), [row_id(1)], labelled(1, "None"))) == []


@pytest.mark.parametrize("share", [1, 50])
def test_a_label_is_read_by_its_index_where_it_is_rare_and_by_all_rows_where_not(share: int) -> None:
    tables = GraphTables()
    for n in range(6000):
        tables.node("Common" if n % share else "Rare", n=n)
    for label, wanted in (("Rare", True), ("Common", False)):
        query = select(nodes(1), [node_property(1, "n")], labelled(1, label))
        expected = [(n,) for n in range(6000) if (n % share == 0) is wanted]
        assert sorted(tables.run(query)) == expected


def test_a_property_that_a_shape_lacks_is_null(graph: tuple[GraphTables, list[Link]]) -> None:
    text = node_property(1, "x", oids.TEXT)
    rows = graph[0].run(select(nodes(1), [text, ex.IsNull(SqlType(oids.BOOL), text)]))
    assert {(None, True), ("?", False)} == set(rows)


# --- from nodes to edges ----------------------------------------


def one_hop(start: int, *more: ex.Expr, outputs: list[ex.Expr] | None = None) -> q.Query:
    """(1)-[2]->(3) from the node with n = start."""
    return select(
        joined(nodes(1), edges(2), nodes(3)),
        outputs or [node_property(3, "n")],
        same(row_id(1), column(2, 1)),
        same(row_id(3), column(2, 2)),
        same(node_property(1, "n"), number(start)),
        *more,
    )


def test_one_hop_is_a_loop_over_the_index_of_sources(graph: tuple[GraphTables, list[Link]]) -> None:
    tables, links = graph
    for start in range(1, 41):
        assert sorted(tables.run(one_hop(start))) == sorted((b,) for a, b in links if a == start)
    compiled = compile_query(one_hop(3), tables)
    assert "get_each" in compiled.source and ".ends(" in compiled.source
    assert compiled.source.count("def ") == 1, "no stage"


def test_a_node_of_which_only_the_id_is_read_is_not_fetched(graph: tuple[GraphTables, list[Link]]) -> None:
    tables, links = graph
    query = one_hop(3, outputs=[row_id(3)])
    assert sorted(tables.run(query)) == sorted((b,) for a, b in links if a == 3)
    assert "get_each" not in compile_query(query, tables).source
    count = select(
        joined(nodes(1), edges(2), nodes(3)),
        [row_id(1), row_id(3)],
        same(row_id(1), column(2, 1)),
        same(row_id(3), column(2, 2)),
    )
    assert sorted(tables.run(count)) == sorted(links[1:])
    assert isinstance(compile_query(count, tables).physical[0][1], ph.SeqScan)


def test_labels_of_edges_are_tested_before_their_targets_are_fetched(
    graph: tuple[GraphTables, list[Link]],
) -> None:
    tables, links = graph
    for start in range(1, 41):
        query = one_hop(start, labelled(2, "LIKES", EDGES), labelled(3, "Even"))
        expected = sorted(
            (b,) for n, (a, b) in enumerate(links) if n and a == start and n % 3 == 0 and b % 2 == 0
        )
        assert sorted(tables.run(query)) == expected


def test_a_hub_is_read_in_batches(graph: tuple[GraphTables, list[Link]]) -> None:
    tables = GraphTables()
    hub = tables.node("Hub", n=1)
    leaves = [tables.node("Leaf", n=n) for n in range(2, 3002)]
    for leaf in leaves:
        tables.edge(hub, leaf, "KNOWS", w=leaf)
    query = select(
        joined(nodes(1), edges(2), nodes(3)),
        [node_property(3, "n"), row_id(2)],
        same(row_id(1), column(2, 1)),
        same(row_id(3), column(2, 2)),
        same(row_id(1), number(hub)),
    )
    assert sorted(tables.run(query)) == [(n + 1, n) for n in range(1, 3001)]


# --- both ways ----------------------------------------


def test_an_edge_can_be_walked_both_ways_and_a_loop_once(graph: tuple[GraphTables, list[Link]]) -> None:
    tables, links = graph
    assert any(a == b for a, b in links[1:])
    everything = select(
        joined(nodes(1), ways(2, 9), nodes(3)),
        [row_id(1), row_id(2), row_id(3)],
        same(row_id(1), column(9, 0)),
        same(row_id(3), column(9, 1)),
    )
    expected = {(a, n, b) for n, (a, b) in enumerate(links) if n} | {
        (b, n, a) for n, (a, b) in enumerate(links) if n
    }
    assert sorted(tables.run(everything)) == sorted(expected)
    for known, other in ((1, 3), (3, 1)):
        for start in range(1, 41):
            query = select(
                joined(nodes(1), ways(2, 9), nodes(3)),
                [node_property(other, "n"), row_id(2)],
                same(row_id(1), column(9, 0)),
                same(row_id(3), column(9, 1)),
                same(node_property(known, "n"), number(start)),
                labelled(2, "KNOWS", EDGES),
            )
            wanted = sorted((b, n) for a, n, b in expected if a == start and n % 3)
            assert sorted(tables.run(query)) == wanted


# --- random patterns ----------------------------------------


@pytest.mark.parametrize("seed", this_builds(range(60)))
def test_random_chains_and_circles_give_what_trying_everything_gives(seed: int) -> None:
    random = Random(seed)
    tables, links = random_graph(random, random.randint(1, 7), random.randint(0, 14))
    count = tables.row_count(100)
    node_ranges = list(range(1, random.randint(2, 4)))
    steps = [
        (n, random.choice(node_ranges), random.choice(node_ranges), random.random() < 0.3)
        for n in range(random.randint(1, 3))
    ]
    node_ranges = [r for r in node_ranges if any(r in step[1:3] for step in steps)]
    filters = [(r, random.choice(("label", "n"))) for r in node_ranges if random.random() < 0.5]
    items: list[q.Relation] = [nodes(r) for r in node_ranges]
    conditions: list[ex.Expr] = []
    for n, source, target, undirected in steps:
        items.append(ways(10 + n, 20 + n) if undirected else edges(10 + n))
        ends = (
            (column(20 + n, 0), column(20 + n, 1)) if undirected else (column(10 + n, 1), column(10 + n, 2))
        )
        conditions += [same(row_id(source), ends[0]), same(row_id(target), ends[1])]
    limits = {}
    for r, kind in filters:
        limits[r] = random.randint(1, count)
        fits = labelled(r, "Odd") if kind == "label" else same(node_property(r, "n"), number(limits[r]), "<")
        conditions.append(fits)
    for first, second in itertools.combinations(range(len(steps)), 2):
        conditions.append(same(row_id(10 + first), row_id(10 + second), "<>"))
    random.shuffle(items)
    random.shuffle(conditions)
    outputs: list[ex.Expr] = [row_id(r) for r in node_ranges] + [row_id(10 + n) for n, *_ in steps]
    if random.random() < 0.5:
        outputs.append(node_property(random.choice(node_ranges), "n"))
    expected = []
    for ids in itertools.product(range(1, count + 1), repeat=len(node_ranges)):
        at = dict(zip(node_ranges, ids, strict=True))
        if any(at[r] % 2 == 0 if kind == "label" else at[r] >= limits[r] for r, kind in filters):
            continue
        for chosen in itertools.permutations(range(1, len(links)), len(steps)):
            fitting = all(
                links[edge] == (at[source], at[target])
                or (undirected and links[edge] == (at[target], at[source]))
                for edge, (_, source, target, undirected) in zip(chosen, steps, strict=True)
            )
            if fitting:
                row = (*ids, *chosen)
                extra = outputs[len(row) :]
                expected.append(row + tuple(at[e.range_id] for e in extra if isinstance(e, ex.Property)))
    assert sorted(tables.run(select(joined(*items), outputs, *conditions))) == sorted(expected)
