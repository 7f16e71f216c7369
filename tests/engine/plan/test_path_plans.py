"""Path searches planned and compiled: random patterns over a graph's tables, against brute force."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import replace
from random import Random
from typing import Any

import pytest
from support.builds import this_builds
from support.graph_matcher import Match, RandomPatterns, matches, random_graph, variables, wrong_lengths
from support.graph_plans import (
    BOOL,
    EDGES,
    INT8,
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
)
from support.path_plans import NODE, PATH, SEARCH, SearchMaker, stored

from skerry_engine import errors
from skerry_engine.algebra import expressions as ex
from skerry_engine.algebra import paths as pt
from skerry_engine.algebra import queries as q
from skerry_engine.plan.compile import compile_query
from skerry_engine.plan.explain import explain_lines

SEEDS = int(os.environ.get("SKERRY_PATH_SEEDS", "8"))
CASES_PER_SEED = 12
MODES = ("trail", "acyclic", "simple")

FROM, TO = 7, 8
"""Ranges of the nodes that a search is joined with."""


def ids(value: Any, edges: dict[int, int]) -> Any:
    """Elements of a list or path as the graph's numbers."""
    return tuple(edges[each[2]] if len(each) > 4 else each[2] for each in value)


def expected_row(match: Match, names: list[str]) -> tuple[Any, ...]:
    path, notes = match
    places = {name: sorted(position for position, noted in notes if noted == name) for name in names}
    return (path, *(tuple(path[position] for position in places[name]) for name in names))


def ends_at(range_id: int, random: Random) -> tuple[list[q.Relation], list[ex.Expr], str]:
    """Something that gives nodes: all, those with a label, one."""
    kind = random.choice(("all", "label", "one", "property"))
    conditions: list[ex.Expr] = []
    if kind == "label":
        conditions = [labelled(range_id, "A")]
    elif kind == "one":
        conditions = [same(row_id(range_id), number(2))]
    elif kind == "property":
        conditions = [same(node_property(range_id, "k"), number(2))]
    return [nodes(range_id)], conditions, kind


@pytest.mark.parametrize("seed", this_builds(range(SEEDS)))
def test_searches_over_tables_find_what_brute_force_finds(seed: int) -> None:
    random = Random(seed)
    for _ in range(CASES_PER_SEED):
        graph, patterns = random_graph(random), RandomPatterns(random)
        patterns.grouped_conditions = False
        part = patterns.pattern()
        mode, names = random.choice(MODES), sorted(variables(part))
        tables, node_ids, edge_ids = stored(graph)
        assert node_ids == {n: n for n in node_ids}
        maker = SearchMaker(random, part)
        selector, count, by_length = None, random.choice((1, 2)), random.random() < 0.5
        if random.random() < 0.5:
            selector = pt.PathSelector(number(count), True, by_length)
        search = maker.search(part, mode, selector)
        first, first_conditions, first_kind = ends_at(FROM, random)
        last, last_conditions, last_kind = ends_at(TO, random)
        items = [*first, *last, search]
        random.shuffle(items)
        outputs = [ex.Column(PATH, SEARCH, 2, "path")]
        outputs += [ex.Column(NODE, SEARCH, 3 + n, name) for n, name in enumerate(names)]
        query = select(
            joined(*items),
            list(outputs),
            same(row_id(FROM), column(SEARCH, 0)),
            same(column(SEARCH, 1), row_id(TO)),
            *first_conditions,
            *last_conditions,
        )
        by_row = {row: n for n, row in edge_ids.items()}
        found = [tuple(ids(value, by_row) for value in row) for row in tables.run(query)]
        among = {
            match
            for match in matches(graph, part, mode)
            if fits(graph, match[0][0], first_kind) and fits(graph, match[0][-1], last_kind)
        }
        expected = Counter(expected_row(m, names) for m in among)
        case = f"{mode} {part}\n{graph}"
        if selector is None:
            assert Counter(found) == expected, case
        else:
            assert not Counter(found) - expected, case
            paths = [row[0] for row in found]
            assert not wrong_lengths(paths, [m[0] for m in among], count, True, by_length), case


def fits(graph: Any, node: int, kind: str) -> bool:
    if kind == "label":
        return "A" in graph.labels[node]
    if kind == "one":
        return node == 2
    return kind == "all" or graph.properties[node].get("k") == 2


# --- which plans are chosen ----------------------------------------


def small_search(selector: pt.PathSelector | None = None) -> q.PathSearch:
    """-[:E]->{1,3}"""
    edge = pt.PathElement(True, (row_id(20),))
    ends = [pt.PathElement(False, (column(20, position),)) for position in (1, 2)]
    segment = pt.PathSegment(q.Filter(edges(20), labelled(20, "E", EDGES)), (ends[0], edge, ends[1]))
    outputs = (pt.PathOutput("start", INT8), pt.PathOutput("end", INT8))
    return q.PathSearch(SEARCH, pt.PathRepeat(segment, 1, 3), outputs, "trail", selector)


STARTS, ENDS = same(row_id(FROM), column(SEARCH, 0)), same(column(SEARCH, 1), row_id(TO))


def explained(
    *conditions: ex.Expr, outputs: list[ex.Expr], selector: pt.PathSelector | None = None
) -> list[str]:
    tables = GraphTables()
    for number_of_node in range(1, 401):
        tables.node("A" if number_of_node % 2 else "B", k=number_of_node)
        tables.edge(max(1, number_of_node // 2), number_of_node, "E")
    items = joined(nodes(FROM), nodes(TO), small_search(selector))
    return [
        line.strip()
        for line in explain_lines(
            compile_query(select(items, outputs, STARTS, ENDS, *conditions), tables), False
        )
    ]


def test_a_search_begins_at_the_end_where_fewer_nodes_are() -> None:
    from_one = same(row_id(FROM), number(3))
    forward = explained(from_one, outputs=[node_property(TO, "k")])
    assert any("Path Search" in line and "Backward" not in line for line in forward), forward
    to_one = same(row_id(TO), number(3))
    backward = explained(to_one, outputs=[node_property(FROM, "k")])
    assert any("Path Search Backward" in line for line in backward), backward


def test_a_selector_is_sought_between_nodes_that_are_pinned_down() -> None:
    pinned = [same(node_property(FROM, "k"), number(3)), same(node_property(TO, "k"), number(4))]
    reads = [node_property(FROM, "x"), node_property(TO, "x")]
    one = pt.PathSelector(number(1), True)
    lines = explained(*pinned, outputs=reads, selector=one)
    assert any(line.startswith("From:") for line in lines) and any(line.startswith("To:") for line in lines)
    lines = explained(*pinned, outputs=reads)
    assert sum(line.startswith(("From:", "To:")) for line in lines) == 1, "all paths lead everywhere anyway"
    lines = explained(pinned[0], labelled(TO, "A"), outputs=reads, selector=one)
    assert sum(line.startswith(("From:", "To:")) for line in lines) == 1


def test_an_end_that_nobody_reads_is_not_fetched() -> None:
    lines = explained(same(node_property(FROM, "k"), number(3)), outputs=[row_id(TO)])
    assert sum("Node" in line for line in lines) == 1, lines
    both_unread = explained(outputs=[row_id(TO)])
    assert sum("Node" in line for line in both_unread) >= 1, both_unread


def test_a_path_search_without_a_node_to_begin_at_is_no_semi_join() -> None:
    tables = GraphTables()
    ids_of = [tables.node("A", k=n) for n in range(4)]
    tables.edge(ids_of[0], ids_of[1], "E")
    tables.edge(ids_of[1], ids_of[2], "E")
    inside = select(small_search(), [number(1)], same(row_id(FROM), column(SEARCH, 0)))
    exists = ex.SubqueryExpr(BOOL, "exists", inside)
    assert tables.run(select(nodes(FROM), [row_id(FROM)], exists)) == [(ids_of[0],), (ids_of[1],)]


@pytest.mark.parametrize("count", [0, -1, None])
def test_the_number_of_a_selector_is_positive(count: int | None) -> None:
    tables = GraphTables()
    tables.node("A")
    selector = pt.PathSelector(ex.Const(INT8, count))
    query = select(joined(nodes(FROM), small_search(selector)), [column(SEARCH, 1)], STARTS)
    with pytest.raises(errors.InvalidParameterValue):
        tables.run(query)


def test_searches_that_keep_too_much_are_out_of_memory() -> None:
    tables = GraphTables()
    ids_of = [tables.node("A") for _ in range(40)]
    for one in ids_of:
        for other in ids_of:
            tables.edge(one, other, "E")
    search = replace(small_search(), pattern=pt.PathRepeat(small_search().pattern.part, 8, None))  # type: ignore[attr-defined]
    compiled = compile_query(select(search, [column(SEARCH, 1)], same(column(SEARCH, 0), number(1))), tables)
    context = tables.context(compiled, (), 1 << 20)
    steps = 0
    with pytest.raises(errors.OutOfMemory):
        for batch in compiled.run(context):
            steps += not isinstance(batch, list)
            assert steps < 10_000
    assert steps, "it pauses on the way"
